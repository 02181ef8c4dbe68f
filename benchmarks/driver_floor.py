"""Floor 1: a view written by hand on the database's driver and orjson.

It does what a careful author does for this one table and no more: one connection a thread, one
statement a request, bound values, every property of a body checked, errors by property, 404s, and
JSON bytes straight into the response. What drivers differ in is in :mod:`benchmarks.drivers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    NotFound,
    UnprocessableEntity,
    UnsupportedMediaType,
)

from benchmarks import driver_related, tokens
from benchmarks.drivers import Driver, driver_of

TABLE = """
    CREATE TABLE product (
        id {id},
        name TEXT NOT NULL,
        description TEXT,
        sku TEXT NOT NULL,
        unit_price {number} NOT NULL,
        stock INTEGER NOT NULL,
        active {boolean} NOT NULL,
        created {date} NOT NULL,
        category_id INTEGER
    )
"""
INDEX = "CREATE INDEX product_unit_price ON product (unit_price)"
COLUMNS = {
    "name": "name",
    "description": "description",
    "sku": "sku",
    "unitPrice": "unit_price",
    "stock": "stock",
    "active": "active",
    "created": "created",
    "categoryId": "category_id",
}
ALL_COLUMNS = ", ".join(["id", *COLUMNS.values()])
SELECT = f"SELECT {ALL_COLUMNS} FROM product"

SEARCHED = {"id": "id", "stock": "stock", "unitPrice": "unit_price"}
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
DIRECTIONS = {"": "ASC", "ASC": "ASC", "DESC": "DESC"}
MAX_LIMIT = 1000


def create_app(url: str, rows: Iterable[dict[str, Any]]) -> Flask:
    """Serve `rows` from an empty database."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    driver = driver_of(url, app)
    driver.make(TABLE, INDEX)
    driver.fill("product", COLUMNS.values(), ([row[name] for name in COLUMNS] for row in rows))
    driver_related.fill(driver)
    driver_related.add_orders(app, driver)

    insertion = driver.insertion("product", COLUMNS.values())
    selection = f"{SELECT} WHERE id = {driver.mark}"

    @app.get("/api/products")
    def find() -> Response:
        return answer(read(driver, *list_statement(request.args.get("filter"), driver.mark)))

    @app.get("/api/products/<int:id>")
    def find_by_id(id: int) -> Response:
        row = driver.connection().execute(selection, (id,)).fetchone()
        if row is None:
            raise NotFound(f'Unknown "product" id "{id}".')
        return answer(record(row))

    @app.get("/api/hooked/<int:id>")
    def find_hooked(id: int) -> Response:
        if "X-Blocked" in request.headers:
            raise Forbidden("blocked")
        row = driver.connection().execute(selection, (id,)).fetchone()
        if row is None:
            raise NotFound(f'Unknown "product" id "{id}".')
        found = record(row)
        found["name"] = found["name"].upper()
        return answer(found)

    @app.get(f"{tokens.PATH}/<int:id>")
    def find_private(id: int) -> Response:
        tokens.holder()
        return find_by_id(id)

    @app.post("/api/products")
    def create() -> Response:
        values = load(body())
        return answer({"id": driver.insert(insertion, list(values.values())), **values})

    @app.patch("/api/products/<int:id>")
    def patch(id: int) -> Response:
        values = load(body(), partial=True)
        if not values:
            return find_by_id(id)
        mark = driver.mark
        changes = ", ".join(f"{COLUMNS[name]} = {mark}" for name in values)
        sql = f"UPDATE product SET {changes} WHERE id = {mark} RETURNING {ALL_COLUMNS}"
        row = driver.update(sql, [*values.values(), id])
        if row is None:
            raise NotFound(f'Unknown "product" id "{id}".')
        return answer(record(row))

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        status = error.code or 500
        body: dict[str, Any] = {
            "statusCode": status,
            "name": type(error).__name__,
            "message": error.description,
        }
        if isinstance(error, InvalidProduct):
            body["details"] = {"messages": error.messages}
        return answer({"error": body}, status)

    return app


