"""Turning signals: whose activity has left its level, with a stated rate of false alarms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.stats.shrinkage.pooling import gamma_poisson_prior
from partnerlab.stats.turns.changepoints import (
    MULTIPLES,
    Baseline,
    both_charts,
    chart_height,
    common_index,
    count_wildness,
    rate_ratio,
    tail_probability,
    turn_evidence,
    turn_time,
    unchanged_heights,
)
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.activity import Activity

#: Partners from which on what all share (season, shocks) is told apart from what one does.
ENOUGH_FOR_INDEX = 30
#: Draws without a turn that a probability rests on at least.
LEAST_DRAWS = 2000
#: Units times draws, and draws for each unit at least: neighbours in activity lend the others.
ALL_DRAWS, OWN_DRAWS = 60_000, 100
#: Multiples of the rate whose detection is foretold, and shares of partners by activity for whom.
FORETOLD = (0.0, 0.25, 0.5, 2.0, 3.0, 5.0)
QUANTILES = (0.25, 0.5, 0.75, 0.95)
#: Periods after a turn for which its detection is foretold, and programs drawn for each.
AGES, AGAIN = (1, 2, 3, 4, 6, 9, 12, 18, 26, 39, 52), 150
DIRECTIONS = ("up", "down", "both")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turns(Result):
    """Partners whose activity may have turned, those who signal first.

    The table has keys ``[partner, tier, direction]`` (``tier`` where a history was given); ``estimate`` is the rate since the
    turn relative to that before (``std_error`` of its logarithm; relative also to what all partners did), ``n`` the periods
    watched; then ``since, since_first, since_last`` (period of the turn, and the shortest stretch that holds it with the stated
    probability), ``before, now`` (events a period), ``p_value`` (how often a partner like this signals as high without a turn),
    ``adjusted`` (Benjamini and Hochberg over all partners watched) and ``signalled``. Size and time are those of the most
    likely turn, whether or not there was one.

    Parameters
    ----------
    period : str
        Last period, from whose quarter partners are looked at.
    false_alarms : float
        Stated number of signals without a turn for 100 partners looked at once a quarter.
    watched : int
        Partners looked at.
    delays : DataFrame
        ``rate`` (events a period), ``times`` (size of the turn), ``periods`` since, ``detected``: share of such turns that are signalled.
    series : DataFrame
        ``partner, period, count, expected`` of those who signal; expected without a turn.
    unit : str
        What is counted.
    per_quarter : int
        Periods in a quarter.
    """

    title: ClassVar[str] = "Turning signals"

    period: str = ""
    false_alarms: float = 1.0
    watched: int = 0
    delays: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    series: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    unit: str = "events"
    per_quarter: int = 3

    @property
    def expected_false(self) -> float:
        """Signals that would be expected of those watched if nobody turned."""
        return self.watched * self.false_alarms / 100.0

    def median_delay(self) -> pd.DataFrame:
        """Give the number of periods after which half of the turns of a size are signalled, by activity; NaN if never within the window.

        Returns
        -------
        DataFrame
            ``rate, times, periods``.
        """
        half = self.delays[self.delays["detected"] >= 0.5].groupby(["rate", "times"])["periods"].min()
        every = self.delays[["rate", "times"]].drop_duplicates()
        return every.assign(periods=half.reindex(pd.MultiIndex.from_frame(every)).to_numpy()).reset_index(drop=True)


def detect_turns(
    activity: Activity,
    *,
    history: TierHistory | None = None,
    watch: Mapping[str, str] | None = None,
    false_alarms: float = 1.0,
    window: int | None = None,
    level: float = 0.95,
    seed: int,
) -> Turns:
    """Detect partners whose activity has turned: waking up, or cooling down.

    Parameters
    ----------
    activity : Activity
        Counts by month or week; `build_activity` makes it from a panel, `Activity.from_frame` from a table.
    history : TierHistory or None
        Says in which tier a partner is, in its last quarter.
    watch : mapping of str to str, or None
        Tiers to look at and which way, up, down or both: ``{"DEMENTORS": "up", "KEY PARTNERS": "down"}``. None looks at
        everybody both ways.
    false_alarms : float
        Signals without a turn for 100 partners looked at once a quarter.
    window : int or None
        Periods in which a turn is looked for; a year, and at most half of the data, if None. What came before says what is usual.
    level : float
        Coverage of the intervals of size and time.
    seed : int
        Of the draws: the same seed gives the same signals.

    Returns
    -------
    Turns

    Raises
    ------
    SampleError
        If the data are too short, or nobody can be watched.
    ParameterError
        If a tier or direction to watch does not exist.

    Notes
    -----
    A gamma-Poisson likelihood-ratio chart (`partnerlab.stats.turns.changepoints`), whose highest point over the last quarter is compared
    with that of counts drawn again for the same partner: one rate from its posterior before the window, as wild as counts of
    this program are from period to period, and busy as all partners together were. Whoever is reached by at most
    ``false_alarms / 100`` of the draws signals; who is looked at both ways shares that between them. A signal is relative to
    the program: if everybody cools at once nobody signals. Partners with less than a quarter before the window are not watched.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> leads = rng.poisson(2.0, (60, 24))
    >>> leads[0, -3:] = [9, 7, 8]
    >>> rows = [(f"p{i:02d}", f"{2025 + m // 12}-{m % 12 + 1:02d}", leads[i, m]) for i in range(60) for m in range(24)]
    >>> seen = Activity.from_frame(pd.DataFrame(rows, columns=["partner", "month", "leads"]), count="leads")
    >>> turns = detect_turns(seen, false_alarms=0.1, seed=1)
    >>> turns.table.loc[turns.table["signalled"], ["partner", "direction", "since"]].to_numpy().tolist()
    [['p00', 'up', '2026-10']]
    """
    check_level(level)
    if not 0 < false_alarms < 100:
        raise ParameterError(f"false_alarms is {false_alarms}; give a number for 100 partners, such as 1")
    width = _window(activity, window)
    index, wildness = _usual(activity)
    tier, way = _watched(activity, history, watch)
    time = activity.exposure * index
    enough = (activity.exposure[:, :-width].sum(axis=1) >= activity.per_quarter) & (activity.exposure[:, -1] > 0)
    rows = np.flatnonzero(enough & (way != ""))
    if not len(rows):
        raise SampleError(
            f"nobody can be watched: {int((way != '').sum())} partners are of the tiers asked for, none with a quarter of data before the "
            f"last {width} periods"
        )
    baseline = _baseline(activity.counts, time, width, wildness).take(rows)
    counts = activity.counts[rows, -width:]
    probability = _probabilities(counts, baseline, way[rows], false_alarms, activity.per_quarter, seed)
    direction = np.where(probability[0] <= probability[1], "up", "down")
    best = probability.min(axis=0)
    table = _sizes(activity, rows, baseline, direction, level)
    table = table.assign(p_value=best, adjusted=adjust_p_values(best, method="BH"), signalled=best <= false_alarms / 100.0)
    if tier is not None:
        table.insert(1, "tier", tier[rows])
    table = table.sort_values(["signalled", "p_value", "partner"], ascending=[False, True, True], ignore_index=True)
    return Turns(
        estimand=f"Rate of {activity.unit} since a turn, relative to before and to all partners, as seen in {activity.labels[-1]}",
        table=table,
        checks=_checks(activity, table, way, rows, wildness, width, false_alarms),
        level=level, period=activity.labels[-1], false_alarms=float(false_alarms), watched=len(rows),
        delays=_delays(baseline, false_alarms, way[rows], activity.per_quarter, seed),
        series=_series(activity, table, time, baseline, rows), unit=activity.unit, per_quarter=activity.per_quarter,
    )  # fmt: skip


def _window(activity: Activity, window: int | None) -> int:
    """Periods in which a turn is looked for."""
    periods, quarter = activity.shape[1], activity.per_quarter
    if periods < 3 * quarter:
        raise SampleError(f"activity covers {periods} periods; {3 * quarter} are needed, a quarter to look at and two before it")
    width = min(4 * quarter, periods // 2) if window is None else int(window)
    if not quarter <= width <= periods - quarter:
        raise ParameterError(f"window is {width}; give {quarter} to {periods - quarter} periods")
    return width


def _usual(activity: Activity) -> tuple[np.ndarray, float]:
    """How busy each period was for all, and how wild counts are beyond Poisson."""
    wildness = count_wildness(activity.counts, activity.exposure)
    if activity.shape[0] < ENOUGH_FOR_INDEX:
        return np.ones(activity.shape[1]), wildness
    index = common_index(np.where(activity.exposure > 0, activity.counts, 0), activity.exposure, wildness=wildness)
    return index, count_wildness(activity.counts, activity.exposure * index)


def _watched(activity: Activity, history: TierHistory | None, watch: Mapping[str, str] | None) -> tuple[np.ndarray | None, np.ndarray]:
    """Tier of each partner, and which way it is looked at; empty where it is not."""
    everybody = np.full(len(activity.partners), "both", dtype=object)
    if history is None:
        if watch:
            raise ParameterError("watch names tiers; give the history that says who is in them")
        return None, everybody
    strange = next((tier for tier in watch or {} if tier not in history.tiers), None)
    if strange is not None:
        raise ParameterError(f"watch: there is no tier {strange!r}{nearest(strange, history.tiers)}")
    wrong = next((way for way in (watch or {}).values() if way not in DIRECTIONS), None)
    if wrong is not None:
        raise ParameterError(f"watch: {wrong!r} is no direction; give up, down or both")
    code = pd.Series(history.published[:, -1].astype(int), index=history.partners).reindex(activity.partners).fillna(-1).astype(int)
    tier = np.array([*history.tiers, ""], dtype=object)[np.where(code >= 0, code, -1)]
    way = everybody if watch is None else np.array([watch.get(name, "") for name in tier], dtype=object)
    return tier, np.where(tier == "", "", way)


def _baseline(counts: np.ndarray, time: np.ndarray, width: int, wildness: float) -> Baseline:
    """Gamma posterior of each rate from what came before the window."""
    events, exposure = counts[:, :-width].sum(axis=1).astype(float), time[:, :-width].sum(axis=1)
    level = events.sum() / max(exposure.sum(), 1e-9)
    own = np.divide(events + level, exposure + 1.0)
    spread = 1.0 + wildness * own
    shape, rate = gamma_poisson_prior(np.round(events / spread), exposure / spread)
    return Baseline(shape=shape[0] + events / spread, rate=rate[0] + exposure / spread, time=time[:, -width:], wildness=wildness)


def _probabilities(counts: np.ndarray, baseline: Baseline, way: np.ndarray, false_alarms: float, look: int, seed: int) -> np.ndarray:
    """How often a partner like each reaches as high without a turn, upwards and downwards: shape ``(2, n)``."""
    size = len(counts)
    draws = int(np.clip(ALL_DRAWS // size, OWN_DRAWS, LEAST_DRAWS))
    unchanged = unchanged_heights(baseline, look=look, draws=draws, rng=np.random.default_rng(seed))
    # neighbours are alike in activity, and in how long they have been known
    known = np.digitize(baseline.rate, np.quantile(baseline.rate, [1 / 3, 2 / 3]))
    heights, order = both_charts(counts, baseline, look=look), np.lexsort((baseline.mean, known))
    least = max(LEAST_DRAWS, int(20 * 100 / false_alarms))
    found = np.stack([tail_probability(*pair, order=order, least=least) for pair in zip(heights, unchanged, strict=True)])
    # who is looked at both ways shares the alarms between them
    both = np.minimum(2.0 * found, 1.0)
    found = np.where(way == "both", both, found)
    found[0] = np.where(way == "down", 1.0, found[0])
    found[1] = np.where(way == "up", 1.0, found[1])
    return found


def _sizes(activity: Activity, rows: np.ndarray, baseline: Baseline, direction: np.ndarray, level: float) -> pd.DataFrame:
    """Say of each partner when it would have turned, and how much."""
    counts, multiples = activity.counts[rows, -baseline.time.shape[1] :], np.array(MULTIPLES)
    ends = [turn_evidence(counts, baseline, multiples=some, look=1)[:, 0] for some in (multiples, 1.0 / multiples)]
    since, first, last = turn_time(np.where(direction == "up", ends[0], ends[1]), level=level)
    after = np.arange(counts.shape[1]) >= since[:, None]
    events, time = np.where(after, counts, 0).sum(axis=1), np.where(after, baseline.time, 0.0).sum(axis=1)
    inner_events, inner_time = counts.sum(axis=1) - events, baseline.time.sum(axis=1) - time
    spread, some = baseline.dispersion, np.maximum(time, 1e-9)
    shape, rate = baseline.shape + inner_events / spread, baseline.rate + inner_time / spread
    estimate, error, low, high = rate_ratio(shape, rate, events / spread, some / spread, level=level)
    labels = np.array(activity.labels[-counts.shape[1] :], dtype=object)
    return pd.DataFrame(
        {
            "partner": activity.partners[rows], "direction": direction, "estimate": estimate, "std_error": error, "conf_low": low,
            "conf_high": high, "n": (activity.exposure[rows] > 0).sum(axis=1), "since": labels[since], "since_first": labels[first],
            "since_last": labels[last], "before": shape / rate, "now": events / some,
        }
    ).astype({"since": "str", "since_first": "str", "since_last": "str", "direction": "str"})  # fmt: skip


def _delays(baseline: Baseline, false_alarms: float, way: np.ndarray, look: int, seed: int) -> pd.DataFrame:
    """Foretell which turns are signalled how soon, for partners of little to much activity."""
    rng = np.random.default_rng([seed, 1])
    share = false_alarms / 100.0 / (2.0 if (way == "both").any() else 1.0)
    order = np.argsort(baseline.mean, kind="stable")
    width, found = baseline.time.shape[1], []
    for quantile in QUANTILES:
        unit = order[int(quantile * (len(order) - 1))]
        mine, again = baseline.take(np.repeat(unit, LEAST_DRAWS)), baseline.take(np.repeat(unit, AGAIN))
        limits = np.quantile(both_charts(mine.draw(rng), mine, look=look), 1.0 - share, axis=1, method="higher")
        for times in FORETOLD:
            limit = limits[0 if times > 1 else 1]
            for age in (age for age in AGES if age <= width):
                path = np.where(np.arange(width) >= width - age, times, 1.0)
                height = chart_height(again.draw(rng, times=path), again, upwards=times > 1, look=look)
                found.append((float(baseline.mean[unit]), times, age, float((height > limit).mean())))
    return pd.DataFrame(found, columns=["rate", "times", "periods", "detected"])


def _series(activity: Activity, table: pd.DataFrame, time: np.ndarray, baseline: Baseline, rows: np.ndarray) -> pd.DataFrame:
    """Lay out the counts of those who signal, and what was to be expected without a turn."""
    named = table.loc[table["signalled"], "partner"].to_numpy()
    place = np.searchsorted(activity.partners, named)
    mean = baseline.mean[np.searchsorted(rows, place)]
    periods = activity.shape[1]
    seen = activity.exposure[place] > 0
    return pd.DataFrame(
        {
            "partner": np.repeat(named, periods), "period": np.tile(np.array(activity.labels, dtype=object), len(named)),
            "count": np.where(seen, activity.counts[place], np.nan).ravel(),
            "expected": np.where(seen, mean[:, None] * time[place], np.nan).ravel(),
        }
    ).astype({"period": "str"})  # fmt: skip


def _checks(
    activity: Activity, table: pd.DataFrame, way: np.ndarray, rows: np.ndarray, wildness: float, width: int, false_alarms: float
) -> tuple[Check, ...]:
    """Say how many signals would be false, who is not watched, and what all share."""
    signals, expected = int(table["signalled"].sum()), len(rows) * false_alarms / 100.0
    alarms = Check(
        "False alarms are as stated", None,
        f"{signals} of {len(rows)} partners watched signal; if nobody had turned {expected:.1f} would "
        f"({false_alarms:g} of 100 a quarter). {int((table['adjusted'] <= 0.05).sum())} signal so clearly that at most 5% of them are "
        "expected to be false.",
    )  # fmt: skip
    left = int((way != "").sum()) - len(rows)
    young = Check(
        "Everybody asked for is watched", None if left else True,
        f"{left} of {int((way != '').sum())} have less than a quarter before the last {width} periods, or were not members in the last.",
    )  # fmt: skip
    shared = activity.shape[0] >= ENOUGH_FOR_INDEX
    season = Check(
        "What all partners share is told apart", shared,
        "Signals are relative to how busy each period was for all partners." if shared
        else f"With {activity.shape[0]} partners ({ENOUGH_FOR_INDEX} are needed) seasons are not told apart from turns.",
    )  # fmt: skip
    wild = Check(
        "How wild counts are", None,
        f"Beyond Poisson the variance of a period's count is {wildness:.2f} times its squared mean; thresholds allow for it.",
    )  # fmt: skip
    return alarms, young, season, wild
