"""One card of everything that could overturn a finding, each with how much of it that would take."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.balance import ALIKE, ALONE
from partnerlab.effects.row_tables import require_columns
from partnerlab.effects.sample import DOUBT
from partnerlab.effects.yardsticks import EventPath, Likeness, Strength
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.hidden_bias import largest_gamma, signed_rank_bounds
from partnerlab.stats.causes.honest import breakdown_bend, largest_bend, smoothness_interval
from partnerlab.stats.causes.relative_trends import breakdown_times, relative_interval
from partnerlab.stats.causes.sensitivity import benchmark_bound, difference_as_risk, e_value, e_value_limit, robustness_value
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.stats.shrinkage.rebound import expected_rebound
from partnerlab.verdicts import Verdict
from partnerlab.words import say_number, say_p, say_share

#: A placebo whose adjusted p-value is smaller than this has found an effect where there can be none.
FALSE_ALARM = 0.05
#: Checks of the comparison itself, whatever was found by it.
COMPARISON = ("overlap", "balance", "pre-trend", "placebo")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessCard(Result):
    """Checks that could overturn a finding; keys ``check`` and ``about``.

    ``estimate`` is the check's own number (an E-value, a bend, a placebo's effect), ``bar`` what it is held against, ``stands`` whether
    the finding survives it (missing where that cannot be said), ``says`` the reading in words. The interval beside "moves as before" is
    that of the effect if the gap between the sides moves no more than it did before (Rambachan and Roth 2023).

    Parameters
    ----------
    overturned_by : str
        What it would take to overturn the finding, in one sentence without a full stop; ready for a `Verdict`.
    """

    title: ClassVar[str] = "What could overturn it"

    overturned_by: str

    @property
    def stands(self) -> bool:
        """Whether no check overturned the finding."""
        return not (self.table["stands"] == False).any()  # noqa: E712 - missing is neither


def check_verdict(  # noqa: PLR0913 - one argument for each check
    verdict: Verdict,
    *,
    outcome_spread: float | None = None,
    residual_df: float | None = None,
    strengths: Mapping[str, Strength] | None = None,
    events: EventPath | None = None,
    differences: np.ndarray | None = None,
    placebos: pd.DataFrame | None = None,
    left_out: pd.DataFrame | None = None,
    likeness: Likeness | None = None,
    before_after: pd.DataFrame | None = None,
    adjusted: bool = True,
) -> RobustnessCard:
    """Hold any finding against what is given that could overturn it, on one card; `check_robustness` finds it all by itself.

    Parameters
    ----------
    verdict : Verdict
        The finding: estimate, error, degrees of freedom.
    outcome_spread : float, optional
        Standard deviation of the outcome among the untreated; gives the E-value.
    residual_df : float, optional
        Residual degrees of freedom of a regression behind the estimate; gives the robustness value. With clustered errors it is
        smaller than with classical ones, to be safe.
    strengths : mapping of str to Strength, optional
        Seen covariates; what is left of the estimate if an unseen one were as strong. Needs ``residual_df``.
    events : EventPath, optional
        Gives the pre-trend, the bend of the trend that would overturn the finding, beside the largest seen before, and how many times
        its largest move before the gap would have to move after.
    differences : float array, optional
        Treated less control of matched pairs; gives Rosenbaum's gamma.
    placebos : DataFrame, optional
        ``placebo, estimate, std_error`` of tactics, outcomes or dates that cannot show an effect.
    left_out : DataFrame, optional
        ``left_out, estimate, std_error``, one row for each manager left out.
    likeness : Likeness, optional
        Gives overlap and balance.
    before_after : DataFrame, optional
        ``before, after, treated``, and ``manager`` if known; says how much of the raw change is regression to the mean.
    adjusted : bool
        Whether the estimate compares partners alike in their last result; if not, regression to the mean is taken off it.

    Returns
    -------
    RobustnessCard
        Its grade is the verdict's, or D where a check overturned it; no check raises it.

    Raises
    ------
    SampleError
        If nothing was given to hold it against, or the verdict has no estimate.
    ParameterError
        If ``outcome_spread`` is not above 0, a table has words for numbers, or strengths come without ``residual_df``.
    MissingTableError
        If a table lacks a column.

    Examples
    --------
    >>> from partnerlab.verdicts import Stakes
    >>> verdict = Verdict(tactic="Dinner", grade=Evidence.B, estimate=0.3, std_error=0.1, n=240, partners=80,
    ...                   stakes=Stakes(unit="leads"), assumption="nothing unseen drove both")
    >>> card = check_verdict(verdict, outcome_spread=1.0)
    >>> card.table[["check", "estimate", "bar"]].round(2).values.tolist(), card.stands
    ([['E-value', 1.96, 1.43]], True)
    """
    if not verdict.known:
        raise SampleError(f"robustness of {verdict.tactic}: the verdict has no estimate (n = {verdict.n}); nothing can overturn it")
    rows: list[dict[str, object]] = []
    if likeness is not None:
        rows += _by_likeness(likeness)
    if events is not None:
        rows += _by_trends(verdict, events)
    if placebos is not None:
        rows += _by_placebos(verdict, _require(placebos, "placebos", ("placebo", "estimate", "std_error")))
    if left_out is not None:
        rows.append(_by_leaving_out(verdict, _require(left_out, "left_out", ("left_out", "estimate", "std_error"))))
    if before_after is not None:
        rows.append(_by_rebound(verdict, _require(before_after, "before_after", ("before", "after", "treated")), adjusted=adjusted))
    if outcome_spread is not None:
        rows.append(_by_e_value(verdict, outcome_spread))
    if residual_df is not None or strengths:
        rows += _by_partial_r2(verdict, residual_df, strengths or {})
    if differences is not None:
        rows.append(_by_hidden_bias(verdict, np.asarray(differences, dtype=float)))
    return _card(verdict, rows)


def _card(verdict: Verdict, rows: list[dict[str, object]]) -> RobustnessCard:
    if not rows:
        raise SampleError(f"robustness of {verdict.tactic}: nothing was given to hold it against; give outcome_spread, events or placebos")
    if verdict.finding not in ("raised", "lowered"):
        # there is nothing to overturn; only what is wrong with the comparison itself says something
        rows = [row if row["check"] in COMPARISON else row | {"stands": None} for row in rows]
    table = pd.DataFrame(rows)
    table["stands"] = table["stands"].astype("boolean")
    fails = (table["stands"] == False).any()  # noqa: E712 - missing is neither
    checks = tuple(Check(f"{row['check']}: {row['about']}".rstrip(": "), row["stands"], str(row["says"])) for row in rows)
    return RobustnessCard(
        estimand=f"What could overturn the finding on {verdict.tactic}",
        table=table,
        checks=checks,
        evidence=Evidence.D if fails else verdict.earned,
        level=verdict.level,
        overturned_by=_overturned_by(rows),
    )


def _require(table: pd.DataFrame, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    require_columns(table, columns, numbers=[column for column in columns if column not in ("placebo", "left_out", "treated")], table=name)
    if table.empty:
        raise SampleError(f"{name}: no row; leave it out if there is nothing to hold the finding against")
    return table


def _row(check: str, about: str, estimate: float, *, stands: bool | None, says: str, **more: float) -> dict[str, object]:
    known = {"std_error": math.nan, "conf_low": math.nan, "conf_high": math.nan, "n": math.nan, "bar": math.nan} | more
    return {"check": check, "about": about, "estimate": float(estimate), **known, "stands": stands, "says": says}


def _by_e_value(verdict: Verdict, spread: float) -> dict[str, object]:
    if not 0 < spread < math.inf:
        raise ParameterError(f"outcome_spread is {spread}; give the outcome's standard deviation, above 0")
    ratio, low, high = (float(end) for end in difference_as_risk(verdict.estimate / spread, verdict.std_error / spread))
    need, limit = float(e_value(ratio)), float(e_value_limit(low, high))
    says = f"an unseen cause tied to tactic and outcome by a risk ratio of {say_number(need)} each would explain it away"
    return _row("E-value", "", need, bar=limit, stands=limit > 1, says=f"{says}; {say_number(limit)} would take the interval to zero")


def _by_partial_r2(verdict: Verdict, df: float | None, strengths: Mapping[str, Strength]) -> list[dict[str, object]]:
    if df is None:
        raise ParameterError(f"robustness of {verdict.tactic}: strengths need residual_df, the regression's degrees of freedom")
    need, limit = (float(robustness_value(verdict.estimate, verdict.std_error, df=df, level=level)) for level in (None, verdict.level))
    says = f"an unseen cause must explain {100 * need:.1f} % of what is left of tactic and outcome to explain it away"
    rows = [_row("robustness value", "", need, bar=limit, stands=limit > 0, says=says)]
    for name, strength in strengths.items():
        bound = benchmark_bound(
            verdict.estimate, verdict.std_error, df=df, of_treatment=strength.of_treatment, of_outcome=strength.of_outcome
        )
        left, error = float(bound.estimate[0]), float(bound.std_error[0])
        half = _half(verdict, error)
        stands = None if math.isnan(left) else _clear(left, half, verdict)
        says = f"an unseen cause as strong as {name} would leave {say_number(left)}"
        ends = {"std_error": error, "conf_low": left - half, "conf_high": left + half}
        rows.append(_row("unseen cause", name, left, stands=stands, says=says, **ends))
    return rows


def _by_likeness(likeness: Likeness) -> list[dict[str, object]]:
    alone, apart = likeness.alone, abs(likeness.difference)
    lonely = f"{say_share(alone)} of the treated look like nobody without the tactic"
    differ = f"the sides still differ by {say_number(apart, digits=2)} standard deviations of {likeness.of}, and by less of all else"
    return [
        _row("overlap", "", alone, bar=ALONE, n=likeness.n, stands=None if math.isnan(alone) else alone <= ALONE, says=lonely),
        _row("balance", likeness.of, apart, bar=ALIKE, n=likeness.n, stands=None if math.isnan(apart) else apart <= ALIKE, says=differ),
    ]


def _by_trends(verdict: Verdict, events: EventPath) -> list[dict[str, object]]:
    """Pre-trend, and how far the trend may break; a break counts against a finding only where trends broke before."""
    after = len(events.estimates) - events.before
    weights = np.full(after, 1 / after) if events.weights is None else np.asarray(events.weights, dtype=float)
    asked = {"before": events.before, "weights": weights, "level": verdict.level}
    p = events.pre_trend
    # tests of bounds have a normal law: with few clusters errors are widened to what Student's t asks for
    covariance = events.covariance * float(critical_value(verdict.level, verdict.df) / critical_value(verdict.level)) ** 2
    rows = []
    if not math.isnan(p):
        says = f"before the tactic both sides went {'on alike' if p >= DOUBT else 'different ways'} ({say_p(p)})"
        rows.append(_row("pre-trend", "", p, bar=DOUBT, stands=p >= DOUBT, says=says))
    bend = breakdown_bend(events.estimates, covariance, **asked)
    seen = largest_bend(events.estimates, before=events.before)
    says = f"the finding goes if the trend may bend by {say_number(bend)} a quarter; before, it bent by up to {say_number(seen)}"
    if bend == 0:
        says = "a straight trend carried on would be enough to leave nothing that is clear of zero"
    sloped = _slope_is_clear(verdict, events, weights) or p < DOUBT
    rows.append(_row("bent trend", "", bend, bar=seen, stands=True if bend > 0 else (False if sloped else None), says=says))
    times = breakdown_times(events.estimates, covariance, **asked)
    says = f"the finding goes if the gap may move {say_number(times, digits=2)} times as much as it moved before"
    if times == 0:
        says = "nothing is clear of zero even if the gap moves no more"
    stands = True if times >= 1 else (False if sloped else None)
    low, high = relative_interval(events.estimates, covariance, times=1.0, **asked)
    if np.isfinite(low):
        says += f"; if it moves no more than before, the effect lies between {say_number(low)} and {say_number(high)}"
    rows.append(_row("moves as before", "", times, bar=1.0, stands=stands, says=says, conf_low=low, conf_high=high))
    return rows


def _slope_is_clear(verdict: Verdict, events: EventPath, weights: np.ndarray) -> bool:
    """Whether the straight trend before, carried on, differs from none beyond chance."""
    straight = smoothness_interval(
        events.estimates, events.covariance, before=events.before, bend=0.0, weights=weights, level=verdict.level
    ).before
    carried = float(straight @ events.estimates[: events.before])
    error = float(np.sqrt(straight @ events.covariance[: events.before, : events.before] @ straight))
    return abs(carried) > _half(verdict, error)


def _by_hidden_bias(verdict: Verdict, differences: np.ndarray) -> dict[str, object]:
    pairs = int(np.isfinite(differences).sum())
    if not pairs:
        raise SampleError(f"robustness of {verdict.tactic}: no pair has a difference; leave differences out")
    upward = differences if verdict.estimate >= 0 else -differences
    gamma = largest_gamma(lambda ratio: float(signed_rank_bounds(upward, ratio)[1][0]), alpha=(1 - verdict.level) / 2)
    says = "the pairs show nothing even without hidden bias"
    if not math.isnan(gamma):
        says = f"an unseen cause must change the odds of the tactic {say_number(gamma)}-fold within pairs to explain it"
    return _row("hidden bias", "matched pairs", gamma, n=pairs, stands=not math.isnan(gamma), says=says)


def _by_placebos(verdict: Verdict, placebos: pd.DataFrame) -> list[dict[str, object]]:
    from scipy.stats import t

    estimate, error = placebos["estimate"].to_numpy(float), placebos["std_error"].to_numpy(float)
    adjusted = adjust_p_values(2 * t.sf(np.abs(estimate / error), verdict.df), method="holm")
    rows = []
    for name, value, its_error, p in zip(placebos["placebo"], estimate, error, adjusted, strict=True):
        half = _half(verdict, its_error)
        found = "an effect where there can be none" if p < FALSE_ALARM else "nothing, as it should"
        says = f"{name} shows {found} (adjusted {say_p(p)})"
        ends = {"std_error": its_error, "conf_low": value - half, "conf_high": value + half}
        rows.append(_row("placebo", str(name), value, bar=p, stands=None if math.isnan(p) else bool(p >= FALSE_ALARM), says=says, **ends))
    return rows


def _by_leaving_out(verdict: Verdict, left_out: pd.DataFrame) -> dict[str, object]:
    direction = math.copysign(1.0, verdict.estimate)
    estimate, error = left_out["estimate"].to_numpy(float), left_out["std_error"].to_numpy(float)
    worst = int(np.nanargmin(direction * estimate - critical_value(verdict.level, verdict.df) * error))
    name, value, half = left_out["left_out"].iloc[worst], float(estimate[worst]), _half(verdict, error[worst])
    says = f"without {name} the estimate is {say_number(value)}, the least of {len(left_out)}"
    ends = {"std_error": error[worst], "conf_low": value - half, "conf_high": value + half, "n": len(left_out)}
    return _row("leave one out", str(name), value, bar=verdict.estimate, stands=_clear(value, half, verdict), says=says, **ends)


def _by_rebound(verdict: Verdict, rows: pd.DataFrame, *, adjusted: bool) -> dict[str, object]:
    cluster = pd.factorize(rows["manager"])[0] if "manager" in rows else None
    found = expected_rebound(rows["before"].to_numpy(float), rows["after"].to_numpy(float), rows["treated"].to_numpy(bool), cluster=cluster)
    if found is None:
        return _row("regression to the mean", "", math.nan, stands=None, n=len(rows), says="not enough data to tell")
    back, error, raw = found
    half = _half(verdict, error)
    says = f"of the raw change of {say_number(raw)} against the others, {say_number(back)} is regression to the mean"
    stands = None
    if not adjusted:
        left = verdict.estimate - back
        stands = _clear(left, _half(verdict, math.hypot(verdict.std_error, error)), verdict)
        says += f"; without it the estimate would be {say_number(left)}"
    ends = {"std_error": error, "conf_low": back - half, "conf_high": back + half, "n": len(rows)}
    return _row("regression to the mean", "", back, bar=raw, stands=stands, says=says, **ends)


def _half(verdict: Verdict, error: float) -> float:
    return float(critical_value(verdict.level, verdict.df)) * float(error)


def _clear(value: float, half: float, verdict: Verdict) -> bool:
    """Whether an estimate is still on the finding's side of zero with its interval."""
    return bool(math.copysign(1.0, verdict.estimate) * value > half)


def _overturned_by(rows: list[dict[str, object]]) -> str:
    """Name what would overturn a finding that stands; what has overturned it already comes first."""
    gone = [str(row["says"]) for row in rows if row["stands"] is False]
    if gone:
        return f"already in doubt: {'; '.join(gone)}"
    need = {row["check"]: row for row in rows}
    parts = []
    if "E-value" in need:
        parts.append(f"an unseen cause tied to tactic and outcome by a risk ratio of {say_number(need['E-value']['bar'])} each")
    if "bent trend" in need:
        parts.append(f"a trend that bends by {say_number(need['bent trend']['estimate'])} a quarter")
    if "moves as before" in need and math.isfinite(float(need["moves as before"]["estimate"])):
        parts.append(f"a gap that moves {say_number(need['moves as before']['estimate'], digits=2)} times as much as before")
    if "hidden bias" in need:
        parts.append(f"odds of the tactic that differ {say_number(need['hidden bias']['estimate'])}-fold between partners that look alike")
    return " or ".join(parts)
