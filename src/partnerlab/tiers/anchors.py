"""Anchors of an axis: partners of whom everybody knows on which side they belong, and whether they land there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from partnerlab.errors import SampleError
from partnerlab.results import Check, Result
from partnerlab.scoring import kleene
from partnerlab.stats.inference.intervals import check_level, share_interval
from partnerlab.tiers.classify import Quadrant

if TYPE_CHECKING:
    from partnerlab.tiers.history import TierHistory

RIGHT, WRONG, UNKNOWN, ABSENT = "as expected", "wrong side", "unknown", "not in the data"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnchorCheck(Result):
    """Whether anchor partners land on the side of an axis where they belong.

    The table has keys ``[axis, side]``; ``estimate`` is the share of the anchors of that side that land there, ``n`` those
    whose side is known.

    Parameters
    ----------
    quarter : str
        Which.
    anchors : DataFrame
        ``axis, fact, partner, name, expected, value, operator, line, status``: as expected, wrong side, unknown or not in the data.
    """

    title: ClassVar[str] = "Anchors of the axes"

    quarter: str = ""
    anchors: pd.DataFrame = dataclasses.field(repr=False, default_factory=pd.DataFrame)

    def wrong(self) -> pd.DataFrame:
        """Anchors on the wrong side, the farthest from the line first."""
        found = self.anchors.loc[self.anchors["status"] == WRONG]
        off = ((found["value"] - found["line"]).abs() / found["line"].abs().clip(lower=1.0)).sort_values(ascending=False, kind="stable")
        return found.loc[off.index].reset_index(drop=True)


def check_anchors(history: TierHistory, *, quarter: str | None = None, level: float = 0.95) -> AnchorCheck:
    """Check the axes of a quadrant by partners of whom it is known on which side they belong.

    Parameters
    ----------
    history : TierHistory
        Made by `assign_tiers` under a quadrant whose axes have ``anchors``.
    quarter : str or None
        The last if None.
    level : float
        Coverage.

    Returns
    -------
    AnchorCheck

    Raises
    ------
    SampleError
        If no axis has anchors.
    ParameterError
        If the quarter does not exist.

    Examples
    --------
    >>> from partnerlab.panel.panel import Panel
    >>> from partnerlab.tiers import TierScheme, assign_tiers
    >>> rows = pd.DataFrame({"partner": ["acme", "tiny", "big"], "quarter": "2026Q1", "leads": 5, "reach": [40.0, 10.0, 90.0]})
    >>> y = {"value": "reach", "cut": {"absolute": 60}, "anchors": {"high": ["acme", "big"], "low": ["tiny"]}}
    >>> cells = {"high_high": "KEY", "low_high": "DIAMOND", "high_low": "HACKER", "low_low": "LOW"}
    >>> scheme = {"kind": "quadrant", "x": {"value": "leads", "cut": {"absolute": 3}}, "y": y, "cells": cells}
    >>> found = check_anchors(assign_tiers(Panel.from_frame(rows), TierScheme(scheme="demo", classify=scheme)))
    >>> found.tidy()[["axis", "side", "estimate", "n"]].to_numpy().tolist()
    [['y', 'high', 0.5, 2], ['y', 'low', 1.0, 1]]
    >>> found.wrong()[["partner", "value", "line"]].to_numpy().tolist()
    [['acme', 40.0, 60.0]]
    """
    check_level(level)
    column = history.column(quarter or history.labels[-1])
    rule = history.scheme.classify if history.scheme is not None else None
    if not isinstance(rule, Quadrant) or (rule.x.anchors is None and rule.y.anchors is None):
        raise SampleError("no axis has anchors; name some under classify.x or classify.y: {anchors: {high: [acme], low: [tiny]}}")
    anchors = pd.DataFrame(
        list(_anchors(history, rule, column)),
        columns=["axis", "fact", "partner", "name", "expected", "value", "operator", "line", "status"],
    ).astype({"value": float, "line": float})
    wrong = int((anchors["status"] == WRONG).sum())
    open_ = anchors.loc[anchors["status"].isin([UNKNOWN, ABSENT]), "name"].tolist()
    return AnchorCheck(
        estimand=f"Share of the anchors of each side that land on it in {history.labels[column]}",
        table=_table(anchors, level),
        checks=(
            Check("Anchors stand where they belong", wrong == 0, f"{wrong} of {len(anchors)} anchors stand on the wrong side."),
            Check("Every anchor can be placed", not open_, f"Cannot be placed: {', '.join(open_) or 'nobody'}."),
        ),
        level=level,
        quarter=history.labels[column],
        anchors=anchors,
    )


def _anchors(history: TierHistory, rule: Quadrant, column: int) -> Iterator[tuple[object, ...]]:
    """One row for each anchor of each axis."""
    names = history.attributes["name"].astype("str") if "name" in history.attributes else pd.Series([], dtype="str")
    rows = {str(name): row for row, name in reversed(list(enumerate(names)))} | {
        str(each): row for row, each in enumerate(history.partners)
    }
    for name, axis in (("x", rule.x), ("y", rule.y)):
        view = history.axis(name)  # type: ignore[arg-type]
        for side in ("high", "low") if axis.anchors is not None else ():
            for given in getattr(axis.anchors, side):
                row = rows.get(given)
                if row is None:
                    yield name, axis.value, "", given, side, np.nan, axis.operator, np.nan, ABSENT
                    continue
                value, line = view.values[row, column], view.line[row, column]
                truth = int(kleene.compare(np.array(value), float(line), axis.operator))
                lands = UNKNOWN if truth == kleene.UNKNOWN else RIGHT if (truth == kleene.TRUE) == (side == "high") else WRONG
                yield name, axis.value, str(history.partners[row]), given, side, value, axis.operator, line, lands


def _table(anchors: pd.DataFrame, level: float) -> pd.DataFrame:
    rows = []
    for (axis, side), group in anchors.groupby(["axis", "expected"], sort=False):
        n, hits = int(group["status"].isin([RIGHT, WRONG]).sum()), int((group["status"] == RIGHT).sum())
        rows.append((axis, side, hits / n if n else np.nan, n))
    table = pd.DataFrame(rows, columns=["axis", "side", "estimate", "n"])
    share, n = table["estimate"].to_numpy(), table["n"].to_numpy(dtype=float)
    low, high = share_interval(share, n, level=level)
    error = np.sqrt(np.divide(share * (1 - share), n, out=np.full(len(n), np.nan), where=n > 0))
    return table[["axis", "side", "estimate"]].assign(std_error=error, conf_low=low, conf_high=high, n=table["n"])
