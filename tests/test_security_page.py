"""The security page is true: each test that it names is there, and each attack is on it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from flask_loop.state import PREFIX, Settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.rst").read_text()
NAMED = re.findall(r"``(tests/\w+\.py)::(\w+)``", PAGE)
ATTACKS = sorted((ROOT / "tests").glob("test_attacks_*.py"))


def names_of_tests(path: Path) -> set[str]:
    """The tests of a file, those of its classes too."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_each_test_that_holds_a_promise_is_there(path: str, name: str) -> None:
    assert (ROOT / path).exists(), f"there is no {path}"
    assert name in names_of_tests(ROOT / path), f"{path} has no {name}"


def test_each_promise_has_a_test_that_holds_it() -> None:
    promises, _, _ = PAGE.partition("What is not promised\n")
    items = re.findall(r"^- (.*?)(?=^- |^\S|\Z)", promises, re.MULTILINE | re.DOTALL)
    assert len(items) > 30
    for each in items:
        assert re.search(r"``tests/\w+\.py::\w+``", each), each


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_each_attack_is_on_the_page(path: Path) -> None:
    named = {name for file, name in NAMED if file == f"tests/{path.name}"}
    assert names_of_tests(path) == named


def test_nothing_that_looks_like_a_test_is_passed_over() -> None:
    assert len(re.findall(r"tests/test_\w+", PAGE)) == len(NAMED)


def test_the_settings_of_the_page_are_settings() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.__dataclass_fields__}
    assert set(re.findall(r"LOOP_[A-Z_]+", PAGE)) <= known
