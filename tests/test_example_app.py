from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app import create_app, geonames
from example_app.home import QUERIES
from example_app.loading import load
from example_app.models import Change, City, Place, db
from flask_loop import ValidationError

ROOT = Path(__file__).parents[1]
TOKYO = 1850147
Geodata = tuple[list[geonames.Record], list[geonames.Record]]
KILLED_WHILE_LOADING = """
import os, signal, sys
from example_app import create_app, loading

class Progress(loading.Progress):
    def update(self, task, completed):
        if completed >= 20_000:
            os.kill(os.getpid(), signal.SIGKILL)

loading.Progress = Progress
create_app({"DATABASE": sys.argv[1]})
"""


@pytest.fixture(scope="module")
def geodata() -> Geodata:
    """The countries and the cities that a guide loads where nothing else is asked for."""
    return geonames.read(15_000)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a guide that was started once."""
    path: Path = tmp_path_factory.mktemp("guide") / "city-guide.sqlite"
    close(create_app({"DATABASE": path}))
    return path


@pytest.fixture
def guide(database: Path) -> Iterator[Flask]:
    app = create_app({"DATABASE": database, "TESTING": True})
    with app.app_context():
        Place.destroy_all()
        Change.destroy_all()
    yield app
    close(app)


@pytest.fixture
def empty_guide(tmp_path: Path) -> Iterator[Flask]:
    """A guide whose database has tables and no records."""
    app = create_app({"DATABASE": tmp_path / "empty.sqlite", "TESTING": True}, load=False)
    yield app
    close(app)


@pytest.fixture
def api(guide: Flask) -> FlaskClient:
    return guide.test_client()


@pytest.fixture
def place(api: FlaskClient) -> dict[str, Any]:
    """A place that a user has added."""
    body = {"name": "Yanaka Ginza", "kind": "shop", "cityId": TOKYO, "email": "a@example.com"}
    answer = api.post("/api/places", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def close(app: Flask) -> None:
    with app.app_context():
        db.close()


def find(api: FlaskClient, path: str, **filter: Any) -> Any:
    answer = api.get(path, query_string={"filter": json.dumps(filter)})
    assert answer.status_code == 200, answer.text
    return answer.json


def refused(answer: Any) -> dict[str, list[str]]:
    """The codes of an answer that says what is wrong with a record, by property."""
    assert answer.status_code == 422, answer.text
    codes: dict[str, list[str]] = answer.json["error"]["details"]["codes"]
    return codes


def run(
    database: Path, *arguments: str, ask: str | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start Python with arguments on a database, from the project's folder."""
    environment = {**os.environ, "CITY_GUIDE_DATABASE": str(database), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def cities_in(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        (count,) = connection.execute("SELECT count(*) FROM city").fetchone()
    finally:
        connection.close()
    return int(count)


# Loading


def test_the_first_start_loads_every_city_and_country_of_geonames(
    guide: Flask, geodata: Geodata
) -> None:
    countries, cities = geodata
    with guide.app_context():
        assert City.count() == len(cities) > 30_000
        largest = max(cities, key=geonames.population)
        assert City.find_by_id(largest["id"]).name == largest["name"]
    listed = find(guide.test_client(), "/api/countries", fields=["code"])
    assert {each["code"] for each in listed} == {each["code"] for each in countries}


def test_a_later_start_loads_nothing(guide: Flask) -> None:
    with guide.app_context():
        assert load() is False


def test_loading_another_set_replaces_the_cities_and_keeps_the_places(
    empty_guide: Flask, geodata: Geodata, monkeypatch: pytest.MonkeyPatch
) -> None:
    countries, cities = geodata
    sets = {15_000: cities[:50], 5_000: cities[:80]}
    monkeypatch.setattr(geonames, "read", lambda least: (countries, sets[least]))
    with empty_guide.app_context():
        assert load() is True
        Place.create(name="Square", kind="sight", city_id=cities[0]["id"])
        assert load(5_000) is True
        assert (City.count(), Place.count()) == (80, 1)
        assert load(5_000) is False


def test_a_load_that_fails_leaves_the_cities_that_were_there(
    empty_guide: Flask, geodata: Geodata, monkeypatch: pytest.MonkeyPatch
) -> None:
    countries, cities = geodata
    broken = [*cities[1_000:2_100], {**cities[0], "population": -1}]
    sets = {15_000: cities[:50], 5_000: broken}
    monkeypatch.setattr(geonames, "read", lambda least: (countries, sets[least]))
    with empty_guide.app_context():
        load()
        with pytest.raises(ValidationError, match="population"):
            load(5_000)
        assert {city.id for city in City.find()} == {city["id"] for city in cities[:50]}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_load_that_is_killed_leaves_nothing_and_the_next_start_loads_all(tmp_path: Path) -> None:
    database = tmp_path / "killed.sqlite"
    process = run(database, "-c", KILLED_WHILE_LOADING, str(database))
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert Path(f"{database}-wal").stat().st_size > 1_000_000, "it was killed before it wrote"
    assert cities_in(database) == 0
    close(create_app({"DATABASE": database}))
    assert cities_in(database) > 30_000


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_guides_that_start_at_once_on_a_new_database_both_come_up(
    tmp_path: Path, geodata: Geodata
) -> None:
    database = tmp_path / "shared.sqlite"
    processes = [run(database, "-c", "import example_app as a; a.create_app()") for _ in range(2)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert cities_in(database) == len(geodata[1])


# The page


def test_the_home_page_says_what_is_loaded_and_credits_geonames(api: FlaskClient) -> None:
    page = api.get("/").text
    count = api.get("/api/cities/count").json["count"]
    assert f"{count:,} cities in 252 countries" in page
    assert "There is none yet." in page
    assert 'href="https://www.geonames.org/"' in page
    assert 'href="https://creativecommons.org/licenses/by/4.0/"' in page


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.title)
def test_each_query_of_the_home_page_finds_something(
    api: FlaskClient, place: dict[str, Any], query: Any
) -> None:
    assert query.url.replace("&", "&amp;") in api.get("/").text
    answer = api.get(query.url)
    assert answer.status_code == 200
    assert answer.mimetype in ("application/json", "application/x-ndjson")
    assert [json.loads(line) for line in answer.text.splitlines()] not in ([], [[]])


def test_the_documentation_describes_the_models(api: FlaskClient) -> None:
    assert api.get("/_docs", follow_redirects=True).status_code == 200
    paths = api.get("/_docs/openapi.json").json["paths"]
    assert {"/api/countries", "/api/cities", "/api/places", "/api/changes"} <= set(paths)
    assert {"/api/cities/nearest", "/api/cities/{id}/nearby", "/api/places/import"} <= set(paths)


# Queries


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"alternateNames": "東京"}, "Tokyo"),
        ({"alternateNames": {"inq": ["東京", "no city"]}}, "Tokyo"),
        ({"alternateNames": {"like": "東京%"}}, "Tokyo"),
        ({"alternateNames": {"ilike": "ТОКИО"}}, "Tokyo"),
        ({"alternateNames": "القاهرة"}, "Cairo"),
        ({"name": {"like": "São Pa_lo"}}, "São Paulo"),
        ({"name": {"ilike": "SÃO PAULO"}}, "São Paulo"),
        ({"name": {"regexp": "^S.o Paulo$"}}, "São Paulo"),
    ],
    ids=str,
)
def test_a_city_is_found_by_its_names_in_any_script(
    api: FlaskClient, where: dict[str, Any], found: str
) -> None:
    cities = find(api, "/api/cities", where=where, order="population DESC", limit=1)
    assert [city["name"] for city in cities] == [found]


