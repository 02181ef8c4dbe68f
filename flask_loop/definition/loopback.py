"""What LoopBack's definitions write otherwise: names of backends, forms of indexes, lost keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Backends by other names of their connectors; options of models and properties have either.
BACKENDS: Mapping[str, str] = {
    "couchdb2": "couchdb",
    "kv-memory": "memory",
    "kv-redis": "redis",
    "mariadb": "mysql",
    "postgres": "postgresql",
}

#: What the ``index`` of a GeoPoint may be called: the kinds that MongoDB has.
GEO_INDEXES = frozenset({"2d", "2dsphere"})

#: Keys of models that ask LoopBack for what always is here: null where there is no value, and texts
#: that are texts whatever they look like.
AS_IT_IS = frozenset({"persistUndefinedAsNull", "strictObjectIDCoercion"})

#: Keys of models that mean something in LoopBack, and what does it here.
INSTEAD: Mapping[str, str] = {
    "allowExtendedOperators": (
        "what is written are values, never operators of MongoDB; leave it out"
    ),
    "caseSensitiveEmail": "an address is one in any case; leave it out",
    "mixins": "a base of the model's has what it would add",
}
OBJECT_ID = (
    'a key that MongoDB makes is written {"type": "string", "mongodb": {"dataType": "ObjectID"}}'
)


def asks_for_unique(index: Any) -> bool:
    """Whether an index is unique, of a property or of several.

    LoopBack's connectors have ``{"unique": true}``, ``{"kind": "unique"}``, either of them under
    the name of a backend, and ``{"options": {"unique": true}}``.
    """
    if not isinstance(index, Mapping):
        return False
    if index.get("unique") or str(index.get("kind")).lower() == "unique":
        return True
    return any(asks_for_unique(each) for key, each in index.items() if key != "keys")
