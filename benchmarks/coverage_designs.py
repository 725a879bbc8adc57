"""Does a designed experiment find what its design promised? Each kind of metric and of plan, at the smallest effect promised at 80 %.

Run ``python benchmarks/coverage_designs.py``; it writes ``coverage_designs.md``. Each world is drawn as its outlook says, the
effect is the one that ``design_experiment`` promised, and trials are read by the functions behind ``analyze_experiment``.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import optimize, special, stats

from partnerlab import Experiment, Looks, Metric, Outlook, Stakes, design_experiment
from partnerlab.stats.trials.arm_differences import ArmDifference, Arms, arm_difference
from partnerlab.stats.trials.arm_scores import ratio_scores, restricted_mean_scores, win_scores
from partnerlab.stats.trials.schedules import make_cells, schedule_difference
from partnerlab.stats.trials.sequential import boundaries

SIZES = np.arange(4, 21)  # partners of a manager, all as likely


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A design and a world in which it is tried."""

    name: str
    metric: Metric
    outlook: Outlook
    units: int
    play: Callable[[np.random.Generator, float], ArmDifference | tuple[ArmDifference, ...]]
    quarters: int = 1
    clusters: int | None = None
    size_cv: float = 0.0
    plan: str = "parallel"
    looks: Looks = dataclasses.field(default_factory=Looks)

    def promised(self) -> float:
        """Smallest effect that the design finds in 8 of 10 trials."""
        experiment = Experiment(
            name="e",
            hypothesis="h",
            tactic="T",
            stakes=Stakes(unit="y"),
            metrics=(self.metric,),
            cluster="manager" if self.clusters else None,
            looks=self.looks,
        )
        sizes = {"clusters": [self.clusters], "size_cv": self.size_cv} if self.clusters else {}
        asked = {"units": [self.units], "quarters": [self.quarters], "plans": [self.plan]} | sizes
        designed = design_experiment(experiment, outlooks={self.metric.name: self.outlook}, **asked)
        return float(designed.table["estimate"].iloc[0])


def _arms(units: int, random: np.random.Generator) -> np.ndarray:
    return random.permutation(np.arange(units) % 2) == 1


def means(units: int):
    """Units side by side, one quarter."""

    def play(random, effect):
        treated = _arms(units, random)
        return arm_difference(random.normal(size=units) + effect * treated, Arms(treated=treated))

    return play


def known_before(units: int, known: float):
    """With an outcome before the start that tells part of the one after."""

    def play(random, effect):
        treated, before = _arms(units, random), random.normal(size=units)
        outcome = known * before + math.sqrt(1 - known**2) * random.normal(size=units) + effect * treated
        return arm_difference(outcome, Arms(treated=treated, covariates=before[:, None]))

    return play


