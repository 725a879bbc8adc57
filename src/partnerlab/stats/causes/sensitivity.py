"""How strong an unseen common cause would have to be to explain an effect away: E-values and partial R².

E-values: VanderWeele and Ding (2017), Annals of Internal Medicine 167; common outcomes: VanderWeele (2017), Epidemiology 28.
Robustness values: Cinelli and Hazlett (2020), Journal of the Royal Statistical Society B 82.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np

from partnerlab.stats.inference.intervals import critical_value

Ratio = Literal["risk", "odds", "hazard"]


def ratio_as_risk(ratio: np.ndarray | float, *, kind: Ratio = "risk", common: bool = True) -> np.ndarray:
    """Read a ratio as the risk ratio that it approximates.

    Parameters
    ----------
    ratio : float array
        Above 0.
    kind : {"risk", "odds", "hazard"}
        What it is a ratio of.
    common : bool
        Whether the outcome happens to more than about 15 %; with rare ones all three ratios agree.

    Examples
    --------
    >>> ratio_as_risk(0.56, kind="hazard").round(4).item(), ratio_as_risk(4.0, kind="odds").item()
    (0.6701, 2.0)
    """
    ratio = np.asarray(ratio, dtype=float)
    if kind == "risk" or not common:
        return ratio
    if kind == "odds":
        return np.sqrt(ratio)
    with np.errstate(divide="ignore", invalid="ignore"):
        converted = -np.expm1(math.log(0.5) * np.sqrt(ratio)) / -np.expm1(math.log(0.5) / np.sqrt(ratio))
    return np.where(ratio == 1, 1.0, converted)


def difference_as_risk(difference: np.ndarray | float, std_error: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a standardised mean difference as a risk ratio with its 95 % limits: ``exp(0.91 d ± 1.78 se)``.

    Parameters
    ----------
    difference, std_error : float array
        In standard deviations of the outcome.

    Returns
    -------
    ratio, low, high : float array

    Examples
    --------
    >>> [round(float(end), 3) for end in difference_as_risk(0.3, 0.1)]
    [1.314, 1.1, 1.57]
    """
    middle, spread = 0.91 * np.asarray(difference, dtype=float), 1.78 * np.asarray(std_error, dtype=float)
    return np.exp(middle), np.exp(middle - spread), np.exp(middle + spread)


