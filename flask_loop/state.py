"""What Flask-Loop keeps of one app: its settings, its models, its connectors."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from threading import Lock
from typing import Any

from .definition import TransactionOptions, nearest
from .errors import DefinitionError

PREFIX = "LOOP_"
_LOGIN_LIMITS = {"account": "10 per 10 minutes", "address": "100 per 10 minutes"}
_MAIL_LIMITS = {"account": "5 per hour", "address": "50 per hour"}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an app, each read from ``app.config`` with the prefix ``LOOP_``.

    :ivar data_sources: by name, the settings of each: ``connector``, and what that connector takes.
    :ivar docs: whether ``/_docs`` is served.
    :ivar max_limit: the most records that a remote caller gets at once.
    :ivar max_body: the largest request body, in bytes.
    :ivar max_upload: the largest multipart body, in bytes, of methods that take one.
    :ivar max_values: the most values in one ``inq`` or ``nin``, and records in one bulk create.
    :ivar max_filter_depth: the most levels of nesting in a remote where.
    :ivar max_filter_conditions: the most comparisons in a remote where.
    :ivar max_include_depth: the most levels of includes inside includes in a remote filter.
    :ivar max_includes: the most relations in the includes of a remote filter.
    :ivar max_included: the most related records that the includes of a remote filter show in all.
    :ivar remoting: by method or pattern, whether remote callers have the methods.
    :ivar external_url: where clients reach the app, such as ``"https://example.com"``, for the
        links in mails.
    :ivar trusted_origins: origins other than the app's own from which browsers may write with the
        app's cookie, such as ``"https://admin.example.com"``.
    :ivar allowed_redirects: where links may send users to, beside paths of the app: the beginnings
        of URLs, such as ``"https://www.example.com/welcome"``.
    :ivar acl_error_status: the status for somebody who is logged in and must not call a method:
        401, as LoopBack's, 403 or 404.
    :ivar session_cache: for how many seconds a process remembers sessions, roles and entries of
        access control that it has looked up; 0 for not at all.
    :ivar session_storage: the URL of a Redis server, or cluster, where the processes of the app
        remember sessions together, and tell each other what has changed; None where each is on
        its own.
    :ivar token_in_query: whether a token may be in the query, as ``access_token``.
    :ivar login_limits: how often a login may be tried, in the words of the ``limits`` library, for
        one ``account`` and from one ``address``.
    :ivar reset_limits: the same of asking for a new password.
    :ivar verify_limits: the same of asking for another verification mail.
    :ivar limit_storage: where tries are counted: ``"memory://"``, or a server's URL, such as
        ``"redis://localhost:6379"``, where several processes shall count together.
    :ivar oauth: for :class:`~flask_loop.oauth.ThirdPartyLogin`, by the name of the provider, the
        ``client_id`` and ``client_secret`` that it gave the app.
    :ivar password_hashing: the parameters of Argon2: ``time_cost``, ``memory_cost`` in KiB and
        ``parallelism``.
    :ivar mail_queue: how many mails may wait to be sent in the background.
    :ivar mail_timeout: for how many seconds a mail server may be silent.
    :ivar request_transactions: the data sources of which each request that writes is one
        transaction: their names, or by name the options of that.
    :ivar created_status: the status of a record that was created: 200, as LoopBack's, or 201.
    """

    data_sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    docs: bool = True
    max_limit: int = 1000
    max_body: int = 1024 * 1024
    max_upload: int = 16 * 1024 * 1024
    max_values: int = 1000
    max_filter_depth: int = 12
    max_filter_conditions: int = 200
    max_include_depth: int = 5
    max_includes: int = 50
    max_included: int = 100_000
    created_status: int = 200
    remoting: Mapping[str, Any] = field(default_factory=dict)
    external_url: str | None = None
    trusted_origins: Sequence[str] = ()
    allowed_redirects: Sequence[str] = ()
    acl_error_status: int = 401
    session_cache: float = 10.0
    session_storage: str | None = None
    token_in_query: bool = True
    login_limits: Mapping[str, str] = field(default_factory=lambda: _LOGIN_LIMITS)
    reset_limits: Mapping[str, str] = field(default_factory=lambda: _MAIL_LIMITS)
    verify_limits: Mapping[str, str] = field(default_factory=lambda: _MAIL_LIMITS)
    limit_storage: str = "memory://"
    oauth: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    password_hashing: Mapping[str, int] = field(default_factory=dict)
    mail_queue: int = 1000
    mail_timeout: float = 10.0
    request_transactions: Sequence[str] | Mapping[str, Any] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Read the settings of an app.

        :param config: ``app.config``.
        :raises DefinitionError: naming a setting that is unknown or of the wrong kind.
        """
        known = {PREFIX + each.name.upper(): each.name for each in fields(cls)}
        given = {key: config[key] for key in config if key.startswith(PREFIX)}
        for key, value in given.items():
            if key not in known:
                raise DefinitionError(f"there is no setting {key}{nearest(key, known)}")
            _refuse_wrong_kind(key, value, getattr(cls(), known[key]))
        if given.get("LOOP_CREATED_STATUS", 200) not in (200, 201):
            raise DefinitionError("LOOP_CREATED_STATUS is 200 or 201")
        if given.get("LOOP_ACL_ERROR_STATUS", 401) not in (401, 403, 404):
            raise DefinitionError("LOOP_ACL_ERROR_STATUS is 401, 403 or 404")
        if given.get("LOOP_MAIL_TIMEOUT", 10) == 0:
            raise DefinitionError("LOOP_MAIL_TIMEOUT is more than 0")
        _check_oauth(given.get("LOOP_OAUTH", {}))
        _transactions(given.get("LOOP_REQUEST_TRANSACTIONS", ()))
        return cls(**{known[key]: value for key, value in given.items()})

    @property
    def transactions(self) -> Mapping[str, TransactionOptions]:
        """What is asked of the transactions that requests are, by data source."""
        return _transactions(self.request_transactions)


def _transactions(given: Sequence[str] | Mapping[str, Any]) -> Mapping[str, TransactionOptions]:
    asked = given if isinstance(given, Mapping) else dict.fromkeys(given, True)
    key = "LOOP_REQUEST_TRANSACTIONS"
    read = {name: TransactionOptions.written(key, value) for name, value in asked.items()}
    return {name: options for name, options in read.items() if options is not None}


def _check_oauth(given: Mapping[str, Any]) -> None:
    for name, said in given.items():
        if not isinstance(said, Mapping) or not said.keys() <= {"client_id", "client_secret"}:
            raise DefinitionError(
                f"LOOP_OAUTH[{name!r}] is a dict with 'client_id' and 'client_secret'"
            )


def _refuse_wrong_kind(key: str, value: Any, default: Any) -> None:
    """Refuse a value of another kind than a setting's default.

    :raises DefinitionError: naming the setting. What should be text or a dict is not shown, as a
        URL may have a password in it.
    """
    if key == "LOOP_REQUEST_TRANSACTIONS" and isinstance(value, Mapping):
        return
    kind, fits = _KINDS[type(default)]
    if not fits(value):
        is_shown = not isinstance(default, str | Mapping | None)
        shown = repr(value) if is_shown else type(value).__name__
        raise DefinitionError(f"{key} is {kind}, not {shown}")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


#: By the type of a setting's default, what its values are.
_KINDS: Mapping[type, tuple[str, Callable[[Any], bool]]] = {
    bool: ("a boolean", lambda value: isinstance(value, bool)),
    int: ("a positive whole number", lambda value: type(value) is int and value > 0),
    float: ("a number of seconds", lambda value: _is_number(value) and value >= 0),
    str: ("text", lambda value: isinstance(value, str)),
    type(None): ("text", lambda value: value is None or isinstance(value, str)),
    tuple: ("a list of texts", _are_texts),
    dict: ("a dict", lambda value: isinstance(value, Mapping)),
}


class State:
    """One app's part of Flask-Loop, kept in ``app.extensions["loop"]``.

    :param settings: the app's settings.
    :param url_prefix: what the paths of its models begin with.
    :param make_connector: makes a connector of a data source's settings.
    :param more_sources: data sources that the settings need not have.

    :ivar exposures: what remote callers have of each model, by the model.
    :ivar private: the same of models that have no routes and are reached by relations alone.
    :ivar reachable: both.
    :ivar hooks: the remote hooks of the whole Loop.
    :ivar switches: what the settings say of remote methods.
    :ivar sources: the data sources that are named on the Loop, by name.
    :ivar guard: decides who may call what; None where nobody is kept from anything.
    :ivar shared: what several processes of the app remember together; None where each remembers by
        itself.
    :ivar mailer: sends mails in the background.
    :ivar authenticator: finds out who sends a request.
    """

    def __init__(
        self,
        settings: Settings,
        url_prefix: str,
        make_connector: Callable[[Mapping[str, Any]], Any],
        more_sources: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.settings = settings
        self.url_prefix = url_prefix
        self.exposures: dict[Any, Any] = {}
        self.private: dict[Any, Any] = {}
        self.reachable: Mapping[Any, Any] = ChainMap(self.exposures, self.private)
        self.hooks: Any = ()
        self.switches: Any = None
        self.sources: Mapping[str, Any] = {}
        self.docs_base: str | None = None
        self.guard: Any = None
        self.authenticator: Any = None
        self.shared: Any = None
        self.mailer: Any = None
        self._make_connector = make_connector
        self._more_sources = {} if more_sources is None else more_sources
        self._connectors: dict[str, Any] = {}
        self._lock = Lock()

    @property
    def models(self) -> list[Any]:
        """The models that are exposed, in the order of their registration."""
        return list(self.exposures)

    def models_marked(self, marker: str) -> list[Any]:
        """The models of the app that derive from a bundled one.

        :param marker: the attribute by which they are known, such as ``__loop_user__``.
        """
        return [model for model in self.reachable if getattr(model, marker, False)]

    @property
    def users(self) -> list[Any]:
        """The app's models of users."""
        return self.models_marked("__loop_user__")

    def shows_records(self, model: Any) -> bool:
        """Whether remote callers may follow relations to the records of a model.

        That is so where they could find them by themselves.
        """
        return self.offers(model, "find")

    def offers(self, model: Any, method: str) -> bool:
        """Whether remote callers have a method of a model.

        :param method: its wire name.
        """
        exposure = self.reachable.get(model)
        return exposure is not None and exposure.shows(method)

    def connector(self, name: str) -> Any:
        """The connector of the data source with a name, made when it is first used.

        :raises DefinitionError: where ``LOOP_DATA_SOURCES`` does not have it, or says of it what
            means nothing.
        """
        found = self._connectors.get(name)
        return found if found is not None else self._make(name)

    @property
    def data_sources(self) -> Mapping[str, Any]:
        """The settings of the data sources by name, those of loaded files among them."""
        return {**self._more_sources, **self.settings.data_sources}

    def _make(self, name: str) -> Any:
        with self._lock:
            if name not in self._connectors:
                known = self.data_sources
                if name not in known:
                    raise DefinitionError(
                        f"LOOP_DATA_SOURCES has no data source {name!r}{nearest(name, known)}"
                    )
                try:
                    self._connectors[name] = self._make_connector(known[name])
                except DefinitionError as error:
                    raise DefinitionError(f"data source {name!r}: {error}") from error
            return self._connectors[name]
