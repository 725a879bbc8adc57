"""Reading the registry back: every experiment and study with its verdict, cost, decision, and what followed."""

from __future__ import annotations

import math
from datetime import datetime

import pandas as pd

from partnerlab.errors import LedgerError, nearest
from partnerlab.experiments.assign import Assignment
from partnerlab.experiments.experiment import Experiment
from partnerlab.experiments.registry import FOLLOWED, FOUND, read_document
from partnerlab.ledger import Ledger
from partnerlab.periods import naive_utc

_COLUMNS = ("experiment", "tactic", "metric", "registered", "units", "grade", "statement", "decision", "assignment")
_REGISTRY = (
    "name", "kind", "state", "tactic", "outcome", "registered", "read_on", "read_in", "units", "estimate", "std_error", "df", "conf_low",
    "conf_high", "unit", "per", "material", "value", "row_cost", "design_grade", "grade", "finding", "statement", "action", "stopped",
    "departures", "cost", "currency", "decision", "decided_in", "due", "happened", "followed_in", "followed", "story", "assignment",
)  # fmt: skip
_NUMBERS = ("estimate", "std_error", "df", "conf_low", "conf_high", "material", "value", "row_cost")
_TEXTS = ("unit", "per", "currency", "design_grade", "grade", "finding", "statement", "action")


def load_experiments(ledger: Ledger, *, program: str) -> pd.DataFrame:
    """Read every registered experiment with what was found and decided, in the order of registration.

    Parameters
    ----------
    ledger : Ledger
        Where.
    program : str
        Whose.

    Returns
    -------
    DataFrame
        A row for each experiment: ``experiment, tactic, metric, registered, units, grade, statement, decision, assignment``;
        grade and statement are those of the deciding metric (of several variants the best grade, and a sentence of each) and empty until
        it was read; the decision is the latest recorded ``about`` the experiment's name.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> load_experiments(Ledger.open(folder.name + "/demo.duckdb"), program="demo").empty
    True
    >>> folder.cleanup()
    """
    found = load_registry(ledger, program=program)
    found = found[found["kind"] == "experiment"].rename(columns={"name": "experiment", "outcome": "metric"})
    return found[list(_COLUMNS)].reset_index(drop=True)


def load_registry(ledger: Ledger, *, program: str, as_of: datetime | None = None) -> pd.DataFrame:
    """Read every experiment and study: what was asked, found, decided, and whether it came about.

    Parameters
    ----------
    ledger : Ledger
        Where.
    program : str
        Whose.
    as_of : datetime, optional
        Only what was on record by then; everything without it.

    Returns
    -------
    DataFrame
        A row for each that `record_experiment` or `record_study` registered, in the order of registration; what was registered by hand
        as a text has none. ``state`` is running, read, decided or followed; numbers and words from ``estimate`` to ``action`` are those
        of the deciding verdict (of several variants numbers are the first one's, the statement has a sentence of each, and grade,
        finding and action are of the one with the best grade); ``cost`` is what was stated, or what the stakes say for all that were
        dealt a treated variant, in ``currency``; ``happened`` is yes, no or empty; ``story`` says decision and sequel in a sentence.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> load_registry(Ledger.open(folder.name + "/demo.duckdb"), program="demo").columns[:3].tolist()
    ['name', 'kind', 'state']
    >>> folder.cleanup()
    """
    registered = _latest(ledger.registrations(program=program, history=True), "registration_id", as_of=as_of)
    decided = _latest(ledger.decisions(program=program), "about", as_of=as_of).set_index("about")
    documents = {row.registration_id: row for row in registered.itertuples()}
    rows = []
    for row in registered[registered["kind"].isin(["experiment", "study"])].itertuples():
        document = read_document(row.document)
        if not isinstance(document.get("declaration"), dict):
            continue  # registered by hand
        read, followed = documents.get(f"{FOUND}{row.registration_id}"), documents.get(f"{FOLLOWED}{row.registration_id}")
        decision = decided.loc[row.registration_id] if row.registration_id in decided.index else None
        if followed is not None and decision is not None and followed.record < decision["record"]:
            followed = None  # it followed an earlier decision
        rows.append(_row(row, document, read, decision, followed))
    return pd.DataFrame(rows, columns=list(_REGISTRY))


def _latest(records: pd.DataFrame, about: str, *, as_of: datetime | None) -> pd.DataFrame:
    """Last record about each thing, of those written down by a moment."""
    if as_of is not None:
        records = records[records["recorded_at"] <= naive_utc(as_of)]
    return records.drop_duplicates(about, keep="last")


