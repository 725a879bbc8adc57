"""How often the noise of counts makes a rule read another tier than the true one: redraws at rates that are known.

Rates are drawn from what the counts say of every partner; the rule gives the true tier where every count stands at its
expectation, and the tier seen where counts are drawn again. Partners of one true tier differ: far from the line hardly any
quarter is misread, close to it every other. So each tier keeps a few levels of misreading, with the share of partners at each.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.stats.states.hidden_chains import Misreading
from partnerlab.transitions.rates import MeasureRates, TrueProgram, true_program
from partnerlab.transitions.redraw import redraw_panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from partnerlab.tiers.history import TierHistory

#: Levels of misreading that a tier keeps.
LEVELS = 5
#: Redraws at one rate; with a dozen quarters that is a hundred readings.
REPEATS = 10
#: Rounds of moving the centres of levels.
ROUNDS = 30


def read_misclassification(given: object, *, tiers: Sequence[str], states: int) -> Misreading:
    """Take a misclassification matrix: true tiers in rows, tiers seen in columns; ``lapsed`` is always read right.

    Raises
    ------
    ParameterError
        If it is of other tiers, a row does not sum to one, or a tier could never be seen.

    Examples
    --------
    >>> table = pd.DataFrame([[0.9, 0.1], [0.2, 0.8]], index=["Gold", "Base"], columns=["Gold", "Base"])
    >>> read_misclassification(table, tiers=("Gold", "Base"), states=3).matrix.tolist()
    [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 1.0]]
    """
    if isinstance(given, Misreading):
        if given.reading.shape[2] > states or given.reading.shape[2] < len(tiers):
            raise ParameterError(f"misclassification is of {given.reading.shape[2]} states, the history has {states}")
        return _with_states(given, states)
    if isinstance(given, pd.DataFrame):
        names = [*map(str, given.index), *map(str, given.columns)]
        strange = next((name for name in names if name not in tiers), None)
        missing = next((tier for tier in tiers if tier not in given.index or tier not in given.columns), None)
        if strange is not None or missing is not None:
            wrong = f"names {strange!r}{nearest(str(strange), tiers)}" if strange is not None else f"lacks {missing!r}"
            raise ParameterError(f"misclassification {wrong}; give a row and a column for each of {', '.join(tiers)}")
        given = given.loc[list(tiers), list(tiers)]
    matrix = np.asarray(given, dtype=float)
    if matrix.shape != (len(tiers), len(tiers)):
        raise ParameterError(f"misclassification has shape {matrix.shape}; give {len(tiers)} rows and columns: {', '.join(tiers)}")
    bad = np.flatnonzero((matrix < 0).any(axis=1) | ~np.isclose(matrix.sum(axis=1), 1.0, atol=1e-6))
    if len(bad):
        raise ParameterError(
            f"misclassification: row {tiers[bad[0]]!r} sums to {matrix[bad[0]].sum():.4g}; a row holds the probabilities of the tiers seen"
        )
    never = np.flatnonzero(matrix.sum(axis=0) <= 0)
    if len(never):
        raise ParameterError(f"misclassification: {tiers[never[0]]!r} could never be seen, whatever the true tier")
    return _with_states(Misreading.of_matrix(matrix), states)


def _with_states(misreading: Misreading, states: int) -> Misreading:
    """Add states that are always read right."""
    known, levels, _ = misreading.reading.shape
    if known == states:
        return misreading
    weight, reading = np.zeros((states, levels)), np.zeros((states, levels, states))
    weight[:known], weight[known:, 0] = misreading.weight, 1.0
    reading[:known, :, :known] = misreading.reading
    for state in range(known, states):
        reading[state, :, state] = 1.0
    return Misreading(weight=weight, reading=reading)


def draw_misreading(
    history: TierHistory, *, draws: int, seed: int, within: str | None = "region", levels: int = LEVELS
) -> tuple[Misreading, TrueProgram]:
    """Find by redraws how the rule of a history misreads its tiers.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers` from a panel.
    draws : int
        Rates drawn for each partner; each is counted anew `REPEATS` times over all quarters.
    seed : int
        Of the draws.
    within : str or None
        Attribute within which partners' rates are shrunk.
    levels : int
        Levels of misreading in each tier.

    Returns
    -------
    Misreading
        Of the raw tiers. Stated values, membership and the gate of a quadrant are taken as they stand.
    TrueProgram
        What was drawn.
    """
    from partnerlab.tiers import assign_tiers

    panel, scheme = history.scores.panel, history.scheme
    program = true_program(panel, history, keep=panel.shape[1], within=within)
    rng, tiers = np.random.default_rng(seed), len(history.tiers)
    use = ~np.asarray(panel.partial, dtype=bool)
    rows: list[np.ndarray] = []
    state: list[np.ndarray] = []
    for _ in range(draws):
        fixed, truth = _fix_rates(program, rng)
        true = assign_tiers(truth, scheme).raw[:, use].astype(np.int64)
        tally = np.zeros((len(true), tiers, tiers))
        for _ in range(REPEATS):
            seen = assign_tiers(redraw_panel(panel, fixed, rng), scheme).raw[:, use].astype(np.int64)
            partner, column = np.nonzero((true >= 0) & (seen >= 0) & ~program.outside[:, use])
            key = (partner * tiers + true[partner, column]) * tiers + seen[partner, column]
            tally += np.bincount(key, minlength=tally.size).reshape(tally.shape)
        partner, tier = np.nonzero(tally.any(axis=2))
        rows.append(tally[partner, tier])
        state.append(tier)
    return group_levels(np.vstack(rows), np.concatenate(state), tiers=tiers, levels=levels), program


def _fix_rates(program: TrueProgram, rng: np.random.Generator) -> tuple[tuple[object, ...], object]:
    """Draw where every partner's levels stand now, and hold them there: for redraws, and as expectations."""
    lucks = rng.integers(2**63, size=len(program.measures))
    fixed, expected = [], []
    for measure, group in zip(program.measures, program.together, strict=True):
        rate, share, value = _levels_now(measure, rng, int(lucks[group]))
        reach, ones = program.reach(measure), np.ones((1, program.reach(measure)))
        expected.append((rate[:, None] * program.exposure[:, -reach:], share[:, None] * ones, value[:, None] * ones))
        rate = np.where(np.isnan(rate), measure.noise.counts.mean(axis=1), rate)
        mean = measure.noise.mean if measure.values is None else value
        kept = None if measure.shares is None else share
        fixed.append(dataclasses.replace(measure.noise, level=rate, share=kept, mean=mean))
    return tuple(fixed), program.expect(expected)


def _levels_now(measure: MeasureRates, rng: np.random.Generator, luck: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw rate, share and value of the last period, NaN where the measure has none."""
    nothing = np.full(len(measure.noise.counts), np.nan)
    rate = nothing if measure.rates is None else measure.rates.draw(np.random.default_rng(luck), keep=1)[:, 0]
    share = nothing if measure.shares is None else measure.shares.draw(rng, keep=1)[:, 0]
    value = nothing if measure.values is None else np.exp(measure.values.draw(rng, keep=1)[:, 0])
    return rate, share, value


def group_levels(tally: np.ndarray, state: np.ndarray, *, tiers: int, levels: int = LEVELS) -> Misreading:
    """Group units that are misread alike, tier by tier: weighted means moved until they stay (Lloyd 1982).

    Parameters
    ----------
    tally : ndarray, shape (m, o)
        How often each unit was read as each tier.
    state : ndarray of int, shape (m,)
        Its true tier.
    tiers, levels : int
        Number of tiers, and of levels in each.

    Examples
    --------
    >>> tally = np.array([[99.0, 1.0], [98.0, 2.0], [50.0, 50.0], [0.0, 100.0]])
    >>> found = group_levels(tally, np.array([0, 0, 0, 1]), tiers=2, levels=2)
    >>> found.weight.round(2).tolist(), found.reading[0].round(3).tolist()
    ([[0.33, 0.67], [0.0, 1.0]], [[0.5, 0.5], [0.985, 0.015]])
    """
    weight, reading = np.zeros((tiers, levels)), np.zeros((tiers, levels, tally.shape[1]))
    for tier in range(tiers):
        mine = tally[state == tier]
        size = mine.sum(axis=1)
        if not len(mine):  # never true in any draw: seen, it is taken at its word
            weight[tier, 0], reading[tier, :, tier] = 1.0, 1.0
            continue
        shares = mine / size[:, None]
        order = np.argsort(shares[:, tier], kind="stable")
        place = np.cumsum(size[order]) / size.sum()
        group = np.empty(len(mine), dtype=np.int64)
        group[order] = np.minimum((place * levels * (1 - 1e-12)).astype(np.int64), levels - 1)
        for _ in range(ROUNDS):
            held = np.bincount(group, weights=size, minlength=levels)
            centre = np.stack([np.bincount(group, weights=column, minlength=levels) for column in mine.T], axis=1)
            centre = np.divide(centre, held[:, None], out=np.full(centre.shape, 9.0), where=held[:, None] > 0)
            again = ((shares[:, None, :] - centre) ** 2).sum(axis=2).argmin(axis=1)
            if (again == group).all():
                break
            group = again
        weight[tier] = held / held.sum()
        reading[tier] = np.where(held[:, None] > 0, centre, np.eye(tally.shape[1])[tier])
    return Misreading(weight=weight, reading=reading)
