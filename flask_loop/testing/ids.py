"""Ids: made by the source, given by the caller, of several properties."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from ..errors import BadRequest, DuplicateId, ModelNotFound
from .base import SHORT_TEXT, Action, Contract, Define, short

GENERATED = {"type": int, "id": True, "generated": True}


class IdContract(Contract):
    """Ids."""

    def test_the_source_makes_ids(self, define: Define) -> None:
        things = define({"id": GENERATED, "name": str})
        first, second = things.create(name="a"), things.create(name="b")
        many = things.create([{"name": "c"}, {"name": "d"}])
        ids = [each.id for each in (first, second, *many)]
        assert None not in ids
        assert len(set(ids)) == 4
        assert [things.find_by_id(id).name for id in ids] == ["a", "b", "c", "d"]

    def test_a_model_without_id_gets_one(self, define: Define) -> None:
        things = define({"id": GENERATED, "name": str})
        assert things.create(name="a").id is not None

    def test_an_id_that_is_given_is_never_made(self, define: Define) -> None:
        things = define({"id": GENERATED, "name": str})
        assert things.create(id=7, name="given").id == 7
        made = [things.create(name="made").id for _ in range(10)]
        assert 7 not in made
        assert len(set(made)) == 10
        mixed = things.create([{"name": "x"}, {"id": 1000, "name": "y"}, {"name": "z"}])
        assert mixed[1].id == 1000
        assert len({each.id for each in mixed}) == 3
        assert [things.find_by_id(each.id).name for each in mixed] == ["x", "y", "z"]

    def test_a_null_id_is_made(self, define: Define) -> None:
        things = define({"id": GENERATED, "name": str})
        assert things.create(id=None, name="a").id is not None

    @pytest.mark.parametrize("id", [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)])
    def test_integer_ids(self, define: Define, id: int) -> None:
        things = define({"name": str})
        try:
            things.create(id=id, name="a")
        except BadRequest as refusal:  # a value that its indexes lose
            pytest.skip(str(refusal))
        assert things.find_by_id(id).id == id
        assert things.exists(str(id)) is True
        things.find_by_id(id).patch_attributes(name="b")
        assert things.find_by_id(id).name == "b"
        assert things.destroy_by_id(id) == 1

    @pytest.mark.parametrize(
        "id",
        ["a", "A", "a ", " a", "é", "e\u0301", "\U0001f600", "a/b", "'", "1", "null", "x" * 200],
    )
    def test_text_ids(self, define: Define, id: str) -> None:
        things = define({"key": {**SHORT_TEXT, "id": True}, "name": str})
        others = [each for each in ("a", "A", "b", "é", "0") if each != id]
        things.create([{"key": each} for each in others])
        created = things.create(key=id, name="this")
        assert created.key == id
        assert things.find_by_id(id).name == "this"
        assert [each.key for each in things.find()] == sorted([*others, id])
        with pytest.raises(DuplicateId):
            things.create(key=id)
        assert things.destroy_by_id(id) == 1
        assert things.count() == len(others)

    def test_ids_by_a_default_function(self, define: Define) -> None:
        for kind in (UUID, str):
            things = define(
                {"id": {**short(kind), "id": True, "default_fn": "uuid"}, "name": str},
                name=f"thing_{kind.__name__}",
            )
            created = things.create([{"name": "a"}, {"name": "b"}])
            assert all(type(each.id) is kind for each in created)
            assert [things.find_by_id(each.id).name for each in created] == ["a", "b"]
            given = things.create(id="00000000-0000-0000-0000-00000000000a", name="c")
            assert things.find_by_id(str(given.id)).name == "c"

    @pytest.mark.parametrize(
        ("kind", "ids"),
        [
            (date, [date(999, 1, 1), date(2024, 2, 29)]),
            ("decimal", ["1.5", "10"]),
            ("number", [1.5, 10]),
            (bytes, [b"", b"\x00\xff"]),
        ],
        ids=str,
    )
    def test_ids_of_other_types(self, define: Define, kind: Any, ids: Any) -> None:
        things = define({"id": {**short(kind), "id": True}, "name": str})
        things.create([{"id": id, "name": str(id)} for id in ids])
        assert [things.find_by_id(id).name for id in ids] == [str(id) for id in ids]
        assert [each.name for each in things.find(order="id DESC")] == [str(id) for id in ids[::-1]]
        with pytest.raises(DuplicateId):
            things.create(id=ids[0])

    def test_an_id_exists_once(self, define: Define) -> None:
        things = define({"name": str})
        things.create(id=1, name="first")
        with pytest.raises(DuplicateId) as caught:
            things.create(id=1, name="second")
        assert caught.value.code == 409
        assert things.find_by_id(1).name == "first"
        things.destroy_by_id(1)
        assert things.create(id=1, name="third").name == "third"

    def test_an_id_that_exists_stops_all_that_are_created_with_it(self, define: Define) -> None:
        things = define({"name": str})
        things.create(id=2, name="first")
        for ids in ([1, 2, 3], [1, 1]):
            with pytest.raises(DuplicateId):
                things.create([{"id": id, "name": "second"} for id in ids])
        assert [each.to_record() for each in things.find()] == [{"id": 2, "name": "first"}]

    def test_an_id_cannot_be_changed(self, define: Define) -> None:
        things = define({"name": str})
        things.create([{"id": 1}, {"id": 2}])
        writes: list[Action] = [
            lambda: things.find_by_id(1).patch_attributes(id=3),
            lambda: things.replace_by_id(1, {"id": 3}),
            lambda: things.update_all({"id": 1}, {"id": 3}),
        ]
        for write in writes:
            with pytest.raises(BadRequest):
                write()
        assert [each.id for each in things.find()] == [1, 2]

    @pytest.fixture
    def enrolments(self, define: Define) -> type[Any]:
        """A model whose id is two properties, in another order than they are declared."""
        return define(
            {
                "course": {"type": int, "id": 2},
                "grade": "number",
                "student": {**SHORT_TEXT, "id": 1},
            }
        )

    def test_an_id_of_two_properties_finds_its_record(self, enrolments: Any) -> None:
        enrolments.create(
            [
                {"student": student, "course": course, "grade": course}
                for student, course in [("b", 1), ("a", 2), ("a", 1), ("b", 2)]
            ]
        )
        assert enrolments.find_by_id(("a", 2)).grade == 2
        assert enrolments.find_by_id(["a", "2"]).grade == 2
        assert enrolments.find_by_id(("a", 3)) is None
        assert enrolments.find_by_id((2, "a")) is None
        assert enrolments.exists(("b", 2)) is True
        assert enrolments.exists("a") is False
        found = [(each.student, each.course) for each in enrolments.find()]
        assert found == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
        by_grade = [(each.student, each.course) for each in enrolments.find(order="grade DESC")]
        assert by_grade == [("a", 2), ("b", 2), ("a", 1), ("b", 1)]
        some = enrolments.find_by_ids([("b", 1), ("x", 1), ("a", 1)])
        assert [each.student for each in some] == ["b", "a"]

    def test_an_id_of_two_properties_exists_once(self, enrolments: Any) -> None:
        enrolments.create(student="a", course=1)
        enrolments.create(student="a", course=2)
        enrolments.create(student="b", course=1)
        with pytest.raises(DuplicateId):
            enrolments.create(student="a", course=1)
        assert enrolments.count() == 3

    def test_an_id_of_two_properties_is_where_writes_go(self, enrolments: Any) -> None:
        enrolments.create([{"student": "a", "course": n, "grade": n} for n in (1, 2)])
        enrolments.find_by_id(("a", 1)).patch_attributes(grade=5)
        enrolments.upsert(student="a", course=2, grade=6)
        enrolments.upsert(student="a", course=3, grade=7)
        enrolments.replace_by_id(("a", 3), {"grade": 8})
        assert [each.grade for each in enrolments.find()] == [5, 6, 8]
        with pytest.raises(ModelNotFound):
            enrolments.replace_by_id(("b", 3), {"grade": 8})
        assert enrolments.destroy_by_id(("a", 2)) == 1
        assert enrolments.destroy_by_id(("a", 2)) == 0
        assert [each.course for each in enrolments.find()] == [1, 3]
