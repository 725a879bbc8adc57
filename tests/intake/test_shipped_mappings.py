"""The shipped mappings read exports shaped as those systems write them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from partnerlab.errors import SpecError
from partnerlab.intake import Mapping, connect, select_rows, validate

SALESFORCE = {
    "Account.csv": """Id,IsPartner,Name,Type,BillingCountryCode,Industry,ParentId,CreatedDate,OwnerId
001A,true,Alder,Reseller,DE,Software,,2023-02-01T09:00:00.000+0000,005X
001B,true,Birch,Technology Partner,NO,Retail,001A,2023-05-01T23:30:00.000+0000,005Y
001C,false,A customer,Customer - Direct,US,Retail,,2022-01-01T00:00:00.000+0000,005X
""",
    "Opportunity.csv": """Id,IsDeleted,AccountId,CreatedDate,CloseDate,IsClosed,IsWon,StageName,Amount,Type
006A,false,001C,2024-03-01T15:00:00.000+0000,2024-03-31,true,true,Closed Won,1200.50,New Business
006B,false,001C,2024-03-05T15:00:00.000+0000,2024-09-30,false,false,Proposal,,Existing Business
006C,false,001C,2024-02-05T15:00:00.000+0000,2024-02-05,true,false,Closed Lost,80,
006D,true,001C,2024-02-05T15:00:00.000+0000,2024-02-06,true,false,Closed Lost,80,
""",
    "OpportunityPartner.csv": """OpportunityId,AccountToId,Role,IsPrimary
006A,001A,Reseller,true
006A,001A,VAR/Reseller,false
006B,001B,Referral,false
""",
    "Event.csv": """Id,AccountId,IsChild,StartDateTime,ActivityDateTime,EndDateTime,Type,OwnerId
00U1,001A,false,2024-04-02T10:00:00.000+0000,,2024-04-02T11:00:00.000+0000,Call,005X
00U2,001A,true,2024-04-02T10:00:00.000+0000,,2024-04-02T11:00:00.000+0000,Call,005X
00U3,001C,false,2024-04-02T10:00:00.000+0000,,2024-04-02T11:00:00.000+0000,Meeting,005X
""",
    "Lead.csv": """Id,IsDeleted,CreatedDate,Status,IsConverted,ConvertedDate,ConvertedOpportunityId,MasterRecordId,PartnerAccountId
00Q1,false,2024-02-20T08:00:00.000+0000,Closed - Converted,true,2024-03-01,006A,,001A
00Q2,false,2024-02-21T08:00:00.000+0000,Open - Not Contacted,false,,,,001B
""",
}

HUBSPOT = {
    "company.csv": """id,is_deleted,property_name,property_type,property_country,property_industry,property_createdate
11,false,Alder,PARTNER,Germany,Software,2023-02-01 9:00:00
12,false,Birch,RESELLER,Norway,Retail,2023-05-01 10:00:00
13,false,A customer,PROSPECT,USA,Retail,2022-01-01 00:00:00
""",
    "deal.csv": """deal_id,is_deleted,deal_pipeline_stage_id,property_createdate,property_closedate,property_amount
901,false,s3,2024-03-01 15:00:00,2024-03-31 12:00:00,1200.5
902,false,s1,2024-03-05 15:00:00,2024-09-30 12:00:00,
903,true,s3,2024-03-05 15:00:00,2024-09-30 12:00:00,7
""",
    "deal_pipeline_stage.csv": """stage_id,label,is_closed,closed_won
s1,Proposal,FALSE,FALSE
s3,Closed won,TRUE,TRUE
""",
    "deal_company.csv": """company_id,deal_id,type_id,category
11,901,5,HUBSPOT_DEFINED
11,901,341,HUBSPOT_DEFINED
13,901,5,HUBSPOT_DEFINED
""",
    "engagement_meeting.csv": """engagement_id,start_time,end_time,meeting_outcome
77,2024-04-02 10:00:00,2024-04-02 11:00:00,COMPLETED
78,2024-04-03 10:00:00,2024-04-03 11:00:00,
""",
    "engagement_company.csv": """company_id,engagement_id,engagement_type
11,77,MEETING
13,78,MEETING
""",
    "ticket.csv": "id,is_deleted,property_closed_date,property_createdate,property_first_agent_reply_date,"
    """property_hs_ticket_category,property_hs_ticket_priority
31,FALSE,2020-11-10 14:54:50,2021-02-16 20:31:05,2021-02-17 21:59:58,question,MEDIUM
32,FALSE,2021-03-10 14:54:50,2021-02-16 20:31:05,,question,HIGH
""",
    "ticket_company.csv": """ticket_id,company_id
