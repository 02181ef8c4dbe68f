"""Transports of mails: SMTP with its faults, Postmark, the console, and one's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from flask import Flask

from flask_loop import DataSource, Email, Loop, create_data_source
from flask_loop.connectors.mail import ConsoleTransport, Message
from flask_loop.errors import DefinitionError, MailError, Unavailable
from flask_loop.operations import OPERATIONS
from tests.servers.smtp import (
    LOOPBACK,
    PATIENCE,
    deaf_port,
    make_certificate,
    silent_server,
    smtp_server,
)

HELLO = {
    "to": "ann@example.com",
    "from": "shop@example.com",
    "subject": "Hello",
    "text": "It is ready.",
}
LOGIN = ("shop", "s3cret")
SECRETS = ("s3cret", "ann@example.com", "shop@example.com", "It is ready")


def mails_on(**settings: Any) -> type[Email]:
    """A model of mails on a source of mail."""
    source = create_data_source(connector="mail", **settings)
    # Its name is taken again and again, as nobody looks for it by name.
    model: type[Email] = Email.extend("wire")
    model.attach_to(source)
    return model


def refused(send: Callable[[], object]) -> MailError:
    with pytest.raises(MailError) as caught:
        send()
    error = caught.value
    shown = "".join(map(str, (error, error.__cause__)))
    assert [each for each in SECRETS if each in shown] == []
    assert error.__suppress_context__ or error.__context__ is None
    return error


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path / "certificate.pem")


# TLS


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_that_is_trusted_is_taken(tls: str, certificate: Path) -> None:
    with smtp_server(tls=tls, certificate=certificate) as server:
        mails = mails_on(host=LOOPBACK, port=server.port, tls=tls, verify=str(certificate))
        mails.send(HELLO)
    (received,) = server.received
    assert received.is_secure


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_that_nobody_signed_is_refused(tls: str, certificate: Path) -> None:
    with smtp_server(tls=tls, certificate=certificate) as server:
        mails = mails_on(host=LOOPBACK, port=server.port, tls=tls)
        error = refused(lambda: mails.send(HELLO))
        assert "a certificate that is not trusted: self" in str(error)
        assert not error.is_temporary
    assert server.received == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_of_another_host_is_refused(tls: str, tmp_path: Path) -> None:
    other = make_certificate(tmp_path / "other.pem", host="mail.example")
    with smtp_server(tls=tls, certificate=other) as server:
        mails = mails_on(host=LOOPBACK, port=server.port, tls=tls, verify=str(other))
        error = refused(lambda: mails.send(HELLO))
    assert "not valid for '127.0.0.1'" in str(error)


def test_verification_can_be_turned_off(certificate: Path) -> None:
    with smtp_server(tls="starttls", certificate=certificate) as server:
        mails_on(host=LOOPBACK, port=server.port, tls="starttls", verify=False).send(HELLO)
    assert server.received[0].is_secure


def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for() -> None:
    with smtp_server(login=LOGIN) as server:
        mails = mails_on(
            host=LOOPBACK, port=server.port, tls="starttls", username=LOGIN[0], password=LOGIN[1]
        )
        error = refused(lambda: mails.send(HELLO))
    assert "does not do what is asked of it: STARTTLS" in str(error)
    assert (server.received, server.attempts) == ([], [])


def test_a_password_goes_to_no_server_without_tls_unless_it_is_said() -> None:
    with smtp_server(login=LOGIN) as server:
        settings = {"host": LOOPBACK, "port": server.port, "user": LOGIN[0], "pass": LOGIN[1]}
        refused(lambda: mails_on(**settings).send(HELLO))
        assert server.attempts == []
        mails_on(**settings, tls=None).send(HELLO)
    assert server.received[0].user == "shop"


def test_flask_mail_s_tls_is_verified_too(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Flask("post")
    with smtp_server(tls="starttls", certificate=certificate) as server:
        app.config.update(MAIL_SERVER=LOOPBACK, MAIL_PORT=server.port, MAIL_USE_TLS=True)
        Loop(app)
        with app.app_context():
            error = refused(lambda: Email.send(HELLO))
            assert "not trusted" in str(error)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            Email.send(HELLO)
    assert server.received[0].is_secure


# Logging in


@pytest.mark.parametrize("tls", ["starttls", None])
def test_a_server_is_logged_in_to(tls: str | None, certificate: Path) -> None:
    login = ("shop", "s3cret")
    with smtp_server(login=login, certificate=certificate, tls=tls) as server:
        mails = mails_on(
            host=LOOPBACK,
            port=server.port,
            tls=tls,
            verify=str(certificate),
            username=login[0],
            password=login[1],
        )
        mails.send([HELLO, HELLO])
    assert [each.user for each in server.received] == ["shop", "shop"]
    assert len(server.attempts) == 1


@pytest.mark.parametrize("hangs_up", [False, True])
def test_a_wrong_password_is_said_to_be_wrong(hangs_up: bool) -> None:
    with smtp_server(login=("shop", "right"), hangs_up=hangs_up) as server:
        mails = mails_on(
            host=LOOPBACK, port=server.port, tls=None, username="shop", password="s3cret"
        )
        error = refused(lambda: mails.send(HELLO))
    assert "refuses the user name or the password (535)" in str(error)
    assert not error.is_temporary


def test_a_server_that_demands_a_log_in_and_gets_none_refuses_the_sender() -> None:
    with smtp_server(login=LOGIN) as server:
        error = refused(lambda: mails_on(host=LOOPBACK, port=server.port).send(HELLO))
    assert "refuses the sender (530)" in str(error)


# Faults


def test_silence_ends_when_the_time_runs_out() -> None:
    with silent_server() as port:
        mails = mails_on(host=LOOPBACK, port=port, timeout=0.2)
        began = monotonic()
        error = refused(lambda: mails.send(HELLO))
        assert monotonic() - began < PATIENCE
    assert "is silent: the time ran out" in str(error)
    assert error.is_temporary


def test_the_app_s_time_out_holds_for_flask_mail() -> None:
    app = Flask("post")
    with silent_server() as port:
        app.config.update(MAIL_SERVER=LOOPBACK, MAIL_PORT=port, LOOP_MAIL_TIMEOUT=0.2)
        Loop(app)
        began = monotonic()
        with app.app_context():
            error = refused(lambda: Email.send(HELLO))
        assert monotonic() - began < PATIENCE
    assert "is silent" in str(error)


def test_a_server_that_is_not_there_is_a_temporary_fault() -> None:
    error = refused(lambda: mails_on(host=LOOPBACK, port=deaf_port()).send(HELLO))
    assert "cannot be reached: Connection refused" in str(error)
    assert error.is_temporary


def test_a_recipient_who_is_refused_is_told_of_and_the_others_get_the_mail() -> None:
    with smtp_server() as server:
        server.refused["bob@example.org"] = "550 5.1.1 <bob@example.org> unknown"
        mails = mails_on(host=LOOPBACK, port=server.port)
        error = refused(lambda: mails.send({**HELLO, "to": ["ann@example.com", "bob@example.org"]}))
    assert str(error) == "the mail server refuses a recipient at example.org (550)"
    assert error.refused == {"bob@example.org": "550 5.1.1 <bob@example.org> unknown"}
    assert (error.is_partial, error.is_temporary) == (True, False)
    assert server.received[0].recipients == ["ann@example.com"]


def test_all_recipients_who_are_refused_are_told_of() -> None:
    with smtp_server() as server:
        server.refused = {"a@example.com": "550 no", "b@example.org": "451 later"}
        mails = mails_on(host=LOOPBACK, port=server.port)
        error = refused(lambda: mails.send({**HELLO, "to": ["a@example.com", "b@example.org"]}))
    assert "refuses 2 recipients at example.com, example.org (550, 451)" in str(error)
    assert (error.is_partial, error.is_temporary) == (False, True)
    assert server.received == []


@pytest.mark.parametrize(
    ("answer", "is_temporary"), [("452 4.3.1 Full", True), ("554 5.7.1 Spam", False)]
)
def test_what_the_server_says_of_the_mail_says_whether_to_try_again(
    answer: str, is_temporary: bool
) -> None:
    with smtp_server() as server:
        server.answers = [answer]
        error = refused(lambda: mails_on(host=LOOPBACK, port=server.port).send(HELLO))
    assert f"refuses the mail ({answer[:3]})" in str(error)
    assert error.is_temporary is is_temporary


@pytest.mark.parametrize("answer", ["554 Spam", "421 Closing"])
def test_a_mail_that_is_refused_keeps_back_none_of_the_others(answer: str) -> None:
    with smtp_server() as server:
        server.answers = [answer]
        mails = mails_on(host=LOOPBACK, port=server.port)
        error = refused(
            lambda: mails.send([{**HELLO, "subject": name} for name in ("a", "b", "c")])
        )
    assert "1 of 3 mails were not sent to everybody; the first of them, at index 0" in str(error)
    assert error.is_partial
    assert [each.mime["Subject"] for each in server.received] == ["b", "c"]


def test_addresses_of_other_scripts_take_a_server_that_knows_them() -> None:
    jose = {**HELLO, "to": "josé@example.com"}
    with smtp_server() as server:
        mails_on(host=LOOPBACK, port=server.port).send(jose)
    assert server.received[0].recipients == ["josé@example.com"]
    assert "\nTo: josé@example.com\r\n".encode() in server.received[0].content
    with smtp_server(utf8=False) as server:
        error = refused(lambda: mails_on(host=LOOPBACK, port=server.port).send(jose))
    assert "SMTPUTF8 not supported" in str(error)


def test_a_source_of_mail_can_be_pinged(certificate: Path) -> None:
    with smtp_server() as server:
        create_data_source(connector="mail", host=LOOPBACK, port=server.port).ping()
    with pytest.raises(Unavailable, match="cannot be reached"):
        create_data_source(connector="mail", host=LOOPBACK, port=deaf_port()).ping()
    create_data_source(connector="mail", transport="memory").ping()


# Settings


def test_an_app_s_source_is_made_of_its_settings(make_app: Callable[..., Flask]) -> None:
    loop = Loop()
    mails: type[Email] = Email.extend("wire")
    mails.attach_to(loop.data_source("mail"))
    with smtp_server() as server:
        app = Flask("post")
        app.config["LOOP_DATA_SOURCES"] = {
            "mail": {"connector": "mail", "host": LOOPBACK, "port": server.port}
        }
        loop.init_app(app)
        with app.app_context():
            mails.send(HELLO)
    assert len(server.received) == 1


def test_the_app_s_source_that_is_called_mail_sends_what_is_attached_nowhere() -> None:
    with smtp_server() as server:
        app = Flask("post")
        app.config["LOOP_DATA_SOURCES"] = {
            "mail": {
                "connector": "mail",
                "host": LOOPBACK,
                "port": server.port,
                "default_sender": "own@example.com",
            }
        }
        Loop(app)
        with app.app_context():
            Email.send(to="ann@example.com", subject="Hello", text="Hi")
    assert server.received[0].sender == "own@example.com"


def test_loopback_s_settings_are_known() -> None:
    with smtp_server(login=("shop", "s3cret")) as server:
        smtp = {
            "type": "SMTP",
            "host": LOOPBACK,
            "secure": False,
            "port": server.port,
            "ignoreTLS": True,
            "tls": {"rejectUnauthorized": False},
            "auth": {"user": "shop", "pass": "s3cret"},
        }
        mails_on(transports=[{"type": "stub"}, smtp], defaultTransport="SMTP").send(HELLO)
    assert server.received[0].user == "shop"


def test_the_first_of_several_transports_sends_where_none_is_chosen() -> None:
    source = create_data_source(connector="mail", transports=[{"type": "stub"}, {"type": "smtp"}])
    mails: type[Email] = Email.extend("wire")
    mails.attach_to(source)
    mails.send(HELLO)
    assert len(messages_of(source)) == 1


def messages_of(source: DataSource) -> list[Message]:
    connector: Any = source.connector
    messages: list[Message] = connector.transport.messages
    return messages


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hots": "mail"}, "has no setting 'hots'; did you mean 'host'"),
        ({"host": 5}, "'host' of the mail connector is text"),
        ({"port": "25"}, "'port' of the mail connector is a whole number up to 65535"),
        ({"port": 0}, "'port'"),
        ({"timeout": 0}, "'timeout' of the mail connector is a positive number of seconds"),
        ({"tls": "ssl"}, "'tls' of the mail connector is \"starttls\", \"implicit\" or None"),
        ({"verify": 5}, "'verify' of the mail connector is a boolean or a path"),
        ({"username": "shop"}, "needs both 'username' and 'password', or neither"),
        ({"transport": "smpt"}, "has no transport 'smpt'; did you mean 'smtp'"),
        ({"transport": 5}, "a name, or an object with send"),
        ({"transport": "console", "host": "h"}, "the transport 'console' .* no setting 'host'"),
        ({"transport": "postmark"}, "needs the setting 'token'"),
        ({"transports": {}}, "'transports' of the mail connector is a list of dicts"),
        ({"transports": [{"type": "stub"}], "defaultTransport": "x"}, "no transport 'x' among"),
        ({"auth": "shop:s3cret"}, "'auth' of the mail connector is a dict"),
        ({"default_sender": "nobody"}, "'default_sender' of the mail connector is no address"),
    ],
)  # fmt: skip
def test_a_setting_that_means_nothing_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        create_data_source(connector="mail", **settings)
    assert "s3cret" not in str(caught.value)


def test_a_source_of_mail_keeps_no_records() -> None:
    source = create_data_source(connector="mail", transport="memory")
    assert [name for name in OPERATIONS if source.is_enabled(name)] == []
    source.enable("find")
    mails: Any = Email.extend("wire")
    mails.attach_to(source)
    with pytest.raises(RuntimeError, match="sends mails and keeps no records"):
        mails.find()
    source.auto_update()
    assert source.is_actual()
    with source.transaction():
        pass


# The console


def test_the_console_shows_a_mail_as_a_person_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    mails_on(transport="console").send(
        {**HELLO, "to": [("Zoë", "zoe@example.com")], "text": "Grüße:\nhttps://example.com/?a=b&c"},
        bcc="bob@example.com",
        attachments=[("a.txt", "abc")],
    )
    shown = capsys.readouterr().out
    assert "To: Zoë <zoe@example.com>\nBcc: bob@example.com\nSubject: Hello\n" in shown
    assert "Attachment: a.txt (text/plain, 3 bytes)\n" in shown
    assert "\n\nGrüße:\nhttps://example.com/?a=b&c\n" in shown


def test_a_console_may_be_another_stream() -> None:
    stream = StringIO()
    mails_on(transport=ConsoleTransport(stream)).send({**HELLO, "text": None}, html="<p>Hi</p>")
    assert "<p>Hi</p>" in stream.getvalue()


# One's own


def test_a_transport_of_one_s_own_needs_a_method_send() -> None:
    class Pigeons:
        def __init__(self) -> None:
            self.carried: list[tuple[Any, bytes]] = []

        def send(self, message: Message) -> None:
            self.carried.append((message.recipients, message.as_mime().as_bytes()))

    pigeons = Pigeons()
    mails_on(transport=pigeons, default_sender="loft@example.com").send(HELLO)
    ((recipients, content),) = pigeons.carried
    assert recipients == ("ann@example.com",)
    assert b"Subject: Hello" in content


@pytest.mark.parametrize(
    ("raised", "is_temporary"), [(ConnectionResetError(), True), (KeyError("feather"), False)]
)
def test_what_a_transport_raises_is_a_mail_error(raised: Exception, is_temporary: bool) -> None:
    class Hawks:
        def send(self, message: Message) -> None:
            raise raised

    with pytest.raises(MailError, match=type(raised).__name__) as caught:
        mails_on(transport=Hawks()).send(HELLO)
    assert caught.value.__cause__ is raised
    assert caught.value.is_temporary is is_temporary


# Postmark


class Postmark(ThreadingHTTPServer):
    """An HTTP server that answers as Postmark does."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _PostmarkHandler)
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.answers: list[tuple[int, Any]] = []
        self.connections: set[Any] = set()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}"


