"""Ways to make tiers: two crossed axes, a checklist, bands of a score, or the program's own record."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic

from partnerlab.errors import nearest
from partnerlab.scoring.conditions import (
    ALWAYS,
    AtLeast,
    Compare,
    Number,
    Param,
    Rule,
    RuleField,
    all_of,
    any_of,
    facts_of,
    leaves,
    params_of,
)
from partnerlab.scoring.scorecard import Amount
from partnerlab.specs import Name, Spec, misplaced
from partnerlab.tiers.axes import Axis

_ZERO = Number(Fraction(0))


class _Rules(Spec):
    """What every way of classifying answers."""

    rank: dict[str, int | None] = pydantic.Field(default_factory=dict)

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """Give every rule with the key under which it stands."""
        return iter(())

    def names(self) -> list[str]:
        """Give indicators, scores and attributes that are asked for."""
        return [name for _, rule in self.rules() for name in facts_of(rule)]

    def params(self) -> list[str]:
        """Give parameters that are asked for."""
        return [name for _, rule in self.rules() for name in params_of(rule)]

    def _check_rank(self, tiers: tuple[str, ...]) -> None:
        for tier in self.rank:
            if tier not in tiers:
                raise misplaced(f"rank names {tier!r}, which is not a tier{nearest(tier, tiers)}", "rank", tier)


class Quadrant(_Rules):
    """Two axes, four tiers.

    Parameters
    ----------
    x, y : Axis
        The axes.
    cells : mapping
        ``high_high, low_high, high_low, low_low`` (x first) to the name of a tier.
    gate : rule or None
        Who is rated at all; who fails it gets the tier ``outside``.
    missing : str
        ``unknown``, or the name of a tier outside the order for those who cannot be rated.
    rank : mapping
        Height of each tier where it differs from 3, 2, 2, 1.
    """

    kind: Literal["quadrant"]
    x: Axis
    y: Axis
    cells: dict[str, Name]
    gate: RuleField | None = None
    outside: Name | None = None
    missing: Name = "unknown"

    CORNERS: ClassVar[tuple[str, ...]] = ("high_high", "low_high", "high_low", "low_low")

    @pydantic.field_validator("cells")
    @classmethod
    def _four_cells(cls, cells: dict[str, str]) -> dict[str, str]:
        for corner in cells:
            if corner not in cls.CORNERS:
                raise misplaced(f"unknown cell {corner!r}{nearest(corner, cls.CORNERS)}", corner)
        missing = [corner for corner in cls.CORNERS if corner not in cells]
        if missing:
            raise ValueError(f"cells lack {', '.join(missing)}; every corner needs a tier")
        return cells

    @pydantic.model_validator(mode="after")
    def _gate_has_outside(self) -> Self:
        if (self.gate is None) != (self.outside is None):
            raise ValueError("'gate' and 'outside' go together: who fails the gate gets the tier named by outside")
        self._check_rank(self.tiers)
        return self

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers, best first."""
        heights = {self.cells[corner]: height for corner, height in reversed(list(zip(self.CORNERS, (3, 2, 2, 1), strict=True)))}
        ordered = sorted(
            dict.fromkeys(self.cells[corner] for corner in self.CORNERS), key=lambda tier: -(self.rank.get(tier, heights[tier]) or 0)
        )
        extra = [self.outside] if self.outside else []
        extra += [self.missing] if self.missing != "unknown" else []
        return tuple(dict.fromkeys([*ordered, *extra]))

    @property
    def ranks(self) -> tuple[int | None, ...]:
        """Height of each tier; None stands outside the order."""
        heights: dict[str, int | None] = {}
        for corner, height in zip(self.CORNERS, (3, 2, 2, 1), strict=True):
            heights.setdefault(self.cells[corner], height)
        return tuple(self.rank.get(tier, heights.get(tier)) for tier in self.tiers)

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """Give the gate."""
        if self.gate is not None:
            yield "gate", self.gate

    def names(self) -> list[str]:
        """Give indicators, scores and attributes that are asked for."""
        within = [axis.within for axis in (self.x, self.y) if axis.within]
        return [self.x.value, self.y.value, *within, *super().names()]

    def params(self) -> list[str]:
        """Give parameters that are asked for."""
        given = [item for axis in (self.x, self.y) for item in (axis.cut.absolute, axis.cut.quantile, axis.cut.min)]
        return [item[1:] for item in given if isinstance(item, str)] + super().params()


