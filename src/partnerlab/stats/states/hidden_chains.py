"""Hidden Markov chains whose readings err at a known rate: what truly moved, behind what was seen to move.

A unit stands in a true state ``i`` at a level ``g`` of it; the level says how reliably the state is read (a partner far
above a line is read right every quarter, one just above it every other quarter) and lasts as long as the state does.
Given state and level the readings of different periods are independent. Only the transition matrix between states and
the initial shares are unknown; they are found by maximum likelihood (Baum et al. 1970, doi:10.1214/aoms/1177697196;
scores by Fisher's identity, Louis 1982, doi:10.1111/j.2517-6161.1982.tb01203.x; misclassified chains as in Jackson et al.
2003, doi:10.1111/1467-9884.00351). With one level and exact readings this is the matrix of shares seen.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import optimize

#: Shares this small are taken as none: the likelihood is greatest where the cell is empty.
NOTHING = 1e-4
#: Rounds of expectation and maximisation before the quasi-Newton search takes over.
WARM = 30
#: Bound of the logarithm of a cell's odds against the largest cell of its row.
STEEPEST = 12.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Readings:
    """What was read, each pattern of readings once.

    Parameters
    ----------
    codes : ndarray of int8, shape (m, t)
        Reading of each pattern, beginning with its first; -1 is unknown, and follows after the last.
    length : ndarray of int, shape (m,)
        Periods up to the last reading.
    weight : ndarray, shape (m,)
        Units with this pattern.
    unit : ndarray of int, shape (n,)
        Pattern of each unit, -1 for units that were never read.
    start : ndarray of int, shape (n,)
        Period of each unit's first reading.
    """

    codes: np.ndarray = dataclasses.field(repr=False)
    length: np.ndarray = dataclasses.field(repr=False)
    weight: np.ndarray = dataclasses.field(repr=False)
    unit: np.ndarray = dataclasses.field(repr=False)
    start: np.ndarray = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Misreading:
    """How states are read: known beforehand, not estimated from the readings.

    Parameters
    ----------
    weight : ndarray, shape (s, g)
        Share of each level among those that enter a state; rows sum to one.
    reading : ndarray, shape (s, g, o)
        Probability of each reading; sums to one over readings.
    """

    weight: np.ndarray
    reading: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """Probability of each reading by true state, over its levels: shape ``(s, o)``."""
        return np.einsum("ig,igo->io", self.weight, self.reading)

    @classmethod
    def of_matrix(cls, matrix: np.ndarray) -> Misreading:
        """One level for each state: every unit in a state is misread with the same probabilities."""
        matrix = np.asarray(matrix, dtype=float)
        return cls(weight=np.ones((len(matrix), 1)), reading=matrix[:, None, :])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Smoothed:
    """What the readings tell under given shares.

    Parameters
    ----------
    log_likelihood : ndarray, shape (m,)
        Of each pattern.
    filtered, smoothed : ndarray, shape (t, m, s)
        Probability of each state given the readings up to a period, and given all.
    moves : ndarray, shape (m, s, s)
        Expected transitions of each pattern up to its last reading.
    entered : ndarray, shape (m, s)
        Probability of each first state.
    pairs : ndarray, shape (t - 1, m, s, s), or None
        Joint probability of the states of neighbouring periods, where asked for.
    """

    log_likelihood: np.ndarray
    filtered: np.ndarray = dataclasses.field(repr=False)
    smoothed: np.ndarray = dataclasses.field(repr=False)
    moves: np.ndarray = dataclasses.field(repr=False)
    entered: np.ndarray = dataclasses.field(repr=False)
    pairs: np.ndarray | None = dataclasses.field(repr=False, default=None)


def gather_readings(codes: np.ndarray) -> Readings:
    """Count each pattern of readings once; a sequence begins with its first reading and ends with its last.

    Parameters
    ----------
    codes : ndarray of int, shape (n, t)
        Reading of each unit in each period; negative is unknown.

    Examples
    --------
    >>> seen = gather_readings(np.array([[-1, 0, 1], [0, 1, -1], [0, -1, 1], [-1, -1, -1]]))
    >>> seen.codes.tolist(), seen.length.tolist(), seen.weight.tolist(), seen.unit.tolist()
    ([[0, -1, 1], [0, 1, -1]], [3, 2], [1.0, 2.0], [1, 1, 0, -1])
    """
    codes = np.asarray(codes)
    units, periods = codes.shape
    known = codes >= 0
    read = known.any(axis=1)
    start = np.where(read, known.argmax(axis=1), 0)
    place = start[:, None] + np.arange(periods)
    aligned = np.where(place < periods, np.take_along_axis(codes, np.minimum(place, periods - 1), axis=1), -1)
    aligned = np.ascontiguousarray(np.where(aligned < 0, -1, aligned)[read].astype(np.int8))
    _, first, unit, weight = np.unique(
        aligned.view(np.dtype((np.void, max(periods, 1)))).ravel(), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort(aligned[first].T[::-1])
    patterns = aligned[first][order]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    of_unit = np.full(units, -1)
    of_unit[read] = rank[unit]
    length = periods - (patterns[:, ::-1] >= 0).argmax(axis=1)
    return Readings(codes=patterns, length=length, weight=weight[order].astype(float), unit=of_unit, start=start)


def reading_likelihood(codes: np.ndarray, misreading: Misreading) -> np.ndarray:
    """Probability of each reading given state and level, 1 where nothing was read: shape ``(t, m, s, g)``."""
    table = np.concatenate([np.moveaxis(misreading.reading, 2, 0), np.ones((1, *misreading.weight.shape))])
    return table[np.asarray(codes, dtype=np.int64).T]


def smooth_states(
    readings: Readings, misreading: Misreading, *, transition: np.ndarray, initial: np.ndarray, pairs: bool = False
) -> Smoothed:
    """Pass forwards and backwards over the readings of all patterns at once.

    Parameters
    ----------
    readings, misreading
        What was read, and how.
    transition : ndarray, shape (s, s)
        Probability of each next state; rows sum to one.
    initial : ndarray, shape (s,)
        Share of each first state.
    pairs : bool
        Whether to keep the joint probabilities of neighbouring periods.

    Examples
    --------
    >>> read = gather_readings(np.array([[0, 1]]))
    >>> told = smooth_states(read, Misreading.of_matrix([[0.9, 0.1], [0.2, 0.8]]), transition=np.eye(2), initial=np.array([0.5, 0.5]))
    >>> round(float(np.exp(told.log_likelihood[0])), 4), told.smoothed[:, 0].round(2).tolist()  # (.9 * .1 + .2 * .8) / 2
    (0.125, [[0.36, 0.64], [0.36, 0.64]])
    """
    chance = reading_likelihood(readings.codes, misreading)
    periods, patterns, states, levels = chance.shape
    weight, stay = misreading.weight, np.diag(transition)
    leave = transition - np.diag(stay)
    forward, scale = np.empty(chance.shape), np.empty((periods, patterns))
    for step in range(periods):
        before = forward[step - 1]
        ahead = initial[:, None] * weight if step == 0 else before * stay[:, None] + (before.sum(axis=2) @ leave)[:, :, None] * weight
        forward[step] = ahead * chance[step]
        scale[step] = forward[step].sum(axis=(1, 2))
        forward[step] /= scale[step][:, None, None]
    filtered = forward.sum(axis=3)
    smoothed, moves = np.empty(filtered.shape), np.zeros((patterns, states, states))
    kept = np.zeros((periods - 1, patterns, states, states)) if pairs else None
    back = np.ones((patterns, states, levels))
    smoothed[-1] = filtered[-1]
    diagonal = np.arange(states)
    for step in range(periods - 1, 0, -1):
        after = chance[step] * back / scale[step][:, None, None]
        entering = (weight * after).sum(axis=2)
        pair = filtered[step - 1][:, :, None] * leave * entering[:, None, :]
        pair[:, diagonal, diagonal] += (forward[step - 1] * after).sum(axis=2) * stay
        moves += pair * (step < readings.length)[:, None, None]
        if kept is not None:
            kept[step - 1] = pair
        back = stay[:, None] * after + (entering @ leave.T)[:, :, None]
        smoothed[step - 1] = (forward[step - 1] * back).sum(axis=2)
    return Smoothed(
        log_likelihood=np.log(scale).sum(axis=0), filtered=filtered, smoothed=smoothed, moves=moves, entered=smoothed[0], pairs=kept
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChainFit:
    """Most likely transition matrix behind the readings, and what a change of it would do to the likelihood.

    Parameters
    ----------
    transition : ndarray, shape (s, s)
        Rows of states that nobody was ever in are NaN.
    initial : ndarray, shape (s,)
        Shares of first states.
    log_likelihood : float
        Of all units together.
    moves : ndarray, shape (s, s)
        Expected transitions.
    model, robust : ndarray, shape (s * s, s * s)
        Covariance of the cells, row by row, by observed information, and by the sandwich clustered by unit; cells at
        their boundary have none.
    converged : bool
        Whether the search settled.
    """

    transition: np.ndarray
    initial: np.ndarray
    log_likelihood: float
    moves: np.ndarray
    model: np.ndarray
    robust: np.ndarray
    converged: bool

    @property
    def inner(self) -> np.ndarray:
        """Cells that lie neither at 0 nor at 1, bool ``(s, s)``."""
        return (self.transition > NOTHING) & (self.transition < 1.0 - NOTHING)

    def errors(self, covariance: np.ndarray) -> np.ndarray:
        """Give the standard error of each cell under one of the covariances, NaN at the boundary: shape ``(s, s)``."""
        variance = np.diag(covariance).reshape(self.transition.shape)
        return np.sqrt(np.where(self.inner & (variance > 0), variance, np.nan))


def _shares(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)


def _maximised(moves: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Shares of expected transitions; the row of a state never left keeps what it was."""
    return np.where(moves.sum(axis=1, keepdims=True) > 0, _shares(moves), transition)


