"""Does one matrix do? Whether moves differ by quarter or group, and whether a partner's past matters for its next tier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from partnerlab.errors import ParameterError, SampleError
from partnerlab.stats.inference.intervals import check_level
from partnerlab.stats.states.chains import bundle_counts, multiplier_draws, row_chi_squares, row_distances, tail_share
from partnerlab.transitions.chain_groups import Grouping, Runs, by_duration, by_period, by_previous, shuffled_statistics
from partnerlab.transitions.chain_results import ChainCheck, Question, chain_result, read_pairs, read_runs, with_whole
from partnerlab.transitions.flow_counts import pair_segments

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory
    from partnerlab.transitions.pairs import Transitions


def check_homogeneity(
    history: TierHistory | Transitions,
    *,
    by: str = "quarter",
    stage: str = "published",
    level: float = 0.95,
    draws: int = 999,
    seed: int = 0,
    include_partial: bool = False,
) -> ChainCheck:
    """Check whether transition probabilities are the same in all quarters, or in all segments.

    Parameters
    ----------
    history : TierHistory or Transitions
        Tiers by partner and quarter, or pairs or counts of tiers.
    by : str
        ``"quarter"`` (time homogeneity), an attribute of partners or a column of pairs (equality of matrices).
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers of a history to read.
    level : float
        One less the chance of finding a difference where there is none.
    draws : int
        Replicates behind ``p_clustered`` and ``p_within``.
    seed : int
        Of the draws.
    include_partial : bool
        Whether quarters that the data cover only in part count.

    Returns
    -------
    ChainCheck
        By quarter, ``p_within`` asks whether partners' own rates changed, whoever was in the program; if only ``p_clustered``
        is small, the mix of partners changed (`estimate_drift`).

    Raises
    ------
    ParameterError
        If there is nothing of that name to group by.
    SampleError
        If there are not two groups.

    Notes
    -----
    Anderson and Goodman (1957); Kullback, Kupperman and Ku (1962): within each row ``X2`` and ``G2`` of groups against cells,
    ``df = (groups - 1)(cells seen - 1)``.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.transitions import Transitions
    >>> counts = {"2025": pd.DataFrame([[90, 10]], index=["A"], columns=["A", "B"]),
    ...           "2026": pd.DataFrame([[75, 25]], index=["A"], columns=["A", "B"])}
    >>> result = check_homogeneity(Transitions.from_matrix(counts, by="year"), by="year")
    >>> result.table[["statistic", "df", "p_value"]].iloc[0].round(3).tolist()
    [7.792, 1.0, 0.005]
    """
    pairs = read_pairs(history, stage=stage, include_partial=include_partial)
    dated = by == "quarter" and "quarter" not in pairs.covariates.columns
    if dated and pairs.clock == "calendar":
        grouping, names = by_period(pairs)
    else:
        codes, names = pair_segments(pairs, by)
        grouping = _fixed(codes)
    question = Question(
        what=f"Are transition probabilities the same in every {by.replace('_', ' ')}?",
        yes=f"Transition probabilities differ between {_plural(by)}",
        no=f"No evidence against one matrix for all {_plural(by)}",
        within="another mix of partners",
    )
    return _check(pairs, grouping, names, question, within=dated and pairs.step == 1, level=level, draws=draws, seed=seed)


def check_order(
    history: TierHistory | Transitions,
    *,
    before: str | None = None,
    stage: str = "published",
    level: float = 0.95,
    draws: int = 999,
    seed: int = 0,
    include_partial: bool = False,
) -> ChainCheck:
    """Check whether the tier before the last one still tells where a partner goes: order 2 against order 1.

    Parameters
    ----------
    history, stage, level, draws, seed, include_partial
        As in `check_homogeneity`.
    before : str, optional
        Column of pairs or counts that holds the tier before: a table of triples, ``before, from_tier, to_tier, count``, does.
        By default it is read from the partner's pairs. Within partners nothing is known of such a column.

    Returns
    -------
    ChainCheck
        If only ``p_clustered`` is small, the past tells who a partner is rather than where it is heading: partners differ.
        Powers of the pooled matrix are wrong in both cases.

    Raises
    ------
    ParameterError
        If there is no column of that name.
    SampleError
        If nobody was observed in three quarters in a row.

    Notes
    -----
    Anderson and Goodman (1957), section 4: for each tier left, the tier before against the tier reached.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.transitions import Transitions
    >>> visits = pd.DataFrame({"id": [1] * 4 + [2] * 4, "from": list("ABABABBA"), "to": list("BABABBAB")})
    >>> result = check_order(Transitions.from_frame(visits, partner="id", from_tier="from", to_tier="to"))
    >>> int(result.table["n"].iloc[0])
    6
    >>> triples = pd.DataFrame({"before": list("AABB"), "from_tier": ["A"] * 4, "to_tier": list("ABAB"), "n": [80, 20, 25, 25]})
    >>> result = check_order(Transitions.from_frame(triples, count="n"), before="before")
    >>> result.table[["statistic", "df"]].iloc[0].round(3).tolist()
    [14.286, 1.0]
    """
    pairs = read_pairs(history, stage=stage, include_partial=include_partial)
    question = Question(
        what="Does the tier before tell where a partner goes next?",
        yes="The tier before tells where a partner goes next: the process is not of order 1",
        no="No evidence against order 1: the tier before adds nothing that can be seen",
        within="partners who differ from one another and remember nothing",
    )
    options = {"level": level, "draws": draws, "seed": seed}
    if before is None:
        runs = read_runs(pairs, "the tier before", remedy="or counts with a column for it (before=)")
        return _check(pairs, by_previous(runs), list(pairs.states), question, within=True, **options)
    codes, names = pair_segments(pairs, before)
    known = pairs.column(before).notna().to_numpy()
    return _check(pairs, _fixed(np.where(known, codes, -1)), names, question, within=False, **options)


def check_duration(
    history: TierHistory | Transitions,
    *,
    longest: int = 4,
    stage: str = "published",
    level: float = 0.95,
    draws: int = 999,
    seed: int = 0,
    include_partial: bool = False,
) -> ChainCheck:
    """Check whether the time that a partner has been in its tier tells where it goes: duration dependence.

    Parameters
    ----------
    history, stage, level, draws, seed, include_partial
        As in `check_homogeneity`.
    longest : int
        Times of so many quarters and more count as one. Where the entry was not seen, the time is known once it is
        as long.

    Returns
    -------
    ChainCheck
        As in `check_order`: a small ``p_clustered`` alone says that those who move less are those who stay.

    Raises
    ------
    ParameterError
        If ``longest`` is less than 2.
    SampleError
        If no entry into a tier was seen.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.transitions import Transitions
    >>> visits = pd.DataFrame({"id": [1] * 5 + [2] * 5, "from": list("ABBBABBBBA"), "to": list("BBBABBBBAB")})
    >>> result = check_duration(Transitions.from_frame(visits, partner="id", from_tier="from", to_tier="to"), longest=2)
    >>> result.groups
    ('1', '2 or more')
    """
    if longest < 2:
        raise ParameterError(f"longest is {longest}; give 2 quarters or more, so that there are times to compare")
    pairs = read_pairs(history, stage=stage, include_partial=include_partial)
    names = [*map(str, range(1, longest)), f"{longest} or more"]
    question = Question(
        what="Does the time in the tier tell where a partner goes next?",
        yes="The time in the tier tells where a partner goes next: the process depends on duration",
        no="No evidence against the time in the tier making no difference",
        within="partners who differ from one another, of whom those who move little stay long,",
    )
    runs = read_runs(pairs, "the time in the tier")
    return _check(pairs, by_duration(runs, longest), names, question, within=True, level=level, draws=draws, seed=seed)


def _plural(by: str) -> str:
    by = by.replace("_", " ")
    if by.endswith(("s", "f", "y")):
        return by if by.endswith("s") else f"values of {by}"
    return f"{by}s"


def _fixed(codes: np.ndarray) -> Grouping:
    return lambda origin, which: np.broadcast_to(codes[which], origin.shape)


def _check(  # noqa: PLR0913 - what to compare, and how
    pairs: Transitions,
    grouping: Grouping,
    names: Sequence[str],
    question: Question,
    *,
    within: bool,
    level: float,
    draws: int,
    seed: int,
) -> ChainCheck:
    """Group the moves, compare the groups' rows, and say what can be said."""
    check_level(level)
    rng, states = np.random.default_rng(seed), len(pairs.states)
    every = np.arange(len(pairs))
    group = np.asarray(grouping(pairs.origin[None].astype(np.int64), every))[0]
    use = group >= 0
    present, where = np.unique(group[use], return_inverse=True)
    if len(present) < 2:
        raise SampleError(f"nothing to compare: {question.what[0].lower()}{question.what[1:-1]} needs moves in two groups at least")
    shape = (max(len(pairs.partners), 1), len(present), states)
    cluster = np.where(pairs.partner < 0, 0, pairs.partner)[use]
    counts = bundle_counts(cluster, where, pairs.origin[use].astype(np.int64), pairs.target[use], shape=shape, weight=pairs.weight[use])
    total = counts.sum(axis=0)
    pearson, likelihood, freedom = (with_whole(found) for found in row_chi_squares(total))
    distance, at_risk = row_distances(total)
    columns = {"estimate": _mean_distance(distance, at_risk), "n": with_whole(at_risk), "statistic": pearson, "likelihood": likelihood}
    columns |= {"df": freedom, "by_chance": np.full(states + 1, np.nan), "p_clustered": np.full(states + 1, np.nan)}
    if pairs.knows_partners:
        drawn, apart = multiplier_draws(counts, draws=draws, rng=rng)
        columns["p_clustered"] = tail_share(with_whole(drawn), pearson)
        columns["by_chance"] = _mean_distance(apart.mean(axis=0), at_risk)
    columns["p_within"] = np.full(states + 1, np.nan)
    if within and pairs.knows_partners and not (np.asarray(pairs.weight) > 1).any():
        statistic = _pearson_of(len(names))
        shuffled = shuffled_statistics(pairs, Runs.of(pairs), grouping, groups=len(names), statistic=statistic, draws=draws, rng=rng)
        columns["p_within"] = tail_share(shuffled, pearson)
    return chain_result(pairs, columns, tuple(names[place] for place in present), question, level=level, total=total)


def _pearson_of(groups: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda counts: with_whole(row_chi_squares(counts.reshape(-1, groups, *counts.shape[-2:]))[0])


def _mean_distance(distance: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
    return np.concatenate([[np.sum(distance * at_risk) / max(at_risk.sum(), 1.0)], distance])
