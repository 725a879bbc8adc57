"""Where partners' rates truly stand: draws of what the rules would read if nothing were left to chance.

Counts are Poisson at a rate, shares binomial, amounts as many values around a level; each rate, share or level
holds until it changes (`partnerlab.stats.turns.changes`). What is stated, such as a manager's rating, is taken as it stands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from partnerlab.errors import SampleError
from partnerlab.panel.indicators import FRAME, Indicator, Indicators
from partnerlab.panel.panel import Panel
from partnerlab.panel.windows import trailing_sum
from partnerlab.scoring.conditions import AtLeast, Not, Rule, Sustained
from partnerlab.stats.shrinkage.pooling import gamma_poisson_prior
from partnerlab.stats.turns.changes import LevelPaths, MeanLevels, RateLevels, ShareLevels, fit_paths
from partnerlab.tiers.classify import Quadrant
from partnerlab.transitions.noise import noisy_indicators
from partnerlab.transitions.redraw import IndicatorNoise, fit_noise, prior_groups

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory
    from partnerlab.tiers.scheme import TierScheme

#: Least spread of the logarithms of partners' levels.
SMALLEST_SPREAD = 0.05
#: Measures whose counts go together this much from period to period are drawn together: orders, and their lines.
TOGETHER = 0.7


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasureRates:
    """The levels behind one measure, ready to be drawn.

    Parameters
    ----------
    noise : IndicatorNoise
        What was counted, run-in first.
    rates : LevelPaths or None
        Events for each period of membership.
    shares, values : LevelPaths or None
        Share of yes; logarithm of the mean value.
    """

    noise: IndicatorNoise = dataclasses.field(repr=False)
    rates: LevelPaths | None = None
    shares: LevelPaths | None = None
    values: LevelPaths | None = None

    @property
    def hazard(self) -> float:
        """Largest probability of a change in a period among what is drawn."""
        return max(path.hazard for path in (self.rates, self.shares, self.values) if path is not None)

    def coupled(self) -> MeasureRates:
        """Give the same with rates whose draws stray together with others of the same luck."""
        levels = dataclasses.replace(self.rates.levels, coupled=True)
        return dataclasses.replace(self, rates=dataclasses.replace(self.rates, levels=levels))

    def draw(self, rng: np.random.Generator, exposure: np.ndarray, *, keep: int, luck: int) -> tuple[np.ndarray, ...]:
        """Draw expected counts, shares and values of the last ``keep`` periods, each ``(n, keep)``, NaN where there is none.

        Counts are drawn with the luck given: measures of equal luck stray together.
        """
        nothing = np.full((len(exposure), keep), np.nan)
        counts = nothing if self.rates is None else self.rates.draw(np.random.default_rng(luck), keep=keep) * exposure[:, -keep:]
        shares = nothing if self.shares is None else self.shares.draw(rng, keep=keep)
        values = nothing if self.values is None else np.exp(self.values.draw(rng, keep=keep))
        return counts, shares, values


def rate_paths(noise: IndicatorNoise, group: np.ndarray, groups: int) -> LevelPaths:
    """Fit event rates: gamma prior of the rate in any one period within the group, then where it changed.

    Single periods, not sums over all of them, fit the prior: their law is the same whether rates change or not.
    """
    measured = noise.exposure > 0
    events = np.where(measured, noise.counts, 0).astype(float)
    units = np.repeat(group, events.shape[1])
    shape, rate = gamma_poisson_prior(events.ravel(), noise.exposure.ravel(), group=units, groups=groups)
    return fit_paths(RateLevels(shape[group], rate[group]), (events, noise.exposure))


def value_paths(noise: IndicatorNoise) -> LevelPaths:
    """Fit the logarithm of each partner's mean value: normal around everybody's, sums of values being lognormal (Fenton 1960)."""
    use = (noise.exposure > 0) & (noise.counts > 0) & (noise.totals > 0)
    rows = np.where(use, noise.counts, 1)
    chance = np.log1p(max(noise.spread, SMALLEST_SPREAD) ** 2 / rows)
    means = np.log(np.where(use, noise.totals / rows, 1.0)) + chance / 2
    weight = np.where(use, 1.0 / chance, 0.0)
    whole = weight.sum(axis=1)
    some = whole > 0
    if not some.any():
        return fit_paths(MeanLevels(0.0, 1.0), (weight, weight), hazard=0.0)
    own = (weight * means).sum(axis=1)[some] / whole[some]
    spread = max(float(own.var() - (1.0 / whole[some]).mean()), SMALLEST_SPREAD**2)
    return fit_paths(MeanLevels(float(own.mean()), 1.0 / spread), (weight, weight * means))


def fit_rates(panel: Panel, scheme: TierScheme, *, within: str | None) -> tuple[MeasureRates, ...]:
    """Fit the levels of every measure that the scheme reads and that is a matter of counting.

    Raises
    ------
    SampleError
        If there is none, such as for recorded tiers.
    """
    group, groups = prior_groups(panel.attributes, within)
    found = []
    for noise in fit_noise(panel, noisy_indicators(panel, scheme), within=within):
        if noise.kind == "held":
            continue
        noise = dataclasses.replace(noise, exposure=whole_first(noise.exposure, panel.attributes))  # noqa: PLW2901
        if noise.kind == "share":
            yes, rows = (np.where(noise.exposure > 0, array, 0).astype(float) for array in (noise.totals, noise.counts))
            found.append(MeasureRates(noise=noise, shares=fit_paths(ShareLevels(*noise.shares), (yes, rows))))
        else:
            values = value_paths(noise) if noise.kind == "amount" else None
            found.append(MeasureRates(noise=noise, rates=rate_paths(noise, group, groups), values=values))
    if not found:
        raise SampleError(f"scheme {scheme.name_version} reads nothing that is counted; its tiers have no uncertainty of counting")
    return tuple(found)


def whole_first(exposure: np.ndarray, attributes: pd.DataFrame) -> np.ndarray:
    """Count the first period of those who joined with their first event as a whole one: that event chose its beginning.

    Examples
    --------
    >>> whole_first(np.array([[0.0, 0.1, 1.0], [0.0, 0.1, 1.0]]), pd.DataFrame({"joined_source": ["first_seen", "stated"]})).tolist()
    [[0.0, 1.0, 1.0], [0.0, 0.1, 1.0]]
    """
    if "joined_source" not in attributes:
        return exposure
    seen = (attributes["joined_source"].astype("str") == "first_seen").to_numpy()
    first = (exposure > 0) & (np.cumsum(exposure > 0, axis=1) == 1)
    return np.where(first & seen[:, None], 1.0, exposure)


def true_values(indicator: Indicator, counts: np.ndarray, shares: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Give what an indicator would be without chance, window applied: shape ``(n, k)``.

    Parameters
    ----------
    counts, shares, values : ndarray, shape (n, k)
        Expected count, share and value of single periods.
    rows : ndarray, shape (n, k)
        Rows seen, which weight the periods of a share or mean.

    Examples
    --------
    >>> two = Indicator.model_validate({"from": "frame", "window": 2})
    >>> true_values(two, np.array([[3.0, 1.5]]), *np.zeros((3, 1, 2))).tolist()
    [[3.0, 4.5]]
    """
    statistic, window = indicator.statistic, indicator.window
    if statistic in ("share", "mean"):
        top, bottom = trailing_sum((shares if statistic == "share" else values) * rows, window=window), trailing_sum(rows, window=window)
        found = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    elif statistic == "active":  # how many periods are expected to reach the count
        found = trailing_sum(special.gammainc(indicator.at_least, counts), window=window)
    else:
        found = trailing_sum(counts * values if statistic == "sum" else counts, window=window)
    return found / indicator.scale


