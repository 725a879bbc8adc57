"""Nested target trials: each quarter one trial of the partners that might start, followed on, all pooled into one regression."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.effects.histories import Histories, follow_partners, require_family
from partnerlab.effects.sample import (
    Cluster,
    Clusters,
    clusters_of,
    eligible_groups,
    enough_check,
    moved_check,
    study_of,
    untreated_quarters,
)
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.trials import design_of
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.causes.weighting import Choice, history_weights
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.regressions.coefficients import ratio_columns
from partnerlab.stats.regressions.gee import Family, fit_mean_model
from partnerlab.words import plural, say_number, say_share

Strategy = Literal["start", "keep"]
Time = Literal["levels", "quadratic"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NestedTrialEffects(Result):
    """Effects in nested trials; key ``at``: "all" quarters of follow-up at once, then each quarter after time zero.

    Parameters
    ----------
    terms : DataFrame
        The whole model of one effect for all quarters: ``term, estimate, std_error``.
    trials : DataFrame
        ``quarter, started, compared, changed``: of each trial the partners that started or did not, and those that later left their
        strategy, which only "keep" looks at.
    df : float
        Degrees of freedom of the intervals.
    partners, managers : int
        Partners that started, and clusters if managers are they (else None).
    """

    title: ClassVar[str] = "Effect in nested target trials"

    terms: pd.DataFrame = dataclasses.field(repr=False)
    trials: pd.DataFrame = dataclasses.field(repr=False)
    df: float
    partners: int
    managers: int | None

    def headline(self) -> pd.Series:
        """Give the row of all quarters of follow-up."""
        return self.table.iloc[0]


def estimate_nested_trials(  # noqa: PLR0913 - the estimator's own choices
    panel: TacticPanel,
    *,
    study: TacticStudy | None = None,
    strategy: Strategy = "start",
    family: Family = "linear",
    ends: bool = False,
    time: Time = "levels",
    history: int = 1,
    past_outcomes: bool = True,
    untreated_before: bool = False,
    truncate: float | None = None,
    cluster: Cluster | None = None,
    level: float = 0.95,
) -> NestedTrialEffects:
    """Estimate what starting a tactic does, by a sequence of emulated trials.

    Every quarter is time zero of a trial of all partners that were eligible and untreated; those that start in it are compared with
    those that do not, over the quarters that follow, and all trials are pooled into one regression on the strategy, the trial, the
    quarter of follow-up and what was known at time zero (Hernan, Alonso, Logan and others 2008, Epidemiology 19; Danaei and others 2013,
    Statistical Methods in Medical Research 22). A partner may be in many trials; errors are clustered. Right if, given what was known,
    starting was as good as random.

    Parameters
    ----------
    panel : TacticPanel
        Its ``others``, tactics that ran beside, are adjusted for in the quarter of time zero and the one before.
    study : TacticStudy, optional
        Eligibility at each time zero (untreated for one quarter at least), covariates, horizon: quarters followed after time zero.
    strategy : {"start", "keep"}
        Starting or not, whatever followed (intention to treat); or keeping it up, or off, all the time (per protocol): who leaves his
        strategy is cut off, and those who keep to it are weighted by the inverse of their chance to.
    family : {"linear", "logit", "log"}
        Scale of the effect. With ``ends`` and "logit" this is pooled logistic regression: a discrete-time hazard ratio.
    ends : bool
        Whether an outcome of 1 ends the follow-up, as lapsing does.
    time : {"levels", "quadratic"}
        Trials and quarters of follow-up as levels, or as numbers with their squares.
    history : int
        Earlier quarters of treatment and outcome that managers may have looked at.
    past_outcomes : bool
        Whether they looked at earlier outcomes. With ``ends`` there are none.
    untreated_before : bool
        Whether it is known that nobody had the tactic before the panel begins.
    truncate : float, optional
        Cut weights to this quantile and to one minus it.
    cluster : {"manager", "partner"}, optional
        Managers if the panel knows them. Intervals are Student's; the side with fewer clusters, less one, gives degrees of freedom.
    level : float
        Coverage.

    Returns
    -------
    NestedTrialEffects

    Raises
    ------
    SampleError
        If in no quarter some eligible partners start and others do not, something known tells for sure who does, or three managers or
        fewer used the tactic.

    Examples
    --------
    >>> from partnerlab.effects import Known
    >>> from partnerlab.intake.simulate import simulate_world
    >>> panel = TacticPanel.from_frame(simulate_world("B", seed=1).to_frame(), manager="manager", tier="tier", covariates=["health"])
    >>> from partnerlab.verdicts import Stakes
    >>> study = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), horizon=1, covariates=(Known(name="health", at="start", lag=0),))
    >>> estimate_nested_trials(panel, study=study).table["at"].tolist()
    ['all', '0', '1']
    """
    study = study_of(panel, study)
    require_family(family)
    if strategy not in ("start", "keep") or time not in ("levels", "quadratic"):
        raise ParameterError(f"strategy is 'start' or 'keep', time 'levels' or 'quadratic'; not {strategy!r} and {time!r}")
    everybody = study.model_copy(update={"tiers": (), "regions": (), "untreated_for": 0})
    rows = follow_partners(
        panel, everybody, history=history, past_outcomes=past_outcomes, untreated_before=untreated_before, baseline=(), ends=ends
    )
    rows = dataclasses.replace(rows, baseline=_groups_now(panel, rows))
    copies = _copy_trials(panel, rows, study, strategy=strategy, untreated_before=untreated_before)
    sides = (copies.start[copies.assigned], copies.start[~copies.assigned])
    started, compared = (np.bincount(rows.partner[side], minlength=len(panel.partners)) > 0 for side in sides)
    clusters = clusters_of(panel, started, cluster=cluster, tactic=study.tactic, compared=compared)
    copies = _weigh(rows, copies, study, strategy=strategy, truncate=truncate)
    seen = np.isfinite(rows.outcome[copies.row])
    used = seen if family == "linear" or time == "quadratic" else _telling(rows, copies, seen, family=family)
    pool = _Pool(panel=panel, study=study, rows=rows, copies=copies, used=used, clusters=clusters, family=family, level=level)
    table, terms = _estimate(pool, time=time)
    if family != "linear":
        table = table.assign(**ratio_columns(table["estimate"], table["conf_low"], table["conf_high"]))
    checks = (enough_check(table.iloc[0], study), *_weight_checks(copies, used), _levels_check(int(seen.sum() - used.sum())))
    did = {"start": "starting", "keep": "starting and keeping up"}[strategy]
    return NestedTrialEffects(
        estimand=f"Mean effect of {did} {study.tactic} on {study.stakes.unit} per {study.stakes.per}, in partners alike at time zero",
        table=table, checks=(*rows.checks, *checks, *moved_check(panel, clusters)),
        evidence=Evidence.D if any(check.passed is False for check in checks) else Evidence.B,
        level=level, terms=terms, trials=_count_trials(panel, rows, copies), df=clusters.df, partners=int(started.sum()),
        managers=clusters.managers,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Copies:
    """Rows of all trials: where each starts and is, in rows of histories; its strategy, quarter of follow-up and weight."""

    start: np.ndarray
    row: np.ndarray
    ahead: np.ndarray
    assigned: np.ndarray
    changed: np.ndarray
    weight: np.ndarray


def _groups_now(panel: TacticPanel, rows: Histories) -> np.ndarray:
    """Columns of 0 and 1 for the tier and region of each row, the first of each left out."""
    columns = [np.zeros((len(rows.partner), 0))]
    for codes, names in ((panel.tier, panel.tiers), (panel.region, panel.regions)):
        columns.append((codes[rows.partner, rows.quarter][:, None] == np.arange(1, max(len(names), 1))).astype(float))
    return np.hstack(columns)


def _copy_trials(panel: TacticPanel, rows: Histories, study: TacticStudy, *, strategy: Strategy, untreated_before: bool) -> _Copies:
    """Every row in which a partner might start is the start of a trial, followed as long as it is seen and keeps its strategy."""
    at = (rows.partner, rows.quarter)
    free = untreated_quarters(panel, max(study.untreated_for, 1))
    if untreated_before:
        free[:, 0] = True
    able = eligible_groups(panel, study)[at] & free[at] & rows.could_start & np.isfinite(rows.outcome)
    size = panel.shape[1]
    count, hits = np.bincount(rows.quarter, able, minlength=size), np.bincount(rows.quarter, able & rows.treated, minlength=size)
    start = np.flatnonzero(able & ((hits > 0) & (hits < count))[rows.quarter])
    if not len(start):
        raise SampleError(
            f"{study.tactic}: in no quarter do some eligible partners start while others do not; there is no trial to emulate"
        )
    alive, kept, parts = np.ones(len(start), dtype=bool), np.ones(len(start), dtype=bool), []
    for ahead in range(study.horizon + 1):
        here = np.minimum(start + ahead, len(rows.partner) - 1)
        alive &= (start + ahead < len(rows.partner)) & (rows.partner[here] == rows.partner[start])
        left = alive & kept & (rows.treated[here] != rows.treated[start]) if strategy == "keep" else np.zeros(len(start), dtype=bool)
        kept &= ~left
        go = alive & kept
        parts.append((start[go], here[go], np.full(go.sum(), ahead), np.zeros(go.sum(), dtype=bool)))
        parts.append((start[left], here[left], np.full(left.sum(), ahead), np.ones(left.sum(), dtype=bool)))
    begin, row, ahead, changed = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Copies(start=begin, row=row, ahead=ahead, assigned=rows.treated[begin], changed=changed, weight=np.ones(len(row)))


def _weigh(rows: Histories, copies: _Copies, study: TacticStudy, *, strategy: Strategy, truncate: float | None) -> _Copies:
    """Weight copies by the inverse of the chance to have kept to their strategy, and to be seen, since time zero; drop those that left."""
    inside = np.zeros(len(copies.row))
    choices = [(rows.treatment_choice(fixed=False), "strategy")] if strategy == "keep" and study.horizon else []
    choices += [(choice, "seen after" if choice.later else "seen") for choice in rows.seen_choices(fixed=False)]
    for choice, kind in choices:
        total = np.concatenate([[0.0], np.cumsum(_log_factor(choice, study))])
        first, last = {"strategy": (1, 1), "seen": (0, 1), "seen after": (0, 0)}[kind]
        inside += total[copies.row + last] - total[copies.start + first]
    keep = ~copies.changed
    weight = np.exp(inside[keep])
    if truncate:
        weight = np.clip(weight, *np.quantile(weight, [truncate, 1.0 - truncate]))
    cut = {name: getattr(copies, name)[keep] for name in ("start", "row", "ahead", "assigned")}
    lost = np.isin(copies.start[keep], copies.start[copies.changed])
    return _Copies(**cut, changed=lost, weight=weight)


def _log_factor(choice: Choice, study: TacticStudy) -> np.ndarray:
    """Logarithm of each row's own factor."""
    alone = dataclasses.replace(choice, later=False)
    found = history_weights(np.arange(len(choice.happened)), [alone])
    if found is None:
        raise SampleError(
            f"{study.tactic}: no positivity: something known before tells for sure who keeps to it, or who is lost; "
            "no weight can stand for partners that do not exist"
        )
    return np.log(found.weight)


