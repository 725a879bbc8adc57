"""A result is a sentence, a tidy table and its checks, and nothing else."""

import dataclasses
import pickle

import pandas as pd
import pytest

from partnerlab.errors import ParameterError
from partnerlab.results import Check, Evidence, Result

TABLE = pd.DataFrame([{"tier": "A", "estimate": 0.5, "std_error": 0.1, "conf_low": 0.3, "conf_high": 0.7, "n": 25, "deff": 1.2}])


def test_keys_are_the_columns_before_the_estimate():
    assert Result(estimand="Share in A", table=TABLE).keys == ["tier"]


def test_tidy_gives_a_copy():
    result = Result(estimand="Share in A", table=TABLE)
    copy = result.tidy()
    copy.loc[0, "estimate"] = 9.0

    assert result.tidy().loc[0, "estimate"] == 0.5


def test_a_result_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Result(estimand="Share in A", table=TABLE).estimand = "Something else"


def test_a_table_without_uncertainty_is_refused():
    with pytest.raises(TypeError, match="lacks std_error"):
        Result(estimand="Share in A", table=TABLE.drop(columns="std_error"))


def test_the_summary_says_estimand_grade_and_checks():
    result = Result(estimand="Share in A", table=TABLE, checks=(Check("partners", None, "25 partners"),), evidence=Evidence.C)

    assert "Share in A" in result.summary()
    assert "Evidence C: association." in result.summary()
    assert "partners: cannot tell. 25 partners" in result.summary()


def test_the_html_has_a_caption():
    assert "<caption>Share in A &amp; B</caption>" in Result(estimand="Share in A & B", table=TABLE)._repr_html_()


def test_a_result_keeps_its_table_whatever_is_done_to_it_outside():
    given = pd.DataFrame([{"tier": "A", "estimate": 0.5, "std_error": 0.1, "conf_low": 0.3, "conf_high": 0.7, "n": 25}])
    result = Result(estimand="Share", table=given)
    given.loc[0, "estimate"] = 9.0
    handed_out = result.table
    handed_out.iloc[0, 1] = 99.0
    handed_out["more"] = 1

    assert result.table["estimate"].tolist() == [0.5]
    assert list(result.table) == list(result.tidy())
    assert dataclasses.replace(result, level=0.9).table.equals(result.table)
    assert pickle.loads(pickle.dumps(result)).table.equals(result.table)


def test_evidence_may_be_written_as_its_letter_and_no_other():
    assert "Evidence C: association." in Result(estimand="Share in A", table=TABLE, evidence="C").summary()
    with pytest.raises(ParameterError, match="evidence is 'likely'; it is A, B, C or D"):
        Result(estimand="Share in A", table=TABLE, evidence="likely")
