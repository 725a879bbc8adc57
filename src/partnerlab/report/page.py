"""The verbs a notebook speaks to its page: each shows one piece and leaves the numbers behind it for the runner.

In JupyterLab they simply display. When the runner executes the notebook it
reads the same pieces back and writes ``metrics.json``, the CSV files and the
drawings beside the page (see `partnerlab.report.pieces`).
"""

from __future__ import annotations

import base64
import contextlib
import contextvars
import functools
import html
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any

from partnerlab.errors import ParameterError, SampleError
from partnerlab.report.attempts import Unavailable
from partnerlab.report.metrics import Metric
from partnerlab.report.pieces import Piece, slug

if TYPE_CHECKING:
    import pandas as pd

    from partnerlab.report.asked import Request

#: Where the verbs leave their pieces instead of showing them; None in a notebook.
_KEPT: contextvars.ContextVar[list[dict[str, Any]] | None] = contextvars.ContextVar("_KEPT", default=None)


def render_about(request: Request) -> None:
    """Say what the page is about: program, quarter, segment, tier scheme, data date; the page's question is its first heading.

    Parameters
    ----------
    request : Request
        What was asked.

    Examples
    --------
    >>> from partnerlab.report import load_request
    >>> from partnerlab.intake.simulate import Truth, simulate_program
    >>> source = simulate_program(Truth.plain(n_partners=20, n_quarters=8), seed=1).source()
    >>> render_about(load_request(source=source))
    """
    about = request.words()
    items = "".join(f"<div><dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd></div>" for key, value in about.items())
    _show(Piece(kind="style", name="style", html=f"<style>{_notebook_style()}</style>"))
    _show(Piece(kind="about", name="about", text=", ".join(about.values()), html=f'<dl class="pl-about">{items}</dl>', numbers=about))


def render_headline(text: str, *, name: str = "headline") -> None:
    """Say the page in one sentence.

    Parameters
    ----------
    text : str
        The sentence; where it holds numbers, let `partnerlab.report.review` write it.
    name : str
        Its anchor.

    Examples
    --------
    >>> render_headline("376 partners are active, 11 lapsed.")
    """
    _show(Piece(kind="headline", name=name, text=text, html=f'<p class="pl-headline" id="{html.escape(name)}">{html.escape(text)}</p>'))


def render_metric(*metrics: Metric) -> None:
    """Show figures side by side, each with interval, n, change, goal and a link to the table behind it.

    Parameters
    ----------
    *metrics : Metric
        One or more.

    Raises
    ------
    ParameterError
        If something else is given.

    Examples
    --------
    >>> render_metric(Metric(name="active", label="Active partners", estimate=376, n=376))
    """
    for metric in metrics:
        if not isinstance(metric, Metric):
            raise ParameterError(f"render_metric shows metrics; given {type(metric).__name__}")
    cards = "".join(_card(metric) for metric in metrics)
    first, *rest = metrics
    _show(
        Piece(
            kind="metric", name=first.name, text=_metric_words(first), html=f'<ul class="pl-metrics">{cards}</ul>', numbers=first.to_dict()
        )
    )
    for metric in rest:
        _show(Piece(kind="metric", name=metric.name, text=_metric_words(metric), numbers=metric.to_dict()), silent=True)


def render_figure(
    shown: Any, *, name: str = "", alt: str = "", headline: str = "", caption: str = "", quiet: bool = False, **options: Any
) -> None:
    """Show a drawing with its headline above, units, n and period below, words for those who cannot see it, and its numbers.

    Parameters
    ----------
    shown : Result, Picture or matplotlib Figure
        A result is drawn by `partnerlab.show.plot`; a matplotlib figure needs ``alt`` and ``headline``.
    name : str
        Anchor and file name; made from the headline when empty.
    alt, headline, caption : str
        Words that replace those of the picture.
    quiet : bool
        Show nothing where the analysis is not available, because the page says so already.
    **options
        For `partnerlab.show.plot`.

    Raises
    ------
    ParameterError
        If nothing says what the drawing shows.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> line = figure.add_subplot().plot([3, 4])
    >>> render_figure(figure, headline="Leads rose", alt="A line that rises from 3 to 4.")
    >>> render_figure(figure, headline="Leads rose")
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: a matplotlib figure needs headline= and alt=; say what it shows
    """
    if isinstance(shown, Unavailable):
        if not quiet:
            _refusal(shown, name=name)
        return
    if hasattr(shown, "savefig"):
        svg, table = _svg_of(shown, alt=alt, headline=headline), None
    else:
        try:
            picture = shown if hasattr(shown, "svg") else _plot(shown, **options)
        except SampleError as refusal:
            if not quiet:
                _refusal(Unavailable(what="plot", reason=str(refusal)), name=name)
            return
        alt, headline, caption = alt or picture.alt, headline or picture.headline, caption or picture.caption
        svg, table = picture.svg(), picture.table
    if not alt.strip():
        raise ParameterError(f"figure {name or headline!r} has no alt text; give alt= in words what it shows")
    name = name or f"figure-{slug(headline)}"
    csv = _csv(table)
    below = f"{html.escape(caption)} {_download(csv, name)}".strip()
    shown_html = (
        f'<figure class="pl-figure" id="{name}"><figcaption>{html.escape(headline)}</figcaption>'
        f'<div class="pl-drawing">{svg}</div><p class="pl-caption">{below}</p></figure>'
    )
    _show(Piece(kind="figure", name=name, text=headline, html=shown_html, csv=csv, svg=svg, alt=alt))


