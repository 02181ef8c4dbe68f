"""Relations in SQL: wheres and orders that follow them, related rows, foreign keys."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from flask_loop import DataSource, create_data_source, memory
from flask_loop.definition import ForeignKey, Link
from flask_loop.errors import Conflict, DefinitionError, ValidationError
from flask_loop.query import EVERYTHING, And, Compare, Filter, Not, Or, Related, predicate
from flask_loop.query import Path as Place

Sql = Callable[..., list[Any]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite"


@pytest.fixture(params=["file", "memory"])
def source(request: pytest.FixtureRequest, file: Path) -> Iterator[DataSource]:
    url = f"sqlite:///{file}" if request.param == "file" else "sqlite://"
    source = create_data_source(connector="sqlite", url=url, synchronous="OFF")
    yield source
    source.close()


@pytest.fixture
def on_file(file: Path) -> Iterator[DataSource]:
    source = create_data_source(connector="sqlite", database=file, synchronous="OFF")
    yield source
    source.close()


@pytest.fixture
def sql(file: Path) -> Sql:
    """A function that runs SQL on the database, as another program would."""

    def sql(statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(file)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    return sql


@pytest.fixture
def statements(source: DataSource) -> Iterator[list[str]]:
    """What runs on the source from now on."""
    ran: list[str] = []
    engine = source.connector.session.engine  # type: ignore[attr-defined]

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        ran.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield ran
    sa.event.remove(engine, "before_cursor_execute", note)


class Library:
    """Authors with books, books with labels; each author may have a mentor."""

    def __init__(self, source: DataSource) -> None:
        self.source = source
        self.authors = source.create_model(
            "shelf_author", {"name": str, "born": int, "home": dict, "at": "GeoPoint"}
        )
        self.books = source.create_model(
            "shelf_book", {"title": str, "pages": int, "notes": dict, "tags": [str]}
        )
        self.labels = source.create_model("shelf_label", {"word": {"type": str, "index": True}})
        self.marks = source.create_model("shelf_mark", {"text": str})
        self.books.belongs_to("author", model=self.authors)
        self.authors.has_many("books", model=self.books, foreign_key="author_id")
        self.authors.belongs_to("mentor", model=self.authors)
        self.books.has_and_belongs_to_many("labels", model=self.labels)
        self.books.has_one("mark", model=self.marks, foreign_key="book_id")
        source.auto_update()

    def fill(self) -> None:
        rng = random.Random(7)
        names = [None, "Ada", "Bo", "Cy", "Ada", "Di", "Ed"]
        self.authors.create(
            [
                {
                    "name": name,
                    "born": rng.choice([None, 1900, 1950]),
                    "home": [None, {"zip": "1", "size": 0.5}, {"zip": "2", "size": 1.5}][place % 3],
                    "mentor_id": [None, 1, 1, 2, 2, 4, 4][place],
                }
                for place, name in enumerate(names)
            ]
        )
        self.books.create(
            [
                {
                    "title": f"b{place}",
                    "pages": rng.randrange(4),
                    "notes": {"weight": rng.choice([0.5, 1.5])},
                    "tags": rng.sample(["x", "y", "z"], rng.randrange(3)),
                    "author_id": rng.choice([None, 1, 2, 3, 4, 5, 6]),
                }
                for place in range(30)
            ]
        )
        self.labels.create([{"word": word} for word in "abc"])
        self.marks.create(
            [{"text": rng.choice("pqr"), "book_id": rng.choice([1, 2, 3, 4])} for _ in range(6)]
        )
        through = self.books.definition.relations["labels"].through.model
        pairs = itertools.product(range(1, 31), range(1, 4))
        own, theirs = (link[0] for link in self.link_names())
        chosen = rng.sample(list(pairs), 40)
        through.create([{own: book, theirs: label} for book, label in chosen])

    def link_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        first, second = self.books.definition.relations["labels"].links
        return first.theirs, second.own


@pytest.fixture
def library(source: DataSource) -> Library:
    library = Library(source)
    library.fill()
    return library


def compare(model: Any, name: str, operator: str, operand: Any) -> Compare:
    found = model.definition.properties[name]
    return Compare(Place(found, (), found.type), operator, operand)


def titles(library: Library, **filter: Any) -> list[str]:
    return [book.title for book in library.books.find(filter)]


def by_hand(library: Library, matches: Callable[[Any, Any], bool]) -> list[str]:
    """The titles of the books that match, by the book and its author."""
    authors = {author.id: author for author in library.authors.find()}
    return [
        book.title for book in library.books.find() if matches(book, authors.get(book.author_id))
    ]


# Wheres


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ({"author.name": "Ada"}, lambda book, author: author and author.name == "Ada"),
        ({"author.name": {"neq": "Ada"}}, lambda b, author: not author or author.name != "Ada"),
        ({"author.name": None}, lambda book, author: not author or author.name is None),
        ({"author.id": 2}, lambda book, author: book.author_id == 2),
        (
            {"author.home.zip": "1"},
            lambda book, author: author and author.home and author.home["zip"] == "1",
        ),
        (
            {"author.home.size": {"gt": 1}},
            lambda book, author: author and author.home and author.home["size"] > 1,
        ),
        (
            {"author": {"some": {"name": {"like": "A%"}, "mentor.home.size": {"lt": 1}}}},
            lambda book, author: author and author.name == "Ada" and author.mentor_id == 2,
        ),
        (
            {"author": {"none": {"name": "Ada"}}},
            lambda book, author: not author or author.name != "Ada",
        ),
        (
            {"or": [{"author.name": "Ada"}, {"notes.weight": {"gt": 1}}]},
            lambda book, author: (author and author.name == "Ada") or book.notes["weight"] > 1,
        ),
        (
            {"nor": [{"and": [{"author.name": "Ada"}, {"notes.weight": {"gt": 1}}]}]},
            lambda book, author: not (author and author.name == "Ada" and book.notes["weight"] > 1),
        ),
        (
            {"author.name": "Ada", "notes.weight": {"gt": 1}},
            lambda book, author: author and author.name == "Ada" and book.notes["weight"] > 1,
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_where_reaches_the_related_record(
    library: Library, where: Any, matches: Callable[[Any, Any], bool]
) -> None:
    wanted = by_hand(library, matches)
    assert wanted
    assert titles(library, where=where) == wanted
    assert library.books.count(where) == len(wanted)
    assert titles(library, where=where, limit=2, skip=1) == wanted[1:3]


def test_a_where_reaches_a_model_that_is_related_to_itself(library: Library) -> None:
    authors = {each.id: each for each in library.authors.find()}

    def mentor(author: Any) -> Any:
        return author and authors.get(author.mentor_id)

    found = library.authors.find({"where": {"mentor.mentor.born": {"gt": 0}}})
    wanted = [
        each.id
        for each in authors.values()
        if (above := mentor(mentor(each))) and above.born is not None
    ]
    assert [each.id for each in found] == wanted
    assert wanted


def test_a_where_reaches_through_rows_that_link_both(library: Library) -> None:
    through = library.books.definition.relations["labels"].through.model
    own, theirs = (names[0] for names in library.link_names())
    linked = {getattr(row, own) for row in through.find() if getattr(row, theirs) == 2}
    wanted = [book.title for book in library.books.find() if book.id in linked]
    assert titles(library, where={"labels.word": "b"}) == wanted
    assert titles(library, where={"labels": {"some": {"word": {"like": "b%"}}}}) == wanted


def test_quantifiers_hold_for_each_record(library: Library) -> None:
    written = {
        author.id: [book.pages for book in library.books.find() if book.author_id == author.id]
        for author in library.authors.find()
    }
    for quantifier, holds in (("some", any), ("every", all)):
        found = library.authors.find({"where": {"books": {quantifier: {"pages": {"gt": 1}}}}})
        wanted = [id for id, pages in written.items() if holds(page > 1 for page in pages)]
        assert [each.id for each in found] == wanted


def test_any_where_through_relations_means_what_python_says(library: Library) -> None:
    models = {each.definition: each for each in (library.authors, library.books)}
    records = {
        definition: library.source.connector.select(definition, Filter()).records()
        for definition in models
    }
    rng = random.Random(3)

    def some_where(model: Any, depth: int) -> Any:
        kinds = ["plain", "inexact", "and", "or", "not", "related", "related"]
        kind = rng.choice(kinds if depth else kinds[:2])
        if kind in ("and", "or"):
            parts = tuple(some_where(model, depth - 1) for _ in range(rng.randrange(3)))
            return And(parts) if kind == "and" else Or(parts)
        if kind == "not":
            return Not(some_where(model, depth - 1))
        if kind == "related":
            names = ["author"] if model is library.books else ["mentor", "books"]
            (link,) = model.definition.relations[rng.choice(names)].links
            return Related(link, some_where(models[link.definition], depth - 1))
        if kind == "inexact":
            inside = {"notes.weight": 1} if model is library.books else {"home.size": 1}
            ((name, operand),) = inside.items()
            return parsed(model, where={name: {"gt": operand}}).where
        name, operands = ("pages", [0, 2]) if model is library.books else ("name", ["Ada", None])
        return compare(model, name, "eq", rng.choice(operands))

    def holds(where: Any, record: dict[str, Any]) -> bool:
        if isinstance(where, And):
            return all(holds(each, record) for each in where.items)
        if isinstance(where, Or):
            return any(holds(each, record) for each in where.items)
        if isinstance(where, Not):
            return not holds(where.item, record)
        if isinstance(where, Related):
            (own,), (theirs,) = where.link.own, where.link.theirs
            return record[own] is not None and any(
                other[theirs] == record[own] and holds(where.where, other)
                for other in records[where.link.definition]
            )
        return predicate(where)(record)

    for _ in range(200):
        model = rng.choice([library.authors, library.books])
        where = some_where(model, 4)
        wanted = [each["id"] for each in records[model.definition] if holds(where, each)]
        found = library.source.connector.select(model.definition, Filter(where=where)).records()
        assert sorted(each["id"] for each in found) == wanted, where
        assert library.source.connector.count(model.definition, where) == len(wanted), where


def test_what_sql_does_whole_is_one_statement(library: Library, statements: list[str]) -> None:
    library.books.find({"where": {"author.mentor.name": "Ada"}, "order": "author.born", "limit": 3})
    assert len(statements) == 1
    explained = library.source.explain(library.books, {"where": {"author.name": "Ada"}})
    assert "EXISTS" in explained["backend"]
    assert explained["python"] == {"where": [], "order": False}


def test_explain_names_what_python_answers_through_a_relation(library: Library) -> None:
    where = {"or": [{"author.name": "Ada"}, {"notes.weight": {"gt": 1}}]}
    explained = library.source.explain(library.books, {"where": where})
    assert explained["python"]["where"] == ["shelf_author.name eq", "notes.weight gt"]


def test_an_index_of_the_related_model_finds_its_few_records_first(library: Library) -> None:
    explained = library.source.explain(library.books, {"where": {"labels.word": "b"}})
    assert any("loop_shelf_label__word" in line for line in explained["plan"])


def test_writes_follow_relations(library: Library) -> None:
    wanted = by_hand(library, lambda book, author: bool(author and author.name == "Ada"))
    assert library.books.update_all({"author.name": "Ada"}, {"pages": 9}) == len(wanted)
    assert titles(library, where={"pages": 9}) == wanted
    mixed = {"and": [{"author.name": "Ada"}, {"notes.weight": {"gt": 1}}]}
    heavy = titles(library, where=mixed)
    assert 0 < len(heavy) < len(wanted)
    assert library.books.destroy_all(mixed) == len(heavy)
    assert titles(library, where={"pages": 9}) == [each for each in wanted if each not in heavy]


def test_deleting_by_a_relation_to_the_same_table_sees_it_as_it_was(library: Library) -> None:
    link = library.authors.definition.relations["mentor"].links[0]
    mentored = library.authors.count({"mentor_id": {"neq": None}})
    deleted = library.source.connector.delete(library.authors.definition, Related(link, EVERYTHING))
    assert deleted == mentored > 1


def test_statements_of_a_relation_are_compiled_once_for_each_shape(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[Any] = []
    make = SQLCompiler.__init__

    def note(self: Any, *arguments: Any, **named: Any) -> None:
        compiled.append(self)
        make(self, *arguments, **named)

    monkeypatch.setattr(SQLCompiler, "__init__", note)
    links = library.authors.definition.relations["books"].links
    titles(library, where={"author.name": "Ada"}, order="author.born")
    related(library.books, Filter(), links, [1, 2, 3, 4, 5])
    assert compiled
    compiled.clear()
    assert titles(library, where={"author.name": "Bo"}, order="author.born")
    assert len(related(library.books, Filter(), links, [1, 2, 3, 4, 5, 6])) == 6
    assert compiled == []


def test_a_where_too_large_for_one_statement_is_answered_all_the_same(
    library: Library, statements: list[str]
) -> None:
    link = library.books.definition.relations["author"].links[0]
    part = Related(link, compare(library.authors, "name", "eq", "Ada"))
    wide = Or(tuple(part for _ in range(1001)))
    connector = library.source.connector
    wanted = by_hand(library, lambda book, author: bool(author and author.name == "Ada"))
    statements.clear()
    found = connector.select(library.books.definition, Filter(where=wide)).records()
    assert len(statements) > 2
    assert sorted(each["title"] for each in found) == sorted(wanted)


def test_a_where_reaches_through_a_list_of_keys(source: DataSource) -> None:
    prizes = source.create_model("listed_prize", {"name": str})
    poets = source.create_model("listed_poet", {"name": str})
    poets.references_many("prizes", model=prizes)
    source.auto_update()
    prizes.create([{"name": name} for name in "abc"])
    (own,) = poets.definition.relations["prizes"].links[0].own
    poets.create([{own: [1, 2]}, {own: [3]}, {own: []}, {own: None}, {own: [2]}])
    for where, wanted in (
        ({"prizes.name": "b"}, [1, 5]),
        ({"prizes": {"none": {"name": "b"}}}, [2, 3, 4]),
        ({"prizes": {"every": {"name": "b"}}}, [3, 4, 5]),
    ):
        assert [each.id for each in poets.find({"where": where})] == wanted
        assert poets.count(where) == len(wanted)


def test_a_where_reaches_into_embedded_records(source: DataSource) -> None:
    lines = source.create_model("inner_line", {"sku": str, "amount": int}, id_injection=False)
    orders = source.create_model("inner_order", {"name": str})
    orders.embeds_many("lines", model=lines)
    source.auto_update()
    held = orders.definition.relations["lines"].property
    orders.create(
        [
            {"name": "a", held: [{"sku": "x", "amount": 1}, {"sku": "y", "amount": 5}]},
            {"name": "b", held: [{"sku": "x", "amount": 5}]},
            {"name": "c", held: []},
        ]
    )
    both = {"lines": {"some": {"sku": "x", "amount": {"gt": 2}}}}
    assert [each.name for each in orders.find({"where": both})] == ["b"]
    assert orders.count({"lines": {"none": {"sku": "y"}}}) == 2
    explained = source.explain(orders, {"where": both})
    assert explained["python"]["where"] == [f"{held}.sku eq", f"{held}.amount gt"]


# Orders


def test_an_order_follows_a_relation_with_nulls_last_and_ties_by_id(library: Library) -> None:
    names = {author.id: author.name for author in library.authors.find()}
    books = library.books.find()
    for direction in ("ASC", "DESC"):
        named = [book for book in books if names.get(book.author_id) is not None]
        named.sort(key=lambda book: names[book.author_id], reverse=direction == "DESC")
        order = [*named, *(book for book in books if names.get(book.author_id) is None)]
        groups = itertools.groupby(order, key=lambda book: names.get(book.author_id))
        wanted = [each.title for _, group in groups for each in sorted(group, key=lambda b: b.id)]
        found = titles(library, order=f"author.name {direction}")
        assert found == wanted
        pages = [
            titles(library, order=f"author.name {direction}", limit=7, skip=skip)
            for skip in range(0, 30, 7)
        ]
        assert list(itertools.chain(*pages)) == wanted
        heavy = {"notes.weight": {"gt": 1}}
        kept = {book.title for book in books if book.notes["weight"] > 1}
        found = titles(library, where=heavy, order=f"author.name {direction}", limit=4, skip=1)
        assert found == [each for each in wanted if each in kept][1:5]


def test_of_several_records_the_one_with_the_least_id_gives_the_order(library: Library) -> None:
    first: dict[Any, str] = {}
    for mark in library.marks.find():
        first.setdefault(mark.book_id, mark.text)
    assert len(first) < library.marks.count()
    wanted = sorted(
        library.books.find(), key=lambda book: (book.id not in first, first.get(book.id, ""))
    )
    assert titles(library, order="mark.text") == [book.title for book in wanted]


def test_python_sorts_by_what_is_inside_a_related_record(library: Library) -> None:
    homes = {author.id: (author.home or {}).get("zip") for author in library.authors.find()}
    books = library.books.find()
    wanted = sorted(
        books, key=lambda book: (homes.get(book.author_id) is None, homes.get(book.author_id) or "")
    )
    assert library.source.explain(library.books, {"order": "author.home.zip"})["python"]["order"]
    found = titles(library, order="author.home.zip", limit=9, skip=2)
    assert found == [book.title for book in wanted][2:11]


def test_an_order_through_a_relation_breaks_ties_of_distance(source: DataSource) -> None:
    owners = source.create_model("near_owner", {"name": str})
    shops = source.create_model("near_shop", {"at": "GeoPoint"})
    shops.belongs_to("owner", model=owners)
    source.auto_update()
    owners.create([{"name": "z"}, {"name": "a"}])
    shops.create([{"at": "1,1", "owner_id": 1}, {"at": "1,1", "owner_id": 2}, {"at": "2,2"}])
    found = shops.find({"where": {"at": {"near": "1,1"}}, "order": "owner.name", "limit": 2})
    assert [each.id for each in found] == [2, 1]


# Related rows


def related(model: Any, filter: Filter, links: Any, keys: list[Any]) -> dict[Any, list[Any]]:
    """The ids that :meth:`Connector.select_related` found for each key."""
    connector = model.data_source.connector
    found = connector.select_related(model.definition, filter, links, keys)
    by_key: dict[Any, list[Any]] = {}
    for key, record in zip(found.keys, found.rows.records(), strict=True):
        by_key.setdefault(key, []).append(record["id"])
    return by_key


def parsed(model: Any, **filter: Any) -> Filter:
    parsed: Filter = model.__loop_plan__().parser.filter(filter)
    return parsed


FILTERS: list[dict[str, Any]] = [
    {},
    {"order": "pages DESC"},
    {"limit": 2},
    {"limit": 2, "skip": 1, "order": "pages DESC"},
    {"skip": 2},
    {"skip": 2**63 - 1, "limit": 2**63 - 1},
    {"limit": 0},
    {"where": {"pages": {"gt": 1}}, "limit": 1},
    {"where": {"notes.weight": {"gt": 1}}, "limit": 2, "skip": 1, "order": "pages"},
    {"where": {"author.name": {"neq": "Ada"}}, "limit": 2, "order": "author.born DESC"},
    {"order": "notes.weight", "limit": 2},
    {"order": "author.home.zip DESC", "limit": 2, "skip": 1},
]


@pytest.mark.parametrize("filter", FILTERS, ids=str)
def test_related_rows_are_those_of_each_key(library: Library, filter: dict[str, Any]) -> None:
    links = library.authors.definition.relations["books"].links
    where = filter.get("where", {})
    wanted = {}
    for key in range(1, 8):
        own = {**filter, "where": {"and": [where, {"author_id": key}]}}
        wanted[key] = [book.id for book in library.books.find(own)]
    found = related(library.books, parsed(library.books, **filter), links, list(range(1, 8)))
    assert found == {key: ids for key, ids in wanted.items() if ids}


@pytest.mark.parametrize("filter", FILTERS, ids=str)
def test_related_rows_through_a_third_table(library: Library, filter: dict[str, Any]) -> None:
    forth = library.books.definition.relations["labels"].links
    through = forth[0].definition
    links = (
        Link(through, ("id",), forth[1].own),
        Link(library.books.definition, forth[0].theirs, ("id",)),
    )
    rows = through.model.find()
    own, theirs = forth[0].theirs[0], forth[1].own[0]
    where = filter.get("where", {})
    wanted = {}
    for label in (1, 2, 3):
        ids = [getattr(row, own) for row in rows if getattr(row, theirs) == label]
        narrowed = {**filter, "where": {"and": [where, {"id": {"inq": ids}}]}}
        wanted[label] = [book.id for book in library.books.find(narrowed)]
    found = related(library.books, parsed(library.books, **filter), links, [1, 2, 3])
    assert found == {key: ids for key, ids in wanted.items() if ids}


def test_related_rows_take_one_statement_whatever_the_keys(
    library: Library, statements: list[str]
) -> None:
    links = library.authors.definition.relations["books"].links
    for keys in ([1], list(range(1, 8)), list(range(1, 1000))):
        statements.clear()
        found = related(library.books, Filter(limit=1), links, keys)
        assert len(statements) == 1
        assert found


def test_related_rows_have_the_layout_of_a_select(library: Library) -> None:
    connector, definition = library.source.connector, library.books.definition
    links = library.authors.definition.relations["books"].links
    for filter in (Filter(), Filter(fields=("title", "pages"))):
        rows = connector.select_related(definition, filter, links, [1]).rows
        assert rows.layout is connector.select(definition, filter).layout


def test_related_rows_of_no_keys_are_none(library: Library) -> None:
    links = library.authors.definition.relations["books"].links
    assert related(library.books, Filter(), links, []) == {}


@pytest.mark.parametrize("count", [2, 200], ids=["few", "many"])
def test_related_rows_by_keys_of_several_properties(source: DataSource, count: int) -> None:
    rooms = source.create_model("pair_room", {"floor": int, "door": str, "seen": "DateTime"})
    chairs = source.create_model("pair_chair", {"floor": int, "door": str, "legs": int})
    source.auto_update()
    chairs.create(
        [
            {"floor": at // 2, "door": "ab"[at % 2], "legs": legs}
            for at in range(count)
            for legs in (3, 4)
        ]
    )
    link = Link(chairs.definition, ("floor", "door"), ("floor", "door"))
    keys = [(at // 2, "ab"[at % 2]) for at in range(count)]
    found = related(
        chairs, Filter(limit=1, order=parsed(chairs, order="legs DESC").order), (link,), keys
    )
    assert found == {key: [2 * at + 2] for at, key in enumerate(keys)}
    rooms.create(
        [{"floor": 0, "door": "a"}, {"floor": 0, "door": "z"}, {"floor": None, "door": "a"}]
    )
    where = Related(link, compare(chairs, "legs", "eq", 4))
    assert source.connector.count(rooms.definition, where) == 1
    assert source.connector.count(rooms.definition, Not(where)) == 2


def test_keys_of_any_type_come_back_as_they_went(source: DataSource) -> None:
    for kind, keys in (
        ("uuid", ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"]),
        ("datetime", ["2024-01-02T03:04:05Z", "2025-01-02T03:04:05Z"]),
        ("decimal", ["1.50", "2.25"]),
        (float, [0.5, 1.5]),
    ):
        name = f"typed_{getattr(kind, '__name__', kind)}"
        items = source.create_model(name, {"key": kind})
        source.auto_update([items])
        items.create([{"key": key} for key in keys for _ in range(2)])
        values = [each.key for each in items.find()][::2]
        link = Link(items.definition, ("key",), ("key",))
        found = related(items, Filter(limit=1), (link,), values)
        assert found == {values[0]: [1], values[1]: [3]}


# A key that a relation makes later


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_model_that_was_used_gets_the_key_of_a_later_relation(kind: str) -> None:
    source = (
        memory() if kind == "memory" else create_data_source(connector="sqlite", url="sqlite://")
    )
    hosts = source.create_model("late_host", {"name": str})
    guests = source.create_model("late_guest", {"name": str})
    source.auto_update()
    guests.create(name="early")
    assert guests.find()[0].name == "early"
    guests.belongs_to("host", model=hosts)
    source.auto_update()
    host = hosts.create(name="h")
    assert guests.find_one({"name": "early"}).host_id is None
    late = guests.create(name="late", host_id=host.id)
    assert [each.id for each in guests.find({"where": {"host_id": host.id}})] == [late.id]
    source.close()


# Foreign keys


def shop_and_items(source: DataSource, **options: Any) -> tuple[Any, Any]:
    """A shop's items, whose table has a foreign key where options ask for it."""
    shops = source.create_model("kept_shop", {"name": str})
    items = source.create_model("kept_item", {"name": {"type": str, "index": True}, "shop_id": int})
    items.belongs_to("shop", model=shops, **options)
    return shops, items


