"""Tiers: declarative schemes, the four stages of a tier, how partners move, and why."""

from __future__ import annotations

from partnerlab.tiers.agreement import Agreement, estimate_agreement
from partnerlab.tiers.anchors import AnchorCheck, check_anchors
from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.audit import IndicatorAudit, check_indicators
from partnerlab.tiers.bunching import Bunching, check_bunching
from partnerlab.tiers.codes import REASONS, Outside, Reason
from partnerlab.tiers.compare import SchemeComparison, compare_schemes
from partnerlab.tiers.coverage import PlaybookCoverage, estimate_coverage
from partnerlab.tiers.design import LineDesign, design_line
from partnerlab.tiers.editing import render_scheme_schema
from partnerlab.tiers.explain import Explanation, explain_tier
from partnerlab.tiers.history import TierHistory
from partnerlab.tiers.judgement import Overrides, estimate_overrides
from partnerlab.tiers.labels import assign_labels
from partnerlab.tiers.leading import Leading, check_leading
from partnerlab.tiers.lint import lint_scheme
from partnerlab.tiers.misclassification import Misclassification, estimate_misclassification
from partnerlab.tiers.scheme import TierScheme
from partnerlab.tiers.sensitivity import Sensitivity, estimate_sensitivity
from partnerlab.tiers.shares import TierShares, estimate_shares
from partnerlab.tiers.steps import plan_steps

__all__ = [
    "REASONS",
    "Agreement",
    "AnchorCheck",
    "Bunching",
    "Explanation",
    "IndicatorAudit",
    "Leading",
    "LineDesign",
    "Misclassification",
    "Outside",
    "Overrides",
    "PlaybookCoverage",
    "Reason",
    "SchemeComparison",
    "Sensitivity",
    "TierHistory",
    "TierScheme",
    "TierShares",
    "assign_labels",
    "assign_tiers",
    "check_anchors",
    "check_bunching",
    "check_indicators",
    "check_leading",
    "compare_schemes",
    "design_line",
    "estimate_agreement",
    "estimate_coverage",
    "estimate_misclassification",
    "estimate_overrides",
    "estimate_sensitivity",
    "estimate_shares",
    "explain_tier",
    "lint_scheme",
    "plan_steps",
    "render_scheme_schema",
]
