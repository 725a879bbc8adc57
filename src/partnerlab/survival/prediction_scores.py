"""How good predicted risks are: Brier score, area under the ROC curve, concordance, with censoring and several spells a partner."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.results import Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.curves import incidence, risksets
from partnerlab.stats.curves.clustered_curves import sum_by_cluster
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.prediction import censored_scores
from partnerlab.stats.prediction.concordance import concordance
from partnerlab.survival.predictions import Prediction, check_predictions, draw_holdout, match_predictions
from partnerlab.survival.sample import Event, Sample


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictionScores(Result):
    """Scores of one or more models, one row for each model (and horizon).

    ``table`` has ``model[, time]``, the score with its interval and ``n`` (spells), then what belongs to the measure:
    ``reference, skill, skill_low, skill_high`` for the Brier score (the curve of all spells as the reference),
    ``events`` for the others.

    Parameters
    ----------
    differences : DataFrame
        Each model's score less the first model's at the same horizon, paired: ``model[, time]``, the tidy columns,
        ``reference, p_value``.
    integrated : DataFrame or None
        Brier score averaged over the horizons (trapezium rule), one row for each model.
    measure : str
        What was computed.
    unit : str
        Name of one period.
    """

    differences: pd.DataFrame = dataclasses.field(repr=False)
    integrated: pd.DataFrame | None = dataclasses.field(repr=False, default=None)
    measure: str = "Brier score"
    unit: str = "quarter"

    title: ClassVar[str] = "How good the predictions are"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Scored:
    """One model at one horizon: the score and each partner's influence on it."""

    model: str
    time: float
    score: float
    influence: np.ndarray
    extra: dict[str, float]


_Rule = Callable[[censored_scores.Horizon, Prediction], tuple[float, np.ndarray, dict[str, float]]]


def estimate_brier(
    spells: Spells, *, predictions: pd.DataFrame, event: Event = None, at: float | None = None, risk: str = "risk", level: float = 0.95
) -> PredictionScores:
    """Score predicted risks by the mean squared distance from what happened, censored outcomes weighted in.

    0 is perfect; a risk of one half for everybody scores 0.25. The skill is what share of the score of the curve of
    all spells (Kaplan-Meier, or Aalen-Johansen among other endings), which knows no differences, is taken away.

    Parameters
    ----------
    spells : Spells
        What happened; spells that were not used to make the predictions, if the score is to say anything about new
        ones. Those that came under observation late are left out, and counted.
    predictions : DataFrame
        ``partner``, ``spell`` where partners have several, ``time`` (horizon, periods since the start), the risk of
        having ended by then, and ``model`` where there are several; one row for each. Where ``outcome`` names ways of
        ending, those of ``event`` are read.
    event : str or sequence of str, optional
        The ending that is predicted; others then compete with it. All by default.
    at : float, optional
        Only this horizon; also the horizon of predictions that name none.
    risk : str
        Name of the column of risks.
    level : float
        Coverage of the intervals.

    Raises
    ------
    ContractError
        If predictions lack a column, a spell, or hold values that are no risks.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": list("abcd"), "duration": [1, 3, 4, 4], "event": [1, 1, 0, 0]})
    >>> said = pd.DataFrame({"partner": list("abcd"), "time": 3.0, "risk": [0.9, 0.6, 0.4, 0.1]})
    >>> estimate_brier(Spells.from_frame(frame), predictions=said).table[["estimate", "reference", "skill"]].round(3).to_numpy().tolist()
    [[0.085, 0.25, 0.66]]
    """
    sample, checks = draw_holdout(spells, event=None, late_entry=False)
    spans = join_endings(sample, event)

    def rule(horizon: censored_scores.Horizon, one: Prediction) -> tuple[float, np.ndarray, dict[str, float]]:
        score, influence = censored_scores.brier_score(horizon, one.values)
        base, base_influence = censored_scores.brier_score(horizon, np.full(len(sample), _share(spans, one.time)))
        if not base > 0:
            return score, influence, {"reference": base, "skill": np.nan, "skill_error": np.nan}
        skilled = sum_by_cluster(score * base_influence / base**2 - influence / base, sample.partner)
        return score, influence, {"reference": base, "skill": 1 - score / base, "skill_error": float(np.sqrt((skilled**2).sum()))}

    rows = _score_each(sample, spans, match_predictions(sample, predictions, column=risk, event=event, at=at), rule)
    table = _table(rows, sample, level=level, highest=np.inf)
    reach = float(critical_value(level)) * table.pop("skill_error")
    table = table.assign(skill_low=table["skill"] - reach, skill_high=table["skill"] + reach)
    return PredictionScores(
        estimand=f"Mean squared distance of the predicted risk from what happened, by {spells.unit}s since the start",
        **_read_scores(rows, sample, spans, table, checks, level),
        integrated=_integrate(rows, sample, level=level),
        measure="Brier score",
        unit=spells.unit,
    )


