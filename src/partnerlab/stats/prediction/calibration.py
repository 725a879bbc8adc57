"""Do predicted risks come true: pseudo-values that stand in for censored outcomes, and their regression on the prediction."""

from __future__ import annotations

import numpy as np

from partnerlab.stats.curves.clustered_curves import sum_by_cluster
from partnerlab.stats.curves.risksets import CENSORED, Spans, count_risk_sets


def pseudo_values(spans: Spans, t: float, *, of: int = 0, causes: int = 1) -> np.ndarray:
    """Give what each spell adds to the share ended in one way by ``t``, n F(t) - (n - 1) F without it (t): shape ``(n,)``.

    Where nothing is censored by then they are the outcomes themselves, 0 or 1. All are found from running products
    over the distinct times, not by leaving spells out one by one.
    Andersen, Klein and Rosthoj (2003), doi:10.1093/biomet/90.1.15.

    Parameters
    ----------
    spans : Spans
        Spells seen from their start: ``entry`` is 0.
    t : float
        Horizon.
    of, causes : int
        Way of ending; number of ways.

    Examples
    --------
    >>> pseudo_values(Spans(np.zeros(3), np.array([1, 2, 3]), np.array([0, 0, 0])), 2.0).round(6).tolist()
    [1.0, 1.0, 0.0]
    """
    sets = count_risk_sets(spans, causes=causes)
    n, d, all_d = sets.at_risk[0], sets.events[0], sets.ended[0]
    size = len(spans.entry)
    until = int(np.searchsorted(sets.time, t, side="right"))
    share, alive = _curves(n, d[of], all_d)
    less_share, less_alive = _curves(n - 1, d[of], all_d)
    place = np.searchsorted(sets.time, spans.duration, side="left")
    # the spell itself: at its last time one fewer is at risk, and one fewer ends if it ended then
    own, any_end = (spans.cause == of).astype(float), (spans.cause != CENSORED).astype(float)
    at = np.minimum(place, max(len(n) - 1, 0))
    left = n[at] - 1
    rate = np.divide(d[of][at] - own, left, out=np.zeros(size), where=left > 0)
    all_rate = np.divide(all_d[at] - any_end, left, out=np.zeros(size), where=left > 0)
    then_share = less_share[at] + less_alive[at] * rate
    then_alive = less_alive[at] * (1 - all_rate)
    # after it has gone the curve goes on as that of everybody
    further = np.divide(share[until] - share[at + 1], alive[at + 1], out=np.zeros(size), where=alive[at + 1] > 0)
    without = np.where(place < until, then_share + then_alive * further, less_share[until])
    return size * share[until] - (size - 1) * without


def _curves(at_risk: np.ndarray, own: np.ndarray, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share ended in one way and share not ended before each time and after the last, shape ``(k + 1,)``."""
    rate, all_rate = (np.divide(count, at_risk, out=np.zeros(len(at_risk)), where=at_risk > 0) for count in (own, ended))
    alive = np.concatenate([[1.0], np.cumprod(1 - all_rate)])
    return np.concatenate([[0.0], np.cumsum(alive[:-1] * rate)]), alive


#: Links between risk and linear predictor.
LINKS = ("cloglog", "logit")


def link_risk(risk: np.ndarray, link: str) -> np.ndarray:
    """Bring risks to the scale of the link; those at 0 and 1 are moved in by 1e-9.

    Examples
    --------
    >>> link_risk(np.array([0.5]), "logit").tolist()
    [0.0]
    """
    inside = np.clip(risk, 1e-9, 1 - 1e-9)
    return np.log(-np.log1p(-inside)) if link == "cloglog" else np.log(inside) - np.log1p(-inside)


def recalibrate_pseudo(
    outcome: np.ndarray, design: np.ndarray, *, offset: np.ndarray, link: str, cluster: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Regress outcomes or pseudo-values on a prediction; coefficients and their clustered covariance.

    With the cloglog link the working variance is constant, as is usual for pseudo-values (van Geloven et al. 2022,
    doi:10.1136/bmj-2021-069249); with the logit link it is binomial, so that uncensored outcomes give ordinary
    logistic recalibration (Cox 1958, doi:10.1093/biomet/45.3-4.562).

    Parameters
    ----------
    outcome : ndarray, shape (n,)
    design : ndarray, shape (n, p)
    offset : ndarray, shape (n,)
        Part of the linear predictor that is fixed.
    link : {"cloglog", "logit"}
    cluster : ndarray, shape (n,)

    Returns
    -------
    coefficients, covariance : ndarray, shape (p,), (p, p)
        NaN where the equations have no solution.

    Examples
    --------
    >>> outcome, ones = np.array([1.0, 0.0, 0.0, 1.0, 1.0]), np.ones((5, 1))
    >>> coefficient, _ = recalibrate_pseudo(outcome, ones, offset=np.zeros(5), link="logit", cluster=np.arange(5))
    >>> round(float(coefficient[0]), 4)  # log(3 / 2)
    0.4055
    """
    p = design.shape[1]
    coefficients = np.zeros(p)
    nothing = np.full(p, np.nan), np.full((p, p), np.nan)
    for _ in range(100):
        mean, slope, weight = _mean(offset + design @ coefficients, link)
        scores = design * (weight * slope * (outcome - mean))[:, None]
        information = (design * (weight * slope**2)[:, None]).T @ design
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1e12:
            return nothing
        step = np.linalg.solve(information, scores.sum(axis=0))
        # long steps of quasi-likelihood leave the region where the risk moves at all
        coefficients = coefficients + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            summed = sum_by_cluster(scores, cluster)
            bread = np.linalg.inv(information)
            return coefficients, bread @ (summed.T @ summed) @ bread
    return nothing


def _mean(predictor: np.ndarray, link: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, its slope, and the working weight, one for each row."""
    predictor = np.clip(predictor, -30.0, 30.0)
    if link == "cloglog":
        rate = np.exp(np.minimum(predictor, 6.0))
        return -np.expm1(-rate), rate * np.exp(-rate), np.ones(len(rate))
    mean = 1 / (1 + np.exp(-predictor))
    spread = mean * (1 - mean)
    return mean, spread, 1 / spread
