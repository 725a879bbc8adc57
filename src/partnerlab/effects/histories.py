"""Partners followed quarter by quarter from a time zero on: what was known, what was chosen, what came of it, and who was lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from partnerlab.effects.sample import eligible_groups, known_before, require_contrast, shift, untreated_quarters
from partnerlab.effects.study import TacticStudy
from partnerlab.effects.tactic_panel import TacticPanel
from partnerlab.effects.trials import design_of
from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check
from partnerlab.stats.causes.weighting import Choice
from partnerlab.words import plural


@dataclasses.dataclass(frozen=True, kw_only=True)
class Histories:
    """Rows of partners by quarters, sorted, without gaps within a partner.

    Parameters
    ----------
    partner, quarter : int array, shape (m,)
        Row and column of the panel.
    since : int array, shape (m,)
        Quarters since the partner's time zero.
    treated : bool array, shape (m,)
        Whether the tactic was on.
    could_start : bool array, shape (m,)
        False where a tactic that stays on was on already.
    outcome : float array, shape (m,)
        NaN where the partner was lost in the quarter, or none was awaited.
    awaited : bool array, shape (m,)
        Whether an outcome was to be seen: in all rows, or at the end alone.
    goes_on : bool array, shape (m,)
        Whether the next row is the partner's next quarter.
    last : bool array, shape (m,)
        Rows of the panel's last quarter, after which nobody can be seen.
    ended : bool array, shape (m,)
        Rows in which what is waited for happened, after which nothing is left to see.
    baseline, past, changing : float array, shape (m, .)
        What was known at time zero; earlier treatment; what else was known when the quarter began.
    names : dict of str to tuple of str
        Names of the columns of the three.
    checks : tuple of Check
    """

    partner: np.ndarray
    quarter: np.ndarray
    since: np.ndarray
    treated: np.ndarray
    could_start: np.ndarray
    outcome: np.ndarray
    awaited: np.ndarray
    goes_on: np.ndarray
    last: np.ndarray
    ended: np.ndarray
    baseline: np.ndarray
    past: np.ndarray
    changing: np.ndarray
    names: dict[str, tuple[str, ...]]
    checks: tuple[Check, ...]

    @property
    def time(self) -> np.ndarray:
        """Columns of 0 and 1 for the quarters, the first left out."""
        return (self.quarter[:, None] == np.unique(self.quarter)[1:]).astype(float)

    def treatment_choice(self, *, fixed: bool = True) -> Choice:
        """Having the tactic in the quarter, where both was possible: quarters in which all or none had it tell nothing.

        Parameters
        ----------
        fixed : bool
            Whether the outcome's model holds what was known at time zero; else only the quarter and the last treatment.
        """
        open_ = self.could_start & _mixed(self.treated, self.quarter, self.could_start)
        held = np.column_stack([self.baseline, self.time, self.past] if fixed else [self.time, self.past[:, :1]])
        given = np.column_stack([self.baseline, self.time, self.past, self.changing])
        return Choice(
            happened=self.treated, open=open_, numerator=design_of(held[open_])[0], denominator=design_of(given[open_])[0]
        )  # fmt: skip

    def seen_choices(self, *, fixed: bool = True) -> tuple[Choice, ...]:
        """Being seen: in the quarter itself given its choice, and in the next one given its outcome too; only where some were lost."""
        observed = np.isfinite(self.outcome)
        choices = []
        after = (observed | ~self.awaited) & ~self.last & ~self.ended
        for stays, possible, later in ((observed, self.awaited, False), (self.goes_on, after, True)):
            open_ = possible & _mixed(stays, self.quarter, possible)
            if open_.any():
                result = later and (self.awaited & open_).any()
                own = [self.treated[:, None], *([np.nan_to_num(self.outcome)[:, None]] if result else [])]
                given = [self.baseline, self.time, self.past, self.changing, *own]
                held = [self.baseline, self.time, self.past, own[0]] if fixed else [self.time, own[0]]
                numerator, denominator = np.column_stack(held), np.column_stack(given)
                choices.append(
                    Choice(
                        happened=stays, open=open_, later=later, numerator=design_of(numerator[open_])[0],
                        denominator=design_of(denominator[open_])[0],
                    )
                )  # fmt: skip
        return tuple(choices)


def _mixed(happened: np.ndarray, quarter: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Rows of quarters in which it happened to some of those it could happen to, and not to others."""
    size = int(quarter.max(initial=-1)) + 1
    count = np.bincount(quarter, possible, minlength=size)
    hits = np.bincount(quarter, possible & happened, minlength=size)
    return ((hits > 0) & (hits < count))[quarter]


