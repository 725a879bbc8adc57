"""What of a partner's past a forecast remembers: time in the tier, time as a member, how often it has moved."""

from __future__ import annotations

import numpy as np

from partnerlab.stats.shrinkage.pooling import gamma_poisson_prior

#: Quarters in a tier told apart from 1 on: of those who came to it on joining, of those who came from another tier.
CHAIN = 8
JOINED, MOVED, LONG, BEFORE = 0, CHAIN, 2 * CHAIN, 2 * CHAIN + 1
#: Both chains, then longer than that, then stays that began before the record, by quarters seen of them.
STAYS = 3 * CHAIN + 1
#: Class of each stay: joined 1, 2, 3, 4, 5 to 8; moved 1, 2, 3, 4, 5 to 8; 9 and more; began before the record.
CLASS_OF_STAY = np.array([0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 7, 8, 9, 9, 9, 9, 10, *[11] * CHAIN])
CLASSES = 12
#: The stay a quarter later, for those who stay.
NEXT_STAY = np.array([*range(1, CHAIN), LONG, *range(MOVED + 1, LONG), LONG, LONG, *range(BEFORE + 1, STAYS), LONG])
#: Ages of those who were members when the record began, in lengths of the record, that the lapses choose among.
AGES = (0, 1, 4)
#: How likely each is before: as likely as one another, lapses that fell or rose by chance would be read as age (docs/decisions).
LIKELY = (0.1, 0.8, 0.1)
#: Time as a member in the classes of those who never moved since they joined.
AGE_OF_JOINED = np.array([1.0, 2.0, 3.0, 4.0, 6.5])
#: Partners that move less often than others in their places, about as often, more often: edges of the shrunken ratio.
CALM_BELOW, LIVELY_ABOVE = 0.7, 1.4
KINDS, USUAL = 3, 1
#: Partners by how long they have been members: yet to join; up to 4 quarters (or none: lapsed); up to 8; longer; since before the record.
BANDS, YET_TO_JOIN = 5, 0
YOUNG, OLDER = 4, 8


def read_stays(codes: np.ndarray, tiers: int) -> np.ndarray:
    """How long each partner has been in its state, and how it came to it: index into the stays told apart, int8, ``(n, t)``.

    Parameters
    ----------
    codes : ndarray of int, shape (n, t)
        States, tiers first; negative is not observed. Who comes to a tier from there, or from having lapsed, has joined.
    tiers : int
        Number of tiers; having lapsed is the state after them.

    Examples
    --------
    >>> read_stays(np.array([[0, 0, 1, 1], [-1, 0, 0, 1]]), 2).tolist()
    [[17, 18, 8, 9], [17, 0, 1, 8]]
    """
    codes = np.asarray(codes)
    stays = np.zeros(codes.shape, dtype=np.int8)
    stays[:, 0] = BEFORE
    for column in range(1, codes.shape[1]):
        before = codes[:, column - 1]
        fresh = np.where((before < 0) | (before == tiers), JOINED, MOVED)
        stays[:, column] = np.where(codes[:, column] == before, NEXT_STAY[stays[:, column - 1]], fresh)
    return stays


def read_kinds(codes: np.ndarray, tiers: int) -> np.ndarray:
    """How often each partner has moved so far, beside others in its places: 0 calm, 1 as usual, 2 lively; int8, ``(n, t)``.

    Moves between tiers over those expected at the pooled rates of the tiers held, shrunk by a gamma prior fitted to all
    partners (empirical Bayes); where partners do not differ beyond chance, all are as usual.

    Parameters
    ----------
    codes : ndarray of int, shape (n, t)
        States, tiers first.
    tiers : int
        Number of tiers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> restless = np.where(np.arange(60)[:, None] < 30, rng.integers(0, 2, (60, 12)), np.arange(60)[:, None] % 2)
    >>> kinds = read_kinds(restless, 2)[:, -1]
    >>> bool(kinds[:30].mean() > 1.2), bool(kinds[30:].mean() < 0.2)
    (True, True)
    """
    codes = np.asarray(codes)
    before, after = codes[:, :-1], codes[:, 1:]
    pair = (before >= 0) & (before < tiers) & (after >= 0) & (after < tiers)
    moved = pair & (before != after)
    place = np.where(pair, before, tiers)
    at_risk = np.bincount(place.ravel(), minlength=tiers + 1)
    rate = np.bincount(place.ravel(), weights=moved.ravel(), minlength=tiers + 1) / np.maximum(at_risk, 1)
    rate[tiers] = 0.0
    moves, expected = moved.cumsum(axis=1), rate[place].cumsum(axis=1)
    kinds = np.full(codes.shape, USUAL, dtype=np.int8)
    if not moved.any():
        return kinds
    shape, size = gamma_poisson_prior(moves[:, -1], expected[:, -1])
    ratio = (shape + moves) / (size + expected)
    kinds[:, 1:] += (ratio > LIVELY_ABOVE).astype(np.int8) - (ratio < CALM_BELOW).astype(np.int8)
    return kinds


