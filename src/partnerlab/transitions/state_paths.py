"""What every multi-state estimate reads: rows with states as arrays, from spells, from a history, or from pairs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check
from partnerlab.spells import Spells, build_spells
from partnerlab.stats.inference.intervals import critical_value, zero_cell_limit
from partnerlab.stats.states.multistate import STAYS, Paths
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.pairs import Transitions

#: What the verbs of this kind take.
MultiState = Spells | TierHistory | Transitions

#: Below this many partners no interval is given, and below the second a check says that it leans on few.
FEWEST_PARTNERS = 2
COMFORTABLE_PARTNERS = 20

INTERVALS = ("logit", "plain", "log")
VARIANCES = ("jackknife", "greenwood", "aalen")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StatePaths:
    """Rows with states as arrays.

    Parameters
    ----------
    paths : Paths
        Shape ``(m,)``; ``unit`` is the code of the partner.
    states : tuple of str
        Names of the states.
    group : ndarray of int, shape (m,)
        Index into ``labels``.
    labels : list of str
        Groups; one without a name where nothing was asked for.
    by : str or None
        Attribute that forms the groups.
    weights : ndarray or None, shape (m,)
        How often a row was seen, where that is not once.
    knows_partners : bool
        Whether rows of one partner are known to belong together.
    unit : str
        Name of one period.
    checks : tuple of Check
        What was looked at.
    """

    paths: Paths
    states: tuple[str, ...]
    group: np.ndarray
    labels: list[str]
    by: str | None
    weights: np.ndarray | None
    knows_partners: bool
    unit: str
    checks: tuple[Check, ...]

    def rows(self, mask: np.ndarray) -> StatePaths:
        """Keep the rows where ``mask`` is True; partners are numbered afresh."""
        kept = self.paths.rows(mask)
        fresh = kept._replace(unit=np.unique(kept.unit, return_inverse=True)[1].reshape(-1))
        return dataclasses.replace(self, paths=fresh, group=self.group[mask], weights=None if self.weights is None else self.weights[mask])

    def of_group(self, index: int) -> StatePaths:
        """Keep one group."""
        return self.rows(self.group == index)

    @property
    def partners(self) -> int:
        """Partners with any row, or pairs where partners are not known."""
        if not self.knows_partners and self.weights is not None:
            return int(self.weights.sum())
        return int(self.paths.unit.max(initial=-1)) + 1

    def in_sight(self, times: np.ndarray) -> np.ndarray:
        """Rows under observation just before each time, ``entry < t <= exit``; at the start of a row, those just after."""
        entry, exit_ = np.sort(self.paths.entry), np.sort(self.paths.exit)
        if self.weights is None:
            return np.searchsorted(entry, times, side="left") - np.searchsorted(exit_, times, side="left")
        came = np.concatenate([[0], np.cumsum(self.weights[np.argsort(self.paths.entry, kind="stable")])])
        left = np.concatenate([[0], np.cumsum(self.weights[np.argsort(self.paths.exit, kind="stable")])])
        return came[np.searchsorted(entry, times, side="left")] - left[np.searchsorted(exit_, times, side="left")]

    def known(self, times: np.ndarray) -> np.ndarray:
        """Partners whose state is known just before each time: in sight, or gone into a state that nobody was seen to leave."""
        left = np.bincount(self.paths.origin, minlength=len(self.states)) > 0
        ended = (self.paths.target != STAYS) & ~left[np.maximum(self.paths.target, 0)]
        own = np.ones(len(ended)) if self.weights is None else self.weights
        order = np.argsort(self.paths.exit[ended], kind="stable")
        gone = np.concatenate([[0.0], np.cumsum(own[ended][order])])
        return self.in_sight(times) + gone[np.searchsorted(self.paths.exit[ended][order], times, side="left")]

    def code(self, name: str, *, argument: str) -> int:
        """Code of a state asked for.

        Raises
        ------
        ParameterError
            If there is no such state.
        """
        if str(name) not in self.states:
            raise ParameterError(f"{argument}: no state {name!r}{nearest(str(name), self.states)}", **{argument: name})
        return self.states.index(str(name))

    def lead(self, index: int) -> dict[str, object]:
        """Key column of a group, if any were asked for."""
        return {} if self.by is None else {self.by: self.labels[index]}


def draw_paths(stops: MultiState, *, by: str | None = None) -> StatePaths:
    """Read spells with states, a history or pairs with quarters as arrays.

    Raises
    ------
    ParameterError
        If spells hold no states, pairs no quarters, or there is no such attribute.
    SampleError
        If there are no rows.
    """
    if isinstance(stops, Transitions):
        drawn = _from_pairs(stops, by)
    else:
        spells = build_spells(stops, of="states") if isinstance(stops, TierHistory) else stops
        if not isinstance(spells, Spells):
            raise ParameterError(f"give Spells with states, a TierHistory or Transitions, not a {type(stops).__name__}")
        if not len(spells):
            raise SampleError("not enough data (n = 0): there is no row under observation")
        if not spells.states:
            told = "Spells.from_frame(..., state=...) or build_spells(history, of='states')"
            raise ParameterError(f"these spells do not say in which state the partner was; make them with {told}")
        drawn = _from_spells(spells, by)
    if not len(drawn.paths.entry):
        raise SampleError("not enough data (n = 0): there is no row under observation")
    return dataclasses.replace(drawn, checks=(*drawn.checks, _check_size(drawn)))


def _from_spells(spells: Spells, by: str | None) -> StatePaths:
    frame = spells.frame
    if by is not None and by not in spells.attributes:
        raise ParameterError(f"no attribute {by!r} in the spells{nearest(by, spells.attributes)}", by=by)
    place = pd.Index(spells.states)
    paths = Paths(
        entry=frame["entry"].to_numpy(dtype=float),
        exit=frame["duration"].to_numpy(dtype=float),
        origin=_codes(frame["state"], place),
        target=_codes(frame["event"], place),
        unit=pd.factorize(frame["partner"])[0].astype(np.int64),
    )
    group, labels = _grouped(None if by is None else frame[by], len(frame))
    return StatePaths(
        paths=paths, states=spells.states, group=group, labels=labels, by=by, weights=None, knows_partners=True, unit=spells.unit,
        checks=spells.checks,
    )  # fmt: skip


def _codes(names: pd.Series, place: pd.Index) -> np.ndarray:
    """Code of the state in each row, -1 where there is none."""
    at, seen = pd.factorize(names)
    return np.append(place.get_indexer(pd.Index(seen).astype("str")), -1)[at].astype(np.int64)


def _from_pairs(pairs: Transitions, by: str | None) -> StatePaths:
    if pairs.clock == "none":
        raise ParameterError("these pairs have no quarter, so nothing can be followed over time; name one in Transitions.from_frame")
    if pairs.step != 1:
        raise ParameterError(f"pairs of {pairs.step} periods overlap; build them with step=1")
    first = int(pairs.period.min(initial=np.iinfo(np.int64).max))
    end = (pairs.period - first + 1).astype(float)
    moved = pairs.origin != pairs.target
    single = bool((pairs.weight == 1).all()) and pairs.knows_partners
    unit = pairs.partner if single else np.arange(len(pairs))
    paths = Paths(
        entry=end - 1, exit=end, origin=pairs.origin.astype(np.int64), target=np.where(moved, pairs.target, STAYS).astype(np.int64),
        unit=np.unique(unit, return_inverse=True)[1].reshape(-1),
    )  # fmt: skip
    group, labels = _grouped(None if by is None else pairs.column(by), len(pairs))
    told = (
        () if single else (Check("Partners known", None, "It is not known which pairs belong to one partner: they count as independent."),)
    )
    return StatePaths(
        paths=paths, states=pairs.states, group=group, labels=labels, by=by, weights=None if single else pairs.weight.astype(float),
        knows_partners=single, unit=pairs.calendar.cadence if pairs.calendar is not None else "quarter", checks=(*pairs.checks, *told),
    )  # fmt: skip


def _grouped(values: pd.Series | None, rows: int) -> tuple[np.ndarray, list[str]]:
    if values is None:
        return np.zeros(rows, dtype=np.int64), [""]
    code, names = pd.factorize(values, sort=True)
    labels = [str(name) for name in names]
    if (code < 0).any():
        code, labels = np.where(code < 0, len(labels), code), [*labels, "(not given)"]
    return code.astype(np.int64), labels


def _check_size(drawn: StatePaths) -> Check:
    moves = int((drawn.paths.target != STAYS).sum())
    who = f"{drawn.partners} partners, {len(drawn.paths.entry)} rows, {moves} moves"
    if drawn.partners < FEWEST_PARTNERS:
        return Check("Enough partners", False, f"not enough data (n = {drawn.partners}): {who}.")
    if moves == 0:
        return Check("Enough partners", None, f"{who}: nobody was seen to move.")
    few = drawn.partners < COMFORTABLE_PARTNERS
    return Check("Enough partners", not few, f"{who}{': the intervals lean on few partners' if few else ''}; time in {drawn.unit}s.")


def share_bounds(
    share: np.ndarray, error: np.ndarray, *, level: float, interval: str, trials: np.ndarray | float = np.nan
) -> tuple[np.ndarray, np.ndarray]:
    """Interval for probabilities on a scale; where all or nothing was seen, the exact limit on ``trials``.

    Parameters
    ----------
    share, error : ndarray
    level : float
    interval : {"logit", "plain", "log"}
        Scale on which the estimate is taken as normal.
    trials : ndarray
        Partners behind a share of 0 or 1; NaN gives no interval there.

    Examples
    --------
    >>> low, high = share_bounds(np.array([0.5]), np.array([0.1]), level=0.95, interval="plain")
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.304], [0.696])
    """
    if interval not in INTERVALS:
        raise ParameterError(f"interval is {interval!r}{nearest(str(interval), INTERVALS)}")
    z = float(critical_value(level))
    inside = (share > 0.0) & (share < 1.0) & (error > 0.0)
    safe = np.where(inside, share, 0.5)
    if interval == "plain":
        low, high = safe - z * error, safe + z * error
    elif interval == "log":
        low, high = safe * np.exp(-z * error / safe), safe * np.exp(z * error / safe)
    else:
        odds, spread = safe / (1.0 - safe), np.exp(np.minimum(z * error / (safe * (1.0 - safe)), 700.0))
        low, high = odds / spread / (1.0 + odds / spread), 1.0 - 1.0 / (1.0 + odds * spread)
    low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    limit = zero_cell_limit(trials, level=level)
    known = np.isfinite(error) & np.isfinite(share)
    low = np.where(inside, low, np.where(known & (share >= 1.0), 1.0 - limit, np.where(known & (share <= 0.0), 0.0 * limit, np.nan)))
    high = np.where(inside, high, np.where(known & (share >= 1.0), 1.0 + 0.0 * limit, np.where(known & (share <= 0.0), limit, np.nan)))
    return low, high
