"""How many partners each tier will hold over the next quarters, and where each partner is likely to be."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.inference.counts import flow_rows, step_counts
from partnerlab.stats.inference.intervals import check_level
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.cells import FEWEST_AT_RISK, FEWEST_PARTNERS
from partnerlab.transitions.courses import UNKNOWN, Course, read_course
from partnerlab.transitions.futures import Future, direct_future, semi_markov_future
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.states import LAPSED
from partnerlab.words import plural, say_p

#: Quarters of joiners that coming joiners are drawn from.
RECENT = 8
#: Fewest simulated futures.
FEWEST_DRAWS = 20
#: Farthest quarter that is forecast.
FARTHEST = 8

Method = Literal["semi_markov", "markov", "direct"]
METHODS: tuple[Method, ...] = ("semi_markov", "markov", "direct")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierForecast(Result):
    """Number of partners in each tier over the next quarters.

    The table has keys ``[tier, quarter]``; ``estimate`` is the mean of the draws, ``std_error`` their standard
    deviation, ``n`` the partners forecast from; then ``now`` (partners in the tier today), ``joins`` (those of
    the estimate who have yet to join) and ``ahead`` (quarters from today).

    Parameters
    ----------
    made_from : str
        Last quarter that the forecast knows.
    quarters : tuple of str
        Quarters forecast, the next one first.
    method : str
        How: see `forecast_tiers`.
    partners : DataFrame
        ``partner, now, quarter, ahead, tier, probability``: where each partner of today is likely to be.
    """

    title: ClassVar[str] = "Tiers over the next quarters"

    made_from: str = ""
    quarters: tuple[str, ...] = ()
    method: str = "semi_markov"
    partners: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)

    @property
    def quarter(self) -> str:
        """The next quarter."""
        return self.quarters[0] if self.quarters else ""

    def likely_moves(self, *, quarter: str | None = None, outside: bool = False) -> pd.DataFrame:
        """List today's members by how likely they are to be elsewhere: ``partner, now, stays, goes_to, probability``.

        Parameters
        ----------
        quarter : str or None
            Quarter looked at; the next one if None.
        outside : bool
            Whether those who have lapsed, or whose tier is unknown, are listed too.

        Raises
        ------
        ParameterError
            If the quarter is not forecast.
        """
        label = self.quarter if quarter is None else quarter
        if label not in self.quarters:
            raise ParameterError(f"the forecast does not speak of {label}{nearest(label, self.quarters)}")
        rows = self.partners[self.partners["quarter"] == label]
        if not outside:
            rows = rows[~rows["now"].isin([LAPSED, UNKNOWN])]
        same = rows["now"].astype("str") == rows["tier"].astype("str")
        stays = rows.loc[same].set_index("partner")["probability"]
        away = rows.loc[~same].sort_values("probability", ascending=False, kind="stable").drop_duplicates("partner")
        listed = pd.DataFrame(
            {
                "partner": away["partner"].astype("str").to_numpy(), "now": away["now"].astype("str").to_numpy(),
                "stays": stays.reindex(away["partner"]).to_numpy(), "goes_to": away["tier"].astype("str").to_numpy(),
                "probability": away["probability"].to_numpy(),
            }
        )  # fmt: skip
        return listed.sort_values(["stays", "partner"], kind="stable", ignore_index=True)


def forecast_tiers(  # noqa: PLR0913 - what to forecast, how, and of what
    history: TierHistory | Transitions,
    *,
    ahead: int = 1,
    method: Method = "semi_markov",
    quarter: str | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int,
    stage: str = "published",
    despite: bool = False,
) -> TierForecast:
    """Forecast how many partners each tier holds one to eight quarters ahead, and where each partner will be.

    Parameters
    ----------
    history : TierHistory or Transitions
        Tiers up to now; pairs must say whose they are.
    ahead : int
        Quarters ahead, 1 to 8; all up to there are forecast.
    method : {"semi_markov", "markov", "direct"}
        By tier, time in it and season; by powers of the one-quarter matrix; by shares counted so many quarters apart.
    quarter : str or None
        First quarter to forecast; the forecast is made from the one before it, as if nothing later were known.
        None forecasts from the last whole quarter on.
    level : float
        Coverage of each tier's interval.
    draws, seed : int
        Of the simulated futures.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read.
    despite : bool
        Take powers of the matrix although the tests reject that moves depend on the tier alone.

    Returns
    -------
    TierForecast
        Each draw takes effects from their distribution given the moves seen (sampling of partners), gives every coming
        quarter a shock to all moves and to joining, as far and as much alike as a draw from what quarters told of shocks says
        (common shock, and doubt about it), moves today's partners one quarter after the other (multinomial noise) and adds joiners
        as of late. Trends are not forecast.

    Raises
    ------
    ParameterError
        If the quarter cannot be forecast from this history, ``ahead`` or the method do not exist, or ``draws`` is under 20.
    SampleError
        If fewer than 3 partners or 5 pairs of quarters tell how partners move, or the tests reject powers of the matrix.

    Notes
    -----
    ``"semi_markov"``: ways out of a tier have log-odds with effects of tier, time in it (1, 2, 3, 4, 5 to 8, 9 and more
    quarters, or begun before the record), both together, season, how often the partner has moved, and quarter by tier, each family
    shrunk by a variance of its own (`partnerlab.stats.shrinkage.mixed_logit`); lapses fall with time as a member besides. How long
    partners had been members when the record begins, the lapses tell (marginal likelihood of no time, as long as the record is, and
    four times as long, of which the second is taken to be the likeliest). Shocks strike nothing, all ways out and joining alike,
    some of them or some against others, each differently, or each tier for itself (`partnerlab.stats.shrinkage.common_shocks`).
    Quarters that strayed, such as those of a clean-up, count as shocks: they move the effects little and widen the interval. A move
    that nobody made yet has
    half a move's chance; ``"markov"`` and ``"direct"`` are counted shares and give it none.

    Examples
    --------
    >>> codes = np.random.default_rng(0).integers(0, 2, (50, 6))
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", "GB"[codes[i, q]]) for i in range(50) for q in range(6)]
    >>> history = TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["G", "B"])
    >>> forecast = forecast_tiers(history, ahead=2, seed=1)
    >>> forecast.quarters, forecast.tidy()["estimate"].round(-1).tolist()  # G, B, and hardly anybody lapsed: nobody did so far
    (('2026Q3', '2026Q4'), [20.0, 30.0, 0.0, 20.0, 30.0, 0.0])
    """
    check_level(level)
    check_future(method=method, ahead=ahead, draws=draws)
    course = _enough(read_course(history, stage=stage), history, quarter)
    powers = ()
    if method == "markov" and ahead > 1:
        powers = (_judge_powers(history, course, stage=stage, level=level, seed=seed, despite=despite),)
    future = future_of(course, method=method, ahead=ahead, draws=draws, seed=seed)
    quarters = tuple(course.label(course.last + step) for step in range(1, ahead + 1))
    return TierForecast(
        estimand=f"Number of partners in each tier in {quarters[0]}{f' to {quarters[-1]}' if ahead > 1 else ''}, "
        f"as seen from {course.label(course.last)} ({stage} tiers)",
        table=_forecast_table(course, future, quarters, level),
        checks=(*_forecast_checks(course, future), *powers),
        level=level,
        made_from=course.label(course.last),
        quarters=quarters,
        method=method,
        partners=_partner_table(course, future, quarters),
    )


def check_future(*, method: str, ahead: int, draws: int) -> None:
    """Refuse what no future can be drawn for.

    Raises
    ------
    ParameterError
        If there is no such method, or the quarters ahead or the draws are out of range.
    """
    if method not in METHODS:
        raise ParameterError(f"method {method!r} does not exist{nearest(str(method), METHODS)}")
    if isinstance(ahead, bool) or not isinstance(ahead, int) or not 1 <= ahead <= FARTHEST:
        raise ParameterError(f"ahead is {ahead!r}; give a number of quarters, 1 to {FARTHEST}")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < FEWEST_DRAWS:
        raise ParameterError(f"draws is {draws!r}; an interval needs at least {FEWEST_DRAWS} simulated futures, better 1000")


def future_of(course: Course, *, method: str, ahead: int, draws: int, seed: int) -> Future:
    """Futures of a course by a method."""
    make = direct_future if method == "direct" else semi_markov_future
    return make(course, ahead=ahead, draws=draws, rng=np.random.default_rng(seed), came=_came(course), memory=method == "semi_markov")


def _enough(course: Course, given: TierHistory | Transitions, quarter: str | None) -> Course:
    """Cut at the origin, if there is enough before it."""
    course = course.until(_origin(course, given, quarter))
    said = say_lacking(course)
    if said:
        raise SampleError(said)
    return course


def say_lacking(course: Course) -> str:
    """Say what a forecast from the course's last quarter lacks; nothing if there is enough."""
    states = len(course.names)
    moves = step_counts(course.codes, states, use=course.use).sum()
    partners = len(np.unique(flow_rows(course.codes, states, use=course.use).partner))
    if partners >= FEWEST_PARTNERS and moves >= FEWEST_AT_RISK:
        return ""
    return (
        f"not enough data for a forecast from {course.label(course.last)}: {plural(partners, 'partner')} in two whole quarters "
        f"side by side, {plural(moves, 'pair')} of quarters; {FEWEST_PARTNERS} and {FEWEST_AT_RISK} are needed"
    )


