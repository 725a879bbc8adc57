"""Labels beside the tier: they may overlap, and what is unknown is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.scoring import kleene
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.stats.inference.intervals import check_level, share_interval
from partnerlab.tiers.behind import facts_behind
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory

if TYPE_CHECKING:
    from partnerlab.scoring.scores import PanelFacts
    from partnerlab.tiers.scheme import Label

COLUMNS = ("partner", "label", "status", "share", "conf_low", "conf_high", "n", "sure")


def assign_labels(history: TierHistory, *, quarter: str, level: float = 0.95) -> pd.DataFrame:
    """Give every member the labels of the scheme that it meets.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers`.
    quarter : str
        Which.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        ``partner, label, status, share, conf_low, conf_high, n, sure``; the status is ``met``, ``tell us`` where the rule
        is undecided, or ``too few`` where fewer deals than ``min_n`` could say. ``share`` is the share of the partner's
        ``n`` counted deals that are of this kind, with its interval (`partnerlab.stats.inference.intervals.share_interval`; empty
        for labels by rule); ``sure`` where the whole interval lies beyond the line, or a rule is met.

    Raises
    ------
    MissingTableError
        If the panel lacks what a label asks for.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> rows = pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": [10, 50], "sold": [9, 1], "referred": [1, 1]})
    >>> kinds = {"shares": {"reseller": "sold", "referral": "referred"}, "share_at_least": "20 %"}
    >>> labels = {"busy": {"when": "leads >= 20"}, "motion": kinds}
    >>> scheme = TierScheme(scheme="demo", classify={"kind": "bands", "value": "leads", "bands": [{"name": "Member"}]}, labels=labels)
    >>> found = assign_labels(assign_tiers(Panel.from_frame(rows), scheme), quarter="2026Q1")
    >>> found[["partner", "label", "status", "share"]].to_numpy().tolist()
    [['a', 'reseller', 'met', 0.9], ['b', 'busy', 'met', nan], ['b', 'referral', 'too few', 0.5], ['b', 'reseller', 'too few', 0.5]]
    """
    check_level(level)
    facts, column = facts_behind(history), history.column(quarter)
    member = history.published[:, column] > Outside.NOT_YET
    found = []
    for name, label in history.scheme.labels.items():
        found += [_by_rule(name, label, facts, column)] if label.when is not None else _by_shares(label, facts, column, level)
    columns = {"label": "str", "status": "str", "share": float, "conf_low": float, "conf_high": float, "n": "Int64", "sure": bool}
    if not found:
        return pd.DataFrame({name: [] for name in COLUMNS}).astype({"partner": "str", **columns})
    named = [one.assign(partner=history.partners.astype(object))[member] for one in found]
    table = pd.concat([one[one["status"] != ""] for one in named], ignore_index=True)[list(COLUMNS)].astype({"partner": "str", **columns})
    return table.iloc[np.lexsort((table["label"], table["partner"]))].reset_index(drop=True)


def _by_rule(name: str, label: Label, facts: PanelFacts, column: int) -> pd.DataFrame:
    """One row for each partner; who does not meet the rule has no status."""
    truth = evaluate_rule(label.when, facts)[:, column]
    status = np.array(["", "tell us", "met"], dtype=object)[truth]
    nothing = dict.fromkeys(("share", "conf_low", "conf_high"), np.nan)
    return pd.DataFrame(
        {"label": name, "status": status, **nothing, "n": pd.array([pd.NA] * len(truth), "Int64"), "sure": truth == kleene.TRUE}
    )


def _by_shares(label: Label, facts: PanelFacts, column: int, level: float) -> list[pd.DataFrame]:
    """One table for each kind of deal: its share, and whether that is enough."""
    counts = np.stack([facts.number(indicator)[:, column] for indicator in label.shares.values()])
    n = counts.sum(axis=0)
    line = np.broadcast_to(facts.amount(label.share_at_least), facts.shape)[:, column]
    some = np.nan_to_num(n) > 0
    tables = []
    for name, mine in zip(label.shares, counts, strict=True):
        share = np.divide(mine, n, out=np.full(len(n), np.nan), where=some)
        low, high = share_interval(share, n, level=level)
        reached = kleene.exceeds(share, line, ">=")
        status = np.where(np.isnan(n), "tell us", np.where(some & reached, np.where(n < label.min_n, "too few", "met"), ""))
        sure = (status == "met") & kleene.exceeds(low, line, ">=")
        whole = pd.array(np.where(np.isnan(n), 0, n).astype(int), dtype="Int64")
        tables.append(
            pd.DataFrame({"label": name, "status": status, "share": share, "conf_low": low, "conf_high": high, "n": whole, "sure": sure})
        )
    return tables
