"""What is timed on regressions, and by whom: Cox, complementary log-log, multinomial; grouped and continuous covariates.

Coefficients and, where a side gives them, the model's standard errors are compared before a time is printed. Ours
without a partner's clustering, as the peers': what clustering adds is a side of its own.
"""

from __future__ import annotations

import numpy as np
from flows_tasks import Arrays, Side, Task

#: Levels of the eight grouped covariates.
LEVELS = (2, 2, 2, 2, 2, 3, 4, 2)
GROUPED = tuple(f"x{k}" for k in range(len(LEVELS)))
CONTINUOUS = ("z0", "z1", "z2", "z3")
SLOPES = (0.3, -0.2, 0.1, 0.0)


def _grouped(random: np.random.Generator, rows: int) -> Arrays:
    return {name: random.integers(0, levels, rows) for name, levels in zip(GROUPED, LEVELS, strict=True)}


def _continuous(random: np.random.Generator, rows: int) -> Arrays:
    return {name: random.standard_normal(rows) for name in CONTINUOUS}


def _followed(random: np.random.Generator, eta: np.ndarray) -> Arrays:
    life = np.ceil(random.exponential(20.0 * np.exp(-eta))).astype(np.int64)
    end = random.integers(1, 41, len(eta))
    return {"duration": np.minimum(life, end), "event": (life <= end).astype(np.int64)}


def draw_grouped_spells(rows: int) -> Arrays:
    """Draw spells in whole quarters with eight grouped covariates."""
    random = np.random.default_rng(rows)
    x = _grouped(random, rows)
    return x | _followed(random, 0.1 * sum(x.values()))


def draw_continuous_spells(rows: int) -> Arrays:
    """Draw spells in whole quarters with four continuous covariates."""
    random = np.random.default_rng(rows)
    x = _continuous(random, rows)
    return x | _followed(random, sum(slope * values for slope, values in zip(SLOPES, x.values(), strict=True)))


