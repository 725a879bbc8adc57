"""Units of partners: the same partner in each region (or portfolio) where it does business, with numbers of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.panel.indicators import Indicator
from partnerlab.panel.parts import Membership
from partnerlab.results import read_only

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel

#: What stands between partner and unit in the name of a row, and the unit of a partner that no row places anywhere.
BETWEEN, NOWHERE = "|", "(none)"

#: Statistics whose numbers of a partner are the sums of those of its units.
_ADDS_UP = ("count", "sum", "mean", "share", "active")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Units:
    """Where the partners of a panel do business: one row for each partner and unit.

    Parameters
    ----------
    name : str
        What a unit is, such as ``region``.
    panel : Panel
        Its rows are named ``partner|unit``; attributes ``partner`` and that of the unit's name say which.
    of : ndarray of int, shape (m,)
        Row of each unit's partner in the panel of partners.
    """

    name: str
    panel: Panel = dataclasses.field(repr=False)
    of: np.ndarray = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", read_only(self.of))

    @property
    def words(self) -> np.ndarray:
        """Name of each unit, shape ``(m,)``."""
        return self.panel.attributes[self.name].to_numpy(dtype=str)

    def count(self, marks: np.ndarray, *, partners: int) -> np.ndarray:
        """Count the marked units of each partner: int32, shape ``(partners, t)``, of bool marks of shape ``(m, t)``."""
        found = [np.bincount(self.of[marks[:, column]], minlength=partners) for column in range(marks.shape[1])]
        return np.stack(found, axis=1).astype(np.int32)

    def select(self, mask: np.ndarray) -> Self:
        """Give those of the partners for whom ``mask`` is true, shape ``(n,)``."""
        kept = mask[self.of]
        return dataclasses.replace(self, panel=self.panel.select(kept), of=(np.cumsum(mask) - 1)[self.of[kept]])

    def until(self, label: str) -> Self:
        """Give the units up to and including a period."""
        return dataclasses.replace(self, panel=self.panel.until(label))


def name_units(partners: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Name rows of partners and units.

    Examples
    --------
    >>> name_units(np.array(["acme", "acme"]), np.array(["EMEA", "APAC"])).tolist()
    ['acme|EMEA', 'acme|APAC']
    """
    return np.array([f"{partner}{BETWEEN}{word}" for partner, word in zip(partners, words, strict=True)], dtype=str)


