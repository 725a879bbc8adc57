"""Where partners are over time, and how long they spend there: state occupancy and restricted mean time in state."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.transitions.state_curves import StateCurves, check_start, start_shares, trace_curves
from partnerlab.transitions.state_paths import MultiState, StatePaths, draw_paths
from partnerlab.transitions.state_probabilities import lay_out, read_steps

#: Where partners start: None for where they were seen, the name of a state, or a share for each state.
Initial = str | Mapping[str, float] | None

#: The limit of times in state is by default the last time at which so many are in sight.
LEAST_IN_SIGHT = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class StateOccupancy(Result):
    """Share of partners in each state at each time.

    The table has keys ``[by?, state, time]``, the tidy columns (``n``: partners in sight) and ``at_risk`` (in the state
    just before). At any time the shares add up to 1.

    Parameters
    ----------
    states : tuple of str
        States in order.
    start : float
        Time at which the curves start.
    by : str or None
        Attribute that the first key column holds.
    unit : str
        Name of one period.
    """

    title: ClassVar[str] = "Where partners are"

    states: tuple[str, ...] = ()
    start: float = 0.0
    by: str | None = None
    unit: str = "quarter"

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Read the shares at given times; NaN beyond what was observed."""
        return read_steps(self.table, self.keys, times)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SojournEstimate(Result):
    """Mean time spent in each state between the start and ``tau``.

    The table has keys ``[by?, state]``, the tidy columns (``n``: partners) and ``share`` (of the whole time).

    Parameters
    ----------
    states : tuple of str
        States in order.
    start, tau : float
        Limits of the time.
    by : str or None
        Attribute that the first key column holds.
    unit : str
        Name of one period.
    """

    title: ClassVar[str] = "Time spent in each state"

    states: tuple[str, ...] = ()
    start: float = 0.0
    tau: float = float("nan")
    by: str | None = None
    unit: str = "quarter"


def estimate_state_occupancy(  # noqa: PLR0913 - each a question of its own
    spells: MultiState,
    *,
    start: float = 0.0,
    initial: Initial = None,
    by: str | None = None,
    times: Sequence[float] | None = None,
    variance: Literal["jackknife", "greenwood", "aalen"] = "jackknife",
    interval: Literal["logit", "plain", "log"] = "logit",
    level: float = 0.95,
) -> StateOccupancy:
    """Estimate what share of partners is in each state at each time.

    The starting shares carried through the product integral. Without late entry that depends on the past it is right
    even where the Markov property fails (Datta and Satten 2001, doi:10.1016/S0167-7152(01)00155-9).

    Parameters
    ----------
    spells : Spells with states, TierHistory or Transitions
    start : float
        Time at which the curves start.
    initial : None, str or mapping
        Where partners start: where those in sight at ``start`` were seen (then an estimate itself), one state, or
        a share for each state.
    by, times, variance, interval, level
        As in `estimate_state_probabilities`.

    Returns
    -------
    StateOccupancy

    Raises
    ------
    ParameterError
        If a state, attribute or start does not exist, or shares do not add up to 1.
    SampleError
        If nobody is in sight at the start.

    Examples
    --------
    >>> from partnerlab.spells import Spells
    >>> rows = [("a", 0, 1, "Base", "Gold"), ("a", 1, 3, "Gold", ""), ("b", 0, 3, "Base", ""), ("c", 0, 3, "Gold", "")]
    >>> frame = pd.DataFrame(rows, columns=["partner", "entry", "duration", "tier", "to"])
    >>> shares = estimate_state_occupancy(Spells.from_frame(frame, state="tier", event="to")).at([3])
    >>> shares[["state", "estimate"]].round(3).to_numpy().tolist()
    [['Base', 0.333], ['Gold', 0.667]]
    """
    check_level(level)
    drawn, start = draw_paths(spells, by=by), check_start(start)
    pieces = []
    for index in range(len(drawn.labels)):
        own = drawn.of_group(index)
        curves = occupancy_curves(own, start, initial, variance=variance)
        wanted = curves.all_times if times is None else np.asarray(times, dtype=float)
        pieces.append(lay_out(own, curves, 0, lead=own.lead(index), times=wanted, level=level, interval=interval))
    return StateOccupancy(
        estimand=f"Share of partners in each state so many {drawn.unit}s after {start:g}{_say_initial(initial)}",
        table=pd.concat(pieces, ignore_index=True).rename(columns={"to_state": "state"}),
        checks=drawn.checks, level=level, states=drawn.states, start=start, by=by, unit=drawn.unit,
    )  # fmt: skip


def occupancy_curves(own: StatePaths, start: float, initial: Initial, *, variance: str, tau: float | None = None) -> StateCurves:
    """Carry the starting shares of one group through time."""
    if initial is None:
        shares, of = start_shares(own, start)
        return trace_curves(own, start, shares, variance=variance, tau=tau, shares_of=of)
    return trace_curves(own, start, read_initial(own, initial)[None], variance=variance, tau=tau)