def follow_partners(  # noqa: PLR0913 - what following means
    panel: TacticPanel,
    study: TacticStudy,
    *,
    history: int,
    past_outcomes: bool,
    untreated_before: bool,
    baseline: Sequence[str],
    ends: bool = False,
    at_end: bool = False,
) -> Histories:
    """Follow each eligible partner from its first quarter with everything known until something is not.

    Parameters
    ----------
    panel : TacticPanel
    study : TacticStudy
        Eligibility at time zero, covariates.
    history : int
        Earlier quarters of treatment and outcome that managers may have looked at.
    past_outcomes : bool
        Whether they looked at outcomes.
    untreated_before : bool
        Whether nobody had the tactic before the panel's first quarter; else it is not known.
    baseline : sequence of str
        Covariates of the study of which the value at time zero is held fixed.
    ends : bool
        Whether an outcome of 1 ends it all, as lapsing does.
    at_end : bool
        Whether the outcome is read in the panel's last quarter alone: then none before it is missed or looked at.

    Raises
    ------
    ParameterError
        If a baseline covariate is not one of the study, or an outcome at the end is to end it all.
    SampleError
        If nobody can be followed, or all or none of those followed had the tactic.
    """
    require_contrast(panel, tactic=study.tactic)
    if history < 1:
        raise ParameterError(f"history is {history}; managers look back 1 quarter or more")
    if ends and at_end:
        raise ParameterError("ends and at_end: an outcome that is read at the end alone cannot end anything before")
    treated_before = [_with_zeros(shift(panel.treated, back), back, untreated_before) for back in range(1, history + 1)]
    past = {f"{panel.tactic} {plural(back, 'quarter')} before": values for back, values in enumerate(treated_before, start=1)}
    outcomes = {f"outcome {plural(back, 'quarter')} before": shift(panel.outcome, back) for back in range(1, history + 1)}
    past_outcomes = past_outcomes and not (at_end or ends)  # of those still followed nothing has happened yet
    changing = dict(outcomes) if past_outcomes else {}
    covariates = known_before(panel, study)
    changing |= {known.said: covariates[:, :, place] for place, known in enumerate(study.covariates)}
    for name, other in panel.others.items():
        changing |= {name: other, f"{name} 1 quarter before": _with_zeros(shift(other, 1), 1, untreated_before)}
    strange = int((np.isfinite(panel.outcome) & ~np.isin(panel.outcome, (0, 1))).sum()) if ends else 0
    if strange:
        raise ParameterError(f"ends: {plural(strange, 'outcome')} are neither 0 nor 1; only what happens or not can end it all")
    told = np.isfinite(panel.treated) & np.all([np.isfinite(values) for values in (past | changing).values()], axis=0)
    start = told & eligible_groups(panel, study) & untreated_quarters(panel, study.untreated_for)
    zero = np.where(start.any(axis=1), start.argmax(axis=1), panel.shape[1])
    followed = (np.arange(panel.shape[1]) >= zero[:, None]) & told
    # once something is not known, or the outcome was not seen, a partner is lost: what came later cannot be used
    gone = (np.arange(panel.shape[1]) >= zero[:, None]) & ~told
    if not at_end:
        gone[:, 1:] |= followed[:, :-1] & ~np.isfinite(panel.outcome[:, :-1])
    if ends:
        gone[:, 1:] |= followed[:, :-1] & (panel.outcome[:, :-1] == 1)
    rows = followed & ~np.maximum.accumulate(gone, axis=1)
    if not (rows & panel.on).any() or not (rows & ~panel.on).any():
        raise SampleError(
            f"{study.tactic}: no partner can be followed with it and none without it from a quarter whose past is known; "
            f"{plural(int((zero < panel.shape[1]).sum()), 'partner')} could be followed at all"
        )
    fixed = _fixed(panel, study, zero, baseline, past | (outcomes if past_outcomes else {}), covariates)
    return _histories(panel, rows, zero, past, changing, fixed, start=start, ends=ends, at_end=at_end)


