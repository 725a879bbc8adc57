"""Weights for what happened over time: the chance of each choice, and of being seen at all, multiplied along a unit's history.

Stabilised inverse probability weights of marginal structural models: Robins, Hernan and Brumback (2000), Epidemiology 11; Cole
and Hernan (2008), American Journal of Epidemiology 168. That chances are fitted is counted by stacking their estimating equations
with those of the outcome (Lunceford and Davidian 2004, Statistics in Medicine 23, for one step).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from partnerlab.stats.causes.propensity import Propensity, fit_propensity


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """One thing that happened or not, row by row: a treatment, or that a unit was still seen.

    Parameters
    ----------
    happened : bool array, shape (m,)
        Whether it did.
    open : bool array, shape (m,)
        Rows in which both was possible; all others have the factor 1.
    denominator : float array, shape (open, k)
        What it hung on, with an intercept: one row for each open row.
    numerator : float array, shape (open, q), optional
        The part of it that the outcome's model looks at too; without it weights are not stabilised.
    later : bool
        Whether it counts only from the unit's next row on, as being seen again does.
    """

    happened: np.ndarray
    open: np.ndarray
    denominator: np.ndarray
    numerator: np.ndarray | None = None
    later: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Fitted:
    """A fitted chance: its log-factor's sign (+1 numerator, -1 denominator), slopes along histories, influence of the open rows."""

    sign: float
    slopes: np.ndarray
    influence: np.ndarray
    open: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class HistoryWeights:
    """Weights of rows along histories.

    Parameters
    ----------
    weight : float array, shape (m,)
        Product of the factors of all choices up to the row.
    chance : float array, shape (m, c)
        Chance of what happened of each choice, given everything; 1 where it was not open.
    truncated : bool array, shape (m,)
        Rows whose weight was cut to a percentile.
    """

    weight: np.ndarray
    chance: np.ndarray
    truncated: np.ndarray
    fitted: tuple[_Fitted, ...] = dataclasses.field(repr=False, default=())

    def fitting_influence(self, scores: np.ndarray) -> np.ndarray:
        """Give what fitting the chances adds to weighted scores of the outcome's model, by row, shape ``(m, p)``.

        Parameters
        ----------
        scores : float array, shape (m, p)
            Weight times score of each row; 0 in rows that are not in the model.
        """
        added = np.zeros(scores.shape)
        free = np.where(self.truncated[:, None], 0.0, scores)  # a weight at its percentile does not move with the chances
        for part in self.fitted:
            slope = part.sign * (part.slopes.T @ free)
            added[part.open] += part.influence @ slope / max(int(part.open.sum()), 1)
        return added


def history_weights(unit: np.ndarray, choices: Sequence[Choice], *, truncate: float | None = None) -> HistoryWeights | None:
    """Multiply the factors of choices along the rows of each unit.

    Parameters
    ----------
    unit : int array, shape (m,)
        Unit of each row; rows of a unit follow one another in time.
    choices : sequence of Choice
    truncate : float, optional
        Weights below this quantile or above one minus it are cut to it.

    Returns
    -------
    HistoryWeights or None
        None where something separates those it happened to from the others.

    Examples
    --------
    Half of two rows that look alike were treated, so each stands for two.

    >>> treated = np.array([True, False])
    >>> choice = Choice(happened=treated, open=np.ones(2, dtype=bool), denominator=np.ones((2, 1)))
    >>> history_weights(np.array([0, 1]), [choice]).weight.round(6).tolist()
    [2.0, 2.0]
    """
    rows = len(unit)
    log_weight, chances, fitted = np.zeros(rows), np.ones((rows, len(choices))), []
    for place, choice in enumerate(choices):
        for sign, design in ((-1.0, choice.denominator), (1.0, choice.numerator)):
            if design is None or not choice.open.any():
                continue
            model = fit_propensity(choice.happened[choice.open], design, np.ones(len(design)))
            if model is None:
                return None
            chance, slopes, influence = _along(model, design, choice, unit)
            log_weight += sign * _cumulate(np.log(chance)[:, None], unit, later=choice.later)[:, 0]
            fitted.append(_Fitted(sign=sign, slopes=slopes, influence=influence, open=choice.open))
            if sign < 0:
                chances[:, place] = chance
    weight = np.exp(log_weight)
    truncated = np.zeros(rows, dtype=bool)
    if truncate:
        low, high = np.quantile(weight, [truncate, 1.0 - truncate])
        truncated = (weight < low) | (weight > high)
        weight = np.clip(weight, low, high)
    return HistoryWeights(weight=weight, chance=chances, truncated=truncated, fitted=tuple(fitted))


def _along(model: Propensity, design: np.ndarray, choice: Choice, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chance of what happened in each row, the slope of its logarithm along histories, and the open rows' influence on the coefficients."""
    happened, rows = choice.happened[choice.open], len(unit)
    of_it = model.predict(design)
    chance, slope = np.ones(rows), np.zeros((rows, design.shape[1]))
    chance[choice.open] = np.maximum(np.where(happened, of_it, 1.0 - of_it), 1e-300)
    score = (happened - of_it)[:, None] * design
    slope[choice.open] = score
    information = (design * (of_it * (1.0 - of_it))[:, None]).T @ design / len(design)
    return chance, _cumulate(slope, unit, later=choice.later), score @ np.linalg.inv(information)


def _cumulate(values: np.ndarray, unit: np.ndarray, *, later: bool) -> np.ndarray:
    """Sum along the rows of each unit, up to the row itself or to the one before."""
    total = np.cumsum(values, axis=0)
    first = np.r_[True, unit[1:] != unit[:-1]] if len(unit) else np.zeros(0, dtype=bool)
    before = (total - values)[first][np.cumsum(first) - 1] if len(unit) else total
    return total - before - (values if later else 0.0)
