"""Tactics kept up for several quarters: marginal structural models, where what a tactic did moves who gets it next."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.effects.histories import Histories, follow_partners, require_family
from partnerlab.effects.sample import Cluster, Clusters, clusters_of, enough_check, moved_check, study_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.trials import design_of
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.weighting import HistoryWeights, history_weights
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.inference.sandwich import sum_clusters
from partnerlab.stats.regressions.coefficients import ratio_columns
from partnerlab.stats.regressions.gee import Family, MeanModel, fit_mean_model
from partnerlab.words import plural, say_number, say_share

Dose = Literal["recent", "total"]
#: A chance below this is hardly one: a row with it stands for more than a hundred like it.
HARDLY = 0.01
#: Share of rows without a chance to choose otherwise, and distance of a quarter's mean weight from 1, from which positivity is in doubt.
RARE, OFF_ONE = 0.05, 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class SustainedEffects(Result):
    """Effects of keeping a tactic up; key ``quarters``: how many in a row, the last being the one whose outcome is read.

    Parameters
    ----------
    terms : DataFrame
        The whole outcome model: ``term, estimate, std_error``, and ``unweighted``, what plain adjustment says.
    weights : DataFrame
        By quarter: ``quarter, n, mean, smallest, largest``; means of stabilised weights are about 1.
    influence : float array, shape (n,)
        Influence of each partner on the longest strategy's effect; summed by cluster, its sum of squares is the squared error
        (but for the factor ``G / (G - 1)`` of treated clusters).
    df : float
        Degrees of freedom of the intervals.
    partners, managers : int
        Partners that had the tactic, and clusters if managers are they (else None).
    """

    title: ClassVar[str] = "Effect of a tactic that is kept up"

    terms: pd.DataFrame = dataclasses.field(repr=False)
    weights: pd.DataFrame = dataclasses.field(repr=False)
    influence: np.ndarray = dataclasses.field(repr=False)
    df: float
    partners: int
    managers: int | None

    def headline(self) -> pd.Series:
        """Give the row of the longest strategy."""
        return self.table.iloc[-1]


def estimate_sustained(  # noqa: PLR0913 - the estimator's own choices
    panel: TacticPanel,
    *,
    study: TacticStudy | None = None,
    dose: Dose = "recent",
    history: int = 1,
    past_outcomes: bool = True,
    untreated_before: bool = False,
    baseline: Sequence[str] = (),
    family: Family = "linear",
    ends: bool = False,
    at_end: bool = False,
    truncate: float | None = None,
    weights_known: bool = True,
    cluster: Cluster | None = None,
    level: float = 0.95,
) -> SustainedEffects:
    """Estimate what keeping a tactic up for several quarters does, by a marginal structural model.

    Where results move who gets the tactic next, and the tactic moved those results, neither leaving them out nor adjusting for
    them is right. Here each partner-quarter is weighted by the inverse of the chance of its whole history of choices since time
    zero, stabilised by the chance given what the outcome's model holds anyway, and of being seen at all (Robins, Hernan and
    Brumback 2000). In the weighted rows nothing known tells who had the tactic, and outcomes are regressed on it. Right if, given
    the past, choice and loss were as good as random, and both models of chance hold.

    Parameters
    ----------
    panel : TacticPanel
        Its ``others``, tactics that ran beside, enter the chance of treatment, in the quarter and the one before.
    study : TacticStudy, optional
        Eligibility at time zero, covariates, and the horizon: strategies of 1 to ``horizon + 1`` quarters are told apart.
    dose : {"recent", "total"}
        The outcome hangs on the tactic now and in each of the last ``horizon`` quarters, each with its own effect; or on the number of
        quarters with it since time zero.
    history : int
        Earlier quarters of treatment and outcome that managers may have looked at.
    past_outcomes : bool
        Whether they looked at earlier outcomes; covariates are theirs in any case. With ``ends`` there are none.
    untreated_before : bool
        Whether it is known that nobody had the tactic before the panel begins.
    baseline : sequence of str
        Covariates whose value at time zero the outcome's model holds; tier, region, earlier treatment and outcome at time zero
        and the quarter are always in it.
    family : {"linear", "logit", "log"}
        Scale of the effect: difference, log-odds, log of the ratio of means.
    ends : bool
        Whether an outcome of 1 ends it all, as lapsing does: then partners leave without being lost.
    at_end : bool
        Whether the outcome is read once, at the end of follow-up: in the panel's last quarter, after that quarter's tactic. Cells of
        earlier quarters may be empty and are not looked at; who has no row in the last quarter was lost. `past_outcomes` has no
        meaning then: give what managers looked at as covariates.
    truncate : float, optional
        Cut weights to this quantile and to one minus it. It steadies and biases.
    weights_known : bool
        Leave out that the chances were fitted, as most software does: wider as a rule, which small samples need. False counts it.
    cluster : {"manager", "partner"}, optional
        Managers if the panel knows them. Intervals are Student's; the side with fewer clusters, less one, gives degrees of freedom.
    level : float
        Coverage.

    Returns
    -------
    SustainedEffects

    Raises
    ------
    SampleError
        If nobody can be followed, something known before separates those with the tactic from those without (no positivity), nobody
        kept it up so long, or three managers or fewer used it.

    Examples
    --------
    >>> from partnerlab.effects import Known
    >>> from partnerlab.intake.simulate import simulate_world
    >>> panel = TacticPanel.from_frame(simulate_world("B", seed=1).to_frame(), manager="manager", tier="tier", covariates=["health"])
    >>> from partnerlab.verdicts import Stakes
    >>> study = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), horizon=1, covariates=(Known(name="health", at="start", lag=0),))
    >>> estimate_sustained(panel, study=study).table["quarters"].tolist()
    [1, 2]
    """
    study = study_of(panel, study)
    require_family(family)
    if truncate is not None and not 0 <= truncate < 0.5:
        raise ParameterError(f"truncate is {truncate:g}; give a quantile from 0 to below 0.5, such as 0.01")
    rows = follow_partners(
        panel, study, history=history, past_outcomes=past_outcomes, untreated_before=untreated_before, baseline=baseline, ends=ends,
        at_end=at_end,
    )  # fmt: skip
    treated = np.bincount(rows.partner[rows.treated], minlength=len(panel.partners)) > 0
    beside = ~rows.treated & (np.bincount(rows.quarter, rows.treated) > 0)[rows.quarter]  # somebody had it in the same quarter
    compared = np.bincount(rows.partner[beside], minlength=len(panel.partners)) > 0
    clusters = clusters_of(panel, treated, cluster=cluster, tactic=study.tactic, compared=compared)
    weights = _weights(rows, study, truncate)
    model = _fit(rows, weights, panel, study, dose=dose, family=family, untreated_before=untreated_before)
    by_row = model.row_influence(weights, known=weights_known)
    # few clusters: as many over one fewer of those that were treated
    factor = np.sqrt(clusters.users / max(clusters.users - 1, 1))
    influence = sum_clusters(by_row, clusters.code[rows.partner], clusters=clusters.count) * factor
    table = _table(model, influence, rows, clusters, study, dose=dose, level=level)
    if family != "linear":
        table = table.assign(**ratio_columns(table["estimate"], table["conf_low"], table["conf_high"]))
    checks, by_quarter = _weight_checks(rows, weights, model.used, panel)
    checks = (enough_check(table.iloc[-1], study), *checks)
    moves = {"linear": "", "logit": "log-odds of ", "log": "logarithm of "}[family]
    return SustainedEffects(
        estimand=f"Difference in the mean of {moves}{study.stakes.unit} per {study.stakes.per}, had all partners followed had "
        f"{study.tactic} in the last quarters, against none",
        table=table,
        checks=(*rows.checks, *checks, *moved_check(panel, clusters)),
        evidence=Evidence.D if any(check.passed is False for check in checks) else Evidence.B,
        level=level,
        terms=_terms(model, influence, clusters),
        weights=by_quarter,
        influence=np.bincount(rows.partner, by_row @ _contrasts(model, study, dose)[-1], minlength=len(panel.partners)),
        df=clusters.df,
        partners=int(treated.sum()),
        managers=clusters.managers,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Outcome:
    """The fitted outcome model: rows in it, columns of exposure, size by which each column was divided, and the fit without weights."""

    used: np.ndarray
    doses: np.ndarray
    names: tuple[str, ...]
    size: np.ndarray
    fit: MeanModel
    plain: MeanModel | None

    @property
    def coefficients(self) -> np.ndarray:
        """Of the columns as they were, the intercept left out."""
        return self.fit.coefficients[1:] / self.size

    def row_influence(self, weights: HistoryWeights, *, known: bool) -> np.ndarray:
        """Influence of each row on `coefficients`, shape ``(m, k)``; rows add up to estimate less truth."""
        scores = np.zeros((len(self.used), len(self.fit.coefficients)))
        scores[self.used] = self.fit.scores
        whole = scores if known else scores + weights.fitting_influence(scores)
        return (whole @ self.fit.bread)[:, 1:] / self.size


def _weights(rows: Histories, study: TacticStudy, truncate: float | None) -> HistoryWeights:
    choice = rows.treatment_choice()
    found = history_weights(rows.partner, [choice, *rows.seen_choices()], truncate=truncate) if choice.open.any() else None
    if found is None:
        if not choice.open.any() or history_weights(rows.partner, [choice]) is None:
            raise SampleError(
                f"{study.tactic}: no positivity: something known before tells for sure who has it, or in every quarter all or none of "
                "those followed had it; no weight can stand for partners that do not exist"
            )
        raise SampleError(
            f"{study.tactic}: something known before tells for sure who is lost; nobody seen can stand for them: "
            "leave that covariate or those partners out"
        )
    return found


def _fit(rows: Histories, weights: HistoryWeights, panel, study, *, dose, family, untreated_before) -> _Outcome:
    if dose not in ("recent", "total"):
        raise ParameterError(f"dose is {dose!r}; it is 'recent' or 'total'")
    on, since = rows.treated.astype(float), rows.since
    if dose == "total":
        doses, names = _running(on, since)[:, None], (f"quarters with {panel.tactic}",)
        used = np.isfinite(rows.outcome)
    else:
        doses = np.column_stack([_back(on, since, back) for back in range(study.horizon + 1)])
        names = tuple(panel.tactic if back == 0 else f"{panel.tactic} {plural(back, 'quarter')} before" for back in range(doses.shape[1]))
        used = np.isfinite(rows.outcome) & (untreated_before | (since >= study.horizon))
    given = np.column_stack([doses, rows.baseline, rows.time])[used]
    told = (*names, *rows.names["baseline"], *(panel.labels[quarter] for quarter in np.unique(rows.quarter)[1:]))
    design, kept = design_of(given)
    if used.sum() <= design.shape[1] or not np.isin(np.arange(len(names)), kept).all():
        raise SampleError(
            f"{study.tactic}: nobody followed had it now and not in the {plural(study.horizon, 'quarter')} before, or the other way "
            "round; their effects cannot be told apart: ask for a shorter horizon"
        )
    fits = [
        fit_mean_model(rows.outcome[used], design, rows.partner[used], family=family, weight=weight)
        for weight in (weights.weight[used], None)
    ]
    if fits[0] is None:
        raise SampleError(f"{study.tactic}: the outcome's model cannot be fitted; {family} needs outcomes on its scale, and some of each")
    return _Outcome(
        used=used, doses=doses, names=tuple(told[place] for place in kept), size=given[:, kept].std(axis=0), fit=fits[0], plain=fits[1],
    )  # fmt: skip


def _running(on: np.ndarray, since: np.ndarray) -> np.ndarray:
    """Count quarters with the tactic since time zero, the row's own included."""
    total = np.cumsum(on)
    start = np.flatnonzero(since == 0)
    return total - np.repeat(total[start] - on[start], np.diff(np.r_[start, len(on)]))


