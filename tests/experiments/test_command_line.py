"""The life of an experiment from the command line."""

import numpy as np
import pandas as pd
import pytest

from partnerlab.cli import main

YAML = """name: dinner
hypothesis: A dinner brings leads.
tactic: Dinner
stakes: {unit: leads, per: partner, material: 0.5}
metrics: [{name: leads}]
strata: [tier]
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dinner.yaml").write_text(YAML)
    (tmp_path / "outlooks.yaml").write_text("leads: {sd: 1.0, kept: 0.3}\n")
    partners = pd.DataFrame({"partner": [f"{place:03d}" for place in range(60)], "tier": ["Gold", "Silver"] * 30})
    partners.to_csv(tmp_path / "partners.csv", index=False)

    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(list(map(str, words)))
        said = capsys.readouterr()
        return stopped.value.code or 0, said.out, said.err

    return call


def _dealt(run, *more):
    return run("experiment", "assign", "dinner.yaml", "partners.csv", "dealt.csv", "--seed", 3, *more)


def _play(folder, *, lost=0):
    dealt = pd.read_csv(folder / "dealt.csv", skiprows=1, dtype={"unit": str})
    on = (dealt["variant"] == "treatment").to_numpy()
    leads = np.random.default_rng(1).normal(size=len(dealt)) + 3 * on
    frame = pd.DataFrame({"partner": dealt["unit"], "tier": dealt["stratum"], "leads": leads})
    frame.loc[np.flatnonzero(on)[:lost], "leads"] = np.nan
    frame.to_csv(folder / "outcomes.csv", index=False)


def test_a_design_is_a_table(run):
    code, out, _ = run("experiment", "design", "dinner.yaml", "outlooks.yaml", "--units", 60, "--units", 200, "--quarters", 2)

    assert code == 0
    assert out.splitlines()[0] == "metric\tunits\tquarters\tsmallest_effect\tpower_material"
    assert len(out.splitlines()) == 3


def test_an_experiment_is_dealt_read_and_listed(run, tmp_path):
    kept = ("--ledger", "book.duckdb", "--program", "demo")
    assert _dealt(run, *kept)[0] == 0
    _play(tmp_path)
    code, out, _ = run("experiment", "analyze", "dealt.csv", "outcomes.csv", *kept)

    assert code == 0
    assert "A: Dinner caused" in out
    assert "A\tDinner caused" in run("experiment", "list", "book.duckdb", "demo")[1]


def test_a_trial_that_was_dealt_elsewhere_is_read_by_its_declaration(run, tmp_path):
    _dealt(run)
    _play(tmp_path)
    arms = pd.read_csv(tmp_path / "dealt.csv", skiprows=1)["variant"]
    pd.read_csv(tmp_path / "outcomes.csv").drop(columns="partner").assign(arm=arms).to_csv(tmp_path / "rows.csv", index=False)
    code, out, _ = run("experiment", "analyze", "dinner.yaml", "rows.csv", "--variant", "arm", "--page", "rows.html")

    assert code == 0
    assert "rows.csv has no column 'partner', so each row is one partner" in out
    assert "A: Dinner caused" in out
    assert "Declared in dinner.yaml." in (tmp_path / "rows.html").read_text(encoding="utf-8")


def test_the_ledger_keeps_no_reading_of_a_trial_that_it_did_not_see_dealt(run, tmp_path):
    _dealt(run)
    _play(tmp_path)
    code, _, err = run("experiment", "analyze", "dinner.yaml", "outcomes.csv", "--ledger", "book.duckdb", "--program", "demo")

    assert code == 2
    assert "read another trial without --ledger" in err


def test_the_page_of_the_deal_is_printed(run):
    out = _dealt(run)[1]

    assert "Dealt: by partner, within tier." in out
    assert "treatment\t30" in out


def test_a_failed_check_has_exit_code_1(run, tmp_path):
    _dealt(run)
    _play(tmp_path, lost=15)
    code, out, _ = run("experiment", "analyze", "dealt.csv", "outcomes.csv")

    assert code == 1
    assert "FAILED" in out
    assert "D: Cannot tell" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("assign", "dinner.yaml", "nothing.csv", "dealt.csv", "--seed", 1), "no such file"),
        (("analyze", "partners.csv", "partners.csv"), "not an assignment"),
        (("design", "dinner.yaml", "dinner.yaml", "--units", 60), "under its name"),
        (("assign", "dinner.yaml", "partners.csv", "dealt.csv", "--seed", 1, "--ledger", "b.duckdb"), "give --program"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, words, said):
    code, _, err = run("experiment", *words)

    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_an_edited_assignment_is_refused(run, tmp_path):
    _dealt(run)
    _play(tmp_path)
    path = tmp_path / "dealt.csv"
    path.write_text(path.read_text() + "999,999,Gold,0,treatment\n")

    code, _, err = run("experiment", "analyze", "dealt.csv", "outcomes.csv")

    assert code == 2
    assert "edited after it was written" in err


def test_a_reading_that_cannot_be_recorded_is_not_written_either(run, tmp_path):
    _dealt(run)
    _play(tmp_path)
    code, out, err = run("experiment", "analyze", "dealt.csv", "outcomes.csv", "--page", "dinner.html", "--ledger", "book.duckdb")

    assert (code, out) == (2, "")
    assert "give --program" in err
    assert not (tmp_path / "dinner.html").exists()


def test_sizes_are_drawn_into_a_file(run, tmp_path):
    code, out, _ = run("experiment", "design", "dinner.yaml", "outlooks.yaml", "--units", 60, "--units", 200, "--picture", "sizes.svg")

    assert code == 0
    assert out.splitlines()[-1] == "sizes.svg"
    assert "smallest effect found" in (tmp_path / "sizes.svg").read_text()


def test_a_reading_is_written_as_a_page(run, tmp_path):
    _dealt(run)
    _play(tmp_path)
    code, out, _ = run("experiment", "analyze", "dealt.csv", "outcomes.csv", "--page", "dinner.html", "--quarter", "2026Q3")

    assert code == 0
    assert "dinner.html" in out
    assert "Grade A: Dinner caused" in (tmp_path / "dinner.html").read_text()


def test_an_experiment_declared_by_tier_is_read_by_tier(run, tmp_path):
    (tmp_path / "dinner.yaml").write_text(YAML + "by: tier\n")
    _dealt(run)
    _play(tmp_path)
    code, out, _ = run("experiment", "analyze", "dealt.csv", "outcomes.csv")

    assert code == 0
    assert out.count("treatment\tGold\t") == 1
