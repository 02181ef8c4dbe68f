"""Refusals: what the other app's errors are here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import (
    BadRequest,
    Conflict,
    DuplicateId,
    Failure,
    LoopError,
    PayloadTooLarge,
    TransactionConflict,
    UniqueViolation,
    ValidationError,
)
from ..web import Answer, BadAnswer

_UNIQUENESS = "uniqueness"


def error_of(answer: Answer) -> Mapping[str, Any]:
    """The error in an answer, in LoopBack's form; of a body in another form there is none."""
    try:
        body = answer.json()
    except BadAnswer:
        return {}
    error = body.get("error") if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def _message(error: Mapping[str, Any]) -> str:
    return str(error.get("message") or "The data source refuses what it is asked for.")


def bad_request(answer: Answer) -> BadRequest:
    """What the other app does not understand of what it was asked."""
    error = error_of(answer)
    code = error.get("code")
    return BadRequest(
        _message(error),
        error_code=code if isinstance(code, str) else None,
        details=error.get("details"),
    )


def is_unknown_record(answer: Answer) -> bool:
    """Whether a 404 says that there is no record, and not that there is no such method."""
    if answer.status != 404:
        return False
    error = error_of(answer)
    if error.get("code") == "MODEL_NOT_FOUND":
        return True
    # LoopBack gives some of these no code.
    message = str(error.get("message", ""))
    return "nknown" in message or message.startswith("No instance with id")


def is_no_method(answer: Answer) -> bool:
    """Whether a 404 is of no method of an app with models."""
    error = error_of(answer)
    return not error or "no method" in str(error.get("message", "")).lower()


def refusal(
    model: str,
    names: Mapping[str, str],
    answer: Answer,
    *,
    first: int = 0,
    is_over: bool = True,
) -> LoopError | None:
    """The error that a refusal of a write is here.

    :param model: the name of the model that was written to.
    :param names: the Python names of its properties, by the other app's.
    :param first: the position of the first record of the request, where there are several requests.
    :param is_over: whether the caller is in no block.
    :returns: None where the answer is no refusal of what was written.
    """
    error = error_of(answer)
    if answer.status == 400:
        return bad_request(answer)
    if answer.status == 413:
        return PayloadTooLarge(_message(error))
    if answer.status == 409:
        return _conflict(model, error, is_over=is_over)
    if answer.status == 422:
        return _not_valid(model, names, error, first)
    return None


def _conflict(model: str, error: Mapping[str, Any], *, is_over: bool) -> LoopError:
    message = _message(error)
    if error.get("code") == DuplicateId.error_code or message.startswith("Duplicate entry"):
        return DuplicateId(model, message.partition(".id: ")[2] or message)
    if error.get("code") == TransactionConflict.error_code:
        conflict = TransactionConflict()
        conflict.is_over = is_over
        return conflict
    code = error.get("code")
    return Conflict(message, error_code=code if isinstance(code, str) else None)


def _not_valid(
    model: str, names: Mapping[str, str], error: Mapping[str, Any], first: int
) -> LoopError:
    failures = _failures(names, error.get("details"), first)
    if not failures:
        return ValidationError(model, [Failure((), "invalid", _message(error))])
    places = {each.path[0] for each in failures if isinstance(each.path[0], int)}
    taken = [part for each in failures for part in each.path if isinstance(part, str)]
    if all(each.code == _UNIQUENESS for each in failures) and len(places) < 2 and taken:
        return UniqueViolation(list(dict.fromkeys(taken)), next(iter(places), None))
    return ValidationError(model, failures)


def _failures(names: Mapping[str, str], details: Any, first: int) -> list[Failure]:
    """The failures in LoopBack's details, by Python names."""
    if not isinstance(details, Mapping):
        return []
    codes, messages = details.get("codes"), details.get("messages")
    if not (isinstance(codes, Mapping) and isinstance(messages, Mapping)):
        return []
    found = []
    for dotted, said in codes.items():
        path = _python_path(names, str(dotted), first)
        texts = messages.get(dotted)
        for place, code in enumerate(said if isinstance(said, list) else [said]):
            text = (
                texts[place] if isinstance(texts, list) and place < len(texts) else "is not valid"
            )
            found.append(Failure(path, str(code), str(text)))
    return found


def _python_path(names: Mapping[str, str], dotted: str, first: int) -> tuple[str | int, ...]:
    parts: list[str | int] = list(dotted.split("."))
    path: list[str | int] = []
    if str(parts[0]).isdecimal() and len(parts) > 1:
        path.append(int(parts.pop(0)) + first)
    path.append(names.get(str(parts[0]), parts[0]))
    return (*path, *parts[1:])
