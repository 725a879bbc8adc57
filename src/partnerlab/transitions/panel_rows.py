"""What a generator is estimated from: intervals between looks, from observations, a history or pairs, compressed to counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.periods import Calendar
from partnerlab.results import Check
from partnerlab.spells.observations import Observations
from partnerlab.stats.states.panel_likelihood import PanelCounts
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.states import read_states

#: What a generator is estimated from when states are seen only now and then.
Looks = Observations | TierHistory | Transitions


@dataclasses.dataclass(frozen=True, kw_only=True)
class PanelRows:
    """Intervals between neighbouring looks at a partner.

    Parameters
    ----------
    states : tuple of str
    origin : ndarray of int, shape (m,)
        State at the beginning.
    ending : ndarray of int, shape (m,)
        Index into ``endings``.
    time : ndarray, shape (m,)
        Length.
    start : ndarray, shape (m,)
        When it began: on the observations' clock, or the end of a quarter as the beginning of the next; NaN where it is not known.
    weight : ndarray, shape (m,)
    partner : ndarray of int, shape (m,)
        Code of the partner, -1 where it is not known.
    covariates : DataFrame, m rows
        As they were at the beginning.
    endings, exact : ndarray
        As in `PanelCounts`.
    names : tuple of str
        Name of each ending.
    unit : str
    calendar : Calendar, optional
        Names the quarters of ``start``.
    checks : tuple of Check
    """

    states: tuple[str, ...]
    origin: np.ndarray
    ending: np.ndarray
    time: np.ndarray
    start: np.ndarray
    weight: np.ndarray
    partner: np.ndarray
    covariates: pd.DataFrame
    endings: np.ndarray
    exact: np.ndarray
    names: tuple[str, ...]
    unit: str
    calendar: Calendar | None = None
    checks: tuple[Check, ...] = ()

    def rows(self, mask: np.ndarray) -> PanelRows:
        """Keep the intervals where ``mask`` is True."""
        kept = {name: getattr(self, name)[mask] for name in ("origin", "ending", "time", "start", "weight", "partner")}
        return dataclasses.replace(self, **kept, covariates=self.covariates.loc[mask].reset_index(drop=True))

    @property
    def moved(self) -> np.ndarray:
        """Weighted counts of (state before, state seen after), shape ``(s, s)``; uncertain endings aside."""
        s = len(self.states)
        sure = self.ending < s
        flat = np.bincount(self.origin[sure] * s + self.ending[sure], weights=self.weight[sure], minlength=s * s)
        return flat.reshape(s, s)


def read_looks(looks: Looks, names: Sequence[str]) -> PanelRows:
    """Read intervals and the covariates asked for.

    Raises
    ------
    ParameterError
        If a covariate does not exist, or there is nothing of the kind.
    SampleError
        If no partner was seen twice.
    """
    if isinstance(looks, Transitions):
        rows = _from_pairs(looks, names)
    elif isinstance(looks, TierHistory):
        rows = dataclasses.replace(_from_observations(_look_at(looks), names), calendar=looks.calendar)
    elif isinstance(looks, Observations):
        rows = _from_observations(looks, names)
    else:
        raise ParameterError(f"give Observations, Spells with states, a TierHistory or Transitions, not a {type(looks).__name__}")
    if not len(rows.origin):
        raise SampleError("not enough data (n = 0): no partner was seen twice")
    return rows


def _look_at(history: TierHistory) -> Observations:
    """Turn a history into looks at the end of each period; what is unknown was not looked at."""
    flow = read_states(history, stage="published", include_partial=False)
    whole = ~np.asarray(history.partial, dtype=bool)
    row, column = np.nonzero((flow.codes >= 0) & whole)
    named = pd.Categorical.from_codes(flow.codes[row, column], categories=list(flow.names), ordered=True)
    looks_end = history.first + 1 + np.arange(history.shape[1])
    frame = pd.DataFrame({"partner": np.asarray(history.partners)[row], "time": looks_end[column], "state": named.astype(str)})
    carried = history.attributes.drop(columns=[name for name in ("partner", "time", "state") if name in history.attributes])
    frame = pd.concat([frame, carried.take(row).reset_index(drop=True)], axis=1)
    seen = set(frame["state"])
    return Observations(frame=frame, states=tuple(name for name in flow.names if name in seen), unit=history.calendar.cadence)


def _from_observations(looks: Observations, names: Sequence[str]) -> PanelRows:
    for name in names:
        if name not in looks.attributes:
            raise ParameterError(f"covariates: observations have no column {name!r}{nearest(name, looks.attributes)}", covariate=name)
    frame, s = looks.frame, len(looks.states)
    partner = pd.factorize(frame["partner"])[0].astype(np.int64)
    at = np.flatnonzero(partner[1:] == partner[:-1])
    labels = (*looks.states, *looks.uncertain)
    code = pd.Index(labels).get_indexer(frame["state"].astype("str"))
    endings = np.eye(len(labels), s)
    for place, among in enumerate(looks.uncertain.values()):
        endings[s + place] = np.isin(looks.states, among)
    exact = np.array([place if name in looks.exact else -1 for place, name in enumerate(labels)])
    time = frame["time"].to_numpy(dtype=float)
    once = len(np.unique(partner)) - len(np.unique(partner[at]))
    told = Check("Looks at each partner", once == 0, f"{once} partners were seen only once and say nothing about moves.")
    return PanelRows(
        states=looks.states, origin=code[at].astype(np.int64), ending=code[at + 1].astype(np.int64), time=time[at + 1] - time[at],
        start=time[at],
        weight=np.ones(len(at)), partner=partner[at], covariates=frame[list(names)].iloc[at].reset_index(drop=True),
        endings=endings, exact=exact, names=labels, unit=looks.unit, checks=(*looks.checks, told),
    )  # fmt: skip


def _from_pairs(pairs: Transitions, names: Sequence[str]) -> PanelRows:
    s = len(pairs.states)
    columns = pd.DataFrame({name: pairs.column(name) for name in names}, index=range(len(pairs)))
    return PanelRows(
        states=pairs.states, origin=pairs.origin.astype(np.int64), ending=pairs.target.astype(np.int64),
        time=np.full(len(pairs), float(pairs.step)),
        start=np.full(len(pairs), np.nan) if pairs.clock == "none" else pairs.period - pairs.step + 1.0,
        weight=pairs.weight.astype(float), partner=pairs.partner.astype(np.int64),
        covariates=columns, endings=np.eye(s), exact=np.full(s, -1), names=pairs.states,
        unit=pairs.calendar.cadence if pairs.calendar is not None else "quarter", calendar=pairs.calendar,
        checks=pairs.checks,
    )  # fmt: skip


def unique_patterns(coded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give a number to each different row: the code of each row ``(m,)`` and the rows themselves ``(g, c)``.

    Examples
    --------
    >>> code, rows = unique_patterns(np.array([[1.0], [0.0], [1.0]]))
    >>> code.tolist(), rows.tolist()
    ([1, 0, 1], [[0.0], [1.0]])
    """
    code = np.zeros(len(coded), dtype=np.int64)
    for column in coded.T:
        code = code * (len(column) + 1) + np.unique(column, return_inverse=True)[1].reshape(-1)
        code = np.unique(code, return_inverse=True)[1].reshape(-1)
    first = np.unique(code, return_index=True)[1]
    return code, coded[first]


def compress(rows: PanelRows, pattern: np.ndarray, length: np.ndarray) -> tuple[PanelCounts, np.ndarray]:
    """Count equal intervals, and say in which place of ``time`` each row counts, shape ``(m,)``.

    Parameters
    ----------
    rows : PanelRows
    pattern : ndarray of int, shape (m, k)
        Covariate pattern of each leg of each row.
    length : ndarray, shape (m, k)
        Lengths of the legs.
    """
    place, found = unique_patterns(np.column_stack([pattern, length]))
    s, e, k = len(rows.states), len(rows.names), length.shape[1]
    cell = (place * s + rows.origin) * e + rows.ending
    counts = np.bincount(cell, weights=rows.weight, minlength=len(found) * s * e).reshape(len(found), s, e)
    panel = PanelCounts(time=found[:, k:], which=found[:, :k].astype(np.int64), counts=counts, endings=rows.endings, exact=rows.exact)
    return panel, place
