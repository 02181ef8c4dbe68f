"""Drawer: the files of one model.

::

    shop/records/5f1c….json         a record
    shop/indexes/city/9a07…/5f1c…   says that its city is the one that 9a07… stands for
    shop/last_id                    the greatest id that was given
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask_loop.errors import Unavailable

#: A record as its file has it: JSON values by wire names, without those that are null.
Stored = dict[str, Any]


def key_of(values: Sequence[Any]) -> str:
    """What stands for JSON values in names of files: the same where the values are equal."""
    text = json.dumps([_canonical(each) for each in values], sort_keys=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _canonical(value: Any) -> Any:
    """A JSON value in the one form in which 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one record.

    :ivar key: names its file.
    :ivar before: what the file has, or None where there is none.
    :ivar after: what it will have, likewise.
    :ivar position: of the record, where several are stored at once.
    """

    key: str
    before: Stored | None
    after: Stored | None
    position: int | None = None

    def reversed(self) -> Change:
        return Change(self.key, self.after, self.before)


@contextmanager
def reaching() -> Iterator[None]:
    """Say of what the system refuses that the data cannot be reached, which clients may retry."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"The files cannot be used: {error.strerror}.") from error


class Drawer:
    """The records of one model, and indexes of them.

    The entries of an index are made before the record is, and taken away after it: while somebody
    writes, and after a crash, there may be one too many, and never one too few.

    :param folder: its folder.
    :param indexes: the wire names of the properties of each index that it shall have.
    :raises Unavailable: where the folder cannot be made.
    """

    def __init__(self, folder: Path, indexes: Iterable[tuple[str, ...]]) -> None:
        self._folder = folder
        self._records, self._indexes = folder / "records", folder / "indexes"
        self.indexes: set[tuple[str, ...]] = set()
        with reaching():
            self._records.mkdir(parents=True, exist_ok=True)
            self._indexes.mkdir(exist_ok=True)
            for names in indexes:
                self._add_index(names)

    @staticmethod
    def is_there(folder: Path, indexes: Iterable[tuple[str, ...]]) -> bool:
        """Whether a folder is a drawer that has all of these indexes."""
        made = (folder / "indexes" / _index_name(names) for names in indexes)
        return (folder / "records").is_dir() and all(each.is_dir() for each in made)

    def keys(self) -> list[str]:
        """The keys of all records."""
        with reaching():
            return [name.removesuffix(".json") for name in os.listdir(self._records)]

    def keys_with(self, names: tuple[str, ...], values: Sequence[Any]) -> list[str]:
        """The keys of the records that have values, and maybe of others.

        :param names: those of an index.
        :param values: not null.
        """
        with reaching(), suppress(FileNotFoundError):
            return os.listdir(self._indexes / _index_name(names) / key_of(values))
        return []

    def has(self, key: str) -> bool:
        return self._file(key).exists()

    def read(self, key: str) -> Stored | None:
        """The record with a key, or None where there is none."""
        with reaching(), suppress(FileNotFoundError):
            stored: Stored = json.loads(self._file(key).read_bytes())
            return stored
        return None

    def put(self, change: Change) -> None:
        """Change one record."""
        old, new = self._entries(change.key, change.before), self._entries(change.key, change.after)
        with reaching():
            for entry in new - old:
                entry.parent.mkdir(exist_ok=True)
                entry.touch()
            if change.after is None:
                self._file(change.key).unlink(missing_ok=True)
            else:
                self._replace(self._file(change.key), json.dumps(change.after))
            for entry in old - new:
                entry.unlink(missing_ok=True)

    def last_id(self) -> int:
        """The greatest id that there ever was, or 0."""
        with reaching(), suppress(FileNotFoundError):
            return int((self._folder / "last_id").read_text())
        return 0

    def note_id(self, id: int) -> None:
        """Take note of an id that was given."""
        with reaching():
            if id > self.last_id():
                self._replace(self._folder / "last_id", str(id))

    def _file(self, key: str) -> Path:
        return self._records / f"{key}.json"

    def _entries(self, key: str, record: Stored | None) -> set[Path]:
        """The entries of all indexes for a record."""
        if record is None:
            return set()
        found = ((names, [record.get(name) for name in names]) for names in self.indexes)
        return {
            self._indexes / _index_name(names) / key_of(values) / key
            for names, values in found
            if None not in values
        }

    def _add_index(self, names: tuple[str, ...]) -> None:
        folder = self._indexes / _index_name(names)
        self.indexes.add(names)
        if folder.is_dir():
            return
        unfinished = Path(tempfile.mkdtemp(dir=self._folder))
        for key in self.keys():
            record = self.read(key) or {}
            values = [record.get(name) for name in names]
            if None not in values:
                (unfinished / key_of(values)).mkdir(exist_ok=True)
                (unfinished / key_of(values) / key).touch()
        unfinished.rename(folder)

    def _replace(self, file: Path, text: str) -> None:
        """Put another content in the place of a file's, of which readers see one or the other."""
        handle, temporary = tempfile.mkstemp(dir=self._folder)
        try:
            with open(handle, "w") as written:
                written.write(text)
                written.flush()
                os.fsync(handle)
            os.replace(temporary, file)
        except BaseException:
            os.unlink(temporary)
            raise


def remove(folder: Path) -> None:
    """Take a drawer away with all that is in it."""
    with reaching(), suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _index_name(names: tuple[str, ...]) -> str:
    return ",".join(quote(name, safe="") for name in names)