def test_the_nearest_cities_come_first_and_none_beyond_the_distance(api: FlaskClient) -> None:
    near = {"near": {"lat": 48.8566, "lng": 2.3522}, "maxDistance": 20, "unit": "kilometers"}
    cities = find(api, "/api/cities", where={"location": near})
    assert cities[0]["name"].startswith("Paris")
    with api.application.app_context():
        everywhere = City.find(where={"country_code": "FR"})
    center = City.schema.fields["location"].deserialize(near["near"])
    distances = {c.id: center.distance_to(c.location, "kilometers") for c in everywhere}
    expected = sorted((d, id) for id, d in distances.items() if d <= 20)
    assert [city["id"] for city in cities] == [id for _, id in expected]


# Places


def test_a_place_gets_its_id_and_time_from_the_server_and_never_shows_the_address(
    api: FlaskClient, place: dict[str, Any]
) -> None:
    assert place == {
        "id": place["id"],
        "name": "Yanaka Ginza",
        "kind": "shop",
        "cityId": TOKYO,
        "location": None,
        "note": None,
        "rating": None,
        "website": None,
        "created": place["created"],
    }
    assert api.get(f"/api/places/{place['id']}").json == place
    with api.application.app_context():
        assert Place.find_by_id(place["id"]).email == "a@example.com"


