"""Transition probabilities between any states over any stretch of time: Aalen-Johansen, and by landmark."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.states.multistate import starting_shares
from partnerlab.transitions.state_curves import StateCurves, check_start, trace_curves
from partnerlab.transitions.state_paths import MultiState, StatePaths, draw_paths, share_bounds

METHODS = ("aalen_johansen", "landmark")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StateProbabilities(Result):
    """Probability of each state at each time, given the state at the start.

    The table has keys ``[by?, from_state, to_state, time]``, the tidy columns (``n``: partners whose rows the estimate
    rests on at that time), and ``at_risk`` (in ``to_state`` just before).

    Parameters
    ----------
    states : tuple of str
        States in order.
    start : float
        Time s of P(s, t).
    by : str or None
        Attribute that the first key column holds.
    unit : str
        Name of one period.
    method : str
        ``"aalen_johansen"`` or ``"landmark"``.
    """

    title: ClassVar[str] = "Where partners go"

    states: tuple[str, ...] = ()
    start: float = 0.0
    by: str | None = None
    unit: str = "quarter"
    method: str = "aalen_johansen"

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Read the probabilities at given times; NaN beyond what was observed."""
        return read_steps(self.table, self.keys, times)

    def matrix(self, time: float, column: str = "estimate", *, group: str | None = None) -> pd.DataFrame:
        """Lay P(start, time) out: a row for each state left, a column for each state reached.

        Raises
        ------
        SampleError
            If the estimate is by group and none, or an unknown one, is named.
        """
        table = self.at([time])
        if self.by is not None:
            table = table[table[self.by] == group]
            if table.empty:
                raise SampleError(f"matrix: name a group of {self.by}: {', '.join(map(str, self.table[self.by].unique()))}")
        wide = table.pivot_table(index="from_state", columns="to_state", values=column, dropna=False, observed=False)
        rows = [state for state in self.states if state in wide.index]
        return wide.reindex(index=rows, columns=list(self.states))


def estimate_state_probabilities(  # noqa: PLR0913 - each a question of its own
    spells: MultiState,
    *,
    start: float = 0.0,
    from_states: Sequence[str] | None = None,
    method: Literal["aalen_johansen", "landmark"] = "aalen_johansen",
    by: str | None = None,
    times: Sequence[float] | None = None,
    variance: Literal["jackknife", "greenwood", "aalen"] = "jackknife",
    interval: Literal["logit", "plain", "log"] = "logit",
    level: float = 0.95,
) -> StateProbabilities:
    """Estimate how likely each state is at each time, given the state at the start, for any states.

    The product integral of Aalen and Johansen (1978): partners may return to states, enter observation late, and leave
    it for a while. It takes the future to depend on the state and the time only. The landmark estimator follows those
    alone who were in the state at ``start`` and is right without that (Putter and Spitoni 2018,
    doi:10.1177/0962280216674497); it rests on fewer partners.

    Parameters
    ----------
    spells : Spells with states, TierHistory or Transitions
    start : float
        Time s of P(s, t), on the clock of the spells; for a history and for pairs, periods after the first.
    from_states : sequence of str, optional
        States to start from; all that are ever left by default, and with ``method="landmark"`` of those the ones in
        which anybody is at ``start``.
    method : {"aalen_johansen", "landmark"}
    by : str, optional
        Attribute that forms groups.
    times : sequence of float, optional
        Times to give; the start, all at which somebody moved, and the last observation by default.
    variance : {"jackknife", "greenwood", "aalen"}
        ``jackknife``: infinitesimal jackknife by partner, right under re-entry and without the Markov property.
        ``greenwood``: moves at each time independent, as shares of those at risk; ``aalen``: as counts (mstate's default).
    interval : {"logit", "plain", "log"}
        Scale of the intervals. Where nothing, or all, was seen the exact limit on the partners whose state is known then is given.
    level : float
        Coverage.

    Returns
    -------
    StateProbabilities

    Raises
    ------
    ParameterError
        If a state, attribute, method or start does not exist.
    SampleError
        If nobody is there to be followed.

    Examples
    --------
    >>> from partnerlab.spells import Spells
    >>> rows = [("a", 0, 1, "Base", "Gold"), ("a", 1, 3, "Gold", ""), ("b", 0, 2, "Base", "Gold"), ("b", 2, 3, "Gold", "Base")]
    >>> rows += [("c", 0, 3, "Base", "")]
    >>> frame = pd.DataFrame(rows, columns=["partner", "entry", "duration", "tier", "to"])
    >>> spells = Spells.from_frame(frame, state="tier", event="to")
    >>> estimate_state_probabilities(spells, from_states=["Base"]).matrix(2).round(3).to_dict("index")
    {'Base': {'Base': 0.333, 'Gold': 0.667}}
    """
    check_level(level)
    if method not in METHODS:
        raise ParameterError(f"method is {method!r}{nearest(str(method), METHODS)}")
    drawn, start = draw_paths(spells, by=by), check_start(start)
    asked = None if from_states is None else [drawn.code(name, argument="from_states") for name in from_states]
    pieces = []
    for index in range(len(drawn.labels)):
        own = drawn.of_group(index)
        for origins, sample in _samples(own, asked, start, method):
            curves = trace_curves(sample, start, np.eye(len(drawn.states))[origins], variance=variance)
            wanted = curves.all_times if times is None else np.asarray(times, dtype=float)
            for row, origin in enumerate(origins):
                lead = {**own.lead(index), "from_state": drawn.states[origin]}
                pieces.append(lay_out(sample, curves, row, lead=lead, times=wanted, level=level, interval=interval))
    if not pieces:
        raise SampleError(f"not enough data (n = 0): nobody is in a state that is left at start={start:g}")
    table = pd.concat(pieces, ignore_index=True)
    return StateProbabilities(
        estimand=f"Probability of each state so many {drawn.unit}s after {start:g}, given the state then",
        table=table, checks=(*drawn.checks, _say_method(method)), level=level, states=drawn.states, start=start, by=by,
        unit=drawn.unit, method=method,
    )  # fmt: skip


