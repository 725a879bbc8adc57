"""Event studies whose trends need not be parallel: what survives if they break after treatment as they broke before, times a factor.

Rambachan and Roth (2023), Review of Economic Studies 90, section 2.4.1: the gap between groups moves from one period to the next by
at most ``times`` its largest move before treatment. That largest move is estimated, which a test must count: the hybrid of a
least-favourable and a conditional test (Andrews, Roth and Pakes 2023, Review of Economic Studies 90), inverted. Which move before was
the largest, and its sign, make one set of linear restrictions each; the interval is the union over them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy import special

#: Share of the error that the first stage, the least-favourable test, may spend.
FIRST_STAGE = 0.1
#: Draws behind its critical values.
DRAWS = 20_000
#: Most periods after treatment: ways of violating the restrictions are gone through one by one, and their number explodes.
MOST_AFTER = 7
#: Factor beyond which nothing is looked for.
LARGEST_TIMES = 64.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Restrictions:
    """One set of restrictions: moments ``y - step * effect <= 0`` in expectation, and all ways of weighing them against each other.

    ``weights`` are the vertices of ``{w >= 0, w'nuisance = 0, w'error = 1}``, shape (v, k): the largest ``w'(y - step * effect)`` is how
    badly the restrictions are violated.
    """

    y: np.ndarray
    step: np.ndarray
    covariance: np.ndarray
    weights: np.ndarray
    limit: float


def relative_interval(
    estimates: np.ndarray,
    covariance: np.ndarray,
    *,
    before: int,
    times: float,
    weights: np.ndarray | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval for an effect if the gap moves after treatment by at most ``times`` its largest move before.

    Parameters
    ----------
    estimates : float array, shape (before + after,)
        Event-study estimates in order of time, without gaps, the last period before treatment (the base, 0) left out.
    covariance : float array, shape (before + after, before + after)
        Of the estimates.
    before : int
        How many of them lie before the base, 1 or more.
    times : float
        0 or more; 0 is parallel trends after treatment.
    weights : float array, shape (after,), or None
        Which average of the effects is meant; None is the first one. Periods after the last weight above 0 are not looked at.
    level : float
        Coverage.
    seed : int
        Of the draws behind the least-favourable critical values.

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        With more than `MOST_AFTER` periods after treatment under the weights.

    Examples
    --------
    >>> path, error = np.array([0.02, -0.01, 0.5]), 0.0004 * np.eye(3)
    >>> [[round(end, 1) for end in relative_interval(path, error, before=2, times=times)] for times in (0.0, 1.0)]
    [[0.5, 0.5], [0.4, 0.6]]
    """
    path, errors, target = _cut(estimates, covariance, before, weights)
    pieces = _pieces(path, errors, before=before, target=target, times=times, level=level, drawn=_draw(target, seed))
    middle = float(target @ path[before:])
    spread = float(np.sqrt(target @ errors[before:, before:] @ target))
    # beyond this far from the estimate nothing is accepted: the largest move before with its error, carried to the last period
    moves = _moves(before)
    largest = float((np.abs(moves @ path[:before]) + 6 * np.sqrt(np.einsum("ij,jk,ik->i", moves, errors[:before, :before], moves))).max())
    reach = 8 * spread + times * largest * float(np.abs(target) @ np.arange(1, len(target) + 1))
    grid = middle + reach * np.linspace(-1, 1, 801)
    accepted = np.any([_accepted(piece, grid, level=level) for piece in pieces], axis=0)
    if not accepted.any():
        return math.nan, math.nan

    def inside(at: float) -> bool:
        return any(bool(_accepted(piece, np.array([at]), level=level)[0]) for piece in pieces)

    first, last = int(accepted.argmax()), len(grid) - 1 - int(accepted[::-1].argmax())
    return _edge(inside, grid[first], grid[max(first - 1, 0)]), _edge(inside, grid[last], grid[min(last + 1, len(grid) - 1)])


