"""Declarations of remote methods: what may be called, with what, and where.

A :class:`RemoteMethod` says all that the routes, the OpenAPI document and the command line know of
a method. How it is called is in :mod:`flask_loop.remoting`.
"""

from .declaration import OF_THE_CALL, PLACEHOLDER, Argument, Reach, RemoteMethod, Returns, Route
from .declared import declared_methods, waiting_methods
from .generation import Generation
from .marking import (
    RemoteMethods,
    found_in,
    put_method,
    remote_method,
    shared,
    take_method,
)

__all__ = [
    "OF_THE_CALL",
    "PLACEHOLDER",
    "Argument",
    "Generation",
    "Reach",
    "RemoteMethod",
    "RemoteMethods",
    "Returns",
    "Route",
    "declared_methods",
    "found_in",
    "put_method",
    "remote_method",
    "shared",
    "take_method",
    "waiting_methods",
]
