"""When partners leave: hazards by calendar period, by season, by tenure, by any attribute."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, ParameterError
from partnerlab.results import Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.curves.clustered_curves import repeat_clusters, sum_by_cluster
from partnerlab.stats.curves.risksets import CENSORED
from partnerlab.stats.inference.intervals import check_level, critical_value, share_interval
from partnerlab.survival.sample import Event, Sample, check_clusters, check_competing, check_size, draw_sample, key_columns, known_starts

#: Time axes along which a hazard can be read, beside the attributes.
AXES = ("quarter", "month", "season", "tenure")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HazardEstimate(Result):
    """Share of those at risk in a period who left in it.

    ``table`` has the keys, the estimate with its interval, ``n`` (spell-periods at risk), then ``events,
    partners, deff``.

    Parameters
    ----------
    axis : str or None
        Time axis among the keys: ``quarter``, ``month``, ``season``, ``tenure``, or None.
    unit : str
        Name of one period.
    """

    axis: str | None = None
    unit: str = "quarter"

    title: ClassVar[str] = "Hazard"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Cells:
    """Exposure and endings by group and place on the axis, shape ``(g, m)``, and how each is clustered."""

    at_risk: np.ndarray
    events: np.ndarray
    partners: np.ndarray
    squares: np.ndarray
    places: list


def estimate_hazard(spells: Spells, *, by: str | Sequence[str] = "quarter", event: Event = None, level: float = 0.95) -> HazardEstimate:
    """Estimate the share of those at risk in a period who left in it.

    Each period that a spell is at risk is one trial. Where a partner gives several trials to a cell (a
    season, an attribute, a tenure reached twice) the variance is clustered by partner and the interval
    (`partnerlab.stats.inference.intervals.share_interval`) takes the effective number of trials and a t quantile.

    Parameters
    ----------
    spells : Spells
        Durations in whole periods.
    by : str or sequence of str
        ``"quarter"`` (or ``"month"``: calendar periods, all spells), ``"season"`` (quarters of the year pooled
        over years: renewal seasons), ``"tenure"`` (periods since the start, known starts only), attributes, or
        one of the former with attributes.
    event : str or sequence of str, optional
        Endings that count.
    level : float
        Coverage of the intervals.

    Returns
    -------
    HazardEstimate

    Raises
    ------
    ParameterError
        If ``by`` or ``event`` does not exist.
    ContractError
        If durations are not whole periods, or the spells have no place in the calendar.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"partner": list("abc"), "duration": [1, 2, 2], "event": ["lapsed", "lapsed", ""]})
    >>> hazard = estimate_hazard(Spells.from_frame(frame), by="tenure")
    >>> hazard.table[["tenure", "estimate", "n", "events"]].round(3).to_numpy().tolist()
    [[1.0, 0.333, 3.0, 1.0], [2.0, 0.5, 2.0, 1.0]]
    """
    check_level(level)
    names = (by,) if isinstance(by, str) else tuple(by)
    axes = [name for name in names if name in AXES and name not in spells.attributes]
    if len(axes) > 1:
        raise ParameterError(f"hazard by {' and '.join(axes)}: give at most one of {', '.join(AXES)}")
    axis = axes[0] if axes else None
    used, starts = known_starts(spells) if axis == "tenure" else (spells, ())
    sample = draw_sample(used, by=[name for name in names if name != axis], event=event)
    cells = _count_cells(used, sample, axis)
    table = _hazard_table(sample, cells, axis=axis, names=names, level=level)
    checks = (
        check_size(sample, minimum=1, unit=spells.unit),
        *starts,
        check_clusters(sample),
        check_competing(sample),
        _honeymoon(used, sample, axis),
        _peak(used, sample, axis),
    )
    return HazardEstimate(
        estimand=_estimand(spells, names, event),
        table=table,
        checks=(*spells.checks, *(check for check in checks if check)),
        level=level,
        axis=axis,
        unit=spells.unit,
    )


def _count_cells(spells: Spells, sample: Sample, axis: str | None) -> _Cells:
    """Count along the axis asked for."""
    entry, duration = _whole(sample)
    if axis is None:
        exposure = (duration - entry)[:, None]
        return _pooled(sample, exposure, np.zeros(len(sample), dtype=np.int64), [None])
    if axis == "tenure":
        return _stepwise(sample, entry, duration, offset=np.zeros(len(sample), dtype=np.int64), name=lambda place: place)
    start = _calendar_starts(spells, sample, axis)
    calendar = spells.calendar
    if axis == "season":
        cycle = 12 // calendar.months
        season = [f"Q{k + 1}" if cycle == 4 else f"{k + 1:02d}" for k in range(cycle)]
        exposure = np.stack([_visits(start + entry, start + duration, k, cycle) for k in range(cycle)], axis=1)
        return _pooled(sample, exposure, (start + duration) % cycle, season)
    return _stepwise(sample, entry, duration, offset=start, name=calendar.label)


def _whole(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    entry, duration = sample.entry.astype(np.int64), sample.duration.astype(np.int64)
    broken = (entry != sample.entry) | (duration != sample.duration)
    if broken.any():
        raise ContractError(
            f"hazards need whole periods, {int(broken.sum())} spells have fractions; round them first", rows=int(broken.sum())
        )
    return entry, duration


def _calendar_starts(spells: Spells, sample: Sample, axis: str) -> np.ndarray:
    missing = int(np.isnan(sample.start).sum())
    if spells.calendar is None or missing:
        raise ContractError(
            f"hazard by {axis}: {missing} spells have no place in the calendar; give start and calendar to Spells.from_frame"
        )
    if axis in ("quarter", "month") and axis != spells.calendar.cadence:
        raise ParameterError(
            f"hazard by {axis}: the periods of these spells are {spells.calendar.cadence}s; ask by={spells.calendar.cadence!r}"
        )
    return sample.start.astype(np.int64)


def _visits(after: np.ndarray, until: np.ndarray, place: int, cycle: int) -> np.ndarray:
    """How often periods ``after + 1 .. until`` fall on ``place`` of a cycle."""
    return (until - place) // cycle - (after - place) // cycle


def _stepwise(sample: Sample, entry: np.ndarray, duration: np.ndarray, *, offset: np.ndarray, name: Callable[[int], object]) -> _Cells:
    """Count single periods; every spell gives at most one trial to each, so only returning partners are clustered."""
    if len(sample) == 0:
        empty = np.zeros((sample.groups, 0))
        return _Cells(at_risk=empty, events=empty, partners=empty, squares=empty, places=[])
    first, last = int((offset + entry).min()) + 1, int((offset + duration).max())
    width, groups = last - first + 1, sample.groups
    enters, leaves = offset + entry + 1 - first, offset + duration - first
    flow = np.bincount(sample.group * (width + 1) + enters, minlength=groups * (width + 1))
    flow = flow - np.bincount(sample.group * (width + 1) + leaves + 1, minlength=groups * (width + 1))
    at_risk = np.cumsum(flow.reshape(groups, width + 1), axis=1)[:, :width]
    ended = sample.cause != CENSORED
    events = np.bincount((sample.group * width + leaves)[ended], minlength=groups * width).reshape(groups, width)
    repeats, extra = _repeat_squares(sample, enters, leaves, at_risk, events)
    hazard = np.divide(events, at_risk, out=np.zeros(at_risk.shape), where=at_risk > 0)
    places = [name(first + step) for step in range(width)]
    return _Cells(
        at_risk=at_risk, events=events, partners=at_risk - repeats, squares=at_risk * hazard * (1 - hazard) + extra, places=places
    )


def _repeat_squares(
    sample: Sample, enters: np.ndarray, leaves: np.ndarray, at_risk: np.ndarray, events: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For partners who are in one cell several times: trials beyond the first, and cross products of their residuals."""
    groups, width = at_risk.shape
    repeats, extra = np.zeros(at_risk.shape), np.zeros(at_risk.shape)
    rows = repeat_clusters(sample.partner)[0]
    length = (leaves - enters + 1)[rows]
    spell = np.repeat(rows, length)
    step = np.arange(len(spell)) - np.repeat(np.cumsum(length) - length, length) + enters[spell]
    cell = sample.group[spell] * width + step
    owner, inverse, count = np.unique(
        sample.partner[spell].astype(np.int64) * (groups * width) + cell, return_inverse=True, return_counts=True
    )
    hazard = np.divide(events, at_risk, out=np.zeros(at_risk.shape), where=at_risk > 0).reshape(-1)
    residual = ((sample.cause[spell] != CENSORED) & (step == leaves[spell])) - hazard[cell]
    where = owner % (groups * width)
    total = np.bincount(inverse.reshape(-1), weights=residual, minlength=len(owner))
    repeats += np.bincount(where, weights=count - 1, minlength=groups * width).reshape(groups, width)
    extra += np.bincount(where, weights=total**2, minlength=groups * width).reshape(groups, width)
    extra -= np.bincount(cell, weights=residual**2, minlength=groups * width).reshape(groups, width)
    return repeats, extra


