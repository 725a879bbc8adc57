"""What a report is asked, once it was checked: the program, its quarters, the rules, and whom it is about."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest

if TYPE_CHECKING:
    from partnerlab.intake import Source
    from partnerlab.ledger import Ledger
    from partnerlab.panel import Indicators
    from partnerlab.periods import Calendar
    from partnerlab.tiers import TierScheme

Stop = TypeVar("Stop")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a report is asked, checked.

    Parameters
    ----------
    source : Source
        Open.
    url : str
        Where it is, without a password.
    program : str
        Its name.
    calendar : Calendar
        Its clock.
    first, quarter : str
        First quarter looked at, and the quarter that the report is about.
    scheme : TierScheme
        The rules.
    indicators : Indicators or None
        Beyond the standard ones that the scheme needs.
    segment : tuple of (attribute, value), or None
        Whom the report is about; None for everybody.
    as_of : datetime or None
        Only what was known then; None for all that is known.
    seed : int
        Of every draw.
    until : date or None
        Day up to which the data are complete.
    ledger : Ledger or None
        What was published before: overrides, appeals, forecasts.
    overrides : DataFrame or None
        Overrides and upheld appeals that the source itself holds, where no ledger has taken them over.
    """

    source: Source = dataclasses.field(repr=False)
    url: str
    program: str
    calendar: Calendar
    first: str
    quarter: str
    scheme: TierScheme = dataclasses.field(repr=False)
    indicators: Indicators | None = dataclasses.field(repr=False, default=None)
    segment: tuple[str, str] | None = None
    as_of: datetime | None = None
    seed: int = 7
    until: date | None = None
    ledger: Ledger | None = dataclasses.field(repr=False, default=None)
    overrides: pd.DataFrame | None = dataclasses.field(repr=False, default=None)

    @property
    def before(self) -> str:
        """The quarter before."""
        return self.calendar.label(self.calendar.parse(self.quarter) - 1)

    @property
    def segment_words(self) -> str:
        """Whom the report is about, in words."""
        return "all partners" if self.segment is None else f"{self.segment[0].replace('_', ' ')} {self.segment[1]}"

    @property
    def whom(self) -> str:
        """Whom a sentence is about."""
        return "the program" if self.segment is None else self.segment_words

    @property
    def currency(self) -> str:
        """Currency of money, if the program names one."""
        return self.source.program.currency or ""

    def select(self, stop: Stop) -> Stop:
        """Keep the partners that the report is about, of a panel or a tier history.

        Tiers are always assigned to everybody first: cut lines and goals are the program's.

        Raises
        ------
        ParameterError
            If the attribute or the value does not exist.
        """
        if self.segment is None:
            return stop
        attribute, value = self.segment
        return stop.select(segment_mask(stop.attributes, attribute, value))

    def words(self) -> dict[str, str]:
        """Say what was asked, for the head of a page."""
        asked = {
            "Program": self.program,
            "Quarter": self.quarter,
            "Partners": self.segment_words,
            "Tier scheme": self.scheme.name_version,
            "History from": self.first,
        }
        if self.until is not None:
            asked["Data complete until"] = str(self.until)
        asked["As known on"] = f"{self.as_of:%Y-%m-%d}" if self.as_of else "the latest load"
        return asked


def segment_values(attributes: pd.DataFrame, attribute: str) -> list[str]:
    """Give the values that partners have in an attribute, sorted; the unknown are not a value.

    Raises
    ------
    ParameterError
        If partners have no such attribute.
    """
    if attribute not in attributes.columns:
        raise ParameterError(
            f"partners have no attribute {attribute!r}{nearest(attribute, map(str, attributes.columns))}", attribute=attribute
        )
    return sorted({str(value) for value in attributes[attribute].dropna()} - {""})


def segment_mask(attributes: pd.DataFrame, attribute: str, value: str) -> np.ndarray:
    """Mark the partners of a segment, shape ``(n,)``.

    Raises
    ------
    ParameterError
        If the attribute or value does not exist.

    Examples
    --------
    >>> segment_mask(pd.DataFrame({"region": ["EMEA", "APAC"]}), "region", "EMAE")
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: no partner has region 'EMAE'; did you mean 'EMEA'?
    """
    values = segment_values(attributes, attribute)
    if value not in values:
        raise ParameterError(f"no partner has {attribute} {value!r}{nearest(value, values)}", attribute=attribute, value=value)
    return (attributes[attribute].astype("str") == value).to_numpy(dtype=bool)
