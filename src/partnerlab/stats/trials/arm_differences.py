"""The difference between two arms as the design made them: blocks, pairs, clusters, adjusted for what was known before.

Adjustment: Deng, Xu, Kohavi and Walker (2013), WSDM; Lin (2013), Annals of Applied Statistics 7. Blocks: Imbens and Rubin
(2015), Causal Inference, chapters 9 and 10; small ones beside large ones: Pashley and Miratrix (2021), Journal of Educational and
Behavioral Statistics 46; one of which is half of all: Fogarty (2018), Biometrika 105. Small clusters: see `stats.regressions.linear`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np

from partnerlab.stats.regressions.designs import independent_columns
from partnerlab.stats.regressions.linear import Line, clustered_covariance, fit_line, satterthwaite_df

Adjustment = Literal["interacted", "common", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmDifference:
    """Difference of treated and control.

    Parameters
    ----------
    estimate, std_error, df : float
        NaN where the arms are too small for an error.
    method : str
        How it was got, in words.
    control : float
        Mean of the control if it had the blocks and what was known before of both arms together.
    """

    estimate: float
    std_error: float
    df: float
    method: str
    control: float = math.nan


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arms:
    """Who is where.

    Parameters
    ----------
    treated : bool array, shape (m,)
        Arm of each unit.
    stratum : int array, shape (m,), or None
        Block of each unit.
    cluster : int array, shape (m,), or None
        Cluster of each unit, for errors.
    covariates : float array, shape (m, p), or None
        Known before the variants were dealt; complete.
    """

    treated: np.ndarray
    stratum: np.ndarray | None = None
    cluster: np.ndarray | None = None
    covariates: np.ndarray | None = None


def arm_difference(outcome: np.ndarray, arms: Arms, *, adjustment: Adjustment = "interacted") -> ArmDifference:
    """Estimate the difference of means, with an error that follows the design.

    Blocks come in with an interaction each, so that the estimate is the mean of their differences weighted by size, and
    errors come from within them; in pairs (one unit or cluster of an arm to a block) errors come from the differences of the pairs.
    Where some blocks are pairs, each sort has its own error. Blocks that lack an arm add nothing.

    Parameters
    ----------
    outcome : float array, shape (m,)
        Complete.
    arms : Arms
        Who is where.
    adjustment : {"interacted", "common", "none"}
        Slopes of covariates by arm (Lin), one for both (CUPED), or no covariates.

    Examples
    --------
    >>> found = arm_difference(np.array([3.0, 5.0, 1.0, 2.0]), Arms(treated=np.array([True, True, False, False])))
    >>> found.estimate, round(found.std_error, 4), round(found.df, 3)
    (2.5, 1.118, 1.471)
    """
    if arms.stratum is not None:
        both = blocks_of_both(arms)
        outcome, arms = outcome[both], (arms if both.all() else take_arms(arms, both))
    treated = arms.treated
    covariates = None if adjustment == "none" else _moving(arms.covariates)
    if arms.stratum is None and arms.cluster is None and covariates is None:
        return _welch(outcome, treated)
    if min(int(treated.sum()), int((~treated).sum())) < 1:
        return ArmDifference(estimate=math.nan, std_error=math.nan, df=math.nan, method="no block has both arms")
    if arms.stratum is not None and covariates is None and _whole(treated, _things(arms)):
        small = _in_small_blocks(arms)
        if small.all():
            return _paired(outcome, treated, arms.stratum, clusters=arms.cluster is not None)
        if len(np.unique(arms.stratum[small])) > 1:
            return _mixed(outcome, arms, small)
    design = arm_design(arms, adjustment=adjustment)
    line = fit_line(outcome, design)
    if line is None or len(outcome) <= design.shape[1]:
        return ArmDifference(estimate=math.nan, std_error=math.nan, df=math.nan, method="blocks and covariates repeat one another")
    level = float(line.coefficients[0])  # columns are centred
    said = [] if arms.stratum is None else ["within blocks" + (", one effect in all" if _in_small_blocks(arms).any() else "")]
    said += [] if covariates is None else [f"adjusted ({'slopes by arm' if adjustment == 'interacted' else 'one slope'})"]
    if arms.cluster is None:
        error, df = _independent_error(line)
        return ArmDifference(estimate=float(line.coefficients[1]), std_error=error, df=df, method=", ".join([*said, "HC2"]), control=level)
    contrast = np.eye(design.shape[1])[1]
    error = math.sqrt(clustered_covariance(line, arms.cluster)[1, 1])
    df = satterthwaite_df(line, arms.cluster, contrast=contrast)
    method = ", ".join([*said, "CR2 by cluster"])
    return ArmDifference(estimate=float(line.coefficients[1]), std_error=error, df=df, method=method, control=level)


def arm_design(arms: Arms, *, adjustment: Adjustment = "interacted") -> np.ndarray:
    """Columns of the least squares behind a difference: constant, arm, blocks, what was known, and how the arm changes those."""
    covariates = None if adjustment == "none" else _moving(arms.covariates)
    columns, crossed = [np.ones(len(arms.treated)), arms.treated.astype(float)], []
    if arms.stratum is not None:
        dummies = _dummies(arms.stratum)
        columns.append(dummies)
        crossed += [] if _in_small_blocks(arms).any() else [dummies]
    if covariates is not None:
        centred = covariates - covariates.mean(axis=0)
        columns.append(centred)
        crossed += [centred] if adjustment == "interacted" else []
    design = np.column_stack([*columns, *(block * arms.treated[:, None] for block in crossed)])
    return design if covariates is None else design[:, not_repeating(design)]


def count_slopes(arms: Arms) -> int:
    """Count the columns known before that say something of their own.

    Examples
    --------
    >>> known = np.array([[1.0, 2.0], [2.0, 4.0], [4.0, 8.0]])
    >>> count_slopes(Arms(treated=np.array([True, False, True]), covariates=known))
    1
    """
    if _moving(arms.covariates) is None:
        return 0
    return arm_design(arms, adjustment="common").shape[1] - arm_design(arms, adjustment="none").shape[1]


def not_repeating(design: np.ndarray) -> np.ndarray:
    """Columns that are no combination of those before them, bool of shape ``(k,)``.

    Examples
    --------
    >>> not_repeating(np.array([[1.0, 2.0, 3.0, 0.0], [1.0, 4.0, 5.0, 0.0], [1.0, 0.0, 1.0, 1.0]])).tolist()
    [True, True, False, True]
    """
    gram = design.T @ design
    return independent_columns(gram, np.diag(gram) > 0)


def mean_by_cluster(outcome: np.ndarray, arms: Arms) -> tuple[np.ndarray, Arms]:
    """Let clusters count alike: their means, and who they are; clusters lie within one arm and one block.

    Examples
    --------
    >>> arms = Arms(treated=np.array([True, True, False]), cluster=np.array([0, 0, 1]))
    >>> mean_by_cluster(np.array([1.0, 3.0, 5.0]), arms)[0].tolist()
    [2.0, 5.0]
    """
    _, first, code = np.unique(arms.cluster, return_index=True, return_inverse=True)
    count = np.bincount(code)
    covariates = arms.covariates
    if covariates is not None:
        covariates = np.column_stack([np.bincount(code, weights=column) / count for column in covariates.T])
    stratum = None if arms.stratum is None else arms.stratum[first]
    return np.bincount(code, weights=outcome) / count, Arms(treated=arms.treated[first], stratum=stratum, covariates=covariates)


def blocks_of_both(arms: Arms) -> np.ndarray:
    """Units in blocks that have both arms, bool of shape ``(m,)``.

    Examples
    --------
    >>> blocks_of_both(Arms(treated=np.array([True, False, True]), stratum=np.array([0, 0, 1]))).tolist()
    [True, True, False]
    """
    if arms.stratum is None:
        return np.ones(len(arms.treated), dtype=bool)
    code = np.unique(arms.stratum, return_inverse=True)[1]
    size, on = np.bincount(code), np.bincount(code, weights=arms.treated)
    return ((on > 0) & (on < size))[code]


def block_weights(arms: Arms) -> np.ndarray | None:
    """Give what each unit counts in its arm, so that both arms have the blocks of both together; 0 in blocks that lack an arm.

    Examples
    --------
    >>> arms = Arms(treated=np.array([True, True, False, True, False]), stratum=np.array([0, 0, 0, 1, 1]))
    >>> block_weights(arms).tolist()
    [1.5, 1.5, 3.0, 2.0, 2.0]
    """
    both = blocks_of_both(arms)
    if arms.stratum is None or not both.any():
        return None
    code = np.unique(arms.stratum, return_inverse=True)[1]
    size, on = np.bincount(code), np.bincount(code, weights=arms.treated)
    return both * (size[code] / np.where(arms.treated, on[code], (size - on)[code]))


def take_arms(arms: Arms, keep: np.ndarray) -> Arms:
    """Keep some of the units, and where those are."""
    rows = (arms.treated, arms.stratum, arms.cluster, arms.covariates)
    treated, stratum, cluster, covariates = (None if values is None else values[keep] for values in rows)
    return Arms(treated=treated, stratum=stratum, cluster=cluster, covariates=covariates)


def _moving(covariates: np.ndarray | None) -> np.ndarray | None:
    if covariates is None or covariates.size == 0:
        return None
    kept = covariates[:, np.ptp(covariates, axis=0) > 0]
    return kept if kept.shape[1] else None


def _dummies(stratum: np.ndarray) -> np.ndarray:
    code = np.unique(stratum, return_inverse=True)[1]
    hot = (code[:, None] == np.arange(1, code.max() + 1)).astype(float)
    return hot - hot.mean(axis=0)


def _whole(treated: np.ndarray, things: np.ndarray) -> bool:
    """Whether no cluster has units in both arms."""
    code = np.unique(things, return_inverse=True)[1]
    share = np.bincount(code, weights=treated) / np.bincount(code)
    return bool(np.isin(share, (0.0, 1.0)).all())


def _things(arms: Arms) -> np.ndarray:
    return np.arange(len(arms.treated)) if arms.cluster is None else arms.cluster


def _in_small_blocks(arms: Arms) -> np.ndarray:
    """Units in blocks in which an arm has fewer than two of the things dealt (units or clusters)."""
    block = np.unique(arms.stratum, return_inverse=True)[1]
    cell = block * 2 + arms.treated
    seen = np.unique(np.column_stack([cell, np.unique(_things(arms), return_inverse=True)[1]]), axis=0)[:, 0]
    return (np.bincount(seen, minlength=2 * (int(block.max()) + 1)).reshape(-1, 2).min(axis=1) < 2)[block]


def _welch(outcome: np.ndarray, treated: np.ndarray) -> ArmDifference:
    first, second = outcome[treated], outcome[~treated]
    estimate, control = float(first.mean() - second.mean()), float(second.mean())
    if min(len(first), len(second)) < 2:
        return ArmDifference(estimate=estimate, std_error=math.nan, df=math.nan, method="difference of means", control=control)
    own = first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)
    total = sum(own)
    df = total**2 / (own[0] ** 2 / (len(first) - 1) + own[1] ** 2 / (len(second) - 1)) if total > 0 else math.nan
    return ArmDifference(estimate=estimate, std_error=math.sqrt(total), df=float(df), method="difference of means, Welch", control=control)


def _paired(outcome: np.ndarray, treated: np.ndarray, stratum: np.ndarray, *, clusters: bool) -> ArmDifference:
    """Mean of the blocks' differences weighted by size, its error from how they differ.

    Pairs of clusters: how weighted differences differ (Imai, King and Nall 2009, Statistical Science 24, section 4), which holds
    where sizes are as much by chance as outcomes are.
    """
    code = np.unique(stratum, return_inverse=True)[1]
    size, on = np.bincount(code), np.bincount(code, weights=treated)
    level = np.bincount(code, weights=outcome * ~treated) / (size - on)
    gap = np.bincount(code, weights=outcome * treated) / on - level
    weight, pairs = size / size.sum(), len(size)
    estimate, control = float(weight @ gap), float(weight @ level)
    method = "differences of pairs"
    if pairs < 2:
        return ArmDifference(estimate=estimate, std_error=math.nan, df=math.nan, method=method, control=control)
    if clusters:
        variance = pairs / (pairs - 1) * float(((weight * gap - estimate / pairs) ** 2).sum())
    else:
        variance = _variance_of_small_blocks(gap, weight)
    return ArmDifference(estimate=estimate, std_error=math.sqrt(variance), df=pairs - 1.0, method=method, control=control)


def _variance_of_small_blocks(gap: np.ndarray, weight: np.ndarray) -> float:
    """Variance of their weighted mean from how differences of blocks differ, whatever their sizes; too large where effects differ."""
    if np.ptp(weight) < 1e-12:
        return float(gap.var(ddof=1)) / len(gap)
    if weight.max() < 0.5:
        part = weight**2 / (1 - 2 * weight)
        return float(part @ (gap - weight @ gap) ** 2) / (1 + float(part.sum()))
    far = weight * gap / np.sqrt(1 - weight**2 / (weight**2).sum())
    return float(far @ far - (weight @ far) ** 2 / (weight @ weight))


def _mixed(outcome: np.ndarray, arms: Arms, small: np.ndarray) -> ArmDifference:
    """Large blocks by themselves, and pairs by themselves: weighted by size, as their errors are."""
    large = arm_difference(outcome[~small], take_arms(arms, ~small), adjustment="none")
    pairs = _paired(outcome[small], arms.treated[small], arms.stratum[small], clusters=arms.cluster is not None)
    share = np.array([1 - small.mean(), small.mean()])
    parts = (share * [large.std_error, pairs.std_error]) ** 2
    total = float(parts.sum())
    return ArmDifference(
        estimate=float(share @ [large.estimate, pairs.estimate]),
        std_error=math.sqrt(total),
        df=float(total**2 / (parts**2 / [large.df, pairs.df]).sum()) if total > 0 else math.nan,
        method=f"{large.method}; beside them differences of pairs",
        control=float(share @ [large.control, pairs.control]),
    )


def _independent_error(line: Line) -> tuple[float, float]:
    """HC2 error of the second coefficient, and its degrees of freedom after Bell and McCaffrey, in one pass over rows."""
    reach = line.design @ line.bread
    rest = np.maximum(1.0 - (reach * line.design).sum(axis=1), 1e-10)
    push = reach[:, 1] / np.sqrt(rest)
    variance = float(((push * line.residual) ** 2).sum())
    across = line.design.T @ (line.design * (push**2)[:, None]) @ line.bread
    hat = 1.0 - rest
    square = (push**4).sum() - 2.0 * (push**4 * hat).sum() + np.trace(across @ across)
    return math.sqrt(variance), float(((push**2).sum() - np.trace(across)) ** 2 / square)
