"""Settings of the mail connector, in Flask-Loop's spelling or LoopBack's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...definition import nearest
from ...errors import DefinitionError
from .addresses import NoAddress, read_address
from .message import Address
from .transports import ConsoleTransport, MemoryTransport, Transport

if TYPE_CHECKING:
    from .smtp import SmtpTransport

_SPELLINGS = {
    "transport": "transport",
    "type": "transport",
    "host": "host",
    "hostname": "host",
    "port": "port",
    "username": "username",
    "user": "username",
    "password": "password",
    "pass": "password",
    "tls": "tls",
    "verify": "verify",
    "timeout": "timeout",
    "default_sender": "default_sender",
    "defaultSender": "default_sender",
    "token": "token",
    "stream": "stream",
    "url": "url",
    # LoopBack's
    "secure": "secure",
    "requireTLS": "require_tls",
    "ignoreTLS": "ignore_tls",
    "auth": "auth",
}
#: What each kind of transport takes.
_TAKES = {
    "smtp": ("host", "port", "username", "password", "tls", "verify", "timeout"),
    "console": (),
    "memory": (),
    "postmark": ("token", "stream", "url", "timeout"),
}
_OTHER_NAMES = {"stub": "memory"}


def read_settings(settings: Mapping[str, Any]) -> tuple[Transport, Address | None]:
    """Make the transport that settings describe.

    :param settings: the data source's.
    :returns: the transport, and who mails are from where they do not say it, or None.
    :raises DefinitionError: naming what is unknown or means nothing. Values are not shown, as one
        may be a password.
    """
    given = dict(settings)
    given.pop("debug", None)  # LoopBack's, which shows passwords
    transports = given.pop("transports", None)
    default = given.pop("defaultTransport", given.pop("default_transport", None))
    if transports is not None:
        given = {**given, **_chosen(transports, default)}
    elif default is not None:
        given.setdefault("transport", default)
    read = _python_names(given)
    sender = _sender(read.pop("default_sender", None))
    transport = read.pop("transport", "smtp")
    if callable(getattr(transport, "send", None)) and not isinstance(transport, str | type):
        _refuse_others(read, (), "a transport of one's own")
        own: Transport = transport
        return own, sender
    if not isinstance(transport, str):
        raise DefinitionError(
            "the setting 'transport' of the mail connector is a name, or an object with "
            f"send(message), not {transport!r}"
        )
    name = transport.lower()
    name = _OTHER_NAMES.get(name, name)
    if name not in _TAKES:
        raise DefinitionError(
            f"the mail connector has no transport {transport!r}{nearest(name, _TAKES)}; "
            f"it knows {', '.join(_TAKES)}"
        )
    if name == "smtp":
        _read_loopback(read)
    _refuse_others(read, _TAKES[name], f"the transport {name!r}")
    return _MAKES[name](read), sender


def _sender(given: Any) -> Address | None:
    try:
        return None if given is None else read_address(given)
    except NoAddress as error:
        raise DefinitionError(
            f"the setting 'default_sender' of the mail connector is no address: it {error}"
        ) from None


def _chosen(transports: Any, default: Any) -> Mapping[str, Any]:
    """The one of LoopBack's transports that sends."""
    if not (isinstance(transports, list | tuple) and transports) or not all(
        isinstance(each, Mapping) for each in transports
    ):
        raise DefinitionError("the setting 'transports' of the mail connector is a list of dicts")
    if default is None:
        chosen = transports[0]
    else:
        names = {str(each.get(key)): each for each in transports for key in ("type", "alias")}
        if default not in names:
            raise DefinitionError(
                f"the mail connector has no transport {default!r} among its 'transports'"
            )
        chosen = names[default]
    return {key: value for key, value in chosen.items() if key != "alias"}


def _python_names(given: Mapping[str, Any]) -> dict[str, Any]:
    read = {}
    for key, value in given.items():
        if key not in _SPELLINGS:
            raise DefinitionError(
                f"the mail connector has no setting {key!r}{nearest(key, _SPELLINGS)}"
            )
        read[_SPELLINGS[key]] = value
    return read


