"""The likelihood of a Markov process in continuous time that is seen only now and then.

Kalbfleisch and Lawless (1985), doi:10.1080/01621459.1985.10478195; times of entry into some states may be known exactly, and
the last state may be known only as one of several (Jackson 2011, doi:10.18637/jss.v038.i08). Where intensities change within an
interval, it is walked in legs, and its probabilities are the product of theirs. What is seen is compressed to counts of (covariate
pattern and length of each leg, state before, ending), so that the cost grows with patterns, not with rows.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.stats.inference.sandwich import sum_clusters
from partnerlab.stats.states.matrix_exponential import Flows

_TINY = 1e-300


@dataclasses.dataclass(frozen=True, kw_only=True)
class PanelCounts:
    """Intervals between looks, compressed.

    Parameters
    ----------
    time : ndarray, shape (u, k)
        Lengths of the legs of each interval, one after another; 0 before the first where there are fewer.
    which : ndarray of int, shape (u, k)
        Covariate pattern of each leg.
    counts : ndarray, shape (u, s, e)
        How often an interval began in a state and came to an ending.
    endings : ndarray, shape (e, s)
        States that an ending may be: one 1 for a state seen, several where it is not known which.
    exact : ndarray of int, shape (e,)
        State entered exactly at the end of the interval; -1 where the state was only seen.
    """

    time: np.ndarray
    which: np.ndarray
    counts: np.ndarray
    endings: np.ndarray
    exact: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateDesign:
    """Log intensities as a linear function of parameters.

    Parameters
    ----------
    origin, target : ndarray of int, shape (m,)
        Moves that can be made.
    offset : ndarray, shape (g, m)
        Part of the log intensity that is given, for each covariate pattern.
    slopes : ndarray, shape (g, m, p)
        Derivative of the log intensity by each parameter.
    states : int
    """

    origin: np.ndarray
    target: np.ndarray
    offset: np.ndarray
    slopes: np.ndarray
    states: int

    def rates(self, parameters: np.ndarray) -> np.ndarray:
        """Intensities, shape ``(g, m)``."""
        return np.exp(np.clip(self.offset + self.slopes @ parameters, -700.0, 50.0))

    def generators(self, parameters: np.ndarray) -> np.ndarray:
        """Give the generator of each pattern, shape ``(g, s, s)``; rows add up to 0."""
        return fill_generators(self.rates(parameters), self.origin, self.target, self.states)


def fill_generators(rates: np.ndarray, origin: np.ndarray, target: np.ndarray, states: int) -> np.ndarray:
    """Put intensities ``(g, m)`` into generators ``(g, s, s)``.

    Examples
    --------
    >>> fill_generators(np.array([[0.5]]), np.array([0]), np.array([1]), 2).tolist()
    [[[-0.5, 0.5], [0.0, 0.0]]]
    """
    found = np.zeros((len(rates), states, states))
    found[:, origin, target] = rates
    found[:, np.arange(states), np.arange(states)] = 0.0 - found.sum(axis=2)
    return found


def log_likelihood(parameters: np.ndarray, panel: PanelCounts, design: RateDesign) -> tuple[float, np.ndarray]:
    """Log-likelihood and its gradient, shape ``(p,)``.

    Examples
    --------
    One partner leaves within one period, one stays: log(1 - exp(-q)) - q.

    >>> panel = PanelCounts(time=np.ones((1, 1)), which=np.zeros((1, 1), int), counts=np.array([[[1.0, 1.0], [0.0, 0.0]]]),
    ...                     endings=np.eye(2), exact=np.array([-1, -1]))
    >>> design = RateDesign(origin=np.array([0]), target=np.array([1]), offset=np.zeros((1, 1)), slopes=np.ones((1, 1, 1)), states=2)
    >>> value, slope = log_likelihood(np.log([np.log(2.0)]), panel, design)
    >>> round(float(value / np.log(2.0)), 6), np.abs(slope.round(6)).tolist()
    (-2.0, [0.0])
    """
    rates = design.rates(parameters)
    generators = fill_generators(rates, design.origin, design.target, design.states)
    flows = Flows.of(generators, panel.time.ravel(), panel.which.ravel())
    before, after, probability = _walk(flows.probabilities().reshape(*panel.time.shape, design.states, design.states))
    reach = _reach(generators, panel)[panel.which[:, -1]]
    value = np.maximum(probability @ reach, _TINY)
    ratio = np.divide(panel.counts, value, out=np.zeros(value.shape), where=panel.counts > 0)
    total = float(np.sum(panel.counts * np.log(value), where=panel.counts > 0))
    by_leg = before.swapaxes(2, 3) @ (ratio @ reach.swapaxes(1, 2))[:, None] @ after.swapaxes(2, 3)
    by_entry = flows.pull_back(by_leg.reshape(-1, design.states, design.states))
    diagonal = np.diagonal(by_entry, axis1=1, axis2=2)
    slope = by_entry[:, design.origin, design.target] - diagonal[:, design.origin]
    slope += _exact_slopes(probability, ratio, panel, design, len(generators))
    return total, np.einsum("gm,gmp->p", slope * rates, design.slopes)


def _walk(legs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Multiply the legs of each interval ``(u, k, s, s)``: what comes before and after each leg, same shape, and all ``(u, s, s)``."""
    before, after = np.empty_like(legs), np.empty_like(legs)
    before[:, 0] = after[:, -1] = np.eye(legs.shape[-1])
    for leg in range(1, legs.shape[1]):
        before[:, leg] = before[:, leg - 1] @ legs[:, leg - 1]
        after[:, -1 - leg] = legs[:, -leg] @ after[:, -leg]
    return before, after, before[:, -1] @ legs[:, -1]


