"""Names of fields: any key that a record has, as MongoDB takes it.

MongoDB reads a dot in a key as a step into it, a dollar at its start as an operator, and has no
path for an empty one. Such keys are written with a per cent sign, and so is that sign itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

_SPECIAL = re.compile(r"\A\$|[%.]")
_WRITTEN = re.compile(r"%(2[45E])")
#: An empty key.
_EMPTY = "%"
#: Stands before a key that is the name of something else.
_OTHER = "%~"


@lru_cache(maxsize=4096)
def field_name(key: str) -> str:
    """The name of the field that has a key's value."""
    if not key:
        return _EMPTY
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", key)


@lru_cache(maxsize=4096)
def key_of(name: str) -> str:
    """The key whose value a field has."""
    if "%" not in name:
        return name
    if name == _EMPTY:
        return ""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), name)


def undeclared_name(key: str, taken: Collection[str]) -> str:
    """The name of the field of an undeclared key, beside the fields of the properties."""
    name = field_name(key)
    return _OTHER + name if name in taken else name


def undeclared_key(name: str) -> str:
    """The undeclared key whose value a field has."""
    return key_of(name.removeprefix(_OTHER))
