"""The registry of experiments, kept in the ledger: what was declared and dealt, what was found, and what was decided."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from partnerlab.errors import LedgerError, nearest
from partnerlab.experiments.analyze import ExperimentReading
from partnerlab.experiments.assign import Assignment
from partnerlab.ledger import Ledger
from partnerlab.ledger.records import record_registration
from partnerlab.specs import Spec
from partnerlab.verdicts import Verdict

FOUND, FOLLOWED = "found: ", "followed: "
#: Units up to which the ledger keeps the deal itself, not its digest alone.
MOST_UNITS = 200_000


def record_experiment(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger,
    dealt: Assignment,
    *,
    program: str,
    reading: ExperimentReading | None = None,
    path: str | Path | None = None,
    quarter: str = "",
    cost: float = math.nan,
    run_id: str = "",
    recorded_at: datetime | None = None,
) -> int:
    """Write an experiment into the ledger: its pre-registration when it is dealt, its verdicts when it was read.

    Parameters
    ----------
    ledger : Ledger
        Where.
    dealt : Assignment
        Declaration and deal; the digests of both are kept.
    program : str
        Whose.
    reading : ExperimentReading, optional
        What was found; the experiment must have been registered before, as it was dealt.
    path : str or Path, optional
        File to which the assignment is written with its registration: both stand, or neither.
    quarter : str
        In which it was read.
    cost : float
        Money that running it cost, if not what the stakes say for all that were dealt a treated variant.
    run_id : str
        Run that wrote it.
    recorded_at : datetime, optional
        The moment; now, if not given.

    Returns
    -------
    int
        Number of the record; that of the first one if the same is registered again.

    Raises
    ------
    LedgerError
        If another declaration or deal is registered under the name, a reading comes before the registration, or the file cannot be
        written.

    Examples
    --------
    >>> import tempfile
    >>> from partnerlab.experiments import Experiment, Metric, assign_variants
    >>> from partnerlab.verdicts import Stakes
    >>> folder = tempfile.TemporaryDirectory()
    >>> dinner = Experiment(name="dinner", hypothesis="It helps.", tactic="Dinner", stakes=Stakes(unit="leads"),
    ...                     metrics=(Metric(name="leads"),))
    >>> dealt = assign_variants(dinner, units=pd.DataFrame({"partner": list("abcd")}), seed=7)
    >>> record_experiment(Ledger.open(folder.name + "/demo.duckdb"), dealt, program="demo")
    1
    >>> folder.cleanup()
    """
    name, digest = dealt.experiment.name, dealt.digest
    mine = _registered(ledger, program, name, assignment=digest)
    beside = contextlib.nullcontext() if path is None else dealt.writing(path)
    written = {"program": program, "run_id": run_id, "recorded_at": recorded_at}
    if reading is not None:
        _refuse_unregistered(name, mine)
        document = json.dumps(_findings(reading, quarter=quarter, cost=cost))
        return record_registration(ledger, document, registration_id=f"{FOUND}{name}", kind="reading", together=beside, **written)
    if mine is not None:
        with beside:
            return mine
    return record_registration(ledger, json.dumps(_declaration(dealt)), registration_id=name, kind="experiment", together=beside, **written)


def record_study(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger,
    study: Spec,
    *,
    program: str,
    name: str,
    verdicts: Sequence[Verdict] = (),
    quarter: str = "",
    cost: float = math.nan,
    run_id: str = "",
    recorded_at: datetime | None = None,
) -> int:
    """Write a study of watched data into the ledger: its declaration, or its verdicts when it was read.

    Parameters
    ----------
    ledger : Ledger
        Where.
    study : Spec
        As declared, with ``tactic`` and ``stakes`` (a `TacticStudy`).
    program, name : str
        Whose, and what it is called in the registry.
    verdicts : sequence of Verdict
        The deciding one first; none registers the study.
    quarter : str
        In which it was read.
    cost : float
        Money that it cost.
    run_id, recorded_at
        As in `record_experiment`.

    Raises
    ------
    LedgerError
        If another study or an experiment has the name, or it is read before it was registered.

    Examples
    --------
    >>> import tempfile
    >>> from partnerlab.specs import Spec
    >>> class Watched(Spec):
    ...     tactic: str
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> [record_study(ledger, Watched(tactic="Dinner"), program="demo", name="dinners") for _ in range(2)]  # the first record stands
    [1, 1]
    >>> folder.cleanup()
    """
    declared = {"declaration": study.model_dump(mode="json"), "cost": _money(cost)}
    declared["digest"] = hashlib.sha256(json.dumps(declared["declaration"], sort_keys=True).encode()).hexdigest()
    mine = _registered(ledger, program, name, digest=declared["digest"])
    written = {"program": program, "run_id": run_id, "recorded_at": recorded_at}
    if verdicts:
        _refuse_unregistered(name, mine)
        found = {"stopped": False, "checks": [], "quarter": quarter, "cost": _money(cost), "verdicts": _verdict_rows(verdicts)}
        return record_registration(ledger, json.dumps(found), registration_id=f"{FOUND}{name}", kind="reading", **written)
    if mine is not None:
        return mine
    return record_registration(ledger, json.dumps(declared), registration_id=name, kind="study", **written)


def record_follow_up(  # noqa: PLR0913 - a record says all of this
    ledger: Ledger,
    *,
    program: str,
    about: str,
    happened: bool,
    quarter: str,
    note: str = "",
    run_id: str = "",
    recorded_at: datetime | None = None,
) -> int:
    """Write down whether what was decided after an experiment or study came about.

    Parameters
    ----------
    ledger : Ledger
        Where.
    program, about : str
        Whose, and the name of the experiment or study that the decision was about.
    happened : bool
        Whether it did.
    quarter : str
        When that was seen.
    note : str
        What followed, in a sentence.
    run_id, recorded_at
        As in `record_experiment`.

    Raises
    ------
    LedgerError
        If nothing was decided about it.

    Examples
    --------
    >>> import tempfile
    >>> from partnerlab.ledger import record_decision
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger.open(folder.name + "/demo.duckdb")
    >>> record_decision(ledger, "Dinners for all", program="demo", quarter="2026Q3", about="dinner")
    1
    >>> record_follow_up(ledger, program="demo", about="dinner", happened=True, quarter="2026Q4")
    2
    >>> folder.cleanup()
    """
    decided = ledger.decisions(program=program)
    if about not in set(decided["about"]):
        raise LedgerError(f"{about}: no decision was recorded about it, so nothing can have followed{nearest(about, decided['about'])}")
    document = json.dumps({"happened": bool(happened), "quarter": quarter, "note": note})
    return record_registration(
        ledger,
        document,
        program=program,
        registration_id=f"{FOLLOWED}{about}",
        kind="follow-up",
        run_id=run_id,
        recorded_at=recorded_at,
    )


def read_document(document: str) -> dict[str, object]:
    """Read what was registered; empty where somebody registered a text by hand.

    Examples
    --------
    >>> read_document('{"units": 4}'), read_document("Portal test, 200 partners")
    ({'units': 4}, {})
    """
    try:
        found = json.loads(document)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _registered(ledger: Ledger, program: str, name: str, **digest: str) -> int | None:
    """Record under which just this is registered; None where nothing is; another thing under the name is refused."""
    before = ledger.registrations(program=program)
    mine = before[before["registration_id"] == name]
    if not len(mine):
        return None
    document = read_document(mine["document"].iloc[0])
    if any(document.get(key) != value for key, value in digest.items()):
        raise LedgerError(f"{name}: another declaration or deal is registered under this name; what is new needs a new name")
    return int(mine["record"].iloc[0])


def _refuse_unregistered(name: str, record: int | None) -> None:
    if record is None:
        raise LedgerError(f"{name}: was never registered, so that it was declared before it was read cannot be shown; register it first")


def _declaration(dealt: Assignment) -> dict[str, object]:
    few = dealt.rows.count("\n") <= MOST_UNITS
    return {
        "page": dealt.experiment.page,
        "declaration": dealt.experiment.model_dump(mode="json"),
        "digest": dealt.experiment.digest,
        "assignment": dealt.digest,
        "seed": dealt.seed,
        "accept": None if math.isinf(dealt.accept) else dealt.accept,
        "buffered": list(dealt.buffered),
        "units": dealt.rows.count("\n") - 1,
        "rows": dealt.rows if few else None,
    }


def _findings(reading: ExperimentReading, *, quarter: str, cost: float) -> dict[str, object]:
    return {
        "stopped": reading.stopped,
        "checks": [f"{check.name}: {check.detail}" for check in reading.checks if check.passed is False],
        "departures": [check.detail for check in reading.checks if check.name == "departures" and check.passed is None],
        "quarter": quarter,
        "cost": _money(cost),
        "verdicts": _verdict_rows(reading.verdicts),
    }


def _verdict_rows(verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
    """Verdicts as plain rows, with what pooling them later needs."""
    kept = ("tactic", "estimate", "std_error", "conf_low", "conf_high", "n", "unit", "grade", "finding", "statement", "action")
    rows = pd.DataFrame([verdict.to_row() for verdict in verdicts])[list(kept)]
    rows["df"] = [None if math.isinf(verdict.df) else verdict.df for verdict in verdicts]
    rows["design_grade"] = [verdict.grade.value for verdict in verdicts]
    rows["doubted"] = [bool(verdict.doubts) for verdict in verdicts]
    for name in ("per", "material", "value", "currency"):
        rows[name] = [getattr(verdict.stakes, name) for verdict in verdicts]
    rows["row_cost"] = [verdict.stakes.cost for verdict in verdicts]
    return json.loads(rows.to_json(orient="records", double_precision=15))


def _money(cost: float) -> float | None:
    return None if math.isnan(cost) else float(cost)
