"""When the source knew each row: small delays, late rows, and rows that were corrected afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from partnerlab.intake.contract import TABLES
from partnerlab.intake.simulate.columns import instants, stamp
from partnerlab.intake.simulate.latents import stream
from partnerlab.intake.simulate.realized import Realized

#: Days after the end of the record on which the extract was made: nothing is recorded later.
EXTRACT_DAYS = 7
#: System that each table comes from.
SYSTEMS = {
    "leads": "crm", "deals": "crm", "deal_partners": "crm", "deal_stage_history": "crm", "transactions": "erp", "activities": "prm",
    "manager_time": "prm", "campaigns": "prm", "promotions": "prm", "promotion_uses": "prm", "assignments": "prm", "certifications": "lms",
    "cases": "tickets", "surveys": "tickets", "overrides": "prm", "appeals": "prm", "partners": "prm", "partner_profile": "prm",
    "tier_history": "prm",
}  # fmt: skip


def _earlier_lead(table: pa.Table) -> pa.Table:
    """Show a lead before anybody decided on it."""
    count = table.num_rows
    return (
        table.set_column(table.schema.get_field_index("disposition"), "disposition", pa.repeat("new", count))
        .set_column(table.schema.get_field_index("disposition_at"), "disposition_at", pa.nulls(count, pa.timestamp("us")))
        .set_column(table.schema.get_field_index("converted_deal_id"), "converted_deal_id", pa.nulls(count, pa.string()))
    )


def _earlier_money(table: pa.Table) -> pa.Table:
    """Show a row whose amount was first entered a tenth too low."""
    for name in ("amount", "amount_base"):
        place = table.schema.get_field_index(name)
        lower = pc.cast(pc.multiply(pc.cast(table[name], pa.float64()), 0.9), pa.decimal128(18, 2), safe=False)
        table = table.set_column(place, name, lower)
    return table


#: What the first version of a restated row looked like.
EARLIER: dict[str, Callable[[pa.Table], pa.Table]] = {"leads": _earlier_lead, "deals": _earlier_money, "transactions": _earlier_money}
_LATE = ("leads", "deals", "transactions", "cases", "activities")


def _event_time(realized: Realized, name: str, table: pa.Table) -> np.ndarray:
    """Instant that a row was first true, not before the record begins nor after it ends."""
    column = TABLES[name].time
    first, last = realized.edges[[0, -1]].astype("datetime64[s]")
    if column is None or column not in table.column_names:
        return np.full(table.num_rows, first)
    at = table[column].to_numpy().astype("datetime64[s]")
    return np.where(np.isnat(at), first, np.clip(at, first, last))


def _restate(name: str, table: pa.Table, recorded: np.ndarray, late: np.ndarray, realized: Realized) -> tuple[pa.Table, np.ndarray]:
    """Put an earlier version of some rows behind the table; the row as it stands is recorded later."""
    share = realized.latents.truth.restated
    rng = stream(realized.seed, f"restated {name}")
    changed = np.flatnonzero((rng.random(table.num_rows) < share) & ~late)
    end = realized.edges[-1].astype("datetime64[s]") + EXTRACT_DAYS * 86400
    first = recorded[changed]
    recorded = recorded.copy()
    recorded[changed] = np.minimum(first + rng.integers(3 * 86400, 60 * 86400, len(changed)).astype("timedelta64[s]"), end)
    return pa.concat_tables([table, EARLIER[name](table.take(pa.array(changed)))]), np.concatenate([recorded, first])


def record_rows(realized: Realized, name: str, table: pa.Table) -> pa.Table:
    """Add source, id and ``recorded_at``, and earlier versions of restated rows."""
    truth, rng = realized.latents.truth, stream(realized.seed, f"recorded {name}")
    end = realized.edges[-1].astype("datetime64[s]")
    delay = (3600 * rng.gamma(1.5, 8.0, table.num_rows)).astype(np.int64)
    late = np.zeros(table.num_rows, dtype=bool)
    if name in _LATE and truth.late:
        late = rng.random(table.num_rows) < truth.late
        delay = np.where(late, rng.integers(20 * 86400, 80 * 86400, table.num_rows), delay)
    recorded = np.minimum(_event_time(realized, name, table) + np.minimum(delay, 80 * 86400).astype("timedelta64[s]"), end + 3 * 86400)
    if name in EARLIER and truth.restated:
        table, recorded = _restate(name, table, recorded, late, realized)
    if "source_system" in table.column_names:
        return table.append_column("recorded_at", instants(recorded))
    return stamp(table, key=TABLES[name].key, system=SYSTEMS[name], recorded_at=recorded)
