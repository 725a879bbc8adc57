"""What lies behind the rows: who the partners are, how they stand, and at what rate things happen.

Everything here is an array over partners, or over partners and quarters. Given these
arrays every count is an independent Poisson draw and every lapse an independent coin:
that is what makes the truths of `partnerlab.intake.simulate.exact` exact.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping

import numpy as np

from partnerlab.intake.simulate.truth import Truth

#: Quarters before the record in which the first members joined.
HISTORY = 16


def stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one subject: adding a subject never changes the others."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def logit(share: float) -> float:
    """Log odds, -inf at 0 and inf at 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(share) - np.log1p(-share)) if share < 1 else float("inf")


def expit(odds: np.ndarray) -> np.ndarray:
    """Probability of log odds, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * odds))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latents:
    """Latent partners of a program; ``n`` partners, ``p`` quarters (lead-in and record).

    Parameters
    ----------
    region, manager : ndarray of int, shape (n,)
        Positions in ``truth.regions`` and among all managers.
    quality : ndarray of float32, shape (n,)
        Stable, standard normal in the joining population.
    liking : ndarray of float32, shape (n, p)
        How the manager likes the partner, standard deviation 1.
    state : ndarray of float32, shape (n, p)
        The slowly moving part of the log rate.
    joined : ndarray of int, shape (n,)
        Quarter of joining; negative before the record begins.
    joined_day : ndarray of float32, shape (n,)
        Share of that quarter gone at joining.
    tier : ndarray of int8, shape (n, p)
        Recorded tier, position in ``truth.tiers``; -1 before joining.
    treated : mapping of str to ndarray of uint8, shape (n, p)
        How often each tactic is used (as long as the partner is a member).
    adopted : ndarray of int, shape (n,)
        Quarter of taking up the portal, ``p`` if never.
    variant, exposed : ndarray of bool, shape (n,)
        Drawn for the treated variant of the trial; really took part.
    relevance : ndarray of float32, shape (n, p)
        Market relevance as last said, NaN while it was never said.
    relevance_said : ndarray of bool, shape (n, p)
        It is said anew in this quarter.
    log_rate : ndarray of float32, shape (n, p)
        Log of the lead rate of a whole quarter, -inf before joining.
    hazard : ndarray of float32, shape (n, p)
        Probability that a member at the start of a quarter lapses in it.
    """

    truth: Truth
    region: np.ndarray
    manager: np.ndarray
    quality: np.ndarray
    liking: np.ndarray
    state: np.ndarray
    joined: np.ndarray
    joined_day: np.ndarray
    tier: np.ndarray
    treated: Mapping[str, np.ndarray]
    adopted: np.ndarray
    variant: np.ndarray
    exposed: np.ndarray
    relevance: np.ndarray
    relevance_said: np.ndarray
    log_rate: np.ndarray
    hazard: np.ndarray

    @property
    def tenure(self) -> np.ndarray:
        """Quarters since joining, shape ``(n, p)``; negative before."""
        return np.arange(self.truth.periods) - self.joined[:, None]

    @property
    def rate(self) -> np.ndarray:
        """Leads of a whole quarter, shape ``(n, p)``."""
        return np.exp(self.log_rate)


def quarter_of_year(truth: Truth, periods: np.ndarray) -> np.ndarray:
    """Position 0 to 3 in the program's year of periods counted from the first with rows."""
    return (truth.start + np.asarray(periods)) % 4


def _joining(truth: Truth, count: int, rng: np.random.Generator) -> np.ndarray:
    """Quarter of joining of candidates, before anybody left: ``already_members`` of them up to the first quarter of the record."""
    earlier = rng.random(count) < truth.already_members
    return np.where(earlier, rng.integers(-HISTORY, 1, count), rng.integers(1, truth.periods, count))


def _walk(truth: Truth, count: int, rng: np.random.Generator) -> np.ndarray:
    """Stationary AR(1) over history and record, shape ``(count, HISTORY + p)``."""
    steps = rng.standard_normal((count, HISTORY + truth.periods), dtype=np.float32)
    memory, fresh = truth.state_memory, float(np.sqrt(1.0 - truth.state_memory**2))
    for t in range(1, steps.shape[1]):
        steps[:, t] = memory * steps[:, t - 1] + fresh * steps[:, t]
    return steps


def log_hazard(
    truth: Truth, *, quality: np.ndarray, state: np.ndarray, region: np.ndarray, tenure: np.ndarray, quarters: np.ndarray
) -> np.ndarray:
    """Linear predictor ``eta`` of `Truth`, without tactics; ``state`` in standard deviations, shapes ``(n, t)``."""
    if truth.lapse == 0.0:
        return np.full(tenure.shape, -np.inf, dtype=np.float32)
    level = np.log(-np.log1p(-truth.lapse)) + np.array([area.hazard for area in truth.regions.values()])[region]
    eta = (level + truth.lapse_quality * quality)[:, None] + truth.lapse_state * state
    eta = eta + np.log(np.array(truth.lapse_season))[quarter_of_year(truth, quarters)]
    eta = eta + np.where(tenure <= truth.honeymoon, np.log(truth.honeymoon_ratio), 0.0)
    return eta + np.where((tenure > 0) & (tenure % 4 == 0), np.log(truth.renewal_ratio), 0.0)


