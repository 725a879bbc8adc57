"""Everything that can go wrong, said once: which table, column, rows, how many, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class PartnerlabError(Exception):
    """Base of every error that partnerlab raises on purpose.

    Parameters
    ----------
    message : str
        One line: what is wrong, where, how many, and what to do.
    **facts
        The same in machine-readable form, kept as ``error.facts``.

    Examples
    --------
    >>> PartnerlabError("deals.partner_id: 12 rows name nobody", table="deals", rows=12).facts
    {'table': 'deals', 'rows': 12}
    """

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts: Mapping[str, Any] = dict(facts)


class SourceError(PartnerlabError):
    """A source cannot be opened or read."""


class ContractError(PartnerlabError):
    """Data break the contract in a way that nothing can be computed from them."""


class MissingTableError(PartnerlabError):
    """An analysis needs a table, column or indicator that this program does not have."""


class SpecError(PartnerlabError):
    """A spec (YAML or Python) says something that cannot be meant."""


class ParameterError(PartnerlabError):
    """A verb or a report was asked for something that does not exist."""


class SampleError(PartnerlabError):
    """The data are in order but cannot answer the question."""


class LedgerError(PartnerlabError):
    """The ledger holds something that contradicts what is asked of it."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant.

    Examples
    --------
    >>> nearest("treshold", ["threshold", "window"])
    "; did you mean 'threshold'?"
    >>> nearest("zzz", ["threshold", "window"])
    '; known: threshold, window'
    """
    options = sorted(map(str, known))
    close = difflib.get_close_matches(str(word), options, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(options)}" if options else ""
