"""Settings of the remote connector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ...errors import DefinitionError
from ..given import Given
from ..scanning import MAX_SCAN
from ..web import is_header

#: The dialects of the wire: what the other app is.
DIALECTS = ("flask-loop", "loopback3")

#: LoopBack's spellings, and those of Flask-Loop's other connectors.
_SPELLINGS = {
    "connectTimeout": "connect_timeout",
    "loginPath": "login_path",
    "maxScan": "max_scan",
    "maxUrl": "max_url",
    "maxValues": "max_values",
    "pageSize": "page_size",
    "poolSize": "pool_size",
    "user": "username",
    "accessToken": "token",
}
#: What LoopBack's files have in the place of a URL, with what it has where they do not say it.
_PARTS = {"protocol": "http", "host": "localhost", "port": 3000, "root": ""}
#: What LoopBack's files say beside that.
_LOOPBACK = {
    **dict.fromkeys(("debug", "lazyConnect")),
    "options": "a token goes with each request by 'token', or by 'username' and 'password'",
}


@dataclass(frozen=True, slots=True, repr=False)
class RemoteSettings:
    """What the settings of a data source say; see :class:`RemoteConnector`."""

    url: str
    token: str | None = None
    username: str | None = None
    password: str | None = None
    login_path: str = "/users/login"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30
    connect_timeout: float = 10
    retries: int = 2
    pool_size: int = 10
    verify: bool | str = True
    max_scan: int = MAX_SCAN
    page_size: int = 1000
    max_values: int = 1000
    max_url: int = 4000
    dialect: str = DIALECTS[0]


def read_settings(name: str, settings: Mapping[str, Any]) -> RemoteSettings:
    """Read the settings of a data source.

    :param name: the connector's.
    :raises DefinitionError: naming what is unknown, missing or means nothing. No value that may be
        a secret is shown.
    """
    known = [*(each.name for each in fields(RemoteSettings)), *_PARTS, "adapter"]
    given = Given.read(name, settings, known, _SPELLINGS, _LOOPBACK)
    if given.get("adapter", "rest") != "rest":
        raise DefinitionError("adapter is 'rest', as there is no other one")
    given = Given({**given.values, "url": _url(name, given)})
    if given.text("url") is None:
        raise DefinitionError(
            f"the {name} connector needs the setting 'url', such as 'https://example.com/api'"
        )
    _check_credentials(name, given)
    token = given.text("token")
    if token is not None and not is_header("Authorization", token):
        raise DefinitionError("token is ASCII on one line, without a line break at its end")
    usual = RemoteSettings(given.get("url"))
    return RemoteSettings(
        url=given.get("url"),
        token=token,
        username=given.text("username"),
        password=given.text("password"),
        login_path=given.text("login_path") or usual.login_path,
        headers=_headers(given),
        timeout=given.seconds("timeout", usual.timeout),
        connect_timeout=given.seconds("connect_timeout", usual.connect_timeout),
        retries=given.whole("retries", usual.retries, least=0),
        pool_size=given.whole("pool_size", usual.pool_size, least=1),
        verify=_verify(given),
        max_scan=given.max_scan,
        page_size=given.whole("page_size", usual.page_size, least=1),
        max_values=given.whole("max_values", usual.max_values, least=1),
        max_url=given.whole("max_url", usual.max_url, least=500),
        dialect=_dialect(given),
    )


def _url(name: str, given: Given) -> Any:
    """Where the other app is, by a URL or by the parts that LoopBack's files have."""
    parts = {key: given.get(key) for key in _PARTS if given.get(key) is not None}
    url = given.get("url")
    if not parts:
        return url
    if url is not None:
        raise DefinitionError(
            f"of the {name} data source, {next(iter(parts))!r} means nothing beside its 'url'"
        )
    if parts.get("protocol", "http") not in ("http", "https"):
        raise DefinitionError("protocol is 'http' or 'https'")
    said = {**_PARTS, **parts, "port": given.whole("port", 3000, least=1, most=65_535)}
    return f"{said['protocol']}://{said['host']}:{said['port']}/{str(said['root']).strip('/')}"


def _check_credentials(name: str, given: Given) -> None:
    has_user, has_password = (given.get(key) is not None for key in ("username", "password"))
    if has_user != has_password:
        raise DefinitionError(f"the {name} connector takes 'username' and 'password' together")
    if has_user and given.get("token") is not None:
        raise DefinitionError(
            f"the {name} connector takes a 'token', or a 'username' with a 'password', not both"
        )


def _headers(given: Given) -> Mapping[str, str]:
    headers = given.get("headers", {})
    if not isinstance(headers, Mapping) or not all(
        isinstance(key, str) and isinstance(text, str) for key, text in headers.items()
    ):
        raise DefinitionError("headers is a dict of texts")
    return headers


def _verify(given: Given) -> bool | str:
    verify = given.get("verify", True)
    if not isinstance(verify, bool | str) or verify == "":
        raise DefinitionError(f"verify is True, False, or the path of certificates, not {verify!r}")
    return verify


def _dialect(given: Given) -> str:
    dialect: str = given.get("dialect", DIALECTS[0])
    if dialect not in DIALECTS:
        raise DefinitionError(f"dialect is one of {', '.join(DIALECTS)}, not {dialect!r}")
    return dialect
