"""What a notebook can be asked is read from its parameters cell; every mistake is one line before a kernel starts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partnerlab.errors import ParameterError
from partnerlab.report.parameters import Parameter, check_parameters, load_parameters, parse_parameters, read_declarations

CELL = """\
source: str = "duckdb:///data/demo.duckdb"  # where the data are
region: str = ""
limit: int | None = None  # rows
share: float = 0.2
deep: bool = False
cadence: Literal["quarter", "month"] = "quarter"
plain = 3
"""


@pytest.fixture(scope="module")
def declared():
    return read_declarations(CELL, name="demo")


def test_types_defaults_and_meanings_are_read_without_running_the_cell(declared):
    assert [(p.name, p.type, p.optional) for p in declared.values()] == [
        ("source", "str", False),
        ("region", "str", False),
        ("limit", "int", True),
        ("share", "float", False),
        ("deep", "bool", False),
        ("cadence", "str", False),
        ("plain", "int", False),
    ]
    assert declared["source"].meaning == "where the data are"


def test_norway_stays_norway_and_leading_zeros_stay(declared):
    assert parse_parameters(declared, {"region": "NO"}) == {"region": "NO"}
    assert parse_parameters(declared, {"region": "007"}) == {"region": "007"}


@given(st.text(st.characters(blacklist_categories=("Cs",))))
def test_any_text_comes_out_of_a_text_parameter_as_it_went_in(text):
    assert Parameter(name="region", type="str", default="").parse(text) == text


def test_an_unknown_name_is_refused_with_the_nearest(declared):
    with pytest.raises(ParameterError, match=r"demo has no parameter 'regoin'; did you mean 'region'\?"):
        check_parameters(declared, {"regoin": "NO"}, notebook="demo")


@pytest.mark.parametrize(
    ("name", "value"), [("region", False), ("region", 7), ("limit", "7"), ("limit", True), ("share", "x"), ("deep", 1), ("cadence", "week")]
)
def test_a_wrong_type_is_refused_naming_parameter_and_value(declared, name, value):
    with pytest.raises(ParameterError, match=name) as raised:
        check_parameters(declared, {name: value})

    assert "\n" not in str(raised.value)


def test_a_whole_number_is_a_number(declared):
    assert check_parameters(declared, {"share": 1}) == {"share": 1.0}


@pytest.mark.parametrize(("name", "text"), [("limit", "1e5"), ("share", "a lot"), ("deep", "maybe"), ("limit", "7.0")])
def test_typed_text_of_the_wrong_kind_is_refused(declared, name, text):
    with pytest.raises(ParameterError, match=name):
        parse_parameters(declared, {name: text})


@pytest.mark.parametrize(
    "cell",
    ["first, last = 1, 2", "print(1)", "x: list = []", "x: str = compute()", "x: str = 'a'\nx: str = 'b'", "x: int = 'a'", "x: str ="],
)
def test_a_cell_that_is_no_list_of_typed_scalars_is_refused_with_its_line(cell):
    with pytest.raises(ParameterError, match=r"line|must be|twice"):
        read_declarations(cell, name="demo")


def test_a_file_that_is_no_notebook_is_refused_in_one_line(tmp_path):
    path = tmp_path / "demo.ipynb"
    path.write_text("no json")

    with pytest.raises(ParameterError, match=r"demo\.ipynb: not a notebook"):
        load_parameters(path)


def test_a_notebook_without_a_parameters_cell_is_refused(tmp_path):
    import nbformat

    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "demo.ipynb")

    with pytest.raises(ParameterError, match="0 cells are tagged 'parameters'"):
        load_parameters(tmp_path / "demo.ipynb")
