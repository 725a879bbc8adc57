"""Effects of something that is switched on, or on and off, by a schedule: stepped wedges and crossovers, read period by period.

Generalised least squares with a level for every period and a random level for every cluster (Hussey and Hughes 2007, Contemporary
Clinical Trials 28; levels that fade: Kasza, Hemming and others 2019, Statistical Methods in Medical Research 28). The covariance
is learnt from the data and only weighs; errors are CR2 by cluster, with Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from partnerlab.stats.regressions.linear import clustered_covariance, fit_line, satterthwaite_df
from partnerlab.stats.trials.arm_differences import ArmDifference


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cells:
    """Means of clusters in periods.

    Parameters
    ----------
    mean : float array, shape (clusters, periods)
        NaN where nobody was seen.
    count : float array, shape (clusters, periods)
        Units seen.
    on : float array, shape (clusters, periods)
        Whether (or for which share of the units) it was on; NaN as `mean`.
    within : float
        Variance of units within a cluster and period; NaN where every cluster is one unit.
    """

    mean: np.ndarray
    count: np.ndarray
    on: np.ndarray
    within: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Levels:
    """How clusters differ: variance of their levels, its correlation between neighbouring periods, and the variance of a unit.

    Parameters
    ----------
    between, kept, within : float
        As above; ``kept`` is 1 where every cluster is one unit.
    """

    between: float
    kept: float
    within: float


def make_cells(
    outcome: np.ndarray, cluster: np.ndarray, period: np.ndarray, on: np.ndarray, *, shape: tuple[int, int] | None = None
) -> Cells:
    """Sum rows up to clusters and periods.

    Parameters
    ----------
    outcome, on : float array, shape (m,)
        Complete.
    cluster, period : int array, shape (m,)
        Codes 0, 1, ...
    shape : pair of int, optional
        Clusters and periods there are, where the last ones may have no row.

    Examples
    --------
    >>> cells = make_cells(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), np.array([0, 0, 1]), np.array([0.0, 0.0, 1.0]))
    >>> cells.count.tolist(), float(cells.mean[0, 0]), cells.within
    ([[2.0, 0.0], [0.0, 1.0]], 2.0, 2.0)
    """
    shape = shape or (int(cluster.max()) + 1, int(period.max()) + 1)
    code = cluster * shape[1] + period
    count, total, switched = (
        np.bincount(code, weights=weights, minlength=shape[0] * shape[1]) for weights in (None, outcome, np.asarray(on, dtype=float))
    )
    with np.errstate(invalid="ignore"):
        mean, share = total / count, switched / count
    left = len(outcome) - int((count > 0).sum())
    within = float(((outcome - mean[code]) ** 2).sum() / left) if left else math.nan
    return Cells(mean=mean.reshape(shape), count=count.reshape(shape).astype(float), on=share.reshape(shape), within=within)


def learn_levels(cells: Cells, *, effect: bool = True) -> Levels:
    """Learn the covariance from what least squares leaves, by moments; two rounds, so that the effect (if any) is out of it."""
    levels = Levels(between=0.0, kept=1.0, within=1.0)
    for _ in range(2):
        levels = _moments(cells, _residual(cells, levels, effect=effect))
    return levels


def schedule_scores(cells: Cells) -> np.ndarray:
    """Scores of cells under no effect, float array of shape ``(clusters, periods)``: what each adds to the effect's numerator if on.

    Nothing in them hangs on who was on when, so that schedules may be dealt again over them.

    Examples
    --------
    >>> mean = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> score = schedule_scores(Cells(mean=mean, count=np.ones((3, 2)), on=np.eye(3, 2), within=np.nan))
    >>> score.sum(axis=0).round(9).tolist(), bool(score[0, 0] < 0 < score[2, 0])
    ([0.0, 0.0], True)
    """
    levels = learn_levels(cells, effect=False)
    rest = np.nan_to_num(_residual(cells, levels, effect=False))
    return np.einsum("cpq,cq->cp", np.linalg.inv(_spread(cells, levels)), rest) * (cells.count > 0)


def schedule_difference(cells: Cells, *, levels: Levels | None = None) -> ArmDifference:
    """Effect of being on, over what each period and each cluster are like.

    Parameters
    ----------
    cells : Cells
        As `make_cells` gives them.
    levels : Levels or None
        For the weights; learnt if None.

    Examples
    --------
    >>> wedge = (np.arange(4) > np.arange(3)[:, None]).astype(float)
    >>> mean = 1.0 + 2.0 * wedge + np.arange(4) + np.array([[0.1], [0.0], [-0.1]])
    >>> found = schedule_difference(Cells(mean=mean, count=np.ones((3, 4)), on=wedge, within=np.nan))
    >>> round(found.estimate, 2)
    2.0
    """
    outcome, design, cluster = _weighted(cells, levels or learn_levels(cells))
    line = fit_line(outcome, design)
    unknown = ArmDifference(estimate=math.nan, std_error=math.nan, df=math.nan, method="the schedule does not tell on from off")
    if line is None or len(np.unique(cluster)) < 3:
        return unknown
    pick = np.eye(design.shape[1])[-1]
    variance = float(clustered_covariance(line, cluster)[-1, -1])
    df = satterthwaite_df(line, cluster, contrast=pick)
    return ArmDifference(
        estimate=float(line.coefficients[-1]),
        std_error=math.sqrt(variance),
        df=df,
        method="periods and random clusters (generalised least squares), CR2 by cluster",
    )


def _weighted(cells: Cells, levels: Levels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of cells divided by the root of their covariance, with a column for each period and the last for being on."""
    clusters, periods = cells.mean.shape
    seen = cells.count > 0
    design = np.concatenate([np.broadcast_to(np.eye(periods), (clusters, periods, periods)), np.nan_to_num(cells.on)[:, :, None]], axis=2)
    rows = np.concatenate([np.nan_to_num(cells.mean)[:, :, None], design], axis=2) * seen[:, :, None]
    root = np.linalg.solve(np.linalg.cholesky(_spread(cells, levels)), rows)
    keep = seen.ravel()
    flat = root.reshape(clusters * periods, periods + 2)[keep]
    live = np.concatenate([[True], seen.any(axis=0), [True]])
    return flat[:, 0], flat[:, 1:][:, live[1:]], np.repeat(np.arange(clusters), periods)[keep]