def constraints(sql: Sql, table: str = "kept_item") -> list[tuple[str, str, str, str]]:
    rows = sql('SELECT "from", "table", "to", on_delete FROM pragma_foreign_key_list(?)', table)
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("on_delete", "written"),
    [
        (None, "NO ACTION"),
        ("cascade", "CASCADE"),
        ("restrict", "NO ACTION"),
        ("set_null", "SET NULL"),
    ],
)
@pytest.mark.parametrize("afresh", [False, True])
def test_a_new_table_has_the_foreign_keys_that_relations_ask_for(
    on_file: DataSource, sql: Sql, afresh: bool, on_delete: str | None, written: str
) -> None:
    shop_and_items(on_file, constraint=True, on_delete=on_delete)
    if afresh:
        on_file.auto_migrate(drop=True)
    else:
        on_file.auto_update()
    assert constraints(sql) == [("shop_id", "kept_shop", "id", written)]
    assert on_file.connector.session.fetch("PRAGMA foreign_keys") == [(1,)]  # type: ignore[attr-defined]
    (text,) = sql("SELECT sql FROM sqlite_master WHERE name = 'kept_item'")[0]
    assert "CONSTRAINT loop_kept_item__shop_id__fk FOREIGN KEY" in text
    assert on_file.is_actual()


