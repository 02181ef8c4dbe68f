"""SMTP: mails sent by Flask-Mail, with a time-out and verified certificates."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - else a thread imports it, and a process forks meanwhile
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import flask_mail
from flask import current_app, has_app_context

from ...errors import MailError
from .message import Message, domains_of
from .transports import Send


@dataclass(frozen=True, slots=True)
class Security:
    """How a server is reached.

    :ivar timeout: the seconds after which its silence is an error.
    :ivar verify: whether its certificate must be one that is trusted; the path of a file with the
        certificates that are, where it is text.
    """

    timeout: float = 10
    verify: bool | str = True

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(
            cafile=self.verify if isinstance(self.verify, str) else None
        )
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class SmtpTransport:
    """Sends mails to an SMTP server.

    :param mail: Flask-Mail's settings.
    :param security: what Flask-Mail has no settings for.
    """

    def __init__(self, mail: Any, security: Security) -> None:
        self._mail, self._security = mail, security

    @classmethod
    def of(cls, config: Mapping[str, Any], security: Security) -> SmtpTransport:
        """Make one of Flask-Mail's settings, such as ``MAIL_SERVER``."""
        return cls(flask_mail.Mail().init_mail(dict(config)), security)

    def send(self, message: Message) -> None:
        with self.connection() as send:
            send(message)

    @contextmanager
    def connection(self) -> Iterator[Send]:
        """A block whose mails go over one connection; a new one where it was lost meanwhile."""
        connection = _Connection(self._mail, self._security)
        try:
            yield connection.deliver
        finally:
            connection.close()

    def ping(self) -> None:
        """Reach the server and log in.

        :raises MailError: where that cannot be done.
        """
        connection = _Connection(self._mail, self._security)
        try:
            connection.open()
        finally:
            connection.close()


class _Connection(flask_mail.Connection):
    """A connection to a server, opened with the first mail."""

    def __init__(self, mail: Any, security: Security) -> None:
        super().__init__(mail)
        self._security = security
        self._is_open = False

    def open(self) -> None:
        with _told(self.mail.server):
            self.__enter__()
        self._is_open = True

    def deliver(self, message: Message) -> None:
        """Send a mail.

        :raises MailError: where it was not sent, or not to all.
        """
        if not self._is_open:
            self.open()
        try:
            with _told(self.mail.server):
                refused = self._transmit(message)
        except MailError:
            if self.host is not None and self.host.sock is None:
                self.close()  # the next mail gets another one
            raise
        if has_app_context():
            app = current_app._get_current_object()  # type: ignore[attr-defined]
            flask_mail.email_dispatched.send(app, message=_FlaskMessage(message))
        self._count()
        if refused:
            raise _refused(refused, is_partial=True)

    def close(self) -> None:
        self._is_open = False
        self.__exit__(None, None, None)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        host, self.host = self.host, None
        if host is not None:
            # The mails have gone, or what went wrong with them is told already.
            with suppress(smtplib.SMTPException, OSError):
                host.quit()
            host.close()

    def configure_host(self) -> smtplib.SMTP:
        mail, timeout = self.mail, self._security.timeout
        host: _Smtp | _SmtpOverTls
        if mail.use_ssl:
            context = self._security.context()
            host = _SmtpOverTls(mail.server, mail.port or 0, timeout=timeout, context=context)
        else:
            host = _Smtp(mail.server, mail.port or 0, timeout=timeout)
        try:
            # Flask-Mail's debug output is left out: it shows the password.
            if mail.use_tls:
                host.starttls(context=self._security.context())
            if mail.username and mail.password:
                if not f"{mail.username}{mail.password}".isascii():
                    raise MailError(
                        f"the mail server {mail.server} takes a user name and a password in ASCII"
                    )
                host.login(mail.username, mail.password)
        except BaseException:
            host.close()
            raise
        return host

    def _transmit(self, message: Message) -> Mapping[str, tuple[int, bytes]]:
        """Send a mail, and give what the server said of the recipients that it refused."""
        if self.host is None:  # Flask-Mail is told to send nothing
            return {}
        return self.host.sendmail(
            message.sender.address,
            message.recipients,
            message.as_mime().as_bytes(),
            ["SMTPUTF8", "BODY=8BITMIME"] if message.needs_utf8 else (),
        )

    def _count(self) -> None:
        """Begin another connection where Flask-Mail's settings allow no more mails on this one."""
        self.num_emails += 1
        if self.num_emails == self.mail.max_emails:
            self.close()


