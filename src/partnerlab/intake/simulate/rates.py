"""From latent partners to rates: what each tactic, the portal and the trial add."""

from __future__ import annotations

import numpy as np

from partnerlab.intake.simulate.latents import (
    HISTORY,
    Latents,
    adopt_portal,
    assess_tiers,
    choose_partners,
    draw_people,
    draw_trial,
    log_hazard,
    quarter_of_year,
    stream,
)
from partnerlab.intake.simulate.truth import Tactic, Truth


def tactic_effect(tactic: Tactic, *, treated: np.ndarray, tier: np.ndarray) -> np.ndarray:
    """Log rate added in each quarter by use of a tactic in the quarters before, shape ``(n, p)``."""
    added = np.zeros(treated.shape, dtype=np.float32)
    if not any(tactic.effect):
        return added
    effect = np.array([*tactic.effect, 0.0], dtype=np.float32)
    for t in range(1, treated.shape[1]):
        added[:, t] = tactic.carry * added[:, t - 1] + effect[tier[:, t - 1]] * (treated[:, t - 1] > 0)
    return added


def portal_effect(truth: Truth, *, adopted: np.ndarray, tier: np.ndarray) -> np.ndarray:
    """Log rate added by the portal from the quarter of adoption on, shape ``(n, p)``."""
    periods = tier.shape[1]
    since = np.arange(periods) - adopted[:, None]
    at_adoption = tier[np.arange(len(adopted)), np.minimum(adopted, periods - 1)]
    ramp = np.array(truth.portal.ramp, dtype=np.float32)[np.clip(since, 0, len(truth.portal.ramp) - 1)]
    effect = np.array(truth.portal.effect, dtype=np.float32)[at_adoption][:, None]
    return np.where(since >= 0, ramp * effect, 0.0).astype(np.float32)


def trial_effect(truth: Truth, exposed: np.ndarray) -> np.ndarray:
    """Log rate added by really taking part in the trial, shape ``(n, p)``."""
    since = np.arange(truth.periods) - truth.lead_in - truth.trial.start
    works = (truth.trial.start >= 0) & (since >= 0) & (since < truth.trial.length)
    return (truth.trial.effect * (exposed[:, None] & works)).astype(np.float32)


def untreated_log_rate(truth: Truth, *, quality: np.ndarray, state: np.ndarray, region: np.ndarray, tenure: np.ndarray) -> np.ndarray:
    """Log lead rate with no tactic, portal or trial, shape ``(n, p)``; -inf before joining."""
    quarters = np.arange(truth.periods)
    level = np.log(truth.leads) + np.array([area.level for area in truth.regions.values()])[region]
    clock = np.array(truth.season)[quarter_of_year(truth, quarters)] + truth.growth * (quarters - truth.lead_in)
    ramp = np.array([*truth.ramp, 0.0])[np.clip(tenure, 0, len(truth.ramp))]
    log_rate = (level + truth.quality_sd * quality)[:, None] + state + clock + ramp
    return np.where(tenure >= 0, log_rate, -np.inf).astype(np.float32)


def draw_relevance(truth: Truth, *, quality: np.ndarray, tenure: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Market relevance as last said, and whether it is said anew; both shape ``(n, p)``."""
    mean, spread = truth.relevance
    tie = truth.relevance_quality
    stable = tie * quality + np.sqrt(1.0 - tie**2) * rng.standard_normal(len(quality))
    drift = rng.normal(0.0, 0.12, tenure.shape).cumsum(axis=1)
    now = np.clip(np.rint(mean + spread * (stable[:, None] + drift)), 0, 100)
    says = (rng.random(len(quality)) >= truth.never_says)[:, None]
    said = says & (tenure >= 0) & ((rng.random(tenure.shape) < 0.25) | (tenure == 0) | (np.arange(tenure.shape[1]) == 0))
    last = np.where(said, np.arange(tenure.shape[1]), -1)
    np.maximum.accumulate(last, axis=1, out=last)
    known = np.take_along_axis(now, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, known, np.nan).astype(np.float32), said


def draw_managers(truth: Truth, *, region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give each partner a manager, numbered through all regions, shape ``(n,)``."""
    sizes = np.array([area.managers for area in truth.regions.values()])
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return first[region] + (rng.random(len(region)) * sizes[region]).astype(np.int64)


def draw_latents(truth: Truth, *, count: int, seed: int, dealt: np.ndarray | None = None) -> Latents:
    """Draw latent partners of a program.

    Parameters
    ----------
    truth : Truth
        What holds in the program.
    count : int
        How many partners.
    seed : int
        Same seed, same partners.
    dealt : ndarray of bool, shape (count,), optional
        Who was dealt the treated variant of the trial, where somebody else dealt it.

    Returns
    -------
    Latents
    """
    people = draw_people(truth, count=count, rng=stream(seed, "people"))
    quality, region, walk = people["quality"], people["region"], people["walk"][:, HISTORY:]
    quarters = np.arange(truth.periods)
    tenure = quarters - people["joined"][:, None]
    chemistry = stream(seed, "chemistry").normal(0.0, truth.chemistry, count)
    merit = quality[:, None] + truth.likes_state * walk
    spread = np.sqrt(1.0 + truth.likes_state**2 + truth.chemistry**2)
    liking = ((merit + chemistry[:, None]) / spread).astype(np.float32)
    tier = assess_tiers(truth, merit=merit, tenure=tenure, rng=stream(seed, "tiers"))
    treated = choose_partners(truth, liking=liking, tenure=tenure, rng=stream(seed, "tactics"))
    adopted = adopt_portal(truth, quality=quality, tenure=tenure, rng=stream(seed, "portal"))
    variant, exposed = draw_trial(truth, tier=tier, quality=quality, tenure=tenure, rng=stream(seed, "trial"), dealt=dealt)
    state = (truth.state_sd * walk).astype(np.float32)
    log_rate = untreated_log_rate(truth, quality=quality, state=state, region=region, tenure=tenure)
    eta = log_hazard(truth, quality=quality, state=walk, region=region, tenure=tenure, quarters=quarters)
    for name, tactic in truth.tactics.items():
        log_rate += tactic_effect(tactic, treated=treated[name], tier=tier)
        eta[:, 1:] += tactic.retention * (treated[name][:, :-1] > 0)
    log_rate += portal_effect(truth, adopted=adopted, tier=tier) + trial_effect(truth, exposed)
    relevance, said = draw_relevance(truth, quality=quality, tenure=tenure, rng=stream(seed, "relevance"))
    return Latents(
        truth=truth,
        region=region,
        manager=draw_managers(truth, region=region, rng=stream(seed, "managers")),
        quality=quality,
        liking=liking,
        state=state,
        joined=people["joined"],
        joined_day=stream(seed, "joined").random(count, dtype=np.float32),
        tier=tier,
        treated=treated,
        adopted=adopted,
        variant=variant,
        exposed=exposed,
        relevance=relevance,
        relevance_said=said,
        log_rate=log_rate,
        hazard=np.where(tenure > 0, -np.expm1(-np.exp(eta)), 0.0).astype(np.float32),
    )
