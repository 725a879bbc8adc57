"""Does a hazard ratio stay the same over time: the test that a Cox model has to pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.results import Check, Result
from partnerlab.spells import Spells
from partnerlab.stats.hazards.cox_fit import CoxFit, fit_cox_data
from partnerlab.stats.hazards.cox_tests import Clock, hazard_tests, slot_clock
from partnerlab.survival.cox_models import cox_data
from partnerlab.survival.regressors import read_spells
from partnerlab.survival.sample import Event
from partnerlab.words import say_p


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProportionalHazards(Result):
    """Tests of proportional hazards.

    The table has the key ``term`` (the last one is "all"), the test statistic as ``estimate`` (chi-squared; it has no
    interval), ``n`` (rows), ``df``, ``p_value`` and ``clustered``.
    """

    title: ClassVar[str] = "Proportional hazards"


def check_proportional_hazards(
    spells: Spells,
    *,
    covariates: Sequence[str],
    event: Event = None,
    strata: str | Sequence[str] | None = None,
    clock: Clock = "km",
    clustered: bool | None = None,
) -> ProportionalHazards:
    """Test whether each covariate's hazard ratio drifts with time (Grambsch and Therneau 1994).

    The score test of a coefficient that changes along the clock, exact in the information (R's ``cox.zph`` since
    survival 3.0). Efron's ties.

    Parameters
    ----------
    spells, covariates, event, strata
        As in `estimate_cox`.
    clock : {"km", "identity", "log"}
        How time is read: one less the Kaplan-Meier curve, duration, or its logarithm.
    clustered : bool or None
        Whether the score's variance is summed over partners; if None, where partners have several rows.

    Returns
    -------
    ProportionalHazards
        A check says which terms drift at 5 %.

    Raises
    ------
    ParameterError
        If an attribute, ending or clock does not exist.

    Examples
    --------
    >>> frame = pd.DataFrame({"partner": list("abcdef"), "duration": [1, 2, 3, 4, 5, 6], "event": True, "size": [3, 1, 2, 1, 0, 1]})
    >>> tests = check_proportional_hazards(Spells.from_frame(frame), covariates=["size"]).table
    >>> tests[["term", "estimate", "df"]].round(3).to_numpy().tolist()
    [['size', 1.512, 1], ['all', 1.512, 1]]
    """
    if clock not in ("km", "identity", "log"):
        raise ParameterError(f"clock is {clock!r}{nearest(str(clock), ('km', 'identity', 'log'))}")
    layered = () if strata is None else (strata,) if isinstance(strata, str) else tuple(strata)
    rows = read_spells(spells, covariates=covariates, event=event, also=layered)
    data, _ = cox_data(rows, layered, None)
    fitted = fit_cox_data(data)
    names, groups = _groups(fitted)
    by_partner = clustered if clustered is not None else rows.clusters < len(rows.frame)
    reading = slot_clock(fitted.rows.slots.time, clock, exits=data.exits, event=data.event, entry=data.entry)
    owner = data.cluster if by_partner else None
    tests = hazard_tests(fitted.partial, fitted.rows, fitted.best.beta, groups=groups, reading=reading, cluster=owner)
    table = pd.DataFrame(
        {
            "term": [*names, "all"],
            "estimate": [test.statistic for test in tests],
            **{column: [np.nan] * len(tests) for column in ("std_error", "conf_low", "conf_high")},
            "n": len(rows.frame),
            "df": [test.df for test in tests],
            "p_value": [test.p_value for test in tests],
            "clustered": by_partner,
        }
    )
    drifting = table.loc[(table["p_value"] < 0.05) & (table["term"] != "all"), "term"].tolist()
    alone = f"{', '.join(drifting)}: the hazard ratio changes with time; read it as an average, or stratify." if drifting else ""
    said = alone or f"No term is seen to drift (all together {say_p(table['p_value'].iloc[-1])})."
    return ProportionalHazards(
        estimand=f"Chi-squared of a log hazard ratio that changes with time ({clock} clock) against one that does not",
        table=table,
        checks=(*spells.checks, *rows.checks, Check("Proportional hazards", not drifting, said)),
    )


def _groups(fitted: CoxFit) -> tuple[list[str], list[np.ndarray]]:
    """Columns of the design that belong to each covariate."""
    owner = [column.name for column in fitted.design.columns for _ in column.terms]
    kept = [name for name, keep in zip(owner, fitted.design.keep, strict=True) if keep]
    names = list(dict.fromkeys(kept))
    return names, [np.flatnonzero(np.array(kept) == name) for name in names]
