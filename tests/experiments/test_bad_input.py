"""Bad input of a trial: one clear refusal or a stated rule, in Python and on the command line, and no half-written file."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.cli import main
from partnerlab.errors import PartnerlabError
from partnerlab.experiments import Assignment, Metric, Trial, analyze_experiment

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
    assert said in error
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


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(",treatment,", ",control,", 1),
        lambda text: text.replace('"seed": 1', '"seed": 2', 1),
        lambda text: text.replace('"name": "treatment"', '"name": "control"', 1),
        lambda text: text + "999,999,Gold,0,treatment,0.1\n",
    ],
    ids=["a row", "the seed", "the declaration", "a row more"],
)
def test_an_edited_assignment_is_refused_by_every_road(dealt, edit, capsys, tmp_path):
    folder, _, rows = dealt
    edited = edit((folder / "dealt.csv").read_text())
    assert edited != (folder / "dealt.csv").read_text()
    (tmp_path / "dealt.csv").write_text(edited)
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
