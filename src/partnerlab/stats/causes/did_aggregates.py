"""Effects by group and time brought together: by event time, by group, by calendar time, and overall; bands for all at once.

Callaway and Sant'Anna (2021), section 3; the weights are group shares, and their own error is part of the influence function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from partnerlab.stats.causes.did import GroupTimeEffects
from partnerlab.stats.inference.sandwich import sum_clusters

Kind = Literal["simple", "event", "group", "calendar"]

#: Units read at a time: they stay in the processor's cache.
BLOCK = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Aggregate:
    """Group-time effects brought together.

    Parameters
    ----------
    at : int array, shape (m,)
        Event time, group or period of each part; empty for "simple".
    att : float array, shape (m,)
        Effect of each part.
    influence : float array, shape (n, m)
        Influence functions, scaled as in `GroupTimeEffects`.
    overall : float
        The parts' average: over event times from adoption on, over groups by their size, over periods.
    overall_influence : float array, shape (n,)
        Its influence function; NaN, as ``overall`` is, where no cell after adoption is known.
    treated : int array, shape (m,)
        Treated unit-periods behind each part.
    """

    at: np.ndarray
    att: np.ndarray
    influence: np.ndarray
    overall: float
    overall_influence: np.ndarray
    treated: np.ndarray


def aggregate_effects(
    effects: GroupTimeEffects,
    *,
    kind: Kind,
    balance: int | None = None,
    first: int | None = None,
    last: int | None = None,
    bins: Sequence[int] = (),
) -> Aggregate:
    """Average group-time effects.

    Parameters
    ----------
    effects : GroupTimeEffects
        Cells whose effect is NaN are left out.
    kind : {"simple", "event", "group", "calendar"}
        "simple" averages all cells after adoption by group size.
    balance : int, optional
        For "event": only groups seen at least this many periods after adoption, and event times up to it.
    first, last : int, optional
        For "event": the range of event times to keep.
    bins : sequence of int
        For "event": first event times of stretches, in order, each averaged by group size over all its cells that compare two
        periods; those before the first are left out, and ``at`` is the first event time of each.

    Returns
    -------
    Aggregate
    """
    known = np.isfinite(effects.att)
    groups = np.unique(effects.group[known])
    share = np.array([(effects.weights * (effects.adopted == group)).mean() for group in groups])
    after = known & (effects.event_time >= 0)
    if kind == "simple":
        part = _by_share(effects, after, groups, share)
        inside = _influence(effects, [part], groups, share)
        whole = inside[:, 0] if after.any() else np.full(len(inside), np.nan)
        return _joined(effects, [], [part], inside[:, :0], part.value(effects), whole)
    if kind == "group":
        groups, share = (values[[(after & (effects.group == group)).any() for group in groups]] for values in (groups, share))
        parts = _group_parts(effects, after, groups)
        inside = _influence(effects, parts, groups, share)
        return _joined(effects, groups, parts, inside, *_over_groups(effects, parts, inside, groups, share))
    codes, cells = (effects.event_time, _event_cells(effects, known, balance=balance, first=first, last=last)) if kind == "event" else (
        effects.time, after)  # fmt: skip
    if len(bins):
        cells = cells & (codes >= bins[0]) & (effects.treated > 0)  # a period compared with itself is no effect
        codes = np.array(bins)[np.maximum(np.searchsorted(bins, codes, side="right") - 1, 0)]
    at = np.unique(codes[cells])
    parts = [_by_share(effects, cells & (codes == one), groups, share) for one in at]
    inside = _influence(effects, parts, groups, share)
    later = at >= 0
    overall = np.mean([part.value(effects) for part, counts in zip(parts, later, strict=True) if counts]) if later.any() else np.nan
    whole = inside[:, later].mean(axis=1) if later.any() else np.full(len(inside), np.nan)
    return _joined(effects, at, parts, inside, overall, whole)


def _over_groups(effects, parts: list[_Part], inside: np.ndarray, groups: np.ndarray, share: np.ndarray) -> tuple[float, np.ndarray]:
    """Average of groups by their shares, and its influence."""
    if not parts:
        return np.nan, np.array([])
    att, weight = np.array([part.value(effects) for part in parts]), share / share.sum()
    slopes = (att - att @ weight) / share.sum()
    place = np.minimum(np.searchsorted(groups, effects.adopted), len(groups) - 1)
    member = groups[place] == effects.adopted
    return float(att @ weight), inside @ weight + effects.weights * np.where(member, slopes[place], 0.0) - share @ slopes


def _joined(effects, at, parts: list[_Part], inside: np.ndarray, overall: float, whole: np.ndarray) -> Aggregate:
    return Aggregate(
        at=np.asarray(at, dtype=np.int64),
        att=np.array([part.value(effects) for part in parts] if len(at) else []),
        influence=inside,
        overall=float(overall),
        overall_influence=whole,
        treated=np.array([effects.treated[part.cells].sum() for part in parts], dtype=np.int64),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Part:
    """One average: its cells, what each weighs, and what each group's share moves it by, where the weights are such shares."""

    cells: np.ndarray
    weights: np.ndarray
    slopes: np.ndarray

    def value(self, effects: GroupTimeEffects) -> float:
        """Average of the cells' effects; NaN where there is none."""
        if not self.cells.any():
            return np.nan
        return float(effects.att[self.cells] @ self.weights[self.cells])


