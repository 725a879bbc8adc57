"""Codes of a history that are not tiers, and why a published tier is what it is."""

from __future__ import annotations

import enum


class Outside(enum.IntEnum):
    """States beside the tiers, as they stand in the code arrays; tiers are 0, 1, 2, ..."""

    UNKNOWN = -1
    NOT_YET = -2
    LAPSED = -3

    @property
    def label(self) -> str:
        """The state in words."""
        return {-1: "unknown", -2: "not yet joined", -3: "lapsed"}[self.value]


class Reason(enum.IntEnum):
    """Why a tier is not simply what the rule says; the last stage that changed it."""

    RULE = 0
    CAP = 1
    EVER_WITHIN = 2
    MARGIN = 3
    CONFIRM = 4
    CADENCE = 5
    GRACE = 6
    LOCK = 7
    STEP = 8
    UNKNOWN = 9
    OVERRIDE = 10
    APPEAL = 11


#: Reasons in words, in the order of their codes.
REASONS = (
    "as the rule says",
    "the tier is full",
    "reached within the trailing periods",
    "within the margin of the line",
    "waiting for confirmation",
    "not a review period",
    "grace for a new partner",
    "the tier is locked",
    "one step at a time",
    "kept while data are unknown",
    "override",
    "appeal upheld",
)
