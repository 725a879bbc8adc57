"""One tactic, one question, through to the verdict: triage, the estimate it leaves, the readings beside it, and what may be said."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.adoption import DOUBT, AdoptionEffects, estimate_adoption
from partnerlab.effects.assignment import AssignmentCheck, check_assignment
from partnerlab.effects.comparison import naive_rows
from partnerlab.effects.on_off import OnOffEffects, estimate_on_off
from partnerlab.effects.sample import Cluster, clusters_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.errors import SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.verdicts import Verdict
from partnerlab.words import say_list, say_number


@dataclasses.dataclass(frozen=True, kw_only=True)
class TacticAnalysis(Result):
    """All readings of one tactic; key ``reading``: "adoption" or "on and off" as chosen, then the others; ``chosen`` marks it.

    Parameters
    ----------
    study : TacticStudy
        What was asked.
    assignment : AssignmentCheck
        How the tactic was assigned, and which design that leaves.
    effects : AdoptionEffects or OnOffEffects
        The reading that the verdict rests on.
    verdict : Verdict
        What may be said.
    """

    title: ClassVar[str] = "What a tactic did"

    study: TacticStudy
    assignment: AssignmentCheck
    effects: AdoptionEffects | OnOffEffects
    verdict: Verdict


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Start:
    """The effect in the quarter of the first start, as one design reads it, with the influence of each partner."""

    estimate: float
    influence: np.ndarray


def analyze_tactic(
    panel: TacticPanel, *, study: TacticStudy, cluster: Cluster | None = None, cells: int = 1, level: float = 0.95
) -> TacticAnalysis:
    """Ask what a tactic did, and say no more than the way it was assigned allows.

    Triage says which design is left (`check_assignment`). A tactic that stays on is then read by differences in differences
    (`estimate_adoption`), one that goes on and off by target trials (`estimate_on_off`). Where both designs are left, their
    readings of the quarter of the first start must agree within their joint error. Whatever fails (triage, disagreement,
    pre-trend, overlap) is a doubt, and with a doubt there is no verdict; nothing that passes raises the grade above B.

    Parameters
    ----------
    panel : TacticPanel
    study : TacticStudy
    cluster : {"manager", "partner"}, optional
        Managers if the panel knows them.
    cells : int
        How many tactics, tiers and outcomes are looked at together with this one.
    level : float
        Coverage.

    Returns
    -------
    TacticAnalysis

    Raises
    ------
    SampleError
        If there is no comparison group, everyone was treated at once, nothing overlaps, or three managers or fewer used it.

    Examples
    --------
    >>> from partnerlab.intake.simulate import simulate_world
    >>> from partnerlab.effects import Known
    >>> from partnerlab.verdicts import Stakes
    >>> panel = TacticPanel.from_frame(simulate_world("B", seed=1).to_frame(), manager="manager", tier="tier", covariates=["health"])
    >>> health = Known(name="health", at="start", lag=0)
    >>> found = analyze_tactic(panel, study=TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(health,)))
    >>> found.verdict.earned.value, found.assignment.design
    ('B', 'on and off')
    """
    assignment = check_assignment(panel, study=study, cluster=cluster, level=level)
    adopting = panel.stays_on and not study.untreated_for
    chosen_name, other_name = ("adoption", "on and off") if adopting else ("on and off", "adoption")
    starts = study.model_copy(update={"untreated_for": max(study.untreated_for, 1), "horizon": 0})
    effects: AdoptionEffects | OnOffEffects
    if adopting:
        effects = estimate_adoption(panel, study=study, cluster=cluster, level=level)
        other, why = _attempt(lambda: estimate_on_off(panel, study=starts, cluster=cluster, by_tier=False, level=level))
        readings = (effects, other)
    else:
        effects = estimate_on_off(panel, study=study, cluster=cluster, level=level)
        other, why = _attempt(lambda: estimate_adoption(panel, study=study, cluster=cluster, level=level))
        started, _ = _attempt(lambda: estimate_on_off(panel, study=starts, cluster=cluster, by_tier=False, level=level))
        readings = (started, other)
    agreement, disagree = _agree(readings, panel, study, assignment, cluster=cluster, level=level)
    doubts = (*assignment.doubts, *disagree, *_doubts_of(effects))
    row = _headline(effects, study)
    checks = (agreement, _one_manager(effects, row, panel, study, cluster), *((Check("other reading", None, why),) if why else ()))
    return TacticAnalysis(
        estimand=effects.estimand,
        table=_table(chosen_name, row, other_name, None if other is None else _headline(other, study), panel, study, cluster, level),
        checks=(*assignment.checks, *effects.checks, *checks),
        evidence=Evidence.D if doubts else Evidence.B,
        level=level,
        study=study,
        assignment=assignment,
        effects=effects,
        verdict=_verdict(effects, row, study, doubts, cells=cells, level=level),
    )


def _attempt(read):
    """Read beside the chosen one; where that cannot be done, say why."""
    try:
        return read(), ""
    except SampleError as error:
        return None, str(error)


def _headline(effects: AdoptionEffects | OnOffEffects, study: TacticStudy) -> pd.Series:
    """Row that the verdict rests on; NaN where fewer partners had the tactic than the study asks for."""
    if isinstance(effects, OnOffEffects):
        return effects.headline()
    row = effects.at("overall").copy()
    if effects.partners < study.minimum:
        row[["estimate", "std_error", "conf_low", "conf_high"]] = np.nan
    return row


def _first_start(effects: AdoptionEffects | OnOffEffects | None) -> _Start | None:
    if effects is None:
        return None
    if isinstance(effects, OnOffEffects):
        row = effects.headline()
        found = _Start(estimate=float(row["estimate"]), influence=effects.influence)
    else:
        rows = effects.table[(effects.table["aggregate"] == "event") & (effects.table["at"] == "0")]
        found = _Start(estimate=float(rows["estimate"].iloc[0]) if len(rows) else np.nan, influence=effects.first_influence)
    return found if np.isfinite(found.estimate) else None


def _agree(readings, panel, study, assignment, *, cluster, level) -> tuple[Check, tuple[str, ...]]:
    """Whether two designs that are both left read the first quarter alike, within the error of their difference."""
    from scipy.stats import t

    one, other = (_first_start(effects) for effects in readings)
    if one is None or other is None:
        return Check("readings agree", None, "only one design can be read"), ()
    clusters = clusters_of(panel, panel.on.any(axis=1), cluster=cluster, tactic=study.tactic)
    sums = np.bincount(clusters.code, one.influence - other.influence)
    error = float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)))
    difference = one.estimate - other.estimate
    p = float(2 * t.sf(abs(difference) / error, clusters.df)) if error > 0 else np.nan
    detail = f"in the quarter of the first start they differ by {say_number(difference, digits=2)} (p = {p:.2g})"
    agree = bool(p >= 1 - level)
    if len(assignment.rivals) < 2:
        return Check("readings agree", None, f"{detail}; only one of the designs is left"), ()
    doubt = f"two designs are left, and {detail}; give {study.tactic} by lot for two quarters to settle it"
    return Check("readings agree", agree, detail), () if agree else (doubt,)


def _doubts_of(effects: AdoptionEffects | OnOffEffects) -> tuple[str, ...]:
    """Doubts from the estimate's own checks."""
    if isinstance(effects, AdoptionEffects):
        if effects.pre_trend < DOUBT:
            return (f"adopters went another way than the others already before they adopted (p = {effects.pre_trend:.2g})",)
        return ()
    failed = [check for check in effects.checks if check.name in ("overlap", "balance") and check.passed is False]
    return (f"the two sides are not alike: {'; '.join(check.detail for check in failed)}",) if failed else ()


