"""Reading: what a caller gives of a mail, checked as one."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from ..connectors.mail.addresses import NoAddress, has_controls, is_encodable, read_addresses
from ..connectors.mail.message import Address, Attachment, Message
from ..definition import nearest
from ..errors import Failure, ValidationError

#: What a mail may have, by Python name.
KEYS = (
    "to",
    "from_",
    "subject",
    "text",
    "html",
    "cc",
    "bcc",
    "reply_to",
    "attachments",
    "headers",
)

_HEADER = re.compile(r"[!-9;-~]+")
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_CONTENT_ID = re.compile(r"[\w.+@-]+", re.ASCII)
#: Headers that the other parts of a mail make.
_MADE = frozenset(
    {
        "bcc",
        "cc",
        "date",
        "from",
        "message-id",
        "mime-version",
        "received",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
    }
)


def python_keys(options: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    """Options by Python names, given in either spelling.

    :param options: the options.
    :param known: every spelling and its Python name.
    :raises TypeError: naming one that there is not, or that is given twice.
    """
    read: dict[str, Any] = {}
    for key, value in options.items():
        name = known.get(key)
        if name is None:
            raise TypeError(f"a mail has no {key!r}{nearest(str(key), known)}")
        if name in read:
            raise TypeError(f"a mail has its {name!r} twice: as {key!r} too")
        read[name] = value
    return read


def read_message(
    context: str,
    options: Mapping[str, Any],
    default_sender: Any = None,
    *,
    failures: Sequence[Failure] = (),
    path: tuple[int, ...] = (),
) -> Message:
    """Read a mail.

    :param context: what errors call it: the model's name.
    :param options: its parts by Python name; see :data:`KEYS`.
    :param default_sender: who it is from where that is not given.
    :param failures: what is known to be wrong with it.
    :param path: where in a list of mails it stands.
    :raises ValidationError: naming every part that is missing, or that means nothing.
    """
    reader = _Reader(options)
    parts: dict[str, Any] = {
        "sender": reader.sender(default_sender),
        "to": reader.addresses("to", required=True),
        "subject": reader.subject(),
        "text": reader.body("text"),
        "html": reader.body("html"),
        "attachments": reader.attachments(),
        "headers": reader.headers(),
    }
    for name in ("cc", "bcc", "reply_to"):
        parts[name] = reader.addresses(name)
    reader.has_body()
    known = {each.path[0] for each in failures}
    found = [*failures, *(each for each in reader.failures if each.path[0] not in known)]
    if found:
        raise ValidationError(context, [replace(each, path=(*path, *each.path)) for each in found])
    return Message(**parts)


class _Reader:
    """Reads the parts of a mail, and keeps what is wrong with them."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.failures: list[Failure] = []

    def sender(self, default: Any) -> Address | None:
        given = self.options.get("from_") or default
        if given is None or given == "":
            message = "can't be blank where there is no default sender"
            self.failures.append(Failure(("from_",), "presence", message))
            return None
        found = self._read(given, "from_")
        if len(found) > 1:
            self._refuse("is one address", "from_")
        return found[0] if found else None

    def addresses(self, name: str, *, required: bool = False) -> tuple[Address, ...]:
        given = self.options.get(name)
        if given is None or given in ("", [], ()):
            if required:
                self.failures.append(Failure((name,), "presence", "can't be blank"))
            return ()
        return self._read(given, name)

    def _read(self, given: Any, name: str) -> tuple[Address, ...]:
        found = []
        for position, each in read_addresses(given):
            if isinstance(each, NoAddress):
                self._refuse(str(each), *((name,) if position is None else (name, position)))
            else:
                found.append(each)
        return tuple(found)

    def subject(self) -> str:
        given = self.options.get("subject")
        if given is None or given == "":
            self.failures.append(Failure(("subject",), "presence", "can't be blank"))
        elif self._is_line(given, "subject"):
            return str(given)
        return ""

    def has_body(self) -> None:
        """Note where a mail says nothing."""
        if self.options.get("text") is None and self.options.get("html") is None:
            message = "can't be blank where html is"
            self.failures.append(Failure(("text",), "presence", message))

    def body(self, name: str) -> str | None:
        given = self.options.get(name)
        if given is None:
            return None
        if not isinstance(given, str):
            self._refuse("is text", name)
        elif not is_encodable(given):
            self._refuse("has a lone surrogate", name)
        else:
            return str(given)
        return None

    def headers(self) -> dict[str, str]:
        given = self.options.get("headers") or {}
        if not isinstance(given, Mapping):
            self._refuse("is a dict", "headers")
            return {}
        for name, value in given.items():
            if not (isinstance(name, str) and _HEADER.fullmatch(name)):
                self._refuse("is no name of a header", "headers", str(name))
            elif name.lower() in _MADE or name.lower().startswith(("content-", "resent-")):
                self._refuse("is made of the mail's other parts", "headers", name)
            else:
                self._is_line(value, "headers", name)
        return dict(given)

    def attachments(self) -> tuple[Attachment, ...]:
        given = self.options.get("attachments") or ()
        if isinstance(given, Mapping | str | bytes | Path) or not isinstance(given, Iterable):
            self._refuse("is a list", "attachments")
            return ()
        found = [self._attachment(each, position) for position, each in enumerate(given)]
        return tuple(each for each in found if each is not None)

    def _attachment(self, given: Any, position: int) -> Attachment | None:
        parts = _parts_of(given)
        if parts is None:
            self._refuse(
                'is a Path, (filename, content), or a dict with "filename" and "content"',
                "attachments",
                position,
            )
            return None
        filename, content, content_type, content_id = parts
        at = ("attachments", position)
        if not filename:
            self._refuse("has no name", *at)
        elif self._is_line(filename, *at, "filename"):
            content_type = content_type or guess_type(filename)[0] or "application/octet-stream"
            if not _matches(_CONTENT_TYPE, content_type) or content_type.startswith("multipart/"):
                self._refuse("is no media type, such as application/pdf", *at, "contentType")
            elif content_id and not _matches(_CONTENT_ID, content_id):
                self._refuse("has letters, digits and . + - _ @ alone", *at, "cid")
            elif not isinstance(content, bytes):
                self._refuse("is bytes or text", *at, "content")
            else:
                return Attachment(filename, content, content_type, content_id or "")
        return None

    def _is_line(self, given: Any, *path: str | int) -> bool:
        """Whether something is one line of text."""
        if not isinstance(given, str):
            self._refuse("is text", *path)
        elif has_controls(given):
            self._refuse("has a line break or another control character", *path)
        elif not is_encodable(given):
            self._refuse("has a lone surrogate", *path)
        else:
            return True
        return False

    def _refuse(self, problem: str, *path: str | int) -> None:
        self.failures.append(Failure(path, "format", problem))


