"""Migrations: the revisions of one data source, and the database that they change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError, rev_id

from ..connectors.sql.connector import SqlConnector
from ..connectors.sql.differences import TableDifferences
from ..datasource import DataSource
from ..errors import DefinitionError, MigrationError
from .operations import Revising
from .rendering import Rendering
from .running import Runner, Steps

_FILE = "%(year)d_%(month).2d_%(day).2d_%(hour).2d%(minute).2d_%(slug)s_%(rev)s"
_NAME = re.compile(r"\w[\w.-]*")
#: The template of revisions is here, unless the folder of the revisions has one of its own.
_HERE = Path(__file__).parent
_TEMPLATE = "script.py.mako"


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision.

    :ivar id: its id, or the beginning of it where that is enough.
    :ivar after: the revisions that it comes after.
    :ivar message: what it is for.
    :ivar made: when it was made, in UTC, where its file says so.
    :ivar path: its file.
    :ivar is_current: whether it is the last one that the database has had.
    :ivar is_head: whether no other comes after it.
    """

    id: str
    after: tuple[str, ...]
    message: str
    made: str
    path: Path
    is_current: bool
    is_head: bool


class Migrations:
    """The revisions of a data source, each a file in its folder.

    :param source: the data source.
    :param directory: the folder; ``migrations/<name of the source>`` where not given.
    :raises DefinitionError: where the source is no SQL database, or its name makes no folder's.
    """

    def __init__(self, source: DataSource, directory: str | Path | None = None) -> None:
        connector = source.connector
        if not isinstance(connector, SqlConnector):
            raise DefinitionError(
                f"the data source {source.name!r} is in {connector.name}, which has no migrations: "
                "they are for SQL databases, and auto_update() makes what others need"
            )
        if directory is None and not _NAME.fullmatch(source.name):
            raise DefinitionError(
                f"the data source's name {source.name!r} is no folder's: name a directory"
            )
        self.source = source
        self.connector = connector
        self.directory = Path("migrations", source.name) if directory is None else Path(directory)
        self.version_table = connector.dialect.short_name(f"alembic_version_{source.name}")

    # What differs

    def diff(self) -> list[TableDifferences]:
        """What the tables of the database differ in from those that the models ask for.

        :returns: of each table that differs, or has columns that no model knows.
        """
        found = self.connector.differences(self._definitions())
        return [each for each in found if each or each.unknown_columns]

    def diff_sql(self, *, allow_drop: bool = False) -> str:
        """The statements that a revision of what differs would run.

        :param allow_drop: as in :meth:`revision`.
        """
        found = self.connector.differences(self._definitions())
        changes = list(self._revising(found, allow_drop=allow_drop).upgrade())
        if not changes:
            return ""
        return self._runner().rehearse_function(self._rendering().function(changes))

    # Making revisions

    def revision(
        self,
        message: str,
        *,
        allow_drop: bool = False,
        initial: bool = False,
        empty: bool = False,
    ) -> Path | None:
        """Write a revision of what differs now.

        :param message: what it is for.
        :param allow_drop: whether columns that no model knows are dropped.
        :param initial: write the revision as if the database was empty, for one whose tables are
            there already; :meth:`stamp` then tells the database that it has had it.
        :param empty: write one that does nothing yet, for a change that models do not tell.
        :returns: its file, or None where nothing differs.
        :raises MigrationError: where the database has not had the revisions that there are.
        """
        with self._mistakes():
            script = self._script(make=True)
            self._refuse_behind(script, initial=initial)
            found: list[TableDifferences] = []
            if not empty:
                definitions = self._definitions()
                found = self.connector.differences(definitions, as_if_empty=initial)
            revising = self._revising(found, allow_drop=allow_drop)
            if not (empty or revising.differences):
                return None
            rendering = self._rendering()
            upgrades = rendering.body(revising.upgrade())
            downgrades = rendering.body(revising.downgrade())
            made = script.generate_revision(
                rev_id(),
                message,
                imports=rendering.imports,
                upgrades=upgrades,
                downgrades=downgrades,
            )
        return Path(made.path) if made is not None else None

    def merge(self, message: str) -> Path | None:
        """Write a revision that comes after all heads, where there are several.

        :returns: its file, or None where there is one head.
        """
        with self._mistakes():
            script = self._script()
            heads = script.get_heads()
            if len(heads) < 2:
                return None
            made = script.generate_revision(rev_id(), message, head=tuple(heads))
        return Path(made.path) if made is not None else None

    # Running them

    def upgrade(self, target: str = "head") -> list[str]:
        """Run the revisions that the database has not had.

        :param target: up to which: an id, ``head``, or ``+1`` for the next one.
        :returns: the ids of those that were run.
        """
        with self._mistakes():
            script = self._script()
            return self._runner().run(lambda heads, _: script._upgrade_revs(target, heads))

    def downgrade(self, target: str = "-1", *, allow_drop: bool = False) -> list[str]:
        """Undo revisions.

        :param target: down to which: an id, ``-1`` for the one before, ``base`` for none.
        :param allow_drop: whether tables and columns may be dropped, and what they hold be lost.
        :returns: the ids of those that were undone.
        :raises MigrationError: saying what would be lost, where ``allow_drop`` is not given.
        """
        with self._mistakes():
            script, runner = self._script(), self._runner()

            def steps(heads: Any, _: Any) -> Any:
                return script._downgrade_revs(target, heads)

            if not allow_drop:
                _refuse_losses(runner, steps)
            return runner.run(steps)

    def stamp(self, target: str = "head") -> None:
        """Note that the database has had the revisions up to one, and run none.

        :param target: an id, ``head``, or ``base`` for none.
        """
        with self._mistakes():
            script = self._script()
            self._runner().run(lambda heads, _: script._stamp_revs(target, heads))

    def upgrade_sql(self, target: str = "head") -> str:
        """The statements that :meth:`upgrade` would run; nothing is changed."""
        with self._mistakes():
            script = self._script()
            return self._runner().rehearse(lambda heads, _: script._upgrade_revs(target, heads))

    def downgrade_sql(self, target: str = "-1") -> str:
        """The statements that :meth:`downgrade` would run; nothing is changed."""
        with self._mistakes():
            script = self._script()
            return self._runner().rehearse(lambda heads, _: script._downgrade_revs(target, heads))

    def stamp_sql(self, target: str = "head") -> str:
        """The statements that :meth:`stamp` would run; nothing is changed."""
        with self._mistakes():
            script = self._script()
            return self._runner().rehearse(lambda heads, _: script._stamp_revs(target, heads))

    # Which there are

    def current(self) -> list[str]:
        """The ids of the last revisions that the database has had: one, or none."""
        with self._mistakes():
            return list(self._runner().heads())

    def history(self) -> list[Revision]:
        """All revisions, the newest first."""
        with self._mistakes():
            if not self.directory.is_dir():
                return []
            current = set(self.current())
            return [_revision(each, current) for each in self._script().walk_revisions()]

    # How

    def _definitions(self) -> list[Any]:
        return self.source._definitions(None)

    def _runner(self) -> Runner:
        return Runner(self.connector, self.version_table)

    def _rendering(self) -> Rendering:
        dialect = self.connector.session.engine.dialect
        context = MigrationContext.configure(dialect=dialect, opts={"as_sql": True})
        return Rendering(context, alters=self.connector.migration.alters)

    def _revising(self, found: Sequence[TableDifferences], *, allow_drop: bool) -> Revising:
        dialect = self.connector.session.engine.dialect
        return Revising(found, dialect, self.connector.migration, allow_drop=allow_drop)

    def _script(self, *, make: bool = False) -> ScriptDirectory:
        if make:
            self.directory.mkdir(parents=True, exist_ok=True)
        elif not self.directory.is_dir():
            raise MigrationError(
                f"there is no folder {self.directory} of revisions; flask loop migrate revision "
                "makes the first one"
            )
        own = self.directory / _TEMPLATE
        return ScriptDirectory(
            str(self.directory if own.exists() else _HERE),
            file_template=_FILE,
            version_locations=[str(self.directory)],
            timezone="UTC",
            messaging_opts={"quiet": True},
        )

    def _refuse_behind(self, script: ScriptDirectory, *, initial: bool) -> None:
        heads, current = set(script.get_heads()), set(self.current())
        script.get_revisions(tuple(current))
        if initial and heads:
            raise MigrationError("an initial revision is the first one, and there are others")
        if heads != current and not initial:
            raise MigrationError(
                f"the database is at {_listed(current)}, and the revisions go to {_listed(heads)}: "
                "run flask loop migrate upgrade first"
            )

    @contextmanager
    def _mistakes(self) -> Iterator[None]:
        """Let what Alembic finds wrong be an error of ours."""
        try:
            yield
        except CommandError as error:
            raise MigrationError(self._said(error)) from error

    def _said(self, error: CommandError) -> str:
        """What Alembic finds wrong, in our words."""
        cause = error.__cause__
        if not isinstance(cause, ResolutionError):
            said = str(error)
            is_too_far = said.startswith("Relative revision")
            return "there are not so many revisions from where it is" if is_too_far else said
        missing = cause.argument
        if missing in self._runner().heads():
            return (
                f"the database is at {missing}, and {self.directory} has no such revision: its "
                "file is gone, or it was made elsewhere"
            )
        return f"{self.directory} has no revision {missing!r}; flask loop migrate history has all"


def _refuse_losses(runner: Runner, steps: Steps) -> None:
    try:
        lost = runner.losses(steps)
    except MigrationError as error:
        raise MigrationError(
            f"what it would lose is not known; --allow-drop lets it: {error}"
        ) from None
    if lost:
        raise MigrationError(f"this would lose what is in {', '.join(lost)}; --allow-drop lets it")


def _listed(revisions: Iterable[str]) -> str:
    return ", ".join(sorted(revisions)) or "no revision"


def _revision(script: Script, current: set[str]) -> Revision:
    down = script.down_revision
    after = () if down is None else (down,) if isinstance(down, str) else tuple(down)
    made = re.search(r"^Made: (.*)$", script.module.__doc__ or "", re.MULTILINE)
    return Revision(
        id=script.revision,
        after=after,
        message=(script.doc or "").removesuffix("."),
        made=_minute(made[1]) if made else "",
        path=Path(script.path),
        is_current=script.revision in current,
        is_head=script.is_head,
    )


def _minute(written: str) -> str:
    try:
        return datetime.fromisoformat(written).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return ""
