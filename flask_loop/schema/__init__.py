"""Records and Marshmallow: each model has a schema, and what is compiled from it is fast.

:func:`make_schema` gives a model's Marshmallow schema. :class:`Serializer` checks bodies and writes
rows by it. While the schema is the one that was made, loading runs through a table and dumping
through a function that is generated for the columns at hand; both agree with Marshmallow on every
input. A schema of the user's own is left to Marshmallow itself.
"""

from .fields import (
    BLANK,
    READ_ONLY,
    UNKNOWN,
    Message,
    TypedField,
    load_undeclared,
    make_schema,
    spell_path,
)
from .serializer import Serializer

__all__ = [
    "BLANK",
    "READ_ONLY",
    "UNKNOWN",
    "Message",
    "Serializer",
    "TypedField",
    "load_undeclared",
    "make_schema",
    "spell_path",
]
