"""Why a partner is in its tier: every condition with value, line and gap, and the shortest way up."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError
from partnerlab.scoring import kleene
from partnerlab.scoring.reach import part_range
from partnerlab.scoring.scorecard import Part
from partnerlab.scoring.scores import PanelFacts
from partnerlab.tiers.behind import facts_behind
from partnerlab.tiers.classify import Quadrant, Recorded
from partnerlab.tiers.codes import REASONS, Outside
from partnerlab.tiers.forward import coming_fall, earliest_held, look_ahead, with_moving_lines
from partnerlab.tiers.history import TierHistory
from partnerlab.tiers.requirements import COLUMNS, NOT_LOADED, NOTED, STATUS, tier_rows
from partnerlab.tiers.units import explain_units, unit_sentences

if TYPE_CHECKING:
    from partnerlab.intake.source import Source
    from partnerlab.tiers.scheme import TierScheme


#: Whether the partner can change a value.
YOURS, NOT_YOURS, MANAGERS = "yes", "no", "as its manager rates it"


#: What is held while the data do not say which tier it is.
UNDECIDED = Outside.UNKNOWN.label


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a partner is in its tier.

    Parameters
    ----------
    partner, quarter : str
        Whom and when.
    tier, raw, held : str
        Published; what the rule says; what is held after movement rules.
    reason : str
        Why published is not simply what the rule says.
    scheme : str
        Name and version of the rules.
    table : DataFrame
        One row for each condition of the tier held and of each tier above: ``tier, condition,
        fact, value, operator, line, gap, to_move, status, needed, line_moves, line_low, line_high,
        earliest, opens, changeable, source, rows, latest, trust, meaning``.
        ``status`` is met, not met, tell us (unknown), within the margin (met, but not by what moves a partner),
        or earlier periods not loaded (a rule that must last looks back beyond the first period of the panel).
        ``gap`` is how far the value is from the line (positive is missing), ``to_move`` the value
        that also clears the margin, ``needed`` marks the shortest way under "any". ``line_low`` and
        ``line_high`` are the interval of a line that moves with the others (`quantile_interval`; empty
        where too few stand behind it), ``earliest`` the first period in which a condition that is not
        met can be. ``source`` is the table that the value comes from, ``rows`` how many rows stand
        behind it, ``latest`` the last period with one, ``trust`` whose word it is.
    parts : DataFrame
        One row for each part of each score: ``score, part, points, weight, most, headroom, unknown``.
        ``most`` is what the part can give at best (empty where nothing caps it), ``headroom`` how many
        points of the score full marks in this part would add.
    outlook : DataFrame
        What could lose the tier although nobody does anything: conditions of the tier held that are met
        now and fall when nothing new happens. ``tier, condition, fact, value, next, lost_in, why, holds``: the
        value at the end of the next period, and the period in which the condition no longer holds. Conditions
        that have failed already (``holds`` is false) are listed while movement rules still hold the tier.
    falls_to, falls_in : str
        Where the partner falls to and when, if its data stay as they are and only movement rules still hold the tier.
    units : DataFrame
        Under a scheme over units: which of them carry each tier, and what the others are short of (`explain_units`).
    earliest : mapping of tier to period
        When each tier above can be held at the earliest, with confirmation, cadence and steps.
    data_until : date or None
        First day that the data no longer cover.
    appeal : str
        How to say that this is wrong, in the scheme's words.
    """

    partner: str
    quarter: str
    tier: str
    raw: str
    held: str
    reason: str
    scheme: str
    table: pd.DataFrame = dataclasses.field(repr=False)
    parts: pd.DataFrame = dataclasses.field(repr=False)
    outlook: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    units: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    earliest: Mapping[str, str] = dataclasses.field(default_factory=dict)
    falls_to: str = ""
    falls_in: str = ""
    data_until: date | None = None
    appeal: str = ""

    def missing(self, tier: str) -> pd.DataFrame:
        """Conditions that still have to be met for a tier, the shortest way."""
        return self.table.loc[(self.table["tier"] == tier) & self.table["needed"] & (self.table["status"] != "met")].reset_index(drop=True)

    def at_risk(self) -> pd.DataFrame:
        """Conditions of the tier held: those that failed already, then those that are met, the closest to their line first."""
        told = self.table["status"].isin(["met", STATUS[kleene.FALSE]])
        mine = self.table.loc[(self.table["tier"] == self.held) & told & self.table["needed"] & self.table["gap"].notna()]
        distance = (-mine["gap"] / mine["line"].abs().clip(lower=1.0)).sort_values(kind="stable")
        return mine.loc[distance.index].reset_index(drop=True)

    def summary(self) -> str:
        """Say it in plain words."""
        lines = [f"{self.partner} is {self.tier} in {self.quarter} under {self.scheme}."]
        if self.reason != REASONS[0]:
            lines.append(f"By the data alone it would be {self.raw}: {self.reason}.")
        if self.falls_in:
            unless = " and ".join(map(_reached, self.missing(self.held).to_dict("records")))
            lines.append(f"It falls to {self.falls_to} in {self.falls_in}{f' unless {unless}' if unless else ''}.")
        above = [tier for tier in dict.fromkeys(self.table["tier"]) if tier != self.held]
        lines += [f"For {self.held}: {said}." for said in self._carried(self.held, only=True)]
        for tier in above:
            if self._is_sure(tier):
                lines.append(f"{'; '.join([f'{tier} is sure', *self._carried(tier, only=True)])}.")
                continue
            said = [*map(_sentence, self._askable(tier)), *self._carried(tier)]
            lines.append(f"For {tier}: {'; '.join(said) or 'nothing is missing but time'}.{self._when(tier)}")
            lines += [f"It would help to open {row['opens']}: {_sentence(row)}." for row in self._helpful(tier)]
        lost = self.outlook.loc[(self.outlook["lost_in"] != "") & self.outlook["holds"]] if len(self.outlook) else self.outlook
        lines += [
            f"If nothing new happens, {row['condition']} no longer holds in {row['lost_in']}: {row['why']}."
            for row in lost.to_dict("records")
        ]
        lines += [f"If this is wrong: {self.appeal}"] if self.appeal else []
        return "\n".join(lines)

    def _carried(self, tier: str, *, only: bool = False) -> list[str]:
        """Say which units carry a tier and, unless asked for them only, what the nearest others lack."""
        said = list(unit_sentences(self.units, tier, only_carrying=only)) if len(self.units) else []
        return ["; ".join(said)] if said else []

    def _askable(self, tier: str) -> list[dict[str, object]]:
        """List what is missing; a number of units that is unknown is asked for unit by unit."""
        rows = self.missing(tier).to_dict("records")
        return [row for row in rows if self.units.empty or row["status"] != STATUS[kleene.UNKNOWN] or str(row["fact"]).isidentifier()]

    def _is_sure(self, tier: str) -> bool:
        """Whether a tier is met although a higher one cannot be decided, so that none is held."""
        return self.held == UNDECIDED and self.missing(tier).empty

    def _helpful(self, tier: str) -> list[dict[str, object]]:
        """List prerequisites that are not met and that a tier which is out of reach could do without."""
        mine = self.table.loc[(self.table["tier"] == tier) & (self.table["opens"] != "") & ~self.table["needed"]]
        return mine.loc[mine["status"] != "met"].to_dict("records") if len(self.missing(tier)) else []

    def _when(self, tier: str) -> str:
        """Name the earliest period where it is later than the next, or where nothing is missing but time."""
        late = tier in self.earliest and (self.missing(tier)["earliest"] != self.earliest[tier]).all()
        return f" At the earliest in {self.earliest[tier]}." if late else ""

    def _repr_html_(self) -> str:
        said = "<br>".join(html.escape(line) for line in self.summary().splitlines())
        return f"<p>{said}</p>" + self.table.to_html(index=False, border=0, na_rep="unknown", float_format="{:g}".format)