31,11
32,13
""",
}


def write_export(folder, files, *, extends, program="{name: Acme, timezone: America/New_York, currency: USD, data_until: 2024-10-01}"):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "acme.yaml").write_text(f"extends: {extends}\nprogram: {program}\n", encoding="utf-8")
    return connect(folder / "acme.yaml")


def rows(source, table, *columns):
    found = source.run(select_rows(source, table, columns=columns)).to_pylist()
    return sorted((tuple(row.values()) for row in found), key=str)


@pytest.fixture
def salesforce(tmp_path):
    return write_export(tmp_path, SALESFORCE, extends="salesforce")


@pytest.fixture
def hubspot(tmp_path):
    return write_export(tmp_path, HUBSPOT, extends="hubspot")


@pytest.mark.parametrize("name", ["salesforce", "hubspot", "two_files"])
def test_shipped_mapping_loads(name):
    assert Mapping.load(name).tables


def test_only_partner_accounts_are_partners_and_days_are_the_programs(salesforce):
    found = rows(salesforce, "partners", "partner_id", "partner_type", "country", "joined_at")

    # half past eleven at night in UTC is the same evening in New York
    assert found == [("001A", "reseller", "DE", date(2023, 2, 1)), ("001B", "technology", "NO", date(2023, 5, 1))]


def test_closed_deal_closes_at_the_end_of_its_day_in_new_york(salesforce):
    found = rows(salesforce, "deals", "deal_id", "status", "closed_at", "amount", "deal_type")

    assert found == [
        ("006A", "won", datetime(2024, 4, 1, 3, 59, 59), Decimal("1200.50"), "new"),
        ("006B", "open", None, None, "upsell"),
        ("006C", "lost", datetime(2024, 2, 6, 4, 59, 59), Decimal("80.00"), None),
    ]


def test_one_partner_named_twice_on_a_deal_plays_one_part(salesforce):
    assert rows(salesforce, "deal_partners", "deal_id", "partner_id", "role", "is_primary") == [
        ("006A", "001A", "fulfilled", True),
        ("006B", "001B", "sourced", False),
    ]


def test_attendee_copies_and_customers_meetings_are_no_activities(salesforce):
    assert rows(salesforce, "activities", "activity_id", "tactic", "occurred_at") == [("00U1", "call", datetime(2024, 4, 2, 10))]


def test_leads_say_what_became_of_them(salesforce):
    assert rows(salesforce, "leads", "lead_id", "partner_id", "disposition") == [("00Q1", "001A", "converted"), ("00Q2", "001B", "new")]


def test_objects_that_were_not_exported_are_absent(salesforce):
    assert set(salesforce.columns()) == {"activities", "deal_partners", "deals", "leads", "partners"}


def test_salesforce_export_has_nothing_to_reject(salesforce):
    quality = validate(salesforce)

    assert quality.passed
    assert quality.count("Q2") == 0


def test_hubspot_deals_take_their_status_from_the_stage(hubspot):
    assert rows(hubspot, "deals", "deal_id", "status", "closed_at", "stage") == [
        ("901", "won", datetime(2024, 3, 31, 12), "Closed won"),
        ("902", "open", None, "Proposal"),
    ]


def test_hubspot_partner_of_a_deal_is_a_company_with_the_property(hubspot):
    assert rows(hubspot, "deal_partners", "deal_id", "partner_id", "role") == [("901", "11", "influenced")]


def test_hubspot_meetings_reach_their_partner(hubspot):
    assert rows(hubspot, "activities", "partner_id", "tactic", "outcome") == [("11", "meeting", "completed")]


def test_hubspot_ticket_closed_before_it_was_opened_is_set_aside(hubspot):
    assert validate(hubspot).count("Q2", table="cases") == 1
    assert rows(hubspot, "cases", "case_id", "partner_id", "priority") == [("32", None, "high")]


def test_two_files_are_a_program(tmp_path):
    files = {
        "partners.csv": "partner_id,name,region,joined_at\nP1,Alder,EMEA,2023-02-01\nP2,Birch,APAC,2023-05-01\n",
        "deals.csv": "deal_id,partner_id,created_at,closed_at,status,amount\n1,P1,2024-01-05,2024-03-31,Won,1000\n2,,2024-02-05,,open,\n",
    }

    source = write_export(tmp_path, files, extends="two_files")

    assert rows(source, "deals", "deal_id", "status", "closed_at") == [("1", "won", datetime(2024, 3, 31, 4)), ("2", "open", None)]
    assert rows(source, "deal_partners", "deal_id", "partner_id") == [("1", "P1")]
    assert source.program.name == "Acme"


def test_export_without_the_partner_flag_says_which_column_is_missing(tmp_path):
    files = SALESFORCE | {"Account.csv": "Id,Name,Type\n001A,Alder,Reseller\n"}

    with pytest.raises(SpecError, match=r"salesforce\.yaml, line \d+, tables\.partners.*no column"):
        write_export(tmp_path, files, extends="salesforce")