class _FlaskMessage(flask_mail.Message):
    """A mail as receivers of Flask-Mail's signal know it."""

    def __init__(self, mail: Message) -> None:
        super().__init__(
            subject=mail.subject,
            sender=str(mail.sender),
            recipients=list(map(str, mail.to)),
            body=mail.text,
            html=mail.html,
            cc=list(map(str, mail.cc)),
            bcc=list(map(str, mail.bcc)),
            reply_to=", ".join(map(str, mail.reply_to)) or None,
            attachments=[
                flask_mail.Attachment(each.filename, each.content_type, each.content)
                for each in mail.attachments
            ],
            date=mail.date.timestamp(),
            extra_headers=dict(mail.headers),
        )
        self.msgId = mail.id
        self.mail = mail

    def as_string(self) -> str:
        return self.mail.as_mime().as_string()

    def as_bytes(self) -> bytes:
        return self.mail.as_mime().as_bytes()


class _RemembersRefusal:
    """Keeps why a log-in was refused, where the server then hangs up on the next way to log in."""

    refusal: smtplib.SMTPAuthenticationError | None = None

    def auth(self, *arguments: Any, **named: Any) -> tuple[int, bytes]:
        try:
            done: tuple[int, bytes] = super().auth(*arguments, **named)  # type: ignore[misc]
        except smtplib.SMTPAuthenticationError as error:
            self.refusal = error
            raise
        except smtplib.SMTPServerDisconnected:
            if self.refusal is not None:
                raise self.refusal from None
            raise
        return done


class _Smtp(_RemembersRefusal, smtplib.SMTP):
    pass


class _SmtpOverTls(_RemembersRefusal, smtplib.SMTP_SSL):
    pass


@contextmanager
def _told(server: str) -> Iterator[None]:
    """A block in which faults of SMTP are told without addresses, passwords and what was sent."""
    try:
        yield
    except MailError:
        raise
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(error.recipients, is_partial=False) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        # Without its cause, which may show addresses in a log.
        raise _fault(server, error) from None


def _refused(recipients: Mapping[str, tuple[int, bytes]], *, is_partial: bool) -> MailError:
    said = {
        address: f"{code} {reply.decode('utf-8', 'replace')}"
        for address, (code, reply) in recipients.items()
    }
    codes = ", ".join(dict.fromkeys(str(code) for code, _ in recipients.values()))
    return MailError(
        f"the mail server refuses {len(said)} recipients at {domains_of(said)} ({codes})"
        if len(said) > 1
        else f"the mail server refuses a recipient at {domains_of(said)} ({codes})",
        is_temporary=any(400 <= code < 500 for code, _ in recipients.values()),
        refused=said,
        is_partial=is_partial,
    )


def _fault(server: str, error: Exception) -> MailError:
    at = f"the mail server {server}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        problem = f"{at} refuses the user name or the password ({error.smtp_code})"
        return MailError(problem, is_temporary=_is_temporary(error.smtp_code))
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return MailError(f"{at} does not do what is asked of it: {error}")
    if isinstance(error, smtplib.SMTPResponseException):
        doing = _DOING.get(type(error), "the connection")
        problem = f"{at} refuses {doing} ({error.smtp_code})"
        return MailError(problem, is_temporary=_is_temporary(error.smtp_code))
    if isinstance(error, ssl.SSLCertVerificationError):
        return MailError(f"{at} has a certificate that is not trusted: {error.verify_message}")
    # smtplib says of silence that the server hung up.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return MailError(f"{at} is silent: the time ran out", is_temporary=True)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return MailError(f"{at} ended the connection", is_temporary=True)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return MailError(f"{at} cannot be reached: {reason}", is_temporary=True)
    return MailError(f"{at} cannot be given the mail ({type(error).__name__})")


_DOING = {smtplib.SMTPSenderRefused: "the sender", smtplib.SMTPDataError: "the mail"}


def _is_temporary(code: int) -> bool:
    # smtplib gives -1 where the server said nothing that it understood.
    return 400 <= code < 500 or code == -1