class Share(Spec):
    """How large a tier should be (a goal, reported) or may be (a cap, enforced).

    Parameters
    ----------
    goal : number
        Share of the rated partners that the program aims at.
    cap : number
        Largest share; ``rank_by`` says who stays.
    ties : {"out", "in"}
        Whether partners tied at the edge of a cap stay out or come in.
    """

    goal: Amount | None = None
    cap: Amount | None = None
    rank_by: Name | None = None
    ties: Literal["out", "in"] = "out"

    @pydantic.model_validator(mode="after")
    def _goal_or_cap(self) -> Self:
        if (self.goal is None) == (self.cap is None):
            raise ValueError("a share is either {goal: 0.2} (reported) or {cap: 0.2, rank_by: score} (enforced)")
        if (self.cap is None) != (self.rank_by is None):
            raise ValueError("'cap' and 'rank_by' go together; a goal has neither")
        if isinstance(self.goal, str):
            raise misplaced(f"a goal is a number such as 0.2, not {self.goal}; write it out", "goal")
        given = self.goal if self.cap is None else self.cap
        if not isinstance(given, str) and given is not None and not 0 < given < 1:
            raise ValueError(f"a share lies between 0 and 1, not {float(given):g}; write 0.2 or '20 %'")
        return self


class Level(Spec):
    """One level of a ladder: what it asks.

    Examples
    --------
    >>> Level(name="Gold", all=["total >= 60"]).own
    Compare(fact='total', operator='>=', line=Number(exact=Fraction(60, 1)))
    """

    name: Name
    inherits: Name | None = None
    all: tuple[RuleField, ...] | None = None
    any: tuple[RuleField, ...] | None = None
    at_least: int | None = None
    of: tuple[RuleField, ...] | None = None
    when: RuleField | None = None
    share: Share | None = None
    ordered: bool = True

    @pydantic.model_validator(mode="after")
    def _asks_something(self) -> Self:
        if all(block is None for block in (self.all, self.any, self.of, self.when)) and self.inherits is None:
            raise ValueError(f"level {self.name!r} says nothing; give all, any, at_least/of or when ('all: []' takes everybody)")
        if (self.at_least is None) != (self.of is None):
            raise ValueError("write at_least: 2 together with of: [rule, rule, rule]")
        if self.of is not None and not 1 <= (self.at_least or 0) <= len(self.of):
            raise ValueError(f"at_least is {self.at_least} of {len(self.of)} rules; give 1 to {len(self.of)}")
        if self.any is not None and not self.any:
            raise ValueError("'any' of nothing can never hold; list at least one rule")
        return self

    @property
    def own(self) -> Rule:
        """The level's own rule, without what it inherits."""
        parts: list[Rule] = list(self.all or ())
        parts += [any_of(*self.any)] if self.any else []
        parts += [AtLeast(self.at_least or 0, self.of)] if self.of else []
        parts += [self.when] if self.when is not None else []
        return all_of(*parts) if parts else ALWAYS


