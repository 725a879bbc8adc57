"""What could overturn an effect of a tactic that goes on and off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from partnerlab.effects.analysis import TacticAnalysis
from partnerlab.effects.likeness import Compared, compare_rows, likeness_of, pair_differences, strengths_of
from partnerlab.effects.sample import Cluster, Clusters, clusters_of, shift
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.trials import Trials, design_of, stack_trials
from partnerlab.stats.causes.aipw import weighted_effect
from partnerlab.stats.causes.propensity import fit_propensity

#: Lots that the placebo tactic is dealt by.
LOTS = 10
#: Rows in which columns of numbers are told from classes.
CLASSES_SEEN = 1000
#: Quarters before the tactic whose result is the placebo: the last one is adjusted for, so it cannot differ.
EARLIER = 2


def find_challenges(analysis: TacticAnalysis, panel: TacticPanel, *, cluster: Cluster | None, seed: int) -> dict[str, Any]:
    """Pieces for `check_verdict`, from the trials that the estimate rests on."""
    study = analysis.study
    trials = stack_trials(panel, study)
    rows = _rows(trials, trials.outcome[:, -1])
    clusters = clusters_of(panel, panel.on.any(axis=1), cluster=cluster, tactic=study.tactic)
    strengths, df = strengths_of(rows, tuple(known.said for known in study.covariates))
    placebos = [
        _earlier_result(panel, trials, clusters),
        _dealt_by_lot(rows, clusters, np.random.default_rng(seed)),
    ]
    before = pd.DataFrame({"before": trials.last, "after": trials.outcome[:, -1], "treated": trials.treated})
    if clusters.noun == "manager":
        before["manager"] = clusters.code[trials.partner]
    return {
        "likeness": likeness_of(rows),
        "placebos": [placebo for placebo in placebos if np.isfinite(placebo["estimate"])],
        "before_after": before,
        "outcome_spread": float(rows.outcome[~rows.treated].std(ddof=1)),
        "residual_df": df,
        "strengths": strengths,
        "differences": pair_differences(rows),
    }


def _rows(trials: Trials, outcome: np.ndarray) -> Compared:
    past, names = trials.past
    columns = np.column_stack([past, trials.known])
    return compare_rows(trials.partner, trials.quarter, trials.treated, outcome, columns, (*names, *trials.names))


def _effect(rows: Compared, treated: np.ndarray, clusters: Clusters) -> tuple[float, np.ndarray]:
    """Effect on the treated by the estimator of the finding, and its influence summed by cluster."""
    effect = weighted_effect(rows.outcome, treated, rows.design, outcome_design=rows.design)
    return effect.estimate, np.bincount(clusters.code[rows.partner], effect.influence, minlength=clusters.count) / len(treated)


def _error(sums: np.ndarray) -> float:
    count = int((sums != 0).sum())
    return float(np.sqrt((sums**2).sum() * count / max(count - 1, 1)))


def _earlier_result(panel: TacticPanel, trials: Trials, clusters: Clusters) -> dict[str, object]:
    """Find an effect on a result from before the tactic: it shows choice by what the estimate does not adjust for."""
    earlier = shift(panel.outcome, EARLIER)[trials.partner, trials.quarter]
    # in the first trials the last result and the mean before say all of it
    earlier = np.where(trials.quarter > EARLIER, earlier, np.nan)
    rows = _rows(trials, earlier)
    estimate, sums = _effect(rows, rows.treated, clusters)
    return {"placebo": f"{EARLIER} quarters before", "estimate": estimate, "std_error": _error(sums)}


def _dealt_by_lot(rows: Compared, clusters: Clusters, rng: np.random.Generator) -> dict[str, object]:
    """Deal a tactic that does nothing among the untreated, with chances that bend as the treated's do: it tells whether adjusting works."""
    logit = fit_propensity(rows.treated, curved := _curved(rows.design), np.ones(len(curved)))
    chance = rows.chance if logit is None else logit.predict(curved)
    if not np.isfinite(chance).all():
        return {"placebo": "dealt by lot", "estimate": np.nan, "std_error": np.nan}
    off = ~rows.treated
    free = compare_rows(*(values[off] for values in (rows.partner, rows.quarter, rows.treated, rows.outcome, rows.columns)), rows.names)
    found = [_effect(free, rng.random(int(off.sum())) < chance[off], clusters) for _ in range(LOTS)]
    estimates, sums = zip(*[part for part in found if np.isfinite(part[0])] or [(np.nan, np.full(clusters.count, np.nan))], strict=True)
    return {"placebo": "dealt by lot", "estimate": float(np.mean(estimates)), "std_error": _error(np.mean(sums, axis=0))}


def _curved(design: np.ndarray) -> np.ndarray:
    """Add squares and products of a design's columns of numbers, those of 0 and 1 left as they are."""
    numbers = [column for column in design.T[1:] if len(np.unique(column[:CLASSES_SEEN])) > 2]
    bent = [one * other for place, one in enumerate(numbers) for other in numbers[place:]]
    return np.column_stack([design, design_of(np.column_stack([design[:, 1:], *bent]))[0][:, design.shape[1] :]]) if bent else design
