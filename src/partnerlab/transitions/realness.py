"""Whether a move is real: the probability that the true tier changed, beside the chance that noise made the move."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, wilson_interval
from partnerlab.transitions.movers import Movers, direction_names
from partnerlab.transitions.probabilities import check_draws, last_whole, rate_checks, rule_span, true_tiers
from partnerlab.transitions.rates import noisy_indicators, true_program
from partnerlab.transitions.states import LAPSED, read_states

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory
    from partnerlab.tiers.scheme import TierScheme


@dataclasses.dataclass(frozen=True, kw_only=True)
class RealMoves(Result):
    """Partners that changed tier in a quarter, each with the probability that its true tier changed.

    The table has keys ``[partner, from_tier, to_tier, direction]``; ``estimate`` is the probability that the true
    tier changed in that direction within the last ``back`` quarters (its interval that of the draws; NaN for moves
    through the gate of a quadrant, which is taken as seen), ``n`` the draws; then ``belongs`` (probability that the
    new tier is the true one), ``chance`` (of `detect_movers`, where it was given: how probable such a move is if
    nothing changed) and ``real``.

    Parameters
    ----------
    quarter : str
        Quarter moved into.
    back : int
        Quarters over which the true tier is compared.
    """

    title: ClassVar[str] = "Real moves"

    quarter: str = ""
    back: int = 1


def real_set(probability: np.ndarray, *, level: float) -> np.ndarray:
    """Pick the likeliest, as many as can be picked while false ones are expected to be at most ``1 - level`` of them.

    The expected share of false ones is the mean of ``1 - probability`` over those picked
    (Newton et al. 2004, doi:10.1093/biostatistics/5.2.155).

    Examples
    --------
    >>> real_set(np.array([0.99, 0.5, 0.93, 0.96]), level=0.95)
    array([ True, False,  True,  True])
    """
    order = np.argsort(-probability, kind="stable")[: int((~np.isnan(probability)).sum())]
    false = np.cumsum(1.0 - probability[order]) / np.arange(1, len(order) + 1)
    picked = np.zeros(len(probability), dtype=bool)
    picked[order[false <= 1.0 - level]] = True
    return picked


def quarters_back(scheme: TierScheme, windows: list[int]) -> int:
    """Quarters within which a change of the rate shows in the tier: the longest window, and the wait for confirmation."""
    wait = max(scheme.movement.confirm.up, scheme.movement.confirm.down)
    return max(max(windows, default=1) + wait - 1, 2)


def estimate_real_moves(
    history: TierHistory,
    *,
    quarter: str | None = None,
    movers: Movers | None = None,
    draws: int = 400,
    seed: int,
    level: float = 0.95,
    within: str | None = "region",
) -> RealMoves:
    """Estimate the probability that each move of a quarter is real: that the partner's true tier changed.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers`, published moves are read.
    quarter : str or None
        Quarter moved into; the last whole one if None.
    movers : Movers or None
        Of the same quarter, to stand beside.
    draws, seed, within
        As for `estimate_tier_probability`.
    level : float
        One minus the share of false ones expected among the moves called real.

    Returns
    -------
    RealMoves

    Raises
    ------
    MissingTableError
        If the history was not made from a panel.
    SampleError
        If nobody moved, or nothing that the scheme reads is counted.

    Notes
    -----
    The true tier is that of `estimate_tier_probability`. It is compared with that of as many quarters ago as a change
    can take to show: the longest window and the wait for confirmation, two at least. Changes are drawn from the
    posterior of where the partner's rate changed, given its counts up to the quarter and how often rates of this
    program change at all. Rates that drift slowly, rather than jump, make the probabilities less exact.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> leads = np.random.default_rng(0).poisson(np.repeat([1, 8], 20)[:, None], (40, 6))
    >>> leads[0] = [0, 1, 0, 0, 1, 12]
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", leads[i, q]) for i in range(40) for q in range(6)]
    >>> panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 4}, {"name": "Member"}]}
    >>> history = assign_tiers(panel, TierScheme(scheme="demo", classify=bands))
    >>> moves = estimate_real_moves(history, quarter="2026Q2", draws=50, seed=1)
    >>> moves.tidy().loc[lambda table: table["estimate"] > 0.5, "partner"].tolist()
    ['p00']
    """
    check_level(level)
    check_draws(draws)
    if history.scores is None or history.scheme is None:
        raise MissingTableError("this history came from a table of tiers; without the counts behind them nothing says which moves are real")
    chosen = quarter or last_whole(history.scores.panel)
    history, panel, scheme = history.until(chosen), history.scores.panel.until(chosen), history.scheme
    who, origin, target = _moved(history)
    span = quarters_back(scheme, [panel.indicators[name].window for name in noisy_indicators(panel, scheme)])
    program = true_program(panel, history, keep=span + rule_span(scheme), within=within)
    codes = true_tiers(program, scheme, draws=draws, seed=seed)[:, who, -(span + 1) :]
    direction = direction_names(origin, target, history.rank)
    probability = _same_direction(codes, history.rank, direction).mean(axis=0)
    gate = _through_gate(history, origin, target)
    probability[gate] = np.nan
    belongs = (codes[:, :, -1] == target).mean(axis=0)
    low, high = wilson_interval(probability, np.full(len(who), float(draws)), level=level)
    names = np.array(history.tiers, dtype=object)
    table = pd.DataFrame(
        {
            "partner": history.partners[who], "from_tier": names[origin], "to_tier": names[target], "direction": direction,
            "estimate": probability, "std_error": np.sqrt(probability * (1 - probability) / draws), "conf_low": low, "conf_high": high,
            "n": draws, "belongs": belongs, "chance": _chances(movers, history.partners[who]),
            "real": real_set(probability, level=level),
        }
    )  # fmt: skip
    table = table.astype({"from_tier": "str", "to_tier": "str"})
    table = table.sort_values(["estimate", "partner"], ascending=[False, True], ignore_index=True)
    return RealMoves(
        estimand=f"Probability that a partner who moved in {chosen} truly changed tier, in that direction, within {span} quarters",
        table=table,
        checks=(*rate_checks(program, history), _said(table, level), *_gate_check(gate)),
        level=level,
        quarter=chosen,
        back=span,
    )


def _moved(history: TierHistory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find who moved between tiers in the last quarter, from where and to where."""
    states = read_states(history, stage="published", include_partial=True)
    if history.shape[1] < 2:
        raise SampleError(f"{history.labels[0]} is the first quarter of the history; nothing is known to move from")
    before, now = states.codes[:, -2].astype(int), states.codes[:, -1].astype(int)
    lapsed = states.names.index(LAPSED)
    who = np.flatnonzero((before >= 0) & (now >= 0) & (before < lapsed) & (now < lapsed) & (before != now))
    if not len(who):
        raise SampleError(f"nobody moved between tiers in {history.labels[-1]}; there is no move to judge")
    return who, before[who], now[who]


