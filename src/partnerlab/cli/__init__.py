"""The command line: ``partnerlab demo | check | report | tiers | experiment``. Exit codes: 0 ok, 1 some report failed, 2 bad input."""

from __future__ import annotations

import functools
import operator
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from partnerlab.cli.experiments import app as experiments_app
from partnerlab.cli.printing import print_table, say, watching, working, write_csv
from partnerlab.errors import PartnerlabError

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.report.asked import Request
    from partnerlab.tiers import TierScheme

app = typer.Typer(
    name="partnerlab",
    help="Honest statistics for channel partners: data check, tiers, quarterly report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
report_app = typer.Typer(help="Make, list, open and verify quarterly reports.", no_args_is_help=True)
tiers_app = typer.Typer(help="Assign and explain tiers; check, compare and write tier schemes.", no_args_is_help=True)
app.add_typer(report_app, name="report")
app.add_typer(tiers_app, name="tiers")
app.add_typer(experiments_app, name="experiment")

DEMO = "duckdb:///data/demo.duckdb"
LEDGER = "data/ledger/ledger.duckdb"

Source = Annotated[
    str,
    typer.Argument(
        help="A DuckDB file, a folder of Parquet or CSV files, a mapping file (.yaml), or postgresql://... .", show_default=False
    ),
]
Quarter = Annotated[str, typer.Option(help="Quarter, such as 2026Q3. Default: the last that the data cover in full.", show_default=False)]
First = Annotated[str, typer.Option(help="First quarter of the history. Default: the first in the data.", show_default=False)]
Scheme = Annotated[str, typer.Option(help="Tier scheme: quadrant, rating, recorded, or the path of a YAML file.")]
Indicators = Annotated[str, typer.Option(help="Indicators: path of a YAML file. Default: those of the scheme.", show_default=False)]
AsOf = Annotated[str, typer.Option("--as-of", help="Use only what was known on this date, such as 2026-07-01.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder of all reports.")]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Reports made at a time; each needs about one core and 300 MB.")]
Ledger = Annotated[str, typer.Option(help="Ledger of what was published. 'none' keeps no ledger.")]


def main(argv: list[str] | None = None) -> None:
    """Run the command line; a mistake is one line on stderr and exit code 2."""
    try:
        code = app(args=argv, prog_name="partnerlab", standalone_mode=False)
    except PartnerlabError as error:
        _fail(str(error))
    except OSError as error:  # a folder in the place of a file, a disk that is full
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped; what was there before is untouched", code=130)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _fail(error.format_message())
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, *, code: int = 2) -> None:
    sys.stderr.write(f"partnerlab: {' '.join(message.split())}\n")
    sys.exit(code)


