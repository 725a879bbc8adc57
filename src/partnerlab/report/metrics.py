"""One figure of page one: its value, interval, change, n and goal, and how they are put into words."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

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
    target : float or None
        Goal, where the scheme states one.
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
        if not (math.isfinite(self.change_low) and math.isfinite(self.change_high)):
            return ""
        low, high = (round(edge, 3) if self.unit == "share" else edge for edge in (self.change_low, self.change_high))
        if low > 0:
            return "up"
        return "down" if high < 0 else "no clear change"

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
        signed, low, high = (
            format_value(number, unit=self.unit, signed=True, points=self.unit == "share")
            for number in (self.change, self.change_low, self.change_high)
        )
        if self.direction in ("up", "down"):
            return f"{self.direction} {self.size_words()} since {self.before} ({low} to {high})"
        return f"no clear change since {self.before}: {signed} ({low} to {high})" if self.direction else f"{signed} since {self.before}"

    def target_words(self) -> str:
        """Where the value stands against its goal, as far as its interval can tell."""
        if self.target is None or not self.enough:
            return ""
        goal = f"goal {self.value(self.target)}"
        low, high = (self.conf_low, self.conf_high) if math.isfinite(self.conf_low) else (self.estimate, self.estimate)
        if low > self.target:
            return f"{goal}: above it"
        return f"{goal}: below it" if high < self.target else f"{goal}: cannot be told apart from it"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``metrics.json``; NaN is None there."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()} | {"direction": self.direction}


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
