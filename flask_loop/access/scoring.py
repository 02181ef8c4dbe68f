"""Scoring: of the entries that are about a call, which one decides it.

The order is LoopBack 3's. What an entry says of the model counts more than what it says of the
method, that more than the access type, that more than whom it is about, and that more than what it
permits: of two that are alike in all else, the one that denies wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..definition.entries import ALL, APP, ROLE, AccessEntry
from ..query import EVERYTHING, NOTHING, Not, Or, Where, both
from ..remoting.access import Decision

EVERYONE, OWNER, RELATED = "$everyone", "$owner", "$related"
AUTHENTICATED, UNAUTHENTICATED = "$authenticated", "$unauthenticated"
#: The roles that nobody is given: what a call is decides who has them.
DYNAMIC_ROLES = (EVERYONE, AUTHENTICATED, UNAUTHENTICATED, OWNER, RELATED)

_EXACT, _WILD = 3, 2
_ROLE_WEIGHTS = {EVERYONE: 1, AUTHENTICATED: 2, UNAUTHENTICATED: 2, RELATED: 3, OWNER: 4}
_OF_A_ROLE_OF_ONES_OWN = 5
_OF_USERS = 4
_PRINCIPAL_WEIGHTS = {APP: 3, ROLE: 2}
_PERMISSION_WEIGHTS = {"ALLOW": 0, "ALARM": 1, "AUDIT": 2, "DENY": 3}


@dataclass(frozen=True, slots=True)
class Call:
    """What entries are compared with.

    :ivar names: the names of the method that entries may mean.
    :ivar access_type: ``READ``, ``WRITE`` or ``EXECUTE``.
    """

    names: frozenset[str]
    access_type: str

    def of_method(self, entry: AccessEntry) -> AccessEntry:
        """An entry that the method itself has, which is about it alone."""
        return replace(entry, properties=tuple(self.names))


def score(entry: AccessEntry, call: Call) -> int:
    """How well an entry fits a call; -1 where it is about other calls."""
    method = _method_digit(entry, call)
    access_type = _access_type_digit(entry, call)
    if method is None or access_type is None:
        return -1
    number = _WILD if entry.is_everywhere else _EXACT
    number = number * 4 + method
    number = number * 4 + access_type
    number = number * 4 + _PRINCIPAL_WEIGHTS.get(entry.principal_type, _OF_USERS)
    number = number * 8 + _role_weight(entry)
    return number * 4 + _PERMISSION_WEIGHTS[entry.permission]


def _method_digit(entry: AccessEntry, call: Call) -> int | None:
    if not entry.properties:
        return _WILD
    return None if call.names.isdisjoint(entry.properties) else _EXACT


def _access_type_digit(entry: AccessEntry, call: Call) -> int | None:
    if entry.access_type in (call.access_type, "EXECUTE"):
        return _EXACT
    return _WILD if entry.access_type == ALL else None


def _role_weight(entry: AccessEntry) -> int:
    if entry.principal_type != ROLE:
        return 0
    return _ROLE_WEIGHTS.get(entry.principal_id, _OF_A_ROLE_OF_ONES_OWN)


def ranked(entries: Iterable[AccessEntry], call: Call) -> tuple[AccessEntry, ...]:
    """The entries that are about a call, the one that counts most first."""
    scored = ((score(entry, call), entry) for entry in entries)
    matching = [each for each in scored if each[0] >= 0]
    return tuple(entry for _, entry in sorted(matching, key=lambda each: -each[0]))


#: An entry, and the records for which it is about the caller.
Held = tuple[AccessEntry, Where]


def held_by(
    entries: Iterable[AccessEntry], holds: Callable[[AccessEntry], Where]
) -> Iterator[Held]:
    """The entries that have a say in a call, in their order.

    The first that holds decides, and those behind it have none. One that holds for some records
    decides about these, and leaves the others to those behind it that are about somebody else.

    :param entries: as :func:`ranked` gives them.
    :param holds: the records for which an entry is about the caller.
    """
    decided: set[tuple[str, str]] = set()
    for entry in entries:
        principal = entry.principal_type, entry.principal_id
        if principal in decided:
            continue
        where = holds(entry)
        if where != NOTHING:
            decided.add(principal)
            yield entry, where
        if where == EVERYTHING:
            return


def resolve(held: Sequence[Held], default: bool) -> Decision:
    """Decide a call.

    :param held: as :func:`held_by` gives them.
    :param default: whether the call is allowed where none holds.
    """
    allowed: Where = EVERYTHING if default else NOTHING
    on_none = default
    for entry, where in reversed(held):
        if where == EVERYTHING:
            on_none = entry.allows
            allowed = EVERYTHING if on_none else NOTHING
        else:
            allowed = either(where, allowed) if entry.allows else but_not(allowed, where)
    return Decision(allowed, on_none)


def either(first: Where, second: Where) -> Where:
    """The where that holds where one of two does."""
    if EVERYTHING in (first, second):
        return EVERYTHING
    items = tuple(
        item
        for each in (first, second)
        for item in (each.items if isinstance(each, Or) else (each,))
    )
    return items[0] if len(items) == 1 else Or(items)


def also(first: Where, second: Where) -> Where:
    """The where that holds where both of two do."""
    return NOTHING if NOTHING in (first, second) else both(first, second)


def but_not(where: Where, other: Where) -> Where:
    """The where that holds where one does and another does not."""
    return also(where, NOTHING if other == EVERYTHING else Not(other))
