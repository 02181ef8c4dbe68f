"""Property: one named, typed attribute of a model, and the forms it may be written in."""

from __future__ import annotations

import datetime as dt
import enum
import secrets
import types
import typing as t
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from marshmallow.fields import Field

from .. import types as property_types
from ..errors import DefinitionError
from ..geo import GeoPoint
from ..types import PropertyType, TypeMismatch
from .naming import python_name, unfit_property_name, wire_name
from .registry import nearest

if t.TYPE_CHECKING:
    from .model import ModelDefinition


class Missing(enum.Enum):
    """The type of :data:`MISSING`, which says that nothing was given, not even None."""

    MISSING = "MISSING"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: t.Final = Missing.MISSING

_NANOID_ALPHABET = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _nanoid() -> str:
    return "".join(secrets.choice(_NANOID_ALPHABET) for _ in range(21))


def _uuid() -> str:
    return str(uuid.uuid4())


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


#: The functions that ``default_fn`` may name.
DEFAULT_FUNCTIONS: dict[str, Callable[[], t.Any]] = {
    "guid": _uuid,
    "uuid": _uuid,
    "uuidv4": _uuid,
    "nanoid": _nanoid,
    "shortid": _nanoid,
    "now": _now,
}


@dataclass(frozen=True, slots=True, eq=False)
class Property:
    """One property of a model, normalised.

    :ivar name: the Python name.
    :ivar wire: the name in JSON, in remote filters and in the documentation.
    :ivar nullable: whether null is a value of the property.
    :ivar required: whether blank values are refused (LoopBack's presence rule).
    :ivar default: the value of a new record where none is given, or :data:`MISSING`.
    :ivar default_fn: called for that value instead.
    :ivar id: the position in the model's id, from 1, or None.
    :ivar generated: whether the data source makes the value.
    :ivar constraints: ``min``, ``max``, ``min_length``, ``max_length``, ``pattern``, ``enum``.
    :ivar options: by backend, such as ``{"postgresql": {"columnName": "PRICE"}}``.
    :ivar written: the keys beside ``type`` as they were written.
    :ivar injected: whether the model had no id, so that it was given this one.
    """

    name: str
    wire: str
    type: PropertyType
    nullable: bool = True
    required: bool = False
    default: t.Any = MISSING
    default_fn: Callable[[], t.Any] | None = None
    id: int | None = None
    generated: bool = False
    hidden: bool = False
    protected: bool = False
    read_only: bool = False
    create_only: bool = False
    write_only: bool = False
    index: bool = False
    unique: bool = False
    constraints: Mapping[str, t.Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, t.Any]] = field(default_factory=dict)
    description: str | None = None
    written: Mapping[str, t.Any] = field(default_factory=dict)
    injected: bool = False

    @property
    def has_default(self) -> bool:
        return self.default is not MISSING or self.default_fn is not None

    @property
    def readable(self) -> bool:
        """Whether remote callers may see the value, and so filter and order by it."""
        return not (self.hidden or self.write_only)

    @property
    def must_be_given(self) -> bool:
        """Whether a new record is incomplete without a value."""
        return not (self.nullable or self.has_default or self.generated)

    def make_default(self) -> t.Any:
        """The value for a new record that has none.

        :raises TypeError: where the function gave a value that is not of the type.
        """
        value = self.default if self.default_fn is None else self.default_fn()
        if value is MISSING or value is None:
            return None
        try:
            return self.type.load(value)
        except TypeMismatch as error:
            raise TypeError(f"the default of {self.name!r}, {value!r}, {error}") from None


class Spec(dict[str, t.Any]):
    """What :func:`prop` was given, until the model is defined."""


