"""Predictions beside the spells they speak of: any table of risks or scores, matched and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import ContractError, ParameterError, SampleError, nearest
from partnerlab.results import Check
from partnerlab.spells import Spells
from partnerlab.survival.sample import Event, Sample, check_clusters, check_competing, check_size, draw_sample, known_starts

#: Name of the model where the table of predictions names none.
UNNAMED = "prediction"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one model says at one horizon, one value for each spell of the sample."""

    model: str
    time: float
    values: np.ndarray


def draw_holdout(spells: Spells, *, event: Event, late_entry: bool) -> tuple[Sample, tuple[Check, ...]]:
    """Turn spells into a sample that predictions are held against.

    Spells that come under observation late are left out where ``late_entry`` is False: whether they would have ended
    before cannot be known, and weights for censoring do not mend it.
    """
    used, starts = known_starts(spells)
    sample = draw_sample(used, event=event)
    checks = [*starts]
    if not late_entry and (sample.entry > 0).any():
        late = int((sample.entry > 0).sum())
        detail = f"{late} of {len(sample)} spells came under observation late and are left out; the others are seen from their start."
        checks.append(Check("Seen from their start", None, detail))
        sample = sample.rows(sample.entry <= 0)
    if len(sample) == 0:
        raise SampleError(f"no spell of {spells.of} is seen from its start; predictions cannot be held against anything")
    found = (check_size(sample, minimum=2, unit=spells.unit), check_clusters(sample), check_competing(sample))
    return sample, (*spells.checks, *checks, *(check for check in found if check))


def match_predictions(
    sample: Sample, predictions: pd.DataFrame, *, column: str, event: Event = None, at: float | None = None, timed: bool = True
) -> Iterator[Prediction]:
    """Give each model's values at each horizon in the order of the sample's spells.

    Raises
    ------
    ContractError
        If a column is missing, there are no rows, a value is no risk or no time, a spell has no prediction or several.
    ParameterError
        If ``at`` is none of the horizons.
    """
    check_predictions(predictions, "partner", column, *(["time"] if timed and at is None else []))
    predictions = _of_event(predictions, event, known=sample.causes)
    values = pd.to_numeric(predictions[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isfinite(values) | (((values < 0) | (values > 1)) if timed else False)
    if bad.any():
        what = "no risks between 0 and 1" if timed else "no numbers"
        raise ContractError(f"predictions.{column}: {int(bad.sum())} values are {what}; mend or drop them", column=column)
    place = _places(sample, predictions)
    model = predictions["model"].astype("str").to_numpy() if "model" in predictions else np.full(len(predictions), UNNAMED)
    unnamed = np.full(len(predictions), np.nan if at is None else float(at))
    time = _times(predictions["time"]) if timed and "time" in predictions else unnamed
    if timed and at is not None and not (time == at).any():
        raise ParameterError(
            f"predictions say nothing about time {at:g}; they speak of {', '.join(f'{one:g}' for one in np.unique(time)[:8])}"
        )
    for name in dict.fromkeys(model):
        for horizon in np.unique(time[model == name]) if timed else [np.nan]:
            if timed and at is not None and horizon != at:
                continue
            picked = (model == name) & (place >= 0) & ((time == horizon) | (not timed))
            laid = _one_each(sample, place[picked], values[picked], model=str(name), time=float(horizon))
            yield Prediction(model=str(name), time=float(horizon), values=laid)


def check_predictions(predictions: pd.DataFrame, *needed: str) -> None:
    """Refuse what is no table of predictions with these columns."""
    if not isinstance(predictions, pd.DataFrame):
        raise ContractError(f"predictions: expected a DataFrame with one row per spell, got {type(predictions).__name__}")
    for name in needed:
        if name not in predictions:
            raise ContractError(f"predictions: no column {name!r}{nearest(name, predictions.columns)}", column=name)
        if list(predictions.columns).count(name) > 1:
            raise ContractError(f"predictions: the column {name!r} stands twice; rename or drop one", column=name)
    if len(predictions) == 0:
        raise ContractError("predictions: the table has no rows; give one for each spell", rows=0)


def _of_event(predictions: pd.DataFrame, event: Event, *, known: Sequence[str]) -> pd.DataFrame:
    """Keep what is said of the ending asked for, where predictions name endings, each in an ``outcome``."""
    if "outcome" not in predictions:
        return predictions
    said = predictions["outcome"].astype("str")
    # one name may be any, such as that of all endings together, but not that of another ending
    if said.nunique() < 2 and (not isinstance(event, str) or not set(said) & (set(known) - {event})):
        return predictions
    if not isinstance(event, str):
        raise ContractError(
            f"predictions: the column 'outcome' speaks of {', '.join(said.unique()[:4])}; say which with event=", column="outcome"
        )
    if event not in set(said):
        raise ContractError(f"predictions.outcome: nothing is said of {event!r}{nearest(event, said.unique())}", column="outcome")
    return predictions[(said == event).to_numpy()]


def _places(sample: Sample, predictions: pd.DataFrame) -> np.ndarray:
    """Row of the sample that each prediction speaks of, -1 where there is none."""
    several = sample.clustered
    if several and "spell" not in predictions:
        raise ContractError("predictions: partners have several spells; say in a 'spell' column (1, 2, ...) which is meant", column="spell")
    partner = pd.Index(sample.names).get_indexer(predictions["partner"])
    if not several:
        row = np.full(len(sample.names), -1)
        row[sample.partner] = np.arange(len(sample))
        found = np.where(partner >= 0, row[partner], -1)
        if "spell" in predictions:
            found = np.where((found >= 0) & (sample.spell[found] == predictions["spell"].to_numpy()), found, -1)
        return found
    keys = pd.MultiIndex.from_arrays([sample.partner, sample.spell])
    return keys.get_indexer(pd.MultiIndex.from_arrays([partner, predictions["spell"].to_numpy()]))


def _times(told: pd.Series) -> np.ndarray:
    time = pd.to_numeric(told, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isfinite(time)
    if bad.any():
        raise ContractError(
            f"predictions.time: {int(bad.sum())} values are no times; mend or drop them", column="time", rows=int(bad.sum())
        )
    return time


def _one_each(sample: Sample, place: np.ndarray, values: np.ndarray, *, model: str, time: float) -> np.ndarray:
    """Bring values into the order of the sample, refusing gaps and doubles."""
    count = np.bincount(place, minlength=len(sample))
    for wrong, what in ((count == 0, "have no prediction"), (count > 1, "have several predictions")):
        if wrong.any():
            first = sample.names[sample.partner[np.flatnonzero(wrong)[0]]]
            when = f" at time {time:g}" if np.isfinite(time) else ""
            told = f"{int(wrong.sum())} of {len(sample)} spells {what} (first: partner {first})"
            raise ContractError(f"predictions of {model}{when}: {told}; give one for each", rows=int(wrong.sum()))
    laid = np.empty(len(sample))
    laid[place] = values
    return laid
