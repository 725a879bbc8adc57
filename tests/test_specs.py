"""YAML is read strictly, and each mistake names file, line, key and remedy."""

import pydantic
import pytest

from partnerlab.errors import SpecError
from partnerlab.specs import Spec, read_yaml


class Inner(Spec):
    """A part."""

    weight: float


class Outer(Spec):
    """A whole."""

    name: str
    parts: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: NO", "NO"),
        ("a: 007", "007"),
        ("a: yes", "yes"),
        ("a: 2026-01-01", "2026-01-01"),
        ("a: 1e5", 1e5),
        ("a: 12", 12),
        ("a: true", True),
    ],
)
def test_scalars_mean_what_they_look_like(text, expected):
    assert read_yaml(text, name="demo.yaml").data == {"a": expected}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nam: x", r"demo\.yaml, line 1, nam: unknown key 'nam'; did you mean 'name'\?"),
        ("name: x\nparts:\n  - weight: 1\n    wieght: 2", r"line 4, parts\.0\.wieght: unknown key 'wieght'; did you mean 'weight'\?"),
        ("name: x\nparts:\n  - weight: heavy", r"line 3, parts\.0\.weight: .*\(given: 'heavy'\)"),
        ("name: x\nname: y", "line 2: key 'name' stands twice"),
        ("name: [", "line 1: not YAML"),
        ("- 1", "line 1: expected keys and values; known keys: name, parts"),
        ("parts: []", "line 1, name: the key is missing; add it"),
    ],
)
def test_a_mistake_is_one_line_with_its_place_and_remedy(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        Outer.from_document(read_yaml(text, name="demo.yaml"))

    assert "\n" not in str(caught.value)


def test_a_spec_cannot_be_changed():
    spec = Outer(name="x")

    with pytest.raises(ValueError, match="frozen"):
        spec.name = "y"


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(SpecError, match="no such file"):
        Outer.load(tmp_path / "nothing.yaml")


def test_a_mistake_in_python_is_one_line_too():
    with pytest.raises(SpecError, match=r"^Outer, nam: unknown key 'nam'; did you mean 'name'\?$"):
        Outer(nam="x")


def test_a_part_made_wrongly_in_python_names_its_place_in_the_whole():
    with pytest.raises(SpecError, match=r"^Outer, parts\.0\.wieght: unknown key 'wieght'; did you mean 'weight'\?$"):
        Outer(name="x", parts=[{"wieght": 2}])


def test_what_a_validator_makes_is_a_finding_of_the_outermost_spec():
    class Careful(Spec):
        inner: dict

        @pydantic.field_validator("inner")
        @classmethod
        def _made(cls, given):
            return Outer(**given).model_dump()

    with pytest.raises(SpecError, match=r"demo\.yaml, line 2, inner"):
        Careful.from_document(read_yaml("inner:\n  nam: x", name="demo.yaml"))
    with pytest.raises(SpecError, match=r"^Outer, nam: unknown key"):  # and the next one is outermost again
        Outer(nam="x")


def test_a_value_without_its_name_is_refused():
    with pytest.raises(SpecError, match="give every value by its name"):
        Outer("x")


def test_a_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: Zürich".encode("latin-1"))

    with pytest.raises(SpecError, match=r"latin\.yaml: not UTF-8 .*save the file with UTF-8 encoding"):
        Outer.load(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path = tmp_path / "mark.yaml"
    path.write_text("name: x", encoding="utf-8-sig")

    assert Outer.load(path).name == "x"
