"""Dealing variants: within strata, in groups alike, or again until what is known is balanced."""

from __future__ import annotations

import numpy as np

from partnerlab.errors import ParameterError
from partnerlab.experiments.experiment import Experiment
from partnerlab.stats.trials.randomization import Draw, imbalance

#: Deals from which the accepted imbalance is learnt.
TRIALS = 2000


def deal(experiment: Experiment, stratum: np.ndarray, known: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Deal variants to things (units or clusters).

    Parameters
    ----------
    experiment : Experiment
        Says how.
    stratum : int array, shape (m,)
        Stratum of each thing.
    known : float array, shape (m, p)
        What is known before the start.
    seed : int
        Of the deal.

    Returns
    -------
    label, block : int array, shape (m,)
        Variant, -1 for what was left over of pairs; block within which it was dealt.
    accept : float
        Largest imbalance accepted; infinite without rerandomisation.
    """
    random = np.random.default_rng(seed)
    share = np.array([variant.share for variant in experiment.variants])
    share = share / share.sum()
    if experiment.dealing == "pairs":
        if np.ptp(share) > 1e-12:
            raise ParameterError("assign_variants: groups alike need equal shares of variants; use dealing: rerandomised")
        block = _alike(stratum, known, len(share))
        label = np.full(len(stratum), -1)
        for code in range(block.max() + 1):
            label[block == code] = random.permutation(len(share))
        return label, block, np.inf
    label = np.empty(len(stratum), dtype=np.int64)
    for code in np.unique(stratum):
        mine = np.flatnonzero(stratum == code)
        label[random.permutation(mine)] = np.repeat(np.arange(len(share)), _counts(len(mine), share, random))
    if experiment.dealing == "complete":
        return label, stratum, np.inf
    plain = Draw(label=label, block=stratum)
    seen = np.concatenate([imbalance(dealt, known) for dealt in plain.again(TRIALS, rng=np.random.default_rng(seed + 1))])
    accept = float(np.quantile(seen, experiment.accept))
    chosen = next(iter(Draw(label=label, block=stratum, covariates=known, accept=accept).again(1, rng=random)))
    while not len(chosen):
        chosen = np.concatenate(list(Draw(label=label, block=stratum, covariates=known, accept=accept).again(1, rng=random)))
    return chosen[0], stratum, accept


def _counts(things: int, share: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Things of each variant: whole parts, and the rest by systematic sampling, so that each is right on average."""
    wanted = things * share
    whole = np.floor(wanted + 1e-9)
    edges = np.concatenate([[0.0], np.cumsum(wanted - whole)])
    extra = np.diff(np.floor(edges - random.random() + 1e-9))
    counts = (whole + extra).astype(np.int64)
    counts[np.argmax(share)] += things - counts.sum()
    return counts


def _alike(stratum: np.ndarray, known: np.ndarray, size: int) -> np.ndarray:
    """Group things alike, within strata first and then among those left over; -1 for the last ones."""
    spread = known.std(axis=0)
    scaled = (known - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    root = np.linalg.pinv(np.atleast_2d(np.cov(scaled, rowvar=False)), hermitian=True)
    values, vectors = np.linalg.eigh(root)
    place = scaled @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    block, made = np.full(len(stratum), -1), 0
    for groups in (stratum, np.zeros_like(stratum)):
        for code in np.unique(groups):
            left = np.flatnonzero((groups == code) & (block < 0))
            while len(left) >= size:
                # the thing farthest from the middle is the hardest to match, so it chooses first
                first = left[((place[left] - place[left].mean(axis=0)) ** 2).sum(axis=1).argmax()]
                near = np.argsort(((place[left] - place[first]) ** 2).sum(axis=1), kind="stable")[:size]
                block[left[near]] = made
                made, left = made + 1, np.delete(left, near)
    return block
