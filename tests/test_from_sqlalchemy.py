from __future__ import annotations

import base64
import enum
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flask_loop import DefinitionError, Loop, Model, ValidationError, remote_method
from flask_loop.errors import Conflict, LoopError, TransactionConflict, Unavailable
from tests.servers import Postgresql

# The classes of an app, as it has them for its own use.


class Base(orm.DeclarativeBase):
    pass


class Status(enum.Enum):
    OPEN = "open"
    PAID = "paid"


class Shade(enum.Enum):
    DARK = (0, 0)
    LIGHT = (1, 1)


class Reversed(sa.TypeDecorator[str]):
    """Text that the table has backwards."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value[::-1]

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value[::-1]


class Words(sa.TypeDecorator[list[str]]):
    """A list that the table has as one text."""

    impl = sa.String
    cache_ok = True

    @property
    def python_type(self) -> type[list[str]]:
        return list

    def process_bind_param(self, value: list[str] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else ",".join(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> list[str] | None:
        return None if value is None else value.split(",")


class Instant(sa.TypeDecorator[datetime]):
    """A time that has a time zone wherever it comes from."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


order_tags = sa.Table(
    "order_tags",
    Base.metadata,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tags.id"), primary_key=True),
)


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True, doc="As on the bill.")
    code: Mapped[str | None] = mapped_column(Reversed)
    orders: Mapped[list[Order]] = relationship(
        back_populates="customer", cascade="all, delete-orphan"
    )
    passport: Mapped[Passport | None] = relationship(back_populates="customer", uselist=False)
    paid_orders: Mapped[list[Order]] = relationship(
        primaryjoin="and_(Order.customer_id == Customer.id, Order.status == 'PAID')", viewonly=True
    )

    @hybrid_property
    def shout(self) -> str:
        return self.name.upper()


class Passport(Base):
    __tablename__ = "passports"

    number: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("customers.id"), unique=True)
    customer: Mapped[Customer | None] = relationship(back_populates="passport")


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    status: Mapped[Status] = mapped_column(default=Status.OPEN)
    total: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2), default=Decimal(0))
    number: Mapped[str] = mapped_column(sa.String(40), default=lambda: f"N-{uuid.uuid4()}")
    region: Mapped[str] = mapped_column("REGION_CODE", sa.String(2), server_default="eu")
    placed_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime | None] = mapped_column(onupdate=now)
    upper: Mapped[str | None] = mapped_column(
        sa.String(40), default=lambda context: context.get_current_parameters()["number"].upper()
    )
    length: Mapped[int | None] = mapped_column(default=sa.func.length("four"))
    meta: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    customer: Mapped[Customer] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(back_populates="order", cascade="all")
    tags: Mapped[list[Tag]] = relationship(secondary=order_tags, back_populates="orders")


class Tag(Base):
    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20))
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("tags.id"))
    parent: Mapped[Tag | None] = relationship(back_populates="children", remote_side=[id])
    children: Mapped[list[Tag]] = relationship(back_populates="parent")
    orders: Mapped[list[Order]] = relationship(secondary=order_tags, back_populates="tags")


class Line(Base):
    """A line of an order, whose key is two columns."""

    __tablename__ = "lines"

    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(sa.Text)
    order: Mapped[Order] = relationship(back_populates="lines")
    notes: Mapped[list[Note]] = relationship(back_populates="line", cascade="all")


class Note(Base):
    __tablename__ = "notes"
    __table_args__ = (
        sa.ForeignKeyConstraint(["order_id", "place"], ["lines.order_id", "lines.place"]),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    order_id: Mapped[int]
    place: Mapped[int]
    text: Mapped[str]
    line: Mapped[Line] = relationship(back_populates="notes")


class Sample(Base):
    """A column of each type."""

    __tablename__ = "samples"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    text_uuid: Mapped[str | None] = mapped_column(sa.Uuid(as_uuid=False))
    flag: Mapped[bool | None]
    ratio: Mapped[float | None]
    plain: Mapped[Decimal | None] = mapped_column(sa.Numeric(8, 3, asdecimal=False))
    at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    seen: Mapped[datetime | None] = mapped_column(Instant)
    day: Mapped[date | None]
    hour: Mapped[time | None]
    span: Mapped[timedelta | None]
    data: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    kind: Mapped[str | None] = mapped_column(sa.Enum("a", "b", name="sample_kind"))
    shade: Mapped[Shade | None] = mapped_column(default=Shade.DARK)
    blob: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    upside: Mapped[str | None] = mapped_column(Reversed, default="down")
    words: Mapped[list[str] | None] = mapped_column(Words)
    secret: Mapped[str | None] = mapped_column(Reversed)
    class_: Mapped[str | None] = mapped_column("class", sa.String(10))
    count: Mapped[int | None]
    _digest: Mapped[str | None] = mapped_column("digest", sa.String(10))
    doubled: Mapped[int | None] = mapped_column(
        sa.Integer, sa.Computed("count * 2", persisted=True)
    )


class Animal(Base):
    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    name: Mapped[str]


class Dog(Animal):
    __mapper_args__ = {"polymorphic_identity": "dog"}

    breed: Mapped[str | None]


class Vehicle(Base):
    __tablename__ = "vehicles"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))


class Lorry(Vehicle):
    __tablename__ = "lorries"
    __mapper_args__ = {"polymorphic_identity": "lorry"}

    id: Mapped[int] = mapped_column(sa.ForeignKey("vehicles.id"), primary_key=True)


class Driver(Base):
    __tablename__ = "drivers"

    id: Mapped[int] = mapped_column(primary_key=True)
    lorry_id: Mapped[int | None] = mapped_column(sa.ForeignKey("lorries.id"))
    lorry: Mapped[Lorry | None] = relationship()


class Page(Base):
    __tablename__ = "pages"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    text: Mapped[str]

    __mapper_args__ = {"version_id_col": version}


class Course(Base):
    __tablename__ = "courses"

    id: Mapped[int] = mapped_column(primary_key=True)
    students: Mapped[list[Student]] = relationship(
        secondary="enrolments", back_populates="courses", overlaps="enrolments"
    )


class Student(Base):
    __tablename__ = "students"

    id: Mapped[int] = mapped_column(primary_key=True)
    courses: Mapped[list[Course]] = relationship(
        secondary="enrolments", back_populates="students", overlaps="enrolments"
    )


class Enrolment(Base):
    """A class of its own for what links two others."""

    __tablename__ = "enrolments"

    course_id: Mapped[int] = mapped_column(sa.ForeignKey("courses.id"), primary_key=True)
    student_id: Mapped[int] = mapped_column(sa.ForeignKey("students.id"), primary_key=True)
    grade: Mapped[int | None]


class Odd(Base):
    __tablename__ = "odds"

    id: Mapped[int] = mapped_column(primary_key=True)
    pickled: Mapped[Any] = mapped_column(sa.PickleType, nullable=True)


Session = orm.scoped_session[orm.Session]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(f"sqlite:///{tmp_path / 'app.sqlite'}")
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """The sessions of an app that does not use Flask-SQLAlchemy."""
    made = orm.scoped_session(orm.sessionmaker(engine))
    yield made
    made.remove()


