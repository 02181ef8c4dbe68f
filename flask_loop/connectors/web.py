"""WebClient: HTTP for the connectors whose backends are reached by it.

It keeps connections for the next request, does again what may be done again, gives up what takes
too long, and turns what does not arrive into :class:`~flask_loop.errors.Unavailable`.
"""

from __future__ import annotations

import logging
import os
import re
from base64 import b64encode
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.util import find_spec
from random import uniform
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, unquote, urlencode, urlsplit
from weakref import WeakSet, finalize

import orjson

from ..errors import DefinitionError, Unavailable
from .patience import Patience
from .pooling import Asking, Pool, tls_of
from .unpacking import NotPacked, unpacked

if TYPE_CHECKING:
    import httpx

# It is imported where it is first used, and missed where a connector is.
if find_spec("httpx") is None:
    raise ModuleNotFoundError("No module named 'httpx'", name="httpx")

__all__ = [
    "MAX_ANSWER",
    "RETRY_AFTER",
    "Answer",
    "BadAnswer",
    "TooLarge",
    "WebClient",
    "is_header",
    "is_way",
    "path_of",
]

#: The seconds after which a server that is not available may be asked again.
RETRY_AFTER = 5
#: The most bytes that an answer may have, where nothing else is said.
MAX_ANSWER = 100_000_000
#: The seconds before the first repetition; each further one waits twice as long.
BACKOFF = 0.1
#: The most seconds that a repetition waits; a server that asks for more is not asked again.
MAX_WAIT = 5.0

#: What comes after ``?``: a value that is None is left out, a list is one pair for each.
Params: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_BUSY = frozenset({429, 502, 503, 504})
#: Those of them that who stands before a server says: it may have done what it was asked.
_MAYBE_DONE = frozenset({502, 504})
_NOTHING: Any = object()
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
_log = logging.getLogger(__name__)


class BadAnswer(Unavailable):
    """A server answers, but with nothing that could be used."""

    error_code = "BAD_ANSWER"


