"""Database: what is asked of CouchDB over HTTP, and which error each refusal is."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from ...errors import Forbidden, PayloadTooLarge, Unavailable
from ..web import RETRY_AFTER, Answer, BadAnswer, TooLarge, WebClient, path_of
from .settings import CouchdbSettings

Document: TypeAlias = dict[str, Any]
Written: TypeAlias = "str | Exception | None"

#: How many documents are read or written by one request.
PAGE = 1000
#: How many bytes keys may have in a URL, before they are quoted.
_MAX_TEXT = 1000

_ALL = "_all_docs"
_KEYS = ("startkey", "endkey")
_log = logging.getLogger(__name__)


class Missing(Exception):
    """The database, or a document that was asked for by its path, is not there."""


class Refused(Exception):
    """CouchDB answers that something else is there already: by 409, 412, or a failure."""


class Database:
    """One database of a server.

    :param name: the connector's, for messages.
    :param settings: where it is.
    """

    def __init__(self, name: str, settings: CouchdbSettings) -> None:
        self.name = settings.database
        #: The seconds that an answer may take.
        self.timeout = settings.timeout
        self._path = path_of(settings.database)
        self._web = WebClient(
            name,
            settings.base_url,
            auth=settings.auth,
            timeout=settings.timeout,
            connect_timeout=settings.connect_timeout,
            retries=settings.retries,
            pool_size=settings.pool_size,
            verify=settings.verify,
            max_answer=settings.max_answer,
        )
        self._most = PAGE

    def close(self) -> None:
        self._web.close()

    # The database itself

    def ping(self) -> None:
        """Reach the database.

        :raises Unavailable: where the server does not answer, or does not have it.
        """
        self._ask("GET", "")

    def exists(self) -> bool:
        try:
            self._send("GET", "")
        except Missing:
            return False
        return True

    def create(self) -> None:
        """Make the database, unless it is there.

        :raises Unavailable: where the server does not answer, or makes none.
        """
        try:
            self._send("PUT", "")
        except Refused:
            _log.debug("the database %s is there already", self.name)
        except Missing as error:
            _log.error(
                "the server at %s answers PUT /%s with the status 404: that is no CouchDB",
                *(self._web.origin, self._path),
            )
            raise Unavailable(
                "The data source is not available.", retry_after=RETRY_AFTER
            ) from error

    # Documents

    def documents(self, ids: Sequence[str]) -> Iterator[Document]:
        """The documents with ids, as far as they are there, in the order of the ids."""
        start = 0
        while start < len(ids):
            asked = self._at_once(len(ids) - start)
            body = {"keys": ids[start : start + asked]}
            try:
                rows = _list_in(self._read(_ALL, {"include_docs": True}, body), "rows")
            except TooLarge as error:
                self._ask_less(asked, error)
                continue
            yield from (row["doc"] for row in rows if row.get("doc"))
            start += asked

    def between(
        self,
        start: str,
        end: str,
        *,
        descending: bool = False,
        skip: int = 0,
        limit: int | None = None,
    ) -> Iterator[Document]:
        """The documents whose ids are from ``start`` to before ``end``, in their order.

        :param descending: whether they come the other way round; ``end`` is no id then.
        """
        for row in self._rows(
            _ALL, _ends(start, end, descending=descending), skip, limit, docs=True
        ):
            if row.get("doc"):  # it may have been deleted since the row was read
                yield row["doc"]

    def count_range(self, start: str, end: str) -> int:
        """How many documents have ids from ``start`` to before ``end``."""
        return sum(1 for _ in self._rows(_ALL, _ends(start, end), 0, None))

    def find(
        self, query: Mapping[str, Any], *, skip: int = 0, limit: int | None = None
    ) -> Iterator[Document]:
        """The documents that a query of ``_find`` is about.

        :param query: ``selector`` and what else there is, but for the page. Where there is a
            ``sort``, it is by the ``_id``, of which the selector says something; where there is
            none, all are read.
        """
        left, bookmark, seen = limit, None, skip
        last: Document | None = None
        known: set[str] = set()
        while left is None or left > 0:
            asked = self._at_once(left)
            page: dict[str, Any] = {"limit": asked}
            # Servers that give no bookmark count from the start.
            page |= {"bookmark": bookmark} if bookmark else {"skip": seen}
            try:
                answer = self._read("_find", {}, {**query, **page})
            except TooLarge as error:
                self._ask_less(asked, error)
                continue
            docs = _list_in(answer, "docs")
            there = list(filter(None, docs))  # null has been deleted since it was found
            if bookmark and last is not None and not self._is_there(last):
                # A bookmark leaves one out that follows, where its own document has moved by then.
                whole = self.find(_by_id(query))
                yield from (each for each in whole if each["_id"] not in known)
                return
            yield from there
            if len(docs) < asked:
                return
            if "sort" in query and there:
                query, seen = _behind(query, there[-1]["_id"]), 0
            else:
                bookmark = answer.get("bookmark")
                seen += len(docs)
                last = there[-1] if there else None
                known.update(each["_id"] for each in there)
            left = None if left is None else left - len(docs)

    def _is_there(self, document: Document) -> bool:
        """Whether a document is as it was."""
        return any(each["_rev"] == document["_rev"] for each in self.documents([document["_id"]]))

    def explain(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """What CouchDB says of how it answers a query of ``_find``."""
        found: dict[str, Any] = self._read("_explain", {}, query)
        return found

    def view(
        self, path: str, keys: Mapping[str, Any], *, skip: int = 0, limit: int | None = None
    ) -> Iterator[Document]:
        """The documents of the rows of a view.

        :param path: of the view; see :func:`view_path`.
        :param keys: ``startkey``, ``endkey`` and ``inclusive_end``.
        :raises Missing: where the view is not there.
        """
        for row in self._rows(path, keys, skip, limit, docs=True):
            if row.get("doc"):
                yield row["doc"]

    def count_view(self, path: str, keys: Mapping[str, Any]) -> int:
        """How many rows a view with the reduce function ``_count`` has.

        :raises Missing: where the view is not there.
        """
        rows = self._range(path, {**keys, "reduce": True})
        return int(rows[0]["value"]) if rows else 0

    def write(self, documents: Sequence[Document]) -> list[Written]:
        """Write documents, each for itself.

        :returns: what became of each: its revision, None where it conflicts with what is there, or
            the error of one that CouchDB does not take.
        """
        rows = _list_in(self._ask("POST", "_bulk_docs", {}, {"docs": documents}))
        written = {row.get("id"): _written(row) for row in rows}
        return [written.get(each["_id"], _odd()) for each in documents]

    # Single documents by their path

    def read(self, id: str) -> Document | None:
        """A document, such as a design document, or None where there is none."""
        try:
            found: Document = self._send("GET", _document_path(id))
        except Missing:
            return None
        return found

    def put(self, document: Document) -> str | None:
        """Write one document, and give its revision; None where it conflicts with what is there.

        It may be sent again where the answer is lost, and conflicts with itself then.
        """
        try:
            said = self._ask("PUT", _document_path(document["_id"]), {}, document)
        except Refused:
            return None
        return str(_part(said, "rev"))

    def indexes(self) -> list[dict[str, Any]]:
        """The indexes of ``_find``."""
        return _list_in(self._ask("GET", "_index"), "indexes")

    def create_index(self, index: Mapping[str, Any]) -> None:
        """Make an index of ``_find``, unless it is there.

        :raises Refused: where its design document was written meanwhile.
        """
        self._ask("POST", "_index", {}, index, is_safe=True)

    # Requests

    def _rows(
        self,
        path: str,
        keys: Mapping[str, Any],
        skip: int,
        limit: int | None,
        *,
        docs: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """The rows of ``_all_docs`` or of a view, page by page.

        Each page begins with the key that the one before it ended with, so that what is written
        meanwhile elsewhere moves no row from one page to another.
        """
        params: dict[str, Any] = {**keys, "include_docs": docs}
        params |= {} if path == _ALL else {"reduce": False}
        left, last, seen = limit, None, skip
        while left is None or left > 0:
            asked = self._at_once(left)
            try:
                if last is None:
                    rows = self._range(path, {**params, "limit": asked, "skip": skip})
                else:
                    rows = self._rows_behind(path, params, last, seen, asked)
            except TooLarge as error:
                self._ask_less(asked, error)
                continue
            yield from rows
            if len(rows) < asked:
                return
            left = None if left is None else left - len(rows)
            for row in rows:
                if last is not None and row["key"] != last["key"]:
                    params["startkey"], seen = row["key"], 0
                last, seen = row, seen + 1

    def _rows_behind(
        self, path: str, params: Mapping[str, Any], last: Mapping[str, Any], seen: int, limit: int
    ) -> list[dict[str, Any]]:
        """The rows that follow one.

        :param params: of which the first key is that of the row, or of the first rows of all.
        :param seen: how many rows there are from that key to the one that they follow.
        """
        behind = {**params, "startkey": last["key"], "limit": limit + 1}
        behind |= {} if path == _ALL else {"startkey_docid": last["id"]}
        rows = self._range(path, behind)
        if rows and rows[0]["key"] == last["key"]:
            if rows[0]["id"] < last["id"]:  # not all servers begin with a document
                return self._range(path, {**params, "limit": limit, "skip": seen})
            if rows[0]["id"] == last["id"]:  # unless it is gone by now
                del rows[0]
        return rows[:limit]

    def _range(self, path: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of ``_all_docs`` or of a view."""
        ask = self._ask if path == _ALL else self._send
        texts = {key: orjson.dumps(params[key]) for key in _KEYS if key in params}
        if sum(map(len, texts.values())) > _MAX_TEXT:
            return _list_in(ask("POST", path, {}, params, is_safe=True), "rows")
        shown = {key: text.decode() for key, text in texts.items()}
        return _list_in(ask("GET", path, {**params, **shown}), "rows")

    def _at_once(self, left: int | None) -> int:
        """How many documents are asked for at once, of those that are wanted."""
        most = min(PAGE, self._most)
        return most if left is None else min(left, most)

    def _ask_less(self, asked: int, error: TooLarge) -> None:
        """Ask for fewer documents at once, as so many were too large together.

        :raises TooLarge: where it was one.
        """
        if asked == 1:
            raise error
        self._most = min(self._most, asked // 2)
        _log.info("%d documents of %s are too large for one answer", asked, self.name)

    def _read(self, path: str, params: Mapping[str, Any], body: Any) -> Any:
        """Ask by POST for what changes nothing."""
        return self._ask("POST", path, params, body, is_safe=True)

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        is_safe: bool | None = None,
    ) -> Any:
        try:
            return self._send(method, path, params, body, is_safe=is_safe)
        except Missing as error:
            _log.error("CouchDB has no database %r (%s): auto_update makes it", self.name, error)
            raise Unavailable(
                "The data source is not available.", retry_after=RETRY_AFTER
            ) from error

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        is_safe: bool | None = None,
    ) -> Any:
        content = None if body is None else orjson.dumps(body)
        answer = self._web.send(
            method,
            f"{self._path}/{path}" if path else self._path,
            params=params,
            content=content,
            headers=None if body is None else {"Content-Type": "application/json"},
            is_safe=is_safe,
        )
        if not answer.is_success:
            raise self._refusal(answer)
        return answer.json()

    def _refusal(self, answer: Answer) -> Exception:
        """The error of an answer that is none of success."""
        if answer.status == 404:
            return Missing(_reason(answer))
        if answer.status in (409, 412) or (answer.status == 500 and _is_conflict(answer)):
            return Refused(_reason(answer))
        if answer.status == 413:
            return PayloadTooLarge("The data source does not take a record of this size.")
        _log.warning("CouchDB refuses %s: %s", self.name, _reason(answer))
        return self._web.refusal(answer)


