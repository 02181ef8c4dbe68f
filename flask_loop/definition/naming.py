"""Names: on the wire, in paths, and those that a property must not have."""

from __future__ import annotations

import keyword
import re

import inflection

#: Names that a property cannot have: Python's keywords, what every model has as an attribute, and
#: what models will have, so that a later version breaks no model. Nothing is added to them.
RESERVED = frozenset(
    {
        *keyword.kwlist,
        "after_remote",
        "after_remote_error",
        "all",
        "attach_to",
        "before_remote",
        "belongs_to",
        "count",
        "create",
        "data_source",
        "definition",
        "delete",
        "delete_all",
        "delete_by_id",
        "destroy",
        "destroy_all",
        "destroy_by_id",
        "disable_remote",
        "embeds_many",
        "embeds_one",
        "enable_remote",
        "errors",
        "exists",
        "extend",
        "find",
        "find_by_id",
        "find_by_ids",
        "find_one",
        "find_or_create",
        "from_record",
        "from_mongoengine",
        "from_sqlalchemy",
        "has_and_belongs_to_many",
        "has_many",
        "has_one",
        "include",
        "is_new_record",
        "is_valid",
        "model_name",
        "observe",
        "patch_attributes",
        "properties",
        "references_many",
        "relation_name_for",
        "reload",
        "remote_method",
        "replace_attributes",
        "replace_by_id",
        "replace_or_create",
        "save",
        "schema",
        "to_dict",
        "to_record",
        "update_all",
        "update_attribute",
        "update_attributes",
        "update_or_create",
        "upsert",
        "upsert_with_where",
        "validate",
        "validates_absence_of",
        "validates_exclusion_of",
        "validates_format",
        "validates_format_of",
        "validates_inclusion_of",
        "validates_length_of",
        "validates_numericality_of",
        "validates_presence_of",
        "validates_uniqueness_of",
    }
)

#: What would make a path ambiguous, or part of a pattern.
_UNFIT_IN_PATHS = re.compile(r"[\x00-\x1f\x7f<>?#%\\]")
_INNER_UNDERSCORE = re.compile(r"(?<=[A-Za-z0-9])_([A-Za-z0-9])")


def wire_name(name: str) -> str:
    """The camelCase spelling of a Python name.

    Only an underscore between letters or digits is dropped, so that ``_id`` stays; so is the one
    that keeps a property from a reserved name.

    >>> wire_name("unit_price"), wire_name("_id"), wire_name("count_"), wire_name("unitPrice")
    ('unitPrice', '_id', 'count', 'unitPrice')
    """
    return _INNER_UNDERSCORE.sub(lambda found: found[1].upper(), unescaped(name))


def unescaped(name: str) -> str:
    """The name without the ``_`` that keeps it from a reserved one."""
    return name[:-1] if name.endswith("_") and name[:-1] in RESERVED else name


def python_name(name: str) -> str:
    """The Python name of a property that was written as data: a reserved one gets a ``_``."""
    return f"{name}_" if name in RESERVED else name


def unfit_property_name(name: object) -> str | None:
    """Say why a property cannot be called so, or None."""
    if not isinstance(name, str):
        return "is not text"
    if not name.strip() or name != name.strip():
        return "is blank, or begins or ends with a space"
    if "." in name:
        return "has a dot, which in filters leads into an object"
    if name.startswith("__"):
        return "begins with two underscores, as Python's own names do"
    return None


def unfit_model_name(name: object) -> str | None:
    """Say why a model, or its path, cannot be called so, or None."""
    if not isinstance(name, str):
        return "is not text"
    if not name.strip("/ ") or name != name.strip():
        return "is blank, or begins or ends with a space"
    found = _UNFIT_IN_PATHS.search(name)
    return None if found is None else f"has {found[0]!r}, which cannot be in a path"


def lower_camel(name: str) -> str:
    """``CoffeeShop`` → ``coffeeShop``; ``HTTPServer`` → ``httpServer``."""
    head = re.match(r"[A-Z]+(?![a-z])|[A-Z]", name)
    return name if head is None else head[0].lower() + name[head.end() :]


def plural(name: str) -> str:
    """The English plural of a model's name, its case kept.

    >>> plural("color"), plural("Color"), plural("coffee-shop"), plural("city")
    ('colors', 'Colors', 'coffee-shops', 'cities')
    """
    return str(inflection.pluralize(name))
