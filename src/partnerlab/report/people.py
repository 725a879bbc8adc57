"""Who moved, and who is cooling: partners by name, with what changed and how likely noise alone would do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.report.attempts import Unavailable

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory
    from partnerlab.transitions import Movers, NoiseBaseline


def _names(history: TierHistory, partners: pd.Series) -> pd.DataFrame:
    """Columns that tell people who a partner is: its name and region, where known."""
    known = [column for column in ("name", "partner_name", "region", "manager_id") if column in history.attributes.columns][:2]
    at = pd.Index(history.partners).get_indexer(partners.astype(str))
    found = pd.DataFrame({column: history.attributes[column].to_numpy()[at] for column in known}, index=partners.index)
    return found.dropna(axis="columns", how="all")


def _numbers(indicators: pd.Series, before: pd.Series, now: pd.Series, chance: pd.Series, *, panel: Panel) -> pd.DataFrame:
    """Write what changed as people read it: money in units of the currency, a chance of nothing as almost nothing."""
    money = np.array([panel.known(str(name)) and bool(panel.indicator(str(name)).money) for name in indicators], dtype=bool)
    units = np.where(money, 100.0, 1.0)
    return pd.DataFrame(
        {
            "what_changed": indicators.astype("str").str.replace("_", " "),
            "usual_per_quarter": (before / units).round(1),
            "now_per_quarter": (now / units).round(1),
            "noise_alone": np.maximum(chance, 1e-9),
        }
    )


def caption_movers(movers: Movers | Unavailable | None, quarter: str) -> str:
    """Say what the table of movers holds, with and without a noise baseline."""
    if movers is None or isinstance(movers, Unavailable):
        return f"Partners that changed tier in {quarter}"
    return f"Partners that changed tier in {quarter}, least likely by noise alone first; 'beyond noise' allows for all looked at"


def list_movers(movers: Movers | Unavailable | None, history: TierHistory, panel: Panel, column: int) -> pd.DataFrame:
    """Movers for people, those beyond noise first; without a noise baseline simply all of them."""
    if movers is None or isinstance(movers, Unavailable):
        if column == 0:
            return pd.DataFrame()
        table = history.moves(history.labels[column])
        table = table[table["direction"].isin(("up", "down", "sideways"))].reset_index(drop=True)
        return pd.concat([table[["partner"]], _names(history, table["partner"]), table[["from_tier", "to_tier", "direction"]]], axis=1)
    table = movers.table.sort_values(["beyond_noise", "estimate", "partner"], ascending=[False, True, True], ignore_index=True)
    who = _names(history, table["partner"])
    said = table[["from_tier", "to_tier"]]
    numbers = _numbers(table["indicator"], table["before"], table["now"], table["estimate"], panel=panel)
    numbers["beyond_noise"] = np.select([table["beyond_noise"], table["stated"]], ["yes", "stated anew"], "no")
    return pd.concat([table[["partner"]], who, said, numbers], axis=1)


def find_cooling(history: TierHistory, panel: Panel, *, noise: NoiseBaseline, quarter: str, level: float = 0.95) -> pd.DataFrame:
    """Find partners whose numbers fell beyond noise while they still hold their tier.

    Each active partner in a tier above the lowest is put to the test of `partnerlab.detect_movers`: the
    probability of numbers this low at its own unchanged rate, adjusted by Benjamini and Hochberg for
    everybody looked at.

    Returns
    -------
    DataFrame
        ``partner, (name, region), tier, what_fell, usual_per_quarter, now_per_quarter, noise_alone``; most surprising first.
    """
    from partnerlab.transitions.evidence import adjusted_probabilities, partner_evidence

    column = panel.column(quarter)
    codes = history.published[:, column]
    lowest = len(history.tiers) - 1
    looked_at = np.flatnonzero((codes >= 0) & (codes < max(lowest, 1)) & panel.member[:, column])
    if not len(looked_at):
        return pd.DataFrame()
    evidence = partner_evidence(noise, noise.places(history.partners)[looked_at], history.first + column)
    adjusted = adjusted_probabilities(evidence["surprise"])
    fell = (evidence["now"] < evidence["before"]) & (adjusted <= 1.0 - level)
    found = pd.DataFrame(
        {
            "partner": history.partners[looked_at],
            "tier": np.array(history.tiers, dtype=object)[codes[looked_at]],
            "indicator": evidence["indicator"],
            "before": evidence["before"],
            "now": evidence["now"],
            "chance": evidence["surprise"],
        }
    )[fell].sort_values(["chance", "partner"], ignore_index=True)
    numbers = _numbers(found["indicator"], found["before"], found["now"], found["chance"], panel=panel).rename(
        columns={"what_changed": "what_fell"}
    )
    found = pd.concat([found[["partner", "tier"]], numbers], axis=1)
    return pd.concat([found[["partner"]], _names(history, found["partner"]), found.drop(columns="partner")], axis=1)