def expose(app: Flask, *models: type[Model]) -> FlaskClient:
    loop = Loop(app, url_prefix="/api")
    for model in models:
        loop.model(model)
    return app.test_client()


@pytest.fixture
def app(session: Session) -> Flask:
    made = Flask("shop")
    made.config["TESTING"] = True
    made.teardown_appcontext(lambda error: session.remove())
    return made


@pytest.fixture
def client(app: Flask, session: Session) -> FlaskClient:
    classes = (Order, Customer, Tag, Line, Note, Passport)
    return expose(app, *(Model.from_sqlalchemy(each, session) for each in classes))


def stored(engine: sa.Engine, statement: str) -> list[Any]:
    """What another connection sees, as the table has it."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def ask(client: FlaskClient, path: str, **filter: Any) -> Any:
    response = client.get(path, query_string={"filter": json.dumps(filter)})
    assert response.status_code == 200, response.text
    return response.json


# Over REST


def test_a_class_is_exposed_as_it_is(client: FlaskClient, engine: sa.Engine) -> None:
    assert client.post("/api/customers", json={"name": "Ann"}).json == {
        "id": 1,
        "name": "Ann",
        "code": None,
    }
    made = client.post("/api/orders", json={"customerId": 1, "total": "9.99"}).json
    assert made["status"] == "open"
    assert made["total"] == "9.99"
    assert client.get("/api/orders/1").json == made
    assert client.patch("/api/orders/1", json={"status": "paid"}).json["status"] == "paid"
    assert stored(engine, "SELECT status, total FROM orders") == [("PAID", 9.99)]
    assert client.delete("/api/orders/1").json == {"count": 1}
    assert client.get("/api/orders/1").status_code == 404


def test_defaults_are_made_as_in_the_app(client: FlaskClient) -> None:
    client.post("/api/customers", json={"name": "Ann"})
    made = client.post("/api/orders", json={"customerId": 1}).json
    assert made["region"] == "eu"
    assert made["length"] == 4
    assert made["number"].startswith("N-")
    assert made["upper"] == made["number"].upper()
    age = datetime.now(UTC) - datetime.fromisoformat(made["placedAt"])
    assert timedelta() <= age < timedelta(minutes=1)
    assert made["changedAt"] is None
    given = client.post("/api/orders", json={"customerId": 1, "number": "x", "region": "us"}).json
    assert (given["number"], given["region"], given["upper"]) == ("x", "us", "X")


def test_a_change_runs_what_the_app_does_on_update(client: FlaskClient) -> None:
    client.post("/api/customers", json={"name": "Ann"})
    made = client.post("/api/orders", json={"customerId": 1}).json
    first = client.patch("/api/orders/1", json={"total": "1.00"}).json
    assert first["changedAt"] is not None
    assert first["placedAt"] == made["placedAt"]
    second = client.put("/api/orders/1", json={**first, "total": "2.00"}).json
    assert second["total"] == "2.00"
    assert second["changedAt"] > first["changedAt"]
    body = {"where": {"total": "2.00"}}
    response = client.post(
        "/api/orders/update",
        query_string={"where": json.dumps(body["where"])},
        json={"total": "3.00"},
    )
    assert response.json == {"count": 1}
    assert client.get("/api/orders/1").json["changedAt"] > second["changedAt"]


def test_put_keeps_what_the_app_makes_and_clients_leave_out(client: FlaskClient) -> None:
    client.post("/api/customers", json={"name": "Ann"})
    made = client.post("/api/orders", json={"customerId": 1, "total": "3.00"}).json
    answer = client.put("/api/orders/1", json={"customerId": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json["total"] == "0.00"
    assert answer.json["number"] == made["number"]
    assert answer.json["placedAt"] == made["placedAt"]


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ({}, {"name": ["presence"]}),
        ({"name": None}, {"name": ["presence"]}),
        ({"name": "x" * 41}, {"name": ["length.max"]}),
        ({"name": 5}, {"name": ["string"]}),
    ],
)
def test_columns_are_what_bodies_are_checked_by(
    client: FlaskClient, body: dict[str, Any], codes: Any
) -> None:
    response = client.post("/api/customers", json=body)
    assert response.status_code == 422
    assert list(response.json["error"]["details"]["codes"]) == list(codes)


def test_a_unique_column_refuses_what_is_there(client: FlaskClient) -> None:
    client.post("/api/customers", json={"name": "Ann"})
    response = client.post("/api/customers", json={"name": "Ann"})
    assert response.status_code == 422
    assert response.json["error"]["details"]["codes"] == {"name": ["uniqueness"]}
    assert client.post("/api/customers", json={"name": "Bo"}).status_code == 200


def test_a_key_that_names_no_record_is_refused(client: FlaskClient) -> None:
    response = client.post("/api/orders", json={"customerId": 7})
    assert response.status_code == 422
    assert response.json["error"]["details"]["codes"] == {"customerId": ["relation"]}


def test_filters_ask_for_the_values_of_the_app(client: FlaskClient) -> None:
    for name in ("Ann", "Bo"):
        client.post("/api/customers", json={"name": name, "code": f"{name}!"})
    for total, customer in (("1.00", 1), ("2.50", 1), ("10.00", 2)):
        meta = {"n": int(float(total)), "tags": ["x", total]}
        body = {"customerId": customer, "total": total, "meta": meta}
        client.post("/api/orders", json=body)
    client.patch("/api/orders/3", json={"status": "paid"})

    def ids(**where: Any) -> list[int]:
        return [each["id"] for each in ask(client, "/api/orders", where=where, order="id")]

    assert ids(total={"gt": "1.00"}) == [2, 3]
    assert ids(total="2.50") == [2]
    assert ids(total={"inq": ["1.00", "10.00"]}) == [1, 3]
    assert ids(status="paid") == [3]
    assert ids(status={"neq": "paid"}) == [1, 2]
    assert ids(**{"meta.n": 2}) == [2]
    assert ids(**{"meta.tags": "10.00"}) == [3]
    assert ids(changedAt=None) == [1, 2]
    assert ids(placedAt={"gt": "2020-01-01T00:00:00Z"}) == [1, 2, 3]
    assert ids(**{"customer.name": "Bo"}) == [3]
    assert ids(**{"customer.code": "Bo!"}) == [3]
    assert ids(number={"like": "N-%"}) == [1, 2, 3]
    found = ask(client, "/api/customers", where={"code": "Ann!"})
    assert [each["name"] for each in found] == ["Ann"]
    # A pattern is matched with what the app sees, not with what the table has.
    found = ask(client, "/api/customers", where={"code": {"like": "A%"}})
    assert [each["name"] for each in found] == ["Ann"]
    found = ask(client, "/api/orders", order="total DESC", fields=["id", "total"])
    assert found == [
        {"id": 3, "total": "10.00"},
        {"id": 2, "total": "2.50"},
        {"id": 1, "total": "1.00"},
    ]
    assert client.get("/api/orders/count?where[status]=open").json == {"count": 2}


# Relations


def test_relationships_are_relations(session: Session) -> None:
    kinds = {
        f"{each.__name__}.{name}": relation.kind
        for each in (Customer, Order, Tag, Line, Note, Passport)
        for name, relation in Model.from_sqlalchemy(each, session).definition.relations.items()
    }
    assert kinds == {
        "Customer.orders": "has_many",
        "Customer.passport": "has_one",
        "Passport.customer": "belongs_to",
        "Order.customer": "belongs_to",
        "Order.lines": "has_many",
        "Order.tags": "has_and_belongs_to_many",
        "Tag.parent": "belongs_to",
        "Tag.children": "has_many",
        "Tag.orders": "has_and_belongs_to_many",
        "Line.order": "belongs_to",
        "Line.notes": "has_many",
        "Note.line": "belongs_to",
    }


def test_relations_are_included_and_have_routes(client: FlaskClient, engine: sa.Engine) -> None:
    client.post("/api/customers", json={"name": "Ann"})
    order = client.post("/api/customers/1/orders", json={"total": "5.00"}).json
    assert order["customerId"] == 1
    line = client.post("/api/orders/1/lines", json={"place": 1, "text": "tea"})
    assert line.json == {"orderId": 1, "place": 1, "text": "tea"}
    note = client.post("/api/lines/1,1/notes", json={"text": "hot"}).json
    assert client.get(f"/api/notes/{note['id']}/line").json["text"] == "tea"
    tag = client.post("/api/orders/1/tags", json={"text": "new"}).json
    child = client.post(f"/api/tags/{tag['id']}/children", json={"text": "newer"}).json
    assert client.get(f"/api/tags/{child['id']}/parent").json == tag
    assert client.put(f"/api/orders/1/tags/rel/{child['id']}").status_code == 200
    assert stored(engine, "SELECT order_id, tag_id FROM order_tags") == [(1, 1), (1, 2)]
    assert client.delete(f"/api/orders/1/tags/rel/{tag['id']}").status_code == 204
    assert stored(engine, "SELECT order_id, tag_id FROM order_tags") == [(1, 2)]
    found = ask(
        client,
        "/api/customers",
        include=["passport", {"orders": ["tags", {"lines": "notes"}]}],
    )
    assert "passport" not in found[0]
    assert [each["text"] for each in found[0]["orders"][0]["tags"]] == ["newer"]
    assert found[0]["orders"][0]["lines"][0]["notes"] == [note]


def test_a_model_that_is_not_exposed_is_not_reached(app: Flask, session: Session) -> None:
    client = expose(app, Model.from_sqlalchemy(Order, session))
    with session.begin():
        session.add(Order(customer=Customer(name="Ann", code="secret")))
    assert client.get("/api/orders/1").status_code == 200
    assert client.get("/api/orders/1/customer").status_code == 404
    assert client.get("/api/orders?filter[include]=customer").status_code == 400
    assert client.get("/api/orders?filter[where][customer.code]=secret").status_code == 400


def test_what_is_deleted_takes_along_what_the_app_says(
    client: FlaskClient, engine: sa.Engine
) -> None:
    client.post("/api/customers", json={"name": "Ann"})
    client.post("/api/customers/1/orders", json={})
    client.post("/api/orders/1/tags", json={"text": "new"})
    client.post("/api/orders/1/lines", json={"place": 1, "text": "tea"})
    client.post("/api/passports", json={"number": "P1", "customerId": 1})
    assert client.delete("/api/customers/1").json == {"count": 1}
    for table in ("orders", "lines", "order_tags"):
        assert stored(engine, f"SELECT count(*) FROM {table}") == [(0,)]
    assert stored(engine, "SELECT number, customer_id FROM passports") == [("P1", None)]
    assert stored(engine, "SELECT count(*) FROM tags") == [(1,)]


def test_a_table_between_that_has_a_class_is_gone_through(app: Flask, session: Session) -> None:
    models = [Model.from_sqlalchemy(each, session) for each in (Course, Student, Enrolment)]
    client = expose(app, *models)
    client.post("/api/courses", json={})
    client.post("/api/students", json={})
    assert client.put("/api/courses/1/students/rel/1", json={"grade": 2}).status_code == 200
    assert client.get("/api/enrolments").json == [{"courseId": 1, "studentId": 1, "grade": 2}]
    assert ask(client, "/api/students", include="courses") == [{"id": 1, "courses": [{"id": 1}]}]


def test_composite_keys_are_ids(client: FlaskClient) -> None:
    client.post("/api/customers", json={"name": "Ann"})
    client.post("/api/customers/1/orders", json={})
    for place in (1, 2):
        body = {"orderId": 1, "place": place, "text": f"line {place}"}
        assert client.post("/api/lines", json=body).json == body
    assert client.get("/api/lines/1,2").json["text"] == "line 2"
    assert client.patch("/api/lines/1,2", json={"text": "other"}).json["text"] == "other"
    assert client.post("/api/lines", json={"orderId": 1, "place": 2, "text": ""}).status_code in (
        409,
        422,
    )
    assert client.delete("/api/lines/1,1").json == {"count": 1}
    assert client.get("/api/lines").json == [{"orderId": 1, "place": 2, "text": "other"}]


# Values


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An engine of each database, with the app's tables."""
    if request.param == "postgresql":
        server: Postgresql = request.getfixturevalue("postgresql")
        url = sa.make_url(server.fresh("from_sqlalchemy")).set(drivername="postgresql+psycopg")
    else:
        url = sa.URL.create("sqlite", database=str(tmp_path / "values.sqlite"))
    made = sa.create_engine(url)
    Base.metadata.create_all(made)
    yield made
    made.dispose()


