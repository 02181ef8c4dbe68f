"""Oracle: its tables, and the statement of each operation and operator, as they are written.

There is no Oracle to ask. So a driver that writes down what it is told takes the place of the
server, and the statements are compared with what Oracle's manual says that they are. Where
``LOOP_TEST_ORACLE_URL`` names a server, the contract suite runs there.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

import oracledb
import pytest
import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from flask_loop import (
    BelongsTo,
    DataSource,
    DefinitionError,
    GeoPoint,
    HasMany,
    Model,
    Prop,
    create_data_source,
    prop,
    relation,
)
from flask_loop.connectors.sql.oracle import OracleConnector
from flask_loop.errors import (
    Conflict,
    DuplicateId,
    TransactionConflict,
    Unavailable,
    ValidationError,
)


class Var:
    """A value that a statement gives back."""

    def getvalue(self) -> list[int]:
        return [7]


class Cursor:
    """A cursor that writes down what it is told, and finds what it was given."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self.rowcount = 0
        # SQLAlchemy asks a new connection for the name of its schema.
        self.description = [("NAME", oracledb.DB_TYPE_VARCHAR, None, None, None, None, True)]
        self.bindvars: Mapping[str, Any] = {}
        self.sizes: dict[str, Any] = {}

    def setinputsizes(self, **sizes: Any) -> None:
        self.sizes = sizes

    def var(self, kind: type) -> Var:
        assert kind is int
        return Var()

    def execute(self, sql: str, values: Any = ()) -> None:
        self.bindvars = values
        self._told.statements.append(" ".join(sql.split()))
        self._told.values.append(values)
        self._told.sizes.append(self.sizes)
        if sql.startswith(self._told.refused):
            raise self._told.error

    def fetchall(self) -> list[Any]:
        rows, self._told.rows = self._told.rows, []
        return rows

    def fetchone(self) -> Any:
        return ("SHOP",)

    def close(self) -> None:
        pass

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Told:
    """A connection of the driver, and what it was told."""

    version = "19.0.0.0.0"
    #: As SQLAlchemy has a connection that is in no transaction.
    autocommit = False
    call_timeout = 0
    max_identifier_length = 128
    thin = True

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.statements: list[str] = []
        self.values: list[Any] = []
        self.sizes: list[dict[str, Any]] = []
        self.rows: list[Any] = []
        #: What statements begin with that are refused, and how.
        self.refused: tuple[str, ...] = ()
        self.error: Exception = oracledb.InternalError()

    def cursor(self, *arguments: Any, **named: Any) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        if not self.autocommit:
            self.statements.append("COMMIT")

    def rollback(self) -> None:
        if not self.autocommit:
            self.statements.append("ROLLBACK")

    def ping(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def source() -> DataSource:
    """A data source whose driver writes down what it is told."""
    told = Told()

    class WrittenDown(OracleConnector):
        def engine_options(self) -> dict[str, Any]:
            return super().engine_options() | {"creator": lambda: told}

    source = create_data_source(connector=WrittenDown, database="shop", pre_ping=False)
    source.told = told  # type: ignore[attr-defined]
    for model in (Piece, Owner):
        model.attach_to(source)
    source.ping()
    return source


@pytest.fixture
def told(source: DataSource) -> Told:
    told: Told = source.told  # type: ignore[attr-defined]
    told.forget()
    return told


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "large"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Label(Model):
    text: Prop[str]

    class Meta:
        id_injection = False


class Owner(Model):
    name: Prop[str] = prop(max_length=50, index=True)
    pieces: HasMany[Piece]


class Piece(Model):
    name: Prop[str] = prop(max_length=1000)
    story: Prop[str | None] = prop(default=None)
    longer: Prop[str | None] = prop(default=None, max_length=1001)
    code: Prop[str | None] = prop(default=None, max_length=10, unique=True)
    stock: Prop[int | None] = prop(default=None, index=True)
    weight: Prop[float | None] = prop(default=None)
    price: Prop[Decimal | None] = prop(default=None, precision=10, scale=2)
    sold: Prop[bool | None] = prop(default=None)
    made: Prop[dt.datetime | None] = prop(default=None)
    day: Prop[dt.date | None] = prop(default=None)
    scan: Prop[bytes | None] = prop(default=None)
    place: Prop[GeoPoint | None] = prop(default=None, index=True)
    key: Prop[uuid.UUID | None] = prop(default=None)
    size: Prop[Size | None] = prop(default=None)
    level: Prop[Level | None] = prop(default=None)
    notes: Prop[dict | None] = prop(default=None)
    tags: Prop[list[str] | None] = prop(default=None)
    label: Prop[Label | None] = prop(default=None)
    user: Prop[Any | None] = prop(default=None)
    owner: BelongsTo[Owner] = relation(constraint=True)


# Tables


def ddl(source: DataSource, *models: type[Model]) -> list[str]:
    """The statements that make the tables of models."""
    connector: Any = source.connector
    definitions = [model.__loop_plan__().definition for model in models]
    metadata, dialect = connector.metadata(definitions), connector.session.engine.dialect
    statements: list[Any] = []
    for table in metadata.sorted_tables:
        statements.append(CreateTable(table, include_foreign_key_constraints=[]))
        statements += [CreateIndex(each) for each in sorted(table.indexes, key=lambda i: i.name)]
        statements += [AddConstraint(each) for each in table.foreign_key_constraints]
    return [" ".join(str(each.compile(dialect=dialect)).split()) for each in statements]


def test_the_table_of_every_type(source: DataSource) -> None:
    assert ddl(source, Owner, Piece) == [
        (
            "CREATE TABLE owner ("
            " name VARCHAR2(50 CHAR) NOT NULL,"
            " id NUMBER(19, 0) GENERATED BY DEFAULT AS IDENTITY,"
            " PRIMARY KEY (id) )"
        ),
        "CREATE INDEX loop_owner__name ON owner (name)",
        (
            "CREATE TABLE piece ("
            " name VARCHAR2(1000 CHAR) NOT NULL,"
            " story CLOB,"
            " longer CLOB,"
            " code VARCHAR2(10 CHAR),"
            " stock NUMBER(19, 0),"
            " weight BINARY_DOUBLE,"
            " weight_rest NUMBER(5, 0) DEFAULT '0',"
            " price NUMBER(10, 2),"
            " sold NUMBER(1, 0),"
            " made TIMESTAMP,"
            " day DATE,"
            " scan BLOB,"
            " place_lat BINARY_DOUBLE,"
            " place_lng BINARY_DOUBLE,"
            " key VARCHAR2(36 CHAR),"
            ' "size" VARCHAR2(5 CHAR),'
            ' "level" NUMBER(19, 0),'
            " notes CLOB,"
            " tags CLOB,"
            " label CLOB,"
            ' "user" CLOB,'
            " id NUMBER(19, 0) GENERATED BY DEFAULT AS IDENTITY,"
            " owner_id NUMBER(19, 0),"
            " PRIMARY KEY (id) )"
        ),
        "CREATE UNIQUE INDEX loop_piece__code__unique ON piece (code)",
        "CREATE INDEX loop_piece__owner_id ON piece (owner_id)",
        "CREATE INDEX loop_piece__place ON piece (place_lat, place_lng)",
        "CREATE INDEX loop_piece__stock ON piece (stock)",
        (
            "ALTER TABLE piece ADD CONSTRAINT loop_piece__owner_id__fk"
            " FOREIGN KEY(owner_id) REFERENCES owner (id)"
        ),
    ]


@pytest.mark.parametrize("word", ["session", "user", "file", "access", "row", "order", "number"])
def test_reserved_words_are_quoted(source: DataSource, word: str) -> None:
    model = source.create_model(word, {"column": int, "name": {"type": str, "max_length": 9}})
    (statement,) = ddl(source, model)
    assert statement.startswith(f'CREATE TABLE "{word}" ( "column" NUMBER(19, 0), name VARCHAR2(9')


@pytest.mark.parametrize(
    "kind",
    [
        {"type": str},
        {"type": str, "max_length": 1001},
        {"type": bytes},
        {"type": dict},
        {"type": [str]},
        {"type": "any"},
    ],
    ids=str,
)
def test_what_has_no_index_is_refused(source: DataSource, kind: dict[str, Any]) -> None:
    message = "takes texts of at most 1000 characters|is a LOB in oracle, which has no index"
    for extra in ({"index": True}, {"unique": True}):
        model = source.create_model("unindexed", {"value": {**kind, **extra}})
        with pytest.raises(DefinitionError, match=message):
            ddl(source, model)


def test_names_have_at_most_128_bytes(source: DataSource) -> None:
    model = source.create_model("long", {"ä" * 64: int, "a" * 100: {"type": int, "index": True}})
    (_, index) = ddl(source, model)
    assert len(index.split()[2].encode()) <= 128
    with pytest.raises(DefinitionError, match="more than 128 bytes"):
        ddl(source, source.create_model("longer", {"ä" * 64 + "a": int}))


# Filters


WHERES: list[tuple[dict[str, Any], str, list[Any]]] = [
    ({"stock": 5}, "piece.stock = :value_0", [5]),
    ({"stock": None}, "piece.stock IS NULL", []),
    ({"stock": {"neq": 5}}, "CASE WHEN (piece.stock = :value_0) THEN 0 ELSE 1 END = 1", [5]),
    ({"stock": {"neq": None}}, "CASE WHEN (piece.stock IS NULL) THEN 0 ELSE 1 END = 1", []),
    ({"stock": {"gt": 5}}, "piece.stock > :value_0", [5]),
    ({"stock": {"gte": 5}}, "piece.stock >= :value_0", [5]),
    ({"stock": {"lt": 5}}, "piece.stock < :value_0", [5]),
    ({"stock": {"lte": 5}}, "piece.stock <= :value_0", [5]),
    (
        {"stock": {"between": [1, 5]}},
        "piece.stock >= :value_0 AND piece.stock <= :value_1",
        [1, 5],
    ),
    (
        {"stock": {"inq": [1, 2, 3]}},
        "piece.stock IN (:value_0, :value_1, :value_2, :value_3)",
        [1, 2, 3, 3],
    ),
    ({"stock": {"inq": []}}, "1 = 0", []),
    (
        {"stock": {"nin": [1, 2]}},
        "CASE WHEN (piece.stock IN (:value_0, :value_1)) THEN 0 ELSE 1 END = 1",
        [1, 2],
    ),
    ({"stock": {"nin": []}}, "CASE WHEN (1 = 0) THEN 0 ELSE 1 END = 1", []),
    (
        {"weight": 9007199254740993},
        "piece.weight = :value_0 AND piece.weight_rest = :value_1",
        [9007199254740992.0, 1],
    ),
    (
        {"weight": {"gt": 2.5}},
        "piece.weight > :value_0 OR piece.weight = :value_0 AND piece.weight_rest > :value_1",
        [2.5, 0],
    ),
    ({"price": "3.20"}, "piece.price = :value_0", [Decimal("3.20")]),
    ({"sold": True}, "piece.sold = :value_0", [1]),
    ({"size": "s"}, 'piece."size" = :value_0', ["s"]),
    ({"level": 2}, 'piece."level" = :value_0', [2]),
    ({"day": "2024-02-29"}, "piece.day = :value_0", [dt.date(2024, 2, 29)]),
    (
        {"made": {"lt": "2024-02-29T12:30:00+02:00"}},
        "piece.made < :value_0",
        [dt.datetime(2024, 2, 29, 10, 30)],  # noqa: DTZ001 - as the column has it
    ),
    (
        {"key": "12345678-1234-5678-1234-567812345678"},
        "piece.key = :value_0",
        ["12345678-1234-5678-1234-567812345678"],
    ),
    ({"name": "Mug"}, "piece.name = :value_0", ["Mug"]),
    ({"name": ""}, "piece.name = :value_0", ["\0"]),
    ({"name": {"gt": "a"}}, "piece.name > :value_0", ["a"]),
    (
        {"name": {"like": "50!_\\%%"}},
        (
            "piece.name >= :value_0 AND piece.name < :value_1 AND piece.name NOT LIKE chr(0) "
            "AND piece.name LIKE :value_2 ESCAPE '!'"
        ),
        ["50!", '50"', "50!!_!%%"],
    ),
    (
        {"name": {"like": "_ug"}},
        "piece.name NOT LIKE chr(0) AND piece.name LIKE :value_0 ESCAPE '!'",
        ["_ug"],
    ),
    ({"name": {"like": "%"}}, "piece.name IS NOT NULL", []),
    ({"name": {"like": ""}}, "piece.name LIKE chr(0)", []),
    (
        {"name": {"nlike": "%g"}},
        (
            "CASE WHEN (piece.name NOT LIKE chr(0) AND piece.name LIKE :value_0 ESCAPE '!') "
            "THEN 0 ELSE 1 END = 1"
        ),
        ["%g"],
    ),
    ({"story": None}, "piece.story IS NULL", []),
    (
        # What is compared by its order is no LOB.
        {"story": {"like": "Once%"}},
        "piece.story NOT LIKE chr(0) AND piece.story LIKE :value_0 ESCAPE '!'",
        ["Once%"],
    ),
    (
        {"stock": 1, "sold": False},
        "piece.stock = :value_0 AND piece.sold = :value_1",
        [1, 0],
    ),
    (
        {"or": [{"stock": 1}, {"sold": False}]},
        "piece.stock = :value_0 OR piece.sold = :value_1",
        [1, 0],
    ),
    (
        {"nor": [{"stock": 1}, {"sold": False}]},
        "CASE WHEN (piece.stock = :value_0 OR piece.sold = :value_1) THEN 0 ELSE 1 END = 1",
        [1, 0],
    ),
    (
        {"owner.name": "Ann"},
        (
            "piece.owner_id IN "
            "(SELECT related_1.id FROM owner related_1 WHERE related_1.name = :value_0)"
        ),
        ["Ann"],
    ),
    (
        {"owner.id": {"gt": 5}},
        (
            "EXISTS (SELECT 1 FROM owner related_1 "
            "WHERE piece.owner_id = related_1.id AND related_1.id > :value_0)"
        ),
        [5],
    ),
]


def found(told: Told, **filter: Any) -> tuple[str, list[Any]]:
    """The statement of a filter that is answered by one, and its values."""
    Piece.find({"fields": ["name"], **filter})
    (statement,), (values,) = told.statements, told.values
    assert statement.startswith("SELECT piece.name FROM piece WHERE ")
    return statement.removeprefix("SELECT piece.name FROM piece WHERE "), list(values.values())


@pytest.mark.parametrize(("where", "sql", "values"), WHERES, ids=lambda value: str(value)[:50])
def test_the_statement_of_every_operator(
    told: Told, where: dict[str, Any], sql: str, values: list[Any]
) -> None:
    assert found(told, where=where) == (f"{sql} ORDER BY piece.id ASC", values)


@pytest.mark.parametrize(
    "where",
    [
        {"name": {"ilike": "m%"}},
        {"name": {"regexp": "^M"}},
        {"story": "Once"},
        {"story": {"gt": "Once"}},
        {"scan": "AAE="},
        {"notes.size": 5},
        {"tags": "new"},
        {"notes": None},
    ],
    ids=str,
)
def test_what_oracle_does_not_do_as_others_is_done_in_python(
    source: DataSource, told: Told, where: dict[str, Any]
) -> None:
    explained = source.explain(Piece, {"where": {"stock": 1, **where}})
    assert len(explained["python"]["where"]) == 1
    assert " ".join(explained["backend"].split()).endswith(
        "FROM piece WHERE piece.stock = :value_0 ORDER BY piece.id ASC"
    )


def test_a_list_of_more_than_a_thousand_is_several(told: Told) -> None:
    sql, values = found(told, where={"stock": {"inq": list(range(1500))}})
    assert sql.count("piece.stock IN (:value_") == 3
    assert ") OR piece.stock IN (" in sql
    assert len(values) == 2048


HAVERSINE = (
    "2.0d * asin(sqrt(least(1.0d, greatest(0.0d, "
    "sin(((piece.place_lat - :value_{0}) * 0.01745329252d) / 2.0d) * "
    "sin(((piece.place_lat - :value_{0}) * 0.01745329252d) / 2.0d) + "
    "cos(:value_{0} * 0.01745329252d) * cos(piece.place_lat * 0.01745329252d) * "
    "sin(((piece.place_lng - :value_{1}) * 0.01745329252d) / 2.0d) * "
    "sin(((piece.place_lng - :value_{1}) * 0.01745329252d) / 2.0d)))))"
)


def test_the_statement_of_near(told: Told) -> None:
    sql, values = found(told, where={"place": {"near": "10,5", "maxDistance": 3}})
    assert sql == (
        f"piece.place_lat IS NOT NULL AND {HAVERSINE.format(0, 1)} <= :value_2 AND "
        "piece.place_lat BETWEEN :value_3 AND :value_4 AND "
        "piece.place_lng BETWEEN :value_5 AND :value_6 "
        f"ORDER BY {HAVERSINE.format(7, 8)}, piece.id ASC"
    )
    assert values[:2] == values[7:] == [10.0, 5.0]
    # A double that is bound as a number is compared as one.
    assert set(told.sizes[0].values()) == {oracledb.DB_TYPE_BINARY_DOUBLE}
    assert len(told.sizes[0]) == 9


@pytest.mark.parametrize(
    ("filter", "sql", "values"),
    [
        ({"order": "name DESC"}, "ORDER BY piece.name DESC, piece.id ASC", []),
        ({"order": "stock"}, "ORDER BY piece.stock ASC NULLS LAST, piece.id ASC", []),
        ({"order": "stock DESC"}, "ORDER BY piece.stock DESC NULLS LAST, piece.id ASC", []),
        (
            {"order": "weight"},
            "ORDER BY piece.weight ASC NULLS LAST, piece.weight_rest ASC NULLS LAST, piece.id ASC",
            [],
        ),
        ({"limit": 3}, "ORDER BY piece.id ASC FETCH FIRST :value_0 ROWS ONLY", [3]),
        ({"skip": 3}, "ORDER BY piece.id ASC OFFSET :value_0 ROWS", [3]),
        (
            {"limit": 3, "skip": 6},
            "ORDER BY piece.id ASC OFFSET :value_1 ROWS FETCH FIRST :value_0 ROWS ONLY",
            [6, 3],
        ),
        (
            {"order": "owner.name"},
            (
                "ORDER BY (SELECT related_1.name FROM owner related_1 "
                "WHERE piece.owner_id = related_1.id) ASC NULLS LAST, piece.id ASC"
            ),
            [],
        ),
    ],
    ids=str,
)
def test_the_statement_of_an_order_and_a_page(
    told: Told, filter: dict[str, Any], sql: str, values: list[Any]
) -> None:
    assert found(told, **filter) == (f"1 = 1 {sql}", values)


def test_the_order_of_a_long_text_is_python_s(source: DataSource) -> None:
    explained = source.explain(Piece, {"order": "story"})
    assert explained["python"] == {"where": [], "order": True}
    assert "ORDER BY" not in explained["backend"]


def test_the_statement_of_an_include(told: Told) -> None:
    told.rows = [("Ann", 1), ("Bob", 2), ("Cy", 3)]
    Owner.find({"include": {"relation": "pieces", "scope": {"fields": ["name"]}}})
    assert told.statements[1] == (
        "SELECT piece.name, piece.owner_id FROM piece "
        "WHERE piece.owner_id IN (:value_0, :value_1, :value_2, :value_3) ORDER BY piece.id ASC"
    )
    assert list(told.values[1].values()) == [1, 2, 3, 3]


def test_the_statement_of_an_include_with_a_limit_for_each(told: Told) -> None:
    told.rows = [("Ann", 1), ("Bob", 2)]
    scope = {"fields": ["name"], "limit": 2, "skip": 1, "order": "stock DESC"}
    Owner.find({"include": {"relation": "pieces", "scope": scope}})
    assert told.statements[1] == (
        "SELECT placed.column_0, placed.column_1, placed.column_2 FROM "
        "(SELECT piece.name AS column_0, piece.owner_id AS column_1, "
        "piece.owner_id AS column_2, row_number() "
        "OVER (PARTITION BY piece.owner_id ORDER BY piece.stock DESC NULLS LAST, piece.id ASC) "
        "AS place FROM piece WHERE piece.owner_id IN (:value_0, :value_1)) placed "
        "WHERE placed.place > :value_2 AND placed.place <= :value_3 ORDER BY placed.place"
    )
    assert list(told.values[1].values()) == [1, 2, 1, 3]


def test_the_statement_of_a_count(told: Told) -> None:
    told.rows = [(4,)]
    assert Piece.count({"stock": 1}) == 4
    assert told.statements == ["SELECT count(*) AS count_1 FROM piece WHERE piece.stock = :value_0"]


# Writing


def test_the_statement_of_a_new_record(told: Told) -> None:
    assert Owner.create(name="Ann").id == 7
    assert told.statements == [
        "INSERT INTO owner (name) VALUES (:value_0) RETURNING owner.id INTO :ret_0"
    ]
    assert told.values[0]["value_0"] == "Ann"
    assert isinstance(told.values[0]["ret_0"], Var)


def test_an_id_that_is_given_is_left_behind_by_those_that_are_made(told: Told) -> None:
    told.rows = [("ISEQ$$_1", 3)]
    assert Owner.create(id=9, name="Ann").id == 9
    assert told.statements == [
        (
            "SELECT c.sequence_name, s.last_number - s.cache_size FROM user_tab_identity_cols c "
            "JOIN user_sequences s ON s.sequence_name = c.sequence_name "
            "WHERE c.table_name = :table_name AND c.column_name = :column_name"
        ),
        (
            "DECLARE made NUMBER := 0; BEGIN WHILE made < :given LOOP "
            'made := "ISEQ$$_1".NEXTVAL; END LOOP; END;'
        ),
        "INSERT INTO owner (name, id) VALUES (:value_0, :value_1)",
    ]
    assert told.values[0] == {"table_name": "OWNER", "column_name": "ID"}
    assert told.values[1] == {"given": 9}


@pytest.mark.parametrize("id", [2, 2_000_000])
def test_an_id_that_is_far_from_those_that_are_made_changes_nothing(told: Told, id: int) -> None:
    told.rows = [("ISEQ$$_1", 3)]
    Owner.create(id=id, name="Ann")
    assert len(told.statements) == 2


def test_the_statements_of_a_change_and_a_deletion(told: Told) -> None:
    Owner.update_all({"id": {"gt": 3}}, {"name": ""})
    Owner.destroy_all({"name": "Ann"})
    changed, deleted = (each for each in told.statements if each.startswith(("UPDATE", "DELETE")))
    assert changed == "UPDATE owner SET name=:value_0 WHERE owner.id > :value_1"
    assert deleted == "DELETE FROM owner WHERE owner.name = :value_0"
    assert {"value_0": "\0", "value_1": 3} in told.values


def test_the_statements_of_a_transaction(source: DataSource, told: Told) -> None:
    with source.transaction():
        Owner.create(name="Ann")
        with suppress(LookupError), source.transaction():
            Owner.create(name="Bob")
            raise LookupError
    assert [each.split(" (")[0] for each in told.statements] == [
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "INSERT INTO owner",
        "SAVEPOINT loop_1",
        "INSERT INTO owner",
        "ROLLBACK TO SAVEPOINT loop_1",
        "COMMIT",
    ]


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, "ISOLATION LEVEL SERIALIZABLE"),
        ({"isolation": "repeatable read"}, "ISOLATION LEVEL SERIALIZABLE"),
        ({"isolation": "read committed"}, "ISOLATION LEVEL READ COMMITTED"),
        ({"read_only": True}, "READ ONLY"),
    ],
    ids=str,
)
def test_the_isolation_of_a_transaction(
    source: DataSource, told: Told, options: dict[str, Any], mode: str
) -> None:
    with source.transaction(**options):
        pass
    assert told.statements == [f"SET TRANSACTION {mode}", "COMMIT"]


