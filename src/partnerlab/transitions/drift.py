"""Why partners move more, or less, than before: because other partners are there, or because partners move otherwise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check, Result
from partnerlab.stats.inference.intervals import check_level, critical_value
from partnerlab.stats.states.chains import bundle_counts
from partnerlab.transitions.cells import FEWEST_PARTNERS
from partnerlab.transitions.chain_results import read_pairs
from partnerlab.transitions.flow_counts import COMFORTABLE_PARTNERS
from partnerlab.transitions.states import LAPSED

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory
    from partnerlab.transitions.pairs import Transitions

#: Parts of a change, in the order of the table.
PARTS = ("before", "after", "change", "mix", "rates")
MOVED = "any move"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftEstimate(Result):
    """Change of the share of partners that make a move, split in what the mix of tiers and what rates did.

    The table has keys ``[to_tier, part]``: for each tier reached, and for ``any move``, the share ``before`` and
    ``after``, their difference ``change``, and its parts ``mix`` (more partners in tiers that make the move) and ``rates``
    (partners of a tier make it more often); ``mix + rates = change``.

    Parameters
    ----------
    since : str
        First quarter of the later half.
    quarters : tuple of str
        First and last quarter moved into.
    """

    title: ClassVar[str] = "Drift of transitions"

    since: str = ""
    quarters: tuple[str, str] = ("", "")


def estimate_drift(
    history: TierHistory | Transitions,
    *,
    since: str | None = None,
    stage: str = "published",
    level: float = 0.95,
    include_partial: bool = False,
) -> DriftEstimate:
    """Split the change of moves between two stretches of time in mix and rates.

    Parameters
    ----------
    history : TierHistory or Transitions
        Tiers by partner and quarter, or pairs with quarters.
    since : str or None
        First quarter moved into of the later stretch; None cuts the quarters in half.
    stage : {"published", "held", "eligible", "raw"}
        Which of the four tiers of a history to read.
    level : float
        Coverage of each interval.
    include_partial : bool
        Whether quarters that the data cover only in part count.

    Returns
    -------
    DriftEstimate
        Without an interval where there are fewer than three partners, or where nobody, or everybody, made the move.

    Raises
    ------
    ParameterError
        If ``since`` is no quarter, or not one between the first and the last.
    SampleError
        If pairs have no quarters, or there is only one.

    Notes
    -----
    Kitagawa (1955): ``mix = sum_i (m_i' - m_i)(p_i + p_i') / 2``, ``rates = sum_i (p_i' - p_i)(m_i + m_i') / 2`` over tiers left,
    ``m`` their shares of partner-quarters at risk. A tier that is empty in one stretch keeps its rate. Standard errors are
    linearised and clustered by partner, with ``t(partners - 1)``.

    Examples
    --------
    >>> from partnerlab.transitions import Transitions
    >>> table = pd.DataFrame([("2025Q4", "A", "A", 8), ("2025Q4", "A", "B", 2), ("2026Q1", "A", "A", 5), ("2026Q1", "A", "B", 5)],
    ...     columns=["quarter", "from_tier", "to_tier", "n"])
    >>> drift = estimate_drift(Transitions.from_frame(table, count="n"), since="2026Q1").table.set_index(["to_tier", "part"])
    >>> drift["estimate"].xs("B").round(2).to_dict()
    {'before': 0.2, 'after': 0.5, 'change': 0.3, 'mix': 0.0, 'rates': 0.3}
    """
    check_level(level)
    pairs = read_pairs(history, stage=stage, include_partial=include_partial)
    cut, label = _cut(pairs, since)
    pairs = pairs.select(np.array([state != LAPSED for state in pairs.states])[pairs.origin])
    states = len(pairs.states)
    late = (pairs.period >= cut).astype(np.int64)
    if pairs.knows_partners:
        shape, cluster = (len(pairs.partners), 2, states), pairs.partner
    else:  # each kind of pair stands for itself; its weight is how many independent ones there are
        shape, cluster = (max(len(pairs), 1), 2, states), np.arange(len(pairs))
    counts = bundle_counts(cluster, late, pairs.origin.astype(np.int64), pairs.target, shape=shape, weight=pairs.weight)
    estimates, scores = split_drift(counts)
    clusters = len(np.unique(pairs.partner)) if pairs.knows_partners else pairs.total
    errors = _errors(scores, counts, independent=not pairs.knows_partners)
    errors = _known_errors(errors, clusters)
    reach = critical_value(level, max(clusters - 1, 1)) * errors
    names = [*pairs.states, MOVED]
    used = np.r_[counts.sum(axis=(0, 1, 2)) > 0, True]
    bounds = np.array([[0.0, 1.0], [0.0, 1.0], [-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]])
    sizes = counts.sum(axis=(0, 2, 3))
    table = pd.DataFrame(
        {
            "to_tier": np.repeat(names, len(PARTS)),
            "part": np.tile(PARTS, len(names)),
            "estimate": estimates.ravel(),
            "std_error": errors.ravel(),
            "conf_low": np.maximum(estimates - reach, bounds[:, 0]).ravel(),
            "conf_high": np.minimum(estimates + reach, bounds[:, 1]).ravel(),
            "n": np.tile([sizes[0], sizes[1], *[sizes.sum()] * 3], len(names)).astype(np.int64),
        }
    )  # fmt: skip
    keep = np.repeat(used, len(PARTS))
    first, last = (str(pairs.labels[place]) for place in (int(pairs.period.argmin()), int(pairs.period.argmax())))
    return DriftEstimate(
        estimand=f"Change of the share of partner-quarters that end in a tier, {first} to before {label} against {label} to {last}",
        table=table[keep].astype({"to_tier": "str", "part": "str"}).reset_index(drop=True),
        checks=(_partners_check(pairs),),
        level=level,
        since=label,
        quarters=(first, last),
    )


def split_drift(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a change in mix and rates, and say what each cluster adds.

    Parameters
    ----------
    counts : ndarray, shape (clusters, 2, s, s)
        Moves of each cluster in the earlier and the later stretch.

    Returns
    -------
    estimates : ndarray, shape (s + 1, 5)
        `PARTS` for each state reached, and for being in another state than before.
    scores : ndarray, shape (clusters, s + 1, 5)
        Influence of each cluster (first order).

    Examples
    --------
    >>> split_drift(np.array([[[[8, 2], [0, 0]], [[5, 5], [0, 0]]]]))[0][1].round(2).tolist()
    [0.2, 0.5, 0.3, 0.0, 0.3]
    """
    states = counts.shape[-1]
    # reaching another state is one more thing that can happen
    away = counts.sum(axis=-1) - np.einsum("ghii->ghi", counts)
    counts = np.concatenate([counts, away[..., None]], axis=-1).astype(float)
    at_risk = counts[..., :states].sum(axis=-1)
    total, size = counts.sum(axis=0), at_risk.sum(axis=0)
    whole = size.sum(axis=1)
    if (whole == 0).any():
        raise SampleError("one of the two stretches of quarters has no pair; choose another quarter with since=")
    mix = size / whole[:, None]
    rates = total / np.where(size > 0, size, 1.0)[..., None]
    empty = size == 0
    rates = np.where(empty[..., None], rates[::-1], rates)
    mix_score = (at_risk - mix * at_risk.sum(axis=-1, keepdims=True)) / whole[:, None]
    rate_score = (counts - rates * at_risk[..., None]) / np.where(size > 0, size, np.inf)[..., None]
    rate_score = np.where(empty[..., None], rate_score[:, ::-1], rate_score)
    share, share_score = (
        np.einsum("hi,hij->hj", mix, rates),
        np.einsum("ghi,hij->ghj", mix_score, rates) + np.einsum("hi,ghij->ghj", mix, rate_score),
    )
    moved, changed = mix[1] - mix[0], rates[1] - rates[0]
    by_mix, by_rates = moved @ rates.mean(axis=0), mix.mean(axis=0) @ changed
    mix_part = (mix_score[:, 1] - mix_score[:, 0]) @ rates.mean(axis=0) + np.einsum("i,gij->gj", moved, rate_score.mean(axis=1))
    rate_part = mix_score.mean(axis=1) @ changed + np.einsum("i,gij->gj", mix.mean(axis=0), rate_score[:, 1] - rate_score[:, 0])
    estimates = np.stack([share[0], share[1], share[1] - share[0], by_mix, by_rates], axis=-1)
    scores = np.stack([share_score[:, 0], share_score[:, 1], share_score[:, 1] - share_score[:, 0], mix_part, rate_part], axis=-1)
    return estimates, scores


