"""The documentation of an API: OpenAPI documents of its remote methods, and the page at /_docs."""

from .page import add_docs

__all__ = ["add_docs"]
