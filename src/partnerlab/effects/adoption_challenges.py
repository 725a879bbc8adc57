"""What could overturn an effect of a tactic that stays once adopted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from partnerlab.effects.adopters import AdoptionSample, adoption_sample
from partnerlab.effects.adoption import PRE_TREND_QUARTERS
from partnerlab.effects.analysis import TacticAnalysis
from partnerlab.effects.likeness import Compared, compare_rows, likeness_of, pair_differences, strengths_of
from partnerlab.effects.sample import Cluster, shift
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.trials import Trials, stack_trials
from partnerlab.effects.yardsticks import EventPath
from partnerlab.errors import SampleError
from partnerlab.stats.causes.did import group_time_effects
from partnerlab.stats.causes.did_aggregates import aggregate_effects, influence_covariance

#: Quarters from adoption on whose mean effect is held against trends that bend: farther on any bend could explain anything.
FIRST_QUARTERS = 4
#: Quarters before adoption at which the placebo adoption is dated.
PRETENDED = 2


def find_challenges(analysis: TacticAnalysis, panel: TacticPanel, *, cluster: Cluster | None) -> dict[str, Any]:
    """Pieces for `check_verdict`, from the groups of adopters and the trials of their starts."""
    study = analysis.study
    sample = adoption_sample(panel, study, control=study.comparison, cluster=cluster)
    events = _event_path(sample, study, analysis.effects.pre_trend)
    pieces: dict[str, Any] = {"events": events, "placebos": [] if events is None else _pretended(events)}
    try:
        trials = stack_trials(panel, study.model_copy(update={"untreated_for": max(study.untreated_for, 1)}))
    except SampleError:
        return pieces  # nobody started after two quarters that were seen: nothing to look alike in
    rows = _starts(panel, trials)
    strengths, df = strengths_of(rows, tuple(known.said for known in study.covariates))
    usual = pd.DataFrame(
        {"before": trials.last - trials.earlier, "after": _window(panel, trials) - trials.earlier, "treated": trials.treated}
    )
    if sample.clusters.noun == "manager":
        usual["manager"] = panel.steady_manager[trials.partner]
    untreated = panel.outcome[np.isfinite(panel.outcome) & ~panel.on]
    return pieces | {
        "likeness": likeness_of(rows) if study.covariates else None,
        "before_after": usual,
        "outcome_spread": float(untreated.std(ddof=1)),
        "residual_df": float(len(np.unique(rows.partner)) - len(study.covariates) - 2) if df > 0 else None,
        "strengths": strengths,
        "differences": pair_differences(rows),
    }


def _event_path(sample: AdoptionSample, study: TacticStudy, pre_trend: float) -> EventPath | None:
    """Effects around adoption against the quarter before it, as far as they are known without gaps; None without a quarter before."""
    cells = group_time_effects(sample.outcome, sample.adopted, covariates=sample.covariates, control=study.comparison, base="universal")
    event = aggregate_effects(cells, kind="event", first=-PRE_TREND_QUARTERS - 1, last=FIRST_QUARTERS - 1)
    covariance = sample.clusters.factor * influence_covariance(event.influence, clusters=sample.clusters.code)
    known = np.isfinite(event.att) & (np.diag(covariance) > 0)
    places = dict(zip(event.at[known].tolist(), np.flatnonzero(known).tolist(), strict=True))
    before, after = _run(places, -2, -1), _run(places, 0, 1)
    if not before or not after:
        return None
    order = [*before[::-1], *after]
    return EventPath(estimates=event.att[order], covariance=covariance[np.ix_(order, order)], before=len(before), pre_trend=pre_trend)


def _run(places: dict[int, int], start: int, step: int) -> list[int]:
    """Places of event times from one on, until the first that is not known."""
    found = []
    while start in places:
        found.append(places[start])
        start += step
    return found


def _pretended(events: EventPath) -> list[dict[str, object]]:
    """Date adoption two quarters before it was: nothing may follow in the quarter before it really was."""
    if events.before < PRETENDED:
        return []
    at = events.before - PRETENDED
    return [
        {
            "placebo": f"{PRETENDED} quarters before",
            "estimate": -float(events.estimates[at]),
            "std_error": float(np.sqrt(events.covariance[at, at])),
        }
    ]


def _window(panel: TacticPanel, trials: Trials) -> np.ndarray:
    """Mean outcome of the first quarters from each trial on; for the untreated NaN where the tactic came within them."""
    later = np.stack([shift(panel.outcome, -ahead) for ahead in range(FIRST_QUARTERS)])
    started = np.stack([shift(panel.treated, -ahead) for ahead in range(FIRST_QUARTERS)])
    known = np.isfinite(later)
    mean = np.divide(np.where(known, later, 0.0).sum(axis=0), known.sum(axis=0), out=np.full(panel.shape, np.nan), where=known.any(axis=0))
    mean[(started == 1).any(axis=0) & ~panel.on] = np.nan
    return mean[trials.partner, trials.quarter]


def _starts(panel: TacticPanel, trials: Trials) -> Compared:
    """Compare changes of starters with those of partners that did not start within the window, given all but earlier results."""
    return compare_rows(trials.partner, trials.quarter, trials.treated, _window(panel, trials) - trials.last, trials.known, trials.names)
