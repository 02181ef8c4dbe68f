"""For tests: the contract that every connector keeps, and fixtures for the tests of apps.

The module of a connector's tests runs the contract by a subclass and a fixture::

    from flask_loop import create_data_source
    from flask_loop.testing import ConnectorContract


    class TestShelf(ConnectorContract):
        @pytest.fixture
        def source(self, tmp_path):
            source = create_data_source(connector=ShelfConnector, folder=tmp_path)
            yield source
            source.close()

An app's tests have the fixtures by ``pytest_plugins = ["flask_loop.testing"]`` in the
``conftest.py`` at their root. Only this package imports pytest, and nothing else imports this one.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{part}"
        for part in (
            "concurrency",
            "dependents",
            "ids",
            "isolation",
            "observers",
            "operators",
            "patterns",
            "paths",
            "places",
            "protocol",
            "reading",
            "relations",
            "transactions",
            "uniqueness",
            "values",
            "writing",
        )
    )
)

from .base import Contract, Define, Store, exact, requires  # noqa: E402
from .concurrency import ConcurrencyContract  # noqa: E402
from .dependents import DependentContract  # noqa: E402
from .fixtures import in_memory, memory_source  # noqa: E402
from .ids import IdContract  # noqa: E402
from .isolation import IsolationContract  # noqa: E402
from .observers import ObserverContract  # noqa: E402
from .operators import OperatorContract  # noqa: E402
from .paths import PathContract  # noqa: E402
from .patterns import PatternContract  # noqa: E402
from .places import PlaceContract  # noqa: E402
from .protocol import ProtocolContract  # noqa: E402
from .reading import ReadingContract  # noqa: E402
from .relations import RelationContract  # noqa: E402
from .transactions import TransactionContract  # noqa: E402
from .uniqueness import UniquenessContract  # noqa: E402
from .values import ValueContract  # noqa: E402
from .writing import WritingContract  # noqa: E402


class ConnectorContract(
    OperatorContract,
    PatternContract,
    PathContract,
    PlaceContract,
    ReadingContract,
    ValueContract,
    IdContract,
    WritingContract,
    UniquenessContract,
    TransactionContract,
    ObserverContract,
    RelationContract,
    DependentContract,
    ConcurrencyContract,
    IsolationContract,
    ProtocolContract,
):
    """Everything that a connector must do. A subclass whose name begins with ``Test`` runs it.

    It asks for one fixture, ``source``: a :class:`~flask_loop.DataSource` without models and
    without records, new for each test. Tests of what the connector says it cannot do, in its
    :class:`~flask_loop.connectors.Capabilities`, are skipped.
    """


__all__ = [
    "ConcurrencyContract",
    "ConnectorContract",
    "Contract",
    "Define",
    "DependentContract",
    "IdContract",
    "IsolationContract",
    "ObserverContract",
    "OperatorContract",
    "PathContract",
    "PatternContract",
    "PlaceContract",
    "ProtocolContract",
    "ReadingContract",
    "RelationContract",
    "Store",
    "TransactionContract",
    "UniquenessContract",
    "ValueContract",
    "WritingContract",
    "exact",
    "in_memory",
    "memory_source",
    "requires",
]