def in_strata(units: int, known: float, strata: int = 6):
    """Dealt within strata (tier by region) that tell part of the outcome."""

    def play(random, effect):
        stratum = np.arange(units) % strata
        treated = np.zeros(units, dtype=bool)
        for code in range(strata):
            mine = np.flatnonzero(stratum == code)
            treated[random.permutation(mine)[: len(mine) // 2]] = True
        level = stats.norm.ppf((np.arange(strata) + 0.5) / strata)
        outcome = known * (level / level.std())[stratum] + math.sqrt(1 - known**2) * random.normal(size=units) + effect * treated
        return arm_difference(outcome, Arms(treated=treated, stratum=stratum))

    return play


def shares(units: int, level: float):
    """Shares of units."""

    def play(random, effect):
        treated = _arms(units, random)
        return arm_difference((random.random(units) < level + effect * treated).astype(float), Arms(treated=treated))

    return play


def counts(units: int, level: float, dispersion: float, kept: float, quarters: int):
    """Mean count of a quarter; units differ, and half of how they differ stays."""

    def play(random, effect):
        treated = _arms(units, random)
        stays = random.gamma(kept / dispersion, dispersion, size=(units, 1))
        moves = random.gamma((1 - kept) / dispersion, dispersion, size=(units, quarters))
        rate = (level + effect * treated)[:, None] * (stays + moves)
        return arm_difference(random.poisson(rate).mean(axis=1), Arms(treated=treated))

    return play


def ratios(units: int, sd: float):
    """Leads by visit: a ratio of sums."""

    def play(random, effect):
        treated = _arms(units, random)
        visits = random.poisson(4.0, units) + 1.0
        # the linearised score's deviation is the outlook's
        leads = visits * (0.5 + effect * treated) + 5.0 * sd * random.normal(size=units)
        return arm_difference(ratio_scores(leads, visits, treated), Arms(treated=treated))

    return play


def tiers(units: int, share: tuple[float, ...]):
    """Ordered tiers; the treated are raised by one odds ratio until the net chance of a higher tier is as promised."""
    cuts = special.logit(np.cumsum(share)[:-1])

    def arm(shift):
        return np.diff(np.concatenate([[0.0], special.expit(cuts - shift), [1.0]]))

    def net(shift):
        high, low = arm(shift), arm(0.0)
        return float(high @ (np.cumsum(low) - low) - low @ (np.cumsum(high) - high))

    def play(random, effect):
        shift = optimize.brentq(lambda at: net(at) - effect, 0.0, 20.0) if effect else 0.0
        treated = _arms(units, random)
        values = np.where(treated, random.choice(len(share), units, p=arm(shift)), random.choice(len(share), units, p=arm(0.0)))
        return arm_difference(win_scores(values.astype(float), treated), Arms(treated=treated))

    return play


def times(units: int, level: float, quarters: int):
    """Time without leaving, within the quarters watched."""
    hazard = -math.log1p(-level)

    def mean(rate):
        return -math.expm1(-rate * quarters) / rate

    def play(random, effect):
        rate = optimize.brentq(lambda at: mean(at) - mean(hazard) - effect, 1e-9, 5.0)
        treated = _arms(units, random)
        time = random.exponential(1.0 / np.where(treated, rate, hazard))
        scores, error = restricted_mean_scores(np.minimum(time, quarters), time < quarters, treated, tau=float(quarters))
        gap = arm_difference(scores, Arms(treated=treated))
        return dataclasses.replace(gap, std_error=error, df=math.inf)

    return play


def managers(clusters: int, icc: float):
    """Deal managers of unequal size."""

    def play(random, effect):
        cluster = np.repeat(np.arange(clusters), random.choice(SIZES, clusters))
        treated = _arms(clusters, random)[cluster]
        outcome = math.sqrt(icc) * random.normal(size=clusters)[cluster] + math.sqrt(1 - icc) * random.normal(size=len(cluster))
        return arm_difference(outcome + effect * treated, Arms(treated=treated, cluster=cluster))

    return play


def scheduled(clusters: int, units: int, icc: float, kept: float, on: np.ndarray):
    """Clusters dealt to waves; partners of a quarter are drawn anew under a level that fades."""
    periods = on.shape[1]
    lag = np.abs(np.subtract.outer(np.arange(periods), np.arange(periods)))
    root = np.linalg.cholesky(icc * kept**lag + 1e-12 * np.eye(periods))

    def play(random, effect):
        switched = on[random.permutation(np.arange(clusters) % len(on))]
        level = random.normal(size=(clusters, periods)) @ root.T + effect * switched
        outcome = level[:, :, None] + math.sqrt(1 - icc) * random.normal(size=(clusters, periods, units))
        cluster, period, _ = np.meshgrid(np.arange(clusters), np.arange(periods), np.arange(units), indexing="ij")
        each = np.broadcast_to(switched[:, :, None], outcome.shape)
        return schedule_difference(make_cells(outcome.ravel(), cluster.ravel(), period.ravel(), each.ravel()))

    return play


def in_turn(units: int, kept: float, quarters: int):
    """Each partner has it on and off in turn."""
    return scheduled(units, 1, kept, 1.0, np.arange(quarters) % 2 == np.arange(2)[:, None])


def looked_at(units: int, looks: int):
    """Units arrive look by look; the boundary of each look is read at the degrees of freedom there are."""

    def play(random, effect):
        treated = _arms(units, random)
        outcome = random.normal(size=units) + effect * treated
        order = random.permutation(units)
        seen = [order[: round(units * (look + 1) / looks)] for look in range(looks)]
        return tuple(arm_difference(outcome[part], Arms(treated=treated[part])) for part in seen)

    return play


def cases() -> list[Case]:
    """All that is tried."""
    y, wedge = Metric(name="y"), np.arange(5) >= np.arange(1, 5)[:, None]
    tier, share = Metric(name="y", kind="tier", tiers=("a", "b", "c")), (0.5, 0.3, 0.2)
    leaving = Metric(name="y", kind="time", event="left", until=6.0)
    unequal = float(SIZES.std() / SIZES.mean())
    four = Looks(planned=4, stopping="group sequential")
    group = {"metric": y, "outlook": Outlook(sd=1.0, icc=0.15), "size_cv": unequal}
    count = Metric(name="y", kind="count")
    return [
        Case(name="means, 60 partners", metric=y, outlook=Outlook(sd=1.0), units=60, play=means(60)),
        Case(
            name="shares (30 %), 300 partners",
            metric=Metric(name="y", kind="share"),
            outlook=Outlook(level=0.3),
            units=300,
            play=shares(300, 0.3),
        ),
        Case(
            name="counts (4, dispersion .6), 200 partners, 1 quarter",
            metric=count,
            outlook=Outlook(level=4.0, dispersion=0.6),
            units=200,
            play=counts(200, 4.0, 0.6, 0.5, 1),
        ),
        Case(
            name="counts, the same, 4 quarters",
            metric=count,
            outlook=Outlook(level=4.0, dispersion=0.6),
            units=200,
            quarters=4,
            play=counts(200, 4.0, 0.6, 0.5, 4),
        ),
        Case(
            name="ratios, 200 partners",
            metric=Metric(name="y", kind="ratio", per="visits"),
            outlook=Outlook(sd=0.5),
            units=200,
            play=ratios(200, 0.5),
        ),
        Case(name="tiers (50, 30, 20 %), 200 partners", metric=tier, outlook=Outlook(shares=share), units=200, play=tiers(200, share)),
        Case(
            name="time to leaving (10 % a quarter), 200 partners, 6 quarters",
            metric=leaving,
            outlook=Outlook(level=0.1),
            units=200,
            quarters=6,
            play=times(200, 0.1, 6),
        ),
        Case(
            name="means with a pre-period (correlation .6), 120 partners",
            metric=y,
            outlook=Outlook(sd=1.0, known=0.6),
            units=120,
            play=known_before(120, 0.6),
        ),
        Case(
            name="means within six strata that tell .5, 120 partners",
            metric=y,
            outlook=Outlook(sd=1.0, known=0.5),
            units=120,
            play=in_strata(120, 0.5),
        ),
        *(
            Case(name=f"means, {k} unequal managers, ICC .15", units=12 * k, clusters=k, play=managers(k, 0.15), **group)
            for k in (8, 16, 30)
        ),
        Case(
            name="stepped wedge, 12 managers of 10, 5 quarters",
            metric=y,
            outlook=Outlook(sd=1.0, icc=0.15, kept=0.8),
            units=120,
            clusters=12,
            quarters=5,
            plan="stepped wedge",
            play=scheduled(12, 10, 0.15, 0.8, wedge),
        ),
        Case(
            name="crossover, 40 partners, 4 quarters",
            metric=y,
            outlook=Outlook(sd=1.0, kept=0.6),
            units=40,
            quarters=4,
            plan="crossover",
            play=in_turn(40, 0.6, 4),
        ),
        Case(
            name="means, 4 looks (O'Brien-Fleming), 160 partners",
            metric=y,
            outlook=Outlook(sd=1.0),
            units=160,
            looks=four,
            play=looked_at(160, 4),
        ),
    ]


def finds(gap: ArmDifference | tuple[ArmDifference, ...]) -> bool:
    """Whether it is found at 5 %, by the looks there are."""
    gaps = gap if isinstance(gap, tuple) else (gap,)
    bounds = [stats.norm.ppf(0.975)] if len(gaps) == 1 else boundaries(np.arange(1, len(gaps) + 1) / len(gaps), alpha=0.05)
    return any(
        abs(one.estimate / one.std_error) > stats.t.isf(stats.norm.sf(bound), min(one.df, 1e9))
        for one, bound in zip(gaps, bounds, strict=True)
    )


def main(replicates: int, only: str = "") -> None:
    """Try all and write the table."""
    began, lines = time.perf_counter(), []
    for case in cases():
        if only not in case.name:
            continue
        random, effect = np.random.default_rng(20260722), case.promised()
        null = np.mean([finds(case.play(random, 0.0)) for _ in range(replicates)])
        found = np.mean([finds(case.play(random, effect)) for _ in range(replicates)])
        lines.append(f"| {case.name} | {effect:.3f} | {100 * found:.1f} % | {100 * null:.1f} % |")
        print(lines[-1], f"{time.perf_counter() - began:.0f} s", flush=True)
    if only:
        return
    errors = [196 * math.sqrt(share * (1 - share) / replicates) for share in (0.8, 0.05)]
    text = [
        "# Designs: do trials find what was promised?",
        "",
        f"{replicates:,} trials with the smallest effect that the design promises to find in 80 % of cases, and as many without one; "
        f"Monte-Carlo error ±{errors[0]:.1f} and ±{errors[1]:.1f} points.",
        "",
        "| design | effect promised at 80 % | finds it | finds something where nothing is |",
        "|---|---|---|---|",
        *lines,
        "",
        f"Made by `python benchmarks/coverage_designs.py {replicates}` in {time.perf_counter() - began:.0f} s on one core.",
    ]
    (Path(__file__).parent / "coverage_designs.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000, *sys.argv[2:])
