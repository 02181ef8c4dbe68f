"""From the relationships of a mapped class to the relations of its model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.sql import operators

from ..connectors.sql.host_tables import OPTIONS, Mapped, target_of
from ..definition import RESERVED, ForeignKey
from ..errors import DefinitionError

if TYPE_CHECKING:
    from .models import Models

Pairs = Sequence[tuple[Any, Any]]


def relate(models: Models, model: Any, target: type, options: Mapping[str, Any]) -> None:
    """Declare what a class's relationships mean.

    Those that only look, and those whose join says more than that keys are equal, mean none.

    :param models: gives the models that they lead to.
    :param model: the class's model.
    :param target: the class.
    :param options: those of the model; relationships in ``exclude`` are left out.
    :raises DefinitionError: naming one that leads to what cannot be a model.
    """
    mapper: orm.Mapper[Any] = orm.class_mapper(target)
    for each in mapper.relationships:
        if each.key in options.get("exclude", ()) or each.viewonly or not _joins_keys(each):
            continue
        try:
            _declare(models, model, each)
        except _LeadsNowhere:
            raise
        except DefinitionError as error:
            raise _LeadsNowhere(
                f"{target.__name__}.{each.key}: {error}; Model.from_sqlalchemy({target.__name__}, "
                f"…, exclude=[{each.key!r}]) leaves the relationship out"
            ) from None
    model.definition.resolve()


class _LeadsNowhere(DefinitionError):
    """A relationship leads to what cannot be a model; which one is said already."""


def _declare(models: Models, model: Any, relationship: orm.RelationshipProperty[Any]) -> None:
    other = models.find(relationship.mapper.class_)
    name = f"{relationship.key}_" if relationship.key in RESERVED else relationship.key
    declare: Callable[..., None]
    if relationship.direction is orm.RelationshipDirection.MANYTOMANY:
        declare, written = _through(models, model, other, relationship)
    elif relationship.direction is orm.RelationshipDirection.MANYTOONE:
        declare, written = model.belongs_to, _belonging(model, other, relationship)
    else:
        declare = model.has_many if relationship.uselist else model.has_one
        written = _having(model, other, relationship)
    if written is not None:
        declare(name, model=other, **written)


def _belonging(
    model: Any, other: Any, relationship: orm.RelationshipProperty[Any]
) -> dict[str, Any] | None:
    pairs = _pairs_of(relationship)
    own, theirs = _names(model, (pair[0] for pair in pairs)), _names(other, (p[1] for p in pairs))
    if own is None or theirs is None:
        return None
    columns = {column for column, _ in pairs}
    constraints = relationship.parent.local_table.foreign_key_constraints  # type: ignore[attr-defined]
    if any(set(each.columns) == columns for each in constraints):
        # What becomes of records that name others is said on the other side, if at all.
        key = ForeignKey(tuple(own), other.definition, tuple(theirs))
        model.definition.add_foreign_key(key)
    return {"foreign_key": own, "primary_key": theirs}


def _having(
    model: Any, other: Any, relationship: orm.RelationshipProperty[Any]
) -> dict[str, Any] | None:
    pairs = _pairs_of(relationship)
    own, theirs = _names(model, (pair[0] for pair in pairs)), _names(other, (p[1] for p in pairs))
    if own is None or theirs is None:
        return None
    definition = other.definition
    is_said = any(
        each.definition is definition and each.foreign_key == tuple(theirs)
        for each in model.definition.dependents
    )
    nullable = all(definition.properties[name].nullable for name in theirs)
    on_delete = None if is_said else _on_delete(relationship, nullable=nullable)
    return {"foreign_key": theirs, "primary_key": own, "on_delete": on_delete}


def _on_delete(relationship: orm.RelationshipProperty[Any], *, nullable: bool) -> str | None:
    """What SQLAlchemy does with the objects that name one which is deleted."""
    if relationship.cascade.delete:
        return "cascade"
    if relationship.passive_deletes:
        return None  # which is left to the database
    return "set_null" if nullable else "restrict"


def _through(
    models: Models, model: Any, other: Any, relationship: orm.RelationshipProperty[Any]
) -> tuple[Callable[..., None], dict[str, Any] | None]:
    """A relation through a table, which has a class of its own or none."""
    table = relationship.secondary
    if not isinstance(table, sa.Table):
        return model.has_and_belongs_to_many, None
    of_class = next(
        (
            each.class_
            for each in relationship.parent.registry.mappers
            if each.local_table is table and each.inherits is None
        ),
        None,
    )
    middle = models.find(table if of_class is None else of_class)
    own = _ordered(model, middle, relationship.synchronize_pairs)
    theirs = _ordered(other, middle, relationship.secondary_synchronize_pairs or ())
    declare = model.has_and_belongs_to_many if of_class is None else model.has_many
    if own is None or theirs is None:
        return declare, None
    return declare, {"through": middle, "foreign_key": own, "key_through": theirs}


def _ordered(model: Any, middle: Any, pairs: Pairs) -> list[str] | None:
    """The properties of the table between that hold a model's id, in the order of its parts."""
    by_name = {}
    for column, there in pairs:
        own, theirs = _names(model, [column]), _names(middle, [there])
        if own is None or theirs is None:
            return None
        by_name[own[0]] = theirs[0]
    ids = [each.name for each in model.definition.ids]
    return [by_name[name] for name in ids] if set(ids) == set(by_name) else None


def _pairs_of(relationship: orm.RelationshipProperty[Any]) -> Pairs:
    return list(relationship.local_remote_pairs or ())


def _names(model: Any, columns: Iterable[Any]) -> list[str] | None:
    """The properties of a model that are some columns; None where one is no property."""
    definition = model.definition
    mapped = Mapped.of(target_of(definition))
    found = {
        mapped.columns[each.options.get(OPTIONS, {}).get("attribute", each.name)]: each.name
        for each in definition.properties.values()
    }
    names = [found.get(column) for column in columns]
    return None if None in names else [name for name in names if name is not None]


def _joins_keys(relationship: orm.RelationshipProperty[Any]) -> bool:
    """Whether all that a join says is that keys are equal."""
    joins = [relationship.primaryjoin, relationship.secondaryjoin]
    return all(_is_equality(part) for join in joins if join is not None for part in _parts(join))


def _parts(join: Any) -> Iterable[Any]:
    if isinstance(join, sa.BooleanClauseList) and join.operator is operators.and_:
        return [part for clause in join.clauses for part in _parts(clause)]
    return [join]


def _is_equality(part: Any) -> bool:
    return (
        isinstance(part, sa.BinaryExpression)
        and part.operator is operators.eq
        and all(isinstance(side, sa.Column) for side in (part.left, part.right))
    )
