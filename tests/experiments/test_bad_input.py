"""Bad input of a trial: one clear refusal or a stated rule, in Python and on the command line, and no half-written file."""

import math

import numpy as np
import pandas as pd
import pytest

from partnerlab.cli import main
from partnerlab.errors import PartnerlabError
from partnerlab.experiments import (
    Assignment,
    Experiment,
    Metric,
    Outlook,
    Prior,
    Trial,
    analyze_by_tier,
    analyze_experiment,
    assign_variants,
    design_experiment,
    estimate_looks,
)

YAML = """name: dinner
hypothesis: A dinner brings leads.
tactic: Dinner
stakes: {unit: leads, per: partner, material: 0.5}
metrics: [{name: leads}, {name: months, kind: time, event: left, until: 4}]
strata: [tier]
pre: [before]
exposure: seen
quarters: 4
looks: {planned: 4, stopping: group sequential}
"""


@pytest.fixture(scope="module")
def dealt(tmp_path_factory):
    """A deal of 80 partners, and what came of it."""
    folder = tmp_path_factory.mktemp("dinner")
    (folder / "dinner.yaml").write_text(YAML)
    random = np.random.default_rng(1)
    units = pd.DataFrame({"partner": [f"{place:03d}" for place in range(80)], "tier": ["Gold", "Silver"] * 40})
    units = units.assign(before=random.normal(size=80), manager=[f"{place // 5:02d}" for place in range(80)])
    units.to_csv(folder / "partners.csv", index=False)
    _call("experiment", "assign", folder / "dinner.yaml", folder / "partners.csv", folder / "dealt.csv", "--seed", 1)
    deal = Assignment.load(folder / "dealt.csv")
    rows = deal.label(units)
    months = np.minimum(random.exponential(6, 80) + 0.1, 4)
    leads = random.normal(size=80) + (rows["variant"] == "treatment")
    return folder, deal, rows.assign(leads=leads, months=months, left=(months < 4).astype(int), seen=4)


def _call(*words):
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, words)))
    return stopped.value.code or 0


def _half(rows, column, value):
    """Change every second treated unit."""
    return rows.assign(**{column: rows[column].where((rows["variant"] == "control") | (np.arange(len(rows)) % 2 == 0), value)})


def _first(rows, **values):
    return rows.assign(**{name: rows[name].where(np.arange(len(rows)) > 0, value) for name, value in values.items()})


