"""The settings of a model: what ``Meta`` and the options of a definition may say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import DefinitionError
from .registry import nearest


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one model.

    :ivar plural: the plural name, which is the path, the blueprint and the start of method names.
    :ivar http_path: the path below the prefix, where it is not the plural.
    :ivar strict: what becomes of keys that are no property: True (or ``"filter"``) drops them,
        ``"validate"`` makes them a 422, False keeps them.
    :ivar wire_case: ``"camel"``, or None to keep Python names on the wire.
    :ivar id_injection: whether a model without an id gets one named ``id``.
    :ivar force_id: whether remote callers are kept from setting a generated id.
    :ivar strict_delete: whether deleting a record that is not there is a 404.
    :ivar replace_on_put: whether PUT replaces; False makes it merge, as LoopBack 2 did.
    :ivar validate_upsert: whether ``upsert`` validates.
    :ivar hidden: names of properties that are hidden.
    :ivar protected: names of properties that are protected.
    :ivar indexes: indexes over several properties: name → ``{"keys": [...], "unique": bool}``.
    :ivar options: by backend, such as ``{"postgresql": {"schema": "shop", "table": "PRODUCT"}}``.
    :ivar description: a sentence for the documentation.
    """

    plural: str | None = None
    http_path: str | None = None
    strict: bool | str = True
    wire_case: str | None = "camel"
    id_injection: bool = True
    force_id: bool = True
    strict_delete: bool = False
    replace_on_put: bool = True
    validate_upsert: bool = True
    hidden: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    indexes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    description: str | None = None

    def __post_init__(self) -> None:
        if self.strict not in (True, False, "filter", "validate"):
            raise DefinitionError(
                f'strict is True, False, "filter" or "validate", not {self.strict!r}'
            )
        if self.wire_case not in ("camel", None):
            raise DefinitionError(f'wire_case is "camel" or None, not {self.wire_case!r}')

    @property
    def keeps_unknown(self) -> bool:
        return self.strict is False

    def inherit(self) -> Settings:
        """The settings that a derived model starts from: all but those that name this one."""
        tables = {
            backend: {key: value for key, value in options.items() if key != "table"}
            for backend, options in self.options.items()
        }
        return replace(self, plural=None, http_path=None, description=None, options=tables)

    def updated(self, given: Mapping[str, Any]) -> Settings:
        """The settings with those of a ``Meta`` or of a definition's options over them.

        :param given: settings in Python or LoopBack spelling; an unknown key with a mapping for its
            value is a backend's options.
        :raises DefinitionError: naming an unknown key.
        """
        changes: dict[str, Any] = {}
        options = {backend: dict(value) for backend, value in self.options.items()}
        for key, value in given.items():
            name = _ALIASES.get(key, key)
            if name == "options":
                _merge_options(options, changes, value)
            elif name == "http":
                changes["http_path"] = value.get("path")
            elif name in _NAMES:
                changes[name] = tuple(value) if name in ("hidden", "protected") else value
            elif isinstance(value, Mapping):
                options.setdefault(key, {}).update(value)
            else:
                raise DefinitionError(f"there is no model setting {key!r}{nearest(key, _NAMES)}")
        if changes.get("force_id") == "auto":
            changes["force_id"] = True
        return replace(self, **changes, options=options)


_NAMES = frozenset(each.name for each in fields(Settings))
_ALIASES = {
    "httpPath": "http_path",
    "wireCase": "wire_case",
    "idInjection": "id_injection",
    "forceId": "force_id",
    "strictDelete": "strict_delete",
    "replaceOnPUT": "replace_on_put",
    "validateUpsert": "validate_upsert",
    "hiddenProperties": "hidden",
    "protectedProperties": "protected",
}


def _merge_options(
    options: dict[str, dict[str, Any]], changes: dict[str, Any], given: Mapping[str, Any]
) -> None:
    for key, value in given.items():
        name = _ALIASES.get(key, key)
        if name in _NAMES and not isinstance(value, Mapping):
            changes[name] = tuple(value) if name in ("hidden", "protected") else value
        elif isinstance(value, Mapping):
            options.setdefault(key, {}).update(value)
        else:
            raise DefinitionError(f"there is no model setting {key!r}{nearest(key, _NAMES)}")


def refuse_unbuilt(name: str, given: Mapping[str, Any], unbuilt: Iterable[str]) -> None:
    """Refuse keys of a LoopBack definition that mean something Flask-Loop does not do yet.

    :raises DefinitionError: naming the first such key that says anything.
    """
    for key in unbuilt:
        if given.get(key):
            raise DefinitionError(f"model {name!r}: the key {key!r} is not supported yet")
