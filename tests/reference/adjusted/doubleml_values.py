"""Augmented weighting by DoubleML, for tests/reference/test_adjusted.py; run in this folder with DoubleML 0.11.4.

Folds are those of the rows. Writes doubleml.csv.
"""

import numpy as np
import pandas as pd


def main() -> None:
    """Write doubleml.csv from rows.csv; the peer is no part of the tests' environment."""
    from doubleml import DoubleMLData, DoubleMLIRM
    from sklearn.linear_model import LinearRegression, LogisticRegression

    rows = pd.read_csv("rows.csv")
    known = pd.get_dummies(rows[["age", "weight_before", "woman", "school"]], drop_first=True).astype(float)
    known = (known - known.mean()) / known.std()
    logit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    place, fold = np.arange(len(rows)), rows["fold"].to_numpy()
    parts = [(place[fold != one], place[fold == one]) for one in range(5)]
    found = []
    for outcome, family, line in (("gain", "linear", LinearRegression()), ("ill", "logit", logit)):
        for target in ("ATTE", "ATE"):
            for normalize in (False, True):
                data = DoubleMLData.from_arrays(known.to_numpy(), rows[outcome].to_numpy(float), rows["stopped"].to_numpy(float))
                model = DoubleMLIRM(
                    data, line, logit, n_folds=5, score=target, normalize_ipw=normalize, draw_sample_splitting=False,
                    ps_processor_config=None,
                )  # fmt: skip
                model.set_sample_splitting([parts])
                model.fit()
                found.append((outcome, family, target.lower()[:3], normalize, model.coef[0], model.se[0]))
    columns = ["outcome", "family", "target", "normalize", "estimate", "std_error"]
    pd.DataFrame(found, columns=columns).to_csv("doubleml.csv", index=False, float_format="%.12g")


if __name__ == "__main__":
    main()