VALUES: dict[str, tuple[Any, Any]] = {
    "text_uuid": (uuid.UUID(int=7), str(uuid.UUID(int=7))),
    "flag": (True, True),
    "ratio": (2.5, 2.5),
    "plain": (1.125, 1.125),
    "at": (datetime(2024, 5, 1, 10, 30, 0, 1, tzinfo=UTC), "2024-05-01T10:30:00.000001Z"),
    "seen": (datetime(2024, 5, 1, 10, 30, tzinfo=UTC), "2024-05-01T10:30:00.000Z"),
    "day": (date(2024, 5, 1), "2024-05-01"),
    "hour": (time(10, 30), "10:30:00"),
    "span": (timedelta(hours=1, seconds=0.5), 3600.5),
    "data": (b"\0\xff", base64.b64encode(b"\0\xff").decode()),
    "kind": ("b", "b"),
    "shade": ("LIGHT", "LIGHT"),
    "words": (["a", "b"], ["a", "b"]),
    "secret": ("abc", "abc"),
    "class_": ("first", "first"),
    "count_": (4, 4),
}


def test_each_type_goes_there_and_back(backend: sa.Engine) -> None:
    model: Any = Model.from_sqlalchemy(Sample, backend)
    made = model.create({name: value for name, (value, _) in VALUES.items()})
    found = model.find_by_id(made.id)
    dumped = found.to_dict()
    for name, (value, wire) in VALUES.items():
        assert getattr(found, name) == value, name
        assert type(getattr(found, name)) is type(value), name
        assert dumped[model.definition.properties[name].wire] == wire, name
        matching = model.find(where={name: value})
        assert [each.id for each in matching] == [made.id], name
    assert found.doubled == 8
    assert model.definition.properties["shade"].default == "DARK"
    assert model.create().shade == "DARK"
    assert model.create(shade=None).reload().shade is None
    model.destroy_all({"shade": None})
    assert stored(backend, "SELECT count(*) FROM samples WHERE blob IS NULL") == [(2,)]
    assert model.count({"blob": None, "upside": "down"}) == 2
    model.destroy_all({"shade": "DARK"})
    with orm.Session(backend) as session:
        row = session.get(Sample, made.id)
        assert row is not None
        assert (row.shade, row.words, row.secret) == (Shade.LIGHT, ["a", "b"], "abc")
        assert row.text_uuid == str(uuid.UUID(int=7))
        assert row.count == 4
        assert row.seen == VALUES["seen"][0]
    assert stored(backend, "SELECT secret, words FROM samples") == [("cba", "a,b")]


