"""Where links of mails may send a browser: the app's own paths, and what it allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from flask_loop import DataSource, DefinitionError, Loop, User, create_data_source
from tests.links import make_shop

ALLOWED = [
    "app.example.com",
    "kiosk.example.com",
    "https://www.example.com/welcome",
    "http://localhost:3000",
    "guide://verified",
]

OWN_PATHS = [
    "/",
    "/welcome",
    "/a/b?c=d&e=%2F#f",
    "/straße",
    "/a//b",
    "/.well-known",
    "/?u=http://x",
]
OWN_URLS = [
    "https://app.example.com",
    "https://app.example.com/",
    "https://app.example.com/any/path?x=1#y",
    "https://APP.example.com/",
    "https://app.example.com:443/",
    "https://www.example.com/welcome",
    "https://www.example.com/welcome/",
    "https://www.example.com/welcome/back?x=//evil.example",
    "http://localhost:3000/x",
    "guide://verified",
    "guide://verified/now",
    "https://api.example.com/done",
]
ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "\x00//evil.example",
    "/\x7f/evil.example",
    "/x\r\nSet-Cookie: a=b",
    "/x\u2028y",
    "http://evil.example",
    "https://evil.example",
    "HTTPS://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "javascript://app.example.com/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://app.example.com/1",
    "ftp://app.example.com/",
    "evil.example",
    "welcome",
    "?x=1",
    "#x",
    "./x",
    "../x",
    "http://app.example.com/",
    "https://app.example.com:8443/",
    "https://app.example.com.evil.example/",
    "https://evilapp.example.com/",
    "https://evil.example/app.example.com",
    "https://evil.example?https://app.example.com",
    "https://evil.example#app.example.com",
    "https://app.example.com@evil.example/",
    "https://app.example.com:pass@evil.example/",
    "https://evil@app.example.com/",
    "https://app.example.com\\@evil.example/",
    "https://app.example.com\\.evil.example/",
    "https://app.example.com%2eevil.example/",
    "https://app.example.com%00.evil.example/",
    "https://app。example。com/",
    "https://ａpp.example.com/",
    "https://\u212aiosk.example.com/",
    "https://evil.example／app.example.com",
    "https://app.example.com:99999/",
    "https://app.example.com:/",
    "https://[::1]/",
    "https://[app.example.com/",
    "https://www.example.com/",
    "https://www.example.com/welcomeback",
    "https://www.example.com/welcome/../admin",
    "https://www.example.com/welcome/%2e%2e/admin",
    "https://www.example.com/welcome/%252e%252e/admin",
    "https://www.example.com/welcome/..%2fadmin",
    "https://www.example.com/welcome/..%5cadmin",
    "https://www.example.com/welcome/./../admin",
    "http://localhost/x",
    "http://localhost:30001/x",
    "guide://other",
    "guide:verified",
]


class Guest(User):
    pass


class Visitor(User):
    class Meta:
        reset = {"redirect": "https://evil.example/"}


@pytest.fixture
def source() -> Iterator[DataSource]:
    made = create_data_source(connector="memory")
    yield made
    made.close()


@pytest.fixture
def app(source: DataSource) -> Flask:
    Guest.attach_to(source)
    return make_shop(
        Guest,
        LOOP_EXTERNAL_URL="https://api.example.com",
        LOOP_ALLOWED_REDIRECTS=ALLOWED,
    )


Follow = Callable[[str | None], tuple[int, str | None, bool]]


@pytest.fixture
def follow(app: Flask) -> Follow:
    """A function that follows a fresh link with another redirect: status, place, and verified."""

    def follow(redirect: str | None) -> tuple[int, str | None, bool]:
        with app.app_context():
            Guest.destroy_all()
            guest = Guest.create(email="ann@example.com", password="open sesame")
            sent = guest.verify()
            query = {"uid": sent["uid"], "token": sent["token"]}
            if redirect is not None:
                query["redirect"] = redirect
            response = app.test_client().get("/api/guests/confirm", query_string=query)
            verified = Guest.find_by_id(guest.id).email_verified
        return response.status_code, response.headers.get("Location"), verified

    return follow


@pytest.mark.parametrize("redirect", [*OWN_PATHS, *OWN_URLS])
def test_a_followed_link_sends_the_browser_to_own_paths_and_allowed_places(
    follow: Follow, redirect: str
) -> None:
    status, place, verified = follow(redirect)

    assert (status, verified) == (302, True)
    assert place is not None
    assert urlsplit(place).netloc.lower() == urlsplit(redirect).netloc.lower()
    assert place.startswith(redirect[:1])


@pytest.mark.parametrize("redirect", ELSEWHERE)
def test_a_followed_link_sends_nobody_elsewhere_and_stays_good(
    follow: Follow, redirect: str
) -> None:
    status, place, verified = follow(redirect)

    assert (status, place, verified) == (400, None, False)


def test_no_spelling_of_another_host_is_among_the_places_after_a_browser_reads_them(
    follow: Follow,
) -> None:
    for prefix in ("", "/", "//", "\\", "/\\", "\t", "/\t", "https:", "https:/", "https://"):
        for host in ("evil.example", "app.example.com@evil.example", "evil.example/%2e%2e"):
            for joint in ("", "/", "\\", "\n", "\r", " "):
                status, place, _ = follow(f"{prefix}{joint}{host}")
                is_own_path = place is not None and _reads_as_own_path(place)
                assert status == 400 or is_own_path, (prefix, joint, host)


def _reads_as_own_path(place: str) -> bool:
    """Whether browsers, who drop tabs and line ends, read a path of the app."""
    read = "".join(each for each in place.strip() if each not in "\t\n\r").replace("\\", "/")
    return read.startswith("/") and not read.startswith("//")


def test_the_error_does_not_repeat_the_place(app: Flask) -> None:
    answer = app.test_client().get(
        "/api/guests/confirm?uid=1&token=x&redirect=//evil.example/%3Cscript%3E"
    )

    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "INVALID_REDIRECT"
    assert "evil" not in answer.text


def test_without_allowed_places_only_own_paths_are_left(source: DataSource) -> None:
    Guest.attach_to(source)
    client = make_shop(Guest).test_client()

    for redirect in OWN_URLS:
        answer = client.get(
            "/api/guests/confirm", query_string={"uid": "1", "token": "x", "redirect": redirect}
        )
        assert answer.json["error"]["code"] == "INVALID_REDIRECT"
    own = client.get("/api/guests/confirm?uid=1&token=x&redirect=/")
    assert own.json["error"]["code"] == "INVALID_TOKEN"


def test_verify_refuses_a_redirect_to_elsewhere_before_it_sends_anything(app: Flask) -> None:
    with app.app_context():
        guest = Guest.create(email="bob@example.com", password="open sesame")
        with pytest.raises(ValueError, match=r"'https://evil.example/' is neither"):
            guest.verify(redirect="https://evil.example/")


def test_a_reset_page_that_would_redirect_elsewhere_is_an_error_at_registration() -> None:
    with pytest.raises(DefinitionError, match=r"reset: the redirect 'https://evil.example/' is"):
        make_shop(Visitor)


def test_a_reset_page_that_redirects_elsewhere_since_is_an_error_of_the_app(app: Flask) -> None:
    Guest.settings.reset = {"redirect": "https://evil.example/"}
    try:
        with pytest.raises(ValueError, match=r"'https://evil.example/' is neither"):
            app.test_client().post("/api/guests/reset", json={"email": "ann@example.com"})
    finally:
        Guest.settings.reset = {}


def test_a_redirect_carries_no_referrer_and_is_kept_nowhere(app: Flask) -> None:
    with app.app_context():
        guest = Guest.create(email="eve@example.com", password="open sesame")
        sent = guest.verify()
    query = {"uid": sent["uid"], "token": sent["token"], "redirect": "/welcome"}
    answer = app.test_client().get("/api/guests/confirm", query_string=query)

    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert parse_qs(urlsplit(answer.headers["Location"]).query) == {}


@pytest.mark.parametrize(
    "place",
    [
        "",
        "*",
        "*.example.com",
        "https://",
        "https://u@x.example",
        "javascript://x",
        "a b",
        "x/../y",
    ],
)
def test_an_allowed_place_that_means_nothing_is_an_error_that_names_it(
    source: DataSource, place: str
) -> None:
    app = Flask("wrong")
    app.config.update(LOOP_ALLOWED_REDIRECTS=[place])

    with pytest.raises(DefinitionError, match="LOOP_ALLOWED_REDIRECTS"):
        Loop(app)


@pytest.mark.parametrize(
    "url", ["example.com", "ftp://example.com", "https://", "https://x.example?y", "https://a@b"]
)
def test_an_external_url_that_is_none_is_an_error_that_names_it(url: str) -> None:
    app = Flask("wrong")
    app.config.update(LOOP_EXTERNAL_URL=url)

    with pytest.raises(DefinitionError, match="LOOP_EXTERNAL_URL"):
        Loop(app)
