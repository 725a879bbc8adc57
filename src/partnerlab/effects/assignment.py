"""Triage: how managers chose whom to give a tactic, and which design that leaves; it raises doubts, never a grade."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.effects.adoption import DOUBT
from partnerlab.effects.sample import Cluster, clusters_of, study_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.trials import BLOCK, leave_unmixed, stack_trials, standardise
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.assignment import AddedReason, added_reason, code_runs
from partnerlab.stats.causes.propensity import sum_weighted
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.words import say_p

#: A reason that moves the log-odds of the tactic by less than this per standard deviation is too slight to mislead, however sure it is.
SLIGHT = 0.1

Mechanism = Literal["lasting trait", "last result", "both", "neither", "unknown"]
Design = Literal["adoption", "on and off", "none"]
#: What varies within managers by no more than this share of its size does not vary.
ROUNDING = 1e-12

_SAID: dict[Mechanism, str] = {
    "lasting trait": "Managers chose by something that lasts: earlier results tell who gets it even where the last result is the same.",
    "last result": "Managers reacted to the last result, and earlier ones add nothing.",
    "both": "Managers reacted to the last result and chose by something that lasts.",
    "neither": "Neither the last result nor earlier ones tell who gets it; this may be chance, or too few data.",
    "unknown": "Too few partners changed to tell how managers chose.",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AssignmentCheck(Result):
    """How a tactic was assigned; key ``test``: "lasting trait" and "last result".

    Estimates are log-odds of getting the tactic per standard deviation of what is tested (one Newton step), given everything
    else that was known; ``p_value`` is of no such reason.

    Parameters
    ----------
    mechanism : str
        Which reasons were seen.
    design : str
        "adoption" (differences in differences), "on and off" (target trials given the past), or "none".
    rivals : tuple of str
        Designs whose assumption was not seen to fail: where there are two, their readings must agree.
    doubts : tuple of str
        Why no verdict can be given, if so.
    """

    title: ClassVar[str] = "How the tactic was assigned"

    mechanism: Mechanism
    design: Design
    rivals: tuple[Design, ...]
    doubts: tuple[str, ...]

    @property
    def statement(self) -> str:
        """Mechanism and design in words."""
        chosen = {
            "adoption": "Differences in differences are identified, if trends would have been parallel.",
            "on and off": "Target trials given the past are identified, if nothing unseen moved both choice and result.",
            "none": "No design is identified: a randomised test would settle it.",
        }[self.design]
        return f"{_SAID[self.mechanism]} {chosen}"


def check_assignment(
    panel: TacticPanel, *, study: TacticStudy | None = None, cluster: Cluster | None = None, level: float = 0.95
) -> AssignmentCheck:
    """Look at how managers chose, and say which design that leaves.

    Two reasons are tested by clustered score tests, each among partners alike in manager, tier, quarter, earlier treatment and
    the study's covariates. *Lasting trait*: do results before the last tell who gets the tactic, given the last? Then adjusting
    for the past is not enough, for what lasts and is not seen may move results too. *Last result*: does the last result's
    deviation from the usual tell? Then differences in differences mistake the return to the usual for an effect. Either reason
    counts from p < 0.10 on, for a doubt needs less proof than a finding, if it moves the log-odds by a tenth or more. What passes is
    not proven; no grade is raised by it.

    Parameters
    ----------
    panel : TacticPanel
    study : TacticStudy, optional
        Eligibility and covariates. For a tactic that stays on only first starts are looked at.
    cluster : {"manager", "partner"}, optional
        Managers if the panel knows them.
    level : float
        Coverage of the intervals.

    Returns
    -------
    AssignmentCheck

    Raises
    ------
    SampleError
        If no quarter has both treated and untreated eligible partners.

    Examples
    --------
    >>> from partnerlab.intake.simulate import simulate_world
    >>> panel = TacticPanel.from_frame(simulate_world("B", seed=1).to_frame(), manager="manager", tier="tier", covariates=["health"])
    >>> check_assignment(panel).mechanism
    'last result'
    """
    study = study_of(panel, study)
    starting = study.untreated_for > 0 or panel.stays_on
    asked = study.model_copy(update={"untreated_for": max(study.untreated_for, 1)}) if starting else study
    trials = stack_trials(panel, asked)
    treated, compared = (np.bincount(trials.partner[side], minlength=len(panel.partners)) > 0 for side in (trials.treated, ~trials.treated))
    clusters = clusters_of(panel, treated, cluster=cluster, tactic=study.tactic, compared=compared)
    owner = clusters.code[trials.partner]
    rows = np.flatnonzero(leave_unmixed(np.ones(len(owner), dtype=bool), trials.treated, (owner, trials.quarter)))
    rows = rows[np.argsort(owner[rows], kind="stable")]  # rows of a manager side by side: nothing after this copies the design
    treated, owner = trials.treated[rows], code_runs(owner[rows])
    design = np.empty((len(rows), trials.known.shape[1] + 2))  # one for both tests: it is the largest thing here
    tested = {
        "lasting trait": (trials.earlier, trials.last),
        "last result": (trials.last - trials.usual, trials.usual),
    }
    found = {
        name: _test(_fill(design, given[rows], trials.known, rows), treated, added[rows], owner, within=clusters.noun == "manager")
        for name, (added, given) in tested.items()
    }
    mechanism = _mechanism(found)
    design, rivals, doubts = _read(mechanism, starting=study.untreated_for > 0, stays=panel.stays_on)
    return AssignmentCheck(
        estimand=f"Log-odds of getting {study.tactic} per standard deviation of each reason, given what else was known",
        table=pd.DataFrame([_row(name, reason, level) for name, reason in found.items()]),
        checks=tuple(_check(name, reason) for name, reason in found.items()),
        evidence=Evidence.D,
        level=level,
        mechanism=mechanism,
        design=design,
        rivals=rivals,
        doubts=doubts,
    )


def _fill(design: np.ndarray, given: np.ndarray, known: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Lay what is held fixed out in a table made before: a column to come, one reason, and what else was known of some rows."""
    for first in range(0, len(rows), BLOCK):
        some = slice(first, first + BLOCK)
        design[some, 1], design[some, 2:] = given[some], known[rows[some]]
    return design


