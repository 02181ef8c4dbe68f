from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app import create_app, geonames
from example_app.__main__ import settings_of
from example_app.home import QUERIES
from example_app.loading import load
from example_app.models import (
    Change,
    City,
    Country,
    Member,
    Photo,
    Place,
    Review,
    Stop,
    Tag,
    Tour,
    db,
)
from flask_loop import ValidationError
from flask_loop.connectors.mail import MemoryTransport

ROOT = Path(__file__).parents[1]
TOKYO = 1850147
LIMA = 3936456
PASSWORD = "an apple a day"
HASHING = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
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
OLD_TABLES = """
CREATE TABLE country (
    code TEXT NOT NULL, name TEXT NOT NULL, continent TEXT NOT NULL, capital TEXT,
    location_lat FLOAT, location_lng FLOAT, timezone TEXT, population INTEGER NOT NULL,
    area_km2 NUMERIC NOT NULL, currency TEXT, languages TEXT NOT NULL, neighbours TEXT NOT NULL,
    PRIMARY KEY (code)
);
CREATE TABLE city (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, country_code TEXT NOT NULL,
    population INTEGER NOT NULL, timezone TEXT NOT NULL, location_lat FLOAT, location_lng FLOAT,
    alternate_names TEXT NOT NULL
);
CREATE TABLE place (
    name VARCHAR(80) NOT NULL, kind TEXT NOT NULL, city_id INTEGER NOT NULL, location_lat FLOAT,
    location_lng FLOAT, note VARCHAR(1000), rating INTEGER, email VARCHAR(254),
    website VARCHAR(200), created VARCHAR(26) NOT NULL,
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT
);
INSERT INTO country VALUES
    ('JP', 'Japan', 'AS', 'Tokyo', NULL, NULL, NULL, 127288000, 377835, 'JPY', '["ja"]', '[]');
INSERT INTO city VALUES
    (1850147, 'Tokyo', 'JP', 9733276, 'Asia/Tokyo', 35.6895, 139.69171, '["Tokyo"]');
INSERT INTO place VALUES
    ('Yanaka Ginza', 'shop', 1850147, NULL, NULL, NULL, NULL, NULL, NULL,
     '2026-11-22 23:32:19.696604', 1);
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
    app = create_app({"DATABASE": database, "TESTING": True, "LOOP_PASSWORD_HASHING": HASHING})
    with app.app_context():
        for model in (Tour, Tag, Photo, Place, Change, Member):
            model.destroy_all()
    yield app
    close(app)


@pytest.fixture
def empty_guide(tmp_path: Path) -> Iterator[Flask]:
    """A guide whose database has tables and no records."""
    app = create_app({"DATABASE": tmp_path / "empty.sqlite", "TESTING": True}, load=False)
    yield app
    close(app)


@pytest.fixture
def anybody(guide: Flask) -> FlaskClient:
    """The client of nobody that the guide knows."""
    return guide.test_client()


@pytest.fixture
def api(guide: Flask) -> FlaskClient:
    """The client of a member."""
    return client_of(guide, "ada")


@pytest.fixture
def other(guide: Flask) -> FlaskClient:
    """The client of another member."""
    return client_of(guide, "bob")


@pytest.fixture
def place(api: FlaskClient) -> dict[str, Any]:
    """A place that a member has added."""
    body = {"name": "Yanaka Ginza", "kind": "shop", "cityId": TOKYO, "email": "a@example.com"}
    answer = api.post("/api/places", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def close(app: Flask) -> None:
    with app.app_context():
        db.close()


def client_of(guide: Flask, name: str) -> FlaskClient:
    """A client that sends the token of a member, who is made."""
    address = f"{name}@example.com"
    with guide.app_context():
        Member.create(username=name, email=address, password=PASSWORD, email_verified=True)
        token = Member.login(email=address, password=PASSWORD).id
    client = guide.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def id_of(name: str) -> int:
    """The id of a member; in the guide's context."""
    id: int = Member.find_one({"username": name}).id
    return id


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
        place = Place.create(name="Square", kind="sight", city_id=cities[0]["id"])
        place.photos.create(url="https://example.com/1.jpg")
        place.city().photos.create(url="https://example.com/2.jpg")
        assert load(5_000) is True
        assert (City.count(), Place.count(), Photo.count()) == (80, 1, 2)
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
    anybody: FlaskClient, tour: dict[str, Any], review: dict[str, Any], query: Any
) -> None:
    assert query.url.replace("&", "&amp;") in anybody.get("/").text
    answer = anybody.get(query.url)
    assert answer.status_code == 200
    assert answer.mimetype in ("application/json", "application/x-ndjson")
    assert [json.loads(line) for line in answer.text.splitlines()] not in ([], [[]])


