"""The tier history: for every partner and period what the rule said, and what was made of it."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, nearest
from partnerlab.periods import Calendar
from partnerlab.results import read_only
from partnerlab.tiers.codes import REASONS, Outside

if TYPE_CHECKING:
    from partnerlab.scoring import Scores
    from partnerlab.tiers.scheme import TierScheme


@dataclasses.dataclass(frozen=True, kw_only=True)
class AxisView:
    """An axis of a quadrant as it was applied.

    Parameters
    ----------
    name : str
        Indicator or score.
    values, line : ndarray of float64, shape (n, t)
        What was compared; NaN is unknown.
    within : str or None
        Attribute whose groups have lines of their own.
    strict : bool
        Only values above the line are high.
    margin : float
        Share of the line by which it must be cleared to move.
    """

    name: str
    values: np.ndarray = dataclasses.field(repr=False)
    line: np.ndarray = dataclasses.field(repr=False)
    within: str | None
    strict: bool
    margin: float

    @classmethod
    def of(cls, history: TierHistory, which: str) -> Self:
        """Read an axis off a history: absolute lines from the parameters, others from its table of lines."""
        from partnerlab.tiers.behind import lines_of

        scheme = history.scheme
        axis = getattr(scheme.classify, which)
        return cls(
            name=axis.value,
            values=history.values(axis.value),
            line=lines_of(history, axis, which),
            within=axis.within,
            strict=axis.strict,
            margin=scheme.movement.margin,
        )


Stage = Literal["raw", "eligible", "held", "published"]
STAGES: tuple[Stage, ...] = ("raw", "eligible", "held", "published")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierHistory:
    """Tiers of every partner in every period, at four stages.

    Parameters
    ----------
    partners : ndarray of str, shape (n,)
        Sorted, unique.
    first : int
        Period of the first column.
    calendar : Calendar
        The program's clock.
    tiers : tuple of str
        Names, best first; code arrays index them, negative codes are `Outside`.
    rank : tuple of (int or None)
        For each tier its height, higher is better; equal ranks are sideways; None stands outside the order.
    raw, eligible, held, published : ndarray of int8, shape (n, t)
        The rule on the data; after caps and gates; after margins, confirmation, grace and locks;
        after overrides and upheld appeals.
    reasons : ndarray of int8, shape (n, t)
        Why published differs from raw; indexes `REASONS`.
    attributes : DataFrame, n rows
        As in the panel.
    partial : ndarray of bool, shape (t,)
        Periods that the data cover only in part: left out of flows unless asked for.
    lines : DataFrame
        Each cut line in each period: ``quarter, axis, group, line``.
    scores : Scores or None
        The stop below, for explanations.
    scheme : TierScheme or None
        The rules that were applied.
    program : str
        Name of the program.
    notes : tuple of str
        What a reader must know, such as overrides of partners who are not here.

    The arrays are not to be written to; `numpy.copy` gives one that is.
    """

    partners: np.ndarray
    first: int
    calendar: Calendar
    tiers: tuple[str, ...]
    rank: tuple[int | None, ...]
    raw: np.ndarray = dataclasses.field(repr=False)
    eligible: np.ndarray = dataclasses.field(repr=False)
    held: np.ndarray = dataclasses.field(repr=False)
    published: np.ndarray = dataclasses.field(repr=False)
    reasons: np.ndarray = dataclasses.field(repr=False)
    attributes: pd.DataFrame = dataclasses.field(repr=False)
    partial: np.ndarray = dataclasses.field(repr=False)
    lines: pd.DataFrame = dataclasses.field(repr=False)
    scores: Scores | None = dataclasses.field(repr=False, default=None)
    scheme: TierScheme | None = dataclasses.field(repr=False, default=None)
    program: str = "program"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("partners", *STAGES, "reasons", "partial"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def shape(self) -> tuple[int, int]:
        """Partners, periods."""
        return self.published.shape

    @property
    def periods(self) -> np.ndarray:
        """Period of each column, shape ``(t,)``."""
        return np.arange(self.first, self.first + self.shape[1])

    @property
    def labels(self) -> list[str]:
        """Name of each column for people."""
        return self.calendar.labels(self.periods)

    @classmethod
    def from_frame(  # noqa: PLR0913 - names of columns, and a question of its own each
        cls,
        frame: pd.DataFrame,
        *,
        partner: str = "partner",
        quarter: str = "quarter",
        tier: str = "tier",
        order: Sequence[str] = (),
        calendar: Calendar | None = None,
        attributes: pd.DataFrame | None = None,
        program: str = "program",
    ) -> Self:
        """Take tiers from a table: one row per partner and quarter, or intervals.

        Parameters
        ----------
        frame : DataFrame
            ``partner, quarter, tier``, or ``partner, tier, valid_from, valid_to`` (half open,
            empty while it lasts). A row without a tier is unknown.
        partner, quarter, tier : str
            Names of the columns with the partner, the quarter and the tier.
        order : sequence of str
            Tiers, best first. Without it no tier is above another, and a partner may hold
            only one at a time; with it the highest of several counts.
        calendar : Calendar or None
            The program's clock; calendar quarters in UTC if None.
        attributes : DataFrame or None
            One row for each partner, with a column named as ``partner``, or indexed by it.
        program : str
            Name of the program.

        Raises
        ------
        ParameterError
            If a column is missing, a tier is not in ``order``, or somebody holds two at once.

        Examples
        --------
        >>> rows = pd.DataFrame({"partner": ["a", "a"], "quarter": ["2026Q1", "2026Q3"], "tier": ["Gold", "Silver"]})
        >>> TierHistory.from_frame(rows, order=["Gold", "Silver"]).names().tolist()
        [['Gold', 'lapsed', 'Silver']]
        """
        from partnerlab.tiers.frames import history_fields

        columns = {"partner": partner, "quarter": quarter, "tier": tier}
        return cls(
            **history_fields(frame, **columns, order=tuple(order), calendar=calendar or Calendar(), attributes=attributes),
            program=program,
        )

    def to_frame(self) -> pd.DataFrame:
        """Give one row per partner and period: ``partner, quarter, tier, raw, eligible, held, published, reason``."""
        n, t = self.shape
        columns: dict[str, Any] = {"partner": np.repeat(self.partners, t), "quarter": np.tile(np.array(self.labels), n)}
        columns["tier"] = self.names().ravel()
        columns |= {stage: self.names(self.stage(stage)).ravel() for stage in STAGES}
        columns["reason"] = np.array(REASONS)[self.reasons.ravel()]
        return pd.DataFrame(columns)

    def column(self, label: str) -> int:
        """Find the column of a period by its label.

        Raises
        ------
        ParameterError
            If the history has no such period; it names the first and last.
        """
        return self.calendar.column(label, first=self.first, count=self.shape[1], noun="history")

    def row(self, partner: str) -> int:
        """Find the row of a partner.

        Raises
        ------
        ParameterError
            If there is no such partner; it names the nearest.
        """
        row = int(np.searchsorted(self.partners, str(partner)))
        if row >= len(self.partners) or self.partners[row] != str(partner):
            hint = nearest(str(partner), self.partners) if len(self.partners) <= 10_000 else ""
            raise ParameterError(f"no partner is called {str(partner)!r}{hint if len(hint) < 100 else ''}", partner=partner)
        return row

    def stage(self, name: Stage = "published") -> np.ndarray:
        """Codes of a stage, int8, shape ``(n, t)``.

        Raises
        ------
        ParameterError
            If there is no such stage.
        """
        if name not in STAGES:
            raise ParameterError(f"no stage is called {name!r}{nearest(name, STAGES)}", stage=name)
        return getattr(self, name)

    def names(self, codes: np.ndarray | None = None) -> np.ndarray:
        """Names of tiers and states in place of codes, same shape; the published ones if none are given."""
        words = np.array([*self.tiers, Outside.LAPSED.label, Outside.NOT_YET.label, Outside.UNKNOWN.label], dtype=object)
        return words[self.published if codes is None else codes]

    def until(self, label: str) -> Self:
        """Give the history up to and including a period."""
        stop = self.column(label) + 1
        kept: dict[str, Any] = {name: getattr(self, name)[:, :stop] for name in (*STAGES, "reasons")}
        kept["lines"] = self.lines.loc[self.lines["quarter"].isin(self.labels[:stop])].reset_index(drop=True)
        kept["scores"] = None if self.scores is None else self.scores.until(label)
        return dataclasses.replace(self, partial=self.partial[:stop], **kept)

    def select(self, which: np.ndarray | Sequence[str]) -> Self:
        """Give some of the partners: a mask of shape ``(n,)``, or their names."""
        mask = np.asarray(which)
        if mask.dtype != bool:
            rows = [self.row(str(partner)) for partner in mask]
            mask = np.isin(np.arange(len(self.partners)), rows)
        elif mask.shape != (len(self.partners),):
            raise ParameterError(f"the mask has shape {mask.shape}; it must be ({len(self.partners)},), one entry for each partner")
        kept: dict[str, Any] = {name: getattr(self, name)[mask] for name in (*STAGES, "reasons")}
        kept["scores"] = None if self.scores is None else self.scores.select(mask)
        return dataclasses.replace(self, partners=self.partners[mask], attributes=self.attributes.loc[mask], **kept)

    def values(self, name: str) -> np.ndarray:
        """Values of an indicator or score behind the tiers, float64, shape ``(n, t)``; NaN is unknown.

        Raises
        ------
        MissingTableError
            If neither the scores nor the panel have it.
        """
        if self.scores is None:
            raise MissingTableError(f"this history came from a table of tiers; nothing is known of {name!r}", indicator=name)
        for found in (self.scores.values, *self.scores.parts.values()):
            if name in found:
                return found[name]
        return self.scores.panel.values(name)

    def axis(self, name: Literal["x", "y"]) -> AxisView:
        """Give an axis of a quadrant with everybody's values and lines.

        Raises
        ------
        ParameterError
            If the scheme is no quadrant.
        """
        if self.scheme is None or self.scheme.kind != "quadrant":
            raise ParameterError("only a quadrant has axes; this history has another kind of scheme", axis=name)
        return AxisView.of(self, name)

    def counts(self, stage: Stage = "published") -> pd.DataFrame:
        """Count members by ``quarter`` and ``tier``, unknown ones too: ``quarter, tier, partners``."""
        codes = self.stage(stage)
        shown = [*range(len(self.tiers)), int(Outside.UNKNOWN)]
        table = np.stack([(codes == code).sum(axis=0) for code in shown], axis=1)
        keys = {"quarter": np.repeat(np.array(self.labels), len(shown)), "tier": np.tile(self.names(np.array(shown)), len(self.labels))}
        return pd.DataFrame({**keys, "partners": table.ravel()}).astype({"tier": "str"})

    def moves(self, quarter: str, *, stage: Stage = "published") -> pd.DataFrame:
        """List who moved from the period before.

        Returns
        -------
        DataFrame
            ``partner, from_tier, to_tier, direction, reason``; the direction is up, down,
            sideways (equal height, or a tier outside the order), joined, lapsed, returned or
            unknown.

        Raises
        ------
        ParameterError
            If there is no period before.
        """
        column = self.column(quarter)
        if column == 0:
            raise ParameterError(f"{quarter} is the first period of the history; nothing is known to move from", period=quarter)
        codes = self.stage(stage)
        before, now = codes[:, column - 1], codes[:, column]
        moved = np.flatnonzero((before != now) & ~((before < Outside.UNKNOWN) & (now < Outside.UNKNOWN)))
        directions = [self._direction(int(start), int(stop)) for start, stop in zip(before[moved], now[moved], strict=True)]
        return pd.DataFrame(
            {
                "partner": self.partners[moved],
                "from_tier": self.names(before[moved]),
                "to_tier": self.names(now[moved]),
                "direction": directions,
                "reason": np.array(REASONS)[self.reasons[moved, column]],
            }
        ).astype("str")

    def _direction(self, start: int, stop: int) -> str:
        if start == Outside.NOT_YET:
            return "joined"
        if start == Outside.LAPSED:
            return "returned"
        if stop in (Outside.LAPSED, Outside.NOT_YET):
            return "lapsed"
        if Outside.UNKNOWN in (start, stop):
            return "unknown"
        here, there = self.rank[start], self.rank[stop]
        if here is None or there is None or here == there:
            return "sideways"
        return "up" if there > here else "down"

    def _repr_html_(self) -> str:
        shown = self.counts().pivot(index="tier", columns="quarter", values="partners").reindex([*self.tiers, Outside.UNKNOWN.label])
        body = shown.to_html(border=0)
        said = ". ".join(
            [f"Partners in each tier, {self.scheme.name_version if self.scheme else 'from a table'}", *map(html.escape, self.notes)]
        )
        return body.replace("<thead>", f"<caption>{said}</caption><thead>", 1)
