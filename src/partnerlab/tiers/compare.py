"""One scheme against another on the same quarters: who wins, who loses, who moves only because the rule did."""

from __future__ import annotations

import dataclasses
import html
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from partnerlab.tiers.assign import assign_tiers
from partnerlab.tiers.history import Outside, TierHistory
from partnerlab.tiers.movement import heights
from partnerlab.tiers.scheme import TierScheme

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel


@dataclasses.dataclass(frozen=True, kw_only=True)
class SchemeComparison:
    """Two schemes on one panel.

    Parameters
    ----------
    before, after : TierHistory
        Tiers under each.
    quarter : str
        Quarter that is compared.
    table : DataFrame
        ``partner, before, after, change``: up, down, same, sideways or unknown; by place from the
        top where the schemes have different tiers.
    """

    before: TierHistory
    after: TierHistory
    quarter: str
    table: pd.DataFrame = dataclasses.field(repr=False)

    def counts(self) -> pd.DataFrame:
        """Partners by tier before and after, as a table of both."""
        return pd.crosstab(self.table["before"], self.table["after"])

    def winners(self) -> pd.DataFrame:
        """Partners who stand higher under the second scheme."""
        return self.table.loc[self.table["change"] == "up"].reset_index(drop=True)

    def losers(self) -> pd.DataFrame:
        """Partners who stand lower under the second scheme."""
        return self.table.loc[self.table["change"] == "down"].reset_index(drop=True)

    def summary(self) -> str:
        """Say it in a sentence."""
        changed = self.table["change"].value_counts()
        names = [history.scheme.name_version for history in (self.before, self.after) if history.scheme]
        said = ", ".join(f"{int(changed.get(kind, 0))} {kind}" for kind in ("up", "down", "sideways", "same", "unknown"))
        return f"{' -> '.join(names)} in {self.quarter}: of {len(self.table)} members {said}; nobody's data differ, only the rule."

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.summary())}</p>" + self.counts().to_html(border=0)


def compare_schemes(panel: Panel, *, before: TierScheme, after: TierScheme, quarter: str) -> SchemeComparison:
    """Apply two schemes, or two versions or goals of one, to the same panel.

    Parameters
    ----------
    panel : Panel
        With the indicators of both.
    before, after : TierScheme
        What is compared.
    quarter : str
        Quarter whose tiers are compared; earlier ones matter through movement rules.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": [10, 50]}))
    >>> bands = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 20}, {"name": "Member"}]}
    >>> lower = {"kind": "bands", "value": "leads", "bands": [{"name": "Gold", "from": 5}, {"name": "Member"}]}
    >>> old, new = TierScheme(scheme="demo", classify=bands), TierScheme(scheme="demo", version="2", classify=lower)
    >>> compare_schemes(panel, before=old, after=new, quarter="2026Q1").winners()["partner"].tolist()
    ['a']
    """
    histories = [assign_tiers(panel, scheme) for scheme in (before, after)]
    column = panel.column(quarter)
    codes = [history.held[:, column] for history in histories]
    member = codes[0] > Outside.NOT_YET
    names = [history.names(code)[member] for history, code in zip(histories, codes, strict=True)]
    table = pd.DataFrame(
        {"partner": panel.partners[member], "before": names[0], "after": names[1], "change": _change(histories, codes)[member]}
    )
    return SchemeComparison(before=histories[0], after=histories[1], quarter=quarter, table=table.astype("str"))


def _change(histories: list[TierHistory], codes: list[np.ndarray]) -> np.ndarray:
    """Direction for each partner, shape ``(n,)``."""
    same_tiers = histories[0].tiers == histories[1].tiers
    places = []
    for history, code in zip(histories, codes, strict=True):
        height = heights(history.rank)
        places.append((height if same_tiers else height - height.max())[code])
    step = np.sign(places[1].astype(int) - places[0])
    words = np.array(["same", "up", "down"], dtype=object)[step]
    words[(step == 0) & same_tiers & (codes[0] != codes[1])] = "sideways"
    words[(codes[0] < 0) | (codes[1] < 0)] = "unknown"
    return words