def test_the_documentation_describes_the_models(api: FlaskClient) -> None:
    assert api.get("/_docs", follow_redirects=True).status_code == 200
    paths = api.get("/_docs/openapi.json").json["paths"]
    assert {"/api/countries", "/api/cities", "/api/places", "/api/changes"} <= set(paths)
    assert {"/api/countries/{id}/cities", "/api/tours/{id}/places/rel/{fk}"} <= set(paths)
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
    with api.application.app_context():
        member = id_of("ada")
    assert place == {
        "id": place["id"],
        "memberId": member,
        "name": "Yanaka Ginza",
        "kind": "shop",
        "cityId": TOKYO,
        "location": None,
        "note": None,
        "rating": None,
        "website": None,
        "created": place["created"],
        "_address": None,
        "_hours": [],
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


# Members


def wait_for(outbox: MemoryTransport, count: int) -> str:
    """The path of the link in the last of so many mails, as soon as they are sent."""
    until = monotonic() + 30
    while len(outbox.messages) < count and monotonic() < until:
        sleep(0.01)
    assert len(outbox.messages) == count
    return link_in(outbox.messages[-1].text or "")


def link_in(mail: str) -> str:
    found = re.search(r"http://localhost(/api/members/\S+)", mail)
    assert found is not None, mail
    return found[1]


@pytest.fixture
def outbox() -> MemoryTransport:
    """The mails that a guide of ``mailing_guide`` has sent."""
    return MemoryTransport()


@pytest.fixture
def newcomer(tmp_path: Path, outbox: MemoryTransport) -> Iterator[FlaskClient]:
    """Somebody who registers in a guide whose mails a test can read."""
    settings = {"TESTING": True, "LOOP_PASSWORD_HASHING": HASHING, "MAIL": {"transport": outbox}}
    app = create_app({"DATABASE": tmp_path / "new.sqlite", **settings}, load=False)
    client = app.test_client()
    body = {"username": "ada", "email": "Ada@example.com", "password": PASSWORD}
    answer = client.post("/api/members", json=body)
    assert answer.status_code == 200, answer.text
    yield client
    close(app)


CREDENTIALS = {"email": "ada@example.com", "password": PASSWORD}


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


def test_a_member_logs_in_after_following_the_link_in_the_mail(
    newcomer: FlaskClient, outbox: MemoryTransport
) -> None:
    login = newcomer.post("/api/members/login", json=CREDENTIALS)
    assert code_of(login) == (401, "LOGIN_FAILED_EMAIL_NOT_VERIFIED")
    link = wait_for(outbox, 1)
    followed = newcomer.get(link, headers={"Accept": "text/html"})
    assert (followed.status_code, followed.location) == (302, "/?verified")
    assert "Your address is verified" in newcomer.get(followed.location).text
    assert "Your address is verified" not in newcomer.get("/").text
    session = newcomer.post("/api/members/login", json=CREDENTIALS).json or {}
    headers = {"Authorization": f"Bearer {session['id']}"}
    assert newcomer.get("/api/members/1", headers=headers).json == {
        "realm": None,
        "username": "ada",
        "email": "ada@example.com",
        "emailVerified": True,
        "id": 1,
    }
    assert code_of(newcomer.get(link)) == (400, "INVALID_TOKEN")


def test_a_password_that_is_easily_guessed_is_refused(anybody: FlaskClient) -> None:
    body = {"email": "eve@example.com", "password": "sesame"}
    assert refused(anybody.post("/api/members", json=body)) == {"password": ["length.min"]}


def test_members_who_register_at_once_are_each_sent_a_link(
    newcomer: FlaskClient, outbox: MemoryTransport
) -> None:
    more = [{"email": f"{name}@example.com", "password": PASSWORD} for name in ("bob", "eve")]
    made = newcomer.post("/api/members", json=[{**each, "emailVerified": True} for each in more])
    assert [each["emailVerified"] for each in made.json or []] == [False, False]
    wait_for(outbox, 3)
    receivers = {str(to) for message in outbox.messages for to in message.to}
    assert receivers == {"ada@example.com", "bob@example.com", "eve@example.com"}


def test_a_member_who_forgot_the_password_gets_another(
    newcomer: FlaskClient, outbox: MemoryTransport
) -> None:
    newcomer.get(wait_for(outbox, 1))
    assert newcomer.post("/api/members/reset", json={"email": "eve@example.com"}).status_code == 204
    assert newcomer.post("/api/members/reset", json={"email": "ADA@example.com"}).status_code == 204
    page = newcomer.get(wait_for(outbox, 2))
    assert (page.status_code, page.mimetype) == (200, "text/html")
    token = parse_qs(urlsplit(page.request.url).query)["token"][0]
    answer = newcomer.post(
        "/api/members/reset-password", json={"token": token, "newPassword": "two apples a day"}
    )
    assert answer.status_code == 204, answer.text
    assert code_of(newcomer.post("/api/members/login", json=CREDENTIALS)) == (401, "LOGIN_FAILED")
    changed = {**CREDENTIALS, "password": "two apples a day"}
    assert newcomer.post("/api/members/login", json=changed).status_code == 200


def test_mails_are_written_to_the_terminal(
    anybody: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"email": "eve@example.com", "password": PASSWORD}
    assert anybody.post("/api/members", json=body).status_code == 200
    written, until = "", monotonic() + 30
    while "?uid=" not in written and monotonic() < until:
        sleep(0.01)
        written += capsys.readouterr().out
    assert "To: eve@example.com" in written
    assert anybody.get(link_in(written)).location == "/?verified"


def test_links_lead_to_no_host_that_the_guide_does_not_know(anybody: FlaskClient) -> None:
    body = {"email": "eve@example.com", "password": PASSWORD}
    for host in ("evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1@evil"):
        answer = anybody.post("/api/members", json=body, headers={"Host": host})
        assert answer.status_code == 400
        assert anybody.get("/", headers={"Host": host}).status_code == 400
    with anybody.application.app_context():
        assert Member.count() == 0
    for host in ("127.0.0.1:8000", "localhost"):
        assert anybody.get("/api/cities/count", headers={"Host": host}).status_code == 200


def test_whoever_is_not_logged_in_reads_and_writes_nothing(
    guide: Flask, anybody: FlaskClient, tour: dict[str, Any], review: dict[str, Any]
) -> None:
    for model in ("places", "reviews", "tours", "stops", "photos", "tags", "changes"):
        assert anybody.get(f"/api/{model}").status_code == 200
    before = everything(guide)
    answers = try_to_write(anybody, tour["stops"][0]["placeId"])
    assert {status for _, status in answers} <= {401, 404, 405}, answers
    assert everything(guide) == before


def test_no_way_to_write_changes_what_is_another_members(
    guide: Flask, api: FlaskClient, other: FlaskClient, tour: dict[str, Any], museum: dict[str, Any]
) -> None:
    api.post(f"/api/places/{museum['id']}/tags", json={"name": "cats"})
    api.post(f"/api/places/{museum['id']}/address", json={"street": "Bolívar 1515"})
    api.post(f"/api/places/{museum['id']}/hours", json={"day": "mon", "opens": "10:00"})
    photo = {"url": "https://example.com/1.jpg"}
    api.post(f"/api/places/{museum['id']}/photos", json=photo)
    api.post(f"/api/places/{museum['id']}/reviews", json={"stars": 5, "text": "Go."})
    stops = [{"placeId": museum["id"]}]
    own = other.post("/api/tours", json={"name": "Elsewhere", "stops": stops}).json or {}
    before = everything(guide)
    of_others = {key: record for key, record in before.items() if record["member"] != "bob"}
    assert len(of_others) >= 8
    ids = {museum["id"], tour["id"], own["id"], *(stop["id"] for stop in tour["stops"])}
    answers = [answer for id in sorted(ids) for answer in try_to_write(other, id)]
    assert {200, 403} <= {status for _, status in answers}
    after = everything(guide)
    assert {key: after.get(key) for key in of_others} == of_others


def everything(guide: Flask) -> dict[tuple[str, Any], dict[str, Any]]:
    """What members have added, with the name of the member."""
    with guide.app_context():
        names = {member.id: member.username for member in Member.find()}
        return {
            (model.model_name, record.id): {
                **record.to_record(),
                "member": names.get(record.to_record().get("member_id")),
                "tags": [tag.id for tag in record.tags()] if model is Place else [],
            }
            for model in (Place, Review, Photo, Tour, Stop, Tag, Member)
            for record in model.find()
        }


def try_to_write(client: FlaskClient, id: int) -> list[tuple[str, int]]:
    """Try each way to write, but for what members do to their accounts; the statuses."""
    bodies: list[dict[str, Any]] = [
        {"name": "x", "stars": 1, "text": "x", "rating": 1, "caption": "x", "minutes": 7},
        {"memberId": None, "placeId": id, "tourId": id, "position": 9, "url": "https://x.example"},
        {"name": "y", "kind": "shop", "cityId": TOKYO, "memberId": 1, "street": "x"},
    ]
    ways = [
        (rule.rule.replace("<id>", str(id)).replace("<nk>", str(id)).replace("<fk>", str(id)), verb)
        for rule in client.application.url_map.iter_rules()
        for verb in sorted((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"})
        if rule.rule.startswith("/api/") and not rule.rule.startswith("/api/members")
    ]
    assert len(ways) > 60
    # What deletes comes last, or there would be nothing left to change.
    ways.sort(key=lambda way: way[1] == "DELETE")
    return [
        (f"{verb} {path}", client.open(path, method=verb, json=body).status_code)
        for path, verb in ways
        for body in bodies
    ]


@pytest.mark.parametrize("claimed", [{"memberId": 1}, {"memberId": None}, {"member_id": 1}, {}])
def test_who_adds_something_is_its_owner_whatever_the_body_says(
    guide: Flask, api: FlaskClient, other: FlaskClient, place: dict[str, Any], claimed: Any
) -> None:
    with guide.app_context():
        bob = id_of("bob")
    places = f"/api/places/{place['id']}"
    body = {"name": "Ueno", "kind": "park", "cityId": TOKYO, **claimed}
    made = [
        other.post("/api/places", json=body),
        other.post("/api/places", json=[body]),
        other.post(
            "/api/reviews", json={"stars": 5, "text": "x", "placeId": place["id"], **claimed}
        ),
        other.post(f"{places}/photos", json={"url": "https://example.com/1.jpg", **claimed}),
        other.post(
            "/api/tours", json={"name": "x", "stops": [{"placeId": place["id"], **claimed}]}
        ),
        import_places(other, f"name,kind,cityId,memberId\nNakamise,shop,{TOKYO},1"),
    ]
    for answer in made:
        assert answer.status_code in (200, 201), answer.text
        records = answer.json if isinstance(answer.json, list) else [answer.json]
        assert {record["memberId"] for record in records} == {bob}
    assert [stop["memberId"] for stop in made[4].json["stops"]] == [bob]
    (mine,) = made[1].json
    path = f"/api/places/{mine['id']}"
    assert other.patch(path, json=claimed).json["memberId"] == bob
    assert other.put(path, json=body).json["memberId"] == bob


def test_a_member_reviews_a_place_once(
    other: FlaskClient, place: dict[str, Any], review: dict[str, Any]
) -> None:
    path = f"/api/places/{place['id']}/reviews"
    again = {"stars": 1, "text": "Closed."}
    assert refused(other.post(path, json=again)) == {"memberId": ["uniqueness"]}
    assert refused(other.patch(f"/api/reviews/{review['id']}", json={"stars": 6})) == {
        "stars": ["range.max"]
    }
    assert other.patch(f"/api/reviews/{review['id']}", json=again).json == {**review, **again}
    assert other.delete(f"/api/reviews/{review['id']}").json == {"count": 1}
    assert other.post(path, json=again).status_code == 200


def test_nobody_adds_a_stop_to_the_tour_of_somebody_else(
    other: FlaskClient, tour: dict[str, Any], place: dict[str, Any]
) -> None:
    stop = {"tourId": tour["id"], "placeId": place["id"]}
    answer = other.post("/api/stops", json=stop)
    assert code_of(answer) == (403, "ACCESS_DENIED")
    assert answer.json["error"]["message"] == "this is a tour of somebody else"
    own = other.post("/api/tours", json={"name": "Mine", "stops": [{"placeId": place["id"]}]}).json
    answer = other.patch(f"/api/stops/{own['stops'][0]['id']}", json={"tourId": tour["id"]})
    assert code_of(answer) == (403, "ACCESS_DENIED")
    assert find(other, "/api/stops", where={"tourId": tour["id"]}, order="id") == sorted(
        tour["stops"], key=lambda stop: stop["id"]
    )


def test_the_place_of_a_member_who_left_stays_and_is_nobodys(
    guide: Flask,
    api: FlaskClient,
    other: FlaskClient,
    place: dict[str, Any],
    review: dict[str, Any],
) -> None:
    with guide.app_context():
        ada, bob = id_of("ada"), id_of("bob")
    assert code_of(other.delete(f"/api/members/{ada}")) == (403, "ACCESS_DENIED")
    assert api.delete(f"/api/members/{ada}").json == {"count": 1}
    assert code_of(api.get(f"/api/members/{ada}")) == (401, "INVALID_TOKEN")
    left = {**place, "memberId": None}
    (found,) = find(other, "/api/places", include="reviews")
    assert found == {**left, "reviews": [{**review, "memberId": bob}]}
    assert other.patch(f"/api/places/{place['id']}", json={"note": "x"}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "members",
        "members/count",
        "places?filter[include]=member",
        "places?filter[where][member.email][like]=a%25",
        "places?filter[order]=member.email",
        "places/{place}/member",
        "members/{ada}",
    ],
)
def test_only_members_themselves_see_their_addresses(
    guide: Flask, anybody: FlaskClient, other: FlaskClient, place: dict[str, Any], path: str
) -> None:
    with guide.app_context():
        ada = id_of("ada")
    url = f"/api/{path.format(place=place['id'], ada=ada)}"
    for client, statuses in ((anybody, {401}), (other, {200, 403, 404})):
        answer = client.get(url)
        assert answer.status_code in statuses, answer.text
        assert "ada@example.com" not in answer.text
        if answer.status_code == 200:
            assert answer.json in ([], [place])


# The secret key


def test_the_secret_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    settings = {"DATABASE": tmp_path / "guide.sqlite"}
    keys = set()
    for _ in range(2):
        app = create_app(settings, load=False)
        keys.add(app.secret_key)
        close(app)
    assert len(keys) == 1
    assert len(str(keys.pop())) == 64
    assert (tmp_path / "guide.key").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir() if "key" in each.name] == ["guide.key"]


def test_processes_that_make_the_secret_key_at_once_have_the_same(tmp_path: Path) -> None:
    path = tmp_path / "guide.key"
    command = (
        "import sys; from pathlib import Path; from example_app.secret_key import secret_key; "
        "print(secret_key(Path(sys.argv[1])))"
    )
    processes = [run(tmp_path / "x.sqlite", "-c", command, str(path)) for _ in range(4)]
    keys = {process.communicate()[0].strip() for process in processes}
    assert keys == {path.read_text()}


def test_a_secret_key_that_is_given_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITY_GUIDE_SECRET_KEY", "12345")
    app = create_app({"DATABASE": tmp_path / "guide.sqlite"}, load=False)
    close(app)
    assert app.secret_key == "12345"
    assert not (tmp_path / "guide.key").exists()


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


# Relations


@pytest.fixture
def museum(api: FlaskClient, place: dict[str, Any]) -> dict[str, Any]:
    """Another place, in another city."""
    body = {"name": "Museo Larco", "kind": "museum", "cityId": LIMA, "rating": 5}
    return dict(api.post("/api/places", json=body).json or {})


@pytest.fixture
def review(other: FlaskClient, place: dict[str, Any]) -> dict[str, Any]:
    """What another member thinks of the place."""
    body = {"stars": 4, "text": "Go before noon."}
    return dict(other.post(f"/api/places/{place['id']}/reviews", json=body).json or {})


@pytest.fixture
def tour(api: FlaskClient, place: dict[str, Any], museum: dict[str, Any]) -> dict[str, Any]:
    """A tour that was added with its stops."""
    stops = [{"placeId": museum["id"], "position": 2}, {"placeId": place["id"], "minutes": 30}]
    answer = api.post("/api/tours", json={"name": "Around the world", "stops": stops})
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def names(records: Any) -> list[str]:
    return [record["name"] for record in records]


def test_a_country_has_its_cities_its_largest_and_its_neighbours(
    api: FlaskClient, geodata: Geodata
) -> None:
    cities = [city for city in geodata[1] if city["country_code"] == "PE"]
    assert api.get("/api/countries/PE/cities/count").json == {"count": len(cities)}
    found = find(api, "/api/countries/PE/cities", order="id")
    assert [city["id"] for city in found] == sorted(city["id"] for city in cities)
    largest = max(cities, key=geonames.population)
    assert api.get("/api/countries/PE/largestCity").json["name"] == largest["name"]
    (peru,) = [country for country in geodata[0] if country["code"] == "PE"]
    borders = find(api, "/api/countries/PE/borders", order="code")
    assert [country["code"] for country in borders] == sorted(peru["neighbours"])
    assert api.get(f"/api/cities/{LIMA}/country").json["name"] == "Peru"


@pytest.mark.parametrize(
    "filter",
    [
        {"where": {"largestCity.name": "Callao"}},
        {"where": {"largestCity": {"some": {"name": "Callao"}}}},
        {"order": "largestCity.population DESC"},
    ],
    ids=str,
)
def test_the_largest_city_is_no_path_since_its_key_is_that_of_any_city(
    api: FlaskClient, filter: dict[str, Any]
) -> None:
    answer = api.get("/api/countries", query_string={"filter": json.dumps(filter)})
    assert answer.status_code == 400
    assert "largestCity has a scope with an order" in answer.json["error"]["message"]


def test_an_order_by_countries_is_the_databases(guide: Flask) -> None:
    with guide.app_context():
        explained = db.explain(City, {"order": "country.name", "limit": 1})
        assert "SELECT related_1.name" in explained["backend"]
        assert not explained["python"]["order"]
        assert City.find(order="country.name", limit=1)[0].country().name == "Afghanistan"


def test_what_is_explained_is_what_is_asked_once_keys_are_looked_up(guide: Flask) -> None:
    with guide.app_context():
        explained = db.explain(Country, {"where": {"borders.name": "Peru"}})
    assert "country.neighbours" in explained["backend"]
    assert explained["python"] == {"where": [], "order": False}


def test_countries_come_in_the_order_of_their_names(api: FlaskClient) -> None:
    found = names(find(api, "/api/countries"))
    assert found == sorted(found)
    assert names(find(api, "/api/countries", order="population DESC", limit=1)) == ["China"]


def test_metropolises_have_a_million_people_the_most_first(
    api: FlaskClient, geodata: Geodata
) -> None:
    sizes = sorted((city["population"] for city in geodata[1]), reverse=True)
    expected = [size for size in sizes if size >= 1_000_000]
    found = api.get("/api/cities/metropolises").json or []
    assert [city["population"] for city in found] == expected
    assert api.get("/api/cities/metropolises/count").json == {"count": len(expected)}


def test_records_come_with_what_is_included(api: FlaskClient, tour: dict[str, Any]) -> None:
    include = {"stops": {"place": {"city": "country"}}}
    (found,) = find(api, "/api/tours", include=include)
    places = [stop["place"] for stop in found["stops"]]
    assert names(places) == ["Yanaka Ginza", "Museo Larco"]
    assert names(place["city"]["country"] for place in places) == ["Japan", "Peru"]
    assert "email" not in places[0]


def test_a_limit_of_what_is_included_is_for_each_record(api: FlaskClient) -> None:
    scope = {"order": "population DESC", "limit": 2, "fields": ["name"]}
    found = find(
        api,
        "/api/countries",
        where={"code": {"inq": ["JP", "PE"]}},
        include={"relation": "cities", "scope": scope},
    )
    largest = [[city["name"] for city in country["cities"]] for country in found]
    assert largest == [["Tokyo", "Yokohama"], ["Lima", "Callao"]]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"city.country.name": "Peru"}, ["Museo Larco"]),
        ({"city.country.name": {"neq": "Peru"}}, ["Yanaka Ginza"]),
        ({"tags.name": {"like": "b%"}}, ["Yanaka Ginza"]),
        ({"tags": {"none": {}}}, ["Museo Larco"]),
        ({"photos": {"some": {"caption": "Rain"}}}, ["Museo Larco"]),
        ({"address.street": "Yanaka 3"}, ["Yanaka Ginza"]),
        ({"hours": {"some": {"day": "mon", "opens": {"lt": "11:00"}}}}, ["Yanaka Ginza"]),
        ({"hours": {"some": {"day": "mon", "closes": {"lt": "11:00"}}}}, []),
    ],
    ids=str,
)
def test_places_are_found_by_what_they_are_related_to(
    api: FlaskClient,
    place: dict[str, Any],
    museum: dict[str, Any],
    where: dict[str, Any],
    found: list[str],
) -> None:
    path = f"/api/places/{place['id']}"
    api.post(f"{path}/tags", json=[{"name": "bakeries"}, {"name": "cats"}])
    api.post(f"{path}/address", json={"street": "Yanaka 3"})
    api.post(f"{path}/hours", json={"day": "mon", "opens": "10:00", "closes": "19:00"})
    photo = {"url": "https://example.com/1.jpg", "caption": "Rain"}
    assert api.post(f"/api/places/{museum['id']}/photos", json=photo).status_code == 200
    assert names(find(api, "/api/places", where=where)) == found


