"""Numbers in words: shares, intervals, p-values, and "not enough data" where there is not."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: A space that does not break, so that a number stays with its unit.
NBSP = "\u00a0"
ARROW = "\u2192"
MINUS = "\u2212"
#: Numbers this small are written with a power of ten; what is smaller still is nothing but rounding, and is 0.
TINY, ROUNDED = 1e-5, 1e-12
#: No number is written with more digits after the point.
MOST_DECIMALS = 6


def say_number(value: float, *, digits: int = 3, decimals: int | None = None) -> str:
    """Write a number with thousands set apart and no more digits than it deserves.

    Parameters
    ----------
    value : float
        The number.
    digits : int
        Significant digits, where ``decimals`` are not given.
    decimals : int, optional
        Digits after the point, all of them written.

    Examples
    --------
    >>> say_number(12345.6), say_number(2.5), say_number(0.01234), say_number(3.21e-9)
    ('12,346', '2.5', '0.0123', '3.21e−9')
    """
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "never" if value > 0 else MINUS + "∞"
    if decimals is not None and not (decimals >= MOST_DECIMALS and abs(value) < TINY):
        text = f"{value:,.{decimals}f}".replace("-", MINUS)
        return text.removeprefix(MINUS) if not text.strip(f"{MINUS}0.,") else text
    if abs(value) < ROUNDED:
        return "0"
    if abs(value) < TINY:
        return _say_power(value, digits=digits if decimals is None else 2)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{abs(value):,.{min(decimals, MOST_DECIMALS)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return (MINUS if value < 0 and text.strip("0.,") else "") + (text or "0")


def _say_power(value: float, *, digits: int) -> str:
    """Write a number that six decimals would lose, such as 3.2e−9."""
    digits_of, power = f"{value:.{digits - 1}e}".split("e")
    digits_of = digits_of.rstrip("0").rstrip(".") if "." in digits_of else digits_of
    return f"{digits_of}e{int(power)}".replace("-", MINUS)


def say_share(value: float, *, unit: bool = True) -> str:
    r"""Write a share as per cent; a tenth where it matters, and never 0 or 100 for what is only near it.

    Examples
    --------
    >>> say_share(0.124), say_share(0.0049), say_share(0.998), say_share(-0.003), say_share(-0.0)
    ('12\xa0%', '0.5\xa0%', '99.8\xa0%', '−0.3\xa0%', '0\xa0%')
    """
    if value is None or math.isnan(value):
        return "unknown"
    percent = 100 * value
    end = f"{NBSP}%" if unit else ""
    if 0 < percent < 0.05:
        return f"<0.1{end}"
    if 99.95 < percent < 100:
        return f">99.9{end}"
    near_edge = 0.05 <= abs(percent) < 1 or 99 < percent < 100
    text = f"{percent:.1f}" if near_edge else f"{percent:.0f}"
    return text.removeprefix("-" if not text.strip("-0.") else "").replace("-", MINUS) + end


def say_count(value: float) -> str:
    """Write a count.

    Examples
    --------
    >>> say_count(12000)
    '12,000'
    """
    return "unknown" if value is None or math.isnan(value) else f"{round(value):,}".replace("-", MINUS)


def say(value: float, *, kind: str, unit: bool = True) -> str:
    """Write a value of a kind: ``share``, ``points`` (a difference of shares), ``count``, ``p`` (a p-value) or ``number``."""
    if kind == "points":
        return say_share(value, unit=False) + (f"{NBSP}points" if unit and not math.isnan(value) else "")
    if kind == "share":
        return say_share(value, unit=unit)
    if kind == "p":
        return say_p_value(value)
    return say_count(value) if kind == "count" else say_number(value)


def say_money(value: float, currency: str, *, digits: int = 2) -> str:
    """Write money with digits that mean something; below a cent it is as good as none.

    Examples
    --------
    >>> say_money(1234.5, "EUR"), say_money(-0.4, "EUR"), say_money(2e-6, "EUR"), say_money(0.0, "")
    ('1,200 EUR', '−0.4 EUR', 'less than 0.01 EUR', '0')
    """
    said = "less than 0.01" if 0 < abs(value) < 0.01 else say_number(float(f"{value:.{digits}g}"))
    return f"{said} {currency}".strip()


def say_p_value(value: float) -> str:
    """Write a p-value with as many digits as anybody reads.

    Examples
    --------
    >>> say_p_value(0.0342), say_p_value(0.62), say_p_value(1e-9)
    ('0.034', '0.62', '<0.001')
    """
    if math.isnan(value):
        return "unknown"
    return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def say_p(value: float) -> str:
    """Write a p-value in a sentence.

    Examples
    --------
    >>> say_p(0.034), say_p(9.5e-22)
    ('p = 0.034', 'p < 0.001')
    """
    said = say_p_value(float(value))
    return f"p < {said[1:]}" if said.startswith("<") else f"p = {said}"


def say_not_enough(n: float) -> str:
    r"""Say that there is not enough data.

    Examples
    --------
    >>> say_not_enough(3)
    'not enough data (n\xa0=\xa03)'
    """
    return f"not enough data ({say_n(0 if n is None or math.isnan(n) else n)})"


def say_n(n: float) -> str:
    """Say how many stand behind a number."""
    return f"n{NBSP}={NBSP}{say_count(n)}"


def decimals_of(low: float, high: float) -> int:
    """Digits after the point that an interval deserves: two of its width are known, and on which side of 0 it ends.

    Examples
    --------
    >>> decimals_of(-2.71, 2.07), decimals_of(120.0, 480.0), decimals_of(0.31, 0.34), decimals_of(-0.01, 1.71)
    (1, 0, 3, 2)
    """
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return 2
    decimals = min(max(1 - math.floor(math.log10(width)), 0), MOST_DECIMALS)
    nearest = min(abs(low), abs(high))
    if 0 < nearest < 0.5 * 10**-decimals:
        return min(decimals + 2, max(decimals, -math.floor(math.log10(nearest))), MOST_DECIMALS)
    return decimals


def say_pair(estimate: float, low: float, high: float, *, kind: str) -> tuple[str, str]:
    """Write an estimate and its interval, numbers with as many digits as the interval deserves.

    Examples
    --------
    >>> say_pair(0.876, -1.1, 2.85, kind="number")
    ('0.9', '−1.1 to 2.9')
    >>> say_pair(3.2e-9, 1.1e-9, 5e-9, kind="number")
    ('3.2e−9', '1.1e−9 to 5e−9')
    """
    if kind != "number" or math.isnan(low) or math.isnan(high):
        return say(estimate, kind=kind), say_interval(low, high, kind=kind)
    decimals = decimals_of(low, high)
    if math.isinf(low) or math.isinf(high):
        return say_number(estimate), f"{say_number(low)} to {say_number(high)}"
    return say_number(estimate, decimals=decimals), f"{say_number(low, decimals=decimals)} to {say_number(high, decimals=decimals)}"


def say_interval(low: float, high: float, *, kind: str) -> str:
    """Write an interval without brackets.

    Examples
    --------
    >>> say_interval(0.09, 0.16, kind="share")
    '9 to 16'
    """
    if math.isnan(low) or math.isnan(high):
        return "interval unknown"
    return f"{say(low, kind=kind, unit=False)} to {say(high, kind=kind, unit=False)}"


def say_estimate(estimate: float, low: float, high: float, n: float, *, kind: str) -> str:
    r"""Write an estimate with its interval and n, or say that there is not enough data.

    Examples
    --------
    >>> say_estimate(0.12, 0.09, 0.16, 240, kind="share")
    '12\xa0% (9 to 16), n\xa0=\xa0240'
    >>> say_estimate(float("nan"), float("nan"), float("nan"), 3, kind="share")
    'not enough data (n\xa0=\xa03)'
    """
    if math.isnan(estimate):
        return say_not_enough(n)
    middle, interval = say_pair(estimate, low, high, kind=kind)
    return f"{middle} ({interval}), {say_n(n)}"


def say_ticks(places: Sequence[float], *, kind: str) -> list[str]:
    r"""Write the values along an axis, all with the decimals that tell them apart.

    Examples
    --------
    >>> say_ticks([0.0, 0.025, 0.05], kind="share")
    ['0\xa0%', '2.5\xa0%', '5\xa0%']
    """
    if kind != "share":
        return [say(place, kind=kind) for place in places]
    return [f"{100 * place:.3f}".rstrip("0").rstrip(".").replace("-", MINUS) + f"{NBSP}%" for place in places]


def say_list(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Examples
    --------
    >>> say_list(["A"]), say_list(["A", "B", "C"])
    ('A', 'A, B and C')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def say_period(labels: Sequence[str]) -> str:
    """Name the period that data cover.

    Examples
    --------
    >>> say_period(["2026Q1", "2026Q2", "2026Q3"]), say_period(["2026Q3"])
    ('2026Q1 to 2026Q3', '2026Q3')
    """
    return f"{labels[0]} to {labels[-1]}" if len(labels) > 1 else str(labels[0])


def plural(count: float, one: str, many: str = "") -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "partner"), plural(2, "partner")
    ('1 partner', '2 partners')
    """
    return f"{say_count(count)} {one if round(count) == 1 else many or one + 's'}"


def fewer(noun: str) -> str:
    """Say "fewer" of what is counted and "less" of what is weighed: what is counted is written in the plural.

    Examples
    --------
    >>> fewer("leads"), fewer("deals registered"), fewer("revenue"), fewer("business")
    ('fewer', 'fewer', 'less', 'less')
    """
    return "fewer" if any(word.endswith("s") and not word.endswith("ss") for word in noun.split()) else "less"


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
