"""Concordance: of two spells, whether the one with the higher score ended first.

A pair can be compared when the shorter spell was seen ending while the other was at risk. Harrell's C counts such pairs
alike; Uno's weights each by 1 / G(t-)^2, which takes the censoring out of it. Pairs are counted through a wavelet
matrix in n log n, never one by one.

Harrell, Califf, Pryor, Lee and Rosati (1982), doi:10.1001/jama.1982.03320430047030; Uno, Cai, Pencina, D'Agostino and
Wei (2011), doi:10.1002/sim.4154; Therneau and Atkinson (2024), Concordance, vignette of R's survival.
"""

from __future__ import annotations

import numpy as np

from partnerlab.stats.curves.risksets import CENSORED, Spans, count_risk_sets, kaplan_meier


class RankSums:
    """Sums of weights over the first rows of an order, by rank: a wavelet matrix.

    Parameters
    ----------
    rank : ndarray of int, shape (n,)
        Not negative.
    weight : ndarray of float, shape (n,)

    Examples
    --------
    Of the first two rows, those with a rank below 2:

    >>> sums = RankSums(np.array([2, 1, 0]), np.array([1.0, 10.0, 100.0]))
    >>> sums.below(np.array([2]), np.array([2])).tolist()
    [10.0]
    """

    def __init__(self, rank: np.ndarray, weight: np.ndarray) -> None:
        # one more than the highest rank can be asked for
        self._bits = range(int(rank.max(initial=0) + 1).bit_length() - 1, -1, -1)
        self._ones: list[np.ndarray] = []
        self._sums: list[np.ndarray] = []
        order = np.arange(len(rank))
        for bit in self._bits:
            high = (rank[order] >> bit & 1).astype(bool)
            self._ones.append(np.concatenate([[0], np.cumsum(high)]))
            self._sums.append(np.concatenate([[0.0], np.cumsum(np.where(high, 0.0, weight[order]))]))
            order = np.concatenate([order[~high], order[high]])

    def below(self, prefix: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Sum of weights over rows ``0 .. prefix - 1`` whose rank is below ``rank``, one for each query."""
        start, stop = np.zeros(len(prefix), dtype=np.int64), np.asarray(prefix, dtype=np.int64)
        total = np.zeros(len(prefix))
        for bit, ones, sums in zip(self._bits, self._ones, self._sums, strict=True):
            high = (rank >> bit & 1).astype(bool)
            total += np.where(high, sums[stop] - sums[start], 0.0)
            zeros = len(ones) - 1 - ones[-1]
            start = np.where(high, zeros + ones[start], start - ones[start])
            stop = np.where(high, zeros + ones[stop], stop - ones[stop])
        return total

    def halfway(self, prefix: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Sum over ranks below, plus half of that over equal ranks."""
        return (self.below(prefix, rank) + self.below(prefix, rank + 1)) / 2


def concordance(spans: Spans, score: np.ndarray, *, weighted: bool = False, tau: float = np.inf) -> tuple[float, np.ndarray, float]:
    """Share of comparable pairs in which the higher score ended first; equal scores count half.

    Parameters
    ----------
    spans : Spans
        All endings are one cause; delayed entry enters through the risk sets.
    score : ndarray of float, shape (n,)
        Higher is thought to end sooner.
    weighted : bool
        Uno's weights instead of Harrell's.
    tau : float
        Only endings up to this time; Uno's weights grow large beyond the bulk of the censorings.

    Returns
    -------
    share : float
        NaN where no pair can be compared.
    influence : ndarray, shape (n,)
        Derivative by each spell's weight, time weights held fixed as in R; squares, added up within partners first, sum
        to the variance. NaN where all pairs are those of one ending: it has nothing to differ from, and what it adds to the variance
        is not 0 but unknown.
    pairs : float
        Number of comparable pairs.

    Examples
    --------
    >>> spans = Spans(np.zeros(3), np.array([1, 2, 3]), np.array([0, 0, -1]))
    >>> share, _, pairs = concordance(spans, np.array([3.0, 1.0, 2.0]))
    >>> round(share, 3), pairs
    (0.667, 3.0)
    """
    n = len(score)
    rank = np.unique(score, return_inverse=True)[1].reshape(-1)
    ended = spans.cause != CENSORED
    # endings come before censorings at the same time
    times = np.unique(spans.duration)
    key = 2 * np.searchsorted(times, spans.duration) + ~ended
    began = 2 * np.searchsorted(times, spans.entry, side="right") - 1
    case = np.flatnonzero(ended & (spans.duration <= tau))
    later, born = np.argsort(-key, kind="stable"), np.argsort(-began, kind="stable")
    after = n - np.searchsorted(np.sort(key), key[case], side="right")
    unborn = n - np.searchsorted(np.sort(began), key[case], side="right")
    ones = np.ones(n)
    alike = RankSums(rank[later], ones).halfway(after, rank[case]) - RankSums(rank[born], ones).halfway(unborn, rank[case])
    size = (after - unborn).astype(float)
    weight = _time_weights(spans, key[case] // 2) if weighted else np.ones(len(case))
    total = float(weight @ size)
    if not total > 0:
        return float("nan"), np.full(n, np.nan), 0.0
    share = float(weight @ alike / total)
    if np.count_nonzero(weight * size) < 2:
        return share, np.full(n, np.nan), float(size.sum())
    influence = np.zeros(n)
    influence[case] = weight * (alike - share * size)
    influence += _as_other(rank, key, began, case, weight, share)
    return share, influence / total, float(size.sum())


def _as_other(rank: np.ndarray, key: np.ndarray, began: np.ndarray, case: np.ndarray, weight: np.ndarray, share: float) -> np.ndarray:
    """Give what each spell adds as the one that was still at risk when others ended."""
    order = case[np.argsort(key[case], kind="stable")]
    weight = weight[np.argsort(key[case], kind="stable")]
    sums, running, keys = RankSums(rank[order], weight), np.concatenate([[0.0], np.cumsum(weight)]), key[order]
    until, since = np.searchsorted(keys, key, side="left"), np.searchsorted(keys, began, side="right")
    until = np.maximum(until, since)
    whole = running[until] - running[since]
    lower = sums.halfway(until, rank) - sums.halfway(since, rank)
    return whole - lower - share * whole


def _time_weights(spans: Spans, place: np.ndarray) -> np.ndarray:
    """1 / G(t-)^2 at the endings' places among the distinct times; 0 where G is."""
    sets = count_risk_sets(spans._replace(cause=np.minimum(spans.cause, 0)))
    curve = np.concatenate([[1.0], kaplan_meier(sets.at_risk[0] - sets.ended[0], sets.censored[0])])[place]
    return np.divide(1.0, curve**2, out=np.zeros(len(place)), where=curve > 0)
