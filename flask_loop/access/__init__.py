"""Access control: who may call which methods, and for which records."""

from .context import AccessContext
from .policy import AccessControl, Explanation

__all__ = ["AccessContext", "AccessControl", "Explanation"]
