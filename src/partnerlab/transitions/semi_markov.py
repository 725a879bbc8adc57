"""How partners move on from where they stand: by tier, time in it, how restless they are, season, and shocks common to all.

Ways out of a tier come one after the other (lapse; else down; else up; else elsewhere), each with log-odds that are
sums of shrunken effects: tier, time in it, the two together, season, how often the partner has moved so far, and the
quarter itself, whose effects are the common shocks. What no block can tell apart stays near the average of its block.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.stats.mixed_logit import MixedLogit, draw_spread, fit_mixed_logit, indicator_rows
from partnerlab.stats.pooling import gamma_poisson_prior

#: Quarters in a tier told apart from 1 on: of those who came to it on joining, of those who came from another tier.
CHAIN = 8
JOINED, MOVED, LONG, BEFORE = 0, CHAIN, 2 * CHAIN, 2 * CHAIN + 1
#: Both chains, then longer than that, then stays that began before the record, by quarters seen of them.
STAYS = 3 * CHAIN + 1
#: Class of each stay: joined 1, 2, 3, 4, 5 to 8; moved 1, 2, 3, 4, 5 to 8; 9 and more; began before the record.
CLASS_OF_STAY = np.array([0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 7, 8, 9, 9, 9, 9, 10, *[11] * CHAIN])
CLASSES = 12
#: The stay a quarter later, for those who stay.
NEXT_STAY = np.array([*range(1, CHAIN), LONG, *range(MOVED + 1, LONG), LONG, LONG, *range(BEFORE + 1, STAYS), LONG])
#: Degrees of freedom of shocks: now and then a quarter strays far, as those of a clean-up do.
TAILS = 6
#: Variance of tiers' log-odds, given: tiers are few and really differ, so only a tier with hardly any moves is drawn to the others.
TIERS_APART = 1.0
TIER, STAY, BOTH, SEASON, RESTLESS, QUARTER = range(6)
#: Partners that move less often than others in their places, about as often, more often: edges of the shrunken ratio.
CALM_BELOW, LIVELY_ABOVE = 0.7, 1.4
KINDS, USUAL = 3, 1


def read_stays(codes: np.ndarray, tiers: int) -> np.ndarray:
    """How long each partner has been in its state, and how it came to it: index into the stays told apart, int8, ``(n, t)``.

    Parameters
    ----------
    codes : ndarray of int, shape (n, t)
        States, tiers first; negative is not observed. Who comes to a tier from there, or from having lapsed, has joined.
    tiers : int
        Number of tiers; having lapsed is the state after them.

    Examples
    --------
    >>> read_stays(np.array([[0, 0, 1, 1], [-1, 0, 0, 1]]), 2).tolist()
    [[17, 18, 8, 9], [17, 0, 1, 8]]
    """
    codes = np.asarray(codes)
    stays = np.zeros(codes.shape, dtype=np.int8)
    stays[:, 0] = BEFORE
    for column in range(1, codes.shape[1]):
        before = codes[:, column - 1]
        fresh = np.where((before < 0) | (before == tiers), JOINED, MOVED)
        stays[:, column] = np.where(codes[:, column] == before, NEXT_STAY[stays[:, column - 1]], fresh)
    return stays


def read_kinds(codes: np.ndarray, tiers: int) -> np.ndarray:
    """How often each partner has moved so far, beside others in its places: 0 calm, 1 as usual, 2 lively; int8, ``(n, t)``.

    Moves between tiers over those expected at the pooled rates of the tiers held, shrunk by a gamma prior fitted to all
    partners (empirical Bayes); where partners do not differ beyond chance, all are as usual.

    Parameters
    ----------
    codes : ndarray of int, shape (n, t)
        States, tiers first.
    tiers : int
        Number of tiers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> restless = np.where(np.arange(60)[:, None] < 30, rng.integers(0, 2, (60, 12)), np.arange(60)[:, None] % 2)
    >>> kinds = read_kinds(restless, 2)[:, -1]
    >>> bool(kinds[:30].mean() > 1.2), bool(kinds[30:].mean() < 0.2)
    (True, True)
    """
    codes = np.asarray(codes)
    before, after = codes[:, :-1], codes[:, 1:]
    pair = (before >= 0) & (before < tiers) & (after >= 0) & (after < tiers)
    moved = pair & (before != after)
    place = np.where(pair, before, tiers)
    at_risk = np.bincount(place.ravel(), minlength=tiers + 1)
    rate = np.bincount(place.ravel(), weights=moved.ravel(), minlength=tiers + 1) / np.maximum(at_risk, 1)
    rate[tiers] = 0.0
    moves, expected = moved.cumsum(axis=1), rate[place].cumsum(axis=1)
    kinds = np.full(codes.shape, USUAL, dtype=np.int8)
    if not moved.any():
        return kinds
    shape, size = gamma_poisson_prior(moves[:, -1], expected[:, -1])
    ratio = (shape + moves) / (size + expected)
    kinds[:, 1:] += (ratio > LIVELY_ABOVE).astype(np.int8) - (ratio < CALM_BELOW).astype(np.int8)
    return kinds


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
        Log-odds of leaving this way rather than staying or leaving by a later one; None if nobody ever did.
    """

    name: str
    reach: np.ndarray
    counts: np.ndarray
    fit: MixedLogit | None

    @property
    def origins(self) -> np.ndarray:
        """States that can be left this way."""
        return np.flatnonzero(self.reach.any(axis=1))


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

    def places(self, origins: np.ndarray, season: int) -> np.ndarray:
        """Levels of each state, kind and stay class in the coming quarter: shape ``(len(origins) * KINDS * CLASSES, blocks)``."""
        state, kind, stay = (np.ravel(at) for at in np.broadcast_arrays(*np.ogrid[: len(origins), :KINDS, :CLASSES]))
        return _levels(state, stay, kind, np.full(len(state), season), np.full(len(state), -1), memory=self.memory)


