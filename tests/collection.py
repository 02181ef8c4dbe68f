"""A plain server of collections: what the REST connector can rely on, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from waitress.server import create_server

from tests.web import LOOPBACK

Query = Callable[[list[Any], dict[str, str]], Any]


class Collections:
    """A WSGI app: ``GET`` and ``POST /people``; ``GET``, ``PUT``, ``PATCH``, ``DELETE /people/1``.

    A collection is there as soon as somebody asks for it. Objects get ids of the server where they
    have none; an id that is there already is a 409. ``DELETE /`` empties everything. What comes
    after ``?`` is nothing to it, unless a test says so.

    :param query: changes the list that is given by what comes after ``?``.
    """

    def __init__(self, query: Query | None = None) -> None:
        self._query = query
        self._lock = threading.Lock()
        self._next = 0
        self.collections: dict[str, dict[str, Any]] = {}
        #: What was asked: method, path and what comes after ``?``.
        self.asked: list[tuple[str, str, str]] = []
        #: Answers in the place of a collection's own: called with the environment, each request.
        self.before: Callable[[Any], tuple[int, Any] | None] = lambda environ: None

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        path = environ["PATH_INFO"].encode("latin-1").decode()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        text = environ["wsgi.input"].read(length)
        self.asked.append((method, path, query))
        said = self.before(environ)
        if said is None:
            with self._lock:
                said = self._answer(method, path, query, json.loads(text) if text else None)
        status, answer = said
        body = b"" if answer is None else json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if status == 503:
            headers.append(("Retry-After", "0"))
        start_response(f"{status} Said", headers)
        return [body]

    def _answer(self, method: str, path: str, query: str, given: Any) -> tuple[int, Any]:
        name, _, key = path.strip("\n")[1:].partition("/")
        if not name:
            if method == "DELETE":
                self.collections.clear()
            return 200, {}
        records = self.collections.setdefault(name, {})
        if "/" not in path[1:]:
            if method == "GET":
                found = list(records.values())
                return 200, self._query(found, dict(parse_qsl(query))) if self._query else found
            return self._post(records, given) if method == "POST" else (405, None)
        if key not in records:
            return 404, {"error": "no such object"}
        if method == "DELETE":
            del records[key]
            return 204, None
        if method == "PUT":
            records[key] = {**given, "id": records[key]["id"]}
        elif method == "PATCH":
            records[key].update(given)
        return 200, records[key]

    def _post(self, records: dict[str, Any], given: Any) -> tuple[int, Any]:
        id = given.get("id")
        if id is None:
            self._next += 1
            while str(self._next) in records:
                self._next += 1
            id = self._next
        if str(id) in records:
            return 409, {"error": "there is one already"}
        records[str(id)] = {**given, "id": id}
        if isinstance(id, int):
            self._next = max(self._next, id if id < 2**60 else 0)
        return 201, records[str(id)]


class CollectionServer:
    """The app in a process of its own, as ``http://127.0.0.1:<port>``.

    :param port: its port; a free one where it is 0.
    """

    def __init__(self, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.collection", str(port)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.url = f"http://{LOOPBACK}:{int(self._process.stdout.readline())}"

    def clear(self) -> None:
        """Empty all collections."""
        httpx.delete(self.url, timeout=15, trust_env=False).raise_for_status()

    def kill(self) -> None:
        """End the process at once, with all that it holds."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def served(app: Any, *, port: int = 0, threads: int = 8) -> Iterator[str]:
    """A block in which an app is served by a real server; gives its URL."""
    server: Any = create_server(app, host=LOOPBACK, port=port, threads=threads)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.effective_port}"
    finally:
        # Its loop goes on while it has a socket; it closes them no sooner than it is woken.
        with server.trigger.lock:
            server.trigger.thunks.append(lambda: server.asyncore.close_all(server._map))
            server.trigger._physical_pull()
        thread.join(15)
        server.task_dispatcher.shutdown()


if __name__ == "__main__":
    program: Any = create_server(Collections(), host=LOOPBACK, port=int(sys.argv[1]), threads=8)
    sys.stdout.write(f"{program.effective_port}\n")
    sys.stdout.flush()
    # It ends with the process that started it.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    program.run()
