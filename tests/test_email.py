"""Email: what a mail is made of, who it goes to, templates, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import flask_mail
import pytest
from flask import Flask

from flask_loop import DataSource, Email, Loop, Prop, create_data_source, create_model, memory, prop
from flask_loop.errors import DefinitionError, MailError, ValidationError
from flask_loop.signals import mail_failed
from tests.servers.smtp import Received, SmtpServer, smtp_server

SHOP = "shop@example.com"
HELLO = {"to": "ann@example.com", "subject": "Hello", "text": "It is ready."}


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with smtp_server() as server:
        yield server


@pytest.fixture
def app(server: SmtpServer, tmp_path: Path) -> Iterator[Flask]:
    """An app, in its context, whose Flask-Mail sends to the server."""
    app = Flask("post", root_path=str(tmp_path))
    app.config.update(MAIL_PORT=server.port, MAIL_DEFAULT_SENDER=SHOP)
    Loop(app)
    with app.app_context():
        yield app


@pytest.fixture
def post() -> DataSource:
    """A data source that keeps the mails in memory."""
    return create_data_source(connector="mail", transport="memory", default_sender=SHOP)


def sent_by(source: DataSource) -> list[Any]:
    connector: Any = source.connector
    found: list[Any] = connector.transport.messages
    return found


def only(server: SmtpServer) -> Received:
    (received,) = server.received
    return received


def problems(send: Callable[[], object]) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        send()
    codes: dict[str, list[str]] = caught.value.details["messages"]
    return codes


# What a mail is


@pytest.mark.usefixtures("app")
def test_a_mail_goes_to_whom_it_is_for(server: SmtpServer) -> None:
    id = Email.send(to="ann@example.com", from_=SHOP, subject="Hello", text="It is ready.")
    received = only(server)
    assert (received.sender, received.recipients) == (SHOP, ["ann@example.com"])
    assert received.mime["From"] == SHOP
    assert received.mime["To"] == "ann@example.com"
    assert received.mime["Subject"] == "Hello"
    assert received.mime["Message-ID"] == id
    assert id.endswith("@example.com>")
    assert received.mime["Date"].datetime.tzinfo is not None
    assert received.mime.get_content_type() == "text/plain"
    assert received.mime.get_content().strip() == "It is ready."


@pytest.mark.usefixtures("app")
def test_a_dict_is_the_same_in_either_spelling(server: SmtpServer) -> None:
    Email.send({"from": "Post <post@example.com>", "replyTo": "help@example.com", **HELLO})
    Email.send({"from_": "post@example.com", "reply_to": "help@example.com", **HELLO})
    first, second = server.received
    assert first.mime["From"] == "Post <post@example.com>"
    assert (first.sender, second.sender) == ("post@example.com", "post@example.com")
    assert first.mime["Reply-To"] == second.mime["Reply-To"] == "help@example.com"


@pytest.mark.usefixtures("app")
def test_who_sends_where_nobody_says_is_the_default_sender(server: SmtpServer) -> None:
    Email.send(HELLO)
    assert only(server).mime["From"] == SHOP


def test_the_default_sender_may_have_a_name(server: SmtpServer) -> None:
    app = Flask("post")
    app.config.update(MAIL_PORT=server.port, MAIL_DEFAULT_SENDER=("Größe & Co, Shop", SHOP))
    Loop(app)
    with app.app_context():
        Email.send(HELLO)
    (sender,) = only(server).mime["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Größe & Co, Shop", SHOP)


@pytest.mark.usefixtures("app")
def test_text_and_html_are_alternatives(server: SmtpServer) -> None:
    Email.send(HELLO, html="<p>It is ready.</p>")
    mime = only(server).mime
    assert mime.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in mime.iter_parts()] == ["text/plain", "text/html"]
    assert mime.get_body(["html"]).get_content().strip() == "<p>It is ready.</p>"


@pytest.mark.usefixtures("app")
def test_html_may_be_alone(server: SmtpServer) -> None:
    Email.send(to="ann@example.com", subject="Hello", html="<p>Hi</p>")
    assert only(server).mime.get_content_type() == "text/html"


@pytest.mark.usefixtures("app")
def test_every_script_arrives_as_it_was_sent(server: SmtpServer) -> None:
    text = "Grüße, 你好, 👋🏽\n\n.\n..dots\nFrom here on\n" + "long " * 400
    subject = "Größe “42” — 你好 " * 8 + "👋🏽"
    Email.send(to=("Zoë 王", "zoe@example.com"), subject=subject, text=text, html=f"<pre>{text}")
    received = only(server)
    assert received.content.isascii()
    assert max(map(len, received.content.split(b"\r\n"))) < 998
    assert received.mime["Subject"] == subject.strip()
    (address,) = received.mime["To"].addresses
    assert address.display_name == "Zoë 王"
    plain, html = (received.mime.get_body([each]).get_content() for each in ("plain", "html"))
    assert plain.replace("\r\n", "\n").rstrip() == text.rstrip()
    assert text.rstrip() in html.replace("\r\n", "\n")


@pytest.mark.usefixtures("app")
def test_several_recipients_get_one_mail_and_bcc_is_not_told(server: SmtpServer) -> None:
    Email.send(
        to=["ann@example.com", "Bob <bob@example.com>"],
        cc="carl@example.com",
        bcc=["dora@example.com", "ann@example.com"],
        subject="Hello",
        text="Hi",
    )
    received = only(server)
    assert received.recipients == [
        "ann@example.com",
        "bob@example.com",
        "carl@example.com",
        "dora@example.com",
    ]
    assert received.mime["To"] == "ann@example.com, Bob <bob@example.com>"
    assert received.mime["Cc"] == "carl@example.com"
    assert b"dora" not in received.content
    assert "Bcc" not in received.mime


@pytest.mark.usefixtures("app")
def test_attachments_have_every_form(server: SmtpServer, tmp_path: Path) -> None:
    file = tmp_path / "prices.pdf"
    file.write_bytes(b"%PDF")
    Email.send(
        HELLO,
        attachments=[
            file,
            ("note.txt", "Grüße"),
            ("data", b"\0\xff", "application/x-own"),
            {"filename": "Preise für 你.csv", "content": b"a,b", "contentType": "text/csv"},
            {"filename": "b.bin", "content": "AP8=", "encoding": "base64"},
            flask_mail.Attachment("own.html", "text/html", "<p>"),
        ],
    )
    found = [
        (each.get_filename(), each.get_content_type(), each.get_payload(decode=True))
        for each in only(server).mime.iter_attachments()
    ]
    assert found == [
        ("prices.pdf", "application/pdf", b"%PDF"),
        ("note.txt", "text/plain", "Grüße".encode()),
        ("data", "application/x-own", b"\0\xff"),
        ("Preise für 你.csv", "text/csv", b"a,b"),
        ("b.bin", "application/octet-stream", b"\0\xff"),
        ("own.html", "text/html", b"<p>"),
    ]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("text", [None, "See the picture."])
def test_html_shows_a_picture_that_the_mail_brings(server: SmtpServer, text: str | None) -> None:
    logo = {"filename": "logo.png", "content": b"PNG", "cid": "logo"}
    Email.send(
        to="ann@example.com",
        subject="Hello",
        text=text,
        html='<img src="cid:logo">',
        attachments=[logo, ("terms.txt", "…")],
    )
    mime = only(server).mime
    (related,) = [each for each in mime.walk() if each.get_content_type() == "multipart/related"]
    html, picture = related.iter_parts()
    assert html.get_content_type() == "text/html"
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<logo>", "inline")
    assert [each.get_filename() for each in mime.iter_attachments()][-1] == "terms.txt"


@pytest.mark.usefixtures("app")
def test_further_headers_are_added(server: SmtpServer) -> None:
    Email.send(
        HELLO, headers={"List-Unsubscribe": "<https://example.com/u?a=1>", "X-Campaign": "ü"}
    )
    mime = only(server).mime
    assert mime["List-Unsubscribe"] == "<https://example.com/u?a=1>"
    assert mime["X-Campaign"] == "ü"


@pytest.mark.usefixtures("app")
def test_many_mails_go_over_one_connection(server: SmtpServer) -> None:
    ids = Email.send([{**HELLO, "to": f"{name}@example.com"} for name in "abc"])
    assert [each.recipients for each in server.received] == [
        ["a@example.com"],
        ["b@example.com"],
        ["c@example.com"],
    ]
    assert [each.mime["Message-ID"] for each in server.received] == ids
    assert len({each.connection for each in server.received}) == 1


@pytest.mark.usefixtures("app")
def test_what_all_mails_share_is_said_once(server: SmtpServer) -> None:
    Email.send([{"to": "a@example.com"}, {"to": "b@example.com"}], subject="News", text="…")
    assert {each.mime["Subject"] for each in server.received} == {"News"}


@pytest.mark.usefixtures("app")
def test_no_mails_are_none(server: SmtpServer) -> None:
    assert Email.send([]) == []
    assert server.received == []


@pytest.mark.usefixtures("app")
def test_no_mail_of_many_goes_where_one_is_not_valid(server: SmtpServer) -> None:
    found = problems(lambda: Email.send([HELLO, {**HELLO, "to": "nobody"}]))
    assert found == {"1.to": ["is no address of mail: it has no @"]}
    assert server.received == []


# As a model


@pytest.mark.usefixtures("app")
def test_an_instance_sends_itself(server: SmtpServer) -> None:
    mail = Email(HELLO, from_=("Post", "post@example.com"))
    assert mail.is_valid()
    id = mail.send(attachments=[("a.txt", "a")])
    received = only(server)
    assert received.mime["From"] == "Post <post@example.com>"
    assert received.mime["Message-ID"] == id
    assert mail.to_dict()["to"] == "ann@example.com"


@pytest.mark.usefixtures("app")
def test_instances_are_sent_together(server: SmtpServer) -> None:
    Email.send([Email(HELLO), Email({**HELLO, "subject": "Again"})])
    assert [each.mime["Subject"] for each in server.received] == ["Hello", "Again"]


def test_an_instance_says_what_is_missing() -> None:
    mail = Email({"text": "Hi"})
    assert not mail.is_valid()
    assert mail.errors == {"to": ["can't be blank"], "subject": ["can't be blank"]}


@pytest.mark.usefixtures("app")
def test_rules_of_a_model_of_one_s_own_hold(server: SmtpServer) -> None:
    class Invitation(Email):
        subject: Prop[str] = prop(default="You are invited", max_length=20)
        place: Prop[str] = prop(required=True)

    assert problems(lambda: Invitation.send(HELLO)) == {"place": ["can't be blank"]}
    assert problems(lambda: Invitation.send(HELLO, subject="x" * 21)).keys() == {
        "subject",
        "place",
    }
    Invitation.send({"to": "ann@example.com", "text": "Come", "place": "Bern"})
    assert only(server).mime["Subject"] == "You are invited"


def test_a_definition_in_json_may_extend_it(post: DataSource) -> None:
    model = create_model(
        {
            "name": "JsonMail",
            "base": "Email",
            "properties": {"number": {"type": "Number", "required": True}},
        }
    )
    model.attach_to(post)
    assert list(problems(lambda: model.send(HELLO))) == ["number"]
    model.send({**HELLO, "number": 5, "replyTo": "help@example.com"})
    (message,) = sent_by(post)
    assert message.reply_to[0].address == "help@example.com"


def test_a_mail_may_be_stored_and_sent(app: Flask, server: SmtpServer) -> None:
    class Letter(Email):
        class Meta:
            data_source = memory()

    letter = Letter.create({**HELLO, "to": ["ann@example.com", "bob@example.com"]})
    stored: Any = Letter.find_by_id(letter.id)
    stored.send()
    assert only(server).recipients == ["ann@example.com", "bob@example.com"]


def test_it_is_no_method_for_remote_callers(
    make_app: Callable[..., Flask], post: DataSource
) -> None:
    class Circular(Email):
        class Meta:
            data_source = post

    client = make_app(Circular).test_client()
    assert client.post("/api/circulars/send", json=HELLO).status_code == 404
    assert client.post("/api/circulars", json=HELLO).status_code == 404
    assert sent_by(post) == []


def test_models_on_a_source_of_mail_have_no_operations(post: DataSource) -> None:
    class Postcard(Email):
        class Meta:
            data_source = post

    enabled = [name for name, each in post.operations().items() if each["enabled"]]
    assert enabled == []
    assert not hasattr(Postcard, "find")
    Postcard.send(HELLO)
    assert [each.subject for each in sent_by(post)] == ["Hello"]


# Templates


@pytest.fixture
def templates(app: Flask, tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    return folder


def test_a_template_gives_html_and_the_one_beside_it_text(
    templates: Path, server: SmtpServer
) -> None:
    (templates / "welcome.html").write_text("<p>Dear {{ name }}: {{ mail.subject }}</p>")
    (templates / "welcome.txt").write_text("Dear {{ name }}")
    Email.send(
        to="ann@example.com", subject="Hello", template="welcome.html", context={"name": "A & <b>"}
    )
    mime = only(server).mime
    assert "<p>Dear A &amp; &lt;b&gt;: Hello</p>" in mime.get_body(["html"]).get_content()
    assert mime.get_body(["plain"]).get_content().strip() == "Dear A & <b>"


def test_a_template_of_text_gives_text_alone(templates: Path, server: SmtpServer) -> None:
    (templates / "welcome.txt").write_text("Dear {{ name }}")
    Email.send({**HELLO, "text": None, "template": "welcome.txt", "context": {"name": "Ann"}})
    assert only(server).mime.get_content().strip() == "Dear Ann"


def test_a_text_that_is_given_goes_before_that_of_a_template(
    templates: Path, server: SmtpServer
) -> None:
    (templates / "welcome.html").write_text("<p>")
    (templates / "welcome.txt").write_text("of the template")
    Email.send(HELLO, template="welcome.html")
    assert only(server).mime.get_body(["plain"]).get_content().strip() == "It is ready."


def test_templates_have_what_the_app_gives_to_templates(
    app: Flask, templates: Path, server: SmtpServer
) -> None:
    (templates / "base.html").write_text("<h1>{{ shop }}</h1>{% block body %}{% endblock %}")
    (templates / "w.html").write_text(
        '{% extends "base.html" %}{% block body %}{{ "abc"|shout }}{% endblock %}'
    )
    app.context_processor(lambda: {"shop": "My shop"})
    app.add_template_filter(lambda text: f"{text.upper()}!", "shout")
    Email.send({**HELLO, "text": None, "template": "w.html"})
    assert only(server).mime.get_content().strip() == "<h1>My shop</h1>ABC!"


@pytest.mark.usefixtures("templates")
def test_templates_of_flask_loop_are_behind_the_app_s(templates: Path, server: SmtpServer) -> None:
    (templates / "loop").mkdir()
    (templates / "loop" / "reset_mail.html").write_text("<p>Our own: {{ href }}</p>")
    context = {"text": "Please verify.", "href": "https://example.com/?token=1"}
    for name in ("verify", "reset_mail"):
        Email.send({**HELLO, "text": None}, template=f"loop/{name}.html", context=context)
    theirs, own = (each.mime.get_content() for each in server.received)
    assert "https://example.com/?token=1" in theirs
    assert own.strip() == "<p>Our own: https://example.com/?token=1</p>"


@pytest.mark.usefixtures("templates")
def test_a_template_that_is_not_there_is_an_error(server: SmtpServer) -> None:
    with pytest.raises(LookupError, match=r"nothing\.html"):
        Email.send(HELLO, template="nothing.html")
    assert server.received == []


def test_a_text_template_that_is_broken_is_an_error(templates: Path) -> None:
    (templates / "w.html").write_text("<p>")
    (templates / "w.txt").write_text('{% include "gone.txt" %}')
    with pytest.raises(LookupError, match=r"gone\.txt"):
        Email.send(HELLO, template="w.html")


@pytest.mark.usefixtures("app")
def test_a_template_whose_name_says_no_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"an \.html or a \.txt, not 'verify\.ejs'"):
        Email.send(HELLO, template="verify.ejs")


# What is refused


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("part", "value", "path"),
    [
        ("to", "", "to"),
        ("to", "nobody", "to"),
        ("to", ["ann@example.com", "bob@"], "to.1"),
        ("to", "ann@example.com, bob@example.com", "to"),
        ("to", "ann@example.com;bob@example.com", "to"),
        ("to", ("ann@example.com", "bob@example.com"), "to"),
        ("to", "ann@exam ple.com", "to"),
        ("to", "ann@-example.com", "to"),
        ("to", "ann@example..com", "to"),
        ("to", "x" * 65 + "@example.com", "to"),
        ("to", '"a, b@evil.example, "@example.com', "to"),
        ("to", 5, "to"),
        ("to", {"name": "Ann"}, "to"),
        ("cc", [None], "cc.0"),
        ("from_", ["a@example.com", "b@example.com"], "from_"),
        ("subject", "", "subject"),
        ("subject", 5, "subject"),
        ("text", b"bytes", "text"),
        ("text", "\ud800", "text"),
        ("attachments", "a.txt", "attachments"),
        ("attachments", [("a.txt",)], "attachments.0"),
        ("attachments", [("a.txt", 5)], "attachments.0.content"),
        ("attachments", [("", b"")], "attachments.0"),
        ("attachments", [{"filename": "a", "path": "/etc/passwd"}], "attachments.0.content"),
        ("attachments", [("a", b"", "no type")], "attachments.0.contentType"),
        ("attachments", [{"filename": "a", "content": "?", "encoding": "base64"}],
         "attachments.0.content"),
        ("headers", ["X-A"], "headers"),
        ("headers", {"X A": "1"}, "headers.X A"),
        ("headers", {"Bcc": "eve@example.com"}, "headers.Bcc"),
        ("headers", {"content-type": "text/html"}, "headers.content-type"),
    ],
)  # fmt: skip
def test_a_part_that_means_nothing_is_named(
    server: SmtpServer, part: str, value: Any, path: str
) -> None:
    found = problems(lambda: Email.send({**HELLO, part: value}))
    assert list(found) == [path]
    assert server.received == []


@pytest.mark.usefixtures("app")
def test_a_mail_that_says_nothing_is_refused() -> None:
    found = problems(lambda: Email.send(to="ann@example.com", subject="Hello"))
    assert found == {"text": ["can't be blank where html is"]}


def test_a_mail_from_nobody_is_refused(server: SmtpServer) -> None:
    app = Flask("post")
    app.config.update(MAIL_PORT=server.port)
    Loop(app)
    with app.app_context():
        found = problems(lambda: Email.send(HELLO))
    assert found == {"from_": ["can't be blank where there is no default sender"]}


@pytest.mark.usefixtures("app")
def test_a_part_that_there_is_not_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="a mail has no 'subjct'; did you mean 'subject'"):
        Email.send({**HELLO, "subjct": "x"})
    with pytest.raises(TypeError, match="has its 'from_' twice"):
        Email.send({**HELLO, "from": SHOP, "from_": SHOP})
    with pytest.raises(TypeError, match="a mail is a dict of its parts, not 'Hello'"):
        Email.send(["Hello"])  # type: ignore[list-item]


#: What would begin another header, or another command.
BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\0"]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize(
    "inject",
    [
        lambda more: {"subject": f"Hello{more}"},
        lambda more: {"to": f"ann@example.com{more}"},
        lambda more: {"to": f"Ann{more} <ann@example.com>"},
        lambda more: {"to": (f"Ann{more}", "ann@example.com")},
        lambda more: {"cc": [{"name": "Ann", "address": f"ann@example.com{more}"}]},
        lambda more: {"from_": f"Shop{more} <shop@example.com>"},
        lambda more: {"reply_to": f"help@example.com{more}"},
        lambda more: {"headers": {"X-Campaign": f"1{more}"}},
        lambda more: {"headers": {f"X-Campaign{more}": "1"}},
        lambda more: {"attachments": [(f"a.txt{more}", b"")]},
        lambda more: {"attachments": [("a.txt", b"", f"text/plain{more}")]},
        lambda more: {"attachments": [{"filename": "a", "content": "", "cid": f"a{more}"}]},
    ],
)
def test_no_part_brings_headers_of_its_own(
    server: SmtpServer, inject: Callable[[str], dict[str, Any]], line_break: str
) -> None:
    more = f"{line_break}Bcc: eve@example.com"
    assert problems(lambda: Email.send({**HELLO, **inject(more)}))
    assert server.received == []


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "address",
    [
        "ann@münchen.example",
        "o'brien+tag@example.com",
        '"ann b"@example.com',
        "ann@localhost",
        "ann@[127.0.0.1]",
        " ann@example.com ",
        '"Ann, B" <ann@example.com>',
        '"Ann \\"the\\" B" <ann@example.com>',
        "Ann (home) <ann@example.com>",
    ],
)
def test_unusual_addresses_are_sent_to(server: SmtpServer, address: str) -> None:
    Email.send({**HELLO, "to": address})
    (sent_to,) = only(server).recipients
    (shown,) = only(server).mime["To"].addresses
    assert shown.addr_spec == sent_to
    assert sent_to.rpartition("@")[2].isascii()


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "name",
    [
        "Ann, B",
        'Ann "the" B\\',
        "Ann (home)",
        "Ann <a@example.com>",
        "a@example.com",
        "=?utf-8?q?x?=",
        "Größe, und <Maß>",
        "名前 " * 30 + "x",
        "x" * 300,
    ],
)
def test_names_arrive_as_they_are(server: SmtpServer, name: str) -> None:
    Email.send({**HELLO, "to": {"name": name, "address": "ann@example.com"}})
    received = only(server)
    raw = message_from_bytes(received.content)["To"]
    phrase, _, address = str(make_header(decode_header(raw))).rpartition(" <")
    assert address == "ann@example.com>"
    if raw.startswith('"'):
        phrase = phrase[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    assert phrase == name
    assert received.recipients == ["ann@example.com"]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("subject", ["=?utf-8?q?x=0ABcc:_eve?=", "x" * 3000, "a " * 500, " a  b "])
def test_subjects_arrive_as_they_are(server: SmtpServer, subject: str) -> None:
    Email.send({**HELLO, "subject": subject})
    received = only(server)
    assert max(map(len, received.content.split(b"\r\n"))) <= 78
    raw = message_from_bytes(received.content)["Subject"]
    assert str(make_header(decode_header(raw))).replace("\r\n", "").rstrip() == subject.rstrip()
    assert "Bcc" not in received.mime


# Where an app is missing


def test_without_an_app_it_takes_a_source_of_mail(post: DataSource) -> None:
    with pytest.raises(RuntimeError, match=r"inside `with app\.app_context\(\):`, or attach it"):
        Email.send(HELLO)

    class Telegram(Email):
        class Meta:
            data_source = post

    Telegram.send(HELLO)
    assert len(sent_by(post)) == 1
    with pytest.raises(RuntimeError, match="mails in the background belong to an app"):
        Telegram.send(HELLO, background=True)


# Flask-Mail


def test_a_mail_of_the_app_s_own_is_used(server: SmtpServer) -> None:
    app = Flask("post")
    app.config.update(MAIL_PORT=1, MAIL_DEFAULT_SENDER="a@example.com")
    Loop(app)
    app.config.update(MAIL_PORT=server.port, MAIL_DEFAULT_SENDER="b@example.com")
    mail = flask_mail.Mail(app)  # after the Loop
    with app.app_context(), mail.record_messages() as recorded:
        Email.send(HELLO, cc="carl@example.com", html="<p>")
    assert only(server).sender == "b@example.com"
    (message,) = recorded
    assert (message.subject, message.body, message.html) == ("Hello", "It is ready.", "<p>")
    assert (message.recipients, message.cc) == (["ann@example.com"], ["carl@example.com"])
    assert message.msgId == only(server).mime["Message-ID"]
    assert b"It is ready." in bytes(message)


def test_flask_mail_sends_nothing_in_tests_and_tells_of_it(server: SmtpServer) -> None:
    app = Flask("post")
    app.config.update(TESTING=True, MAIL_PORT=server.port, MAIL_DEFAULT_SENDER=SHOP)
    mail = flask_mail.Mail(app)
    Loop(app)
    with app.app_context(), mail.record_messages() as recorded:
        Email.send([HELLO, HELLO])
    assert len(recorded) == 2
    assert server.received == []


def test_flask_mail_s_limit_of_mails_on_a_connection_holds(server: SmtpServer) -> None:
    app = Flask("post")
    app.config.update(MAIL_PORT=server.port, MAIL_DEFAULT_SENDER=SHOP, MAIL_MAX_EMAILS=2)
    Loop(app)
    with app.app_context():
        Email.send([HELLO] * 5)
    connections = [each.connection for each in server.received]
    assert len(set(connections)) == 3
    assert connections[0] == connections[1] != connections[2]


@pytest.mark.parametrize(
    ("settings", "warns"),
    [
        ({"MAIL_SERVER": "mail.invalid"}, True),
        ({"MAIL_SERVER": "mail.invalid", "MAIL_USE_TLS": True}, False),
        ({"MAIL_SERVER": "localhost"}, False),
    ],
)
def test_a_password_in_the_clear_is_warned_about(
    settings: dict[str, Any], warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("post")
    app.config.update(
        TESTING=True,
        MAIL_DEFAULT_SENDER=SHOP,
        MAIL_USERNAME="shop",
        MAIL_PASSWORD="s3cret",
        **settings,
    )
    Loop(app)
    with app.app_context():
        Email.send([HELLO, HELLO])
        Email.send(HELLO)
    warnings = [each.getMessage() for each in caplog.records if "without TLS" in each.getMessage()]
    assert len(warnings) == warns
    assert "s3cret" not in caplog.text


def test_a_time_out_of_nothing_is_refused() -> None:
    app = Flask("post")
    app.config["LOOP_MAIL_TIMEOUT"] = 0
    with pytest.raises(DefinitionError, match="LOOP_MAIL_TIMEOUT is more than 0"):
        Loop(app)


def test_debugging_shows_no_password(capfd: pytest.CaptureFixture[str]) -> None:
    with smtp_server(login=("shop", "s3cret")) as server:
        app = Flask("post")
        app.debug = True
        app.config.update(
            MAIL_PORT=server.port,
            MAIL_DEFAULT_SENDER=SHOP,
            MAIL_USERNAME="shop",
            MAIL_PASSWORD="s3cret",
            MAIL_DEBUG=True,
        )
        Loop(app)
        with app.app_context():
            Email.send(HELLO)
    assert only(server).user == "shop"
    out, err = capfd.readouterr()
    assert "AUTH" not in out + err
    assert "c2hvc" not in out + err


def test_failures_now_are_raised_and_told(app: Flask, server: SmtpServer) -> None:
    told = []

    @mail_failed.connect_via(app)
    def note(sender: Flask, message: Any, error: MailError) -> None:
        told.append((message.subject, error.refused))

    server.refused["ann@example.com"] = "550 5.1.1 <ann@example.com> unknown"
    with pytest.raises(MailError, match=r"refuses a recipient at example\.com \(550\)") as caught:
        Email.send(HELLO)
    assert "ann" not in str(caught.value)
    assert told == [("Hello", {"ann@example.com": "550 5.1.1 <ann@example.com> unknown"})]