def test_no_constraint_is_made_where_none_is_asked_for(on_file: DataSource, sql: Sql) -> None:
    shop_and_items(on_file, on_delete="restrict")
    on_file.auto_update()
    assert constraints(sql) == []


def test_auto_update_gives_a_table_a_foreign_key_and_loses_nothing(
    on_file: DataSource, sql: Sql
) -> None:
    shops, items = shop_and_items(on_file)
    on_file.auto_update()
    shops.create([{"name": "a"}, {"name": "b"}])
    items.create([{"name": f"i{at}", "shop_id": at} for at in (1, 2, 2)])
    items.destroy_by_id(3)
    sql("ALTER TABLE kept_item ADD COLUMN \"odd, (one\" TEXT DEFAULT 'x,)'")
    sql("CREATE TABLE log (text)")
    sql("CREATE TRIGGER noted AFTER INSERT ON kept_item BEGIN INSERT INTO log VALUES ('i'); END")
    sql("CREATE VIEW named AS SELECT name FROM kept_item")
    sql("CREATE TABLE other (item INTEGER REFERENCES kept_item (id) ON DELETE CASCADE)")
    sql("INSERT INTO other VALUES (1)")
    before = sql("SELECT name FROM sqlite_master ORDER BY name")
    _, items = shop_and_items(on_file, constraint=True, on_delete="set_null")
    assert not on_file.is_actual([items])
    on_file.auto_update([items])
    assert on_file.is_actual([items])
    assert constraints(sql) == [("shop_id", "kept_shop", "id", "SET NULL")]
    assert constraints(sql, "other") == [("item", "kept_item", "id", "CASCADE")]
    assert sql("SELECT name FROM sqlite_master ORDER BY name") == before
    assert sql("SELECT * FROM other") == [(1,)]
    assert sql("SELECT name FROM named") == [("i1",), ("i2",)]
    assert sql('SELECT "odd, (one" FROM kept_item') == [("x,)",), ("x,)",)]
    assert items.create(name="new", shop_id=1).id == 4
    assert sql("SELECT count(*) FROM log") == [(1,)]
    assert on_file.connector.session.fetch("PRAGMA foreign_keys") == [(1,)]  # type: ignore[attr-defined]


