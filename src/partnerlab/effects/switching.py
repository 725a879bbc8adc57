"""Event study of switches: who starts or stops against who stays as they were, for tactics that go on and off."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.effects.sample import DOUBT, Cluster, Clusters, clusters_of, enough_check, moved_check, shift, study_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.trials import HISTORY, Trials, design_of, stack_trials
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.did import two_period_effect
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.words import plural, say_number, say_p

Switch = Literal["on", "off", "both"]
#: Quarters before the last one at which switchers and stayers are compared, to see whether they went on alike.
BEFORE = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwitchingEffects(Result):
    """Effects of switching; keys ``switch`` ("both", "on", "off") and ``at``, quarters after it, negative before.

    Effects of stopping are turned round: all are of having the tactic.

    Parameters
    ----------
    influence : float array, shape (n,)
        Influence of each partner on the effect of starting in its first quarter; summed by cluster, its sum of squares is the squared
        error (but for the factor ``G / (G - 1)`` of treated clusters).
    pre_trend : float
        p-value of switchers and stayers having gone on alike just before; NaN where the past is held fixed.
    df : float
        Degrees of freedom of the intervals.
    partners, managers : int
        Partners that switched, and clusters if managers are they (else None).
    """

    title: ClassVar[str] = "Effect of switching a tactic"

    influence: np.ndarray = dataclasses.field(repr=False)
    pre_trend: float
    df: float
    partners: int
    managers: int | None

    def at(self, at: int = 0, *, switch: Switch = "both") -> pd.Series:
        """Give a row."""
        return self.table[(self.table["switch"] == switch) & (self.table["at"] == at)].iloc[0]


def estimate_switching(
    panel: TacticPanel,
    *,
    study: TacticStudy | None = None,
    given_past: bool = False,
    history: Literal[1, 2] = HISTORY,
    cluster: Cluster | None = None,
    level: float = 0.95,
) -> SwitchingEffects:
    """Estimate what a tactic that goes on and off does, from partners that start or stop it against those that stay as they were.

    The change of the outcome since the quarter before the switch is compared, in the same quarter, with that of partners of the same
    earlier status that keep it for as long as is looked ahead, adjusted for tier, region, the study's covariates and other tactics
    (de Chaisemartin and D'Haultfoeuille 2020, American Economic Review 110; 2024, Review of Economics and Statistics). Right if both would
    have changed alike. Where managers react to the last result they would not: switchers are on their way back to their usual.

    Parameters
    ----------
    panel : TacticPanel
        Its ``others`` are adjusted for in the quarter and the one before.
    study : TacticStudy, optional
        Eligibility, covariates, horizon.
    given_past : bool
        Also compare only partners alike in their last result, the mean of all before and the share of quarters with the tactic. Then
        nothing before the switch is left to look at.
    history : {1, 2}
        Quarters that must be known before a switch: two, so that the partner-quarters are those of `estimate_on_off`; or one, which is
        all that the papers ask for, and takes in the switches of a panel's second quarter.
    cluster : {"manager", "partner"}, optional
        Managers if the panel knows them. Intervals are Student's; the side with fewer clusters, less one, gives degrees of freedom.
    level : float
        Coverage.

    Returns
    -------
    SwitchingEffects

    Raises
    ------
    ParameterError
        If ``history`` is neither, or one where the past is held fixed.
    SampleError
        If nobody switches while others stay, or three managers or fewer used the tactic.

    Examples
    --------
    >>> from partnerlab.intake.simulate import simulate_world
    >>> panel = TacticPanel.from_frame(simulate_world("B", seed=1, partners=120).to_frame(), tier="tier")
    >>> found = estimate_switching(panel)
    >>> found.table.loc[found.table["switch"] == "both", "at"].tolist()
    [-3, -2, 0]
    """
    study = study_of(panel, study)
    if history not in (1, HISTORY) or (given_past and history < HISTORY):
        raise ParameterError(f"history is {history}; give 1 or 2, and 2 where the past is held fixed")
    trials = stack_trials(panel, study, history=history)
    used, compared = (np.bincount(trials.partner[side], minlength=len(panel.partners)) > 0 for side in (trials.treated, ~trials.treated))
    clusters = clusters_of(panel, used, cluster=cluster, tactic=study.tactic, compared=compared)
    moments = [*([] if given_past else range(-BEFORE - 1, -1)), *range(study.horizon + 1)]
    columns = _columns(trials, given_past=given_past)
    found = {(switch, at): _compare(panel, trials, columns, at, was_on=switch == "off") for at in moments for switch in ("on", "off")}
    rows = []
    for switch in ("both", "on", "off"):
        for at in moments:
            parts = [found[one, at] for one in (("on", "off") if switch == "both" else (switch,))]
            rows.append(_row(switch, at, _average(parts), clusters, study, level=level))
    table = pd.DataFrame(rows)
    if found["on", 0].separated:
        raise SampleError(
            f"{study.tactic}: no overlap: something known before tells for sure who starts it; nobody without it is like those with it"
        )
    if not (found["on", 0].rows or found["off", 0].rows):
        raise SampleError(f"{study.tactic}: nobody starts or stops it while others of the same status stay; there is no switch to look at")
    p, checks = _pre_trend(table, clusters, given_past=given_past)
    enough = enough_check(table[(table["switch"] == "both") & (table["at"] == 0)].iloc[0], study)
    switchers = np.unique(np.concatenate([found["on", 0].partners, found["off", 0].partners]))
    return SwitchingEffects(
        estimand=f"Mean effect of {study.tactic} on {study.stakes.unit} per {study.stakes.per}, on the partners that start or stop it",
        table=table,
        checks=(*trials.checks, enough, *checks, *moved_check(panel, clusters)),
        evidence=Evidence.B if enough.passed else Evidence.D,
        level=level,
        influence=found["on", 0].influence,
        pre_trend=p,
        df=clusters.df,
        partners=len(switchers),
        managers=clusters.managers,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Switched:
    """One comparison of switchers with stayers: effect, influence by partner, switches, who stayed, and who switched."""

    effect: float
    influence: np.ndarray
    members: np.ndarray
    rows: int
    compared: np.ndarray
    partners: np.ndarray
    separated: bool = False


def _columns(trials: Trials, *, given_past: bool) -> np.ndarray:
    """Give what is held fixed: everything known but the tactic's own past, or that and past results too."""
    if given_past:
        return np.column_stack([trials.past[0], trials.known])
    own = 2  # the tactic 1 quarter before, and its share of earlier quarters, come first
    return trials.known[:, own:]


def _compare(panel: TacticPanel, trials: Trials, columns: np.ndarray, at: int, *, was_on: bool) -> _Switched:
    """Compare changes of those who switch from a status with those who keep it; NaN where one side is empty."""
    partner, quarter, n = trials.partner, trials.quarter, len(panel.partners)
    kept = shift(panel.treated, 1)[partner, quarter] == was_on
    switched = kept & (trials.treated != was_on)
    stayed = kept & ~switched
    for back in range(2, -at + 1):  # before the switch both must have had the status as long as is looked back
        same = shift(panel.treated, back)[partner, quarter] == was_on
        switched, stayed = switched & same, stayed & same
    for ahead in range(1, at + 1):
        stayed &= shift(panel.treated, -ahead)[partner, quarter] == was_on
    change = shift(panel.outcome, -at)[partner, quarter] - trials.last
    rows = (switched | stayed) & np.isfinite(change)
    nobody = np.array([], int)
    nothing = _Switched(effect=np.nan, influence=np.full(n, np.nan), members=np.zeros(n), rows=0, compared=nobody, partners=nobody)
    if not (switched & rows).any() or not (stayed & rows).any():
        return nothing
    share = np.bincount(quarter[rows], switched[rows]) / np.maximum(np.bincount(quarter[rows]), 1)
    mixed = rows & ((share > 0) & (share < 1))[np.minimum(quarter, len(share) - 1)]
    if not mixed.any():
        return nothing
    if fit_propensity(switched[mixed], design_of(columns[mixed])[0], np.ones(mixed.sum())) is None:
        return dataclasses.replace(nothing, separated=True)
    design = _design_of_stayers(columns[rows], stayed[rows])
    effect, inside = two_period_effect(change[rows], switched[rows], design, np.ones(rows.sum()), score="reg")
    sign = -1.0 if was_on else 1.0
    members = np.bincount(partner[rows & switched], minlength=n).astype(float)
    return _Switched(
        effect=sign * effect, influence=sign * np.bincount(partner[rows], inside, minlength=n) / rows.sum(), members=members,
        rows=int(members.sum()), compared=np.unique(partner[rows & stayed]), partners=np.flatnonzero(members),
    )  # fmt: skip


def _design_of_stayers(columns: np.ndarray, stayed: np.ndarray) -> np.ndarray:
    """Intercept and the columns that tell stayers apart."""
    _, kept = design_of(columns[stayed])
    return np.column_stack([np.ones(len(columns)), columns[:, kept]])


def _average(parts: list[_Switched]) -> _Switched:
    """Mean over all switches of the parts that have any."""
    live = [part for part in parts if part.rows and np.isfinite(part.effect)]
    if not live:
        return parts[0]
    total = sum(part.rows for part in live)
    effect = sum(part.rows * part.effect for part in live) / total
    influence = sum(part.rows / total * part.influence + part.members * (part.effect - effect) / total for part in live)
    members = sum(part.members for part in live)
    compared = np.unique(np.concatenate([part.compared for part in live]))
    return _Switched(effect=effect, influence=influence, members=members, rows=total, compared=compared, partners=np.flatnonzero(members))


def _row(switch: Switch, at: int, part: _Switched, clusters: Clusters, study: TacticStudy, *, level: float) -> dict[str, object]:
    enough = min(len(part.partners), len(part.compared)) >= study.minimum and np.isfinite(part.effect)
    sums = np.bincount(clusters.code, np.nan_to_num(part.influence), minlength=clusters.count)
    users, others = (len(np.unique(clusters.code[side])) for side in (part.partners, part.compared))
    error = float(np.sqrt((sums**2).sum() * users / (users - 1))) if enough and min(users, others) > 1 else np.nan
    width = critical_value(level, max(min(users, others) - 1.0, 0.0))
    estimate = part.effect if enough else np.nan
    return {"switch": switch, "at": at, "estimate": estimate, "std_error": error, "conf_low": estimate - width * error,
            "conf_high": estimate + width * error, "n": part.rows, "partners": len(part.partners),
            "compared": len(part.compared)}  # fmt: skip


def _pre_trend(table: pd.DataFrame, clusters: Clusters, *, given_past: bool) -> tuple[float, tuple[Check, ...]]:
    """Whether switchers and stayers differed in the quarter before the last, and whether starting and stopping tell the same."""
    from scipy.stats import t

    rows = table.set_index(["switch", "at"])
    p = np.nan
    if not given_past and rows.loc[("both", -2), "std_error"] > 0:
        before = rows.loc[("both", -2)]
        p = float(2 * t.sf(abs(before["estimate"] / before["std_error"]), clusters.df))
    said = "nothing before the switch can be compared" if np.isnan(p) else f"{say_p(p)} that switchers and stayers changed alike before"
    on, off = rows.loc[("on", 0)], rows.loc[("off", 0)]
    gap = float(on["estimate"] - off["estimate"])
    error = float(np.hypot(on["std_error"], off["std_error"]))
    alike = float(2 * t.sf(abs(gap) / error, clusters.df)) if error > 0 else np.nan
    both = "starts or stops are too few to compare" if np.isnan(alike) else (
        f"starting and stopping differ by {say_number(gap, digits=2)} ({say_p(alike)}; {plural(on['n'], 'start')}, "
        f"{plural(off['n'], 'stop')})"
    )  # fmt: skip
    return p, (
        Check("pre-trend", None if np.isnan(p) else p >= DOUBT, said),
        Check("starts and stops", None if np.isnan(alike) else alike >= DOUBT, both),
    )
