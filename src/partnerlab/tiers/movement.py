"""How tiers move: margins, confirmation, grace, locks; one pass over periods for all partners at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from partnerlab.specs import Spec
from partnerlab.tiers.codes import Outside, Reason

_CADENCE = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
#: Most periods or ranks that a rule may name: what is remembered of partners is kept in small numbers.
_LONGEST = 100
Review = Literal["period", "month", "quarter", "half_year", "year"]


class Confirm(Spec):
    """How many periods in a row must point the same way before a partner moves."""

    up: int = pydantic.Field(default=1, ge=1, le=_LONGEST, strict=True)
    down: int = pydantic.Field(default=1, ge=1, le=_LONGEST, strict=True)
    sideways: int | None = pydantic.Field(default=None, ge=1, le=_LONGEST, strict=True)


class Cadence(Spec):
    """When partners may rise and when they may fall: every period, or at the end of each year, ..."""

    up: Review = "period"
    down: Review = "period"


class Lock(Spec):
    """How long a tier that was reached is safe: some periods, or until its anniversary, year by year."""

    periods: int | None = pydantic.Field(default=None, ge=1, le=_LONGEST, strict=True)
    until: Literal["anniversary"] | None = None

    @pydantic.model_validator(mode="after")
    def _one_lock(self) -> Lock:
        if (self.periods is None) == (self.until is None):
            raise ValueError("a lock is either {periods: 6} or {until: anniversary}")
        return self


def _percent(given: Any) -> Any:
    from partnerlab.scoring.scorecard import _number

    return float(_number(given)) if isinstance(given, str) and not given.startswith("$") else given


class Movement(Spec):
    """From the tier that the data say to the tier that is held.

    Parameters
    ----------
    margin : float
        A line must be cleared by this share of it, up or down, before a partner moves.
    confirm : Confirm
        Periods in a row that must point the same way. Sideways needs as many as down.
    cadence : Cadence
        When promotions and demotions happen.
    grace : int
        Periods after joining in which nobody falls.
    max_step_down, max_step_up : int or None
        Ranks that a partner may fall or rise in one period.
    lock : Lock or None
        How long a tier that was reached is safe.
    ever_within : int
        The best tier of so many trailing periods counts.
    hold_unknown : int
        Periods for which a tier is kept while the data are unknown.

    Examples
    --------
    >>> Movement(margin=0.10, confirm={"up": 1, "down": 2}, grace=2).moves_freely
    False
    """

    margin: Annotated[float, pydantic.BeforeValidator(_percent), pydantic.WithJsonSchema({"type": ["number", "string"]})] = pydantic.Field(
        default=0.0, ge=0.0, lt=1.0
    )
    confirm: Confirm = Confirm()
    cadence: Cadence = Cadence()
    grace: int = pydantic.Field(default=0, ge=0, le=_LONGEST, strict=True)
    max_step_down: int | None = pydantic.Field(default=None, ge=1, le=_LONGEST, strict=True)
    max_step_up: int | None = pydantic.Field(default=None, ge=1, le=_LONGEST, strict=True)
    lock: Lock | None = None
    ever_within: int = pydantic.Field(default=1, ge=1, le=_LONGEST, strict=True)
    hold_unknown: int = pydantic.Field(default=0, ge=0, le=_LONGEST, strict=True)

    @property
    def moves_freely(self) -> bool:
        """Held is simply what is eligible."""
        return self == Movement()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """A movement rule made ready for the pass.

    Parameters
    ----------
    height : ndarray of int16, shape (k + 3,)
        Steps of each tier above the lowest, `UNRANKED` outside the order and for the
        three states at the end, so that any code may index it.
    target : callable
        ``target(column, held)`` gives the tier that each partner is heading for, given the
        tier held; both int8, shape ``(n,)``.
    may_rise, may_fall : ndarray of bool, shape (t,)
        Periods in which promotions and demotions happen.
    anniversary : int
        Periods in a year.
    tenure : ndarray of int, shape (n,)
        Periods that each partner had been a member before the first column.
    """

    movement: Movement
    height: np.ndarray
    target: Callable[[int, np.ndarray], np.ndarray]
    may_rise: np.ndarray
    may_fall: np.ndarray
    anniversary: int
    tenure: np.ndarray


#: Below the lowest tier: leaving the order is a fall, entering it a rise.
UNRANKED = np.int16(-1)


def heights(ranks: Sequence[int | None]) -> np.ndarray:
    """Count steps above the lowest tier, shape ``(k + 3,)``; equal ranks are equally high.

    Examples
    --------
    >>> heights([30, 20, 20, 10, None]).tolist()
    [2, 1, 1, 0, -1, -1, -1, -1]
    """
    order = sorted({rank for rank in ranks if rank is not None})
    steps = [UNRANKED if rank is None else order.index(rank) for rank in ranks]
    return np.array([*steps, UNRANKED, UNRANKED, UNRANKED], dtype=np.int16)


def review_periods(review: Review, *, periods: np.ndarray, months: int) -> np.ndarray:
    """Periods in which a review happens: those that end a month, quarter, half or whole program year, bool ``(t,)``.

    Examples
    --------
    >>> review_periods("year", periods=np.arange(8104, 8109), months=3).tolist()
    [False, False, False, True, False]
    """
    if review == "period":
        return np.ones(len(periods), dtype=bool)
    every = max(_CADENCE[review] // months, 1)
    return (periods + 1) % every == 0


def best_within(codes: np.ndarray, *, window: int, height: np.ndarray) -> np.ndarray:
    """Best known tier of the last ``window`` periods, shape ``(n, t)``; states outside are left as they are."""
    best = codes.copy()
    for lag in range(1, min(window, codes.shape[1])):
        earlier, here = codes[:, :-lag], best[:, lag:]
        better = (earlier >= 0) & ((height[earlier] > height[here]) | (here == Outside.UNKNOWN)) & (codes[:, lag:] > Outside.NOT_YET)
        best[:, lag:] = np.where(better, earlier, here)
    return best


@dataclasses.dataclass
class _Memory:
    """What is remembered of each partner from one period to the next, all shape ``(n,)``; of targets, the last few."""

    tier: np.ndarray
    recent: list[np.ndarray]
    run: np.ndarray
    direction: np.ndarray
    tenure: np.ndarray
    age: np.ndarray
    silence: np.ndarray

    @classmethod
    def blank(cls, tenure: np.ndarray, confirm: Confirm) -> _Memory:
        """Nobody holds anything yet."""
        nothing = np.full(len(tenure), Outside.UNKNOWN, dtype=np.int8)
        zero = np.zeros(len(tenure), dtype=np.int16)
        recent = [nothing.copy()] * max(confirm.up - 1, confirm.down - 1, (confirm.sideways or 1) - 1, 1)
        return cls(nothing, recent, zero.astype(np.int8), zero.astype(np.int8), tenure.astype(np.int32), zero.copy(), zero.copy())


def hold_tiers(codes: np.ndarray, *, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """Walk the periods once and say which tier each partner holds.

    Parameters
    ----------
    codes : ndarray of int8, shape (n, t)
        Eligible tiers and states.
    rules : Rules
        How they may move.

    Returns
    -------
    held : ndarray of int8, shape (n, t)
    reasons : ndarray of int8, shape (n, t)
        `Reason` where held differs from ``codes``.
    """
    held = np.empty_like(codes, order="F")
    reasons = np.empty_like(codes, order="F")
    memory = _Memory.blank(rules.tenure, rules.movement.confirm)
    for column in range(codes.shape[1]):
        held[:, column], reasons[:, column] = _step(memory, codes[:, column], column, rules)
    return held, reasons


def _step(memory: _Memory, now: np.ndarray, column: int, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """One period for everybody; updates the memory."""
    outside = now <= Outside.NOT_YET
    unknown = now == Outside.UNKNOWN
    memory.tenure = np.where(outside, 0, memory.tenure + 1)
    memory.tier[outside] = Outside.UNKNOWN
    fresh = (memory.tier < 0) & ~unknown & ~outside
    target = np.where(fresh, now, rules.target(column, memory.tier))
    target = np.where(unknown | outside, memory.tier, target)
    move, why = _allowed(memory, target, fresh, column, rules)
    reason = np.where((target != memory.tier) & ~move, why, np.where(target != now, Reason.MARGIN, Reason.RULE))
    supported = _supported(memory, target, rules)
    arrives = np.where(move, _within_steps(memory, supported, rules), memory.tier)
    reason = np.where(move & (supported != target), Reason.CONFIRM, reason)
    reason = np.where(move & (arrives != supported), Reason.STEP, reason)
    memory.age = np.where(arrives != memory.tier, 1, memory.age + 1)
    memory.tier = arrives.astype(np.int8)
    memory.recent = [target.astype(np.int8), *memory.recent[:-1]]
    memory.run[move | unknown | outside] = 0
    memory.silence = np.where(unknown, memory.silence + 1, 0)
    kept = unknown & (memory.silence <= rules.movement.hold_unknown) & (memory.tier >= 0)
    held = np.where(outside | (unknown & ~kept), now, memory.tier)
    reason = np.where(kept, Reason.UNKNOWN, np.where(held == now, Reason.RULE, reason))
    return held.astype(np.int8), reason.astype(np.int8)


def _allowed(memory: _Memory, target: np.ndarray, fresh: np.ndarray, column: int, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """Who moves now, and why the others who want to do not."""
    movement = rules.movement
    direction = _direction(memory.tier, target, rules.height)
    same = (direction == memory.direction) & ((direction != 0) | (target == memory.recent[0])) & (memory.run > 0)
    memory.run = np.where(target == memory.tier, 0, np.where(same, np.minimum(memory.run + 1, 100), 1)).astype(np.int8)
    memory.direction = direction
    why = np.where(memory.run < _needed(direction, movement.confirm), Reason.CONFIRM, Reason.RULE)
    why = np.where((direction > 0) & (not rules.may_rise[column]) | (direction < 0) & (not rules.may_fall[column]), Reason.CADENCE, why)
    why = np.where((direction < 0) & (memory.tenure <= movement.grace), Reason.GRACE, why)
    if movement.lock is not None:
        why = np.where((direction < 0) & _locked(memory.age, movement.lock, rules.anniversary), Reason.LOCK, why)
    wants = target != memory.tier
    return wants & ((why == Reason.RULE) | fresh), np.where(wants, why, Reason.RULE)


def _direction(tier: np.ndarray, target: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Sign of a move: 1 up, -1 down, 0 between tiers of one height, int8 ``(n,)``."""
    return np.sign(height[target] - height[tier]).astype(np.int8)


