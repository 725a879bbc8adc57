"""The tier that the data say: four cells of a quadrant, or the highest level of a checklist."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.panel.parts import Membership
from partnerlab.scoring import kleene
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.scoring.scores import PanelFacts
from partnerlab.tiers.classify import Bands, Ladder, Quadrant, Share
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.cuts import Cuts, cut_axis

LINES = ("quarter", "axis", "group", "line", "n")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """What the rule says on the data.

    Parameters
    ----------
    raw : ndarray of int8, shape (n, t)
        The rule alone.
    eligible : ndarray of int8, shape (n, t)
        After caps.
    hard, easy : ndarray of int8, shape (n, t)
        The tier if every line were moved up, or down, by the margin.
    axes : tuple of Cuts
        For a quadrant with a margin: both axes.
    lines : DataFrame
        Cut lines.
    """

    raw: np.ndarray
    eligible: np.ndarray
    hard: np.ndarray
    easy: np.ndarray
    axes: tuple[Cuts, ...]
    lines: pd.DataFrame = dataclasses.field(repr=False)


def with_states(codes: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Put "not yet joined" and "lapsed" in place of tiers where the partner is no member."""
    codes = np.where(state == Membership.NOT_YET, np.int8(Outside.NOT_YET), codes)
    codes = np.where(state == Membership.UNKNOWN, np.int8(Outside.UNKNOWN), codes)
    return np.where(state == Membership.LAPSED, np.int8(Outside.LAPSED), codes).astype(np.int8, copy=False)


def judge_quadrant(rule: Quadrant, facts: PanelFacts, *, margin: float) -> Judged:
    """Put everybody into one of four cells."""
    state = np.asfortranarray(facts.panel.state)
    rated = state == Membership.ACTIVE
    gate = None if rule.gate is None else evaluate_rule(rule.gate, facts)
    if gate is not None:
        rated &= gate == kleene.TRUE
    axes = (rule.x, rule.y)
    cuts = tuple(cut_axis(axis, facts, rated, name=name) for axis, name in zip(axes, ("x", "y"), strict=True))
    table = _cells(rule)

    def column(index: int) -> np.ndarray:
        x, y = (cut.side(index, axis.operator) for cut, axis in zip(cuts, axes, strict=True))
        passed = kleene.TRUE if gate is None else gate[:, index]
        return with_states(table[passed * np.int8(9) + x * np.int8(3) + y], state[:, index])

    raw = kleene.by_column(facts.shape, column, dtype=np.int8)
    lines = pd.concat([cut.table for cut in cuts], ignore_index=True)
    return Judged(raw=raw, eligible=raw, hard=raw, easy=raw, axes=cuts if margin else (), lines=lines)


def _cells(rule: Quadrant) -> np.ndarray:
    """Tier for each truth value of gate, x and y, shape ``(27,)``; unknown unless every cell that is possible has the same tier."""
    tiers = rule.tiers
    nothing = tiers.index(rule.missing) if rule.missing != "unknown" else int(Outside.UNKNOWN)
    outside = tiers.index(rule.outside) if rule.outside else nothing
    table = np.full((3, 3, 3), nothing, dtype=np.int8)
    for first in range(3):
        for second in range(3):
            possible = {rule.cells[f"{high}_{other}"] for high in _sides(first) for other in _sides(second)}
            if len(possible) == 1:
                table[kleene.TRUE, first, second] = tiers.index(possible.pop())
    table[kleene.FALSE] = outside
    return table.reshape(-1)


def _sides(truth: int) -> tuple[str, ...]:
    return {0: ("low",), 1: ("low", "high"), 2: ("high",)}[truth]


