"""Laws that hold whatever the data: scales, orders of partners, sums."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import partnerlab as lab

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=6, deadline=None)


def _stays(seed):
    """Partners among three states, each with a size."""
    rng, rows = np.random.default_rng(seed), []
    for partner in range(30):
        state, time, size = int(rng.integers(3)), 0, round(float(rng.normal()), 2)
        for _ in range(5):
            stay, after = int(rng.integers(1, 5)), int((state + rng.integers(1, 3)) % 3)
            rows.append((f"p{partner}", time, time + stay, "ABC"[state], "ABC"[after], size))
            state, time = after, time + stay
    return pd.DataFrame(rows, columns=["partner", "entry", "duration", "state", "event", "size"])


def _hazards(frame):
    return lab.estimate_state_hazards(lab.Spells.from_frame(frame, state="state"), covariates=["size"]).table


@FEW
@given(seed=SEEDS, times=st.sampled_from([0.01, 3.0, 400.0]), shift=st.floats(-50, 50))
def test_effects_on_rates_go_with_the_unit_of_a_covariate_and_not_with_its_zero(seed, times, shift):
    frame = _stays(seed)
    here, there = _hazards(frame), _hazards(frame.assign(size=frame["size"] * times + shift).sample(frac=1, random_state=seed))

    assert np.allclose(here["estimate"], there["estimate"] * times, rtol=1e-4, atol=1e-6, equal_nan=True)
    assert np.allclose(here["p_value"], there["p_value"], atol=1e-5, equal_nan=True)


def _readings(seed, names):
    rng = np.random.default_rng(seed)
    tiers = rng.integers(0, 2, (30, 6))
    rows = [(names[p], f"{2024 + q // 4}Q{q % 4 + 1}", "GB"[tiers[p, q]]) for p in range(30) for q in range(6)]
    return lab.TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["G", "B"])


@FEW
@given(seed=SEEDS, error=st.floats(0.0, 0.2))
def test_true_moves_add_up_and_do_not_hang_on_names(seed, error):
    reading = np.array([[1 - error, error], [error, 1 - error]])
    names = [f"p{place:02d}" for place in range(30)]
    first, second = (
        lab.estimate_hidden_transitions(_readings(seed, some), misclassification=reading).table for some in (names, names[::-1])
    )

    assert np.allclose(first.groupby("from_tier")["estimate"].sum(), 1.0)
    assert first["estimate"].between(0, 1).all()
    assert np.allclose(first["estimate"], second["estimate"], atol=1e-5)


@settings(max_examples=2, deadline=None)
@given(seed=SEEDS)
def test_who_signals_at_few_false_alarms_signals_at_more(seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(2.0, 2.0, 12)[:, None], (12, 18))
    labels = tuple(f"{2025 + month // 12}-{month % 12 + 1:02d}" for month in range(18))
    names = np.array([f"p{place:02d}" for place in range(12)])

    def signals(series, alarms):
        activity = lab.Activity(partners=names, labels=labels, counts=series, exposure=np.ones(series.shape), unit="leads")
        table = lab.detect_turns(activity, false_alarms=alarms, seed=1).table
        return set(table.loc[table["signalled"], "partner"])

    few, many = signals(counts, 0.5), signals(counts, 4.0)
    assert few <= many


@FEW
@given(seed=SEEDS, times=st.sampled_from([0.01, 3.0, 400.0]), shift=st.floats(-20, 20))
def test_odds_of_moves_go_with_the_unit_of_a_covariate_and_not_with_its_zero(seed, times, shift):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "partner": np.repeat(np.arange(60), 6),
            "quarter": np.tile(np.arange(6), 60) * 2,
            "from_tier": "B",
            "to_tier": rng.choice(["A", "B", "C"], 360, p=[0.2, 0.6, 0.2]),
            "size": rng.normal(size=360).round(2),
        }
    )

    def effects(table):
        found = lab.estimate_transition_model(lab.Transitions.from_frame(table, order=["A", "B", "C"]), covariates=["size"]).table
        return found[found["term"] == "size"]

    here, there = effects(frame), effects(frame.assign(size=frame["size"] * times + shift))
    assert np.allclose(here["estimate"], there["estimate"] * times, rtol=1e-4)
    assert np.allclose(here["std_error"], there["std_error"] * times, rtol=1e-4)
