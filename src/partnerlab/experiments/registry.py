"""The registry of experiments, kept in the ledger: what was declared and dealt, what was found, and what was decided."""

from __future__ import annotations

import json
from datetime import datetime

import pandas as pd

from partnerlab.errors import LedgerError
from partnerlab.experiments.analyze import ExperimentReading
from partnerlab.experiments.assign import Assignment
from partnerlab.ledger import Ledger
from partnerlab.ledger.records import record_registration

_FOUND = "found: "
_COLUMNS = ("experiment", "tactic", "metric", "registered", "units", "grade", "statement", "decision", "assignment")


def record_experiment(
    ledger: Ledger,
    dealt: Assignment,
    *,
    program: str,
    reading: ExperimentReading | None = None,
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
        If another declaration or deal is registered under the name, or a reading comes before the registration.

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
    name = dealt.experiment.name
    before = ledger.registrations(program=program)
    mine = before[before["registration_id"] == name]
    if len(mine) and json.loads(mine["document"].iloc[0]).get("assignment") != dealt.digest:
        raise LedgerError(f"{name}: another declaration or deal is registered under this name; a new experiment needs a new name")
    written = {"program": program, "run_id": run_id, "recorded_at": recorded_at}
    if reading is None:
        if len(mine):
            return int(mine["record"].iloc[0])
        return record_registration(ledger, json.dumps(_declaration(dealt)), registration_id=name, kind="experiment", **written)
    if not len(mine):
        raise LedgerError(
            f"{name}: was never registered, so that it was declared before it was read cannot be shown; register it when it is dealt"
        )
    return record_registration(ledger, json.dumps(_findings(reading)), registration_id=f"{_FOUND}{name}", kind="reading", **written)


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
        grade and statement are those of the deciding metric's first variant and empty until it was read; the decision is the
        latest recorded ``about`` the experiment's name.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> load_experiments(Ledger.open(folder.name + "/demo.duckdb"), program="demo").empty
    True
    >>> folder.cleanup()
    """
    registered = ledger.registrations(program=program)
    decided = ledger.decisions(program=program).drop_duplicates("about", keep="last").set_index("about")["decision"]
    found = registered[registered["kind"] == "reading"].set_index("registration_id")["document"].map(json.loads)
    rows = []
    for row in registered[registered["kind"] == "experiment"].itertuples():
        try:
            document = json.loads(row.document)
        except ValueError:
            continue  # registered by hand, as a text
        verdict = found.get(f"{_FOUND}{row.registration_id}", {"verdicts": [{}]})["verdicts"][0]
        rows.append(
            {
                "experiment": row.registration_id,
                "tactic": document["declaration"]["tactic"],
                "metric": document["declaration"]["metrics"][0]["name"],
                "registered": row.recorded_at,
                "units": document["units"],
                "grade": verdict.get("grade", ""),
                "statement": verdict.get("statement", ""),
                "decision": decided.get(row.registration_id, ""),
                "assignment": document["assignment"],
            }
        )
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _declaration(dealt: Assignment) -> dict[str, object]:
    return {
        "page": dealt.experiment.page,
        "declaration": dealt.experiment.model_dump(mode="json"),
        "digest": dealt.experiment.digest,
        "assignment": dealt.digest,
        "seed": dealt.seed,
        "units": len(dealt.table),
    }


def _findings(reading: ExperimentReading) -> dict[str, object]:
    kept = ("tactic", "estimate", "std_error", "conf_low", "conf_high", "n", "unit", "grade", "finding", "statement", "action")
    verdicts = pd.DataFrame([verdict.to_row() for verdict in reading.verdicts])[list(kept)]
    return {
        "stopped": reading.stopped,
        "checks": [f"{check.name}: {check.detail}" for check in reading.checks if check.passed is False],
        "verdicts": json.loads(verdicts.to_json(orient="records")),
    }
