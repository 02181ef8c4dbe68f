"""Entries of access control: who may call what, as models, methods and records say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from ..errors import DefinitionError
from .naming import wire_name
from .registry import nearest

#: What stands for every method, every access type, or every model.
ALL: Final = "*"
USER, APP, ROLE = "USER", "APP", "ROLE"
ACCESS_TYPES = ("READ", "WRITE", "EXECUTE")
#: What an entry says of a call; but for DENY all of them allow it.
PERMISSIONS = ("ALLOW", "ALARM", "AUDIT", "DENY")

_KEYS = {
    "principal_type": "principal_type",
    "principalType": "principal_type",
    "principal_id": "principal_id",
    "principalId": "principal_id",
    "access_type": "access_type",
    "accessType": "access_type",
    "permission": "permission",
    "property": "property",
    "properties": "property",
}
_CONSTANTS = {"role": ROLE, "app": APP, "application": APP}


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """What is said of the calls that somebody makes.

    :ivar principal_type: ``USER``, ``ROLE``, ``APP`` or the name of a model of users.
    :ivar principal_id: the name of a role, or the text of somebody's id.
    :ivar permission: one of :data:`PERMISSIONS`.
    :ivar access_type: ``READ``, ``WRITE`` or ``EXECUTE``, or :data:`ALL`.
    :ivar properties: the wire names of the methods that it is about; none where it is about all.
    :ivar is_everywhere: whether it is about every model.
    :ivar place: where it was written.
    """

    principal_type: str
    principal_id: str
    permission: str
    access_type: str = ALL
    properties: tuple[str, ...] = ()
    is_everywhere: bool = False
    place: str = ""

    @property
    def allows(self) -> bool:
        return self.permission != "DENY"

    @property
    def principal(self) -> str:
        """Who it is about, in short: a role's name, or a type with an id."""
        if self.principal_type == ROLE:
            return self.principal_id
        return f"{self.principal_type} {self.principal_id}"

    @classmethod
    def read(
        cls, given: Mapping[str, Any], place: str, *, is_everywhere: bool = False
    ) -> AccessEntry:
        """Read one entry.

        :param given: a dict in LoopBack's or Python's spelling.
        :param place: where it stands, for errors.
        :param is_everywhere: whether it is about every model.
        :raises DefinitionError: naming the place and what there means nothing.
        """
        try:
            named = _by_names(given)
            principal_id = _principal_id(named.get("principal_id"))
            return cls(
                principal_type=_principal_type(named.get("principal_type"), principal_id),
                principal_id=principal_id,
                permission=_one_of("permission", PERMISSIONS, named.get("permission")),
                access_type=_one_of(
                    "accessType", (*ACCESS_TYPES, ALL), _or_all(named.get("access_type"))
                ),
                properties=_properties(_or_all(named.get("property"))),
                is_everywhere=is_everywhere,
                place=place,
            )
        except DefinitionError as error:
            raise DefinitionError(f"{place}: {error}") from None


def read_entries(given: Sequence[Mapping[str, Any]], place: str) -> tuple[AccessEntry, ...]:
    """Read the entries of a model, or of a method.

    :param place: where the list stands, for errors.
    :raises DefinitionError: naming the place of one that means nothing.
    """
    return tuple(AccessEntry.read(each, f"{place}[{index}]") for index, each in enumerate(given))


def names_in_entries(names: Iterable[str]) -> frozenset[str]:
    """The names by which entries mean a method, of its names on the wire."""
    return frozenset(each for name in names for each in (name, name.removeprefix("prototype.")))


def _by_names(given: Mapping[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for key, value in given.items():
        if key not in _KEYS:
            raise DefinitionError(f"there is no key {key!r}{nearest(str(key), _KEYS)}")
        if _KEYS[key] in named:
            raise DefinitionError(f"{_KEYS[key]!r} is given twice")
        named[_KEYS[key]] = value
    return named


def _or_all(value: Any) -> Any:
    return ALL if value is None else value


def _one_of(key: str, known: Sequence[str], value: Any) -> str:
    if isinstance(value, str) and value.upper() in known:
        return value.upper()
    hint = nearest(value, known) if isinstance(value, str) else ""
    raise DefinitionError(f"{key!r} is one of {', '.join(known)}, not {value!r}{hint}")


def _principal_id(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int | UUID) and not isinstance(value, bool):
        return str(value)
    raise DefinitionError(f"'principalId' is a role's name or somebody's id, not {value!r}")


def _principal_type(value: Any, principal_id: str) -> str:
    if value is None and principal_id.startswith("$"):
        return ROLE
    if not isinstance(value, str) or not value.strip():
        raise DefinitionError(
            f"'principalType' is USER, ROLE, APP or the name of a model of users, not {value!r}"
        )
    meant = _CONSTANTS.get(value.lower(), value)
    if meant != value and not value.isupper():  # or it would be the name of a model
        raise DefinitionError(f"'principalType' is {meant!r}, not {value!r}")
    return meant


def _properties(value: Any) -> tuple[str, ...]:
    """The methods that an entry names; none where it is about all of them."""
    listed = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    for each in listed:
        if not isinstance(each, str) or not each.strip():
            raise DefinitionError(f"'property' is a method's name, a list of such or '*': {each!r}")
    if not listed:
        raise DefinitionError("'property' is a list of no methods; leave it out to mean all")
    if ALL in listed:
        return ()
    return tuple(dict.fromkeys(".".join(map(wire_name, each.split("."))) for each in listed))