def _alive(truth: Truth, people: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Which candidates are still members when the record begins, shape ``(count,)``."""
    quarters = np.arange(-HISTORY, 0)
    tenure = quarters - people["joined"][:, None]
    eta = log_hazard(
        truth, quality=people["quality"], state=people["walk"][:, :HISTORY], region=people["region"], tenure=tenure, quarters=quarters
    )
    stay = np.where(tenure > 0, -np.exp(eta), 0.0).sum(axis=1)
    return np.log(rng.random(len(stay))) < stay


def _candidates(truth: Truth, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shares = np.array([area.share for area in truth.regions.values()])
    people = {
        "region": rng.choice(len(shares), size=count, p=shares / shares.sum()).astype(np.int8),
        "quality": rng.standard_normal(count, dtype=np.float32),
        "joined": _joining(truth, count, rng),
        "walk": _walk(truth, count, rng),
    }
    alive = _alive(truth, people, rng)
    return {name: values[alive] for name, values in people.items()}


def draw_people(truth: Truth, *, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Partners who are seen at all: those who joined early and left before the record are no longer there."""
    blocks: list[dict[str, np.ndarray]] = []
    while sum(len(block["region"]) for block in blocks) < count:
        blocks.append(_candidates(truth, count + 16, rng))
    return {name: np.concatenate([block[name] for block in blocks])[:count] for name in blocks[0]}


def assess_tiers(truth: Truth, *, merit: np.ndarray, tenure: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Find the recorded tier of each quarter, shape ``(n, p)``: assessed on joining and at every yearly renewal."""
    error = rng.normal(0.0, truth.assessment_sd, merit.shape).astype(np.float32)
    tiers = np.full(merit.shape, -1, dtype=np.int8)
    for t in range(merit.shape[1]):
        score = merit[:, t] + error[:, t]
        fresh = sum((score < cut).astype(np.int8) for cut in truth.tier_cuts) + np.zeros(len(score), dtype=np.int8)
        due = (tenure[:, t] >= 0) & ((tenure[:, t] % 4 == 0) | (t == 0))
        held = tiers[:, t - 1] if t else tiers[:, 0]
        tiers[:, t] = np.where(due, fresh, np.where(tenure[:, t] >= 0, held, -1))
    return tiers


def choose_partners(truth: Truth, *, liking: np.ndarray, tenure: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """How often each tactic is used with each partner: managers choose those they like."""
    treated = {}
    for name, tactic in truth.tactics.items():
        chosen = rng.random(liking.shape, dtype=np.float32) < expit(logit(tactic.chance) + tactic.liking * liking)
        times = rng.integers(1, tactic.most + 1, liking.shape, dtype=np.uint8) if tactic.most > 1 else np.uint8(1)
        treated[name] = np.where(chosen & (tenure >= 0), times, 0).astype(np.uint8)
    return treated


def adopt_portal(truth: Truth, *, quality: np.ndarray, tenure: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Quarter in which each partner takes up the portal, ``p`` if never."""
    portal, (count, periods) = truth.portal, tenure.shape
    if portal.start < 0:
        return np.full(count, periods)
    open_ = (np.arange(periods) >= portal.start + truth.lead_in) & (tenure > 0)
    chance = expit(logit(portal.chance) + portal.liking * quality)[:, None]
    taken = open_ & (rng.random(tenure.shape, dtype=np.float32) < chance)
    return np.where(taken.any(axis=1), taken.argmax(axis=1), periods)


def draw_trial(
    truth: Truth, *, tier: np.ndarray, quality: np.ndarray, tenure: np.ndarray, rng: np.random.Generator, dealt: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Variant and real participation of each partner, both bool ``(n,)``; as ``dealt``, else by a deal within tiers."""
    trial, t = truth.trial, truth.trial.start + truth.lead_in
    count = len(quality)
    ticket, willing = rng.random(count), rng.random(count)
    if trial.start < 0 or t >= truth.periods:
        return np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    able = tenure[:, t] > 0
    variant = np.zeros(count, dtype=bool) if dealt is None else dealt
    for stratum in range(len(truth.tiers)) if dealt is None else ():
        members = np.flatnonzero(able & (tier[:, t] == stratum))
        order = members[np.argsort(ticket[members])]
        variant[order[: round(trial.share * len(order))]] = True
    return variant, variant & (willing < expit(logit(trial.compliance) + 0.5 * quality))
