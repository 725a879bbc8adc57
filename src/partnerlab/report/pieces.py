"""What a notebook puts on its page, one piece at a time, and how the runner reads the pieces back.

Every verb of `partnerlab.report.page` displays one piece: HTML for the eye and,
beside it, a record of type `MIME` with the numbers, the CSV behind them and the
drawing. JupyterLab shows the first; the runner collects the second.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from partnerlab.errors import ParameterError

MIME = "application/vnd.partnerlab+json"

Kind = Literal["about", "headline", "metric", "figure", "table", "forecast", "note", "style"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """One piece of a page.

    Parameters
    ----------
    kind : {"about", "headline", "metric", "figure", "table", "note", "style"}
        What it is.
    name : str
        Its anchor on the page and the name of its files; unique on a page.
    text : str
        What it says in words: headline, caption or note.
    html : str
        What is shown.
    csv : str
        The numbers behind a table or figure.
    svg, alt : str
        The drawing, and what it shows for those who cannot see it.
    numbers : mapping
        The values of a metric, or of a headline.
    """

    kind: Kind
    name: str
    text: str = ""
    html: str = ""
    csv: str = ""
    svg: str = ""
    alt: str = ""
    numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def bundle(self) -> dict[str, Any]:
        """Mime bundle for ``IPython.display.display(..., raw=True)``."""
        record = {key: value for key, value in dataclasses.asdict(self).items() if value and key != "html"}
        return {"text/plain": self.text or f"<{self.kind} {self.name}>", "text/html": self.html, MIME: record}


def slug(text: str) -> str:
    """Give a name fit for an anchor and a file.

    Examples
    --------
    >>> slug("Who moved beyond noise?")
    'who-moved-beyond-noise'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "piece"


def collect_pieces(notebook: Any) -> list[Piece]:
    """Read the pieces of an executed notebook, in the order of the page.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Executed, wholly or in part.

    Raises
    ------
    ParameterError
        If two pieces have one name, a figure has no alt text, or a link leads nowhere.
    """
    records = [
        output.data[MIME]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.get("outputs", [])
        if MIME in output.get("data", {})
    ]
    pieces = [Piece(**record) for record in records if record["kind"] != "style"]
    _check_names(pieces)
    silent = [piece.name for piece in pieces if piece.kind == "figure" and not piece.alt.strip()]
    if silent:
        raise ParameterError(f"figure {silent[0]!r} has no alt text; say in words what it shows")
    _check_links(pieces)
    return pieces


def check_images(notebook: Any) -> None:
    """Refuse pictures that were displayed without words: a bare PNG or SVG output has no alt text.

    Raises
    ------
    ParameterError
        Naming the cell.
    """
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []) if cell.cell_type == "code" else []:
            data = output.get("data", {})
            if MIME not in data and any(kind.startswith("image/") for kind in data):
                raise ParameterError(
                    f"cell {index + 1} shows a picture without alt text; hand it to render_figure(..., alt=...)", cell=index + 1
                )


def _check_names(pieces: Iterable[Piece]) -> None:
    seen: set[str] = set()
    for piece in pieces:
        if piece.name in seen:
            raise ParameterError(f"two pieces of the page are called {piece.name!r}; give one another name=")
        seen.add(piece.name)


def _check_links(pieces: Iterable[Piece]) -> None:
    pieces = list(pieces)
    names = {piece.name for piece in pieces}
    for piece in pieces:
        target = piece.numbers.get("table")
        if target and target not in names:
            raise ParameterError(f"metric {piece.name!r} names the table {target!r}, which is not on the page")


#: Anchors of the notes that hold the answer of a page, which may stand far down.
VERDICTS = ("verdict", "verdict-in-words")


def answer_of(pieces: Sequence[Piece]) -> str:
    """Give a page without a headline its one sentence: its verdict where it has one, else what it says first.

    Examples
    --------
    >>> asked = Piece(kind="note", name="asked", text="What did it do?")
    >>> answer_of([asked, Piece(kind="note", name="verdict", text="Grade B: it helped.")])
    'Grade B: it helped.'
    """
    told = [piece for piece in pieces if piece.kind in ("note", "figure")]
    verdicts = [piece for piece in told if piece.name in VERDICTS and not piece.text.startswith("Not available")]
    return next((piece.text for piece in (*verdicts, *told)), "").partition("\n")[0]