def test_auto_update_takes_away_only_our_own_foreign_keys(on_file: DataSource, sql: Sql) -> None:
    sql("CREATE TABLE kept_shop (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)")
    sql(
        "CREATE TABLE /* kept (*/ kept_item (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, "
        "shop_id INTEGER, -- its, shop)\n [a,)] TEXT CHECK ([a,)] <> '(it''s'), second INTEGER "
        "REFERENCES kept_shop, "
        "CONSTRAINT mine FOREIGN KEY (shop_id) REFERENCES kept_shop (id) -- last\n)"
    )
    _, items = shop_and_items(on_file, constraint=True, on_delete="cascade")
    on_file.auto_update()
    assert len(constraints(sql)) == 3
    _, items = shop_and_items(on_file)
    assert not on_file.is_actual([items])
    on_file.auto_update([items])
    assert on_file.is_actual([items])
    assert {each[0] for each in constraints(sql)} == {"shop_id", "second"}
    assert len(constraints(sql)) == 2


def test_a_foreign_key_with_another_action_takes_the_old_ones_place(
    on_file: DataSource, sql: Sql
) -> None:
    shop_and_items(on_file, constraint=True, on_delete="cascade")
    on_file.auto_update()
    _, items = shop_and_items(on_file, constraint=True, on_delete="set_null")
    on_file.auto_update([items])
    assert constraints(sql) == [("shop_id", "kept_shop", "id", "SET NULL")]


