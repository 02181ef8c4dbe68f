"""Options: what is written of a remote method, in LoopBack's or Python's spelling, put in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..definition import MISSING, TransactionOptions, nearest, read_entries
from ..errors import DefinitionError
from .declaration import PLACEHOLDER

#: The Python spelling of each option.
_OPTIONS = {
    "accepts": "accepts",
    "returns": "returns",
    "http": "http",
    "description": "description",
    "notes": "notes",
    "documented": "documented",
    "shared": "shared",
    "is_static": "is_static",
    "isStatic": "is_static",
    "max_body": "max_body",
    "maxBody": "max_body",
    "transaction": "transaction",
    "access_type": "access_type",
    "accessType": "access_type",
    "access_scopes": "access_scopes",
    "accessScopes": "access_scopes",
    "acls": "acls",
    "errors": "errors",
}
#: What a call does to records, for access control.
ACCESS_TYPES = ("READ", "WRITE", "EXECUTE")
_ARGUMENT_KEYS = {
    "arg": "name",
    "name": "name",
    "type": "type",
    "required": "required",
    "default": "default",
    "description": "description",
    "http": "http",
    "documented": "documented",
    "allowArray": "allow_array",
    "allow_array": "allow_array",
    "root": "root",
}
_RETURNS_KEYS = {
    "arg": "name",
    "name": "name",
    "type": "type",
    "root": "root",
    "description": "description",
    "http": "http",
    "documented": "documented",
    "json": "json",
}
_HTTP_KEYS = {
    "verb": "verb",
    "path": "path",
    "status": "status",
    "errorStatus": "error_status",
    "error_status": "error_status",
}
_ALL_VERBS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_VERBS: dict[str, tuple[str, ...]] = {
    **{verb.lower(): (verb,) for verb in (*_ALL_VERBS, "HEAD")},
    "del": ("DELETE",),
    "all": _ALL_VERBS,
}
_SOURCES = {
    "path": "path",
    "query": "query",
    "body": "body",
    "form": "form",
    "formData": "form",
    "header": "header",
    "req": "request",
    "request": "request",
    "res": "response",
    "response": "response",
    "context": "context",
    "options": "options",
    "optionsFromRequest": "options",
    "any": "any",
}
_TARGETS = ("body", "status", "header")
#: The types of which a value is a whole body, and nothing inside JSON.
_WHOLE_BODIES = frozenset({"file", "stream", "ReadableStream"})
_WITHOUT_BODY = (204, 304)
#: What a header may be called, after RFC 9110.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLACEHOLDER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class WrittenArgument:
    """One of ``accepts``; its type is not looked up yet.

    :ivar name: as it was written.
    :ivar type: what stands for the type.
    """

    name: str
    type: Any = "any"
    source: str | Callable[[Any], Any] = "any"
    required: bool = False
    many: bool = False
    default: Any = MISSING
    description: str = ""
    documented: bool = True


@dataclass(frozen=True, slots=True)
class WrittenReturns:
    """One of ``returns``; its type is not looked up yet."""

    name: str
    type: Any = "any"
    root: bool = False
    target: str = "body"
    header: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class WrittenRoute:
    """A verb, and a path where one was written."""

    verb: str
    path: str | None


@dataclass(frozen=True, slots=True)
class Options:
    """What was written of a remote method.

    :ivar accepts: the arguments; None where they are to be read from the annotations.
    :ivar returns: what it gives, likewise.
    :ivar is_static: whether it is a method of the model and not of instances, where that was said.
    """

    accepts: tuple[WrittenArgument, ...] | None = None
    returns: tuple[WrittenReturns, ...] | None = None
    routes: tuple[WrittenRoute, ...] = (WrittenRoute("POST", None),)
    status: int | None = None
    error_status: int | None = None
    description: str = ""
    notes: str = ""
    documented: bool = True
    shared: bool = True
    is_static: bool | None = None
    max_body: int | None = None
    transaction: TransactionOptions | None = None
    access_type: str | None = None
    access_scopes: tuple[str, ...] | None = None
    acls: tuple[Mapping[str, Any], ...] = ()
    errors: Mapping[int, str] = field(default_factory=dict)


def read_options(given: Mapping[str, Any]) -> Options:
    """Put the options of a remote method in order.

    :param given: the options as they were written.
    :raises DefinitionError: naming what means nothing.
    """
    options = _by_python_names("option", given, _OPTIONS)
    read: dict[str, Any] = {}
    for key in ("accepts", "returns"):
        if key in options:
            read[key] = tuple(map(_READ_EACH[key], _listed(key, options[key])))
    for key in ("description", "notes"):
        read[key] = _text(key, options.get(key))
    for key in ("documented", "shared"):
        read[key] = _flag(key, options.get(key, True))
    if options.get("is_static") is not None:
        read["is_static"] = _flag("is_static", options["is_static"])
    if options.get("max_body") is not None:
        read["max_body"] = _whole("max_body", options["max_body"], range(1, 2**63))
    read["transaction"] = TransactionOptions.written("transaction", options.get("transaction"))
    read["acls"] = tuple(_listed("acls", options.get("acls")))
    read_entries(read["acls"], "acls")
    read["errors"] = _errors(options.get("errors"))
    if options.get("access_type") is not None:
        read["access_type"] = _access_type(options["access_type"])
    if options.get("access_scopes") is not None:
        read["access_scopes"] = _texts("access_scopes", options["access_scopes"])
    if options.get("http") is not None:
        read.update(_read_http(options["http"]))
    _refuse_twice("argument", (each.name for each in read.get("accepts", ())))
    _refuse_twice("value of returns", (each.name for each in read.get("returns", ())))
    _refuse_unsent(read.get("returns", ()), read.get("status"))
    return Options(**read)


def _refuse_unsent(returns: Iterable[WrittenReturns], status: int | None) -> None:
    """Refuse values that would have no place in the answer."""
    in_body = [each for each in returns if each.target == "body"]
    if in_body and status in _WITHOUT_BODY:
        raise DefinitionError(
            f"an answer with the status {status} has no body for {in_body[0].name!r}"
        )
    whole = next((each for each in in_body if each.root), None)
    other = next((each for each in in_body if each is not whole), None)
    if whole is not None and other is not None:
        raise DefinitionError(
            f"the value {whole.name!r} of returns is the whole body, in which {other.name!r} has "
            "no place"
        )


def _listed(key: str, value: Any) -> list[Any]:
    if value is None:
        return []
    listed = list(value) if isinstance(value, list | tuple) else [value]
    for each in listed:
        if not isinstance(each, Mapping):
            raise DefinitionError(f"{key} is a dict or a list of dicts, not {value!r}")
    return listed


def _by_python_names(
    what: str, given: Mapping[str, Any], known: Mapping[str, str]
) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            place = (
                "; it belongs in http"
                if key in (*_HTTP_KEYS, "source", "target")
                else nearest(str(key), known)
            )
            raise DefinitionError(f"there is no {what} {key!r}{place}")
        if known[key] in renamed:
            raise DefinitionError(f"the {what} {known[key]!r} is given in both spellings")
        renamed[known[key]] = value
    return renamed


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DefinitionError(f"the {what} {name!r} is declared twice")
        seen.add(name)


def _text(key: str, value: Any) -> str:
    """A text, which LoopBack's definitions also have as a list of lines."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    if value is None or isinstance(value, str):
        return value or ""
    raise DefinitionError(f"{key!r} is text, not {value!r}")


