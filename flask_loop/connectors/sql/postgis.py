"""PostGIS, where a PostgreSQL database has it: a spatial index finds what is near a point.

The index only narrows down. Which records are near, and in what order, is said by the formula that
all connectors have: a distance here is that of another sphere than LoopBack's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from ...query import Near
from ...types import Geo
from .circles import Circles
from .lists import Expression, NextParameter
from .tables import ModelTable

#: Runs a query and gives its rows.
Fetch = Callable[[str, Sequence[Any]], list[Any]]

#: The radius of PostGIS's sphere, in metres.
RADIUS = 6371008.7714150598
#: By how much a circle is made greater, so that it surely has all that the formula puts into it: a
#: centimetre and its billionth part. Rounding and the constants of both are far below.
MARGIN, RELATIVE_MARGIN = 0.01, 1e-9
#: Beyond this angle, in radians, the formula is not precise enough for a margin; the whole globe is
#: as good an answer.
NEARLY_ANTIPODAL = 3.14

_EXTENSION = (
    "SELECT n.nspname FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace "
    "WHERE x.extname = 'postgis'"
)
_INDEX = (
    "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND indrelid = to_regclass(%s) "
    "AND indisvalid"
)


class Postgis:
    """What one database has of PostGIS; found out when it is first needed.

    :param fetch: runs a query there.
    :param preparer: quotes names.
    """

    def __init__(self, fetch: Fetch, preparer: sa.sql.compiler.IdentifierPreparer) -> None:
        self._fetch = fetch
        self._preparer = preparer
        self.forget()

    def forget(self) -> None:
        """Find out anew, as the schema may have changed."""
        self._schema: list[str] | None = None
        self._found: dict[tuple[str, str], SpatialCircles | None] = {}

    @property
    def schema(self) -> str | None:
        """The schema that has the extension's functions, or None where it is not installed."""
        if self._schema is None:
            self._schema = [name for (name,) in self._fetch(_EXTENSION, ())]
        return self._schema[0] if self._schema else None

    def indexes(self, model_table: ModelTable, table: sa.Table) -> list[sa.Index]:
        """The spatial indexes of a model's table: of each point that it wants to have indexed.

        :param table: a copy of the table, which the indexes are made of.
        """
        names = spatial(model_table)
        if not names or self.schema is None:
            return []
        functions = Functions(self.schema)
        found = []
        for name in names:
            lat, lng = (table.c[column.name] for column in model_table.columns[name])
            point = functions.point(lat, lng)
            index_name = self._index_name(model_table, name)
            found.append(sa.Index(index_name, point, postgresql_using="gist"))
        return found

    def circles(self, model_table: ModelTable, name: str) -> SpatialCircles | None:
        """How circles of a property are looked for, or None where there is no index for it."""
        key = (model_table.table.fullname, name)
        if key not in self._found:
            self._found[key] = self._look(model_table, name)
        return self._found[key]

    def _look(self, model_table: ModelTable, name: str) -> SpatialCircles | None:
        if name not in spatial(model_table) or self.schema is None:
            return None
        table = model_table.table
        index = self._preparer.quote_identifier(self._index_name(model_table, name))
        if table.schema:
            index = f"{self._preparer.quote_schema(table.schema)}.{index}"
        values = (index, self._preparer.format_table(table))
        return SpatialCircles(self.schema) if self._fetch(_INDEX, values) else None

    def _index_name(self, model_table: ModelTable, name: str) -> str:
        # No property has a colon in its name, so that no other index has this one.
        return model_table.dialect.short_name(f"{model_table.index_prefix()}{name}:postgis")


def spatial(model_table: ModelTable) -> list[str]:
    """The properties that are points in an index of their own."""
    return [
        each.name
        for each in model_table.definition.properties.values()
        if isinstance(each.type, Geo) and (each.index or each.unique)
    ]


class Functions:
    """The functions of PostGIS.

    :param schema: where they are.
    """

    def __init__(self, schema: str) -> None:
        self._schema = schema

    def point(self, lat: Expression, lng: Expression) -> Expression:
        """A point on the globe; null where it has no coordinates."""
        return self._call("geography", self._call("st_makepoint", lng, lat))

    def is_within(self, one: Expression, other: Expression, metres: Expression) -> Expression:
        """Whether two points are so near on the sphere."""
        return self._call("st_dwithin", one, other, metres, sa.false())

    def _call(self, name: str, *arguments: Any) -> Expression:
        function: Expression = getattr(getattr(sa.func, self._schema), name)(*arguments)
        return function


class SpatialCircles(Circles):
    """Circles that a spatial index finds.

    :param schema: where the functions are.
    """

    def __init__(self, schema: str) -> None:
        self._functions = Functions(schema)

    def values(self, near: Near, radius: float, values: list[Any]) -> Any:
        if radius > NEARLY_ANTIPODAL:
            return "whole"
        metres = radius * RADIUS * (1 + RELATIVE_MARGIN) + MARGIN
        values.extend((near.point.lat, near.point.lng, metres))
        return "postgis"

    def expression(
        self, near: Near, radius: float, columns: Sequence[Expression], parameter: NextParameter
    ) -> Expression:
        if radius > NEARLY_ANTIPODAL:
            return sa.true()
        functions = self._functions
        center = functions.point(parameter(), parameter())
        return functions.is_within(functions.point(*columns), center, parameter())
