"""Cutting a tier history into spells, all partners at once on the code arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.periods import read_dates
from partnerlab.results import Check
from partnerlab.spells.table import CENSORED, COLUMNS, Spells
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory

#: How a spell can end.
CAUSES = ("lapsed", "promotion", "demotion", "sideways")

Stage = Literal["published", "held", "eligible", "raw"]


def build_spells(
    history: TierHistory,
    *,
    of: str = "membership",
    attributes: Sequence[str] | None = None,
    stage: Stage = "published",
    include_partial: bool = False,
    clock: Literal["calendar", "tenure"] = "calendar",
) -> Spells:
    """Cut a tier history into spells of membership, of any tier, or of one tier; or into paths through all states.

    A spell ends with a cause: ``lapsed``, or for tiers ``promotion``, ``demotion`` or ``sideways`` (no order between
    the two). It is censored at the end of the data and where observation has a gap (tier unknown). A return
    after a lapse is a new spell. Partners who were already there in the first period enter late when
    ``joined_at`` says since when; otherwise their start is unknown, and only calendar hazards use them. Periods
    that the data cover only in part are left out at the end; for tier spells at the beginning as well, unless
    the tiers were recorded rather than computed.

    Parameters
    ----------
    history : TierHistory
        Tiers of every partner in every period.
    of : str
        ``"membership"``, ``"any tier"`` (one spell for each stay in a tier, with columns ``tier`` and
        ``to_tier``), the name of a tier, or ``"states"``: rows with states (the tiers and lapsed, from which
        partners may return) on one clock for each partner, for `estimate_state_probabilities` and its kin.
    attributes : sequence of str, optional
        Which of the history's attributes to carry along; all by default.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers.
    include_partial : bool
        Use partial periods too.
    clock : {"calendar", "tenure"}
        For ``of="states"``: time since the first period used, or since the partner joined (those of whom nobody
        knows when are left out, and counted).

    Returns
    -------
    Spells

    Raises
    ------
    ParameterError
        If ``of``, ``stage`` or an attribute does not exist.

    Examples
    --------
    >>> rows = pd.DataFrame({"partner": ["a", "a", "b", "b", "b"], "quarter": ["2025Q2", "2025Q3", "2025Q2", "2025Q3", "2025Q4"]})
    >>> rows = pd.concat([rows, pd.DataFrame({"partner": ["c"], "quarter": ["2025Q1"]})]).assign(tier="Gold")
    >>> build_spells(TierHistory.from_frame(rows)).frame[["partner", "entry", "duration", "event"]].to_numpy().tolist()
    [['a', 0, 2, 'lapsed'], ['b', 0, 2, ''], ['c', 0, 1, 'lapsed']]
    """
    if of == "states":
        return cut_paths(history, stage=stage, clock=clock, include_partial=include_partial, attributes=attributes)
    label, wanted = _stays(history, of=of, stage=stage)
    kept = _whole_periods(history, of=of, include_partial=include_partial)
    row, begin, end, follows = cut_runs(label[:, kept], wanted)
    codes = getattr(history, stage)[:, kept]
    first = history.first + kept.start
    entry, known, late = _delays(history, row, begin, label[:, kept], of=of, first=first)
    ended = follows != _NOT_ENDED
    duration = entry + end - begin + ended
    frame = pd.DataFrame(
        {
            "partner": np.asarray(history.partners)[row],
            "spell": _count_within(row),
            "entry": entry,
            "duration": duration,
            "event": _causes(history, codes[row, begin], follows, of=of),
            "start": pd.array(first + begin - entry, dtype="Int64"),
            "start_known": known,
        }
    )
    if of != "membership":
        names = [*history.tiers]
        frame["tier"] = pd.Categorical.from_codes(codes[row, begin], categories=names)
        frame["to_tier"] = pd.Categorical.from_codes(np.where(follows >= 0, follows, -1), categories=names)
    carried = _attribute_names(history, attributes)
    frame = pd.concat([frame, history.attributes[carried].take(row).reset_index(drop=True)], axis=1)
    seen = duration > entry
    checks = _look_back(frame, seen, late, history, kept)
    return Spells(
        frame=frame.loc[seen].reset_index(drop=True), of=of, unit=history.calendar.cadence, calendar=history.calendar, checks=checks
    )


def cut_paths(history: TierHistory, *, stage: str, clock: str, include_partial: bool, attributes: Sequence[str] | None) -> Spells:
    """Cut a history into rows with states, tiers and lapsed, on the clock of the calendar or of tenure."""
    if clock not in ("calendar", "tenure"):
        raise ParameterError(f"clock is {clock!r}{nearest(str(clock), ('calendar', 'tenure'))}")
    codes, _ = _stays(history, of="any tier", stage=stage)
    kept = _whole_periods(history, of="any tier", include_partial=include_partial)
    label = np.where(codes == Outside.LAPSED, len(history.tiers), np.where(codes < 0, Outside.UNKNOWN, codes))[:, kept]
    names = (*history.tiers, "lapsed")
    row, begin, end, follows = cut_runs(label.astype(np.int16))
    moved = follows != _NOT_ENDED
    shift, known = np.zeros(len(row), dtype=np.int64), np.ones(len(row), dtype=bool)
    if clock == "tenure":
        shift, known = _tenure_shift(history, row, codes, first=history.first + kept.start)
    entry, duration = begin + shift, end + moved + shift
    used = (duration > entry) & known
    frame = pd.DataFrame({"partner": np.asarray(history.partners)[row], "spell": _count_within(row), "entry": entry, "duration": duration})
    frame["event"] = np.where(moved, np.array([*names, CENSORED])[np.where(moved, follows, -1)], CENSORED)
    frame["start"] = pd.array(history.first + kept.start + begin, dtype="Int64")
    frame["start_known"] = True
    frame["state"] = pd.Categorical.from_codes(label[row, begin], categories=names)
    # an attribute of that name (of a country, say) must not stand in the way of the state that is followed
    carried = [name for name in _attribute_names(history, attributes) if name != "state"]
    frame = pd.concat([frame, history.attributes[carried].take(row).reset_index(drop=True)], axis=1)
    lost = len(np.unique(row[~known]))
    told = Check("Start of tenure known", lost == 0, f"{lost} partners with no known joining period are left out.")
    checks = (told,) if clock == "tenure" else ()
    return Spells(
        frame=frame.loc[used].reset_index(drop=True), of="any state", unit=history.calendar.cadence, calendar=history.calendar,
        checks=checks, states=names,
    )  # fmt: skip


def _tenure_shift(history: TierHistory, row: np.ndarray, codes: np.ndarray, *, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Give what turns columns into tenure and whether it is known: seen joining, or else by the date of joining."""
    joined = _joined_periods(history)
    appears = (codes != Outside.NOT_YET).argmax(axis=1)
    seen_joining = (appears > 0) & ~_left_truncated(history)
    began = np.where(seen_joining, history.first + appears, np.where(joined <= history.first + appears, joined, _NO_DATE))
    known = began != _NO_DATE
    return (first - np.where(known, began, first))[row], known[row]


