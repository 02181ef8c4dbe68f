"""The guide's models: countries and cities as GeoNames has them, and the places that users add."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from flask_loop import GeoPoint, Loop, Model, Prop, prop

loop = Loop(url_prefix="/api")
db = loop.data_source("db")

CODE = "^[A-Z]{2}$"
CONTINENTS = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"]


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
        """Kept in the guide's database."""

        data_source = db


def is_in_a_known_city(place: Place) -> bool:
    return City.exists(place.city_id)


Place.validate("city_id", is_in_a_known_city, message="is not a city of this guide")

for model in (Country, City, Place):
    loop.model(model)
