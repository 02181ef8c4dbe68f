"""From a mapped class to the definition of its model: a property for each column."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from inflection import camelize
from marshmallow import fields
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql

from ..connectors.sql.host_tables import OPTIONS, Mapped
from ..connectors.sql.reflection import type_of
from ..definition import RESERVED, ModelDefinition, definition_from_dict, nearest
from ..errors import DefinitionError
from ..model import Model

Written = dict[str, Any]

#: What :meth:`Model.from_sqlalchemy` takes beside the settings of a model.
_OWN = ("name", "properties", "exclude")


def define(base: type[Any], target: Any, options: Mapping[str, Any]) -> ModelDefinition:
    """The definition of a mapped class, or of a table that links two.

    :param base: the model that it extends.
    :param target: the class, or the table.
    :param options: as :meth:`Model.from_sqlalchemy` takes them.
    :raises DefinitionError: naming the column whose type means nothing here, or an option.
    """
    mapped = Mapped.of(target)
    name = options.get("name") or _name_of(target)
    columns = _chosen(name, mapped, options)
    overrides = options.get("properties", {})
    properties = {
        attribute: _property(name, attribute, column, mapped, overrides.get(attribute))
        for attribute, column in columns.items()
    }
    settings = {key: value for key, value in options.items() if key not in _OWN}
    settings["options"] = {**settings.get("options", {}), OPTIONS: {"target": target}}
    settings["indexes"] = {**_indexes(mapped, properties), **settings.get("indexes", {})}
    scope = _scope(mapped, settings.get("scope", {}))
    if scope:
        settings["scope"] = scope
    definition = definition_from_dict(
        name, properties, settings, base=None if base is Model else base.definition
    )
    definition.class_body = True  # the name is a class's
    return definition


def _name_of(target: Any) -> str:
    return camelize(target.name) if isinstance(target, sa.Table) else str(target.__name__)


def _chosen(name: str, mapped: Mapped, options: Mapping[str, Any]) -> dict[str, sa.Column[Any]]:
    """The columns that are properties, by the names of attributes."""
    excluded, overrides = options.get("exclude", ()), options.get("properties", {})
    if isinstance(excluded, str) or not isinstance(excluded, Iterable):
        raise DefinitionError(f"model {name!r}: exclude is a list of names, not {excluded!r}")
    if not isinstance(overrides, Mapping):
        raise DefinitionError(f"model {name!r}: properties is a dict, not {overrides!r}")
    relations = set() if mapped.mapper is None else set(mapped.mapper.relationships.keys())
    for each in excluded:
        known = {*mapped.columns, *relations}
        if each not in known:
            raise DefinitionError(
                f"model {name!r}: exclude names {each!r}, which is no column and no relationship"
                f"{nearest(each, known)}"
            )
    for each in overrides:
        if each not in mapped.columns:
            raise DefinitionError(
                f"model {name!r}: properties names {each!r}, which is no column"
                f"{nearest(each, mapped.columns)}"
            )
    chosen = {key: column for key, column in mapped.columns.items() if key not in excluded}
    for column in mapped.ids:
        if column not in chosen.values():
            raise DefinitionError(f"model {name!r}: its id {column.key!r} cannot be left out")
    return chosen


# One column


def _property(
    model: str, attribute: str, column: sa.Column[Any], mapped: Mapped, override: Any
) -> Written:
    """The property that a column is, as definitions in dicts have it.

    :param override: what the app says of it itself.
    """
    said = _as_dict(override)
    ids = mapped.ids
    nullable = bool(column.nullable) and column not in ids
    written: Written = {"nullable": nullable}
    if "type" not in said:
        described = _described(column.type)
        if described is None:
            raise DefinitionError(
                f"model {model!r}: the column {attribute!r} has the type {column.type!r}, for "
                f"which there is no property type; say one by properties={{{attribute!r}: ...}}, "
                f"or leave it out by exclude=[{attribute!r}]"
            )
        written.update(described)
    if column in ids:
        written["id"] = ids.index(column) + 1
    written.update(_made(column, mapped))
    written["unique"], written["index"] = bool(column.unique), bool(column.index)
    description = column.comment or column.doc
    if description:
        written["description"] = description
    if attribute.startswith("_"):
        written["hidden"] = True
    if attribute in RESERVED:
        written[OPTIONS] = {"attribute": attribute}
    return {**written, **said}


def _as_dict(override: Any) -> Written:
    if override is None:
        return {}
    return dict(override) if isinstance(override, Mapping) else {"type": override}


def _made(column: sa.Column[Any], mapped: Mapped) -> Written:
    """What of a property is the app's or the database's to make, or is its default."""
    mapper = mapped.mapper
    if column.computed is not None:
        return {"generated": True, "read_only": True}
    if mapper is not None and column is mapper.version_id_col:
        return {"generated": True, "read_only": True}
    if mapper is not None and column is mapper.polymorphic_on:
        identity = mapper.polymorphic_identity
        return {"read_only": True, **({} if identity is None else {"default": identity})}
    found: Written = {}
    is_made = column is column.table.autoincrement_column or column.server_default is not None
    default = column.default
    is_plain = isinstance(default, sa.ColumnDefault) and default.is_scalar
    if is_plain and column not in mapped.ids and not isinstance(column.type, sa.TypeDecorator):
        found["default"] = _default(column, default.arg)  # type: ignore[union-attr]
    elif default is not None or is_made:
        found["generated"] = True
    if column.onupdate is not None or column.server_onupdate is not None:
        found["generated"] = True
    return found


def _default(column: sa.Column[Any], value: Any) -> Any:
    """A default as values of the property are: of some enums the names of members."""
    is_named = isinstance(value, enum.Enum) and (_described(column.type) or {}).get("enum")
    return value.name if is_named else value


def _described(kind: Any) -> Written | None:
    """The property type of a column's type, with its bounds; None where there is none."""
    if isinstance(kind, sa.TypeDecorator):
        return _of_decorator(kind)
    if isinstance(kind, sa.Enum):
        return _of_enum(kind)
    if isinstance(kind, sa.Numeric) and not kind.asdecimal and kind.scale != 0:
        return {"type": "Number"}
    if isinstance(kind, sa.Interval | postgresql.INTERVAL):
        return {"type": fields.TimeDelta()}
    if isinstance(kind, sa.Time):
        return {"type": fields.Time()}
    if isinstance(kind, sa.ARRAY):
        item = _described(kind.item_type) if kind.dimensions in (None, 1) else None
        return None if item is None else {"type": [item["type"]]}
    return type_of(kind) if isinstance(kind, _KNOWN) else None


