from __future__ import annotations

import re
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException

from flask_loop import DefinitionError, FilterError, LoopError, ValidationError, errors
from flask_loop.errors import (
    ArgumentError,
    DuplicateId,
    Failure,
    MethodNotAllowed,
    ModelNotFound,
    NotAttachedError,
    RemoteError,
    Unavailable,
    UniqueViolation,
)

CLASSES = [
    each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, LoopError)
]


def drawn() -> dict[str, tuple[str, str | None]]:
    """The tree in the module's docstring: class → its parent and its status."""
    found = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+) *(\d{3})?", line)
        if match is None or (not match[1] and match[2] != "LoopError"):
            continue
        depth = len(match[1]) // 4
        path = [*path[:depth], match[2]]
        found[match[2]] = (path[-2] if depth else "Exception", match[3])
    return found


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    tree = drawn()
    assert set(tree) == {each.__name__ for each in CLASSES}
    for each in CLASSES:
        parent, status = tree[each.__name__]
        assert parent in {base.__name__ for base in each.__bases__}
        if status is not None and issubclass(each, RemoteError):
            assert each.code == int(status)


def test_each_class_of_the_module_is_exported() -> None:
    names = {each.__name__ for each in CLASSES} | {"Failure"}
    assert names == set(errors.__all__)


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda each: each.__name__)
def test_what_reaches_clients_is_werkzeugs_too_and_nothing_else_is(
    error_class: type[LoopError],
) -> None:
    assert issubclass(error_class, HTTPException) == issubclass(error_class, RemoteError)
    if issubclass(error_class, RemoteError):
        assert 400 <= (error_class.code or 0) < 600
        assert error_class.error_name.endswith("Error")


def test_mistakes_of_programmers_are_pythons_own_errors_too() -> None:
    assert issubclass(DefinitionError, ValueError)
    assert issubclass(NotAttachedError, AttributeError)


@pytest.mark.parametrize(
    ("error", "identity", "message", "details"),
    [
        (
            FilterError("where.price.gt", "is not a number"),
            (400, "BadRequestError", "INVALID_FILTER"),
            "The filter is not valid: where.price.gt is not a number.",
            {"path": "where.price.gt"},
        ),
        (
            ArgumentError("id", "is missing"),
            (400, "BadRequestError", "INVALID_ARGUMENT"),
            "Argument 'id' is missing.",
            {"argument": "id"},
        ),
        (
            ModelNotFound("Product", 7),
            (404, "Error", "MODEL_NOT_FOUND"),
            'Unknown "Product" id "7".',
            None,
        ),
        (
            DuplicateId("Product", 7),
            (409, "ConflictError", "DUPLICATE_ID"),
            "Duplicate entry for Product.id: 7",
            None,
        ),
        (
            MethodNotAllowed("PUT", "/products/count", ["GET", "DELETE"]),
            (405, "MethodNotAllowedError", None),
            "The method PUT is not allowed for /products/count.",
            None,
        ),
        (
            RemoteError("No", error_code="OWN", details={"a": 1}),
            (500, "Error", "OWN"),
            "No",
            {"a": 1},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_carries_its_status_name_code_message_and_details(
    error: RemoteError, identity: tuple[int, str, str | None], message: str, details: Any
) -> None:
    assert (error.code, error.name, error.error_code) == identity
    assert str(error) == error.message == error.description == message
    assert error.details == details


def test_a_validation_error_groups_codes_and_messages_by_property() -> None:
    error = ValidationError(
        "Product",
        [
            Failure(("name",), "presence", "can't be blank"),
            Failure(("name",), "length.min", "too short"),
            Failure((1, "home", "street"), "string", "is not a string"),
        ],
    )
    assert (error.code, error.name) == (422, "ValidationError")
    assert str(error) == (
        "The `Product` instance is not valid. Details: `name` can't be blank; "
        "`name` too short; `1.home.street` is not a string."
    )
    assert error.details == {
        "context": "Product",
        "codes": {"name": ["presence", "length.min"], "1.home.street": ["string"]},
        "messages": {
            "name": ["can't be blank", "too short"],
            "1.home.street": ["is not a string"],
        },
    }


def test_405_says_what_is_allowed() -> None:
    assert MethodNotAllowed("PUT", "/x", {"POST", "GET"}).allowed == ["GET", "POST"]


def test_503_may_say_when_to_try_again() -> None:
    assert ("Retry-After", "3") in Unavailable("busy", retry_after=3).get_headers()
    assert "Retry-After" not in dict(Unavailable("gone").get_headers())


def test_a_unique_violation_names_properties_and_record() -> None:
    error = UniqueViolation(["name", "shop"], index=2)
    assert (error.properties, error.index) == (("name", "shop"), 2)
    assert str(error) == "a record with the same name, shop exists"
