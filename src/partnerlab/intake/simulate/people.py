"""The partners themselves: names, recorded tiers, profile, certificates."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from partnerlab.intake.simulate.columns import blank, contract_table, dates, hash_ids, instants, name_ids, pick
from partnerlab.intake.simulate.latents import expit, stream
from partnerlab.intake.simulate.realized import Realized, spread

_FIRST = (
    "Nord", "Alpen", "Blue", "Clear", "Delta", "Ever", "Fjord", "Granite", "Harbor", "Iber",
    "Jade", "Kestrel", "Lumen", "Meridian", "Nova", "Orion", "Pioneer", "Quanta", "River", "Sierra",
    "Terra", "Umbra", "Vector", "Willow", "Xenon", "Yellowtail", "Zephyr", "Andes", "Baltic", "Cobalt",
)  # fmt: skip
_SECOND = (
    "bridge", "cloud", "craft", "data", "field", "forge", "gate", "grid", "house", "line", "logic", "mark", "net", "path", "point", "port",
    "scale", "soft", "stack", "stream", "sys", "ware", "wave", "works",
)  # fmt: skip
_SUFFIX = ("Systems", "Consulting", "Partners", "Technologies", "Solutions", "IT Services", "Digital", "Distribution")
_TYPES = ("reseller", "services", "referral", "technology", "distributor", "training")
_TYPE_SHARES = (0.45, 0.22, 0.14, 0.10, 0.06, 0.03)
_SEGMENTS = ("enterprise", "mid-market", "small business")
_INDUSTRIES = ("manufacturing", "finance", "health", "public sector", "retail", "logistics")
_EXITS = ("did not renew", "went to a competitor", "closed business", "merged", "inactive")
_CERTIFICATES = ("Sales Associate", "Solution Engineer", "Architect")
PROGRAM = "channel"
#: Market of a partner: emerging in the regions named here.
MARKETS = ("established", "emerging")
EMERGING = ("APAC", "LATAM")
#: What partners call themselves when asked, by the cells of the shipped quadrant: few or many leads x low or high relevance.
CELLS = (("DEMENTORS", "UNPOLISHED DIAMONDS"), ("GROWTH HACKERS", "KEY PARTNERS"))
#: Share of partners asked in a quarter, and of those who put themselves higher than they are.
ASKED, FLATTERED = 0.08, 0.2

#: Yes/no facts of a profile: log odds for a partner of average engagement, log odds for each standard deviation of it, and who says so.
FACTS = {
    "opt_in": (1.9, 1.2, "attested"),
    "is_partner": (3.2, 0.5, "attested"),
    "meets": (1.0, 1.8, "manager_rated"),
    "speaks": (1.3, 1.4, "manager_rated"),
    "access_to_others": (0.5, 1.8, "manager_rated"),
    "visible_in_facilities": (0.2, 1.6, "measured"),
    "tells_needs": (0.6, 1.4, "manager_rated"),
    "dedicates_resources": (-0.5, 1.6, "attested"),
}

#: Things that a partner does in a quarter or not: chance for one of average quality.
EVENTS = {"referred_new_mgp": 0.12, "suggestion": 0.25}


def partner_types(realized: Realized) -> np.ndarray:
    """Position of each partner's type, shape ``(n,)``."""
    rng = stream(realized.seed, "partner types")
    return rng.choice(len(_TYPES), size=len(realized.lapsed), p=_TYPE_SHARES)


def partner_names(count: int, rng: np.random.Generator) -> pa.Array:
    """Names of companies, all different."""
    whole = len(_FIRST) * len(_SECOND) * len(_SUFFIX)
    order = rng.permutation(whole)
    place = order[np.arange(count) % whole]
    first, rest = place % len(_FIRST), place // len(_FIRST)
    stem = pc.binary_join_element_wise(pick(_FIRST, first), pick(_SECOND, rest % len(_SECOND)), "")
    names = pc.binary_join_element_wise(stem, pick(_SUFFIX, rest // len(_SECOND)), " ")
    again = np.arange(count) // whole
    return pc.if_else(pa.array(again == 0), names, pc.binary_join_element_wise(names, pc.cast(pa.array(again + 1), pa.string()), " "))


def _countries(realized: Realized, rng: np.random.Generator) -> pa.Array:
    areas = list(realized.latents.truth.regions.values())
    codes = [code for area in areas for code in area.countries]
    sizes = np.array([len(area.countries) for area in areas])
    region = realized.latents.region
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])[region]
    return pick(codes, first + (rng.random(len(region)) ** 1.5 * sizes[region]).astype(np.int64))


