"""Fitting the moves out of one tier: multinomial or ordinal, its tests, and what has to be said of it."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from partnerlab.results import Check
from partnerlab.stats.inference.sandwich import at_least_model, invert
from partnerlab.stats.regressions import coefficients
from partnerlab.stats.regressions.glm import Binomial, Link
from partnerlab.stats.regressions.multinomial import Multinomial
from partnerlab.stats.regressions.newton import Optimum
from partnerlab.stats.regressions.ordinal import Cumulative
from partnerlab.stats.regressions.regression import Family, Model, make_model
from partnerlab.transitions.covariates import MoveRows
from partnerlab.words import plural, say_p

_NOBODY = (
    "nobody with one of its values ended between the thresholds, so that a coefficient for each has no highest likelihood. What hangs on "
    'it, thresholds and intervals of predictions too, is left out. `proportional=True` or `model="multinomial"` can be estimated.'
)
#: Terms whose test of proportional odds, Holm's correction included, falls below this get a coefficient for each threshold.
SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class TierFit:
    """One tier's model.

    Parameters
    ----------
    model, best : Model, Optimum
        What was maximised, and where it is highest.
    kind : str
        Covariance used.
    covariance : ndarray, shape (P, P)
        Of the standardised coefficients.
    df : float or None
        Degrees of freedom of intervals.
    labels : list of (str, str)
        Outcome and term of each row of the table.
    estimate, std_error : ndarray, shape (rows,)
        Coefficients of the covariates as they are; NaN for columns that others already tell, and where the data say nothing.
    events : ndarray of int64, shape (rows,)
        Pairs with the row's outcome.
    mute : frozenset of str
        Terms of which the data say nothing.
    checks : tuple of Check
        Separation, aliased columns, few moves, proportional odds.
    """

    model: Model
    best: Optimum
    kind: str
    covariance: np.ndarray
    df: float | None
    labels: list[tuple[str, str]]
    estimate: np.ndarray
    std_error: np.ndarray
    events: np.ndarray
    mute: frozenset[str]
    checks: tuple[Check, ...]


@dataclasses.dataclass(frozen=True)
class OddsTest:
    """Whether one covariate shifts all thresholds alike."""

    name: str
    statistic: float
    df: int
    p_value: float
    clustered: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitSpec:
    """How moves are fitted; the words are those of `estimate_transition_model`."""

    ordinal: bool = False
    link: Link = "logit"
    proportional: bool | None = None
    covariance: str = "auto"
    correction: str = "HC0"


def fit_moves(moves: MoveRows, spec: FitSpec) -> TierFit:
    """Fit, choose the covariance, and name every coefficient."""
    kinds = len(moves.outcomes)
    tests: list[OddsTest] = []
    family: Family = Binomial() if kinds == 2 else Multinomial(outcomes=kinds)
    loose: set[str] = set()
    if spec.ordinal:
        tests = odds_tests(moves, link=spec.link) if kinds > 2 else []
        loose = set() if spec.proportional else reject(tests)
        family = Cumulative(outcomes=kinds, link=spec.link, nominal=_nominal_columns(moves, loose))
    model = make_model(moves.rows, family)
    best, ran_off = model.fit()
    kind = coefficients.choose_covariance(spec.covariance, moves.clusters, correction=spec.correction)
    stuck = bool(loose) and not best.converged
    held = np.full(len(ran_off), stuck) if best.held is None else best.held
    spread = at_least_model(model.covariance(best, kind=kind, correction=spec.correction), best.covariance, ran_off & ~held)
    back = model.back
    names = name_coefficients(moves.outcomes, model, loose)
    nothing = np.abs(back) @ (held | coefficients.without_information(spread, best.covariance)) > 0
    estimate, error = (np.where(nothing, np.nan, found) for found in (back @ best.beta, coefficients.root_diagonal(back @ spread @ back.T)))
    labels, place = every_label(moves.outcomes, model, names)
    whole = [coefficients.spread_out(values[place[place >= 0]], place >= 0) for values in (estimate, error)]
    counts = np.bincount(moves.rows.outcome, weights=moves.rows.weight, minlength=kinds).astype(np.int64)
    return TierFit(
        model=model,
        best=best,
        kind=kind,
        covariance=np.where(held.any(), np.nan, spread),
        df=coefficients.freedom(kind, moves.clusters),
        labels=labels,
        estimate=whole[0],
        std_error=whole[1],
        events=np.array([_events(outcome, moves.outcomes, counts) for outcome, _ in labels], dtype=np.int64),
        mute=frozenset(term for (_, term), silent in zip(names, nothing, strict=True) if silent),
        checks=(*_checks(model, names, ran_off, best, counts, stuck=stuck), *_say_odds(tests, loose)),
    )


def name_coefficients(outcomes: tuple[str, ...], model: Model, nominal: set[str]) -> list[tuple[str, str]]:
    """Outcome and term of each estimated coefficient."""
    kept = [term for term, keep in zip(model.design.terms, model.design.keep, strict=True) if keep]
    if not isinstance(model.family, Cumulative):
        return [(outcome, term) for outcome in outcomes[1:] for term in ("(intercept)", *kept)]
    loose = {term for column in model.design.columns if column.name in nominal for term in column.terms}
    above = [f"above {outcome}" for outcome in outcomes[:-1]]
    fixed = [("higher", term) for term in kept if term not in loose]
    free = [(cut, term) for cut in above for term in kept if term in loose]
    return [*((cut, "(threshold)") for cut in above), *fixed, *free]


def every_label(outcomes: tuple[str, ...], model: Model, names: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Rows of the table, left-out columns included, and the coefficient of each (-1 for none)."""
    dropped = [term for term, keep in zip(model.design.terms, model.design.keep, strict=True) if not keep]
    groups = ["higher"] if isinstance(model.family, Cumulative) else list(outcomes[1:])
    labels = [*names, *((outcome, term) for outcome in groups for term in dropped)]
    return labels, np.array([*range(len(names)), *[-1] * (len(labels) - len(names))])


