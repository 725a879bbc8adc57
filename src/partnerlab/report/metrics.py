"""One figure of page one: its value, interval, change, n and goal, and how they are put into words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, Self

Unit = Literal["count", "share", "money", "number"]

#: A share or mean of fewer partners than this is not printed.
MIN_N = 5

NAN = float("nan")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of page one.

    Parameters
    ----------
    name, label : str
        Anchor; what a reader calls it.
    estimate, conf_low, conf_high : float
        Value and interval; the interval is NaN for what is counted, not estimated.
    n : int
        Partners behind it.
    unit : {"count", "share", "money", "number"}
        How it is written.
    change, change_low, change_high : float
        Against the quarter before, with interval; NaN where there is none.
    before : str
        Label of the quarter before.
    year_change, year_low, year_high : float
        Against the same quarter a year before, for what flows in a quarter; NaN where there is none.
    year : str
        Label of that quarter.
    target : float or None
        What is aimed at, where the scheme says so.
    better : {"high", "low", None}
        Which direction is wanted; None where neither is.
    table : str
        Name of the table behind it.
    note : str
        What a reader must know to read it.
    currency : str
        For money.
    """

    name: str
    label: str
    estimate: float
    n: int
    unit: Unit = "count"
    conf_low: float = NAN
    conf_high: float = NAN
    change: float = NAN
    change_low: float = NAN
    change_high: float = NAN
    before: str = ""
    year_change: float = NAN
    year_low: float = NAN
    year_high: float = NAN
    year: str = ""
    target: float | None = None
    better: Literal["high", "low"] | None = None
    table: str = ""
    note: str = ""
    currency: str = ""

    @property
    def enough(self) -> bool:
        """Whether there is enough data to print it."""
        return math.isfinite(self.estimate) and (self.unit == "count" or self.n >= MIN_N)

    @property
    def direction(self) -> Literal["up", "down", "no clear change", ""]:
        """Direction of the change, claimed only where its interval, as it is written, leaves out zero."""
        return self._direction(self.change_low, self.change_high)

    @property
    def year_direction(self) -> Literal["up", "down", "no clear change", ""]:
        """Direction since the same quarter a year before."""
        return self._direction(self.year_low, self.year_high)

    @property
    def holds(self) -> bool:
        """Whether the change is more than a season's: clear, and of the same direction since a year before where that is known."""
        return self.direction in ("up", "down") and self.year_direction in ("", self.direction)

    def _direction(self, low: float, high: float) -> Literal["up", "down", "no clear change", ""]:
        if not (math.isfinite(low) and math.isfinite(high)):
            return ""
        low, high = (self._as_written(edge) for edge in (low, high))
        if low > 0:
            return "up"
        return "down" if high < 0 else "no clear change"

    def _as_written(self, edge: float) -> float:
        """Round an edge of an interval as it is printed."""
        if self.unit == "share":
            return round(edge, 3)
        return round(edge, 1) if self.unit == "count" and abs(edge) < 100 else edge

    def value(self, number: float) -> str:
        """Write a number in this metric's unit."""
        return format_value(number, unit=self.unit, currency=self.currency)

    def value_words(self) -> str:
        """Write the value, or that there is not enough data."""
        return self.value(self.estimate) if self.enough else f"not enough data (n = {self.n:,})"

    def interval_words(self) -> str:
        """Write the interval and n, or that it was counted."""
        if not self.enough:
            return ""
        if math.isfinite(self.conf_low):
            return f"95 % interval {self.value(self.conf_low)} to {self.value(self.conf_high)}, n = {self.n:,}"
        return f"counted, n = {self.n:,}"

    def size_words(self) -> str:
        """Size of the change, without its sign."""
        return format_value(abs(self.change), unit=self.unit, currency=self.currency, points=self.unit == "share")

    def change_words(self) -> str:
        """Say what can be said about the change, no more."""
        if not self.enough or not self.before:
            return ""
        if not math.isfinite(self.change):
            return f"cannot be compared with {self.before}"
        return self._say_change(self.change, self.change_low, self.change_high, direction=self.direction, before=self.before)

    def year_words(self) -> str:
        """Say what can be said about the change since the same quarter a year before."""
        if not self.enough or not self.year or not math.isfinite(self.year_change):
            return ""
        said = self._say_change(self.year_change, self.year_low, self.year_high, direction=self.year_direction, before=self.year)
        return f"against the same quarter a year before: {said}"

    def season_words(self) -> str:
        """Say that a clear change since the quarter before does not hold against the same quarter a year before."""
        label, season = f"{self.label[:1].lower()}{self.label[1:]}", self.year[4:] if self.year[4:].startswith("Q") else "month of the year"
        if self.year_direction == "no clear change":
            return f"{label}, {self.value_words()}: {self.direction} since {self.before}, as in a usual {season}"
        return f"{label}, {self.value_words()}: {self.direction} since {self.before}, but {self.year_direction} since {self.year}"

    def _say_change(self, change: float, low: float, high: float, *, direction: str, before: str) -> str:
        signed, least, most = (
            format_value(number, unit=self.unit, signed=True, points=self.unit == "share") for number in (change, low, high)
        )
        if direction in ("up", "down"):
            size = format_value(abs(change), unit=self.unit, currency=self.currency, points=self.unit == "share")
            return f"{direction} {size} since {before} ({least} to {most})"
        return f"no clear change since {before}: {signed} ({least} to {most})" if direction else f"{signed} since {before}"

    def target_words(self) -> str:
        """Where the value stands against its target, as far as its interval can tell; or that none is set."""
        if not self.enough:
            return ""
        if self.target is None:
            return "no target set"
        away = format_value(self.estimate - self.target, unit=self.unit, currency=self.currency, signed=True, points=self.unit == "share")
        goal = f"target {self.value(self.target)}, distance {away}"
        low, high = (self.conf_low, self.conf_high) if math.isfinite(self.conf_low) else (self.estimate, self.estimate)
        if low == high == self.target:
            return f"{goal}: met"
        if low > self.target:
            return f"{goal}: above it"
        return f"{goal}: below it" if high < self.target else f"{goal}: cannot be told apart from it"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``metrics.json``; NaN is None there."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()} | {"direction": self.direction}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Make a metric again from its plain values; what an older record does not hold stays at its default."""
        fields = {field.name: field.default for field in dataclasses.fields(cls)}
        kept = {key: value for key, value in record.items() if key in fields}
        return cls(**{key: NAN if value is None and isinstance(fields[key], float) else value for key, value in kept.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def format_value(number: float, *, unit: Unit = "number", currency: str = "", signed: bool = False, points: bool = False) -> str:
    """Write a number as a person reads it: three meaningful digits, no false precision.

    Examples
    --------
    >>> format_value(0.2041, unit="share"), format_value(1234567, unit="money", currency="EUR"), format_value(1234, unit="count")
    ('20.4 %', 'EUR 1.23 M', '1,234')
    >>> format_value(-0.012, unit="share", signed=True, points=True)
    '-1.2 points'
    """
    if not math.isfinite(number):
        return "unknown"
    if unit == "share":
        number = round(number, 3) + 0.0  # never -0.0
    elif unit == "count" and abs(number) < 100:
        number = round(number, 1) + 0.0
    sign = "+" if signed and number > 0 else ""
    if unit == "share":
        return f"{sign}{100 * number:.1f} {'points' if points else '%'}"
    if unit == "money":
        return f"{currency} {sign}{_short(number)}".strip()
    if unit == "count":
        return f"{sign}{number:,.0f}" if abs(number - round(number)) < 1e-9 or abs(number) >= 100 else f"{sign}{number:,.1f}"
    return f"{sign}{number:,.3g}" if abs(number) < 1000 else f"{sign}{number:,.0f}"


def _short(number: float) -> str:
    for size, letter in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{_three(number / size)} {letter}"
    return f"{number:,.0f}"


def _three(number: float) -> str:
    """Three meaningful digits without an exponent."""
    digits = max(0, 2 - math.floor(math.log10(abs(number)))) if number else 0
    return f"{number:,.{digits}f}"
