"""What went together with a tactic, where nothing tells why: all rows pooled against the same partner's own ups and downs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.row_tables import keep_known, refuse_flat, refuse_own
from partnerlab.errors import SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.regressions.designs import independent_columns
from partnerlab.stats.regressions.linear import Line, clustered_covariance, fit_line, satterthwaite_df
from partnerlab.verdicts import Stakes, Verdict
from partnerlab.words import plural, say_list, say_number, say_p

#: Fewest units, each seen more than once, that errors can be read from.
FEWEST_UNITS = 4
#: So many covariates and more are counted in a message, not named.
MANY = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Association(Result):
    """How an outcome goes with one more of a tactic; key ``reading``.

    "pooled" compares all rows with one another; "within" only rows of one partner, so that whatever lasts of a partner is taken
    out; "pooled less within" is what lasts and goes with the tactic, such as managers' liking for those who are strong anyway.

    Parameters
    ----------
    verdict : Verdict
        Of the reading within partners, grade C at best: association.
    """

    title: ClassVar[str] = "What went together with it"

    verdict: Verdict


def estimate_association(  # noqa: PLR0913 - columns have names
    rows: pd.DataFrame,
    *,
    tactic: str,
    outcome: str,
    partner: str = "partner",
    period: str | None = None,
    covariates: Sequence[str] = (),
    cluster: str | None = None,
    stakes: Stakes | None = None,
    level: float = 0.95,
) -> Association:
    """Compare how an outcome goes with a tactic between all rows, and within partners.

    Parameters
    ----------
    rows : DataFrame
        One row a partner and period.
    tactic, outcome : str
        Columns with numbers: how much of the tactic there was, and what came of it.
    partner : str
        Column whose values are followed over time.
    period : str, optional
        Column of the quarter, where all partners rise and fall together: both readings are then taken beside a level of each period.
    covariates : sequence of str
        Columns with numbers. What does not vary within partners is held fixed between all rows alone.
    cluster : str, optional
        Column of who chose, if wider than a partner; partners if None.
    stakes : Stakes, optional
        Unit of the outcome and what one row is; the columns' names if None.
    level : float
        Coverage.

    Returns
    -------
    Association

    Raises
    ------
    MissingTableError
        If a column is not there.
    SampleError
        If partners or clusters are too few, or nothing varies within partners.

    Notes
    -----
    Least squares, without and with an effect of each partner (Mundlak 1978, Econometrica 46), CR2 errors by cluster. What all partners
    have more of in the years in which all do better goes with the outcome within partners, too, unless ``period`` is given.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> strength = np.repeat(rng.normal(size=100), 8)
    >>> rows = pd.DataFrame({"partner": np.repeat(np.arange(100), 8), "calls": rng.poisson(np.exp(strength))})
    >>> rows["leads"] = 5 + 3 * strength + 0.2 * rows["calls"] + rng.normal(size=800)
    >>> found = estimate_association(rows, tactic="calls", outcome="leads")
    >>> found.table.set_index("reading")["estimate"].round(1).to_dict(), found.verdict.earned.value
    ({'pooled': 1.2, 'within': 0.2, 'pooled less within': 1.0}, 'C')
    """
    check_level(level)
    refuse_own(covariates, (tactic, outcome))
    columns = [partner, outcome, tactic, *covariates, *(column for column in (period, cluster) if column)]
    sample, lost = keep_known(rows, columns, numbers=[outcome, tactic, *covariates])
    unit, owner = pd.factorize(sample[partner])[0], pd.factorize(sample[cluster or partner])[0]
    y, x = sample[outcome].to_numpy(float), sample[[tactic, *covariates]].to_numpy(float)
    refuse_flat(y, outcome=outcome, asked=tactic)
    if owner.max(initial=-1) + 1 < FEWEST_UNITS:
        raise SampleError(f"{tactic}: only {plural(int(owner.max(initial=-1)) + 1, 'cluster')}; {FEWEST_UNITS} are needed for errors")
    levels = pd.get_dummies(sample[period], drop_first=True).to_numpy(float) if period else np.zeros((len(y), 0))
    known = np.column_stack([x, levels])
    pooled = fit_line(y, np.column_stack([_unrepeated(known - known.mean(axis=0), known), np.ones(len(y))]))
    within = fit_line(_inside(y[:, None], unit)[:, 0], _unrepeated(_inside(known, unit), known))
    if pooled is None or within is None:
        others = [*covariates, *([period] if period else [])]
        named = say_list(others) if len(others) < MANY else f"{len(others)} covariates"
        repeated = f", or {named} repeat{'s' if len(others) == 1 else ''} it" if others else ""
        raise SampleError(f"{tactic}: it does not vary within partners{repeated}")
    told = [_row("pooled", pooled, owner, level), _row("within", within, owner, level), _gap(pooled, within, owner, level)]
    table = pd.DataFrame(told)
    count = int(unit.max()) + 1
    return Association(
        estimand=f"Difference of {outcome} for one more of {tactic}, between all rows and within partners"
        + (f", beside a level of each {period}" if period else ""),
        table=table.drop(columns="df"),
        checks=_checks(told[2], lost, len(rows)),
        evidence=Evidence.C,
        level=level,
        verdict=_verdict(told[1], tactic, stakes or Stakes(unit=outcome, per=f"one more of {tactic}"), partners=count, level=level),
    )


def _inside(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Differences from the unit's own mean."""
    count = np.bincount(unit)
    means = np.column_stack([np.bincount(unit, column) / count for column in values.T])
    return values - means[unit]


