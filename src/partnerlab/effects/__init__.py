"""What a tactic did, from watching: studies, panels of tactics, adjusted effects, and how far they may be trusted."""

from partnerlab.effects.adjusted import AdjustedEffects, estimate_adjusted
from partnerlab.effects.adoption import AdoptionEffects, estimate_adoption
from partnerlab.effects.analysis import TacticAnalysis, analyze_tactic
from partnerlab.effects.asks import build_asks
from partnerlab.effects.assignment import AssignmentCheck, check_assignment
from partnerlab.effects.association import Association, estimate_association
from partnerlab.effects.at_line import LineEffects, estimate_at_line
from partnerlab.effects.by_tier import TierEffects, estimate_by_tier
from partnerlab.effects.challenges import check_robustness
from partnerlab.effects.comparison import AdoptionComparison, compare_adoption
from partnerlab.effects.dose import DoseEffects, estimate_dose
from partnerlab.effects.matched import MatchedEffects, estimate_matched
from partnerlab.effects.nested_trials import NestedTrialEffects, estimate_nested_trials
from partnerlab.effects.next_partners import NextPartners, plan_next_partners
from partnerlab.effects.on_off import OnOffEffects, estimate_on_off
from partnerlab.effects.robustness import RobustnessCard, check_verdict
from partnerlab.effects.study import Known, Studies, TacticStudy
from partnerlab.effects.study_panel import build_study_panel
from partnerlab.effects.sustained import SustainedEffects, estimate_sustained
from partnerlab.effects.switching import SwitchingEffects, estimate_switching
from partnerlab.effects.tactic_panel import NEVER, TacticPanel, build_tactic_panel
from partnerlab.effects.tactics_by_tier import TacticComparison, compare_tactics
from partnerlab.effects.yardsticks import EventPath, Likeness, Strength

__all__ = [
    "NEVER",
    "AdjustedEffects",
    "AdoptionComparison",
    "AdoptionEffects",
    "AssignmentCheck",
    "Association",
    "DoseEffects",
    "EventPath",
    "Known",
    "Likeness",
    "LineEffects",
    "MatchedEffects",
    "NestedTrialEffects",
    "NextPartners",
    "OnOffEffects",
    "RobustnessCard",
    "Strength",
    "Studies",
    "SustainedEffects",
    "SwitchingEffects",
    "TacticAnalysis",
    "TacticComparison",
    "TacticPanel",
    "TacticStudy",
    "TierEffects",
    "analyze_tactic",
    "build_asks",
    "build_study_panel",
    "build_tactic_panel",
    "check_assignment",
    "check_robustness",
    "check_verdict",
    "compare_adoption",
    "compare_tactics",
    "estimate_adjusted",
    "estimate_adoption",
    "estimate_association",
    "estimate_at_line",
    "estimate_by_tier",
    "estimate_dose",
    "estimate_matched",
    "estimate_nested_trials",
    "estimate_on_off",
    "estimate_sustained",
    "estimate_switching",
    "plan_next_partners",
]
