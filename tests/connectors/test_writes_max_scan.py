"""How many records are read for a write that has to be done, or undone, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_loop.errors import TooMuchToRead
from tests.servers import Server
from tests.sources import DOCUMENTS, opened

MOST = 5


#: A list over HTTP is never read but whole.
CONNECTORS = [each for each in DOCUMENTS if each != "rest"]


@pytest.fixture(params=CONNECTORS)
def things(request: pytest.FixtureRequest, get_server: Callable[[str], Server]) -> Iterator[Any]:
    """One record more than may be read of a data source."""
    with opened(request.param, get_server, max_scan=MOST) as source:
        indexed = {"type": int, "index": True}
        model = source.create_model(f"written_{request.param}", {"n": indexed, "size": indexed})
        source.auto_update()
        model.create([{"n": n, "size": 0} for n in range(MOST + 1)])
        yield model


WRITES: dict[str, Callable[[Any, dict[str, Any]], int]] = {
    "update": lambda things, where: things.update_all(where, {"size": 1}),
    "delete": lambda things, where: things.destroy_all(where),
}


@pytest.mark.parametrize("write", WRITES)
def test_no_more_records_are_written_one_by_one_than_may_be_read(things: Any, write: str) -> None:
    with (
        pytest.raises(TooMuchToRead, match=f"More than {MOST} records of written_"),
        things.data_source.transaction(),
    ):
        WRITES[write](things, {})
    assert things.count({"size": 0}) == MOST + 1
    with things.data_source.transaction():
        assert WRITES[write](things, {"n": {"gt": 0}}) == MOST
    assert things.count({"size": 0}) == 1


@pytest.mark.parametrize("write", WRITES)
def test_what_the_backend_writes_by_itself_has_no_bound(things: Any, write: str) -> None:
    if things.data_source.connector.name not in ("mongodb", "remote"):
        pytest.skip("each record is written by itself")
    assert WRITES[write](things, {}) == MOST + 1
