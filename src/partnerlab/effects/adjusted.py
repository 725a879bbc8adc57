"""A tactic given once, or not: one row for each partner, those with it against those alike in all that was known before."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.balance import balance_table, likeness_checks
from partnerlab.effects.row_tables import keep_known, read_covariates, read_sides, refuse_own, sides_apart
from partnerlab.effects.sample import TOO_FEW_MANAGERS
from partnerlab.effects.trials import design_of
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.aipw import OutcomeFamily, Target, WeightedEffect, weighted_effect
from partnerlab.stats.causes.standardization import standardized_effect
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import plural

WHOM = {"att": "those that had it (ATT)", "ate": "all (ATE)", "ato": "those who might as well have had it as not (overlap weights)"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdjustedEffects(Result):
    """Effect of a tactic given once; key ``reading``.

    "augmented" is the one that is believed: chance of treatment and outcome both modelled, right if either model is. Beside it
    "weighting" (chances alone), "regression" (outcomes alone, standardised; not for overlap weights) and "unadjusted". ``n`` counts
    rows with the tactic, ``compared`` those without.

    Parameters
    ----------
    balance : DataFrame
        ``known, before, after``: standardised differences of means of what was known, before and after weighting.
    rows : DataFrame
        By the index of the rows given, those used: ``chance`` of the tactic, ``weight`` (each side sums to one), and ``influence``
        on the augmented estimate: the root of its sum of squares is the error where rows are by themselves.
    df : float
        Degrees of freedom of the intervals: rows, or clusters, of the side that has fewer, less one.
    verdict : Verdict
        Grade C unless ``evidence`` says more.
    """

    title: ClassVar[str] = "Effect of a tactic given once"

    balance: pd.DataFrame = dataclasses.field(repr=False)
    rows: pd.DataFrame = dataclasses.field(repr=False)
    df: float
    verdict: Verdict

    def headline(self) -> pd.Series:
        """Give the row of the augmented reading."""
        return self.table.iloc[0]


def estimate_adjusted(  # noqa: PLR0913 - columns have names
    rows: pd.DataFrame,
    *,
    tactic: str,
    outcome: str,
    covariates: Sequence[str] = (),
    outcome_covariates: Sequence[str] | None = None,
    target: Target = "att",
    family: OutcomeFamily = "linear",
    folds: int | str = 5,
    weight: str | None = None,
    cluster: str | None = None,
    normalize: bool = False,
    stakes: Stakes | None = None,
    evidence: Evidence = Evidence.C,
    level: float = 0.95,
    seed: int = 0,
) -> AdjustedEffects:
    """Compare rows with a tactic with rows without it that look alike, by augmented inverse probability weighting.

    Right if, given the covariates, having the tactic was as good as random, and the chances of it or the outcomes are modelled well.
    One row for each partner holds no past in which to see how it was given, so this is an association unless a design says more.

    Parameters
    ----------
    rows : DataFrame
        One row a partner. Rows with something unknown are left out and counted.
    tactic, outcome : str
        Columns: had it or not (True and False, or 1 and 0), and what came after, a number.
    covariates : sequence of str
        Columns known before; words are classes. Squares and products are columns of your own.
    outcome_covariates : sequence of str, optional
        Those that the outcome is modelled by, if others.
    target : {"att", "ate", "ato"}
        Effect on those that had it, on all, or on the overlap.
    family : {"linear", "logit"}
        The outcome by least squares; or, of 0 and 1, by a logit: effects are differences of chances in either case.
    folds : int or str
        Parts for cross-fitting, dealt by lot with clusters whole, or the column that names them; 0 fits all rows at once.
    weight : str, optional
        Column of sampling weights, above 0.
    cluster : str, optional
        Column of who chose for several rows. Errors then have the factor ``G / (G - 1)`` of treated clusters.
    normalize : bool
        Let the weights of the augmentation sum to their number (Hajek).
    stakes : Stakes, optional
        Unit and worth of the outcome; the column's name if None.
    evidence : Evidence
        B only where a design, not liking, gave the tactic.
    level : float
        Coverage of Student's intervals.
    seed : int
        Of the lot that deals folds.

    Returns
    -------
    AdjustedEffects

    Raises
    ------
    MissingTableError
        If a column is not there.
    ParameterError
        If the tactic is not 0 or 1, weights are not above 0, the family does not fit the outcome, or a covariate is the outcome.
    SampleError
        If the outcome never varies, a side has fewer than five rows or, of clusters, three or fewer, or a covariate separates the sides.

    Notes
    -----
    Robins, Rotnitzky and Zhao (1994), Journal of the American Statistical Association 89; Chernozhukov et al. (2018), Econometrics
    Journal 21. "weighting" counts that chances were fitted and "regression" that outcomes were; "augmented" need not.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame({"size": rng.normal(size=800), "tier": rng.choice(["Base", "Gold"], 800)})
    >>> table["trained"] = rng.random(800) < 1 / (1 + np.exp(-table["size"]))
    >>> table["leads"] = 3 * table["trained"] + 2 * table["size"] + (table["tier"] == "Gold") + rng.normal(size=800)
    >>> found = estimate_adjusted(table, tactic="trained", outcome="leads", covariates=["size", "tier"])
    >>> found.table.set_index("reading")["estimate"].round(1).to_dict()
    {'augmented': 2.9, 'weighting': 3.1, 'regression': 2.9, 'unadjusted': 4.5}
    """
    check_level(level)
    refuse_own((*covariates, *(outcome_covariates or ())), (tactic, outcome))
    sample, lost = keep_known(
        rows,
        [tactic, outcome, *covariates, *(outcome_covariates or ()), *([folds] if isinstance(folds, str) else []),
         *([weight] if weight else []), *([cluster] if cluster else [])],
        numbers=[tactic, outcome, *([weight] if weight else [])],
    )  # fmt: skip
    on, y = read_sides(sample, tactic=tactic, outcome=outcome)
    mass = None if weight is None else sample[weight].to_numpy(float)
    _refuse(y, mass, outcome=outcome, weight=weight, family=family, target=target)
    code = pd.factorize(sample[cluster])[0] if cluster else np.arange(len(sample))
    users, others = _users(code, on, tactic=tactic, cluster=cluster)
    df = min(users, others) - 1.0
    known, names = read_covariates(sample, covariates)
    given = known if outcome_covariates is None else read_covariates(sample, outcome_covariates)[0]
    design, lines = design_of(known.copy())[0], design_of(given.copy())[0]
    told = {"target": target, "weight": mass}
    main, crossed = _augmented(y, on, design, lines, _deal(sample, code, folds, seed), told | {"family": family, "normalize": normalize})
    if main is None:
        raise sides_apart(tactic)
    readings = {"augmented": main, "weighting": weighted_effect(y, on, design, **told)}
    if target != "ato":
        readings["regression"] = standardized_effect(y, on, lines, family=family, **told)
    readings["unadjusted"] = weighted_effect(y, on, design[:, :1], **told)
    scale = np.sqrt(users / (users - 1)) if cluster else 1.0
    width = float(critical_value(level, df))
    table = pd.DataFrame([_row(name, found, code, scale, width, on) for name, found in readings.items()])
    balance = balance_table(known, names=names, treated=on, weight=main.balance)
    stakes = stakes or Stakes(unit=outcome, per="row")
    head = table.iloc[0]
    return AdjustedEffects(
        estimand=f"Mean effect of {tactic} on {stakes.unit} per {stakes.per}, on {WHOM[target]}",
        table=table,
        checks=(*likeness_checks(balance, treated=on, weight=main.balance, chance=main.propensity), _fitting(crossed, folds),
                Check("rows kept", lost == 0 or None, f"{lost} of {len(rows)} rows with something unknown left" if lost else "all rows")),
        evidence=evidence,
        level=level,
        balance=balance,
        rows=pd.DataFrame({"chance": main.propensity, "weight": main.balance, "influence": main.influence / len(on)}, index=sample.index),
        df=df,
        verdict=Verdict(
            tactic=tactic, grade=evidence, estimate=head["estimate"], std_error=head["std_error"], df=df, n=int(on.sum()),
            partners=int(on.sum()), managers=int(code.max()) + 1 if cluster else None, stakes=stakes, level=level,
            assumption="nothing that was not known moved both who had it and what came of it",
            overturned_by="a cause of both that is not among the covariates",
        ),
    )  # fmt: skip


def _refuse(y, mass, *, outcome, weight, family, target) -> None:
    if target not in WHOM:
        raise ParameterError(f"target is {target!r}; it is 'att', 'ate' or 'ato'")
    if family not in ("linear", "logit"):
        raise ParameterError(f"family is {family!r}; it is 'linear' or 'logit'")
    odd = int((~np.isin(y, (0, 1))).sum()) if family == "logit" else 0
    if odd:
        raise ParameterError(
            f"rows.{outcome}: {odd} of {len(y)} rows are neither 0 nor 1; a logit needs what happened or not", column=outcome
        )
    low = 0 if mass is None else int((mass <= 0).sum())
    if low:
        raise ParameterError(f"rows.{weight}: {low} of {len(y)} weights are not above 0; drop those rows", column=weight)


def _users(code: np.ndarray, on: np.ndarray, *, tactic: str, cluster: str | None) -> tuple[int, int]:
    """Clusters, or rows, that had the tactic, and those without it."""
    users, others = (len(np.unique(code[side])) for side in (on, ~on))
    for few, did in ((users, "had it"), (others, "had rows without it")):
        if cluster and few <= TOO_FEW_MANAGERS:
            raise SampleError(f"{tactic}: only {plural(few, 'cluster')} of {cluster} {did}; with {TOO_FEW_MANAGERS} or fewer nothing tells "
                              "the tactic from who chose")  # fmt: skip
    return users, others


def _deal(sample: pd.DataFrame, code: np.ndarray, folds: int | str, seed: int) -> np.ndarray | None:
    """Deal clusters to folds by lot; or read the column that names them."""
    if isinstance(folds, str):
        return pd.factorize(sample[folds])[0]
    if folds < 0 or folds == 1:
        raise ParameterError(f"folds is {folds}; give 2 or more parts, or 0 to fit all rows at once")
    return None if folds == 0 else np.random.default_rng(seed).permutation(int(code.max()) + 1)[code] % folds


def _augmented(y, on, design, lines, folds, told) -> tuple[WeightedEffect | None, bool]:
    """Fit with the folds, or without them where they are too small."""
    for parts in (folds, None):
        effect = weighted_effect(y, on, design, outcome_design=lines, folds=parts, **told)
        if np.isfinite(effect.estimate):
            return effect, parts is not None
    return None, False


def _row(reading: str, found, code: np.ndarray, scale: float, width: float, on: np.ndarray) -> dict[str, object]:
    error = scale * float(np.sqrt((np.bincount(code, found.influence) ** 2).sum())) / len(on)
    return {"reading": reading, "estimate": found.estimate, "std_error": error, "conf_low": found.estimate - width * error,
            "conf_high": found.estimate + width * error, "n": int(on.sum()), "compared": int((~on).sum())}  # fmt: skip


def _fitting(crossed: bool, folds: int | str) -> Check:
    if crossed or folds == 0:
        return Check("cross-fitted", True if crossed else None, "expectations come from other parts" if crossed else "not asked for")
    return Check("cross-fitted", False, "parts are too small for it: expectations come from the same rows")
