"""Pictures of for whom a tactic worked: cells pooled against raw, all tactics by all tiers, and whom to give it next."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.effects import AdjustedEffects, Association, MatchedEffects, NextPartners, TacticComparison, TierEffects
from partnerlab.errors import SampleError
from partnerlab.results import Evidence
from partnerlab.show import style
from partnerlab.show.canvas import Canvas, shorten, wrap
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import tabulate
from partnerlab.show.tactics_rows import Row, paint_rows, rows_height, say_row

#: A cell is called the best from this probability on.
SURE = 0.9
#: Most tiers that stand side by side.
MOST_TIERS = 5


@plot.register(TierEffects)
def _by_tier(result: TierEffects, *, unit: str = "", period: str = "", rows: int = 20) -> Picture:
    """Pooled effects by cell with their intervals, the raw ones as rings."""
    table = result.table
    if table["estimate"].isna().all():
        raise SampleError("no cell has enough data for an effect; nothing to draw")
    unit = unit or result.unit
    drawn = [_cell_row(row, result.keys) for _, row in table.head(rows).iterrows()]
    return picture(
        functools.partial(paint_rows, rows=drawn, units=f"{unit or 'effect'} per partner-quarter"),
        height=rows_height(drawn),
        headline=_best_headline(result, unit),
        alt=f"Pooled effects with intervals, raw ones beside: {'; '.join(row.said for row in drawn)}.",
        units=f"{unit or 'units of the outcome'} per partner-quarter; n counts treated rows",
        n=int(np.nansum(table["n"])),
        period=period or "all quarters of the panel",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals, pooled over {words.plural(result.cells, 'cell')}; rings: "
        "the raw effect of the cell alone, of which the largest boasts"
        + (f"; the first {rows} of {len(table)} cells are drawn" if len(table) > rows else ""),
        table=table,
    )


def name_cell(row: pd.Series, keys: list[str]) -> str:
    """Name a cell by its keys, as a person says it."""
    return " in ".join(str(row[key]) for key in keys)


def _cell_row(row: pd.Series, keys: list[str]) -> Row:
    said = say_row(name_cell(row, keys), row["estimate"], row["conf_low"], row["conf_high"], row["n"])
    if math.isfinite(row["raw"]) and math.isfinite(row["estimate"]):
        said += f", raw {words.say_pair(row['raw'], row['conf_low'], row['conf_high'], kind='number')[0]}"
    clear = bool(row["conf_low"] > 0 or row["conf_high"] < 0)
    return Row(said=said, estimate=row["estimate"], low=row["conf_low"], high=row["conf_high"], dark=clear, beside=row["raw"])


def _best_headline(result: TierEffects, unit: str) -> str:
    known = result.table.dropna(subset=["estimate"])
    clear = known[(known["conf_low"] > 0) | (known["conf_high"] < 0)]
    thing = f" in {unit}" if unit else ""
    if clear.empty:
        return f"No clear difference{thing} in any of {words.plural(len(known), 'cell')}, pooled"
    if result.evidence in (Evidence.C, Evidence.D):
        cells = f"{len(clear)} of {words.plural(len(known), 'cell')}"
        return f"A difference{thing} in {cells}, pooled, of which no cause is known (grade {result.evidence.value})"
    top = result.top
    said = f"{name_cell(top, result.keys)}, {_said(top)}"
    if top["best"] >= SURE:
        return f"The most{thing}, pooled: {said}; best with probability {words.say_share(float(top['best']))}"
    largest = clear.loc[clear["estimate"].abs().idxmax()]
    return (
        f"A clear difference{thing} in {len(clear)} of {words.plural(len(known), 'cell')}, pooled; which is best cannot be told "
        f"(largest {name_cell(largest, result.keys)}, {_said(largest)})"
    )


def _said(row: pd.Series) -> str:
    middle, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    return f"{middle} ({interval})"


@plot.register(Association)
def _association(result: Association, *, unit: str = "", period: str = "") -> Picture:
    """All rows pooled beside the same partner's own ups and downs."""
    names = {"pooled": "Between all rows", "within": "Within partners"}
    note = "grey: what lasts of a partner is mixed in; dark: taken out. Neither tells what the tactic did"
    return _readings(result, names, dark="within", note=note, unit=unit, period=period)


@plot.register(AdjustedEffects)
def _adjusted(result: AdjustedEffects, *, unit: str = "", period: str = "") -> Picture:
    """Rows alike compared, beside readings that lean on one model alone."""
    names = {"augmented": "Chances and outcomes adjusted", "weighting": "By chances alone", "regression": "By outcomes alone",
             "unadjusted": "Nothing adjusted"}  # fmt: skip
    note = "dark: right if either the chances of the tactic or the outcomes are modelled well; grey: leans on one of them, or on none"
    return _readings(result, names, dark="augmented", note=note, unit=unit, period=period)


@plot.register(MatchedEffects)
def _matched(result: MatchedEffects, *, unit: str = "", period: str = "") -> Picture:
    """Pairs, with what was known held fixed too, beside what they and all rows say by themselves."""
    names = {"matched": "Pairs, the rest adjusted", "pairs": "Pairs alone", "unadjusted": "All rows, nothing adjusted"}
    note = "dark: what still differs within pairs is taken out; grey: it is left in"
    return _readings(result, names, dark="matched", note=note, unit=unit, period=period)


