"""SQL servers at their edges: what is interrupted, linked, named, and written by others."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from types import FrameType
from typing import Any

import pytest

from flask_loop import DataSource, create_data_source
from flask_loop.errors import Conflict, DuplicateId, LoopError
from tests.servers import Server

SERVERS = ["postgresql", "mysql", "firebird"]
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
GREATEST = 2**63 - 1
#: The most seconds that the tests wait for what takes a moment.
PATIENCE = 40

Get = Callable[[str], Server]


def opened(get_server: Get, name: str) -> DataSource:
    if name == "sqlite":
        return create_data_source(connector=name, url="sqlite://")
    return create_data_source(connector=name, url=get_server(name).fresh("review"))


@pytest.fixture(params=SERVERS)
def source(request: pytest.FixtureRequest, get_server: Get) -> Iterator[DataSource]:
    made = opened(get_server, request.param)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", *SERVERS])
def database(request: pytest.FixtureRequest, get_server: Get) -> Iterator[DataSource]:
    made = opened(get_server, request.param)
    yield made
    made.close()


@pytest.fixture
def postgresql_source(get_server: Get) -> Iterator[DataSource]:
    made = opened(get_server, "postgresql")
    yield made
    made.close()


# What is interrupted


class Halt(BaseException):
    """What a signal raises, as time limits of workers do."""


class SoftLimit(Exception):
    """What a signal raises, as time limits of task queues do."""


class Interrupter:
    """Raises an error in the middle of what the main thread does."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error
        self.is_armed = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.is_armed:
            self.is_armed = False
            raise self.error

    def interrupt(self, seconds: float, act: Callable[[], Any]) -> None:
        self._interrupt(lambda: signal.setitimer(signal.ITIMER_REAL, seconds), act)

    def interrupt_when(self, is_time: Callable[[], Any], act: Callable[[], Any]) -> None:
        """Interrupt what takes long as soon as something is true."""
        main = threading.get_ident()

        def watch() -> None:
            deadline = monotonic() + PATIENCE
            while not is_time() and monotonic() < deadline:
                sleep(0.01)
            signal.pthread_kill(main, signal.SIGALRM)

        watcher = threading.Thread(target=watch)
        self._interrupt(watcher.start, act)
        watcher.join()

    def _interrupt(self, begin: Callable[[], Any], act: Callable[[], Any]) -> None:
        with suppress(self.error, LoopError):
            try:
                self.is_armed = True
                begin()
                act()
            finally:
                self.is_armed = False


@pytest.fixture(params=[Halt, SoftLimit])
def interrupter(request: pytest.FixtureRequest) -> Iterator[Interrupter]:
    made = Interrupter(request.param)
    # A connection that is interrupted while it is made leaves its socket to the garbage collector,
    # whose warning pytest would look at for so long that a signal interrupts pytest.
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    usual = signal.signal(signal.SIGALRM, made)
    timer = signal.getitimer(signal.ITIMER_REAL)
    yield made
    signal.setitimer(signal.ITIMER_REAL, *timer)
    signal.signal(signal.SIGALRM, usual)
    gc.collect()  # here, and not in another test
    sys.unraisablehook = hook


@pytest.mark.parametrize("name", ["postgresql", "mysql"])
def test_an_interrupted_statement_leaves_its_answer_to_nobody(
    name: str, get_server: Get, interrupter: Interrupter
) -> None:
    source = opened(get_server, name)
    words = source.create_model("CutOffWord", {"text": str})
    source.auto_update()
    words.create([{"text": f"word {number}"} for number in range(20)])

    def in_transaction() -> None:
        with source.transaction():
            words.create(text="more")
            words.count()

    acts = [words.find, lambda: words.create(text="new"), in_transaction]
    for turn in range(150):
        interrupter.interrupt(0.0001 + turn % 25 * 0.00006, acts[turn % 3])
        assert words.count({"text": {"like": "word %"}}) == 20
        assert words.find_by_id(3).text == "word 2"
    assert source.connector.session.in_use == 0  # type: ignore[attr-defined]
    source.close()


