"""Tables of an app that uses SQLAlchemy itself: its own columns, by their own types.

Each value goes through the type of its column as it does in the app: what a ``TypeDecorator`` does
there it does here.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.types import TypeEngine, UserDefinedType

from ...definition import MISSING, ModelDefinition, Property
from ...errors import DefinitionError
from ...types import (
    AnyValue,
    Array,
    Buffer,
    DateTime,
    DecimalNumber,
    Enumeration,
    FieldValue,
    Integer,
    Number,
    Object,
    PropertyType,
    String,
    Uuid,
)
from ..base import Record
from .cache import Cache
from .codecs import Codec, read_any_number
from .dialect import Dialect
from .mending import RowMending
from .tables import KEPT_SETS, ModelTable

#: The backend under which definitions say what they are mapped to.
OPTIONS = "sqlalchemy"

Convert = Callable[[Any], Any]


class Raw(UserDefinedType[Any]):
    """The type of parameters whose values were bound already."""

    cache_ok = True


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a model is mapped to.

    :ivar table: the table.
    :ivar columns: its columns by the names of the mapped class's attributes.
    :ivar mapper: the class's mapper; None of a table that has no class.
    """

    table: sa.Table
    columns: Mapping[str, sa.Column[Any]]
    mapper: orm.Mapper[Any] | None = None

    @classmethod
    def of(cls, target: Any) -> Mapped:
        """What a mapped class, or a table, is.

        :raises DefinitionError: where its rows are not those of one table.
        """
        if isinstance(target, sa.Table):
            return cls(target, {column.key: column for column in target.columns})
        mapper = orm.class_mapper(target)
        table = mapper.local_table
        if not isinstance(table, sa.Table) or _is_joined(mapper):
            raise DefinitionError(
                f"{target.__name__} is mapped to more than one table, as by joined-table "
                "inheritance; only classes whose rows are those of one table can be models"
            )
        columns = {
            each.key: each.columns[0]
            for each in mapper.column_attrs
            if isinstance(each.columns[0], sa.Column) and each.columns[0].table is table
        }
        return cls(table, columns, mapper)

    @property
    def ids(self) -> list[sa.Column[Any]]:
        """The columns of the primary key; of a table without one, those that refer to others."""
        if self.mapper is not None:
            return [column for column in self.mapper.primary_key if isinstance(column, sa.Column)]
        own = list(self.table.primary_key.columns)
        return own or [column for column in self.table.columns if column.foreign_keys]


def _is_joined(mapper: orm.Mapper[Any]) -> bool:
    """Whether a class, or one that derives from it, has its rows in several tables."""
    return any(
        not (each.single or each.concrete or each.inherits is None)
        for each in (*mapper.iterate_to_root(), *mapper.self_and_descendants)
    )


def target_of(definition: ModelDefinition) -> Any:
    """The class, or the table, that a model is mapped to.

    :raises DefinitionError: where it is none of ``Model.from_sqlalchemy``.
    """
    target = definition.settings.options.get(OPTIONS, {}).get("target")
    if target is None:
        raise DefinitionError(
            f"{definition.name} is not mapped to a table: Model.from_sqlalchemy makes the models "
            "of this data source"
        )
    return target