def build_partners(realized: Realized) -> pa.Table:
    """Table ``partners``: one row each, in the order of the latent arrays."""
    latents, count = realized.latents, len(realized.lapsed)
    rng = stream(realized.seed, "partners")
    left = ~np.isnat(realized.left_at)
    parent = rng.integers(0, count, count)
    child = (rng.random(count) < 0.04) & (parent != np.arange(count)) & (parent % 5 == 0) & (np.arange(count) % 5 != 0)
    return contract_table(
        "partners",
        partner_id=name_ids("P", np.arange(count)),
        name=partner_names(count, rng),
        partner_type=pick(_TYPES, partner_types(realized)),
        country=_countries(realized, rng),
        region=pick(list(latents.truth.regions), latents.region),
        market=pick(MARKETS, np.array([name in EMERGING for name in latents.truth.regions], dtype=np.int8)[latents.region]),
        segment=pick(_SEGMENTS, rng.choice(3, size=count, p=(0.2, 0.45, 0.35))),
        industry=pick(_INDUSTRIES, rng.integers(0, len(_INDUSTRIES), count)),
        parent_partner_id=name_ids("P", parent, known=child),
        program_id=pa.repeat(PROGRAM, count),
        joined_at=dates(realized.joined_at),
        joined_source=pa.repeat("stated", count),
        left_at=dates(realized.left_at),
        exit_reason=pick(_EXITS, rng.integers(0, len(_EXITS), count), known=left),
        manager_id=hash_ids("M", latents.manager + 1),
        is_test=np.zeros(count, dtype=bool),
    )


def build_tier_history(realized: Realized) -> pa.Table:
    """Table ``tier_history``: stays in recorded tiers, half open, closed when the partner leaves."""
    tier, edges = realized.latents.tier, realized.edges
    seen = (tier >= 0) & realized.member
    begins = seen.copy()
    begins[:, 1:] &= ~seen[:, :-1] | (tier[:, 1:] != tier[:, :-1])
    partner, quarter = np.nonzero(begins)
    joined = realized.joined_at[partner].astype("datetime64[s]")
    start = np.maximum(edges[quarter].astype("datetime64[s]"), joined)
    left = realized.left_at[partner].astype("datetime64[s]")
    follows = np.append(partner[1:] == partner[:-1], False)
    end = np.where(follows, np.append(start[1:], np.datetime64("NaT")), left)
    first = np.append(True, partner[1:] != partner[:-1])
    old = first & (realized.latents.joined[partner] < 0)
    start = np.where(old, edges[0].astype("datetime64[s]"), start)
    return contract_table(
        "tier_history",
        partner_id=name_ids("P", partner),
        program_id=pa.repeat(PROGRAM, len(partner)),
        tier=pick(realized.latents.truth.tiers, tier[partner, quarter]),
        valid_from=instants(start),
        valid_to=instants(end),
        origin=pa.repeat("recorded", len(partner)),
        reason=pick(("assessment", "renewal"), (~first).astype(np.int8)),
        left_truncated=old,
        right_censored=np.isnat(end),
    )