def _samples(own: StatePaths, asked: list[int] | None, start: float, method: str) -> list[tuple[list[int], StatePaths]]:
    """Pair starting states with the rows that they are estimated from."""
    states = len(own.states)
    left = np.bincount(own.paths.origin[own.paths.target >= 0], minlength=states) > 0
    origins = asked if asked is not None else [int(code) for code in np.flatnonzero(left if left.any() else np.ones(states))]
    if method == "aalen_johansen":
        return [(origins, own)]
    there, counts = starting_shares(own.paths, states, start, weights=own.weights)
    if not own.knows_partners:
        raise ParameterError("landmark: it is not known which pairs belong to one partner, so nobody can be followed; name the partner")
    found = []
    for origin in origins:
        if counts[origin]:
            units = own.paths.unit[there & (own.paths.origin == origin)]
            later = np.isin(own.paths.unit, units) & (own.paths.exit > start)
            found.append(([origin], own.rows(later)))
        elif asked is not None:
            raise SampleError(f"not enough data (n = 0): nobody is in {own.states[origin]} at start={start:g}")
    return found


def _say_method(method: str) -> Check:
    if method == "landmark":
        return Check("Markov property", True, "Not needed: only partners who were in the state at the start are followed.")
    detail = "Taken for granted: what happens next depends on the state and the time only. The landmark method does without."
    return Check("Markov property", None, detail)


def lay_out(
    sample: StatePaths, curves: StateCurves, row: int, *, lead: dict[str, object], times: np.ndarray, level: float, interval: str
) -> pd.DataFrame:
    """Lay one distribution out as rows ``[lead], to_state, time`` and the tidy columns."""
    at = curves.places(times)
    known, s = at >= 0, len(sample.states)
    share = np.where(known[:, None], curves.share[at, row], np.nan)
    error = np.where(known[:, None], curves.error[at, row], np.nan)
    low, high = share_bounds(share, error, level=level, interval=interval, trials=_behind(sample, times))
    first = known & (times <= curves.time[0])
    # what was put in at the start is no estimate
    put_in = (first[:, None] & (curves.error[0, row] == 0.0)) | _fixed(sample, curves, row)[None]
    low, high = np.where(put_in, share, low), np.where(put_in, share, high)
    seen = np.where(times <= curves.time[0], curves.at_risk[0].sum(), sample.in_sight(times))
    columns = {
        "to_state": pd.Categorical.from_codes(np.repeat(np.arange(s), len(times)), categories=list(sample.states)).astype(str),
        "time": np.tile(times, s),
        "estimate": share.T.ravel(),
        "std_error": error.T.ravel(),
        "conf_low": low.T.ravel(),
        "conf_high": high.T.ravel(),
        "n": np.tile(seen, s).astype(np.int64),
        "at_risk": np.where(known[:, None], curves.at_risk[at], 0).T.ravel().astype(np.int64),
    }
    rows = len(times) * s
    return pd.DataFrame({**{name: [value] * rows for name, value in lead.items()}, **columns})


def _behind(sample: StatePaths, times: np.ndarray) -> np.ndarray:
    """Partners behind a share of 0 or 1, shape ``(times, 1)``: those whose state is known then."""
    return np.where(sample.partners > 1, sample.known(times), np.nan)[:, None]


def _fixed(sample: StatePaths, curves: StateCurves, row: int) -> np.ndarray:
    """States that are sure because one starts in a state that was never left, shape ``(s,)``."""
    left = np.bincount(sample.paths.origin[sample.paths.target >= 0], minlength=len(sample.states)) > 0
    begun = curves.share[0, row] > 0
    return np.full(len(sample.states), bool(not left[begun].any() and curves.error[0, row].max() == 0.0 and left.any()))


def read_steps(table: pd.DataFrame, keys: list[str], times: Sequence[float]) -> pd.DataFrame:
    """Read step curves of a tidy table at given times; NaN before the first and after the last of them."""
    wanted = np.asarray(times, dtype=float)
    pieces = []
    for _, curve in table.groupby([name for name in keys if name != "time"], sort=False, dropna=False, observed=True):
        time = curve["time"].to_numpy()
        at = np.searchsorted(time, wanted, side="right") - 1
        step = curve.iloc[np.maximum(at, 0)].reset_index(drop=True).assign(time=wanted)
        step.loc[(at < 0) | (wanted > time[-1]), ["estimate", "std_error", "conf_low", "conf_high"]] = np.nan
        pieces.append(step)
    return pd.concat(pieces, ignore_index=True)
