"""How much of it: outcomes by dose of a tactic, and whether more of it could matter at all."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.row_tables import keep_known, read_covariates, refuse_flat, refuse_own
from partnerlab.effects.trials import design_of
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.regressions.linear import Line, clustered_covariance, fit_line, satterthwaite_df
from partnerlab.verdicts import Stakes
from partnerlab.words import plural, say_list, say_number, say_p

#: Most different doses that are compared one by one.
MOST_DOSES = 12
#: Fewest rows that a dose is compared with.
FEWEST_ROWS = 5
#: Fewest clusters that errors can be read from.
FEWEST_CLUSTERS = 4
#: Errors below this share of the outcome are rounding.
ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoseEffects(Result):
    """Outcome at each dose against a reference dose, and for each unit of dose.

    The table's keys are ``dose`` and ``against``; the last row, "per unit", is the straight line through all doses, and the only one
    where there are too many doses to compare one by one (hours). ``p_equivalent`` tests that the difference is at least ``material``
    either way (two one-sided tests), ``finding`` is "more", "less", "no effect larger than ..." or "cannot tell": with "cannot tell" the
    interval holds both nothing and something that matters. ``upper`` is the one-sided upper bound of the difference; with stakes
    ``net_upper`` is that bound in money after the cost of the dose, the most that it can be worth, and ``net_value`` the expectation.

    Parameters
    ----------
    reference : float
        The dose that others are held against.
    material : float
        Smallest difference that matters.
    clusters : int
        Clusters behind the errors.
    reach : float
        The largest dose less the smallest.
    """

    title: ClassVar[str] = "Outcome by dose"

    reference: float
    material: float
    clusters: int
    reach: float


def estimate_dose(  # noqa: PLR0913 - columns have names
    rows: pd.DataFrame,
    *,
    dose: str,
    outcome: str,
    material: float,
    reference: float | None = None,
    covariates: Sequence[str] = (),
    cluster: str | None = None,
    stakes: Stakes | None = None,
    evidence: Evidence = Evidence.C,
    level: float = 0.95,
) -> DoseEffects:
    """Compare outcomes by dose: days of promotion, gives before an ask, hours spent.

    Parameters
    ----------
    rows : DataFrame
        One row for each time that a dose was given.
    dose, outcome : str
        Columns of the dose, a number, and of what came after. Up to twelve different doses are compared one by one.
    material : float
        Smallest difference that matters, above 0, in units of the outcome; the line is judged by the difference between the least
        and the most of the dose.
    reference : float, optional
        Dose to hold the others against; the smallest if None.
    covariates : sequence of str
        Columns known before the dose was chosen; words are taken as classes.
    cluster : str, optional
        Column of who chose the dose (manager) or received it (partner).
    stakes : Stakes, optional
        Worth of one more unit of the outcome, and cost of one unit of dose: gives the most that the dose can be worth.
    evidence : Evidence
        A or B only where a design gives doses that do not follow partners; else an association.
    level : float
        Coverage; equivalence is tested at an error of ``1 - level`` on each side.

    Returns
    -------
    DoseEffects

    Raises
    ------
    MissingTableError
        If a column is not there.
    ParameterError
        If dose or outcome hold no numbers, ``material`` is not above 0, or nobody had the reference dose.
    SampleError
        If all doses are equal, a covariate repeats the dose, or there are fewer than four clusters. A dose given by fewer than four
        stays unknown.

    Notes
    -----
    Least squares with CR2 errors and Satterthwaite's degrees of freedom; equivalence: Schuirmann (1987), Journal of Pharmacokinetics
    and Biopharmaceutics 15.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.DataFrame({"days": np.repeat([90, 180, 365], 300)})
    >>> rows["leads"] = 2.0 + 1.0 * (rows["days"] >= 180) + rng.normal(size=900)
    >>> found = estimate_dose(rows, dose="days", outcome="leads", material=0.5, reference=180)
    >>> found.table[["dose", "finding"]].values.tolist()[:2]
    [['90', 'less'], ['365', 'no effect larger than 0.5']]
    """
    check_level(level)
    refuse_own(covariates, (dose, outcome))
    if not material > 0:
        raise ParameterError(f"material is {material}; say the smallest difference that matters, above 0")
    columns = [dose, outcome, *covariates, *([cluster] if cluster else [])]
    sample, lost = keep_known(rows, columns, numbers=[dose, outcome])
    x, y = sample[dose].to_numpy(float), sample[outcome].to_numpy(float)
    doses, counts = np.unique(x, return_counts=True)
    base = float(doses[0]) if reference is None else float(reference)
    few = len(doses) <= MOST_DOSES
    _refuse(dose, doses, base, reference)
    refuse_flat(y, outcome=outcome, asked=dose)
    codes = np.arange(len(sample)) if cluster is None else pd.factorize(sample[cluster])[0]
    clusters = int(codes.max()) + 1
    if clusters < FEWEST_CLUSTERS:
        raise SampleError(f"{cluster or 'rows'}: only {clusters}; with fewer than {FEWEST_CLUSTERS} no error can be read")
    # who had only one dose says nothing of its neighbours: each dose that is compared needs clusters of its own
    behind = {value: len(np.unique(codes[x == value])) if few else clusters for value in doses.tolist()}
    seen = sum(count >= FEWEST_CLUSTERS for count in behind.values()) > 1
    known = design_of(read_covariates(sample, covariates)[0])[0]
    others = doses[doses != base] if few else doses[:0]
    slope = _fit(y, np.column_stack([x - x.mean(), known]), dose)
    table = []
    if few:
        steps = _fit(y, np.column_stack([x[:, None] == others, known]), dose)
        size = dict(zip(doses.tolist(), counts.tolist(), strict=True))
        table = [
            _row(
                f"{value:g}",
                base,
                steps,
                at,
                codes if cluster else None,
                n=size[value],
                material=material,
                level=level,
                enough=size[base] if min(behind[value], behind[base]) >= FEWEST_CLUSTERS else 0,
            )
            for at, value in enumerate(others)
        ]
    reach = float(doses[-1] - doses[0])
    per_unit = _row("per unit", base, slope, 0, codes if cluster else None, n=len(x), material=material / reach, level=level,
                    enough=len(x) if seen else 0)  # fmt: skip
    if str(per_unit["finding"]).startswith("no effect"):
        per_unit["finding"] = f"no effect larger than {say_number(material)} from {say_number(doses[0])} to {say_number(doses[-1])}"
    whole = pd.DataFrame([*table, per_unit | {"against": "one unit less"}])
    whole = _in_money(whole, np.append(others - base, 1.0), stakes)
    return DoseEffects(
        estimand=f"Difference of {outcome} by {dose}, against {base:g}" if few else f"Difference of {outcome} for one more unit of {dose}",
        table=whole,
        checks=(*_checks(whole, lost, len(rows)), _straight(y, x, known, codes if cluster else None, level)),
        evidence=evidence,
        level=level,
        reference=base,
        material=float(material),
        clusters=clusters,
        reach=reach,
    )


def _refuse(dose: str, doses: np.ndarray, base: float, reference: float | None) -> None:
    if len(doses) < 2:
        raise SampleError(f"{dose}: every row has the dose {doses[0]:g}; nothing tells what another would have done")
    if len(doses) > MOST_DOSES and reference is not None:
        raise ParameterError(
            f"{dose}: {len(doses)} different doses are read as a line, without a reference; leave it out, or put them into at most "
            f"{MOST_DOSES} classes"
        )
    if base not in doses:
        raise ParameterError(f"{dose}: nobody had the reference dose {base:g}; known: {say_list([f'{value:g}' for value in doses])}")


def _fit(y: np.ndarray, design: np.ndarray, dose: str) -> Line:
    fit = fit_line(y, design.astype(float)) if len(y) > design.shape[1] else None
    if fit is None:
        raise SampleError(f"{dose}: covariates repeat the dose or one another, so nothing tells them apart; leave one out")
    return fit


def _row(dose, base, fit: Line, at: int, codes, *, n, material, level, enough) -> dict[str, object]:  # noqa: PLR0913
    from scipy.stats import t

    row = {"dose": dose, "against": f"{base:g}"}
    unknown = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), math.nan)
    empty = unknown | {"n": n, "p_equivalent": math.nan, "upper": math.nan, "finding": "cannot tell"}
    if min(n, enough) < FEWEST_ROWS:
        return row | empty
    error, df = _error(fit, at, codes)
    if not error > ROUNDING * float(np.abs(fit.design @ fit.coefficients).max()):  # nothing varies: no error to judge by
        return row | empty
    estimate, half = float(fit.coefficients[at]), float(critical_value(level, df)) * error
    low, high = estimate - half, estimate + half
    p = float(t.sf((material - abs(estimate)) / error, df))
    return row | {
        "estimate": estimate,
        "std_error": error,
        "conf_low": low,
        "conf_high": high,
        "n": n,
        "p_equivalent": p,
        "upper": estimate + float(t.ppf(level, df)) * error,
        "finding": _finding(low, high, p, material, level),
    }


def _error(fit: Line, at: int, codes: np.ndarray | None) -> tuple[float, float]:
    """Error of one coefficient and its degrees of freedom: HC2, or CR2 with Satterthwaite's."""
    columns = fit.design.shape[1]
    if codes is None:
        return _plain_error(fit, at), float(len(fit.residual) - columns)
    error = float(np.sqrt(clustered_covariance(fit, codes, correction="CR2")[at, at]))
    return error, satterthwaite_df(fit, codes, contrast=np.eye(columns)[at])


