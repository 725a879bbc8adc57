"""Make ``rows.csv``: 60 partners, 8 quarters, starts in the third and the fifth, 50 outcomes missing."""

from pathlib import Path

import numpy as np
import pandas as pd

random = np.random.default_rng(5)
rows = []
for partner in range(60):
    start, lasting = random.choice([3, 5, 99]), random.standard_normal()
    for quarter in range(8):
        effect = (quarter >= start) * (0.5 + 0.1 * (quarter - start))
        leads = round(lasting + 0.2 * quarter + effect + 0.4 * random.standard_normal(), 4)
        rows.append((partner, quarter, start, int(quarter >= start), leads))
table = pd.DataFrame(rows, columns=["partner", "quarter", "start", "portal", "leads"])
table.loc[random.choice(480, 50, replace=False), "leads"] = np.nan
table.to_csv(Path(__file__).parent / "rows.csv", index=False)