class _Logits:
    """Cells as logarithms of odds against the largest of their row; cells that are none stay out."""

    def __init__(self, table: np.ndarray, *, nothing: float) -> None:
        self.table = table
        self.base = table.argmax(axis=1)
        free = table > nothing
        free[np.arange(len(table)), self.base] = False
        self.row, self.column = np.nonzero(free)

    @property
    def start(self) -> np.ndarray:
        table = np.maximum(self.table, 1e-300)
        return np.log(table[self.row, self.column] / table[self.row, self.base[self.row]])

    def shares(self, logits: np.ndarray) -> np.ndarray:
        odds = np.zeros(self.table.shape)
        odds[np.arange(len(odds)), self.base] = 1.0
        odds[self.row, self.column] = np.exp(logits)
        return _shares(odds)

    def scores(self, counts: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Give the derivative of each pattern's log likelihood: expected counts less what the shares say, shape ``(m, free)``."""
        apart = counts - table * counts.sum(axis=-1, keepdims=True)
        return apart[:, self.row, self.column]

    def gradient(self, table: np.ndarray) -> np.ndarray:
        """Give the derivative of every cell by every free logit: shape ``(rows, columns, free)``."""
        own = (np.arange(len(table))[:, None, None] == self.row) * table[self.row, self.column]
        return own * ((np.arange(table.shape[1])[None, :, None] == self.column) - table[:, :, None])


def _stacked(transition: np.ndarray, initial: np.ndarray) -> np.ndarray:
    return np.vstack([transition, initial])


def _scores(logits: _Logits, values: np.ndarray, readings: Readings, misreading: Misreading) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihood of each pattern, and its derivatives."""
    table = logits.shares(values)
    told = smooth_states(readings, misreading, transition=table[:-1], initial=table[-1])
    counts = np.concatenate([told.moves, told.entered[:, None, :]], axis=1)
    return told.log_likelihood, logits.scores(counts, table)


def fit_chain(readings: Readings, misreading: Misreading, *, tolerance: float = 1e-9) -> ChainFit:
    """Find the transition matrix of the true states by maximum likelihood.

    Parameters
    ----------
    readings : Readings
        Of units that are independent of each other.
    misreading : Misreading
        Known.
    tolerance : float
        Relative change of the log likelihood at which the search ends.

    Returns
    -------
    ChainFit

    Examples
    --------
    >>> fit = fit_chain(gather_readings(np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0]])), Misreading.of_matrix(np.eye(2)))
    >>> fit.transition.round(3).tolist()  # exact readings: the shares seen
    [[0.75, 0.25], [0.5, 0.5]]
    """
    states = len(misreading.weight)
    transition, initial = (np.eye(states) * 0.8 + 0.2 / states), np.full(states, 1.0 / states)
    weight = readings.weight
    for _ in range(WARM):
        told = smooth_states(readings, misreading, transition=transition, initial=initial)
        moves = np.einsum("m,mij->ij", weight, told.moves)
        transition, initial = _maximised(moves, transition), weight @ told.entered / weight.sum()
    never = moves.sum(axis=1) <= 0
    transition[never] = np.eye(states)[never]
    logits = _Logits(_stacked(transition, initial), nothing=1e-12)
    size = weight.sum()

    def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
        each, scores = _scores(logits, values, readings, misreading)
        return -float(weight @ each) / size, -(weight @ scores) / size

    found = logits.start
    converged = True
    if len(found):
        settings = {"maxiter": 2000, "maxfun": 4000, "ftol": tolerance * 1e-3, "gtol": 1e-8, "maxcor": 20}
        search = optimize.minimize(
            cost, np.clip(found, -STEEPEST, STEEPEST), jac=True, method="L-BFGS-B", bounds=[(-STEEPEST, STEEPEST)] * len(found),
            options=settings,
        )  # fmt: skip
        found, converged = search.x, bool(search.success)
    table = logits.shares(found)
    model, robust = _covariances(table, readings, misreading)
    told = smooth_states(readings, misreading, transition=table[:-1], initial=table[-1])
    matrix = np.where(table[:-1] > NOTHING / 10, table[:-1], 0.0)
    return ChainFit(
        transition=np.where(never[:, None], np.nan, _shares(matrix)), initial=table[-1], log_likelihood=float(weight @ told.log_likelihood),
        moves=np.einsum("m,mij->ij", weight, told.moves), model=model, robust=robust, converged=converged,
    )  # fmt: skip


def _covariances(table: np.ndarray, readings: Readings, misreading: Misreading) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of the cells of the transition matrix: inverse observed information, and the sandwich around it."""
    logits = _Logits(table, nothing=NOTHING)
    at, size = logits.start, len(logits.start)
    cells = table[:-1].size
    if not size:
        return np.zeros((cells, cells)), np.zeros((cells, cells))
    weight, width = readings.weight, 1e-4
    steps = np.eye(size) * width
    curve = np.stack(
        [
            weight @ (_scores(logits, at + step, readings, misreading)[1] - _scores(logits, at - step, readings, misreading)[1])
            for step in steps
        ]
    ) / (2.0 * width)
    information = -(curve + curve.T) / 2.0
    scores = _scores(logits, at, readings, misreading)[1]
    units = weight.sum()
    meat = (scores * weight[:, None]).T @ scores * units / max(units - 1.0, 1.0)
    bread = np.linalg.pinv(information, hermitian=True)
    gradient = logits.gradient(logits.shares(at))[:-1].reshape(cells, size)
    return gradient @ bread @ gradient.T, gradient @ bread @ meat @ bread @ gradient.T