def test_a_tour_is_added_and_changed_with_its_stops(
    api: FlaskClient, tour: dict[str, Any], place: dict[str, Any]
) -> None:
    path = f"/api/tours/{tour['id']}"
    assert [(stop["position"], stop["minutes"]) for stop in tour["stops"]] == [(1, 30), (2, None)]
    changes = {"stops": [{"id": tour["stops"][1]["id"], "minutes": 60}, {"placeId": place["id"]}]}
    changed = api.patch(path, json=changes).json or {}
    assert sorted(stop["minutes"] or 0 for stop in changed["stops"]) == [0, 30, 60]
    assert names(find(api, f"{path}/places", order="name")) == ["Museo Larco", "Yanaka Ginza"]
    stop = tour["stops"][0]["id"]
    assert api.get(f"{path}/stops/{stop}/place").json["name"] == "Yanaka Ginza"


def test_a_tour_with_a_stop_that_is_not_valid_is_not_added(
    api: FlaskClient, place: dict[str, Any]
) -> None:
    stops = [{"placeId": place["id"]}, {"minutes": 0}]
    assert refused(api.post("/api/tours", json={"name": "", "stops": stops})) == {
        "name": ["presence"],
        "stops.1.minutes": ["range.min"],
        "stops.1.placeId": ["presence"],
    }
    stops = [{"placeId": place["id"]}, {"placeId": 999}]
    answer = api.post("/api/tours", json={"name": "Nowhere", "stops": stops})
    assert refused(answer) == {"stops.1.placeId": ["relation"]}
    assert refused(api.post("/api/stops", json={"placeId": place["id"]})) == {
        "tourId": ["presence"]
    }
    for model in ("tours", "stops"):
        assert api.get(f"/api/{model}/count").json == {"count": 0}


