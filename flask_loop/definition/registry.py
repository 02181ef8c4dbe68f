"""Models by name, so that one can name another before it exists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from weakref import WeakSet

from ..errors import DefinitionError


class Registry:
    """The models that were defined, by name, held weakly.

    An application factory may define a model of one name again and again; only a name that is asked
    for has to be unambiguous.
    """

    def __init__(self) -> None:
        self._models: dict[str, WeakSet[type]] = {}

    def add(self, name: str, model: type) -> None:
        self._models.setdefault(name, WeakSet()).add(model)

    def get(self, name: str) -> type:
        """Give the model of this name.

        :raises DefinitionError: where no model, or more than one, has the name.
        """
        found = list(self._models.get(name, ()))
        if len(found) == 1:
            return found[0]
        if found:
            places = ", ".join(sorted({model.__module__ for model in found}))
            raise DefinitionError(
                f"{len(found)} models are called {name!r} (in {places}); use the class itself"
            )
        raise DefinitionError(f"no type or model is called {name!r}{nearest(name, self._models)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase that offers the known name that looks most like ``name``, or nothing."""
    by_lower_case = {each.lower(): each for each in known}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[matches[0]]!r}?" if matches else ""


#: Where every model of the process is found by name.
registry = Registry()
