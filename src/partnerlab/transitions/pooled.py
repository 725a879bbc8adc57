"""Transition probabilities of sparse segments, shrunk towards what all segments show."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.inference.counts import FlowRows
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.shrinkage.pooled_rows import pooled_rows
from partnerlab.transitions.cells import cell_frame, cell_table, drop_idle, plain_shares
from partnerlab.transitions.flow_counts import Flows, read_flows
from partnerlab.transitions.states import LAPSED

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory
    from partnerlab.transitions.pairs import Transitions

#: Below this many segments behind a tier's prior, how alike they are is hardly known; a check says so.
COMFORTABLE_SEGMENTS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class PooledTransitions(Result):
    """One-quarter transition probabilities by segment, shrunk towards those of all segments.

    The table has keys ``[by, from_tier, to_tier]``, then ``estimate`` (shrunken), ``std_error, conf_low, conf_high``,
    ``n`` (partner-quarters at risk in the segment), ``count`` (moves), ``weight`` (share of the estimate that is borrowed from
    the other segments), ``deff`` (by which counts were deflated) and, of the segment alone, ``raw, raw_low, raw_high``.

    Parameters
    ----------
    tiers : tuple of str
        Tiers, best first.
    by : str
        What the segments are.
    priors : DataFrame
        What all segments show: ``from_tier, to_tier, share, size``; a large ``size`` says that segments are alike.
    quarters : tuple of str
        First and last quarter that moves were read from.

    Examples
    --------
    >>> from partnerlab.transitions import Transitions
    >>> table = pd.DataFrame([("N", "A", "B", 4), ("N", "A", "A", 6), ("S", "A", "A", 90), ("S", "A", "B", 10)],
    ...     columns=["region", "from_tier", "to_tier", "n"])
    >>> pooled = estimate_pooled_transitions(Transitions.from_frame(table, count="n"), by="region")
    >>> pooled.matrix("weight", segment="N").round(2).to_dict("index")
    {'A': {'A': 0.59, 'B': 0.59}}
    """

    title: ClassVar[str] = "Transitions by segment, shrunk"

    tiers: tuple[str, ...] = ()
    by: str = ""
    priors: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    quarters: tuple[str, str] = ("", "")

    def matrix(self, column: str = "estimate", *, segment: str) -> pd.DataFrame:
        """Lay one column of a segment out as a matrix: a row for each tier left, a column for each tier reached.

        Raises
        ------
        SampleError
            If there is no such segment.
        """
        table = self.table[self.table[self.by] == segment]
        if table.empty:
            raise SampleError(f"matrix: name a segment of {self.by}: {', '.join(map(str, self.table[self.by].unique()))}")
        order = [state for state in [*self.tiers, LAPSED] if state in set(table["to_tier"])]
        wide = table.pivot(index="from_tier", columns="to_tier", values=column)
        return wide.reindex(index=[state for state in order if state in wide.index], columns=order)


def estimate_pooled_transitions(
    history: TierHistory | Transitions,
    *,
    by: str,
    stage: str = "published",
    level: float = 0.95,
    include_partial: bool = False,
) -> PooledTransitions:
    """Estimate transition probabilities of each segment, the sparse ones borrowing strength from all.

    Parameters
    ----------
    history : TierHistory or Transitions
        Tiers by partner and quarter, or pairs or counts of tiers.
    by : str
        Attribute of partners, column of pairs, or ``"quarter"``.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers of a history to read.
    level : float
        Coverage of each interval, one cell at a time.
    include_partial : bool
        Whether quarters that the data cover only in part count.

    Returns
    -------
    PooledTransitions
        ``(count + a) / (n + a0)`` with the Dirichlet prior ``a`` of the tier left, fitted to all segments. A
        segment in which nobody was at risk shows what all segments show, with weight 1 and ``n`` of 0.

    Raises
    ------
    ParameterError
        If stage, level or attribute do not exist.
    SampleError
        If there are fewer than two segments, or not two whole quarters side by side.

    Notes
    -----
    Empirical Bayes: the prior of each from-tier maximises the Dirichlet-multinomial likelihood over the segments
    (Minka 2000). A partner's quarters are not independent: counts are divided by the tier's design effect, the ratio of the
    clustered to the binomial variance of the counts, summed over segments and cells (Rao and Scott 1981). Moves that cannot be
    made, and lapsed where nobody lapsed, are no cells. Intervals integrate over how alike the segments could be
    (`partnerlab.stats.shrinkage.pooled_rows.pooled_rows`).

    Examples
    --------
    >>> from partnerlab.transitions import Transitions
    >>> counts = pd.DataFrame([[8, 2], [3, 7]], index=["A", "B"], columns=["A", "B"])
    >>> pooled = estimate_pooled_transitions(Transitions.from_matrix({"x": counts, "y": counts * 10, "z": counts}), by="segment")
    >>> pooled.table[["segment", "from_tier", "to_tier", "estimate", "raw", "weight"]].head(2).round(2).to_numpy().tolist()
    [['x', 'A', 'A', 0.8, 0.8, 1.0], ['x', 'A', 'B', 0.2, 0.2, 1.0]]
    """
    check_level(level)
    flows = read_flows(history, by=by, stage=stage, include_partial=include_partial)
    if len(flows.segments) < 2:
        raise SampleError(f"pooling needs at least two segments of {by}; there is {len(flows.segments)}: {', '.join(flows.segments)}")
    states, groups = len(flows.names), len(flows.segments)
    counts = segment_counts(flows.rows, groups, states)
    effects = tier_effects(flows, groups)
    cells = cell_table(flows.rows, states, groups=groups, level=level, independent=flows.independent, possible=flows.possible)
    raw = {name: cells[ours].reshape(-1) for name, ours in (("raw", "estimate"), ("raw_low", "conf_low"), ("raw_high", "conf_high"))}
    shrunk, priors = _shrink(flows, counts, effects, level)
    columns = {**shrunk, "n": cells["n"], "count": cells["count"], "partners": cells["partners"]}
    table = cell_frame(columns, flows.names, flows.segments, by).assign(deff=np.tile(np.repeat(effects, states), groups), **raw)
    back = ["estimate", "std_error", "conf_low", "conf_high", "n", "count", "partners", "weight", "deff", *raw]
    table = drop_idle(table[[by, "from_tier", "to_tier", *back]], flows.absorbing)
    what = f" ({flows.stage} tiers)" if flows.stage else ""
    return PooledTransitions(
        estimand=f"Probability that a partner in one tier is in another a quarter later, by {by}, shrunk towards all{what}",
        table=table[table.groupby("from_tier")["n"].transform("sum") > 0].reset_index(drop=True),
        checks=(*flows.checks, _segments_check(counts, by)),
        level=level,
        tiers=flows.tiers,
        by=by,
        priors=priors,
        quarters=flows.quarters,
    )


def segment_counts(rows: FlowRows, groups: int, states: int) -> np.ndarray:
    """Add up the moves of each segment: shape ``(groups, states, states)``."""
    place = (rows.group * states + rows.origin)[:, None] * states + np.arange(states)
    table = np.bincount(place.ravel(), weights=rows.hits.ravel(), minlength=groups * states * states)
    return table.reshape(groups, states, states)


def tier_effects(flows: Flows, groups: int) -> np.ndarray:
    """Design effect of each tier left, over all segments: shape ``(states,)``, at least 1."""
    states = len(flows.names)
    if flows.independent:
        return np.ones(states)
    place, rows = flows.rows.group * states + flows.rows.origin, flows.rows
    at_risk = np.bincount(place, weights=rows.trials, minlength=groups * states)
    shares, plain = plain_shares(rows.hits, at_risk, group=place, groups=groups * states)
    partners = np.bincount(place, minlength=groups * states)
    apart = rows.hits - rows.trials[:, None] * shares[place]
    # leaving out who is alone in a segment: one partner shows no variance
    factor = np.where(partners > 1, partners / np.maximum(partners - 1.0, 1.0), 0.0)
    clustered = np.bincount(rows.origin, weights=(apart**2).sum(axis=1) * factor[place], minlength=states)
    binomial = np.nan_to_num((plain**2).sum(axis=1)) * at_risk**2 * (partners > 1)
    binomial = binomial.reshape(groups, states).sum(axis=0)
    return np.maximum(np.where(binomial > 0, clustered / np.where(binomial > 0, binomial, 1.0), 1.0), 1.0)


def _shrink(flows: Flows, counts: np.ndarray, effects: np.ndarray, level: float) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Shrink the rows of each tier left; gives the cells, each of shape ``(groups * states, states)``, and the priors."""
    groups, states = counts.shape[:2]
    found = {name: np.full(counts.shape, np.nan) for name in ("estimate", "std_error", "conf_low", "conf_high", "weight")}
    reached = np.array([name != LAPSED for name in flows.names]) | (counts.sum(axis=(0, 1)) > 0)
    priors = []
    for origin in range(states):
        if counts[:, origin].sum() == 0:
            continue
        possible = reached if flows.possible is None else reached & flows.possible[origin]
        rows = pooled_rows(counts[:, origin] / effects[origin], possible=possible, level=level)
        found["estimate"][:, origin], found["std_error"][:, origin] = rows.share, rows.error
        found["conf_low"][:, origin], found["conf_high"][:, origin] = rows.low, rows.high
        found["weight"][:, origin] = rows.weight[:, None]
        size = rows.alpha.sum()
        priors.append(
            pd.DataFrame({"from_tier": flows.names[origin], "to_tier": list(flows.names), "share": rows.alpha / size, "size": size})
        )
    return {name: values.reshape(groups * states, states) for name, values in found.items()}, pd.concat(priors, ignore_index=True)


def _segments_check(counts: np.ndarray, by: str) -> Check:
    busy = (counts.sum(axis=2) > 0).sum(axis=0)
    busy = busy[busy > 0]
    fewest = int(busy.min()) if len(busy) else 0
    return Check(
        "Enough segments to tell how alike they are",
        fewest >= COMFORTABLE_SEGMENTS,
        f"The tier with the fewest has {fewest} segments of {by} with somebody at risk; below {COMFORTABLE_SEGMENTS} the weight "
        "is hardly known (the intervals allow for that).",
    )