def test_hours_are_those_of_a_day_of_the_week(api: FlaskClient, place: dict[str, Any]) -> None:
    path = f"/api/places/{place['id']}/hours"
    monday = {"day": "mon", "opens": "10:00", "closes": "19:00"}
    assert api.post(path, json=monday).json == monday
    assert refused(api.post(path, json=monday)) == {"day": ["uniqueness"]}
    assert list(refused(api.post(path, json={**monday, "day": "monday"}))) == ["day"]
    assert list(refused(api.put(f"{path}/mon", json={"closes": "25:00"}))) == ["closes"]
    assert api.put(f"{path}/mon", json={"closes": "20:00"}).json["closes"] == "20:00"
    assert api.delete(f"{path}/mon").status_code == 204
    assert api.get(path).json == []


def test_what_hangs_on_a_place_goes_with_it(
    guide: Flask, api: FlaskClient, tour: dict[str, Any], place: dict[str, Any]
) -> None:
    path = f"/api/places/{place['id']}"
    api.post(f"{path}/tags", json={"name": "cats"})
    api.post(f"{path}/photos", json={"url": "https://example.com/1.jpg"})
    api.post(f"/api/cities/{TOKYO}/photos", json={"url": "https://example.com/2.jpg"})
    assert api.delete(path).json == {"count": 1}
    with guide.app_context():
        assert [photo.subject_type for photo in Photo.find()] == ["City"]
        assert [stop.place().name for stop in Stop.find()] == ["Museo Larco"]
        assert Tag.find_one().places.count() == 0
        assert Tour.count() == 1
    assert api.delete(f"/api/tours/{tour['id']}").json == {"count": 1}
    assert api.get("/api/stops/count").json == {"count": 0}


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        *(("POST", "countries/PE/cities"), ("DELETE", "countries/PE/cities")),
        *(("PUT", f"countries/PE/cities/{LIMA}"), ("DELETE", f"countries/PE/cities/{LIMA}")),
        *(("POST", "countries/PE/largestCity"), ("DELETE", "countries/PE/largestCity")),
        *(("POST", "countries/PE/borders"), ("DELETE", "countries/PE/borders")),
        *(("PUT", "countries/PE/borders/rel/JP"), ("DELETE", "countries/PE/borders/rel/EC")),
        *(("POST", f"cities/{LIMA}/country"), ("POST", "cities/metropolises")),
        *(("DELETE", "cities/metropolises"), ("POST", f"cities/{LIMA}/places")),
        *(("DELETE", f"cities/{LIMA}/places"), ("DELETE", f"cities/{LIMA}/photos")),
    ],
)
def test_no_relation_is_a_way_to_change_what_is_not_theirs(
    api: FlaskClient, museum: dict[str, Any], verb: str, path: str
) -> None:
    body = {"id": 1, "name": "Atlantis", "code": "XX"}
    assert api.open(f"/api/{path}", method=verb, json=body).status_code in (404, 405)
    assert find(api, "/api/countries", where={"code": "PE"}, fields="neighbours") == [
        {"neighbours": ["EC", "CL", "BO", "BR", "CO"]}
    ]
    assert api.get(f"/api/places/{museum['id']}").json == museum


