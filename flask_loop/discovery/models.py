"""Models of discovered tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..definition import Registry, definition_from_json
from ..errors import DefinitionError
from ..model import make_model
from .documents import Document


def build_models(documents: Iterable[Document]) -> dict[str, type[Any]]:
    """Make the models of definitions, which are related to each other and to no others.

    :param documents: the definitions.
    :returns: the models by name.
    """
    models = Registry()
    made: dict[str, type[Any]] = {}
    for document in documents:
        definition = definition_from_json(document, find_base=_no_base, models=models)
        made[definition.name] = model = make_model(definition)
        models.add(definition.name, model)
    return made


def _no_base(name: str) -> Any:
    raise DefinitionError(f"a discovered model has no base, and not {name!r}")
