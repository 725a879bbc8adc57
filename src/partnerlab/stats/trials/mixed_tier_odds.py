"""The odds ratio of ordered outcomes for units of one cluster: a cumulative logit whose clusters differ by a normal shift.

Likelihood by Gauss-Hermite quadrature around each cluster's most likely shift (Hedeker and Gibbons 1994, Biometrics 50; Pinheiro
and Bates 1995, Journal of Computational and Graphical Statistics 4), as R's ``clmm`` takes it. Such odds are those of two units
under one manager; over all managers they are nearer to 1.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import special

#: Points of the quadrature.
POINTS = 10
#: Below this standard deviation of clusters nothing tells them apart.
ALIKE = 1e-2
#: Step of the numerical second derivatives, in units of the parameters.
STEP = 1e-4


class MixedOdds(NamedTuple):
    """Coefficients of the columns, thresholds, their errors, the clusters' standard deviation, and the log-likelihood."""

    effect: np.ndarray
    effect_error: np.ndarray
    thresholds: np.ndarray
    threshold_error: np.ndarray
    spread: float
    log_likelihood: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Counts:
    """Rows that are alike in cluster, columns and outcome, counted once."""

    cluster: np.ndarray
    clusters: int
    design: np.ndarray
    outcome: np.ndarray
    count: np.ndarray
    kinds: int

    def total(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.cluster, weights=values * self.count, minlength=self.clusters)


def mixed_tier_odds(values: np.ndarray, design: np.ndarray, cluster: np.ndarray) -> MixedOdds:
    """Fit a cumulative logit with a normal shift of each cluster; a positive effect means higher outcomes.

    Parameters
    ----------
    values : int array, shape (m,)
        Codes, lowest 0; unused ones are left out.
    design : float array, shape (m, p)
        Arm, and what else is known.
    cluster : int array, shape (m,)
        Whose units are alike.

    Returns
    -------
    MixedOdds
        Errors are NaN where outcomes part the arms, so that the likelihood has no top.

    Examples
    --------
    >>> rating, arm = np.array([0, 1, 1, 2, 0, 2, 1, 1, 0, 0, 2, 1]), np.tile([0.0, 1.0], 6)
    >>> found = mixed_tier_odds(rating, arm[:, None], np.repeat([0, 1, 2], 4))
    >>> found.effect.round(2).tolist(), found.effect_error.round(2).tolist()
    ([1.31], [1.14])
    """
    from scipy.optimize import minimize

    rows = _count(values, design, cluster)
    cuts, shift = rows.kinds - 1, [np.zeros(rows.clusters)]

    def height(place: np.ndarray) -> float:
        value, shift[0] = _integrate(place, rows, shift[0])
        return -value

    below = np.cumsum(np.bincount(rows.outcome, weights=rows.count, minlength=rows.kinds))[:-1] / rows.count.sum()
    start = np.concatenate([special.logit(below), np.zeros(design.shape[1]), [-0.5]])
    place = minimize(height, start, method="BFGS", options={"gtol": 1e-4, "maxiter": 200}).x
    alone = bool(np.exp(place[-1]) < ALIKE)
    if alone:
        place[-1] = np.log(ALIKE) - 10.0
    free = len(place) - alone

    def reduced(part: np.ndarray) -> float:
        return height(np.concatenate([part, place[free:]]))

    place[:free], bend = _polish(reduced, place[:free])
    positive = np.linalg.eigvalsh(bend).min() > 1e-6
    error = np.sqrt(np.diag(np.linalg.inv(bend))) if positive else np.full(free, np.nan)
    return MixedOdds(
        effect=place[cuts : cuts + design.shape[1]],
        effect_error=error[cuts : cuts + design.shape[1]],
        thresholds=place[:cuts],
        threshold_error=error[:cuts],
        spread=0.0 if alone else float(np.exp(place[-1])),
        log_likelihood=-height(place),
    )


def _count(values: np.ndarray, design: np.ndarray, cluster: np.ndarray) -> _Counts:
    codes, kinds = np.unique(cluster, return_inverse=True)[1], np.unique(values, return_inverse=True)[1]
    found, count = np.unique(np.column_stack([codes, kinds, design]), axis=0, return_counts=True)
    return _Counts(
        cluster=found[:, 0].astype(np.int64),
        clusters=int(codes.max()) + 1,
        design=found[:, 2:],
        outcome=found[:, 1].astype(np.int64),
        count=count.astype(float),
        kinds=int(kinds.max()) + 1,
    )


def _integrate(place: np.ndarray, rows: _Counts, shift: np.ndarray) -> tuple[float, np.ndarray]:
    """Log-likelihood over the shifts, and the clusters' most likely shifts in standard deviations."""
    cuts, spread = place[: rows.kinds - 1], float(np.exp(min(place[-1], 5.0)))
    if (np.diff(cuts) <= 0).any():
        return -1e10, np.zeros_like(shift)
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    line = rows.design @ place[rows.kinds - 1 : -1]
    value, slope, bend = _at(shift, rows, edges, line, spread)
    for _ in range(60):
        step = slope / bend
        while True:
            ahead = _at(shift + step, rows, edges, line, spread)
            worse = ahead[0] < value - 1e-12 * (1 + np.abs(value))
            if not worse.any():
                break
            step = np.where(worse, step / 2, step)
        shift, (value, slope, bend) = shift + step, ahead
        if np.abs(slope).max() < 1e-9:
            break
    nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
    heights = np.array([_at(shift + node / np.sqrt(bend), rows, edges, line, spread)[0] + 0.5 * node**2 for node in nodes])
    area = special.logsumexp(heights - value, axis=0, b=(weights / np.sqrt(2 * np.pi))[:, None])
    return float((value + area - 0.5 * np.log(bend)).sum()), shift


def _at(shift: np.ndarray, rows: _Counts, edges: np.ndarray, line: np.ndarray, spread: float) -> tuple[np.ndarray, ...]:
    """Height of each cluster's likelihood at a shift, its slope, and its bend (above 0)."""
    eta = line + spread * shift[rows.cluster]
    upper, lower = special.expit(edges[rows.outcome + 1] - eta), special.expit(edges[rows.outcome] - eta)
    chance = np.maximum(upper - lower, 1e-300)
    # of a logistic density: the slope of log chance is upper + lower - 1, its bend the sum of both densities
    value = rows.total(np.log(chance)) - 0.5 * shift**2
    slope = spread * rows.total(upper + lower - 1.0) - shift
    bend = spread**2 * rows.total(upper * (1 - upper) + lower * (1 - lower)) + 1.0
    return value, slope, bend


def _polish(height, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take two Newton steps with central differences; gives the place and the bend there."""
    for _ in range(2):
        slope, bend = _derivatives(height, place)
        if np.linalg.eigvalsh(bend).min() <= 1e-6:
            return place, bend
        ahead = place - np.linalg.solve(bend, slope)
        if height(ahead) > height(place):
            return place, bend
        place = ahead
    return place, _derivatives(height, place)[1]


def _derivatives(height, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size, middle = len(place), height(place)
    moves = STEP * np.eye(size)
    ahead, behind = (np.array([height(place + sign * move) for move in moves]) for sign in (1.0, -1.0))
    bend = np.diag(ahead + behind - 2 * middle)
    for first in range(size):
        for second in range(first):
            both = height(place + moves[first] + moves[second]) + height(place - moves[first] - moves[second])
            bend[first, second] = bend[second, first] = (
                both - ahead[first] - ahead[second] - behind[first] - behind[second] + 2 * middle
            ) / 2
    return (ahead - behind) / (2 * STEP), bend / STEP**2
