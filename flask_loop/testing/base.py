"""Contract: what the parts of the suite share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Protocol, TypeAlias

import pytest

from ..datasource import DataSource
from ..errors import NotIndexable
from ..model import Model

#: An id that the test gives, so that the order of records is the same on every backend.
GIVEN_ID: Mapping[str, Any] = {"type": int, "id": True}

#: A text that every backend can have in an index, for which some want a bound.
SHORT_TEXT: Mapping[str, Any] = {"type": str, "max_length": 200}

#: How many threads do one thing at once.
THREADS = 8


#: A call that a test makes among others.
Action: TypeAlias = Callable[[], Any]


class Define(Protocol):
    """The type of the fixture ``define``."""

    def __call__(
        self, properties: Mapping[str, Any], /, *, name: str = ..., **settings: Any
    ) -> type[Any]: ...


class Store(Protocol):
    """The type of the fixture ``store``."""

    def __call__(self, kind: Any, values: Iterable[Any], /) -> type[Any]: ...


def requires(capability: str) -> pytest.MarkDecorator:
    """Skip a test where the connector does not have a capability.

    :param capability: the name of a flag of :class:`~flask_loop.connectors.Capabilities`. A
        connector with ``transactions`` has ``undoes`` and ``inserts_unless`` by them.
    """
    return pytest.mark.usefixtures(f"requires_{capability}")


class Contract:
    """The base of all parts. A subclass, or its module, has the fixture ``source``."""

    @pytest.fixture
    def define(self, source: DataSource) -> Define:
        """Define a model on the source, and make its table.

        A model without an id of its own gets an integer ``id`` that the test gives, unless
        ``id_injection=False`` says that it has none.
        """

        def define(
            properties: Mapping[str, Any], /, *, name: str = "thing", **settings: Any
        ) -> type[Any]:
            has_id = "id" in properties or any(
                isinstance(each, Mapping) and each.get("id") for each in properties.values()
            )
            needs_id = settings.get("id_injection", True) and not has_id
            declared = {"id": GIVEN_ID, **properties} if needs_id else properties
            model = source.create_model(name, declared, **settings)
            try:
                source.auto_update()
            except NotIndexable as error:
                pytest.skip(str(error))
            return model

        return define

    @pytest.fixture
    def store(self, define: Define) -> Store:
        """Define a model with the property ``value``, and store a record for each value.

        The records' ids count from 1, so that they are found in the order of the values.
        """

        def store(kind: Any, values: Iterable[Any], /) -> type[Any]:
            things = define({"value": kind})
            things.create([{"id": id, "value": each} for id, each in enumerate(values, 1)])
            return things

        return store

    @pytest.fixture
    def requires_transactions(self, source: DataSource) -> None:
        _skip_without("transactions", source)

    @pytest.fixture
    def requires_undoes(self, source: DataSource) -> None:
        if not source.connector.capabilities.transactions:
            _skip_without("undoes", source)

    @pytest.fixture
    def requires_inserts_unless(self, source: DataSource) -> None:
        if not source.connector.capabilities.transactions:
            _skip_without("inserts_unless", source)

    @pytest.fixture
    def requires_unique(self, source: DataSource) -> None:
        _skip_without("unique", source)

    @pytest.fixture
    def requires_undeclared(self, source: DataSource) -> None:
        _skip_without("undeclared", source)

    @pytest.fixture
    def requires_persistent(self, source: DataSource) -> None:
        _skip_without("persistent", source)


def _skip_without(capability: str, source: DataSource) -> None:
    if not getattr(source.connector.capabilities, capability):
        pytest.skip(f"{source.connector.name} does not have the capability {capability!r}")


def short(kind: Any) -> dict[str, Any]:
    """A property of a type, which every backend can have in an index."""
    return {**SHORT_TEXT, "type": kind} if kind in (str, bytes) else {"type": kind}


def exact(value: Any) -> Any:
    """A value by which 1, 1.0 and true differ, and ``Decimal("1.0")`` and ``Decimal("1")``."""
    if isinstance(value, Model):
        value = value.to_record()
    if isinstance(value, Mapping):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return repr(value)


def at_once(
    function: Callable[[int], Any], *expected: type[Exception], threads: int = THREADS
) -> list[Any]:
    """Call a function in several threads that start together.

    :param function: called with the number of its thread, from 0.
    :param expected: errors that are outcomes like others.
    :returns: what each call gave or raised.
    """
    barrier = Barrier(threads)

    def call(number: int) -> Any:
        barrier.wait()
        try:
            return function(number)
        except expected as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, range(threads)))