def count_correlation(first: IndicatorNoise, second: IndicatorNoise) -> float:
    """Correlation of two measures' counts, each about its partner's mean.

    One event may bring rows to both, such as an order and its lines: what is luck in one is luck in the other.
    """
    both = (first.exposure > 0) & (second.exposure > 0)
    size = np.maximum(both.sum(axis=1, keepdims=True), 1)
    apart = []
    for noise in (first, second):
        counts = np.where(both, noise.counts, 0).astype(float)
        mean = counts.sum(axis=1, keepdims=True) / size
        apart.append(np.where(both, counts - mean, 0.0) / np.sqrt(mean + 1e-9))
    whole = np.sqrt((apart[0] ** 2).sum() * (apart[1] ** 2).sum())
    return float((apart[0] * apart[1]).sum() / whole) if whole > 0 else 0.0


def drawn_together(measures: tuple[MeasureRates, ...]) -> list[int]:
    """Group the measures whose counts go together: for each the place of the first of its group."""
    groups = list(range(len(measures)))
    for later, measure in enumerate(measures):
        for earlier in range(later):
            pair = measures[earlier], measure
            if all(one.rates is not None for one in pair) and count_correlation(pair[0].noise, pair[1].noise) > TOGETHER:
                groups[later] = groups[earlier]
                break
    return groups


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrueProgram:
    """The last periods of a panel, whose rules are read on levels in place of counts.

    Parameters
    ----------
    panel : Panel
        Of the last ``keep`` periods; every indicator stands as the rules read it.
    seen : mapping of str to ndarray, shape (n, keep)
        Indicators as observed; what is unknown stays unknown.
    outside : ndarray of bool, shape (n, keep)
        Partners who fail the gate of a quadrant: whether they are rated is taken as seen.
    measures : tuple of MeasureRates
        What is drawn.
    together : tuple of int
        Group of each measure: those of one group are drawn with the same luck.
    exposure : ndarray, shape (n, c)
        Membership time, run-in first.
    """

    panel: Panel = dataclasses.field(repr=False)
    original: Panel = dataclasses.field(repr=False)
    seen: dict[str, np.ndarray] = dataclasses.field(repr=False)
    outside: np.ndarray = dataclasses.field(repr=False)
    measures: tuple[MeasureRates, ...]
    together: tuple[int, ...]
    exposure: np.ndarray = dataclasses.field(repr=False)

    def draw(self, rng: np.random.Generator) -> Panel:
        """Draw the panel that rules would read without chance."""
        lucks = rng.integers(2**63, size=len(self.measures))
        return self.expect(
            [
                measure.draw(rng, self.exposure, keep=self.reach(measure), luck=int(lucks[group]))
                for measure, group in zip(self.measures, self.together, strict=True)
            ]
        )

    def reach(self, measure: MeasureRates) -> int:
        """Count the periods that the windows of a measure's indicators look at."""
        windows = [self.original.indicators[name].window for name in measure.noise.names]
        return min(self.panel.shape[1] + max(windows) - 1, measure.noise.counts.shape[1])

    def expect(self, levels: Sequence[tuple[np.ndarray, ...]]) -> Panel:
        """Give the panel that rules would read if every measure stood at its level.

        Parameters
        ----------
        levels : sequence of tuple of ndarray, shape (n, reach)
            Expected counts, shares and values of each measure.
        """
        keep, totals = self.panel.shape[1], dict(self.seen)
        for measure, (counts, shares, values) in zip(self.measures, levels, strict=True):
            rows = measure.noise.counts[:, -self.reach(measure) :].astype(float)
            for name in measure.noise.names:
                drawn = true_values(self.original.indicators[name], counts, shares, values, rows)[:, -keep:]
                totals[name] = np.where(self.outside | np.isnan(self.seen[name]) | np.isnan(drawn), self.seen[name], drawn)
        return self.panel.replace(totals=totals)