def test_what_the_app_stored_is_found_and_changed(backend: sa.Engine) -> None:
    with orm.Session(backend) as session, session.begin():
        session.add_all(
            Sample(
                secret=f"s{n}",
                shade=Shade.DARK,
                span=timedelta(n),
                hour=time(n),
                ratio=n / 2,
                at=datetime(2024, 1, n, tzinfo=UTC),
                kind="a",
                words=["w", str(n)],
            )
            for n in (1, 2, 3)
        )
    model: Any = Model.from_sqlalchemy(Sample, backend)
    assert [each.secret for each in model.find(order="at DESC")] == ["s3", "s2", "s1"]
    assert [each.secret for each in model.find(where={"words": "2"})] == ["s2"]
    assert model.count({"at": {"gte": datetime(2024, 1, 2, tzinfo=UTC)}}) == 2
    assert model.count({"kind": {"inq": ["a"]}, "shade": "DARK"}) == 3
    assert model.count({"kind": {"like": "a%"}}) == 3
    assert model.update_all({"secret": "s2"}, {"kind": "b", "hour": time(23)}) == 1
    assert model.find_one(where={"kind": "b"}).hour == time(23)
    assert [each.ratio for each in model.find(order="ratio")] == [0.5, 1, 1.5]


def test_names_that_models_have_themselves_get_an_underscore(session: Session) -> None:
    model: Any = Model.from_sqlalchemy(Sample, session)
    properties = model.definition.properties
    assert properties["count_"].wire == "count"
    assert properties["class_"].wire == "class"
    assert properties["_digest"].hidden
    assert model.create(count_=2).doubled == 4


def test_types_are_in_the_documentation(app: Flask, session: Session) -> None:
    client = expose(app, Model.from_sqlalchemy(Sample, session))
    document = client.get("/_docs/openapi.json").json
    properties = document["components"]["schemas"]["Sample"]["properties"]
    assert properties["textUuid"]["format"] == "uuid"
    assert properties["shade"]["enum"] == ["DARK", "LIGHT", None]
    assert properties["doubled"]["readOnly"]
    assert "_digest" not in properties


def test_a_type_without_a_property_type_is_refused_by_name(session: Session) -> None:
    with pytest.raises(DefinitionError, match=r"'pickled'.*PickleType.*exclude=\['pickled'\]"):
        Model.from_sqlalchemy(Odd, session)
    assert "pickled" not in Model.from_sqlalchemy(Odd, session, exclude=["pickled"]).properties
    session_2 = orm.scoped_session(session.session_factory)
    model: Any = Model.from_sqlalchemy(Odd, session_2, properties={"pickled": "any"})
    assert model.create(pickled={"a": [1]}).reload().pickled == {"a": [1]}


# Options


def test_options_say_more_of_a_model_than_its_class(app: Flask, session: Session) -> None:
    model: Any = Model.from_sqlalchemy(
        Customer,
        session,
        name="Client",
        exclude=["orders", "passport"],
        properties={"code": {"hidden": True}, "name": {"min_length": 2}},
        plural="clients",
    )
    client = expose(app, model)
    assert client.post("/api/clients", json={"name": "A"}).status_code == 422
    assert client.post("/api/clients", json={"name": "Ann"}).json == {"id": 1, "name": "Ann"}
    assert not model.definition.relations


def test_options_hold_for_a_model_that_was_there_by_a_relation(
    app: Flask, session: Session
) -> None:
    order = Model.from_sqlalchemy(Order, session)
    customer = Model.from_sqlalchemy(Customer, session, hidden=["code"], exclude=["passport"])
    client = expose(app, order, customer)
    with session.begin():
        session.add(Order(customer=Customer(name="Ann", code="secret")))
    found = ask(client, "/api/orders", include="customer")
    assert found[0]["customer"] == {"id": 1, "name": "Ann"}
    assert client.get("/api/customers/1").json == {"id": 1, "name": "Ann"}
    assert client.get("/api/orders?filter[where][customer.code]=secret").status_code == 400
    assert "passport" not in customer.definition.relations


@pytest.mark.parametrize("exposed", [False, True])
def test_a_key_that_is_left_out_later_is_as_one_left_out_at_first(
    app: Flask, session: Session, exposed: bool
) -> None:
    customer = Model.from_sqlalchemy(Customer, session)
    if exposed:
        client = expose(app, customer)
        assert client.get("/api/customers").json == []
    order = Model.from_sqlalchemy(Order, session, exclude=["customer", "customer_id"])
    if not exposed:
        client = expose(app, customer, order)
    with session.begin():
        session.add(Customer(name="Ann"))
    assert client.get("/api/customers/1/orders").status_code == 404
    assert client.get("/api/customers?filter[include]=orders").status_code == 400
    assert client.delete("/api/customers/1").json == {"count": 1}
    assert (list(customer.definition.relations), order.definition.foreign_keys) == (
        ["passport"],
        [],
    )


def test_a_relationship_that_is_left_out_later_leaves_what_the_other_side_says(
    app: Flask, session: Session, engine: sa.Engine
) -> None:
    tag = Model.from_sqlalchemy(Tag, session)
    order = Model.from_sqlalchemy(Order, session, exclude=["tags"])
    client = expose(app, tag, order)
    with session.begin():
        session.add(Order(customer=Customer(name="Ann"), tags=[Tag(text="new")]))
    assert client.get("/api/orders/1/tags").status_code == 404
    assert len(client.get("/api/tags/1/orders").json) == 1
    assert client.delete("/api/orders/1").json == {"count": 1}
    assert stored(engine, "SELECT * FROM order_tags") == []


