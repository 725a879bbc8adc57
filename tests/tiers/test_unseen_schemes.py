"""Schemes as vendors publish them, from raw rows to explanations, by hand and from the command line.

A ladder with certificates of persons (as of a cloud vendor), points with growth markets that fall only once a year (as of a
marketing suite), two paths of which the better counts (as of a software vendor), and regions that are counted (as of a network vendor).
The rules are exercises of the format; numbers are worked out by hand in the comments.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import partnerlab as lab
from partnerlab.cli import main
from partnerlab.tiers import TierHistory, TierScheme, assign_tiers, explain_tier, lint_scheme, plan_steps

FIRST, LAST = "2025Q1", "2026Q2"


def certificates(partner: str, *held: tuple[str, str]) -> list[dict]:
    return [
        {"partner_id": partner, "person_id": f"{partner}-{person}", "program": program, "issued_at": "2024-06-01"}
        for person, program in held
    ]


def deals(partner: str, *closed: tuple[str, str]) -> list[dict]:
    return [{"partner_id": partner, "closed_at": day, "region": region} for day, region in closed]


def sales(partner: str, *booked: tuple[str, float, str]) -> list[dict]:
    return [{"partner_id": partner, "booked_at": day, "amount": amount, "customer_market": market} for day, amount, market in booked]


CERTIFICATES = [
    # a: two technical persons, one of them with two certificates; b: two, one by a certificate that retires in 2026
    *certificates("a", ("1", "associate"), ("1", "professional"), ("2", "associate"), ("3", "accredited"), ("4", "accredited")),
    *certificates("b", ("1", "associate"), ("2", "sysops"), ("3", "accredited"), ("4", "accredited")),
    *certificates("c", ("1", "accredited")),
]
A_DAYS = ("2025-02-01", "2025-05-01", "2025-08-01", "2025-11-01", "2026-02-01", "2026-05-01")
B_DAYS = ("2025-01-10", "2025-04-10", "2025-07-10", "2025-10-10", "2026-01-10", "2026-04-10")
DEALS = [
    *deals("a", *zip(A_DAYS, ("EU", "EU", "US", "US", "APAC", "APAC"), strict=True)),
    *deals("b", *((day, "EU") for day in B_DAYS)),
    *deals("c", ("2026-05-20", "US")),
]
SALES = [
    # a earns in growth markets, b in established ones, c once
    *sales("a", *[(f"2025-{month:02d}-15", 400.0, "growth") for month in (1, 4, 7, 10)]),
    *sales("b", *[(f"2025-{month:02d}-15", 500.0, "established") for month in (1, 4, 7, 10)], ("2026-01-15", 100.0, "established")),
    *sales("c", ("2026-05-15", 900.0, "established")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The program's raw tables as CSV."""
    path = tmp_path_factory.mktemp("program")
    rows = [dict(deal, deal_id=f"d{index}", status="won", created_at=deal["closed_at"]) for index, deal in enumerate(DEALS)]
    tables = {
        "program": pd.DataFrame([{"name": "Vendor", "currency": "USD", "data_until": "2026-07-01"}]),
        "partners": pd.DataFrame({"partner_id": list("abc"), "joined_at": "2024-01-01", "region": ["EU", "EU", "US"]}),
        "certifications": pd.DataFrame(CERTIFICATES).assign(cert_id=lambda table: [f"c{index}" for index in range(len(table))]),
        "deals": pd.DataFrame(rows).drop(columns="partner_id"),
        "deal_partners": pd.DataFrame([{"deal_id": deal["deal_id"], "partner_id": deal["partner_id"], "role": "sourced"} for deal in rows]),
        "transactions": pd.DataFrame(SALES).assign(
            txn_id=lambda table: [f"t{index}" for index in range(len(table))], kind="invoice", currency="USD"
        ),
    }
    for name, table in tables.items():
        table.to_csv(path / f"{name}.csv", index=False)
    return path


LADDER = """
scheme: cloud
indicators: cloud_indicators.yaml
params: {deals_of_a_premier: 4}
classify:
  kind: ladder
  levels:
    - name: Advanced
      inherits: Select
      all: [technical >= 2, won >= $deals_of_a_premier]
    - name: Select
      all: [accredited >= 1, won >= 1]
    - name: Registered
      all: []
movement: {cadence: {up: quarter, down: year}}
glossary:
  Advanced: two technical people and four deals won in a year
  Select: an accredited person and a deal won in a year
  Registered: every other partner
  technical: people with a technical certificate that the vendor still accepts
  accredited: people with an accreditation
  won: deals won in four quarters
  deals_of_a_premier: deals that an Advanced partner wins in a year
"""
LADDER_INDICATORS = """
indicators:
  technical: {from: certifications, statistic: held, any_of: [associate, professional, sysops], retired: {sysops: 2026-01-01},
    meaning: people with a technical certificate that the vendor still accepts}
  accredited: {from: certifications, statistic: held, any_of: [accredited], meaning: people with an accreditation}
  won: {from: deals, role: sourced, where: status = 'won', at: closed_at, window: 4, meaning: deals won in four quarters}
"""

