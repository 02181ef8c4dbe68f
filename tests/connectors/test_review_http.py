"""What the connectors over HTTP do with ids, lists and answers that are not as one hopes."""

from __future__ import annotations

import enum
import gzip
import json
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from threading import Barrier, Event
from time import monotonic
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask

from flask_loop import (
    DataSource,
    Loop,
    Model,
    Prop,
    create_data_source,
    memory,
    prop,
    remote_method,
)
from flask_loop.connectors.rest.settings import read_settings
from flask_loop.connectors.web import BadAnswer, WebClient
from flask_loop.errors import (
    BadRequest,
    Conflict,
    DefinitionError,
    DuplicateId,
    ModelNotFound,
    TransactionConflict,
    Unavailable,
)
from tests.collection import Collections, served
from tests.servers import Couchdb
from tests.web import Reply, Request, WebServer

Connect = Callable[..., DataSource]
TEXT_ID = {"type": str, "id": True}


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(value).encode(), headers)


# CouchDB


@pytest.fixture
def url(couchdb: Couchdb) -> str:
    return couchdb.fresh("review")


@pytest.fixture
def raw(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def plain(connect: Connect, url: str) -> DataSource:
    return connect("couchdb", url=url, plain_ids=True)


def test_a_plain_id_of_another_models_document_leads_nowhere(
    plain: DataSource, raw: httpx.Client, make_app: Callable[..., Flask]
) -> None:
    rooms = plain.create_model("plain_room", {"id": TEXT_ID, "name": str})
    safes = plain.create_model("plain_safe", {"id": TEXT_ID, "name": str})
    plain.auto_update()
    safes.create(id="s1", name="secret")
    client = make_app(rooms).test_client()
    for answer in (
        client.get("/api/plain_rooms/s1"),
        client.patch("/api/plain_rooms/s1", json={"name": "mine"}),
        client.put("/api/plain_rooms/s1", json={"name": "mine"}),
    ):
        assert answer.status_code == 404
    assert client.delete("/api/plain_rooms/s1").get_json() == {"count": 0}
    assert rooms.find(where={"id": {"inq": ["s1", "s2"]}}) == []
    assert rooms.count({"id": "s1"}) == 0
    assert rooms.destroy_all({"id": "s1"}) == 0
    assert raw.get("/s1").json()["name"] == "secret"


@pytest.mark.parametrize("id", ["_design/mine", "_local/mine", "_security", "%ids:plain_count"])
def test_a_plain_id_is_none_that_couchdb_or_the_connector_has_a_use_for(
    plain: DataSource, raw: httpx.Client, make_app: Callable[..., Flask], id: str
) -> None:
    things = plain.create_model("plain_thing", {"id": TEXT_ID}, strict=False)
    plain.auto_update()
    views = {"all": {"map": "function (doc) { emit(doc._id, doc); }"}}
    client = make_app(things).test_client()
    answer = client.post("/api/plain_things", json={"id": id, "views": views})
    assert answer.status_code == 409
    assert answer.get_json()["error"]["code"] == "REFUSED"
    with pytest.raises(Conflict):
        things.create([{"id": "good"}, {"id": id, "views": views}])
    assert raw.get("/_all_docs").json()["rows"] == []


class Mango:
    """A database of one model's documents that answers ``_find`` as CouchDB 3 does.

    What a bookmark means there is "what follows the next row from this key on": the row after it is
    left out where the document of the bookmark is gone.
    """

    def __init__(self, ids: list[str]) -> None:
        self.documents = {id: {"_id": id, "_rev": "1-a", "name": "x"} for id in ids}
        self.pages = 0

    def __call__(self, request: Request) -> Reply:
        if not request.path.endswith("/_find"):
            return json_reply({"error": "not_found", "reason": "missing"}, 404)
        asked = json.loads(request.body)
        said = asked["selector"]["_id"]
        start = asked.get("bookmark", "")
        found = [
            each
            for id, each in sorted(self.documents.items())
            if id >= max(start, said.get("$gte", ""))
            and id > said.get("$gt", "")
            and id < said["$lt"]
        ]
        page = found[1 if start else asked.get("skip", 0) :][: asked["limit"]]
        self.pages += 1
        if self.pages == 1:
            del self.documents[page[-1]["_id"]]  # by somebody else
        return json_reply({"docs": page, "bookmark": page[-1]["_id"] if page else "nil"})


def test_no_document_is_missed_where_the_last_one_of_a_page_is_deleted_meanwhile(
    connect: Connect,
) -> None:
    ids = [f"paged_thing:{number:04}" for number in range(1100)]
    mango = Mango(ids)
    with WebServer(mango) as server:
        source = connect("couchdb", url=f"{server.url}/shop")
        things = source.create_model("paged_thing", {"id": TEXT_ID, "name": str, "size": int})
        assert len(things.find(where={"size": None}, order="name")) == 1100
    assert mango.pages == 2


class SameKeys:
    """A database whose view has one key for all its documents, and answers as CouchDB 3 does."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids
        self.pages = 0

    def __call__(self, request: Request) -> Reply:
        url = urlsplit(request.path)
        if "_view" not in url.path:
            return json_reply({"_id": "_design/x"})
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        key = json.loads(asked["startkey"])
        found = [id for id in sorted(self.ids) if id >= asked.get("startkey_docid", "")]
        page = found[int(asked.get("skip", 0)) :][: int(asked["limit"])]
        self.pages += 1
        if self.pages == 1:
            self.ids.remove(page[0])  # by somebody else
        rows = [{"id": id, "key": key, "doc": {"_id": id, "city": "Rome"}} for id in page]
        return json_reply({"rows": rows})


def test_no_row_of_a_view_is_missed_where_others_delete_what_was_read(connect: Connect) -> None:
    database = SameKeys([f"viewed_thing:{number:04}" for number in range(1100)])
    with WebServer(database) as server:
        source = connect("couchdb", url=f"{server.url}/shop")
        properties = {"id": TEXT_ID, "city": {"type": str, "index": True}}
        things = source.create_model("viewed_thing", properties)
        assert len(things.find(where={"city": "Rome"}, order="city")) == 1100
    assert database.pages == 2


def test_keys_that_are_too_long_for_a_url_are_asked_for(
    connect: Connect, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_loop.connectors.couchdb.database.PAGE", 2)
    source = connect("couchdb", url=url)
    city = {"type": str, "index": True}
    things = source.create_model("long_thing", {"id": TEXT_ID, "city": city})
    source.auto_update()
    ids = [each * 20_000 for each in "abcde"]
    things.create([{"id": id, "city": id} for id in ids])
    things.create(id="f", city="\N{SNOWMAN}" * 1000)
    assert [each.id for each in things.find(order="id")] == [*ids, "f"]
    assert [each.id for each in things.find(order="city")] == [*ids, "f"]
    assert [each.id for each in things.find(order="id DESC", limit=3)] == ["f", *ids[:2:-1]]
    assert things.count({"id": {"gt": ids[1]}}) == 4
    assert things.count({"city": "\N{SNOWMAN}" * 1000}) == 1
    assert things.find_one({"city": {"gte": "\N{SNOWMAN}" * 999}}).id == "f"


def test_large_documents_come_fewer_at_once(connect: Connect, url: str) -> None:
    properties = {"id": {"type": int, "id": True}, "text": str, "size": int}

    def things() -> Any:
        source = connect("couchdb", url=url, max_answer=1_000_000)
        return source.create_model("large_thing", properties)

    things().data_source.auto_update()
    things().create([{"id": id, "text": "x" * 60_000, "size": id % 2} for id in range(40)])
    assert len(things().find()) == 40
    assert len(things().find(where={"size": 1})) == 20
    assert len(things().find(where={"id": {"inq": list(range(20))}})) == 20
    things().create(id=40, text="x" * 1_000_000)
    with pytest.raises(Unavailable):
        things().find()


class Contested:
    """A database in which another process makes the same indexes at the same time."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    def __call__(self, request: Request) -> Reply:
        path = urlsplit(request.path).path
        if request.method == "PUT":
            return json_reply({"error": "conflict", "reason": "Document update conflict."}, 409)
        if not path.endswith("/_index"):
            return json_reply({"rows": []})
        self.refusals -= 1
        if self.refusals < 0:
            return json_reply({"result": "exists"})
        reason = "Encountered a conflict while saving the design document."
        return json_reply({"error": "error_saving_ddoc", "reason": reason}, 500)


@pytest.mark.parametrize("refusals", [2, 1000])
def test_two_processes_may_make_indexes_at_once(connect: Connect, refusals: int) -> None:
    with WebServer(Contested(refusals)) as server:
        source = connect("couchdb", url=f"{server.url}/shop")
        source.create_model("contested_thing", {"name": {"type": str, "index": True}})
        if refusals == 2:
            source.auto_update()
        else:
            with pytest.raises(TransactionConflict):
                source.auto_update()


class Indexed:
    """A database that answers ``_find`` by an index as CouchDB 3 does.

    What a bookmark means there is "what follows the next row from this one on".
    """

    def __init__(self, ids: list[str]) -> None:
        self.documents: dict[str, dict[str, Any]] = {
            id: {"_id": id, "_rev": "1-a", "size": 5, "weight": 5} for id in ids
        }
        self.pages = 0

    def __call__(self, request: Request) -> Reply:
        asked = json.loads(request.body or b"{}")
        if request.path.endswith("/_find"):
            return self._find(asked)
        if "/_all_docs" in request.path:
            rows = [{"doc": self.documents.get(id)} for id in asked["keys"]]
            return json_reply({"rows": rows})
        return json_reply({"_id": "_design/x"})

    def _find(self, asked: dict[str, Any]) -> Reply:
        assert ("use_index" in asked) is ("sort" not in asked)
        behind = asked["selector"].get("_id", {}).get("$gt") or ""
        start = asked.get("bookmark", "")
        found = [each for id, each in sorted(self.documents.items()) if id >= start and id > behind]
        page = found[1 if start else asked.get("skip", 0) :][: asked["limit"]]
        self.pages += 1
        if self.pages == 1:
            del self.documents[page[-1]["_id"]]  # by somebody else
        return json_reply({"docs": page, "bookmark": page[-1]["_id"] if page else "nil"})


def test_no_document_of_an_index_is_missed_either(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_loop.connectors.couchdb.database.PAGE", 10)
    ids = [f"indexed_thing:{number:04}" for number in range(35)]
    with WebServer(Indexed(ids)) as server:
        source = connect("couchdb", url=f"{server.url}/shop")
        properties = {"id": TEXT_ID, "size": {"type": int, "index": True}, "weight": int}
        things = source.create_model("indexed_thing", properties)
        where = {"size": {"gt": 1}, "weight": {"gt": 1}}
        assert len(things.find(where=where, order="weight")) == 35


@pytest.mark.parametrize("said", [{}, [], {"rows": 5}, {"rows": None, "docs": None}], ids=str)
def test_what_is_no_answer_of_couchdb_is_unavailable(
    connect: Connect, make_app: Callable[..., Flask], said: Any
) -> None:
    with WebServer([json_reply(said)]) as server:
        source = connect("couchdb", url=f"{server.url}/shop")
        things = source.create_model("odd_thing", {"id": TEXT_ID, "size": int})
        client = make_app(things, testing=False).test_client()
        query = {"filter": json.dumps({"where": {"size": 5}})}
        for answer in (
            client.get("/api/odd_things"),
            client.get("/api/odd_things/1"),
            client.get("/api/odd_things", query_string=query),
            client.post("/api/odd_things", json={"id": "a"}),
        ):
            assert answer.status_code == 503
            assert answer.get_json()["error"]["code"] == "BAD_ANSWER"


# A REST service


def test_a_page_beyond_the_last_one_is_empty_however_the_service_says_so(connect: Connect) -> None:
    def answer(request: Request) -> Reply:
        asked = parse_qs(urlsplit(request.path).query)
        if int(asked["offset"][0]) >= 2:
            return Reply(416)
        return json_reply([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])

    with WebServer(answer) as server:
        query = {"limit": "limit", "skip": "offset", "order": "sort"}
        source = connect("rest", base_url=server.url, query=query)
        people = source.create_model("review_person", {"name": str}, plural="people")
        assert people.find(skip=4, limit=2) == []
        assert [each.id for each in people.find(skip=0)] == [1, 2]


def test_an_answer_that_has_nothing_of_a_record_is_none(connect: Connect) -> None:
    with WebServer([json_reply({"error": "no such person"})]) as server:
        source = connect("rest", base_url=server.url)
        people = source.create_model("review_error", {"name": str}, plural="people")
        for ask in (people.find_by_id, people.destroy_by_id, people.exists):
            with pytest.raises(Unavailable):
                ask(1)
        assert people.create({"id": 1, "name": "a"}).id == 1
    assert [each.method for each in server.requests] == ["GET", "GET", "GET", "POST"]


@pytest.mark.parametrize("status", [200, 206])
def test_a_list_that_says_that_there_is_more_is_not_taken_for_all(
    connect: Connect, status: int
) -> None:
    link = {"Link": '<http://x/people?page=2>; rel="next"'} if status == 200 else {}
    with WebServer([json_reply([{"id": 1, "name": "a"}], status, **link)]) as server:
        source = connect("rest", base_url=server.url)
        people = source.create_model("review_cut", {"name": str}, plural="people")
        for ask in (people.find, people.count, people.destroy_all):
            with pytest.raises(Unavailable):
                ask()
        assert [each.method for each in server.requests] == ["GET"] * 3


class Tidy(Collections):
    """A service that writes names in a form of its own."""

    def _answer(self, method: str, path: str, query: str, given: Any) -> tuple[int, Any]:
        if given:
            given["name"] = given["name"].strip().title()
        return super()._answer(method, path, query, given)


class Failed(Exception):
    """Lets a block raise."""


def test_what_a_service_writes_in_a_form_of_its_own_is_undone(connect: Connect) -> None:
    with served(Tidy()) as url:
        source = connect("rest", base_url=url)
        people = source.create_model("review_tidy", {"name": str}, plural="people")
        people.create({"name": "Ada"})

        def write() -> None:
            with source.transaction():
                people.create({"name": " bob "})
                people.update_all({"id": 1}, {"name": " eve "})
                raise Failed

        with pytest.raises(Failed):
            write()
        assert [each.name for each in people.find()] == ["Ada"]


def test_arguments_of_templates_may_have_any_name(
    connect: Connect, make_app: Callable[..., Flask]
) -> None:
    names = ("template", "self", "cls")
    query = {name: f"{{!{name}}}" for name in names}
    with WebServer([json_reply({"sent": True})]) as server:
        source = connect(
            "rest",
            base_url=server.url,
            crud=False,
            operations=[
                {
                    "template": {"method": "GET", "url": "mail", "query": query},
                    "functions": {"mail": list(names)},
                }
            ],
        )
        mails = source.create_model("review_mail", {"name": str}, plural="mails")
        assert mails.mail("a", "b", "c") == {"sent": True}
        assert mails.mail(**dict.fromkeys(names, "x")) == {"sent": True}
        client = make_app(mails).test_client()
        answer = client.get("/api/mails/mail?template=a&self=b&cls=c")
        assert (answer.status_code, answer.get_json()) == (200, {"sent": True})
        assert {urlsplit(each.path).query for each in server.requests} == {
            "template=a&self=b&cls=c",
            "template=x&self=x&cls=x",
        }


# Another app


@pytest.mark.parametrize("dialect", ["flask-loop", "loopback3"])
def test_an_answer_that_is_no_record_is_unavailable(
    connect: Connect, make_app: Callable[..., Flask], dialect: str
) -> None:
    with WebServer([json_reply({"error": {"message": "none"}})]) as server:
        source = connect("remote", url=server.url, dialect=dialect)
        things = source.create_model("review_none", {"name": str}, plural="things")
        client = make_app(things, testing=False).test_client()
        for answer in (
            client.get("/api/things/1"),
            client.post("/api/things", json={"name": "a"}),
            client.patch("/api/things/1", json={"name": "a"}),
        ):
            assert answer.status_code == 503
            assert answer.get_json()["error"]["code"] == "BAD_ANSWER"


class LoopBack:
    """A LoopBack 3 server that leaves out of a where what it hides: the property ``level``.

    :ivar rows: what its database has, with a null where nothing was given.
    """

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {
            1: {"id": 1, "name": "a", "size": 1},
            2: {"id": 2, "name": "b", "size": 2},
        }

    def __call__(self, request: Request) -> Reply:
        url = urlsplit(request.path)
        asked = parse_qs(url.query)
        where = json.loads(asked["where"][0]) if "where" in asked else {}
        if "filter" in asked:
            where = json.loads(asked["filter"][0]).get("where", {})
        where = {key: value for key, value in where.items() if key != "level"}
        found = [each for each in self.rows.values() if self._is_meant(each, where)]
        if url.path == "/things/count":
            return json_reply({"count": len(found)})
        if url.path == "/things/update":
            for each in found:
                each.update(json.loads(request.body))
            return json_reply({"count": len(found)})
        id = url.path.removeprefix("/things").strip("/")
        if request.method == "POST":
            given = json.loads(request.body)
            if given["name"] == "bad":
                return json_reply({"error": {"statusCode": 500}}, 500)
            new = len(self.rows) + 1
            self.rows[new] = {"more": None, **given, "id": new}
            return json_reply({**given, "id": new})  # without what was not given
        if request.method == "PATCH":
            self.rows[int(id)].update(json.loads(request.body))
        if request.method == "DELETE":
            if not id:
                return json_reply({"error": {"message": "no method handling"}}, 404)
            return json_reply({"count": int(self.rows.pop(int(id), None) is not None)})
        return json_reply(self.rows[int(id)] if id else found)

    @staticmethod
    def _is_meant(row: dict[str, Any], where: dict[str, Any]) -> bool:
        for key, said in where.items():
            values = said["inq"] if isinstance(said, dict) and "inq" in said else [said]
            if row.get(key) not in values:
                return False
        return True


@pytest.fixture
def loopback(connect: Connect) -> Iterator[tuple[LoopBack, Any]]:
    server = LoopBack()
    with WebServer(server) as web:
        source = connect("remote", url=web.url, dialect="loopback3")
        properties = {"name": str, "size": int, "level": int, "is_on": bool}
        yield server, source.create_model("review_thing", properties, plural="things")


def test_what_loopback_leaves_out_of_a_where_makes_it_hold_for_no_more(
    loopback: tuple[LoopBack, Any],
) -> None:
    server, things = loopback
    assert things.find(where={"level": 5}) == []
    assert things.count({"level": 5}) == 0
    assert things.update_all({"level": 5}, {"name": "gone"}) == 0
    assert things.destroy_all({"level": 5}) == 0
    assert [each["name"] for each in server.rows.values()] == ["a", "b"]
    assert things.update_all({"size": 2}, {"name": "c"}) == 1
    assert things.find_by_id(2).name == "c"


def test_what_loopback_created_of_a_list_is_deleted_where_another_record_is_refused(
    loopback: tuple[LoopBack, Any],
) -> None:
    server, things = loopback
    with pytest.raises(Unavailable):
        things.create([{"name": "c"}, {"name": "bad"}])
    assert list(server.rows) == [1, 2]


class ReviewShop(Model):
    code: Prop[str] = prop(id=True)
    city: Prop[str | None] = prop(default=None)
    made_by: Prop[str | None] = prop(default="there", read_only=True)

    class Meta:
        data_source = memory()
        plural = "shops"
        scopes: ClassVar = {"old": {"where": {"city": "Rome"}}}

    @remote_method(http={"verb": "delete", "path": "/everything"})
    @classmethod
    def clear(cls) -> None:
        cls.destroy_all()


@pytest.fixture
def shops(connect: Connect) -> Iterator[Any]:
    """Models of another app as they are here."""
    app = Flask("there")
    Loop(app, url_prefix="/api").model(ReviewShop)
    ReviewShop.destroy_all()
    ReviewShop.create([{"code": "a", "city": "Rome"}, {"code": "b", "city": "Bonn"}])
    with served(app, threads=2) as url:
        source = connect("remote", url=f"{url}/api")
        properties = {"code": TEXT_ID, "city": str, "made_by": str}
        yield source.create_model("review_far_shop", properties, plural="shops")


def test_what_the_other_app_keeps_to_itself_does_not_stop_the_rest_from_being_undone(
    shops: Any,
) -> None:
    def write() -> None:
        with shops.data_source.transaction():
            shops.update_all({}, {"city": "Oslo", "made_by": "here"})
            raise Failed

    with pytest.raises(Failed):
        write()
    assert [each.city for each in shops.find(order="code")] == ["Rome", "Bonn"]
    assert [each.made_by for each in shops.find()] == ["there", "there"]


@pytest.mark.parametrize("id", ["old", "everything"])
def test_an_id_that_nobody_has_calls_no_method_of_the_other_app(
    shops: Any, make_app: Callable[..., Flask], id: str
) -> None:
    client = make_app(shops).test_client()
    assert client.delete(f"/api/shops/{id}").get_json() == {"count": 0}
    assert client.patch(f"/api/shops/{id}", json={"city": "x"}).status_code == 404
    with pytest.raises(ModelNotFound):
        shops.replace_by_id(id, {"city": "x"})
    assert len(shops.find()) == 2
    assert client.delete("/api/shops/a").get_json() == {"count": 1}


def test_a_called_method_is_one_of_its_model(connect: Connect) -> None:
    with WebServer() as server:
        connector: Any = connect("remote", url=f"{server.url}/api").connector
        connector.call("products", "../users/1/tokens", verb="GET")
        connector.call("products", "a/b", id="../2", verb="GET")
    assert [each.path for each in server.requests] == [
        "/api/products/%2E%2E/users/1/tokens",
        "/api/products/..%2F2/a/b",
    ]


LONG = "x" * 5000
LIBRARY = memory()


class ReviewBook(Model):
    code: Prop[str] = prop(id=True)
    city: Prop[str | None] = prop(default=None)

    class Meta:
        data_source = LIBRARY
        plural = "books"


@pytest.fixture
def books(connect: Connect) -> Iterator[Any]:
    """Models of another app whose ids are too long for a filter in a URL, or have slashes."""
    app = Flask("library")
    LIBRARY.enable_remote("destroyAll")
    Loop(app, url_prefix="/api").model(ReviewBook)
    ReviewBook.destroy_all()
    ReviewBook.create([{"code": each, "city": "Rome"} for each in (f"a/{LONG}", f"b/{LONG}", LONG)])
    ReviewBook.create([{"code": each, "city": "Bonn"} for each in ("c", "d/e")])
    with served(app, threads=2) as url:
        source = connect("remote", url=f"{url}/api")
        properties = {"code": TEXT_ID, "city": str}
        yield source.create_model("review_far_book", properties, plural="books")


@pytest.mark.parametrize("where", [f"a/{LONG}", {"inq": [f"a/{LONG}", LONG]}], ids=["one", "two"])
def test_what_is_too_long_to_be_asked_for_by_its_id_changes_no_other_record(
    books: Any, where: Any
) -> None:
    for change, arguments in (
        (books.update_all, [{"code": where}, {"city": "Oslo"}]),
        (books.destroy_all, [{"code": where}]),
    ):
        with pytest.raises(BadRequest, match="No path leads to the review_far_book"):
            change(*arguments)
        assert {each.city for each in ReviewBook.find()} == {"Rome", "Bonn"}
        assert ReviewBook.count() == 5


def test_a_long_id_without_a_slash_is_written_by_its_path(books: Any) -> None:
    assert books.update_all({"code": {"inq": [LONG, "c"]}}, {"city": "Oslo"}) == 2
    assert ReviewBook.count({"city": "Oslo"}) == 2
    assert books.destroy_all({"code": {"inq": [LONG, "d/e"]}}) == 2
    assert ReviewBook.count() == 3


def test_ids_that_loopback_is_asked_nothing_of_change_no_other_record(connect: Connect) -> None:
    server = LoopBack()
    with WebServer(server) as web:
        source = connect("remote", url=web.url, dialect="loopback3")
        properties = {"id": {"type": "any", "id": True}, "name": str}
        things = source.create_model("review_any_id", properties, plural="things")
        assert things.update_all({"id": {"inq": [1, 7]}}, {"name": "new"}) == 1
        server.rows[3] = {"id": 3, "name": "c"}
        assert things.update_all({"name": {"inq": ["b", "c"]}}, {"name": "other"}) == 2
        assert things.destroy_all({"name": "other"}) == 2
    assert [each["name"] for each in server.rows.values()] == ["new"]


def test_all_who_ask_for_too_much_at_once_learn_of_it(connect: Connect) -> None:
    together = Barrier(4, timeout=10)

    def answer(request: Request) -> Reply:
        if request.method == "POST":
            asked = len(json.loads(request.body))
            said = f"The list has more than 3 records, it has {asked}."
        else:
            asked = json.loads(parse_qs(urlsplit(request.path).query)["filter"][0])["limit"]
            said = "filter.limit is more than 3"
        if asked <= 3:
            return json_reply([{"id": 1}] * asked if request.method == "POST" else [])
        together.wait()
        return json_reply({"error": {"statusCode": 400, "message": said}}, 400)

    with WebServer(answer) as server, ThreadPoolExecutor(4) as pool:
        for number, ask in enumerate((lambda m: m.find(), lambda m: m.create([{}] * 5))):
            source = connect("remote", url=server.url)
            things = source.create_model(f"review_bounded{number}", {"name": str})
            asked = [pool.submit(ask, things) for _ in range(4)]
            assert [len(each.result()) for each in asked] == [5 * number] * 4


class ReviewCase(Model):
    code: Prop[Any] = prop(id=True, type="any")
    city: Prop[str | None] = prop(default=None)

    class Meta:
        data_source = memory()
        plural = "cases"

    @remote_method(http={"verb": "get", "path": "/all-of-them"})
    @classmethod
    def everything(cls) -> dict[str, Any]:
        return {"code": "all-of-them", "city": "Rome"}

    @remote_method(http={"verb": "delete", "path": "/all-of-them"})
    @classmethod
    def clear(cls) -> dict[str, int]:
        return {"count": cls.destroy_all()}


class Case(enum.Enum):
    METHOD = "all-of-them"
    OTHER = "a"


@pytest.mark.parametrize(
    ("kind", "id"), [("any", "all-of-them"), (Case, Case.METHOD), ("any", "7")], ids=str
)
def test_ids_of_any_type_call_no_method_of_the_other_app(
    connect: Connect, kind: Any, id: Any
) -> None:
    app = Flask("court")
    Loop(app, url_prefix="/api").model(ReviewCase)
    ReviewCase.destroy_all()
    ReviewCase.create([{"code": "a", "city": "Rome"}, {"code": 7, "city": "Bonn"}])
    with served(app, threads=2) as url:
        source = connect("remote", url=f"{url}/api")
        properties = {"code": {"type": kind, "id": True}, "city": str}
        cases = source.create_model("review_far_case", properties, plural="cases")
        assert cases.find_by_id(id) is None
        assert cases.destroy_by_id(id) == 0
        assert ReviewCase.count() == 2


class Ids:
    """A LoopBack server on MongoDB, whose ObjectIDs are not compared with texts."""

    def __call__(self, request: Request) -> Reply:
        asked = json.loads(parse_qs(urlsplit(request.path).query)["filter"][0])
        if "where" in asked:
            return json_reply([])
        start = asked.get("skip", 0)
        ids = sorted(f"{number:024x}" for number in range(5))[start : start + asked["limit"]]
        return json_reply([{"id": id, "name": "x"} for id in ids])


def test_pages_of_loopback_need_no_order_of_text_ids(connect: Connect) -> None:
    with WebServer(Ids()) as server:
        source = connect("remote", url=server.url, dialect="loopback3", page_size=2)
        things = source.create_model("review_object_id", {"id": TEXT_ID, "name": str})
        assert len(things.find()) == 5
        assert len(things.find(skip=1)) == 4
        assert len(things.find(order="name DESC")) == 5
        assert things.count({"name": "x"}) == 0


@pytest.mark.parametrize("token", ["swordfish\n", "swordfish\r\nX-Evil: 1", "schwärzlich"])
def test_a_token_that_no_header_can_have_is_refused(token: str) -> None:
    with pytest.raises(DefinitionError, match="token is ASCII on one line") as raised:
        create_data_source(connector="remote", url="http://127.0.0.1:1", token=token)
    assert token not in str(raised.value)


def test_a_login_that_gives_no_token_is_unavailable(connect: Connect) -> None:
    with WebServer([json_reply({"id": "sword\nfish"})]) as server:
        source = connect("remote", url=server.url, username="me", password="p")
        things = source.create_model("review_login", {"name": str})
        with pytest.raises(Unavailable):
            things.find()
    assert len(server.requests) == 1


# The client of HTTP


@pytest.fixture
def client_of() -> Iterator[Callable[..., WebClient]]:
    """A function that makes a client of a server, which is closed when the test ends."""
    with ExitStack() as afterwards:

        def client_of(url: str, **options: Any) -> WebClient:
            return afterwards.enter_context(closing(WebClient("rest", url, **options)))

        yield client_of


def test_a_header_is_sent_once_however_its_name_is_written(
    client_of: Callable[..., WebClient],
) -> None:
    sent: list[list[tuple[str, str]]] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        sent.append([(environ.get("HTTP_AUTHORIZATION"), environ.get("CONTENT_TYPE"))])
        start_response("200 OK", [("Content-Length", "2")])
        return [b"{}"]

    own = {"authorization": "Basic x", "content-type": "application/vnd.api+json"}
    with served(application, threads=1) as url:
        client_of(url, headers=own, auth="swordfish").send("POST", "x", json=1)
        client = client_of(url, headers=own)
        client.send("POST", "x", json=1, headers={"AUTHORIZATION": "Bearer other"})
    assert sent == [
        [("Bearer swordfish", "application/vnd.api+json")],
        [("Bearer other", "application/vnd.api+json")],
    ]


@pytest.mark.parametrize("name", ["Content-Type", "content-type"])
def test_a_template_says_what_its_body_is_in_any_case(connect: Connect, name: str) -> None:
    with WebServer() as server:
        source = connect(
            "rest",
            base_url=server.url,
            headers={"content-type": "application/vnd.api+json"},
            operations=[
                {
                    "template": {
                        "method": "POST",
                        "url": "say",
                        "headers": {name: "text/plain"},
                        "body": "say {text}!",
                    },
                    "functions": {"say": ["text"]},
                },
                {
                    "template": {"method": "POST", "url": "tell", "body": {"text": "{text}"}},
                    "functions": {"tell": ["text"]},
                },
            ],
        )
        source.functions["say"]("a")
        source.functions["tell"]("a")
        bodies = [(each.headers["content-type"], each.body) for each in server.requests]
    assert bodies == [
        ("text/plain", b"say a!"),
        ("application/vnd.api+json", b'{"text":"a"}'),
    ]


def packed(content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = gzip.compress(content)
    return content


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (packed(b"0" * 50_000_000, 2), "gzip, gzip"),
        (packed(b'{"a": 1}', 1)[:-9], "gzip"),
        (b'{"a": 1}', "br"),
    ],
    ids=["twice", "cut off", "unknown"],
)
def test_an_answer_that_is_packed_in_another_way_than_was_asked_for_is_none(
    client_of: Callable[..., WebClient], body: bytes, encoding: str
) -> None:
    with WebServer([Reply(body=body, headers={"Content-Encoding": encoding})]) as server:
        client = client_of(server.url, max_answer=1_000_000)
        with pytest.raises(BadAnswer):
            client.send("GET", "x")
        assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_a_packed_answer_may_be_in_several_parts(client_of: Callable[..., WebClient]) -> None:
    body = packed(b'{"a": ', 1) + packed(b"1}", 1)
    pieces = tuple((0.0, body[place : place + 1]) for place in range(len(body)))
    reply = Reply(body=b"", headers={"Content-Encoding": "gzip"}, chunks=pieces)
    with WebServer([reply]) as server:
        assert client_of(server.url).send("GET", "x").json() == {"a": 1}
        assert client_of(server.url).send("HEAD", "x").content == b""


#: The begin of a gzip whose header has the name of a file, which does not end.
NAMED = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff"


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + NAMED, b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b""),
    ],
    ids=["headers", "a packed answer", "an answer", "nothing"],
)
def test_what_comes_in_drops_is_given_up_in_time(
    client_of: Callable[..., WebClient], begin: bytes, drop: bytes
) -> None:
    is_over = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(10_000)
                connection.sendall(begin)
                while not is_over.wait(0.05):
                    connection.sendall(drop)

        serving = pool.submit(serve)
        start = monotonic()
        client = client_of(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.4, retries=0)
        with pytest.raises(Unavailable):
            client.send("GET", "x")
        assert monotonic() - start < 0.7
        is_over.set()
        serving.result()


