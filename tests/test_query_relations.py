"""Filters that name relations: wheres and orders through them, and includes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_loop import (
    BelongsTo,
    DataSource,
    DefinitionError,
    EmbedsMany,
    EmbedsOne,
    HasAndBelongsToMany,
    HasMany,
    HasOne,
    Model,
    Prop,
    ReferencesMany,
    memory,
    prop,
    relation,
)
from flask_loop.definition import ModelDefinition
from flask_loop.errors import FilterError
from flask_loop.query import (
    EVERYTHING,
    NOTHING,
    RELATION_QUANTIFIERS,
    And,
    Bounds,
    Compare,
    Filter,
    FilterParser,
    Include,
    Inside,
    Not,
    Or,
    Related,
    Where,
    apply,
    has_related,
    keys_where,
    parse_query,
    predicate,
    reached,
    relation_filter,
    scope_where,
    with_defaults,
)

SOURCE = memory()


class Realm(Model):
    full_name: Prop[str]
    secret: Prop[str | None] = prop(default=None, hidden=True)
    pin: Prop[str | None] = prop(default=None, write_only=True)
    note: Prop[str | None] = prop(default=None, protected=True)
    meta: Prop[dict[str, Any] | None] = prop(default=None)
    size: Prop[int | None] = prop(default=None)
    towns: HasMany[Town]
    big_towns: HasMany[Town] = relation(
        foreign_key="realm_id",
        scope={"where": {"people": {"gte": 1000}}, "order": "people DESC", "limit": 3},
    )
    crown: HasOne[Crown]
    best_photo: HasOne[Photo] = relation(polymorphic="subject")
    photos: HasMany[Photo] = relation(polymorphic="subject")
    spies: HasMany[Spy] = relation(disable_include=True)

    class Meta:
        data_source = SOURCE


class Town(Model):
    name: Prop[str]
    people: Prop[int | None] = prop(default=None)
    tags: Prop[list[str] | None] = prop(default=None)
    realm: BelongsTo[Realm]
    guilds: HasAndBelongsToMany[Guild]
    roads: ReferencesMany[Road]
    seal: EmbedsOne[Seal]
    gates: EmbedsMany[Gate]

    class Meta:
        data_source = SOURCE


class Crown(Model):
    metal: Prop[str]
    realm: BelongsTo[Realm]

    class Meta:
        data_source = SOURCE


class Guild(Model):
    name: Prop[str]

    class Meta:
        data_source = SOURCE


class Road(Model):
    name: Prop[str]

    class Meta:
        data_source = SOURCE


class Spy(Model):
    code: Prop[str]
    realm: BelongsTo[Realm]

    class Meta:
        data_source = SOURCE


class Seal(Model):
    color: Prop[str | None] = prop(default=None)
    hidden_mark: Prop[str | None] = prop(default=None, hidden=True)
    maker: BelongsTo[Guild]


class Gate(Model):
    name: Prop[str | None] = prop(default=None)
    width: Prop[int | None] = prop(default=None)
    inner_mark: Prop[str | None] = prop(default=None, protected=True)


class Photo(Model):
    url: Prop[str]
    subject: BelongsTo[Any] = relation(polymorphic=True)

    class Meta:
        data_source = SOURCE


MODELS = (Realm, Town, Crown, Guild, Road, Spy, Photo)
for each in MODELS:
    each.__loop_plan__()


def parser(model: type[Model], **options: Any) -> FilterParser:
    return FilterParser(model.definition, **options)


class Allowing:
    """What of other models a caller may reach: all, of models for which a function says so."""

    def __init__(self, allows: Callable[[Any], bool]) -> None:
        self.allows = allows

    def shows(self, model: Any) -> bool:
        return self.allows(model)

    def offers(self, model: Any, method: str) -> bool:
        return self.allows(model)

    def rows(self, model: Any, method: str) -> Where:
        return EVERYTHING

    def makes(self, model: Any, method: str) -> bool:
        return True

    def demand(self, model: Any, method: str) -> None: ...


def remote(
    model: type[Model], allows: Callable[[Any], bool] | None = None, **bounds: Any
) -> FilterParser:
    reach = None if allows is None else Allowing(allows)
    return parser(model, remote=True, bounds=Bounds(**bounds, reach=reach))


def where(model: type[Model], written: Any) -> Where:
    return parser(model).where(written)


def to(model: type[Model], name: str, inner: Any) -> Where:
    """What it means that one of the records which a relation leads to matches."""
    found = model.definition.relations[name]
    return reached(found, inner if not isinstance(inner, dict) else where(target(found), inner))


def target(found: Any) -> type[Model]:
    model: type[Model] = found.target_model
    return model


def refused(function: Callable[[Any], Any], written: Any) -> str:
    """The path that the refusal of a filter names."""
    with pytest.raises(FilterError) as caught:
        function(written)
    assert caught.value.code == 400
    assert caught.value.path in caught.value.message
    return caught.value.path


def names(includes: Iterable[Include]) -> list[str]:
    return [include.relation.name for include in includes]


def included(found: Filter, *path: str) -> Filter:
    """The scope at the end of includes inside includes."""
    for name in path:
        [include] = [each for each in found.include if each.relation.name == name]
        assert isinstance(include.scope, Filter)
        found = include.scope
    return found


# Wheres on the records of a relation


@pytest.mark.parametrize(
    ("model", "name", "inner"),
    [
        (Town, "realm", {"size": 1}),
        (Realm, "towns", {"name": "a", "people": {"gt": 5}}),
        (Realm, "crown", {"metal": "gold"}),
        (Town, "guilds", {"name": {"like": "a%"}}),
        (Town, "roads", {"name": "a"}),
        (Realm, "photos", {"url": "a"}),
        (Realm, "towns", {}),
        (Town, "gates", {"width": {"gt": 5}}),
        (Town, "seal", {"color": None}),
    ],
)
def test_some_none_and_every_say_what_related_records_match(
    model: type[Model], name: str, inner: Any
) -> None:
    matches = where(target(model.definition.relations[name]), inner)
    assert where(model, {name: {"some": inner}}) == to(model, name, matches)
    assert where(model, {name: {"none": inner}}) == Not(to(model, name, matches))
    assert where(model, {name: {"every": inner}}) == Not(to(model, name, Not(matches)))


def test_the_quantifiers_are_some_none_and_every() -> None:
    assert RELATION_QUANTIFIERS == ("some", "none", "every")


def test_several_quantifiers_all_hold() -> None:
    both = where(Realm, {"towns": {"some": {"people": 5}, "none": {"name": "a"}}})
    assert both == And((to(Realm, "towns", {"people": 5}), Not(to(Realm, "towns", {"name": "a"}))))


def test_a_quantifier_takes_any_where_with_more_relations_in_it() -> None:
    inner = {"or": [{"name": "a"}, {"guilds": {"none": {"name": "b"}}}, {"realm.size": 1}]}
    found = where(Realm, {"towns": {"some": inner}})
    assert found == to(Realm, "towns", where(Town, inner))
    assert where(Realm, {"towns": {"some": Town.name == "a"}}) == to(Realm, "towns", {"name": "a"})


def test_a_relation_through_a_model_is_two_links_and_a_list_of_keys_one_that_is_listed() -> None:
    found = to(Town, "guilds", {"name": "a"})
    assert isinstance(found, Related)
    assert isinstance(found.where, Related)
    through = Town.definition.relations["guilds"].through
    assert (found.link.definition, found.where.link.definition) == (through, Guild.definition)
    assert found.where.where == where(Guild, {"name": "a"})
    listed = to(Town, "roads", {"name": "a"})
    assert isinstance(listed, Related)
    assert (listed.link.listed, listed.link.own) == (True, ("road_ids",))


def test_embedded_records_are_inside_the_property_that_holds_them() -> None:
    found = to(Town, "gates", {"width": 3})
    assert isinstance(found, Inside)
    assert (found.path.property.name, found.path.keys) == ("_gates", ())
    assert found.where == where(Gate, {"width": 3})


def test_the_scope_of_a_relation_and_what_it_fixes_narrow_what_matches() -> None:
    found = where(Realm, {"bigTowns": {"some": {"name": "a"}}})
    narrowed = where(Town, {"people": {"gte": 1000}, "name": "a"})
    assert found == Related(Realm.definition.relations["big_towns"].links[0], narrowed)
    every = where(Realm, {"bigTowns": {"every": {"name": "a"}}})
    assert isinstance(every, Not)
    assert isinstance(every.item, Related)
    others = Not(where(Town, {"name": "a"}))
    assert every.item.where == And((where(Town, {"people": {"gte": 1000}}), others))
    of_realms = where(Realm, {"photos": {"some": {"url": "a"}}})
    assert isinstance(of_realms, Related)
    assert of_realms.where == where(Photo, {"subjectType": "Realm", "url": "a"})
    assert scope_where(Realm.definition.relations["towns"]) == EVERYTHING


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"towns": 5}, "where.towns"),
        ({"towns": None}, "where.towns"),
        ({"towns": []}, "where.towns"),
        ({"towns": {}}, "where.towns"),
        ({"towns": {"gt": 5}}, "where.towns.gt"),
        ({"towns": {"name": "a"}}, "where.towns.name"),
        ({"towns": {"some": {"name": "a"}, "name": "b"}}, "where.towns.name"),
        ({"towns": {"some": 5}}, "where.towns.some"),
        ({"towns": {"some": None}}, "where.towns.some"),
        ({"towns": {"some": [{"name": "a"}]}}, "where.towns.some"),
        ({"towns": {"some": {"nme": "a"}}}, "where.towns.some.nme"),
        ({"towns": {"some": {"people": "a"}}}, "where.towns.some.people"),
        ({"towns": {"some": {"and": [{"people": {"gt": "a"}}]}}},
         "where.towns.some.and.0.people.gt"),
        ({"and": [{"towns": {"every": {"guilds": {"some": {"x": 1}}}}}]},
         "where.and.0.towns.every.guilds.some.x"),
        ({"towns.guilds": {"some": {"x": 1}}}, "where.towns.guilds.some.x"),
        ({"towns.": 1}, "where.towns."),
        ({"towns.x": 1}, "where.towns.x"),
        ({"towns..name": 1}, "where.towns..name"),
        ({".towns": 1}, "where..towns"),
        ({"towns.name.x": 1}, "where.towns.name.x"),
        ({"towns.name": {"foo": 1}}, "where.towns.name.foo"),
        ({"towns.people": "a"}, "where.towns.people"),
        ({"towns.0.name": "a"}, "where.towns.0.name"),
        ({"some": {"name": "a"}}, "where.some"),
    ],
)  # fmt: skip
def test_what_means_nothing_of_a_relation_is_refused_and_the_place_named(
    written: Any, path: str
) -> None:
    for parse in (parser(Realm), remote(Realm)):
        assert refused(parse.where, written) == path


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ({"towns": "a"}, 'is a relation: write {"some": {…}}, {"none": {…}} or {"every": {…}}'),
        ({"towns": {"name": "a"}}, "did you mean 'towns.name'?"),
        ({"towns": {"sone": {}}}, "did you mean 'some'?"),
        (
            {"towms.name": "a"},
            "is neither a property nor a relation of Realm; did you mean 'towns'?",
        ),
        ({"towns.nme": "a"}, "is neither a property nor a relation of Town; did you mean 'name'?"),
    ],
)
def test_a_refusal_says_what_to_write(written: Any, hint: str) -> None:
    with pytest.raises(FilterError) as caught:
        where(Realm, written)
    assert hint in caught.value.message


# Paths through relations


@pytest.mark.parametrize(
    "condition",
    ["a", {"eq": "a"}, {"gt": "a"}, {"between": ["a", "b"]}, {"inq": ["a", "b"]}, {"like": "a%"},
     {"ilike": "a%"}, {"regexp": "^a"}],
)  # fmt: skip
@pytest.mark.parametrize(
    ("model", "name"),
    [(Town, "realm.fullName"), (Realm, "towns.name"), (Realm, "crown.metal"),
     (Town, "guilds.name"), (Town, "roads.name"), (Town, "gates.name"), (Realm, "photos.url")],
)  # fmt: skip
def test_an_operator_on_a_path_holds_where_it_holds_for_a_related_record(
    model: type[Model], name: str, condition: Any
) -> None:
    way, last = name.split(".")
    assert where(model, {name: condition}) == to(model, way, {last: condition})


@pytest.mark.parametrize(
    ("negative", "positive"),
    [({"neq": "a"}, "a"), ({"nin": ["a", "b"]}, {"inq": ["a", "b"]}),
     ({"nlike": "a%"}, {"like": "a%"}), ({"nilike": "a%"}, {"ilike": "a%"})],
)  # fmt: skip
def test_a_negation_on_a_path_negates_all_of_it(negative: Any, positive: Any) -> None:
    assert where(Town, {"realm.fullName": negative}) == Not(
        to(Town, "realm", {"fullName": positive})
    )


def test_where_there_is_no_related_record_the_value_is_null() -> None:
    has_one = to(Town, "realm", {"size": {"neq": None}})
    for written in (None, {"eq": None}, {"exists": False}, {"inq": [None]}):
        assert where(Town, {"realm.size": written}) == Not(has_one)
    for written in ({"neq": None}, {"exists": True}):
        assert where(Town, {"realm.size": written}) == has_one
    with_null = where(Town, {"realm.size": {"inq": [1, None]}})
    assert with_null == Or((to(Town, "realm", {"size": {"inq": [1]}}), Not(has_one)))
    assert where(Town, {"realm.size": {"nin": [1, None]}}) == Not(with_null)
    assert where(Town, {"realm.size": {"inq": []}}) == NOTHING


def test_each_operator_on_a_path_holds_by_itself() -> None:
    assert where(Realm, {"towns.people": {"gt": 1, "lt": 5}}) == And(
        (to(Realm, "towns", {"people": {"gt": 1}}), to(Realm, "towns", {"people": {"lt": 5}}))
    )


def test_a_path_goes_through_several_relations() -> None:
    crown = to(Realm, "crown", {"metal": "gold"})
    assert where(Town, {"realm.crown.metal": "gold"}) == to(Town, "realm", crown)
    towns = to(Realm, "towns", to(Town, "guilds", {"name": {"like": "a%"}}))
    assert where(Realm, {"towns.guilds.name": {"like": "a%"}}) == towns
    assert where(Realm, {"towns.guilds.name": {"nlike": "a%"}}) == Not(towns)


def test_a_path_may_end_inside_an_object_of_a_related_record() -> None:
    found = where(Town, {"realm.meta.size.w": {"gt": 3}})
    assert found == to(Town, "realm", where(Realm, {"meta.size.w": {"gt": 3}}))


def test_a_path_may_end_with_a_relation_that_is_quantified() -> None:
    towns = to(Realm, "towns", {"name": "a"})
    assert where(Crown, {"realm.towns": {"some": {"name": "a"}}}) == to(Crown, "realm", towns)
    assert where(Crown, {"realm.towns": {"none": {"name": "a"}}}) == Not(to(Crown, "realm", towns))
    not_a = to(Realm, "towns", Not(where(Town, {"name": "a"})))
    assert where(Crown, {"realm.towns": {"every": {"name": "a"}}}) == Not(to(Crown, "realm", not_a))


def test_the_one_record_that_is_embedded_is_a_place_in_its_property() -> None:
    found = where(Town, {"seal.color": "red"})
    assert isinstance(found, Compare)
    assert (found.path.property.name, found.path.keys) == ("_seal", ("color",))
    assert where(Realm, {"towns.seal.color": None}) == Not(
        to(Realm, "towns", Not(replace(found, operand=None)))
    )


def test_a_path_goes_on_from_a_record_that_is_embedded() -> None:
    found = where(Town, {"seal.maker.name": "a"})
    assert isinstance(found, Inside)
    assert found.path.property.name == "_seal"
    assert found.where == to(Seal, "maker", {"name": "a"})


def test_a_path_may_have_names_in_either_spelling_in_python() -> None:
    assert where(Realm, {"big_towns.name": "a"}) == where(Realm, {"bigTowns.name": "a"})
    assert where(Town, {"realm.full_name": "a"}) == where(Town, {"realm.fullName": "a"})


@pytest.mark.parametrize(
    "written",
    [{"subject.url": "a"}, {"subject": {"some": {}}}, {"subject.subject.x": 1}],
)
def test_no_path_leads_through_a_relation_to_several_models(written: dict[str, Any]) -> None:
    with pytest.raises(FilterError, match="leads to records of several models") as caught:
        where(Photo, written)
    assert caught.value.path == f"where.{next(iter(written))}"


def test_near_through_a_relation_does_not_order() -> None:
    class Harbor(Model):
        place: Prop[Any] = prop(type="GeoPoint")

        class Meta:
            data_source = SOURCE

    class Ship(Model):
        harbor: BelongsTo[Harbor]

        class Meta:
            data_source = SOURCE

    Ship.__loop_plan__()
    found = parser(Ship).filter({"where": {"harbor.place": {"near": "1,2", "maxDistance": 3}}})
    assert isinstance(found.where, Related)
    assert found.near is None


# Orders


def test_an_order_may_lead_to_one_related_record() -> None:
    found = parser(Town).filter({"order": ["realm.crown.metal DESC", "realm.meta.size"]}).order
    realm, crown = Town.definition.relations["realm"], Realm.definition.relations["crown"]
    assert [(each.path.property.name, each.path.keys) for each in found] == [
        ("metal", ()), ("meta", ("size",)), ("id", ())
    ]  # fmt: skip
    assert [each.links for each in found] == [(*realm.links, *crown.links), realm.links, ()]
    assert [each.descending for each in found] == [True, False, False]


def test_the_id_of_a_related_record_breaks_no_ties() -> None:
    found = parser(Town).filter({"order": "realm.id"}).order
    assert [(each.path.property.name, bool(each.links)) for each in found] == [
        ("id", True), ("id", False)
    ]  # fmt: skip


def test_an_order_may_lead_into_the_one_record_that_is_embedded() -> None:
    [first, _] = parser(Town).filter({"order": "seal.color"}).order
    assert (first.path.property.name, first.path.keys, first.links) == ("_seal", ("color",), ())


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Realm, "towns.name"),
        (Town, "guilds.name"),
        (Town, "roads.name"),
        (Town, "gates.name"),
        (Town, "realm.towns.name"),
        (Town, "realm"),
        (Realm, "towns"),
        (Photo, "subject.url"),
        (Realm, "bestPhoto.url"),
        (Town, "seal.maker.name"),
        (Town, "realm.nme"),
        (Town, "realm.meta"),
    ],
)
def test_an_order_that_leads_to_no_one_value_is_refused(model: type[Model], name: str) -> None:
    assert refused(parser(model).filter, {"order": ["id", name]}) == "order.1"


# Includes


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("towns", ["towns"]),
        (["towns", "crown"], ["towns", "crown"]),
        (("crown", "towns"), ["crown", "towns"]),
        ({"relation": "towns"}, ["towns"]),
        ({"relation": "towns", "scope": None}, ["towns"]),
        ([{"relation": "towns", "scope": {}}, "crown"], ["towns", "crown"]),
        ({"towns": None, "crown": ""}, ["towns", "crown"]),
        ('["towns", {"relation": "crown"}]', ["towns", "crown"]),
        ('{"towns": []}', ["towns"]),
        (["towns", "towns", {"relation": "towns"}], ["towns"]),
        ("bigTowns", ["big_towns"]),
        (["big_towns", "bigTowns"], ["big_towns"]),
    ],
)
def test_each_form_of_include(written: Any, wanted: list[str]) -> None:
    found = parser(Realm).filter({"include": written})
    assert names(found.include) == wanted
    assert all(each.scope_of(Town.definition).fields is None for each in found.include)


@pytest.mark.parametrize(
    "written",
    [
        {"towns": {"guilds": None, "realm": "crown"}},
        {"towns": ["guilds", {"realm": "crown"}]},
        {"towns": ["guilds", {"relation": "realm", "scope": {"include": "crown"}}]},
        {"relation": "towns", "scope": {"include": ["guilds", {"realm": ["crown"]}]}},
        [{"towns": "guilds"}, {"towns": {"realm": "crown"}}],
        ["towns", {"towns": "guilds"}, {"towns": "realm"}, {"towns": {"realm": "crown"}}],
        '{"towns": ["guilds", {"realm": "crown"}]}',
        {"relation": "towns", "scope": '{"include": ["guilds", {"realm": "crown"}]}'},
    ],
)
def test_each_form_of_includes_inside_includes(written: Any) -> None:
    found = parser(Realm).filter({"include": written})
    assert names(found.include) == ["towns"]
    assert names(included(found, "towns").include) == ["guilds", "realm"]
    assert names(included(found, "towns", "realm").include) == ["crown"]
    assert included(found, "towns", "realm", "crown").include == ()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("filter[include]=towns", {"towns": []}),
        ("filter[include][]=towns&filter[include][]=crown", {"towns": [], "crown": []}),
        ("filter[include]=towns&filter[include]=crown", {"towns": [], "crown": []}),
        ("filter[include][towns]=guilds", {"towns": ["guilds"]}),
        ("filter[include][towns]=", {"towns": []}),
        ("filter[include][towns][]=guilds&filter[include][towns][]=roads",
         {"towns": ["guilds", "roads"]}),
        ("filter[include][0][relation]=towns&filter[include][0][scope][limit]=1", {"towns": []}),
        ("filter[include][0][towns]=guilds&filter[include][1]=crown",
         {"towns": ["guilds"], "crown": []}),
        (f"filter={quote(json.dumps({'include': {'towns': 'guilds'}}))}", {"towns": ["guilds"]}),
        (f"filter[include]={quote(json.dumps(['crown', 'towns']))}", {"crown": [], "towns": []}),
    ],
)  # fmt: skip
def test_includes_in_a_query_string(query: str, wanted: dict[str, list[str]]) -> None:
    found = remote(Realm, limit=5).filter(parse_query(query)["filter"])
    assert {e.relation.name: names(included(found, e.relation.name).include)
            for e in found.include} == wanted  # fmt: skip


def test_a_scope_is_a_filter_of_the_related_records() -> None:
    written = {"where": {"people": {"gt": 5}, "realm.size": 1}, "order": "name DESC", "limit": 2,
               "skip": 1, "fields": ["name", "people"]}  # fmt: skip
    found = parser(Realm).filter({"include": {"relation": "towns", "scope": written}})
    scope, alone = included(found, "towns"), parser(Town).filter(written)
    assert (scope.where, scope.order, scope.limit, scope.skip) == (
        alone.where, alone.order, 2, 1
    )  # fmt: skip
    assert scope.fields == ("name", "people", "realm_id")
    assert scope.extra == ("realm_id",)


@pytest.mark.parametrize(
    ("model", "written", "fields", "extra"),
    [
        (Town, {"fields": "name", "include": "realm"}, ("name", "realm_id"), ("realm_id",)),
        (Town, {"fields": ["name", "realmId"], "include": "realm"}, ("name", "realm_id"), ()),
        (Town, {"fields": {"name": True}, "include": ["realm", "roads", "seal", "gates"]},
         ("name", "realm_id", "road_ids", "_seal", "_gates"),
         ("realm_id", "road_ids", "_seal", "_gates")),
        (Town, {"fields": "name", "include": "guilds"}, ("name", "id"), ("id",)),
        (Realm, {"fields": "size", "include": ["towns", "crown"]}, ("size", "id"), ("id",)),
        (Photo, {"fields": "url", "include": "subject"},
         ("url", "subject_id", "subject_type"), ("subject_id", "subject_type")),
        (Town, {"fields": "name"}, ("name",), ()),
        (Town, {"include": "realm"}, None, ()),
    ],
)  # fmt: skip
def test_fields_get_what_includes_need_and_say_so(
    model: type[Model], written: Any, fields: Any, extra: tuple[str, ...]
) -> None:
    found = parser(model).filter(written)
    assert (fields is None) is (found.fields is None)
    assert set(found.fields or ()) == set(fields or ())
    assert set(found.extra) == set(extra)


def test_the_fields_of_a_scope_get_the_keys_and_what_its_includes_need() -> None:
    scope = {"fields": ["people"], "include": "roads"}
    found = parser(Realm).filter({"include": {"relation": "towns", "scope": scope}})
    towns = included(found, "towns")
    assert set(towns.fields or ()) == {"people", "realm_id", "road_ids"}
    assert set(towns.extra) == {"realm_id", "road_ids"}
    for name, key in (("guilds", "id"), ("roads", "id")):
        found = parser(Town).filter({"include": {"relation": name, "scope": {"fields": "name"}}})
        assert set(included(found, name).fields or ()) == {"name", key}
    found = parser(Town).filter({"include": {"relation": "gates", "scope": {"fields": "name"}}})
    assert (included(found, "gates").fields, included(found, "gates").extra) == (("name",), ())


def test_the_scope_of_a_relation_is_what_an_include_does_not_say() -> None:
    parse = parser(Realm).filter
    own = included(parse({"include": "bigTowns"}), "big_towns")
    assert own.where == where(Town, {"people": {"gte": 1000}})
    assert (own.order, own.limit) == (parser(Town).filter({"order": "people DESC"}).order, 3)
    given = {"where": {"name": "a"}, "order": "name", "limit": 5, "skip": 1, "fields": "name"}
    both = included(parse({"include": {"relation": "bigTowns", "scope": given}}), "big_towns")
    assert both.where == where(Town, {"people": {"gte": 1000}, "name": "a"})
    assert (both.order, both.limit, both.skip) == (
        parser(Town).filter({"order": "name"}).order,
        5,
        1,
    )
    assert both.fields == ("name", "realm_id")


def test_what_a_polymorphic_relation_fixes_narrows_its_include() -> None:
    found = included(parser(Realm).filter({"include": "photos"}), "photos")
    assert found.where == where(Photo, {"subjectType": "Realm"})


def test_the_scope_of_a_relation_to_several_models_is_parsed_for_each() -> None:
    scope = {"where": {"name": "a"}, "include": "roads"}
    found = parser(Photo).filter({"include": {"relation": "subject", "scope": scope}})
    [include] = found.include
    towns = include.scope_of(Town.definition)
    assert towns.where == where(Town, {"name": "a"})
    assert names(towns.include) == ["roads"]
    with pytest.raises(FilterError) as caught:
        include.scope_of(Crown.definition)
    assert caught.value.path == "include.scope.where.name"


@pytest.mark.parametrize(
    ("scope", "path"),
    [({"wher": {}}, "wher"), ({"limit": "x"}, "limit"), ({"limit": 6}, "limit"),
     ({"skip": -1}, "skip"), ({"offset": -1}, "offset")],
)  # fmt: skip
def test_of_a_scope_for_several_models_what_no_model_has_is_refused_at_once(
    scope: Any, path: str
) -> None:
    parse = remote(Photo, limit=5).filter
    written = [{"relation": "subject", "scope": scope}]
    assert refused(parse, {"include": written}) == f"include.0.scope.{path}"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("x", "include"),
        (5, "include"),
        (True, "include"),
        (False, "include"),
        (["towns", "x"], "include.1"),
        (["towns", ""], "include.1"),
        (["towns", None], "include.1"),
        ([["towns"]], "include.0"),
        ({"x": "towns"}, "include.x"),
        ({"towns": "x"}, "include.towns"),
        ({"towns": 5}, "include.towns"),
        ({"towns": True}, "include.towns"),
        ({"towns": ["guilds", "x"]}, "include.towns.1"),
        ({"towns": {"realm": {"x": 1}}}, "include.towns.realm.x"),
        ({5: "x"}, "include.5"),
        ({"relation": "x"}, "include.relation"),
        ({"relation": 5}, "include.relation"),
        ([{"relation": "towns", "scop": {}}], "include.0.scop"),
        ([{"relation": "towns", "scope": 5}], "include.0.scope"),
        ([{"relation": "towns", "scope": {"wher": {}}}], "include.0.scope.wher"),
        ([{"relation": "towns", "scope": {"where": {"x": 1}}}], "include.0.scope.where.x"),
        ([{"relation": "towns", "scope": {"where": {"realm.x": 1}}}],
         "include.0.scope.where.realm.x"),
        ([{"relation": "towns", "scope": {"order": ["name", "x"]}}], "include.0.scope.order.1"),
        ([{"relation": "towns", "scope": {"fields": ["x"]}}], "include.0.scope.fields.0"),
        ([{"relation": "towns", "scope": {"limit": -1}}], "include.0.scope.limit"),
        ([{"relation": "towns", "scope": {"include": ["x"]}}], "include.0.scope.include.0"),
        ([{"relation": "towns", "scope": {"include": {"realm": "x"}}}],
         "include.0.scope.include.realm"),
        ({"towns": {"relation": "guilds", "scope": {"where": {"x": 1}}}},
         "include.towns.scope.where.x"),
        (["towns", {"towns": ["guilds", "x"]}], "include.1.towns.1"),
        ("spies", "include"),
        (["towns", {"spies": "realm"}], "include.1.spies"),
        ('["towns"', "include"),
        ('{"towns": "x"}', "include.towns"),
        ("fullName", "include"),
        ("towns.guilds", "include"),
    ],
)  # fmt: skip
def test_an_include_that_means_nothing_is_refused_and_the_place_named(
    written: Any, path: str
) -> None:
    for parse in (parser(Realm), remote(Realm)):
        assert refused(parse.filter, {"include": written}) == path


def test_a_relation_is_included_twice_only_with_one_scope() -> None:
    one, other = {"limit": 1}, {"limit": 2}
    first = {"relation": "towns", "scope": one}
    parse = parser(Realm).filter
    for again in (first, "towns", {"towns": "guilds"}):
        for written in ([first, again], [again, first]):
            found = parse({"include": written})
            assert names(found.include) == ["towns"]
            assert included(found, "towns").limit == 1
    different = [first, {"relation": "towns", "scope": other}]
    with pytest.raises(FilterError, match="twice, with different scopes") as caught:
        parse({"include": different})
    assert caught.value.path == "include.1"


# Bounds


def chain(levels: int) -> Any:
    """Includes inside includes, which lead to and fro."""
    found: Any = None
    for level in reversed(range(levels)):
        found = {("towns", "realm")[level % 2]: found}
    return found


def test_past_a_bound_an_include_is_refused_and_the_bound_named() -> None:
    assert remote(Realm, include_depth=3).filter({"include": chain(3)})
    with pytest.raises(FilterError, match="more than 3 levels deep") as caught:
        remote(Realm, include_depth=3).filter({"include": chain(4)})
    assert caught.value.path == "include.towns.realm.towns.realm"
    wide = {"towns": ["guilds", "roads"], "crown": None}
    assert remote(Realm, includes=4).filter({"include": wide})
    with pytest.raises(FilterError, match="past the 3 includes") as caught:
        remote(Realm, includes=3).filter({"include": wide})
    assert caught.value.path == "include.crown"
    with pytest.raises(FilterError, match="past the 2 includes") as caught:
        remote(Realm, includes=2).filter({"include": wide})
    assert caught.value.path == "include.towns.1"


def test_five_levels_of_includes_are_the_bound_where_none_is_set() -> None:
    assert remote(Realm).filter({"include": chain(5)})
    refused(remote(Realm).filter, {"include": chain(6)})


def test_the_bounds_of_a_filter_are_those_of_each_scope() -> None:
    parse = remote(Realm, limit=5, conditions=2, values=2, depth=2).filter

    def scoped(scope: Any) -> Any:
        return {"include": [{"relation": "towns", "scope": scope}]}

    assert included(parse(scoped({"limit": 5})), "towns").limit == 5
    assert refused(parse, scoped({"limit": 6})) == "include.0.scope.limit"
    path = "include.0.scope.where.people.inq"
    assert refused(parse, scoped({"where": {"people": {"inq": [1, 2, 3]}}})) == path
    assert refused(parse, scoped({"order": "name,people,id"})) == "include.0.scope.order"
    assert included(parse(scoped({})), "towns").limit is None


def test_conditions_and_levels_count_through_relations() -> None:
    two = {"towns": {"some": {"name": "a", "people": 1}}}
    assert remote(Realm, conditions=3).where(two)
    assert refused(remote(Realm, conditions=2).where, two) == "where.towns.some.people"
    after = {**two, "size": 1}
    assert refused(remote(Realm, conditions=3).where, after) == "where.size"
    for written in (
        {"towns": {"some": {"realm": {"some": {"size": 1}}}}},
        {"towns.realm": {"some": {"size": 1}}},
        {"towns.realm.size": 1},
    ):
        assert remote(Realm, depth=3).where(written)
        with pytest.raises(FilterError, match="more than 2 levels deep"):
            remote(Realm, depth=2).where(written)
    assert refused(remote(Town, depth=2).filter, {"order": "realm.crown.realm.size"}) == "order.0"


def test_hostile_paths_and_includes_are_refused_quickly() -> None:
    begin = time.thread_time()
    long = "towns.realm." * 50_000 + "size"
    assert refused(remote(Realm).where, {long: 1}) == f"where.{long}"
    assert refused(remote(Realm).filter, {"order": long}) == "order.0"
    assert refused(parser(Realm).where, {long: 1}) == f"where.{long}"
    deep: Any = {}
    for _ in range(400):
        deep = {"towns": {"some": {"realm": {"some": deep}}}}
    assert refused(remote(Realm).where, deep).startswith("where.towns.some")
    assert refused(remote(Realm).filter, {"include": chain(400)}).startswith("include.towns")
    refused(remote(Realm).filter, {"include": json.dumps(chain(400))})
    wide = ["towns", {"crown": "realm"}] * 10_000
    assert names(remote(Realm).filter({"include": wide}).include) == ["towns", "crown"]
    assert time.thread_time() - begin < 2


# Remote callers


@pytest.mark.parametrize("name", ["secret", "pin", "note"])
@pytest.mark.parametrize(
    ("write", "path"),
    [
        (lambda name: {"where": {f"realm.{name}": "x"}}, "where.realm.{}"),
        (lambda name: {"where": {f"realm.{name}": None}}, "where.realm.{}"),
        (lambda name: {"where": {"or": [{f"realm.{name}": {"neq": "x"}}]}}, "where.or.0.realm.{}"),
        (lambda name: {"where": {"realm": {"some": {name: "x"}}}}, "where.realm.some.{}"),
        (lambda name: {"where": {"realm": {"none": {"and": [{name: "x"}]}}}},
         "where.realm.none.and.0.{}"),
        (lambda name: {"where": {"realm": {"every": {f"towns.realm.{name}": "x"}}}},
         "where.realm.every.towns.realm.{}"),
        (lambda name: {"order": f"realm.{name}"}, "order.0"),
        (lambda name: {"include": {"relation": "realm", "scope": {"where": {name: "x"}}}},
         "include.scope.where.{}"),
        (lambda name: {"include": {"relation": "realm", "scope": {"order": name}}},
         "include.scope.order.0"),
        (lambda name: {"include": {"relation": "realm", "scope": {"fields": [name]}}},
         "include.scope.fields.0"),
        (lambda name: {"include": {"relation": "realm", "scope": {"fields": {name: False}}}},
         "include.scope.fields.{}"),
    ],
)  # fmt: skip
def test_remote_callers_cannot_use_what_they_cannot_read_of_related_records(
    name: str, write: Callable[[str], Any], path: str
) -> None:
    assert refused(remote(Town).filter, write(name)) == path.format(name)
    assert parser(Town).filter(write(name))


@pytest.mark.parametrize(
    "name", ["seal.hiddenMark", "gates.innerMark", "realm.towns.gates.innerMark"]
)
def test_remote_callers_cannot_use_what_they_cannot_read_of_embedded_records(name: str) -> None:
    assert refused(remote(Town).where, {name: "x"}) == f"where.{name}"
    assert where(Town, {name: "x"})


def test_embedded_records_in_a_hidden_property_cannot_be_reached() -> None:
    class Vault(Model):
        hidden_box: Prop[Gate | None] = prop(default=None, hidden=True)
        box: EmbedsOne[Gate] = relation(property="hidden_box")

        class Meta:
            data_source = SOURCE

    Vault.__loop_plan__()
    parse = remote(Vault)
    assert refused(parse.where, {"box.name": "a"}) == "where.box.name"
    with pytest.raises(FilterError, match="cannot be reached"):
        parse.where({"box": {"some": {}}})
    assert refused(parse.filter, {"order": "box.name"}) == "order.0"
    assert refused(parse.filter, {"include": "box"}) == "include"
    assert parser(Vault).filter({"include": "box", "where": {"box.name": "a"}})


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"where": {"big_towns.name": "a"}}, "where.big_towns.name"),
        ({"where": {"big_towns": {"some": {}}}}, "where.big_towns"),
        ({"include": "big_towns"}, "include"),
        ({"where": {"towns.realm.full_name": "a"}}, "where.towns.realm.full_name"),
        ({"order": "crown.realm.full_name"}, "order.0"),
    ],
)
def test_remote_callers_use_wire_names_of_relations(written: Any, path: str) -> None:
    assert refused(remote(Realm).filter, written) == path
    assert parser(Realm).filter(written)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"where": {"realm.size": 1}}, "where.realm.size"),
        ({"where": {"realm": {"some": {}}}}, "where.realm"),
        ({"where": {"guilds.name": "a", "realm.crown.metal": "a"}}, "where.realm.crown.metal"),
        ({"order": "realm.size"}, "order.0"),
        ({"include": "realm"}, "include"),
        ({"include": ["guilds", {"realm": "crown"}]}, "include.1.realm"),
    ],
)
def test_a_model_that_the_bounds_do_not_allow_cannot_be_reached(written: Any, path: str) -> None:
    parse = remote(Town, allows=lambda model: model is not Realm).filter
    with pytest.raises(FilterError, match="cannot be reached") as caught:
        parse(written)
    assert caught.value.path == path
    assert remote(Town, allows=lambda model: True).filter(written)


def test_what_is_allowed_is_asked_each_time() -> None:
    allowed = {Realm}
    parse = remote(Town, allows=lambda model: model in allowed).filter
    assert parse({"include": "realm", "where": {"realm.size": 1}})
    allowed.clear()
    refused(parse, {"include": "realm"})
    refused(parse, {"where": {"realm.size": 1}})


def test_embedded_records_are_reached_whatever_the_bounds_allow() -> None:
    parse = remote(Town, allows=lambda model: False).filter
    assert parse({"include": "gates", "where": {"seal.color": "red", "gates.width": 3}})


def test_each_model_of_a_relation_to_several_has_to_be_allowed() -> None:
    parse = remote(Photo, allows=lambda model: model is not Realm).filter
    [include] = parse({"include": ["subject"]}).include
    assert include.scope_of(Town.definition)
    with pytest.raises(FilterError, match="cannot be reached") as caught:
        include.scope_of(Realm.definition)
    assert caught.value.path == "include.0"


def test_a_refusal_offers_no_relation_that_cannot_be_reached() -> None:
    with pytest.raises(FilterError, match="did you mean 'realm'"):
        remote(Town).where({"relm.size": 1})
    parse = remote(Town, allows=lambda model: model is not Realm)
    for function, written in ((parse.where, {"relm.size": 1}), (parse.filter, {"include": "relm"})):
        with pytest.raises(FilterError) as caught:
            function(written)
        assert "'realm'" not in caught.value.message


def test_the_scope_of_a_relation_may_use_what_remote_callers_cannot() -> None:
    class Lodge(Model):
        name: Prop[str]
        visible_spies: HasMany[Agent] = relation(
            foreign_key="lodge_id", scope={"where": {"cover": "on"}, "include": "boss"}
        )

        class Meta:
            data_source = SOURCE

    class Agent(Model):
        cover: Prop[str] = prop(hidden=True)
        lodge: BelongsTo[Lodge]
        boss: BelongsTo[Guild]

        class Meta:
            data_source = SOURCE

    Lodge.__loop_plan__()
    parse = remote(Lodge, allows=lambda model: model is not Guild, includes=1).filter
    found = included(parse({"include": "visibleSpies"}), "visible_spies")
    assert found.where == where(Agent, {"cover": "on"})
    assert names(found.include) == ["boss"]
    assert isinstance(parse({"where": {"visibleSpies.id": 1}}).where, Related)


# Scopes of relations


def test_the_filter_of_a_relation_is_its_scope_with_what_it_fixes() -> None:
    found = relation_filter(Realm.definition.relations["big_towns"])
    assert found == parser(Town).filter(Realm.definition.relations["big_towns"].options.scope)
    assert relation_filter(Realm.definition.relations["towns"]).where == EVERYTHING
    photos = relation_filter(Realm.definition.relations["photos"])
    assert photos.where == where(Photo, {"subjectType": "Realm"})


def scoped_model(name: str, scope: Any) -> type[Model]:
    """A model with relations to itself, one of which has a scope."""
    model: type[Model] = SOURCE.create_model(
        name,
        {"size": int},
        {"relations": {
            "parent": {"type": "belongsTo", "model": name},
            "kids": {"type": "hasMany", "model": name, "foreignKey": "parentId", "scope": scope},
        }},
    )  # fmt: skip
    model.__loop_plan__()
    return model


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("ScopeWithUnknownKey", {"wher": {}}),
        ("ScopeWithUnknownProperty", {"where": {"x": 1}}),
        ("ScopeWithUnknownInclude", {"include": "x"}),
        ("ScopeWithItselfIncluded", {"include": "kids"}),
    ],
)
def test_a_scope_that_means_nothing_is_its_authors_error_and_not_the_callers(
    name: str, scope: Any
) -> None:
    with pytest.raises(DefinitionError, match=rf"the scope of <has_many {name}.kids>"):
        scoped_model(name, scope)


def test_a_scope_that_leads_back_to_itself_is_refused() -> None:
    with pytest.raises(DefinitionError, match="leads back to itself"):
        scoped_model("ScopeOfItself", {"where": {"kids.size": 1}})


def test_a_filter_takes_from_a_scope_what_it_does_not_say() -> None:
    definition: ModelDefinition = Town.definition
    parse = parser(Town).filter
    scope = parse(
        {"where": {"name": "a"}, "order": "people", "limit": 3, "skip": 2, "fields": ["name"],
         "include": ["realm", {"relation": "guilds", "scope": {"limit": 1}}]}
    )  # fmt: skip
    plain = with_defaults(definition, parse({}), scope, {})
    assert (plain.where, plain.order, plain.limit, plain.skip) == (
        scope.where, scope.order, 3, 2
    )  # fmt: skip
    assert set(plain.fields or ()) == {"name", "realm_id", "id"}
    assert set(plain.extra) == {"realm_id", "id"}
    guilds = {"relation": "guilds", "scope": {"limit": 9}}
    written = {"where": {"people": 1}, "order": "name DESC", "limit": 0, "offset": 1,
               "fields": ["people"], "include": guilds}  # fmt: skip
    both = with_defaults(definition, parse(written), scope, written)
    assert both.where == where(Town, {"name": "a", "people": 1})
    assert (both.order, both.limit, both.skip) == (parse({"order": "name DESC"}).order, 0, 1)
    assert names(both.include) == ["guilds", "realm"]
    assert included(both, "guilds").limit == 9
    assert set(both.fields or ()) == {"people", "realm_id", "id"}
    assert set(both.extra) == {"realm_id", "id"}


# Keys and predicates


def test_a_where_of_keys_matches_the_records_that_have_one_of_them() -> None:
    definition = Town.definition
    assert keys_where(definition, ("realm_id",), [1, None, 2]) == where(
        Town, {"realmId": {"inq": [1, 2]}}
    )
    for none in ([], [None]):
        assert keys_where(definition, ("realm_id",), none) == NOTHING
    listed = keys_where(definition, ("road_ids",), iter([1, 2]))
    matches = predicate(listed)
    held: list[Any] = [[2, 3], [3], None]
    assert [matches({"road_ids": each}) for each in held] == [True, False, False]
    pair = keys_where(definition, ("name", "people"), [("a", 1), ("b", None), ("c", 3)])
    assert pair == where(
        Town,
        {"or": [{"and": [{"name": "a"}, {"people": 1}]}, {"and": [{"name": "c"}, {"people": 3}]}]},
    )
    assert keys_where(definition, ("name", "people"), [(None, 1)]) == NOTHING


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"realm.size": 1}, True),
        ({"realmId": 1}, False),
        ({}, False),
        ({"or": [{"name": "a"}, {"nor": [{"guilds": {"some": {}}}]}]}, True),
        ({"gates.width": 1}, False),
        ({"seal.color": "a"}, False),
        ({"seal.maker.name": "a"}, True),
    ],
)
def test_a_where_knows_whether_it_looks_at_other_records(written: Any, expected: bool) -> None:
    assert has_related(where(Town, written)) is expected


TOWNS: list[dict[str, Any]] = [
    {"id": 1, "_gates": [{"name": "n", "width": 3}, {"name": "s", "width": 9}], "_seal": None},
    {"id": 2, "_gates": [{"name": "n", "width": None}], "_seal": {"color": "red"}},
    {"id": 3, "_gates": [], "_seal": {"color": None}},
    {"id": 4, "_gates": None, "_seal": None},
]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"gates.width": {"gt": 2}}, [1]),
        ({"gates.width": {"gt": 3, "lt": 9}}, [1]),
        ({"gates": {"some": {"width": {"gt": 3, "lt": 9}}}}, []),
        ({"gates": {"some": {"name": "s"}}}, [1]),
        ({"gates": {"none": {"name": "s"}}}, [2, 3, 4]),
        ({"gates": {"every": {"name": "n"}}}, [2, 3, 4]),
        ({"gates": {"some": {}}}, [1, 2]),
        ({"gates": {"none": {}}}, [3, 4]),
        ({"gates": {"every": {}}}, [1, 2, 3, 4]),
        ({"gates.name": {"neq": "s"}}, [2, 3, 4]),
        ({"gates.width": None}, [2, 3, 4]),
        ({"gates.width": {"exists": True}}, [1]),
        ({"seal.color": "red"}, [2]),
        ({"seal.color": None}, [1, 3, 4]),
        ({"seal": {"some": {"color": None}}}, [3]),
        ({"seal": {"none": {}}}, [1, 4]),
        ({"seal": {"every": {"color": "red"}}}, [1, 2, 4]),
    ],
)
def test_what_a_where_means_of_embedded_records(written: Any, expected: list[int]) -> None:
    matches = predicate(where(Town, written))
    assert [town["id"] for town in TOWNS if matches(town)] == expected


def test_a_record_alone_does_not_tell_of_related_ones() -> None:
    with pytest.raises(RuntimeError, match="'Realm'"):
        predicate(where(Town, {"realm.size": 1}))
    with pytest.raises(RuntimeError, match="'Guild'"):
        predicate(where(Town, {"seal.maker.name": "a"}))
    with pytest.raises(RuntimeError, match="'Realm'"):
        apply(parser(Town).filter({"order": "realm.size"}), [])


# What relations mean, on records that are held in plain Python

REALMS = {1: None, 2: 5, 3: 7}
CITIES: dict[int, tuple[int | None, int | None]] = {
    1: (1, None), 2: (2, 5), 3: (2, None), 4: (None, 5), 5: (3, 7), 6: (9, 7),
}  # fmt: skip


def holds(node: Where, model: type[Model], record: dict[str, Any]) -> bool:
    """Whether a record matches, looked up in the plainest way."""
    if isinstance(node, And):
        return all(holds(each, model, record) for each in node.items)
    if isinstance(node, Or):
        return any(holds(each, model, record) for each in node.items)
    if isinstance(node, Not):
        return not holds(node.item, model, record)
    if isinstance(node, Related):
        there = node.link.definition
        key = [record[name] for name in node.link.own]
        return any(
            None not in key
            and [other[name] for name in node.link.theirs] == key
            and holds(node.where, there.model, other)
            for other in records_of(there)
        )
    return predicate(node)(record)


def records_of(definition: ModelDefinition) -> Iterator[dict[str, Any]]:
    if definition is Realm.definition:
        return ({"id": id, "size": size} for id, size in REALMS.items())
    return ({"id": i, "realm_id": r, "people": n} for i, (r, n) in CITIES.items())


CONDITIONS = st.one_of(
    st.sampled_from([None, 5, 7]),
    st.dictionaries(
        st.sampled_from(["eq", "neq", "gt", "lte"]), st.sampled_from([5, 7]), min_size=1, max_size=2
    ),
    st.builds(lambda value: {"exists": value}, st.booleans()),
    st.builds(
        lambda name, values: {name: values},
        st.sampled_from(["inq", "nin"]),
        st.lists(st.sampled_from([None, 5, 7]), max_size=2),
    ),
)


@given(condition=CONDITIONS)
def test_a_path_to_one_record_means_what_its_value_means(condition: Any) -> None:
    found = where(Town, {"realm.size": condition})
    alone = predicate(where(Realm, {"size": condition}))
    for town in records_of(Town.definition):
        value = REALMS.get(town["realm_id"])
        assert holds(found, Town, town) is alone({"size": value})


@given(condition=CONDITIONS)
def test_a_path_to_many_records_means_what_a_list_of_their_values_means(condition: Any) -> None:
    found = where(Realm, {"towns.people": condition})
    for realm in records_of(Realm.definition):
        values = [n for r, n in CITIES.values() if r == realm["id"] and n is not None]
        assert holds(found, Realm, realm) is means(condition, values)


def means(condition: Any, values: list[int]) -> bool:
    """What a condition means of a list that is null where it has nothing."""
    if not isinstance(condition, dict):
        condition = {"eq": condition}
    return all(_means(operator, operand, values) for operator, operand in condition.items())


def _means(operator: str, operand: Any, values: list[int]) -> bool:
    if operator in ("neq", "nin"):
        return not _means({"neq": "eq", "nin": "inq"}[operator], operand, values)
    if operator == "exists":
        return bool(values) is operand
    if operator == "inq":
        return any(_means("eq", each, values) for each in operand)
    if operand is None:
        return not values
    tests = {"eq": int.__eq__, "gt": int.__gt__, "lte": int.__le__}
    return any(tests[operator](value, operand) for value in values)


# Anything


JSON = st.recursive(
    st.sampled_from([None, True, False, 0, 9, "towns", "a", "crown"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["towns", "crown", "realm", "guilds", "relation", "scope", "where", "limit", "some",
                 "none", "every", "name", "size", "towns.name", "crown.realm.size", "include", "eq",
                 "photos", "bigTowns", "and", "x"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@given(written=st.fixed_dictionaries({}, optional={"where": JSON, "include": JSON, "order": JSON}))
def test_any_json_is_a_filter_or_refused(written: Any) -> None:
    parse = remote(Realm, limit=5, includes=5, include_depth=3).filter
    found: Any
    try:
        found = parse(written)
    except FilterError as error:
        found = error
    if isinstance(found, FilterError):
        assert found.path.split(".")[0] in ("where", "include", "order")
    else:
        again = parse(json.dumps(written))
        assert (again.where, again.order) == (found.where, found.order)
        assert names(again.include) == names(found.include)


# Over REST


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("filter[include]=x", "include"),
        ("filter[include][0][relation]=keeper&filter[include][0][scope][limit]=6",
         "include.0.scope.limit"),
        ("filter[where][keeper.secretName]=a", "where.keeper.secretName"),
        ("filter[where][keeper][some][secretName]=a", "where.keeper.some.secretName"),
        ("filter[order]=keeper.secretName", "order.0"),
    ],
)  # fmt: skip
def test_a_bad_filter_through_relations_is_a_400_that_names_the_path(
    memory_source: DataSource, make_app: Callable[..., Any], query: str, path: str
) -> None:
    keepers = memory_source.create_model(
        "shrineKeeper", {"name": str, "secret_name": {"type": str, "hidden": True}}
    )
    shrines = memory_source.create_model(
        "shrine",
        {"name": str},
        {"relations": {"keeper": {"type": "belongsTo", "model": keepers}}},
    )
    client = make_app(shrines, keepers, LOOP_MAX_LIMIT=5).test_client()
    answer = client.get(f"/api/shrines?{query}")
    assert answer.status_code == 400
    assert answer.json["error"]["details"] == {"path": path}
