"""From numpy arrays to the contract's Arrow columns, without a Python object per row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from partnerlab.intake.contract import TABLES

#: Arrow type of each type of the contract.
ARROW_TYPES = {
    "id": pa.string(),
    "text": pa.string(),
    "category": pa.string(),
    "date": pa.date32(),
    "instant": pa.timestamp("us"),
    "money": pa.decimal128(18, 2),
    "number": pa.float64(),
    "integer": pa.int64(),
    "share": pa.float64(),
    "flag": pa.bool_(),
}


def name_ids(prefix: str, numbers: np.ndarray, *, width: int = 7, known: np.ndarray | None = None) -> pa.Array:
    """Ids such as ``P0000012``; null where not ``known``."""
    digits = pc.utf8_lpad(pc.cast(pa.array(np.asarray(numbers, dtype=np.int64)), pa.string()), width=width, padding="0")
    return blank(pc.binary_join_element_wise(prefix, digits, ""), known)


def hash_ids(prefix: str, numbers: np.ndarray, *, known: np.ndarray | None = None) -> pa.Array:
    """Ids that look like hashes: a bijection of 32-bit numbers (Knuth's multiplicative hash)."""
    mixed = (np.asarray(numbers, dtype=np.uint64) * np.uint64(2654435761)) % np.uint64(2**32)
    return name_ids(prefix, mixed.astype(np.int64), width=10, known=known)


def blank(values: pa.Array, known: np.ndarray | None) -> pa.Array:
    """Put nulls where the value is not known."""
    if known is None:
        return values
    return pc.if_else(pa.array(np.asarray(known, dtype=bool)), values, pa.scalar(None, values.type))


def pick(labels: Sequence[str], codes: np.ndarray, *, known: np.ndarray | None = None) -> pa.Array:
    """Labels at codes."""
    return pa.array(list(labels), pa.string()).take(pa.array(codes, mask=None if known is None else ~np.asarray(known, dtype=bool)))


def money(cents: np.ndarray, *, known: np.ndarray | None = None) -> pa.Array:
    """Integer minor units as decimal(18,2), by writing the 16 bytes of each value."""
    cents = np.ascontiguousarray(cents, dtype=np.int64)
    words = np.stack([cents, cents >> 63], axis=1)
    return blank(pa.Array.from_buffers(pa.decimal128(18, 2), len(cents), [None, pa.py_buffer(words)]), known)


def instants(at: np.ndarray, *, known: np.ndarray | None = None) -> pa.Array:
    """Naive UTC instants; NaT is null."""
    values = np.asarray(at).astype("datetime64[us]")
    return pa.array(values if known is None else np.where(known, values, np.datetime64("NaT")), pa.timestamp("us"))


def dates(at: np.ndarray) -> pa.Array:
    """Dates; NaT is null."""
    return pa.array(np.asarray(at).astype("datetime64[D]"), pa.date32())


def contract_table(name: str, /, **columns: object) -> pa.Table:
    """Put columns into the contract's order and types; the contract's other columns stay away."""
    wanted = [column for column in TABLES[name].columns if column.name in columns]
    arrays = []
    for column in wanted:
        values, kind = columns[column.name], ARROW_TYPES[column.type]
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)
        arrays.append(array if array.type == kind else array.cast(kind))
    return pa.table(arrays, names=[column.name for column in wanted])


def stamp(table: pa.Table, *, key: tuple[str, ...], system: str, recorded_at: np.ndarray) -> pa.Table:
    """Add the common columns: where a row came from (its id there, if it has one) and when the source knew it."""
    table = table.append_column("source_system", pa.repeat(pa.scalar(system), table.num_rows))
    if len(key) == 1:
        table = table.append_column("source_id", table[key[0]])
    return table.append_column("recorded_at", instants(recorded_at))
