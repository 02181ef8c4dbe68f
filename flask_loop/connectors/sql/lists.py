"""Lists of values in SQL: bound one by one, or all in one parameter where a database can.

Many that are bound one by one would be more parameters than a statement can have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa

from .codecs import Codec

Expression = sa.ColumnElement[Any]
T = TypeVar("T")
#: Gives the next bound parameter.
NextParameter = Callable[[], Expression]


#: Conditions that hold for every row and for none; some databases have no boolean values.
ALWAYS: Expression = sa.literal_column("1") == sa.literal_column("1")
NEVER: Expression = sa.literal_column("1") == sa.literal_column("0")


def padded(count: int) -> int:
    """The next power of two, so that lists of many lengths share few statements."""
    return 1 << (count - 1).bit_length() if count else 0


def batched(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Items, so many at a time."""
    return (items[start : start + most] for start in range(0, len(items), most))


def equals(columns: Sequence[Expression], parameter: NextParameter) -> Expression:
    """Whether columns have the values of so many parameters."""
    return sa.and_(*(column == parameter() for column in columns))


class Lists:
    """Lists whose values are bound one by one.

    :param most: the most values of one list; of more, Python does the comparison.
    """

    #: The most values between one pair of parentheses.
    most_in_one = 1000
    #: The most keys of several columns in one statement.
    most_keys = 128

    def __init__(self, most: int) -> None:
        self.most = most

    def can_list(self, codec: Codec, operand: Sequence[Any]) -> bool:
        """Whether SQL takes so many values of a property."""
        return len(operand) * len(codec.types) <= self.most

    def listed(self, raw: list[Any], width: int = 1) -> tuple[list[Any], int]:
        """The parameters for the raw values of a list.

        :param raw: the values, one after the other.
        :param width: how many each is.
        :returns: them, and how many values they are as a part of the statement's shape.
        """
        count = len(raw) // width
        many = padded(count)
        return (raw + raw[-width:] * (many - count) if many > count else raw), many

    def is_in(
        self, columns: Sequence[Expression], many: int, parameter: NextParameter
    ) -> Expression:
        """Whether columns have one of the values that :meth:`listed` gave the parameters of."""
        if not many:
            return NEVER
        if len(columns) > 1:
            return sa.or_(*(equals(columns, parameter) for _ in range(many)))
        parameters = [parameter() for _ in range(many)]
        return sa.or_(*(columns[0].in_(some) for some in batched(parameters, self.most_in_one)))

    def key_chunks(self, raw: list[Any], width: int) -> list[list[Any]]:
        """Keys, as many at a time as one statement takes."""
        most = (self.most_keys if width > 1 else self.most) * width
        return [raw[start : start + most] for start in range(0, len(raw), most)]

    def listed_keys(self, raw: list[Any], width: int) -> tuple[list[Any], int]:
        """Like :meth:`listed`, for keys, which may be several columns."""
        return self.listed(raw, width)

    def is_key_in(
        self, columns: Sequence[Expression], many: int, parameter: NextParameter
    ) -> Expression:
        """Like :meth:`is_in`, for what :meth:`listed_keys` gave the parameters of."""
        return self.is_in(columns, many, parameter)


class ArrayLists(Lists):
    """Lists that are one parameter, an array; what is several columns is bound one by one."""

    def can_list(self, codec: Codec, operand: Sequence[Any]) -> bool:
        return len(codec.types) == 1 or super().can_list(codec, operand)

    def listed(self, raw: list[Any], width: int = 1) -> tuple[list[Any], int]:
        return super().listed(raw, width) if width > 1 else ([_array(raw)], 0)

    def is_in(
        self, columns: Sequence[Expression], many: int, parameter: NextParameter
    ) -> Expression:
        if len(columns) > 1:
            return super().is_in(columns, many, parameter)
        return columns[0] == sa.func.any(parameter())

    def key_chunks(self, raw: list[Any], width: int) -> list[list[Any]]:
        return [raw] if width == 1 else super().key_chunks(raw, width)


def _array(raw: list[Any]) -> list[Any] | str:
    """An array as the driver takes it, to which the text of one is less work than a list."""
    are_integers = set(map(type, raw)) == {int}
    return f"{{{','.join(map(str, raw))}}}" if are_integers else raw


class JsonLists(Lists):
    """Lists of which the long ones are one parameter, as JSON, which SQLite reads.

    :param most: the most values of a list that JSON does not keep exactly.
    """

    #: The most values that are bound one by one; more go in one parameter.
    most_bound = 128

    def can_list(self, codec: Codec, operand: Sequence[Any]) -> bool:
        if len(operand) <= self.most_bound:
            return True
        if len(codec.types) > 1:
            return False
        return len(operand) <= self.most or _is_json(codec.raw_list(operand))

    def listed(self, raw: list[Any], width: int = 1) -> tuple[list[Any], int]:
        if not raw:
            return ["[]"], 0
        if len(raw) // width > self.most_bound and width == 1 and _is_json(raw):
            return [orjson.dumps(raw).decode()], 0
        return super().listed(raw, width)

    def is_in(
        self, columns: Sequence[Expression], many: int, parameter: NextParameter
    ) -> Expression:
        if many:
            return super().is_in(columns, many, parameter)
        items = sa.func.json_each(parameter()).table_valued("value")
        return columns[0].in_(sa.select(items.c.value))

    def key_chunks(self, raw: list[Any], width: int) -> list[list[Any]]:
        if len(raw) <= self.most_bound * width or _is_json(raw):
            return [raw]
        return super().key_chunks(raw, width)

    def listed_keys(self, raw: list[Any], width: int) -> tuple[list[Any], int]:
        if width == 1 or not _is_json(raw):
            return self.listed(raw, width)
        keys = [raw[start : start + width] for start in range(0, len(raw), width)]
        return [orjson.dumps(keys).decode()], 0

    def is_key_in(
        self, columns: Sequence[Expression], many: int, parameter: NextParameter
    ) -> Expression:
        if many or len(columns) == 1:
            return self.is_in(columns, many, parameter)
        keys = sa.func.json_each(parameter()).table_valued("value")
        values = (
            sa.func.json_extract(keys.c.value, sa.text(f"'$[{at}]'")) for at in range(len(columns))
        )
        return sa.tuple_(*columns).in_(sa.select(*values))


def _is_json(raw: Sequence[Any]) -> bool:
    # SQLite does not read every float back from text as it was.
    return all(isinstance(value, int | str) for value in raw)
