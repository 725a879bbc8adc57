"""Does a leading indicator lead? Its association with later results, given results so far."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.association import clustered_correlation, rank_scores, rest_of
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.words import say_p

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel

#: With fewer partners a correlation says too little.
FEWEST = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leading(Result):
    """How a leading indicator goes with the lagging one later on, given the lagging one now.

    The table has keys ``[part, group]``: ``forward`` (the claim, all quarters), ``backward`` (the other way round: the
    lagging one now with the leading one later), ``earlier half`` and ``later half`` of the quarters, then every
    ``quarter`` and every ``region``; ``estimate`` is the partial rank correlation, ``n`` the pairs; then ``partners``.

    Parameters
    ----------
    leading, lagging : str
        The indicators.
    ahead : int
        Quarters from one to the other.
    """

    title: ClassVar[str] = "Does it lead?"

    leading: str = ""
    lagging: str = ""
    ahead: int = 1


@dataclasses.dataclass(frozen=True)
class _Pairs:
    """Residuals of an earlier and a later measure, one row for each partner and quarter."""

    first: np.ndarray
    second: np.ndarray
    partner: np.ndarray
    column: np.ndarray

    def row(self, part: str, group: str, use: np.ndarray, level: float) -> dict[str, object]:
        """Correlation of some of the rows, Fisher's interval."""
        value, error, partners = clustered_correlation(self.first[use], self.second[use], self.partner[use])
        row: dict[str, object] = {"part": part, "group": group, **dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), np.nan)}
        row |= {"n": int(use.sum()), "partners": partners}
        if partners < FEWEST or np.isnan(value):
            return row
        reach = float(critical_value(level, partners - 1)) * error / max(1 - value**2, 1e-9)
        low, high = np.tanh(np.arctanh(np.clip(value, -0.999999, 0.999999)) + np.array([-reach, reach]))
        return row | {"estimate": value, "std_error": error, "conf_low": float(low), "conf_high": float(high)}


