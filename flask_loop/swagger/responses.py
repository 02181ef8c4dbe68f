"""What operations answer: records, counts, and errors."""

from __future__ import annotations

from typing import Any

from ..definition import ModelDefinition
from ..methods import RemoteMethod, Returns, Route
from ..remoting import ids_in_path
from ..state import State
from .answers import Answers
from .arguments import JSON, place_of
from .schemas import Schemas, Variant
from .types import JsonSchema

PROBLEM = "application/problem+json"

_COMMON = {
    "statusCode": {"type": "integer"},
    "name": {"type": "string"},
    "message": {"type": "string", "description": "A sentence for people."},
    "code": {"type": "string", "description": "The same for programs."},
    "details": {"description": "More about it; its form depends on the error."},
}
_ERROR: JsonSchema = {
    "type": "object",
    "description": "An error, as LoopBack answers it.",
    "properties": {
        "error": {
            "type": "object",
            "properties": _COMMON,
            "required": ["statusCode", "message"],
        }
    },
    "required": ["error"],
}
_PROBLEM: JsonSchema = {
    "type": "object",
    "description": "An error as problem details (RFC 9457), for clients that accept them.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": _COMMON["code"],
        "details": _COMMON["details"],
    },
    "required": ["type", "title", "status"],
}
_VALIDATION = {
    "context": "Product",
    "codes": {"name": ["presence"]},
    "messages": {"name": ["can't be blank"]},
}

#: By status: the component's name, what it says, and the error of an example.
_ERRORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "400": (
        "BadRequest",
        "An argument, a filter or the body means nothing; the message names the place.",
        {
            "name": "BadRequestError",
            "message": "The filter is not valid: limit is not a whole number from 0: 'ten'.",
            "code": "INVALID_FILTER",
            "details": {"path": "limit"},
        },
    ),
    "401": (
        "Unauthorized",
        "A token is wanted, or the caller must not do this.",
        {
            "name": "Error",
            "message": "Authorization Required",
            "code": "AUTHORIZATION_REQUIRED",
        },
    ),
    "404": (
        "NotFound",
        "There is no such record.",
        {"name": "Error", "message": 'Unknown "Product" id "7".', "code": "MODEL_NOT_FOUND"},
    ),
    "409": (
        "Conflict",
        "There is a record with this id already.",
        {
            "name": "ConflictError",
            "message": "Duplicate entry for Product.id: 7",
            "code": "DUPLICATE_ID",
        },
    ),
    "413": (
        "PayloadTooLarge",
        "The body is too large.",
        {
            "name": "PayloadTooLargeError",
            "message": "The request body is larger than 1048576 bytes.",
        },
    ),
    "415": (
        "UnsupportedMediaType",
        "The body is of a type that is not taken; the message names those that are.",
        {
            "name": "UnsupportedMediaTypeError",
            "message": "The content type text/plain is not supported; "
            "send application/json or application/x-www-form-urlencoded.",
        },
    ),
    "422": (
        "ValidationFailed",
        "The record breaks rules of its model; details has their codes and messages by property.",
        {
            "name": "ValidationError",
            "message": "The `Product` instance is not valid. Details: `name` can't be blank.",
            "details": _VALIDATION,
        },
    ),
    "default": ("Error", "Any other error.", {"message": "Internal Server Error"}),
}
#: Those that users' own methods have others of.
_OWN_ERRORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "400": (
        "InvalidArgument",
        "An argument is missing or means nothing; the message names it.",
        {
            "name": "BadRequestError",
            "message": "Argument 'price' is not a number.",
            "code": "INVALID_ARGUMENT",
            "details": {"argument": "price"},
        },
    )
}


