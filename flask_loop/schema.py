"""Records and Marshmallow: each model has a schema, and what is compiled from it is fast.

:func:`make_schema` gives a model's Marshmallow schema. :class:`Serializer` checks bodies and writes
rows by it. While the schema is the one that was made, loading runs through a table and dumping
through a function that is generated for the columns at hand; both agree with Marshmallow on every
input. A schema of the user's own is left to Marshmallow itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from marshmallow import (
    EXCLUDE,
    RAISE,
    Schema,
    fields,
    missing,
    post_dump,
    post_load,
    validates_schema,
)
from marshmallow import ValidationError as SchemaError

from .connectors.base import Layout, Record, Rows, value_source
from .definition import MISSING, Embedded, ModelDefinition, Property
from .errors import Failure
from .types import Array, Object, PropertyType, TypeMismatch


class Message(str):
    """A message of Marshmallow that carries LoopBack's code of the rule."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, text: str, code: str) -> Message:
        message = super().__new__(cls, text)
        message.code = code
        return message


BLANK = Message("can't be blank", "presence")
UNKNOWN = Message("is not defined in the model", "unknown-property")
READ_ONLY = Message("is read-only", "read-only")


class TypedField(fields.Field[Any]):
    """A Marshmallow field that takes and gives exactly what a property type does.

    :param property_type: the type.
    """

    default_error_messages = {  # noqa: RUF012 - as Marshmallow has it
        "required": BLANK,
        "null": BLANK,
    }

    def __init__(self, property_type: PropertyType, **options: Any) -> None:
        super().__init__(**options)
        self.property_type = property_type

    def deserialize(
        self,
        value: Any,
        attr: str | None = None,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """As Marshmallow's, but null and defaults are validated as well: presence is a rule."""
        loaded = super().deserialize(value, attr, data, **kwargs)
        if value is None or value is missing:
            self._validate(loaded)
        return loaded

    def _validate(self, value: Any) -> None:
        try:
            super()._validate(value)
        except SchemaError as error:
            raise SchemaError(_in_one(error.messages)) from None

    def make_error(self, key: str, **kwargs: Any) -> SchemaError:
        """As Marshmallow's, but the message keeps its code."""
        return SchemaError([self.error_messages[key]])

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else self.property_type.dump(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self.property_type.load(value)
        except TypeMismatch as error:
            path = spell_path(self.property_type, error.path, "wire")
            raise SchemaError(_nested(error, path)) from None


def _nested(error: TypeMismatch, path: Sequence[str | int]) -> list[Any] | dict[Any, Any]:
    messages: Any = [Message(str(error), error.code)]
    for key in reversed(path):
        messages = {key: messages}
    return messages  # type: ignore[no-any-return]


def _in_one(messages: Any) -> Any:
    """The messages of several validators: a list, or a dict where some are about inner values."""
    nested = [each for each in messages if isinstance(each, Mapping)]
    if not nested:
        return messages
    about_all = [each for each in messages if not isinstance(each, Mapping)]
    merged = {"_schema": about_all} if about_all else {}
    for each in nested:
        merged.update(each)
    return merged


def spell_path(
    kind: PropertyType, path: tuple[str | int, ...], spelling: str
) -> tuple[str | int, ...]:
    """A path inside a value with the names of embedded properties in one spelling.

    :param kind: the type of the value.
    :param path: keys and indexes; properties by Python or wire names.
    :param spelling: ``name`` for Python names, ``wire`` for wire names.
    """
    if not path:
        return ()
    key, inner = path[0], path[1:]
    if isinstance(kind, Array):
        return (key, *spell_path(kind.item, inner, spelling))
    if not (isinstance(kind, Embedded) and isinstance(key, str)):
        return path
    found = kind.definition.find(key)
    if found is None:
        return path
    return (getattr(found, spelling), *spell_path(found.type, inner, spelling))


class ModelSchema(Schema):
    """The base of the schemas that are made from definitions."""

    error_messages = {"unknown": UNKNOWN}  # noqa: RUF012 - as Marshmallow has it

    class Meta:
        unknown = EXCLUDE


class ClosedSchema(ModelSchema):
    """The base of those that refuse keys which are no property, as ``strict = "validate"`` asks."""

    class Meta:
        unknown = RAISE


class OpenSchema(ModelSchema):
    """The base of those that keep keys which are no property, as ``strict = False`` asks for."""

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_undeclared(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Hold the values of undeclared keys to the domain of JSON values."""
        messages = {}
        for key, value in self._undeclared(original).items():
            try:
                load_undeclared(key, value)
            except TypeMismatch as error:
                messages[str(key)] = _nested(error, error.path[1:])
        if messages:
            raise SchemaError(messages)

    @post_load(pass_original=True)
    def keep_undeclared(self, data: Any, original: Any, **kwargs: Any) -> dict[str, Any]:
        undeclared = self._undeclared(original).items()
        return {**data, **{key: load_undeclared(key, value) for key, value in undeclared}}

    @post_dump(pass_original=True)
    def show_undeclared(self, data: Any, original: Any, **kwargs: Any) -> dict[str, Any]:
        record = original if isinstance(original, Mapping) else original.to_record()
        return {**data, **self._undeclared(record)}

    def _undeclared(self, given: Mapping[str, Any]) -> dict[str, Any]:
        fields_ = self.declared_fields
        known = fields_.keys() | {field.data_key for field in fields_.values()}
        return {key: value for key, value in given.items() if key not in known}


def load_undeclared(key: Any, value: Any) -> Any:
    """The value of a key that is no property.

    :raises TypeMismatch: where it is no JSON value; the path begins with the key.
    """
    return next(iter(_OBJECT.load({key: value}).values()))


_OBJECT = Object()


def make_schema(
    definition: ModelDefinition,
    validators: Mapping[str, Iterable[Callable[[Any], Any]]] | None = None,
) -> Schema:
    """Make a model's Marshmallow schema.

    :param definition: the model.
    :param validators: the Marshmallow validators of each property, by Python name.
    :returns: one instance, of a class of its own that users may derive from: fields carry Python
        names, with the wire names as their ``data_key``.
    """
    validators = validators or {}
    made: dict[str, Any] = {
        each.name: _field(each, list(validators.get(each.name, ())))
        for each in definition.properties.values()
    }
    bases: dict[Any, type[ModelSchema]] = {False: OpenSchema, "validate": ClosedSchema}
    base = bases.get(definition.settings.strict, ModelSchema)
    schema_class = type(f"{definition.name}Schema", (base,), made)
    schema: Schema = schema_class()
    return schema


def _field(property_: Property, validators: list[Callable[[Any], Any]]) -> TypedField:
    options: dict[str, Any] = {
        "data_key": property_.wire,
        "allow_none": property_.nullable or property_.generated,
        "required": property_.must_be_given,
        "load_only": not property_.readable,
        "validate": validators,
        "metadata": {"description": property_.description} if property_.description else {},
    }
    blank = next(filter(None, (getattr(each, "blank_message", None) for each in validators)), None)
    if blank is not None:
        options["error_messages"] = {"required": blank, "null": blank}
    if property_.has_default:
        options["load_default"] = property_.make_default
    elif not property_.must_be_given:
        options["load_default"] = None
    return TypedField(property_.type, **options)


class Serializer:
    """Loads and dumps the records of one model.

    :param definition: the model.
    :param schema: its Marshmallow schema.
    :param generated: whether the schema is as :func:`make_schema` made it.
    :param instance: makes an instance of a record, for schemas of the user's own.
    :param to_dict: the model's own way from an instance to a JSON object, where it has one.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        schema: Schema,
        *,
        generated: bool,
        instance: Callable[[Record], Any],
        to_dict: Callable[[Any], dict[str, Any]] | None = None,
    ) -> None:
        self.definition = definition
        self.schema = schema
        self.generated = generated
        self._instance = instance
        self._to_dict = to_dict
        self._table = [(each, each.name, each.type.load) for each in definition.properties.values()]
        self._blank: dict[str, Message] = {
            name: cast("Message", field.error_messages["null"])
            for name, field in schema.fields.items()
            if generated
        }

    def load(
        self, data: Mapping[str, Any], *, partial: bool = False
    ) -> tuple[Record, list[Failure]]:
        """Check a record's data and give its values their types.

        :param data: by Python names.
        :param partial: whether only what is given is wanted, not defaults for the rest.
        :returns: what could be loaded, and what is wrong with the rest.
        """
        failures: list[Failure] = []
        if self.generated:
            record = self._load_by_table(data, partial, failures)
        else:
            record = self._load_by_schema(data, partial, failures)
        if not partial:
            for name in self.definition.properties:
                record.setdefault(name, None)
        return record, failures

    def dump(self, rows: Rows) -> list[dict[str, Any]]:
        """The rows as JSON objects: every property that is readable, by wire name."""
        if self._to_dict is not None or not self.generated:
            return [self.dump_record(record) for record in rows.records()]
        dump = rows.layout.compiled.get(self)
        if dump is None:
            dump = rows.layout.compiled[self] = self._compile_dump(rows.layout)
        return cast("list[dict[str, Any]]", dump(rows.raw))

    def dump_record(self, record: Record) -> dict[str, Any]:
        """One record as a JSON object; properties that it does not hold are left out."""
        if self._to_dict is not None:
            return self._to_dict(self._instance(record))
        return self.dump_plain(record)

    def dump_plain(self, record: Record) -> dict[str, Any]:
        """One record as a JSON object by the schema alone, whatever the model's ``to_dict``."""
        if not self.generated:
            return self._only_held(dict(self.schema.dump(self._instance(record))), record)
        dumped = {
            property_.wire: None if (value := record[name]) is None else property_.type.dump(value)
            for name, property_ in self.definition.properties.items()
            if name in record and property_.readable
        }
        if self.definition.settings.keeps_unknown:
            dumped.update(self._undeclared(record))
        return dumped

    def _load_by_table(
        self,
        data: Mapping[str, Any],
        partial: bool,
        failures: list[Failure],
    ) -> Record:
        record: Record = {}
        seen = 0
        for property_, name, load in self._table:
            value = data.get(name, MISSING)
            if value is MISSING:
                if partial:
                    continue
                if property_.must_be_given:
                    failures.append(self._blank_failure(name))
                    continue
                value = property_.make_default() if property_.has_default else None
                record[name] = value
                continue
            seen += 1
            if value is None:
                if property_.nullable or property_.generated:
                    record[name] = None
                else:
                    failures.append(self._blank_failure(name))
                continue
            try:
                record[name] = load(value)
            except TypeMismatch as error:
                path = (name, *error.path)
                failures.append(Failure(path, error.code, str(error)))
        if seen < len(data):
            self._take_undeclared(data, record, failures)
        return record

    def _blank_failure(self, name: str) -> Failure:
        message = self._blank[name]
        return Failure((name,), message.code, message)

    def _take_undeclared(
        self, data: Mapping[str, Any], record: Record, failures: list[Failure]
    ) -> None:
        settings = self.definition.settings
        if settings.strict == "validate":
            failures.extend(
                Failure((str(key),), UNKNOWN.code, UNKNOWN) for key in self._undeclared(data)
            )
        elif settings.keeps_unknown:
            for key, value in self._undeclared(data).items():
                try:
                    record[key] = load_undeclared(key, value)
                except TypeMismatch as error:
                    failures.append(Failure(error.path or (str(key),), error.code, str(error)))

    def _load_by_schema(
        self, data: Mapping[str, Any], partial: bool, failures: list[Failure]
    ) -> Record:
        try:
            loaded = self.schema.load(self._as_json(data), partial=partial)
        except SchemaError as error:
            messages = error.normalized_messages()  # type: ignore[no-untyped-call]
            failures.extend(self._failures(messages, ()))
            loaded = error.valid_data
        if not isinstance(loaded, Mapping):
            raise TypeError(
                f"the schema of {self.definition.name} loads a {type(loaded).__name__}, not a dict"
            )
        record = {
            name: value
            for name, value in loaded.items()
            if name in self.definition.properties or self.definition.settings.keeps_unknown
        }
        if not partial:
            self._complete(record, failures)
        return record

    def _complete(self, record: Record, failures: list[Failure]) -> None:
        """Give the properties that a schema leaves out their defaults."""
        missing = self.definition.properties.keys() - record.keys()
        missing -= {failure.path[0] for failure in failures}
        for name, property_ in self.definition.properties.items():
            if name not in missing:
                continue
            if property_.must_be_given:
                failures.append(Failure((name,), BLANK.code, BLANK))
            else:
                record[name] = property_.make_default()

    def _as_json(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Data by Python names as the JSON that a schema takes."""
        given: dict[str, Any] = {}
        for name, value in data.items():
            field = self.schema.fields.get(name)
            key = field.data_key if field is not None and field.data_key else name
            property_ = self.definition.properties.get(name)
            given[key] = value if property_ is None else _json_form(property_, value)
        return given

    def _failures(self, messages: Any, path: tuple[str | int, ...]) -> Iterable[Failure]:
        if isinstance(messages, Mapping):
            for key, inner in messages.items():
                name = self._name_of(key) if not path else key
                yield from self._failures(inner, path if key == "_schema" else (*path, name))
        elif isinstance(messages, list):
            for message in messages:
                yield from self._failures(message, path)
        else:
            code = getattr(messages, "code", "invalid")
            yield Failure(self._python_path(path) or ("_schema",), code, str(messages))

    def _python_path(self, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        found = self.definition.find(str(path[0])) if path else None
        return path if found is None else (found.name, *spell_path(found.type, path[1:], "name"))

    def _name_of(self, key: Any) -> Any:
        for name, field in self.schema.fields.items():
            if key == (field.data_key or name):
                return name
        return key

    def _compile_dump(self, layout: Layout) -> Callable[[Any], list[dict[str, Any]]]:
        """Generate the function that gives raw rows as JSON objects.

        Names and converters enter as constants of its namespace, never as source text.
        """
        names: dict[str, Any] = {}
        items = []
        for position, (name, column) in enumerate(layout.columns.items()):
            property_ = self.definition.properties[name]
            if property_.readable:
                names[f"w{position}"] = property_.wire
                source = value_source(position, column, column.to_wire, names)
                items.append(f"w{position}: {source}")
        if layout.open:
            names["undeclared"] = self._undeclared
            items.append("**undeclared(row)")
        source = f"lambda rows: [{{{', '.join(items)}}} for row in rows]"
        return eval(source, names)  # type: ignore[no-any-return]  # noqa: S307 - no name is source

    def _only_held(self, dumped: dict[str, Any], record: Record) -> dict[str, Any]:
        missing = {
            field.data_key or name
            for name, field in self.schema.fields.items()
            if name in self.definition.properties and name not in record
        }
        return {key: value for key, value in dumped.items() if key not in missing}

    def _undeclared(self, record: Mapping[str, Any]) -> dict[str, Any]:
        declared = self.definition.properties
        return {key: value for key, value in record.items() if key not in declared}


def _json_form(property_: Property, value: Any) -> Any:
    """A value that Python callers give, as JSON has it; what is JSON stays as it came."""
    if _is_json(value):
        return value
    try:
        return property_.type.to_json(property_.type.load(value))
    except TypeMismatch:
        return value


def _is_json(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or type(value) in (str, bool, int, float)
