"""How treated and untreated rows of trials compare in what was known: chances of treatment, what is left apart, pairs, strengths."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.effects.balance import NEARLY_SURE
from partnerlab.effects.trials import design_of
from partnerlab.effects.yardsticks import Likeness, Strength
from partnerlab.stats.causes.hidden_bias import average_pairs
from partnerlab.stats.causes.pairs import CALIPER, pair_within_blocks
from partnerlab.stats.causes.propensity import fit_propensity
from partnerlab.stats.causes.sensitivity import partial_r2
from partnerlab.stats.regressions.linear import classic_covariance, fit_line


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared:
    """Rows of trials with what was known of them.

    Parameters
    ----------
    partner, quarter : int array, shape (m,)
    treated : bool array, shape (m,)
    outcome : float array, shape (m,)
    columns : float array, shape (m, k)
        What was known before, named by ``names``.
    names : tuple of str
    design : float array, shape (m, j)
        Intercept and the columns that no others repeat, scaled.
    kept : int array, shape (j - 1,)
        Which columns those are.
    chance : float array, shape (m,)
        Of treatment, by a logit; NaN where the columns separate the sides.
    """

    partner: np.ndarray
    quarter: np.ndarray
    treated: np.ndarray
    outcome: np.ndarray
    columns: np.ndarray
    names: tuple[str, ...]
    design: np.ndarray
    kept: np.ndarray
    chance: np.ndarray

    @property
    def comparable(self) -> bool:
        """Whether chances of treatment could be fitted."""
        return bool(np.isfinite(self.chance).all())


def compare_rows(
    partner: np.ndarray, quarter: np.ndarray, treated: np.ndarray, outcome: np.ndarray, columns: np.ndarray, names: tuple[str, ...]
) -> Compared:
    """Fit chances of treatment to rows with a known outcome."""
    rows = np.isfinite(outcome)
    partner, quarter, treated, outcome, columns = (values[rows] for values in (partner, quarter, treated, outcome, columns))
    design, kept = design_of(columns)
    logit = fit_propensity(treated, design, np.ones(len(treated))) if treated.any() and not treated.all() else None
    chance = np.full(len(treated), np.nan) if logit is None else logit.predict(design)
    return Compared(
        partner=partner, quarter=quarter, treated=treated, outcome=outcome, columns=columns, names=names, design=design, kept=kept,
        chance=chance,
    )  # fmt: skip


def likeness_of(rows: Compared) -> Likeness | None:
    """Overlap and balance after weighting; None where nothing but a constant was known, or the sides are separated."""
    if not rows.comparable or not len(rows.kept):
        return None
    on = rows.treated
    weight = rows.chance[~on] / (1 - rows.chance[~on])
    x = rows.columns[:, rows.kept]
    spread = x[on].std(axis=0)
    spread = np.where(spread > 0, spread, np.inf)
    apart = (x[on].mean(axis=0) - weight @ x[~on] / weight.sum()) / spread
    worst = int(np.abs(apart).argmax())
    return Likeness(
        alone=float((rows.chance[on] > NEARLY_SURE).mean()),
        difference=float(apart[worst]),
        of=rows.names[rows.kept[worst]],
        n=int(on.sum()),
    )


def strengths_of(rows: Compared, names: tuple[str, ...]) -> tuple[dict[str, Strength], float]:
    """How strongly named columns go with treatment and outcome given the others; and the residual degrees of freedom."""
    of_treatment = fit_line(rows.treated.astype(float), rows.design)
    of_outcome = fit_line(rows.outcome, np.column_stack([rows.design, rows.treated]))
    df = float(len(rows.outcome) - rows.design.shape[1] - 1)
    if of_treatment is None or of_outcome is None:
        return {}, df
    found = {}
    for place, column in enumerate(rows.kept, start=1):
        if rows.names[column] in names:
            r2 = [
                float(partial_r2(fit.coefficients[place] / np.sqrt(classic_covariance(fit)[place, place]), df))
                for fit in (of_treatment, of_outcome)
            ]
            found[rows.names[column]] = Strength(of_treatment=r2[0], of_outcome=r2[1])
    return found, df


def pair_differences(rows: Compared) -> np.ndarray:
    """Outcomes of treated less untreated within matched pairs of a quarter, what was known taken off; one mean for each partner."""
    if not rows.comparable:
        return np.zeros(0)
    line = fit_line(rows.outcome[~rows.treated], rows.design[~rows.treated])
    rest = rows.outcome - (0.0 if line is None else rows.design @ line.coefficients)
    chance = np.clip(rows.chance, 1e-9, 1 - 1e-9)
    odds = np.log(chance / (1 - chance))
    first, second = pair_within_blocks(odds, rows.treated, rows.quarter, caliper=CALIPER * float(odds.std()))
    return average_pairs(rest[first] - rest[second], rows.partner[first])
