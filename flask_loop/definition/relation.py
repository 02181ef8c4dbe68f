"""RelationDefinition: one relation of a model, and how its records are linked to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError

if TYPE_CHECKING:
    from .model import ModelDefinition

BELONGS_TO = "belongs_to"
HAS_MANY = "has_many"
HAS_ONE = "has_one"
HAS_AND_BELONGS_TO_MANY = "has_and_belongs_to_many"
EMBEDS_ONE = "embeds_one"
EMBEDS_MANY = "embeds_many"
REFERENCES_MANY = "references_many"
#: The kinds of relations.
KINDS = (
    BELONGS_TO,
    HAS_MANY,
    HAS_ONE,
    HAS_AND_BELONGS_TO_MANY,
    EMBEDS_ONE,
    EMBEDS_MANY,
    REFERENCES_MANY,
)
#: The kinds by the names of their annotations in class bodies.
ANNOTATIONS = {
    "BelongsTo": BELONGS_TO,
    "HasMany": HAS_MANY,
    "HasOne": HAS_ONE,
    "HasAndBelongsToMany": HAS_AND_BELONGS_TO_MANY,
    "EmbedsOne": EMBEDS_ONE,
    "EmbedsMany": EMBEDS_MANY,
    "ReferencesMany": REFERENCES_MANY,
}
_MANY = frozenset({HAS_MANY, HAS_AND_BELONGS_TO_MANY, EMBEDS_MANY, REFERENCES_MANY})
_EMBEDDED = frozenset({EMBEDS_ONE, EMBEDS_MANY})


@dataclass(frozen=True, slots=True)
class Link:
    """How records lead to those of another model: by equal values of properties.

    :ivar definition: the other model.
    :ivar own: the names of properties here.
    :ivar theirs: the names of properties there, in the same order.
    :ivar listed: whether the one property here has a list, each of whose values leads to a record.
    """

    definition: ModelDefinition
    own: tuple[str, ...]
    theirs: tuple[str, ...]
    listed: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A constraint that a database shall keep.

    :ivar names: the properties that hold the key.
    :ivar target: the model whose records it names.
    :ivar target_names: the properties there, in the same order.
    :ivar on_delete: ``cascade``, ``restrict``, ``set_null``, or None.
    """

    names: tuple[str, ...]
    target: ModelDefinition
    target_names: tuple[str, ...]
    on_delete: str | None = None


@dataclass(frozen=True, slots=True)
class Dependent:
    """What becomes of another model's records when one that they name is deleted.

    :ivar relation: the relation that says so.
    :ivar definition: the model of the records that hold the key.
    :ivar foreign_key: the names of the properties that hold it.
    :ivar primary_key: the names of the properties of the deleted record that it equals.
    :ivar fixed: values that other properties of theirs have, in polymorphic relations.
    :ivar on_delete: ``cascade``, ``restrict`` or ``set_null``.
    :ivar constraint: whether a database that keeps constraints sees to it as well.
    """

    relation: RelationDefinition
    definition: ModelDefinition
    foreign_key: tuple[str, ...]
    primary_key: tuple[str, ...]
    fixed: tuple[tuple[str, Any], ...]
    on_delete: str
    constraint: bool


@dataclass(frozen=True, slots=True)
class RelationOptions:
    """What was written of a relation.

    :ivar model: the other model: its class or its name; several, or None, of a polymorphic one.
    :ivar foreign_key: the names of the properties that hold the key, in either spelling.
    :ivar primary_key: the names of the properties that it equals; the id where not given.
    :ivar through: the model of the rows that link both.
    :ivar key_through: the names of the properties there that hold the other model's key.
    :ivar polymorphic: the name that begins the names of both keys; True for the relation's own.
    :ivar discriminator: the name of the property with the model's name, of a polymorphic relation.
    :ivar scope: a filter that the related records match.
    :ivar properties: values that records created through the relation get.
    :ivar property: the own property that holds embedded records, or a list of keys.
    :ivar on_delete: what becomes of the records that hold the key.
    :ivar constraint: whether the database shall have a foreign key constraint.
    :ivar required: whether the key must be given.
    :ivar nested: whether a write of a record may have related ones in it.
    :ivar nest_remoting: whether the other model's relations have routes below this one's.
    :ivar disable_include: whether it cannot be included.
    :ivar http_path: the path of its routes below the record's, where it is not the name.
    :ivar description: a sentence for the documentation.
    """

    model: Any = None
    foreign_key: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()
    through: Any = None
    key_through: tuple[str, ...] = ()
    polymorphic: str | bool | None = None
    discriminator: str | None = None
    scope: Mapping[str, Any] | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    property: str | None = None
    on_delete: str | None = None
    constraint: bool = False
    required: bool = False
    nested: bool = False
    nest_remoting: bool = False
    disable_include: bool = False
    http_path: str | None = None
    description: str | None = None


