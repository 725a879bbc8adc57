"""What is timed on effects of tactics, and by whom; `effects.py` drives it.

A side is one library's answer to a task. Sides run in environments of their own, so this file imports nothing but
numpy at the top.
"""

from __future__ import annotations

import functools

import numpy as np
from flows_tasks import Arrays, Side, Task

QUARTERS, PARTNERS_OF_A_MANAGER = 20, 20
#: First quarter of the tactic of a partner that never has it, as peers write it.
NEVER = 0
#: Event times whose effects and errors are compared.
SHOWN = (-3, 0, 4)
COVARIATES, FOLDS = 8, 5
#: Rows laid out at a time: they stay in the processor's cache.
BLOCK = 32_768


def draw_adoption(rows: int) -> Arrays:
    """Draw partners of which most adopt in quarters 5 to 16 and stay; managers' shocks; an effect that grows."""
    random = np.random.default_rng(rows)
    partners = rows // QUARTERS
    first = np.where(random.random(partners) < 0.3, NEVER, random.integers(5, 17, partners))
    manager = random.permutation(np.arange(partners) // PARTNERS_OF_A_MANAGER)
    health = random.standard_normal(partners)
    quarter = np.arange(1, QUARTERS + 1)
    since = np.where((first == NEVER)[:, None], -1, quarter - first[:, None])
    shocks = 0.2 * random.standard_normal((manager.max() + 1, QUARTERS)).cumsum(axis=1)
    outcome = random.standard_normal((partners, 1)) + 0.05 * quarter * health[:, None] + shocks[manager]
    outcome += 0.1 * np.clip(since + 1, 0, 5) + 0.5 * random.standard_normal((partners, QUARTERS))
    return {
        "partner": np.repeat(np.arange(partners, dtype=np.int32), QUARTERS),
        "quarter": np.tile(quarter.astype(np.int32), partners),
        "outcome": outcome.ravel(),
        "first": np.repeat(first.astype(np.int32), QUARTERS),
        "manager": np.repeat(manager.astype(np.int32), QUARTERS),
        "health": np.repeat(health, QUARTERS),
    }


def draw_gaps(rows: int) -> Arrays:
    """Draw the same with one row in ten missing."""
    x = draw_adoption(int(rows / 0.9) // QUARTERS * QUARTERS)
    seen = np.random.default_rng(rows + 1).random(len(x["outcome"])) < 0.9
    return {name: values[seen] for name, values in x.items()}


def draw_switching(rows: int) -> Arrays:
    """Draw a tactic that goes on and off at any time."""
    x = draw_adoption(rows)
    random = np.random.default_rng(rows + 2)
    on = (random.random(len(x["outcome"])) < 0.3).astype(float)
    return {**x, "on": on, "outcome": x["outcome"] + 0.2 * on}


def draw_likeness(rows: int) -> Arrays:
    """Draw rows with covariates on which treatment and outcome depend."""
    random = np.random.default_rng(rows)
    covariates = random.standard_normal((rows, COVARIATES))
    push = covariates @ np.linspace(0.4, -0.2, COVARIATES) - 0.5
    on = random.random(rows) < 1 / (1 + np.exp(-push))
    outcome = covariates @ np.linspace(1, 0, COVARIATES) + 0.3 * on + random.standard_normal(rows)
    return {"covariates": covariates, "on": on, "outcome": outcome, "fold": random.integers(0, FOLDS, rows)}


def _dense(x: Arrays, name: str = "outcome") -> np.ndarray:
    """Lay a column out as partners by quarters; NaN where there is no row."""
    partners = int(x["partner"][-1]) + 1
    laid = np.full(partners * QUARTERS, np.nan)
    for first in range(0, len(x[name]), BLOCK):
        rows = slice(first, first + BLOCK)
        laid[x["partner"][rows].astype(np.int64) * QUARTERS + (x["quarter"][rows] - 1)] = x[name][rows]
    return laid.reshape(partners, QUARTERS)


def _of_partner(x: Arrays, name: str) -> np.ndarray:
    """Give the value of each partner of a column that does not change."""
    values = np.zeros(int(x["partner"][-1]) + 1, dtype=x[name].dtype)
    for first in range(0, len(x[name]), BLOCK):
        values[x["partner"][first : first + BLOCK]] = x[name][first : first + BLOCK]
    return values


def _frame(x: Arrays):
    import pandas as pd

    return pd.DataFrame(x, copy=False)


def _named(effects, errors) -> dict[str, float]:
    names = [str(at) for at in SHOWN] if len(effects) == len(SHOWN) else ["on"]
    return dict(zip(names, effects, strict=True)) | {f"se {name}": error for name, error in zip(names, errors, strict=True)}


# ---- event study: an effect of each quarter since adoption, partner and quarter effects, errors clustered by manager


def _events_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.causes.two_way import two_way_events

    line = two_way_events(_dense(x), _of_partner(x, "first") - 1, clusters=_of_partner(x, "manager"))
    place = np.searchsorted(line.at, SHOWN)
    return _named(line.att[place], np.sqrt(np.diag(line.covariance))[place])


def _events_frame(x: Arrays) -> dict[str, float]:
    from partnerlab.effects import TacticPanel
    from partnerlab.stats.causes.two_way import two_way_events

    frame = _frame(x).assign(treated=(x["first"] != NEVER) & (x["quarter"] >= x["first"]))
    panel = TacticPanel.from_frame(frame, manager="manager")
    line = two_way_events(panel.outcome, panel.adopted, clusters=panel.steady_manager)
    place = np.searchsorted(line.at, SHOWN)
    return _named(line.att[place], np.sqrt(np.diag(line.covariance))[place])


def _since(x: Arrays) -> np.ndarray:
    return np.where(x["first"] == NEVER, -1, x["quarter"] - x["first"])


def _events_pyfixest(x: Arrays) -> dict[str, float]:
    import pyfixest

    frame = _frame({name: x[name] for name in ("partner", "quarter", "outcome", "manager")} | {"since": _since(x)})
    fit = pyfixest.feols(
        "outcome ~ i(since, ref=-1) | partner + quarter", frame, vcov={"CRV1": "manager"}, copy_data=False, store_data=False, lean=True
    )
    effects, errors = fit.coef(), fit.se()
    names = [next(name for name in effects.index if name.endswith((f"::{at}", f"[{at}]", f"[T.{at}]"))) for at in SHOWN]
    return _named(effects[names].to_numpy(), errors[names].to_numpy())


def _panel_linearmodels(x: Arrays, regressors: dict[str, np.ndarray], shown: list[str]) -> dict[str, float]:
    import pandas as pd
    from linearmodels.panel import PanelOLS

    index = pd.MultiIndex.from_arrays([x["partner"], x["quarter"]])
    design = pd.DataFrame(regressors, index=index)
    fit = PanelOLS(pd.Series(x["outcome"], index), design, entity_effects=True, time_effects=True).fit(
        cov_type="clustered", clusters=pd.Series(x["manager"], index), debiased=False, group_debias=True, auto_df=False, count_effects=False
    )
    # its factor is G / (G - 1) * (m - 1) / m; ours, like fixest's, counts regressors and quarters
    rows, columns = len(x["outcome"]), design.shape[1]
    factor = rows / (rows - columns - QUARTERS)
    return _named(fit.params[shown].to_numpy(), fit.std_errors[shown].to_numpy() * np.sqrt(factor))


def _events_linearmodels(x: Arrays) -> dict[str, float]:
    since = _since(x)
    columns = {str(at): (since == at).astype(float) for at in np.unique(since) if at != -1}
    return _panel_linearmodels(x, columns, [str(at) for at in SHOWN])


# ---- two-way fixed effects of a tactic that goes on and off, errors clustered by manager


def _two_way_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.causes.two_way import fit_two_way

    line = fit_two_way(_dense(x), _dense(x, "on")[:, :, None], clusters=_of_partner(x, "manager"))
    return _named(line.coefficients, np.sqrt(np.diag(line.covariance)))


def _two_way_pyfixest(x: Arrays) -> dict[str, float]:
    import pyfixest

    frame = _frame({name: x[name] for name in ("partner", "quarter", "outcome", "manager", "on")})
    fit = pyfixest.feols("outcome ~ on | partner + quarter", frame, vcov={"CRV1": "manager"}, copy_data=False, store_data=False, lean=True)
    return _named(fit.coef().to_numpy(), fit.se().to_numpy())


def _two_way_linearmodels(x: Arrays) -> dict[str, float]:
    return _panel_linearmodels(x, {"on": x["on"]}, ["on"])


# ---- Callaway and Sant'Anna: effects by group and quarter, regression on a covariate, by event time, clustered by manager


def _groups_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.causes.did import group_time_effects
    from partnerlab.stats.causes.did_aggregates import aggregate_effects, influence_covariance

    effects = group_time_effects(_dense(x), _of_partner(x, "first") - 1, covariates=_of_partner(x, "health")[:, None])
    event = aggregate_effects(effects, kind="event")
    place = np.searchsorted(event.at, SHOWN)
    covariance = influence_covariance(event.influence[:, place], clusters=_of_partner(x, "manager"))
    return _named(event.att[place], np.sqrt(np.diag(covariance)))


def _groups_diff_diff(x: Arrays) -> dict[str, float]:
    from diff_diff import CallawaySantAnna

    model = CallawaySantAnna(control_group="not_yet_treated", estimation_method="reg", cluster="manager", cband=False)
    told = {"outcome": "outcome", "unit": "partner", "time": "quarter", "first_treat": "first", "covariates": ["health"]}
    found = model.fit(_frame(x), aggregate="event_study", **told).event_study_effects
    clusters = int(x["manager"].max()) + 1
    # its clustered errors carry the factor G / (G - 1), R's did and ours do not
    factor = np.sqrt((clusters - 1) / clusters)
    return _named([found[at]["effect"] for at in SHOWN], [found[at]["se"] * factor for at in SHOWN])


def _groups_csdid(x: Arrays) -> dict[str, float]:
    from csdid.att_gt import ATTgt

    model = ATTgt(
        yname="outcome", tname="quarter", idname="partner", gname="first", data=_frame(x), control_group=["notyettreated"],
        xformla="outcome~health", clustervar="manager",
    )  # fmt: skip
    found = model.fit(est_method="reg", bstrap=False).aggte(typec="dynamic", bstrap=False, cband=False).atte
    place = [list(found["egt"]).index(at) for at in SHOWN]
    return _named(np.asarray(found["att_egt"])[place], np.asarray(found["se_egt"]).ravel()[place])


# ---- AIPW of the effect on the treated, cross-fitted


def _alike_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.causes.aipw import weighted_effect

    design = np.column_stack([np.ones(len(x["on"])), x["covariates"]])
    found = weighted_effect(x["outcome"], x["on"], design, outcome_design=design, folds=x["fold"])
    return _named([found.estimate], [np.sqrt((found.influence**2).sum()) / len(x["on"])])


def _alike_doubleml(x: Arrays) -> dict[str, float]:
    from doubleml import DoubleMLData, DoubleMLIRM
    from sklearn.linear_model import LinearRegression, LogisticRegression

    data = DoubleMLData.from_arrays(x["covariates"], x["outcome"], x["on"].astype(float))
    logit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
    model = DoubleMLIRM(data, LinearRegression(), logit, n_folds=FOLDS, score="ATTE", draw_sample_splitting=False)
    rows = np.arange(len(x["on"]))
    model.set_sample_splitting([[(rows[x["fold"] != fold], rows[x["fold"] == fold]) for fold in range(FOLDS)]])
    model.fit()
    return _named(model.coef, model.se)


# ---- one tactic through the public road: panel from a frame, triage, two readings, those not to be believed, the verdict


def _draw_world(name: str, rows: int) -> Arrays:
    """Draw one of the worlds with known effects, 20 quarters, ten partners to a manager."""
    import pandas as pd

    from partnerlab.intake.simulate import simulate_world

    partners = rows // QUARTERS
    frame = simulate_world(name, seed=1, partners=partners, managers=partners // 10, quarters=QUARTERS).to_frame()
    plain = {column: pd.factorize(values)[0] if values.dtype.kind not in "bif" else values.to_numpy() for column, values in frame.items()}
    return {column: np.ascontiguousarray(values) for column, values in plain.items()}


def _verdict(x: Arrays) -> dict[str, float]:
    from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic
    from partnerlab.verdicts import Stakes

    panel = TacticPanel.from_frame(_frame(x), manager="manager", tier="tier", covariates=["health"])
    study = TacticStudy(tactic="Dinner", stakes=Stakes(unit="leads"), covariates=(Known(name="health", at="start", lag=0),))
    verdict = analyze_tactic(panel, study=study).verdict
    return _named([verdict.estimate], [verdict.std_error])


OURS = "partnerlab, arrays"
_PUBLIC = (Side(name="partnerlab, from a frame to the verdict", environment="ours", run=_verdict, ours=True),)
_EVENTS = (
    Side(name=OURS, environment="ours", run=_events_arrays, ours=True),
    Side(name="partnerlab, from a frame, ids checked", environment="ours", run=_events_frame, ours=True),
    Side(name="pyfixest", environment="pyfixest", run=_events_pyfixest),
    Side(name="linearmodels", environment="linearmodels", run=_events_linearmodels, limit=1_000_000),
)

TASKS = (
    Task(name="Event study, balanced", draw=draw_adoption, bar=20, sides=_EVENTS),
    Task(name="Event study with gaps", draw=draw_gaps, bar=3, sides=(_EVENTS[0], *_EVENTS[2:])),
    Task(
        name="Two-way fixed effects of a tactic that goes on and off", draw=draw_switching, bar=3,
        sides=(
            Side(name=OURS, environment="ours", run=_two_way_arrays, ours=True),
            Side(name="pyfixest", environment="pyfixest", run=_two_way_pyfixest),
            Side(name="linearmodels", environment="linearmodels", run=_two_way_linearmodels, limit=1_000_000),
        ),
    ),
    Task(
        name="Callaway and Sant'Anna by event time", draw=draw_adoption, bar=3,
        sides=(
            Side(name=OURS, environment="ours", run=_groups_arrays, ours=True),
            Side(name="diff-diff", environment="diff-diff", run=_groups_diff_diff),
            Side(name="csdid", environment="csdid", run=_groups_csdid, limit=1_000_000),
        ),
    ),
    Task(
        name="AIPW on the treated, five folds", draw=draw_likeness, bar=3,
        sides=(
            Side(name=OURS, environment="ours", run=_alike_arrays, ours=True),
            Side(name="DoubleML", environment="doubleml", run=_alike_doubleml),
        ),
    ),
    Task(name="One tactic that stays, public road", draw=functools.partial(_draw_world, "A"), bar=1, sides=_PUBLIC),
    Task(name="One tactic that goes on and off, public road", draw=functools.partial(_draw_world, "B"), bar=1, sides=_PUBLIC),
)  # fmt: skip
