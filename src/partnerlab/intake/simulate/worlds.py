"""Three worlds in which managers hand out one tactic for reasons of their own, with the true effect known.

World A: adoption is staggered and stays. Who starts depends on health, which is seen and bends the trend, and on a stable
quality that nobody sees; given health, trends are parallel. World B: the tactic goes on and off. Managers react to last
quarter's result, to health and to whether the tactic is on; results carry over from quarter to quarter. Given the past,
treatment is as good as random. World C: both at once; no standard estimator is right. Each has a twin without effect.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import expit

from partnerlab.errors import ParameterError, nearest
from partnerlab.periods import Calendar

WorldName = Literal["A", "B", "C"]
TIERS = ("Bronze", "Silver", "Gold")
#: Effect of a full quarter of the tactic on a partner of each tier.
EFFECTS = np.array([0.30, 0.20, 0.10])
#: World A: share of the effect in the first, second and later quarters.
RAMP = np.array([0.5, 1.0, 1.25])
#: Quarters that world B and C run before they are shown.
LEAD_IN = 8
#: Quarters shown before the first partner may start.
UNTREATED = {"A": 4, "B": 2, "C": 2}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Rules:
    """How a world's managers choose and how its results come about; see `_WORLDS`."""

    start: float
    health: float
    quality: float
    result: float
    status: float
    level: float
    trend: float
    health_level: float
    health_kept: float
    kinship: float
    noise: float
    shock: float
    cuts: tuple[float, float]


#: Chosen so that the naive, two-way and Callaway-Sant'Anna estimates err as far as `docs/decisions/worlds.md` says.
_WORLDS = {
    "A": _Rules(
        start=-2.40, health=-0.459, quality=-0.833, result=0.0, status=0.0, level=1.25, trend=0.43, shock=0.15,
        health_level=0.0, health_kept=1.0, kinship=0.3, noise=0.35, cuts=(-0.4, 0.75),
    ),
    "B": _Rules(
        start=-1.585, health=-0.275, quality=0.0, result=-1.025, status=1.5, level=0.945, trend=0.0, shock=0.2,
        health_level=-0.04, health_kept=0.956, kinship=0.215, noise=0.272, cuts=(0.0, 1.0),
    ),
    "C": _Rules(
        start=-1.639, health=-0.847, quality=-2.14, result=-0.59, status=1.484, level=1.073, trend=-0.885, shock=0.15,
        health_level=0.1, health_kept=0.5, kinship=0.892, noise=0.35, cuts=(-0.5, 0.4),
    ),
}  # fmt: skip
#: Spread of managers' taste for the tactic; what of a manager's shock and of a result is left a quarter later; growth a quarter.
TASTE, SHOCK_KEPT, CARRIED, DRIFT = 0.4, 0.5, 0.6, 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """A simulated panel of partners, and the effect it was made with.

    Parameters
    ----------
    outcome : float array, shape (n, t)
        Result of each partner in each quarter.
    treated : bool array, shape (n, t)
        Whether the tactic was on.
    health : float array, shape (n, t)
        What managers see of a partner.
    tier : int array, shape (n,)
        Tier before any treatment, codes of `TIERS`.
    manager : int array, shape (n,)
        Who looks after the partner.
    effect : float array, shape (n, t)
        What the tactic adds, or would add, in each partner-quarter.
    name : str
        ``"A"``, ``"B"`` or ``"C"``.
    """

    outcome: np.ndarray
    treated: np.ndarray
    health: np.ndarray
    tier: np.ndarray
    manager: np.ndarray
    effect: np.ndarray
    name: str

    @property
    def truth(self) -> float:
        """Mean effect over treated partner-quarters."""
        return float(self.effect[self.treated].mean())

    @property
    def truth_by_tier(self) -> dict[str, float]:
        """The same within each tier; NaN where nobody of the tier was treated."""
        tier = np.broadcast_to(self.tier[:, None], self.treated.shape)
        found = {}
        for code, name in enumerate(TIERS):
            here = self.treated & (tier == code)
            found[name] = float(self.effect[here].mean()) if here.any() else float("nan")
        return found

    def to_frame(self, *, first: str = "2024Q1") -> pd.DataFrame:
        """One row for each partner and quarter: partner, quarter, manager, tier, health, treated, outcome."""
        partners, quarters = self.outcome.shape
        calendar = Calendar()
        labels = [calendar.label(calendar.parse(first) + quarter) for quarter in range(quarters)]
        return pd.DataFrame(
            {
                "partner": np.repeat([f"P{number:04d}" for number in range(partners)], quarters),
                "quarter": np.tile(labels, partners),
                "manager": np.repeat([f"M{number:02d}" for number in self.manager], quarters),
                "tier": np.repeat(np.array(TIERS)[self.tier], quarters),
                "health": self.health.ravel(),
                "treated": self.treated.ravel(),
                "outcome": self.outcome.ravel(),
            }
        )


