"""Audience: who may call a method, whoever calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ..methods import RemoteMethod
from .policy import AccessControl, Rules
from .scoring import AUTHENTICATED, EVERYONE, OWNER, RELATED, UNAUTHENTICATED


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may call one method.

    :ivar allowed: roles and users, each of which suffices; ``$owner`` and the like for records.
    :ivar denied: roles and users that may not call it, though others of the roles may.
    """

    allowed: tuple[str, ...]
    denied: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether it is open to people who are not logged in."""
        return not {EVERYONE, UNAUTHENTICATED}.isdisjoint(self.allowed)


#: Rules, and the method that they are about.
Ruled = tuple[Rules, RemoteMethod]


def audience_of(access: AccessControl, model: Any, method: RemoteMethod) -> Audience:
    """Who may call a method of a model, and all that it stands for."""
    ruled = [(access.rules(each, its), its) for each, its in access.chain(model, method)]
    has_scope = all("DEFAULT" in its.access_scopes for _, its in ruled)
    strangers = has_scope and _are_allowed(ruled, (EVERYONE, UNAUTHENTICATED))
    users = _are_allowed(ruled, (EVERYONE, AUTHENTICATED))
    others = list(dict.fromkeys(each for one in ruled for each in _others(*one)))

    def is_allowed(*roles: str) -> bool:
        return _are_allowed(ruled, (EVERYONE, AUTHENTICATED, *roles))

    allowed = [EVERYONE] if strangers and users else []
    if strangers != users:
        allowed.append(UNAUTHENTICATED if strangers else AUTHENTICATED)
    if not users:
        alone = [each for each in others if is_allowed(each)]
        pairs = combinations([each for each in others if each not in alone], 2)
        allowed += alone
        allowed += [f"{one} and {other}" for one, other in pairs if is_allowed(one, other)]
    denied = [each for each in others if users and not is_allowed(each)]
    return Audience(tuple(allowed), tuple(denied))


def _others(rules: Rules, method: RemoteMethod) -> Iterator[str]:
    """Those who are not just somebody or nobody that rules say something of."""
    for each in rules.entries:
        if each.principal not in _common(method):
            yield each.principal


def _common(method: RemoteMethod) -> set[str]:
    """The roles of which rules of a method say nothing more."""
    common = {EVERYONE, AUTHENTICATED, UNAUTHENTICATED}
    return common if _is_about_records(method) else common | {OWNER, RELATED}


def _are_allowed(ruled: Iterable[Ruled], principals: Iterable[str]) -> bool:
    """Whether somebody may call all methods who is this, and nobody else."""
    known = set(principals)
    return all(_is_allowed(rules, method, known) for rules, method in ruled)


def _is_allowed(rules: Rules, method: RemoteMethod, known: set[str]) -> bool:
    if not _is_about_records(method):
        known = known - {OWNER, RELATED}
    deciding = next((each for each in rules.entries if each.principal in known), None)
    return rules.default if deciding is None else deciding.allows


def _is_about_records(method: RemoteMethod) -> bool:
    """Whether a method is about records that there are, which somebody may own."""
    if method.on_instance or method.own:
        return method.is_by_id
    if method.name in ("upsert", "replace_or_create", "upsert_with_where"):
        return False
    return any(each.name == "id" or each.type in ("filter", "where") for each in method.accepts)
