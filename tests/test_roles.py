"""Who has which role: by mappings, by other roles, by functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, DefinitionError, Loop, Model, Prop, ValidationError, prop
from flask_loop.accounts.sessions import caller_of
from flask_loop.acl import ACL, Role, RoleMapping
from flask_loop.auth import User
from flask_loop.errors import TooMuchToRead
from flask_loop.remoting import Caller
from tests.tokens import bearer

EVERYONE = {"principalId": "$everyone", "permission": "DENY"}


def to(role: str, **more: Any) -> dict[str, Any]:
    return {"principalType": "ROLE", "principalId": role, "permission": "ALLOW", **more}


class Office:
    """An app with roles, two users, and a drawer for each role."""

    def __init__(self, source: DataSource, *more: Any, **settings: Any) -> None:
        class Worker(User):
            team: Prop[str | None]

            class Meta:
                data_source = source

        class Post(Role):
            class Meta:
                data_source = source

        class Appointment(RoleMapping):
            class Meta:
                data_source = source

        class Drawer(Model):
            name: Prop[str | None]
            team: Prop[str | None]

            class Meta:
                data_source = source
                acls = [EVERYONE, to("chief"), to("clerk", accessType="READ")]

        self.source = source
        self.Worker, self.Post, self.Appointment, self.Drawer = Worker, Post, Appointment, Drawer
        self.app = Flask("office")
        self.app.config.update(TESTING=True, **settings)
        self.loop = Loop(self.app, url_prefix="/api")
        for each in (Worker, Drawer, *more):
            self.loop.model(each)
        for each in (Post, Appointment):
            self.loop.model(each, public=False)
        source.auto_update()
        self.ann = Worker.create(email="ann@example.com", team="red")
        self.ben = Worker.create(email="ben@example.com", team="blue")
        self.client = self.app.test_client()

    def role(self, name: str) -> Any:
        return self.Post.find_one({"name": name}) or self.Post.create(name=name)

    def give(self, name: str, to: Any, principal_type: str = "USER") -> Any:
        given = {"principal_type": principal_type, "principal_id": to.id}
        return self.Appointment.create(role_id=self.role(name).id, **given)

    def reads(self, user: Any, path: str = "drawers") -> bool:
        answer = self.client.get(f"/api/{path}", headers=bearer(user))
        assert answer.status_code in (200, 401), answer.text
        return bool(answer.status_code == 200)

    def writes(self, user: Any) -> bool:
        answer = self.client.post("/api/drawers", json={}, headers=bearer(user))
        return bool(answer.status_code == 200)


@pytest.fixture
def office(source: DataSource) -> Office:
    return Office(source)


# Mappings


def test_a_user_has_a_role_by_a_mapping(office: Office) -> None:
    assert not office.reads(office.ann)
    office.give("clerk", office.ann)
    assert office.reads(office.ann)
    assert not office.writes(office.ann)
    assert not office.reads(office.ben)
    office.give("chief", office.ben)
    assert office.writes(office.ben)


def test_a_role_that_is_taken_back_is_gone_at_once(office: Office) -> None:
    mapping = office.give("clerk", office.ann)
    assert office.reads(office.ann)
    mapping.destroy()
    assert not office.reads(office.ann)
    office.give("clerk", office.ann)
    assert office.reads(office.ann)
    office.Appointment.destroy_all({"principal_id": str(office.ann.id)})
    assert not office.reads(office.ann)


def test_a_role_that_is_renamed_is_another_at_once(office: Office) -> None:
    office.give("clerk", office.ann)
    assert office.reads(office.ann)
    office.role("clerk").update_attributes({"name": "porter"})
    assert not office.reads(office.ann)


def test_a_mapping_may_name_the_model_of_the_user(office: Office) -> None:
    office.give("clerk", office.ann, "Worker")
    office.give("clerk", office.ben, "Manager")
    assert office.reads(office.ann)
    assert not office.reads(office.ben)


def test_the_principals_of_a_role_are_its_relation(office: Office) -> None:
    role = office.role("clerk")
    role.principals.create(principal_type="USER", principal_id=office.ann.id)
    assert [each.principal_id for each in role.principals()] == [str(office.ann.id)]
    assert office.reads(office.ann)


def test_nobody_has_a_role_twice(office: Office) -> None:
    office.give("clerk", office.ann)
    mapping = office.Appointment(
        principal_type="USER", principal_id=office.ann.id, role_id=office.role("clerk").id
    )
    with pytest.raises(ValidationError, match="`role_id` is not unique"):
        mapping.save()


# Roles in roles


def test_who_has_a_role_has_the_roles_of_that_role(office: Office) -> None:
    office.give("trainee", office.ann)
    assert not office.reads(office.ann)
    office.give("assistant", office.role("trainee"), "ROLE")
    office.give("clerk", office.role("assistant"), "ROLE")
    assert office.reads(office.ann)
    assert not office.reads(office.ben)


def test_roles_that_have_each_other_are_no_trouble(office: Office) -> None:
    office.give("chief", office.role("clerk"), "ROLE")
    office.give("clerk", office.role("chief"), "ROLE")
    office.give("chief", office.role("chief"), "ROLE")
    assert not office.reads(office.ann)
    office.give("clerk", office.ann)
    assert office.writes(office.ann)


# What names somebody goes with them


def test_a_new_user_does_not_inherit_the_roles_of_a_deleted_one(office: Office) -> None:
    office.give("chief", office.ben)
    assert office.writes(office.ben)
    with office.app.app_context():
        office.Worker.destroy_all({"email": "ben@example.com"})
    assert office.Appointment.count() == 0
    heir = office.Worker.create(email="heir@example.com")
    assert not office.reads(heir)


def test_a_page_that_a_default_scope_asks_for_spares_no_user_who_is_deleted(
    source: DataSource,
) -> None:
    class PagedWorker(User):
        class Meta:
            data_source = source
            scope = {"limit": 1, "order": "id"}

    office = Office(source, PagedWorker)
    workers = [PagedWorker.create(email=f"{name}@example.com") for name in ("cy", "di")]
    with office.app.app_context():
        for each in workers:
            office.give("chief", each, "PagedWorker")
        tokens = [each.create_session().id for each in workers]
        assert [caller_of(PagedWorker, token) is None for token in tokens] == [False, False]
        assert PagedWorker.destroy_all() == 2
        assert [caller_of(PagedWorker, token) for token in tokens] == [None, None]
    assert office.Appointment.count() == 0


def test_no_more_users_are_deleted_than_may_be_read_to_know_who_goes(office: Office) -> None:
    office.give("chief", office.ben)
    office.source.connector.max_scan = 1
    with office.app.app_context():
        with pytest.raises(TooMuchToRead, match="More than 1 records of Worker"):
            office.Worker.destroy_all()
        assert (office.Worker.count(), office.Appointment.count()) == (2, 1)
        assert office.Worker.destroy_all({"email": "ben@example.com"}) == 1
    assert (office.Worker.count(), office.Appointment.count()) == (1, 0)


def test_a_new_role_does_not_inherit_from_a_deleted_one(office: Office) -> None:
    office.give("chief", office.role("clerk"), "ROLE")
    office.give("clerk", office.ann)
    office.role("clerk").destroy()
    assert office.Appointment.count() == 0
    office.give("new", office.ann)
    assert not office.reads(office.ann)


# Several models of users


def test_users_of_two_models_are_told_apart(source: DataSource) -> None:
    class Robot(User):
        class Meta:
            data_source = source

    office = Office(source, Robot)
    robot = Robot.create(email="r@example.com")
    assert robot.id == office.ann.id
    office.give("clerk", office.ann, "Worker")
    assert office.reads(office.ann)
    assert not office.reads(robot)
    office.give("clerk", office.ben, "USER")
    assert not office.reads(office.ben)  # which of the two is meant is not said


def test_an_entry_that_denies_a_user_denies_each_who_may_be_meant(source: DataSource) -> None:
    class Drone(User):
        class Meta:
            data_source = source

    plaza = source.create_model(
        "plaza",
        {"n": int},
        {
            "acls": [
                {"principalId": "$everyone", "permission": "ALLOW"},
                {"principalType": "USER", "principalId": 1, "permission": "DENY"},
            ]
        },
    )
    office = Office(source, Drone, plaza)
    drone = Drone.create(email="d@example.com")
    assert not office.reads(office.ann, "plazas")
    assert not office.reads(drone, "plazas")
    assert office.reads(office.ben, "plazas")


def test_an_entry_that_allows_a_user_has_to_say_of_which_model(source: DataSource) -> None:
    class Puppet(User):
        class Meta:
            data_source = source

    def made(name: str, principal_type: str) -> Any:
        entry = {"principalType": principal_type, "principalId": 1, "permission": "ALLOW"}
        return source.create_model(name, {"n": int}, {"acls": [entry]})

    office = Office(source, Puppet, made("stage", "USER"), made("booth", "Puppet"))
    puppet = Puppet.create(email="p@example.com")
    assert not office.reads(office.ann, "stages")
    assert not office.reads(puppet, "stages")
    assert not office.reads(office.ann, "booths")
    assert office.reads(puppet, "booths")


def test_a_principal_of_the_hosts_own_has_the_roles_that_it_came_with(office: Office) -> None:
    class Account:
        pass

    state = office.app.extensions["loop"]
    method = state.exposures[office.Drawer].method("find")

    def allows(*roles: str) -> bool:
        caller = Caller(Account, 1, roles=frozenset(roles))
        return not state.guard.decide(caller, office.Drawer, method).is_denied

    assert not allows()
    assert allows("clerk")
    office.give("chief", office.role("director"), "ROLE")
    assert allows("director")


# What is remembered


def test_roles_are_remembered_for_a_while(source: DataSource) -> None:
    office = Office(source, LOOP_SESSION_CACHE=3600.0)
    office.give("clerk", office.ann)
    assert office.reads(office.ann)
    # As another process does, of which this one hears nothing.
    plan = office.Appointment.__loop_plan__()
    plan.connector.delete(plan.definition, plan.parser.where({}))
    assert office.reads(office.ann)
    office.app.extensions["loop"].guard.roles.forget()
    assert not office.reads(office.ann)


def test_roles_are_not_remembered_where_that_is_turned_off(source: DataSource) -> None:
    office = Office(source, LOOP_SESSION_CACHE=0.0)
    office.give("clerk", office.ann)
    assert office.reads(office.ann)
    plan = office.Appointment.__loop_plan__()
    plan.connector.delete(plan.definition, plan.parser.where({}))
    assert not office.reads(office.ann)


def test_a_role_that_was_not_kept_is_not_remembered(office: Office) -> None:
    state = office.app.extensions["loop"]

    def promote() -> None:
        with office.source.transaction():
            office.give("chief", office.ann)
            assert "chief" in state.guard.roles.names(Caller(office.Worker, office.ann.id))
            raise KeyError("undo")

    with office.app.app_context(), pytest.raises(KeyError):
        promote()
    assert not office.writes(office.ann)


# Functions


def with_resolver(source: DataSource, answer: Callable[[Any], Any]) -> Office:
    """An office whose desks are for those of whom a function says so."""

    class Desk(Model):
        team: Prop[str | None]
        height: Prop[int] = prop(default=0)

        class Meta:
            data_source = source
            acls = [EVERYONE, to("mate")]

    office = Office(source, Desk)
    office.Post.register_resolver("mate", answer)
    Desk.create([{"team": "red"}, {"team": "blue"}, {"team": "blue", "height": 2}])
    return office


def desks(office: Office, user: Any) -> Any:
    answer = office.client.get("/api/desks", headers=bearer(user))
    return sorted(each["id"] for each in answer.json) if answer.status_code == 200 else None


def test_a_function_says_who_has_a_role(source: DataSource) -> None:
    office = with_resolver(source, lambda access: access.user.team == "red")
    assert desks(office, office.ann) == [1, 2, 3]
    assert desks(office, office.ben) is None


def test_a_function_says_for_which_records_somebody_has_a_role(source: DataSource) -> None:
    office = with_resolver(source, lambda access: {"team": access.user.team})
    assert desks(office, office.ann) == [1]
    assert desks(office, office.ben) == [2, 3]
    headers = bearer(office.ann)
    assert office.client.delete("/api/desks/2", headers=headers).status_code == 401
    assert office.client.delete("/api/desks/1", headers=headers).status_code == 200


def test_a_function_may_give_an_expression(source: DataSource) -> None:
    office = with_resolver(
        source,
        lambda access: (access.model.team == access.user.team) & (access.model.height > 1),
    )
    assert desks(office, office.ben) == [3]


def test_a_function_sees_who_calls_what(source: DataSource) -> None:
    seen: list[Any] = []

    def note(access: Any) -> bool:
        seen.append(
            (
                access.is_authenticated,
                access.user_id,
                access.user_model,
                access.user and access.user.email,
                access.model.model_name,
                access.method_string,
                access.access_type,
            )
        )
        return False

    office = with_resolver(source, note)
    desks(office, office.ann)
    office.client.delete("/api/desks/1")
    ann = (True, office.ann.id, office.Worker, "ann@example.com")
    assert seen[0] == (*ann, "Desk", "desks.find", "READ")
    assert seen[-1] == (False, None, None, None, "Desk", "desks.deleteById", "WRITE")


@pytest.mark.parametrize("nothing", [None, False])
def test_a_function_that_says_nothing_gives_no_role(source: DataSource, nothing: Any) -> None:
    office = with_resolver(source, lambda access: nothing)
    assert desks(office, office.ann) is None


def test_a_function_that_gives_something_else_is_an_error(source: DataSource) -> None:
    office = with_resolver(source, lambda access: "yes")
    with pytest.raises(TypeError, match="the role 'mate' gives True, False or a where, not 'yes'"):
        desks(office, office.ann)


def test_a_function_whose_where_means_nothing_is_no_mistake_of_the_client(
    source: DataSource,
) -> None:
    office = with_resolver(source, lambda access: {"teem": "red"})
    with pytest.raises(DefinitionError, match=r"the function of the role 'mate': .*teem"):
        desks(office, office.ann)


def test_a_function_that_fails_opens_nothing(source: DataSource) -> None:
    office = with_resolver(source, lambda access: access.user.nonsense)
    office.app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    answer = office.client.get("/api/desks", headers=bearer(office.ann))
    assert answer.status_code == 500


def test_a_role_has_one_function(office: Office) -> None:
    @office.Post.resolver("friend")
    def is_friend(access: Any) -> bool:
        return True

    assert is_friend(None)
    with pytest.raises(DefinitionError, match="'friend' has a function already"):
        office.Post.register_resolver("friend", is_friend)
    with pytest.raises(DefinitionError, match=r"'\$owner' is said already"):
        office.Post.register_resolver("$owner", is_friend)
    with pytest.raises(TypeError, match="called with a role's name"):
        office.Post.register_resolver("other", "friend")  # type: ignore[arg-type]


def test_a_derived_model_of_roles_has_the_functions_of_its_base(source: DataSource) -> None:
    class BaseRole(Role):
        class Meta:
            data_source = source

    class DerivedRole(BaseRole):
        class Meta:
            data_source = source

    BaseRole.register_resolver("$guest", lambda access: not access.is_authenticated)
    lobby = source.create_model("lobby", {"n": int}, {"acls": [EVERYONE, to("$guest")]})
    app = Flask("lobby")
    app.config["TESTING"] = True
    loop = Loop(app)
    loop.model(lobby)
    loop.model(DerivedRole, public=False)
    source.auto_update()
    assert app.test_client().get("/lobbies").status_code == 200


def test_an_app_may_have_roles_by_functions_alone(source: DataSource) -> None:
    class Rank(Role):
        pass

    Rank.register_resolver("visitor", lambda access: True)
    foyer = source.create_model("foyer", {"n": int}, {"acls": [to("visitor")]})
    app = Flask("foyer")
    app.config["TESTING"] = True
    loop = Loop(app)
    loop.model(foyer)
    loop.model(Rank, public=False)
    source.auto_update()
    assert app.test_client().get("/foyers").status_code == 200


# Over REST


def test_an_administrator_gives_roles_over_rest(source: DataSource) -> None:
    admins = [to("administrator")]

    class Officer(User):
        class Meta:
            data_source = source

    class Title(Role):
        class Meta:
            data_source = source
            acls = admins

    class Holding(RoleMapping):
        class Meta:
            data_source = source
            acls = admins

    class Order(ACL):
        class Meta:
            data_source = source
            acls = admins

    app = Flask("registry")
    app.config["TESTING"] = True
    loop = Loop(app, url_prefix="/api")
    for each in (Officer, Title, Holding, Order):
        loop.model(each)
    source.auto_update()
    first = Officer.create(email="1@example.com")
    second = Officer.create(email="2@example.com")
    title = Title.create(name="administrator")
    Holding.create(principal_type="USER", principal_id=first.id, role_id=title.id)
    client = app.test_client()
    body = {"principalType": "USER", "principalId": second.id, "roleId": title.id}
    refused = client.post("/api/holdings", json=body, headers=bearer(second))
    assert refused.status_code == 401
    given = client.post("/api/holdings", json=body, headers=bearer(first))
    assert given.json["principalId"] == str(second.id)
    assert client.get("/api/titles", headers=bearer(second)).status_code == 200
    path = f"/api/titles/{title.id}/principals"
    assert len(client.get(path, headers=bearer(second)).json) == 2
