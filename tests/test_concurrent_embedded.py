"""Many callers who change what is inside one record at the same time lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from flask_loop import DataSource, create_model
from flask_loop.errors import TransactionConflict
from tests.sources import opened

CALLERS = 4
EACH = 4


@pytest.fixture(params=["memory", "sqlite", "postgresql", "mysql", "mongodb", "redis", "couchdb"])
def source(request: pytest.FixtureRequest, get_server: Any) -> Iterator[DataSource]:
    # Of MongoDB a lone server, where the connector has to notice others by itself.
    settings = {"transactions": False} if request.param == "mongodb" else {}
    with opened(request.param, get_server, **settings) as source:
        yield source


def together(put: Any) -> None:
    """Have callers put numbers somewhere, each until no other is in its way."""

    def run(caller: int) -> None:
        for number in range(EACH):
            for _ in range(30):
                with suppress(TransactionConflict):
                    put(caller * EACH + number)
                    break

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(run, range(CALLERS)))


def test_no_record_inside_another_is_lost(source: DataSource) -> None:
    box = create_model(
        f"box_{source.connector.name}",
        {"id": {"type": int, "id": True, "generated": True}, "n": int},
    )
    shelves = source.create_model(
        f"shelf_{source.connector.name}", {"id": {"type": int, "id": True}}
    )
    shelves.embeds_many("boxes", model=box, property="held")
    source.auto_update()
    shelves.create(id=1)
    together(lambda n: shelves.find_by_id(1).boxes.create(n=n))
    held = shelves.find_by_id(1).boxes()
    assert sorted(each.n for each in held) == list(range(CALLERS * EACH))
    assert len({each.id for each in held}) == CALLERS * EACH


def test_no_key_on_a_list_is_lost(source: DataSource) -> None:
    name = source.connector.name
    tags = source.create_model(f"tag_{name}", {"id": {"type": int, "id": True}})
    notes = source.create_model(f"note_{name}", {"id": {"type": int, "id": True}})
    notes.references_many("tags", model=tags, property="tag_ids")
    source.auto_update()
    tags.create([{"id": n} for n in range(CALLERS * EACH)])
    notes.create(id=1)
    together(notes.find_by_id(1).tags.add)
    assert sorted(notes.find_by_id(1).tag_ids) == list(range(CALLERS * EACH))


def test_a_block_does_not_write_over_what_others_wrote_since_it_looked(
    source: DataSource,
) -> None:
    counts = source.create_model(
        f"tally_{source.connector.name}", {"id": {"type": int, "id": True}, "n": int}
    )
    source.auto_update()
    counts.create(id=1, n=0)

    def add(_: int) -> None:
        with source.transaction():
            found = counts.find_by_id(1)
            found.patch_attributes(n=found.n + 1)

    together(add)
    assert counts.find_by_id(1).n == CALLERS * EACH
