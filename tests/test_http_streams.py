from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask, Response, current_app, got_request_exception, request
from flask.testing import FlaskClient
from werkzeug.exceptions import NotFound

from flask_loop import GeoPoint
from flask_loop.http import streams
from tests.served import URL, serve

ROOT = Path(__file__).parent.parent
STREAM = {"arg": "items", "type": "stream", "root": True}
LIST = {"arg": "items", "type": ["object"], "root": True}
NDJSON = "application/x-ndjson"
JSON = "application/json"


def get(client: FlaskClient, accept: str | None = None, **options: Any) -> Any:
    headers = {"Accept": accept} if accept is not None else {}
    return client.get(URL, headers=headers, **options)


def numbers(count: int) -> Iterator[dict[str, int]]:
    return ({"n": n} for n in range(count))


def lines_of(answer: Any) -> list[Any]:
    assert answer.headers["Content-Type"] == NDJSON
    return [orjson.loads(line) for line in answer.data.splitlines()]


# The form of a stream


def test_a_stream_has_a_line_of_json_for_each_item() -> None:
    items = [{"a": "x\ny"}, [1, 2], None, "text", 1.5, GeoPoint(1, 2)]
    answer = get(serve(lambda: iter(items), returns=STREAM, verb="get"))
    assert answer.status_code == 200
    assert lines_of(answer) == [*items[:5], {"lat": 1, "lng": 2}]
    assert answer.data.endswith(b"\n")
    assert "Content-Length" not in answer.headers


@pytest.mark.parametrize(
    "returns",
    [(), STREAM, {"arg": "x", "type": "object", "root": True}, {"arg": "x", "type": "object"}],
)
def test_a_generator_is_streamed_whatever_is_declared(returns: Any) -> None:
    assert lines_of(get(serve(lambda: numbers(2), returns=returns, verb="get"))) == [
        {"n": 0},
        {"n": 1},
    ]


def test_what_is_declared_as_a_stream_may_be_any_iterable() -> None:
    assert lines_of(get(serve(lambda: [1, 2], returns=STREAM, verb="get"))) == [1, 2]


def test_no_stream_is_204() -> None:
    assert get(serve(lambda: None, returns=STREAM, verb="get")).status_code == 204


@pytest.mark.parametrize("count", [0, 1, 2, 50_000])
def test_all_items_come_in_both_forms(count: int) -> None:
    client = serve(lambda: numbers(count), returns=STREAM, verb="get")
    expected = list(numbers(count))
    assert lines_of(get(client)) == expected
    answer = get(client, JSON)
    assert orjson.loads(answer.data) == expected
    assert answer.headers["Content-Type"].startswith(JSON)


@pytest.mark.parametrize(
    ("accept", "of_stream", "of_list"),
    [
        (None, NDJSON, JSON),
        ("*/*", NDJSON, JSON),
        (NDJSON, NDJSON, NDJSON),
        (JSON, JSON, JSON),
        ("application/json, text/plain, */*", JSON, JSON),
        ("application/x-ndjson, application/json;q=0.5", NDJSON, NDJSON),
        ("application/x-ndjson;q=0.5, application/json", JSON, JSON),
        ("text/html", NDJSON, JSON),
    ],
)
def test_the_client_chooses_between_lines_and_an_array(
    accept: str | None, of_stream: str, of_list: str
) -> None:
    for returns, expected in ((STREAM, of_stream), (LIST, of_list)):
        answer = get(serve(lambda: numbers(2), returns=returns, verb="get"), accept, buffered=True)
        assert answer.mimetype == expected
        assert answer.headers["Vary"] == "Accept"


def test_small_items_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 60)  # however slow the machine
    client = serve(lambda: numbers(100_000), returns=STREAM, verb="get")
    blocks = list(get(client).iter_encoded())
    assert blocks[0] == b'{"n":0}\n'
    assert len(blocks) < 100
    assert all(16_000 < len(block) < 65_000 for block in blocks[1:-1])


def test_slow_items_come_at_once() -> None:
    made: list[int] = []

    def slow() -> Iterator[int]:
        for n in range(3):
            made.append(n)
            yield n
            time.sleep(0.06)

    blocks = iter(get(serve(slow, returns=STREAM, verb="get")).iter_encoded())
    assert [(next(blocks), list(made)) for _ in range(3)] == [
        (b"0\n", [0]),
        (b"1\n", [0, 1]),
        (b"2\n", [0, 1, 2]),
    ]


def test_a_stream_runs_in_the_contexts_of_its_request() -> None:
    def where() -> Iterator[str]:
        for _ in range(3):
            yield f"{current_app.name} {request.path}"
            time.sleep(0.06)

    assert lines_of(get(serve(where, returns=STREAM, verb="get"))) == ["shop /api/things/do"] * 3


# Errors


class Told:
    """An app that keeps what it is told of."""

    def __init__(self, app: Flask) -> None:
        self.exceptions: list[Exception] = []
        self.logged: list[str] = []
        got_request_exception.connect(self._keep, app)
        app.log_exception = lambda info: self.logged.append(str(info[1]))  # type: ignore[method-assign]

    def _keep(self, sender: Flask, exception: Exception) -> None:
        self.exceptions.append(exception)


def broken(after: int, error: Exception) -> Iterator[int]:
    yield from range(after)
    raise error


