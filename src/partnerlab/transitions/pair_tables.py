"""Reading tables of pairs and counts: what cannot be meant is refused in one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, PartnerlabError, nearest
from partnerlab.periods import Calendar
from partnerlab.results import Check
from partnerlab.transitions.states import LAPSED


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairColumns:
    """Names of the columns of a table of pairs."""

    partner: str | None
    quarter: str | None
    from_tier: str
    to_tier: str
    count: str | None

    def found(self, frame: pd.DataFrame) -> PairColumns:
        """Give the columns that are there: partner and quarter may go under their own names, or be absent.

        Raises
        ------
        ContractError
            If one is missing that was named, or that pairs cannot do without.
        """
        if not isinstance(frame, pd.DataFrame):
            raise ContractError(f"transitions are read from a DataFrame, not a {type(frame).__name__}")
        partner, quarter = self.partner, self.quarter
        if partner == "partner" and partner not in frame.columns and self.count is not None:
            partner = None
        if quarter == "quarter" and quarter not in frame.columns:
            quarter = None
        for what, name in (("partner", partner), ("quarter", quarter), ("from_tier", self.from_tier), ("to_tier", self.to_tier),
                           ("count", self.count)):  # fmt: skip
            if name is not None and name not in frame.columns:
                remedy = "; give partner=None if partners are not known" if what == "partner" else ""
                raise ContractError(f"transitions: no column {name!r} for {what}{nearest(name, frame.columns)}{remedy}", column=name)
        return dataclasses.replace(self, partner=partner, quarter=quarter)

    @property
    def names(self) -> set[str]:
        """The columns that are not covariates."""
        return {name for name in dataclasses.astuple(self) if name is not None}


def rows_said(bad: np.ndarray) -> str:
    """Say how many rows, and which come first.

    Examples
    --------
    >>> rows_said(np.array([True, False, True]))
    '2 rows (first: 0, 2)'
    """
    at = np.flatnonzero(np.asarray(bad, dtype=bool))
    return f"{len(at)} row{'s' if len(at) != 1 else ''} (first: {', '.join(map(str, at[:3]))})"


def read_pairs(
    frame: pd.DataFrame,
    columns: PairColumns,
    *,
    order: Sequence[str],
    calendar: Calendar | None,
    absorbing: Sequence[str],
    impossible: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Read a table of pairs; gives the fields of `Transitions`."""
    columns = columns.found(frame)
    table = frame.reset_index(drop=True)
    leaving, reached = _names(table[columns.from_tier]), _names(table[columns.to_tier])
    states = _states(leaving, reached, order=order, named=[*absorbing, *(state for pair in impossible for state in pair)])
    origin, target = _codes(leaving, states, columns.from_tier), _codes(reached, states, columns.to_tier)
    weight = _counts(table, columns)
    partner, partners = _partners(table, columns)
    period, clock, calendar = _periods(table, columns, calendar)
    use = (origin >= 0) & (target >= 0) & (weight > 0)
    checks = (_observed(origin, target, weight),)
    use &= ~_from_absorbing(origin, target, use, states, absorbing)
    _refuse_impossible(origin, target, use, states, impossible)
    if clock == "own":
        period = _own_steps(partner, origin, target, use)
    sorting = np.lexsort((period, partner))
    sorting = sorting[use[sorting]]
    fields = {"origin": origin[sorting], "target": target[sorting], "weight": weight[sorting], "partner": partner[sorting]}
    fields["period"] = period[sorting]
    if len(partners) and clock == "calendar":
        _refuse_repeats(fields, partners, counted=columns.count is not None)
    covariates = table[[name for name in table.columns if name not in columns.names]].iloc[sorting].reset_index(drop=True)
    timed = len(partners) > 0 and clock != "none" and columns.count is None
    covariates = _with_times(covariates, fields) if timed else covariates
    attributes = pd.DataFrame(index=pd.RangeIndex(len(partners)))
    return {**fields, "states": states, "partners": partners, "clock": clock, "calendar": calendar, "ordered": bool(order),
            "covariates": covariates, "attributes": attributes, "checks": checks}  # fmt: skip