def _reach(generators: np.ndarray, panel: PanelCounts) -> np.ndarray:
    """Give what each state adds to an ending, shape ``(g, s, e)``: 1 where it is seen, the intensity where it is entered then."""
    found = np.repeat(panel.endings.T[None].astype(float), len(generators), axis=0)
    for ending in np.flatnonzero(panel.exact >= 0):
        state = panel.exact[ending]
        found[:, :, ending] = generators[:, :, state]
        found[:, state, ending] = 0.0
    return found


def _exact_slopes(probability: np.ndarray, ratio: np.ndarray, panel: PanelCounts, design: RateDesign, patterns: int) -> np.ndarray:
    """Differentiate by the intensity with which a state is entered at the end of an interval, shape ``(g, m)``."""
    slope = np.zeros((patterns, len(design.origin)))
    for ending in np.flatnonzero(panel.exact >= 0):
        into = np.flatnonzero(design.target == panel.exact[ending])
        there = np.einsum("us,usm->um", ratio[:, :, ending], probability[:, :, design.origin[into]])
        slope[:, into] += sum_clusters(there, panel.which[:, -1], clusters=patterns)
    return slope


def hessian(parameters: np.ndarray, panel: PanelCounts, design: RateDesign) -> np.ndarray:
    """Second derivatives of the log-likelihood by central differences of its gradient, shape ``(p, p)``."""
    p = len(parameters)
    found = np.empty((p, p))
    for place in range(p):
        step = np.zeros(p)
        step[place] = 1e-4 * max(1.0, abs(parameters[place]))
        up, down = (log_likelihood(parameters + side * step, panel, design)[1] for side in (1.0, -1.0))
        found[place] = (up - down) / (2.0 * step[place])
    return (found + found.T) / 2.0


