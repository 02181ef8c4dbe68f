"""KeyValueModel: keys and their values, such as those of a cache, with LoopBack's routes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from .connectors import Connector
from .connectors.key_value import ENDLESS, Glob, KeyValueStore
from .errors import ArgumentError, BadRequest, DefinitionError, NotAttachedError, NotFound
from .hooks import AFTER, Pattern, RemoteHook
from .methods import RemoteMethod, declared_methods, remote_method
from .model import Model
from .operations import OPERATION_OF, Source
from .operations.base import operation
from .query.patterns import BadPattern
from .types import AnyValue, String, TypeMismatch

if TYPE_CHECKING:
    from .remoting import Context

__all__ = ["KeyValueModel"]

#: The longest time to live, in milliseconds: what JavaScript's numbers have exactly.
_MAX_TTL = 2**53 - 1
_UNKNOWN = {404: "There is no such key."}

_KEY = {"arg": "key", "type": "string", "required": True, "http": {"source": "path"}}
_TTL = {"arg": "ttl", "type": "integer", "description": "For how many milliseconds it is there."}


class KeyValueModel(Model):
    """Keys and their values, each for as long as it is said to be there. Extend it.

    ::

        class Cache(KeyValueModel):
            class Meta:
                data_source = redis_db

        Cache.set("greeting", {"text": "Hello"}, ttl=60_000)
        Cache.get("greeting")

    A key is text of up to 1,024 characters, and a value JSON other than null. It has the methods
    of LoopBack's ``KeyValueModel`` and none of the operations of other models; it has no
    properties. Its data source is one on the connector ``memory`` or ``redis``.
    """

    __loop_bundled__: ClassVar[bool] = True
    __loop_key_value__: ClassVar[bool] = True

    class Meta:
        id_injection = False

    def __init__(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        name = type(self).__name__
        raise TypeError(f"{name} has no instances; {name}.set(key, value) keeps a value")

    @classmethod
    def attach_to(cls, source: Source) -> None:
        """Attach the model to a data source, which gives it its methods.

        :param source: the data source.
        :raises DefinitionError: where its connector keeps no keys and values.
        """
        super().attach_to(source)
        if getattr(source, "is_known", False) and not _keeps_values(source.connector):
            raise DefinitionError(
                f"{cls.__name__} is made of keys and values, and the {source.connector.name} "
                "connector keeps no such"
            )

    @classmethod
    def __loop_methods__(cls) -> list[RemoteMethod]:
        _refuse_more(cls)
        return declared_methods(cls)

    @remote_method(
        accepts=_KEY,
        returns={"arg": "value", "type": "any", "root": True},
        http={"verb": "get", "path": "/:key"},
        errors=_UNKNOWN,
    )
    @operation
    def get(cls, key: str) -> Any:
        """Give the value of a key.

        :param key: the key.
        :returns: None where there is none; remote callers get 404 then.
        :raises ArgumentError: where it can be no key.
        """
        return _store_of(cls).get(_key(key))

    @remote_method(
        accepts=[
            _KEY,
            {"arg": "value", "type": "any", "required": True, "http": {"source": "body"}},
            {**_TTL, "http": {"source": "query"}},
        ],
        http={"verb": "put", "path": "/:key"},
        access_type="WRITE",
    )
    @operation
    def set(cls, key: str, value: Any, ttl: float | Mapping[str, Any] | None = None) -> None:
        """Keep a value under a key.

        It takes the place of what was there, and of when that would be over.

        :param key: the key.
        :param value: JSON, and not null.
        :param ttl: for how many milliseconds it is there, as a number or as ``{"ttl": number}``;
            None for ever.
        :raises ArgumentError: naming what means nothing.
        """
        _store_of(cls).set(_key(key), _value(value), _optional_ttl(ttl))

    @remote_method(
        accepts=[_KEY, {**_TTL, "required": True, "http": {"source": "form"}}],
        http={"verb": "put", "path": "/:key/expire"},
        access_type="WRITE",
        errors=_UNKNOWN,
    )
    @operation
    def expire(cls, key: str, ttl: float) -> None:
        """Say for how long a key is there from now on.

        :param key: the key.
        :param ttl: for how many milliseconds.
        :raises NotFound: where there is no such key.
        :raises ArgumentError: naming what means nothing.
        """
        if not _store_of(cls).expire(_key(key), _ttl(ttl)):
            raise _unknown(cls, key)

    @remote_method(
        accepts=_KEY,
        returns={"arg": "value", "type": "any", "root": True},
        http={"verb": "get", "path": "/:key/ttl"},
        errors=_UNKNOWN,
    )
    @operation
    def ttl(cls, key: str) -> int | None:
        """Give for how many milliseconds a key is still there.

        :param key: the key.
        :returns: None where it stays until it is deleted.
        :raises NotFound: where there is no such key.
        :raises ArgumentError: where it can be no key.
        """
        left = _store_of(cls).ttl(_key(key))
        if left is None:
            raise _unknown(cls, key)
        return None if left == ENDLESS else left

    @remote_method(
        accepts={
            "arg": "filter",
            "type": "object",
            "description": 'A pattern that keys match: {"match": "a*"}.',
            "default": {"match": "*"},
            "http": {"source": "query"},
        },
        returns={"arg": "keys", "type": ["string"], "root": True},
        http={"verb": "get", "path": "/keys"},
    )
    @operation
    def keys(cls, filter: Mapping[str, Any] | None = None) -> list[str]:
        """Give the keys, in order.

        :param filter: ``{"match": pattern}``, where only some are meant: ``*`` in the pattern is
            any text, ``?`` one character, and a backslash takes the meaning from either.
        :raises BadRequest: where they are too many to be given at once; see :meth:`iterate_keys`.
        :raises ArgumentError: naming what means nothing in the filter.
        """
        store = _store_of(cls)
        found = list(islice(store.keys(_match(filter)), store.max_scan + 1))
        if len(found) > store.max_scan:
            raise BadRequest(
                f"There are more than {store.max_scan} such keys of {cls.definition.name}: narrow "
                "them by match.",
                error_code="TOO_MUCH_TO_READ",
            )
        return sorted(found)

    @operation
    def iterate_keys(cls, filter: Mapping[str, Any] | None = None) -> Iterator[str]:
        """Give the keys one by one, however many they are, in any order.

        What is written meanwhile may be among them or not.

        :param filter: as :meth:`keys` takes it.
        """
        return _store_of(cls).keys(_match(filter))

    @remote_method(
        accepts=_KEY,
        returns={"arg": "count", "type": "number"},
        http={"verb": "delete", "path": "/:key"},
        access_type="WRITE",
        shared=False,
    )
    @operation
    def delete(cls, key: str) -> int:  # type: ignore[override]
        """Delete a key.

        Remote callers do not have it until it is enabled for them.

        :param key: the key.
        :returns: how many there were: 1 or 0.
        :raises ArgumentError: where it can be no key.
        """
        return int(_store_of(cls).delete(_key(key)))

    @operation
    def delete_all(cls) -> int:  # type: ignore[override]
        """Delete all keys of the model.

        :returns: how many they were.
        """
        return _store_of(cls).delete_all()


class _NoOperation:
    """What a model of keys has in the place of an operation of other models.

    :param name: the operation's Python name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise NotAttachedError(
            f"{owner.__name__}.{self._name}() is not there: a KeyValueModel has keys and values, "
            "and no records"
        )


