"""Experiments under no effect and under the effect that their design promises to find: how often something is found.

Run ``python benchmarks/coverage_experiments.py``; it writes ``coverage_experiments.md`` (``looks`` or ``tiers`` behind the number of
replicates: only that part is made again). Outcomes of partners under managers of unequal size, intraclass correlation .15; looks every
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

from partnerlab import Experiment, Looks, Metric, Outlook, Stakes, Trial, analyze_by_tier, design_experiment
from partnerlab.experiments.looks import always_valid_reach, widened
from partnerlab.stats.trials.arm_differences import Arms, arm_design, arm_difference, mean_by_cluster
from partnerlab.stats.trials.randomization import Draw, redraw_p_value
from partnerlab.stats.trials.sequential import boundaries
from partnerlab.stats.trials.wild_bootstrap import wild_test

ICC = 0.15
DRAWS = 399
SEED = 20261123
PAGE = Path(__file__).parent / "coverage_experiments.md"


def one_trial(clusters: int, *, seed: int, effect: float = 0.0) -> dict[str, bool]:
    """Deal managers, let outcomes happen, and say which method finds something at 5 %."""
    random = np.random.default_rng([SEED, seed, clusters])
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
    random = np.random.default_rng([SEED, looks, things])
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


def tier_trial(random: np.random.Generator, *, spread: float, mean: float, managers: bool) -> tuple[Trial, np.ndarray]:
    """Deal 240 partners of three tiers, by themselves within tiers or with their 16 managers; gives the tiers' true effects, too."""
    if managers:
        manager = np.repeat(np.arange(16), 15)
        treated = (random.permutation(16) % 2)[manager]
        tier, level = random.integers(0, 3, 240), 0.4 * random.normal(size=16)[manager]
    else:
        sizes = (140, 70, 30)
        manager, tier, level = np.zeros(240), np.repeat([0, 1, 2], sizes), 0.0
        treated = np.concatenate([random.permutation(np.arange(size) % 2) for size in sizes])
    effect = mean + spread * random.normal(size=3)
    outcome = random.normal(size=240) + level + effect[tier] * treated
    table = {"unit": range(240), "variant": np.where(treated, "on", "off"), "tier": tier, "outcome": outcome, "manager": manager}
    return Trial.from_frame(pd.DataFrame(table), outcomes=["outcome"], by="tier", cluster="manager" if managers else None), effect


def tiers_covered(replicates: int, **world) -> dict[str, float]:
    """Coverage of the tiers' pooled intervals and of the one that looks best, its estimate and its truth, and findings in any tier."""
    rows = []
    for replicate in range(replicates):
        trial, effect = tier_trial(np.random.default_rng([SEED, replicate]), **world)
        table = analyze_by_tier(trial).table
        low, high, best = table["conf_low"].to_numpy(), table["conf_high"].to_numpy(), int(table["estimate"].argmax())
        holds = (low <= effect) & (effect <= high)
        own = np.abs(table["raw"] - effect) <= stats.norm.ppf(0.975) * table["raw_error"]
        found = ((low > 0) | (high < 0)).any()
        rows.append((holds.mean(), own.mean(), holds[best], table["estimate"].iloc[best], effect[best], table["raw"].max(), found))
    return dict(zip(("pooled", "alone", "best", "said", "true", "largest", "found"), np.mean(rows, axis=0), strict=True))


def tiers_text(replicates: int) -> list[str]:
    """Write the part on tiers."""
    lines = []
    for managers in (False, True):
        for spread, mean in ((0.0, 0.0), (0.0, 0.3), (0.2, 0.3), (0.5, 0.3)):
            seen = tiers_covered(replicates, spread=spread, mean=mean, managers=managers)
            shares = [f"{100 * seen[name]:.1f} %" for name in ("pooled", "alone", "best", "found")]
            sizes = [f"{seen[name]:.2f}" for name in ("largest", "said", "true")]
            dealt = "16 managers" if managers else "partners"
            lines.append("| " + " | ".join([dealt, f"{mean:.1f} ± {spread:.1f}", *shares, *sizes]) + " |")
    return [
        f"Effects by tier (240 partners in three tiers, all spreads of true effects taken as likely), {replicates:,} trials for each row:",
        "",
        "| dealt | true effects of tiers | pooled intervals cover | alone | the best tier's covers "
        "| any tier found | best alone | pooled | true |",
        "|---|---|---|---|---|---|---|---|---|",
        *lines,
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
        *tiers_text(replicates),
        "",
        f"Made by `python benchmarks/coverage_experiments.py {replicates}` in {time.perf_counter() - began:.0f} s on one core.",
    ]
    PAGE.write_text("\n".join(text) + "\n", encoding="utf-8")


def make_again(start: str, text: list[str]) -> None:
    """Put one part of the page in the place of what stands there, up to the next empty line after a table."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n{start}")
    after = rest[rest.index("|\n\n") + 1 :]
    PAGE.write_text("\n".join([before, *text]) + after, encoding="utf-8")


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    if "looks" in sys.argv:
        make_again("Looks every quarter", looks_text(asked))
    elif "tiers" in sys.argv:
        make_again("Effects by tier", tiers_text(asked))
    else:
        main(asked)
