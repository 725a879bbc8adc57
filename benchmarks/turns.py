"""How often turning signals are false, and how soon true ones come: programs with and without turns.

Partners with gamma distributed monthly rates, a season that all share, and counts that may be wilder than Poisson. In some
programs the rates of one partner in ten are multiplied some months before the end.
Run ``python benchmarks/turns.py``; it writes its tables into ``benchmarks/turns.md``.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from partnerlab.stats.inference.intervals import wilson_interval
from partnerlab.transitions import Activity, detect_turns

SEED = 20260201
MARK = "<!-- measured -->"
SEASON = np.array([1.0, 1.1, 1.2, 1.0, 0.9, 0.8, 0.6, 0.5, 1.1, 1.3, 1.3, 0.9])
#: Partners, months, mean, wildness (0 is Poisson).
CALM = ((60, 24, 2.0, 0.0), (300, 24, 0.5, 0.0), (300, 24, 2.0, 0.0), (300, 36, 2.0, 0.4), (300, 36, 8.0, 0.4), (1000, 36, 2.0, 0.4))
#: Size of the turn, months before the end.
TURNS = tuple((times, age) for times in (0.0, 0.25, 0.5, 2.0, 3.0, 5.0) for age in (1, 2, 3, 6, 9))


def draw_program(
    rng: np.random.Generator, *, partners: int, months: int, mean: float, wildness: float, times: float = 1.0, age: int = 0
) -> tuple[Activity, np.ndarray]:
    """Draw a program, and who turned: every tenth partner."""
    rate = rng.gamma(1.2, mean / 1.2, partners)
    turned = (np.arange(partners) % 10 == 0) & (age > 0)
    path = rate[:, None] * SEASON[np.arange(months) % 12] * np.where(turned[:, None] & (np.arange(months) >= months - age), times, 1.0)
    if wildness:
        path = path * rng.gamma(1 / wildness, wildness, path.shape)
    labels = tuple(f"{2024 + month // 12}-{month % 12 + 1:02d}" for month in range(months))
    names = np.array([f"p{place:04d}" for place in range(partners)])
    return Activity(partners=names, labels=labels, counts=rng.poisson(path), exposure=np.ones(path.shape)), turned


def one_run(seed: int, **given: float) -> dict[str, float]:
    """One program looked at once: signals among those who turned and those who did not."""
    activity, turned = draw_program(np.random.default_rng(seed), **given)  # type: ignore[arg-type]
    turns = detect_turns(activity, seed=seed)
    table = turns.table.set_index("partner")
    who, clear = table["signalled"].reindex(activity.partners, fill_value=False), table["adjusted"] <= 0.05
    clear = clear.reindex(activity.partners, fill_value=False)
    up = given.get("times", 1.0) > 1
    right = who & (table["direction"].reindex(activity.partners) == ("up" if up else "down"))
    began = activity.labels[len(activity.labels) - int(given.get("age", 0))] if given.get("age") else ""
    found = table.loc[activity.partners[(right & turned).to_numpy()]]
    factor = given.get("times", 1.0)
    return {
        "watched": turns.watched, "signals": int(who.sum()), "false": int((who & ~turned).sum()), "turned": int(turned.sum()),
        "found": int((right & turned).sum()), "clear": int(clear.sum()), "clear_false": int((clear & ~turned).sum()),
        "dated": int(((found["since_first"] <= began) & (found["since_last"] >= began)).sum()),
        "sized": int(((found["conf_low"] <= factor) & (found["conf_high"] >= factor)).sum()),
    }  # fmt: skip


def share_text(hits: float, trials: float) -> str:
    """Share with its interval."""
    if not trials:
        return "none"
    low, high = wilson_interval(hits / trials, trials)
    return f"{hits / trials:.1%} ({float(low):.1%} to {float(high):.1%})"


def measure_calm(runs: int, jobs: int) -> str:
    """Measure how many signal where nobody turned."""
    lines = [
        "| partners | months | mean a month | wildness | signals of 100 watched | programs with a signal at 5 % false |",
        "|---|---|---|---|---|---|",
    ]
    for partners, months, mean, wildness in CALM:
        given = {"partners": partners, "months": months, "mean": mean, "wildness": wildness}
        table = pd.DataFrame(Parallel(n_jobs=jobs)(delayed(one_run)(SEED + run, **given) for run in range(runs)))
        cells = [f"{partners:,}", str(months), f"{mean:g}", f"{wildness:g}", share_text(table["signals"].sum(), table["watched"].sum())]
        lines.append("| " + " | ".join([*cells, share_text((table["clear"] > 0).sum(), runs)]) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def measure_turns(runs: int, jobs: int) -> str:
    """Measure how many turns are found, by size and age."""
    lines = [
        "| times | months ago | signalled | of the signals false | so clear that 5 % are false: false | month of the turn in its interval "
        "| size in its interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for times, age in TURNS:
        given = {"partners": 300, "months": 36, "mean": 3.0, "wildness": 0.2, "times": times, "age": age}
        total = pd.DataFrame(Parallel(n_jobs=jobs)(delayed(one_run)(SEED + run, **given) for run in range(runs))).sum()
        cells = [f"{times:g}", str(age), share_text(total["found"], total["turned"]), share_text(total["false"], total["signals"])]
        cells += [share_text(total["clear_false"], total["clear"])]
        cells += [share_text(total[name], total["found"]) for name in ("dated", "sized")]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    said = (
        f"Seed {SEED}, {asked.runs} programs for each row, numpy {np.__version__}, Python {sys.version.split()[0]}, {platform.machine()}."
    )
    tables = f"{measure_calm(asked.runs, asked.jobs)}\n\n{measure_turns(max(asked.runs // 4, 2), asked.jobs)}"
    page = Path(__file__).with_suffix(".md")
    page.write_text(page.read_text(encoding="utf-8").split(MARK)[0] + f"{MARK}\n\n{said}\n\n{tables}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
