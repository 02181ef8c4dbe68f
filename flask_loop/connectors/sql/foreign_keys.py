"""Foreign key constraints: what models ask for, as constraints of their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import sqlalchemy as sa

from ...definition import ForeignKey, ModelDefinition
from ...errors import DefinitionError
from .tables import ModelTable

#: A restriction is what a constraint is anyway; RESTRICT would also hold for what goes as well.
_ON_DELETE = {"cascade": "CASCADE", "set_null": "SET NULL"}

FindTable = Callable[[ModelDefinition], ModelTable]


def constrained(
    model_table: ModelTable,
    keys: Iterable[ForeignKey],
    find: FindTable,
    metadata: sa.MetaData | None = None,
) -> sa.Table:
    """A copy of a model's table with its constraints, which hold at the end of each statement.

    :param keys: the constraints that the model asks for.
    :param find: gives the tables of the models that they name.
    :param metadata: where the copy goes, and copies of the tables that it names; a new one where
        None.
    :raises DefinitionError: where nothing makes what one names unique.
    """
    metadata = sa.MetaData() if metadata is None else metadata
    table = _copied(model_table, metadata)
    for key in keys:
        other = find(key.target)
        there = _copied(other, metadata)
        columns = _names(model_table, key.names)
        theirs = _names(other, key.target_names)
        if not any(set(theirs) == set(unique) for unique in other.unique_columns()):
            raise DefinitionError(
                f"{model_table.definition.name} cannot have a foreign key to "
                f"{key.target.name}.{', '.join(key.target_names)}, which is not unique"
            )
        table.append_constraint(
            sa.ForeignKeyConstraint(
                columns,
                [there.c[name] for name in theirs],
                name=constraint_name(model_table, key),
                ondelete=_ON_DELETE.get(key.on_delete or ""),
            )
        )
    return table


def constraint_name(model_table: ModelTable, key: ForeignKey) -> str:
    """The name of a constraint of a model's table."""
    columns = "__".join(_names(model_table, key.names))
    return model_table.dialect.short_name(f"{model_table.index_prefix()}{columns}{SUFFIX}")


def metadata_of(
    tables: Iterable[ModelTable],
    keys_of: Callable[[ModelTable], Iterable[ForeignKey]],
    find: FindTable,
) -> sa.MetaData:
    """Copies of models' tables with their indexes and constraints.

    :param keys_of: gives the constraints that a model asks for.
    :param find: gives the tables of the models that these name, of which there are copies too.
    """
    metadata = sa.MetaData()
    for each in tables:
        table = constrained(each, keys_of(each), find, metadata)
        each.indexes(table)
    return metadata


#: What the names of our constraints end with.
SUFFIX = "__fk"


def in_order(definitions: Iterable[ModelDefinition]) -> list[ModelDefinition]:
    """Models in an order in which those that a constraint names come first, as far as it can be."""
    wanted = list(definitions)
    found: dict[ModelDefinition, None] = {}
    started: set[ModelDefinition] = set()

    def visit(definition: ModelDefinition) -> None:
        if definition not in started:
            started.add(definition)
            for key in definition.foreign_keys:
                visit(key.target)
            found[definition] = None

    for each in wanted:
        visit(each)
    chosen = set(wanted)
    return [each for each in found if each in chosen]


def referring(
    definition: ModelDefinition, known: Iterable[ModelDefinition]
) -> Iterator[tuple[ModelDefinition, ForeignKey]]:
    """The models whose records a constraint binds to those of a model."""
    others = dict.fromkeys([*known, *(each.definition for each in definition.dependents)])
    for other in others:
        for key in other.foreign_keys:
            if key.target is definition:
                yield other, key


def foreign_keys_of(table: sa.Table) -> list[sa.ForeignKeyConstraint]:
    """The constraints of a table, by name."""
    return sorted(table.foreign_key_constraints, key=lambda each: str(each.name))


def _copied(model_table: ModelTable, metadata: sa.MetaData) -> sa.Table:
    there = metadata.tables.get(model_table.table.key)
    return model_table.table.to_metadata(metadata) if there is None else there


def _names(model_table: ModelTable, names: Sequence[str]) -> list[str]:
    return [column.name for column in model_table.columns_of(names)]
