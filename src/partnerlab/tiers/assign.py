"""From a panel to tiers at four stages: raw, eligible, held, published."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SpecError
from partnerlab.panel.panel import Panel
from partnerlab.panel.parts import Membership
from partnerlab.scoring.scores import PanelFacts, Scores, scores_from
from partnerlab.tiers.classify import Quadrant, Recorded
from partnerlab.tiers.codes import Outside, Reason
from partnerlab.tiers.cuts import Cuts
from partnerlab.tiers.history import TierHistory
from partnerlab.tiers.movement import Rules, best_within, heights, hold_tiers, review_periods
from partnerlab.tiers.overrides import apply_overrides, note_strangers, upheld_appeals
from partnerlab.tiers.parameters import period_ends, resolve_params
from partnerlab.tiers.raw import LINES, Judged, judge_ladder, judge_quadrant
from partnerlab.tiers.scheme import TierScheme
from partnerlab.tiers.units import judge_units


def assign_tiers(panel: Panel, scheme: TierScheme, *, ledger: Any = None, overrides: pd.DataFrame | None = None) -> TierHistory:
    """Give every partner a tier in every period.

    Movement rules remember from the first period of the panel on: there, the tier held is what
    the data say. Quantile lines and ranks take the whole panel as their population, so assign
    first and select a region afterwards.

    Parameters
    ----------
    panel : Panel
        What is known.
    scheme : TierScheme
        The rules.
    ledger : Ledger, optional
        Where overrides and upheld appeals of the program are kept.
    overrides : DataFrame, optional
        The same by hand: ``partner_id, tier, valid_from, valid_to, approver, reason``
        and, if some are appeals, ``kind``. They end by themselves. Rows of partners who are not
        in the panel change nothing; ``notes`` of the history says how many.

    Returns
    -------
    TierHistory
        Tiers at the four stages, with reasons and cut lines.

    Raises
    ------
    MissingTableError
        If the panel lacks an indicator, attribute or recorded tiers that the scheme asks for.
    ParameterError
        If the panel or scheme is something else, such as the name of one.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.panel.panel import Panel
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": [10, 50]}))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
    >>> assign_tiers(panel, TierScheme(scheme="demo", classify=bands)).to_frame()["tier"].tolist()
    ['Member', 'Gold']
    """
    if not isinstance(panel, Panel):
        raise ParameterError(f"assign_tiers takes a Panel, not a {type(panel).__name__}; make one with build_panel or Panel.from_frame")
    if not isinstance(scheme, TierScheme):
        raise ParameterError(f"assign_tiers takes a TierScheme, not a {type(scheme).__name__}; load one: TierScheme.load({_meant(scheme)})")
    if scheme.cadence != panel.calendar.cadence:
        raise SpecError(
            f"{scheme.name_version} works by {scheme.cadence}, the panel by {panel.calendar.cadence}; build the panel by {scheme.cadence}"
        )
    recorded = isinstance(scheme.classify, Recorded)
    history = _take_recorded(panel, scheme, scheme.classify) if recorded else _classify(panel, scheme)
    history = dataclasses.replace(history, notes=(*history.notes, *_out_of_time(panel, scheme)))
    return _publish(history, ledger, overrides)


def _out_of_time(panel: Panel, scheme: TierScheme) -> list[str]:
    """Say which periods lie outside the time of a version: it may be tried on them, and was not the rule then."""
    ends = period_ends(PanelFacts(panel=panel))
    begins, stops = scheme.effective.from_ or date.min, scheme.effective.until or date.max
    outside = np.flatnonzero((ends < np.datetime64(begins)) | (ends >= np.datetime64(stops)))
    if not len(outside):
        return []
    since = f" from {begins}" if scheme.effective.from_ else ""
    until = f" until {stops}" if scheme.effective.until else ""
    last = panel.labels[outside[-1]]
    return [f"{scheme.name_version} holds{since}{until}; {len(outside)} of {len(ends)} periods lie outside, such as {last}"]


def _meant(scheme: Any) -> str:
    return repr(str(scheme)) if isinstance(scheme, str | Path) else "'quadrant'"


def _classify(panel: Panel, scheme: TierScheme) -> TierHistory:
    """Score, judge and hold."""
    try:
        facts = PanelFacts(panel=panel)
        facts.params = resolve_params(scheme, facts)
        scores = scores_from(facts, scorecard=scheme.scorecard) if scheme.scorecard else Scores(panel=panel, values={})
        if scheme.over is not None:
            judged = judge_units(scheme, facts, margin=scheme.movement.margin)
        else:
            judge = judge_quadrant if isinstance(scheme.classify, Quadrant) else judge_ladder
            judged = judge(scheme.classify, facts, margin=scheme.movement.margin)
    except MissingTableError as error:
        raise MissingTableError(f"scheme {scheme.name_version}: {error}", **error.facts) from error
    height = heights(scheme.ranks)
    window = scheme.movement.ever_within
    headed = judged.eligible
    if window > 1:
        headed = best_within(judged.eligible, window=window, height=height)
        hard, easy = (best_within(codes, window=window, height=height) for codes in (judged.hard, judged.easy))
        judged = dataclasses.replace(judged, hard=hard, easy=easy)
    held, reasons = headed, np.zeros_like(headed)
    if not scheme.movement.moves_freely:
        held, reasons = hold_tiers(headed, rules=_movement_rules(panel, scheme, judged, headed, height))
    if headed is not judged.raw:
        reasons = np.where((reasons == Reason.RULE) & (held != judged.eligible), Reason.EVER_WITHIN, reasons)
        reasons = np.where((reasons == Reason.RULE) & (judged.eligible != judged.raw), Reason.CAP, reasons)
        reasons = np.where(held == judged.raw, Reason.RULE, reasons)
    return _history(
        panel,
        scheme,
        tiers=scheme.tiers,
        rank=scheme.ranks,
        stages={
            "raw": judged.raw,
            "eligible": judged.eligible,
            "held": held,
            "published": held,
            "reasons": reasons.astype(np.int8, copy=False),
        },
        lines=judged.lines,
        scores=scores,
    )


def _history(panel: Panel, scheme: TierScheme, **fields: Any) -> TierHistory:
    stages = fields.pop("stages")
    return TierHistory(
        partners=panel.partners,
        first=panel.first,
        calendar=panel.calendar,
        attributes=fields.pop("attributes", panel.attributes),
        partial=panel.partial,
        scheme=scheme,
        program=panel.provenance.program,
        **stages,
        **fields,
    )


def _movement_rules(panel: Panel, scheme: TierScheme, judged: Judged, headed: np.ndarray, height: np.ndarray) -> Rules:
    movement = scheme.movement
    target = _plain_target(headed)
    if movement.margin and isinstance(scheme.classify, Quadrant):
        target = _quadrant_target(scheme.classify, headed, judged.axes, movement.margin)
    elif movement.margin:
        target = ladder_target(headed, judged.hard, judged.easy, len(scheme.tiers))
    months = panel.calendar.months
    return Rules(
        movement=movement,
        height=height,
        target=target,
        may_rise=review_periods(movement.cadence.up, periods=panel.periods, months=months),
        may_fall=review_periods(movement.cadence.down, periods=panel.periods, months=months),
        anniversary=12 // months,
        tenure=tenure_before(panel),
    )


def tenure_before(panel: Panel) -> np.ndarray:
    """Periods of membership before the first column, int ``(n,)``; long where a member's start is not known."""
    member = panel.state[:, 0] == Membership.ACTIVE
    if "joined_at" not in panel.attributes:
        return np.where(member, 1000, 0)
    days = panel.attributes["joined_at"]
    joined = [1000 if pd.isna(day) else panel.first - panel.calendar.period_of_date(pd.Timestamp(day).date()) for day in days]
    return np.where(member, np.clip(joined, 0, 1000), 0)


