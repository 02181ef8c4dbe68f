"""The text of a revision's functions."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from .operations import Change, Comment, Statement
from .types import render_type

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

#: Indented by as much, a line of a function has room for so many characters.
_WIDTH = 92
_PARAMETER = re.compile(r":(?=\w)")


class Rendering:
    """Writes changes as Python, and gathers what that imports.

    :param context: Alembic's, of the database.
    :param alters: whether the database changes columns and constraints in place.
    """

    def __init__(self, context: MigrationContext, *, alters: bool) -> None:
        self._alters = alters
        options = {
            "alembic_module_prefix": "op.",
            "sqlalchemy_module_prefix": "sa.",
            "user_module_prefix": None,
            "render_as_batch": not alters,
            "render_item": render_type,
        }
        self._context = AutogenContext(context, opts=options, autogenerate=False)

    @property
    def imports(self) -> list[str]:
        """The lines that import what the text needs, in their order."""
        found = {"import sqlalchemy as sa", "from alembic import op", *self._context.imports}
        lines = {each for each in found if "\n" not in each}
        plain = sorted(line for line in lines if line.startswith("import "))
        named = sorted(line for line in lines if not line.startswith("import "))
        return [*plain, *named, *(f"{each.rstrip()}\n" for each in found if "\n" in each)]

    def body(self, changes: Iterable[Change]) -> str:
        """The body of a function, indented."""
        blocks = ["\n".join(self._block(change)) for change in changes]
        text = "\n\n".join(block for block in blocks if block)
        return textwrap.indent(text, "    ").strip()

    def function(self, changes: Iterable[Change]) -> Callable[[], None]:
        """What the text of some changes does, as a function to call."""
        body = self.body(changes)
        source = "\n".join([*self.imports, "def upgrade():", f"    {body}"])
        names: dict[str, Any] = {}
        exec(compile(source, "<revision>", "exec"), names)  # noqa: S102 - it is what we wrote
        return names["upgrade"]  # type: ignore[no-any-return]

    def _block(self, change: Change) -> Iterator[str]:
        for step in change.before:
            yield from self._lines(step)
        yield from self._inside(change)
        for step in change.after:
            yield from self._lines(step)

    def _inside(self, change: Change) -> Iterator[str]:
        steps = change.inside
        if self._alters or not any(isinstance(step, ops.MigrateOperation) for step in steps):
            for step in steps:
                yield from self._lines(step)
            return
        for step in steps:
            if isinstance(step, Comment):
                yield from self._lines(step)
        changed = [step for step in steps if isinstance(step, ops.MigrateOperation)]
        batch = ops.ModifyTableOps(change.table.name, changed, schema=change.table.schema)
        _, *lines = render_op_text(self._context, batch).splitlines()
        yield f"with op.batch_alter_table({', '.join(self._batch_options(change))}) as batch_op:"
        yield from (f"    {line}" for line in lines if line.strip())

    def _batch_options(self, change: Change) -> Iterator[str]:
        yield repr(change.table.name)
        if change.table.schema is not None:
            yield f"schema={change.table.schema!r}"
        told = {key: value for key, value in change.table.kwargs.items() if value}
        if told:
            yield f"table_kwargs={told!r}"

    def _lines(self, step: Any) -> Iterator[str]:
        if isinstance(step, Comment):
            yield from (f"# {line}" for line in textwrap.wrap(step.text, _WIDTH))
        elif isinstance(step, Statement):
            text = _PARAMETER.sub(r"\:", step.sql)
            yield f"op.execute(sa.text({text!r}))"
        else:
            first, *rest = render_op_text(self._context, step).splitlines()
            yield first
            yield from (line if line == ")" else f"    {line}" for line in rest)
