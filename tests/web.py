"""A small HTTP server in this process, which says what a test tells it to say."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """What the server was asked.

    :ivar path: with what comes after ``?``, as it came.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Reply:
    """What the server answers.

    :ivar delay: the seconds before it does; none when the server ends meanwhile.
    :ivar drops: whether it closes the connection instead.
    :ivar chunks: what comes after the body, each so many seconds after the one before.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drops: bool = False
    chunks: tuple[tuple[float, bytes], ...] = ()


class WebServer:
    """A server on a port of its own.

    :param answer: says what each request gets; where it is a list, the replies in order, the last
        one again and again.
    :param certificate: a file with a certificate and its key, where it speaks TLS.
    """

    def __init__(
        self,
        answer: Callable[[Request], Reply] | list[Reply] | None = None,
        *,
        certificate: Path | None = None,
    ) -> None:
        self._answer = answer
        self.requests: list[Request] = []
        #: How many connections were made, and how many of them are open.
        self.connections = self.open = 0
        #: Set when the server ends, so that no answer is waited for any longer.
        self.is_over = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server((LOOPBACK, 0), _handler_of(self))
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://{LOOPBACK}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.cut()
        self._server.server_close()
        self._thread.join()

    def reply(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            if not isinstance(self._answer, list):
                answer = self._answer
            else:
                return self._answer.pop(0) if len(self._answer) > 1 else self._answer[0]
        return Reply() if answer is None else answer(request)

    def count(self, change: int) -> None:
        with self._lock:
            self.connections += max(0, change)
            self.open += change


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._sockets: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""

    def cut(self) -> None:
        for each in self._sockets.copy():
            super().shutdown_request(each)


def _handler_of(owner: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            owner.count(1)

        def finish(self) -> None:
            owner.count(-1)
            super().finish()

        def log_message(self, *arguments: Any) -> None: ...

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = owner.reply(Request(self.command, self.path, headers, body))
            if reply.delay:
                owner.is_over.wait(reply.delay)
            if reply.drops:
                self.close_connection = True
                return
            size = len(reply.body) + sum(len(chunk) for _, chunk in reply.chunks)
            self.send_response(reply.status)
            self.send_header("Content-Length", str(size))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(reply.body)
            for wait, chunk in reply.chunks:
                owner.is_over.wait(wait)
                self.wfile.write(chunk)

    for verb in ("HEAD", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{verb}", Handler.do_GET)
    return Handler
