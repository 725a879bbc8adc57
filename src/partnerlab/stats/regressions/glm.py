"""Two outcomes: logit, and complementary log-log, whose coefficients are log hazard ratios of grouped survival times.

Each family takes blocks of a design without intercept, ``x`` of shape (b, p), and counts of outcomes ``y`` (b, K); it
adds its own intercepts. Information is the expected one (Fisher scoring), as in R's ``glm``.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from scipy import special

Link = Literal["logit", "cloglog"]


def with_intercept(x: np.ndarray) -> np.ndarray:
    """Put a column of ones before a design."""
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)


def shift_intercept(centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Matrix from coefficients of ``1, (x - centre) / scale`` to those of ``1, x``."""
    back = np.diag(np.concatenate([[1.0], 1.0 / scale]))
    back[0, 1:] = -centre / scale
    return back


@dataclasses.dataclass(frozen=True, kw_only=True)
class Binomial:
    """Outcomes 0 and 1; coefficients of the intercept and the ``p`` columns.

    Examples
    --------
    >>> family = Binomial(link="cloglog")
    >>> family.probabilities(np.zeros((1, 0)), np.array([0.0])).round(4).tolist()
    [[0.3679, 0.6321]]
    """

    link: Link = "logit"
    outcomes: int = 2

    def width(self, columns: int) -> int:
        """Count the coefficients."""
        return columns + 1

    def start(self, totals: np.ndarray, columns: int) -> np.ndarray:
        """Begin at the pooled share."""
        share = (totals[1] + 0.5) / (totals.sum() + 1.0)
        found = np.zeros(columns + 1)
        found[0] = special.logit(share) if self.link == "logit" else np.log(-np.log1p(-share))
        return found

    def _mean(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Logarithms of both probabilities, slope of the log-likelihood's residual, and slope of the mean."""
        if self.link == "logit":
            low, high = -np.logaddexp(0.0, eta), -np.logaddexp(0.0, -eta)
            return low, high, np.ones(len(eta)), np.exp(low + high)
        rate = np.exp(np.minimum(eta, 30.0))
        mean = -np.expm1(-rate)
        high = np.log(np.maximum(mean, 1e-300))
        return -rate, high, rate / np.maximum(mean, 1e-300), rate * np.exp(-rate)

    def evaluate(self, x: np.ndarray, y: np.ndarray, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log-likelihood, score and expected information of a block."""
        design = with_intercept(x)
        low, high, pull, slope = self._mean(design @ beta)
        trials, hits = y.sum(axis=1), y[:, 1]
        residual = (hits - trials * np.exp(high)) * pull
        return float(y[:, 0] @ low + hits @ high), design.T @ residual, design.T @ (design * (trials * slope * pull)[:, None])

    def scores(self, x: np.ndarray, outcome: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Score of single rows with an outcome each, shape ``(b, P)``."""
        design = with_intercept(x)
        _, high, pull, _ = self._mean(design @ beta)
        return design * ((outcome - np.exp(high)) * pull)[:, None]

    def probabilities(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Chance of each outcome, shape ``(b, 2)``."""
        low, high, _, _ = self._mean(with_intercept(x) @ beta)
        return np.exp(np.stack([low, high], axis=1))

    def slopes(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Derive each chance by the coefficients, shape ``(b, 2, P)``."""
        design = with_intercept(x)
        slope = design * self._mean(design @ beta)[3][:, None]
        return np.stack([-slope, slope], axis=1)

    def mean_slopes(self, x: np.ndarray, beta: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Sum of weighted `slopes`, shape ``(2, P)``."""
        design = with_intercept(x)
        slope = (weight * self._mean(design @ beta)[3]) @ design
        return np.stack([-slope, slope])

    def working_weights(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Information about the linear predictor in one trial of each row, shape ``(b,)``."""
        _, _, pull, slope = self._mean(with_intercept(x) @ beta)
        return slope * pull

    def to_raw(self, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Matrix that brings coefficients back from the standardised design."""
        return shift_intercept(centre, scale)
