"""What lies ahead of a tier: how early the next can be held, what could lose this one, and where a moving line may lie."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.scoring import kleene
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.stats.inference.quantiles import quantile_interval
from partnerlab.tiers.assign import ladder_target, tenure_before
from partnerlab.tiers.behind import facts_behind
from partnerlab.tiers.classify import Bands, Ladder, Quadrant
from partnerlab.tiers.codes import REASONS, Outside, Reason
from partnerlab.tiers.history import TierHistory
from partnerlab.tiers.movement import Rules, best_within, heights, hold_tiers, review_periods
from partnerlab.tiers.outlook import facts_ahead, why_lost
from partnerlab.tiers.raw import moved_lines
from partnerlab.tiers.requirements import tier_rows

if TYPE_CHECKING:
    from partnerlab.intake.source import Source

OUTLOOK = ("tier", "condition", "fact", "value", "next", "lost_in", "why", "holds")

#: How many periods are looked ahead at least.
AHEAD = 4


def look_ahead(one: TierHistory, *, tier: str, source: Source | None) -> pd.DataFrame:
    """Conditions of a tier that are met in the last period and change when nothing new happens.

    Parameters
    ----------
    one : TierHistory
        Of one partner, up to the period that is explained.
    tier : str
        The tier held.
    source : Source or None
        Tells when certificates end.

    Returns
    -------
    DataFrame
        ``tier, condition, fact, value, next, lost_in, why, holds``; ``lost_in`` is empty where the condition still holds in
        all periods ahead. Conditions that do not hold now are those of a tier that movement rules still hold (``why``), and
        ``lost_in`` is the period in which it falls if the data stay as they are.
    """
    scheme, here = one.scheme, one.shape[1] - 1
    ahead = max([AHEAD, *(indicator.window for indicator in one.scores.panel.indicators.indicators.values())])
    facts = facts_ahead(one, ahead=ahead, source=source)
    axes = {}
    for name in ("x", "y") if isinstance(scheme.classify, Quadrant) else ():
        view = one.axis(name)
        axes[name] = dataclasses.replace(view, values=facts.number(view.name), line=np.pad(view.line, ((0, 0), (0, ahead)), mode="edge"))
    periods = [tier_rows(scheme, tier, axes, facts, column) for column in range(here, here + ahead + 1)]
    found = []
    for now, *later in zip(*periods, strict=True):
        # under "any" another way may hold by then: what is no longer needed is not lost
        lost = next((step for step, row in enumerate(later, start=1) if row["status"] != "met" and row["needed"]), None)
        changes = later[0]["value"] != now["value"] and not (pd.isna(later[0]["value"]) and pd.isna(now["value"]))
        if now["status"] == "met" and now["needed"] and (lost or (changes and later[0]["needed"])):
            when = facts.panel.labels[here + lost] if lost else ""
            why = why_lost(facts, str(now["fact"]), sustained=bool(now["sustained"]))
            found.append((tier, now["condition"], now["fact"], now["value"], later[0]["value"], when, why, True))
    found += _failed(one, tier, periods[0], periods[1])
    return pd.DataFrame(found, columns=list(OUTLOOK)).astype({"value": float, "next": float, "holds": bool})


def _failed(one: TierHistory, tier: str, now: list[dict[str, object]], later: list[dict[str, object]]) -> list[tuple[object, ...]]:
    """Conditions that have failed already, of a tier that only the movement rules still hold."""
    when, why = coming_fall(one, one.shape[1] - 1)[1], REASONS[one.reasons[0, -1]]
    failed = [(row, then["value"]) for row, then in zip(now, later, strict=True) if row["status"] == "not met" and row["needed"]]
    return [(tier, row["condition"], row["fact"], row["value"], value, when, why, False) for row, value in failed if when]


def earliest_held(one: TierHistory, rows: pd.DataFrame, column: int) -> dict[str, str]:
    """Find the first period in which each tier above can be held, if all that is missing is done from the next one on.

    The movement rules are walked again over what the partner had and would then have: confirmation, cadence
    and steps count as they will.

    Parameters
    ----------
    one : TierHistory
        Of one partner.
    rows : DataFrame
        Conditions, with ``wait``: periods until each can be met.
    column : int
        The period that is explained.

    Returns
    -------
    mapping of tier to period
        Without the tiers that even two years of it would not give.
    """
    height, past, found = heights(one.rank), _headed_for(one, column), {}
    for tier, mine in rows.groupby("tier", sort=False):
        code = one.tiers.index(str(tier))
        if code == one.held[0, column]:
            continue
        todo = mine.loc[mine["needed"].astype(bool) & (mine["status"] != "met"), "wait"]
        wait = int(todo.max()) if len(todo) else 1
        ahead = wait + 2 * 12 // one.calendar.months
        codes = np.concatenate([past, np.repeat(past[-1], wait - 1), np.repeat(np.int8(code), ahead - wait + 1)])[None, :]
        held = _held_then(one, codes.astype(np.int8), height)[0, column + 1 :]
        reached = np.flatnonzero((held >= 0) & (height[held] >= height[code]))
        if len(reached):
            found[str(tier)] = one.calendar.label(one.first + column + 1 + int(reached[0]))
    return found


def _held_then(
    one: TierHistory, codes: np.ndarray, height: np.ndarray, *, moved: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """Tiers held by the movement rules, if the data said these, and ``moved`` by harder and easier lines."""
    movement, months = one.scheme.movement, one.calendar.months
    headed, *lines = (best_within(stage, window=movement.ever_within, height=height) for stage in (codes, *(moved or ())))
    periods = np.arange(one.first, one.first + codes.shape[1])
    rules = Rules(
        movement=movement,
        height=height,
        target=ladder_target(headed, *lines, len(one.tiers)) if lines else lambda column, _: headed[:, column],
        may_rise=review_periods(movement.cadence.up, periods=periods, months=months),
        may_fall=review_periods(movement.cadence.down, periods=periods, months=months),
        anniversary=12 // months,
        tenure=tenure_before(one.scores.panel),
    )
    return hold_tiers(headed, rules=rules)[0]


def coming_fall(one: TierHistory, column: int) -> tuple[str, str]:
    """Find the tier that a partner falls to, and when, if its data stay as they are: a tier that only the movement rules still hold.

    Parameters
    ----------
    one : TierHistory
        Of one partner.
    column : int
        The period that is explained.

    Returns
    -------
    tier, period : str
        The first step down; both empty where the data carry the tier held, or no rule ever lets it go.
    """
    height, movement, held = heights(one.rank), one.scheme.movement, int(one.held[0, column])
    moved = _moved(one, column)
    past = one.eligible[0, : column + 1] if moved else _headed_for(one, column)
    if held < 0 or past[-1] < 0 or height[past[-1]] >= height[held]:
        return "", ""
    locked = movement.lock.periods or 0 if movement.lock is not None else 0
    ahead = max(24 // one.calendar.months, locked, movement.grace) + max(movement.confirm.down, movement.ever_within)
    codes, *lines = (np.concatenate([stage, np.repeat(stage[-1], ahead)])[None, :].astype(np.int8) for stage in (past, *(moved or ())))
    then = _held_then(one, codes, height, moved=tuple(lines) or None)[0, column + 1 :]
    fallen = np.flatnonzero(height[then] < height[held])
    if not len(fallen):
        return "", ""
    return one.tiers[then[fallen[0]]], one.calendar.label(one.first + column + 1 + int(fallen[0]))


def _moved(one: TierHistory, column: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Tiers by the lines of a ladder moved by its margin, so far; None where the scheme has no such lines."""
    scheme = one.scheme
    if not scheme.movement.margin or scheme.over is not None or not isinstance(scheme.classify, Ladder | Bands):
        return None
    raw, eligible = one.raw[0, : column + 1], one.eligible[0, : column + 1]
    moved = moved_lines(scheme.classify, facts_behind(one), margin=scheme.movement.margin)
    hard, easy = (np.where(raw == eligible, codes[0, : column + 1], eligible) for codes in moved)
    return hard, easy


