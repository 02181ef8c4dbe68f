from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Model, Prop, memory, prop

MakeApp = Callable[..., Flask]


@pytest.fixture
def models(source: DataSource) -> dict[str, Any]:
    """Books with every kind of relation."""

    class Book(Model):
        title: Prop[str]

        class Meta:
            data_source = source

    class Chapter(Model):
        name: Prop[str] = prop(max_length=10)
        page_count: Prop[int] = prop(default=1, min=1)
        secret: Prop[str | None] = prop(hidden=True)
        state: Prop[str] = prop(read_only=True, default="draft")

        class Meta:
            data_source = source

    class Cover(Model):
        color: Prop[str]

        class Meta:
            data_source = source

    class Tag(Model):
        word: Prop[str]

        class Meta:
            data_source = source

    class Shelving(Model):
        row: Prop[int] = prop(default=0)

        class Meta:
            data_source = source

    class Shelf(Model):
        place: Prop[str]

        class Meta:
            data_source = source

    class Note(Model):
        key: Prop[str] = prop(id=True)
        full_text: Prop[str | None] = prop(max_length=10)

    class Picture(Model):
        url: Prop[str]

        class Meta:
            data_source = source

    Book.has_many(Chapter)
    Chapter.belongs_to(Book)
    Book.has_one(Cover)
    Book.has_and_belongs_to_many(Tag)
    Book.has_many("shelves", model=Shelf, through=Shelving)
    Book.references_many("favorites", model=Tag)
    Book.embeds_many("notes", model=Note)
    Book.embeds_one("seal", model=Note)
    Book.has_many("pictures", model=Picture, polymorphic="imageable")
    Picture.belongs_to("imageable", polymorphic=True)
    made = (Book, Chapter, Cover, Tag, Shelving, Shelf, Note, Picture)
    source.auto_update()
    return {each.__name__: each for each in made}


@pytest.fixture
def client(models: dict[str, Any], make_app: MakeApp) -> FlaskClient:
    """The books 1 and 2, served."""
    models["Book"].create([{"title": "one"}, {"title": "two"}])
    served = [each for each in models.values() if each.data_source is not None]
    return make_app(*served).test_client()


def created(client: FlaskClient, path: str, **data: Any) -> Any:
    """Create a record, and give it as the client got it."""
    response = client.post(path, json=data)
    assert response.status_code == 200, response.text
    return response.json


def message_of(response: Any) -> str:
    text: str = response.json["error"]["message"]
    return text


# has_many


def test_the_records_of_a_has_many_are_created_with_the_key_of_their_owner(
    client: FlaskClient,
) -> None:
    chapter = created(client, "/api/books/1/chapters", name="a", bookId=2)
    assert chapter == {"id": 1, "name": "a", "pageCount": 1, "state": "draft", "bookId": 1}
    several = client.post("/api/books/2/chapters", json=[{"name": "b"}, {"name": "c"}])
    assert [each["bookId"] for each in several.json] == [2, 2]
    assert [each["name"] for each in client.get("/api/books/2/chapters").json] == ["b", "c"]
    assert [each["name"] for each in client.get("/api/books/1/chapters").json] == ["a"]


