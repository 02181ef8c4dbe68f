"""Declarations of remote methods: what may be called, with what, and where.

A :class:`RemoteMethod` says all that the routes, the OpenAPI document and the command line know of
a method. How it is called is in :mod:`flask_loop.remoting`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a remote method.

    :ivar name: the name on the wire.
    :ivar type: LoopBack's name of a type, ``filter``, ``where``, or ``model``, a record's data.
    :ivar source: ``path``, ``query`` or ``body``: where in a request it is found.
    :ivar required: whether a call without it is refused.
    :ivar many: whether a list of values is taken as well.
    :ivar description: a phrase for the documentation.
    """

    name: str
    type: str
    source: str = "query"
    required: bool = False
    many: bool = False
    description: str = ""

    def describe(self) -> dict[str, Any]:
        """The argument as LoopBack's ``accepts`` has it."""
        is_object = self.type in ("filter", "where")
        described: dict[str, Any] = {
            "arg": self.name,
            "type": "object" if is_object else self.type,
        }
        if self.required:
            described["required"] = True
        if self.source != "query":
            described["http"] = {"source": self.source}
        if self.description:
            described["description"] = self.description
        return described


@dataclass(frozen=True, slots=True)
class Returns:
    """What a remote method gives back.

    :ivar name: the key of the answer's object, or of nothing where ``root``.
    :ivar type: a type's name, ``model``, or ``[model]``.
    :ivar root: whether the value is the whole body.
    """

    name: str
    type: str
    root: bool = False

    def describe(self) -> dict[str, Any]:
        """The answer as LoopBack's ``returns`` has it."""
        return {"arg": self.name, "type": self.type, **({"root": True} if self.root else {})}


@dataclass(frozen=True, slots=True)
class Route:
    """A verb and a path below the model's own."""

    verb: str
    path: str


@dataclass(frozen=True, slots=True, eq=False)
class RemoteMethod:
    """A function that remote callers may call.

    :ivar name: the Python name, which is the end of its endpoint.
    :ivar wire: the name on the wire, ``prototype.`` before an instance's.
    :ivar routes: where REST finds it; none for methods that have no route of their own.
    :ivar aliases: other wire names.
    :ivar remote: whether remote callers have it where nothing else is said.
    :ivar description: a sentence for the documentation.
    :ivar errors: statuses beside the usual ones, and what each means.
    :ivar function: what answers a remote call, given the model, a caller and the arguments.
    """

    name: str
    wire: str
    accepts: Sequence[Argument] = ()
    returns: Sequence[Returns] = ()
    routes: Sequence[Route] = ()
    aliases: Sequence[str] = ()
    remote: bool = True
    description: str = ""
    function: Callable[..., Any] | None = None
    errors: Mapping[int, str] = field(default_factory=dict)

    @property
    def on_instance(self) -> bool:
        return self.wire.startswith("prototype.")

    @property
    def operation(self) -> str:
        """The key in ``source.operations()``."""
        return self.wire.removeprefix("prototype.")

    def takes(self, name: str) -> bool:
        """Whether an argument has this name."""
        return any(argument.name == name for argument in self.accepts)

    def describe(self) -> dict[str, Any]:
        """The method as ``source.operations()`` lists it."""
        described: dict[str, Any] = {
            "accepts": [argument.describe() for argument in self.accepts],
            "returns": [value.describe() for value in self.returns],
        }
        if self.on_instance:
            described["prototype"] = True
        if self.routes:
            places = [{"verb": route.verb.lower(), "path": route.path} for route in self.routes]
            described["http"] = places[0] if len(places) == 1 else places
        return described
