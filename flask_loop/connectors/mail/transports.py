"""Transports: what takes a mail to where it goes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Protocol, TextIO

from ...errors import MailError
from .message import Message

Send = Callable[[Message], None]


class Transport(Protocol):
    """Anything that sends mails: a class of one's own needs only this.

    Transports are safe to use from several threads.

    ::

        class Pigeons:
            def send(self, message):
                loft.release(message.recipients, message.as_mime().as_bytes())

        create_data_source(connector="mail", transport=Pigeons())
    """

    def send(self, message: Message) -> None:
        """Send a mail.

        :raises MailError: where it was not sent. What else it raises counts as a failure that stays
            one, but for an ``OSError``, after which another attempt may succeed.
        """


def sending(transport: Transport) -> AbstractContextManager[Send]:
    """A block in which several mails are sent, over one connection where the transport has such."""
    connection = getattr(transport, "connection", None)
    return nullcontext(transport.send) if connection is None else connection()


def as_mail_error(error: Exception) -> MailError:
    """What a transport raised, as the error that tells of it."""
    if isinstance(error, MailError):
        return error
    told = MailError(
        f"the mail could not be sent ({type(error).__name__})",
        is_temporary=isinstance(error, OSError),
    )
    told.__cause__ = error
    return told


class MemoryTransport:
    """Keeps mails instead of sending them, for tests.

    :ivar messages: the mails, in their order.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)


class ConsoleTransport:
    """Writes mails to the console instead of sending them, for development.

    :param stream: where to; the standard output where not given.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = Lock()

    def send(self, message: Message) -> None:
        stream = sys.stdout if self._stream is None else self._stream
        with self._lock:
            stream.write(_shown(message))
            stream.flush()


def _shown(message: Message) -> str:
    """A mail as a person reads it."""
    lines = [f"From: {message.sender}"]
    for name, group in (("To", message.to), ("Cc", message.cc), ("Bcc", message.bcc)):
        if group:
            lines.append(f"{name}: {', '.join(map(str, group))}")
    lines.append(f"Subject: {message.subject}")
    lines += [f"{name}: {value}" for name, value in message.headers.items()]
    lines += [
        f"Attachment: {each.filename} ({each.content_type}, {len(each.content)} bytes)"
        for each in message.attachments
    ]
    body = message.text if message.text is not None else message.html
    rule = "-" * 72
    return "\n".join([rule, *lines, "", body or "", rule, ""])
