"""The documentation is true: what its pages show is what happens.

The blocks of one page run in order and share their names, in a folder of their own:

- Python blocks run as a module does. A block of any language with a file name for its ``:caption:``
  is written to that file; if it is Python, it is then imported from there.
- Blocks with ``>>>`` run as in ``flask shell``: in the context of the page's ``app`` where it has
  one. ``...`` in their output stands for anything.
- ``.. testsetup::`` runs too, and readers do not see it.
- In console blocks ``$ curl`` asks the page's ``app``. JSON is compared as values, so that pages
  may wrap it, except lines of JSON; ``"…"`` stands for any value, and a time on the page for the
  time now. Of the headers that ``curl -i`` gives, those on the page must be there. ``$ flask`` runs
  on the app likewise.
- ``$ TOKEN=…`` takes the ``id`` of the answer before; ``$TOKEN`` in a command is that, or what the
  page's Python code calls so. A URL with ``…`` is the one like it in the mails that were written
  to the terminal.
  ``$ make run`` makes the example app the page's app. Other commands are not run.
- The page of a database has a URL of it, in whose place the tests' own server is used.
"""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse

from tests.servers import Server

ROOT = Path(__file__).parents[1]
PAGES = sorted(ROOT.glob("docs/*.rst"))
README = ROOT / "README.md"