def _plain_target(headed: np.ndarray) -> Any:
    """Without a margin partners head for where the data put them."""
    return lambda column, held: headed[:, column]


def _quadrant_target(rule: Quadrant, headed: np.ndarray, axes: tuple[Cuts, ...], margin: float) -> Any:
    """Each axis keeps its side until the line is cleared by the margin."""
    tiers = rule.tiers
    sides = np.zeros((2, len(tiers) + 3), dtype=bool)
    cells = np.full(4, Outside.UNKNOWN, dtype=np.int8)
    for corner, tier in rule.cells.items():
        high = [side == "high" for side in corner.split("_")]
        sides[:, tiers.index(tier)] = high
        cells[2 * high[0] + high[1]] = tiers.index(tier)
    inside = np.array([tier in rule.cells.values() for tier in tiers] + [False] * 3)

    def target(column: int, held: np.ndarray) -> np.ndarray:
        now = headed[:, column]
        rooms = (cuts.room(column, axis.operator, margin) for cuts, axis in zip(axes, (rule.x, rule.y), strict=True))
        x, y = (up | (down & side[held]) for (up, down), side in zip(rooms, sides, strict=True))
        return np.where(inside[now] & inside[held], cells[x * np.int8(2) + y], now)

    return target


def ladder_target(headed: np.ndarray, hard: np.ndarray, easy: np.ndarray, count: int) -> Any:
    """Leave a tier when the rules moved by the margin say so, upwards or downwards, in the order of the list."""
    position = np.array([*range(count, 0, -1), 0, 0, 0])

    def target(column: int, held: np.ndarray) -> np.ndarray:
        here = position[held]
        up, down = hard[:, column], easy[:, column]
        goes = np.where((down >= 0) & (position[down] < here), down, held)
        goes = np.where((up >= 0) & (position[up] > here), up, goes)
        return np.where(held >= 0, goes, headed[:, column]).astype(np.int8)

    return target