def _residuals(before: np.ndarray, after: np.ndarray, given: np.ndarray, whole: np.ndarray, ahead: int) -> _Pairs:
    """Rank within each quarter, and take out of both what the lagging one so far tells."""
    found: list[tuple[np.ndarray, ...]] = []
    for column in range(before.shape[1] - ahead):
        if not (whole[column] and whole[column + ahead]):
            continue
        columns = before[:, column], after[:, column + ahead], given[:, column]
        rows = np.flatnonzero(~np.isnan(np.stack(columns)).any(axis=0))
        if len(rows) < 5:
            continue
        first, second, base = (rank_scores(values[rows]) for values in columns)
        found.append((rest_of(first, base), rest_of(second, base), rows, np.full(len(rows), column)))
    if not found:
        nothing = np.zeros(0)
        return _Pairs(nothing, nothing, nothing.astype(int), nothing.astype(int))
    return _Pairs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def check_leading(panel: Panel, *, leading: str, lagging: str, ahead: int = 1, by: str | None = "region", level: float = 0.95) -> Leading:
    """Check whether a leading indicator really goes ahead of a lagging one.

    Parameters
    ----------
    panel : Panel
        With both.
    leading, lagging : str
        Indicators.
    ahead : int
        Quarters later at which the lagging one is read; more than its window, so that the same quarters are not
        counted on both sides.
    by : str or None
        Attribute whose groups are told apart.
    level : float
        Coverage.

    Returns
    -------
    Leading
        Partial rank correlations within quarters (Spearman's, of residuals on the lagging indicator's rank at the
        earlier quarter), pooled over quarters; errors by leaving out one partner at a time.

    Raises
    ------
    MissingTableError
        If the panel lacks one of the two.
    ParameterError
        If ``ahead`` is not positive or the two are the same.
    SampleError
        If no quarter has five partners with all three numbers.

    Notes
    -----
    What leads must add something to what the lagging indicator itself says of its future; it must do so in the
    later half of the quarters too, with the same sign (out of time), in every region, and more than the lagging one
    foretells the leading one. Where counts are few, the lagging one so far tells little, and both may only show how
    good a partner is: then the way back is as strong. Association is no proof that pushing one moves the other.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> rng = np.random.default_rng(0)
    >>> calls = rng.poisson(4.0, (80, 8))
    >>> sales = rng.poisson(1.0 + np.hstack([calls[:, :1], calls[:, :-1]]))  # a quarter after the calls
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", calls[i, q], sales[i, q]) for i in range(80) for q in range(8)]
    >>> panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "calls", "sales"]))
    >>> found = check_leading(panel, leading="calls", lagging="sales")
    >>> found.tidy().head(2)[["part", "estimate"]].round(1).to_numpy().tolist()
    [['forward', 0.6], ['backward', -0.1]]
    >>> [check.passed for check in found.checks][:3]
    [True, True, True]
    """
    check_level(level)
    if ahead < 1 or leading == lagging:
        raise ParameterError(f"ahead is {ahead}, leading {leading!r}, lagging {lagging!r}; give two indicators and at least 1 quarter")
    lead, lag, whole = panel.values(leading), panel.values(lagging), ~np.asarray(panel.partial, dtype=bool)
    forward, backward = _residuals(lead, lag, lag, whole, ahead), _residuals(lag, lead, lead, whole, ahead)
    if not len(forward.first):
        raise SampleError(f"no quarter has five partners with {leading}, {lagging} and {lagging} {ahead} quarters later")
    everything = np.ones(len(forward.first), dtype=bool)
    columns = np.unique(forward.column)
    late = forward.column >= columns[len(columns) // 2]
    rows = [forward.row("forward", "all", everything, level), backward.row("backward", "all", np.ones(len(backward.first), bool), level)]
    rows += [forward.row("earlier half", "all", ~late, level), forward.row("later half", "all", late, level)]
    rows += [forward.row("quarter", panel.labels[column], forward.column == column, level) for column in columns]
    if by is not None and by in panel.attributes:
        words = panel.attributes[by].astype("str").where(panel.attributes[by].notna(), "(not given)").to_numpy()
        rows += [forward.row(by, str(word), words[forward.partner] == word, level) for word in sorted(set(words[forward.partner]))]
    table = pd.DataFrame(rows)
    return Leading(
        estimand=f"Rank correlation of {leading} with {lagging} {ahead} quarters later, given {lagging} now",
        table=table,
        checks=(*_checks(table, by), _overlap(panel, lagging, ahead)),
        evidence=Evidence.C,
        level=level,
        leading=leading,
        lagging=lagging,
        ahead=ahead,
    )


def _checks(table: pd.DataFrame, by: str | None) -> tuple[Check, ...]:
    """Judge the claim: it goes ahead, out of time too, more than the other way round, and everywhere."""
    forward, backward, early, late = (
        table[table["part"] == part].iloc[0] for part in ("forward", "backward", "earlier half", "later half")
    )
    ahead = None if np.isnan(forward["estimate"]) else bool(forward["conf_low"] > 0 or forward["conf_high"] < 0)
    known = not np.isnan(early["estimate"]) and not np.isnan(late["estimate"])
    clear = bool(late["conf_low"] > 0 or late["conf_high"] < 0)
    checks = [
        Check("It tells of later results", ahead, _said(forward)),
        Check(
            "Out of time",
            bool(clear and np.sign(early["estimate"]) == np.sign(late["estimate"])) if known else None,
            f"Earlier half {_said(early)} Later half {_said(late)}",
        ),
        Check(
            "More than the other way round",
            bool(abs(forward["estimate"]) > abs(backward["estimate"]))
            if ahead is not None and not np.isnan(backward["estimate"])
            else None,
            f"The lagging one with the leading one later: {_said(backward)}",
        ),
    ]
    for part in ("quarter", by):
        groups = table[table["part"] == part].dropna(subset=["estimate"])
        if part is not None and len(groups) >= 2:
            checks.append(_stability(groups, str(part), float(forward["estimate"])))
    return tuple(checks)


def _stability(groups: pd.DataFrame, part: str, pooled: float) -> Check:
    """Judge whether groups differ more than their errors let expect (Cochran's Q), and whether any clearly points the other way."""
    from scipy import stats

    weight = 1.0 / np.maximum(groups["std_error"].to_numpy(), 1e-9) ** 2
    centre = float((weight * groups["estimate"]).sum() / weight.sum())
    q = float((weight * (groups["estimate"] - centre) ** 2).sum())
    p = float(stats.chi2.sf(q, len(groups) - 1))
    against = groups[(np.sign(pooled) * groups["conf_high" if pooled > 0 else "conf_low"]) < 0]
    said = f"From {groups['estimate'].min():.2f} to {groups['estimate'].max():.2f} over {len(groups)}; heterogeneity {say_p(p)}"
    said += f"; against it: {', '.join(against['group'])}." if len(against) else "; none clearly against it."
    return Check(f"Stable by {part}", bool(p > 0.01 and not len(against)), said)


def _said(row: pd.Series) -> str:
    if np.isnan(row["estimate"]):
        return f"not enough data (n = {row['partners']} partners)."
    return f"{row['estimate']:.2f} ({row['conf_low']:.2f} to {row['conf_high']:.2f}), {row['partners']} partners."


def _overlap(panel: Panel, lagging: str, ahead: int) -> Check:
    window = panel.indicator(lagging).window
    said = f"{lagging} takes {window} quarters together and is read {ahead} later"
    return Check(
        "No quarter on both sides", ahead >= window, said + ("." if ahead >= window else ": the same quarters stand on both sides.")
    )
