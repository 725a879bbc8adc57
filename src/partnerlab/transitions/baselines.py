"""Forecasts to beat: as now, the pooled matrix, last quarter's matrix, shares counted k quarters apart; all finite."""

from __future__ import annotations

import numpy as np

from partnerlab.stats.inference.counts import step_counts
from partnerlab.transitions.courses import Course
from partnerlab.transitions.direct import thin

#: Names of the forecasts to beat, in the order in which they are shown.
BASELINES = ("persistence", "pooled matrix", "last-quarter matrix", "direct")


def half_counts(classes: np.ndarray) -> np.ndarray:
    """Half a count for each class of outcomes, spread over its states: shape ``(s,)``.

    Parameters
    ----------
    classes : ndarray of int, shape (s,)
        Class of each state; negative for states that cannot come about.

    Examples
    --------
    >>> half_counts(np.array([0, 0, 1, -1])).tolist()
    [0.25, 0.25, 0.5, 0.0]
    """
    real = classes >= 0
    size = np.bincount(classes[real], minlength=1)
    return np.where(real, 0.5 / np.maximum(size[np.where(real, classes, 0)], 1), 0.0)


def baseline_matrices(course: Course, *, ahead: int, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Matrices over ``ahead`` quarters, known at the course's last quarter: each ``(s, s)``.

    Persistence is smoothed by half a count for each class of outcomes, beside today's partners of the tier; so are the
    pooled matrix and that of the last quarter, beside the moves behind their rows.

    Examples
    --------
    >>> codes = np.array([[0, 0, 1], [0, 0, 0], [1, 1, 1]], dtype=np.int8)
    >>> course = Course(codes=codes, names=("A", "B"), rank=(2, 1), partners=np.array(list("abc")), first=0, calendar=None,
    ...                 use=np.ones(2, dtype=bool))
    >>> baseline_matrices(course, ahead=1, classes=np.array([0, 1]))["last-quarter matrix"].tolist()
    [[0.5, 0.5], [0.25, 0.75]]
    """
    states, half = len(course.names), half_counts(classes)
    steps = step_counts(course.codes, states, use=course.use)
    today = np.bincount(course.codes[:, -1][course.codes[:, -1] >= 0], minlength=states)
    codes, use = thin(course, ahead)
    apart = step_counts(codes, states, use=use).sum(axis=0)
    last = steps[-1] if len(steps) else np.zeros((states, states))
    return {
        "persistence": _smoothed(np.diag(today), half),
        "pooled matrix": np.linalg.matrix_power(_smoothed(steps.sum(axis=0), half), ahead),
        "last-quarter matrix": np.linalg.matrix_power(_smoothed(last, half), ahead),
        "direct": _smoothed(apart, half),
    }


def _smoothed(counts: np.ndarray, half: np.ndarray) -> np.ndarray:
    rows = counts + half
    return rows / rows.sum(axis=1, keepdims=True)