def test_flags_bind_clients_in_a_relation_as_on_the_models_own_routes(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    created(client, "/api/books/1/chapters", name="a", state="printed", secret="x")
    assert models["Chapter"].find_one().state == "draft"
    client.put("/api/books/1/chapters/1", json={"state": "printed", "name": "b"})
    stored = models["Chapter"].find_one()
    assert (stored.state, stored.name, stored.secret) == ("draft", "b", "x")
    assert "secret" not in client.get("/api/books/1/chapters/1").json


def test_what_is_wrong_with_a_related_record_is_said_by_its_own_names(client: FlaskClient) -> None:
    response = client.post("/api/books/1/chapters", json={"name": "a", "pageCount": 0})
    assert response.status_code == 422
    assert response.json["error"]["details"]["context"] == "Chapter"
    assert list(response.json["error"]["details"]["codes"]) == ["pageCount"]
    several = [{"name": "a"}, {"name": "a", "pageCount": 0}]
    response = client.post("/api/books/1/chapters", json=several)
    assert list(response.json["error"]["details"]["codes"]) == ["1.pageCount"]
    assert client.get("/api/books/1/chapters").json == []


def test_a_list_takes_a_filter_of_the_related_model(client: FlaskClient) -> None:
    for name in "abc":
        created(client, "/api/books/1/chapters", name=name, pageCount=3)
    path = "/api/books/1/chapters?filter[where][name][neq]=b&filter[order]=name DESC"
    assert [each["name"] for each in client.get(path).json] == ["c", "a"]
    assert client.get("/api/books/1/chapters?filter[fields]=name&filter[limit]=1").json == [
        {"name": "a"}
    ]
    response = client.get("/api/books/1/chapters?filter[where][secret]=x")
    assert response.status_code == 400
    assert client.get("/api/books/1/chapters?filter[where][title]=one").status_code == 400
    assert client.get("/api/books/1/chapters?where[name]=a").status_code == 400


def test_a_where_cannot_reach_the_records_of_another_owner(client: FlaskClient) -> None:
    created(client, "/api/books/1/chapters", name="a")
    created(client, "/api/books/2/chapters", name="b")
    path = '/api/books/1/chapters?filter={"where":{"or":[{"bookId":2},{"name":"b"},{"id":2}]}}'
    assert client.get(path).json == []
    assert client.get('/api/books/1/chapters/count?where={"bookId":2}').json == {"count": 0}


def test_related_records_are_counted(client: FlaskClient) -> None:
    for name in "ab":
        created(client, "/api/books/1/chapters", name=name)
    created(client, "/api/books/2/chapters", name="c")
    assert client.get("/api/books/1/chapters/count").json == {"count": 2}
    assert client.get("/api/books/1/chapters/count?where[name]=b").json == {"count": 1}


def test_a_list_that_is_cut_links_to_the_rest_of_the_same_owners(
    models: dict[str, Any], make_app: MakeApp
) -> None:
    models["Book"].create(title="one")
    models["Chapter"].create([{"name": f"n{n}", "book_id": 1} for n in range(5)])
    client = make_app(models["Book"], models["Chapter"], LOOP_MAX_LIMIT=2).test_client()
    names, path = [], "/api/books/1/chapters?filter[order]=name%20DESC"
    while path:
        response = client.get(path)
        names += [each["name"] for each in response.json]
        link = response.headers.get("Link")
        path = link.partition(">")[0].lstrip("<") if link else ""
        assert not path or path.startswith("/api/books/1/chapters?")
    assert names == ["n4", "n3", "n2", "n1", "n0"]


def test_one_related_record_is_read_changed_and_deleted(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    created(client, "/api/books/1/chapters", name="a")
    assert client.get("/api/books/1/chapters/1").json["name"] == "a"
    assert client.get("/api/books/1/chapters/1?filter[fields]=name").json == {"name": "a"}
    assert client.put("/api/books/1/chapters/1", json={"name": "b"}).json["name"] == "b"
    assert client.delete("/api/books/1/chapters/1").status_code == 204
    assert models["Chapter"].count() == 0


@pytest.mark.parametrize("verb", ["get", "put", "delete"])
def test_a_record_of_another_owner_is_not_there(client: FlaskClient, verb: str) -> None:
    created(client, "/api/books/1/chapters", name="a")
    body = {"json": {"name": "x"}} if verb == "put" else {}
    response = getattr(client, verb)("/api/books/2/chapters/1", **body)
    assert response.status_code == 404
    assert response.json["error"]["code"] == "MODEL_NOT_FOUND"
    assert message_of(response) == 'Unknown "Chapter" id "1".'
    assert client.get("/api/books/1/chapters/1").json["name"] == "a"


def test_a_key_cannot_be_moved_through_a_relation(client: FlaskClient) -> None:
    created(client, "/api/books/1/chapters", name="a")
    for moved in (2, None, "x"):
        response = client.put("/api/books/1/chapters/1", json={"bookId": moved, "name": "b"})
        assert response.status_code == 400
        assert "bookId" in message_of(response)
    assert client.get("/api/books/1/chapters/1").json["name"] == "a"
    response = client.put("/api/books/1/chapters/1", json={"bookId": 1, "name": "b"})
    assert response.json["name"] == "b"


def test_all_records_of_one_owner_are_deleted(client: FlaskClient, models: dict[str, Any]) -> None:
    for name in "ab":
        created(client, "/api/books/1/chapters", name=name)
    created(client, "/api/books/2/chapters", name="c")
    response = client.delete("/api/books/1/chapters")
    assert (response.status_code, response.data) == (204, b"")
    assert [each.name for each in models["Chapter"].find()] == ["c"]


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("get", "/chapters"),
        ("post", "/chapters"),
        ("delete", "/chapters"),
        ("get", "/chapters/count"),
        ("get", "/chapters/1"),
        ("put", "/chapters/1"),
        ("delete", "/chapters/1"),
        ("get", "/cover"),
        ("post", "/cover"),
        ("put", "/tags/rel/1"),
        ("delete", "/tags/rel/1"),
        ("head", "/tags/rel/1"),
        ("get", "/notes"),
        ("post", "/notes"),
        ("get", "/seal"),
        ("delete", "/favorites"),
    ],
)
@pytest.mark.parametrize("id", ["9", "x"])
def test_an_unknown_owner_is_not_found(
    client: FlaskClient, models: dict[str, Any], verb: str, path: str, id: str
) -> None:
    models["Tag"].create(word="x")
    body = {"json": {"name": "x", "color": "x", "key": "x"}} if verb in ("post", "put") else {}
    response = getattr(client, verb)(f"/api/books/{id}{path}", **body)
    assert response.status_code == 404
    if verb != "head":
        assert message_of(response) == f'Unknown "Book" id "{id}".'
    assert models["Chapter"].count() == 0