def _names(column: pd.Series) -> pd.Series:
    """Names of states; whole numbers lose their decimal point, blanks are missing."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() == column.dropna().round()).all():
        column = column.astype("Int64")
    text = column.astype("str").str.strip()
    return text.mask(column.isna() | (text == ""))


def _states(leaving: pd.Series, reached: pd.Series, *, order: Sequence[str], named: Sequence[str]) -> tuple[str, ...]:
    """Names of states: as ordered, or sorted (numbers as numbers); lapsed goes last."""
    given = [str(state) for state in order]
    twice = next((state for state in given if given.count(state) > 1), None)
    if twice is not None:
        raise ContractError(f"transitions: order names {twice!r} twice")
    if not given:
        found = {str(state) for state in [*leaving.dropna().unique(), *reached.dropna().unique()]}
        numbers = all(state.lstrip("-").isdigit() for state in found)
        given = sorted(found, key=int) if numbers else sorted(found)
    elif LAPSED not in given and (leaving.eq(LAPSED).any() or reached.eq(LAPSED).any()):
        given.append(LAPSED)
    if not given:
        raise ContractError("transitions: the table has no pair that was observed at both ends; nothing can be counted")
    strange = next((str(state) for state in named if str(state) not in given), None)
    if strange is not None:
        raise ContractError(f"transitions: no state is called {strange!r}{nearest(strange, given)}", state=strange)
    return tuple([state for state in given if state != LAPSED] + [state for state in given if state == LAPSED])


def _codes(names: pd.Series, states: tuple[str, ...], column: str) -> np.ndarray:
    codes = pd.Index(states).get_indexer(names)
    strange = (codes < 0) & names.notna().to_numpy()
    if strange.any():
        name = str(names[strange].iloc[0])
        raise ContractError(
            f"transitions.{column}: {rows_said(strange)} hold a state such as {name!r} that is not in order{nearest(name, states)}",
            column=column, state=name,
        )  # fmt: skip
    return codes.astype(np.int16)


def _counts(table: pd.DataFrame, columns: PairColumns) -> np.ndarray:
    if columns.count is None:
        return np.ones(len(table), dtype=np.int64)
    column = table[columns.count]
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise ContractError(f"transitions.{columns.count}: expected counts, found {column.dtype}; convert the column", column=columns.count)
    values = column.to_numpy(dtype=float, na_value=np.nan)
    for bad, what in (
        (~np.isfinite(values), "are missing or infinite"),
        (values < 0, "are negative"),
        (values != np.round(values), "are not whole"),
    ):
        if bad.any():
            message = f"transitions.{columns.count}: {rows_said(bad)} {what}; give how often each pair was seen"
            raise ContractError(message, column=columns.count, rows=int(bad.sum()))
    return values.astype(np.int64)


def _partners(table: pd.DataFrame, columns: PairColumns) -> tuple[np.ndarray, np.ndarray]:
    if columns.partner is None:
        return np.full(len(table), -1, dtype=np.int64), np.zeros(0, dtype=str)
    column = table[columns.partner]
    if column.isna().any():
        raise ContractError(f"transitions.{columns.partner}: {rows_said(column.isna().to_numpy())} name no partner; drop or fill them")
    codes, names = pd.factorize(_names(column), sort=True)
    return codes.astype(np.int64), np.asarray(names, dtype=str)


def _periods(table: pd.DataFrame, columns: PairColumns, calendar: Calendar | None) -> tuple[np.ndarray, str, Calendar | None]:
    """Periods of the rows, what they mean, and the calendar that names them."""
    nothing = np.zeros(len(table), dtype=np.int64)
    if columns.quarter is None:
        return nothing, "none" if columns.partner is None or columns.count is not None else "own", None
    column = table[columns.quarter]
    if column.isna().any():
        raise ContractError(f"transitions.{columns.quarter}: {rows_said(column.isna().to_numpy())} name no quarter; drop or fill them")
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=float)
        broken = values != np.round(values)
        if broken.any():
            raise ContractError(
                f"transitions.{columns.quarter}: {rows_said(broken)} are no whole period; sort by it and give quarter=None: "
                "the rows of a partner then follow one another as they stand",
                column=columns.quarter,
            )
        return values.astype(np.int64), "calendar", calendar
    if pd.api.types.is_datetime64_any_dtype(column):
        calendar = calendar or Calendar()
        codes, days = pd.factorize(column)
        return np.array([calendar.period_of_date(day.date()) for day in days], dtype=np.int64)[codes], "calendar", calendar
    codes, labels = pd.factorize(column.astype("str"))
    monthly = len(labels) > 0 and all(len(label) == 7 and label[4] == "-" for label in labels)
    calendar = calendar or (Calendar(cadence="month") if monthly else Calendar())
    try:
        periods = np.array([calendar.parse(label) for label in labels], dtype=np.int64)
    except PartnerlabError as error:
        raise ContractError(f"transitions.{columns.quarter}: {error}; or give whole numbers", column=columns.quarter) from error
    return periods[codes] if len(periods) else nothing, "calendar", calendar


def _observed(origin: np.ndarray, target: np.ndarray, weight: np.ndarray) -> Check:
    lost = int(weight[(origin < 0) | (target < 0)].sum())
    return Check(
        "Observed at both ends",
        True,
        f"{int(weight.sum()) - lost} pairs; {lost} more without a state at one end are in neither numerator nor denominator.",
    )


def _from_absorbing(
    origin: np.ndarray, target: np.ndarray, use: np.ndarray, states: tuple[str, ...], absorbing: Sequence[str]
) -> np.ndarray:
    """Rows that stay in an absorbing state, which say nothing; refuses rows that leave one."""
    if not absorbing:
        return np.zeros(len(origin), dtype=bool)
    inside = use & np.isin(origin, [states.index(str(state)) for state in absorbing])
    leaving = inside & (origin != target)
    if leaving.any():
        name = states[int(origin[np.flatnonzero(leaving)[0]])]
        raise ContractError(
            f"transitions: {rows_said(leaving)} leave {name!r}, which is absorbing; mend them or take it out of absorbing=", state=name
        )
    return inside


def _refuse_impossible(
    origin: np.ndarray, target: np.ndarray, use: np.ndarray, states: tuple[str, ...], impossible: Sequence[tuple[str, str]]
) -> None:
    for left, reached in impossible:
        seen = use & (origin == states.index(str(left))) & (target == states.index(str(reached)))
        if seen.any():
            raise ContractError(
                f"transitions: {rows_said(seen)} move from {left!r} to {reached!r}, which is said to be impossible; mend them or allow it"
            )


def _own_steps(partner: np.ndarray, origin: np.ndarray, target: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Count each partner's rows as they stand; skip a number where one does not begin where the one before ended, or was not seen."""
    by_partner = np.argsort(partner, kind="stable")
    who, left, reached, seen = partner[by_partner], origin[by_partner], target[by_partner], use[by_partner]
    jump = np.ones(len(who), dtype=np.int64)
    jump[1:] += ~((left[1:] == reached[:-1]) & seen[1:] & seen[:-1])
    running = np.cumsum(jump)
    first = np.ones(len(who), dtype=bool)
    first[1:] = who[1:] != who[:-1]
    base = np.maximum.accumulate(np.where(first, running, 0)) if len(running) else running
    steps = np.empty(len(who), dtype=np.int64)
    steps[by_partner] = running - base
    return steps


