"""Tactics that go on and off: in every quarter partners with the tactic against partners alike in all that was known before."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.balance import balance_table, likeness_checks, worth
from partnerlab.effects.sample import Cluster, Clusters, clusters_of, enough_check, moved_check, study_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.trials import Trials, design_of, stack_trials
from partnerlab.errors import SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.aipw import WeightedEffect, weighted_effect
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.words import plural, say_number

#: Parts that clusters are dealt to: each row's expectations come from the other parts.
FOLDS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class OnOffEffects(Result):
    """Effects of having a tactic in a quarter; keys ``group`` ("all", then tiers before treatment) and ``at``, quarters after it.

    Parameters
    ----------
    balance : DataFrame
        ``known, before, after``: standardised differences of means of what was known, before and after weighting.
    influence : float array, shape (n,)
        Influence of each partner of the panel on the headline; summed by cluster, its sum of squares is the squared error
        (but for the factor ``G / (G - 1)``).
    df : float
        Degrees of freedom of the headline's interval.
    partners, managers : int
        Treated partners, and clusters if managers are they (else None).
    untreated : float
        Untreated rows that the comparison is worth (Kish).
    either_way : bool
        Whether estimates are the middle of two readings, and intervals hold both; see `estimate_on_off`.
    """

    title: ClassVar[str] = "Effect of a tactic that goes on and off"

    balance: pd.DataFrame = dataclasses.field(repr=False)
    influence: np.ndarray = dataclasses.field(repr=False)
    df: float
    partners: int
    managers: int | None
    untreated: float
    either_way: bool = False

    def headline(self) -> pd.Series:
        """Give the row of all partners at the study's horizon."""
        rows = self.table[self.table["group"] == "all"]
        return rows.iloc[-1]


