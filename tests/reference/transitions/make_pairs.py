"""Make the seeded pairs that transitions.R works on: 60 partners that differ, up to 9 quarters, gaps and lapses."""

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(20261122)
base = np.array([[0.80, 0.15, 0.02, 0.03], [0.10, 0.75, 0.11, 0.04], [0.02, 0.12, 0.82, 0.04]])
rows = []
for partner in range(60):
    odds = np.exp(rng.standard_normal())
    own = base * np.where(np.eye(3, 4, dtype=bool), 1.0, odds)
    own /= own.sum(axis=1, keepdims=True)
    state = int(rng.integers(0, 3))
    for quarter in range(int(rng.integers(3, 10))):
        if state == 3:
            break
        after = int(rng.choice(4, p=own[state]))
        if rng.random() > 0.05:  # else a gap: this pair was not seen
            rows.append((f"p{partner:02d}", quarter, state, after))
        state = after
pd.DataFrame(rows, columns=["partner", "quarter", "origin", "target"]).to_csv(Path(__file__).parent / "pairs.csv", index=False)
