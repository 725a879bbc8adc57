"""What is expected of a metric before anything was tried: level, spread, clusters, and how much of it stays."""

from __future__ import annotations

import functools
import math
from typing import Self

import pydantic

from partnerlab.experiments.experiment import Metric
from partnerlab.specs import Spec
from partnerlab.stats.trials.power import raised_shares
from partnerlab.stats.trials.shapes import Shape, count_shape, share_shape, win_laws


class Outlook(Spec):
    """Expectations of one metric under the control, from past quarters.

    Parameters
    ----------
    level : float or None
        Mean, share or count of a unit in a quarter; of a time, the share that has the event in a quarter.
    sd : float or None
        Standard deviation of a unit in a quarter, for means and ratios (of a ratio: of its linearised score).
    dispersion : float
        Of counts: ``variance = mean + dispersion * mean ** 2``.
    shares : tuple of float
        Expected share of units in each tier, lowest first; an effect is planned as odds of being above any tier that rise alike.
    icc : float
        Correlation of two units of one cluster.
    kept : float
        Correlation of a unit (and of a cluster's level) between neighbouring quarters.
    known : float
        Correlation of the outcome with what was known before.

    Examples
    --------
    >>> Outlook(level=0.5).variance(Metric(name="renewed", kind="share"), effect=0.0, quarters=1)
    (0.25, 0.25)
    """

    level: float | None = pydantic.Field(default=None, allow_inf_nan=False)
    sd: float | None = pydantic.Field(default=None, gt=0, allow_inf_nan=False)
    dispersion: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False)
    shares: tuple[float, ...] = ()
    icc: float = pydantic.Field(default=0.0, ge=0, lt=1)
    kept: float = pydantic.Field(default=0.5, ge=0, lt=1)
    known: float = pydantic.Field(default=0.0, ge=-0.999, le=0.999)

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Self:
        if self.shares and (min(self.shares) < 0 or not math.isclose(sum(self.shares), 1.0, abs_tol=1e-6)):
            raise ValueError("shares of tiers must be 0 or more and add up to 1")
        return self

    def lacks(self, metric: Metric) -> str:
        """Key that a metric of this kind needs and that was not given; empty if all is there."""
        needed = {"mean": "sd", "ratio": "sd", "tier": "shares"}.get(metric.kind, "level")
        value = getattr(self, needed)
        if value is None or value == ():
            return needed
        if metric.kind in ("share", "time") and not 0 < value < 1:
            return "level between 0 and 1"
        return "level above 0" if metric.kind == "count" and value <= 0 else ""

    def most(self, metric: Metric, *, quarters: int) -> float:
        """Largest effect that can be."""
        if metric.kind == "share":
            return 1.0 - self.level - 1e-9
        if metric.kind == "time":
            return quarters - self._time(quarters)[0] - 1e-9
        # who has the highest tier ties with those of the control who have it
        return 1.0 - next(share for share in self.shares[::-1] if share > 0) - 1e-9 if metric.kind == "tier" else math.inf

    def variance(self, metric: Metric, *, effect: float, quarters: int) -> tuple[float, float]:
        """Variance of one unit's outcome, averaged over the quarters, under the control and with an effect."""
        stays = self._stays(quarters)
        if metric.kind == "share":
            return tuple(share * (1 - share) * stays for share in (self.level, self.level + effect))
        if metric.kind == "count":
            return tuple(rate / quarters + self.dispersion * rate**2 * stays for rate in (self.level, self.level + effect))
        if metric.kind == "tier":
            return tuple(variance for variance, _ in _wins(self.shares, effect))
        if metric.kind == "time":
            return self._time(quarters)[1], self._time(quarters, longer=effect)[1]
        return self.sd**2 * stays, self.sd**2 * stays

    def shapes(self, metric: Metric, *, effect: float, quarters: int, size: float) -> tuple[Shape, Shape]:
        """How far means of so many units are from normal, under the control and with an effect: told of shares, counts and tiers."""
        if metric.kind == "tier":
            return tuple(shape.mean_of(size, icc=self.icc) for _, shape in _wins(self.shares, effect))
        levels = () if self.level is None else (self.level, self.level + effect)
        if metric.kind == "share":
            shapes = (share_shape(level, icc=self.icc, size=size) for level in levels)
        elif metric.kind == "count":
            shapes = (count_shape(level, dispersion=self.dispersion, icc=self.icc, size=size) for level in levels)
        else:
            return Shape(), Shape()
        return tuple(shape.spread_over(self._stays(quarters)) for shape in shapes)

    def _stays(self, quarters: int) -> float:
        """Variance of a mean of quarters over that of one: all as alike as neighbours, a little cautiously."""
        return (1.0 + (quarters - 1) * self.kept) / quarters

    def _time(self, quarters: int, *, longer: float = 0.0) -> tuple[float, float]:
        """Mean and variance of the time without the event within the quarters, at the one hazard that makes it so much longer."""
        hazard = -math.log1p(-self.level)
        if longer > 0:
            from scipy.optimize import brentq

            mean = _mean_time(hazard, quarters) + longer
            hazard = brentq(lambda rate: _mean_time(rate, quarters) - mean, 1e-12, hazard) if mean < quarters * (1 - 1e-9) else 1e-12
        left, mean = math.exp(-hazard * quarters), _mean_time(hazard, quarters)
        if hazard * quarters < 1e-4:
            return mean, hazard * quarters**3 / 3
        return mean, 2 * (1 - left * (1 + hazard * quarters)) / hazard**2 - mean**2


@functools.lru_cache(maxsize=256)
def _wins(shares: tuple[float, ...], wins: float) -> tuple[tuple[float, Shape], tuple[float, Shape]]:
    return win_laws(shares, raised_shares(shares, wins))


def _mean_time(hazard: float, quarters: int) -> float:
    """Area under an exponential curve."""
    return -math.expm1(-hazard * quarters) / hazard


class Prior(Spec):
    """What is believed of the effect before the test, and for how many rows the decision holds.

    Parameters
    ----------
    mean, sd : float
        Of the effect of a row (a partner and quarter), in units of the deciding metric.
    rows : float
        Rows that will be decided about after the test.
    fixed_cost : float
        Money that running the test costs besides the tactic.
    """

    mean: float = pydantic.Field(default=0.0, allow_inf_nan=False)
    sd: float = pydantic.Field(gt=0, allow_inf_nan=False)
    rows: float = pydantic.Field(gt=0, allow_inf_nan=False)
    fixed_cost: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False)
