"""What people decide against the rule, other names of partners, and the program's own facts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from partnerlab.intake.simulate.columns import contract_table, dates, hash_ids, instants, name_ids, pick
from partnerlab.intake.simulate.latents import stream
from partnerlab.intake.simulate.realized import Realized

#: Tiers that overrides and appeals speak of: those of the shipped quadrant.
_CELLS = ("KEY PARTNERS", "UNPOLISHED DIAMONDS", "GROWTH HACKERS", "DEMENTORS")


def _members_in(realized: Realized, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pick a few partners, each with one quarter in which it was a member throughout; never the last one."""
    whole = realized.exposure[:, :-1] > 0.999
    partner = np.flatnonzero(whole.any(axis=1) & (rng.random(len(whole)) < share))
    keys = rng.random((len(partner), whole.shape[1])) * whole[partner]
    return partner, keys.argmax(axis=1)


def build_overrides(realized: Realized) -> pa.Table:
    """Table ``overrides``: a few partners whom somebody put into another tier for two quarters."""
    rng, truth = stream(realized.seed, "overrides"), realized.latents.truth
    partner, quarter = _members_in(realized, 0.015, rng)
    edges = truth.calendar.bounds_date(truth.start, truth.last + 2)
    decided = edges[quarter + 1].astype("datetime64[s]") + rng.integers(86400, 5 * 86400, len(partner)).astype("timedelta64[s]")
    return contract_table(
        "overrides",
        override_id=name_ids("V", np.arange(len(partner)), width=4),
        partner_id=name_ids("P", partner),
        scheme=pa.repeat("quadrant", len(partner)),
        tier=pick(_CELLS, rng.choice(4, size=len(partner), p=(0.6, 0.2, 0.15, 0.05))),
        valid_from=dates(edges[quarter + 1]),
        valid_to=dates(edges[quarter + 3]) if len(partner) else dates(edges[:0]),
        reason=pick(("strategic account", "large deal expected", "data were wrong"), rng.integers(0, 3, len(partner))),
        decided_by=hash_ids("M", realized.latents.manager[partner] + 1),
        decided_at=instants(decided),
    )


def build_appeals(realized: Realized) -> pa.Table:
    """Table ``appeals``: a few partners who say that their tier is wrong; some are right."""
    rng, truth = stream(realized.seed, "appeals"), realized.latents.truth
    partner, quarter = _members_in(realized, 0.10, rng)
    end = realized.edges[-1].astype("datetime64[s]")
    filed = realized.edges[quarter + 1].astype("datetime64[s]") + rng.integers(86400, 20 * 86400, len(partner)).astype("timedelta64[s]")
    decided = filed + rng.integers(2 * 86400, 40 * 86400, len(partner)).astype("timedelta64[s]")
    settled, upheld = decided < end, rng.random(len(partner)) < 0.35
    edges = truth.calendar.bounds_date(truth.start, truth.last + 2)
    granted = settled & upheld
    return contract_table(
        "appeals",
        appeal_id=name_ids("Q", np.arange(len(partner)), width=4),
        partner_id=name_ids("P", partner),
        scheme=pa.repeat("quadrant", len(partner)),
        quarter=pick(truth.calendar.labels(truth.start + np.arange(truth.periods)), quarter),
        claimed_tier=pick(_CELLS, rng.integers(0, 3, len(partner))),
        wrong_metric=pick(("leads", "relevance"), rng.integers(0, 2, len(partner))),
        evidence=pa.repeat("deal list attached", len(partner)),
        filed_at=instants(filed),
        decided_at=instants(decided, known=settled),
        decision=pick(("open", "rejected", "upheld"), np.where(settled, 1 + upheld, 0)),
        granted_tier=pick(_CELLS, np.zeros(len(partner), dtype=np.int8), known=granted),
        valid_to=dates(np.where(granted, edges[np.minimum(quarter + 3, len(edges) - 1)], np.datetime64("NaT"))),
    )


def build_aliases(realized: Realized, partners: pa.Table) -> pa.Table:
    """Table ``partner_aliases``: one partner in twenty has another name in the ticket system."""
    rng = stream(realized.seed, "aliases")
    partner = np.flatnonzero(rng.random(len(realized.lapsed)) < 0.05)
    names = partners["name"].combine_chunks().take(pa.array(partner))
    return contract_table(
        "partner_aliases",
        partner_id=name_ids("P", partner),
        alias=pc.binary_join_element_wise(names, "GmbH", " "),
        valid_from=instants(realized.joined_at[partner]),
        match_method=pick(("domain", "name", "manual"), rng.integers(0, 3, len(partner))),
        match_score=np.round(rng.uniform(0.8, 1.0, len(partner)), 2),
        source_system=pa.repeat("tickets", len(partner)),
        source_id=name_ids("X", partner),
    )


def build_quarters(realized: Realized) -> pa.Table:
    """Table ``quarters``: the program's calendar."""
    truth = realized.latents.truth
    edges = truth.calendar.bounds_date(truth.start, truth.last)
    return contract_table(
        "quarters",
        quarter_id=pa.array(truth.calendar.labels(truth.start + np.arange(truth.periods)), pa.string()),
        start=dates(edges[:-1]),
        end=dates(edges[1:]),
        tz=pa.repeat(truth.timezone, truth.periods),
        is_partial=np.zeros(truth.periods, dtype=bool),
    )


def build_program(realized: Realized) -> pa.Table:
    """Table ``program``: one row."""
    truth = realized.latents.truth
    end = truth.calendar.bounds_date(truth.start, truth.last)[-1:]
    return contract_table(
        "program",
        name=pa.array([truth.name]),
        start_month=pa.array([truth.calendar.start_month]),
        timezone=pa.array([truth.timezone]),
        cadence=pa.array(["quarter"]),
        currency=pa.array([truth.currency]),
        tier_order=pa.array([">".join(truth.tiers)]),
        data_until=dates(end),
    )


def build_manifest(realized: Realized) -> pa.Table:
    """Table ``ingest_manifest``: one extract, read once."""
    truth = realized.latents.truth
    return contract_table(
        "ingest_manifest",
        file_sha256=pa.array([f"{realized.seed:064x}"]),
        path=pa.array([f"{truth.name}.duckdb"]),
        encoding=pa.array(["utf-8"]),
        rows=pa.array([len(realized.lapsed)], pa.int64()),
        as_of=instants(realized.edges[-1:]),
        mapping_version=pa.array(["simulated"]),
        naive_tz=pa.array(["UTC"]),
    )
