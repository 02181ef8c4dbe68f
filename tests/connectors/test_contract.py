"""The contract suite on each connector, and what the suite itself promises."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from flask_loop import DataSource
from flask_loop.testing import ConnectorContract, Contract
from tests.servers import Firebird, Mysql, Oracle, Postgresql

pytest_plugins = ["pytester"]
Connect = Callable[..., DataSource]


class TestMemory(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Connect) -> DataSource:
        return connect("memory")


class TestMemoryWithFile(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Connect, tmp_path: Path) -> DataSource:
        return connect("memory", file=tmp_path / "test.json")


class TestSqliteFile(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Connect, tmp_path: Path) -> DataSource:
        return connect("sqlite", url=f"sqlite:///{tmp_path}/test.sqlite")


class TestSqliteInMemory(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Connect) -> DataSource:
        return connect("sqlite", url="sqlite://")


class TestPostgresql(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Connect, postgresql: Postgresql) -> DataSource:
        return connect("postgresql", url=postgresql.fresh())


class TestMariadb(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Connect, mysql: Mysql) -> DataSource:
        return connect("mysql", url=mysql.fresh())


class TestFirebird(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Connect, firebird: Firebird) -> DataSource:
        return connect("firebird", url=firebird.fresh())


class TestOracle(ConnectorContract):
    @pytest.fixture
    def source(self, connect: Connect, oracle: Oracle) -> DataSource:
        return connect("oracle", url=oracle.fresh())


def test_no_part_of_the_contract_hides_another() -> None:
    parts = [part for part in ConnectorContract.__mro__ if issubclass(part, Contract)]
    names = Counter(name for part in parts for name in vars(part) if not name.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_package_runs_without_pytest() -> None:
    check = "import flask_loop, sys; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


CONNECTOR_THAT_CANNOT = """
    from __future__ import annotations

    import pytest

    from flask_loop import create_data_source
    from flask_loop.connectors.memory import MemoryConnector
    from flask_loop.connectors import Capabilities
    from flask_loop.testing import {part}


    class Shelf(MemoryConnector):
        name = "shelf"
        capabilities = Capabilities({capabilities})


    class TestShelf({part}):
        @pytest.fixture
        def source(self):
            return create_data_source(connector=Shelf)
"""


@pytest.mark.parametrize(
    ("part", "capability"),
    [
        ("TransactionContract", "transactions"),
        ("ConcurrencyContract", "inserts_unless"),
        ("ObserverContract", "undoes"),
        ("UniquenessContract", "unique"),
        ("WritingContract", "undeclared"),
        ("ProtocolContract", "persistent"),
    ],
)
def test_what_a_connector_cannot_do_is_skipped(
    pytester: pytest.Pytester, part: str, capability: str
) -> None:
    lacked = "transactions" if capability in ("undoes", "inserts_unless") else capability
    test = CONNECTOR_THAT_CANNOT.format(part=part, capabilities=f"{lacked}=False")
    pytester.makepyfile(test)
    result = pytester.runpytest("-rs", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines([f"SKIPPED * shelf does not have the capability '{capability}'"])
    assert result.ret == pytest.ExitCode.OK


def test_a_connector_that_breaks_the_contract_fails(pytester: pytest.Pytester) -> None:
    test = CONNECTOR_THAT_CANNOT.format(part="ReadingContract", capabilities="")
    pytester.makepyfile(
        test.replace(
            "capabilities = ", "count = lambda self, definition, where: 1\n        capabilities = "
        )
    )
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*assert things.count() == 3", "*assert 1 == 3"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_models_are_in_memory_for_one_test(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["flask_loop.testing"]')
    pytester.makepyfile(
        """
        from __future__ import annotations

        from flask_loop import Model, create_data_source, create_model, memory

        unattached = create_model("unattached", {"name": str})
        home = memory()
        attached = home.create_model("attached", {"name": str})
        derived = attached.extend("derived")

        def test_in_memory(in_memory, memory_source):
            assert in_memory(unattached, attached, derived) is memory_source
            for model in (unattached, attached, derived):
                assert model.create(name="a").id == 1
            assert memory_source.models() == [attached, derived, unattached]
            assert home.models() == []

        def test_afterwards():
            assert not hasattr(unattached, "find")
            assert attached.count() == derived.count() == 0
            assert home.models()[0] is attached
        """
    )
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_tests_that_the_documentation_shows_pass(pytester: pytest.Pytester) -> None:
    page = (Path(__file__).parents[2] / "docs" / "testing.rst").read_text("utf-8")
    block = r"^\.\. code-block:: python\n    :caption: (\w+)\.py\n((?:\n|    .*\n)+)"
    files = {name: dedent(text) for name, text in re.findall(block, page, re.MULTILINE)}
    pytester.makepyfile(**files)
    result = pytester.runpytest("-p", "no:cacheprovider", "-k", "not TestShelf or test_count")
    result.assert_outcomes(passed=8, deselected=result.parseoutcomes()["deselected"])