def prop(
    *,
    type: t.Any = MISSING,
    default: t.Any = MISSING,
    default_fn: str | Callable[[], t.Any] | None = None,
    id: bool | int = False,
    generated: bool | None = None,
    required: bool = False,
    min: float | None = None,
    max: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    enum: Sequence[t.Any] | None = None,
    unique: bool = False,
    index: bool = False,
    hidden: bool = False,
    protected: bool = False,
    read_only: bool = False,
    create_only: bool = False,
    write_only: bool = False,
    data_key: str | None = None,
    precision: int | None = None,
    scale: int | None = None,
    description: str | None = None,
    options: Mapping[str, Mapping[str, t.Any]] | None = None,
) -> t.Any:
    """Describe a property in a class body.

    :param type: a type that an annotation cannot say, such as a Marshmallow field or ``"DateOnly"``;
        the annotation then is for type checkers alone.
    :param default: the value of a new record where none is given; a callable is called for it.
    :param default_fn: a function without arguments, or the name of one: ``uuid``, ``guid``,
        ``nanoid``, ``now``.
    :param id: whether the property is the id, or its position (from 1) in an id of several.
    :param generated: whether the data source makes the value.
    :param required: refuse blank values: null, ``""``, ``[]``.
    :param min: the least number, or the least length in characters of a text.
    :param max: the greatest number, or the greatest length in characters of a text.
    :param min_length: the least length, of texts and lists.
    :param max_length: the greatest length.
    :param pattern: a regular expression (RE2) that must be found in the text.
    :param enum: the allowed values.
    :param unique: no two records have the same value; a unique index where the backend has one.
    :param index: an index makes filters and order on the property fast.
    :param hidden: never sent to clients, nor used in their filters.
    :param protected: not sent where the record is inside another one.
    :param read_only: what clients send is dropped.
    :param create_only: clients may set it in a new record only.
    :param write_only: clients may set it, never read or filter by it.
    :param data_key: the name on the wire, where the camelCase of the Python name is not right.
    :param precision: digits in all, of a ``Decimal``.
    :param scale: digits after the point, of a ``Decimal``.
    :param description: a sentence for the documentation.
    :param options: by backend: ``{"postgresql": {"columnName": "PRICE"}}``.
    :returns: the description, as a value that type checkers let stand for the property's.

    ::

        class Product(Model):
            name: Prop[str] = prop(required=True, max_length=80)
    """
    given = {
        key: value
        for key, value in locals().items()
        if value is not MISSING and value is not None and value is not False
    }
    if default is None or default is False:
        given["default"] = default
    if generated is False:
        given["generated"] = False
    return Spec(given)


#: LoopBack's spellings of the keys of a property.
_ALIASES: dict[str, str] = {
    "defaultFn": "default_fn",
    "minLength": "min_length",
    "maxLength": "max_length",
    "readOnly": "read_only",
    "createOnly": "create_only",
    "writeOnly": "write_only",
    "dataKey": "data_key",
    "length": "max_length",
}
_FLAGS = ("required", "hidden", "protected", "read_only", "create_only", "write_only")
_CONSTRAINTS = ("min", "max", "min_length", "max_length", "pattern", "enum")
_KNOWN = {
    *_FLAGS,
    *_CONSTRAINTS,
    *("type", "default", "default_fn", "id", "generated", "index", "unique", "data_key"),
    *("precision", "scale", "description", "options", "nullable"),
}


def make_property(
    name: str,
    written: t.Any,
    *,
    wire_case: str | None = "camel",
    nullable: bool | None = None,
    resolve: Callable[[t.Any], PropertyType],
    rename_reserved: bool = True,
) -> Property:
    """Normalise one property of a dict, a JSON definition or a class body.

    :param name: the property's name as written.
    :param written: a type in any of its forms, or a mapping with the key ``type``.
    :param wire_case: ``"camel"``, or None to keep the name as it is.
    :param nullable: whether null is a value; by default unless ``required``.
    :param resolve: gives the :class:`PropertyType` of what was written as the type.
    :param rename_reserved: give a reserved name a ``_`` at its end.
    :raises DefinitionError: naming the property and what is wrong with it.
    """
    if problem := unfit_property_name(name):
        raise DefinitionError(f"the property name {name!r} {problem}")
    python = python_name(name) if rename_reserved else name
    try:
        builder = _Builder(
            name, python, written, wire_case=wire_case, nullable=nullable, resolve=resolve
        )
        return builder.build()
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"property {name!r}: {error}") from None


def _spec(written: t.Any) -> dict[str, t.Any]:
    """What was written as a mapping with Python keys."""
    if isinstance(written, Spec):
        return written
    if isinstance(written, Mapping) and "type" in written:
        renamed: dict[str, t.Any] = {}
        for key, value in written.items():
            is_size_on_disk = key == "length" and not _is_text(written["type"])
            name = str(key)
            renamed[name if is_size_on_disk else _ALIASES.get(name, name)] = value
        return renamed
    return {"type": written}


