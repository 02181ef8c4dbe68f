"""SMTP servers: aiosmtpd in a thread, with the log-in, TLS and refusals that a test asks for.

They need nothing but what pip installs with the tests.
"""

from __future__ import annotations

import atexit
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .base import LOOPBACK, PATIENCE


@dataclass(frozen=True)
class Received:
    """A mail that the server took.

    :ivar sender: the address of its envelope.
    :ivar recipients: those of its envelope.
    :ivar mime: the mail.
    :ivar content: its bytes.
    :ivar user: who had logged in, or None.
    :ivar is_secure: whether it came over TLS.
    :ivar connection: says which connection it came over.
    """

    sender: str
    recipients: list[str]
    mime: EmailMessage
    content: bytes
    user: str | None
    is_secure: bool
    connection: Any


class SmtpServer(Controller):
    """A server on a free port of 127.0.0.1.

    :param login: the user and password that it demands.
    :param certificate: a file with its certificate and key.
    :param tls: ``"starttls"`` or ``"implicit"``.
    :param utf8: whether it takes addresses of other scripts.
    :param hangs_up: whether it ends the connection when somebody tries to log in again.

    :ivar received: the mails that it took.
    :ivar refused: what it says to a recipient, by address.
    :ivar attempts: the ways in which somebody tried to log in.
    :ivar answers: what it says to the next mails that it is given, before it takes others.
    """

    def __init__(
        self,
        *,
        login: tuple[str, str] | None = None,
        certificate: Path | None = None,
        tls: str | None = None,
        utf8: bool = True,
        hangs_up: bool = False,
    ) -> None:
        self.received: list[Received] = []
        self.refused: dict[str, str] = {}
        self.answers: list[str] = []
        self.attempts: list[str] = []
        self._login, self._hangs_up = login, hangs_up
        self._changed = Condition()
        context = None
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
        super().__init__(
            self,
            hostname=LOOPBACK,
            port=0,
            ssl_context=context if tls == "implicit" else None,
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            authenticator=None if login is None else self._authenticate,
            auth_require_tls=False,
            enable_SMTPUTF8=utf8,
            ready_timeout=PATIENCE,
        )

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        self.attempts.append(mechanism)
        if self._hangs_up and len(self.attempts) > 1:
            server.transport.abort()
        return AuthResult(success=given == self._login, auth_data=data.login, handled=False)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._login is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        content = envelope.original_content or b""
        parsed = message_from_bytes(content, policy=default)
        assert isinstance(parsed, EmailMessage)
        received = Received(
            sender=envelope.mail_from or "",
            recipients=list(envelope.rcpt_tos),
            mime=parsed,
            content=content,
            user=session.auth_data.decode() if session.authenticated else None,
            is_secure=server.transport.get_extra_info("ssl_object") is not None,
            connection=session.peer,
        )
        with self._changed:
            self.received.append(received)
            self._changed.notify_all()
        return "250 OK"

    def wait_for(self, count: int) -> list[Received]:
        """The mails, when there are so many."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.received) >= count, PATIENCE)
            return list(self.received)


@contextmanager
def smtp_server(**options: Any) -> Iterator[SmtpServer]:
    """A server that runs during a block."""
    server = SmtpServer(**options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        held: list[socket.socket] = []

        def hold() -> None:
            try:
                while True:
                    held.append(listening.accept()[0])
            except OSError:
                pass  # it was shut

        thread = Thread(target=hold)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in held:
                each.close()


@cache
def _deaf() -> socket.socket:
    """A socket with a port, which nobody else gets meanwhile."""
    made = socket.socket()
    made.bind((LOOPBACK, 0))
    atexit.register(made.close)
    return made


def deaf_port() -> int:
    """A port on which nothing listens."""
    return int(_deaf().getsockname()[1])


def make_certificate(file: Path, *, host: str = LOOPBACK) -> Path:
    """Write a self-signed certificate and its key.

    :param host: the address or name that it is for.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    address = x509.IPAddress(IPv4Address(host)) if host == LOOPBACK else x509.DNSName(host)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
