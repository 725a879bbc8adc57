"""Looks at a running experiment: at which level each may be read, and what peeking would have done."""

from __future__ import annotations

import math

import numpy as np

from partnerlab.errors import ParameterError
from partnerlab.experiments.experiment import Experiment
from partnerlab.experiments.readings import Reading
from partnerlab.results import Check
from partnerlab.stats.inference.intervals import critical_value
from partnerlab.stats.trials.futility import give_up_bounds
from partnerlab.stats.trials.sequential import boundaries, conditional_power, crossing, mixing_rate, sequence_half_width
from partnerlab.words import plural, say_number, say_share

#: Chance of still reaching a finding under which going on is a waste.
HOPELESS = 0.1


def look_level(
    experiment: Experiment | None, found: Reading, *, look: int | None, level: float, deciding: bool = True
) -> tuple[float, list[Check]]:
    """Level of the interval that this look may use, and what is to be said of looking.

    Parameters
    ----------
    experiment : Experiment or None
        Its looks, and the share of the information at each.
    found : Reading
        What is read.
    look : int or None
        Which look this is; the last if None.
    level : float
        Level of a single look.
    deciding : bool
        Whether it is the metric that decides: only of that is it said whether to go on, since stakes are its own.

    Raises
    ------
    ParameterError
        If the look was not declared.
    """
    planned = experiment.looks.planned if experiment else 1
    if look is not None and not 1 <= look <= planned:
        raise ParameterError(f"analyze_experiment: look {look} was not declared ({plural(planned, 'look')} planned)")
    if experiment is None:
        return level, []
    if experiment.looks.stopping == "fixed":
        return level, [_peeking(experiment.quarters, level)] if deciding and experiment.quarters > 1 else []
    now, share = look or planned, np.array(experiment.looks.information)
    z = found.effect.estimate / found.effect.std_error
    if experiment.looks.stopping == "always valid":
        reach = always_valid_reach(float(share[now - 1]), level=level)
        wide = widened(reach, found.effect.df)
        said = f"look {now} of {planned}, always valid: an interval of {say_number(wide)} standard errors holds at every look"
        return _as_level(reach), [Check("looks", None, said)] if deciding else []
    bounds = boundaries(share, alpha=1 - level, kind=experiment.looks.spending, gamma=experiment.looks.gamma)
    own = float(bounds[now - 1])
    if not deciding:
        return _as_level(own), []
    asked = widened(own, found.effect.df)
    stop = abs(z) >= asked
    said = f"look {now} of {planned}: boundary {say_number(asked)} standard errors; " + ("stop, it is crossed" if stop else "not crossed")
    notes = [Check("looks", None, said)]
    if now < planned and experiment.looks.give_up and math.isfinite(z) and not stop:
        notes.append(_giving_up(experiment, z, now, level=level))
    material = experiment.stakes.material
    if now < planned and material and math.isfinite(z) and not stop:
        final = found.effect.std_error * math.sqrt(share[now - 1])
        ahead = z if experiment.metrics[0].better == "higher" else -z
        chance = conditional_power(ahead, float(share[now - 1]), bound=float(bounds[-1]), drift=material / final)
        verb = "stop: this can hardly" if chance < HOPELESS else "it may still"
        text = f"{verb} reach a finding (chance {say_share(chance)} if the effect is the material one)"
        notes.append(Check("worth going on", bool(chance >= HOPELESS) or None, text))
    return _as_level(own), notes


def _giving_up(experiment: Experiment, z: float, now: int, *, level: float) -> Check:
    """Say whether z, in the wanted direction, lies below the boundary for giving up; that boundary does not bind."""
    plan, share = experiment.looks, np.array(experiment.looks.information)
    lower = float(give_up_bounds(share, alpha=(1 - level) / 2, finding=plan.spending, finding_gamma=plan.gamma).lower[now - 1])
    ahead = z if experiment.metrics[0].better == "higher" else -z
    told = "give up" if ahead < lower else "go on"
    return Check(
        "giving up",
        None,
        f"{told}: z is {say_number(ahead)} in the wanted direction, and the boundary for giving up is {say_number(lower)}",
    )


def always_valid_reach(share: float, *, level: float = 0.95) -> float:
    """Give the standard errors on each side of an interval that holds at every look at once, narrowest at the last one planned.

    Parameters
    ----------
    share : float
        Information now over that of the last planned look; the mixing is fixed by the plan, never by the data.
    level : float
        Coverage over all looks.

    Examples
    --------
    >>> round(always_valid_reach(1.0), 2), round(always_valid_reach(0.25), 2)
    (3.04, 3.26)
    """
    alpha = 1 - level
    return float(sequence_half_width(share, 1.0, alpha=alpha, rho=mixing_rate(alpha=alpha, best_at=1.0)))


def widened(reach: float, df: float) -> float:
    """Widen a reach in standard errors for few degrees of freedom, as the intervals of a look are widened.

    Examples
    --------
    >>> round(widened(2.44, 6.0), 2), round(widened(2.44, float("inf")), 2)
    (3.39, 2.44)
    """
    return reach if not df < math.inf else float(critical_value(_as_level(reach), df))


def _as_level(reach: float) -> float:
    from scipy.special import ndtr

    return float(min(1 - 2 * ndtr(-reach), 1 - 1e-12))


def _peeking(quarters: int, level: float) -> Check:
    share = np.arange(1, quarters + 1) / quarters
    false = float(crossing(share, np.full(quarters, critical_value(level))).sum())
    text = (
        f"one look at the end; stopping at the first finding of {quarters} quarterly looks would find something "
        f"in {say_share(false)} of trials where nothing is"
    )
    return Check("looks", None, text)
