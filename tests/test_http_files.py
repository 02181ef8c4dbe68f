from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.http import parse_options_header

from tests.served import URL, serve

FILE = {"arg": "file", "type": "file", "required": True}
FILES = {"arg": "files", "type": ["file"]}
ROOT = {"arg": "answer", "type": "object", "root": True}
DOWNLOAD = {"arg": "file", "type": "file", "root": True}
TEXT = {"arg": "title", "type": "string"}
CHUNKED = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}


def error_of(response: Any) -> dict[str, Any]:
    error: dict[str, Any] = response.json["error"]
    assert error["statusCode"] == response.status_code
    return error


def describe(file: FileStorage, title: str | None = None) -> dict[str, Any]:
    return {
        "name": file.filename,
        "type": file.content_type,
        "text": file.read().decode(),
        "title": title,
    }


def names(files: list[FileStorage] | None = None, title: str | None = None) -> list[str | None]:
    return [file.filename for file in files or []]


def multipart(*parts: bytes, boundary: bytes = b"edge") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part for part in parts) + (
        b"--" + boundary + b"--\r\n"
    )


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    return (
        f'Content-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"
    )


def post(client: FlaskClient, body: bytes, **options: Any) -> Any:
    options.setdefault("content_type", "multipart/form-data; boundary=edge")
    options.setdefault("buffered", True)  # the end of the answer is the end of the request
    return client.post(URL, data=body, **options)


# Uploads


def test_a_method_gets_a_file_with_its_name_and_type_and_the_fields_beside_it() -> None:
    client = serve(describe, accepts=[FILE, TEXT], returns=ROOT)
    answer = client.post(
        URL,
        data={"file": (BytesIO(b"a,b"), "naïve.csv", "text/csv"), "title": "Café"},
    )
    assert answer.json == {
        "name": "naïve.csv",
        "type": "text/csv",
        "text": "a,b",
        "title": "Café",
    }


def test_a_method_gets_several_files_of_one_name() -> None:
    client = serve(names, accepts=[FILES], returns=ROOT)
    both = [(BytesIO(b"1"), "one.txt"), (BytesIO(b"2"), "two.txt")]
    assert client.post(URL, data={"files": both}).json == ["one.txt", "two.txt"]
    assert client.post(URL, data={"files": both[:0], "x": "y"}).json == []
    one = (BytesIO(b"1"), "one.txt")
    assert client.post(URL, data={"files": one}).json == ["one.txt"]


def test_two_files_where_one_is_meant_are_400() -> None:
    client = serve(describe, accepts=[FILE], returns=ROOT)
    both = [(BytesIO(b"1"), "one.txt"), (BytesIO(b"2"), "two.txt")]
    error = error_of(client.post(URL, data={"file": both}))
    assert error["message"] == "Argument 'file' is more than one file."


@pytest.mark.parametrize("options", [{"json": {"file": "x"}}, {"data": {"file": "x"}}])
def test_a_text_where_a_file_is_meant_is_400(options: Any) -> None:
    client = serve(describe, accepts=[FILE], returns=ROOT)
    error = error_of(client.post(URL, **options))
    assert error["message"] == "Argument 'file' is not a file; send multipart/form-data."


@pytest.mark.parametrize(
    "body",
    [
        multipart(part("other", b"x", "one.txt")),
        multipart(part("file", b"", "")),  # what a browser sends where no file was chosen
        b"",
    ],
)
def test_a_file_that_is_not_there_is_400_where_it_is_required(body: bytes) -> None:
    client = serve(describe, accepts=[FILE], returns=ROOT)
    error = error_of(post(client, body))
    assert error["message"] == "Argument 'file' is required."


def test_json_and_urlencoded_fields_are_taken_beside_multipart() -> None:
    client = serve(lambda title=None: title, accepts=[TEXT], returns=ROOT)
    assert client.post(URL, json={"title": "json"}).json == "json"
    assert client.post(URL, data={"title": "form"}).json == "form"
    assert post(client, multipart(part("title", b"parts"))).json == "parts"


