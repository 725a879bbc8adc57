"""What several tests of one tactic say together, and what the next one may be expected to find."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, SampleError, nearest
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import critical_value, widen_error
from partnerlab.stats.shrinkage.random_effects import RandomEffects, fit_random_effects, prediction_interval
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import plural, say_list, say_number, say_p, say_share

POOLED, NEXT = "together", "the next test"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RepeatedEffect(Result):
    """Effects of the tests of one tactic, the mean of such tests, and the true effect that the next one may meet.

    ``table`` has the key ``test``; beside the interval stand ``weight`` (share in the mean), ``grade`` (that the design earned) and
    ``read_in``. Its last two rows are ``together`` and ``the next test``, whose interval is one of prediction.

    Parameters
    ----------
    tau : float
        Standard deviation of true effects between tests.
    positive : float
        Probability that the next test's true effect is above 0.
    verdict : Verdict
        On the mean of such tests.
    """

    title: ClassVar[str] = "What repeated tests say together"

    tau: float
    positive: float
    verdict: Verdict


def estimate_repeated_effect(
    registry: pd.DataFrame,
    *,
    tactic: str,
    outcome: str | None = None,
    kinds: tuple[str, ...] = ("experiment", "study"),
    level: float = 0.95,
) -> RepeatedEffect:
    """Pool the tests of one tactic that were read, by random effects with errors for few tests.

    Parameters
    ----------
    registry : DataFrame
        As `load_registry` gives it, or any table with ``name, kind, tactic, outcome, estimate, std_error, unit, design_grade, stopped``.
    tactic : str
        Which.
    outcome : str, optional
        Which; that of most sound tests of the tactic if None. Tests in other units, or of other spans (``per``, where given), than
        most have are left out, and counted.
    kinds : tuple of {"experiment", "study"}
        Which to pool.
    level : float
        Coverage.

    Raises
    ------
    MissingTableError
        If a column is not there.
    SampleError
        If no test of the tactic has been read soundly, or as many are of one outcome (or unit) as of another.

    Notes
    -----
    Tests that a check stopped, or whose design earned no more than an association, are left out; those that could not tell are in: they
    are no less true. Knapp and Hartung's (2003) errors, never below those that take the spread as known (Jackson, Law, Rücker and
    Schwarzer 2017, Statistics in Medicine 36); intervals of Student's t. With one test there is nothing to pool.

    Examples
    --------
    >>> registry = pd.DataFrame({"name": ["spring", "summer", "autumn"], "kind": "experiment", "tactic": "Dinner", "outcome": "leads",
    ...     "estimate": [0.5, 0.3, 0.4], "std_error": [0.1, 0.1, 0.2], "unit": "leads", "design_grade": "A", "stopped": False})
    >>> found = estimate_repeated_effect(registry, tactic="Dinner")
    >>> found.table.set_index("test").loc["together", ["estimate", "conf_low", "conf_high"]].astype(float).round(2).tolist()
    [0.4, 0.06, 0.74]
    """
    tests, checks = _tests(registry, tactic, outcome, kinds)
    error = _wide(tests, level)
    effect = tests["estimate"].to_numpy(float)
    fit = fit_random_effects(effect, error, few=True) if len(tests) > 1 else None
    mean, mean_error, df = _mean(effect, error, fit)
    reach = float(critical_value(level, df))
    weight = np.ones(1) if fit is None else 1.0 / (error**2 + fit.tau2)
    rows = [
        _row(test, estimate, own, estimate + float(critical_value(level)) * own * np.array([-1, 1]), share)
        for test, estimate, own, share in zip(tests.to_dict("records"), effect, error, weight / weight.sum(), strict=True)
    ]
    n = int(tests["units"].sum()) if "units" in tests.columns else 0
    together = _row({"name": POOLED, "units": n}, mean, mean_error, mean + reach * mean_error * np.array([-1, 1]), 1.0)
    ahead, ahead_error = _ahead(fit, mean_error, level)
    rows += [together, _row({"name": NEXT}, mean, ahead_error, np.array(ahead), math.nan)]
    grade = Evidence(max(tests["design_grade"]))
    return RepeatedEffect(
        estimand=f"Mean effect of {tactic} on {tests['outcome'].iloc[0]} over tests like these, and the true effect of the next one",
        table=pd.DataFrame(rows),
        checks=(*checks, _spread(fit, len(tests))),
        evidence=grade,
        level=level,
        tau=math.nan if fit is None else math.sqrt(fit.tau2),
        positive=_positive(mean, ahead_error, df if fit is not None else math.nan),
        verdict=_verdict(tests, together, grade=grade, df=df, level=level),
    )


def _tests(registry: pd.DataFrame, tactic: str, outcome: str | None, kinds: tuple[str, ...]) -> tuple[pd.DataFrame, list[Check]]:
    """Find the tests that can be pooled, and say what was left out."""
    for name in ("name", "kind", "tactic", "outcome", "estimate", "std_error", "unit", "design_grade", "stopped"):
        if name not in registry.columns:
            raise MissingTableError(f"registry: no column {name!r}{nearest(name, registry.columns)}")
    mine = registry[(registry["tactic"] == tactic) & registry["kind"].isin(kinds)]
    if not len(mine):
        raise SampleError(f"registry: no test of {tactic!r}{nearest(tactic, registry['tactic'].unique())}")
    read = mine[_read(mine)]
    sound = sound_tests(mine)
    wanted = outcome or _commonest(sound, "outcome", tactic)
    same = sound[sound["outcome"] == wanted]
    # leads per partner are no leads per quarter
    for name in same.columns.intersection(["unit", "per"]):
        same = same[same[name].astype(object).fillna("") == _commonest(same, name, tactic)]
    if not len(same):
        raise SampleError(
            f"registry: no test of {tactic} on {wanted or 'anything'} has been read soundly; {plural(len(mine), 'test')} registered"
        )
    left = {"not read yet": len(mine) - len(read), "stopped by a check or no more than an association": len(read) - len(sound)}
    left["of another outcome or unit"] = len(sound) - len(same)
    said = ", ".join(f"{count} {why}" for why, count in left.items() if count)
    return same.reset_index(drop=True), [
        Check("tests", None, f"{plural(len(same), 'test')} pooled" + (f"; left out: {said}" if said else ""))
    ]


def sound_tests(registry: pd.DataFrame) -> pd.DataFrame:
    """Keep the tests that were read and that no check stopped, of a design that earned more than an association.

    Examples
    --------
    >>> read = pd.DataFrame({"estimate": [0.5, 0.3, None], "std_error": 0.1, "design_grade": "A", "stopped": [False, True, False]})
    >>> len(sound_tests(read))
    1
    """
    return registry[_read(registry) & ~registry["stopped"].astype(bool) & registry["design_grade"].isin(["A", "B"])]


def _read(registry: pd.DataFrame) -> pd.Series:
    return np.isfinite(registry["estimate"].astype(float)) & (registry["std_error"].astype(float) > 0)


def _commonest(tests: pd.DataFrame, name: str, tactic: str) -> str:
    """Give the value that most tests have; of two that as many have nobody said which is meant."""
    counts = tests[name].astype(object).fillna("").value_counts()
    if not len(counts):
        return ""
    tied = sorted(map(str, counts.index[counts == counts.iloc[0]]))
    if len(tied) > 1:
        asked = "give outcome=" if name == "outcome" else "they cannot be pooled; leave some out of the table"
        raise SampleError(f"registry: as many tests of {tactic} have {name} {say_list(tied)}: {asked}")
    return counts.index[0]


def _wide(tests: pd.DataFrame, level: float) -> np.ndarray:
    """Errors widened to what Student's t asks for, where they came from few things."""
    error = tests["std_error"].to_numpy(float)
    if "df" not in tests.columns:
        return error
    df = tests["df"].fillna(np.inf).to_numpy(float)
    return widen_error(error, df, level=level)


