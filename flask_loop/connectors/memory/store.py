"""StoreFile: the records of a memory connector as a JSON file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

import orjson

from ...definition import Property
from ...errors import DefinitionError, Unavailable
from ..base import Record

VERSION = 1


class StoredModel(TypedDict):
    """One model's part of the file: its records by wire names, and the id of the next one."""

    next_id: int
    records: list[dict[str, Any]]


class StoreFile:
    """A file that is read once, and written whole.

    :param path: its path; the folder exists.
    :raises DefinitionError: where it cannot be a file's path.
    """

    def __init__(self, path: Any) -> None:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise DefinitionError(f"the setting 'file' is a path, not {path!r}")
        self.path = Path(os.path.realpath(path))
        if not self.path.parent.is_dir():
            raise DefinitionError(f"the file {self} cannot be written: its folder does not exist")

    def __str__(self) -> str:
        return str(self.path)

    def load(self) -> dict[str, StoredModel]:
        """The models of the file; none where there is no file.

        :raises DefinitionError: where it cannot be read, or something else wrote it.
        """
        try:
            content = orjson.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, orjson.JSONDecodeError) as error:
            raise DefinitionError(f"the file {self} cannot be read: {error}") from None
        problem = _problem(content)
        if problem:
            raise DefinitionError(f"the file {self} is no store of the memory connector: {problem}")
        models: dict[str, StoredModel] = content["models"]
        return models

    def save(self, models: Mapping[str, Any]) -> None:
        """Put a new content in the place of the old one, or leave the old one whole.

        :param models: what :meth:`load` gives; a model may be an :class:`orjson.Fragment`.
        :raises Unavailable: where the file cannot be written.
        """
        content = orjson.dumps({"version": VERSION, "models": models})
        try:
            self._write(content)
        except OSError as error:
            raise Unavailable(f"The data cannot be stored: {error.strerror}.") from error

    def _write(self, content: bytes) -> None:
        handle, temporary = tempfile.mkstemp(".tmp", f".{self.path.name}.", self.path.parent)
        try:
            with open(handle, "wb") as file:
                self._keep_mode(temporary)
                file.write(content)
                file.flush()
                os.fsync(handle)
            os.replace(temporary, self.path)
        except BaseException:
            os.unlink(temporary)
            raise
        _sync_folder(self.path.parent)

    def _keep_mode(self, temporary: str) -> None:
        if self.path.exists():
            os.chmod(temporary, self.path.stat().st_mode & 0o777)


def _sync_folder(folder: Path) -> None:
    """Make the new name in a folder outlive a loss of power, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _problem(content: Any) -> str | None:
    if not isinstance(content, dict) or "version" not in content:
        return "it has no version"
    if content["version"] != VERSION:
        return f"it has version {content['version']!r}, not {VERSION}"
    models = content.get("models")
    if not isinstance(models, dict):
        return "it has no models"
    for name, model in models.items():
        if not _is_model(model):
            return f"its model {name!r} is not of the form next_id, records"
    return None


def _is_model(model: Any) -> bool:
    return (
        isinstance(model, dict)
        and type(model.get("next_id")) is int
        and isinstance(model.get("records"), list)
        and all(isinstance(record, dict) for record in model["records"])
    )


def encode(record: Record, properties: Mapping[str, Property]) -> dict[str, Any]:
    """A record as the file has it: JSON values by wire names; undeclared keys as they are."""
    encoded = {}
    for name, value in record.items():
        found = properties.get(name)
        if found is None:
            encoded[name] = value
        else:
            encoded[found.wire] = None if value is None else found.type.to_json(value)
    return encoded


def decode(stored: Mapping[str, Any], properties: Iterable[Property]) -> Record:
    """A record from what the file has.

    :param stored: JSON values by wire names.
    :param properties: those that are read; other keys stay as they are.
    :raises DefinitionError: naming the property whose value is not of its type.
    """
    rest = dict(stored)
    record = {each.name: _decoded(each, rest.pop(each.wire, None)) for each in properties}
    return {**rest, **record}


def _decoded(property_: Property, value: Any) -> Any:
    if value is None:
        return None
    try:
        return property_.type.from_json(value)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DefinitionError(f"the stored value {value!r} of {property_.name!r} {error}") from None