def test_an_interrupted_transaction_is_undone_and_does_not_go_on(
    get_server: Get, interrupter: Interrupter
) -> None:
    source = opened(get_server, "mysql")
    other = create_data_source(connector="mysql", url=get_server("mysql").fresh("other"))
    words = source.create_model("HaltedWord", {"text": str})
    source.auto_update()

    def go_on() -> None:
        with source.transaction():
            words.create(text="before")
            interrupter.interrupt_when(is_asleep, lambda: source.execute("SELECT SLEEP(30)"))
            words.create(text="after")

    def is_asleep() -> bool:
        found = "SELECT id FROM information_schema.processlist WHERE info = 'SELECT SLEEP(30)'"
        return bool(other.execute(found))

    with pytest.raises(LoopError, match="has ended the transaction"):
        go_on()
    assert words.count() == 0
    for each in (source, other):
        each.close()


# Links between keys that are stored in columns of other kinds


def test_records_are_linked_by_numbers_and_instants(database: DataSource) -> None:
    keys: dict[Any, list[Any]] = {
        "number": [1, 2**60 + 1, 0.5],
        datetime: [NOON, NOON + timedelta(microseconds=1), NOON.replace(year=4)],
    }
    for key, values in keys.items():
        kind = getattr(key, "__name__", key)
        shop = database.create_model(f"LinkedShop{kind}", {"key": {"type": key, "id": True}})
        ware = database.create_model(
            f"LinkedWare{kind}", {"key": {"type": key, "index": True}, "size": int}
        )
        shop.has_many("wares", model=ware, foreign_key="key")
        ware.belongs_to("shop", model=shop, foreign_key="key")
        database.auto_update([shop, ware])
        shop.create([{"key": each} for each in values])
        ware.create([{"key": each, "size": place} for place, each in enumerate(values)])
        for place, each in enumerate(values):
            assert [found.size for found in ware.find(where={"shop.key": each})] == [place]
            assert shop.find_one(where={"wares.size": place}).key == each
        ordered = sorted(range(3), key=lambda place: values[place])
        assert [found.size for found in ware.find(order="shop.key")] == ordered


def test_whole_numbers_are_linked_to_numbers(database: DataSource) -> None:
    whole = [1, 2**53 + 1, 2**60 + 1, GREATEST, GREATEST - 1, -GREATEST]
    number = database.create_model("MixedNumber", {"key": {"type": "number", "id": True}})
    integer = database.create_model("MixedInteger", {"key": {"type": int, "index": True}})
    pair = database.create_model("MixedPair", {"key": {"type": int}, "other": "number"})
    number.has_many("integers", model=integer, foreign_key="key")
    integer.belongs_to("number", model=number, foreign_key="key")
    number.has_many("others", model=number, through=pair, foreign_key="key", key_through="other")
    pair.belongs_to("owner", model=number, foreign_key="key")
    database.auto_update()
    number.create([{"key": each} for each in [*whole, 0.5, 1e300, 1e19]])
    integer.create([{"key": each} for each in [*whole, 2**60, 2, None]])
    pair.create([{"key": 1, "other": 0.5}, {"key": 2**60 + 1, "other": GREATEST}])

    found = number.find(include="integers", order="key")
    assert {each.key: [one.key for one in each.integers()] for each in found} == {
        each: [each] if each in whole else [] for each in [*whole, 0.5, 1e300, 1e19]
    }
    assert [each.key for each in integer.find(where={"number.key": {"gt": 1}}, order="key")] == (
        sorted(whole)[2:]
    )
    linked = [*sorted(whole), None, None, None]
    orders = integer.find(order=["number.key", "key"], include="number")
    assert [each.number() and each.number().key for each in orders] == linked
    scope = {"relation": "others", "scope": {"limit": 1, "order": "key"}}
    through = number.find(where={"key": {"inq": [1, 2**60 + 1]}}, include=scope, order="key")
    assert [[one.key for one in each.others()] for each in through] == [[0.5], [GREATEST]]


# Names

ODD = ["per%cent", "%s", "\u00fcn\u00ef", 'quo"te', "Mixed Case"]
RESERVED = ["lateral", "value", "nothing", "returning", "collation", "offset", "portion", "system"]


