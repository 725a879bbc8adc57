"""Times at which intensities change: the pieces of the clock between them, and the legs in which an interval walks through these."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from partnerlab.errors import ParameterError
from partnerlab.periods import Calendar
from partnerlab.transitions.panel_rows import PanelRows

#: The name under which pieces stand among the covariates.
CLOCK = "time"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pieces:
    """A clock cut at some times.

    Parameters
    ----------
    times : ndarray, shape (q,)
        Where it is cut, rising.
    labels : tuple of str
        Names of the q + 1 pieces.
    calendar : Calendar, optional
        Reads quarters; a quarter stands for its beginning.
    """

    times: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    labels: tuple[str, ...] = ("always",)
    calendar: Calendar | None = None

    def __bool__(self) -> bool:
        return len(self.times) > 0

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms of all pieces but the first."""
        return tuple(f"{CLOCK}[{label}]" for label in self.labels[1:])

    def legs(self, start: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut intervals into legs: lengths ``(m, k)``, 0 before the first where there are fewer, and pieces ``(m, k)``.

        Examples
        --------
        >>> length, piece = Pieces(times=np.array([5.0]), labels=("a", "b")).legs(np.array([4.0, 6.0]), np.array([3.0, 1.0]))
        >>> length.tolist(), piece.tolist()
        ([[1.0, 2.0], [0.0, 1.0]], [[0, 1], [1, 1]])
        """
        if not self:
            return time[:, None], np.zeros((len(time), 1), dtype=np.int64)
        edges = np.column_stack([start, np.clip(self.times[None], start[:, None], (start + time)[:, None]), start + time])
        length = np.diff(edges, axis=1)
        order = np.argsort(length > 0, axis=1, kind="stable")[:, -max(int((length > 0).sum(axis=1).max(initial=1)), 1) :]
        walked = np.take_along_axis(length, order, axis=1)
        return walked, np.where(walked > 0, order, order[:, -1:])


def read_time(given: float | str, argument: str, calendar: Calendar | None) -> float:
    """Read a time, or a quarter as its beginning.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    if isinstance(given, str) and calendar is not None:
        return float(calendar.parse(given))
    if isinstance(given, str) or not np.isfinite(given):
        raise ParameterError(f"{argument}: {given!r} is no time; give a number on the clock of the observations")
    if calendar is not None:
        raise ParameterError(f"{argument}: {given!r} is no quarter; name one of the calendar")
    return float(given)


def read_breaks(breaks: Sequence[float | str], rows: PanelRows) -> Pieces:
    """Read the times at which intensities change.

    Raises
    ------
    ParameterError
        If they do not rise, nothing was seen of a piece, or it is not known when anything was seen.
    """
    if isinstance(breaks, str):
        raise ParameterError(f"breaks is {breaks!r}; give a list of times")
    if not len(breaks):
        return Pieces()
    times = np.array([read_time(one, "breaks", rows.calendar) for one in breaks])
    if np.isnan(rows.start).any():
        raise ParameterError("breaks: it is not known when these pairs were seen; give their quarter")
    names = [one if isinstance(one, str) else f"{one:g}" for one in breaks]
    if (np.diff(times) <= 0).any():
        raise ParameterError(f"breaks: {', '.join(names)} do not rise; give each time once, in order")
    labels = (f"before {names[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(names)), f"from {names[-1]}")
    found = Pieces(times=times, labels=labels, calendar=rows.calendar)
    length, piece = found.legs(rows.start, rows.time)
    seen = np.bincount(piece.ravel(), weights=length.ravel(), minlength=len(labels))
    if (seen <= 0).any():
        raise ParameterError(f"breaks: nothing was seen {labels[int(np.argmin(seen))]}; leave that time out")
    return found
