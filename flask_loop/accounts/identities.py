"""Identities: which user somebody is whom a provider knows.

Who can log in as whom is decided here, and by two facts alone: an identity that is linked already,
and an address that both the provider and the app know to be theirs. Whoever has neither gets an
account of their own, or is refused and told why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..definition import prop
from ..errors import Conflict, DefinitionError, DuplicateId, Unauthorized, ValidationError
from ..model import Model, Prop
from .addresses import is_address, normal_address
from .login import id_as_json
from .providers import Profile, Provider
from .records import has_realms


class Identity(Model):
    """What a provider of logins calls a user.

    Each model of users has an own model of identities, which derives from this one; it is made by
    :class:`~flask_loop.oauth.ThirdPartyLogin`, and has the property ``user_id`` and the relation
    ``user`` besides. A user's identities go when the user does. No token of the provider is kept.

    :ivar provider: the provider's name.
    :ivar subject: what it calls the user.
    :ivar email: the address that it vouched for when the user last logged in.
    :ivar created: when it was linked.
    """

    __loop_bundled__: ClassVar[bool] = True

    provider: Prop[str] = prop(id=1, max_length=64)
    subject: Prop[str] = prop(id=2, max_length=255)
    email: Prop[str | None] = prop(default=None, max_length=320)
    created: Prop[datetime] = prop(default=lambda: datetime.now(UTC))

    class Meta:
        acls = ({"principal_type": "ROLE", "principal_id": "$everyone", "permission": "DENY"},)


class EmailNotVerified(Unauthorized):
    """There is no address that is known to be theirs."""

    error_code = "EMAIL_NOT_VERIFIED"


class NoAccount(Unauthorized):
    """There is no account, and none is made."""

    error_code = "NO_ACCOUNT"


class AccountExists(Conflict):
    """An account has the address already, and who logs in may be somebody else."""

    error_code = "ACCOUNT_EXISTS"


class IdentityTaken(Conflict):
    """The identity is linked to another user."""

    error_code = "IDENTITY_TAKEN"


class LastWayIn(Conflict):
    """Without this identity, the user could not log in any more."""

    error_code = "LAST_WAY_IN"


def model_for(users: Any, given: Any = None) -> Any:
    """The model of the identities of a model of users, made where it has none.

    :param users: the model of users.
    :param given: a model of the app's own, which derives from :class:`Identity`.
    :raises DefinitionError: where there is no such model for these users.
    """
    if len(users.definition.ids) != 1:
        raise DefinitionError(
            f"third-party login is for users with an id of one property; {users.model_name} has "
            f"{len(users.definition.ids)}"
        )
    known = users.__dict__.get(_ATTRIBUTE)
    if known is not None and given in (None, known):
        return known
    if known is not None:
        raise DefinitionError(
            f"the users of {users.model_name} have the identities of {known.model_name} already"
        )
    if given is None:
        given = Identity.extend(f"{users.model_name}Identity")
    elif not (isinstance(given, type) and issubclass(given, Identity)) or given is Identity:
        raise DefinitionError(f"a model of identities derives from Identity: {given!r} does not")
    given.belongs_to("user", model=users, foreign_key="user_id", on_delete="cascade", required=True)
    if given.data_source is None and users.data_source is not None:
        given.attach_to(users.data_source)
    setattr(users, _ATTRIBUTE, given)
    return given


_ATTRIBUTE = "__loop_identities__"


def identities_of(users: Any) -> Any:
    """The model of the identities of a model of users; None where they have none."""
    return users.__dict__.get(_ATTRIBUTE)


def forget_strangers(user: Any) -> None:
    """Unlink what its provider does not know by the user's address.

    It is for who gets an account back by a mail to that address: whoever had it meanwhile must not
    keep a way in.
    """
    identities = identities_of(type(user))
    if identities is None or identities.data_source is None:
        return
    where: dict[str, Any] = {"user_id": _id_of(user)}
    if user.email is not None:
        # Null is not equal to an address either.
        where["email"] = {"neq": user.email}
    identities.destroy_all(where)


class Accounts:
    """The accounts of one model of users, as far as providers lead to them.

    :param users: the model of users.
    :param identities: the model of their identities.
    :param new_user: gives what a new user has beside an address.
    :param realm: the realm of the users, where they have such.
    """

    def __init__(
        self,
        users: Any,
        identities: Any,
        new_user: Callable[[Profile], Mapping[str, Any]] | None = None,
        realm: str | None = None,
    ) -> None:
        self.users, self.identities = users, identities
        self._new_user, self._realm = new_user, realm

    def user_for(self, profile: Profile, provider: Provider) -> Any:
        """The user who logs in.

        :raises RemoteError: saying why there is none.
        """
        user = self._known(profile) or self._with_address(profile, provider)
        if user is None:
            user = self._sign_up(profile, provider)
        settings = self.users.definition.settings
        if settings.require_email_verification and not user.email_verified:
            raise EmailNotVerified(
                "The address of this account is not verified yet.",
                details={"userId": id_as_json(user)},
            )
        return user

    def link(self, user: Any, profile: Profile) -> None:
        """Let a user who is logged in log in by an identity too.

        :raises IdentityTaken: where it is another user's.
        :raises EmailNotVerified: where the account may be somebody's who has not seen it yet.
        """
        linked = self._find(profile)
        if linked is None:
            if user.email is not None and not user.email_verified:
                raise EmailNotVerified("Verify the address of your account first.")
            try:
                self._link(user, profile)
            except DuplicateId:
                linked = self._find(profile)
        if linked is not None and linked.user_id != _id_of(user):
            raise IdentityTaken("This login is another user's already.")

    def unlink(self, user: Any, provider: str) -> int:
        """Let a user log in by no identity of a provider any more.

        :returns: how many identities that were.
        :raises LastWayIn: where the user could not log in then.
        """
        with self._transaction():
            own: list[Any] = self.identities.find(where={"user_id": _id_of(user)})
            going = [each for each in own if each.provider == provider]
            if going and len(going) == len(own) and user.password is None:
                raise LastWayIn("Set a password first, or link another login.")
            for each in going:
                each.destroy()
        return len(going)

    def _known(self, profile: Profile) -> Any:
        """The user to whom the identity is linked."""
        identity = self._find(profile)
        if identity is None:
            return None
        user = self.users.find_by_id(identity.user_id)
        if user is None:
            raise NoAccount("The account of this login is closed.")
        if identity.email != _address(profile):
            identity.update_attributes({"email": _address(profile)})
        return user

    def _with_address(self, profile: Profile, provider: Provider) -> Any:
        """The user whose address the provider vouches for, who is linked then."""
        address = _address(profile)
        if address is None:
            return None
        where = {"email": address, **self._in_realm()}
        user = self.users.find_one({"where": where})
        if user is None:
            return None
        # Somebody else may have registered with an address of which nobody has seen a mail.
        if not (provider.link_by_email and user.email_verified):
            raise AccountExists(
                "An account has this address already. Log in to it, and link this login then."
            )
        try:
            self._link(user, profile)
        except DuplicateId:  # by another request of theirs
            return self._known(profile)
        return user

    def _sign_up(self, profile: Profile, provider: Provider) -> Any:
        """A new user, who is linked."""
        if not provider.sign_up:
            raise NoAccount("There is no account for this login.")
        address = _address(profile)
        definition = self.users.definition
        needs = definition.settings.require_email_verification
        if address is None and (needs or definition.properties["email"].must_be_given):
            raise EmailNotVerified("The provider does not vouch for an address of yours.")
        more = {} if self._new_user is None else self._new_user(profile)
        own = {"email": address, "email_verified": address is not None, **self._in_realm()}
        try:
            with self._transaction():
                user = self.users.create({**more, **own})
                self._link(user, profile)
        except (DuplicateId, ValidationError):
            user = self._known(profile)
            if user is None:
                raise
            # Another request of theirs was faster.
        return user

    def _link(self, user: Any, profile: Profile) -> None:
        self.identities.create(
            provider=profile.provider,
            subject=profile.subject,
            email=_address(profile),
            user_id=_id_of(user),
        )

    def _find(self, profile: Profile) -> Any:
        return self.identities.find_by_id((profile.provider, profile.subject))

    def _in_realm(self) -> dict[str, str | None]:
        is_told_apart = self._realm is not None or has_realms(self.users.definition)
        return {"realm": self._realm} if is_told_apart else {}

    def _transaction(self) -> Any:
        return self.users.data_source.transaction()


def _id_of(user: Any) -> Any:
    return type(user).definition.id_of(user.to_record())


def _address(profile: Profile) -> str | None:
    """The address that a provider vouches for, as records hold it."""
    address = None if profile.email is None else normal_address(profile.email)
    return address if address is not None and is_address(address) else None
