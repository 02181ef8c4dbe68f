"""The guide's models: countries and cities as GeoNames has them, and what users add to them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum
from io import TextIOWrapper
from typing import Any, ClassVar

from flask import abort
from werkzeug.datastructures import FileStorage

from example_app.members import Contribution, Member
from example_app.sources import db, loop
from flask_loop import (
    BelongsTo,
    Context,
    EmbedsMany,
    EmbedsOne,
    GeoPoint,
    HasAndBelongsToMany,
    HasMany,
    HasOne,
    Model,
    Prop,
    ReferencesMany,
    prop,
    relation,
    remote_method,
    scope,
)
from flask_loop.query import has_related

CODE = "^[A-Z]{2}$"
TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
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
ONE_AT_A_TIME = {
    "upsert": False,
    "replace_or_create": False,
    "upsert_with_where": False,
    "update_all": False,
}
"""What clients do with what they add."""


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

    cities: HasMany[City] = relation(foreign_key="country_code")
    largest_city: HasOne[City] = relation(
        foreign_key="country_code", scope={"order": "population DESC"}
    )
    borders: ReferencesMany[Country] = relation(property="neighbours")

    class Meta:
        """Kept in the guide's database, and in the order of their names."""

        data_source = db
        scope: ClassVar = {"order": "name"}
        remoting: ClassVar = {
            **READ_ONLY,
            "prototype.__get__cities": True,
            "prototype.__count__cities": True,
            "prototype.__get__largestCity": True,
            "prototype.__get__borders": True,
        }


