"""Bunching just above published lines: a sign that somebody aims at them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy import special

from partnerlab.errors import SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.causes.jumps import bin_width, cells_from_line, density_jump
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.tiers.lines import Line, scheme_lines

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory

#: Cells that are used on each side of the line: few of whole numbers, as a density of counts bends; more of fine ones.
WHOLE_CELLS, FINE_CELLS = 4, 8
#: Values and partners within reach, and values on either side, that a test needs.
FEWEST_VALUES, FEWEST_PARTNERS, FEWEST_BESIDE = 100, 30, 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bunching(Result):
    """How much denser values are just above each fixed line than just below it.

    The table has keys ``[line, fact]``; ``estimate`` is the ratio of the density just above to that just below,
    beyond the slope of the density itself (1: no bunching), ``n`` the partner-quarters within reach; then ``partners``,
    ``below`` and ``above`` (values in the cells next to the line), ``expected`` (above, without bunching), ``p_value``
    (two-sided) and ``bunched`` (the whole interval lies above 1). NaN: not enough data.
    """

    title: ClassVar[str] = "Bunching at lines"


def check_bunching(history: TierHistory, *, level: float = 0.95) -> Bunching:
    """Check whether values bunch just above the lines of the scheme.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers`; all its whole quarters are read.
    level : float
        Coverage; as many lines are looked at, intervals hold for all of them at once (Bonferroni).

    Returns
    -------
    Bunching
        Lines that move with the partners cannot be aimed at and are left out.

    Raises
    ------
    MissingTableError
        If the history came from a table of tiers.
    SampleError
        If the scheme has no fixed line.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> leads = np.random.default_rng(0).poisson(9.0, (200, 4))
    >>> leads = np.where((leads == 9) & (np.arange(4) > 1), 10, leads)  # the line becomes known
    >>> rows = [(f"p{i:03d}", f"2026Q{q + 1}", leads[i, q]) for i in range(200) for q in range(4)]
    >>> panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "leads"]))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 10}, {"name": "Member"}]}
    >>> check_bunching(assign_tiers(panel, TierScheme(scheme="demo", classify=bands))).tidy()["bunched"].tolist()
    [True]
    """
    check_level(level)
    lines = [line for line in ([] if _recorded(history) else scheme_lines(history)) if not line.relative and line.operator in (">=", ">")]
    if not lines:
        raise SampleError("the scheme has no fixed line that partners could aim at")
    rows = [_row(history, line, 1.0 - (1.0 - level) / len(lines)) for line in lines]
    table = pd.DataFrame(rows)
    thin = table.loc[table["estimate"].isna(), "line"].tolist()
    enough = Check(
        "Enough values beside every line",
        not thin,
        f"Not enough data: {', '.join(thin)} (at least {FEWEST_VALUES} values of {FEWEST_PARTNERS} partners within reach, "
        f"{FEWEST_BESIDE} on either side, {WHOLE_CELLS} cells on either side)."
        if thin
        else "Every line has them.",
    )
    moving = [line.name for line in scheme_lines(history) if line.relative]
    left = (Check("Moving lines", None, f"Left out, as nobody can aim at them: {', '.join(moving)}."),) if moving else ()
    return Bunching(
        estimand="Density of values just above each line relative to just below it, beyond the slope of the density",
        table=table,
        checks=(enough, *left),
        level=level,
    )


def _recorded(history: TierHistory) -> bool:
    return history.scheme is not None and history.scheme.kind == "recorded"


def _row(history: TierHistory, line: Line, level: float) -> dict[str, object]:
    rated = ~np.isnan(line.values) & ~np.isnan(line.line) & ~np.asarray(history.partial, dtype=bool)
    partner = np.broadcast_to(np.arange(len(history.partners))[:, None], rated.shape)[rated]
    values, at = line.values[rated], line.line[rated]
    width = bin_width(values)
    cells = cells_from_line(values, at, width=width, strict=line.operator == ">")
    reach = _reach(cells, WHOLE_CELLS if width == 1.0 else FINE_CELLS)
    low, high = -reach, reach - 1
    near = (cells >= low) & (cells <= high)
    partners = len(np.unique(partner[near]))
    row: dict[str, object] = {"line": line.name, "fact": line.fact}
    sides = min(int((cells[near] < 0).sum()), int((cells[near] >= 0).sum()))
    thin = near.sum() < FEWEST_VALUES or partners < FEWEST_PARTNERS or sides < FEWEST_BESIDE or reach < WHOLE_CELLS
    jump = None if thin else density_jump(cells, partner, low=low, high=high)
    if jump is None or np.isnan(jump.step):
        nothing = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), np.nan)
        counts = {"below": int((cells == -1).sum()), "above": int((cells == 0).sum())}
        return (
            row | nothing | {"n": int(near.sum()), "partners": partners, **counts, "expected": np.nan, "p_value": np.nan, "bunched": False}
        )
    z, ratio = float(critical_value(level)), float(np.exp(jump.step))
    low_end, high_end = np.exp(jump.step - z * jump.std_error), np.exp(jump.step + z * jump.std_error)
    return row | {
        "estimate": ratio, "std_error": ratio * jump.std_error, "conf_low": float(low_end), "conf_high": float(high_end),
        "n": int(near.sum()), "partners": partners, "below": jump.below, "above": jump.above, "expected": jump.expected,
        "p_value": float(2.0 * special.ndtr(-abs(jump.step) / jump.std_error)), "bunched": bool(low_end > 1.0),
    }  # fmt: skip


def _reach(cells: np.ndarray, most: int) -> int:
    """Cells on each side: no further than values go, without the lowest cell, where those without any pile up."""
    if not len(cells):
        return 0
    return max(min(-int(cells.min()) - 1, int(cells.max()) + 1, most), 0)
