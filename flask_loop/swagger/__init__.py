"""The API's documentation: OpenAPI documents built from the remote methods, and the page at /_docs."""

from .page import add_docs

__all__ = ["add_docs"]
