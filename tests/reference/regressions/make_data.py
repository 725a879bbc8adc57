"""Seeded data for the regressions' references: ``python make_data.py`` writes recurrent.csv, competing.csv and moves.csv."""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


def recurrent(random: np.random.Generator) -> pd.DataFrame:
    """Stretches between deals: whole weeks, up to four deals a partner, shared frailty."""
    rows = []
    for partner in range(70):
        arm, size, frailty, clock = random.integers(0, 2), round(random.normal(), 2), random.gamma(2.0, 0.5), 0
        end = int(random.integers(15, 40))
        for spell in range(1, 5):
            gap = int(np.ceil(random.exponential(14 / (frailty * np.exp(-0.5 * arm + 0.3 * size)))))
            stop = min(clock + gap, end)
            if stop > clock:
                rows.append((partner, spell, clock, stop, int(clock + gap <= end), arm, size, "NSW"[partner % 3]))
            clock = stop
            if clock >= end:
                break
    return pd.DataFrame(rows, columns=["partner", "spell", "entry", "duration", "event", "arm", "size", "region"])


def competing(random: np.random.Generator) -> pd.DataFrame:
    """Two ways of leaving, whole quarters, half of the partners seen late."""
    n = 260
    arm, size = random.integers(0, 2, n), random.normal(size=n).round(2)
    life = np.ceil(random.exponential(9 * np.exp(-0.4 * arm - 0.2 * size))).astype(int)
    way, end = np.where(random.random(n) < 0.5 + 0.15 * arm, 1, 2), random.integers(3, 21, n)
    duration = np.minimum(life, end)
    entry = np.where(random.random(n) < 0.5, 0, (duration * random.random(n) * 0.7).astype(int))
    frame = pd.DataFrame({"partner": range(n), "entry": entry, "duration": duration, "event": np.where(life <= end, way, 0)})
    return frame.assign(arm=arm, size=size, manager=np.arange(n) % 24)


def moves(random: np.random.Generator) -> pd.DataFrame:
    """Moves out of one tier: 60 partners, eight quarters, shared frailty; tier reached 1 (best) to 4."""
    partner = np.repeat(np.arange(60), 8)
    tenure, size = np.tile(np.arange(1, 9), 60), random.normal(size=480).round(2)
    region = np.array(["N", "S", "W"])[partner % 3]
    latent = 0.5 * size - 0.08 * tenure + 0.4 * (region == "W") + random.normal(size=60)[partner] * 0.6 + random.logistic(size=480)
    tier = 4 - np.digitize(latent, [-2.2, -0.8, 1.6])
    return pd.DataFrame({"partner": partner, "quarter": tenure, "to_tier": tier, "tenure": tenure, "size": size, "region": region})


if __name__ == "__main__":
    random = np.random.default_rng(20261122)
    for make in (recurrent, competing, moves):
        make(random).to_csv(HERE / f"{make.__name__}.csv", index=False)
