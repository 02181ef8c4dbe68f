from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from flask_loop import (
    DataSource,
    FilterError,
    GeoPoint,
    Model,
    ModelNotFound,
    NotAttachedError,
    Prop,
    ValidationError,
    create_model,
    memory,
    prop,
)
from flask_loop.errors import BadRequest, DuplicateId


class Address(Model):
    street: Prop[str] = prop(max_length=8)
    zip_code: Prop[str | None]

    class Meta:
        id_injection = False


class Person(Model):
    """At the top of the module, so that its instances can be pickled."""

    full_name: Prop[str] = prop(required=True, max_length=8)
    age: Prop[int | None] = prop(min=0)
    born: Prop[datetime | None]
    home: Prop[Address | None]
    others: Prop[list[Address]] = prop(default=list)
    secret: Prop[str | None] = prop(hidden=True)


@pytest.fixture
def person(source: DataSource) -> type[Person]:
    """A model with no records."""
    model = Person.extend("person")
    model.attach_to(source)
    source.auto_update()
    return model


@pytest.fixture
def open_model() -> type[Any]:
    """A model that keeps what is no property."""
    return memory().create_model("open", {"name": str}, strict=False)


# Instances


def test_a_constructor_keeps_what_is_defined() -> None:
    color = create_model("color", {"name": str})
    red = color({"name": "red", "bar": "bat baz"})
    assert red.name == "red"
    with pytest.raises(AttributeError, match="'color' object has no attribute 'bar'"):
        red.bar  # noqa: B018 - reading it is what fails
    assert red.to_record() == {"name": "red", "id": None}


def test_a_constructor_takes_a_dict_or_keywords_in_either_spelling() -> None:
    for person in (
        Person({"full_name": "Ada", "age": 36}),
        Person({"fullName": "Ada", "age": "36"}),
        Person(full_name="Ada", age=36.0),
        Person(fullName="Ada", age=36),
        Person({"fullName": "Bob", "age": 1}, fullName="Ada", age=36),
    ):
        assert (person.full_name, person.age) == ("Ada", 36)


@pytest.mark.parametrize("data", ["x", 3, ["full_name"], Person(full_name="a")], ids=repr)
def test_a_record_is_made_of_a_mapping(data: Any) -> None:
    with pytest.raises(TypeError, match="is not a mapping"):
        Person(data)


def test_a_constructor_gives_values_their_types_where_it_can() -> None:
    person = Person(
        full_name="Ada",
        age="x",
        born="1815-12-10",
        home={"street": "a", "zipCode": "1"},
        others=[Address(street="b")],
    )
    assert person.born == datetime(1815, 12, 10, tzinfo=UTC)
    assert isinstance(person.home, Address)
    assert person.home.zip_code == "1"
    assert person.age == "x"  # type: ignore[comparison-overlap]


def test_an_instance_shows_its_id(person: type[Person]) -> None:
    assert repr(Person(full_name="a")) == "<Person id=None>"
    assert repr(person.create(full_name="a")) == "<person id=1>"
    assert repr(Address(street="a")) == "<Address>"
    line = create_model("line", {"a": {"type": int, "id": 1}, "b": {"type": str, "id": 2}})
    assert repr(line(a=1, b="x")) == "<line a=1 b='x'>"


def test_a_record_has_python_names_and_a_dict_wire_names() -> None:
    person = Person(
        full_name="Ada",
        born="1815-12-10",
        home={"street": "a"},
        others=[{"street": "b"}],
        secret="s",
    )
    assert person.to_record() == {
        "full_name": "Ada",
        "age": None,
        "born": datetime(1815, 12, 10, tzinfo=UTC),
        "home": {"street": "a", "zip_code": None},
        "others": [{"street": "b", "zip_code": None}],
        "secret": "s",
        "id": None,
    }
    assert json.loads(json.dumps(person.to_dict())) == {
        "fullName": "Ada",
        "age": None,
        "born": "1815-12-10T00:00:00.000Z",
        "home": {"street": "a", "zipCode": None},
        "others": [{"street": "b", "zipCode": None}],
        "id": None,
    }


