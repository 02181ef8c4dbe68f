"""The OpenAPI document against the running app: what it promises is what clients get."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.datastructures import FileStorage

from flask_loop import DataSource, GeoPoint, Model, Prop, prop, remote_method, scope
from flask_loop.errors import Conflict

MakeApp = Callable[..., Flask]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


def make_models(source: DataSource) -> list[type[Model]]:
    class Maker(Model):
        city: Prop[str]
        since: Prop[int | None]

        class Meta:
            id_injection = False

    class Product(Model):
        name: Prop[str] = prop(required=True, max_length=20)
        price: Prop[float | None] = prop(min=0)
        exact: Prop[Decimal | None] = prop(precision=8, scale=2)
        stock: Prop[int] = prop(default=0)
        is_new: Prop[bool | None]
        size: Prop[Size | None]
        made: Prop[dt.datetime | None]
        sold: Prop[dt.date | None]
        photo: Prop[bytes | None]
        place: Prop[GeoPoint | None]
        tags: Prop[list[str] | None]
        extra: Prop[dict[str, Any] | None]
        anything: Prop[Any | None]
        maker: Prop[Maker | None]
        sku: Prop[str | None] = prop(unique=True)
        secret: Prop[str | None] = prop(hidden=True)
        role: Prop[str] = prop(read_only=True, default="user")
        batch: Prop[str | None] = prop(create_only=True)
        password: Prop[str | None] = prop(write_only=True)

        class Meta:
            data_source = source

    class Key(Model):
        id: Prop[uuid.UUID] = prop(id=True, default_fn="uuid")
        word: Prop[str | None]

        class Meta:
            data_source = source
            strict = "validate"
            strict_delete = True

    class Word(Model):
        text: Prop[str] = prop(id=True)
        count_: Prop[int | None]

        class Meta:
            data_source = source
            strict = True
            force_id = False
            replace_on_put = False

    return [Product, Key, Word]


def make_model_with_methods(source: DataSource) -> type[Model]:
    class Maker(Model):
        city: Prop[str]

        class Meta:
            id_injection = False

    class Shop(Model):
        name: Prop[str] = prop(max_length=20)
        makers: Prop[list[Maker] | None]

        @remote_method(http=[{"verb": "get"}, {"verb": "post", "path": "/found"}])
        @classmethod
        def find_by(  # noqa: PLR0917
            cls,
            word: str,
            whole: int,
            number: float = 1.5,
            yes: bool = False,
            exact: Decimal | None = None,
            size: Size = Size.SMALL,
            at: dt.datetime | None = None,
            day: dt.date | None = None,
            key: uuid.UUID | None = None,
            raw: bytes | None = None,
        ) -> dict[str, Any]:
            numbers, others = [whole, number, exact], [yes, size, at, day, key, raw]
            return {"word": word, "numbers": numbers, "others": others}

        @remote_method(
            accepts=[{"arg": "x", "type": "any", "required": True}],
            returns={"arg": "x", "type": "any", "root": True},
            http=[{"verb": "all"}],
        )
        @classmethod
        def anything(cls, x: Any) -> Any:
            return x

        @remote_method(http=[{"verb": "get"}, {"verb": "post", "path": "/put-in"}])
        @classmethod
        def objects(
            cls,
            place: GeoPoint,
            counts: dict[str, int],
            sizes: list[Size],
            makers: list[Maker] | None = None,
            tags: list[str] | None = None,
        ) -> GeoPoint:
            assert isinstance(place, GeoPoint)
            assert all(isinstance(each, Size) for each in sizes)
            assert all(isinstance(each, int) for each in counts.values())
            assert all(isinstance(each, Maker) for each in makers or ())
            return place

        @remote_method(
            accepts=[
                {"arg": "day", "type": dt.date, "http": {"source": "path"}},
                {"arg": "sizes", "type": [Size], "http": {"source": "path"}},
            ],
            returns={"arg": "day", "type": dt.date},
            http={"verb": "get", "path": "/of/:day/:sizes"},
        )
        @classmethod
        def of_day(cls, day: dt.date, sizes: list[Size]) -> dt.date:
            return day

        @remote_method(
            accepts=[
                {"arg": "X-Count", "type": "integer", "http": {"source": "header"}},
                {"arg": "X-Tags", "type": ["string"], "http": {"source": "header"}},
                {"arg": "X-Place", "type": "GeoPoint", "http": {"source": "header"}},
            ],
            returns=[
                {"arg": "place", "type": "GeoPoint", "root": True},
                {"arg": "status", "type": "number", "http": {"target": "status"}},
                {
                    "arg": "count",
                    "type": "integer",
                    "http": {"target": "header", "header": "X-Count"},
                },
            ],
            http={"verb": "get"},
        )
        @classmethod
        def in_heads(
            cls,
            x_count: int | None = None,
            x_tags: Any = None,
            x_place: Any = None,
        ) -> Any:
            return x_place or GeoPoint(0, 0), 203, x_count

        @remote_method(
            accepts=[
                {"arg": "rows", "type": ["Shop"], "required": True, "http": {"source": "body"}},
                {"arg": "dry", "type": "boolean"},
            ],
            returns=[{"arg": "count", "type": "integer"}, {"arg": "first", "type": "any"}],
            http={"verb": "put", "path": "/all", "status": 202},
        )
        @classmethod
        def put_all(cls, rows: list[Any], dry: bool = False) -> Any:
            rows = [each for each in rows if each.name is not None]
            return len(rows), rows[0].name if rows else None

        @remote_method
        @classmethod
        def open_one(cls, shop: Shop) -> Shop:
            shop.save()
            return shop

        @remote_method
        @classmethod
        def upload(
            cls, photo: FileStorage, note: str = "", place: GeoPoint | None = None
        ) -> dict[str, Any]:
            return {"size": len(photo.read()), "note": note, "place": place}

        @remote_method(
            accepts={"arg": "files", "type": ["file"], "required": True},
            returns={"arg": "count", "type": "number"},
        )
        @classmethod
        def uploads(cls, files: Any) -> int:
            return len(files)

        @remote_method(
            returns=[
                {"arg": "body", "type": "file", "root": True},
                {"arg": "type", "http": {"target": "header", "header": "Content-Type"}},
            ],
            http={"verb": "get"},
        )
        @classmethod
        def photo(cls, big: bool = False) -> Any:
            return b"abc", "image/png" if big else None

        @remote_method(http={"verb": "get"})
        @classmethod
        def stream(cls, count: int = 2) -> Iterator[Shop]:
            yield from cls.find(limit=max(0, min(count, 5)))

        @remote_method
        def rename(self, name: str) -> Shop | None:
            return self.update_attributes(name=name) if name < "m" else None

        @remote_method(http={"verb": "del", "path": "/mark/:word"})
        def unmark(self, word: str, why: str = "") -> None:
            if why:
                raise Conflict("It is marked.")

        @remote_method(http={"verb": "get", "error_status": 502})
        @classmethod
        def unsaid(cls, how: Size = Size.SMALL):  # type: ignore[no-untyped-def] # noqa: ANN206
            return None if how is Size.SMALL else 1

        class Meta:
            data_source = source

    return Shop


def make_models_with_relations(source: DataSource) -> list[type[Model]]:
    class Stamp(Model):
        key: Prop[str] = prop(id=True, max_length=5)
        size: Prop[int | None] = prop(min=0)

    class Library(Model):
        name: Prop[str] = prop(max_length=20)
        open_ones = scope(where={"name": "open"})

        class Meta:
            data_source = source

    class Volume(Model):
        title: Prop[str] = prop(max_length=20)
        library_id: Prop[int | None]
        kept: Prop[str] = prop(read_only=True, default="kept")

        class Meta:
            data_source = source

    class Label(Model):
        word: Prop[str] = prop(max_length=20)

        class Meta:
            data_source = source

    class Loan(Model):
        days: Prop[int] = prop(min=1)

        class Meta:
            data_source = source

    class Reader(Model):
        name: Prop[str] = prop(max_length=20)

        class Meta:
            data_source = source

    Library.has_many(Volume, nest_remoting=True)
    Library.has_one("head", model=Reader, foreign_key="library_id")
    Volume.belongs_to(Library)
    Volume.has_and_belongs_to_many(Label)
    Volume.has_many("readers", model=Reader, through=Loan)
    Volume.references_many("hints", model=Label)
    Volume.embeds_many("stamps", model=Stamp)
    Volume.embeds_one("seal", model=Stamp)
    Volume.has_many("notes", model=Reader, polymorphic="subject")
    Reader.belongs_to("subject", polymorphic=True)
    return [Library, Volume, Label, Reader]


@pytest.fixture
def app(make_app: MakeApp, source: DataSource) -> Flask:
    product, key, word = models = make_models(source)
    source.auto_update()
    source.enable_remote("destroyAll")
    product.create([{"name": f"p{n}", "price": n} for n in range(5)])
    key.create({"word": "k"})
    word.create({"text": "w"})
    return make_app(*models)


@pytest.fixture
def app_with_methods(make_app: MakeApp, source: DataSource) -> Flask:
    shop: Any = make_model_with_methods(source)
    source.auto_update()
    shop.disable_remote("*")
    shop.enable_remote(*METHODS)
    shop.create([{"name": f"s{n}"} for n in range(5)])
    return make_app(shop)


@pytest.fixture
def app_with_relations(make_app: MakeApp, source: DataSource) -> Flask:
    library, volume, label, reader = models = make_models_with_relations(source)
    source.auto_update()
    for model in models:
        model.disable_remote("*")
        model.enable_remote("find", *RELATED[model.__name__])
    library.create([{"name": "open"}, {"name": "closed"}])
    volume.create([{"title": f"v{n}", "library_id": 1 + n % 2} for n in range(4)])
    label.create([{"word": f"w{n}"} for n in range(4)])
    reader.create([{"name": f"r{n}", "subject_id": 1, "subject_type": "Volume"} for n in range(3)])
    return make_app(*models)


def _names(relation: str, *verbs: str) -> list[str]:
    return [f"prototype.__{verb}__{relation}" for verb in verbs]


_MANY = ("get", "create", "delete", "count", "findById", "updateById", "destroyById")
_LINKED = (*_MANY, "link", "unlink", "exists")
_ONE = ("get", "create", "update", "destroy")
RELATED: dict[str, list[str]] = {
    "Library": [
        *(f"__{verb}__openOnes" for verb in ("get", "create", "delete", "count")),
        *_names("volumes", *_MANY),
        *_names("head", *_ONE),
        *_names("volumes__labels", "get", "link"),
    ],
    "Volume": [
        *_names("library", "get"),
        *_names("labels", *_LINKED),
        *_names("readers", *_LINKED),
        *_names("hints", *_LINKED),
        *_names("stamps", *_MANY),
        *_names("seal", *_ONE),
        *_names("notes", *_MANY),
    ],
    "Label": [],
    "Reader": _names("subject", "get"),
}

METHODS = (
    *("findBy", "anything", "objects", "ofDay", "inHeads", "putAll", "openOne", "upload"),
    *("uploads", "photo", "stream", "unsaid", "prototype.rename", "prototype.unmark"),
)


def check_operations(app: Flask, mode: schemathesis.GenerationMode, examples: int) -> int:
    """Call every operation so many times, check each answer, and give how many operations are."""
    operations = 0
    for found in schemathesis.openapi.from_wsgi("/_docs/openapi.json", app).get_all_operations():
        operations += 1

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=found.ok().as_strategy(generation_mode=mode))
        def answer(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS)

        # Some operations take nothing that could be wrong.
        with suppress(Unsatisfiable):
            answer()
    return operations


@pytest.mark.slow
def test_what_the_document_allows_is_answered_as_it_says(app: Flask) -> None:
    assert check_operations(app, schemathesis.GenerationMode.POSITIVE, 14) == 51


@pytest.mark.slow
@pytest.mark.parametrize("source", ["sqlite"], indirect=True)
def test_what_the_document_does_not_allow_is_answered_as_it_says(app: Flask) -> None:
    assert check_operations(app, schemathesis.GenerationMode.NEGATIVE, 5) == 51


@pytest.mark.slow
@pytest.mark.parametrize("source", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("mode", "examples"),
    [(schemathesis.GenerationMode.POSITIVE, 24), (schemathesis.GenerationMode.NEGATIVE, 12)],
)
def test_methods_of_users_answer_as_the_document_says(
    app_with_methods: Flask, mode: schemathesis.GenerationMode, examples: int
) -> None:
    assert check_operations(app_with_methods, mode, examples) == 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "examples"),
    [(schemathesis.GenerationMode.POSITIVE, 8), (schemathesis.GenerationMode.NEGATIVE, 4)],
)
def test_relations_answer_as_the_document_says(
    app_with_relations: Flask, mode: schemathesis.GenerationMode, examples: int
) -> None:
    operations = 4 + sum(map(len, RELATED.values()))
    assert check_operations(app_with_relations, mode, examples) == operations