def load_assignment(ledger: Ledger, *, program: str, name: str) -> Assignment:
    """Read the deal of an experiment from the ledger.

    Parameters
    ----------
    ledger : Ledger
        Where.
    program, name : str
        Whose, and the experiment's name.

    Raises
    ------
    LedgerError
        If none is registered under the name, the ledger kept its digest alone, or the record does not fit its digest.

    Examples
    --------
    >>> import tempfile
    >>> from partnerlab.experiments import Metric, assign_variants, record_experiment
    >>> from partnerlab.verdicts import Stakes
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> dinner = Experiment(name="dinner", hypothesis="It helps.", tactic="Dinner", stakes=Stakes(unit="leads"),
    ...                     metrics=(Metric(name="leads"),))
    >>> dealt = assign_variants(dinner, units=pd.DataFrame({"partner": list("abcd")}), seed=7)
    >>> record_experiment(ledger, dealt, program="demo")
    1
    >>> load_assignment(ledger, program="demo", name="dinner").digest == dealt.digest
    True
    >>> folder.cleanup()
    """
    registered = ledger.registrations(program=program)
    mine = registered[(registered["registration_id"] == name) & (registered["kind"] == "experiment")]
    if not len(mine):
        known = registered.loc[registered["kind"] == "experiment", "registration_id"]
        raise LedgerError(f"{program}: no experiment {name!r} is registered{nearest(name, known)}")
    document = read_document(mine["document"].iloc[0])
    if not document.get("rows"):
        raise LedgerError(f"{name}: the ledger keeps only the digest of its deal; read the assignment's file", kept=False)
    accept = math.inf if document["accept"] is None else document["accept"]
    dealt = Assignment(
        experiment=Experiment(**document["declaration"]),
        seed=document["seed"],
        rows=document["rows"],
        accept=accept,
        buffered=tuple(document["buffered"]),
    )
    if dealt.digest != document["assignment"]:
        raise LedgerError(f"{name}: the deal in the ledger does not fit its digest; check the ledger")
    return dealt


def _row(row, document: dict[str, object], read, decision: pd.Series | None, followed) -> dict[str, object]:
    declared = document["declaration"]
    found = {} if read is None else read_document(read.document)
    verdicts = found.get("verdicts", [])[: _compared(declared)]
    verdict = verdicts[0] if verdicts else {}
    sequel = {} if followed is None else read_document(followed.document)
    stakes = declared.get("stakes", {})
    happened = {True: "yes", False: "no"}.get(sequel.get("happened"), "")
    state = "followed" if happened else "decided" if decision is not None else "read" if found else "running"
    said = {name: "" if decision is None else decision[name] for name in ("decision", "quarter", "due")}
    return {
        "name": row.registration_id,
        "kind": row.kind,
        "state": state,
        "tactic": declared.get("tactic", ""),
        "outcome": declared["metrics"][0]["name"] if "metrics" in declared else stakes.get("unit", ""),
        "registered": row.recorded_at,
        "read_on": pd.NaT if read is None else read.recorded_at,
        "read_in": found.get("quarter", ""),
        "units": document.get("units", verdict.get("n", 0)),
        **{name: math.nan if verdict.get(name) is None else float(verdict[name]) for name in _NUMBERS},
        **{name: verdict.get(name) or stakes.get(name) or "" for name in _TEXTS},
        **(_of_all(verdicts) if len(verdicts) > 1 else {}),
        "stopped": bool(found.get("stopped", False)),
        "departures": "; ".join(found.get("departures", ())),
        "cost": _cost(document, found),
        "decision": said["decision"],
        "decided_in": said["quarter"],
        "due": said["due"] or "",
        "happened": happened,
        "followed_in": sequel.get("quarter", ""),
        "followed": sequel.get("note", ""),
        "story": _story(said, happened, sequel),
        "assignment": document.get("assignment", ""),
    }


def _compared(declared: dict[str, object]) -> int:
    """Verdicts on the deciding metric: one for each treated variant; of a schedule, and of a study, one."""
    variants = declared.get("variants", [])
    return 1 if any(variant.get("on") for variant in variants) else max(len(variants) - 1, 1)


def _of_all(verdicts: list[dict[str, object]]) -> dict[str, object]:
    """Say a sentence of each variant, and what the one with the best grade earned."""
    best = min(verdicts, key=lambda verdict: verdict["grade"])
    return {name: best[name] for name in ("grade", "finding", "action")} | {"statement": " ".join(one["statement"] for one in verdicts)}


def _cost(document: dict[str, object], found: dict[str, object]) -> float:
    """Money as stated, or as the stakes say for all that were dealt a treated variant."""
    for stated in (found.get("cost"), document.get("cost")):
        if stated is not None:
            return float(stated)
    declared = document["declaration"]
    row_cost = declared.get("stakes", {}).get("cost") or 0.0
    if "variants" not in declared or not row_cost:
        return math.nan
    return row_cost * document["units"] * _quarters_on(declared["variants"], declared["quarters"])


def _quarters_on(variants: list[dict[str, object]], quarters: int) -> float:
    """Quarters for which a unit has the tactic on average: all of them where it was dealt a treated variant, or by its schedule."""
    total = sum(variant["share"] for variant in variants)
    spent = [sum(variant["on"]) if variant.get("on") else quarters * (place > 0) for place, variant in enumerate(variants)]
    return sum(variant["share"] * count for variant, count in zip(variants, spent, strict=True)) / total


def _story(said: dict[str, str], happened: str, sequel: dict[str, object]) -> str:
    """Decision and sequel in a sentence or two."""
    if not said["decision"]:
        return ""
    text = f"Decided in {said['quarter']}: {said['decision'].strip().rstrip('.')}"
    if not happened:
        return f"{text}" + (f", due {said['due']}" if said["due"] else "") + "; whether it happened is not recorded."
    note = str(sequel.get("note", "")).strip()
    verb = "it happened" if happened == "yes" else "it did not happen"
    return f"{text}; {verb} (seen in {sequel.get('quarter', '')})." + (f" {note.rstrip('.')}." if note else "")
