"""What a result says, in sentences written from its numbers and never beyond its intervals."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.intake import DataQuality
from partnerlab.panel import Panel
from partnerlab.results import Result
from partnerlab.survival import HazardEstimate, SurvivalEstimate
from partnerlab.tiers import Explanation, Outside, TierHistory
from partnerlab.transitions import (
    ChainCheck,
    DriftEstimate,
    ForecastBacktest,
    ForecastComparison,
    Movers,
    NoiseBaseline,
    PooledTransitions,
    TierForecast,
    TransitionEstimate,
)
from partnerlab.words import plural, say_count, say_estimate, say_interval, say_list, say_not_enough, say_number, say_p, say_share

#: Times, in periods, at which a survival curve is read out.
READ_AT = (4, 8, 12)


@functools.singledispatch
def read_result(result: Any, **options: Any) -> tuple[str, ...]:
    """Say what a result says, one sentence each.

    Parameters
    ----------
    result : Result, TierHistory, Panel or DataQuality
        What to read.
    **options
        ``quarter=`` for a panel or tier history.

    Raises
    ------
    ParameterError
        If there are no words for that kind of thing.
    """
    raise ParameterError(f"no reading is written for a {type(result).__name__}; give a result")


@read_result.register(Result)
def _any(result: Result) -> tuple[str, ...]:
    return (f"{result.estimand}.", *say_failed(result))


@read_result.register(TransitionEstimate)
def _flows(result: TransitionEstimate) -> tuple[str, ...]:
    rows = [row for _, row in result.moved.iterrows() if row["n"] > 0]
    if not rows:
        return ("Nobody was seen in a tier in two quarters in a row.",)
    said = [_moved(row, result) for row in rows[:8]]
    return tuple(said + say_failed(result))


def _moved(row: pd.Series, result: TransitionEstimate) -> str:
    whose = "partners" if result.by is None else f"{result.by.replace('_', ' ')} {row[result.by]}"
    if np.isnan(row["estimate"]) or np.isnan(row["conf_low"]):
        return f"{whose[:1].upper()}{whose[1:]}: {say_not_enough(row['n'])}."
    interval = f"interval {say_interval(row['conf_low'], row['conf_high'], kind='share')}; {say_count(row['n'])} partner-quarters"
    said = f"In a quarter, {say_share(row['estimate'])} of {whose} changed tier ({interval})."
    if "noise" not in row.index or np.isnan(row["noise"]):
        return said
    noise = f"{say_share(row['noise'])} ({say_interval(row['noise_low'], row['noise_high'], kind='share')})"
    if row["conf_low"] > row["noise_high"]:
        return f"{said} That is more than noise alone would move: {noise}."
    if row["conf_high"] < row["noise_low"]:
        return (
            f"{said} That is less than noise alone would move, {noise}: noise is drawn as if each partner's rate "
            "were the same in all quarters, and these data may not be so."
        )
    return f"{said} Noise alone would move {noise}: the two cannot be told apart."


@read_result.register(ChainCheck)
def _chain(result: ChainCheck) -> tuple[str, ...]:
    return (f"{result.verdict}.", *say_failed(result))


@read_result.register(DriftEstimate)
def _drift(result: DriftEstimate) -> tuple[str, ...]:
    from partnerlab.show.chains import drift_parts

    # the change itself is the headline of the picture below
    return (f"{drift_parts(result)}.", *say_failed(result))


@read_result.register(PooledTransitions)
def _pooled(result: PooledTransitions) -> tuple[str, ...]:
    rows = result.table[result.table["n"] > 0].drop_duplicates([result.by, "from_tier"])
    if rows.empty:
        return ("Nobody was seen in a tier in two quarters in a row.",)
    least, most = float(rows["weight"].min()), float(rows["weight"].max())
    segment = result.by.replace("_", " ")
    if least > 0.95:
        return (f"The data cannot tell one {segment} from another: every row is borrowed nearly whole ({say_share(least)} or more).",)
    return (
        f"A {segment} borrows {say_share(least)} to {say_share(most)} of a row from the others: "
        "the more, the sparser it is and the more alike all are.",
    )


@read_result.register(NoiseBaseline)
def _noise(result: NoiseBaseline) -> tuple[str, ...]:
    row = result.moved.iloc[0]
    share = f"{say_share(row['estimate'])} ({say_interval(row['conf_low'], row['conf_high'], kind='share')})"
    said = f"If no partner changed, {share} would still change tier in a quarter: counts of a few leads vary by chance."
    return (said, *say_failed(result))


@read_result.register(Movers)
def _movers(result: Movers) -> tuple[str, ...]:
    table, counted = result.table, len(result.judged)
    noise = f"noise alone would have moved {say_expected(result)}"
    more = {1: ": more moved than noise would move", -1: ": fewer moved than noise would move", 0: ""}[result.against_noise]
    moved = f"{plural(counted, 'partner')} of {say_count(result.at_risk)} changed tier in {result.quarter}"
    first = f"{moved}{' by their counts' if counted < len(table) else ''}; {noise}{more}."
    return (first, _stand_out(result, counted - result.beyond), *_unjudged(result))


def say_expected(result: Movers) -> str:
    """Write how many movers noise alone would have made, with the interval for one quarter."""
    return f"{say_count(result.expected)} ({say_count(result.expected_low)} to {say_count(result.expected_high)})"


def _stand_out(result: Movers, rest: int) -> str:
    """Say how many moves are beyond noise, as far as these counts let one."""
    beyond, one = result.beyond, result.beyond == 1
    if not beyond:
        return "No single move stands out from noise."
    if not result.sure:
        return (
            f"{plural(beyond, 'move')} {'stands' if one else 'stand'} out, but these counts vary more than chance counts do, "
            f"so {'it may be a usual swing' if one else 'some of them are usual swings'}."
        )
    share = f"{1 - result.level:.0%} of {'such moves' if one else 'them'} expected to be false alarms, among the partners of this page"
    others = f"; the other {say_count(rest)} cannot be told from it" if rest else ""
    return f"{plural(beyond, 'move')} {'is' if one else 'are'} beyond noise, at most {share}{others}."


def _unjudged(result: Movers) -> list[str]:
    """Say how many moves are no matter of counting: by a value stated anew, by a decision."""
    anew, decided = int(result.table["stated"].sum()), int((result.table["decided"] != "").sum())
    said = []
    if anew:
        them = "it" if anew == 1 else "them"
        said.append(f"{plural(anew, 'move')} followed a value stated anew, such as a rating: counts say nothing of {them}.")
    if decided:
        said.append(f"{plural(decided, 'move')} came by somebody's decision: an override or an appeal, or the end of one.")
    return said


def say_moves(result: Movers) -> str:
    """Say in half a sentence whether the moves of a quarter are more than noise; never more than the checks bear out.

    Examples
    --------
    >>> tidy = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high", "n"), 0.5)
    >>> table = pd.DataFrame({"beyond_noise": [False] * 33, "stated": False, "decided": "", **tidy})
    >>> from partnerlab.results import Check
    >>> from partnerlab.transitions.movers import FALSE_ALARMS
    >>> checks = (Check(FALSE_ALARMS, True, ""),)
    >>> say_moves(Movers(estimand="", level=0.95, checks=checks, table=table, expected=21.0, expected_low=15.0, expected_high=31.0))
    'more partners changed tier (33) than noise alone would move (15 to 31), but no single move stands out'
    """
    beyond, moved = result.beyond, len(result.judged)
    range_of = f"({say_count(result.expected_low)} to {say_count(result.expected_high)})"
    if beyond:
        one, count = beyond == 1, say_count(beyond)
        if result.sure:
            return f"{count} tier {'move is' if one else 'moves are'} beyond noise"
        usual = "it may be a usual swing" if one else "some of them are usual swings"
        stands = "move stands" if one else "moves stand"
        return f"{count} tier {stands} out, but these counts vary more than chance counts do, so {usual}"
    doubt = "" if result.sure else "these counts vary more than chance counts do, and "
    if result.against_noise > 0:
        return (
            f"more partners changed tier ({say_count(moved)}) than noise alone would move {range_of}, but {doubt}no single move stands out"
        )
    if result.against_noise < 0:
        return f"fewer partners changed tier ({say_count(moved)}) than noise alone would move {range_of}; no single move stands out"
    return "no tier move can be told from noise"


@read_result.register(TierForecast)
def _forecast(result: TierForecast) -> tuple[str, ...]:
    following = result.table[result.table["quarter"] == result.quarter]
    said = [f"Expected in {result.quarter}, if partners go on moving as they did: {_numbers(following)}.", _changing(following)]
    if len(result.quarters) > 1:
        last = result.table[result.table["quarter"] == result.quarters[-1]]
        said.append(f"In {result.quarters[-1]}, {plural(len(result.quarters), 'quarter')} from now: {_numbers(last)}. {_changing(last)}")
    return (*said, *_lapsing(following))


def _numbers(rows: pd.DataFrame) -> str:
    """Numbers of each tier with their intervals."""
    return "; ".join(
        f"{row['tier']} {say_count(row['estimate'])} "
        f"({say_interval(row['conf_low'], row['conf_high'], kind='count')}; {say_count(row['now'])} today)"
        for _, row in rows.iterrows()
    )


def _changing(rows: pd.DataFrame) -> str:
    """Which tiers are clearly expected to grow or shrink."""
    tiers = rows[~rows["tier"].isin(("lapsed", "unknown"))]
    outside = [row["tier"] for _, row in tiers.iterrows() if not row["conf_low"] <= row["now"] <= row["conf_high"]]
    if outside:
        return f"Today's number lies outside the interval for {say_list(outside)}."
    return "Today's number lies inside the interval of every tier: no tier is clearly growing or shrinking."


def _lapsing(rows: pd.DataFrame) -> list[str]:
    """Say by how much the number of lapsed partners is expected to grow."""
    lapsed = rows[rows["tier"] == "lapsed"]
    if lapsed.empty:
        return []
    row = lapsed.iloc[0]
    more, low, high = (row[name] - row["now"] for name in ("estimate", "conf_low", "conf_high"))
    if low > 0:
        return [f"Lapsed partners are expected to grow by {say_count(more)} ({say_interval(low, high, kind='count')})."]
    return [f"The number of lapsed partners is expected to change by {more:+,.0f} ({low:+,.0f} to {high:+,.0f})."]


@read_result.register(ForecastComparison)
def _comparison(result: ForecastComparison) -> tuple[str, ...]:
    judged = result.table[~result.table["tier"].isin(("lapsed", "unknown"))]
    judged = judged.dropna(subset=["actual"]) if "actual" in judged else judged
    latest = judged[judged["ahead"] == judged["ahead"].min()] if "ahead" in judged else judged
    first = f"Of {plural(len(latest), 'printed interval')}, {say_count(int(latest['inside'].sum()))} held what happened."
    if "persistence_error" not in judged:
        return (first,)
    ours, plain = float(latest["error"].abs().sum()), float(latest["persistence_error"].abs().sum())
    # one quarter decides little: a tenth of the error is no difference worth a word
    close = abs(ours - plain) <= max(0.1 * max(ours, plain), 1.0)
    verdict = "about as close as" if close else "closer than" if ours < plain else "further off than"
    second = f"Over all tiers the forecast was off by {say_count(ours)} partners, {verdict} 'as last quarter' ({say_count(plain)})."
    return first, second, *_earlier(judged)


def _earlier(judged: pd.DataFrame) -> list[str]:
    """How forecasts printed longer ago came out, one sentence for each report."""
    if "ahead" not in judged:
        return []
    return [
        f"Of those printed in {rows['made_in'].iloc[0]}, {plural(int(ahead), 'quarter')} ahead, "
        f"{say_count(int(rows['inside'].sum()))} of {say_count(len(rows))} held."
        for ahead, rows in judged.groupby("ahead")
        if ahead > judged["ahead"].min()
    ]


@read_result.register(ForecastBacktest)
def _backtest(result: ForecastBacktest) -> tuple[str, ...]:
    scored = result.table[result.table["score"] == "log"]
    said = []
    for ahead, rows in scored.groupby("ahead"):
        verdicts = "; ".join(_verdict(row) for _, row in rows.iterrows())
        said.append(f"{plural(int(ahead), 'quarter')} ahead, {plural(int(rows['quarters'].max()), 'quarter')} forecast: {verdicts}.")
    slopes = result.calibration[(result.calibration["term"] == "slope") & (result.calibration["ahead"] == 1)].dropna(subset=["estimate"])
    said += [_slope(row) for _, row in slopes.iterrows()]
    held = next((check.detail for check in result.checks if check.name == "Intervals hold"), "")
    return (*said, held) if held else tuple(said)


def _verdict(row: pd.Series) -> str:
    """Whether one simple forecast was beaten; never beyond the interval of the difference."""
    if np.isnan(row["conf_low"]):
        return f"against {row['against']} not enough quarters for an interval"
    word = "better than" if row["conf_low"] > 0 else "worse than" if row["conf_high"] < 0 else "not clearly different from"
    return (
        f"{word} {row['against']} (log score {say_number(row['ours'])} against {say_number(row['theirs'])}, "
        f"difference {say_interval(row['conf_low'], row['conf_high'], kind='number')})"
    )


def _slope(row: pd.Series) -> str:
    """Say what a calibration slope tells of the probabilities of one transition."""
    where = f"{row['transition'].capitalize()} ({'all quarters' if row['quarters'] == 'all' else row['quarters']})"
    interval = say_interval(row["conf_low"], row["conf_high"], kind="number")
    if row["conf_low"] <= 1 <= row["conf_high"]:
        return f"{where}: probabilities are as far apart as they should be, as far as can be told (slope {interval} holds one)."
    way = "too close together" if row["conf_low"] > 1 else "too far apart"
    return f"{where}: probabilities lie {way} (slope {interval}; one is right)."


@read_result.register(SurvivalEstimate)
def _survival(result: SurvivalEstimate) -> tuple[str, ...]:
    table = result.at([time for time in READ_AT if time <= result.table["time"].max()])
    said = []
    for name, curve in [("", table)] if result.by is None else list(table.groupby(result.by, sort=False)):
        parts = [
            f"{say_share(row['estimate'])} after {plural(row['time'], result.unit)} "
            f"({say_interval(row['conf_low'], row['conf_high'], kind='share')})"
            for _, row in curve.iterrows()
            if not np.isnan(row["estimate"])
        ]
        if parts:
            said.append(f"{f'{name}: still there, ' if name else 'Still there: '}{', '.join(parts)}.")
    return tuple(said[:8] + _medians(result) + _log_rank(result)) or (f"{result.estimand}: not enough data.",)


def _medians(result: SurvivalEstimate) -> list[str]:
    known = result.median.dropna(subset=["estimate"])
    if known.empty:
        return ["No curve falls to one half within the data, so no median can be given."]
    if result.by is not None:
        return []
    row = known.iloc[0]
    high = "beyond the data" if np.isnan(row["conf_high"]) else say_number(row["conf_high"])
    return [f"Half have left after {say_number(row['estimate'])} {result.unit}s (interval {say_number(row['conf_low'])} to {high})."]


def _log_rank(result: SurvivalEstimate) -> list[str]:
    if result.logrank is None or result.logrank.empty:
        return []
    p_value = float(result.logrank["p_value"].iloc[0])
    if np.isnan(p_value):
        return []
    said = "the curves differ by more than chance" if p_value < 0.05 else "the curves cannot be told apart"
    return [
        f"Log-rank test over {result.by.replace('_', ' ')}: {said} ({say_p(p_value)})."
        if p_value >= 0.001
        else f"Log-rank test over {result.by.replace('_', ' ')}: {said} (p < 0.001)."
    ]


def _name_key(value: object, key: str, unit: str) -> str:
    """Name a value of a key: a period of tenure by its number."""
    return f"{unit} {value:g}" if key == "tenure" and isinstance(value, (int, float, np.number)) else str(value)


@read_result.register(HazardEstimate)
def _hazard(result: HazardEstimate) -> tuple[str, ...]:
    known = result.table.dropna(subset=["estimate"])
    if known.empty:
        return ("Not enough data to say how many leave in a quarter.",)
    overall = float((known["estimate"] * known["n"]).sum() / known["n"].sum())
    size = f"{say_count(known['n'].sum())} partner-{result.unit}s"
    first = f"In an average {result.unit} {say_share(overall)} of those at risk left ({size})."
    honeymoon = next((check.detail for check in result.checks if check.name == "Honeymoon"), None)
    first = f"{first} {honeymoon.replace('%', chr(160) + '%')}" if honeymoon else first
    odd = known[(known["conf_low"] > overall) | (known["conf_high"] < overall)]
    if odd.empty:
        return first, "No single value stands out from that beyond its interval."
    names = [
        f"{' '.join(_name_key(row[key], key, result.unit) for key in result.keys)} "
        f"({say_share(row['estimate'])}, {say_interval(row['conf_low'], row['conf_high'], kind='share')})"
        for _, row in odd.head(5).iterrows()
    ]
    expected = 0.05 * len(known)
    return (
        first,
        f"Clearly off that, with their whole 95 % interval: {say_list(names)}. "
        f"Of {len(known)} intervals, about {say_number(expected, digits=1)} would by chance alone.",
    )


@read_result.register(TierHistory)
def _history(result: TierHistory, *, quarter: str | None = None) -> tuple[str, ...]:
    label = quarter or result.labels[-1]
    codes = result.published[:, result.column(label)]
    in_tier = int((codes >= 0).sum())
    parts = [f"{tier} {say_count((codes == code).sum())}" for code, tier in enumerate(result.tiers)]
    unknown = int((codes == Outside.UNKNOWN).sum())
    said = [f"At the end of {label}, {plural(in_tier, 'partner')} held a tier: {', '.join(parts)}."]
    if unknown:
        said.append(
            f"The tier of {plural(unknown, 'member')} is unknown, because something the scheme asks for is not known of them; "
            "unknown is not the lowest tier."
        )
    return tuple(said + _goals(result, codes))


def _goals(result: TierHistory, codes: np.ndarray) -> list[str]:
    from partnerlab.stats.inference.intervals import wilson_interval

    goals = result.scheme.goals if result.scheme is not None else {}
    n = int((codes >= 0).sum())
    said = []
    for tier, goal in goals.items():
        share = float((codes == result.tiers.index(tier)).sum()) / n if n else np.nan
        low, high = (float(edge) for edge in wilson_interval(np.array(share), np.array(n)))
        verdict = "above the goal" if low > goal else "below the goal" if high < goal else "the goal lies within the interval"
        said.append(f"{tier}: {say_estimate(share, low, high, n, kind='share')} against a goal of {say_share(goal)}: {verdict}.")
    return said


@read_result.register(Panel)
def _panel(result: Panel, *, quarter: str | None = None) -> tuple[str, ...]:
    label = quarter or result.labels[-1]
    active = int(result.member[:, result.column(label)].sum())
    partial = [name for name, cut in zip(result.labels, result.partial, strict=True) if cut]
    said = [
        f"{plural(len(result.partners), 'partner')} over {plural(result.shape[1], 'quarter')}, {result.labels[0]} to {result.labels[-1]}; "
        f"{say_count(active)} active at the end of {label}."
    ]
    if partial:
        said.append(f"Covered only in part, and left out of flows: {say_list(partial)}.")
    absent = [note for note in result.provenance.notes if ": needs " in note]
    if absent:
        tables = list(dict.fromkeys(note.partition(": needs ")[2].partition(",")[0] for note in absent))
        said.append(
            f"{plural(len(absent), 'standard indicator')} left out, because there is no "
            f"{say_list([table.removeprefix('table ') for table in tables])}."
        )
    return (*said, *(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in result.provenance.notes if note not in absent))


@read_result.register(DataQuality)
def _quality(result: DataQuality) -> tuple[str, ...]:
    table = result.table
    said = [result.summary()]
    for grade, one, many, what in (
        ("reject", "stops", "stop", "the analysis"),
        ("quarantine", "is", "are", "set aside from every count"),
        ("warn", "is", "are", "counted, and worth a look"),
    ):
        found = table[(table["grade"] == grade) & (table["rows"] > 0)]
        if len(found):
            worst = found.sort_values("rows", ascending=False).head(3)
            names = [f"{row['table']}.{row['column']} ({say_count(row['rows'])} rows)" for _, row in worst.iterrows()]
            said.append(f"{plural(len(found), 'finding')} {one if len(found) == 1 else many} {what}, most rows in {say_list(names)}.")
    return tuple(said)


@read_result.register(Explanation)
def _explanation(result: Explanation) -> tuple[str, ...]:
    return tuple(result.summary().splitlines())


def say_failed(result: Result) -> list[str]:
    """Name the checks that did not pass."""
    return [f"Not passed: {check.name[:1].lower()}{check.name[1:]}. {check.detail}" for check in result.checks if check.passed is False]


# registers the readings of its results; at the end because it registers with the verb above
import partnerlab.report.experiment_plans  # noqa: E402
import partnerlab.report.experiment_words  # noqa: E402
import partnerlab.report.state_words  # noqa: E402
import partnerlab.report.survival_words  # noqa: E402
import partnerlab.report.tactic_words  # noqa: E402, F401
