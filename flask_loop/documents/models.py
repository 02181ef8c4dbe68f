"""Models: the models of the document classes of this process, each made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import mongoengine as me

from ..definition import RESERVED, ModelDefinition
from ..errors import DefinitionError
from ..existing import ExistingModels
from ..model import Model, make_model
from .classes import add_checks, chosen, define, is_list_of_references, property_name
from .fields import REFERENCES
from .source import DocumentSource

if TYPE_CHECKING:
    from mongoengine.base import BaseField

#: What becomes of documents that refer to one that is deleted.
_ON_DELETE = {me.CASCADE: "cascade", me.NULLIFY: "set_null", me.DENY: "restrict"}


class Models(ExistingModels):
    """The models of document classes."""

    method = "from_mongoengine"

    _sources: ClassVar[dict[str, DocumentSource]] = {}

    def __init__(self) -> None:
        super().__init__()
        self._embedded: dict[Any, Any] = {}

    def get(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> type[Any]:
        is_class = isinstance(target, type) and issubclass(target, me.Document)
        if not is_class or target._meta.get("abstract"):
            raise DefinitionError(f"{target!r} is no class of documents that a collection has")
        return super().get(base, target, options)

    def define(self, base: type[Any], target: Any, options: Mapping[str, Any]) -> ModelDefinition:
        return define(base, target, options, self.embed)

    def attach(self, model: type[Any], target: Any) -> None:
        model.attach_to(self._source(target._meta.get("db_alias", me.DEFAULT_CONNECTION_NAME)))

    def relate(self, model: type[Any], target: Any, options: Mapping[str, Any]) -> None:
        add_checks(model, target, options)
        for field in chosen(model.model_name, target, options).values():
            self._relate(model, field)
        for other, name in target._meta.get("delete_rules") or ():
            self._find_dependent(model, other, name)
        model.definition.resolve()

    def embed(self, target: Any) -> Any:
        """The model of an embedded document; a plain object's type where it is in itself."""
        if target not in self._embedded:
            self._embedded[target] = "Object"  # as long as it is being made
            try:
                definition = define(Model, target, {}, self.embed)
                model = make_model(definition, Model)
            except BaseException:
                del self._embedded[target]
                raise
            add_checks(model, target, {})
            self._embedded[target] = model
        return self._embedded[target]

    def _relate(self, model: type[Any], field: BaseField) -> None:
        """Declare the relation that a field with references is."""
        name = f"{field.name}_" if field.name in RESERVED else field.name
        if isinstance(field, REFERENCES):
            rule = _ON_DELETE.get(getattr(field, "reverse_delete_rule", me.DO_NOTHING))
            model.belongs_to(
                name,
                model=self._target(model, field, field),
                foreign_key=property_name(field),
                on_delete=rule,
            )
        elif is_list_of_references(field):
            model.references_many(
                name,
                model=self._target(model, field, field.field),
                foreign_key=property_name(field),
            )

    def _target(self, model: type[Any], field: BaseField, reference: Any) -> type[Any]:
        try:
            return self.find(reference.document_type)
        except DefinitionError as error:
            raise DefinitionError(
                f"{model.model_name}.{field.name}: {error}; exclude=[{field.name!r}] leaves the "
                "field out"
            ) from None

    def _find_dependent(self, model: type[Any], other: Any, name: str) -> None:
        """Have the model of documents that something becomes of when others are deleted."""
        try:
            self.find(other)
        except DefinitionError as error:
            raise DefinitionError(
                f"{other.__name__}.{name} says what becomes of documents when a "
                f"{model.model_name} is deleted; call from_mongoengine({other.__name__}, "
                f"exclude=...) first, as {error}"
            ) from None

    def _source(self, alias: str) -> DocumentSource:
        """The source of the database that a connection's alias names."""
        if alias not in self._sources:
            self._sources[alias] = DocumentSource(alias)
        return self._sources[alias]
