"""The requests, the answers that all contestants must agree on, and the CPU time of each.

How it is measured: the requests of a batch are made beforehand, the same for every contestant; then
the WSGI app is called for each and its answer consumed, and the CPU time of the process (user and
system, so the time that SQLite spends is in it, the time that a disk or a server makes it wait is
not) is divided by their number. What a database server spends is not in it: it is another process,
and does much the same for all contestants. These take turns within a round, in another order each
round, so that what disturbs the machine disturbs all of them.

How to read it: ``µs`` is the median over the rounds, with the lowest and highest round beside it.
``×`` is the median over the rounds of the ratio to the ``driver`` floor in the same round; 1.00 is
as fast as the view written by hand on the driver. A row whose lowest and highest are far apart says
that the machine was busy: run it again, or with more ``--rounds``.
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from benchmarks import tokens
from benchmarks.products import PRICES, ROWS, STOCKS, price, product
from benchmarks.related import ORDERS
from benchmarks.wsgi import Answer, Request, call

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

FLOOR = "driver"


def get_one(rng: random.Random, rows: int) -> Request:
    return Request("GET", f"/api/products/{rng.randint(1, rows)}")


def list_20(rng: random.Random, rows: int) -> Request:
    where = {
        "unitPrice": {"gte": 10.5, "lt": round(rng.uniform(100, PRICES[1]), 2)},
        "stock": {"gt": rng.randint(0, STOCKS[1] // 2)},
    }
    return find({"where": where, "order": "unitPrice DESC", "limit": 20})


def list_100(rng: random.Random, rows: int) -> Request:
    return find({"where": {"id": {"gt": rng.randrange(rows - 100)}}, "order": "id", "limit": 100})


def create(rng: random.Random, rows: int) -> Request:
    return Request("POST", "/api/products", body=orjson.dumps(product(rng)))


def patch(rng: random.Random, rows: int) -> Request:
    changes = {"unitPrice": price(rng), "stock": rng.randint(*STOCKS)}
    return Request("PATCH", f"/api/products/{rng.randint(1, rows)}", body=orjson.dumps(changes))


def hooked(rng: random.Random, rows: int) -> Request:
    return Request("GET", f"/api/hooked/{rng.randint(1, rows)}")


def with_token(rng: random.Random, rows: int) -> Request:
    return Request("GET", f"{tokens.PATH}/{rng.randint(1, rows)}", token=tokens.TOKEN)


def include_one(rng: random.Random, rows: int) -> Request:
    where = {"id": {"gt": rng.randrange(rows - 20)}}
    return find({"where": where, "order": "id", "limit": 20, "include": "category"})


def include_many(rng: random.Random, rows: int) -> Request:
    where = {"id": {"gt": rng.randrange(ORDERS - 20)}}
    return find({"where": where, "limit": 20, "include": "items"}, "/api/orders")


def find(filter: dict[str, Any], path: str = "/api/products") -> Request:
    """The filter as a browser sends it, percent-encoded."""
    text = json.dumps(filter, separators=(",", ":"))
    return Request("GET", path, "filter=" + quote(text, safe="!'()*"))


#: What makes a request of each row, with the number of products that there were at first.
Makers = Mapping[str, Callable[[random.Random, int], Request]]
PRODUCTS: Makers = {
    "get one": get_one,
    "list 20": list_20,
    "list 100": list_100,
    "create": create,
    "patch": patch,
}
RELATED: Makers = {
    "hooked": hooked,
    "with token": with_token,
    "20 with one": include_one,
    "20 with 10": include_many,
}


def measured(*, related: bool) -> Makers:
    """The rows of the table.

    :param related: whether with those of hooks, tokens and the records around the products.
    """
    return {**PRODUCTS, **RELATED} if related else PRODUCTS


def refused(*, related: bool) -> Iterator[Request]:
    """Requests that a careful view refuses.

    :param related: as :func:`measured` takes it.
    """
    valid = product(random.Random(0))
    yield Request("GET", "/api/products/99999999")
    yield Request("GET", "/api/products/none")
    yield Request("PATCH", "/api/products/99999999", body=b'{"stock": 1}')
    yield Request("GET", "/api/products", "filter={")
    yield find({"where": {"stock": {"about": 1}}})
    yield find({"where": {"weight": {"gt": 1}}})
    yield find({"limit": -1})
    yield find({"limit": 1001})
    yield find({"include": "weight"})
    yield Request("POST", "/api/products", body=b"{")
    yield Request("PATCH", "/api/products/1", body=b'{"stock": -1, "name": null}')
    for wrong in (
        {"name": ""},
        {"name": "x" * 81, "unitPrice": -0.01},
        {"name": 1, "sku": None, "unitPrice": "dear", "stock": 1.5, "active": "yes"},
        {"created": "today", "categoryId": 0, "description": 5},
    ):
        yield Request("POST", "/api/products", body=orjson.dumps(valid | wrong))
    yield Request("POST", "/api/products", body=b"{}")
    if related:
        yield Request("GET", f"{tokens.PATH}/1")
        yield Request("GET", f"{tokens.PATH}/1", token="wrong")
        yield Request("GET", f"{tokens.PATH}/99999999", token=tokens.TOKEN)
        yield find({"include": "weight"}, "/api/orders")


def seldom(rows: int) -> Iterator[Request]:
    """Requests that are not measured, but that a careful view answers."""
    yield find({"limit": 0})
    yield find({"limit": 3})
    yield find({"order": "stock DESC", "limit": 50})
    yield find({"where": {"stock": {"gte": 5, "lte": 7}}, "order": "stock", "limit": 50})
    yield find({"where": {"id": {"gt": rows - 30, "lt": rows}}, "order": "unitPrice"})
    yield find({"where": {"unitPrice": {"gt": 2000}}})
    yield Request("PATCH", "/api/products/2", body=b"{}")
    yield Request("PATCH", "/api/products/2", body=b'{"description": null, "categoryId": null}')
    yield Request("PATCH", "/api/products/2", body=b'{"description": "", "active": false}')
    yield Request("GET", "/api/products/2")


def check_answers(
    apps: dict[str, WSGIApplication],
    seed: int,
    count: int = 20,
    *,
    rows: int = ROWS,
    related: bool = True,
) -> int:
    """Ask all contestants the same, and compare their answers to the floor's.

    Compared are status, type and, modulo the order of keys, the bytes; of a refusal the status and
    the properties that it names.

    :param rows: the number of products that there were at first.
    :param related: as :func:`measured` takes it.
    :raises AssertionError: naming the request and both answers.
    :returns: the number of requests that were compared.
    """
    rng = random.Random(seed)
    makers = measured(related=related).values()
    asked = [make(rng, rows) for make in makers for _ in range(count)]
    asked += [*seldom(rows), *refused(related=related)]
    for request in asked:
        answers = {name: comparable(call(app, request.environ())) for name, app in apps.items()}
        expected = answers[FLOOR]
        for name, answer in answers.items():
            if answer != expected:
                raise AssertionError(f"{request}\n{FLOOR}: {expected!r}\n{name}: {answer!r}")
    return len(asked)


def comparable(answer: Answer) -> tuple[str, str | None, bytes]:
    status, headers, body = answer
    content_type = next((value for name, value in headers if name == "Content-Type"), "")
    content_type = content_type.partition(";")[0]
    data = orjson.loads(body)
    if status >= "4":
        details = data["error"].get("details") or {}
        data = [data["error"]["statusCode"], sorted(details.get("messages", ()))]
    return status, content_type, orjson.dumps(canonical(data), option=orjson.OPT_SORT_KEYS)


def canonical(data: Any) -> Any:
    """JSON values with 5.0 written as 5: they are one number, as JavaScript writes it."""
    if isinstance(data, dict):
        return {key: canonical(value) for key, value in data.items()}
    if isinstance(data, list):
        return [canonical(value) for value in data]
    return int(data) if isinstance(data, float) and data.is_integer() else data


@dataclass
class Measured:
    """The CPU time of one contestant on one row, in µs per request, one value a round."""

    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.rounds)

    def ratio(self, floor: Measured) -> float:
        """The median of the rounds' ratios to `floor`."""
        return median(own / its for own, its in zip(self.rounds, floor.rounds, strict=True))


