"""Which entry decides: LoopBack 3's order, stated a second time in plain words and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_loop import DefinitionError, create_model
from flask_loop.access.scoring import Call, held_by, ranked, resolve
from flask_loop.definition import AccessEntry, read_entries
from flask_loop.query import EVERYTHING, NOTHING, FilterParser, Where, predicate
from tests.plain_rules import plain_answer

#: A record of this model has a role for the caller where the property of the role is true.
PARSER = FilterParser(
    create_model("resolvedRecord", {"owner": bool, "related": bool, "mate": bool}).definition
)
ROW_ROLES = {"$owner": "owner", "$related": "related", "mate": "mate"}
ROLES = ("$everyone", "$authenticated", "$unauthenticated", *ROW_ROLES, "admin")


def decision_of(
    entries: Sequence[Mapping[str, Any]],
    default: str,
    names: set[str],
    access_type: str,
    principals: Mapping[tuple[str, str], bool],
) -> Any:
    read = [
        AccessEntry.read(
            {key: value for key, value in entry.items() if key != "model"},
            "acls",
            is_everywhere="model" in entry,
        )
        for entry in entries
    ]
    order = ranked(read, Call(frozenset(names), access_type))

    def holds(entry: AccessEntry) -> Where:
        if entry.principal_type == "ROLE" and entry.principal_id in ROW_ROLES:
            return PARSER.where({ROW_ROLES[entry.principal_id]: True})
        return EVERYTHING if principals[entry.principal_type, entry.principal_id] else NOTHING

    return resolve(list(held_by(order, holds)), default == "ALLOW")


principals = st.one_of(
    st.tuples(st.just("ROLE"), st.sampled_from(ROLES)),
    st.tuples(st.just("USER"), st.sampled_from(["1", "2"])),
    st.tuples(st.just("APP"), st.just("web")),
)
entry = st.builds(
    lambda principal, permission, access_type, listed, model: {
        "principalType": principal[0],
        "principalId": principal[1],
        "permission": permission,
        **({} if access_type is None else {"accessType": access_type}),
        **({} if listed is None else {"property": listed}),
        **model,
    },
    principals,
    st.sampled_from(["ALLOW", "DENY", "ALARM", "AUDIT"]),
    st.sampled_from([None, "*", "READ", "WRITE", "EXECUTE"]),
    st.sampled_from([None, "*", "find", "create", ["find", "count"], ["create", "*"]]),
    st.sampled_from([{}, {"model": "*"}]),
)


@given(
    entries=st.lists(entry, max_size=6),
    default=st.sampled_from(["ALLOW", "DENY"]),
    names=st.sampled_from([{"find"}, {"create"}, {"count"}, {"upsert", "updateOrCreate"}]),
    access_type=st.sampled_from(["READ", "WRITE", "EXECUTE"]),
    is_authenticated=st.booleans(),
    is_admin=st.booleans(),
)
def test_the_decision_is_what_the_rules_say_of_each_record(
    *,
    entries: list[dict[str, Any]],
    default: str,
    names: set[str],
    access_type: str,
    is_authenticated: bool,
    is_admin: bool,
) -> None:
    known = {
        ("ROLE", "$everyone"): True,
        ("ROLE", "$authenticated"): is_authenticated,
        ("ROLE", "$unauthenticated"): not is_authenticated,
        ("ROLE", "admin"): is_admin,
        ("USER", "1"): is_authenticated,
        ("USER", "2"): False,
        ("APP", "web"): False,
    }
    decision = decision_of(entries, default, names, access_type, known)
    allows = predicate(decision.where)
    answers = []
    for owner, related, mate in product([False, True], repeat=3):
        record = {"id": 1, "owner": owner, "related": related, "mate": mate}
        roles = {("ROLE", role): record[name] for role, name in ROW_ROLES.items()}
        expected = plain_answer(entries, default, names, access_type, {**known, **roles})
        assert allows(record) is expected
        answers.append(expected)
    assert decision.is_free is all(answers)
    assert decision.is_denied is not any(answers)
    of_none = {("ROLE", role): False for role in ROW_ROLES}
    expected = plain_answer(entries, default, names, access_type, {**known, **of_none})
    assert decision.on_none is expected


# Single rules, in LoopBack's order


def rule(principal: str, permission: str, **more: Any) -> dict[str, Any]:
    kind, _, name = principal.rpartition(" ")
    return {
        "principalType": kind or "ROLE",
        "principalId": name,
        "permission": permission,
        **more,
    }


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        pytest.param(
            rule("USER 1", "{0}", model="*", property="find", accessType="READ"),
            rule("$everyone", "{1}"),
            id="the model counts most",
        ),
        pytest.param(
            rule("USER 1", "{0}", accessType="READ"),
            rule("$everyone", "{1}", property="find"),
            id="then the method",
        ),
        pytest.param(
            rule("USER 1", "{0}"),
            rule("$everyone", "{1}", accessType="READ"),
            id="then the access type",
        ),
        pytest.param(rule("admin", "{0}"), rule("USER 1", "{1}"), id="then users before roles"),
        pytest.param(rule("$owner", "{0}"), rule("admin", "{1}"), id="own roles before $owner"),
        pytest.param(rule("$related", "{0}"), rule("$owner", "{1}"), id="$owner before $related"),
        pytest.param(
            rule("$authenticated", "{0}"),
            rule("$related", "{1}"),
            id="$related before $authenticated",
        ),
        pytest.param(
            rule("$everyone", "{0}"),
            rule("$authenticated", "{1}"),
            id="$authenticated before $everyone",
        ),
        pytest.param(
            rule("$everyone", "{0}", accessType="*"),
            rule("$everyone", "{1}", accessType="EXECUTE"),
            id="EXECUTE is as good as the access type itself",
        ),
    ],
)
def test_the_more_exact_entry_wins(weaker: dict[str, Any], stronger: dict[str, Any]) -> None:
    holds = {
        ("ROLE", "$everyone"): True,
        ("ROLE", "$authenticated"): True,
        ("ROLE", "admin"): True,
        ("USER", "1"): True,
    }
    for losing, winning in (("ALLOW", "DENY"), ("DENY", "ALLOW")):
        entries = [{**weaker, "permission": losing}, {**stronger, "permission": winning}]
        for each in (entries, entries[::-1]):
            decision = decision_of(each, "ALLOW", {"find"}, "READ", holds)
            record = {"id": 1, "owner": True, "related": True, "mate": False}
            assert predicate(decision.where)(record) is (winning == "ALLOW")


@pytest.mark.parametrize("other", ["ALLOW", "ALARM", "AUDIT"])
def test_of_two_entries_that_are_alike_the_one_that_denies_wins(other: str) -> None:
    entries = [rule("$everyone", other), rule("$everyone", "DENY")]
    for each in (entries, entries[::-1]):
        decision = decision_of(each, "ALLOW", {"find"}, "READ", {("ROLE", "$everyone"): True})
        assert decision.is_denied


@pytest.mark.parametrize("permission", ["ALLOW", "ALARM", "AUDIT"])
def test_an_alarm_and_an_audit_allow(permission: str) -> None:
    entries = [rule("$everyone", permission)]
    decision = decision_of(entries, "DENY", {"find"}, "READ", {("ROLE", "$everyone"): True})
    assert decision.is_free
    assert decision.on_none


@pytest.mark.parametrize(
    ("said", "called", "is_about"),
    [
        ("EXECUTE", "READ", True),
        ("EXECUTE", "WRITE", True),
        ("READ", "WRITE", False),
        ("WRITE", "READ", False),
        ("WRITE", "EXECUTE", False),
        ("*", "EXECUTE", True),
    ],
)
def test_an_entry_is_about_its_access_type_and_execute_about_each(
    said: str, called: str, is_about: bool
) -> None:
    entries = [rule("$everyone", "DENY", accessType=said)]
    decision = decision_of(entries, "ALLOW", {"find"}, called, {("ROLE", "$everyone"): True})
    assert decision.is_denied is is_about


def test_an_entry_for_the_owner_leaves_other_records_to_the_next_one() -> None:
    entries = [rule("$owner", "ALLOW"), rule("$everyone", "DENY")]
    decision = decision_of(entries, "ALLOW", {"find"}, "READ", {("ROLE", "$everyone"): True})
    assert decision.where == PARSER.where({"owner": True})
    assert not decision.on_none
    denied = [rule("$owner", "DENY"), rule("$everyone", "ALLOW")]
    decision = decision_of(denied, "DENY", {"find"}, "READ", {("ROLE", "$everyone"): True})
    allows = predicate(decision.where)
    assert [allows({"owner": value}) for value in (None, False, True)] == [True, True, False]
    assert decision.on_none


def test_what_one_entry_decided_of_the_owner_another_does_not_decide_again() -> None:
    exact = rule("$owner", "ALLOW", property="find")
    opened = decision_of([exact, rule("$owner", "DENY")], "ALLOW", {"find"}, "READ", {})
    assert opened.is_free
    exact = rule("$owner", "DENY", property="find")
    closed = decision_of([exact, rule("$owner", "ALLOW")], "DENY", {"find"}, "READ", {})
    assert closed.is_denied


# What an entry may be


def test_entries_are_read_in_either_spelling() -> None:
    (first,) = read_entries(
        [
            {
                "principalType": "ROLE",
                "principalId": "admin",
                "accessType": "read",
                "permission": "allow",
                "property": ["find_by_id", "prototype.patchAttributes"],
            }
        ],
        "acls",
    )
    (second,) = read_entries(
        [
            {
                "principal_type": "ROLE",
                "principal_id": "admin",
                "access_type": "READ",
                "permission": "ALLOW",
                "property": ["findById", "prototype.patch_attributes"],
            }
        ],
        "acls",
    )
    assert first == second
    assert first.properties == ("findById", "prototype.patchAttributes")


def test_the_type_of_a_built_in_role_need_not_be_said() -> None:
    (entry,) = read_entries([{"principalId": "$owner", "permission": "ALLOW"}], "acls")
    assert (entry.principal_type, entry.access_type, entry.properties) == ("ROLE", "*", ())


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"principalId": "$owner"}, r"'permission' is one of .*, not None"),
        ({"principalId": "$owner", "permission": "ALOW"}, "did you mean 'ALLOW'"),
        ({"principalId": "$owner", "permission": True}, "'permission' is one of"),
        ({"permission": "DENY"}, "'principalId' is a role's name or somebody's id, not None"),
        ({"principalId": "admin", "permission": "DENY"}, "'principalType' is USER, ROLE, APP or"),
        (
            {"principalType": "role", "principalId": "admin", "permission": "DENY"},
            "'principalType' is 'ROLE', not 'role'",
        ),
        (
            {"principalId": "$owner", "permission": "DENY", "accessType": "REPLICATE"},
            "'accessType' is one of READ, WRITE, EXECUTE, \\*, not 'REPLICATE'",
        ),
        ({"principalId": "$owner", "permission": "DENY", "property": []}, "a list of no methods"),
        ({"principalId": "$owner", "permission": "DENY", "property": 3}, "'property' is a method"),
        (
            {"principalId": "$owner", "permission": "DENY", "acessType": "*"},
            "there is no key 'acessType'; did you mean 'accessType'",
        ),
        (
            {"principalId": "$owner", "principal_id": "a", "permission": "DENY"},
            "'principal_id' is given twice",
        ),
    ],
)
def test_an_entry_that_means_nothing_is_an_error_that_names_the_place(
    written: dict[str, Any], problem: str
) -> None:
    fine = {"principalId": "$everyone", "permission": "ALLOW"}
    with pytest.raises(DefinitionError, match=rf"acls\[1\]: .*{problem}"):
        read_entries([fine, written], "acls")
    with pytest.raises(DefinitionError, match=rf"acls\[1\]: .*{problem}"):
        create_model("misruled", {"name": str}, acls=[fine, written])
