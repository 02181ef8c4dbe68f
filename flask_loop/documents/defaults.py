"""Defaults: what fields have where nothing is given, as their properties have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
import mongoengine as me
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from bson.errors import BSONError

from ..connectors.mending import UNREADABLE
from ..connectors.mongodb.client import CODEC_OPTIONS
from ..connectors.mongodb.codecs import inner_codec
from ..definition import registry, type_resolver
from ..definition.embedding import embedded_in
from ..errors import DefinitionError

if TYPE_CHECKING:
    from mongoengine.base import BaseField

    from ..connectors.mongodb.codecs import Codec
    from .fields import Written

_WRITES: CodecOptions[dict[str, Any]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD
)
_FAULTS = (*UNREADABLE, me.ValidationError, BSONError)


def default_of(model: str, field: BaseField, written: Written) -> Any:
    """The default of a property: a value, or a function that gives it.

    :param model: the name of its model.
    :param field: the field that it is.
    :param written: its type, and how it is stored.
    :raises DefinitionError: where the default is no value of the field.
    """
    given = field.default
    kind = type_resolver(model, registry)(written["type"])
    codec = written["mongodb"].get("codec") or inner_codec(kind)
    if callable(given):
        return lambda: _value(field, codec, given())
    if embedded_in(kind) is not None:
        return lambda: _value(field, codec, given)  # when their models are all there
    try:
        return _value(field, codec, given)
    except TypeError as error:
        raise DefinitionError(f"model {model!r}: {error}") from None


def _value(field: BaseField, codec: Codec, given: Any) -> Any:
    """What is read of a default when MongoEngine has stored it.

    :raises TypeError: where it cannot be stored, or read.
    """
    if given is None or (isinstance(given, list | dict) and not given):
        return given
    try:
        stored = bson.encode({"value": field.to_mongo(given)}, codec_options=_WRITES)
        raw = bson.decode(stored, CODEC_OPTIONS)["value"]
        return None if raw is None else codec.read(raw)
    except _FAULTS as error:
        raise TypeError(f"the default of {field.name!r}, {given!r}, is none: {error}") from error
