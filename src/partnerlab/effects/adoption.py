"""Tactics that stay once adopted: differences in differences by group and time, and the estimators they are held against."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.adopters import AdoptionSample, Control, adoption_sample, compared_partners
from partnerlab.effects.other_tactics import add_error_of_others
from partnerlab.effects.sample import DOUBT, Cluster, Clusters, study_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import NEVER, TacticPanel
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.did import Base, GroupTimeEffects, Score, group_time_effects
from partnerlab.stats.causes.did_aggregates import Aggregate, aggregate_effects, influence_covariance, simultaneous_critical
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.words import plural, say_p

#: Names of the overall averages, by the average they come from.
OVERALL = {"simple": "partner-quarters", "event": "event times", "group": "groups", "calendar": "quarters"}
#: Quarters before adoption that the test of pre-trends looks at: farther back few partners are left, and each costs power.
PRE_TREND_QUARTERS = 4
#: Cells whose influence by partner is laid out at a time.
CELLS_AT_ONCE = 32
#: Partners read at a time: they stay in the processor's cache.
BLOCK = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdoptionEffects(Result):
    """Effects of adopting a tactic on the partners that did.

    The table's keys are ``aggregate`` ("overall", "event", "group", "calendar", and "bin" where asked for) and ``at``;
    ``band_low`` and ``band_high`` hold for all rows of an aggregate at once.

    Parameters
    ----------
    cells : DataFrame
        The effects by group and quarter that were averaged: ``group, quarter, estimate, std_error, treated, compared``.
    influence : float array, shape (n,)
        Influence of each partner of the panel on the overall effect per partner-quarter; its sum of squares (summed by cluster
        first) is the squared standard error, but for the factor ``G / (G - 1)`` of treated managers.
    first_influence : float array, shape (n,)
        The same for the effect in the quarter of adoption.
    df : float
        Degrees of freedom of the intervals.
    partners, compared, managers : int
        Treated partners, those that they are compared with at some time, and clusters if managers are they (else None).
    pre_trend : float
        p-value of the test that adopters went on like the others before they adopted.
    """

    title: ClassVar[str] = "Effect of adoption"

    cells: pd.DataFrame = dataclasses.field(repr=False)
    influence: np.ndarray = dataclasses.field(repr=False)
    first_influence: np.ndarray = dataclasses.field(repr=False)
    df: float
    partners: int
    compared: int
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


def estimate_adoption(  # noqa: PLR0913 - the estimator's own choices
    panel: TacticPanel,
    *,
    study: TacticStudy | None = None,
    control: Control | None = None,
    score: Score = "reg",
    cluster: Cluster | None = None,
    anticipation: int = 0,
    base: Base = "varying",
    balance: int | None = None,
    events: tuple[int, int] | None = None,
    bins: Sequence[int] = (),
    matched: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> AdoptionEffects:
    """Estimate what adopting a tactic did to those that adopted it, by differences in differences.

    Effects of each group of adopters in each quarter (Callaway and Sant'Anna 2021), averaged by time since adoption, by group,
    by quarter, and overall; the average over treated partner-quarters is the headline.

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
        Managers if the panel knows them. Intervals are Student's; the side with fewer clusters, less one, gives degrees of
        freedom. Where managers are clusters squared errors have the factor ``G / (G - 1)`` of treated managers, for they are few.
    anticipation : int
        Quarters before adoption that may already show an effect.
    base : {"varying", "universal"}
        Before adoption: compare each quarter with the one before it, or all with the last one before adoption, which is then 0 by
        definition. Effects after adoption are the same.
    balance : int, optional
        By time since adoption: only groups seen at least so many quarters after it, up to that quarter, so that the mix of groups
        does not change along the way.
    events : tuple of int, optional
        By time since adoption: the first and the last quarter to show, and to average under "event times".
    bins : sequence of int
        First quarters of stretches of time since adoption that are also averaged, weighted by partners: ``(-4, 0, 1, 4)`` gives "-4 to
        -1", "0", "1 to 3" and from 4 on. The last quarter before adoption is not part of an average where it is 0 by definition.
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
        If ``control``, ``score``, ``cluster``, ``base`` or ``anticipation`` is none of these, or events or bins are not in order.
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
    study = study_of(panel, study)
    control = control or study.comparison
    if score not in ("reg", "dr", "ipw"):
        raise ParameterError(f"score is {score!r}; it is 'reg', 'dr' or 'ipw'")
    if base not in ("varying", "universal"):
        raise ParameterError(f"base is {base!r}; it is 'varying' or 'universal'")
    if min(anticipation, balance or 0) < 0:
        raise ParameterError(f"anticipation is {anticipation} and balance {balance}; give 0 or more quarters")
    if events is not None and events[0] > events[1]:
        raise ParameterError(f"events are {tuple(events)}; give the first and the last, in order")
    if list(bins) != sorted(set(bins)):
        raise ParameterError(f"bins are {tuple(bins)}; give the first quarter of each, in order")
    sample = adoption_sample(panel, study, control=control, cluster=cluster, weighted=True)
    covariates = _with_past(sample) if matched else sample.covariates
    options = {"covariates": covariates, "control": control, "score": score, "anticipation": anticipation, "base": base,
               "weights": sample.weight}  # fmt: skip
    effects = group_time_effects(sample.outcome, sample.adopted, **options)
    if sample.others is not None:
        ran = [group_time_effects(values, sample.adopted, **options).att for values in np.moveaxis(sample.others.values, 2, 0)]
        effects = dataclasses.replace(effects, by_unit=add_error_of_others(effects, sample.others, np.stack(ran, axis=1)))
    if not np.isfinite(effects.att[effects.event_time >= 0]).any():
        raise SampleError(f"{study.tactic}: no group of adopters can be compared; too few partners, or covariates that separate them")
    first, last = events or (None, None)
    parts = {
        "simple": aggregate_effects(effects, kind="simple"),
        "event": aggregate_effects(effects, kind="event", balance=balance, first=first, last=last),
        "group": aggregate_effects(effects, kind="group"),
        "calendar": aggregate_effects(effects, kind="calendar"),
    } | ({"bin": aggregate_effects(effects, kind="event", bins=bins)} if len(bins) else {})
    table = _tabled(parts, sample, panel, bins, level=level, seed=seed)
    every = aggregate_effects(effects, kind="event") if balance is not None or events is not None else parts["event"]
    pre_trend, pre_check = _pre_trend(every, sample.clusters, anticipation=anticipation)
    unknown = int((~np.isfinite(effects.att) & (effects.event_time >= 0)).sum())
    checks = (
        *sample.checks,
        pre_check,
        Check(
            "groups comparable", unknown == 0, f"{plural(unknown, 'group and quarter', 'groups and quarters')} without comparison left out"
        ),
    )
    adopters, compared = int((sample.adopted != NEVER).sum()), int(compared_partners(sample.adopted, control).sum())
    enough = Check(
        "enough partners", min(adopters, compared) >= study.minimum,
        f"{plural(adopters, 'partner')} adopted it, {compared} to compare with; the study asks for {study.minimum} on either side",
    )  # fmt: skip
    start = every.influence[:, every.at == 0]
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
        compared=compared,
        managers=sample.clusters.managers,
        pre_trend=pre_trend,
    )


