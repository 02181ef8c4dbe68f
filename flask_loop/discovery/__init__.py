"""Discovery: the tables of a database that is there become definitions, models, and their files."""

from .documents import Document, Schemas, schema_of_seed, with_default_owner
from .files import Written, json_files, python_files, write
from .models import build_models
from .names import NameMapper, camel_names, snake_names
from .source import DiscoversModels

__all__ = [
    "DiscoversModels",
    "Document",
    "NameMapper",
    "Schemas",
    "Written",
    "build_models",
    "camel_names",
    "json_files",
    "python_files",
    "schema_of_seed",
    "snake_names",
    "with_default_owner",
    "write",
]
