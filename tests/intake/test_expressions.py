"""What people may write in a mapping, and what they may not."""

from __future__ import annotations

import pytest

from partnerlab.errors import SpecError
from partnerlab.intake.expressions import bind_columns, parse_expression, raw_column


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a", "a"),
        ("a::date", "TRY_CAST(a AS DATE)"),
        ("strptime(a, '%d/%m/%y')::date", "TRY_CAST(TRY_STRPTIME(a, '%d/%m/%y') AS DATE)"),
        ("cast(left(a, 4)::int + 1 AS text)", "TRY_CAST(TRY_CAST(LEFT(a, 4) AS INT) + 1 AS TEXT)"),
        ("make_date(y::int, 1, 1)", "TRY(MAKE_DATE(TRY_CAST(y AS INT), 1, 1))"),
        ("CASE WHEN a ILIKE 'x%' THEN 1 END", "CASE WHEN a ILIKE 'x%' THEN 1 END"),
        ("md5(a || b)", "MD5(a || b)"),
    ],
)
def test_casts_and_dates_forgive(written, read):
    assert parse_expression(written, place="here").sql("duckdb") == read


@pytest.mark.parametrize(
    "written",
    [
        "(SELECT 1)",
        "a IN (SELECT b FROM c)",
        "read_csv('secrets.csv')",
        "read_text('secrets')",
        "getenv('HOME')",
        "query('SELECT 1')",
        "nextval('s')",
        "row_number() OVER ()",
        "max(a)",
        "*",
        "$1",
        "random()",
        "now()",
        "a; DROP TABLE b",
        "a b c",
        "",
        "DELETE FROM a",
        "list_transform([a], x -> x)",
        "unnest([1])",
    ],
)
def test_anything_but_a_look_at_the_row_is_refused(written):
    with pytest.raises(SpecError, match=r"^demo\.yaml, line 3: ") as caught:
        parse_expression(written, place="demo.yaml, line 3")

    assert "\n" not in str(caught.value)


def test_aggregates_need_a_group():
    assert parse_expression("max(a)", place="here", grouped=True).sql("duckdb") == "MAX(a)"
    with pytest.raises(SpecError, match="give group_by"):
        parse_expression("count(*)", place="here")


def test_columns_are_found_whatever_their_case_and_bound_to_their_file():
    bound = bind_columns(parse_expression("id || stage.LABEL", place="here"), columns={"input": ("Id",), "stage": ("label",)}, place="here")

    assert bound.sql("duckdb") == '"input"."Id" || "stage"."label"'


@pytest.mark.parametrize(
    ("written", "hint"), [("amuont", "did you mean 'amount'"), ("stge.label", "nothing is called 'stge'; did you mean 'stage'")]
)
def test_a_slip_of_the_pen_is_answered_with_the_nearest_name(written, hint):
    with pytest.raises(SpecError, match=hint):
        bind_columns(parse_expression(written, place="here"), columns={"input": ("amount",), "stage": ("label",)}, place="here")


@pytest.mark.parametrize(
    ("written", "raw"),
    [("a", "a"), ("a::date", "a"), ("strptime(a, '%d')::date", "a"), ("trim(a)", "a"), ("a + 1", None), ("upper(a)", None)],
)
def test_a_column_that_is_only_read_is_known(written, raw):
    found = raw_column(parse_expression(written, place="here"))

    assert (found.name if found else None) == raw
