"""Drafts: the instances that observers see, made of what is written or was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..connectors.base import Record
from ..definition import MISSING
from ..schema import Serializer
from ..types import detached
from .observation import Draft
from .write import Write, failed_names

if TYPE_CHECKING:
    from .base import Attached


class Drafts:
    """Makes the drafts of one model's records. Each shares nothing with what it is made of.

    :param model: the model.
    :param serializer: what loads its records.
    """

    def __init__(self, model: type[Attached], serializer: Serializer) -> None:
        self._model, self._definition = model, model.definition
        self._schema_is_own = not serializer.generated
        strict = self._definition.settings.strict
        self._holds_undeclared = self._schema_is_own or strict == "validate"

    def of_given(self, write: Write, instance: Any) -> Draft:
        """What is given for a write, before it is known to be valid.

        :param instance: the instance that observers have seen, or None.
        """
        return self._of_write(write, self._unloaded(write), instance, is_new=write.is_new)

    def of_valid(self, write: Write, instance: Any) -> Draft:
        """What a write will store."""
        return self._of_write(write, {}, instance, is_new=write.is_new)

    def of_stored(self, write: Write, instance: Any) -> Draft:
        """What a write has stored."""
        return self._of_write(write, {}, instance, is_new=False)

    def of_record(self, record: Record, instance: Any) -> Draft:
        """A record that was read."""
        return Draft(self._hold(record, {}, instance, is_new=False))

    def _of_write(
        self, write: Write, unloaded: Mapping[str, Any], instance: Any, *, is_new: bool
    ) -> Draft:
        if write.is_bulk:
            held = self._hold(write.values, unloaded, instance, is_new=False)
            return Draft(held, fallback=lambda name: MISSING, is_bulk=True)
        held = self._hold(write.record, unloaded, instance, is_new=is_new)
        if not write.partial:
            return Draft(held, fallback=self._default)
        current = write.current or {}
        return Draft(
            held,
            written={*write.values, *unloaded},
            fallback=lambda name: detached(current.get(name)),
        )

    def _unloaded(self, write: Write) -> dict[str, Any]:
        """What was given and could not be loaded, or is for a schema of the user's own alone."""
        failed, properties = failed_names(write.failures), self._definition.properties
        return {
            name: value
            for name, value in write.data.items()
            if name in failed
            or (self._schema_is_own and name not in properties and name not in write.values)
        }

    def _default(self, name: str) -> Any:
        property_ = self._definition.properties[name]
        return property_.make_default() if property_.has_default else None

    def _hold(
        self, record: Record, unloaded: Mapping[str, Any], instance: Any, *, is_new: bool
    ) -> Any:
        """An instance that holds a record, and values that could not be loaded as they came."""
        held = detached({name: value for name, value in record.items() if name not in unloaded})
        if instance is None:
            instance = self._model.from_record(held, is_new=is_new)
        else:
            instance.__dict__.pop("_undeclared", None)
            instance._take(held)
            instance.__dict__["_is_new"] = is_new
        state = instance.__dict__
        if self._holds_undeclared:
            state.setdefault("_undeclared", {})
        for name, value in unloaded.items():
            declared = name in self._definition.properties
            (state if declared else state["_undeclared"])[name] = detached(value)
        return instance