def test_a_transaction_that_fails_is_rolled_back(source: DataSource, told: Told) -> None:
    with pytest.raises(LookupError), source.transaction():
        raise LookupError
    assert told.statements[-1] == "ROLLBACK"


# Values there and back

THERE_AND_BACK: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("name", "Mug 🙂", ("Mug 🙂",)),
    ("name", "", ("\0",)),
    ("story", "", ("\0",)),
    ("stock", 2**63 - 1, (2**63 - 1,)),
    ("weight", 2.5, (2.5, 0)),
    ("weight", 2**63 - 1, (float(2**63), -1)),
    ("price", Decimal("-3.20"), (Decimal("-3.20"),)),
    ("sold", True, (1,)),
    ("sold", False, (0,)),
    (
        "made",
        dt.datetime(2024, 2, 29, 12, 30, 0, 123457, dt.UTC),
        (dt.datetime(2024, 2, 29, 12, 30, 0, 123457),),  # noqa: DTZ001 - as the column has it
    ),
    ("day", dt.date(2024, 2, 29), (dt.date(2024, 2, 29),)),
    ("scan", b"", (b"\0",)),
    ("scan", b"\0", (b"\0\0",)),
    ("scan", b"\0\1", (b"\0\1",)),
    ("scan", b"\1\0", (b"\1\0",)),
    ("place", GeoPoint(10, 5), (10.0, 5.0)),
    (
        "key",
        uuid.UUID("12345678-1234-5678-1234-567812345678"),
        ("12345678-1234-5678-1234-567812345678",),
    ),
    ("size", Size.LARGE, ("large",)),
    ("level", Level.HIGH, (2,)),
    ("notes", {"a": [1, ""]}, ('{"a":[1,""]}',)),
    ("notes", {}, ("{}",)),
    ("tags", [], ("[]",)),
    ("user", "", ('""',)),
    ("stock", None, (None,)),
    ("name", "\u00e9" * 1000, ("\u00e9" * 1000,)),
]


