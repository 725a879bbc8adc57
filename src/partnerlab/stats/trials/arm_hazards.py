"""Hazard ratios of several arms by one Cox model, whether they stay the same over time, and the curves' medians.

Cox (1972), Journal of the Royal Statistical Society B 34; proportional hazards: Grambsch and Therneau (1994), Biometrika 81; errors
by cluster: Lin and Wei (1989), Journal of the American Statistical Association 84.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.curves.risksets import CENSORED, Spans, count_risk_sets, curve_quantile, kaplan_meier
from partnerlab.stats.hazards.cox_fit import CoxData, fit_cox_data
from partnerlab.stats.hazards.cox_tests import HazardTest, hazard_tests, slot_clock
from partnerlab.stats.regressions.designs import Column

Errors = Literal["model", "cluster", "jackknife"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmHazards:
    """Log hazard ratios of the arms to the first one.

    Parameters
    ----------
    log_ratio, std_error : float array, shape (v - 1,)
        NaN where an arm had no event, or all of them.
    proportional : HazardTest
        Of ratios that stay the same over time; small p-values say that they do not.
    """

    log_ratio: np.ndarray
    std_error: np.ndarray
    proportional: HazardTest


def arm_hazards(  # noqa: PLR0913 - times, arms, and what they are compared within
    time: np.ndarray,
    event: np.ndarray,
    arm: np.ndarray,
    *,
    arms: int = 2,
    stratum: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    covariates: np.ndarray | None = None,
    errors: Errors = "model",
) -> ArmHazards | None:
    """Compare the hazards of arms by one Cox model; ties as Efron counts them.

    Parameters
    ----------
    time : float array, shape (m,)
        To the event, or to the last look.
    event : bool array, shape (m,)
        Whether it happened.
    arm : int array, shape (m,)
        Codes, the control 0.
    arms : int
        How many there are.
    stratum, cluster : int array, shape (m,), or None
        Each stratum has a hazard of its own; clusters are for errors only.
    covariates : float array, shape (m, p), or None
        Known before.
    errors : {"model", "cluster", "jackknife"}
        As if units were independent; from scores summed by cluster; or by leaving out one cluster after the other.

    Returns
    -------
    ArmHazards or None
        None where nothing happened.

    Examples
    --------
    >>> found = arm_hazards(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, dtype=bool), np.array([0, 1, 0, 1]))
    >>> found.log_ratio.round(3).tolist()
    [-0.941]
    """
    if not event.any():
        return None
    known = () if covariates is None else covariates.T
    columns = (
        Column(name="arm", values=arm, levels=tuple(range(arms))),
        *(Column(name=f"known {place}", values=values) for place, values in enumerate(known)),
    )
    groups = None if cluster is None else np.unique(cluster, return_inverse=True)[1]
    strata = None if stratum is None else np.unique(stratum, return_inverse=True)[1]
    fitted = fit_cox_data(CoxData(columns=columns, exits=time, event=event, stratum=strata, cluster=groups))
    found, error = np.full(arms - 1, np.nan), np.full(arms - 1, np.nan)
    spread = np.sqrt(np.diag(fitted.covariance(kind=errors)))
    mine = [place for place, term in enumerate(fitted.terms) if term.startswith("arm=")]
    for place in mine:
        if fitted.ran_off[place]:
            continue
        code = int(fitted.terms[place].removeprefix("arm=")) - 1
        found[code], error[code] = fitted.best.beta[place] / fitted.scale[place], spread[place] / fitted.scale[place]
    reading = slot_clock(fitted.rows.slots.time, "km", exits=time, event=event)
    test = hazard_tests(fitted.partial, fitted.rows, fitted.best.beta, groups=[np.array(mine, dtype=np.int64)], reading=reading)[0]
    return ArmHazards(log_ratio=found, std_error=error, proportional=test)


def arm_curve(time: np.ndarray, event: np.ndarray, *, at: float) -> tuple[float, float]:
    """Median time (infinite where the curve stays above one half) and the share without the event at a time.

    Examples
    --------
    >>> arm_curve(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, True]), at=2.5)
    (3.0, 0.5)
    """
    sets = count_risk_sets(Spans(np.zeros(len(time)), time, np.where(event, 0, CENSORED)))
    curve = kaplan_meier(sets.at_risk[0], sets.ended[0])
    before = int(np.searchsorted(sets.time, at, side="right"))
    median = float(curve_quantile(sets.time, curve, 0.5))
    return (np.inf if np.isnan(median) else median), float(curve[before - 1]) if before else 1.0