def require_family(family: str) -> None:
    """Refuse a scale of effects that nobody knows, ParameterError."""
    if family not in ("linear", "logit", "log"):
        raise ParameterError(f"family is {family!r}; it is 'linear', 'logit' or 'log'")


def _with_zeros(values: np.ndarray, back: int, untreated_before: bool) -> np.ndarray:
    if not untreated_before:
        return values
    values = values.copy()
    values[:, :back] = 0.0
    return values


def _fixed(panel, study, zero, baseline, own, covariates) -> dict[str, np.ndarray]:
    """Give what was known of each partner at its time zero: tier, region, earlier treatment and outcomes, chosen covariates."""
    at = (np.arange(len(zero)), np.minimum(zero, panel.shape[1] - 1))
    names = [known.name for known in study.covariates]
    fixed = {f"{name}, at time zero": values[at] for name, values in own.items()}
    for name in baseline:
        if name not in names:
            raise ParameterError(f"study of {study.tactic}: baseline {name!r} is not one of its covariates{nearest(name, names)}")
        fixed[f"{name}, at time zero"] = covariates[(*at, names.index(name))]
    for codes, known in ((panel.tier, panel.tiers), (panel.region, panel.regions)):
        fixed |= {f"{name}, at time zero": (codes[at] == code).astype(float) for code, name in enumerate(known) if code}
    return fixed


def _histories(panel, rows, zero, past, changing, fixed, *, start, ends, at_end) -> Histories:  # noqa: PLR0913 - parts of one table
    partner, quarter = np.nonzero(rows)
    last = quarter == panel.shape[1] - 1
    awaited = last | (not at_end)
    outcome = np.where(awaited, panel.outcome[rows], np.nan)
    observed = np.isfinite(outcome)
    goes_on = np.r_[(partner[1:] == partner[:-1]), False]
    ended = ends & (outcome == 1)
    lost_in, lost_after = int((awaited & ~observed).sum()), int(((observed | ~awaited) & ~goes_on & ~ended & ~last).sum())
    late = int(((np.isfinite(panel.outcome) | at_end) & np.isfinite(panel.treated)).any(axis=1).sum() - start.any(axis=1).sum())
    first = next(iter(past.values()))[rows]
    checks = (
        Check("followed", late == 0, f"{plural(late, 'partner')} never followed: not eligible, or the past is never known"),
        Check("nobody lost", lost_in + lost_after == 0, f"{plural(lost_in, 'partner')} lost in a quarter and {lost_after} between "
              f"quarters, of {plural(len(np.unique(partner)), 'partner')}"),
    )  # fmt: skip
    return Histories(
        partner=partner, quarter=quarter, since=quarter - zero[partner], treated=panel.on[rows],
        could_start=(first == 0) if panel.stays_on else np.ones(len(partner), dtype=bool), outcome=outcome, awaited=awaited,
        goes_on=goes_on, last=last, ended=ended, baseline=_stack([values[partner] for values in fixed.values()], len(partner)),
        past=_stack([values[rows] for values in past.values()], len(partner)),
        changing=_stack([values[rows] for values in changing.values()], len(partner)),
        names={"baseline": tuple(fixed), "past": tuple(past), "changing": tuple(changing)}, checks=checks,
    )  # fmt: skip


def _stack(columns: list[np.ndarray], rows: int) -> np.ndarray:
    return np.column_stack(columns) if columns else np.zeros((rows, 0))
