"""Build the reference of every public name from its docstring: ``python docs/build_reference.py [folder]``."""

import importlib
import sys
import warnings
from pathlib import Path

import pdoc

import partnerlab

ROOMS = ("intake", "ledger", "panel", "scoring", "tiers", "spells", "transitions", "survival", "show", "report", "stats")


def build_reference(folder: Path) -> Path:
    """Write one page for the package and one for each room; give the path of the first."""
    modules = [partnerlab, *(importlib.import_module(f"partnerlab.{room}") for room in ROOMS)]
    for module in modules:  # names load when first used, and pdoc looks only at those that are there
        vars(module).update({name: getattr(module, name) for name in getattr(module, "__all__", ())})
    pdoc.render.configure(docformat="numpy")
    with warnings.catch_warnings():  # annotations whose names are imported for types only stay as they are written
        warnings.filterwarnings("ignore", message="Error parsing type annotation")
        pdoc.pdoc(*(module.__name__ for module in modules), output_directory=folder)
    return folder / "partnerlab.html"


if __name__ == "__main__":
    print(build_reference(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "reference"))
