"""Analyses that some programs have no data for: the page says why instead of stopping.

An absent table, indicator or too small a sample is a typed refusal of the verb
(`partnerlab.errors.MissingTableError`, `partnerlab.errors.SampleError`); a notebook
that goes through `attempt` prints the refusal where the analysis would stand.
Every other error still stops it.
"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable
from typing import Any

from partnerlab.errors import MissingTableError, SampleError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unavailable:
    """An analysis that could not be done with these data.

    Parameters
    ----------
    what : str
        The verb.
    reason : str
        Why, in one line.
    """

    what: str
    reason: str

    def __bool__(self) -> bool:
        return False

    def _repr_html_(self) -> str:
        return f'<p class="pl-none">Not available: {html.escape(self.reason)}.</p>'


def known(**options: Any) -> dict[str, Any]:
    """Keep of some options those that are available.

    Examples
    --------
    >>> known(noise=Unavailable(what="estimate_noise", reason="nothing is counted"), draws=20)
    {'draws': 20}
    """
    return {name: value for name, value in options.items() if not isinstance(value, Unavailable)}


def attempt(verb: Callable[..., Any], noun: Any, *, optional: tuple[str, ...] = (), **options: Any) -> Any:
    """Call a verb; where the data cannot answer, give an `Unavailable` that says why.

    Parameters
    ----------
    verb : callable
        Any verb of the package.
    noun : object
        Its first argument.
    optional : tuple of str
        Options that the verb can do without: left out when they are themselves unavailable.
    **options
        For the verb.

    Examples
    --------
    >>> def estimate_mean(values, *, weights=None):
    ...     raise SampleError("3 partners are too few")
    >>> attempt(estimate_mean, [1, 2, 3]).reason
    '3 partners are too few'
    """
    given = {name: value for name, value in options.items() if not (name in optional and isinstance(value, Unavailable))}
    for value in (noun, *given.values()):
        if isinstance(value, Unavailable):
            return value
    try:
        return verb(noun, **given)
    except (MissingTableError, SampleError) as refusal:
        return Unavailable(what=getattr(verb, "__name__", str(verb)), reason=str(refusal))
