"""Imputation with its errors on the unbalanced rows, for tests/reference/test_staggered.py; run in this folder with diff-diff 3.13.0.

Clusters are partners, and twelve managers of five partners each.
"""

import pandas as pd


def main() -> None:
    """Write imputation.csv from rows.csv; the peer is no part of the tests' environment."""
    import diff_diff

    rows = pd.read_csv("rows.csv").dropna(subset=["leads"])
    rows["first"] = rows["start"].where(rows["start"] < 99, 0)
    rows["manager"] = rows["partner"] % 12
    found = []
    for cluster in ("partner", "manager"):
        fit = diff_diff.ImputationDiD(cluster=cluster).fit(rows, "leads", "partner", "quarter", "first", aggregate="event_study")
        found.append((cluster, "partner-quarters", fit.overall_att, fit.overall_se))
        found += [(cluster, at, one["effect"], one["se"]) for at, one in fit.event_study_effects.items() if at >= 0]
    pd.DataFrame(found, columns=["cluster", "at", "estimate", "std_error"]).to_csv("imputation.csv", index=False, float_format="%.12g")


if __name__ == "__main__":
    main()