def _same_direction(codes: np.ndarray, rank: tuple[int | None, ...], direction: np.ndarray) -> np.ndarray:
    """Whether the true tier changed in the direction that was seen: bool, shape ``(draws, movers)``."""
    start = codes[:, :, -1]
    for column in range(codes.shape[2] - 1, -1, -1):  # the earliest quarter in which it was rated
        start = np.where(codes[:, :, column] >= 0, codes[:, :, column], start)
    now = np.where(codes[:, :, -1] >= 0, codes[:, :, -1], start)
    drawn = direction_names(start, now, rank)
    return (start != now) & (drawn == direction)


def _through_gate(history: TierHistory, origin: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mark moves into or out of the tier of those who fail the gate of a quadrant, bool ``(m,)``."""
    outside = getattr(history.scheme.classify, "outside", None)
    code = history.tiers.index(outside) if outside else -1
    return (origin == code) | (target == code)


def _gate_check(gate: np.ndarray) -> tuple[Check, ...]:
    if not gate.any():
        return ()
    said = f"{int(gate.sum())} moves go through the gate, which is taken as seen: whether they are real is not told here."
    return (Check("Moves through the gate", None, said),)


def _chances(movers: Movers | None, partners: np.ndarray) -> np.ndarray:
    """Chance by noise alone of each mover, NaN where it is not known."""
    if movers is None:
        return np.full(len(partners), np.nan)
    return movers.table.set_index("partner")["estimate"].reindex(partners).to_numpy(dtype=float)


def _said(table: pd.DataFrame, level: float) -> Check:
    real = int(table["real"].sum())
    return Check(
        "False moves are limited",
        None,
        f"{real} of {len(table)} moves are called real; at most {1 - level:.0%} of these are expected not to be. "
        f"Of {int(table['estimate'].notna().sum())} moves that can be judged, {table['estimate'].sum():.0f} are expected to be real.",
    )
