"""Overrides and upheld appeals: who says otherwise, on whose word, until when."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, nearest
from partnerlab.tiers.history import Outside, Reason, TierHistory

COLUMNS = ("partner_id", "tier", "valid_from", "valid_to", "approver", "reason")


def apply_overrides(history: TierHistory, overrides: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Put overrides in place of held tiers, for as long as they last.

    A period takes the override that is in force on its last day; of several the
    one that began last. Where the partner is no member there is nothing to override.

    Parameters
    ----------
    history : TierHistory
        With held tiers.
    overrides : DataFrame
        ``partner_id, tier, valid_from, valid_to`` (half open; empty while it lasts),
        ``approver, reason`` and optionally ``kind`` (``override`` or ``appeal``).

    Returns
    -------
    published, reasons : ndarray of int8, shape (n, t)

    Raises
    ------
    ContractError
        If a column is missing, or a tier is not one of the scheme.
    """
    rows = _checked(history, overrides)
    ends = history.calendar.bounds_date(int(history.periods[0]), int(history.periods[-1]))[1:] - np.timedelta64(1, "D")
    published, reasons = history.held.copy(), history.reasons.copy()
    begins, stops = (rows[name].to_numpy().astype("datetime64[D]") for name in ("begins", "stops"))
    for index, (position, code, why) in enumerate(rows[["position", "code", "why"]].itertuples(index=False)):
        here = (ends >= begins[index]) & (ends < stops[index]) & (published[position] > Outside.NOT_YET)
        published[position, here] = code
        reasons[position, here] = why
    return published, reasons


def _checked(history: TierHistory, overrides: pd.DataFrame) -> pd.DataFrame:
    """Rows for partners at hand, in the order in which they began: ``position, code, begins, stops, why``."""
    lacking = [column for column in COLUMNS[:4] if column not in overrides.columns]
    if lacking:
        raise ContractError(f"overrides: no column {', '.join(lacking)}; they need {', '.join(COLUMNS)}", table="overrides")
    strange = overrides.loc[~overrides["tier"].isin(history.tiers), "tier"]
    if len(strange):
        first = str(strange.iloc[0])
        raise ContractError(f"overrides.tier: {len(strange)} rows name a tier such as {first!r} that the scheme lacks{nearest(first, history.tiers)}", table="overrides")
    rows = overrides.assign(position=pd.Index(history.partners).get_indexer(overrides["partner_id"].astype(str)))
    rows = rows.assign(begins=_days(rows["valid_from"], "1900-01-01"), stops=_days(rows["valid_to"], "2262-01-01"))
    kind = rows["kind"] if "kind" in rows else pd.Series("override", index=rows.index)
    rows = rows.assign(code=pd.Index(history.tiers).get_indexer(rows["tier"]), why=np.where(kind == "appeal", Reason.APPEAL, Reason.OVERRIDE))
    return rows.loc[rows["position"] >= 0].sort_values("begins", kind="stable")[["position", "code", "begins", "stops", "why"]]


def _days(column: pd.Series, default: str) -> pd.Series:
    """Dates as days; empty ones lie far away."""
    return pd.to_datetime(column).fillna(pd.Timestamp(default)).dt.tz_localize(None).dt.normalize()
