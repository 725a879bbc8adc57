"""From indicators to scores: every part's points, and what stays unknown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, SpecError, nearest
from partnerlab.scoring import kleene
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.scoring.order import order_scores
from partnerlab.scoring.reach import Range, part_range, weights_asked
from partnerlab.scoring.scorecard import ABOVE_ZERO, Part, Score, Scorecard, UnknownRule
from partnerlab.scoring.shapes import SHAPES

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel

#: Parts taken together.
Join = Callable[[list[np.ndarray]], np.ndarray]
_JOINS: Mapping[str, Join] = {"sum": np.add.reduce, "max": np.maximum.reduce, "product": np.multiply.reduce}

#: Values of parameters: numbers, or arrays that broadcast to ``(n, t)`` where regions differ.
Params = Mapping[str, "float | np.ndarray"]


@dataclasses.dataclass(kw_only=True)
class PanelFacts:
    """Indicators, scores and attributes of a panel under the names that conditions use."""

    panel: Panel
    params: Params = dataclasses.field(default_factory=dict)
    computed: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Partners, periods."""
        return self.panel.shape

    def number(self, name: str) -> np.ndarray:
        """Score, part or indicator, shape ``(n, t)``; NaN is unknown.

        Raises
        ------
        MissingTableError
            If the panel has no such indicator.
        """
        if name not in self.computed:
            self.computed[name] = np.asfortranarray(self.panel.values(name))  # rules work period by period
        return self.computed[name]

    def words(self, name: str) -> np.ndarray:
        """Attribute as text, shape ``(n,)``; None is unknown."""
        codes, names = self.groups(name)
        return np.array([*names, None], dtype=object)[codes]

    def groups(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Attribute as integer codes, shape ``(n,)``, -1 is unknown; and what they stand for."""
        if not self.is_attribute(name):
            known = list(self.panel.attributes.columns)
            raise MissingTableError(f"attribute {name!r} is asked for, but partners do not have it{nearest(name, known)}", attribute=name)
        column = self.panel.attributes[name]
        if column.dtype == object:  # a set is kept as its words, ; between them
            column = column.map(
                lambda given: "; ".join(sorted(map(str, given))) if isinstance(given, list | tuple | set | frozenset) else given
            )
        codes, names = pd.factorize(column, use_na_sentinel=True, sort=True)
        return codes, [str(word) for word in names]

    def is_attribute(self, name: str) -> bool:
        """Whether the name is an attribute and no number."""
        return name not in self.computed and name in self.panel.attributes.columns and not self.panel.known(name)

    def param(self, name: str) -> float | np.ndarray:
        """Value of a parameter."""
        if name not in self.params:
            raise SpecError(f"parameter ${name} has no value{nearest(name, self.params)}; add it under params", key=name)
        return self.params[name]

    def amount(self, given: Any) -> float | np.ndarray:
        """Value of a number as written: a number, or the parameter it names."""
        return self.param(given[1:]) if isinstance(given, str) else float(given)

    def most(self, given: Any) -> float:
        """Largest value that a number as written has for anybody."""
        return float(np.max(self.amount(given)))

    def scalar(self, given: Any) -> float:
        """Value of a number as written where one number must hold for everybody.

        Raises
        ------
        SpecError
            If an override makes it differ between partners or periods.
        """
        amount = np.unique(self.amount(given))
        if len(amount) > 1:
            raise SpecError(
                f"{given} differs between partners or periods, but one number is needed here; take it out of overrides", key=given
            )
        return float(amount[0])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of every partner in every period.

    Parameters
    ----------
    panel : Panel
        The stop below.
    values : mapping of str to ndarray of float64, shape (n, t)
        Each score; NaN is unknown.
    parts : mapping of score to mapping of part to ndarray of float64, shape (n, t)
        Points of each part before weights; NaN is unknown.
    weights : mapping of score to mapping of part to float
        Weights that were used.
    scorecard : Scorecard or None
        The request.
    """

    panel: Panel
    values: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    parts: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(repr=False, default_factory=dict)
    weights: Mapping[str, Mapping[str, float]] = dataclasses.field(repr=False, default_factory=dict)
    scorecard: Scorecard | None = dataclasses.field(repr=False, default=None)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, **columns: Any) -> Self:
        """Take ready-made scores: one row per partner and quarter, every further column a score.

        Parameters
        ----------
        frame : DataFrame
            ``partner, quarter`` and the scores.
        **columns
            As for `Panel.from_frame`.
        """
        from partnerlab.panel.panel import Panel

        panel = Panel.from_frame(frame, **columns)
        return cls(panel=panel, values={name: panel.values(name) for name in panel.totals})

    def missing(self, score: str) -> np.ndarray:
        """How many parts of a score are unknown, int8, shape ``(n, t)``."""
        unknown = [np.isnan(points) for points in self.parts.get(score, {}).values()]
        return np.sum(unknown, axis=0, dtype=np.int8) if unknown else np.isnan(self.values[score]).astype(np.int8)

    def select(self, which: Any) -> Self:
        """Give some of the partners, as `Panel.select` does."""
        panel = self.panel.select(which)
        mask = np.isin(self.panel.partners, panel.partners)
        return self._cut(panel, lambda array: array[mask])

    def until(self, label: str) -> Self:
        """Give the scores up to and including a period."""
        panel = self.panel.until(label)
        return self._cut(panel, lambda array: array[:, : panel.shape[1]])

    def _cut(self, panel: Panel, take: Callable[[np.ndarray], np.ndarray]) -> Self:
        values = {name: take(array) for name, array in self.values.items()}
        parts = {score: {name: take(array) for name, array in points.items()} for score, points in self.parts.items()}
        return dataclasses.replace(self, panel=panel, values=values, parts=parts)

    def to_frame(self) -> pd.DataFrame:
        """Give one row per partner and period: ``partner, quarter`` and every score."""
        n, t = self.panel.shape
        keys = {"partner": np.repeat(self.panel.partners, t), "quarter": np.tile(np.array(self.panel.labels), n)}
        return pd.DataFrame(keys | {name: values.ravel() for name, values in self.values.items()})


