"""Tls: how connections to servers are encrypted, and which servers are trusted."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..definition import nearest
from ..errors import DefinitionError


class Tls:
    """What the setting ``ssl`` says.

    It is true, for a server whose certificate a known authority signed for its host, or a dict:
    ``ca``, the file of the authorities that are trusted; ``cert`` and ``key``, the client's own;
    ``verify``: ``full`` (the default), ``ca``, which takes any host's certificate, or ``none``.
    False is for connections that are not encrypted; where nothing is said, the driver decides.

    :raises DefinitionError: where it is something else, or a file is not there or is not what it
        should be.
    """

    VERIFY = ("full", "ca", "none")

    def __init__(self, given: Mapping[str, Any]) -> None:
        known = ("ca", "cert", "key", "verify")
        for key in given:
            if key not in known:
                raise DefinitionError(
                    f"ssl has no {key!r}{nearest(key, known)}; it knows {', '.join(known)}"
                )
        self.verify = given.get("verify", "full")
        if self.verify not in self.VERIFY:
            raise DefinitionError(f"ssl.verify is one of {', '.join(self.VERIFY)}")
        self.ca, self.cert, self.key = (self._file(key, given.get(key)) for key in known[:3])
        if self.key is not None and self.cert is None:
            raise DefinitionError("ssl.key needs ssl.cert")
        # Each driver would say in its own way, when it connects, that a file is of no use.
        self.context()

    @classmethod
    def of(cls, given: Any) -> Tls | None:
        """The setting's value: true, false, None or a dict."""
        if given is None or given is False:
            return None
        if given is True:
            return cls({})
        if not isinstance(given, Mapping):
            raise DefinitionError("ssl is true, false or a dict: ca, cert, key, verify")
        return cls(given)

    def context(self) -> ssl.SSLContext:
        """The same, for drivers that use Python's own TLS."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise DefinitionError(f"ssl.ca: {self.ca} has no certificates ({error})") from None
        if self.verify != "full":
            context.check_hostname = False
        if self.verify == "none":
            context.verify_mode = ssl.CERT_NONE
        if self.cert is not None:
            try:
                # With a password, even an empty one, nobody is asked for one on the terminal.
                context.load_cert_chain(self.cert, self.key, password="")
            except OSError as error:
                files = self.cert if self.key is None else f"{self.cert} and {self.key}"
                raise DefinitionError(
                    f"ssl.cert, ssl.key: {files} are no certificate with its key, without a "
                    f"password ({error})"
                ) from None
        return context

    @property
    def authorities(self) -> str | None:
        """The file of the authorities that are trusted, or None where Python knows of none."""
        return self.ca or ssl.get_default_verify_paths().cafile

    @staticmethod
    def _file(key: str, given: Any) -> str | None:
        if given is None:
            return None
        if not Path(str(given)).is_file():
            raise DefinitionError(f"ssl.{key}: there is no file {given}")
        return str(given)
