"""Stacked target trials: a row for each partner and quarter in which the tactic might have begun, and what was known then."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from partnerlab.effects.sample import eligible_groups, known_before, require_contrast, shift, untreated_quarters
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.errors import SampleError
from partnerlab.results import Check
from partnerlab.stats.regressions.designs import independent_columns
from partnerlab.words import plural

#: Quarters that must lie behind time zero: with one alone, what lasts cannot be told from the last result.
HISTORY = 2
#: Rows read at a time: they stay in the processor's cache.
BLOCK = 4096
#: Codes counted at a time: more, since a count of each code is added up for every block.
COUNTED = 131_072


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trials:
    """Rows of all trials.

    Parameters
    ----------
    partner, quarter, tier : int array, shape (m,)
        Row and column of the panel; code of the tier, -1 where none is known.
    treated : bool array, shape (m,)
        Whether the tactic was on in the quarter.
    outcome : float array, shape (m, h + 1)
        Outcome in the quarter itself and those after; NaN where not observed.
    last, earlier, usual : float array, shape (m,)
        Outcome of the quarter before; mean of those before that one; mean of all before.
    known : float array, shape (m, k)
        What else was known, a column each, named by ``names``; tiers, regions and quarters come as columns of 0 and 1.
    names : tuple of str
    checks : tuple of Check
    changes : bool
        Whether ``outcome`` is the change since ``last``; see `since_last`.
    """

    partner: np.ndarray
    quarter: np.ndarray
    tier: np.ndarray
    treated: np.ndarray
    outcome: np.ndarray
    last: np.ndarray
    earlier: np.ndarray
    usual: np.ndarray
    known: np.ndarray
    names: tuple[str, ...]
    checks: tuple[Check, ...]
    changes: bool = False

    @property
    def past(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Columns of earlier outcomes that managers may have looked at, and their names."""
        names = ("mean outcome before the last",) if self.changes else ("outcome 1 quarter before", "mean outcome before")
        laid = self.lay_past(self._results)
        return laid, (*names, *(f"log of {name}" for name in names))[: laid.shape[1]]

    @property
    def _results(self) -> np.ndarray:
        return self.earlier[:, None] if self.changes else np.column_stack([self.last, self.usual])

    def lay_past(self, results: np.ndarray) -> np.ndarray:
        """Lay results out as `past` does: where none of the trials' is negative, as with counts and money, their logarithms follow.

        Counts lie askew: on their own scale a few large ones rule who is thought alike.
        """
        own = self._results
        if not len(own) or own.min() < 0:
            return results
        return np.column_stack([results, np.log1p(np.maximum(results, 0.0) / np.maximum(own.mean(axis=0), 1e-300))])

    def since_last(self) -> Trials:
        """Give the same trials with the change since the last result for an outcome: the last result itself is then not held fixed."""
        return dataclasses.replace(self, outcome=self.outcome - self.last[:, None], changes=True)

    def select(self, rows: np.ndarray) -> Trials:
        """Keep the rows of a mask."""
        fields = ("partner", "quarter", "tier", "treated", "outcome", "last", "earlier", "usual", "known")
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in fields})


def stack_trials(panel: TacticPanel, study: TacticStudy, *, weighted: bool = False, history: int = HISTORY) -> Trials:
    """Stack the study's trials: every eligible partner in every quarter with enough quarters, ``history``, behind it.

    Raises
    ------
    ParameterError
        If partners have weights and the caller is not ``weighted``.
    SampleError
        If no quarter has both treated and untreated eligible partners.
    """
    require_contrast(panel, tactic=study.tactic, weighted=weighted)
    n, t = panel.shape
    seen, told = np.isfinite(panel.outcome), np.isfinite(panel.treated)
    last, was_on = shift(panel.outcome, 1), shift(panel.treated, 1)
    usual, before = _mean_before(panel.outcome)
    share_on, _ = _mean_before(panel.treated)
    earlier = np.divide(usual * before - np.nan_to_num(last), before - np.isfinite(last), out=np.full((n, t), np.nan), where=before > 1)
    columns = {f"{panel.tactic} 1 quarter before": was_on, f"share of earlier quarters with {panel.tactic}": share_on}
    covariates = known_before(panel, study)
    columns |= {known.said: covariates[:, :, place] for place, known in enumerate(study.covariates)}
    for name, other in panel.others.items():
        columns |= {name: other, f"{name} 1 quarter before": shift(other, 1)}
    eligible = eligible_groups(panel, study) & told & seen & untreated_quarters(panel, study.untreated_for) & (np.arange(t) >= history)
    complete = (
        np.isfinite(last)
        & (np.isfinite(earlier) | (history < HISTORY))
        & np.all([np.isfinite(values) for values in columns.values()], axis=0)
    )
    rows = eligible & complete
    lost, whole = int((eligible & ~complete).sum()), int(rows.sum())
    rows = _comparable(panel, rows)
    alone = whole - int(rows.sum())
    if not rows.any():
        behind = f"last {plural(history, 'quarter')} {'is' if history == 1 else 'are'} known"
        raise SampleError(f"{study.tactic}: in no quarter are there eligible partners with it and without it whose {behind}")
    partner, quarter = np.nonzero(rows)
    known, names = _known(panel, rows, quarter, columns)
    outcome = np.stack([shift(panel.outcome, -ahead)[rows] for ahead in range(study.horizon + 1)], axis=1)
    checks = (
        Check("past known", lost == 0, f"{plural(lost, 'partner-quarter')} left out: the past or a covariate is not known"),
        Check(
            "quarters comparable",
            alone == 0,
            f"{plural(alone, 'partner-quarter')} left out: in its quarter, tier or region all had it or none",
        ),
    )
    return Trials(
        partner=partner, quarter=quarter, tier=panel.tier[rows], treated=panel.on[rows], outcome=outcome,
        last=last[rows], earlier=earlier[rows], usual=usual[rows],
        known=known, names=names, checks=checks,
    )  # fmt: skip


