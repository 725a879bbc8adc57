"""The block ``over`` of a scheme: each unit of a partner (region, portfolio) is classified, then the partner by its units."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, Self

import pydantic

from partnerlab.errors import nearest
from partnerlab.scoring.conditions import ALWAYS, Compare, Number, Param, Rule, RuleField, all_of, params_of
from partnerlab.scoring.scorecard import Amount
from partnerlab.specs import Name, Spec, misplaced

if TYPE_CHECKING:
    from partnerlab.tiers.classify import Bands, Ladder


class CountAtLeast(Spec):
    """A tier of the partner that asks for several units at a level, or above it.

    Parameters
    ----------
    level : str
        Level of the classification that units must reach.
    units : int or $parameter
        How many of them.
    tier : str or None
        The partner's tier; without it the level itself asks for so many units.
    all : list of rules
        What the partner as a whole must meet besides.
    """

    level: Name
    units: Amount
    tier: Name | None = None
    all: tuple[RuleField, ...] = ()

    @pydantic.model_validator(mode="after")
    def _counts_units(self) -> Self:
        if not isinstance(self.units, str) and (self.units < 1 or self.units != int(self.units)):
            raise ValueError(f"units is a whole number from 1 up, not {float(self.units):g}")
        return self

    @property
    def name(self) -> str:
        """Tier that the partner gets."""
        return self.tier or self.level


class Over(Spec):
    """How a partner is placed by its units.

    Parameters
    ----------
    unit : str
        Column that tells a partner's rows apart, such as ``region`` or ``portfolio``.
    take : {"highest"}
        Without more, a partner is where its best unit is.
    count_at_least : list of CountAtLeast, or one
        Tiers that ask for several units. New names stand above all levels, best first.

    Examples
    --------
    >>> over = Over(unit="region", count_at_least={"tier": "Global", "level": "Gold", "units": 3})
    >>> over.count_at_least[0].name, over.plural
    ('Global', 'regions')
    """

    unit: Name
    take: Literal["highest"] = "highest"
    count_at_least: tuple[CountAtLeast, ...] = ()

    @pydantic.field_validator("count_at_least", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict | CountAtLeast) else given

    def check(self, rule: Ladder | Bands) -> None:
        """Refuse what does not fit the levels of the units, ValueError."""
        levels = [name for name, _, _ in rule.steps]
        names = [count.name for count in self.count_at_least]
        for place, count in enumerate(self.count_at_least):
            here = ("over", "count_at_least", place)
            if count.level not in levels:
                said = f"over.count_at_least names {count.level!r}, which is no level{nearest(count.level, levels)}"
                raise misplaced(said, *here, "level", word=count.level)
            if count.tier is not None and count.tier != count.level and count.tier in rule.tiers:
                said = f"over.count_at_least: tier {count.tier!r} is a level already; give it a name of its own"
                raise misplaced(said, *here, "tier", word=count.tier)
            if count.name in names[:place]:
                raise misplaced(f"over.count_at_least names {count.name!r} twice; keep one", *here, word=count.name)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What partners as a whole must meet besides."""
        return tuple(rule for count in self.count_at_least for rule in count.all)

    @property
    def params(self) -> list[str]:
        """Parameters that are asked for."""
        asked = [count.units[1:] for count in self.count_at_least if isinstance(count.units, str)]
        return asked + [name for rule in self.rules for name in params_of(rule)]

    @property
    def plural(self) -> str:
        """Several units in a word."""
        if self.unit.endswith("y"):
            return f"{self.unit[:-1]}ies"
        return self.unit if self.unit.endswith("s") else f"{self.unit}s"

    def fact(self, count: CountAtLeast) -> str:
        """Name of the number of units that a tier asks for."""
        return f"{self.plural} at {count.level}" + ("" if count.name == count.level else f" for {count.name}")

    def counts(self, rule: Ladder | Bands) -> dict[str, CountAtLeast]:
        """Give what each tier of the partner asks of its units, best first."""
        asked = {count.name: count for count in self.count_at_least}
        levels = [name for name, _, _ in rule.steps]
        top = [count for name, count in asked.items() if name not in levels]
        return {count.name: count for count in [*top, *(asked.get(name) or CountAtLeast(level=name, units=1) for name in levels)]}

    def standing(self, rule: Ladder | Bands) -> Ladder:
        """Give the checklist of the partner itself: how many units it needs at which level, best first."""
        from partnerlab.tiers.classify import Ladder, Level

        own = {name: (unit_rule, share) for name, unit_rule, share in rule.steps}
        unordered = [level.name for level in rule.levels if not level.ordered] if isinstance(rule, Ladder) else []
        levels = []
        for name, count in self.counts(rule).items():
            unit_rule, share = own.get(name, (None, None))
            anybody = unit_rule == ALWAYS and count.units == 1
            line = Param(count.units[1:]) if isinstance(count.units, str) else Number(Fraction(count.units))
            asked: tuple[Rule, ...] = () if anybody else (Compare(self.fact(count), ">=", line),)
            rules = all_of(*asked, *count.all) if asked or count.all else ALWAYS
            levels.append(Level(name=name, all=() if rules == ALWAYS else (rules,), share=share, ordered=name not in unordered))
        return Ladder.model_construct(kind="ladder", levels=tuple(levels), else_=rule.else_, missing=rule.missing, rank=rule.rank)
