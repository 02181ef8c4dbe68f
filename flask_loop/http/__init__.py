"""What REST makes of Flask's requests, and what it answers: bodies, uploads, streams, errors."""

from .errors import error_response, propagates, unknown_path
from .requests import bounds_of, reader_of
from .responses import Head, default_status, respond
from .rules import LazyRule, adding_rules, flask_path, rules_of, shape, shown_path
from .transactions import RequestTransactions
from .unrouted import answer_unrouted

__all__ = [
    "Head",
    "LazyRule",
    "RequestTransactions",
    "adding_rules",
    "answer_unrouted",
    "bounds_of",
    "default_status",
    "error_response",
    "flask_path",
    "propagates",
    "reader_of",
    "respond",
    "rules_of",
    "shape",
    "shown_path",
    "unknown_path",
]
