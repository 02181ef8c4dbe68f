"""Scanning: what Python does with the records that a backend could not narrow down further.

How many it may read for that is bounded by the setting ``max_scan``: past it there is an error,
and never an answer with something missing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence, Sized
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from ..definition import ModelDefinition
from ..errors import TooMuchToRead
from ..query import Filter, Where, in_order, predicate

if TYPE_CHECKING:
    from .base import Connector, Record, Rows

T = TypeVar("T")

#: How many records are read at most, where the data source does not say it.
MAX_SCAN = 100_000

_log = logging.getLogger(__name__)


def bounded(definition: ModelDefinition, found: Iterable[T], most: int) -> list[T]:
    """What a backend found, all of it.

    :param found: what comes in order to be looked at in Python; at most one more than ``most`` is
        taken from it.
    :param most: how many may be read.
    :raises TooMuchToRead: where there are more.
    """
    read = list(islice(found, most + 1))
    refuse_more(definition, read, most)
    return read


def scanned(connector: Connector, definition: ModelDefinition, filter: Filter) -> Rows:
    """What a connector finds that others look at in Python, all of it.

    :param filter: without a page; where its order is empty, they come in any.
    :raises TooMuchToRead: where there are more than the connector's ``max_scan``.
    """
    most = connector.max_scan
    found = connector.select(definition, replace(filter, limit=most + 1))
    refuse_more(definition, found, most)
    return found


def refuse_more(definition: ModelDefinition, found: Sized, most: int) -> None:
    """Refuse to look at more records than may be read.

    :param found: one more than ``most`` of them, where there are so many.
    :raises TooMuchToRead: where there are.
    """
    if len(found) > most:
        raise too_much_to_read(definition, most)


def too_much_to_read(definition: ModelDefinition, most: int) -> TooMuchToRead:
    """The error of a filter for which more records would have to be read than may be.

    The log says what the data source could be given; clients have only their filter to change.
    """
    _log.warning(
        "more than %d records of %s would have to be read: give the filter a where that narrows "
        "them down by an index, or raise the data source's setting max_scan",
        *(most, definition.name),
    )
    return TooMuchToRead(definition.name, most)


def sifted(
    records: Sequence[Record], filter: Filter, rest: Where | None, *, is_ordered: bool
) -> list[int]:
    """The places of the records that a filter is about, in its order, cut to its page.

    :param records: those that the backend narrowed down to, with all that ``rest`` and the order
        look at.
    :param filter: the filter.
    :param rest: the part of its where that is left for Python.
    :param is_ordered: whether they come in the filter's order already.
    """
    places = list(range(len(records)))
    if rest is not None:
        matches = predicate(rest)
        places = [place for place in places if matches(records[place])]
    if not is_ordered:
        places = in_order(filter, places, records.__getitem__)
    end = None if filter.limit is None else filter.skip + filter.limit
    return places[filter.skip : end]
