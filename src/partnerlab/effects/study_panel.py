"""From a program's panel to the panel of one study: who had the tactic, what came of it, who chose, and in which tier."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from partnerlab.effects.study import REACHED, TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel, build_tactic_panel
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.tiers.codes import Outside

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.tiers import TierHistory


def build_study_panel(panel: Panel, *, study: TacticStudy, history: TierHistory | None = None) -> TacticPanel:
    """Read what a study asks for out of a panel.

    Parameters
    ----------
    panel : Panel
        Holds the study's ``indicator``, ``outcome``, ``others`` and covariates; managers and regions are taken from its attributes,
        and a partner without a manager stands for itself.
    study : TacticStudy
        Names them.
    history : TierHistory, optional
        Tiers; a quarter's tier is the one published at the end of the quarter before, so the tactic has not moved it. In the first
        quarter with a tier, before which there is none, it is that one: no design takes a start in it for one that was seen. Where
        the study's outcome is a move ("moved up", "moved down", "lapsed", "reached" and a tier) it is read here: 1 if the partner
        made it from the beginning of the quarter to its end.

    Returns
    -------
    TacticPanel

    Raises
    ------
    ParameterError
        If the study names no indicator or no outcome, or a move without a history, a tier that is none, or who lapsed without a delay.
    MissingTableError
        If the panel has no such indicator.
    SampleError
        If nobody ever had the tactic.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.panel import Panel
    >>> from partnerlab.verdicts import Stakes
    >>> table = pd.DataFrame({"partner": ["a", "a", "b", "b"], "quarter": ["2026Q1", "2026Q2"] * 2,
    ...                       "leads": [3, 5, 2, 2], "logins": [1, 0, 0, 0]})
    >>> study = TacticStudy(tactic="portal", indicator="logins", outcome="leads", stays=True, stakes=Stakes(unit="leads"))
    >>> build_study_panel(Panel.from_frame(table), study=study).treated.tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if not study.indicator or not study.outcome:
        raise ParameterError(f"the study of {study.tactic} names no {'outcome' if study.indicator else 'indicator'} of the panel; add it")
    about = panel.attributes
    groups = {"manager": "manager_id", "region": "region"}
    known = {noun: column for noun, column in groups.items() if column in about and about[column].notna().any()}
    found = build_tactic_panel(
        panel,
        tactic=study.indicator,
        outcome=study.indicator if study.asks_move else study.outcome,
        covariates=tuple(known.name for known in study.covariates),
        others=study.others,
        **known,
    )
    if not found.on.any():
        raise SampleError(f"{study.tactic}: no partner had it in {found.labels[0]} to {found.labels[-1]}")
    changes: dict[str, object] = {"tactic": study.tactic}
    if study.stays:
        changes["treated"] = _kept(found.treated)
    if found.managers:
        changes |= _alone(found)
    if study.asks_move:
        changes |= {"outcome": _moves(history, panel, study), "outcome_name": study.outcome}
    if history is not None:
        changes |= {"tier": tiers_before(history, panel), "tiers": history.tiers}
    return dataclasses.replace(found, **changes).later(study.delay)


def _moves(history: TierHistory | None, panel: Panel, study: TacticStudy) -> np.ndarray:
    """Whether each partner that held a tier made the study's move in the quarter, shape ``(n, t)``; NaN where an end is not known."""
    if history is None:
        raise ParameterError(f"the study of {study.tactic} asks who {study.outcome}; give the history of tiers")
    target = study.outcome.removeprefix(REACHED) if study.outcome.startswith(REACHED) else None
    if study.outcome == "lapsed" and not study.delay:
        raise ParameterError(f"the study of {study.tactic}: what a partner had in the quarter in which it lapsed is not counted; "
                             "ask with delay: 1 who lapsed in the quarter after")  # fmt: skip
    if target is not None and (target not in history.tiers or history.rank[history.tiers.index(target)] is None):
        raise ParameterError(f"the study of {study.tactic}: no tier with a rank is called {target!r}{nearest(target, history.tiers)}")
    before, now, at = _ends(history, panel)
    height = np.array([*(np.nan if rank is None else rank for rank in history.rank), np.nan])  # what is no tier comes last
    start, end = height[np.where(before >= 0, before, -1)], height[np.where(now >= 0, now, -1)]
    lapsed = now == Outside.LAPSED
    if study.outcome == "lapsed":
        made, known = lapsed, (before >= 0) & ((now >= 0) | lapsed)
    else:
        reached = {"moved up": end > start, "moved down": end < start}
        made = reached[study.outcome] if target is None else end >= height[history.tiers.index(target)]
        known = np.isfinite(start) & (np.isfinite(end) | lapsed)
    partial = history.partial[np.clip(at, 0, history.shape[1] - 1)]
    return np.where(known & ~partial, made.astype(float), np.nan)


def _alone(found: TacticPanel) -> dict[str, object]:
    """Give partners without a manager a cluster of their own."""
    without = (found.manager < 0).all(axis=1)
    codes = found.manager.copy()
    codes[without] = (len(found.managers) + np.arange(int(without.sum())))[:, None]
    return {"manager": codes, "managers": (*found.managers, *(f"no manager: {partner}" for partner in found.partners[without]))}


def _kept(treated: np.ndarray) -> np.ndarray:
    """Once on, on from then; NaN where nothing is known."""
    kept = np.maximum.accumulate(np.nan_to_num(treated), axis=1)
    return np.where(np.isnan(treated), np.nan, kept)


def tiers_before(history: TierHistory, panel: Panel) -> np.ndarray:
    """Code of the tier that each partner held when each quarter began, shape ``(n, t)``; -1 where it held none or none is known.

    Parameters
    ----------
    history : TierHistory
    panel : Panel
        Its partners and quarters are those of the answer.
    """
    before, now, _ = _ends(history, panel)
    before, now = np.maximum(before, -1), np.maximum(now, -1)
    begins = (np.cumsum(now >= 0, axis=1) == 1) & (now >= 0) & (np.cumsum(before >= 0, axis=1) == 0)
    return np.where(begins, now, before)


def _ends(history: TierHistory, panel: Panel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give published codes of the panel's partners when each of its quarters began and ended, and the history's column of each."""
    rows = {partner: row for row, partner in enumerate(history.partners)}
    row = np.array([rows.get(partner, -1) for partner in panel.partners])
    at = panel.periods - history.first
    return _codes(history, row, at - 1), _codes(history, row, at), at


def _codes(history: TierHistory, row: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Give published codes of rows at columns, unknown where there are none."""
    known = (row >= 0)[:, None] & ((at >= 0) & (at < history.shape[1]))
    codes = history.published[np.maximum(row, 0)][:, np.clip(at, 0, history.shape[1] - 1)].astype(np.int64)
    return np.where(known, codes, int(Outside.UNKNOWN))
