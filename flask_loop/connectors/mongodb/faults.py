"""The driver's errors as ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from ...errors import BadRequest, TransactionConflict, Unavailable

_log = logging.getLogger(__name__)

#: The seconds after which a server that is not available may be asked again.
RETRY_AFTER = 5
DUPLICATE_KEY = 11000

_NOT_ALLOWED = frozenset({13, 18, 8000})
#: What a router, or a member that no longer leads, says in the place of an answer.
_AWAY = frozenset(
    {6, 7, 43, 89, 91, 133, 134, 189, 237, 365, 9001, 10107, 11600, 11601, 11602, 13435, 13436}
)
_CONFLICTS = frozenset({24, 112, 225, 251, 256})
_TIMEOUTS = frozenset({50, 262, 290})
#: Why the server refuses a document, and what is said of that.
_REFUSALS = {
    **dict.fromkeys((10334, 17280, 17420), "The record is too large for the data source."),
    53: "The data source takes no list as an id.",
    121: "A rule of the data source refuses the record.",
    171: "The data source has an index over two lists, of which a record may have one.",
}
#: What the driver raises, and what it refuses to send.
ERRORS = (PyMongoError, DocumentTooLarge)
_INDEX_NAME = re.compile(r"index: (\S+)")


def translated(error: Exception) -> Exception:
    """An error of the driver as one of ours, or as it is."""
    if isinstance(error, WaitQueueTimeoutError):
        return Unavailable("The data source has no connection free.", retry_after=1)
    if isinstance(error, ConnectionFailure) and not _refuses(error):
        if error.has_error_label("TransientTransactionError"):
            _log.info("a transaction was lost with its connection: %s", type(error).__name__)
        return unavailable()
    if isinstance(error, DocumentTooLarge):
        return BadRequest(_REFUSALS[10334])
    if isinstance(error, ExecutionTimeout) or getattr(error, "timeout", False):
        return Unavailable("The data source took too long.", retry_after=RETRY_AFTER)
    if isinstance(error, OperationFailure):
        return _translated_failure(error)
    if isinstance(error, ConfigurationError) or (
        isinstance(error, PyMongoError) and _refuses(error)
    ):
        _log.error("MongoDB cannot be used with these settings: %s", _reason(error))
        return unavailable()
    return error


def unavailable() -> Unavailable:
    return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)


def _translated_failure(error: OperationFailure) -> Exception:
    failed = failed_write(error)
    code = error.code if failed is None else failed.get("code")
    if code in _AWAY or isinstance(error, WriteConcernError) or _is_unconfirmed(error):
        return unavailable()
    if code in _NOT_ALLOWED:
        _log.error("MongoDB refuses the credentials of the data source: %s", _reason(error))
        return unavailable()
    if code in _CONFLICTS or error.has_error_label("TransientTransactionError"):
        return TransactionConflict()
    if code in _TIMEOUTS:
        return Unavailable("The data source took too long.", retry_after=RETRY_AFTER)
    if code in _REFUSALS:
        return BadRequest(_REFUSALS[code])
    return error


def failed_write(error: BaseException | None) -> Mapping[str, Any] | None:
    """Of several writes, what is said of the first that was refused."""
    details = (error.details or {}) if isinstance(error, BulkWriteError) else {}
    failed = details.get("writeErrors")
    return failed[0] if failed else None


def _is_unconfirmed(error: OperationFailure) -> bool:
    """Whether several writes were done, of which the server cannot say that they stay."""
    return isinstance(error, BulkWriteError) and failed_write(error) is None


def _refuses(error: PyMongoError) -> bool:
    """Whether a server that could not be had was there, and refused who asked."""
    return isinstance(error, OperationFailure) and error.code in _NOT_ALLOWED


def _reason(error: PyMongoError) -> str:
    """What the server said, in which there is no password."""
    details = error.details if isinstance(error, OperationFailure) else None
    said = (details or {}).get("errmsg")
    if said is None and isinstance(error, ConfigurationError) and "@" not in str(error):
        said = error
    return type(error).__name__ if said is None else str(said)


def duplicate_of(details: Any) -> tuple[list[str], str]:
    """The fields, and the name, of the index that refused a document."""
    details = details or {}
    pattern = details.get("keyPattern") or {}
    found = _INDEX_NAME.search(str(details.get("errmsg", "")))
    return list(pattern), found[1] if found else ""
