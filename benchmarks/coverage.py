"""How often nominal 95 % intervals hold the truth, the whole road walked anew for every seed.

Each seed simulates a small program, opens it in memory, builds its panel, assigns tiers
and estimates; the truth comes from the simulator's exact answers. Results go to
``benchmarks/coverage.csv``, one row for each cell. Heterogeneous programs (`frailty.py`) begin at their tiers, so that many
can be drawn at a time; the sizes of the tests of one matrix on them go to ``benchmarks/test_sizes.csv``.

    python benchmarks/coverage.py --seeds 2000 --jobs 2
    python benchmarks/coverage.py --seeds 0 --still 0 --heterogeneous 2000 --tests 2000
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from partnerlab.intake import connect
from partnerlab.intake.simulate import Truth, simulate_program, true_flows, true_hazards, true_survival
from partnerlab.panel import Indicators, Panel, build_panel
from partnerlab.spells import build_spells
from partnerlab.stats.inference.intervals import wilson_interval
from partnerlab.survival import estimate_hazard, estimate_survival
from partnerlab.tiers import TierScheme, assign_tiers
from partnerlab.transitions import detect_movers, estimate_noise, estimate_transitions

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import frailty  # noqa: E402 - beside this file

#: Seeds start here, so that no seed used while building is used again.
FIRST_SEED = 1_000_000
#: A cell is common if so many moves or endings (and spells at risk) are expected behind it in one program.
COMMON = 20.0

#: The demo program in small: everything is in it, dirt, late and restated rows included.
PROGRAM = Truth(n_partners=200, n_quarters=12)
#: A program in which no partner's rate ever changes, for what noise alone does.
STILL = Truth.plain(n_partners=200, n_quarters=12, state_sd=0.0, season=(0.0, 0.0, 0.0, 0.0), growth=0.0, ramp=())
#: What the estimates read; the other tables only cost time.
TABLES = ("program", "partners", "leads", "partner_profile")
INDICATORS = Indicators(
    indicators={name: indicator for name, indicator in Indicators.load("standard").indicators.items() if name in ("leads", "relevance")}
)
LADDER = {
    "scheme": "ladder",
    "version": 1,
    "title": "Ladder of leads",
    "classify": {
        "kind": "ladder",
        "levels": [{"name": "High", "all": ["leads >= 5"]}, {"name": "Middle", "all": ["leads >= 2"]}],
        "else": "Low",
    },
}
CELLS = {"high_high": "KEY PARTNERS", "low_high": "UNPOLISHED DIAMONDS", "high_low": "GROWTH HACKERS", "low_low": "DEMENTORS"}
QUADRANT = {
    "scheme": "absolute-quadrant",
    "version": 1,
    "title": "Leads by relevance, absolute lines",
    "classify": {
        "kind": "quadrant",
        "x": {"value": "leads", "cut": {"absolute": 3}},
        "y": {"value": "relevance", "cut": {"absolute": 50}},
        "cells": CELLS,
        "missing": "unknown",
    },
}


def _flows(panel: Panel, scheme: dict) -> pd.DataFrame:
    """Estimated flows, keyed by cell."""
    table = estimate_transitions(assign_tiers(panel, TierScheme.model_validate(scheme))).table
    return table.assign(cell=table["from_tier"] + " -> " + table["to_tier"])


def _membership(panel: Panel) -> pd.DataFrame:
    """Estimated membership curve, keyed by quarters since joining; only curves that start at zero tell the same story."""
    curve = estimate_survival(build_spells(assign_tiers(panel, TierScheme.model_validate(LADDER)), of="membership"))
    table = curve.table[(curve.table["time"] > 0) & (curve.origin == 0)]
    return table.assign(cell=table["time"].map(lambda quarters: f"member after {quarters:02.0f} quarters"))


def _hazards(panel: Panel) -> pd.DataFrame:
    """Estimated lapse hazard of each calendar quarter."""
    spells = build_spells(assign_tiers(panel, TierScheme.model_validate(LADDER)), of="membership")
    table = estimate_hazard(spells, by="quarter").table
    return table.assign(cell="lapse in " + table["quarter"].astype("str"))


ESTIMATES: dict[str, Callable[[Panel], pd.DataFrame]] = {
    "transitions, ladder": functools.partial(_flows, scheme=LADDER),
    "transitions, quadrant": functools.partial(_flows, scheme=QUADRANT),
    "survival of membership": _membership,
    "lapse hazard by quarter": _hazards,
}


def _true_cells(flows: pd.DataFrame) -> pd.DataFrame:
    cell = flows["from_tier"] + " -> " + flows["to_tier"]
    return pd.DataFrame({"cell": cell, "truth": flows["probability"], "expected": flows["probability"] * flows["at_risk"]})


def true_answers(*, draws: int = 2_000_000) -> dict[str, pd.DataFrame]:
    """Say what the estimates should be near to: ``cell, truth, expected``.

    Expected are the moves behind a cell, the endings behind a hazard; for a point of a curve the endings up to it
    or the spells still at risk at it, whichever are fewer.
    """
    curve, hazards = true_survival(PROGRAM, draws=draws), true_hazards(PROGRAM, by="quarter", draws=draws)
    quadrant = ("KEY PARTNERS", "GROWTH HACKERS", "UNPOLISHED DIAMONDS", "DEMENTORS")
    return {
        "transitions, ladder": _true_cells(true_flows(PROGRAM, cuts={"leads": (2, 5)}, tiers=("High", "Middle", "Low"), draws=draws)),
        "transitions, quadrant": _true_cells(true_flows(PROGRAM, cuts={"leads": (3,), "relevance": (50,)}, tiers=quadrant, draws=draws)),
        "survival of membership": pd.DataFrame(
            {
                "cell": curve["time"].map(lambda quarters: f"member after {quarters:02d} quarters"),
                "truth": curve["survival"],
                "expected": np.minimum((curve["hazard"] * curve["at_risk"]).cumsum(), curve["at_risk"]),
            }
        ),
        "lapse hazard by quarter": pd.DataFrame(
            {"cell": "lapse in " + hazards["quarter"], "truth": hazards["hazard"], "expected": hazards["hazard"] * hazards["at_risk"]}
        ),
    }


def walk_road(seed: int, *, studies: Sequence[str] = tuple(ESTIMATES)) -> pd.DataFrame:
    """Simulate one program and estimate what is asked for: ``study, cell, estimate, conf_low, conf_high``."""
    first, last = PROGRAM.first, PROGRAM.calendar.label(PROGRAM.last)
    tables = simulate_program(PROGRAM, seed=seed).tables
    with connect({name: tables[name] for name in TABLES}) as source:
        panel = build_panel(source, first=first, last=last, indicators=INDICATORS)
    tables = [estimate(panel).assign(study=study) for study, estimate in ESTIMATES.items() if study in studies]
    return pd.concat([table[["study", "cell", "estimate", "conf_low", "conf_high"]] for table in tables], ignore_index=True)


def walk_still(seed: int) -> pd.DataFrame:
    """Simulate one program in which no partner ever changes: what moves there is noise, and nobody moved beyond it.

    The interval is the noise baseline's, the truth is the flow that was seen; a mover flagged is a false alarm.
    """
    first, last = STILL.first, STILL.calendar.label(STILL.last)
    tables = simulate_program(STILL, seed=seed).tables
    with connect({name: tables[name] for name in TABLES}) as source:
        panel = build_panel(source, first=first, last=last, indicators=INDICATORS)
    scheme = TierScheme.model_validate(LADDER)
    history, noise = assign_tiers(panel, scheme), estimate_noise(panel, scheme=scheme, seed=seed)
    flows = estimate_transitions(history, noise=noise)
    cells = flows.table.dropna(subset="noise")
    cells = pd.concat([cells.assign(cell=cells["from_tier"] + " -> " + cells["to_tier"]), flows.moved.assign(cell="any move")])
    table = pd.DataFrame(
        {"study": "noise alone", "cell": cells["cell"], "truth": cells["estimate"], "expected": cells["count"].astype(float)}
    )
    table = table.assign(estimate=cells["noise"], conf_low=cells["noise_low"], conf_high=cells["noise_high"])
    flagged = float(detect_movers(history, noise=noise, quarter=last).table["beyond_noise"].any())
    alarm = {"study": "false alarms", "cell": "any mover flagged", "truth": 0.0, "expected": np.nan, "estimate": flagged}
    return pd.concat([table, pd.DataFrame([{**alarm, "conf_low": flagged, "conf_high": flagged}])], ignore_index=True)


def _walk_many(walk: Callable[[int], pd.DataFrame], seeds: range) -> pd.DataFrame:
    return pd.concat([walk(seed) for seed in seeds], ignore_index=True)


def walk_all(walk: Callable[[int], pd.DataFrame], seeds: int, *, jobs: int, chunk: int = 20) -> Iterator[pd.DataFrame]:
    """Walk the road for many seeds in parallel, telling how far it is."""
    ranges = [range(FIRST_SEED + at, FIRST_SEED + min(at + chunk, seeds)) for at in range(0, seeds, chunk)]
    started, done = time.monotonic(), 0
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(_walk_many, walk, seeds) for seeds in ranges]):
            yield future.result()
            done += 1
            gone = time.monotonic() - started
            left = gone / done * (len(ranges) - done)
            print(f"{done}/{len(ranges)} chunks of {chunk} seeds, {gone:.0f} s gone, about {left:.0f} s left", file=sys.stderr, flush=True)


def walk_frailty(partners: int, programs: int, *, studies: Sequence[str], first: int = FIRST_SEED, chunk: int = 5) -> pd.DataFrame:
    """Draw heterogeneous programs of one size and estimate what is asked for; each row brings its truth."""
    rng, parts = np.random.default_rng([first, partners]), []
    for done in range(0, programs, chunk * frailty.WORLDS):
        for world in range(frailty.WORLDS):
            codes, segment = frailty.draw_programs(chunk, partners, rng=rng, world=world)
            parts += [frailty.STUDIES[study](codes, segment, chunk, frailty.true_cells(world)) for study in studies]
        print(f"{partners} partners: {done + chunk * frailty.WORLDS} of {programs} programs", file=sys.stderr, flush=True)
    return pd.concat(parts, ignore_index=True)


def score(walked: pd.DataFrame, answers: dict[str, pd.DataFrame] | None = None) -> pd.DataFrame:
    """Share of intervals that hold the truth, for each cell; without answers each row brings its own."""
    if answers is None:
        given = walked
    else:
        truths = pd.concat([table.assign(study=study) for study, table in answers.items()], ignore_index=True)
        given = walked.merge(truths, on=["study", "cell"])
    given = given.dropna(subset=["conf_low", "conf_high"])
    given = given.assign(
        covered=(given["conf_low"] <= given["truth"]) & (given["truth"] <= given["conf_high"]),
        width=given["conf_high"] - given["conf_low"],
    )
    scored = given.groupby(["study", "cell"], sort=False).agg(
        truth=("truth", "mean"), expected=("expected", "mean"), intervals=("covered", "size"), mean_estimate=("estimate", "mean"),
        coverage=("covered", "mean"), mean_width=("width", "mean"),
    )  # fmt: skip
    low, high = wilson_interval(scored["coverage"].to_numpy(), scored["intervals"].to_numpy(), level=0.95)
    scored.insert(5, "coverage_low", low)
    scored.insert(6, "coverage_high", high)
    return scored.assign(common=scored["expected"] >= COMMON).reset_index().sort_values(["study", "cell"], ignore_index=True)


def keep_sizes(sizes: Sequence[pd.DataFrame], *, file: Path = HERE / "test_sizes.csv") -> None:
    """Put sizes of tests in the place of those of the same tests and programs."""
    keys, before = ["partners", "frailty_sd", "test"], pd.read_csv(file)
    both = pd.concat([before, pd.concat(sizes).round(4)]).drop_duplicates(keys, keep="last")
    order = both["test"].map(list(frailty.CHECKS).index)
    both.assign(order=order).sort_values(["partners", "frailty_sd", "order"]).drop(columns="order").to_csv(
        file, index=False, lineterminator="\n"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--still", type=int, default=500, help="seeds of the program in which nobody changes")
    parser.add_argument("--only", nargs="*", choices=list(ESTIMATES), default=list(ESTIMATES), help="studies to do again; others stay")
    parser.add_argument("--heterogeneous", type=int, default=0, help="programs of each size whose partners differ, such as 2000")
    parser.add_argument("--partners", type=int, nargs="*", default=[60, 150, 1000], help="their sizes")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="where the seeds of programs whose partners differ start")
    parser.add_argument("--studies", nargs="*", choices=list(frailty.STUDIES), default=list(frailty.STUDIES), help="what is estimated")
    parser.add_argument("--tests", type=int, default=0, help="programs of each size on which the tests of one matrix are tried")
    parser.add_argument("--which", nargs="*", choices=list(frailty.CHECKS), default=list(frailty.CHECKS), help="those tests")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "coverage.csv")
    asked = parser.parse_args()
    started = time.monotonic()
    parts = []
    if asked.seeds:
        walk = functools.partial(walk_road, studies=asked.only)
        parts.append(score(pd.concat(list(walk_all(walk, asked.seeds, jobs=asked.jobs)), ignore_index=True), true_answers()))
    if asked.still:
        parts.append(score(pd.concat(list(walk_all(walk_still, asked.still, jobs=asked.jobs)), ignore_index=True)))
    if asked.heterogeneous:
        parts += [
            score(walk_frailty(partners, asked.heterogeneous, studies=asked.studies, first=asked.first)) for partners in asked.partners
        ]
    if asked.tests:
        keep_sizes([
            frailty.size_of_tests(partners, asked.tests, spread=spread, draws=199, tests=asked.which, first=asked.first)
            for partners in asked.partners
            for spread in (0.0, 1.0)
        ])  # fmt: skip
    if not parts:
        return
    scored = pd.concat(parts, ignore_index=True)
    if asked.out.exists():
        before = pd.read_csv(asked.out)
        scored = pd.concat([before[~before["study"].isin(scored["study"])], scored]).sort_values(["study", "cell"], ignore_index=True)
    scored.round(5).to_csv(asked.out, index=False, lineterminator="\n")
    common = scored[scored["common"]]
    print(scored.round(4).to_string(index=False))
    print(common.groupby("study")["coverage"].agg(["min", "mean", "max", "size"]).round(4).to_string())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    print(f"{asked.seeds} + {asked.still} seeds from {FIRST_SEED}, {time.monotonic() - started:.0f} s, {machine}")


if __name__ == "__main__":
    main()
