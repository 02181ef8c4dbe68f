"""Reading lists: page by page, where a server has pages."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..web import BadAnswer, WebClient
from .errors import refused
from .resource import Remote, Resource

#: What a server that has no such page may say instead of an empty list.
_NO_SUCH_PAGE = (404, 416)
#: What its header Link has where there is a next page.
_NEXT = re.compile(r"""rel=["']?next\b""", re.IGNORECASE)
#: What it says where there is no such record.
GONE = (404, 410)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a list is asked for.

    :ivar params: what narrows and orders it.
    :ivar skip: how many records are left out, of a server that can.
    :ivar wanted: how many records are wanted, where the server alone decides which.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    skip: int = 0
    wanted: int | None = None


def read_list(client: WebClient, resource: Resource, request: ListRequest) -> Iterator[Remote]:
    """The records of a list, read as they are taken.

    :raises BadAnswer: where the pages do not end, or the only one says that there are others.
    """
    query = resource.shape.query
    params = dict(request.params)
    if not query.has_pages:
        if query.limit and request.wanted is not None:
            params[query.limit] = request.wanted
        found, is_cut = _page(client, resource, params)
        if is_cut and (request.wanted is None or len(found) < request.wanted):
            _log.error(
                "the list of %s has further pages: the setting 'query' says none", resource.path
            )
            raise BadAnswer("The data source answered with a part of a list.")
        yield from found
        return
    size, seen, number = query.page_size, 0, query.first_page
    if request.wanted is not None:
        size = min(size, request.wanted)
    known: set[Any] = set()
    while True:
        params[str(query.limit)] = size
        if query.skip:
            params[query.skip] = request.skip + seen
        else:
            params[str(query.page)] = number
        found, _ = _page(client, resource, params, is_first=request.skip + seen == 0)
        if not found:
            return
        fresh = [each for each in found if resource.id_of(each) not in known]
        if not fresh:
            raise BadAnswer("The data source gives the same page again and again.")
        known.update(map(resource.id_of, fresh))
        yield from fresh
        # A page that is shorter than was asked for need not be the last one: servers have bounds.
        seen += len(found)
        number += 1


def _page(
    client: WebClient, resource: Resource, params: Mapping[str, Any], *, is_first: bool = True
) -> tuple[list[Remote], bool]:
    """The records of one page, and whether the answer says that there are others."""
    answer = client.send("GET", resource.path, params=params)
    if answer.status == 204 or (not is_first and answer.status in _NO_SUCH_PAGE):
        return [], False
    if not answer.is_success:
        raise refused(client, resource, answer, is_read=True)
    is_cut = answer.status == 206 or bool(_NEXT.search(answer.headers.get("link", "")))
    return resource.listed(answer), is_cut


def get(client: WebClient, resource: Resource, id: Any) -> Remote | None:
    """The record with an id, or None."""
    path = resource.path_to(id)
    if path is None:
        return None
    answer = client.send("GET", path)
    if answer.status in GONE:
        return None
    if not answer.is_success:
        raise refused(client, resource, answer, is_read=True)
    found = resource.one(answer, id)
    # A server may know a record by another name too; that is not its id.
    return found if resource.id_of(found) == id else None
