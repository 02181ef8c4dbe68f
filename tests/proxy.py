"""A TCP proxy that harms the connections that go through it, as networks do."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
#: Closing sends a reset, so that both ends know at once.
RESET = struct.pack("ii", 1, 0)

#: What is done with what comes from one end, for the other.
Chunk = Callable[[bytes, socket.socket], None]


class Proxy:
    """A proxy before a port of this machine.

    :param port: of the server.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: set[socket.socket] = set()
        self._last_words: bytes | None = None
        #: Whether what the server says comes through; what does not is lost.
        self.answers = True
        #: The seconds by which what the server says is late; cutting ends the wait.
        self.delay = 0.0
        self._is_over = False
        self._was_cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        # Those of connections that are made meanwhile are others.
        sockets, self._sockets = self._sockets, set()
        was_cut, self._was_cut = self._was_cut, threading.Event()
        for each in sockets.copy():
            self._end(each)
        was_cut.set()

    def cut_after(self, words: bytes) -> None:
        """Cut all connections when the server has answered a client's words, and lose the answer.

        The clients of later connections are heard as always.
        """
        self._last_words = words

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        """Carry what a client and the server say to each other, until one of them is gone."""
        # A socket that another thread uses may not be closed: its number is soon another's.
        with client, suppress(OSError), socket.create_connection((LOOPBACK, self._to)) as server:
            self._sockets.update({client, server})
            if self._is_over:
                self.cut()
            hearing = threading.Thread(
                target=self._carry, args=(self._hear, client, server), daemon=True
            )
            hearing.start()
            self._carry(self._answer, server, client)
            hearing.join()
            self._sockets.difference_update({client, server})

    def _carry(self, chunk: Chunk, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                chunk(data, target)
        self._end(source)
        self._end(target)

    def _hear(self, data: bytes, server: socket.socket) -> None:
        if self._last_words is not None and self._last_words in data:
            self.answers = False
        server.sendall(data)

    def _answer(self, data: bytes, client: socket.socket) -> None:
        if self._last_words is not None and not self.answers:
            self._last_words, self.answers = None, True
            self.cut()
        elif self.answers:
            if self.delay:
                self._was_cut.wait(self.delay)
            client.sendall(data)

    @staticmethod
    def _end(each: socket.socket) -> None:
        """Let nothing come through any more; who carried it closes the socket."""
        with suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