class MappedTable(ModelTable):
    """The table of a model that is mapped to one of the app's.

    :param definition: the model.
    :param dialect: the database's.
    :param driver: SQLAlchemy's dialect, for which values are bound.

    :ivar to_host: what values go through on their way to SQLAlchemy, by the property's name.
    :ivar from_host: likewise on the way back.
    """

    def __init__(self, definition: ModelDefinition, dialect: Dialect, driver: sa.Dialect) -> None:
        self.definition, self.dialect = definition, dialect
        self.mapped = Mapped.of(target_of(definition))
        self.table = self.mapped.table
        self.columns = {
            each.name: (self._column_of(each),) for each in definition.properties.values()
        }
        ways = {
            name: Way(column, definition.properties[name].type)
            for name, (column,) in self.columns.items()
        }
        self.to_host = {name: way.to_host for name, way in ways.items()}
        self.from_host = {name: way.from_host for name, way in ways.items()}
        self.codecs = {name: way.codec(driver) for name, way in ways.items()}
        self._mending = RowMending(definition, self.codecs)
        self.every_layout = self._make_layout(None)
        self._layouts = Cache(KEPT_SETS)
        self._binders = Cache(KEPT_SETS)
        self.by_column = {column.name: name for name, (column,) in self.columns.items()}
        self._version = self._version_name()

    def column(self, name: str) -> sa.Column[Any]:
        """The column of a property."""
        return self.columns[name][0]

    def insertion(self, record: Record) -> sa.Insert:
        """The statement that stores a record, whose missing values the columns' defaults make."""
        values: dict[sa.Column[Any], Any] = {}
        for name in self.columns:
            column, value = self.column(name), record.get(name)
            is_left = value is None and not self._has_default(name) and _makes_itself(column)
            if column.computed is not None or is_left:
                continue
            values[column] = self._to_host(name, value)
        if self._version is not None:
            values[self.column(self._version)] = self._next_version(None)
        return self.table.insert().values(values)

    def changed_values(self, changes: Record) -> dict[sa.Column[Any], Any]:
        """What an update sets; columns whose values the database keeps are left to it."""
        values = {
            self.column(name): self._to_host(name, value)
            for name, value in changes.items()
            if self.column(name).computed is None
            and not (value is None and not self.column(name).nullable)
        }
        if self._version is not None:
            column = self.column(self._version)
            values[column] = self._next_version(column)
        return values

    def is_kept_by_host(self, name: str) -> bool:
        """Whether a column gets another value with each change, by itself."""
        column = self.column(name)
        return column.onupdate is not None or column.server_onupdate is not None

    def inserted_id(self, key: Any, record: Record) -> Any:
        """The id of a record that was stored.

        :param key: the values of the table's primary key, as SQLAlchemy gives them.
        :param record: what was stored.
        """
        made = dict(zip(self.table.primary_key.columns, key or (), strict=False))
        ids = [each.name for each in self.definition.ids]
        values = []
        for name in ids:
            value = made.get(self.column(name))
            given = record.get(name)
            values.append(given if given is not None else self._from_host(name, value))
        return values[0] if len(values) == 1 else tuple(values)

    def _to_host(self, name: str, value: Any) -> Any:
        if value is None and isinstance(self.column(name).type, sa.JSON):
            return sa.null()  # and not the JSON text of it
        convert = self.to_host[name]
        return value if value is None or convert is None else convert(value)

    def _from_host(self, name: str, value: Any) -> Any:
        convert = self.from_host[name]
        return value if value is None or convert is None else convert(value)

    def _has_default(self, name: str) -> bool:
        """Whether a property has a default of its own, so that null was given where it is null."""
        property_ = self.definition.properties[name]
        return property_.default_fn is not None or property_.default not in (MISSING, None)

    def _column_of(self, property_: Property) -> sa.Column[Any]:
        attribute = property_.options.get(OPTIONS, {}).get("attribute", property_.name)
        column = self.mapped.columns.get(attribute)
        if column is None:
            raise DefinitionError(
                f"{self.definition.name}.{property_.name} has no column in the table "
                f"{self.mapped.table.name!r}"
            )
        return column

    def _version_name(self) -> str | None:
        """The property that counts the versions of a record, where the app has such."""
        mapper = self.mapped.mapper
        if mapper is None or mapper.version_id_col is None or not mapper.version_id_generator:
            return None
        return self.by_column.get(str(mapper.version_id_col.name))

    def _next_version(self, column: sa.Column[Any] | None) -> Any:
        """The version after the one in a column; the first where None."""
        mapper = self.mapped.mapper
        assert mapper is not None  # noqa: S101 - see _version_name()
        if column is not None and isinstance(column.type, sa.Integer):
            return column + 1
        return cast("Convert", mapper.version_id_generator)(None)


def _makes_itself(column: sa.Column[Any]) -> bool:
    """Whether a column has a value where none is given."""
    return (
        column.default is not None
        or column.server_default is not None
        or column.table.autoincrement_column is column
    )


# Values


