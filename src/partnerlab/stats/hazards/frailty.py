"""Do partners differ more than their covariates say: a score test for a frailty shared by a partner's periods."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from partnerlab.stats.regressions.newton import Optimum
from partnerlab.stats.regressions.regression import Model


class FrailtyTest(NamedTuple):
    """Score test of no differences between partners beyond the covariates, one-sided.

    ``variance`` is a first step towards the variance of a partner's log hazard (log odds), at least 0.
    """

    statistic: float
    p_value: float
    variance: float


def frailty_test(model: Model, best: Optimum) -> FrailtyTest:
    """Test a binomial model for a random intercept by partner (Liang 1987; Commenges and Jacqmin-Gadda 1997).

    Each partner contributes half of the square of its summed residuals less its information; the sum is scaled by its
    spread over partners after the part that the coefficients can absorb is taken out. Nothing is fitted anew.

    Parameters
    ----------
    model, best
        A fitted model with a `Binomial` family and clusters.

    Examples
    --------
    >>> from partnerlab.stats.regressions.glm import Binomial
    >>> from partnerlab.stats.regressions.regression import OutcomeRows, make_model
    >>> partner = np.repeat(np.arange(40), 6)
    >>> rows = OutcomeRows(columns=(), outcome=(partner % 2).astype(np.int64), cluster=partner)
    >>> model = make_model(rows, Binomial())
    >>> frailty_test(model, model.fit()[0]).p_value < 0.001
    True
    """
    rows = model.rows
    totals = model.cluster_scores(best.beta)
    unit = model.family.working_weights(model.design.lay_out(), best.beta)
    weight = unit if model.code is None else unit[model.code]
    held = np.bincount(rows.cluster, weights=weight if rows.weight is None else weight * rows.weight, minlength=len(totals))
    parts = 0.5 * (totals[:, 0] ** 2 - held)
    absorbed, *_ = np.linalg.lstsq(totals, parts, rcond=None)
    rest = parts - totals @ absorbed
    spread = float(np.sqrt((rest**2).sum()))
    total = float(parts.sum())
    statistic = total / spread if spread > 0 else 0.0
    return FrailtyTest(statistic, float(special.ndtr(-statistic)), max(total / max(float(0.5 * (held**2).sum()), 1e-300), 0.0))
