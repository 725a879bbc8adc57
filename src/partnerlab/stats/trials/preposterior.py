"""What a test is worth before it is run: how much better one would decide with it (Raiffa and Schlaifer 1961, chapter 5)."""

from __future__ import annotations

import math


def value_of_testing(mean: float, sd: float, std_error: float) -> float:
    """Find the expected gain, for each row decided about, of deciding after a test rather than before.

    Parameters
    ----------
    mean, sd : float
        What is believed of the net value of a row: normal, before the test.
    std_error : float
        Of the test's estimate, in the same unit; infinite is no test.

    Examples
    --------
    >>> round(value_of_testing(0.0, 1.0, 0.0), 4), value_of_testing(0.0, 1.0, math.inf)  # all there is to know, and nothing
    (0.3989, 0.0)
    """
    if not sd > 0 or math.isinf(std_error):
        return 0.0
    moved = sd**2 / math.hypot(sd, std_error)
    far = abs(mean) / moved
    density = math.exp(-0.5 * far**2) / math.sqrt(2 * math.pi)
    return max(moved * (density - far * 0.5 * math.erfc(far / math.sqrt(2))), 0.0)