def _spread(cells: Cells, levels: Levels) -> np.ndarray:
    """Covariance of each cluster's cells, shape ``(clusters, periods, periods)``; cells in which nobody was seen stand alone."""
    seen, periods = cells.count > 0, cells.mean.shape[1]
    lag = np.abs(np.subtract.outer(np.arange(periods), np.arange(periods)))
    both = seen[:, :, None] & seen[:, None, :]
    own = np.where(seen, levels.within / np.where(seen, cells.count, 1.0), 1.0)
    return np.where(both, levels.between * levels.kept**lag, 0.0) + own[:, :, None] * np.eye(periods)


def _residual(cells: Cells, levels: Levels, *, effect: bool = True) -> np.ndarray:
    """Take periods and the schedule (or periods alone) out of the cells' means; NaN where nobody was seen."""
    outcome, design, _ = _weighted(cells, levels)
    line = fit_line(outcome, design if effect else design[:, :-1])
    periods = np.flatnonzero((cells.count > 0).any(axis=0))
    level, shift = np.zeros(cells.mean.shape[1]), 0.0
    if line is not None:
        level[periods] = line.coefficients[: len(periods)]
        shift = float(line.coefficients[-1]) if effect else 0.0
    return cells.mean - level - shift * cells.on


def _moments(cells: Cells, rest: np.ndarray) -> Levels:
    seen, filled = cells.count > 0, np.nan_to_num(rest)
    periods = rest.shape[1]

    def product(gap: int) -> float:
        pairs = float((seen[:, gap:] & seen[:, : periods - gap]).sum())
        return float((filled[:, gap:] * filled[:, : periods - gap]).sum()) / pairs if pairs else 0.0

    total = product(0)
    if math.isnan(cells.within):
        between = min(max(np.mean([product(gap) for gap in range(1, periods)]) if periods > 1 else 0.0, 0.0), 0.99 * total)
        return Levels(between=between, kept=1.0, within=max(total - between, 1e-12))
    between = max(total - cells.within * float((seen / np.where(seen, cells.count, 1.0)).sum() / seen.sum()), 0.0)
    kept = min(max(product(1) / between, 0.0), 1.0) if between > 0 and periods > 1 else 1.0
    return Levels(between=between, kept=kept, within=max(cells.within, 1e-12))
