r"""Ids as text: how remote callers write them in paths, and how messages show them.

The text of an id of one property is that of its value. Of several properties it is the texts of the
values in order, with commas between them; in a value a comma is written ``\,`` and a backslash
``\\``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..definition import MISSING, ModelDefinition
from ..errors import ArgumentError
from ..methods import RemoteMethod
from ..types import TypeMismatch

#: One of several values, as a regular expression that JSON Schema knows as well.
_VALUE = r"(?:[^,\\]|\\[,\\])*"
_VALUES = re.compile(f"(?:^|,)({_VALUE})")
_ESCAPE = re.compile(r"\\(.)")
_STRAY = re.compile(r"(?:[^\\]|\\[,\\])*\\(?![,\\])")


def id_text(of: Any, id: Any = MISSING) -> str:
    """The text of an id, as it is in the path of a record.

    :param of: a record, or a model.
    :param id: the id, where a model is given; a tuple where it is several properties.
    :returns: the text, which has yet to be percent-encoded, as ``url_for`` does.
    :raises TypeError: where it is no id of the model, or where the record has none yet.

    ::

        id_text(line)  # "7,A1"
        id_text(OrderLine, (7, "A1"))  # the same
        url_for("loop.orderLines.find_by_id", id=id_text(line))
    """
    model: Any = of if isinstance(of, type) else type(of)
    definition: ModelDefinition = model.definition
    if not definition.ids:
        raise TypeError(f"{definition.name} has no id")
    if id is MISSING:
        if model is of:
            raise TypeError(f"give the id too: id_text({definition.name}, id)")
        id = definition.id_of({each.name: getattr(of, each.name) for each in definition.ids})
    try:
        return text_of(list(_values(definition, id)))
    except TypeMismatch as error:
        raise TypeError(f"{id!r} is no id of {definition.name}: it {error}") from None


def _values(definition: ModelDefinition, id: Any) -> Iterator[Any]:
    """The values of an id as JSON.

    :raises TypeMismatch: where one is not of its property's type.
    """
    for name, value in definition.id_values(id).items():
        kind = definition.properties[name].type
        if value is None:
            raise kind.mismatch(f"has no {name}")
        yield kind.dump(kind.load(value))


def text_of(values: Sequence[Any]) -> str:
    """The text of an id.

    :param values: the values of its properties as JSON.
    """
    texts = [each if isinstance(each, str) else json.dumps(each) for each in values]
    return texts[0] if len(texts) == 1 else ",".join(map(_escaped, texts))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,")


def shown_id(definition: ModelDefinition, id: Any) -> Any:
    """An id as messages show it, which may be one that no record can have.

    :param id: an id of one property, which is shown as it is, or a tuple of values.
    """
    if len(definition.ids) < 2 or not isinstance(id, list | tuple):
        return id
    try:
        return text_of(list(_values(definition, id)))
    except (TypeMismatch, TypeError):
        return ",".join(_escaped(str(each)) for each in id)


def values_in(definition: ModelDefinition, text: str, argument: str) -> tuple[str, ...]:
    """The texts of the values in the text of an id of several properties.

    :param argument: what a caller gave it as.
    :raises ArgumentError: where it has not one value for each property.
    """
    if _STRAY.match(text):
        raise ArgumentError(argument, "has a backslash that is before no comma and no backslash")
    values = [_ESCAPE.sub(r"\1", each) for each in _VALUES.findall(text)]
    if len(values) != len(definition.ids):
        count = "1 value" if len(values) == 1 else f"{len(values)} values"
        raise ArgumentError(
            argument,
            f"has {count}, and the id of {definition.name} is {len(definition.ids)} with commas "
            f"between them: {names_in_id(definition)}",
        )
    return tuple(values)


def names_in_id(definition: ModelDefinition) -> str:
    """The names of the properties of an id, as clients know them and in the form of the id."""
    return ",".join(each.wire for each in definition.ids)


def form_of_id(definition: ModelDefinition) -> str:
    """What the text of an id of several properties matches, as JSON Schema writes patterns."""
    return f"^{','.join([_VALUE] * len(definition.ids))}$"


def ids_in_path(method: RemoteMethod, definition: ModelDefinition) -> dict[str, ModelDefinition]:
    """The placeholders of a method's paths that are ids, and of which model each is.

    :param definition: that of the model that has the method.
    """
    if method.own:
        return {"id": definition} if method.on_instance else {}
    return {
        each.name: each.of or definition
        for each in method.accepts
        if each.source == "path" and each.type == "any"
    }


__all__ = [
    "form_of_id",
    "id_text",
    "ids_in_path",
    "names_in_id",
    "shown_id",
    "text_of",
    "values_in",
]
