"""What counts say of a series' level, seasons and quarters, in short, and what is left of it once level and seasons are integrated out."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import linalg

#: Degrees of freedom of the half-t priors of standard deviations; 2 makes every correlation as likely as any other.
FREEDOM = 2.0
#: Scales, on log-odds, of the half-Cauchy priors that the scales of the half-t priors have: of shocks, and of seasons, whose
#: renewals can make the odds of one quarter several times those of another.
USUAL, SEASONAL = 0.15, 1.0
#: Variance of the levels, which are as good as free.
FREE = 100.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """What counts say of one series: a normal likelihood of its level, its seasons' and its quarters' effects, in this order.

    Parameters
    ----------
    precision : ndarray, shape (1 + seasons + quarters,) * 2
        Of the likelihood, all else integrated out.
    pull : ndarray, shape (1 + seasons + quarters,)
        Precision times estimate.
    """

    precision: np.ndarray
    pull: np.ndarray

    def onto(self, rows: np.ndarray, quarters: int) -> Told:
        """Say it of other effects of quarters, of which these are sums.

        Parameters
        ----------
        rows : ndarray, shape (o, k)
            What of each of the others is in each of these, in every quarter.
        quarters : int
            Quarters; there are ``o`` times as many effects of them now, and then ``k`` times as many.

        Examples
        --------
        Two tiers known apart, taken to be struck alike:

        >>> told = Told(precision=np.diag([5.0, 2.0, 3.0]), pull=np.array([1.0, 4.0, 6.0])).onto(np.ones((2, 1)), 1)
        >>> told.precision.tolist(), told.pull.tolist()
        ([[5.0, 0.0], [0.0, 5.0]], [1.0, 10.0])
        """
        size = len(self.pull) - len(rows) * quarters
        design = linalg.block_diag(np.eye(size), np.kron(rows, np.eye(quarters)))
        return Told(precision=design.T @ self.precision @ design, pull=design.T @ self.pull)


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuartersTold:
    """What one series tells of its quarters, level and seasons integrated out, at several variances of seasons.

    Parameters
    ----------
    precision : ndarray, shape (d, quarters, quarters)
    pull : ndarray, shape (d, quarters)
    root : ndarray, shape (d, h, h)
        Triangular root of the precision of level and seasons given the quarters.
    middle : ndarray, shape (d, h)
        Mean of level and seasons if no quarter has an effect.
    slope : ndarray, shape (d, h, quarters)
        How much lower they are for each unit of a quarter's effect.
    """

    precision: np.ndarray
    pull: np.ndarray
    root: np.ndarray
    middle: np.ndarray
    slope: np.ndarray

    def draw_rest(self, quarters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw level and seasons given effects of quarters, shape ``(d, quarters)``; put them before these."""
        mean = self.middle - np.einsum("dhq,dq->dh", self.slope, quarters)
        noise = np.linalg.solve(self.root.swapaxes(1, 2), rng.standard_normal((*mean.shape, 1)))[:, :, 0]
        return np.concatenate([mean + noise, quarters], axis=1)


def tell_quarters(one: Told, *, quarters: int, seasons: np.ndarray) -> QuartersTold:
    """Integrate level and seasons out at each of some variances of seasons, shape ``(d,)``.

    Examples
    --------
    A level and two quarters, each known to within .1: only their difference is told.

    >>> rows = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    >>> told = Told(precision=100 * rows.T @ rows, pull=100 * rows.T @ np.array([0.3, 0.1]))
    >>> left = tell_quarters(told, quarters=2, seasons=np.array([1.0]))
    >>> left.precision[0].round(1).tolist(), left.pull[0].round(1).tolist()
    ([[50.0, -50.0], [-50.0, 50.0]], [10.0, -10.0])
    """
    size = len(one.pull) - quarters
    prior = np.empty((len(seasons), size))
    prior[:, 0], prior[:, 1:] = 1.0 / FREE, 1.0 / seasons[:, None]
    rest = one.precision[:size, :size] + prior[:, :, None] * np.eye(size)
    cross = one.precision[:size, size:]
    found = np.linalg.solve(rest, np.broadcast_to(np.column_stack([cross, one.pull[:size]]), (len(rest), size, quarters + 1)))
    slope, middle = found[:, :, :-1], found[:, :, -1]
    return QuartersTold(
        precision=one.precision[size:, size:] - cross.T @ slope,
        pull=one.pull[size:] - middle @ cross,
        root=np.linalg.cholesky(rest),
        middle=middle,
        slope=slope,
    )
