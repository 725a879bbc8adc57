"""What managers and partners do with each other: activities, their time, tickets, surveys, offers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from partnerlab.intake.simulate.columns import blank, contract_table, dates, hash_ids, instants, money, name_ids, pick
from partnerlab.intake.simulate.latents import stream
from partnerlab.intake.simulate.realized import Realized, spread

_DONE, _PLANNED, _CANCELLED, _MISSED = range(4)
_OUTCOMES = ("completed", "planned", "cancelled", "no_show")
_PORTAL = "Partner portal"


def campaign_names(realized: Realized) -> list[str]:
    """Campaigns that activities can belong to, the portal first."""
    names = [tactic.campaign for tactic in realized.latents.truth.tactics.values() if tactic.campaign]
    return [_PORTAL, *dict.fromkeys(names)]


def _tactic_rows(realized: Realized, name: str) -> dict[str, np.ndarray]:
    """Completed uses of a tactic, and a few more that came to nothing."""
    tactic, latents = realized.latents.truth.tactics[name], realized.latents
    rng = stream(realized.seed, f"activities {name}")
    used = latents.treated[name].astype(np.int32) * realized.member
    void = rng.binomial(1, 0.05 * tactic.chance, used.shape) * realized.member
    done, _, when = spread(realized, used, rng)
    empty, _, missed = spread(realized, void, rng)
    count = len(done) + len(empty)
    return {
        "partner": np.concatenate([done, empty]),
        "at": np.concatenate([when, missed]),
        "tactic": np.full(count, list(latents.truth.tactics).index(name)),
        "outcome": np.concatenate([np.full(len(done), _DONE), rng.integers(_PLANNED, _MISSED + 1, len(empty))]),
        "minutes": np.round(tactic.minutes * rng.gamma(6.0, 1 / 6.0, count)),
        "cents": np.rint(100 * tactic.cost * rng.gamma(8.0, 1 / 8.0, count)).astype(np.int64),
        "initiated": (rng.random(count) < 0.15).astype(np.int8),
    }


def _partner_calls(realized: Realized) -> dict[str, np.ndarray]:
    """Draw calls in which a partner offers something by itself: they do nothing."""
    rng = stream(realized.seed, "calls")
    rate = 0.35 * np.exp(0.5 * realized.latents.quality)[:, None] * realized.exposure
    partner, _, at = spread(realized, rng.poisson(rate), rng)
    count = len(partner)
    zeros = np.zeros(count, dtype=np.int64)
    return {
        "partner": partner, "at": at, "tactic": zeros - 1, "outcome": zeros, "minutes": np.round(12 * rng.gamma(3.0, 1 / 3.0, count)),
        "cents": zeros, "initiated": zeros + 1,
    }  # fmt: skip


def _portal_rows(realized: Realized) -> dict[str, np.ndarray]:
    """Log the first login to the portal of each partner who adopted it."""
    adopted = realized.latents.adopted
    first = (np.arange(realized.member.shape[1]) == adopted[:, None]) & realized.member
    partner, _, at = spread(realized, first.astype(np.int32), stream(realized.seed, "portal rows"))
    zeros = np.zeros(len(partner), dtype=np.int64)
    return {
        "partner": partner, "at": at, "tactic": zeros - 2, "outcome": zeros, "minutes": zeros + 5.0, "cents": zeros, "initiated": zeros + 1,
    }  # fmt: skip


def build_activities(realized: Realized) -> pa.Table:
    """Table ``activities``: tactics as managers used them, partners' own calls, first logins to the portal."""
    tactics = realized.latents.truth.tactics
    parts = [*(_tactic_rows(realized, name) for name in tactics), _partner_calls(realized), _portal_rows(realized)]
    rows = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    names = [*(tactic.activity for tactic in tactics.values()), "other", "call"]
    campaigns = campaign_names(realized)
    place = np.array([*(campaigns.index(tactic.campaign) if tactic.campaign else -1 for tactic in tactics.values()), 0, -1])[rows["tactic"]]
    gives = np.array([*(tactic.direction == "give" for tactic in tactics.values()), True, False])[rows["tactic"]]
    paid = (rows["cents"] > 0) & (rows["outcome"] == _DONE)
    count = len(place)
    return contract_table(
        "activities",
        activity_id=name_ids("A", np.arange(count), width=8),
        partner_id=name_ids("P", rows["partner"]),
        tactic=pick(names, rows["tactic"] % len(names)),
        occurred_at=instants(rows["at"]),
        ended_at=instants(rows["at"] + (60 * rows["minutes"]).astype(np.int64).astype("timedelta64[s]"), known=rows["outcome"] == _DONE),
        outcome=pick(_OUTCOMES, rows["outcome"]),
        initiated_by=pick(("vendor", "partner"), rows["initiated"]),
        direction_of_value=pick(("ask", "give"), gives.astype(np.int8)),
        minutes=rows["minutes"],
        manager_id=hash_ids("M", realized.latents.manager[rows["partner"]] + 1),
        intensity=np.ones(count),
        cost=money(rows["cents"], known=paid),
        currency=blank(pa.repeat(realized.latents.truth.currency, count), paid),
        campaign_id=name_ids("N", place, width=3, known=place >= 0),
    )


