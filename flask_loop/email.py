"""Email: the model of mails, which are sent by the app's Flask-Mail or by a data source of mail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MethodType
from typing import Any, Protocol, cast, overload

from .connectors.mail import Message
from .definition import prop, wire_name
from .errors import Failure, MailError
from .mailing import (
    KEYS,
    MailQueue,
    Way,
    deliver,
    python_keys,
    queue_of,
    read_message,
    render_bodies,
    send,
    send_later,
)
from .model import Model, Prop

__all__ = ["Email", "MailError", "MailQueue", "Message", "deliver", "queue_of"]

_OPTIONS = (*KEYS, "template", "context")
#: What is no property of a mail.
_BESIDE = ("attachments", "template", "context")


class SendMails(Protocol):
    """What ``Email.send`` is."""

    def __call__(
        self,
        options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        /,
        *,
        to: Any = None,
        from_: Any = None,
        subject: str | None = None,
        text: str | None = None,
        html: str | None = None,
        cc: Any = None,
        bcc: Any = None,
        reply_to: Any = None,
        attachments: Sequence[Any] | None = None,
        headers: Mapping[str, str] | None = None,
        template: str | None = None,
        context: Mapping[str, Any] | None = None,
        background: bool = False,
    ) -> Any: ...


class SendMail(Protocol):
    """What ``Email(…).send`` is."""

    def __call__(
        self,
        *,
        attachments: Sequence[Any] | None = None,
        template: str | None = None,
        context: Mapping[str, Any] | None = None,
        background: bool = False,
    ) -> str: ...


class _Send:
    """``send`` of the model, and of one mail."""

    @overload
    def __get__(self, instance: None, owner: type[Email]) -> SendMails: ...

    @overload
    def __get__(self, instance: Email, owner: type[Email]) -> SendMail: ...

    def __get__(self, instance: Email | None, owner: type[Email]) -> Any:
        if instance is None:
            return MethodType(_send, owner)
        return MethodType(_send_one, instance)


class Email(Model):
    """A mail. Extend it for mails of one's own, or use it as it is.

    ::

        Email.send(
            to="ann@example.com", from_="shop@example.com", subject="Hello", text="It is ready."
        )
        Email.send(to=ann.email, subject="Welcome", template="welcome.html", context={"user": ann})
        Email.send([{"to": each, "subject": "News", "text": news} for each in readers])
        Email(to="ann@example.com", subject="Hello", text="It is ready.").send()

    It is sent by the data source on the ``mail`` connector that the model is attached to. Where it
    is attached to none, the app's data source of mail that is called ``mail`` sends it and, where
    there is none, the app's Flask-Mail.
    """

    to: Prop[Any] = prop(required=True)
    from_: Prop[Any | None] = prop(default=None)
    subject: Prop[str] = prop(required=True)
    text: Prop[str | None] = prop(default=None)
    html: Prop[str | None] = prop(default=None)
    cc: Prop[Any | None] = prop(default=None)
    bcc: Prop[Any | None] = prop(default=None)
    reply_to: Prop[Any | None] = prop(default=None)
    headers: Prop[dict[str, Any] | None] = prop(default=None)

    __loop_mail__ = True
    send = _Send()

    def __init__(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        super().__init__({k: _without_tuples(v) for k, v in {**(data or {}), **values}.items()})


def _without_tuples(value: Any) -> Any:
    """An address as ``(name, address)`` in the form that it has as a record."""
    if isinstance(value, tuple) and len(value) == 2:
        return {"name": value[0], "address": value[1]}
    return [_without_tuples(each) for each in value] if isinstance(value, list) else value


def _send(
    model: type[Email],
    options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    /,
    *,
    background: bool = False,
    **given: Any,
) -> str | list[str]:
    """Send one mail, or many over one connection.

    In a transaction the mails are sent in the background when it has committed, and not where it is
    rolled back.

    :param options: the parts of a mail as a dict, in Python or wire names, or a list of such.
    :param to: an address, or a list of addresses: ``"ann@example.com"``,
        ``"Ann <ann@example.com>"`` or ``("Ann", "ann@example.com")``.
    :param from_: who it is from (``from`` in dicts); where not given ``MAIL_DEFAULT_SENDER``, or
        the ``default_sender`` of the data source.
    :param subject: the subject.
    :param text: what it says as plain text.
    :param html: what it says as HTML.
    :param cc: who gets a copy, for all to see.
    :param bcc: who gets a copy that the others do not know of.
    :param reply_to: who gets answers.
    :param attachments: files: paths as ``Path``, ``(filename, content)``,
        ``(filename, content, content type)``, or dicts with ``filename``, ``content``,
        ``content_type`` and ``cid``.
    :param headers: further headers.
    :param template: the name of a Jinja template that gives ``html`` (``"welcome.html"``, beside
        which ``welcome.txt`` gives ``text``) or ``text`` (``"welcome.txt"``).
    :param context: the variables of the template.
    :param background: whether it is sent in the background.
    :returns: the ``Message-ID`` of the mail, or a list of those.
    :raises ValidationError: naming each part that is missing or means nothing.
    :raises MailError: where a mail was not sent, or not to everybody; in the background, where too
        many wait already.
    """
    is_list = isinstance(options, Sequence)
    listed: Sequence[Any] = cast("Any", options) if is_list else [options]
    more = {name: value for name, value in given.items() if value is not None}
    messages = [
        _message(model, each, more, (position,) if is_list else ())
        for position, each in enumerate(listed)
    ]
    if background:
        send_later(model, messages)
    else:
        send(model, messages)
    ids = [each.id for each in messages]
    return ids if is_list else ids[0]


def _send_one(
    mail: Email,
    *,
    attachments: Sequence[Any] | None = None,
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    background: bool = False,
) -> str:
    """Send this mail.

    :param attachments: as :meth:`Email.send` takes them, and so are the others.
    :returns: its ``Message-ID``.
    :raises ValidationError: naming each part that is missing or means nothing.
    :raises MailError: where it was not sent, or not to everybody.
    """
    sent = _send(
        type(mail),
        cast("Any", mail),
        attachments=attachments,
        template=template,
        context=context,
        background=background,
    )
    return cast("str", sent)


def _message(
    model: type[Email], given: Any, more: Mapping[str, Any], path: tuple[int, ...]
) -> Message:
    """The mail of what was given.

    :param given: an instance, a dict, or None.
    :param more: what was given by keyword.
    :param path: where in a list of mails it stands.
    """
    if isinstance(given, Email):
        mail, options = given, _named(model, more)
    elif given is None or isinstance(given, Mapping):
        options = {**_named(model, given or {}), **_named(model, more)}
        mail = model({key: value for key, value in options.items() if key not in _BESIDE})
    else:
        raise TypeError(f"a mail is a dict of its parts, not {given!r}")
    own = {key: value for key, value in mail.to_record().items() if value is not None}
    parts = {**own, **options}
    context = parts.pop("context", None)
    if (template := parts.pop("template", None)) is not None:
        bodies = render_bodies(template, {"mail": mail, **(context or {})})
        parts.update({key: body for key, body in bodies.items() if parts.get(key) is None})
    failures = [] if mail.is_valid() else list(_failures(mail))
    return read_message(
        model.model_name, parts, Way.of(model).default_sender, failures=failures, path=path
    )


def _named(model: type[Email], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by Python name; those are the parts of a mail, and the model's properties."""
    known = {spelling: name for name in _OPTIONS for spelling in (name, wire_name(name))}
    for each in model.definition.properties.values():
        known |= {each.name: each.name, each.wire: each.name}
    return python_keys(options, known)


def _failures(mail: Email) -> Iterator[Failure]:
    errors = mail.errors
    for path, messages in errors.items():
        for message, code in zip(messages, errors.codes[path], strict=True):
            yield Failure((path,), code, message)
