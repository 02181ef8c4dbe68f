from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Model, Prop, memory, prop

MakeApp = Callable[..., Flask]

PEN = {"name": "pen", "unitPrice": 2, "sku": "P1", "id": 1}
INK = {"name": "ink", "unitPrice": 5, "sku": None, "id": 2}
CAP = {"name": "cap", "unitPrice": None, "sku": None, "id": 3}
NIB = {"name": "nib", "unitPrice": None, "sku": None, "id": 1}


@pytest.fixture
def product(source: DataSource) -> type[Model]:
    class Product(Model):
        name: Prop[str] = prop(required=True, max_length=20)
        unit_price: Prop[float | None] = prop(min=0)
        sku: Prop[str | None] = prop(unique=True)

        class Meta:
            data_source = source

    source.auto_update()
    Product.create([{**PEN, "id": None}, {**INK, "id": None}])
    return Product


@pytest.fixture
def client(make_app: MakeApp, product: type[Model]) -> FlaskClient:
    return make_app(product).test_client()


def query(**arguments: Any) -> str:
    return "?" + urlencode({key: orjson.dumps(value) for key, value in arguments.items()})


MANY = query(where={"id": {"gt": 0}})
ONE = query(where={"id": 2})
NONE = query(where={"name": "cap"})

ANSWERS: list[Any] = [
    # create
    ("POST", "", {"name": "cap"}, 200, CAP),
    (
        "POST",
        "",
        [{"name": "a"}, {"name": "b", "sku": "B"}],
        200,
        [
            {"name": "a", "unitPrice": None, "sku": None, "id": 3},
            {"name": "b", "unitPrice": None, "sku": "B", "id": 4},
        ],
    ),
    ("POST", "", [], 200, []),
    # patchOrCreate
    ("PATCH", "", {"id": 1, "unitPrice": 3}, 200, {**PEN, "unitPrice": 3}),
    ("PATCH", "", {"name": "cap"}, 200, CAP),
    ("PATCH", "", {"id": None, "name": "cap", "sku": "C"}, 200, {**CAP, "sku": "C"}),
    # replaceOrCreate
    ("PUT", "", {"id": 1, "name": "nib"}, 200, NIB),
    ("PUT", "", {"name": "cap"}, 200, CAP),
    ("POST", "/replaceOrCreate", {"id": 1, "name": "nib"}, 200, NIB),
    ("POST", "/replaceOrCreate", {"name": "cap"}, 200, CAP),
    # upsertWithWhere
    ("POST", "/upsertWithWhere" + ONE, {"unitPrice": 6}, 200, {**INK, "unitPrice": 6}),
    ("POST", "/upsertWithWhere" + NONE, {"name": "cap"}, 200, CAP),
    # find, findOne, findById
    ("GET", "", None, 200, [PEN, INK]),
    ("GET", query(filter={"where": {"unitPrice": {"gt": 2}}}), None, 200, [INK]),
    ("GET", "?filter[where][unitPrice][gt]=2&filter[fields]=name", None, 200, [{"name": "ink"}]),
    ("GET", "?filter=", None, 200, [PEN, INK]),
    ("GET", query(filter={"fields": dict.fromkeys(PEN, False)}), None, 200, [{}, {}]),
    ("GET", query(filter={"limit": 0}), None, 200, []),
    ("GET", "/findOne", None, 200, PEN),
    ("GET", "/findOne" + query(filter={"order": "id DESC"}), None, 200, INK),
    ("GET", "/1", None, 200, PEN),
    ("GET", "/1" + query(filter={"fields": ["name"]}), None, 200, {"name": "pen"}),
    # exists, count
    ("GET", "/1/exists", None, 200, {"exists": True}),
    ("GET", "/9/exists", None, 200, {"exists": False}),
    ("HEAD", "/1", None, 200, None),
    ("GET", "/count", None, 200, {"count": 2}),
    ("GET", "/count" + ONE, None, 200, {"count": 1}),
    # replaceById, patchAttributes
    ("PUT", "/1", {"name": "nib"}, 200, NIB),
    ("PUT", "/1", PEN, 200, PEN),
    ("POST", "/1/replace", {"name": "nib"}, 200, NIB),
    ("PATCH", "/1", {"name": "nib"}, 200, {**PEN, "name": "nib"}),
    ("PATCH", "/1", {}, 200, PEN),
    ("PATCH", "/1", PEN, 200, PEN),
    # deleteById
    ("DELETE", "/1", None, 200, {"count": 1}),
    ("DELETE", "/9", None, 200, {"count": 0}),
    # updateAll
    ("POST", "/update" + MANY, {"unitPrice": 7}, 200, {"count": 2}),
    ("POST", "/update" + NONE, {"unitPrice": 7}, 200, {"count": 0}),
    ("POST", "/update?where={}", {"unitPrice": 7}, 200, {"count": 2}),
]


