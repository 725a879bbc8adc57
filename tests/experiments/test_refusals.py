"""What a trial cannot say is not said: areas beyond the curve, watching that differs for sure, plans left aside."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.cli.experiments import list_experiments
from partnerlab.errors import ParameterError, SpecError
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


@pytest.mark.parametrize(
    ("more", "asked", "said"),
    [
        ({"y": pd.Timestamp("2026-01-01")}, {}, "y holds dates or lengths of time"),
        ({"y": pd.Timedelta(days=3)}, {}, "y holds dates or lengths of time"),
        ({"x": pd.Timestamp("2026-01-01")}, {"pre": ["x"]}, "x holds dates or lengths of time"),
        ({"y": "many"}, {}, "y is not a number for 80 units, the first 'many'"),
        ({"y": np.inf}, {}, "y is not a number for 80 units, the first 'inf'"),
        ({}, {"outcomes": ["y", "y"]}, "outcomes name 'y' twice"),
        ({"x": 1.0}, {"pre": ["x", "x"]}, "pre name 'x' twice"),
    ],
)
def test_what_is_no_outcome_is_refused_by_name(more, asked, said):
    with pytest.raises(ParameterError, match=said):
        Trial.from_frame(_table().assign(**more), **{"outcomes": ["y"], **asked})


def test_two_columns_of_one_name_are_refused():
    table = pd.concat([_table(), _table()[["y"]]], axis=1)
    with pytest.raises(ParameterError, match="several columns are called 'y'"):
        Trial.from_frame(table, outcomes=["y"])


def test_dates_known_before_are_no_numbers_to_deal_by():
    with pytest.raises(ParameterError, match="assign_variants: x holds dates"):
        assign_variants(_declared(pre=("x",)), units=_table().assign(x=pd.Timestamp("2026-01-01")), seed=1)


def test_units_that_gaps_have_made_decimals_are_who_they_were():
    """A column with one empty cell more turns 1 into 1.0, and then nobody would match."""
    table, experiment = _table().drop(columns="variant"), _declared()
    dealt = assign_variants(experiment, units=table, seed=1)
    decimals = table.assign(unit=table["unit"].astype(float))
    assert assign_variants(experiment, units=decimals, seed=1).digest == dealt.digest
    assert dealt.label(decimals)["variant"].tolist() == dealt.label(table)["variant"].tolist()
    trial = Trial.from_frame(dealt.label(decimals), experiment=experiment)
    assert _check(analyze_experiment(trial, assignment=dealt, draws=0), "dealt as declared").passed


def test_a_table_of_other_units_is_refused_rather_than_empty():
    table = _table().drop(columns="variant")
    dealt = assign_variants(_declared(), units=table, seed=1)
    with pytest.raises(ParameterError, match=r"none of 80 units of the table .* first is '0\.0', the assignment's '0'"):
        dealt.label(table.assign(unit=table["unit"].astype(float).astype(str)))


def test_a_column_that_repeats_others_changes_nothing_and_is_named():
    random = np.random.default_rng(4)
    table = _table().assign(x=random.normal(size=80), tier=np.arange(80) % 3)
    table = table.assign(twice=2 * table["x"] + 1, rank=10.0 * table["tier"], left=1)
    metrics = ["y", Metric(name="time", kind="time", event="left", until=2.0)]
    plain = analyze_experiment(Trial.from_frame(table, outcomes=metrics, pre=["x"], stratum="tier"), draws=99)
    more = analyze_experiment(Trial.from_frame(table, outcomes=metrics, pre=["x", "twice", "rank"], stratum="tier"), draws=99)
    numbers = ["estimate", "std_error", "p_value", "p_redrawn", "log_hazard_ratio"]
    assert np.isfinite(plain.table["estimate"]).all()
    np.testing.assert_allclose(more.table[numbers].astype(float), plain.table[numbers].astype(float), rtol=1e-6)
    assert _check(more, "adjustment").detail.endswith("left out of it: twice and rank")
    assert not [check for check in plain.checks if check.name == "adjustment"]


def test_an_outcome_that_nobody_has_is_said_to_be_nobodys():
    reading = analyze_experiment(Trial.from_frame(_table().assign(y=np.nan), outcomes=["y"]), draws=0)
    assert "no unit has one" in _check(reading, "outcomes of y").detail
    assert reading.verdicts[0].statement.startswith("Cannot tell")


def test_whether_to_go_on_is_asked_of_the_deciding_metric_alone():
    """Stakes are those of its unit: of another metric they would say nothing."""
    looks = _declared(
        looks=Looks(planned=2, stopping="group sequential", give_up=True), metrics=(Metric(name="y"), Metric(name="z", better="lower"))
    )
    table = _table().assign(z=lambda rows: 1000 * rows["y"])
    reading = analyze_experiment(Trial.from_frame(table, experiment=looks), look=1, draws=0)
    for name in ("looks", "worth going on", "giving up"):
        assert sum(check.name == name for check in reading.checks) == 1
    assert reading.table["level"].nunique() == 1


def test_looks_are_read_by_the_spending_that_was_declared():
    """Hwang, Shih and DeCani at 1 spends nearly as Pocock does, at -4 nearly as O'Brien and Fleming do; the default is neither's."""
    levels = []
    for gamma in (-4.0, 1.0):
        looks = _declared(looks=Looks(planned=3, stopping="group sequential", spending="hwang_shih_decani", gamma=gamma))
        trial = Trial.from_frame(_table(), experiment=looks)
        reading = analyze_experiment(trial, look=1, draws=0)
        levels.append(reading.table["level"].iloc[0])
        path = estimate_looks([trial], experiment=looks).table
        assert path["boundary"].iloc[0] == pytest.approx((reading.table["conf_high"] - reading.table["conf_low"]).iloc[0] / 2, rel=1e-6)
    assert 1 - np.array(levels) == pytest.approx([0.05 * np.expm1(4 / 3) / np.expm1(4), 0.05 * np.expm1(-1 / 3) / np.expm1(-1)], rel=1e-6)
    with pytest.raises(SpecError, match="gamma belongs to spending: hwang_shih_decani"):
        Looks(planned=3, stopping="group sequential", gamma=1.0)


def test_one_outcome_and_one_column_known_before_may_be_named_without_a_list():
    trial = Trial.from_frame(_table().assign(before=1.0), outcomes="time", pre="before")
    assert [metric.name for metric in trial.metrics] == ["time"]
    assert list(trial.pre) == ["before"]


def test_what_is_no_table_and_units_in_two_variants_are_refused_in_a_line():
    with pytest.raises(ParameterError, match="dict is no table; give a DataFrame"):
        Trial.from_frame({"unit": [1]}, outcomes=["y"])
    with pytest.raises(ParameterError, match="1 unit stands in two variants, the first '0'; "):
        Trial.from_frame(pd.concat([_table(), _table().head(1).assign(variant="on")]), outcomes=["y"])


def test_a_trial_stays_as_it_was_read_whatever_becomes_of_its_table():
    rows = pd.DataFrame({"unit": np.arange(8), "variant": ["off", "on"] * 4, "leads": np.arange(8.0)})
    trial = Trial.from_frame(rows, outcomes=["leads"])
    rows.loc[0, "leads"], rows.loc[0, "unit"], rows.loc[0, "variant"] = 99.0, 50, "on"

    assert trial.outcomes["leads"][0] == 0
    assert trial.units[0] == "0"
    assert trial.counts.tolist() == [4, 4]


def test_a_power_of_the_information_is_declared_with_its_power():
    known = {"planned": 3, "stopping": "group sequential", "spending": "kim_demets"}

    assert "after Kim and DeMets" in _declared(looks=Looks(**known, gamma=2)).page
    with pytest.raises(SpecError, match="give a gamma above 0"):
        Looks(**known)
