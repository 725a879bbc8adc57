"""Effects by group and time brought together: by event time, by group, by calendar time, and overall; bands for all at once.

Callaway and Sant'Anna (2021), section 3; the weights are group shares, and their own error is part of the influence function.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.causes.did import GroupTimeEffects
from partnerlab.stats.inference.sandwich import sum_clusters

Kind = Literal["simple", "event", "group", "calendar"]


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
        Its influence function.
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
    effects: GroupTimeEffects, *, kind: Kind, balance: int | None = None, first: int | None = None, last: int | None = None
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

    Returns
    -------
    Aggregate
    """
    known = np.isfinite(effects.att)
    groups = np.unique(effects.group[known])
    share = np.array([(effects.weights * (effects.adopted == group)).mean() for group in groups])
    # cells of a group without any known effect stand beyond the last known one; none of them is averaged
    place = np.minimum(np.searchsorted(groups, effects.group), len(groups) - 1)
    cell_share = share[place] if len(groups) else np.zeros(len(known))
    after = known & (effects.event_time >= 0)
    if kind == "simple":
        att, inside = _average(effects, after, cell_share)
        return _joined(effects, [], [after], [att], [inside], att, inside)
    if kind == "event":
        return _by_event_time(effects, known, cell_share, balance=balance, first=first, last=last)
    if kind == "calendar":
        return _by_calendar(effects, after, cell_share)
    return _by_group(effects, after, groups, share)


def _average(effects: GroupTimeEffects, keep: np.ndarray, share: np.ndarray) -> tuple[float, np.ndarray]:
    """Average of the kept cells by group share, the error of the shares included."""
    weight = share[keep] / share[keep].sum()
    inside = effects.influence[:, keep] @ weight
    return float(effects.att[keep] @ weight), inside + _share_influence(effects, effects.group[keep], share[keep], effects.att[keep])


def _share_influence(effects: GroupTimeEffects, groups: np.ndarray, share: np.ndarray, att: np.ndarray) -> np.ndarray:
    """Give what estimating the group shares adds: the derivative of ``sum(share * att) / sum(share)`` times each unit's share."""
    total = share.sum()
    slope = (att - share @ att / total) / total
    inside = np.zeros(len(effects.adopted))
    for group in np.unique(groups):
        here = groups == group
        inside += (effects.weights * (effects.adopted == group) - share[here][0]) * slope[here].sum()
    return inside


def _by_event_time(effects, known, share, *, balance, first, last) -> Aggregate:
    keep = known.copy()
    if balance is not None:
        keep &= effects.time.max() - effects.group >= balance
        keep &= (effects.event_time <= balance) & (effects.event_time >= -(effects.time.max() - effects.time.min() - balance))
    if first is not None:
        keep &= effects.event_time >= first
    if last is not None:
        keep &= effects.event_time <= last
    at = np.unique(effects.event_time[keep])
    cells = [keep & (effects.event_time == event) for event in at]
    parts = [_average(effects, cell, share) for cell in cells]
    att = np.array([part[0] for part in parts])
    inside = np.column_stack([part[1] for part in parts]) if parts else np.zeros((len(effects.adopted), 0))
    later = at >= 0
    overall = att[later].mean() if later.any() else np.nan
    whole = inside[:, later].mean(axis=1) if later.any() else np.full(len(inside), np.nan)
    return _joined(effects, at, cells, att, [inside[:, j] for j in range(len(at))], overall, whole)


def _by_group(effects, after, groups, share) -> Aggregate:
    kept = [place for place, group in enumerate(groups) if (after & (effects.group == group)).any()]
    groups, share = groups[kept], share[kept]
    cells = [after & (effects.group == group) for group in groups]
    att = np.array([effects.att[cell].mean() for cell in cells])
    inside = [effects.influence[:, cell].mean(axis=1) for cell in cells]
    weight = share / share.sum()
    overall = float(att @ weight) if len(groups) else np.nan
    whole = np.column_stack(inside) @ weight + _share_influence(effects, groups, share, att) if len(groups) else np.array([])
    return _joined(effects, groups, cells, att, inside, overall, whole)


def _by_calendar(effects, after, share) -> Aggregate:
    at = np.unique(effects.time[after])
    cells = [after & (effects.time == time) for time in at]
    parts = [_average(effects, cell, share) for cell in cells]
    att, inside = np.array([part[0] for part in parts]), [part[1] for part in parts]
    return _joined(effects, at, cells, att, inside, att.mean() if len(at) else np.nan, np.mean(inside, axis=0))


def _joined(effects, at, cells, att, inside, overall, whole) -> Aggregate:
    if len(at) == 0:
        return Aggregate(
            at=np.array([], dtype=np.int64), att=np.array([]), influence=np.zeros((len(effects.adopted), 0)),
            overall=float(overall), overall_influence=np.asarray(whole), treated=np.array([effects.treated[cell].sum() for cell in cells]),
        )  # fmt: skip
    return Aggregate(
        at=np.asarray(at, dtype=np.int64),
        att=np.asarray(att, dtype=float),
        influence=np.column_stack(inside),
        overall=float(overall),
        overall_influence=np.asarray(whole),
        treated=np.array([effects.treated[cell].sum() for cell in cells]),
    )


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
    (Montiel Olea and Plagborg-Moller 2019, Journal of Applied Econometrics 34).
    """
    scale = np.sqrt(np.diag(covariance))
    live = scale > 0
    if not live.any():
        return np.nan
    correlation = covariance[np.ix_(live, live)] / np.outer(scale[live], scale[live])
    values, vectors = np.linalg.eigh(correlation)
    random = np.random.default_rng(seed)
    noise = random.standard_normal((draws, int(live.sum()))) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    if np.isfinite(df):
        noise /= np.sqrt(random.chisquare(df, (draws, 1)) / df)
    return float(np.quantile(np.abs(noise).max(axis=1), level))