def call_of(case: Any) -> str:
    return f"{case[0]} {case[1]}"


@pytest.mark.parametrize("case", ANSWERS, ids=call_of)
def test_a_route_answers(client: FlaskClient, case: tuple[Any, ...]) -> None:
    verb, path, body, status, answer = case
    response = client.open(f"/api/products{path}", method=verb, json=body)
    assert (response.status_code, response.get_json(silent=True)) == (status, answer)
    assert response.content_type == "application/json; charset=utf-8"


ERRORS: list[Any] = [
    ("POST", "", {"unitPrice": 1}, 422, None),
    ("POST", "", {"name": "cap", "unitPrice": "much"}, 422, None),
    ("POST", "", {"name": "cap", "sku": "P1"}, 422, None),
    ("POST", "", {"name": "cap", "id": 7}, 422, None),
    ("POST", "", [{"name": "cap"}, {"unitPrice": 1}], 422, None),
    ("POST", "", "cap", 400, "INVALID_ARGUMENT"),
    ("POST", "", [["cap"]], 400, "INVALID_ARGUMENT"),
    ("PATCH", "", {"id": 9, "name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("PATCH", "", {"id": "x", "name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("PATCH", "", {"id": 1, "name": ""}, 422, None),
    ("PATCH", "", {"unitPrice": 1}, 422, None),
    ("PATCH", "", [PEN], 400, "INVALID_ARGUMENT"),
    ("PUT", "", {"id": 9, "name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("PUT", "", {"id": 1}, 422, None),
    ("PUT", "", [PEN], 400, "INVALID_ARGUMENT"),
    ("POST", "/replaceOrCreate", {"id": 9, "name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("POST", "/replaceOrCreate", {"unitPrice": 1}, 422, None),
    ("POST", "/upsertWithWhere", {"name": "cap"}, 400, "INVALID_ARGUMENT"),
    ("POST", "/upsertWithWhere?where=", {"name": "cap"}, 400, "INVALID_ARGUMENT"),
    ("POST", "/upsertWithWhere" + MANY, {"name": "cap"}, 400, None),
    ("POST", "/upsertWithWhere" + NONE, {"unitPrice": 1}, 422, None),
    ("POST", "/upsertWithWhere" + ONE, {"id": 3}, 400, None),
    ("GET", "?filter=x", None, 400, "INVALID_FILTER"),
    ("GET", "?filter=[]", None, 400, "INVALID_FILTER"),
    ("GET", query(filter={"include": "maker"}), None, 400, "INVALID_FILTER"),
    ("GET", query(filter={"where": {"unitPrice": "x"}}), None, 400, "INVALID_FILTER"),
    ("GET", query(filter={"limit": -1}), None, 400, "INVALID_FILTER"),
    ("GET", query(filter={"limit": 1001}), None, 400, "INVALID_FILTER"),
    ("GET", query(filter={"order": "cost"}), None, 400, "INVALID_FILTER"),
    ("GET", query(filter={"fields": "cost"}), None, 400, "INVALID_FILTER"),
    ("GET", "/findOne" + query(filter={"where": {"name": "cap"}}), None, 404, "MODEL_NOT_FOUND"),
    ("GET", "/findOne?filter=x", None, 400, "INVALID_FILTER"),
    ("GET", "/9", None, 404, "MODEL_NOT_FOUND"),
    ("GET", "/x", None, 404, "MODEL_NOT_FOUND"),
    ("GET", "/1.5", None, 404, "MODEL_NOT_FOUND"),
    ("GET", "/18446744073709551616", None, 404, "MODEL_NOT_FOUND"),
    ("GET", "/1" + query(filter={"where": {"id": 1}}), None, 400, "INVALID_FILTER"),
    ("HEAD", "/9", None, 404, None),
    ("HEAD", "/x", None, 404, None),
    ("GET", "/count?where=x", None, 400, "INVALID_FILTER"),
    ("GET", "/count" + query(where={"cost": 1}), None, 400, "INVALID_FILTER"),
    ("PUT", "/9", {"name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("PUT", "/x", {"name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("PUT", "/1", {"id": 2, "name": "cap"}, 400, None),
    ("PUT", "/1", {"unitPrice": 1}, 422, None),
    ("PUT", "/1", [PEN], 400, "INVALID_ARGUMENT"),
    ("POST", "/9/replace", {"name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("POST", "/1/replace", {"id": 2, "name": "cap"}, 400, None),
    ("POST", "/1/replace", {"unitPrice": 1}, 422, None),
    ("PATCH", "/9", {"name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("PATCH", "/x", {"name": "cap"}, 404, "MODEL_NOT_FOUND"),
    ("PATCH", "/1", {"id": 2}, 400, None),
    ("PATCH", "/1", {"name": None}, 422, None),
    ("PATCH", "/2", {"sku": "P1"}, 422, None),
    ("PATCH", "/1", 5, 400, "INVALID_ARGUMENT"),
    ("DELETE", "/x", None, 404, "MODEL_NOT_FOUND"),
    ("POST", "/update", {"unitPrice": 7}, 400, "INVALID_ARGUMENT"),
    ("POST", "/update?where=", {"unitPrice": 7}, 400, "INVALID_ARGUMENT"),
    ("POST", "/update?where=x", {"unitPrice": 7}, 400, "INVALID_FILTER"),
    ("POST", "/update" + MANY, {"unitPrice": -7}, 422, None),
    ("POST", "/update" + MANY, {"id": 7}, 400, None),
    ("POST", "/update" + MANY, {"sku": "same"}, 422, None),
    ("POST", "/update" + MANY, [{"unitPrice": 7}], 400, "INVALID_ARGUMENT"),
    ("GET", "/1/nothing", None, 404, None),
    ("GET", "/1/exists/more", None, 404, None),
]


@pytest.mark.parametrize("case", ERRORS, ids=call_of)
def test_a_route_refuses_and_changes_nothing(client: FlaskClient, case: tuple[Any, ...]) -> None:
    verb, path, body, status, code = case
    response = client.open(f"/api/products{path}", method=verb, json=body)
    assert response.status_code == status
    assert response.content_type == "application/json; charset=utf-8"
    if verb != "HEAD":
        error = response.json["error"]  # type: ignore[index]
        assert error["statusCode"] == status
        assert error.get("code") == code
        assert ("codes" in error.get("details", {})) == (status == 422)
    assert client.get("/api/products").json == [PEN, INK]


@pytest.mark.parametrize(
    ("verb", "path"),
    [("POST", ""), ("PATCH", ""), ("PUT", ""), ("POST", "/replaceOrCreate")],
)
def test_a_missing_value_is_named_with_its_code_and_message(
    client: FlaskClient, verb: str, path: str
) -> None:
    response = client.open(f"/api/products{path}", method=verb, json={"unitPrice": -1})
    assert response.json == {
        "error": {
            "statusCode": 422,
            "name": "ValidationError",
            "message": "The `Product` instance is not valid. Details: "
            "`name` can't be blank; `unitPrice` must be at least 0.",
            "details": {
                "context": "Product",
                "codes": {"name": ["presence"], "unitPrice": ["range.min"]},
                "messages": {"name": ["can't be blank"], "unitPrice": ["must be at least 0"]},
            },
        }
    }


def test_failures_of_several_records_are_led_by_their_indexes(client: FlaskClient) -> None:
    bodies = [{"name": "a"}, {"unitPrice": -1}, {"name": "b", "id": 8}]
    error = client.post("/api/products", json=bodies).json["error"]  # type: ignore[index]
    assert error["details"]["codes"] == {
        "1.name": ["presence"],
        "1.unitPrice": ["range.min"],
        "2.id": ["absence"],
    }


# Verbs


@pytest.mark.parametrize(
    ("path", "verbs"),
    [
        ("", {"GET", "HEAD", "PATCH", "POST", "PUT"}),
        ("/1", {"DELETE", "GET", "HEAD", "PATCH", "PUT"}),
        ("/1/exists", {"GET", "HEAD"}),
        ("/1/replace", {"POST"}),
        ("/count", {"GET", "HEAD"}),
        ("/findOne", {"GET", "HEAD"}),
        ("/replaceOrCreate", {"POST"}),
        ("/upsertWithWhere", {"POST"}),
        ("/update", {"POST"}),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_other_verbs_of_a_path_are_405_with_allow(
    client: FlaskClient, path: str, verbs: set[str], slash: str
) -> None:
    allow = ", ".join(sorted({*verbs, "OPTIONS"}))
    for verb in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - verbs:
        response = client.open(f"/api/products{path}{slash}", method=verb, json={})
        assert (verb, response.status_code) == (verb, 405)
        assert response.headers["Allow"] == allow
        assert response.content_type == "application/json; charset=utf-8"
    options = client.options(f"/api/products{path}{slash}")
    assert (options.status_code, options.headers["Allow"], options.data) == (200, allow, b"")


def test_the_error_of_a_verb_names_it(client: FlaskClient) -> None:
    response = client.delete("/api/products/count")
    assert response.json == {
        "error": {
            "statusCode": 405,
            "name": "MethodNotAllowedError",
            "message": "The method DELETE is not allowed for /api/products/count.",
        }
    }


def test_a_literal_path_wins_over_an_id_for_every_verb(make_app: MakeApp) -> None:
    word = memory().create_model(
        "word", {"id": {"type": str, "id": True}, "text": str}, force_id=False
    )
    word.create({"id": "count", "text": "kept"})
    client = make_app(word).test_client()
    assert client.get("/api/words/count").json == {"count": 1}
    for verb in ("PUT", "PATCH", "DELETE", "POST"):
        assert client.open("/api/words/count", method=verb, json={}).status_code == 405
    assert client.head("/api/words/findOne").status_code == 200
    assert client.get("/api/words").json == [{"id": "count", "text": "kept"}]


@pytest.mark.parametrize("path", ["", "/1", "/count", "/1/exists", "/findOne"])
def test_a_slash_at_the_end_changes_nothing(client: FlaskClient, path: str) -> None:
    without = client.get(f"/api/products{path}")
    response = client.get(f"/api/products{path}/")
    assert (response.status_code, response.json) == (200, without.json)


@pytest.mark.parametrize("path", ["", "/1", "/count", "/1/exists", "/findOne"])
def test_head_is_get_without_a_body(client: FlaskClient, path: str) -> None:
    response = client.head(f"/api/products{path}")
    assert (response.status_code, response.data) == (200, b"")


# Aliases


@pytest.mark.parametrize(
    ("alias", "operation"),
    [
        ("patchOrCreate", "upsert"),
        ("updateOrCreate", "upsert"),
        ("update_or_create", "upsert"),
        ("patchOrCreateWithWhere", "upsertWithWhere"),
        ("prototype.updateAttributes", "patchAttributes"),
        ("update_attributes", "patchAttributes"),
        ("prototype.patchAttributes", "patchAttributes"),
        ("destroyById", "deleteById"),
        ("destroy_by_id", "deleteById"),
        ("removeById", "deleteById"),
        ("update", "updateAll"),
        ("update_all", "updateAll"),
    ],
)
def test_an_operation_is_known_by_its_aliases(alias: str, operation: str) -> None:
    source = memory()
    source.disable_remote(alias)
    assert not source.operations()[operation]["remoteEnabled"]


# Methods that come and go


def test_disabling_a_method_acts_at_once_and_shows_in_allow(
    client: FlaskClient, source: DataSource
) -> None:
    source.disable_remote("deleteById")
    response = client.delete("/api/products/1")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, PATCH, PUT"
    assert client.options("/api/products/1").headers["Allow"] == "GET, HEAD, OPTIONS, PATCH, PUT"
    source.enable_remote("deleteById")
    assert client.delete("/api/products/1").json == {"count": 1}


def test_a_path_without_methods_is_404(client: FlaskClient, source: DataSource) -> None:
    source.disable_remote("count")
    for verb in ("GET", "HEAD", "DELETE", "OPTIONS"):
        assert client.open("/api/products/count", method=verb).status_code == 404
    source.enable_remote("count")
    assert client.get("/api/products/count").json == {"count": 2}


def test_a_disabled_operation_is_gone_over_rest_and_in_python(
    client: FlaskClient, source: DataSource, product: type[Model]
) -> None:
    source.disable("updateAll")
    assert client.post("/api/products/update" + MANY, json={}).status_code == 404
    assert not hasattr(product, "update_all")
    source.enable("updateAll")
    assert client.post("/api/products/update" + MANY, json={}).json == {"count": 2}


def test_what_only_python_has_can_be_given_to_remote_callers(
    client: FlaskClient, source: DataSource
) -> None:
    assert client.delete("/api/products" + ONE).status_code == 405
    source.enable_remote("destroyAll")
    assert "DELETE" in client.options("/api/products").headers["Allow"]
    assert client.delete("/api/products").status_code == 400
    assert client.delete("/api/products" + ONE).json == {"count": 1}
    assert client.get("/api/products").json == [PEN]


@pytest.mark.parametrize("operation", ["findById", "exists"])
def test_head_of_a_record_is_there_with_exists_alone(
    client: FlaskClient, source: DataSource, operation: str
) -> None:
    source.disable_remote(operation)
    is_there = operation != "exists"
    assert client.head("/api/products/1").status_code == (200 if is_there else 405)
    assert ("HEAD" in client.options("/api/products/1").headers["Allow"]) == is_there


# Settings of a model


def test_put_merges_where_the_model_does_not_replace_on_put(make_app: MakeApp) -> None:
    model = memory().create_model(
        "product", {"name": {"type": str, "required": True}, "price": int}, replace_on_put=False
    )
    model.create({"name": "pen", "price": 2})
    client = make_app(model).test_client()
    assert client.put("/api/products/1", json={"price": 3}).json == {
        "name": "pen", "price": 3, "id": 1,
    }  # fmt: skip
    assert client.put("/api/products", json={"id": 1, "price": 4}).json == {
        "name": "pen", "price": 4, "id": 1,
    }  # fmt: skip
    for path in ("/1/replace", "/replaceOrCreate"):
        assert client.post(f"/api/products{path}", json={"price": 4}).status_code == 422


def test_deleting_what_is_not_there_is_404_where_the_model_is_strict(make_app: MakeApp) -> None:
    model = memory().create_model("product", {"name": str}, strict_delete=True)
    model.create({"name": "pen"})
    client = make_app(model).test_client()
    assert client.delete("/api/products/1").json == {"count": 1}
    response = client.delete("/api/products/1")
    assert response.status_code == 404
    assert response.json["error"]["code"] == "MODEL_NOT_FOUND"  # type: ignore[index]


@pytest.mark.parametrize("verb", ["POST", "PATCH", "PUT"])
def test_clients_choose_ids_where_the_model_lets_them(make_app: MakeApp, verb: str) -> None:
    model = memory().create_model("product", {"name": str}, force_id=False)
    client = make_app(model).test_client()
    response = client.open("/api/products", method=verb, json={"id": 7, "name": "pen"})
    assert response.json == {"name": "pen", "id": 7}
    assert client.post("/api/products", json={"name": "ink"}).json == {"name": "ink", "id": 8}


def test_an_id_that_exists_is_a_conflict(make_app: MakeApp, source: DataSource) -> None:
    model = source.create_model("product", {"name": str}, force_id=False)
    source.auto_update()
    client = make_app(model).test_client()
    client.post("/api/products", json={"id": 7, "name": "pen"})
    for body in ({"id": 7, "name": "ink"}, [{"name": "cap"}, {"id": 7, "name": "ink"}]):
        response = client.post("/api/products", json=body)
        assert response.status_code == 409
        assert response.json["error"]["code"] == "DUPLICATE_ID"  # type: ignore[index]
    assert client.get("/api/products").json == [{"name": "pen", "id": 7}]


def test_a_model_without_an_id_can_be_created_and_listed(
    make_app: MakeApp, source: DataSource
) -> None:
    model = source.create_model("note", {"text": str}, id_injection=False)
    source.auto_update()
    client = make_app(model, LOOP_CREATED_STATUS=201).test_client()
    created = client.post("/api/notes", json={"text": "a"})
    assert (created.status_code, created.json) == (201, {"text": "a"})
    assert "Location" not in created.headers
    assert client.get("/api/notes").json == [{"text": "a"}]
    assert client.get("/api/notes/1").status_code == 404


@pytest.mark.parametrize(
    "id",
    ["a b", "café", "100%", "50%25", "a.b", "..x", "a+b", "a&b=c", "a;b", "日本", "'\"<>", "~"],
)
def test_ids_of_odd_characters_are_found_changed_and_deleted(
    make_app: MakeApp, source: DataSource, id: str
) -> None:
    model = source.create_model("word", {"id": {"type": str, "id": True}, "text": str})
    source.auto_update()
    client = make_app(model, LOOP_CREATED_STATUS=201).test_client()
    created = client.post("/api/words", json={"id": id, "text": "x"})
    assert created.status_code == 201
    location = created.headers["Location"]
    assert location == "/api/words/" + quote(id, safe="")
    assert client.get(location).json == {"id": id, "text": "x"}
    assert client.get(location + "/exists").json == {"exists": True}
    assert client.patch(location, json={"text": "y"}).json == {"id": id, "text": "y"}
    assert client.delete(location).json == {"count": 1}
    assert client.get(location).status_code == 404


def test_an_id_with_a_slash_is_another_path(make_app: MakeApp) -> None:
    model = memory().create_model("word", {"id": {"type": str, "id": True}})
    model.create({"id": "a/b"})
    response = make_app(model).test_client().get("/api/words/a%2Fb")
    assert response.status_code == 404
    assert response.json["error"]["name"] == "NotFoundError"  # type: ignore[index]


def test_uuids_are_ids_in_either_case(make_app: MakeApp, source: DataSource) -> None:
    model = source.create_model(
        "key", {"id": {"type": "UUID", "id": True, "defaultFn": "uuid"}, "name": str}
    )
    source.auto_update()
    client = make_app(model).test_client()
    id = client.post("/api/keys", json={"name": "a"}).json["id"]  # type: ignore[index]
    assert client.get(f"/api/keys/{id.upper()}").json == {"id": id, "name": "a"}
    assert client.get("/api/keys/" + id[:-1]).status_code == 404
    assert client.put(f"/api/keys/{id}", json={"name": "b"}).json == {"id": id, "name": "b"}


# Where a new record is


def test_a_created_record_has_201_and_a_location_where_the_app_says_so(
    make_app: MakeApp, product: type[Model]
) -> None:
    client = make_app(product, LOOP_CREATED_STATUS=201).test_client()
    response = client.post("/api/products", json={"name": "cap"})
    assert (response.status_code, response.headers["Location"]) == (201, "/api/products/3")
    assert client.get(response.headers["Location"]).json == response.json
    several = client.post("/api/products", json=[{"name": "a"}])
    assert (several.status_code, "Location" in several.headers) == (201, False)
    changed = client.patch("/api/products", json={"id": 3, "unitPrice": 1})
    assert (changed.status_code, "Location" in changed.headers) == (200, False)


def test_locations_begin_where_the_app_is_mounted(make_app: MakeApp, product: type[Model]) -> None:
    client = make_app(product, LOOP_CREATED_STATUS=201, LOOP_MAX_LIMIT=1).test_client()
    mounted = {"SCRIPT_NAME": "/shop"}
    created = client.post("/api/products", json={"name": "cap"}, environ_overrides=mounted)
    assert created.headers["Location"] == "/shop/api/products/3"
    listed = client.get("/api/products", environ_overrides=mounted)
    assert listed.headers["Link"].startswith("</shop/api/products?")


# Pages


@pytest.fixture
def numbers(make_app: MakeApp, source: DataSource) -> FlaskClient:
    """A client of ten records, of which a list has at most four."""
    model = source.create_model("number", {"value": int, "parity": str})
    source.auto_update()
    model.create([{"value": n, "parity": "odd" if n % 2 else "even"} for n in range(10)])
    return make_app(model, LOOP_MAX_LIMIT=4).test_client()


def next_page(link: str | None) -> str | None:
    if link is None:
        return None
    target, relation = link.split("; ")
    assert relation == 'rel="next"'
    return target.strip("<>")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (query(filter={"order": "value DESC"}), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (query(filter={"skip": 3}), [3, 4, 5, 6, 7, 8, 9]),
        (query(filter={"offset": 8}), [8, 9]),
        (query(filter={"where": {"value": {"gte": 4}}}), [4, 5, 6, 7, 8, 9]),
        ("?filter[where][parity]=odd&filter[order]=value DESC", [9, 7, 5, 3, 1]),
        ("?filter[where][value][inq][]=1&filter[where][value][inq][]=2", [1, 2]),
        ("?filter[where][value][between][0]=2&filter[where][value][between][1]=7", [*range(2, 8)]),
        ("?filter[offset]=1&filter[where][parity]=odd", [3, 5, 7, 9]),
        ("?filter=&x=1", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_following_the_links_gives_every_record_once(
    numbers: FlaskClient, arguments: str, wanted: list[int]
) -> None:
    page: str | None = "/api/numbers" + arguments
    found: list[int] = []
    while page is not None:
        response = numbers.get(page)
        assert response.status_code == 200
        assert len(response.json) <= 4  # type: ignore[arg-type]
        found += [record["value"] for record in response.json]  # type: ignore[union-attr]
        page = next_page(response.headers.get("Link"))
    assert found == wanted


def test_a_link_keeps_the_other_arguments(numbers: FlaskClient) -> None:
    response = numbers.get("/api/numbers?lang=d%26e&filter[skip]=1&lang=fr&flag")
    page = next_page(response.headers["Link"])
    assert page == "/api/numbers?lang=d%26e&lang=fr&flag=&filter=%7B%22skip%22%3A5%7D"


def test_a_list_that_was_not_cut_has_no_link(numbers: FlaskClient) -> None:
    assert "Link" not in numbers.get("/api/numbers" + query(filter={"skip": 6})).headers
    assert "Link" not in numbers.get("/api/numbers" + query(filter={"limit": 4})).headers


def test_a_limit_above_the_most_names_it(numbers: FlaskClient) -> None:
    response = numbers.get("/api/numbers" + query(filter={"limit": 5}))
    assert response.status_code == 400
    error = response.json["error"]  # type: ignore[index]
    assert error["message"] == "The filter is not valid: limit is more than 4."
    assert error["details"] == {"path": "limit"}
