"""Delivery: mails on their way, now or in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from flask import Flask, current_app, has_app_context

from ..connectors.mail import (
    MailConnector,
    Message,
    Transport,
    as_mail_error,
    domains_of,
    sending,
)
from ..definition import registry
from ..errors import MailError
from ..operations import outbox
from ..signals import mail_failed
from .queue import Deferred, MailQueue
from .reading import as_options, read_message

EXTENSION = "loop"
#: Servers that are reached over no network.
_HERE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Way:
    """How the mails of a model are sent in this app.

    :ivar transport: what sends them.
    :ivar default_sender: who they are from where they do not say it.
    """

    transport: Transport
    default_sender: Any

    @classmethod
    def of(cls, model: Any) -> Way:
        """The way of a model.

        That is its data source, where that sends mails; the app's data source of mail that is
        called ``mail``; or the app's Flask-Mail.

        :raises RuntimeError: where there is none of these.
        """
        source = model.data_source
        connector = _source_of_app() if source is None else source.connector
        if isinstance(connector, MailConnector):
            return cls(connector.transport, connector.default_sender)
        if not has_app_context():
            raise RuntimeError(
                f"{model.model_name} is sent by an app's Flask-Mail: send it in a request, or "
                "inside `with app.app_context():`, or attach it to a data source of mail"
            )
        return cls._of_app()

    @classmethod
    def _of_app(cls) -> Way:
        # Only here, as few processes send mails.
        import flask_mail

        from ..connectors.mail.smtp import Security, SmtpTransport

        extensions = current_app.extensions
        if "mail" not in extensions:
            flask_mail.Mail(current_app)
        mail, state = extensions["mail"], extensions.get(EXTENSION)
        if state is not None:
            state.mailer.warn_of(mail)
        security = Security() if state is None else Security(timeout=state.settings.mail_timeout)
        return cls(SmtpTransport(mail, security), mail.default_sender)


def _source_of_app() -> Any:
    """The connector of the app's data source that is called ``mail``, or None."""
    state = current_app.extensions.get(EXTENSION) if has_app_context() else None
    if state is None or "mail" not in state.data_sources:
        return None
    return state.connector("mail")


def send(model: Any, messages: Sequence[Message]) -> None:
    """Send mails now or, where the caller is in a transaction, when it has committed.

    :param model: the model of mails.
    :param messages: the mails.
    :raises MailError: where one was not sent; what is sent after a transaction goes in the
        background, where there is an app.
    """
    if not outbox.is_open():
        _send_now(model, messages)
    elif has_app_context() and EXTENSION in current_app.extensions:
        send_later(model, messages)
    else:
        outbox.after_commit(partial(_send_now, model, messages))


def _send_now(model: Any, messages: Sequence[Message]) -> None:
    """Send mails over one connection, and each of them whatever becomes of the others."""
    errors: dict[int, MailError] = {}
    with sending(Way.of(model).transport) as transmit:
        for position, message in enumerate(messages):
            try:
                transmit(message)
            except Exception as raised:  # noqa: BLE001 - the others are sent all the same
                errors[position] = as_mail_error(raised)
                tell(message, errors[position])
    if not errors:
        return
    first = next(iter(errors.values()))
    if len(messages) == 1:
        raise first
    raise MailError(
        f"{len(errors)} of {len(messages)} mails were not sent to everybody; the first of them, "
        f"at index {next(iter(errors))}: {first}",
        is_temporary=all(each.is_temporary for each in errors.values()),
        refused={key: said for each in errors.values() for key, said in each.refused.items()},
        is_partial=len(errors) < len(messages) or any(e.is_partial for e in errors.values()),
    )


def send_later(model: Any, messages: Iterable[Message]) -> None:
    """Send mails in the background, when the transactions that the caller is in have committed.

    :param model: the model of mails.
    :param messages: the mails.
    :raises MailError: where too many wait already.
    :raises RuntimeError: outside of an app's context.
    """
    app = _app()
    for message in messages:
        if outbox.is_open():
            outbox.after_commit(partial(_hand_over_at_last, app, model, message))
        else:
            _hand_over(app, model, message)


def _hand_over(app: Flask, model: Any, message: Message) -> None:
    """Give a mail to what sends in the background."""
    enqueue = app.extensions[EXTENSION].mailer.enqueue
    try:
        if enqueue is not None:
            enqueue(job_of(app, model, message))
        else:
            queue_of(app).put(Delivery(model, message))
    except Exception as error:
        with app.app_context():
            _give_up(message, error)
        raise


def _hand_over_at_last(app: Flask, model: Any, message: Message) -> None:
    """The same after a transaction, which was kept whatever becomes of its mails."""
    with suppress(Exception):
        _hand_over(app, model, message)


def defer(function: Callable[..., object], /, *arguments: Any) -> None:
    """Call a function once in the background, in the app's context.

    In a transaction it is called when that has committed, and so sees what was written. What it
    raises is logged.

    :raises MailError: where too much waits already.
    """
    app = _app()

    def tell_of(error: Exception) -> None:
        app.logger.error("Flask-Loop: a task in the background failed", exc_info=error)

    deferred = Deferred(partial(function, *arguments), tell_of)
    if outbox.is_open():
        outbox.after_commit(partial(_put_at_last, app, deferred))
    else:
        queue_of(app).put(deferred)