# Answers that are lost


class Losing:
    """A server of one collection, of which the answers to the first deletion of each path are lost.

    :ivar deletes_by_where: whether it deletes all that match at once.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {"1": {"id": 1, "name": "a"}}
        self.deletes_by_where = True
        self._lost: set[str] = set()

    def __call__(self, request: Request) -> Reply:
        id = urlsplit(request.path).path.removeprefix("/things").strip("/")
        if request.method == "POST":
            given = json.loads(request.body)
            return json_reply(self.rows.setdefault(str(given["id"]), given))
        if request.method != "DELETE":
            return self._read(request, id)
        if not (id or self.deletes_by_where):
            return json_reply({}, 405)
        gone = [self.rows.pop(each, None) for each in ([id] if id else list(self.rows))]
        if id not in self._lost:
            self._lost.add(id)
            return Reply(drops=True)
        count = sum(each is not None for each in gone)
        is_rest = "x-rest" in request.headers
        return Reply(404) if is_rest and not count else json_reply({"count": count})

    def _read(self, request: Request, id: str) -> Reply:
        if id:
            return json_reply(self.rows[id]) if id in self.rows else Reply(404)
        is_bounded = "gt" in parse_qs(urlsplit(request.path).query).get("filter", [""])[0]
        return json_reply([] if is_bounded else list(self.rows.values()))


@pytest.fixture
def losing() -> Iterator[tuple[Losing, WebServer]]:
    server = Losing()
    with WebServer(server) as web:
        yield server, web


def test_a_service_that_says_at_last_that_a_record_is_gone_has_deleted_it(
    connect: Connect, losing: tuple[Losing, WebServer]
) -> None:
    server, web = losing
    source = connect("rest", base_url=web.url, headers={"X-Rest": "1"})
    things = source.create_model("review_lost_rest", {"name": str}, plural="things")

    def write() -> None:
        with source.transaction():
            assert things.destroy_by_id(1) == 1
            assert server.rows == {}
            raise Failed

    with pytest.raises(Failed):
        write()
    assert server.rows["1"]["name"] == "a"


@pytest.mark.parametrize("by_where", [True, False])
def test_how_many_records_another_app_deleted_is_never_guessed(
    connect: Connect, losing: tuple[Losing, WebServer], by_where: bool
) -> None:
    server, web = losing
    server.deletes_by_where = by_where
    source = connect("remote", url=web.url)
    things = source.create_model("review_lost", {"name": str}, plural="things")
    if by_where:
        with pytest.raises(Unavailable):
            things.destroy_all()
        assert [each.method for each in web.requests] == ["DELETE"]
    else:
        assert things.destroy_all() == 1
    server.rows["2"] = {"id": 2, "name": "b"}
    with pytest.raises(Unavailable):
        things.destroy_by_id(2)
    assert server.rows == {}
    assert things.destroy_by_id(2) == 0


# What a service says of a new record


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b'{"status": "created"}', "application/json"), (b"Created", "text/plain"), (b"7", "")],
)
def test_an_id_that_only_the_location_says_is_taken(
    connect: Connect, body: bytes, kind: str
) -> None:
    headers = {"Location": "/people/7", "Content-Type": kind}
    with WebServer([Reply(201, body, headers)]) as server:
        source = connect("rest", base_url=server.url)
        people = source.create_model("review_located", {"name": str}, plural="people")
        assert people.create({"name": "Ada"}).id == 7
        assert people.create({"id": 5, "name": "Bob"}).id == 5


# Ids and values that could be places


@pytest.mark.parametrize("id", ["../users/1", "a/../../users", "..\\users", "a/.", "./a"])
def test_an_id_that_leads_out_of_a_resource_is_of_no_record(connect: Connect, id: str) -> None:
    with WebServer([json_reply({"id": id, "name": "x"})]) as server:
        source = connect("rest", base_url=server.url)
        people = source.create_model("review_escaping", {"id": TEXT_ID, "name": str})
        assert people.find_by_id(id) is None
        assert people.update_all({"id": id}, {"name": "y"}) == 0
        with pytest.raises(Conflict):
            people.create({"id": id, "name": "x"})
        assert server.requests == []


def test_a_value_of_a_template_leads_nowhere_else(connect: Connect) -> None:
    with WebServer() as server:
        template = {"url": "people/{id}/mails"}
        operations = [{"template": template, "functions": {"mails": ["id"]}}]
        source = connect("rest", base_url=server.url, operations=operations)
        for id in ("../users", "a/../../users", "..\\users"):
            with pytest.raises(BadRequest, match="cannot be a part of a path"):
                source.functions["mails"](id=id)
        source.functions["mails"](id="a/b..c")
    assert [each.path for each in server.requests] == ["/people/a%2Fb..c/mails"]


def test_objects_and_lists_inside_a_text_are_json(connect: Connect) -> None:
    with WebServer() as server:
        template = {
            "method": "POST",
            "url": "say?all={list:array}",
            "headers": {"X-Said": "{list:array}"},
            "body": {"text": "it is {what:object}", "list": "<{list:array}>"},
        }
        operations = [{"template": template, "functions": {"say": ["what", "list"]}}]
        source = connect("rest", base_url=server.url, operations=operations)
        source.functions["say"](what={"a": None}, list=["b", True])
    (asked,) = server.requests
    assert json.loads(asked.body) == {"text": 'it is {"a":null}', "list": '<["b",true]>'}
    assert asked.headers["x-said"] == '["b",true]'
    assert parse_qs(urlsplit(asked.path).query)["all"] == ['["b",true]']


def test_settings_show_no_secret_where_they_are_shown() -> None:
    settings = {
        "base_url": "https://me:swordfish@127.0.0.1",
        "auth": {"bearer": "swordfish"},
        "headers": {"X-Key": "swordfish"},
    }
    assert "swordfish" not in repr(read_settings(settings))


@pytest.mark.parametrize("connector", ["couchdb", "remote"])
def test_those_who_wait_for_one_another_wait_no_longer_than_for_an_answer(
    connect: Connect, connector: str
) -> None:
    settings = {"username": "me", "password": "p", "timeout": 0.3, "retries": 0}
    with WebServer([Reply(delay=2)]) as server, ThreadPoolExecutor(8) as pool:
        source = connect(connector, url=f"{server.url}/shop", **settings)
        properties = {"id": {"type": int, "id": True, "generated": True}, "name": str}
        things = source.create_model(f"review_queue_{connector}", properties)
        start = monotonic()
        created = [pool.submit(things.create, name="a") for _ in range(8)]
        assert all(isinstance(each.exception(), Unavailable) for each in created)
        assert monotonic() - start < 1.2


@pytest.mark.parametrize(
    ("dialect", "ids"), [("flask-loop", [1, 2]), ("loopback3", [1, 2]), ("loopback3", ["a", "b"])]
)
@pytest.mark.parametrize("order", ["id", "name"])
def test_an_app_that_gives_one_page_again_and_again_has_no_list(
    connect: Connect, dialect: str, ids: list[Any], order: str
) -> None:
    asked = 0

    def answer(request: Request) -> Reply:
        nonlocal asked
        asked += 1
        return json_reply([{"id": id, "name": "a"} for id in ids] if asked < 20 else [])

    with WebServer(answer) as server:
        source = connect("remote", url=server.url, dialect=dialect, page_size=2)
        properties = {"id": {"type": type(ids[0]), "id": True}, "name": str}
        name = f"review_again_{dialect[0]}{ids[0]}{order}"
        things = source.create_model(name, properties)
        with pytest.raises(Unavailable):
            things.find(order=order)
        assert asked == 2


def test_an_id_that_is_taken_is_shown_whole(connect: Connect) -> None:
    error = {"statusCode": 409, "code": "DUPLICATE_ID", "message": "Duplicate entry for x.id: a: b"}
    with WebServer([json_reply({"error": error}, 409)]) as server:
        source = connect("remote", url=server.url)
        things = source.create_model("review_taken", {"id": TEXT_ID})
        with pytest.raises(DuplicateId, match=r"Duplicate entry for review_taken\.id: a: b$"):
            things.create(id="a: b")


def test_what_is_asked_is_in_no_log_of_others(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    template = {"url": "weather", "query": {"appid": "swordfish", "city": "{city}"}}
    operations = [{"template": template, "functions": {"weather": ["city"]}}]
    with WebServer() as server, caplog.at_level(logging.DEBUG):
        source = connect("rest", base_url=server.url, operations=operations)
        source.functions["weather"](city="Bonn")
        assert "swordfish" not in caplog.text
        assert "Bonn" not in caplog.text
        assert f"GET {server.url}/weather: 200" in caplog.text
        assert httpx.get(f"{server.url}/own?city=Rome", trust_env=False).status_code == 200
        assert "city=Rome" in caplog.text


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/plain; charset=ISO-8859-1", "größe".encode("latin-1"), "größe"),
        ('text/plain; Charset="utf-16"', "größe".encode("utf-16"), "größe"),
        ("text/plain; charset=none-such", "größe".encode(), "größe"),
        ("text/plain; charset=hex", b"6a", "6a"),
        ("text/plain", "größe".encode(), "größe"),
        ("application/json", b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_an_answer_is_read_in_the_encoding_that_it_says(
    connect: Connect, kind: str, body: bytes, said: Any
) -> None:
    with WebServer([Reply(body=body, headers={"Content-Type": kind})]) as server:
        operations = [{"template": {"url": "say"}, "functions": {"say": []}}]
        source = connect("rest", base_url=server.url, operations=operations)
        assert source.functions["say"]() == said


@pytest.mark.parametrize(
    ("location", "id"),
    [
        ("/v1/people/", None),
        ("https://x.example/people", None),
        ("", None),
        ("/people/people", "people"),
        ("/elsewhere/a%20b/?x=1", "a b"),
    ],
)
def test_the_location_of_a_list_is_no_id(connect: Connect, location: str, id: str | None) -> None:
    with WebServer([Reply(201, b"", {"Location": location})]) as server:
        source = connect("rest", base_url=server.url)
        properties = {"id": {**TEXT_ID, "generated": True}, "name": str}
        people = source.create_model("review_placed", properties, plural="people")
        if id is not None:
            assert people.create(name="Ada").id == id
        else:
            with pytest.raises(Unavailable):
                people.create(name="Ada")
