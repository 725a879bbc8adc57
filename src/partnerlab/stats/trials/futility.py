"""Boundaries for giving up: at each look, below which value a trial can hardly come to find what it was made to find.

Both errors are spent over the looks (Pampallona, Tsiatis and Kim 2001, Drug Information Journal 35; Jennison and Turnbull 2000,
chapter 7). Giving up does not bind: the error of finding something where nothing is holds whether or not it is heeded.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.errors import ParameterError
from partnerlab.stats.trials.sequential import REACH, Spending, Walk, check_shares, spend


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """Boundaries of z at each look, one-sided.

    Parameters
    ----------
    upper, lower : float array, shape (k,)
        Stop with a finding at or above, without one below; they meet at the last look.
    drift : float
        Mean of z at the last look with which the power is as asked.
    inflation : float
        Information at the last look over that of a trial with one look.
    """

    upper: np.ndarray
    lower: np.ndarray
    drift: float
    inflation: float


def give_up_bounds(
    share: np.ndarray,
    *,
    alpha: float = 0.025,
    power: float = 0.8,
    finding: Spending = "obrien_fleming",
    finding_gamma: float = -4.0,
    giving_up: Spending = "hwang_shih_decani",
    giving_up_gamma: float = -2.0,
) -> Bounds:
    """Boundaries for a finding in the wanted direction and for giving up.

    Parameters
    ----------
    share : float array, shape (k,)
        Information at each look over that of the last, rising to 1.
    alpha : float
        One-sided error rate.
    power : float
        Chance of a finding where the effect is the one it was made for, giving up heeded.
    finding, finding_gamma, giving_up, giving_up_gamma
        How each error is spent, as in `spend`.

    Raises
    ------
    ParameterError
        Where the shares do not rise to 1, or the errors leave no room between the boundaries.

    Examples
    --------
    >>> found = give_up_bounds(np.array([1, 2, 3]) / 3, power=0.9, finding="hwang_shih_decani")
    >>> found.upper.round(3).tolist(), found.lower.round(3).tolist(), round(found.inflation, 4)
    ([3.011, 2.547, 1.999], [-0.239, 0.941, 1.999], 1.0699)
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    share = check_shares(share)
    if not 0 < alpha < power < 1 or share[-1] < 1 - 1e-12:
        raise ParameterError("looks: the last share of the information is 1, and 0 < alpha < power < 1")
    upper = _finding_bounds(share, alpha=alpha, kind=finding, gamma=finding_gamma)
    allowed = np.diff(_spend_on_one_side(share, alpha=1 - power, kind=giving_up, gamma=giving_up_gamma), prepend=0.0)

    def excess(drift: float) -> float:
        return _lower_bounds(share, upper, allowed, drift=drift)[1]

    fixed = float(norm.ppf(1 - alpha) + norm.ppf(power))
    # the last part of the second error falls as the effect grows
    drift = float(brentq(excess, 0.8 * fixed, 3.0 * fixed, xtol=1e-10))
    lower = _lower_bounds(share, upper, allowed, drift=drift)[0]
    return Bounds(upper=upper, lower=lower, drift=drift, inflation=(drift / fixed) ** 2)


def _spend_on_one_side(share: np.ndarray, *, alpha: float, kind: Spending, gamma: float) -> np.ndarray:
    # half of what two sides spend of twice the error: the same, but for O'Brien and Fleming
    return spend(share, alpha=2 * alpha, kind=kind, gamma=gamma) / 2


def _finding_bounds(share: np.ndarray, *, alpha: float, kind: Spending, gamma: float) -> np.ndarray:
    from scipy.optimize import brentq

    found, state = [], Walk.start()
    for now, step in zip(share, np.diff(_spend_on_one_side(share, alpha=alpha, kind=kind, gamma=gamma), prepend=0.0), strict=True):
        bound = REACH if step < 1e-14 else float(brentq(lambda at, s=state, n=now, w=step: s.above(n, at) - w, -REACH, REACH, xtol=1e-10))
        found.append(bound)
        state = state.carry(now, bound, lower=-REACH)
    return np.array(found)


def _lower_bounds(share: np.ndarray, upper: np.ndarray, allowed: np.ndarray, *, drift: float) -> tuple[np.ndarray, float]:
    """Lower boundaries that spend what is allowed, and what the last look spends beyond that if it ends at the upper one."""
    from scipy.optimize import brentq

    found, state = [], Walk.start()
    for now, bound, step in zip(share[:-1], upper[:-1], allowed[:-1], strict=True):
        least, most = state.below(now, -REACH, drift=drift), state.below(now, bound, drift=drift)
        if step <= least:
            lower = -REACH
        elif step >= most:
            lower = float(bound)
        else:
            lower = float(brentq(lambda at, s=state, n=now, w=step: s.below(n, at, drift=drift) - w, -REACH, bound, xtol=1e-10))
        found.append(lower)
        state = state.carry(now, bound, lower=lower, drift=drift)
    return np.array([*found, upper[-1]]), state.below(share[-1], upper[-1], drift=drift) - allowed[-1]


def finding_power(share: np.ndarray, upper: np.ndarray, lower: np.ndarray, *, drift: float) -> float:
    """Chance of a finding in the wanted direction where giving up is heeded, for a mean of z at the last look.

    Examples
    --------
    >>> plan = give_up_bounds(np.array([0.5, 1.0]), power=0.9)
    >>> round(finding_power(np.array([0.5, 1.0]), plan.upper, plan.lower, drift=plan.drift), 6)
    0.9
    """
    total, state = 0.0, Walk.start()
    for now, above, below in zip(np.asarray(share, dtype=float), upper, lower, strict=True):
        total += state.above(now, above, drift=drift)
        if below < above:
            state = state.carry(now, above, lower=below, drift=drift)
    return total
