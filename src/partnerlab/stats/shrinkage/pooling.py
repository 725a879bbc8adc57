"""Borrowing strength: shrink each partner's rate towards its group, by as much as the data ask for.

Gamma-Poisson for counts with exposure, Dirichlet-multinomial for shares
(beta-binomial with two cells). The priors are fitted to the data by maximum
marginal likelihood (empirical Bayes); all groups are fitted at once.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

#: Prior size beyond which a group counts as homogeneous.
LARGEST = 1e6
SMALLEST = 1e-3


@dataclasses.dataclass(frozen=True)
class _Patterns:
    """Units that are alike, counted once: events, exposure, group, and how many units."""

    events: np.ndarray
    exposure: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    groups: int

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum over units by group, shape ``(groups,)``."""
        return np.bincount(self.group, weights=values * self.weight, minlength=self.groups)


def _patterns(events: np.ndarray, exposure: np.ndarray, group: np.ndarray, groups: int) -> _Patterns:
    """Compress units to patterns by one radix code each."""
    seen_events, event = np.unique(events, return_inverse=True)
    seen_exposure, time = np.unique(exposure, return_inverse=True)
    code = (group * len(seen_exposure) + time) * len(seen_events) + event
    found, weight = np.unique(code, return_counts=True)
    rest, event = np.divmod(found, max(len(seen_events), 1))
    member, time = np.divmod(rest, max(len(seen_exposure), 1))
    return _Patterns(seen_events[event], seen_exposure[time], member, weight.astype(float), groups)