@pytest.mark.parametrize(
    ("wrong", "codes"),
    [
        ({"name": None}, {"name": ["presence"]}),
        ({"name": "x" * 81}, {"name": ["length.max"]}),
        ({"kind": "bar"}, {"kind": ["enum"]}),
        ({"rating": 6}, {"rating": ["range.max"]}),
        ({"rating": 0}, {"rating": ["range.min"]}),
        ({"rating": 4.5}, {"rating": ["integer"]}),
        ({"location": {"lat": 91, "lng": 0}}, {"location": ["geopoint"]}),
        ({"email": "nobody"}, {"email": ["format"]}),
        ({"website": "example.com"}, {"website": ["format"]}),
        ({"cityId": 1}, {"cityId": ["custom"]}),
        ({"cityId": "Tokyo"}, {"cityId": ["integer"]}),
        ({"name": "", "rating": 9}, {"name": ["presence"], "rating": ["range.max"]}),
    ],
    ids=str,
)
def test_a_place_that_breaks_a_rule_is_refused_on_every_way_to_write_it(
    api: FlaskClient, place: dict[str, Any], wrong: dict[str, Any], codes: dict[str, list[str]]
) -> None:
    path = f"/api/places/{place['id']}"
    whole = {"name": "Square", "kind": "sight", "cityId": TOKYO, **wrong}
    assert refused(api.post("/api/places", json=whole)) == codes
    assert refused(api.put(path, json=whole)) == codes
    assert refused(api.patch(path, json=wrong)) == codes
    assert api.get(path).json == place
    assert api.get("/api/places/count").json == {"count": 1}


def test_a_place_is_changed_replaced_and_deleted(api: FlaskClient, place: dict[str, Any]) -> None:
    path = f"/api/places/{place['id']}"
    changes = {"rating": 4, "created": "2020-01-01T00:00:00Z"}
    assert api.patch(path, json=changes).json == {**place, "rating": 4}
    whole = {"name": "Yanaka", "kind": "sight", "cityId": TOKYO}
    assert api.put(path, json=whole).json == {**place, **whole}
    with api.application.app_context():
        assert Place.find_by_id(place["id"]).email == "a@example.com"
    assert api.delete(path).json == {"count": 1}
    assert api.get(path).status_code == 404


# Methods, hooks and observers


def test_the_cities_nearest_to_a_point_come_with_their_distances(api: FlaskClient) -> None:
    found = api.get("/api/cities/nearest?to=64.15,-21.94&limit=3").json
    assert isinstance(found, list)
    assert [city["name"] for city in found] == ["Reykjavík", "Kópavogur", "Hafnarfjörður"]
    assert [city["kilometers"] for city in found] == sorted(c["kilometers"] for c in found)
    assert len(api.get("/api/cities/nearest?to=0,0").json or []) == 10


@pytest.mark.parametrize(
    "path",
    [
        "nearest",
        "nearest?to=64.15",
        "nearest?to=64.15,-21.94&limit=0",
        "nearest?to=64.15,-21.94&limit=101",
        "nearest?to=64.15,-21.94&limit=many",
        f"{TOKYO}/nearby?kilometers=-1",
        f"{TOKYO}/nearby?kilometers=1e999",
        "export",
    ],
)
def test_an_argument_that_means_nothing_is_refused(api: FlaskClient, path: str) -> None:
    assert api.get(f"/api/cities/{path}").status_code == 400


def test_the_cities_nearby_are_within_the_distance_and_not_the_city_itself(
    api: FlaskClient,
) -> None:
    found = api.get(f"/api/cities/{TOKYO}/nearby?kilometers=5").json
    assert found
    assert all(0 < city["kilometers"] <= 5 and city["id"] != TOKYO for city in found)
    assert api.get("/api/cities/1/nearby").status_code == 404


def test_all_cities_of_a_country_are_exported(api: FlaskClient, geodata: Geodata) -> None:
    answer = api.get("/api/cities/export?countryCode=IN")
    exported = [json.loads(line)["id"] for line in answer.text.splitlines()]
    expected = sorted(city["id"] for city in geodata[1] if city["country_code"] == "IN")
    assert len(expected) > 3_000
    assert exported == expected


@pytest.mark.parametrize("path", ["/api/cities", "/api/countries", "/api/changes"])
def test_clients_read_what_is_not_theirs_and_do_not_change_it(api: FlaskClient, path: str) -> None:
    (first,) = find(api, path, limit=1) or [{}]
    id = first.get("id", first.get("code", 1))
    for verb, where in [
        *(("POST", path), ("PUT", path), ("PATCH", path), ("DELETE", path)),
        *(("PUT", f"{path}/{id}"), ("PATCH", f"{path}/{id}"), ("DELETE", f"{path}/{id}")),
        *(("POST", f"{path}/update?where={{}}"), ("POST", f"{path}/{id}/replace")),
    ]:
        assert api.open(where, method=verb, json={"name": "x"}).status_code in (404, 405)


def import_places(api: FlaskClient, text: str | bytes) -> Any:
    content = text.encode() if isinstance(text, str) else text
    return api.post("/api/places/import", data={"file": (BytesIO(content), "places.csv")})