def _mean(effect: np.ndarray, error: np.ndarray, fit: RandomEffects | None) -> tuple[float, float, float]:
    if fit is None:
        return float(effect[0]), float(error[0]), math.inf
    plain = math.sqrt(1.0 / (1.0 / (error**2 + fit.tau2)).sum())
    return float(fit.coefficients[0]), max(float(fit.std_error[0]), plain), fit.df


def _ahead(fit: RandomEffects | None, mean_error: float, level: float) -> tuple[tuple[float, float], float]:
    """Interval of the next true effect, and its standard error; unknown after one test."""
    if fit is None:
        return (math.nan, math.nan), math.nan
    wide = dataclasses.replace(fit, covariance=np.array([[mean_error**2]]))
    return prediction_interval(wide, level=level), math.sqrt(mean_error**2 + fit.tau2)


def _positive(mean: float, error: float, df: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(df, mean / error)) if math.isfinite(error) else math.nan


def _row(test: dict[str, object], estimate: float, error: float, ends: np.ndarray, weight: float) -> dict[str, object]:
    return {
        "test": test["name"],
        "estimate": estimate,
        "std_error": error,
        "conf_low": float(ends[0]),
        "conf_high": float(ends[1]),
        "n": test.get("units", 0),
        "weight": weight,
        "grade": test.get("design_grade", ""),
        "read_in": test.get("read_in", ""),
    }


def _spread(fit: RandomEffects | None, tests: int) -> Check:
    if fit is None:
        return Check("spread", None, "one test: how much tests differ, and what the next may find, cannot be told")
    said = f"true effects differ between tests by {say_number(math.sqrt(fit.tau2), digits=2)} (standard deviation; I² {say_share(fit.i2)}, "
    return Check("spread", None, f"{said}{say_p(fit.q_p_value)} for none), learnt from {plural(tests, 'test')}")


def _verdict(tests: pd.DataFrame, together: dict[str, object], *, grade: Evidence, df: float, level: float) -> Verdict:
    last = tests.iloc[-1].to_dict()
    told = {name: last[name] for name in ("material", "value") if name in last and math.isfinite(last[name])}
    told |= {"cost": last["row_cost"]} if math.isfinite(last.get("row_cost", math.nan)) else {}
    stakes = Stakes(unit=last["unit"], per=last.get("per") or "unit", currency=last.get("currency") or "", **told)
    return Verdict(
        tactic=last["tactic"],
        grade=grade,
        estimate=together["estimate"],
        std_error=together["std_error"],
        df=df,
        n=together["n"],
        partners=together["n"],
        stakes=stakes,
        assumption="the tests pooled are like those that will follow, and none was left unregistered",
        overturned_by="tests that were run and not registered",
        level=level,
    )
