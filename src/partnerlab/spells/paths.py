"""States on spells: rows that say where a partner was, from when to when, and what it moved to.

With states a partner has one clock, so its rows may leave gaps but never overlap, and a row that follows at once
begins in the state that the row before ended in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, nearest

#: Event of a row that ended without a move.
_NO_MOVE = ""
#: Code of a name that is no state.
_STRANGE = -2


def name_states(values: pd.Series, *, column: str) -> pd.Series:
    """Write states as names: whole numbers without a point, missing stays missing.

    Examples
    --------
    >>> name_states(pd.Series([1.0, 2.0]), column="state").tolist()
    ['1', '2']
    """
    if pd.api.types.is_bool_dtype(values):
        raise ContractError(f"{column}: holds True/False; give the name of the state", column=column)
    if pd.api.types.is_numeric_dtype(values):
        known = values.dropna()
        if not (known == known.round()).all():
            raise ContractError(f"{column}: holds fractions; give whole numbers or names of states", column=column)
        values = values.astype("Int64")
    # names are written once for each state, not for each row
    code, seen = pd.factorize(values)
    names = pd.Series(seen).astype("str").array.take(code, allow_fill=True)
    return pd.Series(names, index=values.index)


def order_states(*columns: pd.Series, named: Sequence[str] | None = None) -> tuple[str, ...]:
    """States in the order asked for, of a categorical, of numbers, or else of the alphabet.

    Examples
    --------
    >>> order_states(pd.Series(["10", "2"]))
    ('2', '10')
    """
    if named is not None:
        states = tuple(str(name) for name in named)
        if len(set(states)) < len(states):
            raise ContractError(f"states: {', '.join(states)} name a state twice")
        return states
    first = columns[0]
    if isinstance(first.dtype, pd.CategoricalDtype) and first.cat.ordered:
        ordered = [str(name) for name in first.cat.categories]
        rest = sorted({str(name) for column in columns for name in column.dropna().unique()} - {*ordered, _NO_MOVE})
        return (*ordered, *rest)
    seen = {str(name) for column in columns for name in column.dropna().unique()} - {_NO_MOVE}
    try:
        return tuple(sorted(seen, key=float))
    except ValueError:
        return tuple(sorted(seen))


def read_paths(
    table: pd.DataFrame, *, states: Sequence[str] | None, absorbing: Sequence[str], censored: object | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Bring rows with states in order, and refuse what no partner can have done.

    Parameters
    ----------
    table : DataFrame
        ``partner, entry, duration, event, state`` and attributes; times are checked already.
    states : sequence of str, optional
        All states, in order; any other is refused.
    absorbing : sequence of str
        States that nobody can leave.
    censored : object, optional
        Value of ``event`` that means that no move was seen.

    Returns
    -------
    DataFrame
        Sorted by partner and time; an event equal to the row's own state is no move; ``spell`` counts the stays.
    tuple of str
        The states.
    """
    state = name_states(table["state"], column="spells.state")
    if state.isna().any():
        raise ContractError(f"spells.state: {_say_rows(state.isna())} name no state; drop or fill them", column="state")
    event = _read_moves(table["event"], state, named=states, censored=censored)
    source = table["state"] if isinstance(table["state"].dtype, pd.CategoricalDtype) else state
    known = order_states(source, event, named=states)
    place = {name: code for code, name in enumerate(known)} | {_NO_MOVE: -1}
    codes = {}
    for column, values in (("state", state), ("event", event)):
        at, seen = pd.factorize(values)
        codes[column] = np.array([place.get(str(name), _STRANGE) for name in seen], dtype=np.int64)[at]
        strange = codes[column] == _STRANGE
        if strange.any():
            told = f"hold an unknown state, {values[strange].iloc[0]!r}{nearest(values[strange].iloc[0], known)}"
            raise ContractError(f"spells.{column}: {_say_rows(pd.Series(strange))} {told}", column=column)
    moved = np.where(codes["event"] == codes["state"], -1, codes["event"])
    ready = table.assign(
        state=pd.Categorical.from_codes(codes["state"], categories=list(known)),
        event=pd.Categorical.from_codes(moved + 1, categories=[_NO_MOVE, *known]),
    )
    ready = ready.sort_values(["partner", "entry", "duration"], kind="stable", ignore_index=True)
    follows = _check_sequence(ready, absorbing=_known_absorbing(absorbing, known))
    return ready.assign(spell=_number_stays(ready, follows)), known


