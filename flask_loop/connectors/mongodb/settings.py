"""The settings of a MongoDB data source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bson.binary import UuidRepresentation

from ...errors import DefinitionError
from ..given import Given
from .address import Address, check_database

#: The settings, and what errors call them.
SETTINGS = (
    "url",
    "host",
    "port",
    "database",
    "username",
    "password",
    "auth_source",
    "auth_mechanism",
    "replica_set",
    "tls",
    "tls_ca_file",
    "tls_certificate_key_file",
    "tls_allow_invalid_certificates",
    "tls_allow_invalid_hostnames",
    "pool_size",
    "pool_timeout",
    "connect_timeout",
    "socket_timeout",
    "max_scan",
    "transactions",
    "uuid_representation",
)
#: LoopBack's names of them.
_ALIASES = {
    "user": "username",
    "db": "database",
    "hostname": "host",
    "authSource": "auth_source",
    "replicaSet": "replica_set",
    "ssl": "tls",
    "tlsCAFile": "tls_ca_file",
    "authMechanism": "auth_mechanism",
    "connectTimeout": "connect_timeout",
    "uuidRepresentation": "uuid_representation",
    "maxPoolSize": "pool_size",
    "poolSize": "pool_size",
}
_CONNECT = "it is 'connect_timeout', in seconds"
#: What LoopBack's files say beside that.
_LOOPBACK = {
    **dict.fromkeys(("debug", "disableDefaultSort", "enableGeoIndexing", "lazyConnect")),
    **dict.fromkeys(("useCreateIndex", "useNewUrlParser", "useUnifiedTopology")),
    "strictObjectIDCoercion": None,
    "allowExtendedOperators": (
        "what is written are values, never operators of MongoDB; leave it out"
    ),
    "collation": "texts are always compared by code point",
    "connectTimeoutMS": _CONNECT,
    "connectionTimeout": _CONNECT,
    "protocol": "give a url that begins with mongodb+srv://",
    "readPreference": "what is read is always the primary's",
    "serverSelectionTimeoutMS": _CONNECT,
    "socketTimeoutMS": "it is 'socket_timeout', in seconds",
    "sslCA": "it is 'tls_ca_file', the name of a file",
    "sslValidate": "it is 'tls_allow_invalid_certificates', the other way round",
}
#: The forms in which programs write UUIDs, by the driver's names of them.
UUIDS = {
    "standard": UuidRepresentation.STANDARD,
    "pythonLegacy": UuidRepresentation.PYTHON_LEGACY,
    "javaLegacy": UuidRepresentation.JAVA_LEGACY,
    "csharpLegacy": UuidRepresentation.CSHARP_LEGACY,
}
_TEXTS = {
    "auth_source": "authentication_source",
    "auth_mechanism": "authentication_mechanism",
    "replica_set": "replicaSet",
    "tls_ca_file": "tlsCAFile",
    "tls_certificate_key_file": "tlsCertificateKeyFile",
}
_FILES = ("tls_ca_file", "tls_certificate_key_file")
#: What URLs call the settings that MongoEngine, or the driver, takes from there before all else.
_IN_URL = {
    "auth_source": ("authsource",),
    "auth_mechanism": ("authmechanism",),
    "replica_set": ("replicaset",),
    "tls": ("tls", "ssl"),
}
#: The option of URLs that says how UUIDs are written, in lower case.
_UUIDS_IN_URL = "uuidrepresentation"
_SWITCHES = {
    "tls": "tls",
    "tls_allow_invalid_certificates": "tlsAllowInvalidCertificates",
    "tls_allow_invalid_hostnames": "tlsAllowInvalidHostnames",
}


@dataclass(frozen=True, slots=True)
class MongodbSettings:
    """What a data source's settings mean.

    :ivar database: the database's name.
    :ivar options: what MongoEngine registers the connection with; it has the password.
    :ivar max_scan: how many documents are read at most for what Python has to look at.
    :ivar transactions: whether transactions are used; None where the server says it.
    :ivar uuid_representation: the driver's name of the form in which UUIDs are written.
    """

    database: str
    options: Mapping[str, Any] = field(repr=False)
    max_scan: int
    transactions: bool | None = None
    uuid_representation: str = "standard"

    @property
    def uuids(self) -> int:
        """The form in which UUIDs are written, one of the driver's ``UuidRepresentation``."""
        return UUIDS[self.uuid_representation]


def read_settings(name: str, settings: Mapping[str, Any]) -> MongodbSettings:
    """Read the settings of a data source.

    :param name: the connector's.
    :raises DefinitionError: naming the one that is unknown or means nothing; never with a password.
    """
    given = Given.read(name, settings, SETTINGS, _ALIASES, _LOOPBACK)
    address = Address.read(name, given)
    database = check_database(name, given.get("database") or address.database)
    options: dict[str, Any] = {}
    for key, option in _TEXTS.items():
        if given.get(key) is not None:
            options[option] = str(given.get(key))
            if key in _FILES and not Path(options[option]).is_file():
                raise DefinitionError(f"{key}: there is no file {options[option]}")
    for key, option in _SWITCHES.items():
        if given.get(key) is not None:
            options[option] = given.switch(key, default=False)
    options["host"] = address.url(without={*_said_beside(given), _UUIDS_IN_URL})
    options |= _bounds(given, address.option_names)
    has_said = given.get("transactions") is not None
    transactions = given.switch("transactions", default=True) if has_said else None
    uuids = _uuid_representation(given, address)
    return MongodbSettings(database, options, given.max_scan, transactions, uuids)


def _uuid_representation(given: Given, address: Address) -> str:
    said = given.get("uuid_representation", address.option(_UUIDS_IN_URL))
    if said is None:
        return "standard"
    if said not in UUIDS:
        known = ", ".join(map(repr, UUIDS))
        raise DefinitionError(f"uuid_representation is one of {known}, not {said!r}")
    return str(said)


def _bounds(given: Given, said: frozenset[str]) -> dict[str, int]:
    """How many connections there are, and how long anything takes.

    :param said: the options that the URL has, in lower case; they have no defaults here.
    """
    connect_timeout = _milliseconds(given, "connect_timeout", 10)
    bounds = {
        "maxPoolSize": ("pool_size", given.whole("pool_size", 20, least=1)),
        "waitQueueTimeoutMS": ("pool_timeout", _milliseconds(given, "pool_timeout", 30)),
        "connectTimeoutMS": ("connect_timeout", connect_timeout),
        "serverSelectionTimeoutMS": ("connect_timeout", connect_timeout),
    }
    if given.get("socket_timeout") is not None:
        bounds["socketTimeoutMS"] = ("socket_timeout", _milliseconds(given, "socket_timeout", 0))
    return {
        option: value
        for option, (key, value) in bounds.items()
        if given.get(key) is not None or option.lower() not in said
    }


def _said_beside(given: Given) -> frozenset[str]:
    """The options of a URL, in lower case, in whose place a setting is."""
    return frozenset(
        each for key, names in _IN_URL.items() if given.get(key) is not None for each in names
    )


def _milliseconds(given: Given, key: str, default: float) -> int:
    """A time limit as the driver takes it."""
    return max(1, round(given.seconds(key, default) * 1000))
