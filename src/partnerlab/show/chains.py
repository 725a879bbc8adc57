"""Pictures of what stands behind one matrix: segments that borrow strength, rows that differ by group, drift in mix and rates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import SampleError
from partnerlab.results import TIDY
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas, shorten
from partnerlab.show.marks import interval_mark, reach_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView
from partnerlab.show.tabulation import estimates_view, tabulate
from partnerlab.transitions import ChainCheck, DriftEstimate, PooledTransitions
from partnerlab.transitions.drift import MOVED

LEFT, LINE, HEAD = 118.0, 18.0, 24.0
#: A part of a change that is less than this share of it is not named as what changed.
LEAST_PART = 0.1
#: Room for the names of tiers alone.
WIDE = 148.0


@plot.register(PooledTransitions)
def _pooled(result: PooledTransitions, *, period: str = "") -> Picture:
    """Draw, for each tier, the share who stay in each segment: alone, and with what it borrows."""
    stays = result.table[(result.table["from_tier"] == result.table["to_tier"]) & result.table["from_tier"].isin(result.tiers)]
    stays = stays.reset_index(drop=True)
    if stays.empty:
        raise SampleError("nobody was at risk of moving between tiers; nothing to draw")
    tiers, groups = list(dict.fromkeys(stays["from_tier"])), stays[result.by].nunique()
    block = HEAD + LINE * groups
    least = max(np.floor(10 * float(np.nanmin(stays[["conf_low", "raw"]].to_numpy()))) / 10 - 0.05, 0.0)

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(LEFT, 6, canvas.width - LEFT - 128, block * len(tiers))
        axes.set_ylim(block * len(tiers), 0)
        axes.set_yticks([])
        reach_axis(axes, low=least, high=1, kind="share", ticks=4)
        canvas.words(canvas.width - 6, 14, "borrowed, at risk", size=10, colour=style.MUTED, ha="right")
        for index, tier in enumerate(tiers):
            canvas.words(6, 6 + block * index + 15, tier, weight="bold", size=style.SMALL)
            for step, (_, row) in enumerate(stays[stays["from_tier"] == tier].iterrows()):
                _pooled_row(canvas, axes, HEAD + block * index + LINE * (step + 0.5), row, by=result.by)

    said = "; ".join(
        f"{row['from_tier']}, {row[result.by]}: {_say(row)}, {words.say_share(row['weight'])} borrowed" for _, row in stays.iterrows()
    )
    return picture(
        paint,
        height=6 + block * len(tiers) + 24,
        headline=_pooled_headline(stays, by=result.by, level=1 - (1 - result.level) / len(tiers)),
        alt=f"Dots with intervals, share of partners staying in their tier for a quarter by {result.by}, shrunken and raw. {said}.",
        units="share staying in the tier, one quarter later; n counts partner-quarters at risk",
        n=int(stays["n"].sum()),
        period=period or words.say_period(list(result.quarters)) if all(result.quarters) else period or "all pairs",
        note=f"Dots with {100 * result.level:g}{words.NBSP}% intervals: with what the segment borrows from all; "
        "rings: the segment alone; at the right the share that is borrowed",
        table=result.table,
    )


def _pooled_row(canvas: Canvas, axes: object, place: float, row: pd.Series, *, by: str) -> None:
    canvas.words(12, 6 + place + 4, shorten(str(row[by]), width=LEFT - 22, size=style.SMALL), size=style.SMALL)
    interval_mark(axes, place, row["conf_low"], row["conf_high"], row["estimate"], size=6)
    if not np.isnan(row["raw"]):
        axes.plot([row["raw"]], [place], marker="o", markersize=6.5, markerfacecolor="none", color=style.MUTED, zorder=5, clip_on=False)
    said = f"{words.say_share(row['weight'])}, {words.say_n(row['n'])}"
    canvas.words(canvas.width - 6, 6 + place + 4, said, size=10, colour=style.MUTED, ha="right")


def _pooled_headline(stays: pd.DataFrame, *, by: str, level: float) -> str:
    apart = []
    for tier, rows in stays.groupby("from_tier", sort=False):
        low, high, clear = claims.furthest_apart(rows, level=level)
        if clear:
            apart.append((high["estimate"] - low["estimate"], tier, high, low))
    if not apart:
        return f"In no tier does staying differ clearly by {by.replace('_', ' ')}, once sparse segments borrow from all"
    _, tier, high, low = max(apart, key=lambda found: found[0])
    return f"{tier} is kept best in {high[by]}, {_say(high)}, and least in {low[by]}, {_say(low)}"


def _say(row: pd.Series) -> str:
    return words.say_estimate(*row[["estimate", "conf_low", "conf_high", "n"]], kind="share")


@tabulate.register(PooledTransitions)
def _pooled_table(result: PooledTransitions, *, caption: str = "", rows: int | None = None) -> TableView:
    shown = result.table[[*result.keys, *TIDY, "weight", "raw"]]
    view = shown.rename(columns={"weight": "share_borrowed", "raw": "share_alone"})
    return estimates_view(view, keys=result.keys, kind="share", level=result.level, caption=caption or result.estimand, rows=rows)


@plot.register(ChainCheck)
def _chain(result: ChainCheck, *, period: str = "all pairs") -> Picture:
    """Draw how far rows of the groups are from one another, beside what one matrix would show."""
    table = result.table.dropna(subset=["estimate"]).query("df > 0").reset_index(drop=True)
    if table.empty:
        raise SampleError("this check measures no distance; read its verdict and its table")
    top = max(float(table[["estimate", "by_chance"]].max().max()) * 1.25, 0.02)

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(WIDE, 20, canvas.width - WIDE - 96, LINE * 1.3 * len(table))
        axes.set_ylim(LINE * 1.3 * len(table), 0)
        axes.set_yticks([])
        reach_axis(axes, low=0, high=top, kind="share")
        canvas.words(canvas.width - 6, 14, _p_head(result), size=10, colour=style.MUTED, ha="right")
        for step, row in enumerate(table.itertuples()):
            place = LINE * 1.3 * (step + 0.5)
            weight = "bold" if step == 0 else "normal"
            canvas.words(6, 20 + place + 4, shorten(row.from_tier, width=WIDE - 12, size=style.SMALL), size=style.SMALL, weight=weight)
            axes.plot([0, row.estimate], [place, place], color=style.ACCENT, linewidth=3.0, solid_capstyle="butt", zorder=3)
            axes.plot([row.estimate], [place], marker="o", markersize=6.5, color=style.ACCENT, zorder=4)
            if not np.isnan(row.by_chance):
                axes.plot([row.by_chance] * 2, [place - 6, place + 6], color=style.INK, linewidth=1.6, zorder=5)
            canvas.words(canvas.width - 6, 20 + place + 4, _p_words(row), size=10, colour=style.MUTED, ha="right")

    said = "; ".join(f"{row.from_tier}: {words.say_share(row.estimate)}, by chance {_chance(row)}" for row in table.itertuples())
    return picture(
        paint,
        height=20 + LINE * 1.3 * len(table) + 26,
        headline=result.verdict.split(" (X2")[0].split(". Within")[0],
        alt=f"{result.question} Dots, share of moves that would have to be others for the groups to be alike. {said}.",
        units="share of moves that would have to be others for the groups to be alike",
        n=int(table["n"].iloc[0]),
        period=period,
        note="Dot: as seen; upright line: what one matrix would show by chance" if result.table["by_chance"].notna().any() else "",
        table=result.table,
    )


def _p_head(result: ChainCheck) -> str:
    return "p, partners whole" + (" / within" if result.table["p_within"].notna().any() else "")


def _p_words(row: object) -> str:
    known = [value for value in (row.p_clustered, row.p_within) if not np.isnan(value)] or [row.p_value]
    return " / ".join("<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0") for value in known)


def _chance(row: object) -> str:
    return "unknown" if np.isnan(row.by_chance) else words.say_share(row.by_chance)


@plot.register(DriftEstimate)
def _drift(result: DriftEstimate, *, period: str = "") -> Picture:
    """Draw what mix and rates did to each move."""
    parts = result.table[result.table["part"].isin(["change", "mix", "rates"])]
    parts = parts[parts["conf_low"].notna()]
    if parts.empty:
        raise SampleError("no part of the change has an interval; nothing to draw")
    tiers = list(dict.fromkeys(parts["to_tier"]))
    reach = float(np.nanmax(np.abs(parts[["conf_low", "conf_high", "estimate"]].to_numpy()))) * 1.1 or 0.01
    block = HEAD + 3 * LINE

    def paint(canvas: Canvas) -> None:
        axes = canvas.axes(LEFT, 6, canvas.width - LEFT - 30, block * len(tiers))
        axes.set_ylim(block * len(tiers), 0)
        axes.set_yticks([])
        reach_axis(axes, low=-100 * reach, high=100 * reach, kind="number")
        axes.axvline(0, color=style.INK, linewidth=1.0, zorder=2)
        for index, tier in enumerate(tiers):
            canvas.words(6, 6 + block * index + 15, tier if tier == MOVED else f"to {tier}", weight="bold", size=style.SMALL)
            for step, (_, row) in enumerate(parts[parts["to_tier"] == tier].iterrows()):
                place = HEAD + block * index + LINE * (step + 0.5)
                name = {"change": "change in all", "mix": "other mix", "rates": "other rates"}[row["part"]]
                canvas.words(12, 6 + place + 4, name, size=style.SMALL)
                colour = style.INK if row["part"] == "change" else style.ACCENT
                low, high, middle = (100 * row[name] for name in ("conf_low", "conf_high", "estimate"))
                interval_mark(axes, place, low, high, middle, size=6, colour=colour)

    said = "; ".join(f"{row['to_tier']}, {row['part']}: {_points(row)}" for _, row in parts.iterrows())
    return picture(
        paint,
        height=6 + block * len(tiers) + 26,
        headline=drift_headline(result),
        alt=f"Dots with intervals, change of the share of partners that end a quarter in a tier, split in mix and rates. {said}.",
        units=f"percentage points of the partner-quarters that end in the tier, from {result.since} on against before",
        n=int(parts["n"].iloc[0]),
        period=period or words.say_period(list(result.quarters)),
        note=f"Bars are {100 * result.level:g}{words.NBSP}% intervals. Mix: more partners in tiers that make the move; "
        "rates: partners of a tier make it more often",
        table=result.table,
    )


def drift_headline(result: DriftEstimate) -> str:
    """Say what is known of the change of any move, and of its parts; never beyond the intervals."""
    rows = result.table[result.table["to_tier"] == MOVED].set_index("part")
    change = rows.loc["change"]
    if np.isnan(change["conf_low"]):
        return f"Whether partners move more or less often from {result.since} on: {words.say_not_enough(change['n'])}"
    if not _clear(change):
        return f"Whether partners move more or less often from {result.since} on cannot be told: {_points(change)}"
    way = "more" if change["estimate"] > 0 else "less"
    # a part that is clear and yet hardly any of the change is no cause of it
    causes = [name for name in ("mix", "rates") if _clear(rows.loc[name]) and rows.loc[name, "estimate"] / change["estimate"] > LEAST_PART]
    why = {"mix": "the mix of tiers", "rates": "what partners of a tier do"}
    clear = f"; it is {' and '.join(why[name] for name in causes)} that changed" if causes else "; mix and rates cannot be told apart"
    return f"From {result.since} on partners move {way} often, {_points(change)}{clear}"


def drift_parts(result: DriftEstimate) -> str:
    """Say what the mix of tiers and what partners of a tier do make of the change of any move, with their intervals."""
    rows = result.table[result.table["to_tier"] == MOVED].set_index("part")
    if rows.loc[["change", "mix", "rates"], "conf_low"].isna().any():
        return drift_headline(result)
    mix, rates = (_points(rows.loc[name]) for name in ("mix", "rates"))
    return f"From {result.since} on the mix of tiers adds {mix} to the share that moves, and what partners of a tier do {rates}"


def _clear(row: pd.Series) -> bool:
    return bool(row["conf_low"] > 0 or row["conf_high"] < 0)


def _points(row: pd.Series) -> str:
    middle, low, high = (_signed(100 * row[name]) for name in ("estimate", "conf_low", "conf_high"))
    return f"{middle} points ({low} to {high})"


def _signed(value: float) -> str:
    return f"{'+' if round(value, 1) > 0 else ''}{words.say_number(value, decimals=1)}"
