"""What a tactic did, from watching: studies, panels of tactics, adjusted effects, and how far they may be trusted."""

from partnerlab.effects.adoption import AdoptionEffects, estimate_adoption
from partnerlab.effects.comparison import AdoptionComparison, compare_adoption
from partnerlab.effects.study import Known, TacticStudy
from partnerlab.effects.tactic_panel import NEVER, TacticPanel, build_tactic_panel

__all__ = [
    "NEVER",
    "AdoptionComparison",
    "AdoptionEffects",
    "Known",
    "TacticPanel",
    "TacticStudy",
    "build_tactic_panel",
    "compare_adoption",
    "estimate_adoption",
]