def _back(on: np.ndarray, since: np.ndarray, back: int) -> np.ndarray:
    """Give the tactic so many rows before; 0 where that is before time zero."""
    if back == 0:
        return on
    return np.where(since >= back, np.r_[np.zeros(back), on[:-back]], 0.0)


def _contrasts(model: _Outcome, study: TacticStudy, dose: Dose) -> np.ndarray:
    """Weights of the coefficients in the effect of keeping it up for 1, 2, ... quarters."""
    quarters = np.arange(1, study.horizon + 2)
    whole = np.zeros((len(quarters), len(model.names)))
    if dose == "total":
        whole[:, 0] = quarters
    else:
        whole[:, : len(quarters)] = np.tri(len(quarters))
    return whole


def _table(model: _Outcome, influence, rows: Histories, clusters, study, *, dose, level) -> pd.DataFrame:
    found, width = [], critical_value(level, df=clusters.df)
    kept_up = np.column_stack([_back(rows.treated.astype(float), rows.since, back) for back in range(study.horizon + 1)]).cumprod(axis=1)
    # a line through numbers of quarters learns from all of them: whoever had more than the mean stands against the rest
    mean = float(model.doses[model.used].mean()) if dose == "total" else 0.0
    less = (model.doses <= mean).all(axis=1)
    beside = np.bincount(rows.quarter, model.used & ~less) > 0  # quarters without anybody who had more tell nothing
    never = len(np.unique(rows.partner[model.used & less & beside[rows.quarter]]))
    for quarters, contrast in enumerate(_contrasts(model, study, dose), start=1):
        kept = model.used & (kept_up[:, quarters - 1] > 0 if dose == "recent" else model.doses[:, 0] > mean)
        partners = len(np.unique(rows.partner[kept]))
        enough = min(partners, never) >= study.minimum
        estimate = float(contrast @ model.coefficients) if enough else np.nan
        error = float(np.sqrt(((influence @ contrast) ** 2).sum())) if enough and clusters.df > 0 else np.nan
        found.append({"quarters": quarters, "estimate": estimate, "std_error": error, "conf_low": estimate - width * error,
                      "conf_high": estimate + width * error, "n": int(kept.sum()), "partners": partners, "compared": never})  # fmt: skip
    return pd.DataFrame(found)


