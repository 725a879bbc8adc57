"""Spill-over rules, unequal exposure, tiers that rise and fall, and everything that was done otherwise than declared."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import ParameterError, SpecError
from partnerlab.experiments import Assignment, Experiment, Looks, Metric, Spillover, Trial, analyze_experiment, assign_variants
from partnerlab.results import Evidence
from partnerlab.verdicts import Stakes

LEADS = Metric(name="leads")
RANK = Metric(name="rank", kind="tier", tiers=("Bronze", "Silver", "Gold"), before="rank_before")


def _experiment(**asked):
    given = {"name": "dinner", "hypothesis": "It helps.", "tactic": "Dinner", "stakes": Stakes(unit="leads", per="partner", material=0.2)}
    return Experiment(**given | {"metrics": (LEADS,)} | asked)


def _units(n=120):
    place = np.arange(n)
    parent = np.where(place < n // 2, place // 2, 1000 + place)  # the first half lies in pairs under one parent
    return pd.DataFrame(
        {
            "partner": [f"p{code:03d}" for code in place],
            "manager": [f"m{code % 12:02d}" for code in place],
            "region": [f"r{code % 12 // 3}" for code in place],
            "parent": [f"c{code}" for code in parent],
            "rank_before": np.array(["Bronze", "Silver", "Gold"])[place % 3],
        }
    )


def _outcomes(dealt, *, effect=1.0, seed=5):
    random = np.random.default_rng(seed)
    frame = dealt.label(_units())
    on = (frame["variant"] == "treatment").to_numpy()
    frame["leads"] = random.normal(size=len(frame)) + effect * on
    step = random.choice([-1, 0, 1], size=len(frame), p=[0.2, 0.6, 0.2]) + (on & (random.random(len(frame)) < 0.3))
    before = pd.Index(RANK.tiers).get_indexer(frame["rank_before"])
    frame["rank"] = np.array(RANK.tiers)[np.clip(before + step, 0, 2)]
    frame["seen"], frame["visits"] = 1.0, random.poisson(5, len(frame))
    return frame


def _read(experiment, *, change=lambda frame: frame, assignment=None, outcomes=(), **asked):
    dealt = assignment or assign_variants(experiment, units=_units(), seed=3)
    trial = Trial.from_frame(change(_outcomes(dealt)), experiment=experiment, outcomes=outcomes)
    return analyze_experiment(trial, assignment=dealt, draws=99, **asked)


def _check(reading, name):
    return next(check for check in reading.checks if check.name == name)


def test_a_buffer_leaves_one_partner_of_each_parent():
    dealt = assign_variants(_experiment(spillover=Spillover(between="parent", rule="buffer")), units=_units(), seed=3)

    assert len(dealt.table) == 90
    assert len(dealt.buffered) == 30
    assert dealt.table["shared"].is_unique
    assert not set(dealt.buffered) & set(dealt.table["unit"])


def test_who_is_buffered_hangs_on_the_seed_alone(tmp_path):
    experiment = _experiment(spillover=Spillover(between="parent", rule="buffer"))
    first, again = (assign_variants(experiment, units=units, seed=3) for units in (_units(), _units()[::-1]))
    dealt = Assignment.load(first.write(tmp_path / "dealt.csv"))

    assert first.digest == again.digest == dealt.digest
    assert dealt.buffered == first.buffered
    assert assign_variants(experiment, units=_units(), seed=4).buffered != first.buffered


def test_managers_dealt_by_region_keep_variants_apart():
    experiment = _experiment(cluster="region", spillover=Spillover(between="manager"))
    units = _units().assign(region=[f"r{code % 12:02d}" for code in range(120)])
    dealt = assign_variants(experiment, units=units, seed=3)

    assert (dealt.table.groupby("shared")["variant"].nunique() == 1).all()


def test_a_region_of_several_managers_cannot_be_dealt_by_manager():
    with pytest.raises(ParameterError, match="region 'r0' has units of 3 managers, which may get several variants"):
        assign_variants(_experiment(cluster="manager", spillover=Spillover(between="region")), units=_units(), seed=3)


def test_a_cluster_rule_without_clusters_is_refused():
    with pytest.raises(SpecError, match="give cluster: region"):
        _experiment(spillover=Spillover(between="region"))


def test_the_plan_says_its_spill_over_rule():
    page = _experiment(cluster="region", spillover=Spillover(between="region")).page

    assert "Spill-over: units of one region get one variant together." in page


def test_variants_kept_apart_pass_the_check():
    reading = _read(_experiment(spillover=Spillover(between="parent", rule="buffer")))

    assert _check(reading, "spill-over").passed
    assert reading.evidence is Evidence.A


@pytest.mark.parametrize(("many", "passed", "grade"), [(2, None, Evidence.B), (40, False, Evidence.D)])
def test_partners_who_come_under_one_parent_meanwhile_are_noticed(many, passed, grade):
    def merge(frame):
        return frame.assign(parent=frame["parent"].where(np.arange(len(frame)) >= many, "one"))

    reading = _read(_experiment(spillover=Spillover(between="parent", rule="buffer")), change=merge)

    assert _check(reading, "spill-over").passed is passed
    assert reading.evidence is grade


def test_unequal_exposure_by_variant_stops_the_page():
    def watch(frame):
        return frame.assign(seen=np.where(frame["variant"] == "control", 1.0, 0.5 + np.arange(len(frame)) % 2 / 4))

    reading = _read(_experiment(exposure="seen"), change=watch)

    assert _check(reading, "exposure").passed is False
    assert reading.stopped


def test_exposure_alike_in_all_variants_is_said():
    reading = _read(_experiment(exposure="seen"), change=lambda frame: frame.assign(seen=1 - np.arange(len(frame)) % 3 / 4))

    assert "declare a ratio to compare rates" in _check(reading, "exposure").detail
    assert not reading.stopped


@pytest.mark.parametrize(("value", "said"), [(-1.0, "below 0 for 1 unit"), (np.nan, "empty for 1 unit")])
def test_time_watched_that_cannot_be_is_refused(value, said):
    with pytest.raises(ParameterError, match=said):
        _read(
            _experiment(exposure="seen"), change=lambda frame: frame.assign(seen=frame["seen"].where(frame.index != frame.index[0], value))
        )


def test_a_trial_held_to_its_plan_has_no_departures():
    assert _check(_read(_experiment()), "departures").passed


def test_another_deciding_metric_is_shown_and_costs_the_grade():
    reading = _read(_experiment(), outcomes=[Metric(name="visits", kind="count")])

    assert "to be decided by the mean of leads, and read by the mean count of visits" in _check(reading, "departures").detail
    assert reading.evidence is Evidence.B
    assert reading.verdicts[0].stakes.unit == "visits"


def test_metrics_added_later_are_one_of_those_looked_at():
    added = [LEADS, Metric(name="visits", kind="count"), Metric(name="seen")]
    reading = _read(_experiment(), outcomes=added, change=lambda frame: frame.assign(seen=frame["leads"] + 9))

    assert "read but not declared: visits and seen" in _check(reading, "departures").detail
    assert [verdict.earned.value for verdict in reading.verdicts] == ["A", "D", "D"]


def test_another_window_is_shown_and_costs_the_grade():
    reading = _read(_experiment(), quarters=3)

    assert "declared to run 1 quarter, and read after 3" in _check(reading, "departures").detail
    assert reading.evidence is Evidence.B


def test_units_dealt_that_are_not_in_the_table_are_counted_by_variant():
    reading = _read(_experiment(), change=lambda frame: frame.iloc[2:])
    check = _check(reading, "outcomes of all dealt")

    assert check.passed
    assert check.detail.startswith("not in the table alike in all variants")
    assert " of 60 (" in check.detail
    assert reading.evidence is Evidence.A


def test_many_that_are_gone_alike_cost_the_grade_as_empty_outcomes_do():
    experiment = _experiment()
    gone = _read(experiment, change=lambda frame: frame.iloc[12:])
    empty = _read(experiment, change=lambda frame: frame.assign(leads=frame["leads"].where(frame.index >= 12)))

    assert _check(gone, "outcomes of all dealt").passed is None
    assert gone.evidence is empty.evidence is Evidence.B


def test_units_of_one_variant_that_are_not_back_at_a_look_stop_the_page():
    late = {"treatment": 15}
    reading = _read(
        _experiment(quarters=2, looks=Looks(planned=2, stopping="group sequential")),
        look=1,
        change=lambda frame: frame[frame.groupby("variant").cumcount() >= frame["variant"].map(late).fillna(0)],
    )
    check = _check(reading, "outcomes of all dealt")

    assert check.passed is False
    assert "15 of 60 (25 %)" in check.detail.replace("\u00a0", " ")
    assert reading.stopped


def test_partners_of_few_managers_who_are_not_back_are_judged_by_manager():
    reading = _read(_experiment(cluster="manager"), change=lambda frame: frame[frame["manager"] != frame["manager"].iloc[0]])

    assert _check(reading, "outcomes of all dealt").passed is not True


def test_partners_who_change_manager_are_read_in_the_one_dealt():
    experiment = _experiment(cluster="manager")
    moved = _read(experiment, change=lambda frame: frame.assign(manager=frame["manager"].where(frame.index > 0, "m11")))

    assert "1 unit stands in another manager than when dealt" in _check(moved, "departures").detail
    assert moved.table["estimate"].tolist() == _read(experiment).table["estimate"].tolist()
    assert moved.table["std_error"].tolist() == _read(experiment).table["std_error"].tolist()


def test_tiers_are_read_as_shares_that_rose_and_fell():
    dealt = assign_variants(_experiment(metrics=(RANK,)), units=_units(), seed=3)
    frame = _outcomes(dealt)
    table = _read(_experiment(metrics=(RANK,)), assignment=dealt).table.set_index("effect")
    rose = pd.Index(RANK.tiers).get_indexer(frame["rank"]) > pd.Index(RANK.tiers).get_indexer(frame["rank_before"])
    shares = pd.Series(rose).groupby(frame["variant"].to_numpy()).mean()

    assert table.loc["share that rose", ["treated", "control"]].tolist() == pytest.approx([shares["treatment"], shares["control"]])
    assert table.loc["share that rose", "estimate"] == pytest.approx(shares["treatment"] - shares["control"])
    assert table.loc["share that fell", "std_error"] > 0


def test_a_tier_before_that_is_unknown_leaves_the_effect_alone():
    def forget(frame):
        return frame.assign(rank_before=frame["rank_before"].where(np.arange(len(frame)) % 5 > 0))

    whole, some = (_read(_experiment(metrics=(RANK,)), change=change).table for change in (lambda frame: frame, forget))

    assert some["estimate"].iloc[0] == whole["estimate"].iloc[0]
    assert some["n"].iloc[1] < whole["n"].iloc[1]


def test_a_tier_before_belongs_to_tiers():
    with pytest.raises(SpecError, match="belongs to a tier"):
        Metric(name="leads", before="rank_before")


def test_few_managers_have_a_wild_bootstrap_beside_the_test_by_dealing_again():
    row = _read(_experiment(cluster="manager")).table.iloc[0]

    assert row["p_wild"] == pytest.approx(row["p_value"], abs=0.05)
    assert np.isnan(_read(_experiment()).table["p_wild"].iloc[0])
