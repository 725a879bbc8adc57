"""What truly moved: the transitions of true tiers behind those that the noise of counts lets us see."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, critical_value, share_interval
from partnerlab.stats.states.hidden_chains import (
    ChainFit,
    Misreading,
    Readings,
    Smoothed,
    empty_drop,
    fit_chain,
    gather_readings,
    profile_limit,
    smooth_states,
)
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.estimates import estimate_transitions
from partnerlab.transitions.misreading import draw_misreading, read_misclassification
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.probabilities import rate_checks
from partnerlab.transitions.rates import noisy_indicators
from partnerlab.transitions.states import LAPSED, read_states

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Fewest partners whose tiers a matrix is estimated from.
FEWEST = 20
#: With fewer true moves behind a cell than this, whether its interval reaches 0 is asked of the likelihood.
FEW_MOVES = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class HiddenTransitions(Result):
    """Transition probabilities of true tiers, beside those of the tiers seen.

    The table has keys ``[from_tier, to_tier]``; ``n`` is the expected number of partners' steps out of the true tier,
    ``moves`` the expected number of true transitions; then ``seen, seen_low, seen_high``: the share of the tiers seen that
    made this move, as `estimate_transitions` gives it. An empty cell has no standard error and the interval of its profile
    likelihood.

    Parameters
    ----------
    tiers : tuple of str
        Tiers, best first.
    step : int
        Periods of one step.
    moved : DataFrame
        Share of steps that ended in another tier, key ``[of]``: the true tiers, and those seen.
    misread : DataFrame
        Probability of each tier seen (columns) by true tier (rows).
    """

    title: ClassVar[str] = "True transitions"

    tiers: tuple[str, ...] = ()
    step: int = 1
    moved: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    misread: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    misreading: Misreading = dataclasses.field(repr=False, default=None)  # type: ignore[assignment]
    states: tuple[str, ...] = dataclasses.field(repr=False, default=())
    partners: np.ndarray = dataclasses.field(repr=False, default_factory=lambda: np.zeros(0, dtype=str))
    labels: tuple[str, ...] = dataclasses.field(repr=False, default=())
    codes: np.ndarray = dataclasses.field(repr=False, default=None)  # type: ignore[assignment]
    chain: ChainFit = dataclasses.field(repr=False, default=None)  # type: ignore[assignment]

    def probabilities(self, quarter: str | None = None, *, given: Literal["all", "past"] = "all") -> pd.DataFrame:
        """Give the probability of each partner's true tier in a quarter.

        Parameters
        ----------
        quarter : str or None
            The last if None.
        given : {"all", "past"}
            All quarters (smoothed), or only those up to this one (filtered).

        Returns
        -------
        DataFrame
            ``partner, tier, probability, seen``; partners outside their first and last observed quarter are left out.

        Raises
        ------
        ParameterError
            If there is no such quarter.
        """
        column, readings = self._column(quarter), gather_readings(self.codes)
        told = self._told(readings)
        place = column - readings.start
        inside = np.flatnonzero((readings.unit >= 0) & (place >= 0) & (place < readings.length[readings.unit]))
        table = (told.smoothed if given == "all" else told.filtered)[place[inside], readings.unit[inside]]
        count = len(self.states)
        seen = self.codes[inside, column]
        return pd.DataFrame(
            {
                "partner": np.repeat(self.partners[inside], count),
                "tier": np.tile(np.array(self.states, dtype=object), len(inside)),
                "probability": table.ravel(),
                "seen": (np.arange(count) == seen[:, None]).ravel(),
            }
        ).astype({"tier": "str"})

    def moves(self, quarter: str | None = None) -> pd.DataFrame:
        """List who was seen to move into a quarter, with the probability that the true tier moved.

        Returns
        -------
        DataFrame
            ``partner, from_tier, to_tier``, ``moved`` (probability that the true tier is another than one step before),
            ``as_seen`` (that it made this very move) and ``belongs`` (that the new tier is the true one), likeliest first.

        Raises
        ------
        ParameterError
            If there is no such quarter, or it is the first.
        """
        column, readings = self._column(quarter), gather_readings(self.codes)
        if column == 0:
            raise ParameterError(f"{self.labels[0]} is the first quarter; nothing is known to move from")
        before, now = self.codes[:, column - 1], self.codes[:, column]
        inner = len(self.tiers)
        who = np.flatnonzero((before >= 0) & (now >= 0) & (before < inner) & (now < inner) & (before != now))
        told = self._told(readings, pairs=True)
        pair = told.pairs[column - 1 - readings.start[who], readings.unit[who]]
        names, rows = np.array(self.states, dtype=object), np.arange(len(who))
        table = pd.DataFrame(
            {
                "partner": self.partners[who], "from_tier": names[before[who]], "to_tier": names[now[who]],
                "moved": 1.0 - np.trace(pair, axis1=1, axis2=2), "as_seen": pair[rows, before[who], now[who]],
                "belongs": pair.sum(axis=1)[rows, now[who]],
            }
        )  # fmt: skip
        return table.astype({"from_tier": "str", "to_tier": "str"}).sort_values(
            ["as_seen", "partner"], ascending=[False, True], ignore_index=True
        )

    def _told(self, readings: Readings, *, pairs: bool = False) -> Smoothed:
        transition = np.where(np.isnan(self.chain.transition), np.eye(len(self.states)), self.chain.transition)
        return smooth_states(readings, self.misreading, transition=transition, initial=self.chain.initial, pairs=pairs)

    def _column(self, quarter: str | None) -> int:
        if quarter is None:
            return len(self.labels) - 1
        if quarter not in self.labels:
            raise ParameterError(f"no step ends in {quarter!r}{nearest(quarter, self.labels)}")
        return self.labels.index(quarter)


def estimate_hidden_transitions(
    history: TierHistory | Transitions,
    *,
    misclassification: pd.DataFrame | np.ndarray | Misreading | None = None,
    step: int | None = None,
    draws: int = 4,
    seed: int = 0,
    level: float = 0.95,
    within: str | None = "region",
) -> HiddenTransitions:
    """Estimate the transition probabilities of true tiers, of which the tiers seen are noisy readings.

    Parameters
    ----------
    history : TierHistory or Transitions
        Raw tiers are read, as the other stages hold moves back; pairs must say whose they are.
    misclassification : DataFrame, ndarray, Misreading or None
        Probability of each tier seen (columns) given the true one (rows), as ``ematrix`` of R's msm. None finds it by
        redraws, with levels: partners close to a line are misread more often than those far from it.
    step : int or None
        Periods of a step. None takes the longest window of what the scheme counts: readings whose windows
        overlap err together, and errors that last would be taken for moves.
    draws, seed, within
        Rates drawn for each partner, the seed, and the attribute within which rates are shrunk; only where
        ``misclassification`` is None.
    level : float
        Coverage of each interval.

    Returns
    -------
    HiddenTransitions

    Raises
    ------
    MissingTableError
        If nothing says how tiers are misread: a history from a table of tiers, and no ``misclassification``.
    SampleError
        If fewer than 20 partners were seen twice.
    ParameterError
        If the misclassification is of other tiers, or its rows do not sum to one.

    Notes
    -----
    Hidden Markov chain with a known misclassification (Jackson et al. 2003, doi:10.1111/1467-9884.00351), fitted by
    maximum likelihood over whole sequences; quarters without a known tier, and partial ones, are steps that were not read.
    Standard errors are those of the sandwich clustered by partner; they enter Wilson's interval as an effective
    count. Misclassification counts as known: that it was found by redraws adds nothing to the intervals. A partner that a line,
    cut among all, passes by and back again is misread, not moved. A level lasts as long as the true tier does. With exact
    readings this is the raw matrix. `estimate_real_moves` asks the same of a single move from the counts themselves, which tell
    more than the tiers made of them, and over the quarters that a change can take to show.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true = np.repeat(rng.integers(0, 2, 60)[:, None], 8, axis=1)  # nobody moves
    >>> seen = np.where(rng.random(true.shape) < 0.15, 1 - true, true)  # but one reading in seven is wrong
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", ["Gold", "Base"][seen[i, q]]) for i in range(60) for q in range(8)]
    >>> history = TierHistory.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "tier"]), order=["Gold", "Base"])
    >>> found = estimate_hidden_transitions(history, misclassification=np.array([[0.85, 0.15], [0.15, 0.85]]))
    >>> found.moved[["of", "estimate"]].round(2).to_numpy().tolist()
    [['true', 0.0], ['seen', 0.24]]
    """
    check_level(level)
    misreading, checks, window = _misreading_of(history, misclassification, draws, seed, within)
    step = window if step is None else step
    if int(step) < 1:
        raise ParameterError(f"step is {step}; give a number of periods, 1 or more")
    codes, labels, states, tiers, partners = _codes(history, int(step))
    misreading = read_misclassification(misclassification if misreading is None else misreading, tiers=tiers, states=len(states))
    readings = gather_readings(codes)
    if readings.weight[readings.length > 1].sum() < FEWEST:
        raise SampleError(f"only {int(readings.weight[readings.length > 1].sum())} partners were seen in two quarters; {FEWEST} are needed")
    fit = fit_chain(readings, misreading)
    seen = estimate_transitions(_sparse(history, codes, labels, states, tiers, partners), stage="raw", level=level)
    table = _table(fit, readings, misreading, states, seen, level)
    kept = table["from_tier"].ne(LAPSED) | (fit.transition[-1, :-1].sum() > 0 if states[-1] == LAPSED else True)
    span = "a quarter" if step == 1 else f"{step} quarters"
    overlap = Check(
        "Errors of neighbouring readings are independent",
        int(step) >= window if misclassification is None else None,
        f"Readings are {step} apart, windows up to {window} long."
        if misclassification is None
        else "A given matrix does not say over which windows tiers are read: where windows overlap errors last, and count as moves.",
    )
    return HiddenTransitions(
        estimand=f"Probability that a partner whose true tier is one is truly in another {span} later",
        table=table[kept].reset_index(drop=True),
        checks=(*_fit_checks(fit, misreading, tiers, misclassification is None), overlap, *checks),
        level=level, tiers=tiers, step=int(step), moved=_moved(fit, table, seen, tiers, readings, misreading, level),
        misread=pd.DataFrame(misreading.matrix, index=states, columns=states), misreading=misreading, states=states,
        partners=partners, labels=labels, codes=codes, chain=fit,
    )  # fmt: skip


def _misreading_of(
    history: TierHistory | Transitions, given: object, draws: int, seed: int, within: str | None
) -> tuple[Misreading | None, tuple[Check, ...], int]:
    """Find by redraws how tiers are misread, unless that was given; and the longest window of what is counted."""
    if given is not None:
        return None, (), 1
    if not isinstance(history, TierHistory) or history.scores is None or history.scheme is None:
        raise MissingTableError(
            "nothing says how these tiers are misread: they came without the counts behind them; give misclassification=, a row for each "
            "true tier and a column for each tier seen"
        )
    if draws < 1:
        raise ParameterError(f"draws is {draws}; give 1 or more rates for each partner")
    panel = history.scores.panel
    misreading, program = draw_misreading(history, draws=draws, seed=seed, within=within)
    drawn = {name for measure in program.measures for name in measure.noise.names}
    windows = [panel.indicators[name].window for name in noisy_indicators(panel, history.scheme) if name in drawn]
    return misreading, rate_checks(program, history), max(windows, default=1)


def _codes(
    history: TierHistory | Transitions, step: int
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Read the codes at every ``step``-th period, the last whole one among them."""
    if isinstance(history, Transitions):
        codes, labels = _codes_of_pairs(history)
        states, tiers, partners = history.states, history.tiers, np.asarray(history.partners)
    else:
        flow = read_states(history, stage="raw", include_partial=True)
        partial = np.asarray(history.partial, dtype=bool)
        codes, labels = np.where(partial, -1, flow.codes), tuple(history.labels)
        last = np.flatnonzero(~partial)
        codes, labels = (codes[:, : last[-1] + 1], labels[: last[-1] + 1]) if len(last) else (codes, labels)
        states, tiers, partners = flow.names, tuple(history.tiers), np.asarray(history.partners)
    if states[-1] == LAPSED and not (codes == len(states) - 1).any():
        states = tiers
    places = np.arange(codes.shape[1] - 1, -1, -step)[::-1]
    if len(places) < 2:
        raise SampleError(f"true transitions need two quarters {step} apart; the history has {codes.shape[1]}")
    return codes[:, places], tuple(labels[place] for place in places), states, tiers, partners


