"""Quarter by quarter: active partners, comings and goings, lapse rate, totals; unknown where nothing is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.panel import Membership
from partnerlab.report.caveats import records_leaving

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory

#: Indicators of a single quarter that page one sums up, if the program has them: name, label.
TOTALS = (("revenue", "Revenue through partners"), ("leads", "Leads from partners"), ("deals_won", "Deals won"))


def flows_of(panel: Panel) -> dict[str, np.ndarray]:
    """Comings and goings of each period: ``joined, returned, lapsed``, shape ``(t,)``; NaN in the first of which anything is known."""
    earlier, later = panel.state[:, :-1], panel.state[:, 1:]
    active = later == Membership.ACTIVE
    found = {
        "joined": active & (earlier == Membership.NOT_YET),
        "returned": active & (earlier == Membership.LAPSED),
        "lapsed": (later == Membership.LAPSED) & (earlier == Membership.ACTIVE),
    }
    unseen = np.concatenate([[True], (earlier == Membership.UNKNOWN).all(axis=0)])
    return {name: np.where(unseen, np.nan, np.concatenate([[0], marks.sum(axis=0)])) for name, marks in found.items()}


def outside_tier(history: TierHistory) -> str | None:
    """Name of the tier that a scheme gives to members who fail its gate, such as INACTIVE; None if it has none."""
    return getattr(history.scheme.classify, "outside", None) if history.scheme is not None else None


def active_members(panel: Panel, history: TierHistory) -> np.ndarray:
    """Members that the scheme does not put outside: bool, shape ``(n, t)``."""
    outside = outside_tier(history)
    if outside is None or outside not in history.tiers:
        return panel.member
    return panel.member & (history.published != history.tiers.index(outside))


def count_quarters(panel: Panel, history: TierHistory) -> pd.DataFrame:
    """One row for each quarter, latest first: partners, comings and goings, lapse rate, totals.

    Returns
    -------
    DataFrame
        ``quarter, active, (members,) joined, returned, lapsed, lapse_rate``, then the totals that the program has, and ``note``.
    """
    flows, members = flows_of(panel), panel.member.sum(axis=0)
    unknown = (panel.state == Membership.UNKNOWN).all(axis=0)
    active = active_members(panel, history).sum(axis=0)
    if unknown.any():
        active, members = (np.where(unknown, np.nan, heads) for heads in (active, members))
    before = np.concatenate([[np.nan], members[:-1]])
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(before > 0, flows["lapsed"] / before, np.nan)
    table = pd.DataFrame({"quarter": panel.labels, "active": active, "members": members, **flows, "lapse_rate": rate})
    if outside_tier(history) is None:
        table = table.drop(columns="members")
    if not np.nansum(flows["returned"]):
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
