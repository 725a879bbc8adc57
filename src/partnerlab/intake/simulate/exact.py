"""The true answers of a program, without a single row: what estimates from its rows should be near to.

Every answer is a ratio of expectations over partners of the program. The expectation
over counts and lapses is taken exactly (given the latent rates a count is Poisson and
a lapse is a coin: Rao and Blackwell); only the latent partners are drawn, in blocks,
until the standard error of every probability is below ``TOLERANCE``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.intake.simulate.latents import Latents
from partnerlab.intake.simulate.rates import draw_latents
from partnerlab.intake.simulate.realized import joining_share
from partnerlab.intake.simulate.truth import Truth

#: Monte-Carlo standard error that every true probability must stay below.
TOLERANCE = 0.0004
_BLOCK = 20_000
_SEED = 20_221_101


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """Latent partners with their expectations over the record; ``m`` partners, ``t`` quarters.

    Parameters
    ----------
    latents : Latents
        The draw.
    member : ndarray, shape (m, t)
        Probability of being a member at the end of a quarter.
    mean : ndarray, shape (m, t)
        Expected counted leads of a quarter, for one who is still a member at its end.
    hazard : ndarray, shape (m, t)
        Probability that a member at the start of a quarter lapses in it.
    tenure : ndarray of int, shape (m, t)
        Quarters since joining.
    """

    latents: Latents
    member: np.ndarray
    mean: np.ndarray
    hazard: np.ndarray
    tenure: np.ndarray


def expect(latents: Latents) -> Block:
    """Take the expectations over lapses, and over counts, of latent partners."""
    lead_in = latents.truth.lead_in
    tenure, hazard = latents.tenure, latents.hazard.astype(np.float64)
    member = np.where(tenure >= 0, np.cumprod(1.0 - hazard, axis=1), 0.0)
    exposure = np.where(tenure == 0, joining_share(latents)[:, None], 1.0)
    mean = np.where(tenure >= 0, latents.rate * exposure, 0.0)
    return Block(
        latents=latents, member=member[:, lead_in:], mean=mean[:, lead_in:], hazard=hazard[:, lead_in:], tenure=tenure[:, lead_in:]
    )


def draw_blocks(truth: Truth, *, draws: int, seed: int = _SEED) -> Iterator[Block]:
    """Blocks of latent partners, ``draws`` of them in all."""
    for place, _ in enumerate(range(0, draws, _BLOCK)):
        yield expect(draw_latents(truth, count=min(_BLOCK, draws), seed=seed + place))


@dataclasses.dataclass(frozen=True)
class RatioSums:
    """Sums of two expectations ``(m, k)`` over latent partners: their ratio and its standard error."""

    above: np.ndarray | float = 0.0
    below: np.ndarray | float = 0.0
    squares: tuple[np.ndarray | float, ...] = (0.0, 0.0, 0.0)
    partners: int = 0

    def plus(self, above: np.ndarray, below: np.ndarray) -> RatioSums:
        """Take in a block: numerator and denominator of each partner, shape ``(m, k)``."""
        more = ((above**2).sum(axis=0), (above * below).sum(axis=0), (below**2).sum(axis=0))
        return RatioSums(
            above=self.above + above.sum(axis=0),
            below=self.below + below.sum(axis=0),
            squares=tuple(old + new for old, new in zip(self.squares, more, strict=True)),
            partners=self.partners + len(above),
        )

    @property
    def ratio(self) -> np.ndarray:
        """Ratio of the expectations, NaN where nobody is at risk."""
        below = np.asarray(self.below, dtype=np.float64)
        return np.divide(self.above, below, out=np.full(below.shape, np.nan), where=below > 0)

    @property
    def std_error(self) -> np.ndarray:
        """Monte-Carlo standard error of the ratio (linearised)."""
        ratio, (yy, xy, xx) = self.ratio, self.squares
        below = np.where(np.asarray(self.below) > 0, self.below, np.nan)
        return np.sqrt(np.maximum(yy - 2.0 * ratio * xy + ratio**2 * xx, 0.0)) / below


def count_bands(mean: np.ndarray, lines: Sequence[float], *, noise: bool) -> np.ndarray:
    """Probability that a count (or, without noise, its mean) falls into each band, best first; adds a last axis."""
    from scipy.special import pdtr

    falling = sorted(lines, reverse=True)
    if noise:
        # P(N >= line) = 1 - P(N <= ceil(line) - 1)
        reach = [1.0 - pdtr(np.ceil(line) - 1.0, mean) if line > 0 else np.ones_like(mean) for line in falling]
    else:
        reach = [(mean >= line).astype(np.float64) for line in falling]
    steps = np.stack([np.zeros_like(mean), *reach, np.ones_like(mean)], axis=-1)
    return np.diff(steps, axis=-1)


def tier_chances(block: Block, cuts: Mapping[str, Sequence[float]], *, noise: bool) -> np.ndarray:
    """Probability of each tier for a member, shape ``(m, t, tiers)``; zero where the relevance is unknown."""
    chances = count_bands(block.mean, cuts.get("leads", ()), noise=noise)
    if "relevance" in cuts:
        relevance = block.latents.relevance[:, block.latents.truth.lead_in :]
        known = ~np.isnan(relevance)
        bands = count_bands(np.where(known, relevance, -1.0), cuts["relevance"], noise=False) * known[..., None]
        chances = (chances[..., :, None] * bands[..., None, :]).reshape(*block.mean.shape, -1)
    return chances


def _check_cuts(cuts: Mapping[str, Sequence[float]], tiers: Sequence[str] | None) -> tuple[str, ...]:
    for name in cuts:
        if name not in ("leads", "relevance"):
            raise ParameterError(f"no true flows for {name!r}{nearest(name, ('leads', 'relevance'))}")
    if not any(len(lines) for lines in cuts.values()):
        raise ParameterError("cuts has no line; give for instance {'leads': (2, 5)}")
    count = int(np.prod([len(lines) + 1 for lines in cuts.values()]))
    if tiers is None:
        return tuple(str(place + 1) for place in range(count))
    if len(tiers) != count:
        raise ParameterError(f"cuts make {count} tiers, {len(tiers)} names are given; name each, best first")
    return tuple(tiers)


def true_flows(
    truth: Truth, *, cuts: Mapping[str, Sequence[float]], tiers: Sequence[str] | None = None, noise: bool = True, draws: int = 2_000_000
) -> pd.DataFrame:
    """Flows between tiers from one quarter to the next, in the whole population that a program is drawn from.

    The tier of a quarter is the band of its leads (``value >= line``), or the cell of its
    leads and of the market relevance last said. All pairs of neighbouring quarters of the
    record count alike; those not rated in either quarter are left out.

    Parameters
    ----------
    truth : Truth
        What holds in the program.
    cuts : mapping of str to sequence of float
        Lines for ``leads`` and, if wanted, ``relevance``.
    tiers : sequence of str, optional
        Names, best first; cells go through relevance bands within a band of leads. Without it 1, 2, ...
    noise : bool
        Flows of counts as they are seen; without noise those of the partners' rates.
    draws : int
        Latent partners at most; fewer are drawn once the errors are small enough.

    Returns
    -------
    DataFrame
        ``from_tier, to_tier, probability, std_error`` (Monte Carlo) and ``at_risk``, the expected
        number of pairs that start in the tier in a program of ``truth.n_partners``.

    Examples
    --------
    >>> flows = true_flows(Truth.plain(n_quarters=4), cuts={"leads": (3,)}, draws=20_000)
    >>> round(float(flows.groupby("from_tier")["probability"].sum().iloc[0]), 6)
    1.0
    """
    names = _check_cuts(cuts, tiers)
    sums = RatioSums()
    for block in draw_blocks(truth, draws=draws):
        chances = tier_chances(block, cuts, noise=noise)
        before, after = chances[:, :-1], chances[:, 1:]
        rated = after.sum(axis=-1, keepdims=True)
        start = block.member[:, :-1, None] * before
        stay, leave = (1.0 - block.hazard[:, 1:, None]) * after, block.hazard[:, 1:, None]
        to = np.concatenate([stay, leave], axis=-1)
        above = np.einsum("mti,mtj->mij", start, to)
        below = np.einsum("mti,mtk->mi", start, rated * (1.0 - leave) + leave)
        sums = sums.plus(above.reshape(len(above), -1), np.repeat(below, len(names) + 1, axis=1))
        if sums.partners >= 5 * _BLOCK and np.nanmax(sums.std_error) < TOLERANCE:
            break
    to_names = (*names, "lapsed")
    return pd.DataFrame(
        {
            "from_tier": np.repeat(names, len(to_names)),
            "to_tier": np.tile(to_names, len(names)),
            "probability": sums.ratio,
            "std_error": sums.std_error,
            "at_risk": np.asarray(sums.below) / sums.partners * truth.n_partners,
        }
    )


def _by_place(values: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """Sum ``(m, t)`` values into ``count`` places for each partner, shape ``(m, count)``; places outside are dropped."""
    summed = np.zeros((len(values), count))
    for column in range(values.shape[1]):
        at = place[:, column]
        inside = np.flatnonzero((at >= 0) & (at < count))
        summed[inside, at[inside]] += values[inside, column]
    return summed


def true_hazards(truth: Truth, *, by: str, draws: int = 1_000_000) -> pd.DataFrame:
    """Probability of lapsing in a quarter among those still members, as a panel of the record can show it.

    Risk begins in the second quarter of the record, or in the quarter after joining.

    Parameters
    ----------
    truth : Truth
        What holds in the program.
    by : {"tenure", "quarter", "region"}
        Quarters since joining, calendar quarter, or region.
    draws : int
        Latent partners at most.

    Returns
    -------
    DataFrame
        The key, ``hazard, std_error`` (Monte Carlo) and ``at_risk``, the expected number of
        member-quarters at risk in a program of ``truth.n_partners``.

    Examples
    --------
    >>> true_hazards(Truth.plain(n_quarters=4), by="quarter", draws=20_000)["quarter"].tolist()
    ['2023Q2', '2023Q3', '2023Q4']
    """
    quarters = [truth.calendar.label(truth.start + truth.lead_in + place) for place in range(1, truth.n_quarters)]
    keys = {"tenure": list(range(1, 16 + truth.periods)), "quarter": quarters, "region": list(truth.regions)}
    if by not in keys:
        raise ParameterError(f"no true hazards by {by!r}{nearest(by, keys)}")
    sums = RatioSums()
    for block in draw_blocks(truth, draws=draws):
        risk = block.member[:, :-1] * (block.tenure[:, 1:] > 0)
        place = {
            "tenure": block.tenure[:, 1:] - 1,
            "quarter": np.broadcast_to(np.arange(truth.n_quarters - 1), risk.shape),
            "region": np.broadcast_to(block.latents.region[:, None], risk.shape),
        }[by]
        sums = sums.plus(_by_place(risk * block.hazard[:, 1:], place, len(keys[by])), _by_place(risk, place, len(keys[by])))
        if sums.partners >= 5 * _BLOCK and np.nanmax(sums.std_error) < TOLERANCE:
            break
    at_risk = np.asarray(sums.below) / sums.partners * truth.n_partners
    return pd.DataFrame({by: keys[by], "hazard": sums.ratio, "std_error": sums.std_error, "at_risk": at_risk}).dropna(ignore_index=True)


def true_survival(truth: Truth, *, times: Sequence[int] | None = None, draws: int = 1_000_000) -> pd.DataFrame:
    """Share of partners still members so many quarters after the quarter of joining: what Kaplan and Meier estimate.

    The curve is the product of the hazards by tenure, each weighted as the program has its
    members at risk (delayed entry of those who joined before the record).

    Parameters
    ----------
    truth : Truth
        What holds in the program.
    times : sequence of int, optional
        Quarters since joining; all that the record reaches without it.
    draws : int
        Latent partners at most.

    Returns
    -------
    DataFrame
        ``time, survival, hazard, std_error`` (Monte Carlo, of the survival) and ``at_risk``.

    Examples
    --------
    >>> true_survival(Truth.plain(n_quarters=4), times=(1, 2), draws=20_000)["time"].tolist()
    [1, 2]
    """
    steps = true_hazards(truth, by="tenure", draws=draws).rename(columns={"tenure": "time"})
    survival = np.cumprod(1.0 - steps["hazard"].to_numpy())
    spread = np.sqrt(np.cumsum((steps["std_error"] / (1.0 - steps["hazard"])) ** 2))
    curve = steps.assign(survival=survival, std_error=survival * spread)[["time", "survival", "hazard", "std_error", "at_risk"]]
    return curve if times is None else curve[curve["time"].isin(list(times))].reset_index(drop=True)
