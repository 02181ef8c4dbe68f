"""JsonPath: the places in an answer that a JSONPath (RFC 9535) names."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...errors import DefinitionError

#: What a path gives that leads to nothing.
NOTHING: Any = object()


class JsonPath:
    """A path such as ``$.results[0].location``.

    :param text: the path.
    :param where: where it was written, for messages.
    :raises DefinitionError: where it is none.
    """

    __slots__ = ("_query", "text")

    def __init__(self, text: Any, where: str) -> None:
        self.text = text
        if not isinstance(text, str):
            raise DefinitionError(f"{where} is a JSONPath such as $.data, not {text!r}")
        try:
            from jsonpath import JSONPathError
        except ImportError as error:
            raise DefinitionError(
                f"{where} needs a package that is not installed ({error}); "
                "pip install 'flask-loop[rest]'"
            ) from error
        try:
            self._query = _environment().compile(text)
        except JSONPathError as error:
            problem = str(error).splitlines()[0]
            raise DefinitionError(f"{where}: {text!r} is no JSONPath: {problem}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonPath) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def all(self, document: Any) -> list[Any]:
        """Everything that it leads to."""
        return list(self._query.findall(document))

    def first(self, document: Any) -> Any:
        """The first of that, or :data:`NOTHING`."""
        found = self._query.match(document)
        return NOTHING if found is None else found.value


@cache
def _environment() -> Any:
    from jsonpath import JSONPathEnvironment

    return JSONPathEnvironment(strict=True)