def render_table(shown: Any, *, caption: str = "", name: str = "", limit: int = 30, quiet: bool = False, **options: Any) -> None:
    """Show a table with its caption, and leave all of its rows as CSV.

    Parameters
    ----------
    shown : Result, DataFrame or TableView
        What `partnerlab.show.tabulate` takes, or gave.
    caption : str
        What the table holds.
    name : str
        Anchor and file name; made from the caption when empty.
    limit : int
        Rows shown on the page; the CSV has all of them.
    quiet : bool
        Show nothing where the analysis is not available, because the page says so already.
    **options
        For `partnerlab.show.tabulate`.

    Examples
    --------
    >>> import pandas as pd
    >>> render_table(pd.DataFrame({"tier": ["KEY"], "partners": [61]}), caption="Partners by tier")
    """
    import pandas as pd

    from partnerlab.show import tabulate

    if isinstance(shown, Unavailable):
        if not quiet:
            _refusal(shown, name=name)
        return
    if isinstance(shown, pd.DataFrame) and shown.empty:
        name = name or f"table-{slug(caption)}"
        said = f"{caption}: none."
        _show(Piece(kind="table", name=name, text=said, html=f'<p class="pl-none" id="{name}">{html.escape(said)}</p>'))
        return
    if hasattr(shown, "html") and hasattr(shown, "frame"):
        view, whole = shown, shown.frame
    else:
        view = tabulate(shown, rows=limit, **({"caption": caption} if caption else {}), **options)
        whole = shown if isinstance(shown, pd.DataFrame) else getattr(shown, "table", view.frame)
    caption = view.caption
    name = name or f"table-{slug(caption)}"
    csv = _csv(whole)
    shown_html = f'<div class="pl-table" id="{name}">{view.html()}<p class="pl-caption">{_download(csv, name)}</p></div>'
    _show(Piece(kind="table", name=name, text=caption, html=shown_html, csv=csv))


def render_forecast(forecast: Any, *, caption: str = "", name: str = "forecast") -> None:
    """Print a forecast: what is printed goes to the ledger when the run is published, and is scored next quarter.

    Parameters
    ----------
    forecast : TierForecast
        From `partnerlab.forecast_tiers`.
    caption : str
        What the table holds.
    name : str
        Anchor and file name.

    Examples
    --------
    >>> from partnerlab.report import attempt
    >>> render_forecast(Unavailable(what="forecast_tiers", reason="two quarters are needed"))
    """
    render_table(forecast, caption=caption, name=name, quiet=True)
    if not isinstance(forecast, Unavailable):
        _show(Piece(kind="forecast", name=f"{name}-as-printed", text=caption, csv=_csv(forecast.table)), silent=True)


def render_note(*sentences: str, name: str = "", kind: str = "reading") -> None:
    """Say something about the numbers: a reading, or a caveat.

    Parameters
    ----------
    *sentences : str
        One paragraph each; several caveats make a list.
    name : str
        Anchor; made from the first sentence when empty.
    kind : {"reading", "caveat"}
        Caveats are marked.

    Examples
    --------
    >>> render_note("The last quarter is covered in part.", kind="caveat")
    """
    if kind not in ("reading", "caveat"):
        raise ParameterError(f"a note is a 'reading' or a 'caveat'; given {kind!r}")
    name = name or f"note-{slug(sentences[0])}"
    if kind == "caveat":
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
        body = f'<div class="pl-caveat" id="{name}"><p class="pl-label">Mind this</p><ul>{items}</ul></div>'
    else:
        body = f'<div class="pl-reading" id="{name}">' + "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences) + "</div>"
    _show(Piece(kind="note", name=name, text="\n".join(sentences), html=body))


