"""Cut lines of an axis: one for everybody, or one for each period and group."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from partnerlab.scoring import kleene
from partnerlab.scoring.scores import PanelFacts
from partnerlab.tiers.axes import Axis


@dataclasses.dataclass(frozen=True)
class Cuts:
    """An axis with its lines.

    Parameters
    ----------
    values : ndarray, shape (n, t)
        What is cut.
    grid : ndarray, shape (groups, t)
        Line of each group in each period; NaN is unknown.
    codes : ndarray of int, shape (n,), or None
        Row of the grid that applies to each partner; None is the first for everybody.
    table : DataFrame
        ``quarter, axis, group, line, n``.
    """

    values: np.ndarray
    grid: np.ndarray
    codes: np.ndarray | None
    table: pd.DataFrame = dataclasses.field(repr=False)

    def line(self, column: int) -> np.ndarray:
        """Line that applies to each partner in a period: one number, or shape ``(n,)``."""
        return self.grid[0, column] if self.codes is None else self.grid[self.codes, column]

    def side(self, column: int, operator: str) -> np.ndarray:
        """Truth value of being on the high side, int8 ``(n,)``."""
        return kleene.compare(self.values[:, column], self.line(column), operator)

    def room(self, column: int, operator: str, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Say who clears the line moved up by the margin, and who is not below it moved down; unknown keeps its side."""
        values, line = self.values[:, column], self.line(column)
        room = margin * np.abs(line)
        unknown = np.isnan(values) | np.isnan(line)
        return kleene.exceeds(values, line + room, operator), kleene.exceeds(values, line - room, operator) | unknown


def cut_axis(axis: Axis, facts: PanelFacts, rated: np.ndarray, *, name: str) -> Cuts:
    """Find the lines of one axis.

    Parameters
    ----------
    axis : Axis
        The request.
    facts : PanelFacts
        What is known.
    rated : ndarray of bool, shape (n, t)
        Members who pass the gate: the population of a quantile, as far as their value is known.
    name : str
        Name of the axis in the table of lines.
    """
    values = facts.number(axis.value)
    labels = facts.panel.labels
    if not axis.cut.relative:
        return _fixed(values, np.asarray(facts.amount(axis.cut.absolute), dtype=float), labels, name)
    codes, groups = (np.zeros(facts.shape[0], dtype=int), ["all"]) if axis.within is None else facts.groups(axis.within)
    lines, sizes = quantile_lines(values, rated, codes, quantile=facts.scalar(axis.cut.quantile), groups=len(groups))
    lines = np.where(sizes >= axis.cut.min_n, lines, np.nan)
    if axis.cut.min is not None:
        lines = np.maximum(lines, facts.scalar(axis.cut.min))
    grid = np.vstack([lines, np.full(lines.shape[1], np.nan)])  # the last row is for those whose group is unknown
    return Cuts(values, grid, None if axis.within is None else codes, _table(labels, name, groups, lines, sizes))


def _fixed(values: np.ndarray, line: np.ndarray, labels: list[str], name: str) -> Cuts:
    """Absolute line; where standards differ, partners with the same lines in all periods are a group."""
    if line.ndim == 0:
        grid = np.full((1, len(labels)), float(line))
        return Cuts(values, grid, None, _table(labels, name, ["all"], grid, None))
    grid, codes = np.unique(np.broadcast_to(line, values.shape), axis=0, return_inverse=True)
    groups = ["all"] if len(grid) == 1 else [f"standard {index + 1}" for index in range(len(grid))]
    return Cuts(values, grid, codes.ravel(), _table(labels, name, groups, grid, None))


def quantile_lines(
    values: np.ndarray, rated: np.ndarray, codes: np.ndarray, *, quantile: float, groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """Quantile of the known values of each group in each period, by linear interpolation.

    Parameters
    ----------
    values : ndarray, shape (n, t)
    rated : ndarray of bool, shape (n, t)
    codes : ndarray of int, shape (n,)
        Group of each partner, -1 for none.
    quantile : float
    groups : int
        Number of groups.

    Returns
    -------
    lines, sizes : ndarray, shape (groups, t)
        The line (NaN where nobody is rated) and how many stand behind it.

    Examples
    --------
    >>> lines, sizes = quantile_lines(np.array([[1.0], [2.0], [3.0]]), np.ones((3, 1), bool), np.zeros(3, int), quantile=0.5, groups=1)
    >>> lines.item(), sizes.item()
    (2.0, 3)
    """
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(groups + 1))
    lines = np.full((groups, values.shape[1]), np.nan)
    sizes = np.zeros(lines.shape, dtype=np.int64)
    for column in range(values.shape[1]):
        here = np.where(rated[:, column], values[:, column], np.nan)
        here = here[order] if groups > 1 or edges[0] else here
        for group in range(groups):
            known = here[edges[group] : edges[group + 1]]
            known = known[~np.isnan(known)]
            sizes[group, column] = len(known)
            if len(known):
                lines[group, column] = np.quantile(known, quantile, overwrite_input=True)
    return lines, sizes


def _table(labels: Sequence[str], axis: str, groups: Sequence[str], lines: np.ndarray, sizes: np.ndarray | None) -> pd.DataFrame:
    """Lines as a tidy table, by quarter and group."""
    counts = pd.array([pd.NA] * lines.size if sizes is None else sizes.T.ravel(), dtype="Int64")
    return pd.DataFrame(
        {
            "quarter": np.repeat(np.array(labels, dtype=object), len(groups)),
            "axis": axis,
            "group": np.tile(np.array(groups, dtype=object), len(labels)),
            "line": lines.T.ravel(),
            "n": counts,
        }
    ).astype({"quarter": "str", "group": "str"})