def _errors(scores: np.ndarray, counts: np.ndarray, *, independent: bool) -> np.ndarray:
    """Clustered standard errors of the parts; of counts, each cluster is so many moves of one kind."""
    if independent:
        times = np.maximum(counts.sum(axis=(1, 2, 3)), 1.0)[:, None, None]
        return np.sqrt((scores**2 / times).sum(axis=0))
    clusters = int((counts.sum(axis=(1, 2, 3)) > 0).sum())
    return np.sqrt(clusters / max(clusters - 1, 1) * (scores**2).sum(axis=0))


def _known_errors(errors: np.ndarray, clusters: int) -> np.ndarray:
    """Blank what is not known: everything of fewer than three partners, and shares of none or all, which cannot vary."""
    fixed = (errors <= 1e-12) & (np.array(PARTS) != "mix")
    return np.where(fixed | (clusters < FEWEST_PARTNERS), np.nan, errors)


def _cut(pairs: Transitions, since: str | None) -> tuple[int, str]:
    """Period that opens the later stretch, and its name."""
    if pairs.clock != "calendar":
        raise SampleError("drift needs the quarters of pairs; give them in quarter=")
    periods, labels = np.unique(pairs.period), {}
    labels = dict(zip(pairs.period.tolist(), pairs.labels, strict=True))
    if len(periods) < 2:
        raise SampleError("drift needs pairs into two quarters at least; there is one")
    if since is None:
        cut = int(periods[len(periods) // 2])
        return cut, str(labels[cut])
    cut = int(since) if pairs.calendar is None else pairs.calendar.parse(since)
    if not periods[0] < cut <= periods[-1]:
        bounds = f"{labels[int(periods[1])]} to {labels[int(periods[-1])]}"
        raise ParameterError(f"since is {since}; give a quarter moved into, {bounds}, so that there is a before and an after", since=since)
    return cut, str(since)


def _partners_check(pairs: Transitions) -> Check:
    if not pairs.knows_partners:
        return Check("Partners known", None, "Partners not known: counts treated as independent, which makes intervals too narrow.")
    partners = len(np.unique(pairs.partner))
    return Check("Enough partners", partners >= COMFORTABLE_PARTNERS, f"{partners} partners, each kept whole.")
