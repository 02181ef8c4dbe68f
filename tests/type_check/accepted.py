"""What ``mypy --strict`` says of code that is right: nothing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar, assert_type

from flask_loop import (
    BelongsTo,
    DataSource,
    EmbedsMany,
    EmbedsOne,
    GeoPoint,
    HasAndBelongsToMany,
    HasMany,
    HasOne,
    Loop,
    Model,
    Prop,
    ReferencesMany,
    create_data_source,
    create_model,
    memory,
    prop,
    relation,
    scope,
)
from flask_loop.definition import ModelDefinition
from flask_loop.query import PropertyExpression, WhereExpression

loop = Loop()
db = loop.data_source("db")
assert_type(db, DataSource)
assert_type(memory(), DataSource)
assert_type(create_data_source(connector="memory"), DataSource)


class Address(Model):
    street: Prop[str]


class Product(Model):
    name: Prop[str] = prop(required=True, max_length=80)
    unit_price: Prop[float] = prop(min=0)
    size: Prop[int | None]
    made: Prop[datetime] = prop(default_fn="now")
    day: Prop[date | None] = prop(default=None)
    tags: Prop[list[str]] = prop(default=list)
    place: Prop[GeoPoint | None]
    home: Prop[Address | None]
    others: Prop[list[Address]] = prop(default=list)
    parent: Prop[Product | None]
    meta: Prop[dict[str, Any]] = prop(default=dict)
    plain: int = prop(default=0)
    shelf: ClassVar[int] = 3

    class Meta:
        data_source = db

    def label(self) -> str:
        return f"{self.name}: {self.unit_price:.2f}"


class Chapter(Model):
    name: Prop[str]
    volume: BelongsTo[Volume] = relation(on_delete="cascade")


class Cover(Model):
    color: Prop[str]
    item: BelongsTo[Product | Address] = relation(polymorphic=True)


class Label(Model):
    text: Prop[str]


class Volume(Model):
    title: Prop[str]
    chapters: HasMany[Chapter]
    labels: HasAndBelongsToMany[Label]
    readers: HasMany[Label] = relation(through=Chapter)
    cover: HasOne[Cover]
    notes: EmbedsMany[Label]
    stamp: EmbedsOne[Label]
    related: ReferencesMany[Volume]


# On the class, a property is an expression.

assert_type(Product.unit_price, PropertyExpression[float])
assert_type(Product.unit_price > 20, WhereExpression)
assert_type(Product.name == "a", WhereExpression)
assert_type(Product.size != None, WhereExpression)  # noqa: E711
assert_type(Product.size <= 3, WhereExpression)
assert_type((Product.unit_price > 20) & Product.name.like("A%"), WhereExpression)
assert_type(~(Product.size == 3) | Product.size.in_([1, 2]), WhereExpression)
assert_type(Product.place.near("1,2", max_distance=3), WhereExpression)
assert_type(Product.meta["size"] > 3, WhereExpression)

# On an instance it is the value.

product = Product({"name": "a"}, unit_price=2)
assert_type(product.name, str)
assert_type(product.unit_price, float)
assert_type(product.size, int | None)
assert_type(product.made, datetime)
assert_type(product.tags, list[str])
assert_type([each.street for each in product.others], list[str])
assert_type(product.plain, int)
product.size = 3
product.size = None
product.unit_price = 2.5
product.tags.append("x")
if product.home is not None:
    assert_type(product.home.street, str)

# Operations give instances of the model they are called on.

assert_type(Product.find(), list[Product])
assert_type(Product.find({"where": {"size": 3}}, limit=2), list[Product])
assert_type(Product.find(where=Product.size == 3, order=["name"]), list[Product])
assert_type(Product.all(), list[Product])
assert_type(Product.find_one(Product.size == 3), Product | None)
assert_type(Product.find_by_id(1), Product | None)
assert_type(Product.find_by_ids([1, 2]), list[Product])
assert_type(Product.create({"name": "a"}), Product)
assert_type(Product.create(name="a"), Product)
assert_type(Product.create(), Product)
assert_type(Product.create([{"name": "a"}, {"name": "b"}]), list[Product])
assert_type(Product.create(product), Product)
assert_type(Product.find_or_create({"where": {}}, {"name": "a"}), tuple[Product, bool])
assert_type(Product.upsert(name="a"), Product)
assert_type(Product.replace_by_id(1, {}), Product)
assert_type(Product.count({"size": 3}), int)
assert_type(Product.exists(1), bool)
assert_type(Product.update_all({}, {"size": 3}), int)
assert_type(Product.destroy_all(), int)
assert_type(product.save(), Product)
assert_type(product.patch_attributes(size=3), Product)
assert_type(product.reload(), Product)
assert_type(product.destroy(), int)
assert_type(product.is_valid(), bool)
assert_type(product.is_new_record(), bool)
assert_type(product.errors["name"], list[str])
assert_type(product.to_dict(), dict[str, Any])


# Relations give records of the other model.

volume, chapter = Volume(title="x"), Chapter(name="one")
assert_type(volume.chapters(), list[Chapter])
assert_type(volume.chapters(where=Chapter.name == "x", order="name", limit=2), list[Chapter])
assert_type(volume.chapters({"limit": 2}, refresh=True), list[Chapter])
assert_type([each.name for each in volume.chapters], list[str])
assert_type(volume.chapters.build(name="x"), Chapter)
assert_type(volume.chapters.create(name="x"), Chapter)
assert_type(volume.chapters.create({"name": "x"}), Chapter)
assert_type(volume.chapters.create(chapter), Chapter)
assert_type(volume.chapters.create([{"name": "x"}]), list[Chapter])
assert_type(volume.chapters.find_one(Chapter.name == "x"), Chapter | None)
assert_type(volume.chapters.find_by_id(1), Chapter | None)
assert_type(volume.chapters.update(1, name="x"), Chapter)
assert_type(volume.chapters.count(), int)
assert_type(volume.chapters.exists(chapter), bool)
assert_type(volume.chapters.destroy_all({"name": "x"}), int)
assert_type(volume.chapters.remove(chapter), int)
assert_type(volume.labels(), list[Label])
assert_type(volume.readers(), list[Label])
assert_type(volume.notes.create(text="x").text, str)
assert_type(volume.related.create(title="x"), Volume)
assert_type(volume.stamp(), Label | None)
assert_type(volume.cover(), Cover | None)
assert_type(volume.cover.create(color="red"), Cover)
assert_type(volume.cover.update(color="red").color, str)
assert_type(chapter.volume(), Volume | None)
assert_type(chapter.volume.create(title="x"), Volume)
assert_type(Cover(color="red").item(), Product | Address | None)
chapter.volume = volume
chapter.volume = None

assert_type(Chapter.volume.title == "x", WhereExpression)
assert_type(Chapter.volume.title, PropertyExpression[str])
assert_type(Chapter.volume.cover.color.like("r%"), WhereExpression)
assert_type(Volume.chapters.some(Chapter.name == "x"), WhereExpression)
assert_type(Volume.chapters.none(), WhereExpression)
assert_type(Chapter.volume.chapters.every({"name": "x"}), WhereExpression)
assert_type(Chapter.find(where=Chapter.volume.title == "x"), list[Chapter])


class Book(Product):
    pages: Prop[int]


assert_type(Book.find(), list[Book])
assert_type(Book.find()[0].unit_price, float)
assert_type(Book.extend("novel"), type[Book])
assert_type(Book.definition, ModelDefinition)
assert_type(Book.model_name, str)
assert_type(loop.model(Book), type[Book])

Color = create_model("color", {"name": str})
Shade = db.create_model("shade", {"name": str})
red = Color(name="red")
red.name.upper()


# A named scope is called like find, and knows whose records it gives.


class Member(Model):
    level: Prop[str]
    vip = scope(where={"level": "gold"})


assert_type(Member.vip(), list[Member])
assert_type(Member.vip(where=Member.level == "gold", limit=3), list[Member])
assert_type(Member.vip.count(), int)
assert_type(Member.vip.find_one(), Member | None)
assert_type(Member.vip.create(level="x"), Member)
assert_type(Member.vip.create([{"level": "x"}]), list[Member])