_OPTIONS = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateFit:
    """What was found.

    Parameters
    ----------
    parameters : ndarray, shape (p,)
    covariance : ndarray, shape (p, p)
        Inverse of the observed information; NaN for parameters that are not identified.
    spread : ndarray, shape (p, p)
        The same with parameters that have no interval of their own, such as the logarithm of an intensity of nearly 0, whose
        share in the error of anything else is known all the same; NaN for those of which nothing is known.
    log_likelihood : float
    identified : ndarray of bool, shape (p,)
        Whether the data hold a parameter at all.
    converged : bool
        Whether the gradient is 0 to within what rounding leaves.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    identified: np.ndarray
    converged: bool
    spread: np.ndarray


def fit_rates(panel: PanelCounts, design: RateDesign, start: np.ndarray) -> RateFit:
    """Maximise the likelihood: quasi-Newton with the analytic gradient, then Newton steps with its differences.

    Parameters
    ----------
    panel : PanelCounts
    design : RateDesign
    start : ndarray, shape (p,)
    """
    from scipy.optimize import minimize

    if not len(start):
        value, _ = log_likelihood(start, panel, design)
        return RateFit(parameters=start, covariance=np.zeros((0, 0)), log_likelihood=value, identified=np.zeros(0, bool), converged=True,
                       spread=np.zeros((0, 0)))  # fmt: skip

    size = max(float(panel.counts.sum()), 1.0)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = log_likelihood(parameters, panel, design)
        return -value / size, -slope / size

    # a log intensity far below anything the data could tell from 0 is not worth following
    bounds = [(-30.0, 30.0)] * len(start)
    found = minimize(
        loss,
        np.clip(start, -29.0, 29.0),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8},
    )
    best, information, identified = _polish(found.x, panel, design)
    value, slope = log_likelihood(best, panel, design)
    covariance = _invert(information, identified)
    spread = _invert(information, _identified(information, largest=_ANY_ERROR))
    converged = bool(np.abs(slope[identified]).max(initial=0.0) < 1e-4 * np.sqrt(size))
    return RateFit(parameters=best, covariance=covariance, log_likelihood=value, identified=identified, converged=converged, spread=spread)


#: A parameter whose standard error would be larger than this says nothing: intensities differ by e^20 within one.
_LARGEST_ERROR = 10.0
#: A larger one is rounding: the logarithm of what is 0.
_ANY_ERROR = 300.0


def _invert(information: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Inverse over the parameters held, NaN for the others."""
    found, at = np.full(information.shape, np.nan), np.flatnonzero(held)
    found[np.ix_(at, at)] = np.linalg.inv(information[np.ix_(at, at)]) if len(at) else 0.0
    return found


def _polish(parameters: np.ndarray, panel: PanelCounts, design: RateDesign) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton steps on what the data identify; gives parameters, information, and which are identified."""
    best = parameters
    value, slope = log_likelihood(best, panel, design)
    for _ in range(8):
        information = -hessian(best, panel, design)
        identified = _identified(information)
        held = np.flatnonzero(identified)
        if not len(held):
            break
        step = np.zeros(len(best))
        step[held] = np.linalg.solve(information[np.ix_(held, held)], slope[held])
        if np.abs(step).max() > 1.0:
            step /= np.abs(step).max()
        for _ in range(12):
            new_value, new_slope = log_likelihood(best + step, panel, design)
            if new_value >= value - 1e-10 * abs(value):
                break
            step = step / 4.0
        else:
            break
        best, value, slope = best + step, new_value, new_slope
        if np.abs(step).max() < 1e-7:
            break
    information = -hessian(best, panel, design)
    return best, information, _identified(information)


def _identified(information: np.ndarray, *, largest: float = _LARGEST_ERROR) -> np.ndarray:
    """Parameters that the information holds: their standard error is finite and not absurd, shape ``(p,)``."""
    held = np.ones(len(information), dtype=bool)
    while held.any():
        at = np.flatnonzero(held)
        values, vectors = np.linalg.eigh(information[np.ix_(at, at)])
        if values[0] > 1.0 / largest**2:
            break
        # the direction of which nothing is known: its largest part goes
        held[at[np.argmax(np.abs(vectors[:, 0]))]] = False
    return held


def cell_scores(parameters: np.ndarray, panel: PanelCounts, design: RateDesign) -> np.ndarray:
    """Differentiate the log-likelihood of one interval of each kind, shape ``(p, u, s, e)``; 0 where none was seen."""

    def logs(at: np.ndarray) -> np.ndarray:
        generators = design.generators(at)
        flows = Flows.of(generators, panel.time.ravel(), panel.which.ravel())
        probability = _walk(flows.probabilities().reshape(*panel.time.shape, design.states, design.states))[2]
        return np.log(np.maximum(probability @ _reach(generators, panel)[panel.which[:, -1]], _TINY))

    found = np.zeros((len(parameters), *panel.counts.shape))
    for place in range(len(parameters)):
        step = np.zeros(len(parameters))
        step[place] = 1e-5 * max(1.0, abs(parameters[place]))
        found[place] = (logs(parameters + step) - logs(parameters - step)) / (2.0 * step[place])
    return np.where(panel.counts > 0, found, 0.0)
