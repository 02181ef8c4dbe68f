"""Model: the class that users derive from. An instance is one record."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    ForwardRef,
    Generic,
    Self,
    TypeVar,
    cast,
    get_args,
    get_origin,
    overload,
)

from .connectors.base import Record
from .definition import (
    MISSING,
    PLAIN_BASES,
    Embedded,
    ModelDefinition,
    Settings,
    Spec,
    definition_from_dict,
    definition_from_json,
    make_property,
    merge_properties,
    refuse_reserved,
    registry,
    type_resolver,
)
from .errors import DefinitionError, Failure, group
from .operations import Bulk, Plan, Source, guard_overrides, is_overridden
from .operations.remote import override_of
from .query import PropertyExpression
from .schema import Serializer, make_schema
from .types import Array, TypeMismatch
from .validation import ValidationMethods, Validator

if TYPE_CHECKING:
    from marshmallow import Schema

T = TypeVar("T")


class Prop(Generic[T]):
    """The annotation of a property: ``unit_price: Prop[float] = prop(min=0)``.

    On the class it is an expression, ``Product.unit_price > 20``; on an instance it is the value.
    ``Prop[T]`` refuses null; ``Prop[T | None]`` takes it.
    """

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
        raise AttributeError(f"{self._name!r} is not among the properties that were loaded")


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
    _draft: _Draft | None

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        definition: ModelDefinition | None = None,
    ) -> ModelType:
        draft = None
        if definition is None and any(isinstance(base, ModelType) for base in bases):
            draft = _Draft.take(name, namespace, sys._getframe(1))
        model = super().__new__(mcls, name, bases, namespace)
        model._definition, model._draft = definition, draft
        if draft is not None:
            draft.prepare(model)
        if definition is not None:
            model._adopt(definition)
        guard_overrides(model)
        registry.add(name if definition is None else definition.name, model)
        return model

    @property
    def definition(cls) -> ModelDefinition:
        """The model's definition, made when it is first needed."""
        if cls._definition is None:
            if cls._draft is None:
                raise DefinitionError("Model has no definition of its own; derive from it")
            cls._adopt(cls._draft.define(cls))
            cls._draft = None
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
            validators = Validator(definition).by_property()
            made = cls._made_schema = (definition.version, make_schema(definition, validators))
        schema: Schema = made[1]
        return schema

    def _adopt(cls, definition: ModelDefinition) -> None:
        cls._definition = definition
        definition.model = cls
        for name in definition.properties:
            if not isinstance(cls.__dict__.get(name), Prop):
                setattr(cls, name, Prop(name))

    def _make_plan(cls) -> Plan:
        definition = cls.definition
        definition.resolve()
        overrides = is_overridden(cls, "to_dict", Model)
        serializer = Serializer(
            definition,
            cls.schema,
            generated=cls.__dict__.get("_own_schema") is None,
            instance=cls.from_record,  # type: ignore[attr-defined]
            to_dict=cls.to_dict if overrides else None,  # type: ignore[attr-defined]
        )
        return Plan(cls, serializer, Validator(definition), override_of)  # type: ignore[arg-type]