def breakdown_times(
    estimates: np.ndarray, covariance: np.ndarray, *, before: int, weights: np.ndarray | None = None, level: float = 0.95, seed: int = 0
) -> float:
    """Factor from which on the interval of `relative_interval` holds 0; 0 where it does even under parallel trends.

    Examples
    --------
    >>> round(breakdown_times(np.array([0.1, -0.1, 0.9]), 0.0004 * np.eye(3), before=2), 1)
    3.6
    """
    path, errors, target = _cut(estimates, covariance, before, weights)
    drawn = _draw(target, seed)

    def stands(times: float) -> bool:
        pieces = _pieces(path, errors, before=before, target=target, times=times, level=level, drawn=drawn)
        return not any(bool(_accepted(piece, np.zeros(1), level=level)[0]) for piece in pieces)

    if not stands(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while stands(high):
        low, high = high, 2 * high
        if high > LARGEST_TIMES:
            return math.inf
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if stands(middle) else (low, middle)
    return low


def _cut(
    estimates: np.ndarray, covariance: np.ndarray, before: int, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Path, covariance and weights up to the last period that the weights look at."""
    estimates, covariance = np.asarray(estimates, dtype=float), np.asarray(covariance, dtype=float)
    target = np.eye(len(estimates) - before)[0] if weights is None else np.asarray(weights, dtype=float)
    after = int(np.flatnonzero(target)[-1]) + 1
    if after > MOST_AFTER:
        raise ValueError(f"relative trends: {after} periods after treatment; at most {MOST_AFTER} can be looked at together")
    kept = before + after
    return estimates[:kept], covariance[:kept, :kept], target[:after]


def _moves(before: int) -> np.ndarray:
    """First differences of the path before treatment, the base (0) last, shape ``(before, before)``."""
    return np.diff(np.vstack([np.eye(before), np.zeros(before)]), axis=0)


def _draw(target: np.ndarray, seed: int) -> np.ndarray:
    """Draw standard normals, a column for each restriction: every move after treatment has two."""
    return np.random.default_rng(seed).standard_normal((DRAWS, 2 * len(target)))


def _pieces(path, errors, *, before: int, target: np.ndarray, times: float, level: float, drawn: np.ndarray) -> list[_Restrictions]:
    """One set of restrictions for each move before treatment and each sign of it."""
    after = len(target)
    moves_after = np.diff(np.vstack([np.zeros(after), np.eye(after)]), axis=0)
    # effects as (the average that is meant, the others): solve for the effect with the largest weight
    pivot = int(np.abs(target).argmax())
    others = np.delete(np.arange(after), pivot)
    to_effects = np.zeros((after, after))
    to_effects[pivot, 0] = 1 / target[pivot]
    to_effects[pivot, 1:] = -target[others] / target[pivot]
    to_effects[others, np.arange(1, after)] = 1.0
    found = []
    for move, sign in itertools.product(_moves(before), (1.0, -1.0)):
        wall = np.concatenate([times * sign * move, np.zeros(after)])
        sides = [np.hstack([np.zeros((after, before)), direction * moves_after]) - wall for direction in (1.0, -1.0)]
        rows = np.vstack(sides)
        spread = rows @ errors @ rows.T
        along = rows[:, before:] @ to_effects
        corners = _vertices(along[:, 1:], np.sqrt(np.diag(spread)))
        found.append(
            _Restrictions(
                y=rows @ path, step=along[:, 0], covariance=spread, weights=corners, limit=_least_favourable(corners, spread, level, drawn)
            )
        )
    return found


def _vertices(nuisance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Vertices of ``{w >= 0, w'nuisance = 0, w'error = 1}``, shape ``(v, k)``."""
    walls = np.column_stack([nuisance, error]).T
    free, many = walls.shape
    basis = np.array(list(itertools.combinations(range(many), free)))
    systems = np.moveaxis(walls[:, basis], 1, 0)
    solvable = np.linalg.cond(systems) < 1e10
    basis, systems = basis[solvable], systems[solvable]
    right = np.zeros((len(basis), free, 1))
    right[:, -1] = 1.0
    solved = np.linalg.solve(systems, right)[:, :, 0]
    good = (solved > -1e-9 * np.abs(solved).max(axis=1, keepdims=True)).all(axis=1)
    corners = np.zeros((int(good.sum()), many))
    np.put_along_axis(corners, basis[good], np.maximum(solved[good], 0.0), axis=1)
    scale = corners.max(axis=1, keepdims=True)
    return corners[np.unique(np.round(corners / scale, 8), axis=0, return_index=True)[1]]


def _least_favourable(corners: np.ndarray, covariance: np.ndarray, level: float, drawn: np.ndarray) -> float:
    """Value that the largest violation exceeds by chance with the first stage's error, if every restriction binds."""
    # the symmetric root is the only one that does not hang on units or on how ties between eigenvalues are turned
    values, vectors = np.linalg.eigh(covariance)
    root = corners @ (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return float(np.quantile((drawn @ root.T).max(axis=1), 1 - FIRST_STAGE * (1 - level)))


def _accepted(piece: _Restrictions, effects: np.ndarray, *, level: float) -> np.ndarray:
    """Which effects, shape ``(m,)``, the hybrid test does not reject under one set of restrictions."""
    violated = (piece.y - np.multiply.outer(effects, piece.step)) @ piece.weights.T
    chosen = violated.argmax(axis=1)
    worst = violated[np.arange(len(effects)), chosen]
    spread = piece.weights @ piece.covariance @ piece.weights.T
    variance = spread[chosen, chosen]
    # given the rest of the data the worst stays the worst while it lies between low and high
    share = spread[:, chosen].T / variance[:, None]
    rest = violated - share * worst[:, None]
    slack = 1.0 - share
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = rest / slack
    low = np.where(slack > 1e-9, edge, -np.inf).max(axis=1)
    high = np.minimum(np.where(slack < -1e-9, edge, np.inf).min(axis=1), piece.limit)
    error = np.sqrt(np.maximum(variance, 1e-300))
    alpha = 1 - level
    size = alpha * (1 - FIRST_STAGE) / (1 - FIRST_STAGE * alpha)
    bar = np.maximum(0.0, _truncated_quantile(1 - size, low / error, high / error))
    return (worst <= piece.limit) & (worst / error <= bar)


def _truncated_quantile(share: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Quantile of a standard normal between two ends; from the nearer tail, where its digits are."""
    up = low > 0
    a, b = np.where(up, -high, low), np.where(up, -low, high)
    part = np.where(up, 1 - share, share)
    below, above = special.ndtr(a), special.ndtr(b)
    at = special.ndtri(np.clip(below + part * (above - below), 1e-300, 1.0))
    return np.clip(np.where(up, -at, at), low, np.maximum(low, high))


def _edge(inside: Callable[[float], bool], accepted: float, refused: float) -> float:
    for _ in range(30):
        middle = (accepted + refused) / 2
        accepted, refused = (middle, refused) if inside(middle) else (accepted, middle)
    return float(accepted)
