"""The page at /_docs, the documents below it, and the files that they need.

Swagger UI comes from this package; nothing is asked of another host. The page has neither script
nor style inside it, and its Content-Security-Policy allows none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import orjson
from flask import Blueprint, Flask, Response, redirect, request

from ..errors import DefinitionError
from ..remoting import Exposure
from ..state import State

PATH = "/_docs"

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-:\[\]]+")


def add_docs(app: Flask, state: State) -> None:
    """Serve the documentation of an app's models, at the app's root whatever their prefix.

    :param app: the app.
    :param state: its part of Flask-Loop.
    :raises DefinitionError: where the app has a route there already.
    """
    for rule in app.url_map.iter_rules():
        if rule.rule.rstrip("/") == PATH or rule.rule.startswith(f"{PATH}/"):
            raise DefinitionError(
                f"the path {rule.rule} of the documentation is taken by the endpoint "
                f"{rule.endpoint!r}; set LOOP_DOCS = False to do without the documentation"
            )
    app.register_blueprint(_make_blueprint(Documents(app.name, state), state))


class Documents:
    """The documents of one app, built when they are asked for.

    They are built again when a model, its schema or its remote methods change: these act live.

    :param title: the title of the API.
    :param state: the app's part of Flask-Loop.
    """

    def __init__(self, title: str, state: State) -> None:
        self.title = title
        self.state = state
        self._built: tuple[Hashable, dict[str, Any]] | None = None

    def openapi(self, script_root: str) -> dict[str, Any]:
        """The OpenAPI 3.1 document.

        :param script_root: where the app is mounted. The request's host is never repeated, as it
            is whatever the client says; ``loop.docs(base_path=…)`` names the API's own.
        """
        server = self.state.docs_base or script_root or "/"
        document = self._document()
        head = {key: document[key] for key in ("openapi", "info")}
        return {**head, "servers": [{"url": server}], **document}

    def swagger2(self, script_root: str) -> dict[str, Any]:
        """The Swagger 2.0 document, likewise."""
        from .swagger2 import to_swagger2

        return to_swagger2(self.openapi(script_root))

    def _document(self) -> dict[str, Any]:
        # Only here, so that an app starts without apispec.
        from .document import build_document

        models = list(self.state.models)
        key = tuple(map(_fingerprint, self.state.exposures.values()))
        if self._built is None or self._built[0] != key:
            self._built = (key, build_document(self.title, models, self.state))
        return self._built[1]


def _fingerprint(exposure: Exposure) -> Hashable:
    """What the document says of a model depends on this and on nothing else that can change."""
    from .schemas import definitions_in

    definition = exposure.model.definition
    methods = exposure.remote_methods()
    kinds: list[Any] = [each.type for each in definition.properties.values()]
    for method in methods:
        kinds += [each.kind for each in method.accepts]
        kinds += [each.kind for each in method.returns]
    shown = {definition, *definitions_in(kinds)}
    records = {(each, each.version, each.model and each.model.schema) for each in shown}
    return tuple((each.wire, each.own and each) for each in methods), frozenset(records)


def _make_blueprint(documents: Documents, state: State) -> Blueprint:
    docs = Blueprint(
        "loop_docs", __name__, url_prefix=PATH, static_folder="static", static_url_path="/static"
    )
    with docs.open_resource("templates/docs.html") as template:
        html = template.read()

    # The page's links are relative to a path without a slash at its end, so that they are right
    # behind any proxy.
    @docs.get("", strict_slashes=True)
    def page() -> Response:
        return Response(html, content_type="text/html; charset=utf-8")

    @docs.get("/")
    def page_with_slash() -> Any:
        return redirect(f"..{PATH}", 308)

    @docs.get("/openapi.json")
    def openapi() -> Response:
        return _json(documents.openapi)

    @docs.get("/swagger.json")
    def swagger() -> Response:
        return _json(documents.swagger2)

    @docs.after_request
    def secure(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _policy(state.docs_base)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return docs


def _json(build: Callable[[str], dict[str, Any]]) -> Response:
    body = orjson.dumps(build(request.script_root), default=_to_json)
    response = Response(body, content_type="application/json")
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


def _to_json(value: Any) -> Any:
    """What a user's Marshmallow field says of itself and JSON has no form for."""
    return float(value) if isinstance(value, Decimal) else str(value)


def _policy(docs_base: str | None) -> str:
    """What the page may do: load from here, and call the API wherever that is."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        # Swagger UI's style sheet has its icons inside it.
        "img-src": "'self' data:",
        "connect-src": " ".join(["'self'", *_origin(docs_base)]),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def _origin(url: str | None) -> list[str]:
    parts = urlsplit(url or "")
    origin = f"{parts.scheme}://{parts.netloc}"
    return [origin] if _ORIGIN.fullmatch(origin) else []