def _day_in(realized: Realized, partner: np.ndarray, quarter: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a day of the membership in a quarter."""
    edges = realized.latents.truth.calendar.bounds_date(realized.latents.truth.start, realized.latents.truth.last)
    length = np.diff(edges).astype(np.int64)[quarter]
    opens, closes = realized.opens[partner, quarter], realized.closes[partner, quarter]
    day = (opens + (closes - opens) * 0.9 * rng.random(len(partner))) * length
    return edges[quarter] + np.minimum(day.astype(np.int64) + (opens > 0), length - 1)


def _profile_rows(field: str, partner: np.ndarray, day: np.ndarray, number: np.ndarray, *, source: str) -> pa.Table:
    """Rows of one field; yes/no facts are given as booleans, and say so in words."""
    number = np.asarray(number)
    text = (
        pick(("no", "yes"), number.astype(np.int8)) if number.dtype == bool else pc.cast(pa.array(number.astype(np.float64)), pa.string())
    )
    return contract_table(
        "partner_profile",
        partner_id=name_ids("P", partner),
        field=pa.repeat(field, len(partner)),
        value=text,
        number=number.astype(np.float64),
        source=pa.repeat(source, len(partner)),
        valid_from=dates(day),
    )


def _stated_facts(realized: Realized, says: np.ndarray) -> list[pa.Table]:
    """Tabulate yes/no facts: said when the partner is first seen, and again now and then, with changes."""
    count, member = len(says), realized.member
    first = member.argmax(axis=1)
    engaged = 0.7 * realized.latents.quality + 0.7 * stream(realized.seed, "engagement").standard_normal(count)
    tables = []
    for field, (level, slope, source) in FACTS.items():
        rng = stream(realized.seed, f"profile {field}")
        silent = rng.random(count) < 0.03
        again = member & (rng.random(member.shape, dtype=np.float32) < 0.12)
        again[np.arange(count), first] = True
        again &= (says & ~silent)[:, None]
        partner, quarter = np.nonzero(again)
        stable = level + slope * engaged[partner] + rng.normal(0.0, 0.5, count)[partner]
        yes = rng.random(len(partner)) < expit(stable)
        tables.append(_profile_rows(field, partner, _day_in(realized, partner, quarter, rng), yes, source=source))
    return tables


def _first_words(realized: Realized, says: np.ndarray, rng: np.random.Generator) -> list[pa.Table]:
    """Tabulate what is said once, when the partner is first seen: clients in its network, chance of growing."""
    speaker = np.flatnonzero(says)
    quality, first = realized.latents.quality[speaker], realized.member.argmax(axis=1)[speaker]
    clients = np.rint(np.exp(rng.normal(3.6 + 0.4 * quality, 0.9)))
    promise = np.round(expit(-0.7 + quality + rng.normal(0.0, 0.7, len(speaker))), 2)
    said = [("network_clients", clients, "self_reported"), ("mgp_potential", promise, "manager_rated")]
    return [_profile_rows(field, speaker, _day_in(realized, speaker, first, rng), number, source=source) for field, number, source in said]


def _own_view(realized: Realized) -> pa.Table:
    """Tabulate which cell of the quadrant some partners put themselves in; some see themselves with more leads than they have."""
    rng, latents = stream(realized.seed, "own view"), realized.latents
    rate = np.where(realized.member, latents.log_rate, np.nan)
    asked = realized.member & ~np.isnan(latents.relevance) & (rng.random(realized.member.shape) < ASKED)
    partner, quarter = np.nonzero(asked)
    known, rated = latents.relevance[~np.isnan(latents.relevance)], rate[~np.isnan(rate)]
    many = rng.random(len(partner)) < FLATTERED
    many |= rate[partner, quarter] > (np.quantile(rated, 0.75) if len(rated) else np.inf)
    high = latents.relevance[partner, quarter] >= (np.median(known) if len(known) else np.inf)
    said = np.array(CELLS)[many.astype(int), high.astype(int)]
    return contract_table(
        "partner_profile",
        partner_id=name_ids("P", partner),
        field=pa.repeat("quadrant", len(partner)),
        value=pa.array(said.tolist(), pa.string()),
        number=pa.nulls(len(partner), pa.float64()),
        source=pa.repeat("self_reported", len(partner)),
        valid_from=dates(_day_in(realized, partner, quarter, rng)),
    )


def build_partner_profile(realized: Realized) -> pa.Table:
    """Table ``partner_profile``: what is known about each partner, from which day; some never say anything."""
    latents = realized.latents
    rng = stream(realized.seed, "profile")
    says = ~np.isnan(latents.relevance).all(axis=1)
    partner, quarter = np.nonzero(latents.relevance_said & realized.member)
    day = _day_in(realized, partner, quarter, rng)
    tables = [_profile_rows("market_relevance", partner, day, latents.relevance[partner, quarter], source="manager_rated")]
    for field, level in EVENTS.items():
        chance = level * np.exp(0.6 * latents.quality)[:, None]
        partner, quarter = np.nonzero(realized.member & (rng.random(realized.member.shape) < chance))
        yes = np.ones(len(partner), dtype=bool)
        tables.append(_profile_rows(field, partner, _day_in(realized, partner, quarter, rng), yes, source="attested"))
    return pa.concat_tables([*tables, *_first_words(realized, says, rng), *_stated_facts(realized, says), _own_view(realized)])


def build_certifications(realized: Realized) -> pa.Table:
    """Table ``certifications``: persons' certificates that hold two years unless renewed or revoked."""
    latents = realized.latents
    rng = stream(realized.seed, "certifications")
    staff = 0.22 * np.exp(0.4 * latents.quality)[:, None] + 0.5 * latents.treated.get("training", 0)
    partner, _, at = spread(realized, rng.poisson(staff * realized.exposure), rng)
    day = at.astype("datetime64[D]")
    person = partner.astype(np.int64) * 16 + rng.integers(0, 12, len(partner))
    revoked = rng.random(len(partner)) < 0.02
    return contract_table(
        "certifications",
        cert_id=name_ids("C", np.arange(len(partner))),
        partner_id=name_ids("P", partner),
        program=pick(_CERTIFICATES, rng.choice(3, size=len(partner), p=(0.5, 0.35, 0.15))),
        level=pick(("base", "advanced"), (rng.random(len(partner)) < 0.3).astype(np.int8)),
        product=pick(("platform", "analytics", "security"), rng.integers(0, 3, len(partner))),
        region=pick(list(latents.truth.regions), latents.region[partner]),
        portfolio=pick(("software", "services"), (person % 3 == 0).astype(np.int8)),
        issued_at=dates(day),
        expires_at=dates(day + 730),
        revoked_at=blank(dates(day + rng.integers(30, 600, len(partner))), revoked & (day + 600 < realized.edges[-1])),
        person_id=hash_ids("H", person + 1),
        left_truncated=np.zeros(len(partner), dtype=bool),
        right_censored=day + 730 > realized.edges[-1],
    )