def _put_at_last(app: Flask, deferred: Deferred) -> None:
    """Put a task into the queue after a transaction, which was kept whatever becomes of it."""
    try:
        queue_of(app).put(deferred)
    except MailError as error:
        deferred.give_up(error)


class Mailer:
    """The part of an app's state that sends in the background.

    :param app: the app.
    :param size: how many mails may wait.
    :param enqueue: what takes jobs in the queue's place, or None.
    """

    def __init__(
        self, app: Flask, size: int, enqueue: Callable[[dict[str, Any]], object] | None
    ) -> None:
        self.enqueue = enqueue
        self.queue = MailQueue(app, size)
        self._has_warned = False

    def warn_of(self, mail: Any) -> None:
        """Warn once where Flask-Mail is told to send its password in the clear over a network."""
        is_open = mail.password and not (mail.use_tls or mail.use_ssl)
        if not is_open or self._has_warned or mail.server in _HERE:
            return
        self._has_warned = True
        current_app.logger.warning(
            "Flask-Loop: the password goes to the mail server %s without TLS; set MAIL_USE_TLS or "
            "MAIL_USE_SSL",
            mail.server,
        )


def queue_of(app: Flask) -> MailQueue:
    """The queue of an app's mails in the background.

    :param app: the app.
    """
    mailer: Mailer = app.extensions[EXTENSION].mailer
    return mailer.queue


def _app() -> Flask:
    if not has_app_context():
        raise RuntimeError(
            "mails in the background belong to an app: send them in a request, or inside "
            "`with app.app_context():`"
        )
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if EXTENSION not in app.extensions:
        raise RuntimeError(f"the app {app.name!r} has no Loop: call loop.init_app(app)")
    return app


@dataclass(frozen=True, slots=True)
class Delivery:
    """A mail in the queue."""

    model: Any
    message: Message

    def deliver(self) -> None:
        """Send the mail once.

        :raises MailError: where it was not sent; it is logged then.
        """
        try:
            self.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the mail was not sent
            failed = as_mail_error(error)
            _give_up(self.message, failed)
            raise failed from failed.__cause__

    def run(self) -> None:
        with sending(Way.of(self.model).transport) as transmit:
            transmit(self.message)

    def again(self, error: Exception) -> Delivery | None:
        failed = as_mail_error(error)
        if not failed.is_temporary:
            return None
        message = self.message
        if failed.refused:
            later = [address for address, said in failed.refused.items() if said[:1] == "4"]
            never = {a: said for a, said in failed.refused.items() if a not in later}
            if never:
                queue_of(_app()).failed += 1
                self.give_up(MailError(str(failed), refused=never, is_partial=True))
            message = message.only_to(later)
        current_app.logger.warning(
            "Flask-Loop: the mail %s to %s is sent again later: %s",
            message.id,
            message.domains,
            failed,
        )
        return replace(self, message=message)

    def give_up(self, error: Exception) -> None:
        _give_up(self.message, error)


def _give_up(message: Message, error: Exception) -> None:
    """Log a mail that is lost, by the domains that it was for: addresses are not for logs."""
    failed = as_mail_error(error)
    current_app.logger.error(
        "Flask-Loop: the mail %s to %s was not sent: %s",
        message.id,
        domains_of(failed.refused or message.recipients),
        failed,
        exc_info=failed if failed.__cause__ is not None else None,
    )
    tell(message, failed)


def tell(message: Message, error: MailError) -> None:
    """Send the signal that a mail was not sent."""
    if has_app_context():
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        mail_failed.send(app, message=message, error=error)


# Jobs


def job_of(app: Flask, model: Any, message: Message) -> dict[str, Any]:
    """A mail as a dict that JSON can carry, for a worker in another process."""
    return {
        "app": app.name,
        "model": model.model_name,
        "module": model.__module__,
        "id": message.id,
        "date": message.date.isoformat(),
        "mail": as_options(message),
    }


def deliver(job: Mapping[str, Any]) -> None:
    """Send the mail of a job, as the function that :meth:`Loop.mail_queue` decorates got it.

    :param job: the job.
    :raises MailError: where it was not sent; ``is_temporary`` says whether to try again.
    :raises RuntimeError: outside of the context of the job's app.
    """
    app = _app()
    if job["app"] != app.name:
        raise RuntimeError(f"the job is one of the app {job['app']!r}, not of {app.name!r}")
    model = _model_of(job)
    message = read_message(model.model_name, job["mail"])
    message = replace(message, id=job["id"], date=datetime.fromisoformat(job["date"]))
    Delivery(model, message).deliver()


def _model_of(job: Mapping[str, Any]) -> Any:
    found = [
        each
        for each in registry.named(job["model"])
        if hasattr(each, "__loop_mail__") and each.__module__ == job["module"]
    ]
    if len(found) != 1:
        raise RuntimeError(
            f"{len(found)} models of mails are called {job['model']!r} in {job['module']}: the "
            "worker needs the one that the app has"
        )
    return found[0]
