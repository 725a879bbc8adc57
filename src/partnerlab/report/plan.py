"""Which pages a run has: the review for the program and every segment, one page for each further question."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from partnerlab.errors import ParameterError, nearest
from partnerlab.report.execution import Page
from partnerlab.report.parameters import Parameter, check_parameters, load_parameters, parse_parameters
from partnerlab.report.pieces import slug

#: Heading of the index under which the program and its segments stand.
REVIEW = "Quarterly review"
QUESTIONS = "One question each"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Template:
    """A notebook that pages are made from.

    Parameters
    ----------
    path : Path
        The notebook.
    title : str
        Its first heading.
    parameters : mapping of str to Parameter
        What it can be asked.
    each_segment : bool
        Whether every segment gets its own page; said in the notebook's metadata, ``partnerlab.each_segment``.
    """

    path: Path
    title: str
    parameters: Mapping[str, Parameter]
    each_segment: bool

    @property
    def slug(self) -> str:
        """Name of its page: that of the file without the number in front."""
        return slug(self.path.stem.lstrip("0123456789"))


def notebooks_folder() -> Path:
    """Folder of the notebooks: in the working folder, in the project's checkout, or shipped inside the package.

    Raises
    ------
    ParameterError
        If there is none.
    """
    package = Path(__file__).resolve().parents[1]
    places = (Path.cwd() / "notebooks", package.parents[1] / "notebooks", package / "notebooks")
    for place in places:
        if any(place.glob("*.ipynb")):
            return place.resolve()
    raise ParameterError("no notebooks/ folder here; run from the project's folder or name notebooks by path")


def find_notebooks(names: Sequence[str]) -> list[Path]:
    """Find notebooks by path, by name or by number; all that ship when none is named.

    Raises
    ------
    ParameterError
        Naming the nearest notebook.
    """
    if not names:
        return sorted(notebooks_folder().glob("[0-9]*.ipynb"))
    return [_find(name) for name in names]


def _find(name: str) -> Path:
    if name.endswith(".ipynb") and Path(name).is_file():
        return Path(name).resolve()
    shipped = {path.stem: path for path in notebooks_folder().glob("*.ipynb")}
    wanted = name.removesuffix(".ipynb")
    for stem, path in sorted(shipped.items()):
        if wanted in (stem, stem.lstrip("0123456789_"), stem.partition("_")[0]):
            return path
    raise ParameterError(f"no notebook is called {name!r}{nearest(wanted, shipped)}", notebook=name)


def load_template(path: Path) -> Template:
    """Read what a notebook is and can be asked.

    Raises
    ------
    ParameterError
        If it is not a notebook with a parameters cell and a kernel.
    """
    import nbformat

    parameters = load_parameters(path)
    notebook = nbformat.read(path, as_version=4)
    if "kernelspec" not in notebook.metadata:
        raise ParameterError(f"{path.name}: no kernelspec in its metadata; open it in JupyterLab, choose the kernel Python 3 and save")
    heading = next(
        (line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines() if line.startswith("# ")), ""
    )
    facts = notebook.metadata.get("partnerlab", {})
    return Template(
        path=path, title=heading[2:].strip() or path.stem, parameters=parameters, each_segment=bool(facts.get("each_segment", False))
    )


def parse_extra(templates: Sequence[Template], texts: Mapping[str, str]) -> dict[str, Any]:
    """Read ``name=value`` texts by the types that the notebooks declare.

    Raises
    ------
    ParameterError
        If no notebook knows the name, or the value is of another type.
    """
    known = {name: parameter for template in templates for name, parameter in template.parameters.items()}
    return parse_parameters(
        known,
        texts,
        notebook=" and ".join(template.path.stem for template in templates[:1]) if len(templates) == 1 else "no notebook of this run",
    )


def plan_pages(
    templates: Sequence[Template],
    *,
    parameters: Mapping[str, Any],
    by: str = "",
    values: Sequence[str] = (),
    segment: tuple[str, str] | None = None,
) -> list[Page]:
    """List the pages of a run.

    Parameters
    ----------
    templates : sequence of Template
        Notebooks.
    parameters : mapping
        Python values common to all pages; each notebook is given those that it declares.
    by : str
        Attribute of partners whose every value gets a review of its own; empty for none.
    values : sequence of str
        Its values.
    segment : tuple of (attribute, value), or None
        The one segment that all pages are about; None for the program.

    Raises
    ------
    ParameterError
        If a value is of the wrong type for a notebook, or no notebook can be asked about a segment.
    """
    pages: list[Page] = []
    for template in sorted(templates, key=lambda template: (not template.each_segment, template.path.name)):
        group = REVIEW if template.each_segment else QUESTIONS
        whole = [segment, *((by, value) for value in values if template.each_segment and by)]
        pages += [_page(template, group=group, parameters=parameters, segment=part) for part in whole]
    if by and not any(template.each_segment for template in templates):
        raise ParameterError(f"none of the notebooks makes a page for each {by}; leave out --by, or add the review")
    return _unique(pages)


def _page(template: Template, *, group: str, parameters: Mapping[str, Any], segment: tuple[str, str] | None) -> Page:
    words, asked, name = "all partners", {}, ""
    if segment is not None:
        attribute, value = segment
        words, name = f"{attribute.replace('_', ' ')} {value}", f"{slug(attribute)}-{slug(value)}"
        asked = {"region": value} if attribute == "region" else {"segment": f"{attribute}={value}"}
    title = words[:1].upper() + words[1:] if template.each_segment else f"{template.title} ({words})" if name else template.title
    own = (name or "program") if template.each_segment else "-".join(part for part in (template.slug, name) if part)
    given = {key: value for key, value in {**parameters, **asked}.items() if key in template.parameters}
    checked = check_parameters(template.parameters, given, notebook=template.path.name)
    return Page(slug=own, title=title, group=group, notebook=template.path, parameters=checked, segment=words)


def _unique(pages: Sequence[Page]) -> list[Page]:
    """Give pages whose names fell together (``A B`` and ``A-B``) a number."""
    seen: dict[str, int] = {}
    found = []
    for page in pages:
        seen[page.slug] = seen.get(page.slug, 0) + 1
        found.append(page if seen[page.slug] == 1 else dataclasses.replace(page, slug=f"{page.slug}-{seen[page.slug]}"))
    return found
