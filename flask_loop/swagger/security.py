"""How callers say who they are: the tokens that an app takes, and which methods ask for one."""

from __future__ import annotations

from typing import Any

from ..access.audience import audience_of
from ..methods import RemoteMethod
from ..state import State

_BEARER = "accessToken"
_HEADER = "accessTokenHeader"
_QUERY = "accessTokenQuery"


class Security:
    """The security of one document.

    :param state: the app's part of Flask-Loop.
    """

    def __init__(self, state: State) -> None:
        self._guard = state.guard
        self._has_users = bool(state.users)
        self._takes_query = state.settings.token_in_query

    def schemes(self) -> dict[str, dict[str, Any]]:
        """The ways to send a token, by name; none where the app has no users."""
        if not self._has_users:
            return {}
        said = "The id of a session, as a login answers it."
        schemes: dict[str, dict[str, Any]] = {
            _BEARER: {"type": "http", "scheme": "bearer", "description": said},
            _HEADER: {
                "type": "apiKey",
                "in": "header",
                "name": "X-Access-Token",
                "description": said,
            },
        }
        if self._takes_query:
            name = "access_token"
            schemes[_QUERY] = {"type": "apiKey", "in": "query", "name": name, "description": said}
        return schemes

    def is_guarded(self, model: Any, method: RemoteMethod) -> bool:
        """Whether some callers may be refused."""
        if self._guard is None:
            return False
        return any(self._guard.guards(*each) for each in self._guard.chain(model, method))

    def of(self, model: Any, method: RemoteMethod) -> list[dict[str, list[str]]]:
        """What a method asks for: one of these; an empty one is for callers without a token."""
        schemes: list[dict[str, list[str]]] = [{name: []} for name in self.schemes()]
        if not (schemes and self.is_guarded(model, method)):
            return []
        is_open = audience_of(self._guard, model, method).is_open
        return [{}, *schemes] if is_open else schemes
