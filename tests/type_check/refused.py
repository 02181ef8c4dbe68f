"""What ``mypy --strict`` finds wrong: a line that ends with E and a code has that error."""

# ruff: noqa: B015, B018

from __future__ import annotations

from flask_loop import Model, Prop, create_data_source, prop


class Product(Model):
    name: Prop[str] = prop()
    unit_price: Prop[float] = prop(min=0)
    size: Prop[int | None]
    misspelt: Prop[str] = prop(requird=True)  # E: call-arg
    wrong: Prop[str] = prop(max_length="x")  # E: arg-type


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