def _needed(direction: np.ndarray, confirm: Confirm) -> np.ndarray:
    """Count the periods in a row that a move in each direction needs, shape ``(n,)``."""
    return np.where(direction > 0, confirm.up, np.where(direction < 0, confirm.down, confirm.sideways or confirm.down))


def _supported(memory: _Memory, target: np.ndarray, rules: Rules) -> np.ndarray:
    """Find the nearest tier that every period of the confirmation supports: the lowest on the way up, the highest on the way down.

    Periods before those that confirm have no say, however long a review was waited for.
    """
    periods = np.minimum(_needed(memory.direction, rules.movement.confirm), memory.run)
    nearest = target
    for lag, earlier in enumerate(memory.recent, start=1):
        nearer = (lag < periods) & (memory.direction * (rules.height[nearest] - rules.height[earlier]) > 0)
        nearest = np.where(nearer, earlier, nearest)
    return nearest


def _locked(age: np.ndarray, lock: Lock, anniversary: int) -> np.ndarray:
    """Whether the tier held, reached ``age`` periods ago, is still safe."""
    return age < lock.periods if lock.periods is not None else age % anniversary != 0


def _within_steps(memory: _Memory, arrives: np.ndarray, rules: Rules) -> np.ndarray:
    """Tier that a mover gets: no more than the largest step away."""
    tier_at = {int(high): code for code, high in enumerate(rules.height[:-3])}
    table = np.array([tier_at.get(high, 0) for high in range(int(rules.height.max()) + 1)], dtype=np.int8)
    for sign, step in ((-1, rules.movement.max_step_down), (1, rules.movement.max_step_up)):
        if step is not None:
            here, there = rules.height[memory.tier], rules.height[arrives]
            far = (memory.direction == sign) & (here >= 0) & (sign * (there - here) > step)
            arrives = np.where(far, table[np.clip(here + sign * step, 0, len(table) - 1)], arrives)
    return arrives
