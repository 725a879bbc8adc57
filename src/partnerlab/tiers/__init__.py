"""Tiers: declarative schemes, the four stages of a tier, how partners move, and why."""

from __future__ import annotations

from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.compare import SchemeComparison, compare_schemes
from partnerlab.tiers.explain import Explanation, explain_tier
from partnerlab.tiers.history import REASONS, Outside, Reason, TierHistory
from partnerlab.tiers.labels import assign_labels
from partnerlab.tiers.lint import lint_scheme
from partnerlab.tiers.scheme import TierScheme
from partnerlab.tiers.shares import TierShares, estimate_shares
from partnerlab.tiers.steps import plan_steps

__all__ = [
    "REASONS",
    "Explanation",
    "Outside",
    "Reason",
    "SchemeComparison",
    "TierHistory",
    "TierScheme",
    "TierShares",
    "assign_labels",
    "assign_tiers",
    "compare_schemes",
    "estimate_shares",
    "explain_tier",
    "lint_scheme",
    "plan_steps",
]
