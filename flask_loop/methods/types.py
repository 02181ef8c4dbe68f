"""From what stands for a type in a declaration to its name and to how its values are read."""

from __future__ import annotations

import typing as t
from collections.abc import Generator, Iterable, Iterator
from io import IOBase
from os import PathLike
from types import NoneType, UnionType

from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Request, Response

from ..definition import Embedded, Registry, nearest, registry, type_resolver
from ..definition.resolution import TYPE_NAMES
from ..errors import DefinitionError
from ..types import AnyValue, Array, Date, Geo, PropertyType, Uuid

#: The names of types that are no property types.
FILE, FILES, STREAM = "file", "[file]", "stream"
_NAMED = {"file": FILE, "[file]": FILES, "stream": STREAM, "ReadableStream": STREAM}
_STREAMS = (Iterator, Generator, Iterable)
#: Where the context is, which this room is below and cannot import.
_CONTEXT = (f"{__name__.partition('.')[0]}.remoting.context", "Context")


class KnownModels(Registry):
    """The models that the methods of one of them may name: itself first.

    :param model: the model.
    """

    def __init__(self, model: t.Any) -> None:
        super().__init__()
        self._model = model

    def get(self, name: str) -> type:
        """Give the model of this name.

        :raises DefinitionError: where no model, or more than one, has the name.
        """
        is_own = name == self._model.definition.name
        return self._model if is_own else registry.get(name)


class TypeReader:
    """Reads the types of one model's methods.

    :param model: the model.
    """

    def __init__(self, model: t.Any) -> None:
        self._models = KnownModels(model)
        self._resolve = type_resolver(model.definition.name, self._models)

    def read(self, written: t.Any) -> tuple[str, PropertyType | None]:
        """Give a type's name and how its values are read, which is None for files and streams.

        :param written: what :class:`~flask_loop.Model` takes as a property's type, or a file or
            stream by name or class.
        :raises DefinitionError: where it is none of these.
        """
        named = self._built_in(written)
        if named is not None:
            return named, None
        for name in _names_in(written):
            self._demand(name)
        kind = self._resolve(written)
        return _name_of(written, kind), kind

    def _built_in(self, written: t.Any) -> str | None:
        if isinstance(written, str):
            return _NAMED.get(written)
        if is_file(written):
            return FILE
        item = _item(written)
        return FILES if item == "file" or is_file(item) else None

    def _demand(self, name: str) -> None:
        """Refuse the name of a model that there is not: a request would be too late to say so."""
        if not isinstance(self._resolve(name), Embedded):
            return
        try:
            self._models.get(name)
        except DefinitionError as error:
            if near := nearest(name, (*TYPE_NAMES, *_NAMED)):
                raise DefinitionError(f"no type or model is called {name!r}{near}") from None
            raise error from None


def _names_in(written: t.Any) -> t.Iterator[str]:
    """The names of types in what stands for one."""
    if isinstance(written, str):
        while written.startswith("[") and written.endswith("]"):
            written = written[1:-1]
        yield written
    elif isinstance(written, list | tuple):
        for part in written:
            yield from _names_in(part)


def is_file(written: t.Any) -> bool:
    """Whether an annotation means a file."""
    return isinstance(written, type) and issubclass(written, FileStorage)


def is_readable(annotation: t.Any) -> bool:
    """Whether an annotation means what can be sent as a file: a path, or an open file."""
    base = t.get_origin(annotation) or annotation
    return isinstance(base, type) and issubclass(base, PathLike | IOBase | t.IO)


def is_stream(written: t.Any) -> bool:
    """Whether an annotation means that a function gives its items one by one."""
    return (t.get_origin(written) or written) in _STREAMS


def is_response(written: t.Any) -> bool:
    """Whether an annotation means a whole response of Flask's."""
    return isinstance(written, type) and issubclass(written, Response)


def source_of(written: t.Any) -> str | None:
    """The source of an argument whose annotation is no type of values, such as the context."""
    if not isinstance(written, type):
        return None
    if issubclass(written, Request):
        return "request"
    if issubclass(written, Response):
        return "response"
    places = {(each.__module__, each.__name__) for each in written.__mro__}
    return "context" if _CONTEXT in places else None


def without_none(annotation: t.Any) -> t.Any:
    """What an annotation means beside None."""
    if t.get_origin(annotation) not in (t.Union, UnionType):
        return annotation
    kept = [each for each in t.get_args(annotation) if each is not NoneType]
    return kept[0] if len(kept) == 1 else annotation


def _item(written: t.Any) -> t.Any:
    """What stands for the type of a list's items, or None."""
    if isinstance(written, list | tuple):
        return written[0] if written else None
    if t.get_origin(written) is list:
        return t.get_args(written)[0]
    return None


def _name_of(written: t.Any, kind: PropertyType) -> str:
    if isinstance(written, str):
        return written
    written = without_none(written)
    if hasattr(written, "__loop_model__"):
        return str(written.__name__)
    if isinstance(kind, Array) and not isinstance(kind.item, AnyValue):
        return f"[{_name_of(_item(written), kind.item)}]"
    if isinstance(kind, Geo | Uuid):
        return kind.name
    return "dateOnly" if isinstance(kind, Date) else kind.name.lower()
