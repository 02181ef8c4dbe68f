"""Templates: requests with placeholders, and the functions that send them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlencode

import orjson

from ...definition import nearest
from ...errors import ArgumentError, BadRequest, Conflict, DefinitionError, NotFound
from ..base import Function, FunctionArgument
from ..given import by_name
from ..web import Answer, WebClient, is_header
from .paths import JsonPath
from .placeholders import Placeholder, as_text, fill_json, json_template, placeholders_in
from .settings import OF_REQUEST
from .urls import UrlTemplate

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_KEYS = (
    "method",
    "url",
    "headers",
    "query",
    "body",
    "form",
    "response_path",
    "options",
    "description",
)
_ALIASES = {"responsePath": "response_path"}
_LOOPBACK = {
    "json": None,
    "responseHeaders": "a function gives what is in the answer's body",
}
_OPTIONS = ("timeout", "retries", "verify")
_OPTION_ALIASES = {"strictSSL": "verify"}
#: Where remote callers give what is in each part of a template.
_SOURCES = {"url": "path", "query": "query", "headers": "header", "body": "form", "form": "form"}
_GIVEN_SOURCES = {**dict(zip(_SOURCES.values(), _SOURCES.values(), strict=True)), "body": "body"}
_FORM = "application/x-www-form-urlencoded"
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([\w.:-]+)")

#: Gives the client for a server, or for the base_url where that is None, with options of its own.
FindClient = Callable[[str | None, Mapping[str, Any]], WebClient]


class Template:
    """A request with placeholders.

    :param given: ``method``, ``url``, ``headers``, ``query``, ``body`` or ``form``,
        ``responsePath``, ``options``, ``description``.
    :param place: where it is written, for messages.
    :param find_client: gives the client for where it leads to.
    :raises DefinitionError: naming what means nothing.
    """

    def __init__(self, given: Any, place: str, find_client: FindClient) -> None:
        if not isinstance(given, Mapping):
            raise DefinitionError(f"{place} is a dict")
        named = by_name(f"{place} has no", given, _KEYS, _ALIASES, _LOOPBACK)
        self.method = str(named.get("method", "GET")).upper()
        if self.method not in _METHODS:
            raise DefinitionError(f"{place}.method is one of {', '.join(_METHODS)}")
        self._place = place
        self.url = UrlTemplate(named.get("url"), f"{place}.url")
        self._query = _flat(named, "query", place)
        self._headers = _flat(named, "headers", place)
        self._form = _flat(named, "form", place)
        self._has_body = named.get("body") is not None
        self._body = json_template(named.get("body"), "body", f"{place}.body")
        if self._form and self._has_body:
            raise DefinitionError(f"{place} has either a 'body' or a 'form'")
        self._path: JsonPath | None = None
        if named.get("response_path") is not None:
            self._path = JsonPath(named["response_path"], f"{place}.responsePath")
        self.placeholders = _merged(self._all_placeholders(), place)
        #: What the documentation of its functions says, unless it is empty.
        self.description = named.get("description") or ""
        if not isinstance(self.description, str):
            raise DefinitionError(f"{place}.description is text, not {self.description!r}")
        options = named.get("options") or {}
        if not isinstance(options, Mapping):
            raise DefinitionError(f"{place}.options is a dict")
        options = by_name(f"{place}.options has no", options, _OPTIONS, _OPTION_ALIASES, OF_REQUEST)
        self._client = find_client(self.url.origin, options)

    def send(self, /, **given: Any) -> Any:
        """Send the request, and give what the answer says.

        :param given: values by the names of placeholders.
        :raises ArgumentError: naming one that is missing, or of another type.
        """
        values = {name: each.read(given.get(name)) for name, each in self.placeholders.items()}
        headers = dict(self._filled_headers(values))
        body: dict[str, Any] = {}
        if self._has_body:
            body = self._encoded(fill_json(self._body, values), headers)
        elif self._form:
            headers = {name: each for name, each in headers.items() if not _is_of_type(name)}
            headers["Content-Type"] = _FORM
            body = {"content": urlencode(list(_pairs(self._form, values))).encode()}
        answer = self._client.send(
            self.method,
            self.url.filled(values),
            params=list(_pairs(self._query, values)),
            headers=headers,
            **body,
        )
        return self._read(answer)

    def _all_placeholders(self) -> Iterator[Placeholder]:
        yield from self.url.placeholders()
        for template in (self._query, self._headers, self._form):
            for parts in template.values():
                yield from placeholders_in(parts)
        yield from placeholders_in(self._body)

    def _filled_headers(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for name, template in self._headers.items():
            value = fill_json(template, values)
            if value is None:
                continue
            text = as_text(value)
            if not is_header(name, text):
                held = next(iter(placeholders_in(template)))
                raise ArgumentError(held.name, "cannot be in a header: ASCII on one line")
            yield name, text

    @staticmethod
    def _encoded(body: Any, headers: Mapping[str, str]) -> dict[str, Any]:
        """The body: text where a header says that it is no JSON."""
        said = next((each for name, each in headers.items() if _is_of_type(name)), "json")
        if isinstance(body, str) and "json" not in said.lower():
            return {"content": body.encode()}
        return {"json": body}

    def _read(self, answer: Answer) -> Any:
        if not answer.is_success:
            raise self._refused(answer)
        if not answer.content.strip():
            return [] if self._path is not None else None
        kind = answer.headers.get("content-type", "").lower()
        if self._path is None and kind.startswith("text/") and "json" not in kind:
            return _text_of(answer, kind)
        document = answer.json()
        return document if self._path is None else self._path.all(document)

    def _refused(self, answer: Answer) -> Exception:
        """The error of an answer that is no success; nothing that it says is shown."""
        if answer.status in (400, 422):
            return BadRequest("The data source refused the arguments.", error_code="REFUSED")
        if answer.status in (404, 410):
            return NotFound("The data source has no such thing.", error_code="NOT_FOUND")
        if answer.status in (409, 412):
            return Conflict("The data source refused the change.", error_code="REFUSED")
        return self._client.refusal(answer, self._place)


def functions_of(operations: Iterable[Any], find_client: FindClient) -> dict[str, Function]:
    """The functions of the setting ``operations``, by name.

    :raises DefinitionError: naming what means nothing.
    """
    functions: dict[str, Function] = {}
    for number, operation in enumerate(operations):
        place = f"operations[{number}]"
        if not isinstance(operation, Mapping):
            raise DefinitionError(f"{place} is a dict")
        for key in operation:
            if key not in ("template", "functions"):
                raise DefinitionError(
                    f"{place} has no {key!r}{nearest(key, ('template', 'functions'))}"
                )
        template = Template(operation.get("template"), f"{place}.template", find_client)
        named = operation.get("functions") or {}
        if not isinstance(named, Mapping):
            raise DefinitionError(f"{place}.functions is a dict of names and their arguments")
        if not named:
            raise DefinitionError(f"{place} names no 'functions', without which nothing sends it")
        for name, arguments in named.items():
            where = f"{place}.functions.{name}"
            if not isinstance(name, str) or not name.isidentifier():
                raise DefinitionError(f"{where}: {name!r} is no name of a function")
            if name in functions:
                raise DefinitionError(f"{where}: another function has the name")
            functions[name] = _function(name, template, arguments, where)
    return functions


def _function(name: str, template: Template, given: Any, place: str) -> Function:
    if not isinstance(given, list | tuple):
        raise DefinitionError(f"{place} is the list of its arguments")
    arguments = tuple(_argument(template, each, place) for each in given)
    names = [each.name for each in arguments]
    for each in names:
        if names.count(each) > 1:
            raise DefinitionError(f"{place} has the argument {each!r} twice")
    for each, placeholder in template.placeholders.items():
        if placeholder.required and placeholder.default is None and each not in names:
            raise DefinitionError(f"{place} lacks {each!r}, without which nothing can be sent")
    path = "".join(f"/:{each.name}" for each in arguments if each.source == "path")
    return Function(
        name=name,
        call=partial(_send, template, {each.name: each.default for each in arguments}),
        arguments=arguments,
        verb="GET" if template.method == "HEAD" else template.method,
        path=f"/{name}{path}",
        description=template.description,
    )


def _text_of(answer: Answer, content_type: str) -> str:
    """The text of an answer, in the encoding that it says, if there is one of that name."""
    found = _CHARSET.search(content_type)
    with suppress(LookupError, UnicodeError):
        return answer.content.decode("utf-8" if found is None else found[1], errors="replace")
    return answer.content.decode(errors="replace")


def _is_of_type(header: str) -> bool:
    return header.lower() == "content-type"


def _send(template: Template, defaults: Mapping[str, Any], /, **given: Any) -> Any:
    values = {name: each for name, each in given.items() if each is not None}
    return template.send(**{**defaults, **values})


def _argument(template: Template, given: Any, place: str) -> FunctionArgument:
    """An argument: the name of a placeholder, or ``{"name": ..., "source": ...}``.

    What follows ``=`` in the name is its default.
    """
    said = {"name": given} if isinstance(given, str) else given
    if not isinstance(said, Mapping) or not isinstance(said.get("name"), str):
        raise DefinitionError(f"{place}: an argument is a name, or a dict with a 'name'")
    for key in said:
        if key not in ("name", "source", "description"):
            raise DefinitionError(f"{place}: an argument has no {key!r}")
    name, has_default, text = said["name"].partition("=")
    if not name.isidentifier():
        raise DefinitionError(f"{place}: {name!r} is no name of an argument: letters, digits, _")
    found = template.placeholders.get(name)
    if found is None:
        known = template.placeholders
        raise DefinitionError(f"{place}: no placeholder is {name!r}{nearest(name, known)}")
    usual = "body" if found.root == "body" and found.is_alone else _SOURCES[found.root]
    source = said.get("source") or usual
    if source not in _GIVEN_SOURCES:
        raise DefinitionError(
            f"{place}: the source of {name!r} is one of {', '.join(_GIVEN_SOURCES)}"
        )
    if source == "form" and template.method in ("GET", "HEAD"):
        source = "query"
    default = found.default
    if has_default:
        try:
            default = found.read(text)
        except ArgumentError as error:
            problem = f"{place}: {said['name']!r} has a default that {error.problem}"
            raise DefinitionError(problem) from None
    return FunctionArgument(
        name=name,
        type=found.kind,
        required=found.required and default is None,
        default=default,
        source=source,
        description=str(said.get("description") or ""),
    )


def _flat(named: Mapping[str, Any], key: str, place: str) -> dict[str, Any]:
    """A part of a template that is names and their values."""
    given = named.get(key) or {}
    if not isinstance(given, Mapping):
        raise DefinitionError(f"{place}.{key} is a dict")
    for name, value in given.items():
        if isinstance(value, Mapping):
            raise DefinitionError(f"{place}.{key}.{name} is one value, not a dict")
        if key == "headers" and not is_header(name, as_text(value)):
            raise DefinitionError(f"{place}.headers.{name} is no header: ASCII on one line")
    found: dict[str, Any] = json_template(given, key, f"{place}.{key}")
    return found


def _pairs(template: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fill_json(template, values).items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict | list):
                yield name, orjson.dumps(each).decode()
            elif each is not None:
                yield name, as_text(each)


def _merged(found: Iterable[Placeholder], place: str) -> dict[str, Placeholder]:
    """The placeholders by name; one that is in several places is said to be one thing.

    :raises DefinitionError: naming one that is of two types, or has two defaults.
    """
    merged: dict[str, Placeholder] = {}
    for each in found:
        other = merged.setdefault(each.name, each)
        for key in ("type", "default"):
            first, second = getattr(other, key), getattr(each, key)
            if first is not None and second is not None and first != second:
                raise DefinitionError(f"{place}: {each.name!r} has two {key}s")
        merged[each.name] = Placeholder(
            each.name,
            other.type or each.type,
            other.required or each.required,
            other.default if other.default is not None else each.default,
            other.root,
            other.is_alone and each.is_alone,
        )
    return merged


__all__ = ["FindClient", "Template", "functions_of"]
