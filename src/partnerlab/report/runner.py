"""One run: check, execute, render, put in place, publish. Only this process writes; kernels read."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from partnerlab.errors import ParameterError, PartnerlabError
from partnerlab.report import archive, publication
from partnerlab.report.asked import Request, segment_values
from partnerlab.report.changes import compare_pages
from partnerlab.report.demo import DEMO_SEED, remember_demo
from partnerlab.report.execution import Outcome, Page, Watcher, execute_pages
from partnerlab.report.html import Frame, render_index, render_page
from partnerlab.report.pieces import answer_of
from partnerlab.report.plan import QUESTIONS, REVIEW, Template, find_notebooks, load_template, parse_extra, plan_pages
from partnerlab.report.request import open_request, parameters_of
from partnerlab.report.sources import DEMO, locate_source

#: What a request is asked, beside its source.
_ASKED = ("quarter", "first", "region", "segment", "scheme", "indicators", "as_of", "seed", "ledger")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """What a run is to make.

    Parameters
    ----------
    source, quarter, first, region, segment, scheme, indicators, as_of, seed, ledger
        As in `partnerlab.report.load_request`.
    by : str
        Attribute of partners whose every value gets a review of its own; empty for none.
    notebooks : tuple of str
        Names or paths; empty for all that ship.
    extra : mapping of str to str
        Further parameters of the notebooks, as typed by a person.
    out : Path
        Folder of all reports.
    jobs : int
        Kernels at a time.
    """

    source: str = DEMO
    quarter: str = ""
    first: str = ""
    region: str = ""
    segment: str = ""
    scheme: str = "quadrant"
    indicators: str = ""
    as_of: str = ""
    seed: int = DEMO_SEED
    ledger: str = ""
    by: str = ""
    notebooks: tuple[str, ...] = ()
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)
    out: str | Path = "reports"
    jobs: int = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What a run made.

    Parameters
    ----------
    folder : Path
        Where it lies.
    outcomes : tuple of Outcome
        In the order of the index.
    manifest : mapping
        What ``manifest.json`` says.
    """

    folder: Path
    outcomes: tuple[Outcome, ...] = dataclasses.field(repr=False)
    manifest: Mapping[str, Any] = dataclasses.field(repr=False)

    @property
    def index(self) -> Path:
        """Front page."""
        return self.folder / "index.html"

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Pages that could not be finished."""
        return tuple(outcome for outcome in self.outcomes if outcome.error)


def render_reports(order: Order, *, watch: Watcher | None = None) -> Run:
    """Render the program, every segment and every question of a quarter.

    Parameters
    ----------
    order : Order
        What to make.
    watch : callable, optional
        Told of every start and end (see `partnerlab.report.execution.Progress`).

    Returns
    -------
    Run
        Also when some pages failed: those say so themselves.

    Raises
    ------
    PartnerlabError
        Before any kernel starts, if something that was asked does not exist.
    """
    templates = [load_template(path) for path in find_notebooks(order.notebooks)]
    order, extra = settle_order(order, parse_extra(templates, order.extra))
    source = locate_source(order.source, ledger=order.ledger)
    if order.ledger:
        remember_demo(source, ledger=order.ledger)
    request = open_request(source=source, **{name: getattr(order, name) for name in _ASKED})
    publication.import_decisions(request, run_id=f"before {archive.now()}")
    road = publication.walk(request)
    values = segment_values(road.panel.attributes, order.by) if order.by else []
    common = {**parameters_of(request, source=source, scheme=order.scheme, indicators=order.indicators), **extra}
    with tempfile.TemporaryDirectory(prefix="partnerlab-") as aside:
        snapshot = publication.snapshot(request, Path(aside))
        pages = plan_pages(templates, parameters={**common, "ledger": snapshot}, by=order.by, values=values, segment=request.segment)
        run = _render(order, pages, templates=templates, request=request, road=road, common=common, watch=watch)
    publication.publish(request, road, run.outcomes, run_id=run.manifest["run"])
    return run


def settle_order(order: Order, extra: Mapping[str, Any]) -> tuple[Order, dict[str, Any]]:
    """Move what a person gave as a notebook parameter, and the order itself names, to where it is checked against the data.

    Raises
    ------
    ParameterError
        If one region and every region are asked for at once.

    Examples
    --------
    >>> order, extra = settle_order(Order(), {"region": "NO", "deep": True})
    >>> order.region, extra
    ('NO', {'deep': True})
    """
    known = {name: value for name, value in extra.items() if name in _ASKED}
    order = dataclasses.replace(order, **known)
    if order.by and (order.region or order.segment):
        raise ParameterError(f"give one segment ({order.region or order.segment}) or --by {order.by} for all of them, not both")
    return order, {name: value for name, value in extra.items() if name not in known}


def _render(
    order: Order,
    pages: Sequence[Page],
    *,
    templates: Sequence[Template],
    request: Request,
    road: publication.Road,
    common: Mapping[str, Any],
    watch: Watcher | None,
) -> Run:
    """Execute and render all pages into a folder aside, then put it in place."""
    target = archive.run_folder(order.out, program=request.program, quarter=request.quarter)
    manifest = _manifest(order, request, road, common)
    restated = publication.restatements(request, road)
    with archive.stage(target) as building:
        found = {outcome.page.slug: outcome for outcome in execute_pages(pages, folder=building, jobs=order.jobs, watch=watch)}
        entries = []
        for page in pages:
            found[page.slug], entry = _finish(found[page.slug], building, target=target, manifest=manifest, restated=restated)
            entries.append({**entry, "run": manifest["run"], "rendered_at": manifest["rendered_at"], "data_hash": manifest["data_hash"]})
        manifest["pages"] = [*entries, *archive.keep_pages(target, building, made={entry["slug"] for entry in entries})]
        archive.write_json(building / archive.MANIFEST, manifest)
        (building / "index.html").write_text(_index(manifest), encoding="utf-8", newline="\n")
    return Run(folder=target, outcomes=tuple(found[page.slug] for page in pages), manifest=manifest)


def _manifest(order: Order, request: Request, road: publication.Road, common: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a second run needs to make the same."""
    return {
        "run": f"{request.program}-{request.quarter}-{archive.now()}",
        "program": request.program,
        "quarter": request.quarter,
        "rendered_at": archive.now(),
        "source": request.url,
        "as_of": request.as_of.isoformat() if request.as_of else "",
        "data_until": str(request.until or ""),
        "data_hash": road.panel.digest,
        "scheme": request.scheme.name_version,
        "parameters": {**common, "source": request.url},
        "order": {
            "source": request.url,
            "scheme": common["scheme"],
            "indicators": common["indicators"],
            "quarter": request.quarter,
            "first": request.first,
            "region": order.region,
            "segment": order.segment,
            "as_of": common["as_of"],
            "seed": order.seed,
            "by": order.by,
            "notebooks": list(order.notebooks),
            "extra": dict(order.extra),
            "ledger": order.ledger,
        },
        "code": archive.describe_code(),
    }


