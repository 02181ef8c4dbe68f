"""Calling remote methods, whatever the transport. No HTTP in here."""

from .access import Access, Decision, Guard, current_access
from .arguments import Arguments, Given, Target, decode
from .callers import DEFAULT_SCOPES, NOBODY, Caller
from .calls import is_stream
from .context import (
    Context,
    Page,
    Result,
    Transport,
    current_context,
    current_options,
    options,
)
from .data import ClientData
from .exposure import Exposure, idle_registrations
from .ids import form_of_id, id_text, ids_in_path, names_in_id, shown_id, text_of, values_in
from .switches import Switches, SwitchMethods

__all__ = [
    "DEFAULT_SCOPES",
    "NOBODY",
    "Access",
    "Arguments",
    "Caller",
    "ClientData",
    "Context",
    "Decision",
    "Exposure",
    "Given",
    "Guard",
    "Page",
    "Result",
    "SwitchMethods",
    "Switches",
    "Target",
    "Transport",
    "current_access",
    "current_context",
    "current_options",
    "decode",
    "form_of_id",
    "id_text",
    "idle_registrations",
    "ids_in_path",
    "is_stream",
    "names_in_id",
    "options",
    "shown_id",
    "text_of",
    "values_in",
]