def test_orphans_are_counted_and_nothing_is_changed(source: DataSource) -> None:
    shops, items = shop_and_items(source)
    source.auto_update()
    shops.create(name="a")
    items.create([{"shop_id": 1}, {"shop_id": 7}, {"shop_id": 8}, {"shop_id": None}])
    _, items = shop_and_items(source, constraint=True)
    with pytest.raises(DefinitionError, match=r"kept_item has 2 records .* of kept_shop"):
        source.auto_update([items])
    assert not source.is_actual([items])
    assert items.count() == 4
    items.destroy_all({"shop_id": {"gt": 6}})
    source.auto_update([items])
    assert source.is_actual([items])


def test_a_change_of_the_schema_that_fails_leaves_constraints_enforced(source: DataSource) -> None:
    _, items = shop_and_items(source, constraint=True)
    source.auto_update()
    items.create([{"name": "a"}, {"name": "a"}])
    again = source.create_model("kept_item", {"name": {"type": str, "unique": True}})
    with pytest.raises(DefinitionError, match="cannot be made unique"):
        source.auto_update([again])
    with pytest.raises(ValidationError, match="names no record"):
        items.create(shop_id=99)


def test_a_schema_change_is_seen_by_who_listens(source: DataSource, statements: list[str]) -> None:
    shop_and_items(source, constraint=True)
    source.auto_update()
    assert statements.index("PRAGMA foreign_keys = OFF") < statements.index("BEGIN IMMEDIATE")
    assert statements.index("COMMIT") < statements.index("PRAGMA foreign_keys = ON")


