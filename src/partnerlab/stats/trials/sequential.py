"""Looking more than once: boundaries that spend the error rate over planned looks, and intervals that hold at every look.

Group-sequential boundaries by recursive integration (Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapter 19)
with spending functions of Lan and DeMets (1983), Biometrika 70, Kim and DeMets (1987), Biometrika 74, and Hwang, Shih and DeCani
(1990). Asymptotic confidence sequences: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52. Mixture
sequential probability ratio test: Johari, Koomen, Pekelis and Walsh (2022), Operations Research 70.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Literal

import numpy as np
from scipy.special import ndtr

from partnerlab.errors import ParameterError

Spending = Literal["obrien_fleming", "pocock", "linear", "kim_demets", "hwang_shih_decani"]
#: Points of the grid on which densities are carried from look to look.
GRID = 161
#: Width of the grid, in standard deviations.
REACH = 8.0


def spend(share: np.ndarray, *, alpha: float, kind: Spending = "obrien_fleming", gamma: float = -4.0) -> np.ndarray:
    """Error rate that may be spent by each share of the information, two-sided.

    Parameters
    ----------
    share : float array, shape (k,)
        Information at each look over that of the last, rising to 1.
    alpha : float
        Two-sided error rate.
    kind : {"obrien_fleming", "pocock", "linear", "kim_demets", "hwang_shih_decani"}
        Late spending, even spending, in proportion, or by ``gamma``.
    gamma : float
        Of Hwang, Shih and DeCani: -4 is late, 1 is even. Of Kim and DeMets, whose spending is a power of the share: 1 is in
        proportion, 3 is late.

    Returns
    -------
    float array, shape (k,)
        Cumulative.

    Raises
    ------
    ParameterError
        Where the power of Kim and DeMets is not above 0.

    Examples
    --------
    >>> spend(np.array([0.5, 1.0]), alpha=0.05).round(5).tolist()
    [0.00305, 0.05]
    """
    from scipy.stats import norm

    share = np.minimum(np.asarray(share, dtype=float), 1.0)
    if kind == "obrien_fleming":
        # each side spends half: 2 * 2 * (1 - Phi(z(alpha / 4) / sqrt(share)))
        return 4.0 * norm.sf(norm.isf(alpha / 4.0) / np.sqrt(share))
    if kind == "pocock":
        return alpha * np.log1p((math.e - 1.0) * share)
    if kind == "kim_demets":
        if not gamma > 0:
            raise ParameterError(f"looks: kim_demets spends a power of the information, and gamma is {gamma:g}; give one above 0")
        return alpha * share**gamma
    if kind == "linear" or gamma == 0:
        return alpha * share
    return alpha * np.expm1(-gamma * share) / np.expm1(-gamma)


def boundaries(share: np.ndarray, *, alpha: float, kind: Spending = "obrien_fleming", gamma: float = -4.0) -> np.ndarray:
    """Two-sided boundaries for the z value at each look.

    Parameters
    ----------
    share : float array, shape (k,)
        Information at each look over that of the last, rising to 1.
    alpha, kind, gamma
        As in `spend`.

    Returns
    -------
    float array, shape (k,)
        Stop where ``|z|`` reaches the boundary.

    Raises
    ------
    ParameterError
        Where the shares do not rise to at most 1.

    Examples
    --------
    >>> boundaries(np.array([0.2, 0.4, 0.6, 0.8, 1.0]), alpha=0.05).round(3).tolist()
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    from scipy.optimize import brentq

    share = check_shares(share)
    step = np.diff(spend(share, alpha=alpha, kind=kind, gamma=gamma), prepend=0.0)
    found, state = [], Walk.start()
    for look, now in enumerate(share):

        def excess(bound: float, state: Walk = state, now: float = now, wanted: float = step[look]) -> float:
            return state.crosses(now, bound) - wanted

        bound = REACH if step[look] < 1e-14 else float(brentq(excess, 0.0, REACH, xtol=1e-10))
        found.append(bound)
        state = state.carry(now, bound)
    return np.array(found)


