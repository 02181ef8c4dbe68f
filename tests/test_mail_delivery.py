"""Delivery of mails: in the background, by a task queue, after transactions, and at the end."""

# ruff: noqa: PT012 - a transaction is the block of its test

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any
from weakref import ref

import pytest
from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy

from flask_loop import DataSource, Email, Loop, Model, create_data_source, memory
from flask_loop.connectors.mail import Message
from flask_loop.email import MailQueue, deliver, queue_of
from flask_loop.errors import MailError, ValidationError
from flask_loop.mailing import defer
from flask_loop.signals import mail_failed
from tests.servers.smtp import LOOPBACK, SmtpServer, deaf_port, silent_server, smtp_server

SHOP = "shop@example.com"
HELLO = {"to": "ann@example.com", "subject": "Hello", "text": "It is ready."}
PATIENCE = 20


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with smtp_server() as server:
        yield server


@pytest.fixture
def app(server: SmtpServer) -> Iterator[Flask]:
    """An app, in its context, whose Flask-Mail sends to the server."""
    app = make_post(MAIL_PORT=server.port)
    with app.app_context():
        yield app
    assert queue_of(app).wait(PATIENCE)


def make_post(loop: Loop | None = None, **settings: Any) -> Flask:
    app = Flask("post")
    app.config.update(MAIL_DEFAULT_SENDER=SHOP, **settings)
    (loop or Loop()).init_app(app)
    return app


@pytest.fixture
def told(app: Flask) -> Iterator[list[tuple[Message, MailError]]]:
    """The mails that were given up, and why."""
    told: list[tuple[Message, MailError]] = []

    def note(sender: Flask, message: Message, error: MailError) -> None:
        assert sender is app
        told.append((message, error))

    with mail_failed.connected_to(note, app):
        yield told


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once what failed."""
    monkeypatch.setattr(MailQueue, "delays", (0.01, 0.02))


class Gate:
    """A transport that holds mails until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.sent: list[str] = []

    def send(self, message: Message) -> None:
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        self.sent.append(message.subject)


def mails_by(transport: Any) -> type[Email]:
    mails: type[Email] = Email.extend("held mail")
    mails.attach_to(create_data_source(connector="mail", transport=transport, default_sender=SHOP))
    return mails


# In the background


def test_a_mail_in_the_background_holds_up_nobody(app: Flask) -> None:
    gate = Gate()
    mails = mails_by(gate)
    id = mails.send(HELLO, background=True)
    assert isinstance(id, str)
    assert gate.entered.wait(PATIENCE)
    assert queue_of(app).waiting == 1
    gate.opened.set()
    assert queue_of(app).wait(PATIENCE)
    assert (gate.sent, queue_of(app).sent) == (["Hello"], 1)


def test_mails_of_the_background_keep_their_order(app: Flask, server: SmtpServer) -> None:
    Email.send([{**HELLO, "subject": str(number)} for number in range(20)], background=True)
    assert queue_of(app).wait(PATIENCE)
    assert [each.mime["Subject"] for each in server.received] == [str(n) for n in range(20)]


def test_bad_mails_are_refused_at_once(app: Flask) -> None:
    with pytest.raises(ValidationError, match="no address of mail"):
        Email.send({**HELLO, "to": "nobody"}, background=True)
    assert queue_of(app).waiting == 0


def test_the_worker_has_the_app_s_context_and_nothing_of_the_request(app: Flask) -> None:
    seen: list[Any] = []

    class Looking:
        def send(self, message: Message) -> None:
            seen.append((current_app.name, hasattr(g, "user"), threading.current_thread().name))

    g.user = "ann"
    mails_by(Looking()).send(HELLO, background=True)
    assert queue_of(app).wait(PATIENCE)
    assert seen == [("post", False, "flask-loop mail")]


def test_there_is_one_thread_for_an_app_and_it_ends_when_it_is_idle(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MailQueue, "idle_seconds", 0.05)
    gate, others = Gate(), set(threading.enumerate())
    mails = mails_by(gate)
    for _ in range(5):
        mails.send(HELLO, background=True)
    (thread,) = set(threading.enumerate()) - others
    assert thread.name == "flask-loop mail"
    gate.opened.set()
    assert queue_of(app).wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    mails.send(HELLO, background=True)  # and begins again
    assert queue_of(app).wait(PATIENCE)
    assert len(gate.sent) == 6