class Ladder(_Rules):
    """A checklist: the highest level whose rule holds.

    Parameters
    ----------
    levels : list of Level
        Best first.
    cumulative : bool
        Every level also asks all that the levels below it ask.
    else_ : str or None
        Tier, outside the order, for those who surely meet no level (``else`` in YAML).
        Without it the last level must take everybody.
    missing : {"unknown", "highest_proven"}
        While a higher level is undecided a partner is unknown, or holds what is proven.
    scales : mapping of name to list of conditions
        Questions whose answers have an order: each condition means to include those before it, as "sporadically,
        consistently, much". Partners are judged by the levels as they stand; lint counts a scale as one question
        and says on whom it does not hold.
    """

    kind: Literal["ladder"]
    levels: tuple[Level, ...] = pydantic.Field(min_length=1)
    cumulative: bool = False
    scales: dict[str, tuple[RuleField, ...]] = pydantic.Field(default_factory=dict)
    else_: Name | None = pydantic.Field(default=None, alias="else")
    missing: Literal["unknown", "highest_proven"] = "unknown"

    @pydantic.model_validator(mode="after")
    def _levels_fit(self) -> Self:
        names = [level.name for level in self.levels]
        twice = next((name for name in [*names, self.else_] if name and [*names, self.else_].count(name) > 1), None)
        if twice:
            at = max(place for place, name in enumerate([*names, self.else_]) if name == twice)
            path = ("levels", at, "name") if at < len(names) else ("else",)
            raise misplaced(f"level {twice!r} stands twice; keep one", *path)
        for position, level in enumerate(self.levels):
            lower = names[position + 1 :]
            if level.inherits is not None and level.inherits not in lower:
                said = f"level {level.name!r} inherits {level.inherits!r}, which is no lower level{nearest(level.inherits, lower)}"
                raise misplaced(said, "levels", position, "inherits")
        if self.else_ is None and self.rule_of(names[-1]) != ALWAYS:
            said = f"who meets no level? add 'else: UNRATED', or let the last level {names[-1]!r} take everybody with 'all: []'"
            raise misplaced(said, "levels", len(names) - 1)
        self._check_rank(self.tiers)
        return self

    def check_scales(self) -> None:
        """Refuse a scale of conditions that no level asks for, ValueError."""
        asked = {str(leaf): leaf for _, rule in self.rules() for leaf in leaves(rule)}
        for name, steps in self.scales.items():
            if len(steps) < 2:
                raise misplaced(f"scale {name!r} has {len(steps)} step; a scale orders two conditions or more", "classify", "scales", name)
            for place, step in enumerate(steps):
                if step not in asked.values():
                    said = f"scale {name!r}: no level asks for '{step}'{nearest(str(step), asked)}; write it as the levels do"
                    raise misplaced(said, "classify", "scales", name, place)

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers, best first."""
        return tuple(level.name for level in self.levels) + ((self.else_,) if self.else_ else ())

    @property
    def ranks(self) -> tuple[int | None, ...]:
        """Height of each tier; None stands outside the order."""
        ordered = [level.name for level in self.levels if level.ordered]
        heights = {name: len(ordered) - position for position, name in enumerate(ordered)}
        return tuple(self.rank.get(tier, heights.get(tier)) for tier in self.tiers)

    def rule_of(self, name: str) -> Rule:
        """Everything that a level asks, with what it inherits."""
        position = next(index for index, level in enumerate(self.levels) if level.name == name)
        level = self.levels[position]
        parts = [level.own]
        if self.cumulative and position + 1 < len(self.levels):
            parts.append(self.rule_of(self.levels[position + 1].name))
        elif level.inherits:
            parts.append(self.rule_of(level.inherits))
        parts = [part for part in parts if part != ALWAYS]
        return all_of(*parts) if parts else ALWAYS

    @property
    def steps(self) -> tuple[tuple[str, Rule, Share | None], ...]:
        """Name, rule and share of each level, best first."""
        return tuple((level.name, self.rule_of(level.name), level.share) for level in self.levels)

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """Give each level's rule under its name."""
        for name, rule, _ in self.steps:
            yield name, rule

    def names(self) -> list[str]:
        """Give indicators, scores and attributes that are asked for."""
        return super().names() + [level.share.rank_by for level in self.levels if level.share and level.share.rank_by]


class Band(Spec):
    """One band of a score: its name and where it begins."""

    name: Name
    from_: Amount | None = pydantic.Field(default=None, alias="from")
    share: Share | None = None


