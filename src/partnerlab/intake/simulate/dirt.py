"""The dirt of real extracts, in known numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from partnerlab.intake.simulate.columns import money, name_ids
from partnerlab.intake.simulate.latents import stream
from partnerlab.intake.simulate.realized import Realized


def _with(table: pa.Table, **columns: object) -> pa.Table:
    """Give the same rows other values in some columns."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        kind = table.schema.field(name).type
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array([values] * table.num_rows, kind)
        table = table.set_column(place, name, array.cast(kind))
    return table


def _sample(table: pa.Table, count: int, rng: np.random.Generator, *, where: str | None = None) -> pa.Table:
    """Rows to be copied, with replacement only if there are too few."""
    places = np.arange(table.num_rows) if where is None else np.flatnonzero(~table[where].is_null().to_numpy())
    if not count or not len(places):
        return table.slice(0, 0)
    return table.take(pa.array(rng.choice(places, size=count, replace=count > len(places))))


def _no_deal(table: pa.Table) -> pa.Table:
    return _with(table, deal_id=pa.nulls(table.num_rows, pa.string()))


def soil(realized: Realized, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Add the rows that `Dirt` asks for; every added row has an id of its own, starting with ``Z``."""
    dirt, rng = realized.latents.truth.dirt, stream(realized.seed, "dirt")

    def ids(count: int, prefix: str) -> pa.Array:
        return name_ids(f"Z{prefix}", np.arange(count), width=5)

    tests = _sample(tables["partners"], dirt.test_partners, rng)
    tests = _with(tests, partner_id=ids(tests.num_rows, "P"), name="Test partner, do not use", is_test=True)
    lost = _sample(tables["leads"], round(dirt.leads_without_partner * tables["leads"].num_rows), rng)
    lost = _with(lost, lead_id=ids(lost.num_rows, "L"), partner_id=pa.nulls(lost.num_rows, pa.string()), converted_deal_id=None)
    negative = _with(_sample(tables["deals"], dirt.negative_deals, rng), lead_id=None)
    negative = _with(negative, deal_id=ids(negative.num_rows, "D"), amount=money(np.full(negative.num_rows, -12_345)))
    backwards = _with(_sample(tables["deals"], dirt.created_after_closed, rng, where="closed_at"), lead_id=None)
    before = backwards["created_at"].to_numpy().astype("datetime64[us]") - np.timedelta64(30, "D")
    backwards = _with(backwards, deal_id=ids(backwards.num_rows, "B"), closed_at=pa.array(before, pa.timestamp("us")))
    orphans = _no_deal(_sample(tables["transactions"], dirt.orphan_transactions, rng))
    orphans = _with(orphans, txn_id=ids(orphans.num_rows, "T"), partner_id=ids(orphans.num_rows, "Z"))
    ancient = _with(_sample(tables["cases"], dirt.ancient_cases, rng), opened_at=np.datetime64("1970-01-01", "us"))
    ancient = _with(ancient, case_id=ids(ancient.num_rows, "S"))
    twice = _sample(tables["activities"], dirt.exact_duplicates, rng)
    twice = _with(twice, activity_id=ids(twice.num_rows, "A"))
    added = {
        "partners": [tests],
        "leads": [lost],
        "deals": [negative, backwards],
        "transactions": [orphans],
        "cases": [ancient],
        "activities": [twice],
    }
    return {name: pa.concat_tables([table, *added.get(name, [])]) for name, table in tables.items()}
