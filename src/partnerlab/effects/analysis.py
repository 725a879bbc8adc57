"""One tactic, one question, through to the verdict: triage, the estimate it leaves, the readings beside it, and what may be said."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.adoption import DOUBT, PRE_TREND_QUARTERS, AdoptionEffects, estimate_adoption
from partnerlab.effects.assignment import AssignmentCheck, check_assignment
from partnerlab.effects.comparison import naive_rows
from partnerlab.effects.on_off import OnOffEffects, estimate_on_off
from partnerlab.effects.sample import Cluster, clusters_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.switching import estimate_switching
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.tier_cells import tier_cells
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.verdicts import Verdict
from partnerlab.words import say_list, say_number, say_p

#: Two readings that differ by less than this share of the estimate, or half of what is material, tell the same however sure that is.
SLIGHT = 0.25


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
    scale : float
        Standard deviation of the outcomes of partner-quarters that had it: what those are used to who were given it.
    seen : tuple
        What the panel is known by, so that no other is taken for it.
    """

    title: ClassVar[str] = "What a tactic did"

    study: TacticStudy
    assignment: AssignmentCheck
    effects: AdoptionEffects | OnOffEffects
    verdict: Verdict
    tiers: pd.DataFrame = dataclasses.field(repr=False)
    scale: float = np.nan
    seen: tuple[object, ...] = dataclasses.field(default=(), repr=False)


def analyze_tactic(
    panel: TacticPanel, *, study: TacticStudy, cluster: Cluster | None = None, cells: int = 1, level: float = 0.95
) -> TacticAnalysis:
    """Ask what a tactic did, and say no more than the way it was assigned allows.

    Triage says which design is left (`check_assignment`). A tactic that stays on is then read by differences in differences
    (`estimate_adoption`), and once more among partners alike in past results; one that goes on and off by target trials
    (`estimate_on_off`), and again by an event study of starts and stops (`estimate_switching`), given the past where only that design
    is left. The two readings must agree within their joint error, or by less than could matter: else there is no verdict but the
    test that would settle it. Where no design is left (triage, pre-trend, overlap) the estimate is an association, grade C.
    Nothing that passes raises the grade above B.

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
    limits = (*assignment.doubts, *_limits_of(effects))
    row = _headline(effects, study)
    checks = (beside.check, _one_manager(effects, row, panel, study, cluster))
    return TacticAnalysis(
        estimand=effects.estimand,
        table=_table(effects, row, beside, panel, study, cluster=cluster, level=level),
        checks=(*assignment.checks, *effects.checks, *checks),
        evidence=Evidence.D if beside.doubts else Evidence.C if limits else Evidence.B,
        level=level,
        study=study,
        assignment=assignment,
        effects=effects,
        verdict=_verdict(effects, row, study, beside.doubts, limits, cells=cells, level=level),
        tiers=tier_cells(panel, study, effects, cluster=cluster),
        scale=float(np.nanstd(panel.outcome[panel.on]) or np.nanstd(panel.outcome)),
        seen=_seen(panel),
    )


def require_analysed(analysis: TacticAnalysis, panel: TacticPanel, *, asked: str) -> None:
    """Refuse a panel that is not the one that was analysed.

    Raises
    ------
    ParameterError
        If its tactic, its partners or what they had differ.
    """
    known = len(analysis.effects.influence)
    if known != len(panel.partners):
        raise ParameterError(
            f"{asked}: the panel has {len(panel.partners)} partners, the analysis {known}; give the panel that was analysed"
        )
    if analysis.seen != (seen := _seen(panel)):
        unlike = next(name for name, ours, theirs in zip(_SEEN, analysis.seen, seen, strict=True) if ours != theirs)
        raise ParameterError(f"{asked}: the panel has another {unlike} than what was analysed; give the panel that was analysed")


#: What a panel is known by.
_SEEN = ("tactic", "first or last partner", "range of quarters", "number of treated rows", "sum of outcomes")


def _seen(panel: TacticPanel) -> tuple[object, ...]:
    """Tell one panel from another without holding it: tactic, first and last partner, quarters, treated rows and the outcomes' sum."""
    ends = (str(panel.partners[0]), str(panel.partners[-1]))
    return panel.tactic, ends, tuple(panel.labels), int(panel.on.sum()), float(np.nansum(panel.outcome))


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
    detail = f"among partners alike in past results the effect differs by {say_number(difference, digits=2)} ({say_p(p)})"
    agree = _agree(difference, p, float(row["estimate"]), study, level)
    doubts = (f"{detail}, so adopters may have been on their way back to their usual",) if agree is False else ()
    return effects, _Beside(name="matched", row=other, check=Check("readings agree", agree, detail), doubts=doubts)


