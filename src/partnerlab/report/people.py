"""Who moved, and who is cooling: partners by name, with what moved them and how likely that is if nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.report.attempts import Unavailable
from partnerlab.report.causes import name_causes, write_amount

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory
    from partnerlab.transitions import Movers, NoiseBaseline, TierForecast

#: Column with the probability of such a move, or such numbers, of a partner about whom nothing changed.
CHANCE = "chance_with_nothing_changed"


def _names(history: TierHistory, partners: pd.Series) -> pd.DataFrame:
    """Columns that tell people who a partner is: its name and region, where known."""
    known = [column for column in ("name", "partner_name", "region", "manager_id") if column in history.attributes.columns][:2]
    at = pd.Index(history.partners).get_indexer(partners.astype(str))
    found = pd.DataFrame({column: history.attributes[column].to_numpy()[at] for column in known}, index=partners.index)
    return found.dropna(axis="columns", how="all")


def caption_movers(movers: Movers | Unavailable | None, quarter: str) -> str:
    """Say what the table of movers holds, with and without a noise baseline."""
    if movers is None or isinstance(movers, Unavailable):
        return f"Partners that changed tier in {quarter}"
    verdict = "beyond noise" if movers.sure else "stands out"
    return f"Partners that changed tier in {quarter}; '{verdict}' allows for all {movers.at_risk:,} partners looked at on this page"


def list_movers(movers: Movers | Unavailable | None, history: TierHistory, panel: Panel, column: int) -> pd.DataFrame:
    """Movers for people, those beyond noise first; without a noise baseline simply all of them.

    Returns
    -------
    DataFrame
        ``partner, (name, region), from_tier, to_tier, why, what_changed, chance_with_nothing_changed`` and
        ``beyond_noise`` (``stands_out`` where counts vary more than chance counts do): yes, no, or who moved it.
    """
    if movers is None or isinstance(movers, Unavailable):
        if column == 0:
            return pd.DataFrame()
        table = history.moves(history.labels[column])
        table = table[table["direction"].isin(("up", "down", "sideways"))].reset_index(drop=True)
        return pd.concat([table[["partner"]], _names(history, table["partner"]), table[["from_tier", "to_tier", "direction"]]], axis=1)
    from partnerlab.show.movers import verdicts

    table = movers.table.sort_values(["beyond_noise", "estimate", "partner"], ascending=[False, True, True], ignore_index=True)
    why = name_causes(table, history=history, panel=panel, column=column)
    said = table[["from_tier", "to_tier"]].assign(
        why=why,
        what_changed=[_change(row, cause, panel=panel) for row, cause in zip(table.to_dict("records"), why, strict=True)],
        **{CHANCE: table["estimate"].clip(lower=1e-9), "beyond_noise" if movers.sure else "stands_out": verdicts(table)},
    )
    return pd.concat([table[["partner"]], _names(history, table["partner"]), said], axis=1)


def _change(row: dict[str, object], cause: str, *, panel: Panel) -> str:
    """Write the count that changed most, where it changed the way the partner moved; else it is not what moved it."""
    gain = np.sign(row["now"] - row["before"])
    against = {"up": -1, "down": 1}.get(str(row["direction"]), np.nan)
    if row["stated"] or row["decided"] or np.isnan(gain) or gain in (0, against):
        return ""
    before, now = (write_amount(row[name], str(row["indicator"]), panel=panel) for name in ("before", "now"))
    name = str(row["indicator"]).replace("_", " ")
    if row["direction"] == "sideways" and name not in cause:
        return ""
    return f"usually {before} a quarter" if cause.startswith(f"{name} {now} (") else f"{name} {now} a quarter, usually {before}"


def _looked_at(history: TierHistory, panel: Panel, column: int) -> np.ndarray:
    """Rows of active partners in a tier above the lowest who did not change tier in the quarter."""
    codes, before = history.published[:, column], history.published[:, max(column - 1, 0)]
    lowest = len(history.tiers) - 1
    stayed = (before < 0) | (before == codes)
    return np.flatnonzero((codes >= 0) & (codes < max(lowest, 1)) & stayed & panel.member[:, column])


def caption_cooling(history: TierHistory, panel: Panel, *, noise: NoiseBaseline | Unavailable | None, quarter: str, found: int) -> str:
    """Say what the table of cooling partners holds, of how many, and what these counts let one say."""
    from partnerlab.transitions.noise import CHANCE_COUNTS

    looked_at = len(_looked_at(history, panel, panel.column(quarter)))
    tame = any(check.passed for check in getattr(noise, "checks", ()) if check.name == CHANCE_COUNTS)
    fell = "fell beyond noise" if tame else "fell more than chance counts do (and these counts vary more than that)"
    return f"Partners whose numbers {fell} in {quarter} while they kept their tier: {found:,} of {looked_at:,} looked at"


def find_cooling(history: TierHistory, panel: Panel, *, noise: NoiseBaseline, quarter: str, level: float = 0.95) -> pd.DataFrame:
    """Find partners whose numbers fell beyond noise while they kept their tier.

    Each active partner in a tier above the lowest that did not change tier in the quarter is put to the test of
    `partnerlab.detect_movers`: the probability of numbers this low at its own unchanged rate, adjusted by
    Benjamini and Hochberg for everybody looked at.

    Returns
    -------
    DataFrame
        ``partner, (name, region), tier, what_fell, usual_per_quarter, now_per_quarter, chance_with_nothing_changed``;
        most surprising first.
    """
    from partnerlab.stats.inference.multiplicity import adjust_p_values
    from partnerlab.transitions.evidence import partner_evidence

    column = panel.column(quarter)
    looked_at = _looked_at(history, panel, column)
    if not len(looked_at):
        return pd.DataFrame()
    evidence = partner_evidence(noise, noise.places(history.partners)[looked_at], history.first + column)
    adjusted = adjust_p_values(evidence["surprise"], method="BH")
    fell = (evidence["now"] < evidence["before"]) & (adjusted <= 1.0 - level)
    names = evidence["indicator"]
    money = np.array([panel.known(str(name)) and bool(panel.indicator(str(name)).money) for name in names], dtype=bool)
    units = np.where(money, 100.0, 1.0)
    found = pd.DataFrame(
        {
            "partner": history.partners[looked_at],
            "tier": np.array(history.tiers, dtype=object)[history.published[looked_at, column]],
            "what_fell": pd.Series(names).astype("str").str.replace("_", " "),
            "usual_per_quarter": (evidence["before"] / units).round(1),
            "now_per_quarter": (evidence["now"] / units).round(1),
            CHANCE: np.maximum(evidence["surprise"], 1e-9),
        }
    )[fell].sort_values([CHANCE, "partner"], ignore_index=True)
    return pd.concat([found[["partner"]], _names(history, found["partner"]), found.drop(columns="partner")], axis=1)


def list_likely(forecast: TierForecast, *, history: TierHistory, rows: int = 25) -> pd.DataFrame:
    """List the partners who are most likely to leave their tier, next quarter and by the last quarter forecast.

    Returns
    -------
    DataFrame
        ``partner, (name, region), tier, share_away_in_..., most_likely_to, share_away_in_...``, the likeliest first;
        nobody who has lapsed.
    """
    following = forecast.likely_moves(quarter=forecast.quarters[0])
    last = forecast.likely_moves(quarter=forecast.quarters[-1]).set_index("partner")["stays"]
    found = following.head(rows).rename(columns={"now": "tier", "goes_to": "most_likely_to"})
    found = found.assign(**{f"share_away_in_{forecast.quarters[0]}": 1.0 - found["stays"]})
    if len(forecast.quarters) > 1:
        found[f"share_away_in_{forecast.quarters[-1]}"] = 1.0 - last.reindex(found["partner"]).to_numpy()
    shown = found.drop(columns=["stays", "probability"])[
        [
            "tier",
            f"share_away_in_{forecast.quarters[0]}",
            "most_likely_to",
            *(column for column in found if column.startswith("share_away")),
        ]
    ]
    shown = shown.loc[:, ~shown.columns.duplicated()]
    return pd.concat([found[["partner"]], _names(history, found["partner"]), shown], axis=1)
