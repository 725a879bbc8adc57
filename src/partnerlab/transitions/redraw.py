"""A program in which nothing changes: every partner's numbers drawn again at its own unchanged rate.

Counts are Poisson at a rate drawn from the partner's shrunken posterior (gamma, fitted within its group), one
rate for all quarters of a draw, times exposure; shares are binomial of such counts; amounts are sums of that
many values around the partner's own mean value. What is not a sum of events, such as a number that somebody
stated, stays where it mostly stood.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd

from partnerlab.panel.indicators import FRAME, Indicator
from partnerlab.panel.panel import Panel
from partnerlab.stats.shrinkage.pooling import dirichlet_prior, gamma_poisson_prior
from partnerlab.stats.turns.changepoints import common_index, count_wildness

Kind = Literal["count", "share", "amount", "held"]
#: Groups with fewer partners than this share one prior.
SMALLEST_GROUP = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class IndicatorNoise:
    """How the single-period numbers of one measure would vary if nothing changed.

    Columns are the run-in and then the panel's periods, ``c`` in all.

    Parameters
    ----------
    names : tuple of str
        Indicators made of this measure: they are drawn once, together.
    kind : {"count", "share", "amount", "held"}
        What is drawn.
    totals, counts : ndarray, shape (n, c)
        As observed.
    exposure : ndarray of float64, shape (n, c)
        Exposure that was observed in full; 0 where nothing was measured.
    shape, rate : ndarray, shape (n,)
        Gamma prior of the partner's event rate.
    shares : tuple of float
        Beta prior of a share: of yes, of no.
    mean : ndarray, shape (n,)
        The partner's own mean value, the group's where it has none.
    spread : float
        Standard deviation of single values over the partner's mean.
    wildness : ndarray, shape (n,), or None
        Variance of a count beyond Poisson, relative to its squared mean, of the partner's group; None draws Poisson counts.
    level, share : ndarray, shape (n,), or None
        Rate and share that every draw is to be at; None draws them anew each time from the posterior.
    """

    names: tuple[str, ...]
    kind: Kind
    totals: np.ndarray = dataclasses.field(repr=False)
    counts: np.ndarray = dataclasses.field(repr=False)
    exposure: np.ndarray = dataclasses.field(repr=False)
    shape: np.ndarray = dataclasses.field(repr=False, default_factory=lambda: np.zeros(0))
    rate: np.ndarray = dataclasses.field(repr=False, default_factory=lambda: np.zeros(0))
    shares: tuple[float, float] = (0.5, 0.5)
    mean: np.ndarray = dataclasses.field(repr=False, default_factory=lambda: np.zeros(0))
    spread: float = 0.0
    wildness: np.ndarray | None = dataclasses.field(repr=False, default=None)
    level: np.ndarray | None = dataclasses.field(repr=False, default=None)
    share: np.ndarray | None = dataclasses.field(repr=False, default=None)

    @property
    def dispersion(self) -> np.ndarray | float:
        """How much wilder than Poisson a partner's counts are, shape ``(n,)``; what they tell is divided by it."""
        if self.wildness is None:
            return 1.0
        return count_dispersion(self.counts, self.exposure, self.wildness)

    def draw(self, rng: np.random.Generator, exposure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw totals and counts anew, both ``(n, c)``; ``exposure`` is membership time in every column."""
        if self.kind == "held":
            return hold(self.totals, self.exposure), hold(self.counts, self.exposure)
        events, time = np.where(self.exposure > 0, self.counts, 0).sum(axis=1), self.exposure.sum(axis=1)
        told = self.dispersion
        rate = rng.standard_gamma(self.shape + events / told) / (self.rate + time / told) if self.level is None else self.level
        mean = rate[:, None] * exposure
        if self.wildness is not None:
            mean = mean * draw_wildness(rng, self.wildness, mean.shape)
        counts = rng.poisson(mean).astype(np.int32)
        if self.kind == "count":
            return counts, counts
        if self.kind == "share":
            yes = np.where(self.exposure > 0, self.totals, 0).sum(axis=1)
            share = rng.beta(self.shares[0] + yes, self.shares[1] + np.maximum(events - yes, 0)) if self.share is None else self.share
            return rng.binomial(counts, share[:, None]).astype(self.totals.dtype), counts
        amounts = draw_amounts(rng, counts, self.mean, self.spread)
        return (amounts if self.totals.dtype.kind == "f" else np.rint(amounts)).astype(self.totals.dtype), counts


def count_dispersion(counts: np.ndarray, exposure: np.ndarray, wildness: np.ndarray) -> np.ndarray:
    """How much wilder than Poisson each partner's counts are, at its own mean: ``1 + wildness mean``, shape ``(n,)``."""
    measured = exposure > 0
    events, time = np.where(measured, counts, 0).sum(axis=1), exposure.sum(axis=1)
    usual = events.sum() / max(float(time.sum()), 1e-9)
    return 1.0 + wildness * (events + usual) / (time + 1.0)


def draw_wildness(rng: np.random.Generator, wildness: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Draw factors of mean 1 whose variance is each partner's wildness, shape ``(n, c)``."""
    some = np.maximum(wildness, 1e-6)[:, None]
    return rng.standard_gamma(np.broadcast_to(1.0 / some, shape)) * some


def hold(values: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Keep each partner at the value where it mostly stood (lower median), where anything was known.

    Examples
    --------
    >>> hold(np.array([[np.nan, 3.0, 3.0, 9.0]]), np.ones((1, 4))).tolist()
    [[nan, 3.0, 3.0, 3.0]]
    """
    floats = values.astype(np.float64)
    known = ~np.isnan(floats)
    seen = np.where(known & (exposure > 0), floats, np.nan)
    seen = np.where(np.isnan(seen).all(axis=1, keepdims=True), floats, seen)
    rank = np.sort(seen, axis=1)
    last = np.maximum((~np.isnan(rank)).sum(axis=1) - 1, 0)
    middle = rank[np.arange(len(rank)), last // 2]
    return np.where(known, middle[:, None], floats).astype(values.dtype)


def draw_amounts(rng: np.random.Generator, counts: np.ndarray, mean: np.ndarray, spread: float) -> np.ndarray:
    """Draw sums of ``counts`` values with the given means, shape ``(n, c)``.

    Gamma with the sum's mean and variance, ``counts * mean`` and ``counts * (spread * mean)^2``, where the mean
    is positive; else normal.
    """
    centre = counts * mean[:, None]
    if spread <= 0.0:
        return centre
    if (mean > 0).all():
        return rng.standard_gamma(counts / spread**2) * (spread**2 * mean[:, None])
    return centre + np.sqrt(counts) * np.abs(mean[:, None]) * spread * rng.standard_normal(counts.shape)


def value_spread(totals: np.ndarray, counts: np.ndarray, squares: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Find each partner's mean value, and the spread of single values around it relative to it.

    Parameters
    ----------
    totals, counts : ndarray, shape (n, c)
        Sums and numbers of values by period.
    squares : ndarray, shape (n, c), or None
        Sums of squared values. Without them the spread is judged from how period sums vary around
        ``counts * mean``, which takes real change for spread.

    Returns
    -------
    mean : ndarray, shape (n,)
    spread : float

    Examples
    --------
    >>> mean, spread = value_spread(np.array([[8.0, 12.0]]), np.array([[2, 2]]), np.array([[40.0, 80.0]]))
    >>> mean.tolist(), round(spread, 3)
    ([5.0], 0.566)
    """
    totals, counts = totals.astype(np.float64), counts.astype(np.float64)
    rows = counts.sum(axis=1)
    whole = totals.sum() / rows.sum() if rows.sum() > 0 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(rows > 0, totals.sum(axis=1) / rows, whole)
        if squares is not None:
            inner = np.where(counts >= 2, squares - totals**2 / counts, 0.0).sum(axis=1)
            degrees = np.maximum(counts - 1, 0).sum(axis=1)
        else:
            inner = ((totals - counts * mean[:, None]) ** 2).sum(axis=1)
            degrees = np.where(rows > 0, rows - (counts**2).sum(axis=1) / rows, 0.0)
    use = (mean != 0) & (rows > 0) & (degrees > 0)
    if not use.any():
        return mean, 0.0
    return mean, float(np.sqrt(max((inner[use] / mean[use] ** 2).sum() / degrees[use].sum(), 0.0)))


def prior_groups(attributes: pd.DataFrame, within: str | None) -> tuple[np.ndarray, int]:
    """Group of each partner for shrinkage; small groups are taken together."""
    if within is None or within not in attributes.columns:
        return np.zeros(len(attributes), dtype=np.int64), 1
    codes = pd.factorize(attributes[within], sort=True)[0].astype(np.int64) + 1
    small = np.bincount(codes)[codes] < SMALLEST_GROUP
    return np.unique(np.where(small, 0, codes), return_inverse=True)[1].astype(np.int64), len(np.unique(np.where(small, 0, codes)))


def reach_back(panel: Panel, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Totals, counts and measured exposure of an indicator, run-in first."""
    totals, counts, time = panel.totals[name], panel.counts[name], panel.exposure.astype(np.float64) * ~panel.partial
    covered = panel.covered.get(name)
    time = time if covered is None else time * covered
    early = panel.run_in
    if early is None:
        return totals, counts, time
    before = early.exposure.astype(np.float64) * early.covered.get(name, True)
    if name not in early.totals:
        nothing = np.zeros(before.shape, dtype=totals.dtype)
        return np.hstack([nothing, totals]), np.hstack([nothing.astype(counts.dtype), counts]), np.hstack([0.0 * before, time])
    return np.hstack([early.totals[name], totals]), np.hstack([early.counts[name], counts]), np.hstack([before, time])


def indicator_kind(indicator: Indicator) -> Kind:
    """How an indicator's noise arises."""
    if indicator.statistic in ("count", "active", "distinct"):
        return "count"
    if indicator.statistic == "share":
        return "share"
    return "amount" if indicator.statistic in ("sum", "mean") else "held"


def fit_noise(panel: Panel, names: tuple[str, ...], *, within: str | None, wild: bool = False) -> tuple[IndicatorNoise, ...]:
    """Fit how each measure behind the named indicators would vary if nothing changed.

    With ``wild`` counts are as wild as those of the partner's group are from period to period, beside what all of the group
    share in a period (negative binomial); else Poisson.
    """
    group, groups = prior_groups(panel.attributes, within)
    together: dict[tuple[object, ...], list[str]] = {}
    for name in names:
        indicator = panel.indicators[name]
        own = name if indicator.from_ == FRAME else ""
        together.setdefault((*indicator.measure, indicator_kind(indicator), own), []).append(name)
    return tuple(_fit_one(panel, tuple(members), group, groups, wild=wild) for members in together.values())


def group_wildness(counts: np.ndarray, exposure: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Wildness of each partner's group, what its partners share in a period taken out: shape ``(n,)``.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(np.random.default_rng(1).gamma(2.0, 2.0, (400, 12)))
    >>> group_wildness(counts, np.ones(counts.shape), np.zeros(400, dtype=int), 1)[:2].round(1)
    array([0.5, 0.5])
    """
    found = np.zeros(groups)
    for one in range(groups):
        mine, time = counts[group == one], exposure[group == one]
        found[one] = count_wildness(mine, time * common_index(mine, time, wildness=count_wildness(mine, time)))
    return found[group]


def _fit_one(panel: Panel, names: tuple[str, ...], group: np.ndarray, groups: int, *, wild: bool) -> IndicatorNoise:
    kind = indicator_kind(panel.indicators[names[0]])
    # of indicators of one measure, the one with the longest run-in tells most
    name = max(names, key=lambda one: panel.indicators[one].window)
    totals, counts, time = reach_back(panel, name)
    if panel.indicators[name].statistic == "distinct":
        counts = totals
    if kind == "held":
        return IndicatorNoise(names=names, kind=kind, totals=totals, counts=counts, exposure=time)
    measured = time > 0
    events = np.where(measured, counts, 0)
    extras: dict[str, object] = {}
    told: np.ndarray | float = 1.0
    if wild:
        extras["wildness"] = group_wildness(events, time, group, groups)
        told = count_dispersion(events, time, extras["wildness"])
    shape, rate = gamma_poisson_prior(np.round(events.sum(axis=1) / told), time.sum(axis=1) / told, group=group, groups=groups)
    if kind == "share":
        yes = np.where(measured, totals, 0).sum(axis=1)
        prior = dirichlet_prior(np.stack([yes, np.maximum(events.sum(axis=1) - yes, 0)], axis=1))
        extras["shares"] = (float(prior[0]), float(prior[1]))
    elif kind == "amount":
        # squares are kept for the panel's own periods only
        own = slice(totals.shape[1] - panel.shape[1], None)
        sums = np.where(measured, totals, 0)
        squares = next((panel.squares[one] for one in names if one in panel.squares), None)
        squares = None if squares is None else np.where(measured[:, own], squares, 0.0)
        extras["mean"], extras["spread"] = value_spread(sums[:, own], events[:, own], squares)
    return IndicatorNoise(
        names=names, kind=kind, totals=totals, counts=counts, exposure=time, shape=shape[group], rate=rate[group], **extras
    )


def redraw_panel(panel: Panel, noise: tuple[IndicatorNoise, ...], rng: np.random.Generator) -> Panel:
    """Give the panel with the numbers of every measure drawn again."""
    exposure = panel.exposure.astype(np.float64)
    back = 0 if panel.run_in is None else panel.run_in.width
    if panel.run_in is not None:
        exposure = np.hstack([panel.run_in.exposure.astype(np.float64), exposure])
    totals, counts, early_totals, early_counts = {}, {}, {}, {}
    for one in noise:
        drawn, rows = one.draw(rng, exposure)
        for name in one.names:
            totals[name], counts[name] = drawn[:, back:], rows[:, back:]
            early_totals[name], early_counts[name] = drawn[:, :back], rows[:, :back]
    if panel.run_in is None:
        return panel.replace(totals=totals, counts=counts)
    known = panel.run_in.totals
    run_in = dataclasses.replace(
        panel.run_in,
        totals={**known, **{name: array for name, array in early_totals.items() if name in known}},
        counts={**panel.run_in.counts, **{name: array for name, array in early_counts.items() if name in known}},
    )
    return panel.replace(totals=totals, counts=counts, run_in=run_in)
