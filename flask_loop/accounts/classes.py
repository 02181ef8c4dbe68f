"""The types of the bundled classes: what is said of ``User`` and ``Session`` themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import ref

from ..definition import ModelDefinition, Property, Settings, UserSettings, nearest
from ..definition.keys import length_of
from ..errors import DefinitionError
from ..hooks import refuse_bundled
from ..model import ModelType, Prop
from ..types import AnyValue, Boolean, Date, DateTime, Integer, String, Uuid
from .records import keep_flags, make_unique
from .tokens import TokenText

USER_ID = "user_id"
#: What the id of a session is, whatever is said of it anew.
_TOKEN: dict[str, Any] = {
    "type": TokenText(),
    "generated": False,
    "read_only": True,
    "nullable": False,
    "constraints": {"max_length": 80},
}
_SESSION = "session"
_OWN = "_session_model"
_FOLLOWS = "_follows_user"
_USER = "_user_model"
_SAID = "_said_settings"
#: The most characters of a text that every database has in an index.
_INDEXED = 255
#: The settings that are set on a model of users itself, as the seed does, by their spellings.
VERIFICATION_SPELLINGS = frozenset(
    spelling
    for spelling, name in UserSettings.spellings.items()
    if name == "require_email_verification"
)


class UserType(ModelType, type):  # named once more for linters, who know metaclasses by it
    """The type of models of users."""

    if TYPE_CHECKING:
        session: Any

    def __init__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        definition: ModelDefinition | None = None,
    ) -> None:
        super().__init__(name, bases, namespace)
        # What the class body says is set as it is later, and so noted where that is.
        for key in (_SESSION, *VERIFICATION_SPELLINGS):
            value = cls.__dict__.get(key)
            if isinstance(value, bool | ModelType):
                type.__delattr__(cls, key)
                setattr(cls, key, value)
        if cls.data_source is not None and _OWN not in cls.__dict__:  # type: ignore[attr-defined]
            _ = cls.session

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == _SESSION and not isinstance(value, Prop):
            _use_session(cls, value)
        elif name in VERIFICATION_SPELLINGS and not isinstance(value, Prop):
            cls._say({"require_email_verification": value})
        else:
            super().__setattr__(name, value)

    def _say(cls, settings: dict[str, Any]) -> None:
        """Change settings; a model that is not defined yet has them when it is."""
        refuse_bundled(cls)
        if cls._definition is None:
            type.__setattr__(cls, _SAID, {**cls.__dict__.get(_SAID, {}), **settings})
        else:
            cls._definition.change_settings(**settings)

    def _adopt(cls, definition: ModelDefinition) -> None:
        if said := cls.__dict__.get(_SAID):
            definition.settings = definition.settings.updated(said)
        make_unique(definition)
        super()._adopt(definition)
        keep_flags(definition)


class SettingsView:
    """The settings of a model of users, to be read and set.

    :param model: the model.
    """

    __slots__ = ("_model",)
    _model: Any

    def __init__(self, model: Any) -> None:
        object.__setattr__(self, "_model", model)

    def __repr__(self) -> str:
        return repr(self._settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._settings, self._known(name))

    def __setattr__(self, name: str, value: Any) -> None:
        refuse_bundled(self._model)
        self._model.definition.change_settings(**{self._known(name): value})

    @property
    def _settings(self) -> Settings:
        settings: Settings = self._model.definition.settings
        return settings

    def _known(self, name: str) -> str:
        spellings = self._settings.spellings
        if name not in spellings:
            raise AttributeError(f"there is no setting {name!r}{nearest(name, spellings)}")
        return spellings[name]


class SettingsOf:
    """The descriptor of ``User.settings``."""

    def __get__(self, instance: Any, owner: type) -> SettingsView:
        return SettingsView(owner)


class VerificationSetting:
    """The descriptor of ``User.require_email_verification``, in any of its spellings."""

    def __get__(self, instance: Any, owner: Any) -> bool:
        return bool(owner.definition.settings.require_email_verification)


class SessionOf:
    """The descriptor of ``User.session``: the model of the sessions of one model of users.

    :param base: the model that it derives from where the app gives no other.
    """

    def __init__(self, base: SessionType) -> None:
        self._base = base

    def __get__(self, instance: Any, owner: UserType) -> Any:
        found = owner.__dict__.get(_OWN)
        if found is None:
            if "__loop_bundled__" in owner.__dict__:
                return self._base
            found = type(self._base)(f"{owner.__name__}Session", (self._base,), _body_of(owner))
            _use_session(owner, found)
        return found


def _body_of(user_model: type) -> dict[str, Any]:
    return {
        "__module__": user_model.__module__,
        "__doc__": f"The sessions of {user_model.__name__}.",
    }


def _use_session(user_model: Any, session_model: Any) -> None:
    """Let a model have the sessions of a model of users.

    :raises TypeError: where it is no model of sessions, or bundled, or the user's model is.
    :raises DefinitionError: where it has those of another one.
    """
    name = user_model.__name__
    refuse_bundled(user_model)
    if not isinstance(session_model, SessionType) or "__loop_bundled__" in session_model.__dict__:
        raise TypeError(f"{name}.session is a model that derives from Session")
    other = session_model.user_model
    if other is not None and other is not user_model:
        raise DefinitionError(
            f"{name}.session: {session_model.__name__} has the sessions of {other.__name__}; "
            "each model of users has one of its own"
        )
    type.__setattr__(user_model, _OWN, session_model)
    session_model.serve(user_model)
    follow(user_model)


def follow(user_model: Any) -> None:
    """Attach the sessions of a model of users where that is, unless they are elsewhere."""
    session_model, source = user_model.session, user_model.data_source
    if source is None or "__loop_bundled__" in user_model.__dict__:
        return
    known = session_model.data_source
    if known is None or session_model.__dict__.get(_FOLLOWS) is known:
        session_model.attach_to(source)
        type.__setattr__(session_model, _FOLLOWS, source)


def _length_of_text(ids: Sequence[Property]) -> dict[str, int]:
    """What bounds the text of an id of several properties, or nothing."""
    lengths = [_length_of_value(each) for each in ids]
    return {} if None in lengths else {"max_length": sum(filter(None, lengths)) + len(ids) - 1}


def _length_of_value(id: Property) -> int | None:
    """The most characters of a value in the text of an id; a text may have each escaped."""
    if isinstance(id.type, String):
        length = id.constraints.get("max_length")
        return None if length is None else 2 * length
    return _LENGTHS.get(type(id.type))


#: The most characters of values of other types in the text of an id.
_LENGTHS: dict[type, int] = {Integer: 20, Uuid: 36, Date: 10, DateTime: 27, Boolean: 5}


class TokenProp(Prop[str]):
    """The id of a session: its token where that is known, as after a login; else the digest."""

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return super().__get__(None, owner)
        values = instance.__dict__
        if "_token" in values:
            return values["_token"]
        return values["id"] if "id" in values else super().__get__(instance, owner)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__.pop("_token", None)
        instance.__dict__["id"] = value


class SessionType(ModelType, type):
    """The type of models of sessions."""

    @property
    def user_model(cls) -> Any:
        """The model of the users whose sessions these are, or None."""
        held = cls.__dict__.get(_USER)
        return None if held is None else held()

    def serve(cls, user_model: Any) -> None:
        """Have the sessions of a model of users from now on."""
        type.__setattr__(cls, _USER, ref(user_model))
        if cls._definition is not None:
            cls._fit(cls._definition)

    def _adopt(cls, definition: ModelDefinition) -> None:
        super()._adopt(definition)
        cls._fit(definition)

    def _fit(cls, definition: ModelDefinition) -> None:
        """Give the key of users the type that their ids have."""
        token = definition.properties.get("id")
        if token is not None and token.id and not isinstance(token.type, TokenText):
            definition.add_property(replace(token, **_TOKEN))
        user_model, key = cls.user_model, definition.properties.get(USER_ID)
        if user_model is None or key is None or not isinstance(key.type, AnyValue):
            return
        ids = user_model.definition.ids
        is_one = len(ids) == 1
        bounds = length_of(*ids) if is_one else _length_of_text(ids)
        definition.add_property(
            replace(
                key,
                type=ids[0].type if is_one else String(),
                constraints=bounds,
                nullable=False,
                index=is_one or 0 < bounds.get("max_length", 0) <= _INDEXED,
            )
        )

    def _name_properties(cls, names: Any) -> None:
        listed = list(names)
        if "id" in listed and not isinstance(cls.__dict__.get("id"), TokenProp):
            type.__setattr__(cls, "id", TokenProp("id"))
        super()._name_properties(listed)