def build_campaigns(realized: Realized) -> pa.Table:
    """Table ``campaigns``: the portal's roll-out and those of the tactics."""
    truth, names = realized.latents.truth, campaign_names(realized)
    kinds = {tactic.campaign: tactic.activity for tactic in truth.tactics.values()}
    edges = realized.edges.astype("datetime64[D]")
    opened = edges[min(truth.lead_in + max(truth.portal.start, 0), truth.periods - 1)] + 1
    return contract_table(
        "campaigns",
        campaign_id=name_ids("N", np.arange(len(names)), width=3),
        name=pa.array(names, pa.string()),
        tactic=pa.array([kinds.get(name, "other") for name in names], pa.string()),
        start_date=dates(np.array([opened, *[edges[0] + 1] * (len(names) - 1)])),
        currency=pa.repeat(truth.currency, len(names)),
    )


def build_manager_time(realized: Realized, activities: pa.Table) -> pa.Table:
    """Table ``manager_time``: what activities took with preparation, and one day a week of work for no partner."""
    rng = stream(realized.seed, "manager time")
    done = activities.filter(pa.array(np.asarray(activities["outcome"].to_numpy(zero_copy_only=False) == "completed")))
    managers = int(sum(area.managers for area in realized.latents.truth.regions.values()))
    weeks = np.arange(realized.edges[0].astype("datetime64[D]") + 3, realized.edges[-1].astype("datetime64[D]"), 7)
    desk = pa.array(np.tile(np.arange(managers), len(weeks)))
    minutes = np.concatenate([np.round(done["minutes"].to_numpy() * rng.uniform(1.1, 1.6, done.num_rows)), np.full(len(desk), 300.0)])
    return contract_table(
        "manager_time",
        entry_id=name_ids("E", np.arange(len(minutes)), width=8),
        manager_id=pa.concat_arrays([done["manager_id"].combine_chunks(), hash_ids("M", desk.to_numpy() + 1)]),
        partner_id=pa.concat_arrays([done["partner_id"].combine_chunks(), pa.nulls(len(desk), pa.string())]),
        day=dates(np.concatenate([done["occurred_at"].to_numpy().astype("datetime64[D]"), np.repeat(weeks, managers)])),
        minutes=minutes,
        tactic=pa.concat_arrays([done["tactic"].combine_chunks(), pa.nulls(len(desk), pa.string())]),
    )


def build_cases(realized: Realized) -> pa.Table:
    """Table ``cases``: four fifths of the tickets come from the fifth of partners with little quality."""
    latents, rng = realized.latents, stream(realized.seed, "cases")
    tail = latents.quality < np.quantile(latents.quality, 0.2) if len(latents.quality) else latents.quality > 0
    rate = np.where(tail, 2.4, 0.15)[:, None] * realized.exposure
    partner, _, at = spread(realized, rng.poisson(rate), rng)
    count = len(partner)
    answered = at + (3600 * rng.gamma(1.5, 6.0, count)).astype(np.int64).astype("timedelta64[s]")
    closed = answered + (3600 * rng.gamma(1.5, 40.0, count)).astype(np.int64).astype("timedelta64[s]")
    end = realized.edges[-1]
    return contract_table(
        "cases",
        case_id=name_ids("S", np.arange(count), width=8),
        partner_id=name_ids("P", partner),
        opened_at=instants(at),
        first_response_at=instants(answered, known=answered < end),
        closed_at=instants(closed, known=closed < end),
        priority=pick(("low", "normal", "high", "urgent"), rng.choice(4, size=count, p=(0.25, 0.5, 0.2, 0.05))),
        category=pick(("access", "billing", "product", "deal registration"), rng.integers(0, 4, count)),
        csat=pa.array(np.round(rng.beta(5.0, 2.0, count), 2), mask=~((closed < end) & (rng.random(count) < 0.4))),
        escalated=rng.random(count) < 0.06,
    )


