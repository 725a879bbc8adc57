"""What a model of moves reads: which pairs, which outcomes, which covariates, and what was left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.results import Check
from partnerlab.stats.regressions.designs import Column, read_column
from partnerlab.stats.regressions.regression import OutcomeRows
from partnerlab.transitions.pairs import Transitions
from partnerlab.transitions.states import LAPSED

Outcomes = Literal["direction", "destination"]

#: What a partner can do from its tier, the first being what the others are compared with.
DIRECTIONS = ("stay", "down", "up", LAPSED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveRows:
    """Pairs out of one tier, or of all, ready for a model.

    Parameters
    ----------
    rows : OutcomeRows
        Covariates, outcome, weight, partner.
    outcomes : tuple of str
        Names of the outcomes, the reference first (the lowest first, for an ordinal model).
    checks : tuple of Check
        What was left out.
    """

    rows: OutcomeRows
    outcomes: tuple[str, ...]
    checks: tuple[Check, ...] = ()

    @property
    def clusters(self) -> int | None:
        """Partners behind the rows, None where they are not known."""
        return None if self.rows.cluster is None else int(self.rows.cluster.max(initial=-1)) + 1

    @property
    def total(self) -> int:
        """Pairs behind the rows."""
        return len(self.rows) if self.rows.weight is None else int(self.rows.weight.sum())


def covariate_series(pairs: Transitions, name: str) -> pd.Series:
    """Values of a covariate of each pair; ``season`` and ``from_tier`` are known of any, where there is a calendar or several tiers."""
    if name == "from_tier":
        used = [state for state in pairs.states if state != LAPSED]
        return pd.Series(pd.Categorical.from_codes(pairs.origin.astype(np.int64), categories=list(pairs.states))).cat.set_categories(used)
    if name == "season" and name not in pairs.covariates.columns and name not in pairs.attributes.columns:
        return _season(pairs)
    return pairs.column(name)


def _season(pairs: Transitions) -> pd.Series:
    """Quarter of the year moved into: Q1 to Q4."""
    if pairs.calendar is None or pairs.clock != "calendar":
        raise ParameterError("covariates: season needs a calendar; these pairs have none", column="season")
    cycle = 12 // pairs.calendar.months
    names = [f"Q{place + 1}" if cycle == 4 else f"{place + 1:02d}" for place in range(cycle)]
    return pd.Series(pd.Categorical.from_codes(pairs.period % cycle, categories=names))


def read_covariates(pairs: Transitions, names: Sequence[str]) -> tuple[tuple[Column, ...], np.ndarray, tuple[Check, ...]]:
    """Read covariates; also which pairs have all of them, and how many lack which."""
    if isinstance(names, str):
        raise ParameterError(f"covariates is {names!r}; give a list of column names")
    if len(set(names)) < len(names):
        raise ParameterError(f"covariates: {', '.join(names)} name one column twice")
    found = {name: covariate_series(pairs, name) for name in names}
    missing = {name: values.isna().to_numpy() for name, values in found.items()}
    whole = ~np.logical_or.reduce([np.zeros(len(pairs), dtype=bool), *missing.values()])
    lacking = [f"{name} of {int(bad.sum()):,}" for name, bad in missing.items() if bad.any()]
    detail = f"{int((~whole).sum()):,} of {len(pairs):,} pairs lack a covariate and are left out: {', '.join(lacking)}."
    checks = (Check("Covariates known", False, detail),) if lacking else ()
    columns = tuple(read_column(name, values[whole]) for name, values in found.items())
    return columns, whole, checks


def read_outcomes(pairs: Transitions, outcomes: Outcomes, *, reference: str | None, ordinal: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read where each pair went: up, down, stay or lapsed, or the state reached.

    Raises
    ------
    ParameterError
        If a direction, or an order, is asked of tiers without one.
    """
    if outcomes not in ("direction", "destination"):
        raise ParameterError(f"outcomes is {outcomes!r}{nearest(str(outcomes), ('direction', 'destination'))}")
    if ordinal and outcomes == "direction":
        raise ParameterError("an ordinal model has tiers as outcomes; give outcomes='destination'")
    if (ordinal or outcomes == "direction") and not pairs.ordered:
        raise ParameterError("these tiers have no order; give order= (best first) when the pairs are made, or outcomes='destination'")
    origin, target = pairs.origin.astype(np.int64), pairs.target.astype(np.int64)
    if outcomes == "direction":
        code = np.select([target == origin, np.asarray(pairs.states)[target] == LAPSED, target > origin], [0, 3, 1], default=2)
        names: tuple[str, ...] = DIRECTIONS
    elif ordinal:
        # lapsed stands last among the states: the lowest of all
        code, names = len(pairs.states) - 1 - target, tuple(reversed(pairs.states))
    else:
        first = reference if reference in pairs.states else pairs.states[0]
        names = (first, *(state for state in pairs.states if state != first))
        code = np.array([names.index(state) for state in pairs.states])[target]
    used = np.bincount(code, weights=pairs.weight, minlength=len(names)) > 0
    if not ordinal:
        used[0] = used[0] or not used.any()
    place = np.cumsum(used) - 1
    return place[code], tuple(name for name, seen in zip(names, used, strict=True) if seen)


def read_moves(
    pairs: Transitions,
    *,
    covariates: Sequence[str],
    outcomes: Outcomes,
    from_tier: str | None = None,
    ordinal: bool = False,
    reference: str | None = None,
) -> MoveRows:
    """Put pairs, outcomes and covariates together; pairs that lack a covariate are left out and counted."""
    columns, whole, checks = read_covariates(pairs, covariates)
    kept = pairs.select(whole)
    outcome, names = read_outcomes(kept, outcomes, reference=from_tier, ordinal=ordinal)
    if reference is not None and not ordinal:
        if reference not in names:
            raise ParameterError(f"no outcome {reference!r} was seen{nearest(reference, names)}", reference=reference)
        order = [names.index(reference), *(at for at, name in enumerate(names) if name != reference)]
        outcome, names = np.argsort(order)[outcome], tuple(names[at] for at in order)
    cluster = None
    if pairs.knows_partners:
        cluster = pd.factorize(kept.partner)[0].astype(np.int64)
    weight = None if len(kept) == 0 or (kept.weight == 1).all() else kept.weight.astype(float)
    return MoveRows(rows=OutcomeRows(columns=columns, outcome=outcome, weight=weight, cluster=cluster), outcomes=names, checks=checks)