class Bands(_Rules):
    """Bands of one value, best first; the last one without ``from`` takes the rest."""

    kind: Literal["bands"]
    value: Name
    bands: tuple[Band, ...] = pydantic.Field(min_length=1)
    else_: Name | None = pydantic.Field(default=None, alias="else")
    missing: Literal["unknown", "highest_proven"] = "unknown"

    @pydantic.model_validator(mode="after")
    def _bands_fall(self) -> Self:
        starts = [band.from_ for band in self.bands]
        names = [*(band.name for band in self.bands), *([self.else_] if self.else_ else [])]
        for place, name in enumerate(names):
            if name in names[:place]:
                path = ("bands", place, "name") if place < len(starts) else ("else",)
                raise misplaced(f"band {name!r} stands twice; give each its own name", *path)
        for place, start in enumerate(starts[:-1]):
            if start is None:
                raise misplaced("only the last band may do without 'from'; say from which value it begins", "bands", place)
        if (starts[-1] is None) == (self.else_ is not None):
            raise misplaced("who is below the last band? leave out its 'from', or name an 'else'", "bands", len(starts) - 1)
        numbers = [(place, start) for place, start in enumerate(starts) if start is not None and not isinstance(start, str)]
        for (_, higher), (place, lower) in itertools.pairwise(numbers):
            if higher <= lower:
                raise misplaced("bands are listed best first: each must begin below the one before", "bands", place, "from")
        self._check_rank(self.tiers)
        return self

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers, best first."""
        return tuple(band.name for band in self.bands) + ((self.else_,) if self.else_ else ())

    @property
    def ranks(self) -> tuple[int | None, ...]:
        """Height of each tier; None stands outside the order."""
        heights = {band.name: len(self.bands) - position for position, band in enumerate(self.bands)}
        return tuple(self.rank.get(tier, heights.get(tier)) for tier in self.tiers)

    @property
    def steps(self) -> tuple[tuple[str, Rule, Share | None], ...]:
        """Name, rule and share of each band, best first."""
        return tuple((band.name, self._rule(band), band.share) for band in self.bands)

    def _rule(self, band: Band) -> Rule:
        if band.from_ is None:  # everybody whose value is known; an unknown value is in no band
            return any_of(Compare(self.value, "<=", _ZERO), Compare(self.value, ">", _ZERO))
        line = Param(band.from_[1:]) if isinstance(band.from_, str) else Number(Fraction(band.from_))
        return Compare(self.value, ">=", line)

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """Give each band's rule under its name."""
        for name, rule, _ in self.steps:
            yield name, rule


class Recorded(_Rules):
    """The program's own record of tiers.

    Parameters
    ----------
    order : tuple of str
        Tiers, best first; the program's ``tier_order`` if empty.
    unordered : tuple of str
        Tiers of another kind, neither above nor below the others.
    without_tier : {"outside", "unknown"}
        Who holds no tier is not (yet, any more) a member, or a member of unknown tier.
    """

    kind: Literal["recorded"]
    order: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    without_tier: Literal["outside", "unknown"] = "outside"

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers, best first; empty where the program gives the order."""
        return (*self.order, *(tier for tier in self.unordered if tier not in self.order)) if self.order else ()


KINDS: dict[str, type[_Rules]] = {"quadrant": Quadrant, "ladder": Ladder, "bands": Bands, "recorded": Recorded}


def _by_kind(given: Any, _: Any) -> _Rules:
    """Check against the kind that is named, so that a mistake keeps its own line."""
    if isinstance(given, _Rules):
        return given
    kind = given.get("kind") if isinstance(given, dict) else None
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind].model_validate(given)
    if not kind:
        raise ValueError(f"classify needs a kind: {', '.join(KINDS)}")
    raise misplaced(f"classify.kind is {kind!r}{nearest(str(kind), KINDS)}", "kind")


#: How a scheme classifies: one of the four.
Classify = Annotated[Quadrant | Ladder | Bands | Recorded, pydantic.WrapValidator(_by_kind)]