def _origin(course: Course, given: TierHistory | Transitions, quarter: str | None) -> int:
    """Column that the forecast is made from."""
    columns = course.codes.shape[1]
    if quarter is None:
        whole = ~np.asarray(given.partial, dtype=bool) if isinstance(given, TierHistory) else np.ones(columns, dtype=bool)
        last = int(np.flatnonzero(whole)[-1]) if whole.any() else -1
    else:
        last = (int(quarter) if course.calendar is None else course.calendar.parse(quarter)) - course.first - 1
    if not 1 <= last < columns:
        after = course.label(course.first + columns)
        raise ParameterError(
            f"a forecast of {quarter or 'the next quarter'} needs two quarters before it in the history, and ends at {after}"
        )
    return last


def _judge_powers(given: TierHistory | Transitions, course: Course, *, stage: str, level: float, seed: int, despite: bool) -> Check:
    """Ask the tests whether powers of the one-quarter matrix may be taken, and refuse them where one rejects.

    Partners stay whole in all of them; each has its share of one chance in ``1 - level`` of a false alarm.
    """
    from partnerlab.transitions.chain_checks import check_duration, check_homogeneity, check_order

    known: TierHistory | Transitions = given
    if isinstance(given, TierHistory):
        known = given.until(course.label(course.last))
    elif given.clock == "calendar":
        known = given.select(given.period <= course.last)
    found = {}
    for name, verb in (("order", check_order), ("duration", check_duration), ("homogeneity", check_homogeneity)):
        try:
            found[name] = verb(known, stage=stage, level=level, draws=399, seed=seed).p("p_clustered")
        except (SampleError, ParameterError):  # too little data, or pairs without quarters
            found[name] = np.nan
    said = ", ".join(f"{name} {say_p(value)}" for name, value in found.items() if np.isfinite(value)) or "no test had enough data"
    rejected = [name for name, value in found.items() if value < (1.0 - level) / len(found)]
    if rejected and not despite:
        raise SampleError(
            f"powers of the one-quarter matrix are no forecast here: the tests of {' and '.join(rejected)} reject it ({said}); "
            "use method='semi_markov' or 'direct', or despite=True"
        )
    tested = any(np.isfinite(value) for value in found.values())
    return Check("One matrix, again and again", not rejected if tested else None, f"Tests with partners whole: {said}.")


