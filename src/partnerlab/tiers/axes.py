"""Axes of a quadrant: what is measured, where the line is drawn, among whom, and who must land on which side."""

from __future__ import annotations

from typing import Any, Self

import pydantic

from partnerlab.scoring.scorecard import Amount
from partnerlab.specs import Name, Spec


class Cut(Spec):
    """Where an axis is cut: at a number, or at a quantile of the partners who are rated.

    Parameters
    ----------
    absolute : number or $parameter
        A fixed line.
    quantile : number in (0, 1)
        A line that moves with the others (linear interpolation between neighbours).
    min : number or $parameter
        A quantile line never lies below this.
    min_n : int
        With fewer rated partners than this a quantile line is unknown.

    Examples
    --------
    >>> Cut(quantile=0.75, min=3).relative
    True
    """

    absolute: Amount | None = None
    quantile: Amount | None = None
    min: Amount | None = None
    min_n: int = pydantic.Field(default=1, ge=1, le=10**9, strict=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _no_empty_line(cls, given: Any) -> Any:
        empty = next((key for key, value in given.items() if value is None), None) if isinstance(given, dict) else None
        if empty is not None:
            raise ValueError(f"'{empty}' has no value; a line that nobody decided cannot be applied: set a number")
        return given

    @pydantic.model_validator(mode="after")
    def _one_line(self) -> Self:
        if (self.absolute is None) == (self.quantile is None):
            raise ValueError("a cut is either {absolute: 10} or {quantile: 0.75}; give one of the two")
        if self.quantile is None and self.min is not None:
            raise ValueError("'min' belongs to a quantile; an absolute line needs none")
        if self.quantile is not None and not isinstance(self.quantile, str) and not 0 < self.quantile < 1:
            raise ValueError(f"a quantile lies between 0 and 1, not {float(self.quantile):g}")
        return self

    @property
    def relative(self) -> bool:
        """The line moves when other partners move."""
        return self.quantile is not None


class Anchors(Spec):
    """Partners of whom everybody knows on which side of an axis they belong, by id or name."""

    high: tuple[str, ...] = ()
    low: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _on_one_side(self) -> Self:
        both = next((name for name in self.high if name in self.low), None)
        if both is not None:
            raise ValueError(f"anchor {both!r} cannot be both high and low; keep one")
        if not self.high and not self.low:
            raise ValueError("anchors name nobody; write {high: [acme], low: [tiny]}")
        return self


class Axis(Spec):
    """One axis of a quadrant: what is measured, where it is cut, and among whom.

    Parameters
    ----------
    value : str
        Indicator or score.
    cut : Cut
        The line.
    within : str or None
        Attribute whose groups have lines of their own, such as ``region``.
    strict : bool
        Only values above the line are high; otherwise reaching it is enough.
    anchors : Anchors or None
        Partners, by id or name, that must land ``high`` or ``low`` if the axis means what it says. They move nobody;
        lint on data and `check_anchors` say who stands on the wrong side.
    """

    value: Name
    cut: Cut
    within: Name | None = None
    strict: bool = False
    anchors: Anchors | None = None

    @pydantic.model_validator(mode="after")
    def _lines_by_group_are_relative(self) -> Self:
        if self.within and not self.cut.relative:
            raise ValueError("'within' needs a quantile; for absolute lines by region use overrides of a $parameter")
        return self

    @property
    def operator(self) -> str:
        """How a value meets the line."""
        return ">" if self.strict else ">="