def _by_share(effects: GroupTimeEffects, cells: np.ndarray, groups: np.ndarray, share: np.ndarray) -> _Part:
    """Average of cells by group share; the derivative of ``sum(share * att) / sum(share)`` is what the shares' error adds."""
    place = np.searchsorted(groups, effects.group[cells])
    total = share[place].sum()
    weights = np.zeros(len(cells))
    weights[cells] = share[place] / total
    slopes = np.bincount(place, (effects.att[cells] - effects.att[cells] @ weights[cells]) / total, minlength=len(groups))
    return _Part(cells=cells, weights=weights, slopes=slopes)


def _influence(effects: GroupTimeEffects, parts: list[_Part], groups: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Influence of units on some averages, shape ``(n, m)``."""
    if not parts:
        return np.zeros((len(effects.adopted), 0))
    inside = effects.by_unit.average(np.stack([part.weights for part in parts], axis=1))
    slopes = np.stack([part.slopes for part in parts], axis=1)
    if slopes.any():
        usual, moved = share @ slopes, np.concatenate([slopes, np.zeros((1, len(parts)))])
        place = np.minimum(np.searchsorted(groups, effects.adopted), len(groups) - 1)
        place = np.where(groups[place] == effects.adopted, place, len(groups))
        for first in range(0, len(inside), BLOCK):
            rows = slice(first, first + BLOCK)
            inside[rows] += effects.weights[rows, None] * moved[place[rows]] - usual
    return inside


def _event_cells(effects: GroupTimeEffects, known, *, balance: int | None, first: int | None, last: int | None) -> np.ndarray:
    keep = known.copy()
    if balance is not None:
        keep &= effects.time.max() - effects.group >= balance
        keep &= (effects.event_time <= balance) & (effects.event_time >= -(effects.time.max() - effects.time.min() - balance))
    if first is not None:
        keep &= effects.event_time >= first
    if last is not None:
        keep &= effects.event_time <= last
    return keep


def _group_parts(effects: GroupTimeEffects, after: np.ndarray, groups: np.ndarray) -> list[_Part]:
    """Average of each group's cells; all weigh alike."""
    cells = [after & (effects.group == group) for group in groups]
    return [_Part(cells=cell, weights=cell / cell.sum(), slopes=np.zeros(len(groups))) for cell in cells]


def influence_covariance(influence: np.ndarray, *, clusters: np.ndarray | None = None) -> np.ndarray:
    """Covariance of estimates from their influence functions, summed within clusters.

    Parameters
    ----------
    influence : float array, shape (n, m)
        Influence functions.
    clusters : int array, shape (n,), optional
        Cluster codes 0, 1, ...; units are independent without them.

    Returns
    -------
    float array, shape (m, m)
    """
    n = len(influence)
    if clusters is None:
        return influence.T @ influence / n**2
    summed = sum_clusters(influence, clusters)
    return summed.T @ summed / n**2


def simultaneous_critical(covariance: np.ndarray, *, level: float, draws: int = 20_000, seed: int = 0, df: float = np.inf) -> float:
    """Multiplier of the standard errors that makes a band hold for all estimates at once.

    The quantile of the largest of correlated normal (or t) values, by simulation
    (Montiel Olea and Plagborg-Moller 2019, Journal of Applied Econometrics 34). NaN without degrees of freedom.
    """
    scale = np.sqrt(np.diag(covariance))
    live = scale > 0
    if not live.any() or df <= 0:
        return np.nan
    correlation = covariance[np.ix_(live, live)] / np.outer(scale[live], scale[live])
    values, vectors = np.linalg.eigh(correlation)
    random = np.random.default_rng(seed)
    noise = random.standard_normal((draws, int(live.sum()))) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    if np.isfinite(df):
        noise /= np.sqrt(random.chisquare(df, (draws, 1)) / df)
    return float(np.quantile(np.abs(noise).max(axis=1), level))