def _as_written(written: t.Any) -> dict[str, t.Any]:
    if isinstance(written, Mapping) and (isinstance(written, Spec) or "type" in written):
        return {key: value for key, value in written.items() if key != "type"}
    return {}


def _is_text(written: t.Any) -> bool:
    return written is str or (isinstance(written, str) and written.lower() in ("string", "text"))


class _Builder:
    def __init__(
        self,
        name: str,
        python: str,
        written: t.Any,
        *,
        wire_case: str | None,
        nullable: bool | None,
        resolve: Callable[[t.Any], PropertyType],
    ) -> None:
        self.name, self.python = name, python
        self.spec, self.written = _spec(written), _as_written(written)
        self.wire_case, self.nullable = wire_case, nullable
        self.type = resolve(self.spec.get("type", "any"))

    def build(self) -> Property:
        spec = self.spec
        self._apply_decimal_size()
        position = self._position()
        nullable = self._is_nullable() and position is None
        constraints = self._constraints()
        default, default_fn = self._default(constraints)
        if default is None and not nullable and isinstance(spec, Spec):
            raise DefinitionError("the default None is no value of it; write Prop[T | None]")
        index = spec.get("index", False)
        return Property(
            name=self.python,
            wire=self._wire(),
            type=self.type,
            nullable=nullable,
            default=MISSING if default is None and not nullable else default,
            default_fn=default_fn,
            id=position,
            generated=self._flag("generated"),
            index=isinstance(index, Mapping) or self._flag("index"),
            unique=self._flag("unique")
            or (isinstance(index, Mapping) and bool(index.get("unique"))),
            constraints=constraints,
            options=self._options(),
            description=spec.get("description"),
            written=self.written,
            **{flag: self._flag(flag) for flag in _FLAGS},
        )

    def _flag(self, key: str) -> bool:
        value = self.spec.get(key)
        if value not in (True, False, None):
            raise DefinitionError(f"{key} is True or False, not {value!r}")
        return bool(value)

    def _is_nullable(self) -> bool:
        if self.nullable is not None:
            return self.nullable
        return not self._flag("required") if "nullable" not in self.spec else self._flag("nullable")

    def _position(self) -> int | None:
        """The property's place in the id, from 1."""
        given = self.spec.get("id")
        if given is None or given is False:
            return None
        if not isinstance(given, int) or given < 1:
            raise DefinitionError(f"id is True, or a position from 1, not {given!r}")
        return int(given)

    def _wire(self) -> str:
        if key := self.spec.get("data_key"):
            return str(key)
        if self.wire_case is None:
            return self.name
        return wire_name(self.name)

    def _apply_decimal_size(self) -> None:
        precision, scale = self.spec.get("precision"), self.spec.get("scale")
        if precision is None and scale is None:
            return
        if isinstance(self.type, property_types.DecimalNumber):
            self.type = property_types.DecimalNumber(precision, scale)
        elif isinstance(self.spec, Spec):
            raise DefinitionError(f"precision and scale mean nothing for the type {self.type.name}")

    def _default(
        self, constraints: Mapping[str, t.Any]
    ) -> tuple[t.Any, Callable[[], t.Any] | None]:
        default, function = self.spec.get("default", MISSING), self.spec.get("default_fn")
        if function is not None and default is not MISSING and default is not None:
            raise DefinitionError("give default or default_fn, not both")
        if default == "$now" and isinstance(
            self.type, property_types.DateTime | property_types.Date
        ):
            function = "now"
        if default is not MISSING and function is None and callable(default):
            function = default
        if isinstance(function, str):
            function = self._named_function(function)
        if function is not None:
            if not callable(function):
                raise DefinitionError(f"default_fn is a function or its name, not {function!r}")
            return MISSING, function
        if default is not MISSING and default is not None:
            self._check_default(default, constraints)
        return default, None

    def _check_default(self, default: t.Any, constraints: Mapping[str, t.Any]) -> None:
        if isinstance(getattr(self.type, "item", self.type), Embedded):
            return  # the model that it names may be defined later
        try:
            loaded = self.type.load(default)
        except TypeMismatch as error:
            raise DefinitionError(f"the default {default!r} {error}") from None
        if loaded not in constraints.get("enum", [loaded]):
            raise DefinitionError(f"the default {default!r} is none of the values in enum")

    def _named_function(self, name: str) -> Callable[[], t.Any]:
        """One of the functions that ``default_fn`` may name."""
        try:
            function = DEFAULT_FUNCTIONS[name]
        except KeyError:
            known = ", ".join(DEFAULT_FUNCTIONS)
            raise DefinitionError(
                f"no default function is called {name!r}; there are {known}"
            ) from None
        if name == "now" and isinstance(self.type, property_types.Date):
            return lambda: _now().date()
        try:
            self.type.load(function())
        except TypeMismatch as error:
            raise DefinitionError(f"the default function {name!r} gives what {error}") from None
        return function

    def _constraints(self) -> dict[str, t.Any]:
        given = self.spec
        constraints = {key: given[key] for key in _CONSTRAINTS if given.get(key) is not None}
        if isinstance(self.type, property_types.String):
            for short in ("min", "max"):
                if short in constraints:
                    constraints.setdefault(f"{short}_length", constraints.pop(short))
        for key, kinds in _APPLIES_TO.items():
            if key in constraints and not isinstance(self.type, kinds):
                raise DefinitionError(f"{key} means nothing for the type {self.type.name}")
        if "enum" in constraints:
            constraints["enum"] = tuple(
                self._of_type("enum", value) for value in constraints["enum"]
            )
        self._check_bounds(constraints)
        return constraints

    def _check_bounds(self, constraints: Mapping[str, t.Any]) -> None:
        bounds = {
            key: self._of_type(key, constraints[key]) for key in ("min", "max") & constraints.keys()
        }
        lengths = {
            key: constraints[key] for key in ("min_length", "max_length") & constraints.keys()
        }
        for key, length in lengths.items():
            if not isinstance(length, int) or isinstance(length, bool) or length < 0:
                raise DefinitionError(f"{key} is a number of characters or items, not {length!r}")
        for given, least, most in ((bounds, "min", "max"), (lengths, "min_length", "max_length")):
            if least in given and most in given and given[least] > given[most]:
                raise DefinitionError(
                    f"{least} is greater than {most}: {given[least]} > {given[most]}"
                )

    def _of_type(self, key: str, value: t.Any) -> t.Any:
        try:
            return self.type.load(value)
        except TypeMismatch as error:
            raise DefinitionError(f"{key} has {value!r}, which {error}") from None

    def _options(self) -> dict[str, Mapping[str, t.Any]]:
        backends = {
            key: value
            for key, value in self.spec.items()
            if key not in _KNOWN and isinstance(value, Mapping)
        }
        return {**backends, **self.spec.get("options", {})}


