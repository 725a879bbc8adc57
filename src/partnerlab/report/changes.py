"""What changed between two renderings of the same quarter: figures that differ, and whether the data, rules or code did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partnerlab.report.metrics import Metric


def compare_pages(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str] | None:
    """Say what changed on a page.

    Parameters
    ----------
    before, after : mapping
        Two records as in ``metrics.json``; None if the page was not rendered before.

    Returns
    -------
    list of str, or None
        One sentence each, causes first; empty if nothing changed, None without a rendering before.

    Examples
    --------
    >>> compare_pages({"data_hash": "a", "metrics": []}, {"data_hash": "b", "metrics": []})
    ['The data changed.']
    """
    if before is None:
        return None
    causes = {
        "data_hash": "The data changed",
        "scheme": "The tier scheme changed",
        "parameters": "The parameters changed",
        "code": "The code changed",
    }
    said = [
        f"{cause}{_from_to(before.get(key), after.get(key), key)}." for key, cause in causes.items() if before.get(key) != after.get(key)
    ]
    known = {metric["name"]: metric for metric in before.get("metrics", [])}
    for record in after.get("metrics", []):
        old = known.pop(record["name"], None)
        if old is None:
            said.append(f"{record['label']}: new on this page.")
        elif not _same(old["estimate"], record["estimate"]):
            metric = restore_metric(record)
            said.append(f"{record['label']}: {restore_metric(old).value_words()} before, {metric.value_words()} now.")
    return said + [f"{old['label']}: no longer on this page." for old in known.values()]


def restore_metric(record: Mapping[str, Any]) -> Metric:
    """Make a metric again from its record in ``metrics.json``."""
    return Metric.from_dict(record)


def _from_to(before: Any, after: Any, key: str) -> str:
    if key == "code" and before and after and before.get("revision") != after.get("revision"):
        before, after = (code.get("revision", "")[:12] or "an installed package" for code in (before, after))
        return f" from {before} to {after}"
    return f" from {before} to {after}" if key == "scheme" and before and after else ""


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= 1e-9 * max(abs(one), abs(other), 1.0)