def _refuse_repeats(fields: dict[str, np.ndarray], partners: np.ndarray, *, counted: bool) -> None:
    """One partner makes one move in a quarter, and begins it where the last one ended."""
    partner, period = fields["partner"], fields["period"]
    same = partner[1:] == partner[:-1]
    again = same & (period[1:] == period[:-1])
    if again.any() and not counted:
        name = partners[partner[int(np.flatnonzero(again)[0])]]
        raise ContractError(
            f"transitions: {int(again.sum())} pairs repeat a partner's quarter (first: partner {name}); keep one row for each",
            rows=int(again.sum()),
        )
    torn = same & (period[1:] == period[:-1] + 1) & (fields["origin"][1:] != fields["target"][:-1])
    if torn.any() and not counted:
        name = partners[partner[int(np.flatnonzero(torn)[0])]]
        raise ContractError(
            f"transitions: {int(torn.sum())} pairs begin in another state than the partner's pair before ended in (first: partner {name}); "
            "mend them, or leave the quarter between out",
            rows=int(torn.sum()),
        )


def _with_times(covariates: pd.DataFrame, fields: dict[str, np.ndarray]) -> pd.DataFrame:
    """Add the time in the tier, unless the table has one."""
    known, least = time_in_state(fields["partner"], fields["period"], fields["origin"])
    new = {"time_in_tier": known, "time_at_least": least}
    return covariates.assign(**{name: values for name, values in new.items() if name not in covariates.columns})


