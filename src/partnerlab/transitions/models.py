"""Which partners move, and where: a regression for each tier they move from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.regressions import coefficients
from partnerlab.stats.regressions.coefficients import Correction, Covariance
from partnerlab.stats.regressions.designs import Design, read_again
from partnerlab.stats.regressions.glm import Link
from partnerlab.stats.regressions.regression import Family, predict_chances
from partnerlab.transitions.covariates import MoveRows, Outcomes, read_moves
from partnerlab.transitions.pair_building import build_transitions
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.states import LAPSED
from partnerlab.transitions.tier_fits import FitSpec, TierFit, fit_moves

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory

#: Pairs out of a tier below which nothing is fitted.
FEWEST_PAIRS = 20
KEYS = ("from_tier", "outcome", "term")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FittedTier:
    """What a prediction needs of one tier's model; no rows.

    Parameters
    ----------
    family : Family
        What the outcomes are.
    design : Design
        How covariates are laid out, without rows.
    beta, covariance : ndarray, shape (P,), (P, P)
        Standardised coefficients.
    outcomes : tuple of str
        Names.
    n : int
        Pairs behind it.
    df : float or None
        Degrees of freedom of intervals.
    """

    family: Family
    design: Design
    beta: np.ndarray
    covariance: np.ndarray
    outcomes: tuple[str, ...]
    n: int
    df: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransitionModel(Result):
    """Regressions of where partners go from their tier.

    The table has keys ``[from_tier, outcome, term]``, log odds ratios against the reference outcome with intervals,
    ``n`` (pairs at risk), ``ratio, ratio_low, ratio_high`` (odds ratios), ``p_value``, ``events`` (pairs with the outcome)
    and ``partners``. In an ordinal model ``outcome`` is "higher" for a term with one coefficient, and "above X" for
    thresholds and for terms whose coefficient differs by threshold.

    Parameters
    ----------
    marginal : DataFrame
        Average marginal effects on each outcome's probability: ``from_tier, outcome, term, estimate, std_error, conf_low,
        conf_high, n, p_value``; 0.01 is a point. A number moves by one unit, a level from the reference.
    fits : mapping of str to FittedTier
        What `predict` reads.
    loglik : mapping of str to float
        Log-likelihood by tier.
    """

    marginal: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)
    fits: Mapping[str, FittedTier] = dataclasses.field(repr=False, default_factory=dict)
    loglik: Mapping[str, float] = dataclasses.field(repr=False, default_factory=dict)

    title: ClassVar[str] = "Who moves"

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Give each row's chances of the next period, with intervals of the chance (not of the single outcome).

        Parameters
        ----------
        frame : DataFrame
            The covariates, ``from_tier`` unless the model is of one tier or pooled, and ``partner`` and ``quarter`` if they
            are to be named.

        Returns
        -------
        DataFrame
            ``partner | row, [quarter, ] from_tier, outcome, estimate, std_error, conf_low, conf_high, n``; NaN where a
            covariate is missing or of a level that the model has not seen.

        Raises
        ------
        ParameterError
            If a column is not there or a tier has no model.
        """
        table = frame.reset_index(drop=True)
        tier = self._tiers_of(table)
        parts = []
        for name in dict.fromkeys(tier):
            mine = np.flatnonzero(tier == name)
            parts.append(_predicted(self.fits[name], table.iloc[mine], place=mine, level=self.level).assign(from_tier=name))
        if not parts:
            raise SampleError("predict: the table has no rows")
        long = pd.concat(parts).sort_values(["row", "order"], kind="stable", ignore_index=True)
        named = [name for name in ("partner", "quarter") if name in table.columns]
        for name in named:
            long[name] = table[name].to_numpy()[long["row"].to_numpy()]
        keys = named if "partner" in named else ["row", *named]
        return long[[*keys, "from_tier", "outcome", "estimate", "std_error", "conf_low", "conf_high", "n"]]

    def _tiers_of(self, table: pd.DataFrame) -> np.ndarray:
        if not self.fits:
            raise SampleError("predict: no tier had enough data for a model")
        only = next(iter(self.fits)) if len(self.fits) == 1 else None
        if only is not None and (only == "all" or "from_tier" not in table.columns):
            return np.full(len(table), only, dtype=object)
        if "from_tier" not in table.columns:
            raise ParameterError("predict: no column 'from_tier'; the model has one regression for each tier", column="from_tier")
        tier = table["from_tier"].astype("str").to_numpy(dtype=object)
        strange = [name for name in dict.fromkeys(tier) if name not in self.fits]
        if strange:
            raise ParameterError(f"predict: no model for partners in {strange[0]!r}{nearest(str(strange[0]), self.fits)}")
        return tier


