"""Flows over k quarters at a time: powers of the one-quarter matrix, and shares counted k quarters apart."""

from __future__ import annotations

import numpy as np

from partnerlab.stats.inference.clusters import design_effects, jackknife_shares
from partnerlab.stats.inference.counts import flow_rows, step_counts
from partnerlab.transitions.courses import Course


def thin(course: Course, ahead: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of columns ``ahead`` quarters apart, laid side by side: codes ``(n, 2 m)`` and which steps count.

    Examples
    --------
    >>> codes = np.array([[0, 1, 0, 1]], dtype=np.int8)
    >>> course = Course(codes=codes, names=("A", "B"), rank=(2, 1), partners=np.array(["a"]), first=0, calendar=None,
    ...                 use=np.ones(3, dtype=bool))
    >>> thin(course, 2)[0].tolist()
    [[0, 0, 1, 1]]
    """
    columns = course.codes.shape[1]
    # both ends must be covered in full: an end is, if a step on either side of it counts
    whole = np.concatenate([course.use, [False]]) | np.concatenate([[False], course.use])
    starts = np.arange(max(columns - ahead, 0))
    starts = starts[whole[starts] & whole[starts + ahead]]
    places = np.stack([starts, starts + ahead], axis=1).ravel()
    use = np.arange(max(2 * len(starts) - 1, 0)) % 2 == 0
    return course.codes[:, places], use


def pooled_shares(course: Course, ahead: int = 1) -> np.ndarray:
    """Shares of moves over ``ahead`` quarters, all quarters together: shape ``(s, s)``; a state nobody was in stays."""
    codes, use = thin(course, ahead)
    counts = step_counts(codes, len(course.names), use=use).sum(axis=0).astype(float)
    return normalise(counts)


def normalise(counts: np.ndarray) -> np.ndarray:
    """Rows to shares; an empty row stays where it is.

    Examples
    --------
    >>> normalise(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist()
    [[0.25, 0.75], [0.0, 1.0]]
    """
    total = counts.sum(axis=-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), np.eye(counts.shape[-1]))


def draw_direct(course: Course, ahead: int, *, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw matrices over ``ahead`` quarters: sampling of partners, then what one quarter does to all; shape ``(draws, s, s)``.

    Rows are Dirichlet around the moves seen, deflated by their design effect; around each such row the coming quarter's
    own is Dirichlet again, as widely as quarters were seen to differ beyond chance.
    """
    codes, use = thin(course, ahead)
    states = len(course.names)
    effective = effective_counts(codes, states, use)
    prior = 0.5 * np.eye(states) + 0.5 * normalise(effective.sum(axis=0)[None, :])
    prior[-2:] = np.eye(states)[-2:]
    shares = normalise(rng.standard_gamma(np.broadcast_to(effective + prior, (draws, states, states))))
    return _shaken(shares, step_counts(codes, states, use=use), rng)


def effective_counts(codes: np.ndarray, states: int, use: np.ndarray) -> np.ndarray:
    """Count moves by state, deflated by the design effect of their row: shape ``(s, s)``."""
    rows = flow_rows(codes, states, use=use)
    shares, errors = jackknife_shares(rows.hits, rows.trials, group=rows.origin, groups=states)
    at_risk = np.bincount(rows.origin, weights=rows.trials, minlength=states)
    partners = np.bincount(rows.origin, minlength=states)
    effect = design_effects(shares, errors, at_risk, np.maximum(partners, 1))
    with np.errstate(invalid="ignore"):
        weight = np.nan_to_num(shares) * (1 - np.nan_to_num(shares))
        spread = np.nansum(weight * np.nan_to_num(effect, nan=1.0), axis=1)
        row = np.where(weight.sum(axis=1) > 0, spread / np.maximum(weight.sum(axis=1), 1e-300), 1.0)
    return np.nan_to_num(shares) * (at_risk / np.maximum(row, 1.0))[:, None]


def _shaken(shares: np.ndarray, steps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the coming quarter's rows: Dirichlet-multinomial with the spread that rows of earlier quarters had."""
    beyond = row_ratios(steps)
    size = np.where((steps.sum(axis=2) > 0).any(axis=0), steps.sum(axis=2).mean(axis=0), 1.0)
    loose = beyond > 1.0 + 1e-6
    total = np.where(loose, np.maximum(size - 1.0, 1.0) / np.maximum(beyond - 1.0, 1e-6), np.inf)
    drawn = shares.copy()
    for state in np.flatnonzero(loose):
        drawn[:, state] = normalise(rng.standard_gamma(shares[:, state] * total[state] + 1e-9)[:, None, :].repeat(len(shares[0]), axis=1))[
            :, 0
        ]
    return drawn


def row_ratios(steps: np.ndarray) -> np.ndarray:
    """How much more the quarters' rows differ than chance makes of one row: shape ``(s,)``, 1 where it cannot be told.

    Examples
    --------
    >>> steps = np.random.default_rng(0).multinomial(200, [0.9, 0.1], (12, 2))
    >>> bool((row_ratios(steps) < 2.0).all())
    True
    """
    at_risk = steps.sum(axis=2, keepdims=True)
    total = np.maximum(at_risk.sum(axis=0), 1)
    pooled = steps.sum(axis=0) / total
    expected = at_risk * pooled
    counted = expected >= 0.5
    mean = np.where(counted, (1 - pooled) * (1 - at_risk / total), 0.0).sum(axis=(0, 2))
    seen = np.where(counted, (steps - expected) ** 2 / np.where(counted, expected, 1.0), 0.0).sum(axis=(0, 2))
    return np.where(mean > 0.5, np.maximum(seen / np.maximum(mean, 1e-9), 1.0), 1.0)