def estimate_auc(
    spells: Spells, *, predictions: pd.DataFrame, event: Event = None, at: float | None = None, risk: str = "risk", level: float = 0.95
) -> PredictionScores:
    """Score how well predicted risks tell apart who has ended by a horizon: time-dependent area under the ROC curve.

    The chance that, of a spell that ended by the horizon and one that did not, the first had the higher risk; 0.5 is
    no better than a coin. Spells that ended in another way count among those that did not end in this one.

    Parameters
    ----------
    spells, predictions, event, at, risk, level
        As in `estimate_brier`.

    Raises
    ------
    ContractError
        If predictions lack a column, a spell, or hold values that are no risks.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": list("abcd"), "duration": [1, 3, 4, 4], "event": [1, 1, 0, 0]})
    >>> said = pd.DataFrame({"partner": list("abcd"), "time": 3.0, "risk": [0.9, 0.3, 0.4, 0.1]})
    >>> float(estimate_auc(Spells.from_frame(frame), predictions=said).table["estimate"].iloc[0])
    0.75
    """
    sample, checks = draw_holdout(spells, event=None, late_entry=False)
    spans = join_endings(sample, event)

    def rule(horizon: censored_scores.Horizon, one: Prediction) -> tuple[float, np.ndarray, dict[str, float]]:
        return *censored_scores.roc_area(horizon, one.values), {"events": int(horizon.outcome.sum())}

    rows = _score_each(sample, spans, match_predictions(sample, predictions, column=risk, event=event, at=at), rule)
    table = _table(rows, sample, level=level, highest=1.0)
    return PredictionScores(
        estimand=f"Chance that who ended by then had a higher predicted risk than who did not, by {spells.unit}s since the start",
        **_read_scores(rows, sample, spans, table, (*checks, *_say_unsure(table)), level),
        measure="Area under the ROC curve",
        unit=spells.unit,
    )


