"""A database that was there before its models, in each dialect, and all that a model says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

SCHEMAS = Path(__file__).parent / "schemas"


def make_database(url: str, connector: str) -> None:
    """Run a connector's ``schemas/*.sql`` on an empty database."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    script = (SCHEMAS / f"{connector}.sql").read_text("utf-8")
    script = re.sub(r"^--.*\n", "", script, flags=re.MULTILINE)
    for statement in filter(None, map(str.strip, re.split(r";\n", script))):
        with engine.begin() as connection:
            connection.execute(sa.text(statement.replace(":", r"\:")))


def described(model: type[Any]) -> dict[str, Any]:
    """All that a definition says, whatever it was written in."""
    definition = model.__loop_plan__().definition
    properties = {}
    for name, each in definition.properties.items():
        fields = {field: getattr(each, field) for field in each.__dataclass_fields__}
        del fields["written"]  # each way to write a model has its own words
        if each.default_fn is None:
            fields["default"] = each.make_default()  # "0" and 0 are the same decimal
        properties[name] = fields
    settings = {
        field: getattr(definition.settings, field)
        for field in definition.settings.__dataclass_fields__
        if field not in ("plural", "relations")
    }
    relations = {
        name: (each.kind, each.wire, each.target.name, each.foreign_key, each.primary_key)
        for name, each in definition.relations.items()
    }
    return {
        "name": definition.name,
        "path": definition.http_path,
        "ids": [each.name for each in definition.ids],
        "properties": properties,
        "order": list(properties),
        "settings": settings,
        "relations": relations,
    }
