"""What Python callers give of related records: by keyword, in instances and in expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Loop, create_data_source, memory
from flask_loop.errors import FilterError, ValidationError


@pytest.fixture(params=["memory", "sqlite"])
def source(request: pytest.FixtureRequest) -> Iterator[DataSource]:
    kind = request.param
    made = memory() if kind == "memory" else create_data_source(connector=kind, url="sqlite://")
    yield made
    made.close()


@pytest.fixture
def shelf(source: DataSource) -> dict[str, Any]:
    """Books with nested chapters and cover, and authors that are not nested."""
    title = {"type": str, "required": True, "min_length": 1}
    made = {
        "author": source.create_model("KeptAuthor", {"name": str, "country": str}),
        "patron": source.create_model("KeptPatron", {"name": title}),
        "book": source.create_model("KeptBook", {"title": title}),
        "chapter": source.create_model("KeptChapter", {"title": title, "number": int}),
        "page": source.create_model("KeptPage", {"text": title}),
        "cover": source.create_model("KeptCover", {"color": str}),
        "mark": source.create_model("KeptMark", {"name": str}),
    }
    book, chapter, author = made["book"], made["chapter"], made["author"]
    book.belongs_to("author", model=author)
    book.belongs_to("patron", model=made["patron"], nested=True)
    book.has_many("chapters", model=chapter, foreign_key="book_id", nested=True)
    book.has_one("cover", model=made["cover"], foreign_key="book_id")
    chapter.belongs_to("book", model=book)
    chapter.has_many("pages", model=made["page"], foreign_key="chapter_id", nested=True)
    chapter.validates_uniqueness_of("number", scoped_to="book_id")
    author.has_many("books", model=book, foreign_key="author_id")
    made["mark"].belongs_to("marked", polymorphic=True)
    if source.is_known:
        source.auto_migrate(drop=True)
    return made


class TestNestedRecordsOfNewInstances:
    def test_are_checked_with_the_instance(self, shelf: dict[str, Any]) -> None:
        book = shelf["book"](title="x", chapters=[{"title": "fine"}, {"title": ""}], patron={})
        assert not book.is_valid()
        assert {"chapters.1.title", "patron.name"} == book.errors.keys()
        with pytest.raises(ValidationError) as refused:
            book.save()
        assert {each.dotted for each in refused.value.failures} == book.errors.keys()
        assert shelf["book"].count() == shelf["chapter"].count() == 0

    def test_are_stored_with_it_and_only_once(self, shelf: dict[str, Any]) -> None:
        chapters = [{"title": "one", "pages": [{"text": "p"}]}, shelf["chapter"](title="two")]
        book = shelf["book"](title="x", chapters=chapters, patron={"name": "Ada"})
        assert book.is_valid()
        assert book.save() is book
        found = shelf["chapter"].find(order="id")
        assert [(each.title, each.book_id) for each in found] == [
            ("one", book.id),
            ("two", book.id),
        ]
        assert shelf["page"].find_one().chapter_id == found[0].id
        assert book.patron().name == "Ada"
        assert [each.title for each in book.chapters()] == ["one", "two"]
        book.title = "y"
        book.save()
        assert shelf["chapter"].count() == 2
        assert shelf["patron"].count() == 1

    def test_wait_until_they_are_stored(self, shelf: dict[str, Any]) -> None:
        book = shelf["book"](title="", chapters=[{"title": "one"}])
        with pytest.raises(ValidationError):
            book.save()
        book.title = "x"
        book.save()
        assert [each.book_id for each in shelf["chapter"].find()] == [book.id]

    def test_are_created_from_an_instance_too(self, shelf: dict[str, Any]) -> None:
        chapter = shelf["chapter"](title="one", pages=[{"text": "p"}])
        book = shelf["book"].create(shelf["book"](title="x", chapters=[chapter]))
        assert [each.book_id for each in shelf["chapter"].find()] == [book.id]
        author = shelf["author"].create(name="Jane")
        author.books.create(shelf["book"](title="y", chapters=[{"title": "two"}]))
        assert shelf["chapter"].count() == 2
        assert shelf["page"].count() == 1

    def test_are_checked_without_the_key_that_they_get(self, shelf: dict[str, Any]) -> None:
        shelf["chapter"].create(title="of no book", number=1)
        book = shelf["book"](title="x", chapters=[{"title": "one", "number": 1}])
        assert book.is_valid(), book.errors
        book.save()

    def test_of_another_form_are_said_to_be_wrong(self, shelf: dict[str, Any]) -> None:
        book = shelf["book"](title="x", chapters="one")
        assert not book.is_valid()
        assert list(book.errors) == ["chapters"]

    def test_that_lead_back_to_themselves_are_refused(self, shelf: dict[str, Any]) -> None:
        node = shelf["book"].data_source.create_model("KeptNode", {"name": str})
        node.has_many("parts", model=node, foreign_key="whole_id", nested=True)
        circle: dict[str, Any] = {"name": "x"}
        circle["parts"] = [circle]
        made = node(circle)
        assert not made.is_valid()
        assert "deep" in str(made.errors)

    @pytest.mark.parametrize("strict", [False, "validate"])
    def test_are_no_unknown_keys(self, strict: bool | str) -> None:
        source = memory()
        inner = source.create_model("KeptInner", {"title": {"type": str, "min_length": 1}})
        outer = source.create_model("KeptOuter", {"title": str}, strict=strict)
        outer.has_many("inners", model=inner, foreign_key="outer_id", nested=True)
        made = outer(title="x", inners=[{"title": "one"}])
        assert made.is_valid(), made.errors
        made.save()
        assert made.inners.count() == 1
        assert "inners" not in made.to_record()


@pytest.fixture
def press(source: DataSource) -> dict[str, Any]:
    """Publishers, whose address and hours are inside them."""
    made = {
        "place": source.create_model("InsidePlace", {"city": str}),
        "address": source.create_model(
            "InsideAddress",
            {"street": {"type": str, "max_length": 9}, "code": {"type": str, "hidden": True}},
        ),
        "hour": source.create_model("InsideHour", {"day": str}),
        "press": source.create_model("InsidePress", {"name": str}),
    }
    made["address"].embeds_one("place", model=made["place"])
    made["press"].embeds_one("address", model=made["address"])
    made["press"].embeds_many("opening_hours", model=made["hour"])
    if source.is_known:
        source.auto_migrate(drop=True)
    return made


class TestEmbeddedRecords:
    def test_are_given_by_the_name_of_the_relation(self, press: dict[str, Any]) -> None:
        address = press["address"](street="A", place={"city": "C"})
        hours = [press["hour"](day="mo"), {"day": "tu"}]
        made = press["press"].create(name="P", address=address, openingHours=hours)
        found = press["press"].find_by_id(made.id)
        assert found.address().street == "A"
        assert found.address().place().city == "C"
        assert [each.day for each in found.opening_hours()] == ["mo", "tu"]
        found.patch_attributes(address={"street": "B"})
        assert press["press"].find_one().address().street == "B"
        assert press["press"].update_all({}, {"address": {"street": "D"}}) == 1
        assert press["press"].find_one().address().street == "D"
        found.patch_attributes(address=None, opening_hours=[])
        assert press["press"].find_one().address() is None

    def test_are_in_the_instance_at_once(self, press: dict[str, Any]) -> None:
        made = press["press"](name="P", address={"street": "A"}, opening_hours=[{"day": "mo"}])
        assert made.address().street == "A"
        assert made.save().opening_hours()[0].day == "mo"

    def test_are_checked(self, press: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as refused:
            press["press"].create(name="P", address={"street": "far too long"})
        assert [each.path[0] for each in refused.value.failures] == ["_address"]
        assert not press["press"](address={"street": "far too long"}).is_valid()

    def test_count_by_their_property_where_both_are_given(self, press: dict[str, Any]) -> None:
        for data in (
            {"address": {"street": "A"}, "_address": {"street": "B"}},
            {"_address": {"street": "B"}, "address": {"street": "A"}},
        ):
            assert press["press"].create(data).address().street == "B"
            assert press["press"](data).address().street == "B"

    def test_are_given_in_one_spelling(self, press: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match="opening_hours"):
            press["press"].create(opening_hours=[], openingHours=[])


class TestEmbeddedRecordsOfClients:
    @pytest.fixture
    def client(self) -> FlaskClient:
        source = memory()
        address = source.create_model(
            "SentAddress",
            {
                "street": str,
                "code": {"type": str, "hidden": True},
                "fixed": {"type": str, "read_only": True, "default": "f"},
            },
        )
        press = source.create_model(
            "SentPress", {"name": str, "_sealed": {"type": address, "read_only": True}}
        )
        press.embeds_one("address", model=address)
        press.embeds_many("opening_hours", model=address)
        press.embeds_one("seal", model=address, property="_sealed")
        self.press = press
        app = Flask(__name__)
        Loop(app).model(press)
        return app.test_client()

    def test_are_given_by_the_name_on_the_wire(self, client: FlaskClient) -> None:
        body = {
            "name": "P",
            "address": {"street": "A", "code": "c", "fixed": "x"},
            "openingHours": [{"street": "B"}],
        }
        assert client.post("/SentPresses", json=body).status_code == 200
        stored = self.press.find_one()
        address = stored.address()
        assert (address.street, address.code, address.fixed) == ("A", "c", "f")
        assert [each.street for each in stored.opening_hours()] == ["B"]

    @pytest.mark.parametrize("verb", ["put", "patch"])
    def test_keep_what_clients_cannot_see(self, client: FlaskClient, verb: str) -> None:
        made = self.press.create(name="P", address={"street": "A", "code": "secret"})
        path = f"/SentPresses/{made.id}"
        answer = getattr(client, verb)(path, json={"name": "P", "address": {"street": "B"}})
        assert answer.status_code == 200
        address = self.press.find_one().address()
        assert (address.street, address.code) == ("B", "secret")

    def test_that_an_include_showed_are_put_back_as_the_property(self, client: FlaskClient) -> None:
        made = self.press.create(name="P", address={"street": "A"})
        path = f"/SentPresses/{made.id}"
        shown = client.get(path + "?filter[include]=address").json
        assert {"_address", "address"} <= shown.keys()
        shown["_address"]["street"] = "B"
        assert client.put(path, json=shown).status_code == 200
        assert self.press.find_one().address().street == "B"

    def test_of_read_only_properties_are_not_taken(self, client: FlaskClient) -> None:
        made = self.press.create(name="P", seal={"street": "A"})
        for verb in ("put", "patch"):
            getattr(client, verb)(f"/SentPresses/{made.id}", json={"seal": {"street": "B"}})
            assert self.press.find_one().seal().street == "A"

    def test_are_found_by_the_python_name_in_python_alone(self, client: FlaskClient) -> None:
        client.post("/SentPresses", json={"opening_hours": [{"street": "B"}]})
        assert self.press.find_one().opening_hours() == []


class TestWhatIsNoRecord:
    @pytest.mark.parametrize("value", [1, "x", True], ids=repr)
    def test_is_refused_by_every_write(self, shelf: dict[str, Any], value: Any) -> None:
        books = shelf["book"]
        book = books.create(title="x")
        for write in (
            lambda: books(author=value),
            lambda: books.create(title="q", author=value),
            lambda: book.update_attributes(author=value),
            lambda: books.upsert({"title": "q", "author": value}),
            lambda: books.update_all({}, {"author": value}),
        ):
            with pytest.raises(TypeError, match=r"KeptBook\.author is a record of KeptAuthor, not"):
                write()

    def test_is_dropped_where_it_is_an_object_that_was_shown(self, shelf: dict[str, Any]) -> None:
        jane = shelf["author"].create(name="Jane")
        data = {"title": "q", "author": {"name": "Eve"}, "author_id": jane.id}
        book = shelf["book"].create(data)
        assert book.author().name == "Jane"
        assert shelf["book"](data).author_id == jane.id
        assert shelf["book"].create(title="q", author=None).author_id is None
        assert shelf["book"].create(title="q", author=jane).author_id == jane.id

    def test_is_a_failure_where_records_are_written_with_it(self, shelf: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as refused:
            shelf["book"].create(title="q", patron=5)
        assert [each.dotted for each in refused.value.failures] == ["patron"]


class TestExpressions:
    @pytest.fixture
    def found(self, shelf: dict[str, Any]) -> Any:
        jane = shelf["author"].create(name="Jane", country="FR")
        eve = shelf["author"].create(name="Eve", country="FR")
        for title, author in (("a", jane), ("b", eve), ("c", None)):
            book = shelf["book"].create(title=title, author=author)
            shelf["chapter"].create(title=f"{title}1", book=book)
        shelf["chapter"].create(title="d1")
        self.jane = jane

        def find(name: str, where: Any) -> list[str]:
            return [each.title for each in shelf[name].find(where=where, order="title")]

        return find

    def test_compare_a_record_by_its_key(self, shelf: dict[str, Any], found: Any) -> None:
        book = shelf["book"]
        assert found("book", book.author == self.jane) == ["a"]
        assert found("book", book.author != self.jane) == ["b", "c"]
        assert found("book", (book.author == self.jane) | (book.title == "c")) == ["a", "c"]

    def test_compare_with_none(self, shelf: dict[str, Any], found: Any) -> None:
        book = shelf["book"]
        assert found("book", book.author == None) == ["c"]  # noqa: E711
        assert found("book", book.author != None) == ["a", "b"]  # noqa: E711

    def test_compare_through_a_path(self, shelf: dict[str, Any], found: Any) -> None:
        author = shelf["chapter"].book.author
        assert found("chapter", author == self.jane) == ["a1"]
        assert found("chapter", author != self.jane) == ["b1", "c1", "d1"]
        assert found("chapter", author == None) == ["c1", "d1"]  # noqa: E711

    def test_compare_the_model_too_where_it_differs(
        self, shelf: dict[str, Any], found: Any
    ) -> None:
        mark, book = shelf["mark"], shelf["book"].find_one()
        assert book.id == self.jane.id
        mark.create(name="author", marked=self.jane)
        mark.create(name="book", marked=book)
        mark.create(name="none")
        names = {
            key: [each.name for each in mark.find(where=where, order="id")]
            for key, where in {
                "is": mark.marked == book,
                "not": mark.marked != book,
                "none": mark.marked == None,  # noqa: E711
            }.items()
        }
        assert names == {"is": ["book"], "not": ["author", "none"], "none": ["none"]}

    @pytest.mark.parametrize("is_equal", [True, False])
    def test_say_what_to_write_instead(self, shelf: dict[str, Any], is_equal: bool) -> None:
        def compare(one: Any, other: Any) -> Any:
            return one == other if is_equal else one != other

        book, jane = shelf["book"], shelf["author"].create(name="Jane")
        with pytest.raises(TypeError, match=r"write KeptBook\.author_id == 5"):
            compare(book.author, 5)
        with pytest.raises(TypeError, match="is a record of KeptAuthor, not"):
            compare(book.author, book.create(title="x"))
        with pytest.raises(TypeError, match="save the KeptAuthor first"):
            compare(book.author, shelf["author"](name="new"))
        with pytest.raises(TypeError, match=r"KeptBook\.cover\.id == "):
            compare(book.cover, shelf["cover"].create(color="red"))
        with pytest.raises(TypeError, match=r"KeptAuthor\.books\.some\(KeptBook\.id == "):
            compare(shelf["author"].books, jane)

    def test_are_no_where_by_themselves(self, shelf: dict[str, Any]) -> None:
        for relation in (shelf["book"].author, shelf["book"].chapters):
            with pytest.raises(FilterError, match="where is not an object"):
                shelf["book"].find(where=relation)
            with pytest.raises(FilterError, match="order"):
                shelf["book"].find(order=relation)

    def test_ask_whether_there_is_a_record(self, shelf: dict[str, Any], found: Any) -> None:
        author = shelf["author"]
        assert found("book", shelf["book"].author.some(author.name == "Jane")) == ["a"]
        assert found("book", shelf["book"].author.some()) == ["a", "b"]
        assert found("book", shelf["book"].author.none(author.name == "Jane")) == ["b", "c"]
        assert found("chapter", shelf["chapter"].book.author.none()) == ["c1", "d1"]

    def test_of_many_records_have_no_properties(self, shelf: dict[str, Any]) -> None:
        match = r"write KeptAuthor\.books\.some\(KeptBook\.title == \.\.\.\)"
        with pytest.raises(AttributeError, match=match):
            shelf["author"].books.title  # noqa: B018
        match = r"write KeptChapter\.book\.chapters\.some\(KeptChapter\.title == \.\.\.\)"
        with pytest.raises(AttributeError, match=match):
            shelf["chapter"].book.chapters.title  # noqa: B018
        with pytest.raises(AttributeError, match="KeptBook has neither"):
            shelf["author"].books.nothing  # noqa: B018
        assert not hasattr(shelf["author"].books, "_private")
