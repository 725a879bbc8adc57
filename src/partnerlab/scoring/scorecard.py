"""Scorecards: which indicators count, in what shape, with what weight, and what unknown means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

import pydantic

from partnerlab.errors import nearest
from partnerlab.scoring.conditions import RuleField, facts_of, params_of
from partnerlab.scoring.numbers import parse_number, within_reach
from partnerlab.scoring.shapes import SHAPES
from partnerlab.specs import Name, Spec, misplaced

Combine = Literal["sum", "weighted_mean", "product", "max"]
UnknownRule = Literal["refuse", "zero", "renormalise"]


#: Shapes whose argument must be above zero, and what it is. Other numbers give everybody the same marks, or none.
ABOVE_ZERO = {"ratio": "what earns full marks", "per": "the points for each unit", "as_is": "what the value is divided by"}


def _number(given: Any) -> Any:
    """Accept 8, 0.5, '40/6', '20 %' or '$parameter'."""
    if isinstance(given, bool) or given is None:
        raise ValueError(f"a number is needed here, not {'null' if given is None else str(given).lower()}")
    if not isinstance(given, int | float | str | Fraction):
        kind = "a list" if isinstance(given, list | tuple) else "keys and values" if isinstance(given, dict) else type(given).__name__
        raise ValueError(f"a number is needed here, not {kind}; write one such as 8, 0.5, '40/6' or '20 %'")  # noqa: TRY004 - pydantic reads it
    if isinstance(given, str):
        if given.startswith("$"):
            return given
        try:
            return parse_number(given)
        except (ValueError, ZeroDivisionError):
            shown = given if len(given) <= 40 else f"{given[:37]}..."
            raise ValueError(f"{shown!r} is not a number, a ratio such as '40/6', a percentage or a $parameter") from None
    return within_reach(given) if isinstance(given, int | Fraction) else parse_number(repr(given))


#: A number that people write: exact, or the name of a parameter.
Amount = Annotated[
    int | Fraction | str,
    pydantic.PlainValidator(_number),
    pydantic.PlainSerializer(lambda value: value if isinstance(value, str) else float(value)),
    pydantic.WithJsonSchema({"type": ["number", "string"]}),
]


class Part(Spec):
    """One part of a score: an indicator in a shape, or parts taken together.

    Examples
    --------
    >>> Part(metric="step2_inter", shape={"per": 4}, max=20, requires=["step1_admin >= 2"]).name
    'step2_inter'
    """

    id: Name | None = None
    metric: Name | None = None
    shape: dict[str, Any] | None = None
    max: Amount | None = None
    weight: Amount = 1
    requires: RuleField | None = None
    sum_of: tuple[Part, ...] = ()
    max_of: tuple[Part, ...] = ()
    product_of: tuple[Part, ...] = ()
    unknown: UnknownRule | None = None

    @pydantic.field_validator("shape", mode="before")
    @classmethod
    def _one_known_shape(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            raise ValueError(  # noqa: TRY004 - pydantic turns a ValueError into a finding
                f"write the shape as {{name: argument}}, for example {{ratio: 40}}; known: {', '.join(SHAPES)}"
            )
        names = [str(key) for key in given if key != "max"]
        if len(names) != 1 or names[0] not in SHAPES:
            unknown = next((key for key in names if key not in SHAPES), "")
            raise ValueError(f"one shape is needed, got {', '.join(names) or 'none'}{nearest(unknown, SHAPES) if unknown else ''}")
        read = {}
        for key, value in given.items():
            try:
                read[key] = _argument(key, value)
            except ValueError as error:
                raise misplaced(str(error), key) from error
        return read

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in ("metric", "sum_of", "max_of", "product_of") if getattr(self, kind)]
        if len(kinds) != 1:
            raise ValueError(f"a part has exactly one of metric, sum_of, max_of, product_of; this one has {', '.join(kinds) or 'none'}")
        if self.metric and self.shape is None:
            raise ValueError(f"metric {self.metric!r} needs a shape, for example {{ratio: 40}}; known: {', '.join(SHAPES)}")
        if not self.metric and not self.id:
            raise ValueError(f"a part with {kinds[0]} needs an id, so that it can be named")
        return self

    @pydantic.field_validator("weight")
    @classmethod
    def _not_below_zero(cls, weight: Any) -> Any:
        return _weight(weight)

    @property
    def name(self) -> str:
        """What the part is called: its id, else its metric."""
        return self.id or str(self.metric)

    @property
    def inner(self) -> tuple[Part, ...]:
        """Parts that this one is made of."""
        return self.sum_of or self.max_of or self.product_of

    @property
    def cap(self) -> Any:
        """Most points that the part can give, or None."""
        return self.max if self.max is not None else (self.shape or {}).get("max")

    def walk(self) -> Iterator[Part]:
        """Give this part and all parts inside it."""
        yield self
        for part in self.inner:
            yield from part.walk()


def _weight(amount: Any) -> Any:
    """Refuse a weight below zero; a parameter is looked at when it has its value."""
    if not isinstance(amount, str) and amount < 0:
        raise ValueError(f"a weight is 0 or more, got {float(amount):g}; turn the indicator's scale round instead")
    return amount


def _all_zero(weights: Iterable[Any]) -> bool:
    return all(not isinstance(weight, str) and weight == 0 for weight in weights)


def _argument(shape: str, value: Any) -> Any:
    """Check the argument of a shape."""
    if shape == "percentile":
        if not isinstance(value, str) or not value.isprintable() or not value.strip():
            raise ValueError("percentile takes 'population' or the attribute within which to rank, such as 'region'")
        return value
    if shape != "bands":
        amount = _number(value)
        if shape in ABOVE_ZERO and not isinstance(amount, str) and amount <= 0:
            raise ValueError(f"{shape} is {ABOVE_ZERO[shape]} and must be above 0, got {float(amount):g}")
        return amount
    if not isinstance(value, list) or not value or not all(isinstance(step, list) and len(step) == 2 for step in value):
        raise ValueError("bands take a list of [from, points], for example [[0, 0], [1, 0.4], [3, 1]]")
    steps = [(_number(start), _number(points)) for start, points in value]
    if any(isinstance(item, str) and item.startswith("$") for step in steps for item in step):
        raise ValueError("bands take plain numbers; a $parameter cannot stand in them")
    starts = [start for start, _ in steps]
    if starts != sorted(set(starts)):
        raise ValueError(f"bands must rise, each start once; got {', '.join(f'{float(start):g}' for start in starts)}")
    return steps


class Score(Spec):
    """One score: parts, how they combine, and what an unknown part means.

    Parameters
    ----------
    combine : {"weighted_mean", "sum", "product", "max"}
        A weighted mean takes parts of 0 to 1 and scales by ``max``; a sum adds points.
    max : number or None
        Full marks of a weighted mean (100 if not given); cap of a sum.
    divide, by : str
        In place of parts: one indicator over another, unknown where the second is 0.
    weights_by_goal : mapping of goal to mapping of part to weight
        Replaces the parts' own weights for that goal.
    unknown : {"refuse", "zero", "renormalise"}
        A score with an unknown part is itself unknown; or the part counts nothing;
        or the known parts are re-weighted.

    Examples
    --------
    >>> Score(combine="sum", max=100, parts=[{"metric": "deployments", "shape": {"per": 2, "max": 10}}]).parts[0].name
    'deployments'
    """

    meaning: str = ""
    combine: Combine = "weighted_mean"
    max: Amount | None = None
    parts: tuple[Part, ...] = ()
    divide: Name | None = None
    by: Name | None = None
    weights_by_goal: dict[str, dict[str, Amount]] = pydantic.Field(default_factory=dict)
    unknown: UnknownRule = "refuse"

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.divide) != bool(self.by):
            raise ValueError("'divide' and 'by' go together: {divide: revenue, by: invoices}")
        if bool(self.parts) == bool(self.divide):
            raise ValueError("a score has either parts, or 'divide' and 'by'")
        names = [part.name for part in self.walk()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise misplaced(f"part {twice!r} stands twice; give each its own id", "parts", word=twice)
        if self.unknown == "renormalise":
            self._can_renormalise()
        if self.parts and not self.weights_by_goal and _all_zero(part.weight for part in self.parts):
            raise ValueError("every part has weight 0; give at least one a weight above 0")
        self._check_goals()
        return self

    def _check_goals(self) -> None:
        for goal, weights in self.weights_by_goal.items():
            known = [part.name for part in self.parts]
            for name in weights:
                if name not in known:
                    said = f"weights_by_goal.{goal} names part {name!r}, which is not a part{nearest(name, known)}"
                    raise misplaced(said, "weights_by_goal", goal, name)
                try:
                    _weight(weights[name])
                except ValueError as error:
                    raise misplaced(str(error), "weights_by_goal", goal, name) from error
            if _all_zero(weights.values()):
                said = f"weights_by_goal.{goal} gives every part weight 0; give at least one a weight above 0"
                raise misplaced(said, "weights_by_goal", goal)

    def _can_renormalise(self) -> None:
        if self.combine in ("product", "max"):
            raise ValueError(f"a {self.combine} cannot be renormalised; set unknown to refuse or zero")
        open_ended = [part.name for part in self.parts if part.cap is None]
        if self.combine == "sum" and open_ended:
            raise ValueError(f"to renormalise a sum every part needs a max; {', '.join(open_ended)} has none")

    def walk(self) -> Iterator[Part]:
        """Give all parts, those inside others too."""
        for part in self.parts:
            yield from part.walk()

    def needs(self) -> list[str]:
        """Names of indicators that the score asks for."""
        names = [self.divide, self.by] if self.divide else []
        for part in self.walk():
            names += [part.metric] if part.metric else []
            names += facts_of(part.requires) if part.requires is not None else []
        return [name for name in dict.fromkeys(names) if name]

    def asks(self) -> list[str]:
        """Names of parameters that the score asks for."""
        given: list[Any] = [self.max]
        names: list[str] = []
        for part in self.walk():
            given += [part.max, part.weight, *(part.shape or {}).values()]
            names += params_of(part.requires) if part.requires is not None else []
        return names + [item[1:] for item in given if isinstance(item, str) and item.startswith("$")]


class Scorecard(Spec):
    """Scores by name, and the parameters that they use.

    Examples
    --------
    >>> card = Scorecard(scores={"size": {"max": 100, "parts": [{"metric": "leads", "shape": {"ratio": "$full"}}]}}, params={"full": 40})
    >>> list(card.scores)
    ['size']
    """

    params: dict[str, Amount] = pydantic.Field(default_factory=dict)
    scores: dict[str, Score]
    goal: str | None = None

    @pydantic.model_validator(mode="after")
    def _goal_exists(self) -> Self:
        goals = [goal for score in self.scores.values() for goal in score.weights_by_goal]
        if goals and self.goal is None:
            raise ValueError(f"weights depend on the goal: set goal to one of {', '.join(dict.fromkeys(goals))}")
        if self.goal is not None and goals and self.goal not in goals:
            raise ValueError(f"goal {self.goal!r} has no weights{nearest(self.goal, goals)}")
        return self
