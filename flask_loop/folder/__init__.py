"""Loading models from LoopBack's JSON files."""

from .loading import Folder

__all__ = ["Folder"]
