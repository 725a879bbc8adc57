"""How often forecasts of 1, 2, 4 and 8 quarters hold what happens: programs whose partners differ, with and without common shocks.

Partners are those of `frailty.py`: three tiers and lapsing, every partner with odds of moving and of lapsing of its own
(standard deviation 1 on their logarithm). The programs have long been running, as many join as lapse, and
twelve quarters are there to learn from. With shocks, each quarter adds a normal number to everybody's log-odds
of leaving; ``--strikes`` lets it strike each tier for itself, moves up, lapses, or up against down instead. Results go to
``benchmarks/coverage_forecasts.csv``, one row for each number of partners, method, tier and quarters ahead, with first seed,
revision and machine. Programs are walked in rounds over all sizes, and the file is written after each round: stopped early, it
holds what was done, and ``--first`` goes on with other seeds; runs that share a folder (``--parts``) add to one another.

    python benchmarks/coverage_forecasts.py --programs 2000 --jobs 2
"""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from partnerlab.stats.inference.intervals import wilson_interval
from partnerlab.transitions.courses import Course
from partnerlab.transitions.forecasts import future_of, interval_edges

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import frailty  # noqa: E402 - beside this file

#: Seeds start here, so that no seed used while building is used again.
FIRST_SEED = 2_000_000
AHEAD = (1, 2, 4, 8)
SIZES = (60, 150, 1000)
SHOCKS = (0.0, 0.3)
#: What a quarter's shock strikes: all ways out of all tiers alike; each tier for itself; moves up; lapses; down and lapses one way,
#: up the other.
STRIKES = ("all", "tiers", "up", "lapse", "seesaw")
LEARN = frailty.QUARTERS
#: Programs of each size in a round.
ROUND = 20
#: Quarters that a program has been running before the first that is known.
BURN = 24


def draw_program(partners: int, *, rng: np.random.Generator, shock: float, quarters: int, strikes: str = "all") -> np.ndarray:
    """Draw a program that has long been running: as many join as lapse, give or take chance, so that the mix of partners stays.

    Returns
    -------
    ndarray of int8, shape (n, quarters)
        Tiers, lapsed, and -1 before a partner joins; only partners who were members in one of the quarters.
    """
    matrix, lapsed, born = frailty.BASE, frailty.TIERS, partners
    place, odds, life, rows = rng.choice(lapsed, partners, p=frailty.START), _odds(rng, partners), np.arange(partners), []
    for quarter in range(BURN + quarters):
        struck = _blow(strikes, shock, rng)[place]
        own = matrix[place] * np.where(np.eye(len(matrix), dtype=bool)[place], 1.0, odds[0][:, None] * struck)
        own[:, lapsed] *= odds[1]
        own /= own.sum(axis=1, keepdims=True)
        joins = rng.poisson(own[:, lapsed].sum())
        place = (rng.random(len(place))[:, None] > own.cumsum(axis=1)[:, :-1]).sum(axis=1)
        stays = place != lapsed
        fresh = np.arange(born, born + joins)
        born, start = born + joins, rng.choice(lapsed, joins, p=frailty.START)
        if quarter >= BURN:
            rows.append((np.concatenate([life, fresh]), np.concatenate([place, start])))
        place, life = np.concatenate([place[stays], start]), np.concatenate([life[stays], fresh])
        odds = np.concatenate([odds[:, stays], _odds(rng, joins)], axis=1)
    return _laid_out(rows, lapsed)


def _blow(strikes: str, shock: float, rng: np.random.Generator) -> np.ndarray:
    """Draw what one quarter multiplies the odds of every move by: shape ``(s, s)``; tiers stand from the highest to the lowest."""
    states, tiers = len(frailty.BASE), frailty.TIERS
    origin, reached = np.indices((states, states))
    blow = np.exp(shock * rng.standard_normal(tiers if strikes == "tiers" else 1))
    if strikes == "tiers":
        return blow[np.minimum(origin, tiers - 1)]
    if strikes == "seesaw":
        return np.where(reached > origin, blow[0], 1.0 / blow[0])
    at = {"all": origin >= 0, "up": reached < origin, "lapse": reached == tiers}[strikes]
    return np.where(at, blow[0], 1.0)