def _plain_error(fit: Line, at: int) -> float:
    """HC2 error of one coefficient."""
    leverage = np.einsum("ij,jk,ik->i", fit.design, fit.bread, fit.design)
    push = fit.design @ fit.bread[at] * fit.residual / np.sqrt(np.maximum(1 - leverage, 1e-10))
    return float(np.sqrt((push**2).sum()))


def _finding(low: float, high: float, p: float, material: float, level: float) -> str:
    """Say what matters first: a difference that is surely small is small, even if it is surely not zero."""
    if p < 1 - level:
        return f"no effect larger than {say_number(material)}"
    if low > 0:
        return "more"
    return "less" if high < 0 else "cannot tell"


def _checks(table: pd.DataFrame, lost: int, rows: int) -> tuple[Check, ...]:
    thin = table.loc[table["estimate"].isna(), "dose"].tolist()
    few = f"too few rows or clusters, or nothing that varies, at {say_list(thin)}" if thin else f"every dose has {FEWEST_ROWS} rows or more"
    return (
        Check("doses seen", not thin, few),
        Check("rows kept", lost == 0 or None, f"{plural(lost, 'row')} of {rows} with something unknown left" if lost else "all rows"),
    )


def _in_money(table: pd.DataFrame, more: np.ndarray, stakes: Stakes | None) -> pd.DataFrame:
    """Add what each step of dose is worth after its cost: as expected, and at most."""
    if stakes is None or stakes.value is None:
        return table
    # where less of the outcome is better the most it can be worth lies at the lower end
    best = table["upper"] if stakes.value >= 0 else 2 * table["estimate"] - table["upper"]
    cost = stakes.cost * more
    return table.assign(net_value=stakes.value * table["estimate"] - cost, net_upper=stakes.value * best - cost)


def _straight(y: np.ndarray, x: np.ndarray, known: np.ndarray, codes: np.ndarray | None, level: float) -> Check:
    """Say whether outcomes bend with the dose, by a squared term; then the straight line is an average, not each unit's worth."""
    from scipy.stats import t

    away = x - x.mean()
    design = np.column_stack([away**2 - (away**2).mean(), away, known]).astype(float)
    fit = fit_line(y, design) if len(np.unique(x)) > 2 and len(y) > design.shape[1] else None
    if fit is None:
        return Check("straight line", None, "too few different doses to see a bend")
    error, df = _error(fit, 0, codes)
    if not error > 0:
        return Check("straight line", None, "outcomes do not vary around the line")
    p = float(2 * t.sf(abs(float(fit.coefficients[0])) / error, df))
    bent = p < 1 - level
    detail = "outcomes bend with the dose: the line is an average over doses" if bent else "no bend was seen"
    return Check("straight line", not bent, f"{detail} ({say_p(p)})")
