"""Pictures and tables of results, each with its words: headline, units, intervals, alternative text.

The only room that draws. It looks down at results; results never look up.
"""

from __future__ import annotations

from partnerlab.show.picture import Picture
from partnerlab.show.plots import plot
from partnerlab.show.tables import TableView
from partnerlab.show.tabulation import tabulate

__all__ = ["Picture", "TableView", "plot", "tabulate"]
