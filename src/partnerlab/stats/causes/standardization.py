"""Effects by standardisation: a line for each side, and the difference of what both expect, averaged over whom one asks about.

The g-formula of Robins (1986), Mathematical Modelling 7, for one decision; errors by the lines' influence functions.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.stats.regressions.linear import fit_line


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardizedEffect:
    """An effect and what each row contributed to it.

    Parameters
    ----------
    estimate : float
        NaN where a side is empty or its columns repeat each other.
    influence : float array, shape (m,)
        Scaled so that ``sqrt(sum(influence ** 2)) / m`` is the standard error.
    """

    estimate: float
    influence: np.ndarray


def standardized_effect(
    outcome: np.ndarray, treated: np.ndarray, design: np.ndarray, *, target: Literal["att", "ate"] = "att", weight: np.ndarray | None = None
) -> StandardizedEffect:
    """Average the difference of two fitted lines.

    Parameters
    ----------
    outcome : float array, shape (m,)
    treated : bool array, shape (m,)
    design : float array, shape (m, k)
        With its intercept; both sides have coefficients of their own.
    target : {"att", "ate"}
        Over the treated, or over all.
    weight : float array, shape (m,), optional
        Weights.

    Examples
    --------
    >>> outcome, treated = np.array([3.0, 5.0, 1.0, 3.0]), np.array([True, True, False, False])
    >>> standardized_effect(outcome, treated, np.ones((4, 1))).estimate
    2.0
    """
    on, rows = treated.astype(bool), len(outcome)
    weight = np.ones(rows) if weight is None else weight
    lines = {side: fit_line(outcome[side_rows], design[side_rows], weight=weight[side_rows]) if side_rows.any() else None
             for side, side_rows in (("on", on), ("off", ~on))}  # fmt: skip
    if lines["on"] is None or lines["off"] is None:
        return StandardizedEffect(estimate=np.nan, influence=np.full(rows, np.nan))
    share = weight * (on if target == "att" else 1.0)
    share = share / share.sum()
    apart = design @ (lines["on"].coefficients - lines["off"].coefficients)
    estimate = float(share @ apart)
    influence = rows * share * (apart - estimate)
    asked = share @ design
    for sign, side, side_rows in ((1.0, "on", on), (-1.0, "off", ~on)):
        line = lines[side]
        influence[side_rows] += sign * rows * (line.design * line.residual[:, None]) @ line.bread @ asked
    return StandardizedEffect(estimate=estimate, influence=influence)
