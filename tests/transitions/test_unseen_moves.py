"""Moves not seen before: possible in a forecast unless they were declared impossible."""

import numpy as np
import pandas as pd

import partnerlab as lab

ORDER = ["A", "B", "C"]


def _frame():
    """Two of three tiers, between which partners move; nobody was ever in the third."""
    rng, rows = np.random.default_rng(1), []
    for partner in range(60):
        tier = int(rng.integers(2))
        for quarter in range(8):
            after = tier if rng.random() < 0.8 else 1 - tier
            rows.append((f"p{partner}", quarter + 1, ORDER[tier], ORDER[after]))
            tier = after
    return pd.DataFrame(rows, columns=["partner", "quarter", "from_tier", "to_tier"])


def _chances(**options):
    pairs = lab.Transitions.from_frame(_frame(), order=ORDER, **options)
    partners = lab.forecast_tiers(pairs, ahead=2, seed=1, draws=100).partners
    return partners.pivot_table(index=["ahead", "now"], columns="tier", values="probability", aggfunc="mean")


def test_what_was_never_seen_has_about_half_a_move():
    chances = _chances()

    # half a move in 240 from each of two tiers, or half in 480 from both
    assert (chances.loc[1, "C"].between(0.2 / 480, 3 / 240)).all()
    assert np.allclose(chances.sum(axis=1), 1.0)


def test_only_what_was_declared_impossible_has_no_chance():
    chances = _chances(impossible=[("A", "C")])

    assert chances.loc[(1, "A"), "C"] == 0.0
    assert chances.loc[(1, "B"), "C"] > 0.0
    assert chances.loc[(2, "A"), "C"] > 0.0


def test_nobody_leaves_an_absorbing_state_in_a_forecast():
    frame = _frame()
    last = frame["quarter"] == 8
    frame.loc[last & (frame["partner"].isin(["p1", "p2"])), "to_tier"] = "C"
    pairs = lab.Transitions.from_frame(frame, order=ORDER, absorbing=["C"])
    partners = lab.forecast_tiers(pairs, ahead=2, seed=1, draws=100).partners
    gone = partners[(partners["now"] == "C") & (partners["tier"] == "C")]

    assert len(gone) == 4
    assert (gone["probability"] == 1.0).all()


def test_a_table_without_lapses_as_a_state_forecasts_none():
    assert (_chances()["lapsed"] == 0.0).all()
