"""Calling a remote method, whatever the transport: hooks around it, arguments in, a result out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from inspect import isgenerator
from typing import Any

from ..definition import ModelDefinition
from ..errors import ArgumentError, DefinitionError, NotFound
from ..hooks import (
    AFTER,
    BEFORE,
    ERROR,
    RemoteHook,
    in_order,
    synchronous,
)
from ..methods import Argument, RemoteMethod, Returns
from ..query import Bounds, WhereExpression
from ..signals import got_remote_call_exception, remote_call_finished, remote_call_started
from .access import Access, GuardedMethod, begin_access, end_access
from .arguments import Arguments, Given, Reading, Target, decode, readings_of, target_of
from .context import Context, Result, Transport, begin, end
from .data import NamedValues, tracked

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Call:
    """How one method of a model is called, made once and kept until something is registered.

    :ivar target: the plan of the model.
    :ivar method: the method.
    :ivar function: what is called of an operation, with the bounds and the arguments; None for a
        user's own method.
    :ivar readings: how the arguments of a user's own method are read.
    :ivar before: hooks before it.
    :ivar after: hooks after it.
    :ivar error: hooks after an error.
    :ivar is_plain: whether nobody looks at the call, so that no context is made.
    :ivar around: a block that the model's data source has around each call, or None.
    :ivar guarded: what keeps callers from it, or to some records; None where nothing does.
    """

    target: Target
    method: RemoteMethod
    function: Function | None
    readings: Sequence[Reading]
    before: tuple[RemoteHook, ...]
    after: tuple[RemoteHook, ...]
    error: tuple[RemoteHook, ...]
    is_plain: bool
    around: Callable[[], AbstractContextManager[None]] | None
    guarded: GuardedMethod | None = None


def compile_call(
    target: Target,
    method: RemoteMethod,
    hooks_of_model: Iterable[RemoteHook],
    hooks_of_all: Iterable[RemoteHook],
    models: Iterable[str],
    *,
    guarded: GuardedMethod | None = None,
) -> Call:
    """Find what runs around a method.

    :param target: the plan of the model.
    :param method: the method.
    :param hooks_of_model: the hooks of the model and of those that it derives from.
    :param hooks_of_all: the hooks of the whole Loop, which run after them.
    :param models: the names of the model that patterns of the Loop may begin with.
    :param guarded: what guards the method, where anything does.
    """

    def hooks(kind: str) -> tuple[RemoteHook, ...]:
        of_all = in_order(hooks_of_all, kind, method, models)
        return (*in_order(hooks_of_model, kind, method), *of_all)

    before, after, error = hooks(BEFORE), hooks(AFTER), hooks(ERROR)
    is_operation = not (method.own or method.related)
    override = target.override(method) if is_operation else None
    is_watched = bool(before or after or error or target.is_watched or reaches_watched(target))
    return Call(
        target=target,
        method=method,
        function=None if method.own else override or _operation(target, method),
        readings=readings_of(method),
        before=before,
        after=after,
        error=error,
        is_plain=not (method.own or method.related or override or is_watched),
        around=_around(target, method),
        guarded=guarded,
    )


def _around(
    target: Target, method: RemoteMethod
) -> Callable[[], AbstractContextManager[None]] | None:
    """The block that the model's data source has around each call of a method, or None."""
    source: Any = target.model.data_source
    around: Callable[[], AbstractContextManager[None]] | None
    around = getattr(source, "around_call", None)
    writes = any(route.verb not in ("GET", "HEAD") for route in method.routes)
    if around is None and source is not None and writes:
        # What was just written by another request may be asked for, as the owner of a new record.
        around = source.primary if source.connector.capabilities.replicas else None
    return around


def reaches_watched(target: Target) -> bool:
    """Whether an operation may run functions of the user's by a relation, at whatever distance.

    They may ask for the running call, as observers of what is included do.
    """
    seen = {target.model.definition}
    waiting = [target.model.definition]
    while waiting:
        definition = waiting.pop()
        for each in _related(definition):
            if each is None:
                return True  # what a polymorphic relation leads to may be any model
            if each in seen or each.model is None:
                continue
            if _is_watched(each.model):
                return True
            seen.add(each)
            waiting.append(each)
    return False


def _is_watched(model: Any) -> bool:
    try:
        return bool(model.__loop_plan__().is_watched)
    except DefinitionError:
        return True  # whoever comes to use the model is told what is wrong with it