def _predicted(fitted: FittedTier, table: pd.DataFrame, *, place: np.ndarray, level: float) -> pd.DataFrame:
    columns, unknown = read_again(fitted.design.columns, table, of="predict")
    design = dataclasses.replace(fitted.design, columns=columns, rows=len(table))
    chance, error = predict_chances(fitted.family, design, fitted.beta, fitted.covariance)
    low, high = coefficients.chance_interval(chance, error, level=level, df=fitted.df)
    kinds = len(fitted.outcomes)
    body = {"estimate": chance, "std_error": error, "conf_low": low, "conf_high": high}
    found = {name: np.where(unknown[:, None], np.nan, values).ravel() for name, values in body.items()}
    order = np.tile(np.arange(kinds), len(table))
    return pd.DataFrame(
        {"row": np.repeat(place, kinds), "order": order, "outcome": np.array(fitted.outcomes, dtype=object)[order], **found, "n": fitted.n}
    )


def estimate_transition_model(  # noqa: PLR0913 - each a question of its own
    transitions: Transitions | TierHistory,
    *,
    covariates: Sequence[str] = (),
    from_tier: str | None = None,
    outcomes: Outcomes | None = None,
    model: Literal["multinomial", "ordinal"] = "multinomial",
    link: Link = "logit",
    proportional: bool | None = None,
    reference: str | None = None,
    covariance: Covariance = "auto",
    correction: Correction = "HC0",
    level: float = 0.95,
) -> TransitionModel:
    """Regress where partners go next on what is known of them now, tier by tier.

    Multinomial logit against staying (two outcomes: logit). Covariates may be any column of the pairs: ``time_in_tier``,
    a distance to the line, engagement, attributes; ``season`` and ``quarter`` of the quarter moved into; ``from_tier`` where
    tiers are pooled. Numbers enter as they are, names as levels against the first. Where a term predicts perfectly all
    are penalised (Firth 1993) and a check says so. Standard errors are clustered by partner (Liang and Zeger 1986), by
    jackknife with Student's t under 40 partners.

    Parameters
    ----------
    transitions : Transitions or TierHistory
        Pairs, or counts; of a history its one-step pairs are built, with covariates from its panel.
    covariates : sequence of str
        Columns.
    from_tier : str, optional
        One tier; ``"all"`` pools all tiers in one model; each tier has its own if None.
    outcomes : {"direction", "destination"}, optional
        Stay, down, up, lapsed; or the state reached. Directions where tiers have an order, if None.
    model : {"multinomial", "ordinal"}
        An ordinal model orders the states reached, lapsed lowest. Each term is first tested for proportional odds;
        one that fails gets a coefficient for each threshold (Peterson and Harrell 1990), and a check names it.
    link : {"logit", "cloglog"}
        Of the ordinal model.
    proportional : bool, optional
        True gives every term of an ordinal model one coefficient, whatever its test says; None lets the test decide.
    reference : str, optional
        Outcome that the others are compared with; staying if None.
    covariance : {"auto", "cluster", "jackknife", "model"}
        Clustered, jackknife under 40 partners, the model's own where partners are not known; or as named.
    correction : {"HC0", "HC1"}
        Small-sample factor of the clustered covariance.
    level : float
        Coverage of the intervals.

    Returns
    -------
    TransitionModel
        NaN, and a check, for a tier with fewer than 20 pairs or one outcome only. Association, not effect.

    Raises
    ------
    ParameterError
        If a column, tier, outcome or covariance does not exist.

    Examples
    --------
    >>> counts = [("Gold", "Gold", 0, 40), ("Gold", "Base", 0, 10), ("Gold", "Gold", 1, 20), ("Gold", "Base", 1, 20)]
    >>> table = pd.DataFrame(counts, columns=["from_tier", "to_tier", "late", "n"])
    >>> pairs = Transitions.from_frame(table, partner=None, quarter=None, count="n", order=["Gold", "Base"])
    >>> estimate_transition_model(pairs, covariates=["late"]).table[["outcome", "term", "ratio"]].round(2).to_numpy().tolist()
    [['down', '(intercept)', 0.25], ['down', 'late', 4.0]]
    """
    check_level(level)
    transitions = as_pairs(transitions, covariates)
    kinds = ("multinomial", "ordinal")
    if model not in kinds:
        raise ParameterError(f"model is {model!r}{nearest(str(model), kinds)}")
    asked = outcomes or ("direction" if transitions.ordered and model == "multinomial" else "destination")
    coefficients.choose_covariance(covariance, len(transitions.partners) or None, correction=correction)
    spec = FitSpec(ordinal=model == "ordinal", link=link, proportional=proportional, covariance=covariance, correction=correction)
    parts: list[tuple[str, MoveRows, TierFit | None]] = []
    for tier in tiers_to_fit(transitions, from_tier):
        pairs = transitions if tier == "all" else transitions.select(transitions.origin == transitions.states.index(tier))
        moves = read_moves(pairs, covariates=covariates, outcomes=asked, from_tier=tier, ordinal=model == "ordinal", reference=reference)
        enough = moves.total >= FEWEST_PAIRS and len(moves.outcomes) >= 2
        fitted = fit_moves(moves, spec) if enough else None
        parts.append((tier, moves, fitted))
    how = "order of the state reached" if model == "ordinal" else "direction of the move" if asked == "direction" else "state reached"
    return TransitionModel(
        estimand=f"Log odds ratios of the {how} one step later"
        + (f", by {', '.join(covariates)}" if covariates else "")
        + ", among partners of each tier",
        table=pd.concat([_tier_table(tier, moves, fitted, level) for tier, moves, fitted in parts], ignore_index=True),
        checks=(*transitions.checks, *(check for tier, moves, fitted in parts for check in _tier_checks(tier, moves, fitted, correction))),
        evidence=Evidence.C,
        level=level,
        marginal=pd.concat([_marginal_table(tier, moves, fitted, level) for tier, moves, fitted in parts], ignore_index=True),
        fits={tier: _fitted(moves, fitted) for tier, moves, fitted in parts if fitted is not None},
        loglik={tier: fitted.best.loglik for tier, _, fitted in parts if fitted is not None},
    )


