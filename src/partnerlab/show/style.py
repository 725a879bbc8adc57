"""How everything that is shown looks: colours that survive colour blindness and print, one type size, one width."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Width of every figure in its own units; type is set so that it stays readable when that is squeezed into a phone.
WIDTH = 380.0
#: Width at which a page shows a figure when it has the room, in CSS pixels.
SCREEN_WIDTH = 560

#: Fonts that are on the reader's machine already: a report fetches nothing.
FONT_STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
#: Font that texts are measured with: it ships with matplotlib, and is wider than any of the stack.
MEASURED_FONT = "DejaVu Sans"

BODY, SMALL = 11.5, 10.5

PAPER = "#ffffff"
INK = "#1b1b1b"
MUTED = "#565656"
GRID = "#dcdcdc"
PALE = "#c9cdd2"
ACCENT = "#12436d"
SIGNAL = "#b3400e"

#: Colours told apart by people with any colour vision and in grey print; neighbours differ in lightness.
SERIES = ("#12436d", "#28a197", "#801650", "#e8601c", "#5a5a5a", "#a285d1", "#7a5c00", "#3a93cf")
#: From nothing to everything, one hue, lightness falling evenly.
RAMP = ("#f7fbff", "#12436d")


def series_colours(names: Sequence[str]) -> dict[str, str]:
    """Give each name a colour of its own, in order; what is outside the tiers is grey.

    Examples
    --------
    >>> series_colours(["KEY", "lapsed"])
    {'KEY': '#12436d', 'lapsed': '#c9cdd2'}
    """
    outside = {"lapsed", "unknown", "not yet joined", "joined", "returned"}
    inside = [name for name in names if name not in outside]
    colours = {name: SERIES[index % len(SERIES)] for index, name in enumerate(inside)}
    return {name: colours.get(name, PALE) for name in names}


def blend(share: float, *, low: str = RAMP[0], high: str = RAMP[1]) -> str:
    """Colour at a share of the way from one to another.

    Examples
    --------
    >>> blend(0.0), blend(1.0)
    ('#f7fbff', '#12436d')
    """
    share = min(max(share, 0.0), 1.0)
    mixed = [round(a + (b - a) * share) for a, b in zip(_channels(low), _channels(high), strict=True)]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance).

    Examples
    --------
    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable_on(background: str) -> str:
    """Black or white, whichever reads better on a background: one of them always has 4.5 to 1."""
    return max(("#000000", PAPER), key=lambda ink: contrast(ink, background))


def readable(colour: str, *, ratio: float = 4.5) -> str:
    """Darken a colour just enough to be read as text on paper.

    Examples
    --------
    >>> contrast(readable("#f46a25"), "#ffffff") >= 4.5
    True
    """
    share = 0.0
    while contrast(blend(share, low=colour, high="#000000"), PAPER) < ratio:
        share += 0.02
    return blend(share, low=colour, high="#000000")


def nice_ceiling(value: float) -> float:
    """Smallest round number that is not below a value.

    Examples
    --------
    >>> nice_ceiling(173.0), nice_ceiling(0.0)
    (200.0, 1.0)
    """
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if step * power >= value * (1 - 1e-9))


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    parts = [channel / 255 for channel in _channels(colour)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