class _Draft:
    """A class body, until its annotations can be understood."""

    def __init__(
        self,
        name: str,
        annotations: dict[str, Any],
        values: dict[str, Any],
        meta: type | None,
        names: Mapping[str, Any],
    ) -> None:
        self.name, self.annotations, self.values = name, annotations, values
        self.meta, self.names = meta, names

    @classmethod
    def take(cls, name: str, namespace: dict[str, Any], frame: Any) -> _Draft:
        """Take the properties out of a class body's namespace."""
        annotations = {
            key: annotation
            for key, annotation in namespace.get("__annotations__", {}).items()
            if _is_property(key, annotation)
        }
        values = {key: namespace.pop(key) for key in annotations if key in namespace}
        for key, value in namespace.items():
            if isinstance(value, Spec):
                raise DefinitionError(f"{name}.{key} = prop(...) needs a type: {key}: Prop[str]")
        is_local = frame.f_locals is not frame.f_globals
        names = {**frame.f_globals, **(frame.f_locals if is_local else {})}
        refuse_reserved(name, annotations)
        meta = namespace.get("Meta")
        return cls(name, annotations, values, meta, names if is_local else frame.f_globals)

    def prepare(self, model: ModelType) -> None:
        """Make the properties usable in expressions, and attach the model where Meta says so."""
        for name in self.annotations:
            setattr(model, name, Prop(name))
        source = self.meta.__dict__.get("data_source") if self.meta else None
        if source is not None:
            model.attach_to(source)  # type: ignore[attr-defined]

    def define(self, model: ModelType) -> ModelDefinition:
        base = _base_definition(model)
        settings = (base.settings.inherit() if base else Settings()).updated(self._meta())
        resolve = type_resolver(self.name, registry)
        made = []
        for name, annotation in self.annotations.items():
            kind, nullable = _understand(self._evaluate(name, annotation))
            value = self.values.get(name, Spec())
            spec = value if isinstance(value, Spec) else Spec(default=value)
            made.append(
                make_property(
                    name,
                    Spec({"type": kind, **spec}),
                    wire_case=settings.wire_case,
                    nullable=nullable,
                    resolve=resolve,
                    rename_reserved=False,
                )
            )
        definition = ModelDefinition(
            self.name, merge_properties(base, made), settings, class_body=True
        )
        if base is not None:
            definition.rules.extend(base.rules)
        return definition

    def _meta(self) -> dict[str, Any]:
        if self.meta is None:
            return {}
        return {
            key: getattr(self.meta, key)
            for key in dir(self.meta)
            if not key.startswith("_") and key != "data_source"
        }

    def _evaluate(self, name: str, annotation: Any) -> Any:
        if isinstance(annotation, ForwardRef):
            annotation = annotation.__forward_arg__
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, {}, _Names(self.names))  # noqa: S307 - the class body's own text
        except (NameError, DefinitionError) as error:
            raise DefinitionError(f"{self.name}.{name}: {annotation}: {error}") from None


