"""Draw the rows of tests/reference/test_adjusted.py: people who stopped or not, what became of them, and what was known before.

Run in this folder; writes rows.csv. Made up, so that causes are known: stopping adds 2.5 and has more of the old and the educated.
"""

import numpy as np
import pandas as pd


def main() -> None:
    """Write rows.csv."""
    rng = np.random.default_rng(20)
    n = 600
    rows = pd.DataFrame({
        "age": rng.integers(25, 75, n), "weight_before": rng.normal(70, 12, n).round(1), "woman": rng.integers(0, 2, n),
        "school": rng.choice(["college", "high", "none"], n, p=[0.3, 0.5, 0.2]), "doctor": rng.integers(0, 60, n),
    })  # fmt: skip
    liking, luck = rng.normal(size=(2, 60))
    push = -1.2 + 0.03 * (rows["age"] - 45) + 0.5 * (rows["school"] == "college") - 0.3 * rows["woman"] + liking[rows["doctor"]]
    rows["stopped"] = (rng.random(n) < 1 / (1 + np.exp(-push))).astype(int)
    gain = 2 + 2.5 * rows["stopped"] - 0.1 * (rows["age"] - 45) + 0.08 * (rows["weight_before"] - 70) + luck[rows["doctor"]]
    rows["gain"] = (gain + rng.normal(0, 4, n)).round(3)
    risk = -1.0 + 0.06 * (rows["age"] - 45) - 0.6 * rows["stopped"] + 0.4 * rows["woman"]
    rows["ill"] = (rng.random(n) < 1 / (1 + np.exp(-risk))).astype(int)
    rows["stands_for"] = rng.gamma(4, 0.25, n).round(4) + 0.1
    rows["fold"] = rng.integers(0, 5, n)
    rows.to_csv("rows.csv", index=False)


if __name__ == "__main__":
    main()
