"""What flows run between: the tiers and, beside them, having lapsed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from partnerlab.errors import ParameterError, nearest
from partnerlab.tiers.codes import Outside
from partnerlab.tiers.history import TierHistory

#: Name of the state of partners who left the program.
LAPSED = "lapsed"
#: Segment of partners for whom the attribute is not given.
NOT_GIVEN = "(not given)"
STAGES = ("raw", "eligible", "held", "published")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowStates:
    """The codes of a history, read as the states of flows.

    Parameters
    ----------
    codes : ndarray of int8, shape (n, t)
        Tiers keep their code, lapsed follows after the last tier, -1 is not observed.
    names : tuple of str
        Tiers, then lapsed.
    use : ndarray of bool, shape (t - 1,)
        Pairs of neighbouring periods that count: both are covered in full, or partial ones were asked for.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    use: np.ndarray

    @property
    def lapsed(self) -> int:
        """Code of having lapsed."""
        return len(self.names) - 1


def flow_codes(codes: np.ndarray, tiers: int) -> np.ndarray:
    """Make lapsed the state after the last tier, and everything else outside not observed.

    Examples
    --------
    >>> flow_codes(np.array([[0, 1, -3], [-2, -1, 1]], dtype=np.int8), 2).tolist()
    [[0, 1, 2], [-1, -1, 1]]
    """
    codes = np.asarray(codes)
    return np.where(codes == Outside.LAPSED, tiers, np.where(codes < 0, -1, codes)).astype(np.int8)


def read_states(history: TierHistory, *, stage: str, include_partial: bool) -> FlowStates:
    """Read a history's codes at one stage as the states of flows.

    Raises
    ------
    ParameterError
        If there is no such stage, or what was given is no history.
    """
    if not isinstance(history, TierHistory):
        raise ParameterError(
            f"flows are read from a TierHistory or Transitions, not a {type(history).__name__}; "
            "make a history with assign_tiers or TierHistory.from_frame, pairs or counts with Transitions.from_frame or from_matrix"
        )
    if stage not in STAGES:
        raise ParameterError(f"stage {stage!r} does not exist{nearest(stage, STAGES)}")
    partial = np.asarray(history.partial, dtype=bool)
    use = np.ones(max(history.shape[1] - 1, 0), dtype=bool) if include_partial else ~(partial[:-1] | partial[1:])
    return FlowStates(codes=flow_codes(getattr(history, stage), len(history.tiers)), names=(*history.tiers, LAPSED), use=use)


def segment_codes(attributes: pd.DataFrame, by: str | None) -> tuple[np.ndarray, list[str]]:
    """Segment of each partner by an attribute: codes ``(n,)`` and names, those not given last.

    Raises
    ------
    ParameterError
        If partners have no such attribute.
    """
    if by is None:
        return np.zeros(len(attributes), dtype=np.int64), ["all"]
    if by not in attributes.columns:
        raise ParameterError(f"by: partners have no attribute {by!r}{nearest(by, [*attributes.columns, 'quarter'])}")
    codes, names = pd.factorize(attributes[by], sort=True)
    labels = [str(name) for name in names]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(labels), codes)
        labels.append(NOT_GIVEN)
    return codes.astype(np.int64), labels
