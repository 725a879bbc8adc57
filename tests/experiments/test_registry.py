"""Experiments are remembered: registered before they are read, with what was found and decided."""

import numpy as np
import pandas as pd
import pytest

from partnerlab import (
    Experiment,
    Ledger,
    Metric,
    Stakes,
    Trial,
    analyze_experiment,
    assign_variants,
    load_experiments,
    record_decision,
    record_experiment,
)
from partnerlab.errors import LedgerError, ParameterError


@pytest.fixture
def ledger(tmp_path):
    return Ledger.open(tmp_path / "program.duckdb")


def _dealt(seed=1, **asked):
    given = {
        "name": "dinner",
        "hypothesis": "It helps.",
        "tactic": "Dinner",
        "stakes": Stakes(unit="leads"),
        "metrics": (Metric(name="leads"),),
    }
    return assign_variants(Experiment(**given | asked), units=_units(), seed=seed)


def _units():
    return pd.DataFrame({"partner": [f"p{place:02d}" for place in range(40)]})


def _read(dealt):
    random = np.random.default_rng(1)
    frame = dealt.label(_units())
    frame = frame.assign(leads=random.normal(size=len(frame)) + 3 * (frame["variant"] == "treatment"))
    return analyze_experiment(Trial.from_frame(frame, experiment=dealt.experiment), assignment=dealt, draws=99)


def test_an_experiment_is_remembered_from_deal_to_decision(ledger):
    dealt = _dealt()
    record_experiment(ledger, dealt, program="demo")
    record_experiment(ledger, dealt, program="demo", reading=_read(dealt))
    record_decision(ledger, "Dinners for all", program="demo", quarter="2026Q3", about="dinner")
    row = load_experiments(ledger, program="demo").iloc[0]

    assert row["grade"] == "A"
    assert row["statement"].startswith("Dinner caused")
    assert row["decision"] == "Dinners for all"
    assert (row["units"], row["assignment"]) == (40, dealt.digest)


def test_an_experiment_waits_for_its_reading(ledger):
    record_experiment(ledger, _dealt(), program="demo")

    assert load_experiments(ledger, program="demo")["grade"].tolist() == [""]
    assert load_experiments(ledger, program="other").empty


def test_the_same_registered_again_is_the_first_record(ledger):
    assert record_experiment(ledger, _dealt(), program="demo") == record_experiment(ledger, _dealt(), program="demo")
    assert len(load_experiments(ledger, program="demo")) == 1


@pytest.mark.parametrize("other", [{"seed": 2}, {"hypothesis": "It harms."}])
def test_a_second_deal_under_one_name_is_refused(ledger, other):
    record_experiment(ledger, _dealt(), program="demo")

    with pytest.raises(LedgerError, match="needs a new name"):
        record_experiment(ledger, _dealt(**other), program="demo")


def test_a_reading_before_the_registration_is_refused(ledger):
    dealt = _dealt()

    with pytest.raises(LedgerError, match="never registered"):
        record_experiment(ledger, dealt, program="demo", reading=_read(dealt))


def test_outcomes_get_the_variants_that_were_dealt():
    dealt = _dealt()
    frame = dealt.label(pd.concat([_units(), pd.DataFrame({"partner": ["stranger"]})]))

    assert len(frame) == 40
    assert frame.set_index("partner")["variant"].sort_index().tolist() == dealt.table["variant"].tolist()
    with pytest.raises(ParameterError, match="already"):
        dealt.label(frame)
    with pytest.raises(ParameterError, match="did you mean 'partnr'"):
        dealt.label(pd.DataFrame({"partnr": ["p01"]}))
