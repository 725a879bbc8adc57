"""Endings as tables write them: True/False, 0/1, causes and blanks, in whatever dtype they come."""

from __future__ import annotations

import numbers

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError
from partnerlab.results import Check

#: Event of a spell that was not seen ending.
CENSORED = ""
#: Name of the ending where a table only says that there was one.
ENDED = "ended"
#: Words that rarely name a way of ending.
_DOUBTFUL = frozenset({"censored", "censor", "cens", "none", "nan", "na", "n/a", "<na>", "no", "alive", "open", "active"})


def read_events(event: pd.Series, *, censored: object | None = None) -> tuple[pd.Series, tuple[Check, ...]]:
    """Bring endings to cause names, "" where none was seen, and say what was taken for no ending.

    Parameters
    ----------
    event : Series
        True/False, numbers, names of causes, or a categorical of these. False, 0 (also as text: "0", "0.0", "false"),
        blanks and missing values are no ending.
    censored : object, optional
        One more value that is no ending.

    Returns
    -------
    Series
        Names; a categorical where the table holds numbers, so that a million names are not written.
    tuple of Check
        Missing events, and names that look like no ending.

    Raises
    ------
    ContractError
        Where an event is a fraction.

    Examples
    --------
    >>> read_events(pd.Series([True, None, False], dtype=object))[0].tolist()
    ['ended', '', '']
    >>> read_events(pd.Series(["0", "2", "1"]))[0].tolist(), read_events(pd.Series(["lapsed", "cens"]), censored="cens")[0].tolist()
    (['', '2', '1'], ['lapsed', ''])
    """
    codes, seen = pd.factorize(event)
    names = [_name_event(value, censored) for value in list(seen)]
    broken = np.array([name is None for name in names], dtype=bool)
    if broken.any():
        rows = np.flatnonzero(np.isin(codes, np.flatnonzero(broken)))
        first = ", ".join(map(str, rows[:3]))
        said = f"spells.event: {len(rows)} row{'s' if len(rows) != 1 else ''} (first: {first}) hold fractions"
        raise ContractError(f"{said}; give 0/1 or the name of a cause", column="event", rows=len(rows))
    causes = set(names) - {CENSORED}
    if causes == {"1"} or (causes and {name.casefold() for name in causes} == {"true"}):
        names = [name and ENDED for name in names]
    known = list(dict.fromkeys([*names, CENSORED]))
    place = {name: at for at, name in enumerate(known)}
    at = np.array([*(place[name] for name in names), place[CENSORED]], dtype=np.int64)[codes]
    plain = pd.api.types.is_numeric_dtype(event) or pd.api.types.is_bool_dtype(event)
    found = pd.Series(pd.Categorical.from_codes(at, known), index=event.index)
    return found if plain else found.astype("str"), _say_doubts(codes, names)


def _name_event(value: object, censored: object | None) -> str | None:
    """Name of an ending, "" for none; nothing for a fraction."""
    if censored is not None and (value == censored or str(value).strip() == str(censored)):
        return CENSORED
    if isinstance(value, (bool, np.bool_)):
        return ENDED if value else CENSORED
    if isinstance(value, numbers.Real):
        return None if value != round(value) else CENSORED if value == 0 else str(int(value))
    text = str(value)
    bare = text.strip()
    if bare.casefold() in ("", "false", "f") or (bare.strip("0.") == "" and bare.count(".") <= 1 and "0" in bare):
        return CENSORED
    return text


def _say_doubts(codes: np.ndarray, names: list[str]) -> tuple[Check, ...]:
    """Say how many events are missing, and which names look like no ending at all."""
    found = []
    missing = int((codes < 0).sum())
    if missing:
        also = " beside rows that say outright that none was seen" if CENSORED in names else ""
        said = f"{missing:,} of {len(codes):,} rows have no event{also}; they count as not seen ending."
        found.append(Check("Endings known", False if also else None, said))
    doubtful = [name for name in dict.fromkeys(names) if name.strip().casefold() in _DOUBTFUL]
    if doubtful:
        said = f"{', '.join(map(repr, doubtful))} counts as a way of ending; if it means that none was seen, give censored={doubtful[0]!r}."
        found.append(Check("Endings are endings", False, said))
    return tuple(found)
