"""How printed forecasts turned out."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import TIDY, Check, Result
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.courses import count_states
from partnerlab.transitions.forecasts import TierForecast
from partnerlab.transitions.states import LAPSED


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForecastComparison(Result):
    """A printed forecast against what happened.

    The table has keys ``[tier, quarter, made_in]`` and the forecasts as they were printed, the latest first, then
    ``actual, error`` (actual less forecast), ``inside`` (the interval), ``persistence`` (what "as when it was made" said),
    ``persistence_error`` and ``ahead`` (quarters from printing to the quarter).

    Parameters
    ----------
    log_score, log_score_persistence : float
        Of the latest of the forecasts, as are the others. Mean of ``-log`` of the share that was forecast for the tier a
        partner is in; lower is better.
    brier, brier_persistence : float
        Sum of squared differences between forecast and actual shares of the tiers; lower is better.
    """

    title: ClassVar[str] = "Last forecast against what happened"

    log_score: float = np.nan
    log_score_persistence: float = np.nan
    brier: float = np.nan
    brier_persistence: float = np.nan


def compare_forecast(
    forecast: pd.DataFrame | TierForecast, *, history: TierHistory, quarter: str | None = None, stage: str = "published"
) -> ForecastComparison:
    """Score a printed forecast against what happened.

    Parameters
    ----------
    forecast : DataFrame or TierForecast
        Table with ``tier, quarter`` and the tidy columns, as printed (the ledger keeps it), and ``made_in`` where
        several reports forecast the quarter; without it, the forecast was made in the quarter before.
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
    >>> from partnerlab.transitions import forecast_tiers
    >>> compare_forecast(forecast_tiers(history, quarter="2026Q2", seed=1), history=history).tidy()[["tier", "inside"]].values.tolist()
    [['G', True], ['B', True], ['lapsed', True]]
    """
    printed, label = _printed(forecast, quarter)
    printed = _dated(printed, history, label)
    codes, names = _happened(history, label, stage, printed["tier"])
    table = _scored(printed, history, codes, names)
    latest = table[table["ahead"] == table["ahead"].min()].reset_index(drop=True)
    scores = _scores(latest, tiers=history.tiers)
    level = forecast.level if isinstance(forecast, Result) else 0.95
    return ForecastComparison(
        estimand=f"Number of partners in each tier in {label}: as forecast, and as it came",
        table=table,
        checks=_score_checks(latest, scores, level),
        level=level,
        **scores,
    )


def _printed(forecast: pd.DataFrame | TierForecast, quarter: str | None) -> tuple[pd.DataFrame, str]:
    """Rows that speak of the quarter, and its name."""
    printed = forecast.tidy().assign(made_in=forecast.made_from) if isinstance(forecast, TierForecast) else forecast.copy()
    lacking = [column for column in ("tier", "quarter", *TIDY) if column not in printed.columns]
    if lacking:
        raise ParameterError(f"forecast table lacks {', '.join(lacking)}; give it as forecast_tiers printed it")
    named = sorted(map(str, printed["quarter"].unique()))
    if quarter is None and len(named) != 1:
        raise ParameterError(f"the forecast speaks of {', '.join(named) or 'no quarter'}; say which quarter to score")
    label = named[0] if quarter is None else quarter
    rows = printed[printed["quarter"].astype(str) == label].reset_index(drop=True)
    if rows.empty:
        raise ParameterError(f"the forecast does not speak of {label}; it has {', '.join(named)}")
    return rows.astype({"tier": "str", "quarter": "str"}), label


def _dated(printed: pd.DataFrame, history: TierHistory, label: str) -> pd.DataFrame:
    """Add when each row was made, and how many quarters ahead; the latest first."""
    period = history.calendar.parse(label)
    made = [history.calendar.label(period - 1)] * len(printed) if "made_in" not in printed.columns else printed["made_in"].astype(str)
    ahead = period - np.array([history.calendar.parse(one) for one in made])
    if (ahead < 1).any():
        raise ParameterError(f"a forecast of {label} says it was made in {max(made)}; that is no forecast")
    dated = printed.assign(made_in=np.asarray(made, dtype=str), ahead=ahead)
    return dated.sort_values("ahead", kind="stable", ignore_index=True)


def _happened(history: TierHistory, label: str, stage: str, tiers: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes and names of the states, if the quarter has happened and the tiers are known."""
    column = history.calendar.parse(label) - history.first
    if not 1 <= column < history.shape[1] or history.partial[column]:
        raise SampleError(
            f"{label} has not happened in full, or has no quarter before it; the history has {history.labels[0]} to {history.labels[-1]}"
        )
    codes, names = count_states(history, stage)
    strange = sorted(set(tiers) - set(names))
    if strange:
        raise ParameterError(f"the forecast speaks of tier {strange[0]!r}, which the history does not have: {', '.join(names)}")
    return codes, names


