"""Whether predicted risks come true: observed against expected by bins, calibration in the large, calibration slope."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.results import Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.curves import incidence, risksets
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.prediction import calibration
from partnerlab.survival.prediction_scores import follow_up, join_endings
from partnerlab.survival.predictions import Prediction, draw_holdout, match_predictions
from partnerlab.survival.sample import Event, Sample

#: Fewer spells than this in a bin say little; there are fewer bins then.
LEAST_IN_BIN = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration(Result):
    """Observed beside expected shares, one row for each model, horizon and bin of predicted risk.

    ``table`` has ``model, time, bin``; ``estimate`` is the share that has ended by then (Kaplan-Meier, or
    Aalen-Johansen among other endings) with its interval, ``n`` spells; then ``expected`` (mean predicted risk),
    ``lowest, highest`` (risks in the bin).

    Parameters
    ----------
    summaries : DataFrame
        ``model, time, quantity`` and the tidy columns, with ``ideal``: ``observed / expected`` (1), ``intercept`` (0: the
        predictions are neither too high nor too low on the scale of the link) and ``slope`` (1: below it they are too
        extreme, above it too timid). The last two are of the risks between 0 and 1; others have no place on the link's scale, and
        a check counts them.
    unit : str
        Name of one period.
    """

    summaries: pd.DataFrame = dataclasses.field(repr=False)
    unit: str = "quarter"

    title: ClassVar[str] = "Do the predictions come true"


def check_calibration(  # noqa: PLR0913 - each a question of its own
    spells: Spells,
    *,
    predictions: pd.DataFrame,
    event: Event = None,
    at: float | None = None,
    bins: int = 10,
    link: Literal["cloglog", "logit"] = "cloglog",
    risk: str = "risk",
    level: float = 0.95,
) -> Calibration:
    """Check predicted risks against what happened on spells that were not used to make them.

    Censored outcomes are stood in for by pseudo-values, which are regressed on the prediction: with the slope fixed at
    1 for the intercept, freely for the slope; standard errors are clustered by partner (van Geloven et al. 2022,
    doi:10.1136/bmj-2021-069249). Without censoring before the horizon and with ``link="logit"`` this is ordinary
    logistic recalibration.

    Parameters
    ----------
    spells, predictions, event, at, risk, level
        As in `estimate_brier`.
    bins : int
        Groups of about equal size by predicted risk; fewer where there are not 20 spells for each.
    link : {"cloglog", "logit"}
        Scale of intercept and slope; the first is that of proportional hazards.

    Raises
    ------
    ContractError
        If predictions lack a column, a spell, or hold values that are no risks.
    ParameterError
        If there is no such link.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": range(40), "duration": [2, 4] * 20, "event": [1, 0] * 20})
    >>> said = pd.DataFrame({"partner": range(40), "time": 3.0, "risk": [0.6, 0.4] * 20})
    >>> check_calibration(Spells.from_frame(frame), predictions=said).table[["estimate", "expected", "n"]].round(3).to_numpy().tolist()
    [[0.0, 0.4, 20.0], [1.0, 0.6, 20.0]]
    """
    if link not in calibration.LINKS:
        raise ParameterError(f"link is {link!r}{nearest(str(link), calibration.LINKS)}")
    if bins < 1:
        raise ParameterError(f"bins are {bins}; give one or more")
    sample, checks = draw_holdout(spells, event=None, late_entry=False)
    spans = join_endings(sample, event)
    z = float(critical_value(level))
    tables, summaries = [], []
    for one in match_predictions(sample, predictions, column=risk, event=event, at=at):
        tables.append(_bins(spans, one, bins=bins, z=z))
        summaries.append(_summaries(sample, spans, one, link=link, z=z))
    summary = pd.concat(summaries, ignore_index=True)
    columns = ["model", "time", "quantity", "estimate", "std_error", "conf_low", "conf_high", "n", "ideal"]
    return Calibration(
        estimand=f"Share ended among spells of about the same predicted risk, by {spells.unit}s since the start",
        table=pd.concat(tables, ignore_index=True),
        checks=(*checks, *_say_summaries(summary)),
        level=level,
        summaries=summary[columns],
        unit=spells.unit,
    )


def _observed(spans: risksets.Spans, t: float, z: float) -> dict[str, float]:
    """Share ended by ``t`` with its log-log interval; NaN where nobody was followed so far."""
    if t > follow_up(spans):
        return dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), np.nan)
    sets = risksets.count_risk_sets(spans, causes=2)
    place = int(np.searchsorted(sets.time, t, side="right")) - 1
    n, d = sets.at_risk[0], sets.events[0]
    share = np.concatenate([[0.0], incidence.aalen_johansen(n, d)[0]])[place + 1]
    error = np.sqrt(np.concatenate([[0.0], incidence.incidence_variance(n, d)[0]])[place + 1])
    rest = 1.0 - share if share < 1 - 1e-12 else 0.0
    log_variance = np.array([(error / rest) ** 2 if rest > 0 else np.nan])
    low, high = risksets.survival_interval(np.array([rest]), log_variance, np.array([n[0]]), quantile=z)
    # where all, or none, have ended Greenwood's error is nothing, which is not certainty
    error = error if error > 0 else np.nan
    return {"estimate": share, "std_error": error, "conf_low": 1.0 - high[0], "conf_high": 1.0 - low[0]}


def _bins(spans: risksets.Spans, one: Prediction, *, bins: int, z: float) -> pd.DataFrame:
    """Observed beside expected by bins of predicted risk; equal risks stay together."""
    count = int(np.clip(len(one.values) // LEAST_IN_BIN, 1, bins))
    edges = np.unique(np.quantile(one.values, np.linspace(0, 1, count + 1)[1:-1], method="inverted_cdf"))
    code = np.searchsorted(edges, one.values, side="left")
    rows = []
    for index in range(len(edges) + 1):
        mine = code == index
        if not mine.any():
            continue
        inside = risksets.Spans(*(values[mine] for values in spans))
        risks = one.values[mine]
        keys = {"model": one.model, "time": one.time, "bin": len(rows) + 1}
        beside = {"n": int(mine.sum()), "expected": float(risks.mean()), "lowest": float(risks.min()), "highest": float(risks.max())}
        rows.append(keys | _observed(inside, one.time, z) | beside)
    return pd.DataFrame(rows)


def _summaries(sample: Sample, spans: risksets.Spans, one: Prediction, *, link: str, z: float) -> pd.DataFrame:
    """Observed over expected, intercept and slope of one model at one horizon, and why one of them is not known."""
    whole, expected, n = _observed(spans, one.time, z), float(one.values.mean()), len(sample)
    ratio = {name: value / expected if expected else np.nan for name, value in whole.items()}
    why = "" if expected else f"nobody was expected to end, {whole['estimate']:.0%} did"
    rows = [{"quantity": "observed / expected", **ratio, "n": n, "ideal": 1.0, "why": why}]
    inside = (one.values > 0.0) & (one.values < 1.0)
    x, used = calibration.link_risk(one.values[inside], link), int(inside.sum())
    pseudo = calibration.pseudo_values(spans, one.time, causes=2)[inside] if used and np.isfinite(whole["estimate"]) else np.zeros(0)
    for name, ideal in (("intercept", 0.0), ("slope", 1.0)):
        why = "" if used else "all predicted risks are 0 or 1, which have no place on the scale of the link"
        if name == "slope" and used and np.ptp(x) < 1e-9:
            why = "all predicted risks are the same"
        value, error = (np.nan, np.nan)
        if len(pseudo) and not why:
            value, error = _recalibrate(pseudo, x, sample.partner[inside], link=link, free=name == "slope")
        tidy = {"estimate": value, "std_error": error, "conf_low": value - z * error, "conf_high": value + z * error, "n": used}
        rows.append({"quantity": name, **tidy, "ideal": ideal, "why": why})
    return pd.DataFrame(rows).assign(model=one.model, time=one.time, outside=n - used)


def _recalibrate(pseudo: np.ndarray, x: np.ndarray, partner: np.ndarray, *, link: str, free: bool) -> tuple[float, float]:
    """Slope where it is free, else intercept with a slope of 1; NaN where there is no error to it."""
    ones = np.ones((len(x), 1))
    design, offset = (np.column_stack([ones, x]), np.zeros(len(x))) if free else (ones, x)
    found, covariance = calibration.recalibrate_pseudo(pseudo, design, offset=offset, link=link, cluster=partner)
    error = float(np.sqrt(covariance[-1, -1]))
    return (float(found[-1]), error) if error > 1e-9 else (np.nan, np.nan)


def _say_summaries(summary: pd.DataFrame) -> list[Check]:
    """Say of each quantity whether its interval holds what it should be, and which risks have no place on its scale."""
    found = []
    for row in summary.itertuples():
        name = f"{row.quantity} of {row.model} at {row.time:g}"
        if row.quantity == "intercept" and row.outside and row.n:
            detail = (
                f"{row.outside} of {row.outside + row.n} have no place on the scale of the link: intercept and slope are of the others."
            )
            found.append(Check(f"Risks of 0 or 1 of {row.model} at {row.time:g}", False, detail))
        if not np.isfinite(row.estimate) or not np.isfinite(row.std_error):
            found.append(Check(name, None, f"{row.why or f'not enough data (n = {row.n})'}."))
            continue
        holds = bool(row.conf_low <= row.ideal <= row.conf_high)
        detail = f"{row.estimate:.2f} ({row.conf_low:.2f} to {row.conf_high:.2f}); {row.ideal:g} if the predictions come true."
        found.append(Check(name, holds, detail))
    return found
