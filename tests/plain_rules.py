"""LoopBack 3's rules of access control, stated a second time in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def plain_answer(
    entries: Sequence[Mapping[str, Any]],
    default: str,
    names: set[str],
    access_type: str,
    is_caller: Mapping[tuple[str, str], bool],
) -> bool:
    """Whether a call about one record is allowed.

    :param is_caller: for each principal, whether the caller is it where this record is concerned.
    """
    best: tuple[Any, ...] | None = None
    for entry in entries:
        listed = entry.get("property", "*")
        listed = listed if isinstance(listed, list) else [listed]
        wanted = entry.get("accessType", "*")
        is_named = any(name in names for name in listed)
        is_same = wanted in (access_type, "EXECUTE")
        principal = entry["principalType"], entry["principalId"]
        if not (is_named or "*" in listed) or not (is_same or wanted == "*"):
            continue
        if not is_caller[principal]:
            continue
        rank = (
            "model" not in entry,  # one that is about every model counts less
            is_named and "*" not in listed,
            is_same,
            ["ROLE", "APP", "USER"].index(principal[0]),
            {
                "$everyone": 1,
                "$authenticated": 2,
                "$unauthenticated": 2,
                "$related": 3,
                "$owner": 4,
            }.get(principal[1], 5)
            if principal[0] == "ROLE"
            else 0,
            ["ALLOW", "ALARM", "AUDIT", "DENY"].index(entry["permission"]),
        )
        if best is None or rank > best:
            best = rank
    if best is None:
        return default == "ALLOW"
    return best[-1] != 3