def _events(outcome: str, outcomes: tuple[str, ...], counts: np.ndarray) -> int:
    if outcome in outcomes:
        return int(counts[outcomes.index(outcome)])
    if outcome.startswith("above "):
        return int(counts[outcomes.index(outcome.removeprefix("above ")) + 1 :].sum())
    return int(counts[1:].sum())


def _nominal_columns(moves: MoveRows, names: set[str]) -> tuple[bool, ...]:
    """Which laid-out columns belong to covariates with a coefficient for each threshold."""
    design = make_model(moves.rows, Cumulative(outcomes=len(moves.outcomes))).design
    marks = [column.name in names for column in design.columns for _ in column.terms]
    return tuple(mark for mark, keep in zip(marks, design.keep, strict=True) if keep)


def _checks(
    model: Model, names: list[tuple[str, str]], ran_off: np.ndarray, best: Optimum, counts: np.ndarray, *, stuck: bool
) -> list[Check]:
    found = []
    fixed = ("(intercept)", "(threshold)")
    run = list(
        dict.fromkeys(f"{term} for {outcome}" for (outcome, term), off in zip(names, ran_off, strict=True) if off and term not in fixed)
    )
    run = run or (["the intercept"] if ran_off.any() else []) or (stuck and ["any term"]) or []
    if run and (stuck or best.held is not None):
        found.append(Check("Enough data", False, f"not enough data for {', '.join(run[:4])}: {_NOBODY}"))
    elif run:
        found.append(Check("Separation", False, coefficients.say_separation(run)))
    dropped = [term for term, keep in zip(model.design.terms, model.design.keep, strict=True) if not keep]
    if dropped:
        found.append(
            Check("Covariates tell different things", False, f"{', '.join(dropped)}: constant here, or told by the others; left out.")
        )
    if not best.converged and not stuck:
        found.append(Check("Converged", False, f"The likelihood was still rising after {best.iterations} steps."))
    least, terms = int(counts.min()), max(model.design.width, 1)
    if least < coefficients.EVENTS_PER_TERM * terms:
        rule = f"at least {coefficients.EVENTS_PER_TERM * terms} would be comfortable"
        found.append(
            Check(
                "Moves behind each coefficient",
                False,
                f"The rarest outcome was seen {plural(least, 'time')} for {plural(terms, 'term')}; {rule}.",
            )
        )
    return found