def _matches(pattern: re.Pattern[str], given: Any) -> bool:
    return isinstance(given, str) and pattern.fullmatch(given) is not None


def _parts_of(given: Any) -> tuple[Any, Any, Any, Any] | None:
    """The name, content, type and content id of an attachment, in any form that it may have."""
    if isinstance(given, Attachment):
        return given.filename, given.content, given.content_type, given.content_id
    if isinstance(given, Path):
        return given.name, given.read_bytes(), None, None
    if isinstance(given, tuple) and len(given) in (2, 3):
        return given[0], _as_bytes(given[1]), *given[2:], *(None,) * (4 - len(given))
    if isinstance(given, Mapping):
        content = given.get("content")
        if given.get("encoding") == "base64" and isinstance(content, str | bytes):
            try:
                content = b64decode(content, validate=True)
            except (NotBase64, ValueError):
                content = None
        content_type = given.get("content_type", given.get("contentType"))
        return given.get("filename"), _as_bytes(content), content_type, given.get("cid")
    if hasattr(given, "filename") and hasattr(given, "data"):  # Flask-Mail's
        return given.filename, _as_bytes(given.data), given.content_type, None
    return None


def _as_bytes(content: Any) -> Any:
    if isinstance(content, bytearray | memoryview):
        return bytes(content)
    if isinstance(content, str):
        return content.encode() if is_encodable(content) else None
    return content


def as_options(message: Message) -> dict[str, Any]:
    """A mail as JSON, which :func:`read_message` reads again.

    :param message: the mail.
    """
    return {
        "from_": message.sender._asdict(),
        "to": _listed(message.to),
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "cc": _listed(message.cc),
        "bcc": _listed(message.bcc),
        "reply_to": _listed(message.reply_to),
        "attachments": [
            {
                "filename": each.filename,
                "content": b64encode(each.content).decode(),
                "encoding": "base64",
                "content_type": each.content_type,
                "cid": each.content_id or None,
            }
            for each in message.attachments
        ],
        "headers": dict(message.headers),
    }


def _listed(group: Iterable[Address]) -> list[dict[str, str]]:
    return [each._asdict() for each in group]
