"""Turns of a rate: whether a unit's counts of events, period by period, have left the level that they had.

A gamma-Poisson likelihood-ratio chart. The rate before a possible turn is known only by the counts before it (gamma
posterior); after a turn in period ``k`` it would be a multiple of it. For ``Y`` events in ``E`` units of time from ``k`` on, and
a posterior of shape ``a`` and rate ``b``, the ratio of the two predictive likelihoods is

    ``m^Y ((b + E) / (b + m E))^(a + Y)``,

whose mean is 1 where nothing turned, whatever the rate. The chart is the largest over ``k`` of the mean over a few multiples
(generalised likelihood ratio: Siegmund and Venkatraman 1995, doi:10.1214/aos/1176324466). With one multiple and a rate known
beforehand it is the Poisson CUSUM (Page 1954, doi:10.2307/2333009; Lucas 1985, doi:10.1080/00401706.1985.10488030), whose run
lengths follow from a Markov chain (Brook and Evans 1972, doi:10.1093/biomet/59.3.539). Counts wilder than Poisson
ones enter divided by their dispersion, and all thresholds are those of counts drawn again with it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

#: Multiples of the rate that are looked for, upwards; downwards their reciprocals.
MULTIPLES = (1.5, 2.0, 3.0, 5.0, 10.0)
#: Standard deviations beyond which a count says no more of what all share.
CLIP = 2.0
#: Units drawn at a time.
BLOCK = 20_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """What is known of each unit's rate before the window in which a turn is looked for.

    Parameters
    ----------
    shape, rate : ndarray, shape (n,)
        Gamma posterior of events for each unit of time; what wild counts tell is divided by their dispersion before it enters.
    time : ndarray, shape (n, w)
        Time in each period of the window: exposure times the common index.
    wildness : float
        Variance of a count beyond Poisson, relative to its squared mean: ``mu + wildness mu^2``.
    """

    shape: np.ndarray
    rate: np.ndarray
    time: np.ndarray = dataclasses.field(repr=False)
    wildness: float = 0.0

    @property
    def mean(self) -> np.ndarray:
        """Expected events for each unit of time, shape ``(n,)``."""
        return self.shape / self.rate

    @property
    def dispersion(self) -> np.ndarray:
        """How much wilder than Poisson counts of a period are, shape ``(n,)``; at least 1."""
        return 1.0 + self.wildness * self.mean

    def take(self, rows: np.ndarray) -> Baseline:
        """Give the same of some units."""
        return dataclasses.replace(self, shape=self.shape[rows], rate=self.rate[rows], time=self.time[rows])

    def draw(self, rng: np.random.Generator, *, times: np.ndarray | float = 1.0) -> np.ndarray:
        """Draw counts of the window, shape ``(n, w)``: one rate for each unit, times ``times`` in each period."""
        rate = rng.standard_gamma(self.shape) / self.rate
        mean = rate[:, None] * self.time * times
        if self.wildness > 0:
            mean = mean * rng.standard_gamma(1.0 / self.wildness, mean.shape) * self.wildness
        return rng.poisson(mean)


def count_wildness(counts: np.ndarray, time: np.ndarray) -> float:
    """Variance of counts beyond Poisson relative to the squared mean, from neighbouring periods; 0 if there is none.

    Neighbours share their rate even where it drifts: ``E (r_t - r_s)^2 = r/e_t + r/e_s + 2 wildness r^2`` for counts per time
    ``r``, and ``r^2`` is met by the product of neighbours (von Neumann 1941).

    Parameters
    ----------
    counts, time : ndarray, shape (n, t)
        Events, and time with which they are expected in proportion; 0 where nothing was measured.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> calm, wild = rng.poisson(4.0, (400, 24)), rng.poisson(4.0 * rng.gamma(2.0, 0.5, (400, 24)))
    >>> round(count_wildness(calm, np.ones(calm.shape)), 1), round(count_wildness(wild, np.ones(wild.shape)), 1)
    (0.0, 0.5)
    """
    seen = (time[:, 1:] > 0) & (time[:, :-1] > 0)
    some = np.where(time > 0, time, 1.0)
    level = counts / some
    now, before = level[:, 1:][seen], level[:, :-1][seen]
    extra = (now - before) ** 2 - now / some[:, 1:][seen] - before / some[:, :-1][seen]
    # weighted by time squared, so that short periods, whose rates scatter, do not rule
    weight = (some[:, 1:] * some[:, :-1])[seen]
    bottom = float((2.0 * now * before * weight).sum())
    return max(float((extra * weight).sum()) / bottom, 0.0) if bottom > 0 else 0.0


def common_index(counts: np.ndarray, exposure: np.ndarray, *, wildness: float = 0.0, rounds: int = 12) -> np.ndarray:
    """How busy each period was for everybody, 1 on average: seasons and shocks that all units share.

    Main effects of unit and period, fitted in turn. Units are weighted by ``1 / (1 + wildness mean + mean / median)``: as their
    counts scatter, and so that the few largest are not taken for everybody; counts further than `CLIP` standard deviations from
    what is expected count as that far (Huber 1964), so that those who turn do not move what all share.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> counts = rng.poisson(np.outer(rng.gamma(2.0, 2.0, 2000), [1.0, 0.5, 1.5]))
    >>> common_index(counts, np.ones(counts.shape)).round(1)
    array([1. , 0.5, 1.5])
    """
    index = np.ones(counts.shape[1])
    for _ in range(rounds):
        time = (exposure * index).sum(axis=1)
        level = np.divide(counts.sum(axis=1), time, out=np.zeros(len(counts)), where=time > 0)
        active = level[level > 0]
        weight = 1.0 / (1.0 + wildness * level + level / (np.median(active) if len(active) else 1.0))
        mean = level[:, None] * exposure
        centre = mean * index
        reach = CLIP * np.sqrt(centre + wildness * centre**2)
        expected = weight @ mean
        usual = np.clip(counts, centre - reach, centre + reach)
        index = np.divide(weight @ usual, expected, out=np.ones(len(index)), where=expected > 0)
        index = np.maximum(index, 1e-6) / max(index.mean(), 1e-6)
    return index


def turn_evidence(counts: np.ndarray, baseline: Baseline, *, multiples: np.ndarray, look: int | None = None) -> np.ndarray:
    """Log likelihood ratio of a turn at the beginning of each period, at the end of each later one.

    Parameters
    ----------
    counts : ndarray, shape (n, w)
        Events in the periods of the window.
    baseline : Baseline
        Of the same units.
    multiples : ndarray, shape (r,)
        Of the rate; their likelihoods are averaged.
    look : int or None
        Last periods to look from; all if None.

    Returns
    -------
    ndarray, shape (w, look, n)
        By period of the turn, and period looked from; ``-inf`` where the turn would lie ahead.

    Examples
    --------
    >>> known = Baseline(shape=np.array([1e9]), rate=np.array([5e8]), time=np.ones((1, 2)))  # a rate of 2, well known
    >>> told = turn_evidence(np.array([[2, 5]]), known, multiples=np.array([2.0]))
    >>> told[:, :, 0].round(2).tolist()  # 7 log 2 - 4 over both, 5 log 2 - 2 for the second alone
    [[-0.61, 0.85], [-inf, 1.47]]
    """
    size, width = counts.shape
    look = width if look is None else look
    spread = baseline.dispersion
    # periods first: a column is then one stretch of memory
    events = np.vstack([np.zeros((1, size)), np.cumsum(counts.T, axis=0) / spread])
    time = np.vstack([np.zeros((1, size)), np.cumsum(baseline.time.T, axis=0) / spread])
    found = np.full((width, look, size), -np.inf)
    for start in range(width):
        shape, rate = baseline.shape + events[start], baseline.rate + time[start]
        for now in range(max(start, width - look), width):
            more, longer = events[now + 1] - events[start], time[now + 1] - time[start]
            share, ratio = rate / (rate + longer), np.zeros(size)
            for multiple in multiples:
                ratio += np.exp(more * np.log(multiple) - (shape + more) * np.log(share + multiple * (1.0 - share)))
            found[start, now - width + look] = np.log(ratio / len(multiples))
    return found


def chart_height(counts: np.ndarray, baseline: Baseline, *, upwards: bool, look: int) -> np.ndarray:
    """Highest evidence of a turn up or down in any period of the window, seen from any of the last ``look``: shape ``(n,)``."""
    multiples = np.array(MULTIPLES) if upwards else 1.0 / np.array(MULTIPLES)
    return turn_evidence(counts, baseline, multiples=multiples, look=look).max(axis=(0, 1))


def both_charts(counts: np.ndarray, baseline: Baseline, *, look: int) -> np.ndarray:
    """Heights of the chart upwards and of that downwards: shape ``(2, n)``."""
    return np.stack([chart_height(counts, baseline, upwards=upwards, look=look) for upwards in (True, False)])


def unchanged_heights(baseline: Baseline, *, look: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the heights of both charts where nothing turns: shape ``(2, n, draws)``."""
    size = len(baseline.shape)
    found = np.empty((2, size, draws))
    step = max(BLOCK // max(draws, 1), 1)
    for first in range(0, size, step):
        rows = np.arange(first, min(first + step, size))
        again = baseline.take(np.repeat(rows, draws))
        found[:, rows] = both_charts(again.draw(rng), again, look=look).reshape(2, len(rows), draws)
    return found


def tail_probability(height: np.ndarray, unchanged: np.ndarray, *, order: np.ndarray, least: int) -> np.ndarray:
    """Share of heights without a turn that reach each unit's, itself counted in: shape ``(n,)``.

    Parameters
    ----------
    height : ndarray, shape (n,)
        Of the chart.
    unchanged : ndarray, shape (n, draws)
        Drawn for the same units.
    order : ndarray of int, shape (n,)
        Units from the lowest to the highest rate: neighbours lend their draws.
    least : int
        Draws that a probability rests on at least.

    Notes
    -----
    ``(reached + 1) / (draws + 1)`` is valid whatever the number of draws (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).

    Examples
    --------
    >>> tail_probability(np.array([3.0, 0.0]), np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]), order=np.arange(2), least=3)
    array([0.5, 1. ])
    """
    size, draws = unchanged.shape
    side = min(int(np.ceil((least / draws - 1) / 2)), size // 2) if least > draws else 0
    found = np.empty(size)
    for place, unit in enumerate(order):
        low = min(max(place - side, 0), max(size - 2 * side - 1, 0))
        near = unchanged[order[low : low + 2 * side + 1]]
        found[unit] = ((near >= height[unit] - 1e-12).sum() + 1.0) / (near.size + 1.0)
    return found


def turn_time(evidence: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When the turn came: the likeliest period, and the shortest stretch that holds it with this probability.

    Parameters
    ----------
    evidence : ndarray, shape (w, n)
        Log likelihood ratio by period of the turn, seen from the end; every period is as likely beforehand.

    Returns
    -------
    likeliest, first, last : ndarray of int, shape (n,)

    Examples
    --------
    >>> turn_time(np.log([[0.01], [0.9], [0.09]]), level=0.95)
    (array([1]), array([1]), array([2]))
    """
    width, size = evidence.shape
    weight = np.exp(evidence - special.logsumexp(evidence, axis=0))
    order = np.argsort(-weight, axis=0, kind="stable")
    total = np.cumsum(np.take_along_axis(weight, order, axis=0), axis=0)
    inside = np.vstack([np.ones((1, size), dtype=bool), total[:-1] < level])
    first = np.where(inside, order, width).min(axis=0)
    last = np.where(inside, order, -1).max(axis=0)
    return order[0], first, last


def rate_ratio(
    shape: np.ndarray, rate: np.ndarray, events: np.ndarray, time: np.ndarray, *, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rate after a turn relative to that before, with its interval: the ratio of two gamma variables.

    Parameters
    ----------
    shape, rate : ndarray, shape (n,)
        Gamma posterior before the turn.
    events, time : ndarray, shape (n,)
        After it; the rate there has Jeffreys' prior, ``Gamma(1/2, 0)``.

    Returns
    -------
    estimate, std_error, low, high : ndarray, shape (n,)
        Median of the ratio, standard error of its logarithm, and equal tails.

    Examples
    --------
    >>> estimate, error, low, high = rate_ratio(np.array([40.0]), np.array([20.0]), np.array([18.0]), np.array([3.0]), level=0.95)
    >>> [round(float(edge[0]), 2) for edge in (low, estimate, high)]
    [1.71, 3.05, 5.23]
    """
    after = events + 0.5
    scale = (after / time) / (shape / rate)
    tail = (1.0 - level) / 2.0
    low, middle, high = (scale * special.fdtri(2 * after, 2 * shape, point) for point in (tail, 0.5, 1.0 - tail))
    return middle, np.sqrt(special.polygamma(1, after) + special.polygamma(1, shape)), low, high