class TooLarge(BadAnswer):
    """An answer has more bytes than it may have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    :ivar status: 200 to 599.
    :ivar headers: by their names, in any case.
    :ivar content: the body.
    :ivar is_second: whether the request was sent before, and may have been done then, so that this
        answer is to the second time.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    is_second: bool = False

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> float | None:
        """The seconds after which the server wants to be asked again, where it says so."""
        given = self.headers.get("retry-after", "").strip()
        if given.isascii() and given.isdigit():
            return float(given[:9])
        with suppress(ValueError, TypeError, OverflowError):
            at = parsedate_to_datetime(given)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            return max(0.0, (at - datetime.now(UTC)).total_seconds())
        return None

    def json(self) -> Any:
        """The body as Python has it.

        :raises BadAnswer: where it is no JSON.
        """
        try:
            return orjson.loads(self.content.removeprefix(BOM_UTF8))
        except orjson.JSONDecodeError:
            raise BadAnswer("The data source answered with what is no JSON.") from None


class WebClient:
    """What one data source asks of one server, or of several; used by several threads.

    Nothing is opened before the first request. A process that was forked opens connections of its
    own. Cookies are not kept, and redirects not followed.

    :param name: of the connector, for messages.
    :param base_url: what relative paths are relative to: ``http`` or ``https``. A user and a
        password in it are the credentials where ``auth`` says none.
    :param auth: a user and a password, or a bearer token. They and ``headers`` go only to the
        scheme, host and port of ``base_url``.
    :param headers: that each request has.
    :param timeout: the seconds that an answer may take, the whole of it.
    :param connect_timeout: the seconds that a new connection may take.
    :param retries: how many times more a request is sent that may be sent again.
    :param pool_size: how many connections there may be at once; who needs one more waits for it.
    :param verify: whether certificates are checked, or the file or directory with those that are
        trusted.
    :param max_answer: the most bytes that an answer may have.
    :raises DefinitionError: where ``base_url``, a header or ``verify`` is none.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        auth: tuple[str, str] | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30,
        connect_timeout: float = 10,
        retries: int = 2,
        pool_size: int = 10,
        verify: bool | str = True,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        self.name = name
        self.base_url, in_url = _checked(name, base_url)
        scheme, host, port = self._own = _origin(self.base_url)
        #: Where the server is, for messages.
        self.origin = f"{scheme}://{host}:{port}"
        self._headers = _checked_headers(name, headers or {}, in_url if auth is None else auth)
        self._timeout, self._connect_timeout = timeout, connect_timeout
        self._retries, self._pool_size = retries, pool_size
        self._verify, self._max_answer = verify, max_answer
        if isinstance(verify, str):
            try:
                tls_of(verify)
            except OSError:
                raise DefinitionError(
                    f"verify of the {name} data source is a file or directory with certificates, "
                    f"not {verify!r}"
                ) from None
        self._opened: list[Pool] = []
        self._lock = Lock()
        finalize(self, _let_go, self._opened)
        _clients.add(self)

    def __repr__(self) -> str:
        return f"<WebClient {self.origin}>"

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = _NOTHING,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_safe: bool | None = None,
    ) -> Answer:
        """Ask the server.

        :param path: what follows ``base_url``, or a whole URL; quoted, see :func:`path_of`.
        :param params: what comes after ``?``, not quoted.
        :param json: what the body says, as JSON.
        :param content: the body, where it is not JSON.
        :param is_safe: whether nothing is done twice where the request is sent again; the method
            says so where this does not: all but POST and PATCH are.
        :returns: what it answered, whatever the status. One that says that the server is busy
            comes only after the repetitions.
        :raises Unavailable: where no answer arrives.
        """
        method = method.upper()
        url = self._url(path, params)
        sent = self._headers if _origin(url) == self._own else {}
        sent = _joined(sent, headers or {})
        body = content
        if json is not _NOTHING:
            body = orjson.dumps(json)
            sent = _joined({"Content-Type": "application/json"}, sent)
        safe = method in _SAFE if is_safe is None else is_safe
        attempt, is_second = 0, False
        while True:
            is_last = attempt == self._retries
            wait = uniform(0.5, 1) * min(MAX_WAIT, BACKOFF * 2**attempt)  # noqa: S311 - jitter
            try:
                answer = self._ask(method, url, sent, body)
            except _Lost as lost:
                if is_last or not (safe or not lost.was_sent):
                    raise self._lost(lost) from lost.__cause__
                is_second = is_second or lost.was_sent
            else:
                wait = max(wait, answer.retry_after or 0)
                if is_last or not safe or answer.status not in _BUSY or wait > MAX_WAIT:
                    return replace(answer, is_second=True) if is_second else answer
                is_second = is_second or answer.status in _MAYBE_DONE
            sleep(wait)
            attempt += 1

    def refusal(self, answer: Answer, asked: str | None = None) -> Unavailable:
        """The error of an answer that tells of the server, and not of what was asked.

        The log says what the answer was; clients do not need to know.

        :param asked: what was asked for, without any value, for the log.
        """
        if answer.status in (401, 403, 407):
            _log.error(
                "the %s data source at %s refuses the credentials (%d)",
                *(self.name, self.origin, answer.status),
            )
            return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)
        _log.warning(
            "the %s data source at %s answers with the status %d%s",
            *(self.name, self.origin, answer.status, f" to {asked}" if asked else ""),
        )
        if answer.status in _BUSY:
            wait = RETRY_AFTER if answer.retry_after is None else max(1, int(answer.retry_after))
            return Unavailable("The data source is busy.", retry_after=wait)
        return BadAnswer("The data source answered with an error.")

    def close(self) -> None:
        """Let go of the connections; those in use when they are done."""
        with self._lock:
            pools = self._opened[:]
            self._opened.clear()
        for pool in pools:
            pool.leave()

    def forget_parent(self) -> None:
        """In a forked child: leave the parent's connections open and unused."""
        _OF_PARENT.extend(self._opened)
        self._opened.clear()
        self._lock = Lock()

    def _url(self, path: str, params: Params | None) -> str:
        url = path
        if not path.lower().startswith(("http://", "https://")):
            url = f"{self.base_url}/{path.lstrip('/')}" if path else self.base_url
        query = _query(params or ())
        if not query:
            return url
        return f"{url}{'&' if '?' in url else '?'}{query}"

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """Send a request once.

        :raises _Lost: where there is no answer.
        """
        import httpx

        try:
            with (
                self._pool().one(self._timeout) as asking,
                asking.stream(method, url, headers, body) as response,
            ):
                _log.debug("%s %s: %d", method, url.partition("?")[0], response.status_code)
                content = self._read(response, asking.patience)
                return Answer(response.status_code, response.headers, content)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _Lost(_reason(error), was_sent=False) from error
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            # Its text is not shown, as it may have a header's value.
            raise ValueError(f"the request cannot be sent ({type(error).__name__})") from None
        except (httpx.RequestError, TimeoutError) as error:
            raise _Lost(_reason(error)) from error

    def _read(self, response: httpx.Response, patience: Patience) -> bytes:
        read = bytearray()
        encoding = response.headers.get("content-encoding", "")
        try:
            for part in unpacked(response.iter_raw(), encoding):
                read += part
                if len(read) > self._max_answer:
                    _log.warning("an answer of %s is too large", self.origin)
                    raise TooLarge("The data source answered with too much at once.")
                if patience.is_over:
                    raise TimeoutError("the answer comes too slowly")
        except NotPacked as problem:
            _log.warning("an answer of %s cannot be unpacked: %s", self.origin, problem)
            raise BadAnswer("The data source answered with what cannot be unpacked.") from None
        return bytes(read)

    def _lost(self, lost: _Lost) -> Unavailable:
        _log.warning(
            "the %s data source at %s is not available: %s", self.name, self.origin, lost.reason
        )
        return Unavailable("The data source is not available.", retry_after=RETRY_AFTER)

    def _pool(self) -> Pool:
        """The connections of this process."""
        with self._lock:
            if not self._opened:
                # Nothing that the pool holds may hold us: it is closed when we are gone.
                options = (self._timeout, self._connect_timeout, self._verify)
                self._opened.append(Pool(partial(Asking, *options), self._pool_size))
            return self._opened[0]