def _codes_of_pairs(pairs: Transitions) -> tuple[np.ndarray, tuple[str, ...]]:
    """Lay pairs out again as sequences: partners by periods."""
    if not pairs.knows_partners or pairs.clock == "none":
        raise ParameterError("pairs without partners or periods do not say which followed which; true transitions need both")
    first = int(pairs.period.min()) - pairs.step
    width = (int(pairs.period.max()) - first) // pairs.step + 1
    codes = np.full((len(pairs.partners), width), -1, dtype=np.int8)
    place = (pairs.period - first) // pairs.step
    codes[pairs.partner, place - 1] = pairs.origin
    codes[pairs.partner, place] = pairs.target
    periods = first + pairs.step * np.arange(width)
    labels = tuple(map(str, periods)) if pairs.calendar is None else tuple(pairs.calendar.labels(periods))
    return codes, labels


def _sparse(
    history: TierHistory | Transitions,
    codes: np.ndarray,
    labels: Sequence[str],
    states: tuple[str, ...],
    tiers: tuple[str, ...],
    partners: np.ndarray,
) -> TierHistory | Transitions:
    """Give what `estimate_transitions` reads of the same steps: pairs seen at both ends."""
    if isinstance(history, Transitions):
        return history
    partner, column = np.nonzero((codes[:, :-1] >= 0) & (codes[:, 1:] >= 0))
    names = np.array(states, dtype=object)
    frame = pd.DataFrame(
        {
            "partner": partners[partner], "period": column + 1,
            "from_tier": names[codes[partner, column]], "to_tier": names[codes[partner, column + 1]],
        }
    )  # fmt: skip
    return Transitions.from_frame(frame, quarter="period", order=list(states))


