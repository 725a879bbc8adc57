"""How well real moves are told from noise: alarms where nothing changed, detection against the size of the change.

Programs of partners with gamma distributed lead rates, counted by quarter, under a quadrant (leads cut at the upper
quartile of the region, stated relevance at 50). In the last quarters the rates of some partners are multiplied.
Run ``python benchmarks/movers.py``; it writes its table into ``benchmarks/movers.md``
and draws it as ``benchmarks/movers.svg``.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from partnerlab.errors import SampleError
from partnerlab.panel.indicators import Indicators
from partnerlab.panel.panel import Panel
from partnerlab.periods import Calendar
from partnerlab.stats.inference.intervals import wilson_interval
from partnerlab.tiers import TierScheme, assign_tiers
from partnerlab.transitions import detect_movers, estimate_noise, estimate_real_moves, estimate_tier_probability

SEED = 20260101
MARK = "<!-- measured -->"
FIRST = Calendar().parse("2023Q1")
QUARTERS = 14


def quadrant() -> TierScheme:
    """Leads by relevance, as in the guide, moving freely."""
    cells = {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "DEMENTOR"}
    axes = {"x": {"value": "leads", "cut": {"quantile": 0.75}, "within": "region"}, "y": {"value": "relevance", "cut": {"absolute": 50}}}
    return TierScheme(scheme="benchmark", classify={"kind": "quadrant", **axes, "cells": cells})


def program(rng: np.random.Generator, *, partners: int, mean: float, changed: int, factor: float, age: int) -> tuple[Panel, np.ndarray]:
    """Draw a program: its panel, and the true rates ``(n, t)``; the first ``changed`` partners changed ``age`` quarters ago."""
    rate = np.repeat(rng.gamma(1.5, mean / 1.5, partners)[:, None], QUARTERS, axis=1)
    rate[:changed, QUARTERS - age :] *= factor
    names = [f"p{place:04d}" for place in range(partners)]
    labels = Calendar().labels(np.arange(FIRST, FIRST + QUARTERS))
    rows = {
        "partner": np.repeat(names, QUARTERS),
        "quarter": np.tile(labels, partners),
        "leads": rng.poisson(rate).ravel(),
        "relevance": np.repeat(rng.uniform(0, 100, partners).round(), QUARTERS),
    }
    kinds = {"leads": {"from": "frame"}, "relevance": {"from": "frame", "statistic": "last"}}
    regions = pd.DataFrame({"partner": names, "region": rng.choice(["North", "South"], partners)})
    return Panel.from_frame(pd.DataFrame(rows), indicators=Indicators(indicators=kinds), attributes=regions), rate


def true_move(panel: Panel, rate: np.ndarray, scheme: TierScheme, age: int) -> np.ndarray:
    """Partners whose tier at their true rates is another than before the change: bool ``(n,)``."""
    # rates in thousandths, as counts are whole
    history = assign_tiers(panel.replace(totals={"leads": np.rint(1000 * rate)}), scheme)
    return history.raw[:, -1] != history.raw[:, -1 - age]


def one_run(seed: int, *, partners: int, mean: float, share: float, factor: float, age: int) -> dict[str, float]:
    """One program: how many truly moved, how many were called, rightly and wrongly, by both ways."""
    rng, scheme = np.random.default_rng(seed), quadrant()
    changed = int(share * partners)
    panel, rate = program(rng, partners=partners, mean=mean, changed=changed, factor=factor, age=age)
    history, quarter = assign_tiers(panel, scheme), panel.labels[-1]
    moved = dict(zip(panel.partners.tolist(), true_move(panel, rate, scheme, age).tolist(), strict=True))
    found = {"truly": sum(moved.values()), "seed": seed}
    try:
        noise = estimate_noise(panel, scheme=scheme, draws=40, seed=seed)
        movers = detect_movers(history, noise=noise, quarter=quarter)
        real = estimate_real_moves(history, quarter=quarter, draws=100, seed=seed)
    except SampleError:
        return found
    called = {"p": movers.table.loc[movers.table["beyond_noise"], "partner"], "real": real.table.loc[real.table["real"], "partner"]}
    seen = movers.table["partner"]
    found |= {"movers": len(seen), "movers_truly": sum(moved[name] for name in seen)}
    for way, names in called.items():
        # of those whose rate did not change nobody has a real move of its own
        mine = names.str[1:].astype(int) < changed
        found |= {f"{way}_called": len(names), f"{way}_right": sum(moved[name] for name in names), f"{way}_unchanged": int((~mine).sum())}
    belongs = estimate_tier_probability(panel, scheme=scheme, draws=100, seed=seed)
    found |= {"said_misplaced": float(belongs.misplaced["estimate"].iloc[0]), "misplaced": _misplaced(panel, rate, scheme, history)}
    return found


def _misplaced(panel: Panel, rate: np.ndarray, scheme: TierScheme, history: object) -> float:
    truth = assign_tiers(panel.replace(totals={"leads": np.rint(1000 * rate)}), scheme)
    return float((truth.raw[:, -1] != history.raw[:, -1]).mean())


def share_text(hits: float, trials: float) -> str:
    """Share with its interval."""
    if not trials:
        return "none"
    low, high = wilson_interval(hits / trials, trials)
    return f"{hits / trials:.0%} ({float(low):.0%} to {float(high):.0%})"


def measure(runs: int, jobs: int, partners: int) -> str:
    """Run all cases and write the table."""
    lines = [
        "| mean leads | changed | times | quarters ago | movers, of them true | beyond noise: rate unchanged | tier unchanged | true found "
        "| real: rate unchanged | tier unchanged | true found | tier wrong, said / was |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for mean, share, age, factors in CASES:
        for factor in factors:
            given = {"partners": partners, "mean": mean, "share": share, "factor": factor, "age": age}
            table = pd.DataFrame(Parallel(n_jobs=jobs)(delayed(one_run)(SEED + run, **given) for run in range(runs)))
            total = table.sum()
            cells = [
                f"{mean:g}",
                f"{share:.0%}",
                f"{factor:g}",
                str(age),
                f"{total['movers'] / runs:.0f}, {total['movers_truly'] / runs:.1f}",
            ]
            for way in ("p", "real"):
                if factor == 1:
                    any_call = (table[f"{way}_called"] > 0).sum()
                    cells += [f"in {share_text(any_call, runs)} of quarters", "", ""]
                else:
                    called, right = total[f"{way}_called"], total[f"{way}_right"]
                    wrong = (total[f"{way}_unchanged"], called - right)
                    cells += [*(share_text(number, called) for number in wrong), share_text(right, total["movers_truly"])]
            cells.append(f"{table['said_misplaced'].mean():.1%} / {table['misplaced'].mean():.1%}")
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def read_curves(page: str) -> pd.DataFrame:
    """Read the true moves found by either way, by activity and size of the change, off the page's table."""
    rows = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in page.split(MARK)[1].splitlines() if line.startswith("| ")]
    heads, rows = rows[0], [row for row in rows[1:] if row[2] != "1" and row[3] == "1"]
    found = [place for place, head in enumerate(heads) if head == "true found"]
    numbers = [(float(row[0]), float(row[2]), way, *map(_share, re.findall(r"\d+", row[place])[:3])) for row in rows
               for way, place in zip(("beyond noise", "real"), found, strict=True)]  # fmt: skip
    return pd.DataFrame(numbers, columns=["mean", "times", "way", "estimate", "conf_low", "conf_high"])


