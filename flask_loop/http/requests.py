"""The arguments of remote methods in Flask's requests."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from flask import Request

from ..definition import MISSING, ModelDefinition
from ..errors import ArgumentError, BadRequest
from ..methods import Argument, RemoteMethod
from ..query import Bounds, Reachable, parse_query
from ..remoting import Given
from ..state import Settings
from .bodies import Form, read_body, typed_form

Reader = Callable[[Request, dict[str, Any]], Given]

#: The places of a request in which an argument is looked for, by its source. Others are no part of
#: a request.
_PLACES = {
    "path": ("path",),
    "query": ("query",),
    "form": ("form",),
    "header": ("header",),
    "any": ("path", "form", "query"),
}
_WITHOUT_BODY = ("GET", "HEAD")


def bounds_of(settings: Settings, reach: Reachable | None = None) -> Bounds:
    """How much the filter of a remote caller may ask for.

    :param settings: the app's.
    :param reach: what of other models callers may reach; None for all.
    """
    return Bounds(
        depth=settings.max_filter_depth,
        conditions=settings.max_filter_conditions,
        values=settings.max_values,
        limit=settings.max_limit,
        include_depth=settings.max_include_depth,
        includes=settings.max_includes,
        included=settings.max_included,
        reach=reach,
    )


def reader_of(method: RemoteMethod, definition: ModelDefinition, settings: Settings) -> Reader:
    """What reads the arguments of a method from a request and the values of its path.

    :param method: the method.
    :param definition: the model's.
    :param settings: the app's.
    """
    if method.own:
        return RequestReader(method, settings)
    return _reader_of_operation(method, definition, settings)


def _reader_of_operation(
    method: RemoteMethod, definition: ModelDefinition, settings: Settings
) -> Reader:
    takes_query = any(argument.source == "query" for argument in method.accepts)
    body_name, of = next(
        ((a.name, a.of or definition) for a in method.accepts if a.source == "body"),
        (None, definition),
    )
    max_body = settings.max_body

    def read(request: Request, path: dict[str, Any]) -> Given:
        given = path
        if takes_query and request.query_string:
            given = {**parse_query(request.query_string), **path}
        if body_name is not None:
            body = read_body(request, max_body)
            if body is not MISSING:
                given = {**given, body_name: typed_form(body, of)}
        return Given(given)

    return read


class RequestReader:
    """Reads the arguments of a user's own method, each from its source.

    :param method: the method.
    :param settings: the app's, for the bounds of bodies.

    The value of the path, the query, a form or a header is text; JSON is typed. An argument of any
    source is looked for in the path, then among the fields of the body, then in the query.
    """

    def __init__(self, method: RemoteMethod, settings: Settings) -> None:
        self._is_of_one = method.on_instance
        self._files = [each for each in method.accepts if _is_file(each)]
        self._whole = [
            each.name for each in method.accepts if each.source == "body" and not _is_file(each)
        ]
        self._parts = [
            (each.name, _PLACES[each.source])
            for each in method.accepts
            if each.source in _PLACES and not _is_file(each)
        ]
        self._sources = {each.source for each in method.accepts if not _is_file(each)}
        self._takes_query = bool(self._sources & {"query", "any"})
        self._takes_fields = bool(self._files or self._sources & {"form", "any"})
        self._max_body = method.max_body or settings.max_body
        self._max_upload = (method.max_body or settings.max_upload) if self._takes_fields else None

    def __call__(self, request: Request, path: dict[str, Any]) -> Given:
        """Read the arguments of a request.

        :param request: Flask's request.
        :param path: the values of the path by name.
        :raises BadRequest: where the body or the query is malformed.
        :raises ArgumentError: where a file is meant and none is there.
        """
        body = self._read_body(request)
        values: dict[str, Any] = {} if body is MISSING else dict.fromkeys(self._whole, body)
        text = set(values) if isinstance(body, Form) else set()
        places: dict[str, Mapping[str, Any]] = {
            "path": path,
            "query": self._read_query(request),
            "form": self._fields_of(body),
            "header": request.headers,  # type: ignore[dict-item]
        }
        typed: Container[str] = () if isinstance(body, Form) else ("form",)
        for name, among in self._parts:
            place = next((place for place in among if name in places[place]), None)
            if place is not None:
                values[name] = places[place][name]
                if place not in typed:
                    text.add(name)
        for argument in self._files:
            _add_file(values, argument, body)
        if isinstance(body, Form):
            self._refuse_files(body)
        if self._is_of_one:
            values["id"] = path["id"]
        return Given(values, text)

    def _refuse_files(self, body: Form) -> None:
        """Refuse a file where a field is meant."""
        for name, among in self._parts:
            if "form" in among and name in body.files:
                raise ArgumentError(name, "is a file; send a field without a file name")

    def _read_body(self, request: Request) -> Any:
        """The body, where an argument may be in it; GET has one only where that is declared."""
        is_declared = self._files or self._whole or "form" in self._sources
        if is_declared or ("any" in self._sources and request.method not in _WITHOUT_BODY):
            return read_body(request, self._max_body, self._max_upload)
        return MISSING

    def _read_query(self, request: Request) -> Mapping[str, Any]:
        if self._takes_query and request.query_string:
            return parse_query(request.query_string)
        return {}

    def _fields_of(self, body: Any) -> Mapping[str, Any]:
        if isinstance(body, Mapping):
            return body
        if body is MISSING or self._whole or not self._takes_fields:
            return {}
        raise BadRequest("The body is not an object, which has the arguments by name.")


def _is_file(argument: Argument) -> bool:
    return argument.type in ("file", "[file]")


def _add_file(values: dict[str, Any], argument: Argument, body: Any) -> None:
    """Add the files of a multipart body that have the name of an argument."""
    name = argument.name
    found = body.files.getlist(name) if isinstance(body, Form) else []
    # A browser sends a file without a name where the user has chosen none.
    files = [each for each in found if each.filename]
    if not found and isinstance(body, Mapping) and name in body:
        raise ArgumentError(name, "is not a file; send multipart/form-data")
    if argument.many or argument.type == "[file]":
        if found:
            values[name] = files
    elif len(files) > 1:
        raise ArgumentError(name, "is more than one file")
    elif files:
        values[name] = files[0]
