"""Attacks on who may call what: each was a defect of LoopBack, or is one that it could have had."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, ClassVar

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_loop import (
    BelongsTo,
    DataSource,
    HasMany,
    Model,
    Prop,
    prop,
    relation,
    remote_method,
)
from flask_loop.acl import ACL, Role, RoleMapping
from flask_loop.auth import User
from flask_loop.oauth import Identity
from tests.tokens import bearer

MakeApp = Callable[..., Flask]
Reply = Any

SETTINGS: dict[str, Any] = {
    "LOOP_PASSWORD_HASHING": {"time_cost": 1, "memory_cost": 8, "parallelism": 1},
    "SECRET_KEY": "key",
    "MAIL_DEFAULT_SENDER": "shop@example.com",
}
OWN = [
    {"principalId": "$everyone", "permission": "DENY"},
    {"principalId": "$owner", "permission": "ALLOW"},
]
#: What opens a model whose base is closed: these entries are more exact.
OPEN = [
    {"principalId": "$everyone", "permission": "ALLOW", "accessType": access_type}
    for access_type in ("READ", "WRITE", "EXECUTE")
]


def routes_of(app: Flask, *plurals: str) -> Iterator[tuple[str, str]]:
    """Every verb and path of models, with 1 for each id."""
    for rule in app.url_map.iter_rules():
        if rule.rule.split("/")[2:3] and rule.rule.split("/")[2] in plurals:
            path = rule.rule
            for argument in rule.arguments:
                path = path.replace(f"<{argument}>", "1")
            assert "<" not in path, path
            for verb in sorted((rule.methods or set()) - {"OPTIONS"}):
                yield verb, path


def stored(*models: Any) -> list[Any]:
    """All that the data sources of models have."""
    plans = [each.__loop_plan__() for each in models]
    return [plan.connector.select(plan.definition, plan.parser.all).records() for plan in plans]


# 4.3: ownership by an id in the query or the body


class Invoices:
    """Ada's invoice 1 and Bob's 2, with methods of their own."""

    def __init__(self, source: DataSource, make_app: MakeApp) -> None:
        class Debtor(User):
            class Meta:
                data_source = source

        class Invoice(Model):
            title: Prop[str]
            user_id: Prop[int]
            voided: ClassVar[list[int]] = []

            class Meta:
                data_source = source
                acls = OWN

            @remote_method(http={"verb": "post", "path": "/void"})
            @classmethod
            def void(cls, id: int) -> str:
                cls.voided.append(id)
                return "void"

            @remote_method(
                accepts={"arg": "id", "type": "number", "http": {"source": "query"}},
                http={"verb": "post", "path": "/:id/cancel"},
            )
            @classmethod
            def cancel(cls, id: int) -> None:
                cls.voided.append(id)

            @remote_method(http={"verb": "post", "path": "/:id/annul"})
            @classmethod
            def annul(cls, id: int) -> None:
                cls.voided.append(id)

            @remote_method(http={"verb": "post", "path": "/:id/settle"})
            def settle(self) -> None:
                self.voided.append(int(self.id))

        self.app = make_app(Debtor, Invoice, **SETTINGS)
        source.auto_update()
        self.Invoice = Invoice
        with self.app.app_context():
            ada, bob = (Debtor.create(email=f"{name}@x.org") for name in ("ada", "bob"))
            self.mine, self.theirs = Invoice.create(
                [{"title": "mine", "user_id": ada.id}, {"title": "theirs", "user_id": bob.id}]
            )
            self.ada = bearer(ada)
        self.client = self.app.test_client()

    def post(self, path: str, **options: Any) -> Reply:
        return self.client.post(f"/api/invoices{path}", headers=self.ada, **options)

    @property
    def titles(self) -> list[str]:
        return [each.title for each in self.Invoice.find(order="id")]


@pytest.fixture
def invoices(source: DataSource, make_app: MakeApp) -> Invoices:
    return Invoices(source, make_app)


@pytest.mark.parametrize("path", ["/void", "/2/cancel"])
@pytest.mark.parametrize("place", ["query", "body", "both"])
def test_an_id_that_a_method_is_given_makes_nobody_the_owner(
    path: str, place: str, invoices: Invoices
) -> None:
    for id in (1, 2, 3):
        query = {"id": id} if place != "body" else {}
        body = {"id": id} if place != "query" else {}
        answer = invoices.post(path, query_string=query, json=body)
        assert answer.status_code == 401, answer.text
    assert invoices.Invoice.voided == []


@pytest.mark.parametrize("method", ["annul", "settle"])
def test_the_id_in_the_path_says_which_record_a_method_is_about(
    method: str, invoices: Invoices
) -> None:
    assert invoices.post(f"/1/{method}", query_string={"id": 2}, json={"id": 2}).status_code == 204
    assert invoices.post(f"/2/{method}", query_string={"id": 1}, json={"id": 1}).status_code == 401
    assert invoices.post(f"/3/{method}", query_string={"id": 1}, json={"id": 1}).status_code == 401
    assert invoices.Invoice.voided == [1]


def test_an_id_in_the_body_of_a_change_to_many_makes_nobody_their_owner(
    invoices: Invoices,
) -> None:
    query = {"where": '{"title": {"neq": "x"}}', "id": 1}
    for body in ({"id": 1, "title": "changed"}, {"title": "changed"}):
        answer = invoices.post("/update", query_string=query, json=body)
        assert answer.status_code in (200, 400), answer.text
        assert invoices.titles[1] == "theirs"
    assert answer.json == {"count": 1}


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("PUT", ""),
        ("PATCH", ""),
        ("POST", "/replaceOrCreate"),
        ("POST", '/upsertWithWhere?where={"title":"theirs"}&id=1'),
        ("PUT", "/2"),
        ("PATCH", "/2"),
        ("POST", "/2/replace"),
    ],
)
def test_an_id_in_the_body_of_a_change_makes_nobody_the_owner(
    verb: str, path: str, invoices: Invoices
) -> None:
    for id in (1, 2):
        body = {"id": id, "title": "changed", "userId": 1}
        answer = invoices.client.open(
            f"/api/invoices{path}", method=verb, json=body, headers=invoices.ada
        )
        assert answer.status_code == 401, answer.text
    assert invoices.titles == ["mine", "theirs"]


# 4.3: an include, a relation or a nested write passed over the entries of its target


class Shelves:
    """Open shelves and readers, with notes that are their owners' and drafts that are nobody's."""

    def __init__(self, source: DataSource, make_app: MakeApp) -> None:
        class Librarian(User):
            notes: HasMany[Jotting] = relation(nested=True)
            drafts: HasMany[Outline] = relation(nested=True)

            class Meta:
                data_source = source
                acls = OPEN

        class Jotting(Model):
            text: Prop[str]
            librarian: BelongsTo[Librarian] = relation()

            class Meta:
                data_source = source
                acls = OWN

        class Outline(Model):
            text: Prop[str]
            librarian: BelongsTo[Librarian] = relation()

            class Meta:
                data_source = source
                acls = [{"principalId": "$everyone", "permission": "DENY"}]

        class Rack(Model):
            name: Prop[str]
            jotting: BelongsTo[Jotting] = relation()
            outline: BelongsTo[Outline] = relation()

            class Meta:
                data_source = source

        Rack.references_many(Jotting)
        Rack.references_many(Outline)
        self.app = make_app(Librarian, Jotting, Outline, Rack, **SETTINGS)
        source.auto_update()
        self.Jotting, self.Outline = Jotting, Outline
        with self.app.app_context():
            ada, bob = (Librarian.create(email=f"{name}@x.org") for name in ("ada", "bob"))
            for model in (Jotting, Outline):
                model.create(
                    [{"text": f"secret {name.id}", "librarian_id": name.id} for name in (ada, bob)]
                )
            self.ada = bearer(ada)
        self.client = self.app.test_client()

    def send(self, verb: str, path: str, **options: Any) -> Reply:
        path = path if path.startswith("/api/") else f"/api{path}"
        return self.client.open(path, method=verb, headers=self.ada, **options)


@pytest.fixture
def shelves(source: DataSource, make_app: MakeApp) -> Shelves:
    return Shelves(source, make_app)


def test_to_name_a_record_of_others_by_its_key_shows_nothing_of_it(shelves: Shelves) -> None:
    keys = {"jottingId": 2, "outlineId": 2, "jottingIds": [1, 2], "outlineIds": [1, 2]}
    assert shelves.send("POST", "/racks", json={"name": "r", **keys}).status_code == 200
    include = '{"include": ["jotting", "jottings"]}'
    answers = [
        shelves.send("GET", "/racks", query_string={"filter": include}),
        shelves.send("GET", "/racks/1", query_string={"filter": include}),
        shelves.send("GET", "/racks/findOne", query_string={"filter": include}),
        shelves.send("GET", "/racks/1/jotting"),
        shelves.send("GET", "/racks/1/jottings"),
        shelves.send("GET", "/racks/1/jottings/2"),
        shelves.send("GET", "/racks", query_string={"filter": '{"include": "outline"}'}),
        shelves.send("GET", "/racks", query_string={"filter": '{"include": "outlines"}'}),
        shelves.send("GET", "/racks/1/outline"),
        shelves.send("GET", "/racks/1/outlines"),
        shelves.send("GET", "/racks/1/outlines/2"),
    ]
    assert "secret 1" in answers[0].text  # the own one of those that were named
    for answer in answers:
        assert "secret 2" not in answer.text
    assert [each.status_code for each in answers[-5:]] == [401] * 5


@pytest.mark.parametrize("relation_", ["notes", "drafts"])
def test_a_nested_write_reaches_no_record_that_its_own_route_would_not(
    relation_: str, shelves: Shelves
) -> None:
    before = stored(shelves.Jotting, shelves.Outline)
    inside = [{"text": "new"}, {"id": 2, "text": "changed"}]
    answers = [
        shelves.send(verb, path, json={"email": f"{number}@x.org", relation_: [each]})
        for number, each in enumerate(inside)
        for verb, path in (
            ("POST", "/librarians"),
            ("PATCH", "/librarians/2"),
            ("PUT", "/librarians/2"),
            ("PATCH", "/librarians/1"),
        )
    ]
    assert {answer.status_code // 100 for answer in answers} == {4}
    assert stored(shelves.Jotting, shelves.Outline) == before


def test_a_route_of_a_relation_is_closed_where_its_target_is(shelves: Shelves) -> None:
    before = stored(shelves.Outline)
    for verb, path in routes_of(shelves.app, "librarians", "racks"):
        if "draft" in path or "outline" in path:
            answer = shelves.send(verb, path, json={"text": "x"})
            assert answer.status_code in (401, 405), (verb, path, answer.text)
            assert "secret" not in answer.text
    assert stored(shelves.Outline) == before


RELATIONS = ["through", "joined", "listed", "main", "one", "holder"]


def test_no_kind_of_relation_leads_from_what_is_open_to_a_record_of_others(
    source: DataSource, make_app: MakeApp
) -> None:
    class Courier(User):
        class Meta:
            data_source = source

    class Parcel(Model):
        title: Prop[str]
        user_id: Prop[int]

        class Meta:
            data_source = source
            acls = OWN

    class Stop(Model):
        name: Prop[str | None] = prop(default=None)

        class Meta:
            data_source = source

    class Visit(Model):
        name: Prop[str | None] = prop(default=None)

        class Meta:
            data_source = source

    Stop.has_many("through", model=Parcel, through=Visit)
    Stop.has_and_belongs_to_many("joined", model=Parcel)
    Stop.references_many("listed", model=Parcel)
    Stop.has_one("main", model=Parcel, foreign_key="main_stop_id")
    Visit.belongs_to("stop", model=Stop)
    Visit.belongs_to("one", model=Parcel, foreign_key="parcel_id")
    Visit.belongs_to("holder", polymorphic=True)
    app = make_app(Courier, Parcel, Stop, Visit, **SETTINGS)
    source.auto_update()
    with app.app_context():
        ada, bob = (Courier.create(email=f"{name}@x.org") for name in ("ada", "bob"))
        Parcel.create(
            [
                {"title": "shown", "user_id": ada.id, "main_stop_id": 2},
                {"title": "secret", "user_id": bob.id, "main_stop_id": 1},
            ]
        )
        for listed in ([2], [1]):
            stop = Stop.create(listed_ids=listed)
            stop.joined.add(Parcel.find_by_id(listed[0]))
            Visit.create(
                stop_id=stop.id, parcel_id=listed[0], holder_type="Parcel", holder_id=listed[0]
            )
        headers = bearer(ada)
    client = app.test_client()

    def parcel() -> Any:
        return Parcel.find_by_id(2).to_dict()

    before, seen = parcel(), ""
    for relation_ in RELATIONS:
        plural = "stops" if relation_ in Stop.definition.relations else "visits"
        for query in ({"include": relation_}, {"where": {f"{relation_}.title": "secret"}}):
            answer = client.get(
                f"/api/{plural}", headers=headers, query_string={"filter": json.dumps(query)}
            )
            seen += answer.text if answer.status_code == 200 else ""
            assert answer.json == [] or "include" in query or answer.status_code == 400
    assert "shown" in seen
    # What is read comes first, then what is nearest to the records of others, and deleting last.
    ranks = {"GET": 0, "HEAD": 0, "DELETE": 2}
    routes = sorted(
        routes_of(app, "stops", "visits"), key=lambda each: (ranks.get(each[0], 1), -len(each[1]))
    )
    for verb, path in routes:
        for number in product("12", repeat=path.count("/1")):
            place = path.replace("/1", "/{}").format(*number)
            answer = client.open(
                place, method=verb, headers=headers, json={"title": "new", "userId": ada.id}
            )
            assert answer.status_code < 500, (verb, place, answer.text)
            seen += answer.text
            assert parcel() == before, (verb, place)
    assert "secret" not in seen


# CVE-2018-1778 and what is like it: the bundled models, exposed


class Exposed:
    """An app that exposes every bundled model as it is, with relations to them."""

    def __init__(self, source: DataSource, make_app: MakeApp) -> None:
        class Patron(User):
            class Meta:
                data_source = source

        class PatronRole(Role):
            class Meta:
                data_source = source

        class PatronMapping(RoleMapping):
            class Meta:
                data_source = source

        class PatronRule(ACL):
            class Meta:
                data_source = source

        class PatronIdentity(Identity):
            class Meta:
                data_source = source

        self.models = (Patron, Patron.session, PatronRole, PatronMapping, PatronRule)
        self.models += (PatronIdentity,)
        self.app = make_app(*self.models, **SETTINGS)
        source.auto_update()
        with self.app.app_context():
            ada, _ = (
                Patron.create(email=f"{name}@x.org", password=name) for name in ("ada", "bob")
            )
            role = PatronRole.create(name="admin")
            PatronMapping.create(principal_type="USER", principal_id="2", role_id=role.id)
            PatronRule.create(
                model="other", principal_type="USER", principal_id="2", permission="ALLOW"
            )
            PatronIdentity.create(provider="p", subject="1")
            self.ada = bearer(ada)
        self.client: FlaskClient = self.app.test_client()
        self.Patron = Patron


@pytest.fixture
def exposed(source: DataSource, make_app: MakeApp) -> Exposed:
    return Exposed(source, make_app)


BODY = {
    "id": "chosen-by-the-client",
    "ttl": 60,
    "userId": 2,
    "name": "mine",
    "principalType": "USER",
    "principalId": "1",
    "roleId": 1,
    "model": "*",
    "permission": "ALLOW",
    "provider": "p",
    "subject": "2",
}
CLOSED = ["patronSessions", "patronRoles", "patronMappings", "patronRules", "patronIdentities"]


@pytest.mark.parametrize("plural", CLOSED)
@pytest.mark.parametrize("who", ["nobody", "a user"])
def test_no_route_of_a_bundled_model_is_open(plural: str, who: str, exposed: Exposed) -> None:
    before = stored(*exposed.models)
    headers = {} if who == "nobody" else exposed.ada
    called = []
    for verb, path in routes_of(exposed.app, plural):
        answer = exposed.client.open(
            path, method=verb, headers=headers, json=BODY, query_string={"where": "{}"}
        )
        called.append((verb, path, answer.status_code))
        assert answer.status_code in (401, 405), called[-1]
    assert len([each for each in called if each[2] == 401]) > 10, called
    assert stored(*exposed.models) == before


@pytest.mark.parametrize("owner", ["1", "2"])
def test_no_relation_of_open_users_leads_to_their_sessions(
    owner: str, source: DataSource, make_app: MakeApp
) -> None:
    class Viewer(User):
        class Meta:
            data_source = source
            acls = OPEN

    Viewer.has_many("tokens", model=Viewer.session, foreign_key="user_id")
    app = make_app(Viewer, Viewer.session, **SETTINGS)
    source.auto_update()
    with app.app_context():
        ada, bob = (Viewer.create(email=f"{name}@x.org") for name in ("ada", "bob"))
        headers, _ = bearer(ada), bearer(bob)
    before = stored(Viewer.session)
    client = app.test_client()
    assert client.get(f"/api/viewers/{owner}", headers=headers).status_code == 200
    paths = [each for each in routes_of(app, "viewers") if "tokens" in each[1]]
    assert len(paths) > 6
    for verb, path in paths:
        place = path.replace("/1/", f"/{owner}/", 1)
        answer = client.open(place, method=verb, headers=headers, json=BODY)
        assert answer.status_code in (401, 405), (verb, path, answer.text)
    for include in ('{"include": "tokens"}', '{"where": {"tokens.userId": 1}}'):
        answer = client.get("/api/viewers", query_string={"filter": include}, headers=headers)
        assert answer.status_code in (400, 401), answer.text
        assert "sha256" not in answer.text
    assert stored(Viewer.session) == before


def test_an_open_model_of_roles_does_not_open_who_has_them(
    source: DataSource, make_app: MakeApp
) -> None:
    class Guest(User):
        class Meta:
            data_source = source

    class GuestRole(Role):
        class Meta:
            data_source = source
            acls = [{"principalId": "$authenticated", "permission": "ALLOW"}]

    class GuestMapping(RoleMapping):
        class Meta:
            data_source = source

    app = make_app(Guest, GuestRole, GuestMapping, **SETTINGS)
    source.auto_update()
    with app.app_context():
        guest = Guest.create(email="ada@x.org")
        GuestMapping.create(
            principal_type="USER", principal_id="77", role_id=GuestRole.create(name="admin").id
        )
        headers = bearer(guest)
    client = app.test_client()
    assert client.get("/api/guestRoles", headers=headers).status_code == 200
    for query in ('{"include": "principals"}', '{"where": {"principals.principalId": "77"}}'):
        answer = client.get("/api/guestRoles", headers=headers, query_string={"filter": query})
        assert answer.status_code in (400, 401)
        assert "77" not in answer.text.replace(query, "")
    body = {"principalType": "USER", "principalId": str(guest.id)}
    for verb, path in routes_of(app, "guestRoles"):
        if "principals" in path:
            answer = client.open(path, method=verb, headers=headers, json=body)
            assert answer.status_code in (401, 405), (verb, path)
    assert GuestMapping.count() == 1


# Users, as they are exposed by one line

#: What a model of users offers to everybody, and more to those who are logged in.
ANYBODY = {
    ("POST", "/api/patrons"),
    ("POST", "/api/patrons/login"),
    *((verb, "/api/patrons/logout") for verb in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")),
    ("GET", "/api/patrons/confirm"),
    ("HEAD", "/api/patrons/confirm"),
    ("POST", "/api/patrons/1/verify"),
    ("POST", "/api/patrons/reset"),
    ("POST", "/api/patrons/reset-password"),
    ("GET", "/api/patrons/reset-page"),
    ("HEAD", "/api/patrons/reset-page"),
    ("POST", "/api/patrons/reset-page"),
}


@pytest.mark.parametrize("who", ["nobody", "another user"])
def test_users_are_closed_but_for_what_everybody_needs(who: str, exposed: Exposed) -> None:
    before = stored(exposed.Patron)
    opened = set()
    for verb, path in routes_of(exposed.app, "patrons"):
        if path.endswith("/logout"):  # which would end the session of this test
            opened.add((verb, path))
            continue
        answer = exposed.client.open(
            path.replace("/1", "/2"),
            method=verb,
            headers={} if who == "nobody" else exposed.ada,
            json={"oldPassword": 1, "ttl": 5},
        )
        assert "bob@x.org" not in answer.text
        if answer.status_code not in (401, 405):
            opened.add((verb, path))
    more = set() if who == "nobody" else {("POST", "/api/patrons/change-password")}
    assert opened == ANYBODY | more
    assert stored(exposed.Patron) == before


def test_nobody_learns_by_any_route_which_ids_users_have(exposed: Exposed) -> None:
    for verb, path in routes_of(exposed.app, "patrons"):
        if "/1" in path and not path.endswith("/verify"):
            for headers in ({}, exposed.ada):
                there, missing = (
                    exposed.client.open(
                        path.replace("/1", f"/{id}", 1), method=verb, json={}, headers=headers
                    )
                    for id in (2, 99)
                )
                assert there.status == missing.status, (verb, path)
                assert there.data == missing.data


def test_what_a_user_owns_is_the_record_with_the_users_id_in_the_users_own_model(
    exposed: Exposed, source: DataSource, make_app: MakeApp
) -> None:
    class Warden(User):
        note: Prop[str | None] = prop(default=None)

        class Meta:
            data_source = source

    source.auto_update()
    app = make_app(exposed.Patron, Warden, **SETTINGS)
    with app.app_context():
        Warden.create(email="warden@x.org", note="secret")
    client = app.test_client()
    assert client.get("/api/patrons/1", headers=exposed.ada).status_code == 200
    assert client.get("/api/wardens/1", headers=exposed.ada).status_code == 401
    answer = client.patch("/api/wardens/1", json={"note": "x"}, headers=exposed.ada)
    assert answer.status_code == 401