def _related(definition: ModelDefinition) -> Iterator[ModelDefinition | None]:
    """The models whose records operations on a model may read or write as well."""
    for relation in definition.relations.values():
        yield relation.target
        if relation.through is not None:
            yield relation.through
    yield from (each.definition for each in definition.dependents)


def _operation(target: Target, method: RemoteMethod) -> Function:
    if method.function is None:
        raise NotFound(f"There is no method {method.wire}.")
    return partial(method.function, target)


def run(call: Call, given: Given, transport: Transport, bounds: Bounds) -> Any:
    """Call a method and what is around it.

    :param call: the method as it was compiled.
    :param given: the arguments as the transport found them.
    :param transport: where the call comes from.
    :param bounds: how much a filter may ask for.
    :returns: the outcome: a value, a :class:`~flask_loop.remoting.Result`, an iterator, or a dict
        of values by name.
    :raises ArgumentError: naming an argument that is missing or of the wrong type.
    """
    if call.guarded is None:
        return _run_call(call, given, transport, bounds, None)
    access = call.guarded.enter(transport.caller())
    token = begin_access(access)
    try:
        return _run_call(call, given, transport, bounds, access)
    finally:
        end_access(token)


def _run_call(
    call: Call, given: Given, transport: Transport, bounds: Bounds, access: Access | None
) -> Any:
    method = call.method
    if call.is_plain and not _has_listeners():
        arguments = decode(call.target, method, given, bounds)
        _admit(call, access, arguments)
        value = call.function(bounds, **arguments)  # type: ignore[misc]
        return value if isinstance(value, Result) else shape(method, value, None)
    ctx = Context(method, call.target.model, transport)
    token = begin(ctx)
    try:
        _run(call, ctx, given, bounds, access)
    except Exception as error:
        _run_error_hooks(call, ctx, error)
        if ctx.error is None or ctx.error is error:
            raise
        raise ctx.error from error
    finally:
        end(token)
    return _still_running(ctx, ctx.outcome)


def _still_running(ctx: Context, outcome: Any) -> Any:
    """An outcome whose items, if it has such, are made as if the call were still running."""
    if isinstance(outcome, Result) or hasattr(type(outcome), "__loop_model__"):
        return outcome
    if _is_stream(outcome):
        return _Within(ctx, outcome)
    parts: Any = getattr(outcome, "response", None)  # of an answer of the transport's own
    if isgenerator(parts):
        outcome.response = _Within(ctx, parts)
    return outcome


def _has_listeners() -> bool:
    return bool(
        remote_call_started.receivers
        or remote_call_finished.receivers
        or got_remote_call_exception.receivers
    )


def _admit(call: Call, access: Access | None, arguments: Arguments) -> None:
    """Keep a call to the records that its caller has the method for."""
    if access is not None and call.guarded is not None:
        call.guarded.admit(access, call.target, arguments)


def _run(call: Call, ctx: Context, given: Given, bounds: Bounds, access: Access | None) -> None:
    if remote_call_started.receivers:
        remote_call_started.send(ctx.sender, ctx=ctx)
    method = call.method
    ctx.args = decode(call.target, method, given, bounds, ctx, readings=call.readings)
    if method.own and method.is_by_id:
        _find_record(call, ctx, given, access)
    elif not method.own:
        _admit(call, access, ctx.args)
    if call.function is None:
        for hook in call.before:
            hook.run(ctx)
        value = _call_own(ctx)
    else:
        arguments = _run_before_hooks(call, ctx, access) if call.before else ctx.args
        value = call.function(bounds, **arguments)
    ctx.result = value if isinstance(value, Result) else shape(method, value, ctx)
    for hook in call.after:
        hook.run(ctx)
    if remote_call_finished.receivers:
        remote_call_finished.send(ctx.sender, ctx=ctx)


def _find_record(call: Call, ctx: Context, given: Given, access: Access | None) -> None:
    """Find the record that a method of the user's own is about, whose id the path has.

    :raises ArgumentError: where the transport gave no id.
    """
    if "id" not in given.values:
        raise ArgumentError("id", "is required")
    if access is not None:
        _admit(call, access, {"id": call.target.read_id(given.values["id"], "id")})
    if call.method.on_instance:
        ctx.instance = call.target.instance(given.values["id"])


