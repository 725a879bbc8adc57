"""Tiers: declarative schemes, the four stages of a tier, how partners move, and why."""

from __future__ import annotations

from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.explain import Explanation, explain_tier
from partnerlab.tiers.history import REASONS, Outside, Reason, TierHistory
from partnerlab.tiers.lint import lint_scheme
from partnerlab.tiers.scheme import TierScheme

__all__ = ["REASONS", "Explanation", "Outside", "Reason", "TierHistory", "TierScheme", "assign_tiers", "explain_tier", "lint_scheme"]
