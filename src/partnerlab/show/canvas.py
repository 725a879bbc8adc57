"""The drawing board: one matplotlib figure at a time, laid out from the top left, and its SVG made clean and repeatable."""

from __future__ import annotations

import hashlib
import html
import io
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from partnerlab.show import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# matplotlib's settings are global to the process, and notebooks run in threads: one drawing at a time.
_ONE_AT_A_TIME = threading.Lock()

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "partnerlab",
    "svg.image_inline": True,
    "font.family": ["sans-serif"],
    "font.sans-serif": [style.MEASURED_FONT],
    "font.size": style.BODY,
    "text.color": style.INK,
    "axes.edgecolor": style.MUTED,
    "axes.linewidth": 0.8,
    "axes.facecolor": "none",
    "axes.labelcolor": style.INK,
    "axes.unicode_minus": True,
    "xtick.color": style.MUTED,
    "ytick.color": style.MUTED,
    "xtick.labelcolor": style.INK,
    "ytick.labelcolor": style.INK,
    "xtick.labelsize": style.SMALL,
    "ytick.labelsize": style.SMALL,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 2.0,
    "path.simplify": False,
}


class Canvas:
    """A sheet of fixed width on which axes and words are placed in points from the top left.

    Parameters
    ----------
    height : float
        Height of the sheet; its width is always ``style.WIDTH``.
    """

    def __init__(self, height: float) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = style.WIDTH, float(height)
        self.figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=72, facecolor=style.PAPER)

    def axes(self, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
        """Place axes without any frame; a drawing asks for the lines that it needs."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(box, **options)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, pad=4)
        return axes

    def words(self, left: float, top: float, text: str, *, size: float = style.BODY, colour: str = style.INK, **options: Any) -> None:
        """Write one line with its baseline at ``top``."""
        options = {"ha": "left", "va": "baseline", "parse_math": False} | options
        self.figure.text(left / self.width, 1 - top / self.height, text, fontsize=size, color=colour, **options)


def text_width(text: str, *, size: float = style.BODY, weight: str = "normal") -> float:
    """Width of a line of text in points, measured in a font that is wider than what readers see."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    properties = FontProperties(family=style.MEASURED_FONT, size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, properties, ismath=False)[0])


def wrap(text: str, *, width: float, size: float = style.BODY, weight: str = "normal", most: int = 9) -> list[str]:
    """Break text into lines no wider than ``width``; beyond ``most`` lines, or in one long word, an ellipsis."""
    lines: list[str] = []
    # names of tiers may be written with underscores: they break after one
    for word in re.split(r" |(?<=_)", text):
        longer = f"{lines[-1]}{'' if lines[-1].endswith('_') else ' '}{word}" if lines else word
        if lines and text_width(longer, size=size, weight=weight) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :]).replace("_ ", "_")]
    return [shorten(line, width=width, size=size, weight=weight) for line in lines]


def shorten(text: str, *, width: float, size: float = style.BODY, weight: str = "normal") -> str:
    """Cut a line to a width, with an ellipsis where something was cut."""
    if text_width(text, size=size, weight=weight) <= width:
        return text
    while text and text_width(text + "…", size=size, weight=weight) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def draw(paint: Callable[[Canvas], None], *, height: float, title: str, alt: str) -> str:
    """Run a drawing function on a fresh sheet and give clean SVG text.

    The same drawing gives the same bytes in any process and thread.
    """
    import matplotlib as mpl

    with _ONE_AT_A_TIME, mpl.rc_context(_SETTINGS):
        canvas = Canvas(height)
        paint(canvas)
        page = io.StringIO()
        canvas.figure.savefig(page, format="svg", dpi=144, metadata={"Date": None, "Creator": None})
    return clean_svg(page.getvalue(), title=title, alt=alt)


def clean_svg(text: str, *, title: str, alt: str) -> str:
    """Turn matplotlib's SVG into one that can stand in a page many times over.

    No global style, no document header, system fonts, a title and an alternative
    text; only the ids that are referred to stay, marked by a hash of the content,
    so that two figures on a page never share one.
    """
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = re.sub(r" ?font-family: [^;\"]*;?", "", body)
    body = re.sub(r"font: ((?:[a-z]+ )*)([\d.]+px) [^;\"]*", _font_properties, body)
    body = re.sub(r" transform=\"rotate\(-?0 [-\d. ]+\)\"", "", body)
    body = re.sub(r"(?<= )(d|x|y|transform|width|height|points)=\"([^\"]*)\"", _rounded, body)
    body = _mark_ids(body)
    body = re.sub(r"\n\s*", "\n", body)
    opening = re.match(r"<svg[^>]*viewBox=\"0 0 ([\d.]+) ([\d.]+)\"[^>]*>", body)
    if opening is None:
        raise ValueError("matplotlib wrote an SVG without a viewBox")
    return _root(float(opening[1]), float(opening[2]), title=title, alt=alt) + body[opening.end() :].strip() + "\n"


