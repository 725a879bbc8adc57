"""What changed between two renderings of the same quarter, and whether the ledger is as it was written."""

from __future__ import annotations

import dataclasses

import pandas as pd

from partnerlab.errors import LedgerError
from partnerlab.ledger.books import BOOKS, Ledger
from partnerlab.ledger.records import digest_rows
from partnerlab.results import Check


@dataclasses.dataclass(frozen=True, kw_only=True)
class Changes:
    """What changed between two renderings of the same quarter.

    Parameters
    ----------
    quarter : str
        The quarter rendered twice.
    before, after : str
        Run that came first, and the later one; ``before`` is empty when there was none.
    same_data, same_rules : bool or None
        Whether both stand on the same data and scheme version; None when that is not known.
    tiers : DataFrame
        ``partner, before, after, reason``: who is in another tier now; empty tiers mean not published.
    metrics : DataFrame
        ``segment, name, before, after``: numbers that are not the same.
    """

    quarter: str
    before: str
    after: str
    same_data: bool | None
    same_rules: bool | None
    tiers: pd.DataFrame = dataclasses.field(repr=False)
    metrics: pd.DataFrame = dataclasses.field(repr=False)

    def summary(self) -> str:
        """Say it in a sentence."""
        if not self.before:
            return f"{self.quarter} is rendered for the first time."
        why = {(True, True): "same data and rules", (False, True): "the data were restated", (True, False): "the rules changed"}
        cause = why.get((self.same_data, self.same_rules), "data and rules differ" if self.same_data is False else "data not compared")
        if self.tiers.empty and self.metrics.empty:
            return f"{self.quarter} was rendered before (run {self.before}); nothing changed: {cause}."
        counts = f"{len(self.tiers):,} partners in another tier, {len(self.metrics):,} numbers different"
        return f"{self.quarter} was rendered before (run {self.before}); since then {counts}: {cause}."


def compare_runs(ledger: Ledger, *, program: str, quarter: str, scheme: str | None = None) -> Changes:
    """Compare the latest rendering of a quarter with the one before it.

    Parameters
    ----------
    ledger : Ledger
        Where both are written down.
    program, quarter : str
        What was rendered.
    scheme : str, optional
        Name of the scheme (all its versions); needed only if the quarter was published under several.

    Raises
    ------
    LedgerError
        If the quarter was never recorded.

    Examples
    --------
    >>> import tempfile
    >>> from partnerlab.ledger import record_tiers
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> given = dict(program="demo", quarter="2026Q3", scheme="quadrant@1", data_hash="ab")
    >>> for run, tier in (("one", "KEY"), ("two", "DEMENTORS")):
    ...     _ = record_tiers(ledger, pd.DataFrame({"partner": ["P1"], "published": [tier]}), **given, run_id=run)
    >>> compare_runs(ledger, program="demo", quarter="2026Q3").tiers["after"].tolist()
    ['DEMENTORS']
    >>> folder.cleanup()
    """
    tiers = ledger.tiers(program=program, quarter=quarter, scheme=scheme, history=True)
    metrics = ledger.metrics(program=program, quarter=quarter, history=True)
    moments = pd.concat([tiers[["run_id", "record"]], metrics[["run_id", "record"]]]).groupby("run_id")["record"].max().sort_values()
    if moments.empty:
        raise LedgerError(f"{quarter} of {program} was never recorded; nothing to compare")
    after, before = moments.index[-1], moments.index[-2] if len(moments) > 1 else ""
    was, now = (tiers[tiers["run_id"] == run] for run in (before, after))
    counted, counts = (metrics[metrics["run_id"] == run] for run in (before, after))
    return Changes(
        quarter=quarter,
        before=before,
        after=after,
        same_data=_same(was, now, "data_hash"),
        same_rules=_same(was, now, "scheme"),
        # a run that published no tiers, or printed no numbers, changed none
        tiers=_tier_changes(was, now) if len(was) and len(now) else pd.DataFrame(columns=["partner", "before", "after", "reason"]),
        metrics=_metric_changes(counted, counts)
        if len(counted) and len(counts)
        else pd.DataFrame(columns=["segment", "name", "before", "after"]),
    )


def check_ledger(ledger: Ledger) -> Check:
    """Recompute the chain of digests: whether every record is still what was written.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> check_ledger(Ledger.open(folder.name + "/demo.duckdb")).detail
    '0 records, each as it was written'
    >>> folder.cleanup()
    """
    with ledger.connection() as connection:
        records = connection.execute("SELECT * FROM records ORDER BY record").df()
        previous, broken = "", []
        for record in records.itertuples():
            rows = connection.execute(f"SELECT * FROM {record.book} WHERE record = ? ORDER BY row", [record.record]).df()
            digest = digest_rows(
                rows[list(BOOKS[record.book].columns)], book=record.book, program=record.program, run_id=record.run_id, previous=previous
            )
            if record.previous != previous or digest != record.digest or len(rows) != record.rows:
                broken.append(int(record.record))
            previous = record.digest
    if broken:
        return Check(
            "ledger unchanged", False, f"{len(broken)} of {len(records)} records are not what was written, first record {broken[0]}"
        )
    return Check("ledger unchanged", True, f"{len(records)} records, each as it was written")


def _same(before: pd.DataFrame, after: pd.DataFrame, column: str) -> bool | None:
    one, other = set(before[column].dropna()) - {""}, set(after[column].dropna()) - {""}
    return None if not one or not other else one == other


def _tier_changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    one = before.sort_values("record").drop_duplicates("partner", keep="last").set_index("partner")["published"]
    other = after.sort_values("record").drop_duplicates("partner", keep="last").set_index("partner")
    both = pd.DataFrame({"before": one, "after": other["published"], "reason": other["reason"]}).rename_axis("partner").reset_index()
    return both[both["before"].fillna("") != both["after"].fillna("")].reset_index(drop=True)


def _metric_changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    sides = [
        side.sort_values("record").drop_duplicates(["segment", "name"], keep="last").set_index(["segment", "name"])["estimate"]
        for side in (before, after)
    ]
    both = pd.DataFrame({"before": sides[0], "after": sides[1]}).rename_axis(["segment", "name"]).reset_index()
    same = (both["before"] == both["after"]) | (both["before"].isna() & both["after"].isna())
    return both[~same].reset_index(drop=True)
