"""Model: the class that users derive from. An instance is one record."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from inspect import getattr_static
from types import FrameType, GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast, overload
from weakref import ref

from .connectors.base import Record
from .definition import (
    HAS_AND_BELONGS_TO_MANY,
    MISSING,
    RESERVED,
    ClassBody,
    Embedded,
    ModelDefinition,
    Relating,
    Settings,
    definition_from_dict,
    definition_from_json,
    registry,
)
from .errors import DefinitionError, Failure, group
from .hooks import HookMethods, refuse_bundled
from .methods import Generation, RemoteMethod, RemoteMethods
from .operations import Bulk, Plan, Source, as_observed, guard_overrides, is_overridden
from .operations.remote import methods_of, override_of
from .query import PropertyExpression
from .relations import DESCRIPTORS, NamedScope, RelationMethods
from .relations.assignment import take_nested, with_keys
from .relations.including import related_json
from .relations.remote import faults_of
from .remoting import SwitchMethods
from .schema import Serializer, make_schema
from .types import Array, Object, TypeMismatch
from .validation import ValidationMethods, Validator

if TYPE_CHECKING:
    from marshmallow import Schema

T = TypeVar("T")


class Prop(Generic[T]):
    """The annotation of a property: ``unit_price: Prop[float] = prop(min=0)``.

    On the class it is an expression, ``Product.unit_price > 20``; on an instance it is the value.
    ``Prop[T]`` refuses null; ``Prop[T | None]`` takes it.
    """

    __loop_prop__: ClassVar[bool] = True

    if not TYPE_CHECKING:
        # Generic's own keeps what it is given, models too, in a cache of the process.
        __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> PropertyExpression[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return PropertyExpression(self._name)
        # Values are in the instance's __dict__, so that reading one does not come through here.
        raise AttributeError(
            f"{type(instance).__name__}.{self._name} was not loaded: it is not among the fields "
            "of the find that made this instance"
        )


class Errors(dict[str, list[str]]):
    """Messages by property; false where the record is valid.

    :ivar codes: the codes of the rules likewise.
    """

    def __init__(self, failures: Iterable[Failure] = ()) -> None:
        listed = list(failures)
        super().__init__(group(listed, "message"))
        self.codes = dict(group(listed, "code"))


class ModelType(type):
    """The type of models: what is said of ``Product`` itself, not of one product."""

    _definition: ModelDefinition | None
    _body: ClassBody | None

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        definition: ModelDefinition | None = None,
    ) -> ModelType:
        body = None
        if definition is None and any(isinstance(base, ModelType) for base in bases):
            body = ClassBody(name, namespace, sys._getframe(1))
        model = super().__new__(mcls, name, bases, namespace)
        model._definition, model._body = None, body
        if definition is not None:
            model._adopt(definition)
        guard_overrides(model)
        if body is not None:
            model._read_body(body)
        registry.add(name, model)
        Relating.note_model()
        return model

    def __setattr__(cls, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if not name.startswith("_"):
            Generation.advance()  # it may be a remote method

    def _read_body(cls, body: ClassBody) -> None:
        """Make the properties usable in expressions, and attach the model where Meta says so."""
        cls._name_properties(body.prepare(cls))
        for name, kind in body.relations.items():
            cls._name_relation(name, kind)
        written = {k: each.written for k, each in vars(cls).items() if isinstance(each, NamedScope)}
        cls._name_scopes(written)
        cls._name_scopes(getattr(body.meta, "scopes", None))
        if body.relations:
            Relating.note_body(cls)
        if body.data_source is not None:
            cls.attach_to(body.data_source)  # type: ignore[attr-defined]

    @property
    def definition(cls) -> ModelDefinition:
        """The model's definition, made when it is first needed."""
        if cls._definition is None:
            body = cls._body
            if body is None:
                raise DefinitionError("Model has no definition of its own; derive from it")
            with Relating.lock:
                made = body.define(cls) if cls._definition is None else None
                if made is not None and cls._definition is None:
                    cls._adopt(made)
            cls._body = None
        if Relating.is_open():
            Relating.settle()
        return cast("ModelDefinition", cls._definition)

    @property
    def model_name(cls) -> str:
        """The model's name as given."""
        return cls.definition.name

    @property
    def properties(cls) -> dict[str, dict[str, Any]]:
        """The properties, normalised: name → ``{"type": ..., and the keys as written}``."""
        return cls.definition.written

    @property
    def schema(cls) -> Schema:
        """The Marshmallow schema that bodies are checked and records are written by.

        Assigning an instance or a class of a schema takes its place.
        """
        own: Schema | None = cls.__dict__.get("_own_schema")
        return own if own is not None else cls._generated_schema()

    @schema.setter
    def schema(cls, schema: Schema | type[Schema]) -> None:
        cls._own_schema = schema() if isinstance(schema, type) else schema
        cls._plan = None

    def _generated_schema(cls) -> Schema:
        made = cls.__dict__.get("_made_schema")
        definition = cls.definition
        if made is None or made[0] != definition.version:
            validators = cls.__loop_validator__(definition).by_property()  # type: ignore[attr-defined]
            made = cls._made_schema = (definition.version, make_schema(definition, validators))
        schema: Schema = made[1]
        return schema

    def _adopt(cls, definition: ModelDefinition) -> None:
        cls._name_properties(definition.properties)
        definition.model = cls
        cls._definition = definition
        for each in definition.declarations:
            cls._name_relation(each.name, each.kind)
        cls._name_scopes(definition.settings.scopes)
        if definition.unresolved:
            Relating.note_definition(definition)

    def _name_relation(cls, name: str, kind: str) -> None:
        """Give the class the attribute of a relation, unless a base has it."""
        if not isinstance(getattr_static(cls, name, None), DESCRIPTORS[kind]):
            setattr(cls, name, DESCRIPTORS[kind](name))

    def _name_scopes(cls, scopes: Any) -> None:
        """Give the class the attributes of named scopes, unless it has them."""
        for name, filter in scopes.items() if isinstance(scopes, Mapping) else ():
            if name in RESERVED:
                raise DefinitionError(
                    f"model {cls.__name__!r}: no scope can be called {name!r}, which every model "
                    "has for itself"
                )
            found = getattr_static(cls, name, None)
            if not (isinstance(found, NamedScope) and found.written == filter):
                setattr(cls, name, NamedScope(filter, name))

    def _hold(cls, model: type) -> None:
        """Keep another model for as long as this one is there."""
        held = cls.__dict__.get("_held", ())
        if model not in held:
            cls._held = (*held, model)

    def _name_properties(cls, names: Iterable[str]) -> None:
        for name in names:
            if name.startswith("_") and (hasattr(Model, name) or name in _INSTANCE_STATE):
                raise DefinitionError(
                    f"model {cls.__name__!r}: {name!r} is what every model has for itself"
                )
            if not isinstance(cls.__dict__.get(name), Prop):
                setattr(cls, name, Prop(name))

    def _choose_plan(cls, known: Plan | None) -> Plan:
        """The plan for what the definition, and those who observe the model, are now."""
        if Relating.is_waiting():
            Relating.settle(about=lambda model: model is cls)
        if known is None or known.version != known.definition.version:
            known = cls._make_plan()
        return as_observed(known)

    def _make_plan(cls) -> Plan:
        definition = cls.definition
        cls._embeds = [*filter(None, definition.resolve()), *(cls.__dict__.get("_embeds") or ())]
        for fault in faults_of(cls):
            raise fault
        overrides = is_overridden(cls, "to_dict", Model)
        # What connectors keep of a serializer lets the class go.
        model: Callable[[], Any] = ref(cls)
        serializer = cls.__loop_serializer__(  # type: ignore[attr-defined]
            definition,
            cls.schema,
            generated=cls.__dict__.get("_own_schema") is None,
            instance=lambda record: model().from_record(record),
            to_dict=(lambda instance: model().to_dict(instance)) if overrides else None,
        )
        validator = cls.__loop_validator__(definition)  # type: ignore[attr-defined]
        return Plan(cls, serializer, validator, override_of)  # type: ignore[arg-type]


