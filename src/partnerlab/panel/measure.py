"""From the answers of queries to dense arrays: partners by periods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from partnerlab.errors import SampleError
from partnerlab.intake.rules import count_breaches
from partnerlab.intake.source import Source
from partnerlab.panel.indicators import Indicator, Indicators
from partnerlab.panel.queries import Cut, cell_query, check_available, measure_query, places, unit_of
from partnerlab.panel.units import BETWEEN, place_units
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
    if indicator.statistic == "months":
        plain, monthly = _by_month(indicator, cut)
        return months_met(indicator, _measure(source, plain, partners, monthly, here=here), cut=cut)
    adds_up = indicator.statistic in ("count", "active", "sum", "mean", "share") and not indicator.squares and indicator.points is None
    arrays = _sum_here(source, indicator, cut, size=(len(partners), cut.length)) if here and adds_up else None
    if arrays is not None:
        return arrays
    return lay_out(source.run(measure_query(source, indicator, cut=cut)), indicator, partners=pa.array(partners), periods=cut.length)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnitArrays:
    """What was measured of each partner's units: their names, places of their partners, arrays of shape ``(u, m)``, rows lost."""

    ids: np.ndarray
    words: np.ndarray
    of: np.ndarray
    arrays: dict[str, dict[str, np.ndarray]]
    notes: tuple[str, ...]


def measure_units(
    source: Source, wanted: Indicators, *, partners: np.ndarray, cut: Cut, whole: Mapping[str, Mapping[str, np.ndarray]]
) -> UnitArrays:
    """Compute the arrays of every indicator for each partner and unit that any row names.

    Parameters
    ----------
    source, wanted, partners, cut
        As for `measure_indicators`; the cut names the unit.
    whole : mapping of str to mapping of str to ndarray
        The arrays of partners: what an indicator says whose rows name no unit.

    Returns
    -------
    UnitArrays
    """
    own = {name: indicator for name, indicator in wanted.indicators.items() if unit_of(indicator, cut)}
    found: dict[tuple[Any, ...], pa.Table] = {}
    said: dict[str, list[str]] = {}
    pairs: dict[tuple[str, str], None] = {}
    for name, indicator in own.items():
        if indicator.measure not in found:
            asked, clock = _by_month(indicator, cut) if indicator.statistic == "months" else (indicator, cut)
            answer = source.run(measure_query(source, asked, cut=clock))
            placed = pc.fill_null(pc.not_equal(answer["unit"], ""), False)
            lost = pc.sum(answer["n"].filter(pc.invert(placed))).as_py() or 0
            if lost:
                number = "rows" if indicator.statistic == "held" else f"{lost} rows"
                said.setdefault(f"{number} of {indicator.table} do not say their {cut.unit}: they count in no unit", []).append(name)
            found[indicator.measure] = answer.filter(placed)
            told = answer.filter(placed).group_by(["partner_id", "unit"]).aggregate([])
            pairs |= dict.fromkeys(zip(told["partner_id"].to_pylist(), told["unit"].to_pylist(), strict=True))
    ids, words, of = place_units(partners, list(pairs))
    arrays: dict[str, dict[str, np.ndarray]] = {"totals": {}, "counts": {}, "squares": {}}
    for name, indicator in wanted.indicators.items():
        if name in own:
            laid = _lay_units(found[indicator.measure], indicator, ids=ids, cut=cut)
        else:
            laid = {field: of_all[name][of] for field, of_all in whole.items() if name in of_all}
            said.setdefault("the partner's own number stands in each of its units", []).append(name)
        for field, array in laid.items():
            arrays[field][name] = array
    notes = tuple(f"{', '.join(names)}: {told}" for told, names in said.items())
    return UnitArrays(ids=ids, words=words, of=of, arrays=arrays, notes=notes)


