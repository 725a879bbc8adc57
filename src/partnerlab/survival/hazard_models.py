"""Regressions of the hazard in discrete time: who leaves in a quarter, given what is known when it begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Evidence, Result
from partnerlab.spells import Spells
from partnerlab.stats.hazards.frailty import frailty_test
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.inference.sandwich import at_least_model
from partnerlab.stats.regressions import coefficients
from partnerlab.stats.regressions.coefficients import Correction, Covariance
from partnerlab.stats.regressions.designs import Design
from partnerlab.stats.regressions.glm import Binomial
from partnerlab.stats.regressions.multinomial import Multinomial
from partnerlab.stats.regressions.newton import Optimum
from partnerlab.stats.regressions.regression import Family, Model, make_model
from partnerlab.survival.hazard_predictions import TENURE, FittedHazard, predict_by_time, predict_period, whole_times
from partnerlab.survival.period_rows import Baseline, PeriodRows, count_cells, cut_periods
from partnerlab.survival.regressors import SpellRows, check_information, check_other_endings, coefficient_checks, read_spells
from partnerlab.survival.sample import Event
from partnerlab.words import say_p

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel


@dataclasses.dataclass(frozen=True, kw_only=True)
class HazardModel(Result):
    """A regression of the discrete hazard.

    The table has the keys ``[outcome, term]``, log hazard ratios (cloglog) or log odds ratios with intervals, ``n``
    (spell-periods), ``ratio, ratio_low, ratio_high``, ``p_value``, ``events`` and ``partners``.

    Parameters
    ----------
    marginal : DataFrame
        Average marginal effects on the chance of ending in a period: ``outcome, term, estimate, std_error, conf_low,
        conf_high, n, p_value``; 0.01 is a point.
    loglik : float
        Log-likelihood.
    link : str
        Link.
    fitted : FittedHazard
        What `predict` reads.
    unit : str
        Name of one period.
    """

    marginal: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    loglik: float = float("nan")
    link: str = "cloglog"
    fitted: FittedHazard | None = dataclasses.field(repr=False, default=None)
    unit: str = "quarter"

    title: ClassVar[str] = "Who leaves"

    def predict(self, frame: pd.DataFrame, *, times: Sequence[int] | None = None) -> pd.DataFrame:
        """Give each row's chance of ending in the period, or of having ended by later times, with an interval of the chance.

        Parameters
        ----------
        frame : DataFrame
            The covariates, ``tenure`` (the period lived through: 1 is the first) where the baseline needs it, and
            ``partner`` if it is to be named.
        times : sequence of int, optional
            Durations in whole periods: chance of having ended by then, in each way, of one who begins (0 at time 0),
            covariates staying as they are. Where nobody has ended so soon it is 0 with no error known.

        Returns
        -------
        DataFrame
            ``partner | row, outcome, time, estimate, std_error, conf_low, conf_high, n, risk``, of which ``outcome`` or
            ``time`` is there where there are several ways of ending, or times; NaN where a covariate is missing or not
            seen by the model.

        Raises
        ------
        ParameterError
            If a column is not there, or a time is negative or not whole.
        """
        table, n = frame.reset_index(drop=True), int(self.table["n"].max())
        if times is None:
            return predict_period(self.fitted, table, level=self.level, n=n)
        return predict_by_time(self.fitted, table, times=whole_times(times), level=self.level, n=n)


def estimate_hazard_model(  # noqa: PLR0913 - each a question of its own
    spells: Spells,
    *,
    covariates: Sequence[str] = (),
    event: Event = None,
    link: Literal["cloglog", "logit", "multinomial"] = "cloglog",
    baseline: Baseline = "period",
    panel: Panel | None = None,
    cluster: str | None = "partner",
    covariance: Covariance = "auto",
    correction: Correction = "HC0",
    level: float = 0.95,
) -> HazardModel:
    """Regress the chance of ending in a period, given that one was there when it began.

    With the complementary log-log link coefficients are log hazard ratios of the grouped proportional hazards model
    (Prentice and Gloeckler 1978); with the logit log odds ratios; ``"multinomial"`` models several ways of ending at once
    (discrete competing risks). Spells may enter late and come in pieces whose covariates change. Whether partners differ
    beyond their covariates is tested (frailty) and said.

    Parameters
    ----------
    spells : Spells
        Durations in whole periods. Those without a known start are left out, and counted.
    covariates : sequence of str
        Attributes; also ``tenure``, and with a calendar ``season`` and ``quarter`` of the period lived through, and
        indicators of the panel.
    event : str or sequence of str, optional
        Endings that count; other endings are censored, except with ``"multinomial"``. All by default.
    link : {"cloglog", "logit", "multinomial"}
        Scale.
    baseline : {"period", "log", "linear", "none"}
        Shape of the hazard over tenure: a level for each period, its logarithm, the period, or constant. Periods in which
        nobody (or everybody) ended say nothing about covariates: they leave the likelihood, and a check counts them. With
        several endings a period that never saw one of them has no level for it (NaN); all else is as without that cell.
    panel : Panel, optional
        Where indicators are read, one period before the one lived through: what was known when it began.
    cluster, covariance, correction, level
        As in `estimate_cox`.

    Returns
    -------
    HazardModel
        Association, not effect.

    Raises
    ------
    ParameterError
        If an attribute, ending, link or baseline does not exist.
    ContractError
        If durations are not whole periods.
    SampleError
        If nothing ended.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": range(8), "duration": [1, 2, 2, 3, 3, 3, 1, 3], "late": [1, 1, 1, 0, 0, 0, 0, 1]})
    >>> spells = Spells.from_frame(frame.assign(event=[1, 1, 1, 0, 0, 1, 0, 0]))
    >>> found = estimate_hazard_model(spells, covariates=["late"], baseline="none", covariance="model")
    >>> found.table[["term", "ratio"]].round(2).to_numpy().tolist()
    [['(intercept)', 0.11], ['late', 4.46]]
    """
    check_level(level)
    links = ("cloglog", "logit", "multinomial")
    if link not in links:
        raise ParameterError(f"link is {link!r}{nearest(str(link), links)}")
    later = [name for name in covariates if name not in spells.attributes and _is_made(name, panel)]
    rows = read_spells(spells, covariates=covariates, event=event, cluster=cluster, later=later)
    if not (rows.cause >= 0).any():
        raise SampleError(f"none of {len(rows.frame)} spells ended in the way asked for; there is nothing to explain")
    periods = cut_periods(spells, rows, later=later, baseline=baseline, several=link == "multinomial", panel=panel)
    family: Family = Multinomial(outcomes=len(rows.causes) + 1) if link == "multinomial" else Binomial(link=link)
    model, cells = make_model(periods.rows, family), None
    if link == "multinomial" and baseline == "period":
        model, cells = _cells_apart(model, periods)
    best, ran_off = model.fit(cells=cells)
    kind = coefficients.choose_covariance(covariance, rows.clusters, correction=correction)
    spread = at_least_model(model.covariance(best, kind=kind, correction=correction), best.covariance, ran_off)
    what = " or ".join(rows.causes) if event is not None or link == "multinomial" else "any ending"
    outcomes = ("stay", *rows.causes) if link == "multinomial" else ("stay", what)
    df = coefficients.freedom(kind, rows.clusters)
    scale = "hazard" if link == "cloglog" else "odds"
    return HazardModel(
        estimand=f"Log {scale} ratios of {what} within a {spells.unit}" + (f", by {', '.join(covariates)}" if covariates else ""),
        table=_table(rows, periods, model, best, spread, outcomes=outcomes, level=level, df=df),
        checks=(
            *spells.checks,
            *rows.checks,
            *periods.checks,
            *check_other_endings(rows.cause),
            Check("Standard errors", None if kind == "model" else True, _say(kind, rows, correction)),
            *check_information(
                _terms(model) * (len(outcomes) - 1), _mute(best, spread) & ~_held(best), int(periods.rows.outcome.astype(bool).sum())
            ),
            *_fit_checks(model, best, ran_off, rows),
        ),
        evidence=Evidence.C,
        level=level,
        marginal=_marginal(model, best, spread, outcomes=outcomes, level=level, df=df),
        loglik=best.loglik,
        link=link,
        fitted=FittedHazard(
            family=family,
            design=_bare(model.design),
            beta=best.beta,
            covariance=spread,
            outcomes=outcomes,
            baseline=baseline,
            silent=periods.silent,
            df=df,
            held=_held_cells(model, best),
        ),
        unit=spells.unit,
    )


def _cells_apart(model: Model, periods: PeriodRows) -> tuple[Model, np.ndarray]:
    """Tell periods from the reference, not from their mean, so that where one ending never came only its level runs off.

    Also which coefficients are such levels; the intercepts too where no period saw every kind of outcome.
    """
    design = model.design
    clock = np.array([column.name == TENURE and bool(column.levels) for column in design.columns for _ in column.terms], dtype=bool)
    apart = dataclasses.replace(model, design=dataclasses.replace(design, centre=np.where(clock, 0.0, design.centre)))
    seen = count_cells(periods.tenure, periods.rows.outcome) > 0
    whole = bool((seen.sum(axis=1) == model.family.outcomes).any())
    return apart, np.tile(np.concatenate([[not whole], clock[design.keep]]), model.family.outcomes - 1)


def _held(best: Optimum) -> np.ndarray:
    return np.zeros(len(best.beta), dtype=bool) if best.held is None else best.held


def _held_cells(model: Model, best: Optimum) -> tuple[tuple[object, int], ...]:
    """Period and outcome of each level that is held."""
    if best.held is None:
        return ()
    levels = [(column.name, level) for column in model.design.columns for level in (column.levels[1:] or (None,))]
    kept = [None, *(level for (_, level), keep in zip(levels, model.design.keep, strict=True) if keep)]
    width = len(kept)
    return tuple((kept[at % width], at // width + 1) for at in np.flatnonzero(best.held).tolist())


def _is_made(name: str, panel: Panel | None) -> bool:
    """Whether a covariate is made period by period."""
    return name in ("tenure", "season", "quarter") or (panel is not None and panel.known(name))


def _mute(best: Optimum, spread: np.ndarray) -> np.ndarray:
    """Which coefficients have no number: levels of empty cells, and what the data say nothing about."""
    nothing = coefficients.without_information(spread, best.covariance)
    return nothing if best.held is None else nothing | best.held


def _bare(design: Design) -> Design:
    """Keep a design without its rows."""
    return dataclasses.replace(
        design, columns=tuple(dataclasses.replace(column, values=column.values[:0]) for column in design.columns), rows=0
    )


def _say(kind: str, rows: SpellRows, correction: str) -> str:
    return coefficients.say_covariance(kind, rows.clusters, correction=correction, by=rows.clustered_by)


def _terms(model: Model) -> list[str]:
    return ["(intercept)", *(term for term, keep in zip(model.design.terms, model.design.keep, strict=True) if keep)]


def _table(  # noqa: PLR0913 - a fit and how to show it
    rows: SpellRows,
    periods: PeriodRows,
    model: Model,
    best: Optimum,
    spread: np.ndarray,
    *,
    outcomes: tuple[str, ...],
    level: float,
    df: float | None,
) -> pd.DataFrame:
    back = model.back
    estimate, error = back @ best.beta, coefficients.root_diagonal(back @ spread @ back.T)
    mute = _mute(best, spread)
    estimate, error = (np.where(mute, np.nan, values) for values in (estimate, error))
    kept = np.concatenate([[True], model.design.keep])
    every = ["(intercept)", *model.design.terms]
    keep = np.tile(kept, len(outcomes) - 1)
    counts = np.bincount(periods.rows.outcome, minlength=len(outcomes))[1:]
    n = len(periods.rows)
    body = coefficients.wald_columns(*(coefficients.spread_out(values, keep) for values in (estimate, error)), n, level=level, df=df)
    keys = {"outcome": np.repeat(np.array(outcomes[1:], dtype=object), len(every)), "term": every * (len(outcomes) - 1)}
    extra = {"events": np.repeat(counts, len(every)), "partners": rows.frame["partner"].nunique()}
    return pd.DataFrame(keys | body | extra)


def _marginal(
    model: Model, best: Optimum, spread: np.ndarray, *, outcomes: tuple[str, ...], level: float, df: float | None
) -> pd.DataFrame:
    terms, effect, error = coefficients.marginal_effects(model, best.beta, spread)
    body = coefficients.wald_columns(effect.T.ravel(), error.T.ravel(), len(model.rows), level=level, df=df, ratio=False)
    outcome = np.repeat(np.array(outcomes, dtype=object), len(terms))
    found = pd.DataFrame({"outcome": outcome, "term": terms * len(outcomes)} | body)
    return found[found["outcome"] != "stay"].reset_index(drop=True) if len(outcomes) == 2 else found


def _fit_checks(model: Model, best: Optimum, ran_off: np.ndarray, rows: SpellRows) -> list[Check]:
    terms = _terms(model)
    kinds = model.family.outcomes - 1
    events = int(model.counts[:, 1:].sum(axis=0).min())
    cells = _say_held(model, best, rows)
    found = coefficient_checks(model.design, terms * kinds, ran_off, events=events, converged=best.converged)
    found = [*cells, *found]
    if not isinstance(model.family, Binomial) or rows.cluster is None or rows.clusters == len(model.rows):
        return found
    test = frailty_test(model, best)
    seen = test.p_value < 0.05
    more = (
        f"partners differ beyond their covariates (variance of the log scale about {test.variance:.2g})" if seen else "no more than chance"
    )
    advice = "; ratios are averages over partners, and a falling hazard may be selection." if seen else "."
    said = f"Score test of a frailty shared by a partner's periods: z = {test.statistic:.2f}, {say_p(test.p_value)}: {more}{advice}"
    return [*found, Check("No frailty left", not seen, said)]


def _say_held(model: Model, best: Optimum, rows: SpellRows) -> list[Check]:
    """Say which periods and endings were never seen together."""
    cells = _held_cells(model, best)
    if not cells:
        return []
    outcomes = ("stay", *rows.causes)
    named = ", ".join(f"{outcomes[outcome]} in {'the first' if period is None else period}" for period, outcome in cells[:4])
    more = f" and {len(cells) - 4} more" if len(cells) > 4 else ""
    said = (
        f"{len(cells)} levels of the baseline run off, as these were never seen (or nobody stayed): {named}{more}. They are held out (NaN)"
    )
    return [Check("Empty cells of the baseline", None, f"{said}; all other coefficients are what they are without these cells.")]
