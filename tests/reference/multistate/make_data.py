"""Draw the three small tables of this folder: ``python tests/reference/multistate/make_data.py`` (the committed files are its output)."""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


def _walk(rng, rates, start, end):
    """Stays of one partner: (state, entry, exit, next state or -1), times to a tenth."""
    state, time, stays = start, 0.0, []
    while time < end:
        out = rates[state]
        total = out.sum()
        stay = np.inf if total == 0 else round(float(rng.exponential(1 / total)) + 0.1, 1)
        if time + stay >= end:
            stays.append((state, round(time, 1), end, -1))
            break
        following = int(rng.choice(len(out), p=out / total))
        stays.append((state, round(time, 1), round(time + stay, 1), following))
        state, time = following, time + stay
        if rates[state].sum() == 0:
            break
    return stays


def six_states(rng):
    """Six states, two of them absorbing, forward and backward moves, partners with unlike speeds, four starting states."""
    rates = np.zeros((6, 6))
    rates[0, [1, 2, 5]] = 0.25, 0.05, 0.03
    rates[1, [0, 2, 5]] = 0.10, 0.20, 0.05
    rates[2, [1, 3, 4]] = 0.15, 0.15, 0.04
    rates[3, [2, 4, 5]] = 0.20, 0.10, 0.05
    rows = []
    for partner in range(90):
        speed = float(rng.gamma(3.0, 1 / 3.0))
        start = int(rng.choice(4, p=[0.5, 0.3, 0.15, 0.05]))
        for state, entry, leave, following in _walk(rng, rates * speed, start, round(float(rng.uniform(4, 14)), 1)):
            rows.append((partner, entry, leave, f"s{state}", "cens" if following < 0 else f"s{following}"))
    return pd.DataFrame(rows, columns=["partner", "entry", "exit", "from", "to"])


def reversible(rng):
    """Two tiers and lapse, partners who come into sight late or go out of sight for a while, in two groups."""
    rows = []
    for partner in range(80):
        group = "with" if partner % 2 else "without"
        rates = np.array([[0.0, 0.30 if group == "with" else 0.18, 0.04], [0.25, 0.0, 0.02], [0.0, 0.0, 0.0]])
        speed = float(rng.gamma(2.0, 0.5))
        seen = round(float(rng.uniform(0, 4)), 1) if rng.random() < 0.5 else 0.0
        blind = round(float(rng.uniform(3, 7)), 1) if rng.random() < 0.3 else None
        for state, entry, leave, following in _walk(rng, rates * speed, int(rng.random() < 0.4), round(float(rng.uniform(6, 15)), 1)):
            after = "cens" if following < 0 else str(following)
            pieces = [(entry, leave, after)]
            if blind is not None and entry < blind < leave:
                again = round(blind + 1.5, 1)
                pieces = [(entry, blind, "cens"), *([(again, leave, after)] if again < leave else [])]
            rows += [(partner, group, max(a, seen), b, str(state), to) for a, b, to in pieces if b > max(a, seen)]
    return pd.DataFrame(rows, columns=["partner", "group", "entry", "exit", "from", "to"])


def visits(rng):
    """Four states seen at irregular times, the last entered at a known time; one covariate."""
    rates = np.array([[0, 0.30, 0, 0.05], [0.20, 0, 0.25, 0.20], [0, 0.15, 0, 0.20], [0, 0, 0, 0]])
    rows = []
    for partner in range(120):
        big = int(rng.random() < 0.5)
        stays = _walk(rng, rates * np.where(big, 1.6, 1.0), 0, 12.0)
        looks = np.round(np.cumsum(rng.choice([0.5, 1.0, 1.5, 2.0], size=9)), 1)
        end = stays[-1][2] if stays[-1][3] == 3 else np.inf
        rows.append((partner, 0.0, 1, big))
        seen = looks[looks < min(end, 11.9)]
        rows += [(partner, float(time), 1 + next(state for state, a, b, _ in stays if a <= time < b), big) for time in seen]
        if np.isfinite(end):
            rows.append((partner, end, 4, big))
    return pd.DataFrame(rows, columns=["partner", "time", "state", "big"])


if __name__ == "__main__":
    draw = np.random.default_rng(20260401)
    six_states(draw).to_csv(HERE / "six_states.csv", index=False)
    reversible(draw).to_csv(HERE / "reversible.csv", index=False)
    visits(draw).to_csv(HERE / "visits.csv", index=False)
