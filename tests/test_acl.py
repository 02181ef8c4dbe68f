"""Who may call what: entries on models, on methods and as records; refusals; `flask loop acl`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask

from flask_loop import (
    DataSource,
    DefinitionError,
    Loop,
    Model,
    Prop,
    create_model,
    memory,
    prop,
    remote_method,
)
from flask_loop.acl import ACL, Role, RoleMapping
from flask_loop.auth import User
from flask_loop.remoting import NOBODY, Caller
from tests.tokens import bearer

MakeApp = Callable[..., Flask]

EVERYONE = {"principalId": "$everyone"}
AUTHENTICATED = {"principalId": "$authenticated"}
ALLOW, DENY = {"permission": "ALLOW"}, {"permission": "DENY"}


@pytest.fixture
def visitor(source: DataSource) -> Any:
    class Visitor(User):
        class Meta:
            data_source = source

    return Visitor


@pytest.fixture
def visit(source: DataSource, make_app: MakeApp, visitor: Any) -> Callable[..., Any]:
    """A function that exposes models, and gives their client with the headers of a visitor."""

    def make(*models: Any, **settings: Any) -> Any:
        app = make_app(visitor, *models, **settings)
        source.auto_update()
        return app.test_client(), bearer(visitor.create(email="v@example.com"))

    return make


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


# Entries of models


def test_a_model_with_entries_is_closed_but_for_what_they_allow(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    class Bulletin(Model):
        text: Prop[str]

        class Meta:
            data_source = source
            acls = [
                {**EVERYONE, **ALLOW, "accessType": "READ"},
                {**AUTHENTICATED, **ALLOW, "property": ["create", "patch_attributes"]},
            ]

    client, headers = visit(Bulletin)
    assert client.get("/api/bulletins").status_code == 200
    assert client.get("/api/bulletins/count").json == {"count": 0}
    refused = client.post("/api/bulletins", json={"text": "a"})
    assert code_of(refused) == (401, "AUTHORIZATION_REQUIRED")
    made = client.post("/api/bulletins", json={"text": "a"}, headers=headers)
    assert made.status_code == 200
    path = f"/api/bulletins/{made.json['id']}"
    assert client.patch(path, json={"text": "b"}, headers=headers).status_code == 200
    assert client.delete(path, headers=headers).status_code == 401
    assert client.put(path, json={"text": "c"}, headers=headers).status_code == 401
    assert client.get(path).json["text"] == "b"


def test_a_model_without_entries_is_open(source: DataSource, visit: Callable[..., Any]) -> None:
    class Graffito(Model):
        text: Prop[str]

        class Meta:
            data_source = source

    client, _ = visit(Graffito)
    assert client.post("/api/graffitos", json={"text": "a"}).status_code == 200
    assert client.delete("/api/graffitos/1").status_code == 200


def test_a_model_of_loopbacks_json_is_open_but_for_what_its_entries_deny(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    definition: dict[str, Any] = {
        "name": "Pamphlet",
        "properties": {"text": "string"},
        "acls": [
            {
                "principalType": "ROLE",
                "principalId": "$everyone",
                "permission": "DENY",
                "accessType": "WRITE",
            }
        ],
    }
    closed = {**definition, "name": "Edict", "defaultPermission": "DENY"}
    models = [create_model(each) for each in (definition, closed)]
    for each in models:
        each.attach_to(source)
    client, headers = visit(*models)
    assert client.get("/api/Pamphlets").status_code == 200
    assert client.post("/api/Pamphlets", json={}, headers=headers).status_code == 401
    assert client.get("/api/Edicts", headers=headers).status_code == 401


def test_what_holds_by_default_may_be_said(source: DataSource, visit: Callable[..., Any]) -> None:
    closed = source.create_model("decree", {"text": str}, {"default_permission": "DENY"})
    opened = source.create_model(
        "rumour",
        {"text": str},
        {"default_permission": "ALLOW", "acls": [{**EVERYONE, **DENY, "property": "deleteById"}]},
    )
    client, headers = visit(closed, opened)
    assert client.get("/api/decrees", headers=headers).status_code == 401
    assert client.get("/api/rumours").status_code == 200
    assert client.delete("/api/rumours/1", headers=headers).status_code == 401


def test_a_derived_model_has_the_entries_of_its_base(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    class Charter(Model):
        text: Prop[str]

        class Meta:
            data_source = source
            acls = [{**EVERYONE, **ALLOW, "property": "find"}]

    class Statute(Charter):
        class Meta:
            data_source = source
            acls = [{**EVERYONE, **ALLOW, "property": "count"}]

    client, _ = visit(Charter, Statute)
    found = [
        client.get(f"/api/{path}").status_code
        for path in ("charters", "charters/count", "statutes", "statutes/count")
    ]
    assert found == [200, 401, 200, 200]


def test_an_alias_and_either_spelling_name_a_method(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    models = [
        source.create_model(
            f"byName{index}", {"text": str}, {"acls": [{**EVERYONE, **ALLOW, "property": name}]}
        )
        for index, name in enumerate(("destroyById", "delete_by_id", "deleteById"))
    ]
    client, _ = visit(*models)
    for each in models:
        each.create(text="a")
        path = f"/api/{each.definition.plural}/1"
        assert client.delete(path).status_code == 200
        assert client.get(path).status_code == 401


# Entries of methods


def test_a_method_has_entries_of_its_own(source: DataSource, visit: Callable[..., Any]) -> None:
    class Oracle(Model):
        class Meta:
            data_source = source

        @remote_method(http={"verb": "get"}, acls=[{**AUTHENTICATED, **ALLOW}])
        @classmethod
        def ask(cls) -> str:
            return "42"

        @remote_method(http={"verb": "get"})
        @classmethod
        def hear(cls) -> str:
            return "wind"

    client, headers = visit(Oracle)
    assert client.get("/api/oracles/ask").status_code == 401
    assert client.get("/api/oracles/ask", headers=headers).status_code == 200
    assert client.get("/api/oracles/hear").status_code == 200
    assert client.get("/api/oracles").status_code == 200


def test_the_access_type_of_a_method_follows_its_verb_or_is_said(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    class Archive(Model):
        class Meta:
            data_source = source
            acls = [
                {**EVERYONE, **ALLOW, "accessType": "READ"},
                {**AUTHENTICATED, **ALLOW, "accessType": "WRITE"},
            ]

        @remote_method(http={"verb": "get"})
        @classmethod
        def look(cls) -> str:
            return ""

        @remote_method(access_type="READ")
        @classmethod
        def search(cls) -> str:
            return ""

        @remote_method(access_type="WRITE")
        @classmethod
        def sort(cls) -> str:
            return ""

        @remote_method
        @classmethod
        def burn(cls) -> str:
            return ""

    client, headers = visit(Archive)

    def statuses(headers: Any) -> list[int]:
        get = client.get("/api/archives/look", headers=headers).status_code
        posts = [
            client.post(f"/api/archives/{name}", headers=headers).status_code
            for name in ("search", "sort", "burn")
        ]
        return [get, *posts]

    assert statuses({}) == [200, 200, 401, 401]
    assert statuses(headers) == [200, 200, 200, 401]


def test_a_method_may_want_a_token_for_something(
    source: DataSource, visit: Callable[..., Any], visitor: Any
) -> None:
    class Strongbox(Model):
        class Meta:
            data_source = source
            acls = [{**AUTHENTICATED, **ALLOW}]

        @remote_method(access_scopes=["safe-opening"])
        @classmethod
        def unlock(cls) -> str:
            return "open"

    client, headers = visit(Strongbox)
    user = visitor.create(email="w@example.com")
    special = bearer(user, ["safe-opening"])
    assert client.post("/api/strongboxes/unlock").status_code == 401
    refused = client.post("/api/strongboxes/unlock", headers=headers)
    assert code_of(refused) == (403, "ACCESS_DENIED")
    assert client.post("/api/strongboxes/unlock", headers=special).status_code == 200
    assert code_of(client.get("/api/strongboxes", headers=special)) == (403, "ACCESS_DENIED")
    assert client.get("/api/strongboxes", headers=bearer(user, ["DEFAULT", "x"])).status_code == 200


# Refusals


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "AUTHORIZATION_REQUIRED"), (403, "ACCESS_DENIED"), (404, "MODEL_NOT_FOUND")],
)
def test_the_status_for_somebody_who_must_not_is_the_models_or_the_apps(
    source: DataSource, visit: Callable[..., Any], status: int, code: str
) -> None:
    own = source.create_model(
        "vault", {"n": int}, {"acls": [{**EVERYONE, **DENY}], "acl_error_status": status}
    )
    other = source.create_model("crypt", {"n": int}, {"acls": [{**EVERYONE, **DENY}]})
    client, headers = visit(own, other, LOOP_ACL_ERROR_STATUS=status)
    for path in ("vaults", "crypts"):
        assert code_of(client.get(f"/api/{path}", headers=headers)) == (status, code)
        assert code_of(client.get(f"/api/{path}/1", headers=headers)) == (status, code)
        assert code_of(client.get(f"/api/{path}")) == (401, "AUTHORIZATION_REQUIRED")


def test_a_404_of_what_is_hidden_is_that_of_what_is_not_there(
    source: DataSource, visit: Callable[..., Any], visitor: Any
) -> None:
    hidden = source.create_model(
        "hoard",
        {"userId": int},
        {"acls": [{"principalId": "$owner", **ALLOW}], "acl_error_status": 404},
    )
    plain = source.create_model("heap", {"n": int})
    client, headers = visit(hidden, plain)
    hidden.create(user_id=987)
    missing = client.get("/api/heaps/7").json
    for verb in ("GET", "PATCH", "DELETE"):
        for id in (1, 7):
            answer = client.open(f"/api/hoards/{id}", method=verb, json={}, headers=headers)
            assert answer.status_code == 404
            error = {**missing["error"], "message": f'Unknown "hoard" id "{id}".'}
            assert answer.json == {"error": error}


def test_only_owners_cannot_create_as_they_own_nothing_that_there_is(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    diary = source.create_model(
        "diary", {"userId": int}, {"acls": [{"principalId": "$owner", **ALLOW}]}
    )
    client, headers = visit(diary)
    body = {"userId": 1, "id": 1}
    assert client.post("/api/diaries", json=body, headers=headers).status_code == 401
    assert client.post("/api/diaries", json=[body], headers=headers).status_code == 401
    assert diary.count() == 0


def test_the_errors_of_a_call_that_is_refused_are_not_looked_for(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    dungeon = source.create_model("dungeon", {"n": int}, {"acls": [{**EVERYONE, **DENY}]})
    client, headers = visit(dungeon)
    for path in ("?filter={", "/nonsense", "/count?where={'x'}", "/findOne?filter[where][y]=1"):
        assert client.get(f"/api/dungeons{path}", headers=headers).status_code == 401
    assert client.post("/api/dungeons", json=3, headers=headers).status_code == 401


# Entries that have to be known


@pytest.mark.parametrize(
    ("permission", "level"), [("ALARM", logging.WARNING), ("AUDIT", logging.INFO)]
)
def test_an_alarm_and_an_audit_are_logged(
    source: DataSource,
    visit: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    permission: str,
    level: int,
) -> None:
    watched = source.create_model(
        f"watched{permission}", {"n": int}, {"acls": [{**EVERYONE, "permission": permission}]}
    )
    client, headers = visit(watched)
    path = f"/api/{watched.definition.plural}"
    with caplog.at_level(logging.INFO, "flask_loop.access"):
        assert client.get(path, headers=headers).status_code == 200
        assert client.get(path).status_code == 200
    first, second = (each for each in caplog.records if each.name == "flask_loop.access")
    assert first.levelno == level
    assert first.getMessage().startswith(
        f"{permission}: Visitor 1 called {watched.model_name}.find"
    )
    assert second.getMessage().startswith(f"{permission}: nobody called")


def test_a_built_in_role_that_there_is_not_is_an_error_that_names_the_place(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    broken = source.create_model("broken", {"n": int}, {"acls": [{"principalId": "$ownr", **DENY}]})
    client, _ = visit(broken)
    with pytest.raises(DefinitionError, match=r"'broken': acls\[0\]: .*'\$ownr'.*'\$owner'"):
        client.get("/api/brokens")


def test_an_entry_about_no_method_is_warned_about(
    source: DataSource, visit: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    typo = source.create_model(
        "typo", {"n": int}, {"acls": [{**EVERYONE, **DENY, "property": ["find", "delteById"]}]}
    )
    client, _ = visit(typo)
    client.get("/api/typos")
    (warning,) = (each for each in caplog.messages if "typo" in each)
    assert "typo: acls[0] is about 'delteById', and the model has no such method" in warning


# Entries that are records


class Town:
    """An app whose entries of access control are records."""

    def __init__(self, source: DataSource, **settings: Any) -> None:
        class Citizen(User):
            class Meta:
                data_source = source

        class TownRule(ACL):
            class Meta:
                data_source = source

        class Square(Model):
            name: Prop[str | None]

            class Meta:
                data_source = source

        class Palace(Model):
            name: Prop[str | None]

            class Meta:
                data_source = source
                acls = [{**EVERYONE, **DENY}]

        self.app = Flask("town")
        self.app.config.update(TESTING=True, **settings)
        loop = Loop(self.app, url_prefix="/api")
        for each in (Citizen, Square, Palace):
            loop.model(each)
        loop.model(TownRule, public=False)
        source.auto_update()
        self.Rule, self.Square = TownRule, Square
        self.client = self.app.test_client()
        self.citizen = Citizen.create(email=f"{uuid4().hex}@example.com")
        self.headers = bearer(self.citizen)

    def status(self, path: str, headers: Any = None) -> int:
        return int(self.client.get(f"/api/{path}", headers=headers).status_code)


@pytest.fixture
def town(source: DataSource) -> Town:
    return Town(source)


def test_a_record_of_the_acl_model_is_an_entry_at_once(town: Town) -> None:
    assert town.status("squares") == 200
    rule = town.Rule.create(model="Square", **_role("$unauthenticated", "DENY"))
    assert town.status("squares") == 401
    assert town.status("squares", town.headers) == 200
    rule.update_attributes({"principal_id": "$everyone"})
    assert town.status("squares", town.headers) == 401
    rule.destroy()
    assert town.status("squares") == 200


def test_a_record_may_open_what_the_model_closes(town: Town) -> None:
    rule = _role("$authenticated", "ALLOW")
    town.Rule.create(model="Palace", property="find_by_id", access_type="READ", **rule)
    assert town.status("palaces/1", town.headers) == 404
    assert town.status("palaces", town.headers) == 401
    assert town.status("palaces/1") == 401


def test_a_record_about_one_user(town: Town) -> None:
    town.Rule.create(
        model="Palace",
        principal_type="USER",
        principal_id=town.citizen.id,
        permission="ALLOW",
    )
    assert town.status("palaces", town.headers) == 200
    other = type(town.citizen).create(email="d@example.com")
    assert town.status("palaces", bearer(other)) == 401


def test_a_record_about_a_user_goes_with_the_user(town: Town) -> None:
    user = {"principal_type": "USER", "principal_id": town.citizen.id}
    town.Rule.create(model="Palace", permission="ALLOW", **user)
    town.Rule.create(model="Palace", permission="ALLOW", **{**user, "principal_id": 999})
    with town.app.app_context():
        town.citizen.destroy()
        assert [each.principal_id for each in town.Rule.find()] == ["999"]


def test_a_record_about_every_model_counts_less_than_one_about_the_model(town: Town) -> None:
    town.Rule.create(model="*", **_role("$everyone", "DENY"))
    assert town.status("squares") == 401
    town.Rule.create(model="Square", **_role("$everyone", "ALLOW"))
    assert town.status("squares") == 200


def test_records_that_other_processes_write_are_seen_when_the_cache_is_over(
    source: DataSource,
) -> None:
    def write(town: Town) -> None:
        # As another process does, of which this one hears nothing.
        plan = town.Rule.__loop_plan__()
        entry = {"model": "Square", "property": "*", "access_type": "*"}
        plan.connector.insert(
            plan.definition, [{**entry, **_role("$everyone", "DENY"), "id": None}]
        )

    patient = Town(source, LOOP_SESSION_CACHE=3600.0)
    assert patient.status("squares") == 200
    write(patient)
    assert patient.status("squares") == 200
    eager = Town(source, LOOP_SESSION_CACHE=0.0)
    assert eager.status("squares") == 401


def test_an_entry_that_was_not_kept_decides_nothing(town: Town, source: DataSource) -> None:
    def check() -> None:
        with source.transaction():
            town.Rule.create(model="Square", **_role("$everyone", "DENY"))
            town.app.extensions["loop"].guard.decide(NOBODY, town.Square, _find(town))
            raise KeyError("undo")

    with town.app.app_context(), pytest.raises(KeyError):
        check()
    assert town.status("squares") == 200


def test_a_record_that_means_nothing_is_refused(town: Town) -> None:
    bad = town.Rule(model="Square", **_role("$everyone", "FORBID"))
    assert not bad.is_valid()
    assert "permission" in bad.errors
    bad = town.Rule(model="Square", access_type="LOOK", **_role("$everyone", "DENY"))
    assert not bad.is_valid()
    assert "access_type" in bad.errors


def test_a_record_that_cannot_be_read_opens_nothing(town: Town) -> None:
    plan = town.Rule.__loop_plan__()
    entry = {"model": "Square", "property": "*", "access_type": "*", "id": None}
    plan.connector.insert(plan.definition, [{**entry, **_role("$everyone", "FORBID")}])
    with pytest.raises(DefinitionError, match=r"TownRule 1: 'permission' is one of"):
        town.client.get("/api/squares")


def test_a_record_with_a_role_that_there_is_not_opens_nothing(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    town.Rule.create(model="Palace", **_role("$evryone", "ALLOW"))
    assert town.status("palaces", town.headers) == 401
    town.Rule.create(model="Square", **_role("$evryone", "DENY"))
    assert town.status("squares", town.headers) == 401
    assert "TownRule 2: there is no role '$evryone'" in caplog.messages


def _role(name: str, permission: str) -> dict[str, str]:
    return {"principal_type": "ROLE", "principal_id": name, "permission": permission}


def _find(town: Town) -> Any:
    return town.app.extensions["loop"].exposures[town.Square].method("find")


# The bundled models


def test_the_models_of_access_control_are_closed_until_entries_open_them(
    source: DataSource, visit: Callable[..., Any]
) -> None:
    class ClosedRole(Role):
        class Meta:
            data_source = source

    class ClosedMapping(RoleMapping):
        class Meta:
            data_source = source

    class OpenRule(ACL):
        class Meta:
            data_source = source
            acls = [{**AUTHENTICATED, **ALLOW, "accessType": "READ"}]

    client, headers = visit(ClosedRole, ClosedMapping, OpenRule)
    bodies = {
        "closedRoles": {"name": "admin"},
        "closedMappings": {"principalType": "USER", "principalId": "1", "roleId": 1},
        "openRules": {"model": "*", **_role("$everyone", "ALLOW")},
    }
    for path, body in bodies.items():
        assert client.post(f"/api/{path}", json=body, headers=headers).status_code == 401
        assert client.get(f"/api/{path}").status_code == 401
    assert client.get("/api/closedRoles", headers=headers).status_code == 401
    assert client.get("/api/openRules", headers=headers).status_code == 200


@pytest.mark.parametrize("bundled", [Role, RoleMapping, ACL])
def test_a_bundled_model_itself_is_every_apps(bundled: Any) -> None:
    with pytest.raises(TypeError, match="extend it first"):
        bundled.attach_to(memory())
    with pytest.raises(TypeError, match="extend it first"):
        Loop().model(bundled)
    with pytest.raises(TypeError, match="extend it first"):
        Role.register_resolver("friend", lambda access: True)


def test_an_app_has_one_model_of_each(source: DataSource) -> None:
    class FirstRule(ACL):
        class Meta:
            data_source = source

    class SecondRule(ACL):
        class Meta:
            data_source = source

    app = Flask("two")
    app.config["TESTING"] = True
    loop = Loop(app)
    loop.model(FirstRule, public=False)
    loop.model(SecondRule, public=False)
    loop.model(source.create_model("ruledTwice", {"n": int}))
    with pytest.raises(DefinitionError, match=r"one model of entries .*: FirstRule and SecondRule"):
        app.test_client().get("/ruledTwices")


# Why


def test_the_reasons_of_a_decision_are_told(source: DataSource, make_app: MakeApp) -> None:
    class Reader(User):
        class Meta:
            data_source = source

    class Scroll(Model):
        user_id: Prop[int]

        class Meta:
            data_source = source
            acls = [
                {**EVERYONE, **DENY},
                {"principalId": "$owner", **ALLOW, "property": "find"},
                {**AUTHENTICATED, **ALLOW, "accessType": "WRITE"},
            ]

    app = make_app(Reader, Scroll)
    state = app.extensions["loop"]
    method = state.exposures[Scroll].method("find")
    told = state.guard.explain(Caller(Reader, 7), Scroll, method)
    places = [entry.place for entry, _ in told.held]
    assert places == ["model 'Scroll': acls[1]", "model 'Scroll': acls[0]"]
    assert not told.default
    assert told.decision.where == Scroll.__loop_plan__().parser.where({"user_id": 7})
    stranger = state.guard.explain(NOBODY, Scroll, method)
    assert [entry.place for entry, _ in stranger.held] == ["model 'Scroll': acls[0]"]
    assert stranger.decision.is_denied


def test_what_nothing_can_refuse_is_not_guarded(source: DataSource, make_app: MakeApp) -> None:
    opened = source.create_model("meadow", {"n": int})
    partly = source.create_model(
        "pasture", {"n": int}, {"acls": [{**EVERYONE, **ALLOW, "property": "find"}]}
    )
    state = make_app(opened, partly).extensions["loop"]

    def guards(model: Any, name: str) -> bool:
        return bool(state.guard.guards(model, state.exposures[model].method(name)))

    assert not guards(opened, "find")
    assert not guards(opened, "deleteById")
    assert not guards(partly, "find")
    assert guards(partly, "deleteById")


# The command


def harbour() -> Flask:
    source = memory()

    class Sailor(User):
        class Meta:
            data_source = source

    class Ship(Model):
        name: Prop[str] = prop(required=True)
        owner: Prop[int | None]

        class Meta:
            data_source = source
            acls = [
                {**EVERYONE, **ALLOW, "accessType": "READ"},
                {"principalId": "$owner", **ALLOW, "accessType": "WRITE"},
                {"principalType": "ROLE", "principalId": "captain", **ALLOW},
                {"principalType": "USER", "principalId": 3, **DENY, "property": "findById"},
                {**EVERYONE, **DENY, "property": "sinkk"},
            ]

        @remote_method(acls=[{**AUTHENTICATED, **ALLOW}], access_scopes=["sinking"])
        @classmethod
        def sink(cls) -> str:
            return ""

    app = Flask("harbour")
    loop = Loop(app)
    loop.model(Ship)
    loop.model(Sailor)
    return app


def run(*arguments: str) -> Result:
    return harbour().test_cli_runner().invoke(args=["loop", "acl", *arguments])


def test_the_command_shows_who_may_call_what() -> None:
    result = run("Ship")
    assert result.exit_code == 0
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in result.output.splitlines()}
    assert lines["METHOD"] == "ACCESS TYPE WHO OPEN"
    assert lines["ships.find"] == "READ $everyone OPEN"
    assert lines["ships.findById"] == "READ $everyone but not USER 3 OPEN"
    assert lines["ships.create"] == "WRITE captain -"
    assert lines["ships.deleteById"] == "WRITE $owner, captain -"
    assert lines["ships.upsert"] == "WRITE captain -"
    assert lines["ships.sink"] == "EXECUTE $authenticated with a token for sinking -"


def test_the_command_warns_of_entries_about_no_method() -> None:
    assert "Warning: Ship: acls[4] is about 'sinkk'" in run().stderr


def test_the_command_shows_what_is_open_alone() -> None:
    result = run("--open", "--json", "Sailor")
    methods = [each["method"] for each in json.loads(result.stdout)]
    assert "sailors.login" in methods
    assert "sailors.create" in methods
    assert "sailors.find" not in methods
    assert "sailors.findById" not in methods


def test_the_command_writes_json() -> None:
    rows = {each["method"]: each for each in json.loads(run("--json").stdout)}
    assert rows["ships.create"]["who"] == ["captain"]
    assert rows["ships.create"]["default"] == "DENY"
    assert rows["sailors.findById"]["who"] == ["$owner"]
    assert rows["ships.find"]["open"] is True
    assert rows["ships.find"]["entries"][0]["permission"] == "ALLOW"


def test_the_command_names_the_model_that_was_meant() -> None:
    result = run("Shpi")
    assert result.exit_code == 1
    assert "no exposed model is called 'Shpi'; did you mean 'Ship'?" in result.output


def test_the_command_says_that_nothing_is_open() -> None:
    app = Flask("closed")
    loop = Loop(app)
    loop.model(memory().create_model("cell", {"n": int}, {"acls": [{**EVERYONE, **DENY}]}))
    result = app.test_cli_runner().invoke(args=["loop", "acl", "--open"])
    assert "Nothing is open to everyone." in result.output
