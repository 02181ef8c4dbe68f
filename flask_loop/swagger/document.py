"""The OpenAPI 3.1 document of an app's models, read from their remote methods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from apispec import APISpec

from ..definition import Embedded, ModelDefinition
from ..methods import Argument, RemoteMethod, Route
from ..remoting import Exposure
from ..state import State
from ..types import Geo, Object
from .arguments import JSON, URLENCODED, Arguments
from .filters import Filters
from .names import Names, identifier
from .responses import Responses
from .schemas import Schemas, Variant, holds_itself
from .security import Security
from .types import JsonSchema

OPENAPI_VERSION = "3.1.0"

_DESCRIPTION = """\
Lists take a `filter`, which is JSON with `where`, `order`, `limit`, `skip` and `fields`, such as
`{"where": {"price": {"gt": 20}}, "order": "price DESC", "limit": 10}`.
An error is `{"error": {"statusCode", "name", "message", "code", "details"}}`, or problem details
(RFC 9457) for clients that accept `application/problem+json`.
"""
_PLACEHOLDER = re.compile(r":(\w+)")
#: The form of the data that each operation takes.
_BODIES = {
    "create": Variant.NEW,
    "upsert": Variant.UPSERT,
    "replaceOrCreate": Variant.REPLACEMENT,
    "replaceById": Variant.REPLACEMENT,
}
#: The same of the methods of relations and of named scopes, by the verb in their names.
_RELATED_BODIES = {"create": Variant.NEW, "link": Variant.NEW}


def build_document(title: str, models: Sequence[Any], state: State) -> dict[str, Any]:
    """Describe the methods of models that remote callers have now.

    :param title: the app's name.
    :param models: the exposed models.
    :param state: the app's part of Flask-Loop.
    :returns: the document without ``servers``.
    """
    return _Document(title, models, state).build()


class _Document:
    def __init__(self, title: str, models: Sequence[Any], state: State) -> None:
        self.models = models
        self.state = state
        self.schemas = Schemas(Names())
        self.filters = Filters(self.schemas, state)
        self.arguments = Arguments(self.schemas)
        self.responses = Responses(self.schemas, state)
        self.security = Security(state)
        self.operation_ids = Names()
        self.tags: set[str] = set()
        self.templates: dict[str, str] = {}
        self.spec = self.schemas.spec = APISpec(
            title=title,
            version="1.0.0",
            openapi_version=OPENAPI_VERSION,
            plugins=[self.schemas.plugin],
            info={"description": _DESCRIPTION},
        )

    def build(self) -> dict[str, Any]:
        for name, scheme in self.security.schemes().items():
            self.spec.components.security_scheme(name, scheme)
        for model in self.models:
            self.schemas.add_model(model.definition)
        for model in self.models:
            self._add_model(model)
        made = self.spec.to_dict()
        for kind, components in made.get("components", {}).items():
            made["components"][kind] = dict(sorted(components.items()))
        order = ("openapi", "info", "tags", "paths", "components")
        return {key: made[key] for key in order if key in made}

    def _add_model(self, model: Any) -> None:
        definition: ModelDefinition = model.definition
        exposure: Exposure = self.state.exposures[model]
        methods = [method for method in exposure.remote_methods() if method.documented]
        if not methods:
            return
        tag = {"name": definition.name}
        if definition.settings.description:
            tag["description"] = definition.settings.description
        if definition.name not in self.tags:
            self.tags.add(definition.name)
            self.spec.tag(tag)
        for method in methods:
            for route in method.routes:
                operation = self._operation(definition, method, route)
                self._guard(model, method, route, operation)
                path = self._template(definition, route, operation)
                self.spec.path(path=path, operations={route.verb.lower(): operation})

    def _guard(
        self, model: Any, method: RemoteMethod, route: Route, operation: dict[str, Any]
    ) -> None:
        """Say of a method who may call it, and what others get."""
        if security := self.security.of(model, method):
            operation["security"] = security
        if self.security.is_guarded(model, method):
            refused = self.responses.error(method, "401")
            if route.verb == "HEAD":
                refused = {"description": "The caller must not."}
            responses = {**operation["responses"], "401": refused}
            operation["responses"] = dict(sorted(responses.items()))

    def _template(
        self, definition: ModelDefinition, route: Route, operation: dict[str, Any]
    ) -> str:
        """The path of a route in the document.

        Paths that differ in the names of their placeholders alone are one there, which has the
        names that came first.
        """
        base = self.state.url_prefix + definition.http_path
        path = route.path.rstrip("/")
        shape = base + _PLACEHOLDER.sub("{}", path)
        first = self.templates.setdefault(shape, path)
        names = dict(zip(route.placeholders, _PLACEHOLDER.findall(first), strict=True))
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                parameter["name"] = names[parameter["name"]]
        return base + _PLACEHOLDER.sub(r"{\1}", first)

    def _operation(
        self, definition: ModelDefinition, method: RemoteMethod, route: Route
    ) -> dict[str, Any]:
        summary, _, more = method.description.partition("\n")
        described = {
            "summary": summary.rstrip("."),
            "description": "\n\n".join(filter(None, (more.strip(), method.notes))),
        }
        operation: dict[str, Any] = {
            "tags": [definition.name],
            **{key: text for key, text in described.items() if text},
            "operationId": self._operation_id(definition, method, route),
        }
        if method.own:
            operation |= self._taken(definition, method, route)
        else:
            operation |= self._taken_by_operation(definition, method)
        operation["responses"] = self.responses.of(definition, method, route)
        return operation

    def _taken(
        self, definition: ModelDefinition, method: RemoteMethod, route: Route
    ) -> dict[str, Any]:
        """The parameters and the body of a user's own method."""
        taken: dict[str, Any] = {}
        if parameters := self.arguments.parameters(definition, method, route):
            taken["parameters"] = parameters
        if body := self.arguments.body(method, route):
            taken["requestBody"] = body
        return taken

    def _taken_by_operation(
        self, definition: ModelDefinition, method: RemoteMethod
    ) -> dict[str, Any]:
        taken: dict[str, Any] = {}
        in_url = [each for each in method.accepts if each.source in ("path", "query")]
        if in_url:
            taken["parameters"] = [
                self._parameter(definition, method, argument) for argument in in_url
            ]
        for argument in method.accepts:
            if argument.source == "body":
                taken["requestBody"] = self._body(definition, method, argument)
        return taken

    def _operation_id(self, definition: ModelDefinition, method: RemoteMethod, route: Route) -> str:
        """``products_findById``; a method's further routes have the verb behind it."""
        operation = method.operation.strip("_").replace("__", "_")
        name = identifier(f"{definition.plural}_{operation}")
        is_first = route == method.routes[0]
        return self.operation_ids.take(name if is_first else f"{name}_{route.verb.lower()}")

    def _parameter(
        self, definition: ModelDefinition, method: RemoteMethod, argument: Argument
    ) -> dict[str, Any]:
        definition = argument.of or definition
        parameter: dict[str, Any] = {"name": argument.name, "in": argument.source}
        if argument.description:
            parameter["description"] = argument.description
        if argument.required:
            parameter["required"] = True
        if argument.type in ("filter", "where"):
            parameter["content"] = {JSON: self.filters.content(definition, method, argument)}
        elif argument.source == "path" and argument.type == "any":
            parameter |= self.schemas.id_parameter(definition, argument.description)
        else:
            parameter["schema"] = self.schemas.named(definition, argument.type)
        return parameter

    def _body(
        self, definition: ModelDefinition, method: RemoteMethod, argument: Argument
    ) -> dict[str, Any]:
        if argument.type != "model":
            return {"content": {JSON: {"schema": self.schemas.named(definition, argument.type)}}}
        definition = argument.of or definition
        one = self.schemas.without(definition, _variant(method), argument.fixed)
        several = {"oneOf": [one, {"type": "array", "items": one}]}
        body: dict[str, Any] = {
            "required": True,
            "content": {
                JSON: {"schema": several if argument.many else one},
                URLENCODED: {"schema": one, **self._encoding(definition, one)},
            },
        }
        if argument.description:
            body["description"] = argument.description
        return body

    def _encoding(self, definition: ModelDefinition, schema: JsonSchema) -> dict[str, Any]:
        """How a form writes objects: ``location[lat]=52.5``."""
        sent = self.schemas.resolve(schema)["properties"]
        objects = [
            each.wire
            for each in definition.properties.values()
            if each.wire in sent
            and isinstance(each.type, Object | Embedded | Geo)
            and not holds_itself(definition, each.type)
        ]
        deep = {"style": "deepObject", "explode": True}
        return {"encoding": dict.fromkeys(objects, deep)} if objects else {}


def _variant(method: RemoteMethod) -> Variant:
    """The form of the data that a method takes."""
    if not method.related:
        return _BODIES.get(method.operation, Variant.PATCH)
    return _RELATED_BODIES.get(method.name.split("__")[1], Variant.PATCH)
