"""The OpenAPI 3.1 document of an app's models, read from their remote methods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from apispec import APISpec

from ..definition import Embedded, ModelDefinition
from ..methods import Argument, RemoteMethod, Route
from ..state import State
from ..types import Geo, Object, String
from .filters import Filters
from .names import Names, identifier
from .responses import JSON, Responses
from .schemas import Schemas, Variant, holds_itself
from .types import JsonSchema

OPENAPI_VERSION = "3.1.0"
FORM = "application/x-www-form-urlencoded"

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
        self.responses = Responses(self.schemas, state)
        self.operation_ids = Names()
        self.tags: set[str] = set()
        self.spec = self.schemas.spec = APISpec(
            title=title,
            version="1.0.0",
            openapi_version=OPENAPI_VERSION,
            plugins=[self.schemas.plugin],
            info={"description": _DESCRIPTION},
        )

    def build(self) -> dict[str, Any]:
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
        methods = self.state.exposures[model].remote_methods()
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
                path = self.state.url_prefix + definition.http_path + route.path.rstrip("/")
                self.spec.path(
                    path=_PLACEHOLDER.sub(r"{\1}", path),
                    operations={route.verb.lower(): self._operation(definition, method, route)},
                )

    def _operation(
        self, definition: ModelDefinition, method: RemoteMethod, route: Route
    ) -> dict[str, Any]:
        operation: dict[str, Any] = {
            "tags": [definition.name],
            "summary": method.description.rstrip("."),
            "operationId": self._operation_id(definition, method, route),
        }
        in_url = [each for each in method.accepts if each.source in ("path", "query")]
        if in_url:
            operation["parameters"] = [
                self._parameter(definition, method, argument) for argument in in_url
            ]
        for argument in method.accepts:
            if argument.source == "body":
                operation["requestBody"] = self._body(definition, method, argument)
        operation["responses"] = self.responses.of(definition, method, route.verb)
        return operation

    def _operation_id(self, definition: ModelDefinition, method: RemoteMethod, route: Route) -> str:
        """``products_findById``; a method's further routes have the verb behind it."""
        name = identifier(f"{definition.plural}_{method.operation}")
        is_first = route == method.routes[0]
        return self.operation_ids.take(name if is_first else f"{name}_{route.verb.lower()}")

    def _parameter(
        self, definition: ModelDefinition, method: RemoteMethod, argument: Argument
    ) -> dict[str, Any]:
        parameter: dict[str, Any] = {"name": argument.name, "in": argument.source}
        if argument.description:
            parameter["description"] = argument.description
        if argument.required:
            parameter["required"] = True
        if argument.type in ("filter", "where"):
            parameter["content"] = {JSON: self.filters.content(definition, method, argument)}
        elif argument.source == "path" and argument.type == "any":
            is_one = len(definition.ids) == 1
            kind = definition.id.type if is_one else String()
            parameter["schema"] = self.schemas.type(kind)
        else:
            parameter["schema"] = self.schemas.named(definition, argument.type)
        return parameter

    def _body(
        self, definition: ModelDefinition, method: RemoteMethod, argument: Argument
    ) -> dict[str, Any]:
        if argument.type != "model":
            return {"content": {JSON: {"schema": self.schemas.named(definition, argument.type)}}}
        one = self.schemas.model(definition, _BODIES.get(method.operation, Variant.PATCH))
        several = {"oneOf": [one, {"type": "array", "items": one}]}
        body: dict[str, Any] = {
            "required": True,
            "content": {
                JSON: {"schema": several if argument.many else one},
                FORM: {"schema": one, **self._encoding(definition, one)},
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
