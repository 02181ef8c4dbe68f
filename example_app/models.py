"""The guide's models: countries and cities as GeoNames has them, and the places that users add."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum
from hmac import compare_digest
from io import TextIOWrapper
from typing import Any, ClassVar

from flask import abort, current_app
from werkzeug.datastructures import FileStorage

from flask_loop import Context, GeoPoint, Loop, Model, Prop, prop, remote_method

loop = Loop(url_prefix="/api")
db = loop.data_source("db")

CODE = "^[A-Z]{2}$"
CONTINENTS = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"]
READ_ONLY = {
    "*": False,
    "find": True,
    "find_by_id": True,
    "find_one": True,
    "count": True,
    "exists": True,
}
"""What clients do with records that are not theirs."""


class Country(Model):
    """A country, under its ISO 3166 code; its location and time zone are those of its capital."""

    code: Prop[str] = prop(id=True, pattern=CODE)
    name: Prop[str] = prop(required=True, index=True)
    continent: Prop[str] = prop(enum=CONTINENTS, index=True)
    capital: Prop[str | None] = prop(default=None)
    location: Prop[GeoPoint | None] = prop(default=None)
    timezone: Prop[str | None] = prop(default=None)
    population: Prop[int] = prop(min=0, index=True)
    area_km2: Prop[float] = prop(min=0)
    currency: Prop[str | None] = prop(default=None)
    languages: Prop[list[str]] = prop()
    neighbours: Prop[list[str]] = prop()

    class Meta:
        """Kept in the guide's database."""

        data_source = db
        remoting = READ_ONLY


class City(Model):
    """A city, under its GeoNames id, with its names in every script."""

    id: Prop[int] = prop(id=True)
    name: Prop[str] = prop(required=True, index=True)
    country_code: Prop[str] = prop(pattern=CODE, index=True)
    population: Prop[int] = prop(min=0, index=True)
    timezone: Prop[str] = prop()
    location: Prop[GeoPoint | None] = prop(default=None, index=True)
    alternate_names: Prop[list[str]] = prop()

    class Meta:
        """Kept in the guide's database."""

        data_source = db
        remoting: ClassVar = {
            **READ_ONLY,
            "nearest": True,
            "prototype.nearby": True,
            "export": True,
        }

    @remote_method(http={"verb": "get"})
    @classmethod
    def nearest(cls, to: GeoPoint, limit: int = 10) -> list[dict[str, Any]]:
        """The cities around a point, the nearest first, with their distances."""
        if not 1 <= limit <= MOST_NEARBY:
            abort(400, f"limit is from 1 to {MOST_NEARBY}")
        return with_distances(to, cls.find(where={"location": {"near": to}}, limit=limit))

    @remote_method(http={"verb": "get"})
    def nearby(self, kilometers: float = 50) -> list[dict[str, Any]]:
        """The other cities within some kilometers of this one, the nearest first."""
        if kilometers < 0:
            abort(400, "kilometers is at least 0")
        if self.location is None:
            return []
        near = {"near": self.location, "maxDistance": kilometers, "unit": "kilometers"}
        where = {"location": near, "id": {"neq": self.id}}
        return with_distances(self.location, City.find(where=where, limit=MOST_NEARBY))

    @remote_method(http={"verb": "get"})
    @classmethod
    def export(cls, country_code: str) -> Iterator[City]:
        """All cities of a country, in the order of their ids."""
        last = 0
        while page := cls.find(
            where=(cls.country_code == country_code) & (cls.id > last), order="id", limit=PAGE
        ):
            yield from page
            last = page[-1].id


MOST_NEARBY = 100
PAGE = 500


def with_distances(here: GeoPoint, cities: Iterable[City]) -> list[dict[str, Any]]:
    return [
        {
            "id": city.id,
            "name": city.name,
            "countryCode": city.country_code,
            "kilometers": round(here.distance_to(city.location, "kilometers"), 1),
        }
        for city in cities
    ]


