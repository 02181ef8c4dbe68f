"""Loop: the Flask extension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary, ref

from flask import Flask, Response, current_app, has_app_context, request
from flask.globals import request_ctx

from .access import AccessControl
from .accounts.checks import (
    check_model,
    check_settings,
    missing_for_mails,
    missing_for_sessions,
)
from .accounts.shared import store_of
from .connectors import Connector
from .connectors.base import Function
from .datasource import DataSource, make_connector
from .definition import (
    ModelDefinition,
    shared_methods,
)
from .errors import DefinitionError
from .folder import Folder
from .hooks import AFTER, BEFORE, ERROR, RemoteHooks, refuse_bundled
from .http import (
    Authenticator,
    LazyRule,
    answer_unrouted,
    bounds_of,
    csrf_token,
    propagates,
    set_cookie_defaults,
)
from .mailing import Mailer
from .methods import Generation
from .model import Model
from .operations.functions import give_functions
from .query import EVERYTHING, Where
from .remoting import Exposure, Switches, current_access, idle_registrations
from .rest import PREFIX, ModelBlueprint, blueprint_name
from .state import Settings, State
from .swagger import add_docs

EXTENSION = "loop"
M = TypeVar("M", bound=Model)
F = TypeVar("F", bound=Callable[..., Any])


class AppDataSource(DataSource):
    """A data source that is named on a :class:`Loop`; each app has its own connector for it."""

    def __init__(self, name: str) -> None:
        self._prepare(name)

    @property
    def connector(self) -> Connector:
        """The connector of the app in whose context the caller is.

        :raises RuntimeError: outside an app context.
        """
        try:
            state: State = current_app.extensions[EXTENSION]
        except RuntimeError:
            raise RuntimeError(
                f"the data source {self.name!r} belongs to an app: use it in a request, or "
                "inside `with app.app_context():`"
            ) from None
        except KeyError:
            raise RuntimeError(
                f"the app {current_app.name!r} has no Loop: call loop.init_app(app)"
            ) from None
        connector: Connector = state.connector(self.name)
        return connector

    def _known_connector(self) -> Connector | None:
        try:
            return self.connector
        except RuntimeError:
            return None

    def _known_functions(self) -> Mapping[str, Function]:
        state = current_app.extensions.get(EXTENSION) if current_app else None
        return {} if state is None else self.functions_in(state)

    def functions_in(self, state: State) -> Mapping[str, Function]:
        """The functions that the source has in an app; a connector without is not made for that."""
        settings = state.data_sources.get(self.name)
        if not isinstance(settings, Mapping) or "operations" not in settings:
            return {}
        functions: Mapping[str, Function] = state.connector(self.name).functions
        return functions


class Loop:
    """Flask-Loop for an app.

    :param app: the app, or None to call :meth:`init_app` later.
    :param url_prefix: what the paths of models begin with, such as ``"/api"``; nothing where not
        given.

    ::

        app = Flask(__name__)
        loop = Loop(app, url_prefix="/api")
        db = loop.data_source("db")    # its settings: app.config["LOOP_DATA_SOURCES"]["db"]

        class Product(Model):
            name: Prop[str] = prop(required=True)

            class Meta:
                data_source = db

        loop.model(Product)            # GET /api/products, POST /api/products, …
    """

    def __init__(self, app: Flask | None = None, *, url_prefix: str = "") -> None:
        self.url_prefix = _clean_prefix(url_prefix)
        self._sources: dict[str, AppDataSource] = {}
        self._recorded: list[type[Model]] = []
        self._private: list[type[Model]] = []
        self._docs_base: str | None = None
        self._app: ref[Flask] | None = None
        self._apps: WeakKeyDictionary[Flask, State] = WeakKeyDictionary()
        self._has_apps = False
        self._hooks = RemoteHooks()
        self._load_principal: Callable[[Any], Any] | None = None
        self._enqueue_mail: Callable[[dict[str, Any]], object] | None = None
        self._loaded_sources: dict[str, Mapping[str, Any]] = {}
        if app is not None:
            self.init_app(app)
            self._app = ref(app)

    def init_app(self, app: Flask, *, url_prefix: str | None = None) -> None:
        """Give an app the models that were registered so far, and the documentation.

        The settings are read from ``app.config``: ``LOOP_DATA_SOURCES``, ``LOOP_DOCS``,
        ``LOOP_MAX_LIMIT``, ``LOOP_MAX_BODY``, ``LOOP_MAX_VALUES``, ``LOOP_MAX_FILTER_DEPTH``,
        ``LOOP_MAX_FILTER_CONDITIONS``, ``LOOP_MAX_INCLUDE_DEPTH``, ``LOOP_MAX_INCLUDES``,
        ``LOOP_MAX_INCLUDED``,
        ``LOOP_MAX_UPLOAD``, ``LOOP_CREATED_STATUS``, ``LOOP_REMOTING``,
        ``LOOP_REQUEST_TRANSACTIONS``; see
        :class:`~flask_loop.state.Settings`.

        :param app: the app.
        :param url_prefix: another prefix for this app.
        :raises RuntimeError: where the app has a Loop already.
        :raises DefinitionError: naming a setting that is unknown.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError(f"the app {app.name!r} has a Loop already; call init_app once")
        prefix = self.url_prefix if url_prefix is None else _clean_prefix(url_prefix)
        state = State(Settings.of(app.config), prefix, make_connector, self._loaded_sources)
        check_settings(state.settings)
        state.docs_base = self._docs_base
        state.hooks = self._hooks
        app_of = ref(app)
        state.shared = store_of(state.settings, lambda: getattr(app_of(), "secret_key", None))
        state.guard = AccessControl(state)
        state.authenticator = Authenticator(state.settings, lambda: self._load_principal)
        state.mailer = Mailer(app, state.settings.mail_queue, self._enqueue_mail)
        state.switches = _switches_of(state.settings)
        state.sources = self._sources
        app.extensions[EXTENSION] = state
        self._apps[app] = state
        self._has_apps = True
        set_cookie_defaults(app, state.settings.external_url)
        app.context_processor(lambda: {"loop_csrf_token": csrf_token})
        app.before_request(_BeforeRequest(app, state))
        if state.settings.docs:
            add_docs(app, state)
        _add_command(app)
        for model in self._recorded:
            _expose(app, state, model)
        for model in self._private:
            _keep_private(app, state, model)

    def data_source(self, name: str) -> DataSource:
        """The data source that ``LOOP_DATA_SOURCES`` describes under a name.

        It belongs to the app in whose context it is used.
        """
        return self._sources.setdefault(name, AppDataSource(name))

    def model(self, model: type[M], *, app: Flask | None = None, public: bool = True) -> type[M]:
        """Expose a model to remote callers. Doing it again changes nothing.

        :param model: the model.
        :param public: whether it has routes. One that has none is known to the app: callers reach
            it by the relations of others, and roles and sessions are looked up in it.
        :param app: the app; where not given, the one whose context is there or that this Loop was
            made with. Before any ``init_app`` the model is kept for each app to come.
        :returns: the model, so that this can be a decorator.
        :raises DefinitionError: where another model or route has its path.
        :raises RuntimeError: where it is not clear which app is meant, or the app has answered a
            request already.
        """
        refuse_bundled(model)
        target = app or self._current_app()
        if target is None:
            if self._has_apps:
                raise RuntimeError(
                    "which app? call loop.model(M, app=app), or inside `with app.app_context():`"
                )
            recorded = self._recorded if public else self._private
            if model not in recorded:
                recorded.append(model)
        elif public:
            _expose(target, self._state(target), model)
        else:
            _keep_private(target, self._state(target), model)
        return model

    def models(self) -> list[type[Model]]:
        """The models that are exposed, in the order of their registration."""
        app = self._current_app()
        return list(self._recorded if app is None else self._state(app).models)

    def docs(self, base_path: str | None = None) -> None:
        """Say where clients reach the API, for the documentation's list of servers.

        :param base_path: such as ``"https://api.example.com"``.
        """
        self._docs_base = base_path
        for state in self._apps.values():
            state.docs_base = base_path

    def before_remote(self, pattern: str) -> Callable[[F], F]:
        """Run a function before remote methods of all models.

        :param pattern: as in :meth:`Model.before_remote`, and with a model's plural name in front:
            ``products.create``, ``*.create``, ``products.prototype.*``, ``**``.
        :returns: a decorator. The function runs after those that the model itself has.
        """
        return self._hooks.registrar(BEFORE, pattern)

    def after_remote(self, pattern: str) -> Callable[[F], F]:
        """Run a function after remote methods of all models that succeeded.

        :param pattern: as in :meth:`before_remote`.
        :returns: a decorator.
        """
        return self._hooks.registrar(AFTER, pattern)

    def after_remote_error(self, pattern: str) -> Callable[[F], F]:
        """Run a function when a remote method of any model, or a hook of it, raised an exception.

        :param pattern: as in :meth:`before_remote`.
        :returns: a decorator.
        """
        return self._hooks.registrar(ERROR, pattern)

    def principal_loader(self, function: F) -> F:
        """Say who the app's own users are to access control.

        Users that the app's ``LoginManager`` knows, and that derive from no
        :class:`~flask_loop.User`, are ``$authenticated``, and own nothing unless this says so.

        :param function: takes such a user, and gives a user of a model; or its class and id, as
            ``(Member, 7)``; or those and the names of roles, as ``(Member, 7, ["editor"])``; or
            None where the user is nobody of a model.
        :returns: the function, so that this can be a decorator.

        ::

            @loop.principal_loader
            def member_of(account):
                return Member, account.member_id
        """
        self._load_principal = function
        return function

    def mail_queue(self, function: F) -> F:
        """Send mails of the background by a task queue, in the place of a thread of the app.

        :param function: takes a job: a dict that JSON can carry. A worker calls
            :func:`flask_loop.email.deliver` with it, in the app's context.
        :returns: the function, so that this can be a decorator.

        ::

            @loop.mail_queue
            def enqueue(job):
                send_mail.delay(job)    # a task of Celery's, which calls deliver(job)
        """
        self._enqueue_mail = function
        for state in self._apps.values():
            state.mailer.enqueue = function
        return function

    def add_sources(
        self, settings: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Give data sources settings where ``LOOP_DATA_SOURCES`` says nothing of them.

        :param settings: by the names of the data sources.
        :returns: the settings that hold, by name: those of the app, if there is one already.
        """
        self._loaded_sources.update(settings)
        app = self._current_app()
        return self._loaded_sources if app is None else self._state(app).data_sources

    def load(self, folder: str | Path, *, environment: str | None = None) -> list[type[Any]]:
        """Define and expose the models of LoopBack 2 or 3 JSON files.

        :param folder: LoopBack's project or its folder ``server``; or any folder with a JSON
            definition for each model. ``model-config.json``, where it is there, has the data source
            and ``public`` of each model, and by ``_meta.sources`` further folders with definitions;
            ``datasources.json`` the settings of what ``LOOP_DATA_SOURCES`` does not have.
        :param environment: such as ``"production"``, where ``model-config.production.json`` and
            ``datasources.production.json`` say what differs. Those with ``local`` in their names
            are always read.
        :returns: the models.
        :raises DefinitionError: naming the file and what in it means nothing.
        """
        app = self._current_app()
        own = {} if app is None else self._state(app).settings.data_sources
        return Folder(self, Path(folder), environment, own).load()

    def _current_app(self) -> Flask | None:
        if has_app_context() and current_app.extensions.get(EXTENSION) is not None:
            app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
            if app in self._apps:
                return app
        return self._app() if self._app is not None else None

    def _state(self, app: Flask) -> State:
        try:
            return self._apps[app]
        except KeyError:
            raise RuntimeError(
                f"the app {app.name!r} has no part in this Loop: call loop.init_app(app) first"
            ) from None


def _clean_prefix(prefix: str) -> str:
    prefix = prefix.rstrip("/")
    if prefix and not prefix.startswith("/"):
        raise DefinitionError(f"a url_prefix starts with a slash: {prefix!r}")
    if "<" in prefix:
        raise DefinitionError(f"a url_prefix has no placeholders: {prefix!r}")
    if "//" in prefix:
        raise DefinitionError(f"a url_prefix has no empty parts: {prefix!r}")
    return prefix


def _expose(app: Flask, state: State, model: type[Model]) -> None:
    if model in state.exposures:
        return
    definition = model.definition
    if app._got_first_request:
        raise RuntimeError(
            f"the app {app.name!r} has answered a request already; register {definition.name} "
            "before the first one"
        )
    _refuse_taken_path(state, definition)
    _give_functions(state, model)
    exposure = _exposure(state, model)
    blueprint = ModelBlueprint(exposure, state, blueprint_name(model, app))
    blueprint.refuse_taken_paths(app)
    app.register_blueprint(blueprint, name_prefix=PREFIX)
    state.exposures[model] = exposure
    _know_users(app, state, model)
    state.guard.model_added(model)
    Generation.advance()  # what other models' relations reach may be remote now


def _give_functions(state: State, model: type[Model]) -> None:
    """Give a model what its data source can do, where only the app knows it."""
    source = model.data_source
    if isinstance(source, AppDataSource) and (functions := source.functions_in(state)):
        give_functions(model, functions)


def _keep_private(app: Flask, state: State, model: type[Model]) -> None:
    if model not in state.reachable:
        _give_functions(state, model)
        state.private[model] = _exposure(state, model)
        _know_users(app, state, model)
        state.guard.model_added(model)
        Generation.advance()


def _know_users(app: Flask, state: State, model: type[Model]) -> None:
    """Let the users of a model log in to the app, where it has users."""
    if not getattr(model, "__loop_user__", False):
        return
    if app._got_first_request:
        raise RuntimeError(
            f"the app {app.name!r} has answered a request already; register {model.__name__}, "
            "whose users log in, before the first one"
        )
    check_model(model, state.settings)
    if state.authenticator.logins is None:
        from .http.logins import Logins

        state.authenticator.logins = Logins(app, state.authenticator)
    state.authenticator.add(model)


def _exposure(state: State, model: type[Model]) -> Exposure:
    refuse_bundled(model)
    bounds = bounds_of(state.settings, _ReachableInApp())
    hooks, switches = state.hooks, state.switches
    return Exposure(model, hooks, switches, bounds, state.reachable, find_guard=lambda: state.guard)


class _ReachableInApp:
    """What callers may reach of models in the app whose context is there.

    What the plans of models keep of bounds has nothing of any app in it.
    """

    def shows(self, model: Any) -> bool:
        return self._state.shows_records(model)

    def offers(self, model: Any, method: str) -> bool:
        return self._state.offers(model, method)

    def rows(self, model: Any, method: str) -> Where:
        access = current_access()
        return EVERYTHING if access is None else access.rows(model, method)

    def makes(self, model: Any, method: str) -> bool:
        access = current_access()
        return access is None or access.makes(model, method)

    def demand(self, model: Any, method: str) -> None:
        access = current_access()
        if access is not None:
            access.demand_by_name(model, method)

    @property
    def _state(self) -> State:
        state: State = current_app.extensions[EXTENSION]
        return state


def _refuse_taken_path(state: State, definition: ModelDefinition) -> None:
    for other in state.exposures:
        if other.definition.http_path == definition.http_path:
            raise DefinitionError(
                f"the models {other.model_name} and {definition.name} have the same path, "
                f"{definition.http_path}; give one a Meta.plural or Meta.http_path"
            )


def _add_command(app: Flask) -> None:
    from .cli import loop

    app.cli.add_command(loop)


def _switches_of(settings: Settings) -> Switches:
    try:
        return Switches.of(shared_methods(settings.remoting))
    except DefinitionError as error:
        raise DefinitionError(f"LOOP_REMOTING: {error}") from None


#: For so many seconds after rules were added, there may be requests that were matched before.
_FRESH = 2.0


class _BeforeRequest:
    """What runs before each request of an app, in one function, as each costs Flask some time.

    What was registered since the last request holds for this one: methods that were declared get
    their rules. Patterns that mean no method, and what the app lacks, are told of once, when the
    first request comes and so all is registered and set. Paths of ours that have no method are
    answered.
    """

    def __init__(self, app: Flask, state: State) -> None:
        self._app, self._state = ref(app), state
        self._generation = -1
        self._fresh_until = 0.0
        self._lock = Lock()

    def __call__(self) -> Response | None:
        app = cast("Flask", self._app())
        if self._generation != Generation.number:
            self._renew(app)
        if self._fresh_until:
            self._match_again()
        if isinstance(request.url_rule, LazyRule):
            return None
        return answer_unrouted(app, self._state)

    def _renew(self, app: Flask) -> None:
        with self._lock:
            number = Generation.number
            if self._generation == number:
                return  # another thread did it while this one waited
            rules = len(app.view_functions)
            ours = [each for each in app.blueprints.values() if isinstance(each, ModelBlueprint)]
            # All are resolved before any has routes, which may go on into another's relations.
            problems = [problem for each in ours for problem in each.resolve()]
            problems += [problem for each in ours for problem in each.route_new_methods(app)]
            problems += self._state.guard.problems()
            if self._generation == -1:
                self._state.authenticator.settle(app)
                self._warn(app)
            if len(app.view_functions) > rules:
                self._fresh_until = monotonic() + _FRESH
            self._generation = number
        for problem in problems:
            app.logger.error("Flask-Loop: %s", problem)
        if problems and propagates(app):
            raise problems[0]

    def _match_again(self) -> None:
        """Match a request that may have been matched before the newest rules were there."""
        if monotonic() > self._fresh_until:
            self._fresh_until = 0.0
        rule, values = request.url_rule, request.view_args
        request.routing_exception = None
        request_ctx.match_request()
        if request.url_rule is rule:
            request.view_args = values  # as the app's url_value_preprocessor left them

    def _warn(self, app: Flask) -> None:
        state = self._state
        idle_hooks = idle_registrations(state.exposures, state.hooks, state.switches)
        idle_entries = state.guard.idle_entries(stored=False)
        for each in (*idle_hooks, *idle_entries, *missing_for_mails(state)):
            app.logger.warning("Flask-Loop: %s", each)
        for each in missing_for_sessions(state):
            app.logger.error("Flask-Loop: %s", each)
