"""Mending of rows with values of others that nobody can read.

SQLite's columns take values of any type, and those of other databases texts that are no JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from ...definition import ModelDefinition
from ...errors import DefinitionError
from ..base import Column
from ..mending import UNREADABLE, JsonKind, Odd, Told, faults_of, readable
from .codecs import Codec


class RowMending:
    """What is done where rows of one model cannot be read.

    The values that are in the way become null, and the log says which.

    :param definition: the model's.
    :param codecs: how its properties are stored, by Python name.
    """

    def __init__(self, definition: ModelDefinition, codecs: Mapping[str, Codec]) -> None:
        self._definition = definition
        self._codecs = codecs
        self._told = Told(definition.name)

    def mend(self, columns: Mapping[str, Column], rows: Sequence[Any]) -> list[list[Any]]:
        """Rows that can all be read.

        :param columns: those of the properties that are read.
        """
        return [self._mended(columns, each) for each in rows]

    def _mended(self, columns: Mapping[str, Column], row: Sequence[Any]) -> list[Any]:
        mended = list(row)
        for name, column in columns.items():
            raw = [row[key] for key in column.keys]  # type: ignore[index]  # they are positions
            if raw[0] is None or self._is_readable(name, raw):
                continue
            left, odd = self._part(name, raw[0]) if self._codecs[name].json else (None, [])
            for key in column.keys:
                mended[key] = left  # type: ignore[index]
            self._told.tell(self._shown(columns, row), odd or [(name, raw[0])])
        return mended

    def _part(self, name: str, text: Any) -> tuple[str | None, list[Odd]]:
        """What can be read of a JSON text, and what cannot."""
        value = None
        with suppress(*UNREADABLE):
            value = orjson.loads(text)
        if value is None:
            return None, []
        kind = JsonKind(self._definition.properties[name].type)
        left, odd = readable(kind, value, name)
        written = None if left is None else orjson.dumps(left).decode()
        return (written, odd) if written and self._is_readable(name, [written]) else (None, odd)

    def _is_readable(self, name: str, raw: list[Any]) -> bool:
        codec = self._codecs[name]
        try:
            for read in (codec.to_python, codec.to_wire):
                if read is not None:
                    read(*raw)
        except DefinitionError:  # it is no value that is in the way
            raise
        except faults_of(self._definition.properties[name].type):
            return False
        return True

    def _shown(self, columns: Mapping[str, Column], row: Sequence[Any]) -> str | None:
        """Which record a row is, where its id was read."""
        ids = [each.name for each in self._definition.ids if each.name in columns]
        values = [row[columns[each].keys[0]] for each in ids]  # type: ignore[index]
        return ", ".join(map(repr, values)) or None
