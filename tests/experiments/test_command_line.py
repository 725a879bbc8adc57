"""The life of an experiment from the command line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from partnerlab import Ledger, load_registry, record_decision, record_follow_up
from partnerlab.cli import main
from partnerlab.experiments import Assignment

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
    assert [line.count("\t") > 0 for line in out.splitlines()] == [True, True, True, False]
    assert out.splitlines()[-1] == "looks: 1 look, fixed; the smallest effects allow for them"


def test_what_running_a_test_is_worth_is_a_part_of_its_design(run, tmp_path):
    (tmp_path / "dinner.yaml").write_text(YAML.replace("material: 0.5", "material: 0.5, value: 100, cost: 10"))
    (tmp_path / "prior.yaml").write_text("{mean: 0.1, sd: 0.3, rows: 4000, fixed_cost: 500}\n")
    ask = ("experiment", "design", "dinner.yaml", "outlooks.yaml", "--units", 60, "--units", 200, "--prior", "prior.yaml")
    code, out, _ = run(*ask, "--worth", "drawn/worth.svg")

    head, first, *_ = (line.split("\t") for line in out.splitlines())
    told = dict(zip(head, first, strict=True))
    assert (code, told["cost"]) == (0, "800")
    assert float(told["net_gain"]) == pytest.approx(float(told["gain"]) - 800, abs=1)
    assert "Best worth running" in (tmp_path / "drawn" / "worth.svg").read_text(encoding="utf-8")
    assert "did you mean 'rows'" in (_bad_prior(run, tmp_path, ask))
    assert run(*ask[:-2], "--csv", "table.csv", "--worth", "other.svg")[0] == 2
    assert not (tmp_path / "table.csv").exists()


def _bad_prior(run, folder, ask):
    (folder / "prior.yaml").write_text("{sd: 0.3, row: 4000}\n")
    code, _, error = run(*ask)
    assert (code, len(error.strip().splitlines())) == (2, 1)
    return error


def test_other_plans_are_designed_beside(run):
    (code, out, _) = run(
        "experiment", "design", "dinner.yaml", "outlooks.yaml", "--units", 60, "--quarters", 4, "--plan", "parallel", "--plan", "crossover"
    )

    assert code == 0
    assert [line.split("\t")[1] for line in out.splitlines()[1:3]] == ["parallel", "crossover"]


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


def test_variants_and_units_that_were_written_with_a_point_are_the_declared_ones(run, tmp_path):
    (tmp_path / "call.yaml").write_text(YAML.replace("strata: [tier]", 'variants: [{name: "0"}, {name: "1"}]'))
    rows = pd.DataFrame({"partner": np.arange(40.0), "treat": [0.0, 1.0] * 20, "leads": np.arange(40.0) % 7})
    rows.to_csv(tmp_path / "rows.csv", index=False)

    code, out, _ = run("experiment", "analyze", "call.yaml", "rows.csv", "--variant", "treat")

    assert (code, "0: 20, 1: 20 units" in out) == (0, True)


def test_the_ledger_keeps_no_reading_of_a_trial_that_it_did_not_see_dealt(run, tmp_path):
    _dealt(run)
    _play(tmp_path)
    code, _, err = run("experiment", "analyze", "dinner.yaml", "outcomes.csv", "--ledger", "book.duckdb", "--program", "demo")

    assert code == 2
    assert "read another trial without --ledger" in err


def test_a_reading_begins_no_ledger_and_is_of_a_quarter_that_can_be(run, tmp_path):
    _dealt(run, "--ledger", "ledger.duckdb", "--program", "demo")
    _play(tmp_path)
    ask = ("experiment", "analyze", "dealt.csv", "outcomes.csv", "--program", "demo")

    code, _, error = run(*ask, "--ledger", "other.duckdb")
    assert (code, "other.duckdb: no such file" in error) == (2, True)
    assert not (tmp_path / "other.duckdb").exists()
    code, _, error = run(*ask, "--ledger", "ledger.duckdb", "--quarter", "2026X4")
    assert (code, "'2026X4' is not a quarter" in error) == (2, True)
    assert run(*ask, "--ledger", "ledger.duckdb", "--quarter", "FY2026Q4")[0] == 0
    assert run("experiment", "list", "ledger.duckdb", "dmeo")[1] == "ledger.duckdb: no experiment or study of dmeo is registered\n"


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


WEDGE = """name: calls
hypothesis: A call brings leads.
tactic: A call
stakes: {unit: leads, per: partner-quarter, material: 0.5, cost: 10}
metrics: [{name: leads}]
cluster: manager
quarters: 4
variants: [{name: early, on: [0, 1, 1, 1]}, {name: middle, on: [0, 0, 1, 1]}, {name: late, on: [0, 0, 0, 1]}]
"""
KEPT = ("--ledger", "book.duckdb", "--program", "demo")


@pytest.fixture
def wedge(run, tmp_path):
    """Calls dealt to managers 001 to 012, quarter after quarter."""
    (tmp_path / "calls.yaml").write_text(WEDGE)
    partners = pd.DataFrame(
        {"partner": [f"{place:03d}" for place in range(96)], "manager": [f"{place // 8 + 1:03d}" for place in range(96)]}
    )
    partners.to_csv(tmp_path / "book.csv", index=False)
    assert run("experiment", "assign", "calls.yaml", "book.csv", "calls.csv", "--seed", 3, *KEPT)[0] == 0
    dealt = Assignment.load(tmp_path / "calls.csv")
    on = {variant.name: variant.on for variant in dealt.experiment.variants}
    random = np.random.default_rng(1)
    rows = [
        (unit, manager, quarter, random.normal() + 2.0 * on[variant][place] + 0.3 * place)
        for unit, manager, variant in dealt.table[["unit", "cluster", "variant"]].itertuples(index=False)
        for place, quarter in enumerate(("2026Q1", "2026Q2", "2026Q3", "2026Q4"))
    ]
    pd.DataFrame(rows, columns=["partner", "manager", "quarter", "leads"]).to_csv(tmp_path / "rows.csv", index=False)
    return dealt


def test_a_schedule_lives_the_whole_life(run, wedge, tmp_path):
    sizes = run("experiment", "design", "calls.yaml", "outlooks.yaml", "--units", 96, "--clusters", 12)[1]
    code, out, _ = run("experiment", "analyze", "calls.csv", "rows.csv", "--page", "calls.html", "--quarter", "2027Q1", *KEPT)

    assert sizes.splitlines()[1].split("\t")[1:4] == ["96", "12", "4"]
    assert code == 0
    assert "A: A call caused" in out
    assert "departures: passed" in out
    page = (tmp_path / "calls.html").read_text(encoding="utf-8")
    assert "Grade A: A call caused" in page
    assert "switched quarter by quarter, and is read once" in page
    ledger = Ledger.open(tmp_path / "book.duckdb")
    record_decision(ledger, "Calls for all", program="demo", quarter="2027Q1", about="calls")
    record_follow_up(ledger, program="demo", about="calls", happened=True, quarter="2027Q2")
    row = load_registry(ledger, program="demo").iloc[0]
    assert (row["grade"], row["happened"], row["units"]) == ("A", "yes", 96)
    assert row["cost"] == pytest.approx(10 * 96 * 2)  # a partner had calls for two quarters on average


def test_a_schedule_that_was_dealt_elsewhere_is_read_by_its_declaration(run, wedge, tmp_path):
    wedge.label(pd.read_csv(tmp_path / "rows.csv", dtype={"partner": str})).to_csv(tmp_path / "theirs.csv", index=False)
    code, out, _ = run("experiment", "analyze", "calls.yaml", "theirs.csv")

    assert code == 0
    assert "A: A call caused" in out


def test_a_quarter_that_is_absent_where_it_was_off_has_exit_code_1(run, wedge, tmp_path):
    rows = wedge.label(pd.read_csv(tmp_path / "rows.csv", dtype={"partner": str}))
    rows[(rows["quarter"] != "2026Q3") | (rows["variant"] != "late")].drop(columns="variant").to_csv(tmp_path / "rows.csv", index=False)
    code, out, _ = run("experiment", "analyze", "calls.csv", "rows.csv")

    assert code == 1
    assert "outcomes of leads: FAILED. in 2026Q3 none of 32 units with it off has one" in out


def test_names_of_managers_keep_their_zeros(run, wedge):
    """Read as numbers, every partner would stand in another manager than when dealt."""
    assert wedge.table["cluster"].iloc[0] == "001"
    assert "departures: passed" in run("experiment", "analyze", "calls.csv", "rows.csv")[1]


def test_a_region_that_is_called_na_is_no_empty_cell(run, tmp_path):
    (tmp_path / "dinner.yaml").write_text(YAML.replace("[tier]", "[region]"))
    pd.DataFrame({"partner": range(40), "region": ["NA", "EMEA"] * 20}).to_csv(tmp_path / "partners.csv", index=False)

    assert _dealt(run)[0] == 0
    assert "NA" in Assignment.load(tmp_path / "dealt.csv").table["stratum"].tolist()


@pytest.mark.parametrize("broken", ["replace", "write_text"])
def test_a_deal_that_could_not_be_written_is_not_registered(run, tmp_path, monkeypatch, broken):
    def stop(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, broken, stop)
        code, _, err = _dealt(run, *KEPT)

    assert code == 2
    assert "dealt.csv: the assignment cannot be written (No space left on device)" in err
    assert not list(tmp_path.glob("*dealt*"))
    assert load_registry(Ledger.open(tmp_path / "book.duckdb"), program="demo").empty


def test_a_deal_that_was_interrupted_leaves_nothing_and_may_be_made_again(run, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stop)
        assert _dealt(run, *KEPT)[0] == 130

    assert not list(tmp_path.glob("*dealt*"))
    assert load_registry(Ledger.open(tmp_path / "book.duckdb"), program="demo").empty
    assert _dealt(run, *KEPT)[0] == 0
    assert (tmp_path / "dealt.csv").exists()


def test_a_deal_that_was_not_registered_leaves_no_file(run, tmp_path):
    _dealt(run, *KEPT)
    before = (tmp_path / "dealt.csv").read_bytes()
    code, _, err = run("experiment", "assign", "dinner.yaml", "partners.csv", "other.csv", "--seed", 4, *KEPT)

    assert code == 2
    assert "needs a new name" in err
    assert not list(tmp_path.glob("*other*"))
    assert _dealt(run, *KEPT)[0] == 0  # the same deal again
    assert (tmp_path / "dealt.csv").read_bytes() == before


def test_a_file_is_taken_away_if_the_record_fails_after_it_was_written(run, tmp_path):
    _dealt(run)
    dealt = Assignment.load(tmp_path / "dealt.csv")
    for name, stays in (("new.csv", False), ("dealt.csv", True)):  # what stood before stays
        with pytest.raises(RuntimeError), dealt.writing(tmp_path / name) as path:
            raise RuntimeError(path.stat())
        assert (tmp_path / name).exists() == stays


def test_the_page_of_a_look_shows_the_checks_of_that_look(run, tmp_path):
    looks = "looks: {planned: 4, stopping: group sequential}\nquarters: 4\n"
    (tmp_path / "dinner.yaml").write_text(YAML + looks)
    _dealt(run)
    _play(tmp_path)
    code, out, _ = run("experiment", "analyze", "dealt.csv", "outcomes.csv", "--look", 2, "--page", "look.html")
    page = (tmp_path / "look.html").read_text(encoding="utf-8")

    assert code == 0
    assert "look 2 of 4: boundary" in out
    assert "look 2 of 4: boundary" in page
    assert "look 4 of 4" not in page
    assert run("experiment", "analyze", "dealt.csv", "outcomes.csv", "--look", 5)[0] == 2


def test_tiers_are_read_at_the_last_look_alone(run, tmp_path):
    (tmp_path / "dinner.yaml").write_text(YAML + "by: tier\nlooks: {planned: 4, stopping: group sequential}\nquarters: 4\n")
    _dealt(run)
    _play(tmp_path)
    said = {look: run("experiment", "analyze", "dealt.csv", "outcomes.csv", "--look", look, "--page", f"{look}.html")[1] for look in (1, 4)}
    page = (tmp_path / "1.html").read_text(encoding="utf-8")

    assert "Tiers are read at the last look" in said[1]
    assert "Tiers are read at the last look" not in said[4]
    assert ("Silver\t" in said[1], "Silver\t" in said[4]) == (False, True)
    assert "iers are read at the last look" in page
