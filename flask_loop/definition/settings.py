"""The settings of a model: what ``Meta`` and the options of a definition may say."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from ..errors import DefinitionError
from .entries import read_entries
from .loopback import AS_IT_IS, BACKENDS, INSTEAD
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
    :ivar acls: entries of access control, each a dict in LoopBack's form.
    :ivar default_permission: ``"ALLOW"`` or ``"DENY"``: what holds where no entry says anything;
        None for deny where there are entries, else allow.
    :ivar owner_relations: the ``belongs_to`` relations whose records own one of this model: True
        for all that lead to users, or their names.
    :ivar acl_error_status: the status for somebody who must not call a method; None for the app's.
    :ivar description: a sentence for the documentation.
    """

    kinds: ClassVar[Mapping[str, Kind]]
    #: Every spelling of a setting, and its name.
    spellings: ClassVar[Mapping[str, str]]

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
    acls: tuple[Mapping[str, Any], ...] = ()
    default_permission: str | None = None
    owner_relations: bool | tuple[str, ...] = False
    acl_error_status: int | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            self.kinds[each.name].check(each.name, getattr(self, each.name))
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
        name = self.spellings.get(key, key)
        if name == "http":
            _demand_mapping(key, value)
            changes["http_path"] = value.get("path")
        elif name == "remoting":
            _demand_mapping(key, value)
            changes[name] = {**self.remoting, **shared_methods(value)}
        elif name in self.kinds:
            self.kinds[name].check(key, value)
            changes[name] = self._together(name, value)
        elif key in UNBUILT_KEYS:
            refuse_unbuilt(key, value)
        elif key in INSTEAD:
            if value:
                raise DefinitionError(f"there is no model setting {key!r}: {INSTEAD[key]}")
        elif key in AS_IT_IS:
            pass
        elif key == "resourceName":
            options.setdefault("rest", {})[key] = value
        elif isinstance(value, Mapping) and not self._has_one_like(key):
            options.setdefault(BACKENDS.get(key, key), {}).update(value)
        else:
            hint = nearest(key, self.spellings)
            raise DefinitionError(f"there is no model setting {key!r}{hint}")

    def _together(self, name: str, value: Any) -> Any:
        """A setting of a derived model with its base's, which lists and indexes add to."""
        if name in ("hidden", "protected"):
            return tuple(dict.fromkeys((*getattr(self, name), *value)))
        if name == "acls":
            read_entries(value, name)
            return (*self.acls, *value)
        if name == "owner_relations" and not isinstance(value, bool):
            return tuple(value)
        if name == "default_permission" and isinstance(value, str):
            return value.upper()
        if name in ("indexes", "scopes"):
            return {**getattr(self, name), **value}
        if name == "force_id":
            return value is not False
        if name == "description" and isinstance(value, list):
            return "\n".join(value)
        return value

    def _has_one_like(self, key: str) -> bool:
        """Whether a key is a setting's name but for its spelling, and so no backend's name."""
        known = map(str.lower, self.spellings)
        return bool(difflib.get_close_matches(key.lower(), known, cutoff=0.8))


@dataclass(frozen=True, slots=True)
class Kind:
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


FLAG = Kind("True or False", lambda value: value in (True, False))
TEXT = Kind("text", lambda value: value is None or isinstance(value, str))
A_MAPPING = Kind("a dict", lambda value: isinstance(value, Mapping))
_NAMES_OF_PROPERTIES = Kind("a list of properties' names", _are_texts)
_MAPPING = Kind(
    "a dict of dicts",
    lambda value: (
        isinstance(value, Mapping) and all(isinstance(each, Mapping) for each in value.values())
    ),
)
Settings.kinds = {
    "plural": TEXT,
    "http_path": TEXT,
    "strict": Kind(
        'True, False, "filter" or "validate"',
        lambda value: value in (True, False, "filter", "validate"),
    ),
    "wire_case": Kind('"camel" or None', lambda value: value in ("camel", None)),
    "id_injection": FLAG,
    "force_id": Kind('True, False or "auto"', lambda value: value in (True, False, "auto")),
    "strict_delete": FLAG,
    "replace_on_put": FLAG,
    "validate_upsert": FLAG,
    "hidden": _NAMES_OF_PROPERTIES,
    "protected": _NAMES_OF_PROPERTIES,
    "indexes": _MAPPING,
    "options": _MAPPING,
    "methods": _MAPPING,
    "relations": _MAPPING,
    "scopes": _MAPPING,
    "scope": Kind("a filter", lambda value: isinstance(value, Mapping)),
    "transaction": Kind("True, False or a dict", lambda value: isinstance(value, bool | Mapping)),
    "remoting": A_MAPPING,
    "acls": Kind(
        "a list of dicts",
        lambda value: (
            isinstance(value, list | tuple) and all(isinstance(each, Mapping) for each in value)
        ),
    ),
    "default_permission": Kind(
        '"ALLOW" or "DENY"',
        lambda value: (
            value is None or (isinstance(value, str) and value.upper() in ("ALLOW", "DENY"))
        ),
    ),
    "owner_relations": Kind(
        "True, False or a list of relations' names",
        lambda value: isinstance(value, bool) or _are_texts(value),
    ),
    "acl_error_status": Kind("401, 403 or 404", lambda value: value in (None, 401, 403, 404)),
    "description": Kind(
        "text", lambda value: value is None or isinstance(value, str) or _are_texts(value)
    ),
}
Settings.spellings = {
    **{name: name for name in Settings.kinds},
    "httpPath": "http_path",
    "wireCase": "wire_case",
    "idInjection": "id_injection",
    "forceId": "force_id",
    "strictDelete": "strict_delete",
    "replaceOnPUT": "replace_on_put",
    "validateUpsert": "validate_upsert",
    "hiddenProperties": "hidden",
    "protectedProperties": "protected",
    "defaultPermission": "default_permission",
    "ownerRelations": "owner_relations",
    "aclErrorStatus": "acl_error_status",
}


#: Keys of LoopBack's definitions that mean something Flask-Loop does not do yet.
UNBUILT_KEYS = frozenset(
    {
        "excludeBaseProperties",
        "foreignKeys",
        "mixins",
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
        hint = f": {INSTEAD[key]}" if key in INSTEAD else ""
        raise DefinitionError(f"the key {key!r} is not supported yet{hint}")


def _demand_mapping(key: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise DefinitionError(f"the setting {key!r} is a dict, not {value!r}")