class InvalidProduct(UnprocessableEntity):
    """What is wrong with a body, by property."""

    description = "The product is not valid."

    def __init__(self, messages: dict[str, list[str]]) -> None:
        super().__init__()
        self.messages = messages


def answer(data: object, status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, mimetype="application/json")


def read(
    driver: Driver, sql: str, values: list[float], with_category: bool
) -> list[dict[str, Any]]:
    found = [record(row) for row in driver.connection().execute(sql, values)]
    if with_category:
        driver_related.add_categories(driver, found)
    return found


def record(row: tuple[Any, ...]) -> dict[str, Any]:
    id, name, description, sku, unit_price, stock, active, created, category_id = row
    return {
        "id": id,
        "name": name,
        "description": description,
        "sku": sku,
        "unitPrice": unit_price,
        "stock": stock,
        "active": active == 1,
        "created": created,
        "categoryId": category_id,
    }


def list_statement(text: str | None, mark: str) -> tuple[str, list[float], bool]:
    """Read the filters that this view knows: ranges of three columns, order by one, a limit.

    The last part says whether the category is included.
    """
    try:
        filter = orjson.loads(text or "{}")
        unknown = filter.keys() - {"where", "order", "limit", "include"}
        include = filter.get("include")
        conditions, values = where_clause(filter.get("where", {}), mark)
        name, _, direction = filter.get("order", "id").partition(" ")
        order = f"{SEARCHED[name]} {DIRECTIONS[direction.upper()]}"
    except (AttributeError, KeyError, ValueError) as error:
        raise BadRequest("filter is not understood") from error
    limit = filter.get("limit", MAX_LIMIT)
    unknown |= {include} - {None, "category"}
    if unknown or type(limit) is not int or not 0 <= limit <= MAX_LIMIT:
        raise BadRequest(f"filter takes where, order, and a limit up to {MAX_LIMIT}")
    if name != "id":
        order += ", id"
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"{SELECT} {where} ORDER BY {order} LIMIT {mark}"
    return sql, [*values, limit], include is not None


def where_clause(where: dict[str, dict[str, float]], mark: str) -> tuple[list[str], list[float]]:
    conditions = []
    values = []
    for name, comparisons in where.items():
        for comparison, value in comparisons.items():
            if type(value) not in (int, float):
                raise BadRequest(f"where.{name}.{comparison} is not a number")
            conditions.append(f"{SEARCHED[name]} {COMPARISONS[comparison]} {mark}")
            values.append(value)
    return conditions, values


def body() -> dict[str, Any]:
    if not request.is_json:
        raise UnsupportedMediaType("send application/json")
    try:
        data = orjson.loads(request.get_data(cache=False))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if type(data) is not dict:
        raise BadRequest("the body is not an object")
    return data


def load(data: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """The checked values of a body, in the order of the columns; unknown names are dropped."""
    values = {}
    messages = {}
    for name, check in CHECKS.items():
        if name not in data and partial:
            continue
        try:
            values[name] = check(data.get(name))
        except (OverflowError, ValueError) as error:
            messages[name] = [str(error)]
    if messages:
        raise InvalidProduct(messages)
    return values


Check = Callable[[Any], Any]


def text(most: int, *, blank: bool = True) -> Check:
    def check(value: Any) -> str:
        if type(value) is not str or "\0" in value:
            raise ValueError("is not a text")
        if len(value) > most:
            raise ValueError("is too long")
        if not value and not blank:
            raise ValueError("can't be blank")
        return value

    return check


def integer(least: int) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not least <= value < 2**63:
            raise ValueError(f"is not an integer from {least}")
        return value

    return check


def number(least: float) -> Check:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not least <= value < math.inf:
            raise ValueError(f"is not a number from {least}")
        return float(value)

    return check


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("is not a boolean")
    return value


def date(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("is not a date")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


CHECKS = {
    "name": text(80, blank=False),
    "description": optional(text(500)),
    "sku": text(20, blank=False),
    "unitPrice": number(0),
    "stock": integer(0),
    "active": boolean,
    "created": date,
    "categoryId": optional(integer(1)),
}
