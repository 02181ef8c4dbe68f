"""The page at ``/``: what this is, where the documentation is, and queries to try."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, render_template, request

from example_app.models import City, Country, Place

home = Blueprint("home", __name__)


@dataclass(frozen=True)
class Query:
    """A GET of the API, as a link and as people read it."""

    title: str
    path: str
    argument: str = ""
    value: Any = None

    @property
    def url(self) -> str:
        if not self.argument:
            return self.path
        return f"{self.path}?{urlencode({self.argument: self._json})}"

    @property
    def text(self) -> str:
        if not self.argument:
            return self.path
        return f"{self.path}?{self.argument}={self._json}"

    @property
    def _json(self) -> str:
        return json.dumps(self.value, ensure_ascii=False)


PARIS = {"lat": 48.8566, "lng": 2.3522}
QUERIES = [
    Query("One city, by its GeoNames id", "/api/cities/1850147"),
    Query(
        "The ten largest cities",
        "/api/cities",
        "filter",
        {
            "fields": ["name", "countryCode", "population"],
            "order": "population DESC",
            "limit": 10,
        },
    ),
    Query(
        "Cities around Paris, the nearest first",
        "/api/cities",
        "filter",
        {
            "where": {"location": {"near": PARIS, "maxDistance": 20, "unit": "kilometers"}},
            "limit": 10,
        },
    ),
    Query(
        "A city by any of its names, in any script",
        "/api/cities",
        "filter",
        {"where": {"alternateNames": "東京"}},
    ),
    Query(
        "The cities nearest to a point, with their distances: a method of the model",
        "/api/cities/nearest",
        "to",
        PARIS,
    ),
    Query("The other cities within 20 km of Tokyo", "/api/cities/1850147/nearby?kilometers=20"),
    Query(
        "All cities of Iceland, as a stream: a line of JSON for each",
        "/api/cities/export?countryCode=IS",
    ),
    Query(
        "Cities whose names begin with São, in capitals or not",
        "/api/cities",
        "filter",
        {"where": {"name": {"ilike": "SÃO %"}}, "order": "population DESC", "limit": 10},
    ),
    Query(
        "Cities in Peru or Bolivia with half a million people, by name",
        "/api/cities",
        "filter",
        {
            "where": {"countryCode": {"inq": ["PE", "BO"]}, "population": {"gte": 500_000}},
            "order": "name",
        },
    ),
    Query(
        "The cities of a million people and more: a scope of the model", "/api/cities/metropolises"
    ),
    Query(
        "South American countries, each with its largest city: a relation",
        "/api/countries",
        "filter",
        {
            "where": {"continent": "SA"},
            "fields": ["name", "capital"],
            "include": {"relation": "largestCity", "scope": {"fields": ["name", "population"]}},
        },
    ),
    Query(
        "Cities of millions in countries where Portuguese is spoken: a where through a relation",
        "/api/cities",
        "filter",
        {
            "where": {
                "population": {"gte": 1_000_000},
                "country.languages": {"like": "pt%"},
            },
            "order": "country.name, population DESC",
            "fields": ["name", "countryCode"],
        },
    ),
    Query("The neighbours of Switzerland", "/api/countries/CH/borders"),
    Query("How many cities India has", "/api/cities/count", "where", {"countryCode": "IN"}),
    Query(
        "European countries, the most populous first",
        "/api/countries",
        "filter",
        {"where": {"continent": "EU"}, "order": "population DESC"},
    ),
    Query(
        "Places that members added, the newest first",
        "/api/places",
        "filter",
        {"order": "created DESC", "limit": 20, "include": ["city", "tags", "photos"]},
    ),
    Query(
        "Places that somebody finds worth four stars or more, with their reviews",
        "/api/places",
        "filter",
        {"where": {"reviews": {"some": {"stars": {"gte": 4}}}}, "include": "reviews"},
    ),
    Query(
        "Tours, with their stops and the places where they stop",
        "/api/tours",
        "filter",
        {"include": {"stops": "place"}, "limit": 20},
    ),
    Query(
        "What happened to places, the latest first",
        "/api/changes",
        "filter",
        {"order": "time DESC", "limit": 20},
    ),
]


@home.get("/")
def index() -> str:
    return render_template(
        "home.html",
        cities=City.count(),
        countries=Country.count(),
        places=Place.count(),
        queries=QUERIES,
        root=request.url_root,
        is_verified="verified" in request.args,
    )
