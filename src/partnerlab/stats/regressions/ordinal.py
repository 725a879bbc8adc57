"""Ordered outcomes: cumulative logit or complementary log-log, with terms whose effect may differ by threshold.

``P(Y <= j) = F(alpha_j - x b)`` (McCullagh 1980), as in R's ``polr`` and ``clm``: a positive coefficient means higher
outcomes. A nominal term has one coefficient for each threshold (Peterson and Harrell 1990, partial proportional odds).
Information is the observed one, unless the expected one is asked for.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.regressions.glm import Link


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cumulative:
    """Outcomes ``0 .. K-1``; coefficients: thresholds, then proportional terms, then nominal terms threshold by threshold.

    Parameters
    ----------
    outcomes : int
        ``K``.
    link : {"logit", "cloglog"}
        Distribution of the latent score.
    nominal : tuple of bool
        Which of the ``p`` columns have a coefficient for each threshold; empty means none.
    expected : bool
        Whether `evaluate` gives the expected information.

    Examples
    --------
    >>> Cumulative(outcomes=3).probabilities(np.zeros((1, 0)), np.array([0.0, np.log(3)])).round(2).tolist()
    [[0.5, 0.25, 0.25]]
    """

    outcomes: int
    link: Link = "logit"
    nominal: tuple[bool, ...] = ()
    expected: bool = False

    def _nominal(self, columns: int) -> np.ndarray:
        return np.array(self.nominal, dtype=bool) if self.nominal else np.zeros(columns, dtype=bool)

    def width(self, columns: int) -> int:
        """Count the coefficients."""
        free = int(self._nominal(columns).sum())
        return (self.outcomes - 1) * (1 + free) + columns - free

    def start(self, totals: np.ndarray, columns: int) -> np.ndarray:
        """Begin at the pooled shares."""
        below = np.cumsum(totals + 0.5)[:-1] / (totals.sum() + 0.5 * len(totals))
        found = np.zeros(self.width(columns))
        found[: self.outcomes - 1] = special.logit(below) if self.link == "logit" else np.log(-np.log1p(-below))
        return found

    def _layers(self, x: np.ndarray) -> np.ndarray:
        """Design of each threshold, shape ``(K-1, b, P)``."""
        nominal, cuts = self._nominal(x.shape[1]), self.outcomes - 1
        fixed, free = -x[:, ~nominal], -x[:, nominal]
        out = np.zeros((cuts, len(x), self.width(x.shape[1])))
        after = cuts + fixed.shape[1]
        for cut in range(cuts):
            out[cut, :, cut] = 1.0
            out[cut, :, cuts:after] = fixed
            out[cut, :, after + cut * free.shape[1] : after + (cut + 1) * free.shape[1]] = free
        return out

    def _cuts(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Share at or below each threshold, its slope, and the slope's slope, all like ``eta``."""
        if self.link == "logit":
            share = special.expit(eta)
            slope = share * (1.0 - share)
            return share, slope, slope * (1.0 - 2.0 * share)
        rate = np.exp(np.minimum(eta, 30.0))
        slope = rate * np.exp(-rate)
        return -np.expm1(-rate), slope, slope * (1.0 - rate)

    def _parts(self, layers: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chances (b, K), slopes and second slopes of the thresholds (K-1, b)."""
        share, slope, bend = self._cuts(layers @ beta)
        whole = np.concatenate([np.zeros((1, share.shape[1])), share, np.ones((1, share.shape[1]))])
        return np.diff(whole, axis=0).T, slope, bend

    def evaluate(self, x: np.ndarray, y: np.ndarray, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log-likelihood, score and information of a block; minus infinity where thresholds cross."""
        layers = self._layers(x)
        chance, slope, bend = self._parts(layers, beta)
        if (chance < 0).any() or (chance[y > 0] <= 0).any() or (self.expected and (chance == 0).any()) or not np.isfinite(chance).all():
            return -np.inf, np.zeros(len(beta)), np.eye(len(beta))
        safe = np.where(chance > 0, chance, 1.0)
        once, twice = (y / safe).T, (y / safe**2).T
        step = slope * (once[:-1] - once[1:])
        score = np.einsum("kb,kbp->p", step, layers)
        if self.expected:
            twice = (y.sum(axis=1)[:, None] / safe).T
            once = np.zeros_like(twice)
        own = slope**2 * (twice[:-1] + twice[1:]) - bend * (once[:-1] - once[1:])
        information = sum(layer.T @ (layer * weight[:, None]) for layer, weight in zip(layers, own, strict=True))
        beside = slope[:-1] * slope[1:] * twice[1:-1]
        for cut in range(self.outcomes - 2):
            cross = layers[cut].T @ (layers[cut + 1] * beside[cut][:, None])
            information = information - cross - cross.T
        return float((y * np.log(safe)).sum()), score, information

    def scores(self, x: np.ndarray, outcome: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Score of single rows with an outcome each, shape ``(b, P)``."""
        layers = self._layers(x)
        chance, slope, _ = self._parts(layers, beta)
        hit = (outcome[:, None] == np.arange(self.outcomes)) / np.where(chance > 0, chance, 1.0)
        return np.einsum("kb,kbp->bp", slope * (hit[:, :-1] - hit[:, 1:]).T, layers)

    def probabilities(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Chance of each outcome, shape ``(b, K)``."""
        return np.maximum(self._parts(self._layers(x), beta)[0], 0.0)

    def slopes(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Derive each chance by the coefficients, shape ``(b, K, P)``."""
        layers = self._layers(x)
        _, slope, _ = self._parts(layers, beta)
        steps = slope[:, :, None] * layers
        none = np.zeros((1, *steps.shape[1:]))
        return np.diff(np.concatenate([none, steps, none]), axis=0).transpose(1, 0, 2)

    def mean_slopes(self, x: np.ndarray, beta: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Sum of weighted `slopes`, shape ``(K, P)``."""
        layers = self._layers(x)
        _, slope, _ = self._parts(layers, beta)
        steps = np.einsum("kb,kbp->kp", slope * weight, layers)
        none = np.zeros((1, steps.shape[1]))
        return np.diff(np.concatenate([none, steps, none]), axis=0)

    def to_raw(self, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Matrix that brings coefficients back from the standardised design."""
        nominal, cuts = self._nominal(len(scale)), self.outcomes - 1
        fixed, free = ~nominal, int(nominal.sum())
        after = cuts + int(fixed.sum())
        back = np.diag(np.concatenate([np.ones(cuts), 1.0 / scale[fixed], np.tile(1.0 / scale[nominal], cuts)]))
        back[:cuts, cuts:after] = (centre / scale)[fixed]
        for cut in range(cuts):
            back[cut, after + cut * free : after + (cut + 1) * free] = (centre / scale)[nominal]
        return back