_SIZED = (
    property_types.String,
    property_types.Array,
    property_types.Buffer,
    property_types.AnyValue,
    property_types.FieldValue,
)
_NUMERIC = (
    property_types.Integer,
    property_types.Number,
    property_types.DecimalNumber,
    property_types.DateTime,
    property_types.Date,
    property_types.AnyValue,
    property_types.FieldValue,
)
_APPLIES_TO: dict[str, tuple[type[PropertyType], ...]] = {
    "min": _NUMERIC,
    "max": _NUMERIC,
    "min_length": _SIZED,
    "max_length": _SIZED,
    "pattern": (property_types.String, property_types.AnyValue),
}


class Embedded(PropertyType):
    """Another model's record inside this one. Records hold it as a dict by Python names.

    :param find: gives the embedded model's definition, when it is first needed.
    """

    name, python, message = "Object", dict, "is not an object"

    def __init__(self, find: Callable[[], ModelDefinition]) -> None:
        self._find = find
        self._definition: ModelDefinition | None = None
        self._model: t.Any = None

    @property
    def definition(self) -> ModelDefinition:
        if self._definition is None:
            self._definition = self._find()
            # A definition holds its class weakly; whoever embeds it makes instances of it.
            self._model = self._definition.model
        return self._definition

    def load(self, value: t.Any, *, text: bool = True) -> dict[str, t.Any]:
        definition = self.definition
        if hasattr(value, "to_record"):
            if definition.model is not None and not isinstance(value, definition.model):
                raise self.mismatch(f"is not an instance of {definition.name}")
            value = value.to_record()
        if not isinstance(value, Mapping):
            raise self.mismatch()
        if property_types.is_deeper(value, property_types.MAX_DEPTH):
            raise property_types.too_deep()
        try:
            given = definition.rename_keys(value)
        except TypeError as error:
            raise self.mismatch(f"is ambiguous: {error}") from None
        record = {name: self._load_one(name, given, text) for name in definition.properties}
        if len(given) > len(record) or not given.keys() <= record.keys():
            record.update(self._load_undeclared(given))
        return record

    def _load_one(self, name: str, given: Mapping[str, t.Any], text: bool) -> t.Any:
        property_ = self.definition.properties[name]
        value = given[name] if name in given else property_.make_default()
        if value is None:
            if property_.must_be_given or (name in given and not property_.nullable):
                raise TypeMismatch("presence", "can't be blank", (name,))
            return None
        try:
            return property_.type.load(value, text=text)
        except TypeMismatch as error:
            raise TypeMismatch(error.code, str(error), (name, *error.path)) from None

    def _load_undeclared(self, given: Mapping[str, t.Any]) -> dict[str, t.Any]:
        undeclared = self._undeclared(given)
        settings = self.definition.settings
        if settings.strict == "validate":
            key = next(iter(undeclared))
            raise TypeMismatch("unknown-property", "is not defined in the model", (str(key),))
        if not settings.keeps_unknown:
            return {}
        return property_types.Object().load(undeclared)

    def _undeclared(self, value: Mapping[str, t.Any]) -> dict[str, t.Any]:
        declared = self.definition.properties
        return {key: item for key, item in value.items() if key not in declared}

    def dump(self, value: t.Any) -> dict[str, t.Any]:
        return self._by_wire_name(
            value, lambda kind: kind.dump, lambda each: each.readable and not each.protected
        )

    def to_json(self, value: t.Any) -> dict[str, t.Any]:
        return self._by_wire_name(value, lambda kind: kind.to_json, lambda each: True)

    def _by_wire_name(
        self,
        value: t.Any,
        write: Callable[[PropertyType], Callable[[t.Any], t.Any]],
        wanted: Callable[[Property], bool],
    ) -> dict[str, t.Any]:
        if hasattr(value, "to_record"):
            value = value.to_record()
        written = {
            each.wire: None if (item := value.get(each.name)) is None else write(each.type)(item)
            for each in self.definition.properties.values()
            if wanted(each)
        }
        if self.definition.settings.keeps_unknown:
            written.update(self._undeclared(value))
        return written

    def from_json(self, value: t.Any) -> dict[str, t.Any]:
        by_wire = self.definition.by_wire
        record = {
            each.name: None if (item := value.get(each.wire)) is None else each.type.from_json(item)
            for each in by_wire.values()
        }
        if self.definition.settings.keeps_unknown:
            record.update((key, item) for key, item in value.items() if key not in by_wire)
        return record

    def json_schema(self) -> dict[str, t.Any]:
        properties = {
            each.wire: each.type.json_schema() for each in self.definition.properties.values()
        }
        return {"type": "object", "properties": properties}


