"""How good forecasts would have been: made again from every quarter with what was known then, and scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.backtest_rounds import Forecasting, Round, run_round
from partnerlab.transitions.backtest_tables import Trials, calibration_table, quarter_table, reliability_table, score_table
from partnerlab.transitions.baselines import BASELINES
from partnerlab.transitions.courses import UNKNOWN, Course, read_course
from partnerlab.transitions.forecasts import Method, check_future, say_lacking
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.semi_markov import exits_of
from partnerlab.transitions.states import LAPSED

#: Quarters that a first forecast is made from, if the history is long enough.
LEARN = 8
#: With fewer quarters scored, intervals lean on very few clusters; a check says so.
COMFORTABLE_QUARTERS = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForecastBacktest(Result):
    """Scores of forecasts made quarter after quarter without a look ahead.

    The table has keys ``[ahead, score, against]``; ``estimate`` is the mean of what the simple forecast scored less what
    ours scored, partner by partner (above 0: ours is better), its error clustered by partner and by quarter, ``n``
    forecasts; then ``ours, theirs`` (mean scores, lower is better), ``skill`` (share of their score that is saved) with
    ``skill_low, skill_high``, and ``quarters``.

    Parameters
    ----------
    outcome : str
        "tier", or the state whose coming about was scored.
    calibration : DataFrame
        ``transition, ahead, quarters, term`` and the tidy columns: intercept and slope of what happened on the log-odds
        forecast, 0 and 1 if forecasts mean what they say; then ``events``.
    reliability : DataFrame
        ``transition, ahead, bin``, the tidy columns of the share that came about, and ``forecast``, the mean forecast.
    by_quarter : DataFrame
        ``ahead, quarter, ours``, each simple forecast's mean log score, ``n, expected, happened`` (lapses).
    counts : DataFrame
        ``tier, quarter, made_from, ahead, estimate, conf_low, conf_high, actual, inside``: the program's numbers.
    method : str
        How the forecasts were made.
    """

    title: ClassVar[str] = "How good forecasts have been"

    outcome: str = "tier"
    calibration: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    reliability: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    by_quarter: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    counts: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    method: str = "semi_markov"


def backtest_forecast(  # noqa: PLR0913 - what to forecast, when, and what to score
    history: TierHistory | Transitions,
    *,
    ahead: int = 1,
    first: str | None = None,
    last: str | None = None,
    event: str | None = None,
    without: Sequence[str] = (),
    as_known: Mapping[str, TierHistory] | None = None,
    method: Method = "semi_markov",
    level: float = 0.95,
    draws: int = 1000,
    seed: int,
    stage: str = "published",
) -> ForecastBacktest:
    """Forecast every past quarter from those before it, and score what was said.

    Parameters
    ----------
    history : TierHistory or Transitions
        Tiers as they came out.
    ahead : int
        Quarters ahead, 1 to 8; each number up to there is scored on its own.
    first, last : str or None
        First and last quarter forecast one quarter ahead; the first has eight quarters before it if None, or half of
        the history where that is shorter.
    event : str or None
        Score only whether this state comes about, such as "lapsed"; None scores all states.
    without : sequence of str
        Quarters, such as those of a clean-up: calibration is shown with and without them.
    as_known : mapping of str to TierHistory, or None
        The history as it was known at the end of a quarter, where the source can tell (a panel built with ``as_of``);
        a forecast from that quarter reads it. From other quarters, the history cut at the quarter is read.
    method : {"semi_markov", "markov", "direct"}
        As in `forecast_tiers`.
    level : float
        Coverage.
    draws, seed : int
        Of the simulated futures.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read.

    Returns
    -------
    ForecastBacktest
        A forecast k quarters ahead from quarter t reads pairs of quarters that end at t at the latest: k quarters lie
        between what it learns from and what it is scored on. Partners whose tier is not known at either end are left out.

    Raises
    ------
    ParameterError
        If a quarter or state does not exist.
    SampleError
        If no quarter can be forecast and scored, or the first forecast has fewer than 3 partners or 5 pairs of quarters.

    Notes
    -----
    Simple forecasts are smoothed by half a count for each outcome, so that their log score is finite. Errors of mean
    differences are clustered two ways (Cameron, Gelbach and Miller 2011), Student's t with quarters less one.

    Examples
    --------
    >>> codes = np.random.default_rng(0).integers(0, 2, (60, 10))
    >>> rows = [(f"p{i:02d}", f"202{4 + q // 4}Q{q % 4 + 1}", "GB"[codes[i, q]]) for i in range(60) for q in range(10)]
    >>> history = TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["G", "B"])
    >>> scored = backtest_forecast(history, first="2026Q1", draws=200, seed=1)
    >>> scored.table.query("score == 'log' and against == 'persistence'")["estimate"].item() > 0
    True
    """
    check_level(level)
    check_future(method=method, ahead=ahead, draws=draws)
    course = read_course(history, stage=stage)
    classes = _classes(course, event)
    unknown = [label for label in without if label not in _labels(course)]
    if unknown:
        raise ParameterError(f"without names {unknown[0]}, which the history lacks{nearest(unknown[0], _labels(course))}")
    origins = _origins(course, first, last)
    strange = [label for label in as_known or {} if label not in _labels(course)]
    if strange:
        raise ParameterError(f"as_known: {strange[0]} is no quarter of the history{nearest(strange[0], _labels(course))}")
    known = {label: read_course(one, stage=stage) for label, one in (as_known or {}).items()}
    how = Forecasting(ahead=ahead, method=method, draws=draws, seed=seed, level=level, classes=classes)
    rounds = [run_round(course, origin, how, known=known.get(course.label(course.first + origin))) for origin in origins]
    trials = _stack(rounds, course)
    if not len(trials.partner):
        raise SampleError("nobody was in a tier in one of the quarters and known in the one forecast; nothing to score")
    if event is not None and not (classes[trials.target] == 1).any():
        moved = "lapsed" if event == LAPSED else f"came to {event}"
        raise SampleError(
            f"not enough data (n = {len(trials.partner)}): nobody {moved} in the quarters scored, so no forecast can be told from another"
        )
    ordered = event is None and all(one is not None for one in course.rank)
    table = score_table(trials, classes, level=level, ordered=ordered)
    calibration = calibration_table(trials, _transitions(course, event), without=tuple(without), label=course.label, level=level)
    counts = pd.concat([one.counts for one in rounds], ignore_index=True)
    quarters = [course.label(period) for period in np.unique(trials.period[trials.ahead == 1])]
    what = "tier" if event is None else f"having {event}" if event == LAPSED else event
    return ForecastBacktest(
        estimand=f"How much better {what} was forecast than by simple forecasts, {quarters[0]} to {quarters[-1]} ({stage} tiers)",
        table=table,
        checks=_backtest_checks(table, calibration, counts, len(quarters), as_known, level),
        level=level,
        outcome="tier" if event is None else event,
        calibration=calibration,
        reliability=reliability_table(trials, _transitions(course, event), level=level),
        by_quarter=quarter_table(trials, classes, lapsed=course.tiers, label=course.label),
        counts=counts,
        method=method,
    )


def _labels(course: Course) -> list[str]:
    return [course.label(course.first + column) for column in range(course.codes.shape[1])]


def _classes(course: Course, event: str | None) -> np.ndarray:
    """Class of each state: each its own, or the event and the rest; -1 for what is not scored."""
    states = len(course.names)
    if event is None:
        return np.where(np.arange(states) == states - 1, -1, np.arange(states))
    if event not in course.names[:-1]:
        raise ParameterError(f"event {event!r} is no state{nearest(event, course.names[:-1])}")
    classes = np.where(np.arange(states) == course.names.index(event), 1, 0)
    classes[-1] = -1
    return classes


def _transitions(course: Course, event: str | None) -> dict[str, np.ndarray]:
    """Ways of moving whose calibration is shown: what each state reaches."""
    if event is not None:
        reach = np.zeros((len(course.names), len(course.names)), dtype=bool)
        reach[: course.tiers, course.names.index(event)] = True
        return {"lapse" if event == LAPSED else f"to {event}": reach}
    ways = {name: reach.copy() for name, reach in exits_of(course.rank)[:4]}
    for reach in ways.values():
        reach[:, -1] = False
    return {name: reach for name, reach in ways.items() if reach.any()}


def _origins(course: Course, first: str | None, last: str | None) -> list[int]:
    """Columns that forecasts are made from: covered in full, as is the quarter after."""
    columns = course.codes.shape[1]

    def column(label: str | None, default: int) -> int:
        if label is None:
            return default
        if label not in _labels(course):
            raise ParameterError(f"{label} is not in the history{nearest(label, _labels(course))}")
        return _labels(course).index(label)

    start = column(first, max(min(LEARN, columns // 2), 2))
    stop = column(last, columns - 1)
    found = [at - 1 for at in range(max(start, 2), stop + 1) if course.use[at - 1]]
    if not found:
        raise SampleError(f"no quarter from {first or 'the third'} on can be forecast from two before it and scored")
    # what is known only grows: the first origin lacks data if any does
    said = say_lacking(course.until(found[0]))
    if said:
        raise SampleError(said if say_lacking(course.until(found[-1])) else f"{said}; give a later first quarter")
    return found


def _stack(rounds: list[Round], course: Course) -> Trials:
    """Put all rounds under one another."""
    joined = {name: np.concatenate([getattr(one, name) for one in rounds]) for name in ("partner", "origin", "ahead", "period", "target")}
    said = {name: np.concatenate([one.said[name] for one in rounds]) for name in ("ours", *BASELINES)}
    return Trials(**joined, said=said, states=len(course.names))


def _backtest_checks(
    table: pd.DataFrame,
    calibration: pd.DataFrame,
    counts: pd.DataFrame,
    quarters: int,
    as_known: Mapping[str, TierHistory] | None,
    level: float,
) -> tuple[Check, ...]:
    nearest_log = table[(table["ahead"] == table["ahead"].min()) & (table["score"] == "log")]
    beaten = nearest_log[nearest_log["conf_low"] > 0]["against"].tolist()
    lost = nearest_log[nearest_log["conf_high"] < 0]["against"].tolist()
    better = Check(
        "Better than simple forecasts",
        False if lost else True if len(beaten) == len(nearest_log) else None,
        f"One quarter ahead the log score is clearly better than {len(beaten)} of {len(nearest_log)} simple forecasts"
        + (f", clearly worse than {', '.join(lost)}." if lost else "."),
    )
    slopes = calibration[(calibration["term"] == "slope") & (calibration["ahead"] == 1)].dropna(subset=["conf_low"])
    off = slopes[(slopes["conf_low"] > 1) | (slopes["conf_high"] < 1)]
    meant = Check(
        "Probabilities mean what they say",
        None if slopes.empty else off.empty,
        f"{len(slopes) - len(off)} of {len(slopes)} calibration slopes have 1 in their interval.",
    )
    inside = counts.loc[(counts["ahead"] == 1) & (counts["tier"] != LAPSED) & (counts["tier"] != UNKNOWN), "inside"]
    held = Check(
        "Intervals hold", None, f"{int(inside.sum())} of {len(inside)} intervals one quarter ahead ({level:.0%}) held what happened."
    )
    many = Check("Quarters enough", quarters >= COMFORTABLE_QUARTERS, f"{quarters} quarters were forecast; with few, intervals are rough.")
    if as_known:
        cut = Check("No look ahead", True, "Each forecast read the data as known at each quarter.")
    else:
        cut = Check(
            "No look ahead", None, "Each forecast read the history as it stands today, cut at each quarter; later corrections are in it."
        )
    return better, meant, held, many, cut