def judge_ladder(rule: Ladder | Bands, facts: PanelFacts, *, margin: float) -> Judged:
    """Give everybody the highest level whose rule holds."""
    state = facts.panel.state
    truths = [evaluate_rule(step, facts) for _, step, _ in rule.steps]
    raw = with_states(_highest(truths, rule), state)
    shares = [share for _, _, share in rule.steps]
    eligible = raw
    if any(share is not None and share.cap is not None for share in shares):
        eligible = with_states(_highest(_capped(truths, shares, raw, facts), rule), state)
    hard = easy = eligible
    if margin:
        hard, easy = (np.where(raw == eligible, moved, eligible) for moved in moved_lines(rule, facts, margin=margin))
    return Judged(raw=raw, eligible=eligible, hard=hard, easy=easy, axes=(), lines=_band_lines(rule, facts))


def moved_lines(rule: Ladder | Bands, facts: PanelFacts, *, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Levels by lines that are harder, and easier, by a margin; caps aside."""
    truths = ([evaluate_rule(step, facts, slack=slack) for _, step, _ in rule.steps] for slack in (margin, -margin))
    hard, easy = (with_states(_highest(found, rule), facts.panel.state) for found in truths)
    return hard, easy


def _highest(truths: list[np.ndarray], rule: Ladder | Bands) -> np.ndarray:
    """First level that holds; unknown while a level above it is undecided (or what is proven, if the scheme says so)."""
    codes = np.full(truths[0].shape, Outside.UNKNOWN, dtype=np.int8)
    open_ = np.ones(truths[0].shape, dtype=bool)
    doubt = np.zeros(truths[0].shape, dtype=bool)
    for code, truth in enumerate(truths):
        holds = open_ & (truth == kleene.TRUE)
        codes[holds & ~doubt] = code
        doubt |= open_ & (truth == kleene.UNKNOWN) & (rule.missing == "unknown")
        open_ &= truth != kleene.TRUE
        open_ &= ~doubt
    if rule.else_ is not None:
        failed = np.maximum.reduce(truths) == kleene.FALSE
        codes[failed] = len(truths)
    return codes


def _capped(truths: list[np.ndarray], shares: list[Share | None], raw: np.ndarray, facts: PanelFacts) -> list[np.ndarray]:
    """Truth values after caps: who finds a level full no longer meets it."""
    rated = (raw >= 0).sum(axis=0)
    placed = np.zeros(raw.shape, dtype=bool)
    result = []
    for truth, share in zip(truths, shares, strict=True):
        mine = (truth == kleene.TRUE) & ~placed & (raw >= 0)
        if share is not None and share.cap is not None:
            room = np.floor(facts.scalar(share.cap) * rated + kleene.TOLERANCE)
            full = mine & ~_best(mine, facts.number(str(share.rank_by)), room, share.ties)
            placed |= mine & ~full
            result.append(np.where(full, kleene.FALSE, truth))
        else:
            placed |= mine
            result.append(truth)
    return result


def _best(mine: np.ndarray, merit: np.ndarray, room: np.ndarray, ties: str) -> np.ndarray:
    """Pick the ``room`` best of each period by merit, bool ``(n, t)``; unknown merit ranks last."""
    merit = np.where(mine, np.where(np.isnan(merit), -np.inf, merit), np.nan)
    stays = mine.copy()
    for column in range(mine.shape[1]):
        here = -np.sort(-merit[mine[:, column], column])
        places = int(room[column])
        if len(here) <= places:
            continue
        edge = here[places] if ties == "out" else (here[places - 1] if places else np.inf)
        stays[:, column] = mine[:, column] & ((merit[:, column] > edge) if ties == "out" else (merit[:, column] >= edge))
    return stays


def _band_lines(rule: Ladder | Bands, facts: PanelFacts) -> pd.DataFrame:
    """Lines of bands, one row for each period; a checklist has none to draw."""
    rows = []
    if isinstance(rule, Bands):
        for band in rule.bands:
            line = np.nan if band.from_ is None else float(np.min(facts.amount(band.from_)))
            rows += [(label, rule.value, band.name, line, pd.NA) for label in facts.panel.labels if band.from_ is not None]
    return pd.DataFrame(rows, columns=list(LINES)).astype({"line": float, "n": "Int64"})
