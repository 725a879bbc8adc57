"""What a panel costs: `build_panel` beside a bare scan of the columns it needs, and beside pandas.

Every side runs in a process of its own, in turn, on the same Parquet files; CPU is user
plus system time of that process, imports included, and memory its peak, both taken before
the answer is hashed. Answers are compared before a time is printed. One row stands for each partner and quarter in leads, transactions and
activities, and one for every second in cases.

    python benchmarks/panel.py --partners 10000 100000 1000000
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIRST, LAST, QUARTERS = "2021Q1", "2025Q4", 20
WANTED = ("leads", "leads_4q", "revenue", "revenue_4q", "activities", "meetings", "tickets")
SIDES = ("scan", "partnerlab", "pandas")
OUTCOMES = ("completed", "unknown")


def make_tables(folder: Path, partners: int) -> None:
    """Write the program's tables as Parquet, one file each, sorted by partner as a load by partner leaves them."""
    import duckdb

    folder.mkdir(parents=True)
    rows = f"FROM range({partners}) AS p(i), range({QUARTERS}) AS q(j)"
    partner = "'P' || lpad(i::VARCHAR, 8, '0')"
    noise = "(hash(i * 131 + j * 7 + {salt}) % 1000000)::BIGINT"
    moment = f"TIMESTAMP '2021-01-01 00:00:00' + to_months((3 * j)::INTEGER) + to_seconds({noise} * 77 // 10)"
    tables = {
        "partners": f"SELECT {partner} AS partner_id, DATE '2020-01-01' AS joined_at FROM range({partners}) AS p(i)",
        "leads": f"SELECT 'L' || (i * {QUARTERS} + j) AS lead_id, {partner} AS partner_id, {moment.format(salt=1)} AS created_at,"
        f" 'submitted' AS direction, CASE {noise.format(salt=2)} % 3 WHEN 0 THEN 'rejected' WHEN 1 THEN 'accepted' ELSE 'converted' END"
        f" AS disposition {rows}",
        "transactions": f"SELECT 'T' || (i * {QUARTERS} + j) AS txn_id, {partner} AS partner_id, {moment.format(salt=3)} AS booked_at,"
        f" 'invoice' AS kind, ({noise.format(salt=4)} / 100.0)::DECIMAL(18, 2) AS amount {rows}",
        "activities": f"SELECT 'A' || (i * {QUARTERS} + j) AS activity_id, {partner} AS partner_id, {moment.format(salt=5)} AS occurred_at,"
        f" CASE {noise.format(salt=6)} % 2 WHEN 0 THEN 'meeting' ELSE 'call' END AS tactic,"
        f" CASE {noise.format(salt=7)} % 10 WHEN 0 THEN 'cancelled' ELSE 'completed' END AS outcome {rows}",
        "cases": f"SELECT 'C' || (i * {QUARTERS} + j) AS case_id, {partner} AS partner_id, {moment.format(salt=8)} AS opened_at"
        f" {rows} WHERE (i + j) % 2 = 0",
    }
    with duckdb.connect() as connection:
        for name, query in tables.items():
            connection.execute(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    (folder / "program.yaml").write_text("name: bench\ndata_until: 2026-01-01\n", encoding="utf-8")


#: Columns that the indicators need, by table.
NEEDED = {
    "partners": ("partner_id", "joined_at"),
    "leads": ("partner_id", "created_at", "direction", "disposition"),
    "transactions": ("partner_id", "booked_at", "kind", "amount"),
    "activities": ("partner_id", "occurred_at", "tactic", "outcome"),
    "cases": ("partner_id", "opened_at"),
}

_TOUCH = dict.fromkeys(("created_at", "booked_at", "occurred_at", "opened_at"), "sum(epoch_us({}))")
_TOUCH |= {"amount": "sum({})", "joined_at": "count({})"}


def run_scan(folder: Path) -> dict:
    """Read every value that is needed, with the cheapest sum that cannot be answered from the file's footer."""
    import duckdb

    with duckdb.connect() as connection:
        for table, columns in NEEDED.items():
            touched = ", ".join(_TOUCH.get(column, "sum(strlen({}))").format(column) for column in columns)
            connection.execute(f"SELECT {touched} FROM '{folder / table}.parquet'").fetchall()
    return {}


def run_partnerlab(folder: Path) -> dict:
    """Build the panel and take every indicator's values."""
    from partnerlab.intake import connect
    from partnerlab.panel import build_panel

    with connect(folder) as source:
        panel = build_panel(source, first=FIRST, last=LAST, only=WANTED, checked=True)
        return {name: panel.values(name) for name in WANTED}


def run_pandas(folder: Path) -> dict:
    """Do the same in pandas, as an analyst would: read, cut, group, unstack, roll."""
    import numpy as np
    import pandas as pd

    partners = np.sort(pd.read_parquet(folder / "partners.parquet")["partner_id"].to_numpy(dtype=str))
    edges = pd.date_range("2021-01-01", "2026-01-01", freq="QS")

    def grouped(rows: pd.DataFrame, clock: str, value: str | None = None) -> pd.DataFrame:
        quarter = np.searchsorted(edges, rows[clock].to_numpy(), side="right") - 1
        groups = rows.assign(quarter=quarter).groupby(["partner_id", "quarter"], sort=False)
        wide = (groups.size() if value is None else groups[value].sum()).unstack(fill_value=0)
        return wide.reindex(index=partners, columns=range(QUARTERS), fill_value=0)

    def rolled(wide: pd.DataFrame) -> np.ndarray:
        # partners have been members since before the data begin: the first three windows are unknown
        return wide.T.rolling(4).sum().T.to_numpy(dtype=float)

    leads = pd.read_parquet(folder / "leads.parquet", columns=list(NEEDED["leads"]))
    leads = leads[(leads["direction"] == "submitted") & leads["disposition"].isin(["accepted", "qualified", "converted"])]
    leads = grouped(leads, "created_at")
    lines = pd.read_parquet(folder / "transactions.parquet", columns=list(NEEDED["transactions"]))
    lines = lines[lines["kind"].isin(["invoice", "credit_note"])]
    cents = (lines["amount"].astype(float) * 100).round().astype("int64")
    revenue = grouped(lines.assign(cents=cents), "booked_at", "cents")
    done = pd.read_parquet(folder / "activities.parquet", columns=list(NEEDED["activities"]))
    done = done[done["outcome"].isna() | done["outcome"].isin(OUTCOMES)]
    values = {"leads": leads, "leads_4q": rolled(leads), "activities": grouped(done, "occurred_at")}
    values["meetings"] = grouped(done[done["tactic"] == "meeting"], "occurred_at")
    values |= {"revenue": revenue / 100, "revenue_4q": rolled(revenue) / 100}
    values["tickets"] = grouped(pd.read_parquet(folder / "cases.parquet", columns=list(NEEDED["cases"])), "opened_at")
    return {name: np.asarray(values[name], dtype=float) for name in WANTED}


def _digest(values: dict) -> str:
    import numpy as np

    seen = hashlib.sha256()
    for name in WANTED:
        # hundredths as whole numbers, so that no side's last bit decides; unknown is -1
        whole = np.where(np.isnan(values[name]), -1, np.rint(np.nan_to_num(values[name]) * 100)).astype(np.int64)
        seen.update(name.encode() + np.ascontiguousarray(whole).tobytes())
    return seen.hexdigest()


def run_side(side: str, folder: Path) -> dict:
    """Run one side in this process: time from its start, imports included, until the values stand; then their digest."""
    values = {"scan": run_scan, "partnerlab": run_partnerlab, "pandas": run_pandas}[side](folder)
    used = {"cpu": time.process_time(), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    return used | {"answer": _digest(values) if values else None}


def measure(side: str, folder: Path) -> dict:
    """Run one side in a process of its own."""
    started = time.perf_counter()
    said = subprocess.run([sys.executable, __file__, "--side", side, "--data", str(folder)], check=True, capture_output=True, text=True)
    return {"side": side, "wall": time.perf_counter() - started, **json.loads(said.stdout.splitlines()[-1])}


def compare(partners: int, home: Path, repeats: int, sides: tuple[str, ...]) -> dict[str, dict]:
    """Run all sides in turn on one program, and give the median of each; refuses answers that differ."""
    folder = home / f"p{partners}"
    if not folder.exists():
        make_tables(folder, partners)
    runs = [measure(side, folder) for _ in range(repeats) for side in sides]
    answers = {run["answer"] for run in runs if run["answer"]}
    if len(answers) != 1:
        sys.exit(f"{partners} partners: the answers differ")
    middle = {}
    for side in sides:
        ordered = sorted((run for run in runs if run["side"] == side), key=lambda run: run["cpu"])
        middle[side] = ordered[len(ordered) // 2]
    return middle


def main() -> None:
    """Print the table for benchmarks/panel.md."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--partners", type=int, nargs="+", default=[10_000, 100_000])
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    asked.add_argument("--data", type=Path, help="where the generated tables are kept")
    asked.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    said = asked.parse_args()
    if said.side:
        print(json.dumps(run_side(said.side, said.data)))
        return
    home = said.data or Path(tempfile.mkdtemp(prefix="panel-bench-"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {said.repeats} runs of each side in turn, median\n")
    print("| partners | side | wall s | CPU s | peak MB | CPU / bare scan | CPU growth |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    before: dict[str, dict] = {}
    for partners in said.partners:
        found = compare(partners, home, said.repeats, tuple(said.sides))
        for side, run in found.items():
            growth = f"{run['cpu'] / before[side]['cpu']:.1f}" if side in before else ""
            ratio = f"{run['cpu'] / found['scan']['cpu']:.1f}"
            cells = f"{run['wall']:.1f} | {run['cpu']:.1f} | {run['peak_mb']:.0f}"
            print(f"| {partners:,} | {side} | {cells} | {ratio} | {growth} |", flush=True)
        before = found


if __name__ == "__main__":
    main()
