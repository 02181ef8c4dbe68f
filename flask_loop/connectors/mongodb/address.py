"""Where a MongoDB server is and who asks: a URL, and the settings that come before what it says."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Any, Self
from urllib.parse import quote, unquote_plus

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from ...errors import DefinitionError
from ..given import ENCODED, Given

_PLAIN, _BY_NAME_SERVER = "mongodb://", "mongodb+srv://"
_PARTS = re.compile(r"(?:([^/?@]*)@)?([^/?@]*)(?:/([^?]*))?(?:\?(.*))?", re.DOTALL)
_HOST = re.compile(r"[\w.-]+", re.ASCII)
#: What no name of a database has.
_ODD = re.compile(r'[/\\. "$\0]')
_MECHANISM = "authmechanism"
#: By these a user is known without a password.
_WITHOUT_PASSWORD = frozenset({"GSSAPI", "MONGODB-AWS", "MONGODB-OIDC", "MONGODB-X509"})


@dataclass(slots=True, repr=False)
class Address:
    """The parts of a URL, as they are written in it.

    :ivar scheme: what it begins with.
    :ivar username: who asks; empty where nobody is named.
    :ivar servers: one, or several with commas between.
    :ivar path: the database that it names, which may be empty.
    :ivar options: the driver's, ``key=value``.
    """

    scheme: str
    username: str
    password: str
    servers: str
    path: str
    options: list[str]

    @classmethod
    def read(cls, name: str, given: Given) -> Self:
        """What the URL of a data source says, with what its other settings say in its place.

        :param name: the connector's.
        :raises DefinitionError: naming what means nothing; no part of it that may be a secret.
        """
        # LoopBack's files have empty texts for what is not said.
        given = Given({key: each for key, each in given.values.items() if each != ""})
        address = cls._of(name, given.get("url"))
        address._put_server(given)
        for key in ("username", "password"):
            if (said := given.word(key)) is not None:
                setattr(address, key, quote(said, safe=""))
        address._check_user(name, given.get("auth_mechanism"))
        return address

    @classmethod
    def _of(cls, name: str, url: Any) -> Self:
        if url is None:
            return cls(_PLAIN, "", "", "localhost", "", [])
        if not isinstance(url, str) or not url.startswith((_PLAIN, _BY_NAME_SERVER)):
            # The text is not shown, as it may have a password.
            raise DefinitionError(f"the url of the {name} data source begins with {_PLAIN}")
        scheme, _, rest = url.partition("//")
        problem = f"the url of the {name} data source is not valid"
        found = _PARTS.fullmatch(rest)
        if found is None or "@" in (found[3] or ""):
            raise DefinitionError(f"{problem}: {ENCODED}")
        if scheme == "mongodb:":
            # To parse the other kind asks the name server, which waits until the first use.
            try:
                parse_uri(url, validate=True, warn=False)
            except (PyMongoError, ValueError) as error:
                raise DefinitionError(f"{problem}: {_reason(error, url)}") from None
        user, servers, path, options = (each or "" for each in found.groups())
        username, _, password = user.partition(":")
        return cls(f"{scheme}//", username, password, servers, path, re.findall("[^&;]+", options))

    @property
    def database(self) -> str | None:
        """The database that is named; a collection may follow it."""
        return unquote_plus(self.path).partition(".")[0] or None

    @property
    def option_names(self) -> frozenset[str]:
        """The names of the options, in lower case."""
        return frozenset(map(_key_of, self.options))

    def option(self, name: str) -> str | None:
        """What an option says, the last time that it is there; None where it is not.

        :param name: its name in lower case.
        """
        said = [each.partition("=")[2] for each in self.options if _key_of(each) == name]
        return unquote_plus(said[-1]) if said else None

    def url(self, *, without: Collection[str] = ()) -> str:
        """The URL.

        :param without: the options that are left out, in lower case.
        """
        user = f"{self.username}:{self.password}" if self.password else self.username
        options = "&".join(each for each in self.options if _key_of(each) not in without)
        url = f"{self.scheme}{user}{'@' if user else ''}{self.servers}/{self.path}"
        return f"{url}?{options}" if options else url

    def _put_server(self, given: Given) -> None:
        """Put another host and port in the place of those that there are."""
        host = given.text("host")
        has_port = given.get("port") is not None
        port = given.whole("port", 0, least=1, most=65_535) if has_port else None
        if host is None and port is None:
            return
        if self.scheme == _BY_NAME_SERVER and port is not None:
            raise DefinitionError(
                f"port means nothing beside a url that begins with {_BY_NAME_SERVER}: the name "
                "server knows the ports"
            )
        if host is None and ("," in self.servers or "%2f" in self.servers.lower()):
            raise DefinitionError(
                "port means nothing beside a url that names several servers, or a socket"
            )
        old_host, old_port = _split(self.servers)
        shown = old_host if host is None else _shown(host)
        number = port or old_port
        self.servers = f"{shown}:{number}" if number else shown

    def _check_user(self, name: str, mechanism: Any) -> None:
        """Refuse a user without a password, where one is needed, and the other way round."""
        said = str(mechanism or self.option(_MECHANISM) or "").upper()
        if self.username:
            is_half = not self.password and said not in _WITHOUT_PASSWORD
        else:
            is_half = bool(self.password)
        if is_half:
            raise DefinitionError(
                f"the {name} connector takes 'username' and 'password' together, beside its url or "
                "in it"
            )


def check_database(name: str, database: Any) -> str:
    """The name of a database.

    :param name: the connector's.
    :raises DefinitionError: where there is none, or it cannot be one.
    """
    if not database or not isinstance(database, str):
        raise DefinitionError(f"the {name} data source needs a database, in its url or beside it")
    if _ODD.search(database):
        raise DefinitionError(f"{database!r} is no name of a database of MongoDB")
    return database


def _key_of(option: str) -> str:
    return unquote_plus(option.partition("=")[0]).lower()


def _reason(error: Exception, url: str) -> str:
    """Why a URL is none, without a part of it that may be a secret."""
    said = str(error).partition(". Hint")[0]
    user, _, options = url.partition("?")
    if "@" not in user or (said.startswith("Unknown option") and "@" not in options):
        return said
    return said.partition(":")[0]


def _split(servers: str) -> tuple[str, str]:
    """The host and the port of the one server; no port where there is none, or several."""
    host, colon, port = servers.rpartition(":")
    if not colon or "," in servers or port.endswith("]"):
        return servers, ""
    return host, port


def _shown(host: str) -> str:
    """A host as URLs have it.

    :raises DefinitionError: where it is none.
    """
    if _HOST.fullmatch(host):
        return host
    try:
        return f"[{IPv6Address(host.removeprefix('[').removesuffix(']'))}]"
    except AddressValueError:
        raise DefinitionError(
            f"host is the name or the address of one server, without its port, not {host!r}; "
            "several servers are named by a url"
        ) from None