def _run_before_hooks(call: Call, ctx: Context, access: Access | None) -> Arguments:
    """Run the hooks before an operation, and give the arguments as they left them.

    :raises ArgumentError: naming one that is required and that a hook took away.
    """
    accepts = call.method.accepts
    for argument in accepts:
        if argument.type == "model":
            ctx.args[argument.name] = tracked(ctx.args[argument.name])
    given = ctx.args
    decoded = given.copy()
    for hook in call.before:
        hook.run(ctx)
    if ctx.args is given and all(given.get(name) is value for name, value in decoded.items()):
        return decoded
    arguments = {each.name: _normal(call, each, ctx.args.get(each.name)) for each in accepts}
    _admit(call, access, arguments)  # what a hook put in the place of a where is narrowed too
    ctx.args.update(arguments)
    return arguments


def _normal(call: Call, argument: Argument, value: Any) -> Any:
    """An argument of an operation in its normal form, also where a hook gave it in another."""
    if value is None and argument.required:
        raise ArgumentError(argument.name, "is required")
    if argument.type == "model":
        return {} if value is None else value
    if argument.type not in ("filter", "where"):
        return value
    is_left_out = value is None and not call.method.gives_one
    if is_left_out or isinstance(value, Mapping | WhereExpression | str):
        parser = target_of(argument, call.target).parser
        return parser.filter(value) if argument.type == "filter" else parser.where(value)
    return value


def _call_own(ctx: Context) -> Any:
    owner = ctx.instance if ctx.method.on_instance else ctx.model
    positional, named = ctx.method.bind(ctx.args)
    return synchronous(getattr(owner, ctx.method.name))(*positional, **named)


def _run_error_hooks(call: Call, ctx: Context, error: Exception) -> None:
    ctx.error = error
    for hook in call.error:
        try:
            hook.run(ctx)
        except Exception as other:  # noqa: BLE001 - what a hook raises takes the error's place
            ctx.error = other
    got_remote_call_exception.send(ctx.sender, ctx=ctx, exception=ctx.error)


def _is_stream(value: Any) -> bool:
    """Whether a value is made item by item; a file is one thing, though it gives lines."""
    return isinstance(value, Iterator) and not hasattr(value, "read")


def is_stream(outcome: Any) -> bool:
    """Whether what :func:`run` gave is made item by item, when the call has ended."""
    return isinstance(outcome, _Within) or isinstance(getattr(outcome, "response", None), _Within)


class _Within:
    """The items of a stream, made as if the call were still running.

    It is no generator: one that never began would not close what it holds.
    """

    def __init__(self, ctx: Context, items: Iterator[Any]) -> None:
        self._ctx, self._items = ctx, items

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        token = begin(self._ctx)
        try:
            return next(self._items)
        finally:
            end(token)

    def close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            token = begin(self._ctx)
            try:
                close()
            finally:
                end(token)


def shape(method: RemoteMethod, value: Any, ctx: Context | None) -> Any:
    """Put a method's value into the form that it declares.

    :param ctx: where values for the head of the answer go.
    """
    if _is_stream(value) or hasattr(value, "get_wsgi_response"):
        return value  # which is the whole answer, whatever is declared
    if not method.returns:
        return None
    if len(method.returns) == 1 and method.returns[0].target == "body":
        declared = method.returns[0]
        return value if declared.root else NamedValues({declared.name: value})
    return _several(method, value, ctx)


def _several(method: RemoteMethod, value: Any, ctx: Context | None) -> Any:
    """Several values, which LoopBack's methods give to their callback in order."""
    declared = method.returns
    values = (value,) if len(declared) == 1 else value
    if not isinstance(values, tuple | list) or len(values) != len(declared):
        names = ", ".join(each.name for each in declared)
        raise TypeError(f"{method.wire} gives a tuple of ({names}), not {value!r}")
    body = NamedValues()
    for each, item in zip(declared, values, strict=True):
        if each.target == "body":
            body[each.name] = item
        elif item is not None and ctx is not None:
            _set_head(ctx.res, each, item)
    root = next((each for each in declared if each.root), None)
    return body or None if root is None else body[root.name]


def _set_head(head: Any, declared: Returns, value: Any) -> None:
    if declared.header is None:
        head.status_code = value
        return
    dumped = value if declared.kind is None else declared.kind.dump(value)
    head.headers[declared.header] = dumped if isinstance(dumped, str) else json.dumps(dumped)
