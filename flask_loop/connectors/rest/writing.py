"""Writing: one record after the other, each of which can be undone."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from ...errors import Conflict
from ..base import Record
from ..undoing import Undoing
from ..web import Answer, BadAnswer, WebClient
from .errors import refused
from .reading import GONE, get
from .resource import Remote, Resource


class Writer:
    """Writes the records of one resource.

    :param client: what speaks to the server.
    :param resource: the resource.
    :param undoing: what is told of each write.
    """

    def __init__(self, client: WebClient, resource: Resource, undoing: Undoing) -> None:
        self.resource = resource
        self._client = client
        self._undoing = undoing

    def insert(self, record: Record, place: tuple[int, ...] = ()) -> Any:
        """Store a new record, and give its id.

        :param place: its position, where it is one of several.
        :raises DuplicateId: where a record with an id exists.
        """
        resource, given = self.resource, self.resource.definition.id_of(record)
        if given is not None and resource.path_to(given) is None:
            raise Conflict(
                f'The data source has no {resource.definition.name} with the id "{given}".',
                error_code="REFUSED",
            )
        sent = resource.without_nulls(resource.encode(record))
        self._undoing.will_write()
        answer = self._client.send("POST", resource.path, json=sent)
        if not answer.is_success:
            raise refused(self._client, resource, answer, id=given, place=place)
        id = self._new_id(answer, given)
        sent = {key: value for key, value in sent.items() if key != resource.id_field}
        self._undoing.wrote(partial(self._take_back, id, sent, answer))
        return id

    def change(self, old: Remote, changes: Record) -> int:
        """Change some properties of a record, and say how many there were: one or none."""
        resource = self.resource
        sent = resource.encode(changes)
        if resource.shape.update == "PUT":
            kept = {key: each for key, each in old.items() if key not in sent}
            return self._write("PUT", old, {**kept, **resource.without_nulls(sent)}, sent)
        return self._write("PATCH", old, sent, sent)

    def replace(self, old: Remote, record: Record) -> int:
        """Put a record in the place of another one, likewise."""
        resource = self.resource
        new = resource.replaced(old, record)
        # What else the server has in a record, it may have changed by itself.
        own = {*resource.names, *resource.encode(record)}
        return self._write("PUT", old, new, {key: new.get(key) for key in own})

    def delete(self, old: Remote) -> int:
        """Delete a record, likewise."""
        self._undoing.will_write()
        answer = self._client.send("DELETE", self._path(self.resource.id_of(old)))
        is_gone = answer.status in GONE
        if is_gone and not answer.is_second:
            return 0
        if not (is_gone or answer.is_success):
            raise refused(self._client, self.resource, answer)
        self._undoing.wrote(partial(self._bring_back, old))
        return 1

    def _write(self, method: str, old: Remote, body: Remote, changed: Remote) -> int:
        """Send what a record becomes.

        :param changed: the fields that are not what they were.
        """
        id = self.resource.id_of(old)
        self._undoing.will_write()
        answer = self._client.send(method, self._path(id), json=body)
        if answer.status in GONE:
            return 0
        if not answer.is_success:
            raise refused(self._client, self.resource, answer)
        self._undoing.wrote(partial(self._put_back, id, method, old, changed, answer))
        return 1

    def _path(self, id: Any) -> str:
        path = self.resource.path_to(id)
        if path is None:
            raise BadAnswer(f"The data source has a {self.resource.definition.name} without id.")
        return path

    def _new_id(self, answer: Answer, given: Any) -> Any:
        """The id of a record that was stored."""
        resource = self.resource
        found = self._said_of_new(answer)
        if found.get(resource.id_field) is not None:
            return resource.id_of(found)
        if given is not None:
            return given
        place = urlsplit(answer.headers.get("location", "")).path.rstrip("/")
        end = place.rpartition("/")[2]
        is_list = place.endswith(resource.path) and not place.endswith(f"{resource.path}/{end}")
        if not end or is_list:
            raise BadAnswer("The data source does not say which id the new record has.")
        return resource.id_from(unquote(end))

    def _said_of_new(self, answer: Answer) -> Remote:
        """What an answer has of a record that was stored: nothing, if it only says that it was.

        :raises BadAnswer: where it does not say that either.
        """
        if not answer.content.strip():
            return {}
        try:
            return self.resource.one(answer)
        except BadAnswer:
            if answer.status == 201 or "location" in answer.headers:
                return {}
            raise

    # Undoing

    def _take_back(self, id: Any, sent: Remote, answer: Answer) -> None:
        if self._is_still(id, self._written(sent, answer)):
            self._done("DELETE", id, None)

    def _put_back(self, id: Any, method: str, old: Remote, changed: Remote, answer: Answer) -> None:
        if self._is_still(id, self._written(changed, answer)):
            before = old if method == "PUT" else {key: old.get(key) for key in changed}
            self._done(method, id, before)

    def _bring_back(self, old: Remote) -> None:
        answer = self._client.send("POST", self.resource.path, json=old)
        if not answer.is_success and answer.status != 409:
            raise refused(self._client, self.resource, answer)

    def _written(self, sent: Remote, answer: Answer) -> Remote:
        """What a server wrote of what it was sent: it may have a form of its own for it."""
        try:
            found = self.resource.one(answer)
        except BadAnswer:
            found = {}
        return {key: found.get(key, value) for key, value in sent.items()}

    def _is_still(self, id: Any, written: Remote) -> bool:
        """Whether a record is there as it was written, so that nobody has changed it since."""
        found = get(self._client, self.resource, id)
        return found is not None and all(found.get(key) == value for key, value in written.items())

    def _done(self, method: str, id: Any, body: Remote | None) -> None:
        path = self._path(id)
        if body is None:
            answer = self._client.send(method, path)
        else:
            answer = self._client.send(method, path, json=body)
        if not answer.is_success and answer.status not in GONE:
            raise refused(self._client, self.resource, answer)
