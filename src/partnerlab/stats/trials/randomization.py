"""Assignment by chance, and tests that draw the same assignment again: exact where they can be, else by many draws.

Fisher (1935), The Design of Experiments; rerandomisation: Morgan and Rubin (2012), Annals of Statistics 40.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Self

import numpy as np

from partnerlab.errors import SampleError

#: Cells of random keys drawn at once.
BLOCK = 4_000_000
#: Most deals that are all gone through.
MOST_WAYS = 200_000
#: Most units of a block whose deals are counted: their number must fit a float.
MOST_IN_BLOCK = 1000
#: A sum of scores is as far out as the one seen if it lacks no more than this share of it.
TIE = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draw:
    """How variants were dealt: labels shuffled within blocks, and shuffled again until covariates were balanced.

    Parameters
    ----------
    label : int array, shape (m,)
        Variant of each thing randomised (a unit, or a cluster).
    block : int array, shape (m,)
        Stratum or pair.
    covariates : float array, shape (m, p), or None
        What was balanced.
    accept : float
        Largest imbalance that was accepted; infinite without rerandomisation.
    """

    label: np.ndarray
    block: np.ndarray
    covariates: np.ndarray | None = None
    accept: float = math.inf

    @property
    def ways(self) -> float:
        """How many deals there are, balanced or not."""
        log = 0.0
        for code in np.unique(self.block):
            counts = np.unique(self.label[self.block == code], return_counts=True)[1]
            log += math.lgamma(counts.sum() + 1) - sum(math.lgamma(count + 1) for count in counts)
        return float(round(math.exp(log))) if log < 700 else math.inf

    def between(self, *variants: int) -> Self:
        """Deal some of the variants again, who has another one held as dealt: of others it is not known what they did.

        Examples
        --------
        >>> Draw(label=np.array([0, 1, 2, 0, 1, 2]), block=np.zeros(6, dtype=int)).between(2, 0).ways
        6.0
        """
        # things of one label are no other deal when they change places
        held = ~np.isin(self.label, variants)
        return dataclasses.replace(self, block=np.where(held, -1 - self.label, np.unique(self.block, return_inverse=True)[1]))

    def all(self) -> np.ndarray:
        """Every deal that could have been made and would have been accepted, int array of shape ``(d, m)``."""
        dealt = np.zeros((1, len(self.label)), dtype=self.label.dtype)
        for code in np.unique(self.block):
            mine = np.flatnonzero(self.block == code)
            parts = _arrangements(tuple(np.sort(self.label[mine]).tolist()))
            dealt = np.repeat(dealt, len(parts), axis=0)
            dealt[:, mine] = np.tile(parts, (len(dealt) // len(parts), 1))
        if self.covariates is None or math.isinf(self.accept):
            return dealt
        return dealt[imbalance(dealt, self.covariates) <= self.accept * (1 + TIE)]

    def again(self, draws: int, *, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Deal again; gives blocks of draws, int arrays of shape ``(d, m)``.

        Raises
        ------
        SampleError
            If hardly any draw is balanced enough.
        """
        order = np.argsort(self.block, kind="stable")
        size, made, tried = max(1, BLOCK // max(len(order), 1)), 0, 0
        while made < draws:
            now = min(size, draws - made) if math.isinf(self.accept) else size
            keys = self.block[order] + rng.random((now, len(order)))
            dealt = np.empty((now, len(order)), dtype=self.label.dtype)
            dealt[:, order] = self.label[order][np.argsort(keys, axis=1)]
            if self.covariates is not None and math.isfinite(self.accept):
                dealt = dealt[imbalance(dealt, self.covariates) <= self.accept][: draws - made]
            made, tried = made + len(dealt), tried + now
            if tried > 1000 * draws + 100_000 and made < draws:
                raise SampleError(f"rerandomisation: {made} of {tried:,} draws were balanced enough; accept more imbalance")
            yield dealt


@functools.lru_cache(maxsize=64)
def _arrangements(label: tuple[int, ...]) -> np.ndarray:
    """All orders of (sorted) labels, shape ``(ways, m)``; equal labels are not told apart."""
    values, counts = np.unique(label, return_counts=True)
    made = np.full((1, len(label)), -1, dtype=np.int64)
    for value, count in zip(values[:-1], counts[:-1], strict=True):
        left = int((made[0] < 0).sum())
        chosen = np.array(list(itertools.combinations(range(left), count)), dtype=np.int64)
        free = np.nonzero(made < 0)[1].reshape(len(made), left)
        places = free[:, chosen].reshape(-1, count)
        made = np.repeat(made, len(chosen), axis=0)
        np.put_along_axis(made, places, value, axis=1)
    made[made < 0] = values[-1]
    made.flags.writeable = False
    return made


def imbalance(label: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Mahalanobis distance between the covariates' means, the largest over variants against the rest.

    Parameters
    ----------
    label : int array, shape (d, m)
        Variants.
    covariates : float array, shape (m, p)
        What should be alike.

    Returns
    -------
    float array, shape (d,)
        About chi-squared with ``p`` degrees of freedom for two variants.

    Examples
    --------
    >>> imbalance(np.array([[0, 0, 1, 1], [0, 1, 0, 1]]), np.array([[1.0], [1.0], [2.0], [2.0]])).round(6).tolist()
    [3.0, 0.0]
    """
    centred = covariates - covariates.mean(axis=0)
    spread = np.linalg.pinv(np.atleast_2d(np.cov(centred, rowvar=False)), hermitian=True)
    worst = np.zeros(len(label))
    for variant in np.unique(label)[1:]:
        mine = label == variant
        count = mine.sum(axis=1)
        rest = label.shape[1] - count
        gap = (mine @ centred) / count[:, None] * (label.shape[1] / rest)[:, None]
        worst = np.maximum(worst, np.einsum("dp,pq,dq->d", gap, spread, gap) * count * rest / label.shape[1])
    return worst


def redraw_p_value(score: np.ndarray, size: np.ndarray, draw: Draw, *, variants: tuple[int, int], draws: int, seed: int) -> float:
    """Two-sided p-value of a difference of means between two variants by dealing again as was dealt.

    Parameters
    ----------
    score : float array, shape (m,)
        Sum of the outcome, or of its residuals, over the units of each thing randomised.
    size : float array, shape (m,)
        Its units.
    draw : Draw
        How variants were dealt.
    variants : pair of int
        Treated and control.
    draws : int
        Deals; the p-value is never below ``1 / (draws + 1)``. Where there are no more than `MOST_WAYS` ways to deal, all are gone
        through, and the p-value is exact.
    seed : int
        Of the deals.

    Examples
    --------
    >>> dealt = Draw(label=np.repeat([1, 0], 15), block=np.zeros(30, dtype=int))
    >>> redraw_p_value(np.repeat([5.0, 1.0], 15), np.ones(30), dealt, variants=(1, 0), draws=999, seed=1)
    0.001
    """
    return _share_beyond(lambda label: _gap(label, score, size, variants), draw, draws=draws, seed=seed)


def redraw_sum_p_value(score: np.ndarray, draw: Draw, *, draws: int, seed: int) -> float:
    """Two-sided p-value of a sum to which each thing adds the score of the variant it was dealt, by dealing again as was dealt.

    Parameters
    ----------
    score : float array, shape (m, variants)
        What each thing adds under each variant, if nothing has an effect.
    draw, draws, seed
        As in `redraw_p_value`.

    Examples
    --------
    >>> dealt = Draw(label=np.array([0, 0, 0, 1, 1, 1]), block=np.zeros(6, dtype=int))
    >>> redraw_sum_p_value(np.column_stack([np.zeros(6), [1.0, 2.0, 3.0, 7.0, 8.0, 9.0]]), dealt, draws=99, seed=1)
    0.1
    """
    code = np.unique(draw.block, return_inverse=True)[1]
    hot = draw.label[:, None] == np.arange(score.shape[1])
    share = np.array([hot[code == one].mean(axis=0) for one in range(code.max() + 1)])
    centred = score - (share[code] * score).sum(axis=1, keepdims=True)
    things = np.arange(len(score))
    return _share_beyond(lambda label: centred[things, label].sum(axis=1), draw, draws=draws, seed=seed)


def _share_beyond(statistic: Callable[[np.ndarray], np.ndarray], draw: Draw, *, draws: int, seed: int) -> float:
    """Share of deals whose statistic is at least as far from 0 as that of the deal that was made."""
    seen = abs(statistic(draw.label[None])[0]) * (1 - TIE)
    if draw.ways <= MOST_WAYS:
        return float((np.abs(statistic(draw.all())) >= seen).mean())
    rng = np.random.default_rng(seed)
    beyond = sum(int((np.abs(statistic(dealt)) >= seen).sum()) for dealt in draw.again(draws, rng=rng))
    return (1 + beyond) / (1 + draws)


def _gap(label: np.ndarray, score: np.ndarray, size: np.ndarray, variants: tuple[int, int]) -> np.ndarray:
    treated, control = ((label == variant).astype(float) for variant in variants)
    return (treated @ score) / (treated @ size) - (control @ score) / (control @ size)


def exact_p_value(score: np.ndarray, treated: np.ndarray, block: np.ndarray, *, two_sided: bool = True, most: int = 20_000_000) -> float:
    """Exact p-value of the sum of scores over the treated, over all deals within blocks; NaN where they are too many.

    Parameters
    ----------
    score : float array, shape (m,)
        Outcomes or ranks of the things randomised.
    treated : bool array, shape (m,)
        Who was treated.
    block : int array, shape (m,)
        Stratum or pair.
    two_sided : bool
        Whether sums as far below the mean count, too; else those at least as large.
    most : int
        Largest table of sums to be held. Scores on a grid (ranks, counts, cents) need far less than one for each deal.
        Blocks of more than a thousand units have more deals than can be told apart.

    Examples
    --------
    >>> exact_p_value(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, True, False, False]), np.zeros(4, dtype=int), two_sided=False)
    0.16666666666666666
    """
    step = _grid(score)
    if step is None:
        return float("nan")
    whole = np.rint((score - score.min()) / step).astype(np.int64)
    total, chance = np.zeros(1, dtype=np.int64), np.ones(1)
    for code in np.unique(block):
        mine = block == code
        chosen = int(treated[mine].sum())
        if mine.sum() > MOST_IN_BLOCK or (chosen + 1) * (int(whole[mine].sum()) + 1) > most or len(chance) + int(whole[mine].sum()) > most:
            return float("nan")
        ways = _ways(whole[mine], chosen)
        chance = _convolve(chance, ways / ways.sum())
        total = np.arange(len(chance))
    seen, mean = float(whole[treated].sum()), float(chance @ total)
    far = np.abs(total - mean) >= abs(seen - mean) * (1 - TIE) - TIE if two_sided else total >= seen - 0.5
    return float(min(chance[far].sum(), 1.0))


def _grid(score: np.ndarray) -> float | None:
    """Coarsest step on which all scores lie, among tens, halves, thirds and sixths of each; None if they lie on none."""
    distinct = np.unique(score - score.min())
    for step in (1.0, 0.5, 1 / 3, 0.25, 1 / 6, 0.1, 0.01, 0.001):
        if np.abs(distinct / step - np.rint(distinct / step)).max() < 1e-6:
            return step * max(float(np.gcd.reduce(np.rint(distinct / step).astype(np.int64))), 1.0)
    return None


def _ways(whole: np.ndarray, chosen: int) -> np.ndarray:
    """Count the ways to choose so many with each sum, shape ``(sum + 1,)``."""
    ways = np.zeros((chosen + 1, int(whole.sum()) + 1))
    ways[0, 0] = 1.0
    for value in whole:
        shifted = ways[:-1, : ways.shape[1] - value]
        ways[1:, value:] += shifted.copy()
    return ways[chosen]


def _convolve(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distribution of the sum of two; term by term, since a fast transform would lose small chances."""
    live = np.flatnonzero(second)
    out = np.zeros(len(first) + len(second) - 1)
    if len(live) * len(first) <= 2_000_000:
        for place in live:
            out[place : place + len(first)] += first * second[place]
        return out
    return np.convolve(first, second)


def normal_statistic(score: np.ndarray, treated: np.ndarray, block: np.ndarray) -> float:
    """Standardised sum of scores over the treated: its mean and variance over all deals within blocks are known.

    Examples
    --------
    >>> round(normal_statistic(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, True, False, False]), np.zeros(4, dtype=int)), 6)
    1.549193
    """
    code = np.unique(block, return_inverse=True)[1]
    n, chosen = np.bincount(code), np.bincount(code, weights=treated)
    centred = score - (np.bincount(code, weights=score) / n)[code]
    spread = np.bincount(code, weights=centred**2) / np.maximum(n - 1, 1)
    variance = float((chosen * (n - chosen) / n * spread).sum())
    return float(centred[treated].sum() / math.sqrt(variance)) if variance > 0 else float("nan")
