"""Coefficients as people read them: intervals, ratios, p-values, effects in probability, and what has to be said beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import special

from partnerlab.errors import ParameterError, nearest
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.inference.sandwich import FEW_CLUSTERS
from partnerlab.stats.regressions.designs import move_column
from partnerlab.stats.regressions.newton import RUN_OFF
from partnerlab.stats.regressions.regression import Model, mean_effect

Covariance = Literal["auto", "cluster", "jackknife", "model"]
Correction = Literal["HC0", "HC1"]

#: Moves (endings) behind each coefficient below which estimates lean on few.
EVENTS_PER_TERM = 5


def choose_covariance(asked: str, clusters: int | None, *, correction: str = "HC0") -> str:
    """Pick the covariance: clustered by partner, the jackknife for few partners, the model's own where none are known.

    Raises
    ------
    ParameterError
        If there is no such covariance or correction.

    Examples
    --------
    >>> choose_covariance("auto", 400), choose_covariance("auto", 12), choose_covariance("auto", None)
    ('cluster', 'jackknife', 'model')
    """
    known = ("auto", "cluster", "jackknife", "model")
    if asked not in known:
        raise ParameterError(f"covariance is {asked!r}{nearest(str(asked), known)}")
    if correction not in ("HC0", "HC1"):
        raise ParameterError(f"correction is {correction!r}; give 'HC0' or 'HC1'")
    if clusters is None:
        if asked in ("cluster", "jackknife"):
            raise ParameterError(f"covariance={asked!r} needs to know which partner each row is of; give partners, or covariance='model'")
        return "model"
    if asked != "auto":
        return asked
    return "jackknife" if clusters < FEW_CLUSTERS else "cluster"


def say_covariance(kind: str, clusters: int | None, *, correction: str = "HC0", by: str = "partner") -> str:
    """Say in a sentence how standard errors were made.

    Examples
    --------
    >>> say_covariance("cluster", 60, by="center")
    'Standard errors are clustered by center (sandwich over 60 of them).'
    """
    them = "partners" if by == "partner" else f"values of {by}"
    if kind == "model":
        return "Standard errors are the model's own: rows count as independent."
    if kind == "jackknife":
        few = f", as {clusters} are fewer than {FEW_CLUSTERS}" if clusters is not None and clusters < FEW_CLUSTERS else ""
        return f"Standard errors leave out one of {clusters} {them} at a time (jackknife, Student's t){few}."
    factor = ", HC1" if correction == "HC1" else ""
    return f"Standard errors are clustered by {by} (sandwich over {clusters} {'partners' if by == 'partner' else 'of them'}{factor})."


def freedom(kind: str, clusters: int | None) -> float | None:
    """Degrees of freedom of intervals: clusters less one for the jackknife, else the normal."""
    return float(clusters - 1) if kind == "jackknife" and clusters is not None else None


def wald_columns(
    estimate: np.ndarray, std_error: np.ndarray, n: np.ndarray | int, *, level: float, df: float | None = None, ratio: bool = True
) -> dict[str, np.ndarray]:
    """Columns of a result: ``estimate, std_error, conf_low, conf_high, n``, ratios where asked, ``p_value``.

    Examples
    --------
    >>> found = wald_columns(np.array([0.0]), np.array([1.0]), 10, level=0.95)
    >>> float(found["ratio"][0]), float(found["p_value"][0])
    (1.0, 1.0)
    """
    reach = float(critical_value(level, df)) * std_error
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        score = np.abs(estimate) / std_error
        p_value = 2.0 * (special.ndtr(-score) if df is None else special.stdtr(df, -score))
        columns = {"estimate": estimate, "std_error": std_error, "conf_low": estimate - reach, "conf_high": estimate + reach}
        columns["n"] = np.broadcast_to(np.asarray(n, dtype=np.int64), np.shape(estimate)).copy()
        if ratio:
            columns |= ratio_columns(estimate, columns["conf_low"], columns["conf_high"])
    return columns | {"p_value": p_value}


def ratio_columns(estimate: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of what is multiplied, where coefficients and their intervals are logarithms.

    Examples
    --------
    >>> {name: float(column) for name, column in ratio_columns(0.0, -np.inf, np.log(2)).items()}
    {'ratio': 1.0, 'ratio_low': 0.0, 'ratio_high': 2.0}
    """
    return {"ratio": np.exp(estimate), "ratio_low": np.exp(low), "ratio_high": np.exp(high)}


def without_information(covariance: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Which standardised coefficients the data say nothing about, though numbers come out, shape ``(p,)``.

    Their residuals are all nothing, so that clusters report certainty, or the model's own error is past all bounds.

    Examples
    --------
    >>> without_information(np.diag([1e-33, 0.5]), np.diag([0.2, 0.4])).tolist()
    [True, False]
    """
    own, theirs = np.diag(covariance), np.diag(model)
    return (own <= 1e-12 * theirs) | (theirs >= RUN_OFF**2)


def root_diagonal(covariance: np.ndarray) -> np.ndarray:
    """Take standard errors from a covariance."""
    return np.sqrt(np.maximum(np.diag(covariance), 0.0))


def spread_out(values: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Put estimated coefficients in their places among all, NaN where a column was left out.

    Examples
    --------
    >>> spread_out(np.array([1.0]), np.array([False, True])).tolist()
    [nan, 1.0]
    """
    found = np.full(len(keep), np.nan)
    found[keep] = values
    return found


def marginal_effects(model: Model, beta: np.ndarray, covariance: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Average marginal effects on each outcome's probability, with delta-method standard errors.

    Numbers are moved by a small step and the effect is of one unit; 0/1 and levels by a whole step.

    Returns
    -------
    terms : list of str
    effect, std_error : ndarray, shape (terms, K)
    """
    columns = model.design.columns
    terms, effects, errors = [], [], []
    for place, column in enumerate(columns):
        pairs, step = move_column(column)
        for term, ahead, behind in pairs:
            sides = [(*columns[:place], moved, *columns[place + 1 :]) for moved in (ahead, behind)]
            effect, slope = mean_effect(model, beta, *sides)
            variance = np.einsum("kp,pq,kq->k", slope, covariance, slope)
            terms.append(term)
            effects.append(effect / step)
            errors.append(np.sqrt(np.maximum(variance, 0.0)) / step)
    shape = (len(terms), model.family.outcomes)
    return terms, np.array(effects).reshape(shape), np.array(errors).reshape(shape)


def say_separation(terms: Sequence[str]) -> str:
    """Say that covariates predict perfectly and what was done."""
    named = ", ".join(terms[:4]) + (f" and {len(terms) - 4} more" if len(terms) > 4 else "")
    return (
        f"{named}: the data predict perfectly here, so the estimate runs off without end; all coefficients are penalised "
        "(Firth: Jeffreys' prior), which keeps them finite and pulls them a little towards none; standard errors here are at least "
        "the model's own."
    )


def chance_interval(chance: np.ndarray, std_error: np.ndarray, *, level: float, df: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a probability that stays between 0 and 1: made on the logit scale by the delta method.

    Examples
    --------
    >>> [round(float(edge), 3) for edge in chance_interval(0.1, 0.05, level=0.95)]
    [0.036, 0.248]
    """
    inside = np.clip(chance, 1e-12, 1 - 1e-12)
    reach = float(critical_value(level, df)) * std_error / (inside * (1.0 - inside))
    middle = special.logit(inside)
    return special.expit(middle - reach), special.expit(middle + reach)
