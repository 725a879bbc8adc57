"""What a sharp line does to those just above it: the benefit of a tier, read where partners on both sides are alike."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.row_tables import refuse_flat, refuse_own, require_columns
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.causes.discontinuity import (
    FEWEST_ROWS,
    FEWEST_SCORES,
    best_bandwidth,
    density_jump,
    estimate_jump,
    side_bins,
    side_curves,
)
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.words import plural, say_list, say_number, say_p

#: Different scores on a side under which a score counts as coarse: nothing lies near the line but its neighbours.
COARSE = 20
#: Fewest clusters that errors can be read from.
FEWEST_CLUSTERS = 4
#: Share of the bandwidth next to the line that the donut leaves out: who is pushed over a line lands close to it.
DONUT = 0.1
#: Checks with a smaller p-value than this are a doubt; covariates and placebo lines are adjusted for their number.
DOUBT = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class LineEffects(Result):
    """Effect of lying just above a line.

    The table's keys are ``reading`` and ``about``: "effect" (the headline), "plain" (without bias correction), "half bandwidth" and
    "double bandwidth", "donut" (without the rows nearest the line), "covariate", "placebo line", "density" (log ratio); then the tidy
    columns, ``bandwidth`` and ``p_value``.

    Parameters
    ----------
    line : float
        Where it lies.
    df : float
        Degrees of freedom of the headline's interval.
    below, above : int
        Rows within the bandwidth.
    bins : DataFrame
        ``side`` ("below", "above"), ``score, estimate, std_error, n``: means of rows alike in score within twice the bandwidth.
    curves : DataFrame
        ``side, at_line, slope, bend``: the curves whose gap at the line is the headline, within the bandwidth.
    """

    title: ClassVar[str] = "Effect at the line"

    line: float
    df: float
    below: int
    above: int
    bins: pd.DataFrame = dataclasses.field(repr=False)
    curves: pd.DataFrame = dataclasses.field(repr=False)

    @property
    def effect(self) -> pd.Series:
        """The headline."""
        return self.table.iloc[0]


def estimate_at_line(  # noqa: PLR0913 - columns have names
    rows: pd.DataFrame,
    *,
    score: str,
    line: float,
    outcome: str,
    treated: str | None = None,
    covariates: Sequence[str] = (),
    cluster: str | None = None,
    bandwidth: float | None = None,
    level: float = 0.95,
) -> LineEffects:
    """Estimate what crossing a line did to those near it, by regression discontinuity on the raw score.

    Parameters
    ----------
    rows : DataFrame
        One row a partner, or a partner and quarter, with its score when tiers were assigned and its outcome after.
    score : str
        Column of the raw score, before anything was held or overridden.
    line : float
        Rows at or above it got what the line gives.
    outcome : str
        Column of what came after.
    treated : str, optional
        Column that says who got it; where it does not follow the line, the line is refused.
    covariates : sequence of str
        Columns known before the score; they must not jump.
    cluster : str, optional
        Column of partner or manager, where rows share shocks.
    bandwidth : float, optional
        The one of least mean squared error if None.
    level : float
        Coverage.

    Returns
    -------
    LineEffects
        Graded B if the line was sharp, scores are fine, nobody heaps above it, no covariate jumps and no placebo line does; else D.
        It holds for partners at the line, not for all.

    Raises
    ------
    MissingTableError
        If a column is not there.
    SampleError
        If the line was not sharp, fewer than four clusters lie near it, or a side has too few rows or different scores near it.

    Notes
    -----
    Array functions and papers: `partnerlab.stats.causes.discontinuity`. Errors allow for the bias of local lines. Clustering by a coarse
    score's own values does not mend it (Kolesár and Rothe 2018), so a coarse score is a doubt that is said.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> rows = pd.DataFrame({"score": rng.uniform(0, 100, 1500), "size": rng.normal(size=1500)})
    >>> rows["leads"] = 0.02 * rows["score"] + 1.0 * (rows["score"] >= 60) + rng.normal(0, 0.8, 1500)
    >>> found = estimate_at_line(rows, score="score", line=60, outcome="leads", covariates=["size"])
    >>> found.evidence.value, bool(found.effect["conf_low"] < 1.0 < found.effect["conf_high"])
    ('B', True)
    """
    check_level(level)
    refuse_own(covariates, (score, outcome))
    sample, lost = _sample(rows, score, outcome, treated, covariates, cluster)
    _refuse_fuzzy(sample, score, line, treated)
    x, y = sample[score].to_numpy(float), sample[outcome].to_numpy(float)
    if sample.empty:
        raise SampleError(f"rows: none of {len(rows)} has {score} and {outcome}; nothing can be read at the line")
    refuse_flat(y, outcome=outcome, asked=score)
    codes = None if cluster is None else pd.factorize(sample[cluster])[0]
    width = best_bandwidth(x, y, line=line) if bandwidth is None else float(bandwidth)
    if bandwidth is not None and not width > 0:
        raise ParameterError(f"bandwidth is {bandwidth}; give a distance from the line above 0")
    jump = None if math.isnan(width) else estimate_jump(x, y, line=line, bandwidth=width, cluster=codes)
    if jump is None:
        near = "" if math.isnan(width) else f" within {say_number(width)} of it"
        raise SampleError(
            f"{score}: too few rows on a side of {say_number(line)}{near} ({int((x < line).sum())} below, {int((x >= line).sum())} above "
            f"in all); {FEWEST_ROWS} rows and {FEWEST_SCORES} different scores are needed on each"
        )
    if codes is not None:
        _refuse_few(codes[np.abs(x - line) < width], cluster)
    table = [
        _row("effect", outcome, jump.estimate, jump.std_error, jump.df, jump, level),
        _row("plain", outcome, jump.plain, jump.plain_error, jump.df, jump, level),
    ]
    for name, factor in (("half bandwidth", 0.5), ("double bandwidth", 2.0)):
        other = estimate_jump(x, y, line=line, bandwidth=factor * width, cluster=codes)
        table.append(_jump_row(name, outcome, other, level))
    far = np.abs(x - line) >= DONUT * width
    left = estimate_jump(x[far], y[far], line=line, bandwidth=width, cluster=None if codes is None else codes[far])
    table.append(_jump_row("donut", outcome, left, level))
    table += [_covariate(sample, score, line, name, codes, level) for name in covariates]
    table += _placebo_lines(x, y, line, codes, level)
    inside = np.abs(x - line) < width
    coarse = min(len(np.unique(x[inside & (x >= line)])), len(np.unique(x[inside & (x < line)])))
    table.append(_density(x, line, coarse, jump.df, level))
    whole = pd.DataFrame(table)
    checks = (*_checks(whole, coarse, score, jump.df), _missing(lost, len(rows)))
    return LineEffects(
        estimand=f"Change of {outcome} from just below {score} = {say_number(line)} to just above it",
        table=whole,
        checks=checks,
        evidence=Evidence.B if all(check.passed is not False for check in checks) and coarse >= COARSE else Evidence.D,
        level=level,
        line=float(line),
        df=jump.df,
        below=jump.below,
        above=jump.above,
        **_drawn(x, y, line, width),
    )


def _drawn(x: np.ndarray, y: np.ndarray, line: float, width: float) -> dict[str, pd.DataFrame]:
    """Give what a picture needs instead of rows: means of bins, and the curves on both sides."""
    near = np.abs(x - line) < 2 * width
    bins = pd.DataFrame(side_bins(x[near], y[near], line=line), columns=["side", "score", "estimate", "std_error", "n"])
    sides = np.array(["below", "above"], dtype=object)
    curves = pd.DataFrame(side_curves(x, y, line=line, bandwidth=width), columns=["at_line", "slope", "bend"])
    curves.insert(0, "side", sides)
    return {"bins": bins.assign(side=sides[bins["side"].astype(int)], n=bins["n"].astype(int)), "curves": curves}


def _sample(rows, score, outcome, treated, covariates, cluster) -> tuple[pd.DataFrame, int]:
    columns = [score, outcome, *([treated] if treated else []), *covariates, *([cluster] if cluster else [])]
    require_columns(rows, columns, numbers=[score, outcome, *([treated] if treated else []), *covariates])
    needed = [score, outcome, *([treated] if treated else []), *([cluster] if cluster else [])]
    known = rows[needed].notna().all(axis=1)
    return rows.loc[known, columns], int((~known).sum())


def _refuse_fuzzy(sample: pd.DataFrame, score: str, line: float, treated: str | None) -> None:
    if treated is None:
        return
    wrong = int((sample[treated].to_numpy(bool) != (sample[score].to_numpy(float) >= line)).sum())
    if wrong:
        raise SampleError(
            f"{treated}: {plural(wrong, 'row')} of {len(sample)} do not follow {score} >= {say_number(line)}; the line is not sharp, "
            "so use the raw score that tiers were assigned by, or leave overridden partners out and say so"
        )


def _refuse_few(codes: np.ndarray, cluster: str) -> None:
    found = len(np.unique(codes))
    if found < FEWEST_CLUSTERS:
        raise SampleError(f"{cluster}: only {found} near the line; with fewer than {FEWEST_CLUSTERS} no error can be read")


def _row(reading, about, estimate, error, df, jump, level) -> dict[str, object]:
    from scipy.stats import t

    half = float(critical_value(level, df)) * error
    return {
        "reading": reading,
        "about": about,
        "estimate": estimate,
        "std_error": error,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "n": jump.below + jump.above,
        "bandwidth": jump.bandwidth,
        "p_value": float(2 * t.sf(abs(estimate / error), df)) if error > 0 else math.nan,
    }


def _jump_row(reading: str, about: str, jump, level: float) -> dict[str, object]:
    if jump is None:
        return {"reading": reading, "about": about} | dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), math.nan) | {
            "n": 0, "bandwidth": math.nan, "p_value": math.nan}  # fmt: skip
    return _row(reading, about, jump.estimate, jump.std_error, jump.df, jump, level)


def _covariate(sample: pd.DataFrame, score: str, line: float, name: str, codes, level: float) -> dict[str, object]:
    x, z = sample[score].to_numpy(float), sample[name].to_numpy(float)
    known = np.isfinite(z)
    width = best_bandwidth(x[known], z[known], line=line)
    own = None if codes is None else codes[known]
    jump = None if math.isnan(width) else estimate_jump(x[known], z[known], line=line, bandwidth=width, cluster=own)
    return _jump_row("covariate", name, jump, level)


def _placebo_lines(x: np.ndarray, y: np.ndarray, line: float, codes, level: float) -> list[dict[str, object]]:
    """Jumps in the middle of each side, from that side alone."""
    rows = []
    for side in (x < line, x >= line):
        fake = float(np.median(x[side]))
        width = best_bandwidth(x[side], y[side], line=fake)
        own = None if codes is None else codes[side]
        jump = None if math.isnan(width) else estimate_jump(x[side], y[side], line=fake, bandwidth=width, cluster=own)
        rows.append(_jump_row("placebo line", say_number(fake), jump, level))
    return rows


def _density(x: np.ndarray, line: float, coarse: int, df: float, level: float) -> dict[str, object]:
    from scipy.stats import t

    heap = density_jump(x, line=line) if coarse >= COARSE else None
    if heap is None:
        return _jump_row("density", "rows", None, level)
    near = np.abs(x - line) < heap.bandwidth
    half = float(critical_value(level, df)) * heap.std_error
    return {
        "reading": "density",
        "about": "rows",
        "estimate": heap.estimate,
        "std_error": heap.std_error,
        "conf_low": heap.estimate - half,
        "conf_high": heap.estimate + half,
        "n": int(near.sum()),
        "bandwidth": heap.bandwidth,
        "p_value": float(2 * t.sf(abs(heap.estimate / heap.std_error), df)),
    }


def _checks(table: pd.DataFrame, coarse: int, score: str, df: float) -> tuple[Check, ...]:
    fine = coarse >= COARSE
    detail = f"{coarse} different values of {score} on the side with fewer within the bandwidth"
    more = "" if fine else "; what lies between two values is a guess, so intervals may be too short"
    return (
        Check("fine score", fine, detail + more),
        _judge(table, "density", "as many rows just below as just above", "rows heap on one side of the line"),
        _judge(table, "covariate", "no covariate jumps", "jump at the line, so partners on its sides are not alike"),
        _judge(table, "placebo line", "no jump where there is no line", "jump where there is no line"),
        _judge_donut(table, df),
    )


def _judge(table: pd.DataFrame, reading: str, good: str, bad: str) -> Check:
    part = table[table["reading"] == reading]
    p = adjust_p_values(part["p_value"].to_numpy(float), method="holm") if len(part) else np.array([])
    name = {"density": "no heaping", "covariate": "covariates", "placebo line": "placebo lines"}[reading]
    if not np.isfinite(p).any():
        return Check(name, None, "not looked at" if reading == "covariate" and not len(part) else "not enough data to tell")
    guilty = part["about"][p < DOUBT].astype(str).tolist()
    said = bad if reading == "density" else f"{say_list(guilty)} {bad}"
    return Check(name, not guilty, f"{said if guilty else good} ({say_p(np.nanmin(p))})")


def _missing(lost: int, rows: int) -> Check:
    return Check("rows kept", lost == 0 or None, f"{lost} of {rows} rows without score or outcome left" if lost else "all rows")


def _judge_donut(table: pd.DataFrame, df: float) -> Check:
    """Say whether the effect hangs on the rows nearest the line, by the error of what leaving them out changes (Hausman 1978)."""
    from scipy.stats import t

    rows = table.set_index("reading")
    whole, left = rows.loc["effect"], rows.loc["donut"]
    if not math.isfinite(left["estimate"]) or not left["std_error"] > 0:
        return Check("nearest rows", None, "too few rows without those nearest the line")
    error = math.sqrt(max(left["std_error"] ** 2 - whole["std_error"] ** 2, 0.25 * left["std_error"] ** 2))
    p = float(2 * t.sf(abs(left["estimate"] - whole["estimate"]) / error, df))
    detail = f"without the rows nearest the line the effect is {say_number(left['estimate'])} ({say_p(p)} that both tell the same)"
    return Check("nearest rows", p >= DOUBT, detail)
