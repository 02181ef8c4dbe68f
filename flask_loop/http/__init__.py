"""What REST makes of Flask's requests, and what it answers: callers, bodies, streams, errors."""

from .authenticator import Authenticator
from .cookies import set_cookie_defaults
from .cross_site import csrf_token
from .errors import error_response, propagates, unknown_path
from .requests import bounds_of, reader_of
from .responses import Head, default_status, respond
from .rules import LazyRule, adding_rules, flask_path, rules_of, shape, shown_path
from .transactions import RequestTransactions
from .unrouted import answer_unrouted

__all__ = [
    "Authenticator",
    "Head",
    "LazyRule",
    "RequestTransactions",
    "adding_rules",
    "answer_unrouted",
    "bounds_of",
    "csrf_token",
    "default_status",
    "error_response",
    "flask_path",
    "propagates",
    "reader_of",
    "respond",
    "rules_of",
    "set_cookie_defaults",
    "shape",
    "shown_path",
    "unknown_path",
]
