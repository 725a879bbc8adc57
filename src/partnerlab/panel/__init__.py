"""From rows to partners by periods: indicators say what is counted, the panel holds the answers.

SQL ends here: each indicator is one grouped query, run where the rows live; what
comes back is one dense array.
"""

from partnerlab.panel.indicators import Indicator, Indicators
from partnerlab.panel.panel import Membership, Panel, Provenance, RecordedTiers, RunIn

__all__ = ["Indicator", "Indicators", "Membership", "Panel", "Provenance", "RecordedTiers", "RunIn"]
