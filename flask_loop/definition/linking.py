"""Linking: what a declared relation leads to, and the keys that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import inflection

from ..errors import DefinitionError
from ..types import AnyValue, Array, Integer, PropertyType, String
from .declarations import Declaration, snake
from .embedding import Embedded
from .keys import default_keys, find_property, length_of, made_property, refuse_other_type
from .naming import unfit_property_name
from .property import Property
from .registry import Registry
from .relation import (
    BELONGS_TO,
    EMBEDS_MANY,
    HAS_AND_BELONGS_TO_MANY,
    REFERENCES_MANY,
    Dependent,
    ForeignKey,
    Link,
    RelationDefinition,
)

if TYPE_CHECKING:
    from .model import ModelDefinition

#: Says of a model whether it is used.
About = Callable[[Any], bool]
MakeModel = Callable[[str, Mapping[str, Any], Mapping[str, Any]], Any]

#: What bounds the property with a model's name, as databases index only texts that are bounded.
_MODEL_NAME = {"max_length": 255}


class Linking:
    """Finds what one declaration leads to, and makes the keys that are missing.

    :param relation: the relation, without what is found here.
    :param declared: what was written of it.
    :param settle: resolves what other definitions declare.
    :param make_model: makes a model from dicts.
    :param about: says of a model whether it is used, so that what it is related to is there.
    """

    def __init__(
        self,
        relation: RelationDefinition,
        declared: Declaration,
        *,
        settle: Callable[[ModelDefinition], object],
        make_model: MakeModel,
        about: About,
    ) -> None:
        self.relation, self.declared = relation, declared
        self._settle, self._make_model, self._about = settle, make_model, about
        self.owner, self.options = relation.owner, relation.options
        self.name = relation.name

    def run(self) -> None:
        """Complete the relation.

        :raises DefinitionError: where it leads to no model, or keys do not fit.
        """
        relation, kind = self.relation, self.relation.kind
        if kind == BELONGS_TO and self._is_polymorphic():
            self._polymorphic_owner()
            return
        relation.target = self._target()
        self.owner.hold(relation.target.model)
        if relation.is_embedded:
            self._embeds()
        elif kind == BELONGS_TO:
            self._belongs_to()
        elif kind == REFERENCES_MANY:
            self._references_many()
        elif kind == HAS_AND_BELONGS_TO_MANY or self.options.through is not None:
            self._through()
        else:
            self._has()

    # Which model

    def _is_polymorphic(self) -> bool:
        if self.options.polymorphic is not None or self.options.discriminator is not None:
            return True
        return len(self._written()) > 1

    def _written(self) -> Sequence[Any]:
        """What stands for the other models: classes or names."""
        if self.declared.annotation is not None:
            return _alternatives(self.declared.annotation.understand())
        model = self.options.model
        if model is None:
            return ()
        return model if isinstance(model, tuple) else (model,)

    def _target(self) -> ModelDefinition:
        written = self._written()
        if len(written) > 1:
            raise DefinitionError("leads to one model, not to several")
        model = self._model(written[0]) if written else self._model_called_so()
        if self.declared.annotation is not None:
            self.declared.annotation.fix([model])
        return self._definition(model)

    def _model(self, written: Any) -> Any:
        if isinstance(written, str):
            return self._named(written)
        if isinstance(written, ref):
            written = written()
        if not hasattr(written, "__loop_model__"):
            raise DefinitionError(f"{written!r} is no model")
        return written

    def _model_called_so(self) -> Any:
        """The model that the relation's own name means: ``chapters`` is of ``Chapter``."""
        name = inflection.singularize(self.name) if self.relation.is_many else self.name
        return self._named(name)

    def _named(self, name: str) -> Any:
        """The model of a name.

        Where an application factory defines its models again, those that its older ones are
        related to are meant last: of the same name there will be another one.
        """
        models, owner = self.declared.models, self.owner.model
        found: list[Any] = models.find_all(name, beside=owner)
        taken = self._taken_by_older()
        others = [each for each in found if each not in taken]
        near = [each for each in others if each.data_source is owner.data_source]
        is_final = self._about(owner) or any(map(self._about, near))
        if not is_final:
            # What an annotation names is looked for in its scope again, when all is defined.
            others = [] if self.declared.annotation is not None else near
        if len(others) == 1:
            return others[0]
        if found and not others and not is_final:
            raise DefinitionError(f"the model {name!r} may be another one, which is defined later")
        return models.find(name, beside=owner)

    def _taken_by_older(self) -> list[Any]:
        """The models that this relation leads to from older models of the owner's name."""
        owner = self.owner.model
        taken = []
        for each in self.declared.models.named(owner.__name__):
            known = None if each is owner else each.__dict__.get("_definition")
            relation = known and known.relations.get(self.name)
            if relation and each.__qualname__ == owner.__qualname__:
                taken += [end.model for end in (relation.target, relation.through) if end]
        return taken

    def _definition(self, model: Any) -> ModelDefinition:
        if "__loop_model__" in model.__dict__:
            raise DefinitionError("leads to a model of yours, not to Model itself")
        definition: ModelDefinition = model.definition
        return definition

    # Each kind

    def _belongs_to(self) -> None:
        target = self._the_target
        primary = self._primary_key(target)
        wanted = self.options.foreign_key or default_keys(snake(self.name), primary)
        foreign = self._keys(self.owner, wanted, target, primary, required=self.options.required)
        self.relation.foreign_key, self.relation.primary_key = foreign, primary
        self.relation.links = (Link(target, foreign, primary),)
        self._depend(target, self.owner, foreign, primary)

    def _has(self) -> None:
        target = self._the_target
        primary = self._primary_key(self.owner)
        if self._is_polymorphic():
            base = self._polymorphic_name(self.name)
            wanted = self.options.foreign_key or (f"{base}_id",)
            discriminator = self._discriminator(target, base)
            self.relation.discriminator = discriminator
            self.relation.fixed = {discriminator: self.owner.name}
        else:
            wanted = self.options.foreign_key or self._keys_to_owner(target, primary)
        foreign = self._keys(target, wanted, self.owner, primary)
        self.relation.foreign_key, self.relation.primary_key = foreign, primary
        self.relation.links = (Link(target, primary, foreign),)
        self._depend(self.owner, target, foreign, primary)

    def _through(self) -> None:
        target, primary = self._the_target, self._primary_key(self.owner)
        through = self._through_model()
        self._settle(through)
        to_owner = self.options.foreign_key or self._keys_of(through, self.owner, primary)
        theirs = tuple(each.name for each in target.ids)
        to_target = self.options.key_through or _keys_named(through, target, theirs)
        if tuple(to_owner) == tuple(to_target):
            raise DefinitionError(
                f"both keys of {through.name} would be {', '.join(to_owner)}; give foreign_key and "
                "key_through"
            )
        foreign = self._keys(through, to_owner, self.owner, primary)
        key_through = self._keys(through, to_target, target, theirs)
        _refuse_other_key(through, self.owner, foreign, primary)
        _refuse_other_key(through, target, key_through, theirs)
        relation = self.relation
        relation.through = through
        relation.foreign_key, relation.primary_key = foreign, primary
        relation.links = (Link(through, primary, foreign), Link(target, key_through, theirs))
        self._depend(self.owner, through, foreign, primary)
        if relation.kind == HAS_AND_BELONGS_TO_MANY:
            self._depend(target, through, key_through, theirs)

    def _references_many(self) -> None:
        target = self._the_target
        if len(target.ids) != 1:
            raise DefinitionError(f"the id of {target.name} is several properties")
        given = self.options.property or "".join(self.options.foreign_key)
        name = given or f"{inflection.singularize(snake(self.name))}_ids"
        found = find_property(self.owner, name)
        if found is None:
            kind = Array(target.id.type)
            found = self._add(self.owner, made_property(self.owner, name, kind, default=[]))
        elif not isinstance(found.type, Array):
            raise DefinitionError(f"{found.name} is no list")
        else:
            refuse_other_type(self.owner, found, found.type.item, target.id.type)
        relation, ids = self.relation, (target.id.name,)
        relation.property, relation.foreign_key, relation.primary_key = found.name, (), ids
        relation.links = (Link(target, (found.name,), ids, listed=True),)

    def _embeds(self) -> None:
        target = self._the_target
        name = self.options.property or f"_{self.name}"
        found = find_property(self.owner, name)
        if found is None:
            is_many = self.relation.kind == EMBEDS_MANY
            kind: PropertyType = Embedded(lambda: target)
            kind = Array(kind) if is_many else kind
            made = made_property(self.owner, name, kind, index=False)
            found = self._add(self.owner, replace(made, default=[]) if is_many else made)
        self.relation.property = found.name

    def _polymorphic_owner(self) -> None:
        base = self._polymorphic_name(self.name)
        allowed = [self._model(each) for each in self._written()]
        if allowed and self.declared.annotation is not None:
            self.declared.annotation.fix(allowed)
        for model in allowed:
            self.owner.hold(model)
        name = "".join(self.options.foreign_key) or f"{base}_id"
        foreign = find_property(self.owner, name)
        if foreign is None:
            kinds = [self._definition(each).id.type for each in allowed] or [Integer()]
            if len({type(each) for each in kinds}) > 1:
                raise DefinitionError(f"the ids are of several types; declare the property {name}")
            foreign = self._add(self.owner, made_property(self.owner, name, kinds[0]))
        if foreign.made:
            # The other side of the relation may have made it, which knows one of the models alone.
            self._bound(self.owner, foreign, *(self._definition(each).id for each in allowed))
        relation, models, owner = self.relation, self.declared.models, self.owner
        relation.discriminator = self._discriminator(self.owner, base, allowed)
        relation.foreign_key = (foreign.name,)
        relation.find_target = _finder(models, owner, allowed, partial(_fits, relation, foreign))

    # Keys

    @property
    def _the_target(self) -> ModelDefinition:
        assert self.relation.target is not None  # noqa: S101 - every kind that comes here has one
        return self.relation.target

    def _polymorphic_name(self, default: str) -> str:
        given = self.options.polymorphic
        return given if isinstance(given, str) else snake(default)

    def _discriminator(
        self, holder: ModelDefinition, base: str, allowed: Iterable[Any] = ()
    ) -> str:
        """The name of the property that says of which model a record is.

        :param allowed: the models that it may say, where not all.
        """
        name = self.options.discriminator or f"{base}_type"
        found = find_property(holder, name) or self._add(
            holder, made_property(holder, name, String(), constraints=_MODEL_NAME)
        )
        names = tuple(each.__name__ for each in allowed)
        if names and found.made:
            # The other side of the relation may have made it, which does not know them.
            holder.add_property(replace(found, constraints={**_MODEL_NAME, "enum": names}))
        return found.name

    def _primary_key(self, holder: ModelDefinition) -> tuple[str, ...]:
        """The properties that a key equals, by Python name."""
        if not self.options.primary_key:
            if not holder.ids:
                raise DefinitionError(f"{holder.name} has no id")
            return tuple(each.name for each in holder.ids)
        found = [find_property(holder, name) for name in self.options.primary_key]
        if None in found:
            missing = self.options.primary_key[found.index(None)]
            raise DefinitionError(f"primary_key: {holder.name} has no property {missing!r}")
        return tuple(each.name for each in found if each is not None)

    def _keys_to_owner(self, holder: ModelDefinition, primary: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the keys by which another model's records name those of the owner."""
        return default_keys(snake(self.declared.declared_by), primary)

    def _keys_of(
        self, through: ModelDefinition, target: ModelDefinition, primary: tuple[str, ...]
    ) -> tuple[str, ...]:
        said = _said_by_owner(through, target)
        return said or self._keys_to_owner(through, primary)

    def _keys(
        self,
        holder: ModelDefinition,
        wanted: Iterable[str],
        target: ModelDefinition,
        primary: tuple[str, ...],
        *,
        required: bool = False,
    ) -> tuple[str, ...]:
        """The Python names of the keys in a model, which gets those that it lacks."""
        wanted = tuple(wanted)
        if len(wanted) != len(primary):
            raise DefinitionError(
                f"{len(wanted)} foreign keys cannot equal {len(primary)} properties of "
                f"{target.name}: {', '.join(primary)}"
            )
        names = []
        for name, key in zip(wanted, primary, strict=True):
            found, named = find_property(holder, name), target.properties[key]
            if found is None:
                made = made_property(
                    holder,
                    name,
                    named.type,
                    nullable=not required,
                    required=required,
                    constraints=length_of(named),
                )
                found = self._add(holder, made)
            else:
                refuse_other_type(holder, found, found.type, named.type)
                if found.made:
                    found = self._bound(holder, found, found, named)
            if required and not found.required:
                # The other side of the relation may have made it, which does not say so.
                holder.add_property(replace(found, nullable=False, required=True))
            names.append(found.name)
        return tuple(names)

    def _bound(self, holder: ModelDefinition, made: Property, *named: Property) -> Property:
        """Let a key that a relation made be as long as each that it may equal."""
        bounds = length_of(*named)
        if made.constraints != bounds:
            made = replace(made, constraints=bounds)
            holder.add_property(made)
        return made

    def _add(self, holder: ModelDefinition, made: Property) -> Property:
        if problem := unfit_property_name(made.name):
            raise DefinitionError(f"the key {made.name!r} {problem}")
        if holder.find_relation(made.name) or holder.find_relation(made.wire):
            raise DefinitionError(f"the key {made.name!r} has the name of a relation")
        holder.add_property(made)
        return made

    def _through_model(self) -> ModelDefinition:
        written = self.options.through
        if written is not None:
            named = self._model(written)
            if not any(map(self._about, (self.owner.model, self._the_target.model, named))):
                raise DefinitionError("the keys of the model between may be declared later")
            self.owner.hold(named)
            return self._definition(named)
        target = self._the_target
        name = "".join(sorted((self.owner.name, target.name), key=snake))
        there = self._made_before(name, target)
        model: Any = there or self._make_through(name, target)
        self.owner.hold(model)
        target.hold(model)
        source = self.owner.model.data_source
        if source is not None and model.data_source is None:
            model.attach_to(source)
        return self._definition(model)

    def _made_before(self, name: str, target: ModelDefinition) -> Any:
        """The model of a name on the same data source, unless it was made for others; or None."""
        both = {self.owner, target}
        for model in self.declared.models.find_all(name, beside=self.owner.model):
            made_for = model.__dict__.get("_made_for")
            is_ours = made_for is None or {each() for each in made_for} == both
            near: Any = model
            # The rows of another data source link the records of others.
            if is_ours and near.data_source in (None, self.owner.model.data_source):
                return model
        return None

    def _make_through(self, name: str, target: ModelDefinition) -> Any:
        """The model of the rows that link both, which nobody has defined."""
        names = {self.owner: snake(self.declared.declared_by), target: snake(target.name)}
        properties: dict[str, Any] = {}
        for second, each in enumerate(sorted((self.owner, target), key=lambda one: one.name)):
            ids = tuple(property_.name for property_ in each.ids)
            for key, id in zip(default_keys(names[each], ids), ids, strict=True):
                if key in properties:
                    raise DefinitionError("name the model that it goes through, and both keys")
                # The index of the pair begins with the keys of the first.
                kind = {"type": each.properties[id].type, "required": True}
                properties[key] = {**kind, "index": bool(second)}
        pair = {"pair": {"keys": list(properties), "unique": True}}
        model = self._make_model(name, properties, {"indexes": pair})
        model._made_for = (ref(self.owner), ref(target))
        return model

    # What follows from a relation

    def _depend(
        self,
        parent: ModelDefinition,
        child: ModelDefinition,
        foreign: tuple[str, ...],
        primary: tuple[str, ...],
    ) -> None:
        on_delete, constraint = self.options.on_delete, self.options.constraint
        if self.relation.kind == HAS_AND_BELONGS_TO_MANY and on_delete is None:
            on_delete = "cascade"  # a row that links nothing is nothing
        if constraint and on_delete is None:
            on_delete = "restrict"  # which is what databases make of it
        fixed = tuple(self.relation.fixed.items())
        if on_delete == "set_null":
            for name in foreign:
                if not child.properties[name].nullable:
                    raise DefinitionError(f"on_delete: {child.name}.{name} cannot be null")
        if on_delete is not None:
            said = (self.relation, child, foreign, primary, fixed, on_delete, constraint)
            parent.add_dependent(Dependent(*said))
        if constraint:
            child.add_foreign_key(ForeignKey(foreign, parent, primary, on_delete))


def _said_by_owner(through: ModelDefinition, target: ModelDefinition) -> tuple[str, ...]:
    """The keys that a ``belongs_to`` of a model says that it has to another."""
    for each in through.relations.values():
        if each.kind == BELONGS_TO and each.target is target:
            return each.foreign_key
    return ()


def _refuse_other_key(
    through: ModelDefinition,
    target: ModelDefinition,
    foreign: tuple[str, ...],
    primary: tuple[str, ...],
) -> None:
    """Refuse a key of the rows between that names records by something else, as they say."""
    for each in through.relations.values():
        is_that = each.kind == BELONGS_TO and each.target is target and each.foreign_key == foreign
        if is_that and each.primary_key != primary:
            raise DefinitionError(
                f"{each!r} names a {target.name} by {', '.join(each.primary_key)}, and not by "
                f"{', '.join(primary)} as this relation"
            )


def _keys_named(
    through: ModelDefinition, target: ModelDefinition, primary: tuple[str, ...]
) -> tuple[str, ...]:
    said = _said_by_owner(through, target)
    return said or default_keys(snake(target.name), primary)


def _alternatives(written: Any) -> tuple[Any, ...]:
    """The models that an annotation names; none where it names no one in particular."""
    if written is Any or written is object:
        return ()
    if isinstance(written, tuple):
        return tuple(model for each in written for model in _alternatives(each))
    return () if "__loop_model__" in getattr(written, "__dict__", {}) else (written,)


def _fits(relation: RelationDefinition, foreign: Property, target: ModelDefinition) -> bool:
    """Whether a key of a polymorphic relation can name records of a model."""
    if len(relation.options.primary_key or target.ids) != 1:
        return False
    try:
        (name,) = relation.primary_key_of(target)
    except DefinitionError:
        return False
    kind = type(foreign.type)
    return kind is AnyValue or isinstance(target.properties[name].type, kind)


def _finder(
    models: Registry,
    owner: ModelDefinition,
    allowed: Sequence[Any],
    fits: Callable[[ModelDefinition], bool],
) -> Callable[[Any], Any]:
    """What gives the model that a discriminator's value names, among those that are allowed.

    :param fits: whether the key can name records of a model; those of others it never means.
    """
    by_name = {each.__name__: ref(each) for each in allowed}

    def find(name: Any) -> Any:
        if not isinstance(name, str):
            return None
        if by_name:
            return by_name[name]() if name in by_name else None
        found = models.find_all(name, beside=owner.model, exactly=True)
        known: list[Any] = [
            each for each in found if getattr(each, "data_source", None) is not None
        ]
        return known[0] if len(known) == 1 and fits(known[0].definition) else None

    return find