COLUMNS = ("name", "kind", "cityId", "location", "note", "rating", "email", "website")
"""What a client may write of a place; Python code may write all of it."""


class PlaceKind(Enum):
    """What there is to find."""

    CAFE = "cafe"
    RESTAURANT = "restaurant"
    HOTEL = "hotel"
    MUSEUM = "museum"
    PARK = "park"
    SHOP = "shop"
    SIGHT = "sight"


class Place(Model):
    """A place in a city that somebody recommends.

    Whoever does may leave an address for questions about it, which nobody gets to see.
    """

    name: Prop[str] = prop(required=True, max_length=80, index=True)
    kind: Prop[PlaceKind] = prop(index=True)
    city_id: Prop[int] = prop(min=1, index=True)
    location: Prop[GeoPoint | None] = prop(default=None)
    note: Prop[str | None] = prop(default=None, max_length=1000)
    rating: Prop[int | None] = prop(default=None, min=1, max=5)
    email: Prop[str | None] = prop(
        default=None, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$", write_only=True
    )
    website: Prop[str | None] = prop(default=None, max_length=200, pattern=r"^https?://\S+$")
    created: Prop[datetime] = prop(default_fn="now", read_only=True)

    class Meta:
        """Kept in the guide's database. Clients change one place at a time."""

        data_source = db
        remoting: ClassVar = {"update_all": False, "upsert_with_where": False}

    @remote_method(http={"path": "/import", "status": 201}, max_body=64 * 1024)
    @classmethod
    def import_csv(cls, file: FileStorage) -> list[Place]:
        """Add the places of a CSV file, all of them or none.

        Its first line names the columns as JSON has them, and its text is UTF-8.
        """
        rows = csv.DictReader(TextIOWrapper(file.stream, "utf-8-sig", newline=""))
        try:
            given = [{name: row[name] for name in COLUMNS if row.get(name)} for row in rows]
        except (UnicodeDecodeError, csv.Error) as error:
            abort(400, f"The file is no CSV in UTF-8: {error}.")
        return cls.create(given)


class Change(Model):
    """What happened to a place: the guide's history."""

    place_id: Prop[int] = prop(index=True)
    name: Prop[str]
    what: Prop[str] = prop(enum=["added", "changed", "deleted"])
    changed: Prop[list[str]] = prop(default=list)
    time: Prop[datetime] = prop(default_fn="now")

    class Meta:
        """Kept in the guide's database, in one transaction with the change."""

        data_source = db
        remoting = READ_ONLY


def is_in_a_known_city(place: Place) -> bool:
    return City.exists(place.city_id)


Place.validate("city_id", is_in_a_known_city, message="is not a city of this guide")


@Place.observe("after save")
def keep_in_history(ctx: Any) -> None:
    if ctx.instance is not None:
        what = "added" if ctx.is_new else "changed"
        add_to_history(ctx.instance, what, [] if ctx.is_new else sorted(ctx.data))


@Place.observe("after delete")
def keep_end_in_history(ctx: Any) -> None:
    if ctx.instance is not None:
        add_to_history(ctx.instance, "deleted", [])


def add_to_history(place: Place, what: str, changed: list[str]) -> None:
    Change.create(place_id=place.id, name=place.name, what=what, changed=changed)


@Place.before_remote("**")
def demand_the_key(ctx: Context) -> None:
    key = current_app.config["KEY"]
    if key is None or ctx.req.method in ("GET", "HEAD"):
        return
    if not compare_digest(ctx.req.headers.get("X-Key", "").encode(), str(key).encode()):
        raise PermissionError("send the key of this guide as X-Key")


@Country.after_remote("**")
@City.after_remote("**")
def let_it_be_cached(ctx: Context) -> None:
    ctx.res.headers["Cache-Control"] = "public, max-age=3600"


for model in (Country, City, Place, Change):
    loop.model(model)
