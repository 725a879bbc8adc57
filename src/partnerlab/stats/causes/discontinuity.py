"""Jumps at a line: regression discontinuity, and whether people heap on one side of it.

Bandwidth: Imbens and Kalyanaraman (2012), Review of Economic Studies 79. Bias correction: Calonico, Cattaneo and Titiunik (2014),
Econometrica 82; with one bandwidth for the line and for its bias it is the jump of local quadratics (their remark 7). Density:
McCrary (2008), Journal of Econometrics 142.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from partnerlab.stats.regressions.linear import Line, clustered_covariance, fit_line, satterthwaite_df

#: Fewest rows, and fewest different scores, on a side of the line that a jump is read from.
FEWEST_ROWS = 15
FEWEST_SCORES = 5
#: With more clusters than this the degrees of freedom are clusters less the columns of the fit.
MANY_CLUSTERS = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Jump:
    """A jump at a line.

    Parameters
    ----------
    plain, plain_error : float
        Of local lines; its interval forgets that lines bend.
    estimate, std_error : float
        Of local quadratics: bias taken out, and its error counted.
    df : float
        Degrees of freedom of the robust interval.
    bandwidth : float
        Distance from the line at which rows cease to count.
    below, above : int
        Rows within it.
    """

    plain: float
    plain_error: float
    estimate: float
    std_error: float
    df: float
    bandwidth: float
    below: int
    above: int


def estimate_jump(
    score: np.ndarray, outcome: np.ndarray, *, line: float = 0.0, bandwidth: float, cluster: np.ndarray | None = None
) -> Jump | None:
    """Jump of the mean outcome as the score reaches a line, by local regressions with triangular weights.

    Parameters
    ----------
    score, outcome : float array, shape (n,)
        Without missing values.
    line : float
        Rows at or above it are treated.
    bandwidth : float
        Above 0.
    cluster : int array, shape (n,), or None
        Rows that share shocks (a partner's quarters, a manager's partners). Errors are HC2, or CR2 with clusters.

    Returns
    -------
    Jump or None
        None with fewer than `FEWEST_ROWS` rows or `FEWEST_SCORES` different scores within the bandwidth on a side.

    Examples
    --------
    >>> score = np.linspace(-1, 1, 201)
    >>> jump = estimate_jump(score, score**2 + 0.5 * (score >= 0), bandwidth=0.5)
    >>> round(jump.estimate, 6), round(jump.plain, 3)
    (0.5, 0.503)
    """
    x = (np.asarray(score, dtype=float) - line) / bandwidth
    near = np.abs(x) < 1
    x, y = x[near], np.asarray(outcome, dtype=float)[near]
    above = x >= 0
    enough = all(side.sum() >= FEWEST_ROWS and len(np.unique(x[side])) >= FEWEST_SCORES for side in (above, ~above))
    if not enough:
        return None
    codes = None if cluster is None else np.unique(np.asarray(cluster)[near], return_inverse=True)[1]
    weight = 1 - np.abs(x)
    fits = [_sides(y, x, above, weight, degree) for degree in (1, 2)]
    if fits[0] is None or fits[1] is None:
        return None
    errors = [_error(fit, codes) for fit in fits]
    return Jump(
        plain=float(fits[0].coefficients[0]),
        plain_error=errors[0],
        estimate=float(fits[1].coefficients[0]),
        std_error=errors[1],
        df=_freedom(fits[1], codes),
        bandwidth=float(bandwidth),
        below=int((~above).sum()),
        above=int(above.sum()),
    )


def side_curves(score: np.ndarray, outcome: np.ndarray, *, line: float = 0.0, bandwidth: float) -> np.ndarray:
    """Coefficients of the curves behind `estimate_jump`: value at the line, slope and bend, below and above it.

    Parameters
    ----------
    score, outcome : float array, shape (n,)
        Without missing values.
    line, bandwidth : float

    Returns
    -------
    float array, shape (2, 3)
        ``value + slope * d + bend * d**2`` at distance ``d`` from the line; NaN where they cannot be fitted.

    Examples
    --------
    >>> score = np.linspace(-1, 1, 201)
    >>> (side_curves(score, score**2 + 0.5 * (score >= 0), bandwidth=0.5).round(6) + 0.0).tolist()
    [[0.0, 0.0, 1.0], [0.5, 0.0, 1.0]]
    """
    x = (np.asarray(score, dtype=float) - line) / bandwidth
    near = np.abs(x) < 1
    fit = _sides(np.asarray(outcome, dtype=float)[near], x[near], x[near] >= 0, 1 - np.abs(x[near]), 2)
    if fit is None:
        return np.full((2, 3), np.nan)
    jump, below, more = fit.coefficients[0], fit.coefficients[1:4], np.array([0.0, *fit.coefficients[4:6]])
    above = below + more + np.array([jump, 0.0, 0.0])
    return np.array([below, above]) / bandwidth ** np.arange(3) + 0.0


def side_bins(score: np.ndarray, outcome: np.ndarray, *, line: float = 0.0, bins: int = 8) -> np.ndarray:
    """Means of equally many rows, in order of their score, on both sides of a line.

    Parameters
    ----------
    score, outcome : float array, shape (n,)
        Without missing values.
    line : float
    bins : int
        On each side, fewer where there are fewer rows.

    Returns
    -------
    float array, shape (k, 5)
        Side (0 below, 1 above), mean score, mean outcome, its standard error (NaN for one row), rows.

    Examples
    --------
    >>> side_bins(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.0, 2.0, 3.0, 5.0]), bins=1)[:, :3].tolist()
    [[0.0, -1.5, 1.0], [1.0, 1.5, 4.0]]
    """
    x, y = np.asarray(score, dtype=float), np.asarray(outcome, dtype=float)
    rows = []
    for side, here in enumerate((x < line, x >= line)):
        order = np.argsort(x[here], kind="stable")
        for part in np.array_split(order, min(bins, len(order)) or 1):
            if len(part):
                own = y[here][part]
                error = float(own.std(ddof=1) / math.sqrt(len(own))) if len(own) > 1 else math.nan
                rows.append((side, float(x[here][part].mean()), float(own.mean()), error, len(part)))
    return np.array(rows, dtype=float).reshape(-1, 5)


def _sides(y: np.ndarray, x: np.ndarray, above: np.ndarray, weight: np.ndarray, degree: int) -> Line | None:
    """Polynomials on both sides; the first coefficient is the jump."""
    powers = x[:, None] ** np.arange(degree + 1)
    return fit_line(y, np.column_stack([above.astype(float), powers, powers[:, 1:] * above[:, None]]), weight=weight)


def _error(fit: Line, codes: np.ndarray | None) -> float:
    if codes is not None:
        return float(np.sqrt(clustered_covariance(fit, codes, correction="CR2")[0, 0]))
    leverage = np.einsum("ij,jk,ik->i", fit.design, fit.bread, fit.design)
    push = fit.design @ fit.bread[0] * fit.residual / np.sqrt(np.maximum(1 - leverage, 1e-10))
    return float(np.sqrt((push**2).sum()))


def _freedom(fit: Line, codes: np.ndarray | None) -> float:
    rows, columns = fit.design.shape
    if codes is None:
        return float(rows - columns)
    many = int(codes.max()) + 1
    return satterthwaite_df(fit, codes, contrast=np.eye(columns)[0]) if many <= MANY_CLUSTERS else float(many - columns)


def best_bandwidth(score: np.ndarray, outcome: np.ndarray, *, line: float = 0.0) -> float:
    """Bandwidth of least mean squared error of local lines at the line, for triangular weights.

    Parameters
    ----------
    score, outcome : float array, shape (n,)
        Without missing values.
    line : float

    Returns
    -------
    float
        NaN where a side has too few rows to tell.

    Notes
    -----
    Imbens and Kalyanaraman (2012), section 4.2; their floor under the third derivative is read in units of outcome and score.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> score = rng.uniform(-1, 1, 2000)
    >>> bool(0.2 < best_bandwidth(score, np.sin(3 * score) + rng.normal(0, 0.3, 2000)) < 1.0)
    True
    """
    x, y = np.asarray(score, dtype=float) - line, np.asarray(outcome, dtype=float)
    if len(x) < FEWEST_ROWS:
        return math.nan
    n, above, spread = len(x), x >= 0, float(np.std(x, ddof=1))
    pilot = 1.84 * spread * n**-0.2
    sides = [(above & (x <= pilot)), (~above & (x >= -pilot))]
    if min(int(side.sum()) for side in sides) < FEWEST_ROWS:
        return math.nan
    density = sum(int(side.sum()) for side in sides) / (2 * n * pilot)
    variance = [float(np.var(y[side], ddof=1)) for side in sides]
    cubic = fit_line(y, np.column_stack([above, x[:, None] ** np.arange(4)]).astype(float))
    if cubic is None or not max(variance) > 0:
        return math.nan
    third = max((6 * float(cubic.coefficients[4])) ** 2, 0.01 * float(np.var(y)) / spread**6)
    bends, doubts = [], []
    for side, scatter in zip((above, ~above), variance, strict=True):
        width = 3.56 * (scatter / (density * third)) ** (1 / 7) * side.sum() ** (-1 / 7)
        near = side & (np.abs(x) <= width)
        quadratic = fit_line(y[near], x[near, None] ** np.arange(3)) if near.sum() >= FEWEST_ROWS else None
        if quadratic is None:
            return math.nan
        bends.append(2 * float(quadratic.coefficients[2]))
        doubts.append(2160 * scatter / (near.sum() * width**4))
    return float(3.4375 * (sum(variance) / (density * ((bends[0] - bends[1]) ** 2 + sum(doubts)))) ** 0.2 * n**-0.2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heap:
    """Jump of the log density of scores at a line, with its standard error and bandwidth."""

    estimate: float
    std_error: float
    bandwidth: float


def density_jump(score: np.ndarray, *, line: float = 0.0) -> Heap | None:
    """Log of how much denser scores lie just above a line than just below it (McCrary 2008).

    Scores must be (nearly) continuous: with few different values bins are empty for no reason of anybody's.

    Parameters
    ----------
    score : float array, shape (n,)
    line : float

    Returns
    -------
    Heap or None
        None where a side has too few scores.

    Examples
    --------
    >>> heap = density_jump(np.random.default_rng(0).normal(size=3000))
    >>> bool(abs(heap.estimate) < 3 * heap.std_error)
    True
    """
    x = np.asarray(score, dtype=float) - line
    n = len(x)
    if min((x >= 0).sum(), (x < 0).sum()) < FEWEST_ROWS:
        return None
    width = 2 * float(np.std(x, ddof=1)) / math.sqrt(n)
    first, last = math.floor(x.min() / width), math.floor(x.max() / width)
    middle = (np.arange(first, last + 1) + 0.5) * width
    height = np.bincount(np.floor(x / width).astype(np.int64) - first, minlength=len(middle)) / (n * width)
    bandwidths = [_density_bandwidth(middle[side], height[side]) for side in (middle > 0, middle < 0)]
    if any(math.isnan(bandwidth) for bandwidth in bandwidths):
        return None
    bandwidth = float(sum(bandwidths)) / 2
    ends = []
    for side in (middle > 0, middle < 0):
        weight = np.maximum(1 - np.abs(middle) / bandwidth, 0) * side
        use = weight > 0
        fit = fit_line(height[use], np.column_stack([np.ones(use.sum()), middle[use]]), weight=weight[use]) if use.sum() > 3 else None
        if fit is None:
            return None
        # where nobody is left at the line the fit may fall below 0: half a row within the bandwidth stands for it
        ends.append(max(float(fit.coefficients[0]), 0.5 / (n * bandwidth)))
    error = math.sqrt(24 / 5 * (1 / ends[0] + 1 / ends[1]) / (n * bandwidth))
    return Heap(estimate=math.log(ends[0] / ends[1]), std_error=error, bandwidth=bandwidth)


def _density_bandwidth(middle: np.ndarray, height: np.ndarray) -> float:
    """McCrary's rule of thumb: from the bend of a fourth-degree polynomial through one side's bins."""
    if len(middle) < 8:
        return math.nan
    reach = float(np.abs(middle).max())
    powers = (middle / reach)[:, None] ** np.arange(5)
    coefficients, *_ = np.linalg.lstsq(powers, height, rcond=None)
    scatter = float(((height - powers @ coefficients) ** 2).sum()) / (len(height) - 5)
    bend = powers[:, :3] @ (coefficients[2:] * np.array([2.0, 6.0, 12.0])) / reach**2
    total = float((bend**2).sum())
    # the rule's range is that of the side's scores
    return min(3.348 * (scatter * (middle.max() - middle.min()) / total) ** 0.2, 2 * reach) if total > 0 else 2 * reach
