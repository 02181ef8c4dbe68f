"""What attaching gives a model: the operations, each of them a remote method."""

from . import outbox
from .base import OPERATION_OF, OPERATIONS, Attached, Source, guard_overrides, is_overridden
from .bulk import Bulk
from .default_scope import unscoped
from .observation import Observation
from .observed import ObservedPlan, as_observed
from .plan import Plan
from .results import FoundMany, FoundOne, Stored, StoredMany

__all__ = [
    "OPERATIONS",
    "OPERATION_OF",
    "Attached",
    "Bulk",
    "FoundMany",
    "FoundOne",
    "Observation",
    "ObservedPlan",
    "Plan",
    "Source",
    "Stored",
    "StoredMany",
    "as_observed",
    "guard_overrides",
    "is_overridden",
    "outbox",
    "unscoped",
]
