"""Members: people who add to the guide, and what makes a record theirs."""

from __future__ import annotations

from typing import Any, ClassVar

from example_app.sources import db, mail
from flask_loop import BelongsTo, Context, Email, Model, Prop, User, prop, relation


class GuideMail(Email):
    """A mail of the guide."""

    class Meta:
        """Written to the terminal, where nothing else is set."""

        data_source = mail


class Member(User):
    """Somebody who adds to the guide. Nobody else sees the record."""

    class Meta:
        """Kept in the guide's database. Members log in once they have followed the link."""

        data_source = db
        require_email_verification = True
        verification: ClassVar = {
            "mailer": GuideMail,
            "subject": "Welcome to the city guide",
            "redirect": "/?verified",
        }
        reset: ClassVar = {"mailer": GuideMail}


Member.validates_length_of("password", min=8, allow_null=True)


@Member.after_remote("create")
def send_link(ctx: Context, created: Any) -> None:
    for member in created if isinstance(created, list) else [created]:
        member.verify()


class Contribution(Model):
    """What a member adds: everybody reads it, and that member alone changes and deletes it."""

    member_id: Prop[int | None] = prop(default=None, index=True, read_only=True)

    member: BelongsTo[Member] = relation(on_delete="set_null")

    class Meta:
        """Who may do what; the rest nobody may."""

        acls: ClassVar = [
            {"principal_id": "$everyone", "access_type": "READ", "permission": "ALLOW"},
            {"principal_id": "$authenticated", "property": "create", "permission": "ALLOW"},
            {"principal_id": "$owner", "access_type": "WRITE", "permission": "ALLOW"},
        ]


@Contribution.observe("before save")
def note_who_adds(ctx: Any) -> None:
    if ctx.is_new and ctx.user is not None:
        ctx.data["member_id"] = ctx.user.id
