"""What a trial cannot say is not said: areas beyond the curve, watching that differs for sure, plans left aside."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.cli.experiments import list_experiments
from partnerlab.errors import ParameterError
from partnerlab.experiments import (
    Experiment,
    Looks,
    Metric,
    Outlook,
    Trial,
    Variant,
    analyze_experiment,
    assign_variants,
    design_experiment,
    estimate_looks,
)
from partnerlab.verdicts import Stakes


def _table(units=80):
    random = np.random.default_rng(3)
    table = pd.DataFrame({"unit": np.arange(units), "variant": ["off", "on"] * (units // 2)})
    return table.assign(y=random.normal(size=units), time=random.uniform(1, 8, units), left=random.integers(0, 2, units))


def _declared(**keys):
    first = {"metrics": (Metric(name="y"),), "variants": (Variant(name="off"), Variant(name="on")), "unit": "unit"} | keys
    return Experiment(name="call", hypothesis="It helps.", tactic="A call", stakes=Stakes(unit="leads", material=0.5), **first)


def _check(reading, name):
    return next(check for check in reading.checks if check.name == name)


def test_an_area_beyond_the_curve_is_not_made_up():
    """Nobody is followed for more than 8 quarters, so that 50 would prolong the last step."""
    table = _table()
    table.loc[table["time"].nlargest(2).index, "left"] = 0
    table.loc[table.groupby("variant")["time"].idxmax(), "left"] = 0
    trial = Trial.from_frame(table, outcomes=[Metric(name="time", kind="time", event="left", until=50.0)])
    reading = analyze_experiment(trial, draws=0)
    row = reading.table.iloc[0]
    assert row[["estimate", "left_treated", "left_control"]].isna().all()
    assert np.isfinite(row["log_rank"])
    assert row["claim"] == "cannot tell"
    assert "a curve is known up to 7" in _check(reading, "follow-up of time").detail


def test_a_curve_that_ends_in_events_has_all_of_its_area():
    """Everybody left, so that the area does not grow after the last one."""
    table = _table().assign(left=1)
    ends = [Metric(name="time", kind="time", event="left", until=until) for until in (9.0, 50.0)]
    one, other = (analyze_experiment(Trial.from_frame(table, outcomes=[end]), draws=0).table["estimate"].iloc[0] for end in ends)
    assert one == pytest.approx(other, abs=1e-12)
    assert one == pytest.approx(np.diff(table.groupby("variant")["time"].mean()).item(), abs=1e-12)


def test_watching_one_variant_twice_as_long_stops_the_page_though_nobody_varies_within_it():
    table = _table().assign(watched=lambda rows: np.where(rows["variant"] == "on", 2, 1))
    for rule in ({}, {"stratum": "half"}):
        trial = Trial.from_frame(table.assign(half=table["unit"] // 40), outcomes=["y"], exposure="watched", **rule)
        reading = analyze_experiment(trial, draws=0)
        assert reading.stopped
        assert _check(reading, "exposure").passed is False


def test_losing_all_outcomes_of_one_variant_stops_the_page_within_strata_too():
    table = _table().assign(half=lambda rows: rows["unit"] // 40)
    table.loc[table["variant"] == "on", "y"] = np.nan
    reading = analyze_experiment(Trial.from_frame(table, outcomes=["y"], stratum="half"), draws=0)
    assert reading.stopped
    assert _check(reading, "outcomes of y").passed is False


def test_a_column_that_is_known_of_nobody_is_no_ground_for_a_warning():
    reading = analyze_experiment(Trial.from_frame(_table().assign(x=np.nan), outcomes=["y"], pre=["x"]), draws=0)
    assert _check(reading, "alike before").passed is None


def test_units_with_nobody_to_be_compared_with_are_counted():
    table = _table().assign(half=lambda rows: np.where(rows["unit"] < 7, "few", "rest"))
    table = table[(table["half"] == "rest") | (table["variant"] == "on")]
    reading = analyze_experiment(Trial.from_frame(table, outcomes=["y"], stratum="half"), draws=0)
    assert "3 units in 1 stratum that lack a variant" in _check(reading, "strata").detail


def test_a_trial_made_by_a_declaration_is_read_by_it():
    """Otherwise the first look of four would be read at the level of the last one."""
    looks = _declared(looks=Looks(planned=4, stopping="group sequential"))
    trial = Trial.from_frame(_table(), experiment=looks)
    reading = analyze_experiment(trial, look=1, draws=0)
    assert reading.table["level"].iloc[0] > 0.9999
    assert reading.table["level"].iloc[0] == analyze_experiment(trial, experiment=looks, look=1, draws=0).table["level"].iloc[0]


def test_an_unknown_adjustment_is_refused():
    with pytest.raises(ParameterError, match="known: interacted, common and none"):
        analyze_experiment(Trial.from_frame(_table(), outcomes=["y"]), adjustment="cuped")


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_path_in_the_unwanted_direction_is_not_worth_going_on_with(better):
    """A loss of two errors half-way is no promise of a gain."""
    sign = 1.0 if better == "higher" else -1.0
    looks = _declared(looks=Looks(planned=2, stopping="group sequential"), metrics=(Metric(name="y", better=better),))
    found = []
    for push in (0.35, -0.35):
        table = _table(200)
        centred = table["y"] - table.groupby("variant")["y"].transform("mean")
        table["y"] = centred + sign * push * (table["variant"] == "on")
        found.append(analyze_experiment(Trial.from_frame(table, experiment=looks), look=1, draws=0))
    ahead, behind = (_check(reading, "worth going on") for reading in found)
    assert ahead.passed is True
    assert behind.passed is None
    assert behind.detail.startswith("stop")


def test_several_variants_share_the_error_on_the_path_of_looks_as_they_do_at_one_look():
    three = _declared(
        variants=tuple(Variant(name=name) for name in ("off", "on", "more")), looks=Looks(planned=2, stopping="group sequential")
    )
    table = _table(90).assign(variant=lambda rows: np.array(["off", "on", "more"])[rows["unit"] % 3])
    trial = Trial.from_frame(table, experiment=three)
    path = estimate_looks([trial, trial], experiment=three).table
    for look in (1, 2):
        row = analyze_experiment(trial, look=look, draws=0).table.iloc[0]
        assert path["boundary"].iloc[look - 1] == pytest.approx((row["conf_high"] - row["conf_low"]) / 2, rel=1e-6)


@pytest.mark.parametrize("push", np.linspace(0.6, 3.0, 13))
def test_a_look_says_stop_just_where_its_interval_leaves_nothing_out(push):
    """With few clusters a boundary in plain standard errors is crossed too often, and the claim would not agree."""
    looks = _declared(looks=Looks(planned=2, stopping="group sequential"), cluster="manager")
    table = _table(48).assign(manager=lambda rows: rows["unit"] % 6)
    table["y"] += push * (table["variant"] == "on") + 0.8 * np.random.default_rng(5).normal(size=6)[table["manager"]]
    trial = Trial.from_frame(table, experiment=looks)
    for look in (1, 2):
        reading = analyze_experiment(trial, look=look, draws=0)
        said = "stop, it is crossed" in _check(reading, "looks").detail
        assert said == (reading.table["claim"].iloc[0] != "cannot tell")
        assert said == bool(estimate_looks([trial] * look, experiment=looks).table["crossed"].iloc[-1])


def test_a_seed_below_nothing_is_refused():
    with pytest.raises(ParameterError, match="seed"):
        assign_variants(_declared(), units=_table(), seed=-1)


@pytest.mark.parametrize(
    ("keys", "said"), [({"power": 1.5}, "power is 1.5"), ({"power": 0.02}, "power is 0.02"), ({"size_cv": -1.0}, "size_cv is -1")]
)
def test_a_design_of_no_power_is_refused(keys, said):
    with pytest.raises(ParameterError, match=said):
        design_experiment(_declared(), outlooks={"y": Outlook(sd=1.0)}, units=[50], **keys)


def test_listing_a_ledger_that_is_not_there_makes_none(tmp_path):
    with pytest.raises(ParameterError, match="no such file"):
        list_experiments(str(tmp_path / "none.duckdb"), "demo")
    assert not list(tmp_path.iterdir())
