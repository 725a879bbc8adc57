"""What page one says: one sentence, four to six figures, who moved beyond noise, who is cooling, and what to mind.

Every word that depends on a number is made here from results, never typed into a notebook.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.panel import Membership
from partnerlab.report.attempts import Unavailable
from partnerlab.report.comparison import Compared, compare_heads, compare_shares, compare_totals
from partnerlab.report.metrics import NAN, Metric
from partnerlab.report.people import caption_movers, find_cooling, list_movers
from partnerlab.report.readings import say_expected, say_moves
from partnerlab.show.words import say_list

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory
    from partnerlab.transitions import Movers, NoiseBaseline

#: Indicators of a single quarter that page one sums up, if the program has them: name, label.
TOTALS = (("revenue", "Revenue through partners"), ("leads", "Leads from partners"), ("deals_won", "Deals won"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Review:
    """What page one says.

    Parameters
    ----------
    sentence : str
        The quarter in one sentence.
    metrics : tuple of Metric
        Four to six figures.
    quarters : DataFrame
        One row for each quarter: the table behind the figures.
    movers : DataFrame
        Partners that changed tier, those least likely by noise alone first.
    movers_caption : str
        What the table of movers holds.
    cooling : DataFrame or Unavailable
        Partners whose numbers fell beyond noise while they still hold their tier; None if noise was not looked at.
    caveats : tuple of str
        What a reader must mind.
    """

    sentence: str
    metrics: tuple[Metric, ...]
    quarters: pd.DataFrame = dataclasses.field(repr=False)
    movers: pd.DataFrame = dataclasses.field(repr=False)
    movers_caption: str
    cooling: pd.DataFrame | Unavailable | None = dataclasses.field(repr=False)
    caveats: tuple[str, ...] = ()


def build_review(  # noqa: PLR0913 - page one joins what every stop of the road says
    history: TierHistory,
    *,
    panel: Panel,
    quarter: str,
    movers: Movers | Unavailable | None = None,
    noise: NoiseBaseline | Unavailable | None = None,
    quality: Any = None,
    whom: str = "the program",
    currency: str = "",
    level: float = 0.95,
) -> Review:
    """Put page one together from results.

    Parameters
    ----------
    history : TierHistory
        Tiers of the partners that the page is about.
    panel : Panel
        The same partners.
    quarter : str
        The quarter that the page is about.
    movers, noise : results, optional
        From `partnerlab.detect_movers` and `partnerlab.estimate_noise`, where these data allow them.
    quality : DataQuality, optional
        From `partnerlab.validate`.
    whom : str
        Whom the page is about, in words.
    currency : str
        Of money.
    level : float
        Coverage of every interval.

    Raises
    ------
    ParameterError
        If panel and history are not of the same partners, or the quarter is in neither.
    """
    if not np.array_equal(panel.partners, history.partners):
        raise ParameterError("the panel and the tier history are of different partners; select both alike")
    column = panel.column(quarter)
    metrics = (
        _active(panel, history, column, level=level),
        *_top_tier(history, panel, column, level=level),
        *_moves(movers, history, panel, column, level=level),
        *_lapses(panel, column, level=level),
        *_totals(panel, column, currency=currency, level=level),
    )[:6]
    return Review(
        sentence=_sentence(whom, quarter, metrics, movers=movers),
        metrics=metrics,
        quarters=count_quarters(panel, history),
        movers=list_movers(movers, history, panel, column),
        movers_caption=caption_movers(movers, quarter),
        cooling=find_cooling(history, panel, noise=noise, quarter=quarter, level=level)
        if noise is not None and not isinstance(noise, Unavailable)
        else noise,
        caveats=tuple(_caveats(history, panel, quarter, movers=movers, noise=noise, quality=quality)),
    )


def _before(panel: Panel, column: int) -> str:
    return panel.labels[column - 1] if column else ""


def _comparable(panel: Panel, column: int) -> bool:
    """Whether the quarter and the one before are both covered in full."""
    return column > 0 and not panel.partial[column - 1 : column + 1].any()


def _metric(compared: Compared, *, panel: Panel, column: int, comparable: bool | None = None, **facts: Any) -> Metric:
    shown = _comparable(panel, column) if comparable is None else comparable
    values = compared._asdict()
    if not shown:
        values |= {"change": NAN, "change_low": NAN, "change_high": NAN}
    return Metric(**values, before=_before(panel, column), **facts)


def flows_of(panel: Panel) -> dict[str, np.ndarray]:
    """Comings and goings of each period: ``joined, returned, lapsed``, int shape ``(t,)``; nothing is known of the first."""
    earlier, later = panel.state[:, :-1], panel.state[:, 1:]
    active = later == Membership.ACTIVE
    found = {
        "joined": active & (earlier == Membership.NOT_YET),
        "returned": active & (earlier == Membership.LAPSED),
        "lapsed": (later == Membership.LAPSED) & (earlier == Membership.ACTIVE),
    }
    return {name: np.concatenate([[0], marks.sum(axis=0)]) for name, marks in found.items()}


def records_leaving(panel: Panel) -> bool:
    """Whether anybody is ever seen to leave; where nobody is, a lapse rate of zero would be made up."""
    return bool((panel.state == Membership.LAPSED).any())


def outside_tier(history: TierHistory) -> str | None:
    """Name of the tier that a scheme gives to members who fail its gate, such as INACTIVE; None if it has none."""
    return getattr(history.scheme.classify, "outside", None) if history.scheme is not None else None


def active_members(panel: Panel, history: TierHistory) -> np.ndarray:
    """Members that the scheme does not put outside: bool, shape ``(n, t)``."""
    outside = outside_tier(history)
    if outside is None or outside not in history.tiers:
        return panel.member
    return panel.member & (history.published != history.tiers.index(outside))


def _active(panel: Panel, history: TierHistory, column: int, *, level: float) -> Metric:
    active = active_members(panel, history)[:, [max(column - 1, 0), column]]
    came, went = int((~active[:, 0] & active[:, 1]).sum()), int((active[:, 0] & ~active[:, 1]).sum())
    now = int(active[:, 1].sum())
    return _metric(
        compare_heads(came, went, now=now, level=level), panel=panel, column=column, comparable=column > 0, name="active-partners",
        label="Active partners", unit="count", better="high", table="by-quarter",
        note=_active_note(panel, history, column, came, went, now),
    )  # fmt: skip


def _active_note(panel: Panel, history: TierHistory, column: int, came: int, went: int, now: int) -> str:
    outside = outside_tier(history)
    if outside is not None:
        moved = f"{came:,} became active, {went:,} ceased to be this quarter; " if column else ""
        return f"{moved}{int(panel.member[:, column].sum()) - now:,} further members are {outside}."
    if not column:
        return ""
    flows = {name: int(counts[column]) for name, counts in flows_of(panel).items()}
    back = f", {flows['returned']:,} came back" if flows["returned"] else ""
    left = f"{flows['lapsed']:,} lapsed" if records_leaving(panel) else "leaving is not recorded"
    return f"{flows['joined']:,} joined{back}, {left} this quarter."


def _top_tier(history: TierHistory, panel: Panel, column: int, *, level: float) -> list[Metric]:
    if not history.tiers:
        return []
    codes = history.published[:, [max(column - 1, 0), column]]
    top = history.tiers[0]
    active = active_members(panel, history)[:, [max(column - 1, 0), column]]
    compared = compare_shares(codes == 0, (codes >= 0) & active, level=level)
    goals = history.scheme.goals if history.scheme is not None else {}
    return [
        _metric(
            compared, panel=panel, column=column, comparable=column > 0, name="top-tier", label=f"Share in {top}", unit="share",
            better="high",
            target=goals.get(top), table="tiers-by-quarter", note=f"Among partners in a tier. {int((codes[:, 1] == 0).sum()):,} partners.",
        )
    ]  # fmt: skip


def _moves(movers: Movers | Unavailable | None, history: TierHistory, panel: Panel, column: int, *, level: float) -> list[Metric]:
    """Count moves beyond noise; where noise cannot be drawn (recorded tiers), how many moved at all."""
    if movers is None or isinstance(movers, Unavailable):
        return _moved(history, panel, column, level=level)
    counted, others = movers.judged, len(movers.table) - len(movers.judged)
    note = f"{len(counted):,} partners changed tier by their counts ({_sides(counted['direction'])}); "
    note += f"noise alone would have moved {say_expected(movers)}." + f" {others:,} more moved by a statement or a decision." * (others > 0)
    label = "Moves beyond noise" if movers.sure else "Moves that stand out"
    return [Metric(name="moves-beyond-noise", label=label, estimate=movers.beyond, n=int(movers.at_risk), table="movers", note=note)]


def _sides(directions: pd.Series) -> str:
    counts = {side: int((directions == side).sum()) for side in ("up", "down", "sideways")}
    return ", ".join(f"{count:,} {side}" for side, count in counts.items() if count) or "none"


def _moved(history: TierHistory, panel: Panel, column: int, *, level: float) -> list[Metric]:
    if column == 0:
        return []
    codes = history.published[:, max(column - 2, 0) : column + 1]
    base = (codes[:, :-1] >= 0) & (codes[:, 1:] >= 0)
    hits = base & (codes[:, :-1] != codes[:, 1:])
    if base.shape[1] == 1:
        base, hits = np.hstack([np.zeros_like(base), base]), np.hstack([np.zeros_like(hits), hits])
    moves = history.moves(history.labels[column])
    between = moves[moves["direction"].isin(("up", "down", "sideways"))]
    return [
        _metric(
            compare_shares(hits, base, level=level), panel=panel, column=column, name="changed-tier", label="Changed tier", unit="share",
            table="movers", note=f"{len(between):,} partners ({_sides(between['direction'])}).",
        )
    ]  # fmt: skip


def _lapses(panel: Panel, column: int, *, level: float) -> list[Metric]:
    if column == 0 or not records_leaving(panel):
        return []
    states = panel.state[:, max(column - 2, 0) : column + 1]
    base = states[:, :-1] == Membership.ACTIVE
    hits = base & (states[:, 1:] == Membership.LAPSED)
    if base.shape[1] == 1:
        base, hits = np.hstack([np.zeros_like(base), base]), np.hstack([np.zeros_like(hits), hits])
    compared = compare_shares(hits, base, level=level)
    return [
        _metric(
            compared, panel=panel, column=column, name="lapse-rate", label="Lapse rate", unit="share", better="low",
            table="by-quarter", note=f"{int(hits[:, 1].sum()):,} of those active at the end of {_before(panel, column)}.",
        )
    ]  # fmt: skip


def _totals(panel: Panel, column: int, *, currency: str, level: float) -> list[Metric]:
    found = []
    for name, label in TOTALS:
        if not panel.known(name):
            continue
        values = panel.values(name)[:, [max(column - 1, 0), column]]
        if np.isnan(values[:, 1]).all():
            continue
        money = bool(panel.indicator(name).money)
        found.append(
            _metric(
                compare_totals(values, level=level), panel=panel, column=column, name=name.replace("_", "-"), label=label,
                unit="money" if money else "count", better="high", table="by-quarter",
                note="The interval of the change is as wide as partners' own ups and downs make it.",
                currency=currency if money else "",
            )
        )  # fmt: skip
    return found


def count_quarters(panel: Panel, history: TierHistory) -> pd.DataFrame:
    """One row for each quarter, latest first: partners, comings and goings, lapse rate, totals.

    Returns
    -------
    DataFrame
        ``quarter, active, (members,) joined, returned, lapsed, lapse_rate``, then the totals that the program has, and ``note``.
    """
    flows, members = flows_of(panel), panel.member.sum(axis=0)
    active = active_members(panel, history).sum(axis=0)
    before = np.concatenate([[0], members[:-1]])
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(before > 0, flows["lapsed"] / before, np.nan)
    table = pd.DataFrame({"quarter": panel.labels, "active": active, "members": members, **flows, "lapse_rate": rate})
    if outside_tier(history) is None:
        table = table.drop(columns="members")
    if not flows["returned"].any():
        table = table.drop(columns="returned")
    if not records_leaving(panel):
        table = table.drop(columns=["lapsed", "lapse_rate"])
    for name, _ in TOTALS:
        if panel.known(name):
            table[name] = np.where(np.isnan(panel.values(name)).all(axis=0), np.nan, np.nansum(panel.values(name), axis=0))
    table["note"] = np.where(panel.partial, "covered in part", "")
    if not panel.partial.any():
        table = table.drop(columns="note")
    return table.iloc[::-1].reset_index(drop=True)


def _sentence(whom: str, quarter: str, metrics: tuple[Metric, ...], *, movers: Movers | Unavailable | None) -> str:
    """Say the quarter in one sentence: head count, what clearly changed, moves, what did not; no part stronger than its interval."""
    by_name = {metric.name: metric for metric in metrics}
    active = by_name["active-partners"]
    parts = [f"{whom[:1].upper()}{whom[1:]} ended {quarter} with {active.value_words()} active partners{_aside(active)}"]
    others = [metric for metric in metrics if metric is not active and metric.direction and metric.enough]
    parts += [
        f"{_lower(metric.label)} went {metric.direction} by {metric.size_words()} to {metric.value_words()}"
        for metric in others
        if metric.direction != "no clear change"
    ]
    if movers is not None and not isinstance(movers, Unavailable):
        parts.append(say_moves(movers))
    steady = [_lower(metric.label) for metric in others if metric.direction == "no clear change"]
    if steady:
        parts.append(f"no clear change in {say_list(steady)}")
    return "; ".join(parts) + "."


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


def _aside(metric: Metric) -> str:
    if metric.direction in ("up", "down"):
        return f" ({metric.direction} {metric.size_words()})"
    return " (no clear change)" if metric.direction else ""


def _caveats(history: TierHistory, panel: Panel, quarter: str, *, movers: Any, noise: Any, quality: Any) -> list[str]:
    """Say what a reader must mind, from what was looked at."""
    column = panel.column(quarter)
    said = []
    if panel.partial[column]:
        said.append(f"The data cover {quarter} only in part: its totals cannot be compared with earlier quarters.")
    unknown = int(((history.published[:, column] == -1) & panel.member[:, column]).sum())
    if unknown:
        said.append(
            f"{unknown:,} active partners have no known tier in {quarter}, because what the scheme asks for is not known of them; "
            "they are in no share."
        )
    said += [f"{result.reason[:1].upper()}{result.reason[1:]}." for result in (noise, movers) if isinstance(result, Unavailable)][:1]
    for result in (noise, movers):
        said += [
            f"Not passed: {check.name[:1].lower()}{check.name[1:]}. {check.detail}"
            for check in getattr(result, "checks", ())
            if check.passed is False
        ]
    said += _dirt(quality)
    if not records_leaving(panel):
        said.append("These data record no partner leaving: no lapse rate and no survival curve can be given.")
    said += _absent(history, panel)
    said += [f"{note}." for note in history.notes]
    said.append("Figures are descriptive (evidence grade D): they say what happened, not why.")
    return said


def _absent(history: TierHistory, panel: Panel) -> list[str]:
    """Name indicators that these data cannot give: those the scheme reads by name, the others in one line."""
    notes = [note for note in panel.provenance.notes if ": needs " in note]
    needed = set(history.scheme.needs()) if history.scheme is not None else set()
    said = [f"The scheme's {note}." for note in notes if note.partition(":")[0] in needed]
    others = [note.partition(": needs ")[2].partition(",")[0] for note in notes if note.partition(":")[0] not in needed]
    if others:
        said.append(f"Not in these data: {say_list(list(dict.fromkeys(others)))}; {len(others)} standard indicators are left out.")
    return said + [f"{note[:1].upper()}{note[1:]}." for note in panel.provenance.notes if ": needs " not in note]


def _dirt(quality: Any) -> list[str]:
    """How many rows were set aside, in a sentence."""
    if quality is None or isinstance(quality, Unavailable):
        return []
    table = quality.table
    aside = table[table["grade"] == "quarantine"]
    if aside["rows"].sum() == 0:
        return []
    worst = aside.sort_values("rows", ascending=False).iloc[0]
    return [
        f"{int(aside['rows'].sum()):,} rows or values are set aside from the counts, most in {worst['table']} "
        f"({worst['rule']}: {int(worst['rows']):,}); see the data-quality page."
    ]
