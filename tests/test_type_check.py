"""The annotations of the package, as a user's type checker reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.type_checker import type_errors

FOLDER = Path(__file__).parent / "type_check"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, str, str]]]:
    """What ``mypy --strict`` says of each file: line, message and code."""
    pytest.importorskip("mypy", reason="pip install mypy")
    files = sorted(FOLDER.glob("*.py"))
    errors: dict[str, list[tuple[int, str, str]]] = {"accepted.py": [], "refused.py": []}
    for line in type_errors(*files, folder=tmp_path_factory.mktemp("checked")):
        match = re.fullmatch(r"(.+?):(\d+): error: (.*?) *\[([\w-]+)\]", line)
        if match is not None:
            errors[Path(match[1]).name].append((int(match[2]), match[4], match[3]))
    return errors


def expected(name: str) -> list[tuple[int, str]]:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    marks = [(number, line.partition("  # E: ")[2]) for number, line in enumerate(lines, 1)]
    return [(number, code) for number, code in marks if code]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_code_that_is_right_is_accepted(found: dict[str, list[tuple[int, str, str]]]) -> None:
    assert found["accepted.py"] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_code_that_is_wrong_is_refused(found: dict[str, list[tuple[int, str, str]]]) -> None:
    assert [each[:2] for each in found["refused.py"]] == expected("refused.py")


def test_the_definitions_that_are_checked_work_at_run_time() -> None:
    source = (FOLDER / "accepted.py").read_text("utf-8")
    definitions = source.partition("# Operations give")[0]
    names: dict[str, object] = {"__name__": "accepted"}
    exec(compile(definitions, "accepted.py", "exec", dont_inherit=True), names)  # noqa: S102
    assert list(names["Product"].properties)[:3] == ["name", "unit_price", "size"]  # type: ignore[attr-defined]
