"""Loading GeoNames' data into the guide's database."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress

from example_app import geonames
from example_app.models import City, Country, db

BATCH = 1000


def load(min_population: int | None = None) -> bool:
    """Load the countries and a set of cities, unless that has been done.

    It is one transaction: whatever interrupts it, the database stays as it was, and a second
    process that loads at the same time waits and finds it done. Places that users added stay.

    :param min_population: one of :data:`geonames.CITY_SETS`, which replaces the cities that are
        there; None keeps them, whichever set they are of, and loads the smallest if there are none.
    :returns: whether anything was loaded.
    """
    if min_population is None and City.count():
        return False
    countries, cities = geonames.read(min_population or geonames.CITY_SETS[0])
    with Progress(console=Console(stderr=True)) as progress, db.transaction():
        if City.count() == len(cities):
            return False
        City.destroy_all()
        Country.destroy_all()
        Country.create(countries)
        task = progress.add_task("Loading the cities of GeoNames", total=len(cities))
        for first in range(0, len(cities), BATCH):
            City.create(cities[first : first + BATCH])
            progress.update(task, completed=first + BATCH)
    return True
