"""What is counted: each indicator says, once, what is taken from which rows of which table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any, ClassVar, Literal, Self

import pydantic

from partnerlab.errors import SpecError, nearest
from partnerlab.intake.contract import TABLES, Column
from partnerlab.panel.conditions import columns_named, parse_condition
from partnerlab.panel.points import Points
from partnerlab.specs import Spec, misplaced

Statistic = Literal["count", "sum", "mean", "median", "share", "distinct", "last", "held", "active", "months"]

#: Not a table: the values come with a frame (`Panel.from_frame`).
FRAME = "frame"

_NUMBERS = ("money", "number", "integer", "share", "flag")
_NEEDS_VALUE = {"sum": "a column of numbers", "mean": "a column of numbers", "median": "a column of numbers",
                "last": "a column of numbers", "share": "a condition", "distinct": "a column"}  # fmt: skip
_OF_NUMBERS = ("sum", "mean", "median", "last", "months")
_NO_WINDOW = ("distinct", "last", "held")
_UNKNOWN_BY_DEFAULT = ("mean", "median", "share", "last")


class Indicator(Spec):
    """One number for each partner and period, and what it is made of.

    Parameters
    ----------
    name : str
        Its name in conditions and scorecards; filled from the key in YAML.
    kind : {"leading", "lagging", "informational"}
        Whether it is meant to run ahead of results.
    unit, meaning : str
        For people.
    from_ : str
        Contract table that its rows come from (``from`` in YAML), or ``frame``.
    statistic : {"count", "sum", "mean", "median", "share", "distinct", "last", "held", "active", "months"}
        ``count`` rows; ``sum`` or ``mean`` of a column; ``median`` of a column over all rows of
        the window (not of the medians of its periods); ``share`` of rows for which the
        condition in ``value`` is true; ``distinct`` values of a column in the period;
        ``last`` number known at the end of the period, carried forward; ``held`` rows
        (or distinct values) whose interval covers the end of the period; ``active``
        periods of the window with at least ``at_least`` rows; ``months`` of the window with at
        least ``at_least`` rows or, with a ``value``, in which it sums to that.
    value : str or None
        Column, or for a share the condition.
    where : str or None
        Condition that a row must fulfil to be counted at all.
    at : str or None
        Column that says when a row happened; the table's event time if empty.
    ends : tuple of str or None
        For ``held``: columns of which the earliest ends the interval.
    role : {"sourced", "influenced", "fulfilled", "any"} or None
        For deals: the part that the partner plays (``deal_partners``), sourced if empty.
        Every partner that plays it is credited in full; ``any`` counts a partner once for each deal.
    window : int
        Periods, ending with the one in question, that are taken together.
    at_least : number
        For ``active`` and ``months``: rows (or the sum of the value) that make a period or month count.
    consecutive : bool
        For ``months``: only those in a row, up to the end of the period. A month that is not over
        yet extends the row if it counts already, and does not end it.
    any_of : tuple of str
        For ``held`` certificates: those that count (``program``). The distinct persons who hold any
        of them are counted, each once, unless ``value`` says otherwise.
    retired : mapping of certificate to date
        For ``held`` certificates: first day on which a certificate no longer counts, whoever holds it.
    points : Points or None
        For ``sum``: what each row is worth (without a ``value``, each row counts as 1).
    per : {"unit", "partner"}
        In a panel over units, such as regions: whether rows count in the unit that they name, or the
        partner's number stands in each of its units.
    missing : {"zero", "unknown"}
        What no row means. Unknown for ``mean``, ``share`` and ``last``, else zero.
    min_n : int
        With fewer rows than this in the window the value is unknown.
    trust : {"measured", "self_reported", "attested", "manager_rated"}
        Whose word it is.
    squares : bool
        Keep sums of squares, so that the noise of a mean or sum can be judged.

    Raises
    ------
    SpecError
        Naming the key, and from YAML file and line.

    Examples
    --------
    >>> said = {"name": "won", "from": "deals", "where": "status = 'won'", "at": "closed_at", "window": 4}
    >>> won = Indicator.model_validate(said)
    >>> won.statistic, won.missing, won.is_count
    ('count', 'zero', True)
    """

    name: str = ""
    kind: Literal["leading", "lagging", "informational"] = "informational"
    unit: str = ""
    meaning: str = ""
    from_: str = pydantic.Field(alias="from")
    statistic: Statistic = "count"
    value: str | None = None
    where: str | None = None
    at: str | None = None
    ends: tuple[str, ...] | None = None
    role: Literal["sourced", "influenced", "fulfilled", "any"] | None = None
    window: int = pydantic.Field(default=1, ge=1, le=60, strict=True)
    at_least: pydantic.StrictInt | pydantic.StrictFloat = pydantic.Field(default=1, gt=0, allow_inf_nan=False)
    consecutive: bool = pydantic.Field(default=False, strict=True)
    any_of: tuple[str, ...] = ()
    retired: dict[str, date] = pydantic.Field(default_factory=dict)
    points: Points | None = None
    per: Literal["unit", "partner"] = "unit"
    missing: Literal["zero", "unknown"] = "zero"
    min_n: int = pydantic.Field(default=0, ge=0, strict=True)
    trust: Literal["measured", "self_reported", "attested", "manager_rated"] = "measured"
    squares: bool = pydantic.Field(default=False, strict=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _default_missing(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if "missing" not in data and data.get("statistic") in _UNKNOWN_BY_DEFAULT:
            data = {**data, "missing": "unknown"}
        if data.get("any_of") and data.get("statistic") == "held" and data.get("value") is None:
            data = {**data, "value": "person_id"}
        return data

    @pydantic.field_validator("from_")
    @classmethod
    def _known_table(cls, table: str) -> str:
        if table != FRAME and table not in TABLES:
            raise ValueError(f"the contract has no table {table!r}{nearest(table, TABLES)}")
        return table

    @pydantic.model_validator(mode="after")
    def _means_something(self) -> Self:
        self._check_shape()
        if self.from_ != FRAME:
            self._check_columns()
        return self

    def _check_shape(self) -> None:
        """Refuse combinations of keys that nobody can mean."""
        if self.statistic in _NEEDS_VALUE and self.value is None and self.from_ != FRAME and self.points is None:
            raise misplaced(f"statistic {self.statistic} needs value: {_NEEDS_VALUE[self.statistic]}", "statistic")
        if self.statistic in ("count", "active") and self.value is not None:
            raise misplaced(f"statistic {self.statistic} counts rows and takes no value; drop it, or say sum, mean or distinct", "value")
        if self.statistic in _NO_WINDOW and self.window != 1:
            raise misplaced(
                f"statistic {self.statistic} is a state at the end of a period, or no sum; drop window: {self.window}", "window"
            )
        papers = self.statistic == "held" and self.from_ == "certifications"
        added = self.statistic in ("sum", "mean") and self.points is None
        fitting = {
            "at_least": self.statistic in ("active", "months"), "consecutive": self.statistic == "months",
            "ends": self.statistic == "held", "any_of": papers, "retired": papers,
            "points": self.statistic == "sum" and self.from_ != FRAME, "squares": added, "role": self.from_ == "deals",
        }  # fmt: skip
        for key, fits in fitting.items():
            if key in self.model_fields_set and getattr(self, key) not in (None, False, (), {}) and not fits:
                raise misplaced(f"{key} has no meaning for statistic {self.statistic} of {self.from_}; drop it", key)
        if self.value is None and self.statistic in ("active", "months") and self.at_least != int(self.at_least):
            raise misplaced(f"at_least counts rows, so it is a whole number, not {self.at_least:g}", "at_least")
        if self.statistic == "median" and self.from_ == FRAME and self.window != 1:
            raise misplaced(f"a frame holds medians, not the rows that a median of {self.window} periods needs; drop window", "window")
        for name in self.retired if self.any_of else ():
            if name not in self.any_of:
                raise misplaced(f"retired: {name!r} is not among any_of{nearest(name, self.any_of)}", "retired", name)

    def _check_columns(self) -> None:
        columns = self.columns
        if self.from_ != "deals" and "partner_id" not in columns:
            raise misplaced(f"rows of {self.from_} belong to no partner; tables of partners: {', '.join(partner_tables())}", "from")
        self._check_conditions()
        if self.value is not None and self.statistic != "share":
            kind = self._column(self.value, "value").type
            if self.statistic in _OF_NUMBERS and kind not in _NUMBERS:
                raise misplaced(f"{self.value} is {kind}, and statistic {self.statistic} needs a number", "value")
            if self.value == "amount_base" and self.points is not None and self.points.currency:
                raise misplaced(
                    "points.currency turns amounts into one currency, which amount_base is in already; take value: amount", "value"
                )
        if self.event_time is None:
            raise misplaced(f"{self.from_} has no event time; say at: which column tells when a row happened", "from")
        for name in (self.event_time, *self.interval_ends):
            key = "ends" if name in (self.ends or ()) else "at"
            if self._column(name, key).type not in ("date", "instant"):
                raise misplaced(f"{name} is neither a date nor an instant", key)

    def _check_conditions(self) -> None:
        named: set[str] = set()
        texts: list[tuple[tuple[str | int, ...], str | None]] = [
            (("where" if self.where is not None else "any_of",), self.condition),
            (("value",), self.value if self.statistic == "share" else None),
        ]
        texts += [(("points", "multipliers", place, "where"), text) for place, text in enumerate(self.multiplied)]
        for path, text in texts:
            if text is not None:
                try:
                    named |= columns_named(parse_condition(text, columns=self.columns))
                except ValueError as error:
                    raise misplaced(str(error), *path) from error
        if self.role == "any":
            played = sorted(named & {"role", "is_primary", "weight"})
            if played:
                raise misplaced(
                    f"role: any counts a partner once for each deal, so {played[0]} cannot stand in a condition; name a role", "role"
                )

    def _column(self, name: str, key: str) -> Column:
        if name not in self.columns:
            raise misplaced(f"{self.from_} has no column {name!r}{nearest(name, self.columns)}", key)
        return self.columns[name]

    @property
    def table(self) -> str:
        """Contract table that its rows come from."""
        return self.from_

    @property
    def columns(self) -> dict[str, Column]:
        """Columns that its conditions may name: those of its table, for deals those of ``deal_partners`` too."""
        if self.from_ == FRAME:
            return {}
        found = {column.name: column for column in TABLES[self.from_].columns}
        if self.from_ == "deals":
            found |= {name: TABLES["deal_partners"].column(name) for name in ("role", "is_primary", "weight")}
        return found

    @property
    def event_time(self) -> str | None:
        """Column that says when a row happened."""
        return None if self.from_ == FRAME else self.at or TABLES[self.from_].time

    @property
    def interval_ends(self) -> tuple[str, ...]:
        """For ``held``: columns of which the earliest ends the interval."""
        if self.statistic != "held" or self.from_ == FRAME:
            return ()
        if self.ends is not None:
            return self.ends
        return tuple(name for name in ("valid_to", "expires_at", "revoked_at", "left_at", "closed_at") if name in self.columns)

    @property
    def multiplied(self) -> tuple[str, ...]:
        """Conditions under which its points are multiplied."""
        return () if self.points is None else tuple(multiplier.where for multiplier in self.points.multipliers)

    @property
    def condition(self) -> str | None:
        """Everything that a row must fulfil to be counted: ``where``, and to be one of the certificates that count."""
        if not self.any_of:
            return self.where
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in self.any_of)
        papers = f"program in ({names})"
        return papers if self.where is None else f"({self.where}) and {papers}"

    @property
    def conditions(self) -> tuple[str, ...]:
        """Conditions that decide whether a row counts, and as what."""
        return tuple(text for text in (self.condition, self.value if self.statistic == "share" else None) if text)

    @property
    def money(self) -> bool:
        """Whether its values are amounts of the program's currency."""
        amount = self.value in self.columns and self.columns[self.value].type == "money"
        return amount and self.statistic in ("sum", "mean", "median") and self.points is None

    @property
    def money_summed(self) -> bool:
        """Whether sums of its column are kept in minor units."""
        return self.value in self.columns and self.minor_units == 100

    @property
    def minor_units(self) -> int:
        """Whole number by which values of its column are multiplied, so that engines add whole numbers."""
        if self.value is None or self.value not in self.columns:
            return 1
        return {"money": 100, "integer": 1, "flag": 1}.get(self.columns[self.value].type, 1_000_000)

    @property
    def scale(self) -> int:
        """Number by which totals are divided to give values: 100 for sums of money, which are kept in minor units (int64)."""
        if self.points is not None:
            return self.minor_units * self.points.scale
        return 100 if self.money and self.statistic != "median" else 1

    @property
    def is_count(self) -> bool:
        """Whether each period's total is a number of rows, so that its noise is that of a count."""
        return self.statistic in ("count", "active")

    @property
    def is_whole_window(self) -> bool:
        """Whether its totals are of the whole window that ends with each period, not of single periods."""
        return self.statistic == "median" or (self.statistic == "months" and self.consecutive)

    @property
    def measure(self) -> tuple[Any, ...]:
        """What its arrays depend on: indicators with the same measure share one query."""
        base = "count" if self.statistic == "active" else self.statistic
        more: tuple[Any, ...] = ()
        if self.statistic in ("median", "months"):  # the rows of a window, not of its periods, decide
            more = (self.window, self.at_least, self.consecutive)
        if self.retired or self.points is not None:
            more += (tuple(sorted(self.retired.items())), "" if self.points is None else self.points.model_dump_json())
        return (self.from_, base, self.value, self.condition, self.event_time, self.interval_ends, self.role, self.squares, self.per, *more)


