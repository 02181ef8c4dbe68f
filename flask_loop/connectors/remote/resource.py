"""Resource: where the records of one model are at the other app, and how they are read there."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ...definition import Embedded, ModelDefinition, Property
from ...query import Compare, Filter, Where, conjuncts
from ...types import (
    Date,
    DateTime,
    DecimalNumber,
    FieldValue,
    Integer,
    Number,
    Object,
    PropertyType,
    String,
    TypeMismatch,
    Uuid,
)
from ..base import Column, Layout, Record, Rows, layout_of_records
from ..options import FIELD_NAMES, check_options, names_by_field
from ..web import BadAnswer, is_way, path_of
from .filters import JsonWhere, Loopback3WhereWriter, WhereWriter, is_by_id, wire_of
from .limits import Limits
from .questions import Questioner

_log = logging.getLogger(__name__)
#: What a path below a model's own names that is no id of a record.
_METHODS = frozenset(
    {"change-stream", "count", "findOne", "replaceOrCreate", "update", "upsertWithWhere"}
)
#: Types of ids whose texts are no names.
_NO_NAMES = (Date, DateTime, DecimalNumber, Integer, Number, Uuid)
#: Ids as apps and databases make them, which are no names.
_MADE = re.compile(
    r"-?[0-9]+|[0-9a-f]{24}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII
)


class Resource:
    """One model at the other app, at one version of its definition.

    :param definition: the model.
    :param dialect: what the other app is.
    :param limits: how much one request may ask.
    :raises DefinitionError: where options mean nothing, or two properties would be one field.

    :ivar path: of the model, below the data source's URL.
    :ivar questions: makes what is asked of wheres.
    :ivar names: the Python names of the properties, by the other app's.
    :ivar id_names: the Python names of the properties that are the id.
    :ivar is_open: whether records have keys that are no property.
    """

    def __init__(self, definition: ModelDefinition, dialect: str, limits: Limits) -> None:
        check_options(definition, "remote", model=("path",), properties=FIELD_NAMES)
        self.definition = definition
        given = definition.settings.options.get("remote", {}).get("path")
        self.path = quote(str(given or definition.http_path).strip("/"))
        is_loopback = dialect == "loopback3"
        writer = (Loopback3WhereWriter if is_loopback else WhereWriter)(definition)
        self.questions = Questioner(writer, limits, self.path)
        self.is_open = definition.settings.keeps_unknown
        self.id_names = tuple(each.name for each in definition.ids)
        self._is_loopback = is_loopback
        properties = definition.properties.values()
        self._wires = {each.name: wire_of(each) for each in properties}
        self.names = names_by_field(definition, self._wires)
        self._made = frozenset(each.name for each in properties if each.generated)
        self._columns = {each.name: self._column(each) for each in properties}
        self._layouts: dict[tuple[str, ...] | None, Layout] = {}

    def wires(self, names: Iterable[str]) -> list[str]:
        """The other app's names of properties."""
        return [self._wires[name] for name in names]

    def key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """What tells a row, as the other app gives it, from others: the values of its id."""
        return tuple(
            repr(each) if isinstance(each, list | dict) else each for each in self._id(row)
        )

    def id_in(self, row: Mapping[str, Any]) -> Any:
        """The id of a row as the other app gives it.

        :raises BadAnswer: where it has none.
        """
        self._id(row)
        values = tuple(self._value(name, row) for name in self.id_names)
        return values[0] if len(values) == 1 else values

    def _id(self, row: Mapping[str, Any]) -> list[Any]:
        """The values of a row's id as the other app gives them.

        :raises BadAnswer: where one is missing.
        """
        values = [row.get(wire) for wire in self.wires(self.id_names)]
        if None in values:
            _log.error("the other app's records of %s are without their ids", self.path)
            raise BadAnswer("The data source answered with a record without an id.")
        return values

    def _value(self, name: str, row: Mapping[str, Any]) -> Any:
        """The value that a row has of a property, as records have it."""
        value, read = row.get(self._wires[name]), self._columns[name].to_python
        return value if value is None or read is None else read(value)

    def rows(self, raw: Sequence[Any], fields: Sequence[str] | None) -> Rows:
        """What the other app gives, as rows.

        :param fields: the Python names of the properties wanted, or None for all.
        """
        if self.is_open and fields is None:
            # Rows that may have any keys are records.
            return Rows([self.record(row) for row in raw], layout_of_records(self.definition))
        return Rows(raw, self._layout(None if fields is None else tuple(fields)))

    def record(self, row: Mapping[str, Any]) -> Record:
        """One row as a record."""
        record: Record = {name: self._value(name, row) for name in self._columns}
        if self.is_open:
            record.update((key, value) for key, value in row.items() if key not in self.names)
        return record

    def json(self, record: Mapping[str, Any], *, creating: bool = False) -> dict[str, Any]:
        """A record, or changes, as the other app takes them.

        :param creating: whether the other app makes what is generated and not given.
        """
        properties = self.definition.properties
        written: dict[str, Any] = {}
        for name, value in record.items():
            known = properties.get(name)
            if known is None:
                written[name] = value
            elif value is not None:
                written[self._wires[name]] = known.type.to_json(value)
            elif not (creating and name in self._made):
                written[self._wires[name]] = None
        return written

    def path_to(self, id: Any) -> str | None:
        """The path of the record with an id, or None where no path leads there."""
        if len(self.definition.ids) != 1:
            return None
        (property_,) = self.definition.ids
        value = property_.type.to_json(id)
        text = str(value)
        is_lost = not text or "/" in text or is_way(text) or text in _METHODS
        if is_lost or (self._is_loopback and isinstance(value, str) and _is_guessed(text)):
            return None
        return f"{self.path}/{path_of(text)}"

    def may_be_method(self, id: Any) -> bool:
        """Whether the path of an id may be that of a method, or of a scope, with such a name."""
        (kind,) = (each.type for each in self.definition.ids)
        return not (isinstance(kind, _NO_NAMES) or _MADE.fullmatch(str(kind.to_json(id))))

    def behind(self, row: Mapping[str, Any], where: JsonWhere | None) -> JsonWhere:
        """The where for the records whose ids come after a row's, of those that match another."""
        values = list(zip(self.wires(self.id_names), self._id(row), strict=True))
        alternatives = [
            [*({same: {"eq": held}} for same, held in values[:place]), {wire: {"gt": value}}]
            for place, (wire, value) in enumerate(values)
        ]
        parts = [each[0] if len(each) == 1 else {"and": each} for each in alternatives]
        after = parts[0] if len(parts) == 1 else {"or": parts}
        return after if where is None else {"and": [where, after]}

    def reads_by_path(self, id: Any) -> bool:
        """Whether a record is read by the path of its id; text could be the name of a method."""
        ids = self.definition.ids
        return len(ids) == 1 and not (isinstance(ids[0].type, String) or self.may_be_method(id))

    def follows(self, filter: Filter) -> bool:
        """Whether the other app sorts as a filter says.

        Of texts and of nulls each LoopBack has an order of its own.
        """
        by_id = is_by_id(self.definition, filter.order)
        if filter.near is None:
            return by_id or not self._is_loopback
        nearest = (each for each in conjuncts(filter.where) if _is_near(each))
        return by_id and next(nearest, None) == filter.near

    @property
    def can_sort_by_ids(self) -> bool:
        """Whether the other app has an order of the ids, of its own perhaps."""
        return bool(self.definition.ids) and all(each.type.ordered for each in self.definition.ids)

    @property
    def can_follow_ids(self) -> bool:
        """Whether records can be asked for that come after one by their ids.

        LoopBack compares texts as its database does, and those that MongoDB has as ObjectIDs not
        at all.
        """
        are_numbers = all(isinstance(each.type, Integer | Number) for each in self.definition.ids)
        return self.can_sort_by_ids and (are_numbers or not self._is_loopback)

    def _layout(self, fields: tuple[str, ...] | None) -> Layout:
        layout = self._layouts.get(fields)
        if layout is None:
            names = self._columns if fields is None else fields
            layout = Layout({name: self._columns[name] for name in names})
            if len(self._layouts) < _KEPT_LAYOUTS:
                self._layouts[fields] = layout
        return layout

    def _column(self, property_: Property) -> Column:
        kind = property_.type
        load = _checked(property_, kind.load if self._is_loopback else kind.from_json)
        # Another Flask-Loop has the same types, and one form for the values of most.
        is_plain = kind.dumps_itself and not self._is_loopback
        is_shown = _is_written_alike(kind) and not self._is_loopback
        return Column(
            (self._wires[property_.name],),
            None if is_plain else load,
            None if is_shown else lambda value: kind.dump(load(value)),
            may_miss=True,
        )