@pytest.mark.parametrize(
    ("name", "value", "raw"), THERE_AND_BACK, ids=lambda value: repr(value)[:30]
)
def test_values_go_there_and_come_back(
    told: Told, name: str, value: Any, raw: tuple[Any, ...]
) -> None:
    Piece.update_all({"id": 1}, {name: value})
    (written,) = (
        values
        for sql, values in zip(told.statements, told.values, strict=False)
        if sql.startswith("UPDATE")
    )
    assert tuple(written.values())[: len(raw)] == raw
    # A boolean is no value of a column, and a float none of BINARY_DOUBLE unless that is said.
    assert not [each for each in raw if isinstance(each, bool)]
    sizes = told.sizes[[sql.startswith("UPDATE") for sql in told.statements].index(True)]
    assert len(sizes) == sum(isinstance(each, float) or type(each) is dt.datetime for each in raw)
    told.forget()
    told.rows = [raw]
    (piece,) = Piece.find({"fields": [name]})
    assert getattr(piece, name) == value
    assert type(getattr(piece, name)) is type(value)


def test_oracle_s_days_have_a_time(told: Told) -> None:
    told.rows = [("12.50", Decimal(1), dt.datetime(2024, 2, 29))]  # noqa: DTZ001 - as Oracle has it
    (piece,) = Piece.find({"fields": ["day", "sold", "price"]})
    assert piece.day == dt.date(2024, 2, 29)
    assert piece.sold is True
    assert piece.price == Decimal("12.50")