def _came(course: Course) -> np.ndarray:
    """Joiners of each recent quarter by state: shape ``(quarters, s)``."""
    steps = np.flatnonzero(course.use)[-RECENT:]
    came = np.zeros((len(steps), len(course.names)))
    for position, step in enumerate(steps):
        arrived = course.codes[(course.codes[:, step] < 0) & (course.codes[:, step + 1] >= 0), step + 1]
        came[position] = np.bincount(arrived, minlength=len(course.names))
    return came


def _forecast_table(course: Course, future: Future, quarters: tuple[str, ...], level: float) -> pd.DataFrame:
    edges = interval_edges(future.counts, level)
    now = np.bincount(course.codes[:, -1][course.codes[:, -1] >= 0], minlength=len(course.names))
    tables = [
        pd.DataFrame(
            {
                "tier": course.names, "quarter": label, "estimate": future.counts[:, step].mean(axis=0),
                "std_error": future.counts[:, step].std(axis=0), "conf_low": edges[0, step], "conf_high": edges[1, step],
                "n": int(now.sum()), "now": now, "joins": future.joins[step], "ahead": step + 1,
            }
        )
        for step, label in enumerate(quarters)
    ]  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    shown = (now > 0) | (future.counts > 0).any(axis=(0, 1)) | (np.arange(len(now)) < course.tiers)
    return table[np.tile(shown, len(quarters))].astype({"tier": "str", "quarter": "str"}).reset_index(drop=True)


