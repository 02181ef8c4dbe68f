from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_loop import DefinitionError, Loop


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("LOOP_MAX_LIMITS", "LOOP_MAX_LIMIT"),
        ("LOOP_DATASOURCES", "LOOP_DATA_SOURCES"),
        ("LOOP_DOC", "LOOP_DOCS"),
        ("LOOP_CREATE_STATUS", "LOOP_CREATED_STATUS"),
        ("LOOP_MAX_FILTERDEPTH", "LOOP_MAX_FILTER_DEPTH"),
    ],
)
def test_an_unknown_setting_names_the_nearest(name: str, nearest: str) -> None:
    app = Flask("shop")
    app.config[name] = 1
    with pytest.raises(DefinitionError) as caught:
        Loop(app)
    assert str(caught.value) == f"there is no setting {name}; did you mean '{nearest}'?"
    assert "loop" not in app.extensions


def test_a_setting_that_is_like_no_other_is_named_too() -> None:
    app = Flask("shop")
    app.config["LOOP_" + "Q" * 40] = 1
    with pytest.raises(DefinitionError, match=r"^there is no setting LOOP_Q{40}$"):
        Loop(app)


def test_settings_without_the_prefix_are_not_looked_at() -> None:
    app = Flask("shop")
    app.config.update(LOOPS=1, LOOPBACK_X=1, MAX_LIMIT="x")
    Loop(app)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("LOOP_MAX_LIMIT", 0, "a positive whole number"),
        ("LOOP_MAX_LIMIT", -1, "a positive whole number"),
        ("LOOP_MAX_LIMIT", "1000", "a positive whole number"),
        ("LOOP_MAX_LIMIT", True, "a positive whole number"),
        ("LOOP_MAX_LIMIT", None, "a positive whole number"),
        ("LOOP_MAX_BODY", 1.5, "a positive whole number"),
        ("LOOP_DOCS", "false", "a boolean"),
        ("LOOP_DOCS", 0, "a boolean"),
        ("LOOP_DATA_SOURCES", ["db"], "a dict"),
        ("LOOP_DATA_SOURCES", "sqlite://", "a dict"),
    ],
)
def test_a_setting_of_the_wrong_kind_says_what_it_is(name: str, value: Any, kind: str) -> None:
    app = Flask("shop")
    app.config[name] = value
    with pytest.raises(DefinitionError, match=f"^{name} is {kind}, not "):
        Loop(app)


@pytest.mark.parametrize("status", [204, 404, 202])
def test_a_created_status_is_200_or_201(status: int) -> None:
    app = Flask("shop")
    app.config["LOOP_CREATED_STATUS"] = status
    with pytest.raises(DefinitionError, match="LOOP_CREATED_STATUS is 200 or 201"):
        Loop(app)


def test_settings_are_read_when_the_app_is_given() -> None:
    from flask_loop import memory

    app = Flask("shop")
    app.config["LOOP_MAX_LIMIT"] = 1
    loop = Loop(app)
    app.config["LOOP_MAX_LIMIT"] = 100
    model = memory().create_model("thing")
    loop.model(model)
    model.create([{}, {}])
    assert len(app.test_client().get("/things").json or ()) == 1


def test_a_connector_is_made_once_when_it_is_first_used() -> None:
    from flask_loop.connectors.memory import MemoryConnector

    made: list[Any] = []

    class Counted(MemoryConnector):
        def __init__(self, settings: Any) -> None:
            made.append(settings)
            super().__init__(settings)

    app = Flask("shop")
    app.config["LOOP_DATA_SOURCES"] = {"db": {"connector": Counted}}
    loop = Loop(app)
    source = loop.data_source("db")
    assert made == []
    with app.app_context():
        first = source.connector
        assert source.connector is first
    with app.app_context():
        assert source.connector is first
    assert made == [{}]
    assert app.extensions["loop"].connector("db") is first
