"""Every leading indicator of a scheme against results: whether it leads, out of time, in every quarter and region."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from partnerlab.errors import ParameterError, SampleError, nearest
from partnerlab.results import Check, Evidence, Result
from partnerlab.tiers.leading import Leading, check_leading

if TYPE_CHECKING:
    from partnerlab.panel.panel import Panel
    from partnerlab.tiers.scheme import TierScheme

#: Results that a program looks at first, in this order.
USUAL = ("revenue", "deals_won")

SAID = {True: "yes", False: "no", None: "cannot tell"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class IndicatorAudit(Result):
    """Whether each leading indicator of a scheme leads.

    The table has keys ``[leading, lagging]``; ``estimate`` is the partial rank correlation of `check_leading` with its
    interval, ``n`` the pairs; then ``partners`` and, as yes, no or cannot tell: ``leads``, ``out_of_time``,
    ``more_than_back``, ``stable_by_quarter`` and ``stable_by_group``.

    Parameters
    ----------
    details : tuple of Leading
        The check of each, in the order of the table.
    """

    title: ClassVar[str] = "Do leading indicators lead?"

    details: tuple[Leading, ...] = dataclasses.field(repr=False, default=())


def check_indicators(
    panel: Panel,
    *,
    scheme: TierScheme,
    lagging: Sequence[str] = (),
    ahead: int | None = None,
    by: str | None = "region",
    level: float = 0.95,
) -> IndicatorAudit:
    """Check every leading indicator that a scheme reads against results.

    Parameters
    ----------
    panel : Panel
        With them.
    scheme : TierScheme
        Its indicators of kind ``leading`` are audited.
    lagging : sequence of str
        Results; if empty ``revenue`` and ``deals_won`` as far as the panel has them, else its first lagging indicator.
    ahead : int or None
        Quarters from one to the other; as many as the lagging one takes together if None.
    by : str or None
        Attribute whose groups are told apart.
    level : float
        Coverage of each interval; with many indicators some seem to lead by chance.

    Raises
    ------
    ParameterError
        If the panel has no such lagging indicator.
    SampleError
        If the scheme reads no leading indicator, the panel has no lagging one, or no pair has enough data.

    Examples
    --------
    >>> import numpy as np
    >>> from partnerlab.panel.indicators import Indicators
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme
    >>> rng = np.random.default_rng(0)
    >>> calls = rng.poisson(4.0, (80, 8))
    >>> sales = rng.poisson(1.0 + np.hstack([calls[:, :1], calls[:, :-1]]))  # a quarter after the calls
    >>> rows = [(f"p{i:02d}", f"202{5 + q // 4}Q{q % 4 + 1}", calls[i, q], sales[i, q]) for i in range(80) for q in range(8)]
    >>> kinds = Indicators(indicators={"calls": {"from": "frame", "kind": "leading"}, "sales": {"from": "frame", "kind": "lagging"}})
    >>> panel = Panel.from_frame(pd.DataFrame(rows, columns=["partner", "quarter", "calls", "sales"]), indicators=kinds)
    >>> bands = {"kind": "bands", "value": "calls", "bands": [{"name": "Gold", "from": 5}, {"name": "Member"}]}
    >>> found = check_indicators(panel, scheme=TierScheme(scheme="demo", classify=bands))
    >>> found.tidy()[["leading", "lagging", "estimate", "leads", "out_of_time"]].round(1).to_numpy().tolist()
    [['calls', 'sales', 0.6, 'yes', 'yes']]
    """
    leading = [name for name in scheme.needs() if panel.known(name) and panel.indicator(name).kind == "leading"]
    results = _results(panel, lagging)
    if not leading:
        raise SampleError(f"{scheme.name_version} reads no indicator of kind leading; there is nothing to audit")
    checked = []
    for first, last in itertools.product(leading, results):
        if first == last:
            continue
        later = ahead or panel.indicator(last).window
        with contextlib.suppress(SampleError):  # the pair has too little data; the others may have enough
            checked.append(check_leading(panel, leading=first, lagging=last, ahead=later, by=by, level=level))
    if not checked:
        raise SampleError(f"no quarter has five partners with one of {', '.join(leading)} and later {', '.join(results)}")
    table = pd.DataFrame([_row(one, by) for one in checked])
    clear, pairs = int((table["leads"] == "yes").sum()), len(table)
    judged = clear > 0 if (table["leads"] != "cannot tell").any() else None
    return IndicatorAudit(
        estimand="Rank correlation of each leading indicator with later results, given results now",
        table=table,
        checks=(
            Check("Some lead", judged, f"{clear} of {pairs} pairs clearly do."),
            Check("Many looks", None, f"Of {pairs} pairs about {pairs * (1 - level):.1f} would seem to lead by chance."),
        ),
        evidence=Evidence.C,
        level=level,
        details=tuple(checked),
    )


def _results(panel: Panel, lagging: Sequence[str]) -> list[str]:
    for name in lagging:
        if not panel.known(name):
            raise ParameterError(f"no indicator is called {name!r}{nearest(name, panel.indicators.names)}", indicator=name)
    usual = [name for name in USUAL if panel.known(name)]
    others = [name for name in panel.indicators.names if panel.indicator(name).kind == "lagging"][:1]
    found = list(lagging) or usual or others
    if not found:
        raise SampleError("the panel has no lagging indicator; name results with lagging=")
    return found


def _row(one: Leading, by: str | None) -> dict[str, object]:
    forward = one.table.iloc[0]
    judged = {check.name: check.passed for check in one.checks}
    numbers = {name: forward[name] for name in ("estimate", "std_error", "conf_low", "conf_high", "n", "partners")}
    words = {
        "leads": "It tells of later results",
        "out_of_time": "Out of time",
        "more_than_back": "More than the other way round",
        "stable_by_quarter": "Stable by quarter",
        "stable_by_group": f"Stable by {by}",
    }
    return {"leading": one.leading, "lagging": one.lagging, **numbers, **{name: SAID[judged.get(check)] for name, check in words.items()}}
