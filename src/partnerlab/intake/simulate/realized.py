"""What happened: one draw of lapses and lead counts, given the latent partners."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.intake.simulate.latents import HISTORY, Latents, stream

#: Margins that keep an event inside the membership in every time zone, as shares of a quarter.
_AFTER_JOINING, _BEFORE_LEAVING = 0.002, 0.001


@dataclasses.dataclass(frozen=True, kw_only=True)
class Realized:
    """Who was a member when, and how many leads came; ``n`` partners, ``p`` quarters.

    Parameters
    ----------
    latents : Latents
        What lies behind.
    seed : int
        Seed of this draw.
    joined_at, left_at : ndarray of datetime64[D], shape (n,)
        First day as a member; first day no longer one, NaT while it lasts.
    lapsed : ndarray of int, shape (n,)
        Quarter of leaving, ``p`` if never.
    opens, closes : ndarray of float32, shape (n, p)
        Part of each quarter, from 0 to 1, between which the partner is a member.
    exposure : ndarray of float64, shape (n, p)
        Share of the days of each quarter as a member.
    leads : ndarray of int32, shape (n, p)
        Leads that count: accepted, qualified or converted.
    """

    latents: Latents
    seed: int
    joined_at: np.ndarray
    left_at: np.ndarray
    lapsed: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    exposure: np.ndarray
    leads: np.ndarray

    @property
    def edges(self) -> np.ndarray:
        """Edges of the quarters with rows: naive UTC instants, shape ``(p + 1,)``."""
        truth = self.latents.truth
        return truth.calendar.bounds_utc(truth.start, truth.last)

    @property
    def member(self) -> np.ndarray:
        """Was a member on at least one day of the quarter, shape ``(n, p)``."""
        return self.exposure > 0

    def member_at(self, partner: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Whether partners (positions) are members at instants; same shape."""
        day = at.astype("datetime64[D]")
        left = self.left_at[partner]
        return (day > self.joined_at[partner]) & (np.isnat(left) | (day < left))


def joining_share(latents: Latents) -> np.ndarray:
    """Share of the quarter of joining that a partner is a member, in whole days, shape ``(n,)``."""
    days = _quarter_days(latents)[1]
    return 1.0 - _day_of(latents.joined_day, days) / days


def _quarter_days(latents: Latents) -> tuple[np.ndarray, np.ndarray]:
    """First day and length of each partner's quarter of joining."""
    truth = latents.truth
    edges = truth.calendar.bounds_date(truth.start - HISTORY, truth.last)
    place = latents.joined + HISTORY
    return edges[place], (edges[place + 1] - edges[place]).astype(np.int64)


def _day_of(share: np.ndarray, days: np.ndarray) -> np.ndarray:
    return np.minimum((share * days).astype(np.int64), days - 1)


def _lapses(latents: Latents, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Quarter of leaving (``p`` if never) and day of it as a share."""
    rng = stream(seed, "lapses")
    coins = rng.random(latents.hazard.shape, dtype=np.float32) < latents.hazard
    return np.where(coins.any(axis=1), coins.argmax(axis=1), latents.truth.periods), rng.random(len(coins))


def realize(latents: Latents, *, seed: int) -> Realized:
    """Draw lapses and lead counts."""
    truth = latents.truth
    lapsed, share = _lapses(latents, seed)
    first, days = _quarter_days(latents)
    joined_at = first + _day_of(latents.joined_day, days)
    edges = truth.calendar.bounds_date(truth.start, truth.last)
    lengths = np.diff(edges).astype(np.int64)
    place = np.minimum(lapsed, truth.periods - 1)
    left_at = np.where(lapsed < truth.periods, edges[place] + 1 + _day_of(share, lengths[place] - 1), np.datetime64("NaT", "D"))
    end = np.where(np.isnat(left_at), edges[-1], left_at)
    opens = np.clip((joined_at[:, None] - edges[:-1]).astype(np.int64), 0, lengths) / lengths
    closes = np.clip((end[:, None] - edges[:-1]).astype(np.int64), 0, lengths) / lengths
    exposure = np.maximum(closes - opens, 0.0)
    leads = stream(seed, "lead counts").poisson(latents.rate * exposure).astype(np.int32)
    return Realized(
        latents=latents, seed=seed, joined_at=joined_at, left_at=left_at, lapsed=lapsed, leads=leads, exposure=exposure,
        opens=opens.astype(np.float32), closes=closes.astype(np.float32),
    )  # fmt: skip


def spread(realized: Realized, counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn counts ``(n, p)`` into events inside the membership: partner, quarter, instant, each ``(events,)``."""
    partner, quarter = np.nonzero(counts)
    times = counts[partner, quarter]
    partner, quarter = np.repeat(partner.astype(np.int32), times), np.repeat(quarter.astype(np.int16), times)
    opens = realized.opens[partner, quarter] + _AFTER_JOINING
    closes = np.maximum(realized.closes[partner, quarter] - _BEFORE_LEAVING, opens)
    edges = realized.edges.astype("datetime64[s]").astype(np.int64)
    length = np.diff(edges)[quarter]
    seconds = (opens + (closes - opens) * rng.random(len(partner))) * length
    at = edges[quarter] + np.clip(seconds.astype(np.int64), 60, length - 60)
    return partner, quarter, at.astype("datetime64[s]")
