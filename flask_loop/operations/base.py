"""What operations need of a model, and the descriptors that make them methods.

An operation is a method only while its model is attached to a data source that has it enabled;
until then looking it up raises :class:`~flask_loop.errors.NotAttachedError`, an AttributeError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from ..connectors.base import Connector, Record
from ..definition import ModelDefinition
from ..errors import NotAttachedError
from ..methods import RemoteMethod

if TYPE_CHECKING:
    from builtins import classmethod as operation

    from .plan import Plan

F = TypeVar("F", bound=Callable[..., Any])


class Source(Protocol):
    """A data source, as operations see it."""

    name: str

    @property
    def connector(self) -> Connector: ...

    def is_enabled(self, operation: str) -> bool: ...


class Attached:
    """The parts of a model that operations lean on."""

    definition: ClassVar[ModelDefinition]
    data_source: ClassVar[Source]
    #: Whether an operation of the model, or of one that it derives from, is overridden.
    __loop_overrides__: ClassVar[bool] = False

    if TYPE_CHECKING:

        @classmethod
        def __loop_plan__(cls) -> Plan: ...

        @classmethod
        def from_record(cls, record: Mapping[str, Any], *, is_new: bool = False) -> Self: ...

        def to_record(self) -> Record: ...

        def _take(self, record: Mapping[str, Any]) -> None: ...


class _Operation:
    """A descriptor for one operation.

    :ivar of_instance: whether it is a method of instances.
    """

    of_instance: ClassVar[bool]

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function: Callable[..., Any] = getattr(function, "__func__", function)
        self.__doc__ = self.function.__doc__
        self.__wrapped__ = self.function

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def require(self, owner: Any) -> None:
        source = owner.__dict__.get("data_source") or getattr(owner, "data_source", None)
        if source is None:
            raise NotAttachedError(
                f"{owner.__name__}.{self.name}() is not there until {owner.__name__} is attached "
                f"to a data source: {owner.__name__}.attach_to(source)"
            )
        if not source.is_enabled(OPERATION_OF.get(self.name, self.name)):
            raise NotAttachedError(
                f"{owner.__name__}.{self.name}() is disabled on the data source {source.name!r}"
            )


class _StaticOperation(_Operation):
    of_instance = False

    def __get__(self, instance: Any, owner: type) -> MethodType:
        self.require(owner)
        return MethodType(self.function, owner)


class _InstanceOperation(_Operation):
    of_instance = True

    def __get__(self, instance: Any, owner: type) -> Any:
        self.require(owner)
        return self.function if instance is None else MethodType(self.function, instance)


if TYPE_CHECKING:

    def instance_operation(function: F) -> F: ...
else:
    operation = _StaticOperation
    instance_operation = _InstanceOperation


#: The operations by wire name, and the wire name of each Python method's operation.
OPERATIONS: dict[str, RemoteMethod] = {}
OPERATION_OF: dict[str, str] = {}


def declare(method: RemoteMethod, *python_names: str) -> RemoteMethod:
    """Add a method to the operations that data sources give their models.

    :param method: its declaration.
    :param python_names: the Python methods that it is; its own name where none is given.
    """
    OPERATIONS[method.operation] = method
    for name in python_names or (method.name,):
        OPERATION_OF[name] = method.operation
    return method


def guard_overrides(model: type) -> None:
    """Let the operations that a class body overrides be there only while the model is attached."""
    for name in OPERATION_OF:
        written = model.__dict__.get(name)
        if isinstance(written, classmethod):
            guarded: Any = _StaticOperation(written.__func__)
        elif written is not None and not isinstance(written, _Operation) and callable(written):
            guarded = _InstanceOperation(written)
        else:
            continue
        guarded.name = name
        setattr(model, name, guarded)
        type.__setattr__(model, "__loop_overrides__", True)


def is_overridden(model: type, name: str, home: type) -> bool:
    """Whether a model has an operation of its own instead of that of ``home``."""
    found = next(cls.__dict__[name] for cls in model.__mro__ if name in cls.__dict__)
    return found is not home.__dict__.get(name)


__all__ = [
    "OPERATIONS",
    "OPERATION_OF",
    "Attached",
    "Source",
    "declare",
    "guard_overrides",
    "instance_operation",
    "is_overridden",
    "operation",
]
