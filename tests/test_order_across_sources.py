"""How much of one data source is read for a filter that looks at the records of another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from json import dumps
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, create_data_source, memory
from flask_loop.errors import TooMuchToRead
from tests.collection import Collections, served
from tests.servers import Server
from tests.sources import DOCUMENTS, opened

Opened = Callable[..., DataSource]

#: Backends that find the records which equal a value by themselves; a list over HTTP is whole.
NARROWING = [each for each in DOCUMENTS if each != "rest"]


@pytest.fixture
def open_source(get_server: Callable[[str], Server]) -> Iterator[Opened]:
    """A function that opens an empty data source of a connector."""
    with ExitStack() as afterwards:
        yield lambda connector, **settings: afterwards.enter_context(
            opened(connector, get_server, **settings)
        )


def people_and_visits(people: DataSource, visits: DataSource, name: str) -> tuple[Any, Any]:
    """Three people of one data source, of whom each has two visits, which are on another.

    :param name: of the models, among those of other tests.
    """
    person = people.create_model(
        f"person_{name}", {"name": {"type": str, "max_length": 40, "index": True}}
    )
    indexed = {"type": int, "index": True}
    visit = visits.create_model(f"visit_{name}", {"at": indexed, "person_id": indexed})
    visit.belongs_to("person", model=person, foreign_key="person_id")
    person.has_many("visits", model=visit, foreign_key="person_id")
    for model in (person, visit):
        model.data_source.auto_update([model])
    keys = [each.id for each in person.create([{"name": n} for n in "cab"])]
    visit.create([{"at": at, "person_id": keys[at % 3]} for at in range(6)])
    return person, visit


def times(found: list[Any]) -> list[int]:
    return [each.at for each in found]


# Orders


@pytest.mark.parametrize("connector", NARROWING)
def test_an_order_by_records_elsewhere_reads_no_more_than_may_be_read(
    open_source: Opened, connector: str
) -> None:
    _, visit = people_and_visits(
        memory(), open_source(connector, max_scan=5), f"bounded_{connector}"
    )
    with pytest.raises(TooMuchToRead, match=f"More than 5 records of visit_bounded_{connector}"):
        visit.find(order="person.name", limit=1)
    found = visit.find(where={"at": {"gt": 0}}, order=["person.name", "at"], limit=3)
    assert times(found) == [1, 4, 2]
    found = visit.find(where={"at": {"gt": 0}}, order=["person.name DESC", "at"], skip=3)
    assert times(found) == [1, 4]


@pytest.mark.parametrize("connector", ["memory", "sqlite"])
def test_an_order_by_records_elsewhere_is_bounded_where_no_setting_says_it(
    open_source: Opened, connector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(connector)
    _, visit = people_and_visits(memory(), source, f"constant_{connector}")
    assert source.connector.max_scan == 100_000
    monkeypatch.setattr(source.connector, "max_scan", 6)
    assert times(visit.find(order=["person.name", "at"])) == [1, 4, 2, 5, 0, 3]
    monkeypatch.setattr(source.connector, "max_scan", 5)
    with pytest.raises(TooMuchToRead):
        visit.find(order="person.name")


@pytest.mark.parametrize("connector", DOCUMENTS)
def test_as_many_related_records_are_read_for_an_order_as_may_be_read_of_them(
    open_source: Opened, connector: str
) -> None:
    _, visit = people_and_visits(open_source(connector, max_scan=2), memory(), f"few_{connector}")
    with pytest.raises(TooMuchToRead, match=f"More than 2 records of person_few_{connector}"):
        visit.find(order="person.name")
    # The first and the fourth visit are of one person.
    found = visit.find(where={"at": {"inq": [0, 1, 3]}}, order=["person.name", "at"])
    assert times(found) == [1, 0, 3]


@pytest.mark.parametrize("connector", ["memory", "mongodb", "couchdb"])
def test_an_order_by_one_of_several_records_goes_by_the_first_of_them(
    open_source: Opened, connector: str
) -> None:
    person, visit = people_and_visits(memory(), open_source(connector), f"first_{connector}")
    person.has_one("latest", model=visit, foreign_key="person_id")
    cid, _, bob = person.find(order="id")
    visit.update_all({"person_id": cid.id, "at": 0}, {"at": 9})
    visit.update_all({"person_id": bob.id, "at": 5}, {"at": 0})
    assert [each.name for each in person.find(order="latest.at")] == ["a", "b", "c"]


def test_a_whole_list_over_http_is_read_for_an_order_or_none(open_source: Opened) -> None:
    source = open_source("rest", max_scan=6)
    _, visit = people_and_visits(memory(), source, "whole_list")
    found = visit.find(where={"at": {"gt": 0}}, order=["person.name", "at"], limit=3)
    assert times(found) == [1, 4, 2]
    visit.create(at=6)
    with pytest.raises(TooMuchToRead, match="More than 6 records of visit_whole_list"):
        visit.find(where={"at": {"gt": 0}}, order="person.name", limit=3)


def test_an_order_by_records_of_the_same_database_has_no_bound(
    open_source: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source("sqlite")
    person, visit = people_and_visits(source, source, "together")
    monkeypatch.setattr(source.connector, "max_scan", 1)
    assert times(visit.find(order=["person.name", "at"])) == [1, 4, 2, 5, 0, 3]
    assert len(visit.find(where={"person.name": {"gte": "a"}})) == 6
    assert [len(each.visits()) for each in person.find(include="visits")] == [2, 2, 2]
    explained = source.explain(visit, {"order": "person.name"})
    assert explained["python"] == {"where": [], "order": False}
    assert "ORDER BY" in explained["backend"]


@pytest.mark.parametrize("connector", ["sqlite", "memory", *DOCUMENTS])
def test_it_is_explained_that_python_orders_by_records_elsewhere(
    open_source: Opened, connector: str
) -> None:
    source = open_source(connector)
    _, visit = people_and_visits(memory(), source, f"explained_{connector}")
    filter = {"where": {"at": {"gt": 2}}, "order": "person.name", "limit": 1}
    explained = source.explain(visit, filter)
    assert explained["connector"] == source.connector.name
    assert explained["python"]["order"] is True
    if connector == "sqlite":
        assert "ORDER BY" not in explained["backend"]
        assert "LIMIT" in explained["backend"]


def test_clients_are_told_that_an_order_would_read_too_much(
    open_source: Opened, make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    person, visit = people_and_visits(memory(), open_source("rest", max_scan=5), "over_rest")
    client = make_app(person, visit).test_client()
    asked = {"filter": dumps({"order": "person.name"})}
    with caplog.at_level(logging.WARNING):
        refused = client.get("/api/visit_over_rests", query_string=asked)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (400, "TOO_MUCH_TO_READ")
    assert "visit_over_rest" in caplog.text
    assert "max_scan" in caplog.text


def test_the_order_of_a_scope_is_bounded_as_any(
    open_source: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, source = memory(), open_source("sqlite")
    person = people.create_model("person_of_a_scope", {"name": str})
    visit = source.create_model(
        "visit_of_a_scope", {"at": int}, {"scope": {"order": ["person.name", "at"], "limit": 2}}
    )
    visit.belongs_to("person", model=person, foreign_key="person_id")
    source.auto_update()
    keys = [each.id for each in person.create([{"name": n} for n in "cab"])]
    visit.create([{"at": at, "person_id": keys[at % 3]} for at in range(6)])
    monkeypatch.setattr(source.connector, "max_scan", 6)
    assert times(visit.find()) == [1, 4]
    monkeypatch.setattr(source.connector, "max_scan", 5)
    with pytest.raises(TooMuchToRead):
        visit.find()
    assert times(visit.find(where={"at": {"gt": 0}})) == [1, 4]


def test_a_server_that_sorts_is_asked_for_no_order_where_python_sorts() -> None:
    collections = Collections()
    with served(collections) as url:
        source = create_data_source(connector="rest", base_url=url, query={"order": "sort"})
        try:
            _, visit = people_and_visits(memory(), source, "sorting")
            collections.asked.clear()
            assert times(visit.find(order=["person.name", "at"])) == [1, 4, 2, 5, 0, 3]
            assert collections.asked == [("GET", "/visit_sortings", "")]
            explained = source.explain(visit, {"order": "person.name"})
            assert (explained["backend"]["params"], explained["python"]["order"]) == ({}, True)
        finally:
            source.close()


# Wheres


@pytest.mark.parametrize("connector", NARROWING)
def test_a_where_on_records_elsewhere_reads_no_more_keys_than_may_be_read(
    open_source: Opened, connector: str
) -> None:
    name = f"keys_{connector}"
    person, visit = people_and_visits(open_source(connector, max_scan=2), memory(), name)
    some, every = {"person.name": {"gt": "a"}}, {"person.name": {"gte": "a"}}
    assert sorted(times(visit.find(where=some))) == [0, 2, 3, 5]
    assert visit.count(some) == 4
    looks: list[Callable[[], Any]] = [
        lambda: visit.find(where=every),
        lambda: visit.find(where=every, limit=1),
        lambda: visit.count(every),
        lambda: visit.update_all(every, {"at": 9}),
        lambda: visit.destroy_all(every),
    ]
    for look in looks:
        with pytest.raises(TooMuchToRead, match=f"More than 2 records of person_{name}"):
            look()
    assert sorted(times(visit.find())) == [0, 1, 2, 3, 4, 5]
    assert visit.update_all({"person.name": "a"}, {"at": 9}) == 2
    assert visit.destroy_all(some) == 4
    assert times(visit.find()) == [9, 9]
    assert person.count({"visits.at": 9}) == 1


@pytest.mark.parametrize("connector", ["memory", "sqlite"])
def test_keys_are_bounded_where_no_setting_says_it(
    open_source: Opened, connector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(connector)
    person, visit = people_and_visits(memory(), source, f"key_constant_{connector}")
    monkeypatch.setattr(source.connector, "max_scan", 3)
    assert person.count({"visits.at": {"lt": 3}}) == 3
    with pytest.raises(TooMuchToRead, match="More than 3 records of visit_key_constant"):
        person.count({"visits.at": {"lt": 4}})
    assert visit.count({"person.name": {"gte": "a"}}) == 6


def test_a_default_scope_that_looks_elsewhere_is_bounded_as_any_where(open_source: Opened) -> None:
    people = open_source("redis", max_scan=2)
    person, _ = people_and_visits(people, memory(), "where_of_a_scope")
    source = memory()
    known = source.create_model(
        "known_visit", {"at": int}, {"scope": {"where": {"person.name": {"gte": "a"}}}}
    )
    known.belongs_to("person", model=person, foreign_key="person_id")
    known.create(at=1, person_id=person.find_one().id)
    with pytest.raises(TooMuchToRead):
        known.find()
    with pytest.raises(TooMuchToRead):
        known.count()
    person.destroy_all({"name": "b"})
    assert (known.count(), times(known.find())) == (1, [1])


def test_a_where_that_a_view_would_have_to_walk_for_is_still_asked_of_couchdb(
    open_source: Opened,
) -> None:
    source = open_source("couchdb", max_scan=4)
    person, visit = people_and_visits(memory(), source, "mango")
    # The three visits of one person are few, though all visits are more than may be read.
    key = person.find_one({"name": "a"}).id
    visit.create([{"at": 6}, {"at": 7, "person_id": key}])
    found = visit.find(where={"person_id": key}, order=["person.name", "at"])
    assert times(found) == [1, 4, 7]
    assert [each.name for each in person.find(where={"visits.person_id": key})] == ["a"]
    (one,) = person.find(
        where={"name": "a"},
        include={"relation": "visits", "scope": {"order": "at DESC", "limit": 2}},
    )
    assert times(one.visits()) == [7, 4]


# Includes


@pytest.mark.parametrize("connector", NARROWING)
def test_an_include_that_is_paged_in_python_reads_no_more_than_may_be_read(
    open_source: Opened, connector: str
) -> None:
    name = f"paged_{connector}"
    person, visit = people_and_visits(memory(), open_source(connector, max_scan=5), name)
    include = {"relation": "visits", "scope": {"order": "at DESC", "limit": 1}}
    with pytest.raises(TooMuchToRead, match=f"More than 5 records of visit_{name}"):
        person.find(include=include)
    found = person.find(where={"name": {"lt": "c"}}, include=include, order="name")
    assert [times(each.visits()) for each in found] == [[4], [5]]
    assert visit.count() == 6


@pytest.mark.parametrize("connector", ["mongodb", "couchdb", "remote"])
def test_an_include_whose_answer_has_all_that_is_read_is_not_bounded(
    open_source: Opened, connector: str
) -> None:
    source = open_source(connector, max_scan=5)
    person, _ = people_and_visits(memory(), source, f"whole_{connector}")
    found = person.find(include="visits", order="name")
    assert [sorted(times(each.visits())) for each in found] == [[1, 4], [2, 5], [0, 3]]


@pytest.mark.parametrize("connector", NARROWING)
def test_what_links_records_of_other_sources_is_bounded(
    open_source: Opened, connector: str
) -> None:
    source = open_source(connector, max_scan=3)
    tag = memory().create_model(f"tag_links_{connector}", {"name": str})
    post = memory().create_model(f"post_links_{connector}", {"title": str})
    key = {"type": int, "index": True}
    mark = source.create_model(f"mark_links_{connector}", {"post_id": key, "tag_id": key})
    post.has_many("tags", model=tag, through=mark, foreign_key="post_id", key_through="tag_id")
    tag.has_many("posts", model=post, through=mark, foreign_key="tag_id", key_through="post_id")
    source.auto_update()
    new, old = tag.create([{"name": "new"}, {"name": "old"}])
    first, second = post.create([{"title": "first"}, {"title": "second"}])
    for one, other in ((first, new), (first, old), (second, new)):
        one.tags.add(other)
    found = post.find(include="tags", order="title")
    assert [sorted(each.name for each in one.tags()) for one in found] == [["new", "old"], ["new"]]
    assert [each.title for each in post.find(where={"tags.name": "old"})] == ["first"]
    second.tags.add(old)
    looks: list[Callable[[], Any]] = [
        lambda: post.find(include="tags"),
        lambda: post.find(where={"tags": {"some": {}}}),
    ]
    for look in looks:
        with pytest.raises(TooMuchToRead, match=f"More than 3 records of mark_links_{connector}"):
            look()
    assert sorted(each.name for each in first.tags()) == ["new", "old"]
