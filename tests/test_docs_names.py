"""The documentation is whole: what there is has a page."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import flask_loop
from flask_loop.cli import loop as loop_command
from flask_loop.connectors.couchdb import settings as couchdb
from flask_loop.connectors.mongodb import settings as mongodb
from flask_loop.connectors.redis import settings as redis
from flask_loop.connectors.remote.settings import RemoteSettings
from flask_loop.connectors.rest import settings as rest
from flask_loop.definition.relation import ANNOTATIONS, RelationOptions
from flask_loop.methods import RemoteMethod, Route
from flask_loop.operations import OPERATION_OF, OPERATIONS
from flask_loop.query import OPERATORS, RELATION_QUANTIFIERS
from flask_loop.state import PREFIX, Settings

ROOT = Path(__file__).parents[1]
PAGES = {path.stem: path.read_text("utf-8") for path in ROOT.glob("docs/*.rst")}

#: Literals in the text, and lines of blocks.
CODE = re.compile(r"``[^`]+``|^(?:    |>>> |\.\.\. ).*", re.MULTILINE)

#: The line above and below a table, whose columns are where it has signs.
BORDER = re.compile(r"=+(?: +=+)+")

#: What the connectors without SQL know.
SETTINGS_BY_PAGE: dict[str, Iterable[str]] = {
    "mongodb": mongodb.SETTINGS,
    "redis": redis.SETTINGS,
    "couchdb": couchdb.SETTINGS,
    # The others are the same ones, spelt as in JSON.
    "rest-connector": [name for name in rest.SETTINGS if name.islower()],
    "remote": [field.name for field in dataclasses.fields(RemoteSettings)],
}


@pytest.fixture(scope="module")
def code() -> str:
    """All code that the pages show."""
    return "\n".join(match for page in PAGES.values() for match in CODE.findall(page))


def is_named(name: str, code: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", code) is not None


@pytest.mark.parametrize("setting", [field.name.upper() for field in dataclasses.fields(Settings)])
def test_each_setting_has_a_page(setting: str) -> None:
    assert f"\n``{PREFIX}{setting}``\n" in PAGES["settings"]


@pytest.mark.parametrize(
    ("page", "setting"),
    [(page, setting) for page, settings in SETTINGS_BY_PAGE.items() for setting in settings],
)
def test_each_setting_of_a_connector_is_on_its_page(page: str, setting: str) -> None:
    settings = PAGES[page].partition("\nSettings\n---")[2].partition("\n----")[0]
    assert f"``{setting}``" in settings


@pytest.mark.parametrize("name", flask_loop.__all__)
def test_each_public_name_is_in_the_reference(name: str) -> None:
    assert re.search(rf"^\.\. auto\w+:: flask_loop\.{name}$", PAGES["api"], re.MULTILINE)


@pytest.mark.parametrize("command", sorted(loop_command.commands))
def test_each_command_is_on_a_page(command: str, code: str) -> None:
    assert f"flask loop {command}" in code


@pytest.mark.parametrize("operation", sorted({*OPERATIONS, *OPERATION_OF}))
def test_each_operation_is_on_a_page(operation: str) -> None:
    assert is_named(operation, "".join(re.findall(r"``[^`]+``", PAGES["operations"])))


@pytest.mark.parametrize(
    ("method", "route"),
    [(method, route) for method in OPERATIONS.values() for route in method.routes],
    ids=lambda value: (
        value.wire if isinstance(value, RemoteMethod) else f"{value.verb}-{value.path}"
    ),
)
def test_each_route_is_in_the_reference(method: RemoteMethod, route: Route) -> None:
    row = rf"^``{route.verb} {re.escape(route.path)}`` +``{re.escape(method.wire)}`` "
    assert re.search(row, PAGES["rest-api"], re.MULTILINE)


@pytest.mark.parametrize("option", [field.name for field in dataclasses.fields(RelationOptions)])
def test_each_option_of_a_relation_is_on_its_page(option: str) -> None:
    assert re.search(rf"^``{option}`` ", PAGES["relations"], re.MULTILINE)


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_each_kind_of_relation_has_its_section(annotation: str) -> None:
    heading = rf"^{annotation}(?: and \w+)?\n-+$|^\w+ and {annotation}\n-+$"
    assert re.search(heading, PAGES["relations"], re.MULTILINE)


@pytest.mark.parametrize("operator", [*OPERATORS, *RELATION_QUANTIFIERS, "and", "or", "nor"])
def test_each_operator_of_a_where_is_on_a_page(operator: str, code: str) -> None:
    assert is_named(operator, code)


def test_the_architecture_page_lists_the_rooms_in_their_order() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    there = {path.stem for path in (ROOT / "flask_loop").iterdir()}
    rooms = [room.strip(" ()") for layer in layers for room in layer.split(":")]
    listed = re.findall(r"^``(\w+)``  ", PAGES["architecture"], re.MULTILINE)
    assert listed == [room for room in rooms if room in there]


def test_files_that_the_architecture_page_names_are_there() -> None:
    files = re.findall(r"``([\w/]+\.py)``", PAGES["architecture"])
    assert files
    assert [file for file in files if not (ROOT / "flask_loop" / file).exists()] == []


def test_each_page_is_in_the_table_of_contents() -> None:
    listed = re.findall(r"^    ([\w-]+)$", PAGES["index"], re.MULTILINE)
    assert sorted(listed) == sorted(PAGES.keys() - {"index"})


def test_links_of_the_readme_lead_to_files() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", readme)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def rows(page: str) -> Iterator[tuple[str, ...]]:
    """The lines of a page's tables that begin a row, cut into cells."""
    for table in re.findall(rf"^(?:{BORDER.pattern}\n(?:.+\n)+)", page, re.MULTILINE):
        border, *lines = table.splitlines()
        starts = [match.start() for match in re.finditer("=+", border)]
        for line in lines:
            if line[:1].strip() and not BORDER.fullmatch(line):
                ends = [*starts[1:], None]
                yield tuple(line[at:end].strip() for at, end in zip(starts, ends, strict=True))


@pytest.mark.parametrize("page", sorted(PAGES))
def test_no_row_of_a_table_goes_on_as_another_row(page: str) -> None:
    # A line whose first cell is not blank begins a row, whatever the first cell above it says.
    torn = [cells for cells in rows(PAGES[page]) if cells[0].endswith(",") or not any(cells[1:])]
    assert torn == []
