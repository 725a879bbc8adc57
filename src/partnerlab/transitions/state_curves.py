"""The curves behind multi-state estimates: where partners are at each time, and how sure that is."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.stats.states.multistate import count_moves, greenwood_variance, product_integral, starting_shares
from partnerlab.stats.states.multistate_influence import influence_variance
from partnerlab.transitions.state_paths import FEWEST_PARTNERS, VARIANCES, StatePaths


@dataclasses.dataclass(frozen=True, kw_only=True)
class StateCurves:
    """Step curves of m distributions over s states.

    Parameters
    ----------
    time : ndarray, shape (k + 1,)
        The start and the times of moves after it.
    share, error : ndarray, shape (k + 1, m, s)
    at_risk : ndarray, shape (k + 1, s)
        Partners at risk in each state; at the start those there.
    spent, spent_error : ndarray, shape (m, s)
        Time spent in each state until ``tau``; NaN without one.
    last : float
        Time of the last observation.
    """

    time: np.ndarray
    share: np.ndarray
    error: np.ndarray
    at_risk: np.ndarray
    spent: np.ndarray
    spent_error: np.ndarray
    last: float

    @property
    def all_times(self) -> np.ndarray:
        """Start, times of moves, and the last observation."""
        return np.append(self.time, self.last) if self.last > self.time[-1] else self.time

    def places(self, times: np.ndarray) -> np.ndarray:
        """Index of the step that holds at each time; -1 before the start and after the last observation."""
        at = np.searchsorted(self.time, times, side="right") - 1
        return np.where(times > self.last, -1, at)


def trace_curves(
    drawn: StatePaths,
    start: float,
    shares: np.ndarray,
    *,
    variance: str,
    tau: float | None = None,
    shares_of: tuple[np.ndarray, np.ndarray] | None = None,
) -> StateCurves:
    """Carry starting distributions through the product integral, with standard errors.

    Parameters
    ----------
    drawn : StatePaths
        One group.
    start : float
        Time at which the distributions hold.
    shares : ndarray, shape (m, s)
        The distributions.
    variance : {"jackknife", "greenwood", "aalen"}
    tau : float, optional
        Limit of the time spent in each state.
    shares_of : (rows there, counts), optional
        Where the one distribution was itself estimated: from whom.
    """
    if variance not in VARIANCES:
        raise ParameterError(f"variance is {variance!r}{nearest(str(variance), VARIANCES)}")
    states, stop = len(drawn.states), np.inf if tau is None else tau
    counts = count_moves(drawn.paths, states, weights=drawn.weights).window(start, stop)
    path = product_integral(counts.steps, shares)
    time = np.concatenate([[start], counts.time])
    gaps = None if tau is None else np.diff(np.concatenate([time, [tau]]))
    if variance != "jackknife" or not drawn.knows_partners:
        begin = _start_variance(shares, shares_of)
        squares, area = greenwood_variance(counts, path, start_variance=begin, gaps=gaps, poisson=variance == "aalen")
    else:
        squares, area = influence_variance(drawn.paths, counts, path, start_influence=_start_influence(drawn, shares, shares_of), gaps=gaps)
    enough = drawn.partners >= FEWEST_PARTNERS
    there = starting_shares(drawn.paths, states, start, weights=drawn.weights)[1]
    return StateCurves(
        time=time,
        share=_tidied(path),
        error=np.where(enough, np.sqrt(squares), np.nan),
        at_risk=np.concatenate([there[None], counts.at_risk]),
        spent=np.full(shares.shape, np.nan) if gaps is None else np.einsum("t,tms->ms", gaps, path),
        spent_error=np.where(enough, np.sqrt(area), np.nan) if gaps is not None else np.full(shares.shape, np.nan),
        last=float(drawn.paths.exit.max()),
    )


def _tidied(path: np.ndarray) -> np.ndarray:
    """Shares without what rounding leaves of 0 and 1."""
    path = np.clip(path, 0.0, 1.0)
    return np.where(path < 1e-13, 0.0, np.where(path > 1.0 - 1e-13, 1.0, path))


def _start_variance(shares: np.ndarray, shares_of: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray | None:
    if shares_of is None:
        return None
    share = shares[0]
    return ((np.diag(share) - np.outer(share, share)) / shares_of[1].sum())[None]


def _start_influence(drawn: StatePaths, shares: np.ndarray, shares_of: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray | None:
    """Influence of each partner on the starting shares: (own state - shares) / number there."""
    if shares_of is None:
        return None
    there, counts = shares_of
    own = np.zeros((int(drawn.paths.unit.max()) + 1, len(drawn.states)))
    own[drawn.paths.unit[there]] = np.eye(len(drawn.states))[drawn.paths.origin[there]] - shares[0]
    return own / counts.sum()


def start_shares(drawn: StatePaths, start: float) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Shares of the states among those under observation just after ``start``, and from whom.

    Raises
    ------
    SampleError
        If nobody is under observation then.
    """
    there, counts = starting_shares(drawn.paths, len(drawn.states), start, weights=drawn.weights)
    if not counts.sum():
        first, last = drawn.paths.entry.min(), drawn.paths.exit.max()
        raise SampleError(f"not enough data (n = 0): nobody is under observation at start={start:g}; rows run from {first:g} to {last:g}")
    return (counts / counts.sum())[None], (there, counts)


def check_start(start: float) -> float:
    """Give back a starting time, or say that it is none."""
    if not np.isfinite(start):
        raise ParameterError(f"start is {start}; give a time")
    return float(start)
