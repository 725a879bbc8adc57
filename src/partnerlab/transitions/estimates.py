"""How often partners move between tiers from one quarter to the next, and how sure that is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.clusters import design_effects, jackknife_shares
from partnerlab.stats.counts import FlowRows, flow_rows, stack_rows
from partnerlab.stats.intervals import check_level, goodman_intervals, share_interval
from partnerlab.tiers.history import Outside, TierHistory
from partnerlab.transitions.belonging import check_baseline
from partnerlab.transitions.states import LAPSED, FlowStates, read_states, segment_codes

if TYPE_CHECKING:
    from partnerlab.transitions.noise import NoiseBaseline

#: A row of the matrix with less than this behind it gets no interval: not enough data.
FEWEST_AT_RISK = 5
FEWEST_PARTNERS = 3
#: Below this many partners an interval leans on its t correction; a check says so.
COMFORTABLE_PARTNERS = 20
#: Share of members without a known tier above which the check fails.
MOST_UNKNOWN = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransitionEstimate(Result):
    """One-quarter transition probabilities between tiers.

    The table has keys ``[by?, from_tier, to_tier]``, then ``estimate, std_error, conf_low, conf_high``,
    ``n`` (partner-quarters at risk), ``count`` (moves), ``partners`` (behind the row), ``deff`` (design effect)
    and, where a noise baseline was given, ``noise, noise_low, noise_high``: what the cell would show if no
    partner had changed.

    Parameters
    ----------
    tiers : tuple of str
        Tiers, best first.
    by : str or None
        Segment that the first key column holds.
    moved : DataFrame
        Share of partner-quarters that ended in another tier: ``[by?], estimate, ..., n`` and noise beside it.
    joins : DataFrame
        Tiers that joiners entered at: ``[by?], to_tier, count, share``.
    quarters : tuple of str
        First and last quarter that moves were read from.
    stage : str
        Which of the four tiers was read.

    Examples
    --------
    >>> rows = [("a", 1, "Gold"), ("a", 2, "Base"), ("a", 3, "Gold"), ("b", 1, "Gold"), ("b", 2, "Gold"), ("b", 3, "Gold")]
    >>> frame = pd.DataFrame([(p, f"2026Q{q}", tier) for p, q, tier in rows], columns=["partner", "quarter", "tier"])
    >>> estimate_transitions(TierHistory.from_frame(frame, order=["Gold", "Base"])).matrix().round(2).to_dict("index")
    {'Gold': {'Gold': 0.67, 'Base': 0.33}, 'Base': {'Gold': 1.0, 'Base': 0.0}}
    """

    title: ClassVar[str] = "Transitions between tiers"

    tiers: tuple[str, ...] = ()
    by: str | None = None
    moved: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    joins: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    quarters: tuple[str, str] = ("", "")
    stage: str = "published"

    def matrix(self, column: str = "estimate", *, segment: str | None = None) -> pd.DataFrame:
        """Lay one column out as a matrix: a row for each tier left, a column for each tier reached.

        Raises
        ------
        SampleError
            If the estimate is by segment and none, or an unknown one, is named.
        """
        table = self.table
        if self.by is not None:
            table = table[table[self.by] == segment]
            if table.empty:
                known = ", ".join(map(str, self.table[self.by].unique()))
                raise SampleError(f"matrix: name a segment of {self.by}: {known}")
        order = [*self.tiers, LAPSED]
        wide = table.pivot_table(index="from_tier", columns="to_tier", values=column, dropna=False, observed=False)
        return wide.reindex(index=[tier for tier in order if tier in wide.index], columns=[tier for tier in order if tier in wide.columns])

    def simultaneous_intervals(self) -> pd.DataFrame:
        """Give Goodman's intervals, which hold for all cells of a row at once, on the effective counts.

        Returns
        -------
        DataFrame
            The tidy table with ``conf_low, conf_high`` replaced; NaN where there was not enough data.
        """
        table = self.tidy()
        cells = table["to_tier"].nunique()
        low, high = goodman_intervals(table["estimate"].to_numpy(), (table["n"] / table["deff"]).to_numpy(), level=self.level, cells=cells)
        enough = table["conf_low"].notna().to_numpy()
        return table.assign(conf_low=np.where(enough, low, np.nan), conf_high=np.where(enough, high, np.nan))


def cell_table(rows: FlowRows, states: int, *, groups: int, level: float) -> dict[str, np.ndarray]:
    """Shares, errors, intervals and design effects of every cell, each of shape ``(groups * states, states)``.

    The standard error leaves one partner out at a time; ``deff = max(1, (se / se_iid)^2)``;
    ``n / deff`` enters Wilson's interval with ``t(partners - 1)``; cells never (or always) seen take
    the exact rule of three on the effective count of their row.
    """
    place = rows.group * states + rows.origin
    size = groups * states
    trials = rows.trials.astype(float)
    clusters = np.bincount(np.unique(rows.partner * groups + rows.group) % groups, minlength=groups)
    shares, errors = jackknife_shares(rows.hits, trials, group=place, groups=size, clusters=np.repeat(clusters, states))
    at_risk = np.bincount(place, weights=trials, minlength=size)
    partners = np.bincount(place, minlength=size)
    deff = design_effects(shares, errors, at_risk, partners)
    low, high = share_interval(shares, at_risk[:, None] / deff, level=level, df=(partners - 1.0)[:, None])
    enough = ((at_risk >= FEWEST_AT_RISK) & (partners >= FEWEST_PARTNERS))[:, None]
    sure = enough & (shares > 0.0) & (shares < 1.0)
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


def _rows(flow: FlowStates, segment: np.ndarray, by: str | None) -> FlowRows:
    """Count moves by partner; by quarter each step is a segment of its own."""
    states = len(flow.names)
    if by != "quarter":
        return flow_rows(flow.codes, states, use=flow.use, group=segment)
    steps = np.flatnonzero(flow.use)
    parts = [flow_rows(flow.codes[:, step : step + 2], states, group=np.full(len(flow.codes), k)) for k, step in enumerate(steps)]
    return stack_rows(parts) if parts else flow_rows(flow.codes[:, :1], states)


def _frame(cells: dict[str, np.ndarray], names: tuple[str, ...], segments: list[str], by: str | None) -> pd.DataFrame:
    """Lay the cells out as a tidy table."""
    groups, states = len(segments), len(names)
    keys = {} if by is None else {by: np.repeat(np.array(segments, dtype=object), states * states)}
    keys["from_tier"] = np.tile(np.repeat(np.array(names, dtype=object), states), groups)
    keys["to_tier"] = np.tile(np.array(names, dtype=object), groups * states)
    table = pd.DataFrame(keys).astype("str").assign(**{name: values.ravel() for name, values in cells.items()})
    return table.astype({"n": np.int64, "count": np.int64, "partners": np.int64})


def _moved(rows: FlowRows, tiers: int, segments: list[str], by: str | None, level: float) -> pd.DataFrame:
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
    cells = cell_table(merged, 1, groups=len(segments), level=level) if len(merged.partner) else None
    columns = ("estimate", "std_error", "conf_low", "conf_high", "n", "count", "partners")
    if cells is None:
        table = pd.DataFrame({name: np.full(len(segments), np.nan if name in columns[:4] else 0) for name in columns})
    else:
        table = pd.DataFrame({name: cells[name][:, 0] for name in columns})
    table = table.astype({"n": np.int64, "count": np.int64, "partners": np.int64})
    if by is not None:
        table.insert(0, by, np.array(segments, dtype=object))
    return table


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


def _checks(history: TierHistory, table: pd.DataFrame, stage: str, include_partial: bool) -> tuple[Check, ...]:
    """Look at what an interval of this kind leans on."""
    seen = table[table["n"] > 0].drop_duplicates([*table.columns[: table.columns.get_loc("to_tier")]])
    thin = seen[seen["partners"] < COMFORTABLE_PARTNERS]
    short = int((seen["partners"] < FEWEST_PARTNERS).sum() + ((seen["partners"] >= FEWEST_PARTNERS) & (seen["n"] < FEWEST_AT_RISK)).sum())
    clusters = Check(
        "Enough partners behind each row",
        None if seen.empty else thin.empty,
        f"{len(thin)} of {len(seen)} rows rest on fewer than {COMFORTABLE_PARTNERS} partners; {short} have no interval "
        f"(fewer than {FEWEST_PARTNERS} partners or {FEWEST_AT_RISK} partner-quarters).",
    )
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
    return clusters, whole, known


def _drop_idle(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out lapsed as a destination nobody reached, and as an origin from which nobody returned."""
    reached = table.loc[(table["to_tier"] == LAPSED), "count"].sum() > 0
    returned = table.loc[(table["from_tier"] == LAPSED) & (table["to_tier"] != LAPSED), "count"].sum() > 0
    keep = (table["from_tier"] != LAPSED) | returned
    keep &= (table["to_tier"] != LAPSED) | reached
    return table[keep].reset_index(drop=True)


