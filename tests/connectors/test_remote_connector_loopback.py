"""LoopBack 3 as the other app: what it makes of a path, of a body and of a list of instants."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from flask_loop import DataSource
from flask_loop.errors import BadRequest
from tests.web import Reply, Request, WebServer

Connect = Callable[..., DataSource]
TEXT_ID = {"type": str, "id": True}
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


class LoopBack:
    """The model ``codes`` of LoopBack 3.28 on its memory connector, as far as it is asked here.

    :ivar rows: by their ids, which are texts.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.paths: list[str] = []

    def __call__(self, request: Request) -> Reply:
        url = urlsplit(request.path)
        asked = {key: json.loads(each[0]) for key, each in parse_qs(url.query).items()}
        body = json.loads(request.body) if request.body else {}
        rest = url.path.removeprefix("/codes").removeprefix("/")
        self.paths.append(f"{request.method} {unquote(url.path)}")
        if request.method == "POST" and rest == "":
            self.rows[body["code"]] = body
            return _reply(body)
        where = asked.get("where", asked.get("filter", {}).get("where", {}))
        found = [row for row in self.rows.values() if _matches(row, where)]
        if rest == "count":
            return _reply({"count": len(found)})
        if rest == "update":
            for row in found:
                row.update(body)
            return _reply({"count": len(found)})
        if rest == "":
            return _refused(404, "no method") if request.method == "DELETE" else _reply(found)
        return self._on_one(request.method, _guessed(unquote(rest)), body)

    def _on_one(self, method: str, guess: Any, body: dict[str, Any]) -> Reply:
        if guess is None:
            return _refused(400, "id is a required argument")
        id = _text(guess)
        if method == "DELETE":
            return _reply({"count": int(self.rows.pop(id, None) is not None)})
        if method == "PUT" and body.get("code", guess) != guess:
            return _refused(400, f"id property (code) cannot be updated from {id} to {id}")
        if id not in self.rows:
            return _refused(404, f"No instance with id {id} found for code")
        self.rows[id] = {"code": id, **(self.rows[id] if method == "PATCH" else {}), **body}
        return _reply(self.rows[id])


def _guessed(text: str) -> Any:
    """What strong-remoting 3.17 takes a text in a path for."""
    if text == "null":
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    is_number = re.fullmatch(r"-?([0-9]|[1-9][0-9]*|[0-9]*\.[0-9]+)", text)
    if is_number and abs(float(text)) < 2**53:
        return float(text)
    return json.loads(text) if text[:1] + text[-1:] in ("{}", "[]") else text


def _text(value: Any) -> str:
    """A value as JavaScript makes text of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return value if isinstance(value, str) else "[object Object]"


def _matches(row: dict[str, Any], where: dict[str, Any]) -> bool:
    if "or" in where:
        return any(_matches(row, each) for each in where["or"])
    for name, said in where.items():
        if not isinstance(said, dict):
            if row.get(name) != said:
                return False
        elif name == "at" or row.get(name) not in said["inq"]:
            return False  # two Dates of JavaScript are never the same one
    return True


def _reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


def _refused(status: int, message: str) -> Reply:
    return _reply({"error": {"statusCode": status, "name": "Error", "message": message}}, status)


@pytest.fixture
def loopback(connect: Connect) -> Iterator[tuple[LoopBack, Any]]:
    server = LoopBack()
    with WebServer(server) as web:
        source = connect("remote", url=web.url, dialect="loopback3")
        properties = {"code": TEXT_ID, "name": str, "at": datetime}
        yield server, source.create_model("loopback_code", properties, plural="codes")


#: Texts that LoopBack reads as others in a path, and those others.
GUESSED = [
    ("1.10", "1.1"),
    ("1.0", "1"),
    (".5", "0.5"),
    ("-0", "0"),
    ("TRUE", "true"),
    ("False", "false"),
    ("0.30000000000000001", "0.3"),
    ("{}", "[object Object]"),
    ("[1]", "[object Object]"),
    ("null", "undefined"),
]


@pytest.mark.parametrize(("id", "other"), GUESSED)
def test_a_text_that_loopback_reads_as_another_leads_to_no_other_record(
    loopback: tuple[LoopBack, Any], id: str, other: str
) -> None:
    server, codes = loopback
    codes.create([{"code": id, "name": "mine"}, {"code": other, "name": "another"}])
    assert codes.find_by_id(id).name == "mine"
    assert codes.update_all({"code": id}, {"name": "new"}) == 1
    with pytest.raises(BadRequest, match="No path"):
        codes.destroy_by_id(id)
    assert [(each["code"], each["name"]) for each in server.rows.values()] == [
        (id, "new"),
        (other, "another"),
    ]


@pytest.mark.parametrize("id", ["1", "42", "1.5", "-3", "01", "1e3", "abc", "12345678901234567890"])
def test_a_text_that_is_a_number_is_replaced_and_deleted_by_its_path(
    loopback: tuple[LoopBack, Any], id: str
) -> None:
    server, codes = loopback
    codes.create({"code": id, "name": "old", "at": NOON})
    assert codes.replace_by_id(id, {"name": "new"}).name == "new"
    assert (server.rows[id]["name"], server.rows[id]["at"]) == ("new", None)
    assert f"PUT /codes/{id}" in server.paths
    assert codes.destroy_by_id(id) == 1
    assert server.rows == {}


def test_instants_of_a_list_are_found(loopback: tuple[LoopBack, Any]) -> None:
    _, codes = loopback
    hours = [NOON + timedelta(hours=each) for each in range(4)]
    codes.create([{"code": f"c{place}", "at": each} for place, each in enumerate(hours)])
    codes.create({"code": "none"})

    def found(condition: Any) -> list[str]:
        return [each.code for each in codes.find(where={"at": condition}, order="code")]

    assert found({"inq": hours[1:3]}) == ["c1", "c2"]
    assert found({"inq": hours[:1]}) == ["c0"]
    assert found({"inq": [hours[3], None]}) == ["c3", "none"]
    assert found({"inq": []}) == []
    assert found({"nin": hours[1:]}) == ["c0", "none"]
    assert codes.count({"at": {"inq": hours}}) == 4
    assert codes.update_all({"at": {"inq": hours[:2]}}, {"name": "early"}) == 2


def test_none_of_several_is_deleted_where_no_path_leads_to_one(
    loopback: tuple[LoopBack, Any],
) -> None:
    server, codes = loopback
    codes.create([{"code": "a"}, {"code": "b/c"}, {"code": "d"}])
    with pytest.raises(BadRequest, match="No path"):
        codes.destroy_all()
    assert list(server.rows) == ["a", "b/c", "d"]
    assert not [each for each in server.paths if each.startswith("DELETE /codes/")]
