"""What tiers cost: `assign_tiers` with the shipped quadrant beside the same rules written in pandas.

Regional quantile lines with a floor, a score of two percentile ranks, a margin of 10 %,
two quarters to fall and grace for new partners: the whole pipeline, hysteresis included.
Every side runs in a process of its own, in turn, on the same arrays; answers are compared
before a time is printed.

    python benchmarks/tiers.py --partners 10000 100000 1000000
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

QUARTERS, REGIONS, SEED = 20, 12, 20260101
TIERS = ("KEY PARTNERS", "UNPOLISHED DIAMONDS", "GROWTH HACKERS", "DEMENTORS")


def draw(partners: int) -> dict[str, np.ndarray]:
    """Facts of a program: lead counts, two measures of relevance (some unknown), regions."""
    random = np.random.default_rng(SEED)
    rate = random.gamma(0.8, 4.0, size=(partners, 1))
    size = random.lognormal(3.0, 1.0, size=(partners, 1))
    clients = np.round(size * np.cumprod(random.choice([0.9, 1.0, 1.0, 1.1], size=(partners, QUARTERS)), axis=1))
    presence = np.clip(np.round(50 + 12 * np.log(size) / 3 + random.normal(0, 15, size=(partners, QUARTERS))), 0, 100)
    clients[random.random(partners) < 0.1] = np.nan
    presence[random.random(partners) < 0.1] = np.nan
    return {
        "leads": random.poisson(rate, size=(partners, QUARTERS)).astype(np.int32),
        "network_clients": clients,
        "relevance": presence,
        "region": random.integers(0, REGIONS, partners),
    }


def by_partnerlab(facts: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """Codes of the tiers held, -1 unknown, and the seconds it took once the panel stands."""
    from partnerlab.panel import Indicators, Panel
    from partnerlab.periods import Calendar
    from partnerlab.tiers import TierScheme, assign_tiers

    n, t = facts["leads"].shape
    known = {name: (~np.isnan(facts[name])).astype(np.int32) for name in ("network_clients", "relevance")}
    panel = Panel(
        partners=np.array([f"P{index:08d}" for index in range(n)]),
        first=2021 * 4,
        calendar=Calendar(),
        indicators=Indicators.model_validate(
            {
                "indicators": {
                    "leads": {"from": "frame", "statistic": "count"},
                    "network_clients": {"from": "frame", "statistic": "mean"},
                    "relevance": {"from": "frame", "statistic": "mean"},
                }
            }
        ),
        totals={"leads": facts["leads"]} | {name: np.nan_to_num(facts[name]) for name in known},
        counts={"leads": facts["leads"]} | known,
        state=np.ones((n, t), dtype=np.int8),
        exposure=np.ones((n, t), dtype=np.float32),
        attributes=pd.DataFrame({"region": [f"R{code:02d}" for code in facts["region"]]}),
        partial=np.zeros(t, dtype=bool),
    )
    scheme = TierScheme.load("quadrant")
    start = time.process_time()
    history = assign_tiers(panel, scheme)
    return history.held, time.process_time() - start


def by_pandas(facts: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """Write the same rules as a careful analyst would: grouped columns, then one pass over quarters."""
    n, t = facts["leads"].shape
    long = pd.DataFrame(
        {
            "partner": np.repeat(np.arange(n, dtype=np.int32), t),
            "quarter": np.tile(np.arange(t, dtype=np.int8), n),
            "region": pd.Categorical(np.repeat(facts["region"], t)),
            "leads": facts["leads"].ravel(),
            "network_clients": facts["network_clients"].ravel(),
            "relevance": facts["relevance"].ravel(),
        }
    )
    start = time.process_time()
    lines = long.groupby(["quarter", "region"], observed=True)["leads"].quantile(0.75).clip(lower=3).rename("line")
    long = long.merge(lines.reset_index(), on=["quarter", "region"], how="left", sort=False)
    points = pd.DataFrame(index=long.index)
    for name, weight in (("network_clients", 0.6), ("relevance", 0.4)):
        grouped = long.groupby("quarter")[name]
        points[name] = weight * (grouped.rank(method="average") - 0.5) / grouped.transform("count")
    weights = long["network_clients"].notna() * 0.6 + long["relevance"].notna() * 0.4
    long["score"] = 100 * points.sum(axis=1, min_count=1) / weights.where(weights > 0)
    held = _pass(long)
    return held, time.process_time() - start


def _pass(long: pd.DataFrame) -> np.ndarray:
    """Hysteresis: sides of both axes with a margin, two quarters in a row to leave a tier for one not higher."""
    height = pd.Series({0: 2, 1: 1, 2: 1, 3: 0})
    result = {}
    previous = pending = None
    for quarter, here in long.groupby("quarter", sort=True):
        now = here.set_index("partner")
        x, y, line = now["leads"], now["score"], now["line"]
        raw = _cell(x >= line - 1e-9, y >= 60 - 6e-8).where(y.notna(), -1)
        if previous is None:
            previous, waits = raw.copy(), pd.Series(0, index=raw.index)
            pending = raw.copy()
            result[quarter] = raw
            continue
        was_x, was_y = previous.isin([0, 2]), previous.isin([0, 1])
        up_x, stay_x = x >= line * 1.1 - 1e-9 * line, x >= line * 0.9 - 1e-9 * line
        up_y, stay_y = y >= 66 - 7e-8, y >= 54 - 6e-8
        target = _cell(up_x | (stay_x & was_x), up_y | (stay_y & was_y))
        target = target.where(previous >= 0, raw).where(raw >= 0, previous)
        rises = target.map(height) > previous.map(height)
        falls = target.map(height) < previous.map(height)
        same_way = (waits == 1) & ((falls & pending.map(height).lt(previous.map(height))) | (~falls & ~rises & (target == pending)))
        moves = (target != previous) & (rises | same_way | (previous < 0))
        nearest = pending.where(falls & same_way & (pending.map(height) > target.map(height)), target)
        waits = ((target != previous) & ~moves & (raw >= 0)).astype(int)
        pending = target
        previous = nearest.where(moves, previous)
        result[quarter] = previous.where(raw >= 0, -1)
    return pd.DataFrame(result).sort_index().to_numpy().astype(np.int8)


def _cell(x: pd.Series, y: pd.Series) -> pd.Series:
    """Code of the cell: key 0, diamond 1, hacker 2, dementor 3."""
    return pd.Series(np.select([x & y, y & ~x, x & ~y], [0, 1, 2], 3), index=x.index)


SIDES = {"partnerlab": by_partnerlab, "pandas": by_pandas}


def run_side(side: str, partners: int) -> dict[str, float | str]:
    """One side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--partners", str(partners)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report(sizes: list[int]) -> str:
    """Run all sides in turn, compare, and write the table."""
    rows = [
        "| partners x quarters | partnerlab, CPU s | pandas, CPU s | ratio | partnerlab, GB | pandas, GB |",
        "|---|---|---|---|---|---|",
    ]
    for partners in sizes:
        ours, theirs = (run_side(side, partners) for side in SIDES)
        if ours["digest"] != theirs["digest"]:
            raise SystemExit(f"{partners} partners: the answers differ; no times are printed")
        ratio = float(theirs["seconds"]) / float(ours["seconds"])
        size = f"{partners:,} x {QUARTERS}"
        rows.append(
            f"| {size} | {ours['seconds']:.2f} | {theirs['seconds']:.2f} | {ratio:.1f} | {ours['peak']:.1f} | {theirs['peak']:.1f} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partners", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--side", choices=list(SIDES))
    given = parser.parse_args()
    if given.side:
        codes, seconds = SIDES[given.side](draw(given.partners[0]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"digest": hashlib.sha256(np.ascontiguousarray(codes).tobytes()).hexdigest(), "seconds": seconds, "peak": peak}))
        return
    text = f"Seed {SEED}, numpy {np.__version__}, pandas {pd.__version__}, Python {platform.python_version()}, {platform.machine()}.\n\n"
    text += report(given.partners)
    print(text)
    page = Path(__file__).with_suffix(".md")
    head = page.read_text(encoding="utf-8").split("<!-- measured -->")[0] if page.exists() else "# Tiers\n\n"
    page.write_text(f"{head}<!-- measured -->\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