# Errors


def refusal(told: Told, error: type[Exception], text: str, **record: Any) -> Any:
    """What a caller gets where Oracle refuses a new record."""
    told.refused, told.error = ("INSERT",), oracledb.IntegrityError(text)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its type is looked at
        Piece.create({"name": "Mug", **record})
    assert isinstance(caught.value, error), repr(caught.value)
    return caught.value


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Oracle's catalogue says of the tables."""
    primary = {"name": "sys_c007", "constrained_columns": ["id"]}
    index = {"name": "loop_piece__code__unique", "column_names": ["code"], "unique": True}
    monkeypatch.setattr(sa.Inspector, "get_pk_constraint", lambda *_: primary)
    monkeypatch.setattr(sa.Inspector, "get_indexes", lambda *_: [index])
    monkeypatch.setattr(sa.Inspector, "get_unique_constraints", lambda *_: [])


@pytest.mark.usefixtures("catalogue")
def test_a_value_that_is_not_unique_is_named(told: Told) -> None:
    text = "ORA-00001: unique constraint (SHOP.LOOP_PIECE__CODE__UNIQUE) violated"
    told.rows = [(0,)]  # none had it when the rule of the model looked
    error = refusal(told, ValidationError, text, code="a")
    assert error.details["codes"] == {"code": ["uniqueness"]}


