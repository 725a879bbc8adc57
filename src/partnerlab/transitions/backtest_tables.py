"""Tables of a backtest: paired differences of scores, calibration, reliability, quarter by quarter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from partnerlab.stats.inference.clusters import design_effects, jackknife_shares
from partnerlab.stats.inference.intervals import share_interval
from partnerlab.stats.prediction.recalibration import mean_difference, recalibrate
from partnerlab.stats.prediction.scoring_rules import brier_scores, log_scores, ranked_scores
from partnerlab.transitions.baselines import BASELINES

#: Bins of a reliability table, and fewest forecasts in one.
BINS, FEWEST_IN_BIN = 10, 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trials:
    """Forecasts with what came: one row for each partner, origin and number of quarters ahead.

    Parameters
    ----------
    partner, origin, ahead, period, target : ndarray of int, shape (m,)
        Who; state when the forecast was made; quarters ahead; quarter forecast; state reached.
    said : mapping of str to ndarray, each of shape (m, s)
        Probabilities of the states: "ours" and the simple forecasts'.
    states : int
        Number of states, the unknown one last.
    """

    partner: np.ndarray
    origin: np.ndarray
    ahead: np.ndarray
    period: np.ndarray
    target: np.ndarray
    said: Mapping[str, np.ndarray]
    states: int

    def classed(self, name: str, classes: np.ndarray) -> np.ndarray:
        """Probabilities of classes of states, those not scored left out: shape ``(m, k)``."""
        grouped = np.zeros((len(self.target), int(classes.max()) + 1))
        for state in np.flatnonzero(classes >= 0):
            grouped[:, classes[state]] += self.said[name][:, state]
        return grouped / grouped.sum(axis=1, keepdims=True)


def against(ahead: int) -> tuple[str, ...]:
    """Name the simple forecasts to compare with; one quarter ahead the direct one is the pooled matrix."""
    return BASELINES[:-1] if ahead == 1 else BASELINES


def score_table(trials: Trials, classes: np.ndarray, *, level: float, ordered: bool) -> pd.DataFrame:
    """Compare scores, paired: keys ``ahead, score, against``."""
    rules = {"log": log_scores, "brier": brier_scores} | ({"rps": ranked_scores} if ordered else {})
    outcome, rows = classes[trials.target], []
    for ahead in np.unique(trials.ahead):
        here = trials.ahead == ahead
        partner, period = trials.partner[here], trials.period[here]
        said = {name: trials.classed(name, classes)[here] for name in ("ours", *against(ahead))}
        for score, rule in rules.items():
            ours = rule(said["ours"], outcome[here])
            for name in against(ahead):
                theirs = rule(said[name], outcome[here])
                mean, error, low, high = mean_difference(theirs - ours, partner, period, level=level)
                skill = mean / theirs.mean() if theirs.mean() > 0 else np.nan
                # linearised: the share saved is a ratio of two means
                _, _, worst, best = mean_difference(theirs - ours - skill * theirs, partner, period, level=level)
                rows.append(
                    {
                        "ahead": int(ahead), "score": score, "against": name, "estimate": mean, "std_error": error, "conf_low": low,
                        "conf_high": high, "n": int(here.sum()), "ours": ours.mean(), "theirs": theirs.mean(), "skill": skill,
                        "skill_low": skill + worst / theirs.mean(), "skill_high": skill + best / theirs.mean(),
                        "quarters": len(np.unique(period)),
                    }
                )  # fmt: skip
    return pd.DataFrame(rows).astype({"score": "str", "against": "str"})


def _of(trials: Trials, reach: np.ndarray, ahead: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows at risk of a transition, what was said of it, and whether it came about."""
    rows = np.flatnonzero((trials.ahead == ahead) & reach.any(axis=1)[trials.origin])
    way = reach[trials.origin[rows]]
    return rows, (trials.said["ours"][rows] * way).sum(axis=1), way[np.arange(len(rows)), trials.target[rows]]


