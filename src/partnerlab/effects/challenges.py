"""The sensitivity card of an analysis: everything that could overturn its finding is looked for, without being asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from partnerlab.effects import adoption_challenges, on_off_challenges
from partnerlab.effects.adopters import adoption_sample
from partnerlab.effects.adoption import AdoptionEffects
from partnerlab.effects.analysis import TacticAnalysis, require_analysed
from partnerlab.effects.on_off import estimate_on_off
from partnerlab.effects.robustness import RobustnessCard, check_verdict
from partnerlab.effects.sample import Cluster, clusters_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.tier_cells import overall_adoption
from partnerlab.errors import ParameterError, SampleError, nearest

#: Most managers that are left out one by one; beyond it those that move the estimate most, to first order.
MOST_LEFT_OUT = 40

Refit = Callable[[TacticPanel, TacticStudy], tuple[float, float]]


def check_robustness(
    analysis: TacticAnalysis,
    *,
    panel: TacticPanel,
    placebo_outcomes: Sequence[str] = (),
    placebo_tactics: Sequence[str] = (),
    cluster: Cluster | None = None,
    seed: int = 0,
) -> RobustnessCard:
    """Hold an analysis against everything that could overturn it, on one card.

    Each row can fail: *overlap* and *balance* of the two sides; *placebos* that can show no effect (a date before the tactic; what the
    caller names); *leave one out*, refitted without each manager; *regression to the mean*, counted and, where the estimate does not
    allow for it, taken off; *E-value*, *robustness value*, and what an *unseen cause* as strong as each covariate would leave; *hidden
    bias* within matched pairs (Rosenbaum). For a tactic that stays also the *pre-trend*, and how far trends may bend, or move as they
    did before, until the finding goes (Rambachan and Roth), of the mean effect in the first four quarters; what trends might do counts
    against a finding only where they were seen to do it before. For one that goes on and off also a tactic that does nothing, dealt by
    lot among the untreated with the chances that the treated had.

    Parameters
    ----------
    analysis : TacticAnalysis
        Of `analyze_tactic`.
    panel : TacticPanel
        The one that was analysed.
    placebo_outcomes : sequence of str
        Covariates of the panel that the tactic cannot have moved; the same estimator is run on each.
    placebo_tactics : sequence of str
        Others of the panel that cannot have moved the outcome.
    cluster : {"manager", "partner"}, optional
        As in `analyze_tactic`.
    seed : int
        Of the lots that the placebo tactic is dealt by.

    Returns
    -------
    RobustnessCard
        Its grade is the verdict's, or D where something seen overturned it; nothing raises it.

    Raises
    ------
    SampleError
        If the verdict has no estimate.
    ParameterError
        If the panel has no such placebo, or is not the one that was analysed.

    Examples
    --------
    >>> from partnerlab.effects import Known, analyze_tactic
    >>> from partnerlab.intake.simulate import simulate_world
    >>> from partnerlab.verdicts import Stakes
    >>> world = simulate_world("B", seed=1, partners=120).to_frame()
    >>> panel = TacticPanel.from_frame(world, tier="tier", covariates=["health"])
    >>> health = Known(name="health", at="start", lag=0)
    >>> found = analyze_tactic(panel, study=TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(health,)))
    >>> card = check_robustness(found, panel=panel)
    >>> card.stands, sorted(card.table.loc[card.table["check"] == "placebo", "about"])
    (True, ['2 quarters before', 'dealt by lot'])
    """
    require_analysed(analysis, panel, asked="check_robustness")
    staying = isinstance(analysis.effects, AdoptionEffects)
    study = analysis.study
    pieces: dict[str, Any] = {}
    if analysis.verdict.known:
        pieces = (
            adoption_challenges.find_challenges(analysis, panel, cluster=cluster)
            if staying
            else on_off_challenges.find_challenges(analysis, panel, cluster=cluster, seed=seed)
        )
    refit = _refit_adoption(cluster) if staying else _refit_on_off(cluster, either_way=analysis.effects.either_way)
    asked = list(_asked_placebos(panel, study, refit, outcomes=placebo_outcomes, tactics=placebo_tactics))
    placebos = [*pieces.pop("placebos", []), *asked]
    left_out = _left_out(analysis, panel, refit, cluster)
    return check_verdict(
        analysis.verdict,
        **pieces,
        placebos=pd.DataFrame(placebos, columns=["placebo", "estimate", "std_error"]) if placebos else None,
        left_out=left_out if len(left_out) else None,
        adjusted=not staying,
    )


def _refit_adoption(cluster: Cluster | None) -> Refit:
    def refit(panel: TacticPanel, study: TacticStudy) -> tuple[float, float]:
        sample = adoption_sample(panel, study, control=study.comparison, cluster=cluster)
        return overall_adoption(sample, study)[:2]

    return refit


def _refit_on_off(cluster: Cluster | None, *, either_way: bool) -> Refit:
    def refit(panel: TacticPanel, study: TacticStudy) -> tuple[float, float]:
        row = estimate_on_off(panel, study=study, cluster=cluster, either_way=either_way, by_tier=False).headline()
        return float(row["estimate"]), float(row["std_error"])

    return refit


def _left_out(analysis: TacticAnalysis, panel: TacticPanel, refit: Refit, cluster: Cluster | None) -> pd.DataFrame:
    """Estimate again without each manager; nothing where managers are not known."""
    empty = pd.DataFrame(columns=["left_out", "estimate", "std_error"])
    clusters = clusters_of(panel, panel.on.any(axis=1), cluster=cluster, tactic=analysis.study.tactic)
    if clusters.noun != "manager" or not analysis.verdict.known:
        return empty
    moved = np.abs(np.bincount(clusters.code, analysis.effects.influence))
    names = np.array(panel.managers)[np.unique(panel.steady_manager)]
    rows = []
    for code in np.argsort(-moved)[:MOST_LEFT_OUT]:
        try:
            estimate, error = refit(panel.select(clusters.code != code), analysis.study)
        except SampleError:
            continue  # without this manager nothing can be compared; the count of managers says so already
        rows.append({"left_out": str(names[code]), "estimate": estimate, "std_error": error})
    return pd.DataFrame(rows, columns=empty.columns).dropna()


def _asked_placebos(
    panel: TacticPanel, study: TacticStudy, refit: Refit, *, outcomes: Sequence[str], tactics: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Run the same estimator on outcomes that the tactic cannot have moved, and on tactics that cannot have moved the outcome."""
    for name in outcomes:
        if name not in panel.covariates:
            raise ParameterError(f"placebo outcome: the panel has no covariate {name!r}{nearest(name, panel.covariates)}")
        swapped = dataclasses.replace(panel, outcome=panel.covariates[name], outcome_name=name)
        rest = tuple(known for known in study.covariates if known.name != name)
        estimate, error = refit(swapped, study.model_copy(update={"covariates": rest}))
        yield {"placebo": name, "estimate": estimate, "std_error": error}
    for name in tactics:
        if name not in panel.others:
            raise ParameterError(f"placebo tactic: the panel has no other tactic {name!r}{nearest(name, panel.others)}")
        others = {other: values for other, values in panel.others.items() if other != name} | {panel.tactic: panel.treated}
        swapped = dataclasses.replace(panel, treated=panel.others[name], tactic=name, others=others)
        estimate, error = refit(swapped, study)
        yield {"placebo": name, "estimate": estimate, "std_error": error}
