"""The page on which users choose a new password, as programs, people and browsers see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from flask_login import login_user
from playwright.sync_api import Browser, Page, expect

from flask_loop import DataSource, User, create_data_source
from tests import test_docs_page
from tests.links import Form, Mails, link_in, mails_of, make_shop, path_of, token_in
from tests.test_docs_page import served

OLD, NEW = "the old password", "rosebud, 1941"
EMAIL = "ann@example.com"

browser = test_docs_page.browser


@pytest.fixture
def source() -> Iterator[DataSource]:
    made = create_data_source(connector="memory")
    yield made
    made.close()


@pytest.fixture
def shop(source: DataSource) -> Flask:
    Buyer = User.extend("buyer")
    Buyer.attach_to(source)
    app = make_shop(Buyer)
    with app.app_context():
        Buyer.create(email=EMAIL, password=OLD)

    @app.get("/enter")
    def enter() -> str:
        login_user(Buyer.find_one({"email": EMAIL}))
        return "in"

    return app


@pytest.fixture
def client(shop: Flask) -> FlaskClient:
    return shop.test_client()


@pytest.fixture
def mails(shop: Flask) -> Iterator[Mails]:
    with mails_of(shop) as mails:
        yield mails


@pytest.fixture
def link(client: FlaskClient, mails: Mails) -> str:
    """The path of the link in a reset mail."""
    assert client.post("/api/buyers/reset", json={"email": EMAIL}).status_code == 204
    return path_of(link_in(mails()[-1]))


@pytest.fixture
def token(link: str, mails: Mails) -> str:
    return token_in(mails()[-1])


def log_in(client: FlaskClient, password: str, email: str = EMAIL) -> int:
    answer = client.post("/api/buyers/login", json={"email": email, "password": password})
    return answer.status_code


def send_form(client: FlaskClient, token: str, *passwords: str) -> Any:
    first, second = passwords if len(passwords) == 2 else passwords * 2
    return client.post(
        "/api/buyers/reset-page",
        data={"token": token, "password": first, "passwordConfirmation": second},
    )


@pytest.fixture
def page(client: FlaskClient, token: str) -> Any:
    return client.get(f"/api/buyers/reset-page?token={token}")


def test_nothing_keeps_frames_or_follows_the_page(page: Any) -> None:
    headers = page.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "script-src" not in policy
    nonce = re.fullmatch(r"'self' 'nonce-([\w-]{20,})'", policy["style-src"])
    assert nonce is not None
    assert f'<style nonce="{nonce[1]}">' in page.text


def test_the_page_has_no_scripts_and_asks_nothing_of_other_hosts(page: Any) -> None:
    form = Form(page.text)
    assert not {"script", "img", "iframe", "link", "object"} & set(form.tags)
    assert not re.search(r"https?://|\bon\w+=|url\(|@import", page.text)


def test_the_form_is_sent_to_the_same_path_with_the_token_in_its_body_alone(
    page: Any, token: str
) -> None:
    form = Form(page.text)
    assert form.action == "/api/buyers/reset-page"
    assert form.hidden == {"token": token}
    assert page.text.count(token) == 1


def test_each_field_has_its_label_and_what_password_managers_need(page: Any) -> None:
    form = Form(page.text)
    assert form.language == "en"
    assert set(form.inputs) == form.labels == {"username", "password", "passwordConfirmation"}
    assert len(form.ids) == len(set(form.ids))
    assert form.inputs["username"]["autocomplete"] == "username"
    assert form.inputs["username"]["value"] == EMAIL
    for name in ("password", "passwordConfirmation"):
        assert form.inputs[name]["type"] == "password"
        assert form.inputs[name]["autocomplete"] == "new-password"
        assert "required" in form.inputs[name]
        assert "value" not in form.inputs[name]


@pytest.mark.parametrize(
    ("passwords", "field", "problem"),
    [
        ((NEW, "other"), "passwordConfirmation", "This is not the same as the new password."),
        ((NEW, ""), "passwordConfirmation", "This is not the same as the new password."),
        (("", ""), "password", "Enter a new password."),
        (("  ", "  "), "password", "The password can&#39;t be blank."),
    ],
)
def test_what_is_wrong_is_said_at_the_top_and_at_its_field(
    client: FlaskClient, token: str, passwords: tuple[str, str], field: str, problem: str
) -> None:
    answer = send_form(client, token, *passwords)

    assert answer.status_code == 422
    form = Form(answer.text)
    assert answer.text.count(problem) == 2
    assert f'<a href="#{field}">{problem}</a>' in answer.text
    assert "<title>Error: " in answer.text
    assert 'role="alert" tabindex="-1" autofocus' in answer.text
    given = form.inputs[field]
    assert given["aria-invalid"] == "true"
    described = (given["aria-describedby"] or "").split()
    assert f"{field}-problem" in described
    assert set(described) <= set(form.ids)
    assert "value" not in given
    assert NEW not in answer.text
    assert log_in(client, OLD) == 200


def test_to_look_at_the_page_or_to_fail_does_not_use_the_token(
    client: FlaskClient, token: str
) -> None:
    for _ in range(3):
        assert client.get(f"/api/buyers/reset-page?token={token}").status_code == 200
        assert client.head(f"/api/buyers/reset-page?token={token}").status_code == 200
    assert send_form(client, token, "a", "b").status_code == 422

    assert send_form(client, token, NEW).status_code == 200


def test_a_link_that_is_not_good_any_more_is_a_page_that_says_so(
    client: FlaskClient, token: str
) -> None:
    send_form(client, token, NEW)

    for answer in (
        client.get(f"/api/buyers/reset-page?token={token}"),
        client.get("/api/buyers/reset-page?token=%3Cscript%3E"),
        send_form(client, token, OLD),
    ):
        assert answer.status_code == 400
        assert answer.mimetype == "text/html"
        assert "This link is not valid" in answer.text
        assert "<script>" not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_sends_the_browser_on_where_the_settings_say_so(source: DataSource) -> None:
    class Renter(User):
        class Meta:
            data_source = source
            reset = {"redirect": "https://app.example.com/login"}

    source.auto_update()
    app = make_shop(Renter, LOOP_ALLOWED_REDIRECTS=["app.example.com"])
    client = app.test_client()
    with mails_of(app) as mails:
        with app.app_context():
            Renter.create(email=EMAIL, password=OLD)
        client.post("/api/renters/reset", json={"email": EMAIL})
        token = token_in(mails()[0])
    page = client.get(f"/api/renters/reset-page?token={token}")
    fields = {"token": token, "password": NEW, "passwordConfirmation": NEW}
    answer = client.post("/api/renters/reset-page", data=fields)

    assert "form-action 'self' https://app.example.com;" in page.headers["Content-Security-Policy"]
    assert answer.status_code == 303
    assert answer.headers["Location"] == "https://app.example.com/login"


def test_the_token_is_in_no_log_and_the_password_neither(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    caplog.set_level("DEBUG")
    token = request.getfixturevalue("token")
    client.get(f"/api/buyers/reset-page?token={token}")
    for password in ("  ", NEW, NEW):
        send_form(client, token, password)

    assert log_in(client, NEW) == 200
    for secret in (token, OLD, NEW):
        assert secret not in caplog.text


# In a browser


@pytest.fixture
def visited(browser: Browser, shop: Flask, link: str) -> Iterator[Page]:
    """The page in a browser that runs no scripts."""
    with served(shop) as origin:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        said: list[str] = []
        requested: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: requested.append(request.url))
        page.goto(origin + link)
        yield page
        context.close()
        assert all(each.startswith(origin) for each in requested), requested
        assert "Content Security Policy" not in "".join(said)


@pytest.mark.browser
def test_a_user_chooses_a_password_by_keyboard_alone(visited: Page, client: FlaskClient) -> None:
    expect(visited).to_have_title("Choose a new password")
    visited.get_by_label("New password", exact=True).focus()
    visited.keyboard.type(NEW)
    visited.keyboard.press("Tab")
    visited.keyboard.type(NEW)
    visited.keyboard.press("Enter")

    expect(visited.get_by_role("heading", level=1)).to_have_text("Your password was changed")
    assert "token" not in visited.url
    assert log_in(client, NEW) == 200


@pytest.mark.browser
def test_a_user_is_told_of_a_mistake_and_brought_to_its_field(
    visited: Page, client: FlaskClient
) -> None:
    visited.get_by_label("New password", exact=True).fill(NEW)
    visited.get_by_label("New password, once more").fill("rosebund")
    visited.get_by_role("button", name="Change password").click()

    expect(visited).to_have_title("Error: Choose a new password")
    alert = visited.get_by_role("alert")
    expect(alert).to_contain_text("This is not the same as the new password.")
    expect(alert).to_be_focused()
    alert.get_by_role("link").click()
    field = visited.get_by_label("New password, once more")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description("This is not the same as the new password.")
    field.fill(NEW)
    visited.get_by_label("New password", exact=True).fill(NEW)
    visited.get_by_role("button", name="Change password").click()
    expect(visited.get_by_role("heading", level=1)).to_have_text("Your password was changed")


@pytest.mark.browser
def test_a_user_who_is_logged_in_by_a_cookie_uses_the_page_as_well(
    browser: Browser, shop: Flask, link: str, client: FlaskClient
) -> None:
    with served(shop) as origin:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{origin}/enter")
        page.goto(origin + link)
        page.get_by_label("New password", exact=True).fill(NEW)
        page.get_by_label("New password, once more").fill(NEW)
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your password was changed")
        context.close()

    assert log_in(client, NEW) == 200


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_of_the_page_is_read_easily_in_any_width(
    browser: Browser, shop: Flask, link: str, scheme: Any
) -> None:
    with served(shop) as origin:
        context = browser.new_context(color_scheme=scheme, viewport={"width": 320, "height": 640})
        page = context.new_page()
        page.goto(origin + link)
        page.get_by_label("New password", exact=True).fill("a")
        page.get_by_label("New password, once more").fill("b")
        page.get_by_role("button").click()
        expect(page.get_by_role("alert")).to_be_visible()

        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        for text, least in page.evaluate(CONTRASTS).items():
            assert least >= 4.5, (text, least)
        for box in page.evaluate(TARGETS):
            assert min(box) >= 24, box
        context.close()


@pytest.mark.browser
def test_no_other_site_can_show_the_page_in_a_frame(
    browser: Browser, shop: Flask, link: str
) -> None:
    around = Flask("around")

    with served(shop) as origin, served(around) as other:

        @around.get("/")
        def frame() -> Response:
            return Response(f'<iframe src="{origin}{link}"></iframe>', mimetype="text/html")

        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{other}/")
        page.wait_for_timeout(500)
        [framed] = page.frames[1:]
        assert "Choose a new password" not in framed.content()
        context.close()


#: The contrast of each text with what is behind it, as WCAG counts it.
CONTRASTS = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).slice(0, 3).map((each) => {
      const share = each / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (parts(color).length < 4 || parts(color)[3] > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  for (const element of document.querySelectorAll("main *")) {
    const text = [...element.childNodes].filter((each) => each.nodeType === 3 && each.data.trim());
    if (!text.length) continue;
    const pair = [light(getComputedStyle(element).color), light(behind(element))].sort();
    const [low, high] = pair.sort((a, b) => a - b);
    found[text[0].data.trim()] = (high + 0.05) / (low + 0.05);
  }
  return found;
}"""

#: The sizes of what is clicked, beside links in text.
TARGETS = """() => {
  const all = document.querySelectorAll("input:not([type=hidden]), button");
  return [...all].map((each) => each.getBoundingClientRect()).map((box) => [box.width, box.height]);
}"""
