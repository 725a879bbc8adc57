"""Who moved, and whether it could have been nothing."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, wilson_interval
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.tiers.codes import Reason
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.belonging import check_baseline
from partnerlab.transitions.evidence import moved_by_statement, partner_evidence, stated_changes
from partnerlab.transitions.noise import CHANCE_COUNTS, NoiseBaseline, stray_interval
from partnerlab.transitions.states import read_states

#: Name of the check that the share of false alarms is as stated.
FALSE_ALARMS = "False alarms are limited"
#: What is said of a move that an override or an upheld appeal made, or that came when it ended.
DECISIONS = {Reason.OVERRIDE: ("override", "override ended"), Reason.APPEAL: ("appeal upheld", "appeal ended")}
#: Quarters of everybody's draws that are added to a partner's own.
PSEUDO_QUARTERS = 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Movers(Result):
    """Partners that changed tier in a quarter, each with the probability that nothing changed.

    The table has keys ``[partner, from_tier, to_tier, direction]``; ``estimate`` is the probability that no
    change would have produced such a move (its interval is that of the draws, none where it is computed
    exactly), ``n`` the whole quarters before the window that it rests on; then ``indicator, before, now``
    (the number that changed most, per quarter before the window and in it), ``usual`` (how often the partner
    redrawn without change makes this move out of this tier), ``adjusted`` (for testing all partners), ``stated``
    (a stated value changed, such as a manager's rating, and had it not the partner would not have moved: counts cannot judge
    it), ``decided`` (whose decision moved it: an override, an appeal, or the end of one; else empty) and
    ``beyond_noise``. Moves by word or decision have no ``estimate`` and are never beyond noise.

    Parameters
    ----------
    quarter : str
        Quarter moved into.
    at_risk : int
        Partners in a tier in both quarters, whose tier nobody decided: those put to the test.
    expected, expected_low, expected_high : float
        Movers that noise alone would have made of them, with the interval for one quarter.
    """

    title: ClassVar[str] = "Movers"

    quarter: str = ""
    at_risk: int = 0
    expected: float = np.nan
    expected_low: float = np.nan
    expected_high: float = np.nan

    @property
    def judged(self) -> pd.DataFrame:
        """Moves that counts made, and that noise can be asked about: not those by a new statement or a decision."""
        return self.table[~self.table["stated"] & (self.table["decided"] == "")]

    @property
    def beyond(self) -> int:
        """How many moves are beyond noise: the one count that cards, tables, figures and sentences show."""
        return int(self.table["beyond_noise"].sum())

    @property
    def against_noise(self) -> int:
        """1 where more partners moved by their counts than noise alone would move, -1 where fewer did, else 0."""
        moved = len(self.judged)
        return int(moved > self.expected_high) - int(moved < self.expected_low)

    @property
    def sure(self) -> bool:
        """Whether the share of false alarms is as stated: counts vary between quarters no more than chance counts do."""
        return any(check.passed for check in self.checks if check.name == FALSE_ALARMS)


def move_probabilities(hits: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Probability of each move out of each tier if nothing changed, by partner: shape ``(n, k, k)``.

    Parameters
    ----------
    hits : ndarray, shape (n, k, k)
        Moves of each partner over all draws.
    usual : ndarray, shape (k, k)
        Shares over all partners: worth a few of a partner's quarters, so that they stand in where the draws
        hardly ever put it in that tier.
    """
    usual = np.where(np.isnan(usual), np.eye(len(usual)), usual)
    return (hits + PSEUDO_QUARTERS * usual) / (hits.sum(axis=2, keepdims=True) + PSEUDO_QUARTERS)


def direction_names(origin: np.ndarray, target: np.ndarray, rank: tuple[int | None, ...]) -> np.ndarray:
    """Name the direction of each move: up, down, or sideways where heights are equal or not ordered.

    Examples
    --------
    >>> direction_names(np.array([0, 1, 2]), np.array([1, 0, 0]), (2, 1, None)).tolist()
    ['down', 'up', 'sideways']
    """
    height = np.array([np.nan if step is None else step for step in rank], dtype=float)
    gain = height[target] - height[origin]
    return np.where(gain > 0, "up", np.where(gain < 0, "down", "sideways"))


