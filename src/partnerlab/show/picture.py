"""A finished picture: what it says in words, what it shows, and the numbers behind it."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable
from typing import Any

import pandas as pd

from partnerlab.errors import ParameterError
from partnerlab.show import canvas


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    r"""A picture that cannot be shown without its words.

    Parameters
    ----------
    headline : str
        The finding in a sentence, never a verdict beyond its interval.
    alt : str
        What the picture shows, with its key numbers, for readers who do not see it.
    units : str
        What is counted or measured along the axes.
    n : int
        How many partners (or rows, see ``units``) stand behind it.
    period : str
        The period that the data cover.
    note : str
        How to read it, where that is not obvious.
    table : DataFrame
        The numbers behind it.
    drawing : str
        The SVG text.

    Raises
    ------
    ParameterError
        If headline, alt, units, period or drawing is empty: a picture without words is refused.

    Examples
    --------
    >>> facts = dict(alt="One bar.", units="partners", n=3, period="2026Q3", table=pd.DataFrame(), drawing="<svg></svg>")
    >>> Picture(headline="3 partners are KEY", **facts).caption
    'Units: partners. n\xa0=\xa03. Data: 2026Q3.'
    >>> Picture(headline=" ", **facts)
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: a picture needs a headline; say what it shows
    """

    headline: str
    alt: str
    units: str
    n: int
    period: str
    table: pd.DataFrame = dataclasses.field(repr=False)
    drawing: str = dataclasses.field(repr=False)
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("headline", "alt", "units", "period", "drawing"):
            if not str(getattr(self, name)).strip():
                raise ParameterError(f"a picture needs {'an' if name[0] in 'au' else 'a'} {name}; say what it shows", field=name)

    @property
    def caption(self) -> str:
        """Units, n, data period and how to read it, in one line."""
        from partnerlab.words import say_n, sentence

        parts = [f"Units: {self.units.rstrip('.')}.", f"{say_n(self.n)}.", f"Data: {self.period}."]
        return " ".join([*parts, sentence(self.note)] if self.note.strip() else parts)

    def svg(self, *, framed: bool = False) -> str:
        """Give the drawing as SVG text: the same bytes for the same numbers, with title and alternative text inside.

        Parameters
        ----------
        framed : bool
            Write headline and caption into the drawing, for a slide or a mail; a page writes them around it.
        """
        return canvas.framed(self.drawing, headline=self.headline, caption=self.caption) if framed else self.drawing

    def html(self, *, heading: bool = True) -> str:
        """Give a ``figure`` element: headline, drawing, caption."""
        words = f"<figcaption><strong>{html.escape(self.headline)}</strong></figcaption>" if heading else ""
        caption = f'<p class="picture-caption" style="margin: 0; max-width: 36em"><small>{html.escape(self.caption)}</small></p>'
        return f'<figure class="picture" style="margin: 0 0 1em">{words}\n{self.drawing}{caption}</figure>'

    def _repr_svg_(self) -> str:
        return self.svg(framed=True)

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Say the picture in every way a notebook can show it; the HTML way keeps the alternative text."""
        ways = {
            "text/html": self.html(),
            "image/svg+xml": self.svg(framed=True),
            "text/plain": f"{self.headline}\n{self.alt}\n{self.caption}",
        }
        return {kind: way for kind, way in ways.items() if (not include or kind in include) and kind not in (exclude or ())}


def picture(paint: Callable[[canvas.Canvas], None], *, height: float, headline: str, alt: str, **facts: Any) -> Picture:
    """Draw, and bind the drawing to its words."""
    return Picture(headline=headline, alt=alt, drawing=canvas.draw(paint, height=height, title=headline, alt=alt), **facts)