class _Names(dict[str, Any]):
    """The names that an annotation may use: those around the class, builtins, and other models."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return registry.get(name)


def _is_property(name: str, annotation: Any) -> bool:
    text = annotation if isinstance(annotation, str) else ""
    is_class_variable = get_origin(annotation) is ClassVar or annotation is ClassVar
    if is_class_variable or "ClassVar" in text.partition("[")[0]:
        return False
    is_prop = get_origin(annotation) is Prop or text.partition("[")[0].rpartition(".")[2] == "Prop"
    return is_prop or not name.startswith("_")


def _understand(annotation: Any) -> tuple[Any, bool]:
    """The type that an annotation gives a property, and whether null is a value of it."""
    if get_origin(annotation) is Prop:
        (annotation,) = get_args(annotation)
    if isinstance(annotation, ForwardRef):
        annotation = registry.get(annotation.__forward_arg__)
    nullable = annotation is None or type(None) in get_args(annotation)
    return annotation, nullable


def _base_definition(model: ModelType) -> ModelDefinition | None:
    for base in model.__mro__[1:]:
        if isinstance(base, ModelType) and base is not Model:
            return base.definition
    return None


class Model(Bulk, ValidationMethods, metaclass=ModelType):
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
    data_source: ClassVar[Source | None] = None  # type: ignore[assignment]

    def __init__(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        definition = type(self).definition
        given = definition.rename_keys({**(data or {}), **values})
        for name, property_ in definition.properties.items():
            value = given.get(name, MISSING)
            if value is MISSING:
                value = property_.make_default() if property_.has_default else None
            elif value is not None:
                with suppress(TypeMismatch):
                    value = property_.type.load(value)
            self.__dict__[name] = _as_instances(property_.type, value)
        if definition.settings.keeps_unknown:
            self.__dict__.update((k, v) for k, v in given.items() if k not in definition.properties)
        self.__dict__["_is_new"] = True

    def __repr__(self) -> str:
        definition = type(self).definition
        ids = ", ".join(f"{each.name}={self.__dict__.get(each.name)!r}" for each in definition.ids)
        return f"<{type(self).__name__} {ids}>"

    @classmethod
    def from_record(cls, record: Mapping[str, Any], *, is_new: bool = False) -> Self:
        """Make an instance of a record as data sources give it.

        :param record: by Python names, of the properties' types.
        :param is_new: whether it is not stored yet.
        """
        instance = cls.__new__(cls)
        instance.__dict__.update(record, _is_new=is_new)
        for name in cls.definition.embedded:
            if name in record:
                kind = cls.definition.properties[name].type
                instance.__dict__[name] = _as_instances(kind, record[name])
        return instance

    @classmethod
    def plan(cls) -> Plan:
        """What the operations run on, made once for each version of the definition."""
        plan: Plan | None = cls.__dict__.get("_plan")
        if plan is None or plan.version != plan.definition.version:
            plan = cls._plan = cls._make_plan()
        return plan

    _plan: ClassVar[Plan | None] = None

    @classmethod
    def attach_to(cls, source: Source) -> None:
        """Attach the model to a data source, which gives it its operations.

        :param source: the data source.
        """
        cls.data_source = source
        attached = getattr(source, "attached", None)
        if attached is not None:
            attached(cls)

    @classmethod
    def extend(
        cls, name: str, properties: Mapping[str, Any] | None = None, **options: Any
    ) -> type[Self]:
        """Derive a model, as the seed's ``User.extend("user")``.

        :param name: the new model's name.
        :param properties: further properties.
        :param options: settings of the new model.
        """
        base = None if cls is Model else cls.definition
        definition = definition_from_dict(name, properties, options, base=base)
        if base is not None:
            definition.rules.extend(base.rules)
        return make_model(definition, cls)

    def to_record(self) -> Record:
        """The properties that the instance holds, by Python names."""
        definition, values = type(self).definition, self.__dict__
        record = {name: values[name] for name in definition.properties if name in values}
        if definition.settings.keeps_unknown:
            record.update(
                (name, value)
                for name, value in values.items()
                if name not in record and not name.startswith("_")
            )
        for name in definition.embedded:
            if name in record:
                record[name] = _as_records(record[name])
        return record

    def to_dict(self) -> dict[str, Any]:
        """The record as clients see it: readable properties, by wire name, as JSON values."""
        return type(self).plan().serializer.dump_plain(self.to_record())

    def is_new_record(self) -> bool:
        """Whether the record is not stored yet."""
        return bool(self.__dict__.get("_is_new", True))

    def is_valid(self) -> bool:
        """Check the record; :attr:`errors` then says what is wrong with it."""
        failures = type(self).plan().check(self.to_record(), is_new=self.is_new_record())
        self._keep_errors(failures)
        return not failures

    @property
    def errors(self) -> Errors:
        """What the last check found: messages by property, and ``errors.codes``."""
        return self.__dict__.get("_errors") or Errors()

    def _keep_errors(self, failures: Iterable[Failure]) -> None:
        self.__dict__["_errors"] = Errors(failures)

    def _take(self, record: Mapping[str, Any]) -> None:
        """Hold what was stored."""
        self.__dict__.update(type(self).from_record(record).__dict__)
        self._keep_errors(())

    def _forget(self) -> None:
        self.__dict__["_is_new"] = True


def _as_instances(kind: Any, value: Any) -> Any:
    """Embedded records as instances of their model, where they have one."""
    if isinstance(kind, Array) and isinstance(value, list):
        return [_as_instances(kind.item, item) for item in value]
    if isinstance(kind, Embedded) and isinstance(value, Mapping):
        model = kind.definition.model
        return value if model is None else model.from_record(value)
    return value


def _as_records(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_records(item) for item in value]
    return value.to_record() if isinstance(value, Model) else value


def make_model(definition: ModelDefinition, base: type[Any] = Model) -> type[Any]:
    """Make the class of a definition.

    :param definition: the definition.
    :param base: the model that it extends.
    """
    return ModelType(definition.name, (base,), {}, definition=definition)


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
        return _model_from_json(name)
    return make_model(definition_from_dict(name, properties, {**(options or {}), **settings}))


def _model_from_json(document: Mapping[str, Any]) -> type[Any]:
    def find_base(name: str) -> ModelDefinition:
        return cast("ModelType", registry.get(name)).definition

    definition = definition_from_json(document, find_base=find_base)
    base = document.get("base", "Model")
    return make_model(definition, Model if base in PLAIN_BASES else registry.get(base))