def _profile_mean(units: _Patterns, size: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Mean rate of each group given its prior size: the likelihood equation as a weighted ratio, iterated."""
    for _ in range(8):
        weight = 1.0 / (1.0 + mean[units.group] * units.exposure / size[units.group])
        top, bottom = units.total(units.events * weight), units.total(units.exposure * weight)
        mean = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), mean)
    return mean


def _profile_likelihood(units: _Patterns, size: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Profile log-likelihood of each group at a prior size."""
    mean = _profile_mean(units, size, mean)
    shape = size[units.group]
    expected = np.maximum(mean[units.group] * units.exposure, 1e-300)
    terms = special.gammaln(shape + units.events) - special.gammaln(shape) - (shape + units.events) * np.log1p(expected / shape)
    return units.total(terms + special.xlogy(units.events, expected / shape))


def gamma_poisson_prior(
    events: np.ndarray, exposure: np.ndarray, *, group: np.ndarray | None = None, groups: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the gamma prior of Poisson rates in each group by marginal (negative binomial) likelihood.

    Parameters
    ----------
    events, exposure : ndarray, shape (n,)
        Events and exposure time of each unit; units without exposure say nothing.
    group : ndarray of int, shape (n,), or None
        Group of each unit.
    groups : int
        Number of groups.

    Returns
    -------
    shape, rate : ndarray, shape (groups,)
        Prior mean is ``shape / rate``. A group whose units differ no more than Poisson gets the
        largest shape; one without events gets the prior ``Gamma(1/2, total exposure + 1)``; one without exposure
        the prior of all.

    Notes
    -----
    The size is found by golden section on its logarithm, all groups at once; at each step the mean solves
    its likelihood equation (Robbins 1956; Clayton and Kaldor 1987).

    Examples
    --------
    >>> events = np.array([0, 1, 2, 10, 12, 3, 0, 9])
    >>> shape, rate = gamma_poisson_prior(events, np.full(8, 4.0))
    >>> round(float(shape[0] / rate[0]), 3), bool(shape[0] < 3)
    (1.156, True)
    """
    events, exposure = np.asarray(events, dtype=float), np.asarray(exposure, dtype=float)
    group = np.zeros(len(events), dtype=np.int64) if group is None else np.asarray(group, dtype=np.int64)
    use = exposure > 0
    units = _patterns(events[use], exposure[use], group[use], groups)
    total, time = units.total(units.events), units.total(units.exposure)
    mean = np.where(time > 0, total / np.where(time > 0, time, 1.0), 0.0)
    low, high = np.full(groups, np.log(SMALLEST)), np.full(groups, np.log(LARGEST))
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        better = _profile_likelihood(units, np.exp(right), mean) > _profile_likelihood(units, np.exp(left), mean)
        low, high = np.where(better, left, low), np.where(better, high, right)
    shape = np.exp((low + high) / 2.0)
    mean = _profile_mean(units, shape, mean)
    some = total > 0
    rate = np.where(some, shape / np.where(some, mean, 1.0), time + 1.0)
    shape = np.where(some, shape, 0.5)
    if groups > 1 and (time <= 0).any():
        all_shape, all_rate = gamma_poisson_prior(events, exposure)
        shape, rate = np.where(time > 0, shape, all_shape), np.where(time > 0, rate, all_rate)
    return shape, rate


def shrunken_rates(
    events: np.ndarray, exposure: np.ndarray, *, group: np.ndarray | None = None, groups: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of each unit's rate, a gamma distribution: its shape and rate, both ``(n,)``.

    The posterior mean ``shape / rate`` is the shrunken rate: ``(a + events) / (b + exposure)``.

    Examples
    --------
    >>> shape, rate = shrunken_rates(np.array([0, 12, 1, 9]), np.full(4, 4.0))
    >>> (shape / rate).round(2)
    array([0.15, 2.83, 0.37, 2.16])
    """
    prior_shape, prior_rate = gamma_poisson_prior(events, exposure, group=group, groups=groups)
    member = np.zeros(len(np.asarray(events)), dtype=np.int64) if group is None else np.asarray(group, dtype=np.int64)
    return prior_shape[member] + events, prior_rate[member] + exposure


def dirichlet_prior(counts: np.ndarray, *, possible: np.ndarray | None = None, steps: int = 200, tol: float = 1e-10) -> np.ndarray:
    """Fit the Dirichlet prior of multinomial rows by marginal likelihood.

    Parameters
    ----------
    counts : ndarray, shape (m, k)
        Counts of each unit (segment, partner); rows without any say nothing. Need not be whole.
    possible : ndarray of bool, shape (k,), or None
        Cells that can be reached; structural zeros get 0.
    steps, tol : int, float
        Newton steps of Minka (2000, section 3), whose Hessian is diagonal plus a constant; where one would not climb,
        a step of his fixed-point iteration. The relative change of ``alpha`` at which they stop.

    Returns
    -------
    ndarray, shape (k,)
        ``alpha``; its sum says how alike the rows are (large: nearly the same).

    Examples
    --------
    >>> dirichlet_prior(np.array([[8, 2], [5, 5], [9, 1], [2, 8]])).round(1)
    array([2.3, 1.6])
    """
    counts = np.asarray(counts, dtype=float)
    open_cells = np.ones(counts.shape[1], dtype=bool) if possible is None else np.asarray(possible, dtype=bool)
    seen = open_cells & (counts.sum(axis=0) > 0)
    alpha = np.zeros(counts.shape[1])
    rows = counts[counts.sum(axis=1) > 0][:, seen]
    if rows.size == 0:
        return np.where(open_cells, 0.5, 0.0)
    # cells never reached but possible: half an event spread over the whole sample
    alpha[open_cells & ~seen] = 0.5 / max(float(rows.sum()), 1.0)
    alpha[seen] = _climb(rows.sum(axis=0) / rows.sum() * rows.shape[1], rows, steps, tol)
    return alpha


def _climb(alpha: np.ndarray, rows: np.ndarray, steps: int, tol: float) -> np.ndarray:
    """Climb to the top of the marginal likelihood, no further than the largest size."""
    height = marginal_likelihood(np.log(alpha), rows)
    for _ in range(steps):
        new = _newton_step(alpha, rows)
        sane = (new > 0).all() and new.sum() < 4 * alpha.sum()
        reached = marginal_likelihood(np.log(new), rows) if sane else -np.inf
        if not reached >= height:
            new = _fixed_point_step(alpha, rows)
            reached = marginal_likelihood(np.log(new), rows)
        if new.sum() >= LARGEST:
            return new * (LARGEST / new.sum())
        done = np.abs(new - alpha).max() <= tol * alpha.max()
        alpha, height = new, reached
        if done:
            break
    return alpha


def _newton_step(alpha: np.ndarray, rows: np.ndarray) -> np.ndarray:
    size, n = alpha.sum(), rows.sum(axis=1)
    slope = (special.digamma(rows + alpha) - special.digamma(alpha)).sum(axis=0)
    slope += (special.digamma(size) - special.digamma(n + size)).sum()
    bend = (special.polygamma(1, rows + alpha) - special.polygamma(1, alpha)).sum(axis=0)
    shared = (special.polygamma(1, size) - special.polygamma(1, n + size)).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        level = (slope / bend).sum() / (1.0 / shared + (1.0 / bend).sum())
        new = alpha - (slope - level) / bend
    return np.where(np.isfinite(new), new, -1.0)


def _fixed_point_step(alpha: np.ndarray, rows: np.ndarray) -> np.ndarray:
    top = (special.digamma(rows + alpha) - special.digamma(alpha)).sum(axis=0)
    bottom = (special.digamma(rows.sum(axis=1) + alpha.sum()) - special.digamma(alpha.sum())).sum()
    return alpha * np.maximum(top, 1e-300) / max(float(bottom), 1e-300)


def marginal_likelihood(log_alpha: np.ndarray, rows: np.ndarray) -> float:
    """Dirichlet-multinomial log-likelihood of count rows, without the multinomial coefficient."""
    alpha = np.exp(log_alpha)
    cells = special.gammaln(rows + alpha) - special.gammaln(alpha)
    whole = special.gammaln(alpha.sum()) - special.gammaln(rows.sum(axis=1) + alpha.sum())
    return float(cells.sum() + whole.sum())
