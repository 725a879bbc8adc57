"""Several quarters ahead by one matrix, with the error of its powers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.states.powers import clustered_power_errors, matrix_power_errors, passes_through
from partnerlab.transitions.cells import FEWEST_AT_RISK, FEWEST_PARTNERS
from partnerlab.transitions.flow_counts import Flows
from partnerlab.transitions.states import LAPSED


def power_table(flows: Flows, *, group: int, steps: int, level: float) -> pd.DataFrame:
    """Give P to the power ``steps`` of one segment: ``from_tier, to_tier``, the tidy columns and ``steps``.

    Raises
    ------
    ParameterError
        If steps is no whole number of 1 or more.
    """
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ParameterError(f"steps is {steps!r}; give a whole number of steps, 1 or more")
    rows, states, names = flows.rows, len(flows.names), np.array(flows.names, dtype=object)
    mine = rows.group == group
    hits, origin, partner = rows.hits[mine].astype(float), rows.origin[mine], rows.partner[mine]
    total = np.stack([np.bincount(origin, weights=column, minlength=states) for column in hits.T], axis=1)
    at_risk, partners = total.sum(axis=1), np.bincount(origin, minlength=states)
    if flows.independent:
        share, error = matrix_power_errors(total, int(steps))
        enough, df = at_risk >= FEWEST_AT_RISK, np.full(states, 1e9)  # the normal
    else:
        share, error = clustered_power_errors(hits, cluster=partner, origin=origin, steps=int(steps))
        enough, df = (at_risk >= FEWEST_AT_RISK) & (partners >= FEWEST_PARTNERS), np.maximum(partners - 1.0, 1.0)
    final = np.isin(names, [*flows.absorbing, LAPSED])
    one = np.where(at_risk[:, None] > 0, total / np.maximum(at_risk, 1.0)[:, None], np.eye(states))
    # where nobody was seen to leave from, nobody knows what comes next
    unknown = passes_through(one, int(steps), (at_risk == 0) & ~final)
    share = np.where(unknown[:, None], np.nan, share)
    low, high = _bounds(share, error, level=level, df=df)
    sure = _certain(flows, int(steps)) & ~unknown[:, None]
    low, high, error = np.where(sure, 0.0, low), np.where(sure, 0.0, high), np.where(sure, 0.0, error)
    given = (enough & ~unknown)[:, None]
    known = given & (sure | ((share > 0.0) & (share < 1.0)))
    body = {"estimate": share, "std_error": np.where(known, error, np.nan), "conf_low": np.where(given, low, np.nan)}
    body["conf_high"] = np.where(given, high, np.nan)
    table = pd.DataFrame({"from_tier": np.repeat(names, states), "to_tier": np.tile(names, states)}).astype("str")
    columns = {name: values.ravel() for name, values in body.items()}
    found = table.assign(**columns, n=np.repeat(at_risk, states).astype(np.int64), steps=int(steps))
    return found[np.repeat(at_risk > 0, states)].reset_index(drop=True)


def _bounds(share: np.ndarray, error: np.ndarray, *, level: float, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval on the logit scale with t by the partners of the row; none where all or nothing was seen."""
    inside = (share > 0.0) & (share < 1.0) & (error > 0.0)
    safe = np.where(inside, share, 0.5)
    spread = np.asarray(critical_value(level, df=df))[:, None] * np.where(inside, error, 0.0) / (safe * (1.0 - safe))
    odds, spread = safe / (1.0 - safe), np.exp(np.minimum(spread, 700.0))
    low, high = odds / spread / (1.0 + odds / spread), 1.0 - 1.0 / (1.0 + odds * spread)
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)


def _certain(flows: Flows, steps: int) -> np.ndarray:
    """Which states cannot be reached in this many steps by the moves that can be made, shape ``(s, s)``."""
    states = len(flows.names)
    can = np.ones((states, states), dtype=bool) if flows.possible is None else flows.possible.copy()
    for place, name in enumerate(flows.names):
        if name in flows.absorbing:
            can[place] = np.arange(states) == place
    way = np.eye(states)
    for _ in range(steps):
        way = (way @ can > 0).astype(float)
    return way == 0
