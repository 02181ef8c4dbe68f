"""The mail connector: mails sent over SMTP, by a delivery service, or to a console."""

from .connector import MailConnector
from .message import Address, Attachment, Message, domains_of
from .transports import (
    ConsoleTransport,
    MemoryTransport,
    Send,
    Transport,
    as_mail_error,
    sending,
)

__all__ = [
    "Address",
    "Attachment",
    "ConsoleTransport",
    "MailConnector",
    "MemoryTransport",
    "Message",
    "Send",
    "Transport",
    "as_mail_error",
    "domains_of",
    "sending",
]
