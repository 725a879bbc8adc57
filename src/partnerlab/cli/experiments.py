"""The command line's experiments: ``partnerlab experiment design | assign | analyze | list``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partnerlab.cli.printing import print_table, say, write_csv
from partnerlab.errors import ParameterError, nearest
from partnerlab.periods import Calendar
from partnerlab.words import plural

if TYPE_CHECKING:
    import pandas as pd

    from partnerlab.experiments import Assignment, Experiment, ExperimentDesign
    from partnerlab.report import Case

app = typer.Typer(help="Design, deal, read and list experiments.", no_args_is_help=True)

Declaration = Annotated[Path, typer.Argument(help="The experiment's YAML file.", show_default=False)]
Dealt = Annotated[
    Path,
    typer.Argument(
        help="The file that `experiment assign` wrote; or the declaration (YAML) of a trial that was dealt elsewhere.", show_default=False
    ),
]
#: Endings of files that declare an experiment.
DECLARED = (".yaml", ".yml")
#: What running each size brings and costs, in money.
WORTH = ("gain", "cost", "net_gain")
Ledger = Annotated[str, typer.Option(help="Ledger to register in or read. 'none' keeps no record.")]
Program = Annotated[str, typer.Option(help="Program whose experiment it is.", show_default=False)]


@app.command("design")
def design(  # noqa: PLR0913, PLR0917 - one argument for each option
    declaration: Declaration,
    outlooks: Annotated[Path, typer.Argument(help="YAML: for each metric its level, sd, shares, icc, kept, known.", show_default=False)],
    units: Annotated[list[int], typer.Option(help="Units of all variants together; may be given several times.", show_default=False)],
    quarters: Annotated[
        list[int] | None, typer.Option(help="How long it may run; may be given several times. Default: as declared.", show_default=False)
    ] = None,
    clusters: Annotated[list[int] | None, typer.Option(help="Clusters, where they are dealt.", show_default=False)] = None,
    size_cv: Annotated[float, typer.Option(min=0, help="Coefficient of variation of the clusters' sizes.")] = 0.0,
    plan: Annotated[
        list[str] | None,
        typer.Option(help="parallel, stepped wedge or crossover; may be given several times. Default: as declared.", show_default=False),
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(
            help="YAML: mean and sd believed of the effect, rows decided about, perhaps fixed_cost; adds what each size is worth.",
            show_default=False,
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table as CSV.", show_default=False)] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw sizes against smallest effects into an SVG file.", show_default=False)] = None,
    worth: Annotated[Path | None, typer.Option(help="Draw sizes against gain and cost into an SVG file.", show_default=False)] = None,
) -> None:
    """Say the smallest effect that each size of the experiment would find, and what running it is worth."""
    from partnerlab.experiments import Experiment, Outlook, Prior, design_experiment
    from partnerlab.specs import read_spec_file

    document = read_spec_file(outlooks)
    if not isinstance(document.data, dict) or not all(isinstance(value, dict) for value in document.data.values()):
        raise ParameterError(f"{outlooks}: give the keys of each metric under its name, such as 'leads: {{sd: 2.5}}'")
    experiment = Experiment.load(declaration)
    designed = design_experiment(
        experiment,
        outlooks={name: Outlook(**keys) for name, keys in document.data.items()},
        units=units,
        quarters=quarters or None,
        clusters=clusters or None,
        size_cv=size_cv,
        plans=plan or None,
        prior=None if prior is None else Prior.load(prior),
    )
    asked = {path: view for view, path in (("power", picture), ("worth", worth)) if path is not None}
    drawn = {path: _draw(designed, experiment, view) for path, view in asked.items()}
    # whole money
    worths = {name: designed.table[name].round().astype("Int64").astype(object).where(designed.table[name].notna(), None) for name in WORTH}
    shown = designed.table.rename(columns={"estimate": "smallest_effect"}).assign(**worths)
    columns = ("metric", *(["plan"] if plan else []), "units", "clusters", "quarters", "smallest_effect", "power_material", *WORTH)
    print_table(shown.dropna(axis=1, how="all"), title=designed.estimand, columns=columns)
    for check in designed.checks:
        say(f"{check.name}: {check.detail}")
    if csv is not None:
        write_csv(designed.table, csv)
    for path, svg in drawn.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(svg, encoding="utf-8")
        say(str(path))


def _draw(designed: ExperimentDesign, experiment: Experiment, view: str) -> str:
    from partnerlab.show import plot

    return plot(designed, experiment=experiment, view=view).svg(framed=True)


@app.command("assign")
def assign(
    declaration: Declaration,
    units: Annotated[Path, typer.Argument(help="CSV with a row for each unit: cluster, strata, what is known before.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Assignment file to write.", show_default=False)],
    seed: Annotated[int, typer.Option(help="The same seed and units give the same assignment.", show_default=False)],
    program: Program = "",
    ledger: Ledger = "none",
) -> None:
    """Deal the variants, write the assignment, and register the experiment."""
    from partnerlab.experiments import Experiment, assign_variants, record_experiment

    experiment = Experiment.load(declaration)
    dealt = assign_variants(experiment, units=_read_csv(units, text=_names_in(experiment)), seed=seed)
    if ledger == "none":
        dealt.write(out)
    else:
        record_experiment(_open(ledger, program), dealt, program=program, path=out)
    say(experiment.page)
    counts = dealt.table.groupby("variant", as_index=False).size().rename(columns={"size": "units"})
    print_table(counts, title=experiment.name)
    say(f"{out} {dealt.digest[:16]}")


@app.command("analyze")
def analyze(  # noqa: PLR0913, PLR0917 - one argument for each option
    assignment: Dealt,
    outcomes: Annotated[Path, typer.Argument(help="CSV of outcomes: a row for each unit; of a schedule, and quarter.", show_default=False)],
    variant: Annotated[str, typer.Option(help="Column of the variant, where the trial was dealt elsewhere.")] = "variant",
    received: Annotated[str, typer.Option(help="Column with 1 where the unit had what it was offered.", show_default=False)] = "",
    look: Annotated[int | None, typer.Option(help="Which of the declared looks this is. Default: the last.", show_default=False)] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table as CSV.", show_default=False)] = None,
    page: Annotated[Path | None, typer.Option(help="Write the whole reading as a page (HTML).", show_default=False)] = None,
    quarter: Annotated[str, typer.Option(help="Quarter in which it is read, for the ledger.", show_default=False)] = "",
    program: Program = "",
    ledger: Ledger = "none",
) -> None:
    """Read the experiment as it was dealt: checks, effects, verdicts. Exit code 1 if a check stops it."""
    from partnerlab.experiments import analyze_by_tier, analyze_experiment, record_experiment

    if assignment.suffix in DECLARED and ledger != "none":
        raise ParameterError(f"{assignment}: the ledger keeps what `experiment assign` dealt; read another trial without --ledger")
    book = _book_of(ledger, program, quarter)
    dealt, case = _read_case(assignment, outcomes, variant=variant, received=received, quarter=quarter, look=look)
    trial = case.trial
    reading = analyze_experiment(trial, experiment=case.experiment, assignment=dealt, look=look)
    if book is not None:
        record_experiment(book, dealt, program=program, reading=reading, quarter=quarter)
    marks = {True: "passed", False: "FAILED", None: "note"}
    for check in reading.checks:
        say(f"{check.name}: {marks[check.passed]}. {check.detail}")
    columns = ("metric", "variant", "effect", "estimate", "conf_low", "conf_high", "n", "p_adjusted", "p_redrawn", "claim")
    print_table(reading.table, title=reading.estimand, columns=columns)
    for verdict in reading.verdicts:
        say(f"{verdict.earned.value}: {verdict.statement}")
    if trial.group is not None and not reading.stopped and case.interim:
        say("Tiers are read at the last look: no boundary allows for looking at each of them before.")
    elif trial.group is not None and not reading.stopped:
        by = analyze_by_tier(trial, experiment=case.experiment, assignment=dealt)
        print_table(by.table, title=by.estimand, columns=("variant", "tier", "estimate", "conf_low", "conf_high", "n", "raw", "best"))
    if csv is not None:
        write_csv(reading.table, csv)
    if page is not None:
        from partnerlab.report import render_experiment

        say(str(render_experiment(case, path=page, reading=reading, program=program)))
    if reading.stopped:
        raise typer.Exit(1)


@app.command("list")
def list_experiments(
    ledger: Annotated[str, typer.Argument(help="Ledger.", show_default=False)],
    program: Annotated[str, typer.Argument(help="Program.", show_default=False)],
) -> None:
    """List the registered experiments with what was found and decided."""
    from partnerlab.experiments import load_registry

    found = load_registry(_open(ledger, program, begun=True), program=program)
    if found.empty:
        say(f"{ledger}: no experiment or study of {program} is registered")
        return
    columns = ("name", "kind", "state", "tactic", "outcome", "units", "grade", "statement", "decision", "happened")
    print_table(found, title=f"Experiments and studies of {program}", columns=columns)


def _read_case(
    path: Path, outcomes: Path, *, variant: str, received: str, quarter: str, look: int | None
) -> tuple[Assignment | None, Case]:
    """Read outcomes by the assignment; of a trial dealt elsewhere by its declaration and the column of the variant."""
    from partnerlab.experiments import Assignment, Experiment
    from partnerlab.report import build_case

    dealt = None if path.suffix in DECLARED else Assignment.load(path)
    experiment = Experiment.load(path) if dealt is None else dealt.experiment
    frame = _read_csv(outcomes, text=[*_names_in(experiment), *([variant] if dealt is None else [])])
    unit = experiment.unit if dealt is not None or experiment.unit in frame else None
    meant = nearest(experiment.unit, frame.columns)
    if unit is None and "did you mean" in meant:
        raise ParameterError(f"{outcomes}: no column {experiment.unit!r}{meant}")
    if unit is None:
        say(f"units: note. {outcomes.name} has no column {experiment.unit!r}, so each row is one {experiment.unit}")
    labelled = frame if dealt is None else dealt.label(frame)
    if len(labelled) < len(frame):
        gone = plural(len(frame) - len(labelled), "row")
        say(f"units: note. {gone} of {outcomes.name} left out, whose {experiment.unit} was dealt no variant")
    case = build_case(
        labelled, experiment=experiment, assignment=dealt, period=quarter, unit=unit,
        declared=path.name if dealt is None else "the assignment's file", variant=variant if dealt is None else "variant",
        received=received or None, look=look,
    )  # fmt: skip
    return dealt, case


def _book_of(ledger: str, program: str, quarter: str):
    """Open the ledger that a reading goes to, if any; its quarter is one of either calendar."""
    if quarter:
        Calendar(start_month=4 if quarter.startswith("FY") else 1).parse(quarter)
    return None if ledger == "none" else _open(ledger, program, begun=True)


def _names_in(experiment: Experiment) -> list[str]:
    """Columns that hold names: units, clusters, strata, groups, tiers."""
    between = experiment.spillover.between if experiment.spillover else None
    tiers = [name for metric in experiment.metrics if metric.kind == "tier" for name in (metric.name, metric.before)]
    return [name for name in (experiment.unit, experiment.cluster, *experiment.strata, experiment.by, between, *tiers) if name]


def _open(ledger: str, program: str, *, begun: bool = False):
    from partnerlab.ledger import Ledger as Book

    if not program:
        raise ParameterError("experiment: a record needs the program's name; give --program")
    if begun and not Path(ledger).is_file():
        raise ParameterError(f"{ledger}: no such file; give the ledger that experiments were registered in")
    return Book.open(ledger)


def _read_csv(path: Path, *, text: list[str]) -> pd.DataFrame:
    """Read a table; names are text, so that 007 stays 007, and NA is a region and not an empty cell; 1.0 of a column of numbers is 1."""
    import pandas as pd

    if not path.is_file():
        raise ParameterError(f"{path}: no such file; give a CSV file")
    try:
        found = pd.read_csv(path, encoding="utf-8-sig")
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, encoding="utf-8-sig").iloc[0]
        names = [name for name in dict.fromkeys(text) if name in found]
        as_text = pd.read_csv(path, usecols=names, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read as CSV ({str(error).splitlines()[0]}); save it as CSV with UTF-8 encoding") from error
    twice = header[header.duplicated() & header.notna()]
    if len(twice):
        raise ParameterError(f"{path}: several columns are called {twice.iloc[0]!r}; give each its own name")
    numbers = {name: as_text[name].str.removesuffix(".0") for name in names if found[name].dtype.kind == "f"}
    return found.assign(**as_text.assign(**numbers))