#: In ``follows``: the stay was still going on when observation stopped.
_NOT_ENDED = -128


def _stays(history: TierHistory, *, of: str, stage: str) -> tuple[np.ndarray, int | None]:
    """Label each cell by what the partner stays in, shape (n, t); negative cells are no stay. Second: the one label asked for."""
    if stage not in ("published", "held", "eligible", "raw"):
        raise ParameterError(f"stage is {stage!r}{nearest(str(stage), ('published', 'held', 'eligible', 'raw'))}")
    codes = getattr(history, stage)
    if of == "membership":
        # a member whose tier is unknown is a member
        return np.where(codes >= Outside.UNKNOWN, np.int8(0), codes), None
    if of == "any tier":
        return codes, None
    if of not in history.tiers:
        raise ParameterError(f"spells of {of!r}: no such tier{nearest(of, (*history.tiers, 'membership', 'any tier', 'states'))}")
    return codes, history.tiers.index(of)


def _whole_periods(history: TierHistory, *, of: str, include_partial: bool) -> slice:
    """Columns to use: partial periods fall off the end, and for computed tiers off the beginning; all before a record begins do."""
    recorded = getattr(history.scheme, "kind", None) == "recorded"
    told = np.flatnonzero((history.published != Outside.UNKNOWN).any(axis=0))
    begins = int(told[0]) if recorded and len(told) else 0
    whole = np.flatnonzero(~np.asarray(history.partial, dtype=bool))
    if include_partial or len(whole) == 0:
        return slice(begins, history.shape[1])
    return slice(begins if of == "membership" or recorded else int(whole[0]), max(int(whole[-1]) + 1, begins))