for _name in OPERATION_OF.keys() - {"delete", "delete_all"}:
    setattr(KeyValueModel, _name, _NoOperation(_name))


def _refuse_nothing(ctx: Context) -> None:
    """Let remote callers know that there is no such key."""
    if ctx.result is None:
        raise _unknown(ctx.model, ctx.args["key"])


# It runs after all hooks of the model, which may have found a value elsewhere.
KeyValueModel.__loop_remote_hooks__ = [
    RemoteHook(AFTER, Pattern("**.get"), _refuse_nothing, takes_two=False, position=sys.maxsize)
]


def _keeps_values(connector: Connector) -> bool:
    return type(connector).key_value is not Connector.key_value


def _store_of(model: Any) -> KeyValueStore:
    _refuse_more(model)
    store: KeyValueStore = model.data_source.connector.key_value(model.definition)
    return store


def _refuse_more(model: Any) -> None:
    """Refuse a model that would have records.

    :raises DefinitionError: naming its property or relation.
    """
    definition = model.definition
    for what in (definition.properties, definition.relations):
        for name in what:
            raise DefinitionError(
                f"model {definition.name!r}: {name!r} has no place in a KeyValueModel, whose "
                "values are whatever is put under its keys"
            )


def _unknown(model: Any, key: str) -> NotFound:
    message = f'Unknown "{model.definition.name}" key "{key}".'
    return NotFound(message, error_code="KEY_NOT_FOUND")


# Arguments


def _key(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise ArgumentError("key", "is no text" if key != "" else "is blank")
    if len(key) > KeyValueStore.max_key:
        raise ArgumentError("key", f"is longer than {KeyValueStore.max_key} characters")
    try:
        return String().load(key)
    except TypeMismatch as error:
        raise ArgumentError("key", str(error)) from None


def _value(value: Any) -> Any:
    if value is None:
        raise ArgumentError("value", "is null; delete the key instead")
    try:
        return AnyValue().load(value)
    except TypeMismatch as error:
        raise ArgumentError(".".join(["value", *map(str, error.path)]), str(error)) from None


def _optional_ttl(given: Any) -> int | None:
    if isinstance(given, Mapping):
        for name in given:
            if name != "ttl":
                raise ArgumentError("ttl", f"has the key {name!r}, and takes 'ttl' alone")
        given = given.get("ttl")
    return None if given is None else _ttl(given)


def _ttl(given: Any) -> int:
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= _MAX_TTL:
        raise ArgumentError("ttl", f"is no whole number of milliseconds from 1 to {_MAX_TTL}")
    return given


def _match(filter: Any) -> Glob | None:
    if filter is None:
        return None
    if not isinstance(filter, Mapping):
        raise ArgumentError("filter", "is not an object")
    for name in filter:
        if name != "match":
            raise ArgumentError(f"filter.{name}", "is unknown; there is 'match'")
    match = filter.get("match")
    if match is None:
        return None
    if not isinstance(match, str):
        raise ArgumentError("filter.match", "is not text")
    try:
        return Glob(String().load(match))
    except (BadPattern, TypeMismatch) as error:
        raise ArgumentError("filter.match", str(error)) from None