def _flag(key: str, value: Any) -> bool:
    if value is True or value is False:
        return value
    raise DefinitionError(f"{key!r} is True or False, not {value!r}")


def _access_type(value: Any) -> str:
    if isinstance(value, str) and value.upper() in ACCESS_TYPES:
        return value.upper()
    raise DefinitionError(f"'access_type' is one of {', '.join(ACCESS_TYPES)}, not {value!r}")


def _errors(value: Any) -> dict[int, str]:
    """Statuses, as numbers or as the keys that JSON has, and what each means."""
    given: Any = {} if value is None else value
    if not isinstance(given, Mapping) or not all(map(_is_error, given.items())):
        raise DefinitionError(f"'errors' is a dict of statuses and sentences, not {value!r}")
    return {int(status): text for status, text in given.items()}


def _is_error(item: tuple[Any, Any]) -> bool:
    status, text = item
    is_status = str(status).isdecimal() and int(status) in range(400, 600)
    return is_status and isinstance(text, str) and bool(text.strip())


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise DefinitionError(f"{key!r} is a list of texts, not {value!r}")


def _whole(key: str, value: Any, allowed: range) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
        return value
    raise DefinitionError(
        f"{key!r} is a whole number from {allowed.start} to {allowed.stop - 1}, not {value!r}"
    )


def _name(what: str, given: Mapping[str, Any]) -> str:
    name = given.get("name")
    if isinstance(name, str) and name.strip():
        return name
    raise DefinitionError(f"{what} has a name, under the key 'arg', not {name!r}")


# Arguments


def _read_argument(written: Mapping[str, Any]) -> WrittenArgument:
    given = _by_python_names("key of an argument", written, _ARGUMENT_KEYS)
    name = _name("an argument", given)
    return WrittenArgument(
        name=name,
        type=given.get("type", "any"),
        source=_read_source(name, given.get("http")),
        required=_flag("required", given.get("required", False)),
        many=_flag("allow_array", given.get("allow_array", False)),
        default=given.get("default", MISSING),
        description=_text("description", given.get("description")),
        documented=_flag("documented", given.get("documented", True)),
    )


