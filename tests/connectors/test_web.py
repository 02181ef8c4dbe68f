"""The HTTP client of the connectors, against servers on this machine."""

from __future__ import annotations

import gzip
import itertools
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from flask_loop.connectors.web import BadAnswer, WebClient, is_header, path_of
from flask_loop.errors import DefinitionError, Unavailable
from tests.proxy import Proxy
from tests.servers.base import free_port
from tests.servers.smtp import make_certificate
from tests.web import LOOPBACK, Reply, Request, WebServer

SECRET = "swordfish"
#: The most seconds that a test waits for what takes a moment.
PATIENCE = 20
#: More than anybody waits.
LONG = 60
BUSY = (429, 502, 503, 504)
Connect = Callable[..., WebClient]


@pytest.fixture
def client_of() -> Iterator[Connect]:
    """A function that makes a client of a server, which is closed when the test ends."""
    with ExitStack() as afterwards:

        def client_of(server: WebServer | str, **options: Any) -> WebClient:
            url = server if isinstance(server, str) else server.url
            return afterwards.enter_context(closing(WebClient("rest", url, **options)))

        yield client_of


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A server that answers everything with an empty object."""
    with WebServer() as server:
        yield server


# What is sent


def test_a_path_is_relative_to_the_base_url(server: WebServer, client_of: Connect) -> None:
    client = client_of(f"{server.url}/api/")
    for path in ("people", "/people", "people/1?x=1", f"{server.url}/else", ""):
        client.send("get", path)
    asked = [each.path for each in server.requests]
    assert asked == ["/api/people", "/api/people", "/api/people/1?x=1", "/else", "/api"]


def test_parameters_are_quoted(server: WebServer, client_of: Connect) -> None:
    params = {"a": "x&y=ü #", "none": None, "many": [1, True], "n": 1.5}
    client_of(server).send("GET", "people?b=1", params=params)
    assert server.requests[0].path == "/people?b=1&a=x%26y%3D%C3%BC+%23&many=1&many=true&n=1.5"


def test_pairs_may_repeat_a_parameter(server: WebServer, client_of: Connect) -> None:
    client_of(server).send("GET", "people", params=[("a", 1), ("b", 2), ("a", 3)])
    assert server.requests[0].path == "/people?a=1&b=2&a=3"


def test_what_a_segment_says_does_not_change_the_path(
    server: WebServer, client_of: Connect
) -> None:
    client_of(server).send("GET", path_of("people", "../a/b?c#d%2e", "..", "."))
    assert server.requests[0].path == "/people/..%2Fa%2Fb%3Fc%23d%252e/%2E%2E/%2E"


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        path_of("people", "")


def test_json_is_sent_and_read(client_of: Connect) -> None:
    with WebServer(lambda request: Reply(body=request.body)) as server:
        answer = client_of(server).send("POST", "people", json={"größe": [1, None]})
        assert answer.json() == {"größe": [1, None]}
        assert server.requests[0].headers["content-type"] == "application/json"


def test_null_is_json_that_is_sent(server: WebServer, client_of: Connect) -> None:
    client_of(server).send("PUT", "people", json=None)
    client_of(server).send("PUT", "people")
    assert [each.body for each in server.requests] == [b"null", b""]


def test_content_is_sent_as_it_is(server: WebServer, client_of: Connect) -> None:
    client_of(server).send("PUT", "x", content=b"\0\xff", headers={"Content-Type": "image/png"})
    assert server.requests[0].body == b"\0\xff"
    assert server.requests[0].headers["content-type"] == "image/png"


def test_a_compressed_answer_is_read(client_of: Connect) -> None:
    body = gzip.compress(b'{"a": 1}')
    with WebServer([Reply(body=body, headers={"Content-Encoding": "gzip"})]) as server:
        assert client_of(server).send("GET", "x").json() == {"a": 1}


def test_redirects_are_not_followed(server: WebServer, client_of: Connect) -> None:
    with WebServer([Reply(302, headers={"Location": server.url})]) as other:
        assert client_of(other).send("GET", "x").status == 302
    assert server.requests == []


def test_cookies_are_not_kept(client_of: Connect) -> None:
    with WebServer([Reply(headers={"Set-Cookie": "session=1; Path=/"})]) as server:
        client = client_of(server)
        client.send("GET", "x")
        client.send("GET", "x")
        assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 404, 409, 418, 422, 500, 501])
def test_a_status_is_the_callers(status: int, client_of: Connect) -> None:
    with WebServer([Reply(status, b"")]) as server:
        answer = client_of(server).send("GET", "x")
        assert (answer.status, answer.is_success) == (status, status < 300)
        assert len(server.requests) == 1


def test_what_is_no_json_is_a_bad_answer(client_of: Connect) -> None:
    with WebServer([Reply(body=b"<html>")]) as server:
        answer = client_of(server).send("GET", "x")
        with pytest.raises(BadAnswer) as raised:
            answer.json()
    assert (raised.value.code, raised.value.error_code) == (503, "BAD_ANSWER")


# Connections


def test_nothing_is_opened_before_the_first_request(server: WebServer, client_of: Connect) -> None:
    client_of(server)
    assert server.connections == 0


def test_a_connection_is_used_again(server: WebServer, client_of: Connect) -> None:
    client = client_of(server)
    for _ in range(20):
        client.send("GET", "x")
        client.send("POST", "x", json=1)
    assert server.connections == 1


def test_a_connection_that_the_server_closed_is_replaced(client_of: Connect) -> None:
    with WebServer([Reply(headers={"Connection": "close"})]) as server:
        client = client_of(server, retries=0)
        assert [client.send("POST", "x", json=1).status for _ in range(3)] == [200] * 3
        assert server.connections == 3


def test_threads_share_as_many_connections_as_allowed(client_of: Connect) -> None:
    numbers, all_there = itertools.count(), threading.Barrier(3)

    def answer(request: Request) -> Reply:
        if next(numbers) < 3:
            all_there.wait(PATIENCE)
        return Reply()

    with WebServer(answer) as server:
        client = client_of(server, pool_size=3)
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda _: client.send("GET", "x"), range(60)))
        assert len(server.requests) == 60
        assert server.connections == 3


def test_who_waits_too_long_for_a_connection_is_told(client_of: Connect) -> None:
    with WebServer([Reply(delay=LONG)]) as server, ThreadPoolExecutor(8) as pool:
        client = client_of(server, pool_size=1, timeout=0.2, retries=0)
        all_there = threading.Barrier(8)

        def ask() -> Unavailable:
            all_there.wait(PATIENCE)
            with pytest.raises(Unavailable) as raised:
                client.send("GET", "x")
            return raised.value

        asked = [pool.submit(ask) for _ in range(8)]
        told = {(str(each.result()), each.result().retry_after) for each in asked}
    assert any("no connection free" in text and after == 1 for text, after in told), told


def test_a_closed_client_opens_anew(server: WebServer, client_of: Connect) -> None:
    client = client_of(server)
    client.send("GET", "x")
    client.close()
    client.close()
    client.send("GET", "x")
    assert server.connections == 2


def test_closing_lets_what_is_under_way_finish(client_of: Connect) -> None:
    is_in, may_go = threading.Event(), threading.Event()

    def answer(request: Request) -> Reply:
        is_in.set()
        may_go.wait(PATIENCE)
        return Reply()

    with WebServer(answer) as server, ThreadPoolExecutor(1) as pool:
        client = client_of(server)
        slow = pool.submit(client.send, "POST", "x", json=1)
        assert is_in.wait(PATIENCE)
        client.close()
        may_go.set()
        assert slow.result().status == 200


def test_a_client_that_is_gone_leaves_nothing_open(server: WebServer) -> None:
    client = WebClient("rest", server.url)
    client.send("GET", "x")
    del client
    until = monotonic() + PATIENCE
    while server.open and monotonic() < until:
        threading.Event().wait(0.01)
    assert server.open == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(server: WebServer, client_of: Connect) -> None:
    client = client_of(server)
    client.send("GET", "x")
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if client.send("GET", "y").status == 200 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.send("GET", "z")
    assert [each.path for each in server.requests] == ["/x", "/y", "/z"]
    assert server.connections == 2


# Again


@pytest.mark.parametrize("status", BUSY)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_what_is_safe_is_sent_again(method: str, status: int, client_of: Connect) -> None:
    with WebServer([Reply(status), Reply(status), Reply()]) as server:
        assert client_of(server).send(method, "x").status == 200
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", BUSY)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_is_not_safe_is_not(method: str, status: int, client_of: Connect) -> None:
    with WebServer([Reply(status)]) as server:
        assert client_of(server).send(method, "x", json=1).status == status
        assert len(server.requests) == 1


def test_the_caller_may_say_what_is_safe(client_of: Connect) -> None:
    with WebServer([Reply(503), Reply()]) as server:
        assert client_of(server).send("POST", "_find", json={}, is_safe=True).status == 200
    with WebServer([Reply(503), Reply()]) as server:
        assert client_of(server).send("PUT", "x", json={}, is_safe=False).status == 503


def test_a_server_that_stays_busy_says_so_at_last(client_of: Connect) -> None:
    with WebServer([Reply(503)]) as server:
        assert client_of(server, retries=1).send("GET", "x").status == 503
        assert len(server.requests) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_lost_answer_is_asked_for_again_where_that_is_safe(
    method: str, client_of: Connect
) -> None:
    with WebServer([Reply(drops=True), Reply()]) as server:
        client = client_of(server)
        if method == "GET":
            assert client.send(method, "x").status == 200
        else:
            with pytest.raises(Unavailable):
                client.send(method, "x", json=1)
        assert len(server.requests) == (2 if method == "GET" else 1)


def test_a_post_is_sent_again_where_there_was_no_connection(
    client_of: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    client = client_of(f"http://{LOOPBACK}:{port}", retries=1)
    listeners: list[WebServer] = []

    def start_meanwhile(seconds: float) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("tests.web._Server.server_bind", _binds_to(port))
            listeners.append(WebServer())

    monkeypatch.setattr("flask_loop.connectors.web.sleep", start_meanwhile)
    try:
        assert client.send("POST", "x", json=1).status == 200
    finally:
        for each in listeners:
            each.__exit__(None, None, None)


def _binds_to(port: int) -> Callable[[Any], None]:
    def server_bind(server: Any) -> None:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.socket.bind((LOOPBACK, port))
        server.server_address = server.socket.getsockname()
        server.server_name, server.server_port = LOOPBACK, port

    return server_bind


def test_retry_after_is_heeded(client_of: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("flask_loop.connectors.web.sleep", waited.append)
    numbers = itertools.count()

    def answer(request: Request) -> Reply:
        soon = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
        number = next(numbers)
        return Reply() if number == 2 else Reply(503, headers={"Retry-After": ("2", soon)[number]})

    with WebServer(answer) as server:
        assert client_of(server).send("GET", "x").status == 200
    assert waited[0] == 2
    assert 1 < waited[1] <= 4


def test_a_server_that_wants_to_be_left_alone_for_long_is(client_of: Connect) -> None:
    with WebServer([Reply(429, headers={"Retry-After": "3600"}), Reply()]) as server:
        client = client_of(server)
        answer = client.send("GET", "x")
        assert answer.status == 429
        assert client.refusal(answer).retry_after == 3600
        assert len(server.requests) == 1


def test_each_repetition_waits_longer(client_of: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("flask_loop.connectors.web.sleep", waited.append)
    with WebServer([Reply(503)]) as server:
        client_of(server, retries=8).send("GET", "x")
    assert len(waited) == 8
    assert all(0.05 * 2**n <= each <= 0.1 * 2**n for n, each in enumerate(waited[:5]))
    assert max(waited) <= 5


# What does not arrive


def test_nobody_there_is_unavailable(client_of: Connect, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(f"http://me:{SECRET}@{LOOPBACK}:{free_port()}", retries=0)
    with pytest.raises(Unavailable) as raised:
        client.send("GET", "x")
    assert raised.value.retry_after == 5
    assert "is not available: ConnectError" in caplog.text
    assert SECRET not in caplog.text


def test_a_host_without_a_name_is_unavailable(client_of: Connect) -> None:
    with pytest.raises(Unavailable):
        client_of("http://nowhere.invalid", retries=0).send("GET", "x")


def test_silence_is_unavailable_in_time(client_of: Connect) -> None:
    with WebServer([Reply(delay=LONG)]) as server:
        begin = monotonic()
        with pytest.raises(Unavailable):
            client_of(server, timeout=0.2, retries=0).send("GET", "x")
        assert monotonic() - begin < PATIENCE


def test_an_answer_in_drops_is_given_up(client_of: Connect) -> None:
    drops = tuple((0.05, b" ") for _ in range(LONG * 20))
    with WebServer([Reply(chunks=drops)]) as server:
        begin = monotonic()
        with pytest.raises(Unavailable):
            client_of(server, timeout=0.3, retries=0).send("GET", "x")
        assert monotonic() - begin < PATIENCE


def test_an_answer_may_be_only_so_large(client_of: Connect) -> None:
    with WebServer(lambda request: Reply(body=b"1" * int(request.path[1:]))) as server:
        client = client_of(server, max_answer=1000)
        assert len(client.send("GET", "1000").content) == 1000
        with pytest.raises(BadAnswer):
            client.send("GET", "1001")


def test_an_answer_may_be_only_so_large_unpacked(client_of: Connect) -> None:
    body = gzip.compress(b"0" * 10_000_000)
    reply = Reply(body=body, headers={"Content-Encoding": "gzip"})
    with WebServer([reply]) as server, pytest.raises(BadAnswer):
        client_of(server, max_answer=1_000_000).send("GET", "x")


def test_a_broken_compression_is_unavailable(client_of: Connect) -> None:
    reply = Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"})
    with WebServer([reply]) as server, pytest.raises(Unavailable):
        client_of(server, retries=0).send("GET", "x")


def test_after_a_cut_everything_works_again(server: WebServer, client_of: Connect) -> None:
    with Proxy(server.port) as proxy:
        client = client_of(f"http://{LOOPBACK}:{proxy.port}")
        client.send("GET", "x")
        proxy.cut()
        assert client.send("GET", "x").status == 200
        proxy.cut_after(b"POST /lost")
        with pytest.raises(Unavailable):
            client.send("POST", "lost", json=1)
        assert client.send("POST", "kept", json=1).status == 200
    assert [each.path for each in server.requests] == ["/x", "/x", "/lost", "/kept"]


# Credentials


@pytest.mark.parametrize("auth", [("me", SECRET), SECRET])
def test_credentials_are_sent(auth: Any, server: WebServer, client_of: Connect) -> None:
    client_of(server, auth=auth, headers={"X-Key": "k"}).send("GET", "x")
    sent = server.requests[0].headers
    assert sent["x-key"] == "k"
    basic = "Basic bWU6c3dvcmRmaXNo"
    assert sent["authorization"] == (f"Bearer {SECRET}" if auth == SECRET else basic)


def test_credentials_may_be_in_the_url(server: WebServer, client_of: Connect) -> None:
    client = client_of(f"http://m%40e:p%3Aw@{LOOPBACK}:{server.port}/api")
    client.send("GET", "x")
    assert server.requests[0].headers["authorization"] == "Basic bUBlOnA6dw=="
    assert client.base_url == f"{server.url}/api"


def test_credentials_go_to_no_other_server(server: WebServer, client_of: Connect) -> None:
    with WebServer() as other:
        client = client_of(server, auth=("me", SECRET), headers={"X-Key": "k"})
        client.send("GET", f"{other.url}/x")
        client.send("GET", f"{server.url}/x")
    assert other.requests[0].headers.keys().isdisjoint({"authorization", "x-key"})
    assert {"authorization", "x-key"} <= server.requests[0].headers.keys()


def test_credentials_are_not_shown(caplog: pytest.LogCaptureFixture, client_of: Connect) -> None:
    with WebServer([Reply(401)]) as server:
        client = client_of(f"http://me:{SECRET}@{LOOPBACK}:{server.port}")
        with caplog.at_level(logging.DEBUG):
            answer = client.send("GET", "x")
            error = client.refusal(answer)
    assert "refuses the credentials (401)" in caplog.text
    shown = f"{client!r} {answer!r} {error!r} {error} {error.get_body()} {caplog.text}"
    assert SECRET not in shown
    assert "c3dvcmRmaXNo" not in shown


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://x", "http://", "//x", "http://x?a=1", "http://x#a", "http://x:y", None,
     "http://x /", "http://x\\y", f"ftp://me:{SECRET}@x"],
)  # fmt: skip
def test_a_base_url_that_is_none_is_refused(url: Any) -> None:
    with pytest.raises(DefinitionError, match="the URL of the rest data source") as raised:
        WebClient("rest", url)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("value", [f"{SECRET}\r\nX-Evil: 1", f"{SECRET}\n", f"{SECRET}ü"])
def test_a_header_that_is_none_is_refused(value: str, server: WebServer) -> None:
    with pytest.raises(DefinitionError, match="the header 'X-Key' of the rest") as raised:
        WebClient("rest", server.url, headers={"X-Key": value})
    assert SECRET not in str(raised.value)
    with pytest.raises(DefinitionError, match="Authorization"):
        WebClient("rest", server.url, auth=value)
    assert not is_header("X-Key", value)


def test_a_header_of_a_request_that_is_none_is_refused(
    server: WebServer, client_of: Connect
) -> None:
    with pytest.raises(ValueError, match="cannot be sent") as raised:
        client_of(server).send("GET", "x", headers={"X": f"{SECRET}\r\nX-Evil: 1"})
    assert SECRET not in str(raised.value)
    assert server.requests == []


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path / "certificate.pem", host=LOOPBACK)


def test_a_certificate_that_nobody_signed_is_refused(certificate: Path, client_of: Connect) -> None:
    with WebServer(certificate=certificate) as server:
        with pytest.raises(Unavailable):
            client_of(server, retries=0).send("GET", "x")
        assert server.requests == []


def test_a_certificate_that_is_trusted_is_taken(certificate: Path, client_of: Connect) -> None:
    with WebServer(certificate=certificate) as server:
        assert client_of(server, verify=str(certificate)).send("GET", "x").status == 200


def test_certificates_may_not_be_checked(certificate: Path, client_of: Connect) -> None:
    with WebServer(certificate=certificate) as server:
        assert client_of(server, verify=False).send("GET", "x").status == 200


def test_a_certificate_of_another_host_is_refused(tmp_path: Path, client_of: Connect) -> None:
    other = make_certificate(tmp_path / "other.pem", host="shop.example")
    with WebServer(certificate=other) as server, pytest.raises(Unavailable):
        client_of(server, verify=str(other), retries=0).send("GET", "x")


def test_a_file_of_certificates_that_is_none_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for file in (empty, tmp_path / "missing.pem"):
        with pytest.raises(DefinitionError, match=r"verify of the rest data source .*\.pem"):
            WebClient("rest", "https://127.0.0.1:1", verify=str(file))


def test_threads_that_share_few_connections_never_lose_a_request(client_of: Connect) -> None:
    numbers = itertools.count()

    def answer(request: Request) -> Reply:
        return Reply(headers={"Connection": "close"} if next(numbers) % 3 == 0 else {})

    with WebServer(answer) as server, ThreadPoolExecutor(16) as pool:
        client = client_of(server, pool_size=2)
        asked = [pool.submit(client.send, "POST", "x", json=1) for _ in range(600)]
        assert {each.result().status for each in asked} == {200}
