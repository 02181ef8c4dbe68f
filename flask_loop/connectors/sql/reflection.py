"""From a column that is there to the property of a definition: its type, and what it may hold.

A column is described as SQLAlchemy's inspector does: a mapping with ``name``, ``type``,
``nullable`` and, where there are such, ``default``, ``autoincrement``, ``identity``, ``computed``
and ``comment``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, oracle, postgresql, registry

from ...types import DecimalNumber, Integer, Number, PropertyType, TypeMismatch

#: A property as definitions in dicts and in JSON have it.
Written = dict[str, Any]


def property_of(
    column: Mapping[str, Any],
    backend: str,
    *,
    id: int | None = None,
    has_rowid: bool = False,
    dialect: sa.Dialect | None = None,
) -> Written:
    """The property that a column is.

    A default that is a plain value is the property's own. Any other one is left to the database:
    the property is ``generated``, which means that it need not be given.

    :param column: as SQLAlchemy's inspector describes it. ``declared``, where it is there, is the
        type's name in place of the one that SQLAlchemy knows.
    :param backend: the connector's name, under which the column's own type is kept.
    :param id: the column's place in the primary key, from 1.
    :param has_rowid: whether SQLite gives it the number of its row.
    :param dialect: names the column's type; SQLAlchemy's own of the backend where None.
    """
    kind = _underlying(column["type"])
    nullable = bool(column.get("nullable", True)) and id is None
    described = type_of(kind)
    written: Written = {"type": described.pop("type"), "required": not nullable, **described}
    if id is not None:
        written["id"] = id
    made = {"generated": True} if has_rowid else _made(column, written)
    if made:
        written.update(made, required=False)
        if not nullable and id is None:
            written["nullable"] = False
    if column.get("comment"):
        written["description"] = column["comment"]
    written[backend] = _own(column, kind, dialect or _dialect(backend), nullable)
    return written


def _underlying(kind: Any) -> Any:
    """The type that a domain restricts."""
    while isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    return kind


# The column's own type


def _own(column: Mapping[str, Any], kind: Any, dialect: sa.Dialect, nullable: bool) -> Written:
    """What LoopBack's definitions keep of a column, by its keys."""
    is_number = isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float)
    found = {
        "columnName": str(column["name"]),
        "dataType": column.get("declared") or data_type(kind, dialect),
        "dataLength": 1 if _is_flag(kind) else _length(kind),
        "dataPrecision": _precision(kind),
        "dataScale": getattr(kind, "scale", None) if is_number else None,
        "nullable": "Y" if nullable else "N",
        "quoted": True if column.get("quote") or is_quoted(column["name"]) else None,
        "computed": True if column.get("computed") else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def is_quoted(name: str) -> bool:
    """Whether a name is one that the database would take for another one without quotes."""
    return bool(getattr(name, "quote", False))


def _length(kind: Any) -> int | None:
    """The characters or bytes of a text; those of an enum are the values' business."""
    return None if isinstance(kind, sa.Enum | mysql.SET) else getattr(kind, "length", None)


def _is_flag(kind: Any) -> bool:
    """Whether it is what MySQL has for BOOLEAN."""
    return isinstance(kind, mysql.TINYINT) and kind.display_width == 1


def _precision(kind: Any) -> int | None:
    """The digits of a number, or those of the fraction of a second."""
    found = getattr(kind, "fsp", None)
    return found if found is not None else getattr(kind, "precision", None)


_SIZES = re.compile(r"\([^)]*\)")
_MODIFIERS = re.compile(r"\b(?:CHARACTER SET|COLLATE|SEGMENT SIZE) \S+|\bZEROFILL\b")


def data_type(kind: Any, dialect: sa.Dialect) -> str | None:
    """The name of an SQL type without its sizes, such as ``VARCHAR`` and ``BIGINT UNSIGNED``.

    :returns: None for a type that SQLAlchemy does not know.
    """
    if isinstance(kind, sa.types.NullType):
        return None
    if isinstance(kind, sa.Enum | mysql.SET) or _is_binary(kind):
        return str(getattr(kind, "name", None) or kind.__visit_name__)
    text = str(kind.compile(dialect=dialect))
    return " ".join(_MODIFIERS.sub("", _SIZES.sub("", text)).split()).upper()


@cache
def _dialect(backend: str) -> sa.Dialect:
    made: sa.Dialect = registry.load(backend)()
    return made


# The property's type


def type_of(kind: Any) -> Written:
    """The type of the values of a column, and their bounds; text where there is no other."""
    for classes, describe in _KINDS:
        if isinstance(kind, classes):
            return describe(kind) if callable(describe) else {"type": describe}
    return {"type": "String"}


def _text(kind: Any) -> Written:
    if _is_binary(kind):
        return _bytes(kind)
    return {"type": "String", **({"length": kind.length} if kind.length else {})}


def _is_binary(kind: Any) -> bool:
    """Whether it is a text of bytes, as Firebird has them."""
    return getattr(kind, "charset", None) == "OCTETS"


def _bytes(kind: Any) -> Written:
    length = getattr(kind, "length", None)
    return {"type": "Buffer", **({"length": length} if length else {})}


def _enum(kind: Any) -> Written:
    return {"type": "String", "enum": list(kind.enums)}


def _integer(kind: Any) -> Written:
    if _is_flag(kind):
        return {"type": "Boolean"}
    return {"type": "Integer", **({"min": 0} if getattr(kind, "unsigned", False) else {})}


def _decimal(kind: Any) -> Written:
    precision, scale = kind.precision, kind.scale
    most = DecimalNumber.MAX_PRECISION
    if precision is None or scale is None or not 0 <= scale <= most:
        return {"type": "Number"}
    if scale == 0 and precision <= most:
        return {"type": "Integer"}
    return {"type": "Decimal", "precision": min(precision, most), "scale": scale}


def _oracle_number(kind: Any) -> Written:
    if kind.scale == 0 and kind.precision is None:  # NUMBER(*, 0)
        return {"type": "Integer"}
    return _decimal(kind)


def _bits(kind: Any) -> Written:
    return {"type": "Boolean" if kind.length in (None, 1) else "Integer"}


def _list(kind: Any) -> Written:
    # PostgreSQL lets a column that is declared as a list hold lists of lists, too.
    return {"type": [type_of(_underlying(kind.item_type))["type"]]}


#: Types by the classes that SQLAlchemy reflects; what comes first holds.
_KINDS: tuple[tuple[Any, str | Callable[[Any], Written]], ...] = (
    (mysql.SET, "String"),
    (sa.Enum, _enum),
    (sa.Boolean, "Boolean"),
    (mysql.BIT, _bits),
    (mysql.YEAR, "Integer"),
    (oracle.NUMBER, _oracle_number),  # which is an integer to SQLAlchemy, too
    (sa.Integer, _integer),
    (sa.Float, "Number"),
    (sa.Numeric, _decimal),
    (sa.Uuid, "UUID"),
    (sa.JSON, "any"),
    (sa.ARRAY, _list),
    (oracle.DATE, "Date"),
    (sa.DateTime, "Date"),
    (sa.Date, "DateOnly"),
    ((sa.LargeBinary, sa.BINARY, sa.VARBINARY, oracle.RAW), _bytes),
    (sa.String, _text),
)


# What the database makes

_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_CAST = re.compile(r"::[\w \".]+(?:\([\d, ]*\))?(?:\[\])?$")
_WORDS = {"true": True, "false": False}


def _made(column: Mapping[str, Any], written: Written) -> Written:
    """What of a property is the database's to make, or is its default."""
    if column.get("computed"):
        return {"generated": True, "readOnly": True}
    is_id = "id" in written
    if column.get("identity") or (is_id and column.get("autoincrement") is True):
        return {"generated": True}
    text = column.get("default")
    if text is None or str(text).upper() == "NULL":
        return {}
    default = _plain_default(str(text), written)
    if default is not None:
        return {"default": default}
    if is_id and written["type"] == "UUID":
        return {"defaultFn": "uuid"}  # what the database made could not be asked for
    return {"generated": True}


def _plain_default(text: str, written: Written) -> Any:
    """A default that is a plain value, as JSON has it; None where it is computed."""
    text = _without_parentheses(_CAST.sub("", text.strip()))
    text = _without_parentheses(_CAST.sub("", text))
    quoted = _QUOTED.fullmatch(text)
    plain = quoted[1].replace("''", "'") if quoted else text
    kind = written["type"]
    if kind == "String":
        is_known = plain in written.get("enum", [plain])
        return plain if is_known and (quoted or _NUMBER.fullmatch(text)) else None
    if kind == "Boolean":
        return {"1": True, "0": False, **_WORDS}.get(plain.lower())
    if kind in _NUMBERS and _NUMBER.fullmatch(plain):
        if kind == "Decimal":
            return plain
        return _loaded(_NUMBERS[kind], plain)
    return None


_NUMBERS: dict[str, PropertyType] = {
    "Integer": Integer(),
    "Number": Number(),
    "Decimal": DecimalNumber(),
}


def _loaded(kind: PropertyType, text: str) -> Any:
    try:
        return kind.load(text)
    except TypeMismatch:
        return None


def _without_parentheses(text: str) -> str:
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return text