REFUSED = {
    "a unit in two variants": (
        lambda rows: pd.concat([rows, *(rows.head(1).assign(variant=name) for name in ("treatment", "control"))]),
        "1 unit stands in two variants, the first '000'",
    ),
    "a unit twice": (lambda rows: pd.concat([rows, rows.head(2)]), "2 units have several rows"),
    "time below nothing": (lambda rows: _first(rows, months=-1.0), "months must be 0 or more"),
    "watched for less than no time": (lambda rows: rows.assign(seen=-1), "seen is below 0 for 80 units"),
    "an event that is neither 0 nor 1": (lambda rows: rows.assign(left=2), "left must be 1"),
    "another name of the outcome": (lambda rows: rows.rename(columns={"leads": "lead"}), "did you mean 'lead'"),
    "another name of the unit": (lambda rows: rows.rename(columns={"partner": "partnr"}), "did you mean 'partnr'"),
    "no column of what was known before": (lambda rows: rows.drop(columns="before"), "no column 'before'"),
    "no rows": (lambda rows: rows.head(0), "the table has no rows"),
    "a variant that was not declared": (lambda rows: _first(rows, variant="lunch"), "'lunch' is no variant of dinner"),
    "one variant alone": (lambda rows: rows[rows["variant"] == "control"], "no unit has variant 'treatment'"),
    "words in the place of numbers": (lambda rows: rows.assign(leads="many"), "leads is not a number for 80 units"),
    "a unit that differs in blanks alone": (
        lambda rows: pd.concat([rows, rows.head(1).assign(partner="000 ")]), "1 unit has several rows, the first '000'"
    ),
    "a unit of blanks": (lambda rows: _first(rows, partner=" "), "partner is empty in 1 row"),
    "a variant in capitals": (lambda rows: _first(rows, variant="Control"), "did you mean 'control'"),
    "a variant of blanks": (lambda rows: _first(rows, variant=" "), "variant is empty for 1 unit"),
    "nobody watched": (lambda rows: rows.assign(seen=0), "seen is 0 for all units"),
    "an infinite outcome": (lambda rows: _first(rows, leads=np.inf), "leads is not a number for 1 unit, the first 'inf'"),
    "a number that is too large": (lambda rows: _first(rows, before=1e200), "before is above 1e\\+100 in size for 1 unit"),
    "a column twice": (lambda rows: pd.concat([rows, rows[["leads"]]], axis=1), "several columns are called 'leads'"),
}  # fmt: skip
STOPPED = {
    "outcomes missing by variant": (lambda rows: _half(rows, "leads", np.nan), "outcomes of leads"),
    "rows missing by variant": (lambda rows: rows[(rows["variant"] == "control") | (np.arange(80) % 2 == 0)], "sample ratio"),
    "watched longer in one variant": (lambda rows: rows.assign(seen=np.where(rows["variant"] == "control", 4, 2)), "exposure"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_in_a_line_and_leaves_no_file(dealt, case, capsys, tmp_path):
    change, said = REFUSED[case]
    folder, deal, rows = dealt
    bad = change(rows)
    with pytest.raises(PartnerlabError, match=said):
        Trial.from_frame(bad, experiment=deal.experiment)
    bad.to_csv(tmp_path / "rows.csv", index=False)
    asked = ("--page", tmp_path / "page.html", "--csv", tmp_path / "table.csv")

    assert _call("experiment", "analyze", folder / "dinner.yaml", tmp_path / "rows.csv", *asked) == 2
    error = capsys.readouterr().err
    assert said.replace("\\", "") in error
    assert len(error.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("case", STOPPED)
def test_what_was_not_run_as_planned_is_shown_and_nothing_is_concluded(dealt, case, capsys, tmp_path):
    change, name = STOPPED[case]
    folder, deal, rows = dealt
    bad = change(rows)
    reading = analyze_experiment(Trial.from_frame(bad, experiment=deal.experiment), assignment=deal, draws=0)
    bad.drop(columns="variant").to_csv(tmp_path / "rows.csv", index=False)

    assert reading.stopped
    assert name in [check.name for check in reading.checks if check.passed is False]
    assert all(verdict.earned.value == "D" for verdict in reading.verdicts)
    assert _call("experiment", "analyze", folder / "dealt.csv", tmp_path / "rows.csv", "--page", tmp_path / "page.html") == 1
    assert f"{name}: FAILED" in capsys.readouterr().out
    assert "Stopped" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("look", [0, 5])
def test_a_look_that_was_not_planned_is_refused(dealt, look, capsys, tmp_path):
    folder, deal, rows = dealt
    rows.drop(columns="variant").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(PartnerlabError, match=f"look {look} was not declared"):
        analyze_experiment(Trial.from_frame(rows, experiment=deal.experiment), assignment=deal, look=look, draws=0)

    assert (
        _call("experiment", "analyze", folder / "dealt.csv", tmp_path / "rows.csv", "--look", look, "--page", tmp_path / "page.html") == 2
    )
    assert f"look {look} was not declared (4 looks planned)" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


EDITS = {
    "a cell": lambda raw: raw.replace(b",treatment,", b",control,", 1),
    "the seed": lambda raw: raw.replace(b'"seed": 1', b'"seed": 2', 1),
    "the declaration": lambda raw: raw.replace(b'"name": "treatment"', b'"name": "control"', 1),
    "a row more": lambda raw: raw + b"999,999,Gold,0,treatment,0.1\n",
    "a row less": lambda raw: raw[: raw.rstrip().rindex(b"\n") + 1],
    "the order of rows": lambda raw: b"\n".join([*raw.split(b"\n")[:2], *reversed(raw.split(b"\n")[2:-1]), b""]),
    "a blank at the end": lambda raw: raw + b"\n",
    "ends of lines": lambda raw: raw.replace(b"\n", b"\r\n"),
    "a mark of its encoding": lambda raw: b"\xef\xbb\xbf" + raw,
    "another encoding": lambda raw: raw.decode().encode("utf-16"),
    "what a spreadsheet makes of names": lambda raw: raw.replace(b"\n000,000,", b"\n0,0,", 1),
    "no first line": lambda raw: raw[raw.index(b"\n") + 1 :],
    "nothing left": lambda raw: b"",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_assignment_is_refused_by_every_road(dealt, edit, capsys, tmp_path):
    folder, _, rows = dealt
    edited = edit((folder / "dealt.csv").read_bytes())
    assert edited != (folder / "dealt.csv").read_bytes()
    (tmp_path / "dealt.csv").write_bytes(edited)
    rows.drop(columns="variant").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(PartnerlabError, match=r"edited after it was written|not an assignment that partnerlab wrote"):
        Assignment.load(tmp_path / "dealt.csv")

    assert _call("experiment", "analyze", tmp_path / "dealt.csv", tmp_path / "rows.csv") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_one_cluster_of_a_variant_is_refused_when_dealt_and_when_read(dealt, capsys, tmp_path):
    rows = dealt[2]
    (tmp_path / "few.yaml").write_text(YAML.replace("strata: [tier]", "cluster: manager"))
    few = rows.assign(manager=np.where(rows["variant"] == "control", "01", "02"))
    few.to_csv(tmp_path / "rows.csv", index=False)

    assert _call("experiment", "assign", tmp_path / "few.yaml", tmp_path / "rows.csv", tmp_path / "dealt.csv", "--seed", 1) == 2
    assert "2 managers for 2 variants; 4 are needed" in capsys.readouterr().err
    assert not (tmp_path / "dealt.csv").exists()
    assert _call("experiment", "analyze", tmp_path / "few.yaml", tmp_path / "rows.csv") == 2
    assert "variant 'control' has 1 cluster" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "partner,variant\n", "\x00\x01"])
def test_an_empty_file_is_refused(dealt, text, capsys, tmp_path):
    (tmp_path / "rows.csv").write_text(text)

    assert _call("experiment", "analyze", dealt[0] / "dealt.csv", tmp_path / "rows.csv") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_folder_in_the_place_of_a_page_is_refused(dealt, capsys, tmp_path):
    folder, _, rows = dealt
    rows.drop(columns="variant").to_csv(tmp_path / "rows.csv", index=False)

    assert _call("experiment", "analyze", folder / "dealt.csv", tmp_path / "rows.csv", "--page", tmp_path) == 2
    assert capsys.readouterr().err.strip().endswith("Is a directory")


@pytest.mark.parametrize(
    ("metric", "column", "said"),
    [
        (Metric(name="leads"), "leads", "it is 1 wherever it was seen, so that nothing can be told from it"),
        (Metric(name="calls", kind="ratio", per="deals"), "deals", "it is 0 wherever it was seen, so that no ratio of it is known"),
    ],
)
def test_why_nothing_can_be_told_is_said(metric, column, said):
    rows = pd.DataFrame(
        {"unit": range(60), "variant": ["control", "treatment"] * 30, "leads": 1.0, "deals": 0.0, "calls": np.arange(60) % 5}
    )
    reading = analyze_experiment(Trial.from_frame(rows, outcomes=[metric]), draws=0)

    assert {check.name: check.detail for check in reading.checks}[f"{column} varies"] == said
    assert "cannot tell" in set(reading.table["claim"])


def test_a_declaration_that_was_edited_after_it_was_registered_is_refused(dealt, capsys, tmp_path):
    folder, _, rows = dealt
    ask = ("--ledger", tmp_path / "ledger.duckdb", "--program", "demo")
    (tmp_path / "dinner.yaml").write_text(YAML)
    assert _call("experiment", "assign", tmp_path / "dinner.yaml", folder / "partners.csv", tmp_path / "dealt.csv", "--seed", 1, *ask) == 0
    (tmp_path / "dinner.yaml").write_text(YAML.replace("material: 0.5", "material: 0.1"))
    rows.to_csv(tmp_path / "rows.csv", index=False)

    assert _call("experiment", "assign", tmp_path / "dinner.yaml", folder / "partners.csv", tmp_path / "again.csv", "--seed", 1, *ask) == 2
    assert "another declaration or deal is registered under this name" in capsys.readouterr().err
    assert _call("experiment", "analyze", tmp_path / "dinner.yaml", tmp_path / "rows.csv", *ask) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dealt.csv", "dinner.yaml", "ledger.duckdb", "rows.csv"]


def test_units_are_who_they_were_dealt_as_whatever_a_table_makes_of_their_names():
    units = pd.DataFrame({"partner": range(1, 9)})
    declared = Experiment(name="call", hypothesis="It helps.", tactic="A call", stakes={"unit": "leads"}, metrics=(Metric(name="leads"),))
    deal = assign_variants(declared, units=units, seed=1)
    for names in ([float(place) for place in range(1, 9)], [1.0, "2", 3, "4 ", *range(5, 9)]):
        rows = pd.DataFrame({"partner": pd.Series(names, dtype=object), "leads": range(8)})
        assert deal.label(rows)["variant"].tolist() == deal.table.set_index("unit").loc[list("12345678"), "variant"].tolist()
    both = pd.DataFrame({"unit": pd.Series([1.0, "1", 2.0, 3], dtype=object), "variant": ["on", "off"] * 2, "leads": 1.0})
    with pytest.raises(PartnerlabError, match="1 unit stands in two variants, the first '1'"):
        Trial.from_frame(both, outcomes=["leads"])


@pytest.mark.parametrize(
    ("change", "asked", "said"),
    [
        ({"variant": ["on", "On", "off", "off"] * 20}, {}, "variants 'On' and 'on' differ in capitals alone"),
        ({}, {"pre": ["leads"]}, "'leads' is an outcome, so it cannot be known before the start"),
        ({"leads": 1j}, {}, "leads holds complex numbers"),
    ],
)
def test_what_an_undeclared_table_cannot_mean_is_refused(dealt, change, asked, said):
    with pytest.raises(PartnerlabError, match=said):
        Trial.from_frame(dealt[2].assign(**change), unit="partner", outcomes=[Metric(name="leads")], **asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"level": 95}, "level is 95; give a coverage between 0 and 1"),
        ({"level": math.nan}, "level is nan"),
        ({"draws": 1.5}, "draws is 1.5; give a whole number of 0 or more"),
        ({"draws": -1}, "draws is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"look": 1.5}, "look is 1.5"),
        ({"quarters": 0}, "quarters is 0; give how long it ran"),
        ({"assignment": "dealt.csv"}, "analyze_experiment takes a Assignment, not a str"),
    ],
)
def test_what_a_reading_cannot_be_asked_is_refused_in_a_line(dealt, asked, said):
    _, deal, rows = dealt
    with pytest.raises(PartnerlabError, match=said):
        analyze_experiment(Trial.from_frame(rows, experiment=deal.experiment), **asked)


