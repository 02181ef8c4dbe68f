from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flask_loop import DataSource, GeoPoint, Model, create_data_source, memory
from flask_loop.migrations import migrations_of
from tests.servers import Missing, Postgresql

POINTS = {"name": str, "open": bool, "location": {"type": "GeoPoint", "index": True}}


@pytest.fixture(scope="module")
def spatial_url(postgresql: Postgresql) -> str:
    """A database that has PostGIS."""
    try:
        return postgresql.fresh_with_postgis()
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def spatial(spatial_url: str) -> Iterator[DataSource]:
    source = create_data_source(connector="postgresql", url=spatial_url)
    yield source
    source.close()


@pytest.fixture
def empty(postgresql: Postgresql) -> Iterator[DataSource]:
    """A database without PostGIS."""
    source = create_data_source(connector="postgresql", url=postgresql.fresh("plain"))
    yield source
    source.close()


# Poles, the antimeridian, antipodes and equal places are where indexes and formulas go wrong.
latitudes = st.one_of(
    st.sampled_from([-90.0, -89.9999, 0.0, 45.0, 89.9999, 90.0]),
    st.floats(-90, 90, allow_nan=False).map(lambda degrees: round(degrees, 5)),
)
longitudes = st.one_of(
    st.sampled_from([-180.0, -179.9999, 0.0, 13.0, 179.9999, 180.0]),
    st.floats(-180, 180, allow_nan=False).map(lambda degrees: round(degrees, 5)),
)
points = st.tuples(latitudes, longitudes)
distances = st.one_of(
    st.none(), st.sampled_from([0, 0.001, 20_015_000]), st.floats(0, 20_100_000, allow_nan=False)
)


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    lat, lng = draw(points)
    near: dict[str, Any] = {"near": {"lat": lat, "lng": lng}, "unit": "meters"}
    least, most = draw(distances), draw(distances)
    if least is not None:
        near["minDistance"] = least
    if most is not None and most >= (least or 0):
        near["maxDistance"] = most
    filter: dict[str, Any] = {"where": {"location": near}}
    if draw(st.booleans()):
        filter["where"]["open"] = draw(st.booleans())
    for key in ("limit", "skip"):
        if draw(st.booleans()):
            filter[key] = draw(st.integers(1, 9))
    if draw(st.booleans()):
        filter["order"] = draw(st.sampled_from(["name DESC", "open ASC", "id DESC"]))
    return filter


@pytest.fixture(scope="module")
def places(spatial: DataSource) -> tuple[type[Model], type[Model]]:
    """The same model in memory, and in a database with PostGIS."""
    models = tuple(source.create_model("postgisPlace", POINTS) for source in (memory(), spatial))
    models[1].data_source.auto_update()
    return models  # type: ignore[return-value]


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    found=st.lists(points, max_size=25),
    asked=st.lists(queries(), min_size=1, max_size=6),
)
@example(
    found=[(0, 0), (0, 180), (0, -180), (90, 0), (90, 77), (-90, 5), (0, 0), (1e-9, 180)],
    asked=[
        {"where": {"location": {"near": {"lat": 0, "lng": 0}}}, "limit": 3},
        {"where": {"location": {"near": {"lat": 90, "lng": 1}}}, "limit": 2},
        {"where": {"location": {"near": {"lat": 0, "lng": 179.99}}}, "limit": 2, "skip": 1},
    ],
)
def test_postgis_finds_what_memory_finds_in_the_same_order(
    places: tuple[type[Model], type[Model]],
    found: list[tuple[float, float]],
    asked: list[dict[str, Any]],
) -> None:
    rows = [
        {"name": f"p{place % 4}", "open": place % 3 > 0, "location": list(each)}
        for place, each in enumerate(found)
    ]
    rows.append({"name": "nowhere", "open": True, "location": None})
    for model in places:
        model.destroy_all()
    expected = {record.id: place for place, record in enumerate(places[0].create(rows))}
    stored = {record.id: place for place, record in enumerate(places[1].create(rows))}
    for filter in asked:
        wanted = [expected[record.id] for record in places[0].find(filter)]
        assert [stored[record.id] for record in places[1].find(filter)] == wanted, filter


@pytest.fixture(scope="module")
def many(spatial: DataSource) -> type[Model]:
    """100,000 places all over the globe."""
    model = spatial.create_model("postgisMany", POINTS)
    spatial.auto_update()
    spatial.execute(
        "INSERT INTO postgis_many (name, open, location_lat, location_lng) "
        "SELECT 'p' || n, n % 50 = 0, degrees(asin(2 * random() - 1)), 360 * random() - 180 "
        "FROM generate_series(1, 100000) AS n",
        {},
    )
    spatial.execute("ANALYZE postgis_many", {})
    return model


@pytest.mark.parametrize(
    "filter",
    [
        {"where": {"location": {"near": "52.5,13.4", "maxDistance": 20, "unit": "kilometers"}}},
        {"where": {"location": {"near": "89.9,0", "maxDistance": 90, "unit": "kilometers"}}},
        {
            "where": {
                "name": {"like": "p%"},
                "location": {"near": "0,179.99", "maxDistance": 50, "unit": "kilometers"},
            }
        },
    ],
)
def test_the_spatial_index_narrows_a_large_table_down(
    many: type[Model], filter: dict[str, Any]
) -> None:
    plan = "\n".join(many.data_source.explain(many, filter)["plan"])
    assert "loop_postgis_many__location:postgis" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("center", ["52.5,13.4", "90,0", "-12,180", "0,0"])
