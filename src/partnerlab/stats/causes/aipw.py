"""Effects of a treatment on rows that look alike: weighting, outcome regression, and both at once.

Average effect on the treated (ATT), on all (ATE) or on the overlap (ATO). Augmented inverse probability weighting:
Robins, Rotnitzky and Zhao (1994), Journal of the American Statistical Association 89; cross-fitting:
Chernozhukov et al. (2018), Econometrics Journal 21; overlap weights: Li, Morgan and Zaslavsky (2018), same journal 113.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.causes.propensity import fit_propensity

Target = Literal["att", "ate", "ato"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightedEffect:
    """An effect and what each row contributed to it.

    Parameters
    ----------
    estimate : float
        The effect; NaN where a nuisance model could not be fitted.
    influence : float array, shape (m,)
        Influence of each row, scaled so that ``sqrt(sum(influence ** 2)) / m`` is the standard error.
    propensity : float array, shape (m,)
        Chance of treatment of each row.
    balance : float array, shape (m,)
        Weight of each row in the comparison: treated and untreated rows each sum to one.
    """

    estimate: float
    influence: np.ndarray
    propensity: np.ndarray
    balance: np.ndarray


def balancing_weights(treated: np.ndarray, propensity: np.ndarray, *, target: Target, weight: np.ndarray | None = None) -> np.ndarray:
    """Weights that make treated and untreated rows look like the target's; each side sums to one (Hajek)."""
    e, on = propensity, treated.astype(bool)
    tilt = {"att": e, "ate": np.ones(len(e)), "ato": e * (1.0 - e)}[target]
    raw = tilt * np.where(on, 1.0 / np.maximum(e, 1e-300), 1.0 / np.maximum(1.0 - e, 1e-300))
    raw = raw if weight is None else raw * weight
    return raw / np.where(on, raw[on].sum(), raw[~on].sum())


def weighted_effect(  # noqa: PLR0913 - the estimator's own choices
    outcome: np.ndarray,
    treated: np.ndarray,
    design: np.ndarray,
    *,
    target: Target = "att",
    outcome_design: np.ndarray | None = None,
    folds: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    normalize: bool = False,
    chances_known: bool = False,
) -> WeightedEffect:
    """Estimate an effect by inverse probability weighting, augmented where an outcome design is given.

    Parameters
    ----------
    outcome : float array, shape (m,)
        Outcome.
    treated : bool array, shape (m,)
        Treatment.
    design : float array, shape (m, k)
        For the chance of treatment, with its intercept.
    target : {"att", "ate", "ato"}
        Whose effect.
    outcome_design : float array, shape (m, q), optional
        For the outcome by least squares among the untreated (and, for "ate", the treated), with its intercept.
        Without it the estimate is weighting alone.
    folds : int array, shape (m,), optional
        Cross-fitting: a row's nuisance values come from the rows of the other folds. Keep clusters whole.
    weight : float array, shape (m,), optional
        Sampling or censoring weights.
    normalize : bool
        Let the weights of the augmentation sum to their number (Hajek): steadier where few rows carry much weight.
    chances_known : bool
        For weighting alone: leave the error of the fitted chances out, as survey software does. It is wider for the
        treated's effect. Cross-fitted chances always count as known.

    Returns
    -------
    WeightedEffect
    """
    n, on = len(outcome), treated.astype(bool)
    weight = np.ones(n) if weight is None else weight / weight.mean()
    missing = WeightedEffect(estimate=np.nan, influence=np.full(n, np.nan), propensity=np.full(n, np.nan), balance=np.full(n, np.nan))
    if not on.any() or on.all():
        return missing
    fitted = _fit_nuisances(outcome, on, design, outcome_design, folds, weight, target)
    if fitted is None:
        return missing
    chance, logit_influence, without, with_ = fitted
    balance = balancing_weights(on, chance, target=target, weight=weight)
    if outcome_design is None:
        estimate, influence = _weighting_score(outcome, on, design, chance, balance, None if chances_known else logit_influence, target)
    else:
        estimate, influence = _augmented_score(outcome, on, chance, without, with_, weight, target, normalize=normalize)
    return WeightedEffect(estimate=estimate, influence=influence, propensity=chance, balance=balance)


def _fit_nuisances(outcome, on, design, outcome_design, folds, weight, target):
    """Chance of treatment and outcomes without and with it of every row, each from the other folds where there are folds."""
    n = len(outcome)
    chance, without, with_ = np.full(n, np.nan), np.zeros(n), np.zeros(n)
    logit_influence = None
    for fold in [None] if folds is None else np.unique(folds):
        inside = np.ones(n, dtype=bool) if fold is None else folds == fold
        learn = inside if fold is None else ~inside
        logit = fit_propensity(on[learn], design[learn], weight[learn])
        if logit is None:
            return None
        chance[inside] = logit.predict(design[inside])
        logit_influence = logit.influence if fold is None else None
        if outcome_design is not None:
            without[inside] = _predict_line(outcome, learn & ~on, outcome_design, inside, weight)
            if target == "ate":
                with_[inside] = _predict_line(outcome, learn & on, outcome_design, inside, weight)
    return chance, logit_influence, without, with_


def _predict_line(outcome, learn, design, inside, weight):
    root = np.sqrt(weight[learn])
    beta = np.linalg.lstsq(design[learn] * root[:, None], outcome[learn] * root, rcond=None)[0]
    return design[inside] @ beta


def _weighting_score(outcome, on, design, chance, balance, logit_influence, target):
    """Difference of weighted means; each row's share, and what fitting the chances takes away or adds."""
    n = len(outcome)
    after, before = balance[on] @ outcome[on], balance[~on] @ outcome[~on]
    rest = np.where(on, outcome - after, -(outcome - before))
    influence = n * balance * rest
    if logit_influence is not None:
        slope = {
            "att": np.where(on, 0.0, 1.0),
            "ate": np.where(on, -(1.0 - chance), chance),
            "ato": np.where(on, -chance, 1.0 - chance),
        }[target]
        influence = influence + logit_influence @ ((balance * rest * slope)[:, None] * design).sum(axis=0)
    return float(after - before), influence


def _augmented_score(outcome, on, chance, without, with_, weight, target, *, normalize):  # noqa: PLR0913 - parts of one formula
    """Mean of the outcome model's difference plus the weighted rests of both sides; each row's share."""
    n = len(outcome)
    if target == "ato":
        normalize = True  # the tilt has no other natural scale
    tilt = weight * {"att": chance, "ate": np.ones(n), "ato": chance * (1.0 - chance)}[target]
    whole = weight * on if target == "att" else tilt
    total = whole.sum()
    own = whole * on if target == "att" else np.where(on, tilt / np.maximum(chance, 1e-12), 0.0)
    other = np.where(on, 0.0, tilt / np.maximum(1.0 - chance, 1e-12))
    if normalize:
        own, other = own * (total / own.sum()), other * (total / other.sum())
    above = with_ if target == "ate" else without
    part = (weight * (with_ - without) if target == "ate" else 0.0) + own * (outcome - above) - other * (outcome - without)
    estimate = part.sum() / total
    return float(estimate), n * (part - whole * estimate) / total
