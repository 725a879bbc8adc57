"""What transition probabilities are counted from: a history or pairs, read as rows of moves and what was looked at."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.results import Check
from partnerlab.stats.inference.counts import FlowRows, flow_rows, stack_rows
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.cells import FEWEST_AT_RISK, FEWEST_PARTNERS
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.states import FlowStates, read_states, segment_codes

#: Below this many partners an interval leans on its t correction; a check says so.
COMFORTABLE_PARTNERS = 20
#: Share of members without a known tier above which the check fails.
MOST_UNKNOWN = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flows:
    """Moves, counted and ready to be estimated.

    Parameters
    ----------
    names : tuple of str
        States; tiers first.
    tiers : tuple of str
        Those of them that are tiers.
    rows : FlowRows
        Moves by partner, segment and state left.
    segments : list of str
        Names of the segments.
    quarters : tuple of str
        First and last quarter that moves were read from; empty where they are not known.
    joins : DataFrame
        Tiers that joiners entered at.
    checks : tuple of Check
        What was looked at.
    stage : str
        Which of the four tiers was read; empty for pairs.
    step : int
        Quarters from one end of a pair to the other.
    independent : bool
        Whether counts are treated as independent, their partners not being known.
    possible : ndarray of bool, shape (states, states), or None
        Which moves can be made.
    absorbing : tuple of str
        States that nobody leaves.
    """

    names: tuple[str, ...]
    tiers: tuple[str, ...]
    rows: FlowRows = dataclasses.field(repr=False)
    segments: list[str]
    quarters: tuple[str, str]
    joins: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    checks: tuple[Check, ...] = ()
    stage: str = ""
    step: int = 1
    independent: bool = False
    possible: np.ndarray | None = dataclasses.field(repr=False, default=None)
    absorbing: tuple[str, ...] = ()


def read_flows(given: TierHistory | Transitions, *, by: str | None, stage: str, include_partial: bool) -> Flows:
    """Count the moves of a history or of pairs.

    Raises
    ------
    ParameterError
        If it is neither, or stage or attribute do not exist.
    SampleError
        If there is no pair.
    """
    if isinstance(given, Transitions):
        return _flows_of_pairs(given, by)
    return _flows_of_history(given, by, stage, include_partial)


def _flows_of_history(history: TierHistory, by: str | None, stage: str, include_partial: bool) -> Flows:
    flow = read_states(history, stage=stage, include_partial=include_partial)
    if not flow.use.any():
        raise SampleError(
            f"transitions need two whole quarters side by side; quarters in this history: {history.shape[1]}, "
            f"of which partial: {int(np.sum(history.partial))}"
        )
    steps = np.flatnonzero(flow.use)
    segment, segments = segment_codes(history.attributes, None if by == "quarter" else by)
    segments = [history.labels[step + 1] for step in steps] if by == "quarter" else segments
    rows = _rows(flow, segment, by)
    return Flows(
        names=flow.names,
        tiers=tuple(history.tiers),
        rows=rows,
        segments=segments,
        quarters=(history.labels[steps[0]], history.labels[steps[-1] + 1]),
        joins=_joins(history, flow, stage, segment, segments, by),
        checks=(_partners_check(rows, len(segments) * len(flow.names)), *_history_checks(history, stage, include_partial)),
        stage=stage,
    )


def _flows_of_pairs(pairs: Transitions, by: str | None) -> Flows:
    if not len(pairs):
        raise SampleError("transitions need pairs that were observed at both ends; there is none")
    group, segments = pair_segments(pairs, by)
    states = len(pairs.states)
    lead = np.where(pairs.partner < 0, 0, pairs.partner)
    place, at = np.unique((lead * len(segments) + group) * states + pairs.origin, return_inverse=True)
    hits = np.bincount(at * states + pairs.target, weights=pairs.weight, minlength=len(place) * states).reshape(-1, states)
    rest, origin = np.divmod(place, states)
    partner, segment = np.divmod(rest, len(segments))
    rows = FlowRows(partner=partner, group=segment, origin=origin, hits=hits.astype(np.int64))
    clustered = Check("Partners known", None, "Partners not known: counts treated as independent, which makes intervals too narrow.")
    if pairs.knows_partners:
        clustered = _partners_check(rows, len(segments) * states)
    dated = pairs.clock == "calendar"
    one = dataclasses.replace(pairs, period=np.array([pairs.period.min() - pairs.step, pairs.period.max()])) if dated else None
    return Flows(
        names=pairs.states,
        tiers=pairs.tiers,
        rows=rows,
        segments=segments,
        quarters=tuple(one.labels) if one is not None else ("", ""),
        checks=(clustered, *pairs.checks),
        step=pairs.step,
        independent=not pairs.knows_partners,
        possible=pairs.possible if pairs.impossible else None,
        absorbing=pairs.absorbing,
    )


def pair_segments(pairs: Transitions, by: str | None) -> tuple[np.ndarray, list[str]]:
    """Segment of each pair: codes ``(m,)`` and names; quarters in their order, those not given last."""
    if by is None:
        return np.zeros(len(pairs), dtype=np.int64), ["all"]
    if by == "quarter" and "quarter" not in pairs.covariates.columns:
        names = pairs.column("quarter").to_numpy()
        _, first, codes = np.unique(pairs.period, return_index=True, return_inverse=True)
        return codes.astype(np.int64), [str(names[place]) for place in first]
    return segment_codes(pd.DataFrame({by: pairs.column(by)}), by)


def _rows(flow: FlowStates, segment: np.ndarray, by: str | None) -> FlowRows:
    """Count moves by partner; by quarter each step is a segment of its own."""
    states = len(flow.names)
    if by != "quarter":
        return flow_rows(flow.codes, states, use=flow.use, group=segment)
    steps = np.flatnonzero(flow.use)
    parts = [flow_rows(flow.codes[:, step : step + 2], states, group=np.full(len(flow.codes), k)) for k, step in enumerate(steps)]
    return stack_rows(parts) if parts else flow_rows(flow.codes[:, :1], states)


def _joins(history: TierHistory, flow: FlowStates, stage: str, segment: np.ndarray, segments: list[str], by: str | None) -> pd.DataFrame:
    """Tiers at which partners entered who were not members the quarter before."""
    codes, tiers = getattr(history, stage), len(history.tiers)
    came = (codes[:, :-1] == Outside.NOT_YET) & (codes[:, 1:] >= 0) & flow.use
    partner, step = np.nonzero(came)
    group = np.cumsum(flow.use)[step] - 1 if by == "quarter" else segment[partner]
    count = np.bincount(group * tiers + codes[partner, step + 1], minlength=len(segments) * tiers).reshape(-1, tiers)
    with np.errstate(invalid="ignore"):
        share = count / count.sum(axis=1, keepdims=True)
    entered = np.tile(np.array(history.tiers, dtype=object), len(segments))
    table = pd.DataFrame({"to_tier": entered, "count": count.ravel(), "share": share.ravel()})
    if by is not None:
        table.insert(0, by, np.repeat(np.array(segments, dtype=object), tiers))
    return table


def _partners_check(rows: FlowRows, size: int) -> Check:
    """Look at how many partners stand behind each row of each matrix."""
    place = rows.group * (size // max(int(rows.group.max(initial=0)) + 1, 1)) + rows.origin
    _, at, partners = np.unique(place, return_inverse=True, return_counts=True)
    at_risk = np.bincount(at, weights=rows.trials) if len(partners) else partners
    short = int(((partners < FEWEST_PARTNERS) | (at_risk < FEWEST_AT_RISK)).sum())
    thin = int((partners < COMFORTABLE_PARTNERS).sum())
    return Check(
        "Enough partners behind each row",
        None if not len(partners) else thin == 0,
        f"{thin} of {len(partners)} rows rest on fewer than {COMFORTABLE_PARTNERS} partners; {short} have no interval "
        f"(fewer than {FEWEST_PARTNERS} partners or {FEWEST_AT_RISK} partner-quarters).",
    )


def _history_checks(history: TierHistory, stage: str, include_partial: bool) -> tuple[Check, ...]:
    """Look at what the quarters leave out."""
    partial = [label for label, cut in zip(history.labels, history.partial, strict=True) if cut]
    what = "taken in" if include_partial else "left out"
    whole = Check("Only whole quarters", not (partial and include_partial), f"Partial quarters {what}: {', '.join(partial) or 'none'}.")
    codes = getattr(history, stage)
    unknown, members = int((codes == Outside.UNKNOWN).sum()), int(((codes >= 0) | (codes == Outside.UNKNOWN)).sum())
    share = unknown / members if members else 0.0
    known = Check(
        "Tiers are known",
        None if members == 0 else share <= MOST_UNKNOWN,
        f"{unknown} of {members} member-quarters ({share:.1%}) have no known tier; their moves are in neither numerator nor denominator.",
    )
    return whole, known
