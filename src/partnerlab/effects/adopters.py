"""Who adopted a tactic and who can be compared with them: the partners and arrays that every estimator of adoption reads."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from partnerlab.effects.other_tactics import OtherTactics, learn_others
from partnerlab.effects.sample import (
    Cluster,
    Clusters,
    clusters_of,
    eligible_groups,
    first_starts,
    known_before,
    moved_check,
    require_contrast,
)
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import NEVER, TacticPanel
from partnerlab.effects.trials import design_of
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.regressions.designs import independent_columns
from partnerlab.words import plural, say_list

Control = Literal["never", "not_yet"]
#: Covariates that a message names; more are counted.
NAMED = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdoptionSample:
    """Partners and arrays that adoption is estimated from; other tactics are taken out of the outcome."""

    keep: np.ndarray
    outcome: np.ndarray
    adopted: np.ndarray
    covariates: np.ndarray | None
    clusters: Clusters
    checks: tuple[Check, ...]
    others: OtherTactics | None = None
    weight: np.ndarray | None = None


def adoption_sample(
    panel: TacticPanel, study: TacticStudy, *, control: Control, cluster: Cluster | None, weighted: bool = False
) -> AdoptionSample:
    """Choose partners: eligible when first seen, their start seen. Covariates not known leave single comparisons.

    Raises
    ------
    ParameterError
        If ``control`` or ``cluster`` is unknown, or partners have weights and the caller is not ``weighted``.
    SampleError
        If nobody adopted, nobody is left to compare with, or too few managers used the tactic.
    """
    if control not in ("never", "not_yet"):
        raise ParameterError(f"control is {control!r}; it is 'never' or 'not_yet'")
    require_contrast(panel, tactic=study.tactic, weighted=weighted)
    adopted, seen_start = first_starts(panel)
    observed = np.isfinite(panel.outcome)
    first = np.where(observed.any(axis=1), observed.argmax(axis=1), 0)
    eligible = eligible_groups(panel, study)[np.arange(len(first)), first] & observed.any(axis=1)
    covariates, repeats = _telling(known_before(panel, study))
    keep = eligible & seen_start
    if not keep.any() or not (adopted[keep] != NEVER).any():
        raise SampleError(f"{study.tactic}: no eligible partner was seen to start; there is no effect to estimate")
    latest = adopted[keep].max()
    alone = not (adopted[keep] == NEVER).any()
    if alone and (control == "never" or (adopted[keep] == latest).all()):
        raise SampleError(
            f"{study.tactic}: every partner had it{' at once' if (adopted[keep] == latest).all() else ''}; nobody is left to compare with"
        )
    kept = panel.select(keep)
    compared = compared_partners(adopted[keep], control)
    clusters = clusters_of(kept, adopted[keep] != NEVER, cluster=cluster, tactic=study.tactic, compared=compared)
    left = int((eligible & ~seen_start).sum())
    lost = int((~np.isfinite(covariates).all(axis=2) & observed)[keep].sum())
    checks = [
        Check(
            "starts seen",
            left == 0,
            f"{plural(left, 'partner')} left out: treated when first seen, or after a gap (a row without outcome says when)",
        ),
        Check(
            "covariates known", lost == 0, f"{plural(lost, 'partner-quarter')} with covariates not known: no comparison starts from them"
        ),
        *([Check("covariates tell", None, _say_repeats(study, repeats))] if repeats.any() else []),
        Check("stays on", panel.stays_on, _stay(panel, study)),
        *moved_check(kept, clusters),
    ]
    known = covariates[keep] if covariates.shape[2] else None
    _require_overlap(known, adopted[keep], study)
    if panel.weight is not None and panel.others:
        raise ParameterError(f"{study.tactic}: other tactics are learned from partners that all count alike; leave them or the weights out")
    others = learn_others(panel, keep, adopted[keep], known, tactic=study.tactic)
    outcome = panel.outcome[keep]
    return AdoptionSample(
        keep=keep, outcome=outcome if others is None else others.take_out(outcome), adopted=adopted[keep], clusters=clusters,
        checks=(*checks, *(() if others is None else (others.check,))), covariates=known, others=others,
        weight=None if panel.weight is None else panel.weight[keep],
    )  # fmt: skip


def _telling(covariates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out covariates that are the same for all partners of a quarter, or repeat others: which, as a mask."""
    width = covariates.shape[2]
    products, largest = np.zeros((width, width)), np.zeros(width)
    for quarter in range(covariates.shape[1]):
        rows = covariates[:, quarter]
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows):
            largest = np.maximum(largest, np.abs(rows).max(axis=0))
            rows = rows - rows.mean(axis=0)
            products += rows.T @ rows
    repeats = ~independent_columns(products, np.diag(products) > 1e-24 * np.maximum(largest, 1e-150) ** 2)
    if repeats.all():  # nothing was known of anybody, or nothing tells partners apart
        return covariates[:, :, :0], repeats
    return (covariates[:, :, ~repeats] if repeats.any() else covariates), repeats


def _say_repeats(study: TacticStudy, repeats: np.ndarray) -> str:
    names = [known.said for known, again in zip(study.covariates, repeats, strict=True) if again]
    return f"{say_list(names)} left out: the same for all partners of a quarter, or told by the other covariates"


def compared_partners(adopted: np.ndarray, control: Control) -> np.ndarray:
    """Partners that some adopters are compared with: those that never adopt, or also those that do so later than the first."""
    never = adopted == NEVER
    return never if control == "never" else never | (adopted > adopted[~never].min())


def _require_overlap(covariates: np.ndarray | None, adopted: np.ndarray, study: TacticStudy) -> None:
    """Refuse covariates that tell adopters, just before they start, from those that do not adopt around then, for sure."""
    if covariates is None:
        return
    starters = adopted != NEVER
    middle = int(np.median(adopted[starters]))
    at = np.where(starters, np.maximum(adopted - 1, 0), max(middle - 1, 0))
    rows = covariates[np.arange(len(adopted)), at]
    used = np.isfinite(rows).all(axis=1)
    on = starters[used]
    if on.any() and not on.all() and fit_propensity(on, design_of(rows[used])[0], np.ones(len(on))) is None:
        names = [known.said for known in study.covariates]
        names = say_list(names) if len(names) <= NAMED else f"what {len(names)} covariates say"
        raise SampleError(f"{study.tactic}: no overlap: {names} tells for sure who adopted; nobody without it is like those with it")


def _stay(panel: TacticPanel, study: TacticStudy) -> str:
    if panel.stays_on:
        return f"no partner was seen without {study.tactic} once it had it"
    stopped = (np.maximum.accumulate(panel.on, axis=1)[:, :-1] & (panel.treated[:, 1:] == 0)).any(axis=1)
    return (
        f"{plural(int(stopped.sum()), 'partner')} stopped again: this is the effect of the first start, whatever followed; "
        "for a tactic that goes on and off use estimate_on_off"
    )
