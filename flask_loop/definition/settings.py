"""The settings of a model: what ``Meta`` and the options of a definition may say."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import DefinitionError
from .naming import unfit_model_name
from .registry import nearest
from .transactions import TransactionOptions


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
    :ivar methods: remote methods by name, with their options; their functions are attributes.
    :ivar relations: relations by name, each a dict with its ``type``.
    :ivar scopes: named filters: name → filter.
    :ivar scope: the default scope: a filter whose ``where`` narrows all that is read.
    :ivar remoting: which methods remote callers have: pattern → whether they have them.
    :ivar transaction: whether each request that writes by a method of the model is one transaction,
        or the options of that.
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
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    relations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scopes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scope: Mapping[str, Any] = field(default_factory=dict)
    remoting: Mapping[str, bool] = field(default_factory=dict)
    transaction: bool | Mapping[str, Any] = False
    description: str | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            _KINDS[each.name].check(each.name, getattr(self, each.name))
        _ = self.transaction_options
        for name in (self.plural, self.http_path):
            if name is not None and (problem := unfit_model_name(name)):
                raise DefinitionError(f"the path {name!r} {problem}")

    @property
    def transaction_options(self) -> TransactionOptions | None:
        """What is asked of the transactions that requests are; None where they are none."""
        return TransactionOptions.written("transaction", self.transaction)

    @property
    def keeps_unknown(self) -> bool:
        return self.strict is False

    def inherit(self) -> Settings:
        """The settings that a derived model starts from: all but those of this one alone."""
        tables = {
            backend: {key: value for key, value in options.items() if key != "table"}
            for backend, options in self.options.items()
        }
        return replace(
            self,
            plural=None,
            http_path=None,
            description=None,
            methods={},
            relations={},
            options=tables,
        )

    def updated(self, given: Mapping[str, Any]) -> Settings:
        """The settings with those of a ``Meta`` or of a definition's options over them.

        :param given: settings in Python or LoopBack spelling; an unknown key with a mapping for its
            value is a backend's options.
        :raises DefinitionError: naming a key that is unknown, or means something that is not built.
        """
        changes: dict[str, Any] = {}
        options = {backend: dict(value) for backend, value in self.options.items()}
        for key, value in given.items():
            if key == "options":
                _demand_mapping(key, value)
                for inner, setting in value.items():
                    self._update(inner, setting, changes, options)
            else:
                self._update(key, value, changes, options)
        return replace(self, **changes, options=options)

    def _update(
        self, key: str, value: Any, changes: dict[str, Any], options: dict[str, dict[str, Any]]
    ) -> None:
        name = _ALIASES.get(key, key)
        if name == "http":
            _demand_mapping(key, value)
            changes["http_path"] = value.get("path")
        elif name == "remoting":
            _demand_mapping(key, value)
            changes[name] = {**self.remoting, **shared_methods(value)}
        elif name in _NAMES:
            _KINDS[name].check(key, value)
            changes[name] = self._together(name, value)
        elif key in UNBUILT_KEYS:
            refuse_unbuilt(key, value)
        elif isinstance(value, Mapping) and not _looks_like_a_setting(key):
            options.setdefault(key, {}).update(value)
        else:
            raise DefinitionError(f"there is no model setting {key!r}{nearest(key, _SPELLINGS)}")

    def _together(self, name: str, value: Any) -> Any:
        """A setting of a derived model with its base's, which lists and indexes add to."""
        if name in ("hidden", "protected"):
            return tuple(dict.fromkeys((*getattr(self, name), *value)))
        if name in ("indexes", "scopes"):
            return {**getattr(self, name), **value}
        if name == "force_id":
            return value is not False
        if name == "description" and isinstance(value, list):
            return "\n".join(value)
        return value


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the values of a setting are."""

    phrase: str
    fits: Callable[[Any], bool]

    def check(self, key: str, value: Any) -> None:
        if not self.fits(value):
            raise DefinitionError(f"the setting {key!r} is {self.phrase}, not {value!r}")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(each, str) for each in value
    )


_FLAG = _Kind("True or False", lambda value: value in (True, False))
_TEXT = _Kind("text", lambda value: value is None or isinstance(value, str))
_NAMES_OF_PROPERTIES = _Kind("a list of properties' names", _are_texts)
_MAPPING = _Kind(
    "a dict of dicts",
    lambda value: (
        isinstance(value, Mapping) and all(isinstance(each, Mapping) for each in value.values())
    ),
)
_KINDS: dict[str, _Kind] = {
    "plural": _TEXT,
    "http_path": _TEXT,
    "strict": _Kind(
        'True, False, "filter" or "validate"',
        lambda value: value in (True, False, "filter", "validate"),
    ),
    "wire_case": _Kind('"camel" or None', lambda value: value in ("camel", None)),
    "id_injection": _FLAG,
    "force_id": _Kind('True, False or "auto"', lambda value: value in (True, False, "auto")),
    "strict_delete": _FLAG,
    "replace_on_put": _FLAG,
    "validate_upsert": _FLAG,
    "hidden": _NAMES_OF_PROPERTIES,
    "protected": _NAMES_OF_PROPERTIES,
    "indexes": _MAPPING,
    "options": _MAPPING,
    "methods": _MAPPING,
    "relations": _MAPPING,
    "scopes": _MAPPING,
    "scope": _Kind("a filter", lambda value: isinstance(value, Mapping)),
    "transaction": _Kind("True, False or a dict", lambda value: isinstance(value, bool | Mapping)),
    "remoting": _Kind("a dict", lambda value: isinstance(value, Mapping)),
    "description": _Kind(
        "text", lambda value: value is None or isinstance(value, str) or _are_texts(value)
    ),
}
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


_SPELLINGS = (*_NAMES, *_ALIASES)
#: Keys of LoopBack's definitions that mean something Flask-Loop does not do yet.
UNBUILT_KEYS = frozenset(
    {
        "acls",
        "defaultPermission",
        "excludeBaseProperties",
        "foreignKeys",
        "mixins",
        "ownerRelations",
        "trackChanges",
        "validations",
    }
)


def shared_methods(remoting: Mapping[str, Any]) -> Mapping[str, bool]:
    """Which methods remote callers have, from a ``remoting`` setting in LoopBack's form or ours.

    :param remoting: pattern → whether they have the methods, or that under ``sharedMethods``.
    :raises DefinitionError: naming a key of LoopBack's that means nothing here, or a value that is
        neither True nor False.
    """
    if "sharedMethods" in remoting:
        for key in remoting.keys() - {"sharedMethods"}:
            refuse_unbuilt(f"remoting.{key}", remoting[key])
        remoting = remoting["sharedMethods"]
        _demand_mapping("remoting.sharedMethods", remoting)
    for pattern, is_on in remoting.items():
        if not isinstance(is_on, bool):
            raise DefinitionError(f"of remote methods {pattern!r} is True or False, not {is_on!r}")
    return remoting


def refuse_unbuilt(key: str, value: Any) -> None:
    """Refuse a key that means something Flask-Loop does not do yet, unless it says nothing.

    :raises DefinitionError: naming the key.
    """
    if value:
        raise DefinitionError(f"the key {key!r} is not supported yet")


def _demand_mapping(key: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise DefinitionError(f"the setting {key!r} is a dict, not {value!r}")


def _looks_like_a_setting(key: str) -> bool:
    """Whether a key is a setting's name but for its spelling, and so no backend's name."""
    return bool(difflib.get_close_matches(key.lower(), map(str.lower, _SPELLINGS), cutoff=0.8))
