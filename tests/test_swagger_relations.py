from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_loop import Model, Prop, memory, prop, scope

MakeApp = Callable[..., Flask]


@pytest.fixture
def models() -> dict[str, Any]:
    db = memory()

    class Teacher(Model):
        name: Prop[str]
        gold = scope(where={"level": "gold"})
        level: Prop[str] = prop(default="plain")

        class Meta:
            data_source = db

    class Course(Model):
        title: Prop[str]
        teacher_id: Prop[int]
        secret: Prop[str | None] = prop(hidden=True)

        class Meta:
            data_source = db

    class Desk(Model):
        code: Prop[str] = prop(id=True)

        class Meta:
            data_source = db

    class Room(Model):
        seats: Prop[int]

        class Meta:
            data_source = db

    class Booking(Model):
        hour: Prop[int]

        class Meta:
            data_source = db

    class Grade(Model):
        key: Prop[str] = prop(id=True)

    Teacher.has_many(Course, nest_remoting=True, description="What they teach.")
    Course.belongs_to(Teacher)
    Teacher.has_one(Desk)
    Course.has_many(Room, through=Booking)
    Course.embeds_one(Grade)
    Room.belongs_to("used_by", polymorphic=True)
    return {each.__name__: each for each in (Teacher, Course, Desk, Room, Booking, Grade)}


@pytest.fixture
def app(models: dict[str, Any], make_app: MakeApp) -> Flask:
    return make_app(*(each for name, each in models.items() if name not in ("Grade", "Booking")))


@pytest.fixture
def document(app: Flask) -> Any:
    return app.test_client().get("/_docs/openapi.json").json


def resolved(document: Any, schema: Any) -> Any:
    if "$ref" not in schema:
        return schema
    kind, name = schema["$ref"].split("/")[-2:]
    return document["components"][kind][name]


def answer(document: Any, path: str, verb: str, status: str = "200") -> Any:
    return document["paths"][path][verb]["responses"][status]["content"]["application/json"][
        "schema"
    ]


def body(document: Any, path: str, verb: str) -> Any:
    content = document["paths"][path][verb]["requestBody"]["content"]
    return content["application/json"]["schema"]


def parameters(document: Any, path: str, verb: str) -> dict[str, Any]:
    return {each["name"]: each for each in document["paths"][path][verb]["parameters"]}


RECORD = {"$ref": "#/components/schemas/Course"}


def test_the_routes_of_a_relation_give_records_of_the_related_model(document: Any) -> None:
    many, one = "/api/teachers/{id}/courses", "/api/teachers/{id}/courses/{fk}"
    assert answer(document, many, "get") == {"type": "array", "items": RECORD}
    assert answer(document, many, "post")["oneOf"][0] == RECORD
    for verb in ("get", "put"):
        assert answer(document, one, verb) == RECORD
    assert "204" in document["paths"][many]["delete"]["responses"]
    assert answer(document, "/api/courses/{id}/teacher", "get") == {
        "$ref": "#/components/schemas/Teacher"
    }
    count = answer(document, "/api/teachers/{id}/courses/count", "get")
    assert resolved(document, count)["required"] == ["count"]
    assert document["paths"][many]["get"]["tags"] == ["Teacher"]
    assert "What they teach." in document["paths"][many]["get"]["description"]


def test_what_a_relation_sets_is_not_asked_for(document: Any) -> None:
    many, one = "/api/teachers/{id}/courses", "/api/teachers/{id}/courses/{fk}"
    new = resolved(document, body(document, many, "post")["oneOf"][0])
    assert set(new["properties"]) == {"title", "_grade"}
    assert new["required"] == ["title"]
    own = resolved(document, body(document, "/api/courses", "post")["oneOf"][0])
    assert sorted(own["required"]) == ["teacherId", "title"]
    assert "required" not in resolved(document, body(document, one, "put"))
    link = resolved(document, body(document, "/api/courses/{id}/rooms/rel/{fk}", "put"))
    assert link["required"] == ["hour"]
    assert {"courseId", "roomId"}.isdisjoint(link["properties"])


