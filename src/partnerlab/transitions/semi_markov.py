"""How partners move on from where they stand: by tier, time in it, how restless they are, season, and shocks common to all.

Ways out of a tier come one after the other (lapse; else down; else up; else elsewhere), each with log-odds that are
sums of shrunken effects: tier, time in it, the two together, season, how often the partner has moved so far, and the
quarter itself in each tier, whose effects are the common shocks; log-odds of lapsing have a slope on the logarithm of time as a member
besides. What no block can tell apart stays near the average of its block.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.shrinkage.mixed_logit import MixedLogit, fit_mixed_logit, indicator_rows
from partnerlab.transitions.stays import (
    AGES,
    CLASS_OF_STAY,
    CLASSES,
    KINDS,
    LIKELY,
    ages_before,
    clock_of,
    read_kinds,
    read_stays,
    read_tenure,
)

#: Variance of tiers' log-odds, given: tiers are few and really differ, so only a tier with hardly any moves is drawn to the others.
TIERS_APART = 1.0
TIER, STAY, BOTH, SEASON, RESTLESS, QUARTER = range(6)
#: Slope on the logarithm of time as a member: mean and variance of all that gamma frailty allows, 0 to -1 (Vaupel and others 1979).
SLOPE, SLOPE_VARIANCE = -0.5, 1.0 / 12.0
#: Updates of variances when a fit starts from one much like it.
FEW = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exit:
    """One way out of some states.

    Parameters
    ----------
    name : str
        Such as "lapse".
    reach : ndarray of bool, shape (s, s)
        States that it leads to, by the state left; a row without any has no such way.
    counts : ndarray, shape (s, s)
        Moves seen.
    fit : MixedLogit or None
        Log-odds of leaving this way rather than staying or leaving by a later one; None if nobody could. The slope, on
        the logarithm of time as a member, comes last; only lapses have one.
    """

    name: str
    reach: np.ndarray
    counts: np.ndarray
    fit: MixedLogit | None

    @property
    def origins(self) -> np.ndarray:
        """States that can be left this way."""
        return np.flatnonzero(self.reach.any(axis=1))

    def slopes(self, *, memory: bool) -> bool:
        """Whether time as a member counts."""
        return memory and self.name == "lapse"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowModel:
    """All ways out of all states, fitted.

    Parameters
    ----------
    states : int
        Number of states.
    exits : tuple of Exit
        In the order in which they are tried.
    memory : bool
        Whether time in the state and season count.
    seasons : int
        Quarters (or months) of a year.
    quarters : int
        Pairs of quarters that were read.
    ages : ndarray, shape (len(AGES),)
        How likely each age is, at the record's beginning, of those who were members then.
    """

    states: int
    exits: tuple[Exit, ...]
    memory: bool
    seasons: int
    quarters: int
    ages: np.ndarray

    def rows(self, way: Exit, cells: np.ndarray, season: int, clock: np.ndarray) -> np.ndarray:
        """Design rows of some cells in the coming quarter: shape ``(m, p)``.

        Parameters
        ----------
        way : Exit
            Which exit.
        cells : ndarray of int, shape (4, m)
            State, kind, band and class of stay; the state can be left this way.
        season : int
            Of the quarter.
        clock : ndarray, shape (BANDS, CLASSES)
            Logarithm of time as a member.
        """
        state, kind, band, stay = cells
        state = np.searchsorted(way.origins, state)
        levels = _levels(state, stay, kind, np.full(len(state), season), np.full(len(state), -1), memory=self.memory)
        slopes = clock[band, stay][:, None] if way.slopes(memory=self.memory) else np.zeros((len(state), 0))
        return np.concatenate([indicator_rows(levels, way.fit.sizes), slopes], axis=1)


def _levels(state: np.ndarray, stay: np.ndarray, kind: np.ndarray, season: np.ndarray, quarter: np.ndarray, *, memory: bool) -> np.ndarray:
    if not memory:
        nothing = np.full(len(state), -1)
        return np.stack([state, nothing, nothing, nothing, nothing, quarter], axis=1)
    return np.stack([state, stay, state * CLASSES + stay, season, kind, quarter], axis=1)


def exits_of(rank: tuple[int | None, ...], possible: np.ndarray | None = None) -> list[tuple[str, np.ndarray]]:
    """Ways out of tiers of these heights, then of having lapsed and of being unknown: name, and what each state reaches.

    Only moves that can be made, shape ``(s, s)``; all by default.

    Examples
    --------
    >>> {name: reach.sum(axis=1).tolist() for name, reach in exits_of((2, 1))}["elsewhere"]
    [1, 1, 0, 0]
    >>> {name: reach.sum(axis=1).tolist() for name, reach in exits_of((2, 1))}["up"]
    [0, 1, 0, 0]
    """
    tiers = len(rank)
    states, lapsed, unknown = tiers + 2, tiers, tiers + 1
    height = np.array([np.nan if one is None else float(one) for one in rank])
    names = ("lapse", "down", "up", "elsewhere", "return", "found")
    reach = {name: np.zeros((states, states), dtype=bool) for name in names}
    reach["lapse"][:tiers, lapsed] = True
    reach["down"][:tiers, :tiers] = height[None, :] < height[:, None]
    reach["up"][:tiers, :tiers] = height[None, :] > height[:, None]
    reach["elsewhere"][:tiers] = ~(reach["lapse"] | reach["down"] | reach["up"])[:tiers]
    reach["elsewhere"][np.arange(tiers), np.arange(tiers)] = False
    reach["return"][lapsed] = np.arange(states) != lapsed
    reach["found"][unknown] = np.arange(states) != unknown
    can = np.ones((states, states), dtype=bool) if possible is None else possible
    return [(name, reach[name] & can) for name in names]


def fit_flows(
    codes: np.ndarray,
    *,
    rank: tuple[int | None, ...],
    use: np.ndarray,
    season: np.ndarray,
    seasons: int,
    memory: bool = True,
    possible: np.ndarray | None = None,
) -> FlowModel:
    """Fit how partners move on.

    Parameters
    ----------
    codes : ndarray of int, shape (n, t)
        Tiers, then lapsed and unknown; negative is not observed.
    rank : tuple of (int or None)
        Height of each tier.
    use : ndarray of bool, shape (t - 1,)
        Pairs of neighbouring quarters that count.
    season : ndarray of int, shape (t - 1,)
        Season moved into.
    seasons : int
        Seasons of a year.
    memory : bool
        Whether time in the state and season count; without them a move depends on the state alone.
    possible : ndarray of bool, shape (s, s), or None
        Moves that can be made; all by default. With memory a way out that nobody took yet is given half a move.

    Examples
    --------
    >>> codes = np.random.default_rng(0).integers(0, 2, (50, 6))
    >>> flows = fit_flows(codes, rank=(2, 1), use=np.ones(5, dtype=bool), season=np.arange(5) % 4, seasons=4)
    >>> [way.name for way in flows.exits if way.fit is not None]
    ['lapse', 'down', 'up']
    """
    steps = np.flatnonzero(use)
    origin, target = codes[:, :-1][:, steps], codes[:, 1:][:, steps]
    partner, step = np.nonzero((origin >= 0) & (target >= 0))
    before = (slice(None), slice(None, -1))
    moves = _Moves(
        partner=partner, step=step, origin=origin[partner, step].astype(np.int64), target=target[partner, step].astype(np.int64),
        stay=CLASS_OF_STAY[read_stays(codes, len(rank))[before][:, steps][partner, step]], season=np.asarray(season)[steps][step],
        kind=read_kinds(codes, len(rank))[before][:, steps][partner, step].astype(np.int64),
        tenure=read_tenure(codes, len(rank))[before][:, steps][partner, step].astype(np.int64), record=codes.shape[1],
    )  # fmt: skip
    states, left, exits = len(rank) + 2, np.zeros(len(partner), dtype=bool), []
    can = np.ones((states, states), dtype=bool) if possible is None else possible.copy()
    # tiers can be reached, and partners lapse, though nobody has yet; being unknown is a state only where somebody was
    can[:, -1] &= (codes == states - 1).any()
    for name, reach in exits_of(rank, can):
        at_risk = reach.any(axis=1)[moves.origin] & ~left
        gone = reach[moves.origin, moves.target] & at_risk
        exits.append(_fit_exit(name, reach, moves, at_risk, gone, sizes=(states, len(steps), seasons), memory=memory))
        left |= gone
    ways, ages = zip(*exits, strict=True)
    return FlowModel(states=states, exits=ways, memory=memory, seasons=seasons, quarters=len(steps), ages=ages[0])


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Moves:
    """Partner-quarters seen at both ends, as arrays of one length."""

    partner: np.ndarray
    step: np.ndarray
    origin: np.ndarray
    target: np.ndarray
    stay: np.ndarray
    season: np.ndarray
    kind: np.ndarray
    tenure: np.ndarray
    record: int


def _fit_exit(
    name: str, reach: np.ndarray, moves: _Moves, at_risk: np.ndarray, gone: np.ndarray, *, sizes: tuple[int, int, int], memory: bool
) -> tuple[Exit, np.ndarray]:
    """Fit one way out, and say how likely each age of those is who were members when the record began."""
    states, quarters, seasons = sizes
    counts = np.bincount(moves.origin[gone] * states + moves.target[gone], minlength=states * states).reshape(states, states)
    ages = np.eye(len(AGES))[AGES.index(1)]
    if not at_risk.any() or not (memory or gone.any()):
        return Exit(name=name, reach=reach, counts=counts, fit=None), ages
    way = Exit(name=name, reach=reach, counts=counts, fit=None)
    state, slopes = np.searchsorted(way.origins, moves.origin[at_risk]), way.slopes(memory=memory)
    shape = (quarters, len(way.origins), KINDS, CLASSES, int(moves.tenure.max(initial=0)) + 1)
    past = (moves.kind[at_risk], moves.stay[at_risk]) if memory else (0, 0)
    tenure = moves.tenure[at_risk] if slopes else 0
    key = np.ravel_multi_index((moves.step[at_risk], state, *np.broadcast_arrays(*past, tenure, state)[:3]), shape)
    cells, place, trials = np.unique(key, return_inverse=True, return_counts=True)
    events = np.bincount(place, weights=gone[at_risk].astype(float), minlength=len(cells))
    # what was not seen yet can happen: half a move, spread over those at risk
    events = events if gone.any() else 0.5 * trials / trials.sum()
    quarter, state, kind, stay, tenure = np.unravel_index(cells, shape)
    season_of = np.zeros(quarters, dtype=np.int64)
    season_of[moves.step] = moves.season
    levels = _levels(state, stay, kind, season_of[quarter], state * quarters + quarter, memory=memory)
    sizes = (len(way.origins), CLASSES, len(way.origins) * CLASSES, seasons, KINDS, len(way.origins) * quarters)
    counted = (events, trials, levels, sizes)
    if not slopes:
        # half a move tells nothing of how effects vary
        rounds = 40 if gone.any() else FEW
        return dataclasses.replace(way, fit=fit_mixed_logit(*counted, fixed={TIER: TIERS_APART}, rounds=rounds)), ages
    fit, ages = _fit_aging(counted, tenure, moves.record)
    return dataclasses.replace(way, fit=fit), ages


def _fit_aging(counted: tuple, tenure: np.ndarray, record: int) -> tuple[MixedLogit, np.ndarray]:
    """Fit lapses, which fall with time as a member.

    How long those had been members who were when the record began, nobody knows: each age is given the weight that the lapses
    give it (its marginal likelihood), and the clock is the mean over them.
    """
    begun = tenure > record
    seen, before = tenure - record * begun, ages_before(begun, record)

    def fit_with(ages: np.ndarray, **options: object) -> MixedLogit:
        clock = clock_of(seen, before=before, ages=ages)[:, None]
        return fit_mixed_logit(
            *counted, fixed={TIER: TIERS_APART}, numbers=clock, slope_mean=SLOPE, slope_variance=SLOPE_VARIANCE, **options
        )

    alone, usual = np.eye(len(AGES)), AGES.index(1)
    fit = fit_with(alone[usual])
    if not begun.any():
        return fit, alone[usual]
    fits = [fit if age == usual else fit_with(alone[age], rounds=FEW, start=fit) for age in range(len(AGES))]
    evidence = np.array([one.evidence for one in fits])
    ages = special.softmax(evidence + np.log(LIKELY))
    return fit_with(ages, rounds=FEW, start=fit), ages