def true_program(panel: Panel, history: TierHistory, *, keep: int, within: str | None) -> TrueProgram:
    """Make a panel ready for draws of its last ``keep`` periods."""
    scheme = history.scheme
    names = noisy_indicators(panel, scheme)
    keep = min(keep, panel.shape[1])
    seen = {name: panel.values(name)[:, -keep:] for name in names}
    read = {name: {"from": FRAME, "statistic": "last", "trust": panel.indicators[name].trust} for name in names}
    ones = np.ones((panel.shape[0], keep), dtype=np.int32)
    small = dataclasses.replace(
        panel,
        first=panel.first + panel.shape[1] - keep,
        indicators=Indicators(indicators=read),
        totals=seen,
        counts=dict.fromkeys(names, ones),
        squares={},
        covered={},
        run_in=None,
        state=panel.state[:, -keep:],
        exposure=panel.exposure[:, -keep:],
        partial=panel.partial[-keep:],
    )
    rule = scheme.classify
    outside = np.zeros(ones.shape, dtype=bool)
    if isinstance(rule, Quadrant) and rule.outside:
        outside = history.raw[:, -keep:] == history.tiers.index(rule.outside)
    early = [] if panel.run_in is None else [panel.run_in.exposure.astype(float)]
    measures = fit_rates(panel, scheme, within=within)
    groups = drawn_together(measures)
    measures = tuple(one.coupled() if groups.count(group) > 1 else one for one, group in zip(measures, groups, strict=True))
    return TrueProgram(
        panel=small,
        original=panel,
        seen=seen,
        outside=outside,
        measures=measures,
        together=tuple(groups),
        exposure=whole_first(np.hstack([*early, panel.exposure.astype(float)]), panel.attributes),
    )


def longest_span(rule: Rule) -> int:
    """Count the periods that a rule looks back over, beside its indicators' windows."""
    if isinstance(rule, Sustained):
        return rule.window + longest_span(rule.part) - 1
    if isinstance(rule, Not):
        return longest_span(rule.part)
    return max((longest_span(part) for part in rule.parts), default=1) if isinstance(rule, AtLeast) else 1