@app.callback(invoke_without_command=True)
def _root(ctx: typer.Context, version: Annotated[bool, typer.Option("--version", help="Say the version and stop.")] = False) -> None:
    """Honest statistics for channel partners: data check, tiers, quarterly report."""
    if version:
        from partnerlab import __version__

        say(f"partnerlab {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())


@app.command()
def demo(
    path: Annotated[Path, typer.Argument(help="DuckDB file to write.")] = Path("data/demo.duckdb"),
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 7,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is something else than the demo program.")] = False,
    ledger: Annotated[str, typer.Option(help="Ledger to remember its experiment in. 'none' keeps no record.")] = LEDGER,
) -> None:
    """Write the demo program: simulated partners, leads, deals, tiers and tactics whose true effects are known, and one experiment."""
    from partnerlab.report.demo import write_demo

    with working(f"Simulating the demo program into {path}"):
        written = write_demo(path, ledger="" if ledger == "none" else ledger, seed=seed, force=force)
    say(f"{written}")


@app.command()
def check(
    source: Source = DEMO,
    as_of: AsOf = "",
    csv: Annotated[Path | None, typer.Option(help="Write the findings as CSV.", show_default=False)] = None,
) -> None:
    """Check data against the contract: what is rejected, set aside or worth a warning, and what was done about it."""
    from partnerlab.intake import connect, validate
    from partnerlab.intake.moments import read_as_of
    from partnerlab.report.sources import locate_source

    with connect(locate_source(source)) as opened:
        with working(f"Checking {opened.url}"):
            quality = validate(opened, as_of=read_as_of(as_of or None, opened.program.calendar))
        findings = quality.table
        if len(findings):
            print_table(
                findings,
                title=f"Data quality of {opened.program.name}",
                columns=("table", "column", "rule", "grade", "rows", "share", "action", "examples"),
            )
        else:
            say("No rule of the contract is broken.")
        say(quality.summary())
        if csv is not None:
            write_csv(findings, csv)
        quality.raise_if_rejected()


@report_app.command("build")
def report_build(  # noqa: PLR0913, PLR0917 - one argument for each option
    source: Annotated[str, typer.Option(help="A DuckDB file, a folder, a mapping file (.yaml), or postgresql://... .")] = DEMO,
    quarter: Quarter = "",
    region: Annotated[str, typer.Option(help="Only partners of this region.", show_default=False)] = "",
    segment: Annotated[
        str, typer.Option(help="Only partners with attribute=value, such as partner_type=reseller.", show_default=False)
    ] = "",
    by: Annotated[str, typer.Option(help="Attribute of partners: one more report for each of its values.", show_default=False)] = "",
    jobs: Jobs = 2,
    scheme: Scheme = "quadrant",
    indicators: Indicators = "",
    first: First = "",
    as_of: AsOf = "",
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = 7,
    notebooks: Annotated[
        list[str] | None, typer.Option(help="Notebooks by number, name or path, several with commas. Default: all.", show_default=False)
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="Further notebook parameter, name=value; repeat for several.", show_default=False)
    ] = None,
    ledger: Ledger = LEDGER,
    out: Out = Path("reports"),
) -> None:
    """Make the reports of a quarter: the program, each segment, and one page for each question on the road."""
    from partnerlab.report.runner import Order, render_reports

    order = Order(
        source=source,
        quarter=quarter,
        first=first,
        region=region,
        segment=segment,
        scheme=scheme,
        indicators=indicators,
        as_of=as_of,
        seed=seed,
        ledger="" if ledger == "none" else ledger,
        by=by,
        notebooks=tuple(name.strip() for names in notebooks or () for name in names.split(",") if name.strip()),
        extra=_pairs(parameter or []),
        out=out,
        jobs=jobs,
    )
    with watching() as watch:
        run = render_reports(order, watch=watch)
    for outcome in run.failed:
        sys.stderr.write(f"partnerlab: {outcome.page.title}: incomplete: {outcome.error}\n")
    say(str(run.index))
    if run.failed:
        raise typer.Exit(code=1)


@report_app.command("list")
def report_list(out: Out = Path("reports")) -> None:
    """List the runs there are."""
    import pandas as pd

    from partnerlab.report.archive import list_runs

    runs = list_runs(out)
    rows = [
        {
            "program": run["program"],
            "quarter": run["quarter"],
            "reports": len(run["pages"]),
            "incomplete": sum(page["state"] == "failed" for page in run["pages"]),
            "rendered": run["rendered_at"],
            "index": str(Path(run["folder"]) / "index.html"),
        }
        for run in runs
    ]
    if not rows:
        say(f"No reports in {out} yet; make some with: partnerlab report build")
        return
    print_table(pd.DataFrame(rows), title="Reports")


Program = Annotated[str, typer.Option(help="Program, where the folder holds several.", show_default=False)]


@report_app.command("open")
def report_open(
    quarter: Annotated[str, typer.Argument(help="Quarter. Default: the latest.", show_default=False)] = "",
    program: Program = "",
    out: Out = Path("reports"),
) -> None:
    """Open the reports of a quarter in the browser, and print where they lie."""
    import webbrowser

    from partnerlab.report.archive import find_run

    index = Path(find_run(out, quarter=quarter, program=program)["folder"]) / "index.html"
    say(str(index))
    if sys.stdout.isatty():
        webbrowser.open(index.as_uri())


