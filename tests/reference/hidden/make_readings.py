"""Draw the committed readings: 150 units read eleven times, with gaps, through a known misclassification."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import linalg

GENERATOR = np.array([[-0.22, 0.18, 0.04], [0.10, -0.25, 0.15], [0.03, 0.12, -0.15]])
READING = np.array([[0.85, 0.12, 0.03], [0.10, 0.80, 0.10], [0.02, 0.13, 0.85]])

if __name__ == "__main__":
    rng = np.random.default_rng(20261122)
    matrix = linalg.expm(GENERATOR)
    state, rows = rng.integers(0, 3, 150), []
    for time in range(11):
        if time:
            state = (rng.random(150)[:, None] > matrix[state].cumsum(axis=1)[:, :-1]).sum(axis=1)
        read = (rng.random(150)[:, None] > READING[state].cumsum(axis=1)[:, :-1]).sum(axis=1)
        seen = rng.random(150) > 0.1
        rows += [(unit, time, code) for unit, code in zip(np.flatnonzero(seen), read[seen], strict=True)]
    table = pd.DataFrame(rows, columns=["unit", "time", "tier"]).sort_values(["unit", "time"])
    table.to_csv(Path(__file__).with_name("readings.csv"), index=False)
