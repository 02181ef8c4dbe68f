"""What may be written of a relation: in class bodies, by class methods, in LoopBack's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..errors import DefinitionError
from .property import MISSING
from .registry import nearest
from .relation import (
    BELONGS_TO,
    EMBEDS_MANY,
    EMBEDS_ONE,
    HAS_AND_BELONGS_TO_MANY,
    HAS_MANY,
    HAS_ONE,
    REFERENCES_MANY,
    RelationOptions,
)


class RelationSpec(dict[str, Any]):
    """What :func:`relation` was given, until the model is defined."""


def relation(
    *,
    through: Any = None,
    foreign_key: str | Sequence[str] | None = None,
    primary_key: str | Sequence[str] | None = None,
    key_through: str | Sequence[str] | None = None,
    polymorphic: bool | str | None = None,
    discriminator: str | None = None,
    scope: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    property: str | None = None,
    on_delete: str | None = None,
    constraint: bool = False,
    required: bool = False,
    nested: bool = False,
    nest_remoting: bool = False,
    disable_include: bool = False,
    http_path: str | None = None,
    description: str | None = None,
) -> Any:
    """Describe a relation in a class body, where its annotation does not say it all.

    :param through: the model whose records link both, or its name.
    :param foreign_key: the property that holds the key, or several: of ``BelongsTo`` an own one,
        else one of the other model, or of the model that it goes through.
    :param primary_key: the property that the key equals, or several; the id where not given.
    :param key_through: the property of the model that it goes through with the other model's key.
    :param polymorphic: the name that both properties of the key begin with, or True for the
        relation's own name: ``imageable_id`` and ``imageable_type``.
    :param discriminator: the property with the model's name, where it is called otherwise.
    :param scope: a filter that the related records match.
    :param properties: values that records get that are created through the relation.
    :param property: the own property with the embedded records, or with the list of keys.
    :param on_delete: what becomes of the records that hold the key when the one that they name is
        deleted: ``"cascade"``, ``"restrict"``, ``"set_null"``, or None for nothing.
    :param constraint: have a foreign key constraint in databases that keep such.
    :param required: the key, which the relation makes, must be given.
    :param nested: writes of a record may have related records in them.
    :param nest_remoting: the other model's relations have routes below this relation's.
    :param disable_include: it cannot be included.
    :param http_path: the path of its routes below the record's, where it is not the name.
    :param description: a sentence for the documentation.
    :returns: the description, as a value that type checkers let stand for the relation.

    ::

        class Book(Model):
            chapters: HasMany[Chapter] = relation(on_delete="cascade")
    """
    return RelationSpec({key: value for key, value in locals().items() if value not in _NOTHING})


_NOTHING = (None, False)
#: LoopBack's spellings.
_ALIASES = {
    "foreignKey": "foreign_key",
    "primaryKey": "primary_key",
    "keyThrough": "key_through",
    "onDelete": "on_delete",
    "nestRemoting": "nest_remoting",
    "disableInclude": "disable_include",
    "httpPath": "http_path",
}
_NAMES = frozenset(each.name for each in fields(RelationOptions))
_KEY_NAMES = ("foreign_key", "primary_key", "key_through")
#: What LoopBack's generators write as "" where nothing was answered.
_BLANK_IS_NONE = (*_KEY_NAMES, "through", "property")
_FLAGS = ("constraint", "required", "nested", "nest_remoting", "disable_include")
_TEXTS = ("discriminator", "property", "http_path", "description")
_OF_SOME: dict[str, frozenset[str]] = {
    "through": frozenset({HAS_MANY, HAS_AND_BELONGS_TO_MANY}),
    "key_through": frozenset({HAS_MANY, HAS_AND_BELONGS_TO_MANY}),
    "polymorphic": frozenset({BELONGS_TO, HAS_MANY, HAS_ONE}),
    "discriminator": frozenset({BELONGS_TO, HAS_MANY, HAS_ONE}),
    "property": frozenset({EMBEDS_ONE, EMBEDS_MANY, REFERENCES_MANY}),
    "on_delete": frozenset({BELONGS_TO, HAS_MANY, HAS_ONE, HAS_AND_BELONGS_TO_MANY}),
    "constraint": frozenset({BELONGS_TO, HAS_MANY, HAS_ONE, HAS_AND_BELONGS_TO_MANY}),
    "required": frozenset({BELONGS_TO}),
    "foreign_key": frozenset(
        {BELONGS_TO, HAS_MANY, HAS_ONE, HAS_AND_BELONGS_TO_MANY, REFERENCES_MANY}
    ),
}
_ON_DELETE = {
    "cascade": "cascade",
    "restrict": "restrict",
    "setnull": "set_null",
    "none": None,
    "noaction": None,
}
#: LoopBack's options of relations that mean something Flask-Loop does not do, unless they say this.
_UNBUILT: dict[str, tuple[Any, ...]] = {
    "validate": (True, None),
    "forceId": (True, None),
    "persistent": (False, None),
    "autoId": (True, None),
    "invertProperties": (False, None),
    "embedsProperties": (None, []),
    "default": (None,),
    "invert": (False, None),
}
#: What relations of one kind do all the same.
_BUILT_OF_SOME: tuple[tuple[str, str, Any], ...] = ((EMBEDS_MANY, "default", []),)


def read_options(kind: str, written: Mapping[str, Any]) -> RelationOptions:
    """Normalise what was written of a relation.

    :param kind: the kind of the relation.
    :param written: the keys in either spelling.
    :raises DefinitionError: naming a key that means nothing, or nothing for this kind.
    """
    given = _flatten(kind, written)
    for key in given:
        kinds = _OF_SOME.get(key)
        if kinds is not None and kind not in kinds:
            raise DefinitionError(f"{key} means nothing for {kind}")
    for key in _FLAGS:
        _demand(key, given, (bool,), "True or False")
    for key in _TEXTS:
        _demand(key, given, (str,), "text")
    _demand("polymorphic", given, (str, bool), "the name of the keys, or True")
    for key in ("scope", "properties"):
        _demand(key, given, (Mapping,), "a dict")
    for key in _KEY_NAMES:
        if key in given:
            given[key] = _names(key, given[key])
    if "on_delete" in given:
        given["on_delete"] = _on_delete(given["on_delete"])
    if given.get("polymorphic") is False:
        del given["polymorphic"]
    _refuse_contradictions(kind, given)
    return RelationOptions(**given)


def _flatten(kind: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """The keys in Python spelling, with those that LoopBack has inside others."""
    given: dict[str, Any] = {}

    def take(key: str, value: Any) -> None:
        name = _ALIASES.get(key, key)
        if value is None or key == "type" or (value == "" and name in _BLANK_IS_NONE):
            return
        if key in ("options", "http"):
            _demand(key, {key: value}, (Mapping,), "a dict")
            for inner, setting in value.items():
                take("http_path" if (key, inner) == ("http", "path") else inner, setting)
        elif name == "polymorphic" and isinstance(value, Mapping):
            given.update(_polymorphic(value))
        elif name in _NAMES:
            given[name] = value
        elif key in _UNBUILT:
            if value not in _UNBUILT[key] and (kind, key, value) not in _BUILT_OF_SOME:
                raise DefinitionError(f"the key {key!r} is not supported yet")
        else:
            known = {*_NAMES, *_ALIASES}
            raise DefinitionError(f"a relation has no key {key!r}{nearest(key, known)}")

    for key, value in written.items():
        take(str(key), value)
    return given


def _polymorphic(written: Mapping[str, Any]) -> dict[str, Any]:
    """What LoopBack says of a polymorphic relation in an object."""
    names = {"as": "polymorphic", "selector": "polymorphic", "foreignKey": "foreign_key"}
    names |= {"foreign_key": "foreign_key", "discriminator": "discriminator"}
    given: dict[str, Any] = {"polymorphic": True}
    for key, value in written.items():
        if key in ("idType", "invert"):
            continue  # the property says of which type it is
        if key not in names:
            raise DefinitionError(f"polymorphic has no key {key!r}{nearest(key, names)}")
        if value != "":
            given[names[key]] = value
    return given


def _demand(key: str, given: Mapping[str, Any], kinds: tuple[type, ...], phrase: str) -> None:
    if key in given and not isinstance(given[key], kinds):
        raise DefinitionError(f"{key} is {phrase}, not {given[key]!r}")


def _names(key: str, written: Any) -> tuple[str, ...]:
    listed: Iterable[Any] = (written,) if isinstance(written, str) else written
    if not isinstance(listed, Sequence | tuple) or not all(
        isinstance(each, str) and each for each in listed
    ):
        raise DefinitionError(f"{key} is a property's name or a list of such, not {written!r}")
    return tuple(listed)


def _on_delete(written: Any) -> str | None:
    key = str(written).lower().replace(" ", "").replace("_", "").replace("-", "")
    if key not in _ON_DELETE:
        raise DefinitionError(
            f'on_delete is "cascade", "restrict", "set_null" or None, not {written!r}'
        )
    return _ON_DELETE[key]


def _refuse_contradictions(kind: str, given: Mapping[str, Any]) -> None:
    is_polymorphic = "polymorphic" in given or "discriminator" in given
    if is_polymorphic and "through" in given:
        raise DefinitionError("a relation through a model is not polymorphic")
    if is_polymorphic and given.get("constraint"):
        raise DefinitionError("no database keeps a constraint of a polymorphic relation")
    if is_polymorphic and kind == BELONGS_TO and given.get("on_delete"):
        raise DefinitionError("say on_delete on the has_many or has_one of a polymorphic relation")
    if "key_through" in given and kind == HAS_MANY and "through" not in given:
        raise DefinitionError("key_through means nothing without through")


_LOOPBACK_KINDS = {
    "belongsTo": BELONGS_TO,
    "hasMany": HAS_MANY,
    "hasManyThrough": HAS_MANY,
    "hasOne": HAS_ONE,
    "hasAndBelongsToMany": HAS_AND_BELONGS_TO_MANY,
    "embedsOne": EMBEDS_ONE,
    "embedsMany": EMBEDS_MANY,
    "referencesMany": REFERENCES_MANY,
}


def kind_of(written: Mapping[str, Any]) -> str:
    """The kind that a relation in a dict or in JSON has, from its key ``type``.

    :raises DefinitionError: where it has none.
    """
    given = written.get("type", MISSING)
    kind = _LOOPBACK_KINDS.get(given, given) if isinstance(given, str) else None
    if kind not in _LOOPBACK_KINDS.values():
        shown = "it has none" if given is MISSING else f"{given!r} is none"
        raise DefinitionError(f"a relation has a type: {', '.join(_LOOPBACK_KINDS)}; {shown}")
    return str(kind)
