"""Two real programs through mappings that a user could have written: the report names the dirt that is in them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from partnerlab.intake import DataQuality, connect, select_rows, validate

pytestmark = pytest.mark.external

MAPPINGS = Path(__file__).parent / "mappings"


@pytest.fixture(scope="module")
def folder(external_data) -> Path:
    """Folder that holds the real data."""
    return external_data / "data"


def finding(quality: DataQuality, rule: str, words: str) -> pd.Series:
    """The one finding of a rule whose meaning holds these words."""
    found = quality.table[(quality.table["rule"] == rule) & quality.table["meaning"].str.contains(words)]
    assert len(found) == 1, found
    return found.iloc[0]


@pytest.fixture(scope="module")
def wholesale(facts):
    with connect(MAPPINGS / "wholesale_accounts.yaml") as source:
        yield source, validate(source, tables=["partners", "partner_profile", "transactions"]), facts("wholesale_accounts")


@pytest.fixture(scope="module")
def cncf(facts):
    with connect(MAPPINGS / "cncf_partners.yaml") as source:
        yield source, validate(source), facts("cncf_partners")


def test_wholesale_has_nothing_to_reject_and_loses_no_line(wholesale):
    source, quality, told = wholesale

    assert quality.passed
    assert (quality.tables["partners"], quality.tables["transactions"]) == (told["accounts"], told["lines"])
    assert source.run(select_rows(source, "transactions", columns=["txn_id"])).num_rows == told["lines"]


def test_wholesale_lines_without_an_account(wholesale):
    _, quality, told = wholesale

    assert round(finding(quality, "W1", "no partner")["share"], 4) == told["missing_account_share"]


def test_wholesale_exact_duplicates_are_reported_and_kept(wholesale):
    _, quality, told = wholesale
    found = finding(quality, "W2", "exact duplicates")

    assert found["rows"] == told["exact_duplicate_lines"]
    assert found["action"].startswith("kept")


def test_wholesale_cancellations_and_prices(wholesale):
    _, quality, told = wholesale

    assert finding(quality, "W17", "cancellations")["rows"] == told["cancel_lines"]
    assert finding(quality, "W11", "unit price is zero")["rows"] == told["zero_price"]
    assert finding(quality, "W11", "unit price is negative")["rows"] == told["negative_price"]


def test_wholesale_codes_that_are_no_products(wholesale, folder):
    _, quality, _ = wholesale
    lines = pd.read_parquet(folder / "wholesale_accounts" / "lines.parquet", columns=["invoice", "stock_code", "quantity"])
    codes = {"POST", "DOT", "M", "D", "S", "B", "C2", "CRUK", "PADS", "BANK CHARGES", "AMAZONFEE", "ADJUST", "ADJUST2"}
    billed = lines["invoice"].astype(str).str.startswith("C") | (lines["quantity"] >= 0)

    found = finding(quality, "Q6", "not a product")

    assert found["rows"] == (lines["stock_code"].astype(str).str.upper().isin(codes) & billed).sum()
    assert (
        found["action"]
        == "kept, as the program says: postage, charges and corrections are billed to the account and count in its net value"
    )


def test_wholesale_accounts_that_net_to_nothing(wholesale):
    """Five more than the facts say: their amounts cancel to the penny, which floating point had left a hair above zero."""
    _, quality, told = wholesale

    assert finding(quality, "W17", "net to zero or less")["rows"] == told["accounts_net_nonpositive"] + 5


def test_wholesale_accounts_in_two_countries(wholesale):
    _, quality, _ = wholesale

    assert finding(quality, "W4", "several countries")["rows"] == 13


def test_wholesale_money_is_exact_to_the_penny(wholesale):
    source, _, told = wholesale
    lines = source.run(select_rows(source, "transactions", columns=["partner_id", "amount"])).to_pandas().dropna()

    # each line is rounded to pennies before it is summed; the facts sum unrounded products
    assert float(lines["amount"].sum()) == pytest.approx(told["net_gbp_identified"], abs=25)


def test_wholesale_first_and_last_quarters_are_partial(wholesale):
    _, quality, _ = wholesale

    assert "2009Q4 is partial" in finding(quality, "W10", "first quarter")["meaning"]
    assert "2011Q4 is partial" in finding(quality, "W10", "last quarter")["meaning"]


def test_wholesale_summer_times_are_london_times(wholesale):
    source, _, _ = wholesale
    first = source.run(select_rows(source, "transactions", columns=["txn_id", "booked_at"])).to_pandas().set_index("txn_id")["booked_at"]
    # invoice 506401 was written on 29 April 2010 at 13:36 by the clock on the wall
    assert first["A-179404"] == pd.Timestamp("2010-04-29 12:36")


def test_wholesale_overlapping_extracts_are_told(folder, tmp_path, facts):
    told = facts("wholesale_accounts")
    data = folder / "wholesale_accounts"
    with gzip.open(data / "overlap_lines_2010-12.csv.gz", "rt", encoding="utf-8") as file:
        overlap = pd.read_csv(file, dtype=str)
    lines = pd.read_parquet(data / "lines.parquet").query("invoice in @overlap.invoice.unique()")
    both = pd.concat([overlap.assign(source="A"), lines.assign(source="B").astype(str)])
    both[["invoice", "invoice_ts_local", "account_id", "stock_code", "quantity", "unit_price_gbp", "source"]].to_csv(
        tmp_path / "both.csv", index=False
    )
    (tmp_path / "overlap.yaml").write_text(
        """
