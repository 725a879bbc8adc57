"""How skewed the means of clusters are, and what that does to the power of a t test.

The mean and the variance of a sample go together by its third cumulant. Where the treated are less skewed than the control, as shares
that rise towards a half and tiers that rise are, a large difference meets a small error and the test's statistic spreads: it finds
less than a t test of normal means. Counts, whose skewness grows with their level, find more. Cumulants of sample moments: Kendall and
Stuart, The Advanced Theory of Statistics 1, chapter 12; of mixtures: Brillinger (1969), Annals of the Institute of Statistical
Mathematics 21.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.polynomial import Polynomial

LEVEL = Polynomial([0.0, 1.0])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """How far a cluster's mean is from normal.

    Parameters
    ----------
    skewness, excess : float
        Third and fourth standardised cumulant; 0 of a normal number.
    """

    skewness: float = 0.0
    excess: float = 0.0

    def spread_over(self, part: float) -> Shape:
        """Shape of a mean over quarters whose variance is this part of one quarter's."""
        return Shape(skewness=self.skewness * math.sqrt(part), excess=self.excess * part)

    def mean_of(self, size: float, *, icc: float) -> Shape:
        """Shape of a cluster's mean of so many units of this shape; units of a cluster are alike as draws of a Dirichlet process are.

        Two units then are the same one by the chance ``icc``, three and four by those of Ewens (1972), Theoretical Population
        Biology 3; shares become beta-binomial.
        """
        fourth, spread = self.excess + 3, 1 + (size - 1) * icc
        two = size - 1
        three, four = two * (size - 2), two * (size - 2) * (size - 3)
        skewed = 1 + 3 * two * icc + three * 2 * icc**2 / (1 + icc)
        same = 1 + 7 * two * icc + 12 * three * icc**2 / (1 + icc) + 6 * four * icc**3 / ((1 + icc) * (1 + 2 * icc))
        pairs = 3 * (1 - icc) * (two + 2 * three * icc / (1 + icc) + four * icc**2 / ((1 + icc) * (1 + 2 * icc)))
        return Shape(skewness=self.skewness * skewed / math.sqrt(size * spread**3), excess=(same * fourth + pairs) / (size * spread**2) - 3)


def share_shape(level: float, *, icc: float = 0.0, size: float = 1.0) -> Shape:
    """Shape of a cluster's share, beta-binomial.

    Parameters
    ----------
    level : float
        Share expected, between 0 and 1.
    icc : float
        Correlation of two units of a cluster.
    size : float
        Units of a cluster.

    Examples
    --------
    >>> share_shape(0.5).skewness, round(share_shape(0.3).skewness, 4), round(share_shape(0.3, icc=0.15, size=12).skewness, 4)
    (0.0, 0.8729, 0.599)
    """
    variance = level * (1 - level)
    if not variance > 0:
        return Shape()
    return Shape(skewness=(1 - 2 * level) / math.sqrt(variance), excess=1 / variance - 6).mean_of(size, icc=icc)


def win_laws(control: tuple[float, ...], treated: tuple[float, ...]) -> tuple[tuple[float, Shape], tuple[float, Shape]]:
    """Variance and shape, in either arm, of the chance of one unit to win less that to lose against the other arm (Hoeffding 1948).

    Parameters
    ----------
    control, treated : tuple of float
        Shares of the tiers, lowest first.

    Examples
    --------
    >>> [(round(variance, 6), round(shape.skewness, 3)) for variance, shape in win_laws((0.5, 0.5), (0.2, 0.8))]
    [(0.25, 0.0), (0.16, -1.5)]
    """

    def law(own: np.ndarray, other: np.ndarray) -> tuple[float, Shape]:
        away = 2 * np.cumsum(other) - other
        away = away - own @ away
        variance = float(own @ away**2)
        if variance < 1e-12:
            return variance, Shape()
        return variance, Shape(skewness=float(own @ away**3) / variance**1.5, excess=float(own @ away**4) / variance**2 - 3)

    arms = np.array(control), np.array(treated)
    return law(*arms), law(*arms[::-1])