class Way:
    """How the values of a property go to a column and back.

    Between the two are those that the app's own code has.

    :param column: the column.
    :param kind: the property's type.

    :ivar to_host: from the property's value to the app's; None where they are the same.
    :ivar from_host: from the app's to the property's, likewise.
    """

    def __init__(self, column: sa.Column[Any], kind: PropertyType) -> None:
        self._type: TypeEngine[Any] = column.type
        self._plain = plain_type(self._type)
        self._is_decorated = isinstance(self._type, sa.TypeDecorator)
        self._kind = kind
        make = _CONVERSIONS.get(kind.stored_as)
        self.to_host: Convert | None
        self.from_host: Convert | None
        self.to_host, self.from_host = (None, None) if make is None else make(self, kind)

    def codec(self, driver: sa.Dialect) -> Codec:
        """The codec of the column.

        :param driver: SQLAlchemy's dialect, for which values are bound.
        """
        adapted = self._type.dialect_impl(driver)
        bind = adapted.bind_processor(driver)
        read = adapted.result_processor(driver, _result_type(self._plain))
        to_python = _composed(read, self.from_host)
        dump = None if self._kind.dumps_itself else self._kind.dump
        is_json = isinstance(self._plain, sa.JSON) and not self._is_decorated
        is_native_enum = isinstance(self._plain, sa.Enum) and bool(
            self._plain.native_enum and driver.supports_native_enum
        )
        is_opaque = (
            self._plain.bind_expression(sa.bindparam("value")) is not None
            or self._type.bind_expression(sa.bindparam("value")) is not None
            or (isinstance(self._kind, _STRUCTURES) and not is_json)
            or (is_json and not isinstance(self._kind, _STRUCTURES))
        )
        return Codec(
            (self._type,),
            _composed(self.to_host, bind),
            to_python,
            _composed(to_python, dump),
            json=is_json and not is_opaque,
            equals=not is_opaque,
            sorts=not (is_opaque or is_json or is_native_enum or isinstance(self._kind, _UNSORTED)),
            exact=self._is_exact(driver),
            matches=not (is_opaque or self._is_decorated or isinstance(self._plain, sa.Enum)),
        )

    def _is_exact(self, driver: sa.Dialect) -> bool:
        """Whether the database compares texts by their code points."""
        collation = getattr(self._plain, "collation", None)
        if driver.name == "sqlite":
            return collation is None or collation.upper() == "BINARY"
        return collation in ("C", "POSIX", "ucs_basic")

    # Conversions, each of them to the app's values and back

    def instants(self, kind: PropertyType) -> tuple[Convert | None, Convert]:
        # Whoever decorates the type of a time does so for those that have a time zone.
        has_zone = self._is_decorated or getattr(self._plain, "timezone", False)
        return (None if has_zone else _naive), _utc

    def numbers(self, kind: PropertyType) -> tuple[Convert | None, Convert]:
        return (_decimal if self._takes_decimals() else None), read_any_number

    def decimals(self, kind: PropertyType) -> tuple[Convert | None, Convert]:
        decimal = cast("DecimalNumber", kind)
        unit = Decimal(1).scaleb(-decimal.scale)

        def read(value: Any) -> Decimal:
            exact = value if isinstance(value, Decimal) else Decimal(repr(value))
            rounded = exact.quantize(unit) if exact.is_finite() else exact
            return decimal.from_scaled(decimal.to_scaled(rounded))

        return (None if self._takes_decimals() else float), read

    def integers(self, kind: PropertyType) -> tuple[Convert | None, Convert | None]:
        return None, (int if isinstance(self._plain, sa.Numeric) else None)

    def uuids(self, kind: PropertyType) -> tuple[Convert | None, Convert]:
        is_text = isinstance(self._plain, sa.Uuid) and not self._plain.as_uuid
        is_text = is_text or (isinstance(self._plain, sa.String) and not self._is_decorated)
        return (str if is_text else None), _uuid

    def texts(self, kind: PropertyType) -> tuple[Convert | None, Convert | None]:
        enumeration = getattr(self._plain, "enum_class", None)
        if enumeration is None or self._is_decorated:
            return None, None
        return enumeration.__getitem__, _member_name

    def bytes(self, kind: PropertyType) -> tuple[Convert | None, Convert]:
        return None, bytes

    def _takes_decimals(self) -> bool:
        return bool(getattr(self._plain, "asdecimal", False))


_CONVERSIONS: dict[type[PropertyType], Callable[[Way, PropertyType], Any]] = {
    DateTime: Way.instants,
    Number: Way.numbers,
    DecimalNumber: Way.decimals,
    Integer: Way.integers,
    Uuid: Way.uuids,
    String: Way.texts,
    Buffer: Way.bytes,
}
#: Property types whose values are looked into.
_STRUCTURES = (AnyValue, Array, Object)
#: Those whose order the column does not have.
_UNSORTED = (FieldValue, Enumeration)


def plain_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type that decorators are around."""
    while isinstance(kind, sa.TypeDecorator):
        kind = kind.impl_instance
    return kind


def _composed(first: Convert | None, second: Convert | None) -> Convert | None:
    if first is None or second is None:
        return first or second
    return lambda value: second(first(value))


def _result_type(kind: TypeEngine[Any]) -> Any:
    """What a cursor says that the column is, as far as SQLAlchemy asks for it: of numbers alone."""
    if not isinstance(kind, sa.Numeric | sa.Float):
        return None
    return _FLOAT if isinstance(kind, sa.Float) else _NUMERIC


#: PostgreSQL's numbers of its types.
_FLOAT, _NUMERIC = 701, 1700


def _naive(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC).replace(tzinfo=None)


def _utc(value: dt.datetime) -> dt.datetime:
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _member_name(value: Any) -> str:
    return str(value.name)