#: What instances keep beside the values of properties.
_INSTANCE_STATE = ("_is_new", "_errors", "_undeclared", "_related", "_related_keys", "_unstored")


class Model(
    Bulk,
    ValidationMethods,
    RelationMethods,
    RemoteMethods,
    HookMethods,
    SwitchMethods,
    metaclass=ModelType,
):
    """One record of a model.

    Derive from it to define a model, and attach it to a data source to give it operations::

        class Product(Model):
            name: Prop[str] = prop(required=True, max_length=80)
            unit_price: Prop[float] = prop(min=0)

            class Meta:
                data_source = db

    :param data: a dict by Python or wire names; only defined properties are kept, unless
        ``Meta.strict = False``.
    :param values: properties by keyword.
    """

    __loop_model__: ClassVar[bool] = True
    #: The class of the settings that the model's Meta may have.
    __loop_settings__: ClassVar[type[Settings]] = Settings
    #: The classes of what loads and dumps its records, and of what checks them.
    __loop_serializer__: ClassVar[type[Serializer]] = Serializer
    __loop_validator__: ClassVar[type[Validator]] = Validator
    #: The most records that a remote caller gives at once; None for LOOP_MAX_VALUES alone.
    __loop_most_new__: ClassVar[int | None] = None
    data_source: ClassVar[Source | None] = None  # type: ignore[assignment]

    def __init__(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        definition = type(self).definition
        data = {**(data or {}), **values}
        if definition.relations:
            data = with_keys(definition, data)
        given = definition.rename_keys(data)
        if definition.relations and (nested := take_nested(definition, given)):
            self.__dict__["_unstored"] = nested
        for name, property_ in definition.properties.items():
            value = given.pop(name, MISSING)
            if value is MISSING:
                value = property_.make_default() if property_.has_default else None
            elif value is not None:
                with suppress(TypeMismatch):
                    value = property_.type.load(value)
            self.__dict__[name] = _as_instances(property_.type, value)
        if definition.settings.strict in (False, "validate"):
            self.__dict__["_undeclared"] = given
        self.__dict__["_is_new"] = True

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Give what a model that is not strict holds beside its properties."""
            undeclared = self.__dict__.get("_undeclared")
            if undeclared and name in undeclared:
                return undeclared[name]
            # This raises what the first look-up did, with its reason.
            return object.__getattribute__(self, name)

    def __repr__(self) -> str:
        definition = type(self).definition
        ids = "".join(f" {each.name}={self.__dict__.get(each.name)!r}" for each in definition.ids)
        return f"<{type(self).__name__}{ids}>"

    @classmethod
    def from_record(cls, record: Mapping[str, Any], *, is_new: bool = False) -> Self:
        """Make an instance of a record as data sources give it.

        :param record: by Python names, of the properties' types.
        :param is_new: whether it is not stored yet.
        """
        instance = cls.__new__(cls)
        definition, values = cls.definition, instance.__dict__
        if definition.settings.keeps_unknown:
            declared = definition.properties
            values["_undeclared"] = {k: v for k, v in record.items() if k not in declared}
            record = {k: v for k, v in record.items() if k in declared}
        values.update(record, _is_new=is_new)
        for name in definition.embedded:
            if name in record:
                values[name] = _as_instances(definition.properties[name].type, record[name])
        return instance

    @classmethod
    def __loop_plan__(cls) -> Plan:
        """What the operations run on, made once for each version of the definition."""
        plan: Plan | None = cls.__dict__.get("_plan")
        if (
            plan is None
            or plan.generation != Generation.number
            or plan.version != plan.definition.version
        ):
            plan = cls._plan = cls._choose_plan(plan)
        return plan

    @classmethod
    def __loop_methods__(cls) -> list[RemoteMethod]:
        """The methods that remote callers may have: operations and the model's own."""
        return methods_of(cls)

    _plan: ClassVar[Plan | None] = None

    @classmethod
    def attach_to(cls, source: Source) -> None:
        """Attach the model to a data source, which gives it its operations.

        :param source: the data source; models that derive from this one have it too, unless they
            are attached to another.
        :raises TypeError: where it is no data source.
        """
        refuse_bundled(cls)
        if not hasattr(type(source), "is_enabled"):
            raise TypeError(f"a model is attached to a data source, not to {source!r}")
        cls.data_source = source
        Generation.advance()
        for each in cls._definition.relations.values() if cls._definition is not None else ():
            if each.kind == HAS_AND_BELONGS_TO_MANY and each.through is not None:
                _attach_links(each.through.model, source)
        attached = getattr(source, "attached", None)
        if attached is not None:
            attached(cls)

    @classmethod
    def extend(
        cls, name: str, properties: Mapping[str, Any] | None = None, **options: Any
    ) -> type[Self]:
        """Derive a model, as LoopBack's ``User.extend("user")``.

        :param name: the new model's name.
        :param properties: further properties.
        :param options: settings of the new model.
        :returns: the model; where this one is attached to a data source, so is that.
        :raises DefinitionError: naming what means nothing.
        """
        base = None if cls is Model else cls.definition
        return make_model(definition_from_dict(name, properties, options, base=base), cls)

    @classmethod
    def from_sqlalchemy(
        cls, mapped: type[Any], session: Any = None, /, **options: Any
    ) -> type[Self]:
        """Make the model of a class that SQLAlchemy maps to a table, as it is.

        It has the class's columns and relationships, and works on the app's sessions. Classes that
        relationships lead to become models as well. Called again, it gives the same model.

        :param mapped: the class.
        :param session: a ``scoped_session``, a ``Session``, a ``sessionmaker`` or an ``Engine``;
            that of Flask-SQLAlchemy where the class is a model of it.
        :param options: settings of the model; ``name``; ``properties``: column → a type, or what
            else is said of the property; ``exclude``: columns and relationships to leave out.
        :raises DefinitionError: naming what cannot be mapped, or an option that means nothing.

        ::

            loop.model(Model.from_sqlalchemy(Order, exclude=["notes"]))
        """
        return cls.__loop_map__(cls, mapped, session, options)

    @classmethod
    def from_mongoengine(cls, document: type[Any], /, **options: Any) -> type[Self]:
        """Make the model of a document class of MongoEngine, as it is.

        It has the class's fields and references, and works on the app's connection. Documents that
        references lead to become models as well. Called again, it gives the same model.

        :param document: the class.
        :param options: settings of the model; ``name``; ``properties``: field → a type, or what
            else is said of the property; ``exclude``: fields to leave out.
        :raises DefinitionError: naming what no property is like, or an option that means nothing.

        ::

            loop.model(Model.from_mongoengine(Order, exclude=["notes"]))
        """
        return cls.__loop_document__(cls, document, options)

    #: What :meth:`from_sqlalchemy` and :meth:`from_mongoengine` call; set where data sources are
    #: known.
    __loop_map__: ClassVar[Callable[..., type[Any]]]
    __loop_document__: ClassVar[Callable[..., type[Any]]]

    def to_record(self) -> Record:
        """The properties that the instance holds, by Python names."""
        definition, values = type(self).definition, self.__dict__
        record = {name: values[name] for name in definition.properties if name in values}
        record.update(values.get("_undeclared", ()))
        if definition.settings.keeps_unknown:
            record.update((name, values[name]) for name in self._attributes())
        for name in definition.embedded:
            if name in record:
                record[name] = _as_records(record[name])
        return record

    def to_dict(self) -> dict[str, Any]:
        """The record as clients see it: readable properties, by wire name, as JSON values."""
        model = type(self)
        dumped = model.__loop_plan__().serializer.dump_plain(self.to_record())
        if self.__dict__.get("_related"):
            dumped.update(related_json(self))
        return dumped

    def is_new_record(self) -> bool:
        """Whether the record is not stored yet."""
        return bool(self.__dict__.get("_is_new", True))

    def is_valid(self) -> bool:
        """Check the record; :attr:`errors` then says what is wrong with it."""
        plan, inside = type(self).__loop_plan__(), self.__dict__.get("_unstored")
        failures = plan.check(self.to_record(), is_new=self.is_new_record(), inside=inside)
        self._keep_errors(failures)
        return not failures

    @property
    def errors(self) -> Errors:
        """What the last check found: messages by property, and ``errors.codes``."""
        return self.__dict__.get("_errors") or Errors()

    def _keep_errors(self, failures: Iterable[Failure]) -> None:
        self.__dict__["_errors"] = Errors(failures)

    def _take(self, record: Mapping[str, Any]) -> None:
        """Hold what is stored."""
        for name in self._attributes():
            del self.__dict__[name]
        self.__dict__.update(type(self).from_record(record).__dict__)
        self._keep_errors(())

    def _attributes(self) -> list[str]:
        """The names of attributes that were set and are no properties."""
        declared = type(self).definition.properties
        if not type(self).definition.settings.keeps_unknown:
            return []
        return [name for name in self.__dict__ if name not in declared and name[:1] != "_"]

    def _forget(self) -> None:
        self.__dict__["_is_new"] = True


def _attach_links(through: Any, source: Source) -> None:
    """Attach the model of the rows of a relation, which nobody may have attached."""
    if through is not None and through.data_source is None:
        through.attach_to(source)


def _as_instances(kind: Any, value: Any) -> Any:
    """Embedded records as instances of their model, where they have one."""
    if isinstance(kind, Array) and isinstance(value, list):
        return [_as_instances(kind.item, item) for item in value]
    if isinstance(kind, Object) and isinstance(value, dict):
        return {key: _as_instances(kind.values, item) for key, item in value.items()}
    if isinstance(kind, Embedded) and isinstance(value, Mapping):
        model = kind.definition.model
        return value if model is None else model.from_record(value)
    return value


def _as_records(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_records(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_records(item) for key, item in value.items()}
    return value.to_record() if isinstance(value, Model) else value


def make_model(definition: ModelDefinition, base: type[Any] = Model) -> type[Any]:
    """Make the class of a definition.

    :param definition: the definition.
    :param base: the model that it extends.
    """
    namespace = {"__module__": _calling_module(), "__doc__": definition.settings.description}
    metaclass = cast("type[ModelType]", type(base))
    return metaclass(definition.name, (base,), namespace, definition=definition)


def _calling_module() -> str:
    """The name of the module that called Flask-Loop."""
    frame: FrameType | None = sys._getframe(1)
    own = __name__.partition(".")[0]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == own:
        frame = frame.f_back
    return own if frame is None else str(frame.f_globals.get("__name__", own))


def create_model(
    name: str | Mapping[str, Any],
    properties: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> type[Any]:
    """Define a model from dicts, as LoopBack's ``createModel`` does.

    :param name: the model's name, or a whole LoopBack JSON definition.
    :param properties: name → type, or name → mapping with the key ``type``.
    :param options: the model's settings, and backends' options.
    :param settings: further settings by keyword.
    :returns: the model, attached to no data source.
    :raises DefinitionError: naming what means nothing.

    ::

        Color = create_model("color", {"name": "String", "hue": {"type": "Number", "max": 360}})
    """
    if isinstance(name, Mapping):
        if properties is not None or options is not None or settings:
            raise TypeError("a whole definition has its properties and settings in it")
        return _model_from_json(name)
    if options is not None and not isinstance(options, Mapping):
        raise DefinitionError(f"the options of model {name!r} are a dict, not {options!r}")
    return make_model(definition_from_dict(name, properties, {**(options or {}), **settings}))


def _model_from_json(document: Mapping[str, Any]) -> type[Any]:
    bases: list[type[Any]] = [Model]

    def find_base(name: str) -> ModelDefinition:
        bases[0] = registry.get(name)
        return cast("ModelType", bases[0]).definition

    definition = definition_from_json(document, find_base=find_base)
    return make_model(definition, bases[0])


Relating.make_model = create_model
