"""How well the share of partners that truly move is found behind what noise moves.

Programs of partners with gamma distributed lead rates, counted by quarter, under the quadrant of ``benchmarks/movers.py``. In
each quarter a rate stays, or is drawn anew with a probability. The truth is what the same scheme makes of the rates
themselves. Run ``python benchmarks/hidden.py``; it writes its table into ``benchmarks/hidden.md``.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from movers import FIRST, QUARTERS, quadrant

from partnerlab.panel.indicators import Indicators
from partnerlab.panel.panel import Panel
from partnerlab.periods import Calendar
from partnerlab.tiers import assign_tiers
from partnerlab.transitions import estimate_hidden_transitions

SEED = 20260301
MARK = "<!-- measured -->"
#: Partners, mean leads, probability of a new rate in a quarter.
CASES = ((250, 3.0, 0.0), (250, 3.0, 0.02), (250, 3.0, 0.1), (250, 10.0, 0.0), (250, 10.0, 0.02), (250, 10.0, 0.1))


def draw_program(rng: np.random.Generator, *, partners: int, mean: float, hazard: float) -> tuple[Panel, np.ndarray]:
    """Draw a program: its panel, and the true rates ``(n, t)``."""
    rate = np.empty((partners, QUARTERS))
    rate[:, 0] = rng.gamma(1.5, mean / 1.5, partners)
    for quarter in range(1, QUARTERS):
        rate[:, quarter] = np.where(rng.random(partners) < hazard, rng.gamma(1.5, mean / 1.5, partners), rate[:, quarter - 1])
    names = [f"p{place:04d}" for place in range(partners)]
    rows = {
        "partner": np.repeat(names, QUARTERS),
        "quarter": np.tile(Calendar().labels(np.arange(FIRST, FIRST + QUARTERS)), partners),
        "leads": rng.poisson(rate).ravel(),
        "relevance": np.repeat(rng.uniform(0, 100, partners).round(), QUARTERS),
    }
    kinds = {"leads": {"from": "frame"}, "relevance": {"from": "frame", "statistic": "last"}}
    regions = pd.DataFrame({"partner": names, "region": rng.choice(["North", "South"], partners)})
    return Panel.from_frame(pd.DataFrame(rows), indicators=Indicators(indicators=kinds), attributes=regions), rate


def one_run(seed: int, *, partners: int, mean: float, hazard: float) -> dict[str, float]:
    """One program: true share of moves, what is found and seen, and the last quarter's movers."""
    rng, scheme = np.random.default_rng(seed), quadrant()
    panel, rate = draw_program(rng, partners=partners, mean=mean, hazard=hazard)
    found = estimate_hidden_transitions(assign_tiers(panel, scheme), seed=seed)
    # rates in thousandths, as counts are whole
    truth = assign_tiers(panel.replace(totals={"leads": np.rint(1000 * rate)}), scheme).raw.astype(int)
    moved = np.diff(truth, axis=1) != 0
    true, seen = (found.moved.set_index("of").loc[name] for name in ("true", "seen"))
    movers = found.moves()
    really = dict(zip(panel.partners.tolist(), moved[:, -1].tolist(), strict=True))
    return {
        "truth": moved.mean(), "found": true["estimate"], "width": true["conf_high"] - true["conf_low"],
        "held": float(true["conf_low"] <= moved.mean() <= true["conf_high"]), "seen": seen["estimate"],
        "movers": len(movers), "movers_said": movers["moved"].sum(), "movers_truly": sum(really[name] for name in movers["partner"]),
    }  # fmt: skip


def measure(runs: int, jobs: int) -> str:
    """Run all cases and write the table."""
    lines = [
        "| mean leads | new rate | truly moved | found | mean width | interval holds the truth | seen to move "
        "| movers of the last quarter: seen | said to be true | true |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for partners, mean, hazard in CASES:
        given = {"partners": partners, "mean": mean, "hazard": hazard}
        table = pd.DataFrame(Parallel(n_jobs=jobs)(delayed(one_run)(SEED + run, **given) for run in range(runs))).mean()
        shares = [f"{table[name]:.1%}" for name in ("truth", "found", "width")]
        cells = [f"{mean:g}", f"{hazard:.0%}", *shares, f"{table['held']:.0%}", f"{table['seen']:.1%}"]
        cells += [f"{table[name]:.1f}" for name in ("movers", "movers_said", "movers_truly")]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    table = measure(asked.runs, asked.jobs)
    page = Path(__file__).with_suffix(".md")
    said = f"Seed {SEED}, {asked.runs} programs of {CASES[0][0]} partners over {QUARTERS} quarters for each row, numpy {np.__version__}, "
    said += f"Python {sys.version.split()[0]}, {platform.machine()}."
    page.write_text(page.read_text(encoding="utf-8").split(MARK)[0] + f"{MARK}\n\n{said}\n\n{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