def odds_tests(moves: MoveRows, *, link: Link = "logit", clustered: bool | None = None) -> list[OddsTest]:
    """Test each covariate for proportional odds: likelihood ratio, or a clustered Wald test where partners are known.

    The model with a coefficient for each threshold is fitted covariate by covariate (as R's ``nominal_test``). The
    likelihood ratio takes rows as independent; where partners repeat, its p-value would be too small.
    """
    base, _ = make_model(moves.rows, Cumulative(outcomes=len(moves.outcomes), link=link)).fit()
    repeats = moves.clusters is not None and len(moves.rows) > moves.clusters
    by_partner = repeats if clustered is None else clustered and moves.clusters is not None
    found = []
    for column in moves.rows.columns:
        nominal = _nominal_columns(moves, {column.name})
        free = sum(nominal)
        if not free:
            continue
        model = make_model(moves.rows, Cumulative(outcomes=len(moves.outcomes), link=link, nominal=nominal))
        best, ran_off = model.fit()
        df = free * (len(moves.outcomes) - 2)
        statistic = max(2.0 * (best.loglik - base.loglik), 0.0)
        if by_partner:
            # coefficients that ran off together have no difference to test
            statistic = np.nan if best.held is not None or not best.converged else _equal_across_thresholds(model, best, ran_off, free)
        found.append(OddsTest(column.name, statistic, df, float(special.gammaincc(df / 2.0, statistic / 2.0)), by_partner))
    return found


def _equal_across_thresholds(model: Model, best: Optimum, ran_off: np.ndarray, free: int) -> float:
    """Clustered Wald statistic of equal coefficients at all thresholds."""
    cuts = model.family.outcomes - 1
    begin = len(best.beta) - cuts * free
    contrast = np.kron(np.concatenate([-np.ones((cuts - 1, 1)), np.eye(cuts - 1)], axis=1), np.eye(free))
    gap = contrast @ best.beta[begin:]
    spread = contrast @ at_least_model(model.covariance(best, kind="cluster"), best.covariance, ran_off)[begin:, begin:] @ contrast.T
    return float(gap @ invert(spread) @ gap)


def reject(tests: list[OddsTest]) -> set[str]:
    """Covariates whose test rejects, with Holm's (1979) correction for how many were tested.

    Examples
    --------
    >>> reject([OddsTest("a", 9.0, 1, 0.003, False), OddsTest("b", 4.0, 1, 0.046, False), OddsTest("c", 0.1, 1, 0.75, False)])
    {'a'}
    """
    names: set[str] = set()
    for rank, test in enumerate(sorted(tests, key=lambda one: np.nan_to_num(one.p_value, nan=np.inf))):
        if not test.p_value * (len(tests) - rank) < SIGNIFICANT:
            break
        names.add(test.name)
    return names


def _say_odds(tests: list[OddsTest], loose: set[str]) -> list[Check]:
    if not tests:
        return []
    bad = reject(tests)
    how = "Wald tests clustered by partner" if tests[0].clustered else "likelihood ratios"
    told = [f"{say_p(test.p_value)} on {test.df} df" if np.isfinite(test.p_value) else "not enough data to test" for test in tests]
    said = "; ".join(f"{test.name}: {what}" for test, what in zip(tests, told, strict=True))
    remedy = f" {', '.join(sorted(loose))} get a coefficient for each threshold." if loose else ""
    return [Check("Proportional odds", not bad, f"{said} ({how}, Holm's correction).{remedy}")]
