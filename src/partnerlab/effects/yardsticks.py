"""What a finding is held against: strengths of seen covariates, effects before and after, how alike the sides are."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from partnerlab.errors import ParameterError
from partnerlab.words import plural


@dataclasses.dataclass(frozen=True, kw_only=True)
class Strength:
    """How strongly a seen covariate goes with treatment and outcome, as a yardstick for unseen causes.

    Parameters
    ----------
    of_treatment, of_outcome : float
        Partial R² with the treatment given the other covariates, and with the outcome given those and the treatment.

    Examples
    --------
    >>> Strength(of_treatment=0.02, of_outcome=0.1).of_outcome
    0.1
    """

    of_treatment: float
    of_outcome: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventPath:
    """An event study: estimates before and after, the period before treatment left out.

    Parameters
    ----------
    estimates : float array, shape (before + after,)
        In order of time, without gaps.
    covariance : float array, shape (before + after, before + after)
    before : int
        How many of them lie before the base.
    weights : float array, shape (after,), or None
        Which average of the effects the finding is; None for the plain mean.
    pre_trend : float
        p-value that both sides went on alike before, from the estimator's own test; NaN where it was not tested.

    Examples
    --------
    >>> EventPath(estimates=np.zeros(3), covariance=np.eye(3), before=2).before
    2
    """

    estimates: np.ndarray = dataclasses.field(repr=False)
    covariance: np.ndarray = dataclasses.field(repr=False)
    before: int
    weights: np.ndarray | None = dataclasses.field(repr=False, default=None)
    pre_trend: float = math.nan

    def __post_init__(self) -> None:
        size, covariance = len(self.estimates), np.asarray(self.covariance, dtype=float)
        if covariance.shape != (size, size) or not 0 <= self.before <= size:
            raise ParameterError(
                f"event path: {plural(size, 'estimate')}, {self.before} of them before, with a covariance of shape {covariance.shape}; "
                f"it must be {(size, size)}"
            )
        spread = np.diag(covariance)
        scale = np.sqrt(np.where(spread > 0, spread, 1.0))
        if not np.isfinite(covariance).all() or not np.allclose(covariance, covariance.T, atol=1e-9 * scale.max(initial=0.0) ** 2):
            raise ParameterError("event path: the covariance is not symmetric, or not known everywhere; give the one of the estimates")
        if (spread <= 0).any() or np.linalg.eigvalsh(covariance / np.outer(scale, scale)).min(initial=0.0) < -1e-8:
            raise ParameterError("event path: no estimates have such a covariance: some average of them would have a negative variance")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Likeness:
    """How alike the two sides are after all that was done to make them so.

    Parameters
    ----------
    alone : float
        Share of the treated, 0 to 1, that look like nobody without the tactic.
    difference : float
        Largest difference of means left between the sides, in standard deviations.
    of : str
        What it is a difference of.
    n : int
        Treated rows.

    Examples
    --------
    >>> Likeness(alone=0.01, difference=0.04, of="last result", n=200).of
    'last result'
    """

    alone: float
    difference: float
    of: str
    n: int
