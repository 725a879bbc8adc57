"""Imputation with its errors on the unbalanced rows, for tests/reference/test_staggered.py; run in this folder with diff-diff 3.13.0.

Clusters are partners, and twelve managers of five partners each.
"""

import diff_diff
import pandas as pd

rows = pd.read_csv("rows.csv").dropna(subset=["leads"])
rows["first"] = rows["start"].where(rows["start"] < 99, 0)
rows["manager"] = rows["partner"] % 12
found = []
for cluster in ("partner", "manager"):
    fit = diff_diff.ImputationDiD(cluster=cluster).fit(rows, "leads", "partner", "quarter", "first", aggregate="event_study")
    found.append((cluster, "partner-quarters", fit.overall_att, fit.overall_se))
    found += [(cluster, at, one["effect"], one["se"]) for at, one in fit.event_study_effects.items() if at >= 0]
pd.DataFrame(found, columns=["cluster", "at", "estimate", "std_error"]).to_csv("imputation.csv", index=False, float_format="%.12g")