def _read_source(name: str, written: Any) -> str | Callable[[Any], Any]:
    if isinstance(written, Mapping):
        written = _by_python_names("key of an argument's http", written, {"source": "source"})
        written = written.get("source")
    if written is None:
        return "any"
    if callable(written):
        return written  # type: ignore[no-any-return]
    if isinstance(written, str) and written in _SOURCES:
        return _SOURCES[written]
    raise DefinitionError(
        f"the argument {name!r} has no source {written!r}{nearest(str(written), _SOURCES)}"
    )


# What is given back


def _read_returns(written: Mapping[str, Any]) -> WrittenReturns:
    given = _by_python_names("key of returns", written, _RETURNS_KEYS)
    type_ = given.get("type", "any")
    root = _flag("root", given.get("root", False))
    root = root or (isinstance(type_, str) and type_ in _WHOLE_BODIES)
    name = given.get("name", "result") if root else _name("a value of returns", given)
    target, header = _read_target(name, given.get("http") or {})
    if root and target != "body":
        raise DefinitionError(
            f"the value {name!r} of returns is the root of the body, and goes to the {target}"
        )
    return WrittenReturns(
        name=name,
        type=type_,
        root=root,
        target=target,
        header=header,
        description=_text("description", given.get("description")),
    )


def _read_target(name: str, written: Any) -> tuple[str, str | None]:
    """Where a value goes: to the body, the status, or a header of this name."""
    if not isinstance(written, Mapping):
        raise DefinitionError(f"the http of a value of returns is a dict, not {written!r}")
    http = _by_python_names(
        "key of the http of returns", written, {"target": "target", "header": "header"}
    )
    target, header = http.get("target", "body"), http.get("header")
    if target not in _TARGETS:
        raise DefinitionError(
            f"the value {name!r} of returns goes to body, status or header, not to {target!r}"
        )
    if (target == "header") != isinstance(header, str):
        raise DefinitionError(
            f"the value {name!r} of returns goes to a header with a name, "
            f"as in {{'target': 'header', 'header': 'X-Total'}}, not {http!r}"
        )
    if header is not None and not _TOKEN.fullmatch(header):
        raise DefinitionError(
            f"the value {name!r} of returns goes to a header's name, not {header!r}"
        )
    return target, header


_READ_EACH: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "accepts": _read_argument,
    "returns": _read_returns,
}


# Routes


def _read_http(written: Any) -> dict[str, Any]:
    routes: list[WrittenRoute] = []
    read: dict[str, Any] = {}
    for each in _listed("http", written):
        given = _by_python_names("key of http", each, _HTTP_KEYS)
        routes += _routes(given.get("verb", "post"), given.get("path"))
        for key, allowed in (("status", range(200, 400)), ("error_status", range(400, 600))):
            if given.get(key) is None:
                continue
            status = _whole(key, given[key], allowed)
            if read.setdefault(key, status) != status:
                raise DefinitionError(f"http has the {key} {read[key]} and the {key} {status}")
    if routes:
        read["routes"] = tuple(dict.fromkeys(routes))
    return read


def _routes(verb: Any, path: Any) -> list[WrittenRoute]:
    verbs = _VERBS.get(verb.lower()) if isinstance(verb, str) else None
    if verbs is None:
        raise DefinitionError(f"there is no verb {verb!r}{nearest(str(verb), _VERBS)}")
    path = None if path is None else _read_path(path)
    return [WrittenRoute(each, path) for each in verbs]


def _read_path(written: Any) -> str:
    """A path with a slash at its start and none at its end."""
    if not isinstance(written, str):
        raise DefinitionError(f"a path is text, not {written!r}")
    path = "/" + written.strip("/")
    if braced := re.search(r"\{(\w+)\}", path):
        raise DefinitionError(
            f"the path {written!r}: placeholders are written {':' + braced[1]!r}, not {braced[0]!r}"
        )
    if "//" in path or any(letter.isspace() or letter in '<>?#%\\"{}*' for letter in path):
        raise DefinitionError(
            f"the path {written!r} is made of parts between slashes, with neither spaces nor "
            'any of <>?#%\\"{}*'
        )
    if dots := {".", ".."}.intersection(path.split("/")):
        raise DefinitionError(
            f"the path {written!r} has the part {dots.pop()!r}, which no client sends"
        )
    for name in PLACEHOLDER.findall(path):
        if not _PLACEHOLDER_NAME.fullmatch(name):
            problem = (
                "begins with a digit"
                if name.isascii()
                else "is made of other signs than a-z, A-Z, 0-9 and _"
            )
            raise DefinitionError(f"the path {written!r}: the placeholder {':' + name!r} {problem}")
    return path