tables:
  transactions:
    from: both.csv
    naive_tz: Europe/London
    columns:
      {txn_id: source_row, partner_id: "account_id::double::bigint", deal_id: invoice, booked_at: invoice_ts_local, kind: "'invoice'",
       amount: "quantity::double * unit_price_gbp::double", quantity: quantity, unit_price: unit_price_gbp, product: stock_code,
       source_system: source}
""",
        encoding="utf-8",
    )

    quality = validate(connect(tmp_path / "overlap.yaml"))

    assert len(overlap) == 22_523
    assert finding(quality, "W3", "two extracts")["rows"] == len(overlap)
    assert told["invoices"] > overlap["invoice"].nunique() == 1_088


def test_cncf_has_nothing_to_reject(cncf):
    _, quality, told = cncf

    assert quality.passed
    assert quality.tables["partners"] == told["partners"]
    assert quality.tables["tier_history"] == told["tier_intervals"]
    assert quality.tables["certifications"] == told["certifications"]
    assert quality.tables["deals"] == told["contributions"]


def test_cncf_join_dates_are_often_not_stated(cncf):
    _, quality, told = cncf

    assert finding(quality, "W5", "not stated by the program")["share"] == pytest.approx(
        told["joined_date_missing_share_members"], abs=0.01
    )
    assert finding(quality, "W5", "several stated")["rows"] == 55
    assert finding(quality, "W5", "after the first recorded tier")["rows"] == 128


def test_cncf_most_contributions_are_nobodys(cncf):
    _, quality, told = cncf
    found = quality.table.query("rule == 'W1' and table == 'deals'").iloc[0]

    assert found["share"] == pytest.approx(1 - told["contributions_attributed_share"], abs=5e-5)
    assert found["share"] > 0.5


def test_cncf_wrong_clocks_set_contributions_aside(cncf):
    source, quality, told = cncf

    assert quality.count("Q2", table="deals") == 6
    assert source.run(select_rows(source, "deals", columns=["deal_id"])).num_rows == told["contributions"] - 6


def test_cncf_conflicting_tiers_that_the_mapping_resolved(cncf):
    _, quality, _ = cncf

    assert finding(quality, "W12", "conflicting tiers")["rows"] == 4


def test_cncf_batch_terminations(cncf):
    """Annual renewals and clean-ups: January of 2022 to 2024 above all."""
    _, quality, _ = cncf
    found = finding(quality, "W7", "batch terminations")

    assert found["share"] > 0.25
    assert "2024-01" in found["examples"]


def test_cncf_truncation_censoring_and_renames(cncf):
    _, quality, _ = cncf

    stays = quality.table.query("rule == 'W8' and table == 'tier_history'").set_index("column")["rows"].to_dict()
    assert stays == {"left_truncated": 431, "right_censored": 770}
    assert finding(quality, "W4", "several names")["rows"] > 50


def test_cncf_raw_listings_as_tiers_are_rejected_for_their_conflicts(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PARTNERLAB_EXTERNAL_DATA", str(folder.parent))
    (tmp_path / "raw.yaml").write_text(
        """
program: {name: cncf, tier_order: Platinum > Gold > Silver > End User Supporter > Nonprofit > Academic}
tables:
  tier_history:
    from: ${PARTNERLAB_EXTERNAL_DATA}/data/cncf_partners/listings_raw.csv.gz
    where: kind = 'member'
    columns: {partner_id: partner_id, program_id: "'cncf'", tier: subcategory, valid_from: first_snapshot, valid_to: last_snapshot}