def profile_limit(
    fit: ChainFit, readings: Readings, misreading: Misreading, *, cell: tuple[int, int], drop: float, rounds: int = 10
) -> float:
    """Find how far a cell may lie from its boundary before the log likelihood, all else chosen anew, falls by ``drop``.

    Parameters
    ----------
    fit : ChainFit
        In which the cell is 0, or 1 on the diagonal.
    readings, misreading
        Of the fit.
    cell : tuple of int
        Row and column.
    drop : float
        ``-log(1 - level)`` gives the rule of three where readings are exact.
    rounds : int
        Of expectation and maximisation for each value tried.

    Examples
    --------
    >>> read, exact = gather_readings(np.zeros((10, 4), dtype=int)), Misreading.of_matrix(np.eye(2))
    >>> round(profile_limit(fit_chain(read, exact), read, exact, cell=(0, 1), drop=-np.log(0.05)), 4)  # 1 - .05^(1 / 30)
    0.095
    """
    row, column = cell
    start = np.where(np.isnan(fit.transition), np.eye(len(fit.transition)), fit.transition)
    low, high = np.log(NOTHING), np.log(0.999)
    transition, initial = start, fit.initial
    for _ in range(14):
        tried = (low + high) / 2.0
        share = float(np.exp(tried))
        for _ in range(rounds):
            transition = _held(transition, row, column, 1.0 - share if row == column else share)
            told = smooth_states(readings, misreading, transition=transition, initial=initial)
            reached = float(readings.weight @ told.log_likelihood)
            if fit.log_likelihood - reached <= drop:
                break
            transition = _maximised(np.einsum("m,mij->ij", readings.weight, told.moves), transition)
            initial = readings.weight @ told.entered / readings.weight.sum()
        inside = fit.log_likelihood - reached <= drop
        low, high = (tried, high) if inside else (low, tried)
    return float(np.exp(low))