def estimate_on_off(
    panel: TacticPanel,
    *,
    study: TacticStudy | None = None,
    cluster: Cluster | None = None,
    by_tier: bool = True,
    either_way: bool = False,
    level: float = 0.95,
) -> OnOffEffects:
    """Estimate what having a tactic in a quarter did, by stacked target trials.

    Every quarter is a trial of the partners that were eligible when it began. Those with the tactic are compared with those
    without by augmented inverse probability weighting on the last outcome, the mean of all earlier ones, earlier treatment,
    covariates, tier, region and quarter, each partner's expectations coming from other managers' partners
    (Hernan and Robins 2016; Chernozhukov et al. 2018). Right if, given these, treatment was as good as random.

    Parameters
    ----------
    panel : TacticPanel
        Its ``others``, tactics that ran beside, are adjusted for in the quarter and the one before.
    study : TacticStudy, optional
        Eligibility, horizon, covariates.
    cluster : {"manager", "partner"}, optional
        Managers if the panel knows them. Intervals are Student's; the side with fewer clusters, less one, gives degrees of freedom.
    by_tier : bool
        Also fit each tier before treatment by itself; these are unpooled.
    either_way : bool
        Also read the change since the last result, which then is not held fixed, among partners alike in all else. Where managers see
        more of how partners stand than results tell, the first reading leaves it in, and the change takes what fades of it for an
        effect of the other sign: the truth lies between (Ding and Li 2019, Political Analysis 27). The interval holds those of both,
        the estimate is its middle and the standard error what makes it so wide.
    level : float
        Coverage.

    Returns
    -------
    OnOffEffects

    Raises
    ------
    SampleError
        If nobody can be compared, something that was known separates treated from untreated, or three managers or fewer used
        the tactic.

    Examples
    --------
    >>> from partnerlab.intake.simulate import simulate_world
    >>> panel = TacticPanel.from_frame(simulate_world("B", seed=1, partners=120).to_frame(), manager="manager", tier="tier")
    >>> estimate_on_off(panel).table[["group", "at"]].values.tolist()
    [['all', 0], ['Bronze', 0], ['Gold', 0], ['Silver', 0]]
    """
    study = study_of(panel, study)
    trials = stack_trials(panel, study, weighted=True)
    treated, compared = (np.bincount(trials.partner[side], minlength=len(panel.partners)) > 0 for side in (trials.treated, ~trials.treated))
    clusters = clusters_of(panel, treated, cluster=cluster, tactic=study.tactic, compared=compared)
    read = functools.partial(_read, panel=panel, clusters=clusters, study=study, either_way=either_way, level=level)
    readings = [read("all", ahead, trials) for ahead in range(study.horizon + 1)]
    rows, found = [one.row for one in readings], readings[-1].fit
    sides = trials.treated[np.isfinite(trials.outcome[:, study.horizon])]
    if not sides.any() or sides.all():
        raise SampleError(f"{study.tactic}: nobody with it, or nobody without it, was seen {plural(study.horizon, 'quarter')} later; "
                          "ask for a shorter horizon")  # fmt: skip
    if found.effect is None:
        raise SampleError(
            f"{study.tactic}: something known before separates partners with it from those without; "
            "nobody without it is like those with it, so no adjustment can compare them"
        )
    if by_tier and panel.tiers and not study.tiers:
        for code, name in enumerate(panel.tiers):
            own = trials.select(trials.tier == code)
            rows += [read(name, ahead, own).row for ahead in range(study.horizon + 1)]
    enough = enough_check(rows[study.horizon], study)
    treated_rows, weight = trials.treated[found.rows], found.effect.balance
    balance = balance_table(found.columns, names=found.names, treated=treated_rows, weight=weight)
    return OnOffEffects(
        estimand=f"Mean effect of {study.tactic} on {study.stakes.unit} per {study.stakes.per}, on the partners that had it (ATT)",
        table=pd.DataFrame(rows),
        checks=(*trials.checks, enough, *readings[-1].checks, *_checks(found, balance, treated_rows), *moved_check(panel, clusters)),
        evidence=Evidence.B if enough.passed else Evidence.D,
        level=level,
        balance=balance,
        influence=readings[-1].influence,
        df=clusters.df,
        partners=int(treated.sum()),
        managers=clusters.managers,
        untreated=worth(weight[~treated_rows]),
        either_way=either_way,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Comparison:
    """One fit: which rows it used, what it found (None where the sides cannot be compared), whether it was cross-fitted."""

    rows: np.ndarray
    effect: WeightedEffect | None
    columns: np.ndarray
    names: tuple[str, ...]
    crossed: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Reading:
    """A row of the table, the fit given the last result behind it, and the influence of each partner of the panel."""

    row: dict[str, object]
    fit: _Comparison
    influence: np.ndarray | None
    checks: tuple[Check, ...] = ()


def _read(group, ahead, trials: Trials, *, panel: TacticPanel, clusters, study, either_way: bool, level: float) -> _Reading:  # noqa: PLR0913
    """Read one group at one quarter; either way, by the change since the last result too."""
    ways = (trials, trials.since_last()) if either_way else (trials,)
    fits = [_compare(way, ahead, clusters, panel.weight) for way in ways]
    rows = [_row(group, ahead, fit, way, clusters, study, level=level) for fit, way in zip(fits, ways, strict=True)]
    whole = [
        np.bincount(trials.partner[fit.rows], fit.effect.influence, minlength=len(panel.partners)) / fit.rows.sum()
        for fit in fits if fit.effect is not None
    ]  # fmt: skip
    influence = np.mean(whole, axis=0) if len(whole) == len(ways) else None
    if not either_way:
        return _Reading(row=rows[0], fit=fits[0], influence=influence)
    past, change = (say_number(float(row["estimate"]), digits=2) for row in rows)
    said = f"given the last result the effect is {past}, as a change since it {change}; the interval holds both readings"
    return _Reading(row=_span(*rows), fit=fits[0], influence=influence, checks=(Check("either way", None, said),))


def _span(row: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """Give the interval that holds those of two readings of the same rows, its middle, and the error that makes it so wide."""
    low, high = np.minimum(row["conf_low"], other["conf_low"]), np.maximum(row["conf_high"], other["conf_high"])
    wider = (high - low) / (row["conf_high"] - row["conf_low"])
    return row | {"estimate": (low + high) / 2, "std_error": row["std_error"] * wider, "conf_low": low, "conf_high": high}


def _compare(trials: Trials, ahead: int, clusters: Clusters, mass: np.ndarray | None) -> _Comparison:
    """Fit the rows whose outcome is known; without cross-fitting where the parts are too small for it."""
    outcome = trials.outcome[:, ahead]
    rows = np.isfinite(outcome)
    past, past_names = trials.past
    columns = np.column_stack([past, trials.known])[rows]
    names = (*past_names, *trials.names)
    on = trials.treated[rows]
    if not on.any() or on.all():
        return _Comparison(rows=rows, effect=None, columns=columns, names=names, crossed=False)
    design, _ = design_of(columns)
    folds = clusters.code[trials.partner[rows]] % FOLDS
    weight = None if mass is None else mass[trials.partner[rows]]
    for parts in (folds, None):
        effect = weighted_effect(outcome[rows], on, design, outcome_design=design, folds=parts, weight=weight)
        if np.isfinite(effect.estimate):
            return _Comparison(rows=rows, effect=effect, columns=columns, names=names, crossed=parts is not None)
    return _Comparison(rows=rows, effect=None, columns=columns, names=names, crossed=False)


def _row(group, ahead, found: _Comparison, trials: Trials, clusters: Clusters, study: TacticStudy, *, level: float) -> dict[str, object]:
    """One row of the table; NaN with fewer partners on a side than the study asks for, and where nothing varies or can be compared."""
    on = trials.treated[found.rows]
    partner = trials.partner[found.rows]
    sides = [len(np.unique(partner[side])) for side in (on, ~on)]
    estimate = error = width = np.nan
    if found.effect is not None and min(sides) >= study.minimum and np.ptp(trials.outcome[found.rows, ahead]) > 0:
        estimate = found.effect.estimate
        sums = np.bincount(clusters.code[partner], found.effect.influence) / len(partner)
        users, others = (len(np.unique(clusters.code[partner[side]])) for side in (on, ~on))
        if min(users, others) > 1:
            error = float(np.sqrt((sums**2).sum() * users / (users - 1)))
            width = float(critical_value(level, min(users, others) - 1.0))
    return {"group": group, "at": ahead, "estimate": estimate, "std_error": error, "conf_low": estimate - width * error,
            "conf_high": estimate + width * error, "n": int(on.sum()), "partners": sides[0], "compared": sides[1]}  # fmt: skip


def _checks(found: _Comparison, balance: pd.DataFrame, treated: np.ndarray) -> tuple[Check, ...]:
    effect = found.effect
    return (
        *likeness_checks(balance, treated=treated, weight=effect.balance, chance=effect.propensity),
        Check("cross-fitted", found.crossed, "expectations come from other clusters" if found.crossed else
              "too few rows for it: expectations come from the same rows"),
    )  # fmt: skip