def _is_guessed(text: str) -> bool:
    """Whether LoopBack takes a text in a path for something that is written otherwise.

    It takes ``1.10`` for the number 1.1, and so for the id ``1.1``.
    """
    if _BRACKETED.fullmatch(text) or text == "-0" or text.lower() in _CONSTANTS:
        return True
    if _FRACTION.fullmatch(text) is None:
        return False
    return text.endswith(".0") or repr(float(text)) != text


_CONSTANTS = frozenset({"null", "true", "false"})
_BRACKETED = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)
_FRACTION = re.compile(r"-?[0-9]*\.[0-9]+", re.ASCII)
#: The most sets of fields of one model whose layouts are kept.
_KEPT_LAYOUTS = 100


def _is_written_alike(kind: PropertyType) -> bool:
    """Whether each app writes the values of a type in the one form that there is.

    An embedded record shows each app's clients what that app lets them see, and a decimal has as
    many digits as its scale.
    """
    inner = getattr(kind, "item", None) or (kind.values if isinstance(kind, Object) else None)
    if inner is not None:
        return _is_written_alike(inner)
    return not isinstance(kind, DecimalNumber | FieldValue | Embedded)


def _checked(property_: Property, load: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What reads the values of a property, and says where one is of another type."""

    def read(value: Any) -> Any:
        try:
            return load(value)
        except (TypeMismatch, AttributeError, TypeError) as error:
            _log.error("the other app's %s is not as it is declared: %s", property_.name, error)
            raise BadAnswer("The data source answered with a value of another type.") from None

    return read


def _is_near(where: Where) -> bool:
    return isinstance(where, Compare) and where.operator == "near"
