"""Email addresses of users, which are one whatever their case."""

from __future__ import annotations

import string
from typing import Any

from marshmallow import ValidationError as SchemaError
from marshmallow.validate import Email

from ..types import PropertyType, String

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_is_email = Email()


def normal_address(address: str) -> str:
    """An address as records hold it: in lower case as far as ASCII goes."""
    return address.translate(_LOWER)


def is_address(value: str) -> bool:
    """Whether a text is an email address, and nothing else besides."""
    if not value.isprintable():
        return False
    try:
        _is_email(value)
    except SchemaError:
        return False
    return True


class AddressText(String):
    """An email address. It is taken in any case, in records and in filters."""

    @property
    def stored_as(self) -> type[PropertyType]:
        return String

    def load(self, value: Any, *, text: bool = True) -> str:
        return normal_address(super().load(value, text=text))

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "email"}
