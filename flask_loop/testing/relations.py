"""Records that come with others, and wheres and orders that look at related records."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from ..connectors.base import Connector
from ..datasource import DataSource
from ..errors import BadRequest
from .base import Contract, Define

#: The methods by which a connector is asked for records.
_QUERIES = ("select", "get", "get_many", "count", "select_related")

#: Titles and pages of the novels of one writer, in the order of their ids.
_NOVELS = (("b", 30), ("a", None), ("c", 10), ("a", 20))

#: Scopes of an include: what they ask for.
SCOPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "where": {"where": {"pages": {"gt": 10}}},
    "order": {"order": "title DESC"},
    "limit": {"limit": 2},
    "limit of none": {"limit": 0},
    "skip": {"skip": 1},
    "page in an order": {"order": ["pages DESC", "title"], "skip": 1, "limit": 2},
    "fields": {"fields": ["title"]},
    "all of them": {
        "where": {"title": {"neq": "c"}},
        "order": "title",
        "limit": 2,
        "skip": 1,
        "fields": ["title", "pages"],
    },
}


class Queries:
    """Counts what a connector is asked, and, where it speaks SQL, the statements that it runs.

    :param connector: the connector, whose methods the counter wraps.
    :param patch: replaces an attribute for the time of a test.
    """

    def __init__(
        self, connector: Connector, patch: Callable[[Connector, str, Callable[..., Any]], None]
    ) -> None:
        self.asked: list[str] = []
        self.statements: list[str] = []
        self._depth = 0
        for name in _QUERIES:
            patch(connector, name, self._counted(name, getattr(connector, name)))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if not self._depth:
                self.asked.append(name)
            self._depth += 1
            try:
                return method(*arguments)
            finally:
                self._depth -= 1

        return call

    def note(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        """Take note of a statement; SQLAlchemy calls it."""
        self.statements.append(statement)

    @contextmanager
    def expected(self, number: int) -> Iterator[None]:
        """A block in which the connector is asked so many times."""
        self.asked.clear()
        self.statements.clear()
        yield
        assert len(self.asked) == number, self.asked
        assert len(self.statements) <= number, self.statements


class Library:
    """Writers with novels, a profile and prizes; novels with genres.

    :param define: defines a model on the source.
    """

    def __init__(self, source: DataSource, define: Define) -> None:
        self.writers = define({"name": str, "born": int}, name="writer")
        self.novels = define({"title": str, "pages": int}, name="novel")
        self.profiles = define({"motto": str}, name="profile")
        self.genres = define({"word": str}, name="genre")
        self.writers.has_many("novels", model=self.novels, foreign_key="writer_id")
        self.writers.has_one("profile", model=self.profiles, foreign_key="writer_id")
        self.writers.belongs_to("mentor", model=self.writers)
        self.novels.belongs_to("writer", model=self.writers)
        self.novels.has_and_belongs_to_many("genres", model=self.genres)
        self.writers.references_many("favourites", model=self.novels)
        source.auto_update()

    def fill(self, writers: int = 6) -> None:
        """Store writers 1, 2, …; each but every third has four novels.

        Writer n has the novels 4n to 4n + 3, the profile n where n is odd, the mentor n // 2, and
        likes the novels 7, 4 and 999, which nobody wrote. Novel n has the genres 1 to n % 4.
        """
        ids = range(1, writers + 1)
        self.writers.create(
            [
                {
                    "id": id,
                    "name": f"w{id % 5}" if id % 4 else None,
                    "born": 1900 + id % 7,
                    "mentor_id": id // 2 or None,
                    "favourite_ids": [7, 999, 4] if id % 2 else None,
                }
                for id in ids
            ]
        )
        self.novels.create(
            [
                {"id": 4 * id + n, "title": title, "pages": pages, "writer_id": id}
                for id in ids
                if id % 3
                for n, (title, pages) in enumerate(_NOVELS)
            ]
            + [{"id": 3, "title": "lost", "pages": 5, "writer_id": None}]
        )
        self.profiles.create([{"id": id, "motto": f"m{id}", "writer_id": id} for id in ids[::2]])
        self.genres.create([{"id": id, "word": word} for id, word in enumerate("xyz", 1)])
        through: Any = self.novels.definition.relations["genres"].through
        keys = [
            {"novel_id": id, "genre_id": genre}
            for id in (4, 5, 6, 7, 9, 10, 11)
            for genre in range(id % 4, 0, -1)
        ]
        through.model.create(keys)

    def by_hand(self, order: Sequence[str]) -> list[int]:
        """The ids of the novels in an order, by looking at each related record."""
        found = self.novels.find(order="id")
        for key in reversed(order):
            path, _, direction = key.partition(" ")
            values = {each.id: self._value(each, path) for each in found}
            have = [each for each in found if values[each.id] is not None]
            have.sort(key=lambda each: values[each.id], reverse=direction == "DESC")
            found = have + [each for each in found if values[each.id] is None]
        return ids(found)

    def _value(self, novel: Any, path: str) -> Any:
        record = novel
        *relations, name = path.split(".")
        for relation in relations:
            if relation == "profile":
                record = self.profiles.find_one({"writer_id": record.id})
            else:
                record = self.writers.find_by_id(getattr(record, f"{relation}_id") or 0)
            if record is None:
                return None
        return getattr(record, name)


def ids(records: Sequence[Any]) -> list[Any]:
    return [each.id for each in records]


def _scoped(scope: dict[str, Any], records: Sequence[Any]) -> list[Any]:
    """The records of one list that a scope asks for, found one by one."""
    found = [each for each in records if _matches(scope.get("where"), each)]
    order = scope.get("order", [])
    for key in reversed([order] if isinstance(order, str) else order):
        name, _, direction = key.partition(" ")
        have = [each for each in found if getattr(each, name) is not None]
        have.sort(key=lambda each: getattr(each, name), reverse=direction == "DESC")
        found = have + [each for each in found if getattr(each, name) is None]
    skip = scope.get("skip", 0)
    return found[skip : skip + scope["limit"]] if "limit" in scope else found[skip:]


def _matches(where: dict[str, Any] | None, record: Any) -> bool:
    if where is None:
        return True
    if "pages" in where:
        return record.pages is not None and record.pages > 10
    return bool(record.title != "c")


class RelationContract(Contract):
    """What relations lead to: with ``include``, in wheres and in orders."""

    @pytest.fixture
    def library(self, source: DataSource, define: Define) -> Library:
        return Library(source, define)

    @pytest.fixture
    def queries(self, source: DataSource, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queries]:
        """Counts what is asked of the source."""
        connector = source.connector
        counter = Queries(connector, monkeypatch.setattr)
        engine = getattr(getattr(connector, "session", None), "engine", None)
        if engine is None:
            yield counter
            return
        from sqlalchemy import event

        event.listen(engine, "before_cursor_execute", counter.note)
        yield counter
        event.remove(engine, "before_cursor_execute", counter.note)

    # How many queries

    @pytest.mark.parametrize("parents", [1, 10, 100])
    @pytest.mark.parametrize(
        ("include", "levels"),
        [
            ("novels", 1),
            ("profile", 1),
            ("mentor", 1),
            ("favourites", 1),
            (["novels", "profile", "mentor", "favourites"], 4),
            ({"novels": "writer"}, 2),
            ({"novels": {"writer": {"mentor": "profile"}}}, 4),
            ({"mentor": ["novels", "profile"]}, 3),
            *(({"relation": "novels", "scope": scope}, 1) for scope in SCOPES.values()),
            ({"relation": "novels", "scope": {"limit": 2, "include": "writer"}}, 2),
            (
                {
                    "relation": "mentor",
                    "scope": {"include": {"relation": "novels", "scope": SCOPES["all of them"]}},
                },
                2,
            ),
        ],
        ids=repr,
    )
    def test_an_include_is_one_query_for_each_relation_and_level(
        self, library: Library, queries: Queries, parents: int, include: Any, levels: int
    ) -> None:
        library.fill(97)
        with queries.expected(1 + levels):
            found = library.writers.find(limit=parents, order="id DESC", include=include)
        assert ids(found) == list(range(97, 0, -1))[:parents]

    @pytest.mark.parametrize("parents", [1, 10, 100])
    @pytest.mark.parametrize("scope", [{}, {"limit": 1}, {"order": "word DESC", "skip": 1}])
    def test_an_include_through_a_model_is_one_query_with_joins_and_else_two(
        self,
        source: DataSource,
        library: Library,
        queries: Queries,
        parents: int,
        scope: dict[str, Any],
    ) -> None:
        library.fill(60)
        include = {"relation": "genres", "scope": scope}
        with queries.expected(2 if source.connector.capabilities.joins else 3):
            found = library.novels.find(where={"id": {"gt": 3}}, limit=parents, include=include)
        assert len(found) == parents

    def test_loading_into_records_that_are_there_is_one_query_a_relation(
        self, library: Library, queries: Queries
    ) -> None:
        library.fill()
        found = library.writers.find()
        with queries.expected(3):
            assert library.writers.include(found, ["mentor", {"novels": "writer"}]) == found
        with queries.expected(0):
            assert [ids(each.novels()) for each in found[:3]] == [[4, 5, 6, 7], [8, 9, 10, 11], []]
            assert [each.mentor() and each.mentor().id for each in found[:3]] == [None, 1, 1]

    def test_no_record_is_no_query(self, library: Library, queries: Queries) -> None:
        library.fill()
        with queries.expected(1):
            assert library.writers.find(where={"id": 0}, include={"novels": "genres"}) == []
        with queries.expected(1):
            found = library.novels.find(where={"writer_id": None}, include={"writer": "novels"})
        assert ids(found) == [3]

    # What comes

    @pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
    def test_a_scope_holds_for_each_record_by_itself(
        self, library: Library, scope: dict[str, Any]
    ) -> None:
        library.fill(9)
        found = library.writers.find(include={"relation": "novels", "scope": scope})
        assert len(found) == 9
        for each in found:
            mine = library.novels.find(where={"writer_id": each.id}, order="id")
            names = scope.get("fields", ["id", "title", "pages", "writer_id"])
            expected = [
                {name: one.to_record()[name] for name in names} for one in _scoped(scope, mine)
            ]
            assert [one.to_record() for one in each.novels()] == expected

    def test_a_relation_to_one_gives_a_record_or_none(self, library: Library) -> None:
        library.fill(4)
        found = library.writers.find(include=["mentor", "profile"])
        assert [each.profile() and each.profile().motto for each in found] == [
            *("m1", None, "m3", None)
        ]
        assert [each.mentor() and each.mentor().id for each in found] == [None, 1, 1, 2]
        dicts = [each.to_dict() for each in found]
        assert [sorted(each.keys() & {"mentor", "profile"}) for each in dicts] == [
            *(["profile"], ["mentor"], ["mentor", "profile"], ["mentor"])
        ]

    def test_a_relation_through_a_model_gives_each_record_once(self, library: Library) -> None:
        library.fill()
        found = library.novels.find(where={"id": {"lt": 8}}, include="genres")
        assert [ids(each.genres()) for each in found] == [[], [], [1], [1, 2], [1, 2, 3]]
        scope = {"order": "word DESC", "limit": 1, "skip": 1}
        include = {"relation": "genres", "scope": scope}
        found = library.novels.find(where={"id": {"lt": 8}}, include=include)
        assert [ids(each.genres()) for each in found] == [[], [], [], [1], [2]]

    def test_a_list_of_keys_gives_records_in_its_order(self, library: Library) -> None:
        library.fill(2)
        found = library.writers.find(include="favourites")
        assert [ids(each.favourites()) for each in found] == [[7, 4], []]
        for scope, expected in (
            ({"order": "title DESC"}, [4, 7]),
            ({"limit": 1}, [7]),
            ({"skip": 1}, [4]),
            ({"where": {"title": "b"}}, [4]),
        ):
            include = {"relation": "favourites", "scope": scope}
            (first, _) = library.writers.find(include=include)
            assert ids(first.favourites()) == expected

    def test_fields_need_not_hold_the_keys(self, library: Library) -> None:
        library.fill(2)
        found = library.writers.find(fields=["name"], include=["novels", "mentor"])
        assert [each.to_record() for each in found] == [{"name": "w1"}, {"name": "w2"}]
        assert [ids(each.novels()) for each in found] == [[4, 5, 6, 7], [8, 9, 10, 11]]

    def test_a_thousand_records_may_include(self, library: Library, queries: Queries) -> None:
        library.writers.create([{"id": id, "name": "w", "mentor_id": id} for id in range(1, 1201)])
        library.novels.create([{"id": id, "writer_id": id} for id in range(1, 1201)])
        with queries.expected(4):
            found = library.writers.find(
                include=["novels", "mentor", {"relation": "profile", "scope": {"order": "motto"}}]
            )
        assert len(found) == 1200
        assert all(ids(each.novels()) == [each.id] for each in found)
        assert all(each.mentor().id == each.id for each in found)
        include = {"relation": "novels", "scope": {"limit": 1, "order": "title"}}
        with queries.expected(2):
            found = library.writers.find(include=include)
        assert all(ids(each.novels()) == [each.id] for each in found)
        found = library.novels.find(include="genres")
        assert [each.genres() for each in found] == [[]] * 1200

    # Wheres and orders

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"writer.name": "w1"}, [4, 5, 6, 7]),
            ({"writer.name": {"neq": "w1"}}, [3, *range(8, 12), *range(16, 24)]),
            ({"writer.name": None}, [3, 16, 17, 18, 19]),
            ({"writer.name": {"neq": None}}, [*range(4, 12), *range(20, 24)]),
            ({"writer.name": {"like": "w%"}, "title": "a"}, [5, 7, 9, 11, 21, 23]),
            ({"writer.name": {"inq": ["w1", "w2"]}, "pages": {"lt": 20}}, [6, 10]),
            ({"writer.mentor.name": "w1"}, [8, 9, 10, 11]),
            ({"writer.mentor.mentor.id": 1}, [*range(16, 24)]),
            ({"writer.born": {"between": [1901, 1902]}}, [*range(4, 12)]),
            ({"writer": {"none": {}}}, [3]),
            ({"writer": {"some": {"name": "w1", "born": 1901}}}, [4, 5, 6, 7]),
            ({"nor": [{"writer.name": "w1"}, {"title": {"neq": "a"}}]}, [9, 11, 17, 19, 21, 23]),
            ({"or": [{"writer.id": 1}, {"writer.id": {"exists": False}}]}, [3, 4, 5, 6, 7]),
            ({"genres.word": "z"}, [7, 11]),
            ({"genres.word": {"neq": "y"}, "id": {"lt": 8}}, [3, 4, 5]),
            ({"genres": {"some": {"word": "y"}, "every": {"word": {"neq": "z"}}}}, [6, 10]),
            ({"genres": {"none": {}}, "writer.id": {"lte": 2}}, [4, 8]),
            ({"writer.profile.motto": "m1"}, [4, 5, 6, 7]),
            ({"writer.novels.title": "lost"}, []),
            ({"writer.novels": {"some": {"genres.word": "z"}}, "title": "b"}, [4, 8]),
        ],
        ids=repr,
    )
    def test_a_where_looks_at_related_records(
        self, library: Library, where: Any, expected: list[int]
    ) -> None:
        library.fill()
        assert ids(library.novels.find(where=where)) == expected
        assert library.novels.count(where) == len(expected)
        found = library.novels.find(where=where, order="id DESC", limit=2)
        assert ids(found) == expected[:-3:-1]
        assert library.novels.count({"nor": [where]}) == 17 - len(expected)

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ({"novels.title": "a"}, [1, 2, 4, 5]),
            ({"novels": {"some": {"title": "a", "pages": None}}}, [1, 2, 4, 5]),
            ({"novels": {"none": {}}}, [3, 6]),
            ({"novels": {"every": {"pages": {"gt": 10}}}}, [3, 6]),
            ({"novels": {"some": {}, "none": {"pages": {"gt": 99}}}}, [1, 2, 4, 5]),
            ({"favourites.title": "a"}, [1, 3, 5]),
            ({"favourites": {"none": {}}}, [2, 4, 6]),
            ({"favourites": {"every": {"writer.name": "w1"}}, "id": {"gt": 3}}, [4, 5, 6]),
            ({"profile": {"some": {"motto": {"like": "m%"}}}}, [1, 3, 5]),
            ({"novels.genres.word": "z"}, [1, 2]),
        ],
        ids=repr,
    )
    def test_a_where_looks_at_many_related_records(
        self, library: Library, where: Any, expected: list[int]
    ) -> None:
        library.fill()
        assert ids(library.writers.find(where=where)) == expected
        assert library.writers.count(where) == len(expected)

    def test_writes_find_their_records_through_relations(self, library: Library) -> None:
        library.fill()
        novels = library.novels
        assert novels.update_all({"writer.name": "w1"}, {"pages": 77}) == 4
        assert ids(novels.find(where={"pages": 77})) == [4, 5, 6, 7]
        changed = novels.upsert_with_where({"writer.name": "w1", "title": "b"}, {"pages": 78})
        assert (changed.id, novels.find_by_id(4).pages) == (4, 78)
        with pytest.raises(BadRequest):
            novels.upsert_with_where({"writer.name": "w1"}, {"pages": 79})
        found, made = novels.find_or_create({"writer.name": "w2", "title": "c"}, {"id": 99})
        assert (found.id, made) == (10, False)
        found, made = novels.find_or_create({"writer.name": "nobody"}, {"id": 99})
        assert (found.id, made) == (99, True)
        assert novels.destroy_all({"genres.word": "z"}) == 2
        assert novels.destroy_all({"writer": {"none": {}}}) == 2
        assert ids(novels.find(where={"id": {"lt": 10}})) == [4, 5, 6, 8, 9]

    def test_a_write_is_on_what_matched_before_it_whatever_it_changes(
        self, library: Library
    ) -> None:
        library.fill()
        novels, writers = library.novels, library.writers
        none_is_long = {"writer.novels": {"none": {"pages": {"gt": 50}}}}
        assert novels.update_all(none_is_long, {"pages": 77}) == novels.count() == 17
        with_a_b = {"writer.novels": {"some": {"title": "b"}}}
        assert novels.destroy_all(with_a_b) == 16
        assert writers.update_all({"mentor.mentor_id": None}, {"mentor_id": 6}) == 3
        assert ids(writers.find(where={"mentor_id": 6})) == [1, 2, 3]
        assert writers.destroy_all({"mentor": {"some": {}}}) == 6

    @pytest.mark.parametrize(
        "order",
        [
            ["writer.name"],
            ["writer.born DESC", "id DESC"],
            ["writer.name DESC", "title", "id DESC"],
            ["writer.mentor.name DESC", "pages"],
            ["title", "writer.born DESC"],
            ["writer.profile.motto", "writer.id DESC"],
        ],
        ids=repr,
    )
    def test_an_order_looks_at_one_related_record_and_is_last_without_it(
        self, library: Library, order: list[str]
    ) -> None:
        library.fill()
        whole = library.by_hand(order)
        assert whole != sorted(whole)
        find = library.novels.find
        assert ids(find(order=order)) == whole
        assert ids(find(order=order, limit=6)) == whole[:6]
        assert ids(find(order=order, skip=4, limit=7, fields=["id"])) == whole[4:11]
        where = {"pages": {"lt": 25}, "writer.born": {"neq": 1901}}
        known = ids(find(where=where))
        assert 0 < len(known) < len(whole)
        assert ids(find(order=order, where=where)) == [id for id in whole if id in known]

    def test_what_is_related_to_what_observers_keep_back_is_not_found(
        self, library: Library
    ) -> None:
        library.fill()
        library.writers.observe("access")(lambda ctx: ctx.narrow({"name": {"neq": "w1"}}))
        found = library.novels.find(where={"id": {"lt": 9}}, include="writer")
        assert [each.writer() and each.writer().id for each in found] == [None] * 5 + [2]
        assert library.novels.count({"writer.name": "w1"}) == 0
        assert library.novels.count({"writer.born": None}) == 5
        order = ids(library.novels.find(order="writer.born"))
        assert sorted(order[-5:]) == [3, 4, 5, 6, 7]
