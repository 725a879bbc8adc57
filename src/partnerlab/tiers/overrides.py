"""Overrides and upheld appeals: who says otherwise, on whose word, until when."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, nearest
from partnerlab.periods import Calendar, read_dates
from partnerlab.tiers.codes import Outside, Reason
from partnerlab.tiers.history import TierHistory

#: Other spellings of the columns, as the ledger has them.
_SPELLINGS = {"partner": "partner_id", "decided_by": "approver"}
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
        If a column is missing, a tier is not one of the scheme, an override ends before it begins, or nobody approved it.
    """
    rows = _checked(history, overrides)
    ends = history.calendar.bounds_date(int(history.periods[0]), int(history.periods[-1]))[1:] - np.timedelta64(1, "D")
    published, reasons = history.published.copy(), history.reasons.copy()
    begins, stops = (rows[name].to_numpy().astype("datetime64[D]") for name in ("begins", "stops"))
    for index, (position, code, why) in enumerate(rows[["position", "code", "why"]].itertuples(index=False)):
        here = (ends >= begins[index]) & (ends < stops[index]) & (published[position] > Outside.NOT_YET)
        published[position, here] = code
        reasons[position, here] = why
    return published, reasons


def note_strangers(history: TierHistory, overrides: pd.DataFrame) -> str:
    """Say how many rows are about partners who are not in the history, and so change nothing; empty if none are."""
    asked = overrides["partner_id" if "partner_id" in overrides else "partner"].astype(str)
    strange = asked[~asked.isin(history.partners)]
    if strange.empty:
        return ""
    return (
        f"Overrides: {len(strange)} of {len(asked)} rows are of partners who are not in this panel, such as {str(strange.iloc[0])!r}, "
        "and change nothing"
    )


def upheld_appeals(appeals: pd.DataFrame, *, calendar: Calendar) -> pd.DataFrame:
    """Appeals that were upheld, as overrides from the quarter they are about.

    Parameters
    ----------
    appeals : DataFrame
        Columns of the contract: ``quarter, decided_at, decision, granted_tier, valid_to``, ...
    calendar : Calendar
        The program's clock.

    Raises
    ------
    ContractError
        If a column is missing.
    """
    lacking = [column for column in ("quarter", "decided_at", "decision", "granted_tier") if column not in appeals.columns]
    if lacking:
        raise ContractError(
            f"overrides: no column tier, and for appeals no {', '.join(lacking)}; they need {', '.join(COLUMNS)}", table="overrides"
        )
    upheld = appeals.loc[(appeals["decision"] == "upheld") & appeals["granted_tier"].notna()]
    decided = read_dates(upheld["decided_at"], name="overrides.decided_at", refusal=ContractError, table="overrides")
    begins = [
        day if pd.isna(label) else pd.Timestamp(calendar.start(calendar.parse(str(label))))
        for label, day in zip(upheld["quarter"], decided, strict=True)
    ]
    return upheld.assign(tier=upheld["granted_tier"], valid_from=begins, kind="appeal")


def _checked(history: TierHistory, overrides: pd.DataFrame) -> pd.DataFrame:
    """Rows for this scheme and the partners at hand, in the order in which they began: ``position, code, begins, stops, why``."""
    rows = overrides.rename(columns={old: new for old, new in _SPELLINGS.items() if new not in overrides.columns})
    lacking = [column for column in COLUMNS[:4] if column not in rows.columns]
    if lacking:
        raise ContractError(f"overrides: no column {', '.join(lacking)}; they need {', '.join(COLUMNS)}", table="overrides")
    if "scheme" in rows and history.scheme is not None:
        rows = rows.loc[rows["scheme"].isna() | rows["scheme"].isin(["", history.scheme.scheme, history.scheme.name_version])]
    strange = rows.loc[~rows["tier"].isin(history.tiers), "tier"]
    if len(strange):
        first = str(strange.iloc[0])
        hint = nearest(first, history.tiers)
        raise ContractError(
            f"overrides.tier: {len(strange)} rows name a tier such as {first!r} that the scheme lacks{hint}", table="overrides"
        )
    rows = rows.assign(position=pd.Index(history.partners).get_indexer(rows["partner_id"].astype(str)))
    rows = rows.assign(begins=_days(rows, "valid_from", "1900-01-01"), stops=_days(rows, "valid_to", "2262-01-01"))
    kind = rows["kind"] if "kind" in rows else pd.Series("override", index=rows.index)
    recorded = rows["override_id"].notna() if "override_id" in rows else pd.Series(data=False, index=rows.index)
    _check_by_hand(rows.loc[(kind != "appeal") & ~recorded])
    rows = rows.assign(
        code=pd.Index(history.tiers).get_indexer(rows["tier"]), why=np.where(kind == "appeal", Reason.APPEAL, Reason.OVERRIDE)
    )
    return rows.loc[rows["position"] >= 0].sort_values("begins", kind="stable")[["position", "code", "begins", "stops", "why"]]


def _check_by_hand(rows: pd.DataFrame) -> None:
    """Refuse overrides without a word of who and why, or of no time; those of a table or the ledger were checked there."""
    _refuse(rows.loc[rows["stops"] <= rows["begins"]], "valid_to", "end before they begin; mend valid_from or valid_to")
    for name, lacks in (("approver", "nobody approved"), ("reason", "have no reason")):
        said = rows[name].fillna("").astype(str).str.strip() if name in rows else pd.Series("", index=rows.index)
        _refuse(rows.loc[said == ""], name, f"{lacks}; say {name} for each")


def _refuse(rows: pd.DataFrame, column: str, said: str) -> None:
    if len(rows):
        first = f"such as the one of partner {str(rows['partner_id'].iloc[0])!r}"
        raise ContractError(f"overrides.{column}: {len(rows)} rows, {first}, {said}", table="overrides", column=column)


def _days(rows: pd.DataFrame, name: str, default: str) -> pd.Series:
    """Dates as days; empty ones lie far away."""
    days = read_dates(rows[name], name=f"overrides.{name}", refusal=ContractError, table="overrides")
    return days.fillna(pd.Timestamp(default)).dt.normalize()
