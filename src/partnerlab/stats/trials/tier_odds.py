"""The common odds ratio of ordered outcomes between two arms (McCullagh 1980), by the ordinal regression that stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from partnerlab.stats.regressions.designs import Column
from partnerlab.stats.regressions.ordinal import Cumulative
from partnerlab.stats.regressions.regression import OutcomeRows, make_model


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
    codes = np.unique(values, return_inverse=True)[1]
    groups = None if cluster is None else np.unique(cluster, return_inverse=True)[1]
    rows = OutcomeRows(columns=(Column(name="arm", values=treated.astype(float)), *others), outcome=codes, weight=weight, cluster=groups)
    kinds = int(codes.max()) + 1
    if kinds < 2:
        return float("nan"), float("nan")
    model = make_model(rows, Cumulative(outcomes=kinds))
    best, _ = model.fit()
    if best.penalised or not best.converged:
        return float("nan"), float("nan")
    back = model.back
    covariance = back @ model.covariance(best, kind="model" if cluster is None else "cluster") @ back.T
    return float((back @ best.beta)[kinds - 1]), float(np.sqrt(covariance[kinds - 1, kinds - 1]))
