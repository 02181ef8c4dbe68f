"""Filters: one normal form, the ways to write it, and what it means in plain Python."""

from .bounds import UNBOUNDED, Bounds, Reachable
from .expressions import PropertyExpression, WhereExpression
from .includes import names_needed, with_defaults, with_keys
from .nodes import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    Filter,
    Include,
    Inside,
    Near,
    Not,
    Or,
    Order,
    Path,
    Pattern,
    Related,
    Where,
    both,
    conjuncts,
    equality,
)
from .parser import FilterParser, relation_filter
from .paths import read_by
from .predicate import apply, in_order, predicate, sort_key
from .related import RELATION_QUANTIFIERS, has_related, keys_where, reached, scope_where
from .text import parse_pairs, parse_query
from .where import OPERATORS

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "OPERATORS",
    "RELATION_QUANTIFIERS",
    "UNBOUNDED",
    "And",
    "Bounds",
    "Compare",
    "Filter",
    "FilterParser",
    "Include",
    "Inside",
    "Near",
    "Not",
    "Or",
    "Order",
    "Path",
    "Pattern",
    "PropertyExpression",
    "Reachable",
    "Related",
    "Where",
    "WhereExpression",
    "apply",
    "both",
    "conjuncts",
    "equality",
    "has_related",
    "in_order",
    "keys_where",
    "names_needed",
    "parse_pairs",
    "parse_query",
    "predicate",
    "reached",
    "read_by",
    "relation_filter",
    "scope_where",
    "sort_key",
    "with_defaults",
    "with_keys",
]
