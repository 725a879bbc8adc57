"""Small tables and choices for the page about tiers: labels, what a partner could lose, another goal, appeals."""

from __future__ import annotations

from datetime import date, timedelta
from importlib import resources
from typing import TYPE_CHECKING

import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.tiers import Outside, TierHistory, TierScheme, assign_labels, compare_schemes, lint_scheme, plan_steps

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.report.asked import Request
    from partnerlab.tiers import Explanation, PlaybookCoverage, SchemeComparison


def list_labels(history: TierHistory, *, quarter: str) -> pd.DataFrame:
    """List the labels of every member.

    Raises
    ------
    SampleError
        If the scheme has none.
    """
    if history.scheme is None or not history.scheme.labels:
        raise SampleError("the scheme has no labels beside its tiers")
    return assign_labels(history, quarter=quarter)


def tabulate_labels(labels: pd.DataFrame, *, history: TierHistory, quarter: str) -> pd.DataFrame:
    """Count labels, which may overlap: ``label, partners, share, sure, too_few, tell_us, meaning``; sure lie beyond the line wholly."""
    members = int((history.published[:, history.column(quarter)] > Outside.NOT_YET).sum())
    rows = []
    for name in history.scheme.label_names:
        mine = labels[labels["label"] == name]
        status = mine["status"].value_counts()
        rows.append(
            {
                "label": name,
                "partners": int(status.get("met", 0)),
                "sure": int(mine["sure"].sum()),
                "too_few": int(status.get("too few", 0)),
                "tell_us": int(status.get("tell us", 0)),
                "meaning": history.scheme.glossary.get(name, ""),
            }
        )
    table = pd.DataFrame(rows)
    table.insert(2, "share", table["partners"] / members if members else float("nan"))
    return table


def tabulate_outlook(explanation: Explanation) -> pd.DataFrame:
    """List what could lose the tier: ``condition, now, next_quarter, lost_in, why``.

    Raises
    ------
    SampleError
        If nothing falls by itself.
    """
    lost = explanation.outlook
    if not len(lost):
        raise SampleError(f"nothing that {explanation.partner} holds its tier by falls by itself")
    table = lost.rename(columns={"value": "now", "next": "next_quarter"})[["condition", "now", "next_quarter", "lost_in", "why"]]
    return table.assign(lost_in=table["lost_in"].where(table["lost_in"] != "", "holds"))


def tabulate_parts(explanation: Explanation) -> pd.DataFrame:
    """List what each part of a score gives: ``score, part, points, most, headroom``.

    Raises
    ------
    SampleError
        If the scheme has no scores of parts.
    """
    if explanation.parts.empty:
        raise SampleError("the scheme has no score that is made of parts")
    return explanation.parts[["score", "part", "points", "most", "headroom"]]


def tabulate_stops(coverage: PlaybookCoverage) -> pd.DataFrame:
    """List partners at or near the stop rule of their tier: ``partner, tier, rounds, allowed, last_response, stop``.

    Raises
    ------
    SampleError
        If no tier has a stop rule that can be counted, or nobody had a round without response.
    """
    table = coverage.stops.loc[coverage.stops["rounds"] > 0] if len(coverage.stops) else coverage.stops
    if table.empty:
        raise SampleError("no partner has had a round of tactics without a response, or no tier has a stop rule")
    last = table["last_response"].replace("", "none seen")
    return table.assign(stop=table["stop"].map({True: "autopilot", False: "go on"}), last_response=last)


def compare_goals(panel: Panel, *, scheme: TierScheme, quarter: str, past: int = 4) -> SchemeComparison:
    """Compare the scheme with itself under its next goal, over some past quarters too.

    Raises
    ------
    SampleError
        If its weights know one goal only.
    """
    goals = list(dict.fromkeys(name for score in scheme.scores.values() for name in score.weights_by_goal))
    others = [goal for goal in goals if goal != scheme.goal]
    if not others:
        raise SampleError("the scheme has weights for one goal only; compare it with another version by compare_schemes")
    column = panel.column(quarter)
    return compare_schemes(panel, before=scheme, goal=others[0], quarter=quarter, first=panel.labels[max(column - past, 0)])


def compare_versions(panel: Panel, *, scheme: TierScheme, against: str, quarter: str, past: int = 4) -> SchemeComparison:
    """Compare the scheme with another version of it (or another scheme), over some past quarters too.

    Parameters
    ----------
    panel : Panel
        The partners.
    scheme : TierScheme
        In force.
    against : str
        Name of a shipped scheme or path of a YAML file; empty: another version of this one that ships.
    quarter : str
        Looked at.
    past : int
        Quarters before it.

    Raises
    ------
    SampleError
        If no other version is named or ships.
    """
    other = against or next((name for name, version in _versions(scheme.scheme).items() if version != scheme.version), "")
    if not other:
        raise SampleError(f"no other version of {scheme.scheme} ships; name one in against=")
    first = panel.labels[max(panel.column(quarter) - past, 0)]
    return compare_schemes(panel, before=scheme, after=TierScheme.load(other), quarter=quarter, first=first)