def _terms(model: _Outcome, influence: np.ndarray, clusters: Clusters) -> pd.DataFrame:
    plain = np.full(len(model.names), np.nan) if model.plain is None else model.plain.coefficients[1:] / model.size
    error = np.sqrt((influence**2).sum(axis=0)) if clusters.df > 0 else np.nan
    return pd.DataFrame({"term": model.names, "estimate": model.coefficients, "std_error": error, "unweighted": plain})


def _weight_checks(rows: Histories, weights: HistoryWeights, used: np.ndarray, panel) -> tuple[tuple[Check, ...], pd.DataFrame]:
    grouped = pd.DataFrame({"quarter": rows.quarter[used], "weight": weights.weight[used]}).groupby("quarter")["weight"]
    by_quarter = pd.DataFrame(
        {"n": grouped.size(), "mean": grouped.mean(), "smallest": grouped.min(), "largest": grouped.max()}
    ).reset_index()
    by_quarter["quarter"] = [panel.labels[quarter] for quarter in by_quarter["quarter"]]
    weight = weights.weight[used]
    worst = by_quarter.iloc[(by_quarter["mean"] - 1).abs().argmax()]
    worth = float(weight.sum() ** 2 / (weight**2).sum())
    chance, cut = weights.chance[used | ~rows.awaited, 0], float(weights.truncated[used].mean())
    sure = float((np.minimum(chance, 1 - chance) < HARDLY)[chance < 1].mean()) if (chance < 1).any() else 1.0
    return (
        Check("positivity", sure <= RARE, f"for {say_share(sure)} of partner-quarters it was as good as sure what they would have "
              f"(less than {say_share(HARDLY)} chance of the other)"),
        Check("weights about 1", bool(abs(worst["mean"] - 1) <= OFF_ONE), f"mean {say_number(float(weight.mean()), digits=3)}, largest "
              f"{say_number(float(weight.max()), digits=3)}; mean farthest from 1 in {worst['quarter']}: "
              f"{say_number(float(worst['mean']), digits=3)}"),
        Check("weights truncated", None, f"{say_share(cut)} of weights cut; {plural(len(weight), 'row')} are worth "
              f"{plural(worth, 'row')} alike"),
    ), by_quarter  # fmt: skip
