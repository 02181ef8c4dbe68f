"""Given: the settings of a data source, as its connector reads them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Self
from urllib.parse import parse_qsl

from ..definition import nearest
from ..errors import DefinitionError
from .scanning import MAX_SCAN

#: What somebody does not know whose password tears a URL apart.
ENCODED = "what is special in a password is percent-encoded"


class Given:
    """What a data source is given, by the names of its connector's settings.

    A setting that is None is one that is not given.

    :param values: by name.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    @classmethod
    def read(
        cls,
        name: str,
        settings: Mapping[str, Any],
        known: Collection[str],
        aliases: Mapping[str, str] | None = None,
        loopback: Mapping[str, str | None] | None = None,
    ) -> Self:
        """What the settings of a data source say.

        :param name: the connector's.
        :param known: the names of the settings that there are.
        :param aliases: other names of some, such as LoopBack's.
        :param loopback: see :func:`by_name`.
        :raises DefinitionError: naming what is unknown, or given under two names.
        """
        complaint = f"the {name} connector has no setting"
        return cls(by_name(complaint, settings, known, aliases, loopback))

    def get(self, key: str, default: Any = None) -> Any:
        """A setting as it is given."""
        value = self.values.get(key)
        return default if value is None else value

    def seconds(self, key: str, default: float) -> float:
        """A setting that is a time limit.

        :raises DefinitionError: where it is none.
        """
        value = self.get(key, default)
        if not is_number(value) or not 0 < value < math.inf:
            raise DefinitionError(f"{key} is a number of seconds above 0, not {value!r}")
        return float(value)

    def whole(self, key: str, default: int, *, least: int, most: int | None = None) -> int:
        """A setting that is a whole number, or its text, as the environment has it.

        :raises DefinitionError: where it is none, too small or too great.
        """
        value = self.get(key, default)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        is_whole = is_number(value) and value == int(value)
        if not is_whole or value < least or (most is not None and value > most):
            bounds = f"from {least}" if most is None else f"from {least} to {most}"
            raise DefinitionError(f"{key} is a whole number {bounds}, not {value!r}")
        return int(value)

    def switch(self, key: str, *, default: bool) -> bool:
        """A setting that is true or false.

        :raises DefinitionError: where it is neither.
        """
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise DefinitionError(f"{key} is true or false, not {value!r}")
        return value

    def text(self, key: str) -> str | None:
        """A setting that is a text, or None where it is not given.

        :raises DefinitionError: where it is something else; it is not shown, as it may be a secret.
        """
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            raise DefinitionError(f"{key} is text, not {type(value).__name__}")
        return value

    def word(self, key: str) -> str | None:
        """A setting that is a text, or a number that stands for its digits; None without it.

        :raises DefinitionError: where it is something else; it is not shown, as it may be a secret.
        """
        value = self.get(key)
        return str(value) if is_number(value) else self.text(key)

    @property
    def max_scan(self) -> int:
        """How many records may be read for what Python has to look at."""
        return self.whole("max_scan", MAX_SCAN, least=1)


def by_name(
    complaint: str,
    given: Mapping[str, Any],
    known: Collection[str],
    aliases: Mapping[str, str] | None = None,
    loopback: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """What is given, by the names that are known.

    :param complaint: how the message of an unknown one begins.
    :param aliases: other names of some.
    :param loopback: names that LoopBack knows and we do not: what to write in their place, or None
        for those that mean nothing here and are let be. What is false asks for nothing either.
    :raises DefinitionError: naming what is unknown, or given twice.
    """
    names, theirs = aliases or {}, loopback or {}
    named: dict[str, Any] = {}
    for key, value in given.items():
        name = names.get(key, key)
        if key in theirs:
            advice = theirs[key]
            if advice is not None and value is not None and value is not False:
                raise DefinitionError(f"{complaint} {key!r}: {advice}")
            continue
        if name not in known:
            raise DefinitionError(f"{complaint} {key!r}{nearest(key, (*known, *names))}")
        if name in named:
            raise DefinitionError(f"{name!r} is given twice, once as {key!r}")
        named[name] = value
    return named


def why_not_split(error: ValueError) -> str:
    """What follows "the url is not valid": the reason, without a part of it that may be a secret.

    :param error: what :mod:`urllib.parse` says of it.
    """
    said = str(error)
    reasons = {
        "cast to integer": ": its port is not a number",
        "out of range": ": its port is not from 0 to 65535",
        "IPv6": ": its host begins with a bracket that does not end, or has no IPv6 address in it",
    }
    return next((reason for part, reason in reasons.items() if part in said), "")


def refuse_query(problem: str, query: str, known: Collection[str]) -> None:
    """Refuse what follows the ``?`` of a URL that has no use for it.

    :param problem: how the message begins: the URL's description.
    :param known: the settings that the data source has beside its URL.
    :raises DefinitionError: where there is anything; no value is shown, as it may be a secret.
    """
    if "@" in query:
        raise DefinitionError(f"{problem} has a ? before its host: {ENCODED}")
    for key, _ in parse_qsl(query, keep_blank_values=True):
        if key in known:
            raise DefinitionError(f"{problem} cannot say {key!r}: give that as a setting beside it")
        raise DefinitionError(f"{problem} has no {key!r} in its query{nearest(key, known)}")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
