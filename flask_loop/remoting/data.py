"""Dicts that hooks work on: a record as a client sent it, and an answer of several values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientData(dict[str, Any]):
    """A record's data from a client, by wire names.

    What a hook sets is the server's own: the flags that bind clients, such as ``read_only``, do not
    hold for it.

    :ivar trusted: the keys that were set after the data came.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.trusted: set[str] = set()

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.trusted.add(key)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.trusted.discard(key)

    def __ior__(self, other: Any) -> ClientData:  # type: ignore[override]
        self.update(other)
        return self

    def update(self, *given: Any, **named: Any) -> None:
        for key, value in dict(*given, **named).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        self.trusted.discard(key)
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        key, value = super().popitem()
        self.trusted.discard(key)
        return key, value

    def clear(self) -> None:
        super().clear()
        self.trusted.clear()

    def copy(self) -> ClientData:
        copied = ClientData(self)
        copied.trusted.update(self.trusted)
        return copied

    def __or__(self, other: Any) -> ClientData:  # type: ignore[override]
        both = self.copy()
        both.update(other)
        return both


def tracked(data: Any) -> Any:
    """A client's record, or a list of them, so that what hooks set in it is known."""
    if isinstance(data, list):
        return [tracked(each) for each in data]
    return ClientData(data) if isinstance(data, Mapping) else data


class NamedValues(dict[str, Any]):
    """The values that a method gives by name, which hooks may read and set as attributes too.

    Setting one that the method does not give to None changes nothing, as ``undefined`` does in
    LoopBack: a hook may take a property from whatever results there are.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the result has no {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None or name in self:
            self[name] = value
