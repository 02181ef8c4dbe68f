"""Documents: tables as definitions in LoopBack's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, TypeAlias

from ..connectors import Connector
from ..definition import nearest
from ..definition.naming import python_name
from ..errors import DefinitionError
from .names import NameMapper, Names, camel_names, names_of_models, paths_of
from .relations import Key, relate

#: A definition as JSON has it.
Document: TypeAlias = dict[str, Any]

#: What remote callers have of a model whose records have no id.
READING = {"*": False, "find": True, "findOne": True, "count": True}


@dataclass(eq=False)
class Table:
    """A table or view of a database.

    :ivar name: its name.
    :ivar owner: the schema that it is in, where it is not the connection's own.
    :ivar is_view: whether it is a view, which is read only.
    :ivar columns: its columns, as connectors list them.
    :ivar model: the name of its model.
    :ivar properties: the names of properties by those of columns.
    """

    name: str
    owner: str | None
    is_view: bool
    columns: Sequence[Mapping[str, Any]]
    model: str
    properties: Mapping[str, str]
    keys: list[Key] = field(default_factory=list)
    unique_keys: list[list[str]] = field(default_factory=list)

    @cached_property
    def ids(self) -> list[str]:
        """The columns of the id."""
        ids = [each for each in self.columns if "id" in each["property"]]
        ids.sort(key=lambda each: each["property"]["id"])
        return [each["columnName"] for each in ids]

    def property_names(self, columns: Iterable[str]) -> list[str]:
        """The Python names of the properties of columns."""
        return [python_name(self.properties[column]) for column in columns]

    def types(self, columns: Iterable[str]) -> list[Any]:
        by_name = {each["columnName"]: each["property"]["type"] for each in self.columns}
        return [by_name[column] for column in columns]


class Schemas:
    """The definitions of the tables of a data source.

    :param connector: the connector.
    :param name_mapper: names models, properties and relations; in camel case where None.
    """

    def __init__(self, connector: Connector, name_mapper: NameMapper | None = None) -> None:
        self._connector, self._map = connector, name_mapper or camel_names

    def one(self, name: str, owner: str | None = None) -> Document:
        """The definition of one table, in the seed's shape.

        :raises DefinitionError: where there is no such table.
        """
        with self._connector.discovering():
            table = self._table(name, owner, False, self._map("table", name))
        return self._in_seeds_shape(table)

    def related(self, name: str, owner: str | None = None) -> dict[str, Document]:
        """The definitions of a table and of those that its foreign keys lead to, by place.

        :returns: ``owner.table`` → the definition in the seed's shape, with its ``relations``.
        """
        with self._connector.discovering():
            found = {(owner, name): False}
            for place in (pending := list(found)):
                for key in self._keys(place[1], place[0]):
                    if (other := (key.owner, key.table)) not in found:
                        found[other] = False
                        pending.append(other)
            tables = self._tables(found)
            relations = relate(tables.values(), self._map, many=False)
        return {
            ".".join(filter(None, place)): self._in_seeds_shape(table, relations[table.model])
            for place, table in tables.items()
        }

    def every(
        self,
        names: Iterable[str] | None = None,
        *,
        owner: str | None = None,
        views: bool = True,
        all: bool = False,
        relations: bool = True,
    ) -> list[Document]:
        """The definitions of many tables, as they are loaded: with relations in both directions.

        What follows from the rest is not said: the column's name where it is the property's, its
        length where it is the property's, and the like.

        :param names: which tables and views; all where None.
        :param owner: the schema that they are in.
        :param views: whether views are among them.
        :param all: those of all schemas.
        :param relations: whether they have relations.
        :raises DefinitionError: naming a table that there is not.
        """
        connector = self._connector
        with connector.discovering():
            there = connector.discover_tables(
                owner=owner, views=views or names is not None, all=all
            )
            own = with_default_owner(connector, owner)
            found = {
                (own(each["owner"]), each["name"]): each["type"] == "view"
                for each in there
                if names is None or each["name"] in names
            }
            _refuse_missing(names, {name for _, name in found}, [each["name"] for each in there])
            tables = self._tables(found)
            by_model = relate(tables.values(), self._map) if relations else {}
        paths = paths_of(table.model for table in tables.values())
        return [
            self._document(table, paths[table.model], by_model.get(table.model, {}))
            for table in tables.values()
        ]

    # Tables

    def _tables(
        self, places: Mapping[tuple[str | None, str], bool]
    ) -> dict[tuple[str | None, str], Table]:
        names = names_of_models()
        tables = {}
        for (owner, name), is_view in places.items():
            model = names.give(self._map("table", name))
            table = tables[owner, name] = self._table(name, owner, is_view, model)
            if not is_view:
                table.keys = self._keys(name, owner)
                table.unique_keys = self._connector.discover_unique_keys(name, owner)
        for table in tables.values():
            for key in table.keys:
                key.target = tables.get((key.owner, key.table))
        return tables

    def _table(self, name: str, owner: str | None, is_view: bool, model: str) -> Table:
        columns = self._connector.discover_columns(name, owner)
        names = Names()
        properties = {
            each["columnName"]: names.give(self._map("column", each["columnName"]))
            for each in columns
        }
        return Table(name, owner, is_view, columns, model, properties)

    def _keys(self, table: str, owner: str | None) -> list[Key]:
        own = with_default_owner(self._connector, owner)
        rows = self._connector.discover_foreign_keys(table, owner)
        return [
            Key(
                columns=[row["fkColumnName"] for row in group],
                table=group[0]["pkTableName"],
                owner=own(group[0]["pkOwner"]),
                referred=[row["pkColumnName"] for row in group],
            )
            for group in _grouped(rows)
        ]

    # Documents

    def _in_seeds_shape(self, table: Table, relations: Mapping[str, Any] | None = None) -> Document:
        backend = self._connector.name
        options: dict[str, Any] = {"idInjection": False, backend: self._place(table)}
        if relations:
            options["relations"] = relations
        properties = {
            table.properties[each["columnName"]]: dict(each["property"]) for each in table.columns
        }
        return {"name": table.model, "options": options, "properties": properties}

    def _document(self, table: Table, path: str, relations: Mapping[str, Any]) -> Document:
        options: dict[str, Any] = {"plural": path}
        if not table.ids:
            options["idInjection"] = False
        options[self._connector.name] = self._place(table)
        if not table.ids or table.is_view:
            options["remoting"] = READING
        properties = {
            table.properties[each["columnName"]]: self._property(table, each)
            for each in table.columns
        }
        document = {
            "name": table.model,
            "base": "PersistedModel",
            "options": options,
            "properties": properties,
        }
        return {**document, "relations": dict(relations)} if relations else document

    def _place(self, table: Table) -> dict[str, Any]:
        place: dict[str, Any] = {"schema": table.owner} if table.owner else {}
        place["table"] = str(table.name)
        if getattr(table.name, "quote", False):
            place["quoted"] = True
        return place

    def _property(self, table: Table, column: Mapping[str, Any]) -> dict[str, Any]:
        """A property without what follows from the rest; blank values are as good as others."""
        backend = self._connector.name
        written = dict(column["property"])
        is_required = written.pop("required", False)
        if table.is_view:
            for key in ("default", "defaultFn", "generated"):
                written.pop(key, None)
        elif is_required and "id" not in written:
            written["nullable"] = False
        if written["type"] == "Buffer" and "length" in written:
            written["maxLength"] = written.pop("length")  # of bytes a length is a size on disk
        own = dict(written.pop(backend, {}))
        own.pop("nullable", None)
        implied = {
            "columnName": python_name(table.properties[column["columnName"]]),
            "dataLength": written.get("length", written.get("maxLength")),
            "dataPrecision": written.get("precision"),
            "dataScale": written.get("scale"),
        }
        own = {key: value for key, value in own.items() if implied.get(key) != value}
        return {**written, backend: own} if own else written


def schema_of_seed(name: Any, owner: Any) -> tuple[str, str | None]:
    """A table's name and owner, from arguments in LoopBack's order or in the seed's.

    :param name: the name, or None where the owner stands first.
    :param owner: the owner, options with an ``owner`` or ``schema``, or the name.
    :raises TypeError: where no table is named.
    """
    if name is None and isinstance(owner, str):
        name, owner = owner, None
    if isinstance(owner, Mapping):
        owner = owner.get("owner") or owner.get("schema")
    if not isinstance(name, str):
        raise TypeError(f"name the table that is to be discovered, not {name!r}")
    return name, owner


def with_default_owner(connector: Connector, owner: str | None) -> Any:
    """A function that gives an owner as definitions have it: None where it is the connection's own.

    :param owner: one that was asked for, and so is named.
    """
    default = connector.default_owner()

    def given(found: str | None) -> str | None:
        return None if found == default and found != owner else found

    return given


def _grouped(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The rows of each foreign key."""
    for _, group in groupby(rows, key=lambda row: row["fkName"]):
        yield list(group)


def _refuse_missing(names: Iterable[str] | None, found: set[str], there: Iterable[str]) -> None:
    for name in names or ():
        if name not in found:
            raise DefinitionError(f"there is no table or view {name!r}{nearest(name, there)}")