class _PostmarkHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Postmark

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(body)

    def do_GET(self) -> None:
        self._answer(None)

    def _answer(self, body: Any) -> None:
        self.server.asked.append((self.path, dict(self.headers), body))
        self.server.connections.add(self.client_address)
        ok = (200, {"ErrorCode": 0, "Message": "OK", "MessageID": "1"})
        status, answer = self.server.answers.pop(0) if self.server.answers else ok
        content = json.dumps(answer).encode() if isinstance(answer, dict) else answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def postmark() -> Iterator[Postmark]:
    server = Postmark()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_postmark_is_given_the_mail(postmark: Postmark) -> None:
    mails = mails_on(transport="postmark", token="s3cret", url=postmark.url, stream="receipts")
    id = mails.send(
        {**HELLO, "to": [("Zoë, A", "zoe@example.com"), "bob@example.com"]},
        html="<p>",
        cc="carl@example.com",
        bcc="dora@example.com",
        reply_to="help@example.com",
        headers={"X-Campaign": "1"},
        attachments=[("a.txt", "abc"), {"filename": "l.png", "content": b"P", "cid": "logo"}],
    )
    ((path, headers, body),) = postmark.asked
    assert (path, headers["X-Postmark-Server-Token"]) == ("/email", "s3cret")
    assert body == {
        "From": "shop@example.com",
        "Subject": "Hello",
        "To": '"Zoë, A" <zoe@example.com>, bob@example.com',
        "Cc": "carl@example.com",
        "Bcc": "dora@example.com",
        "ReplyTo": "help@example.com",
        "TextBody": "It is ready.",
        "HtmlBody": "<p>",
        "MessageStream": "receipts",
        "Headers": [
            {"Name": "Message-ID", "Value": id},
            {"Name": "X-PM-KeepID", "Value": "true"},
            {"Name": "X-Campaign", "Value": "1"},
        ],
        "Attachments": [
            {"Name": "a.txt", "Content": "YWJj", "ContentType": "text/plain"},
            {
                "Name": "l.png",
                "Content": "UA==",
                "ContentType": "image/png",
                "ContentID": "cid:logo",
            },
        ],
    }


