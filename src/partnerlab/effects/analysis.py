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
from partnerlab.effects.tier_cells import tier_cells
from partnerlab.errors import SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.verdicts import Verdict
from partnerlab.words import say_list, say_number


@dataclasses.dataclass(frozen=True, kw_only=True)
class TacticAnalysis(Result):
    """All readings of one tactic; key ``reading``: "adoption" or "on and off" as chosen, then what stands beside; ``chosen`` marks it.

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
    tiers : DataFrame
        The same effect in each tier before treatment, unpooled: ``tier, estimate, std_error, df, n, partners, managers, covered``.
        A list to pool (`compare_tactics`), not one to pick from.
    """

    title: ClassVar[str] = "What a tactic did"

    study: TacticStudy
    assignment: AssignmentCheck
    effects: AdoptionEffects | OnOffEffects
    verdict: Verdict
    tiers: pd.DataFrame = dataclasses.field(repr=False)


def analyze_tactic(
    panel: TacticPanel, *, study: TacticStudy, cluster: Cluster | None = None, cells: int = 1, level: float = 0.95
) -> TacticAnalysis:
    """Ask what a tactic did, and say no more than the way it was assigned allows.

    Triage says which design is left (`check_assignment`). A tactic that stays on is then read by differences in differences
    (`estimate_adoption`), and once more among partners alike in past results; one that goes on and off by target trials
    (`estimate_on_off`), and where differences in differences are left too, by these in the quarter of the first start. The two
    readings must agree within their joint error. Whatever fails (triage, disagreement,
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
    if panel.stays_on and not study.untreated_for:
        effects, beside = _read_adoption(panel, study, cluster=cluster, level=level)
    else:
        effects, beside = _read_on_off(panel, study, assignment, cluster=cluster, level=level)
    doubts = (*assignment.doubts, *beside.doubts, *_doubts_of(effects))
    row = _headline(effects, study)
    checks = (beside.check, _one_manager(effects, row, panel, study, cluster))
    return TacticAnalysis(
        estimand=effects.estimand,
        table=_table(effects, row, beside, panel, study, cluster=cluster, level=level),
        checks=(*assignment.checks, *effects.checks, *checks),
        evidence=Evidence.D if doubts else Evidence.B,
        level=level,
        study=study,
        assignment=assignment,
        effects=effects,
        verdict=_verdict(effects, row, study, doubts, cells=cells, level=level),
        tiers=tier_cells(panel, study, effects, cluster=cluster),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Beside:
    """The other reading: its name and headline row if it could be made, whether both agree, and the doubt if they do not."""

    name: str
    row: pd.Series | None
    check: Check
    doubts: tuple[str, ...] = ()


def _read_adoption(panel: TacticPanel, study: TacticStudy, *, cluster: Cluster | None, level: float) -> tuple[AdoptionEffects, _Beside]:
    """Read adoption, and again among partners alike in past results: both must tell the same, whatever triage says."""
    effects = estimate_adoption(panel, study=study, cluster=cluster, level=level)
    try:
        matched = estimate_adoption(panel, study=study, cluster=cluster, matched=True, level=level)
    except SampleError as error:
        return effects, _Beside(name="matched", row=None, check=Check("readings agree", None, str(error)))
    row, other = _headline(effects, study), _headline(matched, study)
    difference = float(other["estimate"] - row["estimate"])
    p = _joint(difference, matched.influence - effects.influence, panel, study, cluster)
    detail = f"among partners alike in past results the effect differs by {say_number(difference, digits=2)} (p = {p:.2g})"
    agree = None if np.isnan(p) else bool(p >= 1 - level)
    doubts = (f"{detail}, so adopters may have been on their way back to their usual; {_settle(study)}",) if agree is False else ()
    return effects, _Beside(name="matched", row=other, check=Check("readings agree", agree, detail), doubts=doubts)


def _read_on_off(
    panel: TacticPanel, study: TacticStudy, assignment: AssignmentCheck, *, cluster: Cluster | None, level: float
) -> tuple[OnOffEffects, _Beside]:
    """Read target trials; where triage leaves differences in differences too, both must tell the same of the first start."""
    effects = estimate_on_off(panel, study=study, cluster=cluster, level=level)
    starts = study.model_copy(update={"untreated_for": max(study.untreated_for, 1), "horizon": 0})
    try:
        other = estimate_adoption(panel, study=study, cluster=cluster, level=level)
        started = estimate_on_off(panel, study=starts, cluster=cluster, by_tier=False, level=level)
    except SampleError as error:
        return effects, _Beside(name="adoption", row=None, check=Check("readings agree", None, str(error)))
    first = other.table.loc[(other.table["aggregate"] == "event") & (other.table["at"] == "0"), "estimate"]
    difference = float(started.headline()["estimate"] - first.iloc[0]) if len(first) else np.nan
    p = _joint(difference, started.influence - other.first_influence, panel, study, cluster)
    detail = f"in the quarter of the first start the two designs differ by {say_number(difference, digits=2)} (p = {p:.2g})"
    if len(assignment.rivals) < 2:
        return effects, _Beside(
            name="adoption", row=_headline(other, study), check=Check("readings agree", None, f"{detail}; only one of them is left")
        )
    agree = None if np.isnan(p) else bool(p >= 1 - level)
    doubts = (f"{detail}, and neither is ruled out; {_settle(study)}",) if agree is False else ()
    return effects, _Beside(name="adoption", row=_headline(other, study), check=Check("readings agree", agree, detail), doubts=doubts)


def _joint(difference: float, influence: np.ndarray, panel: TacticPanel, study: TacticStudy, cluster: Cluster | None) -> float:
    """p-value of a difference of two readings of the same partners, within the error of their difference."""
    from scipy.stats import t

    clusters = clusters_of(panel, panel.on.any(axis=1), cluster=cluster, tactic=study.tactic)
    sums = np.bincount(clusters.code, influence)
    error = float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)))
    return float(2 * t.sf(abs(difference) / error, clusters.df)) if error > 0 and np.isfinite(difference) else np.nan


def _settle(study: TacticStudy) -> str:
    return f"give {study.tactic} by lot for two quarters to settle it"


def _headline(effects: AdoptionEffects | OnOffEffects, study: TacticStudy) -> pd.Series:
    """Row that the verdict rests on; NaN where fewer partners had the tactic than the study asks for."""
    if isinstance(effects, OnOffEffects):
        return effects.headline()
    row = effects.at("overall").copy()
    if effects.partners < study.minimum:
        row[["estimate", "std_error", "conf_low", "conf_high"]] = np.nan
    return row


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


def _table(effects, row, beside: _Beside, panel, study, *, cluster, level) -> pd.DataFrame:
    tidy = ["estimate", "std_error", "conf_low", "conf_high", "n"]
    chosen = "on and off" if isinstance(effects, OnOffEffects) else "adoption"
    rows = [{"reading": chosen, **row[tidy], "chosen": True}]
    if beside.row is not None:
        rows.append({"reading": beside.name, **beside.row[tidy], "chosen": False})
    wrong = naive_rows(panel, study=study, cluster=cluster, level=level)
    rows += [{"reading": one["estimator"], **{name: one[name] for name in tidy}, "chosen": False} for one in wrong.to_dict("records")]
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
