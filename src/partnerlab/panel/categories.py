"""What partners are said to be, by whom: categories of the profile as text, such as "reseller"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError, nearest
from partnerlab.intake.moments import read_as_of
from partnerlab.intake.selection import select_rows
from partnerlab.intake.source import Source

Voice = Literal["self_reported", "measured", "attested", "manager_rated"]

_VOICES: tuple[Voice, ...] = ("self_reported", "measured", "attested", "manager_rated")


def load_categories(
    source: Source,
    *,
    field: str,
    said_by: Voice = "self_reported",
    on: date | str | None = None,
    as_of: datetime | date | str | None = None,
    names: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Load what a field of the profile says that partners are, in the words of one voice.

    What a partner says of itself feeds `estimate_agreement` in one step; what was measured of the same
    field becomes a history by `TierHistory.from_frame`.

    Parameters
    ----------
    source : Source
        With the table ``partner_profile``.
    field : str
        Fact whose ``value`` is the category, such as ``business_model``.
    said_by : {"self_reported", "measured", "attested", "manager_rated"}
        Whose word is taken.
    on : date, str or None
        Give what held on that day, one row for each partner; without it every interval.
    as_of : datetime, date, str or None
        As it was known then.
    names : mapping of str to str, optional
        From the words of the profile to names of tiers; words that are not in it are refused.

    Returns
    -------
    DataFrame
        ``partner, tier, valid_from, valid_to`` (half open, NaT while it lasts), sorted. What is said
        anew ends what was said before by the same voice; an empty value takes it back.

    Raises
    ------
    MissingTableError
        If the program has no ``partner_profile``, or it does not say who says so.
    SampleError
        If nobody said anything of that field by that voice.
    ParameterError
        If a word is not in ``names``.

    Examples
    --------
    >>> from partnerlab.intake import connect
    >>> said = {"partner_id": ["a", "a"], "field": "model", "value": ["reseller", "referral"], "source": "self_reported"}
    >>> profile = pd.DataFrame({**said, "valid_from": ["2025-01-01", "2026-03-01"]})
    >>> source = connect({"partners": pd.DataFrame({"partner_id": ["a"]}), "partner_profile": profile})
    >>> load_categories(source, field="model", on="2025-12-31")["tier"].tolist()
    ['reseller']
    """
    if said_by not in _VOICES:
        raise ParameterError(f"said_by is {said_by!r}{nearest(str(said_by), _VOICES)}")
    rows = _said(source, field=field, said_by=said_by, as_of=as_of)
    rows["valid_to"] = rows.groupby("partner")["valid_from"].shift(-1)
    rows = rows.loc[rows["tier"].notna() & (rows["tier"].astype("str").str.strip() != "")]
    if on is not None:
        day = pd.Timestamp(on)
        rows = rows.loc[(rows["valid_from"] <= day) & (rows["valid_to"].isna() | (rows["valid_to"] > day))]
    if names is not None:
        strange = rows.loc[~rows["tier"].isin(list(names)), "tier"]
        if len(strange):
            word = str(strange.iloc[0])
            raise ParameterError(
                f"names: {len(strange)} rows of partner_profile say {field} is {word!r}, which is not among them{nearest(word, names)}",
                rows=len(strange),
            )
        rows = rows.assign(tier=rows["tier"].map(dict(names)))
    return rows.reset_index(drop=True)


def _said(source: Source, *, field: str, said_by: Voice, as_of: datetime | date | str | None) -> pd.DataFrame:
    """Rows of one field and voice, in order; of two told for the same day the later in the alphabet."""
    present = source.columns().get("partner_profile")
    if present is None:
        raise MissingTableError("load_categories needs table partner_profile, which this program does not have", table="partner_profile")
    moment = read_as_of(as_of, source.program.calendar)
    columns = ["partner_id", "field", "value", "source", "valid_from"]
    rows = source.run(select_rows(source, "partner_profile", columns=columns, as_of=moment)).to_pandas()
    mine = rows.loc[rows["field"] == field]
    if mine.empty:
        known = sorted(set(rows["field"].dropna().astype(str)))
        raise SampleError(f"partner_profile says nothing of {field!r}{nearest(field, known)}")
    voiced = mine.loc[mine["source"] == said_by]
    if voiced.empty:
        others = ", ".join(sorted(set(mine["source"].dropna().astype(str)))) or "nobody in particular"
        raise SampleError(f"partner_profile: {field!r} is never {said_by}; it is said by {others}")
    named = voiced.rename(columns={"partner_id": "partner", "value": "tier"})
    named["valid_from"] = pd.to_datetime(named["valid_from"]).astype("datetime64[s]")
    ordered = named.sort_values(["partner", "valid_from", "tier"], kind="stable").drop_duplicates(["partner", "valid_from"], keep="last")
    return ordered[["partner", "tier", "valid_from"]].reset_index(drop=True)
