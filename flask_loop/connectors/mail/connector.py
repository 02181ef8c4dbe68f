"""MailConnector: a data source that sends, and keeps no records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, NoReturn

from ...definition import ModelDefinition
from ...errors import MailError, Unavailable
from ...query import Filter, Where
from ..base import PLAIN, Capabilities, Connector, Record, Rows, TransactionOptions
from ..operations import ON_RECORDS
from .settings import read_settings
from .transports import Transport


class MailConnector(Connector):
    """Sends mails: over SMTP, by a delivery service, or to a console.

    :param settings: ``transport``, which is ``"smtp"`` where not given, and what that takes. SMTP:
        ``host``, ``port``, ``username``, ``password``, ``tls`` (``"starttls"``, ``"implicit"`` or
        None), ``verify`` (the path of a file with the certificates that are trusted, or False),
        ``timeout``. ``"postmark"``: ``token``, ``stream``, ``timeout``. ``"console"`` and
        ``"memory"``: nothing. An object with ``send(message)`` is a transport of one's own.
        ``default_sender`` is who mails are from where they do not say it.
    :raises DefinitionError: naming a setting that is unknown or means nothing.

    :ivar transport: what sends.
    """

    name: ClassVar[str] = "mail"
    capabilities = Capabilities(
        transactions=False, unique=False, undeclared=False, persistent=False
    )
    disabled = ON_RECORDS

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.transport: Transport
        self.transport, self.default_sender = read_settings(settings)

    def ping(self) -> None:
        ping = getattr(self.transport, "ping", None)
        try:
            if ping is not None:
                ping()
        except MailError as error:
            raise Unavailable(str(error)) from None

    def transaction(self, options: TransactionOptions = PLAIN) -> AbstractContextManager[None]:
        return nullcontext()

    def auto_update(self, definitions: Iterable[ModelDefinition]) -> None:
        pass

    def auto_migrate(self, definitions: Iterable[ModelDefinition]) -> None:
        pass

    def existing(self, definitions: Iterable[ModelDefinition]) -> list[str]:
        return []

    def is_actual(self, definitions: Iterable[ModelDefinition]) -> bool:
        return True

    def select(self, definition: ModelDefinition, filter: Filter) -> Rows:
        _refuse()

    def count(self, definition: ModelDefinition, where: Where) -> int:
        _refuse()

    def insert(self, definition: ModelDefinition, records: Sequence[Record]) -> list[Any]:
        _refuse()

    def update(self, definition: ModelDefinition, where: Where, changes: Record) -> int:
        _refuse()

    def delete(self, definition: ModelDefinition, where: Where) -> int:
        _refuse()


def _refuse() -> NoReturn:
    raise RuntimeError("the mail connector sends mails and keeps no records")
