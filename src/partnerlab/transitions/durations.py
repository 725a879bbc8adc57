"""The generator of stays that were seen whole: moves over time at risk."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.results import Check
from partnerlab.spells import Spells
from partnerlab.stats.curves.clustered_curves import sum_by_cluster
from partnerlab.stats.states.multistate import STAYS
from partnerlab.transitions.clock_pieces import Pieces
from partnerlab.transitions.generator import GeneratorEstimate
from partnerlab.transitions.panel_rows import PanelRows
from partnerlab.transitions.rate_models import Allowed, Terms, build_model, read_allowed
from partnerlab.transitions.state_paths import StatePaths, draw_paths


def fit_durations(spells: Spells, *, allowed: Allowed, variance: str, level: float) -> GeneratorEstimate:
    """Divide moves by exposure: N_ij / R_i, standard errors of Poisson counts or by partner.

    Albert (1962), doi:10.1214/aoms/1177704594; for ratings Lando and Skodeberg (2002), doi:10.1016/S0378-4266(01)00228-X.
    Intensities of moves that were allowed and never seen are 0, with the exact upper limit ``-log(1 - level) / R_i``.
    """
    drawn = draw_paths(spells)
    s = len(drawn.states)
    moves, exposure = count_exposure(drawn)
    rows = _as_rows(drawn)
    can = read_allowed(allowed, rows)
    strange = (moves > 0) & ~can
    if strange.any():
        i, j = np.argwhere(strange)[0]
        told = f"{int(moves[strange].sum())} move(s) are not among those allowed (first: {drawn.states[i]} to {drawn.states[j]})"
        raise SampleError(f"spells: {told}; allow them, or mend the rows")
    if not moves.any():
        raise SampleError(f"not enough data (n = {drawn.partners}): nobody was seen to move")
    seen = can & (moves > 0)
    model = build_model(rows, seen, equal=(), fixed={}, terms=Terms((), np.zeros(0), {}, {}, ()), pieces=Pieces())
    rate = moves[model.origin, model.target] / exposure[model.origin]
    covariance = np.diag(1.0 / moves[model.origin, model.target])
    if variance == "cluster":
        covariance = _clustered(drawn, model.origin, model.target, rate)
    keys = pd.MultiIndex.from_product([drawn.states, drawn.states], names=["from_state", "to_state"]).to_frame(index=False)
    stays = np.bincount(drawn.paths.origin, minlength=s)
    blank = keys.assign(estimate=np.nan, std_error=np.nan, conf_low=np.nan, conf_high=np.nan, n=np.repeat(stays, s))
    found = GeneratorEstimate(
        estimand=f"Intensity of each move per {drawn.unit}: moves over time at risk", table=blank, level=level, checks=drawn.checks,
        states=drawn.states, model=model, parameters=np.log(rate), covariance=covariance, unit=drawn.unit, method="duration",
        log_likelihood=float(np.sum(moves[seen] * np.log(rate)) - moves.sum()),
    )  # fmt: skip
    table = found.intensities().assign(count=moves.ravel().astype(int), exposure=np.repeat(exposure, s))
    unseen = (can & ~seen & (exposure > 0)[:, None]).ravel()
    limit = -np.log1p(-level) / np.maximum(np.repeat(exposure, s), 1e-300)
    table = table.assign(conf_high=np.where(unseen, limit, table["conf_high"]), std_error=np.where(unseen, np.nan, table["std_error"]))
    said = f"{int(unseen.sum())} allowed moves were never seen: 0 with an upper limit."
    return dataclasses.replace(found, table=table, checks=(*drawn.checks, Check("Moves seen", not unseen.any(), said)))


def count_exposure(drawn: StatePaths) -> tuple[np.ndarray, np.ndarray]:
    """Count moves ``(s, s)`` and time at risk ``(s,)``."""
    s, paths = len(drawn.states), drawn.paths
    moved = paths.target != STAYS
    moves = np.bincount(paths.origin[moved] * s + paths.target[moved], minlength=s * s).reshape(s, s)
    return moves.astype(float), np.bincount(paths.origin, weights=paths.exit - paths.entry, minlength=s)


def _clustered(drawn: StatePaths, origin: np.ndarray, target: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Covariance of the log rates, moves and time of one partner together."""
    paths = drawn.paths
    hits = (paths.origin[:, None] == origin) & (paths.target[:, None] == target)
    time = (paths.origin[:, None] == origin) * (paths.exit - paths.entry)[:, None]
    score = sum_by_cluster(hits - time * rate, paths.unit) / hits.sum(axis=0)
    return score.T @ score


def _as_rows(drawn: StatePaths) -> PanelRows:
    """Stays as intervals, so that moves are read in one way."""
    paths, s = drawn.paths, len(drawn.states)
    ending = np.where(paths.target == STAYS, paths.origin, paths.target)
    return PanelRows(
        states=drawn.states, origin=paths.origin, ending=ending,
        time=paths.exit - paths.entry, start=paths.entry, weight=np.ones(len(paths.origin)), partner=paths.unit,
        covariates=pd.DataFrame(index=range(len(paths.origin))), endings=np.eye(s), exact=np.full(s, -1), names=drawn.states,
        unit=drawn.unit,
    )  # fmt: skip
