"""Records whose id is several properties: their paths, their relations, their place in the docs."""

from __future__ import annotations

import enum
import json
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from flask import Flask, url_for
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_loop import (
    Context,
    DataSource,
    Model,
    ModelNotFound,
    Prop,
    id_text,
    memory,
    prop,
    remote_method,
)
from tests.test_schemathesis import check_operations

MakeApp = Callable[..., Flask]
Models = dict[str, Any]

#: Ids of stalls, as records hold them and as clients write them in a path that is encoded.
PATHS = [
    ((1, "x"), "1,x"),
    ((-1, ""), "-1,"),
    ((1, "a,b"), "1,a\\,b"),
    ((1, ",,"), "1,\\,\\,"),
    ((1, "\\"), "1,\\\\"),
    ((1, "\\,"), "1,\\\\\\,"),
    ((1, "a\\b"), "1,a\\\\b"),
    ((1, "%2C"), "1,%2C"),
    ((1, "é 北?#;+&"), "1,é 北?#;+&"),
    ((2**63 - 1, "count"), "9223372036854775807,count"),
]


def make_models(source: DataSource) -> Models:
    class Stall(Model):
        row: Prop[int] = prop(id=1)
        place_name: Prop[str] = prop(id=2)
        goods: Prop[str | None]

        @remote_method(http={"verb": "get"})
        def shout(self) -> str:
            return f"{self.goods}!"

        class Meta:
            data_source = source

    class Awning(Model):
        colour: Prop[str]

        class Meta:
            data_source = source

    class Permit(Model):
        number: Prop[str]

        class Meta:
            data_source = source

    class Shelf(Model):
        side: Prop[str] = prop(id=1)
        level: Prop[int] = prop(id=2)
        load: Prop[int | None]

    class Market(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    class Lease(Model):
        rent: Prop[int] = prop(default=1)

        class Meta:
            data_source = source

    Stall.has_many("awnings", model=Awning, nested=True)
    Stall.has_one("permit", model=Permit)
    Stall.embeds_many("shelves", model=Shelf)
    Awning.belongs_to("stall", model=Stall, nested=True)
    Permit.belongs_to("stall", model=Stall)
    Market.has_many("stalls", model=Stall, through=Lease, nest_remoting=True)
    source.auto_update()
    Stall.create([{"row": 1, "place_name": "a"}, {"row": 1, "place_name": "b", "goods": "figs"}])
    Market.create({"name": "old"})
    return {each.__name__: each for each in (Stall, Awning, Permit, Market, Lease)}


@pytest.fixture
def models(source: DataSource) -> Models:
    return make_models(source)


@pytest.fixture
def app(models: Models, make_app: MakeApp) -> Flask:
    return make_app(*models.values(), LOOP_CREATED_STATUS=201)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def path_of(text: str, base: str = "/api/stalls") -> str:
    return f"{base}/{quote(text, safe=',')}"


def message(answer: TestResponse) -> str:
    return str(answer.get_json()["error"]["message"])


# Ids as text


@pytest.mark.parametrize(("id", "text"), PATHS)
def test_an_id_is_found_by_its_text(
    client: FlaskClient, models: Models, id: tuple[int, str], text: str
) -> None:
    stall = models["Stall"]
    created = stall.create(row=id[0], place_name=id[1], goods="found")
    assert id_text(created) == id_text(stall, id) == text
    found = client.get(path_of(text))
    assert (found.status_code, found.get_json()["placeName"]) == (200, id[1])
    assert client.get(path_of(text) + "/exists").get_json() == {"exists": True}
    assert client.get(path_of(text) + "/shout").get_json() == "found!"


@pytest.mark.parametrize(("id", "text"), PATHS)
def test_url_for_and_location_lead_to_the_record(
    app: Flask, client: FlaskClient, models: Models, id: tuple[int, str], text: str
) -> None:
    data = {"row": id[0], "placeName": id[1], "goods": "made"}
    created = client.post("/api/stalls", json=data)
    assert client.get(created.headers["Location"]).get_json()["goods"] == "made"
    with app.test_request_context():
        url = url_for("loop.stalls.find_by_id", id=id_text(models["Stall"], id))
    assert client.get(url).get_json()["goods"] == "made"


def test_an_encoded_comma_is_a_comma_between_values(client: FlaskClient) -> None:
    assert client.get("/api/stalls/1%2Cb").get_json()["goods"] == "figs"
    assert client.get("/api/stalls/1%2Ca%2Cb").status_code == 400


class Shade(enum.Enum):
    PALE = "pale, almost"
    DEEP = "deep"


VALUES = [
    (int, -3, "-3", "x"),
    (float, 2.5, "2.5", "1.2.3"),
    (float, 1e300, "1e+300", "inf"),
    (bool, True, "true", "yes"),
    (str, "a,b", "a\\,b", None),
    (Decimal, Decimal("19.90"), "19.9", "abc"),
    (date, date(2026, 3, 1), "2026-03-01", "2026-02-30"),
    (datetime, datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00.000Z", "noon"),
    (uuid.UUID, uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007", "7"),
    (bytes, b"abc", "YWJj", "!"),
    (Shade, Shade.PALE, "pale\\, almost", "pale"),
]


@pytest.mark.parametrize("case", VALUES)
def test_a_value_of_each_type_is_in_a_path(
    source: DataSource, make_app: MakeApp, case: tuple[Any, Any, str, str | None]
) -> None:
    kind, value, text, wrong = case
    pair = {"first": {"type": kind, "id": 1}, "second": {"type": kind, "id": 2}}
    model = source.create_model("pairOfAnyType", pair)
    source.auto_update()
    model.create(first=value, second=value)
    assert id_text(model, (value, value)) == f"{text},{text}"
    client = make_app(model).test_client()
    base = f"/api/{model.definition.plural}"
    assert client.head(path_of(f"{text},{text}", base)).status_code == 200
    assert client.delete(path_of(f"{text},{text}", base)).get_json() == {"count": 1}
    gone = client.get(path_of(f"{text},{text}", base))
    assert gone.status_code == 404
    assert message(gone) == f'Unknown "pairOfAnyType" id "{text},{text}".'
    if wrong is not None:
        refused = client.get(path_of(f"{text},{wrong}", base))
        assert refused.status_code == 404
        assert message(refused) == f'Unknown "pairOfAnyType" id "{text},{wrong}".'


def test_the_values_are_in_the_order_of_their_numbers(
    source: DataSource, make_app: MakeApp
) -> None:
    properties = {"c": {"type": int, "id": 3}, "a": {"type": int, "id": 1}, "x": str}
    model = source.create_model("tripleId", {**properties, "b": {"type": int, "id": 2}})
    source.auto_update()
    model.create(a=1, b=2, c=3, x="found")
    client = make_app(model).test_client()
    assert client.get("/api/tripleIds/1,2,3").get_json()["x"] == "found"
    assert client.get("/api/tripleIds/3,2,1").status_code == 404
    assert message(client.get("/api/tripleIds/1,2")).endswith(
        "is 3 with commas between them: a,b,c."
    )


def test_a_class_body_and_a_dict_give_the_same_routes(make_app: MakeApp) -> None:
    source = memory()
    ids = {"order": {"type": "Number", "id": 1}, "product": {"type": "String", "id": 2}}
    written = source.create_model("goodsLine", ids)

    class GoodsRow(Model):
        order: Prop[float] = prop(id=1)
        product: Prop[str] = prop(id=2)

        class Meta:
            data_source = source

    for model in (written, GoodsRow):
        model.create(order=1, product="x")
    client = make_app(written, GoodsRow).test_client()
    for path in ("/api/goodsLines/1,x", "/api/goodsRows/1,x"):
        assert client.get(path).get_json() == {"order": 1, "product": "x"}


@pytest.mark.parametrize("text", ["a,b", "a\\,b", "a\\b", ",", "a,b,c"])
def test_an_id_of_one_property_is_its_own_text(
    source: DataSource, make_app: MakeApp, text: str
) -> None:
    model = source.create_model("plainWord", {"word": {"type": str, "id": True}, "size": int})
    source.auto_update()
    client = make_app(model, LOOP_CREATED_STATUS=201).test_client()
    created = client.post("/api/plainWords", json={"word": text, "size": 3})
    assert created.headers["Location"] == f"/api/plainWords/{quote(text, safe='')}"
    assert client.get(path_of(text, "/api/plainWords")).get_json() == {"word": text, "size": 3}
    assert id_text(model, text) == text
    unknown = client.get(path_of(text + "!", "/api/plainWords"))
    assert message(unknown) == f'Unknown "plainWord" id "{text}!".'


def test_what_is_no_id_has_no_text(models: Models) -> None:
    stall = models["Stall"]
    with pytest.raises(TypeError, match=r"the id of Stall is \(row, place_name\), not 1"):
        id_text(stall, 1)
    with pytest.raises(TypeError, match=r"\('x', 'a'\) is no id of Stall: it is not an integer"):
        id_text(stall, ("x", "a"))
    with pytest.raises(TypeError, match=r"no id of Market: it has no id"):
        id_text(models["Market"](name="new"))
    with pytest.raises(TypeError, match=r"give the id too: id_text\(Stall, id\)"):
        id_text(stall)
    without = memory().create_model("logEntry", {"text": str}, id_injection=False)
    with pytest.raises(TypeError, match=r"^logEntry has no id$"):
        id_text(without(text="x"))


# What is no id


INSTANCE_ROUTES = [
    ("get", ""),
    ("put", ""),
    ("patch", ""),
    ("delete", ""),
    ("get", "/exists"),
    ("post", "/replace"),
    ("get", "/shout"),
    ("get", "/awnings"),
    ("post", "/awnings"),
    ("get", "/awnings/1"),
    ("get", "/permit"),
    ("get", "/shelves"),
]
ANSWERED_WHERE_THERE_IS_NONE = [("delete", ""), ("get", "/exists")]


def ask(client: FlaskClient, verb: str, id: str, rest: str = "") -> TestResponse:
    """What the app answers to a request of a route of one stall."""
    body: dict[str, Any] = {} if verb in ("get", "delete") else {"json": {"colour": "red"}}
    return client.open(f"/api/stalls/{id}{rest}", method=verb.upper(), **body)


@pytest.mark.parametrize(("id", "count"), [("1", "1 value"), ("1,a,b", "3 values")])
def test_the_wrong_number_of_values_is_a_400_that_names_the_properties(
    client: FlaskClient, id: str, count: str
) -> None:
    expected = {
        "statusCode": 400,
        "name": "BadRequestError",
        "message": f"Argument 'id' has {count}, and the id of Stall is 2 with commas between them: "
        "row,placeName.",
        "code": "INVALID_ARGUMENT",
        "details": {"argument": "id"},
    }
    for verb, rest in INSTANCE_ROUTES:
        refused = ask(client, verb, id, rest)
        assert (refused.status_code, refused.get_json()["error"]) == (400, expected), (verb, rest)


def test_head_of_the_wrong_number_of_values_is_a_400(client: FlaskClient) -> None:
    assert client.head("/api/stalls/1").status_code == 400


@pytest.mark.parametrize("text", ["1,a\\b", "1,a\\", "\\1,a", "1\\,a\\", "\\", "1,\\\\\\"])
def test_a_backslash_that_escapes_nothing_is_a_400(client: FlaskClient, text: str) -> None:
    refused = client.get(path_of(text))
    assert refused.status_code == 400
    expected = "Argument 'id' has a backslash that is before no comma and no backslash."
    assert message(refused) == expected


@pytest.mark.parametrize("id", ["one,a", "1.5,a", ",a", "9223372036854775808,a", "7,a"])
def test_a_value_of_the_wrong_type_is_a_404_as_an_unknown_one(client: FlaskClient, id: str) -> None:
    unknown = f'Unknown "Stall" id "{id}".'
    for verb, rest in INSTANCE_ROUTES:
        if (verb, rest) not in ANSWERED_WHERE_THERE_IS_NONE or id != "7,a":
            answer = ask(client, verb, id, rest)
            assert (answer.status_code, message(answer)) == (404, unknown), (verb, rest)
    answers = [ask(client, verb, "7,a", rest) for verb, rest in ANSWERED_WHERE_THERE_IS_NONE]
    assert [each.get_json() for each in answers] == [{"count": 0}, {"exists": False}]


@pytest.mark.parametrize("rest", ["/stalls/1", "/stalls/rel/1", "/stalls/1/awnings"])
def test_the_argument_of_a_related_id_is_named(client: FlaskClient, rest: str) -> None:
    answer = client.delete(f"/api/markets/1{rest}")
    assert answer.status_code == 400
    name = "nk" if rest.endswith("awnings") else "fk"
    assert answer.get_json()["error"]["details"] == {"argument": name}
    assert message(answer).startswith(f"Argument '{name}' has 1 value, and the id of Stall is 2")


# Operations on one record


def test_a_record_is_read_changed_and_deleted_by_its_path(
    client: FlaskClient, models: Models
) -> None:
    url = "/api/stalls/1,a"
    assert client.head(url).status_code == 200
    assert client.get(url + '?filter={"fields":["goods"]}').get_json() == {"goods": None}
    assert client.patch(url, json={"goods": "nuts"}).get_json()["goods"] == "nuts"
    assert client.put(url, json={"goods": "oil"}).get_json()["goods"] == "oil"
    assert client.post(url + "/replace", json={"goods": "salt"}).get_json()["goods"] == "salt"
    kept = {"row": 1, "placeName": "a", "goods": "tea"}
    assert client.put(url, json=kept).get_json()["goods"] == "tea"
    assert models["Stall"].find_by_id((1, "b")).goods == "figs"
    assert client.delete(url).get_json() == {"count": 1}
    assert client.delete(url).get_json() == {"count": 0}
    assert client.head(url).status_code == 404
    assert client.get(url + "/exists").get_json() == {"exists": False}
    assert models["Stall"].count() == 1


def test_no_part_of_the_id_can_be_changed(client: FlaskClient) -> None:
    for verb in (client.put, client.patch):
        refused = verb("/api/stalls/1,a", json={"placeName": "z"})
        assert refused.status_code == 400
        assert "id property (placeName) cannot be updated from a to z" in message(refused)


def test_an_id_in_a_body_says_which_record_is_meant(client: FlaskClient, models: Models) -> None:
    there, new = {"row": 1, "placeName": "b"}, {"row": 2, "placeName": "b,c"}
    assert client.patch("/api/stalls", json={**there, "goods": "ham"}).get_json()["goods"] == "ham"
    assert client.put("/api/stalls", json=there).get_json()["goods"] is None
    assert client.patch("/api/stalls", json=new).status_code == 200
    assert (
        client.post("/api/stalls/replaceOrCreate", json={**new, "goods": "tea"}).status_code == 200
    )
    assert client.get(path_of("2,b\\,c")).get_json()["goods"] == "tea"
    assert client.patch("/api/stalls", json={"row": 1}).status_code == 422
    assert models["Stall"].count() == 3


def test_an_id_that_exists_is_a_409_that_shows_it(client: FlaskClient) -> None:
    refused = client.post("/api/stalls", json={"row": 1, "placeName": "a"})
    assert refused.status_code == 409
    assert message(refused) == "Duplicate entry for Stall.id: 1,a"


def test_a_where_finds_records_by_the_parts_of_their_ids(client: FlaskClient) -> None:
    where = json.dumps({"where": {"or": [{"row": 1, "placeName": "b"}, {"row": 7}]}})
    found = client.get("/api/stalls", query_string={"filter": where}).get_json()
    assert [each["goods"] for each in found] == ["figs"]


def test_hooks_see_a_tuple_and_the_instance(client: FlaskClient, models: Models) -> None:
    seen: list[Any] = []

    @models["Stall"].before_remote("prototype.**")
    def look(ctx: Context) -> None:
        seen.append((ctx.method.name, ctx.args.get("id"), ctx.instance.goods))

    client.patch("/api/stalls/1,b", json={"goods": "nuts"})
    client.get("/api/stalls/1,b/awnings")
    client.get("/api/stalls/1,b/shout")
    assert seen == [
        ("patch_attributes", (1, "b"), "figs"),
        ("__get__awnings", (1, "b"), "nuts"),
        ("shout", None, "nuts"),
    ]


def test_a_hook_may_mean_another_record(client: FlaskClient, models: Models) -> None:
    @models["Stall"].before_remote("find_by_id")
    def redirect(ctx: Context) -> None:
        ctx.args["id"] = (1, "b")

    assert client.get("/api/stalls/1,a").get_json()["goods"] == "figs"


def test_an_overridden_operation_gets_a_tuple(source: DataSource, make_app: MakeApp) -> None:
    seen: list[Any] = []

    class Kiosk(Model):
        row: Prop[int] = prop(id=1)
        day: Prop[date] = prop(id=2)

        @classmethod
        def find_by_id(cls, id: Any, filter: Any = None) -> Any:
            seen.append(id)
            return super().find_by_id(id, filter)

        class Meta:
            data_source = source

    source.auto_update()
    Kiosk.create(row=1, day=date(2026, 3, 1))
    client = make_app(Kiosk).test_client()
    assert client.get("/api/kiosks/1,2026-03-01").status_code == 200
    assert seen == [(1, date(2026, 3, 1))]


# Relations


def test_relations_of_a_record_are_below_its_path(client: FlaskClient, models: Models) -> None:
    url = "/api/stalls/1,b"
    created = client.post(url + "/awnings", json={"colour": "red"})
    assert created.headers["Location"] == url + "/awnings/1"
    awning = {"colour": "red", "id": 1, "stallRow": 1, "stallPlaceName": "b"}
    assert created.get_json() == awning
    assert client.get(url + "/awnings").get_json() == [awning]
    assert client.get(url + "/awnings/count").get_json() == {"count": 1}
    assert client.get(url + "/awnings/1").get_json() == awning
    assert client.get("/api/stalls/1,a/awnings").get_json() == []
    assert client.get("/api/stalls/1,a/awnings/1").status_code == 404
    assert client.put(url + "/awnings/1", json={"colour": "blue"}).get_json()["colour"] == "blue"
    moved = client.put(url + "/awnings/1", json={"stallPlaceName": "a"})
    assert (moved.status_code, "cannot be changed through" in message(moved)) == (400, True)
    assert client.get("/api/awnings/1/stall").get_json()["goods"] == "figs"
    assert client.delete(url + "/awnings/1").status_code == 204
    assert models["Awning"].count() == 0


def test_the_only_record_of_a_relation_is_below_the_path(client: FlaskClient) -> None:
    url = "/api/stalls/1,b/permit"
    missing = client.get(url)
    assert missing.status_code == 404
    assert message(missing) == 'The "Stall" with the id "1,b" has no "permit".'
    created = client.post(url, json={"number": "7"})
    assert (created.status_code, created.headers["Location"]) == (201, url)
    again = client.post(url, json={"number": "8"})
    assert again.status_code == 409
    assert message(again) == 'The "Stall" with the id "1,b" has a "permit" already.'
    assert client.put(url, json={"number": "9"}).get_json()["number"] == "9"
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404


def test_records_inside_have_ids_of_several_properties(client: FlaskClient) -> None:
    url = "/api/stalls/1,b/shelves"
    created = client.post(url, json={"side": "left,top", "level": 2})
    assert created.headers["Location"] == f"{url}/left%5C,top,2"
    shelf = created.headers["Location"]
    assert client.get(shelf).get_json() == {"side": "left,top", "level": 2, "load": None}
    assert client.put(shelf, json={"load": 9}).get_json()["load"] == 9
    assert client.get(url + "/left,2").status_code == 404
    assert message(client.get(url + "/left,2")) == 'Unknown "Shelf" id "left,2".'
    assert client.get(url + "/2").status_code == 400
    assert client.delete(shelf).status_code == 204
    assert client.get(url).get_json() == []


def test_records_are_linked_by_their_ids(client: FlaskClient, models: Models) -> None:
    url = "/api/markets/1/stalls"
    linked = client.put(url + "/rel/1,b", json={"rent": 5})
    assert linked.get_json() == {
        "rent": 5,
        "id": 1,
        "marketId": 1,
        "stallRow": 1,
        "stallPlaceName": "b",
    }
    assert client.put(url + "/rel/1,b", json={}).get_json()["rent"] == 5
    assert client.head(url + "/rel/1,b").status_code == 200
    assert client.head(url + "/rel/1,a").status_code == 404
    unknown = client.put(url + "/rel/7,b", json={})
    assert (unknown.status_code, message(unknown)) == (404, 'Unknown "Stall" id "7,b".')
    assert client.get(url + "/1,b").get_json()["goods"] == "figs"
    assert message(client.get(url + "/1,a")) == 'Unknown "Stall" id "1,a".'
    created = client.post(url, json={"row": 5, "placeName": "c,d"})
    assert created.headers["Location"] == url + "/5,c%5C,d"
    assert client.put(created.headers["Location"], json={"goods": "x"}).get_json()["goods"] == "x"
    assert client.delete(created.headers["Location"]).status_code == 204
    assert client.delete(url + "/rel/1,b").status_code == 204
    assert (models["Lease"].count(), models["Stall"].count()) == (0, 2)


def test_nested_routes_pass_through_a_related_id(client: FlaskClient) -> None:
    client.put("/api/markets/1/stalls/rel/1,b", json={})
    url = "/api/markets/1/stalls/1,b/awnings"
    created = client.post(url, json={"colour": "red"})
    assert created.get_json()["stallPlaceName"] == "b"
    assert [each["colour"] for each in client.get(url).get_json()] == ["red"]
    assert client.get("/api/markets/1/stalls/1,a/awnings").status_code == 404


def test_include_follows_keys_of_several_properties(client: FlaskClient, models: Models) -> None:
    client.put("/api/markets/1/stalls/rel/1,b", json={})
    client.post("/api/stalls/1,b/awnings", json=[{"colour": "red"}, {"colour": "blue"}])
    asked = json.dumps({"include": {"stalls": {"awnings": "stall"}}})
    (market,) = client.get("/api/markets", query_string={"filter": asked}).get_json()
    (stall,) = market["stalls"]
    assert [each["colour"] for each in stall["awnings"]] == ["red", "blue"]
    assert stall["awnings"][0]["stall"]["goods"] == "figs"


def test_related_records_are_written_with_a_record(client: FlaskClient, models: Models) -> None:
    new = {"row": 3, "placeName": "c", "awnings": [{"colour": "red"}]}
    created = client.post("/api/stalls", json=new).get_json()
    (awning,) = created["awnings"]
    assert (awning["stallRow"], awning["stallPlaceName"]) == (3, "c")
    changed = {"awnings": [{"id": awning["id"], "colour": "blue"}]}
    client.patch("/api/stalls/3,c", json=changed)
    assert models["Awning"].find_one().colour == "blue"
    url, stall = f"/api/awnings/{awning['id']}", {"row": 3, "placeName": "c", "goods": "nuts"}
    assert client.patch(url, json={"stall": stall}).get_json()["stall"]["goods"] == "nuts"
    refused = client.patch(url, json={"stall": {"row": 1, "placeName": "b"}})
    assert refused.status_code == 422
    assert "is not the id of one of its records" in message(refused)
    assert models["Stall"].find_by_id((3, "c")).goods == "nuts"


# Python callers


def test_python_callers_give_tuples(models: Models) -> None:
    stall = models["Stall"]
    assert stall.find_by_id((1, "b")).goods == stall.find_by_id([1, "b"]).goods == "figs"
    assert stall.find_by_id((1, "b", "c")) is None
    assert stall.find_by_id("1,b") is None
    assert (stall.exists((1, "b")), stall.exists((2, "b"))) == (True, False)
    found = stall.find_by_ids([(1, "b"), (9, "z"), [1, "a"], "1,a"])
    assert [each.place_name for each in found] == ["b", "a"]
    assert stall.replace_by_id((1, "b"), {"goods": "ham"}).goods == "ham"
    assert stall.destroy_by_id((1, "b")) == 1
    with pytest.raises(ModelNotFound, match=r'^Unknown "Stall" id "1,b"\.$'):
        stall.replace_by_id((1, "b"), {})


def test_many_records_are_found_by_their_ids(models: Models) -> None:
    stall = models["Stall"]
    stall.create([{"row": n, "place_name": "many"} for n in range(1500)])
    wanted = [(n, "many") for n in reversed(range(1500))]
    assert [each.row for each in stall.find_by_ids(wanted)] == list(reversed(range(1500)))


def test_relations_take_tuples(models: Models) -> None:
    market, stall = models["Market"].find_one(), models["Stall"].find_by_id((1, "b"))
    market.stalls.add((1, "b"))
    assert market.stalls.exists((1, "b"))
    assert market.stalls.find_by_id((1, "b")).goods == "figs"
    with pytest.raises(ModelNotFound, match=r'^Unknown "Stall" id "7,a\\,b"\.$'):
        market.stalls.add((7, "a,b"))
    assert market.stalls.remove(stall) == 1
    stall.shelves.create({"side": "left", "level": 1})
    assert stall.shelves.find_by_id(("left", 1)).level == 1
    with pytest.raises(ModelNotFound, match=r'^Unknown "Shelf" id "left,9"\.$'):
        stall.shelves.update(("left", 9), load=1)


# What is said of the API


def test_flask_loop_routes_shows_the_values_of_a_path(app: Flask) -> None:
    listed = json.loads(app.test_cli_runner().invoke(args=["loop", "routes", "--json"]).output)
    paths = {each["method"]: each["path"] for each in listed}
    stall = "/api/stalls/<row>,<placeName>"
    assert paths["stalls.findById"] == stall
    assert paths["stalls.prototype.shout"] == f"{stall}/shout"
    assert paths["stalls.prototype.__findById__awnings"] == f"{stall}/awnings/<fk>"
    assert paths["stalls.prototype.__findById__shelves"] == f"{stall}/shelves/<side>,<level>"
    nested = "/api/markets/<id>/stalls/<row>,<placeName>/awnings"
    assert paths["markets.prototype.__get__stalls__awnings"] == nested
    assert paths["awnings.findById"] == "/api/awnings/<id>"


def parameters(document: dict[str, Any], verb: str, path: str) -> dict[str, dict[str, Any]]:
    found = document["paths"][path][verb]["parameters"]
    return {each["name"]: each for each in found if each["in"] == "path"}


def test_the_document_says_how_an_id_is_written(client: FlaskClient) -> None:
    document = client.get("/_docs/openapi.json").get_json()
    value = r"(?:[^,\\]|\\[,\\])*"
    described = {
        "name": "id",
        "in": "path",
        "description": "Model id: `row,placeName` with commas between them, such as `1,string`. "
        "In a value, a comma is written `\\,` and a backslash `\\\\`.",
        "required": True,
        "schema": {"type": "string", "pattern": f"^{value},{value}$"},
        "example": "1,string",
    }
    assert parameters(document, "get", "/api/stalls/{id}") == {"id": described}
    shout = parameters(document, "get", "/api/stalls/{id}/shout")["id"]
    assert shout["description"].startswith("The record's id: `row,placeName` with commas")
    linked = parameters(document, "put", "/api/markets/{id}/stalls/rel/{fk}")
    assert linked["fk"]["example"] == "1,string"
    assert linked["id"]["schema"] == {"type": "integer", "format": "int64"}
    for verb in ("get", "head", "put", "patch", "delete"):
        assert "400" in document["paths"]["/api/stalls/{id}"][verb]["responses"]
    assert "400" in document["paths"]["/api/stalls/{id}/shout"]["get"]["responses"]
    assert "400" not in document["paths"]["/api/markets/{id}"]["head"]["responses"]


def test_the_example_of_the_document_is_an_id(client: FlaskClient, models: Models) -> None:
    document = client.get("/_docs/openapi.json").get_json()
    example = parameters(document, "get", "/api/stalls/{id}")["id"]["example"]
    models["Stall"].create(row=1, place_name="string")
    assert client.get(path_of(example)).status_code == 200


def test_swagger_2_says_how_an_id_is_written(client: FlaskClient) -> None:
    document = client.get("/_docs/swagger.json").get_json()
    described = parameters(document, "get", "/api/stalls/{id}")["id"]
    assert (described["type"], "pattern" in described) == ("string", True)
    assert "such as `1,string`" in described["description"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "examples"),
    [(schemathesis.GenerationMode.POSITIVE, 6), (schemathesis.GenerationMode.NEGATIVE, 4)],
)
def test_the_api_answers_as_the_document_says(
    app: Flask, models: Models, mode: schemathesis.GenerationMode, examples: int
) -> None:
    models["Market"].find_one().stalls.add((1, "b"))
    for name in ("Awning", "Permit", "Lease"):
        models[name].disable_remote("*")
    models["Awning"].enable_remote("prototype.__get__stall")
    assert check_operations(app, mode, examples) == 58