def empty_drop(fit: ChainFit, readings: Readings, misreading: Misreading, *, cells: np.ndarray, rounds: int = 10) -> float:
    """Find by how much the log likelihood falls if some moves are never made, all else chosen anew.

    Parameters
    ----------
    fit : ChainFit
        Of the readings.
    readings, misreading
        Of the fit.
    cells : ndarray of bool, shape (s, s)
        Moves that are not made; the diagonal takes what they had.
    rounds : int
        Of expectation and maximisation.

    Examples
    --------
    >>> read = gather_readings(np.array([[0, 0, 0, 1]] * 4 + [[0, 0, 0, 0]] * 8))
    >>> some = Misreading.of_matrix([[0.9, 0.1], [0.1, 0.9]])
    >>> 0 < empty_drop(fit_chain(read, some), read, some, cells=~np.eye(2, dtype=bool)) < 4
    True
    """
    transition = np.where(np.isnan(fit.transition), np.eye(len(fit.transition)), fit.transition)
    initial, reached = fit.initial, -np.inf
    for _ in range(rounds):
        kept = np.where(cells, 0.0, transition)
        kept[np.diag_indices(len(kept))] += np.where(cells, transition, 0.0).sum(axis=1)
        # not quite never, so that a sequence that cannot be without the move is merely unlikely
        told = smooth_states(readings, misreading, transition=_shares(np.where(cells, 1e-9, kept)), initial=initial)
        reached = max(reached, float(readings.weight @ told.log_likelihood))
        transition = _maximised(np.einsum("m,mij->ij", readings.weight, told.moves), transition)
        initial = readings.weight @ told.entered / readings.weight.sum()
    return fit.log_likelihood - reached


def _held(transition: np.ndarray, row: int, column: int, share: float) -> np.ndarray:
    """Put one cell at a share and let the others of its row keep their proportions."""
    held = transition.copy()
    rest = np.delete(held[row], column)
    rest = np.maximum(rest, 1e-9 if row == column else 0.0)
    rest = rest / rest.sum() if rest.sum() > 0 else np.full(len(rest), 1.0 / len(rest))
    held[row] = np.insert(rest * (1.0 - share), column, share)
    return held
