"""Whether one thing more tells who is treated, given what is already looked at: a score test on a logit, clustered."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.causes.propensity import fit_propensity, fit_within_groups, row_blocks, sum_weighted, weighted_products


@dataclasses.dataclass(frozen=True, kw_only=True)
class AddedReason:
    """What a further reason would add to the log-odds of treatment.

    Parameters
    ----------
    estimate, std_error : float
        One Newton step from a coefficient of zero, and its clustered error; NaN where it cannot be known.
    p_value : float
        Of no such reason: clustered score against Student's t.
    df : float
        Clusters less one.
    rows : int
        Rows that could tell.
    """

    estimate: float
    std_error: float
    p_value: float
    df: float
    rows: int


def added_reason(treated: np.ndarray, design: np.ndarray, added: np.ndarray, *, clusters: np.ndarray, within: bool = False) -> AddedReason:
    """Test whether a variable tells of treatment beyond a design.

    Parameters
    ----------
    treated : bool array, shape (m,)
    design : float array, shape (m, k)
        With its intercept, or, ``within``, without one; columns that repeat others are to be left out by the caller.
    added : float array, shape (m,)
        The variable tested; it is measured in its own standard deviations.
    clusters : int array, shape (m,)
        Who chose together.
    within : bool
        Compare within clusters: each has an intercept of its own, and holds both treated and untreated rows.

    Examples
    --------
    >>> treated = np.array([True, False, True, False] * 5)
    >>> added_reason(treated, np.ones((20, 1)), np.arange(20.0), clusters=np.arange(20)).p_value > 0.5
    True
    """
    from scipy.stats import t

    code = code_runs(clusters)
    groups = int(code.max()) + 1 if len(code) else 0
    spread = added.std() if len(added) else 0.0
    chance = _chance(treated, design, code if within else None) if groups > 1 and spread > 0 else None
    if chance is None:
        return AddedReason(estimate=np.nan, std_error=np.nan, p_value=np.nan, df=max(groups - 1.0, 0.0), rows=len(treated))
    weight = chance * (1.0 - chance)
    rest = _rest(added / spread, design, weight, code if within else None)
    scores = np.bincount(code, rest * (treated - chance), minlength=groups)
    information = float(weight @ rest**2)
    if not information > 1e-9 * len(treated):
        return AddedReason(estimate=np.nan, std_error=np.nan, p_value=np.nan, df=groups - 1.0, rows=len(treated))
    error = float(np.sqrt((scores**2).sum() * groups / (groups - 1)))
    return AddedReason(
        estimate=float(scores.sum()) / information,
        std_error=error / information,
        p_value=float(2 * t.sf(abs(scores.sum()) / error, groups - 1)) if error > 0 else np.nan,
        df=groups - 1.0,
        rows=len(treated),
    )


def code_runs(clusters: np.ndarray) -> np.ndarray:
    """Codes 0, 1, ... in the order of the clusters' names; rows that are sorted already are only looked through.

    Examples
    --------
    >>> code_runs(np.array([3, 3, 7])).tolist(), code_runs(np.array([7, 3])).tolist()
    ([0, 0, 1], [1, 0])
    """
    if (clusters[1:] < clusters[:-1]).any():
        return np.unique(clusters, return_inverse=True)[1]
    code = np.zeros(len(clusters), dtype=np.int64)
    np.cumsum(clusters[1:] > clusters[:-1], out=code[1:])
    return code


def _chance(treated: np.ndarray, design: np.ndarray, group: np.ndarray | None) -> np.ndarray | None:
    if group is not None:
        return fit_within_groups(treated, design, group)
    logit = fit_propensity(treated, design, np.ones(len(treated)))
    return None if logit is None else logit.predict(design)


def _rest(added: np.ndarray, design: np.ndarray, weight: np.ndarray, group: np.ndarray | None) -> np.ndarray:
    """Take out of a variable what the design, and the groups' own means, say of it, by weighted least squares."""
    pulled = weight * added
    products, pull = weighted_products(design, weight), pulled @ design
    if group is None:
        slopes, level = np.linalg.solve(products, pull), np.zeros(1)
    else:
        total = np.bincount(group, weight)
        mean, sums = np.bincount(group, pulled) / total, sum_weighted(design, weight, group)
        means = sums / total[:, None]
        slopes = np.linalg.solve(products - sums.T @ means, pull - sums.T @ mean)
        level = mean - means @ slopes
    rest = np.empty(len(added))
    for rows in row_blocks(len(added)):
        rest[rows] = added[rows] - design[rows] @ slopes - level[0 if group is None else group[rows]]
    return rest
