"""How mobile partners are, in one number, and where it would lead if it went on: indices with intervals, steady state."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.curves.clustered_curves import sum_by_cluster
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.states import mobility as arrays
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.generator import log_bounds
from partnerlab.transitions.pair_building import build_transitions
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.state_paths import share_bounds


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobilityEstimate(Result):
    """Mobility of partners between states in one step.

    The table has keys ``[by?, index]`` (``shorrocks``, ``determinant``, ``eigenvalue``, ``bartholomew``), the tidy columns and
    ``meaning``; ``stays`` has ``[by?, state]`` and the mean number of steps in a state before it is left (Prais).

    Parameters
    ----------
    states : tuple of str
        States looked at.
    stays : DataFrame
        Mean exit times.
    by : str or None
        Attribute that the first key column holds.
    """

    title: ClassVar[str] = "Mobility between tiers"

    states: tuple[str, ...] = ()
    stays: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    by: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SteadyState(Result):
    """Shares of the states that one-step moves would lead to, if they went on as they are.

    The table has keys ``[state]``, the tidy columns (``n``: pairs) and ``now`` (share of the pairs that began there).

    Parameters
    ----------
    states : tuple of str
        States in order.
    half_life : float
        Steps after which half of a difference from the steady state is gone.
    """

    title: ClassVar[str] = "Steady state"

    states: tuple[str, ...] = ()
    half_life: float = float("nan")


MEANINGS = {
    "shorrocks": "0: nobody moves; 1: the next tier does not depend on this one",
    "determinant": "the same, by the determinant",
    "eigenvalue": "what is left of a difference after one step",
    "bartholomew": "tiers crossed in one step",
}


def estimate_mobility(
    transitions: Transitions | TierHistory, *, among: Sequence[str] | None = None, by: str | None = None, level: float = 0.95
) -> MobilityEstimate:
    """Estimate how mobile partners are between tiers: indices of the one-step matrix, with intervals.

    Parameters
    ----------
    transitions : Transitions or TierHistory
    among : sequence of str, optional
        States to look at; pairs that leave them are not counted. All that are ever left by default.
    by : str, optional
        Covariate, attribute or ``quarter`` that forms groups.
    level : float
        Coverage; intervals on the log scale with t on the partners less one.

    Returns
    -------
    MobilityEstimate
        Standard errors by the influence of each partner (sandwich); ``bartholomew`` only where states stand in order. It is
        not divided by the number of states less one, as some authors do.

    Raises
    ------
    ParameterError
        If a state or attribute does not exist.
    SampleError
        If fewer than two states are left by anybody.

    Examples
    --------
    >>> counts = pd.DataFrame([[80, 20], [40, 60]], index=["Gold", "Base"], columns=["Gold", "Base"])
    >>> found = estimate_mobility(Transitions.from_matrix(counts))
    >>> found.table[["index", "estimate"]].round(3).to_numpy().tolist()[:2]
    [['shorrocks', 0.6], ['determinant', 0.6]]
    """
    check_level(level)
    pairs = _read_pairs(transitions)
    states, pairs = _among(pairs, among)
    groups, labels = _groups(pairs, by)
    rows, stays = [], []
    for index, label in enumerate(labels):
        own = pairs.select(groups == index)
        lead = {} if by is None else {by: label}
        rows += [{**lead, **row} for row in _indices(own, states, level)]
        stays += [{**lead, **row} for row in _stays(own, states, level)]
    return MobilityEstimate(
        estimand="How much partners move between tiers in one step", table=pd.DataFrame(rows),
        checks=(*pairs.checks, *_say_partners(pairs)), level=level, states=states, stays=pd.DataFrame(stays), by=by,
    )  # fmt: skip


def estimate_steady_state(
    transitions: Transitions | TierHistory, *, among: Sequence[str] | None = None, level: float = 0.95
) -> SteadyState:
    """Estimate where moves would lead if they went on as they are; refused where that has no meaning.

    Only where every state can be reached from every other: with a state that nobody leaves everybody ends there, whatever
    the rates. Joiners are not part of it, and rates seldom stay.

    Parameters
    ----------
    transitions : Transitions or TierHistory
    among, level
        As in `estimate_mobility`; intervals on the logit scale.

    Returns
    -------
    SteadyState

    Raises
    ------
    SampleError
        If some state cannot be reached from some other.

    Examples
    --------
    >>> counts = pd.DataFrame([[80, 20], [40, 60]], index=["Gold", "Base"], columns=["Gold", "Base"])
    >>> estimate_steady_state(Transitions.from_matrix(counts)).table[["state", "estimate"]].round(3).to_numpy().tolist()
    [['Gold', 0.667], ['Base', 0.333]]
    """
    check_level(level)
    everything = _read_pairs(transitions)
    # by default no state is left out here: leaving an absorbing one out would answer another question
    states, pairs = _among(everything, among if among is not None else everything.states)
    matrix, at_risk = _matrix(pairs, states)
    closed = arrays.closed_classes(np.where(at_risk[:, None] > 0, matrix, np.eye(len(states))))
    if closed != [list(range(len(states)))]:
        ends = "; ".join(" and ".join(states[code] for code in one) for one in closed)
        told = f"no steady state between the tiers: nobody was seen to leave {ends} again, so that is where everybody ends"
        raise SampleError(f"{told}; ask when (estimate_first_passage), or name the states that exchange partners in among=")
    share = arrays.steady_state(matrix)
    error, _ = _errors(pairs, states, lambda p, _: arrays.steady_state(p))
    low, high = share_bounds(share, error, level=level, interval="logit")
    eigen = arrays.second_eigenvalue(matrix)
    nothing = {"std_error": error, "conf_low": low, "conf_high": high, "n": int(at_risk.sum()), "now": at_risk / at_risk.sum()}
    goes = Check("Rates stay", None, "Taken for granted, and that nobody joins: this is where the rates point, no forecast.")
    return SteadyState(
        estimand="Share of partners in each tier if moves went on as they are",
        table=pd.DataFrame({"state": states, "estimate": share, **nothing}),
        checks=(*pairs.checks, *_say_partners(pairs), goes), level=level, states=states,
        half_life=float(np.log(0.5) / np.log(eigen)) if 0.0 < eigen < 1.0 else float("nan"),
    )  # fmt: skip


def _read_pairs(transitions: Transitions | TierHistory) -> Transitions:
    if isinstance(transitions, TierHistory):
        return build_transitions(transitions)
    if not isinstance(transitions, Transitions):
        raise ParameterError(f"give Transitions or a TierHistory, not a {type(transitions).__name__}")
    return transitions


def _among(pairs: Transitions, among: Sequence[str] | None) -> tuple[tuple[str, ...], Transitions]:
    """Keep the pairs between the states asked for."""
    if not len(pairs):
        raise SampleError("transitions need pairs that were observed at both ends; there is none")
    for name in among or ():
        if str(name) not in pairs.states:
            raise ParameterError(f"among: no state {name!r}{nearest(str(name), pairs.states)}")
    asked = None if among is None else set(map(str, among))
    left = {pairs.states[code] for code in np.unique(pairs.origin)}
    states = tuple(name for name in pairs.states if (name in left if asked is None else name in asked))
    if len(states) < 2:
        raise SampleError(f"not enough data: {len(states)} states to move between; two are needed")
    inside = np.array([name in states for name in pairs.states])
    return states, pairs.select(inside[pairs.origin] & inside[pairs.target])


def _groups(pairs: Transitions, by: str | None) -> tuple[np.ndarray, list[str]]:
    if by is None:
        return np.zeros(len(pairs), dtype=np.int64), [""]
    code, names = pd.factorize(pairs.column(by), sort=True)
    labels = [str(name) for name in names]
    return (np.where(code < 0, len(labels), code), [*labels, "(not given)"]) if (code < 0).any() else (code, labels)


def _matrix(pairs: Transitions, states: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """One-step shares and pairs at risk."""
    counts = pairs.counts().loc[list(states), list(states)].to_numpy(dtype=float)
    at_risk = counts.sum(axis=1)
    return counts / np.maximum(at_risk, 1.0)[:, None], at_risk


def _errors(pairs: Transitions, states: tuple[str, ...], functional: arrays.Functional) -> tuple[np.ndarray, int]:
    """Give standard errors of functions of the matrix, a partner's pairs together, and how many partners there are."""
    matrix, at_risk = _matrix(pairs, states)
    local = np.array([states.index(name) if name in states else -1 for name in pairs.states])
    own = arrays.pair_influence(functional, matrix, at_risk)[:, local[pairs.origin], local[pairs.target]].T
    if not pairs.knows_partners:
        return np.sqrt((pairs.weight[:, None] * own**2).sum(axis=0)), int(pairs.weight.sum())
    summed = sum_by_cluster(own * pairs.weight[:, None], pairs.partner)
    partners = len(np.unique(pairs.partner))
    return np.where(partners > 1, np.sqrt((summed**2).sum(axis=0)), np.nan), partners


