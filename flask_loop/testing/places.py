"""``near``: which points, and in which order."""

# ruff: noqa: S101 - assert is how tests check

from __future__ import annotations

from typing import Any

import pytest

from ..errors import FilterError
from ..geo import UNITS, GeoPoint
from .base import SHORT_TEXT, Contract, Define

BERLIN = GeoPoint(52.52, 13.405)
PLACES: dict[str, GeoPoint | None] = {
    "sydney": GeoPoint(-33.8688, 151.2093),
    "hamburg": GeoPoint(53.5511, 9.9937),
    "nowhere": None,
    "potsdam": GeoPoint(52.3906, 13.0645),
    "berlin": BERLIN,
    "tokyo": GeoPoint(35.6762, 139.6503),
}
NEAREST = ["berlin", "potsdam", "hamburg", "tokyo", "sydney"]


class PlaceContract(Contract):
    """Distances; every point is compared by the great circle."""

    @pytest.fixture
    def places(self, define: Define) -> type[Any]:
        """Cities, and a place that has no point."""
        places = define({"name": {**SHORT_TEXT, "id": True}, "location": GeoPoint, "size": int})
        places.create(
            [
                {"name": name, "location": point, "size": size}
                for size, (name, point) in enumerate(PLACES.items())
            ]
        )
        return places

    @pytest.fixture
    def points(self, define: Define) -> Any:
        """A function that stores points under their numbers, from 1."""

        def store(*points: GeoPoint) -> type[Any]:
            things = define({"location": GeoPoint})
            things.create([{"id": id, "location": each} for id, each in enumerate(points, 1)])
            return things

        return store

    def test_the_nearest_comes_first_and_null_is_never_near(self, places: Any) -> None:
        found = places.find(where={"location": {"near": BERLIN}})
        assert [each.name for each in found] == NEAREST

    @pytest.mark.parametrize(
        "point", ["52.52,13.405", [52.52, 13.405], {"lat": 52.52, "lng": "13.405"}], ids=repr
    )
    def test_the_point_is_written_in_any_form(self, places: Any, point: Any) -> None:
        found = places.find(where={"location": {"near": point}}, limit=2)
        assert [each.name for each in found] == NEAREST[:2]

    @pytest.mark.parametrize(
        ("distances", "expected"),
        [
            ({"maxDistance": 100}, ["berlin", "potsdam"]),
            ({"max_distance": 100, "unit": "kilometers"}, ["berlin", "potsdam"]),
            ({"maxDistance": 20, "unit": "miles"}, ["berlin", "potsdam"]),
            ({"maxDistance": 20, "unit": "kilometers"}, ["berlin"]),
            ({"maxDistance": 260_000, "unit": "meters"}, ["berlin", "potsdam", "hamburg"]),
            ({"maxDistance": 120_000, "unit": "feet"}, ["berlin", "potsdam"]),
            ({"maxDistance": 0.005, "unit": "radians"}, ["berlin", "potsdam"]),
            ({"maxDistance": 1, "unit": "degrees"}, ["berlin", "potsdam"]),
            ({"minDistance": 100}, ["hamburg", "tokyo", "sydney"]),
            ({"min_distance": 100, "maxDistance": 7000}, ["hamburg", "tokyo"]),
            ({"minDistance": 0, "maxDistance": 0}, ["berlin"]),
            ({"maxDistance": 1e9}, NEAREST),
            ({"minDistance": 1e9}, []),
            ({"minDistance": 10, "maxDistance": 5}, []),
        ],
        ids=repr,
    )
    def test_distances_bound_it(self, places: Any, distances: Any, expected: Any) -> None:
        where = {"location": {"near": BERLIN, **distances}}
        assert [each.name for each in places.find(where=where)] == expected
        assert places.count(where) == len(expected)

    def test_the_bounds_are_part_of_it(self, places: Any) -> None:
        potsdam = PLACES["potsdam"]
        assert potsdam is not None
        distance = BERLIN.distance_to(potsdam, "radians")
        for bound, expected in (
            ("maxDistance", ["berlin", "potsdam"]),
            ("minDistance", ["potsdam", "hamburg", "tokyo", "sydney"]),
        ):
            where = {"location": {"near": BERLIN, bound: distance, "unit": "radians"}}
            assert [each.name for each in places.find(where=where)] == expected

    def test_order_takes_the_place_of_distance(self, places: Any) -> None:
        found = places.find(where={"location": {"near": BERLIN}}, order="name DESC")
        assert [each.name for each in found] == sorted(NEAREST, reverse=True)

    def test_other_conditions_narrow_it(self, places: Any) -> None:
        where = {"location": {"near": BERLIN}, "size": {"gt": 0}, "name": {"neq": "tokyo"}}
        assert [each.name for each in places.find(where=where)] == ["berlin", "potsdam", "hamburg"]
        where = {"and": [{"size": {"lt": 4}}, {"location": {"near": BERLIN}}]}
        assert [each.name for each in places.find(where=where)] == ["potsdam", "hamburg", "sydney"]

    def test_limit_and_skip_count_from_the_nearest(self, places: Any) -> None:
        where = {"location": {"near": BERLIN}}
        assert [each.name for each in places.find(where=where, limit=2)] == NEAREST[:2]
        assert [each.name for each in places.find(where=where, limit=2, skip=2)] == NEAREST[2:4]
        assert [each.name for each in places.find(where=where, skip=4)] == NEAREST[4:]
        assert places.find(where=where, limit=0) == []

    def test_fields_need_not_hold_the_point(self, places: Any) -> None:
        found = places.find(where={"location": {"near": BERLIN}}, fields="name", limit=3)
        assert [each.to_record() for each in found] == [{"name": name} for name in NEAREST[:3]]

    def test_inside_or_it_narrows_without_ordering(self, places: Any) -> None:
        near = {"location": {"near": BERLIN, "maxDistance": 100}}
        found = places.find(where={"or": [near, {"name": "sydney"}]})
        assert [each.name for each in found] == ["berlin", "potsdam", "sydney"]

    def test_inside_nor_it_leaves_the_far_and_the_placeless(self, places: Any) -> None:
        near = {"location": {"near": BERLIN, "maxDistance": 200}}
        found = places.find(where={"nor": [near]})
        assert [each.name for each in found] == ["nowhere", "sydney", "tokyo"]

    def test_two_of_them_both_hold_and_the_first_orders(self, define: Define) -> None:
        routes = define({"start": GeoPoint, "end": GeoPoint})
        routes.create(
            [
                {"id": 1, "start": [0, 3], "end": [0, 1]},
                {"id": 2, "start": [0, 1], "end": [0, 3]},
                {"id": 3, "start": [0, 2], "end": [0, 50]},
            ]
        )
        end = {"near": [0, 0], "maxDistance": 10, "unit": "degrees"}
        found = routes.find(where={"start": {"near": [0, 0]}, "end": end})
        assert [each.id for each in found] == [2, 1]

    def test_equal_distances_are_ordered_by_id(self, points: Any) -> None:
        things = points(GeoPoint(0, 1), GeoPoint(0, -1), GeoPoint(0, 0), GeoPoint(0, 1))
        found = things.find(where={"location": {"near": [0, 0]}})
        assert [each.id for each in found] == [3, 1, 2, 4]

    def test_it_crosses_the_antimeridian(self, points: Any) -> None:
        things = points(
            GeoPoint(0, 179),
            GeoPoint(0, -179.5),
            GeoPoint(0, 180),
            GeoPoint(0, -180),
            GeoPoint(0, 0),
        )
        for lng in (180, -179.9, 179.5):
            here = GeoPoint(0, lng)
            near = {"near": here, "maxDistance": 2, "unit": "degrees"}
            found = things.find(where={"location": near})
            assert sorted(each.id for each in found) == [1, 2, 3, 4]
            distances = [(here.distance_to(each.location), each.id) for each in found]
            assert distances == sorted(distances)

    @pytest.mark.parametrize("pole", [90, -90])
    def test_it_crosses_the_poles(self, points: Any, pole: int) -> None:
        near_pole = pole * (1 - 1 / 90)
        things = points(
            *(GeoPoint(near_pole, lng) for lng in (0, 90, 180, -90)),
            GeoPoint(pole, 0),
            GeoPoint(pole, 123),
            GeoPoint(-pole, 0),
            GeoPoint(pole * 0.9, 0),
        )
        near = {"near": [near_pole, 0], "maxDistance": 2.1, "unit": "degrees"}
        found = [each.id for each in things.find(where={"location": near})]
        assert sorted(found) == [1, 2, 3, 4, 5, 6]
        assert found[0] == 1
        assert found[-1] == 3

    def test_the_other_side_of_the_globe_is_the_farthest(self, points: Any) -> None:
        things = points(GeoPoint(0, 180), GeoPoint(0, 0), GeoPoint(0, -180), GeoPoint(0, 179))
        found = things.find(
            where={"location": {"near": [0, 0], "maxDistance": 4, "unit": "radians"}}
        )
        assert [each.id for each in found] == [2, 4, 1, 3]

    def test_update_all_and_destroy_all_take_it(self, places: Any) -> None:
        where = {"location": {"near": BERLIN, "maxDistance": 200}}
        assert places.update_all(where, {"size": 99}) == 3
        assert places.count({"size": 99}) == 3
        assert places.destroy_all(where) == 3
        assert [each.name for each in places.find()] == ["nowhere", "sydney", "tokyo"]

    @pytest.mark.parametrize("unit", sorted(UNITS))
    def test_each_unit_means_its_distance(self, points: Any, unit: str) -> None:
        things = points(GeoPoint(0, 0), GeoPoint(0, 10), GeoPoint(10, 10))
        bound = GeoPoint(0, 0).distance_to([0, 10], unit) * 1.0001
        near = {"near": [0, 0], "maxDistance": bound, "unit": unit}
        assert [each.id for each in things.find(where={"location": near})] == [1, 2]

    @pytest.mark.parametrize(
        "where",
        [
            {"size": {"near": [0, 0]}},
            {"location": {"near": [91, 0]}},
            {"location": {"near": None}},
            {"location": {"near": [0, 0], "unit": "parsecs"}},
            {"location": {"near": [0, 0], "maxDistance": -1}},
            {"location": {"near": [0, 0], "minDistance": "far"}},
            {"location": {"maxDistance": 1}},
        ],
        ids=repr,
    )
    def test_one_that_means_nothing_is_refused(self, places: Any, where: Any) -> None:
        with pytest.raises(FilterError):
            places.find(where=where)
