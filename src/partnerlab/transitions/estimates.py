"""How often partners move between tiers from one quarter to the next, and how sure that is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Result
from partnerlab.stats.inference.intervals import check_level, share_interval
from partnerlab.tiers.history import TierHistory
from partnerlab.transitions.belonging import check_baseline
from partnerlab.transitions.cells import cell_frame, cell_table, drop_idle, moved_table
from partnerlab.transitions.flow_counts import Flows, read_flows
from partnerlab.transitions.power_tables import power_table
from partnerlab.transitions.states import LAPSED, segment_codes

if TYPE_CHECKING:
    from partnerlab.transitions.noise import NoiseBaseline
    from partnerlab.transitions.pairs import Transitions


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
        Which of the four tiers was read; empty for pairs.
    step : int
        Quarters from one end of a pair to the other.
    flows : Flows
        Moves of each partner, counted: what `power` reads.

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
    step: int = 1
    flows: Flows | None = dataclasses.field(repr=False, default=None)

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

    def power(self, steps: int, *, segment: str | None = None) -> pd.DataFrame:
        """Give the probabilities after several steps if each goes by this matrix: P to that power.

        Parameters
        ----------
        steps : int
            Steps ahead, 1 or more.
        segment : str or None
            Where the estimate is by segment, which.

        Returns
        -------
        DataFrame
            Keys ``from_tier, to_tier``, the tidy columns (``n``: at risk of the first step) and ``steps``. The errors are those of
            the matrix, leaving out one partner at a time (binomial where partners are not known), carried through the derivatives of
            the power; intervals on the logit scale with ``t(partners - 1)``. NaN where the way leads through a state that
            nobody was seen to move from, or stay in.

        Raises
        ------
        ParameterError
            If there is no such number of steps.
        SampleError
            If the estimate is by segment and none, or an unknown one, is named.

        Notes
        -----
        Right only if the next move depends on the tier alone and nothing changes: see `check_order`, `check_homogeneity`.
        ``build_transitions(..., step=k)`` counts moves over k quarters without that.

        Examples
        --------
        >>> from partnerlab.transitions import Transitions
        >>> counts = pd.DataFrame([[90, 10], [20, 80]], index=["A", "B"], columns=["A", "B"])
        >>> ahead = estimate_transitions(Transitions.from_matrix(counts)).power(2)
        >>> ahead[["from_tier", "to_tier", "estimate", "std_error"]].head(2).round(3).to_numpy().tolist()
        [['A', 'A', 0.83, 0.048], ['A', 'B', 0.17, 0.048]]
        """
        names = self.flows.segments if self.flows is not None else []
        if self.by is not None and str(segment) not in names:
            raise SampleError(f"power: name a segment of {self.by}: {', '.join(map(str, names))}")
        group = 0 if self.by is None else names.index(str(segment))
        table = power_table(self.flows, group=group, steps=steps, level=self.level)
        rows, columns = (set(self.table[name]) for name in self.keys[-2:])
        return table[table["from_tier"].isin(rows) & table["to_tier"].isin(columns)].reset_index(drop=True)

    def simultaneous_intervals(self) -> pd.DataFrame:
        """Give intervals that hold for all cells of a row at once: Goodman's (1965) division of the level, on effective counts.

        Returns
        -------
        DataFrame
            The tidy table with ``conf_low, conf_high`` replaced; NaN where there was not enough data.
        """
        table = self.tidy()
        rows = [*self.keys[:-1]]
        barred = (table["conf_high"] == 0) & (table["std_error"] == 0)
        cells = (~barred).groupby([table[key] for key in rows]).transform("sum").clip(lower=1)
        df = np.where(table["partners"] > 0, table["partners"] - 1.0, np.inf)
        low, high = np.full(len(table), np.nan), np.full(len(table), np.nan)
        for count in np.unique(cells):  # a row of few cells spends less on each
            at = (cells == count).to_numpy()
            each = 1.0 - (1.0 - self.level) / count
            one = table[at]
            low[at], high[at] = share_interval(one["estimate"].to_numpy(), (one["n"] / one["deff"]).to_numpy(), level=each, df=df[at])
        low, high = (np.where(barred, 0.0, edge) for edge in (low, high))
        enough = table["conf_low"].notna().to_numpy()
        return table.assign(conf_low=np.where(enough, low, np.nan), conf_high=np.where(enough, high, np.nan))


def estimate_transitions(
    history: TierHistory | Transitions,
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
    history : TierHistory or Transitions
        Tiers by partner and quarter, or pairs of tiers.
    by : str or None
        Attribute of partners to split by, or ``"quarter"`` (the quarter moved into); of pairs any of their columns.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers of a history to read.
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
    ``t(partners - 1)``, mended for cells that were seen hardly ever or never (`partnerlab.stats.inference.intervals.share_interval`).
    On panels with strong differences between partners this keeps its coverage where Wald, plain Wilson and the
    percentile bootstrap do not; `benchmarks/README.md` has the figures. Where partners are not known, a check says that
    counts are treated as independent. Moves that cannot be made are 0 for certain.

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
    flows = read_flows(history, by=by, stage=stage, include_partial=include_partial)
    states, segments = len(flows.names), flows.segments
    cells = cell_table(flows.rows, states, groups=len(segments), level=level, independent=flows.independent, possible=flows.possible)
    table = cell_frame(cells, flows.names, segments, by)
    moved = moved_table(flows.rows, len(flows.tiers), segments, by, level=level, independent=flows.independent)
    if noise is not None:
        table, moved = _beside_noise(noise, table, moved, history, stage, by, segments)
    across = "" if by is None else f", by {by}"
    later = "a quarter" if flows.step == 1 else f"{flows.step} quarters"
    what = f" ({flows.stage} tiers{across})" if flows.stage else across
    return TransitionEstimate(
        estimand=f"Probability that a partner in one tier is in another {later} later{what}",
        table=drop_idle(table, flows.absorbing),
        checks=flows.checks,
        level=level,
        tiers=flows.tiers,
        by=by,
        moved=moved,
        joins=flows.joins,
        quarters=flows.quarters,
        stage=flows.stage,
        step=flows.step,
        flows=flows,
    )


def _beside_noise(
    noise: NoiseBaseline,
    table: pd.DataFrame,
    moved: pd.DataFrame,
    history: TierHistory | Transitions,
    stage: str,
    by: str | None,
    segments: list[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Stand what noise alone would move beside each cell."""
    if not isinstance(history, TierHistory):
        raise ParameterError("a noise baseline is drawn from the panel behind a history; give the TierHistory in place of its pairs")
    check_baseline(noise, history=history, stage=stage)
    segment = None if by in (None, "quarter") else segment_codes(history.attributes, by)[0]
    if by is None:
        segment = np.zeros(len(history.partners), dtype=np.int64)
    return noise.beside(table, moved, history.partners, segment=segment, segments=segments)
