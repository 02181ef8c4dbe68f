"""The guide's Loop, and where its records and its mails go."""

from __future__ import annotations

from flask_loop import Loop

loop = Loop(url_prefix="/api")
db = loop.data_source("db")
mail = loop.data_source("mail")
