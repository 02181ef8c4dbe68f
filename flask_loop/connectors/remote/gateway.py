"""Gateway: requests to the other app, who sends them, and what its refusals mean."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

from ...errors import BadRequest, Unavailable
from ..web import RETRY_AFTER, Answer, WebClient, is_header
from .limits import Limits
from .refusals import bad_request
from .settings import RemoteSettings

#: The seconds after a login in which a refusal is not taken for the end of its session.
_FRESH = 10.0
#: The seconds after a refused login in which nobody logs in again: a few wrong passwords may lock
#: the account, and each request would be one.
LOGIN_PAUSE = 10.0
_FORBIDDEN = (401, 403)
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Gateway:
    """What one data source asks of the other app.

    :param name: the connector's.
    :param settings: the data source's.
    :ivar limits: how much one request may ask.
    """

    def __init__(self, name: str, settings: RemoteSettings) -> None:
        self.name = name
        self.limits = Limits(
            page=settings.page_size, values=settings.max_values, url=settings.max_url
        )
        self._settings = settings
        self.client = WebClient(
            name,
            settings.url,
            headers=settings.headers,
            timeout=settings.timeout,
            connect_timeout=settings.connect_timeout,
            retries=settings.retries,
            pool_size=settings.pool_size,
            verify=settings.verify,
        )
        self._token = settings.token
        self._logged_in_at = 0.0
        self._refused_until = 0.0
        self._login = Lock()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        json: Any = None,
        is_safe: bool | None = None,
        may_be_forbidden: bool = False,
    ) -> Answer:
        """Ask the other app.

        :param path: what follows the data source's URL, quoted.
        :param query: what comes after ``?``, quoted.
        :param json: the body, where there is one.
        :param is_safe: whether nothing is done twice where the request is sent again.
        :param may_be_forbidden: whether the caller goes another way where we may not ask this.
        :returns: what it answered, unless that tells of the server or of the settings.
        :raises Unavailable: where no answer arrives, or one that is not to what was asked.
        """
        whole = f"{path}?{query}" if query else path
        token = self._current_token()
        answer = self._send(method, whole, json, is_safe, token)
        if answer.status == 401 and (renewed := self._renewed(token)) is not None:
            answer = self._send(method, whole, json, is_safe, renewed)
        if answer.status in _FORBIDDEN and may_be_forbidden:
            return answer
        if answer.status in (*_FORBIDDEN, 407, 429) or answer.status >= 500:
            raise self.client.refusal(answer)
        return answer

    def read(self, answer: Answer, method: str, path: str) -> Any:
        """What the body of an answer says.

        :raises BadRequest: where the other app does not understand what it was asked.
        :raises Unavailable: where it has no such model or method.
        """
        if answer.is_success:
            return answer.json()
        if answer.status == 400:
            raise bad_request(answer)
        raise self.unexpected(answer, method, path)

    def unexpected(self, answer: Answer, method: str, path: str) -> Unavailable:
        """The error of an answer that says that the other app lacks what it is asked for."""
        _log.error(
            "the %s data source at %s has no %s /%s below its url: it answers with the status %d",
            *(self.name, self.client.origin, method, path.lstrip("/"), answer.status),
        )
        return Unavailable("The data source does not have what it is asked for.")

    def learning(self, ask: Callable[[], T]) -> T:
        """Ask for something, again in another way where the other app says that it is too much."""
        while True:
            known = replace(self.limits)
            try:
                return ask()
            except BadRequest as refusal:
                if not self.limits.learn(refusal, known):
                    raise

    def ping(self) -> None:
        """Reach the other app, whatever it has at the data source's URL.

        :raises Unavailable: where it cannot be reached, or refuses this app.
        """
        self.send("GET", "")

    def close(self) -> None:
        self.client.close()

    def _send(
        self, method: str, path: str, json: Any, is_safe: bool | None, token: str | None
    ) -> Answer:
        headers: Mapping[str, str] = {}
        if token is not None and self._settings.dialect == "loopback3":
            headers = {"X-Access-Token": token}  # it takes a bearer's to be base64
        elif token is not None:
            headers = {"Authorization": f"Bearer {token}"}
        if json is None:
            return self.client.send(method, path, headers=headers, is_safe=is_safe)
        return self.client.send(method, path, json=json, headers=headers, is_safe=is_safe)

    # Logging in

    def _current_token(self) -> str | None:
        if self._token is None and self._settings.username is not None:
            return self._renewed(None)
        return self._token

    def _renewed(self, refused: str | None) -> str | None:
        """Another token than the one that was refused, or None where there is no other.

        :param refused: None where there is none yet.
        :raises Unavailable: where one has to wait longer for it than an answer may take, and where
            there is none yet as a login was refused just now.
        """
        if self._settings.username is None:
            return None
        if not self._login.acquire(timeout=self._settings.timeout):
            raise Unavailable("The data source is busy.", retry_after=RETRY_AFTER)
        try:
            if self._token == refused and not self._is_fresh():
                if (pause := self._refused_until - monotonic()) > 0:
                    if refused is not None:
                        return None
                    raise Unavailable("The data source is not available.", retry_after=ceil(pause))
                self._token = self._new_token()
                self._logged_in_at = monotonic()
            return None if self._token == refused else self._token
        finally:
            self._login.release()

    def _is_fresh(self) -> bool:
        """Whether somebody has logged in just now, who is refused for another reason, then."""
        return self._token is not None and monotonic() - self._logged_in_at < _FRESH

    def _new_token(self) -> str:
        """Log in.

        :raises Unavailable: where that is refused; the log says so.
        """
        user = str(self._settings.username)
        body = {"email" if "@" in user else "username": user, "password": self._settings.password}
        path = self._settings.login_path
        answer = self.client.send("POST", path, json=body, is_safe=True)
        if not answer.is_success:
            if answer.status < 500:
                self._refused_until = monotonic() + LOGIN_PAUSE
            self._log_login(answer)
            raise self.client.refusal(answer)
        given = answer.json()
        token = given.get("id") if isinstance(given, Mapping) else None
        if not isinstance(token, str) or not (token and is_header("Authorization", token)):
            self._log_login(answer)
            raise self.unexpected(answer, "POST", path)
        return token

    def _log_login(self, answer: Answer) -> None:
        _log.error(
            "the %s data source at %s gives no token for POST %s (status %d): where to log in is "
            "the setting 'login_path'",
            *(self.name, self.client.origin, self._settings.login_path, answer.status),
        )
