"""What is true of a simulated program: every number that its rows are drawn from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import pydantic

from partnerlab.periods import Calendar
from partnerlab.specs import Spec

Share = Annotated[float, pydantic.Field(ge=0.0, le=1.0)]
Positive = Annotated[float, pydantic.Field(gt=0.0)]


class Region(Spec):
    """One region: its size, its level, its money.

    Parameters
    ----------
    share : float
        Weight of the region among partners; shares are divided by their sum.
    level : float
        Added to the log of every lead rate.
    hazard : float
        Added to the log of every lapse hazard.
    managers : int
        Partner managers who work there.
    countries : tuple of str
        ISO 3166 codes of the partners' countries.
    currency : str
        ISO 4217 code of deals and invoices.
    rate : float
        Units of the program's currency for one unit of ``currency`` when the record begins.
    """

    share: Positive
    level: float = 0.0
    hazard: float = 0.0
    managers: Annotated[int, pydantic.Field(ge=1)] = 2
    countries: tuple[str, ...]
    currency: str = "EUR"
    rate: Positive = 1.0


class Tactic(Spec):
    """What managers do with partners, how they choose them, and what it does.

    Parameters
    ----------
    activity : str
        Name of the tactic in ``activities.tactic``.
    chance : float
        Probability in a quarter for a partner whom the manager likes no more than others.
    liking : float
        Log odds added for each standard deviation of liking: the confounding. 0 is assignment by chance.
    effect : tuple of float
        Log rate ratio of leads in the next quarter, one for each recorded tier, best first.
    carry : float
        Share of the effect that is left one quarter later.
    retention : float
        Log hazard ratio of lapsing in the next quarter; below 0 keeps partners.
    most : int
        How often in one quarter at most, once chosen.
    minutes : float
        Mean length of one activity.
    cost : float
        Mean cost of one activity in the program's currency; 0 leaves it out.
    direction : {"give", "ask"}
        Who gains at once: ``give`` when the partner does.
    campaign : str or None
        Name of the campaign that the activities belong to.
    """

    activity: Literal[
        "meeting", "call", "email", "training", "co_marketing", "lead_share", "mdf", "event", "content", "review", "listing_update", "other"
    ]
    chance: Share
    liking: float = 0.0
    effect: tuple[float, ...] = ()
    carry: Share = 0.0
    retention: float = 0.0
    most: Annotated[int, pydantic.Field(ge=1, le=20)] = 1
    minutes: Positive = 45.0
    cost: Annotated[float, pydantic.Field(ge=0.0)] = 0.0
    direction: Literal["give", "ask"] = "give"
    campaign: str | None = None


class Portal(Spec):
    """A portal that partners take up one after another and keep.

    Parameters
    ----------
    start : int
        Quarter of the program, counted from 0, in which it opens; -1 for no portal.
    chance : float
        Probability of adopting in a quarter for a partner of average quality.
    liking : float
        Log odds of adopting for each standard deviation of the unobserved quality.
    effect : tuple of float
        Log rate ratio of leads for each recorded tier at adoption, best first.
    ramp : tuple of float
        Share of the effect in the first, second, ... quarter after adoption; the last one stays.
    """

    start: int = 4
    chance: Share = 0.06
    liking: float = 0.8
    effect: tuple[float, ...] = (0.10, 0.20, 0.30)
    ramp: tuple[float, ...] = (0.5, 1.0, 1.25)


class Trial(Spec):
    """One randomised experiment, stratified by recorded tier.

    Parameters
    ----------
    name : str
        Its ``experiment_id``.
    start : int
        Quarter of the program, counted from 0, at whose start partners are assigned; -1 for none.
    length : int
        Quarters, the first one included, in which the treatment works.
    share : float
        Share assigned to the treatment.
    effect : float
        Log rate ratio of leads for a partner who was really treated.
    compliance : float
        Share of the treated variant who take part; partners of high quality do so more often.
    """

    name: str = "enablement-bootcamp"
    start: int = 9
    length: Annotated[int, pydantic.Field(ge=1)] = 4
    share: Annotated[float, pydantic.Field(gt=0.0, lt=1.0)] = 0.5
    effect: float = 0.20
    compliance: Share = 0.85


class Dirt(Spec):
    """How many rows break the contract, and how. All zero is a spotless program.

    Parameters
    ----------
    test_partners : int
        Partners that are tests: flagged ``is_test``, without rows of their own.
    leads_without_partner : float
        Share added to the leads without a partner (a warning).
    negative_deals : int
        Deals with an amount below zero (quarantined).
    created_after_closed : int
        Deals closed long before they were created (quarantined).
    orphan_transactions : int
        Invoices of partners that do not exist (quarantined).
    ancient_cases : int
        Tickets opened on 1970-01-01 (quarantined).
    exact_duplicates : int
        Emails logged twice, equal but for their id (a warning).
    """

    test_partners: Annotated[int, pydantic.Field(ge=0)] = 3
    leads_without_partner: Share = 0.02
    negative_deals: Annotated[int, pydantic.Field(ge=0)] = 5
    created_after_closed: Annotated[int, pydantic.Field(ge=0)] = 7
    orphan_transactions: Annotated[int, pydantic.Field(ge=0)] = 6
    ancient_cases: Annotated[int, pydantic.Field(ge=0)] = 4
    exact_duplicates: Annotated[int, pydantic.Field(ge=0)] = 9

    @classmethod
    def none(cls) -> Self:
        """No dirt at all."""
        return cls(
            test_partners=0,
            leads_without_partner=0.0,
            negative_deals=0,
            created_after_closed=0,
            orphan_transactions=0,
            ancient_cases=0,
            exact_duplicates=0,
        )


def _regions() -> dict[str, Region]:
    return {
        "EMEA": Region(share=0.40, level=0.10, managers=4, countries=("DE", "FR", "GB", "NL", "PL", "ES", "SE", "ZA")),
        "AMER": Region(share=0.30, level=0.20, managers=3, countries=("US", "CA"), currency="USD", rate=0.92),
        "APAC": Region(
            share=0.20, level=-0.15, hazard=0.15, managers=2, countries=("JP", "SG", "AU", "IN", "KR"), currency="SGD", rate=0.68
        ),
        "LATAM": Region(share=0.10, level=-0.35, hazard=0.30, countries=("BR", "MX", "CO", "CL"), currency="BRL", rate=0.17),
    }


def _tactics() -> dict[str, Tactic]:
    return {
        "meeting": Tactic(
            activity="meeting", chance=0.35, liking=0.9, effect=(0.04, 0.06, 0.08), retention=-0.25, most=3, minutes=50, direction="ask"
        ),
        "training": Tactic(activity="training", chance=0.12, liking=0.4, effect=(0.05, 0.12, 0.20), carry=0.7, minutes=180, cost=350),
        "co_marketing": Tactic(
            activity="co_marketing",
            chance=0.06,
            liking=1.2,
            effect=(0.25, 0.15, 0.05),
            carry=0.3,
            minutes=120,
            cost=4000,
            campaign="Joint webinar",
        ),
        "dinner": Tactic(
            activity="event", chance=0.08, liking=1.5, effect=(0.0, 0.0, 0.0), minutes=150, cost=900, campaign="Partner dinner"
        ),
        "lead_share": Tactic(activity="lead_share", chance=0.10, liking=1.0, effect=(0.10, 0.10, 0.10), minutes=20),
        "email": Tactic(activity="email", chance=0.55, liking=0.2, effect=(0.0, 0.0, 0.0), most=4, minutes=6, direction="ask"),
    }


class Truth(Spec):
    """A program whose answers are known: what `simulate_program` draws its rows from.

    Leads that a partner submits in a quarter are Poisson with mean ``exposure * rate``, where::

        log rate = log leads + region level + quality_sd * quality + state + season + growth * quarter
                   + ramp(tenure) + tactics of earlier quarters + portal + trial

    Quality is standard normal and never changes; the state is a stationary AR(1) with
    standard deviation ``state_sd`` and quarterly correlation ``state_memory``. A member of
    tenure ``k`` lapses in a quarter with probability ``1 - exp(-exp(eta))``::

        eta = log lapse + region hazard + lapse_quality * quality + lapse_state * state / state_sd
              + log lapse_season[quarter of the year] + log honeymoon_ratio (tenure <= honeymoon)
              + log renewal_ratio (tenure a multiple of 4) + tactics of the quarter before

    Managers choose partners for a tactic by liking, which mixes quality, state and personal chemistry.

    Parameters
    ----------
    name : str
        Name of the program.
    n_partners : int
        Partners with a row, members at the start and later joiners together.
    n_quarters : int
        Quarters of the record, from ``first`` on.
    lead_in : int
        Quarters of rows before ``first``, so that trailing windows are whole.
    first : str
        First quarter.
    timezone, currency : str
        The program's zone and money.
    tiers : tuple of str
        Recorded tiers, best first; ``tier_cuts`` says how many standard deviations of assessed
        quality each but the last one takes.
    tier_cuts : tuple of float
        Falling lines between the recorded tiers.
    assessment_sd : float
        Error of the yearly assessment that gives the recorded tier.
    already_members : float
        Share of partners who joined before the record begins.
    leads : float
        Leads a quarter of a partner with everything at its mean.
    quality_sd, state_sd, state_memory : float
        Spread of the stable log rate, and of the moving one with its memory.
    season : tuple of float
        Added to the log rate in the four quarters of the year.
    growth : float
        Added to the log rate every quarter.
    ramp : tuple of float
        Added to the log rate in the first quarters of membership.
    lapse, lapse_quality, lapse_state : float
        Quarterly hazard and its log ratios for a standard deviation.
    lapse_season : tuple of float
        Hazard ratios of the four quarters of the year.
    honeymoon, honeymoon_ratio, renewal_ratio : int, float, float
        First quarters in which few leave, and hazard ratios of those and of renewal quarters.
    likes_state, chemistry : float
        Weights of state and of personal chemistry in liking, against 1 for quality.
    relevance : tuple of float
        Mean and standard deviation of market relevance, 0 to 100.
    relevance_quality : float
        Correlation of relevance with quality.
    never_says : float
        Share of partners whose relevance and profile are never known.
    restated, late : float
        Shares of rows with a second version, and of rows recorded long after the event.
    regions, tactics : mapping
        By name.
    portal, trial, dirt : Portal, Trial, Dirt
        See there.

    Examples
    --------
    >>> truth = Truth(n_partners=50, n_quarters=8)
    >>> truth.calendar.label(truth.last)
    '2024Q4'
    """

    shipped: ClassVar[str | None] = None

    name: str = "demo"
    n_partners: Annotated[int, pydantic.Field(ge=1)] = 600
    n_quarters: Annotated[int, pydantic.Field(ge=2)] = 15
    lead_in: Annotated[int, pydantic.Field(ge=0)] = 4
    first: str = "2023Q1"
    timezone: str = "Europe/Berlin"
    currency: str = "EUR"
    tiers: tuple[str, ...] = ("Gold", "Silver", "Registered")
    tier_cuts: tuple[float, ...] = (1.2, 0.2)
    assessment_sd: Annotated[float, pydantic.Field(ge=0.0)] = 0.6
    already_members: Share = 0.60
    leads: Positive = 2.0
    quality_sd: Annotated[float, pydantic.Field(ge=0.0)] = 0.80
    state_sd: Annotated[float, pydantic.Field(ge=0.0)] = 0.35
    state_memory: Annotated[float, pydantic.Field(ge=0.0, lt=1.0)] = 0.70
    season: tuple[float, float, float, float] = (-0.05, 0.05, -0.15, 0.15)
    growth: float = 0.01
    ramp: tuple[float, ...] = (-0.7, -0.35)
    lapse: Annotated[float, pydantic.Field(ge=0.0, lt=1.0)] = 0.028
    lapse_quality: float = -0.45
    lapse_state: float = -0.30
    lapse_season: tuple[Positive, Positive, Positive, Positive] = (1.6, 0.8, 0.8, 0.9)
    honeymoon: Annotated[int, pydantic.Field(ge=0)] = 2
    honeymoon_ratio: Positive = 0.25
    renewal_ratio: Positive = 1.8
    likes_state: float = 0.5
    chemistry: Annotated[float, pydantic.Field(ge=0.0)] = 0.6
    relevance: tuple[float, float] = (52.0, 17.0)
    relevance_quality: Annotated[float, pydantic.Field(ge=-1.0, le=1.0)] = 0.40
    never_says: Share = 0.08
    restated: Share = 0.04
    late: Share = 0.03
    regions: dict[str, Region] = pydantic.Field(default_factory=_regions)
    tactics: dict[str, Tactic] = pydantic.Field(default_factory=_tactics)
    portal: Portal = Portal()
    trial: Trial = Trial()
    dirt: Dirt = Dirt()

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        tiers = len(self.tiers)
        if len(self.tier_cuts) != tiers - 1 or list(self.tier_cuts) != sorted(self.tier_cuts, reverse=True):
            raise ValueError(f"tier_cuts must hold {tiers - 1} falling lines, one between each two tiers")
        for name, tactic in self.tactics.items():
            if len(tactic.effect) not in (0, tiers):
                raise ValueError(f"tactics.{name}.effect has {len(tactic.effect)} values; give one for each of {tiers} tiers")
        if len(self.portal.effect) != tiers:
            raise ValueError(f"portal.effect has {len(self.portal.effect)} values; give one for each of {tiers} tiers")
        if not self.regions:
            raise ValueError("regions is empty; give at least one")
        self.calendar.parse(self.first)
        return self

    @classmethod
    def plain(cls, **changes: object) -> Self:
        """Make a bare program: no tactics, portal, trial, dirt, late rows or lead-in; one region in one currency.

        What is left is count noise, quality, state, join and lapse. Meant for coverage runs.
        """
        bare: dict[str, object] = {
            "lead_in": 0,
            "tactics": {},
            "portal": Portal(start=-1),
            "trial": Trial(start=-1),
            "dirt": Dirt.none(),
            "restated": 0.0,
            "late": 0.0,
            "regions": {"EMEA": Region(share=1.0, countries=("DE",))},
        }
        return cls(**{**bare, **changes})  # type: ignore[arg-type]

    @property
    def calendar(self) -> Calendar:
        """The program's clock: calendar quarters of its time zone."""
        return Calendar(timezone=self.timezone)

    @property
    def periods(self) -> int:
        """Quarters with rows: lead-in and record."""
        return self.lead_in + self.n_quarters

    @property
    def start(self) -> int:
        """Period of the first quarter with rows."""
        return self.calendar.parse(self.first) - self.lead_in

    @property
    def last(self) -> int:
        """Period of the last quarter."""
        return self.start + self.periods - 1