def time_in_state(partner: np.ndarray, period: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count how long each pair's partner had been in the state it moved from, the period of entry counted as 1.

    Parameters
    ----------
    partner, period, origin : ndarray of int, shape (m,)
        Sorted by partner and period.

    Returns
    -------
    known, least : ndarray of float, shape (m,)
        Periods since an entry that was seen, NaN where it was not; periods that were seen in any case.

    Examples
    --------
    >>> time_in_state(np.array([0, 0, 0, 0]), np.array([1, 2, 3, 4]), np.array([0, 0, 1, 1]))
    (array([nan, nan,  1.,  2.]), array([1., 2., 1., 2.]))
    """
    linked = np.zeros(len(origin), dtype=bool)
    linked[1:] = (partner[1:] == partner[:-1]) & (period[1:] == period[:-1] + 1)
    moved = np.zeros(len(origin), dtype=bool)
    moved[1:] = linked[1:] & (origin[1:] != origin[:-1])
    place = np.arange(len(origin))
    start = np.maximum.accumulate(np.where(~linked | moved, place, 0)) if len(origin) else place
    least = (place - start + 1).astype(float)
    return np.where(moved[start] if len(origin) else moved, least, np.nan), least


def stack_matrices(
    counts: pd.DataFrame | Mapping[str, pd.DataFrame], *, by: str
) -> tuple[pd.DataFrame, tuple[str, ...], list[tuple[str, str]]]:
    """Lay matrices of counts out as one table; gives it, the states in the order of the columns, and the empty cells of one matrix."""
    single = isinstance(counts, pd.DataFrame)
    if not single and not isinstance(counts, Mapping):
        raise ContractError(f"from_matrix takes a DataFrame, or a mapping of segment to DataFrame, not a {type(counts).__name__}")
    parts, states, empty = [], {}, []
    for segment, matrix in ({"all": counts} if single else counts).items():
        rows, columns = (list(_names(pd.Series(axis)).astype(object)) for axis in (matrix.index, matrix.columns))
        for names, what in ((rows, "rows"), (columns, "columns")):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ContractError(f"from_matrix: two {what} are called {twice!r}; add them up or rename one")
        states |= dict.fromkeys(columns) | dict.fromkeys(row for row in rows if row not in columns)
        if matrix.empty:
            raise ContractError(f"from_matrix: the matrix{'' if single else f' of {segment}'} has no cells; give counts, from by to")
        values = matrix.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
        unread = np.isnan(values) & matrix.notna().to_numpy()
        if unread.any():
            raise ContractError(
                f"from_matrix: {int(unread.sum())} cells hold no number; give counts, or nothing where a move cannot be made"
            )
        long = pd.DataFrame({"from_tier": np.repeat(rows, len(columns)), "to_tier": np.tile(columns, len(rows)), "count": values.ravel()})
        blank = long["count"].isna()
        empty += list(long.loc[blank, ["from_tier", "to_tier"]].itertuples(index=False, name=None)) if single else []
        parts.append(long[~blank] if single else long[~blank].assign(**{by: str(segment)}))
    if not parts:
        raise ContractError("from_matrix: no matrix was given")
    return pd.concat(parts, ignore_index=True), tuple(states), empty
