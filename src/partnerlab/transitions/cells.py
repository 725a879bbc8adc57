"""Cells of transition matrices: shares, clustered intervals, and the tables they stand in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.stats.inference.clusters import design_effects, jackknife_shares
from partnerlab.stats.inference.counts import FlowRows
from partnerlab.stats.inference.intervals import share_interval
from partnerlab.transitions.states import LAPSED

#: A row of the matrix with less than this behind it gets no interval: not enough data.
FEWEST_AT_RISK = 5
FEWEST_PARTNERS = 3


def cell_table(
    rows: FlowRows, states: int, *, groups: int, level: float, independent: bool = False, possible: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Shares, errors, intervals and design effects of every cell, each of shape ``(groups * states, states)``.

    The standard error leaves one partner out at a time; ``deff = max(1, (se / se_iid)^2)``;
    ``n / deff`` enters `share_interval` with ``t(partners - 1)``. Counts that are independent, their partners not
    being known, have binomial errors and the normal in place of t. What is not ``possible``, shape ``(states, states)``, is 0
    for certain.
    """
    place = rows.group * states + rows.origin
    size = groups * states
    trials = rows.trials.astype(float)
    at_risk = np.bincount(place, weights=trials, minlength=size)
    if independent:
        shares, errors = plain_shares(rows.hits, at_risk, group=place, groups=size)
        partners, deff, df = np.zeros(size, dtype=np.int64), np.ones(shares.shape), None
        enough = (at_risk >= FEWEST_AT_RISK)[:, None]
    else:
        clusters = np.bincount(np.unique(rows.partner * groups + rows.group) % groups, minlength=groups)
        shares, errors = jackknife_shares(rows.hits, trials, group=place, groups=size, clusters=np.repeat(clusters, states))
        partners = np.bincount(place, minlength=size)
        deff, df = design_effects(shares, errors, at_risk, partners), (partners - 1.0)[:, None]
        enough = ((at_risk >= FEWEST_AT_RISK) & (partners >= FEWEST_PARTNERS))[:, None]
    low, high = share_interval(shares, at_risk[:, None] / deff, level=level, df=df)
    sure = enough & (shares > 0.0) & (shares < 1.0)
    if possible is not None:
        barred = np.tile(~possible, (groups, 1)) & (at_risk > 0)[:, None]
        high, sure = np.where(barred, 0.0, high), sure | barred
        errors = np.where(barred, 0.0, errors)
    return {
        "estimate": shares,
        "std_error": np.where(sure, errors, np.nan),
        "conf_low": np.where(enough, low, np.nan),
        "conf_high": np.where(enough, high, np.nan),
        "n": np.broadcast_to(at_risk[:, None], shares.shape),
        "count": np.nan_to_num(shares * at_risk[:, None]).round(),
        "partners": np.broadcast_to(partners[:, None], shares.shape),
        "deff": np.where(enough, deff, np.nan),
    }


def plain_shares(hits: np.ndarray, at_risk: np.ndarray, *, group: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares by group and their binomial standard errors, each of shape ``(groups, k)``; NaN where nobody was at risk."""
    total = np.stack([np.bincount(group, weights=column, minlength=groups) for column in np.asarray(hits, dtype=float).T], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = total / at_risk[:, None]
        return shares, np.sqrt(shares * (1.0 - shares) / at_risk[:, None])


def cell_frame(cells: dict[str, np.ndarray], names: tuple[str, ...], segments: list[str], by: str | None) -> pd.DataFrame:
    """Lay the cells out as a tidy table."""
    groups, states = len(segments), len(names)
    keys = {} if by is None else {by: np.repeat(np.array(segments, dtype=object), states * states)}
    keys["from_tier"] = np.tile(np.repeat(np.array(names, dtype=object), states), groups)
    keys["to_tier"] = np.tile(np.array(names, dtype=object), groups * states)
    table = pd.DataFrame(keys).astype("str").assign(**{name: values.ravel() for name, values in cells.items()})
    return table.astype({"n": np.int64, "count": np.int64, "partners": np.int64})


def moved_table(
    rows: FlowRows, tiers: int, segments: list[str], by: str | None, *, level: float, independent: bool = False
) -> pd.DataFrame:
    """Share of partner-quarters that ended in another tier, among those in a tier at both ends."""
    inside = rows.origin < tiers
    stay = rows.hits[np.arange(len(rows.origin)), rows.origin]
    pair = rows.partner * len(segments) + rows.group
    unit, at = np.unique(pair[inside], return_inverse=True)
    between = np.bincount(at, weights=rows.hits[inside, :tiers].sum(axis=1), minlength=len(unit))
    away = between - np.bincount(at, weights=stay[inside], minlength=len(unit))
    busy = between > 0
    merged = FlowRows(
        partner=unit[busy] // len(segments), group=unit[busy] % len(segments), origin=np.zeros(int(busy.sum()), dtype=np.int64),
        hits=np.stack([away[busy], (between - away)[busy]], axis=1),
    )  # fmt: skip
    cells = cell_table(merged, 1, groups=len(segments), level=level, independent=independent) if len(merged.partner) else None
    columns = ("estimate", "std_error", "conf_low", "conf_high", "n", "count", "partners")
    if cells is None:
        table = pd.DataFrame({name: np.full(len(segments), np.nan if name in columns[:4] else 0) for name in columns})
    else:
        table = pd.DataFrame({name: cells[name][:, 0] for name in columns})
    table = table.astype({"n": np.int64, "count": np.int64, "partners": np.int64})
    if by is not None:
        table.insert(0, by, np.array(segments, dtype=object))
    return table


def drop_idle(table: pd.DataFrame, absorbing: tuple[str, ...] = ()) -> pd.DataFrame:
    """Leave out lapsed as a destination nobody reached, and as origins lapsed where nobody returned and what is absorbing."""
    reached = table.loc[(table["to_tier"] == LAPSED), "count"].sum() > 0
    returned = table.loc[(table["from_tier"] == LAPSED) & (table["to_tier"] != LAPSED), "count"].sum() > 0
    keep = (table["from_tier"] != LAPSED) | returned
    keep &= (table["to_tier"] != LAPSED) | reached
    keep &= ~table["from_tier"].isin(absorbing)
    return table[keep].reset_index(drop=True)
