"""Picture of a cut line moved step by step, and the line to drag in a notebook."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd

from partnerlab import words
from partnerlab.show.intervals import plot_intervals
from partnerlab.show.picture import Picture
from partnerlab.show.plots import plot
from partnerlab.show.tabulation import tabulate
from partnerlab.tiers import LineDesign

MISSING = "<p>With the extra <code>explore</code> installed (ipywidgets) a line to drag stands here.</p>"

#: A notebook's own style leaves the cells of a table in a widget without room.
AIRY = "<style>.pl-drag td, .pl-drag th { padding: 0.1em 0.7em 0.1em 0; text-align: left }</style>"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slider:
    """A line to drag: who would move, and how surely. On a page, and where widgets are missing, it takes no room.

    Parameters
    ----------
    design : LineDesign
        The line, tried at every place where it can be dragged to.
    rows : int
        Movers listed at a time.
    """

    design: LineDesign
    rows: int = 15

    def say(self, factor: float) -> str:
        """Who would move if the line stood there: a sentence and a table, as HTML."""
        row = self.design.table.loc[(self.design.table["factor"] - factor).abs().idxmin()]
        who = self.design.who(float(row["factor"]))
        moved = len(who)
        if not moved:
            return f"<p>{row['line']}: nobody would move.</p>"
        sure = "" if pd.isna(row["expected"]) else f"; {row['expected']:.1f} of them are expected to stand truly on the side they move to"
        text = f"{row['line']}: {words.say_count(row['up'])} up, {words.say_count(row['down'])} down, {words.say_count(row['other'])} other"
        shown = who.sort_values("chance", ascending=False, kind="stable")
        caption = f"{words.plural(moved, 'partner')} with another tier" + ("" if moved <= self.rows else f", the surest {self.rows}")
        table = tabulate(shown.head(self.rows), caption=caption, kinds={"chance": "share"}).html()
        return f'{AIRY}<div class="pl-drag"><p>{text}{sure}.</p>{table}</div>'

    def widget(self) -> Any:
        """Slider with the list of movers below it.

        Raises
        ------
        ImportError
            If ipywidgets is not installed.
        """
        import ipywidgets

        options = [(str(row.line), float(row.factor)) for row in self.design.table.itertuples()]
        slider = ipywidgets.SelectionSlider(options=options, value=1.0, readout=False, layout=ipywidgets.Layout(width="36em"))
        said = ipywidgets.HTML(self.say(1.0))
        slider.observe(lambda change: said.set_trait("value", self.say(change["new"])), names="value")
        return ipywidgets.VBox([slider, said])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        try:
            bundle = self.widget()._repr_mimebundle_()
        except ImportError:
            return {"text/html": MISSING, "text/plain": "a line to drag (needs ipywidgets)"}
        return {**bundle, "text/html": ""}


@plot.register(LineDesign)
def _line_design(design: LineDesign, *, drag: bool = False, rows: int = 15) -> Picture | Slider:
    if drag:
        return Slider(design=design, rows=rows)
    return plot_intervals(
        design.table,
        keys=design.keys,
        kind="share",
        estimand=design.estimand,
        units="share of rated partners with another tier",
        period=design.quarter,
        level=design.level,
        headline=_headline(design),
    )


def _headline(design: LineDesign) -> str:
    """Say what the nearest places on both sides would do."""
    near = design.table.loc[design.table["factor"] != 1.0]
    near = near.loc[(near["factor"] - 1.0).abs().sort_values(kind="stable").index[:2]].sort_values("factor")
    said = [f"{row.line} would move {words.plural(int(row.up + row.down + row.other), 'partner')}" for row in near.itertuples()]
    return f"The line on {design.fact.replace('_', ' ')}: {'; '.join(said) or 'tried only where it stands'}"