@pytest.mark.parametrize(
    "filter",
    [
        {"where": {"places.email": "a@example.com"}},
        {"where": {"places": {"some": {"email": {"like": "a%"}}}}},
        {"include": {"relation": "places", "scope": {"where": {"email": "a@example.com"}}}},
        {"include": {"relation": "places", "scope": {"fields": ["email"]}}},
        {"include": {"relation": "places", "scope": {"order": "email"}}},
    ],
    ids=str,
)
def test_addresses_cannot_be_guessed_by_way_of_a_relation(
    api: FlaskClient, place: dict[str, Any], filter: dict[str, Any]
) -> None:
    answer = api.get("/api/cities", query_string={"filter": json.dumps(filter)})
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "INVALID_FILTER"
    assert (
        "places" in answer.json["error"]["message"] or "include" in answer.json["error"]["message"]
    )


def test_what_users_add_is_never_cached(api: FlaskClient, place: dict[str, Any]) -> None:
    for path, is_cached in [
        ("cities?filter[where][country.name]=Peru&filter[limit]=1", False),
        ("cities?filter[include]=places&filter[limit]=1", False),
        ("cities?filter[limit]=1", True),
        ("cities/count?where[places.rating]=5", False),
        ("cities/count?where[countryCode]=PE", True),
        ("cities/metropolises", True),
        (f"cities/{TOKYO}?filter[include]=photos", False),
        (f"cities/{TOKYO}/places", False),
        (f"cities/{TOKYO}/photos", False),
        (f"cities/{TOKYO}/nearby", True),
    ]:
        answer = api.get(f"/api/{path}")
        assert answer.status_code == 200
        assert ("Cache-Control" in answer.headers) is is_cached, path


