"""Several outcomes without an order: the multinomial logit, against the first outcome."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.regressions.glm import shift_intercept, with_intercept


@dataclasses.dataclass(frozen=True, kw_only=True)
class Multinomial:
    """Outcomes ``0 .. K-1``; for each but the first an intercept and ``p`` coefficients, outcome after outcome.

    Examples
    --------
    >>> Multinomial(outcomes=3).probabilities(np.zeros((1, 0)), np.array([0.0, np.log(2)])).round(2).tolist()
    [[0.25, 0.25, 0.5]]
    """

    outcomes: int

    def width(self, columns: int) -> int:
        """Count the coefficients."""
        return (self.outcomes - 1) * (columns + 1)

    def start(self, totals: np.ndarray, columns: int) -> np.ndarray:
        """Begin at the pooled shares."""
        found = np.zeros((self.outcomes - 1, columns + 1))
        found[:, 0] = np.log((totals[1:] + 0.5) / (totals[0] + 0.5))
        return found.ravel()

    def _shares(self, design: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chances ``(b, K)``, linear predictors ``(b, K)``, and the logarithm of what they are scaled by ``(b,)``."""
        eta = np.zeros((len(design), self.outcomes))
        np.matmul(design, beta.reshape(self.outcomes - 1, -1).T, out=eta[:, 1:])
        top = eta.max(axis=1)
        chance = np.exp(eta - top[:, None])
        total = chance.sum(axis=1)
        chance /= total[:, None]
        return chance, eta, top + np.log(total)

    def evaluate(self, x: np.ndarray, y: np.ndarray, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log-likelihood, score and information of a block."""
        # rows along the last axis: every operation runs over neighbours in memory
        design = np.concatenate([np.ones((1, len(x))), x.T])
        eta = beta.reshape(self.outcomes - 1, -1) @ design
        top = np.maximum(eta.max(axis=0), 0.0)
        chance = np.exp(eta - top)
        total = chance.sum(axis=0) + np.exp(-top)
        chance /= total
        trials, hits = y @ np.ones(self.outcomes), np.ascontiguousarray(y[:, 1:].T)
        expected = chance * trials
        loglik = float(np.vdot(hits, eta) - trials @ (top + np.log(total)))
        return loglik, ((hits - expected) @ design.T).ravel(), _information(design, chance, expected)

    def scores(self, x: np.ndarray, outcome: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Score of single rows with an outcome each, shape ``(b, P)``."""
        design = with_intercept(x)
        residual = (outcome[:, None] == np.arange(1, self.outcomes)) - self._shares(design, beta)[0][:, 1:]
        return (residual[:, :, None] * design[:, None, :]).reshape(len(design), -1)

    def probabilities(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Chance of each outcome, shape ``(b, K)``."""
        return self._shares(with_intercept(x), beta)[0]

    def slopes(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Derive each chance by the coefficients, shape ``(b, K, P)``."""
        design = with_intercept(x)
        chance = self._shares(design, beta)[0]
        inner = chance[:, :, None] * (np.eye(self.outcomes)[None] - chance[:, None, :])
        return (inner[:, :, 1:, None] * design[:, None, None, :]).reshape(len(design), self.outcomes, -1)

    def mean_slopes(self, x: np.ndarray, beta: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Sum of weighted `slopes`, shape ``(K, P)``."""
        design = with_intercept(x)
        chance = self._shares(design, beta)[0]
        free = np.eye(self.outcomes)[:, 1:]
        parts = [(weight[:, None] * chance[:, [k]] * (free[k] - chance[:, 1:])).T @ design for k in range(self.outcomes)]
        return np.stack(parts).reshape(self.outcomes, -1)

    def to_raw(self, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Matrix that brings coefficients back from the standardised design."""
        return np.kron(np.eye(self.outcomes - 1), shift_intercept(centre, scale))


#: With no more columns than this their products are made once for all pairs of outcomes.
NARROW = 8


def _information(design: np.ndarray, chance: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Information of all coefficients, from a design ``(p, b)`` and chances and expected counts ``(K-1, b)``."""
    width, free = len(design), len(chance)
    one, two = np.triu_indices(free)
    weight = -expected[one] * chance[two]
    weight[one == two] += expected
    found = np.empty((free, width, free, width))
    if width <= NARROW:
        row, column = np.triu_indices(width)
        packed = weight @ (design[row] * design[column]).T
        parts = np.empty((len(one), width, width))
        parts[:, row, column] = packed
        parts[:, column, row] = packed
    else:
        parts = np.stack([(design * each) @ design.T for each in weight])
    found[one, :, two, :] = parts
    found[two, :, one, :] = parts
    return found.reshape(free * width, free * width)
