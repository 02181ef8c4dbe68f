"""Default scopes as they hold at the moment: ``unscoped`` lifts those of some models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..query import Filter

if TYPE_CHECKING:
    from .base import Attached

_LIFTED: ContextVar[frozenset[type]] = ContextVar("flask_loop_unscoped", default=frozenset())


def unscoped(*models: type[Attached]) -> AbstractContextManager[None]:
    """Give a block in which the default scopes of some models do not hold for anything.

    It finds, counts, changes and deletes all of their records, and includes and wheres that lead
    to them reach all. The scope of another model, be it derived from one of these, holds as ever.
    An instance in hand needs no such block: it is saved, reloaded and destroyed wherever it is.

    :param models: the models, at least one.
    :raises TypeError: where none is given, or something that is no model.

    ::

        with unscoped(Book):
            drafts = Book.find(where={"published": False})
    """
    if not models:
        raise TypeError("unscoped() takes at least one model: with unscoped(Book): ...")
    for each in models:
        is_model = isinstance(each, type) and hasattr(each, "__loop_model__")
        if not is_model or "__loop_model__" in each.__dict__:
            raise TypeError(f"{each!r} is no model of yours, whose default scope could be lifted")
    return _lifting(models)


@contextmanager
def _lifting(models: tuple[type, ...]) -> Iterator[None]:
    token = _LIFTED.set(_LIFTED.get().union(models))
    try:
        yield
    finally:
        _LIFTED.reset(token)


class DefaultScope:
    """The attribute of a plan with the scope that holds now.

    It has no ``__set__``, so that a plan which never has a scope keeps None in its own ``__dict__``
    and does not come through here.
    """

    def __get__(self, plan: Any, owner: type) -> Filter | None:
        if plan.model in _LIFTED.get():
            return None
        scope: Filter | None = plan.written_scope
        return scope
