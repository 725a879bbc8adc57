"""Tests of equal hazards on risk sets: the log-rank family, within strata, for a trend, with a clustered variance."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.curves.risksets import Spans, kaplan_meier

#: Named weights of the family; a pair (rho, gamma) gives those of Fleming and Harrington.
WEIGHTS = ("log-rank", "gehan", "tarone-ware", "peto")

Weights = str | tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogRank:
    """Outcome of a log-rank test: who ended, who was expected to, and how surprising the gap is.

    Parameters
    ----------
    statistic : float
        Quadratic form, chi-squared on ``df`` when the groups share one hazard.
    df : int
        Groups that were ever at risk, less one; 1 for a trend.
    p_value : float
        Upper tail.
    observed, expected : ndarray, shape (g,)
        Endings seen, and expected under one common hazard (weighted).
    variance : ndarray, shape (g, g)
        Covariance of ``observed - expected``.
    """

    statistic: float
    df: int
    p_value: float
    observed: np.ndarray
    expected: np.ndarray
    variance: np.ndarray


def log_rank(
    at_risk: np.ndarray,
    events: np.ndarray,
    *,
    weights: Weights = "log-rank",
    variance: np.ndarray | None = None,
    trend: np.ndarray | None = None,
) -> LogRank:
    """Compare hazards of g groups on common times; delayed entry enters through the risk sets.

    Mantel (1966), Cancer Chemotherapy Reports 50; with scores for a trend Tarone (1975),
    doi:10.1093/biomet/62.3.679.

    Parameters
    ----------
    at_risk, events : ndarray, shape (g, k) or (strata, g, k)
        Counts on common times; strata are summed.
    weights : str or pair of float
        See `log_rank_weights`.
    variance : ndarray, shape (g, g), optional
        Covariance to use instead of the hypergeometric one, for instance one clustered by partner.
    trend : ndarray, shape (g,), optional
        Scores of ordered groups: the test then asks whether hazards rise or fall with them, on 1 df.

    Examples
    --------
    >>> test = log_rank(np.array([[4, 2], [4, 4]]), np.array([[2, 1], [0, 1]]))
    >>> test.observed.tolist(), test.df
    ([3.0, 1.0], 1)
    """
    layers = at_risk.ndim == 3
    n, d = (at_risk, events) if layers else (at_risk[None], events[None])
    observed, expected, own = (sum(parts) for parts in zip(*(_sums(a, b, weights) for a, b in zip(n, d, strict=True)), strict=True))
    covariance = own if variance is None else variance
    gap = observed - expected
    if trend is not None:
        statistic, df = quadratic_form(np.array([trend @ gap]), np.array([[trend @ covariance @ trend]]))
    else:
        live = np.flatnonzero(expected > 0)
        statistic, df = quadratic_form(gap[live[:-1]], covariance[np.ix_(live[:-1], live[:-1])])
    return LogRank(statistic=statistic, df=df, p_value=upper_tail(statistic, df), observed=observed, expected=expected, variance=covariance)


def _sums(n: np.ndarray, d: np.ndarray, weights: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted observed, expected (g,) and hypergeometric covariance (g, g) of one stratum."""
    total, ended = n.sum(axis=0), d.sum(axis=0)
    weight = log_rank_weights(total, ended, weights)
    share = np.divide(n, total, out=np.zeros(n.shape), where=total > 0)
    spread = weight**2 * ended * np.divide(total - ended, total - 1, out=np.zeros(len(total)), where=total > 1)
    covariance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    return (weight * d).sum(axis=1), (weight * share * ended).sum(axis=1), covariance


def log_rank_weights(at_risk: np.ndarray, events: np.ndarray, weights: Weights = "log-rank") -> np.ndarray:
    """Weights of a test on pooled counts, shape ``(k,)``.

    ``"log-rank"`` all times alike; ``"gehan"`` by the number at risk (Gehan 1965, doi:10.1093/biomet/52.1-2.203;
    Breslow 1970); ``"tarone-ware"`` by its root (Tarone and Ware 1977, doi:10.1093/biomet/64.1.156); ``"peto"`` by
    S(t-) (Peto and Peto 1972, doi:10.2307/2344317); a pair (rho, gamma) by S(t-)^rho (1 - S(t-))^gamma (Fleming and
    Harrington 1991, Counting processes and survival analysis, section 7.2).

    Examples
    --------
    >>> log_rank_weights(np.array([4.0, 2.0]), np.array([1.0, 1.0]), (1.0, 0.0)).tolist()
    [1.0, 0.75]
    """
    if weights == "log-rank":
        return np.ones(len(at_risk))
    if weights == "gehan":
        return at_risk.astype(float)
    if weights == "tarone-ware":
        return np.sqrt(at_risk)
    rho, gamma = (1.0, 0.0) if weights == "peto" else weights
    before = np.concatenate([[1.0], np.clip(kaplan_meier(at_risk, events)[:-1], 0.0, 1.0)])
    return before**rho * (1.0 - before) ** gamma


def quadratic_form(gap: np.ndarray, covariance: np.ndarray) -> tuple[float, int]:
    """Statistic x' V^- x, and the rank of V; NaN and 0 where nothing varies."""
    if len(gap) == 0 or not np.any(covariance):
        return float("nan"), 0
    return float(gap @ np.linalg.pinv(covariance, hermitian=True) @ gap), int(np.linalg.matrix_rank(covariance, hermitian=True))


def upper_tail(statistic: float, df: int) -> float:
    """Upper tail of the chi-squared distribution; NaN without degrees of freedom."""
    from scipy.special import gammaincc

    return float(gammaincc(df / 2, statistic / 2)) if df else float("nan")


def log_rank_influence(
    time: np.ndarray, at_risk: np.ndarray, ended: np.ndarray, weight: np.ndarray, spans: Spans, *, group: np.ndarray
) -> np.ndarray:
    """Each spell's part of weighted observed - expected, shape ``(n, g)``.

    The robust score of Lin and Wei (1989), doi:10.1080/01621459.1989.10478874, at no effect; summed within
    partners and squared it gives a log-rank variance that several spells of one partner do not shrink.

    Parameters
    ----------
    time, weight : ndarray, shape (k,)
    at_risk, ended : ndarray, shape (g, k)
    spans : Spans
    group : ndarray of int, shape (n,)
    """
    total, all_ended = at_risk.sum(axis=0), ended.sum(axis=0)
    rate = weight * np.divide(all_ended, total, out=np.zeros(len(time)), where=total > 0)
    share = np.divide(at_risk, total, out=np.zeros(at_risk.shape), where=total > 0)
    enters, leaves, ends = spans.places(time)
    hit = np.where(ends, leaves - 1, 0)
    running = np.concatenate([[0.0], np.cumsum(rate)])
    parts = np.empty((len(enters), len(at_risk)))
    for index, of_group in enumerate(share):
        run = np.concatenate([[0.0], np.cumsum(rate * of_group)])
        mine = (group == index).astype(float)
        own = np.where(ends, weight[hit] * (mine - of_group[hit]), 0.0)
        parts[:, index] = own - mine * (running[leaves] - running[enters]) + run[leaves] - run[enters]
    return parts
