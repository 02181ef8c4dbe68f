"""Records that are written together with the related ones inside their data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import DataSource, Loop, create_data_source, memory
from flask_loop.errors import Conflict, ValidationError
from flask_loop.signals import record_saved


@pytest.fixture(params=["memory", "sqlite"])
def source(request: pytest.FixtureRequest) -> Iterator[DataSource]:
    kind = request.param
    made = memory() if kind == "memory" else create_data_source(connector=kind, url="sqlite://")
    yield made
    made.close()


@pytest.fixture
def library(source: DataSource) -> dict[str, Any]:
    """Books, which have an author, chapters with pages, a cover, tags and editors."""
    return define_library(source)


def define_library(source: Any, **settings: Any) -> dict[str, Any]:
    chapter = {"name": {"type": str, "required": True, "max_length": 9}, "number": int}
    made = {
        "book": source.create_model(
            "NestBook", {"title": {"type": str, "required": True}}, **settings
        ),
        "author": source.create_model("NestAuthor", {"name": {"type": str, "required": True}}),
        "chapter": source.create_model("NestChapter", chapter),
        "page": source.create_model("NestPage", {"text": {"type": str, "max_length": 5}}),
        "cover": source.create_model("NestCover", {"color": {"type": str, "max_length": 5}}),
        "tag": source.create_model("NestTag", {"name": {"type": str, "max_length": 5}}),
        "tagging": source.create_model("NestTagging", {"note": str}),
        "editor": source.create_model("NestEditor", {"name": {"type": str, "max_length": 5}}),
        "note": source.create_model("NestNote", {"text": str}),
    }
    book, tagging = made["book"], made["tagging"]
    book.belongs_to("main_author", model=made["author"], nested=True)
    book.has_many("chapters", model=made["chapter"], foreign_key="book_id", nested=True)
    book.has_one("cover", model=made["cover"], foreign_key="book_id", nested=True)
    tagging.belongs_to("book", model=book)
    tagging.belongs_to("tag", model=made["tag"])
    book.has_many(
        "tags",
        model=made["tag"],
        through=tagging,
        foreign_key="book_id",
        key_through="tag_id",
        nested=True,
    )
    book.references_many("editors", model=made["editor"], nested=True)
    book.has_many("notes", model=made["note"], foreign_key="book_id")
    made["chapter"].has_many("pages", model=made["page"], foreign_key="chapter_id", nested=True)
    made["chapter"].validates_uniqueness_of("number", scoped_to="book_id")
    if isinstance(source, DataSource) and source.is_known:
        source.auto_migrate(drop=True)
    return made


def failures(refused: pytest.ExceptionInfo[ValidationError]) -> dict[str, str]:
    return {each.dotted: each.code for each in refused.value.failures}


def counts(library: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, each in library.items() if (count := each.count())}


class TestCreate:
    def test_children_are_stored_with_their_key(self, library: dict[str, Any]) -> None:
        book = library["book"].create(title="a", chapters=[{"name": "one"}, {"name": "two"}])
        found = library["chapter"].find(order="id")
        assert [(each.name, each.book_id) for each in found] == [("one", book.id), ("two", book.id)]

    def test_every_kind_is_written(self, library: dict[str, Any]) -> None:
        book = library["book"].create(
            title="a",
            main_author={"name": "Ada"},
            chapters=[{"name": "one", "pages": [{"text": "p1"}, {"text": "p2"}]}],
            cover={"color": "red"},
            tags=[{"name": "x"}, {"name": "y"}],
            editors=[{"name": "e1"}, {"name": "e2"}],
        )
        (author,) = library["author"].find()
        assert book.main_author_id == author.id
        (chapter,) = library["chapter"].find()
        assert [each.chapter_id for each in library["page"].find()] == [chapter.id] * 2
        assert library["cover"].find_one().book_id == book.id
        taggings = [(each.book_id, each.tag_id) for each in library["tagging"].find(order="id")]
        assert taggings == [(book.id, each.id) for each in library["tag"].find(order="id")]
        assert book.editor_ids == [each.id for each in library["editor"].find(order="id")]
        stored = library["book"].find_by_id(book.id)
        assert (stored.main_author_id, stored.editor_ids) == (author.id, book.editor_ids)

    def test_many_parents_with_children_are_written_at_once(self, library: dict[str, Any]) -> None:
        books = library["book"].create(
            [
                {"title": str(n), "chapters": [{"name": f"{n}.{m}"} for m in range(n)]}
                for n in range(4)
            ]
        )
        for number, book in enumerate(books):
            found = library["chapter"].find(where={"book_id": book.id}, order="id")
            assert [each.name for each in found] == [f"{number}.{m}" for m in range(number)]

    def test_the_key_is_the_parents_whatever_is_given(self, library: dict[str, Any]) -> None:
        book = library["book"].create(title="a", chapters=[{"name": "one", "book_id": 99}])
        assert library["chapter"].find_one().book_id == book.id

    def test_new_instances_are_stored(self, library: dict[str, Any]) -> None:
        chapter = library["chapter"](name="one")
        book = library["book"].create(title="a", chapters=[chapter])
        assert library["chapter"].find_one().book_id == book.id

    @pytest.mark.parametrize("operation", ["upsert", "replace_or_create", "update_or_create"])
    def test_other_operations_that_create_write_them_too(
        self, library: dict[str, Any], operation: str
    ) -> None:
        getattr(library["book"], operation)({"title": "a", "chapters": [{"name": "one"}]})
        assert counts(library) == {"book": 1, "chapter": 1}

    def test_operations_that_look_first_write_them_too(self, library: dict[str, Any]) -> None:
        books = library["book"]
        data = {"title": "a", "chapters": [{"name": "one"}]}
        assert books.find_or_create({"title": "a"}, data)[1] is True
        assert books.find_or_create({"title": "a"}, data)[1] is False
        assert books.find_or_create(None, data)[1] is False
        assert counts(library) == {"book": 1, "chapter": 1}
        books.upsert_with_where({"title": "a"}, {"chapters": [{"name": "two"}]})
        assert counts(library) == {"book": 1, "chapter": 2}

    def test_nothing_is_written_without_children(self, library: dict[str, Any]) -> None:
        library["book"].create(title="a", chapters=[], tags=[])
        assert counts(library) == {"book": 1}

    def test_null_leaves_a_key_empty(self, library: dict[str, Any]) -> None:
        book = library["book"].create(title="a", main_author={"name": "Ada"})
        assert book.patch_attributes(main_author=None).main_author_id is None
        assert library["author"].count() == 1


class TestErrors:
    def test_all_of_them_come_at_once_by_path(self, library: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as refused:
            library["book"].create(
                main_author={},
                chapters=[
                    {"name": "fine"},
                    {"name": "far too long", "number": "x"},
                    {"pages": [{"text": "fine"}, {"text": "far too long"}]},
                ],
                cover={"color": "far too long"},
                tags=[{"name": "far too long"}],
                editors=[{"name": "far too long"}],
            )
        assert failures(refused) == {
            "title": "presence",
            "main_author.name": "presence",
            "chapters.1.name": "length.max",
            "chapters.1.number": "integer",
            "chapters.2.name": "presence",
            "chapters.2.pages.1.text": "length.max",
            "cover.color": "length.max",
            "tags.0.name": "length.max",
            "editors.0.name": "length.max",
        }
        assert refused.value.context == "NestBook"
        assert counts(library) == {}

    def test_of_several_records_paths_begin_with_the_index(self, library: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as refused:
            library["book"].create(
                [{"title": "a"}, {"title": "b", "chapters": [{"name": "one"}, {}]}]
            )
        assert failures(refused) == {"1.chapters.1.name": "presence"}
        assert counts(library) == {}

    @pytest.mark.parametrize(
        ("given", "path"),
        [
            ({"chapters": {"name": "x"}}, "chapters"),
            ({"chapters": "x"}, "chapters"),
            ({"chapters": None}, "chapters"),
            ({"chapters": [{"name": "x"}, 5]}, "chapters.1"),
            ({"cover": [{"color": "x"}]}, "cover"),
            ({"cover": None}, "cover"),
            ({"main_author": 5}, "main_author"),
        ],
        ids=repr,
    )
    def test_other_forms_are_refused(
        self, library: dict[str, Any], given: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(ValidationError) as refused:
            library["book"].create(title="a", **given)
        assert list(failures(refused)) == [path]
        assert counts(library) == {}

    def test_siblings_that_are_alike_are_refused_before_they_are_stored(
        self, library: dict[str, Any]
    ) -> None:
        twins = [{"name": "one", "number": 1}, {"name": "two", "number": 1}]
        with pytest.raises(ValidationError) as refused:
            library["book"].create(title="a", chapters=twins)
        assert failures(refused) == {"chapters.1.number": "uniqueness"}
        library["chapter"].create(name="none", number=1)  # it is of no book
        books = library["book"].create(
            [{"title": each, "chapters": [{"name": "one", "number": 1}]} for each in "ab"]
        )
        with pytest.raises(ValidationError) as refused:
            books[0].patch_attributes(chapters=[{"name": "two", "number": 1}])
        assert failures(refused) == {"chapters.0.number": "uniqueness"}

    def test_what_only_the_data_source_sees_has_its_path_too(
        self, library: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        book = library["book"].create(title="a", chapters=[{"name": "one", "number": 1}])
        plan = library["chapter"].__loop_plan__()
        monkeypatch.setattr(plan, "_broken_rules", lambda *given: [])
        with pytest.raises(ValidationError) as refused:
            book.patch_attributes(chapters=[{"name": "x", "number": 2}, {"name": "y", "number": 1}])
        assert failures(refused) == {"chapters.1.number": "uniqueness"}
        assert refused.value.context == "NestBook"
        assert library["chapter"].count() == 1

    def test_nesting_has_a_bound(self, source: DataSource) -> None:
        nodes = source.create_model("NestNode", {"name": str})
        nodes.has_many("parts", model=nodes, foreign_key="whole_id", nested=True)
        source.auto_migrate(drop=True)
        data: dict[str, Any] = {"name": "inmost"}
        for _ in range(32):
            data = {"name": "outer", "parts": [data]}
        nodes.create(data)
        assert nodes.count() == 33
        with pytest.raises(ValidationError) as refused:
            nodes.create({"parts": [data]})
        assert "deep" in str(refused.value)
        circle: dict[str, Any] = {"name": "x"}
        circle["parts"] = [circle]
        with pytest.raises(ValidationError, match="deep"):
            nodes.create(circle)
        assert nodes.count() == 33

    def test_the_parent_is_not_given_inside_its_children(self, source: DataSource) -> None:
        books = source.create_model("NestBackBook", {"title": str})
        chapters = source.create_model("NestBackChapter", {"name": str})
        books.has_many("chapters", model=chapters, foreign_key="book_id", nested=True)
        chapters.belongs_to("book", model=books, nested=True)
        source.auto_migrate(drop=True)
        with pytest.raises(ValidationError) as refused:
            books.create(title="a", chapters=[{"name": "x", "book": {"title": "b"}}])
        assert failures(refused) == {"chapters.0.book": "relation"}
        chapter = chapters.create(name="y", book={"title": "c"})
        assert books.find_by_id(chapter.book_id).title == "c"


class TestChanges:
    def test_known_children_change_new_ones_come_and_others_stay(
        self, library: dict[str, Any]
    ) -> None:
        book = library["book"].create(title="a", chapters=[{"name": n} for n in ("x", "y", "z")])
        first, second, _ = library["chapter"].find(order="id")
        book.patch_attributes(
            chapters=[{"id": second.id, "name": "Y"}, {"name": "new"}, {"id": first.id}]
        )
        found = library["chapter"].find(where={"book_id": book.id}, order="id")
        assert [each.name for each in found] == ["x", "Y", "z", "new"]
        assert library["book"].find_by_id(book.id).title == "a"

    @pytest.mark.parametrize("way", ["patch", "replace", "upsert", "save"])
    def test_each_way_to_change_a_record_writes_them(
        self, library: dict[str, Any], way: str
    ) -> None:
        books = library["book"]
        book = books.create(title="a", chapters=[{"name": "x"}])
        data = {"title": "b", "chapters": [{"name": "y"}]}
        if way == "patch":
            book.patch_attributes(data)
        elif way == "replace":
            books.replace_by_id(book.id, data)
        elif way == "upsert":
            books.upsert({"id": book.id, **data})
        else:
            book.title = "b"
            book.save()
        assert books.find_by_id(book.id).title == "b"
        assert library["chapter"].count() == (1 if way == "save" else 2)

    @pytest.mark.parametrize("kind", ["chapters", "tags", "editors"])
    def test_ids_of_others_are_refused(self, library: dict[str, Any], kind: str) -> None:
        mine = library["book"].create(title="a", **{kind: [{"name": "x"}]})
        library["book"].create(title="b", **{kind: [{"name": "y"}]})
        model = library[kind[:-1]]
        theirs = model.find_one(where={"name": "y"})
        for id in (theirs.id, 99):
            with pytest.raises(ValidationError) as refused:
                mine.patch_attributes({kind: [{"name": "new"}, {"id": id, "name": "z"}]})
            assert failures(refused) == {f"{kind}.1.id": "relation"}
        assert sorted(each.name for each in model.find()) == ["x", "y"]
        own = model.find_one(where={"name": "x"})
        mine.patch_attributes({kind: [{"id": own.id, "name": "z"}]})
        assert model.find_by_id(own.id).name == "z"
        with pytest.raises(ValidationError) as refused:
            mine.patch_attributes({kind: [{"id": own.id}, {"id": own.id}]})
        assert failures(refused) == {f"{kind}.1.id": "relation"}

    def test_new_parents_have_no_children_yet(self, library: dict[str, Any]) -> None:
        library["book"].create(title="a", chapters=[{"name": "x"}])
        (chapter,) = library["chapter"].find()
        with pytest.raises(ValidationError) as refused:
            library["book"].create(title="b", chapters=[{"id": chapter.id, "name": "y"}])
        assert failures(refused) == {"chapters.0.id": "relation"}
        assert library["book"].count() == 1

    def test_ids_that_nobody_makes_may_be_new(self, source: DataSource) -> None:
        shops = source.create_model("NestShop", {"name": str})
        lots = source.create_model("NestLot", {"code": {"type": str, "id": True}, "size": int})
        shops.has_many("lots", model=lots, foreign_key="shop_id", nested=True)
        source.auto_migrate(drop=True)
        shop = shops.create(name="a", lots=[{"code": "x", "size": 1}])
        shop.patch_attributes(lots=[{"code": "x", "size": 2}, {"code": "y", "size": 3}])
        assert [(each.code, each.size) for each in lots.find()] == [("x", 2), ("y", 3)]
        with pytest.raises(ValidationError) as refused:
            shops.create(name="b", lots=[{"code": "x"}])
        assert failures(refused) == {"lots.0.code": "relation"}

    def test_a_child_cannot_be_moved(self, library: dict[str, Any]) -> None:
        book, other = library["book"].create(
            [{"title": "a", "chapters": [{"name": "x"}]}, {"title": "b"}]
        )
        (chapter,) = library["chapter"].find()
        book.patch_attributes(chapters=[{"id": chapter.id, "book_id": other.id, "name": "y"}])
        assert (chapter.reload().book_id, chapter.name) == (book.id, "y")

    def test_the_one_that_there_is_changes(self, library: dict[str, Any]) -> None:
        book = library["book"].create(title="a", cover={"color": "red"})
        book.patch_attributes(cover={"color": "blue"})
        (cover,) = library["cover"].find()
        assert (cover.color, cover.book_id) == ("blue", book.id)

    def test_the_record_that_is_named_changes_or_another_one_is_named(
        self, library: dict[str, Any]
    ) -> None:
        book = library["book"].create(title="a", main_author={"name": "Ada"})
        first = book.main_author_id
        book.patch_attributes(main_author={"id": first, "name": "Ada L."})
        assert library["author"].find_by_id(first).name == "Ada L."
        book.patch_attributes(main_author={"name": "Bob"})
        assert book.main_author_id != first
        with pytest.raises(ValidationError) as refused:
            book.patch_attributes(main_author={"id": first, "name": "x"})
        assert failures(refused) == {"main_author.id": "relation"}

    def test_lists_of_keys_grow(self, library: dict[str, Any]) -> None:
        book = library["book"].create(title="a", editors=[{"name": "x"}])
        book.patch_attributes(editors=[{"name": "y"}])
        names = [library["editor"].find_by_id(id).name for id in book.reload().editor_ids]
        assert names == ["x", "y"]

    def test_the_scope_of_a_relation_says_whose_they_are(self, source: DataSource) -> None:
        walls = source.create_model("NestWall", {"name": str})
        posters = source.create_model("NestPoster", {"kind": str, "text": str})
        walls.has_many(
            "adverts",
            model=posters,
            foreign_key="wall_id",
            scope={"where": {"kind": "advert"}},
            properties={"kind": "advert"},
            nested=True,
        )
        source.auto_migrate(drop=True)
        wall = walls.create(name="a", adverts=[{"text": "buy"}])
        assert posters.find_one().kind == "advert"
        other = posters.create(wall_id=wall.id, kind="art")
        with pytest.raises(ValidationError) as refused:
            wall.patch_attributes(adverts=[{"id": other.id, "text": "x"}])
        assert failures(refused) == {"adverts.0.id": "relation"}


class TestPolymorphic:
    @pytest.fixture
    def gallery(self, source: DataSource) -> tuple[Any, Any]:
        name = f"NestPainter{source.name}"
        painters = source.create_model(name, {"name": str})
        pictures = source.create_model(f"NestPicture{source.name}", {"url": str})
        painters.has_many("pictures", model=pictures, polymorphic="imageable", nested=True)
        pictures.belongs_to("imageable", polymorphic=True, nested=True)
        source.auto_migrate(drop=True)
        return painters, pictures

    def test_children_get_both_keys(self, gallery: tuple[Any, Any]) -> None:
        painters, pictures = gallery
        painter = painters.create(name="a", pictures=[{"url": "x", "imageable_type": "Other"}])
        (picture,) = pictures.find()
        assert (picture.imageable_id, picture.imageable_type) == (painter.id, painters.model_name)

    def test_the_model_of_the_parent_is_named_beside_it(self, gallery: tuple[Any, Any]) -> None:
        painters, pictures = gallery
        kind = painters.model_name
        picture = pictures.create(url="x", imageable_type=kind, imageable={"name": "b"})
        assert painters.find_by_id(picture.imageable_id).name == "b"
        with pytest.raises(ValidationError) as refused:
            pictures.create(url="x", imageable={"name": "b"})
        assert failures(refused) == {"imageable": "relation"}


class TestTransactions:
    def test_a_child_that_fails_leaves_nothing(self, library: dict[str, Any]) -> None:
        @library["page"].observe("after save")
        def refuse(ctx: Any) -> None:
            raise Conflict("not now")

        with pytest.raises(Conflict):
            library["book"].create(
                title="a",
                main_author={"name": "Ada"},
                chapters=[{"name": "x", "pages": [{"text": "y"}]}],
            )
        assert counts(library) == {}

    def test_children_are_observed(self, library: dict[str, Any]) -> None:
        told: list[Any] = []

        def tell(ctx: Any) -> None:
            told.append((ctx.model.model_name, ctx.event, ctx.is_new))

        for name in ("book", "chapter"):
            for event in ("before save", "after save"):
                library[name].observe(event)(tell)
        library["book"].create(title="a", chapters=[{"name": "x"}])
        assert told == [
            ("NestBook", "before save", True),
            ("NestChapter", "before save", True),
            ("NestChapter", "after save", True),
            ("NestBook", "after save", True),
        ]

    def test_observers_cannot_give_children_away(self, library: dict[str, Any]) -> None:
        @library["chapter"].observe("before save")
        def give_away(ctx: Any) -> None:
            ctx.data["book_id"] = 99
            ctx.data["name"] = ctx.data["name"].upper()

        book = library["book"].create(title="a", chapters=[{"name": "x"}])
        (chapter,) = library["chapter"].find()
        assert (chapter.book_id, chapter.name) == (book.id, "X")

    def test_signals_of_children_wait_for_the_end(self, library: dict[str, Any]) -> None:
        seen = []

        def receive(sender: Any, **sent: Any) -> None:
            seen.append((sent["instance"].name, library["tag"].count()))

        with record_saved.connected_to(receive, sender=library["chapter"]):
            library["book"].create(title="a", chapters=[{"name": "x"}], tags=[{"name": "t"}])
        assert seen == [("x", 1)]

    def test_children_elsewhere_are_all_or_none_too(self, source: DataSource) -> None:
        other = memory()
        orders = source.create_model("NestFarOrder", {"name": str})
        items = other.create_model("NestFarItem", {"name": {"type": str, "id": True}})
        orders.has_many("items", model=items, foreign_key="order_id", nested=True)
        source.auto_migrate(drop=True)
        seen = []
        items.observe("after save")(lambda ctx: seen.append(ctx.instance.order_id))
        order = orders.create(name="a", items=[{"name": "x"}, {"name": "y"}])
        assert seen == [order.id, order.id]

        @items.observe("after save")
        def refuse(ctx: Any) -> None:
            if ctx.instance.name == "w":
                raise Conflict("not now")

        with pytest.raises(Conflict):
            orders.create(name="b", items=[{"name": "v"}, {"name": "w"}])
        assert (orders.count(), items.count()) == (1, 2)


class TestConstraints:
    def test_new_parents_are_named_by_their_children(self, source: DataSource) -> None:
        books = source.create_model("NestHeldBook", {"title": str})
        chapters = source.create_model("NestHeldChapter", {"name": str})
        books.has_many(
            "chapters", model=chapters, foreign_key="book_id", nested=True, constraint=True
        )
        chapters.belongs_to("writer", model=books, constraint=True)
        source.auto_migrate(drop=True)
        book = books.create(title="a", chapters=[{"name": "x"}])
        assert chapters.find_one().book_id == book.id
        with pytest.raises(ValidationError) as refused:
            books.create([{"title": "b"}, {"chapters": [{"name": "y"}, {"writer_id": 99}]}])
        ((path, code),) = failures(refused).items()
        assert (path[-9:], code) == ("writer_id", "relation")
        assert (books.count(), chapters.count()) == (1, 1)

    def test_records_that_are_stored_together_name_each_other(self, source: DataSource) -> None:
        nodes = source.create_model("NestHeldNode", {"id": {"type": int, "id": True}})
        nodes.belongs_to("parent", model=nodes, constraint=True)
        source.auto_migrate(drop=True)
        nodes.create([{"id": 2, "parent_id": 2}])
        nodes.create({"id": 3, "parent_id": 3})
        assert nodes.count() == 2


class TestUnknownKeys:
    @pytest.mark.parametrize("strict", [True, False])
    def test_relations_that_are_not_nested_are_dropped(self, strict: bool) -> None:
        library = define_library(memory(), strict=strict)
        book = library["book"].create(title="a", notes=[{"text": "x"}], other=1)
        assert counts(library) == {"book": 1}
        stored = library["book"].find_by_id(book.id).to_record()
        assert "notes" not in stored
        assert ("other" in stored) is not strict

    def test_where_unknown_keys_are_refused_so_are_they(self, source: DataSource) -> None:
        library = define_library(source, strict="validate")
        with pytest.raises(ValidationError) as refused:
            library["book"].create(title="a", notes=[{"text": "x"}], chapters=[{"name": "y"}])
        assert failures(refused) == {"notes": "unknown-property"}
        with pytest.raises(ValidationError) as refused:
            library["book"].update_all({}, {"chapters": [{"name": "y"}], "notes": []})
        assert failures(refused) == dict.fromkeys(("chapters", "notes"), "unknown-property")

    def test_embedded_records_are_their_property(self, source: DataSource) -> None:
        people = source.create_model("NestPerson", {"name": str})
        addresses = source.create_model("NestAddress", {"street": {"type": str, "max_length": 5}})
        people.embeds_many("addresses", model=addresses, nested=True)
        people.embeds_one("home", model=addresses, nested=True)
        source.auto_migrate(drop=True)
        person = people.create(name="a", addresses=[{"street": "x"}], home={"street": "y"})
        stored = people.find_by_id(person.id).to_record()
        assert stored["_addresses"][0]["street"] == "x"
        assert stored["_home"]["street"] == "y"
        with pytest.raises(ValidationError):
            people.create(name="a", home={"street": "far too long"})
        person = people.create(name="a", home={"street": "x"}, _home={"street": "y"})
        assert person.home().street == "y"


class TestRemote:
    @pytest.fixture
    def shop(self) -> dict[str, Any]:
        source = memory()
        orders = source.create_model("NestOrder", {"buyer": {"type": str, "required": True}})
        items = source.create_model(
            "NestItem",
            {
                "label": {"type": str, "max_length": 5, "data_key": "name"},
                "price": {"type": int, "read_only": True, "default": 7},
                "origin": {"type": str, "create_only": True},
                "secret": {"type": str, "hidden": True},
            },
        )
        orders.has_many("line_items", model=items, foreign_key="order_id", nested=True)
        return {"order": orders, "item": items}

    @pytest.fixture
    def client(self, shop: dict[str, Any]) -> FlaskClient:
        app = Flask(__name__)
        loop = Loop(app)
        loop.model(shop["order"])
        loop.model(shop["item"])
        return app.test_client()

    def test_children_come_under_their_wire_name_and_are_in_the_answer(
        self, client: FlaskClient, shop: dict[str, Any]
    ) -> None:
        answer = client.post(
            "/NestOrders", json={"buyer": "Ada", "lineItems": [{"name": "x"}, {"name": "y"}]}
        )
        assert answer.status_code == 200
        shown = {"price": 7, "origin": None, "orderId": 1}
        assert answer.json == {
            "id": 1,
            "buyer": "Ada",
            "lineItems": [{"id": 1, "name": "x", **shown}, {"id": 2, "name": "y", **shown}],
        }
        assert client.get("/NestOrders/1").json == {"id": 1, "buyer": "Ada"}

    def test_several_parents_answer_with_their_children(self, client: FlaskClient) -> None:
        answer = client.post(
            "/NestOrders",
            json=[{"buyer": "a", "lineItems": [{"name": "x"}]}, {"buyer": "b"}],
        )
        assert [[item["name"] for item in each["lineItems"]] for each in answer.json] == [["x"], []]

    @pytest.mark.parametrize(
        ("verb", "path"),
        [("patch", "/NestOrders/1"), ("put", "/NestOrders/1"), ("patch", "/NestOrders")],
    )
    def test_changes_answer_with_all_children(
        self, client: FlaskClient, verb: str, path: str
    ) -> None:
        client.post("/NestOrders", json={"buyer": "a", "lineItems": [{"name": n} for n in "xy"]})
        body = {"id": 1, "buyer": "b", "lineItems": [{"id": 2, "name": "Y"}, {"name": "z"}]}
        answer = getattr(client, verb)(path, json=body)
        assert answer.status_code == 200
        assert [each["name"] for each in answer.json["lineItems"]] == ["x", "Y", "z"]
        assert answer.json["buyer"] == "b"

    def test_errors_come_by_wire_names(self, client: FlaskClient) -> None:
        body = {"lineItems": [{"name": "fine"}, {"name": "far too long"}]}
        answer = client.post("/NestOrders", json=body)
        assert answer.status_code == 422
        details = answer.json["error"]["details"]
        assert details["context"] == "NestOrder"
        assert details["codes"] == {"buyer": ["presence"], "lineItems.1.name": ["length.max"]}
        answer = client.post("/NestOrders", json=[{"buyer": "a"}, body])
        assert "1.lineItems.1.name" in answer.json["error"]["details"]["codes"]

    def test_flags_of_the_children_bind_clients(
        self, client: FlaskClient, shop: dict[str, Any]
    ) -> None:
        item = {"name": "x", "price": 1, "origin": "here", "secret": "s", "orderId": 5}
        client.post("/NestOrders", json={"buyer": "a", "lineItems": [item]})
        stored = shop["item"].find_one()
        assert (stored.price, stored.origin, stored.order_id) == (7, "here", 1)
        client.patch("/NestOrders/1", json={"lineItems": [{"id": 1, "origin": "there"}]})
        assert stored.reload().origin == "here"

    def test_clients_cannot_choose_ids(self, client: FlaskClient, shop: dict[str, Any]) -> None:
        client.post("/NestOrders", json={"buyer": "a", "lineItems": [{"name": "x"}]})
        client.post("/NestOrders", json={"buyer": "b"})
        for id in (1, 99):
            for verb, path in (("patch", "/NestOrders/2"), ("post", "/NestOrders")):
                body = {"buyer": "c", "lineItems": [{"id": id, "name": "z"}]}
                answer = getattr(client, verb)(path, json=body)
                assert answer.status_code == 422
                assert answer.json["error"]["details"]["codes"] == {"lineItems.0.id": ["relation"]}
        assert [each.label for each in shop["item"].find()] == ["x"]

    def test_python_names_mean_nothing(self, client: FlaskClient, shop: dict[str, Any]) -> None:
        answer = client.post("/NestOrders", json={"buyer": "a", "line_items": [{"name": "x"}]})
        assert answer.status_code == 200
        client.post("/NestOrders", json={"buyer": "a", "lineItems": [{"label": "x"}]})
        assert [each.label for each in shop["item"].find()] == [None]

    def test_an_own_version_of_the_operation_gets_what_clients_may_write(
        self, client: FlaskClient, shop: dict[str, Any]
    ) -> None:
        seen: list[Any] = []

        class NestOwnOrder(shop["order"]):  # type: ignore[misc, name-defined]
            @classmethod
            def create(cls, data: Any = None, /, **values: Any) -> Any:
                seen.append(data)
                return super().create(data, **values)

        app = Flask(__name__)
        Loop(app).model(NestOwnOrder)
        body = {"buyer": "a", "lineItems": [{"name": "x", "price": 1}]}
        answer = app.test_client().post("/nestOwnOrders", json=body)
        assert answer.status_code == 200
        assert seen == [{"buyer": "a", "line_items": [{"label": "x"}]}]
        assert [each["name"] for each in answer.json["lineItems"]] == ["x"]


class TestAnswers:
    def test_the_instance_has_them_as_an_include_would(self, library: dict[str, Any]) -> None:
        book = library["book"].create(
            title="a", chapters=[{"name": "x", "pages": [{"text": "p"}]}], tags=[{"name": "t"}]
        )
        shown = book.to_dict()
        assert [each["name"] for each in shown["chapters"]] == ["x"]
        assert [each["text"] for each in shown["chapters"][0]["pages"]] == ["p"]
        assert [each["name"] for each in shown["tags"]] == ["t"]
        assert "notes" not in shown
