"""What a remote method gave, as Flask's response."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, cast

from flask import Request, Response
from werkzeug.sansio.response import Response as SansIOResponse
from werkzeug.wrappers import Response as AnyResponse

from ..methods import RemoteMethod
from ..model import Model
from ..remoting import Result
from .files import file_response
from .streams import stream_of_values
from .values import JSON, to_json

#: Headers that say something of a body, which is another one where the answer is an error.
_OF_BODY = frozenset(
    (
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "etag",
        "last-modified",
    )
)


class Head(SansIOResponse):
    """What hooks and methods set of an answer: ``status_code``, ``headers``, ``set_cookie()``.

    :param status: the status that the answer has where nobody sets one.
    """

    default_mimetype = None

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self._default = status

    @property
    def status(self) -> str:
        return super().status

    @status.setter
    def status(self, value: str | int | HTTPStatus) -> None:
        if not 200 <= SansIOResponse(value).status_code <= 599:
            raise ValueError(f"{value!r} is no status of an answer; give a number from 200 to 599")
        SansIOResponse.status.fset(self, value)  # type: ignore[attr-defined]

    def apply(self, response: AnyResponse, *, is_error: bool = False) -> None:
        """Put what was set into an answer. Headers take the place of its own, except cookies.

        :param response: the answer.
        :param is_error: whether it is an error, which has its own status and body.
        :raises ValueError: naming a header that has other than Latin-1 text; an error goes without.
        """
        if not is_error and self.status_code != self._default:
            response.status = self.status
        for lower, name in {name.lower(): name for name, _ in self.headers}.items():
            values = self.headers.getlist(name)
            if is_error and (lower in _OF_BODY or not all(map(_is_latin, values))):
                continue
            if not all(map(_is_latin, values)):
                raise ValueError(
                    f"the header {name} cannot be sent, as it is not Latin-1: {values}"
                )
            if lower not in ("set-cookie", "vary"):
                response.headers.setlist(name, values)
            else:
                for value in values:
                    response.headers.add(name, value)


def _is_latin(value: str) -> bool:
    """Whether a server can send a text as a header."""
    return value.isascii() or all(ord(sign) < 256 for sign in value)


#: The types of what is no JSON.
_NOT_JSON = ("file", "stream")


def default_status(method: RemoteMethod, created_status: int) -> int:
    """The status of a method's success where nobody sets another."""
    if method.status is not None:
        return method.status
    if method.creates:
        return created_status
    return 200 if method.has_body else 204


def respond(method: RemoteMethod, outcome: Any, request: Request, status: int) -> Response:
    """Answer with the outcome of a call.

    :param method: the method, whose ``returns`` say what the outcome is: a value, a file, or a
        stream.
    :param outcome: what :meth:`Exposure.invoke <flask_loop.remoting.Exposure.invoke>` gave. An
        answer of Flask's is passed on; an iterator is streamed whatever is declared.
    :param request: Flask's request.
    :param status: the answer's.
    """
    if isinstance(outcome, Result):
        return Response(to_json(outcome.json()), status=status, content_type=JSON)
    if isinstance(outcome, Model) and method.returns[0].type not in _NOT_JSON:
        return Response(to_json(outcome), status=status, content_type=JSON)
    if isinstance(outcome, AnyResponse):
        return cast("Response", outcome)
    root = next((each.type for each in method.returns if each.root), None)
    if root == "file":
        return file_response(outcome, request, status)
    if root == "stream" and outcome is None:
        return Response(status=204)
    if root == "stream" or isinstance(outcome, Iterator):
        is_array = root is not None and root.startswith(("[", "array"))
        # A method that declares nothing has 204, which has no body.
        status = 200 if status == 204 else status
        return stream_of_values(outcome, request, is_array=is_array, status=status)
    if not method.has_body or (outcome is None and method.returns[0].or_nothing):
        return Response(status=status if method.status is not None else 204)
    return Response(to_json(outcome), status=status, content_type=JSON)