def estimate_concordance(  # noqa: PLR0913 - each a question of its own
    spells: Spells,
    *,
    predictions: pd.DataFrame,
    weights: Literal["harrell", "uno"] = "uno",
    event: Event = None,
    at: float | None = None,
    tau: float | None = None,
    score: str = "score",
    level: float = 0.95,
) -> PredictionScores:
    """Score how well predictions put spells in order: how often, of two, the one with the higher score ended first.

    Parameters
    ----------
    spells : Spells
        What happened. With Harrell's weights those that came under observation late are compared while they were at
        risk; with Uno's they are left out, and counted.
    predictions : DataFrame
        ``partner``, ``spell`` where partners have several, the score (higher is thought to end sooner), and ``model``
        where there are several.
    weights : {"harrell", "uno"}
        Harrell's counts comparable pairs alike and moves with the censoring; Uno's does not.
    event : str or sequence of str, optional
        Endings that count; others are treated as censoring. All by default.
    at : float, optional
        Where the table holds scores of several horizons in a column ``time``, the one to use.
    tau : float, optional
        Only endings up to this time; Uno's weights grow large beyond the bulk of the censorings.
    score : str
        Name of the column of scores.
    level : float
        Coverage of the intervals.

    Raises
    ------
    ContractError
        If predictions lack a column or a spell.
    ParameterError
        If there are no such weights.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": list("abc"), "duration": [1, 2, 3], "event": [1, 1, 0]})
    >>> said = pd.DataFrame({"partner": list("abc"), "score": [3, 1, 2]})
    >>> float(estimate_concordance(Spells.from_frame(frame), predictions=said, weights="harrell").table["estimate"].round(3).iloc[0])
    0.667
    """
    if weights not in ("harrell", "uno"):
        raise ParameterError(f"weights are {weights!r}{nearest(str(weights), ('harrell', 'uno'))}")
    # Uno's weights hold for spells that are seen from their start
    sample, checks = draw_holdout(spells, event=event, late_entry=weights == "harrell")
    spans = sample.spans._replace(cause=np.minimum(sample.cause, 0))
    rows = []
    check_predictions(predictions, score, *([] if at is None else ["time"]))
    told = predictions if at is None else predictions[predictions["time"] == at]
    for one in match_predictions(sample, told, column=score, event=event, timed=False):
        share, influence, pairs = concordance(spans, one.values, weighted=weights == "uno", tau=np.inf if tau is None else tau)
        extra = {"events": int((spans.cause != risksets.CENSORED).sum()), "pairs": pairs}
        rows.append(_Scored(model=one.model, time=np.nan, score=share, influence=_by_partner(sample, influence), extra=extra))
    name, table = f"{weights.capitalize()}'s concordance", _table(rows, sample, level=level, highest=1.0)
    return PredictionScores(
        estimand=f"Chance that of two spells the one with the higher score ended first ({name})",
        table=table.drop(columns="time"),
        checks=(*checks, *_say_unsure(table)),
        level=level,
        differences=_differences(rows, sample, level=level).drop(columns="time"),
        measure=name,
        unit=spells.unit,
    )


def join_endings(sample: Sample, event: Event) -> risksets.Spans:
    """Join the endings asked for into cause 0 and all others into cause 1."""
    asked = sample.causes if event is None else (event,) if isinstance(event, str) else tuple(event)
    for name in asked:
        if name not in sample.causes:
            raise ParameterError(f"no spell ends by {name!r}{nearest(name, sample.causes)}", event=name)
    joined = np.array([0 if name in asked else 1 for name in sample.causes] + [risksets.CENSORED])
    return sample.spans._replace(cause=joined[sample.cause])


def follow_up(spans: risksets.Spans) -> float:
    """Time up to which what happened is known of any spell; without end where the last ones were all seen ending."""
    if len(spans.duration) == 0:
        return -np.inf
    last = spans.duration.max()
    return float(last) if (spans.cause[spans.duration == last] == risksets.CENSORED).any() else np.inf


def _share(spans: risksets.Spans, t: float) -> float:
    """Share of all spells that has ended in the way asked for by ``t``."""
    sets = risksets.count_risk_sets(spans, causes=2)
    place = int(np.searchsorted(sets.time, t, side="right")) - 1
    return float(incidence.aalen_johansen(sets.at_risk[0], sets.events[0])[0][place]) if place >= 0 else 0.0


def _score_each(sample: Sample, spans: risksets.Spans, predictions: Iterable[Prediction], rule: _Rule) -> list[_Scored]:
    """Score each model at each horizon by what is known of the spells by then."""
    rows = []
    for one in predictions:
        score, influence, extra = rule(censored_scores.known_by(spans, one.time), one)
        rows.append(_Scored(model=one.model, time=one.time, score=score, influence=_by_partner(sample, influence), extra=extra))
    return rows


def _read_scores(
    rows: list[_Scored], sample: Sample, spans: risksets.Spans, table: pd.DataFrame, checks: tuple[Check, ...], level: float
) -> dict[str, Any]:
    """Fields of a result that scores at horizons share."""
    table = _mark_beyond(table, spans)
    reach = _check_reach(table, spans)
    return {"table": table, "checks": (*checks, reach), "level": level, "differences": _differences(rows, sample, level=level)}


def _by_partner(sample: Sample, influence: np.ndarray) -> np.ndarray:
    return sum_by_cluster(influence, sample.partner)