def place_units(partners: np.ndarray, pairs: Sequence[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the units of partners; a partner without any is placed in ``(none)``.

    Parameters
    ----------
    partners : ndarray of str, shape (n,)
        Sorted.
    pairs : sequence of (partner, unit)
        Each once; partners that are not among those are passed over.

    Returns
    -------
    ids : ndarray of str, shape (m,)
        Names of the rows, sorted.
    words : ndarray of str, shape (m,)
        The units.
    of : ndarray of int, shape (m,)
        Places of the partners.

    Raises
    ------
    ParameterError
        If two rows would have the same name.
    """
    owners, words = (np.array(side, dtype=str) for side in (zip(*pairs, strict=True) if pairs else ((), ())))
    at = np.minimum(np.searchsorted(partners, owners), len(partners) - 1)
    known = partners[at] == owners
    at, words = at[known], words[known]
    bare = np.setdiff1d(np.arange(len(partners)), at)
    at, words = np.concatenate([at, bare]).astype(np.int64), np.concatenate([words, np.full(len(bare), NOWHERE)])
    ids = name_units(partners[at], words)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        twice = str(ids[1:][ids[1:] == ids[:-1]][0])
        raise ParameterError(f"two units are called {twice!r}: ids of partners and names of units must not contain {BETWEEN!r}")
    return ids, words[order], at[order]


def panels_of_frame(
    frame: pd.DataFrame, *, keys: tuple[str, str], unit: str, **asked: Any
) -> tuple[dict[str, Any], dict[str, Any], np.ndarray]:
    """Read a long frame of partners, units and periods (see `Panel.from_frame`).

    Gives the fields of the partners' panel, those of their units' panel, and the partner of each unit.

    Counts and sums of a partner are those of its units added up, means and shares are taken over their rows;
    what cannot be added (distinct values, medians, last values) is unknown for the partner as a whole.
    """
    from partnerlab.panel.frames import panel_of_frame

    for key in (keys[0], unit):
        if key not in frame.columns:
            raise ParameterError(f"the frame has no column {key!r}{nearest(key, frame.columns)}", column=key)
        empty = int(frame[key].isna().sum())
        if empty:
            raise ParameterError(f"frame.{key}: {empty} of {len(frame)} rows are empty; fill or drop them", column=key, rows=empty)
    if frame.empty:
        raise ParameterError("the frame has no rows; give at least one partner and period")
    owners, words = (pd.factorize(frame[key].astype(str)) for key in (keys[0], unit))
    pairs, rows = np.unique(owners[0].astype(np.int64) * len(words[1]) + words[0], return_inverse=True)
    owner, word = (
        np.array(names, dtype=str)[codes] for names, codes in zip((owners[1], words[1]), divmod(pairs, len(words[1])), strict=True)
    )
    partners = np.unique(owner)
    _, named, of = place_units(partners, list(zip(owner, word, strict=True)))
    single = frame.assign(**{keys[0]: name_units(owner, word)[rows]}).drop(columns=unit)
    given = asked.pop("attributes", None)
    fields = panel_of_frame(single, keys=keys, attributes=None, **asked)
    about = fields["attributes"].drop(columns=["partner", unit], errors="ignore")
    whole = _whole(fields, about, of, len(partners))
    whole |= {"partners": partners, "attributes": _given(whole["attributes"], given, partners, keys[0])}
    fields |= {"state": whole["state"][of], "exposure": whole["exposure"][of]}
    fields["attributes"] = whole["attributes"].iloc[of].reset_index(drop=True).assign(partner=partners[of], **{unit: named})
    for name in about.columns.difference(whole["attributes"].columns):
        fields["attributes"][name] = about[name]
    return whole, fields, of


def _given(about: pd.DataFrame, given: pd.DataFrame | None, partners: np.ndarray, key: str) -> pd.DataFrame:
    """Attributes of partners: what the caller gave, then what the frame says."""
    if given is None:
        return about
    told = given.set_index(key) if key in given.columns else given
    told = told.set_axis(told.index.astype(str)).reindex(partners).reset_index(drop=True)
    return told.assign(**{name: about[name] for name in about.columns if name not in told.columns})


def _whole(fields: dict[str, Any], about: pd.DataFrame, of: np.ndarray, n: int) -> dict[str, Any]:
    """Fields of the partners' panel, from those of their units."""
    t = fields["state"].shape[1]

    def added(array: np.ndarray) -> np.ndarray:
        total = np.zeros((n, t), dtype=array.dtype)
        np.add.at(total, of, array)
        return total

    state, exposure = np.zeros((n, t), dtype=np.int8), np.zeros((n, t), dtype=np.float32)
    for code in (Membership.UNKNOWN, Membership.LAPSED, Membership.ACTIVE):  # in one unit a member, everywhere a member
        state[added((fields["state"] == code).astype(np.int32)) > 0] = code
    np.maximum.at(exposure, of, fields["exposure"])
    found: dict[str, Any] = {"totals": {}, "counts": {}, "covered": {}}
    for name, indicator in fields["indicators"].indicators.items():
        adds_up = indicator.statistic in _ADDS_UP
        totals, counts = fields["totals"][name], fields["counts"][name]
        found["totals"][name] = added(totals) if adds_up else _nothing(indicator, (n, t))
        found["counts"][name] = added(counts) if adds_up else np.zeros((n, t), dtype=np.int32)
        told = fields["covered"].get(name)
        if not adds_up:
            found["covered"][name] = np.zeros((n, t), dtype=bool)
        elif told is not None:
            found["covered"][name] = added(told.astype(np.int32)) > 0
    stays = [name for name in about.columns if (about[name].groupby(of).nunique(dropna=False) == 1).all()]
    first = np.unique(of, return_index=True)[1]
    same = {key: fields[key] for key in ("first", "calendar", "indicators", "partial")}
    return found | same | {"state": state, "exposure": exposure, "attributes": about.iloc[first][stays].reset_index(drop=True)}


def _nothing(indicator: Indicator, shape: tuple[int, int]) -> np.ndarray:
    return np.full(shape, np.nan) if indicator.statistic in ("last", "median") else np.zeros(shape, dtype=np.int32)
