"""How long until a partner first enters a state, or any of several: first passage, by way of all other states."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.curves.risksets import curve_quantile
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.states.multistate import STAYS
from partnerlab.transitions.occupancy import Initial, occupancy_curves
from partnerlab.transitions.state_curves import check_start
from partnerlab.transitions.state_paths import MultiState, StatePaths, draw_paths
from partnerlab.transitions.state_probabilities import lay_out, read_steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class FirstPassage(Result):
    """Share of partners who have entered the states by each time, for the first time since the start.

    The table has keys ``[by?, time]``, the tidy columns (``n``: partners in sight who have not been there), ``at_risk``
    (the same just before) and ``entries``.

    Parameters
    ----------
    into : tuple of str
        States whose first entry counts.
    start : float
        Time from which is counted.
    by : str or None
        Attribute that the first key column holds.
    unit : str
        Name of one period.
    quantiles : DataFrame
        ``[by?], share``, and the time by which that share has entered, with its interval; NaN where it never does.
    """

    title: ClassVar[str] = "Time to first entry"

    into: tuple[str, ...] = ()
    start: float = 0.0
    by: str | None = None
    unit: str = "quarter"
    quantiles: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)

    def at(self, times: Sequence[float]) -> pd.DataFrame:
        """Read the shares at given times; NaN beyond what was observed."""
        if self.by is not None:
            return read_steps(self.table, self.keys, times)
        return read_steps(self.table.assign(_all=0), ["_all", "time"], times).drop(columns="_all")


def estimate_first_passage(  # noqa: PLR0913 - each a question of its own
    spells: MultiState,
    *,
    into: str | Sequence[str],
    start: float = 0.0,
    initial: Initial = None,
    by: str | None = None,
    times: Sequence[float] | None = None,
    shares: Sequence[float] = (0.25, 0.5, 0.75),
    variance: Literal["jackknife", "greenwood", "aalen"] = "jackknife",
    interval: Literal["logit", "plain", "log"] = "logit",
    level: float = 0.95,
) -> FirstPassage:
    """Estimate how many have entered a state (or any of a set) by each time, whatever way they took.

    The states become one that nobody leaves; what a partner does after its first entry is not used, nor anything after a
    gap in which it may have entered unseen (it came back in sight there). Other states that nobody leaves compete: who lapses
    for good never arrives, so the curve need not reach 1.

    Parameters
    ----------
    spells : Spells with states, TierHistory or Transitions
    into : str or sequence of str
        State or states whose first entry counts.
    start : float
        Partners who were in the states at any time in sight up to then are left out, and counted.
    initial, by, times, variance, interval, level
        As in `estimate_state_occupancy`, with the shares of those who have not been there.
    shares : sequence of float
        Shares for which the time is wanted.

    Returns
    -------
    FirstPassage

    Raises
    ------
    ParameterError
        If a state or attribute does not exist, or ``into`` names all states.
    SampleError
        If nobody is in sight at the start who has not been there.

    Examples
    --------
    >>> from partnerlab.spells import Spells
    >>> rows = [("a", 0, 2, "Base", "Gold"), ("a", 2, 4, "Gold", "Base"), ("b", 0, 3, "Base", "Gold"), ("c", 0, 4, "Base", "")]
    >>> frame = pd.DataFrame(rows, columns=["partner", "entry", "duration", "tier", "to"])
    >>> first = estimate_first_passage(Spells.from_frame(frame, state="tier", event="to"), into="Gold")
    >>> first.at([2, 4])["estimate"].round(3).tolist()
    [0.333, 0.667]
    """
    check_level(level)
    drawn, start = draw_paths(spells, by=by), check_start(start)
    names = (into,) if isinstance(into, str) else tuple(map(str, into))
    codes = [drawn.code(name, argument="into") for name in names]
    if len(set(codes)) == len(drawn.states):
        raise ParameterError("into: names all states; leave out those that partners start from")
    reduced, left_out = stop_at_entry(drawn, codes, start)
    if not len(reduced.paths.entry):
        raise SampleError(f"not enough data (n = 0): everybody in sight had been in {' or '.join(names)} by start={start:g}")
    table, quantiles = [], []
    for index in range(len(drawn.labels)):
        own = reduced.of_group(index)
        curves = occupancy_curves(own, start, _less_target(initial, names), variance=variance)
        wanted = curves.all_times if times is None else np.asarray(times, dtype=float)
        rows = lay_out(own, curves, 0, lead=own.lead(index), times=wanted, level=level, interval=interval)
        rows = rows[rows["to_state"] == own.states[-1]].drop(columns=["to_state"]).reset_index(drop=True)
        rows["at_risk"] = rows["n"]
        rows["entries"] = np.searchsorted(np.sort(own.paths.exit[own.paths.target == len(own.states) - 1]), wanted, side="right")
        table.append(rows)
        quantiles += [{**own.lead(index), **row} for row in _quantiles(rows, shares, own.partners)]
    said = " or ".join(names)
    left = Check(
        "Not there before",
        left_out == 0,
        f"{left_out} partners were in {said} at the start ({start:g}), or when first seen, and are left out.",
    )
    return FirstPassage(
        estimand=f"Share of partners who have entered {said} so many {drawn.unit}s after {start:g}, for the first time",
        table=pd.concat(table, ignore_index=True), checks=(*drawn.checks, left), level=level, into=names, start=start, by=by,
        unit=drawn.unit, quantiles=pd.DataFrame(quantiles),
    )  # fmt: skip


def _less_target(initial: Initial, names: tuple[str, ...]) -> Initial:
    asked = {initial} if isinstance(initial, str) else set() if initial is None else {name for name, share in initial.items() if share}
    if asked & set(names):
        raise ParameterError(f"initial: {', '.join(sorted(asked & set(names)))} is where first entry counts; start from another state")
    return initial


def stop_at_entry(drawn: StatePaths, codes: list[int], start: float) -> tuple[StatePaths, int]:
    """Make one absorbing last state of the states entered, and drop what is not a first passage.

    Returns
    -------
    StatePaths
        Rows up to the first entry after ``start``; other states keep their names, the states entered are one, the last.
    int
        Partners left out because they had been there.
    """
    if not drawn.knows_partners:
        raise ParameterError("it is not known which pairs belong to one partner, so a first entry cannot be told; name the partner")
    states = len(drawn.states)
    inside = np.zeros(states + 1, dtype=bool)  # the last place is that of STAYS, -1
    inside[codes] = True
    place = np.where(inside[:states], states - len(codes), np.cumsum(~inside[:states]) - 1)
    order = np.lexsort((drawn.paths.entry, drawn.paths.unit))
    paths = drawn.paths.rows(order)
    been = inside[paths.origin]
    # first time in sight at which the partner is in one of the states: the start of a row in it, or the end of one that moves there
    when = np.where(been, paths.entry, np.where(inside[paths.target], paths.exit, np.inf))
    first = np.full(int(paths.unit.max()) + 1, np.inf)
    np.minimum.at(first, paths.unit, when)
    before = first[paths.unit] <= start
    keep = ~before & ~been & (paths.exit <= first[paths.unit]) & (paths.exit > start)
    kept = paths.rows(keep)
    target = np.where(kept.target == STAYS, STAYS, place[np.maximum(kept.target, 0)])
    names = (*(name for code, name in enumerate(drawn.states) if not inside[code]), " or ".join(drawn.states[code] for code in codes))
    moved = kept._replace(origin=place[kept.origin], target=target)
    reduced = dataclasses.replace(drawn, paths=moved, states=names, group=drawn.group[order][keep], weights=None)
    alone = reduced.rows(np.ones(len(moved.entry), dtype=bool))
    return alone, len(np.unique(paths.unit[paths.exit > start])) - alone.partners


def _quantiles(rows: pd.DataFrame, shares: Sequence[float], partners: int) -> list[dict[str, float]]:
    """Find the times by which given shares have entered; the bounds of the curve give those of the time."""
    time, found = rows["time"].to_numpy(), []
    for share in shares:
        at = {name: curve_quantile(time, 1.0 - rows[name].to_numpy(), 1.0 - share) for name in ("estimate", "conf_high", "conf_low")}
        found.append(
            {
                "share": share,
                "estimate": at["estimate"],
                "std_error": np.nan,
                "conf_low": at["conf_high"],
                "conf_high": at["conf_low"],
                "n": partners,
            }
        )
    return found
