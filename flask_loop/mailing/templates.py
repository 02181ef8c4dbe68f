"""Templates of mails and pages: the app's own, and where it has none, those of Flask-Loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import current_app, render_template
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader
from jinja2.exceptions import TemplateNotFound

#: Where the templates of Flask-Loop's own mails and pages are.
_OWN = Path(__file__).parents[1] / "accounts" / "templates"
_HTML = (".html", ".htm", ".xhtml")
_TEXT = ".txt"

#: Where an app's environment keeps the one that has our templates too.
_ATTRIBUTE = "loop_templates"


def render(name: str, context: Mapping[str, Any]) -> str:
    """Render a template, with what Flask's ``render_template`` gives to templates.

    :param name: its name; a template of the app takes the place of Flask-Loop's own.
    :param context: its variables.
    :raises TemplateNotFound: where there is none.
    """
    return render_template(_environment().get_template(name), **context)


def render_bodies(name: str, context: Mapping[str, Any]) -> dict[str, str]:
    """Render the bodies of a mail.

    :param name: the name of a template: of an HTML one, beside which there may be one for the
        plain text (``welcome.html`` and ``welcome.txt``), or of a text.
    :param context: their variables.
    :returns: ``html``, ``text``, or both.
    :raises ValueError: where the name says neither.
    :raises TemplateNotFound: where there is no such template.
    """
    stem, dot, ending = name.rpartition(".")
    ending = dot + ending
    if ending == _TEXT:
        return {"text": render(name, context)}
    if ending not in _HTML:
        raise ValueError(f"a template of a mail is an .html or a .txt, not {name!r}")
    bodies = {"html": render(name, context)}
    try:
        text = _environment().get_template(f"{stem}{_TEXT}")
    except TemplateNotFound as missing:
        if missing.name != f"{stem}{_TEXT}":
            raise
        return bodies
    return {**bodies, "text": render_template(text, **context)}


def _environment() -> Environment:
    """The app's Jinja environment, with our templates behind its own."""
    own = current_app.jinja_env
    known: Environment | None = getattr(own, _ATTRIBUTE, None)
    if known is None:
        known = own.overlay(loader=ChoiceLoader(_loaders(own)))
        own.extend(**{_ATTRIBUTE: known})
    return known


def _loaders(environment: Environment) -> list[BaseLoader]:
    own = FileSystemLoader(_OWN)
    return [own] if environment.loader is None else [environment.loader, own]
