"""What every survival estimate reads: spells as arrays, with causes, groups and partners as small integers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.results import Check
from partnerlab.spells import CENSORED, Spells
from partnerlab.stats.curves.clustered_curves import repeat_clusters
from partnerlab.stats.curves.risksets import CENSORED as NO_CAUSE
from partnerlab.stats.curves.risksets import Spans
from partnerlab.stats.inference.clusters import code_clusters

Event = str | Sequence[str] | None

Variance = Literal["auto", "greenwood", "jackknife"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """Spells as arrays of shape ``(n,)``.

    Parameters
    ----------
    entry, duration : ndarray of float
        Observed on ``(entry, duration]``.
    cause : ndarray of int
        Index into ``causes``, or the code of a censored spell.
    group : ndarray of int
        Index into ``labels``.
    partner : ndarray of int
        Code of the partner, index into ``names``.
    spell : ndarray of int
        Number of the spell within the partner.
    names : ndarray, shape (partners,)
        Partners.
    start : ndarray of float
        Period in which the spell began, NaN without a calendar.
    causes : tuple of str
        Endings that count.
    labels : list of tuple
        One value per grouping attribute, for each group.
    by : tuple of str
        Grouping attributes.
    others : int
        Spells that ended in another way and count as censored.
    """

    entry: np.ndarray
    duration: np.ndarray
    cause: np.ndarray
    group: np.ndarray
    partner: np.ndarray
    spell: np.ndarray
    names: np.ndarray
    start: np.ndarray
    causes: tuple[str, ...]
    labels: list[tuple]
    by: tuple[str, ...]
    others: int

    def __len__(self) -> int:
        return len(self.entry)

    @property
    def groups(self) -> int:
        """Number of groups, at least 1."""
        return max(len(self.labels), 1)

    @property
    def clustered(self) -> bool:
        """Whether any partner has more than one row."""
        return len(repeat_clusters(self.partner)[0]) > 0

    def rows(self, mask: np.ndarray) -> Sample:
        """Keep the rows where ``mask`` is True; groups keep their codes."""
        kept = {name: getattr(self, name)[mask] for name in ("entry", "duration", "cause", "group", "partner", "spell", "start")}
        return dataclasses.replace(self, **kept)

    @property
    def spans(self) -> Spans:
        """Entry, duration and cause, as array functions take them."""
        return Spans(self.entry, self.duration, self.cause)


def draw_sample(spells: Spells, *, by: str | Sequence[str] | None = None, event: Event = None) -> Sample:
    """Turn spells into arrays, checking that the groups and endings asked for exist.

    Raises
    ------
    ParameterError
        Naming the nearest attribute or ending.
    """
    names = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    for name in names:
        if name not in spells.attributes:
            raise ParameterError(f"no attribute {name!r} in the spells{nearest(name, spells.attributes)}", by=name)
    event_codes, seen = pd.factorize(spells.frame["event"])
    causes = _asked_causes(spells, event, seen=[name for name in map(str, seen) if name != CENSORED])
    place = np.array([causes.index(name) if name in causes else NO_CAUSE for name in map(str, seen)] + [NO_CAUSE])
    other = np.array([name not in (*causes, CENSORED) for name in map(str, seen)] + [False])
    group, labels = _groups(spells.frame, names)
    partner, known = code_clusters(spells.frame["partner"])
    whole = Sample(
        entry=_as_numbers(spells.frame["entry"]),
        duration=_as_numbers(spells.frame["duration"]),
        cause=place[event_codes],
        group=group,
        partner=partner,
        spell=spells.frame["spell"].to_numpy(),
        names=known,
        start=spells.frame["start"].to_numpy(dtype=float, na_value=np.nan),
        causes=causes,
        labels=labels,
        by=names,
        others=int(other[event_codes].sum()),
    )
    return _join_pieces(whole)


def _join_pieces(sample: Sample) -> Sample:
    """Put pieces ``(a, b], (b, c]`` of one spell in one group back together: they carry the information of one spell."""
    same = (sample.partner[1:] == sample.partner[:-1]) & (sample.spell[1:] == sample.spell[:-1]) & (sample.group[1:] == sample.group[:-1])
    goes_on = np.concatenate([[False], same & (sample.entry[1:] == sample.duration[:-1])]) if len(sample) else np.zeros(0, dtype=bool)
    if not goes_on.any():
        return sample
    first = np.flatnonzero(~goes_on)
    last = np.concatenate([first[1:], [len(sample)]]) - 1
    entry = sample.entry[first]
    return dataclasses.replace(sample.rows(last), entry=entry)


def _as_numbers(times: pd.Series) -> np.ndarray:
    """Give times as floats, or as the whole numbers that they are: those are counted faster."""
    return times.to_numpy() if times.dtype == np.int64 else times.to_numpy(dtype=float)


def _asked_causes(spells: Spells, event: Event, *, seen: Sequence[str]) -> tuple[str, ...]:
    """List the endings that count, all that were seen by default."""
    if event is None:
        return tuple(sorted(seen))
    asked = (event,) if isinstance(event, str) else tuple(event)
    # an ending that could have happened but was not seen is no mistake
    possible = set(map(str, getattr(spells.frame["event"].dtype, "categories", ()))) | set(seen)
    for name in asked:
        if seen and name not in possible:
            raise ParameterError(f"no spell of {spells.of} ends by {name!r}{nearest(name, possible - {CENSORED})}", event=name)
    return asked


def _groups(frame: pd.DataFrame, names: tuple[str, ...]) -> tuple[np.ndarray, list[tuple]]:
    """Code of each row's group, and the groups' values; a missing value is a group of its own."""
    if not names:
        return np.zeros(len(frame), dtype=np.int64), [()]
    code = np.zeros(len(frame), dtype=np.int64)
    values: list[list] = []
    for name in names:
        own, seen = pd.factorize(frame[name], sort=True)
        labels = [*seen, "unknown"] if (own < 0).any() else list(seen)
        values.append(labels)
        code = code * max(len(labels), 1) + np.where(own < 0, len(labels) - 1, own)
    used, group = np.unique(code, return_inverse=True)
    grid = np.unravel_index(used, [max(len(labels), 1) for labels in values])
    return group.reshape(-1), [tuple(labels[i] for labels, i in zip(values, cell, strict=True)) for cell in zip(*grid, strict=True)]


def known_starts(spells: Spells, late_entry: bool | None = None) -> tuple[Spells, tuple[Check, ...]]:
    """Keep the spells whose time since the start is known, and say what was left out.

    Parameters
    ----------
    spells : Spells
    late_entry : bool or None
        Use spells that were under way when first seen and have a known start; None uses them unless known
        starts turn out to be a choice of those who stayed (or left).
    """
    frame = spells.frame
    known, late = frame["start_known"].to_numpy(dtype=bool), frame["entry"].to_numpy() > 0
    if known.all() and late_entry is not False:
        return spells, ()
    choice = _check_choice(frame["event"].astype("str").to_numpy() != CENSORED, known, late)
    use = late_entry if late_entry is not None else choice is None or choice.passed is not False
    kept = known if use else known & ~late
    unknown, dropped = int((~known).sum()), int((known & ~kept).sum())
    told = [f"{unknown} of {len(known)} spells were under way when first seen, nobody knows since when: left out"] if unknown else []
    told += [f"{dropped} spells that were under way when first seen are left out as well, though their start is known"] if dropped else []
    checks = [Check("Starts known", not told, "; ".join(told) + ".")] if told else []
    return spells.select(kept), (*checks, choice) if choice else tuple(checks)


def _check_choice(ended: np.ndarray, known: np.ndarray, late: np.ndarray) -> Check | None:
    """Ask whether starts are known more often for those who stayed; then a curve from known starts is too high."""
    told, untold = ended[known & late], ended[~known]
    if len(told) == 0 or len(untold) == 0:
        return None
    both = (told.sum() + untold.sum()) / (len(told) + len(untold))
    error = np.sqrt(both * (1 - both) * (1 / len(told) + 1 / len(untold)))
    alike = abs(told.mean() - untold.mean()) <= 1.96 * error
    shares = f"{told.mean():.0%} of those with a known start have ended, {untold.mean():.0%} of the others"
    detail = f"Of the spells under way when first seen, {shares}"
    advice = "." if alike else ": those with a known start are a choice, and a curve that uses them is tilted."
    return Check("Known starts are like unknown ones", bool(alike), detail + advice)


def check_size(sample: Sample, *, minimum: int, unit: str) -> Check:
    """Say whether there is enough to estimate anything."""
    events = int((sample.cause != NO_CAUSE).sum())
    n, partners = len(sample), int((np.bincount(sample.partner) > 0).sum()) if len(sample) else 0
    detail = f"{n} spells of {partners} partners, {events} endings seen"
    if n < minimum:
        return Check("Enough spells", False, f"not enough data (n = {n}): {detail}.")
    if events == 0:
        return Check("Enough spells", None, f"{detail}: the curve stays at 1 and its end is not known.")
    return Check("Enough spells", True, f"{detail}; time in {unit}s.")


def uses_jackknife(sample: Sample, variance: Variance) -> bool:
    """Whether the infinitesimal jackknife is used: on request, or where partners have several spells.

    Raises
    ------
    ParameterError
        If there is no such variance.
    """
    if variance not in ("auto", "greenwood", "jackknife"):
        raise ParameterError(f"variance is {variance!r}{nearest(str(variance), ('auto', 'greenwood', 'jackknife'))}")
    return variance == "jackknife" or (variance == "auto" and sample.clustered)


def check_clusters(sample: Sample) -> Check | None:
    """Say how the variance treats partners with several spells."""
    if not sample.clustered:
        return None
    several = int((np.bincount(sample.partner) > 1).sum())
    detail = f"{several} partners have several spells: the variance adds up their influences (infinitesimal jackknife by partner)."
    return Check("Partners with several spells", True, detail)


def check_competing(sample: Sample) -> Check | None:
    """Warn where other endings are treated as censoring."""
    if sample.others == 0:
        return None
    detail = (
        f"{sample.others} spells ended in another way and count as censored: read the curve as if those endings were taken away. "
        "For the share that really ends this way use estimate_incidence."
    )
    return Check("Other endings", None, detail)


def name_group(sample: Sample, index: int) -> dict[str, object]:
    """Name one group by its attributes; of no spells at all, the group has no name."""
    return dict(zip(sample.by, sample.labels[index], strict=True)) if sample.labels else dict.fromkeys(sample.by)


def key_columns(sample: Sample, group: np.ndarray) -> dict[str, list]:
    """Values of the grouping attributes, one for each row of a result."""
    names = [name_group(sample, index) for index in range(sample.groups)]
    return {name: [names[index][name] for index in group] for name in sample.by}