def test_apps_have_queues_of_their_own(server: SmtpServer) -> None:
    loop = Loop()
    first, second = make_post(loop, MAIL_PORT=server.port), make_post(loop, MAIL_PORT=server.port)
    with first.app_context():
        Email.send(HELLO, background=True)
    assert queue_of(first).wait(PATIENCE)
    assert (queue_of(first).sent, queue_of(second).sent) == (1, 0)


def test_a_full_queue_is_an_error_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, gate = make_post(LOOP_MAIL_QUEUE=2), Gate()
    mails = mails_by(gate)
    with app.app_context():
        mails.send([HELLO, HELLO], background=True)
        with pytest.raises(MailError, match=r"2 mails wait already \(LOOP_MAIL_QUEUE\)"):
            mails.send(HELLO, background=True)
        gate.opened.set()
        assert queue_of(app).wait(PATIENCE)
        mails.send(HELLO, background=True)
        assert queue_of(app).wait(PATIENCE)
    assert len(gate.sent) == 3
    assert "to example.com was not sent: 2 mails wait already" in caplog.text


def test_an_app_that_is_forgotten_goes(server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MailQueue, "idle_seconds", 0.05)
    others = set(threading.enumerate())
    loop = Loop()
    app = make_post(loop, MAIL_PORT=server.port)
    with app.app_context():
        Email.send(HELLO, background=True)
        assert queue_of(app).wait(PATIENCE)
    for thread in set(threading.enumerate()) - others:
        thread.join(PATIENCE)
    gone = ref(app)
    del app
    gc.collect()
    assert gone() is None