def test_the_filters_of_a_relation_are_those_of_the_related_model(document: Any) -> None:
    taken = parameters(document, "/api/teachers/{id}/courses", "get")
    filter = resolved(document, taken["filter"]["content"]["application/json"]["schema"])
    names = filter["properties"]["fields"]["anyOf"][0]["items"]["enum"]
    assert "title" in names
    assert "secret" not in names
    taken = parameters(document, "/api/teachers/{id}/courses/{fk}", "get")
    filter = resolved(document, taken["filter"]["content"]["application/json"]["schema"])
    assert set(filter["properties"]) == {"fields", "include"}


def test_ids_in_paths_are_of_the_type_of_their_model(document: Any) -> None:
    taken = parameters(document, "/api/teachers/{id}/courses/{fk}", "get")
    assert taken["fk"]["schema"]["type"] == "integer"
    assert taken["fk"]["required"] is True
    nested = "/api/teachers/{id}/courses/{nk}/rooms/{fk}"
    assert {"id", "nk", "fk"} <= set(parameters(document, nested, "put"))


def test_a_filter_says_which_relations_can_be_included(
    document: Any, app: Flask, models: dict[str, Any]
) -> None:
    def included(document: Any, path: str) -> Any:
        schema = parameters(document, path, "get")["filter"]["content"]["application/json"]
        return resolved(document, schema["schema"])["properties"].get("include")

    names = included(document, "/api/teachers")["anyOf"][0]["enum"]
    assert names == ["courses", "desk"]
    models["Desk"].disable_remote("find")
    changed = app.test_client().get("/_docs/openapi.json").json
    assert included(changed, "/api/teachers")["anyOf"][0]["enum"] == ["courses"]
    assert included(changed, "/api/desks/{id}") is None


def test_statuses_are_those_that_the_routes_have(document: Any) -> None:
    desk = document["paths"]["/api/teachers/{id}/desk"]
    assert {"200", "404", "409", "422"} <= set(desk["post"]["responses"])
    assert {"204", "404"} <= set(desk["delete"]["responses"])
    grade = document["paths"]["/api/courses/{id}/grade"]
    assert {"200", "204", "404"} <= set(grade["get"]["responses"])
    link = document["paths"]["/api/courses/{id}/rooms/rel/{fk}"]
    assert set(link) == {"put", "delete", "head"}
    assert set(link["head"]["responses"]) == {"200", "404"}
    assert set(link["delete"]["responses"]) >= {"204", "404"}


def test_created_records_have_the_status_of_the_app(
    models: dict[str, Any], make_app: MakeApp
) -> None:
    app = make_app(*list(models.values())[:3], LOOP_CREATED_STATUS=201)
    document: Any = app.test_client().get("/_docs/openapi.json").json
    for path in ("/api/teachers/{id}/courses", "/api/teachers/{id}/desk", "/api/teachers/gold"):
        responses = document["paths"][path]["post"]["responses"]
        assert "200" not in responses
        assert "Location" in responses["201"]["headers"]


def test_the_owner_of_a_polymorphic_record_is_any_object(document: Any) -> None:
    assert answer(document, "/api/rooms/{id}/usedBy", "get") == {"type": "object"}


def test_scopes_are_documented(document: Any) -> None:
    assert set(document["paths"]["/api/teachers/gold"]) == {"get", "post", "delete"}
    teacher = {"$ref": "#/components/schemas/Teacher"}
    assert answer(document, "/api/teachers/gold", "get") == {"type": "array", "items": teacher}
    new = resolved(document, body(document, "/api/teachers/gold", "post")["oneOf"][0])
    assert "name" in new["properties"]
    assert "/api/teachers/gold/count" in document["paths"]


def test_operation_ids_are_unique(document: Any) -> None:
    ids = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(set(ids)) == len(ids)
    assert {"teachers_get_courses", "teachers_findById_courses", "teachers_get_gold"} <= set(ids)


def test_the_second_version_of_the_document_has_them_too(app: Flask) -> None:
    document: Any = app.test_client().get("/_docs/swagger.json").json
    assert "/api/teachers/{id}/courses/{fk}" in document["paths"]