def _table(rows: list[_Scored], sample: Sample, *, level: float, highest: float) -> pd.DataFrame:
    """One row for each model and horizon."""
    reach, lines = float(critical_value(level)), []
    for row in rows:
        error = float(np.sqrt((row.influence**2).sum()))
        # where all are equally far off nothing tells how sure that is
        error = error if error > 1e-12 else np.nan
        low, high = np.clip([row.score - reach * error, row.score + reach * error], 0.0, highest)
        bounds = {"estimate": row.score, "std_error": error, "conf_low": low, "conf_high": high, "n": len(sample)}
        lines.append({"model": row.model, "time": row.time, **bounds, **row.extra})
    return pd.DataFrame(lines)


def _say_unsure(table: pd.DataFrame) -> list[Check]:
    """Say why a score has no interval."""
    found = []
    for row in table[table["std_error"].isna()].itertuples():
        name = f"Interval of {row.model}" + (f" at {row.time:g}" if np.isfinite(row.time) else "")
        said = f"not enough data ({row.events} of {row.n} spells seen ending)"
        if row.events < 2:
            said += ": one has nothing to differ from" if row.events else ""
        elif np.isfinite(row.estimate):
            said = f"every spell that can be compared says the same ({row.estimate:g}), which is not certainty"
        found.append(Check(name, None, f"{said}."))
    return found


def _mark_beyond(table: pd.DataFrame, spans: risksets.Spans) -> pd.DataFrame:
    """Leave out numbers at horizons that nobody was followed to."""
    beyond = table["time"] > follow_up(spans)
    numbers = [column for column in table.columns if column not in ("model", "time", "n", "events")]
    table.loc[beyond, numbers] = np.nan
    return table


def _check_reach(table: pd.DataFrame, spans: risksets.Spans) -> Check:
    """Say how many spells are followed to the last horizon."""
    last = float(table["time"].max())
    known = int(((spans.duration > last) | (spans.cause != risksets.CENSORED)).sum())
    detail = f"The outcome by {last:g} is known of {known} of {len(spans.duration)} spells; they are weighted to stand for the others."
    return Check("Outcomes known", None if known else False, detail)


def _differences(rows: list[_Scored], sample: Sample, *, level: float) -> pd.DataFrame:
    """Differences from the first model at the same horizon, paired by partner."""
    from scipy.special import ndtr

    reach, lines = float(critical_value(level)), []
    first = {row.time if np.isfinite(row.time) else None: row for row in reversed(rows) if row.model == rows[0].model}
    for row in rows:
        base = first.get(row.time if np.isfinite(row.time) else None)
        if row.model == rows[0].model or base is None:
            continue
        gap, error = row.score - base.score, float(np.sqrt(((row.influence - base.influence) ** 2).sum()))
        p_value = float(2 * ndtr(-abs(gap) / error)) if error > 0 else np.nan
        bounds = {"estimate": gap, "std_error": error, "conf_low": gap - reach * error, "conf_high": gap + reach * error, "n": len(sample)}
        lines.append({"model": row.model, "time": row.time, **bounds, "reference": base.model, "p_value": p_value})
    columns = ["model", "time", "estimate", "std_error", "conf_low", "conf_high", "n", "reference", "p_value"]
    return pd.DataFrame(lines, columns=columns)


def _integrate(rows: list[_Scored], sample: Sample, *, level: float) -> pd.DataFrame | None:
    """Average each model's score over its horizons by the trapezium rule; None with one horizon."""
    models: dict[str, list[_Scored]] = {}
    for row in rows:
        models.setdefault(row.model, []).append(row)
    if any(len(scored) < 2 for scored in models.values()):
        return None
    whole = []
    for name, scored in models.items():
        times = np.array([row.time for row in scored])
        halves = np.diff(times) / 2
        weight = (np.concatenate([halves, [0.0]]) + np.concatenate([[0.0], halves])) / (times[-1] - times[0])
        score = float(weight @ np.array([row.score for row in scored]))
        whole.append(
            _Scored(model=name, time=np.nan, score=score, influence=weight @ np.stack([row.influence for row in scored]), extra={})
        )
    return _table(whole, sample, level=level, highest=np.inf).drop(columns="time")
