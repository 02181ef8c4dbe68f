"""Undo: writes put right again, but for what others have written since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import UniqueViolation
from . import scripts
from .client import RedisClient
from .collection import UNDECLARED, Collection
from .encoding import number


def undo_insert(
    client: RedisClient,
    collection: Collection,
    stored: Sequence[dict[str, Any]],
    made: list[Any],
    *,
    is_whole: bool,
) -> None:
    """Take out records that were put in, unless they are other ones by now.

    :param stored: what the script was told of them.
    :param made: the ids that it made.
    :param is_whole: whether they are other ones too where a property has come to have a value.
    """
    for each, text in zip(stored, made, strict=True):
        id = each["id"] if text is None else f"{collection.made}{number(int(text))}\0"
        expected = collection.all_expected(each["fields"]) if is_whole else each["fields"]
        told = {"records": [{"id": id, "expected": expected}]}
        scripts.REMOVE.ask(client, collection, told)


def undo_change(
    client: RedisClient,
    collection: Collection,
    before: Sequence[Any],
    change: Mapping[str, Any],
) -> None:
    """Give records the values that they had, unless they have others by now.

    One whose time has run out, as the change set it, is put back.

    :param before: of each its id, its fields with their values, when it was to be gone, and when it
        is since, where the change said so.
    :param change: what the script was told of it.
    :raises UniqueViolation: where others have their values of a unique index by now.
    """
    written, gone = change["fields_set"], change["gone"]
    touched = {*written[::2], *gone}
    names = [each.property.name for each in collection.fields.values() if each.name in touched]
    answers = []
    for id, flat, expiry, until in before:
        old = dict(zip(flat[::2], flat[1::2], strict=True))
        record = collection.record_of(old)
        unset = [*gone]
        if change.get("rest_goes"):
            unset += [name for name in old if name.startswith(UNDECLARED) and name not in touched]
        back = touched.union(unset)
        told = {
            "id": id,
            "until": until,
            "expected": [*written, *(item for name in unset for item in (name, None))],
            "fields": [item for name in back if name in old for item in (name, old[name])],
            "gone": [name for name in back if name not in old],
            "parts": collection.parts({name: record[name] for name in names}),
            "expiry": "never" if expiry is None else {"at": expiry},
        }
        asked = {"records": [told], "fields_set": [], "gone": [], "parts": []}
        answer = scripts.CHANGE.ask(client, collection, asked)
        if answer[0] == "over":
            answer = _put_back(client, collection, id, flat, expiry)
        answers.append(answer)
    _refuse_taken(collection, answers)


def undo_remove(client: RedisClient, collection: Collection, before: Sequence[Any]) -> None:
    """Put records back that were taken out, unless there are others with their ids by now.

    :param before: of each its id, its fields with their values, and when it was to be gone.
    :raises UniqueViolation: where others have their values of a unique index by now.
    """
    _refuse_taken(collection, [_put_back(client, collection, *each) for each in before])


def _put_back(
    client: RedisClient, collection: Collection, id: str, flat: Sequence[str], expiry: str | None
) -> Any:
    """Store a record that was there, and give what the script answers."""
    record = collection.record_of(dict(zip(flat[::2], flat[1::2], strict=True)))
    told: dict[str, Any] = {"id": id, "fields": flat, "entries": collection.entries(record)}
    if expiry is not None:
        told["expiry"] = {"at": expiry}
    return scripts.INSERT.ask(client, collection, {"records": [told]})


def _refuse_taken(collection: Collection, answers: Sequence[Any]) -> None:
    """Refuse to be silent of records that could not get their values back."""
    for answer in answers:
        if answer[0] == "unique":
            (index,) = [each for each in collection.indexes if each.name == answer[2]]
            raise UniqueViolation(index.names, model_name=collection.definition.name)
