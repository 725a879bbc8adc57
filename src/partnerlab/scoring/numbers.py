"""Numbers as people write them, kept exact: 8, 0.5, 20 %, 40/6."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

#: Longest and largest number that a person writes.
_DIGITS, _LARGEST = 40, 10**18
_WRITTEN = re.compile(rf"[+-]?[\d.]{{1,{_DIGITS}}}(?:[eE][-+]?\d{{1,2}})?(?:/[\d.]{{1,{_DIGITS}}})?%?")


def parse_number(text: str | float) -> Fraction:
    """Read ``8``, ``0.5``, ``20 %`` or ``40/6`` exactly.

    Examples
    --------
    >>> parse_number("40/6")
    Fraction(20, 3)
    >>> parse_number("20 %")
    Fraction(1, 5)
    """
    body = str(text).replace(" ", "")
    if not _WRITTEN.fullmatch(body):  # a number of thousands of digits or 1e999999999 would be computed for ever
        raise ValueError(f"not a number of at most {_DIGITS} digits and an exponent of at most two")
    percent = body.endswith("%")
    top, _, bottom = body.removesuffix("%").partition("/")
    value = Fraction(top) / Fraction(bottom or "1")
    return within_reach(value / 100 if percent else value)


def within_reach(value: Fraction | int) -> Any:
    """Give the number back, or refuse it where no measure of a program is as large."""
    if abs(value) > _LARGEST:
        raise ValueError("a number is at most 1e18 here; write it in a larger unit")
    return value
