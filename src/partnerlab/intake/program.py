"""What a program says about itself: its name, its clock, its tiers, how far its data reach."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

import pydantic

from partnerlab.errors import SourceError, SpecError
from partnerlab.periods import Calendar
from partnerlab.specs import Spec


class Program(Spec):
    """A partner program.

    Parameters
    ----------
    name : str
        What people call it.
    start_month : int
        First month of its year, 1 to 12.
    timezone : str
        IANA zone whose midnights cut its quarters.
    cadence : {"quarter", "month"}
        What a period is.
    currency : str or None
        ISO 4217 code of its money.
    tier_order : tuple of str
        Recorded tiers, best first. In YAML a list, or text such as ``platinum > gold > silver``.
    data_until : date or None
        The data are complete up to this day (exclusive); otherwise found from the data.
    waive : mapping of str to str
        Quarantine rules that this program does not want applied, each with its reason:
        ``Q6: postage is billed and counts``. The report still counts the rows and prints the reason.
    not_products : tuple of str
        Product codes of this program's ledger that are no products (rule Q6), beside the usual ones such as ``POST``.

    Examples
    --------
    >>> program = Program(name="demo", start_month=4, timezone="Europe/Berlin", tier_order="gold > silver")
    >>> program.tier_order
    ('gold', 'silver')
    >>> program.calendar.label(program.calendar.period_of_date(date(2026, 5, 1)))
    'FY2027Q1'
    """

    name: str = "program"
    start_month: int = pydantic.Field(default=1, ge=1, le=12)
    timezone: str = "UTC"
    cadence: Literal["quarter", "month"] = "quarter"
    currency: str | None = None
    tier_order: tuple[str, ...] = ()
    data_until: date | None = None
    waive: Mapping[str, str] = pydantic.Field(default_factory=dict)
    not_products: tuple[str, ...] = ()

    @pydantic.field_validator("tier_order", mode="before")
    @classmethod
    def _split_order(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(">") if part.strip())
        return value

    @pydantic.field_validator("waive")
    @classmethod
    def _waive_quarantine_only(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for rule in value:
            if rule not in ("Q1", "Q2", "Q4", "Q5", "Q6", "Q7"):
                raise ValueError(f"{rule} cannot be waived; only the quarantine rules Q1, Q2, Q4, Q5, Q6, Q7 can")
        return value

    @pydantic.field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            Calendar(timezone=value)
        except SpecError as error:
            raise ValueError(f"{value!r} is not an IANA time zone such as 'Europe/Berlin'") from error
        return value

    @property
    def calendar(self) -> Calendar:
        """The program's clock."""
        return Calendar(start_month=self.start_month, timezone=self.timezone, cadence=self.cadence)

    @classmethod
    def from_row(cls, row: Mapping[str, Any], *, url: str) -> Program:
        """Read the one row of a ``program`` table.

        Raises
        ------
        SourceError
            If a value in it cannot be meant.
        """
        given = {key: value for key, value in row.items() if key in cls.model_fields and value is not None}
        if isinstance(given.get("data_until"), datetime):
            given["data_until"] = given["data_until"].date()
        try:
            return cls.model_validate(given)
        except pydantic.ValidationError as error:
            found = error.errors(include_url=False)[0]
            place = ".".join(map(str, found["loc"]))
            raise SourceError(
                f"{url}: table program, column {place}: {found['msg'].removeprefix('Value error, ')}; mend the row"
            ) from error
