"""Cox's exact partial likelihood for tied times that are truly discrete; for small data, as its cost is a sum over subsets."""

from __future__ import annotations

import numpy as np

from partnerlab.stats.hazards.risk_slots import Slots

#: Steps of the recursion, over all tied slots, beyond which the data are not small.
MOST_STEPS = 200_000


def recursion_steps(slots: Slots, event: np.ndarray) -> int:
    """Count the steps that the recursion would take."""
    size = len(slots) + 1
    ties = np.bincount(slots.hi[event] - 1, minlength=size)[:-1]
    flow = np.bincount(slots.hi, minlength=size) - np.bincount(slots.begins, minlength=size)
    at_risk = np.cumsum(flow[::-1])[::-1][1:]
    return int(at_risk[ties > 1].sum())


def exact_likelihood(design: np.ndarray, slots: Slots, event: np.ndarray, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, score and information of the conditional logistic likelihood (Gail, Lubin and Rubinstein 1981).

    Examples
    --------
    One of two has the event first, then the other: ``log(1/2)`` at 0.

    >>> from partnerlab.stats.hazards.risk_slots import find_slots
    >>> slots = find_slots(np.array([1, 2]), event=np.array([True, True]))
    >>> round(exact_likelihood(np.array([[0.0], [1.0]]), slots, np.array([True, True]), np.zeros(1))[0], 4)
    -0.6931
    """
    eta = design @ beta
    ratio = np.exp(eta - eta.max(initial=0.0))
    loglik, score, information = 0.0, np.zeros(len(beta)), np.zeros((len(beta), len(beta)))
    at = slots.hi - 1
    for slot in range(len(slots)):
        died = event & (at == slot)
        risk = (slots.begins <= slot) & (slot < slots.hi)
        whole, first, second = _subsets(ratio[risk], design[risk], int(died.sum()))
        mean = first / whole
        loglik += float(np.log(ratio[died]).sum() - np.log(whole))
        score += design[died].sum(axis=0) - mean
        information += second / whole - np.outer(mean, mean)
    return loglik, score, information


def _subsets(ratio: np.ndarray, design: np.ndarray, count: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Sum over all subsets of a size of the product of ratios, and its two derivatives."""
    if count == 1:
        return float(ratio.sum()), ratio @ design, design.T @ (design * ratio[:, None])
    width = design.shape[1]
    total, slope, bend = np.zeros(count + 1), np.zeros((count + 1, width)), np.zeros((count + 1, width, width))
    total[0] = 1.0
    for one, x in zip(ratio, design, strict=True):
        cross = slope[:-1, :, None] * x
        bend[1:] += one * (bend[:-1] + cross + cross.transpose(0, 2, 1) + total[:-1, None, None] * np.outer(x, x))
        slope[1:] += one * (slope[:-1] + total[:-1, None] * x)
        total[1:] += one * total[:-1]
    return float(total[count]), slope[count], bend[count]
