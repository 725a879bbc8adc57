"""How often a page of tactics by tiers names a winner that is none, and how far its best cell exaggerates.

Each page has eight tactics by three tiers, each tactic in a world of its own with managers who choose (A and B of `coverage_effects`):
*null* pages without any effect, *half* pages where every other tactic has one. Triage and second readings are left out, so that no
tactic is in doubt: these could only take winners away. Results go to ``benchmarks/coverage_pages.csv``.

    python benchmarks/coverage_pages.py --pages 1000 --kinds null half --jobs 2
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import functools
import os
from pathlib import Path

import numpy as np
import pandas as pd
from coverage_effects import STUDY, make_world

from partnerlab.effects import TacticAnalysis, TacticPanel, analyze_tactic, compare_tactics, estimate_on_off
from partnerlab.effects.tier_cells import tier_cells
from partnerlab.intake.simulate import World
from partnerlab.intake.simulate.worlds import TIERS
from partnerlab.results import Evidence
from partnerlab.stats.inference.intervals import critical_value

HERE = Path(__file__).parent
#: Seeds start here, so that no seed used while building, or by `coverage_effects`, is used again.
FIRST_SEED = 12_000_000
#: Worlds of the eight tactics of a page.
WORLDS = ("B", "B", "A", "B", "B", "B", "A", "B")
#: Effects this near the largest of a page are as good as the best: the worlds' own ramps differ by as much.
NEAR = 0.03


@functools.cache
def _undoubted(name: str) -> TacticAnalysis:
    """Analyse one world without any doubt, to carry the cells of others."""
    found = analyze_tactic(_panel(make_world(name, seed=1, null=False)), study=STUDY)
    return dataclasses.replace(found, verdict=dataclasses.replace(found.verdict, doubts=()), evidence=Evidence.B)


def _panel(world: World) -> TacticPanel:
    """Dense arrays of a world, without the way through a table."""
    partners, quarters = world.outcome.shape
    wide = {"manager": world.manager, "tier": world.tier}
    codes = {name: np.repeat(values[:, None], quarters, axis=1).astype(np.int64) for name, values in wide.items()}
    return TacticPanel(
        partners=np.array([f"P{place:04d}" for place in range(partners)]), first=0, outcome=world.outcome, treated=world.treated * 1.0,
        manager=codes["manager"], tier=codes["tier"], region=np.full(world.outcome.shape, -1),
        managers=tuple(f"M{place}" for place in range(world.manager.max() + 1)), tiers=TIERS, covariates={"health": world.health},
    )  # fmt: skip


def make_page(page: int, *, half: bool, first: int = FIRST_SEED) -> pd.DataFrame:
    """Read the cells of eight worlds and lay them on a page; its table with the ``truth`` of each cell."""
    analyses, truth = [], {}
    for place, name in enumerate(WORLDS):
        null = not half or place % 2 == 1
        world = make_world(name, seed=first + len(WORLDS) * page + place, null=null)
        tactic, panel, carrier = f"{name}{place}", _panel(world), _undoubted(name)
        effects = estimate_on_off(panel, study=STUDY) if name == "B" else carrier.effects
        study = STUDY.model_copy(update={"tactic": tactic})
        analyses.append(dataclasses.replace(carrier, study=study, tiers=tier_cells(panel, STUDY, effects)))
        truth |= {(tactic, tier): 0.0 if null else value for tier, value in world.truth_by_tier.items()}
    table = compare_tactics(analyses).table
    named = table["grade"].isin(["A", "B"]) & table["finding"].isin(["raised", "lowered"])
    keys = list(zip(table["tactic"], table["tier"], strict=True))
    df = {(one.study.tactic, row["tier"]): row["df"] for one in analyses for row in one.tiers.to_dict("records")}
    return table.assign(named=named, df=[df[key] for key in keys], truth=[truth[key] for key in keys], page=page)


def read_page(page: int, *, half: bool, first: int = FIRST_SEED) -> dict[str, float]:
    """Read what a page said, and what was true of it."""
    table = make_page(page, half=half, first=first)
    known = table.dropna(subset=["estimate"])
    top, loud = known.loc[known["estimate"].idxmax()], known.loc[known["raw"].idxmax()]
    inside = (known["conf_low"] <= known["truth"]) & (known["truth"] <= known["conf_high"])
    likeliest = known.loc[known["best"].idxmax()]
    return {
        "named_inside": float((inside & known["named"]).sum()), "best_said": likeliest["best"],
        "best_true": float(likeliest["truth"] > known["truth"].max() - NEAR),
        "named": float(table["named"].sum()), "named_wrongly": float((table["named"] & (table["truth"] == 0)).sum()),
        "true": float((table["truth"] > 0).sum()), "unadjusted": float((known["p_value"] < 0.05).any()),
        "top": top["estimate"], "top_truth": top["truth"], "top_inside": float(top["conf_low"] <= top["truth"] <= top["conf_high"]),
        "width": (known["conf_high"] - known["conf_low"]).mean(), "raw_inside": float(_raw_inside(known).mean()),
        "named_raw_inside": float((_raw_inside(known) & known["named"]).sum()),
        "loud": loud["raw"], "loud_truth": loud["truth"], "inside": float(inside.mean()), "cells": float(len(known)),
    }  # fmt: skip


def _raw_inside(cells: pd.DataFrame) -> pd.Series:
    """Whether each cell's own interval, unpooled, holds the truth; errors are those of the pooling, widened for few managers."""
    return (cells["raw"] - cells["truth"]).abs() <= critical_value(0.95, cells["df"].to_numpy(float)) * cells["raw_error"]