def _comparable(panel: TacticPanel, rows: np.ndarray) -> np.ndarray:
    """Leave out quarters, tiers and regions in which all rows had the tactic, or none, until none is left."""
    quarter = np.tile(np.arange(panel.shape[1], dtype=np.int16), len(rows))
    groups = (quarter, panel.tier.reshape(-1), panel.region.reshape(-1))
    return leave_unmixed(rows.reshape(-1), panel.on.reshape(-1), groups).reshape(rows.shape)


def leave_unmixed(rows: np.ndarray, treated: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Leave out of a mask of rows those of groups in which all were treated, or none, until none is left.

    Parameters
    ----------
    rows, treated : bool array, shape (m,)
    groups : sequence of int arrays, shape (m,)
        Codes from -1 on, of each way to group rows.

    Examples
    --------
    >>> leave_unmixed(np.ones(4, dtype=bool), np.array([True, False, True, False]), [np.array([0, 0, 1, 2])]).tolist()
    [True, True, False, False]
    """
    sizes = [int(codes.max(initial=-1)) + 2 for codes in groups]
    blocks = [slice(first, first + COUNTED) for first in range(0, len(rows), COUNTED)]
    while True:
        keep = rows.copy()
        for codes, size in zip(groups, sizes, strict=True):
            count, hits = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
            for some in blocks:
                count += np.bincount(codes[some][rows[some]] + 1, minlength=size)
                hits += np.bincount(codes[some][rows[some] & treated[some]] + 1, minlength=size)
            mixed = (hits > 0) & (hits < count)
            for some in blocks:
                keep[some] &= mixed[codes[some] + 1]
        if keep.sum() == rows.sum():
            return keep
        rows = keep


def _mean_before(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of what was observed before each quarter, and how many quarters that were."""
    mean, count = np.full(values.shape, np.nan), np.zeros(values.shape)
    for first in range(0, len(values), BLOCK):
        rows = slice(first, first + BLOCK)
        known = np.isfinite(values[rows])
        count[rows, 1:] = np.cumsum(known, axis=1)[:, :-1]
        total = np.cumsum(np.where(known, values[rows], 0.0), axis=1)[:, :-1]
        np.divide(total, count[rows, 1:], out=mean[rows, 1:], where=count[rows, 1:] > 0)
    return mean, count


def _known(panel: TacticPanel, rows: np.ndarray, quarter: np.ndarray, values: dict[str, np.ndarray]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Lay out what was known of each row, tiers, regions and quarters as columns of 0 and 1, the first of each left out; and its names."""
    groups = [(codes, known, np.flatnonzero(np.bincount(codes + 1))[1:] - 1) for codes, known in
              ((panel.tier[rows], panel.tiers), (panel.region[rows], panel.regions), (quarter, panel.labels))]  # fmt: skip
    names = (*values, *(known[code] if code >= 0 else "unknown" for _, known, present in groups for code in present))
    laid, at = np.empty((len(quarter), len(names))), np.flatnonzero(rows)
    flat = [column.reshape(-1) for column in values.values()]
    for first in range(0, len(at), BLOCK):
        some, place = slice(first, first + BLOCK), len(flat)
        for column, given in enumerate(flat):
            laid[some, column] = given[at[some]]
        for codes, _, present in groups:
            laid[some, place : place + len(present)] = codes[some, None] == present
            place += len(present)
    return laid, names


def design_of(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and the columns that no earlier ones repeat, centred and scaled; which columns were kept."""
    design = np.empty((len(columns), columns.shape[1] + 1))
    design[:, 1:] = columns
    return standardise(design)


def standardise(design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `design_of`, in place: the first column becomes the intercept."""
    design[:, 0] = 1.0
    if not len(design):
        return design[:, :1], np.zeros(0, dtype=np.int64)
    columns = design[:, 1:]
    mean, width = columns.mean(axis=0), columns.shape[1]
    products, largest = np.zeros((width, width)), np.zeros(width)
    for first in range(0, len(design), BLOCK):
        part = columns[first : first + BLOCK]
        np.maximum(largest, np.abs(part).max(axis=0), out=largest)
        part -= mean
        products += part.T @ part
    products /= len(design)
    size = np.sqrt(np.diag(products))
    kept = np.flatnonzero(independent_columns(products, size > 1e-12 * np.maximum(largest, 1e-300)))
    size = np.where(size > 0, size, 1.0)[kept]
    for first in range(0, len(design), BLOCK):  # columns kept move to the front: no copy of the whole
        part = columns[first : first + BLOCK]
        part[:, : len(kept)] = part[:, kept] / size
    return design[:, : len(kept) + 1], kept
