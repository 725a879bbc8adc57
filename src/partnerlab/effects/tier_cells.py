"""A tactic's effect in each tier before it, unpooled: what a page of tactics by tiers is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from partnerlab.effects.adopters import AdoptionSample, adoption_sample
from partnerlab.effects.adoption import AdoptionEffects
from partnerlab.effects.on_off import OnOffEffects, estimate_on_off
from partnerlab.effects.sample import Cluster, Clusters, clusters_of, eligible_groups
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import NEVER, TacticPanel
from partnerlab.errors import SampleError
from partnerlab.stats.causes.did import group_time_effects
from partnerlab.stats.causes.did_aggregates import aggregate_effects, influence_covariance

#: Columns of the cells.
CELLS = ("tier", "estimate", "std_error", "df", "n", "partners", "managers", "covered", "scale")
#: What the one cell of a panel without tiers is called.
ALL = "all"


def tier_cells(
    panel: TacticPanel, study: TacticStudy, effects: AdoptionEffects | OnOffEffects, *, cluster: Cluster | None = None
) -> pd.DataFrame:
    """Effects by tier before treatment, each from its own partners alone.

    Parameters
    ----------
    panel : TacticPanel
    study : TacticStudy
    effects : AdoptionEffects or OnOffEffects
        The reading of all tiers together; the cells are read by the same estimator.
    cluster : {"manager", "partner"}, optional
        Managers if the panel knows them.

    Returns
    -------
    DataFrame
        ``tier, estimate, std_error, df, n, partners, managers, covered, scale``: degrees of freedom are treated clusters less one,
        ``covered`` is the share of eligible partner-quarters that had the tactic, ``scale`` the standard deviation of their outcomes.
        NaN with fewer treated partners than the study asks for.
    """
    names = study.tiers or panel.tiers
    if not names:
        return _table([_whole(panel, study, effects)])
    rows = []
    for name in names:
        own = study.model_copy(update={"tiers": (name,)})
        read = _adoption_row if isinstance(effects, AdoptionEffects) else _on_off_row
        try:
            row = read(panel, own, effects, cluster)
        except SampleError:
            row = {}  # nobody to compare in this tier: the cell stays, and stays unknown
        rows.append({"tier": name, **_counts(panel, own, cluster), **row})
    return _table(rows)


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows).reindex(columns=list(CELLS))


def _whole(panel: TacticPanel, study: TacticStudy, effects: AdoptionEffects | OnOffEffects) -> dict[str, object]:
    row = effects.headline() if isinstance(effects, OnOffEffects) else effects.at("overall")
    known = {"estimate": row["estimate"], "std_error": row["std_error"], "df": effects.df, "n": int(row["n"])}
    return {"tier": ALL, **_counts(panel, study, None), **known, "partners": effects.partners}


def _counts(panel: TacticPanel, study: TacticStudy, cluster: Cluster | None) -> dict[str, object]:
    """Treated rows and partners, managers who gave it, the share of eligible partner-quarters covered, the spread of outcomes."""
    here = eligible_groups(panel, study) & np.isfinite(panel.outcome) & np.isfinite(panel.treated)
    on = here & panel.on
    owners = panel.manager[on & (panel.manager >= 0)] if cluster != "partner" and panel.managers else None
    return {
        "estimate": np.nan, "std_error": np.nan, "df": np.nan, "n": int(on.sum()), "partners": int(on.any(axis=1).sum()),
        "managers": None if owners is None else len(np.unique(owners)), "covered": float(on.sum() / here.sum()) if here.any() else np.nan,
        "scale": float(panel.outcome[here].std()) if here.any() else np.nan,
    }  # fmt: skip


def _on_off_row(panel: TacticPanel, study: TacticStudy, effects: OnOffEffects, cluster: Cluster | None) -> dict[str, object]:
    name = study.tiers[0]
    rows = effects.table[effects.table["group"] == name]
    # a study that chose its tiers was not read tier by tier
    again = {"cluster": cluster, "either_way": effects.either_way, "by_tier": False}
    row = estimate_on_off(panel, study=study, **again).headline() if rows.empty else rows.iloc[-1]
    treated = (eligible_groups(panel, study) & panel.on).any(axis=1)
    users = _users(clusters_of(panel, treated, cluster=cluster, tactic=study.tactic), treated)
    return {
        "estimate": row["estimate"],
        "std_error": row["std_error"],
        "df": users - 1.0,
        "n": int(row["n"]),
        "partners": int(row["partners"]),
    }


def _adoption_row(panel: TacticPanel, study: TacticStudy, effects: AdoptionEffects, cluster: Cluster | None) -> dict[str, object]:
    sample = adoption_sample(panel, study, control=study.comparison, cluster=cluster)
    treated = sample.adopted != NEVER
    if treated.sum() < study.minimum:
        return {}
    estimate, error, n = overall_adoption(sample, study)
    return {"estimate": estimate, "std_error": error, "df": _users(sample.clusters, treated) - 1.0, "n": n, "partners": int(treated.sum())}


def _users(clusters: Clusters, treated: np.ndarray) -> int:
    return len(np.unique(clusters.code[treated]))


def overall_adoption(sample: AdoptionSample, study: TacticStudy) -> tuple[float, float, int]:
    """Effect per treated partner-quarter, its standard error and those rows, without bands: quick enough to be refitted often."""
    cells = group_time_effects(sample.outcome, sample.adopted, covariates=sample.covariates, control=study.comparison)
    found = aggregate_effects(cells, kind="simple")
    variance = influence_covariance(found.overall_influence[:, None], clusters=sample.clusters.code)[0, 0]
    error = (sample.clusters.factor * variance) ** 0.5
    return float(found.overall), float(error), int(found.treated.sum())