def render_reading(result: Any, *, name: str = "", **options: Any) -> None:
    """Say what a result says, in sentences written from its numbers and never beyond its intervals.

    Parameters
    ----------
    result : Result
        Of a kind that `partnerlab.report.readings.read_result` knows.
    name : str
        Anchor; made from the first sentence when empty.
    **options
        For the reading.

    Examples
    --------
    >>> import pandas as pd
    >>> from partnerlab.results import Result
    >>> row = dict(tier="KEY", estimate=0.2, std_error=0.02, conf_low=0.16, conf_high=0.24, n=342)
    >>> render_reading(Result(estimand="Share of partners in a tier", table=pd.DataFrame([row])))
    """
    from partnerlab.report.readings import read_result

    if isinstance(result, Unavailable):
        _refusal(result, name=name)
        return
    render_note(*read_result(result, **options), name=name)


def _refusal(refused: Unavailable, *, name: str) -> None:
    """Say why an analysis does not stand here."""
    name = name or f"not-here-{slug(refused.reason)}"
    said = f"Not available: {refused.reason}."
    _show(Piece(kind="note", name=name, text=said, html=f'<p class="pl-none" id="{name}">{html.escape(said)}</p>'))


def _show(piece: Piece, *, silent: bool = False) -> None:
    """Display a piece; outside a notebook there is no page to show it on."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    bundle = piece.bundle()
    if silent:
        bundle |= {"text/plain": "", "text/html": ""}
    kept = _KEPT.get()
    if kept is not None:
        kept.append(bundle)
    elif InteractiveShell.initialized():
        display(bundle, raw=True)


@contextlib.contextmanager
def keep_pieces() -> Iterator[list[dict[str, Any]]]:
    """Keep what the verbs would show as mime bundles, for a page that is made without a notebook."""
    kept: list[dict[str, Any]] = []
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


def _plot(result: Any, **options: Any) -> Any:
    from partnerlab.show import plot

    return plot(result, **options)


def _svg_of(figure: Any, *, alt: str, headline: str) -> str:
    """Draw a matplotlib figure that an analyst made."""
    import io

    from partnerlab.show.canvas import clean_svg

    if not alt.strip() or not headline.strip():
        raise ParameterError("a matplotlib figure needs headline= and alt=; say what it shows")
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return clean_svg(text.getvalue(), title=headline, alt=alt)


def _csv(table: pd.DataFrame | None) -> str:
    if table is None or not len(table.columns):
        return ""
    return table.to_csv(index=False, lineterminator="\n", float_format="%.10g")


def _download(csv: str, name: str) -> str:
    """Give a link that hands over the numbers without asking any server."""
    if not csv:
        return ""
    data = base64.b64encode(csv.encode()).decode()
    words = f'Numbers (CSV)<span class="pl-unseen"> of {name}</span>'
    return f'<a class="pl-csv" download="{name}.csv" href="data:text/csv;base64,{data}">{words}</a>'


def _metric_words(metric: Metric) -> str:
    parts = [metric.interval_words(), metric.change_words(), metric.year_words(), metric.target_words()]
    return f"{metric.label}: {metric.value_words()}; " + "; ".join(part for part in parts if part)


def _card(metric: Metric) -> str:
    lines = [
        ("label", metric.label),
        ("value" if metric.enough else "value pl-missing", metric.value_words()),
        ("interval", metric.interval_words()),
        (f"change pl-{_mood(metric)}", metric.change_words()),
        ("change", metric.year_words()),
        ("target", metric.target_words()),
        ("note", metric.note),
    ]
    words = "".join(f'<p class="pl-{style}">{html.escape(text)}</p>' for style, text in lines if text)
    unseen = f'<span class="pl-unseen">: {html.escape(metric.label)}</span>'
    link = f'<p class="pl-link"><a href="#{metric.table}">The table behind it{unseen}</a></p>'
    return f'<li class="pl-metric" id="{metric.name}">{words}{link if metric.table else ""}</li>'


def _mood(metric: Metric) -> str:
    wanted = {"high": "up", "low": "down"}.get(metric.better or "")
    if not metric.holds or wanted is None:
        return "neutral"
    return "good" if metric.direction == wanted else "bad"


@functools.cache
def _notebook_style() -> str:
    return (resources.files("partnerlab.report") / "templates" / "pieces.css").read_text(encoding="utf-8")