def score_partners(panel: Panel, *, scorecard: Scorecard, params: Params | None = None) -> Scores:
    """Score every partner in every period.

    Parameters
    ----------
    panel : Panel
        The indicators.
    scorecard : Scorecard
        Parts, shapes, weights and the rule for what is unknown.
    params : mapping of str to float or ndarray, optional
        Values that replace the scorecard's own parameters, for example regional ones.

    Returns
    -------
    Scores
        Scores and the points of each part.

    Raises
    ------
    MissingTableError
        If the panel lacks an indicator or attribute that the scorecard asks for.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.panel.panel import Panel
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": [10, 50]}))
    >>> card = Scorecard(scores={"size": {"parts": [{"metric": "leads", "shape": {"ratio": 40}}]}})
    >>> score_partners(panel, scorecard=card).values["size"].ravel().tolist()
    [25.0, 100.0]
    """
    values = {name: float(amount) for name, amount in scorecard.params.items() if not isinstance(amount, str)}
    facts = PanelFacts(panel=panel, params={**values, **(params or {})})
    return scores_from(facts, scorecard=scorecard)


def scores_from(facts: PanelFacts, *, scorecard: Scorecard) -> Scores:
    """Score with facts at hand; each score and part becomes a fact for what comes after."""
    values: dict[str, np.ndarray] = {}
    parts: dict[str, dict[str, np.ndarray]] = {}
    weights: dict[str, dict[str, float]] = {}
    for name in order_scores(scorecard.scores):
        score = scorecard.scores[name]
        if score.divide:
            values[name] = _divided(facts.number(score.divide), facts.number(str(score.by)))
        else:
            points: dict[str, np.ndarray] = {}
            for part in score.parts:
                _points(part, score.unknown, facts, points)
            top = {part.name: points[part.name] for part in score.parts}
            weights[name] = _weights(score, scorecard.goal, facts)
            values[name] = _combined(score, top, weights[name], facts)
            parts[name] = points
            facts.computed.update({part: array for part, array in points.items() if not facts.panel.known(part)})
        facts.computed[name] = values[name]
    return Scores(panel=facts.panel, values=values, parts=parts, weights=weights, scorecard=scorecard)


def _divided(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """One indicator over another; unknown where the second is 0."""
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=(bottom != 0) & ~np.isnan(bottom))


def _points(part: Part, inherited: UnknownRule, facts: PanelFacts, found: dict[str, np.ndarray]) -> np.ndarray:
    """Points of a part, shape ``(n, t)``, noted under its name in ``found``."""
    rule = part.unknown or inherited
    inner = [_points(each, rule, facts, found) for each in part.inner]
    points = _shaped(part, facts) if part.metric else _joined(part, inner, rule, facts)
    if part.cap is not None:
        points = np.minimum(points, facts.amount(part.cap))
    if part.requires is not None:
        points = _gated(points, evaluate_rule(part.requires, facts))
    found[part.name] = points
    return points


def _shaped(part: Part, facts: PanelFacts) -> np.ndarray:
    name, argument = next((key, value) for key, value in (part.shape or {}).items() if key != "max")
    groups = facts.groups(argument)[0] if name == "percentile" and argument != "population" else None
    given = argument if name in ("percentile", "bands") else facts.amount(argument)
    if name in ABOVE_ZERO and np.any(np.asarray(given) <= 0):
        raise SpecError(
            f"part {part.name!r}: {name} is {ABOVE_ZERO[name]} and must be above 0, but {argument} is {np.nanmin(given):g}", part=part.name
        )
    return SHAPES[name](facts.number(str(part.metric)), given, groups)


