"""How partners move on from where they stand: by tier, time in it, how restless they are, season, and shocks common to all.

Ways out of a tier come one after the other (lapse; else down; else up; else elsewhere), each with log-odds that are
sums of shrunken effects: tier, time in it, the two together, season, how often the partner has moved so far, and the
quarter itself, whose effects are the common shocks; log-odds of lapsing have a slope on the logarithm of time as a member
besides. What no block can tell apart stays near the average of its block.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.shrinkage.mixed_logit import MixedLogit, fit_mixed_logit, indicator_rows, spread_at
from partnerlab.transitions.stays import CLASS_OF_STAY, CLASSES, KINDS, clock_of, read_kinds, read_stays, read_tenure

#: Degrees of freedom of shocks: now and then a quarter strays far, as those of a clean-up do.
TAILS = 6
#: Variance of tiers' log-odds, given: tiers are few and really differ, so only a tier with hardly any moves is drawn to the others.
TIERS_APART = 1.0
TIER, STAY, BOTH, SEASON, RESTLESS, QUARTER = range(6)
#: Variance of the slope on the logarithm of time as a member, given; with gamma frailty it goes from 0 to -1 (Vaupel and others 1979).
SLOPE = 0.25


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
        Quarters that were read.
    """

    states: int
    exits: tuple[Exit, ...]
    memory: bool
    seasons: int
    quarters: int

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
    ['down', 'up']
    """
    steps = np.flatnonzero(use)
    origin, target = codes[:, :-1][:, steps], codes[:, 1:][:, steps]
    partner, step = np.nonzero((origin >= 0) & (target >= 0))
    before = (slice(None), slice(None, -1))
    moves = _Moves(
        partner=partner, step=step, origin=origin[partner, step].astype(np.int64), target=target[partner, step].astype(np.int64),
        stay=CLASS_OF_STAY[read_stays(codes, len(rank))[before][:, steps][partner, step]], season=np.asarray(season)[steps][step],
        kind=read_kinds(codes, len(rank))[before][:, steps][partner, step].astype(np.int64),
        tenure=read_tenure(codes, len(rank))[before][:, steps][partner, step].astype(np.int64),
    )  # fmt: skip
    states, left, exits = len(rank) + 2, np.zeros(len(partner), dtype=bool), []
    can = np.ones((states, states), dtype=bool) if possible is None else possible.copy()
    # tiers can be reached though nobody was there yet; having lapsed and being unknown are states only where somebody was
    can[:, len(rank) :] &= np.isin([len(rank), len(rank) + 1], codes)
    for name, reach in exits_of(rank, can):
        at_risk = reach.any(axis=1)[moves.origin] & ~left
        gone = reach[moves.origin, moves.target] & at_risk
        exits.append(_fit_exit(name, reach, moves, at_risk, gone, sizes=(states, len(steps), seasons), memory=memory))
        left |= gone
    return FlowModel(states=states, exits=tuple(exits), memory=memory, seasons=seasons, quarters=len(steps))


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


def _fit_exit(
    name: str, reach: np.ndarray, moves: _Moves, at_risk: np.ndarray, gone: np.ndarray, *, sizes: tuple[int, int, int], memory: bool
) -> Exit:
    states, quarters, seasons = sizes
    counts = np.bincount(moves.origin[gone] * states + moves.target[gone], minlength=states * states).reshape(states, states)
    if not at_risk.any() or not (memory or gone.any()):
        return Exit(name=name, reach=reach, counts=counts, fit=None)
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
    levels = _levels(state, stay, kind, season_of[quarter], quarter, memory=memory)
    sizes = (len(way.origins), CLASSES, len(way.origins) * CLASSES, seasons, KINDS, quarters)
    clock = clock_of(tenure)[:, None] if slopes else None
    fit = fit_mixed_logit(events, trials, levels, sizes, fixed={TIER: TIERS_APART}, numbers=clock, slope_variance=SLOPE)
    return dataclasses.replace(way, fit=fit)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawnFlows:
    """Draws of what is not known of a flow model.

    Parameters
    ----------
    model : FlowModel
        What was fitted.
    effects : tuple of (ndarray or None), each of shape (draws, p)
        Effects of each exit.
    spreads : tuple of (ndarray or None), each of shape (draws,)
        Standard deviation of each exit's quarters.
    shares : tuple of ndarray, each of shape (draws, s, s)
        Where those who leave go.
    together : ndarray, shape (exits, exits)
        Correlation of the exits' shocks.
    """

    model: FlowModel
    effects: tuple[np.ndarray | None, ...]
    spreads: tuple[np.ndarray | None, ...]
    shares: tuple[np.ndarray, ...]
    together: np.ndarray

    def shocks(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the shocks of one coming quarter, in standard deviations: shape ``(draws, exits)``."""
        draws = len(self.shares[0])
        return _normals(self.together, draws, rng) / np.sqrt(rng.chisquare(TAILS, (draws, 1)) / TAILS)

    def leaving(self, place: int, rows: np.ndarray, shocks: np.ndarray) -> np.ndarray:
        """Probability of an exit out of the cells whose design rows are given: shape ``(draws, m)``."""
        fit, effects = self.model.exits[place].fit, self.effects[place]
        # a rate is as likely above its estimate as below, its log-odds are not: without this, doubt alone would speed all up
        doubt = ((rows @ fit.covariance) * rows).sum(axis=1)
        slower = (0.5 - special.expit(rows @ fit.effects)) * doubt
        return special.expit(effects @ rows.T + (self.spreads[place] * shocks[:, place])[:, None] - slower)


