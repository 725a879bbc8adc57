"""The result of asking whether one matrix does: distances, three p-values, and a sentence that goes no further."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.results import TIDY, Check, Result
from partnerlab.stats.states.chains import chi_square_tail
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.chain_groups import Runs
from partnerlab.transitions.pair_building import build_transitions
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.states import LAPSED
from partnerlab.words import say_p

ALL = "all tiers"
#: Expected moves below which the chi-square law is doubtful; a check says how many cells have fewer.
FEW_EXPECTED = 5.0
#: Partners below which signs for whole partners say nothing: p_clustered is not known.
FEWEST_WHOLE = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChainCheck(Result):
    """Whether the rows of a transition matrix differ between groups of moves.

    The table has the key ``from_tier``, the first row being all tiers together; ``estimate`` is the distance: how many of
    100 moves would have to be others for the groups to be alike (mean total variation from the pooled row), which is above 0 by
    chance already: ``by_chance`` is what one matrix would show. There is no interval. Then ``n`` (moves looked at),
    ``statistic`` (Pearson's X2), ``likelihood`` (G2), ``df``, ``p_value`` and ``p_likelihood`` (chi-square, as if moves were independent),
    ``p_clustered`` (partners whole) and ``p_within`` (moves shuffled within each partner).

    Parameters
    ----------
    question : str
        What was asked, in words.
    groups : tuple of str
        What the moves were grouped by.
    verdict : str
        What can be said, and no more.

    Notes
    -----
    The three p-values answer to three hypotheses. ``p_value``: one matrix, every move on its own. ``p_clustered``: one
    matrix for the program as a whole, each partner's moves belonging together (multiplier bootstrap). ``p_within``: every
    partner has a matrix of its own that nothing else changes; partners may differ as they like.
    """

    title: ClassVar[str] = "One matrix for all"

    question: str = ""
    groups: tuple[str, ...] = ()
    verdict: str = ""

    def p(self, column: str = "p_clustered") -> float:
        """Give a p-value of all tiers together: ``p_value``, ``p_clustered`` or ``p_within``; NaN where it is not known."""
        return float(self.table[column].iloc[0])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """One way to group moves, and what it means if the groups differ, or if they do not differ within partners."""

    what: str
    yes: str
    no: str
    within: str = ""


def read_pairs(history: TierHistory | Transitions, *, stage: str, include_partial: bool) -> Transitions:
    """Give the pairs of a history, or the pairs that were given; lapsed is no origin where nobody returned."""
    given = isinstance(history, Transitions)
    pairs = history if given else build_transitions(history, stage=stage, include_partial=include_partial)
    if not len(pairs):
        raise SampleError("transitions need pairs that were observed at both ends; there is none")
    if LAPSED not in pairs.states:
        return pairs
    away = pairs.origin == pairs.states.index(LAPSED)
    returned = (pairs.target[away] != pairs.states.index(LAPSED)).any()
    return pairs if returned else pairs.select(~away)


def read_runs(pairs: Transitions, what: str, *, remedy: str = "") -> Runs:
    """Read the runs of pairs; refuses counts, in which no partner can be followed."""
    if not pairs.knows_partners or pairs.clock == "none" or (np.asarray(pairs.weight) > 1).any():
        raise SampleError(f"{what} is not known of counts; give pairs with their partner and quarter{', ' if remedy else ''}{remedy}")
    return Runs.of(pairs)


def with_whole(values: np.ndarray) -> np.ndarray:
    """Put the sum over tiers before what each tier shows, along the last axis."""
    return np.concatenate([np.sum(values, axis=-1, keepdims=True), values], axis=-1)


def chain_result(
    pairs: Transitions,
    columns: dict[str, np.ndarray],
    groups: tuple[str, ...],
    question: Question,
    *,
    level: float,
    total: np.ndarray | None = None,
) -> ChainCheck:
    """Lay the columns out, add the chi-square tail, look at what it leans on, and say what can be said."""
    nothing = np.full(len(columns["n"]), np.nan)
    if len(np.unique(pairs.partner)) < FEWEST_WHOLE:
        columns |= {"p_clustered": nothing, "by_chance": nothing}
    columns |= {
        "std_error": nothing,
        "conf_low": nothing,
        "conf_high": nothing,
        "p_value": chi_square_tail(columns["statistic"], columns["df"]),
        "p_likelihood": chi_square_tail(columns["likelihood"], columns["df"]),
    }
    order = [*TIDY, "by_chance", "statistic", "likelihood", "df", "p_value", "p_likelihood", "p_clustered", "p_within"]
    table = pd.DataFrame({"from_tier": [ALL, *pairs.states], **{name: columns[name] for name in order}})
    table = table.astype({"from_tier": "str", "n": np.int64, "df": np.int64})
    mute = table["df"] == 0
    table.loc[mute, ["p_value", "p_likelihood", "p_clustered", "p_within"]] = np.nan
    table = table[(table["n"] > 0) | (table["from_tier"] == ALL)].reset_index(drop=True)
    return ChainCheck(
        estimand=question.what,
        table=table,
        checks=(*_law_checks(pairs, total), *pairs.checks),
        level=level,
        question=question.what,
        groups=groups,
        verdict=_verdict(table, question, level),
    )


def _law_checks(pairs: Transitions, total: np.ndarray | None) -> tuple[Check, ...]:
    partners = len(np.unique(pairs.partner))
    known = Check(
        "Partners known",
        partners >= FEWEST_WHOLE if pairs.knows_partners else None,
        f"{partners} partner{'' if partners == 1 else 's'}, each kept whole; p_clustered needs {FEWEST_WHOLE}." if pairs.knows_partners
        else "Partners not known: only the chi-square law for independent moves, which finds differences too easily.",
    )  # fmt: skip
    if total is None:
        return (known,)
    at_risk, cells = total.sum(axis=2, keepdims=True), total.sum(axis=0)
    expected = at_risk * (cells / np.maximum(cells.sum(axis=1, keepdims=True), 1.0))[None]
    open_cells = expected > 0
    few = int((expected[open_cells] < FEW_EXPECTED).sum())
    return known, Check(
        "Enough moves for the chi-square law",
        bool(few <= 0.2 * open_cells.sum()),
        f"{few} of {int(open_cells.sum())} cells expect fewer than {FEW_EXPECTED:g} moves; many of them leave p_value doubtful.",
    )


def _verdict(table: pd.DataFrame, question: Question, level: float) -> str:
    """Say what the p-values allow, no more: of all tiers together, and of those that differ within partners on their own."""
    row, alpha = table.iloc[0], 1.0 - level
    if row["df"] == 0:
        return "Not enough data: no tier was left in two groups for two tiers"
    clustered, inside = not np.isnan(row["p_clustered"]), not np.isnan(row["p_within"])
    pooled = row["p_clustered"] if clustered else row["p_value"]
    said = f"X2 = {row['statistic']:.1f} on {int(row['df'])} df, {say_p(pooled)}"
    said += f" with partners whole, {say_p(row['p_value'])} as if moves were independent" if clustered else " as if moves were independent"
    said += f", {say_p(row['p_within'])} within partners" if inside else ""
    if inside and row["p_within"] <= alpha:
        return f"{question.yes}, within partners too ({said})"
    # one tier of several on its own: Bonferroni's share of the level
    tiers = table.iloc[1:].query("df > 0")
    alone = tiers.loc[tiers["p_within"] * len(tiers) <= alpha, "from_tier"].tolist()
    if alone:
        return f"{question.yes}; within partners this is seen of {' and '.join(alone)} alone ({said})"
    if pooled > alpha:
        return f"{question.no} ({said})"
    return (
        f"{question.yes}. Within partners there is no evidence of it: {question.within} would look the same ({said})"
        if inside
        else (f"{question.yes} ({said})")
    )
