"""Limits: how much one request may ask of the other app, as far as it is known."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from ...errors import BadRequest

#: Levels in a where, and comparisons in it, which Flask-Loop takes where nothing else is set.
MAX_CONDITIONS = 200
#: The largest body that Flask-Loop takes where nothing else is set, in bytes.
MAX_BODY = 1024 * 1024

#: What the other app says where something is past one of its bounds, and which it is.
_SAID = (
    (re.compile(r"\blimit is more than (\d+)\b"), "page"),
    (re.compile(r"\bhas more than (\d+) (?:values|records)\b"), "values"),
    (re.compile(r"\bis past the (\d+) conditions\b|\bhas more than (\d+) parts\b"), "conditions"),
)
_log = logging.getLogger(__name__)


@dataclass
class Limits:
    """What is asked of the other app at once.

    :ivar page: records in one answer.
    :ivar values: values in one ``inq``, and records in one body.
    :ivar conditions: comparisons in one where.
    :ivar url: characters in the path and the query of one request.
    :ivar body: bytes in one body.
    """

    page: int
    values: int
    url: int
    conditions: int = MAX_CONDITIONS
    body: int = MAX_BODY

    def learn(self, refusal: BadRequest, asked: Limits) -> bool:
        """Take a lower bound from a refusal.

        :param asked: the bounds that were known when it was asked; others may have learned since.
        :returns: whether there is a lower one, so that it may be asked again for less.
        """
        for pattern, name in _SAID:
            found = pattern.search(refusal.message)
            if found is None:
                continue
            bound = int(next(filter(None, found.groups())))
            if 0 < bound < getattr(self, name):
                setattr(self, name, bound)
                _log.info("the other app takes at most %d %s at once", bound, name)
            return 0 < bound < int(getattr(asked, name))
        return False
