"""Tactics for their pages: which studies a program has, what was done with whom, and all of them analysed at once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.effects import (
    NextPartners,
    RobustnessCard,
    Studies,
    TacticAnalysis,
    TacticComparison,
    TacticPanel,
    TacticStudy,
    TierEffects,
    analyze_tactic,
    build_study_panel,
    check_robustness,
    compare_tactics,
    estimate_by_tier,
)
from partnerlab.errors import MissingTableError, ParameterError, SampleError, SpecError, nearest
from partnerlab.experiments import Experiment, ExperimentDesign, Metric, design_experiment
from partnerlab.experiments.outlook import Outlook
from partnerlab.panel import Indicators, build_panel
from partnerlab.report.places import look_upward
from partnerlab.results import Evidence
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import plural, say_list, say_pair, say_share

if TYPE_CHECKING:
    from partnerlab.panel import Panel
    from partnerlab.report.asked import Request
    from partnerlab.show import TableView
    from partnerlab.tiers import TierHistory

#: Tactics that are studied where no study is declared, those that take the most of a manager's time first.
TACTICS = (
    "training", "co_marketing", "event", "mdf", "lead_share", "content", "review", "meeting", "call", "email", "listing_update",
)  # fmt: skip
#: Outcomes by which they are judged then, best first, and the table that each needs.
OUTCOMES = {"leads": "leads", "deals_registered": "deals", "revenue": "transactions"}
#: Partners with the tactic, and without it, that a study by rule needs.
FEWEST = 20
#: Chance to find the material effect from which on a test is called large enough.
POWER = 0.8


def count_tactics(request: Request) -> Panel:
    """Count what was done with each partner, and what came of it, as the program's studies ask.

    Raises
    ------
    MissingTableError
        If the program has no table of activities, or nothing to judge them by.
    """
    declared = _declared(request)
    indicators = Indicators.load(_found("tactics" if declared is None else declared.indicators))
    if declared is None:
        names: Sequence[str] = (*TACTICS, _outcome(request))
    else:
        asked = [
            (study.indicator, *(() if study.asks_move else (study.outcome,)), *study.others, *(known.name for known in study.covariates))
            for study in declared.studies
        ]
        names = tuple(dict.fromkeys(name for study in asked for name in study))
    panel = build_panel(request.source, first=request.first, last=request.quarter, indicators=indicators, as_of=request.as_of, only=names)
    return request.select(panel)


def load_studies(request: Request, *, panel: Panel) -> Studies:
    """Give the program's studies: declared in ``studies/<program>.yaml``, shipped for it, or one for each tactic that was used.

    Parameters
    ----------
    request : Request
    panel : Panel
        From `count_tactics`.

    Raises
    ------
    SampleError
        If no tactic was used with enough partners.
    """
    declared = _declared(request)
    if declared is not None:
        return declared
    used = [name for name in TACTICS if panel.known(name) and _enough(panel, name)]
    if not used:
        raise SampleError(f"no tactic was used with {FEWEST} partners while {FEWEST} others were without it")
    outcome = _outcome(request)
    stakes = Stakes(unit=outcome.replace("_", " "))
    return Studies(
        studies=tuple(
            TacticStudy(
                tactic=name.replace("_", " "), indicator=name, outcome=outcome, horizon=1, stakes=stakes,
                others=tuple(other for other in used if other != name),
            )
            for name in used
        )
    )  # fmt: skip


def _declared(request: Request) -> Studies | None:
    if not re.fullmatch(r"[\w.-]+", request.program):
        return None
    own = look_upward(f"studies/{request.program}.yaml")
    if Path(own).is_file():
        return Studies.load(own)
    try:
        return Studies.load(request.program)
    except SpecError:
        return None


def _found(indicators: str) -> str:
    return look_upward(indicators) if indicators.endswith((".yaml", ".yml")) else indicators


def _outcome(request: Request) -> str:
    present = request.source.columns()
    found = next((name for name, table in OUTCOMES.items() if table in present), None)
    if found is None:
        raise MissingTableError(f"tactics are judged by {', '.join(OUTCOMES)}; this program has no table {' or '.join(OUTCOMES.values())}")
    return found


def _enough(panel: Panel, name: str) -> bool:
    used = panel.values(name) > 0
    return min(int(used.any(axis=1).sum()), int((panel.member & ~used).any(axis=1).sum())) >= FEWEST


def choose_study(studies: Studies, *, panel: Panel, tactic: str = "") -> TacticStudy:
    """Give the study of a tactic; without a name the first of the file whose tactic enough partners had.

    Raises
    ------
    ParameterError
        If no study is of that tactic.
    SampleError
        If none was used with enough partners.
    """
    if tactic:
        named = {study.tactic: study for study in studies.studies} | {study.indicator: study for study in studies.studies}
        if tactic not in named:
            raise ParameterError(f"no study is of {tactic!r}{nearest(tactic, named)}", tactic=tactic)
        return named[tactic]
    found = next((study for study in studies.studies if _enough(panel, study.indicator)), None)
    if found is None:
        raise SampleError(
            f"none of {plural(len(studies.studies), 'tactic')} was used with {FEWEST} partners while {FEWEST} were without it"
        )
    return found


#: What the analysis itself says of its limits -> checks of the card that would say it again.
_SAID_ALREADY = {"went another way than the others": ("pre-trend",), "two sides are not alike": ("overlap", "balance")}


def weigh_analysis(analysis: TacticAnalysis, *, card: RobustnessCard | None = None) -> TacticAnalysis:
    """Give the analysis with what may be said once a finding was held against what could overturn it: each check that did is a doubt.

    Parameters
    ----------
    analysis : TacticAnalysis
    card : RobustnessCard, optional
        From `partnerlab.check_robustness`; without one the verdict stays as it is.
    """
    if card is None:
        return analysis
    fallen = card.table[card.table["stands"].eq(False).fillna(False)]
    known = {check for doubt, checks in _SAID_ALREADY.items() for check in checks if any(doubt in said for said in analysis.verdict.doubts)}
    doubts = tuple(f"{row['check']}: {row['says']}" for _, row in fallen.iterrows() if row["check"] not in known)
    weighed = dataclasses.replace(analysis.verdict, doubts=(*analysis.verdict.doubts, *doubts))
    overturned = card.overturned_by or weighed.overturned_by if weighed.finding in ("raised", "lowered") else ""
    weighed = dataclasses.replace(weighed, overturned_by=overturned)
    return dataclasses.replace(analysis, verdict=weighed, evidence=max(analysis.evidence, weighed.earned, key=lambda grade: grade.value))


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudiedTactics:
    """All studies of a program, analysed and held against what could overturn them.

    Parameters
    ----------
    analyses : tuple of TacticAnalysis
        In the order of the studies; their verdicts are weighed with the cards.
    cards : tuple of RobustnessCard or None
        One for each analysis; None where there was no estimate to hold against anything.
    refused : DataFrame
        ``tactic, why`` of those that could not be analysed.
    """

    analyses: tuple[TacticAnalysis, ...] = dataclasses.field(repr=False)
    cards: tuple[RobustnessCard | None, ...] = dataclasses.field(repr=False)
    refused: pd.DataFrame = dataclasses.field(repr=False)


def analyze_tactics(
    panel: Panel, *, studies: Studies, history: TierHistory | None = None, level: float = 0.95, seed: int = 0
) -> StudiedTactics:
    """Analyse every study of a program; what cannot be is refused in one line and does not stop the others.

    Raises
    ------
    SampleError
        If none can be.
    """
    found, cards, refused = [], [], []
    for study in studies.studies:
        try:
            own = build_study_panel(panel, study=study, history=history)
            analysis = analyze_tactic(own, study=study, level=level)
        except (SampleError, MissingTableError) as refusal:
            refused.append({"tactic": study.tactic, "why": str(refusal)})
            continue
        cards.append(check_robustness(analysis, panel=own, seed=seed) if analysis.verdict.known else None)
        found.append(weigh_analysis(analysis, card=cards[-1]))
    if not found:
        raise SampleError(f"no tactic can be read; first: {refused[0]['why']}")
    return StudiedTactics(analyses=tuple(found), cards=tuple(cards), refused=pd.DataFrame(refused, columns=["tactic", "why"]))


def compare_studied(studied: StudiedTactics, *, level: float = 0.95, seed: int = 0) -> TacticComparison:
    """Lay all studied tactics by all tiers on one page: see `partnerlab.compare_tactics`."""
    return compare_tactics(studied.analyses, level=level, seed=seed)


def compare_tiers(analysis: TacticAnalysis, *, level: float = 0.95, seed: int = 0) -> TierEffects:
    """Pool the effects of one tactic over the tiers before it.

    Raises
    ------
    SampleError
        If fewer than three tiers are known.
    """
    cells, stakes = analysis.tiers, analysis.study.stakes
    found = estimate_by_tier(
        cells, by=("tier",), df="df", scale="scale", material=stakes.material, evidence=analysis.evidence, level=level, seed=seed
    )
    return dataclasses.replace(found, unit=stakes.unit)


def pool_studied(studied: StudiedTactics, *, level: float = 0.95, seed: int = 0) -> tuple[Verdict, ...]:
    """Give the verdict on each tactic over all tiers, pooled over the tactics looked at; with fewer than three known, as it is.

    They are pooled in units of the spread of outcomes of those who had each, for tactics that are kept for large partners bring more.
    Tactics in doubt, and mere associations, are pooled by themselves, as on the page of tactics by tiers.
    """
    verdicts = [analysis.verdict for analysis in studied.analyses]
    looked = len(verdicts) + len(studied.refused)
    if sum(verdict.known for verdict in verdicts) < 3:
        return tuple(dataclasses.replace(verdict, cells=looked) for verdict in verdicts)
    cells = pd.DataFrame(
        [{**verdict.to_row(), "df": verdict.df, "scale": one.scale} for one, verdict in zip(studied.analyses, verdicts, strict=True)]
    )
    sound = np.array([verdict.grade in (Evidence.A, Evidence.B) and not verdict.doubts for verdict in verdicts])
    known = np.array([verdict.known for verdict in verdicts])
    halves = [sound, ~sound] if known[sound].any() and known[~sound].any() else [np.full(len(verdicts), True)]
    parts = []
    for half in halves:
        pooled = estimate_by_tier(cells[half], by=("tactic",), df="df", scale="scale", level=level, seed=seed, fewest=1).table
        parts.append(pooled.set_axis(cells.index[half]))
    found = []
    for verdict, row in zip(verdicts, pd.concat(parts).sort_index().to_dict("records"), strict=True):
        error = (row["conf_high"] - row["conf_low"]) / 2 / float(critical_value(level))
        found.append(
            dataclasses.replace(verdict, estimate=row["estimate"], std_error=error, df=np.inf, cells=looked, pooled=True, overturned_by="")
        )
    return tuple(found)


def tabulate_studied(studied: StudiedTactics, *, seed: int = 0) -> pd.DataFrame:
    """Write the verdict on each tactic over all tiers, those refused last: ``tactic, estimate, ..., grade, says``."""
    rows = [
        {
            "tactic": verdict.tactic, "estimate": verdict.estimate, "std_error": verdict.std_error, "conf_low": verdict.conf_low,
            "conf_high": verdict.conf_high, "n": verdict.n, "partners": verdict.partners, "grade": verdict.earned.value,
            "do": verdict.action, "says": verdict.statement,
        }
        for verdict in pool_studied(studied, seed=seed)
    ]  # fmt: skip
    refused = [
        dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), np.nan)
        | {"tactic": row["tactic"], "n": 0, "partners": 0, "grade": "D", "do": "test", "says": f"Cannot be read: {row['why']}."}
        for row in studied.refused.to_dict("records")
    ]
    return pd.DataFrame([*rows, *refused])


def tabulate_actions(compared: TacticComparison, *, studied: StudiedTactics | None = None, seed: int = 0) -> pd.DataFrame:
    """List what to do with each tactic, in which tiers, and why: ``do, tactic, tiers, why``; what to keep comes first.

    With ``studied`` a test of a tactic that is kept (or stopped) over all tiers says so: go on as now (or stop), test before giving more.
    """
    settled = {} if studied is None else {one.tactic: one for one in pool_studied(studied, seed=seed) if one.action in _OVER_ALL}
    rows = []
    for (action, tactic), part in compared.table.groupby(["action", "tactic"], sort=False):
        whole = part.sort_values("n", ascending=False)
        said = whole["statement"].iloc[0]
        if whole["statement"].nunique() > 1:  # each tier has its own numbers: those of the largest stand for them, by name
            said = f"In {whole['tier'].iloc[0]}, which had it most: {said}"
        paid = part["pays"].dropna()
        money = (
            f" It pays with a probability of {say_share(float(paid.min()))} or more." if action in ("keep", "extend") and len(paid) else ""
        )
        whole_too = _over_all(settled[tactic]) if action == "test" and tactic in settled else ""
        rows.append({"do": action, "tactic": tactic, "tiers": say_list(list(part["tier"])), "why": f"{whole_too}{said}{money}"})
    order = {action: place for place, action in enumerate(("keep", "extend", "stop", "test"))}
    return pd.DataFrame(rows, columns=["do", "tactic", "tiers", "why"]).sort_values(
        "do", key=lambda column: column.map(order), kind="stable", ignore_index=True
    )


#: What a verdict over all tiers asks for -> what to do where one tier alone asks for a test.
_OVER_ALL = {"keep": ("kept", "go on as now", "test before giving more"),
             "stop": ("stopped", "give no more of it", "only a test could bring it back")}  # fmt: skip


def _over_all(verdict: Verdict) -> str:
    """Say how a tactic can be kept (or stopped) over all tiers and yet be tested in some."""
    size, interval = say_pair(verdict.estimate, verdict.conf_low, verdict.conf_high, kind="number")
    done, now, then = _OVER_ALL[verdict.action]
    return f"Over all tiers together it is {done} ({size}, {interval}): {now}. One tier alone tells too little here: {then}. "


def name_partners(history: TierHistory) -> dict[str, str]:
    """Say what people call each partner; its identifier where it has no name."""
    if "name" not in history.attributes.columns:
        return {}
    called = zip(history.partners, history.attributes["name"], strict=True)
    return {str(partner): str(name) for partner, name in called if pd.notna(name)}


def tabulate_next(following: NextPartners, *, history: TierHistory | None = None, limit: int = 15) -> TableView:
    """List whom to give a tactic next, by name where the history knows names.

    Raises
    ------
    SampleError
        If nothing can be expected for anybody: a list in which every row says so names nobody.
    """
    from partnerlab.show import tabulate

    if following.table["estimate"].isna().all():
        raise SampleError("nothing can be expected of giving it to anybody")
    names = {} if history is None else name_partners(history)
    return tabulate(following, caption="Partners without the tactic now, by expected uplift", rows=limit, names=names)


def design_settling(panel: TacticPanel, *, study: TacticStudy, level: float = 0.95) -> ExperimentDesign:
    """Size the test by lot that would settle a study: what the partners at hand could show in one, two and four quarters.

    Raises
    ------
    SampleError
        If too little of the outcome is known to size it.
    """
    outcome = panel.outcome[:, : panel.shape[1] - panel.delay][:, -5:]
    known = np.isfinite(outcome).all(axis=1)
    partners = int(np.isfinite(panel.last_outcome).sum())
    if outcome.shape[1] < 3 or known.sum() < FEWEST:
        raise SampleError(f"{study.tactic}: too few partners with {outcome.shape[1]} quarters known to size a test")
    last, before = outcome[known, -1], outcome[known, :-1].mean(axis=1)
    if not (last.std() > 0 and before.std() > 0):
        raise SampleError(f"{study.tactic}: {study.stakes.unit} do not vary between partners, so no test can be sized")
    outlook = Outlook(
        sd=float(last.std(ddof=1)),
        kept=float(np.clip(np.corrcoef(last, outcome[known, -2])[0, 1], 0.0, 0.99)),
        known=float(np.clip(np.corrcoef(last, before)[0, 1], -0.99, 0.99)),
    )
    experiment = Experiment(
        name=re.sub(r"[^a-z0-9]+", "-", study.tactic.lower()).strip("-"),
        hypothesis=f"{study.tactic} raises {study.stakes.unit}.",
        tactic=study.tactic,
        stakes=study.stakes,
        metrics=(Metric(name=(study.outcome or panel.outcome_name).replace(" ", "_")),),
    )
    sizes = sorted({size for size in (partners // 4, partners // 2, partners) if size >= 8})
    return design_experiment(experiment, outlooks={experiment.metrics[0].name: outlook}, units=sizes, quarters=(1, 2, 4), level=level)