@report_app.command("verify")
def report_verify(
    quarter: Annotated[str, typer.Argument(help="Quarter, or a run's folder or manifest. Default: the latest.", show_default=False)] = "",
    program: Program = "",
    source: Annotated[str, typer.Option(help="Where the data are now. Default: where they were.", show_default=False)] = "",
    jobs: Jobs = 2,
    out: Out = Path("reports"),
) -> None:
    """Make the reports of a quarter again, aside, and compare every figure, table and drawing."""
    from partnerlab.report.archive import find_run
    from partnerlab.report.verification import check_run

    folder = find_run(out, quarter=quarter, program=program)["folder"]
    with watching() as watch:
        found = check_run(folder, source=source, jobs=jobs, watch=watch)
    for line in found.differences:
        say(line)
    if found.same:
        say(f"{found.files} files of {folder} came out the same.")
        return
    say(
        f"{len(found.differences)} of {found.files} files differ. "
        + ("; ".join(found.reasons) or "Data, scheme, code and packages are as they were.")
    )
    raise typer.Exit(code=1)


@tiers_app.command("assign")
def tiers_assign(
    source: Source = DEMO,
    quarter: Quarter = "",
    first: First = "",
    scheme: Scheme = "quadrant",
    indicators: Indicators = "",
    as_of: AsOf = "",
    csv: Annotated[Path | None, typer.Option(help="Write one row for each partner as CSV.", show_default=False)] = None,
) -> None:
    """Assign tiers for a quarter: how many partners stand where, and, as CSV, who."""
    request = _request(source=source, quarter=quarter, first=first, scheme=scheme, indicators=indicators, as_of=as_of)
    history = _history(request)
    counts = history.counts()
    print_table(
        counts[counts["quarter"] == request.quarter],
        title=f"{request.program}, {request.quarter}, {request.scheme.name_version}",
        columns=("tier", "partners"),
    )
    if csv is not None:
        frame = history.to_frame()
        write_csv(frame[frame["quarter"] == request.quarter], csv)


@tiers_app.command("explain")
def tiers_explain(
    source: Source,
    partner: Annotated[str, typer.Argument(help="Partner's id.", show_default=False)],
    quarter: Quarter = "",
    first: First = "",
    scheme: Scheme = "quadrant",
    indicators: Indicators = "",
    as_of: AsOf = "",
) -> None:
    """Explain one partner's tier: each condition with its value, its line and the gap, and what could lose the tier."""
    from partnerlab.tiers import explain_tier

    request = _request(source=source, quarter=quarter, first=first, scheme=scheme, indicators=indicators, as_of=as_of)
    explained = explain_tier(_history(request), partner=partner, quarter=request.quarter, source=request.source)
    say(explained.summary())
    columns = ("tier", "condition", "opens", "value", "line", "gap", "status", "earliest", "source", "latest", "trust", "changeable")
    print_table(explained.table, title=f"{partner}, {request.quarter}, {request.scheme.name_version}", columns=columns)


@tiers_app.command("lint")
def tiers_lint(
    scheme: Annotated[str, typer.Argument(help="A scheme's YAML file, or the name of one that ships.", show_default=False)],
    source: Annotated[str, typer.Argument(help="Data to try it on as well. Default: the scheme alone.", show_default=False)] = "",
    quarter: Quarter = "",
    first: First = "",
    indicators: Indicators = "",
    as_of: AsOf = "",
    csv: Annotated[Path | None, typer.Option(help="Write the findings as CSV.", show_default=False)] = None,
) -> None:
    """Look for gaps, contradictions and unexplained words in a tier scheme; exit code 1 if something has to be mended."""
    from datetime import UTC, datetime

    from partnerlab.report.request import load_scheme
    from partnerlab.tiers import lint_scheme

    rules, panel, day = load_scheme(scheme), None, datetime.now(UTC).date()
    if source:
        request = _request(source=source, quarter=quarter, first=first, scheme=scheme, indicators=indicators, as_of=as_of)
        panel, day = _panel(request), request.as_of.date() if request.as_of else day
    found = lint_scheme(rules, on=day, panel=panel)
    if found.empty:
        say(f"Nothing to mend in {rules.name_version}.")
        return
    print_table(found, title=f"Findings about {rules.name_version}")
    if csv is not None:
        write_csv(found, csv)
    if (found["grade"] == "error").any():
        raise typer.Exit(code=1)


