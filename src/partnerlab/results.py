"""What an analysis hands back: an estimand in words, one tidy table, and what was checked."""

from __future__ import annotations

import dataclasses
import enum
import html
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError

TIDY = ("estimate", "std_error", "conf_low", "conf_high", "n")


def read_only(array: np.ndarray) -> np.ndarray:
    """Give an array that cannot be written to, without a copy.

    Examples
    --------
    >>> read_only(np.zeros(2))[0] = 1.0
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """
    seen = np.asarray(array).view()
    seen.flags.writeable = False
    return seen


class Evidence(enum.StrEnum):
    """How far a number can be trusted as an answer to "what did it do?"."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"

    @property
    def meaning(self) -> str:
        """The grade in words."""
        return {
            "A": "randomised, sample-ratio and attrition checks passed",
            "B": "identified by a design or adjustment whose assumptions are stated",
            "C": "association",
            "D": "description: cannot tell why",
        }[self.value]


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``passed`` is None where it could not be judged."""

    name: str
    passed: bool | None
    detail: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What an analysis hands back.

    Parameters
    ----------
    estimand : str
        The quantity in a sentence.
    table : DataFrame
        Key columns first, then always ``estimate, std_error, conf_low, conf_high, n``;
        further columns after those. NaN where there is not enough data. The result keeps its own:
        what is written to a table that it handed out does not change it.
    checks : tuple of Check
        What was looked at.
    evidence : Evidence
        Grade; description unless a design earns more.
    level : float
        Coverage that ``conf_low`` and ``conf_high`` aim at.

    Examples
    --------
    >>> row = dict(tier="A", estimate=0.5, std_error=0.1, conf_low=0.3, conf_high=0.7, n=25)
    >>> Result(estimand="Share of partners in A", table=pd.DataFrame([row])).tidy().shape
    (1, 6)
    """

    estimand: str
    table: pd.DataFrame = dataclasses.field(repr=False)
    checks: tuple[Check, ...] = ()
    evidence: Evidence = Evidence.D
    level: float = 0.95

    #: What a reader calls this kind of result.
    title: ClassVar[str] = "Result"

    def __post_init__(self) -> None:
        missing = [column for column in TIDY if column not in self.table.columns]
        if missing:
            raise TypeError(f"{type(self).__name__}.table lacks {', '.join(missing)}")
        if self.evidence not in tuple(Evidence):
            raise ParameterError(f"evidence is {self.evidence!r}; it is A, B, C or D")
        object.__setattr__(self, "evidence", Evidence(self.evidence))

    @property
    def keys(self) -> list[str]:
        """Names of the key columns: those before ``estimate``."""
        return list(self.table.columns[: self.table.columns.get_loc("estimate")])

    def tidy(self) -> pd.DataFrame:
        """Give a fresh copy of the table."""
        return self.table.copy()

    def summary(self) -> str:
        """Say the estimand, the evidence, the checks and the table as text."""
        marks = {True: "passed", False: "FAILED", None: "cannot tell"}
        lines = [self.estimand, f"Evidence {self.evidence.value}: {self.evidence.meaning}."]
        lines += [f"{check.name}: {marks[check.passed]}. {check.detail}" for check in self.checks]
        return "\n".join([*lines, self.table.to_string(index=False, max_rows=40)])

    def _repr_html_(self) -> str:
        caption = html.escape(self.estimand)
        body = self.table.head(40).to_html(index=False, border=0, na_rep="not enough data", float_format="{:.3f}".format)
        return body.replace("<thead>", f"<caption>{caption}</caption><thead>", 1)


class _OwnTable:
    """The table of a result: each time it is asked for another copy, which costs nothing until somebody writes to it."""

    def __get__(self, result: Result, kind: type[Result]) -> pd.DataFrame:
        return result.__dict__["table"].copy(deep=False)

    def __set__(self, result: Result, table: pd.DataFrame) -> None:
        result.__dict__["table"] = table.copy(deep=False)


# set after the dataclass is made, which would take it for the field's default
Result.table = _OwnTable()  # type: ignore[assignment]