def test_a_foreign_key_is_not_changed_in_a_transaction(source: DataSource) -> None:
    shop_and_items(source)
    source.auto_update()
    _, items = shop_and_items(source, constraint=True)
    with pytest.raises(RuntimeError, match="in a transaction"), source.transaction():
        source.auto_update([items])


def test_migrating_a_table_that_others_refer_to_leaves_them(source: DataSource) -> None:
    shops, items = shop_and_items(source, constraint=True, on_delete="cascade")
    source.auto_update()
    items.create(shop_id=shops.create(name="a").id)
    with pytest.raises(RuntimeError, match="kept_item refer"), source.transaction():
        source.auto_migrate([shops], drop=True)
    source.auto_migrate([shops], drop=True)
    assert (shops.count(), items.count()) == (0, 1)
    source.auto_migrate(drop=True)
    assert (shops.count(), items.count()) == (0, 0)


def test_tables_that_refer_to_each_other_are_made_and_made_afresh(source: DataSource) -> None:
    hens = source.create_model("ring_hen", {"name": str})
    eggs = source.create_model("ring_egg", {"name": str})
    hens.belongs_to("egg", model=eggs, constraint=True)
    eggs.belongs_to("hen", model=hens, constraint=True)
    hens.belongs_to("mother", model=hens, constraint=True, on_delete="set_null")
    source.auto_update()
    assert source.is_actual()
    hen = hens.create(name="a")
    eggs.create(hen_id=hen.id)
    hens.create(mother_id=hen.id)
    source.auto_migrate(drop=True)
    assert hens.count() == 0
    assert source.is_actual()