def _joined(part: Part, inner: list[np.ndarray], rule: UnknownRule, facts: PanelFacts) -> np.ndarray:
    """Parts taken together; where a gate or path is unknown the whole is, unless unknown counts as zero or cannot matter."""
    if rule == "zero":
        inner = [np.nan_to_num(points) for points in inner]
    kind = "sum" if part.sum_of else "max" if part.max_of else "product"
    points = _JOINS[kind](inner)
    if not np.isnan(points).any():
        return points
    most = None if part.cap is None else facts.amount(part.cap)
    return _decided(points, inner, ranges=[part_range(each, facts.most) for each in part.inner], join=_JOINS[kind], most=most)


def _decided(
    points: np.ndarray, inner: list[np.ndarray], *, ranges: list[Range], join: Join, most: float | np.ndarray | None = None
) -> np.ndarray:
    """Give what is unknown its value where it is the same whatever the unknown parts are: a known path at the cap, say."""
    ends = []
    for end in (0, 1):
        with np.errstate(invalid="ignore"):  # 0 times what nothing bounds stays unknown
            whole = join([np.where(np.isnan(given), bound[end], given) for given, bound in zip(inner, ranges, strict=True)])
        ends.append(whole if most is None else np.minimum(whole, most))
    return np.where(np.isnan(points) & (ends[0] == ends[1]), ends[0], points)


def _gated(points: np.ndarray, gate: np.ndarray) -> np.ndarray:
    """Points count where the gate is met; 0 where it is not; unknown where it is unknown and they would matter."""
    closed = np.where((gate == kleene.UNKNOWN) & (points != 0), np.nan, 0.0)
    return np.where(gate == kleene.TRUE, points, closed)


def _weights(score: Score, goal: str | None, facts: PanelFacts) -> dict[str, float]:
    asked = weights_asked(score, goal)
    weights = {name: facts.scalar(weight) for name, weight in asked.items()}
    below = next((name for name, weight in weights.items() if weight < 0), None)
    if below is not None:
        raise SpecError(f"part {below!r}: a weight is 0 or more, but {asked[below]} is {weights[below]:g}", part=below)
    if not any(weights.values()):
        raise SpecError(f"parts {', '.join(map(repr, weights))} all have weight 0; give at least one a weight above 0")
    return weights


def _combined(score: Score, parts: Mapping[str, np.ndarray], weights: Mapping[str, float], facts: PanelFacts) -> np.ndarray:
    """One score from its parts, shape ``(n, t)``."""
    order, heft = list(parts), [weights[name] for name in parts]
    whole = 100.0 if score.max is None else facts.amount(score.max)
    scale = whole / sum(heft) if score.combine == "weighted_mean" else 1.0
    full = _full_marks(score, facts)
    ranges = [_weighted_range(part_range(part, facts.most), weight) for part, weight in zip(score.parts, heft, strict=True)]
    join = _JOINS.get(score.combine, _JOINS["sum"])

    def column(index: int) -> np.ndarray:
        points = [parts[name][:, index] for name in order]
        if score.unknown == "zero":
            points = [np.nan_to_num(given) for given in points]
        if score.unknown == "renormalise":
            return _known_only(points, heft, [most[:, index] for most in full])
        # a part without weight says nothing, known or not
        weighted = [given * weight if weight else np.zeros(len(given)) for given, weight in zip(points, heft, strict=True)]
        joined = join(weighted)
        if score.combine == "weighted_mean" or not np.isnan(joined).any():
            return joined
        most = None if score.max is None else np.broadcast_to(whole, facts.shape)[:, index]
        return _decided(joined, weighted, ranges=ranges, join=join, most=most)

    values = kleene.by_column(facts.shape, column)
    values *= scale
    return values if score.combine == "weighted_mean" else _capped(values, score, facts)


def _full_marks(score: Score, facts: PanelFacts) -> list[np.ndarray]:
    """Full marks of each part, shape ``(n, t)``: 1 in a mean, what caps it in a sum."""
    if score.combine == "weighted_mean":
        return [np.broadcast_to(1.0, facts.shape)] * len(score.parts)
    return [np.broadcast_to(facts.amount(part.cap), facts.shape) for part in score.parts if part.cap is not None]


def _weighted_range(ends: Range, weight: float) -> Range:
    return (ends[0] * weight, ends[1] * weight) if weight else (0.0, 0.0)


def _known_only(points: list[np.ndarray], weights: list[float], full: list[Any]) -> np.ndarray:
    """Sum over the known parts, scaled up by the share of the full marks that they stand for, shape ``(n,)``."""
    total, reached, whole = np.zeros(len(points[0])), np.zeros(len(points[0])), 0.0
    for given, weight, most in zip(points, weights, full, strict=True):
        known = ~np.isnan(given)
        total += np.where(known, given * weight, 0.0)
        reached += known * (weight * most)
        whole = whole + weight * most
    return np.divide(total * whole, reached, out=np.full(len(total), np.nan), where=reached > 0)


def _capped(values: np.ndarray, score: Score, facts: PanelFacts) -> np.ndarray:
    return values if score.max is None else np.minimum(values, facts.amount(score.max))
