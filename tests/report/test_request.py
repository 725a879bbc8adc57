"""A wrong question stops in one line, before anything is computed."""

from __future__ import annotations

import pandas as pd
import pytest

from partnerlab.errors import ContractError, ParameterError, SampleError, SourceError, SpecError
from partnerlab.intake import connect
from partnerlab.report.asked import segment_values
from partnerlab.report.request import load_printed_forecast, load_request, open_request, parse_segment
from partnerlab.report.sources import locate_source


@pytest.fixture(scope="module")
def source():
    from partnerlab.intake.simulate import Truth, simulate_program

    return simulate_program(Truth.plain(n_partners=40, n_quarters=8), seed=1).source()


def test_what_is_not_asked_is_found_out(source):
    request = load_request(source=source)

    assert request.quarter == source.program.calendar.label(source.program.calendar.period_of_date(request.until) - 1)
    assert request.segment_words == "all partners"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"quarter": "2031Q1"}, "quarter 2031Q1 is outside the data"),
        ({"quarter": "Q3"}, "'Q3' is not a quarter of this calendar"),
        ({"first": "1999Q1"}, "first 1999Q1 is outside the data"),
        ({"region": "NO", "segment": "country=NO"}, "not both"),
        ({"segment": "country"}, "not of the form attribute=value"),
    ],
)
def test_a_question_outside_the_data_is_refused_in_one_line(source, asked, message):
    with pytest.raises(ParameterError, match=message) as raised:
        load_request(source=source, **asked)

    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def record():
    """Deals from 2020 on, tiers recorded from 2023 on: thirty partners were there before, ten joined later, none has a day of leaving."""
    from partnerlab.intake import Program

    ids = [f"p{index:02d}" for index in range(40)]
    begun = pd.to_datetime(["2023-01-10"] * 30 + ["2023-08-01"] * 10)
    ended = [begun[index] + pd.Timedelta(days=91 * (1 + index % 9)) if index % 3 else pd.NaT for index in range(40)]
    tiers = pd.DataFrame({"partner_id": ids, "program_id": "p", "tier": "gold", "valid_from": begun, "valid_to": ended})
    tables = {
        "partners": pd.DataFrame({"partner_id": ids, "joined_at": ["2021-05-01", None] * 15 + ["2023-08-01"] * 10}),
        "tier_history": tables_as_known(tiers, truncated=30),
        "cases": pd.DataFrame({"case_id": ["1", "2"], "partner_id": ["p00", "p01"], "opened_at": ["2020-01-05 09:00", "2025-12-20 10:00"]}),
    }
    return connect(tables, program=Program(data_until="2026-01-01", tier_order="gold"))


def tables_as_known(tiers, *, truncated):
    """Say of the first rows that they had begun before the record does."""
    return tiers.assign(left_truncated=[index < truncated for index in range(len(tiers))]).astype(
        {"valid_from": "datetime64[us]", "valid_to": "datetime64[us]"}
    )


def _stays(source, first):
    from partnerlab.panel import build_panel
    from partnerlab.spells import build_spells
    from partnerlab.tiers import assign_tiers

    request = load_request(source=source, scheme="recorded", first=first)
    panel = build_panel(source, first=request.first, last=request.quarter, only=["tickets"])
    return request, panel, build_spells(assign_tiers(panel, request.scheme)).frame


def test_a_history_begins_no_earlier_than_the_record_that_membership_comes_from(record):
    assert load_request(source=record, scheme="recorded").first == "2023Q1"


def test_stays_are_the_same_wherever_the_history_begins(record):
    _, _, by_default = _stays(record, "")
    _, early, told = _stays(record, "2021Q1")

    pd.testing.assert_frame_equal(told, by_default)
    assert not told["start_known"].all()
    assert set(early.state[:, 0].tolist()) == {3}


def test_an_unknown_scheme_names_the_nearest(source):
    with pytest.raises(SpecError, match=r"'quadrnt'; did you mean 'quadrant'\?"):
        load_request(source=source, scheme="quadrnt")


def test_a_region_that_does_not_exist_is_refused(source):
    from partnerlab.panel import Panel

    request = load_request(source=source, region="XX")
    panel = Panel.from_frame(pd.DataFrame({"partner": ["a", "b"], "quarter": "2026Q1", "leads": 1, "region": ["NO", "DE"]}))

    with pytest.raises(ParameterError, match="no partner has region 'XX'"):
        request.select(panel)


def test_an_unknown_attribute_names_the_nearest():
    with pytest.raises(ParameterError, match=r"no attribute 'regoin'; did you mean 'region'\?"):
        segment_values(pd.DataFrame({"region": ["NO"]}), "regoin")


def test_norway_is_a_region():
    assert parse_segment(region="NO", segment="") == ("region", "NO")


def test_a_path_that_leads_nowhere_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SourceError, match=r"data/mine\.duckdb: no such file or folder"):
        locate_source("duckdb:///data/mine.duckdb")


def test_a_source_is_found_above_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.duckdb").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")

    assert locate_source("duckdb:///data/mine.duckdb") == f"duckdb:///{tmp_path}/data/mine.duckdb"


def test_servers_and_absolute_paths_are_left_alone():
    assert locate_source("postgresql://host/db?schema=x") == "postgresql://host/db?schema=x"
    assert locate_source("duckdb:////tmp/x.duckdb") == "duckdb:////tmp/x.duckdb"


def test_rejected_data_stop_before_anything_is_computed():
    partners = pd.DataFrame({"partner_id": ["a", "a"], "joined_at": ["2025-01-02", "2025-01-03"]})
    deals = pd.DataFrame({"deal_id": ["1", "2"], "partner_id": "a", "created_at": ["2025-02-01", "2025-12-01"], "status": "won"})

    with pytest.raises(ContractError):
        open_request(source=connect({"partners": partners, "deals": deals}))


def test_rejected_data_that_nobody_reads_stop_no_report():
    partners = pd.DataFrame({"partner_id": ["a"], "joined_at": ["2025-01-02"]})
    cases = pd.DataFrame({"case_id": ["1", "2"], "partner_id": "a", "opened_at": ["2025-02-01", "2025-12-30"]})
    surveys = pd.DataFrame({"response_id": ["1", "1"], "item": "x", "sent_at": "2025-02-01"})

    assert open_request(source=connect({"partners": partners, "cases": cases, "surveys": surveys})).quarter == "2025Q4"


def test_without_a_printed_forecast_there_is_none_to_score(source):
    with pytest.raises(SampleError, match=r"no forecast of .* was printed"):
        load_printed_forecast(load_request(source=source))
