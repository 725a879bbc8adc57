"""The common odds ratio of ordered outcomes between two arms (McCullagh 1980), by the ordinal regression that stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincc

from partnerlab.stats.regressions.designs import Column
from partnerlab.stats.regressions.newton import Optimum
from partnerlab.stats.regressions.ordinal import Cumulative
from partnerlab.stats.regressions.regression import Model, OutcomeRows, make_model


class RatioTest(NamedTuple):
    """Likelihood-ratio test."""

    statistic: float
    df: int
    p_value: float


def tier_odds(
    values: np.ndarray,
    treated: np.ndarray,
    *,
    others: Sequence[Column] = (),
    cluster: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> tuple[float, float]:
    """Log odds ratio of being above any given tier, and its standard error; NaN where outcomes part the arms.

    Parameters
    ----------
    values : int array, shape (m,)
        Codes, lowest 0; unused ones are left out.
    treated : bool array, shape (m,)
        Arm.
    others : sequence of Column
        Strata and what was known before.
    cluster : int array, shape (m,), or None
        For a sandwich error by cluster.
    weight : float array, shape (m,), or None
        How many each row stands for.

    Examples
    --------
    >>> log_odds, error = tier_odds(np.array([0, 0, 1, 0, 1, 1]), np.array([False] * 3 + [True] * 3))
    >>> round(log_odds, 4), round(error, 4)
    (1.3863, 1.7321)
    """
    model, best = _fit(values, (_arm(treated), *others), cluster=cluster, weight=weight)
    kinds = model.family.outcomes
    if kinds < 2 or best is None:
        return float("nan"), float("nan")
    back = model.back
    covariance = back @ model.covariance(best, kind="model" if cluster is None else "cluster") @ back.T
    return float((back @ best.beta)[kinds - 1]), float(np.sqrt(covariance[kinds - 1, kinds - 1]))


def check_tier_odds(
    values: np.ndarray, treated: np.ndarray, *, others: Sequence[Column] = (), weight: np.ndarray | None = None
) -> tuple[RatioTest, RatioTest]:
    """Test whether arms differ at all, and whether one odds ratio holds at every tier; NaN where outcomes part the arms.

    Parameters
    ----------
    values, treated, others, weight
        As in `tier_odds`; units must be independent.

    Returns
    -------
    alike, common : RatioTest
        Against no effect of the arm; against an odds ratio for each threshold (R's ``nominal_test``).

    Examples
    --------
    >>> alike, common = check_tier_odds(np.array([0, 1, 0, 2, 1, 2, 2, 0]), np.arange(8) >= 4)
    >>> round(alike.statistic, 3), common.df
    (0.68, 1)
    """
    columns = (_arm(treated), *others)
    model, best = _fit(values, columns, weight=weight)
    kinds = model.family.outcomes
    unknown = RatioTest(float("nan"), 0, float("nan"))
    if kinds < 2 or best is None:
        return unknown, unknown
    without, loose = _fit(values, others, weight=weight)[1], None
    if kinds > 2:
        width = sum(len(column.terms) for column in columns)
        nominal = tuple(place == 0 for place in range(width))
        loose = _fit(values, columns, weight=weight, nominal=nominal)[1]
    return _compare(best, without, df=1), _compare(loose, best, df=kinds - 2)


def _arm(treated: np.ndarray) -> Column:
    return Column(name="arm", values=treated.astype(float))


def _fit(
    values: np.ndarray,
    columns: Sequence[Column],
    *,
    cluster: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    nominal: tuple[bool, ...] = (),
) -> tuple[Model, Optimum | None]:
    """Fit; no optimum where it runs off."""
    codes = np.unique(values, return_inverse=True)[1]
    groups = None if cluster is None else np.unique(cluster, return_inverse=True)[1]
    rows = OutcomeRows(columns=tuple(columns), outcome=codes, weight=weight, cluster=groups)
    kinds = int(codes.max()) + 1
    model = make_model(rows, Cumulative(outcomes=kinds, nominal=nominal))
    if kinds < 2:
        return model, None
    best, _ = model.fit()
    return model, None if best.penalised or not best.converged else best


def _compare(wide: Optimum | None, narrow: Optimum | None, *, df: int) -> RatioTest:
    if wide is None or narrow is None or df < 1:
        return RatioTest(float("nan"), df, float("nan"))
    statistic = max(2.0 * (wide.loglik - narrow.loglik), 0.0)
    return RatioTest(statistic, df, float(gammaincc(df / 2.0, statistic / 2.0)))
