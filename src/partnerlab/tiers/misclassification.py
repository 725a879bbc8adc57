"""How many tiers are wrong: from upheld appeals, and from an audit of those who did not appeal."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, wilson_interval

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory

#: What a decision on an appeal may be; everything else is still open.
DECIDED = ("upheld", "rejected")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Misclassification(Result):
    """Share of the rated partners whose tier is wrong.

    The table has key ``[stratum]``: ``appealed`` (decided appeals: a count, no sample), ``not appealed`` (from the
    audit) and ``all``; ``n`` is what the row rests on (appeals, audited partners, both), then ``partners`` (in the
    stratum) and ``wrong`` (found). Without an audit the row of all is a lower bound: its upper end is unknown.
    """

    title: ClassVar[str] = "Wrong tiers"

    quarter: str = ""


def stratified_share(wrong: int, appealed: int, found: int, audited: int, partners: int, level: float) -> tuple[float, ...]:
    """Share wrong among all, from those who appealed (known) and a sample of the others.

    ``(wrong + (partners - appealed) * p) / partners`` with ``p = found / audited``; the interval is Wilson's of ``p``
    carried through, with the finite population of those not appealed in the effective sample size.

    Returns
    -------
    estimate, std_error, conf_low, conf_high : float

    Examples
    --------
    >>> [round(value, 3) for value in stratified_share(6, 10, 2, 40, 110, 0.95)]
    [0.1, 0.025, 0.071, 0.174]
    """
    rest = partners - appealed
    if rest == 0:
        return wrong / partners, 0.0, wrong / partners, wrong / partners
    share = found / audited
    left = (rest - audited) / max(rest - 1, 1)
    if left <= 0:
        whole = (wrong + found) / partners
        return whole, 0.0, whole, whole
    low, high = (float(edge) for edge in wilson_interval(share, audited / left, level=level))
    error = rest / partners * np.sqrt(share * (1 - share) / max(audited - 1, 1) * left)
    return (wrong + rest * share) / partners, float(error), (wrong + rest * low) / partners, (wrong + rest * high) / partners


def estimate_misclassification(
    history: TierHistory,
    *,
    appeals: pd.DataFrame,
    audit: pd.DataFrame | None = None,
    quarter: str | None = None,
    level: float = 0.95,
) -> Misclassification:
    """Estimate how many of the tiers held in a quarter are wrong.

    Parameters
    ----------
    history : TierHistory
        Held tiers, before overrides and appeals, are judged.
    appeals : DataFrame
        Columns of the contract: ``partner_id`` (or ``partner``), ``quarter``, ``decision``; an upheld one is a wrong tier.
        Those about another scheme are left out.
    audit : DataFrame or None
        ``partner, correct`` (bool): partners picked by chance and looked at afresh; those who appealed do not count
        twice. Without it nothing is known of those who did not appeal.
    quarter : str or None
        The last quarter if None.
    level : float
        Coverage.

    Returns
    -------
    Misclassification

    Raises
    ------
    ContractError, ParameterError
        If columns are missing.
    SampleError
        If nobody holds a tier in the quarter.

    Examples
    --------
    >>> from partnerlab.tiers import TierHistory
    >>> rows = pd.DataFrame({"partner": [f"p{i:02d}" for i in range(50)], "quarter": "2026Q1", "tier": "Gold"})
    >>> appeals = pd.DataFrame({"partner": ["p00", "p01"], "quarter": "2026Q1", "decision": ["upheld", "rejected"]})
    >>> audit = pd.DataFrame({"partner": [f"p{i:02d}" for i in range(1, 22)], "correct": [False] * 2 + [True] * 19})
    >>> found = estimate_misclassification(TierHistory.from_frame(rows), appeals=appeals, audit=audit).tidy()
    >>> found[["stratum", "wrong", "n"]].to_numpy().tolist()  # p01 appealed: its audit does not count
    [['appealed', 1, 2], ['not appealed', 1, 20], ['all', 2, 22]]
    """
    check_level(level)
    column = history.column(quarter or history.labels[-1])
    rated = history.partners[history.held[:, column] >= 0]
    if not len(rated):
        raise SampleError(f"nobody holds a tier in {history.labels[column]}; none can be wrong")
    decided = _decided(_of_scheme(appeals, history), history.labels[column], rated)
    appealed, wrong = len(decided), int(decided.sum())
    checked = _audited(audit, rated, decided.index)
    found, audited, partners = int((~checked).sum()), len(checked), len(rated)
    rows = [
        _row(
            "appealed",
            (wrong / appealed if appealed else np.nan, 0.0 if appealed else np.nan, *[wrong / appealed if appealed else np.nan] * 2),
            appealed,
            appealed,
            wrong,
        )
    ]
    if audited:
        rest = stratified_share(0, 0, found, audited, partners - appealed, level) if partners > appealed else (np.nan,) * 4
        whole = stratified_share(wrong, appealed, found, audited, partners, level)
    else:
        rest, whole = (np.nan,) * 4, (np.nan, np.nan, wrong / partners, np.nan)
    rows += [_row("not appealed", rest, audited, partners - appealed, found)]
    rows += [_row("all", whole, appealed + audited, partners, wrong + found)]
    return Misclassification(
        estimand=f"Share of the partners rated in {history.labels[column]} whose held tier is wrong",
        table=pd.DataFrame(rows),
        checks=(_audit_check(audited, wrong, partners),),
        level=level,
        quarter=history.labels[column],
    )


def _row(stratum: str, values: tuple[float, ...], n: int, partners: int, wrong: int) -> dict[str, object]:
    tidy = dict(zip(("estimate", "std_error", "conf_low", "conf_high"), values, strict=True))
    return {"stratum": stratum, **tidy, "n": n, "partners": partners, "wrong": wrong}


def _of_scheme(appeals: pd.DataFrame, history: TierHistory) -> pd.DataFrame:
    """Keep the appeals that are about this scheme, or do not say which they are about."""
    if "scheme" not in appeals.columns or history.scheme is None:
        return appeals
    named = appeals["scheme"]
    return appeals[named.isna() | named.isin(["", history.scheme.scheme, history.scheme.name_version])]


def _decided(appeals: pd.DataFrame, quarter: str, rated: np.ndarray) -> pd.Series:
    """Whether an appeal of the quarter was upheld, by partner; open ones are left out."""
    given = appeals.rename(columns={"partner_id": "partner"}) if "partner" not in appeals.columns else appeals
    lacking = [name for name in ("partner", "quarter", "decision") if name not in given.columns]
    if lacking:
        raise ContractError(f"appeals: no column {', '.join(lacking)}; they need partner_id, quarter, decision", table="appeals")
    mine = given[(given["quarter"].astype(str) == quarter) & given["decision"].isin(DECIDED) & given["partner"].astype(str).isin(rated)]
    return (mine["decision"] == "upheld").groupby(mine["partner"].astype(str)).max().astype(bool)


def _audited(audit: pd.DataFrame | None, rated: np.ndarray, appealed: pd.Index) -> np.ndarray:
    """Outcomes of the audit among those who did not appeal."""
    if audit is None:
        return np.zeros(0, dtype=bool)
    lacking = [name for name in ("partner", "correct") if name not in audit.columns]
    if lacking:
        raise ParameterError(f"audit: no column {', '.join(lacking)}; it needs partner, correct")
    names = audit["partner"].astype(str)
    use = names.isin(rated) & ~names.isin(appealed) & ~names.duplicated() & audit["correct"].notna()
    return audit.loc[use, "correct"].astype(bool).to_numpy()


def _audit_check(audited: int, wrong: int, partners: int) -> Check:
    if audited:
        return Check(
            "Audit", audited >= 20, f"{audited} partners who did not appeal were looked at afresh; they must have been picked by chance."
        )
    return Check("Audit", None, f"There is none: at least {wrong} of {partners} tiers are wrong, how many more nobody knows.")
