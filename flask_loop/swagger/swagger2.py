"""An OpenAPI 3.1 document as Swagger 2.0, for tools that know no other.

What 2.0 has no words for is said more loosely: of alternatives the first is kept, null becomes
``x-nullable``, and a parameter that is JSON is text with the format ``JSON``, as LoopBack 3 has it.
Of several files one is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]

JSON, PROBLEM, ANY_TYPE = "application/json", "application/problem+json", "*/*"
#: Keywords of JSON Schema that a 2.0 schema may have.
_KEPT = frozenset(
    [
        "title",
        "description",
        "default",
        "multipleOf",
        "maximum",
        "minimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxProperties",
        "minProperties",
        "required",
        "enum",
        "type",
        "format",
        "readOnly",
    ]
)
#: Those of them that a schema has and a parameter has not.
_OF_SCHEMAS = frozenset(
    ["title", "description", "maxProperties", "minProperties", "required", "readOnly", "example"]
)


def to_swagger2(document: Json) -> Json:
    """Convert a document as :func:`~flask_loop.swagger.document.build_document` makes it."""
    components = document.get("components", {})
    converted: Json = {
        "swagger": "2.0",
        "info": document["info"],
        **_server(document.get("servers", [{"url": "/"}])[0]["url"]),
        "consumes": [JSON],
        "produces": [JSON],
        "paths": {
            path: {verb: _operation(operation) for verb, operation in verbs.items()}
            for path, verbs in document["paths"].items()
        },
        "definitions": {
            name: _schema(schema) for name, schema in components.get("schemas", {}).items()
        },
        "responses": {
            name: _response(response) for name, response in components.get("responses", {}).items()
        },
    }
    if schemes := components.get("securitySchemes"):
        converted["securityDefinitions"] = {
            name: _security_scheme(scheme) for name, scheme in schemes.items()
        }
    if "tags" in document:
        converted["tags"] = document["tags"]
    return converted


def _server(url: str) -> Json:
    parts = urlsplit(url)
    server: Json = {"basePath": parts.path.rstrip("/") or "/"}
    if parts.netloc:
        server["host"] = parts.netloc
        server["schemes"] = [parts.scheme or "https"]
    return server


def _security_scheme(scheme: Json) -> Json:
    """A way to send a token; of the scheme Bearer 2.0 knows the header alone."""
    if scheme["type"] == "http":
        kept = {key: scheme[key] for key in ("description",) if key in scheme}
        return {"type": "apiKey", "in": "header", "name": "Authorization", **kept}
    return scheme


def _operation(operation: Json) -> Json:
    converted: Json = {
        key: operation[key]
        for key in ("tags", "summary", "description", "operationId", "security")
        if key in operation
    }
    parameters = [_parameter(each) for each in operation.get("parameters", ())]
    body = operation.get("requestBody")
    if body is not None:
        converted["consumes"] = list(body["content"])
        parameters += _body(body)
    if parameters:
        converted["parameters"] = parameters
    responses = operation["responses"]
    if produced := _produced(responses.values()):
        converted["produces"] = produced
    converted["responses"] = {
        status: _response(response)
        for status, response in responses.items()
        if not status.endswith("XX")
    }
    return converted


def _produced(responses: Iterable[Json]) -> list[str]:
    """The media types of answers where there are others than JSON."""
    types = [type_ for response in responses for type_ in response.get("content", ())]
    kept = [each for each in dict.fromkeys(types) if each not in (PROBLEM, ANY_TYPE)]
    return [] if set(kept) <= {JSON} else list(dict.fromkeys([*kept, JSON]))


def _parameter(parameter: Json) -> Json:
    kept = ("name", "in", "description", "required")
    converted = {key: parameter[key] for key in kept if key in parameter}
    if "content" in parameter:
        return {**converted, "type": "string", "format": "JSON"}
    return {**converted, **_flat(parameter["schema"])}


def _flat(schema: Json) -> Json:
    """A schema as parameters and headers have it: of a text, or of a list of texts."""
    converted = _schema(schema)
    type_, items = converted.get("type"), converted.get("items", {})
    is_list = type_ == "array" and items.get("type", "object") not in ("array", "object")
    if "$ref" in converted or type_ == "object" or (type_ == "array" and not is_list):
        return {"type": "string", "format": "JSON"}
    flat = {key: value for key, value in converted.items() if key not in _OF_SCHEMAS}
    if is_list:
        return {**flat, "items": _flat(schema["items"]), "collectionFormat": "multi"}
    return {"type": "string", **flat}


def _body(body: Json) -> list[Json]:
    """The parameter that is the body, or those that are the fields of a form."""
    content = body["content"].get(JSON)
    if content is None:
        return _form(next(iter(body["content"].values()))["schema"])
    converted: Json = {"name": "data", "in": "body", "schema": _schema(content["schema"])}
    for key in ("description", "required"):
        if key in body:
            converted[key] = body[key]
    return [converted]


def _form(schema: Json) -> list[Json]:
    required = schema.get("required", ())
    fields = []
    for name, part in schema["properties"].items():
        field: Json = {"name": name, "in": "formData", "required": name in required}
        if "description" in part:
            field["description"] = part["description"]
        is_file = "binary" in (part.get("format"), part.get("items", {}).get("format"))
        fields.append({**field, **({"type": "file"} if is_file else _flat(part))})
    return fields


def _response(response: Json) -> Json:
    if "$ref" in response:
        return {"$ref": _reference(response["$ref"])}
    converted: Json = {"description": response["description"]}
    contents = response.get("content", {})
    content = contents.get(JSON, next(iter(contents.values()), None))
    if content is not None:
        converted["schema"] = _schema(content["schema"])
        if "example" in content:
            converted["examples"] = {JSON: content["example"]}
    if "headers" in response:
        converted["headers"] = {
            name: {"description": header["description"], **_flat(header["schema"])}
            for name, header in response["headers"].items()
        }
    return converted


def _schema(schema: Any) -> Json:
    """A schema as 2.0 has it: one type, no alternatives."""
    if "$ref" in schema:
        return {"$ref": _reference(schema["$ref"])}
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return _first_of(schema, schema[key])
    converted: Json = {key: value for key, value in schema.items() if _is_kept(key)}
    if "allOf" in schema:
        converted["allOf"] = [_schema(part) for part in schema["allOf"]]
    _narrow_type(converted)
    if "items" in schema or converted.get("type") == "array":
        converted["items"] = _schema(schema.get("items", {}))
    if "properties" in schema:
        converted["properties"] = {
            name: _schema(part) for name, part in schema["properties"].items()
        }
    more = schema.get("additionalProperties")
    if more is not None:
        converted["additionalProperties"] = _schema(more) if isinstance(more, Mapping) else more
    if schema.get("examples"):
        converted["example"] = schema["examples"][0]
    if schema.get("contentEncoding") == "base64":
        converted["format"] = "byte"
    return converted


def _is_kept(key: str) -> bool:
    return key in _KEPT or key.startswith("x-")


def _narrow_type(schema: Json) -> None:
    types = schema.get("type")
    listed = types if isinstance(types, list) else [types]
    kept = [each for each in listed if each not in (None, "null")]
    if "null" in listed:
        schema["x-nullable"] = True
        if "enum" in schema:
            schema["enum"] = [value for value in schema["enum"] if value is not None]
    if kept:
        schema["type"] = kept[0]
    else:
        schema.pop("type", None)
    if schema.get("default", schema) is None:
        del schema["default"]


def _first_of(schema: Json, alternatives: list[Any]) -> Json:
    meant = [each for each in alternatives if each.get("type") != "null"]
    first = _schema(meant[0]) if meant else {}
    around: Json = {key: schema[key] for key in ("description", "readOnly") if key in schema}
    is_nullable = len(meant) < len(alternatives)
    if is_nullable:
        around["x-nullable"] = True
    if "$ref" in first and around:
        return {"allOf": [first], **around}
    return {**first, **around}


def _reference(reference: str) -> str:
    name = reference.rpartition("/")[2]
    kind = "definitions" if "/schemas/" in reference else "responses"
    return f"#/{kind}/{name}"
