"""Waiting times until something happens for the first time: a deal, a certificate, a tier, leaving, coming back.

The period in which a partner joins is the first of its clock: who deals in it has waited 1. Leaving before is an ending
of its own, ``lapsed``, that competes with what is waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.panel import Membership, Panel
from partnerlab.results import Check
from partnerlab.spells.cut import _joined_periods, _left_truncated
from partnerlab.spells.table import CENSORED, COLUMNS, Spells
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory

#: What is waited for, beside indicators and tiers.
LAPSE, RETURN = "lapsed", "return"


class _Seen(NamedTuple):
    """What is known of every partner in every period, each shape ``(n, t)`` and bool."""

    member: np.ndarray
    lapsed: np.ndarray
    unknown: np.ndarray
    hit: np.ndarray


def build_first_events(
    stop: Panel | TierHistory,
    *,
    until: str,
    or_higher: bool = True,
    attributes: Sequence[str] | None = None,
    include_partial: bool = False,
) -> Spells:
    """Cut the time from joining until something first happens, with leaving as the ending that competes.

    Partners who were there before the data begin may have had it already: they are left out, and counted. Where it is
    not known whether it happened (a gap in the data) the spell is censored before; who has no tier yet has reached none.

    Parameters
    ----------
    stop : Panel or TierHistory
        Where to look: indicators stand in a panel, tiers in a history.
    until : str
        An indicator of the panel (the first period in which it is above zero: first deal, first certificate), a tier of
        the history, ``"lapsed"``, or ``"return"`` (from each lapse until the partner is a member again).
    or_higher : bool
        A tier above the one named counts as reaching it.
    attributes : sequence of str, optional
        Which attributes to carry along; all by default.
    include_partial : bool
        Use periods that the data cover only in part, too.

    Returns
    -------
    Spells
        With the endings ``"first ..."`` (an indicator), ``"reached ..."`` (a tier), ``"return"``, and ``"lapsed"``.

    Raises
    ------
    ParameterError
        If there is no such indicator, tier or attribute.

    Examples
    --------
    >>> rows = pd.DataFrame({"partner": list("aaabbc"), "quarter": ["2025Q2", "2025Q3", "2025Q4", "2025Q2", "2025Q3", "2025Q1"]})
    >>> panel = Panel.from_frame(rows.assign(deals=[0, 2, 0, 0, 0, 1]))
    >>> build_first_events(panel, until="deals").frame[["partner", "duration", "event"]].to_numpy().tolist()
    [['a', 2, 'first deals'], ['b', 3, '']]
    """
    kept = _whole(stop, include_partial)
    seen = _Seen(*(values[:, :kept] for values in _look(stop, until, or_higher)))
    first = stop.first
    if until == RETURN:
        row, start, end, code, known = _from_lapses(seen)
        begin = start
    else:
        row, begin, end, code, known = _from_joining(stop, seen)
        # the clock stands at 0 at the end of the period before joining
        start = begin - 1
    name = (
        until if until in (LAPSE, RETURN) else f"reached {until}" if isinstance(stop, TierHistory) else f"first {until.replace('_', ' ')}"
    )
    names = [CENSORED, *dict.fromkeys((name, LAPSE))]
    code = np.minimum(code, len(names) - 1)
    frame = pd.DataFrame(
        {
            "partner": np.asarray(stop.partners)[row],
            "spell": _count(row),
            "entry": np.zeros(len(row), dtype=np.int64),
            "duration": end - start,
            "event": pd.Categorical.from_codes(code.astype(np.int8), categories=names),
            "start": pd.array(first + start, dtype="Int64"),
            "start_known": np.ones(len(row), dtype=bool),
        }
    )
    carried = _attributes(stop, attributes)
    frame = pd.concat([frame, stop.attributes[carried].take(row).reset_index(drop=True)], axis=1)
    watched = frame["duration"].to_numpy() > 0
    return Spells(
        frame=frame.loc[watched].reset_index(drop=True),
        of=f"waiting for {until}",
        unit=stop.calendar.cadence,
        calendar=stop.calendar,
        checks=_checks(stop, until, known=known, watched=watched, kept=kept),
    )


def _look(stop: Panel | TierHistory, until: str, or_higher: bool) -> _Seen:
    """Find where what is waited for happens."""
    if isinstance(stop, Panel):
        member, lapsed = stop.state == Membership.ACTIVE, stop.state == Membership.LAPSED
        nothing = np.zeros(member.shape, dtype=bool)
        if until in (LAPSE, RETURN):
            return _Seen(member, lapsed, nothing, lapsed)
        stop.indicator(until)  # refuses what is not there, naming the nearest
        told = stop.covered.get(until)
        unknown = nothing if told is None else np.broadcast_to(~told, member.shape)
        return _Seen(member, lapsed, unknown, stop.totals[until] > 0)
    codes = stop.published
    member, lapsed = codes >= Outside.UNKNOWN, codes == Outside.LAPSED
    if until in (LAPSE, RETURN):
        return _Seen(member, lapsed, np.zeros(codes.shape, dtype=bool), lapsed)
    if until not in stop.tiers:
        raise ParameterError(f"first events: no tier {until!r}{nearest(until, (*stop.tiers, LAPSE, RETURN))}", until=until)
    wanted = stop.tiers.index(until)
    height = [-np.inf if rank is None else rank for rank in stop.rank]
    counts = [place == wanted or (or_higher and height[place] > height[wanted] > -np.inf) for place in range(len(stop.tiers))]
    hit = np.append(counts, False)[np.where(codes >= 0, codes, len(counts))]
    # who has no tier yet has not reached one; where nobody has one the record is silent
    silent = np.broadcast_to((codes == Outside.UNKNOWN).any(axis=0) & ~(codes >= 0).any(axis=0), codes.shape)
    return _Seen(member, lapsed, silent, hit)


def _from_joining(stop: Panel | TierHistory, seen: _Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, first and last column of each wait from joining, code of its ending, and (all partners) whether joining was seen."""
    n, t = seen.member.shape
    begin = _first(seen.member, np.zeros(n, dtype=np.int64))
    there = begin < t
    before = _left_truncated(stop)
    at_edge = (begin == 0) & ((_joined_periods(stop) != stop.first) | before)
    known = there & ~at_edge & ~(before & there)
    row = np.flatnonzero(known)
    begin = begin[row]
    hit, lapsed, unknown = (_first(values[row], begin) for values in (seen.hit, seen.lapsed, seen.unknown))
    # who has it and leaves in one period has had it
    code = np.where((hit < t) & (hit <= lapsed), 1, np.where(lapsed < t, 2, 0))
    end = np.minimum(np.minimum(hit, lapsed), t - 1)
    lost = unknown <= np.where(code > 0, end, t - 1)
    return row, begin, np.where(lost, unknown - 1, end), np.where(lost, 0, code), known | ~there


