"""Serializer: what checks the data of records and writes them as JSON objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from marshmallow import Schema
from marshmallow import ValidationError as SchemaError

from ..connectors.base import Layout, Record, Rows, value_source
from ..definition import MISSING, ModelDefinition, Property
from ..errors import Failure
from ..types import TypeMismatch
from .fields import BLANK, UNKNOWN, Message, load_undeclared, spell_path


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
        self._protected = tuple(
            each.name for each in definition.properties.values() if each.protected
        )
        self._blank: dict[str, Message] = {
            name: cast("Message", field.error_messages["null"])
            for name, field in schema.fields.items()
            if generated
        }

    def ahead(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do with data what takes long, before the transaction begins in which it is written.

        :returns: the data, or what takes its place.
        """
        return data

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

    def dump(
        self, rows: Rows, *, nested: bool = False, without: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """The rows as JSON objects: every property that is readable, by wire name.

        :param nested: whether they are inside others, where protected properties are not shown.
        :param without: the names of properties that are not shown.
        """
        hidden = _NOTHING
        if nested or without:
            hidden = frozenset((*self._protected, *without) if nested else without)
        if self._to_dict is not None or not self.generated:
            return [self._dump_without(record, hidden) for record in rows.records()]
        key = (self, hidden) if hidden else self
        dump = rows.layout.compiled.get(key)
        if dump is None:
            dump = rows.layout.compiled[key] = self._compile_dump(rows.layout, hidden)
        return cast("list[dict[str, Any]]", rows.read(dump))

    def _dump_without(self, record: Record, hidden: frozenset[str]) -> dict[str, Any]:
        if not hidden:
            return self.dump_record(record)
        shown = {name: value for name, value in record.items() if name not in hidden}
        dumped = self.dump_record(shown)
        wires = {self.definition.properties[name].wire for name in hidden}
        return {key: value for key, value in dumped.items() if key not in wires}

    def dump_record(self, record: Record) -> dict[str, Any]:
        """One record as a JSON object; properties that it does not hold are left out."""
        if self._to_dict is not None:
            return self._to_dict(self._instance(record))
        return self.dump_plain(record)

    def dump_plain(self, record: Record) -> dict[str, Any]:
        """One record as a JSON object by the schema alone, whatever the model's ``to_dict``."""
        if not self.generated:
            return self._only_held(dict(self.schema.dump(self._instance(record))), record)
        try:
            dumped = self._dump_whole(record)
        except KeyError:
            dumped = self._dump_held(record)
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

    def _compile_dump(
        self, layout: Layout, hidden: frozenset[str]
    ) -> Callable[[Any], list[dict[str, Any]]]:
        """Generate the function that gives raw rows as JSON objects.

        :param hidden: the names of properties that are left out.

        Names and converters enter as constants of its namespace, never as source text.
        """
        names: dict[str, Any] = {}
        items = []
        for position, (name, column) in enumerate(layout.columns.items()):
            property_ = self.definition.properties[name]
            if property_.readable and name not in hidden:
                names[f"w{position}"] = property_.wire
                source = value_source(position, column, column.to_wire, names)
                items.append(f"w{position}: {source}")
        if layout.open:
            names["undeclared"] = self._undeclared
            items.append("**undeclared(row)")
        source = f"lambda rows: [{{{', '.join(items)}}} for row in rows]"
        return eval(source, names)  # type: ignore[no-any-return]  # noqa: S307 - no name is source

    @cached_property
    def _dump_whole(self) -> Callable[[Record], dict[str, Any]]:
        """Gives a record that holds every readable property as a JSON object."""
        names: dict[str, Any] = {}
        items = []
        for position, property_ in enumerate(self.definition.properties.values()):
            if property_.readable:
                names |= {f"n{position}": property_.name, f"w{position}": property_.wire}
                value = f"record[n{position}]"
                if not property_.type.dumps_itself:
                    names[f"d{position}"] = property_.type.dump
                    value = f"None if (value := {value}) is None else d{position}(value)"
                items.append(f"w{position}: {value}")
        source = f"lambda record: {{{', '.join(items)}}}"
        return eval(source, names)  # type: ignore[no-any-return]  # noqa: S307 - no name is source

    def _dump_held(self, record: Record) -> dict[str, Any]:
        return {
            property_.wire: None if (value := record[name]) is None else property_.type.dump(value)
            for name, property_ in self.definition.properties.items()
            if name in record and property_.readable
        }

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


_NOTHING: frozenset[str] = frozenset()


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
