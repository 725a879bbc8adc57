"""Imputation with a covariate of each quarter, for tests/reference/test_staggered.py; run in this folder with diff-diff 3.13.0."""

import numpy as np
import pandas as pd


def main() -> None:
    """Write covariates_imputation.csv from rows.csv; the peer is no part of the tests' environment."""
    import diff_diff

    rows = pd.read_csv("rows.csv").dropna(subset=["leads"])
    rows["calls"] = np.sin(1.3 * rows["partner"] + rows["quarter"] ** 2 / 3) + 0.2 * rows["portal"]
    rows["leads"] += 0.5 * rows["calls"]
    rows["first"] = rows["start"].where(rows["start"] < 99, 0)
    rows["manager"] = rows["partner"] % 12
    found = []
    for cluster in ("partner", "manager"):
        model = diff_diff.ImputationDiD(cluster=cluster)
        fit = model.fit(rows, "leads", "partner", "quarter", "first", covariates=["calls"], aggregate="event_study")
        found.append((cluster, "partner-quarters", fit.overall_att, fit.overall_se))
        found += [(cluster, at, one["effect"], one["se"]) for at, one in fit.event_study_effects.items() if at >= 0]
    table = pd.DataFrame(found, columns=["cluster", "at", "estimate", "std_error"])
    table.to_csv("covariates_imputation.csv", index=False, float_format="%.12g")


if __name__ == "__main__":
    main()
