"""Estimating a generator: by the panel likelihood of looks now and then, or from stays that were seen whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.curves.clustered_curves import sum_by_cluster
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.regressions.coefficients import ratio_columns
from partnerlab.stats.states.panel_likelihood import PanelCounts, RateDesign, RateFit, cell_scores, fit_rates
from partnerlab.transitions.clock_pieces import CLOCK, Pieces, read_breaks
from partnerlab.transitions.durations import fit_durations
from partnerlab.transitions.generator import GeneratorEstimate
from partnerlab.transitions.panel_rows import Looks, PanelRows, compress, read_looks, unique_patterns
from partnerlab.transitions.rate_models import (
    Allowed,
    Covariates,
    Move,
    RateModel,
    Shared,
    Terms,
    build_model,
    check_possible,
    code_covariates,
    read_allowed,
)

VARIANCES = ("model", "cluster")


def estimate_generator(  # noqa: PLR0913 - each a question of its own
    observations: Looks | Spells,
    *,
    allowed: Allowed = None,
    covariates: Covariates = (),
    shared: Shared = (),
    equal: Sequence[Sequence[Move]] = (),
    fixed: Mapping[Move, float] | None = None,
    breaks: Sequence[float | str] = (),
    variance: Literal["model", "cluster"] = "model",
    level: float = 0.95,
) -> GeneratorEstimate:
    """Estimate the intensities of moves in continuous time.

    States seen now and then (`Observations`, a history, pairs): maximum of the panel likelihood (Kalbfleisch and Lawless
    1985, doi:10.1080/01621459.1985.10478195), in which what happened between two looks is summed over; the next move may
    depend on the state only. Stays seen whole (`Spells` with states): occurrence over exposure, N_ij / R_i.

    Parameters
    ----------
    observations : Observations, TierHistory, Transitions or Spells with states
    allowed : DataFrame, array, mapping or pairs of states, optional
        Moves that can be made at an instant: a matrix with 1 where one can, or lists of targets. By default every move
        out of a state that anybody left. Fewer are easier to identify.
    covariates : sequence of str, or mapping of str to pairs of states
        Columns whose values at the beginning of an interval multiply intensities; with a mapping only those of the moves named.
    shared : sequence of str, or mapping of str to groups of pairs of states
        Covariates with one effect on all their moves; with a mapping one on each group of moves, and one of its own on any other.
    equal : sequence of groups of pairs of states
        Moves with one intensity.
    fixed : mapping of pair of states to float, optional
        Intensities that are given.
    breaks : sequence of float or str, optional
        Times at which intensities change, on the clock of the observations; of a history or pairs the quarters from which on they
        are others. Between two of them they are constant, and an interval across one is walked in legs. The pieces stand among
        the covariates as ``time``: ``shared=["time"]`` changes all moves by one factor, a mapping of ``covariates`` only some.
    variance : {"model", "cluster"}
        Observed information, or the sandwich by partner, right where partners differ more than the model says.
    level : float
        Coverage.

    Returns
    -------
    GeneratorEstimate

    Raises
    ------
    ParameterError
        If a state, move or column does not exist.
    SampleError
        If nobody was seen twice, nobody moved, or an interval cannot come about by the allowed moves.

    Examples
    --------
    Of ten partners looked at again after one year, five have moved for good.

    >>> from partnerlab.spells import Observations
    >>> looks = [(p, t, "Base" if t and p < 5 else "Gold") for p in range(10) for t in (0, 1)]
    >>> visits = Observations.from_frame(pd.DataFrame(looks, columns=["partner", "time", "state"]), unit="year")
    >>> estimate_generator(visits).matrix().round(4).loc["Gold"].to_dict()
    {'Base': 0.6931, 'Gold': -0.6931}
    """
    check_level(level)
    if variance not in VARIANCES:
        raise ParameterError(f"variance is {variance!r}{nearest(str(variance), VARIANCES)}")
    if isinstance(observations, Spells):
        if len(covariates) or len(equal) or fixed or len(breaks):
            told = "covariates, equal, fixed and breaks belong to looks now and then"
            raise ParameterError(f"{told}; of stays seen whole the intensities are counts over time")
        return fit_durations(observations, allowed=allowed, variance=variance, level=level)
    rows, coded, terms, pieces, missing = _read(observations, covariates, shared, breaks)
    can = read_allowed(allowed, rows)
    if not len(rows.origin) or not can.any():
        raise SampleError(f"not enough data (n = {len(rows.origin)}): nobody was seen to move")
    check_possible(rows, can)
    model = build_model(rows, can, equal=equal, fixed=fixed or {}, terms=terms, pieces=pieces)
    fit, place, panel_of = _fit(rows, model, coded)
    found = fit.covariance, fit.spread
    if variance == "cluster":
        found = tuple(_clustered(rows, fit, bread, place, panel_of) for bread in found)
    return _result(rows, model, fit, found, missing=missing, level=level)


def _read(
    looks: Looks, covariates: Covariates, shared: Shared, breaks: Sequence[float | str]
) -> tuple[PanelRows, np.ndarray, Terms, Pieces, int]:
    """Read intervals with known covariates, these as numbers, and how many intervals lack one."""
    columns = [name for name in covariates if name != CLOCK or not len(breaks)]
    rows = read_looks(looks, columns)
    pieces = read_breaks(breaks, rows)
    coded, names, levels, known = code_covariates(rows.covariates)
    rows, coded = rows.rows(known), coded[known]
    means = np.average(coded, axis=0, weights=rows.weight) if coded.size else np.zeros(coded.shape[1])
    if pieces:  # what is shown stands at the first piece
        names, means = (*names, *pieces.terms), np.append(means, np.zeros(len(pieces.times)))
        levels = {**levels, CLOCK: pieces.labels[1:], f"{CLOCK}:first": pieces.labels[:1]}
        columns = [*columns, CLOCK]
    for name in shared:
        if name not in columns:
            raise ParameterError(f"shared: {name!r} is not among the covariates{nearest(name, columns)}")
    only = covariates if isinstance(covariates, Mapping) else {}
    return rows, coded, Terms(names, means, levels, only, shared), pieces, int((~known).sum())


def _fit(rows: PanelRows, model: RateModel, coded: np.ndarray) -> tuple[RateFit, np.ndarray, tuple[PanelCounts, RateDesign]]:
    """Compress, start from crude intensities, and maximise."""
    pattern, patterns = unique_patterns(coded)
    length, piece = model.pieces.legs(rows.start, rows.time)
    in_piece = np.eye(len(model.pieces.labels))[:, 1:]
    panel, place = compress(rows, pattern[:, None] * len(in_piece) + piece, length)
    design = model.design(np.hstack([np.repeat(patterns, len(in_piece), axis=0), np.tile(in_piece, (len(patterns), 1))]))
    exposure = np.bincount(rows.origin, weights=rows.weight * rows.time, minlength=len(rows.states))
    crude = np.maximum(rows.moved[model.origin, model.target], 0.5) / np.maximum(exposure[model.origin], 1e-9)
    start = np.zeros(model.base.shape[1])
    for parameter in range(len(start)):
        at = np.flatnonzero(model.base[:, parameter])
        start[parameter] = np.log(crude[at].mean()) if len(at) else 0.0
    return fit_rates(panel, design, start), place, (panel, design)


def _clustered(rows: PanelRows, fit: RateFit, bread: np.ndarray, place: np.ndarray, panel_of: tuple[PanelCounts, RateDesign]) -> np.ndarray:
    """Sandwich with the scores of each partner added up."""
    if (rows.partner < 0).any():
        raise ParameterError("variance='cluster': it is not known which pairs belong to one partner; name the partner")
    scores = cell_scores(fit.parameters, *panel_of)
    own = scores[:, place, rows.origin, rows.ending].T * rows.weight[:, None]
    summed = sum_by_cluster(own, rows.partner)
    known = np.where(np.isfinite(bread), bread, 0.0)
    found = known @ (summed.T @ summed) @ known
    lost = ~np.isfinite(np.diag(bread))
    found[lost] = np.nan
    found[:, lost] = np.nan
    return found


def _result(
    rows: PanelRows, model: RateModel, fit: RateFit, found: tuple[np.ndarray, ...], *, missing: int, level: float
) -> GeneratorEstimate:
    s, (covariance, spread) = len(rows.states), found
    moved = rows.moved
    keys = pd.MultiIndex.from_product([rows.states, rows.states], names=["from_state", "to_state"]).to_frame(index=False)
    began = np.bincount(rows.origin, weights=rows.weight, minlength=s)
    blank = keys.assign(estimate=np.nan, std_error=np.nan, conf_low=np.nan, conf_high=np.nan, n=np.repeat(began, s).astype(int))
    at = f", {model.pieces.labels[0]}" if model.pieces else ""
    at += ", at the mean of the covariates" if len(model.terms) >= len(model.pieces.labels) else ""
    shell = GeneratorEstimate(
        estimand=f"Intensity of each move per {rows.unit}{at}", table=blank, level=level, states=rows.states, model=model,
        parameters=fit.parameters, covariance=covariance, spread=spread,
    )  # fmt: skip
    return GeneratorEstimate(
        estimand=shell.estimand, table=shell.intensities().assign(count=moved.ravel().astype(int)), level=level,
        checks=(*rows.checks, *_checks(rows, model, fit, missing)), states=rows.states, model=model, parameters=fit.parameters,
        covariance=covariance, spread=spread, log_likelihood=fit.log_likelihood, unit=rows.unit,
        ratios=_ratios(model, fit, covariance, level, began=began.astype(int)),
        method="panel", fingerprint=(len(rows.origin), float(rows.weight.sum()), float(rows.time.sum()), *moved.ravel().tolist()),
    )  # fmt: skip


def _ratios(model: RateModel, fit: RateFit, covariance: np.ndarray, level: float, *, began: np.ndarray) -> pd.DataFrame:
    """Hazard ratios of each term on each move; ``n`` are the intervals that began in the state it leaves."""
    from scipy.special import ndtr

    z, lines = float(critical_value(level)), []
    errors = np.sqrt(np.diag(covariance)) if len(covariance) else np.zeros(0)
    for index, term in enumerate(model.terms):
        for move, parameter in np.argwhere(model.effects[index] != 0):
            log, error = float(fit.parameters[parameter]), float(errors[parameter])
            known = np.isfinite(error)
            low, high = log - z * error, log + z * error
            names = {"term": term, "from_state": model.states[model.origin[move]], "to_state": model.states[model.target[move]]}
            tidy = {"estimate": log if known else np.nan, "std_error": error, "conf_low": low, "conf_high": high}
            tidy["n"] = int(began[model.origin[move]])
            ratio = ratio_columns(tidy["estimate"], low, high)
            lines.append({**names, **tidy, **ratio, "p_value": float(2 * ndtr(-abs(log / error))) if known and error > 0 else np.nan})
    return pd.DataFrame(lines)


def _checks(rows: PanelRows, model: RateModel, fit: RateFit, missing: int) -> tuple[Check, ...]:
    s, weighted = len(rows.states), int(rows.weight.sum())
    partners = len(np.unique(rows.partner[rows.partner >= 0]))
    size = f"{weighted} intervals of {partners} partners" if partners else f"{weighted} intervals; it is not known of which partners"
    away = int(rows.weight[(rows.ending != rows.origin) | (rows.ending >= s)].sum())
    checks = [Check("Enough looks", None if partners == 0 else partners > 1, f"{size}, {away} of which ended in another state.")]
    if missing:
        checks.append(Check("Covariates known", False, f"{missing} intervals lack a covariate and are left out."))
    lost = [_name_parameter(model, place) for place in np.flatnonzero(~fit.identified)]
    said = "Every parameter is held by the data"
    if lost:
        said = f"The data do not hold {'; '.join(lost)}: an intensity of 0, or an effect without end, and no interval"
    checks.append(Check("Parameters identified", not lost, f"{said}."))
    ended = "The likelihood is at its maximum" if fit.converged else "The search for the maximum did not end: do not use the estimates"
    checks.append(Check("Converged", fit.converged, f"{ended} (log-likelihood {fit.log_likelihood:.4f})."))
    return tuple(checks)


def _name_parameter(model: RateModel, place: int) -> str:
    """Say what a parameter is of."""
    for index, term in enumerate(model.terms):
        moves = np.flatnonzero(model.effects[index][:, place])
        if len(moves):
            return f"{term} on {_say_moves(model, moves)}"
    return f"the intensity of {_say_moves(model, np.flatnonzero(model.base[:, place]))}"


def _say_moves(model: RateModel, moves: np.ndarray) -> str:
    return ", ".join(f"{model.states[model.origin[move]]} to {model.states[model.target[move]]}" for move in moves)


def compare_generators(smaller: GeneratorEstimate, *, against: GeneratorEstimate) -> Result:
    """Test a generator against one with more parameters: the likelihood ratio.

    Parameters
    ----------
    smaller : GeneratorEstimate
        The special case.
    against : GeneratorEstimate
        The larger model of the same observations.

    Returns
    -------
    Result
        Table with key ``test``: ``estimate`` is twice the difference of the log-likelihoods, ``df``, ``p_value`` by chi-squared.
        Partners who differ make it too small; see ``variance="cluster"``.

    Raises
    ------
    ParameterError
        If the two are not of the same observations, or the second has no more parameters.

    Examples
    --------
    >>> from partnerlab.spells import Observations
    >>> looks = [(p, t, "Base" if t and p < 5 else "Gold") for p in range(10) for t in (0, 1)]
    >>> frame = pd.DataFrame(looks, columns=["partner", "time", "state"])
    >>> visits = Observations.from_frame(frame.assign(big=frame["partner"] % 2))
    >>> test = compare_generators(estimate_generator(visits), against=estimate_generator(visits, covariates=["big"]))
    >>> test.table["df"].tolist()
    [1]
    """
    from scipy.special import gammaincc

    if smaller.fingerprint != against.fingerprint or not smaller.fingerprint:
        raise ParameterError("against: the two generators are not of the same observations; estimate both on the same rows")
    df = len(against.parameters) - len(smaller.parameters)
    if df < 1:
        raise ParameterError(
            f"against: has {-df} fewer parameters; give the larger model second" if df else "against: has no more parameters"
        )
    statistic = max(2.0 * (against.log_likelihood - smaller.log_likelihood), 0.0)
    n = int(smaller.fingerprint[0])
    row = {"test": "likelihood ratio", "estimate": statistic, "std_error": np.nan, "conf_low": np.nan, "conf_high": np.nan, "n": n}
    table = pd.DataFrame([{**row, "df": df, "p_value": float(gammaincc(df / 2.0, statistic / 2.0))}])
    return Result(estimand="Twice the log-likelihood that the larger model gains", table=table, checks=against.checks, level=against.level)