#: The types that reflection tells the property types of.
_KNOWN = (
    *(sa.Boolean, sa.Integer, sa.Float, sa.Numeric, sa.Uuid, sa.JSON, sa.DateTime, sa.Date),
    *(sa.LargeBinary, sa.BINARY, sa.VARBINARY, sa.String),
)


def _of_decorator(kind: sa.TypeDecorator[Any]) -> Written | None:
    """What a decorator gives to Python, where it says so; otherwise what is decorated does."""
    if isinstance(kind, sa.PickleType):
        return None
    own = [each for each in type(kind).__mro__ if issubclass(each, sa.TypeDecorator)]
    says = any("python_type" in vars(each) for each in own if each is not sa.TypeDecorator)
    if not says:
        return _described(kind.impl_instance)
    python = kind.python_type
    if issubclass(python, enum.Enum):
        return {"type": python}
    return next(({"type": name} for known, name in _PYTHON if issubclass(python, known)), None)


_PYTHON: tuple[tuple[type, Any], ...] = (
    (bool, "Boolean"),
    (int, "Integer"),
    (float, "Number"),
    (Decimal, "Decimal"),
    (str, "String"),
    (bytes, "Buffer"),
    (datetime, "Date"),
    (date, "DateOnly"),
    (time, fields.Time()),
    (timedelta, fields.TimeDelta()),
    (UUID, "UUID"),
    (dict, "Object"),
    (list, "Array"),
)


def _of_enum(kind: sa.Enum) -> Written:
    """An enum of Python; by the names of its members where the values are no JSON texts."""
    members = kind.enum_class
    if members is None:
        return {"type": "String", "enum": list(kind.enums)}
    values = {type(each.value) for each in members}
    if values in ({str}, {int}):
        return {"type": members}
    return {"type": "String", "enum": [each.name for each in members]}


# The table


def _indexes(mapped: Mapped, properties: Mapping[str, Written]) -> dict[str, Any]:
    """The indexes over properties, those of a unique constraint among them."""
    by_column = {mapped.columns[name]: name for name in properties}
    found = {}
    constraints = [
        each for each in mapped.table.constraints if isinstance(each, sa.UniqueConstraint)
    ]
    for position, (columns, unique) in enumerate(
        [
            *((list(each.columns), True) for each in constraints),
            *((each.expressions, each.unique) for each in mapped.table.indexes if _is_whole(each)),
        ]
    ):
        names = [by_column.get(column) for column in columns if isinstance(column, sa.Column)]
        if names and None not in names and len(names) == len(columns):
            found[f"sqlalchemy_{position}"] = {"keys": names, "unique": bool(unique)}
    return found


def _is_whole(index: sa.Index) -> bool:
    """Whether an index is over all rows."""
    return not any(options.get("where") is not None for options in index.dialect_options.values())


def _scope(mapped: Mapped, given: Mapping[str, Any]) -> Written:
    """The default scope of a class that shares its table with others: its rows alone."""
    mapper: orm.Mapper[Any] | None = mapped.mapper
    if mapper is None or not mapper.single or mapper.polymorphic_on is None:
        return dict(given)
    attribute = mapper.get_property_by_column(mapper.polymorphic_on).key
    identities = [each.polymorphic_identity for each in mapper.self_and_descendants]
    own = {attribute: {"inq": [each for each in identities if each is not None]}}
    where = given.get("where")
    return {**given, "where": {"and": [own, where]} if where else own}
