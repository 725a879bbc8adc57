"""A table for people: caption, heads with scope, aligned numbers, intervals and n in every estimate."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError

#: Letters from which a cell holds a sentence.
LONG = 100
#: Letters of a cell -> least width of its column, so that words are not squeezed under one another.
LEAST_WIDTH = ((LONG, "18em"), (24, "8em"), (12, "6em"))
#: Columns from which a table is set smaller on paper.
WIDE = 9


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableView:
    r"""A table that cannot be shown without its caption.

    Parameters
    ----------
    caption : str
        What the table says and in which units.
    heads : tuple of str
        Column heads; none may be empty.
    rows : tuple of tuple of str
        Cells as written.
    row_heads : int
        How many leading columns name the row.
    numeric : tuple of bool
        Columns of numbers: set right, with figures of equal width.
    shades : tuple of tuple of (float or None)
        Weight of a cell, 0 to 1, for tables read as a picture; empty for none.
    frame : DataFrame
        The numbers behind it, for the CSV.

    Raises
    ------
    ParameterError
        If the caption or a column head is empty.

    Examples
    --------
    >>> view = TableView(caption="Partners by tier", heads=("tier", "partners"), rows=(("KEY", "12"),), numeric=(False, True))
    >>> '<th scope="row">KEY</th>' in view.html()
    True
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    row_heads: int = 1
    numeric: tuple[bool, ...] = ()
    shades: tuple[tuple[float | None, ...], ...] = dataclasses.field(repr=False, default=())
    frame: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)

    def __post_init__(self) -> None:
        if not self.caption.strip():
            raise ParameterError("a table needs a caption; say what it shows and in which units", field="caption")
        if not self.heads or any(not str(head).strip() for head in self.heads):
            raise ParameterError(
                f"a table needs a head for every column; {sum(not str(head).strip() for head in self.heads)} are empty", field="heads"
            )
        uneven = sum(len(row) != len(self.heads) for row in self.rows)
        if uneven:
            raise ParameterError(f"{uneven} rows of table {self.caption!r} do not have {len(self.heads)} cells", field="rows")

    def html(self) -> str:
        """Give the table as HTML that scrolls within itself on a narrow screen."""
        name = html.escape(self.caption)
        heads = "".join(f'<th scope="col"{self._align(index)}>{html.escape(head)}</th>' for index, head in enumerate(self.heads))
        body = "\n".join(self._row(index, row) for index, row in enumerate(self.rows))
        return (
            f'<div class="table-scroll" role="group" aria-label="{name}" tabindex="0" style="overflow-x: auto">'
            f'<table class="{" ".join(self._kinds)}">\n<caption><span>{name}</span></caption>\n'
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
        )

    @property
    def _kinds(self) -> list[str]:
        return ["tidy", *(["told"] if self._told else []), *(["wide"] if len(self.heads) >= WIDE else [])]

    @property
    def _told(self) -> bool:
        """Whether a cell holds a sentence: on a phone such a row stands as a card, each cell under its head."""
        return any(len(cell) > LONG for row in self.rows for cell in row[self.row_heads :])

    def _row(self, index: int, row: Sequence[str]) -> str:
        cells = []
        told = self._told
        for column, cell in enumerate(row):
            text = html.escape(cell)
            least = next((f"min-width: {width}; " for letters, width in LEAST_WIDTH if len(cell) > letters), "")
            if column < self.row_heads:
                cells.append(f'<th scope="row"{self._align(column, least)}>{text}</th>')
            else:
                width = "white-space: nowrap; " if self.numeric and self.numeric[column] else least
                head = f' data-head="{html.escape(self.heads[column])}"' if told else ""
                cells.append(f"<td{head}{self._align(column, width + self._shade(index, column))}>{text}</td>")
        return f"<tr>{''.join(cells)}</tr>"

    def _align(self, column: int, extra: str = "") -> str:
        right = "text-align: right; font-variant-numeric: tabular-nums; " if self.numeric and self.numeric[column] else ""
        rules = f"{right}{extra}".strip("; ")
        return f' style="{rules}"' if rules else ""

    def _shade(self, row: int, column: int) -> str:
        from partnerlab.show.style import blend, readable_on

        weight = self.shades[row][column] if self.shades else None
        if weight is None or math.isnan(weight):
            return ""
        colour = blend(weight)
        return f"background: {colour}; color: {readable_on(colour)}"

    def _repr_html_(self) -> str:
        return self.html()


def table_view(
    frame: pd.DataFrame, *, caption: str, kinds: Mapping[str, str], heads: Mapping[str, str] | None = None, row_heads: int = 1
) -> TableView:
    """Write the columns of a frame, each as its kind: ``text``, ``count``, ``share`` or ``number``.

    Columns that ``kinds`` does not name are left out of what is shown and stay in ``frame`` for the CSV.
    """
    shown = [column for column in kinds if column in frame.columns]
    columns = [[write(value, kind=kinds[column]) for value in frame[column]] for column in shown]
    return TableView(
        caption=caption,
        heads=tuple((heads or {}).get(column, name_of(column)) for column in shown),
        rows=tuple(zip(*columns, strict=True)) if columns else (),
        row_heads=row_heads,
        numeric=tuple(kinds[column] != "text" for column in shown),
        frame=frame.reset_index(drop=True),
    )


def write(value: Any, *, kind: str) -> str:
    """Write one cell."""
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return "unknown"
    if kind == "text":
        if isinstance(value, pd.Timestamp):
            return value.date().isoformat()
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        return f"{value:g}" if isinstance(value, float) else str(value)
    return words.say(float(value), kind=kind)


def name_of(column: str) -> str:
    """Column name as a head."""
    known = {"n": "n", "from_tier": "from", "to_tier": "to", "conf_low": "low", "conf_high": "high", "std_error": "standard error"}
    return known.get(column, str(column).replace("_", " "))