def path_of(*segments: Any) -> str:
    """A path that has each of these between its slashes, whatever they are made of.

    :raises ValueError: where one is empty, as the path would be another then.
    """
    return "/".join(map(_segment, segments))


def is_way(text: str) -> bool:
    """Whether a part of a path has ``.`` or ``..`` between its slashes, or is one.

    Some servers, and some before them, take that for another place even when it is quoted.
    """
    return any(each in (".", "..") for each in re.split(r"[/\\]", text))


def _segment(value: Any) -> str:
    text = quote(str(value), safe="")
    if not text:
        raise ValueError("a part of a path is empty")
    # What is only dots means another place, unless they are escaped.
    return text.replace(".", "%2E") if text in (".", "..") else text


class _Lost(Exception):
    """No answer came.

    :ivar reason: why, without anything of the request.
    :ivar was_sent: whether the server may have got the request.
    """

    def __init__(self, reason: str, *, was_sent: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.was_sent = reason, was_sent


def _checked(name: str, url: Any) -> tuple[str, tuple[str, str] | None]:
    """A URL without its credentials, and these.

    :raises DefinitionError: where it is none; its text is not shown, as it may have a password.
    """
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        is_one = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
        if parts is None or not is_one or parts.query or parts.fragment or _is_odd(url):
            raise ValueError
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        raise DefinitionError(
            f"the URL of the {name} data source begins with http:// or https:// and a host, and "
            "has neither query nor fragment"
        ) from None
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    auth = None
    if parts.username is not None:
        auth = unquote(parts.username), unquote(parts.password or "")
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}", auth


def _is_odd(text: str) -> bool:
    return any(each.isspace() or not each.isprintable() or each == "\\" for each in text)


def _checked_headers(
    name: str, headers: Mapping[str, str], auth: tuple[str, str] | str | None
) -> dict[str, str]:
    """The headers of each request, with the credentials.

    :raises DefinitionError: naming what is none, without its value.
    """
    checked = dict(headers)
    if isinstance(auth, str):
        checked = _joined(checked, {"Authorization": f"Bearer {auth}"})
    elif auth is not None:
        pair = b64encode(":".join(auth).encode()).decode()
        checked = _joined(checked, {"Authorization": f"Basic {pair}"})
    for key, value in checked.items():
        if not is_header(key, value):
            raise DefinitionError(f"the header {key!r} of the {name} data source is not valid")
    return checked


def _joined(headers: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Headers, with others in the place of those whose names differ in case at most."""
    if not others:
        return dict(headers)
    names = {name.lower() for name in others}
    kept = {name: value for name, value in headers.items() if name.lower() not in names}
    return {**kept, **others}


def is_header(name: Any, value: Any) -> bool:
    """Whether a name and a value can be a header: printable ASCII on one line."""
    texts = isinstance(name, str) and isinstance(value, str)
    return texts and bool(_HEADER_NAME.fullmatch(name)) and bool(_HEADER_VALUE.fullmatch(value))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """What credentials belong to: scheme, host and port."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _query(params: Params) -> str:
    pairs = params.items() if isinstance(params, Mapping) else params
    return urlencode([(key, text) for key, value in pairs for text in _texts(value)])


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)]


def _reason(error: Exception) -> str:
    """What went wrong; the texts of these errors have nothing of a request in them."""
    return f"{type(error).__name__} {error}".strip()


def _let_go(opened: list[Pool]) -> None:
    """Close the connections of a client that is gone."""
    with suppress(Exception):
        while opened:
            opened.pop().leave()


_clients: WeakSet[WebClient] = WeakSet()
#: The connections of the process that this one was forked from: to close them is not its right.
_OF_PARENT: list[Pool] = []


def _forget_parent() -> None:
    for client in list(_clients):
        client.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
