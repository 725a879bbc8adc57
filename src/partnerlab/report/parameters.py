"""The typed parameters of a notebook: read from its ``parameters`` cell, checked before a kernel starts.

The cell is Python, so it is read as Python (by its syntax tree, never run)::

    quarter: str = "2026Q3"  # quarter that the report is about
    seed: int = 7            # seed of every draw

Papermill only warns of an unknown name and guesses types (``NO`` becomes False,
``007`` becomes 7); here the annotation decides, and every mistake is one line.
"""

from __future__ import annotations

import ast
import dataclasses
import io
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partnerlab.errors import ParameterError, nearest

Scalar = str | int | float | bool | None

_TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_WORDS = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a notebook.

    Parameters
    ----------
    name : str
        As it stands in the cell.
    type : {"str", "int", "float", "bool"}
        What a value must be.
    optional : bool
        Whether None is a value too (``str | None``).
    choices : tuple
        The only values there are (``Literal[...]``); empty when any will do.
    default : scalar
        Value in the cell.
    meaning : str
        The comment beside it.
    """

    name: str
    type: str
    default: Scalar
    optional: bool = False
    choices: tuple[Scalar, ...] = ()
    meaning: str = ""

    def check(self, value: Any) -> Scalar:
        """Give back a Python value of the declared type.

        Raises
        ------
        ParameterError
            If it is of another type, or not one of the choices.

        Examples
        --------
        >>> Parameter(name="seed", type="int", default=7).check(8)
        8
        """
        if value is None and self.optional:
            return None
        wanted = _TYPES[self.type]
        exact = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value, exact = float(value), True
        if not exact:
            raise ParameterError(f"parameter {self.name} must be {_named(self.type)}; given {value!r}", parameter=self.name)
        if self.choices and value not in self.choices:
            raise ParameterError(
                f"parameter {self.name} cannot be {value!r}{nearest(str(value), map(str, self.choices))}", parameter=self.name
            )
        return value

    def parse(self, text: str) -> Scalar:
        """Read a value that a person typed, by the declared type and no guessing.

        Raises
        ------
        ParameterError
            If the text is not of the declared type.

        Examples
        --------
        >>> Parameter(name="region", type="str", default="").parse("007")
        '007'
        >>> Parameter(name="region", type="str", default="").parse("NO")
        'NO'
        """
        if self.optional and text == "":
            return None
        try:
            value = _WORDS[text.lower()] if self.type == "bool" else _TYPES[self.type](text)
        except (KeyError, ValueError):
            raise ParameterError(f"parameter {self.name} must be {_named(self.type)}; given {text!r}", parameter=self.name) from None
        return self.check(value)


def _named(kind: str) -> str:
    return {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}[kind]


def load_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Read what a notebook can be asked, from its cell tagged ``parameters``.

    Parameters
    ----------
    notebook : str or Path
        A ``.ipynb`` file.

    Returns
    -------
    dict of str to Parameter
        In the order of the cell.

    Raises
    ------
    ParameterError
        If there is no such notebook or cell, or a line in it declares no typed scalar.
    """
    import nbformat

    path = Path(notebook)
    if not path.is_file():
        raise ParameterError(f"{path}: no such notebook")
    try:
        cells = nbformat.read(path, as_version=4).cells
    except (ValueError, KeyError, AttributeError, nbformat.reader.NotJSONError) as error:
        raise ParameterError(f"{path.name}: not a notebook ({type(error).__name__}); open and save it in JupyterLab") from error
    tagged = [cell for cell in cells if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ParameterError(f"{path.name}: {len(tagged)} cells are tagged 'parameters'; tag exactly one")
    return read_declarations(tagged[0].source, name=path.name)


def read_declarations(code: str, *, name: str) -> dict[str, Parameter]:
    """Read typed scalar assignments from the text of a cell.

    Examples
    --------
    >>> read_declarations("seed: int = 7  # of every draw", name="demo")["seed"].meaning
    'of every draw'
    """
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise ParameterError(f"{name}, parameters cell, line {error.lineno}: not Python: {error.msg}") from error
    comments = _comments(code)
    declared: dict[str, Parameter] = {}
    for statement in tree.body:
        parameter = _declaration(statement, comments.get(statement.end_lineno or 0, ""), name)
        if parameter.name in declared:
            raise ParameterError(f"{name}, parameters cell, line {statement.lineno}: {parameter.name} stands twice; keep one")
        declared[parameter.name] = parameter
    return declared


def _comments(code: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _declaration(statement: ast.stmt, meaning: str, name: str) -> Parameter:
    """Read one statement of the cell; anything but a typed scalar is refused with its line."""
    where = f"{name}, parameters cell, line {statement.lineno}"
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        target, annotation, value = statement.targets[0].id, None, statement.value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None:
        target, annotation, value = statement.target.id, statement.annotation, statement.value
    else:
        raise ParameterError(f'{where}: write one typed value to a line, such as: quarter: str = "2026Q3"')
    try:
        default = ast.literal_eval(value)
    except ValueError:
        raise ParameterError(f"{where}: the default of {target} must be a plain value") from None
    kind, optional, choices = _annotation(annotation, default, where=f"{where}, {target}")
    parameter = Parameter(name=target, type=kind, default=default, optional=optional, choices=choices, meaning=meaning)
    parameter.check(default)
    return parameter


def _annotation(node: ast.expr | None, default: Any, *, where: str) -> tuple[str, bool, tuple[Scalar, ...]]:
    """Type, whether None is allowed, and the choices that an annotation names."""
    if node is None:
        kind = type(default).__name__
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [node.left, node.right]
        others = [side for side in sides if not (isinstance(side, ast.Constant) and side.value is None)]
        if len(others) == 1:
            kind, _, choices = _annotation(others[0], default, where=where)
            return kind, True, choices
        kind = ast.unparse(node)
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        choices = tuple(ast.literal_eval(item) for item in items)
        return type(choices[0]).__name__, False, choices
    else:
        kind = ast.unparse(node)
    if kind not in _TYPES:
        raise ParameterError(f"{where}: type {kind} is not one of {', '.join(_TYPES)}")
    return kind, False, ()


def check_parameters(declared: Mapping[str, Parameter], given: Mapping[str, Any], *, notebook: str = "notebook") -> dict[str, Scalar]:
    """Check what a notebook is asked against what it declares.

    Parameters
    ----------
    declared : mapping of str to Parameter
        From `load_parameters`.
    given : mapping of str to object
        Python values, handed on as they are.
    notebook : str
        Name for the message.

    Returns
    -------
    dict
        The given values, each of its declared type.

    Raises
    ------
    ParameterError
        Naming the unknown name with the nearest known one, or the value of the wrong type.

    Examples
    --------
    >>> declared = read_declarations('quarter: str = "2026Q3"', name="demo")
    >>> check_parameters(declared, {"quartr": "2026Q2"}, notebook="demo")
    Traceback (most recent call last):
    partnerlab.errors.ParameterError: demo has no parameter 'quartr'; did you mean 'quarter'?
    """
    for name in given:
        if name not in declared:
            raise ParameterError(f"{notebook} has no parameter {name!r}{nearest(name, declared)}", parameter=name)
    try:
        return {name: declared[name].check(value) for name, value in given.items()}
    except ParameterError as error:
        raise ParameterError(f"{notebook}: {error}", **error.facts) from error


def parse_parameters(declared: Mapping[str, Parameter], texts: Mapping[str, str], *, notebook: str = "notebook") -> dict[str, Scalar]:
    """Read ``name=value`` texts from a command line by the declared types."""
    for name in texts:
        if name not in declared:
            raise ParameterError(f"{notebook} has no parameter {name!r}{nearest(name, declared)}", parameter=name)
    return {name: declared[name].parse(text) for name, text in texts.items()}