def calibration_table(
    trials: Trials, transitions: Mapping[str, np.ndarray], *, without: tuple[str, ...], label: Callable[[int], str], level: float
) -> pd.DataFrame:
    """Intercept and slope of each transition: keys ``transition, ahead, quarters, term``."""
    rows, left_out = [], np.isin([label(int(period)) for period in trials.period], without)
    parts = {"all": np.ones(len(trials.period), dtype=bool)} | ({f"without {', '.join(without)}": ~left_out} if without else {})
    for name, reach in transitions.items():
        for ahead in np.unique(trials.ahead):
            at, said, happened = _of(trials, reach, int(ahead))
            for quarters, keep in parts.items():
                use = keep[at]
                found = recalibrate(said[use], happened[use], trials.partner[at][use], trials.period[at][use], level=level)
                for place, term in enumerate(("intercept", "slope")):
                    numbers = {key: getattr(found, key)[place] for key in ("estimate", "std_error", "conf_low", "conf_high")}
                    keys = {"transition": name, "ahead": int(ahead), "quarters": quarters, "term": term}
                    rows.append({**keys, **numbers, "n": found.rows, "events": found.events})
    return pd.DataFrame(rows).astype({"transition": "str", "quarters": "str", "term": "str"})


def reliability_table(trials: Trials, transitions: Mapping[str, np.ndarray], *, level: float) -> pd.DataFrame:
    """Lay what was said beside how often it came about, forecasts of like size together; bands clustered by partner."""
    tables = []
    for name, reach in transitions.items():
        for ahead in np.unique(trials.ahead):
            at, said, happened = _of(trials, reach, int(ahead))
            if len(at) >= FEWEST_IN_BIN and happened.any():
                table = _bins(said, happened, trials.partner[at], level=level)
                tables.append(table.assign(transition=name, ahead=int(ahead)))
    columns = ["transition", "ahead", "bin", "estimate", "std_error", "conf_low", "conf_high", "n", "forecast"]
    if not tables:
        return pd.DataFrame({column: pd.Series(dtype="str" if column == "transition" else "float64") for column in columns})
    return pd.concat(tables, ignore_index=True)[columns].astype({"transition": "str"})


def _bins(said: np.ndarray, happened: np.ndarray, partner: np.ndarray, *, level: float) -> pd.DataFrame:
    """Bins of as many forecasts each, ties together."""
    bins = int(np.clip(len(said) // FEWEST_IN_BIN, 1, BINS))
    edges = np.unique(np.quantile(said, np.arange(1, bins) / bins))
    place = np.unique(np.searchsorted(edges, said, side="right"), return_inverse=True)[1]
    bins = int(place.max()) + 1
    key, row = np.unique(place * (int(partner.max()) + 1) + partner, return_inverse=True)
    group = key // (int(partner.max()) + 1)
    hits, trials = np.bincount(row, weights=happened), np.bincount(row).astype(float)
    shares, errors = jackknife_shares(hits[:, None], trials, group=group, groups=bins)
    at_risk, partners = np.bincount(place, minlength=bins), np.bincount(group, minlength=bins)
    both, spread = np.hstack([shares, 1.0 - shares]), np.hstack([errors, errors])
    effect = design_effects(both, spread, at_risk, partners)[:, 0]
    low, high = share_interval(shares[:, 0], at_risk / np.nan_to_num(effect, nan=1.0), level=level, df=partners - 1)
    mean = np.bincount(place, weights=said, minlength=bins) / at_risk
    return pd.DataFrame(
        {
            "bin": np.arange(1, bins + 1), "estimate": shares[:, 0], "std_error": errors[:, 0], "conf_low": low, "conf_high": high,
            "n": at_risk, "forecast": mean,
        }
    )  # fmt: skip


def quarter_table(trials: Trials, classes: np.ndarray, *, lapsed: int, label: Callable[[int], str]) -> pd.DataFrame:
    """Mean log scores of each quarter, and lapses expected and seen: ``ahead, quarter, ours, ..., n, expected, happened``."""
    outcome, rows = classes[trials.target], []
    scores = {name: log_scores(trials.classed(name, classes), outcome) for name in ("ours", *BASELINES)}
    for ahead in np.unique(trials.ahead):
        for period in np.unique(trials.period[trials.ahead == ahead]):
            here = (trials.ahead == ahead) & (trials.period == period)
            means = {name: scores[name][here].mean() for name in ("ours", *against(ahead))}
            lapses = {"expected": trials.said["ours"][here, lapsed].sum(), "happened": int((trials.target[here] == lapsed).sum())}
            rows.append({"ahead": int(ahead), "quarter": label(int(period)), **means, "n": int(here.sum()), **lapses})
    return pd.DataFrame(rows).astype({"quarter": "str"})
