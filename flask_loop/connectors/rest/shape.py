"""Shape: what the resources of a server look like, and what they can do by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ...definition import nearest
from ...errors import DefinitionError
from .paths import JsonPath

_ALIASES = {
    "responsePath": "response_path",
    "recordPath": "record_path",
    "pageSize": "page_size",
    "firstPage": "first_page",
    "idField": "id_field",
}
_NAMES = ("limit", "skip", "page", "order", "direction")
#: What is a number, and the least one.
_NUMBERS = {"page_size": 1, "first_page": 0}


@dataclass(frozen=True, slots=True)
class QueryShape:
    """What a list can be asked for: the names of the parameters that ask for it.

    :ivar limit: how many records at most.
    :ivar skip: how many are left out.
    :ivar page: the number of a page, in the place of ``skip``.
    :ivar first_page: the number of the first one.
    :ivar page_size: how many records are asked for at once.
    :ivar order: the fields to sort by, with commas between; a ``-`` before one turns it around.
    :ivar direction: ``asc`` or ``desc`` for each of these, in the place of the ``-``.
    :ivar where: equality: the parameter of each field that has one.
    :ivar where_all: whether each field has a parameter of its own name.
    """

    limit: str | None = None
    skip: str | None = None
    page: str | None = None
    first_page: int = 1
    page_size: int = 100
    order: str | None = None
    direction: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    where_all: bool = False

    @property
    def has_pages(self) -> bool:
        return self.limit is not None and (self.skip or self.page) is not None

    @classmethod
    def of(cls, given: Any, where: str) -> QueryShape:
        """What is written of it.

        :param where: the place, for messages.
        :raises DefinitionError: naming what is unknown or means nothing.
        """
        read = _read_query(given, where)
        _refuse_halves(read, where)
        if "where" in read:
            read["where"], read["where_all"] = _read_where(read["where"], f"{where}.where")
        return cls(**read)


@dataclass(frozen=True, slots=True)
class Shape:
    """What one resource looks like.

    :ivar id_field: what the id is called, where a model's id does not say it.
    :ivar response_path: where the records are in the answer to a list.
    :ivar record_path: where the record is in the answer that has one.
    :ivar update: the method that changes some fields of a record: ``PATCH``, or ``PUT`` where the
        server has none, which gets the whole record then.
    :ivar query: what a list can be asked for.
    """

    KEYS: ClassVar[tuple[str, ...]] = (
        "id_field",
        "idField",
        "response_path",
        "responsePath",
        "record_path",
        "recordPath",
        "update",
        "query",
    )

    id_field: str | None = None
    response_path: JsonPath | None = None
    record_path: JsonPath | None = None
    update: str = "PATCH"
    query: QueryShape = field(default_factory=QueryShape)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Shape:
        return cls().updated(given, "the rest connector")

    def updated(self, given: Mapping[str, Any], where: str) -> Shape:
        """The shape with what is said of it.

        :param given: by the names in :attr:`KEYS`.
        :param where: who says it, for messages.
        :raises DefinitionError: naming what means nothing.
        """
        changes: dict[str, Any] = {}
        for key, value in given.items():
            name = _ALIASES.get(key, key)
            if name in ("response_path", "record_path"):
                changes[name] = JsonPath(value, f"{where}: {key}")
            elif name == "query":
                changes[name] = QueryShape.of(value, f"{where}: query")
            elif name == "id_field":
                if not isinstance(value, str):
                    raise DefinitionError(f"{where}: {key} is the name of a field, not {value!r}")
                changes[name] = value
            elif value in ("PUT", "PATCH"):
                changes[name] = value
            else:
                raise DefinitionError(f"{where}: {key} is PUT or PATCH, not {value!r}")
        return replace(self, **changes)


def _read_query(given: Any, where: str) -> dict[str, Any]:
    """What is written of a list, by the names of our own."""
    if not isinstance(given, Mapping):
        raise DefinitionError(f"{where} is a dict")
    known = (*_NAMES, *_NUMBERS, "where")
    read: dict[str, Any] = {}
    for key, value in given.items():
        name = _ALIASES.get(key, key)
        if name not in known:
            raise DefinitionError(f"{where} has no {key!r}{nearest(key, known)}")
        if name in _NAMES and not (isinstance(value, str) and value):
            raise DefinitionError(f"{where}.{key} is the name of a parameter, not {value!r}")
        least = _NUMBERS.get(name)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if least is not None and not (is_number and value >= least):
            raise DefinitionError(f"{where}.{key} is a whole number from {least}, not {value!r}")
        read[name] = value
    return read


def _refuse_halves(read: Mapping[str, Any], where: str) -> None:
    if "skip" in read and "page" in read:
        raise DefinitionError(f"{where} has either 'skip' or 'page'")
    if ("skip" in read or "page" in read) and "limit" not in read:
        raise DefinitionError(f"{where} has no 'limit', without which there are no pages")
    if "direction" in read and "order" not in read:
        raise DefinitionError(f"{where} has a 'direction', but no 'order'")


def _read_where(given: Any, where: str) -> tuple[dict[str, str], bool]:
    if given is True or given == "*":
        return {}, True
    if isinstance(given, list | tuple):
        given = {each: each for each in given}
    if not isinstance(given, Mapping) or not all(
        isinstance(key, str) and isinstance(value, str) and value for key, value in given.items()
    ):
        raise DefinitionError(
            f'{where} is "*", a list of fields, or a dict of the parameter of each field'
        )
    return dict(given), False
