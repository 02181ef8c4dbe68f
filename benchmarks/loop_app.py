"""The contestant: the same products as one model, exposed by Flask-Loop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Flask

from benchmarks import related as around
from benchmarks import tokens
from flask_loop import BelongsTo, Context, HasMany, Loop, Model, Prop, User, prop

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


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


class Member(User):
    """Somebody who has a token."""


class PrivateProduct(Product):
    """The same records, for members alone."""

    class Meta:
        http_path = tokens.PATH.removeprefix("/api")
        options: ClassVar = {name: {"table": "product"} for name in ("sqlite", "postgresql")}
        acls: ClassVar = [
            {"principalType": "ROLE", "principalId": "$authenticated", "permission": "ALLOW"}
        ]


@HookedProduct.before_remote("find_by_id")
def refuse_blocked(ctx: Context) -> None:
    if "X-Blocked" in ctx.req.headers:
        raise PermissionError("blocked")


@HookedProduct.after_remote("find_by_id")
def shout(ctx: Context, product: HookedProduct) -> None:
    product.name = product.name.upper()


def create_app(url: str, rows: Iterable[dict[str, Any]], *, related: bool = True) -> Flask:
    """Serve `rows` from an empty database.

    :param related: whether to serve the records around them as well.
    """
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
    if related:
        with app.app_context():
            Category.create(list(around.categories()))
            Order.create(list(around.orders()))
            Item.create(list(around.items()))
        add_private(app, url)
    return app


def add_private(app: Flask, url: str) -> None:
    """Let an app with users answer what is below the path of private products.

    It is an app of its own, so that the other rows are those of an app without users.
    """
    private = Flask(__name__)
    private.config["LOOP_DATA_SOURCES"] = {"db": {"url": url}}
    loop = Loop(private, url_prefix="/api")
    db = loop.data_source("db")
    for model in (Member, PrivateProduct):
        model.attach_to(db)
        loop.model(model)
    with private.app_context():
        db.auto_update([Member, Member.session])
        member = Member.create(email="ann@example.com")
        Member.session.create({"id": tokens.TOKEN, "user_id": member.id, "ttl": tokens.TTL})
    public = app.wsgi_app

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_private = environ["PATH_INFO"].startswith(tokens.PATH)
        return (private if is_private else public)(environ, start_response)

    app.wsgi_app = answer  # type: ignore[method-assign]
