"""Pictures of a tier history: how many partners are in each tier, where they stand, and where they went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from partnerlab import words
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.show import claims, style
from partnerlab.show.canvas import Canvas
from partnerlab.show.marks import last_full, quarter_axis
from partnerlab.show.picture import Picture, picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView, table_view
from partnerlab.show.tabulation import tabulate
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory

VIEWS = ("counts", "quadrant", "flows")


@plot.register(TierHistory)
def _history(history: TierHistory, *, view: str = "counts", **options: Any) -> Picture:
    if view not in VIEWS:
        raise ParameterError(f"a tier history has no view {view!r}{nearest(view, VIEWS)}", view=view)
    if view == "counts":
        return plot_counts(count_tiers(history, **options), partial=_partial(history))
    if view == "quadrant":
        from partnerlab.show.quadrants import plot_quadrant

        return plot_quadrant(history, **options)
    from partnerlab.show.rivers import plot_flows

    return plot_flows(history, **options)


@tabulate.register(TierHistory)
def _history_table(history: TierHistory, *, stage: str = "published", caption: str = "", rows: int | None = None) -> TableView:
    counts = count_tiers(history, stage=stage)
    wide = counts.pivot(index="quarter", columns="tier", values="partners")[list(dict.fromkeys(counts["tier"]))].reset_index()
    wide = wide.tail(rows) if rows else wide
    kinds = {column: "text" if column == "quarter" else "count" for column in wide.columns}
    return table_view(wide, caption=caption or f"Partners in each tier, {stage}, at the end of each quarter", kinds=kinds)


def count_tiers(history: TierHistory, *, stage: str = "published") -> pd.DataFrame:
    """Partners in each tier at the end of each quarter, and how many came and left since the quarter before.

    Returns
    -------
    DataFrame
        ``quarter, tier, partners, came, left``, tiers in order within quarters.
    """
    codes = getattr(history, stage)
    partners, came, left = (np.zeros((len(history.tiers), codes.shape[1]), dtype=np.int64) for _ in range(3))
    for tier in range(len(history.tiers)):
        here = codes == tier
        partners[tier] = here.sum(axis=0)
        came[tier, 1:] = (here[:, 1:] & ~here[:, :-1]).sum(axis=0)
        left[tier, 1:] = (~here[:, 1:] & here[:, :-1]).sum(axis=0)
    frame = pd.DataFrame({"quarter": np.repeat(history.labels, len(history.tiers)), "tier": list(history.tiers) * len(history.labels)})
    frame["partners"], frame["came"], frame["left"] = partners.T.ravel(), came.T.ravel(), left.T.ravel()
    unknown = (codes == Outside.UNKNOWN).sum(axis=0)
    if unknown.any():
        extra = pd.DataFrame({"quarter": history.labels, "tier": "unknown", "partners": unknown, "came": 0, "left": 0})
        frame = pd.concat([frame, extra], ignore_index=True).sort_values("quarter", kind="stable", ignore_index=True)
    return frame


def plot_counts(counts: pd.DataFrame, *, partial: Sequence[str] = ()) -> Picture:
    """Draw how many partners are in each tier: one row of bars for each tier, the last full quarter marked.

    Parameters
    ----------
    counts : DataFrame
        ``quarter, tier, partners, came, left``.
    partial : sequence of str
        Quarters that the data cover only in part.
    """
    labels = list(dict.fromkeys(counts["quarter"]))
    tiers = [tier for tier in dict.fromkeys(counts["tier"]) if tier != "unknown"]
    if not labels or counts["partners"].sum() == 0:
        raise SampleError("no partner is in a tier in any quarter; nothing to draw")
    now = last_full(labels, partial)
    last = counts[counts["quarter"] == labels[now]].set_index("tier")
    row = 62.0

    def paint(canvas: Canvas) -> None:
        for index, tier in enumerate(tiers):
            values = counts.loc[counts["tier"] == tier, "partners"].to_numpy()
            _tier_row(
                canvas,
                14 + index * row,
                tier,
                values,
                labels=labels,
                said=_said(last.loc[tier]),
                now=now,
                last=index == len(tiers) - 1,
                partial=partial,
            )

    numbers = "; ".join(f"{tier} {words.say_count(last.loc[tier, 'partners'])} ({_said(last.loc[tier])})" for tier in tiers)
    compared = f" since {labels[now - 1]}" if now else ""
    unknown = counts.loc[(counts["tier"] == "unknown") & (counts["quarter"] == labels[now]), "partners"].sum()
    note = "Each row has its own scale, from zero. Up and down: those who came and left differ by more than chance (95 % for each tier)"
    return picture(
        paint,
        height=14 + row * len(tiers) + 16,
        headline=_counts_headline(last.loc[tiers], labels[now], compared=now > 0),
        alt=f"Bars, one row for each tier, {words.say_period(labels)}. In {labels[now]}: {numbers}{compared}.",
        units="partners at the end of each quarter",
        n=int(last["partners"].sum()),
        period=words.say_period(labels) + (f" ({words.say_list(list(partial))} only in part, hatched)" if len(partial) else ""),
        note=note + (f". {words.plural(unknown, 'partner')} of unknown tier not drawn" if unknown else ""),
        table=counts.reset_index(drop=True),
    )


def _said(row: pd.Series) -> str:
    net = int(row["came"] - row["left"])
    direction = claims.direction(*claims.net_change(int(row["came"]), int(row["left"])))
    return direction if direction == "no clear change" else f"{direction} {abs(net)}"


def _counts_headline(last: pd.DataFrame, quarter: str, *, compared: bool) -> str:
    if not compared:
        return f"{words.plural(last['partners'].sum(), 'partner')} in {words.plural(len(last), 'tier')} in {quarter}"
    clear = [(tier, row) for tier, row in last.iterrows() if _said(row) != "no clear change"]
    if not clear:
        return f"No tier changed clearly in {quarter}: as many partners came as left, give or take chance"
    clear.sort(key=lambda pair: -abs(pair[1]["came"] - pair[1]["left"]))
    parts = [f"{tier} {_said(row)} to {words.say_count(row['partners'])}" for tier, row in clear[:3]]
    if len(clear) > 3:
        return f"{', '.join(parts)} in {quarter}; {words.plural(len(clear) - 3, 'other tier')} changed clearly too"
    rest = "; no clear change in the other tiers" if len(last) > len(clear) else ""
    return f"{words.say_list(parts)} in {quarter}{rest}"


def _tier_row(  # noqa: PLR0913 - one row of a picture
    canvas: Canvas,
    top: float,
    tier: str,
    values: np.ndarray,
    *,
    labels: Sequence[str],
    said: str,
    now: int,
    last: bool,
    partial: Sequence[str],
) -> None:
    canvas.words(6, top, tier, weight="bold")
    canvas.words(canvas.width - 6, top, f"{words.say_count(values[now])}, {said}", ha="right")
    axes = canvas.axes(6, top + 7, canvas.width - 12, 36)
    colours = [style.ACCENT if place == now else style.PALE for place in range(len(values))]
    bars = axes.bar(range(len(values)), values, width=0.78, color=colours, linewidth=0)
    for bar, label in zip(bars, labels, strict=True):
        if label in partial:
            bar.set(hatch="////", edgecolor=style.PAPER)
    axes.set_ylim(0, max(values.max(), 5))  # one partner more or less is no tower
    axes.set_yticks([])
    quarter_axis(axes, labels)
    if not last:
        axes.set_xticks([])


def _partial(history: TierHistory) -> list[str]:
    return [label for label, part in zip(history.labels, history.partial, strict=True) if part]
