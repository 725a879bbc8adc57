"""The noun and its door: spells from any table, refused in one line where they cannot be meant."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, nearest
from partnerlab.periods import Calendar
from partnerlab.results import Check
from partnerlab.spells.events import CENSORED, read_events
from partnerlab.spells.paths import read_paths

#: Columns that every table of spells has, in this order; attributes follow.
COLUMNS = ("partner", "spell", "entry", "duration", "event", "start", "start_known")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spells:
    """Spells of partners, sorted by partner and spell.

    Parameters
    ----------
    frame : DataFrame
        ``partner``; ``spell`` (1, 2, ... within the partner; rows that share a number are pieces of one spell);
        ``entry`` and ``duration`` in periods, observed on ``(entry, duration]``; ``event`` (the cause of the
        ending, "" while none was seen); ``start`` (period in which the spell began, or, where ``start_known``
        is False, in which it was first seen; missing without a calendar); attributes.
    of : str
        What the partner stays in: ``"membership"``, ``"any tier"`` or the name of a tier.
    unit : str
        Name of one period, for people.
    calendar : Calendar or None
        Reads ``start``; None where the spells have no place in the calendar.
    checks : tuple of Check
        What was looked at while the spells were made.
    states : tuple of str
        Where the rows say in which state the partner was (column ``state``) and ``event`` is the state moved to:
        all states in order. Then time runs on one clock for all rows of a partner. Empty otherwise.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"partner": ["a", "b", "c"], "duration": [2, 3, 5], "event": ["lapsed", "", "lapsed"]})
    >>> Spells.from_frame(frame).causes
    ('lapsed',)
    """

    frame: pd.DataFrame = dataclasses.field(repr=False)
    of: str = "membership"
    unit: str = "quarter"
    calendar: Calendar | None = None
    checks: tuple[Check, ...] = ()
    states: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.frame.columns]
        if missing:
            raise ContractError(f"spells lack the column {', '.join(missing)}; make them with Spells.from_frame or build_spells")

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def causes(self) -> tuple[str, ...]:
        """Kinds of ending that were seen, in alphabetical order."""
        seen = self.frame["event"].unique()  # before they are written: rows are many, endings few
        return tuple(sorted({str(name) for name in seen} - {CENSORED}))

    @property
    def attributes(self) -> tuple[str, ...]:
        """Columns by which the spells can be grouped."""
        return tuple(column for column in self.frame.columns if column not in COLUMNS)

    def select(self, mask: np.ndarray | pd.Series) -> Spells:
        """Keep the spells for which ``mask`` is True."""
        return dataclasses.replace(self, frame=self.frame.loc[np.asarray(mask, dtype=bool)].reset_index(drop=True))

    def to_frame(self) -> pd.DataFrame:
        """Give a fresh copy of the table."""
        return self.frame.copy()

    @classmethod
    def from_frame(  # noqa: PLR0913 - one argument for each column name
        cls,
        frame: pd.DataFrame,
        *,
        partner: str = "partner",
        duration: str = "duration",
        event: str = "event",
        entry: str | None = None,
        spell: str | None = None,
        start: str | None = None,
        state: str | None = None,
        states: Sequence[str] | None = None,
        absorbing: Sequence[str] = (),
        censored: object | None = None,
        of: str = "membership",
        unit: str = "quarter",
        calendar: Calendar | None = None,
    ) -> Self:
        """Make spells from any table with one row per spell, or per piece ``(entry, duration]`` of one.

        Parameters
        ----------
        frame : DataFrame
            Further columns become attributes.
        partner, duration, event : str
            Names of these columns. Events may be True/False, 1/0, or names of causes, in any dtype; False, 0 (also "0"
            and "false"), "" and missing mean that no ending was seen. Missing ones are counted in a check.
        entry, spell, start : str, optional
            Names of these columns; each is used under its own name when present. ``start`` holds period labels
            of the calendar, or period numbers.
        state : str, optional
            Name of the column with the state that the partner was in. Then ``event`` is the state moved to (blank,
            missing, 0 where no state is called 0, ``censored``, or the row's own state: no move was seen), and
            ``entry`` and ``duration`` are read on one clock for all rows of a partner; gaps between rows mean out of sight.
        states : sequence of str, optional
            All states in order, any other is refused; by default those seen.
        absorbing : sequence of str
            States that nobody can leave: a row that does is refused.
        censored : object, optional
            Value of ``event`` that means that no ending (with states: no move) was seen, such as ``"cens"``.
        of, unit : str
            As in `Spells`.
        calendar : Calendar, optional
            The program's clock; needed to read labels in ``start``.

        Raises
        ------
        ContractError
            On a missing column, a negative or missing time, an entry that is not before its duration, or pieces
            of one spell that overlap; with states also on rows of one partner that overlap, a state that is unknown, a
            row that begins elsewhere than the row before ended, or one that leaves an absorbing state. It names the first rows.

        Examples
        --------
        >>> frame = pd.DataFrame({"id": [7, 7, 8], "from": [0, 2, 1], "to": [2, 5, 4], "died": [0, 1, 0]})
        >>> Spells.from_frame(frame, partner="id", entry="from", duration="to", event="died").frame["spell"].tolist()
        [1, 1, 1]
        >>> moves = pd.DataFrame({"id": [7, 7], "from": [0, 2], "to": [2, 5], "tier": ["Gold", "Base"], "then": ["Base", ""]})
        >>> Spells.from_frame(moves, partner="id", entry="from", duration="to", state="tier", event="then").states
        ('Base', 'Gold')
        """
        given = {"partner": partner, "duration": duration, "event": event, "entry": entry, "spell": spell, "start": start}
        given |= {"state": state} if state is not None else {}
        table = _named_columns(frame, given)
        _check_times(table)
        if state is not None:
            table, known = read_paths(table, states=states, absorbing=absorbing, censored=censored)
            starts = _read_starts(table.get("start"), len(table), calendar)
            rest = [column for column in table.columns if column not in (*COLUMNS, "state")]
            paths = table.assign(start=starts, start_known=True)[[*COLUMNS, "state", *rest]]
            return cls(frame=paths, of="any state", unit=unit, calendar=calendar, states=known)
        table["event"], doubts = read_events(table["event"], censored=censored)
        table["start"] = _read_starts(table.get("start"), len(table), calendar)
        table["start_known"] = True if "start_known" not in table else table["start_known"].astype(bool)
        numbered = "spell" in table
        table = _number_spells(table)
        _check_overlaps(table, numbered=numbered)
        rest = [column for column in table.columns if column not in COLUMNS]
        checks = (*doubts, *(() if numbered else _say_repeats(table)))
        return cls(frame=_in_order(table, [*COLUMNS, *rest]), of=of, unit=unit, calendar=calendar, checks=checks)


def _named_columns(frame: pd.DataFrame, given: dict[str, str | None]) -> pd.DataFrame:
    """Copy the table under our own column names, refusing what is not there."""
    if not isinstance(frame, pd.DataFrame):
        raise ContractError(f"spells: expected a DataFrame with one row per spell, got {type(frame).__name__}")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ContractError(f"spells: {len(twice)} column name(s) stand twice (first: {twice[0]!r}); rename or drop one", column=twice[0])
    names = {}
    taken = {theirs for theirs in given.values() if theirs is not None}
    for ours, theirs in given.items():
        wanted = ours if theirs is None else theirs
        if theirs is None and wanted in taken:
            continue
        if wanted in frame.columns:
            names[wanted] = ours
        elif theirs is not None:
            raise ContractError(f"spells: no column {wanted!r} for {ours}{nearest(wanted, frame.columns)}", column=wanted)
    beside = [ours for theirs, ours in names.items() if ours != theirs and ours in frame.columns and ours not in names]
    if beside:
        raise ContractError(f"spells: there is a column {beside[0]!r} beside the one that is read as {beside[0]}; rename or drop it")
    table = frame.rename(columns=names).reset_index(drop=True)
    if "entry" not in table:
        table["entry"] = 0
    if table["partner"].isna().any():
        raise ContractError(f"spells.{given['partner']}: {_rows(table['partner'].isna())} name no partner; drop or fill them")
    return table


def _rows(bad: pd.Series | np.ndarray) -> str:
    """Say how many rows, and which come first: ``2 rows (first: 0, 3)``."""
    at = np.flatnonzero(np.asarray(bad))
    return f"{len(at)} row{'s' if len(at) != 1 else ''} (first: {', '.join(map(str, at[:3]))})"


def _check_times(table: pd.DataFrame) -> None:
    for column in ("entry", "duration"):
        if not pd.api.types.is_numeric_dtype(table[column]) or pd.api.types.is_bool_dtype(table[column]):
            found = table[column].dtype
            if not len(table):
                raise ContractError("spells: the table has no rows; nothing can be estimated from it")
            raise ContractError(f"spells.{column}: expected numbers of periods, found {found}; convert the column", column=column)
        whole = isinstance(table[column].dtype, np.dtype) and table[column].dtype.kind in "iu"
        values = table[column].to_numpy() if whole else table[column].to_numpy(dtype=float, na_value=np.nan)
        if whole and (values >= 0).all():
            continue
        for bad, what in ((~np.isfinite(values), "are missing or infinite"), (values < 0, "are negative")):
            if bad.any():
                raise ContractError(f"spells.{column}: {_rows(bad)} {what}; mend or drop them", column=column, rows=int(bad.sum()))
    backwards = (table["entry"] >= table["duration"]).to_numpy()
    if backwards.any():
        message = f"spells: in {_rows(backwards)} entry is not before duration, so the spell was never at risk; mend or drop them"
        raise ContractError(message, column="entry", rows=int(backwards.sum()))


def _read_starts(start: pd.Series | None, rows: int, calendar: Calendar | None) -> pd.Series:
    if start is None:
        return pd.Series(pd.NA, index=range(rows), dtype="Int64")
    if pd.api.types.is_numeric_dtype(start):
        numbers = start.to_numpy(dtype=float, na_value=np.nan)
        broken = ~np.isnan(numbers) & (numbers != np.round(numbers)) | np.isinf(numbers)
        if broken.any():
            said = f"spells.start: {_rows(broken)} are no whole periods; give period numbers, or labels with calendar="
            raise ContractError(said, column="start", rows=int(broken.sum()))
        return start.astype("Int64")
    if calendar is None:
        raise ContractError("spells.start holds labels; give calendar= so that they can be read", column="start")
    codes, labels = pd.factorize(start)
    periods = np.array([calendar.parse(label) for label in labels] + [0], dtype=np.int64)
    return pd.Series(periods[codes], dtype="Int64").mask(codes < 0)


def _number_spells(table: pd.DataFrame) -> pd.DataFrame:
    """Sort, and number the spells of each partner; rows that continue one another are pieces of one spell."""
    if "spell" in table:
        if table["spell"].isna().any():
            raise ContractError(f"spells.spell: {_rows(table['spell'].isna())} are missing; number them 1, 2, ...", column="spell")
        return _sorted(table, ["partner", "spell", "entry"])
    ordered = _sorted(table, ["partner", "start", "entry", "duration"])
    same = _same_as_before(ordered, "partner")
    if not same.any():
        return ordered.assign(spell=1)
    entry, duration = ordered["entry"].to_numpy(dtype=float), ordered["duration"].to_numpy(dtype=float)
    start = ordered["start"].to_numpy(dtype=float, na_value=np.nan)
    open_end = (ordered["event"] == CENSORED).to_numpy(dtype=bool)
    goes_on = same & _before(open_end) & (_before(duration) == entry) & ((_before(start) == start) | np.isnan(start))
    total = np.cumsum(~goes_on)
    first = np.maximum.accumulate(np.where(~same, total, 0)) if len(total) else total
    return ordered.assign(spell=total - first + 1)


def _in_order(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Put columns in order without copying them."""
    return pd.DataFrame({name: table[name] for name in names}, copy=False)


def _sorted(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sort by the keys; a table whose first key only rises is sorted already."""
    first = table[keys[0]]
    if isinstance(first.dtype, np.dtype) and first.dtype.kind in "iu" and (first.to_numpy()[1:] > first.to_numpy()[:-1]).all():
        return table
    return table.sort_values(keys, kind="stable", ignore_index=True)


def _before(values: np.ndarray) -> np.ndarray:
    """Value of the row before; of the first row itself for the first."""
    return np.concatenate([values[:1], values[:-1]])


def _same_as_before(table: pd.DataFrame, *columns: str) -> np.ndarray:
    """Whether each row has the values of the row before."""
    same = np.ones(len(table), dtype=bool)
    same[:1] = False
    for column in columns:
        if not same.any():
            break
        plain = table[column].dtype.kind in "iub" if isinstance(table[column].dtype, np.dtype) else False
        code = table[column].to_numpy() if plain else pd.factorize(table[column])[0]
        same[1:] &= code[1:] == code[:-1]
    return same


def _say_repeats(table: pd.DataFrame) -> tuple[Check, ...]:
    """Say how many rows repeat another row of the partner in every column, though each counts as a spell of its own."""
    like = _same_as_before(table, "partner", "entry", "duration")
    if not like.any():
        return ()
    told = [column for column in table.columns if column != "spell"]
    repeats = int(table.loc[like | np.concatenate([like[1:], [False]]), told].duplicated().sum())
    if not repeats:
        return ()
    said = (
        f"{repeats:,} rows repeat another row of their partner in every column and count as spells of their own; drop them if told twice."
    )
    return (Check("No row told twice", False, said),)


def _check_overlaps(table: pd.DataFrame, *, numbered: bool) -> None:
    """Pieces of one spell may not overlap, nor go on after its end; spells of one partner may not overlap in the calendar."""
    same_partner = _same_as_before(table, "partner")
    if not same_partner.any():
        return
    same_spell = same_partner & _same_as_before(table, "spell")
    entry, duration = table["entry"].to_numpy(dtype=float), table["duration"].to_numpy(dtype=float)
    start = table["start"].to_numpy(dtype=float, na_value=np.nan)
    inside = entry < _before(duration)
    # a clock that was set back starts at 0; a later entry inside another row of the partner is the same stretch told twice
    told_twice = same_partner & ~same_spell & (entry > 0) & inside & np.isnan(start) & (not numbered)
    ended_before = same_spell & _before((table["event"] != CENSORED).to_numpy(dtype=bool))
    crossing = same_partner & ~same_spell & (start + entry < _before(start + duration))
    for bad, what, remedy in (
        (
            (same_spell & inside) | told_twice,
            "row(s) overlap the row before",
            "cut them at the overlap, or number separate spells in a 'spell' column",
        ),
        (ended_before, "row(s) go on after the spell has ended", "number the return as a new spell"),
        (crossing, "spell(s) overlap another spell of the partner in the calendar", "cut them at the overlap"),
    ):
        if bad.any():
            first = table["partner"].iloc[int(np.flatnonzero(bad)[0])]
            raise ContractError(f"spells: {int(bad.sum())} {what} (first: partner {first}); {remedy}", rows=int(bad.sum()))