def simulate_world(name: WorldName, *, seed: int, null: bool = False, partners: int = 300, quarters: int = 12, managers: int = 30) -> World:
    """Make one of the three worlds.

    Parameters
    ----------
    name : {"A", "B", "C"}
        Which world; see the module.
    seed : int
        Same seed, same world; the twin without effect shares every draw.
    null : bool
        Without effect.
    partners, quarters, managers : int
        Size; partners are dealt to managers in turn.

    Raises
    ------
    ParameterError
        On an unknown world, or one too small to hold a start.

    Examples
    --------
    >>> world = simulate_world("A", seed=1)
    >>> world.outcome.shape, world.treated[:, :2].any()
    ((300, 12), np.False_)
    """
    if name not in _WORLDS:
        raise ParameterError(f"simulate_world: no world {name!r}{nearest(str(name), _WORLDS)}")
    if partners < 1 or managers < 1 or quarters <= UNTREATED[name]:
        raise ParameterError(f"simulate_world: needs a partner, a manager and more than {UNTREATED[name]} quarters")
    rules, random = _WORLDS[name], np.random.default_rng(seed)
    quality = random.standard_normal(partners)
    health = rules.kinship * quality + np.sqrt(1 - rules.kinship**2) * random.standard_normal(partners)
    tier = (quality + 0.5 * random.standard_normal(partners) > np.array(rules.cuts)[:, None]).sum(axis=0)
    manager = np.arange(partners) % managers
    taste = TASTE * random.standard_normal(managers)[manager]
    before = 0 if name == "A" else LEAD_IN
    shape = (partners, quarters + before)
    shock = rules.shock * _shocks(random, managers, shape[1])[manager]
    luck, noise = random.random(shape), rules.noise * random.standard_normal(shape) + shock
    passing = random.standard_normal(shape)
    full = EFFECTS[tier]
    lean = rules.start + rules.quality * quality + taste
    if name == "A":
        treated, effect = _adopt_once(expit(lean + rules.health * health), luck, full)
        seen = np.repeat(health[:, None], quarters, axis=1)
        age = np.arange(quarters)
        outcome = rules.level * quality[:, None] + rules.trend * health[:, None] * age / quarters + DRIFT * age + noise
        outcome += treated * effect * (not null)
    else:
        seen = np.sqrt(rules.health_kept) * health[:, None] + np.sqrt(1 - rules.health_kept) * passing
        outcome, treated = _switch(rules, quality, health, seen, lean, luck, noise, full * (not null), quarters)
        outcome, treated, seen = outcome[:, before:], treated[:, before:], seen[:, before:]
        effect = np.repeat(full[:, None], quarters, axis=1)
    return World(
        outcome=outcome,
        treated=treated,
        health=seen,
        tier=tier,
        manager=manager,
        effect=np.zeros_like(outcome) if null else effect,
        name=name,
    )


def _shocks(random: np.random.Generator, managers: int, periods: int) -> np.ndarray:
    """Autoregressive shocks of managers with spread 1, stationary from the first period."""
    shock = random.standard_normal((managers, periods))
    for period in range(1, periods):
        shock[:, period] = SHOCK_KEPT * shock[:, period - 1] + np.sqrt(1 - SHOCK_KEPT**2) * shock[:, period]
    return shock


def _adopt_once(chance: np.ndarray, luck: np.ndarray, full: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start in the first quarter whose luck falls under the chance, and stay; effects ramp up from there."""
    starts = luck < chance[:, None]
    starts[:, : UNTREATED["A"]] = False
    treated = np.maximum.accumulate(starts, axis=1)
    since = np.cumsum(treated, axis=1) - 1
    return treated, full[:, None] * RAMP[np.clip(since, 0, len(RAMP) - 1)]


def _switch(rules, quality, health, seen, lean, luck, noise, full, quarters):  # noqa: PLR0913, PLR0917 - the parts of a world
    """Quarter by quarter: managers look at the last result and switch; the result carries over."""
    outcome, treated = np.empty_like(luck), np.zeros(luck.shape, dtype=bool)
    last, on = rules.level * quality, np.zeros(len(quality), dtype=bool)
    for period in range(luck.shape[1]):
        shown = period - LEAD_IN
        if shown >= UNTREATED["B"]:
            on = luck[:, period] < expit(lean + rules.result * last + rules.health * seen[:, period] + rules.status * on)
        steady = (1 - CARRIED) * (rules.level * quality + rules.trend * health * max(shown, 0) / quarters)
        last = CARRIED * last + steady + rules.health_level * seen[:, period] + 0.02 + noise[:, period] + full * on
        outcome[:, period], treated[:, period] = last, on
    return outcome, treated
