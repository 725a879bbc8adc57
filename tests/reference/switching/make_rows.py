"""Make ``rows.csv``: 90 partners of 9 managers, 7 quarters; a dinner adds 0.5, managers like partners that are strong."""

from pathlib import Path

import numpy as np
import pandas as pd

random = np.random.default_rng(20261123)
rows = []
for partner in range(90):
    strong, size, on = random.standard_normal(), random.integers(0, 2), 0
    for quarter in range(7):
        on = int(random.random() < 1 / (1 + np.exp(0.6 - 0.5 * strong - 1.4 * on)))
        leads = strong + 0.5 * on + (0.2 + 0.1 * size) * quarter + 0.5 * random.standard_normal()
        rows.append((f"p{partner:02d}", f"m{partner % 9}", quarter + 1, size, on, round(leads, 4)))
table = pd.DataFrame(rows, columns=["partner", "manager", "quarter", "size", "dinner", "leads"])
table.drop(index=random.choice(len(table), 25, replace=False)).sort_index().to_csv(Path(__file__).parent / "rows.csv", index=False)
