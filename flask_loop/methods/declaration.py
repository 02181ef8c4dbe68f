"""What a remote method is to those who only know of it: its arguments, its answer, its routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..definition import MISSING, ModelDefinition, TransactionOptions
from ..types import PropertyType

#: What a path's placeholders for arguments look like.
PLACEHOLDER = re.compile(r":(\w+)")

#: The verbs whose requests have no body, or one that not all clients send; the documentation has
#: arguments of any source in their query.
WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a remote method.

    :ivar name: the name on the wire.
    :ivar type: LoopBack's name of a type, ``filter``, ``where``, ``model``, a record's data, or
        ``file``.
    :ivar source: where in a request it is found: ``path``, ``query``, ``header``, ``body`` (all of
        it), ``form`` (a field of the body), or ``any`` of path, form and query. Or what else it is:
        ``request``, ``response``, ``context``, ``options``, or a function of the context.
    :ivar required: whether a call without it is refused.
    :ivar many: whether a list of values is taken as well.
    :ivar description: a phrase for the documentation.
    :ivar kind: how values are read; None for the built-in types and for files.
    :ivar default: the value where none is given, or :data:`~flask_loop.definition.MISSING`.
    :ivar nullable: whether null is a value.
    :ivar documented: whether the documentation shows it.
    :ivar of: the model whose records it is about, of a relation; None for the model's own.
    :ivar inside: whether those records are inside others, where protected properties are not shown.
    :ivar fixed: the names of properties that a record gets, whatever a client says of them.
    """

    name: str
    type: str
    source: str | Callable[[Any], Any] = "query"
    required: bool = False
    many: bool = False
    description: str = ""
    kind: PropertyType | None = None
    default: Any = MISSING
    nullable: bool = False
    documented: bool = True
    of: ModelDefinition | None = None
    inside: bool = False
    fixed: Sequence[str] = ()

    @property
    def is_from_client(self) -> bool:
        """Whether it is in the request, and not something of the call."""
        return isinstance(self.source, str) and self.source not in OF_THE_CALL

    def place_in(self, route: Route) -> str:
        """Where the documentation of a route says that it is: ``path``, ``query`` or another."""
        if self.source != "any":
            return self.source if isinstance(self.source, str) else "context"
        if self.name in route.placeholders:
            return "path"
        return "query" if route.verb in WITHOUT_BODY else "form"

    def describe(self) -> dict[str, Any]:
        """The argument as LoopBack's ``accepts`` has it."""
        is_object = self.type in ("filter", "where")
        described: dict[str, Any] = {
            "arg": self.name,
            "type": "object" if is_object else self.type,
        }
        if self.required:
            described["required"] = True
        if self.source not in ("query", "any"):
            named = isinstance(self.source, str)
            described["http"] = {"source": self.source if named else "context"}
        if self.description:
            described["description"] = self.description
        return described


#: The sources that are no part of the request's data.
OF_THE_CALL = frozenset({"request", "response", "context", "options"})


@dataclass(frozen=True, slots=True)
class Returns:
    """What a remote method gives back.

    :ivar name: the key of the answer's object, or of nothing where ``root``.
    :ivar type: a type's name, ``model``, ``[model]``, ``file`` or ``stream``.
    :ivar root: whether the value is the whole body.
    :ivar target: ``body``, ``status`` or ``header``: where the value goes.
    :ivar header: the name of the header that it goes to.
    :ivar description: a phrase for the documentation.
    :ivar kind: the type of its values, where that is known.
    :ivar nullable: whether the method says that it may be null.
    :ivar or_nothing: whether None is no content (204) instead of null.
    :ivar of: the model whose records they are, of a relation; None for the model's own.
    """

    name: str
    type: str
    root: bool = False
    target: str = "body"
    header: str | None = None
    description: str = ""
    kind: PropertyType | None = None
    nullable: bool = False
    or_nothing: bool = False
    of: ModelDefinition | None = None

    def describe(self) -> dict[str, Any]:
        """The answer as LoopBack's ``returns`` has it."""
        described: dict[str, Any] = {"arg": self.name, "type": self.type}
        if self.root:
            described["root"] = True
        if self.target != "body":
            header = {"header": self.header} if self.header else {}
            described["http"] = {"target": self.target, **header}
        if self.description:
            described["description"] = self.description
        return described


@dataclass(frozen=True, slots=True)
class Route:
    """A verb and a path below the model's own."""

    verb: str
    path: str

    @property
    def placeholders(self) -> list[str]:
        """The names of the arguments that are in the path."""
        return PLACEHOLDER.findall(self.path)


