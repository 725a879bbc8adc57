"""How many partners each tier will hold next quarter."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.clusters import design_effects, jackknife_shares
from partnerlab.stats.counts import flow_rows, step_counts
from partnerlab.stats.intervals import check_level
from partnerlab.tiers.history import Outside, TierHistory
from partnerlab.transitions.cells import FEWEST_AT_RISK, FEWEST_PARTNERS
from partnerlab.transitions.estimates import TransitionEstimate
from partnerlab.transitions.shocks import CommonShock, find_shocks
from partnerlab.transitions.states import LAPSED, STAGES

#: State of members whose tier is not known; they count for no tier.
UNKNOWN = "unknown"
#: Quarters of joiners that the next quarter's joiners are drawn from.
RECENT = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierForecast(Result):
    """Number of partners in each tier next quarter.

    The table has keys ``[tier, quarter]``; ``estimate`` is the mean of the draws, ``std_error`` their standard
    deviation, ``n`` the partners forecast from; then ``now`` (partners in the tier today) and ``joins`` (those of
    the estimate who have yet to join).

    Parameters
    ----------
    made_from : str
        Last quarter that the forecast knows.
    quarter : str
        Quarter forecast.
    chances : DataFrame
        Probability of each tier next quarter, by tier today.
    """

    title: ClassVar[str] = "Tiers next quarter"

    made_from: str = ""
    quarter: str = ""
    chances: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)


def count_states(history: TierHistory, stage: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read codes in which lapsed and unknown are states too; not yet joined stays outside."""
    codes, tiers = getattr(history, stage), len(history.tiers)
    codes = np.where(codes == Outside.LAPSED, tiers, np.where(codes == Outside.UNKNOWN, tiers + 1, np.where(codes < 0, -1, codes)))
    return codes.astype(np.int8), (*history.tiers, LAPSED, UNKNOWN)


def row_counts(codes: np.ndarray, states: int, use: np.ndarray) -> np.ndarray:
    """Count moves by state, deflated by the design effect of their row: shape ``(states, states)``."""
    rows = flow_rows(codes, states, use=use)
    shares, errors = jackknife_shares(rows.hits, rows.trials, group=rows.origin, groups=states)
    at_risk = np.bincount(rows.origin, weights=rows.trials, minlength=states)
    partners = np.bincount(rows.origin, minlength=states)
    effect = design_effects(shares, errors, at_risk, np.maximum(partners, 1))
    with np.errstate(invalid="ignore"):
        weight = np.nan_to_num(shares) * (1 - np.nan_to_num(shares))
        spread = np.nansum(weight * np.nan_to_num(effect, nan=1.0), axis=1)
        row = np.where(weight.sum(axis=1) > 0, spread / np.maximum(weight.sum(axis=1), 1e-300), 1.0)
    return np.nan_to_num(shares) * (at_risk / np.maximum(row, 1.0))[:, None]


def draw_shares(rng: np.random.Generator, counts: np.ndarray, draws: int) -> np.ndarray:
    """Draw transition matrices from Dirichlet rows around (effective) counts: shape ``(draws, s, s)``.

    One pseudo-move in all: half of it on staying, half spread over the states ever reached; out of the last
    two, lapsed and unknown, all of it stays. A row without any count stays where it is.
    """
    states = len(counts)
    reached = counts.sum(axis=0) > 0
    prior = 0.5 * np.eye(states) + 0.5 * reached / max(int(reached.sum()), 1)
    prior[-2:] = np.eye(states)[-2:]
    weights = rng.standard_gamma(np.broadcast_to(counts + prior, (draws, states, states)))
    empty = counts.sum(axis=1) == 0
    weights[:, empty] = np.eye(states)[empty]
    return weights / weights.sum(axis=2, keepdims=True)


def quarter_ratio(steps: np.ndarray) -> float:
    """How much more quarters differ than chance makes of one matrix: 1 if they are alike, NaN if it cannot be told.

    Pearson's statistic of every quarter's moves against the pooled shares, over its mean under one matrix.

    Parameters
    ----------
    steps : ndarray, shape (t, s, s)
        Moves of each quarter.

    Examples
    --------
    >>> steps = np.random.default_rng(0).multinomial(200, [0.9, 0.1], (12, 2))
    >>> 0.5 < quarter_ratio(steps) < 1.6
    True
    """
    at_risk = steps.sum(axis=2, keepdims=True)
    total = np.maximum(at_risk.sum(axis=0), 1)
    pooled = steps.sum(axis=0) / total
    expected = at_risk * pooled
    counted = expected >= 1
    # each term's mean under one matrix: what estimating that matrix leaves of its variance
    mean = np.where(counted, (1 - pooled) * (1 - at_risk / total), 0.0).sum()
    seen = np.where(counted, (steps - expected) ** 2 / np.where(counted, expected, 1.0), 0.0).sum()
    return float(seen / mean) if mean > 0.5 else np.nan