def test_instances_can_be_copied_and_pickled() -> None:
    person = Person(full_name="Ada", home={"street": "a"}, others=[{"street": "b"}])
    person.is_valid()
    for other in (copy.copy(person), copy.deepcopy(person), pickle.loads(pickle.dumps(person))):  # noqa: S301
        assert other.to_record() == person.to_record()
        assert type(other) is Person
    deep = copy.deepcopy(person)
    deep.home.street = "c"  # type: ignore[union-attr]
    assert person.home.street == "a"  # type: ignore[union-attr]


def test_a_property_that_was_not_loaded_says_so(person: type[Person]) -> None:
    person.create(full_name="Ada", age=36)
    (partial,) = person.find(fields=["full_name"])
    assert partial.full_name == "Ada"
    assert not hasattr(partial, "age")
    with pytest.raises(AttributeError, match=r"person\.age was not loaded: it is not among the"):
        partial.age  # noqa: B018 - reading it is what fails
    assert partial.to_dict() == {"fullName": "Ada"}
    for use in (partial.save, partial.destroy, partial.reload, partial.patch_attributes):
        with pytest.raises(AttributeError, match=r"person\.id was not loaded"):
            use()
    assert person.count() == 1


def test_a_part_of_a_record_can_be_changed_and_saved(person: type[Person]) -> None:
    person.create(full_name="Ada", age=36, home={"street": "a"})
    (partial,) = person.find(fields=["id", "full_name"])
    partial.full_name = "Bob"
    partial.save()
    assert partial.age == 36
    assert person.find_by_id(1).to_record() == partial.to_record()  # type: ignore[union-attr]


# What is no property, where a model keeps it or refuses it


def test_an_open_model_keeps_what_is_no_property(open_model: type[Any]) -> None:
    created = open_model.create({"name": "a", "size": 3, "tags": [1, {"x": None}]})
    assert (created.size, created.tags) == (3, [1, {"x": None}])
    found = open_model.find_one({"name": "a"})
    assert found.to_dict() == {"name": "a", "id": 1, "size": 3, "tags": [1, {"x": None}]}
    found.size = 4
    found.colour = "red"
    found.save()
    assert open_model.find_by_id(1).to_record() == {
        "name": "a",
        "id": 1,
        "size": 4,
        "tags": [1, {"x": None}],
        "colour": "red",
    }
    open_model.update_all({}, {"size": 5})
    assert found.reload().size == 5
    open_model.replace_by_id(1, {"name": "b"})
    assert not hasattr(found.reload(), "size")


def test_no_key_takes_the_place_of_an_attribute(open_model: type[Any]) -> None:
    keys = ["save", "to_record", "errors", "_is_new", "_errors", "_undeclared", "__class__", "find"]
    data = dict.fromkeys([*keys, "__dict__", "_keep_errors"], "x")
    created = open_model.create(data)
    found = open_model.find_by_id(created.id)
    assert type(found) is open_model
    assert found.is_new_record() is False
    assert found.is_valid()
    assert found.errors == {}
    assert found.save().to_dict() == {"name": None, "id": 1, **data}
    assert open_model(data).to_dict() == {"name": None, "id": None, **data}


def test_an_open_model_refuses_what_is_no_json(open_model: type[Any]) -> None:
    for value in (object(), float("nan"), 2**63, "\0"):
        thing = open_model(extra=value)
        assert not thing.is_valid()
        assert list(thing.errors) == ["extra"]
        with pytest.raises(ValidationError):
            thing.save()


def test_a_strict_model_may_refuse_what_is_no_property(source: DataSource) -> None:
    model = source.create_model("strict", {"name": str}, strict="validate")
    source.auto_update()
    thing = model(name="a", size=3)
    assert not thing.is_valid()
    assert thing.errors == {"size": ["is not defined in the model"]}
    assert thing.errors.codes == {"size": ["unknown-property"]}
    for write in (
        thing.save,
        lambda: model.create(thing),
        lambda: model.create(name="a", size=3),
        lambda: model.upsert(name="a", size=3),
    ):
        with pytest.raises(ValidationError, match="`size` is not defined in the model"):
            write()
    assert model.count() == 0
    assert thing.to_dict() == {"name": "a", "id": None}


