"""What spells and curves cost: a million partners by twenty quarters, beside statsmodels where it can.

A drawn program (joins, lapses, returns, moves between four tiers, a third of the partners there before the
panel) is cut into spells; curves, hazards and ways of leaving are estimated from them. Kaplan-Meier by region
with the log-rank test, delayed entry included, is also computed by statsmodels from the same spells; the
answers are compared before a time is printed. The table goes into ``benchmarks/spells.md``.

    python benchmarks/spells.py --partners 100000 1000000
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels

from partnerlab.periods import Calendar
from partnerlab.spells import Spells, build_spells
from partnerlab.stats.curves import logrank, risksets
from partnerlab.survival import estimate_hazard, estimate_incidence, estimate_survival
from partnerlab.survival.sample import draw_sample
from partnerlab.tiers.history import TierHistory

QUARTERS, REGIONS, SEED = 20, 6, 20261122
HERE = Path(__file__).parent


def draw_history(partners: int) -> TierHistory:
    """Draw a program: constant hazard of 6 % a quarter, 15 % of those who left come back after two quarters."""
    random = np.random.default_rng(SEED)
    column = np.arange(QUARTERS)
    join, life = random.integers(-8, QUARTERS - 4, partners), random.geometric(0.06, partners)
    gone = join + life
    there = (column >= join[:, None]) & (column < gone[:, None])
    there |= (random.random(partners) < 0.15)[:, None] & (column >= gone[:, None] + 2)
    tier = (random.integers(0, 4, partners)[:, None] + (random.random((partners, QUARTERS)) < 0.1).cumsum(axis=1)) % 4
    codes = np.where(there, tier, np.where(column < join[:, None], -2, -3)).astype(np.int8)
    calendar = Calendar()
    first = calendar.parse("2022Q1")
    region = pd.Categorical.from_codes(random.integers(0, REGIONS, partners), [f"region {index}" for index in range(REGIONS)])
    attributes = pd.DataFrame({"region": region, "joined_at": calendar.bounds_date(first - 8, first + QUARTERS)[join + 8]})
    return TierHistory(
        partners=np.array([f"P{index:08d}" for index in range(partners)]),
        first=first,
        calendar=calendar,
        tiers=("A", "B", "C", "D"),
        rank=(4, 3, 2, 1),
        raw=codes,
        eligible=codes,
        held=codes,
        published=codes,
        reasons=np.zeros_like(codes),
        attributes=attributes,
        partial=np.zeros(QUARTERS, dtype=bool),
        lines=pd.DataFrame(columns=["quarter", "axis", "group", "line"]),
    )


def timed(work: Callable[[], object]) -> tuple[object, float]:
    """Give the result, and the CPU seconds it took."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def by_arrays(spells: Spells) -> tuple[np.ndarray, float]:
    """Curves of all regions at the last time and the log-rank statistic, from arrays that stand."""
    sample = draw_sample(spells, by="region")
    spans = sample.spans._replace(cause=np.minimum(sample.cause, 0))

    def work() -> np.ndarray:
        sets = risksets.count_risk_sets(spans, group=sample.group, groups=sample.groups)
        curve = risksets.kaplan_meier(sets.at_risk, sets.ended)
        error = curve * np.sqrt(risksets.greenwood(sets.at_risk, sets.ended))
        return np.array([*curve[:, 8], *error[:, 8], logrank.log_rank(sets.at_risk, sets.ended).statistic])

    return timed(work)


def by_statsmodels(spells: Spells) -> tuple[np.ndarray, float]:
    """Compute the same by statsmodels' SurvfuncRight and survdiff."""
    from statsmodels.duration.survfunc import SurvfuncRight, survdiff

    frame = spells.frame
    time_to, ended = frame["duration"].to_numpy(dtype=float), (frame["event"] != "").to_numpy(dtype=int)
    entry, region = frame["entry"].to_numpy(dtype=float), frame["region"].cat.codes.to_numpy()

    def work() -> np.ndarray:
        curves = [SurvfuncRight(time_to[region == r], ended[region == r], entry=entry[region == r]) for r in range(REGIONS)]
        place = [np.searchsorted(curve.surv_times, 9.0, side="right") - 1 for curve in curves]
        shares = [curve.surv_prob[at] for curve, at in zip(curves, place, strict=True)]
        errors = [curve.surv_prob_se[at] for curve, at in zip(curves, place, strict=True)]
        return np.array([*shares, *errors, survdiff(time_to, ended, region, entry=entry)[0]])

    return timed(work)


def measure(partners: int) -> list[dict]:
    """Cut, estimate, compare; one row for each step."""
    history = draw_history(partners)
    members, cut = timed(lambda: build_spells(history))
    tiers, cut_tiers = timed(lambda: build_spells(history, of="any tier"))
    steps = {"build_spells, membership": (len(members), cut), "build_spells, any tier": (len(tiers), cut_tiers)}
    for name, work, spells in (
        ("estimate_survival", estimate_survival, members),
        ("estimate_survival by region, clustered", lambda told: estimate_survival(told, by="region"), members),
        ("estimate_hazard by quarter", estimate_hazard, members),
        ("estimate_hazard by tenure", lambda told: estimate_hazard(told, by="tenure"), members),
        ("estimate_incidence, three ways of leaving, clustered", estimate_incidence, tiers),
    ):
        steps[name] = (len(spells), timed(lambda work=work, spells=spells: work(spells))[1])
    (ours, fast), (theirs, slow) = by_arrays(members), by_statsmodels(members)
    if not np.allclose(ours, theirs, rtol=1e-8):
        raise SystemExit(f"answers differ: {ours} {theirs}")
    steps["Kaplan-Meier by region + log-rank, arrays"] = (len(members), fast)
    rows = [
        {"partners": partners, "step": name, "spells": size, "seconds": seconds, "peer": np.nan} for name, (size, seconds) in steps.items()
    ]
    rows[-1]["peer"] = slow
    return rows


def main() -> None:
    """Measure all sizes and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partners", type=int, nargs="+", default=[100_000, 1_000_000])
    rows = [row for partners in parser.parse_args().partners for row in measure(partners)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    lines = ["| partners x 20 quarters | step | spells | partnerlab, CPU s | statsmodels, CPU s |", "|---|---|---|---|---|"]
    for row in rows:
        peer = "" if np.isnan(row["peer"]) else f"{row['peer']:.2f}"
        lines.append(f"| {row['partners']:,} | {row['step']} | {row['spells']:,} | {row['seconds']:.2f} | {peer} |")
    versions = f"numpy {np.__version__}, pandas {pd.__version__}, statsmodels {statsmodels.__version__}, Python {platform.python_version()}"
    text = f"# Spells and curves: what they cost\n\n{__doc__.split(chr(10) * 2)[1]}\n\nSeed {SEED}, {versions}, {platform.machine()}; "
    text += f"peak of the process, data drawn in it included: {peak:.1f} GB.\n\n" + "\n".join(lines) + "\n"
    (HERE / "spells.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
