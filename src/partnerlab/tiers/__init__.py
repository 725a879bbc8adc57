"""Tiers: declarative schemes, the four stages of a tier, and how partners move."""

from __future__ import annotations

from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.history import REASONS, Outside, Reason, TierHistory
from partnerlab.tiers.scheme import TierScheme

__all__ = ["REASONS", "Outside", "Reason", "TierHistory", "TierScheme", "assign_tiers"]