def add_shock(counts: np.ndarray, shift: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Shift drawn counts by shares of all partners, no state below its floor and nobody lost.

    Parameters
    ----------
    counts : ndarray of int, shape (draws, s)
        Drawn partners of each state.
    shift : ndarray, shape (draws, s)
        Shift of each state's share.
    floor : ndarray of int, shape (s,)
        Partners that cannot leave their state.

    Examples
    --------
    >>> add_shock(np.array([[60, 30, 10]]), np.array([[0.05, 0.05, -0.10]]), np.array([0, 0, 8])).tolist()
    [[57, 35, 8]]
    """
    total = counts.sum(axis=1)
    moved = np.maximum(counts + np.rint(shift * total[:, None]).astype(np.int64), floor)
    # what rounding and floors leave over is settled by the largest state
    rows, largest = np.arange(len(moved)), moved.argmax(axis=1)
    moved[rows, largest] += total - moved.sum(axis=1)
    return np.maximum(moved, 0)


def forecast_tiers(
    history: TierHistory,
    *,
    flows: TransitionEstimate | None = None,
    quarter: str | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int,
    stage: str = "published",
) -> TierForecast:
    """Forecast how many partners each tier holds one quarter ahead.

    Parameters
    ----------
    history : TierHistory
        Tiers up to now.
    flows : TransitionEstimate or None
        One-quarter probabilities to go by, not split by segment; None estimates them from the history, with
        "unknown" as a state of its own.
    quarter : str or None
        Quarter to forecast; the forecast is made from the one before it, as if nothing later were known.
        None forecasts the quarter after the last whole one.
    level : float
        Coverage of each tier's interval.
    draws, seed : int
        Of the simulated futures.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read.

    Returns
    -------
    TierForecast
        Each draw takes transition probabilities from a Dirichlet distribution around the moves seen, deflated by
        their design effect (sampling of partners), moves today's partners by them (multinomial noise), shifts the
        outcome by as much as quarters were seen to stray beyond chance, around what the season usually brings where
        that shows (common shock), and adds the joiners of one of the last eight quarters. Trends are not forecast.

    Raises
    ------
    ParameterError
        If the quarter cannot be forecast from this history, or ``flows`` are split by segment.
    SampleError
        If fewer than 3 partners or 5 pairs of quarters tell how partners move.

    Examples
    --------
    >>> codes = np.random.default_rng(0).integers(0, 2, (50, 6))
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", "GB"[codes[i, q]]) for i in range(50) for q in range(6)]
    >>> history = TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["G", "B"])
    >>> forecast = forecast_tiers(history, seed=1)
    >>> forecast.quarter, forecast.tidy()["estimate"].round(-1).tolist()
    ('2026Q3', [20.0, 30.0])
    """
    check_level(level)
    if stage not in STAGES:
        raise ParameterError(f"stage {stage!r} does not exist; give one of {', '.join(STAGES)}")
    last = _origin(history, quarter)
    codes, names = count_states(history, stage)
    codes = codes[:, : last + 1]
    partial = np.asarray(history.partial, dtype=bool)[: last + 1]
    use = ~(partial[:-1] | partial[1:])
    counts = row_counts(codes, len(names), use) if flows is None else _counts_of(flows, names)
    moves, partners = step_counts(codes, len(names), use=use), len(np.unique(flow_rows(codes, len(names), use=use).partner))
    if partners < FEWEST_PARTNERS or moves.sum() < FEWEST_AT_RISK:
        raise SampleError(
            f"not enough data for a forecast from {history.labels[last]}: {partners} partners in two whole quarters side by side, "
            f"{moves.sum()} pairs of quarters; {FEWEST_PARTNERS} and {FEWEST_AT_RISK} are needed"
        )
    ahead = history.first + last + 1
    shock = find_shocks(moves, season=_season(history, np.flatnonzero(use) + 1), coming=int(_season(history, last + 1)))
    today = np.bincount(codes[:, last][codes[:, last] >= 0], minlength=len(names))
    rng = np.random.default_rng(seed)
    shares = draw_shares(rng, counts, draws)
    stay = sum(rng.multinomial(today[state], shares[:, state]) for state in range(len(names)))
    # who lapsed for good, or was never known, cannot be shaken out of it
    floor = np.where(counts.diagonal() >= counts.sum(axis=1) - 1e-9, today, 0) * (np.arange(len(names)) >= len(history.tiers))
    stay = add_shock(stay, shock.draw(rng, draws), floor)
    joins, drawn = _joins(codes, use, len(names), rng, draws)
    label = history.calendar.label(ahead)
    table = _forecast_table(names, stay + drawn, today, joins, label, level, tiers=len(history.tiers))
    chances = pd.DataFrame(shares.mean(axis=0), index=pd.Index(names, name="tier"), columns=pd.Index(names, name="next_tier"))
    return TierForecast(
        estimand=f"Number of partners in each tier in {label}, as seen from {history.labels[last]} ({stage} tiers)",
        table=table,
        checks=_forecast_checks(moves, shock, today, joins, names),
        level=level,
        made_from=history.labels[last],
        quarter=label,
        chances=chances,
    )


def _origin(history: TierHistory, quarter: str | None) -> int:
    """Column that the forecast is made from."""
    if quarter is None:
        whole = np.flatnonzero(~np.asarray(history.partial, dtype=bool))
        last = int(whole[-1]) if len(whole) else -1
    else:
        last = history.calendar.parse(quarter) - history.first - 1
    if not 1 <= last < history.shape[1]:
        after = history.calendar.label(history.first + history.shape[1])
        raise ParameterError(
            f"a forecast of {quarter or 'the next quarter'} needs two quarters before it in the history, and ends at {after}"
        )
    return last


def _counts_of(flows: TransitionEstimate, names: tuple[str, ...]) -> np.ndarray:
    """Effective counts of a given estimate; partners of unknown tier stay unknown."""
    if flows.by is not None:
        raise ParameterError(f"flows are split by {flows.by}; estimate them over all partners")
    counts = np.zeros((len(names), len(names)))
    table = flows.table.dropna(subset=["estimate"])
    place = {name: index for index, name in enumerate(names)}
    effect = table.groupby("from_tier")["deff"].mean().fillna(1.0)
    for row in table.itertuples():
        counts[place[row.from_tier], place[row.to_tier]] = row.estimate * row.n / effect[row.from_tier]
    return counts


def _joins(codes: np.ndarray, use: np.ndarray, states: int, rng: np.random.Generator, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean joiners by tier over recent quarters, and drawn ones: a quarter drawn, then Poisson around it."""
    steps = np.flatnonzero(use)[-RECENT:]
    came = np.zeros((len(steps), states))
    for position, step in enumerate(steps):
        arrived = codes[(codes[:, step] < 0) & (codes[:, step + 1] >= 0), step + 1]
        came[position] = np.bincount(arrived, minlength=states)
    if not len(steps):
        return np.zeros(states), np.zeros((draws, states), dtype=np.int64)
    total = came.sum(axis=1)
    mix = (came.sum(axis=0) + 1e-12) / (came.sum() + 1e-12 * states)
    size = rng.poisson(total[rng.integers(0, len(steps), draws)])
    return came.mean(axis=0), rng.multinomial(size, mix)


