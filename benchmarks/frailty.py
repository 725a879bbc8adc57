"""Programs whose partners differ, many at a time: tier panels with frailty, and what the estimators say of each.

Array functions only; `coverage.py` drives them. A program has three tiers and lapsing. Every partner multiplies its odds of
leaving a tier by ``exp(N(0, 1))``, its odds of lapsing by another such factor, and belongs to one of twelve
segments, whose matrices differ. There are twenty such worlds, each with segments of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.periods import Calendar
from partnerlab.stats.inference.counts import FlowRows, flow_rows
from partnerlab.stats.shrinkage.pooled_rows import pooled_rows
from partnerlab.transitions import Transitions, check_duration, check_entry_time, check_homogeneity, check_order
from partnerlab.transitions.cells import cell_table
from partnerlab.transitions.flow_counts import Flows
from partnerlab.transitions.pooled import segment_counts, tier_effects

STATES = ("Gold", "Silver", "Base", "lapsed")
TIERS = 3
QUARTERS = 12
SEGMENTS = 12
#: Of a partner like any other: one cell that happens once in 250 quarters, and lapsing from the top once in 125.
BASE = np.array([[0.87, 0.10, 0.022, 0.008], [0.08, 0.82, 0.07, 0.03], [0.004, 0.076, 0.87, 0.05], [0.0, 0.0, 0.0, 1.0]])
START = (0.2, 0.3, 0.5)
#: Sets of segments that programs are drawn from.
WORLDS = 20
#: Dirichlet size of the segments' matrices about the base.
LIKENESS = 60.0
#: Weights of the segments: a few large ones, many small ones.
SIZES = 1.0 / np.arange(1, SEGMENTS + 1)


@functools.cache
def segment_matrices(world: int) -> np.ndarray:
    """Draw the matrices of the twelve segments of a world: shape ``(segments, states, states)``."""
    rng = np.random.default_rng([2026, world])
    rows = np.stack([rng.dirichlet(LIKENESS * row, SEGMENTS) for row in BASE[:TIERS]], axis=1)
    return np.concatenate([rows, np.broadcast_to(BASE[TIERS], (SEGMENTS, 1, len(BASE)))], axis=1)


def draw_programs(programs: int, partners: int, *, rng: np.random.Generator, world: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw tier panels of several programs of a world, one under the other.

    Returns
    -------
    codes : ndarray of int8, shape (programs * partners, quarters)
        State of each partner in each quarter.
    segment : ndarray of int, shape (programs * partners,)
        Its segment.
    """
    segment = rng.choice(SEGMENTS, programs * partners, p=SIZES / SIZES.sum())
    return draw_codes(segment_matrices(world)[segment], rng=rng), segment


