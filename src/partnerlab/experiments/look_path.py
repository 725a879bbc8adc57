"""The path of a running experiment: its effect at every look so far, beside what each look would have to show for stopping."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.experiments.analyze import analyze_experiment
from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.experiment import Experiment
from partnerlab.experiments.looks import always_valid_reach, widened
from partnerlab.experiments.trial import Trial
from partnerlab.results import Result
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.trials.sequential import boundaries, crossing


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookPath(Result):
    """Effect of the first treated variant on the deciding metric at every look so far; keys ``look`` and ``when``.

    ``conf_low`` and ``conf_high`` are of one look alone, ``always_low`` and ``always_high`` hold at all looks at once.
    ``boundary`` is the effect that the declared rule asks for to stop at that look (infinite before the end of a fixed
    one), ``set_boundary`` the effect that a group-sequential rule would ask for. ``crossed`` is by the declared rule,
    ``peeked`` by reading every look as if it were the only one; neither where a check stopped the look, and ``checks`` say which.

    Parameters
    ----------
    stopping : str
        As declared.
    planned : int
        Looks that the information is spread over.
    peeking_error : float
        How often stopping at the first finding of all planned looks finds something where nothing is.
    """

    title: ClassVar[str] = "What the looks showed"

    stopping: str
    planned: int
    peeking_error: float

    @property
    def first_crossed(self) -> pd.Series | None:
        """First look at which the declared rule says stop; None if there was none."""
        found = self.table[self.table["crossed"]]
        return found.iloc[0] if len(found) else None

    @property
    def first_peeked(self) -> pd.Series | None:
        """First look that would have stopped somebody who reads each as the only one; None if there was none."""
        found = self.table[self.table["peeked"]]
        return found.iloc[0] if len(found) else None


def estimate_looks(
    trials: Sequence[Trial],
    *,
    experiment: Experiment,
    assignment: Assignment | None = None,
    labels: Sequence[str] = (),
    level: float = 0.95,
) -> LookPath:
    """Read an experiment at every look so far.

    Parameters
    ----------
    trials : sequence of Trial
        The same units with what was known at each look, the first look first.
    experiment : Experiment
        Its looks say the rule; a fixed experiment is read at each of its quarters, to see what peeking would have done.
    assignment : Assignment, optional
        The deal.
    labels : sequence of str
        Names of the looks, such as quarters.
    level : float
        Coverage of one look alone, and of all looks at once; several variants share the error.

    Raises
    ------
    ParameterError
        If there are no looks, more than planned, or as many labels as no looks.

    Examples
    --------
    >>> from partnerlab.experiments import Metric
    >>> from partnerlab.verdicts import Stakes
    >>> call = Experiment(name="call", hypothesis="It helps.", tactic="A call", stakes=Stakes(unit="leads"), quarters=2,
    ...                   metrics=(Metric(name="leads"),))
    >>> table = pd.DataFrame({"partner": range(40), "variant": ["control", "treatment"] * 20, "leads": [1, 2, 3, 5] * 10})
    >>> seen = Trial.from_frame(table, experiment=call)
    >>> estimate_looks([seen, seen], experiment=call).table[["look", "estimate", "crossed", "peeked"]].values.tolist()
    [[1, 1.5, False, True], [2, 1.5, True, True]]
    """
    planned = max(experiment.looks.planned, experiment.quarters if experiment.looks.stopping == "fixed" else 1)
    if not trials or len(trials) > planned:
        raise ParameterError(
            f"estimate_looks: {len(trials)} looks were given and {planned} are planned; give one trial for each look so far"
        )
    if labels and len(labels) != len(trials):
        raise ParameterError(f"estimate_looks: {len(labels)} labels for {len(trials)} looks; give one for each")
    # variants share the error, as they do when one look is read
    own = 1 - (1 - level) / (len(experiment.variants) - 1)
    readings = [analyze_experiment(trial, experiment=experiment, assignment=assignment, draws=0, level=own) for trial in trials]
    rows = [_look(reading.table.iloc[0], level=own) for reading in readings]
    table = pd.DataFrame(rows)
    table.insert(0, "look", np.arange(1, len(rows) + 1))
    table.insert(1, "when", list(labels) or [f"look {place}" for place in range(1, len(rows) + 1)])
    share = np.array(experiment.looks.information) if experiment.looks.planned == planned else np.arange(1, planned + 1) / planned
    table = _with_bounds(table, share, experiment, level=own)
    sound = np.array([not reading.stopped for reading in readings])
    table = table.assign(crossed=table["crossed"] & sound, peeked=table["peeked"] & sound)
    return LookPath(
        estimand=f"Effect on {experiment.metrics[0].name} at every look so far",
        table=table.drop(columns=["reach", "df"]),
        checks=tuple(
            dataclasses.replace(check, name=f"look {place}: {check.name}")
            for place, reading in enumerate(readings, start=1)
            for check in reading.checks
            if check.passed is False
        ),
        level=level,
        stopping=experiment.looks.stopping,
        planned=planned,
        peeking_error=float(crossing(share, np.full(planned, critical_value(own))).sum()),
    )


def _look(row: pd.Series, *, level: float) -> dict[str, float]:
    """Give the interval of one look as if it were the only one."""
    reach = float(critical_value(level, row["df"] if math.isfinite(row["df"]) else None))
    middle, error = float(row["estimate"]), float(row["std_error"])
    ends = {"conf_low": middle - reach * error, "conf_high": middle + reach * error}
    return {"estimate": middle, "std_error": error, **ends, "n": int(row["n"]), "reach": reach, "df": float(row["df"])}


def _with_bounds(table: pd.DataFrame, share: np.ndarray, experiment: Experiment, *, level: float) -> pd.DataFrame:
    seen = len(table)
    error, middle, one = (table[name].to_numpy(dtype=float) for name in ("std_error", "estimate", "reach"))
    always = np.array([always_valid_reach(part, level=level) for part in share[:seen]])
    spent = (
        boundaries(share, alpha=1 - level, kind=experiment.looks.spending, gamma=experiment.looks.gamma)[:seen] if len(share) > 1 else one
    )
    if len(share) > 1:
        always, spent = (np.array([widened(*pair) for pair in zip(reach, table["df"], strict=True)]) for reach in (always, spent))
    last = np.arange(1, seen + 1) == len(share)
    declared = {"group sequential": spent, "always valid": always}.get(experiment.looks.stopping, np.where(last, one, np.inf))
    return table.assign(
        always_low=middle - always * error,
        always_high=middle + always * error,
        boundary=declared * error,
        set_boundary=spent * error,
        crossed=np.abs(middle) >= declared * error,
        peeked=np.abs(middle) >= one * error,
    )
