"""How far a score, a part of it or an indicator can go: the least and the most that it can be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from typing import Any

from partnerlab.panel.indicators import Indicator
from partnerlab.scoring.scorecard import Part, Score

#: Least and most.
Range = tuple[float, float]
#: What nothing bounds.
OPEN: Range = (-math.inf, math.inf)
_SAID = re.compile(r"(\d+(?:\.\d+)?) (?:to|-) (\d+(?:\.\d+)?)$")


def indicator_range(indicator: Indicator) -> Range:
    """Least and most that an indicator can be, by its statistic and what its unit says.

    Parameters
    ----------
    indicator : Indicator
        As declared.

    Returns
    -------
    low, high : float
        Infinite where nothing bounds it. A count is 0 or more, a share lies in 0 to 1, active periods in their window;
        a unit such as "points, 0 to 100" or "yes is 1" bounds what was said last.

    Examples
    --------
    >>> indicator_range(Indicator.model_validate({"from": "deals", "statistic": "share", "value": "status = 'won'"}))
    (0.0, 1.0)
    >>> indicator_range(Indicator.model_validate({"from": "leads"}))
    (0.0, inf)
    """
    said = _SAID.search(indicator.unit)
    if indicator.from_ == "frame":
        return OPEN
    if indicator.statistic == "share" or (indicator.statistic == "last" and indicator.unit == "yes is 1"):
        return 0.0, 1.0
    if indicator.statistic == "active":
        return 0.0, float(indicator.window)
    if indicator.statistic in ("count", "distinct", "held", "months"):
        return 0.0, math.inf
    return (float(said[1]), float(said[2])) if said and indicator.statistic in ("last", "mean", "median") else OPEN


def part_range(
    part: Part, amount: Callable[[Any], float], *, facts: Mapping[str, Range] | None = None, closed: Collection[str] = ()
) -> Range:
    """Least and most points of a part before its weight.

    Parameters
    ----------
    part : Part
        A metric in a shape, or parts taken together.
    amount : callable
        Value of a number as written: a number or a $parameter.
    facts : mapping of str to (low, high), optional
        Range of metrics where it is known; it matters for ``per`` and ``as_is``.
    closed : collection of str
        Parts that give nothing, because their gates are not met.

    Returns
    -------
    low, high : float
        Infinite where nothing caps it.

    Examples
    --------
    >>> paths = {"id": "way", "max_of": [{"metric": "x", "shape": {"per": 4, "max": 20}}, {"metric": "y", "shape": {"ratio": 3}}]}
    >>> part_range(Part.model_validate(paths), float)
    (0.0, 20.0)
    """
    if part.name in closed:
        return 0.0, 0.0
    inner = [part_range(each, amount, facts=facts, closed=closed) for each in part.inner]
    low, high = _shaped(part, amount, facts or {}) if part.metric else _joined(_kind(part), inner)
    if part.cap is not None:
        cap = amount(part.cap)
        low, high = min(low, cap), min(high, cap)
    return (min(low, 0.0), max(high, 0.0)) if part.requires is not None else (low, high)


def score_range(
    score: Score,
    amount: Callable[[Any], float],
    *,
    goal: str | None = None,
    facts: Mapping[str, Range] | None = None,
    closed: Collection[str] = (),
) -> Range:
    """Least and most that a score can be.

    Parameters
    ----------
    score : Score
        Its parts, or one indicator over another.
    amount, facts, closed
        As for `part_range`.
    goal : str or None
        Goal that picks the weights.

    Returns
    -------
    low, high : float
        Infinite where nothing bounds it.

    Examples
    --------
    >>> parts = [{"metric": "x", "shape": {"per": 1, "max": 50}}, {"metric": "y", "shape": {"per": 1, "max": 20}}]
    >>> score_range(Score.model_validate({"combine": "sum", "max": 100, "parts": parts}), float)
    (0.0, 70.0)
    """
    if score.divide:
        least = [(facts or {}).get(str(name), OPEN)[0] for name in (score.divide, score.by)]
        return (0.0, math.inf) if min(least) >= 0 else OPEN
    heft = [amount(weight) for weight in weights_asked(score, goal).values()]
    inner = [
        (weight * low if weight else 0.0, weight * high if weight else 0.0)
        for weight, (low, high) in zip(heft, (part_range(part, amount, facts=facts, closed=closed) for part in score.parts), strict=True)
    ]
    low, high = _joined(score.combine, inner)
    whole = 100.0 if score.max is None else amount(score.max)
    if score.combine == "weighted_mean":
        return (low * whole / sum(heft), high * whole / sum(heft)) if sum(heft) > 0 else OPEN
    return (low, high) if score.max is None else (min(low, whole), min(high, whole))


def weights_asked(score: Score, goal: str | None) -> dict[str, Any]:
    """Weight of each part as written: that of the goal, where a part which the goal does not name weighs 0, or its own.

    Examples
    --------
    >>> part = {"metric": "x", "shape": {"ratio": 3}}
    >>> weights_asked(Score.model_validate({"parts": [part, {**part, "id": "y"}], "weights_by_goal": {"brand": {"y": 2}}}), "brand")
    {'x': 0, 'y': 2}
    """
    by_goal = score.weights_by_goal.get(goal, {}) if goal else {}
    return {part.name: by_goal.get(part.name, 0) if by_goal else part.weight for part in score.parts}


def _kind(part: Part) -> str:
    return "sum" if part.sum_of else "max" if part.max_of else "product"


def _shaped(part: Part, amount: Callable[[Any], float], facts: Mapping[str, Range]) -> Range:
    name, argument = next((key, value) for key, value in (part.shape or {}).items() if key != "max")
    low, high = facts.get(str(part.metric), OPEN)
    if name == "bands":
        points = [float(given) for _, given in argument]
        return min(0.0, *points), max(0.0, *points)
    if name == "per":
        return max(low, 0.0) * amount(argument), max(high, 0.0) * amount(argument)
    return (low / amount(argument), high / amount(argument)) if name == "as_is" else (0.0, 1.0)


def _joined(kind: str, inner: Sequence[Range]) -> Range:
    """Ranges of several taken together."""
    lows, highs = zip(*inner, strict=True)
    if kind == "max":
        return max(lows), max(highs)
    if kind != "product":
        return sum(lows), sum(highs)
    corners = [0.0 if 0.0 in ends else math.prod(ends) for ends in product(*inner)]  # 0 times what nothing bounds is 0
    return min(corners), max(corners)
