"""Whom to give a tactic next: those without it, by what it is expected to bring, if anybody like them ever had it."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.analysis import TacticAnalysis, require_analysed
from partnerlab.effects.by_tier import TierEffects, estimate_by_tier
from partnerlab.effects.sample import eligible_groups, known_before
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.tactics_by_tier import TacticComparison
from partnerlab.effects.trials import Trials, design_of, stack_trials
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.pairs import CALIPER
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.words import plural, say_number

#: Treated rows that must have looked like a partner before its uplift is read off theirs.
FEWEST_LIKE = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class NextPartners(Result):
    """Partners without a tactic, by expected uplift; key ``partner``.

    ``estimate`` is the pooled effect in the partner's tier, per treated row; ``n`` the treated rows behind it; ``chance`` how likely
    managers were to give it to a partner like this; ``like`` the treated rows that looked like it, and ``overlap`` whether they are
    enough; ``net_value`` and ``pays`` are in money (value less cost, and the probability that it is above 0); ``why`` says what stands
    in the way where there is no estimate; ``chosen`` marks the first ``top``. Partners of one tier share one estimate: the order among
    them is by how many like them had it.

    Parameters
    ----------
    tactic, unit, currency : str
    cost : float
        Of one treated row.
    break_even : float
        Effect at which value meets cost; NaN where no value is stated.
    """

    title: ClassVar[str] = "Whom to give it next"

    tactic: str
    unit: str
    currency: str
    cost: float
    break_even: float

    @property
    def chosen(self) -> pd.DataFrame:
        """The partners that are planned for."""
        return self.table[self.table["chosen"]]


def plan_next_partners(
    panel: TacticPanel,
    *,
    analysis: TacticAnalysis,
    effects: TierEffects | TacticComparison | None = None,
    top: int | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> NextPartners:
    """Rank the partners that are without a tactic by what it is expected to bring them.

    Candidates are the eligible partners seen in the panel's last quarter without the tactic in it. The uplift of each is the effect in
    its tier (and region, if the pooled cells have it), shrunk towards the others, never its cell's raw one. It holds only where at
    least ten treated rows looked like the partner, by a logit of treatment on what managers could know; others are listed as such,
    without a number. Where the analysis cannot tell what the tactic did, nobody is ranked.

    Parameters
    ----------
    panel : TacticPanel
        The one that was analysed.
    analysis : TacticAnalysis
        Of `analyze_tactic`.
    effects : TierEffects or TacticComparison, optional
        Pooled cells by tier, region, or both, with ``tactic`` among the keys if there are several; the analysis' own tiers, pooled, if
        None.
    top : int, optional
        How many to choose, of those whose net value (or effect, without a value) is above 0; all of those if None.
    level : float
        Coverage.
    seed : int
        Of the draws behind the pooling's chances.

    Returns
    -------
    NextPartners

    Raises
    ------
    SampleError
        If nobody eligible is without the tactic.
    ParameterError
        If ``effects`` has no cell of this tactic, ``top`` is under 1, or the panel is not the one that was analysed.

    Examples
    --------
    >>> from partnerlab.effects import Known, analyze_tactic
    >>> from partnerlab.intake.simulate import simulate_world
    >>> from partnerlab.verdicts import Stakes
    >>> world = simulate_world("B", seed=1).to_frame()
    >>> panel = TacticPanel.from_frame(world, manager="manager", tier="tier", covariates=["health"])
    >>> stakes = Stakes(unit="leads", value=400, cost=40, currency="EUR")
    >>> health = Known(name="health", at="start", lag=0)
    >>> found = analyze_tactic(panel, study=TacticStudy(tactic="Dinner", stakes=stakes, covariates=(health,)))
    >>> plan = plan_next_partners(panel, analysis=found, top=3)
    >>> len(plan.chosen), plan.break_even, set(plan.chosen["tier"])
    (3, 0.1, {'Bronze'})
    """
    if top is not None and top < 1:
        raise ParameterError(f"top is {top}; give 1 or more")
    study, stakes = analysis.study, analysis.study.stakes
    require_analysed(analysis, panel, asked="plan_next_partners")
    who = _candidates(panel, study)
    chance, like = _likeness(panel, study, who)
    known = analysis.verdict.earned in (Evidence.A, Evidence.B) or isinstance(effects, TacticComparison)
    table = _listed(panel, who).assign(chance=chance, like=like, overlap=like >= FEWEST_LIKE)
    table = table.merge(_uplift(analysis, effects, level=level, seed=seed), how="left", on=_keys(effects), validate="m:1")
    table["why"] = np.select(
        [~np.full(len(table), known), ~table["overlap"], table["estimate"].isna()],
        ["what it does is not known", "nobody like it had it", "too few of its tier had it"],
        default="",
    )
    tidy = ["estimate", "std_error", "conf_low", "conf_high"]
    table.loc[table["why"] != "", tidy] = np.nan
    table = _priced(table, analysis)
    table = _ranked(table, top)
    return NextPartners(
        estimand=f"Expected effect of {study.tactic} on {stakes.unit} per {stakes.per}, on partners without it",
        table=table,
        checks=_checks(table, known, analysis),
        evidence=analysis.verdict.earned,
        level=level,
        tactic=study.tactic,
        unit=stakes.unit,
        currency=stakes.currency,
        cost=stakes.cost,
        break_even=math.nan if stakes.break_even is None else stakes.break_even,
    )


def _candidates(panel: TacticPanel, study: TacticStudy) -> np.ndarray:
    """Rows of eligible partners seen in the last quarter without the tactic in it; never before it, for one that stays."""
    seen = np.isfinite(panel.last_outcome) & (panel.treated[:, -1] == 0) & eligible_groups(panel, study)[:, -1]
    if panel.stays_on:
        seen &= ~panel.on.any(axis=1)
    who = np.flatnonzero(seen)
    if not len(who):
        raise SampleError(f"{study.tactic}: no eligible partner of the last quarter is without it; there is nobody to plan for")
    return who


def _listed(panel: TacticPanel, who: np.ndarray) -> pd.DataFrame:
    def named(names: tuple[str, ...], codes: np.ndarray) -> list[str | None]:
        return [names[code] if code >= 0 else None for code in codes[who, -1]]

    return pd.DataFrame(
        {
            "partner": panel.partners[who],
            "tier": named(panel.tiers, panel.tier),
            "region": named(panel.regions, panel.region),
            "manager": named(panel.managers, panel.manager),
        },
        dtype="str",
    )


def _keys(effects: TierEffects | TacticComparison | None) -> list[str]:
    keys = ["tier"] if effects is None else [key for key in effects.keys if key in ("tier", "region")]
    if not keys:
        raise ParameterError("effects: cells must be named by tier or region")
    return keys


def _uplift(analysis: TacticAnalysis, effects: TierEffects | TacticComparison | None, *, level: float, seed: int) -> pd.DataFrame:
    """Pooled effects of the tactic by cell; one for all where there are too few cells to pool."""
    tidy = ["estimate", "std_error", "conf_low", "conf_high", "n"]
    if effects is not None:
        cells = effects.table
        if "tactic" in cells:
            cells = cells[cells["tactic"] == analysis.study.tactic]
        if cells.empty:
            raise ParameterError(f"effects: no cell of {analysis.study.tactic}; name the tactic as its study does")
        return cells[[*_keys(effects), *tidy]].assign(df=np.inf)  # pooled errors are widened for few managers already
    tiers = analysis.tiers
    if int((tiers["estimate"].notna() & tiers["std_error"].notna()).sum()) >= 3:
        return (
            estimate_by_tier(tiers, by=("tier",), df="df", scale="scale", level=level, seed=seed).table[["tier", *tidy]].assign(df=np.inf)
        )
    verdict = analysis.verdict
    one = dict(zip(tidy, (verdict.estimate, verdict.std_error, verdict.conf_low, verdict.conf_high, verdict.n), strict=True))
    return tiers[["tier"]].assign(**one, df=verdict.df).replace({"tier": {"all": None}})


def _likeness(panel: TacticPanel, study: TacticStudy, who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chance that managers give it to each candidate next quarter, and how many treated rows had nearly that chance."""
    asked = study.model_copy(update={"untreated_for": max(study.untreated_for, 1)}) if panel.stays_on else study
    trials = stack_trials(panel, asked)
    past, names = trials.past
    names = (*names, *trials.names)
    lasting = [place for place, name in enumerate(names) if name not in panel.labels]
    columns = np.column_stack([past, trials.known])[:, lasting]
    now = _features(panel, study, trials, who)
    at = np.column_stack([now[names[place]] for place in lasting])
    kept = design_of(columns)[1]
    middle, spread = columns[:, kept].mean(axis=0), columns[:, kept].std(axis=0)
    design, point = (np.column_stack([np.ones(len(part)), (part[:, kept] - middle) / spread]) for part in (columns, at))
    logit = fit_propensity(trials.treated, design, np.ones(len(design)))
    if logit is None:
        return np.full(len(who), np.nan), np.zeros(len(who), dtype=np.int64)
    odds, own = design @ logit.coefficients, point @ logit.coefficients
    treated = np.sort(odds[trials.treated])
    wide = CALIPER * float(odds.std())
    like = np.searchsorted(treated, own + wide, side="right") - np.searchsorted(treated, own - wide, side="left")
    return logit.predict(point), np.where(np.isfinite(own), like, 0)


