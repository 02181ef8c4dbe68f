"""The products in Redis, on redis-py: a hash for each, and a sorted set for what lists look for.

One command or one script a request. A property that is null is not in the hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any
from weakref import finalize

import redis

from benchmarks.store import PROPERTIES, SEARCHED, Product, Query, Store

LAST_ID = "product:last"
INDEXES = {name: f"product:by:{name}" for name in SEARCHED}
_MEMBERS = ", ".join(f"'{name}'" for name in PROPERTIES)

INSERT = f"""
local id = redis.call('INCR', '{LAST_ID}')
redis.call('HSET', 'product:' .. id, unpack(ARGV, 3))
redis.call('ZADD', '{INDEXES["id"]}', id, id)
redis.call('ZADD', '{INDEXES["stock"]}', ARGV[1], id)
redis.call('ZADD', '{INDEXES["unitPrice"]}', ARGV[2], id)
return id
"""

#: Takes the id, how many properties become null, their names, and names and values of the others.
UPDATE = f"""
local key = 'product:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then
    return nil
end
local first = 3 + ARGV[2]
if first > 3 then
    redis.call('HDEL', key, unpack(ARGV, 3, first - 1))
end
for i = first, #ARGV, 2 do
    redis.call('HSET', key, ARGV[i], ARGV[i + 1])
    if ARGV[i] == 'stock' or ARGV[i] == 'unitPrice' then
        redis.call('ZADD', 'product:by:' .. ARGV[i], ARGV[i + 1], ARGV[1])
    end
end
return redis.call('HMGET', key, {_MEMBERS})
"""

#: Takes the sorted set, its first and last score, REV or nothing, the limit, and bounds: a place in
#: a record, gt, gte, lt or lte, and a number. Those of equal score come by their ids.
SELECT = f"""
local limit, found, group, score = tonumber(ARGV[5]), {{}}, {{}}, nil

local holds = {{
    gt = function(a, b) return a > b end,
    gte = function(a, b) return a >= b end,
    lt = function(a, b) return a < b end,
    lte = function(a, b) return a <= b end,
}}

local function add_group()
    table.sort(group)
    for _, id in ipairs(group) do
        if #found == limit then
            return
        end
        local record = redis.call('HMGET', 'product:' .. id, {_MEMBERS})
        record[#record + 1] = id
        local is_wanted = true
        for i = 6, #ARGV, 3 do
            local value = tonumber(record[tonumber(ARGV[i])])
            is_wanted = is_wanted and holds[ARGV[i + 1]](value, tonumber(ARGV[i + 2]))
        end
        if is_wanted then
            found[#found + 1] = record
        end
    end
    group = {{}}
end

local offset, page = 0, limit + 50
while #found < limit do
    local range = {{ARGV[1], ARGV[2], ARGV[3], 'BYSCORE'}}
    if ARGV[4] ~= '' then
        range[#range + 1] = ARGV[4]
    end
    for _, word in ipairs({{'LIMIT', offset, page, 'WITHSCORES'}}) do
        range[#range + 1] = word
    end
    local members = redis.call('ZRANGE', unpack(range))
    for i = 1, #members, 2 do
        if members[i + 1] ~= score then
            add_group()
            score = members[i + 1]
        end
        group[#group + 1] = tonumber(members[i])
    end
    if #members < 2 * page then
        add_group()
        break
    end
    offset = offset + page
end
return found
"""

#: Where a record of :data:`SELECT` has what may be looked for, from 1.
PLACES = {**{name: place for place, name in enumerate(PROPERTIES, 1)}, "id": len(PROPERTIES) + 1}
_LOWER = {"gt": "(", "gte": ""}
_UPPER = {"lt": "(", "lte": ""}


class RedisStore(Store):
    """Hashes and sorted sets."""

    def __init__(self, url: str, owner: object) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True)
        finalize(owner, self._client.close)
        self._insert = self._client.register_script(INSERT)
        self._update = self._client.register_script(UPDATE)
        self._select = self._client.register_script(SELECT)

    def fill(self, products: Iterable[Product]) -> None:
        with self._client.pipeline(transaction=False) as pipeline:
            for product in products:
                self._insert(args=insertion(product), client=pipeline)
            pipeline.execute()

    def find_one(self, id: int) -> Product | None:
        found: Any = self._client.hmget(f"product:{id}", PROPERTIES)
        return record(found, id) if found[0] is not None else None

    def find(self, query: Query) -> list[Product]:
        if not query.limit:
            return []
        lowest, highest = "-inf", "+inf"
        bounds: list[Any] = []
        for name, comparison, value in query.ranges:
            if name == query.order and comparison in _LOWER and lowest == "-inf":
                lowest = f"{_LOWER[comparison]}{value!r}"
            elif name == query.order and comparison in _UPPER and highest == "+inf":
                highest = f"{_UPPER[comparison]}{value!r}"
            else:
                bounds += [PLACES[name], comparison, repr(value)]
        span: list[Any] = [highest, lowest, "REV"] if query.descending else [lowest, highest, ""]
        rows = self._select(args=[INDEXES[query.order], *span, query.limit, *bounds])
        return [record(row, int(row[-1])) for row in rows]

    def insert(self, product: Product) -> int:
        return int(self._insert(args=insertion(product)))

    def update(self, id: int, changes: Product) -> Product | None:
        gone = [name for name, value in changes.items() if value is None]
        found = self._update(args=[id, len(gone), *gone, *members(changes)])
        return None if found is None else record(found, id)


def insertion(product: Product) -> list[Any]:
    """The arguments of :data:`INSERT`."""
    return [product["stock"], repr(product["unitPrice"]), *members(product)]


def members(product: Product) -> Iterable[Any]:
    """Names and values of what a hash has of a product, or of some of its properties."""
    texts = ((name, text(value)) for name, value in product.items() if value is not None)
    return chain.from_iterable(texts)


def text(value: Any) -> Any:
    return int(value) if value is True or value is False else value


def record(found: Sequence[Any], id: int) -> Product:
    name, description, sku, unit_price, stock, active, created, category_id = found[:8]
    return {
        "id": id,
        "name": name,
        "description": description,
        "sku": sku,
        "unitPrice": float(unit_price),
        "stock": int(stock),
        "active": active == "1",
        "created": created,
        "categoryId": None if category_id is None else int(category_id),
    }