def _sentence(row: dict[str, object]) -> str:
    if row["status"] == "tell us":
        return f"tell us {row['fact']}"
    if row["status"] == NOT_LOADED:
        return f"{row['condition']}: cannot be judged, earlier periods are not loaded"
    if pd.isna(row["gap"]):
        return str(row["condition"]) + (" (not yours to change)" if row.get("changeable") == NOT_YOURS else "")
    first = f" (first: it opens {row['opens']})" if row.get("opens") and row["needed"] else ""
    moving = _moving(row) if row["line_moves"] else ""
    margin = f" (the line {_short(row['line'])} and the margin)" if row["to_move"] != row["line"] else ""
    return f"{row['fact']} is {_short(row['value'])}, needs {row['operator']} {_short(row['to_move'])}{margin}{moving}{first}"


def _reached(row: dict[str, object]) -> str:
    """Say what has to become true of a condition that failed."""
    if pd.isna(row["gap"]):
        return str(row["condition"])
    words = {">=": "reaches", ">": "exceeds", "<=": "falls to", "<": "falls below"}
    return f"{row['fact']} {words[str(row['operator'])]} {_short(row['line'])}"


def _short(value: float) -> str:
    """Write small numbers with three digits, large ones as they are.

    Examples
    --------
    >>> _short(33.8218), _short(0.0384), _short(12345)
    ('33.8', '0.0384', '12345')
    """
    return f"{value:.3g}" if abs(value) < 100 else f"{value:g}"