def _share(percent: str) -> float:
    return int(percent) / 100.0


def draw_curves(curves: pd.DataFrame) -> str:
    """Draw how many true moves are found against the size of the change, as SVG."""
    from partnerlab.show import style
    from partnerlab.show.canvas import Canvas, draw

    means, colours = sorted(curves["mean"].unique()), {"beyond noise": style.ACCENT, "real": style.SIGNAL}

    def paint(canvas: Canvas) -> None:
        for panel, mean in enumerate(means):
            axes = canvas.axes(44 + 172 * panel, 30, 140, 150)
            axes.set_xscale("log")
            axes.set_xlim(0.09, 11)
            axes.set_ylim(0, 1)
            axes.set_xticks([0.1, 0.25, 0.5, 1, 2, 4, 10], ["0.1", "", "0.5", "1", "2", "4", "10"])
            axes.minorticks_off()
            axes.set_yticks([0, 0.5, 1], ["0", "50", "100 %"] if panel == 0 else ["", "", ""])
            axes.grid(axis="y", color=style.GRID, linewidth=0.8)
            axes.spines["bottom"].set_visible(True)
            canvas.words(44 + 172 * panel, 20, f"{mean:g} leads a quarter", size=style.SMALL, weight="bold")
            for way, colour in colours.items():
                mine = curves[(curves["mean"] == mean) & (curves["way"] == way)].sort_values("times")
                for part in (mine[mine["times"] < 1], mine[mine["times"] > 1]):
                    axes.plot(part["times"], part["estimate"], "o-", color=colour, markersize=4, linewidth=1.5)
                    axes.vlines(part["times"], part["conf_low"], part["conf_high"], color=colour, linewidth=1.2, alpha=0.5)
        canvas.words(44, 212, "times the rate before", size=style.SMALL)
        for place, (way, colour) in enumerate(colours.items()):
            canvas.words(200 + 100 * place, 212, way, size=style.SMALL, weight="bold", colour=colour)

    said = "; ".join(f"{row.mean:g} leads, {row.times:g} times: {row.way} {row.estimate:.0%}" for row in curves.itertuples())
    return draw(paint, height=220, title="Share of the true moves that are found, by size of the change", alt=f"Curves. {said}.")


#: Mean leads, share of partners that change, quarters ago, factors.
CASES = (
    (3.0, 0.0, 1, (1.0,)),
    (10.0, 0.0, 1, (1.0,)),
    (3.0, 0.1, 1, (1.5, 2.0, 3.0, 4.0, 6.0, 10.0)),
    (3.0, 0.1, 2, (2.0, 4.0, 10.0)),
    (10.0, 0.1, 1, (1.5, 2.0, 3.0, 4.0, 6.0)),
    (10.0, 0.1, 1, (0.5, 0.25, 0.1)),
)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--partners", type=int, default=300)
    asked = parser.parse_args()
    table = measure(asked.runs, asked.jobs, asked.partners)
    page = Path(__file__).with_suffix(".md")
    said = f"Seed {SEED}, {asked.runs} programs of {asked.partners} partners for each row, numpy {np.__version__}, "
    said += f"Python {sys.version.split()[0]}, {platform.machine()}."
    page.write_text(page.read_text(encoding="utf-8").split(MARK)[0] + f"{MARK}\n\n{said}\n\n{table}\n", encoding="utf-8")
    page.with_suffix(".svg").write_text(draw_curves(read_curves(page.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
