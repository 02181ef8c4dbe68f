"""Migration: indexes built for records that were there before them, and dropped again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from secrets import token_hex
from typing import Any

from ...errors import TransactionConflict, UniqueViolation
from ..base import Rows
from . import scripts
from .client import RedisClient
from .collection import OF_PLACES, Collection, StoredIndex

_log = logging.getLogger(__name__)

#: How many records are put into an index at once.
_BATCH = 500
#: How often an index is built that a writer who does not know it takes away meanwhile.
_ATTEMPTS = 5
#: How often records are put into an index that others change meanwhile.
_PUTS = 50


def is_actual(client: RedisClient, collections: Sequence[Collection]) -> bool:
    """Whether all indexes of some collections have all their records, and there are no others."""
    if any(_missing(client, each) for each in collections):
        return False
    return not any(_left(client, tag, kept) for tag, kept in _kept(collections).items())


def update(client: RedisClient, collections: Sequence[Collection]) -> None:
    """Build the indexes that do not have all records, and drop those that are not declared.

    :raises UniqueViolation: where two records have the same values of a unique one.
    :raises TransactionConflict: where others change the records, or take an index away, again and
        again.
    """
    for each in collections:
        _build_indexes(client, each)
    kept = _kept(collections)
    for each in collections:
        left = _left(client, each.tag, kept[each.tag])
        if left:
            _drop(client, each, left)


def _build_indexes(client: RedisClient, collection: Collection) -> None:
    for index in _missing(client, collection):
        for _ in range(_ATTEMPTS):
            if _build(client, collection, index):
                break
        else:
            raise TransactionConflict


def empty(client: RedisClient, collection: Collection) -> None:
    """Delete all records, and count ids from 1 again."""
    for ids in _ids(client, collection):
        scripts.EMPTY.ask(client, collection, {"ids": ids})
    keys = [f"{collection.tag}/{part}" for part in ("indexes", "dropped", "sequence")]
    client.run(lambda server: server.delete(*keys))
    _build_indexes(client, collection)


def _missing(client: RedisClient, collection: Collection) -> list[StoredIndex]:
    names = [each.name for each in collection.indexes]
    if not names:
        return []
    states = client.run(lambda server: server.hmget(_states(collection), names), is_safe=True)
    return [each for each, state in zip(collection.indexes, states, strict=True) if state != b"1"]


def _states(collection: Collection) -> str:
    return f"{collection.tag}/indexes"


def _kept(collections: Iterable[Collection]) -> dict[str, set[str]]:
    """The names of the indexes that are declared for the records under a tag."""
    kept: dict[str, set[str]] = {}
    for collection in collections:
        kept.setdefault(collection.tag, set()).update(each.name for each in collection.indexes)
    return kept


def _left(client: RedisClient, tag: str, kept: set[str]) -> list[str]:
    """The names of the indexes that there are though they are not declared."""
    states = client.run(lambda server: server.hkeys(f"{tag}/indexes"), is_safe=True)
    dropped = client.run(lambda server: server.smembers(f"{tag}/dropped"), is_safe=True)
    return sorted({each.decode() for each in (*states, *dropped)} - kept)


def _drop(client: RedisClient, collection: Collection, names: Sequence[str]) -> None:
    """Take indexes away, with what each record has in them."""
    keys = [key for name in names for key in _keys(collection, name)]
    client.run(lambda server: server.hdel(_states(collection), *names), is_safe=True)
    client.run(lambda server: server.unlink(*keys), is_safe=True)
    for ids in _ids(client, collection):
        scripts.FORGET.ask(client, collection, {"ids": ids, "names": names})
    dropped = f"{collection.tag}/dropped"
    client.run(lambda server: server.srem(dropped, *names), is_safe=True)


def _keys(collection: Collection, name: str) -> tuple[str, str]:
    """The keys of an index: its own, and that of what a geo set cannot hold."""
    kind, name = ("geo", name[1:]) if name.startswith(OF_PLACES) else ("index", name)
    key = f"{collection.tag}/{kind}/{name}"
    return key, f"{key}/polar"


def _build(client: RedisClient, collection: Collection, index: StoredIndex) -> bool:
    """Build one index, perhaps beside others who do so; False where it was taken away meanwhile.

    :raises TransactionConflict: where others change a record whenever it is to be put into it.
    """
    states = _states(collection)
    keys = (states, *_keys(collection, index.name))
    state = client.run(
        lambda server: server.eval(_BEGIN, len(keys), *keys, index.name, token_hex(8)), is_safe=True
    )
    if state == b"1":
        return True
    token = state.decode()
    for batch in _ids(client, collection):
        if not _put_all(client, collection, index, token, batch):
            return False
    dropped = f"{collection.tag}/dropped"
    return bool(
        client.run(lambda server: server.eval(_FINISH, 2, states, dropped, index.name, token))
    )


#: Who begins empties the index: a writer who does not know it has left there what is not so now.
_BEGIN = """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 1 then
  redis.call('UNLINK', KEYS[2], KEYS[3])
end
return redis.call('HGET', KEYS[1], ARGV[1])
"""
_FINISH = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], '1')
redis.call('SREM', KEYS[2], ARGV[1])
return 1
"""


def _ids(client: RedisClient, collection: Collection) -> Iterator[list[str]]:
    key, start = f"{collection.tag}/ids", "-"
    while True:
        page = partial(_page, key, start)
        found = client.run(page, is_safe=True)
        if not found:
            return
        yield [each.decode() for each in found]
        start = f"({found[-1].decode()}"


def _page(key: str, start: str, server: Any) -> list[bytes]:
    found: list[bytes] = server.zrangebylex(key, start, "+", 0, _BATCH)
    return found


def _put_all(
    client: RedisClient,
    collection: Collection,
    index: StoredIndex,
    token: str,
    ids: Sequence[str],
) -> bool:
    """Put records into an index; False where it was taken away.

    :raises TransactionConflict: as :func:`_build`.
    """
    for _ in range(_PUTS):
        left = _put(client, collection, index, token, ids)
        if not left:
            return left is not None
        ids = left
    _log.error(
        "the index %s of %s is not built, as others change its records again and again: call "
        "auto_update() once more",
        index.name,
        collection.definition.name,
    )
    raise TransactionConflict


def _put(
    client: RedisClient,
    collection: Collection,
    index: StoredIndex,
    token: str,
    ids: Sequence[str],
) -> list[str] | None:
    """Put records into an index.

    :returns: those that changed meanwhile, which are still to be put into it; None where the index
        was taken away.
    """
    told: dict[str, Any] = {"ids": ids, "fields": collection.field_names(index.names)}
    raw, known = scripts.READ.ask(client, collection, told)
    layout = collection.partial_layout(index.names)
    records = []
    for id, given in zip(known, raw, strict=True):
        row = collection.row(given)
        record = Rows([row], layout).records()[0]
        value = collection.entries(record).get(index.name, False)
        expected = collection.expected(row, index.names, index.names)
        records.append({"id": id, "expected": expected, "value": value})
    told = {"name": index.name, "unique": index.unique, "token": token, "records": records}
    answer = scripts.BUILD.ask(client, collection, told)
    if answer[0] == "unique":
        raise UniqueViolation(index.names, model_name=collection.definition.name)
    return None if answer[0] == "lost" else list(answer[1])