def power_family_bounds(share: np.ndarray, *, alpha: float, delta: float) -> np.ndarray:
    """Two-sided boundaries ``c * share ** (delta - 1/2)`` of Wang and Tsiatis (1987), Biometrics 43, whatever is spent when.

    Parameters
    ----------
    share : float array, shape (k,)
        Information at each look over that of the last, rising to 1.
    alpha : float
        Two-sided error rate.
    delta : float
        0 for O'Brien and Fleming (1979), 1/2 for Pocock (1977).

    Returns
    -------
    float array, shape (k,)

    Raises
    ------
    ParameterError
        Where the shares do not rise to at most 1.

    Examples
    --------
    >>> power_family_bounds(np.array([0.2, 0.4, 0.6, 0.8, 1.0]), alpha=0.05, delta=0.0).round(3).tolist()
    [4.562, 3.226, 2.634, 2.281, 2.04]
    """
    from scipy.optimize import brentq

    share = check_shares(share)
    shape = share ** (delta - 0.5)
    return shape * float(brentq(lambda c: crossing(share, c * shape).sum() - alpha, 0.0, REACH, xtol=1e-10))


def crossing(share: np.ndarray, bounds: np.ndarray, *, drift: float = 0.0) -> np.ndarray:
    """Probability that ``|z|`` first reaches its boundary at each look.

    Parameters
    ----------
    share : float array, shape (k,)
        Information at each look over that of the last.
    bounds : float array, shape (k,)
        Boundaries.
    drift : float
        Mean of z at the last look: effect over its standard error there.

    Returns
    -------
    float array, shape (k,)
        Both sides together; their sum is the power.

    Examples
    --------
    >>> float(crossing(np.array([1.0]), np.array([1.959964]), drift=2.801585).sum().round(4))
    0.8
    """
    found, state = [], Walk.start()
    for now, bound in zip(np.asarray(share, dtype=float), bounds, strict=True):
        found.append(state.crosses(now, bound, drift=drift))
        state = state.carry(now, bound, drift=drift)
    return np.array(found)