def detect_movers(history: TierHistory, *, noise: NoiseBaseline, quarter: str, level: float = 0.95, stage: str = "published") -> Movers:
    """Tell the moves of a quarter that noise would hardly have made.

    Parameters
    ----------
    history : TierHistory
        Tiers by partner and quarter.
    noise : NoiseBaseline
        Of the panel and scheme that the history was made from.
    quarter : str
        Quarter moved into.
    level : float
        One minus the share of false alarms tolerated among the movers called beyond noise.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read.

    Returns
    -------
    Movers
        Every partner in a tier in both quarters is put to the test, those that stayed with probability 1. For a
        mover, ``estimate`` is the smaller of two bounds on one event, "moves, with numbers this far out": the
        probability of moving at all out of its tier, and the two-sided probability of its numbers in the window
        given those before it (negative binomial; times the number of indicators looked at). ``beyond_noise``
        holds where the value adjusted by Benjamini and Hochberg (1995) is at most ``1 - level``. Moves that a
        changed statement or somebody's decision made are no matter of counting: they are marked and not judged.

    Raises
    ------
    ParameterError
        If the quarter is not in the history or is its first, or the noise baseline is of other rules or quarters.
    SampleError
        If nobody was in a tier in both quarters.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> from partnerlab.transitions import estimate_noise
    >>> leads = np.random.default_rng(0).poisson(3.0, (40, 6))
    >>> leads[0] = [0, 1, 0, 0, 1, 12]
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", leads[i, q]) for i in range(40) for q in range(6)]
    >>> panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 4}, {"name": "Member"}]}
    >>> scheme = TierScheme(scheme="demo", classify=bands)
    >>> noise = estimate_noise(panel, scheme=scheme, draws=50, seed=1)
    >>> movers = detect_movers(assign_tiers(panel, scheme), noise=noise, quarter="2026Q2").tidy()
    >>> movers.loc[movers["beyond_noise"], "partner"].tolist()
    ['p00']
    """
    check_level(level)
    check_baseline(noise, history=history, stage=stage)
    at_risk, origin, target = _at_risk(history, quarter, stage)
    column = history.calendar.parse(quarter) - history.first
    place = noise.places(history.partners)[at_risk]
    any_move, usual, draws = _by_noise(noise, place, origin, target)
    moved, decided = origin != target, _decisions(history, at_risk, column, stage)
    free = decided == ""
    any_move = np.where(free, any_move, 0.0)  # noise of counts does not move whom a decision holds
    size = max(int(free.sum()), 1)
    evidence = partner_evidence(noise, place, history.first + column)
    stated = stated_changes(noise, place, history.first + column)
    # a stated value changed, and without that the partner would not have moved: a new opinion, of which counts say nothing
    unmoved = moved_by_statement(history, noise, rows=at_risk, column=column)
    by_word = moved & free & stated["changed"] & ((draws["made"] == 0) if unmoved is None else unmoved)
    counted = moved & free & ~by_word
    p_value = np.where(counted, np.minimum(evidence["surprise"], np.maximum(any_move, 1.0 / (draws["behind"] + 1.0))), np.nan)
    adjusted = np.full(len(moved), np.nan)
    adjusted[free & ~by_word] = adjust_p_values(np.where(counted, p_value, 1.0)[free & ~by_word], method="BH")
    drawn = p_value < evidence["surprise"]
    low, high = wilson_interval(p_value, draws["behind"] + PSEUDO_QUARTERS, level=level)
    names = np.array(history.tiers)
    table = pd.DataFrame(
        {
            "partner": history.partners[at_risk], "from_tier": names[origin], "to_tier": names[target],
            "direction": direction_names(origin, target, history.rank), "estimate": p_value,
            "std_error": np.where(drawn, np.sqrt(p_value * (1 - p_value) / (draws["behind"] + PSEUDO_QUARTERS)), 0.0),
            "conf_low": np.where(drawn, low, p_value), "conf_high": np.where(drawn, high, p_value), "n": evidence["periods"],
            **{name: np.where(by_word, stated[name], evidence[name]) for name in ("indicator", "before", "now")},
            "usual": usual, "adjusted": adjusted, "stated": by_word, "decided": np.where(moved, decided, ""),
            "beyond_noise": counted & (adjusted <= 1.0 - level),
        }
    )[moved].sort_values(["estimate", "partner"], ignore_index=True)  # fmt: skip
    expected, spread = float(any_move.sum()), float(np.sqrt((any_move * (1 - any_move)).sum()))
    reach = np.asarray(stray_interval(np.array(expected / size), np.array(spread / size), level=level)) * size
    return Movers(
        estimand=f"Probability that a partner whose rate did not change would have moved as it did into {quarter}, its numbers so far out",
        table=table,
        checks=(*_checks(history, int(counted.sum()), column, expected, reach), _alarm_check(noise, level)),
        level=level,
        quarter=quarter,
        at_risk=int(free.sum()),
        expected=expected,
        expected_low=float(reach[0]),
        expected_high=float(reach[1]),
    )