def _pooled(sample: Sample, exposure: np.ndarray, ends_at: np.ndarray, places: list) -> _Cells:
    """Count cells to which one spell gives many trials, exposure of shape ``(n, m)``."""
    groups = sample.groups
    owner, unit = np.unique(sample.partner * groups + sample.group, return_inverse=True) if groups > 1 else (None, sample.partner)
    hits = np.zeros(exposure.shape)
    ended = np.flatnonzero(sample.cause != CENSORED)
    hits[ended, ends_at[ended]] = 1
    trials_of, hits_of = (sum_by_cluster(values, unit.reshape(-1)) for values in (exposure, hits))
    lane = np.zeros(len(trials_of), dtype=np.int64) if owner is None else owner % groups
    at_risk, events, partners = (_by_lane(values, lane, groups) for values in (trials_of, hits_of, trials_of > 0))
    hazard = np.divide(events, at_risk, out=np.zeros(at_risk.shape), where=at_risk > 0)
    squares = _by_lane((hits_of - hazard[lane] * trials_of) ** 2, lane, groups)
    return _Cells(at_risk=at_risk, events=events, partners=partners, squares=squares, places=places)


def _by_lane(values: np.ndarray, lane: np.ndarray, groups: int) -> np.ndarray:
    """Add the rows of each group, shape ``(groups, m)``."""
    return np.stack([np.bincount(lane, weights=column, minlength=groups) for column in values.T], axis=1)