def test_an_error_before_the_first_item_is_answered_as_one() -> None:
    client = serve(lambda: broken(0, NotFound("No such list.")), returns=STREAM, verb="get")
    answer = get(client)
    assert answer.status_code == 404
    assert answer.json["error"]["message"] == "No such list."


def test_a_first_item_without_a_form_in_json_is_500() -> None:
    client = serve(lambda: iter([object()]), returns=STREAM, verb="get")
    assert get(client).json == {"error": {"statusCode": 500, "message": "Internal Server Error"}}


@pytest.mark.parametrize("accept", [NDJSON, JSON])
def test_a_later_error_is_reported_and_breaks_the_stream_off(accept: str) -> None:
    client = serve(lambda: broken(3, ValueError("secret")), returns=STREAM, verb="get")
    told = Told(client.application)
    answer = get(client, accept)
    blocks = iter(answer.iter_encoded())
    assert answer.status_code == 200
    assert b"0" in next(blocks)
    with pytest.raises(ValueError, match="secret"):
        next(blocks)
    assert [str(each) for each in told.exceptions] == ["secret"]
    assert told.logged == ["secret"]


def test_an_app_that_propagates_exceptions_gets_a_later_one_and_logs_nothing() -> None:
    client = serve(
        lambda: broken(3, ValueError("secret")), returns=STREAM, verb="get", testing=True
    )
    told = Told(client.application)
    with pytest.raises(ValueError, match="secret"):
        get(client, buffered=True)
    assert len(told.exceptions) == 1
    assert told.logged == []


# The end


@dataclass
class Seen:
    """What happened to a generator."""

    made: int = 0
    is_closed: bool = False


@pytest.fixture
def seen() -> Seen:
    return Seen()


def watched(seen: Seen) -> Callable[[], Iterator[int]]:
    """A method that gives a long generator and says what happens to it."""

    def items() -> Iterator[int]:
        try:
            for n in range(1_000_000):
                seen.made += 1
                yield n
        finally:
            seen.is_closed = current_app.name == "shop"

    return items


def test_a_client_that_goes_away_closes_the_generator(seen: Seen) -> None:
    answer = get(serve(watched(seen), returns=STREAM, verb="get"))
    blocks = iter(answer.iter_encoded())
    next(blocks)
    next(blocks)
    answer.close()
    assert seen.is_closed
    assert seen.made < 10_000


def test_head_makes_the_first_item_only(seen: Seen) -> None:
    answer = serve(watched(seen), returns=STREAM, verb="get").head(URL)
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"", NDJSON)
    assert (seen.made, seen.is_closed) == (1, True)


def test_an_answer_that_another_takes_the_place_of_closes_the_generator() -> None:
    closed: list[bool] = []

    def items() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    client = serve(items, returns=STREAM, verb="get")

    @client.application.after_request
    def nothing_new(response: Response) -> Response:
        response.status_code = 304
        return response

    assert get(client, buffered=True).data == b""
    assert closed == [True]


# A real server

SERVER = """
import sys
from collections.abc import Callable, Iterator
from waitress import create_server
from tests.served import serve

RECORDS = 1_000_000

def items() -> Iterator[dict[str, object]]:
    for n in range(RECORDS):
        yield {"id": n, "name": f"Product {n}", "unitPrice": n / 4, "tags": ["a", "b"]}

def broken() -> Iterator[dict[str, object]]:
    for n in range(100):
        yield {"id": n, "name": "x" * 10_000}
    raise ValueError("in the middle")

which = {"items": items, "broken": broken}[sys.argv[1]]
app = serve(which, returns={"arg": "items", "type": "stream", "root": True}, verb="get").application
server = create_server(app, host="127.0.0.1", port=0)
print(server.effective_port, flush=True)
server.run()
"""


@pytest.fixture
def start() -> Iterator[Any]:
    """Starts a server whose method streams; gives its process and its port."""
    started: list[subprocess.Popen[str]] = []

    def start_server(which: str) -> tuple[subprocess.Popen[str], int]:
        pytest.importorskip("waitress", reason="pip install waitress")
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, which],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start_server
    for process in started:
        process.kill()
        process.communicate()


def megabytes(process: subprocess.Popen[str]) -> float:
    """The resident memory of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


@contextmanager
def asked(port: int) -> Iterator[HTTPResponse]:
    """A server's answer for the method."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", URL)
        yield connection.getresponse()
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc, which Linux has")
def test_a_million_records_stream_in_constant_memory(start: Any) -> None:
    process, port = start("items")
    records, largest = 0, 0.0
    with asked(port) as answer:
        assert answer.getheader("Transfer-Encoding") == "chunked"
        for index in itertools.count():
            piece = answer.read(8192)
            if not piece:
                break
            records += piece.count(b"\n")
            if index % 200 == 0:
                largest = max(largest, megabytes(process))
    assert records == 1_000_000
    assert largest < 100


@pytest.mark.slow
def test_a_client_of_a_real_server_can_tell_a_broken_stream(start: Any) -> None:
    _, port = start("broken")
    with asked(port) as answer:
        assert answer.status == 200
        with pytest.raises(IncompleteRead) as caught:
            answer.read()
    assert caught.value.partial.startswith(b'{"id":0,')
    assert b"in the middle" not in caught.value.partial
