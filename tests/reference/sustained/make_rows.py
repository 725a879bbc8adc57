"""Make ``rows.csv``: 150 partners, 6 quarters; health and the tactic move each other, and some partners are lost."""

from pathlib import Path

import numpy as np
import pandas as pd

random = np.random.default_rng(20261122)
rows = []
for partner in range(150):
    hidden, size, health, on = random.standard_normal(), random.integers(0, 2), random.standard_normal(), 0
    for quarter in range(6):
        health = 0.5 * health - 0.5 * on + 0.5 * hidden + random.standard_normal() * 0.7
        on = int(random.random() < 1 / (1 + np.exp(0.4 + 0.7 * health - 0.9 * on - 0.3 * size)))
        leads = hidden + 0.3 * size + 0.4 * on + 0.1 * quarter + random.standard_normal() * 0.6
        lost_in = random.random() < 1 / (1 + np.exp(3.2 + 0.5 * health + 0.4 * on))
        rows.append((f"p{partner:03d}", quarter + 1, size, round(health, 4), on, np.nan if lost_in else round(leads, 4)))
        if lost_in or random.random() < 1 / (1 + np.exp(3.0 + 0.4 * leads)):
            break
pd.DataFrame(rows, columns=["partner", "quarter", "size", "health", "dinner", "leads"]).to_csv(
    Path(__file__).parent / "rows.csv", index=False
)
