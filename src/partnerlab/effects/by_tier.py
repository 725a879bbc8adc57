"""For whom a tactic worked: cells of tactic by tier (and region), pooled, so that the best of many is not a boast."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.row_tables import require_columns
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.stats.shrinkage.hierarchy import PooledCells, pool_cells
from partnerlab.stats.shrinkage.random_effects import RandomEffects, fit_random_effects
from partnerlab.words import plural, say_number, say_p

#: Columns of counts that are kept beside the pooled effects.
COUNTS = ("partners", "managers")
#: Most classifications that cells are pooled over.
MOST_KEYS = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierEffects(Result):
    """Pooled effects by cell.

    The table's keys are the cells' names; ``estimate``, ``std_error`` and the interval are pooled, and beside them stand ``raw`` and
    ``raw_error``, ``weight`` (how much of the pooled estimate follows the cell's own, 0 to 1), ``q_value`` (of the raw effect,
    Student's t where its degrees of freedom are known; false discovery controlled over all cells), ``positive`` (probability of an
    effect above 0), ``material`` (above what matters, if that was said), ``best`` (probability of being the best cell); ``partners``
    and ``managers`` where the cells had them.

    Parameters
    ----------
    cells : int
        How many cells were looked at.
    overall, overall_error : float
        Effect common to all cells, and its standard error.
    spreads : dict
        Standard deviation of true effects between the levels of each key, and between cells beyond that.
    unit : str
        What the effects are counted in, if it is known.
    """

    title: ClassVar[str] = "Effect by tier"

    cells: int
    overall: float
    overall_error: float
    spreads: dict[str, float]
    unit: str = ""

    @property
    def top(self) -> pd.Series:
        """The cell most likely to be the best, with its pooled effect."""
        return self.table.loc[self.table["best"].idxmax()]


def estimate_by_tier(  # noqa: PLR0913 - columns have names
    cells: pd.DataFrame,
    *,
    by: tuple[str, ...] = ("tactic", "tier"),
    estimate: str = "estimate",
    std_error: str = "std_error",
    n: str = "n",
    df: str | None = None,
    scale: str | None = None,
    covariance: np.ndarray | None = None,
    material: float | None = None,
    evidence: Evidence = Evidence.D,
    level: float = 0.95,
    seed: int = 0,
    fewest: int = 3,
) -> TierEffects:
    """Pool the effects of cells over tactics, tiers, regions.

    Parameters
    ----------
    cells : DataFrame
        One row a cell; tier as it was before the tactic. All cells that were looked at, not only the promising ones.
    by : tuple of str
        Columns that name a cell, at most three, first what is compared; each one with several levels lends its cells strength.
    estimate, std_error, n : str
        Columns of the raw effect, its standard error, and the treated rows behind it. Cells without error stay unknown.
    df : str, optional
        Column of degrees of freedom, where errors come from few managers: they are widened to what Student's t asks for.
    scale : str, optional
        Column of the size of unit in which effects are alike, such as the outcome's spread in the cell's tier: where one tier brings
        ten times the leads of another, effects are pooled in shares of it.
    covariance : float array, shape (cells, cells), optional
        Of the raw estimates, where cells share partners or managers.
    material : float, optional
        Smallest effect that matters.
    evidence : Evidence
        Grade of the design that the cells come from; pooling does not raise it.
    level, seed : float, int
        Coverage; seed of the draws behind ``best``.
    fewest : int
        Known cells that are asked for; with one or two hardly anything is pooled.

    Returns
    -------
    TierEffects

    Raises
    ------
    MissingTableError
        If a column is not there.
    SampleError
        If a cell stands twice, an error is not above 0, or too few cells are known.

    Notes
    -----
    Priors and method: `partnerlab.stats.shrinkage.hierarchy`.

    Examples
    --------
    >>> cells = pd.DataFrame({"tactic": ["Dinner"] * 3 + ["Webinar"] * 3, "tier": ["Bronze", "Silver", "Gold"] * 2,
    ...                       "estimate": [0.6, 0.4, 0.5, 0.0, 0.1, 0.1], "std_error": [0.2] * 6, "n": [90] * 6})
    >>> found = estimate_by_tier(cells)
    >>> found.table.round(2).loc[0, ["raw", "estimate"]].tolist(), found.top["tactic"]
    ([0.6, 0.42], 'Dinner')
    """
    check_level(level)
    _require(cells, (*by, estimate, std_error, n, *(name for name in (df, scale) if name)), by=by)
    if covariance is not None and np.shape(covariance) != (len(cells), len(cells)):
        raise ParameterError(f"cells: covariance has shape {np.shape(covariance)}; {len(cells)} cells need as many rows and columns")
    if covariance is not None and not (np.diag(covariance)[cells[estimate].notna()] > 0).all():
        raise ParameterError("cells: covariance has variances that are not above 0; such estimates cannot be pooled")
    raw, error = cells[estimate].to_numpy(float), cells[std_error].to_numpy(float)
    known = np.isfinite(raw) & np.isfinite(error)
    if (error[known] <= 0).any():
        raise SampleError(
            f"cells.{std_error}: {int((error[known] <= 0).sum())} cells have no error above 0; such estimates cannot be pooled"
        )
    for column, what in ((df, "degrees of freedom"), (scale, "scale")):
        if column is not None and not (cells.loc[known, column] > 0).all():
            raise SampleError(f"cells.{column}: {int((~(cells.loc[known, column] > 0)).sum())} cells have no {what} above 0")
    if known.sum() < fewest:
        needed = "three are" if fewest == 3 else f"{plural(fewest, 'cell')} {'is' if fewest == 1 else 'are'}"
        raise SampleError(f"cells: {int(known.sum())} of {len(cells)} cells are known; {needed} needed to pool")
    wide = error if df is None else error * critical_value(level, cells[df].to_numpy(float)) / critical_value(level)
    groups = [cells.loc[known, key].astype(str).to_numpy() for key in by]
    shared = None
    if covariance is not None:
        stretch = (wide / error)[known]
        shared = np.asarray(covariance)[np.ix_(known, known)] * np.outer(stretch, stretch)
    units = None if scale is None else cells.loc[known, scale].to_numpy(float)
    pooled = pool_cells(
        raw[known], wide[known], groups=groups, covariance=shared, scale=units, material=material or 0.0, level=level, seed=seed
    )
    freedom = np.inf if df is None else cells[df].to_numpy(float)
    table = _table(cells, pooled, known, by=by, raw=raw, error=wide, own=error, freedom=freedom, n=n)
    if material is None:
        table = table.drop(columns="material")
    return TierEffects(
        estimand=f"Effect by {', '.join(by)}, pooled over {plural(len(cells), 'cell')}",
        table=table,
        checks=_checks(table, pooled, known, raw, wide),
        evidence=evidence,
        level=level,
        cells=len(cells),
        overall=pooled.overall,
        overall_error=pooled.overall_std,
        spreads=_spreads(pooled, by, groups),
    )


def _require(cells: pd.DataFrame, columns: tuple[str, ...], *, by: tuple[str, ...]) -> None:
    require_columns(cells, columns, numbers=[name for name in columns if name not in by], table="cells")
    if not 1 <= len(by) <= MOST_KEYS:
        raise ParameterError(f"cells: by names {len(by)} columns; give one to {MOST_KEYS}")
    twice = cells.duplicated(list(by))
    if twice.any():
        name = ", ".join(str(part) for part in cells.loc[twice, list(by)].iloc[0])
        raise SampleError(f"cells: {int(twice.sum())} cells stand twice, first ({name}); name what tells them apart in by")


def _table(cells, pooled: PooledCells, known, *, by, raw, error, own, freedom, n) -> pd.DataFrame:  # noqa: PLR0913 - columns of one table
    from scipy.stats import t

    def spread(values: np.ndarray) -> np.ndarray:
        whole = np.full(len(cells), np.nan)
        whole[known] = values
        return whole

    table = cells[list(by)].reset_index(drop=True)
    values = {
        "estimate": spread(pooled.mean),
        "std_error": spread(pooled.std),
        "conf_low": spread(pooled.low),
        "conf_high": spread(pooled.high),
        "n": cells[n].to_numpy(),
        "raw": raw,
        "raw_error": error,
        "weight": spread(pooled.own_weight),
        "q_value": adjust_p_values(2 * t.sf(np.abs(raw / own), freedom), method="BH"),
        "positive": spread(pooled.positive),
        "material": spread(pooled.material),
        "best": spread(pooled.best),
    }
    return table.assign(**values, **{name: cells[name].to_numpy() for name in COUNTS if name in cells})


def _spreads(pooled: PooledCells, by: tuple[str, ...], groups: list[np.ndarray]) -> dict[str, float]:
    telling = [key for key, labels in zip(by, groups, strict=True) if 1 < len(set(labels)) < len(labels)]
    return dict(zip(["cell", *telling], pooled.spreads.tolist(), strict=True))


def _checks(table: pd.DataFrame, pooled: PooledCells, known: np.ndarray, raw: np.ndarray, error: np.ndarray) -> tuple[Check, ...]:
    loud, top = int(np.nanargmax(np.where(known, raw, np.nan))), table["best"].idxmax()
    fit = fit_random_effects(raw[known], error[known])
    unknown = int((~known).sum())
    kept = f"the best raw cell reads {say_number(raw[loud])}, pooled {say_number(table.loc[loud, 'estimate'])}"
    sure = f"the likeliest best cell is best with probability {table.loc[top, 'best']:.2f}"
    return (
        Check("cells known", unknown == 0, f"{plural(unknown, 'cell')} of {len(known)} without enough data" if unknown else "all"),
        Check("cells differ", *_differ(fit)),
        Check("winner's curse", None, f"{kept}; {sure}"),
    )


def _differ(fit: RandomEffects | None) -> tuple[bool | None, str]:
    if fit is None:
        return None, "too few cells to see a difference"
    return bool(fit.q_p_value < 0.05) or None, f"test that all effects are equal: {say_p(fit.q_p_value)}"