@functools.cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss and Legendre, which take longer to find than to use."""
    return np.polynomial.legendre.leggauss(GRID)


@dataclasses.dataclass(frozen=True)
class Walk:
    """Where trials stand that have not stopped: ``z * sqrt(share)`` is a Brownian motion with drift.

    ``mass`` is the probability that each node of the grid ``place`` stands for.
    """

    share: float
    place: np.ndarray
    mass: np.ndarray

    @classmethod
    def start(cls) -> Walk:
        """All trials at nothing, before the first look."""
        return cls(0.0, np.zeros(1), np.ones(1))

    def crosses(self, now: float, bound: float, *, drift: float = 0.0) -> float:
        """Probability of having reached the boundary, on either side, when the share is ``now``."""
        return self.above(now, bound, drift=drift) + self.below(now, -bound, drift=drift)

    def above(self, now: float, upper: float, *, drift: float = 0.0) -> float:
        """Probability of standing above ``upper``, in standard deviations, when the share is ``now``."""
        mean = self.place + drift * (now - self.share)
        return float(self.mass @ ndtr((mean - upper * math.sqrt(now)) / math.sqrt(now - self.share)))

    def below(self, now: float, lower: float, *, drift: float = 0.0) -> float:
        """Probability of standing below ``lower``, in standard deviations, when the share is ``now``."""
        mean = self.place + drift * (now - self.share)
        return float(self.mass @ ndtr((lower * math.sqrt(now) - mean) / math.sqrt(now - self.share)))

    def carry(self, now: float, bound: float, *, lower: float | None = None, drift: float = 0.0) -> Walk:
        """Step on to ``now`` and drop the trials that stop there: beyond the boundary, or below ``lower`` if that is given."""
        step, ends = now - self.share, np.array([-bound if lower is None else lower, bound]) * math.sqrt(now)
        around = drift * now + np.array([-REACH, REACH]) * math.sqrt(now)
        low, high = np.clip(around, *ends)
        nodes, weights = _nodes()
        place = (low + high) / 2 + (high - low) / 2 * nodes
        gap = (place[:, None] - self.place - drift * step) / math.sqrt(step)
        density = np.exp(-0.5 * gap**2) / math.sqrt(2 * math.pi * step) @ self.mass
        return Walk(now, place, density * weights * (high - low) / 2)


def check_shares(share: np.ndarray) -> np.ndarray:
    """Shares of the information as they must be.

    Raises
    ------
    ParameterError
        Where they do not rise to at most 1.
    """
    share = np.asarray(share, dtype=float)
    if share.ndim != 1 or not len(share) or not (np.diff(share, prepend=0.0) > 0).all() or share[-1] > 1 + 1e-12:
        raise ParameterError("looks: shares of the information must rise from above 0 to at most 1")
    return share


def drift_for_power(share: np.ndarray, bounds: np.ndarray, *, power: float = 0.8) -> float:
    """Drift at the last look with which some look finds the effect with a given probability."""
    from scipy.optimize import brentq

    return float(brentq(lambda drift: crossing(share, bounds, drift=drift).sum() - power, 0.0, 20.0, xtol=1e-9))


def conditional_power(z: float, share: float, *, bound: float, drift: float) -> float:
    """Probability of reaching the last boundary, given z at a share of the information and a drift.

    Examples
    --------
    >>> round(conditional_power(0.0, 0.5, bound=1.96, drift=0.0), 4)
    0.0028
    """
    from scipy.stats import norm

    rest = 1.0 - share
    mean, spread = z * math.sqrt(share) + drift * rest, math.sqrt(rest)
    return float(norm.sf((bound - mean) / spread))


def mixing_rate(*, alpha: float, best_at: float) -> float:
    """Mixing parameter with which a confidence sequence is narrowest near ``best_at`` units.

    Examples
    --------
    >>> round(mixing_rate(alpha=0.05, best_at=1000), 6)
    0.089085
    """
    tail = -2.0 * math.log(alpha)
    return math.sqrt((tail + math.log(tail + 1.0)) / best_at)


def sequence_half_width(n: np.ndarray | float, std_error: np.ndarray | float, *, alpha: float, rho: float) -> np.ndarray:
    """Half-width of an interval that holds at every n at once.

    Parameters
    ----------
    n : float array
        Units behind the estimate, all variants together.
    std_error : float array
        Standard error at that n.
    alpha : float
        Error rate over all looks there will ever be.
    rho : float
        As `mixing_rate` gives it.

    Returns
    -------
    float array
    """
    n = np.asarray(n, dtype=float)
    wide = 2.0 * (n * rho**2 + 1.0) / (n * rho) ** 2 * np.log(np.sqrt(n * rho**2 + 1.0) / alpha)
    return np.asarray(std_error) * np.sqrt(n) * np.sqrt(wide)


def sequence_p_value(n: float, z: float, *, rho: float) -> float:
    """Always-valid p-value of a z value at n units: the error rate at which the sequence just touches zero."""
    scale = n * rho**2
    return float(min(1.0, math.sqrt(scale + 1.0) * math.exp(-0.5 * z**2 * scale / (scale + 1.0))))


def mixture_ratio(n: np.ndarray, difference: np.ndarray, *, variance: float, tau2: float) -> np.ndarray:
    """Likelihood ratio of a difference of two means, n units in each, effects mixed over ``N(0, tau2)``.

    Examples
    --------
    >>> mixture_ratio(np.array([50.0]), np.array([0.5]), variance=1.0, tau2=0.1).round(6).tolist()
    [4.981651]
    """
    n = np.asarray(n, dtype=float)
    total = 2.0 * variance + n * tau2
    return np.sqrt(2.0 * variance / total) * np.exp(n**2 * tau2 * np.asarray(difference) ** 2 / (4.0 * variance * total))


def mixture_half_width(n: np.ndarray, *, variance: float, tau2: float, alpha: float) -> np.ndarray:
    """Half-width of the interval of differences that `mixture_ratio` does not reject at ``alpha``."""
    n = np.asarray(n, dtype=float)
    total = 2.0 * variance + n * tau2
    return np.sqrt(4.0 * variance * total / (n**2 * tau2) * (np.log(1.0 / alpha) + 0.5 * np.log(total / (2.0 * variance))))