def _features(panel: TacticPanel, study: TacticStudy, trials: Trials, who: np.ndarray) -> dict[str, np.ndarray]:
    """Give what managers will know of candidates when the next quarter begins, by the names that trials use."""
    outcome, treated = panel.outcome[who], panel.treated[who]
    past = trials.lay_past(np.column_stack([panel.last_outcome[who], np.nanmean(outcome, axis=1)]))
    found = dict(zip(trials.past[1], past.T, strict=True)) | {
        f"{panel.tactic} 1 quarter before": treated[:, -1],
        f"share of earlier quarters with {panel.tactic}": np.nanmean(treated, axis=1),
    }
    # as of the last quarter's end; what is known only at the start of the next is taken as it stood at the start of the last
    later = known_before(
        dataclasses.replace(panel, covariates={name: _one_later(values) for name, values in panel.covariates.items()}), study
    )
    for place, known in enumerate(study.covariates):
        found[known.said] = later[who, -1, place] if known.lag else panel.covariates[known.name][who, -1]
    for name, other in panel.others.items():
        found |= {name: other[who, -1], f"{name} 1 quarter before": other[who, -1]}
    for names, codes in ((panel.tiers, panel.tier), (panel.regions, panel.region)):
        found |= {name: (codes[who, -1] == code).astype(float) for code, name in enumerate(names)}
    return found | ({"unknown": np.zeros(len(who))} if "unknown" not in found else {})