def _hazard_table(sample: Sample, cells: _Cells, *, axis: str | None, names: tuple[str, ...], level: float) -> pd.DataFrame:
    """Lay the cells out as rows, with clustered standard errors and intervals on effective trials."""
    seen = cells.at_risk.reshape(-1) > 0
    at_risk, events, partners, squares = (x.reshape(-1)[seen] for x in (cells.at_risk, cells.events, cells.partners, cells.squares))
    hazard = events / at_risk
    plain = hazard * (1 - hazard) / at_risk
    # small samples of partners: the sandwich is too small by (G - 1) / G
    clustered = squares / at_risk**2 * np.where(partners > 1, partners / np.maximum(partners - 1, 1), 1.0)
    independent = partners == at_risk
    ratio = np.divide(clustered, plain, out=np.ones(len(plain)), where=plain > 0)
    # with nothing (or everything) seen, clustering cannot be measured: a partner then counts once
    deff = np.where(independent, 1.0, np.where(plain > 0, np.maximum(ratio, 1.0), at_risk / np.maximum(partners, 1)))
    low, high = share_interval(hazard, at_risk / deff, level=level, df=np.where(independent, np.inf, partners - 1))
    group, place = np.divmod(np.flatnonzero(seen), len(cells.places)) if cells.places else (np.empty(0, int), np.empty(0, int))
    keys = key_columns(sample, group)
    if axis is not None:
        keys[axis] = [cells.places[index] for index in place]
    body = {"estimate": hazard, "std_error": np.sqrt(plain * deff), "conf_low": low, "conf_high": high, "n": at_risk.astype(np.int64)}
    counts = {"events": events.astype(np.int64), "partners": partners.astype(np.int64), "deff": deff}
    return pd.DataFrame({name: keys[name] for name in names} | body | counts)