def test_the_same_class_is_the_same_model(session: Session) -> None:
    model = Model.from_sqlalchemy(Order, session)
    assert Model.from_sqlalchemy(Order, session) is model
    assert model.definition.relations["customer"].target_model is Model.from_sqlalchemy(
        Customer, session
    )
    with pytest.raises(DefinitionError, match="Order is a model already"):
        Model.from_sqlalchemy(Order, session, hidden=["total"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": ["totl"]}, "totl.*did you mean 'total'"),
        ({"exclude": ["id"]}, "its id 'id' cannot be left out"),
        ({"exclude": "total"}, "exclude is a list of names"),
        ({"properties": {"totl": int}}, "totl.*did you mean 'total'"),
        ({"properties": ["total"]}, "properties is a dict"),
        ({"hiden": ["total"]}, "hiden.*did you mean 'hidden'"),
    ],
)
def test_an_option_that_means_nothing_is_refused(
    session: Session, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        Model.from_sqlalchemy(Order, session, **options)


def test_what_is_no_mapped_class_is_refused(session: Session) -> None:
    with pytest.raises(DefinitionError, match="no class that SQLAlchemy maps"):
        Model.from_sqlalchemy(dict, session)
    with pytest.raises(DefinitionError, match="give its session"):
        Model.from_sqlalchemy(Order)
    with pytest.raises(TypeError, match="a session is a scoped_session"):
        Model.from_sqlalchemy(Order, "sqlite://")


@pytest.mark.parametrize("mapped", [Lorry, Vehicle])
def test_joined_inheritance_is_refused(session: Session, mapped: type) -> None:
    with pytest.raises(DefinitionError, match="joined-table inheritance"):
        Model.from_sqlalchemy(mapped, session)


def test_classes_that_share_a_table_have_rows_of_their_own(app: Flask, session: Session) -> None:
    models = Model.from_sqlalchemy(Animal, session), Model.from_sqlalchemy(Dog, session)
    client = expose(app, *models)
    assert client.post("/api/animals", json={"name": "cat"}).json["kind"] == "animal"
    dog = client.post("/api/dogs", json={"name": "Rex", "breed": "pug", "kind": "animal"}).json
    assert dog["kind"] == "dog"
    assert [each["name"] for each in client.get("/api/dogs").json] == ["Rex"]
    assert [each["name"] for each in client.get("/api/animals").json] == ["cat", "Rex"]
    assert client.get("/api/dogs/1").status_code == 404
    assert client.delete("/api/dogs/1").json == {"count": 0}
    assert isinstance(session.get(Animal, dog["id"]), Dog)


def test_versions_are_counted_as_in_the_app(session: Session, engine: sa.Engine) -> None:
    model: Any = Model.from_sqlalchemy(Page, session)
    page = model.create(text="one")
    assert page.version == 1
    with orm.Session(engine) as other:
        row = other.get(Page, page.id)
        assert row is not None
        other.commit()
        row.text, version = "two", row.version
        other.rollback()
        assert version == 1
        row = other.get_one(Page, page.id)
        other.expunge(row)
        assert page.update_attribute("text", "three").version == 2
        other.add(row)
        row.text = "two"
        with pytest.raises(orm.exc.StaleDataError):
            other.commit()


def test_the_schema_is_left_to_the_app(session: Session) -> None:
    source = Model.from_sqlalchemy(Order, session).data_source
    for change in (source.auto_update, source.auto_migrate, lambda: source.auto_migrate(drop=True)):
        with pytest.raises(DefinitionError, match="the app's own"):
            change()
    assert source.is_actual()


def test_a_model_can_be_derived_from_one(app: Flask, session: Session) -> None:
    base: Any = Model.from_sqlalchemy(Customer, session)

    class Client(base):
        class Meta:
            plural = "clients"
            hidden = ["code"]

        def greeting(self) -> str:
            return f"Hello {self.name}"

    client = expose(app, Client)
    assert client.post("/api/clients", json={"name": "Ann"}).json == {"id": 1, "name": "Ann"}
    found: Any = Client.find_by_id(1)
    assert found.greeting() == "Hello Ann"


# The app's transactions


def test_python_code_sees_what_the_app_has_not_committed(
    session: Session, engine: sa.Engine
) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    session.add(Customer(name="Ann"))
    assert model.count() == 1
    assert stored(engine, "SELECT count(*) FROM customers") == [(0,)]
    session.rollback()
    assert model.count() == 0


def test_a_write_is_kept_at_once_where_no_transaction_is_open(
    session: Session, engine: sa.Engine
) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    model.create(name="Ann")
    assert not session().in_transaction()
    assert stored(engine, "SELECT name FROM customers") == [("Ann",)]
    assert model.find_one(where={"name": "Ann"}).name == "Ann"
    assert not session().in_transaction()


@pytest.mark.parametrize("keeps", [True, False])
def test_a_write_is_a_part_of_the_apps_transaction(
    session: Session, engine: sa.Engine, keeps: bool
) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    session.add(Customer(name="Ann"))
    model.create(name="Bo")
    model.update_all({"name": "Ann"}, {"code": "a"})
    with model.data_source.transaction():
        model.create([{"name": "Cy"}, {"name": "Di"}])
    assert session().in_transaction()
    assert stored(engine, "SELECT count(*) FROM customers") == [(0,)]
    session.commit() if keeps else session.rollback()
    expected = [("Ann",), ("Bo",), ("Cy",), ("Di",)] if keeps else []
    assert stored(engine, "SELECT name FROM customers ORDER BY name") == expected


def test_a_block_that_raises_undoes_its_part_alone(backend: sa.Engine) -> None:
    session = orm.scoped_session(orm.sessionmaker(backend))
    model: Any = Model.from_sqlalchemy(Customer, session)
    session.add(Customer(name="Ann"))
    with pytest.raises(ZeroDivisionError), model.data_source.transaction():  # noqa: PT012 - it is the block
        model.create(name="Bo")
        session.add(Customer(name="Cy"))
        session.flush()
        raise ZeroDivisionError
    session.commit()
    assert stored(backend, "SELECT name FROM customers") == [("Ann",)]
    session.remove()


def test_a_block_without_a_transaction_of_the_app_is_one(
    session: Session, engine: sa.Engine
) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    with model.data_source.transaction():
        model.create(name="Ann")
        assert session().in_transaction()
        assert stored(engine, "SELECT count(*) FROM customers") == [(0,)]
        session.add(Customer(name="Bo"))
    assert not session().in_transaction()
    assert stored(engine, "SELECT count(*) FROM customers") == [(2,)]
    with pytest.raises(ZeroDivisionError), model.data_source.transaction():  # noqa: PT012 - it is the block
        model.create(name="Cy")
        raise ZeroDivisionError
    assert not session().in_transaction()
    assert stored(engine, "SELECT count(*) FROM customers") == [(2,)]


def test_a_write_that_is_refused_leaves_the_apps_transaction(backend: sa.Engine) -> None:
    session = orm.scoped_session(orm.sessionmaker(backend))
    model: Any = Model.from_sqlalchemy(Customer, session)
    session.add(Customer(name="Ann"))
    for _ in range(2):
        with pytest.raises(ValidationError):
            model.create(name="Ann")
        with pytest.raises(ValidationError):
            model.create([{"name": "Bo"}, {"name": "Ann"}])
    model.create(name="Cy")
    session.commit()
    assert stored(backend, "SELECT name FROM customers ORDER BY name") == [("Ann",), ("Cy",)]
    with pytest.raises(ValidationError):
        model.create(name="Ann")
    assert not session().in_transaction()
    session.remove()


def test_what_is_wrong_with_the_apps_own_objects_is_said_as_it_is(session: Session) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    for ask in (model.count, lambda: model.create(name="Bo"), lambda: model.find_by_id(1)):
        session.add_all([Customer(name="Ann"), Customer(name="Ann")])
        with pytest.raises(sa.exc.IntegrityError) as caught:
            ask()
        assert "the app's own objects" in "".join(caught.value.__notes__)
        session.rollback()
    assert model.count() == 0


def test_errors_of_the_app_inside_a_block_are_its_own(session: Session) -> None:
    source = Model.from_sqlalchemy(Customer, session).data_source
    for begins in (lambda: None, session.begin):
        begins()
        with pytest.raises(sa.exc.IntegrityError), source.transaction():  # noqa: PT012
            session.add_all([Customer(name="Ann"), Customer(name="Ann")])
            session.flush()
        session.rollback()
    with source.transaction():
        session.add(Customer(name="Ann"))
    with pytest.raises(sa.exc.IntegrityError), source.transaction():
        session.execute(sa.insert(Customer).values(name="Ann"))
    assert not session().in_transaction()


def test_a_session_is_clean_after_a_request_that_failed(
    app: Flask, session: Session, engine: sa.Engine
) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    seen = []

    @model.before_remote("create")
    def note(ctx: Any) -> None:
        session.add_all([Tag(id=1, text="a"), Tag(id=1, text="b")])

    @app.after_request
    def look(response: Any) -> Any:
        seen.append(session().in_transaction())
        return response

    app.config.update(TESTING=False)
    client = expose(app, model)
    assert client.post("/api/customers", json={"name": "Ann"}).status_code == 500
    assert client.get("/api/customers").json == []
    assert seen == [False, False]
    assert engine.pool.checkedout() == 0


def test_objects_that_the_app_holds_are_loaded_again(session: Session) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    session.add_all([held := Customer(name="Ann"), changed := Customer(name="Bo")])
    session.flush()
    id = held.id
    model.find_by_id(id).update_attribute("code", "new")
    assert held.code == "new"
    with session.no_autoflush:
        changed.code = "mine"
        model.create(name="Cy")
        assert sa.inspect(held).expired
        assert changed.code == "mine"
    session.commit()
    assert model.find_one(where={"name": "Bo"}).code == "mine"


def postgresql_engine(server: Postgresql) -> sa.Engine:
    """An engine of an empty database with the app's tables."""
    url = sa.make_url(server.fresh("from_sqlalchemy")).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    return engine


def test_a_foreign_key_of_the_database_refuses(postgresql: Postgresql) -> None:
    engine = postgresql_engine(postgresql)
    session = orm.scoped_session(orm.sessionmaker(engine))
    model: Any = Model.from_sqlalchemy(Passport, session)
    customers: Any = Model.from_sqlalchemy(Customer, session, exclude=["passport", "orders"])
    with pytest.raises(ValidationError, match="names no record"):
        model.create(number="P1", customer_id=7)
    customers.create(id=7, name="Ann")
    model.create(number="P1", customer_id=7)
    with pytest.raises(Conflict, match="Passport"):
        customers.destroy_by_id(7)
    session.remove()
    engine.dispose()


def test_a_transaction_is_what_its_options_ask_for(session: Session, engine: sa.Engine) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    source = model.data_source
    with source.transaction(read_only=True):
        assert model.count() == 0
        with pytest.raises(RuntimeError, match="read_only"):
            model.create(name="Ann")
    with pytest.raises(Unavailable, match="too long"), source.transaction(timeout=0.01):  # noqa: PT012 - it is the block
        model.create(name="Bo")
        sleep(0.02)
    with source.transaction(isolation="repeatable read"):
        model.create(name="Cy")
    assert stored(engine, "SELECT name FROM customers") == [("Cy",)]


def test_isolation_is_that_of_the_outermost(postgresql: Postgresql) -> None:
    engine = postgresql_engine(postgresql)
    session = orm.scoped_session(orm.sessionmaker(engine))
    model: Any = Model.from_sqlalchemy(Customer, session)
    source = model.data_source
    with source.transaction(isolation="serializable"):
        assert session.connection().get_isolation_level() == "SERIALIZABLE"
        with source.transaction(isolation="repeatable read"):
            model.create(name="Ann")
    session.execute(sa.text("SELECT 1"))
    with (
        pytest.raises(RuntimeError, match="the transaction is read committed"),
        source.transaction(isolation="serializable"),
    ):
        pass
    session.rollback()
    assert session.connection().get_isolation_level() == "READ COMMITTED"
    session.remove()
    engine.dispose()


def test_what_another_transaction_got_in_the_way_of_is_run_again(postgresql: Postgresql) -> None:
    engine = postgresql_engine(postgresql)
    session = orm.scoped_session(orm.sessionmaker(engine))
    model: Any = Model.from_sqlalchemy(Customer, session)
    model.create(name="Ann", code="0")
    calls = []

    def change() -> None:
        calls.append(model.find_one(where={"name": "Ann"}).code)
        if len(calls) == 1:
            with engine.begin() as other:
                other.execute(sa.update(Customer).values(code="other"))
        model.update_all({"name": "Ann"}, {"code": "mine"})

    model.data_source.in_transaction(change, isolation="repeatable read")
    assert calls == ["0", "other"]
    assert model.find_one(where={"name": "Ann"}).code == "mine"
    assert not session().in_transaction()
    assert engine.pool.checkedout() == 0

    session.begin()  # the app's own is run by the app alone
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    calls.clear()
    with pytest.raises(TransactionConflict):
        change()
    assert len(calls) == 1
    session.rollback()
    session.remove()
    engine.dispose()


def test_sql_is_executed_in_the_apps_transaction(session: Session, engine: sa.Engine) -> None:
    source = Model.from_sqlalchemy(Customer, session).data_source
    session.add(Customer(name="Ann"))
    assert source.execute("SELECT name FROM customers") == [{"name": "Ann"}]
    assert source.execute("UPDATE customers SET name = :name", {"name": "Bo"}) == 1
    session.rollback()
    assert source.execute("INSERT INTO customers (name) VALUES (:name)", {"name": "Cy"}) == 1
    assert stored(engine, "SELECT name FROM customers") == [("Cy",)]
    with pytest.raises(RuntimeError, match="does not take the statement"):
        source.execute("SELECT nothing FROM nowhere")
    assert not session().in_transaction()


# Who commits over REST


def test_requests_are_answered_on_each_database(backend: sa.Engine) -> None:
    session = orm.scoped_session(orm.sessionmaker(backend))
    app = Flask("shop")
    app.config["TESTING"] = True
    app.teardown_appcontext(lambda error: session.remove())
    app.before_request(lambda: session.execute(sa.text("SELECT 1")) and None)
    client = expose(
        app, *(Model.from_sqlalchemy(each, session) for each in (Customer, Order, Tag, Line))
    )
    assert client.post("/api/customers", json={"name": "Ann"}).json["id"] == 1
    assert client.post("/api/customers", json={"name": "Ann"}).status_code == 422
    assert client.post("/api/orders", json={"customerId": 9}).status_code == 422
    ids = []
    for total in ("2.50", "1.00"):
        made = client.post("/api/customers/1/orders", json={"total": total, "meta": {"n": [1]}})
        assert made.json["region"] == "eu"
        ids.append(made.json["id"])
    first, second = ids
    assert client.post(f"/api/orders/{first}/tags", json={"text": "new"}).status_code == 200
    line = {"place": 1, "text": "tea"}
    assert client.post(f"/api/orders/{first}/lines", json=line).status_code == 200
    found = ask(client, "/api/customers", include={"orders": ["tags", "lines"]})
    orders = {each["id"]: each for each in found[0]["orders"]}
    assert [each["text"] for each in orders[first]["tags"]] == ["new"]
    assert orders[first]["lines"] == [{"orderId": first, **line}]
    where = {"customer.name": {"like": "A%"}, "status": {"inq": ["open"]}, "meta.n": 1}
    ordered = ask(client, "/api/orders", where=where, order="total", fields="id")
    assert ordered == [{"id": second}, {"id": first}]
    assert client.patch(f"/api/orders/{second}", json={"status": "paid"}).json["changedAt"]
    assert client.get(f"/api/lines/{first},1").json["text"] == "tea"
    assert client.delete("/api/customers/1").json == {"count": 1}
    assert stored(backend, "SELECT count(*) FROM lines") == [(0,)]
    assert backend.pool.checkedout() == 0


def test_a_request_is_committed_though_the_app_has_read_before(
    client: FlaskClient, app: Flask, session: Session, engine: sa.Engine
) -> None:
    @app.before_request
    def load_user() -> None:
        session.scalars(sa.select(Customer)).all()
        assert session().in_transaction()

    assert client.post("/api/customers", json={"name": "Ann"}).status_code == 200
    assert stored(engine, "SELECT name FROM customers") == [("Ann",)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_hook_adds_is_committed_with_the_request(
    app: Flask, session: Session, engine: sa.Engine, when: str
) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    register = model.before_remote if when == "before" else model.after_remote

    @register("create")
    @register("find")
    def note(ctx: Any) -> None:
        session.add(Tag(text=ctx.method.name))

    client = expose(app, model)
    assert client.post("/api/customers", json={"name": "Ann"}).status_code == 200
    assert stored(engine, "SELECT text FROM tags") == [("create",)]
    assert client.post("/api/customers", json={"name": "Ann"}).status_code == 422
    assert client.get("/api/customers").status_code == 200
    assert stored(engine, "SELECT text FROM tags") == [("create",)]


def test_an_error_after_a_write_undoes_the_request_where_a_transaction_was_open(
    app: Flask, session: Session, engine: sa.Engine
) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)

    @model.after_remote("create")
    def fail(ctx: Any) -> None:
        raise LoopError("no")

    app.before_request(lambda: session.execute(sa.text("SELECT 1")) and None)
    app.config.update(TESTING=False)
    client = expose(app, model)
    assert client.post("/api/customers", json={"name": "Ann"}).status_code == 500
    assert stored(engine, "SELECT count(*) FROM customers") == [(0,)]


@pytest.mark.parametrize("has_read", [True, False])
def test_a_method_that_is_a_transaction_is_one(
    app: Flask, session: Session, engine: sa.Engine, has_read: bool
) -> None:
    class Client(Model.from_sqlalchemy(Customer, session)):
        class Meta:
            plural = "clients"

        @remote_method(transaction=True)
        @classmethod
        def enter(cls, names: list[str]) -> int:
            for name in names:
                cls.create(name=name)
            return len(names)

    if has_read:
        app.before_request(lambda: session.execute(sa.text("SELECT 1")) and None)
    client = expose(app, Client)
    response = client.post("/api/clients/enter", json={"names": ["Ann", "Bo", "Ann"]})
    assert response.status_code == 422
    assert stored(engine, "SELECT count(*) FROM customers") == [(0,)]
    response = client.post("/api/clients/enter", json={"names": ["Ann", "Bo"]})
    assert response.status_code == 200, response.text
    assert stored(engine, "SELECT count(*) FROM customers") == [(2,)]
    assert engine.pool.checkedout() == 0


def test_a_class_that_cannot_be_a_model_is_named_where_a_relationship_leads_to_it(
    session: Session,
) -> None:
    with pytest.raises(DefinitionError, match=r"Driver\.lorry: Lorry .*exclude=\['lorry'\]"):
        Model.from_sqlalchemy(Driver, session)
    model = Model.from_sqlalchemy(Driver, session, exclude=["lorry"])
    assert not model.definition.relations


def test_a_transaction_that_the_app_began_is_left_to_it(
    app: Flask, session: Session, engine: sa.Engine
) -> None:
    client = expose(app, Model.from_sqlalchemy(Customer, session))
    app.before_request(lambda: session.begin() and None)

    @app.after_request
    def finish(response: Any) -> Any:
        assert stored(engine, "SELECT count(*) FROM customers") == [(0,)]
        session.commit() if "keep" in response.json["name"] else session.rollback()
        return response

    assert client.post("/api/customers", json={"name": "lose"}).status_code == 200
    assert stored(engine, "SELECT count(*) FROM customers") == [(0,)]
    assert client.post("/api/customers", json={"name": "keep"}).status_code == 200
    assert stored(engine, "SELECT name FROM customers") == [("keep",)]


def test_no_connection_is_left_in_use(
    client: FlaskClient, session: Session, engine: sa.Engine
) -> None:
    for body in ({"name": "Ann"}, {"name": "Ann"}, {"name": None}, {"name": "Bo"}):
        client.post("/api/customers", json=body)
        client.get("/api/customers?filter[include]=orders")
        client.get("/api/customers/99")
        client.delete("/api/customers/1")
    assert engine.pool.checkedout() == 0
    assert Model.from_sqlalchemy(Customer, session).data_source.connector.session.in_use == 0


# Sessions


@pytest.mark.parametrize("make", [orm.sessionmaker, lambda engine: engine, orm.Session])
def test_any_kind_of_session_serves(
    app: Flask, engine: sa.Engine, make: Callable[[sa.Engine], Any]
) -> None:
    given = make(engine)
    model: Any = Model.from_sqlalchemy(Customer, given)
    client = expose(app, model)
    assert client.post("/api/customers", json={"name": "Ann"}).json["id"] == 1
    with pytest.raises(ZeroDivisionError), model.data_source.transaction():  # noqa: PT012 - it is the block
        model.create(name="Bo")
        assert model.count() == 2
        raise ZeroDivisionError
    assert [each["name"] for each in client.get("/api/customers").json] == ["Ann"]
    assert engine.pool.checkedout() == 0


def test_a_session_on_a_connection_stays_on_it(engine: sa.Engine) -> None:
    """As tests have it that undo all that an app did."""
    with engine.connect() as connection:
        outer = connection.begin()
        session = orm.scoped_session(
            orm.sessionmaker(connection, join_transaction_mode="create_savepoint")
        )
        model: Any = Model.from_sqlalchemy(Customer, session)
        model.create(name="Ann")
        assert model.count() == 1
        session.remove()
        outer.rollback()
    assert stored(engine, "SELECT count(*) FROM customers") == [(0,)]


def test_each_thread_has_a_session_of_its_own(session: Session, engine: sa.Engine) -> None:
    model: Any = Model.from_sqlalchemy(Customer, session)
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(10):
                with model.data_source.transaction():
                    model.create(name=f"{name}{n}")
            assert not session().in_transaction()
        except BaseException as error:  # noqa: BLE001 - it is shown by the test
            failures.append(error)
        finally:
            session.remove()

    threads = [Thread(target=work, args=(name,)) for name in "abc"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert stored(engine, "SELECT count(*) FROM customers") == [(30,)]
    assert engine.pool.checkedout() == 0


# Flask-SQLAlchemy


class FlaskBase(orm.DeclarativeBase):
    pass


db = SQLAlchemy(model_class=FlaskBase)


class Artist(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    plays: Mapped[list[Play]] = relationship(
        primaryjoin="foreign(Play.artist_id) == Artist.id", back_populates="artist"
    )


class Play(db.Model):
    """It is in another database."""

    __bind_key__ = "stats"

    id: Mapped[int] = mapped_column(primary_key=True)
    artist_id: Mapped[int | None]
    artist: Mapped[Artist | None] = relationship(
        primaryjoin="foreign(Play.artist_id) == Artist.id", back_populates="plays"
    )


def create_app(folder: Path, name: str) -> Flask:
    app = Flask(name)
    app.config.update(
        TESTING=True,
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / name}.sqlite",
        SQLALCHEMY_BINDS={"stats": f"sqlite:///{folder / name}-stats.sqlite"},
    )
    db.init_app(app)
    loop = Loop(app, url_prefix="/api")
    for each in (Artist, Play):
        loop.model(Model.from_sqlalchemy(each))
    with app.app_context():
        db.create_all()
    return app


def test_models_of_flask_sqlalchemy_need_no_session(tmp_path: Path) -> None:
    app = create_app(tmp_path, "one")
    client = app.test_client()
    assert client.post("/api/artists", json={"name": "Nina"}).json == {"id": 1, "name": "Nina"}
    with app.app_context():
        assert db.session.get(Artist, 1).name == "Nina"
    with pytest.raises(RuntimeError, match="application context"):
        Model.from_sqlalchemy(Artist).count()


def test_two_apps_have_their_own_records_of_one_model(tmp_path: Path) -> None:
    one, two = (create_app(tmp_path, name).test_client() for name in ("one", "two"))
    one.post("/api/artists", json={"name": "Nina"})
    assert two.get("/api/artists").json == []
    two.post("/api/artists", json={"name": "Billie"})
    assert [each["name"] for each in one.get("/api/artists").json] == ["Nina"]


def test_the_source_says_how_many_rows_python_looks_at(
    client: FlaskClient, session: Session
) -> None:
    source: Any = Model.from_sqlalchemy(Customer, session).data_source
    assert source.max_scan == 100_000
    source.max_scan = 1
    customers = Model.from_sqlalchemy(Customer, session)
    customers.create([{"name": "Ann", "code": "ab"}, {"name": "Bo", "code": "ac"}])
    decorated = {"where": {"code": {"like": "a%"}}}
    answer = client.get("/api/customers", query_string={"filter": json.dumps(decorated)})
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "TOO_MUCH_TO_READ"
    source.max_scan = 2
    assert len(ask(client, "/api/customers", **decorated)) == 2
    for wrong in (0, "many", 1.5):
        with pytest.raises(DefinitionError, match="max_scan is a whole number from 1"):
            source.max_scan = wrong
    assert source.max_scan == source.connector.max_scan == 2


def test_each_bind_has_a_source_and_relations_lead_from_one_to_the_other(tmp_path: Path) -> None:
    app = create_app(tmp_path, "one")
    client = app.test_client()
    client.post("/api/artists", json={"name": "Nina"})
    assert client.post("/api/artists/1/plays", json={}).json == {"id": 1, "artistId": 1}
    found = ask(client, "/api/artists", include="plays")
    assert found == [{"id": 1, "name": "Nina", "plays": [{"id": 1, "artistId": 1}]}]
    assert ask(client, "/api/plays", where={"artist.name": "Nina"}) == [{"id": 1, "artistId": 1}]
    artists, plays = Model.from_sqlalchemy(Artist), Model.from_sqlalchemy(Play)
    assert artists.data_source is not plays.data_source
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Play)) == 1
        assert [
            table
            for (table,) in db.session.execute(
                sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")
            )
        ] == ["artist"]