DIRECTIVE = re.compile(r"^\.\. (code-block|testsetup)::[ ]*(\w*)\n", re.MULTILINE)
OPTION = re.compile(r"[ ]*:(\w+):[ ]*(.*)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCTEST = re.compile(r"^>>> (?:.+\n)+", re.MULTILINE)
FILE_NAME = re.compile(r"[\w./-]+\.\w+")

#: The URLs that pages have of databases, by page.
DATABASES = {
    "postgresql": "postgresql://shop:secret@db.example/shop",
    "mysql": "mysql://shop:secret@db.example/shop",
    "firebird": "firebird://shop:secret@db.example//data/shop.fdb",
    "mongodb": "mongodb://shop:secret@db.example/shop",
    "couchdb": "couchdb://shop:secret@db.example:5984/shop",
    "redis": "redis://:secret@db.example/0",
    "existing-documents": "mongodb://localhost:27017/shop",
}
NOT_RUN = ("cd", "export", "git", "make", "mkdir", "pip", "pytest", "python", "source")
ASSIGNMENT = re.compile(r"(\w+)=…")
ANY = "…"
IGNORED_OPTIONS = {"-s", "-g", "-gs", "-sg", "-N"}
NDJSON = "application/x-ndjson"


@dataclasses.dataclass
class Block:
    """A piece of a page that is run."""

    language: str
    text: str
    line: int
    file: str | None = None

    @property
    def is_doctest(self) -> bool:
        return self.language in ("python", "pycon") and self.text.lstrip().startswith(">>>")


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = markdown_blocks(text) if page.suffix == ".md" else rst_blocks(text)
    return sorted(found, key=lambda block: block.line)


def markdown_blocks(text: str) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        yield Block(match[1], match[2], line_of(text, match.start(2)))


def rst_blocks(text: str) -> Iterator[Block]:
    for match in DIRECTIVE.finditer(text):
        language = "python" if match[1] == "testsetup" else match[2]
        start, options, body = indented(text, match.end())
        caption = options.get("caption", "").strip("`")
        file = caption if FILE_NAME.fullmatch(caption) else None
        yield Block(language, body, line_of(text, start), file)
    for match in DOCTEST.finditer(text):
        yield Block("python", match[0], line_of(text, match.start()))


def indented(text: str, start: int) -> tuple[int, dict[str, str], str]:
    """The body of the directive whose first line ends at ``start``: where it is, its options."""
    options = {}
    while (end := text.find("\n", start)) >= 0 and (option := OPTION.fullmatch(text[start:end])):
        options[option[1]] = option[2]
        start = end + 1
    body = []
    for line in text[start:].splitlines():
        if line.strip() and not line.startswith("    "):
            break
        body.append(line[4:])
    return start, options, "\n".join(body).rstrip() + "\n"


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class Page:
    """A page while it is run.

    :param replaced: a text on the page, and what is in its place.
    :param read_terminal: gives what was written to the terminal since it was last asked.
    """

    def __init__(
        self,
        path: Path,
        folder: Path,
        replaced: tuple[str, str] | None,
        read_terminal: Callable[[], str],
    ) -> None:
        self.path, self.folder = path, folder
        self.replaced = replaced
        self.read_terminal, self.written = read_terminal, ""
        self.answer: TestResponse | None = None
        self.names: dict[str, Any] = {"__name__": "page"}
        self.apps: list[Flask] = []

    def close(self) -> None:
        """Close what the page opened, and forget the modules that it wrote."""
        if self.replaced and "db" in self.names:
            self.names["db"].close()
        for app in self.apps:
            state = app.extensions.get("loop")
            with app.app_context():
                sources = {model.data_source for model in (state.models if state else ())}
                for source in sources - {None}:
                    source.close()
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(f"{self.folder}/"):
                del sys.modules[name]

    def run(self) -> None:
        for block in blocks(self.path):
            if self.replaced:
                block.text = block.text.replace(*self.replaced)
            if block.file:
                self.write(block, self.folder / block.file)
            elif block.is_doctest:
                self.run_doctest(block)
            elif block.language == "python":
                # The lines before keep the numbers of lines in tracebacks those of the page.
                source = "\n" * (block.line - 1) + block.text
                exec(compile(source, str(self.path), "exec", dont_inherit=True), self.names)  # noqa: S102
            elif block.language == "console":
                self.run_commands(block)
            if self.app is not None and self.app not in self.apps:
                self.apps.append(self.app)

    @property
    def app(self) -> Flask | None:
        return self.names.get("app")

    def write(self, block: Block, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text.lstrip("\n"), "utf-8")
        if file.suffix == ".py":
            name = ".".join(file.relative_to(self.folder).with_suffix("").parts)
            importlib.invalidate_caches()
            module = importlib.import_module(name.removesuffix(".__init__"))
            self.names.update(vars(module), __name__="page")

    def run_doctest(self, block: Block) -> None:
        parsed = doctest.DocTestParser().get_doctest(
            block.text, self.names, self.path.name, str(self.path), block.line - 1
        )
        parsed.globs = self.names
        output: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        with self.app.app_context() if self.app else nullcontext():
            runner.run(parsed, out=output.append, clear_globs=False)
        assert not runner.failures, "".join(output)

    def run_commands(self, block: Block) -> None:
        for command, expected in commands(block.text):
            place = f"{self.path.name}, in the block at line {block.line}: {command}"
            words = [self.filled(word) for word in shlex.split(command.replace("\\\n", " "))]
            if words[0] == "curl":
                assert self.app is not None, f"{place}\nthe page has no app"
                answer = ask(self.app, words[1:])
                self.answer = answer[0]
                check_answer(answer, expected, place)
            elif assignment := ASSIGNMENT.fullmatch(words[0]):
                assert self.answer is not None, f"{place}\nthere is no answer before it"
                self.names[assignment[1]] = self.answer.get_json()["id"]
            elif words[0] == "flask":
                assert self.app is not None, f"{place}\nthe page has no app"
                check_output(self.app, words[1:], expected, place)
            elif words[:2] == ["make", "run"]:
                self.names["app"] = example_app(self.folder)
            else:
                assert words[0] in NOT_RUN, f"{place}\nis not a command that can be checked"

    def filled(self, word: str) -> str:
        """A word of a command with what its variables and ellipses stand for."""
        if ANY in word and "?" in word:
            return self.link(word)
        texts = {name: value for name, value in self.names.items() if isinstance(value, str)}
        return Template(word).safe_substitute(texts)

    def link(self, like: str) -> str:
        """The link in the mails so far that is like one of the page."""
        _, _, path = like.rpartition("//")[2].partition("/")
        pattern = re.compile(r"[^\s&]+".join(map(re.escape, path.split(ANY))) + r"(?=\s)")
        until = time.monotonic() + 30
        while not (found := pattern.findall(self.written)):
            assert time.monotonic() < until, f"{like} is in no mail:\n{self.written}"
            time.sleep(0.01)
            self.written += self.read_terminal()
        return f"http://localhost/{found[-1]}"


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and what it writes."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = 1
        while lines[end - 1].endswith("\\") or "\n".join(lines[:end]).count("'") % 2:
            end += 1
        yield "\n".join(lines[:end]), "\n".join(lines[end:]).strip()


def example_app(folder: Path) -> Flask:
    from example_app import create_app

    hashing = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
    return create_app({"DATABASE": folder / "guide.sqlite", "LOOP_PASSWORD_HASHING": hashing})


# curl


def ask(app: Flask, words: list[str]) -> tuple[TestResponse, bool]:
    """What the app answers to a curl command, and whether it shows headers."""
    rest = iter(words)
    url = verb = data = None
    headers: list[tuple[str, str]] = []
    query: list[str] = []
    fields: MultiDict[str, Any] = MultiDict()
    shows_headers = is_get = False
    for word in rest:
        if word == "-X":
            verb = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(":")
            headers.append((name, value.strip()))
        elif word == "--json":
            data = next(rest)
            headers += [("Content-Type", "application/json"), ("Accept", "application/json")]
        elif word in ("-d", "--data"):
            data = next(rest)
            if not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        elif word == "-F":
            name, _, value = next(rest).partition("=")
            fields.add(name, upload(value) if value.startswith("@") else value)
        elif word == "--data-urlencode":
            name, _, value = next(rest).partition("=")
            query.append(f"{name}={quote(value)}")
        elif word == "-G":
            is_get = True
        elif word in ("-i", "-I", "-si", "-is", "-gi", "-gsi"):
            shows_headers = True
            verb = "HEAD" if word == "-I" else verb
        elif word not in IGNORED_OPTIONS:
            assert not word.startswith("-"), f"the option {word} of curl is not known here"
            url = urlsplit(word if "//" in word else f"//{word}")
    assert url is not None
    assert is_get or not query, "--data-urlencode needs -G"
    response = app.test_client().open(
        url.path or "/",
        method=verb or ("POST" if data is not None or fields else "GET"),
        query_string="&".join([*filter(None, [url.query]), *query]),
        headers=headers,
        data=fields or data,
    )
    return response, shows_headers


def upload(written: str) -> FileStorage:
    """A file of the page's folder, as ``-F`` of curl has it: ``@cities.csv;type=text/csv``."""
    path, _, content_type = written[1:].partition(";type=")
    return FileStorage(Path(path).open("rb"), path, content_type=content_type or None)


def check_answer(answer: tuple[TestResponse, bool], expected: str, place: str) -> None:
    response, shows_headers = answer
    actual = response.get_data(as_text=True)
    if shows_headers:
        head, _, expected = expected.partition("\n\n")
        status, *headers = head.splitlines()
        assert status.split()[1] == str(response.status_code), f"{place}\n{response.status}{actual}"
        for header in headers:
            name, _, value = header.partition(": ")
            assert response.headers.get(name) == value, f"{place}\n{response.headers}"
    if response.mimetype == NDJSON:
        check_lines(actual.splitlines(), expected.splitlines(), place)
        return
    if not expected or response.mimetype.startswith("text/"):
        assert expected in actual, f"{place}\n{actual}"
        assert expected or not actual or response.mimetype == "text/html", f"{place}\n{actual}"
        return
    assert same(json.loads(expected), json.loads(actual)), f"{place}\n{actual}"


def check_lines(actual: list[str], expected: list[str], place: str) -> None:
    assert len(actual) == len(expected), f"{place}\n{actual}"
    for line, found in zip(expected, actual, strict=True):
        assert same(json.loads(line), json.loads(found)), f"{place}\n{found}"


def same(expected: Any, actual: Any) -> bool:
    if expected == "…":
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        return list(expected) == list(actual) and all(
            same(expected[key], actual[key]) for key in expected
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    if isinstance(expected, str) and isinstance(actual, str) and expected != actual:
        return is_time(expected) and is_now(actual)
    return type(expected) is type(actual) and bool(expected == actual)


def is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def is_now(text: str) -> bool:
    return is_time(text) and abs(datetime.now(UTC) - datetime.fromisoformat(text)) < timedelta(
        minutes=5
    )


def check_output(app: Flask, words: list[str], expected: str, place: str) -> None:
    if words[:1] == ["--app"]:
        words = words[2:]
    if words[:1] in (["run"], ["shell"]):
        return
    result = app.test_cli_runner().invoke(args=words)
    assert result.exit_code == 0, f"{place}\n{result.output}"
    assert result.output.strip() == expected, f"{place}\n{result.output}"


# The tests


@pytest.mark.parametrize("path", [README, *PAGES], ids=lambda path: path.name)
def test_what_a_page_shows_is_what_happens(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    get_server: Callable[[str], Server],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    shown = DATABASES.get(path.stem)
    replaced = (shown, get_server(urlsplit(shown).scheme).fresh("docs")) if shown else None
    page = Page(path, tmp_path, replaced, lambda: capsys.readouterr().out)
    try:
        page.run()
    finally:
        page.close()
