"""Labels beside the tier: they may overlap, and what is unknown is asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.scoring import kleene
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.tiers.history import Outside, TierHistory
from partnerlab.tiers.parameters import facts_behind


def assign_labels(history: TierHistory, *, quarter: str) -> pd.DataFrame:
    """Give every member the labels of the scheme that it meets.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers`.
    quarter : str
        Which.

    Returns
    -------
    DataFrame
        ``partner, label, status``; the status is ``met``, or ``tell us`` where the rule is undecided.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": [10, 50]}))
    >>> classify = {"kind": "bands", "value": "leads", "bands": [{"name": "Member"}]}
    >>> scheme = TierScheme(scheme="demo", classify=classify, labels={"busy": {"when": "leads >= 20"}})
    >>> assign_labels(assign_tiers(panel, scheme), quarter="2026Q1").to_numpy().tolist()
    [['b', 'busy', 'met']]
    """
    facts, column = facts_behind(history), history.column(quarter)
    member = history.published[:, column] > Outside.NOT_YET
    found = []
    for name, label in history.scheme.labels.items():
        truth = evaluate_rule(label.when, facts)[:, column]
        for value, status in ((kleene.TRUE, "met"), (kleene.UNKNOWN, "tell us")):
            partners = history.partners[member & (truth == value)]
            found.append(pd.DataFrame({"partner": partners.astype(object), "label": name, "status": status}))
    if not found:
        return pd.DataFrame({"partner": [], "label": [], "status": []}, dtype="str")
    table = pd.concat(found, ignore_index=True).astype("str")
    return table.iloc[np.lexsort((table["label"], table["partner"]))].reset_index(drop=True)
