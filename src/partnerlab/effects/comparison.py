"""Other estimators of the same effect beside the one that is believed: what they say, and what two-way fixed effects average."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.adopters import Control, adoption_sample
from partnerlab.effects.adoption import estimate_adoption
from partnerlab.effects.sample import Cluster, clusters_of, eligible_groups, study_of
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import NEVER, TacticPanel
from partnerlab.errors import SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.did import Score
from partnerlab.stats.causes.imputation import impute_effects
from partnerlab.stats.causes.two_way import EventLine, bacon_weights, event_times, fit_two_way, interaction_weighted, two_way_events
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.inference.sandwich import sum_clusters
from partnerlab.words import say_share


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdoptionComparison(Result):
    """Estimators of the effect of adoption side by side; keys ``estimator, aggregate, at``.

    Parameters
    ----------
    bacon : DataFrame
        What the static two-way estimate averages: ``treated, compared, estimate, weight, forbidden``; empty where the panel is
        not balanced, for which the decomposition does not hold.
    """

    title: ClassVar[str] = "Estimators of adoption"

    bacon: pd.DataFrame = dataclasses.field(repr=False)


def compare_adoption(
    panel: TacticPanel,
    *,
    study: TacticStudy | None = None,
    control: Control | None = None,
    score: Score = "reg",
    cluster: Cluster | None = None,
    adjusted: bool = False,
    level: float = 0.95,
) -> AdoptionComparison:
    """Lay the estimators of staggered adoption side by side.

    "group-time" (Callaway and Sant'Anna 2021, with the study's covariates); "interaction" (Sun and Abraham 2021) and "imputation"
    (Borusyak, Jaravel and Spiess 2024), which take the same trend for all; "two-way", fixed effects that also compare with
    partners already treated and so may err in sign; "naive", treated less untreated partner-quarters.

    Parameters
    ----------
    panel, study, control, score, cluster, level
        As in `estimate_adoption`; "group-time" adjusts for the study's covariates as they stood before each change.
    adjusted : bool
        Whether "interaction", "imputation" and "two-way" take them too, as straight lines, as they stand in each quarter: what
        does not change within a partner is absorbed by its effect, and quarters in which one is not known are left out.

    Returns
    -------
    AdoptionComparison
        Overall effects are means over treated partner-quarters.

    Raises
    ------
    SampleError
        As in `estimate_adoption`.

    Examples
    --------
    >>> from partnerlab.intake.simulate import simulate_world
    >>> panel = TacticPanel.from_frame(simulate_world("A", seed=1, partners=120).to_frame(), manager="manager")
    >>> found = compare_adoption(panel)
    >>> found.table["estimator"].unique().tolist()
    ['group-time', 'interaction', 'imputation', 'two-way', 'naive']
    >>> bool(abs(found.bacon["weight"].sum() - 1) < 1e-9)
    True
    """
    study = study_of(panel, study)
    control = control or study.comparison
    believed = estimate_adoption(panel, study=study, control=control, score=score, cluster=cluster, level=level)
    sample = adoption_sample(panel, study, control=control, cluster=cluster)
    outcome, adopted, clusters = sample.outcome, sample.adopted, sample.clusters
    first = believed.table[
        (believed.table["aggregate"] == "event")
        | ((believed.table["aggregate"] == "overall") & (believed.table["at"] == "partner-quarters"))
    ]
    since = event_times(adopted, outcome.shape[1])
    on = ((since >= 0) & (adopted != NEVER)[:, None]).astype(float)
    lines = sample.covariates if adjusted else None
    everything = outcome
    if lines is not None:
        outcome = np.where(np.isfinite(lines).all(axis=2), outcome, np.nan)
    counts = {int(event): int(((since == event) & np.isfinite(outcome)).sum()) for event in np.unique(since[adopted != NEVER])}
    regressors = on[:, :, None] if lines is None else np.concatenate([on[:, :, None], lines], axis=2)
    static = fit_two_way(outcome, regressors, clusters=clusters.code)
    table = [
        first.drop(columns=["band_low", "band_high"]).assign(at=first["at"].where(first["aggregate"] == "event", "partner-quarters")),
        _of_line(interaction_weighted(outcome, adopted, clusters=clusters.code, covariates=lines), counts),
        _imputed(outcome, adopted, since, clusters.code, lines),
        _of_line(
            two_way_events(outcome, adopted, clusters=clusters.code, covariates=lines),
            counts,
            overall=(static.coefficients[0], static.covariance[0, 0] ** 0.5),
        ),
        _naive_rows(everything, on, clusters.code),
    ]
    names = ("group-time", "interaction", "imputation", "two-way", "naive")
    whole = pd.concat([rows.assign(estimator=name) for name, rows in zip(names, table, strict=True)], ignore_index=True)
    width = float(critical_value(level, clusters.df))
    whole = whole.assign(conf_low=whole["estimate"] - width * whole["std_error"], conf_high=whole["estimate"] + width * whole["std_error"])
    bacon = _bacon(everything, adopted, panel)
    return AdoptionComparison(
        estimand=believed.estimand,
        table=whole[["estimator", "aggregate", "at", "estimate", "std_error", "conf_low", "conf_high", "n"]],
        checks=(*believed.checks, _forbidden(bacon)),
        evidence=Evidence.D,
        level=level,
        bacon=bacon,
    )


def _of_line(line: EventLine, counts: dict[int, int], *, overall: tuple[float, float] | None = None) -> pd.DataFrame:
    error = np.sqrt(np.maximum(np.diag(line.covariance), 0.0))  # saturated cells round below zero
    whole, whole_error = overall or (line.overall, line.overall_error)
    known = [counts.get(int(event), 0) for event in line.at]
    return pd.DataFrame(
        {
            "aggregate": ["overall"] + ["event"] * len(line.at), "at": ["partner-quarters", *map(str, line.at)],
            "estimate": [whole, *line.att], "std_error": [whole_error, *error],
            "n": [sum(n for event, n in counts.items() if event >= 0), *known],
        }
    )  # fmt: skip


def _imputed(outcome: np.ndarray, adopted: np.ndarray, since: np.ndarray, clusters: np.ndarray, lines: np.ndarray | None) -> pd.DataFrame:
    at = np.unique(since[(since >= 0) & (adopted != NEVER)[:, None]])
    targets = np.concatenate([((since >= 0) & (adopted != NEVER)[:, None])[:, :, None], since[:, :, None] == at], axis=2)
    found = impute_effects(outcome, adopted, targets=targets, covariates=lines)
    sums = sum_clusters(found.influence, clusters)
    return pd.DataFrame(
        {
            "aggregate": ["overall"] + ["event"] * len(at), "at": ["partner-quarters", *map(str, at)],
            "estimate": found.att, "std_error": np.sqrt((sums**2).sum(axis=0)), "n": found.cells,
        }
    )  # fmt: skip


def _naive_rows(outcome: np.ndarray, on: np.ndarray, clusters: np.ndarray) -> pd.DataFrame:
    """Difference of means over partner-quarters, with the CR1 error of its regression, from sums of partners."""
    seen = np.isfinite(outcome)
    if not seen.any() or np.ptp(on[seen]) == 0:
        raise SampleError("every observed partner-quarter is treated, or none; nothing can be compared")
    away = np.where(seen, outcome - outcome[seen].mean(), 0.0)
    scores, means, rows, treated = np.zeros(len(outcome)), [], int(seen.sum()), int(on[seen].sum())
    for sign, side, count in ((1.0, on, treated), (-1.0, 1.0 - on, rows - treated)):
        total, cells = np.einsum("nt,nt->n", away, side), np.einsum("nt,nt->n", seen, side)
        means.append(total.sum() / count)
        scores += sign * (total - means[-1] * cells) / count
    owner = np.unique(clusters[seen.any(axis=1)], return_inverse=True)[1]
    sums, g = np.bincount(owner, scores[seen.any(axis=1)]), int(owner.max()) + 1
    error = np.sqrt((sums**2).sum() * g / (g - 1) * (rows - 1) / (rows - 2)) if g > 1 else np.nan
    return pd.DataFrame({"aggregate": ["overall"], "at": ["partner-quarters"], "estimate": means[0] - means[1], "std_error": error,
                         "n": treated})  # fmt: skip


def _bacon(outcome: np.ndarray, adopted: np.ndarray, panel: TacticPanel) -> pd.DataFrame:
    columns = ["treated", "compared", "estimate", "weight", "forbidden"]
    if not np.isfinite(outcome).all():
        return pd.DataFrame(columns=columns)
    found, labels = bacon_weights(outcome, adopted), np.array([*panel.labels, "never"], dtype=object)
    return pd.DataFrame(
        dict(zip(columns, (labels[found.treated], labels[found.compared], found.estimate, found.weight, found.forbidden), strict=True))
    )


def _forbidden(bacon: pd.DataFrame) -> Check:
    if bacon.empty:
        return Check("two-way weights", None, "the panel is not balanced; what two-way fixed effects average is not known")
    share = float(bacon.loc[bacon["forbidden"], "weight"].sum())
    return Check("two-way weights", share == 0, f"{say_share(share)} of the two-way estimate compares with partners already treated")


def naive_rows(panel: TacticPanel, *, study: TacticStudy, cluster: Cluster | None = None, level: float = 0.95) -> pd.DataFrame:
    """Give the two estimates that should not be believed, for any tactic: naive and two-way fixed effects.

    Returns
    -------
    DataFrame
        ``estimator, estimate, std_error, conf_low, conf_high, n`` over eligible partner-quarters.
    """
    seen = np.isfinite(panel.outcome) & np.isfinite(panel.treated) & eligible_groups(panel, study)
    clusters = clusters_of(panel, panel.on.any(axis=1), cluster=cluster, tactic=study.tactic)
    outcome, on = np.where(seen, panel.outcome, np.nan), panel.on.astype(float)
    naive = _naive_rows(outcome, on, clusters.code).iloc[0]
    line = fit_two_way(outcome, on[:, :, None], clusters=clusters.code)
    estimate = np.array([naive["estimate"], line.coefficients[0]], dtype=float)
    error = np.array([naive["std_error"], line.covariance[0, 0] ** 0.5], dtype=float)
    width = float(critical_value(level, clusters.df))
    return pd.DataFrame(
        {
            "estimator": ["naive", "two-way"], "estimate": estimate, "std_error": error,
            "conf_low": estimate - width * error, "conf_high": estimate + width * error, "n": int(naive["n"]),
        }
    )  # fmt: skip
