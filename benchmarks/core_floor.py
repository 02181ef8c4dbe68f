"""Floor 2: a view written by hand on SQLAlchemy Core, Marshmallow and ``jsonify``.

This is the usual way with good libraries: a table, a schema made once for reading, writing and
errors, a statement built for each request, and the pool's transaction around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from weakref import finalize

import sqlalchemy as sa
from flask import Flask, Response, json, jsonify, request
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound

from benchmarks import core_related, tokens

table = sa.Table(
    "product",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("description", sa.String(500)),
    sa.Column("sku", sa.String(20), nullable=False),
    sa.Column("unit_price", sa.Float, nullable=False, index=True),
    sa.Column("stock", sa.Integer, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("category_id", sa.Integer),
)


class UtcDateTime(fields.AwareDateTime):
    """Aware on the wire, with milliseconds and a Z; naive and UTC in the database."""

    def _serialize(self, value: datetime | None, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.isoformat(timespec="milliseconds") + "Z"

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> datetime:
        moment = super()._deserialize(value, attr, data, **kwargs)
        return moment.astimezone(UTC).replace(tzinfo=None)


class ProductSchema(Schema):
    """The product's wire."""

    class Meta:
        """Unknown names are dropped."""

        unknown = EXCLUDE

    id = fields.Integer(dump_only=True)
    name = fields.String(required=True, validate=validate.Length(1, 80))
    description = fields.String(load_default=None, validate=validate.Length(max=500))
    sku = fields.String(required=True, validate=validate.Length(1, 20))
    unit_price = fields.Float(required=True, data_key="unitPrice", validate=validate.Range(0))
    stock = fields.Integer(required=True, strict=True, validate=validate.Range(0))
    active = fields.Boolean(required=True, truthy={True}, falsy={False})
    created = UtcDateTime(required=True)
    category_id = fields.Integer(
        load_default=None, data_key="categoryId", strict=True, validate=validate.Range(1)
    )


schema = ProductSchema()

SEARCHED = {"id": table.c.id, "stock": table.c.stock, "unitPrice": table.c.unit_price}
COMPARISONS = {
    "gt": sa.Column.__gt__,
    "gte": sa.Column.__ge__,
    "lt": sa.Column.__lt__,
    "lte": sa.Column.__le__,
}
DIRECTIONS = {"": sa.asc, "ASC": sa.asc, "DESC": sa.desc}
MAX_LIMIT = 1000


def create_app(url: str, rows: Iterable[dict[str, Any]], *, related: bool = True) -> Flask:
    """Serve `rows` from an empty database.

    :param related: whether to serve the records around them as well.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    engine = make_engine(url)
    finalize(app, engine.dispose)
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), schema.load(list(rows), many=True))
    if related:
        core_related.fill(engine)
        core_related.add_orders(app, engine)

    @app.get("/api/products")
    def find() -> Response:
        statement, with_category = list_statement(request.args.get("filter"))
        with engine.connect() as connection:
            found = schema.dump(connection.execute(statement).mappings().all(), many=True)
            if with_category:
                core_related.add_categories(connection, found)
        return jsonify(found)

    @app.get("/api/products/<int:id>")
    def find_by_id(id: int) -> Response:
        with engine.connect() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == id)).mappings().first()
        if row is None:
            raise NotFound(f'Unknown "product" id "{id}".')
        return jsonify(schema.dump(row))

    @app.get("/api/hooked/<int:id>")
    def find_hooked(id: int) -> Response:
        if "X-Blocked" in request.headers:
            raise Forbidden("blocked")
        with engine.connect() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == id)).mappings().first()
        if row is None:
            raise NotFound(f'Unknown "product" id "{id}".')
        return jsonify(schema.dump({**row, "name": row["name"].upper()}))

    @app.get(f"{tokens.PATH}/<int:id>")
    def find_private(id: int) -> Response:
        tokens.holder()
        return find_by_id(id)

    @app.post("/api/products")
    def create() -> Response:
        values = schema.load(body())
        with engine.begin() as connection:
            result = connection.execute(table.insert().values(values))
        return jsonify(schema.dump({"id": result.inserted_primary_key[0], **values}))

    @app.patch("/api/products/<int:id>")
    def patch(id: int) -> Response:
        values = schema.load(body(), partial=True)
        if not values:
            return find_by_id(id)
        statement = table.update().where(table.c.id == id).values(values).returning(table)
        with engine.begin() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound(f'Unknown "product" id "{id}".')
        return jsonify(schema.dump(row))

    @app.errorhandler(ValidationError)
    def refuse_invalid(error: ValidationError) -> tuple[Response, int]:
        return refusal(422, error, "The product is not valid.", {"messages": error.messages})

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> tuple[Response, int]:
        return refusal(error.code or 500, error, error.description)

    return app


def make_engine(url: str) -> sa.Engine:
    if not url.startswith("sqlite:"):
        return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")

    return engine


def refusal(
    status: int, error: Exception, message: str | None, details: object = None
) -> tuple[Response, int]:
    name = type(error).__name__
    body = {"statusCode": status, "name": name, "message": message, "details": details}
    return jsonify({"error": body}), status


def list_statement(text: str | None) -> tuple[sa.Select[Any], bool]:
    """Read the filters that this view knows: ranges of three columns, order by one, a limit.

    The last part says whether the category is included.
    """
    statement = sa.select(table)
    try:
        filter = json.loads(text or "{}")
        unknown = filter.keys() - {"where", "order", "limit", "include"}
        include = filter.get("include")
        for name, comparisons in filter.get("where", {}).items():
            for comparison, value in comparisons.items():
                if type(value) not in (int, float):
                    raise BadRequest(f"where.{name}.{comparison} is not a number")
                statement = statement.where(COMPARISONS[comparison](SEARCHED[name], value))
        name, _, direction = filter.get("order", "id").partition(" ")
        statement = statement.order_by(DIRECTIONS[direction.upper()](SEARCHED[name]))
    except (AttributeError, KeyError, ValueError) as error:
        raise BadRequest("filter is not understood") from error
    limit = filter.get("limit", MAX_LIMIT)
    unknown |= {include} - {None, "category"}
    if unknown or type(limit) is not int or not 0 <= limit <= MAX_LIMIT:
        raise BadRequest(f"filter takes where, order, and a limit up to {MAX_LIMIT}")
    if name != "id":
        statement = statement.order_by(table.c.id)
    return statement.limit(limit), include is not None


def body() -> dict[str, Any]:
    data = request.get_json()
    if type(data) is not dict:
        raise BadRequest("the body is not an object")
    return data
