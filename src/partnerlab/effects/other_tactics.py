"""Other tactics that ran beside one that stays on: what they did, seen where it was not yet on, taken out of the outcome."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.effects.sample import shift
from partnerlab.effects.tactic_panel import NEVER, TacticPanel
from partnerlab.errors import SampleError
from partnerlab.results import Check
from partnerlab.stats.causes.did import GroupTimeEffects, UnitInfluence
from partnerlab.stats.causes.two_way import event_times, remove_two_way
from partnerlab.words import say_list, say_number

#: A tactic that varies less than this, once partners and quarters are taken out, tells nothing of itself.
STILL = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherTactics:
    """Effects of other tactics, in the quarter and the one after.

    Parameters
    ----------
    values : float array, shape (n, t, m)
        Each tactic in the quarter and in the one before, of the partners kept.
    effects : float array, shape (m,)
        What each adds to the outcome.
    influence : float array, shape (n, m)
        Influence of each partner on ``effects``; squares sum to variances.
    check : Check
    """

    values: np.ndarray
    effects: np.ndarray
    influence: np.ndarray
    check: Check

    def take_out(self, outcome: np.ndarray) -> np.ndarray:
        """Outcome less what the other tactics added; NaN where it is not known whether they ran."""
        return outcome - self.values @ self.effects


def learn_others(
    panel: TacticPanel, keep: np.ndarray, adopted: np.ndarray, covariates: np.ndarray | None, *, tactic: str
) -> OtherTactics | None:
    """Learn what other tactics did from partner-quarters without this one, partners and quarters taken out.

    A tactic's carry-over is its effect one quarter later. Before the panel begins other tactics are taken to be as in its first quarter.

    Parameters
    ----------
    panel : TacticPanel
    keep : bool array, shape (n,)
        Partners looked at.
    adopted : int array, shape (k,)
        Their columns of adoption.
    covariates : float array, shape (k, t, c) or None
        What bends their trends: taken out as levels and as slopes in time.
    tactic : str
        For the message.

    Raises
    ------
    SampleError
        If another tactic hardly ever ran without this one: nothing tells them apart.
    """
    if not panel.others:
        return None
    columns, names = [], []
    for name, on in panel.others.items():
        now = on[keep]
        before = shift(now, 1)
        before[:, 0] = now[:, 0]
        columns += [now, before]
        names += [name, f"{name} 1 quarter before"]
    values = np.stack(columns, axis=2)
    periods = values.shape[1]
    without = ~((event_times(adopted, periods) >= 0) & (adopted != NEVER)[:, None])
    beside = np.zeros((*values.shape[:2], 0))
    if covariates is not None:
        beside = np.concatenate([covariates, covariates * np.linspace(-1, 1, periods)[None, :, None]], axis=2)
    whole = np.concatenate([values, beside], axis=2)
    outcome = panel.outcome[keep]
    used = without & np.isfinite(outcome) & np.isfinite(whole).all(axis=2)
    rest = remove_two_way(np.concatenate([np.nan_to_num(whole), np.nan_to_num(outcome)[:, :, None]], axis=2), used)
    x, y = rest[used][:, :-1], rest[used][:, -1]
    moves = np.abs(x[:, : len(names)]).max(axis=0, initial=0.0) > STILL
    alone = [name for name, live, column in zip(names, moves, columns, strict=True) if not live and np.nanstd(column) > 0]
    if alone:
        raise SampleError(
            f"{tactic}: {say_list(alone)} never changes while it is not on, so nothing tells the two apart; leave one of them out"
        )
    gram = np.linalg.pinv(x.T @ x, hermitian=True)
    slopes = gram @ (x.T @ y)
    partner = np.nonzero(used)[0]
    scores = x * (y - x @ slopes)[:, None]
    sums = np.stack([np.bincount(partner, column, minlength=len(outcome)) for column in scores.T], axis=1)
    found = slopes[: len(names)]
    said = say_list([f"{name} {say_number(float(effect), digits=2)}" for name, effect in zip(names, found, strict=True)])
    return OtherTactics(values=values, effects=found, influence=(sums @ gram)[:, : len(names)],
                        check=Check("other tactics", None, f"taken out of the outcome, as seen without {tactic}: {said}"))  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class _WithOthers:
    """Influence of units on cells, less what the other tactics' effects, learned from all units, move."""

    cells: UnitInfluence
    others: np.ndarray
    ran: np.ndarray

    def average(self, weights: np.ndarray) -> np.ndarray:
        return self.cells.average(weights) - len(self.others) * self.others @ (np.nan_to_num(self.ran).T @ weights)


def add_error_of_others(effects: GroupTimeEffects, others: OtherTactics, ran: np.ndarray) -> UnitInfluence:
    """Influence of units on cells, the error of the other tactics' effects counted.

    Parameters
    ----------
    effects : GroupTimeEffects
        Of the outcome with others taken out.
    others : OtherTactics
    ran : float array, shape (c, m)
        The same cells' estimates with each column of ``others.values`` for an outcome: cells are linear in the outcome.
    """
    return _WithOthers(cells=effects.by_unit, others=others.influence, ran=ran)
