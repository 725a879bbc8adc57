"""From the answers of queries to dense arrays: partners by periods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from partnerlab.intake.rules import count_breaches
from partnerlab.intake.source import Source
from partnerlab.panel.indicators import Indicator, Indicators
from partnerlab.panel.queries import MILLIONTHS, Cut, cell_query, check_available, measure_query, places
from partnerlab.panel.windows import carry_forward

#: Rows that are fetched at once where the engine lives in this process (16 bytes each).
_BLOCK = 50_000_000

#: Sums of whole numbers up to here are exact in float64.
_EXACT = 2.0**53


def measure_indicators(source: Source, wanted: Indicators, *, partners: np.ndarray, cut: Cut) -> dict[str, dict[str, np.ndarray]]:
    """Compute the arrays of every indicator; those with the same measure share one query.

    Parameters
    ----------
    source : Source
        Where the rows live. An engine in this process names the cell of each row and the
        sums are made here, which costs a quarter of grouping there; others group.
    wanted : Indicators
        What to compute.
    partners : ndarray of str, shape (n,)
        Sorted.
    cut : Cut
        Where the periods are cut.

    Returns
    -------
    mapping of str to mapping of str to ndarray, shape (n, m)
        ``totals``, ``counts`` and ``squares`` by indicator.
    """
    here = source.dialect == "duckdb" and _ordered_alike(source, partners, cut)
    arrays: dict[str, dict[str, np.ndarray]] = {"totals": {}, "counts": {}, "squares": {}}
    done: dict[tuple[Any, ...], dict[str, np.ndarray]] = {}
    for name, indicator in wanted.indicators.items():
        if indicator.measure not in done:
            done[indicator.measure] = _measure(source, indicator, partners, cut, here=here)
        for field, array in done[indicator.measure].items():
            arrays[field][name] = array
    return arrays


def _measure(source: Source, indicator: Indicator, partners: np.ndarray, cut: Cut, *, here: bool) -> dict[str, np.ndarray]:
    check_available(source, indicator)
    adds_up = indicator.statistic in ("count", "active", "sum", "mean", "share") and not indicator.squares
    arrays = _sum_here(source, indicator, cut, size=(len(partners), cut.length)) if here and adds_up else None
    if arrays is not None:
        return arrays
    return lay_out(source.run(measure_query(source, indicator, cut=cut)), indicator, partners=pa.array(partners), periods=cut.length)


def _ordered_alike(source: Source, partners: np.ndarray, cut: Cut) -> bool:
    """Whether the engine numbers the partners as they are sorted here."""
    found = source.run(places(source, cut))
    order = np.argsort(found["place"].to_numpy(), kind="stable")
    return np.array_equal(found["partner_id"].to_numpy()[order].astype(str), partners)


def _sum_here(source: Source, indicator: Indicator, cut: Cut, *, size: tuple[int, int]) -> dict[str, np.ndarray] | None:
    """Sum the rows' values by cell, a block of periods at a time; None if float64 would not hold the sums."""
    rows = count_breaches(source, "deal_partners" if indicator.table == "deals" else indicator.table, as_of=cut.as_of)["rows"]
    blocks = np.array_split(np.arange(size[1]), min(size[1], 1 + rows // _BLOCK))
    counts, totals, reached = None, None, 0.0
    for block in blocks:
        found = source.run(cell_query(source, indicator, cut=cut, within=(int(block[0]), int(block[-1]) + 1)))
        cell = found["cell"].to_numpy()
        counts = _added(counts, np.bincount(cell, minlength=size[0] * size[1]))
        if "value" in found.column_names and len(cell):
            value = found["value"].to_numpy()
            reached += len(value) * max(float(value.max()), -float(value.min()), 1.0)
            totals = _added(totals, np.bincount(cell, weights=value, minlength=size[0] * size[1]))
    if reached >= _EXACT:
        return None
    arrays = {"counts": counts.astype(np.int32).reshape(size)}
    if indicator.value is None:
        return arrays | {"totals": arrays["counts"]}
    totals = np.zeros(size, dtype=np.int64) if totals is None else totals.astype(np.int64).reshape(size)
    return arrays | {"totals": _scaled(totals, indicator)}


def _added(sums: np.ndarray | None, more: np.ndarray) -> np.ndarray:
    """Add a block's sums to those of the blocks before, in place."""
    return more if sums is None else np.add(sums, more, out=sums)


def _scaled(totals: np.ndarray, indicator: Indicator) -> np.ndarray:
    """Turn whole numbers into the indicator's own type and unit."""
    if indicator.statistic in ("share", "distinct", "held"):
        return totals.astype(np.int32)
    return totals if indicator.money or _is_whole(indicator) else totals / MILLIONTHS


def _is_whole(indicator: Indicator) -> bool:
    return indicator.columns[str(indicator.value)].type in ("integer", "flag")


def lay_out(found: pa.Table, indicator: Indicator, *, partners: pa.Array, periods: int) -> dict[str, np.ndarray]:
    """Lay the answer of an indicator's grouped query out as partners by periods.

    Parameters
    ----------
    found : pyarrow.Table
        ``partner_id, period, n`` and, unless rows are only counted, ``total``; ``squares`` where asked for.
    indicator : Indicator
        Whose statistic decides the types.
    partners : pyarrow.Array of string, shape (n,)
        Rows of other partners (test partners) are passed over.
    periods : int
        Number of columns.

    Returns
    -------
    mapping of str to ndarray, shape (n, periods)
        ``totals``, ``counts`` and perhaps ``squares``.
    """
    rows = pc.index_in(found["partner_id"], value_set=partners.cast(found["partner_id"].type)).combine_chunks()
    mine = rows.is_valid().to_numpy(zero_copy_only=False)
    row = rows.fill_null(0).to_numpy()[mine]
    cell = row.astype(np.int64) * periods + found["period"].to_numpy()[mine]
    size = (len(partners), periods)

    def lay(name: str, dtype: str, empty: float = 0) -> np.ndarray:
        array = np.full(size[0] * size[1], empty, dtype=dtype)
        array[cell] = found[name].to_numpy()[mine]
        return array.reshape(size)

    counts = lay("n", "int32")
    if indicator.statistic in ("count", "active"):
        return {"totals": counts, "counts": counts}
    if indicator.statistic == "last":
        value = carry_forward(lay("total", "float64", np.nan))
        return {"totals": value, "counts": (~np.isnan(value)).astype(np.int32)}
    arrays = {"counts": counts, "totals": _scaled(lay("total", "int64"), indicator)}
    if indicator.squares:
        unit = 100 if indicator.money else 1 if _is_whole(indicator) else MILLIONTHS
        squares = np.zeros(size[0] * size[1])
        squares[cell] = pc.cast(found["squares"], pa.float64()).to_numpy()[mine] / float(unit) ** 2
        arrays["squares"] = squares.reshape(size)
    return arrays