def read_tenure(codes: np.ndarray, tiers: int) -> np.ndarray:
    """Quarters that each partner has been a member, this one included: int16, ``(n, t)``; 0 outside.

    Who was a member when the record begins is given ``t`` quarters more; tenures above ``t`` are theirs, and how long they had
    really been members is for `clock_of` to say.

    Parameters
    ----------
    codes : ndarray of int, shape (n, t)
        States, tiers first, then lapsed and unknown; negative is not observed.
    tiers : int
        Number of tiers.

    Examples
    --------
    >>> read_tenure(np.array([[0, 0, 2, 1], [-1, 0, 1, 1]]), 2).tolist()
    [[5, 6, 0, 1], [0, 1, 2, 3]]
    """
    member = (np.asarray(codes) >= 0) & (np.asarray(codes) != tiers)
    tenure = member.astype(np.int16)
    tenure[:, 0] *= member.shape[1] + 1
    for column in range(1, member.shape[1]):
        tenure[:, column] = np.where(member[:, column], tenure[:, column - 1] + 1, 0)
    return tenure


def band_of_tenure(tenure: np.ndarray, quarters: int) -> np.ndarray:
    """Band of each tenure in a record of so many quarters.

    Examples
    --------
    >>> band_of_tenure(np.array([0, 1, 4, 5, 9, 13]), 12).tolist()
    [1, 1, 1, 2, 3, 4]
    """
    return 1 + np.searchsorted([YOUNG, OLDER, quarters], tenure)


def clock_of(tenure: np.ndarray, *, before: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """Time as a member as lapses feel it where partners differ for good: ``log(1 + tenure / 4)``.

    With gamma frailty the log-hazard falls by ``log(1 + v H)``, H the hazard gathered so far and v the variance of frailty
    (Vaupel, Manton and Stallard 1979): evenly in the first year, then as the logarithm of time.

    Parameters
    ----------
    tenure : ndarray, shape (m,)
        Quarters as a member that the record has seen.
    before : ndarray, shape (len(AGES), m)
        Quarters as a member before the record, at each of the ages.
    ages : ndarray, shape (len(AGES),)
        How likely each of the ages is; the clock is the mean over them.

    Examples
    --------
    >>> clock_of(np.array([0, 4]), before=np.array([[0, 0], [0, 12], [0, 48]]), ages=np.array([0, 1, 0])).round(2).tolist()
    [0.0, 1.61]
    """
    return np.asarray(ages, dtype=float) @ np.log1p((np.asarray(tenure) + before) / YOUNG)


def ages_before(begun: np.ndarray, quarters: int) -> np.ndarray:
    """Quarters as a member before a record of so many quarters, at each of the ages: shape ``(len(AGES), m)``; 0 for who joined in it.

    Examples
    --------
    >>> ages_before(np.array([True, False]), 12).tolist()
    [[0, 0], [12, 0], [48, 0]]
    """
    return quarters * np.outer(AGES, np.asarray(begun))


def coming_clock(tenure: np.ndarray, *, quarters: int, step: int, ages: np.ndarray) -> np.ndarray:
    """Time as a member, by band today and class of stay, so many quarters ahead: shape ``(BANDS, CLASSES)``.

    Stays since joining tell the time exactly; in all others, a band's members are taken to be as old as they are on average.

    Parameters
    ----------
    tenure : ndarray of int, shape (n,)
        Today's.
    quarters : int
        Length of the record.
    step : int
        Quarters ahead, 1 or more.
    ages : ndarray, shape (len(AGES),)
        As in `clock_of`.

    Examples
    --------
    >>> clock = coming_clock(np.array([2, 4, 20]), quarters=12, step=3, ages=np.array([0, 1, 0]))
    >>> (4 * np.expm1(clock[:, [0, 10]])).round(1).tolist()
    [[1.0, 2.0], [1.0, 5.0], [1.0, 2.0], [1.0, 2.0], [1.0, 22.0]]
    """
    band = band_of_tenure(tenure, quarters)
    size = np.bincount(band, minlength=BANDS)
    mean = np.bincount(band, weights=tenure, minlength=BANDS) / np.maximum(size, 1)
    # whoever joins on the way has been there half the way
    begun = np.arange(BANDS) == BANDS - 1
    times = np.where((size > 0) & (np.arange(BANDS) > YET_TO_JOIN), mean + step - 1 - quarters * begun, (step + 1) / 2)
    clock = np.repeat(clock_of(times, before=ages_before(begun, quarters), ages=ages)[:, None], CLASSES, axis=1)
    clock[:, : len(AGE_OF_JOINED)] = np.log1p(AGE_OF_JOINED / YOUNG)
    return clock
