"""Models: the models of the document classes of this process, each made once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import mongoengine as me

from ..definition import Dependent, ModelDefinition
from ..errors import DefinitionError
from ..existing import ExistingModels
from ..model import Model, make_model
from .classes import add_checks, chosen, define, is_list_of_references, property_name, unreserved
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
        fields = chosen(model.model_name, target, options).values()
        for field in fields:
            self._relate(model, field)
        others = [(self._find_dependent(model, *each), each) for each in _rules_about(target)]
        model.definition.resolve()
        for field in fields:
            self._hold_rule(model, field)
        for other, (document, name) in others:
            self._hold_rule(other, document._fields[name])

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
        name, key = unreserved(field.name), property_name(field)
        if isinstance(field, REFERENCES):
            found = self._target(model, field, field)
            model.belongs_to(name, model=found, foreign_key=key, on_delete=_on_delete(field))
        elif is_list_of_references(field):
            if field.required and _on_delete(field.field) == "set_null":
                raise DefinitionError(
                    f"{model.model_name}.{field.name}: NULLIFY would empty a list that is "
                    f"required; exclude=[{field.name!r}] leaves the field out"
                )
            found = self._target(model, field, field.field)
            model.references_many(name, model=found, foreign_key=key)

    def _hold_rule(self, model: type[Any], field: BaseField) -> None:
        """Hold a field's rule for the models of all classes whose documents it may name."""
        reference = field.field if is_list_of_references(field) else field
        relation = model.definition.relations.get(unreserved(field.name))
        rule = _on_delete(reference)
        if relation is None or rule is None:
            return
        document, keys = reference.document_type, (property_name(field),)
        for target, made in self._made.items():
            if issubclass(target, document) or issubclass(document, target):
                ids = tuple(each.name for each in made.definition.ids)
                made.definition.add_dependent(
                    Dependent(relation, model.definition, keys, ids, (), rule, constraint=False)
                )

    def _target(self, model: type[Any], field: BaseField, reference: Any) -> type[Any]:
        try:
            return self.find(reference.document_type)
        except DefinitionError as error:
            raise DefinitionError(
                f"{model.model_name}.{field.name}: {error}; exclude=[{field.name!r}] leaves the "
                "field out"
            ) from None

    def _find_dependent(self, model: type[Any], other: Any, name: str) -> type[Any]:
        """The model of documents that something becomes of when others are deleted."""
        try:
            return self.find(other)
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


def _on_delete(reference: BaseField) -> str | None:
    """What becomes of documents when one that they refer to is deleted."""
    return _ON_DELETE.get(getattr(reference, "reverse_delete_rule", me.DO_NOTHING))


def _rules_about(target: Any) -> Iterator[tuple[Any, str]]:
    """The classes and the fields with rules for when a document of a class is deleted.

    It may be one of a class that derives from it.
    """
    found = dict.fromkeys(
        rule for each in _family(target) for rule in each._meta.get("delete_rules") or ()
    )
    return ((other, name) for other, name in found if not other._meta.get("abstract"))


def _family(target: Any) -> Iterator[Any]:
    """A class and all that derive from it."""
    yield target
    for each in target.__subclasses__():
        yield from _family(each)
