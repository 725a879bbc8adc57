"""Newton's method with step halving for concave log-likelihoods, and its penalised twin for separated data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from partnerlab.stats.inference.sandwich import invert

#: Log-likelihood, score (p,) and information (p, p) at a point.
Evaluate = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]

#: A fit that stopped with less log-likelihood than this to gain stands at the top for all purposes.
HOVER = 1e-8
#: A standardised coefficient whose standard error exceeds this has run off: the data are separated.
RUN_OFF = 30.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimum:
    """Where a likelihood is highest.

    Parameters
    ----------
    beta : ndarray, shape (p,)
        Coefficients.
    loglik, start_loglik : float
        Log-likelihood there, and at the start.
    information : ndarray, shape (p, p)
        Information there.
    iterations : int
        Steps taken.
    converged : bool
        Whether the last step was negligible.
    penalised : bool
        Whether Jeffreys' prior was added.
    held : ndarray of bool, shape (p,), or None
        Coefficients of cells that fit themselves: they ran off, and stand where nothing was left to gain.
    """

    beta: np.ndarray
    loglik: float
    start_loglik: float
    information: np.ndarray
    iterations: int
    converged: bool
    penalised: bool = False
    held: np.ndarray | None = None

    @property
    def covariance(self) -> np.ndarray:
        """Inverse of the information."""
        return invert(self.information)


def _direction(information: np.ndarray, score: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(information, score)
    except np.linalg.LinAlgError:
        return invert(information) @ score


def maximize(
    evaluate: Evaluate,
    start: np.ndarray,
    *,
    tol: float = 1e-9,
    most: int = 60,
    stride: float = np.inf,
    first: tuple[float, np.ndarray, np.ndarray] | None = None,
) -> Optimum:
    """Climb to the maximum.

    Parameters
    ----------
    evaluate : callable
        Gives log-likelihood, score and information (observed or expected).
    start : ndarray, shape (p,)
        Where to begin.
    tol : float
        Newton decrement, in units of log-likelihood, below which the last step is taken.
    most : int
        Steps at most.
    stride : float
        No coefficient moves further than this in one step.
    first : tuple or None
        What ``evaluate`` gives at the start, where that is known already.

    Examples
    --------
    >>> best = maximize(lambda b: (float(-((b - 3) ** 2).sum()), -2 * (b - 3), np.eye(1) * 2), np.zeros(1))
    >>> best.beta.tolist(), best.converged
    ([3.0], True)
    """
    beta = np.array(start, dtype=float)
    loglik, score, information = evaluate(beta) if first is None else first
    began, converged, count, decrement = loglik, beta.size == 0, 0, np.inf
    while not converged and count < most:
        count += 1
        step = _direction(information, score)
        decrement = float(step @ score)
        if not np.isfinite(decrement) or decrement < 0:
            step = invert(information + np.eye(len(beta)) * np.trace(np.abs(information)) / len(beta)) @ score
            decrement = float(step @ score)
        found = _halved(evaluate, beta, step * min(1.0, stride / max(float(np.abs(step).max()), 1e-300)), loglik)
        if found is None:
            converged = decrement < 1e-6 * (1.0 + abs(loglik))
            break
        beta, (loglik, score, information) = found
        converged = decrement < tol
    # with a prior steps are not quite Newton's and may hover about the top
    converged = converged or 0 <= decrement < HOVER
    return Optimum(beta=beta, loglik=loglik, start_loglik=began, information=information, iterations=count, converged=converged)


def _halved(
    evaluate: Evaluate, beta: np.ndarray, step: np.ndarray, loglik: float
) -> tuple[np.ndarray, tuple[float, np.ndarray, np.ndarray]] | None:
    """Take the step, or half of it, or a quarter, ...: the first that does not lose log-likelihood."""
    for _ in range(25):
        values = evaluate(beta + step)
        if np.isfinite(values[0]) and values[0] >= loglik - 1e-10 * (1.0 + abs(loglik)):
            return beta + step, values
        step = step / 2.0
    return None


def runs_off(optimum: Optimum) -> np.ndarray:
    """Which standardised coefficients have no finite estimate, shape ``(p,)``.

    Where a covariate predicts perfectly the likelihood rises for ever, and the information fades as it does.
    """
    if optimum.beta.size == 0:
        return np.zeros(0, dtype=bool)
    return np.sqrt(np.maximum(np.diag(optimum.covariance), 0.0)) > RUN_OFF


def penalized(evaluate: Evaluate, *, step: float = 1e-4, places: np.ndarray | None = None) -> Evaluate:
    """Add Jeffreys' prior, half the log-determinant of the information (Firth 1993; Heinze and Schemper 2002).

    It keeps every estimate finite. The prior's slope is taken by central differences of the information. Where the
    likelihood falls apart into parts that share no coefficient, ``places`` are the coefficients of the parts to penalise.

    Examples
    --------
    Three of three succeeded: the maximum likelihood estimate is endless, the penalised one is ``log(3.5 / 0.5)``.

    >>> def coin(b):
    ...     p = 1 / (1 + np.exp(-b[0]))
    ...     return float(3 * np.log(p)), np.array([3 * (1 - p)]), np.array([[3 * p * (1 - p)]])
    >>> round(float(maximize(penalized(coin), np.zeros(1), tol=1e-16).beta[0]), 6), round(float(np.log(7)), 6)
    (1.94591, 1.94591)
    """

    def half_log_determinant(loglik: float, information: np.ndarray) -> float:
        if not np.isfinite(loglik):
            return -np.inf
        sign, value = np.linalg.slogdet(information if places is None else information[np.ix_(places, places)])
        return 0.5 * value if sign > 0 else -np.inf

    def with_prior(beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        loglik, score, information = evaluate(beta)
        slope = np.zeros(len(beta))
        for place in range(len(beta)) if places is None else places:
            apart = np.zeros(len(beta))
            apart[place] = step
            above, below = (half_log_determinant(*evaluate(beta + sign * apart)[::2]) for sign in (1.0, -1.0))
            slope[place] = (above - below) / (2.0 * step) if np.isfinite(above - below) else 0.0
        return loglik + half_log_determinant(loglik, information), score + slope, information

    return with_prior


def fit(
    evaluate: Evaluate,
    start: np.ndarray,
    *,
    first: tuple[float, np.ndarray, np.ndarray] | None = None,
    parts: np.ndarray | None = None,
    cells: np.ndarray | None = None,
    expected: Evaluate | None = None,
) -> tuple[Optimum, np.ndarray]:
    """Maximise; where coefficients run off, maximise the penalised likelihood instead.

    A level of its own for each cell runs off where the cell is empty, and the likelihood of all else is then as if the cell
    were not there: nothing needs a prior.

    Parameters
    ----------
    evaluate : callable
        Gives log-likelihood, score and information.
    start : ndarray, shape (p,)
        Where to begin.
    first : tuple or None
        What ``evaluate`` gives there, where that is known already.
    parts : ndarray of int, shape (p,), or None
        Part of the likelihood that each coefficient belongs to, where parts share none: only those in which a coefficient
        runs off are penalised. One part by default.
    cells : ndarray of bool, shape (p,), or None
        Coefficients that are levels of cells of no interest of their own: where they run off they are held.
    expected : callable or None
        As ``evaluate`` with the expected information, where that gives the observed one: Jeffreys' prior is made of it, and
        observed information may vanish where nobody had an outcome. With the prior the likelihood of ordered outcomes has no
        highest point where nobody had one of the middle: then what ran off is held.

    Returns
    -------
    Optimum
        ``loglik`` is that of the data, without the prior.
    ran_off : ndarray of bool, shape (p,)
        Coefficients that had no finite estimate before the prior was added; those held are not among them.
    """
    plain = maximize(evaluate, start, first=first)
    ran_off = runs_off(plain)
    if not ran_off.any():
        return plain, ran_off
    if cells is not None and (ran_off & cells).any():
        held = ran_off & cells
        if (ran_off == held).all():
            return dataclasses.replace(plain, held=held), np.zeros_like(held)
        return _fit_beside(evaluate, np.asarray(start, dtype=float), plain, held=held, ran_off=ran_off & ~held)
    evaluate = evaluate if expected is None else expected
    places = None if parts is None else np.flatnonzero(np.isin(parts, parts[ran_off]))
    # other parts stand where they are highest already
    begin = np.asarray(start, dtype=float) if parts is None else np.where(np.isin(parts, parts[ran_off]), start, plain.beta)
    best = maximize(penalized(evaluate, places=places), begin, tol=1e-16, most=200, stride=1.0)
    if expected is not None and not best.converged:
        return dataclasses.replace(plain, held=ran_off), ran_off
    loglik, _, information = evaluate(best.beta)
    return dataclasses.replace(best, loglik=loglik, information=information, start_loglik=plain.start_loglik, penalised=True), ran_off


def _fit_beside(
    evaluate: Evaluate, start: np.ndarray, plain: Optimum, *, held: np.ndarray, ran_off: np.ndarray
) -> tuple[Optimum, np.ndarray]:
    """Penalise what ran off while the levels of empty cells stand where they are."""
    free = np.flatnonzero(~held)

    def of_free(some: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        whole = plain.beta.copy()
        whole[free] = some
        loglik, score, information = evaluate(whole)
        return loglik, score[free], information[np.ix_(free, free)]

    found = maximize(penalized(of_free), start[free], tol=1e-16, most=200, stride=1.0)
    beta = plain.beta.copy()
    beta[free] = found.beta
    loglik, _, information = evaluate(beta)
    best = dataclasses.replace(
        found, beta=beta, loglik=loglik, information=information, start_loglik=plain.start_loglik, penalised=True, held=held
    )
    return best, ran_off