def as_pairs(given: Transitions | TierHistory, covariates: Sequence[str]) -> Transitions:
    """Pairs as they are; of a history its one-step pairs, with the covariates that its panel must give."""
    from partnerlab.tiers.history import TierHistory

    if not isinstance(given, TierHistory):
        return given
    made = ("from_tier", "quarter", "season", "time_in_tier", "time_at_least")
    return build_transitions(given, covariates=[name for name in covariates if name not in made])


def tiers_to_fit(transitions: Transitions, from_tier: str | None) -> list[str]:
    """Tiers that partners leave, or the one asked for.

    Raises
    ------
    ParameterError
        If there is no such tier.
    SampleError
        If there are no pairs.
    """
    if len(transitions) == 0:
        raise SampleError("there are no pairs to model")
    left = [state for at, state in enumerate(transitions.states) if (transitions.origin == at).any() and state != LAPSED]
    if from_tier is None:
        return left
    if from_tier != "all" and from_tier not in left:
        raise ParameterError(f"nobody leaves a tier {from_tier!r}{nearest(str(from_tier), [*left, 'all'])}", from_tier=from_tier)
    return [str(from_tier)]


def _fitted(moves: MoveRows, fitted: TierFit) -> FittedTier:
    bare = tuple(dataclasses.replace(column, values=column.values[:0]) for column in fitted.model.design.columns)
    return FittedTier(
        family=fitted.model.family,
        design=dataclasses.replace(fitted.model.design, columns=bare, rows=0),
        beta=fitted.best.beta,
        covariance=fitted.covariance,
        outcomes=moves.outcomes,
        n=moves.total,
        df=fitted.df,
    )


def _tier_table(tier: str, moves: MoveRows, fitted: TierFit | None, level: float) -> pd.DataFrame:
    """Coefficients of one tier; NaN where there was not enough."""
    if fitted is None:
        terms = ["(intercept)", *(term for column in moves.rows.columns for term in column.terms)]
        names = moves.outcomes[1:] or ("any",)
        labels = [(outcome, term) for outcome in names for term in terms]
        estimate = error = np.full(len(labels), np.nan)
        events, df = np.zeros(len(labels), dtype=np.int64), None
    else:
        labels, estimate, error, events, df = fitted.labels, fitted.estimate, fitted.std_error, fitted.events, fitted.df
    body = coefficients.wald_columns(estimate, error, moves.total, level=level, df=df)
    keys = {"from_tier": tier, "outcome": [outcome for outcome, _ in labels], "term": [term for _, term in labels]}
    partners = -1 if moves.clusters is None else moves.clusters
    return (
        pd.DataFrame(keys | body | {"events": events, "partners": partners})
        .astype({"partners": "Int64"})
        .replace({"partners": {-1: pd.NA}})
    )


def _marginal_table(tier: str, moves: MoveRows, fitted: TierFit | None, level: float) -> pd.DataFrame:
    if fitted is None:
        return pd.DataFrame(columns=[*KEYS, "estimate", "std_error", "conf_low", "conf_high", "n", "p_value"])
    terms, effect, error = coefficients.marginal_effects(fitted.model, fitted.best.beta, fitted.covariance)
    effect[[term in fitted.mute for term in terms]] = np.nan
    body = coefficients.wald_columns(effect.T.ravel(), error.T.ravel(), moves.total, level=level, df=fitted.df, ratio=False)
    outcome = np.repeat(np.array(moves.outcomes, dtype=object), len(terms))
    return pd.DataFrame({"from_tier": tier, "outcome": outcome, "term": terms * len(moves.outcomes)} | body)


def _tier_checks(tier: str, moves: MoveRows, fitted: TierFit | None, correction: str) -> list[Check]:
    """Say what a tier's model leans on."""
    where = "" if tier == "all" else f" ({tier})"
    found = [dataclasses.replace(check, name=check.name + where) for check in moves.checks]
    if fitted is None:
        outcomes = f"{len(moves.outcomes)} outcome(s): {', '.join(moves.outcomes)}"
        return [*found, Check(f"Enough data{where}", False, f"not enough data (n = {moves.total}); {outcomes}.")]
    said = coefficients.say_covariance(fitted.kind, moves.clusters, correction=correction)
    found.append(Check(f"Standard errors{where}", None if fitted.kind == "model" else True, said))
    found += [dataclasses.replace(check, name=check.name + where) for check in fitted.checks]
    return found