Results = dict[str, dict[str, Measured]]


def measure(
    apps: dict[str, WSGIApplication],
    *,
    rounds: int,
    batch: int,
    products: int = ROWS,
    related: bool = True,
    progress: Callable[[], object] = lambda: None,
) -> Results:
    """Measure each contestant on each row, `rounds` times a batch of `batch` requests.

    One round before them warms up and is not counted.

    :param products: the number of them that there were at first.
    :param related: as :func:`measured` takes it.
    :param progress: is called after each round.
    """
    makers = measured(related=related)
    results: Results = {row: {name: Measured() for name in apps} for row in makers}
    names = list(apps)
    for turn in range(rounds + 1):
        rng = random.Random(turn)
        for row, make in makers.items():
            requests = [make(rng, products) for _ in range(batch)]
            for name in names:
                spent = cpu_time(apps[name], requests)
                if turn:
                    results[row][name].rounds.append(spent)
        names.append(names.pop(0))
        progress()
    return results


def cpu_time(app: WSGIApplication, requests: list[Request]) -> float:
    """µs of CPU per request."""
    environs = [request.environ() for request in requests]
    gc.collect()
    gc.freeze()  # the other contestants' objects are not this one's garbage to look through
    begun = time.process_time_ns()
    for environ in environs:
        status, _, _ = call(app, environ)
        if status[0] != "2":
            raise AssertionError(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}: {status}")
    spent = time.process_time_ns() - begun
    gc.unfreeze()
    return spent / len(requests) / 1000