class City(Model):
    """A city, under its GeoNames id, with its names in every script."""

    id: Prop[int] = prop(id=True)
    name: Prop[str] = prop(required=True, index=True)
    country_code: Prop[str] = prop(pattern=CODE, index=True)
    population: Prop[int] = prop(min=0, index=True)
    timezone: Prop[str] = prop()
    location: Prop[GeoPoint | None] = prop(default=None, index=True)
    alternate_names: Prop[list[str]] = prop()

    country: BelongsTo[Country] = relation(foreign_key="country_code")
    places: HasMany[Place]
    photos: HasMany[Photo] = relation(polymorphic="subject")

    metropolises = scope(where={"population": {"gte": 1_000_000}}, order="population DESC")

    class Meta:
        """Kept in the guide's database. Members may add photos to a city."""

        data_source = db
        acls: ClassVar = [
            {"principal_id": "$everyone", "access_type": "READ", "permission": "ALLOW"},
            {
                "principal_id": "$authenticated",
                "property": "__create__photos",
                "permission": "ALLOW",
            },
        ]
        remoting: ClassVar = {
            **READ_ONLY,
            "nearest": True,
            "prototype.nearby": True,
            "export": True,
            "__get__metropolises": True,
            "__count__metropolises": True,
            "prototype.__get__country": True,
            "prototype.__get__places": True,
            "prototype.__count__places": True,
            "prototype.__get__photos": True,
            "prototype.__create__photos": True,
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


class Address(Model):
    """Where in its city a place is."""

    street: Prop[str] = prop(required=True, max_length=100)
    postal_code: Prop[str | None] = prop(default=None, max_length=20)

    class Meta:
        """Kept inside the place."""

        id_injection = False


class OpeningHours(Model):
    """When a place is open on a day of the week, which is the id of its hours."""

    day: Prop[str] = prop(id=True, enum=["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
    opens: Prop[str] = prop(pattern=TIME)
    closes: Prop[str] = prop(pattern=TIME)


class Tag(Model):
    """A word for what places have in common. It is nobody's, so that nobody changes it."""

    name: Prop[str] = prop(required=True, max_length=30, unique=True)
    places: HasAndBelongsToMany[Place]

    class Meta:
        """Kept in the guide's database, as are the rows that link tags and places."""

        data_source = db
        remoting = ONE_AT_A_TIME
        acls: ClassVar = [
            {"principal_id": "$everyone", "access_type": "READ", "permission": "ALLOW"},
            {"principal_id": "$authenticated", "property": "create", "permission": "ALLOW"},
        ]


class Place(Contribution):
    """A place in a city that a member recommends.

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

    city: BelongsTo[City]
    tags: HasAndBelongsToMany[Tag]
    reviews: HasMany[Review]
    photos: HasMany[Photo] = relation(polymorphic="subject", on_delete="cascade")
    address: EmbedsOne[Address]
    hours: EmbedsMany[OpeningHours]

    class Meta:
        """Kept in the guide's database. To review a place or to show it one need not own it."""

        data_source = db
        remoting = ONE_AT_A_TIME
        acls: ClassVar = [
            {
                "principal_id": "$authenticated",
                "property": ["import_csv", "__create__reviews", "__create__photos"],
                "permission": "ALLOW",
            }
        ]

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


class Review(Contribution):
    """What a member thinks of a place."""

    stars: Prop[int] = prop(min=1, max=5)
    text: Prop[str] = prop(required=True, max_length=2000)
    created: Prop[datetime] = prop(default_fn="now", read_only=True)

    place: BelongsTo[Place] = relation(required=True, on_delete="cascade", constraint=True)

    class Meta:
        """Kept in the guide's database."""

        data_source = db
        remoting = ONE_AT_A_TIME


Review.validates_uniqueness_of(
    "member_id", scoped_to=["place_id"], message="has reviewed this place already"
)


class Tour(Contribution):
    """A walk from place to place."""

    name: Prop[str] = prop(required=True, max_length=80)
    stops: HasMany[Stop] = relation(
        nested=True, nest_remoting=True, on_delete="cascade", scope={"order": "position"}
    )
    places: HasMany[Place] = relation(through="Stop")

    class Meta:
        """Kept in the guide's database, and written with its stops in one request."""

        data_source = db
        remoting = ONE_AT_A_TIME


class Stop(Contribution):
    """A place on a tour: the row that links both."""

    position: Prop[int] = prop(default=1, min=1)
    minutes: Prop[int | None] = prop(default=None, min=1, max=24 * 60)

    tour: BelongsTo[Tour] = relation(required=True, on_delete="cascade", constraint=True)
    place: BelongsTo[Place] = relation(required=True, on_delete="cascade", constraint=True)

    class Meta:
        """Kept in the guide's database, which deletes it with its tour and with its place."""

        data_source = db
        remoting = ONE_AT_A_TIME


class Photo(Contribution):
    """A photo of a city or of a place."""

    url: Prop[str] = prop(required=True, max_length=200, pattern=r"^https?://\S+$")
    caption: Prop[str | None] = prop(default=None, max_length=200)

    subject: BelongsTo[City | Place]

    class Meta:
        """Kept in the guide's database."""

        data_source = db
        remoting = ONE_AT_A_TIME


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


@Stop.observe("before save")
def keep_to_own_tours(ctx: Any) -> None:
    tour_id = ctx.data.get("tour_id")
    if ctx.user is None or tour_id is None:
        return
    tour = Tour.find_one({"id": tour_id})
    if tour is not None and tour.member_id != ctx.user.id:
        raise PermissionError("this is a tour of somebody else")


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


@Country.after_remote("*")
@City.after_remote("*")
@City.after_remote("prototype.nearby")
def let_it_be_cached(ctx: Context) -> None:
    if not asks_for_others(**ctx.args):
        ctx.res.headers["Cache-Control"] = "public, max-age=3600"


def asks_for_others(filter: Any = None, where: Any = None, **arguments: Any) -> bool:
    """Whether a call looks at related records, which users may change."""
    if filter is not None:
        return bool(filter.include) or has_related(filter.where)
    return where is not None and has_related(where)


for model in (Country, City, Member, Place, Review, Tag, Tour, Stop, Photo, Change):
    loop.model(model)
