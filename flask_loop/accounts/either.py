"""Methods that a model of users and a user have under one name."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Generic, TypeVar, overload

OfClass = TypeVar("OfClass")
OfInstance = TypeVar("OfInstance")


class OnEither(Generic[OfClass, OfInstance]):
    """A class method, which on an instance is another function about that instance.

    :param function: what the class has; remote callers have it where it is a remote method.
    :param on_instance: what instances have.
    """

    of_instance = False

    def __init__(self, function: Callable[..., Any], on_instance: Callable[..., Any]) -> None:
        self.function, self.on_instance = function, on_instance
        self.__doc__ = on_instance.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> OfClass: ...

    @overload
    def __get__(self, instance: object, owner: type) -> OfInstance: ...

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return MethodType(self.function, owner)
        return MethodType(self.on_instance, instance)
