"""One self-contained HTML page from an executed notebook: no script, no request, headings in order, code closed but there."""

from __future__ import annotations

import dataclasses
import functools
import html
import itertools
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

from partnerlab.errors import ParameterError

#: What a page may load: nothing. Its own style stands inside it, tables and drawings carry style attributes.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands round the notebook's own words.

    Parameters
    ----------
    program, quarter, segment : str
        For the head of the page.
    provenance : mapping of str to str
        For its foot: parameters, scheme version, data hash, code revision, package versions.
    links : sequence of (href, text)
        To the other reports of the run.
    changes : sequence of str or None
        What changed since the page was last rendered; None if it was not.
    previous : str
        When that was.
    error : str
        Why the report is incomplete; empty when it is whole.
    trace : str
        The same at length.
    """

    program: str
    quarter: str
    segment: str
    provenance: Mapping[str, str]
    links: Sequence[tuple[str, str]] = ()
    changes: Sequence[str] | None = None
    previous: str = ""
    error: str = ""
    trace: str = ""


def render_page(notebook: Any, *, frame: Frame) -> str:
    """Turn an executed notebook into a page.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Executed, wholly or (``frame.error``) in part.
    frame : Frame
        What stands round it.

    Raises
    ------
    ParameterError
        If headings are out of order; never for a page that is incomplete anyway.
    """
    body, _ = _exporter().from_notebook_node(notebook, resources={"page": _values(notebook, frame, contents=[], title="")})
    outline = read_outline(body)
    if not frame.error:
        check_outline(outline)
    title = " - ".join(part for part in (outline[0].text if outline else "Report", frame.program, frame.quarter, frame.segment) if part)
    contents = [heading for heading in outline if heading.level in (2, 3) and heading.anchor]
    body, _ = _exporter().from_notebook_node(notebook, resources={"page": _values(notebook, frame, contents=contents, title=title)})
    return "\n".join(line.rstrip() for line in body.splitlines() if line.strip()) + "\n"


def render_index(*, program: str, quarter: str, groups: Sequence[tuple[Any, Sequence[Any]]], provenance: Mapping[str, str]) -> str:
    """Turn the outcomes of a run into its front page.

    Parameters
    ----------
    program, quarter : str
        What the run is about.
    groups : sequence of (group, pages)
        A group has ``title, anchor, caption``; a page ``slug, title, headline, state, error, has_metrics``.
    provenance : mapping of str to str
        For the foot of the page.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((_templates() / "run.html.j2").read_text(encoding="utf-8"))
    pages = [page for _, members in groups for page in members]
    failed = sum(bool(page["error"]) for page in pages)
    return template.render(
        program=program, quarter=quarter, groups=groups, pages=pages, failed=failed, provenance=provenance, policy=POLICY, style=_style()
    )


@dataclasses.dataclass(frozen=True)
class Heading:
    """One heading of a page."""

    level: int
    text: str
    anchor: str


def read_outline(page: str) -> list[Heading]:
    """Headings of the main part of a page, in order.

    Examples
    --------
    >>> read_outline('<main><h1 id="a">Who <em>moved</em>?</h1></main>')
    [Heading(level=1, text='Who moved?', anchor='a')]
    """
    reader = _OutlineReader()
    reader.feed(page)
    return reader.headings


def check_outline(outline: Sequence[Heading]) -> None:
    """Refuse a page whose headings do not make an outline: one first, none skipped.

    Raises
    ------
    ParameterError
        Naming the heading.
    """
    if not outline or outline[0].level != 1:
        raise ParameterError("the page has no first heading; begin the notebook with '# ' and its question")
    for above, heading in itertools.pairwise(outline):
        if heading.level == 1:
            raise ParameterError(f"heading {heading.text!r} is a second first-level heading; make it '## '")
        if heading.level > above.level + 1:
            raise ParameterError(f"heading {heading.text!r} skips a level after {above.text!r}; use {'#' * (above.level + 1)!r}")


class _OutlineReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.headings: list[Heading] = []
        self._inside = False
        self._level, self._anchor, self._text = 0, "", ""
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag == "main":
            self._inside = True
        elif self._inside and re.fullmatch("h[1-6]", tag):
            self._level, self._anchor, self._text = int(tag[1]), facts.get("id") or "", ""
        elif self._level and "anchor-link" in (facts.get("class") or ""):
            self._hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self._inside = False
        elif tag == "a" and self._hidden:
            self._hidden -= 1
        elif self._level and tag == f"h{self._level}":
            self.headings.append(Heading(self._level, " ".join(self._text.split()), self._anchor))
            self._level = 0

    def handle_data(self, data: str) -> None:
        if self._level and not self._hidden:
            self._text += data


def _values(notebook: Any, frame: Frame, *, contents: Sequence[Heading], title: str) -> dict[str, Any]:
    return {
        "policy": POLICY,
        "title": title,
        "style": _style(),
        "program": frame.program,
        "quarter": frame.quarter,
        "segment": frame.segment,
        "links": [{"href": href, "text": text} for href, text in frame.links],
        "contents": contents,
        "failure": _failure(frame),
        "changes": _changes(frame),
        "provenance": frame.provenance,
    }


def _failure(frame: Frame) -> str:
    if not frame.error:
        return ""
    trace = f"<details><summary>At length</summary><pre>{html.escape(frame.trace)}</pre></details>" if frame.trace else ""
    return (
        f'<aside class="failed" aria-labelledby="incomplete"><h2 id="incomplete">Incomplete: this report could not be finished</h2>'
        f"<p>{html.escape(frame.error)}</p><p>What stands below was computed before it stopped.</p>{trace}</aside>"
    )


def _changes(frame: Frame) -> str:
    if frame.changes is None:
        return ""
    when = f" of {html.escape(frame.previous)}" if frame.previous else ""
    if not frame.changes:
        return f'<p class="unchanged">Rendered again: no figure changed since the rendering{when}.</p>'
    said = f"<ul>{''.join(f'<li>{html.escape(change)}</li>' for change in frame.changes)}</ul>"
    return f'<aside class="changed" aria-labelledby="changed"><h2 id="changed">Changed since the rendering{when}</h2>{said}</aside>'


def _templates() -> Path:
    return Path(str(resources.files("partnerlab.report") / "templates"))


@functools.cache
def _style() -> str:
    return "".join((_templates() / name).read_text(encoding="utf-8") for name in ("page.css", "pieces.css"))


@functools.cache
def _exporter() -> Any:
    from nbconvert.exporters import TemplateExporter
    from nbconvert.filters import markdown2html, strip_files_prefix

    return TemplateExporter(
        template_name="partnerlab",
        template_file="index.html.j2",
        extra_template_basedirs=[str(_templates())],
        filters={"markdown2html": markdown2html, "strip_files_prefix": strip_files_prefix},
    )
