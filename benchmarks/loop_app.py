"""The contestant: the same products as one model, exposed by Flask-Loop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from flask import Flask

from benchmarks import related
from flask_loop import BelongsTo, Context, HasMany, Loop, Model, Prop, prop


class Category(Model):
    """What products belong to."""

    name: Prop[str]
    description: Prop[str | None]


class Product(Model):
    """What the floors' tables, schemas and checks say, said once."""

    name: Prop[str] = prop(required=True, max_length=80)
    description: Prop[str | None] = prop(default=None, max_length=500)
    sku: Prop[str] = prop(required=True, max_length=20)
    unit_price: Prop[float] = prop(min=0, index=True)
    stock: Prop[int] = prop(min=0)
    active: Prop[bool] = prop()
    created: Prop[datetime] = prop()
    category_id: Prop[int | None] = prop(default=None, min=1)
    category: BelongsTo[Category]


class Order(Model):
    """An order with its items."""

    customer: Prop[str]
    paid: Prop[bool]
    items: HasMany[Item]


class Item(Model):
    """A line of an order."""

    sku: Prop[str]
    quantity: Prop[int]
    unit_price: Prop[float]


class HookedProduct(Product):
    """The same records, with a hook before and one after each method."""

    class Meta:
        http_path = "hooked"
        options: ClassVar = {name: {"table": "product"} for name in ("sqlite", "postgresql")}


@HookedProduct.before_remote("find_by_id")
def refuse_blocked(ctx: Context) -> None:
    if "X-Blocked" in ctx.req.headers:
        raise PermissionError("blocked")


@HookedProduct.after_remote("find_by_id")
def shout(ctx: Context, product: HookedProduct) -> None:
    product.name = product.name.upper()


def create_app(url: str, rows: Iterable[dict[str, Any]]) -> Flask:
    """Serve `rows` from an empty database."""
    app = Flask(__name__)
    app.config["LOOP_DATA_SOURCES"] = {"db": {"url": url}}
    loop = Loop(app, url_prefix="/api")
    db = loop.data_source("db")
    for model in (Product, HookedProduct, Category, Order, Item):
        model.attach_to(db)
        loop.model(model)
    with app.app_context():
        db.auto_update([Product, Category, Order, Item])
        Product.create(list(rows))
        Category.create(list(related.categories()))
        Order.create(list(related.orders()))
        Item.create(list(related.items()))
    return app
