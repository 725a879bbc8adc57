"""Cox's partial likelihood, on patterns or on rows: ties, strata, (entry, exit], weights, and who pulls it where.

Breslow (1974) and Efron (1977) ties are one sum: at a slot with ``d`` events Efron removes ``k / d`` of those who
have the event from the risk set, ``k = 0 .. d-1``, and Breslow removes none. With many ties that sum over ``k`` is
taken by Gauss quadrature for the uniform grid, whose nodes are roots of discrete Chebyshev polynomials.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.hazards.risk_slots import RiskSums, RowSums, Slots
from partnerlab.stats.regressions.designs import Design
from partnerlab.stats.regressions.newton import Optimum, fit

Ties = Literal["efron", "breslow"]

#: Nodes of the quadrature; it is used where there are more ties than twice as many.
NODES = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steps:
    """The steps into which each slot is cut: share removed from the risk set, and weight.

    Parameters
    ----------
    slot : ndarray of int64, shape (s,)
        Slot of each step, ascending.
    share : ndarray, shape (s,)
        Share of those with the event that is no longer at risk.
    weight : ndarray, shape (s,)
        Weight of the step; adds up to the weight of the slot's events.
    first : ndarray of int64, shape (J,)
        First step of each slot.
    """

    slot: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    first: np.ndarray

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum steps by slot, shape ``(J,)``."""
        return np.add.reduceat(values, self.first) if len(self.first) else np.zeros(0)


def cut_steps(count: np.ndarray, weight: np.ndarray, *, ties: Ties, crowded: np.ndarray | None = None) -> Steps:
    """Cut slots into steps.

    Parameters
    ----------
    count, weight : ndarray, shape (J,)
        Events at each slot, and their weight.
    ties : {"efron", "breslow"}
        How ties count.
    crowded : ndarray of bool, shape (J,), or None
        Slots where those with the event are most of those at risk: there every step is taken.

    Examples
    --------
    >>> cut_steps(np.array([1, 2]), np.array([1.0, 2.0]), ties="efron").share.tolist()
    [0.0, 0.0, 0.5]
    """
    slots = len(count)
    if ties == "breslow":
        every = np.arange(slots)
        return Steps(slot=every, share=np.zeros(slots), weight=np.asarray(weight, dtype=float), first=every)
    many = count > 2 * NODES
    if crowded is not None:
        many &= ~crowded
    steps = np.where(many, NODES, count).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(steps)[:-1]]).astype(np.int64) if slots else np.zeros(0, dtype=np.int64)
    slot = np.repeat(np.arange(slots), steps)
    place = np.arange(len(slot)) - first[slot]
    share, part = place / count[slot], (weight / count)[slot]
    if many.any():
        nodes, chance = uniform_nodes(count[many], NODES)
        mine = many[slot]
        share[mine], part[mine] = nodes.ravel(), (chance * weight[many][:, None]).ravel()
    return Steps(slot=slot, share=share, weight=part, first=first)


