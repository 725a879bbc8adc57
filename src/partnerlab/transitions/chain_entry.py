"""Whether it matters when a partner entered its tier, the calendar allowed for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partnerlab.errors import SampleError
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.inference.sandwich import sum_clusters
from partnerlab.stats.states.chains import BUNDLES, entry_scores, quadratic_forms, random_signs, tail_share
from partnerlab.transitions.chain_groups import shuffled_statistics
from partnerlab.transitions.chain_results import ChainCheck, Question, chain_result, read_pairs, read_runs, with_whole

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory
    from partnerlab.transitions.pairs import Transitions

#: Times in a tier beyond which they count as equal.
LONGEST = 20


def check_entry_time(
    history: TierHistory | Transitions,
    *,
    stage: str = "published",
    level: float = 0.95,
    draws: int = 999,
    seed: int = 0,
    include_partial: bool = False,
) -> ChainCheck:
    """Check whether, in one and the same quarter, it matters when a partner entered its tier.

    Parameters
    ----------
    history, stage, level, draws, seed, include_partial
        As in `check_homogeneity`.

    Returns
    -------
    ChainCheck
        ``statistic`` is the score statistic for the logarithm of the time since entry within calendar quarters, ``df`` the cells
        seen less one; ``likelihood`` and the distance are not known.

    Raises
    ------
    SampleError
        If no entry into a tier was seen.

    Notes
    -----
    Commenges and Andersen (1995): a Markov process forgets when it came. Unlike `check_duration` this allows for every change
    over the calendar.
    Where partners differ the process of the whole program does not forget: those who came long ago are those who move little.
    ``p_clustered`` finds that, and is right to (more often, the more partners there are); ``p_within`` asks it of each partner.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.transitions import Transitions
    >>> visits = pd.DataFrame({"id": [1] * 5 + [2] * 5, "from": list("ABBBABBBBA"), "to": list("BBBABBBBAB")})
    >>> result = check_entry_time(Transitions.from_frame(visits, partner="id", from_tier="from", to_tier="to"))
    >>> result.table["from_tier"].tolist()
    ['all tiers', 'A', 'B']
    """
    check_level(level)
    pairs = read_pairs(history, stage=stage, include_partial=include_partial)
    runs = read_runs(pairs, "the time of entry")
    _, known = runs.times(pairs.origin[None].astype(np.int64), np.arange(len(pairs)))
    if not known.any():
        raise SampleError("no entry into a tier was seen, so nothing is known of the time since it")
    _, strata = np.unique(pairs.period if pairs.clock == "calendar" else np.zeros(len(pairs), dtype=np.int64), return_inverse=True)
    size, rng = int(strata.max()) + 1, np.random.default_rng(seed)
    scores = np.log(np.arange(1, LONGEST + 1))

    def groups(origin: np.ndarray, which: np.ndarray) -> np.ndarray:
        ages, sure = runs.times(origin, which)
        return np.where(sure, strata[which] * LONGEST + np.minimum(ages, LONGEST).astype(np.int64) - 1, -1)

    def forms(counts: np.ndarray) -> np.ndarray:
        return with_whole(quadratic_forms(*_scores_of(counts, size, scores))[0])

    mine = groups(pairs.origin[None].astype(np.int64), np.arange(len(pairs)))[0]
    use, states = mine >= 0, len(pairs.states)
    counts = np.bincount((mine[use] * states + pairs.origin[use]) * states + pairs.target[use], minlength=size * LONGEST * states**2)
    counts = counts.reshape(1, size * LONGEST, states, states)
    score, covariance = _scores_of(counts, size, scores)
    statistic, rank = (found[0] for found in quadratic_forms(score, covariance))
    drawn = _entry_draws(pairs, mine, (size, states), scores, covariance[0], draws, rng)
    shuffled = shuffled_statistics(pairs, runs, groups, groups=size * LONGEST, statistic=forms, draws=draws, rng=rng)
    nothing = np.full(states + 1, np.nan)
    columns = {
        "estimate": nothing, "by_chance": nothing, "n": with_whole(counts.sum(axis=(0, 1, 3))), "statistic": with_whole(statistic),
        "likelihood": nothing, "df": with_whole(rank), "p_clustered": tail_share(with_whole(drawn), with_whole(statistic)),
        "p_within": tail_share(shuffled, with_whole(statistic)),
    }  # fmt: skip
    question = Question(
        what="In one and the same quarter, does it matter when a partner entered its tier?",
        yes="When a partner entered its tier matters, the calendar allowed for: the process does not forget",
        no="No evidence against the time of entry making no difference",
        within="partners who differ from one another, of whom those who move little came long ago,",
    )
    return chain_result(pairs, columns, ("time since entry",), question, level=level)


def _scores_of(counts: np.ndarray, strata: int, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    replicates, _, states, cells = counts.shape
    return entry_scores(counts.reshape(replicates, strata, len(scores), states, cells), scores)


def _entry_draws(
    pairs: Transitions,
    group: np.ndarray,
    shape: tuple[int, int],
    scores: np.ndarray,
    covariance: np.ndarray,
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the score statistic with a random sign for each partner: shape ``(draws, states)``."""
    use = group >= 0
    (strata, states), time = shape, scores[group[use] % len(scores)]
    origin, target, row = pairs.origin[use].astype(np.int64), pairs.target[use], (group[use] // len(scores)) * shape[1] + pairs.origin[use]
    whole = np.maximum(np.bincount(row, minlength=strata * states), 1)
    centred = time - (np.bincount(row, weights=time, minlength=strata * states) / whole)[row]
    cells = np.bincount(row * states + target, minlength=strata * states * states).reshape(-1, states) / whole[:, None]
    # the shares of a stratum were taken from its own moves, which leaves residuals (n - 1) / n of their variance
    residual = ((np.arange(states) == target[:, None]) - cells[row]) * np.sqrt(whole / np.maximum(whole - 1, 1))[row, None]
    partners = min(len(pairs.partners), BUNDLES)
    place = (pairs.partner[use] % partners) * states + origin
    sums = sum_clusters(centred[:, None] * residual, place, clusters=partners * states).reshape(partners, states * states)
    drawn = random_signs(draws, partners, rng).astype(float) @ (sums - sums.mean(axis=0)) * np.sqrt(partners / max(partners - 1, 1))
    return quadratic_forms(drawn.reshape(draws, states, states), np.broadcast_to(covariance, (draws, *covariance.shape)))[0]