def _table(fit: ChainFit, readings: Readings, misreading: Misreading, states: tuple[str, ...], seen: Result, level: float) -> pd.DataFrame:
    """Lay the cells out with their intervals, and those of the tiers seen beside them."""
    errors, partners = fit.errors(fit.robust), max(readings.weight[readings.length > 1].sum() - 1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = share_interval(fit.transition, fit.transition * (1 - fit.transition) / errors**2, level=level, df=partners)
    _fill_limits(low, high, fit, readings, misreading, level)
    at_risk = fit.moves.sum(axis=1)
    names = np.array(states, dtype=object)
    table = pd.DataFrame({"from_tier": np.repeat(names, len(names)), "to_tier": np.tile(names, len(names))}).astype("str")
    table = table.assign(
        estimate=fit.transition.ravel(), std_error=errors.ravel(), conf_low=low.ravel(), conf_high=high.ravel(),
        n=np.repeat(at_risk, len(names)).round().astype(np.int64), moves=fit.moves.ravel(),
    )  # fmt: skip
    beside = seen.tidy().rename(columns={"estimate": "seen", "conf_low": "seen_low", "conf_high": "seen_high"})
    return table.merge(beside[["from_tier", "to_tier", "seen", "seen_low", "seen_high"]], on=["from_tier", "to_tier"], how="left")


def _fill_limits(low: np.ndarray, high: np.ndarray, fit: ChainFit, readings: Readings, misreading: Misreading, level: float) -> None:
    """Bound cells at 0 or 1 by their profile likelihood; a drop of ``-log(1 - level)`` is the rule of three."""
    drop, at_risk = -np.log(1.0 - level), fit.moves.sum(axis=1)
    for row, column in zip(*np.nonzero(~fit.inner & ~np.isnan(fit.transition)), strict=True):
        exact = bool((misreading.weight[row] @ misreading.reading[row])[row] == 1.0) and misreading.matrix[:, row].sum() == 1.0
        if exact:  # the state is read right, so that its steps are counted, not inferred
            limit = -np.expm1(-drop / max(at_risk[row], 1e-9))
        else:
            limit = profile_limit(fit, readings, misreading, cell=(int(row), int(column)), drop=drop)
        low[row, column], high[row, column] = (1.0 - limit, 1.0) if row == column else (0.0, limit)
    few = fit.inner & (fit.moves < FEW_MOVES) & ~np.eye(len(low), dtype=bool)
    for row, column in zip(*np.nonzero(few), strict=True):
        cells = np.zeros(few.shape, dtype=bool)
        cells[row, column] = True
        if empty_drop(fit, readings, misreading, cells=cells) <= _slack(level):
            low[row, column] = 0.0


def _slack(level: float) -> float:
    """Log likelihood that a value inside the interval may cost."""
    return float(critical_value(level)) ** 2 / 2.0


def _moved(
    fit: ChainFit, table: pd.DataFrame, seen: Result, tiers: tuple[str, ...], readings: Readings, misreading: Misreading, level: float
) -> pd.DataFrame:
    """Share of steps among tiers that end in another tier: of the true ones, and of those seen."""
    size, inner = len(fit.transition), len(tiers)
    matrix = np.nan_to_num(fit.transition)[:inner, :inner]
    at_risk = fit.moves[:inner, :inner].sum(axis=1)
    weight = at_risk / at_risk.sum()
    stays = matrix.sum(axis=1)
    share = float(weight @ ((stays - np.diag(matrix)) / np.where(stays > 0, stays, 1.0)))
    slope = np.zeros((size, size))
    for row in range(inner):
        if stays[row] > 0:
            slope[row, :inner] = weight[row] * matrix[row, row] / stays[row] ** 2
            slope[row, row] -= weight[row] / stays[row]
    variance = float(slope.ravel() @ fit.robust @ slope.ravel())
    if variance > 0 and 0 < share < 1:
        partners = max(readings.weight[readings.length > 1].sum() - 1.0, 1.0)
        low, high = (float(edge) for edge in share_interval(share, share * (1 - share) / variance, level=level, df=partners))
        between = ~np.eye(size, dtype=bool) & (np.arange(size) < inner) & (np.arange(size)[:, None] < inner)
        if fit.moves[between].sum() < FEW_MOVES * inner and empty_drop(fit, readings, misreading, cells=between) <= _slack(level):
            low = 0.0
    else:
        leaving = table[table["from_tier"] == table["to_tier"]]["conf_low"].to_numpy()[:inner]
        variance, low, high = np.nan, 0.0, float(weight @ np.nan_to_num(1.0 - leaving))
    true = {"of": "true", "estimate": share, "std_error": np.sqrt(variance), "conf_low": low, "conf_high": high, "n": round(at_risk.sum())}
    beside = seen.moved.iloc[0]
    return pd.DataFrame([true, {"of": "seen", **{name: beside[name] for name in list(true)[1:]}}]).astype({"n": np.int64})


def _fit_checks(fit: ChainFit, misreading: Misreading, tiers: tuple[str, ...], drawn: bool) -> tuple[Check, ...]:
    """Say how tiers are misread, whether the search settled, and which cells are empty."""
    inner = len(tiers)
    right = np.diag(misreading.matrix)[:inner]
    share = fit.initial[:inner] @ (1.0 - right) / max(fit.initial[:inner].sum(), 1e-12)
    said = ", ".join(f"{tier} {1 - chance:.0%}" for tier, chance in zip(tiers, right, strict=True))
    how = "Found by redraws of the counts; stated values are taken as they stand." if drawn else "As given."
    known = Check("How tiers are misread", None, f"{share:.0%} of readings are of another tier than the true one ({said}). {how}")
    settled = Check("The search settled", fit.converged, "Log likelihood " + f"{fit.log_likelihood:.1f}.")
    empty = int((~fit.inner & ~np.eye(len(fit.transition), dtype=bool)).sum())
    none = Check(
        "Cells without a true move", None if empty else True, f"{empty} cells are likeliest to be empty; their limits are profiled."
    )
    return known, settled, none
