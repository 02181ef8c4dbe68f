"""Dialect: what databases differ in, as far as statements and tables go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa

from ...geo import RADIANS_PER_DEGREE
from .circles import Circles
from .codecs import Codec, Codecs
from .comparing import Patterns, compare
from .driver import first_value, last_id
from .json_places import Places
from .lists import Expression, Lists, NextParameter

if TYPE_CHECKING:
    from .tables import ModelTable

_BOXES = Circles()


class Dialect:
    """One database's SQL. This is what most have; each database's module changes what differs.

    :ivar codecs: how property types are stored.
    :ivar lists: how lists of values are compared with.
    :ivar patterns: how patterns are matched.
    :ivar places: how JSON is looked into.
    """

    #: The connector's name, under which definitions have their options.
    name: ClassVar[str]
    #: The statement by which a connection is tried.
    ping: ClassVar[str] = "SELECT 1"
    #: The most bytes of the name of a table, a column, an index or a constraint.
    name_length = 63
    #: Words that are names in quotes alone, and that SQLAlchemy does not know.
    reserved: ClassVar[frozenset[str]] = frozenset()
    #: Whether ``NULLS LAST`` is written, and where it is not, which end nulls come at.
    nulls_last: ClassVar[bool] = True
    #: Whether an insertion returns the id that the database made.
    returns_ids: ClassVar[bool] = True
    #: Whether a foreign key is checked for each row, instead of at the end of each statement.
    checks_rows: ClassVar[bool] = False
    #: Whether rows with null in some of the columns of a unique index are refused as equal.
    nulls_collide: ClassVar[bool] = False
    #: Whether columns whose values the database makes are ``GENERATED … AS IDENTITY``.
    has_identity: ClassVar[bool] = True
    #: What stands for ``IN`` and ``NOT IN`` of no values, where a list of none needs a type.
    empty_lists: ClassVar[tuple[str, str] | None] = None
    #: Whether the database, asked for a range in the order of the ids, looks at every record in
    #: that order instead of searching the range in its index and sorting what it found.
    hides_order: ClassVar[bool] = False

    def __init__(self) -> None:
        self.codecs = self.make_codecs()
        self.lists = self.make_lists()
        self.patterns = self.make_patterns()
        self.places = self.make_places()

    def make_codecs(self) -> Codecs:
        return Codecs(self.name)

    def make_lists(self) -> Lists:
        return Lists(1024)

    def make_patterns(self) -> Patterns:
        return Patterns()

    def make_places(self) -> Places:
        return Places()

    # What is near

    def circles(self, model_table: ModelTable, name: str) -> Circles:
        """How a table's records are narrowed down to those whose property is near a point."""
        return _BOXES

    def further_indexes(self, model_table: ModelTable, table: sa.Table) -> list[sa.Index]:
        """The indexes that a model's table has beside those over its columns.

        :param table: a copy of the table, which the indexes are made of.
        """
        return []

    # Names

    def short_name(self, name: str) -> str:
        """A name of an index or a constraint that is not too long: its end becomes a digest."""
        if len(name.encode()) <= self.name_length:
            return name
        digest = hashlib.blake2b(name.encode(), digest_size=5).hexdigest()
        kept = name.encode()[: self.name_length - len(digest) - 1].decode(errors="ignore")
        return f"{kept}_{digest}"

    # Statements

    def made_id(self, cursor: Any) -> Any:
        """The id that the database made for the row that the statement of a cursor inserted."""
        return first_value(cursor) if self.returns_ids else last_id(cursor)

    # Expressions

    def typed(self, parameter: NextParameter, codec: Codec) -> NextParameter:
        """Gives parameters for a codec's values, where the database has to be told their type."""
        return parameter

    def compare(
        self,
        operator: str,
        columns: Sequence[Expression],
        codec: Codec,
        parameter: NextParameter,
    ) -> Expression:
        """``eq``, ``gt``, ``gte``, ``lt``, ``lte`` or ``between`` of a property's columns."""
        return compare(operator, columns, self.typed(parameter, codec))

    def is_in(
        self, columns: Sequence[Expression], many: int, codec: Codec, parameter: NextParameter
    ) -> Expression:
        """Whether a property has one of the values that :attr:`lists` gave the parameters of."""
        return self.lists.is_in(columns, many, self.typed(parameter, codec))

    def alike(
        self, one: Sequence[Expression], other: Sequence[Expression]
    ) -> Iterator[tuple[Expression, Expression]]:
        """The columns of two properties, side by side, so that those of equal values are equal.

        Of two columns is a number, and of one a whole number that it may be linked to.
        """
        if len(one) < len(other):
            one = self._halves(*one)
        elif len(other) < len(one):
            other = self._halves(*other)
        return zip(one, other, strict=True)

    def _halves(self, whole: Expression) -> tuple[Expression, Expression]:
        """A whole number as :func:`~.codecs.bind_number` would store it."""
        # The nearest double of the greatest ones is no whole number of 64 bits.
        middle: Expression = sa.literal_column(str(2**62), sa.BigInteger())
        double = whole + self.number(0.0)
        above = whole - middle - sa.cast(double - self.number(2.0**62), sa.BigInteger())
        rest = whole - sa.cast(sa.case((whole < middle, double)), sa.BigInteger())
        return double, sa.case((whole < middle, rest), else_=above)

    def sort_key(self, column: Expression) -> Expression:
        """What is ordered by to have the order of a column's values."""
        return column

    def negated(self, condition: Expression) -> Expression:
        """Whether a condition does not hold, be it false or null."""
        return sa.not_(sa.func.coalesce(condition, sa.false()))

    def order(self, column: Expression, *, descending: bool, nullable: bool) -> list[Any]:
        """The keys that order by a column, null last."""
        sorted_by = self.sort_key(column)
        key = sorted_by.desc() if descending else sorted_by.asc()
        if not nullable:
            return [key]
        if self.nulls_last:
            return [key.nulls_last()]
        # Nulls are the least values here, and so are last already where the order is descending.
        return [key] if descending else [column.is_(None), key]

    def distance(
        self, lat: Expression, lng: Expression, row_lat: Expression, row_lng: Expression
    ) -> Expression:
        """The haversine distance in radians, step by step as :func:`flask_loop.geo.haversine`."""
        degree = self.number(RADIANS_PER_DEGREE)
        half_height = sa.func.sin((row_lat - lat) * degree / self.number(2.0))
        half_width = sa.func.sin((row_lng - lng) * degree / self.number(2.0))
        cosines = sa.func.cos(lat * degree) * sa.func.cos(row_lat * degree)
        chord = half_height * half_height + cosines * half_width * half_width
        bounded = self.least(self.number(1.0), self.greatest(self.number(0.0), chord))
        return self.number(2.0) * sa.func.asin(sa.func.sqrt(bounded))

    def number(self, value: float) -> Expression:
        """A double in the text of a statement."""
        text = repr(value)
        return sa.literal_column(text if "e" in text else f"{text}e0", sa.Double())

    def least(self, *values: Expression) -> Expression:
        return sa.func.least(*values)

    def greatest(self, *values: Expression) -> Expression:
        return sa.func.greatest(*values)