class RelationDefinition:
    """One relation of a model. What it leads to is known once it is resolved.

    :param name: its Python name.
    :param wire: its name on the wire.
    :param kind: one of :data:`KINDS`.
    :param owner: the model that declares it.
    :param options: what was written of it.

    :ivar target: the other model; None where it differs from record to record.
    :ivar links: the way there: none of embedded and of polymorphic owners, two through a model.
    :ivar through: the model of the rows that link both.
    :ivar property: the own property that holds embedded records, or a list of keys.
    :ivar foreign_key: the properties that hold the key: own ones of ``belongs_to``, else those of
        the target, or of the model that it goes through.
    :ivar primary_key: the properties that it equals; of a polymorphic ``belongs_to`` see
        :meth:`primary_key_of`.
    :ivar discriminator: the property with the model's name, beside the key.
    :ivar fixed: values that the related records have, by name, which tell them from those of
        others.
    :ivar find_target: gives the model that a discriminator's value names, or None.
    """

    def __init__(
        self, name: str, wire: str, kind: str, owner: ModelDefinition, options: RelationOptions
    ) -> None:
        self.name, self.wire, self.kind, self.owner = name, wire, kind, owner
        self.options = options
        self.target: ModelDefinition | None = None
        self.links: tuple[Link, ...] = ()
        self.through: ModelDefinition | None = None
        self.property: str | None = None
        self.foreign_key: tuple[str, ...] = ()
        self.primary_key: tuple[str, ...] = ()
        self.discriminator: str | None = None
        self.fixed: Mapping[str, Any] = {}
        self.find_target: Callable[[Any], Any] = lambda type_name: None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.owner.name}.{self.name}>"

    @property
    def is_many(self) -> bool:
        """Whether it leads to any number of records."""
        return self.kind in _MANY

    @property
    def is_embedded(self) -> bool:
        """Whether the related records are inside the record."""
        return self.kind in _EMBEDDED

    @property
    def is_through(self) -> bool:
        """Whether rows of a third model link both."""
        return self.through is not None

    @property
    def is_polymorphic_owner(self) -> bool:
        """Whether the other model differs from record to record."""
        return self.kind == BELONGS_TO and self.discriminator is not None

    def primary_key_of(self, target: ModelDefinition) -> tuple[str, ...]:
        """The properties that the key of ``belongs_to`` equals, of one of its models.

        :raises DefinitionError: where the model has no such property.
        """
        if not self.is_polymorphic_owner:
            return self.primary_key
        found = [target.find(name) for name in self.options.primary_key]
        if None in found:
            missing = self.options.primary_key[found.index(None)]
            raise DefinitionError(
                f"{self.owner.name}.{self.name}: {target.name} has no property {missing!r}"
            )
        return tuple(each.name for each in found or target.ids if each is not None)

    @property
    def target_model(self) -> Any:
        """The class of the other model.

        :raises DefinitionError: where it is gone, or differs from record to record.
        """
        model = None if self.target is None else self.target.model
        if model is None:
            raise DefinitionError(f"the model that {self.owner.name}.{self.name} leads to is gone")
        return model

    @property
    def http_path(self) -> str:
        """The path of its routes below the record's."""
        return "/" + (self.options.http_path or self.wire).strip("/")
