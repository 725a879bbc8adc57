"""What partners say they are against what is observed: agreement beyond chance."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.stats.inference.agreement import Kappa, cohen_kappa
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.tiers.movement import heights

if TYPE_CHECKING:
    from partnerlab.tiers.history import Stage, TierHistory

#: With fewer partners kappa's large-sample error says nothing.
FEWEST = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement(Result):
    """Cohen's kappa between what partners say and what is observed: of all categories, and of each against the rest.

    The table has key ``[category]`` (``all`` first); ``estimate`` is kappa, ``n`` the partners with both; then
    ``agreed`` (share that agrees), ``by_chance`` (share that would by chance), ``said`` and ``observed`` (partners).

    Parameters
    ----------
    pairs : DataFrame
        Partners by what they said (rows) and what is observed (columns).
    """

    title: ClassVar[str] = "Agreement of said and observed"

    quarter: str = ""
    pairs: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)


def estimate_agreement(
    history: TierHistory,
    *,
    said: pd.DataFrame,
    quarter: str | None = None,
    stage: Stage = "raw",
    weights: Literal["linear", "quadratic"] | None = None,
    level: float = 0.95,
) -> Agreement:
    """Estimate how far what partners say of themselves agrees with the observed tier.

    Parameters
    ----------
    history : TierHistory
        What is observed.
    said : DataFrame
        ``partner, tier``: what each partner says it is, in names of the scheme; one row each.
    quarter : str or None
        The last quarter if None.
    stage : {"raw", "eligible", "held", "published"}
        Which of the four tiers is observed.
    weights : {None, "linear", "quadratic"}
        Credit for being near, in the order of tiers.
    level : float
        Coverage.

    Returns
    -------
    Agreement

    Raises
    ------
    ParameterError
        If ``said`` lacks a column, repeats a partner, or names a tier that the scheme lacks.
    SampleError
        If nobody has both.

    Examples
    --------
    >>> from partnerlab.tiers import TierHistory
    >>> tiers = ["Gold"] * 30 + ["Silver"] * 70
    >>> rows = pd.DataFrame({"partner": [f"p{i:02d}" for i in range(100)], "quarter": "2026Q1", "tier": tiers})
    >>> said = rows[["partner"]].assign(tier=["Gold"] * 45 + ["Silver"] * 55)
    >>> found = estimate_agreement(TierHistory.from_frame(rows, order=["Gold", "Silver"]), said=said).tidy()
    >>> found.loc[0, ["estimate", "conf_low", "conf_high"]].astype(float).round(2).tolist()
    [0.69, 0.55, 0.83]
    """
    check_level(level)
    column = history.column(quarter or history.labels[-1])
    mine, theirs = _pairs(history, said, history.stage(stage)[:, column])
    if not len(mine):
        raise SampleError(f"nobody who said what it is has a tier in {history.labels[column]}")
    size = len(history.tiers)
    table = np.bincount(theirs * size + mine, minlength=size * size).reshape(size, size)
    rows = [_row("all", cohen_kappa(table, weights=weights), table.sum(), level, table.sum(), table.sum())]
    for code, tier in enumerate(history.tiers):
        both, said_it, seen_it = table[code, code], table[code].sum(), table[:, code].sum()
        two = np.array([[both, said_it - both], [seen_it - both, table.sum() - said_it - seen_it + both]])
        rows.append(_row(tier, cohen_kappa(two), table.sum(), level, said_it, seen_it))
    return Agreement(
        estimand=f"Agreement beyond chance (Cohen's kappa) of what partners say they are with the {stage} tier of {history.labels[column]}",
        table=pd.DataFrame(rows),
        checks=_checks(history, mine, theirs),
        level=level,
        quarter=history.labels[column],
        pairs=pd.DataFrame(table, index=pd.Index(history.tiers, name="said"), columns=pd.Index(history.tiers, name="observed")),
    )


def _pairs(history: TierHistory, said: pd.DataFrame, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Observed and said code of every partner with both."""
    lacking = [name for name in ("partner", "tier") if name not in said.columns]
    if lacking:
        raise ParameterError(f"said: no column {', '.join(lacking)}; it needs partner, tier")
    strange = said.loc[said["tier"].notna() & ~said["tier"].isin(history.tiers), "tier"]
    if len(strange):
        first = str(strange.iloc[0])
        raise ParameterError(
            f"said.tier: {len(strange)} rows name a tier such as {first!r} that the scheme lacks{nearest(first, history.tiers)}"
        )
    repeated = said["partner"].duplicated()
    if repeated.any():
        raise ParameterError(
            f"said: {int(repeated.sum())} rows repeat a partner, such as {said.loc[repeated, 'partner'].iloc[0]!r}; keep one"
        )
    named = said.set_index(said["partner"].astype(str))["tier"].reindex(history.partners)
    theirs = pd.Index(history.tiers).get_indexer(named)
    both = (theirs >= 0) & (codes >= 0)
    return codes[both].astype(int), theirs[both]


def _row(category: str, found: Kappa, n: int, level: float, said: int, observed: int) -> dict[str, object]:
    reach = float(critical_value(level)) * found.std_error
    known = n >= FEWEST and not np.isnan(found.kappa)
    low, high = max(found.kappa - reach, -1.0), min(found.kappa + reach, 1.0)
    return {
        "category": category, "estimate": found.kappa if known else np.nan, "std_error": found.std_error if known else np.nan,
        "conf_low": low if known else np.nan, "conf_high": high if known else np.nan, "n": int(n), "agreed": found.observed,
        "by_chance": found.expected, "said": int(said), "observed": int(observed),
    }  # fmt: skip


def _checks(history: TierHistory, mine: np.ndarray, theirs: np.ndarray) -> tuple[Check, ...]:
    """Say whether partners rate themselves rather above or below what is observed."""
    height = heights(history.rank).astype(int)
    above, below = int((height[theirs] > height[mine]).sum()), int((height[theirs] < height[mine]).sum())
    enough = Check("Enough partners", len(mine) >= FEWEST, f"{len(mine)} partners have both; kappa's error needs {FEWEST}.")
    return enough, Check("Direction", None, f"{above} place themselves above what is observed, {below} below, of {len(mine)}.")