def _telling(rows: Histories, copies: _Copies, seen: np.ndarray, *, family: Family) -> np.ndarray:
    """Leave out trials and quarters of follow-up in which nothing happened, or, of chances, all that could: their level fits perfectly."""
    outcome, used = np.nan_to_num(rows.outcome[copies.row]), seen.copy()
    while True:
        keep = used.copy()
        for level in (copies.ahead, rows.quarter[copies.start]):
            count, total = np.bincount(level, used), np.bincount(level, used * outcome)
            most = np.bincount(level, used * (outcome == 1))
            keep &= ((total > 0) & ((most < count) | (family != "logit")))[level]
        if keep.sum() == used.sum():
            return keep
        used = keep


def _levels_check(left: int) -> Check:
    said = f"{plural(left, 'row')} left out: in their trial, or so long after time zero, outcomes were all alike" if left else "all do"
    return Check("trials tell", None if left else True, said)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pool:
    """All copies of all trials, which of them have an outcome, and what is asked of them."""

    panel: TacticPanel
    study: TacticStudy
    rows: Histories
    copies: _Copies
    used: np.ndarray
    clusters: Clusters
    family: Family
    level: float

    @property
    def partner(self) -> np.ndarray:
        """Partner of each copy."""
        return self.rows.partner[self.copies.row]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Fitted:
    """A fitted outcome model: columns it kept, their sizes, coefficients and errors on the columns' own scale."""

    kept: np.ndarray
    estimate: np.ndarray
    error: np.ndarray


