"""AccessContext: what functions that say who has a role see of a call."""

from __future__ import annotations

from typing import Any

from ..methods import RemoteMethod
from ..remoting import Caller


class AccessContext:
    """Who calls which method.

    :ivar caller: who calls, as far as is known without looking at the user's record.
    :ivar model: the model whose method is called, or whose records are reached.
    :ivar method: the method.
    """

    __slots__ = ("_user", "caller", "method", "model")

    def __init__(self, caller: Caller, model: Any, method: RemoteMethod) -> None:
        self.caller, self.model, self.method = caller, model, method

    @property
    def is_authenticated(self) -> bool:
        """Whether somebody is logged in."""
        return self.caller.is_authenticated

    @property
    def user_id(self) -> Any:
        """The user's id; None of nobody."""
        return self.caller.id

    @property
    def user_model(self) -> Any:
        """The model of the user; None of nobody."""
        return self.caller.model

    @property
    def user(self) -> Any:
        """The user's instance, loaded when it is first asked for; None of nobody."""
        if not hasattr(self, "_user"):
            load = self.caller.load_user
            self._user = None if load is None else load()
        return self._user

    @property
    def access_type(self) -> str:
        """``READ``, ``WRITE`` or ``EXECUTE``."""
        return self.method.access_type

    @property
    def method_string(self) -> str:
        """The plural of the model, then the method: ``products.prototype.patchAttributes``."""
        return f"{self.model.definition.plural}.{self.method.wire}"