def test_places_are_imported_from_a_file(api: FlaskClient) -> None:
    lines = ["\ufeffname,kind,cityId,rating,note", f'Ueno,park,{TOKYO},5,"Early, please"']
    answer = import_places(api, "\r\n".join([*lines, f"Nakamise,shop,{TOKYO},,"]))
    assert answer.status_code == 201
    assert [(each["name"], each["rating"], each["note"]) for each in answer.json] == [
        ("Ueno", 5, "Early, please"),
        ("Nakamise", None, None),
    ]


def test_an_import_sets_only_what_clients_may_write(api: FlaskClient) -> None:
    columns = "name,kind,cityId,id,created,nonsense"
    row = f"Ueno,park,{TOKYO},900,2020-01-01T00:00:00Z,x,more"
    (place,) = import_places(api, f"{columns}\n{row}").json
    assert place["id"] != 900
    assert not place["created"].startswith("2020")


def test_an_import_stores_all_or_nothing(api: FlaskClient) -> None:
    answer = import_places(api, f"name,kind,cityId\nUeno,park,{TOKYO}\n,bar,1")
    assert refused(answer) == {"1.name": ["presence"], "1.kind": ["enum"], "1.cityId": ["custom"]}
    assert api.get("/api/places/count").json == {"count": 0}
    assert api.get("/api/changes/count").json == {"count": 0}


@pytest.mark.parametrize(
    ("content", "status"), [(b"name\n\xff", 400), (b"", 201), (b"x" * 70_000, 413)]
)
def test_a_file_that_is_no_list_of_places(api: FlaskClient, content: bytes, status: int) -> None:
    assert import_places(api, content).status_code == status


def test_what_happens_to_a_place_is_in_the_history(api: FlaskClient, place: dict[str, Any]) -> None:
    path = f"/api/places/{place['id']}"
    api.patch(path, json={"rating": 4, "note": "Go early."})
    api.patch(path, json={"rating": 9})
    api.delete(path)
    api.delete(path)
    history = find(api, "/api/changes", order="id")
    assert {each["placeId"] for each in history} == {place["id"]}
    assert [(each["what"], each["changed"]) for each in history] == [
        ("added", []),
        ("changed", ["note", "rating"]),
        ("deleted", []),
    ]


def test_a_guide_with_a_key_is_read_by_everybody_and_written_with_the_key(
    api: FlaskClient, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(api.application.config, "KEY", "sésame")
    path = f"/api/places/{place['id']}"
    body = {"name": "Ueno", "kind": "park", "cityId": TOKYO}
    for headers in ({}, {"X-Key": ""}, {"X-Key": "other"}):
        assert api.get(path, headers=headers).status_code == 200
        for verb, where in [
            *(("POST", "/api/places"), ("PUT", "/api/places"), ("PATCH", "/api/places")),
            *(("PATCH", path), ("PUT", path), ("DELETE", path), ("POST", f"{path}/replace")),
        ]:
            answer = api.open(where, method=verb, json=body, headers=headers)
            assert answer.status_code == 403
    assert import_places(api, f"name,kind,cityId\nUeno,park,{TOKYO}").status_code == 403
    assert api.get("/api/places/count").json == {"count": 1}
    monkeypatch.setitem(api.application.config, "KEY", 12345)
    assert api.delete(path, headers={"X-Key": "12345"}).json == {"count": 1}
    assert "This guide has a key" in api.get("/").text


def test_what_does_not_change_may_be_cached(api: FlaskClient) -> None:
    answers = [
        api.get(f"/api/cities/{TOKYO}"),
        api.get("/api/countries/JP"),
        api.get("/api/places"),
    ]
    assert [each.headers.get("Cache-Control") for each in answers] == [
        "public, max-age=3600",
        "public, max-age=3600",
        None,
    ]
    assert "Cache-Control" not in api.get("/api/cities/1").headers


# The command line


@pytest.mark.parametrize(
    ("command", "row"),
    [
        ("models", ["Place", "/api/places", "db", "sqlite", "10", "id"]),
        ("routes", ["GET", "/api/cities/<id>", "cities.findById", "City"]),
    ],
)
def test_the_flask_command_finds_the_app_and_lists_what_it_exposes(
    database: Path, command: str, row: list[str]
) -> None:
    process = run(database, "-m", "flask", "--app", "example_app", "loop", command, cwd=ROOT)
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert row in [line.split() for line in output.splitlines()]


def test_a_port_that_is_taken_is_a_message_and_no_traceback(database: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = run(database, "-m", "example_app", "--port", str(port), cwd=ROOT)
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.startswith(f"Port {port} cannot be used (")
    assert errors.count("\n") == 1


def test_a_set_of_cities_that_there_is_not_is_refused(database: Path) -> None:
    process = run(database, "-m", "example_app", "--cities", "7", cwd=ROOT)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert "invalid choice: 7 (choose from 500, 1000, 5000, 15000)" in errors