def _versions(name: str) -> dict[str, int | str]:
    """Version of every shipped scheme of one name."""
    files = (item.name.removesuffix(".yaml") for item in resources.files(str(TierScheme.shipped)).iterdir() if item.name.endswith(".yaml"))
    return {file: loaded.version for file in sorted(files) if (loaded := TierScheme.load(file)).scheme == name}


def tabulate_steps(explanation: Explanation, *, history: TierHistory, costs: str = "") -> pd.DataFrame:
    """Find the least-cost mix of steps to the nearest tier above that raising facts can reach: ``tier, fact, value, steps, target, cost``.

    Parameters
    ----------
    explanation : Explanation
        Of the partner.
    history : TierHistory
        Where it stands.
    costs : str
        Cost of one unit more of each fact, such as ``"leads:2, relevance:5"``; empty: 1 for each fact that decides the tier.

    Raises
    ------
    ParameterError
        If the costs cannot be read.
    SampleError
        If the partner is in the highest tier, or no mix reaches one above.
    """
    if history.scheme is None or history.scores is None:
        raise SampleError("recorded tiers have no rule that steps could meet")
    place = history.tiers.index(explanation.raw) if explanation.raw in history.tiers else len(history.tiers)
    if place == 0:
        raise SampleError(f"by the rule {explanation.partner} has no tier above it")
    facts = [name for name in history.scheme.needs() if history.scores.panel.known(name)]
    prices, failed = _read_costs(costs) or dict.fromkeys(facts, 1.0), None
    for tier in reversed(history.tiers[:place]):
        try:
            steps = plan_steps(history, partner=explanation.partner, quarter=explanation.quarter, tier=tier, costs=prices)
        except SampleError as error:
            failed = error
            continue
        return steps.assign(tier=tier)[["tier", *steps.columns]]
    raise failed or SampleError("no tier above can be reached by raising what the rules ask for")


def find_appealed(appeals: pd.DataFrame, *, history: TierHistory, quarter: str) -> str:
    """Find the last quarter up to this one about which an appeal of this scheme is decided: appeals come after the quarter's end.

    Raises
    ------
    SampleError
        If none is decided.
    """
    decided = appeals[appeals["decision"].isin(["upheld", "rejected"])]
    if "scheme" in decided and history.scheme is not None:
        decided = decided[decided["scheme"].isna() | (decided["scheme"] == history.scheme.scheme)]
    told = set(decided["quarter"])
    found = [label for label in history.labels[: history.column(quarter) + 1] if label in told]
    if not found:
        raise SampleError(f"no appeal about a quarter up to {quarter} is decided")
    return found[-1]


def _read_costs(text: str) -> dict[str, float]:
    costs = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in pair.partition(":"))
        try:
            costs[name] = float(value)
        except ValueError:
            raise ParameterError(f"costs: {pair!r} is not 'fact:number'; write such as 'leads:2, relevance:5'") from None
    return costs


def load_appeals(request: Request) -> pd.DataFrame:
    """Load the appeals that the ledger or the source holds.

    Raises
    ------
    MissingTableError
        If there are none.
    """
    from partnerlab.report.sources import load_decisions

    rows = None if request.ledger is None else request.ledger.appeals(program=request.program)
    if rows is None or not len(rows):
        rows = load_decisions(request.source, "appeals", as_of=request.as_of)
    if rows is None or not len(rows):
        raise MissingTableError("nobody's appeals are on record in these data", table="appeals")
    return rows


def last_day(request: Request) -> date:
    """Last day of the quarter that the page is about."""
    period = request.calendar.parse(request.quarter)
    return pd.Timestamp(request.calendar.bounds_date(period, period)[1]).date() - timedelta(days=1)


def list_findings(scheme: TierScheme, *, panel: Panel) -> pd.DataFrame:
    """List what lint finds in a scheme on these data, the worst first; one row that says so where it finds nothing."""
    found = lint_scheme(scheme, panel=panel)
    if found.empty:
        return pd.DataFrame([{"grade": "none", "where": scheme.name_version, "finding": "nothing to mend"}])
    order = found["grade"].map({"error": 0, "warning": 1, "note": 2}).sort_values(kind="stable").index
    return found.loc[order, ["grade", "where", "finding"]].reset_index(drop=True)
