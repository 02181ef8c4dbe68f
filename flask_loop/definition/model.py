"""ModelDefinition: the normalised description of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import ref

from ..errors import DefinitionError, Failure
from ..types import (
    AnyValue,
    Array,
    Geo,
    Integer,
    Null,
    Number,
    Object,
    PropertyType,
    String,
    Uuid,
)
from .declarations import Declaration
from .embedding import Embedded, embedded_in
from .loopback import asks_for_unique
from .naming import lower_camel, plural, unfit_model_name
from .property import Property
from .registry import nearest
from .relating import Relating, resolve_all
from .relation import Dependent, ForeignKey, RelationDefinition
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Index:
    """An index over properties, by Python name."""

    keys: tuple[str, ...]
    unique: bool


class ModelDefinition:
    """What a model is: its name, properties, rules and settings.

    :param name: the name as given.
    :param properties: the properties in order; an injected ``id`` comes last.
    :param settings: the settings.
    :param class_body: whether the name was a class's, so that its path starts in lower case.
    :raises DefinitionError: where the name is none, names clash, or the id makes no sense.

    :ivar by_wire: the properties by wire name.
    :ivar ids: the properties that are the id, in order.
    :ivar rules: the validation rules that were declared by ``validates_…``.
    :ivar version: grows with each change, so that what was compiled from an older one is known.
    :ivar shape: grows when relations add properties or foreign keys. What a connector keeps for a
        definition holds for one shape.
    :ivar relations: the relations by Python name, as far as the models that they name exist.
    :ivar unresolved: what is declared of relations whose models do not exist yet.
    :ivar dependents: what becomes of other models' records when one of this model's is deleted.
    :ivar foreign_keys: the constraints that a database shall keep.
    """

    def __init__(
        self,
        name: str,
        properties: Iterable[Property],
        settings: Settings | None = None,
        *,
        class_body: bool = False,
    ) -> None:
        if problem := unfit_model_name(name):
            raise DefinitionError(f"the model's name {name!r} {problem}")
        self.name = name
        self.settings = settings or Settings()
        self.class_body = class_body
        self.properties = {each.name: each for each in properties}
        self.rules: list[Any] = []
        self.version = 0
        self.shape = 0
        self.relations: dict[str, RelationDefinition] = {}
        self.declarations: list[Declaration] = []
        self.unresolved: list[Declaration] = []
        self.dependents: list[Dependent] = []
        self.foreign_keys: list[ForeignKey] = []
        self._model: ref[Any] | None = None
        self._complete_id()
        self._set_flags()
        self.by_wire = {each.wire: each for each in self.properties.values()}
        self.ids = self._ids()
        self._refuse_clashes()

    def __repr__(self) -> str:
        return f"<ModelDefinition {self.name!r}>"

    @property
    def model(self) -> Any:
        """The class of the model, where it has one; it is held weakly."""
        return None if self._model is None else self._model()

    @model.setter
    def model(self, model: type) -> None:
        self._model = ref(model)

    @property
    def existing_model(self) -> Any:
        """The class of the model.

        :raises DefinitionError: where it is gone.
        """
        model = self.model
        if model is None:
            raise DefinitionError(f"the model {self.name!r} is gone")
        return model

    @property
    def plural(self) -> str:
        """The plural name, as in ``ctx.method_string`` and in the path."""
        if self.settings.plural:
            return self.settings.plural
        return plural(lower_camel(self.name) if self.class_body else self.name)

    @property
    def http_path(self) -> str:
        """The path below the prefix, with a slash at its start."""
        return "/" + (self.settings.http_path or self.plural).strip("/")

    @property
    def id(self) -> Property:
        """The property that is the id, of a model whose id is one property."""
        return self.ids[0]

    @property
    def written(self) -> dict[str, dict[str, Any]]:
        """The properties as LoopBack printed them: name → type and the keys as written."""
        return {
            each.name: ({"id": 1} if each.injected else {"type": each.type.python, **each.written})
            for each in self.properties.values()
        }

    @cached_property
    def embedded(self) -> tuple[str, ...]:
        """The names of the properties whose values are other models' records, or lists of them."""
        return tuple(
            each.name for each in self.properties.values() if embedded_in(each.type) is not None
        )

    def indexes(self) -> list[Index]:
        """The indexes that the properties, the settings and the uniqueness rules ask for."""
        wanted = [
            Index((each.name,), each.unique)
            for each in self.properties.values()
            if each.index or each.unique
        ]
        declared = (self._index(name, given) for name, given in self.settings.indexes.items())
        wanted += [index for index in declared if index is not None]
        wanted += [Index(rule.unique_key, True) for rule in self.rules if rule.unique_key]
        by_keys: dict[tuple[str, ...], Index] = {}
        for index in wanted:
            other = by_keys.get(index.keys)
            if other is None or index.unique:
                by_keys[index.keys] = index
        return list(by_keys.values())

    def _index(self, name: str, given: Mapping[str, Any]) -> Index | None:
        """An index as ``Meta.indexes`` or LoopBack's ``indexes`` has it.

        One that is not over properties is for the speed of some other backend, unless it is unique.
        """
        keys = (
            given.get("keys")
            or given.get("columns")
            or {key: value for key, value in given.items() if key not in ("unique", "options")}
        )
        listed = [key.strip() for key in keys.split(",")] if isinstance(keys, str) else list(keys)
        found = [self.find(key) for key in listed]
        unique = asks_for_unique(given)
        if found and None not in found:
            return Index(tuple(each.name for each in found if each), unique)
        if unique:
            raise DefinitionError(
                f"model {self.name!r}: the unique index {name!r} is not over properties of the "
                f"model: {', '.join(map(str, listed))}"
            )
        return None

    def change_settings(self, **given: Any) -> None:
        """Change settings after the model was defined.

        :param given: settings in any spelling.
        :raises DefinitionError: naming what means nothing.
        """
        self.settings = self.settings.updated(given)
        self.changed()

    def changed(self) -> None:
        """Say that rules were added, so that nothing compiled before is used again."""
        self.version += 1

    def declare(self, declaration: Declaration) -> None:
        """Add a relation; it is there as soon as the models that it names are.

        :raises DefinitionError: where another relation has the name.
        """
        known = [each for each in self.declarations if each.name == declaration.name]
        if any(each.is_like(declaration) for each in known):
            return
        if any(each.declared_by == declaration.declared_by for each in known):
            raise DefinitionError(f"{self.name}.{declaration.name}: it is declared already")
        for each in known:
            self._forget(each)
        self.declarations.append(declaration)
        self.unresolved.append(declaration)
        Relating.note_definition(self)

    def _forget(self, declared: Declaration) -> None:
        """Let a relation of a base make room for another one of its name."""
        self.declarations.remove(declared)
        self.relations.pop(declared.name, None)
        if declared in self.unresolved:
            self.unresolved.remove(declared)

    def add_property(self, made: Property) -> None:
        """Add a key that a relation makes, or put it in the place of what it was."""
        model, old = self.model, self.properties.get(made.name)
        if model is not None:
            model._name_properties((made.name,))
        self.properties[made.name] = self.by_wire[made.wire] = made
        self._refuse_clashes()
        self.__dict__.pop("embedded", None)
        self.shape += 1
        self.changed()
        if model is None:
            return
        for derived in type.__subclasses__(model):
            known = derived.__dict__.get("_definition")
            if known is not None and known.properties.get(made.name) is old:
                known.add_property(made)

    def add_dependent(self, dependent: Dependent) -> None:
        """Take note of what becomes of other records when one of this model's is deleted.

        :raises DefinitionError: where something else was said of the same records.
        """
        for each in self.dependents:
            is_same = (each.definition, each.foreign_key, each.fixed) == (
                dependent.definition,
                dependent.foreign_key,
                dependent.fixed,
            )
            if is_same and each.on_delete != dependent.on_delete:
                raise DefinitionError(
                    f"on_delete: {dependent.relation!r} says {dependent.on_delete!r}, and "
                    f"{each.relation!r} says {each.on_delete!r}: say the same on both sides; "
                    "constraint=True alone says 'restrict'"
                )
            if is_same:
                return
        self.dependents.append(dependent)
        self.changed()

    def add_foreign_key(self, key: ForeignKey) -> None:
        """Ask for a constraint that databases shall keep."""
        same = [
            each
            for each in self.foreign_keys
            if (each.names, each.target, each.target_names)
            == (key.names, key.target, key.target_names)
        ]
        if same and (key.on_delete is None or same[0].on_delete is not None):
            return
        self.foreign_keys = [each for each in self.foreign_keys if each not in same] + [key]
        self.shape += 1
        self.changed()

    def hold(self, model: Any) -> None:
        """Keep another model's class for as long as the class of this model is there."""
        if self.model is not None and model is not self.model:
            self.model._hold(model)

    def resolve(self) -> list[Any]:
        """Find every model that is named as a type or by a relation.

        :returns: the classes of those named as types, for the class of this model to hold.
        :raises DefinitionError: naming the property or the relation whose model does not exist.
        """
        if self.unresolved and (problem := resolve_all(self)) is not None:
            raise problem
        found = []
        for each in self.properties.values():
            embedded = embedded_in(each.type)
            if embedded is not None:
                try:
                    found.append(embedded.hand_over())
                    each.make_default()
                except (DefinitionError, TypeError) as error:
                    raise DefinitionError(f"{self.name}.{each.name}: {error}") from None
        return found

    def rename_keys(self, given: Mapping[str, Any], *, wire_only: bool = False) -> dict[str, Any]:
        """Give a record's data by Python names; keys that are no property stay as they are.

        A relation whose records are inside the record is its property, where that is not given.

        :param given: data by Python or wire names.
        :param wire_only: whether only wire names are names of properties.
        :raises TypeError: where both spellings of one property are given.
        """
        renamed: dict[str, Any] = {}
        for key, value in given.items():
            found = self.by_wire.get(key)
            name = key if found is None else found.name
            if wire_only and found is None and key in self.properties:
                continue
            if name in renamed:
                raise TypeError(f"both spellings of {name!r} are given")
            renamed[name] = value
        for relation in self.relations.values():
            if relation.is_embedded:
                _put_inside(relation, renamed)
        return renamed

    def find(self, name: str, *, wire_only: bool = False) -> Property | None:
        """The property of this wire name or, for Python callers, Python name."""
        return self.by_wire.get(name) or (None if wire_only else self.properties.get(name))

    def find_relation(self, name: str, *, wire_only: bool = False) -> RelationDefinition | None:
        """The relation of this wire name or, for Python callers, Python name."""
        found = None if wire_only else self.relations.get(name)
        if found is None:
            found = next((each for each in self.relations.values() if each.wire == name), None)
        return found

    def id_of(self, record: Mapping[str, Any]) -> Any:
        """The record's id: a value, or a tuple where the id is several properties."""
        if len(self.ids) == 1:
            return record.get(self.ids[0].name)
        return tuple(record.get(each.name) for each in self.ids)

    def id_values(self, id: Any) -> dict[str, Any]:
        """An id's values by property name.

        :raises TypeError: where an id of several properties is not a tuple of so many.
        """
        if len(self.ids) == 1:
            return {self.ids[0].name: id}
        if not isinstance(id, list | tuple) or len(id) != len(self.ids):
            names = ", ".join(each.name for each in self.ids)
            raise TypeError(f"the id of {self.name} is ({names}), not {id!r}")
        return dict(zip((each.name for each in self.ids), id, strict=True))

    def to_wire(self, failures: Iterable[Failure]) -> list[Failure]:
        """The failures with the names that clients know."""
        return [Failure(self._wire_path_of(each), each.code, each.message) for each in failures]

    def _wire_path_of(self, failure: Failure) -> tuple[str | int, ...]:
        if failure.code == "unknown-property":  # its last key is the client's own
            return (*self.wire_path(failure.path[:-1]), *failure.path[-1:])
        return self.wire_path(failure.path)

    def wire_path(self, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if not path:
            return path
        head, *rest = path
        if isinstance(head, int):
            return (head, *self.wire_path(tuple(rest)))
        found = self.properties.get(head)
        if found is not None:
            return (found.wire, *_wire_path_inside(found.type, tuple(rest)))
        relation = self.relations.get(head)
        if relation is None:
            return path
        inside = relation.target
        return (relation.wire, *(rest if inside is None else inside.wire_path(tuple(rest))))

    def _set_flags(self) -> None:
        """Set what the settings say of properties."""
        by_wire = {each.wire: each.name for each in self.properties.values()}
        for flag in ("hidden", "protected"):
            changes: dict[str, Any] = {flag: True}
            for given in getattr(self.settings, flag):
                name = by_wire.get(given, given)
                if name not in self.properties:
                    raise DefinitionError(
                        f"model {self.name!r}: {flag} names {given!r}, which is no property"
                        f"{nearest(given, self.properties)}"
                    )
                self.properties[name] = replace(self.properties[name], **changes)

    def _complete_id(self) -> None:
        self._name_id()
        for name, each in self.properties.items():
            if each.id and isinstance(each.type, _NOT_AN_ID):
                raise DefinitionError(
                    f"model {self.name!r}: {name!r} cannot be the id: it is of the type "
                    f"{each.type.name}"
                )
            if each.generated and each.id and not isinstance(each.type, _CAN_BE_MADE):
                raise DefinitionError(
                    f"model {self.name!r}: no data source makes ids of the type {each.type.name}, "
                    f"as {name!r} is; give it a default or a default_fn"
                )
            if each.generated and isinstance(each.type, Number):
                # Data sources make whole numbers, and their columns have to be of such.
                self.properties[name] = replace(each, type=Integer())

    def _name_id(self) -> None:
        """Make the property ``id`` the id where no property is said to be, or inject one."""
        if any(each.id for each in self.properties.values()):
            return
        if "id" in self.properties:
            given = self.properties["id"]
            generated = given.written.get("generated", _can_be_generated(given))
            self.properties["id"] = replace(given, id=1, nullable=False, generated=bool(generated))
        elif self.settings.id_injection:
            self.properties["id"] = Property(
                name="id",
                wire="id",
                type=Integer(),
                nullable=False,
                id=1,
                generated=True,
                injected=True,
            )

    def _ids(self) -> tuple[Property, ...]:
        ids = sorted(
            (each for each in self.properties.values() if each.id), key=lambda each: each.id or 0
        )
        if [each.id for each in ids] != list(range(1, len(ids) + 1)):
            positions = ", ".join(f"{each.name}: {each.id}" for each in ids)
            raise DefinitionError(
                f"model {self.name!r}: the properties of the id are numbered from 1, "
                f"not {positions}"
            )
        return tuple(ids)

    def _refuse_clashes(self) -> None:
        for each in self.properties.values():
            other = self.by_wire[each.wire]
            if other is not each:
                raise DefinitionError(
                    f"model {self.name!r}: {each.name!r} and {other.name!r} would both be "
                    f"{each.wire!r} on the wire"
                )
            twin = self.properties.get(each.wire)
            if twin is not None and twin is not each:
                raise DefinitionError(
                    f"model {self.name!r}: the wire name of {each.name!r} is the name of "
                    f"another property, {twin.name!r}"
                )


def _put_inside(relation: RelationDefinition, data: dict[str, Any]) -> None:
    """Put embedded records that were given by their relation's name into its property.

    :raises TypeError: where they are given in both spellings.
    """
    given = [data.pop(name) for name in {relation.name, relation.wire} if name in data]
    if len(given) > 1:
        raise TypeError(f"both spellings of {relation.name!r} are given")
    if given:
        data.setdefault(str(relation.property), given[0])


def _wire_path_inside(kind: PropertyType, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A path inside a value, with wire names where it leads through embedded records."""
    if path and isinstance(kind, Array | Object):
        inner = kind.item if isinstance(kind, Array) else kind.values
        return (path[0], *_wire_path_inside(inner, path[1:]))
    return kind.definition.wire_path(path) if isinstance(kind, Embedded) else path


_NOT_AN_ID = (Null, Object, Array, Geo, Embedded)
_CAN_BE_MADE = (Integer, Number, String, Uuid, AnyValue)


def _can_be_generated(given: Property) -> bool:
    return isinstance(given.type, Integer | Number) and not given.has_default and not given.required