def _finish(
    outcome: Outcome, building: Path, *, target: Path, manifest: Mapping[str, Any], restated: Sequence[str]
) -> tuple[Outcome, dict[str, Any]]:
    """Write the files of one page; gives its entry of the manifest."""
    page, folder = outcome.page, building / outcome.page.slug
    folder.mkdir(exist_ok=True)
    context = {
        "program": manifest["program"],
        "quarter": manifest["quarter"],
        "segment": page.segment,
        "scheme": manifest["scheme"],
        "data_hash": manifest["data_hash"],
        "data_until": manifest["data_until"],
        "parameters": {key: value for key, value in page.parameters.items() if key not in ("ledger", "source")},
    }
    record = archive.write_pieces(folder, outcome.pieces, context=context)
    before = _before(target / page.slug / "metrics.json")
    if before is not None:
        before = {**before, "code": (_before(target / archive.MANIFEST) or {}).get("code")}
    changes = compare_pages(before, {**record, "code": manifest["code"]})
    if changes is not None and page.segment == "all partners":
        changes = [*changes, *restated]
    frame = Frame(
        program=manifest["program"],
        quarter=manifest["quarter"],
        segment=page.segment,
        provenance=_provenance(manifest, page),
        links=(("../index.html", "All reports of this run"),),
        changes=changes,
        previous=_rendered_at(target) if changes is not None else "",
        error=outcome.error,
        trace=outcome.trace,
    )
    try:
        text = _page_text(outcome, frame)
    except PartnerlabError as found:
        outcome = dataclasses.replace(outcome, error=str(found))
        text = _page_text(outcome, dataclasses.replace(frame, error=str(found)))
    (folder / "report.html").write_text(text, encoding="utf-8", newline="\n")
    return outcome, _entry(outcome, folder, record)


