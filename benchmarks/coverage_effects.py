"""How often verdicts on tactics are right, in worlds whose truth is known; each seed makes a world and its twin without effect.

Worlds A (adoption stays, chosen by something that lasts), B (on and off, managers react to the last result) and C (both at once),
and `C, stays`: C's managers, but a tactic that stays once adopted. Results go to ``benchmarks/coverage_effects.csv``, one row for
each world and estimate.

    python benchmarks/coverage_effects.py --seeds 1000 --jobs 2
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import functools
import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd

from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic, estimate_adoption
from partnerlab.errors import SampleError
from partnerlab.intake.simulate import World, simulate_world
from partnerlab.intake.simulate.worlds import TIERS
from partnerlab.verdicts import Stakes

HERE = Path(__file__).parent
#: Seeds start here, so that no seed used while building is used again.
FIRST_SEED = 2_000_000
WORLDS = ("A", "B", "C", "C, stays")
#: Seeds after which what was found so far is written.
CHUNK = 100
STUDY = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(Known(name="health", at="start", lag=0),))


def make_world(name: str, *, seed: int, null: bool) -> World:
    """Make a world; in `C, stays` a partner counts as treated, and has the effect, from its first start on."""
    world = simulate_world(name[0], seed=seed, null=null)
    if "," not in name:
        return world
    stays = np.maximum.accumulate(world.treated, axis=1)
    # what later quarters would have added, had the tactic not been taken away again; results carry over at .6
    added = np.where(stays & ~world.treated, world.effect, 0.0)
    for quarter in range(1, added.shape[1]):
        added[:, quarter] += 0.6 * added[:, quarter - 1]
    return dataclasses.replace(world, treated=stays, outcome=world.outcome + added)


def read_world(name: str, seed: int, *, null: bool, by_tier: bool = True) -> list[dict[str, object]]:
    """Analyse one world; one row for each estimate."""
    world = make_world(name, seed=seed, null=null)
    panel = TacticPanel.from_frame(world.to_frame(), manager="manager", tier="tier", covariates=["health"])
    found = analyze_tactic(panel, study=STUDY)
    own = {"world": name, "null": null, "seed": seed}
    verdict = found.verdict
    earned = verdict.earned.value in ("A", "B")
    rows = [
        own | {"estimate_of": row["reading"], "truth": world.truth, "estimate": row["estimate"],
               "conf_low": row["conf_low"], "conf_high": row["conf_high"]}
        for row in found.table.to_dict("records")
    ]  # fmt: skip
    rows.append(
        own | {"estimate_of": "verdict", "truth": world.truth, "estimate": verdict.estimate, "conf_low": verdict.conf_low,
               "conf_high": verdict.conf_high, "earned": earned, "flagged": earned and verdict.finding in ("raised", "lowered"),
               "mechanism": found.assignment.mechanism, "doubts": len(verdict.doubts)}
    )  # fmt: skip
    if by_tier:
        rows += [own | row for row in _by_tier(panel, world, found)]
    return rows


def _by_tier(panel: TacticPanel, world: World, found) -> list[dict[str, object]]:
    rows = []
    for tier in TIERS:
        if found.table["reading"].iloc[0] == "adoption":
            try:
                row = estimate_adoption(panel, study=STUDY.model_copy(update={"tiers": (tier,)})).at("overall")
            except SampleError:
                continue
        else:
            row = found.effects.table.set_index("group").loc[tier]
        if np.isfinite(row["estimate"]):
            ends = {"conf_low": row["conf_low"], "conf_high": row["conf_high"]}
            rows.append({"estimate_of": f"verdict, {tier}", "truth": world.truth_by_tier[tier], "estimate": row["estimate"], **ends})
    return rows


def score(rows: pd.DataFrame) -> pd.DataFrame:
    """Bias with its Monte-Carlo error, coverage, and how often grade B was earned or an effect flagged."""
    error = rows["estimate"] - rows["truth"]
    inside = (rows["conf_low"] <= rows["truth"]) & (rows["truth"] <= rows["conf_high"])
    away = (rows["conf_low"] > 0) | (rows["conf_high"] < 0)
    table = rows.assign(error=error, inside=inside.astype(float), away=away.astype(float), width=rows["conf_high"] - rows["conf_low"])
    groups = table.groupby(["world", "null", "estimate_of"], sort=False)
    scored = groups.agg(
        replicates=("error", "size"), truth=("truth", "mean"), bias=("error", "mean"), bias_error=("error", "sem"),
        coverage=("inside", "mean"), zero_outside=("away", "mean"), width=("width", "mean"),
    )  # fmt: skip
    for column in ("earned", "flagged"):
        scored[column] = (
            table.assign(**{column: table[column].astype(float)}).groupby(["world", "null", "estimate_of"], sort=False)[column].mean()
        )
    return scored.reset_index()


def main() -> None:
    """Read many worlds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--worlds", nargs="*", default=list(WORLDS))
    parser.add_argument("--output", type=Path, default=HERE / "coverage_effects.csv")
    asked = parser.parse_args()
    done: list[pd.DataFrame] = []
    with concurrent.futures.ProcessPoolExecutor(asked.jobs) as pool:
        for name, null in itertools.product(asked.worlds, (False, True)):
            read, rows = functools.partial(read_world, name, null=null), []
            for first in range(asked.first, asked.first + asked.seeds, CHUNK):
                seeds = range(first, min(first + CHUNK, asked.first + asked.seeds))
                rows += itertools.chain.from_iterable(pool.map(read, seeds, chunksize=10))
                part = score(pd.DataFrame(rows))
                pd.concat([*done, part], ignore_index=True).round(5).to_csv(asked.output, index=False)
            done.append(part)
            print(part.round(4).to_string(), flush=True)


if __name__ == "__main__":
    main()
