"""A Cox model from rows to estimates: compressed where it can be, penalised where it must, with the covariance asked for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

import numpy as np

from partnerlab.errors import SampleError
from partnerlab.stats.hazards.cox import CoxRows, Partial, make_partial, score_rows
from partnerlab.stats.hazards.cox_exact import MOST_STEPS, exact_likelihood, recursion_steps
from partnerlab.stats.hazards.fine_gray import Censoring, censoring_scores, make_tail
from partnerlab.stats.hazards.risk_slots import RowSums, find_slots, tabulate_sums
from partnerlab.stats.inference.sandwich import jackknife_from_estimates, sandwich, sum_clusters
from partnerlab.stats.regressions.designs import Column, Design, compress, independent_columns, make_design
from partnerlab.stats.regressions.newton import Optimum, fit
from partnerlab.stats.regressions.patterns import count_patterns

TiesAsked = Literal["efron", "breslow", "exact"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoxData:
    """Rows of a Cox model, arrays of shape ``(n,)``.

    Parameters
    ----------
    columns : tuple of Column
        Covariates.
    exits : ndarray
        End of each row.
    event : ndarray of bool
        Whether it ended in the event.
    entry, stratum, weight, cluster : ndarray or None
        Start; stratum; case weight; partner, ``0 .. G-1``.
    competing : ndarray of bool or None
        Rows that ended in another way and stay at risk with a fading weight (Fine and Gray).
    after : bool
        Whether events come before censoring at tied times, for those weights.
    """

    columns: tuple[Column, ...]
    exits: np.ndarray
    event: np.ndarray
    entry: np.ndarray | None = None
    stratum: np.ndarray | None = None
    weight: np.ndarray | None = None
    cluster: np.ndarray | None = None
    competing: np.ndarray | None = None
    after: bool = False

    def __len__(self) -> int:
        return len(self.exits)

    @property
    def observed(self) -> Censoring:
        """How long rows were under observation."""
        return Censoring(exits=self.exits, entry=self.entry, censored=~self.event & ~self.competing, after=self.after)

    def select(self, keep: np.ndarray) -> CoxData:
        """Keep some rows."""
        arrays = ("exits", "event", "entry", "stratum", "weight", "cluster", "competing")
        kept = {name: getattr(self, name)[keep] for name in arrays if getattr(self, name) is not None}
        return dataclasses.replace(self, columns=tuple(column.rows(keep) for column in self.columns), **kept)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoxFit:
    """A fitted Cox model.

    Parameters
    ----------
    data : CoxData
        The rows.
    rows : CoxRows
        Where they are at risk.
    design : Design
        Covariates of patterns, or of rows.
    partial : Partial
        The likelihood (of Breslow's or Efron's ties).
    best : Optimum
        Where it is highest.
    ran_off : ndarray of bool, shape (p,)
        Coefficients that the data separate.
    ties : {"efron", "breslow", "exact"}
        How ties count.
    """

    data: CoxData
    rows: CoxRows
    design: Design
    partial: Partial
    best: Optimum
    ran_off: np.ndarray
    ties: TiesAsked

    @property
    def scale(self) -> np.ndarray:
        """What estimated coefficients are divided by to be those of the covariates as they are."""
        return self.design.scale[self.design.keep]

    @property
    def terms(self) -> list[str]:
        """Names of the estimated coefficients."""
        return [term for term, keep in zip(self.design.terms, self.design.keep, strict=True) if keep]

    @functools.cached_property
    def _tail(self) -> RowSums | None:
        if self.data.competing is None:
            return None
        return make_row_sums(self.data, self.rows)

    def scores(self) -> np.ndarray:
        """Score residuals, shape ``(n, p)``; for Fine and Gray's model with what the estimated weights add."""
        found = score_rows(self.partial, self.rows, self.best.beta, tail=self._tail)
        if self._tail is None or self.data.after or self.data.entry is not None:
            return found
        return found + censoring_scores(self.partial, self.rows, self.best.beta, sums=self._tail, observed=self.data.observed)

    def covariance(self, *, kind: str, correction: str = "HC0") -> np.ndarray:
        """Covariance of the standardised coefficients: ``model``, ``cluster`` or ``jackknife``."""
        if kind == "model":
            return self.best.covariance
        if kind == "jackknife":
            return self._jackknife()
        cluster = np.arange(len(self.data)) if self.data.cluster is None else self.data.cluster
        totals = sum_clusters(self.scores(), cluster)
        return sandwich(self.best.covariance, totals, rows=len(self.data) if correction == "HC1" else None)

    def _jackknife(self) -> np.ndarray:
        """Leave out one cluster at a time; there are few, and each fit starts where the whole one ended."""
        apart = []
        for cluster in range(int(self.data.cluster.max(initial=-1)) + 1):
            rest = self.data.select(self.data.cluster != cluster)
            # where one partner has all the events, or alone bridges a gap in what is observed, nothing is left to fit
            alone = np.full(len(self.best.beta), np.nan)
            told = rest.event.any() and (rest.competing is None or rest.observed.last_gap() is None)
            apart.append(fit_cox_data(rest, ties=self.ties, like=self).best.beta - self.best.beta if told else alone)
        return jackknife_from_estimates(np.array(apart))


def make_row_sums(data: CoxData, rows: CoxRows) -> RowSums:
    """Make sums over the rows themselves."""
    weight = np.ones(len(data)) if data.weight is None else data.weight
    tail = None if data.competing is None else make_tail(rows.slots, observed=data.observed, competing=data.competing)
    return RowSums(slots=rows.slots, event=data.event, weight=weight, tail=tail)