def test_a_database_of_the_guide_without_relations_gets_what_they_need(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(OLD_TABLES)
    connection.close()
    app = create_app({"DATABASE": path}, load=False)
    try:
        with app.app_context():
            (place,) = Place.find(include=["city", "tags", "photos"])
            assert (place.name, place.city().country().name) == ("Yanaka Ginza", "Japan")
            assert (place.tags(), place.photos(), place.address(), place.hours()) == (
                [],
                [],
                None,
                [],
            )
            place.hours.create(day="mon", opens="10:00", closes="19:00")
            tour = Tour.create(name="Yanaka", stops=[{"place_id": place.id}])
            with pytest.raises(ValidationError):
                tour.stops.create(place_id=99)
            assert [stop.place().name for stop in tour.stops()] == ["Yanaka Ginza"]
            assert Place.find_by_id(1).hours.count() == 1
            assert db.is_actual()
    finally:
        close(app)


# The command line


@pytest.mark.parametrize(
    ("command", "row"),
    [
        ("models", ["Place", "/api/places", "db", "sqlite", "13", "id"]),
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


def test_a_guide_that_is_started_says_where_it_is_and_shows_the_links_of_its_mails(
    database: Path,
) -> None:
    process = run(database, "-m", "example_app", "--port", "0", cwd=ROOT)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        url = re.fullmatch(r"The city guide is at (http://127.0.0.1:\d+)/\n", said)
        assert url is not None, said
        body = json.dumps({"email": "zoe@example.com", "password": PASSWORD}).encode()
        ask = Request(f"{url[1]}/api/members", body, {"Content-Type": "application/json"})  # noqa: S310
        with urlopen(ask) as answer:  # noqa: S310 - the guide's
            assert json.load(answer)["email"] == "zoe@example.com"
        link = next(line for line in process.stdout if "/confirm?" in line).strip()
        assert link.startswith(f"{url[1]}/api/members/confirm?uid=")
        with urlopen(link) as page:  # noqa: S310
            assert page.url == f"{url[1]}/?verified"
            assert "Your address is verified" in page.read().decode()
    finally:
        process.terminate()
        process.communicate()


def test_a_port_that_is_taken_is_a_message_and_no_traceback(database: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = run(database, "-m", "example_app", "--port", str(port), cwd=ROOT)
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.startswith(f"Port {port} cannot be used (")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "settings"),
    [
        ("127.0.0.1", {}),
        ("localhost", {}),
        ("0.0.0.0", {"TRUSTED_HOSTS": None, "LOOP_EXTERNAL_URL": "http://127.0.0.1:80"}),  # noqa: S104
        ("::", {"TRUSTED_HOSTS": None, "LOOP_EXTERNAL_URL": "http://[::1]:80"}),
        ("10.0.0.5", {"TRUSTED_HOSTS": None, "LOOP_EXTERNAL_URL": "http://10.0.0.5:80"}),
    ],
)
def test_a_guide_for_others_has_one_url_in_its_mails(host: str, settings: dict[str, Any]) -> None:
    assert settings_of(Namespace(cities=None, host=host, port=80)) == settings


def test_a_set_of_cities_that_there_is_not_is_refused(database: Path) -> None:
    process = run(database, "-m", "example_app", "--cities", "7", cwd=ROOT)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert "invalid choice: 7 (choose from 500, 1000, 5000, 15000)" in errors
