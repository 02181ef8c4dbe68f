"""What relations are: how they are declared, which models and keys they mean."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

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
    ValidationError,
    create_model,
    memory,
    prop,
    relation,
)
from flask_loop.definition import RelationDefinition

SOURCE = memory()


class Publisher(Model):
    name: Prop[str]
    novels: HasMany[Novel] = relation(on_delete="restrict")

    class Meta:
        data_source = SOURCE


class Novel(Model):
    title: Prop[str]
    publisher: BelongsTo[Publisher]
    passages: HasMany[Passage] = relation(on_delete="cascade", nested=True)
    cover: HasOne["Cover"]
    motifs: HasAndBelongsToMany[Motif]
    awards: ReferencesMany[Award]
    imprint: EmbedsOne[Imprint]
    blurbs: EmbedsMany[Blurb]

    class Meta:
        data_source = SOURCE


class Passage(Model):
    name: Prop[str]
    novel: BelongsTo[Novel]

    class Meta:
        data_source = SOURCE


class Cover(Model):
    color: Prop[str]

    class Meta:
        data_source = SOURCE


class Motif(Model):
    name: Prop[str]
    novels: HasAndBelongsToMany[Novel]

    class Meta:
        data_source = SOURCE


class Award(Model):
    name: Prop[str]

    class Meta:
        data_source = SOURCE


class Imprint(Model):
    name: Prop[str]

    class Meta:
        id_injection = False


class Blurb(Model):
    text: Prop[str]


def relation_of(model: Any, name: str) -> RelationDefinition:
    model.definition.resolve()
    found: RelationDefinition = model.definition.relations[name]
    return found


def keys(found: RelationDefinition) -> list[tuple[Any, ...]]:
    return [(link.definition.name, link.own, link.theirs) for link in found.links]


# Class bodies


def test_a_class_body_names_models_that_are_defined_later() -> None:
    assert list(Novel.definition.relations) == [
        *("publisher", "passages", "cover", "motifs", "awards", "imprint", "blurbs")
    ]
    assert [each.kind for each in Novel.definition.relations.values()] == [
        "belongs_to",
        "has_many",
        "has_one",
        "has_and_belongs_to_many",
        "references_many",
        "embeds_one",
        "embeds_many",
    ]
    assert relation_of(Novel, "passages").target_model is Passage


def test_each_kind_makes_its_keys() -> None:
    assert keys(relation_of(Novel, "publisher")) == [("Publisher", ("publisher_id",), ("id",))]
    assert keys(relation_of(Publisher, "novels")) == [("Novel", ("id",), ("publisher_id",))]
    assert keys(relation_of(Novel, "cover")) == [("Cover", ("id",), ("novel_id",))]
    assert keys(relation_of(Novel, "motifs")) == [
        ("MotifNovel", ("id",), ("novel_id",)),
        ("Motif", ("motif_id",), ("id",)),
    ]
    assert keys(relation_of(Novel, "awards")) == [("Award", ("award_ids",), ("id",))]
    assert relation_of(Novel, "awards").links[0].listed
    assert relation_of(Novel, "imprint").property == "_imprint"
    assert relation_of(Novel, "blurbs").property == "_blurbs"
    assert Cover.definition.properties["novel_id"].wire == "novelId"
    assert Cover.definition.properties["novel_id"].index
    assert Cover.definition.properties["novel_id"].nullable


def test_a_key_is_a_property_in_every_way() -> None:
    made = Passage.create(name="a", novelId="7")
    assert (made.novel_id, made.to_dict()) == (7, {"name": "a", "id": made.id, "novelId": 7})
    assert Passage.find(where={"novelId": 7})[0].id == made.id
    assert Passage.find(where=Passage.novel_id == 7)[0].id == made.id  # type: ignore[attr-defined]
    assert Passage(novel_id=8).novel_id == 8  # type: ignore[attr-defined]


def test_both_sides_of_many_to_many_share_one_model() -> None:
    assert relation_of(Motif, "novels").through is relation_of(Novel, "motifs").through
    through = relation_of(Novel, "motifs").through
    assert through is not None
    assert through.model.data_source is SOURCE
    assert [(index.keys, index.unique) for index in through.indexes()] == [
        (("novel_id",), False),
        (("motif_id", "novel_id"), True),
    ]


def test_relations_are_no_properties() -> None:
    assert set(Novel.properties) == {
        *("title", "id", "publisher_id", "award_ids", "_imprint", "_blurbs")
    }


def test_what_hangs_on_a_record_is_known_by_it() -> None:
    (of_publisher,) = Publisher.definition.dependents
    assert (of_publisher.definition.name, of_publisher.on_delete) == ("Novel", "restrict")
    on_delete = {each.definition.name: each.on_delete for each in Novel.definition.dependents}
    assert on_delete == {"Passage": "cascade", "MotifNovel": "cascade"}


def test_a_declared_property_is_the_key_under_either_name() -> None:
    db = memory()

    class Garage(Model):
        cars: HasMany[Car]

        class Meta:
            data_source = db

    class Car(Model):
        garageId: Prop[int | None] = prop(index=False)  # noqa: N815 - as some write it
        owner_ref: Prop[int | None]
        owner: BelongsTo[Garage] = relation(foreign_key="ownerRef")

        class Meta:
            data_source = db

    assert keys(relation_of(Garage, "cars")) == [("Car", ("id",), ("garageId",))]
    assert keys(relation_of(Car, "owner")) == [("Garage", ("owner_ref",), ("id",))]
    assert list(Car.properties) == ["garageId", "owner_ref", "id"]


def test_a_key_has_the_type_of_what_it_names() -> None:
    db = memory()

    class Stall(Model):
        code: Prop[str] = prop(id=True)
        goods: HasMany[Good]

        class Meta:
            data_source = db

    class Good(Model):
        stall: BelongsTo[Stall] = relation(required=True)

        class Meta:
            data_source = db

    assert Good.definition.properties["stall_id"].type.name == "String"
    assert keys(relation_of(Stall, "goods")) == [("Good", ("code",), ("stall_id",))]
    assert not Good.definition.properties["stall_id"].nullable


def test_keys_of_several_properties() -> None:
    db = memory()

    class Plot(Model):
        row: Prop[int] = prop(id=1)
        column: Prop[str] = prop(id=2)
        plants: HasMany[Plant]

        class Meta:
            data_source = db

    class Plant(Model):
        plot: BelongsTo[Plot]

        class Meta:
            data_source = db

    expected = ("plot_row", "plot_column")
    assert keys(relation_of(Plant, "plot")) == [("Plot", expected, ("row", "column"))]
    assert keys(relation_of(Plot, "plants")) == [("Plant", ("row", "column"), expected)]
    assert Plant.definition.properties["plot_column"].type.name == "String"


def test_polymorphic_relations() -> None:
    db = memory()

    class Snapshot(Model):
        subject: BelongsTo[Any] = relation(polymorphic=True)
        holder: BelongsTo[Wall | Shelf]

        class Meta:
            data_source = db

    class Wall(Model):
        snapshots: HasMany[Snapshot] = relation(polymorphic="subject")

        class Meta:
            data_source = db

    class Shelf(Model):
        snapshot: HasOne[Snapshot] = relation(polymorphic="subject")

        class Meta:
            data_source = db

    subject = relation_of(Snapshot, "subject")
    assert (subject.foreign_key, subject.discriminator) == (("subject_id",), "subject_type")
    assert subject.is_polymorphic_owner
    assert subject.find_target("Wall") is Wall
    assert subject.find_target("Publisher") is Publisher
    assert subject.find_target("Nothing") is None
    holder = relation_of(Snapshot, "holder")
    assert holder.find_target("Shelf") is Shelf
    assert holder.find_target("Publisher") is None
    assert keys(relation_of(Wall, "snapshots")) == [("Snapshot", ("id",), ("subject_id",))]
    assert relation_of(Wall, "snapshots").fixed == {"subject_type": "Wall"}
    assert relation_of(Shelf, "snapshot").fixed == {"subject_type": "Shelf"}


def test_a_derived_model_has_the_relations_of_its_base() -> None:
    class Classic(Novel):
        century: Prop[int]

    assert list(Classic.definition.relations) == list(Novel.definition.relations)
    assert keys(relation_of(Classic, "passages")) == [("Passage", ("id",), ("novel_id",))]
    assert relation_of(Classic, "passages").owner is Classic.definition


def test_a_relation_that_is_declared_later_reaches_derived_models() -> None:
    db = memory()
    base = db.create_model("craft", {"name": str})
    derived = base.extend("spacecraft", {"speed": int})
    assert list(derived.properties) == ["name", "speed", "id"]
    port = db.create_model("spaceport", {"name": str})
    base.belongs_to(port)
    port.has_many("crafts", model=base, foreign_key="home_id")
    assert keys(relation_of(derived, "spaceport")) == [("spaceport", ("spaceport_id",), ("id",))]
    assert {"spaceport_id", "home_id"} <= set(derived.properties)


def test_a_mixin_may_have_relations() -> None:
    db = memory()

    class Keeper(Model):
        class Meta:
            data_source = db

    class Kept:
        keeper: BelongsTo[Keeper]

    class Falcon(Kept, Model):
        class Meta:
            data_source = db

    assert keys(relation_of(Falcon, "keeper")) == [("Keeper", ("keeper_id",), ("id",))]


# Class methods


def test_the_seeds_spellings() -> None:
    db = memory()
    book = db.create_model("tome", {"name": str})
    chapter = db.create_model("tomePart", {"name": str})
    book.has_many(chapter)
    book.has_many("sheets", model="tomeSheet")
    chapter.belongs_to(book)
    sheet = db.create_model("tomeSheet", {"name": str})
    assert list(book.definition.relations) == ["tome_parts", "sheets"]
    assert keys(relation_of(book, "tome_parts")) == [("tomePart", ("id",), ("tome_id",))]
    assert keys(relation_of(chapter, "tome")) == [("tome", ("tome_id",), ("id",))]
    assert relation_of(book, "tome_parts").wire == "tomeParts"
    assert relation_of(book, "sheets").target_model is sheet


def test_the_name_of_a_relation_means_a_model() -> None:
    db = memory()
    roaster = db.create_model("CoffeeRoaster", {"name": str})
    bag = db.create_model("coffee-bag", {"name": str})
    roaster.has_many("coffee_bags")
    bag.belongs_to("coffeeRoaster")
    assert keys(relation_of(roaster, "coffee_bags")) == [
        ("coffee-bag", ("id",), ("coffee_roaster_id",))
    ]
    assert keys(relation_of(bag, "coffeeRoaster")) == [
        ("CoffeeRoaster", ("coffee_roaster_id",), ("id",))
    ]
    assert bag.definition.properties["coffee_roaster_id"].wire == "coffeeRoasterId"


def test_a_relation_through_a_model_uses_the_keys_that_it_has() -> None:
    db = memory()
    doctor, patient, visit = (db.create_model(name, {}) for name in ("medic", "sick", "visit"))
    visit.belongs_to("healer", model=doctor)
    visit.belongs_to(patient)
    doctor.has_many("sicks", model=patient, through=visit)
    assert keys(relation_of(doctor, "sicks")) == [
        ("visit", ("id",), ("healer_id",)),
        ("sick", ("sick_id",), ("id",)),
    ]


def test_a_model_may_be_related_to_itself() -> None:
    db = memory()
    person = db.create_model("relative", {"name": str})
    person.belongs_to("parent", model=person)
    person.has_many("children", model=person, foreign_key="parent_id")
    person.has_and_belongs_to_many(
        "friends", model=person, through="friendship", foreign_key="a_id", key_through="b_id"
    )
    friendship = db.create_model("friendship", {})
    assert keys(relation_of(person, "children")) == [("relative", ("id",), ("parent_id",))]
    assert keys(relation_of(person, "friends")) == [
        ("friendship", ("id",), ("a_id",)),
        ("relative", ("b_id",), ("id",)),
    ]
    assert relation_of(person, "friends").through is friendship.definition


def test_declaring_the_same_again_changes_nothing() -> None:
    db = memory()
    shelf, item = db.create_model("rack", {}), db.create_model("rackItem", {})
    for _ in range(2):
        shelf.has_many("items", model=item)
    with pytest.raises(DefinitionError, match=r"rack\.items: it is declared already"):
        shelf.has_many("items", model=item, foreign_key="other_id")


# Dicts and JSON


def test_relations_in_loopbacks_json() -> None:
    db = memory()
    customer = db.create_model(
        {
            "name": "LbCustomer",
            "properties": {"name": "string"},
            "relations": {
                "orders": {"type": "hasMany", "model": "LbOrder", "foreignKey": "customerId"},
                "address": {"type": "embedsOne", "model": "LbAddress", "property": "home"},
                "parts": {
                    "type": "hasMany",
                    "model": "LbPart",
                    "through": "LbOrder",
                    "keyThrough": "partId",
                    "foreignKey": "customerId",
                    "options": {"nestRemoting": True, "disableInclude": True},
                },
                "pictures": {"type": "hasMany", "model": "LbPicture", "polymorphic": "imageable"},
                "avatar": {
                    "type": "hasOne",
                    "model": "LbPicture",
                    "polymorphic": {"as": "owner", "foreignKey": "oid", "discriminator": "otype"},
                },
            },
        }
    )
    order = db.create_model("LbOrder", {"customerId": "number", "partId": "number"})
    part = db.create_model("LbPart", {})
    address = create_model("LbAddress", {"street": str}, {"idInjection": False})
    picture = db.create_model(
        {
            "name": "LbPicture",
            "relations": {"imageable": {"type": "belongsTo", "polymorphic": True}},
        }
    )
    targets = [relation_of(customer, name).target_model for name in ("orders", "parts", "address")]
    assert targets == [order, part, address]
    assert keys(relation_of(customer, "orders")) == [("LbOrder", ("id",), ("customerId",))]
    assert relation_of(customer, "address").property == "home"
    assert keys(relation_of(customer, "parts")) == [
        ("LbOrder", ("id",), ("customerId",)),
        ("LbPart", ("partId",), ("id",)),
    ]
    assert relation_of(customer, "parts").options.nest_remoting
    assert relation_of(customer, "parts").options.disable_include
    assert relation_of(customer, "pictures").fixed == {"imageable_type": "LbCustomer"}
    assert relation_of(customer, "avatar").fixed == {"otype": "LbCustomer"}
    assert relation_of(picture, "imageable").foreign_key == ("imageable_id",)
    assert picture.definition.properties["imageable_id"].wire == "imageableId"


# What means nothing


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda a, b: a.has_many("bs", model=b, foreignkey="x"), "no key 'foreignkey'; did you"),
        (lambda a, b: a.has_many("bs", model=b, on_delete="explode"), 'on_delete is "cascade"'),
        (lambda a, b: a.has_many("count", model=b), "is what every model has"),
        (lambda a, b: a.has_many("a.b", model=b), "has a dot"),
        (lambda a, b: a.has_many(3), "names no model"),
        (
            lambda a, b: a.belongs_to("b", model=b, through=a),
            "through means nothing for belongs_to",
        ),
        (lambda a, b: a.has_many("bs", model=b, required=True), "required means nothing"),
        (lambda a, b: a.has_many("bs", model=b, constraint=1), "constraint is True or False"),
        (lambda a, b: a.has_many("bs", model=b, key_through="x"), "nothing without through"),
        (
            lambda a, b: a.has_many("bs", model=b, polymorphic="p", constraint=True),
            "no database keeps a constraint",
        ),
        (
            lambda a, b: a.belongs_to("b", polymorphic=True, on_delete="cascade"),
            "say on_delete on the has_many",
        ),
        (lambda a, b: a.has_many("bs", model=b, options={"forceId": False}), "'forceId' is not"),
        (lambda a, b: a.embeds_one("b", model=b, on_delete="cascade"), "on_delete means nothing"),
        (lambda a, b: a.has_many("bs", model=b, scope=[1]), "scope is a dict"),
        (lambda a, b: a.has_many("bs", model=b, foreign_key=3), "foreign_key is a property's name"),
    ],
)
def test_a_declaration_that_means_nothing_is_named(declare: Any, message: str) -> None:
    db = memory()
    a, b = db.create_model("nothingA", {}), db.create_model("nothingB", {})
    with pytest.raises(DefinitionError, match=message) as raised:
        declare(a, b)
    assert str(raised.value).startswith("nothingA.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "isNowhere"}, "no type or model is called 'isNowhere'"),
        ({"model": str}, "is no model"),
        ({"foreign_key": ["x", "y"]}, "2 foreign keys cannot equal 1 properties"),
        ({"primary_key": "nope"}, "has no property 'nope'"),
    ],
)
def test_a_relation_that_leads_nowhere_is_an_error_where_the_model_is_used(
    options: dict[str, Any], message: str
) -> None:
    db = memory()
    whole, part = db.create_model("whole", {}), db.create_model("wholePart", {})
    whole.has_many("parts", **{"model": part, **options})
    with pytest.raises(DefinitionError, match=message) as raised:
        whole.create({})
    assert str(raised.value).startswith("whole.parts: ")


def test_names_that_clash_are_an_error() -> None:
    db = memory()
    tree, leaf = db.create_model("oak", {"leaf": str}), db.create_model("leaf", {})
    tree.belongs_to(leaf)
    with pytest.raises(DefinitionError, match=r"oak\.leaf: a property is called 'leaf' too"):
        tree.find()


def test_set_null_needs_a_key_that_can_be_null() -> None:
    db = memory()
    nest = db.create_model("nest", {})
    egg = db.create_model("egg", {"nest_id": {"type": int, "required": True}})
    nest.has_many("eggs", model=egg, on_delete="set_null")
    with pytest.raises(DefinitionError, match=r"egg\.nest_id cannot be null"):
        nest.find()


def test_two_sides_may_not_say_different_things_of_a_delete() -> None:
    db = memory()
    hive, bee = db.create_model("hive", {}), db.create_model("bee", {})
    hive.has_many("bees", model=bee, on_delete="cascade")
    bee.belongs_to(hive, on_delete="restrict")
    with pytest.raises(DefinitionError, match="says 'cascade'"):
        bee.find()


def test_a_relation_needs_an_annotation() -> None:
    with pytest.raises(DefinitionError, match=r"relation\(\.\.\.\) needs a type"):

        class Untyped(Model):
            others = relation()

    with pytest.raises(DefinitionError, match=r"relation\(\.\.\.\) needs a type"):

        class Wrongly(Model):
            others: Prop[int] = relation()


def test_relations_are_declared_on_models_of_ones_own() -> None:
    with pytest.raises(TypeError, match="declare relations on a model of your own"):
        Model.has_many(Publisher)


# When


def test_a_key_is_there_though_the_model_was_used_before() -> None:
    db = memory()
    leaflet = db.create_model("leaflet", {"name": str})
    assert leaflet.create(name="a").to_dict() == {"name": "a", "id": 1}
    rack = db.create_model("leafletRack", {})
    rack.has_many(leaflet)
    assert leaflet.create(name="b", leafletRackId=1).to_dict() == {
        "name": "b",
        "id": 2,
        "leafletRackId": 1,
    }
    assert leaflet.find_by_id(1).to_dict() == {"name": "a", "id": 1, "leafletRackId": None}


def test_of_several_models_of_one_name_that_of_the_same_source_is_meant() -> None:
    made: list[tuple[DataSource, Any, Any]] = []
    for _ in range(3):
        db = memory()
        team = db.create_model("squad", relations={"members": {"type": "hasMany", "model": "mate"}})
        made.append((db, team, db.create_model("mate", {"name": str})))
    for _, team, member in made:
        assert relation_of(team, "members").target_model is member


def test_a_class_lives_as_long_as_one_that_is_related_to_it_and_no_longer() -> None:
    db = memory()
    owner = create_model("shortOwner", {})
    owned = create_model("shortOwned", {"name": str})
    owner.attach_to(db)
    owned.attach_to(db)
    owner.has_many(owned)
    owned.belongs_to(owner)
    references = [weakref.ref(owner), weakref.ref(owned)]
    definition = owner.definition
    del owned
    gc.collect()
    assert [each() is None for each in references] == [False, False]
    del owner
    gc.collect()
    assert [each() is None for each in references] == [True, True]
    with pytest.raises(DefinitionError, match="is gone"):
        _ = definition.relations["short_owneds"].target_model


@pytest.mark.parametrize("first", ["belongs_to", "has_many"])
def test_a_key_is_required_whichever_side_makes_it(source: DataSource, first: str) -> None:
    class Hive(Model):
        class Meta:
            data_source = source

    class Bee(Model):
        class Meta:
            data_source = source

    class Drone(Bee):
        pass

    assert list(Drone.properties) == ["id"]
    sides = {
        "belongs_to": lambda: Bee.belongs_to(Hive, required=True),
        "has_many": lambda: Hive.has_many(Bee),
    }
    sides.pop(first)()
    for declare in sides.values():
        declare()
    source.auto_update()
    for model in (Bee, Drone):
        with pytest.raises(ValidationError, match="hive_id"):
            model.create()
    assert Hive.create().bees.create().hive_id == 1  # type: ignore[attr-defined]


def test_a_factory_that_runs_again_relates_the_models_that_it_makes_anew() -> None:
    db = memory()

    def make(times: int) -> list[tuple[Any, Any]]:
        made = []
        for _ in range(times):

            class Folder(Model):
                notes: HasMany[Note] = relation(foreign_key="folder_id")
                pins: HasMany["Note"]

                class Meta:
                    data_source = db

            Folder.definition  # noqa: B018 - as whoever exposes it looks at it

            class Note(Model):
                folder: BelongsTo[Folder]

                class Meta:
                    data_source = db

            made.append((Folder, Note))
        return made

    def make_from_dicts() -> tuple[Any, Any]:
        folder = db.create_model("dictFolder", {})
        folder.has_many("notes", model="dictNote")
        assert folder.definition.unresolved
        note = db.create_model("dictNote", {})
        note.belongs_to("folder", model="dictFolder")
        return folder, note

    for folder, note in [*make(1), *make(1), make_from_dicts(), make_from_dicts()]:
        assert relation_of(folder, "notes").target_model is note
        assert relation_of(note, "folder").target_model is folder


def test_what_an_annotation_names_is_looked_for_around_it_first() -> None:
    db, other = memory(), memory()

    def elsewhere() -> Any:
        class Gadget(Model):
            class Meta:
                data_source = other

        return Gadget

    namesake = elsewhere()

    class Drawer(Model):
        gadgets: HasMany[Gadget]

        class Meta:
            data_source = db

    assert namesake.create({}).id == 1
    assert Drawer.definition.name == "Drawer"

    class Gadget(Model):
        class Meta:
            data_source = db

    assert relation_of(Drawer, "gadgets").target_model is Gadget
    drawer = db.create_model("topDrawer", {})
    drawer.has_many("tools", model="topTool")
    far = other.create_model("topTool", {})
    assert drawer.definition.unresolved
    tool = db.create_model("topTool", {})
    assert relation_of(drawer, "tools").target_model is tool
    assert far.create({}).to_dict() == {"id": 1}