POINTS = """
scheme: suite
indicators: suite_indicators.yaml
params: {gold: 3000, silver: 1000}
classify:
  kind: bands
  value: points
  bands: [{name: Gold, from: $gold}, {name: Silver, from: $silver}, {name: Member}]
movement: {cadence: {up: quarter, down: half_year}}
glossary:
  Gold: 3,000 points of sales in a year
  Silver: 1,000 points of sales in a year
  Member: every other partner
  points: sales of four quarters, those to customers in growth markets twice
  gold: points for Gold
  silver: points for Silver
"""
POINTS_INDICATORS = """
indicators:
  points: {from: transactions, statistic: sum, value: amount, window: 4, meaning: "sales of four quarters, growth markets twice",
    points: {rates: [{rate: 1, until: 2025-07-01}, {rate: 1.5, from: 2025-07-01}],
             multipliers: [{times: 2, where: customer_market = 'growth'}]}}
"""

PATHS = """
scheme: paths
indicators: paths_indicators.yaml
scores:
  points:
    meaning: the better of two paths, 0 to 100
    combine: sum
    max: 100
    parts:
      - id: best_path
        max_of:
          - id: enterprise
            max: 100
            sum_of:
              - {id: large_deals, metric: won, shape: {per: 15, max: 60}}
              - {id: experts, metric: technical, shape: {per: 20, max: 40}, requires: [accredited >= 2]}
          - id: small_business
            max: 100
            sum_of:
              - {id: volume, metric: sales, shape: {per: 50/2000, max: 50}}
              - {id: staff, metric: accredited, shape: {per: 25, max: 50}}
    unknown: zero
classify:
  kind: ladder
  levels:
    - {name: Solutions partner, all: [points >= 70]}
    - {name: Partner, all: []}
glossary:
  Solutions partner: 70 points on one of two paths
  Partner: every other partner
  points: the better of the two paths, 0 to 100
  won: deals won in four quarters
  technical: people with a technical certificate
  accredited: people with an accreditation
  sales: sales of four quarters
"""
PATHS_INDICATORS = (
    LADDER_INDICATORS
    + """  sales: {from: transactions, statistic: sum, value: amount, window: 4, meaning: sales of four quarters}
"""
)

REGIONS = """
scheme: regions
indicators: regions_indicators.yaml
classify:
  kind: ladder
  levels:
    - {name: Premier, all: [won >= 3]}
    - {name: Regional, all: [won >= 2]}
    - {name: Base, all: []}
over:
  unit: region
  take: highest
  count_at_least: {tier: Global, level: Regional, units: 3}
glossary:
  Global: at least Regional in three regions
  Premier: three deals won in a region within six quarters
  Regional: two deals won in a region within six quarters
  Base: every other partner
  won: deals won in six quarters
"""
REGIONS_INDICATORS = """
indicators:
  won: {from: deals, role: sourced, where: status = 'won', at: closed_at, window: 6, meaning: deals won in six quarters}
"""

SCHEMES = {"cloud": (LADDER, LADDER_INDICATORS), "suite": (POINTS, POINTS_INDICATORS), "paths": (PATHS, PATHS_INDICATORS),
           "regions": (REGIONS, REGIONS_INDICATORS)}  # fmt: skip


@pytest.fixture(scope="module")
def rules(tmp_path_factory) -> Path:
    """The schemes as YAML files, each beside its indicators."""
    path = tmp_path_factory.mktemp("rules")
    for name, (scheme, indicators) in SCHEMES.items():
        (path / f"{name}.yaml").write_text(scheme)
        (path / f"{name}_indicators.yaml").write_text(indicators)
    return path


def history_of(name: str, folder: Path, rules: Path) -> TierHistory:
    scheme = TierScheme.load(rules / f"{name}.yaml")
    with lab.connect(f"duckdb:///{folder}") as source:
        panel = lab.build_panel(source, first=FIRST, last=LAST, indicators=scheme.indicators, unit=scheme.unit_column)
    return assign_tiers(panel, scheme)


def held(history: TierHistory) -> dict[str, list[str]]:
    return {partner: list(row) for partner, row in zip(history.partners, history.names(), strict=True)}


@pytest.mark.parametrize("name", SCHEMES)
def test_nothing_is_wrong_with_them(name, rules):
    assert lint_scheme(TierScheme.load(rules / f"{name}.yaml")).empty