def score(pages: pd.DataFrame, kind: str) -> dict[str, object]:
    """Rates over pages with their Monte-Carlo errors."""
    wrong = (pages["named_wrongly"] > 0).astype(float)
    found = pages["named"] - pages["named_wrongly"]
    apart = pages["top"] - pages["top_truth"]
    real = pages["top_truth"].mean() > 0
    named = pages["named"].sum()
    return {
        "page": kind, "pages": len(pages), "cells": pages["cells"].mean(), "winner_named_wrongly": wrong.mean(),
        "winner_error": wrong.sem(), "any_raw_p_under_5": pages["unadjusted"].mean(),
        "false_among_named": (pages["named_wrongly"] / pages["named"].clip(lower=1)).mean(),
        "effects_named": found.sum() / pages["true"].sum() if pages["true"].sum() else np.nan,
        "top": pages["top"].mean(), "top_truth": pages["top_truth"].mean(), "top_bias_error": apart.sem(),
        "top_exaggerates": pages["top"].mean() / pages["top_truth"].mean() if real else np.nan,
        "raw_top_exaggerates": pages["loud"].mean() / pages["loud_truth"].mean() if real else np.nan,
        "top_coverage": pages["top_inside"].mean(), "coverage": pages["inside"].mean(),
        "named_coverage": pages["named_inside"].sum() / named if named else np.nan,
        "raw_coverage": pages["raw_inside"].mean(), "named_raw_coverage": pages["named_raw_inside"].sum() / named if named else np.nan,
        "width": pages["width"].mean(),
        "best_said": pages["best_said"].mean(), "best_true": pages["best_true"].mean() if real else np.nan,
    }  # fmt: skip


def main() -> None:
    """Read many pages of both kinds; the table is written anew after every hundred."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--kinds", nargs="*", default=["null", "half"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--output", type=Path, default=HERE / "coverage_pages.csv")
    asked = parser.parse_args()
    stands = pd.read_csv(asked.output, keep_default_na=False, na_values=[""]).to_dict("records") if asked.output.exists() else []
    rows = {str(row["page"]): row for row in stands}  # kinds that are not asked for stay as they are
    with concurrent.futures.ProcessPoolExecutor(asked.jobs) as pool:
        for kind in asked.kinds:
            read = functools.partial(read_page, half=kind == "half", first=asked.first)
            pages: list[dict[str, float]] = []
            for start in range(0, asked.pages, 100):
                pages += pool.map(read, range(start, min(start + 100, asked.pages)), chunksize=5)
                rows[kind] = score(pd.DataFrame(pages), kind)
                pd.DataFrame(list(rows.values())).round(5).to_csv(asked.output, index=False)
                print(pd.Series(rows[kind]).to_string(), flush=True)


if __name__ == "__main__":
    main()
