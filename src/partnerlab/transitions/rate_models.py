"""Which moves a generator allows, which intensities are equal or given, and what changes them: the design of a rate model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.stats.states.panel_likelihood import RateDesign, fill_generators
from partnerlab.transitions.clock_pieces import CLOCK, Pieces, read_time
from partnerlab.transitions.panel_rows import PanelRows

Move = tuple[str, str]
Allowed = pd.DataFrame | np.ndarray | Mapping[str, Sequence[str]] | Sequence[Move] | None
Covariates = Sequence[str] | Mapping[str, Sequence[Move]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateModel:
    """Log intensities, linear in parameters: ``offset + (base + sum_c x_c effects_c) theta`` with x counted from its mean.

    Parameters
    ----------
    states : tuple of str
    origin, target : ndarray of int, shape (m,)
        Moves that can be made.
    offset : ndarray, shape (m,)
        Logs of intensities that are given; 0 where they are estimated.
    base : ndarray, shape (m, p)
    effects : ndarray, shape (c, m, p)
        Where the parameters of each term stand.
    terms : tuple of str
        Covariates; a level of a category is written ``name[level]``.
    means : ndarray, shape (c,)
        Mean of each term over the intervals: there the generator is shown.
    levels : mapping
        Levels of each category after the first; numbers have none.
    pieces : Pieces
        Of the clock, where intensities change; the last terms.
    """

    states: tuple[str, ...]
    origin: np.ndarray
    target: np.ndarray
    offset: np.ndarray
    base: np.ndarray
    effects: np.ndarray
    terms: tuple[str, ...]
    means: np.ndarray
    levels: Mapping[str, tuple[str, ...]]
    pieces: Pieces = dataclasses.field(default_factory=Pieces)

    def design(self, patterns: np.ndarray) -> RateDesign:
        """Design for covariate patterns, shape ``(g, c)``."""
        slopes = self.base[None] + np.einsum("gc,cmp->gmp", patterns - self.means, self.effects)
        offset = np.repeat(self.offset[None], len(patterns), axis=0)
        return RateDesign(origin=self.origin, target=self.target, offset=offset, slopes=slopes, states=len(self.states))

    def rates(self, parameters: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Intensities at one pattern ``(c,)``, shape ``(m,)``."""
        return self.design(values[None]).rates(parameters)[0]

    def generator(self, parameters: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Give the generator at one pattern, shape ``(s, s)``."""
        return fill_generators(self.rates(parameters, values)[None], self.origin, self.target, len(self.states))[0]

    def read_legs(
        self, time: float, start: float | str | None, covariates: Mapping[str, object] | None
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Read lengths ``(k,)`` and patterns of the legs from ``start`` on; with a piece of the clock named there is one.

        Raises
        ------
        ParameterError
            If intensities change and neither is given.
        """
        values = self.read_values(covariates)
        if not self.pieces or CLOCK in (covariates or {}):
            return np.array([time]), (values,)
        if start is None:
            raise ParameterError(f"start: intensities change over time; give a start, or a piece as covariates={{{CLOCK!r}: ...}}")
        begin = np.array([read_time(start, "start", self.pieces.calendar)])
        length, piece = self.pieces.legs(begin, np.array([time]))
        return length[0], tuple(self.read_values({**(covariates or {}), CLOCK: self.pieces.labels[at]}) for at in piece[0])

    def read_values(self, covariates: Mapping[str, object] | None) -> np.ndarray:
        """Read one pattern; terms not named stay at their mean.

        Raises
        ------
        ParameterError
            If there is no such covariate or level.
        """
        values = self.means.copy()
        for name, value in (covariates or {}).items():
            if name in self.terms:
                values[self.terms.index(name)] = float(value)
            elif name in self.levels:
                if str(value) not in (*self.levels[name], self.levels[f"{name}:first"][0]):
                    raise ParameterError(f"covariates: {name} has no level {value!r}{nearest(str(value), self.levels[name])}")
                for level in self.levels[name]:
                    values[self.terms.index(f"{name}[{level}]")] = float(level == str(value))
            else:
                known = [*(term for term in self.terms if "[" not in term), *(one for one in self.levels if ":" not in one)]
                raise ParameterError(f"covariates: the generator has none called {name!r}{nearest(name, known)}")
        return values


def code_covariates(columns: pd.DataFrame) -> tuple[np.ndarray, tuple[str, ...], dict[str, tuple[str, ...]], np.ndarray]:
    """Code covariates as numbers: terms ``(m, c)``, their names, levels of categories, and the rows without a missing value."""
    known = columns.notna().all(axis=1).to_numpy() if columns.shape[1] else np.ones(len(columns), dtype=bool)
    parts, terms, levels = [], [], {}
    for name in columns:
        values = columns[name]
        if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            parts.append(values.to_numpy(dtype=float, na_value=np.nan))
            terms.append(str(name))
            continue
        found = [str(level) for level in pd.factorize(values.dropna(), sort=True)[1]]
        levels[str(name)], levels[f"{name}:first"] = tuple(found[1:]), tuple(found[:1])
        for level in found[1:]:
            parts.append((values.astype("str") == level).to_numpy(dtype=float))
            terms.append(f"{name}[{level}]")
    coded = np.column_stack(parts) if parts else np.zeros((len(columns), 0))
    return coded, tuple(terms), levels, known


def read_allowed(allowed: Allowed, rows: PanelRows) -> np.ndarray:
    """Which moves can be made, shape ``(s, s)``; by default all out of states that anybody left.

    Raises
    ------
    ParameterError
        If it does not fit the states.
    """
    s, names = len(rows.states), rows.states
    if allowed is None:
        away = rows.moved.copy()
        np.fill_diagonal(away, 0.0)
        return (away.sum(axis=1) > 0)[:, None] & ~np.eye(s, dtype=bool)
    found = np.zeros((s, s), dtype=bool)
    if isinstance(allowed, np.ndarray):
        if allowed.shape != (s, s):
            raise ParameterError(f"allowed has shape {allowed.shape}; give ({s}, {s}), states {', '.join(names)} in this order")
        found = (allowed != 0) & ~np.eye(s, dtype=bool)
    elif isinstance(allowed, pd.DataFrame):
        for origin in allowed.index:
            for target in allowed.columns:
                i, j = place_of(str(origin), names, "allowed"), place_of(str(target), names, "allowed")
                found[i, j] = i != j and bool(allowed.loc[origin, target])
    else:
        moves = [(a, b) for a, targets in allowed.items() for b in targets] if isinstance(allowed, Mapping) else allowed
        for origin, target in moves:
            found[place_of(str(origin), names, "allowed"), place_of(str(target), names, "allowed")] = True
        np.fill_diagonal(found, False)
    if not found.any():
        raise ParameterError("allowed: no move is allowed; name at least one")
    return found


def place_of(name: str, names: Sequence[str], argument: str) -> int:
    """Place of a state, or say that there is none."""
    if name not in names:
        raise ParameterError(f"{argument}: no state {name!r}{nearest(name, names)}")
    return list(names).index(name)


def check_possible(rows: PanelRows, allowed: np.ndarray) -> None:
    """Refuse intervals that no way through the allowed moves can explain.

    Raises
    ------
    SampleError
        Naming the states and how many.
    """
    s = len(rows.states)
    reach = np.linalg.matrix_power(np.eye(s) + allowed, s) > 0
    to_end = np.empty((s, len(rows.names)), dtype=bool)
    for place, exact in enumerate(rows.exact):
        # a state entered at a known time is entered from another one
        to_end[:, place] = (reach @ allowed[:, exact]) > 0 if exact >= 0 else (reach @ rows.endings[place]) > 0
    bad = ~to_end[rows.origin, rows.ending]
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        way = f"from {rows.states[rows.origin[first]]} to {rows.names[rows.ending[first]]}"
        told = f"{int(rows.weight[bad].sum())} interval(s) cannot come about by the allowed moves (first: {way})"
        raise SampleError(f"observations: {told}; allow a way, or mend the rows")


#: Covariates with one effect on all their moves; or, of each, the groups of moves that have one.
Shared = Sequence[str] | Mapping[str, Sequence[Sequence[Move]]]


class Terms(NamedTuple):
    """Covariates of a rate model: coded terms, their means, levels of categories, the moves of each, and which are shared by all moves."""

    names: tuple[str, ...]
    means: np.ndarray
    levels: Mapping[str, tuple[str, ...]]
    only: Mapping[str, Sequence[Move]]
    shared: Shared


def _groups_of(name: str, moves: np.ndarray, shared: Shared, place: Mapping[Move, int], states: tuple[str, ...]) -> list[np.ndarray]:
    """Find the moves on which a covariate has one effect: a list of groups, empty where each move has its own."""
    if name not in shared:
        return []
    if not isinstance(shared, Mapping):
        return [moves]
    found = [np.array([_move_at(move, place, states, "shared") for move in group], dtype=np.int64) for group in shared[name]]
    every = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
    if len(np.unique(every)) < len(every) or not np.isin(every, moves).all():
        raise ParameterError(f"shared: a move stands twice in the groups of {name!r}, or {name!r} has no effect on it")
    return found


def build_model(
    rows: PanelRows,
    allowed: np.ndarray,
    *,
    equal: Sequence[Sequence[Move]],
    fixed: Mapping[Move, float],
    terms: Terms,
    pieces: Pieces,
) -> RateModel:
    """Lay out the parameters: intensities that are free (equal ones once), then effects of each term on them."""
    origin, target = np.nonzero(allowed)
    place = {(rows.states[i], rows.states[j]): at for at, (i, j) in enumerate(zip(origin, target, strict=True))}
    offset, column = np.zeros(len(origin)), np.arange(len(origin))
    for move, rate in fixed.items():
        at = _move_at(move, place, rows.states, "fixed")
        if not rate > 0:
            raise ParameterError(f"fixed: the intensity of {move[0]} to {move[1]} is {rate:g}; give one above 0, or do not allow the move")
        offset[at], column[at] = np.log(rate), -1
    for group in equal:
        at = [_move_at(move, place, rows.states, "equal") for move in group]
        if (column[at] < 0).any():
            raise ParameterError("equal: an intensity cannot be equal to others and fixed; leave it out of one of the two")
        column[at] = column[at].min()
    free = sorted(set(column[column >= 0]))
    columns = [(np.flatnonzero(column == one), None) for one in free]
    for index, term in enumerate(terms.names):
        name = term.split("[")[0]
        moves = np.flatnonzero(column >= 0)
        if name in terms.only:
            moves = np.array([_move_at(move, place, rows.states, "covariates") for move in terms.only[name]], dtype=np.int64)
        # equal intensities stay equal: they share effects too
        apart = _groups_of(name, moves, terms.shared, place, rows.states)
        alone = np.setdiff1d(moves, np.concatenate(apart)) if apart else moves
        sets = [*apart, *(np.intersect1d(np.flatnonzero(column == one), alone) for one in free)]
        columns += [(at, index) for at in sets if len(at)]
    base, effects = np.zeros((len(origin), len(columns))), np.zeros((len(terms.names), len(origin), len(columns)))
    for parameter, (at, term_index) in enumerate(columns):
        (base if term_index is None else effects[term_index])[at, parameter] = 1.0
    return RateModel(
        states=rows.states, origin=origin, target=target, offset=offset, base=base, effects=effects, terms=terms.names,
        means=terms.means, levels=terms.levels, pieces=pieces,
    )  # fmt: skip


def _move_at(move: Move, place: Mapping[Move, int], states: Sequence[str], argument: str) -> int:
    origin, target = (str(move[0]), str(move[1])) if len(move) == 2 else ("", "")
    for name in (origin, target):
        place_of(name, states, argument)
    if (origin, target) not in place:
        raise ParameterError(f"{argument}: the move from {origin} to {target} is not among those allowed")
    return place[origin, target]