def _headed_for(one: TierHistory, column: int) -> np.ndarray:
    """Tier that a partner was heading for in each period so far, int8: what is within a margin heads nowhere."""
    eligible, held, reasons = (stage[0, : column + 1] for stage in (one.eligible, one.held, one.reasons))
    if not one.scheme.movement.margin:
        return eligible
    return np.where(np.isin(reasons, _ON_THE_WAY), eligible, held)


#: Why a partner is not yet where it is heading.
_ON_THE_WAY = (Reason.CONFIRM, Reason.CADENCE, Reason.GRACE, Reason.LOCK, Reason.STEP, Reason.EVER_WITHIN)


def with_moving_lines(rows: pd.DataFrame, history: TierHistory, row: int, column: int) -> pd.DataFrame:
    """Write the interval of each line that moves into ``line_low`` and ``line_high``."""
    rows = rows.astype({"line_low": float, "line_high": float})
    for name in ("x", "y"):
        moving = (rows["axis"] == name) & rows["line_moves"].astype(bool)
        if moving.any():
            rows.loc[moving, ["line_low", "line_high"]] = line_interval(history, name, row=row, column=column)
    return rows


def line_interval(history: TierHistory, name: str, *, row: int, column: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a quantile line, if the rated partners of the group are a sample of such partners.

    Parameters
    ----------
    history : TierHistory
        By a quadrant whose axis is cut at a quantile.
    name : str
        ``x`` or ``y``.
    row, column : int
        Partner whose group it is, and period.
    level : float
        Coverage.

    Returns
    -------
    low, high : float
        Order statistics, never below the cut's ``min``; NaN on a side that so few partners cannot bound.
    """
    rule = history.scheme.classify
    axis, now = getattr(rule, name), history.labels[column]
    rated = history.raw[:, column] >= Outside.UNKNOWN
    if rule.gate is not None:
        rated &= evaluate_rule(rule.gate, facts_behind(history))[:, column] == kleene.TRUE
    if axis.within is not None:
        words = history.attributes[axis.within].astype("str").to_numpy()
        rated &= words == words[row]
    facts = facts_behind(history.select([history.partners[row]]).until(now))
    low, high = quantile_interval(history.values(axis.value)[rated, column], quantile=facts.scalar(axis.cut.quantile), level=level)
    if axis.cut.min is None:
        return low, high
    least = facts.scalar(axis.cut.min)
    return float(np.fmax(low, least)), float(np.maximum(high, least))