def test_verbs_that_a_relation_does_not_have_are_refused_with_those_that_it_has(
    client: FlaskClient,
) -> None:
    response = client.patch("/api/books/1/chapters/1", json={})
    assert response.status_code == 405
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    # The literal path wins for every verb.
    response = client.delete("/api/books/1/chapters/count")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    response = client.options("/api/books/1/chapters")
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
    response = client.options("/api/books/1/tags/rel/1")
    assert response.headers["Allow"] == "DELETE, HEAD, OPTIONS, PUT"
    assert client.head("/api/books/1/chapters").status_code == 200


def test_creates_answer_where_the_record_is(models: dict[str, Any], make_app: MakeApp) -> None:
    models["Book"].create(title="one")
    served = [each for each in models.values() if each.data_source is not None]
    client = make_app(*served, LOOP_CREATED_STATUS=201).test_client()
    for path, data, location in (
        ("/api/books/1/chapters", {"name": "a"}, "/api/books/1/chapters/1"),
        ("/api/books/1/cover", {"color": "red"}, "/api/books/1/cover"),
        ("/api/books/1/tags", {"word": "x"}, "/api/books/1/tags/1"),
        ("/api/books/1/notes", {"key": "a b"}, "/api/books/1/notes/a%20b"),
        ("/api/books/1/seal", {"key": "a"}, "/api/books/1/seal"),
    ):
        response = client.post(path, json=data)
        assert (response.status_code, response.headers["Location"]) == (201, location)
        assert client.get(location).json == response.json


# belongs_to


def test_a_belongs_to_gives_its_record(client: FlaskClient, models: dict[str, Any]) -> None:
    models["Chapter"].create({"name": "a", "book_id": 2})
    assert client.get("/api/chapters/1/book").json["title"] == "two"
    assert client.get("/api/chapters/1/book?refresh=true").json["title"] == "two"
    assert client.get("/api/chapters/1/book?filter[fields]=title").json == {"title": "two"}
    assert client.post("/api/chapters/1/book", json={}).status_code == 405