def test_multipart_is_415_where_the_whole_body_is_the_argument() -> None:
    whole = {"arg": "data", "type": "object", "http": {"source": "body"}}
    client = serve(lambda data=None: data, accepts=[whole], returns=ROOT)
    answer = post(client, multipart(part("title", b"x")))
    assert answer.status_code == 415
    assert "multipart" not in error_of(answer)["message"].partition("; ")[2]


def test_another_content_type_is_415_that_names_multipart() -> None:
    client = serve(describe, accepts=[FILE], returns=ROOT)
    answer = post(client, b"x", content_type="image/png")
    assert answer.status_code == 415
    assert error_of(answer)["message"] == (
        "The content type image/png is not supported; send application/json, "
        "multipart/form-data or application/x-www-form-urlencoded."
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary="),
        (b"x", "multipart/form-data; boundary=\xe9"),
        (b"x", "multipart/form-data; boundary=edge"),
        (b"--edge--\r\n" * 3, "multipart/form-data; boundary=other"),
        (multipart(part("file", b"x", "a.txt"))[:-9], "multipart/form-data; boundary=edge"),
        (multipart(part("file", b"x" * 600_000, "a"))[:-9], "multipart/form-data; boundary=edge"),
        (multipart(b"\r\nno head\r\n"), "multipart/form-data; boundary=edge"),
        (multipart(b"Content-Disposition\r\n\r\nx\r\n"), "multipart/form-data; boundary=edge"),
        (
            multipart(b"Content-Disposition: form-data\r\n\r\nx\r\n"),
            "multipart/form-data; boundary=edge",
        ),
        (
            multipart(b'Content-Disposition: form-data; filename="a"\r\n\r\nx\r\n'),
            "multipart/form-data; boundary=edge",
        ),
        (multipart(part("a[", b"x")), "multipart/form-data; boundary=edge"),
    ],
)
def test_a_broken_multipart_body_is_400(body: bytes, content_type: str) -> None:
    client = serve(describe, accepts=[FILE], returns=ROOT)
    assert error_of(post(client, body, content_type=content_type))["statusCode"] == 400


# How large


def test_an_upload_has_a_bound_of_its_own() -> None:
    client = serve(names, accepts=[FILES, TEXT], returns=ROOT, LOOP_MAX_BODY=50)
    body = multipart(part("files", b"x" * 5_000, "one.txt"))
    assert post(client, body).status_code == 200
    answer = client.post(URL, json={"title": "x" * 50})
    assert error_of(answer)["message"] == "The request body is larger than 50 bytes."


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ({"LOOP_MAX_UPLOAD": 300}, 300),
        ({"MAX_CONTENT_LENGTH": 300}, 300),
        ({"LOOP_MAX_UPLOAD": 300, "MAX_CONTENT_LENGTH": 1_000_000}, 300),
        ({"max_body": 300, "LOOP_MAX_UPLOAD": 100}, 300),
    ],
)
@pytest.mark.parametrize("environ", [{}, CHUNKED])
def test_a_larger_upload_is_413_that_names_the_bound(
    settings: dict[str, Any], bound: int, environ: dict[str, Any]
) -> None:
    client = serve(names, accepts=[FILES], returns=ROOT, **settings)
    frame = len(multipart(part("files", b"", "one.txt")))
    for size, status in ((bound - frame, 200), (bound - frame + 1, 413), (100_000, 413)):
        body = multipart(part("files", b"x" * size, "one.txt"))
        answer = client.post(
            URL,
            input_stream=BytesIO(body),
            content_type="multipart/form-data; boundary=edge",
            environ_overrides=environ or {"CONTENT_LENGTH": str(len(body))},
        )
        assert answer.status_code == status
    assert error_of(answer)["message"] == f"The request body is larger than {bound} bytes."