def _odds(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.exp(rng.standard_normal((2, size)))


def _laid_out(rows: list[tuple[np.ndarray, np.ndarray]], lapsed: int) -> np.ndarray:
    """Put each life in a row of its own; who has lapsed stays lapsed."""
    everyone = np.unique(np.concatenate([life for life, _ in rows]))
    codes = np.full((len(everyone), len(rows)), -1, dtype=np.int8)
    for column, (life, place) in enumerate(rows):
        codes[np.searchsorted(everyone, life), column] = place
    left = np.cumsum(codes == lapsed, axis=1) > 0
    return np.where(left, lapsed, codes).astype(np.int8)


def course_of(codes: np.ndarray) -> Course:
    """Read the first quarters of a program, all that a forecast knows of it."""
    seen = codes[(codes[:, :LEARN] >= 0).any(axis=1), :LEARN]
    return Course(
        codes=seen, names=(*frailty.STATES, "unknown"), rank=(3, 2, 1),
        partners=np.array([f"p{place:05d}" for place in range(len(seen))]), first=8096, calendar=frailty.Calendar(),
        use=np.ones(LEARN - 1, dtype=bool),
    )  # fmt: skip


def walk(seed: int, *, partners: int, shock: float, methods: tuple[str, ...], draws: int, strikes: str = "all") -> pd.DataFrame:
    """Forecast one program and see what happens: ``strikes, partners, shock, method, tier, ahead, covered, width, error, spread``."""
    rng = np.random.default_rng([seed, partners, round(100 * shock)])
    codes = draw_program(partners, rng=rng, shock=shock, quarters=LEARN + max(AHEAD), strikes=strikes)
    there = codes[:, [LEARN - 1 + step for step in AHEAD]]
    happened = np.stack([(there == state).sum(axis=0) for state in range(len(frailty.STATES))], axis=1)
    tables = []
    for method in methods:
        counts = future_of(course_of(codes), method=method, ahead=max(AHEAD), draws=draws, seed=seed).counts
        shown = counts[:, [step - 1 for step in AHEAD], : len(frailty.STATES)]
        low, high = interval_edges(shown, 0.95)
        values = {"covered": (low <= happened) & (happened <= high), "width": high - low, "error": happened - shown.mean(axis=0)}
        values["spread"], values["middle"] = shown.std(axis=0), _middle_share(shown, happened)
        keys = {"ahead": np.repeat(AHEAD, len(frailty.STATES)), "tier": np.tile(frailty.STATES, len(AHEAD))}
        tables.append(pd.DataFrame({**keys, **{name: value.ravel() for name, value in values.items()}}).assign(method=method))
    return pd.concat(tables, ignore_index=True).assign(strikes=strikes, partners=partners, shock=shock)


def _middle_share(shown: np.ndarray, happened: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Chance that what happened lies in the middle ``level`` of the draws if a number is spread evenly over its own probability.

    Whole numbers cannot be held by exactly 95 %: an interval of few of them holds more. Randomised in this way (the probability
    integral transform of a count, Czado, Gneiting and Held 2009) the share is 95 % if the draws are right.
    """
    below, here = (shown < happened).mean(axis=0), (shown == happened).mean(axis=0)
    edges = (1 - level) / 2, (1 + level) / 2
    inside = np.clip(np.minimum(below + here, edges[1]) - np.maximum(below, edges[0]), 0.0, None)
    return np.where(here > 0, inside / np.where(here > 0, here, 1.0), (edges[0] <= below) & (below <= edges[1]))


def _walk_many(seeds: range, options: dict) -> pd.DataFrame:
    return pd.concat([walk(seed, **options) for seed in seeds], ignore_index=True)


def score(walked: pd.DataFrame) -> pd.DataFrame:
    """Share of intervals that held what happened, with its own interval, and how wide they were."""
    keys = ["strikes", "partners", "shock", "method", "tier", "ahead"]
    scored = walked.groupby(keys, sort=False).agg(
        programs=("covered", "size"), coverage=("covered", "mean"), randomised=("middle", "mean"),
        mean_width=("width", "mean"), mean_error=("error", "mean"),
        error_sd=("error", "std"), forecast_sd=("spread", "mean"),
    )  # fmt: skip
    low, high = wilson_interval(scored["coverage"].to_numpy(), scored["programs"].to_numpy(), level=0.95)
    scored.insert(2, "coverage_low", low)
    scored.insert(3, "coverage_high", high)
    return scored.reset_index().sort_values(keys, ignore_index=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--methods", nargs="*", default=["semi_markov"])
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--shocks", nargs="*", type=float, default=list(SHOCKS))
    parser.add_argument("--strikes", nargs="*", choices=STRIKES, default=["all"])
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "coverage_forecasts.csv")
    parser.add_argument("--parts", type=Path, help="folder of the rounds walked so far, which several runs can share")
    asked = parser.parse_args()
    started, parts = time.monotonic(), asked.parts or Path(tempfile.mkdtemp())
    parts.mkdir(parents=True, exist_ok=True)
    source = {"first_seed": asked.first, "draws": asked.draws, "revision": _revision(), "machine": _machine()}
    worlds = [
        {"partners": partners, "shock": shock, "methods": tuple(asked.methods), "draws": asked.draws, "strikes": strikes}
        for strikes, partners, shock in itertools.product(asked.strikes, asked.sizes, asked.shocks)
    ]
    with concurrent.futures.ProcessPoolExecutor(asked.jobs) as pool:
        for at in range(0, asked.programs, ROUND):
            seeds = range(asked.first + at, asked.first + min(at + ROUND, asked.programs))
            walked = pd.concat(pool.map(_walk_many, itertools.repeat(seeds), worlds), ignore_index=True)
            walked.round(5).to_csv(parts / f"{seeds.start}.part", index=False, lineterminator="\n")
            (parts / f"{seeds.start}.part").rename(parts / f"{seeds.start}.csv")  # whole, or not there
            scored = score(pd.concat(map(pd.read_csv, sorted(parts.glob("*.csv"))), ignore_index=True)).round(5)
            scored.assign(**source).to_csv(asked.out, index=False, lineterminator="\n")
            print(f"{seeds.stop - asked.first} programs of each size, {time.monotonic() - started:.0f} s", flush=True)


def _revision() -> str:
    """Name the commit that is run."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _machine() -> str:
    return f"{platform.machine()} {os.cpu_count()} cores Python {platform.python_version()} numpy {np.__version__}"


if __name__ == "__main__":
    main()
