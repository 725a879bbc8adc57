"""All tactics by all tiers on one page: pooled, false discoveries controlled, each cell with its grade and what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.effects.analysis import TacticAnalysis
from partnerlab.effects.by_tier import TierEffects, estimate_by_tier
from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Evidence, Result
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.inference.multiplicity import adjust_p_values
from partnerlab.verdicts import Verdict
from partnerlab.words import plural, say_p

#: A tactic that pays is extended to a tier where fewer than this share of eligible partner-quarters had it.
MOSTLY_COVERED = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class TacticComparison(Result):
    """Every tactic in every tier before it; keys ``tactic`` and ``tier``.

    ``estimate``, ``std_error`` and the interval are pooled over the page; ``raw, raw_error, p_value`` are the cell's own and
    ``p_adjusted`` controls false discoveries over the page (Benjamini and Hochberg); ``positive`` is the probability of an effect above
    0, ``best`` that of being the page's best cell; ``grade, finding, statement, action, smallest_effect, pays, net_value,
    expected_loss`` are those of the cell's verdict, ``covered`` the share of eligible partner-quarters that had the tactic.

    Parameters
    ----------
    cells : int
        How many were looked at.
    verdicts : tuple of Verdict
        One for each row of the table.
    pooled : TierEffects
        How the cells of tactics without doubt were pooled.
    """

    title: ClassVar[str] = "Which tactic worked, for which tier"

    cells: int
    verdicts: tuple[Verdict, ...] = dataclasses.field(repr=False)
    pooled: TierEffects = dataclasses.field(repr=False)

    @property
    def flagged(self) -> pd.DataFrame:
        """Rows that may be named: grade B or better, the pooled interval clear of zero, the adjusted p-value small."""
        named = self.table["grade"].isin(["A", "B"]) & self.table["finding"].isin(["raised", "lowered"])
        return self.table[named]


def compare_tactics(analyses: Sequence[TacticAnalysis], *, level: float = 0.95, seed: int = 0) -> TacticComparison:
    """Lay all tactics by all tiers on one page, so that the best of many is not a boast.

    Cells are pooled over tactics and tiers, in units of the spread of outcomes in each tier, with the spread between them integrated
    over (`estimate_by_tier`); tactics whose analysis
    is in doubt, or an association, are pooled by themselves, so that their bias does not rub off on the others, but count as cells. A
    cell is named only if its pooled interval is clear of zero, its own p-value survives the control of false discoveries over the
    page, and the analysis of its tactic is without doubt.

    Parameters
    ----------
    analyses : sequence of TacticAnalysis
        One for each tactic, of outcomes in one unit. All that were made, not only the promising ones.
    level : float
        Coverage; must be that of the analyses.
    seed : int
        Of the draws behind ``best``.

    Returns
    -------
    TacticComparison

    Raises
    ------
    ParameterError
        If something is no analysis.
    SampleError
        Without analyses, with one tactic twice, units or levels that differ, or no cell known.

    Examples
    --------
    >>> from partnerlab.effects import Known, TacticPanel, TacticStudy, analyze_tactic
    >>> from partnerlab.intake.simulate import simulate_world
    >>> from partnerlab.verdicts import Stakes
    >>> found = []
    >>> for seed, name in enumerate(["Dinner", "Webinar"], start=1):
    ...     world = simulate_world("B", seed=seed, null=name == "Webinar").to_frame()
    ...     panel = TacticPanel.from_frame(world, manager="manager", tier="tier", covariates=["health"])
    ...     study = TacticStudy(tactic=name, stakes=Stakes(unit="leads"), covariates=(Known(name="health", at="start", lag=0),))
    ...     found.append(analyze_tactic(panel, study=study))
    >>> page = compare_tactics(found)
    >>> page.cells, sorted(set(page.flagged["tactic"]))
    (6, ['Dinner'])
    """
    strange = next((each for each in analyses if not isinstance(each, TacticAnalysis)), None)
    if strange is not None:
        raise ParameterError(f"compare_tactics: analyses of analyze_tactic are compared, not a {type(strange).__name__}")
    cells = _cells(analyses, level)
    known = cells["estimate"].notna() & cells["std_error"].notna()
    material = analyses[0].study.stakes.material
    sound = _sound(cells, analyses)
    halves = [cells[sound], cells[~sound]] if known[sound].any() and known[~sound].any() else [cells]
    parts = [_pool(half, material, level=level, seed=seed) for half in halves]
    table = pd.concat([part.table for part in parts]).sort_index()
    if len(halves) > 1:
        table.loc[~sound, "best"] = np.nan  # what is biased is not compared with what is not
    pooled = parts[0]
    raw_p = _p_values(cells)
    table = table.assign(p_value=raw_p, p_adjusted=adjust_p_values(raw_p, method="BH")).drop(columns=["q_value"])
    table = table.assign(raw_error=cells["std_error"], covered=cells["covered"])
    of = [analyses[place] for place in cells["of"]]
    verdicts = tuple(_verdict(row, own, len(cells), level) for row, own in zip(table.to_dict("records"), of, strict=True))
    table = _with_verdicts(table, verdicts)
    named = int(((table["p_adjusted"] < 1 - level) & known).sum())
    return TacticComparison(
        estimand=f"Effect of each tactic on {of[0].study.stakes.unit} in each tier before it, pooled over {plural(len(cells), 'cell')}",
        table=table,
        checks=(
            *pooled.checks,
            Check("false discoveries", None, f"{plural(named, 'cell')} of {len(cells)} with an adjusted p-value under {1 - level:.2g}"),
            _doubted(analyses),
        ),
        evidence=Evidence.B if any(verdict.earned is Evidence.B for verdict in verdicts) else Evidence.D,
        level=level,
        cells=len(cells),
        verdicts=verdicts,
        pooled=pooled,
    )


def _cells(analyses: Sequence[TacticAnalysis], level: float) -> pd.DataFrame:
    """All cells of all tactics; which analysis each is ``of``."""
    if not analyses:
        raise SampleError("compare_tactics: no analysis was given")
    names = [analysis.study.tactic for analysis in analyses]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SampleError(f"compare_tactics: {twice} was analysed twice; give one analysis for each tactic")
    units = sorted({analysis.study.stakes.unit for analysis in analyses})
    if len(units) > 1:
        raise SampleError(f"compare_tactics: effects on {' and '.join(units)} cannot be pooled; make a page for each outcome")
    if not any((analysis.tiers["estimate"].notna() & analysis.tiers["std_error"].notna()).any() for analysis in analyses):
        raise SampleError("compare_tactics: no tactic has a tier with enough data for an effect")
    if {analysis.level for analysis in analyses} != {level}:
        raise SampleError(f"compare_tactics: analyses were read at other levels than {level:g}; read them at one level")
    parts = [analysis.tiers.assign(tactic=name, of=place) for place, (name, analysis) in enumerate(zip(names, analyses, strict=True))]
    return pd.concat(parts, ignore_index=True)


def _sound(cells: pd.DataFrame, analyses: Sequence[TacticAnalysis]) -> np.ndarray:
    """Cells of tactics whose design stands."""
    good = np.array([analysis.evidence in (Evidence.A, Evidence.B) and not analysis.verdict.doubts for analysis in analyses])
    return good[cells["of"].to_numpy()]


def _pool(cells: pd.DataFrame, material: float | None, *, level: float, seed: int) -> TierEffects:
    """Pool some of the page's cells; the table keeps their places on it."""
    found = estimate_by_tier(cells, df="df", scale="scale", material=material, evidence=Evidence.B, level=level, seed=seed, fewest=1)
    return dataclasses.replace(found, table=found.table.set_axis(cells.index))