def _by_month(indicator: Indicator, cut: Cut) -> tuple[Indicator, Cut]:
    """Give the plain count or sum of months behind an indicator, and their cut."""
    plain = {"statistic": "count" if indicator.value is None else "sum", "window": 1}
    return indicator.model_copy(update=plain), cut.by_month()


def _lay_units(answer: pa.Table, indicator: Indicator, *, ids: np.ndarray, cut: Cut) -> dict[str, np.ndarray]:
    named = pc.binary_join_element_wise(answer["partner_id"].cast(pa.string()), answer["unit"].cast(pa.string()), BETWEEN)
    named_rows = answer.set_column(answer.column_names.index("partner_id"), "partner_id", named)
    if indicator.statistic != "months":
        return lay_out(named_rows, indicator, partners=pa.array(ids), periods=cut.length)
    plain, monthly = _by_month(indicator, cut)
    return months_met(indicator, lay_out(named_rows, plain, partners=pa.array(ids), periods=monthly.length), cut=cut)


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
    if indicator.points is not None:
        return totals
    return totals if indicator.money or indicator.minor_units == 1 else totals / indicator.minor_units


def months_met(indicator: Indicator, monthly: Mapping[str, np.ndarray], *, cut: Cut) -> dict[str, np.ndarray]:
    """Count the months of each period that meet a minimum, or those in a row that lead up to its end.

    Parameters
    ----------
    indicator : Indicator
        Its minimum, and whether months must follow one another.
    monthly : mapping of str to ndarray, shape (n, m * k)
        ``totals`` and ``counts`` of the months.
    cut : Cut
        Of the ``m`` periods.

    Returns
    -------
    mapping of str to ndarray of int32, shape (n, m)
        ``totals``, months; ``counts``, rows. Months in a row are at most those of the window.
    """
    least = indicator.at_least * (100 if indicator.money_summed else 1)
    met = monthly["totals"] >= least
    months = cut.by_month()
    first = months.calendar.period_of_date(months.days[0].astype(object))
    whole = months.calendar.bounds_date(first, first + met.shape[1] - 1)[1:] <= months.days[-1]
    fold = (len(met), cut.length, cut.calendar.months)
    counts = monthly["counts"].reshape(fold).sum(axis=2, dtype=np.int32)
    if not indicator.consecutive:
        return {"totals": met.reshape(fold).sum(axis=2, dtype=np.int32), "counts": counts}
    row = np.zeros(met.shape, dtype=np.int32)
    before = np.zeros(len(met), dtype=np.int32)
    for month in range(met.shape[1]):
        # a month that is not over yet may still meet the minimum: it does not end the row
        row[:, month] = before = np.where(met[:, month], before + 1, 0 if whole[month] else before)
    most = indicator.window * cut.calendar.months
    return {"totals": np.minimum(row.reshape(fold)[:, :, -1], most), "counts": counts}


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
    if indicator.statistic == "median":
        return {"totals": lay("total", "float64", np.nan) / (2 * indicator.minor_units), "counts": counts}
    if indicator.points is not None:
        found = found.set_column(found.column_names.index("total"), "total", _whole_points(found["total"], indicator))
    arrays = {"counts": counts, "totals": _scaled(lay("total", "int64"), indicator)}
    if indicator.squares:
        unit = indicator.minor_units
        squares = np.zeros(size[0] * size[1])
        squares[cell] = pc.cast(found["squares"], pa.float64()).to_numpy()[mine] / float(unit) ** 2
        arrays["squares"] = squares.reshape(size)
    return arrays


def _whole_points(texts: pa.ChunkedArray, indicator: Indicator) -> pa.ChunkedArray:
    """Read sums of points, which engines write out as text: as whole numbers."""
    try:
        return pc.cast(texts, pa.int64())
    except pa.ArrowInvalid as error:
        raise SampleError(
            f"{indicator.name}: its points, counted in units of 1/{indicator.scale:,}, are too many to be exact; "
            "give rates, multipliers and currencies fewer decimals",
            indicator=indicator.name,
        ) from error
