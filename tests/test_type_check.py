"""The annotations of the package, as a user's type checker reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "type_check"
ROOT = FOLDER.parents[1]


@pytest.fixture(scope="module")
def found() -> dict[str, list[tuple[int, str, str]]]:
    """What ``mypy --strict`` says of each file: line, message and code."""
    api = pytest.importorskip("mypy.api", reason="pip install mypy")
    files = map(str, sorted(FOLDER.glob("*.py")))
    config = ["--config-file", str(ROOT / "pyproject.toml")]
    output, problem, _ = api.run([*config, "--strict", "--no-error-summary", *files])
    assert not problem
    errors: dict[str, list[tuple[int, str, str]]] = {"accepted.py": [], "refused.py": []}
    for line in output.splitlines():
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