def _page_text(outcome: Outcome, frame: Frame) -> str:
    import nbformat

    notebook = outcome.notebook
    if notebook is None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {outcome.page.title}")])
    return render_page(notebook, frame=frame)


def _entry(outcome: Outcome, folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    page = outcome.page
    return {
        "slug": page.slug,
        "title": page.title,
        "group": page.group,
        "segment": page.segment,
        "notebook": page.notebook.name,
        "state": "failed" if outcome.error else "done",
        "error": outcome.error,
        "headline": record["headline"] or answer_of(outcome.pieces),
        "figures": len(record["metrics"]),
        "seconds": round(outcome.seconds, 1),
        "files": archive.digests(folder),
    }


def _before(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _rendered_at(target: Path) -> str:
    found = _before(target / archive.MANIFEST) or {}
    return found.get("rendered_at", "")


def _provenance(manifest: Mapping[str, Any], page: Page | None) -> dict[str, str]:
    """Say what stands at the foot of a page; nothing in it changes when the same is rendered again."""
    code = manifest["code"]
    revision = (
        f"{code['revision'][:12]}{', with changes not committed' if code['dirty'] else ''}" if code["revision"] else "installed package"
    )
    asked = page.parameters if page else manifest["parameters"]
    shown = {key: value for key, value in asked.items() if key not in ("ledger", "source") and value != ""}
    return {
        "Source": manifest["source"],
        "Parameters": ", ".join(f"{key} = {value}" for key, value in shown.items()),
        "Tier scheme": manifest["scheme"],
        "Data complete until": manifest["data_until"] or "not stated",
        "Data as known on": manifest["as_of"] or "the latest load",
        "Data hash": manifest["data_hash"],
        "Code revision": revision,
        "Packages": ", ".join([f"Python {code['python']}", *(f"{name} {number}" for name, number in code["versions"].items())]),
    }


@dataclasses.dataclass(frozen=True)
class _Group:
    title: str
    anchor: str
    caption: str


_GROUPS = (
    _Group(REVIEW, "review", "The program and each of its segments"),
    _Group(QUESTIONS, "questions", "The road from the data to the review, one question at a time"),
)


def _state(entry: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    state = f"incomplete: {entry['error']}" if entry["error"] else "whole"
    if entry["run"] == manifest["run"]:
        return state
    older = "" if entry["data_hash"] == manifest["data_hash"] else ", from other data"
    return f"{state}; of the run of {entry['rendered_at']}{older}"


def _index(manifest: Mapping[str, Any]) -> str:
    shown = [{**entry, "has_metrics": bool(entry["figures"]), "state": _state(entry, manifest)} for entry in manifest["pages"]]
    groups = [(group, members) for group in _GROUPS if (members := [entry for entry in shown if entry["group"] == group.title])]
    return render_index(program=manifest["program"], quarter=manifest["quarter"], groups=groups, provenance=_provenance(manifest, None))