def _p_values(cells: pd.DataFrame) -> np.ndarray:
    from scipy.stats import t

    return 2 * t.sf(np.abs(cells["estimate"] / cells["std_error"]).to_numpy(float), cells["df"].to_numpy(float))


def _verdict(row: dict, analysis: TacticAnalysis, cells: int, level: float) -> Verdict:
    """Say what may be said of one cell; its error is what makes a normal interval as wide as the pooled one."""
    width = (row["conf_high"] - row["conf_low"]) / 2
    doubts = analysis.verdict.doubts
    clear = row["conf_low"] > 0 or row["conf_high"] < 0
    if not doubts and clear and not row["p_adjusted"] < 1 - level:
        doubts = (f"by itself it could be the luckiest of {cells} cells looked at (adjusted {say_p(row['p_adjusted'])})",)
    return dataclasses.replace(
        analysis.verdict,
        estimate=float(row["estimate"]),
        std_error=width / float(critical_value(level)),
        df=np.inf,
        n=int(row["n"]),
        partners=int(row["partners"]),
        managers=None if pd.isna(row["managers"]) else int(row["managers"]),
        overturned_by="",
        cells=cells,
        pooled=True,
        doubts=doubts,
    )


def _with_verdicts(table: pd.DataFrame, verdicts: tuple[Verdict, ...]) -> pd.DataFrame:
    rows = pd.DataFrame([verdict.to_row() for verdict in verdicts])
    table = table.assign(**{name: rows[name] for name in ("estimate", "std_error", "conf_low", "conf_high")})
    said = ("grade", "finding", "statement", "smallest_effect", "pays", "net_value", "expected_loss", "action")
    table = table.assign(**{name: rows[name] for name in said})
    table["action"] = table["action"].mask((table["action"] == "keep") & (table["covered"] < MOSTLY_COVERED), "extend")
    first = ["tactic", "tier", "estimate", "std_error", "conf_low", "conf_high", "n", "partners", "managers", "raw", "raw_error"]
    first += ["p_value", "p_adjusted", "grade", "finding", "action"]
    return table[first + [name for name in table.columns if name not in first]]


def _doubted(analyses: Sequence[TacticAnalysis]) -> Check:
    doubted = [analysis.study.tactic for analysis in analyses if analysis.verdict.doubts]
    beside = [one.study.tactic for one in analyses if one.verdict.grade not in (Evidence.A, Evidence.B) and not one.verdict.doubts]
    parts = [f"{said}: {', '.join(names)}" for said, names in (("in doubt", doubted), ("an association only", beside)) if names]
    return Check("analyses", not parts, "; ".join(parts) or "no tactic is in doubt, and each has a design")