_BY_NAME: dict[str, Callable[[], PropertyType]] = {
    "null": property_types.Null,
    "boolean": property_types.Boolean,
    "number": property_types.Number,
    "integer": property_types.Integer,
    "decimal": property_types.DecimalNumber,
    "string": property_types.String,
    "text": property_types.String,
    "object": property_types.Object,
    "json": property_types.AnyValue,
    "array": property_types.Array,
    "date": property_types.DateTime,
    "datetime": property_types.DateTime,
    "dateonly": property_types.Date,
    "buffer": property_types.Buffer,
    "binary": property_types.Buffer,
    "geopoint": property_types.Geo,
    "uuid": property_types.Uuid,
    "any": property_types.AnyValue,
}
#: LoopBack's names of the types, for messages.
TYPE_NAMES = tuple(dict.fromkeys(make.name for make in _BY_NAME.values() if isinstance(make, type)))
_BY_CLASS: dict[t.Any, Callable[[], PropertyType]] = {
    None: property_types.Null,
    type(None): property_types.Null,
    bool: property_types.Boolean,
    int: property_types.Integer,
    float: property_types.Number,
    Decimal: property_types.DecimalNumber,
    str: property_types.String,
    dict: property_types.Object,
    list: property_types.Array,
    dt.datetime: property_types.DateTime,
    dt.date: property_types.Date,
    bytes: property_types.Buffer,
    GeoPoint: property_types.Geo,
    uuid.UUID: property_types.Uuid,
    t.Any: property_types.AnyValue,
    object: property_types.AnyValue,
}


