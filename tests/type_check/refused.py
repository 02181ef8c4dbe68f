"""What ``mypy --strict`` finds wrong: a line that ends with E and a code has that error."""

# ruff: noqa: B015, B018

from __future__ import annotations

from flask_loop import BelongsTo, HasMany, HasOne, Model, Prop, create_data_source, prop, relation


class Product(Model):
    name: Prop[str] = prop()
    unit_price: Prop[float] = prop(min=0)
    size: Prop[int | None]
    misspelt: Prop[str] = prop(requird=True)  # E: call-arg
    wrong: Prop[str] = prop(max_length="x")  # E: arg-type


class Chapter(Model):
    name: Prop[str]
    volume: BelongsTo[Volume] = relation(on_delet="cascade")  # E: call-arg


class Volume(Model):
    title: Prop[str]
    chapters: HasMany[Chapter]
    foreword: HasOne[Chapter]


product = Product()
product.unit_prize  # E: attr-defined
product.unit_price = "2"  # E: assignment
product.unit_price = None  # E: assignment
product.name.upper() + 1  # E: operator
product.size + 1  # E: operator
Product.unit_prize > 2  # E: attr-defined
Product.unit_price > "2"  # E: operator
Product.name < 5  # E: operator
Product.unit_price.in_(["a"])  # E: list-item
Product.find().name  # E: attr-defined
Product.find(were={})  # E: call-arg
Product.find_by_id(1).name  # E: union-attr
Product.create([{"name": "a"}]).name  # E: attr-defined
Product.create(3)  # E: call-overload
Product.attach_to("db")  # E: arg-type
Product({"name": "a"}, 3)  # E: call-arg
create_data_source("memory")  # E: arg-type
product.save().reload().missing()  # E: attr-defined
volume, chapter = Volume(), Chapter()
volume.chapters().name  # E: attr-defined
volume.chapters.title  # E: attr-defined
volume.chapters()[0].title  # E: attr-defined
volume.chapters(were={})  # E: call-arg
volume.chapters.create(name="x").title  # E: attr-defined
volume.chapters.create([{"name": "x"}]).name  # E: attr-defined
volume.chapters.create(3)  # E: call-overload
volume.chapters.find_by_id(1).name  # E: union-attr
volume.chapters = [chapter]  # E: assignment
volume.foreword = chapter  # E: assignment
volume.foreword().name  # E: union-attr
chapter.volume.title  # E: attr-defined
chapter.volume().title  # E: union-attr
chapter.volume = chapter  # E: assignment
Chapter.volume.titel == "x"  # E: attr-defined
Chapter.volume.title < 3  # E: operator
Volume.chapters.name == "x"  # E: attr-defined
Volume.chapters.some(3)  # E: arg-type
Volume.chapters.any(Chapter.name == "x")  # E: attr-defined