def test_a_person_counts_once_a_retired_certificate_no_more_and_nobody_falls_before_the_year_ends(folder, rules):
    history = history_of("cloud", folder, rules)
    known = history.labels.index("2025Q4")  # before, the year of deals reaches back beyond the data

    # b: persons 1 (associate) and 2 (sysops, retired on 2026-01-01): two until 2025Q4, one from 2026Q1
    assert history.values("technical")[:, known:].tolist() == [[2, 2, 2], [2, 1, 1], [0, 0, 0]]
    assert [history.names(history.raw)[1, column] for column in range(known, 6)] == ["Advanced", "Select", "Select"]
    assert held(history)["b"][known:] == ["Advanced", "Advanced", "Advanced"]
    # c wins its first deal in 2026Q2 and rises at once
    assert held(history)["c"][known:] == ["Registered", "Registered", "Select"]
    assert held(history)["a"][:known] == ["unknown"] * 3


def test_sales_in_growth_markets_count_twice_at_the_rate_of_their_day(folder, rules):
    history = history_of("suite", folder, rules)
    known = history.labels.index("2025Q4")

    # a: 400 x 2 at rate 1 in Q1 and Q2, at 1.5 in Q3 and Q4; b: 500, 500, 750, 750, then 150; c: 900 x 1.5
    assert history.values("points")[:, known:].tolist() == [[4000, 3200, 2400], [2500, 2150, 1650], [0, 0, 1350]]
    # a would be Silver in 2026Q2, which ends a half-year: it falls there, and would not have in 2026Q1
    assert held(history)["a"][known:] == ["Gold", "Gold", "Silver"]


def test_the_better_of_two_paths_counts(folder, rules):
    history = history_of("paths", folder, rules)
    now = history.labels.index("2026Q2")

    # a: 4 deals x 15 + 2 experts x 20 = 100, against 800 / 2000 x 50 + 2 x 25 = 70
    # b: 60 + 20 = 80, against 1100 / 2000 x 50 + 50 = 77.5; c: 15, against 900 / 2000 x 50 + 25 = 47.5
    assert history.scores.values["points"][:, now].tolist() == pytest.approx([100, 80, 47.5])
    assert history.scores.parts["points"]["small_business"][:, now].tolist() == pytest.approx([70, 77.5, 47.5])
    assert [row[now] for row in held(history).values()] == ["Solutions partner", "Solutions partner", "Partner"]


def test_the_cheapest_way_up_takes_one_path_and_opens_its_gate_first(folder, rules):
    history = history_of("paths", folder, rules)
    costs = {"accredited": 2.0, "technical": 1.0, "won": 100.0}
    plan = plan_steps(history, partner="c", quarter="2026Q2", tier="Solutions partner", costs=costs)

    # 47.5 + 25 points by one more accredited person
    assert plan[["fact", "steps", "cost"]].to_numpy().tolist() == [["accredited", 1, 2.0]]
    assert explain_tier(history, partner="c", quarter="2026Q2").table["opens"].tolist()[0] == "experts"


def test_regions_at_a_level_are_counted_and_the_best_one_is_taken(folder, rules):
    history = history_of("regions", folder, rules)
    now = history.labels.index("2026Q2")

    # a: two deals in each of three regions; b: six in one; c: one
    assert [row[now] for row in held(history).values()] == ["Global", "Premier", "Base"]
    assert "Regional" in explain_tier(history, partner="b", quarter="2026Q2").summary()


@pytest.mark.parametrize("name", SCHEMES)
def test_the_command_line_lints_assigns_explains_and_compares_them(name, folder, rules, capsys, tmp_path):
    scheme, source = str(rules / f"{name}.yaml"), str(folder)
    other = tmp_path / f"{name}-2.yaml"
    text = (rules / f"{name}.yaml").read_text().replace("_indicators.yaml", "_indicators.yaml\nversion: 2")
    other.write_text(text)
    (tmp_path / f"{name}_indicators.yaml").write_text((rules / f"{name}_indicators.yaml").read_text())
    asked = ["--quarter", "2026Q2", "--first", FIRST]
    said = {}
    for verb, words in {
        "lint": [scheme, source, *asked],
        "assign": [source, "--scheme", scheme, *asked, "--csv", str(tmp_path / "tiers.csv")],
        "explain": [source, "a", "--scheme", scheme, *asked],
        "compare": [source, "--before", scheme, "--after", str(other), *asked],
    }.items():
        with pytest.raises(SystemExit) as stopped:
            main(["tiers", verb, *words])
        said[verb] = capsys.readouterr().out
        assert not stopped.value.code, said[verb]

    tiers = pd.read_csv(tmp_path / "tiers.csv").set_index("partner")["tier"]
    assert tiers.to_dict() == {partner: row[-1] for partner, row in held(history_of(name, folder, rules)).items()}
    assert said["explain"].startswith(f"a is {tiers['a']} in 2026Q2 under {name}@1.")
    assert "3 same" in said["compare"]