def _part(said: Any, name: str) -> Any:
    """A part of an answer.

    :raises BadAnswer: where it has none.
    """
    if isinstance(said, Mapping) and name in said:
        return said[name]
    raise _odd()


def _list_in(said: Any, name: str | None = None) -> list[Any]:
    """The list of an answer, or of a part of it, in which each is an object.

    :raises BadAnswer: where there is none.
    """
    found = said if name is None else _part(said, name)
    if isinstance(found, list) and all(each is None or isinstance(each, dict) for each in found):
        return found
    raise _odd()


def _odd() -> BadAnswer:
    return BadAnswer("The data source answers as CouchDB does not.")


def _by_id(query: Mapping[str, Any]) -> dict[str, Any]:
    """A query that an index was to answer, by the ``_id``."""
    selector = query["selector"]
    bounds = {"$gt": None, **selector.get("_id", {})}
    kept = {key: each for key, each in query.items() if key != "use_index"}
    return {**kept, "selector": {**selector, "_id": bounds}, "sort": [{"_id": "asc"}]}


def _behind(query: Mapping[str, Any], id: str) -> dict[str, Any]:
    """A query by the ``_id`` for what comes after one."""
    selector = query["selector"]
    bounds = {key: bound for key, bound in selector["_id"].items() if key != "$gte"}
    return {**query, "selector": {**selector, "_id": {**bounds, "$gt": id}}}