# Servers


@pytest.mark.parametrize("name", ["mysql", "firebird", "postgresql"])
def test_each_server_serves(get_server: Callable[[str], Any], name: str) -> None:
    url = sa.make_url(get_server(name).fresh("from_sqlalchemy"))
    drivers = {"mysql": "mysql+pymysql", "postgresql": "postgresql+psycopg"}
    engine = sa.create_engine(url.set(drivername=drivers.get(name, url.drivername)))
    used = [each.__table__ for each in (Customer, Passport, Tag)]
    Base.metadata.create_all(engine, tables=used)
    session = orm.scoped_session(orm.sessionmaker(engine))
    customers: Any = Model.from_sqlalchemy(Customer, session, exclude=["orders"])
    passports: Any = Model.from_sqlalchemy(Passport, session)
    tags: Any = Model.from_sqlalchemy(Tag, session, exclude=["orders"])

    ann = customers.create(name="Ann", code="abc")
    assert customers.find_one(where={"code": "abc"}).id == ann.id
    with pytest.raises(ValidationError, match="not unique"):
        customers.create(name="Ann")
    with pytest.raises(ValidationError, match="names no record"):
        passports.create(number="P1", customer_id=ann.id + 1)
    passports.create(number="P1", customer_id=ann.id)
    assert passports.find(where={"customer.name": {"like": "A%"}})[0].number == "P1"

    session.add(Tag(text="one"))
    tags.create(text="two")
    with pytest.raises(ValidationError), tags.data_source.transaction():  # noqa: PT012
        tags.create(text="three")
        tags.create(text="four", parent_id=99)
    assert stored(engine, "SELECT count(*) FROM tags") == [(0,)]
    session.commit()
    assert stored(engine, "SELECT text FROM tags ORDER BY id") == [("one",), ("two",)]
    assert tags.update_all({"text": "one"}, {"text": "1"}) == 1

    assert customers.destroy_all() == 1
    assert passports.find_by_id("P1").customer_id is None
    assert not session().in_transaction()
    assert engine.pool.checkedout() == 0
    session.remove()
    engine.dispose()