def _estimate(pool: _Pool, *, time: Time) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One effect for all quarters of follow-up, and one for each: two fits of the pooled copies."""
    names, given = _outcome_columns(pool, time=time)
    _require_overlap(pool, given)
    on, ahead, quarters = pool.copies.assigned.astype(float), pool.copies.ahead, np.arange(pool.study.horizon + 1)
    whole = _fit(pool, np.column_stack([on, given]))
    if whole is None:
        raise SampleError(
            f"{pool.study.tactic}: the pooled regression cannot be fitted: nobody started, what was known tells for sure who did, or no "
            f"outcome is on the scale of {pool.family}"
        )
    each = _fit(pool, np.column_stack([on[:, None] * (ahead[:, None] == quarters), given])) if len(quarters) > 1 else whole
    table = [_row("all", 0, whole, pool, pool.used)]
    table += [_row(str(quarter), quarter, each, pool, pool.used & (ahead == quarter)) for quarter in quarters]
    terms = [(pool.study.tactic, *names)[place] for place in whole.kept]
    return pd.DataFrame(table), pd.DataFrame({"term": terms, "estimate": whole.estimate, "std_error": whole.error})


def _require_overlap(pool: _Pool, given: np.ndarray) -> None:
    """Refuse what was known at time zero if it tells for sure who starts."""
    first = pool.copies.ahead == 0
    if fit_propensity(pool.copies.assigned[first], design_of(given[first])[0], np.ones(int(first.sum()))) is None:
        raise SampleError(
            f"{pool.study.tactic}: no overlap: something known before tells for sure who starts it; nobody without it is like those with it"
        )


def _outcome_columns(pool: _Pool, *, time: Time) -> tuple[list[str], np.ndarray]:
    """Give what was known at time zero, the trial, and the quarter of follow-up."""
    panel, rows, copies = pool.panel, pool.rows, pool.copies
    trial = rows.quarter[copies.start]
    if time == "quadratic":
        clock = np.column_stack([copies.ahead, copies.ahead**2, trial, trial**2]).astype(float)
        told = ["quarters since", "quarters since, squared", "trial", "trial, squared"]
    else:
        later, trials = np.unique(copies.ahead)[1:], np.unique(trial)[1:]
        clock = np.column_stack([copies.ahead[:, None] == later, trial[:, None] == trials]).astype(float)
        told = [*(f"{plural(quarter, 'quarter')} since" for quarter in later), *(f"trial of {panel.labels[quarter]}" for quarter in trials)]
    known = np.column_stack([rows.changing, rows.baseline, rows.past[:, 1:]])[copies.start]
    names = [*rows.names["changing"], *panel.tiers[1:], *panel.regions[1:], *rows.names["past"][1:], *told]
    return names, np.column_stack([known, clock])


def _fit(pool: _Pool, columns: np.ndarray) -> _Fitted | None:
    """Fit the pooled copies; None where something separates outcomes or nobody started."""
    used, clusters = pool.used, pool.clusters
    design, kept = design_of(columns[used])
    model = None
    if 0 in kept:
        outcome, weight = pool.rows.outcome[pool.copies.row[used]], pool.copies.weight[used]
        model = fit_mean_model(outcome, design, pool.partner[used], family=pool.family, weight=weight)
    if model is None:
        return None
    factor = clusters.users / (clusters.users - 1) if clusters.users > 1 else np.nan
    size = columns[used][:, kept].std(axis=0)
    error = np.sqrt(np.diag(model.covariance(clusters.code[pool.partner[used]]))[1:] * factor)
    return _Fitted(kept=kept, estimate=model.coefficients[1:] / size, error=error / size)


def _row(at: str, place: int, fit: _Fitted | None, pool: _Pool, counted: np.ndarray) -> dict[str, object]:
    on = pool.copies.assigned
    sides = [len(np.unique(pool.partner[counted & side])) for side in (on, ~on)]
    found = np.flatnonzero(fit.kept == place) if fit is not None else []
    enough = len(found) and min(sides) >= pool.study.minimum
    estimate, error = (float(fit.estimate[found[0]]), float(fit.error[found[0]])) if enough else (np.nan, np.nan)
    width = float(critical_value(pool.level, pool.clusters.df)) if pool.clusters.df > 0 else np.nan
    return {"at": at, "estimate": estimate, "std_error": error, "conf_low": estimate - width * error, "conf_high": estimate + width * error,
            "n": int((counted & on).sum()), "partners": sides[0], "compared": sides[1]}  # fmt: skip


def _weight_checks(copies: _Copies, used: np.ndarray) -> tuple[Check, ...]:
    weight = copies.weight[used]
    worth = float(weight.sum() ** 2 / (weight**2).sum())
    return (
        Check("weights about 1", abs(float(weight.mean()) - 1) <= 0.1, f"mean {say_number(float(weight.mean()), digits=3)}, largest "
              f"{say_number(float(weight.max()), digits=3)}; {plural(len(weight), 'row')} are worth {plural(worth, 'row')} alike "
              f"({say_share(worth / len(weight))})"),
    )  # fmt: skip


def _count_trials(panel: TacticPanel, rows: Histories, copies: _Copies) -> pd.DataFrame:
    first = copies.ahead == 0
    quarter = rows.quarter[copies.start]
    counted = pd.DataFrame(
        {
            "quarter": quarter[first], "started": copies.assigned[first], "compared": ~copies.assigned[first],
            "changed": copies.changed[first],
        }
    ).groupby("quarter", as_index=False).sum()  # fmt: skip
    counted["quarter"] = [panel.labels[place] for place in counted["quarter"]]
    return counted
