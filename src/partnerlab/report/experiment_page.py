"""The page of one experiment without a program: from an assignment, or any table of a trial, to one self-contained file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from partnerlab.experiments import RepeatedEffect
from partnerlab.report.archive import describe_code
from partnerlab.report.attempts import Unavailable, attempt
from partnerlab.report.experiment_words import say_declared, say_no_looks, tabulate_checks
from partnerlab.report.experiments import Case, analyze_case, analyze_case_by_tier, check_case, estimate_case_looks, plot_case
from partnerlab.report.html import Frame, render_page
from partnerlab.report.page import keep_pieces, render_figure, render_note, render_reading, render_table


def render_experiment(case: Case, *, path: str | Path, reading: Any = None, seed: int = 0, program: str = "") -> Path:
    """Write the page of an experiment: what was declared, whether it ran as planned, what it did, for whom, and the looks.

    Parameters
    ----------
    case : Case
        From `partnerlab.report.build_case`, or from a program by `partnerlab.report.load_case`.
    path : str or Path
        HTML file to write.
    reading : ExperimentReading, optional
        The reading, where it was made already.
    seed : int
        Of the test by dealing again.
    program : str
        Whose experiment it is, for the head of the page.

    Returns
    -------
    Path
        Of the file.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import partnerlab as lab
    >>> from partnerlab import report
    >>> call = lab.Experiment(name="call", hypothesis="It helps.", tactic="A call", stakes=lab.Stakes(unit="leads", per="partner"),
    ...                       metrics=(lab.Metric(name="leads"),))
    >>> table = pd.DataFrame({"partner": range(40), "variant": ["control", "treatment"] * 20, "leads": [1, 2, 3, 5] * 10})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = report.render_experiment(report.build_case(table, experiment=call), path=folder + "/call.html").read_text()
    >>> "A call caused 1.5" in page
    True
    """
    import nbformat

    read = reading if reading is not None else attempt(analyze_case, case, seed=seed)
    cells = [nbformat.v4.new_markdown_cell(f"# What did {case.experiment.name} find?")]
    for heading, show in _sections(case, read, seed).items():
        with keep_pieces() as kept:
            show()
        outputs = [nbformat.v4.new_output("display_data", data=bundle) for bundle in kept]
        cells += [nbformat.v4.new_markdown_cell(f"## {heading}"), nbformat.v4.new_code_cell("", outputs=outputs)]
    frame = Frame(
        program=program or case.experiment.tactic, quarter=case.period, segment="all who were dealt", provenance=_provenance(case, seed)
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(render_page(nbformat.v4.new_notebook(cells=cells), frame=frame), encoding="utf-8", newline="\n")
    return target


def render_retested(retested: tuple[RepeatedEffect, ...] | Unavailable, *, quiet: bool = False) -> None:
    """Show what the tests of each tactic say together, in words and drawn; that there is none unless ``quiet``.

    Examples
    --------
    >>> from partnerlab.report import Unavailable
    >>> render_retested(Unavailable(what="estimate_retested", reason="no tactic was soundly tested twice"), quiet=True)
    """
    if isinstance(retested, Unavailable):
        if not quiet:
            render_reading(retested, name="retested-in-words")
        return
    for place, pooled in enumerate(retested, start=1):
        render_reading(pooled, name=f"retested-in-words-{place}")
        render_figure(pooled, name=f"retested-{place}", quiet=True)


def _sections(case: Case, reading: Any, seed: int) -> Mapping[str, Callable[[], None]]:
    def picture(view: str, **more: Any) -> None:
        render_figure(attempt(plot_case, case, view=view, reading=reading, **more), name=f"{view}-figure", quiet=True)

    def declared() -> None:
        render_note(*say_declared(case), name="declared")
        render_figure(attempt(plot_case, case, view="schedule"), name="schedule", quiet=True)

    def ran() -> None:
        # the reading's own checks are those of its look
        checks = reading if reading else attempt(check_case, case)
        render_table(attempt(tabulate_checks, checks), caption="What was checked before anything was read", name="checks")
        picture("arms")
        picture("balance")

    def did() -> None:
        render_reading(reading, name="verdict")
        picture("effects")
        render_table(
            reading,
            caption="Effects: means as counted, differences adjusted as declared",
            name="effects",
            quiet=True,
        )
        picture("tiers")

    def whom() -> None:
        found = attempt(analyze_case_by_tier, case, seed=seed)
        render_reading(found, name="by-tier-in-words")
        render_figure(attempt(plot_case, case, view="groups", reading=found), name="by-tier", quiet=True)

    def looked() -> None:
        looks = attempt(estimate_case_looks, case)
        if not looks:
            render_note(*say_no_looks(looks, reading=reading), name="looks-in-words")
            return
        render_reading(looks, name="looks-in-words")
        picture("looks", looks=looks)

    return {
        "What was declared?": declared,
        "Did it run as planned?": ran,
        "What did it do?": did,
        "For whom did it work?": whom,
        "What would peeking have done?": looked,
    }


def _provenance(case: Case, seed: int) -> dict[str, str]:
    code = describe_code()
    found = {"Declaration": f"digest {case.experiment.digest[:16]}"}
    if case.assignment is not None:
        found["Deal"] = f"digest {case.assignment.digest[:16]}, seed {case.assignment.seed}"
    packages = [f"Python {code['python']}", *(f"{name} {number}" for name, number in code["versions"].items())]
    return found | {"Seed of dealing again": str(seed), "Packages": ", ".join(packages)}
