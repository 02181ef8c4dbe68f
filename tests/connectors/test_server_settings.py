"""The settings of data sources on servers: where, as whom, how many connections, how encrypted."""

from __future__ import annotations

import datetime as dt
import logging
import os
import socket
import ssl
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask

from flask_loop import DataSource, DefinitionError, Loop, create_data_source
from flask_loop.errors import Unavailable
from tests.servers import LocalServer, Mysql, Postgresql, Server

Connect = Callable[..., DataSource]
LOCAL = ["postgresql", "mysql", "firebird"]
EVERY = [*LOCAL, "oracle"]
PASSWORD = "geheim-9f3c"


@pytest.fixture(params=LOCAL)
def server(request: pytest.FixtureRequest, get_server: Callable[[str], Server]) -> Server:
    return get_server(request.param)


def url_of(source: DataSource) -> sa.URL:
    connector: Any = source.connector
    url: sa.URL = connector.session.engine.url
    return url


def parts_of(url: str) -> dict[str, Any]:
    read = sa.make_url(url)
    names = ("host", "port", "database", "username", "password")
    return {name: getattr(read, name) for name in names}


def one_value(source: DataSource, sql: str) -> Any:
    (row,) = source.execute(sql)
    return next(iter(row.values()))


# Where and as whom


def test_a_url_and_its_parts_are_one(server: Server, connect: Connect) -> None:
    url = server.fresh()
    connect(server.connector, url=url).ping()
    connect(server.connector, **parts_of(url)).ping()


def test_loopback_s_names_are_known(server: Server, connect: Connect) -> None:
    parts = parts_of(server.fresh())
    parts["hostname"], parts["user"] = parts.pop("host"), parts.pop("username")
    parts["db"], parts["port"] = parts.pop("database"), str(parts["port"])
    connect(f"loopback-connector-{server.connector}", **parts).ping()


def test_parts_come_before_what_a_url_says(server: Server, connect: Connect) -> None:
    url = server.fresh()
    wrong = sa.make_url(url).set(username="nobody", password="nothing", port=1)
    rest = {key: value for key, value in parts_of(url).items() if key != "host"}
    connect(server.connector, url=wrong.render_as_string(hide_password=False), **rest).ping()


@pytest.mark.parametrize("connector", EVERY)
def test_the_host_is_localhost_where_none_is_said(connector: str, connect: Connect) -> None:
    assert url_of(connect(connector, database="shop")).host == "localhost"


@pytest.mark.parametrize(
    ("url", "connector"),
    [
        ("postgres://u@h/shop", "postgresql"),
        ("postgresql://u@h/shop", "postgresql"),
        ("postgresql+psycopg://u@h/shop", "postgresql"),
        ("mysql://u@h/shop", "mysql"),
        ("mariadb://u@h/shop", "mysql"),
        ("mariadb+pymysql://u@h/shop", "mysql"),
        ("firebird://u@h//data/shop.fdb", "firebird"),
        ("oracle://u@h/?service_name=shop", "oracle"),
        ("oracle+oracledb://u@h/shop", "oracle"),
    ],
)
def test_a_url_alone_says_which_connector(url: str, connector: str) -> None:
    assert create_data_source(url=url).connector.name == connector


@pytest.mark.parametrize(("alias", "name"), [("postgres", "postgresql"), ("mariadb", "mysql")])
def test_connectors_have_other_names(alias: str, name: str) -> None:
    assert create_data_source(connector=alias, database="shop").connector.name == name


def test_the_url_of_postgres_that_hosts_give_is_taken(
    postgresql: Postgresql, connect: Connect
) -> None:
    url = sa.make_url(postgresql.fresh()).set(drivername="postgres")
    create_data_source(url=url.render_as_string(hide_password=False)).ping()


