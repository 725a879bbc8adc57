"""The verb `plot`: one picture for each kind of result.

The drawings live in files by subject. A drawing file is imported when the first
result of its kind is plotted, so that this room is quick to import.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

from partnerlab.errors import ParameterError, nearest
from partnerlab.show.picture import Picture

#: Class of a result -> the file that registers its drawing.
DRAWN_IN = {
    "Panel": "indicators",
    "Scores": "indicators",
    "TierHistory": "histories",
    "TransitionEstimate": "flows",
    "PooledTransitions": "chains",
    "ChainCheck": "chains",
    "DriftEstimate": "chains",
    "HiddenTransitions": "hidden",
    "Movers": "movers",
    "Turns": "turns",
    "TierForecast": "forecasts",
    "ForecastComparison": "forecasts",
    "ForecastBacktest": "backtests",
    "SurvivalEstimate": "curves",
    "HazardEstimate": "hazards",
    "IncidenceEstimate": "endings",
    "LifeTableEstimate": "curves",
    "Calibration": "calibrations",
    "PredictionScores": "calibrations",
    "TransitionModel": "coefficients",
    "HazardModel": "coefficients",
    "CoxModel": "coefficients",
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
    "PlaybookCoverage": "uncertainty",
    "AnchorCheck": "uncertainty",
    "IndicatorAudit": "uncertainty",
    "SchemeComparison": "comparisons",
    "LineDesign": "lines",
    "TierShares": "intervals",
    "StateHazards": "states",
    "StateOccupancy": "states",
    "StateProbabilities": "states",
    "SojournEstimate": "states",
    "SustainedEffects": "tactics_over_time",
    "NestedTrialEffects": "tactics_over_time",
    "SwitchingEffects": "tactics_over_time",
    "FirstPassage": "states",
    "GeneratorEstimate": "states",
    "MobilityEstimate": "states",
    "Embedding": "states",
    "AdoptionEffects": "tactics",
    "OnOffEffects": "tactics",
    "AssignmentCheck": "tactics_checks",
    "RobustnessCard": "tactics_checks",
    "TierEffects": "tactics_cells",
    "AdjustedEffects": "tactics_cells",
    "MatchedEffects": "tactics_cells",
    "Association": "tactics_cells",
    "TacticComparison": "tactics_cells",
    "NextPartners": "tactics_cells",
    "LineEffects": "tactics_lines",
    "DoseEffects": "tactics_lines",
    "TacticAnalysis": "tactics",
    "Verdict": "tactics",
    "ExperimentDesign": "experiments",
    "Assignment": "experiments",
    "Trial": "experiments_run",
    "TierReading": "experiments_looks",
    "RepeatedEffect": "experiments_looks",
    "ExperimentReading": "experiments_effects",
    "LookPath": "experiments_looks",
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
        If there is no picture for that kind of thing, or an option is missing or unknown.
    SampleError
        If there is nothing to draw.

    Examples
    --------
    >>> plot(42)
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: nothing can be drawn of a int; plot takes AdjustedEffects, ...
    """
    load_drawings(type(result))
    _check_options(result, options)
    return _drawing(result, **options)


def _check_options(result: Any, options: dict[str, Any]) -> None:
    """Refuse options that the drawing does not have, and name one that it cannot do without."""
    drawing = _drawing.dispatch(type(result))
    takes = list(inspect.signature(drawing).parameters.values())[1:]
    asked, passes_on = [one for one in takes if one.kind is one.KEYWORD_ONLY], any(one.kind is one.VAR_KEYWORD for one in takes)
    kind, names = type(result).__name__, [one.name for one in asked]
    strange = next((name for name in options if name not in names), None)
    if strange is not None and not passes_on:
        raise ParameterError(f"plot of a {kind} has no option {strange!r}{nearest(strange, names)}", option=strange)
    lacking = next((one.name for one in asked if one.default is one.empty and one.name not in options), None)
    if lacking is not None:
        known = getattr(getattr(result, f"{lacking}s", None), "names", ())
        raise ParameterError(f"plot of a {kind} needs {lacking}={'; one of ' + ', '.join(known) if known else ''}", option=lacking)


#: Drawings register themselves by the class that they draw.
plot.register = _drawing.register  # type: ignore[attr-defined]