def test_a_belongs_to_that_leads_to_nothing_is_not_found(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    models["Chapter"].create([{"name": "unset"}, {"name": "dangling", "book_id": 99}])
    for id in (1, 2):
        response = client.get(f"/api/chapters/{id}/book")
        assert response.status_code == 404
        assert response.json["error"]["code"] == "MODEL_NOT_FOUND"
    assert client.get("/api/chapters/3/book").status_code == 404


# has_one


def test_a_has_one_is_created_once_read_changed_and_deleted(client: FlaskClient) -> None:
    path = "/api/books/1/cover"
    assert client.get(path).status_code == 404
    assert client.put(path, json={"color": "red"}).status_code == 404
    assert client.delete(path).status_code == 404
    assert created(client, path, color="red", bookId=2) == {"id": 1, "color": "red", "bookId": 1}
    again = client.post(path, json={"color": "blue"})
    assert (again.status_code, again.json["error"]["name"]) == (409, "ConflictError")
    assert client.get(path).json["color"] == "red"
    assert client.put(path, json={"color": "green"}).json["color"] == "green"
    assert client.put(path, json={"bookId": 2}).status_code == 400
    assert client.get("/api/books/2/cover").status_code == 404
    response = client.delete(path)
    assert (response.status_code, response.data) == (204, b"")
    assert client.get(path).status_code == 404


# Through a model


def test_records_through_a_hidden_model_are_created_linked_and_unlinked(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    assert created(client, "/api/books/1/tags", word="x") == {"id": 1, "word": "x"}
    assert client.get("/api/books/1/tags").json == [{"id": 1, "word": "x"}]
    assert client.get("/api/books/2/tags").json == []
    assert client.get("/api/books/2/tags/1").status_code == 404
    row = client.put("/api/books/2/tags/rel/1")
    assert (row.json["bookId"], row.json["tagId"]) == (2, 1)
    assert client.put("/api/books/2/tags/rel/1").json == row.json
    assert client.get("/api/books/2/tags/count").json == {"count": 1}
    assert client.head("/api/books/2/tags/rel/1").status_code == 200
    assert client.delete("/api/books/2/tags/rel/1").status_code == 204
    assert client.delete("/api/books/2/tags/rel/1").status_code == 204
    assert client.head("/api/books/2/tags/rel/1").status_code == 404
    assert client.head("/api/books/2/tags/rel/9").status_code == 404
    assert models["Tag"].count() == 1


@pytest.mark.parametrize("relation", ["tags", "shelves", "favorites"])
def test_a_record_that_is_not_there_cannot_be_linked(client: FlaskClient, relation: str) -> None:
    response = client.put(f"/api/books/1/{relation}/rel/9")
    assert response.status_code == 404
    assert client.get(f"/api/books/1/{relation}/count").json == {"count": 0}


def test_a_link_takes_properties_of_its_own(client: FlaskClient, models: dict[str, Any]) -> None:
    models["Shelf"].create(place="left")
    path = "/api/books/1/shelves/rel/1"
    row = client.put(path, json={"row": 3, "bookId": 2, "shelfId": 7})
    assert (row.json["row"], row.json["bookId"], row.json["shelfId"]) == (3, 1, 1)
    assert client.put(path, json={"row": 4}).json == row.json
    assert client.get("/api/books/1/shelves").json == [{"id": 1, "place": "left"}]
    assert models["Shelving"].count() == 1


def test_a_record_through_a_model_is_deleted_with_its_link(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    created(client, "/api/books/1/shelves", place="left")
    assert client.put("/api/books/1/shelves/1", json={"place": "right"}).json["place"] == "right"
    assert client.delete("/api/books/2/shelves/1").status_code == 404
    assert client.delete("/api/books/1/shelves/1").status_code == 204
    assert (models["Shelf"].count(), models["Shelving"].count()) == (0, 0)


def test_deleting_all_through_a_model_deletes_the_links_alone(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    created(client, "/api/books/1/shelves", place="left")
    client.put("/api/books/2/shelves/rel/1")
    assert client.delete("/api/books/1/shelves").status_code == 204
    assert client.get("/api/books/1/shelves").json == []
    assert client.get("/api/books/2/shelves/count").json == {"count": 1}
    assert models["Shelf"].count() == 1


# references_many


def test_references_are_created_added_and_removed(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    models["Tag"].create(word="old")
    created(client, "/api/books/1/favorites", word="a")
    client.post("/api/books/1/favorites", json=[{"word": "b"}, {"word": "c"}])
    assert client.put("/api/books/1/favorites/rel/1").json == {"id": 1, "word": "old"}
    assert client.get("/api/books/1").json["favoriteIds"] == [2, 3, 4, 1]
    assert len(client.get("/api/books/1/favorites").json) == 4
    assert client.head("/api/books/1/favorites/rel/2").status_code == 200
    assert client.delete("/api/books/1/favorites/rel/2").status_code == 204
    assert client.delete("/api/books/1/favorites/rel/2").status_code == 204
    assert client.head("/api/books/1/favorites/rel/2").status_code == 404
    assert client.get("/api/books/1/favorites/2").status_code == 404
    assert client.delete("/api/books/1/favorites/3").status_code == 204
    assert client.get("/api/books/1").json["favoriteIds"] == [4, 1]
    assert [each.id for each in models["Tag"].find()] == [1, 2, 4]
    assert client.delete("/api/books/1/favorites").status_code == 204
    assert client.get("/api/books/1").json["favoriteIds"] == []
    assert models["Tag"].count() == 3


# Embedded records


def test_embedded_records_have_the_routes_of_others(client: FlaskClient) -> None:
    path = "/api/books/1/notes"
    assert client.get(path).json == []
    note = created(client, path, key="a", fullText="x")
    assert note == {"key": "a", "fullText": "x"}
    client.post(path, json=[{"key": "b", "fullText": "y"}, {"key": "c", "fullText": "z"}])
    assert client.get(f"{path}/count?where[fullText][gt]=x").json == {"count": 2}
    listed = client.get(f"{path}?filter[order]=key DESC&filter[limit]=2").json
    assert [each["key"] for each in listed] == ["c", "b"]
    assert client.get(f"{path}?filter[fields]=key&filter[skip]=2").json == [{"key": "c"}]
    assert client.get(f"{path}/a").json == note
    assert client.put(f"{path}/a", json={"fullText": "w"}).json == {"key": "a", "fullText": "w"}
    assert client.get(f"{path}/q").status_code == 404
    assert client.put(f"{path}/q", json={}).status_code == 404
    assert client.delete(f"{path}/a").status_code == 204
    assert client.delete(f"{path}/a").status_code == 204
    assert client.get(f"{path}/count").json == {"count": 2}
    assert client.delete(path).status_code == 204
    assert client.get(path).json == []
    assert client.get("/api/books/2/notes").json == []


def test_an_embedded_record_that_is_not_valid_is_said_to_be_so_by_its_own_names(
    client: FlaskClient,
) -> None:
    path = "/api/books/1/notes"
    created(client, path, key="a")
    for data, codes in (
        ({"key": "b", "fullText": "x" * 11}, {"fullText": ["length.max"]}),
        ({"key": "a"}, {"key": ["uniqueness"]}),
        ([{"key": "b"}, {"key": "c", "fullText": "x" * 11}], {"1.fullText": ["length.max"]}),
    ):
        response = client.post(path, json=data)
        assert response.status_code == 422
        details = response.json["error"]["details"]
        assert (details["context"], details["codes"]) == ("Note", codes)
    assert client.get(f"{path}/count").json == {"count": 1}


def test_embedded_lists_are_cut_at_the_greatest_limit(
    models: dict[str, Any], make_app: MakeApp
) -> None:
    book = models["Book"].create(title="one")
    book.notes.create([{"key": key} for key in "abc"])
    client = make_app(models["Book"], LOOP_MAX_LIMIT=2).test_client()
    response = client.get("/api/books/1/notes")
    assert [each["key"] for each in response.json] == ["a", "b"]
    rest = client.get(response.headers["Link"].partition(">")[0].lstrip("<"))
    assert [each["key"] for each in rest.json] == ["c"]


def test_an_embedded_record_is_set_merged_and_removed(client: FlaskClient) -> None:
    path = "/api/books/1/seal"
    empty = client.get(path)
    assert (empty.status_code, empty.data) == (204, b"")
    assert created(client, path, key="a", fullText="x") == {"key": "a", "fullText": "x"}
    assert client.put(path, json={"fullText": "y"}).json == {"key": "a", "fullText": "y"}
    assert created(client, path, key="b") == {"key": "b", "fullText": None}
    assert client.get(path).json["key"] == "b"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 204
    assert client.get("/api/books/1").json["_seal"] is None


# Polymorphic relations


def test_both_sides_of_a_polymorphic_relation_have_routes(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    picture = created(client, "/api/books/2/pictures", url="u", imageableType="Chapter")
    assert (picture["imageableId"], picture["imageableType"]) == (2, "Book")
    models["Picture"].create([{"url": "c", "imageable_id": 2, "imageable_type": "Chapter"}])
    assert [each["url"] for each in client.get("/api/books/2/pictures").json] == ["u"]
    assert client.get("/api/books/2/pictures/2").status_code == 404
    moved = client.put("/api/books/2/pictures/1", json={"imageableType": "Chapter"})
    assert moved.status_code == 400


def test_the_owner_of_a_polymorphic_record_is_found(source: DataSource, make_app: MakeApp) -> None:
    class OwnerOfPolymorphicRest(Model):
        title: Prop[str]

        class Meta:
            data_source = source
            plural = "owners"

    class HiddenOwnerOfPolymorphicRest(Model):
        title: Prop[str]

        class Meta:
            data_source = source

    class Photo(Model):
        url: Prop[str]

        class Meta:
            data_source = source

    OwnerOfPolymorphicRest.has_many("photos", model=Photo, polymorphic="imageable")
    Photo.belongs_to("imageable", polymorphic=True)
    source.auto_update()
    OwnerOfPolymorphicRest.create(title="one")
    HiddenOwnerOfPolymorphicRest.create(title="none")
    names = ("OwnerOfPolymorphicRest", "HiddenOwnerOfPolymorphicRest", "Nothing", None)
    Photo.create([{"url": "u", "imageable_id": 1, "imageable_type": each} for each in names])
    client = make_app(OwnerOfPolymorphicRest, Photo).test_client()
    assert client.get("/api/photos/1/imageable").json["title"] == "one"
    # What is not exposed cannot be reached.
    assert [client.get(f"/api/photos/{id}/imageable").status_code for id in (2, 3, 4)] == [404] * 3


# What is around a call


def test_overridden_operations_of_the_related_model_are_used(make_app: MakeApp) -> None:
    db = memory()
    calls: list[str] = []

    class Writer(Model):
        class Meta:
            data_source = db

    class Poem(Model):
        title: Prop[str | None]

        class Meta:
            data_source = db

        @classmethod
        def find(cls, filter: Any = None, **parts: Any) -> Any:
            calls.append("find")
            return super().find(filter, **parts)

        @classmethod
        def create(cls, data: Any = None, **values: Any) -> Any:
            calls.append("create")
            return super().create(data, **values)

        @classmethod
        def find_by_id(cls, id: Any, filter: Any = None) -> Any:
            calls.append("find_by_id")
            return super().find_by_id(id, filter)

        @classmethod
        def destroy_by_id(cls, id: Any) -> int:
            calls.append("destroy_by_id")
            return super().destroy_by_id(id)

    Writer.has_many(Poem)
    Writer.create({})
    client = make_app(Writer, Poem).test_client()
    assert created(client, "/api/writers/1/poems", title="x")["writerId"] == 1
    client.get("/api/writers/1/poems")
    client.get("/api/writers/1/poems/1")
    client.delete("/api/writers/1/poems/1")
    assert calls == ["create", "find", "find_by_id", "destroy_by_id"]


def test_observers_of_the_related_model_know_who_calls(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    from flask_loop import current_context

    seen = []

    @models["Chapter"].observe("before save")
    def note(ctx: Any) -> None:
        running = current_context()
        seen.append(None if running is None else running.method_string)

    client.post("/api/books/1/chapters", json={"name": "a"})
    assert seen == ["books.prototype.__create__chapters"]


def test_a_hook_sees_the_owner_and_what_came_of_the_call(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    seen: list[Any] = []
    book = models["Book"]

    @book.before_remote("prototype.__create__chapters")
    def before(ctx: Any, owner: Any) -> None:
        seen.append(owner.title)
        ctx.args["data"]["state"] = "checked"

    @book.after_remote("prototype.__get__chapters")
    def after(ctx: Any, result: Any) -> None:
        seen.append([each.name for each in result])
        ctx.result = result[:1]

    @book.after_remote("prototype.*")
    def any_of_them(ctx: Any) -> None:
        seen.append(ctx.method_string)

    assert created(client, "/api/books/2/chapters", name="a")["state"] == "checked"
    created(client, "/api/books/2/chapters", name="b")
    assert [each["name"] for each in client.get("/api/books/2/chapters").json] == ["a"]
    create, get = "books.prototype.__create__chapters", "books.prototype.__get__chapters"
    assert seen == ["two", create, "two", create, ["a", "b"], get]


def test_a_hook_can_narrow_the_records_of_a_relation(
    client: FlaskClient, models: dict[str, Any]
) -> None:
    @models["Book"].before_remote("prototype.__get__chapters")
    def narrow(ctx: Any) -> None:
        ctx.narrow({"page_count": {"gt": 1}})

    created(client, "/api/books/1/chapters", name="a")
    created(client, "/api/books/1/chapters", name="b", pageCount=2)
    assert [each["name"] for each in client.get("/api/books/1/chapters").json] == ["b"]


def test_no_instance_is_made_for_a_list_that_nobody_looks_at(
    client: FlaskClient, models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    created(client, "/api/books/1/chapters", name="a")

    def refuse(record: Any, **_: Any) -> None:
        raise AssertionError("an instance was made")

    monkeypatch.setattr(Model, "from_record", refuse)
    assert len(client.get("/api/books/1/chapters").json) == 1
    assert client.get("/api/chapters/1/book").json["title"] == "one"


# What a relation's options say


def test_the_scope_and_the_properties_of_a_relation_hold_for_clients(
    source: DataSource, make_app: MakeApp
) -> None:
    class Shop(Model):
        class Meta:
            data_source = source

    class Offer(Model):
        kind: Prop[str]
        price: Prop[int]

        class Meta:
            data_source = source

    Shop.has_many(
        "sales",
        model=Offer,
        scope={"where": {"kind": "sale"}, "order": "price DESC"},
        properties={"kind": "sale"},
        http_path="bargains",
    )
    source.auto_update()
    Shop.create({})
    client = make_app(Shop, Offer).test_client()
    for price in (1, 3, 2):
        assert created(client, "/api/shops/1/bargains", kind="x", price=price)["kind"] == "sale"
    Offer.create({"kind": "other", "price": 9, "shop_id": 1})
    listed = client.get("/api/shops/1/bargains").json
    assert [each["price"] for each in listed] == [3, 2, 1]
    ordered = client.get("/api/shops/1/bargains?filter[order]=price").json
    assert [each["price"] for each in ordered] == [1, 2, 3]
    assert client.get("/api/shops/1/bargains/count").json == {"count": 3}
    assert client.get("/api/shops/1/bargains/4").status_code == 404
    assert client.get("/api/shops/1/sales").status_code == 404
    client.delete("/api/shops/1/bargains")
    assert Offer.count() == 1


def test_a_key_other_than_the_id_is_followed_and_has_to_be_there(
    source: DataSource, make_app: MakeApp
) -> None:
    class Land(Model):
        code: Prop[str | None]

        class Meta:
            data_source = source

    class Port(Model):
        name: Prop[str]

        class Meta:
            data_source = source

    Land.has_many(Port, primary_key="code", foreign_key="land_code")
    Port.belongs_to("land", model=Land, primary_key="code", foreign_key="land_code")
    source.auto_update()
    Land.create([{"code": "PE"}, {"code": None}])
    Port.create({"name": "lost"})
    client = make_app(Land, Port).test_client()
    assert created(client, "/api/lands/1/ports", name="Callao")["landCode"] == "PE"
    assert [each["name"] for each in client.get("/api/lands/1/ports").json] == ["Callao"]
    assert client.get("/api/ports/2/land").json["id"] == 1
    # Null is the key of nothing.
    assert client.get("/api/lands/2/ports").json == []
    assert client.get("/api/ports/1/land").status_code == 404
    assert client.delete("/api/lands/2/ports").status_code == 204
    assert Port.count() == 2
    response = client.post("/api/lands/2/ports", json={"name": "x"})
    assert response.status_code == 409
    assert 'has no "code"' in message_of(response)