def draw_codes(matrices: np.ndarray, *, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
    """Draw the tiers of partners about whose matrices they differ by frailty: int8, shape ``(n, quarters)``."""
    size = len(matrices)
    odds = np.exp(spread * rng.standard_normal((2, size)))
    own = matrices * np.where(np.eye(len(BASE), dtype=bool), 1.0, odds[0][:, None, None])
    own[:, :TIERS, TIERS] *= odds[1][:, None]
    reach = (own / own.sum(axis=2, keepdims=True)).cumsum(axis=2)[:, :, :-1]
    codes = np.zeros((size, QUARTERS), dtype=np.int8)
    codes[:, 0] = rng.choice(TIERS, size, p=START)
    everyone = np.arange(size)
    for quarter in range(1, QUARTERS):
        codes[:, quarter] = (rng.random(size)[:, None] > reach[everyone, codes[:, quarter - 1]]).sum(axis=1)
    return codes


def count_programs(codes: np.ndarray, group: np.ndarray) -> FlowRows:
    """Count moves out of the tiers by partner and group."""
    rows = flow_rows(codes, len(STATES), group=group)
    keep = rows.origin < TIERS
    return FlowRows(partner=rows.partner[keep], group=rows.group[keep], origin=rows.origin[keep], hits=rows.hits[keep])


@functools.cache
def true_cells(world: int, *, partners: int = 50_000) -> tuple[np.ndarray, np.ndarray]:
    """Give the shares of a very large program of a world, of all and by segment: shapes ``(tiers, s)`` and ``(segments, tiers, s)``."""
    segment, rng = np.repeat(np.arange(SEGMENTS), partners), np.random.default_rng([77, world])
    codes = draw_codes(segment_matrices(world)[segment], rng=rng)
    total = segment_counts(count_programs(codes, segment), SEGMENTS, len(STATES))[:, :TIERS]
    whole = np.einsum("g,gsk->sk", SIZES, total)
    return whole / whole.sum(axis=1, keepdims=True), total / total.sum(axis=2, keepdims=True)


def _frame(study: str, names: list[str], values: dict[str, np.ndarray]) -> pd.DataFrame:
    """One row for each program and cell; values of shape ``(programs, cells)``."""
    programs = len(next(iter(values.values())))
    return pd.DataFrame({"study": study, "cell": np.tile(names, programs), **{name: value.ravel() for name, value in values.items()}})


def cell_study(codes: np.ndarray, segment: np.ndarray, programs: int, truths: tuple[np.ndarray, np.ndarray]) -> pd.DataFrame:
    """Intervals of all cells of each program, beside the truth: common and rare."""
    partners = len(codes) // programs
    rows = count_programs(codes, np.repeat(np.arange(programs), partners))
    cells = cell_table(rows, len(STATES), groups=programs, level=0.95)
    shape = (programs, len(STATES), len(STATES))
    shown = {name: cells[name].reshape(shape)[:, :TIERS].reshape(programs, -1) for name in ("estimate", "conf_low", "conf_high", "n")}
    truth = np.broadcast_to(truths[0].ravel(), shown["estimate"].shape)
    names = [f"{left} -> {reached}" for left in STATES[:TIERS] for reached in STATES]
    expected = truth * shown.pop("n")
    return _frame(f"heterogeneous, {partners} partners", names, {"truth": truth, "expected": expected, **shown})


def pooled_study(codes: np.ndarray, segment: np.ndarray, programs: int, truths: tuple[np.ndarray, np.ndarray]) -> pd.DataFrame:
    """Intervals of the shrunken rows of each segment of each program, beside the segment's truth."""
    partners, states = len(codes) // programs, len(STATES)
    parts = []
    for program in range(programs):  # each program has a prior of its own
        mine = slice(program * partners, (program + 1) * partners)
        rows = count_programs(codes[mine], segment[mine])
        flows = Flows(names=STATES, tiers=STATES[:TIERS], rows=rows, segments=[], quarters=("", ""))
        counts, effects = segment_counts(rows, SEGMENTS, states), tier_effects(flows, SEGMENTS)
        pooled = [pooled_rows(counts[:, tier] / effects[tier]) for tier in range(TIERS)]
        parts.append([np.stack([getattr(one, field) for one in pooled], axis=1) for field in ("share", "low", "high")])
    share, low, high = (np.stack([part[k] for part in parts]).reshape(programs, -1) for k in range(3))
    truth = np.broadcast_to(truths[1].ravel(), share.shape)
    names = [f"{left} -> {reached}" for _ in range(SEGMENTS) for left in STATES[:TIERS] for reached in STATES]
    # a cell is common or rare by what is expected in a segment of average size
    expected = np.tile((truths[0] * partners * QUARTERS / SEGMENTS / TIERS).ravel(), SEGMENTS)
    values = {"truth": truth, "expected": np.broadcast_to(expected, share.shape), "estimate": share, "conf_low": low, "conf_high": high}
    return _frame(f"shrunken segment rows, {partners} partners", names, values)


#: What is estimated of each program: ``(codes, segment, programs, truths) -> study, cell, truth, expected, estimate, conf_low, conf_high``.
STUDIES = {"cells": cell_study, "pooled": pooled_study}


def pairs_of(codes: np.ndarray) -> Transitions:
    """Pairs of one program, out of the tiers."""
    seen = codes[:, :-1] < TIERS
    partner, column = np.nonzero(seen)
    return Transitions(
        states=STATES,
        origin=codes[:, :-1][seen].astype(np.int16),
        target=codes[:, 1:][seen].astype(np.int16),
        weight=np.ones(len(partner), dtype=np.int64),
        partner=partner,
        partners=np.array([f"p{place:05d}" for place in range(len(codes))]),
        period=Calendar().parse("2024Q1") + column + 1,
        calendar=Calendar(),
        ordered=True,
        absorbing=("lapsed",),
        covariates=pd.DataFrame({"half": np.where(partner % 2, "odd", "even")}),
    )


#: Tests of one matrix; halves of a program say nothing of a partner, however much partners differ.
CHECKS = {
    "homogeneity": check_homogeneity,
    "equal halves": functools.partial(check_homogeneity, by="half"),
    "order": check_order,
    "duration": check_duration,
    "entry time": check_entry_time,
}


def size_of_tests(partners: int, programs: int, *, spread: float, draws: int, tests: Sequence[str], first: int) -> pd.DataFrame:
    """How often each test finds something at 5 % where every partner keeps one matrix of its own, without memory."""
    rng, found = np.random.default_rng([first, partners]), {}
    for program in range(programs):
        pairs = pairs_of(draw_codes(np.repeat(BASE[None], partners, axis=0), rng=rng, spread=spread))
        for name in tests:
            row = CHECKS[name](pairs, draws=draws, seed=program).table.iloc[0]
            found.setdefault(name, []).append([row["p_value"], row["p_clustered"], row["p_within"]])
    values = {name: np.array(rows) for name, rows in found.items()}
    table = pd.DataFrame({name: np.where(np.isnan(p).all(axis=0), np.nan, (p <= 0.05).mean(axis=0)) for name, p in values.items()}).T
    table.columns = ["independent", "partners_whole", "within_partners"]
    return table.rename_axis("test").reset_index().assign(partners=partners, frailty_sd=spread, programs=programs)
