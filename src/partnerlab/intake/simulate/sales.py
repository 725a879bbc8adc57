"""Leads, deals and money, from the realized lead counts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from partnerlab.intake.simulate.columns import contract_table, dates, hash_ids, instants, money, name_ids, pick
from partnerlab.intake.simulate.latents import expit, stream
from partnerlab.intake.simulate.people import partner_types
from partnerlab.intake.simulate.realized import Realized, spread

_DISPOSITIONS = ("accepted", "qualified", "converted", "rejected", "expired", "new")
_CONVERTED = 2
_STATUSES = ("open", "won", "lost", "void")
_STAGES = ("registered", "qualified", "proposal", "negotiation", "closed")
_PRODUCTS = ("platform", "analytics", "security", "services")
_PORTFOLIOS = ("software", "software", "software", "services")
_MARKETS = ("established", "growth")
_DAY = 86400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leads:
    """Leads as arrays, shape ``(leads,)``; ``deal`` is the position of the deal or -1."""

    partner: np.ndarray
    at: np.ndarray
    disposition: np.ndarray
    decided_at: np.ndarray
    shared: np.ndarray
    customer: np.ndarray
    deal: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deals:
    """Deals as arrays, shape ``(deals,)``; money in minor units of the program's currency."""

    partner: np.ndarray
    lead: np.ndarray
    customer: np.ndarray
    at: np.ndarray
    closed_at: np.ndarray
    status: np.ndarray
    amount: np.ndarray


