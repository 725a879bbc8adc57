"""Small tables that a page needs beside those of results: sizes, indicators, tiers by quarter, reasons, one row a partner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.panel import Panel
from partnerlab.tiers import REASONS, Outside, TierHistory, TierScheme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from partnerlab.intake import DataQuality
    from partnerlab.scoring import Scores
    from partnerlab.show import Picture
    from partnerlab.spells import Spells
    from partnerlab.tiers import Explanation

#: Attributes by which groups are compared when nobody names one, in this order.
USUAL = ("region", "partner_type", "segment", "country")
FEWEST_GROUPS, MOST_GROUPS = 2, 8


def tabulate_findings(quality: DataQuality) -> pd.DataFrame:
    """List what breaks the contract: ``where, rule, grade, rows, share, meaning, action, example``; the worst first."""
    table = quality.table
    where = table["table"].astype("str") + "." + table["column"].astype("str")
    example = table["examples"].astype("str").str.split(";", n=1).str[0].str.slice(0, 80)
    return pd.concat(
        [where.rename("where"), table[["rule", "grade", "rows", "share", "meaning", "action"]], example.rename("example")], axis=1
    )


def tabulate_sizes(quality: DataQuality) -> pd.DataFrame:
    """Rows of each table: ``table, rows, findings``."""
    findings = quality.table[quality.table["rows"] > 0].groupby("table").size()
    table = pd.DataFrame({"table": list(quality.tables), "rows": list(quality.tables.values())})
    return table.assign(findings=table["table"].map(findings).fillna(0).astype(np.int64))


def tabulate_indicators(panel: Panel, *, quarter: str, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Describe indicators in a quarter: ``indicator, unit, kind, known, unknown, lower_quarter, median, upper_quarter, meaning``."""
    column = panel.column(quarter)
    member = panel.member[:, column]
    rows = []
    for name in [name for name in (names if names is not None else panel.indicators.names) if panel.known(name)]:
        indicator = panel.indicator(name)
        values = panel.values(name)[member, column]
        known = values[~np.isnan(values)]
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else (np.nan,) * 3
        rows.append(
            {
                "indicator": name, "unit": indicator.unit, "kind": str(indicator.kind),
                "known": len(known), "unknown": int(len(values) - len(known)),
                "lower_quarter": low, "median": middle, "upper_quarter": high, "meaning": indicator.meaning,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def first_indicator(panel: Panel, *, scheme: TierScheme) -> str:
    """Name the first indicator that the scheme reads; the panel's first if it reads none."""
    return next((name for name in scheme.needs() if panel.known(name)), panel.indicators.names[0])


def money_indicators(panel: Panel) -> list[str]:
    """Names of the indicators that are money."""
    return [name for name in panel.indicators.names if panel.indicator(name).money]


def load_scores(history: TierHistory) -> Scores:
    """Give the scores under a history.

    Raises
    ------
    SampleError
        If the scheme makes none.
    """
    if history.scores is None or not history.scores.values:
        raise SampleError("the scheme reads its indicators as they are and joins none of them into a score")
    return history.scores


def tabulate_scores(scores: Scores, *, quarter: str) -> pd.DataFrame:
    """Describe scores in a quarter: ``score, known, unknown, lower_quarter, median, upper_quarter``."""
    column = scores.panel.column(quarter)
    member = scores.panel.member[:, column]
    rows = []
    for name, values in scores.values.items():
        known = values[member, column]
        known = known[~np.isnan(known)]
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else (np.nan,) * 3
        rows.append(
            {
                "score": name,
                "known": len(known),
                "unknown": int(member.sum() - len(known)),
                "lower_quarter": low,
                "median": middle,
                "upper_quarter": high,
            }
        )
    return pd.DataFrame(rows)


def tabulate_tiers(history: TierHistory) -> pd.DataFrame:
    """Partners in each tier, a column for each, latest quarter first."""
    wide = history.counts().pivot(index="quarter", columns="tier", values="partners")
    order = [tier for tier in (*history.tiers, "unknown") if tier in wide.columns and (tier != "unknown" or wide[tier].any())]
    wide = wide.reindex(index=history.labels[::-1], columns=order)
    wide["in_a_tier"] = wide[[tier for tier in order if tier != "unknown"]].sum(axis=1)
    return wide.reset_index().rename_axis(columns=None)


def tabulate_reasons(history: TierHistory, *, quarter: str) -> pd.DataFrame:
    """How many partners' published tier is what it is for which reason: ``reason, partners``."""
    column = history.column(quarter)
    codes = history.reasons[history.published[:, column] >= -1, column]
    counts = np.bincount(codes.astype(np.int64), minlength=len(REASONS))
    table = pd.DataFrame({"reason": list(map(str, REASONS)), "partners": counts[: len(REASONS)]})
    return table[table["partners"] > 0].sort_values("partners", ascending=False, ignore_index=True)


def tabulate_explanation(explanation: Explanation) -> pd.DataFrame:
    """Each condition with value, line and gap, where the value comes from and who can change it; prerequisites say what they open."""
    table = explanation.table.rename(columns={"latest": "last_seen"})
    opens = ["opens"] if (table["opens"] != "").any() else []
    return table[["tier", "condition", *opens, "value", "line", "gap", "status", "source", "last_seen", "changeable"]]


def list_partners(history: TierHistory, *, quarter: str) -> pd.DataFrame:
    """One row for each member: ``partner``, who it is, tiers now and a quarter before."""
    column = history.column(quarter)
    member = history.published[:, column] >= -1
    known = [name for name in ("name", "region", "partner_type") if name in history.attributes.columns]
    table = pd.DataFrame({"partner": history.partners, **{name: history.attributes[name].to_numpy() for name in known}})
    table["tier"] = history.names(history.published[:, column])
    if column:
        table["quarter_before"] = history.names(history.published[:, column - 1])
    order = np.where(history.published[:, column] < 0, 99, history.published[:, column])
    return table.assign(_order=order)[member].sort_values(["_order", "partner"], ignore_index=True).drop(columns="_order")


def find_borderline(history: TierHistory, *, quarter: str) -> str:
    """Name the partner whose numbers lie nearest to a line: one worth explaining.

    Nearness is the gap as a share of the line. Of recorded tiers, which have no lines, it is the first partner that
    moved, or the first in the best tier.

    Raises
    ------
    SampleError
        If nobody holds a tier.
    """
    column = history.column(quarter)
    codes = history.published[:, column]
    near = _nearness(history, column)
    if not np.isnan(near).all():
        return str(history.partners[np.nanargmin(near)])
    if column:
        moved = np.flatnonzero((codes >= 0) & (history.published[:, column - 1] >= 0) & (codes != history.published[:, column - 1]))
        if len(moved):
            return str(history.partners[moved[0]])
    holding = np.flatnonzero(codes >= 0)
    if not len(holding):
        raise SampleError(f"nobody holds a tier in {quarter}")
    return str(history.partners[holding[np.argmin(codes[holding])]])


def _nearness(history: TierHistory, column: int) -> np.ndarray:
    """Smallest gap of each partner in a tier to any line, as a share of that line, shape ``(n,)``; NaN where there is none."""
    from partnerlab.tiers.lines import scheme_lines

    found = np.full(len(history.partners), np.inf)
    if history.scores is not None and history.scheme is not None and history.scheme.kind != "recorded":
        for one in scheme_lines(history):
            line = one.line[:, column]
            with np.errstate(divide="ignore", invalid="ignore"):
                gap = np.abs(one.values[:, column] - line) / np.abs(line)
            found = np.fmin(found, gap)
    return np.where(np.isfinite(found) & (history.published[:, column] >= 0), found, np.nan)


def build_stays(history: TierHistory) -> Spells:
    """Cut the history into stays in the program.

    Raises
    ------
    SampleError
        If nobody is ever seen to leave: a curve that never falls would be made up.
    """
    from partnerlab.spells import build_spells

    if not (history.published == Outside.LAPSED).any():
        raise SampleError("these data record no partner leaving")
    return build_spells(history)


def choose_attribute(stop: TierHistory | Panel) -> str:
    """Name the attribute by which groups are compared: the first usual one with two to eight values.

    Raises
    ------
    SampleError
        If there is none.
    """
    for name in USUAL:
        if name in stop.attributes.columns and FEWEST_GROUPS <= stop.attributes[name].nunique() <= MOST_GROUPS:
            return name
    raise SampleError(f"partners have no attribute with {FEWEST_GROUPS} to {MOST_GROUPS} values to be compared by ({', '.join(USUAL)})")


def plot_quadrant(history: TierHistory, *, quarter: str) -> Picture:
    """Draw partners on the two axes of a quadrant scheme.

    Raises
    ------
    SampleError
        If the scheme is of another kind.
    """
    from partnerlab.show import plot

    if history.scheme is None or history.scheme.kind != "quadrant":
        raise SampleError("the scheme has no two axes to draw partners on")
    return plot(history, view="quadrant", quarter=quarter)
