"""Tiers: declarative schemes, the four stages of a tier, how partners move, and why."""

from __future__ import annotations

from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.explain import Explanation, explain_tier
from partnerlab.tiers.history import REASONS, Outside, Reason, TierHistory
from partnerlab.tiers.lint import lint_scheme
from partnerlab.tiers.scheme import TierScheme
from partnerlab.tiers.shares import TierShares, estimate_shares

__all__ = [
    "REASONS",
    "Explanation",
    "Outside",
    "Reason",
    "TierHistory",
    "TierScheme",
    "TierShares",
    "assign_tiers",
    "estimate_shares",
    "explain_tier",
    "lint_scheme",
]