def test_a_frame_in_the_place_of_a_trial_is_refused(dealt):
    for verb in (analyze_experiment, analyze_by_tier):
        with pytest.raises(PartnerlabError, match=rf"{verb.__name__} takes a Trial, not a DataFrame; make one with Trial.from_frame"):
            verb(dealt[2])


def test_what_stops_a_trial_stops_its_tiers_and_its_looks(dealt):
    _, deal, rows = dealt
    leads = rows["leads"] + 9 * (rows["variant"] == "treatment")
    lost = rows.assign(leads=leads.where((rows["variant"] == "control") | (np.arange(80) % 4 < 2)))
    trial = Trial.from_frame(lost, experiment=deal.experiment, by="tier")
    by_tier, path = analyze_by_tier(trial), estimate_looks([trial], experiment=deal.experiment)

    assert by_tier.evidence.value == "D"
    assert "outcomes of leads" in [check.name for check in by_tier.checks if check.passed is False]
    assert [check.name for check in path.checks] == ["look 1: outcomes of leads"]
    assert path.first_crossed is None
    assert path.first_peeked is None


def test_strata_of_one_unit_each_leave_nothing_to_compare(dealt):
    rows = dealt[2].assign(grade=pd.Categorical(["low", "high"] * 40, categories=["low", "high"], ordered=True))
    trial = Trial.from_frame(rows, unit="partner", outcomes=["leads", "grade"], pre=["before"], stratum="partner")

    assert analyze_experiment(trial, draws=9).table["estimate"].isna().all()


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ([1], "assign_variants takes an Experiment and a DataFrame of units, not a list"),
        (pd.DataFrame({"partner": ["a", "b ", "b", "c"]}), "1 row repeats a unit, the first 'b'"),
        (pd.DataFrame({"partner": ["a", " ", "b", "c"]}), "partner is empty for 1 unit"),
        (pd.DataFrame([[1, 1]] * 4, columns=["partner", "partner"]), "several columns are called 'partner'"),
    ],
)
def test_units_that_cannot_be_dealt_are_refused(units, said):
    declared = Experiment(name="call", hypothesis="It helps.", tactic="A call", stakes={"unit": "leads"}, metrics=(Metric(name="leads"),))
    with pytest.raises(PartnerlabError, match=said):
        assign_variants(declared, units=units, seed=1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"units": 100}, "units is 100; give a list of whole numbers"),
        ({"units": [100.5]}, r"units is \[100.5\]"),
        ({"units": [math.nan]}, r"units is \[nan\]"),
        ({"quarters": [1.5]}, r"quarters is \[1.5\]"),
        ({"level": 2}, "level is 2"),
        ({"prior": {"sd": 1}}, "design_experiment takes Prior, not dict"),
        ({"outlooks": {"leads": {"sd": 1}}}, "design_experiment takes Outlook, not dict"),
    ],
)
def test_a_design_that_cannot_be_is_refused(asked, said):
    declared = Experiment(name="call", hypothesis="It helps.", tactic="A call", stakes={"unit": "leads"}, metrics=(Metric(name="leads"),))
    known = {"outlooks": {"leads": Outlook(sd=1.0)}, "units": np.array([100, 200]), "prior": Prior(sd=1.0, rows=10)}
    assert len(design_experiment(declared, **known).table) == 2
    with pytest.raises(PartnerlabError, match=said):
        design_experiment(declared, **known | asked)
