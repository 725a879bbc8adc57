"""How many partners each tier will hold next quarter, and how last quarter's answer to that turned out."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import TIDY, Check, Result
from partnerlab.stats.clusters import design_effects, jackknife_shares
from partnerlab.stats.counts import flow_rows, step_counts
from partnerlab.stats.intervals import check_level
from partnerlab.tiers.history import Outside, TierHistory
from partnerlab.transitions.estimates import TransitionEstimate
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForecastComparison(Result):
    """A printed forecast against what happened.

    The table has keys ``[tier, quarter]`` and the forecast as it was printed, then ``actual, error``
    (actual less forecast), ``inside`` (the interval), ``persistence`` (what "as last quarter" said) and
    ``persistence_error``.

    Parameters
    ----------
    log_score, log_score_persistence : float
        Mean of ``-log`` of the share that was forecast for the tier a partner is in; lower is better.
    brier, brier_persistence : float
        Sum of squared differences between forecast and actual shares of the tiers; lower is better.
    """

    title: ClassVar[str] = "Last forecast against what happened"

    log_score: float = np.nan
    log_score_persistence: float = np.nan
    brier: float = np.nan
    brier_persistence: float = np.nan


def _states(history: TierHistory, stage: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes in which lapsed and unknown are states too; not yet joined stays outside."""
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
        their design effect (sampling of partners), moves today's partners by them (multinomial noise), and adds
        the joiners of one of the last eight quarters.

    Raises
    ------
    ParameterError
        If the quarter cannot be forecast from this history, or ``flows`` are split by segment.
    SampleError
        If there is no move to learn from.

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
    codes, names = _states(history, stage)
    codes = codes[:, : last + 1]
    partial = np.asarray(history.partial, dtype=bool)[: last + 1]
    use = ~(partial[:-1] | partial[1:])
    counts = row_counts(codes, len(names), use) if flows is None else _counts_of(flows, names)
    if not counts.any():
        raise SampleError(f"a forecast from {history.labels[last]} needs two whole quarters side by side up to it")
    today = np.bincount(codes[:, last][codes[:, last] >= 0], minlength=len(names))
    rng = np.random.default_rng(seed)
    shares = draw_shares(rng, counts, draws)
    stay = sum(rng.multinomial(today[state], shares[:, state]) for state in range(len(names)))
    joins, drawn = _joins(codes, use, len(names), rng, draws)
    label = history.calendar.label(history.first + last + 1)
    table = _forecast_table(names, stay + drawn, today, joins, label, level, tiers=len(history.tiers))
    chances = pd.DataFrame(shares.mean(axis=0), index=pd.Index(names, name="tier"), columns=pd.Index(names, name="next_tier"))
    return TierForecast(
        estimand=f"Number of partners in each tier in {label}, as seen from {history.labels[last]} ({stage} tiers)",
        table=table,
        checks=_forecast_checks(codes, use, len(names), today, joins, names),
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


def _forecast_checks(
    codes: np.ndarray, use: np.ndarray, states: int, today: np.ndarray, joins: np.ndarray, names: tuple[str, ...]
) -> tuple[Check, ...]:
    """Look at what one matrix for all quarters leans on."""
    steps = step_counts(codes, states, use=use)
    at_risk = steps.sum(axis=2, keepdims=True)
    pooled = steps.sum(axis=0) / np.maximum(steps.sum(axis=0).sum(axis=1, keepdims=True), 1)
    expected = at_risk * pooled
    counted = expected >= 5
    # each term's mean under one matrix: what estimating that matrix leaves of its variance
    mean = np.broadcast_to((1 - pooled) * (1 - at_risk / np.maximum(at_risk.sum(axis=0), 1)), steps.shape)
    terms = (steps - expected) ** 2 / np.where(counted, expected, 1.0)
    usable = counted.any() and mean[counted].sum() > 0
    ratio = float(terms[counted].sum() / mean[counted].sum()) if usable else np.nan
    alike = Check(
        "Quarters are alike",
        None if not usable else ratio <= 1.5,
        f"Flows differ between quarters by {ratio:.2f} times what chance makes of one matrix; above 1.5 the interval is too narrow.",
    )
    unknown = int(today[names.index(UNKNOWN)])
    known = Check(
        "Tiers are known", unknown <= 0.05 * max(int(today.sum()), 1), f"{unknown} of {int(today.sum())} partners have no known tier today."
    )
    recent = min(RECENT, int(use.sum()))
    coming = Check("Joiners as of late", True, f"{joins.sum():.1f} joiners a quarter are added, as in the last {recent} whole quarters.")
    return alike, known, coming


def compare_forecast(
    forecast: pd.DataFrame | TierForecast, *, history: TierHistory, quarter: str | None = None, stage: str = "published"
) -> ForecastComparison:
    """Score a printed forecast against what happened.

    Parameters
    ----------
    forecast : DataFrame or TierForecast
        Table with ``tier, quarter`` and the tidy columns, as printed (the ledger keeps it).
    history : TierHistory
        Tiers as they came out.
    quarter : str or None
        Quarter to score; None takes the only one that the forecast names.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read.

    Returns
    -------
    ForecastComparison
        "As last quarter", smoothed by half a partner in each tier, is the forecast to beat.

    Raises
    ------
    ParameterError
        If the table lacks columns, does not speak of the quarter, or of a tier that the history lacks.
    SampleError
        If the quarter has not happened yet, or only in part.

    Examples
    --------
    >>> codes = np.random.default_rng(0).integers(0, 2, (50, 6))
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", "GB"[codes[i, q]]) for i in range(50) for q in range(6)]
    >>> history = TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["G", "B"])
    >>> compare_forecast(forecast_tiers(history, quarter="2026Q2", seed=1), history=history).tidy()["inside"].tolist()
    [True, True]
    """
    printed = forecast.tidy() if isinstance(forecast, Result) else forecast.copy()
    lacking = [column for column in ("tier", "quarter", *TIDY) if column not in printed.columns]
    if lacking:
        raise ParameterError(f"forecast table lacks {', '.join(lacking)}; give it as forecast_tiers printed it")
    named = sorted(map(str, printed["quarter"].unique()))
    if quarter is None and len(named) != 1:
        raise ParameterError(f"the forecast speaks of {', '.join(named) or 'no quarter'}; say which quarter to score")
    label = named[0] if quarter is None else quarter
    printed = printed[printed["quarter"].astype(str) == label].reset_index(drop=True)
    if printed.empty:
        raise ParameterError(f"the forecast does not speak of {label}; it has {', '.join(named)}")
    actual, before = _happened(history, label, stage, printed["tier"].astype(str))
    table = _scored(printed, actual, before)
    scores = _scores(printed, actual, before, tiers=history.tiers)
    level = forecast.level if isinstance(forecast, Result) else 0.95
    return ForecastComparison(
        estimand=f"Number of partners in each tier in {label}: as forecast, and as it came",
        table=table,
        checks=_score_checks(table, scores, level),
        level=level,
        **scores,
    )


def _happened(history: TierHistory, label: str, stage: str, tiers: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Partners in each of the tiers in a quarter and in the one before."""
    column = history.calendar.parse(label) - history.first
    if not 1 <= column < history.shape[1] or history.partial[column]:
        raise SampleError(
            f"{label} has not happened in full, or has no quarter before it; the history has {history.labels[0]} to {history.labels[-1]}"
        )
    codes, names = _states(history, stage)
    strange = sorted(set(tiers) - set(names))
    if strange:
        raise ParameterError(f"the forecast speaks of tier {strange[0]!r}, which the history does not have: {', '.join(names)}")
    place = [names.index(tier) for tier in tiers]
    counts = [np.bincount(codes[:, at][codes[:, at] >= 0], minlength=len(names))[place] for at in (column, column - 1)]
    return counts[0], counts[1]


def _scored(printed: pd.DataFrame, actual: np.ndarray, before: np.ndarray) -> pd.DataFrame:
    estimate, low, high = (printed[name].to_numpy(dtype=float) for name in ("estimate", "conf_low", "conf_high"))
    table = printed[["tier", "quarter", *TIDY]].assign(actual=actual, error=actual - estimate)
    table["inside"] = pd.array(np.where(np.isnan(low), None, (low <= actual) & (actual <= high)), dtype="boolean")
    return table.assign(persistence=before, persistence_error=actual - before)


def _scores(printed: pd.DataFrame, actual: np.ndarray, before: np.ndarray, *, tiers: tuple[str, ...]) -> dict[str, float]:
    """Log and Brier scores of the shares of tiers, for the forecast and for persistence."""
    inside = printed["tier"].isin(tiers).to_numpy()
    counts = actual[inside].astype(float)
    if counts.sum() == 0:
        return {}
    shares = counts / counts.sum()
    found = {}
    for name, said in (("", printed["estimate"].to_numpy(dtype=float)[inside]), ("_persistence", before[inside].astype(float))):
        smoothed = (said + 0.5) / (said + 0.5).sum()
        found["log_score" + name] = float(-(shares * np.log(smoothed)).sum())
        found["brier" + name] = float(((smoothed - shares) ** 2).sum())
    return found


def _score_checks(table: pd.DataFrame, scores: dict[str, float], level: float) -> tuple[Check, ...]:
    judged = table["inside"].dropna()
    hits = int(judged.sum())
    inside = Check(
        "What happened lies inside the intervals",
        bool(hits == len(judged)) if len(judged) else None,
        f"{hits} of {len(judged)} tiers came out inside their {level:.0%} interval.",
    )
    if not scores:
        return (inside, Check("Better than saying 'as last quarter'", None, "Nobody was in a tier."))
    better = scores["log_score"] <= scores["log_score_persistence"]
    skill = Check(
        "Better than saying 'as last quarter'",
        better,
        f"Log score {scores['log_score']:.4f} against {scores['log_score_persistence']:.4f}, Brier {scores['brier']:.5f} against "
        f"{scores['brier_persistence']:.5f} (lower is better; one quarter decides little).",
    )
    return inside, skill