def _readings(
    result: Association | AdjustedEffects | MatchedEffects, names: dict[str, str], *, dark: str, note: str, unit: str, period: str
) -> Picture:
    """Several readings of the same rows, the believed one dark, under what may be said."""
    table = result.table.set_index("reading")
    rows = [
        Row(
            said=say_row(said, *table.loc[name, ["estimate", "conf_low", "conf_high", "n"]]), dark=name == dark,
            estimate=table.loc[name, "estimate"], low=table.loc[name, "conf_low"], high=table.loc[name, "conf_high"],
        )
        for name, said in names.items() if name in table.index
    ]  # fmt: skip
    stakes = result.verdict.stakes
    return picture(
        functools.partial(paint_rows, rows=rows, units=f"{unit or stakes.unit} per {stakes.per}"),
        height=rows_height(rows),
        headline=f"Grade {result.verdict.earned.value}: {result.verdict.statement.rstrip('.')}",
        alt=f"{len(rows)} intervals: {'; '.join(row.said for row in rows)}. {result.estimand}.",
        units=f"{unit or stakes.unit} per {stakes.per}; n counts {'rows' if dark == 'within' else 'rows with the tactic'}",
        n=int(table["n"].max()),
        period=period or "all rows given",
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals; {note}",
        table=result.table,
    )


@plot.register(TacticComparison)
def _page(result: TacticComparison, *, unit: str = "", period: str = "") -> Picture:
    """All tactics by all tiers, each cell with its pooled effect and what to do."""
    table = result.table
    tactics, tiers = list(dict.fromkeys(table["tactic"])), list(dict.fromkeys(table["tier"]))[:MOST_TIERS]
    unit = unit or result.verdicts[0].stakes.unit
    return picture(
        functools.partial(paint_page, table=table, tactics=tactics, tiers=tiers),
        height=page_height(tactics),
        headline=page_headline(result),
        alt="Boxes by tactic and tier. " + " ".join(_say_cell(row) for _, row in table.iterrows()),
        units=f"{unit} per {result.verdicts[0].stakes.per}; n counts treated rows",
        n=int(table["n"].sum()),
        period=period or "all quarters of the panel",
        note=f"Each box: the effect pooled over {words.plural(result.cells, 'cell')}, its {100 * result.level:g}{words.NBSP}% interval, "
        "what to do; blue: keep or extend, orange: stop, white: only a test by lot would tell; "
        "grey numbers are not effects (grade C or D). The tier is that before the tactic",
        table=table,
    )


