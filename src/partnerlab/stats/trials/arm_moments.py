"""Differences between arms from counts, means and products of each arm: what large trials need, in one pass over their rows.

Adjustment: Deng, Xu, Kohavi and Walker (2013), WSDM; Lin (2013), Annals of Applied Statistics 7. Ratios: Deng, Knoblich
and Lu (2018), KDD.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from partnerlab.stats.trials.arm_differences import ArmDifference

Slope = Literal["arms", "common", "pooled"]
#: Rows read at a time: they stay in the processor's cache.
BLOCK = 16_384


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmMoments:
    """Moments of some columns in each arm.

    Parameters
    ----------
    count : float array, shape (a,)
        Rows.
    mean : float array, shape (a, k)
    products : float array, shape (a, k, k)
        Sums of products of the columns less their arm's means.
    """

    count: np.ndarray
    mean: np.ndarray
    products: np.ndarray


def count_moments(arm: np.ndarray, columns: Sequence[np.ndarray], *, arms: int) -> ArmMoments:
    """Read the moments of columns by arm.

    Parameters
    ----------
    arm : int array, shape (m,)
        Codes 0, 1, ...
    columns : sequence of float arrays, shape (m,)
        A NaN makes its arm's moments of the column NaN.
    arms : int
        How many arms there are.

    Examples
    --------
    >>> found = count_moments(np.array([0, 0, 1, 1]), [np.array([1.0, 3.0, 2.0, 6.0])], arms=2)
    >>> found.mean.ravel().tolist(), found.products.ravel().tolist()
    ([2.0, 4.0], [2.0, 8.0])
    """
    k = len(columns)
    shift = np.array([float(np.mean(column[:1000])) if len(column) else 0.0 for column in columns])  # keeps digits where means are large
    sums = np.zeros((arms, k + 1, k + 1))
    block = np.ones((k + 1, BLOCK))
    for first in range(0, len(arm), BLOCK):
        code = arm[first : first + BLOCK]
        part = block[:, : len(code)]
        for place, column in enumerate(columns):
            np.subtract(column[first : first + BLOCK], shift[place], out=part[place + 1])
        whole = part @ part.T
        for one in range(1, arms):
            own = (part * (code == one)) @ part.T
            sums[one] += own
            whole -= own
        sums[0] += whole
    count = sums[:, 0, 0]
    mean = sums[:, 0, 1:] / np.maximum(count, 1)[:, None]
    products = sums[:, 1:, 1:] - count[:, None, None] * mean[:, :, None] * mean[:, None, :]
    return ArmMoments(count=count, mean=mean + shift, products=products)


def moment_difference(
    moments: ArmMoments,
    column: int,
    *,
    per: int | None = None,
    given: Sequence[int] = (),
    arms: tuple[int, int] = (1, 0),
    slope: Slope = "arms",
    scale: tuple[float, float] = (1.0, 1.0),
) -> ArmDifference:
    """Difference of means, or of ratios of sums, between two arms.

    Parameters
    ----------
    moments : ArmMoments
    column : int
        Of the outcome.
    per : int, optional
        Column of the denominator of a ratio.
    given : sequence of int
        Columns known before, that the outcome is adjusted for.
    arms : pair of int
        Treated and control.
    slope : {"arms", "common", "pooled"}
        A slope in each arm (Lin), one for both from within arms, or one from all rows whatever their arm (Deng et al. 2013).
    scale : pair of float
        What each arm's outcome is multiplied by.

    Returns
    -------
    ArmDifference
        Degrees of freedom after Welch and Satterthwaite; NaN with fewer than two rows beyond the slopes in an arm.

    Examples
    --------
    >>> moments = count_moments(np.array([1, 1, 0, 0]), [np.array([3.0, 5.0, 1.0, 2.0])], arms=2)
    >>> found = moment_difference(moments, 0)
    >>> found.estimate, round(found.std_error, 4), round(found.df, 3)
    (2.5, 1.118, 1.471)
    """
    given = list(given)
    weights = [_outcome_weights(moments, arm, column, per, factor) for arm, factor in zip(arms, scale, strict=True)]
    inside = [moments.products[arm] for arm in arms]
    counts = [float(moments.count[arm]) for arm in arms]
    slopes = _slopes(moments, arms, weights, given, slope)
    centre = sum(n * moments.mean[arm, given] for n, arm in zip(counts, arms, strict=True)) / sum(counts)
    spent = 1 + (len(given) if slope == "arms" else 0)
    level, variance = [], []
    for arm, products, n, (weight, mean), beta in zip(arms, inside, counts, weights, slopes, strict=True):
        level.append(mean - float(beta @ (moments.mean[arm, given] - centre)))
        full = weight.copy()
        full[given] -= beta
        variance.append(float(full @ products @ full) / (n - spent) / n if n > spent else math.nan)
    total = sum(variance)
    least = [v**2 / (n - spent) for v, n in zip(variance, counts, strict=True) if n > spent]
    said = "difference of ratios" if per is not None else "difference of means"
    adjusted = f", adjusted ({'slopes by arm' if slope == 'arms' else 'one slope'})" if given else ", Welch"
    return ArmDifference(
        estimate=level[0] - level[1],
        std_error=math.sqrt(max(total, 0.0)) if math.isfinite(total) else math.nan,
        df=total**2 / sum(least) if len(least) == len(counts) and total > 0 else math.nan,
        method=said + adjusted,
        control=level[1],
    )


def _outcome_weights(moments: ArmMoments, arm: int, column: int, per: int | None, factor: float) -> tuple[np.ndarray, float]:
    """Outcome of an arm as weights of the columns, and its mean; a ratio is linearised at the arm's own means."""
    weight = np.zeros(moments.mean.shape[1])
    mean = moments.mean[arm]
    if per is None:
        weight[column] = factor
        return weight, factor * float(mean[column])
    ratio = float(mean[column] / mean[per])
    weight[column] += factor / mean[per]
    weight[per] -= factor * ratio / mean[per]
    return weight, factor * ratio


def _slopes(moments: ArmMoments, arms: tuple[int, int], weights, given: list[int], slope: Slope) -> list[np.ndarray]:
    """Slopes of the outcome on what is given, for each arm."""
    if not given:
        return [np.zeros(0)] * len(arms)
    spread = [moments.products[arm][np.ix_(given, given)] for arm in arms]
    pull = [moments.products[arm][given] @ weight for arm, (weight, _) in zip(arms, weights, strict=True)]
    if slope == "arms":
        return [np.linalg.pinv(s, hermitian=True) @ p for s, p in zip(spread, pull, strict=True)]
    both, towards = sum(spread), sum(pull)
    if slope == "pooled":
        n, m = (float(moments.count[arm]) for arm in arms)
        apart = moments.mean[arms[0], given] - moments.mean[arms[1], given]
        both = both + n * m / (n + m) * np.outer(apart, apart)
        towards = towards + n * m / (n + m) * apart * (weights[0][1] - weights[1][1])
    return [np.linalg.pinv(both, hermitian=True) @ towards] * len(arms)