def _with_past(sample: AdoptionSample) -> np.ndarray:
    """Covariates, and what was seen of the outcome up to each quarter: its last value and its mean."""
    own = 0 if sample.covariates is None else sample.covariates.shape[2]
    past = np.empty((*sample.outcome.shape, own + 2))
    for first in range(0, len(past), BLOCK):
        rows = slice(first, first + BLOCK)
        outcome = sample.outcome[rows]
        count = np.cumsum(np.isfinite(outcome), axis=1)
        total = np.cumsum(np.nan_to_num(outcome), axis=1)
        past[rows, :, own] = outcome
        past[rows, :, own + 1] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        if own:
            past[rows, :, :own] = sample.covariates[rows]
    return past


def _spread(influence: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Influence by partner of the panel, scaled so that its squares sum to the variance."""
    whole = np.zeros(len(keep))
    whole[keep] = influence / keep.sum()
    return whole


def _tabled(parts: dict[str, Aggregate], sample: AdoptionSample, panel: TacticPanel, bins: Sequence[int], *, level: float, seed: int):
    """Averages of every kind as one table."""
    labels, kinds = panel.labels, tuple(OVERALL)
    rows = [
        _rows("overall", list(OVERALL.values()), np.array([parts[kind].overall for kind in kinds]),
              np.column_stack([parts[kind].overall_influence for kind in kinds]),
              np.full(len(kinds), int(parts["simple"].treated.sum())), sample.clusters, level=level, seed=seed)
    ]  # fmt: skip
    names = {first: _say_bin(first, after) for first, after in zip(bins, [*bins[1:], None], strict=True)} if len(bins) else {}
    for kind, part in parts.items():
        if kind == "simple":
            continue
        say = {"event": str, "bin": names.get}.get(kind, labels.__getitem__)
        at = [say(one) for one in part.at.tolist()]
        rows.append(_rows(kind, at, part.att, part.influence, part.treated, sample.clusters, level=level, seed=seed))
    return pd.concat(rows, ignore_index=True)


def _say_bin(first: int, after: int | None) -> str:
    return f"{first} on" if after is None else str(first) if first == after - 1 else f"{first} to {after - 1}"


def _rows(aggregate, at, att, influence, n, clusters: Clusters, *, level: float, seed: int) -> pd.DataFrame:  # noqa: PLR0913
    covariance = clusters.factor * influence_covariance(influence, clusters=clusters.code)
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
            "std_error": np.where(np.isfinite(effects.att), np.sqrt(clusters.factor * np.concatenate(variance)), np.nan),
            "treated": effects.treated, "compared": effects.compared,
        }
    )  # fmt: skip


def _pre_trend(event, clusters: Clusters, *, anticipation: int) -> tuple[float, Check]:
    """Test that the last effects before adoption are zero: Hotelling's T2 over clusters."""
    from scipy.stats import f

    before = (event.at < -anticipation) & (event.at >= -anticipation - PRE_TREND_QUARTERS)
    att, influence = event.att[before], event.influence[:, before]
    covariance = clusters.factor * influence_covariance(influence, clusters=clusters.code)
    q = int(np.linalg.matrix_rank(covariance)) if before.any() else 0
    if q == 0 or clusters.df - q + 1 < 1:
        return np.nan, Check("pre-trend", None, "no quarter before adoption can be compared")
    squared = float(att @ np.linalg.pinv(covariance, hermitian=True) @ att)
    df = clusters.df - q + 1
    p = float(f.sf(squared * df / (clusters.df * q), q, df))
    detail = f"{say_p(p)} that adopters and others went on alike in the {plural(q, 'quarter')} before adoption that can be compared"
    return p, Check("pre-trend", p >= DOUBT, detail)
