"""The house stands as AGENTS.md draws it: floors, libraries, verbs, nouns."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import partnerlab
from partnerlab.results import TIDY, Result

SOURCE = Path(partnerlab.__file__).parent
# errors lie under the ground floor: everything may raise them
FLOORS = {
    "errors": -1, "periods": 0, "results": 0, "specs": 0, "words": 0,
    "stats": 1, "intake": 1, "ledger": 1,
    "panel": 2,
    "scoring": 3,
    "tiers": 4,
    "spells": 5, "verdicts": 5,
    "transitions": 6, "survival": 6, "effects": 6, "experiments": 6,
    "program": 6, "plan": 6,
    "show": 7,
    "report": 8,
    "cli": 9,
}  # fmt: skip
# inside stats, too, imports point down
STATS = {
    "inference": 0,
    "curves": 1, "regressions": 1, "states": 1, "turns": 1,
    "hazards": 2, "prediction": 2, "shrinkage": 2, "causes": 2,
    "trials": 3,
}  # fmt: skip
LIBRARIES = {
    "duckdb": {"intake", "panel", "ledger"},
    "sqlglot": {"intake", "panel"},
    "adbc_driver_postgresql": {"intake"},
    "adbc_driver_manager": {"intake"},
    "matplotlib": {"show"},
    "seaborn": {"show"},
    "papermill": {"report"},
    "nbconvert": {"report"},
    "nbclient": {"report"},
    "nbformat": {"report"},
    "typer": {"cli"},
    "rich": {"cli"},
    "statsmodels": {"stats", "tiers", "transitions", "survival", "effects", "experiments", "program", "plan"},
}
NEVER = {"lifelines", "pyfixest", "sksurv", "pymsm", "transitionMatrix", "ibis"}
VERBS = (
    "connect", "validate", "simulate", "load", "lint", "build", "score", "assign", "explain", "estimate", "compare", "check",
    "detect", "forecast", "backtest", "design", "analyze", "record", "plan", "plot", "tabulate", "render", "require",
)  # fmt: skip
# a panel and the scheme that reads it; a ledger and what goes into it; a source and what it is needed for
TWO_NOUNS = ("assign_tiers", "record_", "require_tables")
FILES = sorted(SOURCE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _run_time_imports(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Import statements of a file, those for types only aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def _imports(path: Path) -> list[tuple[str, int]]:
    """Every module a file imports at run time, with its line."""
    found = []
    for node in _run_time_imports(path):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        else:
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            base = node.module or ""
            found += [(f"{base}.{alias.name}" if base == "partnerlab" else base, node.lineno) for alias in node.names]
    return found


def _files_needed(path: Path, names: set[str]) -> set[str]:
    """Files of the package that a file imports, told apart from the rooms they lie in."""
    pairs = [
        (node.module, f"{node.module}.{alias.name}") for node in _run_time_imports(path) for alias in node.names if hasattr(node, "module")
    ]
    return {file if file in names else room for room, file in pairs} & names


def test_every_room_has_its_floor():
    assert {_room(path) for path in FILES} - {"__init__"} <= set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_strictly_down(path):
    room = _room(path)
    wrong = [
        f"line {line}: {module}"
        for module, line in _imports(path)
        if module.startswith("partnerlab.") and (other := module.split(".")[1]) != room and FLOORS.get(other, 0) >= FLOORS.get(room, 99)
    ]

    assert wrong == []


@pytest.mark.parametrize("path", sorted((SOURCE / "stats").glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_subjects_of_stats_stand_on_each_other(path):
    subject = path.parent.name
    parts = [module.split(".") for module, _ in _imports(path) if module.startswith("partnerlab.stats.")]
    wrong = [".".join(part) for part in parts if part[2] != subject and STATS[part[2]] >= STATS[subject]]

    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_libraries_stay_in_their_rooms(path):
    used = {module.split(".")[0] for module, _ in _imports(path)}

    assert {library for library in used & set(LIBRARIES) if _room(path) not in LIBRARIES[library]} == set()
    assert used & NEVER == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_one_subject(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def _public() -> list[tuple[str, object]]:
    return [(name, getattr(partnerlab, name)) for name in partnerlab.__all__]


@pytest.mark.parametrize("name", partnerlab.__all__)
def test_public_functions_are_verbs_of_the_closed_set(name):
    thing = getattr(partnerlab, name)
    if inspect.isfunction(thing):
        assert name.split("_")[0] in VERBS
        positional = [
            parameter.name
            for parameter in inspect.signature(thing).parameters.values()
            if parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        ]
        assert len(positional) <= (2 if name.startswith(TWO_NOUNS) else 1)


@pytest.mark.parametrize("name", partnerlab.__all__)
def test_public_names_are_documented_with_an_example(name):
    thing = getattr(partnerlab, name)
    text = inspect.getdoc(thing) or ""

    assert len(text) > 40
    if inspect.isfunction(thing):
        assert ">>>" in text, f"{name} has no example"


def test_no_function_is_named_like_a_module():
    modules = {info.name.split(".")[-1] for info in pkgutil.walk_packages([str(SOURCE)], "partnerlab.")}
    functions = {name for name, thing in _public() if inspect.isfunction(thing)}

    assert functions & modules == set()


def test_nouns_are_frozen():
    for name, thing in _public():
        if inspect.isclass(thing) and "__dataclass_fields__" in vars(thing):
            assert thing.__dataclass_params__.frozen, f"{name} can be changed after it is made"
        if hasattr(thing, "model_config"):
            assert thing.model_config.get("frozen"), f"{name} can be changed after it is made"


def test_results_neither_plot_nor_print_nor_refit():
    rooms = ("transitions", "survival")
    for room in rooms:
        importlib.import_module(f"partnerlab.{room}")
    kinds = list(Result.__subclasses__())

    assert kinds
    assert not [f"{kind.__name__}.{verb}" for kind in kinds for verb in ("plot", "print", "fit") if hasattr(kind, verb)]


def test_tidy_columns_are_the_agreed_ones():
    assert TIDY == ("estimate", "std_error", "conf_low", "conf_high", "n")


def test_importing_the_package_loads_no_heavy_library():
    code = "import sys, partnerlab; print(sorted({'pandas','numpy','scipy','statsmodels','duckdb','matplotlib'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"


def test_files_import_each_other_in_no_circle():
    """What two files need of each other belongs in a third."""
    files = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    del files["partnerlab"]
    needs = {name: _files_needed(path, set(files)) - {name} for name, path in files.items()}
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]

    assert sorted(needs) == []  # what is left lies on a circle of imports, or needs one
