"""Validation: rules with LoopBack's codes and messages, on Marshmallow."""

from .methods import ValidationMethods
from .rules import (
    Absence,
    Custom,
    Exclusion,
    Format,
    Inclusion,
    Length,
    Numericality,
    Presence,
    Range,
    Rule,
    Uniqueness,
)
from .validator import Batch, Validator

__all__ = [
    "Absence",
    "Batch",
    "Custom",
    "Exclusion",
    "Format",
    "Inclusion",
    "Length",
    "Numericality",
    "Presence",
    "Range",
    "Rule",
    "Uniqueness",
    "ValidationMethods",
    "Validator",
]