def test_a_foreign_key_to_what_is_not_unique_is_refused(source: DataSource) -> None:
    shops = source.create_model("loose_shop", {"code": str})
    items = source.create_model("loose_item", {"code": str})
    items.definition.foreign_keys.append(ForeignKey(("code",), shops.definition, ("code",)))
    with pytest.raises(DefinitionError, match=r"loose_shop\.code, which is not unique"):
        source.auto_update()


def test_a_key_that_names_no_record_is_refused_by_its_property(source: DataSource) -> None:
    shops, items = shop_and_items(source, constraint=True)
    source.auto_update()
    shop = shops.create(name="a")
    item = items.create(shop_id=shop.id)
    items.create(shop_id=None)
    writes: list[Callable[[], Any]] = [
        lambda: items.create(shop_id=99),
        lambda: item.patch_attributes(shop_id=99),
        lambda: items.update_all({}, {"shop_id": 99}),
    ]
    for act in writes:
        with pytest.raises(ValidationError) as error:
            act()
        assert error.value.details["codes"] == {"shop_id": ["relation"]}
        assert error.value.details["messages"] == {"shop_id": ["names no record"]}
    with pytest.raises(ValidationError) as error:
        items.create([{"shop_id": shop.id}, {"shop_id": 99}])
    assert error.value.details["codes"] == {"1.shop_id": ["relation"]}
    assert items.count() == 2


