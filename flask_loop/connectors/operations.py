"""The operations that a connector without records does not have."""

from __future__ import annotations

#: All operations on records, by wire name.
ON_RECORDS: frozenset[str] = frozenset(
    {
        "all",
        "count",
        "create",
        "delete",
        "deleteAll",
        "deleteById",
        "destroy",
        "destroyAll",
        "exists",
        "find",
        "findById",
        "findByIds",
        "findOne",
        "findOrCreate",
        "include",
        "patchAttributes",
        "relationNameFor",
        "reload",
        "replaceAttributes",
        "replaceById",
        "replaceOrCreate",
        "save",
        "updateAll",
        "updateAttribute",
        "updateAttributes",
        "updateOrCreate",
        "upsert",
        "upsertWithWhere",
    }
)
