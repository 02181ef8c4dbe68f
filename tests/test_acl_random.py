"""Random entries of access control, and every way over REST to a record.

What each way shows, changes or deletes is what the rules, stated once more in plain words, say of
each record: so no way shows a record to somebody who could not find it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flask_loop import (
    BelongsTo,
    HasAndBelongsToMany,
    HasMany,
    Loop,
    Model,
    Prop,
    create_data_source,
    prop,
    relation,
    scope,
)
from flask_loop.acl import ACL, Role, RoleMapping
from flask_loop.auth import User
from tests.plain_rules import plain_answer
from tests.tokens import bearer

Record = Mapping[str, Any]
Entry = dict[str, Any]

#: The names of the methods that entries may mean, with their aliases, and their access types.
METHODS = {
    "find": ({"find", "all"}, "READ"),
    "findById": ({"findById"}, "READ"),
    "findOne": ({"findOne"}, "READ"),
    "count": ({"count"}, "READ"),
    "exists": ({"exists"}, "READ"),
    "create": ({"create"}, "WRITE"),
    "upsert": ({"upsert", "updateOrCreate", "patchOrCreate"}, "WRITE"),
    "updateAll": ({"updateAll", "update"}, "WRITE"),
    "patchAttributes": ({"patchAttributes", "updateAttributes"}, "WRITE"),
    "replaceById": ({"replaceById"}, "WRITE"),
    "deleteById": ({"deleteById", "destroyById", "removeById"}, "WRITE"),
    "__get__papers": ({"__get__papers"}, "READ"),
    "__count__papers": ({"__count__papers"}, "READ"),
    "__findById__papers": ({"__findById__papers"}, "READ"),
    "__create__papers": ({"__create__papers"}, "WRITE"),
    "__updateById__papers": ({"__updateById__papers"}, "WRITE"),
    "__destroyById__papers": ({"__destroyById__papers"}, "WRITE"),
    "__delete__papers": ({"__delete__papers"}, "WRITE"),
    "__link__papers": ({"__link__papers"}, "WRITE"),
    "__exists__papers": ({"__exists__papers"}, "READ"),
    "__get__folder": ({"__get__folder"}, "READ"),
    "__get__ranked": ({"__get__ranked"}, "READ"),
    "__count__ranked": ({"__count__ranked"}, "READ"),
    "__delete__ranked": ({"__delete__ranked"}, "WRITE"),
}
#: The roles that somebody has for some records only.
ROW_ROLES = ("$owner", "$related", "junior")
RANKED = 2

principal = st.one_of(
    st.tuples(
        st.just("ROLE"),
        st.sampled_from(
            ["$everyone", "$authenticated", "$unauthenticated", "admin", *ROW_ROLES, *ROW_ROLES]
        ),
    ),
    st.tuples(st.sampled_from(["USER", "Archivist"]), st.sampled_from(["1", "2"])),
)
#: Most entries are about much: about everything, about an access type, about finding.
listed = st.one_of(
    st.none(),
    st.none(),
    st.sampled_from([["find", "count", "findById", "findOne", "exists"], "*"]),
    st.lists(st.sampled_from(sorted(METHODS)), min_size=1, max_size=4, unique=True),
)
entry = st.builds(
    lambda who, permission, access_type, names: {
        "principalType": who[0],
        "principalId": who[1],
        "permission": permission,
        **({} if access_type is None else {"accessType": access_type}),
        **({} if names is None else {"property": names}),
    },
    principal,
    st.sampled_from(["ALLOW", "ALLOW", "ALLOW", "DENY"]),
    st.sampled_from([None, None, "*", "READ", "WRITE", "EXECUTE"]),
    listed,
)
row = st.builds(
    lambda given, model: {
        **given,
        "model": model,
        "property": _first(given.get("property")),
    },
    entry,
    st.sampled_from(["Paper", "Folder", "Label", "*"]),
)


def _first(names: Any) -> str:
    return str(names[0] if isinstance(names, list) else names or "*")


@dataclass(frozen=True)
class Given:
    """What a world is made of: entries of its models, and those that are records."""

    paper: Sequence[Entry]
    folder: Sequence[Entry]
    label: Sequence[Entry]
    rows: Sequence[Entry]


worlds = st.builds(
    Given,
    st.lists(entry, max_size=5),
    st.lists(entry, max_size=3),
    st.lists(entry, max_size=2),
    st.lists(row, max_size=3),
)


class World:
    """An app with records, whose rules are known in plain words as well."""

    def __init__(self, connector: str, given: Given) -> None:
        settings = {"url": "sqlite://"} if connector == "sqlite" else {}
        source = self.source = create_data_source(connector=connector, **settings)

        class Archivist(User):
            class Meta:
                data_source = source

        class Folder(Model):
            title: Prop[str]
            user_id: Prop[int | None]
            papers: HasMany[Paper]

            class Meta:
                data_source = source
                acls = [*given.folder]

        class Label(Model):
            title: Prop[str]
            user_id: Prop[int | None]
            papers: HasAndBelongsToMany[Paper]

            class Meta:
                data_source = source
                acls = [*given.label]

        class Paper(Model):
            title: Prop[str]
            rank: Prop[int] = prop(default=0)
            owner: Prop[int | None]
            folder: BelongsTo[Folder | None] = relation()
            reader: BelongsTo[Archivist | None] = relation()
            labels: HasAndBelongsToMany[Label]

            ranked = scope(where={"rank": {"gte": RANKED}})

            class Meta:
                data_source = source
                acls = [*given.paper]

        class Right(Role):
            class Meta:
                data_source = source

        class Grant(RoleMapping):
            class Meta:
                data_source = source

        class Rule(ACL):
            class Meta:
                data_source = source

        @Right.resolver("junior")
        def junior(access: Any) -> Any:
            if access.model is Paper:
                return {"rank": {"lt": RANKED}}
            return False

        self.app = Flask("archive")
        self.app.config.update(TESTING=True)
        loop = Loop(self.app, url_prefix="/api")
        for each in (Folder, Label, Paper):
            loop.model(each)
        for each in (Archivist, Right, Grant, Rule):
            loop.model(each, public=False)
        source.auto_update()
        self.client = self.app.test_client()
        self.models = {"Paper": Paper, "Folder": Folder, "Label": Label}
        self.static = {"Paper": given.paper, "Folder": given.folder, "Label": given.label}
        self.rows = given.rows
        for each in given.rows:
            Rule.create(
                model=each["model"],
                property=each["property"],
                access_type=each.get("accessType", "*"),
                permission=each["permission"],
                principal_type=each["principalType"],
                principal_id=each["principalId"],
            )
        users = [Archivist.create(email=f"{name}@example.com") for name in ("ann", "ben", "cat")]
        Grant.create(
            principal_type="USER", principal_id=users[2].id, role_id=Right.create(name="admin").id
        )
        self.callers: list[tuple[int | None, dict[str, str]]] = [(None, {})]
        self.callers += [(user.id, bearer(user)) for user in users]
        self.fill()

    def fill(self) -> None:
        """Put the records back as they were."""
        folders = [{"title": f"f{n}", "user_id": [1, 2, None][n]} for n in range(3)]
        papers = [
            {
                "title": f"p{n}",
                "rank": n % 4,
                "owner": [1, 2, None][n % 3],
                "folder_id": [1, 2, 3, None][n // 2 % 4],
                "reader_id": [None, 1, 3, 2, None][n % 5],
            }
            for n in range(8)
        ]
        labels = [{"title": f"l{n}", "user_id": [2, 1][n]} for n in range(2)]
        links = [(1, 1), (1, 2), (1, 3), (2, 2), (2, 5), (2, 6)]
        link = self.models["Label"].definition.relations["papers"].through.model
        for model, records in (
            (self.models["Folder"], folders),
            (self.models["Paper"], papers),
            (self.models["Label"], labels),
        ):
            plan = model.__loop_plan__()
            plan.connector.delete(plan.definition, plan.parser.where({}))
            whole = [{"id": number, **each} for number, each in enumerate(records, 1)]
            plan.connector.insert(plan.definition, whole)
        link.destroy_all()
        link.create([{"label_id": label, "paper_id": paper} for label, paper in links])
        self.links = links

    def stored(self, model: str) -> dict[int, Record]:
        return {each.id: each.to_record() for each in self.models[model].find()}

    # The rules in plain words

    def _answer(
        self, caller: int | None, model: str, method: str, roles: Mapping[str, bool]
    ) -> bool:
        """Whether somebody who has these roles of some records may call a method."""
        names, access_type = METHODS[method]
        about = [each for each in self.rows if each["model"] in (model, "*")]
        entries = [
            *self.static[model],
            *({k: v for k, v in each.items() if k != "model" or v == "*"} for each in about),
        ]
        is_caller = {
            **{("ROLE", name): roles[name] for name in ROW_ROLES},
            ("ROLE", "$everyone"): True,
            ("ROLE", "$authenticated"): caller is not None,
            ("ROLE", "$unauthenticated"): caller is None,
            ("ROLE", "admin"): caller == 3,
            **{
                (kind, id): caller is not None and str(caller) == id
                for kind in ("USER", "Archivist")
                for id in "12"
            },
        }
        # An app with one model of users calls it USER or by its name: both are users.
        entries = [
            {**each, "principalType": each["principalType"].replace("Archivist", "USER")}
            for each in entries
        ]
        default = "DENY" if self.static[model] else "ALLOW"
        return plain_answer(entries, default, names, access_type, is_caller)

    def may(self, caller: int | None, model: str, method: str, record: Record | None) -> bool:
        """Whether somebody may call a method of a record, or of none."""
        roles = dict.fromkeys(ROW_ROLES, False)
        if record is not None and caller is not None:
            owner = record.get("owner") if model == "Paper" else record["user_id"]
            if model == "Paper" and owner is None:
                owner = record["reader_id"]  # nobody else is said
            roles["$owner"] = owner == caller
            roles["$related"] = model == "Paper" and record["reader_id"] == caller
        if record is not None:
            roles["junior"] = model == "Paper" and record["rank"] < RANKED
        return self._answer(caller, model, method, roles)

    def may_somehow(self, caller: int | None, model: str, method: str) -> tuple[bool, bool]:
        """Whether somebody may call a method of any, and of every record that could be."""
        possible = {
            "$owner": [False] if caller is None else [False, True],
            "$related": [False, True] if caller is not None and model == "Paper" else [False],
            "junior": [False, True] if model == "Paper" else [False],
        }
        answers = [
            self._answer(caller, model, method, dict(zip(possible, values, strict=True)))
            for values in product(*possible.values())
        ]
        return any(answers), all(answers)

    def visible(
        self, caller: int | None, model: str, method: str, records: Mapping[int, Record]
    ) -> list[int]:
        return [id for id, each in records.items() if self.may(caller, model, method, each)]

    # Calls

    def call(self, verb: str, path: str, headers: Any, body: Any = None, **query: Any) -> Any:
        texts = {key: json.dumps(value) for key, value in query.items()}
        return self.client.open(
            f"/api/{path}", method=verb, headers=headers, json=body, query_string=texts
        )


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json]


def refused(answer: Any) -> bool:
    return answer.status_code == 401 and answer.json["error"]["code"] == "AUTHORIZATION_REQUIRED"


def check_list(answer: Any, expected: Sequence[int], is_open: bool) -> None:
    """A list has what is expected; somebody for whom it can never have anything is refused."""
    if refused(answer):
        assert not expected
        assert not is_open
    else:
        assert ids(answer) == list(expected)


def check_reading(world: World) -> None:
    papers, folders = world.stored("Paper"), world.stored("Folder")
    for caller, headers in world.callers:
        find = world.visible(caller, "Paper", "find", papers)
        is_open = world.may(caller, "Paper", "find", None)

        def get(path: str, headers: Any = headers, **query: Any) -> Any:
            return world.call("GET", path, headers, **query)

        check_list(get("papers"), find, is_open)
        wanted = {"where": {"rank": {"gt": 0}}, "order": "title DESC", "limit": 3, "skip": 1}
        narrowed = [id for id in reversed(find) if papers[id]["rank"] > 0][1:4]
        check_list(get("papers", filter=wanted), narrowed, is_open)
        _check_counts(world, caller, get, papers)
        _check_single(world, caller, get, papers)
        _check_first(world, caller, get, papers)
        ranked = [
            id
            for id in find
            if papers[id]["rank"] >= RANKED
            and world.may(caller, "Paper", "__get__ranked", papers[id])
        ]
        check_list(get("papers/ranked"), ranked, False)
        _check_relations(world, caller, get, papers, folders)
        _check_includes(world, caller, get, papers, folders)
        _check_wheres(world, caller, get, papers, folders)
        _check_order(world, caller, get, papers, folders)


def _check_counts(world: World, caller: int | None, get: Any, papers: Mapping[int, Record]) -> None:
    counted = world.visible(caller, "Paper", "count", papers)
    for where in ({}, {"rank": {"gte": RANKED}}):
        answer = get("papers/count", where=where)
        expected = [id for id in counted if not where or papers[id]["rank"] >= RANKED]
        if refused(answer):
            assert not expected
        else:
            assert answer.json == {"count": len(expected)}
    answer = get("papers/ranked/count")
    expected = [
        id
        for id in counted
        if papers[id]["rank"] >= RANKED
        and world.may(caller, "Paper", "__count__ranked", papers[id])
    ]
    assert refused(answer) or answer.json == {"count": len(expected)}
    assert not (refused(answer) and expected)


def _check_single(world: World, caller: int | None, get: Any, papers: Mapping[int, Record]) -> None:
    for id, record in papers.items():
        answer = get(f"papers/{id}")
        if world.may(caller, "Paper", "findById", record):
            assert answer.status_code == 200
            assert answer.json["title"] == record["title"]
        else:
            assert refused(answer)
        answer = get(f"papers/{id}/exists")
        if world.may(caller, "Paper", "exists", record):
            assert answer.json == {"exists": True}
        else:
            assert refused(answer)
    answer = get("papers/999")
    _, of_all = world.may_somehow(caller, "Paper", "findById")
    assert answer.status_code == 404 if of_all else refused(answer)


def _check_first(world: World, caller: int | None, get: Any, papers: Mapping[int, Record]) -> None:
    found = world.visible(caller, "Paper", "findOne", papers)
    answer = get("papers/findOne", filter={"order": "id DESC"})
    if found:
        assert answer.json["id"] == found[-1]
    else:
        assert answer.status_code in (401, 404)


def _check_relations(
    world: World,
    caller: int | None,
    get: Any,
    papers: Mapping[int, Record],
    folders: Mapping[int, Record],
) -> None:
    for folder_id, folder in folders.items():
        inside = {id: each for id, each in papers.items() if each["folder_id"] == folder_id}
        answer = get(f"folders/{folder_id}/papers")
        if world.may(caller, "Folder", "__get__papers", folder):
            check_list(answer, world.visible(caller, "Paper", "find", inside), False)
        else:
            assert refused(answer)
        answer = get(f"folders/{folder_id}/papers/count")
        expected = world.visible(caller, "Paper", "count", inside)
        if not world.may(caller, "Folder", "__count__papers", folder):
            assert refused(answer)
        elif refused(answer):
            assert not expected
        else:
            assert answer.json == {"count": len(expected)}
        for id, record in papers.items():
            answer = get(f"folders/{folder_id}/papers/{id}")
            is_there = (
                id in inside
                and world.may(caller, "Folder", "__findById__papers", folder)
                and world.may(caller, "Paper", "findById", record)
            )
            assert answer.status_code == 200 if is_there else answer.status_code in (401, 404)
    for id, record in papers.items():
        answer = get(f"papers/{id}/folder")
        folder = folders.get(record["folder_id"])
        is_shown = (
            folder is not None
            and world.may(caller, "Paper", "__get__folder", record)
            and world.may(caller, "Folder", "findById", folder)
        )
        is_there = answer.status_code == 200 and bool(answer.json)
        assert is_there is is_shown, (answer.status_code, answer.text)
    for label, record in world.stored("Label").items():
        linked = {paper: papers[paper] for each, paper in world.links if each == label}
        answer = get(f"labels/{label}/papers")
        if world.may(caller, "Label", "__get__papers", record):
            check_list(answer, world.visible(caller, "Paper", "find", linked), False)
        else:
            assert refused(answer)


def _check_includes(
    world: World,
    caller: int | None,
    get: Any,
    papers: Mapping[int, Record],
    folders: Mapping[int, Record],
) -> None:
    seen = world.visible(caller, "Folder", "find", folders)
    visible = world.visible(caller, "Paper", "find", papers)
    for filter in ({"include": "papers"}, {"include": {"relation": "papers", "scope": {}}}):
        answer = get("folders", filter=filter)
        if refused(answer):
            assert not seen or not visible
            continue
        shown = {each["id"]: [one["id"] for one in each["papers"]] for each in answer.json}
        assert shown == {
            id: [one for one in visible if papers[one]["folder_id"] == id] for id in seen
        }
    answer = get("papers", filter={"include": "folder"})
    if not refused(answer):
        for each in answer.json:
            folder = folders.get(each["folderId"])
            may_see = folder is not None and world.may(caller, "Folder", "findById", folder)
            assert bool(each.get("folder")) is may_see
    deep = get("papers", filter={"include": {"folder": "papers"}})
    if not refused(deep):
        inner = {
            one["id"]
            for each in deep.json
            if each.get("folder")
            for one in each["folder"]["papers"]
        }
        assert inner <= set(visible)
    answer = get("labels", filter={"include": "papers"})
    if not refused(answer):
        for each in answer.json:
            linked = [paper for label, paper in world.links if label == each["id"]]
            assert [one["id"] for one in each["papers"]] == [id for id in visible if id in linked]


def _check_wheres(
    world: World,
    caller: int | None,
    get: Any,
    papers: Mapping[int, Record],
    folders: Mapping[int, Record],
) -> None:
    seen = world.visible(caller, "Folder", "find", folders)
    visible = world.visible(caller, "Paper", "find", papers)
    inside = {
        id: [papers[one] for one in visible if papers[one]["folder_id"] == id] for id in folders
    }
    for where, matches in (
        ({"papers": {"some": {"rank": 2}}}, lambda own: any(each["rank"] == 2 for each in own)),
        ({"papers": {"none": {"rank": 2}}}, lambda own: all(each["rank"] != 2 for each in own)),
        ({"papers": {"every": {"rank": 2}}}, lambda own: all(each["rank"] == 2 for each in own)),
        ({"papers.title": "p3"}, lambda own: any(each["title"] == "p3" for each in own)),
        ({"papers.title": {"neq": "p3"}}, lambda own: all(each["title"] != "p3" for each in own)),
    ):
        answer = get("folders", filter={"where": where})
        if not refused(answer):
            assert ids(answer) == [id for id in seen if matches(inside[id])]
        answer = get("folders/count", where=where)
        if not refused(answer):
            counted = world.visible(caller, "Folder", "count", folders)
            assert answer.json == {"count": sum(matches(inside[id]) for id in counted)}
    answer = get("papers", filter={"where": {"folder.title": "f0"}})
    if not refused(answer):
        known = [id for id in seen if folders[id]["title"] == "f0"]
        assert ids(answer) == [id for id in visible if papers[id]["folder_id"] in known]


def _check_order(
    world: World,
    caller: int | None,
    get: Any,
    papers: Mapping[int, Record],
    folders: Mapping[int, Record],
) -> None:
    answer = get("papers", filter={"order": "folder.title DESC"})
    if answer.status_code == 200:
        seen = world.visible(caller, "Folder", "find", folders)
        visible = world.visible(caller, "Paper", "find", papers)

        def key(id: int) -> tuple[bool, int]:
            folder = papers[id]["folder_id"]
            is_known = folder in seen
            return (not is_known, -folder if is_known else 0)

        assert ids(answer) == sorted(visible, key=key)
    else:
        assert answer.status_code in (400, 401)


# Writing


@dataclass(frozen=True)
class Write:
    """A call that writes, and which papers become what where it is allowed."""

    verb: str
    path: str
    body: Any
    changed: Mapping[int, Record | None]
    query: Mapping[str, Any]


def writes(world: World, caller: int | None, papers: Mapping[int, Record]) -> Iterator[Write]:
    """Calls that write, with what may become of the papers by the rules."""

    def of(method: str, some: Iterable[int] = papers) -> list[int]:
        return [id for id in some if world.may(caller, "Paper", method, papers[id])]

    for id, record in papers.items():
        for verb, path, method in (
            ("PATCH", f"papers/{id}", "patchAttributes"),
            ("PUT", f"papers/{id}", "replaceById"),
            ("DELETE", f"papers/{id}", "deleteById"),
        ):
            body = {key: record[key] for key in ("title", "rank", "owner")}
            body |= {"folderId": record["folder_id"], "readerId": record["reader_id"], "rank": 9}
            after = None if verb == "DELETE" else {**record, "rank": 9}
            yield Write(verb, path, body, {id: after} if of(method, [id]) else {}, {})
    for where in ({}, {"rank": 1}):
        some = [id for id in papers if not where or papers[id]["rank"] == 1]
        changed = {id: {**papers[id], "rank": 9} for id in of("updateAll", some)}
        yield Write("POST", "papers/update", {"rank": 9}, changed, {"where": where})
    _, of_all = world.may_somehow(caller, "Paper", "upsert")
    may_make = world.may(caller, "Paper", "upsert", None)
    after = {1: {**papers[1], "rank": 9}} if of_all and may_make else {}
    yield Write("PATCH", "papers", {"id": 1, "rank": 9}, after, {})
    ranked = [id for id in papers if papers[id]["rank"] >= RANKED]
    gone = set(of("__delete__ranked", ranked)) & set(of("deleteById", ranked))
    yield Write("DELETE", "papers/ranked", None, dict.fromkeys(gone), {})
    for folder, owner in world.stored("Folder").items():
        inside = [id for id in papers if papers[id]["folder_id"] == folder]

        def through(method: str, owner: Record = owner) -> bool:
            return world.may(caller, "Folder", method, owner)

        gone = set(of("deleteById", inside)) if through("__delete__papers") else set()
        yield Write("DELETE", f"folders/{folder}/papers", None, dict.fromkeys(gone), {})
        for id in papers:
            can = id in inside and through("__updateById__papers") and of("patchAttributes", [id])
            after = {id: {**papers[id], "rank": 9}} if can else {}
            yield Write("PUT", f"folders/{folder}/papers/{id}", {"rank": 9}, after, {})
            can = id in inside and through("__destroyById__papers") and of("deleteById", [id])
            path = f"folders/{folder}/papers/{id}"
            yield Write("DELETE", path, None, {id: None} if can else {}, {})


def check_writing(world: World) -> None:
    papers = world.stored("Paper")
    for caller, headers in world.callers:
        for write in writes(world, caller, papers):
            answer = world.call(write.verb, write.path, headers, write.body, **write.query)
            expected = {
                id: write.changed.get(id, record)
                for id, record in papers.items()
                if write.changed.get(id, record) is not None
            }
            after = world.stored("Paper")
            assert after == expected, (caller, write, answer.text)
            if after != papers:
                world.fill()


def check_creating(world: World) -> None:
    papers = world.stored("Paper")
    for caller, headers in world.callers:
        for path, allowed in (
            ("papers", world.may(caller, "Paper", "create", None)),
            *(
                (
                    f"folders/{id}/papers",
                    world.may(caller, "Folder", "__create__papers", record)
                    and world.may(caller, "Paper", "create", None),
                )
                for id, record in world.stored("Folder").items()
            ),
        ):
            for body in ({"title": "new"}, [{"title": "new"}]):
                answer = world.call("POST", path, headers, body)
                made = len(world.stored("Paper")) - len(papers)
                assert made == int(allowed), (caller, path, answer.text)
                assert refused(answer) is not allowed
                if made:
                    world.fill()


@pytest.mark.slow
@pytest.mark.parametrize("connector", ["memory", "sqlite"])
@pytest.mark.parametrize("check", [check_reading, check_writing, check_creating])
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],  # to find a smaller example takes minutes
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(given=worlds)
def test_no_way_leads_to_more_than_the_rules_allow(
    connector: str, check: Any, given: Given
) -> None:
    world = World(connector, given)
    try:
        with world.app.app_context():
            check(world)
    finally:
        world.source.close()


def test_the_rules_of_the_test_know_what_is_open_and_what_is_closed() -> None:
    opened = World("memory", Given([], [], [], []))
    papers = opened.stored("Paper")
    assert opened.visible(None, "Paper", "find", papers) == list(papers)
    owned: Entry = {"principalType": "ROLE", "principalId": "$owner", "permission": "ALLOW"}
    closed = World("memory", replace(Given([], [], [], []), paper=[owned]))
    assert closed.visible(None, "Paper", "find", papers) == []
    assert closed.visible(1, "Paper", "find", papers) == [1, 4, 7]