""",
        encoding="utf-8",
    )

    quality = validate(connect(tmp_path / "raw.yaml"))

    assert not quality.passed
    assert quality.count("E3") > 0


def open_extract(folder: Path, place: Path, name: str, mapping: str) -> DataQuality:
    """The extracts have no partner property, so every company stands in."""
    (place / "own.yaml").write_text(mapping.replace("FOLDER", str(folder / "crm_fixtures" / name)), encoding="utf-8")
    return validate(connect(place / "own.yaml"))


def test_salesforce_developer_sample_was_created_after_it_was_closed(folder, tmp_path):
    quality = open_extract(folder, tmp_path, "salesforce_devorg", DEVORG)

    assert not quality.count("E2")
    assert quality.tables["deals"] == 36
    assert quality.count("Q2", table="deals") > 0
    assert not quality.count("Q3")


def test_hubspot_extract_is_read_through_the_shipped_mapping(folder, tmp_path):
    quality = open_extract(folder, tmp_path, "hubspot", HUBSPOT)

    assert not quality.count("E2")
    assert quality.tables["deals"] > 0
    # tickets that were closed before they were opened
    assert quality.count("Q2", table="cases") > 0
    # associations of companies and deals that the extract does not hold
    assert quality.count("Q5", table="deal_partners") > 0


DEVORG = """
program: {name: devorg, timezone: America/New_York, currency: USD}
tables:
  partners:
    from: FOLDER/Account.csv
    columns: {partner_id: Id, name: Name, industry: Industry, parent_partner_id: ParentId}
  deals:
    from: FOLDER/Opportunity.csv
    naive_tz: {closed_at: program}
    columns:
      deal_id: Id
      created_at: strptime(CreatedDate, '%m/%d/%y')::date
      expected_close: strptime(CloseDate, '%m/%d/%y')::date
      closed_at: CASE WHEN IsClosed::boolean THEN strptime(CloseDate, '%m/%d/%y') + INTERVAL 1 DAY - INTERVAL 1 SECOND END
      status: CASE WHEN NOT IsClosed::boolean THEN 'open' WHEN IsWon::boolean THEN 'won' ELSE 'lost' END
      stage: StageName
      amount: Amount
  deal_partners:
    from: FOLDER/Opportunity.csv
    columns: {deal_id: Id, partner_id: AccountId, role: "'sourced'"}
  deal_stage_history:
    from: FOLDER/OpportunityHistory.csv
    naive_tz: program
    group_by: [OpportunityId, CreatedDate]
    columns:
      deal_id: OpportunityId
      entered_at: strptime(CreatedDate, '%m/%d/%y %I:%M %p')
      stage: any_value(StageName)
      probability: max(Probability::double) / 100
"""

HUBSPOT = """
extends: hubspot
program: {name: portal}
naive_tz: UTC
files:
  company.csv: FOLDER/company_data.csv
  deal.csv: FOLDER/deal_data.csv
  deal_company.csv: FOLDER/deal_company_data.csv
  deal_pipeline_stage.csv: FOLDER/deal_pipeline_stage_data.csv
  deal_property_history.csv: FOLDER/deal_property_history_data.csv
  engagement_meeting.csv: FOLDER/engagement_meeting_data.csv
  engagement_call.csv: FOLDER/engagement_call_data.csv
  engagement_company.csv: FOLDER/engagement_company_data.csv
  ticket.csv: FOLDER/ticket_data.csv
  ticket_company.csv: FOLDER/ticket_company_data.csv
tables:
  partners:
    from: company.csv
    where: NOT coalesce(is_deleted::boolean, false)
    columns: {partner_id: id, name: property_name, country: property_country, joined_at: property_createdate, joined_source: "'first_seen'"}
  deal_partners:
    from: deal_company.csv
    group_by: [deal_id, company_id]
    columns: {deal_id: deal_id, partner_id: company_id, role: "'influenced'"}
  activities:
    from: engagement_meeting.csv
    columns: {activity_id: engagement_id, tactic: "'meeting'", occurred_at: start_time, ended_at: end_time}
  cases:
    from: ticket.csv
    join: {link: {from: ticket_company.csv, on: {id: ticket_id}}}
    where: NOT coalesce(is_deleted::boolean, false)
    columns:
      case_id: id
      partner_id: link.company_id
      opened_at: property_createdate
      first_response_at: property_first_agent_reply_date
      closed_at: property_closed_date
      priority: lower(property_hs_ticket_priority)
"""
