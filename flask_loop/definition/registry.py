"""Models by name, so that one can name another before it exists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

from ..errors import DefinitionError

_PACKAGE = f"{__name__.partition('.')[0]}."


class Registry:
    """The models that were defined, by name, held weakly.

    An application factory may define a model of one name again and again; only a name that is asked
    for has to be unambiguous.
    """

    def __init__(self) -> None:
        self._models: dict[str, WeakSet[type]] = {}

    def add(self, name: str, model: type) -> None:
        self._models.setdefault(name, WeakSet()).add(model)

    def named(self, name: str) -> list[type]:
        """The models of a name; one that comes with Flask-Loop where there is no other."""
        found = list(self._models.get(name, ()))
        own = [model for model in found if not model.__module__.startswith(_PACKAGE)]
        return own or found

    def known(self) -> list[str]:
        """The names that models have."""
        return [name for name, models in self._models.items() if models]

    def get(self, name: str) -> type:
        """Give the model of this name.

        :raises DefinitionError: where no model, or more than one, has the name.
        """
        return self._only(name, self.named(name))

    def find(self, name: str, *, beside: Any) -> type:
        """Give the model that a relation of another one means.

        :param name: its name, or one that differs from it in case or hyphens alone.
        :param beside: the other model; of several models of the name, the one on the same data
            source is meant.
        :raises DefinitionError: where no model, or more than one, is meant.
        """
        return self._only(name, self.find_all(name, beside=beside))

    def find_all(self, name: str, *, beside: Any, exactly: bool = False) -> list[type]:
        """The models that :meth:`find` finds one of.

        :param exactly: whether the name is meant as it is.
        """
        found = self.named(name)
        if not found and not exactly:
            alike = [each for each in self.known() if _plain(each) == _plain(name)]
            found = [model for each in alike for model in self.named(each)]
        if len(found) > 1 and beside is not None:
            source = getattr(beside, "data_source", None)
            near = [each for each in found if getattr(each, "data_source", None) is source]
            found = near or found
        return found

    def _only(self, name: str, found: list[type]) -> type:
        if len(found) == 1:
            return found[0]
        if found:
            places = ", ".join(sorted({model.__module__ for model in found}))
            raise DefinitionError(
                f"{len(found)} models are called {name!r} (in {places}); use the class itself"
            )
        if name in self._models:
            raise DefinitionError(
                f"the model {name!r} is gone: keep its class, in a variable or by an app that "
                "exposes it"
            )
        raise DefinitionError(f"no type or model is called {name!r}{nearest(name, self.known())}")


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase that offers the known name that looks most like ``name``, or nothing."""
    by_lower_case = {each.lower(): each for each in known}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[matches[0]]!r}?" if matches else ""


#: Where every model of the process is found by name.
registry = Registry()
