"""Stepped wedges and crossovers: levels of quarters and clusters are taken out, and errors follow what was switched."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.errors import LedgerError, ParameterError, SampleError, SpecError
from partnerlab.experiments import Assignment, Experiment, Metric, Trial, Variant, analyze_experiment, analyze_schedule, assign_variants
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


def test_a_wedge_is_read_over_its_quarters():
    found = analyze_schedule(_wedge(), outcome="leads", cluster="manager")
    row = found.table.iloc[0]

    assert abs(row["estimate"] - 1.0) < 3 * row["std_error"]
    assert row["on"] - row["off"] > row["estimate"] + 0.3  # later quarters are higher by themselves
    assert found.verdict.managers == 12
    assert "switched on, and stays on" in found.checks[0].detail


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
    row = analyze_schedule(rows, outcome="leads").table.iloc[0]

    assert row["estimate"] == pytest.approx(by_hand, abs=0.05)
    assert row["std_error"] < 0.5 * np.hypot(*rows.groupby("on")["leads"].sem())


def test_units_of_the_outcome_names_and_order_do_not_matter():
    frame = _wedge()
    first = analyze_schedule(frame, outcome="leads", cluster="manager").table.iloc[0]
    other = frame.sample(frac=1, random_state=1).assign(
        manager=lambda rows: "x" + rows["manager"].str[::-1], leads=lambda rows: 7 + 10 * rows["leads"]
    )
    second = analyze_schedule(other, outcome="leads", cluster="manager").table.iloc[0]

    assert second["estimate"] == pytest.approx(10 * first["estimate"])
    assert second["std_error"] == pytest.approx(10 * first["std_error"])
    assert second["df"] == pytest.approx(first["df"])


def test_nothing_is_found_about_as_often_as_said():
    tables = [analyze_schedule(_wedge(seed=seed, effect=0.0), outcome="leads", cluster="manager").table.iloc[0] for seed in range(120)]

    assert (
        np.mean([row["conf_low"] > 0 or row["conf_high"] < 0 for row in tables]) <= 0.11
    )  # 120 trials: mean 6, thirteen in two of a hundred


def test_gaps_are_allowed_and_lost_outcomes_counted():
    frame = _wedge()
    gaps = frame.drop(frame.index[(frame["manager"] == "m03") & (frame["quarter"] == "2026Q2")])
    gaps = gaps.assign(leads=gaps["leads"].where(np.arange(len(gaps)) % 9 > 0))
    found = analyze_schedule(gaps, outcome="leads", cluster="manager")

    assert abs(found.table["estimate"].iloc[0] - 1.0) < 0.6
    assert "rows without leads" in found.checks[1].detail


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda f: f.rename(columns={"on": "onn"}), ParameterError, "did you mean 'onn'"),
        (lambda f: pd.concat([f, f.head(2)]), ParameterError, "2 rows repeat a partner in a quarter"),
        (lambda f: f.assign(on=f["on"] * 2), ParameterError, "on must be 1"),
        (lambda f: f.assign(on=f["on"].where(f.index != 4, 0)), ParameterError, "is on for some and off for others"),
        (lambda f: f.assign(leads="many"), ParameterError, "leads is not a number in 480 rows"),
        (lambda f: f[f["manager"] < "m02"], SampleError, "2 manager"),
        (lambda f: f.assign(on=(f["quarter"] > "2026Q2").astype(int)), SampleError, "cannot be told from the quarter"),
    ],
)
def test_schedules_that_cannot_be_read_are_refused(change, kind, said):
    with pytest.raises(kind, match=said):
        analyze_schedule(change(_wedge()), outcome="leads", cluster="manager")


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


def _as_dealt(reading):
    return next(check for check in reading.checks if check.name == "dealt as declared")


def test_a_schedule_that_was_dealt_and_kept_earns_grade_a(tmp_path):
    rows, deal = _dealt()
    found = analyze_schedule(rows.drop(columns="on"), outcome="leads", assignment=Assignment.load(deal.write(tmp_path / "wedge.csv")))

    pd.testing.assert_frame_equal(found.table, analyze_schedule(rows, outcome="leads", cluster="manager").table)
    assert _as_dealt(found).passed is True
    assert (found.evidence, found.verdict.grade) == (Evidence.A, Evidence.A)


def test_quarters_otherwise_than_scheduled_are_read_as_scheduled_and_counted():
    rows, deal = _dealt()
    other = rows.assign(on=rows["on"].where(rows.index != 7, 1 - rows["on"]), manager=rows["manager"].replace("m01", "m02"))
    found = analyze_schedule(other[other["partner"] != "m00-0"], outcome="leads", assignment=deal)
    said = _as_dealt(found)

    assert said.passed is None
    assert said.detail.startswith("on or off otherwise than scheduled in 1 row")
    assert "another manager than when dealt in 40 rows" in said.detail
    assert "1 unit of 96 dealt" in said.detail
    assert found.evidence is Evidence.B


def test_who_was_never_dealt_a_schedule_and_other_quarters_are_refused():
    rows, deal = _dealt()
    with pytest.raises(LedgerError, match="8 units were never dealt a schedule, the first 'x00-0'"):
        analyze_schedule(rows.assign(partner=rows["partner"].str.replace("m00", "x00")), outcome="leads", assignment=deal)
    with pytest.raises(ParameterError, match="the table has 4 quarters, and 5 were scheduled"):
        analyze_schedule(rows[rows["quarter"] != "2026Q0"], outcome="leads", assignment=deal)


def test_schedules_are_read_as_schedules_and_trials_as_trials():
    rows, deal = _dealt()
    once = deal.label(rows[rows["quarter"] == "2026Q4"])
    with pytest.raises(ParameterError, match="with analyze_schedule"):
        analyze_experiment(Trial.from_frame(once, experiment=deal.experiment), assignment=deal)
    plain = assign_variants(_scheduled(variants=(Variant(name="a"), Variant(name="b"))), units=once.drop(columns="variant"), seed=1)
    with pytest.raises(ParameterError, match="read it with analyze_experiment"):
        analyze_schedule(rows, outcome="leads", assignment=plain)


def test_schedules_must_cover_all_quarters():
    with pytest.raises(SpecError, match="1 or 0 for each of 5 quarters"):
        _scheduled(variants=(Variant(name="a", on=(0, 1)), Variant(name="b", on=(1, 0))))


def test_an_on_and_off_schedule_stays_at_grade_b():
    """What lasts after switching off would make the effect look smaller, and the schedule cannot show that nothing does."""
    turns = (Variant(name="first", on=(0, 1, 0, 1, 0)), Variant(name="second", on=(1, 0, 1, 0, 1)))
    rows, deal = _dealt(variants=turns)

    assert analyze_schedule(rows, outcome="leads", assignment=deal).evidence is Evidence.B