def test_functions_can_be_left_to_the_background(
    app: Flask, server: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    def remind(name: str) -> None:
        Email.send({**HELLO, "subject": f"{current_app.name} {name}"}, background=True)

    defer(remind, "ann")
    assert server.wait_for(1)[0].mime["Subject"] == "post ann"
    defer(lambda: 1 / 0)
    assert queue_of(app).wait(PATIENCE)
    assert "ZeroDivisionError" in caplog.text
    assert queue_of(app).failed == 1


# Failures


@pytest.mark.usefixtures("quick")
def test_a_temporary_failure_is_tried_again(
    app: Flask, server: SmtpServer, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = ["451 4.3.0 later", "452 4.3.1 full"]
    id = Email.send(HELLO, background=True)
    assert queue_of(app).wait(PATIENCE)
    (received,) = server.received
    assert received.mime["Message-ID"] == id
    assert (queue_of(app).sent, queue_of(app).failed, queue_of(app).retried) == (1, 0, 2)
    assert told == []
    assert f"the mail {id} to example.com is sent again later" in caplog.text


@pytest.mark.usefixtures("quick")
def test_a_mail_that_fails_again_and_again_is_given_up_and_told_of(
    app: Flask, server: SmtpServer, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = ["451 later"] * 3
    Email.send(HELLO, background=True)
    assert queue_of(app).wait(PATIENCE)
    assert server.received == []
    assert (queue_of(app).sent, queue_of(app).failed, queue_of(app).retried) == (0, 1, 2)
    ((message, error),) = told
    assert message.recipients == ("ann@example.com",)
    assert "refuses the mail (451)" in str(error)
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "to example.com was not sent: the mail server" in errors[0].getMessage()


def test_a_permanent_failure_is_not_tried_again(
    app: Flask, server: SmtpServer, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    server.refused["ann@example.com"] = "550 5.1.1 <ann@example.com> unknown"
    Email.send([HELLO, {**HELLO, "to": "bob@example.com"}], background=True)
    assert queue_of(app).wait(PATIENCE)
    assert [each.recipients for each in server.received] == [["bob@example.com"]]
    assert (queue_of(app).sent, queue_of(app).failed, queue_of(app).retried) == (1, 1, 0)
    assert [error.refused for _, error in told] == [
        {"ann@example.com": "550 5.1.1 <ann@example.com> unknown"}
    ]
    assert "ann" not in caplog.text
    assert "It is ready" not in caplog.text


@pytest.mark.usefixtures("quick")
def test_only_those_who_were_refused_for_now_are_tried_again(
    app: Flask, server: SmtpServer, told: list[Any]
) -> None:
    server.refused = {"later@example.org": "450 greylisted", "never@example.net": "550 unknown"}

    class Forgiving(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "again later" in record.getMessage():
                server.refused.pop("later@example.org", None)

    handler = Forgiving()
    app.logger.addHandler(handler)
    Email.send(
        {**HELLO, "to": ["ann@example.com", "later@example.org", "never@example.net"]},
        background=True,
    )
    assert queue_of(app).wait(PATIENCE)
    app.logger.removeHandler(handler)
    assert [each.recipients for each in server.received] == [
        ["ann@example.com"],
        ["later@example.org"],
    ]
    first, second = server.received
    assert first.mime["To"] == second.mime["To"]
    ((_, error),) = told
    assert list(error.refused) == ["never@example.net"]
    assert (queue_of(app).sent, queue_of(app).failed) == (1, 1)


def test_silence_of_the_server_holds_up_neither_the_request_nor_the_end(
    told_by: Callable[[Flask], list[Any]],
) -> None:
    with silent_server() as port:
        app = make_post(MAIL_SERVER=LOOPBACK, MAIL_PORT=port, LOOP_MAIL_TIMEOUT=0.2)
        told = told_by(app)
        with app.app_context():
            Email.send(HELLO, background=True)
        assert queue_of(app).waiting == 1
        began = monotonic()
        queue_of(app).drain(began + PATIENCE)
        assert monotonic() - began < PATIENCE
    ((_, error),) = told
    assert "is silent" in str(error)


@pytest.fixture
def told_by() -> Callable[[Flask], list[Any]]:
    """A function that notes of an app the mails that are given up."""
    kept = []

    def listen(app: Flask) -> list[Any]:
        told: list[Any] = []

        def note(sender: Flask, message: Message, error: MailError) -> None:
            told.append((message, error))

        kept.append(note)
        mail_failed.connect(note, app)
        return told

    return listen


def test_a_bug_in_a_transport_is_logged_with_its_traceback(
    app: Flask, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Hawks:
        def send(self, message: Message) -> None:
            raise KeyError("feather")

    mails_by(Hawks()).send(HELLO, background=True)
    assert queue_of(app).wait(PATIENCE)
    assert len(told) == 1
    assert "KeyError: 'feather'" in caplog.text


def test_what_a_receiver_of_the_signal_raises_stops_nothing(
    app: Flask, server: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sender: Flask, message: Message, error: MailError) -> None:
        raise RuntimeError("the receiver failed")

    server.refused["ann@example.com"] = "550 no"
    with mail_failed.connected_to(fail, app):
        Email.send([HELLO, {**HELLO, "to": "bob@example.com"}], background=True)
        assert queue_of(app).wait(PATIENCE)
    assert len(server.received) == 1
    assert "the receiver failed" in caplog.text


# A task queue


def test_a_task_queue_takes_the_place_of_the_thread(server: SmtpServer) -> None:
    loop, jobs = Loop(), []

    @loop.mail_queue
    def enqueue(job: dict[str, Any]) -> None:
        jobs.append(json.dumps(job))

    app = make_post(loop, MAIL_PORT=server.port)
    with app.app_context():
        id = Email.send(
            HELLO,
            html="<p>ü",
            cc=("Zoë, A", "zoe@example.com"),
            bcc="bob@example.com",
            headers={"X-A": "1"},
            attachments=[("a.bin", b"\0\xff")],
            background=True,
        )
    assert server.received == []
    worker = make_post(MAIL_PORT=server.port)  # as another process has it
    with worker.app_context():
        for job in jobs:
            deliver(json.loads(job))
    (received,) = server.received
    assert received.mime["Message-ID"] == id
    assert received.recipients == ["ann@example.com", "zoe@example.com", "bob@example.com"]
    assert received.mime["Cc"].addresses[0].display_name == "Zoë, A"
    (attachment,) = received.mime.iter_attachments()
    assert attachment.get_payload(decode=True) == b"\0\xff"


def test_a_worker_sends_by_the_model_s_own_source() -> None:
    loop, jobs = Loop(), []
    gate = Gate()
    gate.opened.set()

    class Newsletter(Email):
        class Meta:
            data_source = create_data_source(connector="mail", transport=gate, default_sender=SHOP)

    app = make_post(loop)
    loop.mail_queue(jobs.append)
    with app.app_context():
        Newsletter.send(HELLO, background=True)
        assert gate.sent == []
        deliver(jobs[0])
    assert gate.sent == ["Hello"]


def test_a_failure_in_a_worker_says_whether_to_try_again(
    app: Flask, server: SmtpServer, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    jobs: list[dict[str, Any]] = []
    app.extensions["loop"].mailer.enqueue = jobs.append
    Email.send(HELLO, background=True)
    server.answers = ["451 later"]
    with pytest.raises(MailError) as caught:
        deliver(jobs[0])
    assert caught.value.is_temporary
    assert len(told) == 1
    assert "to example.com was not sent" in caplog.text
    deliver(jobs[0])
    assert len(server.received) == 1


def test_a_worker_of_another_app_is_told_so(app: Flask) -> None:
    jobs: list[dict[str, Any]] = []
    app.extensions["loop"].mailer.enqueue = jobs.append
    Email.send(HELLO, background=True)
    with pytest.raises(RuntimeError, match="of the app 'shop', not of 'post'"):
        deliver({**jobs[0], "app": "shop"})
    with pytest.raises(RuntimeError, match="0 models of mails are called 'Emails'"):
        deliver({**jobs[0], "model": "Emails"})


def test_a_task_queue_that_fails_is_logged_and_raised(
    app: Flask, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def enqueue(job: dict[str, Any]) -> None:
        raise ConnectionError("no broker")

    app.extensions["loop"].mailer.enqueue = enqueue
    with pytest.raises(ConnectionError, match="no broker"):
        Email.send(HELLO, background=True)
    assert len(told) == 1
    assert "to example.com was not sent" in caplog.text


# Transactions


def test_a_mail_in_a_transaction_goes_when_it_is_kept(
    app: Flask, server: SmtpServer, source: DataSource
) -> None:
    with source.transaction():
        Email.send(HELLO)
        with source.transaction():
            Email.send({**HELLO, "subject": "Inside"}, background=True)
        assert queue_of(app).waiting == 0
        assert server.received == []
    assert [each.mime["Subject"] for each in server.wait_for(2)] == ["Hello", "Inside"]


def test_a_mail_in_a_transaction_that_is_undone_does_not_go(
    app: Flask, server: SmtpServer, source: DataSource
) -> None:
    with suppress(ZeroDivisionError), source.transaction():
        Email.send(HELLO)
        Email.send(HELLO, background=True)
        raise ZeroDivisionError
    with source.transaction():
        with suppress(ZeroDivisionError), source.transaction():
            Email.send({**HELLO, "subject": "Part"})
            raise ZeroDivisionError
        Email.send({**HELLO, "subject": "Kept"})
    assert queue_of(app).wait(PATIENCE)
    assert [each.mime["Subject"] for each in server.received] == ["Kept"]


def test_a_mail_in_transactions_of_two_sources_goes_when_both_are_kept(
    app: Flask, server: SmtpServer
) -> None:
    one, other = memory(), memory()
    with suppress(ZeroDivisionError), one.transaction():
        with other.transaction():
            Email.send({**HELLO, "subject": "Undone"})
        raise ZeroDivisionError
    with one.transaction():
        with other.transaction():
            Email.send({**HELLO, "subject": "Kept"})
        assert queue_of(app).waiting == 0
    assert queue_of(app).wait(PATIENCE)
    assert [each.mime["Subject"] for each in server.received] == ["Kept"]


def test_a_bad_mail_in_a_transaction_undoes_it(app: Flask, source: DataSource) -> None:
    things: Any = source.create_model("posted thing", {"name": str})
    source.auto_update()
    with pytest.raises(ValidationError, match="no address of mail"), source.transaction():
        things.create(name="a")
        Email.send({**HELLO, "to": "nobody"})
    assert things.count() == 0


def test_a_request_that_is_a_transaction_sends_when_it_is_kept(server: SmtpServer) -> None:
    loop = Loop()
    app = Flask("post")
    app.config.update(
        MAIL_PORT=server.port,
        MAIL_DEFAULT_SENDER=SHOP,
        LOOP_DATA_SOURCES={"db": {"connector": "memory"}},
        LOOP_REQUEST_TRANSACTIONS=["db"],
    )
    loop.init_app(app)
    order: Any = loop.data_source("db").create_model("mail order", {"email": str})

    @order.after_remote("create")
    def confirm(ctx: Any, made: Any) -> None:
        Email.send(to=made.email, subject="Your order", text="Thank you.")
        if made.email.startswith("bad"):
            raise PermissionError

    loop.model(order, app=app)
    client = app.test_client()
    assert client.post("/mail orders", json={"email": "bad@example.com"}).status_code == 403
    assert client.post("/mail orders", json={"email": "ann@example.com"}).status_code == 200
    assert queue_of(app).wait(PATIENCE)
    assert [each.recipients for each in server.received] == [["ann@example.com"]]


def test_a_mail_of_an_observer_goes_when_its_record_is_kept(
    app: Flask, server: SmtpServer, source: DataSource
) -> None:
    users: Any = source.create_model("mailed user", {"email": str})
    source.auto_update()

    @users.observe("after save")
    def welcome(ctx: Any) -> None:
        Email.send({**HELLO, "to": ctx.instance.email})
        if ctx.instance.email.startswith("bad"):
            raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        users.create(email="bad@example.com")
    users.create(email="ann@example.com")
    assert queue_of(app).wait(PATIENCE)
    assert [each.recipients for each in server.received] == [["ann@example.com"]]


def test_a_call_on_an_app_s_own_sessions_sends_when_they_have_committed(
    server: SmtpServer, tmp_path: Path
) -> None:
    app = Flask("post")
    app.config.update(
        MAIL_PORT=server.port,
        MAIL_DEFAULT_SENDER=SHOP,
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/orders.sqlite",
    )
    db, waiting = SQLAlchemy(app), []
    own: Any = db

    class Purchase(own.Model):  # type: ignore[misc]
        id = db.mapped_column(db.Integer, primary_key=True)
        email = db.mapped_column(db.String(80))

    loop = Loop(app)
    model: Any = Model.from_sqlalchemy(Purchase)
    loop.model(model)

    @model.after_remote("create")
    def confirm(ctx: Any, made: Any) -> None:
        Email.send(to=made.email, subject="Your order", text="Thank you.", background=True)
        waiting.append(queue_of(app).waiting + len(server.received))
        if made.email.startswith("bad"):
            raise PermissionError

    with app.app_context():
        db.create_all()
    path = model.definition.http_path
    client = app.test_client()
    assert client.post(path, json={"email": "bad@example.com"}).status_code == 403
    assert client.post(path, json={"email": "ann@example.com"}).status_code == 200
    assert queue_of(app).wait(PATIENCE)
    assert [each.recipients for each in server.received] == [["ann@example.com"]]
    assert waiting == [0, 0]
    with app.app_context():
        db.engine.dispose()


def test_what_is_kept_stays_kept_where_its_mail_cannot_be_sent(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def enqueue(job: dict[str, Any]) -> None:
        raise ConnectionError("no broker")

    app.extensions["loop"].mailer.enqueue = enqueue
    source = memory()
    things: Any = source.create_model("kept thing", {"name": str})
    with source.transaction():
        things.create(name="a")
        Email.send(HELLO)
    assert things.count() == 1
    assert "to example.com was not sent" in caplog.text


def test_a_transaction_without_an_app_sends_at_its_end() -> None:
    gate, source = Gate(), memory()
    gate.opened.set()
    mails = mails_by(gate)
    with source.transaction():
        mails.send(HELLO)
        assert gate.sent == []
    assert gate.sent == ["Hello"]


# The end of the process

PROGRAM = """
import os, sys, threading, time, logging
from flask import Flask
from flask_loop import Email, Loop
from flask_loop.email import MailQueue, queue_of

logging.basicConfig(level=logging.INFO)
app = Flask("post")
app.config.update(
    MAIL_SERVER="127.0.0.1", MAIL_PORT=int(sys.argv[1]), MAIL_DEFAULT_SENDER="shop@example.com",
    LOOP_MAIL_TIMEOUT=20,
)
Loop(app)
HELLO = {"to": "ann@example.com", "subject": "Hello", "text": "It is ready."}


def send(count, subject="Hello"):
    with app.app_context():
        Email.send([{**HELLO, "subject": f"{subject} {n}"} for n in range(count)], background=True)

"""


def run_program(port: int, program: str, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", before + PROGRAM + program, str(port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[1],
    )


def subjects(server: SmtpServer) -> list[str]:
    return [each.mime["Subject"] for each in server.received]


def test_what_waits_is_sent_before_the_process_ends(server: SmtpServer) -> None:
    done = run_program(server.port, "send(30)")
    assert done.returncode == 0, done.stderr
    assert subjects(server) == [f"Hello {n}" for n in range(30)]


def test_what_would_be_tried_again_is_tried_once_more_at_the_end(server: SmtpServer) -> None:
    server.answers = ["451 later"]
    program = """
MailQueue.delays = (3600,)
send(1)
while not queue_of(app).retried:
    time.sleep(0.01)
"""
    began = monotonic()
    done = run_program(server.port, program)
    assert done.returncode == 0, done.stderr
    assert monotonic() - began < 45
    assert subjects(server) == ["Hello 0"]


def test_mails_of_functions_at_the_end_are_sent_too(server: SmtpServer) -> None:
    # It is called last, when what waited was sent.
    before = "import atexit\natexit.register(lambda: send(2))\n"
    done = run_program(server.port, "send(1, 'First')", before)
    assert done.returncode == 0, done.stderr
    assert subjects(server) == ["First 0", "Hello 0", "Hello 1"]


def test_the_end_of_the_process_waits_for_a_bounded_time_and_says_what_is_lost() -> None:
    with silent_server() as port:
        began = monotonic()
        done = run_program(port, "MailQueue.exit_seconds = 0.5\nsend(20)")
        assert monotonic() - began < 20  # in which not even one of them ends by itself
    assert done.returncode == 0
    lost = [line for line in done.stderr.splitlines() if "was not sent" in line]
    assert len(lost) == 20, done.stderr
    assert all("the process ended before it was sent" in each for each in lost)
    assert "ann@example.com" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_sends_its_own_mails_and_no_others(server: SmtpServer) -> None:
    server.answers = ["451 later"]
    program = """
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
MailQueue.delays = (3600,)
send(1, "Before")
while not queue_of(app).retried:
    time.sleep(0.01)
pid = os.fork()
if pid == 0:
    send(2, "Child")
    sys.exit(0)
send(2, "Parent")
assert os.waitpid(pid, 0)[1] == 0
"""
    done = run_program(server.port, program)
    assert done.returncode == 0, done.stderr
    assert sorted(subjects(server)) == sorted(
        ["Before 0", "Child 0", "Child 1", "Parent 0", "Parent 1"]
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_process_of_multiprocessing_sends_what_waits_before_it_ends(server: SmtpServer) -> None:
    program = """
import multiprocessing
context = multiprocessing.get_context("fork")
process = context.Process(target=send, args=(3,))
process.start()
process.join()
assert process.exitcode == 0
"""
    done = run_program(server.port, program)
    assert done.returncode == 0, done.stderr
    assert subjects(server) == ["Hello 0", "Hello 1", "Hello 2"]


def test_no_thread_begins_before_the_first_mail() -> None:
    done = run_program(deaf_port(), "assert threading.active_count() == 1, threading.enumerate()")
    assert done.returncode == 0, done.stderr
