"""Marshmallow fields of an app's own."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields


class Plate(fields.Field[str]):
    """A field which takes texts that begin with P, and has a mistake in it."""

    def _deserialize(self, value: Any, *arguments: Any, **named: Any) -> str:
        if value == "broken":
            raise KeyError(value)
        if not str(value).startswith("P"):
            raise ValidationError("is no plate")
        return str(value)
