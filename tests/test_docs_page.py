from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright
from werkzeug.datastructures import FileStorage
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_loop import GeoPoint, Loop, Model, Prop, memory, prop, remote_method

pytestmark = pytest.mark.browser

# A busy machine takes its time.
expect.set_options(timeout=20_000)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)


class QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        text = "Chromium is missing; on Debian and Ubuntu: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET), timeout=90_000)
        yield browser
        browser.close()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an app in a thread, and give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_shop() -> Flask:
    source = memory()

    class Product(Model):
        name: Prop[str] = prop(required=True, max_length=80)
        unit_price: Prop[float] = prop(min=0)
        color: Prop[str | None] = prop(enum=["red", "blue"], default=None)
        location: Prop[GeoPoint | None] = prop(default=None)

        class Meta:
            data_source = source
            description = "Things that are *sold*."

    app = Flask("shop")
    Loop(app, url_prefix="/api").model(Product)
    Product.create(name="Ball", unit_price=3)
    return app


class Visit:
    """A page in the browser, and what went on in it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.errors: list[str] = []
        self.requested: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def open(self, path: str = "/_docs") -> Response | None:
        response = self.page.goto(self.origin + path)
        expect(self.page.locator(".opblock").first).to_be_visible()
        return response

    def execute(self, operation: str) -> Any:
        """Open an operation, press "Try it out", then "Execute"."""
        block = self.page.locator(f"#operations-Product-{operation}")
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        block.get_by_role("button", name="Execute").click()
        expect(block.locator(".live-responses-table")).to_be_visible()
        return block

    def assert_quiet(self) -> None:
        assert self.errors == []
        assert all(url.startswith((self.origin, "data:")) for url in self.requested)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with served(make_shop()) as origin, browser.new_context() as context:
        yield Visit(context.new_page(), origin)


def test_the_page_shows_the_operations_and_asks_nobody_else(visit: Visit) -> None:
    visit.open()
    expect(visit.page).to_have_title("shop")
    expect(visit.page.locator(".opblock")).to_have_count(16)
    expect(visit.page.get_by_text("Find all records that match a filter")).to_be_visible()
    expect(visit.page.locator("#operations-tag-Product em")).to_have_text("sold")
    visit.page.wait_for_load_state("networkidle")
    visit.assert_quiet()


def test_trying_out_a_list_sends_a_filter_and_shows_the_answer(visit: Visit) -> None:
    visit.open()
    block = visit.execute("products_find")
    expect(block.locator(".live-responses-table .response-col_status").last).to_have_text("200")
    expect(block.locator(".live-responses-table .highlight-code").first).to_contain_text("Ball")
    assert visit.requested[-1].startswith(f"{visit.origin}/api/products?filter=%7B")
    visit.assert_quiet()


def test_the_filter_can_be_written(visit: Visit) -> None:
    visit.open()
    block = visit.page.locator("#operations-Product-products_count")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.locator("textarea").fill('{"unitPrice": {"lt": 1}}')
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .highlight-code").first
    expect(answer).to_contain_text('"count": 0')
    visit.assert_quiet()


def test_trying_out_a_creation_sends_an_example_that_is_taken(visit: Visit) -> None:
    visit.open()
    block = visit.execute("products_create")
    answer = block.locator(".live-responses-table .highlight-code").first
    expect(answer).to_contain_text('"id": 2')
    expect(answer).to_contain_text('"lat": 52.52')
    visit.assert_quiet()


def test_a_record_can_be_created_by_a_form(visit: Visit) -> None:
    visit.open()
    block = visit.page.locator("#operations-Product-products_create")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.locator(".body-param-content-type select, select.content-type").first.select_option(
        "application/x-www-form-urlencoded"
    )
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .highlight-code").first
    expect(answer).to_contain_text('"lat": 52.52')
    visit.assert_quiet()


def test_methods_of_users_can_be_tried_out(browser: Browser) -> None:
    class Product(Model):
        name: Prop[str]

        @remote_method(http={"verb": "get", "path": "/:word/times"}, notes="As *often* as said.")
        @classmethod
        def repeat(cls, word: str, count: int, separator: str = "-") -> str:
            """Repeat a word."""
            return separator.join([word] * count)

        @remote_method
        def label(self, photo: FileStorage, places: list[GeoPoint] | None = None) -> dict[str, Any]:
            return {"name": self.name, "file": photo.filename, "places": places}

        class Meta:
            data_source = memory()

    app = Flask("shop")
    Loop(app, url_prefix="/api").model(Product)
    Product.create(name="Ball")
    with served(app) as origin, browser.new_context() as context:
        visit = Visit(context.new_page(), origin)
        visit.open()
        block = visit.page.locator("#operations-Product-products_repeat")
        expect(block.locator(".opblock-summary-description")).to_have_text("Repeat a word")
        block.locator(".opblock-summary-control").click()
        expect(block.locator(".opblock-description em")).to_have_text("often")
        block.get_by_role("button", name="Try it out").click()
        block.get_by_placeholder("word").fill("tick")
        block.get_by_placeholder("count").fill("3")
        block.get_by_role("button", name="Execute").click()
        answer = block.locator(".live-responses-table .highlight-code").first
        expect(answer).to_contain_text('"tick-tick-tick"')
        assert visit.requested[-1] == f"{origin}/api/products/tick/times?count=3&separator=-"

        block = visit.page.locator("#operations-Product-products_label")
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        block.get_by_placeholder("id").fill("1")
        block.locator("input[type=file]").set_input_files(
            {"name": "ball.png", "mimeType": "image/png", "buffer": b"abc"}
        )
        block.get_by_role("button", name="Execute").click()
        answer = block.locator(".live-responses-table .highlight-code").first
        expect(answer).to_contain_text('"file": "ball.png"')
        expect(answer).to_contain_text('"lat": 52.52')
        visit.assert_quiet()


@pytest.mark.slow
def test_every_operation_opens_without_an_error(visit: Visit) -> None:
    visit.open()
    for block in visit.page.locator(".opblock").all():
        block.locator(".opblock-summary-control").click()
        expect(block.locator(".responses-wrapper")).to_be_visible()
    visit.page.locator(".models-control").click()
    expect(visit.page.locator("section.models").get_by_text("NewProduct")).to_be_visible()
    visit.assert_quiet()


def test_the_page_works_where_the_app_is_mounted(browser: Browser) -> None:
    mounted = DispatcherMiddleware(Flask("outside"), {"/mounted": make_shop()})
    with served(mounted) as origin, browser.new_context() as context:
        visit = Visit(context.new_page(), origin)
        visit.open("/mounted/_docs/")
        assert visit.page.url == f"{origin}/mounted/_docs"
        block = visit.execute("products_find")
        expect(block.locator(".live-responses-table .highlight-code").first).to_contain_text("Ball")
        assert visit.requested[-1].startswith(f"{origin}/mounted/api/products")
        visit.assert_quiet()


def test_the_page_is_dark_where_the_reader_wants_it(browser: Browser) -> None:
    with served(make_shop()) as origin, browser.new_context(color_scheme="dark") as context:
        visit = Visit(context.new_page(), origin)
        visit.open()
        expect(visit.page.locator("html")).to_have_class("dark-mode")
        visit.assert_quiet()