def test_a_record_that_is_held_on_to_is_not_deleted(source: DataSource) -> None:
    shops, items = shop_and_items(source, constraint=True)
    source.auto_update()
    shop = shops.create(name="a")
    items.create(shop_id=shop.id)
    for act in (shop.destroy, shops.destroy_all, lambda: shops.destroy_by_id(shop.id)):
        with pytest.raises(Conflict, match="kept_item") as error:
            act()
        assert error.value.error_code == "RESTRICTED"
    items.destroy_all()
    shop.destroy()
    assert shops.count() == 0


def test_the_database_does_what_on_delete_says(source: DataSource, sql: Sql) -> None:
    shops, items = shop_and_items(source, constraint=True, on_delete="set_null")
    source.auto_update()
    shop = shops.create(name="a")
    items.create(shop_id=shop.id)
    source.connector.delete(shops.definition, EVERYTHING)
    assert items.find()[0].shop_id is None


def test_a_constraint_to_another_data_source_is_not_made(on_file: DataSource, sql: Sql) -> None:
    shops = memory().create_model("far_shop", {"name": str})
    items = on_file.create_model("far_item", {"name": str})
    items.belongs_to("shop", model=shops, constraint=True)
    on_file.auto_update()
    assert constraints(sql, "far_item") == []
    assert on_file.is_actual()
