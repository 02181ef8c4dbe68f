"""From the forms that a property may be written in to a :class:`Property`."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from .. import types as property_types
from ..errors import DefinitionError
from ..types import PropertyType, TypeMismatch
from .defaults import DEFAULT_FUNCTIONS, today
from .embedding import embedded_in
from .loopback import BACKENDS, GEO_INDEXES, asks_for_unique
from .naming import python_name, unescaped, unfit_property_name, wire_name
from .property import MISSING, Property, Spec

#: LoopBack's spellings of the keys of a property.
_ALIASES: dict[str, str] = {
    "defaultFn": "default_fn",
    "minLength": "min_length",
    "maxLength": "max_length",
    "readOnly": "read_only",
    "createOnly": "create_only",
    "writeOnly": "write_only",
    "dataKey": "data_key",
    "length": "max_length",
}
_FLAGS = ("required", "hidden", "protected", "read_only", "create_only", "write_only")
_CONSTRAINTS = ("min", "max", "min_length", "max_length", "pattern", "enum")
_KNOWN = {
    *_FLAGS,
    *_CONSTRAINTS,
    *("type", "default", "default_fn", "id", "generated", "index", "unique", "data_key"),
    *("precision", "scale", "description", "options", "nullable"),
}


def make_property(
    name: str,
    written: t.Any,
    *,
    wire_case: str | None = "camel",
    nullable: bool | None = None,
    resolve: Callable[[t.Any], PropertyType],
    rename_reserved: bool = True,
) -> Property:
    """Normalise one property of a dict, a JSON definition or a class body.

    :param name: the property's name as written.
    :param written: a type in any of its forms, or a mapping with the key ``type``.
    :param wire_case: ``"camel"``, or None to keep the name as it is.
    :param nullable: whether null is a value; by default unless ``required``.
    :param resolve: gives the :class:`PropertyType` of what was written as the type.
    :param rename_reserved: give a reserved name a ``_`` at its end.
    :raises DefinitionError: naming the property and what is wrong with it.
    """
    if problem := unfit_property_name(name):
        raise DefinitionError(f"the property name {name!r} {problem}")
    python = python_name(name) if rename_reserved else name
    try:
        builder = _Builder(
            name, python, written, wire_case=wire_case, nullable=nullable, resolve=resolve
        )
        return builder.build()
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"property {name!r}: {error}") from None


def _spec(written: t.Any) -> dict[str, t.Any]:
    """What was written as a mapping with Python keys."""
    if isinstance(written, Spec):
        return written
    if isinstance(written, Mapping) and "type" in written:
        renamed: dict[str, t.Any] = {}
        for key, value in written.items():
            is_size_on_disk = key == "length" and not _is_text(written["type"])
            name = str(key)
            renamed[name if is_size_on_disk else _ALIASES.get(name, name)] = value
        return renamed
    return {"type": written}


def _as_written(written: t.Any) -> dict[str, t.Any]:
    if isinstance(written, Mapping) and (isinstance(written, Spec) or "type" in written):
        return {key: value for key, value in written.items() if key != "type"}
    return {}


def _is_text(written: t.Any) -> bool:
    return written is str or (isinstance(written, str) and written.lower() in ("string", "text"))


class _Builder:
    def __init__(
        self,
        name: str,
        python: str,
        written: t.Any,
        *,
        wire_case: str | None,
        nullable: bool | None,
        resolve: Callable[[t.Any], PropertyType],
    ) -> None:
        self.name, self.python = name, python
        self.spec, self.written = _spec(written), _as_written(written)
        self.wire_case, self.nullable = wire_case, nullable
        self.type = resolve(self.spec.get("type", "any"))

    def build(self) -> Property:
        spec = self.spec
        self._apply_decimal_size()
        position = self._position()
        nullable = self._is_nullable() and position is None
        constraints = self._constraints()
        default, default_fn = self._default(constraints)
        if default is None and not nullable and isinstance(spec, Spec):
            raise DefinitionError("the default None is no value of it; write Prop[T | None]")
        index = spec.get("index", False)
        return Property(
            name=self.python,
            wire=self._wire(),
            type=self.type,
            nullable=nullable,
            default=MISSING if default is None and not nullable else default,
            default_fn=default_fn,
            id=position,
            generated=self._flag("generated"),
            index=isinstance(index, Mapping) or self._is_geo_index(index) or self._flag("index"),
            unique=self._flag("unique") or asks_for_unique(index),
            constraints=constraints,
            options=self._options(),
            description=spec.get("description"),
            written=self.written,
            **{flag: self._flag(flag) for flag in _FLAGS},
        )

    def _flag(self, key: str) -> bool:
        value = self.spec.get(key)
        if value not in (True, False, None):
            raise DefinitionError(f"{key} is True or False, not {value!r}")
        return bool(value)

    def _is_geo_index(self, index: t.Any) -> bool:
        is_kind = isinstance(index, str) and index in GEO_INDEXES
        return is_kind and isinstance(self.type, property_types.Geo)

    def _is_nullable(self) -> bool:
        if self.nullable is not None:
            return self.nullable
        return not self._flag("required") if "nullable" not in self.spec else self._flag("nullable")

    def _position(self) -> int | None:
        """The property's place in the id, from 1."""
        given = self.spec.get("id")
        if given is None or given is False:
            return None
        if not isinstance(given, int) or given < 1:
            raise DefinitionError(f"id is True, or a position from 1, not {given!r}")
        return int(given)

    def _wire(self) -> str:
        key = self.spec.get("data_key")
        if key is not None:
            if problem := unfit_property_name(key):
                raise DefinitionError(f"the data_key {key!r} {problem}")
            return str(key)
        if self.wire_case is not None:
            return wire_name(self.name)
        return unescaped(self.name) if isinstance(self.spec, Spec) else self.name

    def _apply_decimal_size(self) -> None:
        precision, scale = self.spec.get("precision"), self.spec.get("scale")
        if precision is None and scale is None:
            return
        if isinstance(self.type, property_types.DecimalNumber):
            self.type = property_types.DecimalNumber(precision, scale)
        elif isinstance(self.spec, Spec):
            raise DefinitionError(f"precision and scale mean nothing for the type {self.type.name}")

    def _default(
        self, constraints: Mapping[str, t.Any]
    ) -> tuple[t.Any, Callable[[], t.Any] | None]:
        default, function = self.spec.get("default", MISSING), self.spec.get("default_fn")
        if function is not None and default is not MISSING and default is not None:
            raise DefinitionError("give default or default_fn, not both")
        if default == "$now" and isinstance(
            self.type, property_types.DateTime | property_types.Date
        ):
            function = "now"
        if default is not MISSING and function is None and callable(default):
            function = default
        if isinstance(function, str):
            function = self._named_function(function)
        if function is not None:
            if not callable(function):
                raise DefinitionError(f"default_fn is a function or its name, not {function!r}")
            return MISSING, function
        if default is not MISSING and default is not None:
            self._check_default(default, constraints)
        return default, None

    def _check_default(self, default: t.Any, constraints: Mapping[str, t.Any]) -> None:
        if embedded_in(self.type) is not None:
            return  # the model that it names may be defined later
        try:
            loaded = self.type.load(default)
        except TypeMismatch as error:
            raise DefinitionError(f"the default {default!r} {error}") from None
        if loaded not in constraints.get("enum", [loaded]):
            raise DefinitionError(f"the default {default!r} is none of the values in enum")

    def _named_function(self, name: str) -> Callable[[], t.Any]:
        """One of the functions that ``default_fn`` may name."""
        try:
            function = DEFAULT_FUNCTIONS[name]
        except KeyError:
            known = ", ".join(DEFAULT_FUNCTIONS)
            raise DefinitionError(
                f"no default function is called {name!r}; there are {known}"
            ) from None
        if name == "now" and isinstance(self.type, property_types.Date):
            return today
        try:
            self.type.load(function())
        except TypeMismatch as error:
            raise DefinitionError(f"the default function {name!r} gives what {error}") from None
        return function

    def _constraints(self) -> dict[str, t.Any]:
        given = self.spec
        constraints = {key: given[key] for key in _CONSTRAINTS if given.get(key) is not None}
        if isinstance(self.type, property_types.String):
            for short in ("min", "max"):
                if short in constraints:
                    constraints.setdefault(f"{short}_length", constraints.pop(short))
        for key, kinds in _APPLIES_TO.items():
            if key in constraints and not isinstance(self.type, kinds):
                raise DefinitionError(f"{key} means nothing for the type {self.type.name}")
        if "enum" in constraints:
            if not isinstance(constraints["enum"], list | tuple | set | frozenset):
                raise DefinitionError(f"enum is a list of values, not {constraints['enum']!r}")
            constraints["enum"] = tuple(
                self._of_type("enum", value) for value in constraints["enum"]
            )
        self._check_bounds(constraints)
        return constraints

    def _check_bounds(self, constraints: Mapping[str, t.Any]) -> None:
        bounds = {
            key: self._of_type(key, constraints[key]) for key in ("min", "max") & constraints.keys()
        }
        lengths = {
            key: constraints[key] for key in ("min_length", "max_length") & constraints.keys()
        }
        for key, length in lengths.items():
            if not isinstance(length, int) or isinstance(length, bool) or length < 0:
                raise DefinitionError(f"{key} is a number of characters or items, not {length!r}")
        for given, least, most in ((bounds, "min", "max"), (lengths, "min_length", "max_length")):
            if least in given and most in given and given[least] > given[most]:
                raise DefinitionError(
                    f"{least} is greater than {most}: {given[least]} > {given[most]}"
                )

    def _of_type(self, key: str, value: t.Any) -> t.Any:
        try:
            return self.type.load(value)
        except TypeMismatch as error:
            raise DefinitionError(f"{key} has {value!r}, which {error}") from None

    def _options(self) -> dict[str, Mapping[str, t.Any]]:
        backends = {
            key: value
            for key, value in self.spec.items()
            if key not in _KNOWN and isinstance(value, Mapping)
        }
        given = {**backends, **self.spec.get("options", {})}
        return {BACKENDS.get(key, key): value for key, value in given.items()}


_SIZED = (
    property_types.String,
    property_types.Array,
    property_types.Buffer,
    property_types.AnyValue,
    property_types.FieldValue,
)
_NUMERIC = (
    property_types.Integer,
    property_types.Number,
    property_types.DecimalNumber,
    property_types.DateTime,
    property_types.Date,
    property_types.AnyValue,
    property_types.FieldValue,
)
_APPLIES_TO: dict[str, tuple[type[PropertyType], ...]] = {
    "min": _NUMERIC,
    "max": _NUMERIC,
    "min_length": _SIZED,
    "max_length": _SIZED,
    "pattern": (property_types.String, property_types.AnyValue),
}
