"""From a tier history to pairs: who was seen in two quarters, and what was known of it at the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check
from partnerlab.transitions.pair_steps import widen_pairs
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.states import read_states

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel
    from partnerlab.tiers.history import TierHistory


def build_transitions(
    history: TierHistory | Transitions,
    *,
    stage: str = "published",
    step: int = 1,
    panel: Panel | None = None,
    covariates: Sequence[str] = (),
    impossible: Sequence[tuple[str, str]] = (),
    include_partial: bool = False,
) -> Transitions:
    """Make pairs of a history: partners observed both in a quarter and ``step`` quarters later.

    Parameters
    ----------
    history : TierHistory or Transitions
        Tiers by partner and quarter; or pairs of one step, of which pairs of ``step`` are made (nothing else applies then).
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers to read.
    step : int
        Quarters from one end of a pair to the other; pairs of more than one overlap.
    panel : Panel or None
        Where covariates are read; the panel behind the history if None.
    covariates : sequence of str
        Indicators, whose values at the quarter moved from become columns. Attributes of partners need not be
        named: they are there.
    impossible : sequence of (str, str)
        Moves that the rules exclude.
    include_partial : bool
        Whether quarters that the data cover only in part count.

    Returns
    -------
    Transitions
        Gaps and censored quarters leave; lapsed is a state. ``time_in_tier`` counts from 1 in the quarter of entry,
        NaN where the entry was not seen: the partner was in the tier when the history, or its knowledge, began.

    Raises
    ------
    ParameterError
        If stage, covariate or panel do not fit.
    SampleError
        If there are not two whole quarters ``step`` apart.

    Examples
    --------
    >>> from partnerlab.tiers import TierHistory
    >>> frame = pd.DataFrame({"partner": list("aaab"), "quarter": ["2026Q1", "2026Q2", "2026Q3", "2026Q3"], "tier": list("GBBG")})
    >>> build_transitions(TierHistory.from_frame(frame, order=["G", "B"])).to_frame().drop(columns="count")
      partner quarter from_tier to_tier  time_in_tier  time_at_least
    0       a  2026Q2         G       B           NaN            1.0
    1       a  2026Q3         B       B           1.0            1.0
    """
    if isinstance(step, bool) or not isinstance(step, int | np.integer) or step < 1:
        raise ParameterError(f"step is {step!r}; give a number of quarters, 1 or more")
    if isinstance(history, Transitions):
        if panel is not None or len(covariates) or len(impossible):
            raise ParameterError("pairs bring their covariates and impossible moves along; panel, covariates, impossible are of a history")
        return widen_pairs(history, step=int(step))
    flow = read_states(history, stage=stage, include_partial=True)
    whole = np.ones(history.shape[1], dtype=bool) if include_partial else ~np.asarray(history.partial, dtype=bool)
    use = whole[: max(len(whole) - step, 0)] & whole[step:]
    if not use.any():
        apart = "side by side" if step == 1 else f"{step} quarters apart"
        raise SampleError(
            f"transitions need two whole quarters {apart}; quarters in this history: {history.shape[1]}, "
            f"of which partial: {int(np.sum(history.partial))}"
        )
    before, after = flow.codes[:, : flow.codes.shape[1] - step], flow.codes[:, step:]
    seen = (before >= 0) & (after >= 0) & use
    partner, column = np.nonzero(seen)
    known, least = times_in_tier(history.stage(stage), flow.codes)
    columns = {"time_in_tier": known[partner, column], "time_at_least": least[partner, column]}
    columns |= {name: _values(history, panel, name)[partner, column] for name in covariates if name not in history.attributes.columns}
    pairs = Transitions(
        states=flow.names,
        origin=before[seen].astype(np.int16),
        target=after[seen].astype(np.int16),
        weight=np.broadcast_to(np.int64(1), partner.shape),
        partner=partner.astype(np.int64),
        partners=history.partners,
        period=history.first + column.astype(np.int64) + step,
        calendar=history.calendar,
        step=int(step),
        ordered=any(rank is not None for rank in history.rank),
        impossible=tuple((str(left), str(reached)) for left, reached in impossible),
        covariates=pd.DataFrame(columns),
        attributes=history.attributes.reset_index(drop=True),
        checks=_checks(history, stage, before, after, use),
    )
    _refuse_impossible(pairs)
    return pairs


def times_in_tier(codes: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count for how many quarters a partner has been in its state, the quarter of entry counted as 1.

    Parameters
    ----------
    codes : ndarray of int8, shape (n, t)
        As in a history, `Outside` states included: who was seen not to be there yet was seen entering.
    states : ndarray of int8, shape (n, t)
        The same as states of flows, -1 where not observed.

    Returns
    -------
    known, least : ndarray of float32, shape (n, t)
        Quarters since an entry that was seen, NaN where it was not; quarters that were seen in any case, NaN outside.

    Examples
    --------
    >>> codes = np.array([[0, 0, 1, -1, 1], [-2, 0, 0, 0, 1]], dtype=np.int8)
    >>> times_in_tier(codes, np.where(codes < 0, -1, codes))[0].tolist()
    [[nan, nan, 1.0, nan, nan], [nan, 1.0, 2.0, 3.0, 1.0]]
    """
    from partnerlab.tiers.codes import Outside

    known = np.full(states.shape, np.nan, dtype=np.float32)
    least = np.full(states.shape, np.nan, dtype=np.float32)
    for column in range(states.shape[1]):
        here = states[:, column] >= 0
        if column == 0:
            least[here, 0] = 1.0
            continue
        stayed = here & (states[:, column] == states[:, column - 1])
        least[:, column] = np.where(stayed, least[:, column - 1] + 1, np.where(here, 1.0, np.nan))
        entered = here & ~stayed & (codes[:, column - 1] != Outside.UNKNOWN)
        known[:, column] = np.where(stayed, known[:, column - 1] + 1, np.where(entered, 1.0, np.nan))
    return known, least


def _values(history: TierHistory, panel: Panel | None, name: str) -> np.ndarray:
    """Values of an indicator at the history's partners and quarters, shape ``(n, t)``; NaN where the panel has none."""
    if panel is None:
        return history.values(name)
    if not panel.known(name):
        raise ParameterError(f"covariates: neither partners nor panel have {name!r}{nearest(name, panel.indicators.names)}", column=name)
    rows = np.searchsorted(panel.partners, history.partners)
    rows = np.where(rows < len(panel.partners), rows, 0)
    present = panel.partners[rows] == history.partners
    columns = history.periods - panel.first
    inside = (columns >= 0) & (columns < panel.shape[1])
    found = panel.values(name)[np.ix_(rows, np.where(inside, columns, 0))]
    return np.where(present[:, None] & inside, found, np.nan)


def _checks(history: TierHistory, stage: str, before: np.ndarray, after: np.ndarray, use: np.ndarray) -> tuple[Check, ...]:
    at_risk = (before >= 0) & use
    lost = int((at_risk & (after < 0)).sum())
    return (
        Check(
            "Observed at both ends",
            True,
            f"{int(at_risk.sum()) - lost} pairs of {stage} tiers; {lost} more were not observed at the second quarter "
            "and are in neither numerator nor denominator.",
        ),
    )


def _refuse_impossible(pairs: Transitions) -> None:
    for left, reached in pairs.impossible:
        for state in (left, reached):
            if state not in pairs.states:
                raise ParameterError(f"impossible: no state is called {state!r}{nearest(state, pairs.states)}", state=state)
        count = int(pairs.counts().loc[left, reached])
        if count:
            raise ParameterError(f"impossible: {count} pairs move from {left!r} to {reached!r}; allow it")
