"""What partners say they are, loaded by voice: as it stood on a day, or as intervals."""

import pandas as pd
import pytest

from partnerlab.errors import MissingTableError, ParameterError, SampleError
from partnerlab.intake import connect
from partnerlab.panel import load_categories
from partnerlab.tiers import TierHistory, estimate_agreement

PARTNERS = pd.DataFrame({"partner_id": [f"p{i:02d}" for i in range(30)]})


def _source(*rows):
    """Rows of (partner, value, source, valid_from), all of the field "model"."""
    profile = pd.DataFrame(rows, columns=["partner_id", "value", "source", "valid_from"]).assign(field="model")
    return connect({"partners": PARTNERS, "partner_profile": profile})


SAID = (
    ("p00", "reseller", "self_reported", "2025-01-01"),
    ("p00", "referral", "self_reported", "2026-02-01"),
    ("p00", "services", "measured", "2025-06-01"),
    ("p01", "reseller", "self_reported", "2025-03-01"),
    ("p01", None, "self_reported", "2025-09-01"),
)


def test_each_voice_is_heard_alone():
    assert load_categories(_source(*SAID), field="model", said_by="measured")["tier"].tolist() == ["services"]


def test_what_is_said_anew_ends_what_was_said_before():
    found = load_categories(_source(*SAID), field="model")

    assert found[["partner", "tier"]].to_numpy().tolist() == [["p00", "reseller"], ["p00", "referral"], ["p01", "reseller"]]
    assert found["valid_to"].dt.strftime("%Y-%m-%d").tolist()[::2] == ["2026-02-01", "2025-09-01"]


@pytest.mark.parametrize(
    ("day", "expected"), [("2025-02-28", ["reseller"]), ("2025-03-01", ["reseller"] * 2), ("2026-02-01", ["referral"])]
)
def test_on_a_day_one_row_for_each_partner(day, expected):
    assert load_categories(_source(*SAID), field="model", on=day)["tier"].tolist() == expected


def test_words_become_names_of_tiers():
    found = load_categories(_source(*SAID), field="model", names={"reseller": "Reseller", "referral": "Referral"})

    assert found["tier"].tolist() == ["Reseller", "Referral", "Reseller"]


def test_said_and_measured_are_compared_in_one_step_each():
    rows = [(f"p{i:02d}", "reseller" if i < 20 else "referral", "self_reported", "2025-01-01") for i in range(30)]
    rows += [(f"p{i:02d}", "reseller" if i < 15 else "referral", "measured", "2025-01-01") for i in range(30)]
    source = _source(*rows)
    observed = TierHistory.from_frame(load_categories(source, field="model", said_by="measured"), order=["reseller", "referral"])
    found = estimate_agreement(observed, said=load_categories(source, field="model", on="2025-03-31"), quarter="2025Q1")

    assert found.tidy().loc[0, ["estimate", "n"]].astype(float).round(3).tolist() == [0.667, 30.0]
    assert found.pairs.loc["reseller", "referral"] == 5


@pytest.mark.parametrize(
    ("keys", "kind", "said"),
    [
        ({"field": "modle"}, SampleError, "did you mean 'model'"),
        ({"field": "model", "said_by": "attested"}, SampleError, "never attested; it is said by measured, self_reported"),
        ({"field": "model", "said_by": "hearsay"}, ParameterError, "said_by is 'hearsay'"),
        ({"field": "model", "names": {"resellr": "R"}}, ParameterError, "did you mean 'resellr'"),
    ],
)
def test_what_nobody_said_is_refused_in_one_line(keys, kind, said):
    with pytest.raises(kind) as caught:
        load_categories(_source(*SAID), **keys)
    assert said in str(caught.value)


def test_without_a_profile_there_is_nothing_to_load():
    with pytest.raises(MissingTableError, match="partner_profile"):
        load_categories(connect({"partners": PARTNERS}), field="model")