def test_a_body_of_no_known_length_is_not_read_where_the_server_does_not_end_it() -> None:
    client = serve(names, accepts=[FILES], returns=ROOT)
    answer = client.post(
        URL,
        input_stream=BytesIO(multipart(part("files", b"x", "one.txt"))),
        content_type="multipart/form-data; boundary=edge",
        environ_overrides={"HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert answer.status_code == 400


def test_what_comes_behind_the_last_part_counts_too() -> None:
    client = serve(names, accepts=[FILES], returns=ROOT, LOOP_MAX_UPLOAD=1_000)
    answer = client.post(
        URL,
        input_stream=BytesIO(multipart(part("files", b"x", "one.txt")) + b"x" * 200_000),
        content_type="multipart/form-data; boundary=edge",
        environ_overrides=CHUNKED,
    )
    assert answer.status_code == 413


def test_many_parts_are_413() -> None:
    client = serve(names, accepts=[FILES], returns=ROOT)
    assert post(client, multipart(*[part("a", b"")] * 1_000)).status_code == 200
    answer = post(client, multipart(*[part("a", b"")] * 1_001))
    assert answer.status_code == 413
    assert "more than 1000 parts" in error_of(answer)["message"]


def test_a_long_field_is_413() -> None:
    client = serve(names, accepts=[FILES], returns=ROOT)
    assert post(client, multipart(part("a", b"x" * 400_000))).status_code == 200
    answer = post(client, multipart(part("a", b"x" * 600_000)))
    assert answer.status_code == 413
    assert "a field of more than 500000 bytes" in error_of(answer)["message"]


def test_a_large_upload_is_on_disk_and_is_closed_after_the_request() -> None:
    kept: list[FileStorage] = []

    def keep(file: FileStorage) -> bool:
        kept.append(file)
        return isinstance(file.stream.fileno(), int)

    client = serve(keep, accepts=[FILE], returns=ROOT)
    body = multipart(part("file", b"x" * 2_000_000, "large.bin"))
    assert post(client, body).json is True
    assert kept[0].stream.closed


def test_a_form_that_the_app_has_read_before_is_still_there() -> None:
    client = serve(describe, accepts=[FILE, TEXT], returns=ROOT)
    client.application.before_request(lambda: request.form.get("token") and None)
    answer = post(client, multipart(part("file", b"x", "a.txt"), part("title", b"T")))
    assert (answer.json["text"], answer.json["title"]) == ("x", "T")


# Downloads


def download(value: Any, path: str = URL, **options: Any) -> Any:
    return serve(lambda: value, returns=DOWNLOAD, verb="get").get(path, buffered=True, **options)


class Opened(BytesIO):
    """A file that cannot tell how long it is."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError("a pipe")


@pytest.mark.parametrize(
    ("value", "length"),
    [
        (b"caf\xc3\xa9", "5"),
        (bytearray(b"caf\xc3\xa9"), "5"),
        ("café", "5"),
        (BytesIO(b"caf\xc3\xa9"), "5"),
        (Opened(b"caf\xc3\xa9"), None),
        (iter([b"caf", b"", b"\xc3\xa9"]), None),
        ([b"caf", b"\xc3\xa9"], None),
    ],
    ids=["bytes", "bytearray", "str", "file", "pipe", "iterator", "list"],
)
def test_a_file_is_sent_as_it_is(value: Any, length: str | None) -> None:
    answer = download(value)
    assert (answer.status_code, answer.data) == (200, b"caf\xc3\xa9")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers.get("Content-Length") == length
    assert "Content-Disposition" not in answer.headers


def test_no_file_is_204() -> None:
    answer = download(None)
    assert (answer.status_code, answer.data) == (204, b"")


def test_a_file_is_sent_from_where_it_stands_and_closed() -> None:
    file = BytesIO(b"0123456789")
    file.seek(4)
    answer = download(file)
    assert (answer.data, answer.headers["Content-Length"]) == (b"456789", "6")
    assert file.closed


def test_a_path_is_sent_with_its_name_type_and_etag(tmp_path: Path) -> None:
    path = tmp_path / "list of 5.csv"
    path.write_text("a,b")
    answer = download(path)
    assert answer.data == b"a,b"
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="list of 5.csv"'
    again = download(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_part_of_a_path_is_sent_where_the_client_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "digits"
    path.write_text("0123456789")
    answer = download(path, headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.data) == (206, b"234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"
    beyond = download(path, headers={"Range": "bytes=20-"})
    assert beyond.status_code == 416
    assert error_of(beyond)["name"] == "RequestedRangeNotSatisfiableError"


def test_the_name_and_type_of_a_storage_are_told() -> None:
    answer = download(FileStorage(BytesIO(b"x"), "report.pdf", content_type="application/pdf"))
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="report.pdf"'


def test_a_storage_without_a_name_is_no_page_either() -> None:
    answer = download(FileStorage(BytesIO(b"<script>"), content_type="text/html"))
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("naïve café.txt", "naive cafe.txt", "naïve café.txt"),
        ("日本.pdf", "file.pdf", "日本.pdf"),
        ("日本", "file", "日本"),
        ('a"b\\c.txt', "c.txt", "c.txt"),
        ('a"b;c.txt', 'a"b;c.txt', 'a"b;c.txt'),
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\docs\\a.txt", "a.txt", "a.txt"),
        (".env", ".env", ".env"),
        ("a.txt\r\nSet-Cookie: x=1", "a.txtSet-Cookie: x=1", "a.txtSet-Cookie: x=1"),
        ("a\x00b\x7f\u2028.txt", "ab.txt", "ab.txt"),
        ("\ud800a.txt", "a.txt", "a.txt"),
        ("/", "file", "file"),
        ("100%'.txt", "100%'.txt", "100%'.txt"),
    ],
)
def test_any_name_is_told_safely(name: str, plain: str, full: str) -> None:
    answer = download(FileStorage(BytesIO(b"x"), name))
    header = answer.headers["Content-Disposition"]
    ascii_only, _, extended = header.partition("; filename*=UTF-8''")
    assert parse_options_header(ascii_only) == ("attachment", {"filename": plain})
    assert parse_options_header(header)[1]["filename"] == full
    assert bool(extended) == (plain != full)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_a_path_with_any_name_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a\r\nb é.txt"
    path.write_text("x")
    answer = download(path)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="ab e.txt"')


def test_the_declared_type_of_a_file_goes_before_its_own() -> None:
    returns = [DOWNLOAD, {"arg": "type", "http": {"target": "header", "header": "Content-Type"}}]
    client = serve(lambda: (b"<svg/>", "image/svg+xml"), returns=returns, verb="get")
    answer = client.get(URL)
    assert (answer.data, answer.headers["Content-Type"]) == (b"<svg/>", "image/svg+xml")


@pytest.mark.parametrize("value", [StringIO("text"), 5, {"a": 1}.items, [1], iter(["text"])])
def test_what_is_no_file_is_an_error_of_the_server(value: Any) -> None:
    assert download(value).status_code == 500


def test_head_of_a_download_has_its_length_and_closes_it(tmp_path: Path) -> None:
    file = BytesIO(b"0123456789")
    client = serve(lambda: file, returns=DOWNLOAD, verb="get")
    answer = client.head(URL, buffered=True)
    assert (answer.data, answer.headers["Content-Length"]) == (b"", "10")
    assert file.closed


def test_an_upload_can_be_sent_back() -> None:
    client = serve(lambda file: file, accepts=[FILE], returns=DOWNLOAD)
    content = os.urandom(1_000_000)
    answer = post(client, multipart(part("file", content, "back.bin")))
    assert answer.data == content
    assert answer.headers["Content-Disposition"] == 'attachment; filename="back.bin"'


def test_an_upload_can_be_read_while_the_answer_is_streamed() -> None:
    kept: list[FileStorage] = []

    def lines(file: FileStorage) -> Iterator[int]:
        kept.append(file)
        for line in file:
            yield len(line)

    client = serve(
        lines, accepts=[FILE], returns={"arg": "lengths", "type": "stream", "root": True}
    )
    body = multipart(part("file", b"a\nbb\nccc\n" * 100_000, "lines.txt"))
    answer = post(client, body)
    assert answer.data == b"2\n3\n4\n" * 100_000
    assert kept[0].stream.closed


def test_the_host_apps_uploads_are_not_touched() -> None:
    client = serve(names, accepts=[FILES], returns=ROOT, LOOP_MAX_UPLOAD=10)
    app: Flask = client.application
    app.add_url_rule("/up", view_func=lambda: str(len(request.files["f"].read())), methods=["POST"])
    assert client.post("/up", data={"f": (BytesIO(b"x" * 1_000), "a")}).text == "1000"