def _at_risk(history: TierHistory, quarter: str, stage: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Partners in a tier in a quarter and in the one before, and their tiers then and now."""
    column = history.calendar.parse(quarter) - history.first
    if not 1 <= column < history.shape[1]:
        raise ParameterError(
            f"movers need a quarter after {history.labels[0]}, the first of the history, up to {history.labels[-1]}; not {quarter}"
        )
    tiers = len(history.tiers)
    codes = read_states(history, stage=stage, include_partial=True).codes[:, column - 1 : column + 1]
    at_risk = np.flatnonzero(((codes >= 0) & (codes < tiers)).all(axis=1))
    if not len(at_risk):
        raise SampleError(f"nobody was in a tier both in {history.labels[column - 1]} and in {quarter}")
    origin, target = codes[at_risk].astype(np.int64).T
    return at_risk, origin, target


def _decisions(history: TierHistory, rows: np.ndarray, column: int, stage: str) -> np.ndarray:
    """Say whose decision stood in place of the held tier, in the quarter or in the one before; empty where nobody's did."""
    said = np.full(len(rows), "", dtype=object)
    if stage != "published":
        return said
    for at, ended in ((column - 1, 1), (column, 0)):
        put = history.published[rows, at] != history.held[rows, at]
        for why, names in DECISIONS.items():
            said[put & (history.reasons[rows, at] == why)] = names[ended]
    return said


def _by_noise(
    noise: NoiseBaseline, place: np.ndarray, origin: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Probability of moving at all and of this move if nothing changed, and the draws behind them."""
    tiers = len(noise.tiers)
    # lapses are facts: what noise does is read among those who stayed
    inside = noise.moments.hits[:, :tiers, :tiers]
    with np.errstate(invalid="ignore"):
        usual = inside.sum(axis=0) / inside.sum(axis=(0, 2))[:, None]
    hits = inside[place] * noise.draws
    chances, rows = move_probabilities(hits, usual), np.arange(len(place))
    behind = hits.sum(axis=2)[rows, origin]
    draws = {"behind": behind, "made": hits[rows, origin, target].round()}
    return 1.0 - chances[rows, origin, origin], chances[rows, origin, target], draws


def _checks(history: TierHistory, moved: int, column: int, expected: float, reach: np.ndarray) -> tuple[Check, ...]:
    """Say whether more moved than noise moves, and whether the quarters are whole."""
    inside = reach[0] <= moved <= reach[1]
    more = Check(
        "More moved than noise alone would move",
        None if inside else bool(moved > reach[1]),
        f"{moved} partners changed tier by their counts; noise alone would have moved {expected:.0f} ({reach[0]:.0f} to {reach[1]:.0f})"
        + ("; the number of movers says nothing of change." if inside else "."),
    )
    cut = bool(history.partial[column] or history.partial[column - 1])
    whole = Check(
        "Only whole quarters", not cut, "One of the two quarters is covered only in part." if cut else "Both quarters are covered in full."
    )
    return more, whole


def _alarm_check(noise: NoiseBaseline, level: float) -> Check:
    """Say how many of those called beyond noise may be noise, and whether counts are as that supposes."""
    tame = next((check.passed for check in noise.checks if check.name == CHANCE_COUNTS), None)
    supposed = (
        "."
        if tame
        else "; but counts differ more between quarters than chance counts do, so some of them may be what is usual for wild counts."
    )
    return Check(
        FALSE_ALARMS,
        True if tame else None,
        f"Of the movers called beyond noise at most {1 - level:.0%} are expected to be noise "
        f"(Benjamini and Hochberg 1995, over all partners at risk){supposed}",
    )
