"""A city guide on real data: what Flask-Loop makes of a few models.

``python -m example_app`` loads the countries and cities of GeoNames into SQLite, once, and serves
them under http://127.0.0.1:5000/api. ``flask --app example_app run`` does the same.
"""

from example_app.app import create_app

__all__ = ["create_app"]
