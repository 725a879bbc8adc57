"""Stepped wedges and crossovers: levels of quarters and clusters are taken out, and errors follow what was switched."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import LedgerError, ParameterError, SampleError, SpecError
from partnerlab.experiments import Assignment, Experiment, Metric, Trial, Variant, analyze_by_tier, analyze_experiment, assign_variants
from partnerlab.results import Evidence
from partnerlab.stats.trials.power import stepped_wedge_variance
from partnerlab.stats.trials.schedules import Levels, learn_levels, make_cells, schedule_difference
from partnerlab.verdicts import Stakes


def _wedge(*, managers=12, units=8, quarters=5, effect=1.0, seed=1, spread=0.4):
    random = np.random.default_rng(seed)
    start = random.permutation(np.arange(managers) % (quarters - 1)) + 1
    level = spread * random.normal(size=managers)
    rows = [
        (f"m{who:02d}", f"m{who:02d}-{one}", f"2026Q{quarter}", int(quarter >= start[who]), level[who] + 0.5 * quarter)
        for who in range(managers)
        for one in range(units)
        for quarter in range(quarters)
    ]
    frame = pd.DataFrame(rows, columns=["manager", "partner", "quarter", "on", "leads"])
    return frame.assign(leads=frame["leads"] + effect * frame["on"] + random.normal(size=len(frame)))


def _read(frame, *, cluster="manager", **more):
    """Read rows whose schedule was not declared."""
    return analyze_experiment(Trial.from_frame(frame, outcomes=["leads"], unit="partner", quarter="quarter", cluster=cluster), **more)


def _detail(reading, name):
    return next(check for check in reading.checks if check.name == name)


def test_a_wedge_is_read_over_its_quarters():
    found = _read(_wedge())
    row = found.table.iloc[0]

    assert abs(row["estimate"] - 1.0) < 3 * row["std_error"]
    assert row["treated"] - row["control"] > row["estimate"] + 0.3  # later quarters are higher by themselves
    assert (found.verdicts[0].managers, found.verdicts[0].partners, found.evidence) == (12, 96, Evidence.B)
    assert "switched on, and stays on" in _detail(found, "schedule").detail


def test_with_known_levels_the_error_is_hussey_and_hughess_on_average():
    levels, on = Levels(between=0.16, kept=1.0, within=1.0), np.arange(5) >= np.arange(1, 5)[:, None]
    errors = []
    for seed in range(150):
        frame = _wedge(seed=seed)
        codes = [pd.factorize(frame[name], sort=True)[0] for name in ("manager", "quarter")]
        cells = make_cells(frame["leads"].to_numpy(), *codes, frame["on"].to_numpy())
        errors.append(schedule_difference(cells, levels=levels).std_error ** 2)

    assert np.mean(errors) == pytest.approx(stepped_wedge_variance(on, units=8, sigma=1.0, tau=0.4) * 4 / 12, rel=0.1)


def test_levels_of_clusters_are_learnt():
    frame = _wedge(managers=80, units=20, spread=0.5)
    codes = [pd.factorize(frame[name], sort=True)[0] for name in ("manager", "quarter")]
    levels = learn_levels(make_cells(frame["leads"].to_numpy(), *codes, frame["on"].to_numpy()))

    assert levels.between == pytest.approx(0.25, abs=0.08)
    assert levels.kept > 0.9
    assert levels.within == pytest.approx(1.0, abs=0.05)


def test_a_crossover_of_two_quarters_is_the_paired_comparison():
    random = np.random.default_rng(4)
    first = np.arange(30) % 2
    rows = pd.DataFrame(
        {"partner": np.repeat(range(30), 2), "quarter": np.tile([1, 2], 30), "on": np.column_stack([first, 1 - first]).ravel()}
    )
    rows["leads"] = np.repeat(3 * random.normal(size=30), 2) + random.normal(size=60) + rows["on"]
    wide = rows.pivot(index="partner", columns="quarter", values="leads")
    step = (wide[2] - wide[1]).to_numpy()
    by_hand = (step[first == 0].mean() - step[first == 1].mean()) / 2
    row = _read(rows, cluster=None).table.iloc[0]

    assert row["estimate"] == pytest.approx(by_hand, abs=0.05)
    assert row["std_error"] < 0.5 * np.hypot(*rows.groupby("on")["leads"].sem())


def test_units_of_the_outcome_names_and_order_do_not_matter():
    frame = _wedge()
    first = _read(frame).table.iloc[0]
    other = frame.sample(frac=1, random_state=1).assign(
        manager=lambda rows: "x" + rows["manager"].str[::-1], leads=lambda rows: 7 + 10 * rows["leads"]
    )
    second = _read(other).table.iloc[0]

    assert second["estimate"] == pytest.approx(10 * first["estimate"])
    assert second["std_error"] == pytest.approx(10 * first["std_error"])
    assert second["df"] == pytest.approx(first["df"])


def test_nothing_is_found_about_as_often_as_said():
    tables = [_read(_wedge(seed=seed, effect=0.0)).table.iloc[0] for seed in range(120)]

    assert (
        np.mean([row["conf_low"] > 0 or row["conf_high"] < 0 for row in tables]) <= 0.11
    )  # 120 trials: mean 6, thirteen in two of a hundred


def test_gaps_are_allowed_and_lost_outcomes_counted():
    frame = _wedge()
    gaps = frame.drop(frame.index[(frame["manager"] == "m03") & (frame["quarter"] == "2026Q2")])
    gaps = gaps.assign(leads=gaps["leads"].where(np.arange(len(gaps)) % 9 > 0))
    found = _read(gaps)

    assert abs(found.table["estimate"].iloc[0] - 1.0) < 0.6
    assert "of 8 rows that are absent it is not known whether it was on" in _detail(found, "outcomes of leads").detail


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda f: f.rename(columns={"on": "onn"}), ParameterError, "did you mean 'onn'"),
        (lambda f: pd.concat([f, f.head(2)]), ParameterError, "2 rows repeat a partner in a quarter"),
        (lambda f: f.assign(on=f["on"] * 2), ParameterError, "on must be 1"),
        (lambda f: f.assign(on=f["on"].where(f.index != 4, 0)), ParameterError, "'m00' is on for some and off for others in 2026Q4"),
        (lambda f: f.assign(leads="many"), ParameterError, "leads is not a number for 480 units"),
        (lambda f: f.assign(quarter=f["quarter"].where(f.index > 0)), ParameterError, "quarter is empty in 1 row"),
        (lambda f: f[f["manager"] < "m02"], SampleError, "2 clusters switched"),
        (lambda f: f.assign(on=(f["quarter"] > "2026Q2").astype(int)), SampleError, "all units have one variant"),
    ],
)
def test_schedules_that_cannot_be_read_are_refused(change, kind, said):
    with pytest.raises(kind, match=said):
        _read(change(_wedge()))


@pytest.mark.parametrize("asked", [{"by": "manager"}, {"received": "on"}, {"exposure": "on"}])
def test_what_belongs_to_one_reading_at_the_end_is_refused_of_a_schedule(asked):
    with pytest.raises(ParameterError, match="read without"):
        Trial.from_frame(_wedge(), outcomes=["leads"], unit="partner", quarter="quarter", **asked)


def _scheduled(**keys):
    starts = tuple(Variant(name=f"from {start + 1}", on=tuple(int(quarter >= start) for quarter in range(5))) for start in range(1, 5))
    asked = {"variants": starts, "quarters": 5, "cluster": "manager", "metrics": (Metric(name="leads"),)} | keys
    return Experiment(name="wedge", hypothesis="It helps.", tactic="A call", stakes=Stakes(unit="leads"), **asked)


def _dealt(effect=1.0, **keys):
    """Rows of a wedge as it was dealt, and the deal."""
    table = _wedge(effect=0.0)
    deal = assign_variants(_scheduled(**keys), units=table.drop_duplicates("partner")[["partner", "manager"]], seed=3)
    schedule = {variant.name: variant.on for variant in deal.experiment.variants}
    variant = table["partner"].map(deal.table.set_index("unit")["variant"])
    table["on"] = [schedule[name][int(quarter[-1])] for name, quarter in zip(variant, table["quarter"], strict=True)]
    return table.assign(leads=table["leads"] + effect * table["on"]), deal


def _read_dealt(rows, deal, **more):
    return analyze_experiment(Trial.from_frame(deal.label(rows), experiment=deal.experiment), assignment=deal, **more)


def test_a_schedule_that_was_dealt_and_kept_earns_grade_a(tmp_path):
    rows, deal = _dealt()
    found = _read_dealt(rows.drop(columns="on"), Assignment.load(deal.write(tmp_path / "wedge.csv")), draws=99)

    same = ["estimate", "std_error", "df", "n", "treated", "control"]
    pd.testing.assert_frame_equal(found.table[same], _read(rows).table[same])
    assert _detail(found, "dealt as declared").passed is True
    assert (found.evidence, found.verdicts[0].grade) == (Evidence.A, Evidence.A)
    assert found.table["p_redrawn"].iloc[0] <= 0.02


def test_quarters_otherwise_than_scheduled_are_read_as_scheduled_and_counted():
    rows, deal = _dealt()
    other = rows.assign(
        on=rows["on"].where(rows.index != 7, 1 - rows["on"]), manager=rows["manager"].where(rows["partner"] != "m01-3", "m02")
    )
    found = _read_dealt(other[other["partner"] != "m00-0"], deal)
    said = _detail(found, "departures").detail

    assert said.startswith("on or off otherwise than scheduled in 1 row")
    assert "1 unit stands in another manager than when dealt" in said
    assert "from 3 1 of 24" in _detail(found, "outcomes of all dealt").detail
    assert found.evidence is Evidence.B


def test_who_comes_under_another_manager_later_is_said():
    rows, deal = _dealt()
    later = (rows["partner"] == "m04-2") & (rows["quarter"] > "2026Q2")
    found = _read_dealt(rows.assign(manager=rows["manager"].where(~later, "m05")), deal)

    assert "1 unit came under another manager later" in _detail(found, "departures").detail


def test_a_quarter_that_is_absent_where_it_was_off_stops_the_reading():
    """Nobody wrote down what the others did in 2026Q3: no row is empty, they are not there."""
    rows, deal = _dealt()
    gone = (rows["quarter"] == "2026Q3") & (rows["on"] == 0)
    found = _read_dealt(rows[~gone], deal)

    assert found.stopped
    assert _detail(found, "outcomes of leads").detail.startswith(f"in 2026Q3 none of {gone.sum()} units with it off has one")


def test_quarters_missing_more_often_where_it_was_off_stop_the_reading():
    rows, deal = _dealt()
    gone = (rows["on"] == 0) & (np.random.default_rng(1).random(len(rows)) < 0.4)

    assert _read_dealt(rows[~gone], deal).stopped
    assert not _read_dealt(rows[np.random.default_rng(1).random(len(rows)) > 0.3], deal).stopped


def test_few_absent_quarters_leave_grade_a_and_many_do_not():
    rows, deal = _dealt()
    random = np.random.default_rng(2).random(len(rows))

    assert _read_dealt(rows[random > 0.03], deal).evidence is Evidence.A
    assert _read_dealt(rows[random > 0.15], deal).evidence is Evidence.B


def test_dealing_schedules_again_errs_as_often_as_said():
    deal = _dealt()[1]
    schedule = np.array([variant.on for variant in deal.experiment.variants])
    label = deal.table.drop_duplicates("cluster")["variant"].map({v.name: place for place, v in enumerate(deal.experiment.variants)})
    found = []
    for seed in range(1000, 1060):
        rows = _wedge(seed=seed, effect=0.0)
        on = pd.DataFrame(schedule[label], index=[f"m{who:02d}" for who in range(12)])
        rows["on"] = [on.loc[one, int(quarter[-1])] for one, quarter in zip(rows["manager"], rows["quarter"], strict=True)]
        found.append(_read_dealt(rows, deal, draws=199).table["p_redrawn"].iloc[0])

    assert np.mean(np.array(found) <= 0.2) == pytest.approx(0.2, abs=0.13)  # two and a half standard errors


def test_what_was_known_before_narrows_the_interval_of_a_schedule():
    rows, plain = _dealt()
    size = pd.Series(np.random.default_rng(5).normal(size=96), index=rows["partner"].unique())
    known = rows.assign(size=rows["partner"].map(size), leads=lambda frame: frame["leads"] + 2 * frame["size"])
    deal = assign_variants(_scheduled(pre=("size",)), units=known.drop_duplicates("partner"), seed=3)
    assert deal.table["variant"].tolist() == plain.table["variant"].tolist()
    trial = Trial.from_frame(deal.label(known), experiment=deal.experiment)
    plain, adjusted = (analyze_experiment(trial, assignment=deal, adjustment=how, draws=0).table.iloc[0] for how in ("none", None))

    assert adjusted["std_error"] < 0.8 * plain["std_error"]
    assert abs(adjusted["estimate"] - 1.0) < 3 * adjusted["std_error"]
    with pytest.raises(ParameterError, match="size was known before the start, so each unit has it once"):
        Trial.from_frame(deal.label(known.assign(size=range(len(known)))), experiment=deal.experiment)


def test_who_was_never_dealt_a_schedule_and_other_quarters_are_refused():
    rows, deal = _dealt()
    strange = deal.label(rows).assign(partner=lambda frame: frame["partner"].str.replace("m00", "x00"))
    with pytest.raises(LedgerError, match="8 units were never dealt a variant, the first 'x00-0'"):
        analyze_experiment(Trial.from_frame(strange, experiment=deal.experiment), assignment=deal)
    with pytest.raises(ParameterError, match="the table has 4 quarters, and 5 were scheduled"):
        _read_dealt(rows[rows["quarter"] != "2026Q0"], deal)


def test_a_unit_has_one_schedule_and_trials_have_no_quarters():
    rows, deal = _dealt()
    mixed = deal.label(rows).assign(variant=lambda frame: frame["variant"].where(frame["quarter"] > "2026Q0", "from 2"))
    with pytest.raises(ParameterError, match="units stand in two variants"):
        Trial.from_frame(mixed, experiment=deal.experiment)
    plain = _scheduled(variants=(Variant(name="a"), Variant(name="b")))
    with pytest.raises(ParameterError, match="are no schedules; leave out quarter="):
        Trial.from_frame(rows.assign(variant="a"), experiment=plain, quarter="quarter")
    with pytest.raises(ParameterError, match="the trial has no groups"):
        analyze_by_tier(Trial.from_frame(deal.label(rows), experiment=deal.experiment), assignment=deal)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"variants": (Variant(name="a", on=(0, 1)), Variant(name="b", on=(1, 0)))}, "1 or 0 for each of 5 quarters"),
        ({"metrics": (Metric(name="tier", kind="tier", tiers=("a", "b")),)}, "read quarter by quarter, and tier is a tier"),
        ({"by": "tier"}, "without 'by'"),
        ({"variants": tuple(Variant(name=name, on=(0, 1, 1, 1, 1)) for name in "ab")}, "all variants are on or all off"),
    ],
)
def test_schedules_that_cannot_be_declared_are_refused(asked, said):
    with pytest.raises(SpecError, match=said):
        _scheduled(**asked)


def test_a_wedge_may_have_one_manager_a_step():
    table = _wedge(managers=4)
    deal = assign_variants(_scheduled(), units=table.drop_duplicates("partner")[["partner", "manager"]], seed=3)

    assert np.isfinite(_read_dealt(table.drop(columns="on"), deal, draws=0).table["std_error"].iloc[0])


def test_an_on_and_off_schedule_stays_at_grade_b():
    """What lasts after switching off would make the effect look smaller, and the schedule cannot show that nothing does."""
    turns = (Variant(name="first", on=(0, 1, 0, 1, 0)), Variant(name="second", on=(1, 0, 1, 0, 1)))
    rows, deal = _dealt(variants=turns)

    assert _read_dealt(rows, deal).evidence is Evidence.B
