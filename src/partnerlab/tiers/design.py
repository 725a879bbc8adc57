"""A cut line moved step by step: who would move, and how surely."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import special

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.scoring import kleene
from partnerlab.stats.inference.intervals import check_level, wilson_interval
from partnerlab.stats.shrinkage.pooling import shrunken_rates
from partnerlab.tiers.history import TierHistory
from partnerlab.tiers.lines import Line, moved_tiers, scheme_lines
from partnerlab.tiers.movement import heights

#: Where a line is tried: shares of where it stands.
STEPS = tuple(round(0.5 + 0.1 * step, 1) for step in range(11))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LineDesign(Result):
    """What one line of a scheme would do if it stood elsewhere.

    The table has key ``[line]``; ``estimate`` is the share of rated partners whose tier by the rule would be
    another, ``n`` the rated partners; then ``factor``, ``up``, ``down``, ``other`` in partners and ``expected``:
    how many of the movers are expected to stand truly on the side that the moved line puts them on.
    """

    title: ClassVar[str] = "Partners with another tier"

    fact: str = ""
    quarter: str = ""
    now: float = 1.0
    movers: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)

    def who(self, factor: float) -> pd.DataFrame:
        """Who would move if the line were multiplied: ``partner, from_tier, to_tier, direction, value, line, chance``.

        ``chance`` is the probability that the partner truly stands on that side; empty where nothing is counted.

        Raises
        ------
        ParameterError
            If the line was not tried there.
        """
        tried = self.table["factor"].to_numpy()
        if not np.isclose(tried, factor).any():
            raise ParameterError(f"the line was not tried at {factor:g} times; tried: {', '.join(f'{each:g}' for each in tried)}")
        return self.movers.loc[np.isclose(self.movers["factor"], factor)].drop(columns="factor").reset_index(drop=True)


def design_line(
    history: TierHistory, *, fact: str = "", quarter: str | None = None, factors: Sequence[float] = STEPS, level: float = 0.95
) -> LineDesign:
    """Move one cut line of a scheme, step by step, all else as it is.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers`; tiers are read as the rule gives them, before caps and movement rules.
    fact : str
        Indicator or score whose line is moved; the scheme's first line if empty.
    quarter : str or None
        The last if None.
    factors : sequence of float
        Where the line is tried, as multiples of where it stands.
    level : float
        Coverage; the program's partners are taken as a sample of those that such a program would have.

    Returns
    -------
    LineDesign

    Raises
    ------
    ParameterError
        If the scheme has no line on that fact; it names the nearest.
    SampleError
        If the scheme has no lines, or nobody is rated.

    Notes
    -----
    Where rows are counted the value is Poisson around the partner's own level, whose gamma prior is fitted to all
    rated partners (Robbins 1956); ``chance`` is its posterior probability beyond the moved line. What was stated,
    scored or averaged has no chance here; see `estimate_tier_probability` for all counts of a rule at once.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": list("abcd"), "quarter": "2026Q1", "leads": [5, 17, 21, 50]}))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
    >>> design = design_line(assign_tiers(panel, TierScheme(scheme="demo", classify=bands)))
    >>> design.who(0.8)[["partner", "from_tier", "to_tier"]].to_numpy().tolist()
    [['b', 'Member', 'Gold']]
    """
    check_level(level)
    line = _line_on(history, fact)
    column = history.column(quarter or history.labels[-1])
    before = history.raw[:, column]
    if not (before >= 0).any():
        raise SampleError(f"nobody is rated in {history.labels[column]}; no line can move anybody")
    trials = sorted({float(factor) for factor in factors} | {1.0})
    if trials[0] <= 0:
        raise ParameterError(f"a line cannot be multiplied by {trials[0]:g}; give factors above 0")
    movers = [_movers(history, line, factor, column) for factor in trials]
    rated = int((before >= 0).sum())
    return LineDesign(
        estimand=f"Share of rated partners with another tier in {history.labels[column]} if {line.name} stood elsewhere",
        table=_table(movers, trials, line, column, rated, level),
        checks=(Check("Read before movement rules", None, "Margins, confirmation and caps would hold some of them back."),),
        level=level,
        fact=line.fact,
        quarter=history.labels[column],
        now=_height(line, column),
        movers=pd.concat([found.assign(factor=factor) for found, factor in zip(movers, trials, strict=True)], ignore_index=True),
    )


def _line_on(history: TierHistory, fact: str) -> Line:
    if history.scheme is None or history.scheme.kind == "recorded":
        raise SampleError("the tiers are a record; there is no line that could stand elsewhere")
    lines = scheme_lines(history)
    found = [line for line in lines if fact in ("", line.fact)]
    if not lines:
        raise SampleError(f"scheme {history.scheme.name_version} has no lines that could stand elsewhere")
    if not found:
        names = [line.fact for line in lines]
        raise ParameterError(f"no line is drawn on {fact!r}{nearest(fact, names)}; lines: {', '.join(dict.fromkeys(names))}")
    return found[0]


def _height(line: Line, column: int) -> float:
    """Where the line stands: the middle one where groups have their own."""
    known = line.line[:, column][~np.isnan(line.line[:, column])]
    return float(np.median(known)) if len(known) else float("nan")


def _movers(history: TierHistory, line: Line, factor: float, column: int) -> pd.DataFrame:
    """Who would be in another tier, in which direction, and how probably truly so."""
    before, after = history.raw[:, column], moved_tiers(history, line, factor=factor)[:, column]
    if factor == 1.0:
        after = before
    moved = (before != after) & (before >= 0) & (after >= 0)
    height = heights(history.rank).astype(int)
    step = np.sign(height[after] - height[before])[moved]
    values, stands = line.values[moved, column], line.line[moved, column] * factor
    high = kleene.exceeds(values, stands, line.operator)
    return pd.DataFrame(
        {
            "partner": history.partners[moved],
            "from_tier": history.names(before[moved]),
            "to_tier": history.names(after[moved]),
            "direction": np.array(["other", "up", "down"], dtype=object)[step],
            "value": values,
            "line": stands,
            "chance": _chance(history, line, column, moved, stands, high == (line.operator in (">=", ">"))),
        }
    )


def _chance(history: TierHistory, line: Line, column: int, moved: np.ndarray, stands: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Probability that the level behind a count lies above, or not above, where the line would stand."""
    panel = history.scores.panel
    if not panel.known(line.fact) or panel.indicator(line.fact).statistic != "count":
        return np.full(int(moved.sum()), np.nan)
    values = line.values[:, column]
    known = ~np.isnan(values)
    shape, rate = shrunken_rates(values[known], np.ones(int(known.sum())))
    place = (np.cumsum(known) - 1)[moved]
    beyond = special.gammaincc(shape[place], rate[place] * np.maximum(stands, 0.0))
    return np.where(above, beyond, 1.0 - beyond)


def _table(movers: list[pd.DataFrame], trials: list[float], line: Line, column: int, rated: int, level: float) -> pd.DataFrame:
    counts = pd.DataFrame([found["direction"].value_counts() for found in movers]).reindex(columns=["up", "down", "other"])
    counts = counts.fillna(0).astype(int).reset_index(drop=True)
    share = counts.sum(axis=1).to_numpy() / rated
    low, high = wilson_interval(share, np.full(len(share), rated), level=level)
    height = _height(line, column)
    about = "about " if len(np.unique(line.line[~np.isnan(line.line[:, column]), column])) > 1 else ""  # groups have their own
    names = [f"{line.fact} {line.operator} {about}{height * factor:.4g} ({factor:.0%})".replace("%", " %") for factor in trials]
    tidy = {"estimate": share, "std_error": np.sqrt(share * (1 - share) / rated), "conf_low": low, "conf_high": high, "n": rated}
    expected = [found["chance"].sum(min_count=min(len(found), 1)) for found in movers]
    return pd.DataFrame({"line": names, **tidy, "factor": trials}).join(counts).assign(expected=expected)
