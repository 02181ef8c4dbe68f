"""Fixtures for the tests of apps that use Flask-Loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ..datasource import DataSource, memory
from ..methods import Generation
from ..model import Model

_INHERITED = object()


@pytest.fixture
def memory_source() -> DataSource:
    """A data source in memory, empty, for one test."""
    return memory()


@pytest.fixture
def in_memory(memory_source: DataSource) -> Iterator[Callable[..., DataSource]]:
    """A function that attaches models to ``memory_source`` until the test ends.

    It takes the models and gives the data source::

        def test_an_order_starts_open(in_memory):
            in_memory(Order, Item)
            assert Order.create(customer="Ada").status == "open"
    """
    with ExitStack() as afterwards:

        def attach(*models: type[Model]) -> DataSource:
            for model in models:
                before = model.__dict__.get("data_source", _INHERITED)
                afterwards.callback(_attach_again, model, before)
                model.attach_to(memory_source)
            return memory_source

        yield attach


def _attach_again(model: type[Model], source: Any) -> None:
    if source is _INHERITED:
        del model.data_source
    else:
        model.data_source = source
    Generation.advance()
