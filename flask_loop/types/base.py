"""PropertyType: what all property types do, and the error of a value that is of none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class TypeMismatch(ValueError):
    """A value that is not of the property's type.

    :ivar code: the name of the expected type, used as the code of the validation failure.
    :ivar path: keys and indexes inside the value, for lists and objects.
    """

    def __init__(self, code: str, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.path = path


class PropertyType:
    """The base of all property types. Instances are immutable and may be shared."""

    #: LoopBack's name of the type.
    name: ClassVar[str]
    #: The Python type that ``Model.properties`` shows.
    python: Any
    #: The phrase of the failure that follows the property's name.
    message: ClassVar[str]
    #: Whether values of this type have an order, so that ``gt`` and ``order`` mean something.
    ordered: ClassVar[bool] = False
    #: Whether :meth:`dump` gives each value back unchanged.
    dumps_itself: ClassVar[bool] = False
    #: JSON values that the documentation may show; of the usual ones where there are none.
    samples: ClassVar[Sequence[Any]] = ()

    @property
    def stored_as(self) -> type[PropertyType]:
        """The type as which data sources store the values, of a type that only reads others."""
        return type(self)

    def load(self, value: Any, *, text: bool = True) -> Any:
        """Give the Python value of ``value``, which is not None.

        :param text: whether the exact text of a number, boolean, … is taken, as in model bodies
            and query strings; arguments in JSON must be typed.
        :raises TypeMismatch: where the value is of another type or outside the domain.
        """
        raise NotImplementedError

    def dump(self, value: Any) -> Any:
        """Give the JSON value of a Python value, which is not None."""
        return value

    def to_json(self, value: Any) -> Any:
        """Give the JSON value that data sources without this type store; nothing is left out."""
        return self.dump(value)

    def from_json(self, value: Any) -> Any:
        """Give the Python value back from what :meth:`to_json` gave."""
        return value if self.dumps_itself else self.load(value)

    def json_schema(self) -> dict[str, Any]:
        """The type as a JSON Schema, for the API's documentation."""
        return {}

    def mismatch(self, message: str | None = None) -> TypeMismatch:
        return TypeMismatch(self.name.lower(), message or self.message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(type(self))
