from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource
from flask_loop.auth import User
from flask_loop.errors import BadRequest, Unauthorized, ValidationError

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Iterator[Flask]:
    app = make_app(LOOP_PASSWORD_HASHING=FAST, SECRET_KEY="key")
    with app.app_context():
        yield app


def member_on(source: DataSource, **options: Any) -> type[Any]:
    model = User.extend("realmMember", **options)
    model.attach_to(source)
    source.auto_update()
    return model


def fill(member: Any) -> None:
    for realm in ("one", "two"):
        member.create(email="ann@example.com", username="ann", realm=realm, password=f"of {realm}")


def test_one_address_may_be_in_several_realms_and_logs_in_to_each(
    source: DataSource, app: Flask
) -> None:
    member = member_on(source, realm_required=True)
    fill(member)
    for name in ({"email": "Ann@example.com"}, {"username": "ann"}):
        for id, realm in enumerate(("one", "two"), 1):
            assert member.login(**name, realm=realm, password=f"of {realm}").user_id == id
            other = "two" if realm == "one" else "one"
            with pytest.raises(Unauthorized):
                member.login(**name, realm=realm, password=f"of {other}")


@pytest.mark.parametrize("name", ["email", "username"])
def test_within_a_realm_nobody_has_the_same_address_or_name(
    name: str, source: DataSource, app: Flask
) -> None:
    member = member_on(source, realm_required=True)
    fill(member)
    values = {"email": "bob@example.com", "username": "bob", "realm": "one"}
    with pytest.raises(ValidationError) as refused:
        member.create({**values, name: {"email": "ann@example.com", "username": "ann"}[name]})
    assert refused.value.details["codes"] == {name: ["uniqueness"]}
    unique = {each.keys for each in member.definition.indexes() if each.unique}
    assert unique == {("email", "realm"), ("username", "realm")}


def test_where_there_are_no_realms_an_address_is_unique_whatever_realm_is_given(
    source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    member.create(email="ann@example.com", realm="one", password="first")
    with pytest.raises(ValidationError):
        member.create(email="ann@example.com", realm="two")
    assert member.login(email="ann@example.com", password="first")
    assert member.login(email="ann@example.com", password="first", realm="one")
    with pytest.raises(Unauthorized):
        member.login(email="ann@example.com", password="first", realm="two")


def test_realms_that_are_switched_on_later_count_from_then_on(
    source: DataSource, app: Flask
) -> None:
    member = member_on(source)
    member.settings.realm_required = True
    fill_with = {"email": "ann@example.com", "password": "first"}
    unique = {each.keys for each in member.definition.indexes() if each.unique}
    assert unique == {("email", "realm"), ("username", "realm")}
    member.create(**fill_with, realm="one")
    with pytest.raises(ValidationError):
        member.create(**fill_with, realm="one")


def test_a_realm_is_demanded_where_the_model_says_so(source: DataSource, app: Flask) -> None:
    member = member_on(source, realmRequired=True)
    fill(member)
    for realm in (None, ""):
        with pytest.raises(BadRequest) as refused:
            member.login(email="ann@example.com", password="of one", realm=realm)
        assert refused.value.error_code == "REALM_REQUIRED"


def test_a_realm_may_stand_before_the_name(source: DataSource, app: Flask) -> None:
    member = member_on(source, realmDelimiter=":", realm_required=True)
    fill(member)
    assert member.login(email="two:Ann@example.com", password="of two").user_id == 2
    assert member.login(username="one:ann", password="of one").user_id == 1
    assert member.login(username="ann", realm="two", password="of two").user_id == 2
    with pytest.raises(Unauthorized):
        member.login(username="one:ann", password="of two")
    with pytest.raises(Unauthorized):
        member.login(username="three:ann", password="of one")
    with pytest.raises(BadRequest):
        member.login(username="ann", password="of one")


def test_where_realms_are_not_demanded_no_realm_is_one_of_them(
    source: DataSource, app: Flask
) -> None:
    member = member_on(source, realm_delimiter=":")
    fill(member)
    with pytest.raises(Unauthorized):
        member.login(email="ann@example.com", password="of one")
    member.create(email="ann@example.com", password="of none")
    assert member.login(email="ann@example.com", password="of none").user_id == 3
    assert member.login(email="one:ann@example.com", password="of one").user_id == 1
    with pytest.raises(ValidationError):
        member.create(email="ann@example.com")


def test_models_of_users_have_realms_or_not_each_by_its_own_settings(source: DataSource) -> None:
    class PlainUser(User):
        pass

    class RealmUser(PlainUser):
        class Meta:
            realm_required = True

    def unique(model: Any) -> set[tuple[str, ...]]:
        return {each.keys for each in model.definition.indexes() if each.unique}

    assert unique(PlainUser) == {("email",), ("username",)}
    assert unique(RealmUser) == {("email", "realm"), ("username", "realm")}
