"""What page one says: one sentence, four to six figures, who moved beyond noise, who is cooling, and what to mind.

Every word that depends on a number is made here from results, never typed into a notebook.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.panel import Membership
from partnerlab.report.attempts import Unavailable
from partnerlab.report.caveats import hazard_ahead, is_recorded, list_caveats, records_leaving, say_refusal
from partnerlab.report.comparison import Compared, compare_heads, compare_shares, compare_totals
from partnerlab.report.metrics import NAN, Metric
from partnerlab.report.people import caption_cooling, caption_movers, find_cooling, list_movers
from partnerlab.report.quarters import TOTALS, active_members, count_quarters, flows_of, outside_tier
from partnerlab.report.readings import say_expected, say_moves
from partnerlab.tiers import estimate_shares
from partnerlab.words import say_list

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory
    from partnerlab.transitions import Movers, NoiseBaseline


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
        Partners whose numbers fell beyond noise while they still hold their tier; for recorded tiers the share of each that
        lapsed in the coming quarter of earlier years. None if noise was not looked at.
    cooling_caption : str
        What that table holds.
    judged : Movers or Unavailable
        The movers as far as they can be judged, and in words for people why not.
    caveats : tuple of str
        What a reader must mind.
    """

    sentence: str
    metrics: tuple[Metric, ...]
    quarters: pd.DataFrame = dataclasses.field(repr=False)
    movers: pd.DataFrame = dataclasses.field(repr=False)
    movers_caption: str
    cooling: pd.DataFrame | Unavailable | None = dataclasses.field(repr=False)
    cooling_caption: str = ""
    judged: Movers | Unavailable | None = dataclasses.field(repr=False, default=None)
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
    until = _until(panel) if panel.partial[column] else ""
    if until:
        unjudged = f"{quarter} is covered only up to {until}, and nothing is compared before it is whole"
        movers, noise = (Unavailable(what=verb, reason=unjudged) for verb in ("detect_movers", "estimate_noise"))
    movers, noise = say_refusal(movers, history), say_refusal(noise, history)
    metrics = (
        _active(panel, history, column, level=level),
        *_top_tier(history, panel, column, level=level),
        *_moves(movers, history, panel, column, level=level),
        *_lapses(panel, column, level=level),
        *_totals(panel, column, currency=currency, level=level),
    )[:6]
    metrics = tuple(_aim(metric, history) for metric in metrics) if not until else metrics
    cooling = _cooling(history, panel, noise=noise, quarter=quarter, level=level)
    return Review(
        sentence=_sentence(whom, quarter, metrics, movers=movers, until=until),
        metrics=metrics,
        quarters=count_quarters(panel, history),
        movers=list_movers(movers, history, panel, column),
        movers_caption=caption_movers(movers, quarter),
        cooling=cooling,
        cooling_caption=_cooling_caption(history, panel, quarter, noise=noise, cooling=cooling),
        judged=movers,
        caveats=tuple(list_caveats(history, panel, quarter, movers=movers, noise=noise, quality=quality)),
    )


def _aim(metric: Metric, history: TierHistory) -> Metric:
    """Give a figure the target that the scheme sets for it."""
    aims = history.scheme.aims if history.scheme is not None else {}
    return dataclasses.replace(metric, target=aims.get(metric.name.replace("-", "_"), metric.target))


def _until(panel: Panel) -> str:
    """Last day that the data cover."""
    until = panel.provenance.until
    return "the last day of the data" if until is None else str(until - timedelta(days=1))


def _cooling(
    history: TierHistory, panel: Panel, *, noise: NoiseBaseline | Unavailable | None, quarter: str, level: float
) -> pd.DataFrame | Unavailable | None:
    """Find who is at risk: by numbers that fell or, where tiers are recorded, by what each tier lost in that quarter of earlier years."""
    if is_recorded(history):
        return hazard_ahead(history, panel, quarter, level=level)
    return (
        noise
        if noise is None or isinstance(noise, Unavailable)
        else find_cooling(history, panel, noise=noise, quarter=quarter, level=level)
    )


def _cooling_caption(history: TierHistory, panel: Panel, quarter: str, *, noise: Any, cooling: Any) -> str:
    if not is_recorded(history):
        found = len(cooling) if isinstance(cooling, pd.DataFrame) else 0
        return caption_cooling(history, panel, noise=noise, quarter=quarter, found=found)
    ahead = panel.calendar.label(panel.calendar.parse(quarter) + 1)
    return f"Share of each tier that lapsed in the quarter to come ({ahead}) of earlier years, with its 95 % interval"


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


def _year_ago(panel: Panel, column: int, *, reach: int = 0) -> int | None:
    """Column of the same period a year before, if it and ``reach`` columns before it are there and both years are covered in full."""
    then = column - 12 // panel.calendar.months
    if then - reach < 0 or panel.partial[column] or panel.partial[then - reach : then + 1].any():
        return None
    return then


def _against_year(compared: Compared | None, panel: Panel, then: int | None) -> dict[str, Any]:
    """Write the change since the same period a year before as a metric's fields."""
    if compared is None or then is None:
        return {}
    return {
        "year": panel.labels[then],
        "year_change": compared.change,
        "year_low": compared.change_low,
        "year_high": compared.change_high,
    }


