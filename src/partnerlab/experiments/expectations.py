"""What past quarters let one expect of an experiment's metrics: levels, spreads, how alike partners of a manager are, how much stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from partnerlab.errors import ParameterError, SampleError
from partnerlab.experiments.experiment import Metric
from partnerlab.experiments.outlook import Outlook
from partnerlab.words import plural

if TYPE_CHECKING:
    from partnerlab.panel import Panel

#: Quarters that expectations are taken from, and those that a partner's past is averaged over.
RECENT, PAST = 8, 4
#: Fewest members in a quarter from whom anything is expected.
FEWEST = 20
#: Correlations are cut here: nothing is known for sure beforehand.
MOST = 0.95


def estimate_outlooks(panel: Panel, *, metrics: Sequence[Metric], cluster: np.ndarray | None = None) -> dict[str, Outlook]:
    """Take what is expected of each metric from the last eight quarters of a panel.

    Parameters
    ----------
    panel : Panel
        Up to the quarter before the experiment.
    metrics : sequence of Metric
        Means, shares and counts of the panel's indicators.
    cluster : array of shape ``(n,)``, optional
        Manager of each partner; without it partners are taken as unlike each other.

    Returns
    -------
    dict of str to Outlook
        Counts with their dispersion beyond Poisson (by moments); ``icc`` by analysis of variance within quarters;
        ``kept`` the correlation of neighbouring quarters (of counts: of the rates behind them); ``known`` the correlation
        of a quarter with the mean of the four before it.

    Raises
    ------
    ParameterError
        For metrics of another kind, whose outlook is to be given by hand.
    SampleError
        If there are fewer than 20 members in every quarter, or nothing varies.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.panel import Panel
    >>> random = np.random.default_rng(1)
    >>> rate = np.repeat(random.gamma(2.0, 1.0, 100), 8)
    >>> frame = pd.DataFrame({"partner": np.repeat(np.arange(100), 8).astype(str), "quarter": [f"202{y}Q{q}" for y in (5, 6)
    ...                       for q in (1, 2, 3, 4)] * 100, "leads": random.poisson(rate)})
    >>> expected = estimate_outlooks(Panel.from_frame(frame), metrics=[Metric(name="leads", kind="count")])["leads"]
    >>> 1.5 < expected.level < 2.5, expected.kept > 0.8, expected.known > 0.4
    (True, True, True)
    """
    found = {}
    for metric in metrics:
        if metric.kind not in ("mean", "share", "count"):
            raise ParameterError(f"estimate_outlooks: the outlook of {metric.name} ({metric.kind}) is to be given by hand")
        values = panel.values(metric.name).astype(np.float64)
        if metric.kind == "share":
            values = np.where(np.isnan(values), np.nan, (values > 0).astype(float))
        found[metric.name] = _outlook(metric, values, cluster)
    return found


def _outlook(metric: Metric, values: np.ndarray, cluster: np.ndarray | None) -> Outlook:
    recent = values[:, -RECENT:]
    enough = np.isfinite(recent).sum(axis=0) >= FEWEST
    if not enough.any():
        raise SampleError(f"fewer than {plural(FEWEST, 'partner')} have {metric.name} in any quarter; nothing can be expected of it")
    level = float(np.nanmean(recent[:, enough]))
    variance = float(np.nanmean(np.nanvar(recent[:, enough], axis=0, ddof=1)))
    if not variance > 0:
        raise SampleError(f"{metric.name} is the same for all partners; an experiment on it would show nothing")
    # of counts only the rates behind them stay; chance of counting begins anew each quarter
    lasting = max(variance - level, 0.05 * variance) if metric.kind == "count" else variance
    kept = min(max(_between(recent[:, :-1].ravel(), recent[:, 1:].ravel(), by=lasting), 0.0), MOST)
    known = min(max(_known(values), -MOST), MOST)
    alike = 0.0 if cluster is None else min(max(_alike(recent[:, enough], cluster), 0.0), MOST)
    facts = {"icc": round(alike, 4), "kept": round(kept, 4), "known": round(known, 4)}
    if metric.kind == "count":
        return Outlook(level=level, dispersion=max(variance - level, 0.0) / level**2, **facts)
    return Outlook(level=level, **({} if metric.kind == "share" else {"sd": variance**0.5}), **facts)


def _between(one: np.ndarray, other: np.ndarray, *, by: float) -> float:
    """Covariance of two quarters over a variance."""
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.cov(one[both], other[both])[0, 1] / by) if both.sum() > FEWEST else 0.0


def _known(values: np.ndarray) -> float:
    """Correlation of a quarter with the mean of the year before it, over the last quarters."""
    now, before = [], []
    for column in range(max(values.shape[1] - RECENT, 1), values.shape[1]):
        past = values[:, max(column - PAST, 0) : column]
        seen = np.isfinite(past).sum(axis=1)
        both = (seen > 0) & np.isfinite(values[:, column])
        now.append(values[both, column])
        before.append(np.nansum(past[both], axis=1) / seen[both])
    outcome, past = np.concatenate(now), np.concatenate(before)
    return float(np.corrcoef(outcome, past)[0, 1]) if len(outcome) > FEWEST and outcome.std() > 0 and past.std() > 0 else 0.0


def _alike(recent: np.ndarray, cluster: np.ndarray) -> float:
    """Correlation within clusters by one-way analysis of variance, averaged over quarters (Donner 1986)."""
    code = np.unique(cluster, return_inverse=True)[1]
    found = []
    for column in recent.T:
        seen = np.isfinite(column)
        sizes = np.bincount(code[seen], minlength=code.max() + 1).astype(float)
        used = sizes > 0
        groups, n = int(used.sum()), float(sizes.sum())
        if groups < 2 or n <= groups:
            continue
        means = np.bincount(code[seen], weights=column[seen], minlength=code.max() + 1)[used] / sizes[used]
        between = float((sizes[used] * (means - column[seen].mean()) ** 2).sum()) / (groups - 1)
        within = (float(((column[seen] - column[seen].mean()) ** 2).sum()) - between * (groups - 1)) / (n - groups)
        size = (n - float((sizes**2).sum()) / n) / (groups - 1)
        found.append((between - within) / (between + (size - 1) * within))
    return float(np.mean(found)) if found else 0.0