def _take_recorded(panel: Panel, scheme: TierScheme, rule: Recorded) -> TierHistory:
    """Take the program's own record as it stands."""
    recorded = panel.recorded
    if recorded is None:
        raise MissingTableError(
            f"scheme {scheme.name_version} needs recorded tiers, but this program has no tier_history", table="tier_history"
        )
    tiers = rule.tiers or tuple(recorded.tiers)
    absent = [tier for tier in recorded.tiers if tier not in tiers]
    if absent:
        raise SpecError(
            f"scheme {scheme.name_version}: the record also has tier {absent[0]!r}; add it to classify.order or unordered", tier=absent[0]
        )
    renumbered = np.array([tiers.index(tier) for tier in recorded.tiers] + [int(Outside.UNKNOWN)], dtype=np.int8)
    codes = renumbered[recorded.codes]
    codes = np.where(codes >= 0, codes, _without_tier(codes, panel, rule))
    ordered = [tier for tier in tiers if tier not in rule.unordered]
    rank = tuple(rule.rank.get(tier, len(ordered) - ordered.index(tier) if tier in ordered else None) for tier in tiers)
    stages = {stage: codes.copy() for stage in ("raw", "eligible", "held", "published")}
    return _history(
        panel,
        scheme,
        tiers=tiers,
        rank=rank,
        stages={**stages, "reasons": np.zeros_like(codes)},
        lines=pd.DataFrame(columns=list(LINES)),
        scores=Scores(panel=panel, values={}),
        attributes=panel.attributes.assign(left_truncated=recorded.left_truncated, right_censored=recorded.right_censored),
    )


def _without_tier(codes: np.ndarray, panel: Panel, rule: Recorded) -> np.ndarray:
    """State of those who hold no tier: not yet or no longer members, or members of unknown tier."""
    unknown = np.int8(Outside.UNKNOWN)
    held_before = (np.cumsum(codes >= 0, axis=1) > 0) | (panel.state == Membership.LAPSED) | _held_before(panel)[:, None]
    outside = np.where(held_before, np.int8(Outside.LAPSED), np.int8(Outside.NOT_YET))
    # before the record begins nobody holds a tier, and who is a member then may have held one
    unseen = ~held_before.any(axis=0) & ((panel.state == Membership.ACTIVE) | (panel.state == Membership.UNKNOWN))
    if rule.without_tier == "outside":
        return np.where(unseen, unknown, outside)
    known = np.where(panel.state == Membership.NOT_YET, np.int8(Outside.NOT_YET), np.int8(Outside.LAPSED))
    return np.where(unseen | (panel.state == Membership.ACTIVE) | (panel.state == Membership.UNKNOWN), unknown, known)


def _held_before(panel: Panel) -> np.ndarray:
    """Partners whose record begins before the panel does, bool ``(n,)``."""
    if panel.recorded is None or "valid_from" not in panel.recorded.intervals:
        return np.zeros(len(panel.partners), dtype=bool)
    intervals = panel.recorded.intervals
    opens = panel.calendar.bounds_utc(panel.first, panel.first)[0]
    early = pd.to_datetime(intervals["valid_from"], utc=True).dt.tz_localize(None) < opens
    return np.isin(panel.partners, intervals.loc[early, "partner"].astype(str).to_numpy(dtype=str))


def _publish(history: TierHistory, ledger: Any, overrides: pd.DataFrame | None) -> TierHistory:
    """Apply overrides and upheld appeals, first those of the ledger."""
    frames = [] if ledger is None else [ledger.overrides(program=history.program), ledger.appeals(program=history.program)]
    frames += [] if overrides is None else [overrides]
    for frame in frames:
        if len(frame):
            given = upheld_appeals(frame, calendar=history.calendar) if "tier" not in frame else frame
            published, reasons = apply_overrides(history, given)
            said = note_strangers(history, given)
            history = dataclasses.replace(
                history, published=published, reasons=reasons, notes=(*history.notes, said) if said else history.notes
            )
    return history
