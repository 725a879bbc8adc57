"""From indicators to scores: named shapes, weights, gates, and what unknown means."""

from __future__ import annotations

from partnerlab.scoring.conditions import parse_condition, parse_rule
from partnerlab.scoring.scorecard import Part, Score, Scorecard
from partnerlab.scoring.scores import Scores, score_partners

__all__ = ["Part", "Score", "Scorecard", "Scores", "parse_condition", "parse_rule", "score_partners"]