def _one_later(values: np.ndarray) -> np.ndarray:
    """Values moved one quarter earlier, so that a lag of 1 from the last column reads the last quarter."""
    return np.column_stack([values[:, 1:], values[:, -1]])


def _priced(table: pd.DataFrame, analysis: TacticAnalysis) -> pd.DataFrame:
    from scipy.stats import t

    stakes = analysis.study.stakes
    if stakes.value is None:
        return table.assign(net_value=np.nan, pays=np.nan)
    net = stakes.value * table["estimate"] - stakes.cost
    spread = (
        abs(stakes.value) * (table["conf_high"] - table["conf_low"]) / (2 * critical_value(analysis.level, table["df"].to_numpy(float)))
    )
    return table.assign(net_value=net, pays=t.cdf(net / spread, table["df"]))


def _ranked(table: pd.DataFrame, top: int | None) -> pd.DataFrame:
    """Best first; without an estimate last, by name."""
    by = "net_value" if table["net_value"].notna().any() else "estimate"
    order = np.lexsort((table["partner"], -table["like"], -table[by].fillna(-np.inf)))
    table = table.iloc[order].reset_index(drop=True)
    worth = table[by] > 0
    chosen = worth if top is None else worth & (worth.cumsum() <= top)
    tidy = ["partner", "estimate", "std_error", "conf_low", "conf_high", "n", "tier", "region", "manager"]
    return table.assign(chosen=chosen)[[*tidy, "chance", "like", "overlap", "net_value", "pays", "chosen", "why"]]


def _checks(table: pd.DataFrame, known: bool, analysis: TacticAnalysis) -> tuple[Check, ...]:
    alone = int((~table["overlap"]).sum())
    stakes = analysis.study.stakes
    parts = [
        Check("effect known", known, "the analysis stands" if known else f"nobody is ranked: {analysis.verdict.statement}"),
        Check("overlap", alone == 0, f"{plural(alone, 'partner')} of {len(table)} like whom fewer than {FEWEST_LIKE} treated rows were"),
    ]
    if stakes.break_even is not None:
        said = say_number(stakes.break_even)
        parts.append(Check("break-even", None, f"pays from {said} {stakes.unit} per {stakes.per} on"))
    return tuple(parts)
