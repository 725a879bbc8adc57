"""How much hangs on each line and each weight: whose tier would change if only that one stood elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, wilson_interval
from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.lines import moved_tiers, scheme_lines
from partnerlab.tiers.movement import heights

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel
    from partnerlab.tiers.history import TierHistory
    from partnerlab.tiers.scheme import TierScheme


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sensitivity(Result):
    """Share of the rated partners whose tier hangs on one line or weight.

    The table has keys ``[what, name, change]``: a ``line`` or a ``weight``, and by how much it is moved;
    ``estimate`` is the share whose tier by the rule would be another, ``n`` the rated partners; then ``up``,
    ``down`` and ``other`` (sideways, or between rated and unknown), in partners.
    """

    title: ClassVar[str] = "Sensitivity of tiers"

    quarter: str = ""


def _reweighted(scheme: TierScheme, change: float) -> Iterator[tuple[str, TierScheme]]:
    """Every scheme in which one weight is multiplied; weights of products and maxima too."""
    for name, score in scheme.scores.items():
        if len(score.parts) < 2:
            continue
        by_goal = score.weights_by_goal.get(scheme.goal or "", {})
        for part in score.parts:
            given = by_goal.get(part.name, 0) if by_goal else part.weight
            if isinstance(given, str) or given == 0:
                continue
            if by_goal:
                moved = {**score.weights_by_goal, scheme.goal: {**by_goal, part.name: float(given) * change}}
                new = score.model_copy(update={"weights_by_goal": moved})
            else:
                parts = tuple(p.model_copy(update={"weight": float(given) * change}) if p is part else p for p in score.parts)
                new = score.model_copy(update={"parts": parts})
            yield f"{name}: {part.name}", scheme.model_copy(update={"scores": {**scheme.scores, name: new}})


def estimate_sensitivity(
    panel: Panel, *, scheme: TierScheme, quarter: str | None = None, change: float = 0.10, level: float = 0.95
) -> Sensitivity:
    """Estimate how many tiers hang on each cut line and each weight of a scheme.

    Parameters
    ----------
    panel : Panel
        What is known.
    scheme : TierScheme
        The rules; tiers are read as the rule gives them, before movement rules.
    quarter : str or None
        The last quarter if None.
    change : float
        By how much each line and weight is moved, both ways, one at a time.
    level : float
        Coverage; the program's partners are taken as a sample of those that such a program would have.

    Returns
    -------
    Sensitivity

    Raises
    ------
    ParameterError
        If the quarter does not exist, or ``change`` is not between 0 and 1.
    SampleError
        If nobody is rated in the quarter, or the scheme has no lines (recorded tiers).

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": list("abcd"), "quarter": "2026Q1", "leads": [5, 19, 21, 50]}))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
    >>> found = estimate_sensitivity(panel, scheme=TierScheme(scheme="demo", classify=bands))
    >>> found.tidy()[["name", "change", "up", "down", "n"]].to_numpy().tolist()
    [['leads >= 20', '-10 %', 1, 0, 4], ['leads >= 20', '+10 %', 0, 1, 4]]
    """
    check_level(level)
    if not 0.0 < change < 1.0:
        raise ParameterError(f"change is {change}; give a share between 0 and 1, such as 0.10")
    history = assign_tiers(panel, scheme)
    column = history.column(quarter or history.labels[-1])
    before = history.raw[:, column]
    lines = [] if scheme.kind == "recorded" else scheme_lines(history)
    if not lines:
        raise SampleError(f"scheme {scheme.name_version} has no lines that could stand elsewhere")
    if not (before >= 0).any():
        raise SampleError(f"nobody is rated in {history.labels[column]}; no tier can hang on a line")
    rows = []
    for line in lines:
        for factor in (1 - change, 1 + change):
            after = moved_tiers(history, line, factor=factor)[:, column]
            rows.append(
                {"what": "line", "name": line.name, "change": f"{factor - 1:+.0%}".replace("%", " %"), **_counts(history, before, after)}
            )
    for factor in (1 - change, 1 + change):
        for name, moved in _reweighted(scheme, factor):
            after = assign_tiers(panel, moved).raw[:, column]
            rows.append(
                {"what": "weight", "name": name, "change": f"{factor - 1:+.0%}".replace("%", " %"), **_counts(history, before, after)}
            )
    return Sensitivity(
        estimand=f"Share of rated partners with another tier in {history.labels[column]} if one line or weight moved by {change:.0%}",
        table=_table(rows, level),
        checks=(_heaviest(rows), *_capped(history)),
        level=level,
        quarter=history.labels[column],
    )


def _counts(history: TierHistory, before: np.ndarray, after: np.ndarray) -> dict[str, int]:
    """Count who changes, by direction, among those rated before or after."""
    height = heights(history.rank).astype(int)
    rated = (before >= 0) | (after >= 0)
    both = (before >= 0) & (after >= 0)
    step = np.where(both, height[after] - height[before], 0)
    changed = rated & (before != after)
    return {
        "changed": int(changed.sum()),
        "n": int(rated.sum()),
        "up": int((step > 0).sum()),
        "down": int((step < 0).sum()),
        "other": int((changed & (step == 0)).sum()),
    }


def _table(rows: list[dict[str, object]], level: float) -> pd.DataFrame:
    table = pd.DataFrame(rows).sort_values(["what", "name"], kind="stable", ignore_index=True)
    share = table["changed"].to_numpy() / table["n"].to_numpy()
    low, high = wilson_interval(share, table["n"].to_numpy(), level=level)
    tidy = {"estimate": share, "std_error": np.sqrt(share * (1 - share) / table["n"]), "conf_low": low, "conf_high": high}
    return table[["what", "name", "change"]].assign(**tidy, n=table["n"], up=table["up"], down=table["down"], other=table["other"])


def _heaviest(rows: list[dict[str, object]]) -> Check:
    most = max(rows, key=lambda row: row["changed"] / row["n"])  # type: ignore[operator]
    share = most["changed"] / most["n"]  # type: ignore[operator]
    return Check(
        "What most hangs on",
        None,
        f"{most['name']} moved by {most['change']} changes {most['changed']} of {most['n']} tiers ({share:.0%}).",
    )


def _capped(history: TierHistory) -> tuple[Check, ...]:
    if (history.raw == history.eligible).all():
        return ()
    return (Check("Caps", None, "Tiers are read before caps: who rises may find the tier full."),)