def _active(panel: Panel, history: TierHistory, column: int, *, level: float) -> Metric:
    active = active_members(panel, history)[:, [max(column - 1, 0), column]]
    came, went = int((~active[:, 0] & active[:, 1]).sum()), int((active[:, 0] & ~active[:, 1]).sum())
    now = int(active[:, 1].sum())
    # where nobody is seen to leave, all who ever joined are counted: that is no number of active partners
    label = "Active partners" if records_leaving(panel) or outside_tier(history) else "Partners on record"
    return _metric(
        compare_heads(came, went, now=now, level=level), panel=panel, column=column, name="active-partners",
        label=label, unit="count", better="high", table="by-quarter",
        note=_active_note(panel, history, column, came, went, now),
    )  # fmt: skip


def _active_note(panel: Panel, history: TierHistory, column: int, came: int, went: int, now: int) -> str:
    outside = outside_tier(history)
    if outside is not None:
        moved = f"{came:,} became active, {went:,} ceased to be this quarter; " if column else ""
        others = int(panel.member[:, column].sum()) - now
        return f"{moved}{others:,} further {'member is' if others == 1 else 'members are'} {outside}."
    known = {name: counts[column] for name, counts in flows_of(panel).items()}
    if not column or np.isnan(known["joined"]):
        return ""
    flows = {name: int(count) for name, count in known.items()}
    back = f", {flows['returned']:,} came back" if flows["returned"] else ""
    if not records_leaving(panel):
        return f"{flows['joined']:,} joined{back} this quarter; leaving is not recorded, so all who ever joined are counted."
    return f"{flows['joined']:,} joined{back}, {flows['lapsed']:,} lapsed this quarter."


def _top_tier(history: TierHistory, panel: Panel, column: int, *, level: float) -> list[Metric]:
    if not history.tiers:
        return []
    codes = history.published[:, [max(column - 1, 0), column]]
    top = history.tiers[0]
    active = active_members(panel, history)[:, [max(column - 1, 0), column]]
    compared = compare_shares(codes == 0, (codes >= 0) & active, level=level)
    shares = estimate_shares(history, quarter=history.labels[column], level=level).table
    goal = shares.loc[shares["tier"] == top, "goal"].item()
    return [
        _metric(
            compared, panel=panel, column=column, name="top-tier", label=f"Share in {top}", unit="share",
            better="high",
            target=None if np.isnan(goal) else goal, table="tiers-by-quarter",
            note=f"Among partners in a tier. {int((codes[:, 1] == 0).sum()):,} partners.",
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
            **_lapses_a_year_ago(panel, column, level=level),
        )
    ]  # fmt: skip


def _lapses_a_year_ago(panel: Panel, column: int, *, level: float) -> dict[str, Any]:
    then = _year_ago(panel, column, reach=1)
    if then is None:
        return {}
    base = panel.state[:, [then - 1, column - 1]] == Membership.ACTIVE
    hits = base & (panel.state[:, [then, column]] == Membership.LAPSED)
    return _against_year(compare_shares(hits, base, level=level), panel, then)


def _totals(panel: Panel, column: int, *, currency: str, level: float) -> list[Metric]:
    found = []
    for name, label in TOTALS:
        if not panel.known(name):
            continue
        values = panel.values(name)[:, [max(column - 1, 0), column]]
        if np.isnan(values[:, 1]).all():
            continue
        money = bool(panel.indicator(name).money)
        then = _year_ago(panel, column)
        if then is not None and np.isnan(panel.values(name)[:, then]).all():
            then = None
        a_year = None if then is None else compare_totals(panel.values(name)[:, [then, column]], level=level)
        found.append(
            _metric(
                compare_totals(values, level=level), panel=panel, column=column, name=name.replace("_", "-"), label=label,
                unit="money" if money else "count", better="high", table="by-quarter",
                note="The interval of the change is as wide as partners' own ups and downs make it.",
                currency=currency if money else "", **_against_year(a_year, panel, then),
            )
        )  # fmt: skip
    return found


def _sentence(whom: str, quarter: str, metrics: tuple[Metric, ...], *, movers: Movers | Unavailable | None, until: str = "") -> str:
    """Say the quarter in one sentence: head count, what clearly changed, moves, what did not; no part stronger than its interval."""
    by_name = {metric.name: metric for metric in metrics}
    active = by_name["active-partners"]
    who = f"{whom[:1].upper()}{whom[1:]}"
    if until:
        heads = f"{active.value_words()} {_lower(active.label)}"
        return f"{who} has {heads} in {quarter} so far, to {until}; nothing is compared before it is whole."
    parts = [f"{who} ended {quarter} with {active.value_words()} {_lower(active.label)}{_aside(active)}"]
    others = [metric for metric in metrics if metric is not active and metric.direction and metric.enough]
    parts += [
        f"{_lower(metric.label)} went {metric.direction} by {metric.size_words()} to {metric.value_words()}"
        for metric in others
        if metric.direction != "no clear change" and metric.holds
    ]
    parts += [metric.season_words() for metric in others if metric.direction != "no clear change" and not metric.holds]
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