class Indicators(Spec):
    """Indicators by name, as one YAML file declares them.

    Parameters
    ----------
    indicators : mapping of str to Indicator
        In the order in which they are shown.

    Examples
    --------
    >>> standard = Indicators.load("standard")
    >>> standard["leads_4q"].window
    4
    >>> mine = Indicators(indicators={"events": {"from": "activities", "where": "tactic = 'event'"}})
    >>> list((standard | mine).names)[-1]
    'events'
    """

    shipped: ClassVar[str | None] = "partnerlab.panel.catalog"

    indicators: dict[str, Indicator]

    @pydantic.model_validator(mode="before")
    @classmethod
    def _names_from_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("indicators"), dict):
            return data
        named = {}
        for key, said in data["indicators"].items():
            if isinstance(said, Indicator):
                named[key] = said if said.name == key else said.model_copy(update={"name": key})
            else:
                named[key] = {**said, "name": key} if isinstance(said, dict) and said.get("name") in (None, "", key) else said
        return {**data, "indicators": named}

    @pydantic.field_validator("indicators")
    @classmethod
    def _names_that_conditions_can_say(cls, indicators: dict[str, Indicator]) -> dict[str, Indicator]:
        for key, indicator in indicators.items():
            if not key.isidentifier() or key.endswith("_n"):
                said = f"{key!r} cannot be named in a condition; use letters, digits and underscores, and no ending in _n"
                raise misplaced(said, key)
            if indicator.name != key:
                raise misplaced(f"{key}: name says {indicator.name!r}; drop name, the key is the name", key, "name")
        return indicators

    def __getitem__(self, name: str) -> Indicator:
        """Find an indicator by name, SpecError if there is none."""
        if name not in self.indicators:
            raise SpecError(f"no indicator is called {name!r}{nearest(name, self.indicators)}", indicator=name)
        return self.indicators[name]

    def __contains__(self, name: object) -> bool:
        return name in self.indicators

    def __len__(self) -> int:
        return len(self.indicators)

    def __or__(self, other: Indicators) -> Indicators:
        """Merge; what ``other`` says wins."""
        return Indicators(indicators=self.indicators | other.indicators)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names in order."""
        return tuple(self.indicators)

    def only(self, names: Iterable[str]) -> Indicators:
        """Give those of the names asked for, in the order asked."""
        return Indicators(indicators={name: self[name] for name in names})

    def fingerprint(self) -> str:
        """Give the definitions as canonical JSON: equal text, equal meaning."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True)


def partner_tables() -> tuple[str, ...]:
    """Name the contract's tables whose rows belong to a partner."""
    return tuple(name for name, table in TABLES.items() if "partner_id" in table.names or name == "deals")
