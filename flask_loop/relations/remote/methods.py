"""The remote methods of one relation: what clients may do with the records that it leads to.

Their names and routes are LoopBack's: ``prototype.__get__chapters`` is ``GET /:id/chapters``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ...definition import HAS_ONE, RelationDefinition
from ...methods import Argument, Reach, RemoteMethod, Returns, Route
from . import calls, embeds, links

#: What reads related records, and what changes which they are.
_READING = frozenset({"get", "count", "findById"})
_LINKING = frozenset({"create", "delete", "destroyById", "link", "unlink"})

#: Which method of the model whose rows link records a method stands for; the others read them.
_ON_LINKS = {
    "create": "create",
    "link": "create",
    "delete": "deleteById",
    "destroyById": "deleteById",
    "unlink": "deleteById",
}

ID = Argument("id", "any", "path", required=True, description="Model id")


def methods_of_relation(relation: RelationDefinition) -> list[RemoteMethod]:
    """The remote methods of one relation."""
    return list(_Methods(relation).all())


class _Methods:
    """Makes the methods of one relation."""

    def __init__(self, relation: RelationDefinition) -> None:
        self.relation = relation
        self.target = relation.target
        self.path = f"/:id{relation.http_path}"
        self.calls: Any = embeds if relation.is_embedded else calls

    def all(self) -> Iterator[RemoteMethod]:
        """All of them, but for those that read or write a property which clients must not."""
        relation = self.relation
        if relation.property is None:
            yield from self._all()
            return
        holder = relation.owner.properties[relation.property]
        if relation.is_embedded and not holder.readable:
            return
        is_writable = not (holder.read_only or holder.create_only)
        for method in self._all():
            if is_writable or not self._changes_holder(method.name.split("__")[1]):
                yield method

    def _changes_holder(self, verb: str) -> bool:
        """Whether a method changes the property that has the records, or their ids, in it."""
        if self.relation.is_embedded:
            return verb not in _READING
        return self.relation.property is not None and verb in _LINKING

    def _all(self) -> Iterator[RemoteMethod]:
        relation = self.relation
        if relation.is_polymorphic_owner:
            yield self._get_polymorphic()
        elif relation.is_many:
            yield from self._of_many()
        elif not relation.is_embedded and not self._has_ids:
            return
        elif relation.kind == HAS_ONE or relation.is_embedded:
            yield self._get_one()
            yield from self._writing_one()
        else:
            yield self._get_one()

    @property
    def _has_ids(self) -> bool:
        return bool(self.target is not None and self.target.ids)

    @property
    def _is_linked(self) -> bool:
        """Whether rows of a third model, or a list of ids, link the records."""
        is_listed = bool(self.relation.links) and self.relation.links[0].listed
        return self.relation.is_through or is_listed

    # Relations to many

    def _of_many(self) -> Iterator[RemoteMethod]:
        yield self._method(
            "get",
            self.calls.get_many,
            Route("GET", self.path),
            accepts=(self._filter("where, order, limit, skip, fields and include"),),
            returns=self._records("[model]"),
            reaches="find",
            description="Find the {names} of a record.",
        )
        creating = links if self._is_linked else self.calls
        yield self._method(
            "create",
            creating.create,
            Route("POST", self.path),
            accepts=(self._data("One record, or a list", many=True, fixed=self._fixed),),
            returns=self._records("model"),
            reaches="create",
            description="Create {names} of a record: all or none.",
            errors={409: "A record with the id exists."},
        )
        deleting = links if self._is_linked else self.calls
        where = Argument(
            "where",
            "where",
            description="Criteria to match records",
            of=self.target,
            inside=self.relation.is_embedded,
        )
        which = "the {names} of a record that match a where, or all"
        yield self._method(
            "delete",
            deleting.destroy_all,
            Route("DELETE", self.path),
            accepts=(where,),
            reaches="deleteById",
            description=f"Unlink {which}; they are not deleted."
            if self._is_linked
            else f"Delete {which}.",
        )
        yield self._method(
            "count",
            self.calls.count,
            Route("GET", f"{self.path}/count"),
            accepts=(where,),
            returns=(Returns("count", "number"),),
            reaches="count",
            description="Count the {names} of a record that match a where.",
        )
        if self._has_ids:
            yield from self._of_one_of_many()
            if self._is_linked:
                yield from self._linking()

    def _of_one_of_many(self) -> Iterator[RemoteMethod]:
        path = f"{self.path}/:fk"
        yield self._method(
            "findById",
            self.calls.find_by_id,
            Route("GET", path),
            accepts=(self._fk, self._filter("fields and include")),
            returns=self._records("model"),
            reaches="findById",
            description="Find one of the {names} of a record.",
        )
        yield self._method(
            "updateById",
            self.calls.update_by_id,
            Route("PUT", path),
            accepts=(self._fk, self._data("The properties to change")),
            returns=self._records("model"),
            reaches="prototype.patchAttributes",
            description="Change some properties of one of the {names} of a record.",
        )
        deleting = links if self._is_linked else self.calls
        yield self._method(
            "destroyById",
            deleting.destroy_by_id,
            Route("DELETE", path),
            accepts=(self._fk,),
            reaches="deleteById",
            description="Delete one of the {names} of a record.",
        )

    def _linking(self) -> Iterator[RemoteMethod]:
        path = f"{self.path}/rel/:fk"
        through = self.relation.through
        keys = [name for each in self._links_through for name in each]
        said = "Properties of the link itself"
        data = Argument("data", "model", "body", description=said, of=through, fixed=keys)
        yield self._method(
            "link",
            links.link,
            Route("PUT", path),
            accepts=(self._fk,) if through is None else (self._fk, data),
            returns=(Returns("data", "model", root=True, of=through or self.target),),
            reaches="findById",
            description="Make a record one of the {names} of another.",
        )
        yield self._method(
            "unlink",
            links.unlink,
            Route("DELETE", path),
            accepts=(self._fk,),
            reaches="findById",
            description="Make a record none of the {names} of another; it is not deleted.",
        )
        yield self._method(
            "exists",
            links.exists,
            Route("HEAD", path),
            accepts=(self._fk,),
            reaches="exists",
            description="Whether a record is one of the {names} of another.",
            status=200,
        )

    # Relations to one

    def _get_polymorphic(self) -> RemoteMethod:
        return self._method(
            "get",
            calls.get_polymorphic,
            Route("GET", self.path),
            returns=(Returns("data", "object", root=True),),
            description="Find the {names} of a record, of whichever model it is.",
            errors={404: "There is none, or not such a record."},
        )

    def _get_one(self) -> RemoteMethod:
        is_inside = self.relation.is_embedded
        return self._method(
            "get",
            self.calls.get_one,
            Route("GET", self.path),
            accepts=(self._filter("fields and include"),),
            returns=(Returns("data", "model", root=True, or_nothing=is_inside, of=self.target),),
            reaches="findById",
            description="Find the {names} of a record.",
        )

    def _writing_one(self) -> Iterator[RemoteMethod]:
        is_inside = self.relation.is_embedded
        yield self._method(
            "create",
            embeds.create if is_inside else calls.create_one,
            Route("POST", self.path),
            accepts=(self._data("Model instance data", fixed=self._fixed),),
            returns=self._records("model"),
            reaches="create",
            description="Create the {names} of a record.",
            errors={} if is_inside else {409: "The record has one already."},
        )
        yield self._method(
            "update",
            self.calls.update_one,
            Route("PUT", self.path),
            accepts=(self._data("The properties to change"),),
            returns=self._records("model"),
            reaches="prototype.patchAttributes",
            description="Change some properties of the {names} of a record.",
        )
        yield self._method(
            "destroy",
            self.calls.destroy_one,
            Route("DELETE", self.path),
            reaches="deleteById",
            description="Delete the {names} of a record.",
        )

    # Parts of methods

    def _method(
        self,
        verb: str,
        function: Callable[..., Any],
        route: Route,
        *,
        description: str,
        accepts: Sequence[Argument] = (),
        reaches: str | None = None,
        **more: Any,
    ) -> RemoteMethod:
        name = f"__{verb}__{self.relation.wire}"
        reach: list[Reach] = []
        owner, is_embedded = self.relation.owner, self.relation.is_embedded
        if reaches is not None and self.target is not None and not is_embedded:
            reach.append(Reach(self.target, reaches))
        if self.relation.through is not None:
            linking = _ON_LINKS.get(verb, "find")
            reach.append(Reach(self.relation.through, linking, of_link=True))
        if self._changes_holder(verb):
            reach.append(Reach(owner, "prototype.patchAttributes", of_holder=True))
        elif is_embedded:
            reach.append(Reach(owner, "findById", of_holder=True))
        return RemoteMethod(
            name=name,
            wire=f"prototype.{name}",
            accepts=(ID, *accepts),
            routes=(route,),
            description=description.format(names=self.relation.wire),
            notes=self.relation.options.description or "",
            function=partial(function, self.relation),
            related=True,
            reaches=tuple(reach),
            **more,
        )

    @property
    def _fk(self) -> Argument:
        description = f"The id of one of the {self.relation.wire}"
        return Argument("fk", "any", "path", required=True, description=description, of=self.target)

    def _filter(self, parts: str) -> Argument:
        description = f"{parts}, as JSON or in brackets as filter[where][name]=value"
        is_inside = self.relation.is_embedded
        return Argument(
            "filter", "filter", description=description, of=self.target, inside=is_inside
        )

    def _data(self, description: str, *, many: bool = False, fixed: Sequence[str] = ()) -> Argument:
        return Argument(
            "data",
            "model",
            "body",
            many=many,
            description=description,
            of=self.target,
            fixed=fixed,
        )

    @property
    def _fixed(self) -> list[str]:
        """The properties of a new record that make it a related one."""
        relation = self.relation
        if self.target is None or relation.is_embedded:
            return []
        said = self.target.rename_keys(relation.options.properties)
        keys = () if self._is_linked else relation.foreign_key
        fixed = dict.fromkeys((*said, *relation.fixed, *keys))
        return [name for name in fixed if name in self.target.properties]

    @property
    def _links_through(self) -> list[tuple[str, ...]]:
        """The properties of a row that links both which hold their keys."""
        if not self.relation.is_through:
            return []
        to_owner, to_target = self.relation.links
        return [to_owner.theirs, to_target.own]

    def _records(self, type_: str) -> tuple[Returns, ...]:
        return (Returns("data", type_, root=True, of=self.target),)
