"""Mailing: what the mails of :class:`~flask_loop.Email` go through until they are sent."""

from .delivery import Mailer, Way, defer, deliver, queue_of, send, send_later
from .queue import MailQueue
from .reading import KEYS, python_keys, read_message
from .templates import render, render_bodies

__all__ = [
    "KEYS",
    "MailQueue",
    "Mailer",
    "Way",
    "defer",
    "deliver",
    "python_keys",
    "queue_of",
    "read_message",
    "render",
    "render_bodies",
    "send",
    "send_later",
]
