"""What becomes of related records when a record is deleted, beside what every connector does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask

from flask_loop import (
    DataSource,
    HasMany,
    Loop,
    Model,
    Prop,
    create_data_source,
    memory,
    relation,
)
from flask_loop.errors import Conflict, TooMuchToRead
from flask_loop.query import Filter
from flask_loop.relations import deleting
from flask_loop.signals import records_deleted, records_updated


@pytest.fixture(params=["memory", "sqlite"])
def source(request: pytest.FixtureRequest) -> Iterator[DataSource]:
    made = (
        memory()
        if request.param == "memory"
        else create_data_source(connector="sqlite", url="sqlite://")
    )
    yield made
    made.close()


def pair(source: DataSource, other: DataSource | None = None, **options: Any) -> tuple[Any, Any]:
    """Two models, of which the second's records belong to the first's, and a few of each."""
    parents = source.create_model("DeletedParent", {"id": {"type": int, "id": True}, "name": str})
    children = (other or source).create_model(
        "DeletedChild", {"id": {"type": int, "id": True}, "tag": str}
    )
    parents.has_many("children", model=children, foreign_key="parent_id", **options)
    for each in {source, other or source}:
        each.auto_migrate(drop=True)
    parents.create([{"id": 1}, {"id": 2}])
    children.create([{"id": id, "parent_id": 1 if id < 3 else 2} for id in (1, 2, 3)])
    return parents, children


class TestObserversAndSignals:
    def test_children_are_observed_once_with_their_where(self, source: DataSource) -> None:
        parents, children = pair(source, on_delete="cascade")
        seen: list[tuple[Any, ...]] = []

        @children.observe("before delete")
        def before(ctx: Any) -> None:
            seen.append(("before", children.count(ctx.where), ctx.instance))

        @children.observe("after delete")
        def after(ctx: Any) -> None:
            seen.append(("after", ctx.count))

        parents.destroy_by_id(1)
        assert seen == [("before", 2, None), ("after", 2)]

    def test_children_go_before_their_parent(self, source: DataSource) -> None:
        parents, children = pair(source, on_delete="cascade")
        order = []
        parents.observe("before delete")(lambda ctx: order.append("before parent"))
        children.observe("before delete")(lambda ctx: order.append("before child"))
        children.observe("after delete")(lambda ctx: order.append("after child"))
        parents.observe("after delete")(lambda ctx: order.append("after parent"))
        parents.destroy_by_id(1)
        assert order == ["before parent", "before child", "after child", "after parent"]

    def test_an_observer_of_the_children_refuses_the_whole(self, source: DataSource) -> None:
        parents, children = pair(source, on_delete="cascade")

        @children.observe("before delete")
        def refuse(ctx: Any) -> None:
            raise Conflict("they are needed")

        with pytest.raises(Conflict, match="needed"):
            parents.destroy_all()
        assert (parents.count(), children.count()) == (2, 3)

    @pytest.mark.parametrize("event", ["access", "before delete"])
    def test_narrowing_the_children_leaves_no_orphans(self, source: DataSource, event: str) -> None:
        parents, children = pair(source, on_delete="cascade")
        children.observe(event)(lambda ctx: ctx.narrow({"id": 1}))
        parents.destroy_by_id(1)
        assert [row["id"] for row in _records(children)] == [3]

    def test_a_default_scope_of_the_children_leaves_no_orphans(self, source: DataSource) -> None:
        parents = source.create_model("ScopedAwayParent", {"name": str})
        children = source.create_model(
            "ScopedAwayChild", {"tag": str}, scope={"where": {"tag": "shown"}}
        )
        parents.has_many("children", model=children, foreign_key="parent_id", on_delete="cascade")
        source.auto_migrate(drop=True)
        parent = parents.create()
        children.create([{"parent_id": parent.id, "tag": tag} for tag in ("shown", "hidden")])
        parent.destroy()
        assert _records(children) == []

    def test_narrowing_the_parents_spares_their_children(self, source: DataSource) -> None:
        parents, children = pair(source, on_delete="cascade")
        parents.observe("access")(lambda ctx: ctx.narrow({"id": 2}))
        assert parents.destroy_all() == 1
        assert parents.destroy_by_id(1) == 0
        assert [each.id for each in children.find()] == [1, 2]

    def test_signals_of_the_children_are_sent_when_all_is_done(self, source: DataSource) -> None:
        parents, children = pair(source, on_delete="cascade")
        seen = []

        def receive(sender: Any, **sent: Any) -> None:
            seen.append((sent["count"], parents.count()))

        with records_deleted.connected_to(receive, sender=children), source.transaction():
            parents.destroy_by_id(1)
            assert seen == []
        # It was sent once, after the parent had gone as well.
        assert seen == [(2, 1)]

    def test_keys_that_are_taken_out_are_told_as_changes(self, source: DataSource) -> None:
        parents, children = pair(source, on_delete="set_null")
        seen: list[Any] = []
        children.observe("before save")(lambda ctx: seen.append(dict(ctx.data)))
        children.observe("after save")(lambda ctx: seen.append(ctx.count))

        def receive(sender: Any, **sent: Any) -> None:
            seen.append((sent["data"], sent["count"]))

        with records_updated.connected_to(receive, sender=children):
            parents.destroy_by_id(1)
        assert seen == [{"parent_id": None}, 2, ({"parent_id": None}, 2)]
        assert [each.parent_id for each in children.find()] == [None, None, 2]

    def test_those_that_take_the_key_out_cannot_keep_it(self, source: DataSource) -> None:
        parents, children = pair(source, on_delete="set_null")

        @children.observe("before save")
        def keep(ctx: Any) -> None:
            ctx.narrow({"id": 1})
            ctx.data["parent_id"] = 2

        parents.destroy_by_id(1)
        assert [each.parent_id for each in children.find()] == [None, None, 2]

    def test_members_of_a_tree_are_told_apart_from_its_root(self, source: DataSource) -> None:
        nodes = source.create_model("ToldNode", {"id": {"type": int, "id": True}})
        nodes.belongs_to("parent", model=nodes, on_delete="cascade")
        source.auto_migrate(drop=True)
        nodes.create([{"id": 1}, {"id": 2, "parent_id": 1}, {"id": 3, "parent_id": 2}])
        counts = []
        nodes.observe("after delete")(lambda ctx: counts.append(ctx.count))
        assert nodes.destroy_by_id(1) == 1
        assert counts == [2, 1]
        assert nodes.count() == 0


class TestQueries:
    def test_one_query_for_each_dependent_whatever_their_number(self, source: DataSource) -> None:
        parents, children = pair(source, on_delete="cascade")
        children.create([{"id": id, "parent_id": 1} for id in range(10, 200)])
        calls = _counted(source)
        parents.destroy_all()
        assert calls == {"select": 1, "delete": 2}
        assert children.count() == 0

    def test_a_model_that_nobody_hangs_on_is_deleted_at_once(self, source: DataSource) -> None:
        _, children = pair(source, on_delete="cascade")
        calls = _counted(source)
        children.destroy_all()
        children.destroy_by_id(1)
        assert calls == {"delete": 2}

    def test_a_database_does_what_it_can_by_itself(self) -> None:
        source = create_data_source(connector="sqlite", url="sqlite://")
        parents, children = pair(source, on_delete="cascade", constraint=True)
        calls = _counted(source)
        parents.destroy_by_id(1)
        assert calls == {"delete": 1}
        assert [each.id for each in children.find()] == [3]
        source.close()

    def test_a_database_is_not_relied_on_where_children_are_observed(self) -> None:
        source = create_data_source(connector="sqlite", url="sqlite://")
        parents, children = pair(source, on_delete="cascade", constraint=True)
        seen: list[Any] = []
        children.observe("after delete")(lambda ctx: seen.append(ctx.count))
        parents.destroy_by_id(1)
        assert seen == [2]
        source.close()


class TestSeveralSources:
    def test_children_elsewhere_go_too(self, source: DataSource) -> None:
        other = memory()
        parents, children = pair(source, other, on_delete="cascade")
        parents.destroy_by_id(1)
        assert [each.id for each in children.find()] == [3]

    def test_what_cannot_be_deleted_brings_back_children_elsewhere(
        self, source: DataSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = memory()
        parents, children = pair(source, other, on_delete="cascade")
        gone = []

        def fail(*given: Any) -> int:
            gone.append(children.count())
            raise RuntimeError("the disk is full")

        monkeypatch.setattr(source.connector, "delete", fail)
        with pytest.raises(RuntimeError, match="disk"):
            parents.destroy_by_id(1)
        assert gone == [1]
        assert (parents.count(), children.count()) == (2, 3)

    def test_children_elsewhere_restrict_too(self, source: DataSource) -> None:
        parents, _ = pair(source, memory(), on_delete="restrict")
        with pytest.raises(Conflict) as refused:
            parents.destroy_by_id(2)
        assert refused.value.details == {"relation": "DeletedParent.children", "count": 1}
        assert parents.count() == 2

    def test_children_that_are_kept_nowhere_matter_to_nobody(self, source: DataSource) -> None:
        class UnkeptChild(Model):
            tag: Prop[str | None]

        class UnkeptParent(Model):
            children: HasMany[UnkeptChild] = relation(on_delete="restrict")

        UnkeptParent.attach_to(source)
        source.auto_migrate(drop=True)
        assert UnkeptParent.create().destroy() == 1


class TestKinds:
    def test_rows_that_link_go_and_what_they_link_stays(self, source: DataSource) -> None:
        tags = source.create_model(f"GoneTag{source.name}", {"name": str})
        posts = source.create_model(f"GonePost{source.name}", {"title": str})
        posts.has_and_belongs_to_many("tags", model=tags)
        source.auto_migrate(drop=True)
        post, other = posts.create(title="a"), posts.create(title="b")
        relation = posts.definition.find_relation("tags")
        links = relation.through.model
        (to_post,), (to_tag,) = relation.links[0].theirs, relation.links[1].own
        for each in (post, other):
            links.create({to_post: each.id, to_tag: tags.create(name="x").id})
        post.destroy()
        assert [getattr(each, to_post) for each in links.find()] == [other.id]
        assert tags.count() == 2

    def test_those_of_another_model_with_the_same_key_stay(self, source: DataSource) -> None:
        pictures = source.create_model("GonePicture", {"url": str})
        owners = [source.create_model(f"GoneOwner{n}", {"name": str}) for n in (1, 2)]
        for each in owners:
            each.has_many("pictures", model=pictures, polymorphic="imageable", on_delete="cascade")
        source.auto_migrate(drop=True)
        for each in owners:
            made = each.create()
            pictures.create(imageable_id=made.id, imageable_type=each.model_name)
        owners[0].destroy_all()
        assert [each.imageable_type for each in pictures.find()] == ["GoneOwner2"]

    def test_both_keys_of_a_polymorphic_relation_are_taken_out(self, source: DataSource) -> None:
        pictures = source.create_model("FreedPicture", {"url": str})
        owners = source.create_model("FreedOwner", {"name": str})
        owners.has_one("picture", model=pictures, polymorphic="imageable", on_delete="set_null")
        source.auto_migrate(drop=True)
        owner = owners.create()
        pictures.create(imageable_id=owner.id, imageable_type="FreedOwner")
        owner.destroy()
        (picture,) = pictures.find()
        assert (picture.imageable_id, picture.imageable_type) == (None, None)

    def test_keys_of_several_properties_are_followed(self, source: DataSource) -> None:
        lines = source.create_model(
            "GoneLine", {"order": {"type": int, "id": 1}, "number": {"type": int, "id": 2}}
        )
        notes = source.create_model("GoneNote", {"text": str})
        notes.belongs_to("line", model=lines, on_delete="cascade")
        source.auto_migrate(drop=True)
        lines.create([{"order": 1, "number": n} for n in (1, 2)])
        for number in (1, 2, None):
            notes.create(line_order=1, line_number=number)
        lines.destroy_by_id((1, 2))
        assert [each.line_number for each in notes.find(order="id")] == [1, None]

    def test_one_that_goes_by_two_ways_goes_once(self, source: DataSource) -> None:
        tops, mids, lows = (source.create_model(f"GoneWay{n}", {"name": str}) for n in (1, 2, 3))
        tops.has_many("mids", model=mids, foreign_key="top_id", on_delete="cascade")
        tops.has_many("lows", model=lows, foreign_key="top_id", on_delete="cascade")
        mids.has_many("lows", model=lows, foreign_key="mid_id", on_delete="restrict")
        source.auto_migrate(drop=True)
        top = tops.create()
        mid = mids.create(top_id=top.id)
        lows.create(top_id=top.id, mid_id=mid.id)
        assert top.destroy() == 1
        assert (mids.count(), lows.count()) == (0, 0)
        other = mids.create()
        lows.create(mid_id=other.id)
        with pytest.raises(Conflict):
            other.destroy()


class TestBounds:
    """How many records are read to find out what goes with those that are deleted."""

    @pytest.fixture
    def tree(self, source: DataSource) -> tuple[Any, Any, Any]:
        """Two records, of which the first has two below it, and three leaves below these."""
        roots, nodes = pair(source, memory(), on_delete="cascade")
        leaves = memory().create_model("DeletedLeaf", {"id": {"type": int, "id": True}})
        nodes.has_many("leaves", model=leaves, foreign_key="node_id", on_delete="cascade")
        leaves.create([{"id": id, "node_id": 1} for id in (1, 2, 3)])
        return roots, nodes, leaves

    def test_those_that_have_to_be_known_are_bounded(self, tree: tuple[Any, Any, Any]) -> None:
        roots, nodes, leaves = tree
        nodes.data_source.connector.max_scan = 1
        with pytest.raises(TooMuchToRead, match="More than 1 records of DeletedChild"):
            roots.destroy_by_id(1)
        assert [each.count() for each in tree] == [2, 3, 3]
        nodes.data_source.connector.max_scan = 2
        leaves.data_source.connector.max_scan = 1  # whose records nobody needs to know
        assert roots.destroy_by_id(1)
        assert [each.count() for each in tree] == [1, 1, 0]

    def test_the_bound_is_of_all_that_are_known(
        self, tree: tuple[Any, Any, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roots, nodes, _ = tree
        monkeypatch.setattr(deleting, "CHUNK", 1)
        nodes.data_source.connector.max_scan = 2
        with pytest.raises(TooMuchToRead):
            roots.destroy_all()
        assert [each.count() for each in tree] == [2, 3, 3]

    def test_those_that_are_deleted_at_first_are_bounded(self, tree: tuple[Any, Any, Any]) -> None:
        roots, _, _ = tree
        roots.data_source.connector.max_scan = 1
        with pytest.raises(TooMuchToRead, match="More than 1 records of DeletedParent"):
            roots.destroy_all()
        assert roots.destroy_all({"id": 1}) == 1
        assert [each.count() for each in tree] == [1, 1, 0]

    def test_those_that_may_stay_are_bounded_where_each_has_to_be_looked_at(
        self, source: DataSource
    ) -> None:
        parents, children = pair(source, memory(), on_delete="cascade")
        children.belongs_to("first", model=children, foreign_key="first_id")
        children.has_many("later", model=children, foreign_key="first_id", on_delete="restrict")
        children.update_all({"id": {"inq": [2, 3]}}, {"first_id": 1})
        children.create([{"id": 4, "first_id": 1}])
        with pytest.raises(Conflict, match="1 of"):
            parents.destroy_all()
        children.destroy_by_id(4)
        children.data_source.connector.max_scan = 3
        children.create([{"id": id, "first_id": 1} for id in (4, 5)])
        with pytest.raises(TooMuchToRead):
            parents.destroy_all()
        children.data_source.connector.max_scan = 4
        with pytest.raises(Conflict, match="2 of"):
            parents.destroy_all()
        assert (parents.count(), children.count()) == (2, 5)

    def test_what_is_deleted_by_its_key_alone_has_no_bound(self, source: DataSource) -> None:
        parents, children = pair(source, memory(), on_delete="cascade")
        children.data_source.connector.max_scan = 1
        assert parents.destroy_all() == 2
        assert children.count() == 0

    def test_what_is_only_counted_has_no_bound(self, source: DataSource) -> None:
        parents, children = pair(source, memory(), on_delete="restrict")
        children.data_source.connector.max_scan = 1
        with pytest.raises(Conflict, match="3 of"):
            parents.destroy_all()

    def test_why_a_database_refuses_is_looked_for_in_so_many_records(self) -> None:
        source = create_data_source(connector="sqlite", url="sqlite://")
        parents, children = pair(source, on_delete="restrict", constraint=True)
        for most, details in ((2, {"relation": "DeletedParent.children", "count": 3}), (1, None)):
            source.connector.max_scan = most
            with pytest.raises(Conflict) as refused:
                parents.destroy_all()
            assert refused.value.error_code == "RESTRICTED"
            assert refused.value.details == details
        assert (parents.count(), children.count()) == (2, 3)
        source.close()


class TestRemote:
    @pytest.fixture
    def client(self) -> Any:
        app = Flask(__name__)
        app.config["LOOP_DATA_SOURCES"] = {"db": {"connector": "memory"}}
        loop = Loop(app)
        source = loop.data_source("db")
        books = source.create_model("HeldBook", {"name": str})
        pages = source.create_model("HeldPage", {"text": str})
        books.has_many("pages", model=pages, foreign_key="book_id", on_delete="restrict")
        loop.model(books)
        with app.app_context():
            source.auto_migrate(drop=True)
            book = books.create(name="a")
            pages.create(book_id=book.id)
        return app.test_client()

    def test_a_restriction_is_a_409_that_names_the_relation(self, client: Any) -> None:
        answer = client.delete("/HeldBooks/1")
        assert answer.status_code == 409
        error = answer.json["error"]
        assert error["code"] == "RESTRICTED"
        assert error["details"] == {"relation": "HeldBook.pages", "count": 1}
        assert client.get("/HeldBooks/1").status_code == 200


def _records(model: Any) -> list[dict[str, Any]]:
    """All records of a model as its data source has them, whatever narrows what is found."""
    plan = model.__loop_plan__()
    return plan.connector.select(plan.definition, Filter()).records()


def _counted(source: DataSource) -> dict[str, int]:
    """How often each method of a source's connector is called from now on."""
    calls: dict[str, int] = {}
    connector = source.connector
    for name in ("select", "get", "count", "insert", "update", "delete"):

        def counted(*given: Any, name: str, call: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return call(*given)

        setattr(connector, name, partial(counted, name=name, call=getattr(connector, name)))
    return calls