def _read_moves(event: pd.Series, state: pd.Series, *, named: Sequence[str] | None, censored: object | None) -> pd.Series:
    """Names of the states moved to, "" where no move was seen; 0 means none unless it is the name of a state."""
    if pd.api.types.is_bool_dtype(event):
        raise ContractError(
            "spells.event: holds True/False; with states it holds the state moved to, blank where none was seen", column="event"
        )
    moves = name_states(event, column="spells.event").fillna(_NO_MOVE)
    if pd.api.types.is_numeric_dtype(event) and "0" not in {*map(str, named or ()), *state.unique()}:
        moves = moves.where(moves != "0", _NO_MOVE)
    return moves if censored is None else moves.where(moves != str(censored), _NO_MOVE)


def _known_absorbing(absorbing: Sequence[str], known: tuple[str, ...]) -> set[str]:
    for name in absorbing:
        if str(name) not in known:
            raise ContractError(f"absorbing: no state {name!r}{nearest(str(name), known)}")
    return set(map(str, absorbing))


def _check_sequence(table: pd.DataFrame, *, absorbing: set[str]) -> np.ndarray:
    """Refuse overlaps, jumps without a move, and moves out of absorbing states; give which rows follow at once."""
    partner = pd.factorize(table["partner"])[0]
    entry, duration = table["entry"].to_numpy(dtype=float), table["duration"].to_numpy(dtype=float)
    state, event = table["state"].cat.codes.to_numpy(), table["event"].cat.codes.to_numpy() - 1
    same = np.zeros(len(table), dtype=bool)
    same[1:] = partner[1:] == partner[:-1]
    overlaps, follows = same.copy(), same.copy()
    overlaps[1:] &= entry[1:] < duration[:-1]
    follows[1:] &= entry[1:] == duration[:-1]
    jumps = follows.copy()
    ended = np.where(event < 0, state, event)
    jumps[1:] &= state[1:] != ended[:-1]
    ends = [code for code, name in enumerate(table["state"].cat.categories) if name in absorbing]
    held = np.isin(state, ends)
    leaves = held & (event >= 0)
    entered = np.zeros(len(table), dtype=bool)
    entered[1:] = np.isin(ended[:-1], ends)
    leaves |= same & entered & ~held
    for bad, what, remedy in (
        (overlaps, "overlap the row before", "with states a partner has one clock; cut them at the overlap"),
        (jumps, "begin in another state than the row before ended in", "name the move in the event of the row before, or leave a gap"),
        (leaves, f"leave an absorbing state ({', '.join(sorted(absorbing))})", "mend them, or do not call the state absorbing"),
    ):
        if bad.any():
            first = table["partner"].iloc[int(np.flatnonzero(bad)[0])]
            raise ContractError(f"spells: {int(bad.sum())} row(s) {what} (first: partner {first}); {remedy}", rows=int(bad.sum()))
    return follows


def _number_stays(table: pd.DataFrame, follows: np.ndarray) -> np.ndarray:
    """1, 2, ... within the partner; rows that continue one stay share a number."""
    partner = pd.factorize(table["partner"])[0]
    continues = follows.copy()
    continues[1:] &= table["event"].cat.codes.to_numpy()[:-1] == 0
    total = np.cumsum(~continues)
    fresh = np.ones(len(table), dtype=bool)
    fresh[1:] = partner[1:] != partner[:-1]
    return total - np.maximum.accumulate(np.where(fresh, total, 0)) + 1 if len(table) else total


def _say_rows(bad: pd.Series) -> str:
    at = np.flatnonzero(bad.to_numpy())
    return f"{len(at)} row{'s' if len(at) != 1 else ''} (first: {', '.join(map(str, at[:3]))})"