def _one_manager(effects, row: pd.Series, panel: TacticPanel, study: TacticStudy, cluster: Cluster | None) -> Check:
    """How far leaving out one manager would move the estimate, to first order, from the influence of its partners."""
    clusters = clusters_of(panel, panel.on.any(axis=1), cluster=cluster, tactic=study.tactic)
    size = np.bincount(clusters.code)
    moved = np.bincount(clusters.code, effects.influence) * len(panel.partners) / np.maximum(len(panel.partners) - size, 1)
    estimate = float(row["estimate"])
    left = estimate - moved
    most = int(np.abs(moved).argmax())
    detail = f"without the {clusters.noun} that moves it most the estimate would be {say_number(float(left[most]), digits=2)}"
    passed = None if not np.isfinite(estimate) else bool((np.sign(left) == np.sign(estimate)).all())
    return Check(f"no single {clusters.noun}", passed, detail)


def _table(chosen_name, row, other_name, other, panel, study, cluster, level) -> pd.DataFrame:  # noqa: PLR0913, PLR0917
    tidy = ["estimate", "std_error", "conf_low", "conf_high", "n"]
    rows = [{"reading": chosen_name, **row[tidy], "chosen": True}]
    if other is not None:
        rows.append({"reading": other_name, **other[tidy], "chosen": False})
    beside = naive_rows(panel, study=study, cluster=cluster, level=level)
    rows += [{"reading": one["estimator"], **{name: one[name] for name in tidy}, "chosen": False} for one in beside.to_dict("records")]
    return pd.DataFrame(rows)


def _verdict(effects, row: pd.Series, study: TacticStudy, doubts: tuple[str, ...], *, cells: int, level: float) -> Verdict:
    unit, per = study.stakes.unit, study.stakes.per
    known = say_list([known.said for known in study.covariates]) if study.covariates else ""
    if isinstance(effects, AdoptionEffects):
        alike = f"partners alike in {known}" if known else "partners"
        assumption = f"{alike} would have gone on alike without it"
    else:
        given = say_list([f"earlier {unit}", *([known] if known else []), "tier"])
        assumption = f"nothing unseen moved both who had it and what came of it, given {given}"
    edge = min(abs(row["conf_low"]), abs(row["conf_high"]))
    overturned = (
        f"anything unseen that alone makes partners with {study.tactic} differ by {say_number(float(edge), digits=2)} {unit} per {per}"
        if row["conf_low"] * row["conf_high"] > 0
        else ""
    )
    return Verdict(
        tactic=study.tactic,
        grade=Evidence.B,
        estimate=float(row["estimate"]),
        std_error=float(row["std_error"]),
        n=int(row["n"]),
        partners=effects.partners,
        managers=effects.managers,
        df=effects.df,
        stakes=study.stakes,
        assumption=assumption,
        overturned_by=overturned,
        cells=cells,
        doubts=doubts,
        level=level,
    )