def _levels(state: np.ndarray, stay: np.ndarray, kind: np.ndarray, season: np.ndarray, quarter: np.ndarray, *, memory: bool) -> np.ndarray:
    if not memory:
        nothing = np.full(len(state), -1)
        return np.stack([state, nothing, nothing, nothing, nothing, quarter], axis=1)
    return np.stack([state, stay, state * CLASSES + stay, season, kind, quarter], axis=1)


def exits_of(rank: tuple[int | None, ...]) -> list[tuple[str, np.ndarray]]:
    """Ways out of tiers of these heights, then of having lapsed and of being unknown: name, and what each state reaches.

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
    return [(name, reach[name]) for name in names]


def fit_flows(
    codes: np.ndarray, *, rank: tuple[int | None, ...], use: np.ndarray, season: np.ndarray, seasons: int, memory: bool = True
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
    )  # fmt: skip
    states, left, exits = len(rank) + 2, np.zeros(len(partner), dtype=bool), []
    for name, reach in exits_of(rank):
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


def _fit_exit(
    name: str, reach: np.ndarray, moves: _Moves, at_risk: np.ndarray, gone: np.ndarray, *, sizes: tuple[int, int, int], memory: bool
) -> Exit:
    states, quarters, seasons = sizes
    counts = np.bincount(moves.origin[gone] * states + moves.target[gone], minlength=states * states).reshape(states, states)
    if not gone.any():
        return Exit(name=name, reach=reach, counts=counts, fit=None)
    origins = np.flatnonzero(reach.any(axis=1))
    state = np.searchsorted(origins, moves.origin[at_risk])
    shape = (quarters, len(origins), KINDS, CLASSES)
    past = (moves.kind[at_risk], moves.stay[at_risk]) if memory else (0, 0)
    key = np.ravel_multi_index((moves.step[at_risk], state, *np.broadcast_arrays(*past, state)[:2]), shape)
    cells, place, trials = np.unique(key, return_inverse=True, return_counts=True)
    events = np.bincount(place, weights=gone[at_risk].astype(float), minlength=len(cells))
    quarter, state, kind, stay = np.unravel_index(cells, shape)
    season_of = np.zeros(quarters, dtype=np.int64)
    season_of[moves.step] = moves.season
    levels = _levels(state, stay, kind, season_of[quarter], quarter, memory=memory)
    sizes = (len(origins), CLASSES, len(origins) * CLASSES, seasons, KINDS, quarters)
    fit = fit_mixed_logit(events, trials, levels, sizes, fixed={TIER: TIERS_APART})
    return Exit(name=name, reach=reach, counts=counts, fit=fit)


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

    def chances(self, season: int, rng: np.random.Generator) -> list[np.ndarray | None]:
        """Probability of each exit in a coming quarter, its shocks drawn: shapes ``(draws, origins, KINDS, CLASSES)``."""
        draws = len(self.shares[0])
        values, vectors = np.linalg.eigh(self.together)
        mixed = vectors * np.sqrt(np.maximum(values, 0.0))
        shocks = rng.standard_normal((draws, len(values))) @ (mixed / np.sqrt((mixed**2).sum(axis=1, keepdims=True))).T
        shocks /= np.sqrt(rng.chisquare(TAILS, (draws, 1)) / TAILS)
        ways = range(len(self.model.exits))
        return [None if self.effects[place] is None else self._leaving(place, season, shocks[:, place]) for place in ways]

    def _leaving(self, place: int, season: int, shock: np.ndarray) -> np.ndarray:
        way, effects = self.model.exits[place], self.effects[place]
        origins = way.origins
        rows = indicator_rows(self.model.places(origins, season), way.fit.sizes)
        # a rate is as likely above its estimate as below, its log-odds are not: without this, doubt alone would speed all up
        doubt = np.einsum("mp,pq,mq->m", rows, way.fit.covariance, rows)
        slower = (0.5 - special.expit(rows @ way.fit.effects)) * doubt
        shift = (self.spreads[place] * shock)[:, None] - slower
        return special.expit(effects @ rows.T + shift).reshape(len(effects), len(origins), KINDS, CLASSES)


def draw_flows(model: FlowModel, *, draws: int, rng: np.random.Generator) -> DrawnFlows:
    """Draw effects, spreads of shocks, and shares of destinations.

    Effects are not widened by a design effect: the partners forecast are those whose quarters were read, so what sets
    a partner apart stays with it and does not have to be guessed for another.
    """
    effects, spreads, shares = [], [], []
    for way in model.exits:
        shares.append(_draw_shares(way, draws, rng))
        if way.fit is None:
            effects.append(None)
            spreads.append(None)
            continue
        values, vectors = np.linalg.eigh(way.fit.covariance)
        normal = rng.standard_normal((draws, len(values)))
        effects.append(way.fit.effects + normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)
        spreads.append(draw_spread(way.fit, QUARTER, draws=draws, rng=rng))
    return DrawnFlows(model=model, effects=tuple(effects), spreads=tuple(spreads), shares=tuple(shares), together=_together(model))


def _together(model: FlowModel) -> np.ndarray:
    """Correlation of the exits' quarters, less what so few of them show by chance (adjusted as R2 is)."""
    found = np.eye(len(model.exits))
    fitted = [place for place, way in enumerate(model.exits) if way.fit is not None]
    if len(fitted) < 2 or model.quarters < 4:
        return found
    effects = np.stack([model.exits[place].fit.effects[model.exits[place].fit.block(QUARTER)] for place in fitted])
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.nan_to_num(np.corrcoef(effects))
    beyond = 1.0 - (1.0 - seen**2) * (model.quarters - 1.0) / (model.quarters - 2.0)
    found[np.ix_(fitted, fitted)] = np.sign(seen) * np.sqrt(np.maximum(beyond, 0.0))
    np.fill_diagonal(found, 1.0)
    return found


def _draw_shares(way: Exit, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Dirichlet rows: the moves seen and half a move, spread over the states that anybody ever reached this way."""
    reached = way.reach & ((way.counts.sum(axis=0) > 0) | (way.counts.sum() == 0))
    reached = np.where(reached.any(axis=1, keepdims=True), reached, way.reach)
    prior = 0.5 * reached / np.maximum(reached.sum(axis=1, keepdims=True), 1)
    drawn = rng.standard_gamma(np.broadcast_to(way.counts + prior, (draws, *way.counts.shape)))
    total = drawn.sum(axis=2, keepdims=True)
    return np.where(total > 0, drawn / np.where(total > 0, total, 1.0), 0.0)
