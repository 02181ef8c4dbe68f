"""Message: one mail, as transports send it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid
from typing import NamedTuple

from .headers import address_header, readable, text_header

#: Bodies in forms that servers of any age pass on unchanged.
_POLICIES = {False: SMTP.clone(cte_type="7bit"), True: SMTPUTF8.clone(cte_type="7bit")}


class Address(NamedTuple):
    """An address of mail.

    :ivar address: the address itself, its domain in ASCII.
    :ivar name: the name that is shown with it, or nothing.
    """

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def needs_utf8(self) -> bool:
        """Whether only servers with SMTPUTF8 can pass it on."""
        return not self.address.isascii()

    def __str__(self) -> str:
        return readable(self)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a mail brings along.

    :ivar filename: its name.
    :ivar content: what is in it.
    :ivar content_type: such as ``"application/pdf"``.
    :ivar content_id: the name by which the mail's HTML shows it, as in ``<img src="cid:logo">``;
        nothing where it stands by itself.
    """

    filename: str
    content: bytes
    content_type: str = "application/octet-stream"
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One mail, whose parts were checked.

    :ivar sender: who it is from.
    :ivar to: who it is to.
    :ivar subject: its subject.
    :ivar text: what it says as plain text, or None.
    :ivar html: what it says as HTML, or None.
    :ivar cc: who gets a copy, for all to see.
    :ivar bcc: who gets a copy that the others do not know of.
    :ivar reply_to: who gets answers, where that is not the sender.
    :ivar attachments: files that it brings along.
    :ivar headers: further headers.
    :ivar date: when it was written.
    :ivar id: its ``Message-ID``.
    :ivar envelope: who it goes to where not all to whom it is addressed.
    """

    sender: Address
    to: tuple[Address, ...]
    subject: str
    text: str | None = None
    html: str | None = None
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    date: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = ""
    envelope: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not self.id:
            # Without a domain the machine's own name would be looked up, and told to all.
            object.__setattr__(self, "id", make_msgid(domain=self.sender.domain))

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses that it goes to, each once."""
        if self.envelope is not None:
            return self.envelope
        return tuple(dict.fromkeys(each.address for each in (*self.to, *self.cc, *self.bcc)))

    @property
    def domains(self) -> str:
        """The domains that it goes to, which logs may show."""
        return domains_of(self.recipients)

    @property
    def needs_utf8(self) -> bool:
        """Whether only servers with SMTPUTF8 can pass it on."""
        everybody = (self.sender, *self.to, *self.cc, *self.bcc, *self.reply_to)
        return any(each.needs_utf8 for each in everybody)

    def only_to(self, addresses: Iterable[str]) -> Message:
        """The same mail for some of its recipients."""
        return replace(self, envelope=tuple(addresses))

    def as_mime(self) -> EmailMessage:
        """The mail as it is sent, without the names of ``bcc``.

        :raises ValueError: where a header is not what a header may be.
        """
        mime = EmailMessage(_POLICIES[self.needs_utf8])
        self._set_headers(mime)
        if self.text is not None or self.html is None:
            mime.set_content(self.text or "")
        if self.html is not None and self.text is None:
            mime.set_content(self.html, subtype="html")
        elif self.html is not None:
            mime.add_alternative(self.html, subtype="html")
        for each in self.attachments:
            if each.content_id:
                self._show_inside(mime, each)
        for each in self.attachments:
            if not each.content_id:
                main, _, sub = each.content_type.partition("/")
                mime.add_attachment(each.content, main, sub, filename=each.filename)
        return mime

    def _set_headers(self, mime: EmailMessage) -> None:
        mime["From"] = address_header("From", [self.sender])
        for name in ("To", "Cc", "Reply-To"):
            if group := getattr(self, name.lower().replace("-", "_")):
                mime[name] = address_header(name, group)
        mime["Subject"] = text_header("Subject", self.subject)
        mime["Date"] = format_datetime(self.date)
        mime["Message-ID"] = text_header("Message-ID", self.id)
        for name, value in self.headers.items():
            mime[name] = text_header(name, value)

    def _show_inside(self, mime: EmailMessage, attachment: Attachment) -> None:
        """Add a file that the HTML shows beside the HTML."""
        body = mime.get_body(("related", "html")) or mime
        main, _, sub = attachment.content_type.partition("/")
        body.add_related(
            attachment.content,
            main,
            sub,
            cid=f"<{attachment.content_id}>",
            filename=attachment.filename,
            disposition="inline",
        )


def domains_of(addresses: Iterable[str]) -> str:
    """The domains of addresses, each once, as logs show them."""
    return ", ".join(dict.fromkeys(each.rpartition("@")[2] for each in addresses))