def read_initial(own: StatePaths, initial: str | Mapping[str, float]) -> np.ndarray:
    """Read a starting distribution, shape ``(s,)``.

    Raises
    ------
    ParameterError
        If a state does not exist, a share is negative, or they do not add up to 1.
    """
    shares = np.zeros(len(own.states))
    for name, share in ({initial: 1.0} if isinstance(initial, str) else initial).items():
        shares[own.code(name, argument="initial")] = float(share)
    if not (shares >= 0).all() or abs(shares.sum() - 1.0) > 1e-9:
        raise ParameterError(f"initial: shares add up to {shares.sum():g}; give shares of 0 or more that add up to 1")
    return shares


def _say_initial(initial: Initial) -> str:
    if initial is None:
        return ", of those in sight then"
    return f", of those in {initial} then" if isinstance(initial, str) else ", given the starting shares"


def estimate_sojourn(
    spells: MultiState,
    *,
    tau: float | None = None,
    start: float = 0.0,
    initial: Initial = None,
    by: str | None = None,
    variance: Literal["jackknife", "greenwood", "aalen"] = "jackknife",
    level: float = 0.95,
) -> SojournEstimate:
    """Estimate how long a partner spends in each state until ``tau``: the area under the occupancy.

    Restricted mean times in state; returns to a state count. The times add up to ``tau - start``.

    Parameters
    ----------
    spells : Spells with states, TierHistory or Transitions
    tau : float, optional
        Limit; by default the last time at which every group has 5 partners in sight.
    start, initial, by, variance, level
        As in `estimate_state_occupancy`.

    Returns
    -------
    SojournEstimate

    Raises
    ------
    ParameterError
        If a state or attribute does not exist, or ``tau`` does not come after ``start``.

    Examples
    --------
    >>> from partnerlab.spells import Spells
    >>> rows = [("a", 0, 1, "Base", "Gold"), ("a", 1, 4, "Gold", ""), ("b", 0, 4, "Base", "")]
    >>> frame = pd.DataFrame(rows, columns=["partner", "entry", "duration", "tier", "to"])
    >>> stays = estimate_sojourn(Spells.from_frame(frame, state="tier", event="to"), tau=4)
    >>> stays.table[["state", "estimate"]].to_numpy().tolist()
    [['Base', 2.5], ['Gold', 1.5]]
    """
    check_level(level)
    drawn, start = draw_paths(spells, by=by), check_start(start)
    groups = [drawn.of_group(index) for index in range(len(drawn.labels))]
    limit = _limit(groups, start) if tau is None else float(tau)
    if not limit > start:
        raise ParameterError(f"tau is {limit:g}; give a time after the start, {start:g}")
    beyond = [own for own in groups if own.paths.exit.max() < limit]
    pieces = []
    for index, own in enumerate(groups):
        curves = occupancy_curves(own, start, initial, variance=variance, tau=limit)
        pieces.append(_stays(own, curves, lead=own.lead(index), limit=limit, start=start, level=level))
    told = Check("Time covered", not beyond, f"Observation reaches tau = {limit:g} in {len(groups) - len(beyond)} of {len(groups)} groups.")
    return SojournEstimate(
        estimand=f"Mean {drawn.unit}s spent in each state between {start:g} and {limit:g}{_say_initial(initial)}",
        table=pd.concat(pieces, ignore_index=True), checks=(*drawn.checks, told), level=level, states=drawn.states, start=start,
        tau=limit, by=by, unit=drawn.unit,
    )  # fmt: skip


def _limit(groups: list[StatePaths], start: float) -> float:
    """Last time at which every group has enough in sight (or as many as it ever has)."""
    lasts = []
    for own in groups:
        times = np.unique(own.paths.exit[own.paths.exit > start])
        if not len(times):
            raise SampleError(f"not enough data (n = 0): nobody is in sight after start={start:g}")
        seen = own.in_sight(times)
        lasts.append(times[seen >= min(LEAST_IN_SIGHT, seen.max())].max())
    return float(min(lasts))


def _stays(own: StatePaths, curves: StateCurves, *, lead: dict[str, object], limit: float, start: float, level: float) -> pd.DataFrame:
    """Lay out the times in state of one group; NaN where observation ends before the limit."""
    reached = own.paths.exit.max() >= limit
    mean = np.where(reached, curves.spent[0], np.nan)
    error = np.where(reached, curves.spent_error[0], np.nan)
    z, s = float(critical_value(level)), len(own.states)
    low, high = np.clip(mean - z * error, 0.0, limit - start), np.clip(mean + z * error, 0.0, limit - start)
    columns = {"state": list(own.states), "estimate": mean, "std_error": error, "conf_low": low, "conf_high": high}
    lead_columns = {name: [value] * s for name, value in lead.items()}
    return pd.DataFrame({**lead_columns, **columns, "n": own.partners, "share": mean / (limit - start)})
