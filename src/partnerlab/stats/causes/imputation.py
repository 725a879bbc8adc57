"""Effects of a staggered treatment by imputing what the treated would have had: unit and period effects of the untreated cells.

Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91; Gardner (2022) has the same point estimates.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.causes.did import NEVER
from partnerlab.stats.causes.group_lines import independent
from partnerlab.stats.causes.two_way import event_times, remove_two_way, solve_two_way


@dataclasses.dataclass(frozen=True, kw_only=True)
class Imputation:
    """Averages of imputed effects.

    Parameters
    ----------
    att : float array, shape (m,)
        NaN where a target has no cell that can be imputed.
    influence : float array, shape (n, m)
        What each unit adds: ``sqrt(sum(influence ** 2))`` over clusters' sums is the standard error. It is conservative where
        effects vary within a group and period.
    cells : int array, shape (m,)
        Treated cells behind each target.
    """

    att: np.ndarray
    influence: np.ndarray
    cells: np.ndarray


def impute_effects(outcome: np.ndarray, adopted: np.ndarray, *, targets: np.ndarray, covariates: np.ndarray | None = None) -> Imputation:
    """Average imputed effects over sets of treated cells.

    Parameters
    ----------
    outcome : float array, shape (n, t)
        NaN where not observed.
    adopted : int array, shape (n,)
        Period of adoption; `NEVER`.
    targets : bool array, shape (n, t, m)
        Treated cells to average; those of units or periods without untreated cells are left out.
    covariates : float array, shape (n, t, q), optional
        Lines through the untreated cells that are imputed with, known wherever the outcome is; one that repeats others, or the
        effects of units and periods, is left out.

    Examples
    --------
    >>> outcome = np.array([[1.0, 4.0], [2.0, 3.0], [0.0, 1.0]])
    >>> impute_effects(outcome, np.array([1, -1, -1]), targets=np.array([[0, 1], [0, 0], [0, 0]], dtype=bool)[:, :, None]).att.tolist()
    [2.0]
    """
    seen = np.isfinite(outcome)
    on = seen & (event_times(adopted, outcome.shape[1]) >= 0) & (adopted != NEVER)[:, None]
    off = seen & ~on
    linked = off.any(axis=1)[:, None] & off.any(axis=0)[None, :]
    filled = np.nan_to_num(outcome)[:, :, None]
    lines = _Lines.fit(filled, covariates, off)
    filled = filled - lines.expected[:, :, None]
    unit, period = solve_two_way(np.where(off[:, :, None], filled, 0.0), off)
    effect = (filled - unit[:, None, :] - period[None, :, :])[:, :, 0]
    chosen = targets & (on & linked)[:, :, None]
    count = chosen.sum(axis=(0, 1))
    weight = chosen / np.maximum(count, 1)
    att = np.where(count > 0, np.einsum("ntm,nt->m", weight, effect), np.nan)
    # the weights that the average puts on untreated cells: minus the effects that match the sums of the treated ones
    a, b = solve_two_way(weight, off)
    matched = a[:, None, :] + b[None, :, :]
    weight = np.where(off[:, :, None], -(matched + lines.match(weight - np.where(off[:, :, None], matched, 0.0))), weight)
    rest = remove_two_way(filled, off)[:, :, 0]
    influence = np.empty((len(outcome), targets.shape[2]))
    for target in range(targets.shape[2]):
        v = weight[:, :, target]
        influence[:, target] = (v * np.where(on, effect - _usual(effect, v, on, adopted), rest)).sum(axis=1)
    influence[:, count == 0] = np.nan
    return Imputation(att=att, influence=influence, cells=count)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Lines:
    """Covariates' lines through the untreated cells: the columns, what is left of them beside unit and period effects, what they expect."""

    columns: np.ndarray
    apart: np.ndarray
    expected: np.ndarray

    @classmethod
    def fit(cls, filled: np.ndarray, covariates: np.ndarray | None, off: np.ndarray) -> _Lines:
        """Least squares of the untreated cells."""
        columns = np.zeros((*off.shape, 0)) if covariates is None else np.nan_to_num(covariates)
        apart = remove_two_way(columns, off)
        raw = np.where(off[:, :, None], columns, 0.0)
        gram = np.einsum("nta,ntb->ab", apart, apart)
        kept = independent(gram, within=np.diag(gram), raw=np.einsum("nta,nta->a", raw, raw))
        columns, apart, gram = columns[:, :, kept], apart[:, :, kept], gram[np.ix_(kept, kept)]
        slopes = np.linalg.solve(gram, np.einsum("nta,nt->a", apart, filled[:, :, 0]))
        return cls(columns=columns, apart=apart, expected=columns @ slopes)

    def match(self, weight: np.ndarray) -> np.ndarray:
        """Weights on the untreated cells that leave sums by unit and period alone and match the columns' weighted sums."""
        gram = np.einsum("nta,ntb->ab", self.apart, self.apart)
        return self.apart @ np.linalg.solve(gram, np.einsum("nta,ntm->am", self.columns, weight))


def _usual(effect: np.ndarray, weight: np.ndarray, on: np.ndarray, adopted: np.ndarray) -> np.ndarray:
    """Average effect of each group and period, by squared weights: what is taken out before errors are summed."""
    usual = np.zeros_like(effect)
    for group in np.unique(adopted[adopted != NEVER]):
        members = adopted == group
        squared = weight[members] ** 2 * on[members]
        total = squared.sum(axis=0)
        mean = np.divide((squared * effect[members]).sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
        usual[members] = mean
    return usual
