"""The command line: exit codes 0, 1, 2; every mistake is one line on stderr, never a traceback."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from partnerlab.cli import app, main


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A small program in a DuckDB file."""
    from partnerlab.intake.simulate import Truth, simulate_program

    path = tmp_path_factory.mktemp("data") / "small.duckdb"
    simulate_program(Truth(n_partners=40, n_quarters=6), seed=3).write(path)
    return f"duckdb:///{path}"


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Call the command line; gives exit code, stdout and stderr."""

    def call(*words):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as stopped:
            main(list(map(str, words)))
        said = capsys.readouterr()
        return stopped.value.code or 0, said.out, said.err

    return call


@pytest.mark.parametrize(
    "words", [(), ("--help",), ("report", "--help"), ("report", "build", "--help"), ("tiers", "assign", "--help"), ("check", "--help")]
)
def test_help_is_there_for_every_verb(run, words):
    _, out, err = run(*words)

    assert "Usage" in out + err


def test_the_version_is_said(run):
    assert run("--version")[1].startswith("partnerlab ")


def one_line(err):
    return len(err.strip().splitlines()) == 1 and err.startswith("partnerlab: ") and "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("repot",), "No such command 'repot'"),
        (("report", "build", "--jobs", "x"), "not a valid integer|valid integer"),
        (("report", "build", "--quartr", "2026Q3"), "No such option"),
        (("report", "build", "--source", "nowhere.duckdb"), "nowhere.duckdb: no such file"),
        (("report", "build", "--parameter", "seed"), "not of the form name=value"),
        (("report", "open"), "no reports"),
        (("report", "verify", "2026Q3"), "no reports"),
        (("tiers", "assign", "nowhere.duckdb"), "nowhere.duckdb"),
        (("check", "nowhere"), "nowhere"),
        (("tiers", "lint", "quadrnt"), "did you mean 'quadrant'"),
        (("tiers", "compare", "nowhere.duckdb"), "Missing option '--before'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, words, message):
    import re

    code, _, err = run(*words)

    assert code == 2
    assert one_line(err)
    assert re.search(message, err)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--quarter", "2031Q1"), "quarter 2031Q1 is outside the data"),
        (("--by", "regoin"), "no attribute 'regoin'; did you mean 'region'?"),
        (("--scheme", "quadrnt"), "did you mean 'quadrant'?"),
        (("--parameter", "regoin=NO"), "did you mean 'region'?"),
        (("--parameter", "region=XX"), "no partner has region 'XX'"),
        (("--parameter", "seed=x"), "parameter seed must be a whole number; given 'x'"),
        (("--notebooks", "91"), "no notebook is called '91'"),
        (("--as-of", "yesterday"), "yesterday"),
    ],
)
def test_a_question_outside_the_data_stops_before_any_kernel(run, program, monkeypatch, words, message):
    monkeypatch.setattr("partnerlab.report.execution.execute_page", lambda *args, **options: pytest.fail("a kernel was started"))

    code, _, err = run("report", "build", "--source", program, "--ledger", "none", *words)

    assert code == 2
    assert one_line(err)
    assert message in err


def test_tiers_are_counted_and_written(run, program, tmp_path):
    code, out, _ = run("tiers", "assign", program, "--csv", tmp_path / "tiers.csv")

    assert code == 0
    assert out.startswith("tier\tpartners\n")
    assert (tmp_path / "tiers.csv").read_text().startswith("partner,quarter,tier")


def test_a_tier_is_explained(run, program, tmp_path):
    run("tiers", "assign", program, "--csv", tmp_path / "tiers.csv")
    partner = (tmp_path / "tiers.csv").read_text().splitlines()[1].partition(",")[0]

    code, out, _ = run("tiers", "explain", program, partner)

    assert code == 0
    assert partner in out


def test_a_scheme_is_linted_alone_and_on_data(run, program):
    code, alone, _ = run("tiers", "lint", "rating")
    also, on_data, _ = run("tiers", "lint", "rating", program)

    assert (code, also) == (0, 0)
    assert alone.startswith("rule\tgrade\twhere\tfinding\n")
    assert len(on_data.splitlines()) > len(alone.splitlines())


def test_a_scheme_with_errors_has_exit_code_1(run, tmp_path):
    (tmp_path / "bare.yaml").write_text("scheme: bare\nclassify: {kind: bands, value: leads, bands: [{name: A, from: 3}, {name: B}]}\n")

    code, out, _ = run("tiers", "lint", "bare.yaml")

    assert code == 1
    assert "A is not explained" in out


def test_two_schemes_are_compared(run, program, tmp_path):
    code, out, _ = run("tiers", "compare", program, "--before", "quadrant", "--after", "rating", "--csv", tmp_path / "moved.csv")

    assert code == 0
    assert out.startswith("quadrant@1 -> rating@1 in ")
    assert (tmp_path / "moved.csv").read_text().startswith("partner,before,after,change,previous,cause,rank_before")


def test_schemes_with_indicators_of_their_own_are_compared(run, program, tmp_path):
    (tmp_path / "own.yaml").write_text("indicators:\n  big_deals: {from: deals, where: \"status = 'won'\"}\n")
    bands = "{kind: bands, value: big_deals, bands: [{name: Gold, from: 1}, {name: Member}]}"
    (tmp_path / "deals.yaml").write_text(f"scheme: deals\nindicators: own.yaml\nclassify: {bands}\n")

    code, out, err = run("tiers", "compare", program, "--before", "quadrant", "--after", "deals.yaml")

    assert code == 0, err
    assert "Member" in out


def test_the_schema_of_schemes_is_written(run, tmp_path):
    import json

    code, out, _ = run("tiers", "schema", tmp_path / "tier-scheme.json")

    assert code == 0
    assert out.strip() == str(tmp_path / "tier-scheme.json")
    assert "classify" in json.loads((tmp_path / "tier-scheme.json").read_text())["properties"]


def test_an_unknown_partner_is_refused(run, program):
    code, _, err = run("tiers", "explain", program, "NOBODY")

    assert code == 2
    assert "NOBODY" in err


def test_a_check_lists_findings_as_plain_lines(run, program, tmp_path):
    code, out, _ = run("check", program, "--csv", tmp_path / "findings.csv")

    assert code == 0
    assert out.startswith("table\tcolumn\trule\tgrade\trows")
    assert (tmp_path / "findings.csv").is_file()


def test_the_demo_is_written(run, tmp_path, monkeypatch):
    from partnerlab.intake.simulate import Truth

    monkeypatch.setattr("partnerlab.intake.simulate.Truth", lambda: Truth.plain(n_partners=20, n_quarters=6))

    code, out, _ = run("demo", tmp_path / "demo.duckdb")

    assert code == 0
    assert out.strip() == str(tmp_path / "demo.duckdb")


def test_the_demo_replaces_itself_and_nothing_else(run, tmp_path, monkeypatch):
    from partnerlab.intake.simulate import Truth, simulate_program

    small = Truth.plain(n_partners=20, n_quarters=6)
    monkeypatch.setattr("partnerlab.intake.simulate.Truth", lambda: small)
    mine, text = tmp_path / "mine.duckdb", tmp_path / "text.duckdb"
    simulate_program(Truth.plain(n_partners=15, n_quarters=6), seed=1).write(mine)
    text.write_text("my notes")
    before = mine.read_bytes()

    for path in (mine, text, tmp_path):
        code, _, err = run("demo", path)
        assert code == 2
        assert "there is something that is not the demo program; give another path" in err
    assert mine.read_bytes() == before
    assert text.read_text() == "my notes"
    assert run("demo", mine, "--force")[0] == 0
    assert run("demo", mine, "--seed", "8")[0] == 0  # its own file by now


def test_no_reports_yet_is_said_with_what_to_do(run):
    assert "partnerlab report build" in run("report", "list")[1]


def test_help_is_quick():
    import time

    begun = time.process_time()
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", "import partnerlab.cli"], capture_output=True, text=True, check=True)

    assert "pandas" not in done.stderr
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("page", ["next-quarter.md", "scheduled-run.md"])
def test_the_commands_of_the_how_to_pages_can_be_read(page):
    text = (Path(__file__).parent.parent / "docs" / "how-to" / page).read_text(encoding="utf-8")
    lines = re.findall(r"partnerlab ((?:check|report|tiers|demo) [^>|`\n]+)", re.sub(r"^(?! {4}).*$", "", text, flags=re.MULTILINE))

    assert lines
    for line in lines:
        command, words = typer.main.get_command(app), shlex.split(line)
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        command.make_context(line, words)


@pytest.mark.parametrize("named", ["{run}", "{run}/manifest.json", "2026Q3"])
def test_a_run_is_verified_by_quarter_folder_or_manifest(run, tmp_path, monkeypatch, named):
    from partnerlab.report import verification

    folder = tmp_path / "reports" / "demo" / "2026Q3"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"program": "demo", "quarter": "2026Q3", "pages": []}', encoding="utf-8")
    seen = []
    found = verification.Verification(differences=(), reasons=(), files=3)
    monkeypatch.setattr(verification, "check_run", lambda folder, **_: seen.append(Path(folder)) or found)

    code, out, _ = run("report", "verify", named.format(run=folder), "--out", str(tmp_path / "reports"))

    assert (code, seen) == (0, [folder])
    assert "3 files" in out


def test_a_check_of_clean_data_says_that_all_is_well(run, tmp_path):
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / "partners.csv").write_text("partner_id,joined_at\nP1,2025-01-01\nP2,2025-02-01\n", encoding="utf-8")

    code, out, _ = run("check", str(tmp_path / "clean"))

    assert code == 0
    assert out.splitlines()[-1].startswith("1 table, 2 rows: nothing to reject")


def test_two_goals_are_compared_over_past_quarters_with_a_chart(run, program, tmp_path):
    (tmp_path / "goals.yaml").write_text(
        "scheme: goals\ngoal: leads\nscores:\n  points:\n    parts:\n"
        "      - {metric: leads, shape: {ratio: 5}}\n      - {metric: deals_won, shape: {ratio: 2}}\n"
        "    weights_by_goal: {leads: {leads: 1, deals_won: 0}, deals: {leads: 0, deals_won: 1}}\n"
        "classify: {kind: bands, value: points, bands: [{name: A, from: 50}, {name: B}]}\n"
    )
    chart = tmp_path / "moved.svg"

    code, out, err = run("tiers", "compare", program, "--before", "goals.yaml", "--goal", "deals", "--past", 2, "--picture", chart)

    assert code == 0, err
    assert out.startswith("goals@1 (leads) -> goals@1 (deals) in ")
    assert "Over 3 quarters" in out
    assert "stand higher" in chart.read_text()
