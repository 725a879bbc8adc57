"""Fitting a family of outcomes to counts by pattern, or to rows: estimates, covariances, predictions, mean effects."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from partnerlab.stats.inference.sandwich import FEW_CLUSTERS, jackknife_from_scores, sandwich
from partnerlab.stats.regressions.designs import Column, Design, compress, make_design
from partnerlab.stats.regressions.newton import Optimum, fit, maximize, runs_off
from partnerlab.stats.regressions.ordinal import Cumulative
from partnerlab.stats.regressions.patterns import BLOCK, Patterns, row_blocks

#: With so many rows a fit begins at the estimate from one in `SHARE` of them.
MANY, SHARE = 200_000, 16
#: A design with no more numbers than this is laid out once.
HELD = 20_000_000


class Family(Protocol):
    """What a family of outcomes can do; see `glm.Binomial`."""

    outcomes: int

    def width(self, columns: int) -> int: ...  # noqa: D102 - said where it is done
    def start(self, totals: np.ndarray, columns: int) -> np.ndarray: ...  # noqa: D102
    def evaluate(self, x: np.ndarray, y: np.ndarray, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]: ...  # noqa: D102
    def scores(self, x: np.ndarray, outcome: np.ndarray, beta: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def probabilities(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def slopes(self, x: np.ndarray, beta: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def mean_slopes(self, x: np.ndarray, beta: np.ndarray, weight: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def to_raw(self, centre: np.ndarray, scale: np.ndarray) -> np.ndarray: ...  # noqa: D102


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutcomeRows:
    """Rows with an outcome each.

    Parameters
    ----------
    columns : tuple of Column
        Covariates of the rows.
    outcome : ndarray of int64, shape (n,)
        ``0 .. K-1``.
    weight : ndarray, shape (n,), or None
        How many each row stands for.
    cluster : ndarray of int64, shape (n,), or None
        Partner of each row, ``0 .. G-1``.
    """

    columns: tuple[Column, ...]
    outcome: np.ndarray
    weight: np.ndarray | None = None
    cluster: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.outcome)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """A family over the patterns of rows, or over the rows where covariates are continuous.

    Parameters
    ----------
    family : Family
        What the outcomes are.
    rows : OutcomeRows
        The rows.
    design : Design
        Covariates of patterns, or of rows.
    code : ndarray of int64, shape (n,), or None
        Pattern of each row; None where the design has one row for each.
    counts : ndarray, shape (m, K)
        Rows with each outcome.
    """

    family: Family
    rows: OutcomeRows
    design: Design
    code: np.ndarray | None
    counts: np.ndarray

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Design and counts of one block after another."""
        yield from self._held if self.design.rows * max(self.design.width, 1) <= HELD else self._laid_out()

    @functools.cached_property
    def _held(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return list(self._laid_out())

    def _laid_out(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from ((self.design.lay_out(place), self.counts[place]) for place in self.design.blocks())

    def evaluate(self, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log-likelihood, score and information of all."""
        size = len(beta)
        loglik, score, information = 0.0, np.zeros(size), np.zeros((size, size))
        for x, y in self.blocks():
            found = self.family.evaluate(x, y, beta)
            loglik, score, information = loglik + found[0], score + found[1], information + found[2]
        return loglik, score, information

    def fit(self, *, cells: np.ndarray | None = None) -> tuple[Optimum, np.ndarray]:
        """Maximise; penalised where outcomes are predicted perfectly, see `newton.fit`."""
        expected = None
        if isinstance(self.family, Cumulative):
            expected = dataclasses.replace(self, family=dataclasses.replace(self.family, expected=True)).evaluate
        return fit(self.evaluate, self._start(), cells=cells, expected=expected)

    def _start(self) -> np.ndarray:
        """Where to begin: for many rows at the estimate from a share of them, which saves passes over all."""
        pooled = self.family.start(self.counts.sum(axis=0), self.design.width)
        if self.code is not None or len(self.rows) < MANY:
            return pooled
        some = np.arange(0, len(self.rows), SHARE)
        columns = tuple(column.rows(some) for column in self.design.columns)
        rows = OutcomeRows(
            columns=columns, outcome=self.rows.outcome[some], weight=None if self.rows.weight is None else self.rows.weight[some]
        )
        design = dataclasses.replace(self.design, columns=columns, rows=len(some))
        best = maximize(Model(family=self.family, rows=rows, design=design, code=None, counts=self.counts[some]).evaluate, pooled)
        return best.beta if best.converged and not runs_off(best).any() else pooled

    @property
    def back(self) -> np.ndarray:
        """Matrix from estimated coefficients to those of the covariates as they are."""
        keep = self.design.keep
        return self.family.to_raw(self.design.centre[keep], self.design.scale[keep])

    def cluster_scores(self, beta: np.ndarray) -> np.ndarray:
        """Scores added up by cluster, shape ``(G, P)``; rows are clusters of their own where there are none."""
        table = self._score_table(beta)
        rows = self.rows
        if rows.cluster is None:
            return np.concatenate([self._scores(beta, table, place) for place in row_blocks(len(rows))])
        order = None if (np.diff(rows.cluster) >= 0).all() else np.argsort(rows.cluster, kind="stable")
        totals = np.zeros((int(rows.cluster.max(initial=-1)) + 1, len(beta)))
        for place in row_blocks(len(rows)):
            picked = place if order is None else order[place]
            cluster = rows.cluster[picked]
            first = np.flatnonzero(np.concatenate([[True], cluster[1:] != cluster[:-1]]))
            totals[cluster[first]] += np.add.reduceat(self._scores(beta, table, picked), first, axis=0)
        return totals

    def _score_table(self, beta: np.ndarray) -> np.ndarray | None:
        """Score of each pattern with each outcome, shape ``(m * K, P)``."""
        kinds = self.family.outcomes
        if self.code is None or self.design.rows * kinds * len(beta) > HELD:
            return None
        outcome = np.tile(np.arange(kinds), self.design.rows)
        return self.family.scores(np.repeat(self.design.lay_out(), kinds, axis=0), outcome, beta)

    def _scores(self, beta: np.ndarray, table: np.ndarray | None, place: slice | np.ndarray) -> np.ndarray:
        outcome = self.rows.outcome[place]
        if table is not None:
            found = table[self.code[place] * self.family.outcomes + outcome]
        else:
            at = place if self.code is None else self.code[place]
            found = self.family.scores(self.design.lay_out(at), outcome, beta)
        return found if self.rows.weight is None else found * self.rows.weight[place][:, None]

    def cluster_information(self, beta: np.ndarray) -> np.ndarray:
        """Information of each cluster, shape ``(G, P, P)``; for few clusters."""
        rows = self.rows
        parts = []
        for cluster in range(int(rows.cluster.max(initial=-1)) + 1):
            mine = np.flatnonzero(rows.cluster == cluster)
            at = mine if self.code is None else self.code[mine]
            used, place = np.unique(at, return_inverse=True)
            weight = None if rows.weight is None else rows.weight[mine]
            y = _count_outcomes(place.reshape(-1), rows.outcome[mine], weight, shape=(len(used), self.family.outcomes))
            parts.append(self.family.evaluate(self.design.lay_out(used), y, beta)[2])
        return np.stack(parts)

    def covariance(self, best: Optimum, *, kind: str, correction: str = "HC0") -> np.ndarray:
        """Covariance of estimated coefficients: ``model``, ``cluster`` or ``jackknife``."""
        if kind == "model":
            return best.covariance
        totals = self.cluster_scores(best.beta)
        if kind == "jackknife":
            return jackknife_from_scores(best.information, totals, self.cluster_information(best.beta))
        weight = self.rows.weight
        rows = len(self.rows) if weight is None else int(weight.sum())
        return sandwich(best.covariance, totals, rows=rows if correction == "HC1" else None)


def _count_outcomes(place: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None, *, shape: tuple[int, int]) -> np.ndarray:
    cells = shape[0] * shape[1]
    if cells > BLOCK:
        return np.bincount(place.astype(np.int64) * shape[1] + outcome, weights=weight, minlength=cells).reshape(shape).astype(float)
    found, cell = np.zeros(cells), np.empty(min(BLOCK, len(place)), dtype=np.int64)
    for part in row_blocks(len(place)):
        here = cell[: part.stop - part.start]
        np.multiply(place[part], shape[1], out=here, dtype=np.int64)
        np.add(here, outcome[part], out=here)
        found += np.bincount(here, weights=None if weight is None else weight[part], minlength=cells)
    return found.reshape(shape)


def make_model(rows: OutcomeRows, family: Family, *, grouped: bool | None = None) -> Model:
    """Compress rows to patterns where that helps.

    Parameters
    ----------
    rows : OutcomeRows
        Rows.
    family : Family
        What the outcomes are.
    grouped : bool or None
        Whether to use patterns; None decides by their number.

    Examples
    --------
    >>> from partnerlab.stats.regressions.glm import Binomial
    >>> rows = OutcomeRows(columns=(Column(name="x", values=np.array([0, 0, 1, 1])),), outcome=np.array([0, 1, 1, 1]))
    >>> best, ran_off = make_model(rows, Binomial()).fit()
    >>> best.penalised, bool(ran_off[1])
    (True, True)
    """
    size = len(rows)
    found = None if grouped is False else compress(rows.columns, rows=size)
    if found is None and grouped:
        found = Patterns(code=np.arange(size), first=np.arange(size))
    if found is None:
        counts = _count_outcomes(np.arange(size), rows.outcome, rows.weight, shape=(size, family.outcomes))
        design = make_design(rows.columns, rows=size, weight=rows.weight)
        return Model(family=family, rows=rows, design=design, code=None, counts=counts)
    counts = _count_outcomes(found.code, rows.outcome, rows.weight, shape=(len(found), family.outcomes))
    columns = [column.rows(found.first) for column in rows.columns]
    design = make_design(columns, rows=len(found), weight=counts.sum(axis=1))
    return Model(family=family, rows=rows, design=design, code=found.code, counts=counts)


def few_clusters(rows: OutcomeRows) -> bool:
    """Whether the sandwich would be too small."""
    return rows.cluster is not None and int(rows.cluster.max(initial=-1)) + 1 < FEW_CLUSTERS


def mean_effect(model: Model, beta: np.ndarray, ahead: Sequence[Column], behind: Sequence[Column]) -> tuple[np.ndarray, np.ndarray]:
    """Mean difference of each outcome's chance between two settings of the covariates, and its slope by the coefficients.

    Parameters
    ----------
    model : Model
        Its patterns and counts are averaged over.
    beta : ndarray, shape (P,)
        Coefficients of the standardised design.
    ahead, behind : sequence of Column
        The design's columns with one covariate moved.

    Returns
    -------
    effect : ndarray, shape (K,)
    slope : ndarray, shape (K, P)
        For the delta method: ``slope @ covariance @ slope.T``.
    """
    weight = model.counts.sum(axis=1)
    total = weight.sum()
    effect, slope = np.zeros(model.family.outcomes), np.zeros((model.family.outcomes, len(beta)))
    for columns, sign in ((ahead, 1.0), (behind, -1.0)):
        design = dataclasses.replace(model.design, columns=tuple(columns))
        for place in design.blocks():
            x = design.lay_out(place)
            effect += sign * (weight[place] @ model.family.probabilities(x, beta))
            slope += sign * model.family.mean_slopes(x, beta, weight[place])
    return effect / total, slope / total


def predict_chances(family: Family, design: Design, beta: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chance of each outcome for each row of a design, and its delta-method standard error, both ``(b, K)``."""
    chances, errors = [], []
    for place in design.blocks():
        x = design.lay_out(place)
        slope = family.slopes(x, beta)
        chances.append(family.probabilities(x, beta))
        errors.append(np.sqrt(np.maximum(np.einsum("bkp,pq,bkq->bk", slope, covariance, slope, optimize=True), 0.0)))
    none = np.zeros((0, family.outcomes))
    return np.concatenate([none, *chances]), np.concatenate([none, *errors])
