"""Floor 1: a view written by hand on the database's driver and orjson.

It does what a careful author does for this one model and no more: every property of a body checked,
errors by property, 404s, and JSON bytes straight into the response. What it asks of its database is
in :mod:`benchmarks.store`.
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

from benchmarks import tokens
from benchmarks.store import SEARCHED, Product, Query, Store, store_of

COMPARISONS = ("gt", "gte", "lt", "lte")
DIRECTIONS = {"": False, "ASC": False, "DESC": True}
MAX_LIMIT = 1000


def create_app(url: str, rows: Iterable[Product], *, related: bool = True) -> Flask:
    """Serve `rows` from an empty database.

    :param related: whether to serve the records around them as well.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    store = store_of(url, app)
    store.fill(rows)
    if related:
        store.serve_related(app)

    @app.get("/api/products")
    def find() -> Response:
        return answer(store.find(query(request.args.get("filter"), store)))

    @app.get("/api/products/<int:id>")
    def find_by_id(id: int) -> Response:
        return answer(found(store.find_one(id), id))

    @app.get("/api/hooked/<int:id>")
    def find_hooked(id: int) -> Response:
        if "X-Blocked" in request.headers:
            raise Forbidden("blocked")
        product = found(store.find_one(id), id)
        product["name"] = product["name"].upper()
        return answer(product)

    @app.get(f"{tokens.PATH}/<int:id>")
    def find_private(id: int) -> Response:
        tokens.holder()
        return find_by_id(id)

    @app.post("/api/products")
    def create() -> Response:
        values = load(body())
        return answer({"id": store.insert(values), **values})

    @app.patch("/api/products/<int:id>")
    def patch(id: int) -> Response:
        changes = load(body(), partial=True)
        if not changes:
            return find_by_id(id)
        return answer(found(store.update(id, changes), id))

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


def found(product: Product | None, id: int) -> Product:
    if product is None:
        raise NotFound(f'Unknown "product" id "{id}".')
    return product


def query(text: str | None, store: Store) -> Query:
    """Read the filters that this view knows: ranges of three properties, order by one, a limit."""
    try:
        filter = orjson.loads(text or "{}")
        unknown = filter.keys() - {"where", "order", "limit", "include"}
        include = filter.get("include")
        ranges = [
            bound(name, comparison, value)
            for name, comparisons in filter.get("where", {}).items()
            for comparison, value in comparisons.items()
        ]
        name, _, direction = filter.get("order", "id").partition(" ")
        descending = DIRECTIONS[direction.upper()]
    except (AttributeError, KeyError, ValueError) as error:
        raise BadRequest("filter is not understood") from error
    limit = filter.get("limit", MAX_LIMIT)
    unknown |= {include} - {None, *store.includes}
    if unknown or type(limit) is not int or not 0 <= limit <= MAX_LIMIT or name not in SEARCHED:
        raise BadRequest(f"filter takes where, order, and a limit up to {MAX_LIMIT}")
    return Query(ranges, name, descending, limit, include is not None)


def bound(name: str, comparison: str, value: Any) -> tuple[str, str, float]:
    if name not in SEARCHED or comparison not in COMPARISONS:
        raise BadRequest(f"where.{name}.{comparison} is not understood")
    if type(value) not in (int, float):
        raise BadRequest(f"where.{name}.{comparison} is not a number")
    return name, comparison, value


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
