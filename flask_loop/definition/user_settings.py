"""The settings of models of users, beside those that every model has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .settings import A_MAPPING, FLAG, TEXT, Kind, Settings

_TWO_WEEKS = 14 * 24 * 60 * 60
_A_YEAR = 31_556_926
_FIFTEEN_MINUTES = 15 * 60
_THREE_DAYS = 3 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class UserSettings(Settings):
    """The settings of a model that derives from :class:`~flask_loop.User`.

    :ivar require_email_verification: whether users log in only after they have verified their
        address.
    :ivar ttl: how long a session lasts, in seconds, where a login does not say it.
    :ivar max_ttl: the longest that a login may ask for, in seconds.
    :ivar allow_eternal_tokens: whether a login may ask for a ttl of -1, which never ends.
    :ivar realm_required: whether every login says its realm.
    :ivar realm_delimiter: what stands between a realm and the name of a user in one text.
    :ivar reset_template: the template of the page on which a password is reset.
    :ivar reset_ttl: how long the link in a reset mail is good, in seconds.
    :ivar verification_ttl: how long the link in a verification mail is good, in seconds.
    :ivar verification: what ``user.verify()`` takes where it is not given: ``from_``, ``subject``,
        ``text``, ``template``, ``redirect``, …
    :ivar reset: the same of the mail that ``User.reset()`` sends.
    """

    require_email_verification: bool = False
    ttl: int = _TWO_WEEKS
    max_ttl: int = _A_YEAR
    allow_eternal_tokens: bool = False
    realm_required: bool = False
    realm_delimiter: str | None = None
    reset_template: str | None = None
    reset_ttl: int = _FIFTEEN_MINUTES
    verification_ttl: int = _THREE_DAYS
    verification: Mapping[str, Any] = field(default_factory=dict)
    reset: Mapping[str, Any] = field(default_factory=dict)


_SECONDS = Kind(
    "a positive whole number of seconds",
    lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
)
_TTL = Kind(
    "a positive whole number of seconds, or -1 for ever",
    lambda value: _SECONDS.fits(value) or value == -1,
)
UserSettings.kinds = {
    **Settings.kinds,
    "require_email_verification": FLAG,
    "ttl": _TTL,
    "max_ttl": _SECONDS,
    "allow_eternal_tokens": FLAG,
    "realm_required": FLAG,
    "realm_delimiter": TEXT,
    "reset_template": TEXT,
    "reset_ttl": _SECONDS,
    "verification_ttl": _SECONDS,
    "verification": A_MAPPING,
    "reset": A_MAPPING,
}
UserSettings.spellings = {
    **Settings.spellings,
    **{name: name for name in UserSettings.kinds},
    "requireEmailVerification": "require_email_verification",
    "emailVerificationRequired": "require_email_verification",
    "requireEmailVerfication": "require_email_verification",
    "require_email_verfication": "require_email_verification",
    "email_verification_required": "require_email_verification",
    "maxTTL": "max_ttl",
    "allowEternalTokens": "allow_eternal_tokens",
    "realmRequired": "realm_required",
    "realmDelimiter": "realm_delimiter",
    "resetTemplate": "reset_template",
    "resetPasswordTokenTTL": "reset_ttl",
    "verificationTTL": "verification_ttl",
}