def _moving(row: dict[str, object]) -> str:
    """Say that a line moves, and between which numbers it lies."""
    ends = [f"{row[end]:g}" for end in ("line_low", "line_high") if not pd.isna(row[end])]
    between = f"; it lies between {' and '.join(ends)} with 95 % confidence" if len(ends) == 2 else ""
    return f" (this line moves with the other partners{between})"


def explain_tier(
    history: TierHistory, *, partner: str, quarter: str, source: Source | None = None, costs: Mapping[str, float] | None = None
) -> Explanation:
    """Explain a partner's tier: the tier held, what could lose it, and each tier above it.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers`.
    partner, quarter : str
        Whom and when.
    source : Source or None
        Where the panel came from: it tells when certificates end. Without it they are taken to last.
    costs : mapping of fact to number, or None
        Cost of one unit more of a fact: with it the cheapest branch under "any" is the one that costs least; without,
        the one with the fewest conditions to meet, then the smallest gaps. `plan_steps` finds the cheapest mix for scores.

    Raises
    ------
    ParameterError
        If partner or quarter do not exist, or the partner was no member.
    MissingTableError
        If the history came from a table of tiers, or the tiers are a record: then the data cannot say why.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a"], "quarter": "2026Q1", "leads": [10]}))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
    >>> history = assign_tiers(panel, TierScheme(scheme="demo", classify=bands))
    >>> print(explain_tier(history, partner="a", quarter="2026Q1").summary())
    a is Member in 2026Q1 under demo@1.
    For Gold: leads is 10, needs >= 20.
    """
    column, row = history.column(quarter), history.row(partner)
    scheme = history.scheme
    if scheme is None or isinstance(scheme.classify, Recorded):
        raise MissingTableError(f"{_as_recorded(history, row, column)}: a record; the data hold no rule that could explain it")
    if history.published[row, column] <= Outside.NOT_YET:
        raise ParameterError(
            f"{partner} was no member in {quarter} ({history.names()[row, column]}); there is no tier to explain", partner=partner
        )
    one = history.select([partner])
    facts = facts_behind(one)
    held = str(history.names(history.held)[row, column])
    axes = {name: one.axis(name) for name in ("x", "y")} if isinstance(scheme.classify, Quadrant) else {}
    rows: list[dict[str, object]] = []
    shown = _of_interest(history, int(history.held[row, column]))
    for tier in shown:
        rows += tier_rows(scheme, tier, axes, facts, column, costs=costs, held=held if history.held[row, column] >= 0 else "")
    noted = with_moving_lines(pd.DataFrame(rows, columns=[*COLUMNS, *NOTED]), history, row, column)
    falls_to, falls_in = coming_fall(one, column)
    return Explanation(
        partner=str(partner),
        quarter=quarter,
        tier=str(history.names()[row, column]),
        raw=str(history.names(history.raw)[row, column]),
        held=held,
        reason=REASONS[history.reasons[row, column]],
        scheme=scheme.name_version,
        table=_described(noted, history, facts, column),
        parts=_parts(one, facts, column),
        outlook=look_ahead(one.until(quarter), tier=held, source=source),
        units=pd.DataFrame() if scheme.over is None else explain_units(scheme, facts.panel, tiers=shown, column=column),
        earliest=earliest_held(one, noted, column),
        falls_to=falls_to,
        falls_in=falls_in,
        data_until=facts.panel.provenance.until,
        appeal=scheme.appeal,
    )


def _as_recorded(history: TierHistory, row: int, column: int) -> str:
    """Say what a record says of a partner: its tier, since when, and what it was before."""
    names = history.names()[row]
    begun = column
    while begun and names[begun - 1] == names[column]:
        begun -= 1
    since = f"since {history.labels[begun]}" if begun else f"since {history.labels[0]} or longer"
    before = f", {names[begun - 1]} before" if begun else ""
    return f"{history.partners[row]} is {names[column]} in {history.labels[column]}, {since}{before}"


