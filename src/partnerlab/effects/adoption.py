"""Tactics that stay once adopted: differences in differences by group and time, and the estimators they are held against."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.effects.other_tactics import OtherTactics, add_error_of_others, learn_others
from partnerlab.effects.sample import (
    DOUBT,
    Cluster,
    Clusters,
    clusters_of,
    eligible_groups,
    first_starts,
    known_before,
    moved_check,
    require_contrast,
)
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import NEVER, TacticPanel
from partnerlab.effects.trials import design_of
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.did import GroupTimeEffects, Score, group_time_effects
from partnerlab.stats.causes.did_aggregates import aggregate_effects, influence_covariance, simultaneous_critical
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.verdicts import Stakes
from partnerlab.words import plural, say_list

Control = Literal["never", "not_yet"]
#: Names of the overall averages, by the average they come from.
OVERALL = {"simple": "partner-quarters", "event": "event times", "group": "groups", "calendar": "quarters"}
#: Quarters before adoption that the test of pre-trends looks at: farther back few partners are left, and each costs power.
PRE_TREND_QUARTERS = 4
#: Cells whose influence by partner is laid out at a time.
CELLS_AT_ONCE = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdoptionEffects(Result):
    """Effects of adopting a tactic on the partners that did.

    The table's keys are ``aggregate`` ("overall", "event", "group", "calendar") and ``at``; ``band_low`` and ``band_high`` hold
    for all rows of an aggregate at once.

    Parameters
    ----------
    cells : DataFrame
        The effects by group and quarter that were averaged: ``group, quarter, estimate, std_error, treated, compared``.
    influence : float array, shape (n,)
        Influence of each partner of the panel on the overall effect per partner-quarter; its sum of squares (summed by cluster
        first) is the squared standard error.
    first_influence : float array, shape (n,)
        The same for the effect in the quarter of adoption.
    df : float
        Degrees of freedom of the intervals.
    partners, managers : int
        Treated partners, and clusters if managers are they (else None).
    pre_trend : float
        p-value of the test that adopters went on like the others before they adopted.
    """

    title: ClassVar[str] = "Effect of adoption"

    cells: pd.DataFrame = dataclasses.field(repr=False)
    influence: np.ndarray = dataclasses.field(repr=False)
    first_influence: np.ndarray = dataclasses.field(repr=False)
    df: float
    partners: int
    managers: int | None
    pre_trend: float

    def at(self, aggregate: str, at: object = "partner-quarters") -> pd.Series:
        """Give the row of an aggregate.

        Raises
        ------
        ParameterError
            If there is none.
        """
        found = self.table[(self.table["aggregate"] == aggregate) & (self.table["at"] == str(at))]
        if found.empty:
            raise ParameterError(f"no effect for {aggregate} at {at}")
        return found.iloc[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdoptionSample:
    """Partners and arrays that adoption is estimated from; other tactics are taken out of the outcome."""

    keep: np.ndarray
    outcome: np.ndarray
    adopted: np.ndarray
    covariates: np.ndarray | None
    clusters: Clusters
    checks: tuple[Check, ...]
    others: OtherTactics | None = None


def adoption_sample(panel: TacticPanel, study: TacticStudy, *, control: Control, cluster: Cluster | None) -> AdoptionSample:
    """Choose partners: eligible when first seen, their start seen. Covariates not known leave single comparisons.

    Raises
    ------
    ParameterError
        If ``control`` or ``cluster`` is unknown.
    SampleError
        If nobody adopted, nobody is left to compare with, or too few managers used the tactic.
    """
    if control not in ("never", "not_yet"):
        raise ParameterError(f"control is {control!r}; it is 'never' or 'not_yet'")
    require_contrast(panel, tactic=study.tactic)
    adopted, seen_start = first_starts(panel)
    observed = np.isfinite(panel.outcome)
    first = np.where(observed.any(axis=1), observed.argmax(axis=1), 0)
    eligible = eligible_groups(panel, study)[np.arange(len(first)), first] & observed.any(axis=1)
    covariates = known_before(panel, study)
    keep = eligible & seen_start
    if not keep.any() or not (adopted[keep] != NEVER).any():
        raise SampleError(f"{study.tactic}: no eligible partner was seen to start; there is no effect to estimate")
    latest = adopted[keep].max()
    alone = not (adopted[keep] == NEVER).any()
    if alone and (control == "never" or (adopted[keep] == latest).all()):
        raise SampleError(
            f"{study.tactic}: every partner had it{' at once' if (adopted[keep] == latest).all() else ''}; nobody is left to compare with"
        )
    clusters = clusters_of(panel.select(keep), adopted[keep] != NEVER, cluster=cluster, tactic=study.tactic)
    left = int((eligible & ~seen_start).sum())
    lost = int((~np.isfinite(covariates).all(axis=2) & observed)[keep].sum())
    checks = [
        Check(
            "starts seen",
            left == 0,
            f"{plural(left, 'partner')} left out: treated when first seen, or after a gap (a row without outcome says when)",
        ),
        Check(
            "covariates known", lost == 0, f"{plural(lost, 'partner-quarter')} with covariates not known: no comparison starts from them"
        ),
        Check("stays on", panel.stays_on, _stay(panel, study)),
        *moved_check(panel.select(keep), clusters),
    ]
    known = covariates[keep] if covariates.shape[2] else None
    _require_overlap(known, adopted[keep], study)
    others = learn_others(panel, keep, adopted[keep], known, tactic=study.tactic)
    outcome = panel.outcome[keep]
    return AdoptionSample(
        keep=keep, outcome=outcome if others is None else others.take_out(outcome), adopted=adopted[keep], clusters=clusters,
        checks=(*checks, *(() if others is None else (others.check,))), covariates=known, others=others,
    )  # fmt: skip


def _require_overlap(covariates: np.ndarray | None, adopted: np.ndarray, study: TacticStudy) -> None:
    """Refuse covariates that tell adopters, just before they start, from those that do not adopt around then, for sure."""
    if covariates is None:
        return
    starters = adopted != NEVER
    middle = int(np.median(adopted[starters]))
    at = np.where(starters, np.maximum(adopted - 1, 0), max(middle - 1, 0))
    rows = covariates[np.arange(len(adopted)), at]
    used = np.isfinite(rows).all(axis=1)
    on = starters[used]
    if on.any() and not on.all() and fit_propensity(on, design_of(rows[used])[0], np.ones(len(on))) is None:
        names = say_list([known.said for known in study.covariates])
        raise SampleError(f"{study.tactic}: no overlap: {names} tells for sure who adopted; nobody without it is like those with it")


def _stay(panel: TacticPanel, study: TacticStudy) -> str:
    if panel.stays_on:
        return f"no partner was seen without {study.tactic} once it had it"
    stopped = (np.maximum.accumulate(panel.on, axis=1)[:, :-1] & (panel.treated[:, 1:] == 0)).any(axis=1)
    return (
        f"{plural(int(stopped.sum()), 'partner')} stopped again: this is the effect of the first start, whatever followed; "
        "for a tactic that goes on and off use estimate_on_off"
    )


def estimate_adoption(  # noqa: PLR0913 - the estimator's own choices
    panel: TacticPanel,
    *,
    study: TacticStudy | None = None,
    control: Control | None = None,
    score: Score = "reg",
    cluster: Cluster | None = None,
    anticipation: int = 0,
    matched: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> AdoptionEffects:
    """Estimate what adopting a tactic did to those that adopted it, by differences in differences.

    Effects of each group of adopters in each quarter (Callaway and Sant'Anna 2021), averaged by time since adoption, by group,
    by quarter, and overall; the average over treated partner-quarters is the headline. Before adoption each quarter is compared
    with the one before it.

    Parameters
    ----------
    panel : TacticPanel
        Stays on once adopted; a check says how many partners stopped. What its ``others``, tactics that ran beside, add in the
        quarter and in the one after is learned from partner-quarters without this one and taken out of the outcome.
    study : TacticStudy, optional
        Eligibility, comparison, covariates. Eligible is who was so when first seen.
    control : {"never", "not_yet"}, optional
        Compare with partners that never adopt, or had not yet; the study's if None.
    score : {"reg", "dr", "ipw"}
        How covariates are adjusted for.
    cluster : {"manager", "partner"}, optional
        Managers if the panel knows them. Intervals are Student's, with treated clusters less one degrees of freedom.
    anticipation : int
        Quarters before adoption that may already show an effect.
    matched : bool
        Also compare only partners alike in their last result before and in the mean of all until then. Where adopters were on
        the way back to their usual, this moves the estimate; where they differ by something that lasts alone, hardly.
    level : float
        Coverage.
    seed : int
        Of the draws behind the simultaneous bands.

    Returns
    -------
    AdoptionEffects

    Raises
    ------
    ParameterError
        If ``control``, ``score``, ``cluster`` or ``anticipation`` is none of these.
    SampleError
        If nobody adopted, nobody is left to compare with, or three managers or fewer used the tactic.

    Examples
    --------
    >>> from partnerlab.intake.simulate import simulate_world
    >>> frame = simulate_world("A", seed=1, partners=120).to_frame()
    >>> panel = TacticPanel.from_frame(frame, manager="manager", tier="tier", covariates=["health"])
    >>> effects = estimate_adoption(panel)
    >>> effects.table["aggregate"].unique().tolist()
    ['overall', 'event', 'group', 'calendar']
    """
    study = study or TacticStudy(tactic=panel.tactic, stakes=Stakes(unit=panel.outcome_name))
    control = control or study.comparison
    if score not in ("reg", "dr", "ipw"):
        raise ParameterError(f"score is {score!r}; it is 'reg', 'dr' or 'ipw'")
    if anticipation < 0:
        raise ParameterError(f"anticipation is {anticipation}; give 0 or more quarters")
    sample = adoption_sample(panel, study, control=control, cluster=cluster)
    covariates = _with_past(sample) if matched else sample.covariates
    options = {"covariates": covariates, "control": control, "score": score, "anticipation": anticipation}
    effects = group_time_effects(sample.outcome, sample.adopted, **options)
    if sample.others is not None:
        ran = [group_time_effects(values, sample.adopted, **options).att for values in np.moveaxis(sample.others.values, 2, 0)]
        effects = dataclasses.replace(effects, by_unit=add_error_of_others(effects, sample.others, np.stack(ran, axis=1)))
    if not np.isfinite(effects.att[effects.event_time >= 0]).any():
        raise SampleError(f"{study.tactic}: no group of adopters can be compared; too few partners, or covariates that separate them")
    table, parts = _aggregate(effects, sample, panel, level=level, seed=seed)
    pre_trend, pre_check = _pre_trend(parts["event"], sample.clusters, anticipation=anticipation)
    unknown = int((~np.isfinite(effects.att) & (effects.event_time >= 0)).sum())
    checks = (
        *sample.checks,
        pre_check,
        Check(
            "groups comparable", unknown == 0, f"{plural(unknown, 'group and quarter', 'groups and quarters')} without comparison left out"
        ),
    )
    adopters = int((sample.adopted != NEVER).sum())
    enough = Check(
        "enough partners", adopters >= study.minimum, f"{plural(adopters, 'partner')} adopted it; the study asks for {study.minimum}"
    )
    event = parts["event"]
    start = event.influence[:, event.at == 0]
    return AdoptionEffects(
        estimand=f"Mean effect of {study.tactic} on {study.stakes.unit} per {study.stakes.per}, on the partners that adopted it (ATT)",
        table=table,
        checks=(enough, *checks),
        evidence=Evidence.B if panel.stays_on and enough.passed else Evidence.D,
        level=level,
        cells=_cells(effects, sample.clusters, panel),
        influence=_spread(parts["simple"].overall_influence, sample.keep),
        first_influence=_spread(start[:, 0] if start.shape[1] else np.full(len(start), np.nan), sample.keep),
        df=sample.clusters.df,
        partners=adopters,
        managers=sample.clusters.managers,
        pre_trend=pre_trend,
    )


def _with_past(sample: AdoptionSample) -> np.ndarray:
    """Covariates, and what was seen of the outcome up to each quarter: its last value and its mean."""
    seen = np.isfinite(sample.outcome)
    count = np.cumsum(seen, axis=1)
    mean = np.divide(np.cumsum(np.nan_to_num(sample.outcome), axis=1), count, out=np.full(seen.shape, np.nan), where=count > 0)
    past = np.stack([sample.outcome, mean], axis=2)
    return past if sample.covariates is None else np.concatenate([sample.covariates, past], axis=2)


def _spread(influence: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Influence by partner of the panel, scaled so that its squares sum to the variance."""
    whole = np.zeros(len(keep))
    whole[keep] = influence / keep.sum()
    return whole


def _aggregate(effects: GroupTimeEffects, sample: AdoptionSample, panel: TacticPanel, *, level: float, seed: int):
    """Averages of every kind as one table, and as they were computed."""
    kinds = ("simple", "event", "group", "calendar")
    parts = {kind: aggregate_effects(effects, kind=kind) for kind in kinds}
    labels = panel.labels
    rows = [
        _rows("overall", [OVERALL[kind] for kind in kinds], np.array([parts[kind].overall for kind in kinds]),
              np.column_stack([parts[kind].overall_influence for kind in kinds]),
              np.full(4, int(parts["simple"].treated.sum())), sample.clusters, level=level, seed=seed)
    ]  # fmt: skip
    for kind in kinds[1:]:
        at = [str(one) if kind == "event" else labels[one] for one in parts[kind].at]
        part = parts[kind]
        rows.append(_rows(kind, at, part.att, part.influence, part.treated, sample.clusters, level=level, seed=seed))
    return pd.concat(rows, ignore_index=True), parts


def _rows(aggregate, at, att, influence, n, clusters: Clusters, *, level: float, seed: int) -> pd.DataFrame:  # noqa: PLR0913
    covariance = influence_covariance(influence, clusters=clusters.code)
    error = np.sqrt(np.diag(covariance))
    width, band = float(critical_value(level, clusters.df)), simultaneous_critical(covariance, level=level, seed=seed, df=clusters.df)
    return pd.DataFrame(
        {
            "aggregate": aggregate, "at": pd.Series(at, dtype="str"), "estimate": att, "std_error": error,
            "conf_low": att - width * error, "conf_high": att + width * error, "n": n,
            "band_low": att - max(band, width) * error, "band_high": att + max(band, width) * error,
        }
    )  # fmt: skip


def _cells(effects: GroupTimeEffects, clusters: Clusters, panel: TacticPanel) -> pd.DataFrame:
    labels = np.array(panel.labels, dtype=object)
    known = np.diag(np.isfinite(effects.att).astype(float))
    variance = [  # some cells at a time: all of them, by partner, are more than the panel itself
        np.diag(influence_covariance(effects.by_unit.average(known[:, some : some + CELLS_AT_ONCE]), clusters=clusters.code))
        for some in range(0, len(known), CELLS_AT_ONCE)
    ]
    return pd.DataFrame(
        {
            "group": labels[effects.group], "quarter": labels[effects.time], "estimate": effects.att,
            "std_error": np.where(np.isfinite(effects.att), np.sqrt(np.concatenate(variance)), np.nan),
            "treated": effects.treated, "compared": effects.compared,
        }
    )  # fmt: skip


def _pre_trend(event, clusters: Clusters, *, anticipation: int) -> tuple[float, Check]:
    """Test that the last effects before adoption are zero: Hotelling's T2 over clusters."""
    from scipy.stats import f

    before = (event.at < -anticipation) & (event.at >= -anticipation - PRE_TREND_QUARTERS)
    att, influence = event.att[before], event.influence[:, before]
    covariance = influence_covariance(influence, clusters=clusters.code)
    q = int(np.linalg.matrix_rank(covariance)) if before.any() else 0
    if q == 0 or clusters.df - q + 1 < 1:
        return np.nan, Check("pre-trend", None, "no quarter before adoption can be compared")
    squared = float(att @ np.linalg.pinv(covariance, hermitian=True) @ att)
    df = clusters.df - q + 1
    p = float(f.sf(squared * df / (clusters.df * q), q, df))
    detail = f"p = {p:.2g} that adopters and others went on alike in the {plural(q, 'quarter')} before adoption that can be compared"
    return p, Check("pre-trend", p >= DOUBT, detail)