def fit_cox_data(
    data: CoxData,
    *,
    ties: TiesAsked = "efron",
    like: CoxFit | None = None,
    grouped: bool | None = None,
    parts: np.ndarray | None = None,
) -> CoxFit:
    """Fit a Cox model.

    Parameters
    ----------
    data : CoxData
        The rows.
    ties : {"efron", "breslow", "exact"}
        How tied times count; exact is for small data and for times that are truly discrete.
    like : CoxFit or None
        A fit whose standardisation to keep and from whose estimate to start.
    grouped : bool or None
        False forbids compression.
    parts : ndarray of int or None
        Part of the model that each term belongs to, where parts share neither strata nor terms, as moves of a multi-state
        model do: where one is separated the others are not penalised.

    Raises
    ------
    SampleError
        If nothing happened, or exact ties would take too long.

    Examples
    --------
    >>> column = Column(name="x", values=np.array([0.0, 1.0, 0.0, 1.0]))
    >>> data = CoxData(columns=(column,), exits=np.array([1.0, 2.0, 3.0, 4.0]), event=np.ones(4, dtype=bool))
    >>> fitted = fit_cox_data(data)
    >>> (fitted.best.beta / fitted.scale).round(3).tolist()
    [-0.941]
    """
    if not data.event.any():
        raise SampleError(f"no row of {len(data)} ended in the event; there is nothing to explain")
    slots = find_slots(data.exits, event=data.event, entry=data.entry, stratum=data.stratum)
    found = None if grouped is False or ties == "exact" else compress(data.columns, rows=len(data))
    sums, code = None, None
    if found is not None:
        tail = None if data.competing is None else make_tail(slots, observed=data.observed, competing=data.competing)
        sums = tabulate_sums(slots, event=data.event, code=found.code, patterns=len(found), weight=data.weight, tail=tail)
        code = None if sums is None else found.code
    rows = CoxRows(slots=slots, event=data.event, weight=data.weight, code=code)
    if sums is None:
        sums, columns, count = make_row_sums(data, rows), data.columns, data.weight
    else:
        columns = tuple(column.rows(found.first) for column in data.columns)
        count = count_patterns(found.code, len(found), weight=data.weight)
    design = make_design(columns, rows=len(data) if code is None else len(found), weight=count)
    if like is not None:
        design = dataclasses.replace(design, centre=like.design.centre, scale=like.design.scale, keep=like.design.keep)
    partial = make_partial(rows, design, sums, ties="efron" if ties == "efron" else "breslow")
    if like is not None:
        best, ran_off = fit(_likelihood(partial, rows, ties), like.best.beta)
        return CoxFit(data=data, rows=rows, design=design, partial=partial, best=best, ran_off=ran_off, ties=ties)
    first = partial.evaluate(np.zeros(design.width))
    # a covariate that is constant within strata, or among those at risk, says nothing of hazards
    telling = independent_columns(first[2], np.diag(first[2]) > 1e-10 * partial.steps.weight.sum())
    if not telling.all():
        keep = design.keep.copy()
        keep[keep] = telling
        design = dataclasses.replace(design, keep=keep)
        partial, first = dataclasses.replace(partial, design=design.lay_out()), None
    evaluate = _likelihood(partial, rows, ties)
    apart = None if parts is None else np.asarray(parts)[design.keep]
    best, ran_off = fit(evaluate, np.zeros(design.width), first=None if ties == "exact" else first, parts=apart)
    return CoxFit(data=data, rows=rows, design=design, partial=partial, best=best, ran_off=ran_off, ties=ties)


def _likelihood(partial: Partial, rows: CoxRows, ties: TiesAsked):
    if ties != "exact":
        return partial.evaluate
    steps = recursion_steps(rows.slots, rows.event)
    if steps > MOST_STEPS:
        raise SampleError(f"exact ties would take {steps:,} steps (at most {MOST_STEPS:,}); use ties='efron', or a discrete hazard model")
    return functools.partial(exact_likelihood, partial.design, rows.slots, rows.event)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Baseline:
    """Cumulative hazard at the centre of the covariates, and what its variance needs; arrays by slot.

    Parameters
    ----------
    time, stratum : ndarray, shape (J,)
        Slots.
    hazard, squares : ndarray, shape (J,)
        Steps of the hazard, and of its variance (Tsiatis 1981).
    drift : ndarray, shape (J, p)
        Steps of the hazard times the risk set's mean covariates.
    """

    time: np.ndarray
    stratum: np.ndarray
    hazard: np.ndarray
    squares: np.ndarray
    drift: np.ndarray

    def cumulative(self, x: np.ndarray, *, stratum: int, times: np.ndarray, beta: np.ndarray, covariance: np.ndarray):
        """Cumulative hazards of rows of the design at times, and their standard errors, both ``(b, t)``."""
        mine = self.stratum == stratum
        upto = np.searchsorted(self.time[mine], times, side="right")
        run = [np.concatenate([np.zeros((1, *part.shape[1:])), np.cumsum(part[mine], axis=0)])[upto] for part in self._steps()]
        ratio = np.exp(x @ beta)[:, None]
        lean = x[:, None, :] * run[0][None, :, None] - run[2][None]
        variance = ratio**2 * (run[1][None] + np.einsum("btp,pq,btq->bt", lean, covariance, lean))
        return ratio * run[0][None], np.sqrt(np.maximum(variance, 0.0))

    def _steps(self) -> Sequence[np.ndarray]:
        return self.hazard, self.squares, self.drift


def make_baseline(fitted: CoxFit) -> Baseline:
    """Breslow's or Efron's estimate of the cumulative hazard at the centre of the covariates."""
    found = fitted.partial.terms(fitted.best.beta)
    slots = fitted.rows.slots
    return Baseline(time=slots.time, stratum=slots.stratum, hazard=found.hazard, squares=found.moments[2], drift=found.drift()[0])