def resolve_type(
    written: t.Any,
    *,
    named: Callable[[str], ModelDefinition],
    anonymous: Callable[[Mapping[str, t.Any]], ModelDefinition],
) -> PropertyType:
    """Give the property type of what stands for it in a definition.

    :param written: a Python type, a type's name, ``[T]`` or ``list[T]``, a model, a dict of
        properties, an Enum, a Marshmallow field, or a property type.
    :param named: finds the definition of a model that is only named.
    :param anonymous: defines a model from a dict of properties.
    :raises DefinitionError: where it is none of these.
    """

    def resolve(part: t.Any) -> PropertyType:
        return resolve_type(part, named=named, anonymous=anonymous)

    if isinstance(written, PropertyType):
        return written
    if isinstance(written, t.ForwardRef):
        written = written.__forward_arg__
    if isinstance(written, str):
        return _resolve_name(written, named)
    if isinstance(written, list | tuple):
        if len(written) > 1:
            raise DefinitionError(f"a list type has one item type, not {len(written)}")
        return property_types.Array(resolve(written[0]) if written else None)
    if isinstance(written, Field):
        return property_types.FieldValue(written)
    if isinstance(written, Mapping):
        definition = anonymous(written)
        return Embedded(lambda: definition)
    return _resolve_class(written, resolve)


def _resolve_name(name: str, named: Callable[[str], ModelDefinition]) -> PropertyType:
    if name.startswith("[") and name.endswith("]"):
        return property_types.Array(_resolve_name(name[1:-1], named))
    if make := _BY_NAME.get(name.lower()):
        return make()

    def find() -> ModelDefinition:
        try:
            return named(name)
        except DefinitionError as error:
            near = "" if "did you mean" in str(error) else nearest(name, TYPE_NAMES)
            raise DefinitionError(f"{error}{near}") from None

    return Embedded(find)


def _resolve_class(written: t.Any, resolve: Callable[[t.Any], PropertyType]) -> PropertyType:
    if t.get_origin(written) is not None:
        return _resolve_generic(written, resolve)
    if isinstance(written, Hashable) and (make := _BY_CLASS.get(written)):
        return make()
    if isinstance(written, type) and issubclass(written, enum.Enum):
        return property_types.Enumeration(written)
    if hasattr(written, "__loop_model__"):
        return Embedded(lambda: written.definition)
    if isinstance(written, type) and issubclass(written, Field):
        raise DefinitionError(f"a Marshmallow field is given as an instance: {written.__name__}()")
    raise DefinitionError(f"{written!r} is no property type")


def _resolve_generic(written: t.Any, resolve: Callable[[t.Any], PropertyType]) -> PropertyType:
    """The type of ``list[T]``, ``dict[str, T]`` or ``T | None``."""
    origin, arguments = t.get_origin(written), t.get_args(written)
    if origin in (list, Sequence):
        return property_types.Array(_resolve_part(arguments[0], resolve))
    if origin in (dict, Mapping):
        return property_types.Object(_resolve_part(arguments[1], resolve))
    if origin in (types.UnionType, t.Union):
        kept = [argument for argument in arguments if argument is not type(None)]
        if len(kept) == 1:
            return resolve(kept[0])
        if set(kept) == {int, float}:
            return property_types.Number()
        raise DefinitionError(f"{written} is more than one type; write Any and a validation")
    raise DefinitionError(f"{written} is no property type")


def _resolve_part(written: t.Any, resolve: Callable[[t.Any], PropertyType]) -> PropertyType:
    """The type of the items of a list, or of the values of a dict."""
    if type(None) in t.get_args(written):
        raise DefinitionError(f"what is inside a list or dict is not null: {written}; write Any")
    return resolve(written)
