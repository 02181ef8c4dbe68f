"""DataSource: a configured place for records, and what it lets its models do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from weakref import WeakSet

from .connectors import Connector, TransactionOptions, find_connector
from .connectors.base import Function
from .connectors.repeating import again
from .definition import ModelDefinition, Relating, nearest
from .discovery import DiscoversModels
from .errors import DefinitionError, TransactionConflict
from .hooks import Observers, Pattern, names_of
from .methods import Generation, RemoteMethod, declared_methods
from .model import Model, create_model
from .operations import OPERATION_OF, OPERATIONS, outbox
from .operations.functions import give_functions
from .relations.remote import relation_methods
from .remoting import Switches

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class DataSource(DiscoversModels):
    """A place for records, on one connector.

    :param name: what messages call it.
    :param connector: the connector.
    """

    #: A block around each call of a remote caller, where the source has such.
    around_call: Callable[[], AbstractContextManager[None]] | None = None

    def __init__(self, name: str, connector: Connector) -> None:
        self._prepare(name)
        self._connector = connector

    def _prepare(self, name: str) -> None:
        self.name = name
        self._attached: WeakSet[type[Model]] = WeakSet()
        self._created: dict[str, type[Model]] = {}
        self._enabled: dict[str, bool] = {}
        self._switches = Switches()
        self.__loop_observers__ = Observers()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def connector(self) -> Connector:
        """The connector, as this caller has it."""
        return self._connector

    # Models

    def create_model(
        self,
        name: str | Mapping[str, Any],
        properties: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> type[Any]:
        """Define a model from dicts and attach it; see :func:`flask_loop.create_model`.

        The source keeps the model, until it creates another one of its name.
        """
        model = create_model(name, properties, options, **settings)
        self.keep(model)
        return model

    def keep(self, model: type[Model]) -> None:
        """Attach a model, and hold it until another one of its name is kept."""
        model.attach_to(self)
        self._created[model.model_name] = model

    def attached(self, model: type[Model]) -> None:
        """Take note of a model that was attached, and give it the functions of the source."""
        self._attached.add(model)
        give_functions(model, self._known_functions())

    def models(self) -> list[type[Model]]:
        """The models that are attached, and those that derive from them, by name."""
        Relating.settle(about=lambda model: model.data_source is self)
        found = {each for model in self._attached for each in _with_derived(model)}
        attached = [model for model in found if model.data_source is self]
        return sorted(attached, key=lambda model: model.model_name)

    # Operations

    def operations(self) -> dict[str, dict[str, Any]]:
        """What the source can do to an attached model.

        :returns: by wire name: ``enabled``, ``remoteEnabled``, ``prototype`` where it is an
            instance's, ``accepts``, ``returns`` and ``http``.
        """
        return {
            name: {
                "name": name,
                "enabled": self.is_enabled(name),
                "remoteEnabled": self.is_remote(name),
                **method.describe(),
            }
            for name, method in OPERATIONS.items()
        }

    def is_enabled(self, operation: str) -> bool:
        """Whether models have an operation, by wire name."""
        enabled = self._enabled.get(operation)
        if enabled is not None:
            return enabled
        connector = self._known_connector()
        return connector is None or operation not in connector.disabled

    def is_remote(self, operation: str) -> bool:
        """Whether remote callers have an operation, by wire name, where the model says nothing."""
        return self.is_enabled(operation) and self.shows(OPERATIONS[operation])

    def shows(self, method: RemoteMethod) -> bool:
        """Whether remote callers of attached models have a method where nobody else says."""
        said = self._switches.decide(names_of(method))
        if said is not None:
            return said
        connector = None if method.own else self._known_connector()
        kept = connector is not None and method.operation in connector.not_remote
        return method.remote and not kept

    @property
    def functions(self) -> Mapping[str, Function]:
        """What the source can do beside the operations, by name, as templates describe it.

        ::

            geo.functions["geocode"](street="107 S B St", city="San Mateo")
        """
        return self.connector.functions

    def _known_functions(self) -> Mapping[str, Function]:
        """The functions, as far as the connector is known here."""
        connector = self._known_connector()
        return {} if connector is None else connector.functions

    @property
    def is_known(self) -> bool:
        """Whether the connector is known here, and so which operations it has."""
        return self._known_connector() is not None

    def _known_connector(self) -> Connector | None:
        """The connector, or None where it takes an app to know it."""
        return self._connector

    def enable(self, *operations: str) -> None:
        """Give models operations that were disabled, by :meth:`disable` or by the connector.

        :param operations: Python or wire names, such as ``destroy_all`` or ``destroyAll``, or
            patterns: ``*`` for all, ``prototype.*`` for those of instances.
        :raises DefinitionError: naming an operation that there is not.
        """
        self._enable(operations, is_on=True)

    def disable(self, *operations: str) -> None:
        """Take operations from models, in Python and over REST.

        :param operations: as in :meth:`enable`.
        :raises DefinitionError: naming an operation that there is not.
        """
        self._enable(operations, is_on=False)

    def _enable(self, operations: Iterable[str], *, is_on: bool) -> None:
        for name in operations:
            self._enabled.update(dict.fromkeys(_operations(name), is_on))
        Generation.advance()

    def enable_remote(self, *methods: str) -> None:
        """Let remote callers use operations, and other methods of attached models.

        :param methods: Python or wire names of operations or of methods that an attached model has,
            or patterns: ``*`` for all, ``prototype.*`` for those of instances.
        :raises DefinitionError: naming what is neither.
        """
        for name in methods:
            self._switches.turn(self._switch(name), is_on=True)

    def disable_remote(self, *methods: str) -> None:
        """Keep operations, and other methods of attached models, from remote callers.

        :param methods: as in :meth:`enable_remote`.
        :raises DefinitionError: naming what is neither.
        """
        for name in methods:
            self._switches.turn(self._switch(name), is_on=False)

    def _switch(self, name: str) -> str:
        """A pattern for a method that a model has, or for the operation that a name stands for."""
        if "*" in name:
            return name
        own = [
            each
            for model in self.models()
            for each in (*declared_methods(model), *relation_methods(model))
        ]
        if any(Pattern(name).matches(names_of(method)) for method in own):
            return name
        return _remote_operation(name).wire

    def observe(self, event: str) -> Callable[[F], F]:
        """Run a function around data operations of all models that are attached here.

        It runs before the observers of the models themselves.

        :param event: as in :meth:`Model.observe`.
        :returns: a decorator. The function takes the observer's context.
        :raises DefinitionError: where there is no such event.

        ::

            @db.observe("access")
            def only_own(ctx):
                if ctx.user is not None:
                    ctx.narrow({"tenant_id": ctx.user.tenant_id})
        """
        return self.__loop_observers__.registrar(event)

    # The backend

    def transaction(
        self,
        *,
        isolation: str | None = None,
        timeout: float | None = None,
        read_only: bool = False,
    ) -> AbstractContextManager[None]:
        """A block whose writes all happen, or none where it raises. Blocks may nest.

        A block inside another is a part of it that can be undone alone. The signals of its records
        are sent when the outermost block has ended.

        :param isolation: how far it is kept from others at least: ``serializable``,
            ``repeatable read`` or ``read committed``; the data source's own where not given.
        :param timeout: the seconds after which it ends with :class:`~flask_loop.Unavailable`.
        :param read_only: whether it only reads.
        :raises ValueError: naming what means nothing.
        :raises TransactionConflict: where another transaction got in its way.

        ::

            with db.transaction():
                order = Order.create(customer_id=7)
                Item.create([{"order_id": order.id, "sku": "A1"}])
        """
        options = TransactionOptions.of(isolation, timeout, read_only)
        return outbox.transaction(self.connector, options)

    def in_transaction(
        self, function: Callable[..., T], /, *arguments: Any, retries: int = 3, **options: Any
    ) -> T:
        """Run a function in a transaction; again where another transaction got in its way.

        It must not do what cannot be undone, such as sending a mail. Inside of another transaction
        it is a part of that, and runs once.

        :param function: the function.
        :param arguments: what it is given.
        :param retries: how often it is run again at most.
        :param options: as :meth:`transaction` takes them.
        :returns: what the function returns.
        :raises TransactionConflict: where each attempt ended so.

        ::

            def move(giver_id, taker_id, amount): ...

            db.in_transaction(move, 1, 2, 100)
        """

        def run() -> T:
            with self.transaction(**options):
                return function(*arguments)

        try:
            return run()
        except TransactionConflict as error:
            conflict = error
        return again(run, conflict, retries + 1)

    def primary(self) -> AbstractContextManager[None]:
        """A block whose reads see what was written last, where others read from replicas."""
        return self.connector.primary()

    def execute(
        self, sql: str, params: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]] | int:
        """Run a statement of SQL, for what filters cannot say: in the transaction, if there is one.

        Values belong in ``params``, and never into the text.

        :param sql: the statement, with parameters as ``:name``.
        :param params: their values; a list is one for ``IN :names``.
        :returns: the rows as dicts by column, as the driver gives them; of a statement that has
            none, how many rows were written.
        :raises DefinitionError: where the connector has no SQL.
        :raises TypeError: naming a parameter without a value, or the other way round.
        :raises RuntimeError: where the database does not understand the statement.
        :raises Conflict: where a constraint refuses what it writes.

        ::

            db.execute("SELECT city, count(*) AS n FROM customer WHERE age > :age GROUP BY city",
                       {"age": 18})
        """
        return self.connector.execute(sql, {} if params is None else params)

    def auto_update(self, models: Iterable[type[Model]] | None = None) -> None:
        """Create the tables, columns and indexes that models lack; nothing is lost.

        :param models: which, or None for all that are attached.
        """
        self.connector.auto_update(self._definitions(models))

    def auto_migrate(
        self, models: Iterable[type[Model]] | None = None, *, drop: bool = False
    ) -> None:
        """Create models afresh.

        :param models: which, or None for all that are attached.
        :param drop: whether tables that are there are dropped, and their records lost.
        :raises RuntimeError: naming the tables that are there, where ``drop`` is not given.
        """
        definitions = self._definitions(models)
        if drop:
            self.connector.auto_migrate(definitions)
            return
        if existing := self.connector.existing(definitions):
            raise RuntimeError(
                f"{', '.join(existing)}: there already; auto_migrate(drop=True) drops "
                f"{'it with its' if len(existing) == 1 else 'them with their'} records, and "
                "auto_update() keeps them"
            )
        self.connector.auto_update(definitions)

    def is_actual(self, models: Iterable[type[Model]] | None = None) -> bool:
        """Whether everything is there as the models ask for.

        It is not where :meth:`auto_update` has something to do, nor where a column has another type
        or takes null other than its property, which takes a migration.
        """
        return self.connector.is_actual(self._definitions(models))

    def explain(self, model: type[Model], filter: Mapping[str, Any] | None = None) -> Any:
        """Say which part of a filter the backend does, and which is done in Python.

        :param model: the model.
        :param filter: the filter.
        """
        plan = model.__loop_plan__()
        return plan.explain(plan.parser.filter(filter))

    def ping(self) -> None:
        """Reach the backend.

        :raises Unavailable: where it cannot be reached.
        """
        self.connector.ping()

    def close(self) -> None:
        """Let go of connections; the next use opens new ones."""
        self.connector.close()

    def _definitions(self, models: Iterable[type[Model]] | None) -> list[ModelDefinition]:
        return [
            model.__loop_plan__().definition
            for model in (self.models() if models is None else models)
        ]


def _with_derived(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for derived in type.__subclasses__(model):
        yield from _with_derived(derived)


def _operation(name: str) -> str:
    """The wire name of an operation, given in either spelling."""
    found = OPERATION_OF.get(name, name)
    if found not in OPERATIONS:
        for key, method in OPERATIONS.items():
            if name in method.aliases or name == method.wire:
                return key
        known = {*OPERATIONS, *OPERATION_OF}
        raise DefinitionError(f"there is no operation {name!r}{nearest(name, known)}")
    return found


def _operations(name: str) -> list[str]:
    """The wire names of the operations that a name or a pattern means."""
    if "*" not in name:
        return [_operation(name)]
    pattern = Pattern("**" if name == "*" else name)
    return [key for key, method in OPERATIONS.items() if pattern.matches(names_of(method))]


def _remote_operation(name: str) -> RemoteMethod:
    """The operation that remote callers have: an alias is what it stands for."""
    operation = OPERATIONS[_operation(name)]
    if operation.routes:
        return operation
    same = (each for each in OPERATIONS.values() if each.routes and operation.wire in each.aliases)
    return next(same, operation)


def make_connector(settings: Mapping[str, Any]) -> Connector:
    """Make the connector that a data source's settings describe.

    :param settings: ``connector``, a name or a class, and what that connector takes; with ``url``
        alone the connector is that of the URL's scheme.
    :raises DefinitionError: naming what is unknown or missing.
    """
    if not isinstance(settings, Mapping):
        # They are not shown, as a URL may have a password.
        raise DefinitionError(
            f"the settings of a data source are a dict, not {type(settings).__name__}"
        )
    given = dict(settings)
    connector = given.pop("connector", None)
    given.pop("name", None)
    if connector is None and isinstance(given.get("url"), str):
        connector = given["url"].partition(":")[0].partition("+")[0]
        if connector in ("http", "https"):
            raise DefinitionError(
                "a URL of HTTP does not say what is there: name the connector beside it, as in "
                "connector='rest'"
            )
    if connector is None:
        raise DefinitionError("a data source needs the setting 'connector' or 'url'")
    if isinstance(connector, str):
        connector = find_connector(connector)
    if not (isinstance(connector, type) and issubclass(connector, Connector)):
        raise DefinitionError(f"{connector!r} is neither a connector's name nor its class")
    return connector(given)


def create_data_source(
    settings: Mapping[str, Any] | None = None, /, *, name: str | None = None, **more: Any
) -> DataSource:
    """Make a data source that belongs to no app.

    :param settings: ``connector`` and its settings as a dict, or by keyword.
    :param name: what messages call it; the connector's name where not given.
    :raises DefinitionError: naming a setting that is unknown or missing.

    ::

        db = create_data_source(connector="sqlite", url="sqlite:///shop.sqlite")
    """
    given = {**(settings or {}), **more}
    connector = make_connector(given)
    return DataSource(name or given.get("name") or connector.name, connector)


_shared_memory: dict[str, Connector] = {}


def memory(name: str | None = None) -> DataSource:
    """A data source in this process's memory.

    :param name: a store that is shared by all who give the same name; a new one where None.
    """
    if name is None:
        return create_data_source(connector="memory")
    made = make_connector({"connector": "memory"})
    return DataSource(name, _shared_memory.setdefault(name, made))