def estimate_transitions(
    history: TierHistory,
    *,
    by: str | None = None,
    stage: str = "published",
    level: float = 0.95,
    noise: NoiseBaseline | None = None,
    include_partial: bool = False,
) -> TransitionEstimate:
    """Estimate one-quarter transition probabilities between tiers.

    Parameters
    ----------
    history : TierHistory
        Tiers by partner and quarter.
    by : str or None
        Attribute of partners to split by, or ``"quarter"`` (the quarter moved into).
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read.
    level : float
        Coverage of each interval, one cell at a time.
    noise : NoiseBaseline or None
        Stand what noise alone would have moved beside each cell.
    include_partial : bool
        Whether quarters that the data cover only in part count.

    Returns
    -------
    TransitionEstimate
        ``p = moves / partner-quarters at risk``, over pairs observed in two neighbouring quarters; joins are
        reported apart. Lapsed is a state; it is a row of its own only if somebody returned. Where nobody was
        at risk the estimate is NaN; with fewer than 5 partner-quarters or 3 partners at risk the share is
        given without an interval. A cell in which nothing (or everything) was seen has no standard error.

    Raises
    ------
    ParameterError
        If stage, level or attribute do not exist, or the noise baseline is of other rules, partners or quarters.
    SampleError
        If there are not two whole quarters side by side.

    Notes
    -----
    A partner's quarters are not independent. The standard error leaves out one partner at a time; the design
    effect ``max(1, (se / se_iid)^2)`` deflates the counts that enter Wilson's (1927) interval with
    ``t(partners - 1)``. Cells never seen get the exact rule of three on the effective count. On panels with
    strong differences between partners this keeps its coverage where Wald, plain Wilson and the percentile
    bootstrap do not.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": ["a"] * 4, "quarter": ["2025Q4", "2026Q1", "2026Q2", "2026Q3"], "tier": list("GGBB")})
    >>> estimate_transitions(TierHistory.from_frame(frame, order=["G", "B"])).tidy()[["from_tier", "to_tier", "estimate", "n", "count"]]
      from_tier to_tier  estimate  n  count
    0         G       G       0.5  2      1
    1         G       B       0.5  2      1
    2         B       G       0.0  1      0
    3         B       B       1.0  1      1
    """
    check_level(level)
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
    table = _frame(cell_table(rows, len(flow.names), groups=len(segments), level=level), flow.names, segments, by)
    moved = _moved(rows, len(history.tiers), segments, by, level)
    if noise is not None:
        check_baseline(noise, history=history, stage=stage)
        table, moved = noise.beside(table, moved, history.partners, segment=None if by == "quarter" else segment, segments=segments)
    table = _drop_idle(table)
    across = "" if by is None else f", by {by}"
    return TransitionEstimate(
        estimand=f"Probability that a partner in one tier is in another a quarter later ({stage} tiers{across})",
        table=table,
        checks=_checks(history, table, stage, include_partial),
        level=level,
        tiers=tuple(history.tiers),
        by=by,
        moved=moved,
        joins=_joins(history, flow, stage, segment, segments, by),
        quarters=(history.labels[steps[0]], history.labels[steps[-1] + 1]),
        stage=stage,
    )