def _of_interest(history: TierHistory, held: int) -> list[str]:
    """Name the tier held, then those above it from the nearest up; all of them where nothing is held."""
    ranked = [(rank, tier) for tier, rank in zip(history.tiers, history.rank, strict=True) if rank is not None]
    here = history.rank[held] if held >= 0 else None
    above = [tier for rank, tier in sorted(ranked, key=lambda pair: pair[0]) if here is None or rank > here]
    return ([history.tiers[held]] if held >= 0 else []) + [tier for tier in above if held < 0 or tier != history.tiers[held]]


def _described(table: pd.DataFrame, history: TierHistory, facts: PanelFacts, column: int) -> pd.DataFrame:
    """Add where the value comes from, who says so, and what it means."""
    glossary = history.scheme.glossary if history.scheme else {}
    known = {name: facts.panel.indicator(name) for name in table["fact"].unique() if facts.panel.known(name)}
    trust = [known[name].trust if name in known else "computed" for name in table["fact"]]
    meaning = [glossary.get(name) or (known[name].meaning if name in known else "") for name in table["fact"]]
    behind = {name: _rows_behind(facts, name, column) for name in known}
    rows, latest = zip(*[behind.get(name, (pd.NA, "")) for name in table["fact"]], strict=True) if len(table) else ((), ())
    table = table.assign(
        trust=trust,
        meaning=meaning,
        changeable=[_changeable(name, facts, history.scheme) for name in table["fact"]],
        source=[known[name].table if name in known else "computed" for name in table["fact"]],
        rows=pd.array(rows, dtype="Int64"),
        latest=list(latest),
        earliest=[
            "" if row.status == "met" else facts.panel.calendar.label(facts.panel.first + column + row.wait) for row in table.itertuples()
        ],
    )
    numeric = dict.fromkeys(("value", "line", "gap", "to_move", "line_low", "line_high"), "float64")
    return table[list(COLUMNS)].astype(numeric).astype({"needed": bool, "line_moves": bool})


def _changeable(name: str, facts: PanelFacts, scheme: TierScheme) -> str:
    """Say whether the partner can change a value; of a score, whether any of its facts can."""
    for score_name, score in scheme.scores.items():
        inside = [part for part in score.walk() if part.name == name and part.name != part.metric]
        if name == score_name or inside:
            below = score.needs() if name == score_name else [part.metric for top in inside for part in top.walk() if part.metric]
            words = [_changeable(each, facts, scheme) for each in below]
            return YOURS if YOURS in words or not words else words[0]
    if facts.panel.known(name):
        return MANAGERS if facts.panel.indicator(name).trust == "manager_rated" else YOURS
    return NOT_YOURS if name in facts.panel.attributes.columns else YOURS


def _rows_behind(facts: PanelFacts, name: str, column: int) -> tuple[int, str]:
    """How many rows stand behind a value of the one partner, and the last period that has one."""
    counts = facts.panel.counts[name][0, : column + 1]
    some = np.flatnonzero(counts > 0)
    return int(facts.panel.n(name)[0, column]), facts.panel.labels[int(some[-1])] if len(some) else ""


def _parts(one: TierHistory, facts: PanelFacts, column: int) -> pd.DataFrame:
    """Points of each part of each score, and what full marks in it would add."""
    rows = []
    for score, points in one.scores.parts.items() if one.scores is not None else ():
        spec, weights = one.scheme.scores[score], one.scores.weights[score]
        full = float(np.max(facts.amount(spec.max))) if spec.max is not None else 100.0
        scale = full / sum(weights.values()) if spec.combine == "weighted_mean" else 1.0
        for part in spec.walk():
            got, weight = float(points[part.name][0, column]), weights.get(part.name, np.nan)
            most = _most(part, facts, column, one.scores.weights[score], spec.combine == "weighted_mean")
            adds = (most - got) * weight * scale if spec.combine in ("weighted_mean", "sum") else np.nan
            rows.append((score, part.name, got, weight, most, adds, bool(np.isnan(got))))
    return pd.DataFrame(rows, columns=["score", "part", "points", "weight", "most", "headroom", "unknown"])


def _most(part: Part, facts: PanelFacts, column: int, weights: Mapping[str, float], is_share: bool) -> float:
    """Most that a part can give, of parts taken together what they can give together; NaN where nothing caps it."""
    most = part_range(part, lambda given: float(np.broadcast_to(facts.amount(given), facts.shape)[0, column]))[1]
    if np.isfinite(most):
        return most
    return 1.0 if is_share and part.name in weights else np.nan
