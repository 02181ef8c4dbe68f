"""Scripts: the Lua scripts on the server, told and answering in JSON."""

from __future__ import annotations

from hashlib import sha1
from typing import Any

import orjson
from redis.exceptions import NoScriptError, ResponseError

from . import lua_reading, lua_writing
from .client import RedisClient
from .collection import Collection
from .lua import UNFINISHED


class Script:
    """A script, which the server knows by its digest once it has run it.

    :param source: its text.
    :param is_safe: whether it may be run twice, where nobody knows whether it was run.
    :param is_of_record: whether its key is that of a record, and not the tag of a collection.
    """

    def __init__(self, source: str, *, is_safe: bool = False, is_of_record: bool = False) -> None:
        self.source = source
        self.is_safe = is_safe
        self._is_of_record = is_of_record
        self._digest = sha1(source.encode(), usedforsecurity=False).hexdigest()
        self._head = b"*5\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n1\r\n" % self._digest.encode()

    def call(self, client: RedisClient, key: str, argument: bytes) -> Any:
        """Run it for one key with one argument, and give what it answers."""
        while True:
            try:
                return self._run(client, key, argument)
            except ResponseError as error:
                if UNFINISHED not in str(error):
                    raise

    def _run(self, client: RedisClient, key: str, argument: bytes) -> Any:
        try:
            if client.settings.cluster:
                return self._run_in_cluster(client, "EVALSHA", self._digest, key, argument)
            name = key.encode()
            parts = (self._head, len(name), name, len(argument), argument)
            return client.exchange(b"%b$%d\r\n%b\r\n$%d\r\n%b\r\n" % parts, is_safe=self.is_safe)
        except NoScriptError:
            if client.settings.cluster:
                return self._run_in_cluster(client, "EVAL", self.source, key, argument)
            return client.run(
                lambda server: server.execute_command("EVAL", self.source, 1, key, argument),
                is_safe=self.is_safe,
            )

    def _run_in_cluster(
        self, client: RedisClient, command: str, script: str, key: str, argument: bytes
    ) -> Any:
        keys = [key]
        if not self._is_of_record:
            # While a slot moves, each of two servers has a part of its keys, and sends away whoever
            # asks for one that it does not have. There is no key that is the tag; beside one that
            # is there, both say to try again, so that no script takes a part for all.
            keys.append(f"{key}/version")
        return client.run(
            lambda server: server.execute_command(command, script, len(keys), *keys, argument),
            is_safe=self.is_safe,
        )

    def read(self, client: RedisClient, key: str, argument: bytes) -> Any:
        """Run it for one key, and give what the JSON says that it answers, or None."""
        answer = self.call(client, key, argument)
        return None if answer is None else orjson.loads(answer)

    def ask(self, client: RedisClient, collection: Collection, told: dict[str, Any]) -> Any:
        """Run it for a collection, and give what its JSON says; None where it says nothing."""
        told["model"] = collection.model
        if self.is_safe or client.may_write:
            return self.read(client, collection.tag, orjson.dumps(told))
        answer = self.read(client, collection.tag, orjson.dumps({**told, "first": True}))
        client.may_write = True
        return answer


GET = Script(lua_reading.GET, is_safe=True, is_of_record=True)
READ = Script(lua_reading.READ, is_safe=True)
COUNT = Script(lua_reading.COUNT, is_safe=True)
FIND = Script(lua_reading.FIND, is_safe=True)
WALK = Script(lua_reading.WALK, is_safe=True)
INSERT = Script(lua_writing.INSERT)
INSERT_UNLESS = Script(lua_writing.INSERT_UNLESS)
CHANGE = Script(lua_writing.CHANGE)
REMOVE = Script(lua_writing.REMOVE)
EMPTY = Script(lua_writing.EMPTY)
FORGET = Script(lua_writing.FORGET, is_safe=True)
BUILD = Script(lua_writing.BUILD)
