"""Resource: how the records of one model are those of a remote resource."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ...definition import ModelDefinition, Property, nearest
from ...errors import DefinitionError, NotIndexable
from ...query import Filter
from ...types import Buffer, String, TypeMismatch
from ..base import Record
from ..options import FIELD_NAMES, check_options, named_field, names_by_field
from ..web import Answer, BadAnswer, is_way, path_of
from .paths import NOTHING, JsonPath
from .shape import Shape

#: A record as the server has it.
Remote = dict[str, Any]

_KEYS = ("resource", "resourceName", *Shape.KEYS)
_log = logging.getLogger(__name__)


class Resource:
    """One model's resource.

    :param definition: the model.
    :param shape: what resources of the data source look like, where the model does not say it.
    :raises DefinitionError: naming what the model says that means nothing.
    :raises NotIndexable: where the model has no id, or one of several properties.

    :ivar fields: what the server calls the properties, by Python name.
    :ivar names: the other way round.
    :ivar parameters: the parameter that asks for equality, of the properties that have one.
    """

    def __init__(self, definition: ModelDefinition, shape: Shape) -> None:
        self.definition = definition
        check_options(definition, "rest", model=_KEYS, properties=FIELD_NAMES)
        given = definition.settings.options.get("rest", {})
        options = {key: given[key] for key in _KEYS if key in given}
        place = f"model {definition.name!r}: options.rest"
        if len(definition.ids) != 1:
            raise NotIndexable(
                f"model {definition.name!r}: the records of a remote resource have one property "
                f"that is the id, not {len(definition.ids)}"
            )
        if isinstance(definition.id.type, Buffer):
            raise NotIndexable(f"model {definition.name!r}: no path of a server ends with bytes")
        name = options.pop("resource", None) or options.pop("resourceName", definition.plural)
        options.pop("resourceName", None)
        if not isinstance(name, str) or not name.strip("/"):
            raise DefinitionError(f"{place}.resource is a path, not {name!r}")
        self.path = path_of(*name.strip("/").split("/"))
        self.shape = shape.updated(options, place)
        self.fields = {
            each.name: _field_of(each, self.shape.id_field)
            for each in definition.properties.values()
        }
        self.names = names_by_field(definition, self.fields)
        self.id_field = self.fields[definition.id.name]
        self._keeps_unknown = definition.settings.keeps_unknown
        self.parameters = self._parameters(place if "query" in options else None)

    def path_to(self, id: Any) -> str | None:
        """The path of the record with an id; None where no record can have it."""
        text = _text(self.definition.id, id)
        return None if not text or is_way(text) else f"{self.path}/{path_of(text)}"

    def text_of(self, property: Property, value: Any) -> str:
        """A value as a parameter has it."""
        return _text(property, value)

    def encode(self, record: Mapping[str, Any]) -> Remote:
        """A record, or changes, as the server gets it; None stays."""
        encoded: Remote = {}
        for name, value in record.items():
            found = self.definition.properties.get(name)
            if found is None:
                encoded[name] = value
            else:
                field = self.fields[name]
                encoded[field] = None if value is None else found.type.to_json(value)
        return encoded

    def without_nulls(self, remote: Remote) -> Remote:
        """What a server that takes null for a mistake is sent of a whole record."""
        return {
            key: value
            for key, value in remote.items()
            if value is not None or key not in self.names
        }

    def decode(self, remote: Remote) -> Record:
        """A record from what the server has.

        :raises BadAnswer: where it has no id, or a value is not of its property's type.
        """
        record = {
            name: self._value(self.definition.properties[name], remote.get(field))
            for name, field in self.fields.items()
        }
        if record[self.definition.id.name] is None:
            raise self._odd(f"a record without {self.id_field!r}")
        if self._keeps_unknown:
            rest = {key: each for key, each in remote.items() if key not in self.names}
            return {**rest, **record}
        return record

    def replaced(self, old: Remote, new: Record) -> Remote:
        """What takes the place of a record.

        What the model does not know of stays, unless it keeps undeclared properties.
        """
        kept = (
            {}
            if self._keeps_unknown
            else {key: each for key, each in old.items() if key not in self.names}
        )
        return {**kept, **self.without_nulls(self.encode(new)), self.id_field: old[self.id_field]}

    def listed(self, answer: Answer) -> list[Remote]:
        """The records in the answer to a list.

        :raises BadAnswer: where there are none where they should be.
        """
        found = self._at(self.shape.response_path, answer.json())
        if isinstance(found, list) and all(isinstance(each, dict) for each in found):
            return found
        raise self._odd("no list of objects where the records should be")

    def one(self, answer: Answer, id: Any = None) -> Remote:
        """The record in the answer that has one.

        :param id: what its id is where the answer does not say it.
        :raises BadAnswer: where it is no record.
        """
        found = self._at(self.shape.record_path, answer.json())
        if not isinstance(found, dict):
            raise self._odd("no object where the record should be")
        if id is not None and found.get(self.id_field) is None:
            if len(self.names) > 1 and not self.names.keys() & found.keys():
                raise self._odd("nothing of a record, such as an error, where one should be")
            found[self.id_field] = self.definition.id.type.dump(id)
        return found

    def id_of(self, remote: Remote) -> Any:
        """The id of a record.

        :raises BadAnswer: where it has none.
        """
        found = self._value(self.definition.id, remote.get(self.id_field))
        if found is None:
            raise self._odd(f"a record without {self.id_field!r}")
        return found

    def id_from(self, text: str) -> Any:
        """The id that a part of a path says."""
        return self._value(self.definition.id, text)

    def order_of(self, filter: Filter) -> list[tuple[str, bool]] | None:
        """The fields of an order, and which are turned around; None where there are none."""
        if filter.near is not None or any(each.links or each.path.keys for each in filter.order):
            return None
        return [(self.fields[each.path.property.name], each.descending) for each in filter.order]

    def _value(self, property: Property, value: Any) -> Any:
        if value is None:
            return None
        kind = property.type
        if property.id and isinstance(kind, String) and type(value) is int:
            value = str(value)
        try:
            return kind.load(value) if kind.dumps_itself else kind.from_json(value)
        except (TypeMismatch, TypeError, ValueError, LookupError, AttributeError):
            raise self._odd(f"a value of {property.name!r} that {kind.message}") from None

    def _at(self, path: JsonPath | None, document: Any) -> Any:
        found = document if path is None else path.first(document)
        if found is NOTHING:
            raise self._odd("nothing at the path where it should be")
        return found

    def _odd(self, problem: str) -> BadAnswer:
        _log.warning("the answer of %s for %s has %s", self.path, self.definition.name, problem)
        return BadAnswer(f"The data source answered with what is no {self.definition.name}.")

    def _parameters(self, place: str | None) -> Mapping[str, str]:
        """The parameter that each property's equality is asked for by.

        :param place: where it is said, if the model says it; other models' fields are no mistake
            where the data source does.
        """
        query = self.shape.query
        if query.where_all:
            return dict(self.fields)
        found = {}
        for given, parameter in query.where.items():
            name = self.names.get(given) or (given if given in self.fields else None)
            if name is not None:
                found[name] = parameter
            elif place is not None:
                raise DefinitionError(
                    f"{place}.query.where names {given!r}, which is no property"
                    f"{nearest(given, self.names)}"
                )
        return found


def _field_of(property: Property, id_field: str | None) -> str:
    """What the server calls a property.

    :param id_field: what it calls the ids.
    """
    usual = id_field if property.id and id_field else property.wire
    return named_field(property, "rest") or usual


def _text(property: Property, value: Any) -> str:
    given = property.type.dump(value)
    if isinstance(given, bool):
        return "true" if given else "false"
    return str(given)