def _read_on_off(
    panel: TacticPanel, study: TacticStudy, assignment: AssignmentCheck, *, cluster: Cluster | None, level: float
) -> tuple[OnOffEffects, _Beside]:
    """Read target trials, and starts and stops: both must tell the same of partners that start.

    Where no reason was seen, target trials are read either way; so they are with a delay, for then the last result is of the quarter
    in which managers chose: they saw not it but what stood behind it. The second reading takes for granted that those who stay would
    have changed alike; where triage rules that out, it compares only partners alike in past results.
    """
    either_way = study.delay > 0 or len(assignment.rivals) > 1
    effects = estimate_on_off(panel, study=study, cluster=cluster, either_way=either_way, level=level)
    starts = study.model_copy(update={"untreated_for": max(study.untreated_for, 1), "horizon": 0})
    given_past = "adoption" not in assignment.rivals
    try:
        now = study.model_copy(update={"horizon": 0})
        other = estimate_switching(panel, study=now, given_past=given_past, cluster=cluster, level=level)
        started = estimate_on_off(panel, study=starts, cluster=cluster, by_tier=False, level=level)
    except SampleError as error:
        return effects, _Beside(name="switching", row=None, check=Check("readings agree", None, str(error)))
    first = float(started.headline()["estimate"])
    difference = float(other.at(0, switch="on")["estimate"]) - first
    p = _joint(difference, started.influence - other.influence, panel, study, cluster)
    given = "given the past" if given_past else "if those who stay would have changed alike"
    apart = f"differ by {say_number(difference, digits=2)} ({say_p(p)})"
    detail = f"for partners that start, the event study of switches ({given}) and target trials {apart}"
    agree = _agree(difference, p, first, study, level)
    doubts = (f"{detail}, and neither is ruled out",) if agree is False else ()
    return effects, _Beside(name="switching", row=other.at(0), check=Check("readings agree", agree, detail), doubts=doubts)


def _agree(difference: float, p: float, estimate: float, study: TacticStudy, level: float) -> bool | None:
    """Whether two readings tell the same: within their joint error, or apart by less than could matter."""
    if np.isnan(p):
        return None
    slight = max(SLIGHT * abs(estimate), 0.5 * (study.stakes.material or 0.0))
    return bool(p >= 1 - level or abs(difference) < slight)


def _joint(difference: float, influence: np.ndarray, panel: TacticPanel, study: TacticStudy, cluster: Cluster | None) -> float:
    """p-value of a difference of two readings of the same partners, within the error of their difference."""
    from scipy.stats import t

    clusters = clusters_of(panel, panel.on.any(axis=1), cluster=cluster, tactic=study.tactic)
    sums = np.bincount(clusters.code, influence)
    error = float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)))
    return float(2 * t.sf(abs(difference) / error, clusters.df)) if error > 0 and np.isfinite(difference) else np.nan


def _headline(effects: AdoptionEffects | OnOffEffects, study: TacticStudy) -> pd.Series:
    """Row that the verdict rests on; NaN where a side has fewer partners than the study asks for."""
    if isinstance(effects, OnOffEffects):
        return effects.headline()
    row = effects.at("overall").copy()
    if min(effects.partners, effects.compared) < study.minimum:
        row[["estimate", "std_error", "conf_low", "conf_high"]] = np.nan
    return row


def _limits_of(effects: AdoptionEffects | OnOffEffects) -> tuple[str, ...]:
    """Say what the estimate's own checks leave it: an association where its assumption was seen to fail."""
    if isinstance(effects, AdoptionEffects):
        if effects.pre_trend < DOUBT and _strays(effects):
            return (f"adopters went another way than the others already before they adopted ({say_p(effects.pre_trend)})",)
        return ()
    failed = [check for check in effects.checks if check.name in ("overlap", "balance") and check.passed is False]
    return (f"the two sides are not alike: {'; '.join(check.detail for check in failed)}",) if failed else ()


def _strays(effects: AdoptionEffects) -> bool:
    """Whether any effect in the quarters before adoption is more than slight beside the effect itself."""
    events = effects.table[effects.table["aggregate"] == "event"]
    at = events["at"].astype(int)
    before = events.loc[(at < 0) & (at >= -PRE_TREND_QUARTERS), "estimate"].abs()
    return not before.max() < SLIGHT * abs(float(effects.at("overall")["estimate"]))


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


def _verdict(effects, row: pd.Series, study: TacticStudy, doubts, limits, *, cells: int, level: float) -> Verdict:
    unit, per = study.stakes.unit, study.stakes.per
    known = say_list([known.said for known in study.covariates]) if study.covariates else ""
    if isinstance(effects, AdoptionEffects):
        alike = f"partners alike in {known}" if known else "partners"
        assumption = f"{alike} would have gone on alike without it"
    else:
        given = say_list([f"earlier {unit}", *([known] if known else []), "tier"])
        assumption = f"nothing unseen moved both who had it and what came of it, given {given}"
        if effects.either_way:
            assumption += f", but what moved {unit} before already and does not grow"
    if study.delay:
        assumption += f", and it does nothing {study.idle}"
    edge = min(abs(row["conf_low"]), abs(row["conf_high"]))
    overturned = (
        f"anything unseen that alone makes partners with {study.tactic} differ by {say_number(float(edge), digits=2)} {unit} per {per}"
        if row["conf_low"] * row["conf_high"] > 0 and not limits
        else ""
    )
    return Verdict(
        tactic=study.tactic,
        grade=Evidence.C if limits else Evidence.B,
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
        doubts=(*doubts, *limits) if doubts else (),
        limits=limits,
        settled_by=f"give {study.tactic} by lot for two quarters",
        level=level,
    )
