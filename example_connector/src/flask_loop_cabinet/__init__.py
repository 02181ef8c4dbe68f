"""Flask-Loop-Cabinet: data sources whose records are JSON files."""

from .connector import CabinetConnector

__all__ = ["CabinetConnector"]
