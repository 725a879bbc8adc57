"""What a program owes to each tier: tactics by period and how their delivery is seen, stop rules, signals to watch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pydantic

from partnerlab.errors import SpecError, nearest
from partnerlab.panel.indicators import Indicator
from partnerlab.scoring.scorecard import Amount
from partnerlab.specs import Name, Spec

#: Keys that say how often a tactic is owed, and the months each means.
OWED = {"per_month": 1, "per_quarter": 3, "per_half_year": 6, "per_year": 12}

#: An activity that was planned, called off or missed was not delivered.
_DONE = "(outcome is null or outcome in ('completed', 'unknown'))"


class Delivered(Spec):
    """Rows that show that a tactic was delivered.

    Parameters
    ----------
    table : str
        Contract table; each row counts once.
    type : str or None
        For ``activities`` and ``manager_time``: the tactic as it is recorded there. Only activities that took place count.
    where : str or None
        Further condition on the rows.

    Examples
    --------
    >>> Delivered(type="training").indicator("team_training", periods=4).window
    4
    """

    table: str = "activities"
    type: str | None = None
    where: str | None = None

    @pydantic.model_validator(mode="after")
    def _can_be_counted(self) -> Self:
        if self.type is not None and self.table not in ("activities", "manager_time"):
            raise ValueError(f"'type' is the tactic of activities or manager_time; say where: which rows of {self.table} count")
        try:
            self.indicator("delivered", periods=1)
        except SpecError as error:
            raise ValueError(str(error).partition(": ")[2] or str(error)) from error
        return self

    def indicator(self, name: str, *, periods: int) -> Indicator:
        """Give the indicator that counts the rows over so many periods."""
        asked = [f"tactic = '{self.type}'"] if self.type is not None else []
        asked += [_DONE] if self.table == "activities" else []
        asked += [f"({self.where})"] if self.where else []
        key = name if name.isidentifier() else "delivered"
        said = {"name": key, "from": self.table, "unit": "times", "window": periods, "meaning": f"{name} delivered"}
        return Indicator.model_validate(said | ({"where": " and ".join(asked)} if asked else {}))


def _rows_or_name(given: Any, hand_on: Any) -> Any:
    """Check rows as rows, so that a mistake keeps its own line."""
    return Delivered.model_validate(given) if isinstance(given, dict) else hand_on(given)


class Tactic(Spec):
    """A tactic that a tier gets, how often it is owed, and what shows its delivery.

    Parameters
    ----------
    tactic : str
        Its name.
    per_month, per_quarter, per_half_year, per_year : int
        How often it is owed, one of them; without, it is offered when it fits.
    delivered_by : str or Delivered
        An indicator of the panel, or ``{table: activities, type: training}``.

    Examples
    --------
    >>> Tactic(tactic="team_training", per_year=2, delivered_by={"type": "training"}).owed
    (2, 12)
    """

    tactic: Name
    per_month: int | None = pydantic.Field(default=None, ge=1, le=1000, strict=True)
    per_quarter: int | None = pydantic.Field(default=None, ge=1, le=1000, strict=True)
    per_half_year: int | None = pydantic.Field(default=None, ge=1, le=1000, strict=True)
    per_year: int | None = pydantic.Field(default=None, ge=1, le=1000, strict=True)
    delivered_by: Annotated[Name | Delivered | None, pydantic.WrapValidator(_rows_or_name)] = None

    @pydantic.model_validator(mode="after")
    def _owed_once(self) -> Self:
        said = [key for key in OWED if getattr(self, key) is not None]
        if len(said) > 1:
            raise ValueError(f"tactic {self.tactic!r} is owed {' and '.join(said)}; keep one of them")
        if said and self.delivered_by is None:
            example = "delivered_by: trainings, or delivered_by: {table: activities, type: training}"
            raise ValueError(f"tactic {self.tactic!r} is owed but nothing shows its delivery; add {example}")
        return self

    @property
    def owed(self) -> tuple[int, int] | None:
        """How often in how many months, or None where nothing is owed by count."""
        return next(((int(getattr(self, key)), months) for key, months in OWED.items() if getattr(self, key) is not None), None)

    def due(self, months: int) -> tuple[int, int]:
        """Give how often it is owed in how many whole periods of so many months."""
        owed, span = self.owed or (0, months)
        return (owed * (months // span), 1) if span < months else (owed, span // months)


class Autopilot(Spec):
    """When effort stops: after so many rounds of tactics without a response.

    A round is a period in which the partner got one of the tactics of its tier. A response is ``measured_by`` reaching
    ``at_least`` in a period; a period of which nothing is known counts as if there could have been one.
    """

    tactic_rounds: int = pydantic.Field(ge=1, le=1000, strict=True)
    response: Literal["none"] = "none"
    measured_by: Name | None = None
    at_least: Amount = 1


class StopRule(Spec):
    """``{autopilot_after: {tactic_rounds: 3, response: none, measured_by: leads}}``."""

    autopilot_after: Autopilot


class Watch(Spec):
    """``{watch_signals: [activity_up, leads_up]}``: what calls for a second look."""

    watch_signals: tuple[str, ...] = pydantic.Field(min_length=1)


_KINDS: Mapping[str, type[Spec]] = {"tactic": Tactic, "autopilot_after": StopRule, "watch_signals": Watch}


def _entry(given: Any, _: Any) -> Any:
    """Tell by its key what an entry is, so that a mistake keeps its own line."""
    if isinstance(given, str):
        return Tactic(tactic=given)
    if isinstance(given, Tactic | StopRule | Watch):
        return given
    key = next((key for key in _KINDS if isinstance(given, dict) and key in given), None)
    if key is None:
        first = str(next(iter(given), "")) if isinstance(given, dict) else ""
        example = "{tactic: training, per_quarter: 1, delivered_by: {table: activities, type: training}}"
        raise ValueError(f"a playbook lists tactics by name, or as {example}{nearest(first, _KINDS) if first else ''}")
    return _KINDS[key].model_validate(given)


#: One entry of a playbook.
Entry = Annotated[Tactic | StopRule | Watch | str, pydantic.WrapValidator(_entry)]


def tactics_of(entries: tuple[Any, ...]) -> list[Tactic]:
    """Give the tactics of a tier."""
    return [entry for entry in entries if isinstance(entry, Tactic)]


def stop_of(entries: tuple[Any, ...]) -> Autopilot | None:
    """Give the stop rule of a tier, if it has one."""
    return next((entry.autopilot_after for entry in entries if isinstance(entry, StopRule)), None)


def facts_asked(entries: tuple[Any, ...]) -> list[str]:
    """Names of indicators that a tier's playbook is measured by."""
    named = [tactic.delivered_by for tactic in tactics_of(entries) if isinstance(tactic.delivered_by, str)]
    stop = stop_of(entries)
    return named + ([stop.measured_by] if stop is not None and stop.measured_by else [])
