"""The difference between two arms as the design made them: blocks, pairs, clusters, adjusted for what was known before.

Adjustment: Deng, Xu, Kohavi and Walker (2013), WSDM; Lin (2013), Annals of Applied Statistics 7. Blocks: Imbens and Rubin
(2015), Causal Inference, chapters 9 and 10. Small clusters: see `stats.regressions.linear`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np

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
    """

    estimate: float
    std_error: float
    df: float
    method: str


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
    treated = arms.treated
    covariates = None if adjustment == "none" else _moving(arms.covariates)
    if arms.stratum is None and arms.cluster is None and covariates is None:
        return _welch(outcome, treated)
    things = np.arange(len(outcome)) if arms.cluster is None else arms.cluster
    pairs = arms.stratum is not None and covariates is None and _least_things(treated, arms.stratum, things) == 1
    if pairs and _whole(treated, things):
        return _paired(outcome, treated, arms.stratum, clusters=arms.cluster is not None)
    design = arm_design(arms, adjustment=adjustment)
    line = fit_line(outcome, design)
    if line is None or len(outcome) <= design.shape[1]:
        return ArmDifference(estimate=math.nan, std_error=math.nan, df=math.nan, method="blocks and covariates repeat one another")
    said = [] if arms.stratum is None else ["within blocks"]
    said += [] if covariates is None else [f"adjusted ({'slopes by arm' if adjustment == 'interacted' else 'one slope'})"]
    if arms.cluster is None:
        error, df = _independent_error(line)
        return ArmDifference(estimate=float(line.coefficients[1]), std_error=error, df=df, method=", ".join([*said, "HC2"]))
    contrast = np.eye(design.shape[1])[1]
    error = math.sqrt(clustered_covariance(line, arms.cluster)[1, 1])
    df = satterthwaite_df(line, arms.cluster, contrast=contrast)
    return ArmDifference(estimate=float(line.coefficients[1]), std_error=error, df=df, method=", ".join([*said, "CR2 by cluster"]))


def arm_design(arms: Arms, *, adjustment: Adjustment = "interacted") -> np.ndarray:
    """Columns of the least squares behind a difference: constant, arm, blocks, what was known, and how the arm changes those."""
    covariates = None if adjustment == "none" else _moving(arms.covariates)
    things = np.arange(len(arms.treated)) if arms.cluster is None else arms.cluster
    columns, crossed = [np.ones(len(arms.treated)), arms.treated.astype(float)], []
    if arms.stratum is not None:
        dummies = _dummies(arms.stratum)
        columns.append(dummies)
        crossed += [dummies] if _least_things(arms.treated, arms.stratum, things) > 1 else []
    if covariates is not None:
        centred = covariates - covariates.mean(axis=0)
        columns.append(centred)
        crossed += [centred] if adjustment == "interacted" else []
    return np.column_stack([*columns, *(block * arms.treated[:, None] for block in crossed)])


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


def _moving(covariates: np.ndarray | None) -> np.ndarray | None:
    if covariates is None or covariates.shape[1] == 0:
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


def _least_things(treated: np.ndarray, stratum: np.ndarray | None, things: np.ndarray) -> int:
    """Fewest things randomised (units or clusters) that any arm has in any block."""
    block = np.zeros(len(treated), dtype=np.int64) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    cell = block * 2 + treated
    seen = np.unique(np.column_stack([cell, np.unique(things, return_inverse=True)[1]]), axis=0)[:, 0]
    return int(np.bincount(seen, minlength=2 * (int(block.max()) + 1)).min())


def _welch(outcome: np.ndarray, treated: np.ndarray) -> ArmDifference:
    first, second = outcome[treated], outcome[~treated]
    estimate = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return ArmDifference(estimate=estimate, std_error=math.nan, df=math.nan, method="difference of means")
    own = first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)
    total = sum(own)
    df = total**2 / (own[0] ** 2 / (len(first) - 1) + own[1] ** 2 / (len(second) - 1)) if total > 0 else math.nan
    return ArmDifference(estimate=estimate, std_error=math.sqrt(total), df=float(df), method="difference of means, Welch")


def _paired(outcome: np.ndarray, treated: np.ndarray, stratum: np.ndarray, *, clusters: bool) -> ArmDifference:
    """Mean of the blocks' differences weighted by size, its error from how they differ.

    Pairs of clusters: how weighted differences differ (Imai, King and Nall 2009, Statistical Science 24, section 4), which holds
    where sizes are as much by chance as outcomes are.
    """
    code = np.unique(stratum, return_inverse=True)[1]
    size, on = np.bincount(code), np.bincount(code, weights=treated)
    both = (on > 0) & (on < size)
    gap = np.bincount(code, weights=outcome * treated)[both] / on[both]
    gap = gap - np.bincount(code, weights=outcome * ~treated)[both] / (size - on)[both]
    weight, pairs = size[both] / size[both].sum(), int(both.sum())
    estimate = float(weight @ gap) if pairs else math.nan
    if pairs < 2:
        return ArmDifference(estimate=estimate, std_error=math.nan, df=math.nan, method="differences of pairs")
    apart = weight * gap - estimate / pairs if clusters else weight * (gap - estimate)
    variance = pairs / (pairs - 1) * float((apart**2).sum())
    return ArmDifference(estimate=estimate, std_error=math.sqrt(variance), df=pairs - 1.0, method="differences of pairs")


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