class Binding(Protocol):
    """How a Python function takes the arguments of a remote method."""

    def __call__(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """A method that a method of a relation or of a named scope stands for as well.

    Without it, callers do not have the other one.

    :ivar definition: the model that has it, such as the one that the relation leads to.
    :ivar method: its wire name.
    :ivar of_holder: whether it is about the record that has the relation, which holds the related
        ones or their ids.
    :ivar of_link: whether it is about rows of a third model that link the records. Callers need not
        have it by itself, but where they must not call it they must not call the other one.
    """

    definition: ModelDefinition
    method: str
    of_holder: bool = False
    of_link: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
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
    :ivar notes: more for the documentation.
    :ivar documented: whether the documentation shows it.
    :ivar status: the status of an answer, where it is not the usual one.
    :ivar error_status: the status of exceptions that nobody expects, where it is not 500.
    :ivar max_body: the most bytes of a request's body, where it is not the app's bound.
    :ivar transaction: what is asked of the transaction that a call is, where it is one.
    :ivar saves: whether it saves an instance, and so is meant by the pattern ``*.save``.
    :ivar own: whether the user declared it. Then :attr:`function` is None and what is called is the
        attribute :attr:`name` of the model, or of the instance, with what :meth:`bind` gives.
    :ivar binding: how that function takes the arguments.
    :ivar related: whether it is a method of a relation or of a named scope, and so no operation
        that a data source has.
    :ivar reaches: methods that must be remote for it to be so, unless the model says by name that
        it is.
    :ivar said_access: what it was said to do to records; see :attr:`access_type`.
    :ivar access_scopes: what a caller's token must be for: one of these.
    :ivar acls: entries of access control of this method alone.
    :ivar gives_one: whether it gives one record that the path leads to, of which a filter chooses
        parts.
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
    notes: str = ""
    documented: bool = True
    status: int | None = None
    error_status: int | None = None
    max_body: int | None = None
    transaction: TransactionOptions | None = None
    saves: bool = False
    own: bool = False
    binding: Binding | None = None
    related: bool = False
    reaches: Sequence[Reach] = ()
    said_access: str | None = None
    access_scopes: Sequence[str] = ("DEFAULT",)
    acls: Sequence[Mapping[str, Any]] = ()
    gives_one: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        gives_record = any(value.root and value.type == "model" for value in self.returns)
        takes_path = any(argument.source == "path" for argument in self.accepts)
        object.__setattr__(self, "gives_one", gives_record and takes_path)

    @property
    def on_instance(self) -> bool:
        return self.wire.startswith("prototype.")

    @property
    def has_body(self) -> bool:
        """Whether its answer has a body, and not only a head."""
        return any(value.target == "body" for value in self.returns)

    @property
    def operation(self) -> str:
        """The key in ``source.operations()``."""
        return self.wire.removeprefix("prototype.")

    @property
    def access_type(self) -> str:
        """What it does to records, for access control: ``READ``, ``WRITE`` or ``EXECUTE``.

        Where nothing is said it is what LoopBack takes it for: to read where all its routes are
        GET or HEAD, to write where it is an operation, or a relation's, that writes, and else to
        execute.
        """
        if self.said_access is not None:
            return self.said_access
        if self.routes and all(route.verb in ("GET", "HEAD") for route in self.routes):
            return "READ"
        return "EXECUTE" if self.own else "WRITE"

    @property
    def creates(self) -> bool:
        """Whether it creates the record that it gives."""
        if self.own:
            return False
        return self.name.startswith("__create__") if self.related else self.name == "create"

    @property
    def is_by_id(self) -> bool:
        """Whether it is about the one record whose id the path has.

        An id in the query or the body of a method of the user's own may be anything.
        """
        if self.own and self.on_instance:
            return True
        id = next((each for each in self.accepts if each.name == "id" and each.of is None), None)
        if id is None or not self.own:
            return id is not None
        is_in_path = all("id" in route.placeholders for route in self.routes)
        return is_in_path and bool(self.routes) and id.source in ("path", "any")

    def takes(self, name: str) -> bool:
        """Whether an argument has this name."""
        return any(argument.name == name for argument in self.accepts)

    def bind(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the Python function of a user's own method is called with.

        :param arguments: decoded, by wire name; what is absent was not given.
        :returns: the positional arguments, and those by keyword.
        :raises TypeError: where the method is an operation.
        """
        if self.binding is None:
            raise TypeError(f"{self.wire} is an operation, which takes its arguments by wire name")
        return self.binding(arguments)

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
