"""The errors of Flask-Loop, one hierarchy.

::

    LoopError
    ├── DefinitionError            a definition or setting that means nothing (also ValueError)
    │   └── NotIndexable               the data source has no index over such values
    ├── MigrationError             a migration that is not made or run, and the message says why
    ├── MailError                  a mail that was not sent, or not to everybody
    ├── NotAttachedError           an operation the model does not have (also AttributeError)
    ├── UniqueViolation            a unique index refused a write; operations make it 422
    ├── ForeignKeyViolation        a key that names no record; operations make it 422
    └── RemoteError                reaches HTTP clients (also werkzeug's HTTPException)
        ├── BadRequest             400
        │   ├── ArgumentError          an argument of a remote method: names the argument
        │   ├── FilterError            a filter or where: names the path
        │   └── TooMuchToRead          a filter that no index of the data source narrows down
        ├── Unauthorized           401  nobody is logged in, or the token is not valid
        ├── Forbidden              403
        ├── NotFound               404
        │   └── ModelNotFound          no record has this id
        ├── MethodNotAllowed       405  carries Allow
        ├── Conflict               409
        │   ├── DuplicateId            a record with this id exists
        │   └── TransactionConflict    another transaction was faster; carries Retry-After
        ├── PayloadTooLarge        413
        ├── UnsupportedMediaType   415
        ├── ValidationError        422  carries codes and messages by property
        ├── TooManyRequests        429  carries Retry-After
        └── Unavailable            503  the data source cannot be reached

Each class that reaches a client carries its status (werkzeug's ``code``), its ``name`` and a
machine-readable ``error_code``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import HTTPException

__all__ = [
    "ArgumentError",
    "BadRequest",
    "Conflict",
    "DefinitionError",
    "DuplicateId",
    "Failure",
    "FilterError",
    "Forbidden",
    "ForeignKeyViolation",
    "LoopError",
    "MailError",
    "MethodNotAllowed",
    "MigrationError",
    "ModelNotFound",
    "NotAttachedError",
    "NotFound",
    "NotIndexable",
    "PayloadTooLarge",
    "RemoteError",
    "TooManyRequests",
    "TooMuchToRead",
    "TransactionConflict",
    "Unauthorized",
    "Unavailable",
    "UniqueViolation",
    "UnsupportedMediaType",
    "ValidationError",
]


class LoopError(Exception):
    """The root of all errors that Flask-Loop raises for reasons of its own."""


class DefinitionError(LoopError, ValueError):
    """A model definition, a data source or a setting that means nothing."""


class MigrationError(LoopError, RuntimeError):
    """A migration that is not made or run, and the message says why."""


class MailError(LoopError, RuntimeError):
    """A mail that was not sent, or not to everybody. The message has nobody's address in it.

    :ivar is_temporary: whether another attempt may succeed.
    :ivar refused: what the server said, by the address that it refused.
    :ivar is_partial: whether the mail went to the others.
    """

    def __init__(
        self,
        message: str,
        *,
        is_temporary: bool = False,
        refused: Mapping[str, str] | None = None,
        is_partial: bool = False,
    ) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary
        self.refused = {} if refused is None else dict(refused)
        self.is_partial = is_partial


class NotIndexable(DefinitionError):
    """A data source has no index, be it for order, uniqueness or an id, over such values."""


class NotAttachedError(LoopError, AttributeError):
    """An operation was called that the model does not have, and the message says why."""


class RemoteError(LoopError, HTTPException):
    """An error with an HTTP status, rendered as LoopBack's ``{"error": {...}}``.

    :param message: a sentence for the client.
    :param error_code: a machine-readable code; the class's own where not given.
    :param details: further JSON-able information for the client.
    """

    code = 500
    error_name = "Error"
    error_code: str | None = None

    def __init__(self, message: str, *, error_code: str | None = None, details: Any = None) -> None:
        HTTPException.__init__(self, description=message)
        self.message = message
        self.details = details
        if error_code is not None:
            self.error_code = error_code

    @property
    def name(self) -> str:
        return self.error_name

    def __str__(self) -> str:
        return self.message


class BadRequest(RemoteError):
    code = 400
    error_name = "BadRequestError"


class ArgumentError(BadRequest):
    """A value that does not fit an argument of a remote method."""

    error_code = "INVALID_ARGUMENT"

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"Argument {argument!r} {problem}.", details={"argument": argument})
        self.argument, self.problem = argument, problem


class FilterError(BadRequest):
    """A filter that means nothing; ``path`` names the place in it, such as ``where.price.gt``."""

    error_code = "INVALID_FILTER"

    def __init__(self, path: str, problem: str) -> None:
        end = "" if problem.endswith("?") else "."
        super().__init__(f"The filter is not valid: {path} {problem}{end}", details={"path": path})
        self.path, self.problem = path, problem


class TooMuchToRead(BadRequest):
    """A filter that a data source cannot answer without reading more records than it may.

    :param model_name: the model.
    :param most: how many records may be read.
    """

    error_code = "TOO_MUCH_TO_READ"

    def __init__(self, model_name: str, most: int) -> None:
        super().__init__(
            f"More than {most} records of {model_name} would have to be read for this: narrow the "
            "filter by a property with an index."
        )


class Unauthorized(RemoteError):
    code = 401
    error_name = "Error"
    error_code = "AUTHORIZATION_REQUIRED"

    def __init__(
        self,
        message: str = "Authorization Required",
        *,
        error_code: str | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(message, error_code=error_code, details=details)


class Forbidden(RemoteError):
    code = 403
    error_name = "ForbiddenError"
    error_code = "ACCESS_DENIED"


class NotFound(RemoteError):
    code = 404
    error_name = "NotFoundError"


class ModelNotFound(NotFound):
    error_name = "Error"
    error_code = "MODEL_NOT_FOUND"

    def __init__(self, model_name: str, id: Any = None, *, message: str | None = None) -> None:
        super().__init__(message or f'Unknown "{model_name}" id "{id}".')


class MethodNotAllowed(RemoteError):
    code = 405
    error_name = "MethodNotAllowedError"

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        super().__init__(f"The method {method} is not allowed for {path}.")
        self.allowed = sorted(allowed)


class Conflict(RemoteError):
    code = 409
    error_name = "ConflictError"


class DuplicateId(Conflict):
    error_code = "DUPLICATE_ID"

    def __init__(self, model_name: str, id: Any) -> None:
        shown = ",".join(map(str, id)) if isinstance(id, tuple) else id
        super().__init__(f"Duplicate entry for {model_name}.id: {shown}")
        self.model_name = model_name


class TransactionConflict(Conflict):
    """Another transaction got in the way of this one, and nothing of this one was kept.

    To do it again may succeed.

    :ivar is_over: whether the caller is in no part of the transaction any more, so that what it did
        may be done again from the beginning; connectors say so.
    """

    error_code = "TRANSACTION_CONFLICT"
    retry_after = 1
    is_over = False

    def __init__(self) -> None:
        super().__init__("Another transaction was faster; try again.")

    def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
        headers = super().get_headers(*arguments, **named)
        return [*headers, ("Retry-After", str(self.retry_after))]


class PayloadTooLarge(RemoteError):
    code = 413
    error_name = "PayloadTooLargeError"


class UnsupportedMediaType(RemoteError):
    code = 415
    error_name = "UnsupportedMediaTypeError"


class Unavailable(RemoteError):
    """The data source cannot be reached, or is busy.

    :param retry_after: in how many seconds another attempt may succeed, where that is known.
    """

    code = 503
    error_name = "ServiceUnavailableError"

    def __init__(
        self, message: str, *, retry_after: int | None = None, details: Any = None
    ) -> None:
        super().__init__(message, details=details)
        self.retry_after = retry_after

    def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
        headers = super().get_headers(*arguments, **named)
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers


@dataclass(frozen=True, slots=True)
class Failure:
    """One reason why a record is not valid.

    :ivar path: property name, then keys and indexes inside its value; Python names.
    :ivar code: LoopBack's code for the rule, such as ``presence`` or ``length.min``.
    :ivar message: a phrase that follows the property's name, such as ``can't be blank``.
    """

    path: tuple[str | int, ...]
    code: str
    message: str

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.path))


class ValidationError(RemoteError):
    """A record that breaks the rules of its model.

    :param context: the model's name.
    :param failures: what is wrong, with paths in the names that the receiver knows; where several
        records were written at once, each path begins with the record's index.

    ``details`` is LoopBack's ``{"context", "codes", "messages"}``.
    """

    code = 422
    error_name = "ValidationError"

    def __init__(self, context: str, failures: Sequence[Failure]) -> None:
        self.context = context
        self.failures = list(failures)
        summary = "; ".join(f"`{failure.dotted}` {failure.message}" for failure in self.failures)
        super().__init__(
            f"The `{context}` instance is not valid. Details: {summary}.",
            details={
                "context": context,
                "codes": group(self.failures, "code"),
                "messages": group(self.failures, "message"),
            },
        )


class TooManyRequests(RemoteError):
    """A caller has tried too often.

    :param retry_after: in how many seconds it may try again.
    """

    code = 429
    error_name = "TooManyRequestsError"
    error_code = "TOO_MANY_REQUESTS"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many requests; try again later.")
        self.retry_after = retry_after

    def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
        headers = super().get_headers(*arguments, **named)
        return [*headers, ("Retry-After", str(self.retry_after))]


class UniqueViolation(LoopError):
    """A unique index refused a write. Connectors raise it; operations answer 422 for it.

    :param properties: the Python names of the properties whose values exist already.
    :param index: the position of the record, when several were written.
    :param model_name: the model, where the message is for who declared the index.
    """

    def __init__(
        self,
        properties: Sequence[str],
        index: int | None = None,
        *,
        model_name: str | None = None,
    ) -> None:
        record = "record" if model_name is None else f"record of {model_name}"
        super().__init__(f"a {record} with the same {', '.join(properties)} exists")
        self.properties = tuple(properties)
        self.index = index


class ForeignKeyViolation(LoopError):
    """A key names no record. Connectors raise it; operations answer 422 for it.

    :param properties: the Python names of the properties that hold the key.
    :param index: the position of the record, when several were written.
    """

    def __init__(self, properties: Sequence[str], index: int | None = None) -> None:
        super().__init__(f"no record has what {', '.join(properties)} names")
        self.properties = tuple(properties)
        self.index = index


def group(failures: Iterable[Failure], attribute: str) -> Mapping[str, list[str]]:
    """Failures as LoopBack groups them: property → list of codes or of messages."""
    grouped: dict[str, list[str]] = {}
    for failure in failures:
        grouped.setdefault(failure.dotted, []).append(getattr(failure, attribute))
    return grouped
