"""Letters: the mails to users that carry a link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app

from ..definition import nearest, wire_name
from ..email import Email
from ..errors import ValidationError
from ..mailing import render_bodies
from .apps import current_state
from .pages import named
from .redirects import is_allowed

#: What may be said of such a mail, by Python name. What any mail has is there but for its copies,
#: as whoever has the link may use it.
_OF_MAIL = ("to", "from_", "subject", "text", "reply_to", "attachments", "headers")
_OWN = ("type", "template", "redirect", "href", "context", "mailer")
_SPELLINGS = {
    **{each: name for name in (*_OF_MAIL, *_OWN) for each in (name, wire_name(name))},
    "from": "from_",
    "verifyHref": "href",
    "verify_href": "href",
}
_LINK = "{href}"
NO_SENDER = (
    "a mail to a user needs a sender: set MAIL_DEFAULT_SENDER, the default_sender of the data "
    "source of mail, or `from_` in the model's Meta.verification and Meta.reset"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail with a link is made of.

    :ivar options: what was said of it, by Python name.
    """

    options: Mapping[str, Any]

    @classmethod
    def of(cls, *given: Mapping[str, Any] | None) -> Letter:
        """Read what is said of a mail, in either spelling; the later goes before the earlier.

        :raises TypeError: naming an option that there is not.
        :raises ValueError: where it is to be sent other than by mail.
        """
        options: dict[str, Any] = {}
        for each in given:
            for key, value in (each or {}).items():
                if key not in _SPELLINGS:
                    raise TypeError(f"such a mail has no {key!r}{nearest(str(key), _SPELLINGS)}")
                options[_SPELLINGS[key]] = value
        for name in ("text", "template", "href", "redirect"):
            if not isinstance(options.get(name), str | None):
                raise TypeError(f"the {name} of such a mail is text, not {options[name]!r}")
        if options.get("type", "email") != "email":
            raise ValueError(f"the type is 'email', not {options['type']!r}")
        return cls(options)

    @property
    def has_sender(self) -> bool:
        """Whether somebody says who it is from, as far as that is known without sending it."""
        if self.options.get("from_") or self.options.get("mailer") or Email.data_source is not None:
            return True
        mail = current_app.extensions.get("mail")
        state = current_state()
        is_sent_by_source = state is not None and "mail" in state.data_sources
        default = current_app.config.get("MAIL_DEFAULT_SENDER") if mail is None else None
        return bool(is_sent_by_source or default or getattr(mail, "default_sender", None))

    @property
    def href(self) -> str | None:
        """The page of the app's own to which the link leads."""
        return self.options.get("href")

    @property
    def redirect(self) -> str | None:
        """Where a browser goes when the link was followed."""
        return self.options.get("redirect")

    def refuse_elsewhere(self, allowed: Iterable[str]) -> None:
        """Refuse to send browsers to a place that is not allowed.

        :param allowed: what the app allows beside its own paths.
        :raises ValueError: naming the place.
        """
        if self.redirect and not is_allowed(self.redirect, allowed):
            raise ValueError(
                f"the redirect {self.redirect!r} is neither a path of the app nor below one of "
                "LOOP_ALLOWED_REDIRECTS"
            )

    def send(self, user: Any, link: str) -> None:
        """Send the mail in the background.

        :param user: whom the mail is about, for its template.
        :param link: the link.
        :raises RuntimeError: where nobody says who it is from.
        """
        mailer = self.options.get("mailer") or Email
        parts = {name: self.options[name] for name in _OF_MAIL if name in self.options}
        parts |= self._bodies(user, link)
        try:
            mailer.send(**{"to": user.email, **parts}, background=True)
        except ValidationError as error:
            if all(each.path != ("from_",) for each in error.failures):
                raise
            raise RuntimeError(NO_SENDER) from error  # which no client could have given

    def _bodies(self, user: Any, link: str) -> dict[str, str]:
        """The text of the mail, and its HTML where it has such."""
        template, written = self.options.get("template"), self.options.get("text") or _LINK
        text = written if _LINK in written else f"{written}\n\n{_LINK}"
        bodies = {"text": text.replace(_LINK, link)}
        if not template:
            return bodies
        context = {
            "user": user,
            "href": link,
            "subject": self.options.get("subject"),
            "text": written.replace(_LINK, "").strip(),
            **(self.options.get("context") or {}),
        }
        rendered = named(template, lambda name: render_bodies(name, context))
        return rendered if "html" not in rendered else {**bodies, **rendered}