def draw_flows(model: FlowModel, *, draws: int, rng: np.random.Generator) -> DrawnFlows:
    """Draw effects, spreads of shocks, and shares of destinations.

    Effects are not widened by a design effect: the partners forecast are those whose quarters were read, so what sets
    a partner apart stays with it and does not have to be guessed for another.
    """
    effects, spreads, shares, together = [], [], [], _together(model)
    # exits that were shaken together were shaken as much: doubt about how much is shared too
    ranks = special.ndtr(_normals(together, draws, rng))
    for place, way in enumerate(model.exits):
        shares.append(_draw_shares(way, draws, rng, memory=model.memory))
        if way.fit is None:
            effects.append(None)
            spreads.append(None)
            continue
        values, vectors = np.linalg.eigh(way.fit.covariance)
        normal = rng.standard_normal((draws, len(values)))
        effects.append(way.fit.effects + normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)
        spreads.append(spread_at(way.fit, QUARTER, ranks=ranks[:, place]))
    return DrawnFlows(model=model, effects=tuple(effects), spreads=tuple(spreads), shares=tuple(shares), together=together)


def _normals(together: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw standard normal numbers with these correlations: shape ``(draws, exits)``."""
    values, vectors = np.linalg.eigh(together)
    mixed = vectors * np.sqrt(np.maximum(values, 0.0))
    return rng.standard_normal((draws, len(values))) @ (mixed / np.sqrt((mixed**2).sum(axis=1, keepdims=True))).T


def _together(model: FlowModel) -> np.ndarray:
    """Correlation of the exits' shocks.

    That of the quarters' effects, less what so few quarters show by chance (adjusted as R2 is), over the reliability of
    the effects (Spearman 1904): they are known with error, which alone makes them look less alike than the shocks were.
    """
    found = np.eye(len(model.exits))
    fitted = [place for place, way in enumerate(model.exits) if way.fit is not None and way.counts.any()]
    if len(fitted) < 2 or model.quarters < 4:
        return found
    at = [(model.exits[place].fit, model.exits[place].fit.block(QUARTER)) for place in fitted]
    effects = np.stack([fit.effects[block] for fit, block in at])
    signal = effects.var(axis=1)
    reliable = signal / np.maximum(signal + [fit.covariance.diagonal()[block].mean() for fit, block in at], 1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.nan_to_num(np.corrcoef(effects))
    beyond = 1.0 - (1.0 - seen**2) * (model.quarters - 1.0) / (model.quarters - 2.0)
    whole = np.sqrt(np.maximum(beyond, 0.0) / np.maximum(np.outer(reliable, reliable), 1e-12))
    found[np.ix_(fitted, fitted)] = np.sign(seen) * np.minimum(whole, 1.0)
    np.fill_diagonal(found, 1.0)
    return found


def _draw_shares(way: Exit, draws: int, rng: np.random.Generator, *, memory: bool) -> np.ndarray:
    """Dirichlet rows: the moves seen and half a move, spread over the states that can be reached this way."""
    reached = way.reach
    if not memory:
        reached = way.reach & ((way.counts.sum(axis=0) > 0) | (way.counts.sum() == 0))
        reached = np.where(reached.any(axis=1, keepdims=True), reached, way.reach)
    prior = 0.5 * reached / np.maximum(reached.sum(axis=1, keepdims=True), 1)
    drawn = rng.standard_gamma(np.broadcast_to(way.counts + prior, (draws, *way.counts.shape)))
    total = drawn.sum(axis=2, keepdims=True)
    return np.where(total > 0, drawn / np.where(total > 0, total, 1.0), 0.0)