def _written(row: Mapping[str, Any]) -> Written:
    """What a row of the answer says of a document."""
    problem = row.get("error")
    if row.get("rev") and not problem:
        return str(row["rev"])
    if problem == "conflict" or row.get("name") == "conflict":
        return None
    reason = str(row.get("reason") or problem)
    if problem in ("forbidden", "unauthorized"):
        # It is what a function of the database, that looks at documents, says to their authors.
        return Forbidden(reason)
    return RuntimeError(f"CouchDB does not take the document {row.get('id')!r}: {reason}")


def view_path(design: str, view: str) -> str:
    """The path of a view."""
    return f"_design/{path_of(design)}/_view/{path_of(view)}"


def _document_path(id: str) -> str:
    kind, _, name = id.partition("/")
    return f"{kind}/{path_of(name)}" if kind == "_design" else path_of(id)


def _ends(start: str, end: str, *, descending: bool = False) -> dict[str, Any]:
    """The keys of a range of ids."""
    if not descending:
        return {"startkey": start, "endkey": end, "inclusive_end": False}
    return {"startkey": end, "endkey": start, "descending": True}


def _is_conflict(answer: Answer) -> bool:
    """Whether a failure is that of an index whose design document was written meanwhile."""
    return b"error_saving_ddoc" in answer.content and b"conflict" in answer.content


def _reason(answer: Answer) -> str:
    try:
        said = orjson.loads(answer.content)
        return str(said.get("reason") or said.get("error"))
    except (orjson.JSONDecodeError, AttributeError):
        return str(answer.status)