@pytest.mark.parametrize("odd", [*ODD, *RESERVED])
def test_tables_and_columns_have_any_names(odd: str, database: DataSource) -> None:
    backend = database.connector.name
    named = database.create_model(
        "OddlyNamed",
        {
            "id": {"type": int, "id": True, "generated": True},
            "text": {"type": str, "max_length": 9, "unique": True},
            "size": "number",
        },
        options={backend: {"table": odd}},
    )
    named.definition.properties["size"].options[backend] = {"columnName": odd}
    database.auto_update()
    assert database.is_actual()
    named.create(id=7, text="a", size=2**60 + 1)
    named.create(text="b")
    assert [each.id for each in named.find(order="size")] == [7, 8]
    assert named.update_all({"size": 2**60 + 1}, {"size": 3}) == 1
    assert named.destroy_all({"size": {"lt": 4}}) == 1


# Ids


def test_no_id_is_made_after_the_greatest(source: DataSource) -> None:
    words = source.create_model("LastWord", {"text": str})
    source.auto_update()
    words.create(id=GREATEST)
    for _ in range(2):
        with pytest.raises(Conflict, match="refused the record"):
            words.create(text="one more")
    assert [each.id for each in words.find()] == [GREATEST]


def test_an_id_that_is_made_is_another_one_than_those_that_are_given(source: DataSource) -> None:
    words = source.create_model("RacingWord", {"text": str})
    source.auto_update()

    def write(thread: int) -> int:
        for number in range(12):
            if number % 2:
                with suppress(DuplicateId):  # as others may have made the one that is given
                    words.create(id=100 + thread + number * 8)
            else:
                words.create(text=f"{thread} {number}")
        return 6

    with ThreadPoolExecutor(8) as threads:
        made = sum(threads.map(write, range(8)))
    assert words.count({"text": {"neq": None}}) == made


def test_ids_that_others_gave_are_refused_once_and_for_all(postgresql_source: DataSource) -> None:
    words = postgresql_source.create_model("BehindWord", {"text": str})
    postgresql_source.auto_update()
    postgresql_source.execute("INSERT INTO behind_word (id) SELECT generate_series(1, 9)")
    with pytest.raises(DuplicateId, match="Duplicate entry for BehindWord"):
        words.create(text="a")
    with pytest.raises(DuplicateId), postgresql_source.transaction():
        words.create(text="a")


# What others wrote


def test_values_that_python_has_not_are_null(postgresql_source: DataSource) -> None:
    postgresql_source.execute(
        "CREATE TABLE strange (id int PRIMARY KEY, n numeric, price numeric(10, 2), f float8, "
        "at timestamp, instant timestamptz, day date, clock time, doc json)"
    )
    postgresql_source.execute(
        "INSERT INTO strange VALUES "
        "(1, 'NaN', 'NaN', 'NaN', 'infinity', '-infinity', 'infinity', '24:00', '[1e400]'), "
        "(2, 'Infinity', 1, '-Infinity', '0044-03-15 BC', '12345-01-01', '0044-03-15 BC', "
        "'23:00', '1'), "
        "(3, '1e2000', 1, 1.5, '2024-02-29', '0001-01-01 00:00:00+10', '12345-01-01', NULL, '2')"
    )
    (strange,) = postgresql_source.discover_and_build_models("strange").values()
    first, second, third = strange.find(order="id")
    for each in (first, second, third):
        assert (each.n, each.instant, each.day) == (None, None, None)
    assert (first.price, first.f, first.at, first.clock) == (None, None, None, "24:00:00")
    assert first.doc == [None]
    assert (second.f, second.at, third.f) == (None, None, 1.5)
    assert third.at == datetime(2024, 2, 29, tzinfo=UTC)


def test_instants_of_our_tables_that_python_has_not_are_null(
    postgresql_source: DataSource,
) -> None:
    days = postgresql_source.create_model("EndlessDay", {"at": datetime, "day": "DateOnly"})
    postgresql_source.auto_update()
    postgresql_source.execute("INSERT INTO endless_day (at, day) VALUES ('infinity', 'infinity')")
    (found,) = days.find()
    assert (found.at, found.day) == (None, None)