def cut_runs(label: np.ndarray, wanted: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find the runs of equal non-negative labels along the rows.

    Parameters
    ----------
    label : ndarray of int8, shape (n, t)
    wanted : int, optional
        Only runs of this label.

    Returns
    -------
    row, begin, end : ndarray of int, shape (m,)
        Row and first and last column of each run.
    follows : ndarray of int, shape (m,)
        Label after the run; a gap or the edge gives a value that no label has.

    Examples
    --------
    >>> row, begin, end, follows = cut_runs(np.array([[0, 0, -3, 0]], dtype=np.int8))
    >>> begin.tolist(), end.tolist()
    ([0, 3], [1, 3])
    """
    n, t = label.shape
    stay = label >= 0 if wanted is None else label == wanted
    change = label[:, 1:] != label[:, :-1]
    edge = np.ones((n, 1), dtype=bool)
    row, begin = np.nonzero(stay & np.concatenate([edge, change], axis=1))
    end = np.nonzero(stay & np.concatenate([change, edge], axis=1))[1]
    after = label[row, np.minimum(end + 1, t - 1)].astype(np.int64)
    lost = (end == t - 1) | (after == Outside.UNKNOWN) | (after == Outside.NOT_YET)
    return row, begin, end, np.where(lost, _NOT_ENDED, after)


def _delays(
    history: TierHistory, row: np.ndarray, begin: np.ndarray, label: np.ndarray, *, of: str, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entry time of each spell, whether its start is known, and whether it was under way when first seen."""
    before = label[row, np.maximum(begin - 1, 0)]
    # the record says that it began with the partner in a tier: whatever came before was not seen
    under_way = (begin == 0) | ((before == Outside.NOT_YET) & _left_truncated(history)[row])
    # a tier first seen after an unknown one may have been held before
    after_gap = ~under_way & (before == Outside.UNKNOWN)
    entry = np.zeros(len(row), dtype=np.int64)
    known = ~(under_way | after_gap)
    at = np.flatnonzero(under_way)
    joined = _joined_periods(history)[row[at]]
    cut = _left_truncated(history)[row[at]]
    seen = first + begin[at]
    entry[at] = np.where((joined < seen) & (of == "membership"), seen - joined, 0)
    # a date in the very first period is believed unless the record says that the partner was already there
    known[at] = np.where(joined == seen, ~cut, (joined < seen) & (of == "membership"))
    return entry, known, under_way | after_gap


#: Period of a partner whose joining date is not known: later than any.
_NO_DATE = np.iinfo(np.int64).max


def _joined_periods(history: TierHistory) -> np.ndarray:
    """Period in which each partner joined, shape (n,)."""
    joined = np.full(history.shape[0], _NO_DATE)
    if "joined_at" not in history.attributes:
        return joined
    dates = read_dates(history.attributes["joined_at"], name="attributes.joined_at", wall=True)
    day = dates.to_numpy().astype("datetime64[D]")
    have = ~np.isnat(day)
    if have.any():
        calendar = history.calendar
        earliest, latest = (calendar.period_of_date(edge.item()) for edge in (day[have].min(), day[have].max()))
        edges = calendar.bounds_date(earliest, latest)
        joined[have] = earliest + np.searchsorted(edges, day[have], side="right") - 1
    return joined


def _left_truncated(history: TierHistory) -> np.ndarray:
    """Whether the record says that the partner was already there when it began, shape (n,)."""
    if "left_truncated" in history.attributes:
        return history.attributes["left_truncated"].fillna(False).to_numpy(dtype=bool)
    return np.zeros(history.shape[0], dtype=bool)


def _count_within(row: np.ndarray) -> np.ndarray:
    """1, 2, ... within equal neighbours."""
    index = np.arange(len(row))
    fresh = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.empty(0, dtype=bool)
    return index - np.maximum.accumulate(np.where(fresh, index, 0)) + 1 if len(row) else index


def _causes(history: TierHistory, tier: np.ndarray, follows: np.ndarray, *, of: str) -> pd.Categorical:
    """Name the cause of each ending from the tier held and what came after."""
    names = [CENSORED, *CAUSES]
    cause = np.where(follows == Outside.LAPSED, names.index("lapsed"), 0)
    moved = follows >= 0
    if of != "membership" and moved.any():
        # tiers that stand outside the order compare as neither higher nor lower
        height = np.array([np.nan if rank is None else rank for rank in history.rank], dtype=float)
        step = height[follows[moved]] - height[tier[moved]]
        cause[moved] = np.where(step > 0, names.index("promotion"), np.where(step < 0, names.index("demotion"), names.index("sideways")))
    return pd.Categorical.from_codes(cause.astype(np.int8), categories=names)


def _attribute_names(history: TierHistory, attributes: Sequence[str] | None) -> list[str]:
    if attributes is None:
        return [name for name in history.attributes.columns if name not in (*COLUMNS, "tier", "to_tier")]
    for name in attributes:
        if name not in history.attributes:
            raise ParameterError(f"no attribute {name!r} in the history{nearest(name, history.attributes.columns)}")
    return list(attributes)


def _look_back(frame: pd.DataFrame, seen: np.ndarray, late: np.ndarray, history: TierHistory, kept: slice) -> tuple[Check, ...]:
    """Say what a reader must know about how the spells were cut."""
    known = frame["start_known"].to_numpy()
    unknown, delayed = int((~known & seen).sum()), int((late & known & seen).sum())
    partial = history.shape[1] - (kept.stop - kept.start)
    window = f"{history.calendar.label(history.first + kept.start)} to {history.calendar.label(history.first + kept.stop - 1)}"
    starts = Check(
        "Start of each spell known",
        unknown == 0,
        f"{unknown} of {int(seen.sum())} spells were under way when first seen and have no known start: used in calendar hazards, "
        f"left out where time since the start counts. {delayed} more were under way with a known start and enter late.",
    )
    observed = Check(
        "Observation window",
        partial == 0,
        f"{window}; {partial} partial period(s) left out. {int((~seen).sum())} spell(s) began in the last period and were never at risk.",
    )
    return starts, observed