def days_later(at: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Instants some days later, in whole seconds."""
    return at + (days * _DAY).astype(np.int64).astype("timedelta64[s]")


def draw_customers(realized: Realized, partner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the customer of each event: near each partner's own circle, which overlaps with its neighbours'."""
    region = realized.latents.region[partner].astype(np.int64)
    pool = 6 * np.bincount(realized.latents.region, minlength=region.max(initial=0) + 1) + 20
    place = (partner.astype(np.int64) * 7 + (40 * rng.random(len(partner)) ** 2.5).astype(np.int64)) % pool[region]
    return np.concatenate([[0], np.cumsum(pool)])[region] + place + 1


def draw_leads(realized: Realized) -> Leads:
    """Leads that count (as many as drawn), others that do not, and those that the vendor shares."""
    latents, rng = realized.latents, stream(realized.seed, "leads")
    useless = rng.poisson(0.25 * latents.rate * realized.exposure)
    given = realized.latents.treated.get("lead_share", np.zeros(realized.leads.shape, dtype=np.uint8)) * realized.member
    shared = np.where(given > 0, rng.integers(1, 4, given.shape), 0)
    parts = [spread(realized, counts, rng) for counts in (realized.leads, useless, shared)]
    partner, at = (np.concatenate([part[place] for part in parts]) for place in (0, 2))
    kind = np.repeat(np.arange(3), [len(part[0]) for part in parts])
    luck = rng.random(len(partner))
    converts = expit(-0.85 + 0.3 * latents.quality[partner])
    good = np.where(luck < converts, _CONVERTED, np.where(luck < 0.5 + 0.5 * converts, 1, 0))
    disposition = np.where(kind == 1, 3 + (luck > 0.6).astype(np.int8) + (luck > 0.85), good).astype(np.int8)
    end = realized.edges[-1].astype("datetime64[s]") - 1
    decided = np.minimum(days_later(at, rng.gamma(1.5, 4.0, len(partner))), end)
    converted = disposition == _CONVERTED
    return Leads(
        partner=partner, at=at, disposition=disposition, shared=kind == 2, customer=draw_customers(realized, partner, rng),
        decided_at=np.where(disposition == 5, np.datetime64("NaT"), decided), deal=np.where(converted, np.cumsum(converted) - 1, -1),
    )  # fmt: skip


def draw_deals(realized: Realized, leads: Leads) -> Deals:
    """Deals from converted leads, in the leads' order, and deals registered without a lead."""
    rng, quality = stream(realized.seed, "deals"), realized.latents.quality
    source = np.flatnonzero(leads.deal >= 0)
    partner, _, at = spread(realized, rng.poisson(0.12 * realized.latents.rate * realized.exposure), rng)
    direct = len(partner)
    customer = np.concatenate([leads.customer[source], draw_customers(realized, partner, rng)])
    partner = np.concatenate([leads.partner[source], partner])
    at = np.concatenate([leads.decided_at[source], at])
    closed = days_later(at, 2.0 + rng.gamma(2.0, 35.0, len(partner)))
    open_ = closed >= realized.edges[-1]
    luck = rng.random(len(partner))
    ended = np.where(luck < 0.03, 3, np.where(luck < 0.03 + 0.97 * expit(-0.4 + 0.5 * quality[partner]), 1, 2))
    base = np.exp(rng.normal(9.1 + 0.2 * quality[partner], 0.9))
    return Deals(
        partner=partner, lead=np.concatenate([source, np.full(direct, -1)]), customer=customer, at=at,
        closed_at=np.where(open_, np.datetime64("NaT"), closed), status=np.where(open_, 0, ended).astype(np.int8),
        amount=np.rint(base * 100).astype(np.int64),
    )  # fmt: skip


def customer_markets(customer: np.ndarray) -> pa.Array:
    """Market of each customer, its own for life: two in seven are in a growth market, wherever their partner is."""
    return pick(_MARKETS, (customer % 7 < 2).astype(np.int8))


def daily_rates(realized: Realized) -> tuple[np.ndarray, np.ndarray]:
    """Days from the first to the last with rows, and units of base for one of each region's currency, ``(days, regions)``."""
    truth = realized.latents.truth
    first, last = realized.edges[[0, -1]].astype("datetime64[D]")
    days = np.arange(first - 1, last + 2)
    steps = stream(realized.seed, "rates").normal(0.0, 0.004, (len(days), len(truth.regions))).cumsum(axis=0)
    start = np.array([area.rate for area in truth.regions.values()])
    home = np.array([area.currency == truth.currency for area in truth.regions.values()])
    return days, np.where(home, 1.0, np.round(start * np.exp(steps), 6))


def local_cents(realized: Realized, base: np.ndarray, partner: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Amounts in the currency of the partner's region at the day's rate, minor units."""
    days, rates = daily_rates(realized)
    day = (at.astype("datetime64[D]") - days[0]).astype(np.int64)
    return np.rint(base / rates[np.clip(day, 0, len(days) - 1), realized.latents.region[partner]]).astype(np.int64)


def currencies(realized: Realized, partner: np.ndarray) -> pa.Array:
    """Currency of each row's region."""
    return pick([area.currency for area in realized.latents.truth.regions.values()], realized.latents.region[partner])


def build_fx_rates(realized: Realized) -> pa.Table:
    """Table ``fx_rates``: one row for each day and foreign currency."""
    truth = realized.latents.truth
    days, rates = daily_rates(realized)
    foreign: dict[str, int] = {}
    for place, area in enumerate(truth.regions.values()):
        if area.currency != truth.currency:
            foreign.setdefault(area.currency, place)
    count = len(foreign)
    return contract_table(
        "fx_rates",
        **{
            "date": dates(np.repeat(days, count)),
            "from": pick(list(foreign), np.tile(np.arange(count), len(days))),
            "to": pa.repeat(truth.currency, count * len(days)),
            "rate": rates[:, list(foreign.values())].ravel(),
        },
    )


def build_leads(realized: Realized, leads: Leads) -> pa.Table:
    """Table ``leads``."""
    rng = stream(realized.seed, "lead rows")
    fit = np.clip(0.55 + 0.1 * realized.latents.quality[leads.partner] + rng.normal(0.0, 0.2, len(leads.partner)), 0.0, 1.0)
    return contract_table(
        "leads",
        lead_id=name_ids("L", np.arange(len(leads.partner)), width=8),
        partner_id=name_ids("P", leads.partner),
        direction=pick(("submitted", "shared"), leads.shared.astype(np.int8)),
        created_at=instants(leads.at),
        disposition=pick(_DISPOSITIONS, leads.disposition),
        disposition_at=instants(leads.decided_at),
        relevance=np.round(fit, 3),
        customer_id=hash_ids("K", leads.customer),
        region=pick(list(realized.latents.truth.regions), realized.latents.region[leads.partner]),
        converted_deal_id=name_ids("D", leads.deal, known=leads.deal >= 0),
    )


def build_deals(realized: Realized, deals: Deals) -> pa.Table:
    """Table ``deals``."""
    rng, count = stream(realized.seed, "deal rows"), len(deals.partner)
    stage = np.where(deals.status == 0, rng.integers(0, 4, count), 4)
    return contract_table(
        "deals",
        deal_id=name_ids("D", np.arange(count)),
        lead_id=name_ids("L", deals.lead, width=8, known=deals.lead >= 0),
        customer_id=hash_ids("K", deals.customer),
        created_at=instants(deals.at),
        expected_close=dates(deals.at.astype("datetime64[D]") + rng.integers(30, 120, count)),
        closed_at=instants(deals.closed_at),
        status=pick(_STATUSES, deals.status),
        stage=pick(_STAGES, stage),
        amount=money(local_cents(realized, deals.amount, deals.partner, deals.at)),
        currency=currencies(realized, deals.partner),
        amount_base=money(deals.amount),
        deal_type=pick(("new", "renewal", "upsell"), rng.choice(3, size=count, p=(0.65, 0.2, 0.15))),
        region=pick(list(realized.latents.truth.regions), realized.latents.region[deals.partner]),
        customer_market=customer_markets(deals.customer),
        portfolio=pick(_PORTFOLIOS, np.arange(count) % len(_PORTFOLIOS)),
    )


def _colleagues(
    realized: Realized, deals: Deals, chance: float, rng: np.random.Generator, *, among: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For some deals another partner of the same region who is a member then: positions of deal and partner."""
    chosen = np.flatnonzero(rng.random(len(deals.partner)) < chance)
    if not len(among) or not len(chosen):
        return chosen[:0], chosen[:0]
    order = among[np.argsort(realized.latents.region[among], kind="stable")]
    sizes = np.bincount(realized.latents.region[order], minlength=len(realized.latents.truth.regions))
    region = realized.latents.region[deals.partner[chosen]]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])[region]
    other = order[np.minimum(first + (rng.random(len(chosen)) * sizes[region]).astype(np.int64), len(order) - 1)]
    fits = (sizes[region] > 0) & (other != deals.partner[chosen]) & realized.member_at(other, deals.at[chosen])
    return chosen[fits], other[fits]


def build_deal_partners(realized: Realized, deals: Deals) -> pa.Table:
    """Table ``deal_partners``: who sourced, influenced and fulfilled each deal."""
    rng, count = stream(realized.seed, "deal partners"), len(deals.partner)
    everyone, distributors = np.arange(len(realized.lapsed)), np.flatnonzero(partner_types(realized) == 4)
    joint, second = _colleagues(realized, deals, 0.06, rng, among=everyone)
    touched, helper = _colleagues(realized, deals, 0.20, rng, among=everyone)
    shipped, carrier = _colleagues(realized, deals, 0.30, rng, among=distributors)
    weight = np.ones(count)
    weight[joint] = 0.6
    parts = [
        (np.arange(count), deals.partner, 0, True, weight),
        (joint, second, 0, False, np.full(len(joint), 0.4)),
        (touched, helper, 1, False, np.full(len(touched), 1.0)),
        (shipped, carrier, 2, False, np.full(len(shipped), 1.0)),
    ]
    return contract_table(
        "deal_partners",
        deal_id=name_ids("D", np.concatenate([part[0] for part in parts])),
        partner_id=name_ids("P", np.concatenate([part[1] for part in parts])),
        role=pick(("sourced", "influenced", "fulfilled"), np.repeat([part[2] for part in parts], [len(part[0]) for part in parts])),
        is_primary=np.repeat([part[3] for part in parts], [len(part[0]) for part in parts]),
        weight=np.concatenate([part[4] for part in parts]),
    )


def build_stage_history(realized: Realized, deals: Deals) -> pa.Table:
    """Table ``deal_stage_history``: every deal enters the stages one after another, until it is closed."""
    rng, count = stream(realized.seed, "stages"), len(deals.partner)
    end = np.where(np.isnat(deals.closed_at), realized.edges[-1].astype("datetime64[s]") - 1, deals.closed_at)
    span = np.maximum((end - deals.at).astype(np.int64), 60)
    reached = np.where(deals.status == 0, rng.integers(1, 5, count), 5)
    cuts = np.concatenate([np.zeros((count, 1)), np.sort(rng.uniform(0.05, 0.95, (count, 3)), axis=1), np.ones((count, 1))], axis=1)
    deal, stage = np.nonzero(np.arange(5) < reached[:, None])
    # one second between stages keeps (deal, entered_at) unique when two cuts fall together
    entered = deals.at[deal] + (cuts[deal, stage] * span[deal]).astype(np.int64).astype("timedelta64[s]") + stage.astype("timedelta64[s]")
    share = (0.7 + 0.075 * stage) if count else np.zeros(0)
    won = deals.status[deal] == 1
    return contract_table(
        "deal_stage_history",
        deal_id=name_ids("D", deal),
        entered_at=instants(np.where(stage == 4, deals.closed_at[deal], entered)),
        stage=pick(_STAGES, stage),
        amount=money(np.rint(local_cents(realized, deals.amount, deals.partner, deals.at)[deal] * share).astype(np.int64)),
        probability=np.where(stage == 4, won * 1.0, 0.1 + 0.2 * stage),
    )


def build_transactions(realized: Realized, deals: Deals) -> pa.Table:
    """Table ``transactions``: won deals are invoiced in parts, some are credited, and a few rewards are paid."""
    rng = stream(realized.seed, "transactions")
    won = np.flatnonzero(deals.status == 1)
    parts = rng.integers(1, 5, len(won))
    deal = np.repeat(won, parts)
    part = np.arange(len(deal)) - np.repeat(np.cumsum(parts) - parts, parts)
    at = days_later(deals.closed_at[deal], part * 30.0 + rng.uniform(0.0, 10.0, len(deal)))
    base = np.rint(deals.amount[deal] / np.repeat(parts, parts)).astype(np.int64)
    back = np.flatnonzero(rng.random(len(deal)) < 0.06)
    paid = np.flatnonzero(rng.random(len(deal)) < 0.10)
    returned = -np.rint(base[back] * rng.choice((1.0, 0.5, 0.25), size=len(back))).astype(np.int64)
    deal = np.concatenate([deal, deal[back], deal[paid]])
    kind = np.repeat([0, 1, 2], [len(at), len(back), len(paid)])
    credited, rewarded = days_later(at[back], rng.uniform(5.0, 60.0, len(back))), days_later(at[paid], rng.uniform(1.0, 20.0, len(paid)))
    booked = np.concatenate([at, credited, rewarded])
    base = np.concatenate([base, returned, np.rint(base[paid] * 0.05).astype(np.int64)])
    keep = np.flatnonzero(booked < realized.edges[-1])
    deal, kind, booked, base = deal[keep], kind[keep], booked[keep], base[keep]
    partner = deals.partner[deal]
    return contract_table(
        "transactions",
        txn_id=name_ids("T", np.arange(len(deal)), width=8),
        partner_id=name_ids("P", partner),
        deal_id=name_ids("D", deal),
        booked_at=instants(booked),
        kind=pick(("invoice", "credit_note", "reward"), kind),
        amount=money(local_cents(realized, base, partner, booked)),
        currency=currencies(realized, partner),
        amount_base=money(base),
        quantity=np.sign(base) * np.maximum(1.0, np.rint(np.abs(base) / 250000)),
        product=pick(_PRODUCTS, deal % len(_PRODUCTS)),
        region=pick(list(realized.latents.truth.regions), realized.latents.region[partner]),
        customer_market=customer_markets(deals.customer[deal]),
        portfolio=pick(_PORTFOLIOS, deal % len(_PRODUCTS)),
    )
