"""Audience: who may call a method, whoever calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..methods import RemoteMethod
from .policy import Rules
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


def audience_of(rules: Rules, method: RemoteMethod) -> Audience:
    """Who may call the method that rules are about."""
    strangers = _is_allowed(rules, (EVERYONE, UNAUTHENTICATED))
    users = _is_allowed(rules, (EVERYONE, AUTHENTICATED))
    principals = dict.fromkeys(each.principal for each in rules.entries)
    common = {EVERYONE, AUTHENTICATED, UNAUTHENTICATED}
    if not _is_about_records(method):
        common |= {OWNER, RELATED}
    others = [each for each in principals if each not in common]
    by_allowed = {each: _is_allowed(rules, (EVERYONE, AUTHENTICATED, each)) for each in others}
    allowed = [EVERYONE] if strangers and users else []
    if strangers != users:
        allowed.append(UNAUTHENTICATED if strangers else AUTHENTICATED)
    if not users:
        allowed += [each for each in others if by_allowed[each]]
    denied = [each for each in others if users and not by_allowed[each]]
    return Audience(tuple(allowed), tuple(denied))


def _is_allowed(rules: Rules, principals: Iterable[str]) -> bool:
    """Whether somebody may call it who is this, and nobody else."""
    known = set(principals)
    deciding = next((each for each in rules.entries if each.principal in known), None)
    return rules.default if deciding is None else deciding.allows


def _is_about_records(method: RemoteMethod) -> bool:
    """Whether a method is about records that there are, which somebody may own."""
    if method.on_instance or method.own:
        return method.is_by_id
    if method.name in ("upsert", "replace_or_create", "upsert_with_where"):
        return False
    return any(each.name == "id" or each.type in ("filter", "where") for each in method.accepts)