@tiers_app.command("compare")
def tiers_compare(  # noqa: PLR0913, PLR0917 - one argument for each option
    source: Source,
    before: Annotated[str, typer.Option(help="Scheme to compare with: a shipped name, or a YAML file.", show_default=False)],
    after: Annotated[str, typer.Option(help="Scheme that would take its place. Default: the same, under --goal.", show_default=False)] = "",
    goal: Annotated[str, typer.Option(help="Goal that picks the weights of the second scheme.", show_default=False)] = "",
    quarter: Quarter = "",
    first: First = "",
    past: Annotated[int, typer.Option(min=0, help="Past quarters that are compared as well.")] = 0,
    indicators: Indicators = "",
    as_of: AsOf = "",
    csv: Annotated[Path | None, typer.Option(help="Write one row for each partner as CSV.", show_default=False)] = None,
    picture: Annotated[Path | None, typer.Option(help="Write the chart of changed places as SVG.", show_default=False)] = None,
) -> None:
    """Compare two tier schemes, or two goals of one, on the same data: who would win, who would lose, only because the rule is another."""
    from partnerlab.report.request import load_scheme
    from partnerlab.tiers import compare_schemes

    request = _request(source=source, quarter=quarter, first=first, scheme=before, indicators=indicators, as_of=as_of)
    other = load_scheme(after) if after else request.scheme
    panel = _panel(request, other)
    since = panel.labels[max(panel.column(request.quarter) - past, 0)] if past else None
    compared = compare_schemes(panel, before=request.scheme, after=other, goal=goal, quarter=request.quarter, first=since)
    say(compared.summary())
    heads = dict(zip(("before", "after"), (f"under {name}" for name in compared.names), strict=True))
    counts = compared.table.groupby(["before", "after", "change"], sort=False).size().rename("partners").reset_index()
    print_table(counts.sort_values("partners", ascending=False).rename(columns=heads), title=f"{request.program}, {request.quarter}")
    if past:
        shares = compared.shares.pivot(index="quarter", columns="change", values="partners").reset_index()
        print_table(shares[["quarter", "up", "down", "sideways", "same", "unknown"]], title="Members by quarter")
    if csv is not None:
        write_csv(compared.table, csv)
    if picture is not None:
        from partnerlab.show import plot

        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(plot(compared).svg(framed=True), encoding="utf-8")
        say(str(picture))


@tiers_app.command("schema")
def tiers_schema(
    path: Annotated[Path | None, typer.Argument(help="File to write. Default: the screen.", show_default=False)] = None,
) -> None:
    """Write the JSON Schema of tier schemes, with which an editor completes and checks their YAML."""
    from partnerlab.tiers import render_scheme_schema

    text = render_scheme_schema()
    if path is None:
        say(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")
    say(str(path))


def _panel(request: Request, *others: TierScheme) -> Panel:
    """Build the panel of a request, with the indicators that other schemes bring along."""
    from partnerlab.panel import build_panel
    from partnerlab.report.request import load_indicators

    schemes = (request.scheme, *others)
    files = dict.fromkeys(scheme.indicators for scheme in schemes if scheme.indicators != "standard")
    wanted = request.indicators
    if others and files:  # only what they ask for: tables that neither needs may be absent
        needs = {name for scheme in schemes for name in (*scheme.needs(), *scheme.needs_beside())}
        named = [load_indicators(name) for name in ("standard", *files)] + [request.indicators]
        merged = functools.reduce(operator.or_, [found for found in named if found is not None])
        wanted = merged.only(name for name in merged.names if name in needs)
    with working("Building the panel"):
        unit = next((scheme.unit_column for scheme in schemes if scheme.unit_column), None)
        return build_panel(request.source, first=request.first, last=request.quarter, indicators=wanted, as_of=request.as_of, unit=unit)


def _request(**asked: str) -> Request:
    from partnerlab.report.request import open_request

    return open_request(**asked)


def _history(request: Request) -> Any:
    from partnerlab.report.publication import walk

    with working("Building the panel and assigning tiers"):
        return walk(request).history


def _pairs(texts: list[str]) -> dict[str, str]:
    """Read ``name=value`` texts; values stay text until the notebook's types read them."""
    from partnerlab.errors import ParameterError

    pairs = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise ParameterError(f"--parameter {text!r} is not of the form name=value")
        pairs[name.strip()] = value
    return pairs
