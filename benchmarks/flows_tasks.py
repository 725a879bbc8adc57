"""What is timed on flows and curves, and by whom: the tasks that need no regression.

A side is one library's answer to a task. Sides run in environments of their own, so this file imports nothing but
numpy at the top; `flows.py` drives it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

Arrays = dict[str, np.ndarray]

GROUPS, CAUSES, TIERS, QUARTERS, AT = 6, 2, 4, 20, 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One library's answer.

    Parameters
    ----------
    name : str
        Who answers.
    environment : str
        ``"ours"``, ``"R"``, or one of ``flows.PEERS``.
    run : callable or str
        Arrays -> named answers; for R, a script that finds its vectors in ``x`` and leaves a named ``answer``.
    limit : int
        Largest number of rows that is tried.
    rtol : float
        How far its answers may lie from ours, where it is no exact method.
    ours : bool
        Whether it is one of ours; others are what the ratio is taken against.
    prepare : callable, optional
        Lays the arrays out as the side likes them best, before the clock starts.
    """

    name: str
    environment: str
    run: Callable[[Arrays], dict[str, float]] | str
    limit: int = 10_000_000
    rtol: float = 1e-6
    ours: bool = False
    prepare: Callable[[Arrays], object] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One question: how its data are drawn, who answers, and how many times faster than the fastest peer we mean to be."""

    name: str
    draw: Callable[[int], Arrays]
    sides: tuple[Side, ...]
    bar: float


def draw_spells(rows: int) -> Arrays:
    """Draw spells in whole quarters: two ways of ending, six regions with hazards of their own, censored at any time."""
    random = np.random.default_rng(rows)
    group = random.integers(0, GROUPS, rows)
    life, followed = random.geometric(0.05 + 0.004 * group), random.integers(1, 41, rows)
    cause = np.where(random.random(rows) < 0.7, 1, 2)
    return {"duration": np.minimum(life, followed), "event": np.where(life <= followed, cause, 0), "group": group}


# ---- Kaplan-Meier by region, with standard errors, and the log-rank test


def _from_start(x: Arrays) -> np.ndarray:
    """Give the entries of spells that are all seen from their start."""
    return np.broadcast_to(np.int64(0), len(x["duration"]))


def _curves_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.curves import logrank, risksets

    spans = risksets.Spans(_from_start(x), x["duration"], (x["event"] > 0).view(np.int8) - np.int8(1))
    sets = risksets.count_risk_sets(spans, group=x["group"], groups=GROUPS)
    curve = risksets.kaplan_meier(sets.at_risk, sets.ended)
    error = curve * np.sqrt(risksets.greenwood(sets.at_risk, sets.ended))
    place = int(np.searchsorted(sets.time, AT))
    test = logrank.log_rank(sets.at_risk, sets.ended)
    return _named(curve[:, place], error[:, place], test.statistic)


def _named(share: np.ndarray, error: np.ndarray | None, statistic: float) -> dict[str, float]:
    answer = {f"S{g}": float(value) for g, value in enumerate(share)}
    if error is not None:
        answer |= {f"se{g}": float(value) for g, value in enumerate(error)}
    return answer | {"chi2": float(statistic)}


def _frame(x: Arrays) -> object:
    import pandas as pd

    return pd.DataFrame({"partner": np.arange(len(x["duration"])), **x})


def _curves_frame(x: Arrays) -> dict[str, float]:
    from partnerlab.spells import Spells
    from partnerlab.survival import estimate_survival

    spells = Spells.from_frame(_frame({**x, "event": x["event"] > 0}))
    found = estimate_survival(spells, by="group")
    at = found.at([AT])
    return _named(at["estimate"], at["std_error"], found.logrank["statistic"].item())


def _curves_statsmodels(x: Arrays) -> dict[str, float]:
    from statsmodels.duration.survfunc import SurvfuncRight, survdiff

    ended = (x["event"] > 0).astype(int)
    share, error = np.empty(GROUPS), np.empty(GROUPS)
    for g in range(GROUPS):
        mine = x["group"] == g
        curve = SurvfuncRight(x["duration"][mine], ended[mine])
        place = np.searchsorted(curve.surv_times, AT)
        share[g], error[g] = curve.surv_prob[place], curve.surv_prob_se[place]
    return _named(share, error, survdiff(x["duration"], ended, x["group"])[0])


def _curves_lifelines(x: Arrays) -> dict[str, float]:
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test

    ended = x["event"] > 0
    share = np.empty(GROUPS)
    for g in range(GROUPS):
        mine = x["group"] == g
        share[g] = KaplanMeierFitter().fit(x["duration"][mine], ended[mine]).predict(AT)
    return _named(share, None, multivariate_logrank_test(x["duration"], x["group"], ended).test_statistic)


def _curves_sksurv(x: Arrays) -> dict[str, float]:
    from sksurv.compare import compare_survival
    from sksurv.nonparametric import kaplan_meier_estimator
    from sksurv.util import Surv

    ended, share = x["event"] > 0, np.empty(GROUPS)
    for g in range(GROUPS):
        mine = x["group"] == g
        time, curve, _ = kaplan_meier_estimator(ended[mine], x["duration"][mine], conf_type="log-log")
        share[g] = curve[np.searchsorted(time, AT)]
    return _named(share, None, compare_survival(Surv.from_arrays(ended, x["duration"]), x["group"])[0])


_CURVES_R = """
library(survival)
fit <- survfit(Surv(duration, event > 0) ~ group, data = x)
at <- summary(fit, times = 8)
test <- survdiff(Surv(duration, event > 0) ~ group, data = x)
answer <- c(setNames(at$surv, paste0("S", 0:5)), setNames(at$std.err, paste0("se", 0:5)), chi2 = test$chisq)
"""

# ---- Aalen-Johansen, two ways of ending, with standard errors


def _ways_arrays(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.curves import incidence, risksets

    spans = risksets.Spans(_from_start(x), x["duration"], x["event"].astype(np.int8) - np.int8(1))
    sets = risksets.count_risk_sets(spans, causes=CAUSES)
    n, d, place = sets.at_risk[0], sets.events[0], int(np.searchsorted(sets.time, AT))
    share, error = incidence.aalen_johansen(n, d)[:, place], np.sqrt(incidence.incidence_variance(n, d)[:, place])
    return {"F1": share[0], "F2": share[1], "se1": error[0], "se2": error[1]}


def _ways_frame(x: Arrays) -> dict[str, float]:
    from partnerlab.spells import Spells
    from partnerlab.survival import estimate_incidence

    at = estimate_incidence(Spells.from_frame(_frame(x))).at([AT])
    (one, two), (first, second) = at["estimate"], at["std_error"]
    return {"F1": one, "F2": two, "se1": first, "se2": second}


def _ways_statsmodels(x: Arrays) -> dict[str, float]:
    from statsmodels.duration.survfunc import CumIncidenceRight

    found = CumIncidenceRight(x["duration"], x["event"])
    place = np.searchsorted(found.times, AT)
    return {f"F{cause + 1}": float(found.cinc[cause][place]) for cause in range(CAUSES)}


def _ways_lifelines(x: Arrays) -> dict[str, float]:
    from lifelines import AalenJohansenFitter

    answer = {}
    for cause in (1, 2):
        fitted = AalenJohansenFitter(seed=1, calculate_variance=False).fit(x["duration"], x["event"], event_of_interest=cause)
        curve = fitted.cumulative_density_.iloc[:, 0]
        # ties are jittered upwards and downwards by less than half a period
        answer[f"F{cause}"] = float(curve.iloc[np.searchsorted(curve.index.to_numpy(), AT + 0.5) - 1])
    return answer


def _ways_sksurv(x: Arrays) -> dict[str, float]:
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    time, share = cumulative_incidence_competing_risks(x["event"], x["duration"])
    place = np.searchsorted(time, AT)
    return {"F1": share[1][place], "F2": share[2][place]}


_WAYS_R = """
library(survival)
x$way <- factor(x$event, 0:2)
fit <- survfit(Surv(duration, way) ~ 1, data = x)
at <- summary(fit, times = 8)
answer <- c(F1 = at$pstate[2], F2 = at$pstate[3], se1 = at$std.err[2], se2 = at$std.err[3])
"""

# ---- transition matrix with 1,000 partner-bootstrap replicates


def draw_pairs(rows: int) -> Arrays:
    """Draw pairs of tiers of partners followed for twenty quarters, one chain, partners who stay longer and shorter."""
    random = np.random.default_rng(rows)
    partner = np.arange(rows) // QUARTERS
    origin = random.integers(0, TIERS, rows)
    stays = random.random(rows) < np.clip(0.75 + 0.1 * random.standard_normal(partner[-1] + 1), 0, 1)[partner]
    return {"partner": partner, "origin": origin, "target": np.where(stays, origin, random.integers(0, TIERS, rows))}


REPLICATES = 1000


def _matrix_product(x: Arrays) -> dict[str, float]:
    from partnerlab.stats.inference.replicates import bootstrap_sums

    partners = int(x["partner"][-1]) + 1
    cell = (x["partner"] * TIERS + x["origin"]) * TIERS + x["target"]
    counts = np.bincount(cell, minlength=partners * TIERS**2).reshape(partners, TIERS**2)
    return _spread(counts.sum(axis=0), bootstrap_sums(counts, replicates=REPLICATES, seed=1))


def _spread(counts: np.ndarray, replicates: np.ndarray) -> dict[str, float]:
    share = counts.reshape(TIERS, TIERS) / counts.reshape(TIERS, TIERS).sum(axis=1, keepdims=True)
    drawn = replicates.reshape(-1, TIERS, TIERS)
    error = (drawn / drawn.sum(axis=2, keepdims=True)).std(axis=0)
    # standard errors of 1,000 replicates differ by about 2 % from run to run; their mean over the cells by less
    return {"p00": float(share[0, 0]), "p12": float(share[1, 2]), "log se": float(np.exp(np.log(error).mean()))}


def _loop_of_weights(x: Arrays) -> dict[str, float]:
    random = np.random.default_rng(2)
    partners, cell = int(x["partner"][-1]) + 1, x["origin"] * TIERS + x["target"]
    drawn = np.empty((REPLICATES, TIERS**2))
    for replicate in range(REPLICATES):
        weight = np.bincount(random.integers(0, partners, partners), minlength=partners)
        drawn[replicate] = np.bincount(cell, weights=weight[x["partner"]], minlength=TIERS**2)
    return _spread(np.bincount(cell, minlength=TIERS**2), drawn)


def _loop_of_counts(x: Arrays) -> dict[str, float]:
    random = np.random.default_rng(2)
    partners = int(x["partner"][-1]) + 1
    cell = (x["partner"] * TIERS + x["origin"]) * TIERS + x["target"]
    counts = np.bincount(cell, minlength=partners * TIERS**2).reshape(partners, TIERS**2)
    weights = (np.bincount(random.integers(0, partners, partners), minlength=partners) for _ in range(REPLICATES))
    return _spread(counts.sum(axis=0), np.stack([weight @ counts for weight in weights]))


TASKS = (
    Task(
        name="Kaplan-Meier of six groups with standard errors, log-rank",
        draw=draw_spells,
        bar=8.0,
        sides=(
            Side(name="partnerlab, arrays", environment="ours", run=_curves_arrays, ours=True),
            Side(name="partnerlab, from a frame", environment="ours", run=_curves_frame, ours=True),
            Side(name="statsmodels", environment="ours", run=_curves_statsmodels),
            Side(name="lifelines", environment="lifelines", run=_curves_lifelines),
            Side(name="scikit-survival", environment="scikit-survival", run=_curves_sksurv, limit=1_000_000),
            Side(name="R survival", environment="R", run=_CURVES_R, limit=1_000_000),
        ),
    ),
    Task(
        name="Aalen-Johansen of two ways of ending",
        draw=draw_spells,
        bar=8.0,
        sides=(
            Side(name="partnerlab, arrays, with standard errors", environment="ours", run=_ways_arrays, ours=True),
            Side(name="partnerlab, from a frame, with standard errors", environment="ours", run=_ways_frame, ours=True),
            Side(name="statsmodels", environment="ours", run=_ways_statsmodels),
            Side(name="lifelines (jitters ties, no variance)", environment="lifelines", run=_ways_lifelines, rtol=0.02),
            Side(name="scikit-survival", environment="scikit-survival", run=_ways_sksurv),
            Side(name="R survival, with standard errors", environment="R", run=_WAYS_R, limit=1_000_000),
        ),
    ),
    Task(
        name="Transition matrix, 1,000 bootstrap replicates of partners",
        draw=draw_pairs,
        bar=1.0,
        sides=(
            Side(name="partnerlab, hashed weights as a matrix product", environment="ours", run=_matrix_product, ours=True),
            Side(name="numpy, loop over resampled partners' counts", environment="ours", run=_loop_of_counts, rtol=0.02),
            Side(name="numpy, loop over weighted rows", environment="ours", run=_loop_of_weights, rtol=0.02, limit=1_000_000),
        ),
    ),
)