def build_surveys(realized: Realized) -> pa.Table:
    """Table ``surveys``: one question a year to every member, better partners answer more often and better."""
    latents, rng = realized.latents, stream(realized.seed, "surveys")
    asked = np.flatnonzero((latents.truth.start + np.arange(latents.truth.periods)) % 4 == 1)
    chosen = np.zeros(realized.member.shape, dtype=np.int32)
    chosen[:, asked] = realized.member[:, asked]
    partner, _, at = spread(realized, chosen, rng)
    answers = rng.random(len(partner)) < 0.35 + 0.1 * latents.quality[partner]
    back = at + rng.integers(3600, 12 * 86400, len(partner)).astype("timedelta64[s]")
    answers &= back < realized.edges[-1]
    score = np.clip(np.rint(7.0 + 0.8 * latents.quality[partner] + rng.normal(0.0, 1.8, len(partner))), 0, 10)
    return contract_table(
        "surveys",
        response_id=name_ids("R", np.arange(len(partner))),
        partner_id=name_ids("P", partner),
        item=pa.repeat("recommend", len(partner)),
        sent_at=instants(at),
        answered_at=instants(back, known=answers),
        score=pa.array(score, mask=~answers),
    )


def units_of_trial(realized: Realized) -> np.ndarray:
    """Rows of the partners there at the start of the trial's quarter; none where the program does not reach it."""
    latents, truth = realized.latents, realized.latents.truth
    t = truth.trial.start + truth.lead_in
    inside = truth.trial.start >= 0 and t < truth.periods
    return np.flatnonzero((latents.joined < t) & (realized.lapsed >= t)) if inside else np.zeros(0, dtype=np.int64)


def build_assignments(realized: Realized) -> pa.Table:
    """Table ``assignments``: the members at the start of the trial's quarter, by variant."""
    latents, truth = realized.latents, realized.latents.truth
    here = units_of_trial(realized)
    t = truth.trial.start + truth.lead_in if len(here) else 0
    start = realized.edges[t].astype("datetime64[s]") + 9 * 3600
    seen = start + stream(realized.seed, "exposure").integers(3600, 20 * 86400, len(latents.quality)).astype("timedelta64[s]")[here]
    exposed = latents.exposed[here] & realized.member_at(here, seen)
    treated = latents.variant[here]
    return contract_table(
        "assignments",
        experiment_id=pa.repeat(truth.trial.name, len(here)),
        unit_id=name_ids("P", here),
        unit_type=pa.repeat("partner", len(here)),
        partner_id=name_ids("P", here),
        variant=pick(("control", "treatment"), treated.astype(np.int8)),
        assigned_at=instants(np.full(len(here), start)),
        stratum=pick(truth.tiers, np.maximum(latents.tier[here, t], 0)),
        p_assign=np.where(treated, truth.trial.share, 1.0 - truth.trial.share),
        exposed_at=instants(seen, known=exposed),
    )


def build_promotions(realized: Realized) -> tuple[pa.Table, pa.Table]:
    """Tables ``promotions`` and ``promotion_uses``: one offer a year to every member, of 90, 180 or 365 days."""
    latents, rng = realized.latents, stream(realized.seed, "promotions")
    quarters = np.arange(0, latents.truth.periods, 4)
    edges = realized.edges.astype("datetime64[s]")
    starts, lengths = edges[quarters] + 2 * 86400, np.array([90, 180, 365])[np.arange(len(quarters)) % 3]
    offers = contract_table(
        "promotions",
        promotion_id=name_ids("O", np.arange(len(quarters)), width=3),
        name=pa.array([f"Rebate {length} days" for length in lengths], pa.string()),
        target=pa.repeat("all partners", len(quarters)),
        announced_on=dates(starts),
        start_date=dates(starts),
        end_date=dates(starts.astype("datetime64[D]") + lengths),
        cost=money(np.full(len(quarters), 1_500_000)),
        currency=pa.repeat(latents.truth.currency, len(quarters)),
    )
    here = (latents.joined[:, None] < quarters) & (realized.lapsed[:, None] > quarters)
    partner, offer = np.nonzero(here)
    used = rng.random(len(partner)) < 0.25 + 0.05 * latents.quality[partner]
    at = starts[offer] + (rng.beta(1.2, 3.0, len(partner)) * lengths[offer] * 86400).astype(np.int64).astype("timedelta64[s]")
    used &= (at < edges[-1]) & realized.member_at(partner, at)
    uses = contract_table(
        "promotion_uses",
        promotion_id=name_ids("O", offer, width=3),
        partner_id=name_ids("P", partner),
        offered_at=instants(starts[offer]),
        first_used_at=instants(at, known=used),
    )
    return offers, uses
