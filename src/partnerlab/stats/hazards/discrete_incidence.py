"""Shares that have ended in each of several ways by each period, from discrete hazards, with what their variance needs."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiscreteIncidence:
    """Where b partners are after some periods: ``F_k(t) = F_k(t-1) + S(t-1) h_k(t)`` and its derivatives by P coefficients.

    Parameters
    ----------
    share : ndarray, shape (b, K)
        Ended in each way so far.
    slope : ndarray, shape (b, K, P)
        Its derivatives.
    """

    share: np.ndarray
    slope: np.ndarray

    def step(self, hazard: np.ndarray, slope: np.ndarray) -> DiscreteIncidence:
        """Live through one more period.

        Parameters
        ----------
        hazard : ndarray, shape (b, K)
        slope : ndarray, shape (b, K, P)
            Derivatives of the hazards.

        Examples
        --------
        >>> start = start_incidence(1, kinds=2, width=0)
        >>> nothing = np.zeros((1, 2, 0))
        >>> start.step(np.array([[0.1, 0.2]]), nothing).step(np.array([[0.5, 0.0]]), nothing).share.round(2).tolist()
        [[0.45, 0.2]]
        """
        stay, pull = 1.0 - self.share.sum(axis=1), -self.slope.sum(axis=1)
        more = pull[:, None, :] * hazard[:, :, None] + stay[:, None, None] * slope
        return DiscreteIncidence(share=self.share + stay[:, None] * hazard, slope=self.slope + more)

    def error(self, covariance: np.ndarray) -> np.ndarray:
        """Give standard errors by the delta method, shape ``(b, K)``, from the covariance of the coefficients ``(P, P)``."""
        return np.sqrt(np.maximum(np.einsum("bkp,pq,bkq->bk", self.slope, covariance, self.slope), 0.0))


def start_incidence(size: int, *, kinds: int, width: int) -> DiscreteIncidence:
    """Begin where nobody has ended."""
    return DiscreteIncidence(share=np.zeros((size, kinds)), slope=np.zeros((size, kinds, width)))
