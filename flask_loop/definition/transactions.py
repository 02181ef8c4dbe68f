"""TransactionOptions: what is asked of a transaction, by callers, remote methods and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DefinitionError
from .registry import nearest

#: How far a transaction may be kept from others, the strictest first.
ISOLATIONS = ("serializable", "repeatable read", "read committed")
_KEYS = {
    "isolation": "isolation",
    "isolationLevel": "isolation",
    "timeout": "timeout",
    "read_only": "read_only",
    "readOnly": "read_only",
}


@dataclass(frozen=True, slots=True)
class TransactionOptions:
    """What is asked of a transaction.

    :ivar isolation: how far it is kept from others at least: ``serializable``, ``repeatable read``
        or ``read committed``; None for the data source's own.
    :ivar timeout: the seconds after which it is ended, or None.
    :ivar read_only: whether it only reads.
    :ivar guarded: whether its caller may go on after a statement that failed.
    """

    isolation: str | None = None
    timeout: float | None = None
    read_only: bool = False
    guarded: bool = False

    @classmethod
    def of(
        cls, isolation: str | None = None, timeout: float | None = None, read_only: bool = False
    ) -> TransactionOptions:
        """What a user asks of a transaction, after whose errors they may go on.

        :raises ValueError: naming what means nothing.
        """
        if isolation is not None:
            given, isolation = isolation, str(isolation).lower().replace("_", " ")
            if isolation not in ISOLATIONS:
                raise ValueError(f"isolation is one of {', '.join(ISOLATIONS)}, not {given!r}")
        is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if timeout is not None and not (is_number and timeout > 0):
            raise ValueError(f"timeout is a number of seconds above 0, not {timeout!r}")
        if not isinstance(read_only, bool):
            raise ValueError(f"read_only is True or False, not {read_only!r}")
        return cls(isolation, timeout, read_only, guarded=True)

    @classmethod
    def written(cls, key: str, value: Any) -> TransactionOptions | None:
        """What the option ``transaction`` of a remote method or of a model says.

        :param key: what an error calls it.
        :param value: True, a dict of options; False or None for no transaction.
        :raises DefinitionError: naming what means nothing.
        """
        if value is None or value is False:
            return None
        if value is True:
            return cls.of()
        if not isinstance(value, Mapping):
            raise DefinitionError(f"{key!r} is True, False or a dict of options, not {value!r}")
        for name in value:
            if name not in _KEYS:
                raise DefinitionError(f"{key!r} has no option {name!r}{nearest(str(name), _KEYS)}")
        try:
            return cls.of(**{_KEYS[name]: each for name, each in value.items()})
        except ValueError as error:
            raise DefinitionError(f"{key!r}: {error}") from None


#: Nothing is asked of the transaction.
PLAIN = TransactionOptions()