def test_a_password_may_have_any_characters(postgresql: Postgresql, connect: Connect) -> None:
    url = sa.make_url(postgresql.fresh())
    root = connect("postgresql", url=url.render_as_string(hide_password=False))
    password = "a/b:c@d%e?f#g ä"
    root.execute(f"CREATE ROLE odd LOGIN PASSWORD '{password}'")
    try:
        shown = url.set(username="odd", password=password).render_as_string(hide_password=False)
        connect("postgresql", url=shown).ping()
        connect("postgresql", **(parts_of(shown) | {"password": password})).ping()
    finally:
        root.execute("DROP ROLE odd")


def test_two_firebirds_may_have_their_files_at_one_path(connect: Connect) -> None:
    sources = [connect("firebird", host=host, database="/data/x.fdb") for host in ("one", "two")]
    engines = [source.connector.session.engine for source in sources]  # type: ignore[attr-defined]
    asked: list[str] = []
    for engine in engines:
        (_, options) = engine.dialect.create_connect_args(engine.url)
        asked.append(options["database"])
    assert asked == ["one/3050:/data/x.fdb", "two/3050:/data/x.fdb"]


# What means nothing


@pytest.mark.parametrize("connector", EVERY)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool_sise": 3}, "no setting 'pool_sise'; did you mean 'pool_size'?"),
        ({"hots": "x"}, "no setting 'hots'; did you mean 'host'?"),
        ({"user": "a", "username": "b"}, "user and username are one setting, which is given twice"),
        ({"port": "abc"}, "port is a whole number from 1 to 65535, not 'abc'"),
        ({"port": 0}, "port is a whole number from 1 to 65535, not 0"),
        ({"port": 70000}, "port is a whole number from 1 to 65535, not 70000"),
        ({"pool_size": 0}, "pool_size is a whole number from 1, not 0"),
        ({"pool_size": 2.5}, "pool_size is a whole number from 1, not 2.5"),
        ({"pool_size": True}, "pool_size is a whole number from 1, not True"),
        ({"max_overflow": -1}, "max_overflow is a whole number from 0, not -1"),
        ({"pool_timeout": "soon"}, "pool_timeout is a number from 0, not 'soon'"),
        ({"pool_recycle": -2}, "pool_recycle is a whole number from -1, not -2"),
        ({"pre_ping": "yes"}, "pre_ping is true or false, not 'yes'"),
        ({"connect_timeout": 0}, "connect_timeout is a number from 0.001, not 0"),
        ({"isolation": "chaos"}, "isolation is one of serializable, repeatable read"),
        ({"connect_args": "a=b"}, "connect_args is a dict, not str"),
        ({"replicas": "postgresql://x"}, "replicas is a list of URLs or dicts, not str"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_means_nothing_is_an_error_that_names_it(
    connector: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        create_data_source(connector=connector, database="shop", **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("connector", ["postgresql", "mysql", "oracle"])
def test_a_time_limit_of_statements_is_a_number(connector: str) -> None:
    with pytest.raises(DefinitionError, match=r"statement_timeout is a number from 0\.001"):
        create_data_source(connector=connector, database="shop", statement_timeout="1s")


@pytest.mark.parametrize("setting", [{"ssl": True}, {"statement_timeout": 3}])
def test_firebird_says_what_it_has_no_setting_for(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(DefinitionError, match=f"the firebird connector has no {name}: it is a"):
        create_data_source(connector="firebird", database="/x.fdb", **setting)


@pytest.mark.parametrize("connector", EVERY)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "the {} data source needs a url or a database"),
        ({"host": "db.example"}, "the {} data source needs a url or a database"),
        ({"url": "nonsense"}, "the url of the {} data source is none"),
        ({"url": "sqlite:///x"}, "the url of the {0} data source begins with {0}://, not sqlite:"),
    ],
)
def test_a_source_needs_a_place(connector: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        create_data_source(connector=connector, **settings)
    assert message.format(connector) in str(caught.value)


@pytest.mark.parametrize("connector", LOCAL)
def test_a_url_names_a_database(connector: str) -> None:
    with pytest.raises(DefinitionError, match="names no database"):
        create_data_source(connector=connector, url=f"{connector}://u@h")
    assert create_data_source(connector=connector, url=f"{connector}://u@h", database="x")


def test_an_alias_of_oracle_s_own_file_needs_no_database() -> None:
    assert create_data_source(url="oracle://u@alias").connector.name == "oracle"


@pytest.mark.parametrize(
    ("connector", "module"),
    [
        ("postgresql", "psycopg"),
        ("mysql", "pymysql"),
        ("firebird", "firebird.driver"),
        ("firebird", "sqlalchemy_firebird"),
        ("oracle", "oracledb"),
    ],
)
def test_a_driver_that_is_missing_is_an_error_that_names_the_extra(
    connector: str, module: str
) -> None:
    code = f"""
import sys
sys.modules[{module!r}] = None
from flask_loop import DefinitionError, create_data_source
try:
    create_data_source(connector={connector!r}, database="shop")
except DefinitionError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"the connector '{connector}' needs a package that is not installed" in done.stdout
    assert f"pip install 'flask-loop[{connector}]'" in done.stdout


# Connections


def held(source: DataSource) -> tuple[Thread, Event]:
    """A thread that keeps a connection until the event is set."""
    is_there, is_over = Event(), Event()

    def hold() -> None:
        with source.transaction():
            source.ping()
            is_there.set()
            is_over.wait(20)

    thread = Thread(target=hold)
    thread.start()
    assert is_there.wait(20)
    return thread, is_over


def test_the_pool_has_as_many_connections_as_it_is_told(server: Server, connect: Connect) -> None:
    limits = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 0.3}
    source = connect(server.connector, url=server.fresh(), **limits)
    one, other = held(source), held(source)
    begun = monotonic()
    try:
        with pytest.raises(Unavailable, match="no connection free") as caught:
            source.ping()
    finally:
        for thread, is_over in (one, other):
            is_over.set()
            thread.join()
    assert caught.value.retry_after == 1
    assert 0.2 < monotonic() - begun < 15
    source.ping()


def test_connections_are_not_used_longer_than_they_may(
    postgresql: Postgresql, connect: Connect
) -> None:
    url = postgresql.fresh()
    source, other = connect("postgresql", url=url, pool_recycle=1), connect("postgresql", url=url)
    asked = [(each, one_value(each, "SELECT pg_backend_pid()")) for each in (source, other)]
    sleep(1.2)
    (_, pid), (_, other_pid) = asked
    assert one_value(source, "SELECT pg_backend_pid()") != pid
    assert one_value(other, "SELECT pg_backend_pid()") == other_pid


def test_a_connection_that_was_lost_is_noticed_before_it_is_used(
    postgresql: Postgresql, connect: Connect
) -> None:
    url = postgresql.fresh()
    root = connect("postgresql", url=url)
    careful = connect("postgresql", url=url)
    careless = connect("postgresql", url=url, pre_ping=False)
    for source in (careful, careless):
        pid = one_value(source, "SELECT pg_backend_pid()")
        assert one_value(root, f"SELECT pg_terminate_backend({pid})")
    sleep(1.1)
    write = "CREATE TABLE lost (id INTEGER)"
    with pytest.raises(Unavailable):
        careless.execute(write)
    careful.execute(write)


@pytest.mark.parametrize(
    ("connector", "sql"), [("postgresql", "SELECT pg_sleep(20)"), ("mysql", "SELECT sleep(20)")]
)
def test_a_statement_takes_no_longer_than_it_may(
    connector: str, sql: str, get_server: Callable[[str], Server], connect: Connect
) -> None:
    source = connect(connector, url=get_server(connector).fresh(), statement_timeout=0.5)
    begun = monotonic()
    with pytest.raises(Unavailable, match="took too long"):
        source.execute(sql)
    assert monotonic() - begun < 15
    source.ping()


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=20) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port whose queue is full, so that nobody gets a connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(listener.getsockname())
        yield listener.getsockname()[1]
        for each in waiting:
            each.close()


def seconds_until_unavailable(connector: str, port: int) -> float:
    place = {"host": "127.0.0.1", "port": port, "database": "/shop"}
    who = {"user": "u", "password": "p"}
    source = create_data_source(connector=connector, **place, **who, connect_timeout=2)
    begun = monotonic()
    with pytest.raises(Unavailable, match="is not available"):
        source.ping()
    return monotonic() - begun


@pytest.mark.parametrize("connector", LOCAL)
def test_a_server_that_says_nothing_is_given_up(connector: str, silent: int) -> None:
    assert 1.5 < seconds_until_unavailable(connector, silent) < 15


@pytest.mark.parametrize("connector", ["postgresql", "mysql", "oracle"])
def test_a_server_that_does_not_answer_is_given_up(connector: str, black_hole: int) -> None:
    assert 1.5 < seconds_until_unavailable(connector, black_hole) < 15


@pytest.mark.parametrize("connector", LOCAL)
def test_a_server_that_is_not_there_is_unavailable_at_once(connector: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert seconds_until_unavailable(connector, port) < 5


def test_the_driver_is_given_what_it_takes_itself(postgresql: Postgresql, connect: Connect) -> None:
    arguments = {"application_name": "shop"}
    source = connect("postgresql", url=postgresql.fresh(), connect_args=arguments)
    assert one_value(source, "SHOW application_name") == "shop"


# Encryption


@dataclass
class Authority:
    """Who signs certificates, and the files of them."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        own = self._builder(self.subject, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file = self.folder / f"{self.name}.pem"
        self._write(self.file, own.sign(self.key, hashes.SHA256()))

    def certificate(self, name: str, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """The files of a certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(subject, key.public_key())
        if hosts:
            known = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            made = made.add_extension(known, critical=False)
        cert, key_file = (self.folder / f"{name}.{kind}" for kind in ("crt", "key"))
        self._write(cert, made.sign(self.key, hashes.SHA256()))
        key_file.write_bytes(_pem(key, serialization.NoEncryption()))
        key_file.chmod(0o600)
        return cert, key_file

    def _builder(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    @staticmethod
    def _write(file: Path, certificate: x509.Certificate) -> None:
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _pem(key: ec.EllipticCurvePrivateKey, encryption: Any) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that signed for nobody."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


class EncryptedPostgresql(Postgresql):
    """A PostgreSQL with a certificate for localhost."""

    files: tuple[Path, Path, Path]

    def _prepare(self) -> None:
        super()._prepare()
        self.mine = copied(self.files, self.folder, self._identity())

    def _command(self) -> Sequence[str | Path]:
        names = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file")
        pairs = [f"{name}={file}" for name, file in zip(names, self.mine, strict=True)]
        options = [word for pair in ["ssl=on", *pairs] for word in ("-c", pair)]
        return [*super()._command(), *options]


class EncryptedMysql(Mysql):
    """A MariaDB with a certificate for localhost."""

    files: tuple[Path, Path, Path]

    def _prepare(self) -> None:
        super()._prepare()
        self.mine = copied(self.files, self.folder, self._identity())

    def _command(self) -> Sequence[str | Path]:
        names = ("cert", "key", "ca")
        pairs = zip(names, self.mine, strict=True)
        return [*super()._command(), *(f"--ssl-{name}={file}" for name, file in pairs)]


def copied(files: Sequence[Path], folder: Path, owner: Mapping[str, Any]) -> list[Path]:
    """The files of a certificate where the server that is somebody else's may read them."""
    found = [folder / file.name for file in files]
    for file, copy in zip(files, found, strict=True):
        copy.write_bytes(file.read_bytes())
        copy.chmod(0o600)
        if owner:
            os.chown(copy, owner["user"], owner["group"])
    return found


ENCRYPTED: dict[str, type[LocalServer]] = {
    "postgresql": EncryptedPostgresql,
    "mysql": EncryptedMysql,
}
IS_ENCRYPTED = {
    "postgresql": "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    "mysql": "SELECT variable_value <> '' FROM information_schema.session_status "
    "WHERE variable_name = 'Ssl_cipher'",
}


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def encrypted(
    request: pytest.FixtureRequest, get_server: Callable[[str], Server], authority: Authority
) -> Iterator[Any]:
    """A server that takes encrypted connections, and others."""
    if not getattr(get_server(request.param), "is_own", False):
        pytest.skip("a server that is named has certificates of its own")
    server: Any = ENCRYPTED[request.param]()
    cert, key = authority.certificate(f"server-{request.param}", ["localhost"])
    server.files = (cert, key, authority.file)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def reach(encrypted: Any, connect: Connect) -> Callable[..., bool]:
    """A function that connects, and says whether the connection is encrypted."""

    def reach(tls: Any, host: str = "localhost", **more: Any) -> bool:
        settings = {"url": encrypted.fresh(), "host": host} | more
        source = connect(encrypted.connector, ssl=tls, **settings)
        return bool(one_value(source, IS_ENCRYPTED[encrypted.connector]))

    return reach


def test_a_server_that_an_authority_signed_for_is_trusted(
    reach: Callable[..., bool], authority: Authority
) -> None:
    ca = str(authority.file)
    assert reach({"ca": ca})
    assert reach({"ca": ca, "verify": "full"})


def test_a_server_with_another_name_is_refused(
    reach: Callable[..., bool], authority: Authority
) -> None:
    with pytest.raises(Unavailable):
        reach({"ca": str(authority.file)}, host="127.0.0.1")


def test_any_name_is_taken_where_only_the_authority_counts(
    reach: Callable[..., bool], authority: Authority, stranger: Authority
) -> None:
    assert reach({"ca": str(authority.file), "verify": "ca"}, host="127.0.0.1")
    with pytest.raises(Unavailable):
        reach({"ca": str(stranger.file), "verify": "ca"}, host="127.0.0.1")


def test_a_server_of_an_unknown_authority_is_refused(
    reach: Callable[..., bool], stranger: Authority
) -> None:
    for tls in ({"ca": str(stranger.file)}, True, {"verify": "ca"}):
        with pytest.raises(Unavailable):
            reach(tls)


def test_any_server_is_taken_where_nothing_is_verified(reach: Callable[..., bool]) -> None:
    assert reach({"verify": "none"}, host="127.0.0.1")


def test_nothing_is_encrypted_where_that_is_said(reach: Callable[..., bool]) -> None:
    assert not reach(False)


TRUST = """
import sys
from flask_loop import create_data_source
settings = {"connector": sys.argv[1], "url": sys.argv[2], "host": "localhost"}
create_data_source(**settings, ssl=True, connect_timeout=60).ping()
"""


def test_true_trusts_the_authorities_of_the_system(encrypted: Any, authority: Authority) -> None:
    def run(**environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", TRUST, encrypted.connector, encrypted.fresh()],
            env=os.environ | environment,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        return done.stderr

    assert run(SSL_CERT_FILE=str(authority.file)) == ""
    assert "certificate verify failed" in run()


@pytest.mark.parametrize("encrypted", ["mysql"], indirect=True)
def test_a_client_shows_its_own_certificate(encrypted: Any, authority: Authority) -> None:
    url = encrypted.fresh()
    root = create_data_source(connector="mysql", url=url)
    root.execute("CREATE OR REPLACE USER 'known'@'127.0.0.1' IDENTIFIED BY 'pw' REQUIRE X509")
    root.execute("GRANT ALL ON *.* TO 'known'@'127.0.0.1'")
    cert, key = authority.certificate("client")
    given = {"url": url, "host": "localhost", "username": "known", "password": "pw"}
    trust = {"ca": str(authority.file)}
    with pytest.raises(Unavailable):
        create_data_source(connector="mysql", **given, ssl=trust).ping()
    known = trust | {"cert": str(cert), "key": str(key)}
    create_data_source(connector="mysql", **given, ssl=known).ping()


@pytest.mark.parametrize("connector", ["postgresql", "mysql"])
def test_a_server_that_cannot_encrypt_is_not_spoken_to_in_the_clear(
    connector: str, get_server: Callable[[str], Server], connect: Connect
) -> None:
    source = connect(connector, url=get_server(connector).fresh(), ssl={"verify": "none"})
    with pytest.raises(Unavailable):
        source.ping()


@pytest.fixture
def tls_listener(authority: Authority) -> Iterator[tuple[int, list[str]]]:
    """The port of somebody with a certificate for localhost, and how each greeting ended."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.certificate("listener", ["localhost"]))
    seen: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as encrypted:
                    # Some look at the name when they have the certificate, and say no more then.
                    seen.append("encrypted" if encrypted.recv(8) else "refused")
            except OSError:
                seen.append("refused")

    thread = Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1], seen
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_oracle_encrypts_and_verifies(
    tls_listener: tuple[int, list[str]], authority: Authority, stranger: Authority
) -> None:
    port, seen = tls_listener

    def greeting(host: str, **tls: Any) -> str:
        seen.clear()
        source = create_data_source(
            connector="oracle",
            host=host,
            port=port,
            database="shop",
            user="u",
            password="p",
            ssl=tls,
        )
        with pytest.raises(Unavailable):  # it is no Oracle
            source.ping()
        deadline = monotonic() + 10
        while not seen and monotonic() < deadline:
            sleep(0.01)
        return seen[0]

    known, unknown = str(authority.file), str(stranger.file)
    assert greeting("localhost", ca=known) == "encrypted"
    assert greeting("127.0.0.1", ca=known) == "refused"
    assert greeting("127.0.0.1", ca=known, verify="ca") == "encrypted"
    assert greeting("localhost", ca=unknown) == "refused"


@pytest.mark.parametrize("connector", ["postgresql", "mysql", "oracle"])
@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ("yes", "ssl is true, false or a dict: ca, cert, key, verify"),
        ({"cafile": "x"}, "ssl has no 'cafile'"),
        ({"verfy": "full"}, "ssl has no 'verfy'; did you mean 'verify'?"),
        ({"verify": "never"}, "ssl.verify is one of full, ca, none"),
        ({"ca": "/no/such.pem"}, "ssl.ca: there is no file /no/such.pem"),
        ({"cert": "/no/such.crt"}, "ssl.cert: there is no file /no/such.crt"),
        ({"key": __file__}, "ssl.key needs ssl.cert"),
        ({"ca": __file__}, "has no certificates"),
        ({"cert": __file__}, "no certificate with its key"),
    ],
    ids=str,
)
def test_what_is_wrong_with_ssl_is_said_at_once(connector: str, tls: Any, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        create_data_source(connector=connector, database="shop", ssl=tls)
    assert message in str(caught.value)


@pytest.mark.parametrize("connector", ["postgresql", "mysql", "oracle"])
def test_a_key_of_another_certificate_or_with_a_password_is_said_at_once(
    connector: str, authority: Authority, tmp_path: Path
) -> None:
    (cert, _), (_, other) = authority.certificate("one"), authority.certificate("other")
    locked = tmp_path / "locked.key"
    locked.write_bytes(_pem(authority.key, serialization.BestAvailableEncryption(b"x")))
    for key in (other, locked):
        tls = {"cert": str(cert), "key": str(key)}
        with pytest.raises(DefinitionError, match="no certificate with its key"):
            create_data_source(connector=connector, database="shop", ssl=tls)


def test_oracle_says_what_it_cannot_encrypt() -> None:
    with pytest.raises(DefinitionError, match=r"always verifies .*: ssl\.verify is full or ca"):
        create_data_source(connector="oracle", database="shop", ssl={"verify": "none"})
    with pytest.raises(DefinitionError, match="ssl of oracle needs a host and a database"):
        create_data_source(url="oracle://u@alias", ssl=True)


# Passwords


def told(error: BaseException | None) -> Iterator[str]:
    """All that an error and its causes say."""
    while error is not None:
        yield from (str(error), repr(error), *map(str, error.args))
        yield from traceback.format_exception(error)
        error = error.__cause__


def test_the_password_is_in_no_log_and_no_error(
    server: Server, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = sa.make_url(server.fresh())
    wrong = url.set(username="nobody", password=PASSWORD).render_as_string(hide_password=False)
    for settings in ({"url": wrong}, parts_of(wrong)):
        source = connect(server.connector, **settings, echo=True)
        with pytest.raises(Unavailable) as caught:
            source.ping()
        connector: Any = source.connector
        shown = [repr(source), repr(connector), repr(connector.session.engine), *told(caught.value)]
        assert caught.value.__cause__ is not None
        assert not [text for text in shown if PASSWORD in text]
    assert PASSWORD not in caplog.text


def test_the_password_of_a_source_that_works_is_in_no_log(
    server: Server, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.fresh()
    source = connect(server.connector, url=url, echo=True)
    model = source.create_model("secret_thing", {"name": {"type": str, "max_length": 20}})
    source.auto_update()
    model.create(name="hidden-value-17")
    password = sa.make_url(url).password
    assert "INSERT INTO" in caplog.text
    assert password
    assert password not in caplog.text
    assert "hidden-value-17" not in caplog.text


def test_the_password_is_not_in_the_answer_to_a_client(server: Server) -> None:
    url = sa.make_url(server.fresh()).set(username="nobody", password=PASSWORD)
    app = Flask("secrets")
    app.config["LOOP_DATA_SOURCES"] = {
        "db": {"connector": server.connector, "url": url.render_as_string(hide_password=False)}
    }
    loop = Loop(app)
    model = loop.data_source("db").create_model("guarded_thing", {"name": str})
    loop.model(model)
    answer = app.test_client().get("/guarded_things")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert PASSWORD not in answer.get_data(as_text=True)


@pytest.mark.parametrize("connector", EVERY)
@pytest.mark.parametrize(
    "settings",
    [
        {"url": f"//u:{PASSWORD}@h"},
        {"url": f"postgresql//u:{PASSWORD}@h"},
        {"url": f"sqlite://u:{PASSWORD}@h/x"},
        {"url": f"postgresql://u:p@h:{PASSWORD}/x"},
        {"url": 5, "password": PASSWORD},
        {"database": "x", "password": PASSWORD, "port": "x"},
        {"database": "x", "connect_args": PASSWORD},
        {"database": "x", "replicas": [f"nonsense:{PASSWORD}"]},
        {"database": "x", "replicas": f"postgresql://u:{PASSWORD}@h/x"},
    ],
    ids=str,
)
def test_the_password_is_not_in_an_error_of_the_settings(
    connector: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(DefinitionError) as caught:
        create_data_source(connector=connector, **settings)
    assert not [text for text in told(caught.value) if PASSWORD in text]


@pytest.mark.parametrize(
    "sources",
    [f"postgresql://u:{PASSWORD}@h/x", {"db": f"postgresql://u:{PASSWORD}@h/x"}],
    ids=["sources", "source"],
)
def test_the_password_is_not_in_an_error_of_an_app_s_settings(sources: Any) -> None:
    app = Flask("secrets")
    app.config["LOOP_DATA_SOURCES"] = sources

    def use() -> None:
        loop = Loop(app)
        with app.app_context():
            loop.data_source("db").ping()

    with pytest.raises(DefinitionError, match="dict, not str") as caught:
        use()
    assert not [text for text in told(caught.value) if PASSWORD in text]