# Before attaching, and where an operation is disabled


OPERATIONS = ["find", "create", "count", "destroy_all", "find_by_id", "save", "destroy", "reload"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_not_there_until_the_model_is_attached(name: str) -> None:
    model = create_model("product", {"name": str})
    reason = rf"product\.{name}\(\) is not there until product is attached to a data source"
    for owner in (model, model(name="a")):
        assert not hasattr(owner, name)
        with pytest.raises(AttributeError, match=reason):
            getattr(owner, name)
    with pytest.raises(NotAttachedError, match=reason):
        getattr(model, name)()
    model.attach_to(memory())
    assert hasattr(model, name)
    assert hasattr(model(name="a"), name)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_not_there_while_the_source_has_it_disabled(name: str) -> None:
    source = memory()
    model = source.create_model("product", {"name": str})
    source.disable(name)
    for owner in (model, model(name="a")):
        assert not hasattr(owner, name)
        with pytest.raises(NotAttachedError, match=rf"{name}\(\) is disabled on the data source"):
            getattr(owner, name)
    source.enable(name)
    assert hasattr(model, name)


def test_an_overridden_operation_comes_and_goes_likewise() -> None:
    class Product(Model):
        name: Prop[str]

        @classmethod
        def create(cls, data: Any = None, **values: Any) -> Any:
            return super().create(data, **values, name="overridden")

        def save(self, *, validate: bool = True) -> Any:
            self.name += "!"
            return super().save(validate=validate)

    class Derived(Product):
        pass

    for model in (Product, Derived):
        assert not hasattr(model, "create")
        assert not hasattr(model(name="a"), "save")
        with pytest.raises(NotAttachedError, match=rf"{model.__name__}\.create\(\) is not there"):
            model.create()
    source = memory()
    Product.attach_to(source)
    for model in (Product, Derived):
        assert model.create().save().name == "overridden!"
    source.disable("create", "save")
    assert not hasattr(Derived, "create")
    assert not hasattr(Product(name="a"), "save")


def test_helpers_of_a_class_that_are_no_operations_are_always_there() -> None:
    class Product(Model):
        name: Prop[str]

        @classmethod
        def cheapest(cls) -> str:
            return "cheap"

    assert Product.cheapest() == "cheap"


def test_a_model_is_attached_to_a_data_source_only() -> None:
    for value in (None, "db", Person):
        with pytest.raises(TypeError, match="a model is attached to a data source, not to"):
            create_model("a").attach_to(value)


def test_a_model_moves_when_it_is_attached_anew() -> None:
    first, second = memory(), memory()
    model = first.create_model("thing", {"name": str})
    model.create(name="a")
    model.attach_to(second)
    assert (model.count(), first.models(), second.models()) == (0, [], [model])


def test_a_derived_model_has_its_bases_data_source(source: DataSource) -> None:
    class Animal(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    class Dog(Animal):
        loud: Prop[bool] = prop(default=True)

        class Meta(Animal.Meta):
            plural = "hounds"

    class Cat(Animal):
        pass

    lion = Animal.extend("lion")
    source.auto_update()
    assert source.models() == [Animal, Cat, Dog, lion]
    for model in source.models():
        model.create(name="a")
        assert model.count() == 1
    other = memory()
    Cat.attach_to(other)
    assert source.models() == [Animal, Dog, lion]
    assert Cat.count() == 0


# Finding


@pytest.fixture
def people(person: type[Person]) -> type[Person]:
    """Three records: Ada 36, Bob 20, Cid 20."""
    person.create([{"fullName": n, "age": a} for n, a in (("Ada", 36), ("Bob", 20), ("Cid", 20))])
    return person


def names(found: list[Person]) -> list[str]:
    return [each.full_name for each in found]


def test_find_takes_a_filter_or_its_parts(people: type[Person]) -> None:
    assert names(people.find()) == names(people.all()) == ["Ada", "Bob", "Cid"]
    expected = ["Cid", "Bob"]
    where = {"age": {"lt": 30}}
    assert names(people.find({"where": where, "order": "fullName DESC"})) == expected
    assert names(people.find(where=where, order="full_name DESC")) == expected
    assert names(people.find({"where": where}, order=["full_name DESC"])) == expected
    assert names(people.find(where=people.age < 30, order="full_name DESC")) == expected
    assert names(people.find({"where": people.age < 30, "order": "full_name DESC"})) == expected
    assert names(people.find(order="age DESC, full_name", skip=1, limit=1)) == ["Bob"]
    with pytest.raises(TypeError, match="'where' is given twice"):
        people.find({"where": where}, where=where)
    with pytest.raises(TypeError, match="unexpected keyword argument 'were'"):
        people.find(were=where)  # type: ignore[call-arg]
    with pytest.raises(FilterError, match="full_nam is not a property of person; did you mean"):
        people.find(where={"full_nam": "Ada"})


def test_find_one_takes_a_filter_or_a_plain_where(people: type[Person]) -> None:
    for found in (
        people.find_one({"where": {"age": 20}, "order": "full_name DESC"}),
        people.find_one({"full_name": "Cid"}),
        people.find_one({"fullName": "Cid"}),
        people.find_one({"id": 3}),
        people.find_one({"and": [{"age": 20}, {"full_name": {"gt": "Bob"}}]}),
        people.find_one(people.full_name == "Cid"),
        people.find_one(where={"full_name": "Cid"}),
        people.find_one({"full_name": "Cid"}, order="id"),
        people.find_one(order="full_name DESC"),
    ):
        assert found is not None
        assert found.full_name == "Cid"
    assert people.find_one().full_name == "Ada"  # type: ignore[union-attr]
    assert people.find_one({}).full_name == "Ada"  # type: ignore[union-attr]
    assert people.find_one({"full_name": "Dan"}) is None
    with pytest.raises(FilterError):
        people.find_one({"full_nam": "Ada"})


def test_find_by_id(people: type[Person]) -> None:
    assert people.find_by_id(2).full_name == people.find_by_id("2").full_name == "Bob"  # type: ignore[union-attr]
    assert people.find_by_id(2, {"fields": ["age"]}).to_record() == {"age": 20}  # type: ignore[union-attr]
    for id in (4, "4", "x", None, 1.5, 2**70, True, [1], {"gt": 0}):
        assert people.find_by_id(id) is None
        assert people.exists(id) is False
    assert people.exists(1) is people.exists("1") is True


def test_find_by_ids_keeps_the_order_of_the_ids(people: type[Person]) -> None:
    assert names(people.find_by_ids([3, 1])) == ["Cid", "Ada"]
    assert names(people.find_by_ids([3, "x", 9, "1", None, 3])) == ["Cid", "Ada", "Cid"]
    assert names(people.find_by_ids([3, 1], {"where": {"age": 20}})) == ["Cid"]
    assert people.find_by_ids([]) == []
    found = people.find_by_ids(iter([3, 1]), {"fields": ["full_name"]})
    assert [each.to_record() for each in found] == [{"full_name": "Cid"}, {"full_name": "Ada"}]


def test_count_takes_a_where(people: type[Person]) -> None:
    assert people.count() == 3
    assert people.count({"age": 20}) == people.count(people.age == 20) == 2
    with pytest.raises(FilterError):
        people.count({"where": {"age": 20}})


# Creating


def test_create_gives_an_instance_with_its_id(person: type[Person]) -> None:
    ada = person.create({"fullName": "Ada", "home": Address(street="a")})
    assert isinstance(ada, person)
    assert (ada.id, ada.is_new_record(), ada.others) == (1, False, [])  # type: ignore[attr-defined]
    assert isinstance(ada.home, Address)
    assert person.create(full_name="Bob").to_record()["id"] == 2
    copied = person.create(Person(full_name="Cid", secret="s"))
    assert copied.secret == "s"
    assert person.create(ada.to_record() | {"id": None}).home.street == "a"  # type: ignore[union-attr]


def test_create_takes_several_records_all_or_none(person: type[Person]) -> None:
    made = person.create([{"fullName": "Ada"}, Person(full_name="Bob")])
    assert [each.id for each in made] == [1, 2]  # type: ignore[attr-defined]
    assert person.create([]) == []
    with pytest.raises(ValidationError) as caught:
        person.create([{"fullName": "Cid"}, {"age": -1}, {"fullName": "Dan", "age": "x"}])
    assert caught.value.details["codes"] == {
        "1.full_name": ["presence"],
        "1.age": ["range.min"],
        "2.age": ["integer"],
    }
    with pytest.raises(DuplicateId):
        person.create([{"fullName": "Cid"}, {"fullName": "Dan", "id": 1}])
    assert person.count() == 2
    with pytest.raises(TypeError, match="several records are given as one list"):
        person.create([{"fullName": "Ada"}], age=3)  # type: ignore[call-overload]


@pytest.mark.parametrize("data", ["x", 3, [3], ["x"]], ids=repr)
def test_create_takes_mappings_only(person: type[Person], data: Any) -> None:
    with pytest.raises(TypeError, match="the data of a record is a mapping, not a"):
        person.create(data)
    assert person.count() == 0


def test_a_value_given_twice_is_an_error(person: type[Person]) -> None:
    with pytest.raises(TypeError, match="'full_name' is given twice"):
        person.create({"full_name": "a"}, full_name="b")
    with pytest.raises(TypeError, match="'full_name' is given twice"):
        person.upsert({"fullName": "a"}, full_name="b")


def test_find_or_create_says_whether_it_created(person: type[Person]) -> None:
    where = {"where": {"full_name": "Ada"}}
    ada, created = person.find_or_create(where, {"fullName": "Ada", "age": 36})
    assert (ada.age, created) == (36, True)
    again, created = person.find_or_create(where, {"fullName": "Ada", "age": 1})
    assert (again.age, again.to_record(), created) == (36, ada.to_record(), False)
    same, created = person.find_or_create(None, {"fullName": "Ada"})
    assert (same.to_record(), created) == (ada.to_record(), False)
    with pytest.raises(ValidationError):
        person.find_or_create({"where": {"full_name": "Bob"}}, {"age": -1})
    assert person.count() == 1


def test_upsert_changes_or_inserts(person: type[Person]) -> None:
    assert person.upsert(full_name="Ada", age=36).to_record()["id"] == 1
    assert person.upsert({"id": 7, "fullName": "Bob"}).to_record()["id"] == 7
    changed = person.update_or_create({"id": "1", "age": 37})
    assert (changed.full_name, changed.age) == ("Ada", 37)
    with pytest.raises(ValidationError):
        person.upsert(id=1, age=-1)
    assert [each.age for each in person.find()] == [37, None]


def test_upsert_may_leave_the_rules_out() -> None:
    model = memory().create_model("thing", {"n": {"type": int, "min": 3}}, validate_upsert=False)
    assert model.upsert(n=1).n == 1
    assert model.upsert(id=1, n=2).n == 2
    with pytest.raises(ValidationError, match="`n` is not an integer"):
        model.upsert(n="x")


def test_upsert_with_where_changes_the_only_one(people: type[Person]) -> None:
    assert people.upsert_with_where({"full_name": "Ada"}, {"age": 1}).to_record()["id"] == 1
    made = people.upsert_with_where(people.full_name == "Dan", {"fullName": "Dan"})
    assert made.to_record()["id"] == 4
    with pytest.raises(BadRequest, match="multiple instances found"):
        people.upsert_with_where({"age": 20}, {"age": 1})


def test_replace_unsets_what_is_not_given(people: type[Person]) -> None:
    replaced = people.replace_by_id(1, {"full_name": "Eve"})
    assert (replaced.full_name, replaced.age) == ("Eve", None)
    replaced = people.replace_or_create({"id": 2, "full_name": "Fay"})
    assert (replaced.age, people.count()) == (None, 3)
    assert people.replace_or_create({"full_name": "Gus"}).to_record()["id"] == 4
    with pytest.raises(ModelNotFound, match='Unknown "person" id "9"'):
        people.replace_by_id(9, {"full_name": "x"})
    with pytest.raises(BadRequest, match="cannot be updated from 1 to 2"):
        people.replace_by_id(1, {"full_name": "x", "id": 2})


# The life of an instance


def test_saving_inserts_a_new_record_and_then_changes_it(person: type[Person]) -> None:
    ada = person(full_name="Ada")
    assert ada.is_new_record()
    assert ada.save() is ada
    assert (ada.to_record()["id"], ada.is_new_record()) == (1, False)
    ada.age = 36
    ada.home = Address(street="a")
    ada.save()
    assert person.find_by_id(1).to_record() == ada.to_record()  # type: ignore[union-attr]
    assert person.count() == 1


def test_saving_what_is_not_valid_says_why_and_stores_nothing(person: type[Person]) -> None:
    ada = person.create(full_name="Ada")
    ada.full_name, ada.age = "", -1
    with pytest.raises(ValidationError):
        ada.save()
    assert ada.errors == {"full_name": ["can't be blank"], "age": ["must be at least 0"]}
    assert ada.errors.codes == {"full_name": ["presence"], "age": ["range.min"]}
    assert (ada.full_name, ada.is_new_record()) == ("", False)
    assert person.find_by_id(1).full_name == "Ada"  # type: ignore[union-attr]
    ada.full_name, ada.age = "Eve", 1
    ada.save()
    assert not ada.errors
    assert ada.errors == {}


def test_saving_may_leave_the_rules_out_but_not_the_types(person: type[Person]) -> None:
    ada = person(full_name="far too long a name", age=-1)
    ada.save(validate=False)
    assert person.find_by_id(1).age == -1  # type: ignore[union-attr]
    ada.age = "x"  # type: ignore[assignment]
    with pytest.raises(ValidationError, match="`age` is not an integer"):
        ada.save(validate=False)


def test_is_valid_checks_types_rules_and_what_is_embedded(person: type[Person]) -> None:
    ada = person(full_name="Ada", home={"street": "far too long"}, born="x", others=[{}])
    assert not ada.is_valid()
    assert ada.errors.codes == {
        "born": ["date"],
        "home.street": ["length.max"],
        "others.0.street": ["presence"],
    }
    assert person.count() == 0
    fixed = person(full_name="Ada")
    assert fixed.is_valid()
    assert (fixed.errors, fixed.errors.codes) == ({}, {})
    assert not fixed.errors


def test_messages_can_be_ones_own(source: DataSource) -> None:
    user = source.create_model("user", {"name": str, "password": str, "email": str})
    user.validates_length_of("password", min=5, message={"min": "Password is too short"})
    user.validates_presence_of("name", message="needs a name")
    user.validates_uniqueness_of("email", message="email is not unique")
    source.auto_update()
    user.create(name="a", password="12345", email="e")
    other = user(password="1", email="e")
    assert not other.is_valid()
    assert other.errors == {
        "password": ["Password is too short"],
        "name": ["needs a name"],
        "email": ["email is not unique"],
    }
    assert other.errors.codes == {
        "password": ["length.min"],
        "name": ["presence"],
        "email": ["uniqueness"],
    }
    first = user.find_by_id(1)
    assert first.is_valid()


def test_changing_some_attributes(people: type[Person]) -> None:
    ada = people.find_by_id(1)
    assert ada is not None
    people.update_all({"id": 1}, {"secret": "kept"})
    assert ada.patch_attributes({"age": "37"}, fullName="Eve") is ada
    assert (ada.age, ada.full_name, ada.secret) == (37, "Eve", "kept")
    assert ada.update_attributes(age=38).age == 38
    assert ada.update_attribute("fullName", "Fay").full_name == "Fay"
    assert ada.patch_attributes().age == 38
    with pytest.raises(ValidationError):
        ada.patch_attributes(age=-1)
    assert (ada.age, ada.errors.codes) == (38, {"age": ["range.min"]})
    with pytest.raises(TypeError, match="person has no property 'nme'"):
        ada.update_attribute("nme", "x")
    with pytest.raises(BadRequest, match="cannot be updated from 1 to 2"):
        ada.update_attribute("id", 2)


def test_replacing_all_attributes(people: type[Person]) -> None:
    ada = people.find_by_id(1)
    assert ada is not None
    assert ada.replace_attributes({"full_name": "Eve"}) is ada
    assert (ada.age, ada.to_record()["id"]) == (None, 1)
    with pytest.raises(ValidationError):
        ada.replace_attributes({})
    assert ada.errors.codes == {"full_name": ["presence"]}


def test_reload_forgets_what_was_not_saved(people: type[Person]) -> None:
    ada = people.find_by_id(1)
    assert ada is not None
    people.update_all({"id": 1}, {"home": {"street": "new"}})
    ada.full_name = ""
    assert not ada.is_valid()
    assert ada.reload() is ada
    assert (ada.full_name, ada.errors) == ("Ada", {})
    assert isinstance(ada.home, Address)
    assert ada.home.street == "new"


def test_destroying_makes_an_instance_new_again(people: type[Person]) -> None:
    ada = people.find_by_id(1)
    assert ada is not None
    assert (ada.destroy(), ada.is_new_record(), people.count()) == (1, True, 2)
    assert ada.delete() == 0
    ada.save()
    assert (ada.to_record()["id"], people.count()) == (1, 3)


def test_what_is_gone_cannot_be_changed(people: type[Person]) -> None:
    ada = people.find_by_id(1)
    assert ada is not None
    people.destroy_by_id(1)
    for use in (ada.save, ada.reload, lambda: ada.patch_attributes(age=1)):
        with pytest.raises(ModelNotFound, match='Unknown "person" id "1"'):
            use()
    assert ada.destroy() == 0


def test_what_was_never_stored_cannot_be_changed(person: type[Person]) -> None:
    ada = person(full_name="Ada")
    for use in (ada.reload, lambda: ada.patch_attributes(age=1)):
        with pytest.raises(ModelNotFound):
            use()
    assert ada.destroy() == 0
    assert person.count() == 0


def test_deleting(people: type[Person]) -> None:
    assert people.destroy_by_id(1) == people.delete_by_id("2") == 1
    assert people.destroy_by_id(1) == people.destroy_by_id("x") == 0
    assert people.count() == 1
    people.create([{"full_name": "x"}, {"full_name": "y"}])
    assert people.destroy_all({"full_name": "x"}) == 1
    assert people.delete_all() == 2
    assert people.count() == 0


def test_update_all_changes_what_matches(people: type[Person]) -> None:
    assert people.update_all({"age": 20}, {"age": 21}) == 2
    assert people.update_all(people.age == 21, {"home": {"street": "a"}}) == 2
    assert people.update_all({"age": 99}, {"age": 1}) == 0
    assert [each.age for each in people.find()] == [36, 21, 21]
    with pytest.raises(ValidationError, match="`age` must be at least 0"):
        people.update_all({}, {"age": -1})
    with pytest.raises(BadRequest, match="id property id cannot be updated for many"):
        people.update_all({}, {"id": 1})


# Expressions at class level


def test_a_property_of_the_class_is_an_expression() -> None:
    assert repr(Person.age > 20) == "where({'age': {'gt': 20}})"
    assert repr(Person.full_name) == "<property full_name>"
    place = create_model("place", {"spot": GeoPoint})
    near = place.spot.near("1,2", max_distance=3)
    assert near.tree == {"spot": {"near": "1,2", "maxDistance": 3}}


def test_a_chain_of_comparisons_is_refused() -> None:
    with pytest.raises(TypeError, match="a where has no truth value"):
        assert 10 < Person.age < 20
