from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response
from flask_login import LoginManager, UserMixin

from flask_loop import Loop, Model, Prop, current_context, memory, options, prop, remote_method
from flask_loop.errors import ArgumentError, ModelNotFound, NotFound
from flask_loop.remoting import Context, Given, Result
from flask_loop.signals import (
    got_remote_call_exception,
    remote_call_finished,
    remote_call_started,
)


class Person(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


class InProcess:
    """A transport that calls remote methods without HTTP."""

    request = None

    def __init__(self, app: Flask, user: Any = None) -> None:
        self.sender = app
        self.heads: list[Response] = []
        self._user = user

    def user(self) -> Any:
        return self._user

    def response(self, method: Any) -> Response:
        if not self.heads:
            self.heads.append(Response())
        return self.heads[0]

    def call(self, model: Any, name: str, /, **arguments: Any) -> Any:
        exposure = self.sender.extensions["loop"].exposures[model]
        outcome = exposure.invoke(exposure.find(name), Given(arguments), self)
        return outcome.python() if isinstance(outcome, Result) else outcome


class Office:
    def __init__(self) -> None:
        class Note(Model):
            text: Prop[str] = prop(required=True)
            author: Prop[str | None] = prop(read_only=True)

            class Meta:
                data_source = memory()

            @remote_method(
                accepts=[
                    {"arg": "times", "type": "number", "required": True},
                    {"arg": "ctx", "type": "object", "http": {"source": "context"}},
                ],
                returns={"arg": "text", "type": "string"},
            )
            def repeat(self, times: int, ctx: Context) -> str:
                seen.append(ctx)
                return self.text * times

            @remote_method
            @classmethod
            def whoami(cls) -> str | None:
                ctx = current_context()
                assert ctx is not None
                return ctx.user and str(ctx.user.get_id())

        self.seen: list[Any] = []
        seen = self.seen
        self.Note: Any = Note
        self.app = Flask("office")
        self.app.secret_key = "test"
        self.logins = LoginManager(self.app)

        @self.logins.request_loader
        def load(request: Any) -> Person | None:
            name = request.headers.get("X-User")
            return Person(name) if name else None

        Loop(self.app, url_prefix="/api").model(Note)
        self.client = self.app.test_client()


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def inside(office: Office) -> InProcess:
    return InProcess(office.app, Person("ann"))


def describe(ctx: Context) -> dict[str, Any]:
    return {
        "method": ctx.method.wire,
        "method_string": ctx.method_string,
        "model": ctx.model.model_name,
        "args": {key: value for key, value in ctx.args.items() if value is not ctx},
        "instance": ctx.instance and ctx.instance.to_dict(),
        "user": ctx.user and ctx.user.get_id(),
        "error": ctx.error,
        "options": ctx.options,
    }


def test_the_context_is_the_same_over_rest_and_in_process(
    office: Office, inside: InProcess
) -> None:
    Note = office.Note
    Note.create(text="ha")
    described: list[dict[str, Any]] = []
    Note.before_remote("**")(lambda ctx: described.append(describe(ctx)))
    Note.after_remote("**")(lambda ctx, result: described.append({"result": result}))
    rest = office.client.post("/api/notes/1/repeat", json={"times": 2}, headers={"X-User": "ann"})
    direct = inside.call(Note, "prototype.repeat", id=1, times=2)
    assert rest.json == direct == {"text": "haha"}
    assert described[:2] == described[2:]
    assert described[0] == {
        "method": "prototype.repeat",
        "method_string": "notes.prototype.repeat",
        "model": "Note",
        "args": {"times": 2},
        "instance": {"id": 1, "text": "ha", "author": None},
        "user": "ann",
        "error": None,
        "options": {},
    }


def test_operations_work_over_a_transport_without_http(inside: InProcess, office: Office) -> None:
    Note = office.Note
    made = inside.call(Note, "create", data={"text": "a", "author": "mallory"})
    assert (made.id, made.text, made.author) == (1, "a", None)
    assert [each.text for each in inside.call(Note, "find", filter={"where": {"text": "a"}})] == [
        "a"
    ]
    assert inside.call(Note, "count") == {"count": 1}
    assert inside.call(Note, "prototype.patchAttributes", id=1, data={"text": "b"}).text == "b"
    assert inside.call(Note, "delete_by_id", id=1) == {"count": 1}


def test_the_same_errors_reach_a_transport_without_http(inside: InProcess, office: Office) -> None:
    Note = office.Note
    with pytest.raises(ModelNotFound):
        inside.call(Note, "find_by_id", id=9)
    with pytest.raises(ModelNotFound):
        inside.call(Note, "prototype.repeat", id=9, times=1)
    Note.create(text="a")
    with pytest.raises(ArgumentError, match="'times'"):
        inside.call(Note, "prototype.repeat", id=1, times="2")
    with pytest.raises(NotFound, match=r"no method notes\.destroy_all"):
        inside.call(Note, "destroy_all")


# ctx.user


def test_the_user_is_flask_logins_and_none_when_anonymous(office: Office) -> None:
    client = office.client
    known = client.post("/api/notes/whoami", headers={"X-User": "joe"})
    assert known.json == "joe"
    assert client.post("/api/notes/whoami").json is None


def test_without_a_login_manager_nobody_is_the_user() -> None:
    users: list[Any] = []
    Note = memory().create_model("note", {"text": str})
    Note.before_remote("find")(lambda ctx: users.append(ctx.user))
    app = Flask("app")
    Loop(app).model(Note)
    app.test_client().get("/notes")
    assert users == [None]


def test_a_login_manager_that_comes_after_the_loop_is_used() -> None:
    users: list[Any] = []
    Note = memory().create_model("note", {"text": str})
    Note.before_remote("find")(lambda ctx: users.append(ctx.user.get_id()))
    app = Flask("app")
    Loop(app).model(Note)
    app.secret_key = "test"
    LoginManager(app).request_loader(lambda request: Person("late"))
    app.test_client().get("/notes")
    assert users == ["late"]


def test_the_user_is_loaded_only_when_somebody_looks(office: Office) -> None:
    loads: list[str] = []

    @office.logins.request_loader
    def load(request: Any) -> Person:
        loads.append(request.path)
        return Person("ann")

    office.Note.before_remote("count")(lambda ctx: (ctx.user, ctx.user))
    office.client.get("/api/notes")
    assert loads == []
    office.client.get("/api/notes/count")
    assert loads == ["/api/notes/count"]


# ctx.req and ctx.res


def test_the_request_is_flasks(office: Office) -> None:
    seen: list[Any] = []
    office.Note.before_remote("find")(lambda ctx: seen.append(ctx.req.headers["X-Trace"]))
    office.client.get("/api/notes", headers={"X-Trace": "7"})
    assert seen == ["7"]


def test_a_hook_sets_status_headers_and_cookies(office: Office) -> None:
    @office.Note.after_remote("create")  # type: ignore[untyped-decorator]
    def answer(ctx: Context) -> None:
        assert ctx.res.status_code == 200
        ctx.res.status_code = 202
        ctx.res.headers["X-Made"] = str(ctx.result.id)
        ctx.res.set_cookie("seen", "yes", httponly=True)

    response = office.client.post("/api/notes", json={"text": "a"})
    assert response.status_code == 202
    assert response.headers["X-Made"] == "1"
    assert response.headers["Set-Cookie"] == "seen=yes; HttpOnly; Path=/"
    assert response.headers.getlist("Content-Type") == ["application/json; charset=utf-8"]
    assert response.json == {"text": "a", "author": None, "id": 1}


def test_headers_and_cookies_of_a_call_that_fails_are_sent_with_the_error(office: Office) -> None:
    @office.Note.before_remote("find")  # type: ignore[untyped-decorator]
    def limit(ctx: Context) -> None:
        ctx.res.headers["Retry-After"] = "3"
        ctx.res.status_code = 299
        raise PermissionError("slow down")

    response = office.client.get("/api/notes")
    assert response.status_code == 403
    assert response.headers["Retry-After"] == "3"
    assert response.json["error"]["message"] == "slow down"  # type: ignore[index]


def test_a_hook_that_changes_nothing_of_the_answer_leaves_it_as_it_is(office: Office) -> None:
    office.Note.create(text="a")
    plain = office.client.get("/api/notes/1")
    office.Note.after_remote("**")(lambda ctx: ctx.res.headers)
    looked = office.client.get("/api/notes/1")
    assert looked.data == plain.data
    assert dict(looked.headers) == dict(plain.headers)


# ctx.options and the running call


def test_options_travel_down_to_observers(office: Office, inside: InProcess) -> None:
    Note, seen = office.Note, []
    Note.before_remote("create")(lambda ctx: ctx.options.update(reason="import"))
    Note.observe("before save")(lambda ctx: seen.append((dict(ctx.options), ctx.user)))
    inside.call(Note, "create", data={"text": "a"})
    Note.create(text="b")
    with options(reason="script"), options(quiet=True):
        Note.create(text="c")
    assert [each for each, _ in seen] == [
        {"reason": "import"},
        {},
        {"reason": "script", "quiet": True},
    ]
    assert [user and user.get_id() for _, user in seen] == ["ann", None, None]


def test_options_may_be_an_argument(office: Office) -> None:
    class Audit(Model):
        class Meta:
            data_source = memory()

        @remote_method(
            accepts={"arg": "options", "type": "object", "http": "optionsFromRequest"},
            returns={"arg": "options", "type": "object", "root": True},
        )
        @classmethod
        def show(cls, options: dict[str, Any]) -> dict[str, Any]:
            return options

    Audit.before_remote("show")(lambda ctx: ctx.options.update(by="hook"))
    app = Flask("app")
    Loop(app).model(Audit)
    answer = app.test_client().post("/audits/show", json={"options": {"by": "client"}})
    assert answer.json == {"by": "hook"}


def test_the_running_call_is_known_inside_and_not_after_it(
    office: Office, inside: InProcess
) -> None:
    inside.call(office.Note, "create", data={"text": "a"})
    inside.call(office.Note, "prototype.repeat", id=1, times=1)
    assert office.seen[0].method_string == "notes.prototype.repeat"
    assert current_context() is None


def test_a_validation_knows_the_running_call() -> None:
    Note = memory().create_model("note", {"text": str})
    seen: list[Any] = []

    def check(note: Any) -> None:
        seen.append(current_context())

    Note.validate("text", check)
    app = Flask("app")
    Loop(app).model(Note)
    app.test_client().post("/notes", json={"text": "a"})
    Note.create(text="b")
    assert [each and each.method_string for each in seen] == ["notes.create", None]


def test_a_stream_is_made_inside_its_call() -> None:
    class Log(Model):
        class Meta:
            data_source = memory()

        @remote_method(http={"verb": "get"})
        @classmethod
        def lines(cls) -> Iterator[Any]:
            for _ in range(2):
                ctx = current_context()
                yield ctx and ctx.method_string

    app = Flask("app")
    Loop(app).model(Log)
    answer = app.test_client().get("/logs/lines")
    assert answer.data == b'"logs.lines"\n"logs.lines"\n'
    assert current_context() is None


def test_an_answer_of_flasks_that_is_a_stream_is_made_inside_its_call() -> None:
    class Log(Model):
        class Meta:
            data_source = memory()

        @remote_method(http={"verb": "get"})
        @classmethod
        def lines(cls) -> Response:
            def make() -> Iterator[str]:
                ctx = current_context()
                yield f"{ctx and ctx.method_string}\n"

            return Response(make(), mimetype="text/plain")

    app = Flask("app")
    Loop(app).model(Log)
    assert app.test_client().get("/logs/lines").text == "logs.lines\n"


def test_an_observer_of_what_finds_the_user_sees_nobody() -> None:
    source = memory()
    User = source.create_model("user", {"name": str})
    Note = source.create_model("note", {"owner": str})
    User.create(name="ann")
    Note.create([{"owner": "ann"}, {"owner": "bob"}])

    @source.observe("access")
    def only_own(ctx: Any) -> None:
        if ctx.user is not None:
            ctx.narrow({"owner": ctx.user.get_id()})

    app = Flask("app")
    app.secret_key = "test"
    LoginManager(app).request_loader(lambda request: Person(User.find_one({"name": "ann"}).name))
    Loop(app).model(Note)
    assert app.test_client().get("/notes").json == [{"owner": "ann", "id": 1}]


# Signals


def test_signals_of_a_call_are_sent_by_the_app(office: Office) -> None:
    seen: list[Any] = []

    def started(sender: Any, ctx: Context) -> None:
        seen.append(("started", sender.name, ctx.method_string))

    def finished(sender: Any, ctx: Context) -> None:
        seen.append(("finished", ctx.result["count"]))

    def failed(sender: Any, ctx: Context, exception: Exception) -> None:
        seen.append(("failed", type(exception).__name__, exception is ctx.error))

    with (
        remote_call_started.connected_to(started, office.app),
        remote_call_finished.connected_to(finished, office.app),
        got_remote_call_exception.connected_to(failed, office.app),
    ):
        office.client.get("/api/notes/count")
        office.client.get("/api/notes/7")
    assert seen == [
        ("started", "office", "notes.count"),
        ("finished", 0),
        ("started", "office", "notes.findById"),
        ("failed", "ModelNotFound", True),
    ]


def test_a_signal_of_another_app_is_not_heard(office: Office) -> None:
    heard: list[Any] = []
    other = Flask("other")
    with remote_call_started.connected_to(lambda sender, ctx: heard.append(ctx), other):
        office.client.get("/api/notes/count")
    assert heard == []
