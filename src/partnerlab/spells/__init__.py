"""Spells: stretches of time in which a partner stayed a member, or stayed in a tier.

Time runs in periods (quarters unless the calendar says months), counted from the period in which the spell
began: at the end of that period its duration is 0. A spell is under observation on ``(entry, duration]``. A
partner who was there before the panel began has ``entry`` > 0 (delayed entry) when its true start is known.
"""

from partnerlab.spells.cut import CAUSES, build_spells
from partnerlab.spells.first_events import build_first_events
from partnerlab.spells.observations import Observations
from partnerlab.spells.table import CENSORED, Spells

__all__ = ["CAUSES", "CENSORED", "Observations", "Spells", "build_first_events", "build_spells"]
