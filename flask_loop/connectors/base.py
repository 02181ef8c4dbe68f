"""The connector protocol: what a backend does for the data sources on it.

A connector sees definitions, filters in their normal form, and records: plain dicts of Python
values by Python names, every declared property present. It knows neither ``Model`` instances nor
Flask. What it cannot do it says in its :class:`Capabilities`; the parts of a filter that its
backend cannot do it does with :mod:`flask_loop.query.predicate` on what the backend narrowed down.

Other packages publish connectors through the entry point group ``flask_loop.connectors``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..definition import ISOLATIONS, PLAIN, Link, ModelDefinition, TransactionOptions
from ..errors import DefinitionError
from ..query import EVERYTHING, Compare, Filter, Path, Where, keys_where
from ..query.nodes import And
from .discovering import Discovering
from .given import Given
from .scanning import MAX_SCAN

if TYPE_CHECKING:
    from .key_value import KeyValueStore

__all__ = [
    "ISOLATIONS",
    "PLAIN",
    "Capabilities",
    "Column",
    "Connector",
    "Function",
    "FunctionArgument",
    "Layout",
    "Record",
    "RelatedRows",
    "Rows",
    "TransactionOptions",
    "id_where",
    "layout_of_records",
    "value_source",
]

Record = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do.

    :ivar transactions: whether :meth:`Connector.transaction` rolls back what was written in it, of
        which nobody else sees anything before its end.
    :ivar undoes: whether it undoes that, write by write, where there are no transactions: others
        may see it until then.
    :ivar inserts_unless: whether it has :meth:`Connector.insert_unless`.
    :ivar unique: whether unique indexes hold when several write at once.
    :ivar undeclared: whether records may have keys that are no property (``strict = False``).
    :ivar persistent: whether records outlive the process.
    :ivar joins: whether wheres, orders and :meth:`Connector.select_related` follow links to other
        models on the same connector.
    :ivar foreign_keys: whether it keeps foreign key constraints.
    :ivar replicas: whether reads outside of transactions, and of blocks of
        :meth:`Connector.primary`, may not see what was written last.
    :ivar returns_changes: whether it has :meth:`Connector.update_returning`.
    :ivar discovery: whether it tells of the tables that are there; see
        :class:`~flask_loop.connectors.discovering.Discovering`.
    """

    transactions: bool = True
    undoes: bool = False
    inserts_unless: bool = False
    unique: bool = True
    undeclared: bool = True
    persistent: bool = True
    joins: bool = False
    foreign_keys: bool = False
    discovery: bool = False
    replicas: bool = False
    returns_changes: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """Where one property is found in a raw row, and how it is read.

    :ivar keys: the indexes or keys in the row; more than one where the value is in several columns.
    :ivar to_python: gives the Python value from the raw ones, none of which is None; None where the
        raw value is it.
    :ivar to_wire: gives the JSON value likewise.
    :ivar may_miss: whether a raw row may be without its keys, where there is no value.
    :ivar plain: a type whose raw values are both the Python value and the JSON value, so that
        nothing is called for them.
    """

    keys: tuple[int | str, ...]
    to_python: Callable[..., Any] | None = None
    to_wire: Callable[..., Any] | None = None
    may_miss: bool = False
    plain: type | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How the raw rows of one query are read.

    :ivar columns: by Python name, in the order of the definition.
    :ivar open: whether a raw row is a dict that may have further keys.
    :ivar compiled: functions that were generated for these columns, by who made them.
    :ivar mend: gives rows without the values that nobody can read; None where that is not told.
    """

    columns: Mapping[str, Column]
    open: bool = False
    compiled: dict[Any, Any] = field(default_factory=dict)
    mend: Callable[[Sequence[Any]], Sequence[Any]] | None = None


def layout_of_records(definition: ModelDefinition, fields: Iterable[str] | None = None) -> Layout:
    """How records themselves are read as rows.

    :param definition: the model.
    :param fields: the Python names of the properties wanted, or None for all.
    """
    properties = definition.properties
    chosen = properties.values() if fields is None else [properties[name] for name in fields]
    columns = {
        each.name: Column((each.name,), None, None if each.type.dumps_itself else each.type.dump)
        for each in chosen
    }
    return Layout(columns, open=fields is None and definition.settings.keeps_unknown)


class Rows(Sequence[Any]):
    """What a query found: raw rows, and the layout to read them by."""

    __slots__ = ("layout", "raw")

    def __init__(self, raw: Sequence[Any], layout: Layout) -> None:
        self.raw = raw
        self.layout = layout

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, index: Any) -> Any:
        return self.raw[index]

    def records(self) -> list[Record]:
        """The rows as records."""
        read = self.layout.compiled.get("records")
        if read is None:
            read = self.layout.compiled["records"] = _record_reader(self.layout)
        return self.read(lambda raw: list(map(read, raw)))

    def read(self, make: Callable[[Sequence[Any]], T]) -> T:
        """What a function makes of the raw rows.

        Where it raises, they are mended, if the layout says how, and it is called once again.
        """
        try:
            return make(self.raw)
        except Exception:
            if self.layout.mend is None:
                raise
            self.raw = self.layout.mend(self.raw)
        return make(self.raw)


def _record_reader(layout: Layout) -> Callable[[Any], Record]:
    """A function, compiled for one layout, that gives a row as a record.

    Names and converters enter the generated code as constants of its namespace, never as source.
    """
    if layout.open:
        return dict
    names: dict[str, Any] = {}
    items = []
    for position, (name, column) in enumerate(layout.columns.items()):
        names[f"n{position}"] = name
        items.append(f"n{position}: {value_source(position, column, column.to_python, names)}")
    source = f"lambda row: {{{', '.join(items)}}}"
    return eval(source, names)  # type: ignore[no-any-return]  # noqa: S307 - built from integers


def value_source(
    position: int, column: Column, convert: Callable[..., Any] | None, names: dict[str, Any]
) -> str:
    """The source text of an expression that reads a column out of ``row``.

    :param position: makes the names unique.
    :param column: the column.
    :param convert: what the raw values go through, or None.
    :param names: the namespace of the generated code, which this adds to.
    """
    parts = []
    for index, key in enumerate(column.keys):
        names[f"k{position}_{index}"] = key
        if isinstance(key, int):
            parts.append(f"row[{key:d}]")
        elif column.may_miss:
            parts.append(f"row.get(k{position}_{index})")
        else:
            parts.append(f"row[k{position}_{index}]")
    first, *others = parts
    if convert is None:
        return first
    names[f"c{position}"] = convert
    converted = f"c{position}({', '.join(['value', *others])})"
    if column.plain is None:
        return f"(None if (value := {first}) is None else {converted})"
    names[f"t{position}"] = column.plain
    is_plain = f"(value := {first}).__class__ is t{position} or value is None"
    return f"(value if {is_plain} else {converted})"


class RelatedRows:
    """What a query of related records found.

    :ivar rows: their rows.
    :ivar keys: for each of them, the key of the record that it is related to: a value, or a tuple
        where the key is several properties.
    """

    __slots__ = ("keys", "rows")

    def __init__(self, rows: Rows, keys: Sequence[Any]) -> None:
        self.rows, self.keys = rows, keys


@dataclass(frozen=True, slots=True)
class FunctionArgument:
    """An argument of a :class:`Function`.

    :ivar name: its name, in Python and on the wire.
    :ivar type: the name of a property's type, such as ``"string"``.
    :ivar default: what it is where it is not given; None where nothing is.
    :ivar source: where remote callers give it: ``path``, ``query``, ``form``, ``body``, ``header``.
    """

    name: str
    type: str = "string"
    required: bool = False
    default: Any = None
    source: str = "query"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """What a backend can do beside the operations on records.

    Models that are attached have it as a static method, and remote callers where it is ``shared``.

    :ivar name: the method's name.
    :ivar call: does it; takes the arguments by their names.
    :ivar arguments: in the order in which Python callers may give them.
    :ivar verb: the HTTP method that remote callers call it by.
    :ivar path: the path, below the model's.
    """

    name: str
    call: Callable[..., Any]
    arguments: Sequence[FunctionArgument] = ()
    verb: str = "POST"
    path: str = ""
    description: str = ""
    shared: bool = True

    def __call__(self, /, *arguments: Any, **named: Any) -> Any:
        """Do it.

        :raises TypeError: where there are more arguments than it takes, or of another name.
        """
        names = [each.name for each in self.arguments]
        if len(arguments) > len(names):
            raise TypeError(f"{self.name}() takes {len(names)} arguments, not {len(arguments)}")
        given = dict(zip(names, arguments, strict=False))
        for name, value in named.items():
            if name in given or name not in names:
                problem = "is given twice" if name in given else "is no argument"
                raise TypeError(f"{self.name}(): {name!r} {problem}; they are {', '.join(names)}")
            given[name] = value
        return self.call(**given)


class Connector(Discovering, ABC):
    """One backend, as a data source uses it. Connectors are safe to use from several threads.

    :param settings: the data source's settings without ``connector``.
    :raises DefinitionError: naming a setting that is unknown or missing.
    """

    #: The name that ``create_data_source(connector=...)`` knows it by.
    name: ClassVar[str]
    capabilities: Capabilities = Capabilities()
    #: Operations, by wire name, that the backend does not have.
    disabled: frozenset[str] = frozenset()
    #: How many of its records may be read for what Python has to look at.
    max_scan: int = MAX_SCAN
    #: Operations, by wire name, that only Python callers have until they are enabled.
    not_remote: ClassVar[frozenset[str]] = frozenset()
    #: What it can do beside the operations on records, by name, where the setting ``operations``
    #: describes such: a connector without that setting is not made before it is used.
    functions: Mapping[str, Function] = MappingProxyType({})

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self.max_scan = Given(settings).max_scan

    def define(self, definition: ModelDefinition) -> None:
        """Learn of a model before it is first used. Called again, it does nothing more."""

    @abstractmethod
    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        """Find records, in the filter's order; where it is empty, in any."""

    def get(self, definition: ModelDefinition, id: Any) -> Rows:
        """Find the record with an id; the rows are one or none."""
        return self.select(definition, Filter(where=id_where(definition, id), limit=1))

    def get_many(self, definition: ModelDefinition, ids: Sequence[Any]) -> Rows:
        """Find the records with ids, in any order.

        :param ids: each once; tuples where an id is several properties.
        """
        names = [each.name for each in definition.ids]
        return self.select(definition, Filter(where=keys_where(definition, names, ids)))

    def select_related(
        self,
        definition: ModelDefinition,
        filter: Filter,
        links: Sequence[Link],
        keys: Sequence[Any],
    ) -> RelatedRows:
        """Find the records that links lead to from several records, in one query.

        It is called where the capability ``joins`` says that it can be.

        :param definition: the model that the last link leads to.
        :param filter: which of them; its ``limit`` and ``skip`` hold for each key, and so does its
            order.
        :param links: the way from the model with the keys: one link, or two through a third model,
            none of them ``listed``.
        :param keys: the values of the first link's own properties, each once and not null: tuples
            where they are several.
        """
        raise NotImplementedError

    @abstractmethod
    def count(self, definition: ModelDefinition, where: Where) -> int:
        """Count records."""

    @abstractmethod
    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        """Store new records, all or none, and give their ids in the same order.

        A record whose id is None (and generated) gets one from the backend.

        :raises DuplicateId: where a record with an id exists.
        :raises UniqueViolation: where a unique index refuses a record.
        :raises ForeignKeyViolation: where a foreign key of the backend refuses one, as its key
            names no record.
        """

    @abstractmethod
    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        """Set some properties of all matching records, and give how many matched.

        :raises UniqueViolation: where a unique index refuses; nothing is changed then.
        :raises ForeignKeyViolation: where a foreign key of the backend does, likewise.
        """

    def update_returning(
        self, definition: ModelDefinition, id: Any, where: Where, changes: Record
    ) -> Rows | None:
        """Set some properties of the record with an id, and give it as it is then.

        It is called where the capability ``returns_changes`` says that it can be.

        :param where: what the record must match; the same object comes again and again.
        :returns: one row, or none where nothing matches; None, with nothing changed, where the
            backend cannot tell what matches.
        :raises UniqueViolation: where a unique index refuses; nothing is changed then.
        """
        raise NotImplementedError

    def insert_unless(
        self, definition: ModelDefinition, where: Where, record: Record
    ) -> tuple[Rows, bool] | None:
        """Store a new record, unless there is one that matches a where.

        It is called where the capability ``inserts_unless`` says that it can be, so that two who
        look for the same record at once do not both store it.

        :param record: the new record.
        :returns: the one row that is there, and whether it is the new one; None, with nothing
            stored, where the backend cannot tell what matches.
        :raises DuplicateId: as :meth:`insert`.
        :raises UniqueViolation: as :meth:`insert`.
        """
        raise NotImplementedError

    def replace(self, definition: ModelDefinition, id: Any, record: Record) -> int:
        """Put a record in the place of the one with an id, and give how many there were.

        Connectors that keep undeclared properties forget those that the new record has not.

        :raises UniqueViolation: where a unique index refuses.
        """
        ids = definition.id_values(id)
        changes = {name: value for name, value in record.items() if name not in ids}
        return self.update(definition, id_where(definition, id), changes)

    @abstractmethod
    def delete(self, definition: ModelDefinition, where: Where) -> int:
        """Delete all matching records, and give how many they were.

        :raises Conflict: with the code ``RESTRICTED``, where a foreign key of the backend holds on
            to one; nothing is deleted then.
        """

    @abstractmethod
    def transaction(self, options: TransactionOptions = PLAIN) -> AbstractContextManager[None]:
        """A block whose writes all happen, or none where it raises.

        A block inside another is a part of it that can be undone alone. It belongs to the thread
        (the context) that entered it.

        :param options: what is asked of it; a connector without transactions of its own heeds what
            it can.
        """

    def primary(self) -> AbstractContextManager[None]:
        """A block whose reads see what was written last, where others read from copies."""
        return nullcontext()

    def execute(self, sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]] | int:
        """Run a statement of the backend's own language; see :meth:`DataSource.execute`."""
        raise DefinitionError(f"the {self.name} connector has no SQL to execute")

    def key_value(self, definition: ModelDefinition) -> KeyValueStore:
        """The keys of a :class:`~flask_loop.KeyValueModel` and their values.

        :raises DefinitionError: where the backend keeps no such.
        """
        raise DefinitionError(
            f"the {self.name} connector keeps no keys and values, which the model "
            f"{definition.name!r} is made of"
        )

    @abstractmethod
    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        """Create what the backend lacks for these models, and lose nothing."""

    @abstractmethod
    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        """Create these models afresh; their records are lost."""

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        """What :meth:`auto_migrate` would drop: the tables that are there, or what has records."""
        return [each.name for each in definitions if self.count(each, EVERYTHING)]

    @abstractmethod
    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        """Whether everything is there as the models ask for."""

    def explain(self, definition: ModelDefinition, filter: Filter) -> dict[str, Any]:
        """Say which part of a filter the backend does, and which is done in Python."""
        return {"connector": self.name, "backend": None, "python": filter}

    @abstractmethod
    def ping(self) -> None:
        """Reach the backend.

        :raises Unavailable: where it cannot be reached.
        """

    def close(self) -> None:
        """Let go of connections; the next use opens new ones."""


def id_where(definition: ModelDefinition, id: Any) -> Where:
    """The where that matches one id."""
    parts = tuple(
        Compare(
            Path(definition.properties[name], (), definition.properties[name].type), "eq", value
        )
        for name, value in definition.id_values(id).items()
    )
    return parts[0] if len(parts) == 1 else And(parts)
