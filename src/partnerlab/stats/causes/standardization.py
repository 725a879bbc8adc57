"""Effects by standardisation: a regression for each side, and the difference of what both expect, averaged over whom one asks about.

The g-formula of Robins (1986), Mathematical Modelling 7, for one decision; errors by the regressions' influence functions.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.causes.aipw import OutcomeFamily
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.regressions.linear import fit_line


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardizedEffect:
    """An effect and what each row contributed to it.

    Parameters
    ----------
    estimate : float
        NaN where a side is empty or its columns repeat each other.
    influence : float array, shape (m,)
        Scaled so that ``sqrt(sum(influence ** 2)) / m`` is the standard error.
    """

    estimate: float
    influence: np.ndarray


def standardized_effect(
    outcome: np.ndarray,
    treated: np.ndarray,
    design: np.ndarray,
    *,
    target: Literal["att", "ate"] = "att",
    family: OutcomeFamily = "linear",
    weight: np.ndarray | None = None,
) -> StandardizedEffect:
    """Average the difference of two fitted regressions.

    Parameters
    ----------
    outcome : float array, shape (m,)
    treated : bool array, shape (m,)
    design : float array, shape (m, k)
        With its intercept; both sides have coefficients of their own.
    target : {"att", "ate"}
        Over the treated, or over all.
    family : {"linear", "logit"}
        Least squares; or, of outcomes 0 and 1, a logit.
    weight : float array, shape (m,), optional
        Weights.

    Examples
    --------
    >>> outcome, treated = np.array([3.0, 5.0, 1.0, 3.0]), np.array([True, True, False, False])
    >>> standardized_effect(outcome, treated, np.ones((4, 1))).estimate
    2.0
    """
    on, rows = treated.astype(bool), len(outcome)
    weight = np.ones(rows) if weight is None else weight
    sides = [_fit_side(outcome, design, side, weight, family) if side.any() else None for side in (on, ~on)]
    if sides[0] is None or sides[1] is None:
        return StandardizedEffect(estimate=np.nan, influence=np.full(rows, np.nan))
    share = weight * (on if target == "att" else 1.0)
    share = share / share.sum()
    apart = sides[0].expected - sides[1].expected
    estimate = float(share @ apart)
    influence = rows * share * (apart - estimate)
    for sign, side, side_rows in ((1.0, sides[0], on), (-1.0, sides[1], ~on)):
        influence[side_rows] += sign * rows * side.push @ ((share * side.slope) @ design)
    return StandardizedEffect(estimate=estimate, influence=influence)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Side:
    """One side's regression: what it expects of every row, how that moves with the line, its rows' push on the coefficients."""

    expected: np.ndarray
    slope: np.ndarray
    push: np.ndarray


def _fit_side(outcome, design, side, weight, family) -> _Side | None:
    if family == "logit":
        logit = fit_propensity(outcome[side], design[side], weight[side])
        if logit is None:
            return None
        expected = logit.predict(design)
        push = logit.influence(outcome[side], design[side], weight[side]) / side.sum()
        return _Side(expected=expected, slope=expected * (1.0 - expected), push=push)
    line = fit_line(outcome[side], design[side], weight=weight[side])
    if line is None:
        return None
    push = (line.design * line.residual[:, None]) @ line.bread
    return _Side(expected=design @ line.coefficients, slope=np.ones(len(outcome)), push=push)