def _forecast_table(
    names: tuple[str, ...], drawn: np.ndarray, today: np.ndarray, joins: np.ndarray, label: str, level: float, *, tiers: int
) -> pd.DataFrame:
    edges = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf")
    table = pd.DataFrame(
        {
            "tier": names, "quarter": label, "estimate": drawn.mean(axis=0), "std_error": drawn.std(axis=0),
            "conf_low": edges[0].astype(float), "conf_high": edges[1].astype(float), "n": int(today.sum()), "now": today, "joins": joins,
        }
    )  # fmt: skip
    used = (table["now"] > 0) | (table["estimate"] > 0) | (np.arange(len(table)) < tiers)
    return table[used].reset_index(drop=True)


def _season(history: TierHistory, column: np.ndarray | int) -> np.ndarray:
    """Season of a column: the quarter, or the month, of the year."""
    return (history.first + np.asarray(column)) % (12 // history.calendar.months)


def _forecast_checks(
    moves: np.ndarray, shock: CommonShock, today: np.ndarray, joins: np.ndarray, names: tuple[str, ...]
) -> tuple[Check, ...]:
    """Look at what one matrix for all quarters leans on."""
    ratio, pairs = quarter_ratio(moves), len(moves)
    allowed = "what the season usually brings is added" if shock.seasonal else "no season shows"
    stray = "allows for" if len(shock.spread) else "holds no"
    alike = Check(
        "Quarters are alike",
        None if np.isnan(ratio) else ratio <= 1.5,
        f"Flows differ between quarters by {ratio:.2f} times what chance makes of one matrix; "
        f"the interval {stray} shocks common to all, and {allowed}. A trend is not forecast.",
    )
    unknown = int(today[names.index(UNKNOWN)])
    known = Check(
        "Tiers are known", unknown <= 0.05 * max(int(today.sum()), 1), f"{unknown} of {int(today.sum())} partners have no known tier today."
    )
    recent = min(RECENT, pairs)
    coming = Check("Joiners as of late", True, f"{joins.sum():.1f} joiners a quarter are added, as in the last {recent} whole quarters.")
    return alike, known, coming
