"""Whether verdicts on tactics agree with the truth on fresh demo programs, each beside what its simulator knows of the same rows.

Every program is read as its pages read it. The truth is what the tactic added to expected leads of just the partner-quarters that the
verdict is of, in the quarter that it is of. Rows go to ``benchmarks/coverage_demo.csv``: each tactic by itself (page 70), pooled over the
tactics (page 75), and every cell of tactic and tier that page 75 names.

    python benchmarks/coverage_demo.py --programs 20 --jobs 1
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd

from partnerlab import assign_tiers, build_panel
from partnerlab.effects import TacticPanel, TacticStudy, build_study_panel, estimate_adoption
from partnerlab.effects.trials import stack_trials
from partnerlab.intake.simulate import Simulation, Truth, simulate_program
from partnerlab.report import load_request
from partnerlab.report.tactics import analyze_tactics, compare_studied, count_tactics, load_studies, pool_studied
from partnerlab.verdicts import Verdict

HERE = Path(__file__).parent
#: Seeds start here, so that no seed used while building is used again.
FIRST_SEED = 5_000
#: Indicator of a study -> tactic of the truth, where they differ.
MADE_AS = {"event": "dinner", "other": "portal"}


def lay_truth(panel: TacticPanel, study: TacticStudy, simulation: Simulation) -> np.ndarray:
    """Lay what the tactic added in truth beside each partner and quarter of a panel; 0 where it was not on."""
    added = simulation.truth_added(MADE_AS.get(study.indicator, study.indicator))
    row = pd.Index(simulation.partners).get_indexer(panel.partners.astype(str))
    first = panel.first - simulation.truth.start - simulation.truth.lead_in
    return np.where(panel.on, added[row][:, first : first + panel.shape[1]], 0.0)


def true_effect(panel: TacticPanel, study: TacticStudy, added: np.ndarray, *, tier: str | None = None) -> float:
    """Average what was added over just the rows that the verdict is of, weighted as it weights them."""
    if study.stays:  # the estimator is linear in the outcome: on the truth itself it gives the mean that it estimates
        asked = study if tier is None else study.model_copy(update={"tiers": (tier,)})
        known = dataclasses.replace(panel, outcome=np.where(np.isfinite(panel.outcome), added, np.nan))
        return float(estimate_adoption(known, study=asked).at("overall")["estimate"])
    trials = stack_trials(panel, study)
    rows = trials.treated & np.isfinite(trials.outcome[:, study.horizon])
    if tier is not None:
        rows &= trials.tier == panel.tiers.index(tier)
    return float(added[trials.partner[rows], trials.quarter[rows]].mean())


def read_program(seed: int) -> list[dict[str, object]]:
    """Read a program's pages of tactics; one row for each verdict."""
    simulation = simulate_program(Truth(), seed=seed)
    ask = load_request(source=simulation.source())
    counted = count_tactics(ask)
    history = assign_tiers(build_panel(ask.source, first=ask.first, last=ask.quarter), ask.scheme, overrides=ask.overrides)
    studied = analyze_tactics(counted, studies=load_studies(ask, panel=counted), history=history)
    panels = {one.study.tactic: build_study_panel(counted, study=one.study, history=history) for one in studied.analyses}
    studies = {one.study.tactic: one.study for one in studied.analyses}
    added = {name: lay_truth(panel, studies[name], simulation) for name, panel in panels.items()}
    whole = {name: true_effect(panel, studies[name], added[name]) for name, panel in panels.items()}
    rows = [
        _row(seed, page, verdict, whole[verdict.tactic], one.assignment.mechanism)
        for page, verdicts in (("alone", [one.verdict for one in studied.analyses]), ("pooled", pool_studied(studied)))
        for one, verdict in zip(studied.analyses, verdicts, strict=True)
    ]
    compared = compare_studied(studied)
    for place, cell in compared.flagged.iterrows():
        name, tier = cell["tactic"], cell["tier"]
        truth = true_effect(panels[name], studies[name], added[name], tier=tier)
        rows.append(_row(seed, "cell", compared.verdicts[place], truth, "") | {"tier": tier})
    return rows


def _row(seed: int, page: str, verdict: Verdict, truth: float, mechanism: str) -> dict[str, object]:
    return {
        "seed": seed, "page": page, "tactic": verdict.tactic, "tier": "", "truth": truth, "estimate": verdict.estimate,
        "std_error": verdict.std_error, "conf_low": verdict.conf_low, "conf_high": verdict.conf_high, "df": verdict.df,
        "grade": verdict.earned.value, "design": verdict.grade.value, "doubts": len(verdict.doubts), "mechanism": mechanism,
    }  # fmt: skip


def hold_if_calibrated(rows: pd.DataFrame) -> float:
    """Share of findings that would hold the truth if every estimate were right but for its stated error.

    A finding is an interval clear of 0, so those are found first that chance has put too far out: fewer than 95 % of them hold.
    """
    from scipy.stats import t

    half, truth = (rows["conf_high"] - rows["conf_low"]) / 2, rows["truth"]

    def mass(low, high):
        below, above = (t.cdf((end - truth) / rows["std_error"], rows["df"]) for end in (low, high))
        return np.clip(above - below, 0.0, 1.0)

    found = mass(half, np.inf) + mass(-np.inf, -half)
    held = mass(np.maximum(half, truth - half), truth + half) + mass(truth - half, np.minimum(-half, truth + half))
    return float(held.sum() / found.sum())


def score(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of intervals that hold the truth and mean bias in standard errors, by page and grade."""
    known = rows[np.isfinite(rows["std_error"]) & np.isfinite(rows["truth"])]
    inside = (known["conf_low"] <= known["truth"]) & (known["truth"] <= known["conf_high"])
    table = known.assign(inside=inside, error=(known["estimate"] - known["truth"]) / known["std_error"])
    wide = pd.concat([table.assign(grade="all"), table])
    return (
        wide.groupby(["page", "grade"])
        .agg(verdicts=("inside", "size"), hold=("inside", "sum"), share=("inside", "mean"), error=("error", "mean"))
        .reset_index()
    )


def tell(rows: pd.DataFrame) -> str:
    """Say how verdicts and truth agree."""
    rows = rows.fillna({"tier": ""})
    clear = (rows["conf_low"] > 0) | (rows["conf_high"] < 0)
    lines = [f"{rows['seed'].nunique()} programs", score(rows).round(3).to_string(index=False)]
    for page, part in rows.groupby("page", sort=False):
        nil = part[np.isclose(part["truth"], 0)]
        lines.append(
            f"{page}: {int((nil['grade'].eq('B') & clear[nil.index]).sum())} of {len(nil)} that do nothing are findings of grade B"
        )
        could = part[part["design"].eq("B") & part["doubts"].eq(0) & np.isfinite(part["std_error"])]
        if page != "cell":
            lines.append(f"{page}: of findings of grade B {hold_if_calibrated(could):.1%} would hold it if errors were all that is wrong")
    return "\n".join(lines)


def main() -> None:
    """Read programs, write their rows as they come, and say how they agree with the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--output", type=Path, default=HERE / "coverage_demo.csv")
    asked = parser.parse_args()
    seeds, read = range(asked.first, asked.first + asked.programs), []
    with concurrent.futures.ProcessPoolExecutor(asked.jobs) as pool:
        for rows in pool.map(read_program, seeds):
            read.append(rows)
            table = pd.DataFrame(itertools.chain.from_iterable(read))
            table.round(4).to_csv(asked.output, index=False)
            print(f"seed {table['seed'].iloc[-1]}", flush=True)
    print(tell(table))


if __name__ == "__main__":
    main()
