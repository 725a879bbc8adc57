"""One scheme against another on the same quarters: who wins, who loses, who moves only because the rule did."""

from __future__ import annotations

import dataclasses
import html
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.stats.inference.intervals import check_level, share_interval
from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory
from partnerlab.tiers.movement import heights
from partnerlab.tiers.scheme import TierScheme

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel

CHANGES = ("up", "down", "sideways", "same", "unknown")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SchemeComparison:
    """Two schemes on one panel.

    Parameters
    ----------
    before, after : TierHistory
        Tiers under each.
    names : tuple of str
        What each is called: name and version, and the goal where only that differs.
    quarter : str
        Quarter that is compared.
    table : DataFrame
        One row for each member: ``partner, before, after, change, previous, cause, rank_before, rank_after, rank_change``.
        ``change`` is up, down, same, sideways or unknown, by place from the top where the schemes have different tiers.
        ``previous`` is the tier of the quarter before under the first scheme, ``cause`` why a partner's tier would differ
        from that if the second took over now: the data, the rule, both, or none (also where the new rule
        offsets what the data did). Ranks are by ``ranked_by`` (1 is best,
        ties share the best place); a positive ``rank_change`` is a rise.
    shares : DataFrame
        For every quarter compared and every change: ``quarter, change, estimate, std_error, conf_low, conf_high, n``, shares of members.
    ranked_by : tuple of str
        What the ranks are by under each: a score, or ``tier``.
    level : float
        Coverage.
    """

    before: TierHistory
    after: TierHistory
    names: tuple[str, str]
    quarter: str
    table: pd.DataFrame = dataclasses.field(repr=False)
    shares: pd.DataFrame = dataclasses.field(repr=False)
    ranked_by: tuple[str, str] = ("tier", "tier")
    level: float = 0.95

    def counts(self) -> pd.DataFrame:
        """Partners by tier before and after, as a table of both."""
        return pd.crosstab(self.table["before"], self.table["after"])

    def winners(self) -> pd.DataFrame:
        """Partners who stand higher under the second scheme."""
        return self.table.loc[self.table["change"] == "up"].reset_index(drop=True)

    def losers(self) -> pd.DataFrame:
        """Partners who stand lower under the second scheme."""
        return self.table.loc[self.table["change"] == "down"].reset_index(drop=True)

    def only_rule(self) -> pd.DataFrame:
        """Partners who would move now only because the rule does: their data leave them where they were."""
        return self.table.loc[self.table["cause"] == "rule"].reset_index(drop=True)

    def summary(self) -> str:
        """Say it in a few sentences."""
        changed = self.table["change"].value_counts()
        said = ", ".join(f"{int(changed.get(kind, 0))} {kind}" for kind in CHANGES)
        lines = [f"{' -> '.join(self.names)} in {self.quarter}: of {len(self.table)} members {said}; nobody's data differ, only the rule."]
        cause = self.table["cause"].value_counts()
        if len(self.before.labels) > 1 and self.before.column(self.quarter):
            rule, data, both = (int(cause.get(kind, 0)) for kind in ("rule", "data", "both"))
            moved = f"{rule} members would move only because the rule does, {data} because their data did, {both} for both"
            lines.append(f"If {self.names[1]} took over in {self.quarter}, {moved}.")
        quarters = self.shares["quarter"].unique()
        if len(quarters) > 1:
            moved = self.shares[self.shares["change"].isin(["up", "down"])].groupby("quarter", sort=False)["estimate"].sum()
            lines.append(
                f"Over {len(quarters)} quarters, {quarters[0]} to {quarters[-1]}, "
                f"{moved.min():.0%} to {moved.max():.0%} of members stand higher or lower under it."
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        said = "<br>".join(html.escape(line) for line in self.summary().splitlines())
        return f"<p>{said}</p>" + self.counts().to_html(border=0)


def compare_schemes(
    panel: Panel,
    *,
    before: TierScheme,
    after: TierScheme | None = None,
    goal: str = "",
    quarter: str | None = None,
    first: str | None = None,
    level: float = 0.95,
) -> SchemeComparison:
    """Apply two schemes, two versions of one, or one under two goals, to the same panel.

    Parameters
    ----------
    panel : Panel
        With the indicators of both.
    before : TierScheme
        What is compared with.
    after : TierScheme or None
        What would take its place; None for the same scheme under another ``goal``.
    goal : str
        Goal that picks the weights of the second scheme.
    quarter : str or None
        Quarter whose tiers are compared; earlier ones matter through movement rules. The last if None.
    first : str or None
        First of the past quarters that are compared as well; only ``quarter`` if None.
    level : float
        Coverage of the intervals of shares: the program's partners are taken as a sample of those that such a program would have.

    Returns
    -------
    SchemeComparison
        Tiers as held, before overrides.

    Raises
    ------
    ParameterError
        If there is nothing to compare with, the goal has no weights, or a quarter does not exist.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": [10, 50]}))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
    >>> lower = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 5}, {"name": "Member"}]}
    >>> old, new = TierScheme(scheme="demo", classify=bands), TierScheme(scheme="demo", version="2", classify=lower)
    >>> compare_schemes(panel, before=old, after=new, quarter="2026Q1").winners()["partner"].tolist()
    ['a']
    """
    check_level(level)
    other = _second(before, after, goal)
    histories = (assign_tiers(panel, before), assign_tiers(panel, other))
    column = panel.column(quarter or panel.labels[-1])
    start = column if first is None else panel.column(first)
    if start > column:
        raise ParameterError(f"first is {first}, after {panel.labels[column]}; give an earlier quarter", period=first)
    merits = [_merit(history) for history in histories]
    return SchemeComparison(
        before=histories[0],
        after=histories[1],
        names=_names(before, other),
        quarter=panel.labels[column],
        table=_members(panel, histories, column, [values for _, values in merits]),
        shares=_shares(panel, histories, range(start, column + 1), level),
        ranked_by=(merits[0][0], merits[1][0]),
        level=level,
    )


def _second(before: TierScheme, after: TierScheme | None, goal: str) -> TierScheme:
    """Find the scheme that would take over."""
    if after is None and not goal:
        raise ParameterError("nothing to compare with; give after=, another scheme, or goal=, another goal of the same")
    other = before if after is None else after
    goals = list(dict.fromkeys(name for score in other.scores.values() for name in score.weights_by_goal))
    if goal and goal not in goals:
        known = f"; goals: {', '.join(goals)}" if goals else "; its scores have no weights_by_goal"
        raise ParameterError(f"{other.name_version} has no goal {goal!r}{nearest(goal, goals)}{known}", goal=goal)
    return other.model_copy(update={"goal": goal}) if goal else other


def _names(before: TierScheme, after: TierScheme) -> tuple[str, str]:
    """Call each by name and version, and by goal where that is what differs."""
    if before.name_version != after.name_version or before.goal == after.goal:
        return before.name_version, after.name_version
    return f"{before.name_version} ({before.goal})", f"{after.name_version} ({after.goal})"


def _members(panel: Panel, histories: tuple[TierHistory, TierHistory], column: int, merits: list[np.ndarray]) -> pd.DataFrame:
    """One row for each member of the quarter."""
    codes = [history.held[:, column] for history in histories]
    member = codes[0] > Outside.NOT_YET
    names = [history.names(code)[member] for history, code in zip(histories, codes, strict=True)]
    ranks = [pd.Series(merit[member, column]).rank(method="min", ascending=False) for merit in merits]
    words = pd.DataFrame(
        {
            "partner": panel.partners[member],
            "before": names[0],
            "after": names[1],
            "change": _change(histories, codes)[member],
            "previous": histories[0].names(histories[0].held[:, max(column - 1, 0)])[member],
            "cause": _cause(histories, codes, column)[member],
        }
    ).astype("str")
    numbers = {"rank_before": ranks[0], "rank_after": ranks[1], "rank_change": ranks[0] - ranks[1]}
    return words.assign(**{name: values.astype("Int64") for name, values in numbers.items()})


def _merit(history: TierHistory) -> tuple[str, np.ndarray]:
    """Find what partners are ranked by: the first score that the rule asks for, else the height of the tier."""
    asked = history.scheme.classify.names()
    score = next((name for name in asked if name in history.scheme.scores), None)
    if score is not None and history.scheme.kind in ("ladder", "bands"):
        return score, history.values(score)
    height = heights(history.rank).astype(float)[history.held]
    return "tier", np.where(history.held >= 0, height, np.nan)


def _cause(histories: tuple[TierHistory, TierHistory], codes: list[np.ndarray], column: int) -> np.ndarray:
    """Why the tier would differ from that of the quarter before if the second scheme took over now; none where it would not."""
    by_rule = _change(histories, codes) != "same"
    earlier = histories[0].held[:, max(column - 1, 0)]
    by_data = (codes[0] != earlier) if column else np.zeros(len(earlier), dtype=bool)
    cause = np.array(["none", "data", "rule", "both"], dtype=object)[by_data + 2 * by_rule]
    cause[_change(histories, [earlier, codes[1]]) == "same"] = "none"  # the data moved, and the new rule keeps them where they were
    cause[(codes[0] < 0) | (codes[1] < 0) | (earlier < 0)] = "unknown"
    return cause


def _shares(panel: Panel, histories: tuple[TierHistory, TierHistory], columns: range, level: float) -> pd.DataFrame:
    """Share of members by change, quarter by quarter."""
    rows = []
    for column in columns:
        codes = [history.held[:, column] for history in histories]
        member = codes[0] > Outside.NOT_YET
        change = _change(histories, codes)[member]
        rows += [(panel.labels[column], kind, int((change == kind).sum()), int(member.sum())) for kind in CHANGES]
    table = pd.DataFrame(rows, columns=["quarter", "change", "partners", "n"])
    n = table["n"].to_numpy(dtype=float)
    share = np.divide(table["partners"].to_numpy(dtype=float), n, out=np.full(len(n), np.nan), where=n > 0)
    low, high = share_interval(share, n, level=level)
    error = np.sqrt(np.divide(share * (1 - share), n, out=np.full(len(n), np.nan), where=n > 0))
    tidy = {"estimate": share, "std_error": error, "conf_low": low, "conf_high": high}
    return table[["quarter", "change"]].assign(**tidy, n=table["n"], partners=table["partners"])


def _change(histories: tuple[TierHistory, TierHistory], codes: list[np.ndarray]) -> np.ndarray:
    """Direction for each partner, shape ``(n,)``."""
    same_tiers = histories[0].tiers == histories[1].tiers
    places = []
    for history, code in zip(histories, codes, strict=True):
        height = heights(history.rank)
        places.append((height if same_tiers else height - height.max())[code])
    step = np.sign(places[1].astype(int) - places[0])
    words = np.array(["same", "up", "down"], dtype=object)[step]
    words[(step == 0) & same_tiers & (codes[0] != codes[1])] = "sideways"
    words[(codes[0] < 0) | (codes[1] < 0)] = "unknown"
    return words