def test_a_reference_to_nothing_is_named(told: Told) -> None:
    text = (
        "ORA-02291: integrity constraint (SHOP.LOOP_PIECE__OWNER_ID__FK) violated "
        "- parent key not found"
    )
    error = refusal(told, ValidationError, text, owner_id=99)
    assert error.details["codes"] == {"owner_id": ["relation"]}


@pytest.mark.usefixtures("catalogue")
def test_an_id_that_is_there_is_a_duplicate(told: Told) -> None:
    told.refused = ("INSERT",)
    told.error = oracledb.IntegrityError("ORA-00001: unique constraint (SHOP.SYS_C007) violated")
    with pytest.raises(DuplicateId):
        Owner.create(id=1, name="Ann")


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('ORA-01400: cannot insert NULL into ("SHOP"."PIECE"."OTHER")', RuntimeError),
        ("ORA-02290: check constraint (SHOP.CK) violated", Conflict),
        ("ORA-00060: deadlock detected while waiting for resource", TransactionConflict),
        ("ORA-08177: can't serialize access for this transaction", TransactionConflict),
        ("ORA-00054: resource busy and acquire with NOWAIT specified", Unavailable),
        ("ORA-01013: user requested cancel of current operation", Unavailable),
        ("DPY-4024: call timeout of 500 ms exceeded", Unavailable),
        ("ORA-00942: table or view does not exist", RuntimeError),
        ('ORA-00904: "PIECE"."CODE": invalid identifier', RuntimeError),
        ("ORA-01017: invalid username/password; logon denied", Unavailable),
        ("ORA-12541: TNS:no listener", Unavailable),
        ("ORA-01653: unable to extend table SHOP.PIECE", Unavailable),
        ("ORA-16000: database or pluggable database open for read-only access", Unavailable),
        ("ORA-03113: end-of-file on communication channel", Unavailable),
        ("DPY-4011: the database or network closed the connection", Unavailable),
        ("ORA-00600: internal error code", oracledb.IntegrityError),
    ],
)
def test_oracle_s_errors_are_those_of_every_database(
    told: Told, text: str, error: type[Exception]
) -> None:
    refused = refusal(told, error, text)
    assert isinstance(refused, oracledb.Error) or isinstance(
        refused.__cause__ or refused.__context__, Exception
    )


def test_a_missing_table_says_what_to_do(told: Told) -> None:
    told.refused = ("SELECT",)
    told.error = oracledb.DatabaseError("ORA-00942: table or view does not exist")
    with pytest.raises(RuntimeError, match=r"call auto_update\(\) on the data source"):
        Piece.find()


def test_a_connection_that_is_lost_is_left(source: DataSource, told: Told) -> None:
    told.refused = ("UPDATE",)
    told.error = oracledb.OperationalError("ORA-03114: not connected to ORACLE")
    with pytest.raises(Unavailable, match="is not available") as caught:
        Owner.update_all({"id": 1}, {"name": "Ann"})
    assert caught.value.retry_after
    told.forget()
    source.ping()
    assert told.statements[0].startswith("ALTER SESSION")


def test_connections_are_set_up_alike(told: Told, source: DataSource) -> None:
    source.close()
    source.ping()
    assert told.statements[-2:] == [
        "ALTER SESSION SET NLS_COMP = BINARY NLS_SORT = BINARY TIME_ZONE = '+00:00'",
        "SELECT 1 FROM DUAL",
    ]
