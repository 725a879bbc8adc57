"""The verb `tabulate`: one table for each kind of result, made for reading rather than for computing."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError
from partnerlab.results import TIDY, Result
from partnerlab.show.plots import load_drawings
from partnerlab.show.tables import TableView, name_of, table_view, write

#: Class of a result -> what its estimates are.
ESTIMATES = {
    "TransitionEstimate": "share",
    "DriftEstimate": "share",
    "HiddenTransitions": "share",
    "NoiseBaseline": "share",
    "SurvivalEstimate": "share",
    "HazardEstimate": "share",
    "IncidenceEstimate": "share",
    "IncidenceComparison": "points",
    "LifeTableEstimate": "share",
    "ForecastBacktest": "number",
    "ForecastComparison": "count",
    "Movers": "share",
    "TierForecast": "count",
    "StateOccupancy": "share",
    "StateProbabilities": "share",
    "FirstPassage": "share",
    "SteadyState": "share",
}


@functools.singledispatch
def _writing(result: Any, **options: Any) -> TableView:
    raise ParameterError(f"a {type(result).__name__} cannot be written as a table; give a result or a DataFrame with a caption")


def tabulate(result: Any, **options: Any) -> TableView:
    r"""Write a result as a table.

    Parameters
    ----------
    result : Result, DataFrame, TierHistory, Explanation or DataQuality
        What to write.
    **options
        ``caption=`` (needed for a bare DataFrame), ``rows=`` to show at most so many rows, ``kinds=`` to say what the
        columns of a DataFrame are (``text``, ``count``, ``share``, ``number``), ``kind=`` what a result's estimates are.

    Returns
    -------
    TableView
        Caption, HTML, and the frame for the CSV.

    Raises
    ------
    ParameterError
        If there is no table for that kind of thing, or no caption.

    Examples
    --------
    >>> row = dict(tier="KEY", estimate=0.12, std_error=0.02, conf_low=0.09, conf_high=0.16, n=240)
    >>> view = tabulate(Result(estimand="Share of partners", table=pd.DataFrame([row])), kind="share")
    >>> view.rows
    (('KEY', '12\xa0%', '9 to 16', '240'),)
    """
    load_drawings(type(result))
    return _writing(result, **options)


#: Tables register themselves by the class that they write.
tabulate.register = _writing.register  # type: ignore[attr-defined]


@tabulate.register(Result)
def _result(result: Result, *, caption: str = "", kind: str | None = None, rows: int | None = None) -> TableView:
    kind = kind or ESTIMATES.get(type(result).__name__, "number")
    return estimates_view(result.table, keys=result.keys, kind=kind, level=result.level, caption=caption or result.estimand, rows=rows)


@tabulate.register(pd.DataFrame)
def _frame(
    frame: pd.DataFrame, *, caption: str = "", kinds: dict[str, str] | None = None, rows: int | None = None, row_heads: int = 1
) -> TableView:
    if set(TIDY) <= set(frame.columns):
        keys = list(frame.columns[: frame.columns.get_loc("estimate")])
        return estimates_view(frame, keys=keys, kind=(kinds or {}).get("estimate", "number"), level=0.95, caption=caption, rows=rows)
    known = {column: kind_of(frame[column]) for column in frame.columns} | dict(kinds or {})
    return table_view(frame.head(rows) if rows else frame, caption=caption + left_out(frame, rows), kinds=known, row_heads=row_heads)


def estimates_view(frame: pd.DataFrame, *, keys: list[str], kind: str, level: float, caption: str, rows: int | None = None) -> TableView:
    """Write a tidy table: keys, estimate, interval, n, then what else it holds."""
    shown = frame.head(rows) if rows else frame
    extras = [column for column in frame.columns if column not in (*keys, *TIDY)]
    kinds = {column: kind_of(frame[column]) for column in extras}
    lines = []
    for record in shown.to_dict("records"):
        cells = [write(record[key], kind="text") for key in keys] + estimate_cells(record, kind=kind)
        lines.append((*cells, *(write(record[column], kind=kinds[column]) for column in extras)))
    return TableView(
        caption=caption + left_out(frame, rows),
        heads=(*map(name_of, keys), "estimate", f"{100 * level:g}{words.NBSP}% interval", "n", *map(name_of, extras)),
        rows=tuple(lines),
        row_heads=max(len(keys), 1),
        numeric=(*[False] * len(keys), True, True, True, *(kinds[column] != "text" for column in extras)),
        frame=frame.reset_index(drop=True),
    )


def estimate_cells(record: dict[Any, Any], *, kind: str) -> list[str]:
    """Estimate, interval and n of a tidy row, as written."""
    n = float(record["n"])
    if math.isnan(float(record["estimate"])):
        return [words.say_not_enough(n), "none", words.say_count(n)]
    pair = words.say_pair(float(record["estimate"]), float(record["conf_low"]), float(record["conf_high"]), kind=kind)
    return [*pair, words.say_count(n)]


def kind_of(column: pd.Series) -> str:
    """Tell what a column holds, judged by its type and name."""
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return "text"
    if pd.api.types.is_integer_dtype(column):
        return "count"
    if str(column.name).startswith("p_"):
        return "p"
    if str(column.name).startswith(("noise", "share", "probability")) or str(column.name).endswith(("_share", "probability", "_rate")):
        return "share"
    known = column.dropna().to_numpy(dtype=np.float64)
    return "count" if len(known) and np.isfinite(known).all() and (known == np.round(known)).all() else "number"


def left_out(frame: pd.DataFrame, rows: int | None) -> str:
    """Say how many rows are not shown."""
    return f" (first {rows:,} of {len(frame):,} rows; all in the CSV)" if rows and len(frame) > rows else ""