def retitled(text: str, title: str) -> str:
    """Give a clean SVG another title."""
    return re.sub(r"<title>.*?</title>", lambda _: f"<title>{html.escape(title)}</title>", text, count=1, flags=re.DOTALL)


def framed(text: str, *, headline: str, caption: str) -> str:
    """Write headline and caption into a clean SVG, so that it can leave its page (a slide, a mail) with its words."""
    opening = re.match(
        r"<svg[^>]*viewBox=\"0 0 ([\d.]+) ([\d.]+)\"[^>]*aria-label=\"([^\"]*)\"[^>]*>\s*<title>.*?</title>", text, re.DOTALL
    )
    if opening is None:
        raise ValueError("this SVG was not made here: it has no viewBox, label and title")
    width, height = float(opening[1]), float(opening[2])
    above = wrap(headline, width=width - 12, size=14, weight="bold")
    below = wrap(caption, width=width - 12, size=10)
    top = 12.0 + 18 * len(above)
    body = text[opening.end() :].rstrip().removesuffix("</svg>")
    lines = [_line(6, 18 + 18 * row, line, size=14, colour=style.INK, bold=True) for row, line in enumerate(above)]
    lines += [_line(6, top + height + 14 + 13 * row, line, size=10, colour=style.MUTED) for row, line in enumerate(below)]
    tall = top + height + 14 + 13 * len(below)
    sheet = f'<rect width="{width:g}" height="{tall:g}" fill="{style.PAPER}"/>'
    root = _root(width, tall, title=headline, alt=html.unescape(opening[3]))
    return f'{root}{sheet}\n{"".join(lines)}<g transform="translate(0 {top:g})">{body}</g>\n</svg>\n'


def _line(left: float, top: float, text: str, *, size: float, colour: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{left:g}" y="{top:g}" font-size="{size:g}"{weight} fill="{colour}">{html.escape(text)}</text>\n'


def _root(width: float, height: float, *, title: str, alt: str) -> str:
    size = f'width="{style.SCREEN_WIDTH}" height="{height * style.SCREEN_WIDTH / width:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {size}'
        f' role="img" aria-label="{html.escape(alt)}" font-family="{style.FONT_STACK}" stroke-linejoin="round" stroke-linecap="butt"'
        f' style="max-width: 100%; height: auto">\n<title>{html.escape(title)}</title>\n'
    )


def _font_properties(match: re.Match[str]) -> str:
    """Spell matplotlib's ``font:`` shorthand out, so that the family comes from the root."""
    names = {"italic": "font-style: italic; ", "oblique": "font-style: oblique; "}
    marks = "".join(names.get(word, f"font-weight: {word}; ") for word in match[1].split() if word != "normal")
    return f"{marks}font-size: {match[2]}"


def _rounded(match: re.Match[str]) -> str:
    """Round coordinates to hundredths: smaller files, and no last digits that differ by machine."""
    text = re.sub(r"-?\d+\.\d{3,}(?!\d*e)", lambda number: f"{float(number[0]) + 0.0:.2f}".rstrip("0").rstrip("."), match[2])
    return f'{match[1]}="{re.sub(r"(?<![0-9.])-0(?![.0-9])", "0", text)}"'


def _mark_ids(body: str) -> str:
    used = set(re.findall(r"url\(#([^)]+)\)", body)) | set(re.findall(r" href=\"#([^\"]+)\"", body))
    body = re.sub(r" id=\"([^\"]+)\"", lambda found: found[0] if found[1] in used else "", body)
    mark = hashlib.sha256(body.encode()).hexdigest()[:8]
    names = {name: f"p{mark}-{index}" for index, name in enumerate(dict.fromkeys(re.findall(r" id=\"([^\"]+)\"", body)))}
    body = re.sub(r" id=\"([^\"]+)\"", lambda found: f' id="{names[found[1]]}"', body)
    body = re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{names.get(found[1], found[1])})", body)
    return re.sub(r" href=\"#([^\"]+)\"", lambda found: f' href="#{names.get(found[1], found[1])}"', body)
