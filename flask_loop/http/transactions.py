"""Requests in transactions: the answer is sent when what it tells of is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..connectors import Connector
from ..definition import TransactionOptions
from ..methods import RemoteMethod
from ..model import Model
from ..operations import outbox
from ..remoting import is_stream

if TYPE_CHECKING:
    from flask import Response

#: The verbs of requests that are no transactions, unless the method itself is one.
_READING = frozenset({"GET", "HEAD"})


class RequestTransactions:
    """The transactions in which the requests for a method are answered.

    :param model: the model.
    :param method: its method.
    :param of_requests: what the app asks of its requests, by data source.
    :param connector: gives the connector of a data source that the app has.
    """

    def __init__(
        self,
        model: type[Model],
        method: RemoteMethod,
        of_requests: Mapping[str, TransactionOptions],
        connector: Callable[[str], Connector],
    ) -> None:
        self._model = model
        self._method = method
        self._of_model = model.definition.settings.transaction_options
        self._of_requests = of_requests
        self._connector = connector

    def __bool__(self) -> bool:
        """Whether there are any."""
        asked = self._method.transaction or self._of_model or self._of_requests
        return asked is not None and asked != {}

    def answer(self, verb: str, make: Callable[[], Response]) -> Response:
        """Give an answer when the transactions have ended in which it was made.

        Nothing is kept where it says that the request failed.

        :param verb: the request's.
        :param make: makes the answer.
        """
        try:
            with ExitStack() as stack:
                self._begin(verb, stack)
                response = make()
                if response.status_code >= 400:
                    raise _Failed(response)
        except _Failed as failed:
            return failed.response
        return response

    def refuse_stream(self, outcome: Any) -> None:
        """Refuse what would be made after the end of the transaction that the method asks for.

        :raises RuntimeError: where it is a stream.
        """
        if self._method.transaction is not None and is_stream(outcome):
            raise RuntimeError(
                f"{self._method.wire} is a transaction, which ends before a stream is sent: "
                "give a list, or begin the transaction inside the stream"
            )

    def _begin(self, verb: str, stack: ExitStack) -> None:
        of_request = {} if verb in _READING else self._of_requests
        connectors = {self._connector(name): asked for name, asked in of_request.items()}
        own = self._method.transaction
        if own is None and verb not in _READING:
            own = self._of_model
        if own is not None:
            connectors = {self._own_connector(): own} | {
                connector: asked
                for connector, asked in connectors.items()
                if connector is not self._own_connector()
            }
        around = getattr(self._model.data_source, "around_call", None)
        if around is not None:
            stack.enter_context(around())
        for connector, asked in connectors.items():
            stack.enter_context(outbox.transaction(connector, asked))

    def _own_connector(self) -> Connector:
        source = self._model.data_source
        if source is None:
            name = f"{self._model.model_name}.{self._method.wire}"
            raise RuntimeError(f"{name} is a transaction, and its model has no data source")
        return source.connector


class _Failed(Exception):
    """An answer says that its request failed."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response
