"""DiscoversModels: what data sources have of discovery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from ..connectors import Connector
from .documents import Document, Schemas, schema_of_seed
from .models import build_models
from .names import NameMapper


class DiscoversModels(ABC):
    """The methods of a data source that look at the tables that are there."""

    @property
    @abstractmethod
    def connector(self) -> Connector:
        """The connector, as this caller has it."""

    @abstractmethod
    def keep(self, model: type[Any]) -> None:
        """Attach a model, and hold it until another one of its name is kept."""

    def discover_model_definitions(
        self,
        options_or_owner: Mapping[str, Any] | str | None = None,
        *,
        owner: str | None = None,
        views: bool = True,
        all: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """The tables and views that there are, by name.

        :param options_or_owner: the owner, or the other arguments in a dict, as LoopBack has them.
        :param owner: the schema; the connection's own where None.
        :param views: whether views are among them.
        :param all: those of all schemas.
        :param limit: how many at most.
        :param offset: how many are left out at the beginning.
        :returns: ``type`` (``"table"`` or ``"view"``), ``name`` and ``owner`` of each.
        :raises DefinitionError: where the connector discovers nothing.
        """
        options: dict[str, Any] = {
            "owner": owner,
            "views": views,
            "all": all,
            "limit": limit,
            "offset": offset,
        }
        if isinstance(options_or_owner, str):
            options["owner"] = options_or_owner
        elif options_or_owner is not None:
            given = dict(options_or_owner)
            if "schema" in given:
                given["owner"] = given.pop("schema")
            for key in given.keys() - options.keys():
                raise TypeError(f"discover_model_definitions has no option {key!r}")
            options.update(given)
        return self.connector.discover_tables(**options)

    def discover_schema(
        self,
        name: str | None,
        owner: Mapping[str, Any] | str | None = None,
        *,
        name_mapper: NameMapper | None = None,
    ) -> Document:
        """The definition of a table or view, as LoopBack has it in JSON.

        :param name: its name; ``discover_schema(None, "PRODUCT")`` is taken, too.
        :param owner: the schema that it is in, or a dict with it under ``owner`` or ``schema``.
        :param name_mapper: gives the names of the model and its properties; camel case where None.
        :raises DefinitionError: where there is no such table.

        ::

            Product = db.create_model(db.discover_schema("PRODUCT"))
        """
        name, owner = schema_of_seed(name, owner)
        return Schemas(self.connector, name_mapper).one(name, owner)

    def discover_schemas(
        self,
        name: str | None,
        owner: Mapping[str, Any] | str | None = None,
        *,
        name_mapper: NameMapper | None = None,
    ) -> dict[str, Document]:
        """The definitions of a table and of all those that its foreign keys lead to.

        :param name: as in :meth:`discover_schema`, and so are the others.
        :returns: ``owner.table``, or the table's name alone, → the definition, with the relations
            that the keys are under ``options``.
        """
        name, owner = schema_of_seed(name, owner)
        return Schemas(self.connector, name_mapper).related(name, owner)

    def discover_primary_keys(self, table: str, owner: str | None = None) -> list[dict[str, Any]]:
        """The columns of a table's primary key, in its order.

        :returns: ``owner``, ``tableName``, ``columnName``, ``keySeq`` and ``pkName`` of each.
        """
        return self.connector.discover_primary_keys(table, owner)

    def discover_foreign_keys(self, table: str, owner: str | None = None) -> list[dict[str, Any]]:
        """The columns of a table's foreign keys.

        :returns: ``fkOwner``, ``fkName``, ``fkTableName``, ``fkColumnName``, ``keySeq``,
            ``pkOwner``, ``pkName``, ``pkTableName`` and ``pkColumnName`` of each.
        """
        return self.connector.discover_foreign_keys(table, owner)

    def discover_exported_foreign_keys(
        self, table: str, owner: str | None = None
    ) -> list[dict[str, Any]]:
        """The columns of the foreign keys that refer to a table, likewise."""
        return self.connector.discover_exported_foreign_keys(table, owner)

    def discover_and_build_models(
        self,
        name: str | Iterable[str] | None = None,
        owner: str | None = None,
        *,
        relations: bool = True,
        views: bool = True,
        all: bool = False,
        name_mapper: NameMapper | None = None,
    ) -> dict[str, type[Any]]:
        """Make the models of tables that are there, attached, with their relations.

        :param name: the table, or several; all where None.
        :param owner: the schema that they are in; the connection's own where None.
        :param relations: whether foreign keys become relations, in both directions.
        :param views: whether there are models of views. They are read only.
        :param all: those of all schemas.
        :param name_mapper: gives the names of models, properties and relations; camel case where
            None.
        :returns: the models by name. The data source holds them.
        :raises DefinitionError: naming a table that there is not.

        ::

            for model in db.discover_and_build_models().values():
                loop.model(model)
        """
        names = [name] if isinstance(name, str) else name
        schemas = Schemas(self.connector, name_mapper)
        documents = schemas.every(names, owner=owner, relations=relations, views=views, all=all)
        models = build_models(documents)
        for model in models.values():
            self.keep(model)
        for model in models.values():
            model.definition.resolve()
        return models