def _unrepeated(columns: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Keep the first column, the tactic, and those of the others, as differences from a mean, that vary and that no others repeat."""
    gram = columns[:, 1:].T @ columns[:, 1:]
    varies = np.diag(gram) > 1e-20 * (raw[:, 1:] ** 2).sum(axis=0)
    return np.column_stack([columns[:, :1], columns[:, 1:][:, independent_columns(gram, varies)]])


def _row(reading: str, line: Line, owner: np.ndarray, level: float) -> dict[str, object]:
    error = float(np.sqrt(clustered_covariance(line, owner, correction="CR2")[0, 0]))
    df = satterthwaite_df(line, owner, contrast=np.eye(line.design.shape[1])[0])
    return _tidy(reading, float(line.coefficients[0]), error, df, len(owner), level)


def _gap(pooled: Line, within: Line, owner: np.ndarray, level: float) -> dict[str, object]:
    """Difference of the two readings of the same rows, with its own error."""
    push = [line.design @ line.bread[0] * line.residual for line in (pooled, within)]
    sums = np.bincount(owner, push[0] - push[1])
    count = len(sums)
    error = float(np.sqrt((sums**2).sum() * count / (count - 1)))
    return _tidy("pooled less within", float(pooled.coefficients[0] - within.coefficients[0]), error, count - 1.0, len(owner), level)


def _tidy(reading: str, estimate: float, error: float, df: float, n: int, level: float) -> dict[str, object]:
    from scipy.stats import t

    half = float(critical_value(level, df)) * error
    p = float(2 * t.sf(abs(estimate / error), df)) if error > 0 else float("nan")
    return {"reading": reading, "estimate": estimate, "std_error": error, "conf_low": estimate - half, "conf_high": estimate + half,
            "n": n, "p_value": p, "df": df}  # fmt: skip


def _checks(gap: dict[str, object], lost: int, rows: int) -> tuple[Check, ...]:
    detail = f"between partners it goes with {say_number(gap['estimate'], digits=2)} more than within them ({say_p(gap['p_value'])})"
    return (
        Check("pooled as within", bool(gap["p_value"] >= 0.05), detail),
        Check("rows kept", lost == 0 or None, f"{lost} of {rows} rows with something unknown left out" if lost else "all rows"),
    )


def _verdict(row: dict[str, object], tactic: str, stakes: Stakes, *, partners: int, level: float) -> Verdict:
    return Verdict(
        tactic=tactic, grade=Evidence.C, estimate=row["estimate"], std_error=row["std_error"], df=row["df"], n=row["n"],
        partners=partners, stakes=stakes, level=level,
        assumption="nothing that changes over time moved both",
        overturned_by="whatever made managers give it in those periods: a partner's good or bad times would do",
    )  # fmt: skip
