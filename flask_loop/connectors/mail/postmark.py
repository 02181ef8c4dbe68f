"""Postmark: mails sent by the delivery service of that name, over its HTTP API."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from ...errors import DefinitionError, MailError
from .message import Message, domains_of
from .transports import Send

URL = "https://api.postmarkapp.com"
#: What Postmark says of a recipient that it sends nothing to any more.
_INACTIVE = 406


class PostmarkTransport:
    """Sends mails by https://postmarkapp.com.

    :param token: the server token.
    :param stream: the message stream; that for transactional mails where not given.
    :param url: where the API is.
    :param timeout: the seconds after which its silence is an error.
    """

    def __init__(
        self, token: str, *, stream: str | None = None, url: str = URL, timeout: float = 10
    ) -> None:
        if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
            raise DefinitionError("the transport 'postmark' needs the setting 'token'")
        self._headers = {"X-Postmark-Server-Token": token, "Accept": "application/json"}
        self._stream, self._url, self._timeout = stream, url.rstrip("/"), timeout

    def send(self, message: Message) -> None:
        with self.connection() as send:
            send(message)

    @contextmanager
    def connection(self) -> Iterator[Send]:
        """A block whose mails go over one connection."""
        with httpx.Client(headers=self._headers, timeout=self._timeout) as client:
            yield lambda message: self._post(client, message)

    def ping(self) -> None:
        """Reach the service with the token.

        :raises MailError: where that cannot be done.
        """
        with httpx.Client(headers=self._headers, timeout=self._timeout) as client:
            self._ask(lambda: client.get(f"{self._url}/server"), ())

    def _post(self, client: httpx.Client, message: Message) -> None:
        body = _as_postmark(message)
        if self._stream is not None:
            body["MessageStream"] = self._stream
        self._ask(lambda: client.post(f"{self._url}/email", json=body), message.recipients)

    def _ask(self, ask: Any, recipients: tuple[str, ...]) -> None:
        try:
            response: httpx.Response = ask()
        except httpx.TimeoutException:
            raise MailError("Postmark is silent: the time ran out", is_temporary=True) from None
        except httpx.TransportError as error:
            reason = type(error).__name__
            raise MailError(f"Postmark cannot be reached: {reason}", is_temporary=True) from None
        if response.is_success:
            return
        status, code, said = response.status_code, *_said(response)
        if status in (401, 403):
            raise MailError(f"Postmark refuses the server token ({status})")
        if status == 422 and code == _INACTIVE:
            raise MailError(
                f"Postmark refuses a recipient at {domains_of(recipients)} ({status}, {code})",
                refused=dict.fromkeys(recipients, said),
            )
        is_temporary = status == 429 or status >= 500
        raise MailError(f"Postmark refuses the mail ({status}, {code})", is_temporary=is_temporary)


def _said(response: httpx.Response) -> tuple[int, str]:
    """Postmark's own code and message of an error."""
    try:
        body = response.json()
        return int(body["ErrorCode"]), str(body.get("Message", ""))
    except (ValueError, TypeError, KeyError):
        return 0, ""


def _as_postmark(message: Message) -> dict[str, Any]:
    wanted = set(message.recipients)
    body: dict[str, Any] = {
        "From": str(message.sender),
        "Subject": message.subject,
        "Headers": [
            {"Name": "Message-ID", "Value": message.id},
            {"Name": "X-PM-KeepID", "Value": "true"},  # else it gets one of Postmark's
            *({"Name": name, "Value": value} for name, value in message.headers.items()),
        ],
    }
    for key, group in (("To", message.to), ("Cc", message.cc), ("Bcc", message.bcc)):
        if listed := ", ".join(str(each) for each in group if each.address in wanted):
            body[key] = listed
    if message.reply_to:
        body["ReplyTo"] = ", ".join(map(str, message.reply_to))
    bodies = {"TextBody": message.text, "HtmlBody": message.html}
    body.update({key: text for key, text in bodies.items() if text is not None})
    if message.attachments:
        body["Attachments"] = [
            {
                "Name": each.filename,
                "Content": b64encode(each.content).decode(),
                "ContentType": each.content_type,
                **({"ContentID": f"cid:{each.content_id}"} if each.content_id else {}),
            }
            for each in message.attachments
        ]
    return body