#: A time with fewer spells at risk is not named as the one in which most leave.
_NAMED = 20


#: Periods in a year, for the honeymoon.
_YEAR = {"week": 52, "month": 12, "quarter": 4, "half-year": 2, "year": 1}


def _honeymoon(spells: Spells, sample: Sample, axis: str | None) -> Check | None:
    """Compare the hazard of the first year with that of later: whether there is a honeymoon."""
    first = _YEAR.get(spells.unit, 4)
    if axis != "tenure" or len(sample) == 0:
        return None
    cells = _count_cells(spells, dataclasses.replace(sample, group=np.zeros(len(sample), dtype=np.int64), labels=[()]), "tenure")
    early = np.array([float(place) <= first for place in cells.places])
    (n, d), (m, e) = ((cells.at_risk[0][part].sum(), cells.events[0][part].sum()) for part in (early, ~early))
    if min(n, m) < _NAMED or d + e == 0:
        return None
    rate, later = d / n, e / m
    error = np.sqrt(rate * (1 - rate) / n + later * (1 - later) / m)
    clear = bool(error > 0 and abs(rate - later) / error > critical_value(0.95))
    told = "fewer than chance would give: a honeymoon" if rate < later else "more than chance would give: no honeymoon"
    said = f"In the first {first} {spells.unit}s {rate:.1%} of those at risk left in a {spells.unit}, later {later:.1%}"
    return Check("Honeymoon", None, f"{said}, {told if clear else 'no more apart than chance would give, no honeymoon is seen'}.")


def _peak(spells: Spells, sample: Sample, axis: str | None) -> Check | None:
    """Name the season, or the tenure, in which most leave."""
    if axis is None or len(sample) == 0 or (axis != "tenure" and spells.calendar.cadence != "quarter"):
        return None
    alone = dataclasses.replace(sample, group=np.zeros(len(sample), dtype=np.int64), labels=[()])
    cells = _count_cells(spells, alone, "tenure" if axis == "tenure" else "season")
    at_risk, events = cells.at_risk[0], cells.events[0]
    enough = at_risk >= _NAMED
    if events.sum() == 0 or enough.sum() < 2 or (axis != "tenure" and not enough.all()):
        return None
    rate = np.divide(events, at_risk, out=np.zeros(len(events)), where=enough)
    top = int(rate.argmax())
    n, others = at_risk[top], at_risk.sum() - at_risk[top]
    rest = (events.sum() - events[top]) / others
    error = np.sqrt(rate[top] * (1 - rate[top]) / n + rest * (1 - rest) / others)
    # the highest of several was picked: 5 % is shared among them
    clear = error > 0 and (rate[top] - rest) / error > critical_value(1 - 0.05 / enough.sum())
    name, what = (
        (f"{spells.unit.capitalize()} {cells.places[top]} after the start", "Steepest tenure")
        if axis == "tenure"
        else (cells.places[top], "Renewal season")
    )
    detail = f"{name} has the highest hazard, {rate[top]:.1%} a {spells.unit} against {rest:.1%} in the others"
    return Check(what, None, f"{detail}, {'more than chance would give' if clear else 'no more than chance could give'}.")


def _estimand(spells: Spells, names: tuple[str, ...], event: Event) -> str:
    """Say what the hazard is, in a sentence."""
    what = "membership" if spells.of == "membership" else "their tier" if spells.of == "any tier" else spells.of
    how = "" if event is None else f" by {event if isinstance(event, str) else ' or '.join(event)}"
    return f"Share of partners at risk in a {spells.unit} who left {what} in it{how}, by {', '.join(names)}"