def count_shape(level: float, *, dispersion: float = 0.0, icc: float = 0.0, size: float = 1.0) -> Shape:
    """Shape of a cluster's mean count: its level is gamma, counts about it are negative binomial.

    Parameters
    ----------
    level : float
        Mean count, above 0.
    dispersion : float
        Of units, ``variance = mean + dispersion * mean ** 2``, all clusters together.
    icc : float
        Correlation of two units of a cluster.
    size : float
        Units of a cluster.

    Examples
    --------
    >>> round(count_shape(4.0).skewness, 4), round(count_shape(4.0, dispersion=0.6, icc=0.15, size=12).skewness, 4)
    (0.5, 0.9462)
    """
    between = icc * (level + dispersion * level**2)
    moments = np.cumprod([1.0, *(level + place * between / level for place in range(4))])
    left = max(dispersion * level**2 - between, 0.0) / (level**2 + between)
    variance = LEVEL * (1 + left * LEVEL)
    cumulants = (variance, variance * (1 + 2 * left * LEVEL), variance * (1 + 6 * left * variance))
    return _mixed(level, cumulants, moments, size)


def _mixed(level: float, cumulants: tuple[Polynomial, ...], moments: np.ndarray, size: float) -> Shape:
    """Shape of a mean whose own level varies: cumulants of one unit are polynomials in the level, whose moments are given."""
    second, third, fourth = (cumulant / size**power for power, cumulant in enumerate(cumulants, start=1))
    away = LEVEL - level

    def expect(polynomial: Polynomial) -> float:
        return float(polynomial.coef @ moments[: len(polynomial.coef)])

    variance = expect(away**2 + second)
    if not variance > 0:
        return Shape()
    skewed = expect(away**3 + 3 * away * second + third) / variance**1.5
    return Shape(
        skewness=skewed, excess=expect(away**4 + 6 * away**2 * second + 4 * away * third + fourth + 3 * second**2) / variance**2 - 3
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm of a planned trial.

    Parameters
    ----------
    things : float
        Clusters, or units where these are dealt.
    variance : float
        Of one of them.
    shape : Shape
        Of one of them.
    """

    things: float
    variance: float
    shape: Shape = Shape()


def skewed_power(power: float, *, critical: float, df: float, control: Arm, treated: Arm) -> float:
    """Power of a t test whose means are not normal, from its power if they were.

    Parameters
    ----------
    power : float
        To find the effect in its own direction.
    critical : float
        Value beyond which the statistic finds it.
    df : float
        Degrees of freedom of the error.
    control, treated : Arm
        Of the comparison; the treated are expected to have more.

    Examples
    --------
    Sixteen managers of twelve whose shares rise from .3 to .633; 200,000 trials found 77.5 %:

    >>> arms = [Arm(things=8, variance=p * (1 - p) * 2.65 / 12, shape=share_shape(p, icc=0.15, size=12)) for p in (0.3, 0.633)]
    >>> round(skewed_power(0.8, critical=2.145, df=14, control=arms[0], treated=arms[1]), 3)
    0.779
    """
    from scipy.special import ndtr, ndtri

    if not 0 < power < 1:
        return power
    error = math.sqrt(sum(arm.variance / arm.things for arm in (control, treated)))
    pull = [arm.shape.skewness * arm.variance**1.5 / arm.things**2 / error**3 for arm in (control, treated)]
    tails = sum(arm.shape.excess * arm.variance**2 / arm.things**3 for arm in (control, treated)) / error**4
    # variance of the difference less the critical value times its error, were means normal and as they are
    normal = 1.0 + critical**2 / (2.0 * df)
    real = normal - critical * (pull[1] - pull[0]) + critical**2 / 4.0 * tails
    return float(ndtr(ndtri(power) * math.sqrt(normal / max(real, normal / 4.0))))
