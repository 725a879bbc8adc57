"""Shapes: how an indicator becomes points. A registry of named functions, not a language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from partnerlab.scoring.kleene import by_column

#: ``shape(values, argument, groups)``: values ``(n, t)``, NaN unknown; gives points ``(n, t)``.
ShapeFunction = Callable[[np.ndarray, Any, "np.ndarray | None"], np.ndarray]


def per(values: np.ndarray, points: float | np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """So many points for each unit, never below zero; the part's ``max`` caps it.

    Examples
    --------
    >>> per(np.array([[2.0, -1.0, np.nan]]), 4.0).tolist()
    [[8.0, 0.0, nan]]
    """
    return np.maximum(values * points, 0.0)


def ratio(values: np.ndarray, full: float | np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Share of a full mark, 0 to 1.

    Examples
    --------
    >>> ratio(np.array([[10.0, 50.0]]), 40.0).tolist()
    [[0.25, 1.0]]
    """
    return np.clip(values / full, 0.0, 1.0)


def bands(values: np.ndarray, steps: list[tuple[float, float]], groups: np.ndarray | None = None) -> np.ndarray:
    """Points of the highest band whose start is reached; 0 below the first.

    Examples
    --------
    >>> bands(np.array([[0.0, 1.0, 4.0, -1.0]]), [(0, 0), (1, 0.4), (3, 0.7)]).tolist()
    [[0.0, 0.4, 0.7, 0.0]]
    """
    starts = np.array([start for start, _ in steps], dtype=float)
    points = np.array([0.0, *(point for _, point in steps)], dtype=float)
    result = points[np.searchsorted(starts, values, side="right")]
    return np.where(np.isnan(values), np.nan, result)


def percentile(values: np.ndarray, within: str, groups: np.ndarray | None = None) -> np.ndarray:
    """Mid-rank among the known values of the period (and group), 0 to 1.

    The share below plus half the share tied, the value itself included, so that
    everybody tied in the middle is at one half and nobody is at 0 or 1.

    Examples
    --------
    >>> percentile(np.array([[1.0], [2.0], [2.0], [5.0]]), "population").ravel().tolist()
    [0.125, 0.5, 0.5, 0.875]
    """
    members = (
        [np.arange(values.shape[0])] if groups is None else [np.flatnonzero(groups == code) for code in np.unique(groups[groups >= 0])]
    )
    return by_column(values.shape, lambda index: _ranked(values[:, index], members))


def _ranked(values: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    """Mid-ranks of the known values within each group, shape ``(n,)``."""
    result = np.full(len(values), np.nan)
    for rows in members:
        known = rows[~np.isnan(values[rows])]
        result[known] = _midrank(values[known])
    return result


def _midrank(values: np.ndarray) -> np.ndarray:
    """Mid-ranks over k, shape ``(k,)``: one sort, then one rank for each run of ties."""
    if not len(values):
        return values
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends) / (2.0 * len(values)), ends - starts)
    return ranks


def as_is(values: np.ndarray, scale: float | np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Give the value itself, as a share of ``scale``, neither capped nor floored."""
    return values / scale


#: Every shape by the name it has in YAML.
SHAPES: Mapping[str, ShapeFunction] = {"per": per, "ratio": ratio, "bands": bands, "percentile": percentile, "as_is": as_is}
