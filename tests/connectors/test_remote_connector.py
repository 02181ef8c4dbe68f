"""The remote connector against another app, which runs in a process of its own."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from flask_loop import (
    BelongsTo,
    DataSource,
    EmbedsMany,
    GeoPoint,
    Loop,
    Model,
    Prop,
    create_data_source,
    memory,
    prop,
    relation,
)
from flask_loop.errors import (
    BadRequest,
    DefinitionError,
    DuplicateId,
    ModelNotFound,
    NotFound,
    PayloadTooLarge,
    TooMuchToRead,
    Unavailable,
    ValidationError,
)
from tests.connectors.other import OtherApp
from tests.connectors.other_app import BOUNDS, USER
from tests.web import Reply, Request, WebServer

Connect = Callable[..., DataSource]
LIMIT = BOUNDS["LOOP_MAX_LIMIT"]


@pytest.fixture(scope="module")
def running() -> Iterator[OtherApp]:
    with OtherApp() as other:
        yield other


@pytest.fixture
def other(running: OtherApp) -> OtherApp:
    """The other app, without records."""
    running.reset()
    return running


@pytest.fixture
def source(connect: Connect, other: OtherApp) -> DataSource:
    return connect("remote", url=other.url)


@pytest.fixture
def shops(source: DataSource) -> type[Any]:
    return shops_on(source)


@pytest.fixture
def six(shops: type[Any], other: OtherApp) -> type[Any]:
    """Six shops."""
    shops.create(
        [
            {
                "name": f"s{number}",
                "city": "Bonn" if number % 2 else "Köln",
                "rating": number / 2,
                "opened_at": datetime(2020, number, 1, tzinfo=UTC),
                "place": GeoPoint(50, number),
                "tags": ["a"] * (number % 3),
            }
            for number in range(1, 7)
        ]
    )
    shops.find()  # which tells how many come at once
    other.log()
    return shops


def shops_on(source: DataSource) -> type[Any]:
    class FarAddress(Model):
        street: Prop[str | None] = prop(default=None)
        floor: Prop[int | None] = prop(default=None)

        class Meta:
            id_injection = False

    class FarShop(Model):
        name: Prop[str | None] = prop(default=None)
        city: Prop[str | None] = prop(default=None)
        rating: Prop[float | None] = prop(default=None)
        opened_at: Prop[datetime | None] = prop(default=None)
        place: Prop[GeoPoint | None] = prop(default=None)
        tags: Prop[list[str] | None] = prop(default=None)
        addresses: EmbedsMany[FarAddress]

        class Meta:
            plural = "shops"
            data_source = source

    assert FarShop.definition.relations  # which hold the other model from now on
    return FarShop


# Creating, reading, changing and deleting


def test_records_are_written_and_read(shops: Any, other: OtherApp) -> None:
    shop = shops.create(name="a", opened_at=datetime(2024, 2, 29, tzinfo=UTC), tags=["x"])
    assert shop.id == 1
    found = shops.find_by_id(1)
    assert found.opened_at == datetime(2024, 2, 29, tzinfo=UTC)
    found.patch_attributes(city="Bonn")
    assert shops.find_one({"city": "Bonn"}).tags == ["x"]
    shops.replace_by_id(1, {"name": "b"})
    assert shops.find_by_id(1).tags is None
    assert shops.exists(1)
    assert shops.upsert(id=1, name="c").name == "c"
    assert shops.destroy_by_id(1) == 1
    assert shops.find_by_id(1) is None
    assert shops.count() == 0
    assert other.asked()[:2] == ["POST /shops", "GET /shops/1"]


def test_a_change_of_one_record_is_one_request(many: Any, other: OtherApp) -> None:
    offer = many.find_by_id(2)
    other.log()
    assert offer.patch_attributes(price=4.5).price == 4.5
    (said,) = other.log()
    assert (said["method"], said["path"], said["body"]) == ("PATCH", "/offers/2", {"price": 4.5})


def test_many_are_changed_by_one_request(six: Any, other: OtherApp) -> None:
    assert six.update_all({"city": "Bonn", "rating": {"gt": 1}}, {"city": "Berlin"}) == 2
    (said,) = other.log()
    assert (said["method"], said["path"]) == ("POST", "/shops/update")
    assert said["body"] == {"city": "Berlin"}
    assert six.count({"city": "Berlin"}) == 2


def test_many_are_deleted_one_by_one_where_the_other_app_keeps_from_more(
    six: Any, other: OtherApp
) -> None:
    assert six.destroy_all({"rating": {"lt": 1.2}}) == 2
    assert other.asked() == ["DELETE /shops", "GET /shops", "DELETE /shops/1", "DELETE /shops/2"]
    assert six.destroy_all() == 4
    assert "DELETE /shops" not in other.asked()
    assert six.count() == 0


def test_ids_that_no_path_leads_to(source: DataSource, other: OtherApp) -> None:
    notes = source.create_model(
        "far_note", {"code": {"type": str, "id": True}, "text": str}, plural="notes"
    )
    codes = ["a/b", "count", "findOne", "shout", "..", "a b", "ä", "%2F", "?", "1"]
    notes.create([{"code": each, "text": each} for each in codes])
    for each in codes:
        found = notes.find_by_id(each)
        assert found.text == each
        found.patch_attributes(text="x")
        assert notes.replace_by_id(each, {"text": each}).text == each
    assert notes.count({"text": "x"}) == 0
    for each in ("a b", "ä", "%2F", "?", "1"):
        assert notes.destroy_by_id(each) == 1
    assert notes.destroy_by_id("gone") == 0
    with pytest.raises(BadRequest, match="path"):
        notes.destroy_by_id("a/b")
    assert notes.count() == 5


def test_what_the_other_app_makes_of_a_property_is_its_own(shops: Any, other: OtherApp) -> None:
    generated = shops.data_source.create_model(
        "far_made",
        {"name": str, "made_by": {"type": str, "generated": True}, "secret": str},
        plural="shops",
    )
    made = generated.create(name="a", secret="hush")
    assert made.made_by == "other"
    (body,) = [each["body"] for each in other.log() if each["method"] == "POST"]
    assert "madeBy" not in body
    assert generated.find_by_id(made.id).secret is None
    with pytest.raises(BadRequest, match="secret"):
        generated.find(where={"secret": "hush"})


def test_names_at_the_other_app(source: DataSource, other: OtherApp) -> None:
    places = source.create_model(
        "far_place",
        {"label": {"type": str, "options": {"remote": {"field": "name"}}}, "city": str},
        options={"remote": {"path": "/shops"}},
    )
    places.create(label="a", city="Bonn")
    assert places.find_one(where={"label": {"like": "a%"}}, order="label").label == "a"
    assert [each.label for each in places.find(fields=["label"])] == ["a"]
    assert other.filters()[1] == {
        "where": {"name": {"like": "a%"}},
        "order": ["name", "id"],
        "limit": 1,
    }
    with pytest.raises(ValidationError) as caught:
        places.create(label="a")
    assert caught.value.details["codes"] == {"label": ["uniqueness"]}


# Filters


def test_a_filter_is_passed_on_whole(six: Any, other: OtherApp) -> None:
    found = six.find(
        where={
            "or": [{"city": {"ilike": "b%"}}, {"rating": {"between": [1, 2]}}],
            "opened_at": {"gte": datetime(2020, 2, 1, tzinfo=UTC)},
            "tags": {"neq": "b"},
        },
        order="rating DESC",
        limit=2,
        skip=1,
        fields=["name", "rating"],
    )
    assert [(each.name, each.rating) for each in found] == [("s4", 2.0), ("s3", 1.5)]
    assert other.filters() == [
        {
            "where": {
                "and": [
                    {"or": [{"city": {"ilike": "b%"}}, {"rating": {"between": [1, 2]}}]},
                    {"openedAt": {"gte": "2020-02-01T00:00:00.000Z"}},
                    {"tags": {"neq": "b"}},
                ]
            },
            "order": ["rating DESC", "id"],
            "limit": 2,
            "skip": 1,
            "fields": ["name", "rating", "id"],
        }
    ]


def test_the_nearest_are_found_by_the_other_app(six: Any, other: OtherApp) -> None:
    where = {"place": {"near": [50, 4.1], "maxDistance": 200, "unit": "kilometers"}}
    assert [each.id for each in six.find(where=where, limit=2)] == [4, 5]
    ((sent,),) = [other.filters()]
    assert "order" not in sent
    assert sent["where"]["place"]["unit"] == "radians"
    assert [each.id for each in six.find(where=where)] == [4, 5, 3, 6, 2]


def test_embedded_records_are_looked_at_by_the_other_app(shops: Any, other: OtherApp) -> None:
    shops.create(name="a", addresses=[{"street": "x", "floor": 1}, {"street": "y", "floor": 2}])
    shops.create(name="b", addresses=[{"street": "x", "floor": 2}])
    other.log()
    found = shops.find(where={"addresses": {"some": {"street": "x", "floor": 2}}}, limit=9)
    assert [each.name for each in found] == ["b"]
    assert found[0].addresses()[0].street == "x"
    some = {"and": [{"street": {"eq": "x"}}, {"floor": {"eq": 2}}]}
    assert other.filters()[0]["where"] == {"addresses": {"some": some}}


def test_count_and_exists_ask_for_no_records(six: Any, other: OtherApp) -> None:
    assert six.count({"city": "Bonn"}) == 3
    assert six.count() == 6
    assert six.count({"or": []}) == 0
    assert other.asked() == ["GET /shops/count", "GET /shops/count"]


def test_a_filter_that_means_nothing_there_is_a_bad_request(
    source: DataSource, other: OtherApp
) -> None:
    odd = source.create_model("far_odd", {"name": str, "colour": str}, plural="shops")
    with pytest.raises(BadRequest, match="colour") as caught:
        odd.find(where={"colour": "red"})
    assert caught.value.error_code == "INVALID_FILTER"
    assert caught.value.details == {"path": "where.colour"}


# Lists that are longer than the other app's


@pytest.fixture
def many(source: DataSource, other: OtherApp) -> type[Any]:
    """A hundred offers."""
    offers = source.create_model(
        "far_offer", {"title": str, "price": float, "shop_id": int}, plural="offers"
    )
    offers.create(
        [{"id": id, "title": f"t{id % 7}", "price": (id * 37) % 100} for id in range(1, 101)]
    )
    other.log()
    return offers


def test_long_lists_are_created_in_parts(many: Any, other: OtherApp) -> None:
    assert many.count() == 100
    long = [{"title": "x" * 150} for _ in range(200)]
    assert len({each.id for each in many.create(long)}) == 200
    assert many.count() == 300


def test_parts_are_no_larger_than_the_other_app_takes(source: DataSource, other: OtherApp) -> None:
    notes = source.create_model(
        "far_long_note", {"code": {"type": str, "id": True}, "text": str}, plural="notes"
    )
    texts = ["x" * 3000] * 12
    notes.create([{"code": str(n), "text": text} for n, text in enumerate(texts)])
    assert [each.text for each in notes.find()] == texts
    sizes = [len(each["body"]) for each in other.log() if each["method"] == "POST" and each["body"]]
    assert sizes[0] == 12  # which is refused
    assert sum(sizes[1:]) == 12
    assert max(sizes[1:]) < 7


def test_a_part_that_is_refused_undoes_those_before(many: Any, other: OtherApp) -> None:
    records = [{"id": id, "title": "new"} for id in range(200, 260)]
    with pytest.raises(DuplicateId):
        many.create([*records, {"id": 50, "title": "taken"}])
    assert many.count() == 100


def test_a_record_that_is_too_large_for_the_other_app(many: Any) -> None:
    with pytest.raises(PayloadTooLarge, match="20000"):
        many.create(title="x" * 30_000)
    assert many.count() == 100


def test_long_lists_come_in_pages(many: Any, other: OtherApp) -> None:
    assert [each.id for each in many.find()] == [*range(1, 101)]
    filters = other.filters()
    assert filters[0]["limit"] == 1000
    assert [each["limit"] for each in filters[1:]] == [LIMIT] * 6
    assert filters[2]["where"] == {"id": {"gt": LIMIT}}
    assert "skip" not in filters[2]


@pytest.mark.parametrize(
    "filter",
    [
        {"order": "price"},
        {"order": "price DESC", "limit": 55, "skip": 3},
        {"order": ["title", "price"], "skip": 30},
        {"limit": 45, "skip": 10},
        {"where": {"price": {"gte": 30}}, "order": "title DESC", "fields": ["title"]},
        {"where": {"title": {"neq": "t3"}}, "skip": 79},
        {"order": "id DESC", "limit": 50},
    ],
    ids=str,
)
def test_pages_in_any_order(many: Any, filter: dict[str, Any]) -> None:
    here = memory().create_model("near_offer", {"title": str, "price": float, "shop_id": int})
    here.create([each.to_record() for each in many.find()])
    found = [each.to_record() for each in many.find(filter)]
    assert found == [each.to_record() for each in here.find(filter)]
    assert len(found) > 1


def test_records_that_come_and_go_while_pages_are_read_are_not_given_twice(
    many: Any, other: OtherApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = many.data_source.connector
    send = connector._gateway.client.send
    pages = []

    def send_and_delete(method: str, path: str, **named: Any) -> Any:
        answer = send(method, path, **named)
        if method == "GET" and path.startswith("offers?") and answer.is_success:
            pages.append(path)
            send("DELETE", f"offers/{len(pages)}")
        return answer

    monkeypatch.setattr(connector._gateway.client, "send", send_and_delete)
    found = [each.id for each in many.find()]
    assert len(pages) > 5
    assert found == [*range(1, 101)]


def test_long_lists_of_values_are_asked_for_in_parts(many: Any, other: OtherApp) -> None:
    ids = [*range(90, 0, -1), 500]
    assert [each.id for each in many.find_by_ids(ids)] == ids[:-1]
    lists = [each["where"]["id"]["inq"] for each in other.filters()[1:]]
    assert max(map(len, lists)) <= BOUNDS["LOOP_MAX_VALUES"]
    where = {"id": {"inq": ids}, "price": {"lt": 50}}
    expected = [id for id in range(1, 91) if (id * 37) % 100 < 50]
    assert many.count(where) == len(expected)
    assert [each.id for each in many.find(where=where)] == expected
    by_price = sorted(expected, key=lambda id: (id * 37) % 100)
    found = many.find(where=where, order="price", limit=5, skip=2)
    assert [each.id for each in found] == by_price[2:7]
    assert many.update_all(where, {"title": "cheap"}) == len(expected)
    assert many.count({"title": "cheap"}) == len(expected)
    assert many.destroy_all(where) == len(expected)
    assert many.count() == 100 - len(expected)


def test_many_alternatives_are_asked_for_in_parts(many: Any, other: OtherApp) -> None:
    pairs = [{"title": f"t{id % 7}", "price": (id * 37) % 100} for id in range(1, 60)]
    assert many.count({"or": pairs}) == 59
    found = many.find(where={"or": pairs, "id": {"gt": 10}}, order="id DESC", limit=3)
    assert [each.id for each in found] == [59, 58, 57]


def test_what_fits_in_no_url_is_looked_at_here(connect: Connect, other: OtherApp) -> None:
    shops = shops_on(connect("remote", url=other.url, max_url=600))
    shops.create([{"name": f"s{n}", "city": "x" * 300} for n in range(5)])
    other.log()
    where = {"city": "x" * 300, "name": {"gt": "s1"}}
    assert [each.name for each in shops.find(where=where, limit=2)] == ["s2", "s3"]
    assert other.filters()[-1]["where"] == {"name": {"gt": "s1"}}
    explained = shops.data_source.explain(shops, {"where": where})
    assert explained["python"] == {"where": ["city eq"], "order": True}
    assert shops.count(where) == 3
    assert shops.update_all(where, {"rating": 1}) == 3
    assert shops.destroy_all(where) == 3
    assert [each.name for each in shops.find()] == ["s0", "s1"]


def test_how_much_is_looked_at_here_is_bounded(connect: Connect, other: OtherApp) -> None:
    shops = shops_on(connect("remote", url=other.url, max_url=600, max_scan=4))
    shops.create([{"name": f"s{n}"} for n in range(5)])
    with pytest.raises(TooMuchToRead, match="narrow the filter"):
        shops.find(where={"city": "x" * 300})
    assert shops.find(where={"city": "x" * 300, "name": {"lt": "s4"}}) == []
    assert len(shops.find(order="rating")) == 5


# Errors


def test_what_is_not_valid_there_is_not_valid_here(six: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        six.create(name="new", rating=9)
    assert caught.value.details["codes"] == {"rating": ["range.max"]}
    assert "5" in caught.value.details["messages"]["rating"][0]
    with pytest.raises(ValidationError) as caught:
        six.create([{"name": "x"}, {"rating": 1}, {"name": "y", "rating": 7}])
    assert {each.path for each in caught.value.failures} == {(1, "name"), (2, "rating")}
    assert six.count() == 6


def test_what_is_taken_there_is_taken_here(six: Any) -> None:
    for write in (
        lambda: six.create(name="s1"),
        lambda: six.find_by_id(2).patch_attributes(name="s1"),
        lambda: six.replace_by_id(2, {"name": "s1"}),
        lambda: six.update_all({"id": 2}, {"name": "s1"}),
    ):
        with pytest.raises(ValidationError) as caught:
            write()
        assert caught.value.details["codes"] == {"name": ["uniqueness"]}


def test_ids_that_only_the_other_app_makes(six: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        six.create(id=50, name="x")
    assert caught.value.details["codes"] == {"id": ["absence"]}


def test_a_record_that_is_gone(six: Any, other: OtherApp) -> None:
    shop = six.find_by_id(3)
    six.destroy_by_id(3)
    for write in (
        lambda: shop.patch_attributes(name="x"),
        lambda: shop.replace_attributes({"name": "x"}),
        lambda: six.replace_by_id(99, {"name": "x"}),
    ):
        with pytest.raises(ModelNotFound):
            write()
    assert six.destroy_by_id(3) == 0


def test_a_model_that_the_other_app_has_not(
    source: DataSource, caplog: pytest.LogCaptureFixture
) -> None:
    lost = source.create_model("far_lost", {"name": str})
    assert source.is_actual([lost]) is False
    for ask in (lost.find, lost.count, lambda: lost.find_by_id(1), lambda: lost.create(name="a")):
        with pytest.raises(Unavailable):
            ask()
    assert "far_lost" in caplog.text


# Undoing


def test_a_block_that_raises_leaves_nothing(six: Any, source: DataSource) -> None:
    before = [each.to_record() for each in six.find()]
    with pytest.raises(RuntimeError, match="stop"), source.transaction():  # noqa: PT012
        six.create(name="new")
        six.update_all({"city": "Bonn"}, {"city": "Berlin", "rating": None})
        six.find_by_id(2).patch_attributes(tags=["changed"])
        six.replace_by_id(4, {"name": "replaced"})
        raise RuntimeError("stop")
    assert [each.to_record() for each in six.find()] == before


def test_what_others_have_changed_since_is_left_alone(six: Any, source: DataSource) -> None:
    elsewhere = create_data_source(connector="remote", url=source.connector.settings["url"])
    others = shops_on(elsewhere)
    with pytest.raises(RuntimeError), source.transaction():  # noqa: PT012
        six.update_all({"id": {"lt": 3}}, {"rating": 4})
        others.find_by_id(1).patch_attributes(rating=5)
        raise RuntimeError
    assert [each.rating for each in six.find(limit=2)] == [5, 1.0]
    elsewhere.close()


def test_what_cannot_be_undone_is_logged(
    six: Any, source: DataSource, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RuntimeError), source.transaction():  # noqa: PT012
        six.destroy_by_id(3)
        raise RuntimeError
    assert six.count() == 5
    assert "could not be undone" in caplog.text


# Who asks


def secrets_on(source: DataSource) -> type[Any]:
    model: type[Any] = source.create_model("far_secret", {"text": str}, plural="secrets")
    return model


@pytest.mark.parametrize("user", [USER["username"], USER["email"]])
def test_a_user_logs_in_once(connect: Connect, other: OtherApp, user: str) -> None:
    source = connect("remote", url=other.url, username=user, password=USER["password"])
    secrets = secrets_on(source)
    secrets.create(text="a")
    assert secrets.count() == 1
    assert other.asked() == ["POST /users/login", "POST /secrets", "GET /secrets/count"]


def test_a_token_that_has_ended_is_renewed(
    connect: Connect, other: OtherApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = connect("remote", url=other.url, username=USER["username"], password=USER["password"])
    secrets = secrets_on(source)
    secrets.create(text="a")
    other.reset()  # which ends all sessions
    monkeypatch.setattr("flask_loop.connectors.remote.gateway._FRESH", 0.0)
    assert secrets.count() == 0
    assert other.asked() == ["GET /secrets/count", "POST /users/login", "GET /secrets/count"]


def test_a_token_of_ones_own(connect: Connect, other: OtherApp) -> None:
    with_user = connect(
        "remote", url=other.url, username=USER["username"], password=USER["password"]
    )
    token = with_user.connector.call("users", "login", **USER)["id"]
    source = connect("remote", url=other.url, token=token)
    assert secrets_on(source).count() == 0
    assert other.log()[-1]["token"] == f"Bearer {token}"


@pytest.mark.parametrize(
    "credentials",
    [{}, {"token": "hocus-pocus"}, {"username": USER["username"], "password": "hocus-pocus"}],
    ids=["none", "a token", "a password"],
)
def test_wrong_credentials_are_for_the_log_alone(
    connect: Connect, other: OtherApp, credentials: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = connect("remote", url=other.url, **credentials)
    with pytest.raises(Unavailable) as caught:
        secrets_on(source).find()
    assert "credentials" in caplog.text
    assert "401" in caplog.text
    assert "hocus-pocus" not in f"{caplog.text} {caught.value!r} {source!r} {source.connector!r}"


def test_one_login_is_not_followed_by_another_at_once(connect: Connect, other: OtherApp) -> None:
    source = connect("remote", url=other.url, username="app", password=USER["password"])
    secrets_on(source).count()
    other.log()
    with pytest.raises(Unavailable):
        source.connector.call("users", "42", verb="GET")
    assert "POST /users/login" not in other.asked()


def test_a_refused_login_is_not_tried_again_at_once(
    connect: Connect, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_loop.connectors.remote.gateway.LOGIN_PAUSE", 600.0)
    replies = {"/users/login": Reply(401), "/secrets/count": Reply(body=b'{"count": 2}')}
    with WebServer(lambda request: replies[request.path.partition("?")[0]]) as server:

        def asked() -> list[str]:
            paths = [each.path for each in server.requests]
            server.requests.clear()
            return paths

        source = connect("remote", url=server.url, username="app", password="p")
        secrets = secrets_on(source)

        def count(_: int = 0) -> int | None:
            with suppress(Unavailable):
                return int(secrets.count())
            return None

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(count, range(8))) == [None] * 8
        refused = make_app(secrets, testing=False).test_client().get("/api/secrets/count")
        assert refused.status_code == 503
        assert 0 < int(refused.headers["Retry-After"]) <= 600
        assert asked() == ["/users/login"]
        replies["/users/login"] = Reply(body=b'{"id": "t0ken", "ttl": 60}')
        now = monotonic()
        monkeypatch.setattr("flask_loop.connectors.remote.gateway.monotonic", lambda: now + 600)
        assert count() == 2
        assert asked() == ["/users/login", "/secrets/count"]
        # The session ends, and the password is another one by then.
        monkeypatch.setattr("flask_loop.connectors.remote.gateway._FRESH", 0.0)
        replies |= {"/users/login": Reply(401), "/secrets/count": Reply(401)}
        assert [count(), count()] == [None, None]
        assert asked() == ["/secrets/count", "/users/login", "/secrets/count"]
        replies["/secrets/count"] = Reply(body=b'{"count": 3}')  # it was refused for another reason
        assert count() == 3


def test_a_login_that_failed_for_another_reason_is_tried_again(connect: Connect) -> None:
    replies = [Reply(500), Reply(body=b'{"id": "t0ken"}'), Reply(body=b'{"count": 2}')]
    with WebServer(replies) as server:
        source = connect("remote", url=server.url, username="app", password="p")
        secrets = secrets_on(source)
        with pytest.raises(Unavailable):
            secrets.count()
        assert secrets.count() == 2


# Relations


def test_a_local_model_belongs_to_a_remote_one(six: Any, other: OtherApp) -> None:
    class NearReview(Model):
        stars: Prop[int]
        shop: BelongsTo[six] = relation()  # type: ignore[valid-type]

        class Meta:
            data_source = memory()

    six.has_many("reviews", model=NearReview, foreign_key="shop_id")
    NearReview.create([{"stars": n, "shop_id": n} for n in (1, 2, 3, 2)])
    other.log()
    found = NearReview.find(include="shop", order="stars")
    assert [each.shop().name for each in found] == ["s1", "s2", "s2", "s3"]
    assert len(other.filters()) == 1
    found = NearReview.find(where={"shop.city": "Bonn"})
    assert [each.stars for each in found] == [1, 3]
    assert [each.stars for each in six.find_by_id(2).reviews()] == [2, 2]
    shops = six.find(include="reviews", limit=3)
    assert [len(each.reviews()) for each in shops] == [1, 2, 1]
    assert [each.id for each in six.find(where={"reviews.stars": {"gt": 1}})] == [2, 3]


def test_relations_between_remote_models(six: Any, many: Any, other: OtherApp) -> None:
    six.has_many("offers", model=many, foreign_key="shop_id")
    many.belongs_to("shop", model=six, foreign_key="shop_id")
    many.update_all({"id": {"lte": 4}}, {"shop_id": 1})
    assert six.find_by_id(1).offers.create(title="new").shop_id == 1
    assert six.find_by_id(1).offers.count() == 5
    (shop,) = six.find(where={"offers.title": "new"}, include={"offers": "shop"})
    assert [each.shop().id for each in shop.offers()] == [1] * 5


# Two hops


@pytest.fixture
def hop(six: Any, make_app: Callable[..., Flask]) -> Any:
    return make_app(six, testing=False).test_client()


def test_rest_over_the_other_apps_rest(hop: Any, other: OtherApp) -> None:
    found = hop.get('/api/shops?filter={"where":{"city":"Bonn"},"order":"rating DESC","limit":1}')
    assert found.status_code == 200
    assert found.get_json() == [
        {
            "id": 5,
            "name": "s5",
            "city": "Bonn",
            "rating": 2.5,
            "openedAt": "2020-05-01T00:00:00.000Z",
            "place": {"lat": 50, "lng": 5},
            "tags": ["a", "a"],
            "_addresses": [],
        }
    ]
    created = hop.post("/api/shops", json={"name": "n", "openedAt": "2024-01-01T00:00:00.123456Z"})
    assert created.get_json()["id"] == 7
    assert hop.get("/api/shops/7").get_json()["openedAt"] == "2024-01-01T00:00:00.123456Z"
    assert hop.patch("/api/shops/7", json={"rating": 3}).get_json()["rating"] == 3
    assert hop.get('/api/shops/count?where={"rating":3}').get_json() == {"count": 2}
    assert hop.delete("/api/shops/7").get_json() == {"count": 1}
    assert hop.get("/api/shops/7").status_code == 404


def test_errors_go_both_hops(hop: Any, other: OtherApp) -> None:
    invalid = hop.post("/api/shops", json={"name": "s1", "rating": 3})
    assert invalid.status_code == 422
    assert invalid.get_json()["error"]["details"]["codes"] == {"name": ["uniqueness"]}
    assert hop.post("/api/shops", json={"name": "x", "rating": 9}).status_code == 422
    assert hop.put("/api/shops/99", json={"name": "x"}).status_code == 404
    assert hop.get('/api/shops?filter={"where":{"colour":1}}').status_code == 400


# Methods of the other app's own


def test_a_remote_method_is_called(six: Any, source: DataSource, other: OtherApp) -> None:
    connector: Any = source.connector
    assert connector.call("shops", "stats", verb="GET", minRating=1.5) == {"count": 4}
    assert connector.call("shops", "findOne", verb="get", filter={"order": "id DESC"})["id"] == 6
    assert connector.call("shops", "exists", id=1, verb="GET") == {"exists": True}
    with pytest.raises(BadRequest, match="minRating"):
        connector.call("shops", "stats", verb="GET", minRating="much")
    with pytest.raises(NotFound):
        connector.call("shops", "findOne", verb="GET", filter={"where": {"id": 99}})
    with pytest.raises(ValidationError):
        connector.call("shops", "replace", id=1, rating=1)
    with pytest.raises(Unavailable):
        connector.call("shops", "magic")


# LoopBack 3


@pytest.fixture
def loopback(connect: Connect) -> Iterator[tuple[WebServer, type[Any]]]:
    """A server that says what LoopBack 3 says, and a model on it."""
    rows = [
        {"id": 1, "name": "a", "size": 5, "at": "2024-01-01T00:00:00.000Z"},
        {"id": 2, "name": "A", "size": 7, "at": None},
    ]
    say: dict[tuple[str, str], Reply] = {}

    def answer(request: Request) -> Reply:
        path = request.path.partition("?")[0]
        known = {
            ("GET", "/api/things"): Reply(body=_json(rows)),
            ("GET", "/api/things/count"): Reply(body=b'{"count": 2}'),
            ("POST", "/api/things"): Reply(body=_json(rows[0])),
            ("DELETE", "/api/things"): _error(
                404, message='Shared class "thing" has no method handling DELETE /'
            ),
            ("DELETE", "/api/things/1"): Reply(body=b'{"count": 1}'),
            ("PUT", "/api/things/9"): _error(404, message="No instance with id 9 found for thing"),
            ("GET", "/api/things/9"): _error(
                404, message='Unknown "thing" id "9".', code="MODEL_NOT_FOUND"
            ),
            **say,
        }
        return known.get((request.method, path)) or _error(404, message="There is no method")

    with WebServer(answer) as server:
        source = connect("remote", url=f"{server.url}/api", dialect="loopback3")
        yield server, source.create_model("thing", {"name": str, "size": int, "at": datetime})


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _error(status: int, **said: Any) -> Reply:
    return Reply(status, _json({"error": {"statusCode": status, "name": "Error", **said}}))


def test_loopback_is_asked_only_what_each_loopback_reads_alike(
    loopback: tuple[WebServer, Any],
) -> None:
    server, things = loopback
    # Names are compared again, as some databases know no case.
    assert [each.id for each in things.find(where={"name": "a"})] == [1]
    assert [each.id for each in things.find(where={"name": {"neq": "a"}, "size": {"gt": 1}})] == [2]
    assert [each.id for each in things.find(order="name")] == [2, 1]
    assert things.count({"name": {"like": "A"}}) == 1
    assert things.count({"size": {"gt": 1}}) == 2
    asked = [parse_qs(urlsplit(each.path).query) for each in server.requests]
    wheres = [json_of(each).get("where") for each in asked]
    size = {"size": {"gt": 1}}
    assert wheres == [{"name": "a"}, size, None, None, size]


def test_a_page_that_loopback_does_not_sort_is_of_no_more_records_than_may_be_read(
    connect: Connect,
) -> None:
    rows = [{"id": 1, "name": "b"}, {"id": 2, "name": "a"}, {"id": 3, "name": "c"}]
    with WebServer(lambda request: Reply(body=_json(rows))) as server:
        source = connect("remote", url=server.url, dialect="loopback3", max_scan=2)
        things = source.create_model("far_sorted", {"name": str})
        for page in ({"limit": 1}, {"skip": 1}):
            with pytest.raises(TooMuchToRead, match="More than 2 records of far_sorted"):
                things.find(order="name", **page)
        assert [each.id for each in things.find(order="name")] == [2, 1, 3]
        rows.pop()
        assert [each.id for each in things.find(order="name", limit=1)] == [2]


def test_loopback_gets_a_token_in_a_header_of_its_own(connect: Connect) -> None:
    login = Reply(body=b'{"id": "t0ken", "ttl": 60}')
    with WebServer([login, Reply(body=b'{"count": 2}')]) as server:
        user = {"username": "app", "password": "p"}
        source = connect("remote", url=server.url, dialect="loopback3", **user)
        assert source.create_model("far_guarded", {"name": str}).count() == 2
    assert server.requests[1].headers["x-access-token"] == "t0ken"
    assert "authorization" not in server.requests[1].headers


def json_of(query: dict[str, list[str]]) -> Any:
    if "where" in query:
        return {"where": json.loads(query["where"][0])}
    return json.loads(query["filter"][0])


def test_what_loopback_answers_where_there_is_nothing(loopback: tuple[WebServer, Any]) -> None:
    _, things = loopback
    assert things.find_by_id(9) is None
    with pytest.raises(ModelNotFound):
        things.replace_by_id(9, {"name": "x"})
    assert things.destroy_all({"name": "a"}) == 1
    with pytest.raises(Unavailable):
        things.upsert_with_where({"name": "a"}, {"size": 3})


def test_loopback_gets_new_records_one_by_one(loopback: tuple[WebServer, Any]) -> None:
    server, things = loopback
    things.create([{"name": "a"}, {"name": "b"}])
    posts = [each for each in server.requests if each.method == "POST"]
    assert [each.body[:1] for each in posts] == [b"{", b"{"]


# Settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "'url'"),
        ({"url": "ftp://example.com"}, "http"),
        ({"url": 5}, "url is text, not int"),
        ({"tokn": "x"}, "'token'"),
        ({"page_size": 0}, "page_size is a whole number"),
        ({"max_url": 10}, "max_url is a whole number from 500"),
        ({"max_scan": "many"}, "max_scan is a whole"),
        ({"timeout": True}, "timeout is a number of seconds"),
        ({"dialect": "loopback9"}, "flask-loop, loopback3"),
        ({"username": "app"}, "'password'"),
        ({"username": "app", "password": "p", "token": "t"}, "not both"),
        ({"headers": {"a": 5}}, "headers is a dict"),
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], said: str) -> None:
    if "url" not in settings and settings:
        settings = {"url": "https://example.com", **settings}
    with pytest.raises(DefinitionError, match=said):
        create_data_source(connector="remote", **settings)


def test_secrets_are_in_no_message() -> None:
    for key in ("token", "password", "username", "headers", "url"):
        with pytest.raises(DefinitionError) as caught:
            create_data_source(connector="remote", **{"url": "https://e.com", key: ["swordfish"]})
        assert "swordfish" not in str(caught.value)


def test_loopbacks_spellings_of_settings(connect: Connect) -> None:
    with WebServer([Reply(body=b"[]")]) as server:
        source = connect(
            "loopback-connector-remote", url=server.url, accessToken="t", pageSize=5, maxScan=10
        )
        assert source.create_model("far_spelled", {"name": str}).find() == []
    assert server.requests[0].headers["authorization"] == "Bearer t"
    assert "%22limit%22:5" in server.requests[0].path


def test_headers_of_ones_own_are_sent(connect: Connect) -> None:
    with WebServer([Reply(body=b"[]")]) as server:
        source = connect("remote", url=server.url, headers={"X-Tenant": "7"})
        assert source.create_model("far_tenant", {"name": str}).find() == []
    assert server.requests[0].headers["x-tenant"] == "7"


def test_an_app_names_it_among_its_data_sources(other: OtherApp) -> None:
    app = Flask("near")
    app.config["LOOP_DATA_SOURCES"] = {"far": {"connector": "remote", "url": other.url}}
    loop = Loop(app, url_prefix="/api")
    shops = shops_on(loop.data_source("far"))
    loop.model(shops)
    with app.app_context():
        shops.create(name="a")
    assert app.test_client().get("/api/shops/1").get_json()["name"] == "a"
    with app.app_context():
        shops.data_source.close()


def test_a_child_process_has_connections_of_its_own(six: Any) -> None:
    assert six.count() == 6
    child = os.fork()
    if not child:
        os._exit(0 if six.count() == 6 and six.count({"id": 1}) == 1 else 1)
    assert six.count() == 6
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_learned_is_logged(many: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flask_loop.connectors.remote")
    many.find()
    assert f"at most {LIMIT} page" in caplog.text
