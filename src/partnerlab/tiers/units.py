"""Partners by their units: each region (or portfolio) is classified, then counted, in three-valued logic."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.errors import MissingTableError, ParameterError
from partnerlab.panel.units import Units
from partnerlab.scoring import kleene
from partnerlab.scoring.evaluate import evaluate_rule
from partnerlab.scoring.scores import PanelFacts, scores_from
from partnerlab.tiers.raw import Judged, judge_ladder
from partnerlab.tiers.requirements import tier_rows

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel
    from partnerlab.tiers.scheme import TierScheme

#: Columns of the units' part of an explanation.
UNIT_COLUMNS = ("tier", "unit", "level", "reaches", "condition", "fact", "value", "operator", "line", "gap", "status", "needed")

_REACHES = {kleene.FALSE: "no", kleene.UNKNOWN: "tell us", kleene.TRUE: "yes"}


def units_of(panel: Panel, scheme: TierScheme) -> Units:
    """Find the units that a scheme works over.

    Raises
    ------
    MissingTableError
        If the panel has none, or others; it says how to build one that has.
    """
    unit, units = scheme.over.unit, panel.units
    if units is None or units.name != unit:
        has = "has no units" if units is None else f"is over {units.name}"
        build = f"build_panel(..., unit={unit!r}) or Panel.from_frame(..., unit={unit!r})"
        drawn = "noise and probabilities, which draw numbers anew, take panel.units.panel and scheme.of_units()"
        raise MissingTableError(f"it works over {unit}, but this panel {has}; build it with {build} ({drawn})", unit=unit)
    return units


def refuse_units(scheme: TierScheme, *, what: str) -> None:
    """Refuse a question about lines where lines are those of single units.

    Raises
    ------
    ParameterError
        Saying of what it can be asked.
    """
    if scheme.over is not None:
        unit = scheme.over.unit
        said = f"{what} looks at the lines of one {unit} at a time, and {scheme.name_version} works over {scheme.over.plural}"
        raise ParameterError(f"{said}; ask it of assign_tiers(panel.units.panel, scheme.of_units())")


def unit_facts(scheme: TierScheme, units: Units) -> PanelFacts:
    """Give the facts of each unit: its indicators, the parameters of its region, its scores."""
    from partnerlab.tiers.parameters import resolve_params

    facts = PanelFacts(panel=units.panel)
    facts.params = resolve_params(scheme, facts)
    if scheme.scorecard is not None:
        scores_from(facts, scorecard=scheme.scorecard)
    return facts


def reached(scheme: TierScheme, facts: PanelFacts, *, slack: float = 0.0) -> dict[str, np.ndarray]:
    """Say which units reach each level or one above it: truth values, shape ``(m, t)``, by level."""
    found: dict[str, np.ndarray] = {}
    above: np.ndarray | None = None
    ranks = dict(zip(scheme.classify.tiers, scheme.classify.ranks, strict=True))
    for name, rule, _ in scheme.classify.steps:
        own = evaluate_rule(rule, facts, slack=slack)
        if ranks[name] is not None:
            own = above = own if above is None else np.maximum(above, own)
        found[name] = own
    return found


def count_units(scheme: TierScheme, facts: PanelFacts, *, slack: float = 0.0) -> dict[str, np.ndarray]:
    """Count each partner's units at the levels that its tiers ask for.

    Parameters
    ----------
    scheme : TierScheme
        With a block ``over``.
    facts : PanelFacts
        Of the partners, their parameters resolved.
    slack : float
        Share by which the lines of the units (not the numbers of units) are moved.

    Returns
    -------
    mapping of str to ndarray of float64, shape (n, t)
        Units that surely reach the level; NaN where unknown units decide whether there are enough.
    """
    if scheme.over is None:
        return {}
    units = units_of(facts.panel, scheme)
    truths = reached(scheme, unit_facts(scheme, units), slack=slack)
    found = {}
    for count in scheme.over.counts(scheme.classify).values():
        truth, asked = truths[count.level], facts.amount(count.units)
        sure, possible = (units.count(truth >= least, partners=facts.shape[0]) for least in (kleene.TRUE, kleene.UNKNOWN))
        found[scheme.over.fact(count)] = np.where((sure < asked) & (possible >= asked), np.nan, sure)
    return found


def judge_units(scheme: TierScheme, facts: PanelFacts, *, margin: float) -> Judged:
    """Place partners by their units; the margin moves the lines of the units, never how many are asked for."""
    rule = scheme.standing

    def judged(slack: float) -> Judged:
        moved = dataclasses.replace(facts, computed={**facts.computed, **count_units(scheme, facts, slack=slack)})
        return judge_ladder(rule, moved, margin=0.0)

    plain = judged(0.0)
    if not margin:
        return plain
    hard, easy = judged(margin).raw, judged(-margin).raw
    same = plain.raw == plain.eligible
    return dataclasses.replace(plain, hard=np.where(same, hard, plain.eligible), easy=np.where(same, easy, plain.eligible))


def explain_units(scheme: TierScheme, panel: Panel, *, tiers: list[str], column: int) -> pd.DataFrame:
    """Say which units of one partner carry a tier, and what the others are short of.

    Parameters
    ----------
    scheme : TierScheme
        With a block ``over``.
    panel : Panel
        Of one partner.
    tiers : list of str
        Those to explain.
    column : int
        The period.

    Returns
    -------
    DataFrame
        One row for each condition of each unit: ``tier, unit, level, reaches, condition, fact, value, operator, line,
        gap, status, needed``. ``reaches`` says whether the unit counts; what one short of it has to meet is needed.
    """
    units, counts = units_of(panel, scheme), scheme.over.counts(scheme.classify)
    truths = reached(scheme, unit_facts(scheme, units))
    single, rows = scheme.of_units(), []
    for place, word in enumerate(units.words):
        alone = np.zeros(len(units.of), dtype=bool)
        alone[place] = True
        mine = dataclasses.replace(units, panel=units.panel.select(alone), of=np.zeros(1, dtype=np.int64))
        facts = unit_facts(scheme, mine)
        for tier in tiers:
            if tier not in counts:
                continue
            level, truth = counts[tier].level, int(truths[counts[tier].level][place, column])
            for row in tier_rows(single, level, {}, facts, column) or [{}]:
                needed = bool(row.get("needed")) and row.get("status") != "met" and truth != kleene.TRUE
                rows.append({**row, "tier": tier, "unit": word, "level": level, "reaches": _REACHES[truth], "needed": needed})
    return pd.DataFrame(rows, columns=list(UNIT_COLUMNS)).astype(dict.fromkeys(("value", "line", "gap"), "float64"))


def unit_sentences(table: pd.DataFrame, tier: str, *, only_carrying: bool = False) -> Iterator[str]:
    """Say in plain words which units carry a tier, and what the nearest two that do not are short of."""
    mine = table.loc[table["tier"] == tier]
    by_unit: Mapping[str, pd.DataFrame] = dict(iter(mine.groupby("unit", sort=False)))
    carry = [word for word, rows in by_unit.items() if rows["reaches"].iloc[0] == "yes"]
    if carry:
        yield f"{', '.join(carry)} {'reaches' if len(carry) == 1 else 'reach'} {mine['level'].iloc[0]}"
    short = {word: rows.loc[rows["needed"]] for word, rows in by_unit.items() if word not in carry and not only_carrying}
    for word, rows in sorted(short.items(), key=lambda item: (len(item[1]), float(_effort(item[1]))))[:2]:
        yield f"{word}: " + ", ".join(map(_short_of, rows.to_dict("records")))
    if carry and len(carry) == len(by_unit) and not only_carrying:
        yield "nothing is recorded elsewhere"


def _effort(rows: pd.DataFrame) -> float:
    return (rows["gap"] / rows["line"].abs().clip(lower=1.0)).fillna(0.0).sum()


def _short_of(row: dict[str, object]) -> str:
    if row["status"] == "tell us":
        return f"tell us {row['fact']}"
    return str(row["condition"]) if pd.isna(row["gap"]) else f"{row['fact']} is {row['value']:g}, needs {row['operator']} {row['line']:g}"


def lint_units(scheme: TierScheme) -> Iterator[tuple[str, str, str, str]]:
    """Tiers of which a higher asks no more units at a level than a lower, so that the lower is never held."""
    if scheme.over is None:
        return
    seen: dict[str, tuple[str, float]] = {}
    for name, count in scheme.over.counts(scheme.classify).items():
        asked = float(scheme.params[count.units[1:]]) if isinstance(count.units, str) else float(count.units)
        if count.level in seen and asked >= seen[count.level][1]:
            higher = seen[count.level][0]
            text = f"{higher} asks for no more {scheme.over.plural} at {count.level} than {name}: whoever is {name} is already {higher}"
            yield "unreachable", "error", name, text
        if not count.all:
            seen[count.level] = (name, asked)