def uniform_nodes(count: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss quadrature for the uniform distribution on ``0, 1/d, ..., (d-1)/d`` (Golub and Welsch 1969).

    Returns
    -------
    place, chance : ndarray, shape (g, nodes)
        Exact for polynomials of degree ``2 * nodes - 1``.

    Examples
    --------
    >>> place, chance = uniform_nodes(np.array([100]), 5)
    >>> round(float((chance / (2.0 - place)).sum()), 12) == round(float((1 / (2.0 - np.arange(100) / 100)).mean()), 12)
    False
    >>> place, chance = uniform_nodes(np.array([100]), 12)
    >>> round(float((chance / (2.0 - place)).sum()), 12) == round(float((1 / (2.0 - np.arange(100) / 100)).mean()), 12)
    True
    """
    size, order = np.asarray(count, dtype=float)[:, None], np.arange(1, nodes, dtype=float)
    beside = np.sqrt(order**2 * (size**2 - order**2) / (4.0 * (4.0 * order**2 - 1.0)))
    jacobi = np.zeros((len(size), nodes, nodes))
    at = np.arange(nodes)
    jacobi[:, at, at] = (size - 1.0) / 2.0
    jacobi[:, at[:-1], at[1:]] = beside
    jacobi[:, at[1:], at[:-1]] = beside
    place, vectors = np.linalg.eigh(jacobi)
    return place / size, vectors[:, 0, :] ** 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Partial:
    """A partial likelihood, ready to be evaluated.

    Parameters
    ----------
    design : ndarray, shape (m, p)
        Standardised covariates of patterns or rows.
    sums : RiskSums
        Sums over risk sets.
    steps : Steps
        How ties are cut.
    """

    design: np.ndarray
    sums: RiskSums
    steps: Steps

    def terms(self, beta: np.ndarray) -> SlotTerms:
        """Everything that is summed by slot, at a coefficient vector."""
        ratio = np.exp(np.clip(self.design @ beta, -300, 300))
        both = np.empty((len(ratio), self.design.shape[1] + 1))
        both[:, 0] = ratio
        np.multiply(self.design, ratio[:, None], out=both[:, 1:])
        at_risk = self.sums.risk(both)
        tied = bool((self.steps.share > 0).any())
        died = self.sums.died(both) if tied else np.zeros_like(at_risk)
        steps = self.steps
        left = at_risk[steps.slot, 0] - steps.share * died[steps.slot, 0]
        one, two = steps.weight / left, steps.weight / left**2
        moments = [steps.total(values) for values in (one, one * steps.share, two, two * steps.share, two * steps.share**2)]
        return SlotTerms(ratio=ratio, at_risk=at_risk[:, 1:], died=died[:, 1:], left=left, moments=moments, steps=steps)

    def evaluate(self, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log-likelihood, score and information."""
        found = self.terms(beta)
        if not (found.left > 0).all():
            return -np.inf, np.zeros(len(beta)), np.eye(len(beta))
        a, b = found.moments[:2]
        events = self.sums.at_event(np.ones(len(a)))
        loglik = float(events @ (self.design @ beta) - self.steps.weight @ np.log(found.left))
        spread = self.sums.exposure(a)
        if (b > 0).any():
            spread = spread - self.sums.at_event(b)
        spread = spread * found.ratio
        score = self.design.T @ (events - spread)
        return loglik, score, self.design.T @ (self.design * spread[:, None]) - found.outer()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlotTerms:
    """Sums by slot at a coefficient vector: risk sets, those with the event, and moments over the steps.

    ``moments`` are sums over a slot's steps of ``w/S, w f/S, w/S^2, w f/S^2, w f^2/S^2`` with ``S`` what is left of the
    risk set and ``f`` the share removed.
    """

    ratio: np.ndarray
    at_risk: np.ndarray
    died: np.ndarray
    left: np.ndarray
    moments: list[np.ndarray]
    steps: Steps

    @property
    def hazard(self) -> np.ndarray:
        """Steps of the baseline cumulative hazard, for the centred design, shape ``(J,)``."""
        return self.moments[0]

    def outer(self, per_slot: np.ndarray | None = None) -> np.ndarray:
        """Sum over steps of the outer product of the risk set's mean, shape ``(p, p)``; slots weighted if asked."""
        c0, c1, c2 = (self.moments[k] if per_slot is None else self.moments[k] * per_slot for k in (2, 3, 4))
        cross = self.at_risk.T @ (self.died * c1[:, None])
        whole = self.at_risk.T @ (self.at_risk * c0[:, None]) + self.died.T @ (self.died * c2[:, None])
        return whole - cross - cross.T

    def means(self) -> np.ndarray:
        """Mean covariates of the risk set, averaged over a slot's steps, shape ``(J, p)``."""
        a, b = self.moments[:2]
        total = self.steps.total(self.steps.weight)
        return (self.at_risk * a[:, None] - self.died * b[:, None]) / total[:, None]

    def drift(self) -> tuple[np.ndarray, np.ndarray]:
        """Add up over steps ``w/S`` times the mean, and of ``w f/S`` times it, both ``(J, p)``."""
        c0, c1, c2 = self.moments[2:]
        return self.at_risk * c0[:, None] - self.died * c1[:, None], self.at_risk * c1[:, None] - self.died * c2[:, None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoxRows:
    """The rows behind a Cox fit.

    Parameters
    ----------
    slots : Slots
        Where each row is at risk.
    event : ndarray of bool, shape (n,)
        Whether it ended in the event.
    weight : ndarray, shape (n,), or None
        Case weights.
    code : ndarray of int64, shape (n,), or None
        Pattern of each row; None where the design has a row for each.
    """

    slots: Slots
    event: np.ndarray
    weight: np.ndarray | None = None
    code: np.ndarray | None = None


def make_partial(rows: CoxRows, design: Design, sums: RiskSums, *, ties: Ties = "efron") -> Partial:
    """Put design, risk sets and ties together."""
    weight = sums.died(np.ones((design.rows, 1)))[:, 0]
    count = weight.round().astype(np.int64)
    if rows.weight is not None:
        count = np.bincount(rows.slots.hi[rows.event] - 1, minlength=len(rows.slots))
    at_risk = sums.risk(np.ones((design.rows, 1)))[:, 0]
    return Partial(design=design.lay_out(), sums=sums, steps=cut_steps(count, weight, ties=ties, crowded=weight > 0.5 * at_risk))


def fit_cox(partial: Partial) -> tuple[Optimum, np.ndarray]:
    """Maximise a partial likelihood; penalised where a covariate separates, see `newton.fit`."""
    return fit(partial.evaluate, np.zeros(partial.design.shape[1]))


def score_rows(
    partial: Partial, rows: CoxRows, beta: np.ndarray, *, per_slot: np.ndarray | None = None, tail: RowSums | None = None
) -> np.ndarray:
    """Score residuals of each row (Lin and Wei 1989), Efron's and strata included, shape ``(n, p)``.

    Parameters
    ----------
    partial, rows
        The model and its rows.
    beta : ndarray, shape (p,)
        Coefficients.
    per_slot : ndarray, shape (J,), or None
        Weights of slots, for scores that change with time.
    tail : RowSums or None
        Rows that stay at risk after their end.
    """
    found = partial.terms(beta)
    scale = np.ones(len(rows.slots)) if per_slot is None else per_slot
    a, b = (values * scale for values in found.moments[:2])
    drift, taken = (values * scale[:, None] for values in found.drift())
    design = partial.design if rows.code is None else partial.design[rows.code]
    ratio = found.ratio if rows.code is None else found.ratio[rows.code]
    lo, hi = rows.slots.begins, rows.slots.hi
    run_a, run_drift = _running(a), _running(drift)
    out = -ratio[:, None] * (design * (run_a[hi] - run_a[lo])[:, None] - (run_drift[hi] - run_drift[lo]))
    died = np.flatnonzero(rows.event)
    at = hi[died] - 1
    out[died] += scale[at, None] * (design[died] - found.means()[at])
    out[died] += ratio[died, None] * (design[died] * b[at, None] - taken[at])
    if tail is not None and tail.tail is not None:
        late, chance = tail.tail.rows, tail.tail.chance
        run_a, run_drift = _running(a * chance), _running(drift * chance[:, None])
        end = rows.slots.ends(late)
        lag = design[late] * (run_a[end] - run_a[hi[late]])[:, None] - (run_drift[end] - run_drift[hi[late]])
        out[late] -= (ratio[late] * tail.tail.inverse)[:, None] * lag
    return out if rows.weight is None else out * rows.weight[:, None]


def _running(values: np.ndarray) -> np.ndarray:
    """Totals of the slots before each, shape ``(J + 1, ...)``."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
