"""What goes over the wire at a login, for the documentation of the API."""

from __future__ import annotations

from typing import Any

from ..types import Object


class Credentials(Object):
    """What a client gives to log in."""

    samples = ({"email": "ada@example.com", "password": "correct horse battery"},)

    def json_schema(self) -> dict[str, Any]:
        text = {"type": "string"}
        return {
            "type": "object",
            "properties": {
                "email": {**text, "format": "email"},
                "username": text,
                "password": {**text, "format": "password"},
                "realm": text,
                "ttl": {"type": "integer", "description": "How long it lasts, in seconds."},
            },
        }


class LoggedIn(Object):
    """What a client gets for it; the names of all LoopBacks are in it."""

    samples = (
        {
            "id": "3q2-7w…",
            "ttl": 1209600,
            "created": "2026-01-31T12:30:00.000Z",
            "userId": 1,
            "sid": "3q2-7w…",
            "uid": 1,
        },
    )

    def json_schema(self) -> dict[str, Any]:
        token = {"type": "string", "description": "The token."}
        user = {"description": "The id of the user."}
        return {
            "type": "object",
            "properties": {
                "id": token,
                "ttl": {"type": "integer", "description": "How long it lasts, in seconds."},
                "created": {"type": "string", "format": "date-time"},
                "userId": user,
                "sid": token,
                "uid": user,
                "user": {"type": "object", "description": "The user, where it was asked for."},
            },
        }
