from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from marshmallow import fields

from flask_loop import DataSource, HasMany, Loop, Model, Prop, ValidationError, prop, relation
from flask_loop.auth import Session, User
from flask_loop.connectors.base import Record

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
#: A hash of bcrypt, as a client may send one in the place of a password.
READY_MADE = "$2b$04$abcdefghijklmnopqrstuuRuPtbVNzTTgVDOfmTAUFYDPAA0w1fiS"


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    app = make_app(LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    with app.app_context():
        yield app


def member_on(source: DataSource) -> type[Any]:
    class WritingMember(User):
        name: Prop[str | None] = prop(default=None)

    WritingMember.attach_to(source)
    source.auto_update()
    return WritingMember


def stored(model: type[Any], id: Any = 1) -> Record:
    """The record as the data source has it."""
    plan = model.__loop_plan__()
    return plan.connector.get(plan.definition, id).records()[0]


def create(member: Any) -> Any:
    return member.create(email="ann@example.com", password="first")


# Every way to write a password


def by_create(member: Any, password: str) -> None:
    member.create(email="ann@example.com", password=password)


def by_create_many(member: Any, password: str) -> None:
    member.create([{"email": "ann@example.com", "password": password}, {"email": "b@example.com"}])


def by_save_of_new(member: Any, password: str) -> None:
    member(email="ann@example.com", password=password).save()


def by_save(member: Any, password: str) -> None:
    ann = create(member)
    ann.password = password
    ann.save()


def by_save_without_rules(member: Any, password: str) -> None:
    ann = create(member)
    ann.password = password
    ann.save(validate=False)


def by_save_of_found(member: Any, password: str) -> None:
    create(member)
    ann = member.find_by_id(1)
    ann.password = password
    ann.save()


def by_patch(member: Any, password: str) -> None:
    create(member).patch_attributes({"password": password})


def by_update_attribute(member: Any, password: str) -> None:
    create(member).update_attribute("password", password)


def by_replace_attributes(member: Any, password: str) -> None:
    create(member).replace_attributes({"email": "ann@example.com", "password": password})


def by_replace_by_id(member: Any, password: str) -> None:
    create(member)
    member.replace_by_id(1, {"email": "ann@example.com", "password": password})


def by_replace_or_create(member: Any, password: str) -> None:
    create(member)
    member.replace_or_create({"id": 1, "email": "ann@example.com", "password": password})


def by_replace_or_create_of_new(member: Any, password: str) -> None:
    member.replace_or_create({"email": "ann@example.com", "password": password})


def by_upsert(member: Any, password: str) -> None:
    create(member)
    member.upsert({"id": 1, "password": password})


def by_upsert_of_new(member: Any, password: str) -> None:
    member.upsert({"email": "ann@example.com", "password": password})


def by_upsert_with_where(member: Any, password: str) -> None:
    create(member)
    member.upsert_with_where({"email": "ann@example.com"}, {"password": password})


def by_upsert_with_where_of_new(member: Any, password: str) -> None:
    data = {"email": "ann@example.com", "password": password}
    member.upsert_with_where({"email": "ann@example.com"}, data)


def by_find_or_create(member: Any, password: str) -> None:
    data = {"email": "ann@example.com", "password": password}
    member.find_or_create({"email": "ann@example.com"}, data)


def by_update_all(member: Any, password: str) -> None:
    create(member)
    member.update_all({"email": "ann@example.com"}, {"password": password})


WAYS = [
    by_create,
    by_create_many,
    by_save_of_new,
    by_save,
    by_save_without_rules,
    by_save_of_found,
    by_patch,
    by_update_attribute,
    by_replace_attributes,
    by_replace_by_id,
    by_replace_or_create,
    by_replace_or_create_of_new,
    by_upsert,
    by_upsert_of_new,
    by_upsert_with_where,
    by_upsert_with_where_of_new,
    by_find_or_create,
    by_update_all,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("password", ["s3cret words", READY_MADE])
def test_each_way_to_write_a_password_stores_a_hash_of_it(
    way: Callable[[Any, str], None], password: str, source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    way(member, password)
    assert stored(member)["password"].startswith("$argon2id$")
    assert member.login(email="ann@example.com", password=password).user_id == 1


@pytest.mark.parametrize(
    "way", [way for way in WAYS if way is not by_save_without_rules], ids=lambda way: way.__name__
)
def test_each_way_to_write_a_password_refuses_a_blank_one(
    way: Callable[[Any, str], None], source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    with pytest.raises(ValidationError) as refused:
        way(member, "  ")
    codes = refused.value.details["codes"]
    assert list(codes.values()) == [["INVALID_PASSWORD"]]
    assert next(iter(codes)).endswith("password")


@pytest.mark.parametrize(
    "write",
    [
        lambda member, ann: ann.save(),
        lambda member, ann: ann.patch_attributes({"name": "Ann"}),
        lambda member, ann: ann.replace_attributes(ann.to_record()),
        lambda member, ann: member.replace_by_id(1, ann.to_record()),
        lambda member, ann: member.replace_or_create(ann.to_record()),
        lambda member, ann: member.upsert(ann.to_record()),
        lambda member, ann: member.upsert(ann),
        lambda member, ann: member.update_all({}, {"name": "Ann"}),
        lambda member, ann: member.replace_by_id(1, {**ann.to_record(), "password": ann.password}),
    ],
)
def test_a_record_that_is_written_back_keeps_its_password(
    write: Callable[[Any, Any], Any], source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    create(member)
    before = stored(member)["password"]
    write(member, member.find_by_id(1))
    assert stored(member)["password"] == before
    member.login(email="ann@example.com", password="first")


def test_an_instance_that_was_read_before_a_change_does_not_bring_the_old_password_back(
    source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    create(member)
    for write in ("save", "replace"):
        old = member.find_by_id(1)
        member.find_by_id(1).patch_attributes({"password": f"new by {write}"})
        if write == "save":
            old.save()
        else:
            old.replace_attributes(old.to_record())
        member.login(email="ann@example.com", password=f"new by {write}")


def test_to_save_a_user_does_not_write_the_hash_that_was_read(
    source: DataSource, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = member_on(source)
    create(member)
    written: list[str] = []
    update = source.connector.update

    def note(definition: Any, where: Any, changes: Record) -> int:
        written.extend(changes)
        return update(definition, where, changes)

    monkeypatch.setattr(source.connector, "update", note)
    ann = member.find_by_id(1)
    ann.name = "Ann"
    ann.save()
    assert "name" in written
    assert "password" not in written


def test_a_copy_of_a_user_has_the_same_password(source: DataSource, app: Flask) -> None:
    member = member_on(source)
    record = create(member).to_record()
    member.create({**record, "id": None, "email": "copy@example.com"})
    member({**record, "id": None, "email": "third@example.com"}).save()
    for email in ("copy@example.com", "third@example.com"):
        member.login(email=email, password="first")


def test_users_that_are_written_through_relations_have_their_passwords_hashed(
    source: DataSource, app: Flask
) -> None:
    class RelatedMember(User):
        pass

    class MemberTeam(Model):
        name: Prop[str]
        members: HasMany[RelatedMember] = relation(nested=True)

    for model in (RelatedMember, MemberTeam):
        model.attach_to(source)
    source.auto_update()
    team = MemberTeam.create(
        name="Red", members=[{"email": "ann@example.com", "password": "nested one"}]
    )
    team.members.create({"email": "bob@example.com", "password": "scoped one"})
    RelatedMember.login(email="ann@example.com", password="nested one")
    RelatedMember.login(email="bob@example.com", password="scoped one")
    assert all(each.password.startswith("$argon2id$") for each in RelatedMember.find())


def test_observers_may_set_a_password(source: DataSource, app: Flask) -> None:
    member = member_on(source)

    @member.observe("before save")
    def give(ctx: Any) -> None:
        if ctx.is_new:
            ctx.data["password"] = "from an observer"

    member.create(email="ann@example.com")
    assert stored(member)["password"].startswith("$argon2id$")
    member.login(email="ann@example.com", password="from an observer")


def test_a_schema_and_types_of_the_apps_own_do_not_let_passwords_through(
    source: DataSource, app: Flask
) -> None:
    class OwnTypesMember(User):
        email: Prop[str | None] = prop(default=None)
        password: Prop[str] = prop(write_only=True)

    class OwnSchemaMember(User):
        pass

    OwnSchemaMember.schema = type(OwnSchemaMember.schema)
    declared = type("OwnSchema", (type(OwnSchemaMember.schema),), {"password": fields.String()})
    OwnSchemaMember.schema = declared
    for model in (OwnTypesMember, OwnSchemaMember):
        model.attach_to(source)
        source.auto_update()
        ann = model.create(email="Ann@Example.com", password=READY_MADE)
        assert stored(model)["password"].startswith("$argon2id$")
        assert ann.email == "ann@example.com"
        ann.save()
        ann.patch_attributes(username="ann")
        ann.replace_attributes({**ann.to_record(), "username": "anna"})
        assert model.login(email="ANN@example.com", password=READY_MADE)


def test_rules_of_passwords_are_for_the_password_and_not_for_its_hash(
    source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    member.validates_length_of("password", min=6, max=12)
    member.validates_format_of("password", with_="[0-9]")
    member.validate("password", lambda user: user.password != "password1")
    member.validates_presence_of("password")
    for wrong in ("abc1", "abcdefgh", "abcdefghijklm1", "password1", None):
        with pytest.raises(ValidationError) as refused:
            member.create(email="ann@example.com", password=wrong)
        assert list(refused.value.details["codes"]) == ["password"]
    ann = member.create(email="ann@example.com", password="abcdefg1")
    assert ann.is_valid()
    ann.patch_attributes(name="Ann")
    ann.save()
    member.replace_by_id(1, ann.to_record())
    member.update_all({}, {"name": "A."})
    with pytest.raises(ValidationError):
        ann.patch_attributes(password="abc1")
    with pytest.raises(ValidationError):
        member.update_all({}, {"password": "abc1"})
    member.login(email="ann@example.com", password="abcdefg1")


# Addresses


@pytest.mark.parametrize(
    "write",
    [
        lambda member, email: member.create(email=email),
        lambda member, email: member.create([{"email": email}]),
        lambda member, email: member.create(email="x@example.com").patch_attributes(email=email),
        lambda member, email: member.create(email="x@example.com").replace_attributes(
            {"email": email}
        ),
        lambda member, email: member.upsert(email=email),
        lambda member, email: [
            member.create(email="x@example.com"),
            member.update_all({}, {"email": email}),
        ],
    ],
)
def test_addresses_are_stored_in_lower_case_whichever_way_they_are_written(
    write: Callable[[Any, str], Any], source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    write(member, "Ann.Lee@Example.COM")
    assert stored(member)["email"] == "ann.lee@example.com"
    for wanted in ({"email": "ANN.lee@example.com"}, {"email": {"inq": ["Ann.Lee@Example.COM"]}}):
        assert member.count(wanted) == 1
    assert member.find_one({"where": member.email == "ANN.LEE@EXAMPLE.COM"}).id == 1


@pytest.mark.parametrize(
    "email",
    [
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@@example.com",
        "ann@example.com\n",
        "ann@example.com\r\nBcc: all@example.com",
        "ann@exa mple.com",
        "Ann <ann@example.com>",
        "ann@example.com,bob@example.com",
        "ann\t@example.com",
        "ann\u200b@example.com",
        '"a\x01b"@example.com',
    ],
)
def test_what_is_no_address_is_refused(email: str, source: DataSource, app: Flask) -> None:
    member = member_on(source)
    with pytest.raises(ValidationError) as refused:
        member.create(email=email)
    assert refused.value.details["codes"] == {"email": ["custom.email"]}


def test_an_address_is_required_and_neither_a_name_nor_a_password_is(
    source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    with pytest.raises(ValidationError) as refused:
        member.create(username="ann", password="secret")
    assert refused.value.details["codes"] == {"email": ["presence"]}
    assert member.create(email="ann@example.com").password is None


@pytest.mark.parametrize("name", ["email", "username"])
def test_no_two_users_have_the_same_address_or_name(
    name: str, source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    values = {"email": "Ann@example.com", "username": "ann"}
    member.create(values)
    other = {"email": "bob@example.com", "username": "bob", name: values[name]}
    with pytest.raises(ValidationError) as refused:
        member.create(other)
    assert refused.value.details["codes"] == {name: ["uniqueness"]}
    with pytest.raises(ValidationError):
        member.create([{"email": "c@example.com"}, other])
    bob = member.create(email="bob@example.com", username="bob")
    with pytest.raises(ValidationError):
        bob.patch_attributes({name: values[name]})
    unique = {each.keys for each in member.definition.indexes() if each.unique}
    assert unique >= {("email",), ("username",)}


def test_a_changed_address_is_not_verified_any_more(source: DataSource, app: Flask) -> None:
    member = member_on(source)
    ann = member.create(email="ann@example.com", email_verified=True)
    ann.patch_attributes(name="Ann")
    assert stored(member)["email_verified"] is True
    ann.patch_attributes(email="ANN@example.com")
    assert stored(member)["email_verified"] is True
    ann.patch_attributes(email="other@example.com")
    assert stored(member)["email_verified"] is False
    ann.email_verified = True
    ann.save()
    assert stored(member)["email_verified"] is True
    ann.email = "third@example.com"
    ann.save()
    assert stored(member)["email_verified"] is False
    ann.patch_attributes(email="fourth@example.com", email_verified=True)
    assert stored(member)["email_verified"] is True
    member.update_all({}, {"email": "fifth@example.com"})
    assert stored(member)["email_verified"] is False


# Over REST


@pytest.fixture
def client(source: DataSource, make_app: Callable[..., Flask]) -> Iterator[Any]:
    class RestMember(User):
        name: Prop[str | None] = prop(default=None)

        class Meta:
            plural = "members"
            default_permission = "ALLOW"
            acls = (
                {
                    "principalType": "ROLE",
                    "principalId": "$everyone",
                    "permission": "ALLOW",
                    "property": ["find", "findById", "replaceById", "patchAttributes", "updateAll"],
                },
            )

    RestMember.attach_to(source)
    source.auto_update()
    app = make_app(RestMember, LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    with app.app_context():
        app.model = RestMember  # type: ignore[attr-defined]
        yield app.test_client()


ANN = {"email": "ann@example.com", "password": "first"}


def test_no_answer_has_the_password_in_it(client: Any) -> None:
    answers = [
        client.post("/api/members", json=ANN),
        client.post("/api/members", json=[{**ANN, "email": "b@example.com"}]),
        client.get("/api/members"),
        client.get("/api/members/1"),
        client.patch("/api/members/1", json={"name": "Ann"}),
        client.put("/api/members/1", json={"email": "ann@example.com", "name": "Ann"}),
        client.post("/api/members/login?include=user", json=ANN),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert "password" not in answer.text
        assert "argon2" not in answer.text


def test_a_user_that_is_put_back_keeps_the_password(client: Any) -> None:
    client.post("/api/members", json=ANN)
    shown = client.get("/api/members/1").json
    assert client.put("/api/members/1", json={**shown, "name": "Ann"}).status_code == 200
    assert client.post("/api/members/login", json=ANN).status_code == 200


def test_a_password_may_be_put_anew(client: Any) -> None:
    client.post("/api/members", json=ANN)
    shown = client.get("/api/members/1").json
    client.put("/api/members/1", json={**shown, "password": "second"})
    assert client.post("/api/members/login", json=ANN).status_code == 401
    answer = client.post("/api/members/login", json={**ANN, "password": "second"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        'filter={"where":{"password":"x"}}',
        'filter={"where":{"password":{"like":"$argon2%25"}}}',
        'filter={"where":{"or":[{"password":{"gt":"$"}}]}}',
        'filter={"order":"password"}',
        'filter={"fields":["password"]}',
    ],
)
def test_nobody_filters_orders_or_asks_for_passwords(query: str, client: Any) -> None:
    client.post("/api/members", json=ANN)
    assert client.get(f"/api/members?{query}").status_code == 400


@pytest.mark.parametrize("as_list", [False, True])
def test_clients_cannot_say_that_their_address_is_verified(as_list: bool, client: Any) -> None:
    given = {**ANN, "emailVerified": True, "email_verified": True}
    made = client.post("/api/members", json=[given] if as_list else given)
    assert made.status_code == 200
    assert (made.json[0] if as_list else made.json)["emailVerified"] is False
    client.patch("/api/members/1", json={"emailVerified": True})
    client.put("/api/members/1", json={"email": "ann@example.com", "emailVerified": True})
    assert client.get("/api/members/1").json["emailVerified"] is False


def test_clients_cannot_move_to_another_realm(client: Any) -> None:
    client.post("/api/members", json={**ANN, "realm": "one"})
    client.patch("/api/members/1", json={"realm": "two"})
    client.put("/api/members/1", json={"email": "ann@example.com", "realm": "two"})
    assert client.get("/api/members/1").json["realm"] == "one"


@pytest.mark.parametrize(
    "password", [1, True, ["a"], {"gt": ""}, {"__class__": "x"}, 10**400, "a\0b", "\ud800"]
)
def test_what_is_no_text_is_no_password(password: Any, client: Any) -> None:
    answer = client.post("/api/members", json={**ANN, "password": password})
    assert answer.status_code in (400, 422)
    assert client.get("/api/members").json == []


# What is every app's


def test_the_bundled_models_are_extended_before_they_are_used(source: DataSource) -> None:
    with pytest.raises(TypeError, match="extend"):
        User.attach_to(source)
    with pytest.raises(TypeError, match="extend"):
        Session.attach_to(source)
    with pytest.raises(TypeError, match="extend"):
        User.require_email_verification = True
    with pytest.raises(TypeError, match="extend"):
        User.settings.ttl = 5
    with pytest.raises(TypeError, match="extend"):
        User.session = Session
    with pytest.raises(TypeError, match="extend"):
        User.observe("before save")
    app = Flask("bundled")
    with pytest.raises(TypeError, match="extend"):
        Loop(app).model(User)


def test_a_model_of_users_is_also_made_by_extend(source: DataSource, app: Flask) -> None:
    user = User.extend("user", {"nick": str}, ttl=60)
    user.attach_to(source)
    source.auto_update()
    user.create(email="ann@example.com", password="first", nick="An")
    session = user.login(email="ann@example.com", password="first")
    assert (session.ttl, user.definition.plural) == (60, "users")
    assert stored(user)["password"].startswith("$argon2id$")


SPELLINGS = [
    "require_email_verification",
    "requireEmailVerification",
    "emailVerificationRequired",
    "requireEmailVerfication",
    "require_email_verfication",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_verification_is_required_in_any_spelling(
    spelling: str, source: DataSource, app: Flask
) -> None:
    class SetMember(User):
        pass

    setattr(SetMember, spelling, True)
    in_body = type(User)("BodyMember", (User,), {spelling: True, "__module__": __name__})
    in_meta = type(User)(
        "MetaMember", (User,), {"Meta": type("Meta", (), {spelling: True}), "__module__": __name__}
    )
    extended = User.extend("spelledUser", **{spelling: True})

    class SettingMember(User):
        pass

    setattr(SettingMember.settings, spelling, True)
    for model in (SetMember, in_body, in_meta, extended, SettingMember):
        assert getattr(model, spelling) is True
        assert model.settings.require_email_verification is True
        assert getattr(model.settings, spelling) is True
    assert User.require_email_verification is False


def test_settings_are_read_and_set_by_name(source: DataSource) -> None:
    class ConfiguredMember(User):
        class Meta:
            ttl = 60

    class DerivedMember(ConfiguredMember):
        pass

    assert (ConfiguredMember.settings.ttl, DerivedMember.settings.ttl) == (60, 60)
    ConfiguredMember.settings.reset_template = "mine.html"
    assert ConfiguredMember.settings.resetTemplate == "mine.html"
    with pytest.raises(AttributeError, match="did you mean 'max_ttl'"):
        _ = ConfiguredMember.settings.max_tll
    with pytest.raises(AttributeError, match="max_tll"):
        ConfiguredMember.settings.max_tll = 5
    with pytest.raises(ValueError, match="'ttl' is"):
        ConfiguredMember.settings.ttl = "long"


def test_users_have_what_flask_login_asks_for(source: DataSource, app: Flask) -> None:
    member = member_on(source)
    ann = create(member)
    assert (ann.is_authenticated, ann.is_active, ann.is_anonymous) == (True, True, False)
    first = ann.get_id()
    assert first.startswith("loop:WritingMember:1:")
    assert member.find_by_id(1).get_id() == first
    ann.patch_attributes(name="Ann")
    assert ann.get_id() == first
    ann.patch_attributes(password="first")
    assert ann.get_id() != first


def test_the_id_of_a_login_takes_a_secret_key(
    source: DataSource, make_app: Callable[..., Flask]
) -> None:
    member = member_on(source)
    with make_app(LOOP_PASSWORD_HASHING=FAST).app_context():
        ann = create(member)
        with pytest.raises(RuntimeError, match="SECRET_KEY"):
            ann.get_id()
    with pytest.raises(RuntimeError, match="app_context"):
        ann.get_id()


def test_a_hash_is_not_shown_by_repr(app: Flask, source: DataSource) -> None:
    assert "argon2" not in repr(create(member_on(source)).to_record())
