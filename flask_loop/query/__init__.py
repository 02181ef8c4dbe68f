"""Filters: one normal form, the ways to write it, and what it means in plain Python."""

from .bounds import UNBOUNDED, Bounds
from .expressions import PropertyExpression, WhereExpression
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
from .parser import FilterParser
from .predicate import apply, predicate, sort_key
from .text import parse_pairs, parse_query
from .where import OPERATORS

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "OPERATORS",
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
    "Related",
    "Where",
    "WhereExpression",
    "apply",
    "both",
    "conjuncts",
    "equality",
    "parse_pairs",
    "parse_query",
    "predicate",
    "sort_key",
]
