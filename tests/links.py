"""The links in the mails that apps send to their users, for tests that follow them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from itertools import count
from threading import Barrier, Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask_mail
import pytest
from flask import Flask
from itsdangerous import TimestampSigner

from flask_loop import Loop, Model, Observation
from flask_loop.email import queue_of

FAST = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}

#: A function that gives the mails that were sent until now.
Mails = Callable[[], list[Any]]

#: The apps of the test that runs.
_shops: list[Flask] = []


def wait_for_shops() -> None:
    """Let what the apps of a test send in the background be done with, before another test."""
    while _shops:
        assert queue_of(_shops.pop()).wait(30)


def make_shop(*models: type[Model], **settings: Any) -> Flask:
    """An app that sends its users links.

    :param models: what it exposes.
    :param settings: those of the app, and the ``template_folder``.
    """
    app = Flask("shop", template_folder=settings.pop("template_folder", "templates"))
    app.config.update(
        TESTING=True,
        SECRET_KEY="a secret of tests",
        MAIL_DEFAULT_SENDER="shop@example.com",
        MAIL_SUPPRESS_SEND=True,
        LOOP_PASSWORD_HASHING=FAST,
        LOOP_RESET_LIMITS={"account": "1000 per hour"},
    )
    app.config.update(settings)
    loop = Loop(app, url_prefix="/api")
    for model in models:
        loop.model(model)
    _shops.append(app)
    return app


@contextmanager
def mails_of(app: Flask) -> Iterator[Mails]:
    """A block in which the mails of an app are kept."""
    found: list[Any] = []

    def keep(sender: Flask, message: Any) -> None:
        found.append(message)

    def mails() -> list[Any]:
        assert queue_of(app).wait(30)
        return found

    with flask_mail.email_dispatched.connected_to(keep, app):
        yield mails


def link_in(mail: Any) -> str:
    """The only link in the text of a mail."""
    links: list[str] = re.findall(r"https?://\S+", mail.body)
    assert len(links) == 1, mail.body
    return links[0]


def path_of(link: str) -> str:
    """The path of a link, and its query."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def token_in(mail: Any) -> str:
    """The token of the link in a mail."""
    return parse_qs(urlsplit(link_in(mail)).query)["token"][0]


def read_at_once(model: Any, readers: int) -> None:
    """Let so many callers all have read the record that they read first before any goes on."""
    barrier, lock, reads = Barrier(readers), Lock(), count()

    @model.observe("loaded")
    def wait(ctx: Observation) -> None:
        with lock:
            is_first = next(reads) < readers
        if is_first:
            barrier.wait(timeout=20)


def passes(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass for tokens."""
    now = TimestampSigner.get_timestamp
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now(self) + seconds)


class Form(HTMLParser):
    """What a page's form consists of, for people and programs."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = self.language = ""
        self.hidden: dict[str, str] = {}
        self.inputs: dict[str, dict[str, str | None]] = {}
        self.labels: set[str] = set()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if "id" in given:
            self.ids.append(given["id"] or "")
        if tag == "html":
            self.language = given.get("lang") or ""
        elif tag == "form":
            self.action = given["action"] or ""
        elif tag == "label":
            self.labels.add(given["for"] or "")
        elif tag == "input" and given["type"] == "hidden":
            self.hidden[given["name"] or ""] = given["value"] or ""
        elif tag == "input":
            self.inputs[given["id"] or ""] = given