# PostgreSQL's own types


class Listed(Base):
    __tablename__ = "listed"

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=sa.text("gen_random_uuid()")
    )
    names: Mapped[list[str] | None] = mapped_column(pg.ARRAY(sa.String(20)))
    about: Mapped[dict[str, Any] | None] = mapped_column(pg.JSONB)
    mood: Mapped[Status | None]


Base.metadata.remove(Listed.__table__)


def test_lists_and_jsonb_of_postgresql_are_looked_into(postgresql: Postgresql) -> None:
    url = sa.make_url(postgresql.fresh("from_sqlalchemy")).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url)
    Listed.__table__.create(engine)
    model: Any = Model.from_sqlalchemy(Listed, engine)
    made = model.create(names=["a", "b"], about={"n": 1, "t": ["x"]}, mood=Status.PAID)
    model.create(names=[], about=None)
    assert isinstance(made.id, uuid.UUID)
    for where in (
        {"names": "a"},
        {"names": ["a", "b"]},
        {"names": {"like": "b%"}},
        {"about.n": 1},
        {"about.t": "x"},
        {"mood": Status.PAID},
        {"mood": {"inq": [Status.PAID, Status.OPEN]}},
    ):
        assert [each.id for each in model.find(where=where)] == [made.id], where
    assert model.count({"about": None}) == 1
    assert model.find_by_id(made.id).names == ["a", "b"]
    engine.dispose()
