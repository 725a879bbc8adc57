"""Readings of ways of ending, comparisons, calibration and scores; and a hold-out for predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.panel import Panel
from partnerlab.report.readings import READ_AT, read_result
from partnerlab.report.tables import FEWEST_GROUPS, MOST_GROUPS, USUAL
from partnerlab.spells import Spells
from partnerlab.stats.inference.replicates import hash_units
from partnerlab.survival import Calibration, CoxModel, IncidenceComparison, IncidenceEstimate, PredictionScores, SurvivalComparison
from partnerlab.tiers.history import TierHistory
from partnerlab.words import plural, say_interval, say_number, say_p, say_pair, say_share

#: Fewer partners than this are not split: neither half would say anything.
FEWEST_TO_SPLIT = 60

#: What a first deal is seen by, best first.
FIRSTS = ("deals_won", "deals_registered", "revenue", "leads")


def choose_first(panel: Panel) -> str:
    """Name the indicator whose first time is waited for: deals won, else registered, else revenue, else leads.

    Raises
    ------
    SampleError
        If the panel has none of them.
    """
    found = next((name for name in FIRSTS if panel.known(name)), None)
    if found is None:
        raise SampleError(f"the scheme's indicators tell of no first deal ({', '.join(FIRSTS)})")
    return found


def choose_attributes(history: TierHistory) -> list[str]:
    """Name the usual attributes with two to eight values.

    Raises
    ------
    SampleError
        If there is none.
    """
    counts = {name: history.attributes[name].nunique() for name in USUAL if name in history.attributes.columns}
    found = [name for name, count in counts.items() if FEWEST_GROUPS <= count <= MOST_GROUPS]
    if not found:
        raise SampleError(f"partners have no attribute with {FEWEST_GROUPS} to {MOST_GROUPS} values ({', '.join(USUAL)})")
    return found


def split_spells(spells: Spells, *, half: Literal["learned", "held"], seed: int) -> Spells:
    """Give one of two halves of the partners, drawn by a hash: one to learn from, one to be predicted.

    Raises
    ------
    SampleError
        If there are fewer than 60 partners.
    """
    code = pd.factorize(spells.frame["partner"])[0]
    partners = int(code.max(initial=-1)) + 1
    if partners < FEWEST_TO_SPLIT:
        raise SampleError(f"{plural(partners, 'partner')} are too few to predict one half from the other; {FEWEST_TO_SPLIT} are needed")
    learned = (hash_units(code, seed) >> np.uint64(63)).astype(bool)
    return spells.select(learned if half == "learned" else ~learned)


def predict_risks(model: CoxModel, *, spells: Spells, times: Sequence[float]) -> pd.DataFrame:
    """Predict the risk of having ended by each time for spells that the model has not seen.

    Raises
    ------
    SampleError
        If a spell has attributes that the model has never seen.
    """
    frame = spells.frame.reset_index(drop=True)
    said = model.predict(frame.drop(columns="partner"), times=times)
    unknown = int(said["risk"].isna().sum()) // len(times)
    if unknown:
        raise SampleError(f"{plural(unknown, 'spell')} of the half to be predicted have attributes that the other half never shows")
    return pd.concat([frame.loc[said["row"], ["partner", "spell"]].reset_index(drop=True), said[["time", "risk"]]], axis=1)


@read_result.register(IncidenceEstimate)
def _incidence(result: IncidenceEstimate) -> tuple[str, ...]:
    groups = [key for key in result.keys if key != "time"]
    last = float(result.table["time"].max())
    times = [time for time in READ_AT if time <= last] or [last]
    if set(result.table["cause"]) == {"any"}:
        row = result.at(times[:1]).iloc[0]
        high = say_share(row["conf_high"]) if np.isfinite(row["conf_high"]) else "any share"
        seen = f"None of {say_number(row['n'])} was seen ending, so at most {high} do within {plural(row['time'], result.unit)}"
        return (f"{seen}. ({result.estimand}.)",)
    said = []
    for name, curve in result.at(times).dropna(subset=["estimate"]).groupby(groups, sort=False, observed=True):
        who = ", ".join(str(part) for part in (name if isinstance(name, tuple) else (name,)))
        parts = [
            f"{say_share(row['estimate'])} after {plural(row['time'], result.unit)} "
            f"({say_interval(row['conf_low'], row['conf_high'], kind='share')})"
            for _, row in curve.iterrows()
        ]
        said.append(f"{_upper(who)}: {', '.join(parts)}.")
    return tuple(said[:8]) or (f"{result.estimand}: not enough data.",)


@read_result.register(SurvivalComparison)
def _longer(result: SurvivalComparison) -> tuple[str, ...]:
    known = result.table.dropna(subset=["std_error"])
    by = result.keys[0]
    said = [
        f"{_upper(str(row[by]))}: {_apart(row)[0]} {result.unit}s {'longer' if row['estimate'] > 0 else 'shorter'} than "
        f"{row['reference']} within the first {say_number(result.tau)} ({_apart(row)[1]})."
        for _, row in known.iterrows()
        if row["conf_low"] > 0 or row["conf_high"] < 0
    ]
    if known.empty:
        return (f"{result.estimand}: not enough data.",)
    return tuple(said) or (f"No group stays clearly longer than {known['reference'].iloc[0]}: every interval holds no difference.",)


def _apart(row: pd.Series) -> tuple[str, str]:
    """Write a difference without its sign, and its interval."""
    middle, interval = say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
    return middle.lstrip("−-"), interval


@read_result.register(IncidenceComparison)
def _more_often(result: IncidenceComparison) -> tuple[str, ...]:
    known = result.tests.dropna(subset=["p_value"])
    if known.empty:
        return (f"{result.estimand}: not enough data.",)
    # several ways are looked at: 5 % is shared among them
    apart = known[known["p_value"] < 0.05 / len(known)]
    if apart.empty:
        return (f"Groups do not clearly differ in any of {plural(len(known), 'way')} of ending (Gray's test).",)
    return tuple(
        f"{_upper(row['cause'])}: groups differ in how often a stay ends so (Gray's test, {say_p(row['p_value'])})."
        for _, row in apart.iterrows()
    )


@read_result.register(Calibration)
def _calibration(result: Calibration) -> tuple[str, ...]:
    words = {"observed / expected": "As many ended as was predicted", "slope": "Predictions are as far apart as they should be"}
    wrong = {"observed / expected": ("Fewer ended than was predicted", "More ended than was predicted"),
             "slope": ("Predictions lie too far apart", "Predictions lie too close together")}  # fmt: skip
    said = []
    for row in result.summaries.dropna(subset=["conf_low"]).itertuples():
        if row.quantity not in words:
            continue
        side = words[row.quantity] if row.conf_low <= 1 <= row.conf_high else wrong[row.quantity][int(row.conf_low > 1)]
        middle, interval = say_pair(row.estimate, row.conf_low, row.conf_high, kind="number")
        tail = ", as far as can be told" if side == words[row.quantity] else ""
        said.append(f"By {plural(row.time, result.unit)}: {side.lower()}{tail} ({row.quantity} {middle}, {interval}; 1 is right).")
    return tuple(said) or (f"{result.estimand}: not enough data.",)


@read_result.register(PredictionScores)
def _scores(result: PredictionScores) -> tuple[str, ...]:
    said = []
    for _, row in result.table.dropna(subset=["estimate"]).iterrows():
        when = f" by {plural(row['time'], result.unit)}" if "time" in result.table else ""
        middle, interval = say_pair(row["estimate"], row["conf_low"], row["conf_high"], kind="number")
        score = f"{result.measure}{when}: {middle} ({interval})"
        said.append(f"{score}{_beside(row) if 'skill' in result.table else '; 0.5 is chance, 1 a perfect order'}.")
    return tuple(said) or (f"{result.estimand}: not enough data.",)


def _beside(row: pd.Series) -> str:
    """Say how much better, or worse, a Brier score is than that of one curve for all."""
    share, low, high, way = row["skill"], row["skill_low"], row["skill_high"], "better"
    if share < 0:
        share, low, high, way = -share, -high, -low, "worse"
    return f"; {say_share(share)} {way} than one curve for all ({say_interval(low, high, kind='share')})"


def _upper(name: str) -> str:
    return f"{name[:1].upper()}{name[1:]}"
