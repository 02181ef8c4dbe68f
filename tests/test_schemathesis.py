"""The OpenAPI document against the running app: what it promises is what clients get."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Callable
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
    response_schema_conformance,
    status_code_conformance,
)

from flask_loop import DataSource, GeoPoint, Model, Prop, prop

MakeApp = Callable[..., Flask]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
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


@pytest.fixture
def app(make_app: MakeApp, source: DataSource) -> Flask:
    product, key, word = models = make_models(source)
    source.auto_update()
    source.enable_remote("destroyAll")
    product.create([{"name": f"p{n}", "price": n} for n in range(5)])
    key.create({"word": "k"})
    word.create({"text": "w"})
    return make_app(*models)


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
    assert check_operations(app, schemathesis.GenerationMode.POSITIVE, 25) == 51


@pytest.mark.slow
@pytest.mark.parametrize("source", ["sqlite"], indirect=True)
def test_what_the_document_does_not_allow_is_answered_as_it_says(app: Flask) -> None:
    assert check_operations(app, schemathesis.GenerationMode.NEGATIVE, 8) == 51
