"""Cox regressions of spells: hazards relative to each other, and Fine and Gray's model of incidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Evidence, Result
from partnerlab.spells import Spells
from partnerlab.stats.hazards.cox_fit import Baseline, CoxData, CoxFit, TiesAsked, fit_cox_data, make_baseline
from partnerlab.stats.inference.clusters import code_clusters
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.inference.sandwich import at_least_model
from partnerlab.stats.regressions import coefficients
from partnerlab.stats.regressions.coefficients import Correction, Covariance
from partnerlab.stats.regressions.designs import Design, read_again, used_levels
from partnerlab.stats.regressions.patterns import Coded, find_patterns
from partnerlab.survival.regressors import SpellRows, check_information, check_other_endings, coefficient_checks, read_spells
from partnerlab.survival.sample import Event


@dataclasses.dataclass(frozen=True, kw_only=True)
class FittedCox:
    """What a prediction needs of a Cox model; no rows.

    Parameters
    ----------
    design : Design
        How covariates are laid out, without rows.
    beta, covariance : ndarray, shape (p,), (p, p)
        Standardised coefficients.
    baseline : Baseline
        Cumulative hazard at the centre of the covariates.
    strata : tuple of str
        Names of the strata columns.
    layers : tuple of tuple
        Their values, one for each stratum.
    df : float or None
        Degrees of freedom of intervals.
    followed : ndarray, shape (strata,)
        Time up to which somebody of each stratum was under observation.
    """

    design: Design
    beta: np.ndarray
    covariance: np.ndarray
    baseline: Baseline
    strata: tuple[str, ...]
    layers: tuple[tuple, ...]
    df: float | None
    followed: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoxModel(Result):
    """A Cox regression.

    The table has the key ``term``, log hazard ratios with intervals, ``n`` (rows), ``ratio, ratio_low, ratio_high`` (hazard
    ratios), ``p_value``, ``events`` and ``partners``.

    Parameters
    ----------
    loglik, null_loglik : float
        Log partial likelihood, and that of no covariates.
    fitted : FittedCox
        What `predict` reads.
    unit : str
        Name of one period.
    """

    loglik: float = float("nan")
    null_loglik: float = float("nan")
    fitted: FittedCox | None = dataclasses.field(repr=False, default=None)
    unit: str = "quarter"

    title: ClassVar[str] = "Who leaves sooner"

    def predict(self, frame: pd.DataFrame, *, times: Sequence[float]) -> pd.DataFrame:
        """Give each row's chance of having ended by each time, its covariates staying as they are.

        Parameters
        ----------
        frame : DataFrame
            The covariates (and strata), and ``partner`` if it is to be named.
        times : sequence of float
            Durations.

        Returns
        -------
        DataFrame
            ``partner | row, time, estimate, std_error, conf_low, conf_high, n, risk`` with ``risk`` the estimate; intervals on
            the scale of the log cumulative hazard (Tsiatis 1981). NaN where a covariate is missing or not seen by the model,
            and at times that nobody was followed to.

        Raises
        ------
        ParameterError
            If a column is not there.
        """
        table, asked = frame.reset_index(drop=True), np.atleast_1d(np.asarray(times, dtype=float))
        columns, unknown = read_again(self.fitted.design.columns, table, of="predict")
        x = dataclasses.replace(self.fitted.design, columns=columns, rows=len(table)).lay_out()
        layer = self._layer_of(table)
        total, error = np.full((len(table), len(asked)), np.nan), np.full((len(table), len(asked)), np.nan)
        for stratum in np.unique(layer[(layer >= 0) & ~unknown]):
            mine = (layer == stratum) & ~unknown
            whole = {"beta": self.fitted.beta, "covariance": self.fitted.covariance}
            within = asked <= self.fitted.followed[stratum]
            total[np.ix_(mine, within)], error[np.ix_(mine, within)] = self.fitted.baseline.cumulative(
                x[mine], stratum=int(stratum), times=asked[within], **whole
            )
        reach = float(critical_value(self.level, self.fitted.df)) * np.divide(error, total, out=np.zeros_like(total), where=total > 0)
        risk, low, high = (-np.expm1(-total * np.exp(shift)) for shift in (0.0, -reach, reach))
        key = "partner" if "partner" in table.columns else "row"
        who = table["partner"].to_numpy() if key == "partner" else np.arange(len(table))
        body = {"estimate": risk, "std_error": np.exp(-total) * error, "conf_low": low, "conf_high": high}
        found = {name: values.ravel() for name, values in body.items()}
        n = int(self.table["n"].max()) if len(self.table) else 0
        keys = {key: np.repeat(who, len(asked)), "time": np.tile(asked, len(table))}
        return pd.DataFrame(keys | found | {"n": n, "risk": found["estimate"]})

    def _layer_of(self, table: pd.DataFrame) -> np.ndarray:
        if not self.fitted.strata:
            return np.zeros(len(table), dtype=np.int64)
        for name in self.fitted.strata:
            if name not in table.columns:
                raise ParameterError(f"predict: no column {name!r} for the strata{nearest(name, table.columns)}", column=name)
        place = {layer: at for at, layer in enumerate(self.fitted.layers)}
        rows = table[list(self.fitted.strata)].itertuples(index=False, name=None)
        return np.array([place.get(tuple(row), -1) for row in rows], dtype=np.int64)


def estimate_cox(  # noqa: PLR0913 - each a question of its own
    spells: Spells,
    *,
    covariates: Sequence[str],
    event: Event = None,
    ties: TiesAsked = "efron",
    strata: str | Sequence[str] | None = None,
    weights: str | None = None,
    cluster: str | None = "partner",
    covariance: Covariance = "auto",
    correction: Correction = "HC0",
    level: float = 0.95,
) -> CoxModel:
    """Regress hazards on covariates, leaving the hazard's shape over time open (Cox 1972).

    Rows may be pieces ``(entry, duration]`` of spells with covariates that change, may enter late, and a partner may
    have several spells: the covariance adds up score residuals by partner (Lin and Wei 1989). Recurrent endings: one
    row per stretch with ``spell`` numbered, ``strata="spell"`` for conditional models (Prentice, Williams and Peterson
    1981), no strata for Andersen and Gill's.

    Parameters
    ----------
    spells : Spells
        Those without a known start are left out, and counted.
    covariates : sequence of str
        Attributes; numbers enter as they are, names as levels against the first.
    event : str or sequence of str, optional
        Endings that count; other endings are censored (cause-specific hazard). All by default.
    ties : {"efron", "breslow", "exact"}
        Tied times; exact for small data, with the model's own covariance.
    strata : str or sequence of str, optional
        Attributes (or ``"spell"``) within which hazards have shapes of their own.
    weights : str, optional
        Attribute with case weights.
    cluster : str or None
        ``"partner"``, an attribute, or None for the model's own covariance.
    covariance, correction, level
        As in `estimate_transition_model`; the jackknife fits anew without each of fewer than 40 partners.

    Returns
    -------
    CoxModel
        Association, not effect.

    Raises
    ------
    ParameterError
        If an attribute, ending, or way of treating ties does not exist.
    SampleError
        If nothing ended.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": list("abcdef"), "duration": [1, 2, 3, 4, 5, 6], "event": True, "size": [3, 1, 2, 1, 0, 1]})
    >>> found = estimate_cox(Spells.from_frame(frame), covariates=["size"], covariance="model")
    >>> found.table[["term", "estimate", "std_error"]].round(3).to_numpy().tolist()
    [['size', 1.17, 0.766]]
    """
    check_level(level)
    if ties not in ("efron", "breslow", "exact"):
        raise ParameterError(f"ties is {ties!r}{nearest(str(ties), ('efron', 'breslow', 'exact'))}")
    layered = () if strata is None else (strata,) if isinstance(strata, str) else tuple(strata)
    also = [*layered, *([weights] if weights else [])]
    rows = read_spells(spells, covariates=covariates, event=event, cluster=cluster, also=also)
    data, layers = cox_data(rows, layered, weights)
    fitted = fit_cox_data(data, ties=ties)
    if ties == "exact" and (covariance in ("cluster", "jackknife") or (weights is not None)):
        asked = f"covariance={covariance!r}" if covariance in ("cluster", "jackknife") else f"weights={weights!r}"
        raise ParameterError(f"ties='exact' knows only the model's own covariance and no weights; drop {asked}, or use ties='efron'")
    exact = covariance if ties != "exact" else "model"
    what = " or ".join(rows.causes) if event is not None else "any ending"
    return _finish(
        spells, rows, fitted, layers=(layered, layers), level=level, asked=(exact, correction),
        estimand=f"Log hazard ratios of {what}, by {', '.join(covariates)}" + (f", within {', '.join(layered)}" if layered else ""),
    )  # fmt: skip


def cox_data(rows: SpellRows, strata: tuple[str, ...], weights: str | None) -> tuple[CoxData, tuple[tuple, ...]]:
    """Rows of spells as a Cox model takes them, and the values of its strata."""
    frame = rows.frame
    stratum, layers = None, ((),)
    if strata:
        codes = [pd.factorize(frame[name], sort=True) for name in strata]
        found = find_patterns([Coded(values=code, size=max(len(values), 1)) for code, values in codes], rows=len(frame), worth=1.0)
        stratum = found.code.astype(np.int64)
        layers = tuple(frame[list(strata)].iloc[found.first].itertuples(index=False, name=None))
    weight = None
    if weights is not None:
        weight = frame[weights].to_numpy(dtype=float)
        if not (weight > 0).all():
            raise ParameterError(f"weights: {int((~(weight > 0)).sum())} rows of {weights!r} are not positive; drop them", column=weights)
    data = CoxData(
        columns=rows.columns, exits=frame["duration"].to_numpy(), event=rows.cause >= 0, entry=rows.entry,
        stratum=stratum, weight=weight, cluster=rows.cluster,
    )  # fmt: skip
    return data, layers


def _finish(
    spells: Spells,
    rows: SpellRows,
    fitted: CoxFit,
    *,
    layers: tuple[tuple[str, ...], tuple[tuple, ...]],
    level: float,
    asked: tuple[str, str],
    estimand: str,
) -> CoxModel:
    """Lay a fit out as a result."""
    kind = coefficients.choose_covariance(asked[0], rows.clusters, correction=asked[1])
    spread = at_least_model(fitted.covariance(kind=kind, correction=asked[1]), fitted.best.covariance, fitted.ran_off)
    df = coefficients.freedom(kind, rows.clusters)
    keep, best = fitted.design.keep, fitted.best
    mute = coefficients.without_information(spread, best.covariance)
    # where all who are at risk end at once nobody is compared with anybody
    mute |= not any_compared(fitted.data)
    estimate = coefficients.spread_out(np.where(mute, np.nan, best.beta / fitted.scale), keep)
    error = coefficients.spread_out(np.where(mute, np.nan, coefficients.root_diagonal(spread) / fitted.scale), keep)
    events = int(fitted.data.event.sum())
    body = coefficients.wald_columns(estimate, error, len(rows.frame), level=level, df=df)
    partners = rows.clusters if rows.clustered_by == "partner" else None
    partners = len(code_clusters(rows.frame["partner"])[1]) if partners is None else partners
    said = coefficients.say_covariance(kind, rows.clusters, correction=asked[1], by=rows.clustered_by)
    checks = [
        *([] if fitted.data.competing is not None else check_other_endings(rows.cause)),
        Check("Standard errors", None if kind == "model" else True, said),
        *check_information(fitted.terms, mute, events),
        *coefficient_checks(fitted.design, fitted.terms, fitted.ran_off, events=events, converged=best.converged),
    ]
    baseline = make_baseline(fitted)
    bare = tuple(dataclasses.replace(column, values=column.values[:0]) for column in fitted.design.columns)
    design = dataclasses.replace(fitted.design, columns=bare, rows=0)
    return CoxModel(
        estimand=estimand,
        table=pd.DataFrame({"term": list(fitted.design.terms)} | body | {"events": events, "partners": partners}),
        checks=(*spells.checks, *rows.checks, *checks),
        evidence=Evidence.C,
        level=level,
        loglik=best.loglik,
        null_loglik=best.start_loglik,
        fitted=FittedCox(
            design=design,
            beta=best.beta,
            covariance=spread,
            baseline=baseline,
            strata=layers[0],
            layers=layers[1],
            df=df,
            followed=_followed(fitted),
        ),
        unit=spells.unit,
    )


def any_compared(data: CoxData) -> bool:
    """Whether at the time of some event somebody of the stratum was at risk and did not end in it then."""
    if data.stratum is None and data.entry is None:  # as most are: who leaves after the first ending was at risk then
        ended = data.exits[data.event]
        first = ended.min() if len(ended) else np.inf
        return bool(data.exits.max(initial=0) > first or ((data.exits == first) & ~data.event).any())
    stratum = np.zeros(len(data), dtype=np.int64) if data.stratum is None else data.stratum
    first = np.full(int(stratum.max(initial=0)) + 1, np.inf)
    np.minimum.at(first, stratum[data.event], data.exits[data.event].astype(float))
    begun = first[stratum] if data.entry is None else np.maximum(first[stratum], data.entry)
    return bool(((data.exits > begun) | ((data.exits == begun) & ~data.event)).any())


def _followed(fitted: CoxFit) -> np.ndarray:
    stratum = fitted.data.stratum
    if stratum is None:
        return np.array([fitted.data.exits.max()], dtype=float)
    last = np.full(int(stratum.max(initial=0)) + 1, -np.inf)
    np.maximum.at(last, stratum, fitted.data.exits.astype(float))
    return last


def estimate_fine_gray(  # noqa: PLR0913 - each a question of its own
    spells: Spells,
    *,
    covariates: Sequence[str],
    event: str,
    convention: Literal["cmprsk", "survival"] = "cmprsk",
    cluster: str | None = "partner",
    covariance: Covariance = "auto",
    correction: Correction = "HC0",
    level: float = 0.95,
) -> CoxModel:
    """Regress the share that ends in one way on covariates, other endings in the way (Fine and Gray 1999).

    Ratios are of subdistribution hazards: above 1, more partners end this way in the end. Partners who left in another
    way stay in the risk set with the chance of still being under observation; with delayed entry weights follow Geskus
    (2011). `CoxModel.predict` then gives the share that has ended in this way, its error as R's ``survfit`` of the weighted
    regression: of 600 programs of 250 partners its intervals held 95 to 96 %.

    Parameters
    ----------
    spells : Spells
        One row for each spell.
    covariates : sequence of str
        Attributes.
    event : str
        Ending of interest; the others compete.
    convention : {"cmprsk", "survival"}
        Ties as in R's ``crr`` (Breslow; the variance knows that weights are estimated), or as in ``finegray`` with
        ``coxph`` (Efron; events before censoring at tied times; weights taken as known).
    cluster, covariance, correction, level
        As in `estimate_cox`.

    Raises
    ------
    ParameterError
        If an attribute or ending does not exist.
    SampleError
        If spells come in pieces, or nothing ended this way (after the last time at which nobody was under observation:
        no weight reaches across it, so the model starts there, and a check says so).

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": list("abcdefgh"), "duration": [1, 2, 3, 4, 5, 6, 7, 8], "size": [3, 1, 2, 1, 0, 1, 2, 0]})
    >>> spells = Spells.from_frame(frame.assign(event=["left", "", "left", "sold", "left", "sold", "left", ""]))
    >>> estimate_fine_gray(spells, covariates=["size"], event="left").table[["term", "ratio"]].round(2).to_numpy().tolist()
    [['size', 3.38]]
    """
    check_level(level)
    if convention not in ("cmprsk", "survival"):
        raise ParameterError(f"convention is {convention!r}{nearest(str(convention), ('cmprsk', 'survival'))}")
    rows = read_spells(spells, covariates=covariates, event=event, cluster=cluster)
    pieces = int(rows.frame.duplicated(["partner", "spell"]).sum())
    if pieces:
        raise SampleError(f"{pieces} rows are further pieces of a spell; Fine and Gray's model takes one row for each spell")
    rows, data = _after_gaps(rows, event=event, unit=spells.unit, after=convention == "survival")
    fitted = fit_cox_data(data, ties="breslow" if convention == "cmprsk" else "efron")
    return _finish(
        spells, rows, fitted, layers=((), ((),)), level=level, asked=(covariance, correction),
        estimand=f"Log subdistribution hazard ratios of {event}, other endings competing, by {', '.join(covariates)}",
    )  # fmt: skip


def _after_gaps(rows: SpellRows, *, event: str, unit: str, after: bool) -> tuple[SpellRows, CoxData]:
    """Take the data of Fine and Gray's model from the last time on at which nobody was under observation."""
    data = dataclasses.replace(cox_data(rows, (), None)[0], competing=rows.cause == -2, after=after)
    gap = data.observed.last_gap()
    if gap is None:
        return rows, data
    keep = data.exits > gap
    left = int((~keep).sum())
    if not data.event[keep].any():
        raise SampleError(f"nobody was under observation just before {gap:g} {unit}s, and no spell ended by {event!r} after that")
    said = (
        f"Nobody was under observation just before {gap:g} {unit}s: the model starts there, and {left} spells that were over are left out."
    )
    frame = rows.frame.loc[keep].reset_index(drop=True)
    later = dataclasses.replace(
        rows,
        frame=frame,
        columns=tuple(used_levels(column.rows(keep)) if column.levels else column.rows(keep) for column in rows.columns),
        cause=rows.cause[keep],
        cluster=None if rows.cluster is None else pd.factorize(rows.cluster[keep])[0].astype(np.int64),
        checks=(*rows.checks, Check("Under observation without a gap", False, said)),
    )
    return later, dataclasses.replace(cox_data(later, (), None)[0], competing=later.cause == -2, after=after)