@tabulate.register(TacticComparison)
def _page_table(result: TacticComparison, *, caption: str = "", rows: int | None = None) -> TableView:
    """Write the page as a table: pooled beside raw, how many stand behind, grade, what to do."""
    table = result.table.head(rows) if rows else result.table
    said = [words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number") for _, row in table.iterrows()]
    shown = pd.DataFrame(
        {
            "tactic": table["tactic"], "tier": table["tier"],
            "pooled": [pair[0] for pair in said], "interval": [pair[1] for pair in said],
            "raw": [_beside(*pair) for pair in zip(table["raw"], said, strict=True)],
            "n": table["n"], "partners": table["partners"], "managers": table["managers"],
            "p_adjusted": table["p_adjusted"], "grade": table["grade"], "do": table["action"], "pays": table["pays"],
        }
    )  # fmt: skip
    kinds = {"tactic": "text", "tier": "text", "pooled": "text", "interval": "text", "raw": "text", "n": "count", "partners": "count",
             "managers": "count", "p_adjusted": "p", "grade": "text", "do": "text", "pays": "share"}  # fmt: skip
    heads = {"interval": f"{100 * result.level:g}{words.NBSP}% interval", "p_adjusted": "adjusted p"}
    if table["pays"].isna().all():
        kinds.pop("pays")
    view = table_view(shown, caption=caption or result.estimand, kinds=kinds, heads=heads, row_heads=2)
    numeric = tuple(name not in ("tactic", "tier", "grade", "do") for name in kinds)
    return dataclasses.replace(view, numeric=numeric, frame=result.table.reset_index(drop=True))


def _beside(raw: float, said: tuple[str, str]) -> str:
    """Write a raw number with the decimals of the pooled one that it stands beside."""
    if not math.isfinite(raw):
        return "unknown"
    return words.say_number(raw, decimals=len(said[0].partition(".")[2])) if "." in said[0] else words.say_number(raw)


def _say_cell(row: pd.Series) -> str:
    said = words.say_estimate(row["estimate"], row["conf_low"], row["conf_high"], row["n"], kind="number")
    return f"{row['tactic']} in {row['tier']}: {said}, {row['action']}."


def page_headline(result: TacticComparison) -> str:
    """Name the cells that may be named, at most three."""
    looked, named = words.plural(result.cells, "cell"), result.flagged
    if named.empty:
        return f"Of {looked} looked at, none shows an effect that could not be chance or managers' choice"
    first = named.reindex(named["estimate"].abs().sort_values(ascending=False, kind="stable").index).head(3)
    unit = result.verdicts[0].stakes.unit
    said = "; ".join(f"{row['tactic']} likely {row['finding']} {unit} in {row['tier']}, {_said(row)}" for _, row in first.iterrows())
    more = f" and {len(named) - len(first)} more" if len(named) > len(first) else ""
    return f"Of {looked} looked at, {len(named)} may be named: {said}{more}"


_HEAD, _NAME, _BOX = 34.0, 20.0, 46.0
_FILLS = {"keep": style.blend(0.16), "extend": style.blend(0.16), "stop": "#f9e3d8", "test": style.PAPER}


def page_height(tactics: list[str]) -> float:
    """Height of the sheet that `paint_page` fills."""
    return _HEAD + len(tactics) * (_NAME + _BOX + 6) + 6


def paint_page(canvas: Canvas, *, table: pd.DataFrame, tactics: list[str], tiers: list[str]) -> None:
    """Draw a block for each tactic and in it a box for each tier: pooled effect, interval, what to do."""
    axes = canvas.axes(0, 0, canvas.width, canvas.height)
    axes.set_xlim(0, canvas.width)
    axes.set_ylim(canvas.height, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    wide = (canvas.width - 12) / len(tiers)
    for column, tier in enumerate(tiers):
        for line, text in enumerate(wrap(tier, width=wide - 8, size=style.SMALL, most=2)):
            canvas.words(6 + wide * (column + 0.5), 12 + 13 * line, text, size=style.SMALL, ha="center", colour=style.MUTED)
    for place, tactic in enumerate(tactics):
        top = _HEAD + place * (_NAME + _BOX + 6)
        canvas.words(6, top + 14, shorten(tactic, width=canvas.width - 12), weight="bold")
        for column, tier in enumerate(tiers):
            found = table[(table["tactic"] == tactic) & (table["tier"] == tier)]
            _box(canvas, axes, None if found.empty else found.iloc[0], left=6 + wide * column, top=top + _NAME, wide=wide - 4)


def _box(canvas: Canvas, axes: object, row: pd.Series | None, *, left: float, top: float, wide: float) -> None:
    from matplotlib.patches import Rectangle

    known = row is not None and math.isfinite(row["estimate"])
    action = str(row["action"]) if known else ""
    fill = _FILLS.get(action, style.PAPER)
    axes.add_patch(Rectangle((left, top), wide, _BOX, facecolor=fill, edgecolor=style.PALE, linewidth=0.8))
    middle = left + wide / 2
    if not known:
        for line, text in enumerate(("not enough", f"data (n = {words.say_count(0 if row is None else row['n'])})")):
            canvas.words(middle, top + 20 + 13 * line, text, size=style.SMALL, ha="center", colour=style.MUTED)
        return
    estimate, interval = words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    believed = row["grade"] in ("A", "B")
    ink, weight = (style.INK, "bold") if believed else (style.MUTED, "normal")
    canvas.words(middle, top + 14, estimate, ha="center", weight=weight, colour=ink)
    canvas.words(middle, top + 27, shorten(interval, width=wide - 2, size=style.SMALL), size=style.SMALL, ha="center", colour=ink)
    canvas.words(middle, top + 40, action, size=style.SMALL, ha="center", weight="normal" if action == "test" else "bold")


@tabulate.register(NextPartners)
def _next_table(result: NextPartners, *, caption: str = "", rows: int | None = None, names: Mapping[str, str] | None = None) -> TableView:
    """Write the uplift list: who, expected of it, how many like it had it, what it pays, and what stands in the way."""
    table = result.table.head(rows) if rows else result.table
    said = [words.say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number") for _, row in table.iterrows()]
    known = table["estimate"].notna().to_numpy()
    uplift = [f"{pair[0]} ({pair[1]})" if seen else "cannot be told" for pair, seen in zip(said, known, strict=True)]
    shown = pd.DataFrame(
        {
            "partner": [str((names or {}).get(partner, partner)) for partner in table["partner"]], "tier": table["tier"],
            "uplift": uplift, "like": table["like"], "chance": table["chance"], "pays": table["pays"],
            "net_value": table["net_value"], "why": table["why"].fillna(""),
        }
    )  # fmt: skip
    kinds = {"partner": "text", "tier": "text", "uplift": "text", "like": "count", "chance": "share", "pays": "share",
             "net_value": "number", "why": "text"}  # fmt: skip
    if not np.isfinite(result.break_even):
        kinds = {name: kind for name, kind in kinds.items() if name not in ("pays", "net_value")}
    if not shown["why"].astype(bool).any():
        kinds.pop("why")
    heads = {"uplift": f"expected {result.unit} more per partner-quarter", "like": "rows like it with the tactic",
             "chance": "chance that managers give it", "net_value": f"net value, {result.currency}".rstrip(", "),
             "why": "what stands in the way"}  # fmt: skip
    view = table_view(shown, caption=caption or result.estimand, kinds=kinds, heads=heads)
    return dataclasses.replace(view, frame=result.table.reset_index(drop=True))