def interval_edges(counts: np.ndarray, level: float) -> np.ndarray:
    """Interval of whole numbers, shape ``(2, ahead, s)``, that holds ``level`` of the draws and no more.

    A number at the edge counts by half (mid-p, Lancaster 1961): draws are spread over the unit around them, and a number
    is inside if its middle is.
    """
    spread = np.random.default_rng(0).uniform(-0.5, 0.5, counts.shape)
    low, high = np.quantile(counts + spread, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.maximum(np.stack([np.minimum(np.ceil(low), np.rint(high)), np.maximum(np.floor(high), np.rint(low))]), 0.0)


def _partner_table(course: Course, future: Future, quarters: tuple[str, ...]) -> pd.DataFrame:
    """One row for each partner of today, quarter and tier."""
    today = np.flatnonzero(course.codes[:, -1] >= 0)
    states, ahead = len(course.names), len(quarters)
    chance = future.chances(today)
    size = (len(today), ahead, states)
    place, step, state = (np.broadcast_to(at, size).ravel() for at in np.ogrid[: size[0], :ahead, :states])
    return pd.DataFrame(
        {
            "partner": pd.Categorical.from_codes(place, categories=course.partners[today]),
            "now": pd.Categorical.from_codes(course.codes[today, -1][place], categories=list(course.names)),
            "quarter": pd.Categorical.from_codes(step, categories=list(quarters)),
            "ahead": step + 1,
            "tier": pd.Categorical.from_codes(state, categories=list(course.names)),
            "probability": chance.ravel(),
        }
    )


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


def _forecast_checks(course: Course, future: Future) -> tuple[Check, ...]:
    """Look at what a forecast from earlier quarters leans on."""
    moves = step_counts(course.codes, len(course.names), use=course.use)
    ratio, pairs = quarter_ratio(moves), len(moves)
    alike = Check(
        "Quarters are alike",
        None if np.isnan(ratio) else ratio <= 1.5,
        f"Flows differ between quarters by {ratio:.2f} times what chance makes of one matrix; "
        "the interval allows for shocks common to all, as wide as they were. A trend is not forecast.",
    )
    now = course.codes[:, -1][course.codes[:, -1] >= 0]
    unknown = int((now == course.names.index(UNKNOWN)).sum())
    known = Check("Tiers are known", unknown <= 0.05 * max(len(now), 1), f"{unknown} of {len(now)} partners have no known tier today.")
    coming = Check(
        "Joiners as of late",
        True,
        f"{future.joining.sum():.1f} joiners a quarter are added, as in the last {min(RECENT, pairs)} whole quarters.",
    )
    return alike, known, coming