def test_postmark_gets_many_mails_over_one_connection(postmark: Postmark) -> None:
    mails_on(transport="postmark", token="s3cret", url=postmark.url).send([HELLO] * 3)
    assert len(postmark.asked) == 3
    assert len(postmark.connections) == 1


@pytest.mark.parametrize(
    ("status", "answer", "message", "is_temporary"),
    [
        (401, {"ErrorCode": 10, "Message": "s3cret"}, r"refuses the server token \(401\)", False),
        (422, {"ErrorCode": 300, "Message": "ann@example.com"}, r"the mail \(422, 300\)", False),
        (422, {"ErrorCode": 406, "Message": "Inactive"}, "a recipient at example.com", False),
        (429, {"ErrorCode": 0, "Message": ""}, r"\(429, 0\)", True),
        (500, b"<html>", r"\(500, 0\)", True),
        (503, b"", r"\(503, 0\)", True),
    ],
)
def test_what_postmark_refuses_is_told(
    postmark: Postmark, status: int, answer: Any, message: str, is_temporary: bool
) -> None:
    postmark.answers = [(status, answer)]
    mails = mails_on(transport="postmark", token="s3cret", url=postmark.url)
    error = refused(lambda: mails.send(HELLO))
    assert error.is_temporary is is_temporary
    with pytest.raises(MailError, match=message):
        raise error


def test_postmark_s_silence_ends_when_the_time_runs_out() -> None:
    with silent_server() as port:
        mails = mails_on(
            transport="postmark", token="s3cret", url=f"http://{LOOPBACK}:{port}", timeout=0.2
        )
        error = refused(lambda: mails.send(HELLO))
    assert (str(error), error.is_temporary) == ("Postmark is silent: the time ran out", True)


def test_postmark_that_is_not_there_is_a_temporary_fault() -> None:
    url = f"http://{LOOPBACK}:{deaf_port()}"
    error = refused(lambda: mails_on(transport="postmark", token="s3cret", url=url).send(HELLO))
    assert (str(error), error.is_temporary) == ("Postmark cannot be reached: ConnectError", True)


def test_postmark_can_be_pinged(postmark: Postmark) -> None:
    source = create_data_source(
        connector="mail", transport="postmark", token="s3cret", url=postmark.url
    )
    source.ping()
    assert postmark.asked[0][0] == "/server"
    postmark.answers = [(401, {"ErrorCode": 10, "Message": ""})]
    with pytest.raises(Unavailable, match="server token"):
        source.ping()
