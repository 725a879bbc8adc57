"""Experiments under no effect and under the effect that their design promises to find: how often something is found.

Run ``python benchmarks/coverage_experiments.py``; it writes ``coverage_experiments.md`` (``looks`` behind the number of replicates:
only the part on looks is made again). Outcomes of partners under managers of unequal size, intraclass correlation .15; looks every
quarter.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from partnerlab import Experiment, Looks, Metric, Outlook, Stakes, design_experiment
from partnerlab.experiments.looks import always_valid_reach, widened
from partnerlab.stats.trials.arm_differences import Arms, arm_design, arm_difference, mean_by_cluster
from partnerlab.stats.trials.randomization import Draw, redraw_p_value
from partnerlab.stats.trials.sequential import boundaries
from partnerlab.stats.trials.wild_bootstrap import wild_test

ICC = 0.15
DRAWS = 399
PAGE = Path(__file__).parent / "coverage_experiments.md"


def one_trial(clusters: int, *, seed: int, effect: float = 0.0) -> dict[str, bool]:
    """Deal managers, let outcomes happen, and say which method finds something at 5 %."""
    random = np.random.default_rng([seed, clusters])
    sizes = random.integers(4, 21, clusters)
    cluster = np.repeat(np.arange(clusters), sizes)
    label = random.permutation(np.arange(clusters) % 2)
    treated = label[cluster] == 1
    outcome = (
        math.sqrt(ICC) * random.normal(size=clusters)[cluster] + math.sqrt(1 - ICC) * random.normal(size=len(cluster)) + effect * treated
    )
    arms = Arms(treated=treated, cluster=cluster)
    by_unit, by_cluster = arm_difference(outcome, arms), arm_difference(*mean_by_cluster(outcome, arms))
    sums = np.bincount(cluster, weights=outcome - outcome.mean())
    dealt = Draw(label=label, block=np.zeros(clusters, dtype=int))
    return {
        "partners as if alone (t)": stats.ttest_ind(outcome[treated], outcome[~treated]).pvalue < 0.05,
        "CR2, Satterthwaite": _found(by_unit),
        "means of managers": _found(by_cluster),
        "wild bootstrap": wild_test(outcome, arm_design(arms), cluster, column=1, draws=DRAWS, seed=seed).p_value <= 0.05,
        "dealt again": redraw_p_value(sums, sizes.astype(float), dealt, variants=(1, 0), draws=DRAWS, seed=seed) <= 0.05,
    }


def _found(gap) -> bool:
    return bool(abs(gap.estimate / gap.std_error) > stats.t.ppf(0.975, gap.df))


def peeking(replicates: int, *, looks: int = 8, things: int = 60, drift: float = 0.0) -> dict[str, float]:
    """Share of trials that find something at any of several quarterly looks, by rule; things are partners, or managers' means."""
    random = np.random.default_rng(7)
    share = np.arange(1, looks + 1) / looks
    bounds = {
        "no rule, t at each look": np.full(looks, stats.norm.ppf(0.975)),
        "group sequential": boundaries(share, alpha=0.05),
        "always valid": np.array([always_valid_reach(part) for part in share]),
    }
    found = dict.fromkeys(bounds, 0)
    treated = np.arange(things) % 2 == 0
    for _ in range(replicates):
        quarters = random.normal(size=(things, looks)) + drift * treated[:, None]
        running = np.cumsum(quarters, axis=1) / np.arange(1, looks + 1)
        own = [running[arm].var(axis=0, ddof=1) / arm.sum() for arm in (treated, ~treated)]
        t = np.abs(running[treated].mean(axis=0) - running[~treated].mean(axis=0)) / np.sqrt(sum(own))
        df = sum(own) ** 2 / sum(part**2 / (arm.sum() - 1) for part, arm in zip(own, (treated, ~treated), strict=True))
        for rule, bound in bounds.items():
            found[rule] += bool((t > [widened(*pair) for pair in zip(bound, df, strict=True)]).any())
    return {rule: count / replicates for rule, count in found.items()}


def looks_text(replicates: int) -> list[str]:
    """Write the part on looks."""
    many, few = peeking(replicates), peeking(replicates, looks=4, things=16)
    return [
        f"Looks every quarter, {replicates:,} trials in which nothing is there; boundaries are widened for the degrees of freedom:",
        "",
        "| rule | 60 partners, 8 looks | 16 managers' means, 4 looks |",
        "|---|---|---|",
        *(f"| {rule} | {100 * many[rule]:.1f} % | {100 * few[rule]:.1f} % |" for rule in many),
    ]


def promised(clusters: int) -> float:
    """Smallest effect that the design promises to find in 8 of 10 trials."""
    sizes = np.arange(4, 21)
    experiment = Experiment(
        name="e", hypothesis="h", tactic="T", stakes=Stakes(unit="y"), metrics=(Metric(name="y"),), cluster="manager", looks=Looks()
    )
    designed = design_experiment(
        experiment,
        outlooks={"y": Outlook(sd=1.0, icc=ICC)},
        units=[int(sizes.mean() * clusters)],
        clusters=[clusters],
        size_cv=sizes.std() / sizes.mean(),
    )
    return float(designed.table["estimate"].iloc[0])


def main(replicates: int) -> None:
    """Run all, and write the table."""
    began, lines = time.perf_counter(), []
    error = 1.96 * math.sqrt(0.05 * 0.95 / (3 * replicates))
    for clusters in (8, 16, 30):
        null = pd.DataFrame([one_trial(clusters, seed=seed) for seed in range(3 * replicates)]).mean()
        effect = promised(clusters)
        real = pd.DataFrame([one_trial(clusters, seed=100_000 + seed, effect=effect) for seed in range(replicates)]).mean()
        lines += [
            f"| {clusters} | {method} | {100 * null[method]:.1f} % | {effect:.2f} | {100 * real[method]:.1f} % |" for method in null.index
        ]
        print(lines[-5:], flush=True)
    text = [
        "# Experiments: errors and power as promised",
        "",
        f"{3 * replicates:,} trials without an effect and {replicates:,} with one for each size; "
        f"Monte-Carlo error of a 5 % rate ±{100 * error:.1f} points. "
        f"Managers of 4 to 20 partners, ICC {ICC}.",
        "",
        "| managers | method | finds something where nothing is | effect promised at 80 % | finds it |",
        "|---|---|---|---|---|",
        *lines,
        "",
        *looks_text(replicates),
        "",
        f"Made by `python benchmarks/coverage_experiments.py {replicates}` in {time.perf_counter() - began:.0f} s on one core.",
    ]
    PAGE.write_text("\n".join(text) + "\n", encoding="utf-8")


def look_again(replicates: int) -> None:
    """Make the part on looks again, and leave the rest."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("\nLooks every quarter")
    made = rest[rest.index("\nMade by") :]
    PAGE.write_text("\n".join([before, *looks_text(replicates), made]), encoding="utf-8")


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    (look_again if "looks" in sys.argv else main)(asked)