def _indices(pairs: Transitions, states: tuple[str, ...], level: float) -> list[dict[str, object]]:
    """Lay out the indices of one group; NaN where a state was left by nobody in it."""
    matrix, at_risk = _matrix(pairs, states)
    names = ["shorrocks", "determinant", "eigenvalue", *(["bartholomew"] if pairs.ordered else [])]

    def functional(p: np.ndarray, shares: np.ndarray) -> np.ndarray:
        found = [arrays.shorrocks(p), arrays.determinant_index(p), arrays.second_eigenvalue(p), arrays.bartholomew(p, shares)]
        return np.array(found[: len(names)])

    whole = bool((at_risk > 0).all())
    value = functional(matrix, at_risk / max(at_risk.sum(), 1.0)) if whole else np.full(len(names), np.nan)
    error, partners = _errors(pairs, states, functional) if whole else (np.full(len(names), np.nan), 0)
    low, high = _stretched(value, error, level=level, partners=partners if pairs.knows_partners else None)
    return [
        {
            "index": name, "estimate": value[at], "std_error": error[at], "conf_low": low[at], "conf_high": high[at],
            "n": int(at_risk.sum()), "meaning": MEANINGS[name],
        }
        for at, name in enumerate(names)
    ]  # fmt: skip


def _stays(pairs: Transitions, states: tuple[str, ...], level: float) -> list[dict[str, object]]:
    """Lay out the mean exit times of one group; NaN where nobody was, infinite where nobody left."""
    matrix, at_risk = _matrix(pairs, states)
    value = np.where(at_risk > 0, arrays.mean_stays(matrix), np.nan)
    left = np.isfinite(value)

    def functional(p: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.where(left, 1.0 / np.where(left, 1.0 - np.diag(p), 1.0), 0.0)

    error, partners = _errors(pairs, states, functional)
    error = np.where(left, error, np.nan)
    low, high = _stretched(np.where(left, value, np.nan), error, level=level, partners=partners if pairs.knows_partners else None)
    columns = zip(states, value, error, low, high, at_risk, strict=True)
    return [
        {"state": name, "estimate": mean, "std_error": se, "conf_low": lower, "conf_high": upper, "n": int(n)}
        for name, mean, se, lower, upper, n in columns
    ]


def _stretched(value: np.ndarray, error: np.ndarray, *, level: float, partners: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Intervals on the log scale, with t on the partners less one where these are known."""
    factor = 1.0
    if partners is not None:
        factor = float(critical_value(level, max(partners - 1, 0)) / critical_value(level))
    return log_bounds(value, error * factor, level=level)


def _say_partners(pairs: Transitions) -> tuple[Check, ...]:
    if not pairs.knows_partners:
        return (Check("Partners known", None, "It is not known which pairs belong to one partner: they count as independent."),)
    partners = len(np.unique(pairs.partner))
    return (Check("Enough partners", partners >= 20, f"{pairs.total} pairs of {partners} partners."),)
