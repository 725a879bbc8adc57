"""The verb `plot`: one picture for each kind of result.

The drawings live in files by subject. A drawing file is imported when the first
result of its kind is plotted, so that this room is quick to import.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from partnerlab.errors import ParameterError
from partnerlab.show.picture import Picture

#: Class of a result -> the file that registers its drawing.
DRAWN_IN = {
    "Panel": "indicators",
    "Scores": "indicators",
    "TierHistory": "histories",
    "TransitionEstimate": "flows",
    "Movers": "movers",
    "TierForecast": "forecasts",
    "ForecastComparison": "forecasts",
    "SurvivalEstimate": "curves",
    "HazardEstimate": "hazards",
    "IncidenceEstimate": "endings",
    "NoiseBaseline": "flows",
    "Explanation": "explanations",
    "TierProbability": "uncertainty",
    "RealMoves": "uncertainty",
    "Sensitivity": "uncertainty",
    "Bunching": "uncertainty",
    "Agreement": "uncertainty",
    "Misclassification": "uncertainty",
    "Overrides": "uncertainty",
    "Leading": "uncertainty",
    "Result": "intervals",
    "DataQuality": "quality",
}


@functools.singledispatch
def _drawing(result: Any, **options: Any) -> Picture:
    raise ParameterError(f"nothing can be drawn of a {type(result).__name__}; plot takes {', '.join(sorted(DRAWN_IN))}")


def load_drawings(kind: type) -> None:
    """Import the files that draw and write a class, so that they are registered."""
    for one in kind.__mro__:
        room = DRAWN_IN.get(one.__name__)
        if room is not None and one.__module__.startswith("partnerlab."):
            importlib.import_module(f"partnerlab.show.{room}")


def plot(result: Any, **options: Any) -> Picture:
    """Draw a result.

    Parameters
    ----------
    result : Panel, Scores, TierHistory, Explanation, DataQuality, or any of the house's results
        What to draw.
    **options
        What to show of it, see the drawing's own parameters: ``indicator=`` for a panel,
        ``view="counts" | "quadrant" | "flows"`` and ``quarter=`` for a tier history, ``group=`` for a result by segment.

    Returns
    -------
    Picture
        Headline, drawing, caption, alternative text, and the numbers behind it.

    Raises
    ------
    ParameterError
        If there is no picture for that kind of thing.
    SampleError
        If there is nothing to draw.

    Examples
    --------
    >>> plot(42)
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: nothing can be drawn of a int; plot takes Agreement, Bunching, ...
    """
    load_drawings(type(result))
    return _drawing(result, **options)


#: Drawings register themselves by the class that they draw.
plot.register = _drawing.register  # type: ignore[attr-defined]
