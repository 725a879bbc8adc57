"""From pairs of one step to pairs of several: who was seen in two periods that many apart."""

from __future__ import annotations

import dataclasses

import numpy as np

from partnerlab.errors import ParameterError, SampleError
from partnerlab.results import Check
from partnerlab.transitions.pairs import Transitions


def widen_pairs(pairs: Transitions, *, step: int) -> Transitions:
    """Make pairs ``step`` periods apart of pairs of one.

    A partner is seen at both ends of each of its pairs. Who reached an absorbing state is in it ever after, up to the last
    period of the table. Covariates are those of the pair that begins in the same period.

    Raises
    ------
    ParameterError
        If partners or periods are not known, a row counts several pairs, or pairs are of several steps already.
    SampleError
        If nobody was seen that far apart.

    Examples
    --------
    >>> import pandas as pd
    >>> visits = pd.DataFrame({"partner": [7, 7, 8], "from_tier": [1, 2, 1], "to_tier": [2, 1, 2]})
    >>> widen_pairs(Transitions.from_frame(visits), step=2).counts().to_numpy().tolist()
    [[1, 0], [0, 0]]
    """
    _check(pairs)
    if step == 1:
        return pairs
    key, state, span = _seen(pairs, step)
    begin = np.flatnonzero(~np.isin(state, [pairs.states.index(name) for name in pairs.absorbing]))
    at = np.minimum(np.searchsorted(key, key[begin] + step), len(key) - 1)
    found = key[at] == key[begin] + step
    begin, end = begin[found], at[found]
    if not len(begin):
        raise SampleError(f"nobody was seen in two periods {step} apart; pairs: {len(pairs)}")
    own = pairs.partner * span + pairs.period - 1 - _first(pairs)
    order = np.argsort(own)
    place = np.minimum(np.searchsorted(own, key[begin], sorter=order), len(own) - 1)
    rows = np.where(own[order[place]] == key[begin], order[place], -1)
    partner, period = np.divmod(key[end], span)
    note = ""
    if pairs.absorbing and pairs.clock == "own":
        note = " Partners' own steps do not say until when each could be seen: who reached an absorbing state counts to the longest."
    told = Check("Observed at both ends", True, f"{len(begin)} pairs {step} periods apart, from {len(pairs)} of one.{note}")
    return dataclasses.replace(
        pairs, origin=state[begin].astype(np.int16), target=state[end].astype(np.int16), weight=np.ones(len(begin), dtype=np.int64),
        partner=partner, period=period + _first(pairs), step=step, impossible=(),
        covariates=pairs.covariates.reindex(rows).reset_index(drop=True), checks=(told,),
    )  # fmt: skip


def _check(pairs: Transitions) -> None:
    if pairs.step != 1:
        raise ParameterError(f"pairs of {pairs.step} periods cannot be put together; give pairs of one")
    if not pairs.knows_partners or pairs.clock == "none" or (pairs.weight != 1).any():
        raise ParameterError(
            "counts do not say where a partner was later; for several steps give single pairs with partner and quarter, "
            "or read estimate_transitions(...).power(steps)"
        )
    if not len(pairs):
        raise SampleError("transitions need pairs that were observed at both ends; there is none")


def _first(pairs: Transitions) -> int:
    return int(pairs.period.min()) - 1


def _seen(pairs: Transitions, step: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Where each partner was seen: sorted keys of partner and period, states, and periods by partner."""
    first, last = _first(pairs), int(pairs.period.max())
    span = last - first + 1 + step
    ended = np.isin(pairs.target, [pairs.states.index(name) for name in pairs.absorbing])
    stays = [(pairs.partner[ended], pairs.period[ended] + later, pairs.target[ended]) for later in range(1, step)]
    parts = [(pairs.partner, pairs.period - 1, pairs.origin), (pairs.partner, pairs.period, pairs.target), *stays]
    partner, period, state = (np.concatenate([part[place] for part in parts]) for place in range(3))
    keep = period <= last
    key, at = np.unique((partner * span + period - first)[keep], return_index=True)
    return key, state[keep][at], span