def e_value(ratio: np.ndarray | float) -> np.ndarray:
    """Risk ratio that an unseen cause needs with both treatment and outcome to explain a risk ratio away.

    ``RR + sqrt(RR (RR - 1))``, of ``1 / RR`` below 1; 1 means that none is needed.

    Parameters
    ----------
    ratio : float array
        Risk ratios, above 0.

    Examples
    --------
    >>> e_value([3.9, 0.8, 1.0]).round(2).tolist()
    [7.26, 1.81, 1.0]
    """
    ratio = np.asarray(ratio, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.where(ratio < 1, 1.0 / ratio, ratio)
        return away + np.sqrt(away * (away - 1.0))


def e_value_limit(low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """Give the E-value of the end of the interval that is nearer to 1; 1 where the interval holds 1.

    Examples
    --------
    >>> e_value_limit([1.8, 0.71, 0.9], [8.7, 0.91, 1.2]).round(2).tolist()
    [3.0, 1.43, 1.0]
    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    nearer = np.where(low > 1, low, np.where(high < 1, high, 1.0))
    return np.where(np.isnan(low) | np.isnan(high), np.nan, e_value(nearer))


def partial_r2(t_value: np.ndarray | float, df: np.ndarray | float) -> np.ndarray:
    """Share of what is left to explain that a regression's term explains: ``t² / (t² + df)``.

    Examples
    --------
    >>> partial_r2(4.18, 783).round(3).item()
    0.022
    """
    square = np.asarray(t_value, dtype=float) ** 2
    return square / (square + df)


def robustness_value(
    estimate: np.ndarray | float, std_error: np.ndarray | float, *, df: float, share: float = 1.0, level: float | None = None
) -> np.ndarray:
    """Share of both treatment and outcome that unseen causes must explain to take a share of the estimate away.

    Parameters
    ----------
    estimate, std_error : float array
        Of the treatment's coefficient.
    df : float
        Residual degrees of freedom of the regression, above 1.
    share : float
        Share of the estimate to be taken away; 1 brings it to zero.
    level : float or None
        With a level: share that makes the interval of that level hold zero (for ``share=1``), instead of the estimate be zero.

    Returns
    -------
    float array
        0 to 1 (the ``RV`` of Cinelli and Hazlett, section 4.2); 0 where nothing is needed.

    Examples
    --------
    >>> robustness_value(0.0973, 0.0233, df=783).round(2).item(), robustness_value(0.0973, 0.0233, df=783, level=0.95).round(2).item()
    (0.14, 0.08)
    """
    strength = share * np.abs(np.asarray(estimate, dtype=float) / std_error) / math.sqrt(df)
    bar = _bar(level, df)
    left = np.maximum(strength - bar, 0.0)
    equal = (np.sqrt(left**4 + 4 * left**2) - left**2) / 2
    if bar == 0:
        return equal
    # beyond 1 / bar causes that explain nothing of the outcome's rest widen the interval enough
    one_sided = (strength**2 - bar**2) / (1 + strength**2)
    return np.where((left > 0) & (strength >= 1 / bar), one_sided, equal)


def _bar(level: float | None, df: float) -> float:
    """Strength below which a term's interval holds zero, with one degree of freedom spent on the unseen cause."""
    if level is None:
        return 0.0
    return float(critical_value(level, df - 1)) / math.sqrt(df - 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bound:
    """Unseen causes as strong as a seen one, and what they would leave of the estimate.

    Parameters
    ----------
    times : float array, shape (k,)
        How many times as strong as the seen cause.
    of_treatment, of_outcome : float array, shape (k,)
        Largest partial R² of the unseen cause with treatment, and with the outcome given treatment.
    estimate, std_error : float array, shape (k,)
        What is left after adjusting for it. NaN where no cause can be that strong.
    """

    times: np.ndarray
    of_treatment: np.ndarray
    of_outcome: np.ndarray
    estimate: np.ndarray
    std_error: np.ndarray


def benchmark_bound(
    estimate: float, std_error: float, *, df: float, of_treatment: float, of_outcome: float, times: np.ndarray | float = 1.0
) -> Bound:
    """Bound what unseen causes some times as strong as a seen covariate would leave of an estimate.

    Parameters
    ----------
    estimate, std_error : float
        Of the treatment's coefficient.
    df : float
        Residual degrees of freedom of its regression.
    of_treatment, of_outcome : float
        Partial R² of the seen covariate with the treatment (given the other covariates) and with the outcome (given those and
        the treatment).
    times : float array, shape (k,)
        How many times as strong.

    Notes
    -----
    Cinelli and Hazlett (2020), section 4.4.

    Examples
    --------
    >>> bound = benchmark_bound(0.0973, 0.0233, df=783, of_treatment=0.0091, of_outcome=0.1098, times=[1, 2, 3])
    >>> bound.estimate.round(3).tolist()
    [0.075, 0.053, 0.03]
    """
    times = np.atleast_1d(np.asarray(times, dtype=float))
    with np.errstate(invalid="ignore", divide="ignore"):
        treatment = times * of_treatment / (1 - of_treatment)
        shared = times * of_treatment**2 / ((1 - times * of_treatment) * (1 - of_treatment))
        pull = (np.sqrt(times) + np.sqrt(shared)) / np.sqrt(1 - shared)
        outcome = np.minimum(pull**2 * of_outcome / (1 - of_outcome), 1.0)
        possible = (treatment < 1) & (shared < 1) & (shared >= 0)
    treatment, outcome = np.where(possible, treatment, np.nan), np.where(possible, outcome, np.nan)
    left, error = adjusted_estimate(estimate, std_error, df=df, of_treatment=treatment, of_outcome=outcome)
    return Bound(times=times, of_treatment=treatment, of_outcome=outcome, estimate=left, std_error=error)


def adjusted_estimate(
    estimate: float, std_error: float, *, df: float, of_treatment: np.ndarray | float, of_outcome: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate and standard error after an unseen cause of given strength has been taken out, against the estimate.

    Parameters
    ----------
    estimate, std_error, df : float
        Of the regression without it.
    of_treatment, of_outcome : float array
        Partial R² of the unseen cause with treatment and with outcome, 0 to 1.

    Examples
    --------
    >>> left, error = adjusted_estimate(1.0, 0.2, df=100, of_treatment=0.1, of_outcome=0.1)
    >>> left.round(3).item(), error.round(3).item()
    (0.789, 0.201)
    """
    of_treatment, of_outcome = np.asarray(of_treatment, dtype=float), np.asarray(of_outcome, dtype=float)
    bias = std_error * math.sqrt(df) * np.sqrt(of_outcome * of_treatment / (1 - of_treatment))
    error = std_error * np.sqrt((1 - of_outcome) / (1 - of_treatment)) * math.sqrt(df / (df - 1))
    return math.copysign(1.0, estimate) * (abs(estimate) - bias), error