def _ended(random: np.random.Generator, x: Arrays, eta: np.ndarray) -> Arrays:
    rows = len(eta)
    chance = -np.expm1(-np.exp(-2.5 + eta))
    return x | {"y": (random.random(rows) < chance).astype(np.int64), "partner": np.arange(rows) // 10}


def draw_grouped_periods(rows: int) -> Arrays:
    """Draw partner-quarters with eight grouped covariates, ten quarters a partner."""
    random = np.random.default_rng(rows)
    x = _grouped(random, rows)
    return _ended(random, x, 0.1 * sum(x.values()))


def draw_continuous_periods(rows: int) -> Arrays:
    """Draw partner-quarters with four continuous covariates."""
    random = np.random.default_rng(rows)
    x = _continuous(random, rows)
    return _ended(random, x, sum(slope * values for slope, values in zip(SLOPES, x.values(), strict=True)))


def _moved(random: np.random.Generator, x: Arrays, eta: np.ndarray) -> Arrays:
    rows = len(eta)
    score = np.stack([np.zeros(rows), -2.0 + eta, -2.0 - 0.5 * eta, np.full(rows, -3.0)]) + random.gumbel(size=(4, rows))
    return x | {"y": score.argmax(axis=0), "partner": np.arange(rows) // 10}


def draw_grouped_moves(rows: int) -> Arrays:
    """Draw moves out of a tier (stay, down, up, lapsed) with eight grouped covariates."""
    random = np.random.default_rng(rows)
    x = _grouped(random, rows)
    return _moved(random, x, 0.1 * sum(x.values()))


def draw_continuous_moves(rows: int) -> Arrays:
    """Draw moves out of a tier with four continuous covariates."""
    random = np.random.default_rng(rows)
    x = _continuous(random, rows)
    return _moved(random, x, sum(slope * values for slope, values in zip(SLOPES, x.values(), strict=True)))


def _names(x: Arrays) -> tuple[str, ...]:
    return GROUPED if "x0" in x else CONTINUOUS


def _answer(names: tuple[str, ...], beta: np.ndarray, error: np.ndarray | None = None) -> dict[str, float]:
    said = {f"b {name}": float(value) for name, value in zip(names, beta, strict=True)}
    return said if error is None else said | {f"se {name}": float(value) for name, value in zip(names, error, strict=True)}


# ---- Cox


def _cox_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.hazards.cox_fit import CoxData, fit_cox_data
    from partnerlab.stats.regressions.designs import Column

    columns = tuple(Column(name=name, values=x[name]) for name in _names(x))
    found = fit_cox_data(CoxData(columns=columns, exits=x["duration"], event=x["event"] > 0))
    return _answer(_names(x), found.best.beta / found.scale, np.sqrt(np.diag(found.best.covariance)) / found.scale)


def _spells(x: Arrays) -> object:
    import pandas as pd

    from partnerlab.spells import Spells

    return Spells.from_frame(pd.DataFrame({"partner": np.arange(len(x["duration"])), **x}))


def _cox_frame(x: Arrays) -> dict[str, float]:
    from partnerlab.survival import estimate_cox

    table = estimate_cox(_spells(x), covariates=_names(x), covariance="model").table
    return _answer(_names(x), table["estimate"].to_numpy(), table["std_error"].to_numpy())


def _cox_lifelines(x: Arrays) -> dict[str, float]:
    import pandas as pd
    from lifelines import CoxPHFitter

    frame = pd.DataFrame({name: x[name] for name in (*_names(x), "duration", "event")})
    found = CoxPHFitter().fit(frame, "duration", "event")
    return _answer(_names(x), found.params_.to_numpy(), found.standard_errors_.to_numpy())


def _cox_sksurv(x: Arrays) -> dict[str, float]:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    design = np.stack([x[name] for name in _names(x)], axis=1).astype(float)
    found = CoxPHSurvivalAnalysis(ties="efron").fit(design, Surv.from_arrays(x["event"] > 0, x["duration"]))
    return _answer(_names(x), found.coef_)


_COX_R = """
library(survival)
names <- grep("^[xz][0-9]$", names(x), value = TRUE)
fit <- coxph(as.formula(paste("Surv(duration, event) ~", paste(names, collapse = "+"))), data = x)
answer <- c(setNames(coef(fit), paste("b", names)), setNames(sqrt(diag(vcov(fit))), paste("se", names)))
"""

# ---- complementary log-log


def _outcome_model(x: Arrays, family: object, *, clustered: bool = False) -> tuple[object, object]:
    from partnerlab.stats.regressions.designs import Column
    from partnerlab.stats.regressions.regression import OutcomeRows, make_model

    columns = tuple(Column(name=name, values=x[name]) for name in _names(x))
    model = make_model(OutcomeRows(columns=columns, outcome=x["y"], cluster=x["partner"] if clustered else None), family)
    return model, model.fit()[0]


def _cloglog_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.regressions.glm import Binomial

    model, best = _outcome_model(x, Binomial(link="cloglog"))
    beta, spread = model.back @ best.beta, model.back @ best.covariance @ model.back.T
    return _answer(_names(x), beta[1:], np.sqrt(np.diag(spread))[1:])


def _cloglog_clustered(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.regressions.glm import Binomial

    model, best = _outcome_model(x, Binomial(link="cloglog"), clustered=True)
    model.covariance(best, kind="cluster")
    return _answer(_names(x), (model.back @ best.beta)[1:])


def _design(x: Arrays) -> np.ndarray:
    return np.stack([np.ones(len(x["y"])), *(x[name] for name in _names(x))], axis=1).astype(float)


def _cloglog_statsmodels(x: Arrays) -> dict[str, float]:
    import statsmodels.api as sm

    found = sm.GLM(x["y"], _design(x), family=sm.families.Binomial(sm.families.links.CLogLog())).fit()
    # its information is the observed one; ours and R's the expected: errors are not compared
    return _answer(_names(x), found.params[1:])


_CLOGLOG_R = """
names <- grep("^[xz][0-9]$", names(x), value = TRUE)
fit <- glm(as.formula(paste("y ~", paste(names, collapse = "+"))), binomial("cloglog"), data = x)
answer <- c(setNames(coef(fit)[-1], paste("b", names)), setNames(sqrt(diag(vcov(fit)))[-1], paste("se", names)))
"""

# ---- multinomial logit


def _labels(x: Arrays) -> tuple[str, ...]:
    return tuple(f"{outcome} {name}" for outcome in (1, 2, 3) for name in _names(x))


def _multinomial_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.regressions.multinomial import Multinomial

    model, best = _outcome_model(x, Multinomial(outcomes=4))
    beta, error = model.back @ best.beta, np.sqrt(np.diag(model.back @ best.covariance @ model.back.T))
    return _answer(_labels(x), *(values.reshape(3, -1)[:, 1:].ravel() for values in (beta, error)))


def _multinomial_clustered(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.regressions.multinomial import Multinomial

    model, best = _outcome_model(x, Multinomial(outcomes=4), clustered=True)
    model.covariance(best, kind="cluster")
    return _answer(_labels(x), (model.back @ best.beta).reshape(3, -1)[:, 1:].ravel())


def _multinomial_sklearn(x: Arrays) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=np.inf, solver="newton-cg", tol=1e-8).fit(_design(x)[:, 1:], x["y"])
    return _answer(_labels(x), (found.coef_[1:] - found.coef_[0]).ravel())


def _multinomial_statsmodels(x: Arrays) -> dict[str, float]:
    import statsmodels.api as sm

    found = sm.MNLogit(x["y"], _design(x)).fit(method="newton", disp=False)
    return _answer(_labels(x), found.params[1:].T.ravel(), np.asarray(found.bse)[1:].T.ravel())


def _ours(*sides: tuple[str, object]) -> tuple[Side, ...]:
    return tuple(Side(name=f"partnerlab, {name}", environment="ours", run=run, ours=True) for name, run in sides)


def _cox_sides() -> tuple[Side, ...]:
    return (
        *_ours(("arrays", _cox_arrays), ("from a frame", _cox_frame)),
        Side(name="lifelines", environment="lifelines", run=_cox_lifelines, rtol=1e-4),
        Side(name="scikit-survival (no standard errors)", environment="scikit-survival", run=_cox_sksurv, rtol=1e-4, limit=1_000_000),
        Side(name="R survival", environment="R", run=_COX_R, rtol=1e-5, limit=1_000_000),
    )


def _cloglog_sides() -> tuple[Side, ...]:
    return (
        *_ours(("arrays", _cloglog_arrays), ("arrays, clustered", _cloglog_clustered)),
        Side(name="statsmodels", environment="ours", run=_cloglog_statsmodels, rtol=1e-4),
        Side(name="R glm", environment="R", run=_CLOGLOG_R, rtol=1e-4, limit=1_000_000),
    )


def _multinomial_sides() -> tuple[Side, ...]:
    return (
        *_ours(("arrays", _multinomial_arrays), ("arrays, clustered", _multinomial_clustered)),
        Side(name="scikit-learn (no standard errors)", environment="scikit-survival", run=_multinomial_sklearn, rtol=1e-3, limit=1_000_000),
        Side(name="statsmodels", environment="ours", run=_multinomial_statsmodels, rtol=1e-4, limit=1_000_000),
    )


TASKS = (
    Task(name="Cox, eight grouped covariates", draw=draw_grouped_spells, bar=40.0, sides=_cox_sides()),
    Task(name="Cox, four continuous covariates", draw=draw_continuous_spells, bar=3.0, sides=_cox_sides()),
    Task(name="Complementary log-log, eight grouped covariates", draw=draw_grouped_periods, bar=40.0, sides=_cloglog_sides()),
    Task(name="Complementary log-log, four continuous covariates", draw=draw_continuous_periods, bar=3.0, sides=_cloglog_sides()),
    Task(name="Multinomial, eight grouped covariates", draw=draw_grouped_moves, bar=40.0, sides=_multinomial_sides()),
    Task(name="Multinomial, four continuous covariates", draw=draw_continuous_moves, bar=3.0, sides=_multinomial_sides()),
)