@pytest.mark.parametrize("more", [{}, {"open": True}])
def test_the_nearest_of_a_large_table_are_those_of_all_distances(
    many: type[Model], center: str, more: dict[str, Any]
) -> None:
    near = {"location": {"near": center}, **more}
    found = [each.id for each in many.find(where=near, limit=10, skip=5)]
    every = many.find(where=more)
    point = GeoPoint(center)
    every.sort(key=lambda each: (each.location.distance_to(point), each.id))
    assert found == [each.id for each in every[5:15]]


def test_a_table_is_actual_when_it_has_its_spatial_index(spatial: DataSource) -> None:
    model = spatial.create_model("postgisActual", POINTS)
    assert not spatial.is_actual([model])
    spatial.auto_update([model])
    assert spatial.is_actual([model])
    spatial.execute('DROP INDEX "loop_postgis_actual__location:postgis"', {})
    assert not spatial.is_actual([model])
    spatial.auto_update([model])
    assert spatial.is_actual([model])
    unindexed = spatial.create_model(
        "postgisActualUnindexed",
        {**POINTS, "location": "GeoPoint"},
        options={"postgresql": {"table": "postgis_actual"}},
    )
    assert not spatial.is_actual([unindexed])
    spatial.auto_update([unindexed])
    assert spatial.is_actual([unindexed])
    known = "SELECT indexname FROM pg_indexes WHERE tablename = 'postgis_actual'"
    assert [each["indexname"] for each in spatial.execute(known)] == ["postgis_actual_pkey"]


def test_an_extension_that_comes_later_is_used_after_the_next_update(
    empty: DataSource, postgresql: Postgresql
) -> None:
    model = empty.create_model("postgisLater", POINTS)
    empty.auto_update()
    model.create([{"name": "a", "location": [10, 10]}, {"name": "b", "location": [11, 10]}])
    filter = {"where": {"location": {"near": "10,10", "maxDistance": 100}}}
    assert [each.name for each in model.find(filter)] == ["a", "b"]
    assert "st_dwithin" not in empty.explain(model, filter)["backend"]
    empty.execute('CREATE SCHEMA "Our Extensions"', {})
    try:
        empty.execute('CREATE EXTENSION postgis SCHEMA "Our Extensions"', {})
    except Exception as error:  # noqa: BLE001 - whatever says that there is none
        pytest.skip(str(error))
    assert not empty.is_actual()
    empty.auto_update()
    assert [each.name for each in model.find(filter)] == ["a", "b"]
    assert [each.name for each in model.find({**filter, "limit": 1, "skip": 1})] == ["b"]
    assert "st_dwithin" in empty.explain(model, filter)["backend"]


def test_near_works_in_a_table_of_another_schema(spatial: DataSource) -> None:
    spatial.execute("CREATE SCHEMA IF NOT EXISTS other", {})
    model = spatial.create_model(
        "postgisElsewhere", POINTS, options={"postgresql": {"schema": "other"}}
    )
    spatial.auto_update([model])
    model.create([{"name": "a", "location": [10, 10]}, {"name": "b", "location": [11, 10]}])
    filter = {"where": {"location": {"near": "11,10", "maxDistance": 10}}}
    assert [each.name for each in model.find(filter)] == ["b"]
    assert "st_dwithin" in spatial.explain(model, filter)["backend"]


def test_points_without_an_index_of_their_own_are_found_without_one(spatial: DataSource) -> None:
    model = spatial.create_model("postgisUnindexed", {"name": str, "location": "GeoPoint"})
    spatial.auto_update([model])
    model.create([{"name": "a", "location": [10, 10]}, {"name": "b", "location": None}])
    filter = {"where": {"location": {"near": "11,10"}}, "limit": 5}
    assert [each.name for each in model.find(filter)] == ["a"]


def test_revisions_make_a_spatial_index_and_take_it_away(
    spatial: DataSource, spatial_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = "SELECT indexname FROM pg_indexes WHERE tablename = 'postgis_versioned' ORDER BY 1"
    spatial_names = [
        "loop_postgis_versioned__location",
        "loop_postgis_versioned__location:postgis",
    ]

    def upgraded(properties: dict[str, Any]) -> Any:
        source = create_data_source(connector="postgresql", url=spatial_url, name="db")
        source.create_model("postgisVersioned", properties)
        migrations = migrations_of(source)
        migrations.revision("change")
        migrations.upgrade()
        assert source.is_actual()
        assert migrations.diff() == []
        source.close()
        return migrations

    def names() -> list[str]:
        found = [each["indexname"] for each in spatial.execute(known)]
        return [each for each in found if each.startswith("loop")]

    upgraded({"name": str})
    assert names() == []
    upgraded(POINTS)
    assert names() == spatial_names
    migrations = upgraded({**POINTS, "location": "GeoPoint"})
    assert names() == []
    migrations.downgrade("-1", allow_drop=True)
    assert names() == spatial_names
    migrations.downgrade("-1", allow_drop=True)
    assert names() == []
