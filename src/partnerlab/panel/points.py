"""Points for rows: rates that hold from a day to a day, multipliers by what the row says, a fixed table of currencies.

Everything is a whole number until the very end: each factor is written as an integer over a
power of ten, so that every engine multiplies and adds the same integers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

import pydantic
from sqlglot import exp

from partnerlab.specs import Spec, misplaced

#: Decimals that a factor may have, and its largest value.
_DECIMALS, _MOST = 6, 1_000_000


def _exact(given: Any) -> Decimal:
    """Read a number as it is written: 1.1 is eleven tenths."""
    if isinstance(given, bool) or not isinstance(given, int | float | str | Decimal):
        raise ValueError(f"a factor is a number such as 1.5, not {given!r}")  # noqa: TRY004 - pydantic reads it
    try:
        number = Decimal(str(given))
    except InvalidOperation as error:
        raise ValueError(f"a factor is a number such as 1.5, not {given!r}") from error
    if not number.is_finite() or not 0 <= number <= _MOST or _decimals(number) > _DECIMALS:
        raise ValueError(f"a factor lies between 0 and {_MOST:,} and has at most {_DECIMALS} decimals, not {given}")
    return number


def _decimals(number: Decimal) -> int:
    return max(-int(number.normalize().as_tuple().exponent), 0)


#: A factor, exactly as written.
Factor = Annotated[
    Decimal, pydantic.BeforeValidator(_exact), pydantic.PlainSerializer(str), pydantic.WithJsonSchema({"type": ["number", "string"]})
]


class Rate(Spec):
    """Points for one unit of the row's value, for rows of the days from ``from`` until (not including) ``until``."""

    rate: Factor
    from_: date | None = pydantic.Field(default=None, alias="from")
    until: date | None = None

    @pydantic.model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.from_ and self.until and self.until <= self.from_:
            raise misplaced(f"the rate ends ({self.until}) before it begins ({self.from_}); mend one of the two", "until")
        return self


class Multiplier(Spec):
    """By how much the points of rows are multiplied that fulfil a condition, such as ``customer_market = 'growth'``."""

    times: Factor
    where: str


class Points(Spec):
    """What a row is worth: its value, times the rate of its day, times each multiplier whose condition it fulfils.

    Parameters
    ----------
    rates : list of Rate
        One rate at a time, without a gap between them; a row of a day before the first or after the last earns nothing
        and is not counted.
    multipliers : list of Multiplier
        Conditions on the row, such as the market of its customer; all that hold are multiplied.
        A row that does not say is not multiplied.
    currency : mapping of currency to number
        Units of the points' currency for one of the row's own, the same on every day; a row in
        a currency without a number is not counted.

    Examples
    --------
    >>> points = Points(rates=({"rate": "1.5"},), multipliers=({"times": 3, "where": "customer_market = 'growth'"},))
    >>> points.scale
    10
    """

    rates: tuple[Rate, ...] = pydantic.Field(min_length=1)
    multipliers: tuple[Multiplier, ...] = ()
    currency: dict[str, Factor] = pydantic.Field(default_factory=dict)

    @pydantic.model_validator(mode="after")
    def _one_rate_a_day(self) -> Self:
        ordered = sorted(self.rates, key=lambda rate: rate.from_ or date.min)
        for before, after in itertools.pairwise(ordered):
            if before.until is None or after.from_ is None or after.from_ < before.until:
                said = f"two rates hold on {after.from_ or before.from_ or 'every day'}; end the one with until where the other begins"
                raise misplaced(said, "rates", self.rates.index(after), "from")
            if before.until < after.from_:  # points lost in silence
                said = f"no rate holds from {before.until} until {after.from_}; close the gap, or say there that the rate is 0"
                raise misplaced(said, "rates", self.rates.index(after), "from")
        return self

    @property
    def places(self) -> tuple[int, int, int]:
        """Decimals that the rates, all multipliers together and the currencies need."""
        return (
            max(_decimals(rate.rate) for rate in self.rates),
            sum(_decimals(multiplier.times) for multiplier in self.multipliers),
            max((_decimals(rate) for rate in self.currency.values()), default=0),
        )

    @property
    def scale(self) -> int:
        """Whole number by which the product of all factors is a whole number."""
        return int(math.prod(10**places for places in self.places))


def points_factors(
    points: Points, *, clock: exp.Expression, edge: Callable[[date], exp.Expression], condition: Callable[[str], exp.Expression]
) -> list[exp.Expression]:
    """Write the rate of a row's day and its multipliers as whole numbers; NULL where no rate holds.

    Parameters
    ----------
    points : Points
        The factors.
    clock : sqlglot expression
        When the row happened.
    edge : callable
        Literal of the moment at which a day begins, to compare the clock with.
    condition : callable
        From the text of a condition to its expression over the rows.
    """
    unit = 10 ** points.places[0]
    rate = exp.Case()
    for each in points.rates:
        bounds = [exp.GTE(this=clock.copy(), expression=edge(each.from_))] if each.from_ else []
        bounds += [exp.LT(this=clock.copy(), expression=edge(each.until))] if each.until else []
        rate = rate.when(exp.and_(*bounds) if bounds else clock.copy().is_(exp.Null()).not_(), whole(each.rate, unit))
    found: list[exp.Expression] = [rate]
    for multiplier in points.multipliers:
        own = 10 ** _decimals(multiplier.times)
        found.append(exp.Case().when(exp.paren(condition(multiplier.where)), whole(multiplier.times, own)).else_(exp.Literal.number(own)))
    return found


def currency_factor(points: Points, *, column: exp.Expression | None, home: str | None) -> exp.Expression:
    """Write what one unit of a row's currency is worth, as a whole number; NULL where the table does not say.

    A row that names no currency is in the program's own, ``home``.
    """
    unit = 10 ** points.places[2]
    own = whole(points.currency.get(home or "", Decimal(1)), unit)
    if column is None:
        return own
    case = exp.Case().when(column.copy().is_(exp.Null()), own)
    for name, rate in points.currency.items():
        case = case.when(column.copy().eq(exp.Literal.string(name)), whole(rate, unit))
    if home is not None and home not in points.currency:
        case = case.when(column.copy().eq(exp.Literal.string(home)), own.copy())
    return case


def whole(number: Decimal, unit: int) -> exp.Expression:
    """Write a factor as a whole number of ``1 / unit``."""
    return exp.Literal.number(int(number * unit))