def _read_loopback(read: dict[str, Any]) -> None:
    """Turn what Nodemailer calls ``auth``, ``secure``, ``requireTLS`` and ``tls`` into ours."""
    auth = read.pop("auth", None)
    if isinstance(auth, Mapping):
        for key, name in (("user", "username"), ("pass", "password")):
            if key in auth:
                read.setdefault(name, auth[key])
    elif auth is not None:
        raise DefinitionError("the setting 'auth' of the mail connector is a dict")
    tls = read.get("tls")
    if isinstance(tls, Mapping):
        del read["tls"]
        if "rejectUnauthorized" in tls:
            read.setdefault("verify", tls["rejectUnauthorized"])
    secure, required = read.pop("secure", False), read.pop("require_tls", False)
    if secure or required:
        read.setdefault("tls", "implicit" if secure else "starttls")
    if read.pop("ignore_tls", False):
        read.setdefault("tls", None)


def _refuse_others(read: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    for key in read:
        if key not in known:
            raise DefinitionError(f"{what} of the mail connector has no setting {key!r}")


def _make_smtp(read: Mapping[str, Any]) -> SmtpTransport:
    from .smtp import Security, SmtpTransport

    _check(read, "host", "text", lambda value: isinstance(value, str) and value != "")
    _check(read, "port", "a whole number up to 65535", _is_port)
    for key in ("username", "password"):
        _check(read, key, "text", lambda value: isinstance(value, str))
    tls_phrase = '"starttls", "implicit" or None'
    _check(read, "tls", tls_phrase, lambda value: value in ("starttls", "implicit", None))
    _check(read, "verify", "a boolean or a path", lambda value: isinstance(value, bool | str))
    _check(read, "timeout", "a positive number of seconds", _is_seconds)
    if ("username" in read) != ("password" in read):
        raise DefinitionError("the mail connector needs both 'username' and 'password', or neither")
    tls = read["tls"] if "tls" in read else _usual_tls(read)
    config = {
        "MAIL_SERVER": read.get("host", "127.0.0.1"),
        "MAIL_PORT": read.get("port", {"implicit": 465, "starttls": 587}.get(tls or "", 25)),
        "MAIL_USERNAME": read.get("username"),
        "MAIL_PASSWORD": read.get("password"),
        "MAIL_USE_TLS": tls == "starttls",
        "MAIL_USE_SSL": tls == "implicit",
        "MAIL_SUPPRESS_SEND": False,
    }
    security = Security(timeout=read.get("timeout", 10), verify=read.get("verify", True))
    return SmtpTransport.of(config, security)


def _usual_tls(read: Mapping[str, Any]) -> str | None:
    """How a server is reached where nobody says: a password goes to none without TLS."""
    if read.get("port") == 465:
        return "implicit"
    return "starttls" if read.get("port") == 587 or "password" in read else None


def _make_postmark(read: Mapping[str, Any]) -> Transport:
    try:
        from .postmark import PostmarkTransport
    except ImportError as error:
        raise DefinitionError(
            f"the transport 'postmark' needs a package that is not installed ({error}); "
            "pip install 'flask-loop[postmark]'"
        ) from error
    _check(read, "timeout", "a positive number of seconds", _is_seconds)
    for key in ("url", "stream"):
        _check(read, key, "text", lambda value: isinstance(value, str))
    options = {key: value for key, value in read.items() if key != "token"}
    return PostmarkTransport(read.get("token", ""), **options)


def _check(read: Mapping[str, Any], key: str, phrase: str, fits: Callable[[Any], bool]) -> None:
    if key in read and not fits(read[key]):
        raise DefinitionError(f"the setting {key!r} of the mail connector is {phrase}")


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


_MAKES: Mapping[str, Callable[[Mapping[str, Any]], Transport]] = {
    "smtp": _make_smtp,
    "console": lambda _: ConsoleTransport(),
    "memory": lambda _: MemoryTransport(),
    "postmark": _make_postmark,
}
