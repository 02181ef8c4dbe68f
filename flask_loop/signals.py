"""Blinker signals for the life of a call and of a record, named as Flask names its own.

The signals of calls are sent by the app, those of records by the model's class::

    from flask_loop.signals import remote_call_started

    @remote_call_started.connect_via(app)
    def count(sender, ctx):
        statsd.increment(ctx.method_string)
"""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

#: A remote method is about to run, before its arguments are read. With ``ctx``.
remote_call_started = _signals.signal("remote-call-started")
#: A remote method succeeded, after its hooks. With ``ctx``.
remote_call_finished = _signals.signal("remote-call-finished")
#: A remote method, or a hook of it, raised. With ``ctx`` and ``exception``.
got_remote_call_exception = _signals.signal("got-remote-call-exception")

#: A record was stored. With ``instance`` and ``created``, whether it is new.
record_saved = _signals.signal("record-saved")
#: All records that match a where were changed. With ``where``, ``data`` and ``count``.
records_updated = _signals.signal("records-updated")
#: Records were deleted. With ``where``, ``count`` and, where it was one, its ``instance``.
records_deleted = _signals.signal("records-deleted")

#: A mail was given up, or not sent to everybody; the app sends it. With ``message``, the mail, and
#: ``error``, which says why and who was refused.
mail_failed = _signals.signal("mail-failed")

RECORD_SIGNALS = (record_saved, records_updated, records_deleted)
