from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import flask_loop

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(flask_loop.__path__, "flask_loop.")
    if not name.endswith("__main__")
]


def exporting() -> list[str]:
    names = ["flask_loop", *MODULES]
    return [name for name in names if hasattr(importlib.import_module(name), "__all__")]


def imported_names(module: ModuleType) -> set[str]:
    """The public names that a package's own code brings into it."""
    tree = ast.parse(Path(module.__file__ or "").read_text("utf-8"))
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(each.id for each in node.targets if isinstance(each, ast.Name))
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("name", exporting())
def test_each_exported_name_is_there_once(name: str) -> None:
    module = importlib.import_module(name)
    listed = module.__all__
    assert len(listed) == len(set(listed))
    assert [each for each in listed if not hasattr(module, each)] == []


def test_what_flask_loop_imports_is_what_it_exports() -> None:
    assert imported_names(flask_loop) == set(flask_loop.__all__)


@pytest.mark.parametrize("name", flask_loop.__all__)
def test_each_public_name_says_what_it_is(name: str) -> None:
    documented = getattr(flask_loop, name)
    assert len(inspect.getdoc(documented) or "") > 20


@pytest.mark.parametrize("name", MODULES)
def test_each_module_says_what_it_is_for(name: str) -> None:
    assert inspect.getdoc(importlib.import_module(name))


def test_star_imports_give_the_public_names_alone() -> None:
    names: dict[str, object] = {}
    exec("from flask_loop import *", names)  # noqa: S102
    assert set(names) - {"__builtins__"} == set(flask_loop.__all__)