def _scored(printed: pd.DataFrame, history: TierHistory, codes: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    """Put what happened, and what persistence would have said, beside what was printed."""
    state = np.array([names.index(tier) for tier in printed["tier"]])
    at = history.calendar.parse(printed["quarter"].iloc[0]) - history.first
    before = at - printed["ahead"].to_numpy()
    counts = np.stack([(codes == one).sum(axis=0) for one in range(len(names))])
    actual = counts[state, at]
    persistence = np.where(before >= 0, counts[state, np.maximum(before, 0)], np.nan)
    estimate, low, high = (printed[name].to_numpy(dtype=float) for name in ("estimate", "conf_low", "conf_high"))
    table = printed[["tier", "quarter", "made_in", *TIDY]].assign(actual=actual, error=actual - estimate)
    table["inside"] = pd.array(np.where(np.isnan(low), None, (low <= actual) & (actual <= high)), dtype="boolean")
    return table.assign(persistence=persistence, persistence_error=actual - persistence, ahead=printed["ahead"].to_numpy())


def _scores(latest: pd.DataFrame, *, tiers: tuple[str, ...]) -> dict[str, float]:
    """Log and Brier scores of the shares of tiers, for the forecast and for persistence."""
    rows = latest[latest["tier"].isin(tiers)]
    counts = rows["actual"].to_numpy(dtype=float)
    if counts.sum() == 0:
        return {}
    shares = counts / counts.sum()
    found = {}
    for name, said in (("", rows["estimate"].to_numpy(dtype=float)), ("_persistence", rows["persistence"].to_numpy(dtype=float))):
        smoothed = (said + 0.5) / (said + 0.5).sum()
        found["log_score" + name] = float(-(shares * np.log(smoothed)).sum())
        found["brier" + name] = float(((smoothed - shares) ** 2).sum())
    return found


def _score_checks(table: pd.DataFrame, scores: dict[str, float], level: float) -> tuple[Check, ...]:
    judged = table.loc[~table["tier"].isin((LAPSED, Outside.UNKNOWN.label)), "inside"].dropna()
    hits = int(judged.sum())
    inside = Check(
        "What happened lies inside the intervals",
        bool(hits == len(judged)) if len(judged) else None,
        f"{hits} of {len(judged)} tiers came out inside their {level:.0%} interval.",
    )
    if not scores:
        return (inside, Check("Better than saying 'as last quarter'", None, "Nobody was in a tier."))
    ours, plain = scores["log_score"], scores["log_score_persistence"]
    # as they are printed: a difference that cannot be read is none
    better = None if round(ours, 4) == round(plain, 4) else ours < plain
    skill = Check(
        "Better than saying 'as last quarter'",
        better,
        f"Log score {ours:.4f} against {plain:.4f}, Brier {scores['brier']:.5f} against "
        f"{scores['brier_persistence']:.5f} (lower is better; one quarter decides little).",
    )
    return inside, skill
