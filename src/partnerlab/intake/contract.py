"""The data contract: which tables a program may have, and what each column means.

One place for both the machine (types, keys, closed lists, parents) and people
(`render_dictionary` prints ``data/README.md`` from it). Every table is optional;
an analysis says which ones it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from partnerlab.errors import MissingTableError, nearest
from partnerlab.intake.schema import TYPE_MEANINGS, Column, ColumnType, Table

#: Version of this contract; it is printed in every report's footer.
CONTRACT_VERSION = "1"

__all__ = ["CONTRACT_VERSION", "TABLES", "TYPE_MEANINGS", "Column", "Table", "find_table"]


def _must(name: str, kind: ColumnType, meaning: str, **more) -> Column:
    return Column(name=name, type=kind, meaning=meaning, nullable=False, **more)


def _may(name: str, kind: ColumnType, meaning: str, **more) -> Column:
    return Column(name=name, type=kind, meaning=meaning, **more)


def _partner(*, must: bool = False) -> Column:
    return Column(name="partner_id", type="id", meaning="the partner", nullable=not must, references="partners.partner_id")


_COMMON = (
    _may("source_system", "text", "system or extract that the row came from"),
    _may("source_id", "id", "the row's id in that system"),
    _may("recorded_at", "instant", "when the source knew it; several versions of a key differ in it", planned=True),
    _may("ingested_at", "instant", "when it was read into this source", planned=True),
    _may("row_hash", "text", "fingerprint of the row as it was read"),
)

_CURRENCY = _may("currency", "text", "ISO 4217 code of the amount; without it, the program's currency")
_MARKET = _may("customer_market", "text", "market of the customer, such as growth or established; not the partner's")
_PORTFOLIO = _may("portfolio", "text", "portfolio of products that it belongs to")
_FLAGS = (
    _may("left_truncated", "flag", "it had begun before the record does"),
    _may("right_censored", "flag", "it was still so when the record ends"),
)
_TACTICS = (
    "meeting", "call", "email", "training", "co_marketing", "lead_share", "mdf", "event", "content", "review", "listing_update", "other",
)  # fmt: skip


def _table(name: str, meaning: str, key: tuple[str, ...], *columns: Column, **more) -> Table:
    return Table(name=name, meaning=meaning, key=key, columns=(*columns, *_COMMON), **more)


_ALL = (
    _table(
        "partners", "One row for each partner.", ("partner_id",),
        _must("partner_id", "id", "the partner, stable for life"),
        _may("name", "text", "what people call it"),
        _may("partner_type", "category", "what it does for the program",
             values=("reseller", "distributor", "referral", "services", "technology", "training", "end_user", "other")),
        _may("country", "text", "ISO 3166 code, two letters"),
        _may("region", "text", "region of the program"),
        _may("market", "text", "market it sells in, such as emerging or established"),
        _may("segment", "text", "segment of the program"),
        _may("industry", "text", "industry it sells to"),
        _may("parent_partner_id", "id", "the partner it belongs to", references="partners.partner_id"),
        _may("program_id", "id", "the program it is in"),
        _may("joined_at", "date", "first day as a member"),
        _may("joined_source", "category", "where the join date comes from", values=("stated", "first_seen", "unknown")),
        _may("left_at", "date", "first day no longer a member", planned=True),
        _may("exit_reason", "text", "why it left"),
        _may("manager_id", "id", "its partner manager (hash)"),
        _may("is_test", "flag", "a test record: set aside"),
        time="joined_at", order=(("joined_at", "left_at"),),
    ),
    _table(
        "partner_aliases", "One row for each other name or id of a partner.", ("source_system", "source_id", "valid_from"),
        _partner(must=True),
        _may("alias", "text", "the other name"),
        _may("valid_from", "instant", "from when"),
        _may("valid_to", "instant", "until when (half open); empty while it lasts", planned=True),
        _may("match_method", "category", "how the two were matched", values=("exact", "domain", "name", "manual")),
        _may("match_score", "share", "how sure the match is", minimum=0, maximum=1),
        time="valid_from", interval=("valid_from", "valid_to"),
    ),
    _table(
        "partner_profile", "One row for each fact about a partner and the day from which it holds.", ("partner_id", "field", "valid_from"),
        _partner(must=True),
        _must("field", "text", "name of the fact, such as market_relevance"),
        _may("value", "text", "the fact as text"),
        _may("number", "number", "the fact as a number; yes is 1, no is 0"),
        _may("source", "category", "who says so", values=("self_reported", "measured", "attested", "manager_rated")),
        _must("valid_from", "date", "first day on which it holds"),
        time="valid_from",
    ),
    _table(
        "tier_history", "One row for each stay of a partner in a recorded tier.", ("partner_id", "program_id", "valid_from"),
        _partner(must=True),
        _may("program_id", "id", "the program that grants the tier"),
        _must("tier", "text", "the tier; the order is the program's tier_order"),
        _must("valid_from", "instant", "from when"),
        _may("valid_to", "instant", "until when (half open); empty while it lasts", planned=True),
        _may("origin", "category", "recorded by the program or derived by rule", values=("recorded", "derived")),
        _may("reason", "category", "why the tier was given", values=("assessment", "renewal", "admin", "manual", "unknown")),
        *_FLAGS,
        time="valid_from", interval=("valid_from", "valid_to"),
    ),
    _table(
        "leads", "One row for each lead handed over, either way.", ("lead_id",),
        _must("lead_id", "id", "the lead"),
        _partner(),
        _may("direction", "category", "submitted by the partner, or shared with it by the vendor", values=("submitted", "shared")),
        _must("created_at", "instant", "when it was handed over"),
        _may("disposition", "category", "what became of it", values=("new", "accepted", "rejected", "qualified", "converted", "expired")),
        _may("disposition_at", "instant", "when that was decided"),
        _may("relevance", "share", "how well it fits", minimum=0, maximum=1),
        _may("customer_id", "id", "the customer (hash)"),
        _may("region", "text", "region of the customer"),
        _may("converted_deal_id", "id", "the deal it became", references="deals.deal_id"),
        _may("duplicate_of", "id", "the lead it repeats", references="leads.lead_id"),
        time="created_at", order=(("created_at", "disposition_at"),),
    ),
    _table(
        "deals", "One row for each opportunity.", ("deal_id",),
        _must("deal_id", "id", "the deal"),
        _may("lead_id", "id", "the lead it came from", references="leads.lead_id"),
        _may("customer_id", "id", "the customer (hash)"),
        _must("created_at", "instant", "when it was registered"),
        _may("expected_close", "date", "when it is expected to close", planned=True),
        _may("closed_at", "instant", "when it was won or lost"),
        _must("status", "category", "how it stands", values=("open", "won", "lost", "void")),
        _may("stage", "text", "stage of the sales process"),
        _may("amount", "money", "value of the deal", unit="currency", minimum=0),
        _CURRENCY,
        _may("amount_base", "money", "value in the program's currency", unit="program currency", minimum=0),
        _may("deal_type", "category", "kind of sale", values=("new", "renewal", "upsell", "other")),
        _may("region", "text", "region of the deal"),
        _MARKET,
        _PORTFOLIO,
        time="created_at", order=(("created_at", "closed_at"),),
    ),
    _table(
        "deal_partners", "One row for each part that a partner plays in a deal.", ("deal_id", "partner_id", "role"),
        _must("deal_id", "id", "the deal", references="deals.deal_id"),
        _partner(must=True),
        _must("role", "category", "the part it plays", values=("sourced", "influenced", "fulfilled")),
        _may("is_primary", "flag", "the partner of record"),
        _may("weight", "share", "its share of the credit; the partners of a role sum to at most 1", minimum=0, maximum=1),
    ),
    _table(
        "deal_stage_history", "One row for each stage that a deal entered.", ("deal_id", "entered_at"),
        _must("deal_id", "id", "the deal", references="deals.deal_id"),
        _must("entered_at", "instant", "when it entered the stage"),
        _must("stage", "text", "the stage"),
        _may("amount", "money", "value of the deal then", unit="currency", minimum=0),
        _may("probability", "share", "chance of winning that sales stated then", minimum=0, maximum=1),
        time="entered_at",
    ),
    _table(
        "transactions", "One row for each line of money that moved.", ("txn_id",),
        _must("txn_id", "id", "the line"),
        _partner(),
        _may("deal_id", "id", "the deal or invoice it belongs to"),
        _may("booked_at", "instant", "when it was booked", instead="period_month"),
        _may("period_month", "date", "first day of the month, where only the month is known"),
        _must("kind", "category", "what moved", values=("invoice", "credit_note", "adjustment", "reward", "other")),
        _must("amount", "money", "signed: credit notes are negative", unit="currency"),
        _CURRENCY,
        _may("amount_base", "money", "signed amount in the program's currency", unit="program currency"),
        _may("quantity", "number", "signed number of units", unit="units"),
        _may("unit_price", "number", "price of one unit", unit="currency"),
        _may("product", "text", "what was sold"),
        _may("region", "text", "region of the sale"),
        _MARKET,
        _PORTFOLIO,
        time="booked_at",
    ),
    _table(
        "activities", "One row for each thing done with or for a partner.", ("activity_id",),
        _must("activity_id", "id", "the activity"),
        _partner(),
        _must("tactic", "category", "what was done", values=_TACTICS),
        _must("occurred_at", "instant", "when it happened"),
        _may("ended_at", "instant", "when it ended"),
        _may("outcome", "category", "how it went", values=("planned", "completed", "cancelled", "no_show", "unknown")),
        _may("initiated_by", "category", "who started it", values=("vendor", "partner", "system", "unknown")),
        _may("direction_of_value", "category", "did the vendor give something, or ask for it", values=("give", "ask")),
        _may("minutes", "number", "how long it took", unit="minutes", minimum=0),
        _may("manager_id", "id", "the partner manager (hash)"),
        _may("intensity", "number", "how much of it; 1 where nothing is said", minimum=0),
        _may("cost", "money", "what it cost the vendor", unit="currency", minimum=0),
        _CURRENCY,
        _may("campaign_id", "id", "the campaign it belongs to", references="campaigns.campaign_id"),
        _may("deal_id", "id", "the deal it served", references="deals.deal_id"),
        time="occurred_at", order=(("occurred_at", "ended_at"),),
    ),
    _table(
        "manager_time", "One row for each stretch of a partner manager's working time.", ("entry_id",),
        _must("entry_id", "id", "the entry"),
        _must("manager_id", "id", "the partner manager (hash)"),
        _partner(),
        _must("day", "date", "the day"),
        _must("minutes", "number", "how long", unit="minutes", minimum=0),
        _may("tactic", "category", "what on", values=_TACTICS),
        time="day",
    ),
    _table(
        "campaigns", "One row for each campaign.", ("campaign_id",),
        _must("campaign_id", "id", "the campaign"),
        _may("name", "text", "what people call it"),
        _may("tactic", "category", "what it does", values=_TACTICS),
        _must("start_date", "date", "first day", planned=True),
        _may("end_date", "date", "last day", planned=True),
        _may("cost", "money", "what it cost", unit="currency", minimum=0),
        _CURRENCY,
        time="start_date", order=(("start_date", "end_date"),),
    ),
    _table(
        "promotions", "One row for each offer to partners.", ("promotion_id",),
        _must("promotion_id", "id", "the offer"),
        _may("name", "text", "what people call it"),
        _may("target", "text", "for whom it was meant"),
        _may("announced_on", "date", "day it was announced", planned=True),
        _must("start_date", "date", "first day", planned=True),
        _may("end_date", "date", "last day", planned=True),
        _may("cost", "money", "what it cost", unit="currency", minimum=0),
        _CURRENCY,
        time="start_date", order=(("start_date", "end_date"),),
    ),
    _table(
        "promotion_uses", "One row for each partner that an offer was made to.", ("promotion_id", "partner_id"),
        _must("promotion_id", "id", "the offer", references="promotions.promotion_id"),
        _partner(must=True),
        _may("offered_at", "instant", "when it was offered"),
        _may("first_used_at", "instant", "when it was first used; empty if never"),
        time="offered_at", order=(("offered_at", "first_used_at"),),
    ),
    _table(
        "assignments", "One row for each unit of an experiment.", ("experiment_id", "unit_id"),
        _must("experiment_id", "id", "the experiment"),
        _must("unit_id", "id", "what was assigned"),
        _may("unit_type", "category", "what a unit is", values=("partner", "manager", "contact", "region")),
        _partner(),
        _must("variant", "text", "what it was assigned to"),
        _must("assigned_at", "instant", "when it was assigned"),
        _may("stratum", "text", "group within which it was assigned"),
        _may("p_assign", "share", "chance it had of this variant", minimum=0, maximum=1),
        _may("exposed_at", "instant", "when it first got it; empty if never"),
        time="assigned_at", order=(("assigned_at", "exposed_at"),),
    ),
    _table(
        "certifications", "One row for each certificate of a person or company.", ("cert_id",),
        _must("cert_id", "id", "the certificate"),
        _partner(must=True),
        _must("program", "text", "what it certifies"),
        _may("level", "text", "its level"),
        _may("product", "text", "the product it is for"),
        _may("region", "text", "region in which it counts"),
        _PORTFOLIO,
        _must("issued_at", "date", "first day it holds"),
        _may("expires_at", "date", "first day it no longer holds", planned=True),
        _may("revoked_at", "date", "day it was taken away"),
        _may("person_id", "id", "who holds it (hash); empty for a company's"),
        *_FLAGS,
        time="issued_at", order=(("issued_at", "expires_at"), ("issued_at", "revoked_at")),
    ),
    _table(
        "cases", "One row for each support ticket.", ("case_id",),
        _must("case_id", "id", "the ticket"),
        _partner(),
        _must("opened_at", "instant", "when it was opened"),
        _may("first_response_at", "instant", "when it was first answered"),
        _may("closed_at", "instant", "when it was closed"),
        _may("priority", "category", "how urgent", values=("low", "normal", "high", "urgent")),
        _may("category", "text", "what it was about"),
        _may("csat", "share", "satisfaction stated by the customer", minimum=0, maximum=1),
        _may("escalated", "flag", "it was escalated"),
        time="opened_at", order=(("opened_at", "first_response_at"), ("opened_at", "closed_at")),
    ),
    _table(
        "surveys", "One row for each survey question sent to a partner.", ("response_id",),
        _must("response_id", "id", "the question sent"),
        _partner(),
        _must("item", "text", "the question"),
        _must("sent_at", "instant", "when it was sent"),
        _may("answered_at", "instant", "when it was answered; empty if never"),
        _may("score", "number", "the answer"),
        time="sent_at", order=(("sent_at", "answered_at"),),
    ),
    _table(
        "overrides", "One row for each tier that a person set against the rule.", ("override_id",),
        _must("override_id", "id", "the override"),
        _partner(must=True),
        _may("scheme", "text", "tier scheme it is about; empty for any"),
        _must("tier", "text", "the tier set"),
        _must("valid_from", "date", "first day", planned=True),
        _may("valid_to", "date", "until when (half open); empty while it lasts", planned=True),
        _may("reason", "text", "why"),
        _may("decided_by", "id", "who decided (hash)"),
        _may("decided_at", "instant", "when"),
        time="valid_from", interval=("valid_from", "valid_to"),
    ),
    _table(
        "appeals", "One row for each time that a partner said its tier is wrong.", ("appeal_id",),
        _must("appeal_id", "id", "the appeal"),
        _partner(must=True),
        _may("scheme", "text", "tier scheme it is about"),
        _may("quarter", "text", "quarter whose tier is appealed, such as 2026Q3"),
        _may("claimed_tier", "text", "the tier that the partner claims"),
        _may("wrong_metric", "text", "indicator that the partner says is wrong"),
        _may("missing_deal_id", "id", "deal that the partner says is missing"),
        _may("evidence", "text", "what it gave as evidence"),
        _must("filed_at", "instant", "when it was filed"),
        _may("decided_at", "instant", "when it was decided"),
        _may("decision", "category", "how", values=("open", "upheld", "rejected")),
        _may("granted_tier", "text", "the tier that was granted"),
        _may("valid_to", "date", "until when the grant holds", planned=True),
        time="filed_at", order=(("filed_at", "decided_at"),),
    ),
    _table(
        "fx_rates", "One row for each day and pair of currencies.", ("date", "from", "to"),
        _must("date", "date", "the day"),
        _must("from", "text", "ISO 4217 code to convert from"),
        _must("to", "text", "ISO 4217 code to convert to"),
        _must("rate", "number", "units of 'to' for one of 'from'", minimum=0),
    ),
    _table(
        "quarters", "One row for each quarter, where the program's calendar is given as a table.", ("quarter_id",),
        _must("quarter_id", "id", "label, such as 2026Q3"),
        _must("start", "date", "first day", planned=True),
        _must("end", "date", "first day of the next", planned=True),
        _may("tz", "text", "IANA time zone"),
        _may("is_partial", "flag", "the data cover it only in part"),
    ),
    _table(
        "program", "One row: the program itself.", ("name",),
        _must("name", "text", "what people call it"),
        _may("start_month", "integer", "first month of its year, 1 to 12", minimum=1, maximum=12),
        _may("timezone", "text", "IANA time zone whose midnights cut the quarters"),
        _may("cadence", "text", "quarter or month"),
        _may("currency", "text", "ISO 4217 code of its currency"),
        _may("tier_order", "text", "recorded tiers, best first, separated by '>'"),
        _may("data_until", "date", "the data are complete up to this day (exclusive)"),
    ),
    _table(
        "ingest_manifest", "One row for each file that was read.", ("file_sha256",),
        _must("file_sha256", "id", "fingerprint of the file"),
        _may("path", "text", "where it was"),
        _may("encoding", "text", "its encoding"),
        _may("line_end", "text", "its line ends"),
        _may("delimiter", "text", "its delimiter"),
        _may("rows", "integer", "rows read", minimum=0),
        _may("as_of", "instant", "vintage of the extract"),
        _may("mapping_version", "text", "mapping that read it"),
        _may("naive_tz", "text", "zone that its naive times were read in"),
    ),
)  # fmt: skip

#: Every table of the contract by name.
TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _ALL})


def find_table(name: str) -> Table:
    """Find a table of the contract by name.

    Raises
    ------
    MissingTableError
        If the contract has no such table; it names the nearest.

    Examples
    --------
    >>> find_table("deals").key
    ('deal_id',)
    """
    if name not in TABLES:
        raise MissingTableError(f"the contract has no table {name!r}{nearest(name, TABLES)}", table=name)
    return TABLES[name]