def _from_lapses(seen: _Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, column of each lapse, column of the return or the last one, code of the ending, and whether each partner's lapses were seen."""
    n, t = seen.member.shape
    left = np.zeros((n, t), dtype=bool)
    left[:, 1:] = seen.lapsed[:, 1:] & seen.member[:, :-1]
    row, begin = np.nonzero(left)
    back = np.array([], dtype=np.int64) if not len(row) else _first(seen.member[row], begin)
    return row, begin, np.minimum(back, t - 1), np.where(back < t, 1, 0), ~seen.lapsed[:, 0] if t else np.ones(n, dtype=bool)


def _first(flags: np.ndarray, since: np.ndarray) -> np.ndarray:
    """First column at or after ``since`` in which a flag stands, shape ``(n,)``; the number of columns where none does."""
    t = flags.shape[1]
    later = flags & (np.arange(t) >= since[:, None])
    return np.where(later.any(axis=1), later.argmax(axis=1), t) if t else np.zeros(len(flags), dtype=np.int64)


def _whole(stop: Panel | TierHistory, include_partial: bool) -> int:
    """Count the columns to use: partial periods fall off the end."""
    whole = np.flatnonzero(~np.asarray(stop.partial, dtype=bool))
    return stop.shape[1] if include_partial or len(whole) == 0 else int(whole[-1]) + 1


def _count(row: np.ndarray) -> np.ndarray:
    """1, 2, ... within equal neighbours."""
    index = np.arange(len(row))
    fresh = np.ones(len(row), dtype=bool)
    fresh[1:] = row[1:] != row[:-1]
    return index - np.maximum.accumulate(np.where(fresh, index, 0)) + 1 if len(row) else index


def _attributes(stop: Panel | TierHistory, asked: Sequence[str] | None) -> list[str]:
    if asked is None:
        return [name for name in stop.attributes.columns if name not in COLUMNS]
    for name in asked:
        if name not in stop.attributes:
            raise ParameterError(f"no attribute {name!r}{nearest(name, stop.attributes.columns)}")
    return list(asked)


def _checks(stop: Panel | TierHistory, until: str, *, known: np.ndarray, watched: np.ndarray, kept: int) -> tuple[Check, ...]:
    """Say who was left out."""
    hidden = int((~known).sum())
    why = "had lapsed before the data begin" if until == RETURN else "were there before the data begin and may have had it already"
    window = f"{stop.calendar.label(stop.first)} to {stop.calendar.label(stop.first + kept - 1)}" if kept else "no period"
    detail = f"{window}; {stop.shape[1] - kept} partial period(s) left out; {int((~watched).sum())} wait(s) never seen at risk."
    return (
        Check("Seen from the start", hidden == 0, f"{hidden} of {len(known)} partners {why}: left out."),
        Check("Observation window", kept == stop.shape[1], detail),
    )