def _test(design: np.ndarray, treated: np.ndarray, added: np.ndarray, owner: np.ndarray, *, within: bool) -> AddedReason:
    """Score test of one reason given what a design holds, on rows sorted by owner; the design is used up."""
    if not len(added):
        return AddedReason(estimate=np.nan, std_error=np.nan, p_value=np.nan, df=0.0, rows=0)
    if within:
        _part_from_owners(design[:, 1:], owner)
    design, _ = standardise(design)
    return added_reason(treated, design[:, 1:] if within else design, added, clusters=owner, within=within)


def _part_from_owners(columns: np.ndarray, owner: np.ndarray) -> None:
    """Take managers' means out, in place: beside an effect of each manager columns say the same, and what a manager fixes is 0."""
    means = sum_weighted(columns, np.broadcast_to(1.0, len(owner)), owner) / np.bincount(owner)[:, None]
    left, largest = np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
    for first in range(0, len(columns), BLOCK):
        part = columns[first : first + BLOCK]
        np.maximum(largest, np.abs(part).max(axis=0), out=largest)
        part -= means[owner[first : first + BLOCK]]
        np.maximum(left, np.abs(part).max(axis=0), out=left)
    columns[:, left <= ROUNDING * largest] = 0.0


def _mechanism(found: dict[str, AddedReason]) -> Mechanism:
    if not all(np.isfinite(reason.p_value) for reason in found.values()):
        return "unknown"
    lasting, last = (_counts(found[name]) for name in ("lasting trait", "last result"))
    return "both" if lasting and last else "lasting trait" if lasting else "last result" if last else "neither"


def _counts(reason: AddedReason) -> bool:
    """Whether a reason was seen, and is large enough to mislead."""
    return bool(reason.p_value < DOUBT and abs(reason.estimate) >= SLIGHT)


def _read(mechanism: Mechanism, *, starting: bool, stays: bool) -> tuple[Design, tuple[Design, ...], tuple[str, ...]]:
    """Design, rivals and doubts that a mechanism leaves to a tactic that stays, or goes on and off."""
    adopting = stays and not starting
    if mechanism == "neither":
        return ("adoption" if adopting else "on and off"), ("adoption", "on and off"), ()
    if mechanism == "lasting trait" and adopting:
        return "adoption", ("adoption",), ()
    if mechanism == "last result" and not adopting:
        return "on and off", ("on and off",), ()
    why = {
        "unknown": "how managers chose cannot be told",
        "both": "managers reacted to the last result and to something that lasts, so no design is right",
        "lasting trait": "managers chose by something that lasts and is not seen, which adjusting for the past leaves in",
        "last result": "managers reacted to the last result, so adopters were on their way back",
    }[mechanism]
    return "none", (), (why,)


def _row(name: str, reason: AddedReason, level: float) -> dict[str, object]:
    width = float(critical_value(level, reason.df))
    return {"test": name, "estimate": reason.estimate, "std_error": reason.std_error,
            "conf_low": reason.estimate - width * reason.std_error, "conf_high": reason.estimate + width * reason.std_error,
            "n": reason.rows, "p_value": reason.p_value}  # fmt: skip


def _check(name: str, reason: AddedReason) -> Check:
    if not np.isfinite(reason.p_value):
        return Check(f"no {name}", None, "cannot be told from these data")
    detail = f"{say_p(reason.p_value)} that it does not matter for who gets the tactic"
    return Check(f"no {name}", not _counts(reason), detail)