class Responses:
    """The responses of one document.

    :param schemas: the document's schemas.
    :param state: the app's part of Flask-Loop.
    """

    def __init__(self, schemas: Schemas, state: State) -> None:
        self.schemas = schemas
        self.state = state
        self._answers = Answers(schemas)
        self._added: set[str] = set()

    def of(self, definition: ModelDefinition, method: RemoteMethod, route: Route) -> dict[str, Any]:
        """The responses of a method by one of its routes, by status."""
        if method.own:
            return self._of_own(definition, method, route)
        if route.verb == "HEAD":
            answers = {
                "200": {"description": "There is one."},
                "404": {"description": "There is none."},
            }
            if _takes_several_values(definition, method):
                answers["400"] = {"description": "An id has not as many values as it should."}
            return answers
        success = self._success(definition, method)
        statuses = sorted(_error_statuses(definition, method))
        return {**success, **{status: self.error(method, status) for status in statuses}}

    def _of_own(
        self, definition: ModelDefinition, method: RemoteMethod, route: Route
    ) -> dict[str, Any]:
        answers = self._answers.of(method, route.verb)
        if route.verb == "HEAD":
            return {**answers, "default": {"description": "An error."}}
        statuses = sorted(_own_error_statuses(definition, method, route) - answers.keys())
        return {**answers, **{status: self.error(method, status) for status in statuses}}

    def _success(self, definition: ModelDefinition, method: RemoteMethod) -> dict[str, Any]:
        if not method.returns:
            return {"204": {"description": "Done."}}
        status = self.state.settings.created_status if method.creates else 200
        returned = method.returns[0]
        schema = self._returned(returned.of or definition, returned)
        if any(argument.many for argument in method.accepts):
            schema = {"oneOf": [schema, {"type": "array", "items": schema}]}
        response: dict[str, Any] = {
            "description": _describe(returned),
            "content": {JSON: {"schema": schema}},
        }
        if headers := _headers(returned, status):
            response["headers"] = headers
        nothing = {"204": {"description": "Nothing."}} if returned.or_nothing else {}
        return {str(status): response, **nothing}

    def _returned(self, definition: ModelDefinition, returned: Returns) -> JsonSchema:
        if returned.type in ("model", "[model]"):
            record = self.schemas.model(definition, Variant.RECORD)
            value = record if returned.type == "model" else {"type": "array", "items": record}
        else:
            value = self.schemas.named(definition, returned.type)
        if returned.root:
            return value
        if returned.name == "count":
            value = {"type": "integer", "minimum": 0}
        return self.schemas.shared(
            returned.name[:1].upper() + returned.name[1:],
            {
                "type": "object",
                "properties": {returned.name: value},
                "required": [returned.name],
            },
        )

    def error(self, method: RemoteMethod, status: str) -> JsonSchema:
        """The response of a method for an error's status."""
        known = _ERRORS | _OWN_ERRORS if method.own else _ERRORS
        said = method.errors.get(int(status)) if status.isdigit() else None
        if said is None and status not in known and status == str(method.error_status):
            said = "Any error that is not expected."
        if said is not None or status not in known:
            return {"description": said or "Error.", "content": self._error_content()}
        name, description, example = known[status]
        if name not in self._added:
            self._added.add(name)
            body = {"error": {"statusCode": int(status) if status.isdigit() else 500, **example}}
            response = {"description": description, "content": self._error_content(body)}
            self.schemas.spec.components.response(name, response)
        return {"$ref": f"#/components/responses/{name}"}

    def _error_content(self, example: Any = None) -> dict[str, Any]:
        error: dict[str, Any] = {"schema": self.schemas.shared("ErrorResponse", _ERROR)}
        if example is not None:
            error["example"] = example
        return {JSON: error, PROBLEM: {"schema": self.schemas.shared("Problem", _PROBLEM)}}


def _error_statuses(definition: ModelDefinition, method: RemoteMethod) -> set[str]:
    sources = {argument.source for argument in method.accepts}
    statuses = {"default", *map(str, method.errors)}
    if sources & {"query", "body"} or _takes_several_values(definition, method):
        statuses.add("400")
    if "path" in sources:
        statuses.add("404")
    if "body" in sources:
        statuses |= {"413", "415", "422"}
    written = next((a.of for a in method.accepts if a.type == "model" and a.of), definition)
    chooses_id = any(not each.generated for each in written.ids)
    may_be_only_one = method.related and not any(argument.many for argument in method.accepts)
    if not (chooses_id or may_be_only_one) and written.settings.force_id:
        statuses.discard("409")
    return statuses


def _takes_several_values(definition: ModelDefinition, method: RemoteMethod) -> bool:
    """Whether an id in the path of a method is several properties."""
    return any(len(of.ids) > 1 for of in ids_in_path(method, definition).values())


def _own_error_statuses(
    definition: ModelDefinition, method: RemoteMethod, route: Route
) -> set[str]:
    places = {place_of(method, each, route) for each in method.accepts if each.is_from_client}
    statuses = {"default", *map(str, method.errors)}
    if places or _takes_several_values(definition, method):
        statuses.add("400")
    if method.on_instance:
        statuses.add("404")
    if places & {"body", "form"}:
        statuses |= {"413", "415"}
    if method.error_status is not None:
        statuses.add(str(method.error_status))
    return statuses


def _describe(returned: Returns) -> str:
    described = {"model": "The record.", "[model]": "The records.", "number": "How many."}
    return described.get(returned.type, "The answer.")


def _headers(returned: Returns, status: int) -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    if status == 201:
        return {"Location": {"description": "The path of the record.", **text}}
    if returned.type == "[model]":
        description = 'The rest of a list that was cut at the greatest limit, as rel="next".'
        return {"Link": {"description": description, **text}}
    return {}
